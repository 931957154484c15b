"""Settings of Flagship's SDK as users write them: ``Config`` of 1.x and 2.x, ``DecisionApi`` and ``Bucketing`` of 3.x.

Names, units and defaults are the vendor's; below this module there are seconds. ``endpoints``, ``session`` and
``cache_directory`` are ours (specs/flagship.md 1.3, 8).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, NamedTuple

from ..settings import HttpSession, Secret
from .arguments import TEXT, Argument
from .caching import CacheManager
from .endpoints import V1, V3, Endpoints
from .engine.values import RECOMMENDED, STRICT, Typing
from .handler import FlagshipEventHandler
from .log_manager import FlagshipLogManager, LogLevel, LogManager
from .plan import Plan
from .status_listener import StatusListener
from .tracking_manager import TrackingManagerConfig

__all__ = ["Bucketing", "Config", "DecisionApi", "FlagTyping", "FlagshipConfig"]

FlagTyping = Literal["recommended", "strict"]
"""Which defaults a flag's value fits: ``strict`` is 3.0.1 to the letter (specs/flagship.md 6)."""

TYPINGS: dict[str, Typing] = {"recommended": RECOMMENDED, "strict": STRICT}

DEFAULT_SECONDS = 2.0
ONE_POLLING = 60.0

NOTHING: Any = None

NO_ENV_ID: Any = object()
"""None was given yet: in 2.x it is ``start`` that is."""


class Config:
    """How 1.x and 2.x are set up.

    ``polling_interval`` and ``timeout`` are in seconds. The bucketing file is asked for again every
    ``polling_interval``, at 0 or below never. An empty ``api_key`` selects the vendor's first decision API.
    ``visitor_cache_manager`` has the methods ``save(visitor_id, data)`` and ``lookup(visitor_id)``. What is of a wrong
    type is replaced by its default; raises ``TypingError`` for the ids alone.
    """

    class Mode(Enum):
        """Who decides: the server, or this process by a file of its rules."""

        API = "API"
        DECISION_API = API
        BUCKETING = "BUCKETING"

    def __init__(
        self,
        env_id: str = NO_ENV_ID,
        api_key: str = "",
        *,
        mode: Mode = Mode.DECISION_API,
        event_handler: FlagshipEventHandler | None = None,
        debug: bool | None = None,
        polling_interval: float = ONE_POLLING,
        timeout: float = DEFAULT_SECONDS,
        visitor_cache_manager: Any = None,
        endpoints: Endpoints | None = None,
        session: HttpSession | None = None,
        cache_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        if env_id is NO_ENV_ID:
            env_id = NOTHING
        else:
            Argument("env_id", TEXT).checked(env_id, "Config")
        if api_key is not None:
            Argument("api_key", TEXT).checked(api_key, "Config")
        self.env_id = env_id
        self.api_key = api_key
        self.mode = mode if isinstance(mode, Config.Mode) else Config.Mode.DECISION_API
        self.event_handler = (
            event_handler if isinstance(event_handler, FlagshipEventHandler) else FlagshipEventHandler()
        )
        self.debug = debug
        self.polling_interval = polling_interval if _is_number(polling_interval) else ONE_POLLING
        self.timeout = timeout if _is_number(timeout) and timeout > 0 else DEFAULT_SECONDS
        self.visitor_cache_manager = visitor_cache_manager
        self.endpoints = endpoints
        self.session = session
        self.cache_directory = cache_directory

    def __repr__(self) -> str:
        return f"Config({self.env_id!r}, mode={self.mode.name})"

    @property
    def api_key(self) -> str | None:
        """The key itself; nothing else shows it."""
        return None if self._api_key is None else self._api_key.reveal()

    @api_key.setter
    def api_key(self, api_key: str | None) -> None:
        self._api_key: Secret | None = None if api_key is None else Secret(api_key)

    @property
    def is_complete(self) -> bool:
        """Whether there are both ids, though the key may be empty."""
        return self.env_id is not None and self._api_key is not None

    def plan(self) -> Plan:
        """The same in the library's own terms."""
        return Plan(
            env_id=self.env_id,
            api_key=self._api_key or Secret(""),
            is_bucketing=self.mode is Config.Mode.BUCKETING,
            dialect=V1,
            timeout=float(self.timeout),
            polling_interval=float(self.polling_interval),
            cache_directory=self.cache_directory,
            endpoints=self.endpoints,
            session=self.session,
        )


class _Option(NamedTuple):
    default: Callable[[], Any]
    accepts: Callable[[Any], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _may_be(kind: type) -> Callable[[Any], bool]:
    return lambda value: value is None or isinstance(value, kind)


OPTIONS: dict[str, _Option] = {
    "timeout": _Option(lambda: 2000, lambda value: _is_whole(value) and value > 0),
    "polling_interval": _Option(lambda: 60_000, _is_whole),
    "log_level": _Option(lambda: LogLevel.ALL, lambda value: isinstance(value, LogLevel)),
    "log_manager": _Option(FlagshipLogManager, lambda value: isinstance(value, LogManager)),
    "status_listener": _Option(lambda: None, _may_be(StatusListener)),
    "cache_manager": _Option(lambda: None, _may_be(CacheManager)),
    "tracking_manager_config": _Option(TrackingManagerConfig, lambda value: isinstance(value, TrackingManagerConfig)),
    "flag_typing": _Option(lambda: "recommended", lambda value: isinstance(value, str) and value in TYPINGS),
}
"""What is of another type than these accept is replaced by the default."""


class FlagshipConfig:
    """How 3.x is set up; made as ``DecisionApi`` or ``Bucketing``. Times are in milliseconds.

    ``flag_typing="strict"`` keeps 3.0.1's rules for a flag's value and its default to the letter.
    """

    timeout: int
    polling_interval: int
    log_level: LogLevel
    log_manager: LogManager
    status_listener: StatusListener | None
    cache_manager: CacheManager | None
    tracking_manager_config: TrackingManagerConfig
    flag_typing: FlagTyping

    is_bucketing = False

    def __init__(
        self,
        *,
        env_id: str = "",
        api_key: str = "",
        timeout: int = 2000,
        polling_interval: int = 60_000,
        log_level: LogLevel = LogLevel.ALL,
        log_manager: LogManager | None = None,
        status_listener: StatusListener | None = None,
        cache_manager: CacheManager | None = None,
        tracking_manager_config: TrackingManagerConfig | None = None,
        flag_typing: FlagTyping = "recommended",
        endpoints: Endpoints | None = None,
        session: HttpSession | None = None,
        cache_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        given = {
            "timeout": timeout,
            "polling_interval": polling_interval,
            "log_level": log_level,
            "log_manager": log_manager,
            "status_listener": status_listener,
            "cache_manager": cache_manager,
            "tracking_manager_config": tracking_manager_config,
            "flag_typing": flag_typing,
        }
        for name, value in given.items():
            option = OPTIONS[name]
            setattr(self, name, value if option.accepts(value) else option.default())
        self.env_id = env_id
        self._api_key = Secret(api_key)
        self.endpoints = endpoints
        self.session = session
        self.cache_directory = cache_directory

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.env_id!r}, timeout={self.timeout})"

    @property
    def api_key(self) -> str:
        """The key itself; nothing else shows it."""
        return self._api_key.reveal()

    @property
    def typing(self) -> Typing:
        """The rules for a flag's value beside a default."""
        return TYPINGS[self.flag_typing]

    def identify(self, env_id: str, api_key: str) -> None:
        """Take the ids that the SDK is started with."""
        self.env_id, self._api_key = env_id, Secret(api_key)

    def plan(self) -> Plan:
        """The same in the library's own terms."""
        return Plan(
            env_id=self.env_id,
            api_key=self._api_key,
            is_bucketing=self.is_bucketing,
            dialect=V3,
            timeout=self.timeout / 1000,
            polling_interval=self.polling_interval / 1000,
            tracking=self.tracking_manager_config,
            cache=self.cache_manager,
            cache_directory=self.cache_directory,
            endpoints=self.endpoints,
            session=self.session,
        )


class DecisionApi(FlagshipConfig):
    """The server decides: each ``fetch_flags`` asks it."""


class Bucketing(FlagshipConfig):
    """This process decides, by a file that it asks for every ``polling_interval``; at 0 or below once, at the start.

    With a ``cache_directory`` the last file is kept there, and used while there is no other.
    """

    is_bucketing = True
