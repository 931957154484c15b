"""``Flagship``, the door to the SDK: for 1.x and 2.x by ``instance()``, for 3.x by its static methods.

There is one per process, as the vendor documents it: a start replaces what was there before, whose threads end. Who
needs two environments in one process takes the OpenFeature provider.
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from .arguments import TEXT, Argument
from .config import Config, DecisionApi, FlagshipConfig
from .errors import InitializationError, InitializationParamError, TypingError
from .handler import FlagshipEventHandler, HandlerLog, handled
from .log_manager import Log, LogLevel, ManagerLog
from .remembered import Remembered
from .sdk import Sdk
from .status_listener import Status
from .visitor import FlagshipVisitor, Visitor

if TYPE_CHECKING:
    from .environment import Environment
    from .plan import Plan

__all__ = ["Flagship"]

GENERATED: Any = object()
"""No id was given; ``None`` is none either, but an error."""

EMPTY: dict[Any, Any] = {}
"""Never written to: a visitor copies what it is given."""

CONTEXT = Argument("context", (dict,))


class Flagship:
    """The SDK. Any thread may call."""

    def __init__(self) -> None:
        self._sdk = Sdk()
        self._visitor: Visitor | None = None

    @overload
    @staticmethod
    def start(config: Config) -> None: ...
    @overload
    @staticmethod
    def start(env_id: str, api_key: str, configuration: FlagshipConfig | Config | None = None) -> None: ...
    @staticmethod
    def start(*arguments: Any, **named: Any) -> None:
        """Begin: by a ``Config`` (1.x), by both ids and one (2.x), or by both ids and a configuration of 3.x.

        What ran before is stopped, in bounded time. 1.x and 2.x wait for the first file in bucketing mode, and raise
        ``InitializationError`` without ids or file; 3.x raises ``InitializationParamError`` for empty ids, and does not
        wait. ``TypingError`` for anything else.
        """
        ids, configuration = _bound(arguments, named)
        if isinstance(configuration, Config):
            _ONE._start_legacy(configuration, ids)
        else:
            env_id, api_key = ids
            _ONE._start(env_id, api_key, configuration)

    # 1.x and 2.x ------------------------------------------------------------------------------------------------------

    @staticmethod
    def instance() -> Flagship:
        """The one object of 1.x and 2.x."""
        return _ONE

    def is_flagship_started(self) -> bool:
        """Whether there is a configuration with an environment id and a key, which may be empty."""
        legacy = self._sdk.legacy_config
        return legacy.is_complete if legacy is not None else self._sdk.environment is not None

    @handled
    def create_visitor(
        self, visitor_id: str = GENERATED, context: dict[Any, Any] = EMPTY, *, authenticated: bool = False
    ) -> FlagshipVisitor:
        """A visitor, whose flags are there once it is synchronized; without an id it is given one.

        Raises ``InitializationError`` before ``start``, and ``TypingError``.
        """
        environment = self._sdk.environment
        if environment is None:
            raise InitializationError("create_visitor: start comes first")
        if visitor_id is GENERATED:
            visitor_id = f"{datetime.now():%Y%m%d%H%M%S}{secrets.randbelow(100_000):05}"
        Argument("visitor_id", TEXT).checked(visitor_id, "create_visitor")
        CONTEXT.checked(context, "create_visitor")
        log = self._handler_log
        legacy = self._sdk.legacy_config
        return FlagshipVisitor(
            environment,
            log,
            visitor_id,
            context,
            authenticated=authenticated,
            remembered=Remembered(legacy.visitor_cache_manager if legacy is not None else None, log),
        )

    def close(self) -> None:
        """Let go of threads and connections; visitors go on with the last bucketing file."""
        if self._sdk.environment is not None:
            self._sdk.environment.rest()

    # 3.x --------------------------------------------------------------------------------------------------------------

    @staticmethod
    def config() -> FlagshipConfig | Config | None:
        """The configuration in use."""
        return _ONE._sdk.config or _ONE._sdk.legacy_config

    @staticmethod
    def new_visitor(visitor_id: str, **options: Any) -> Visitor:
        """A visitor; options are ``instance_type``, ``authenticated``, ``consent`` and ``context``.

        ``get_visitor`` gives it only if ``Visitor.Instance.SINGLE_INSTANCE`` is given: that it were the default is
        documented, and never was so. An option of a wrong type counts as not given. Raises ``ParamTypeError``.
        """
        Argument("visitor_id", TEXT).checked(visitor_id, "new_visitor")
        given = {name: options.get(name) for name in ("authenticated", "consent", "context")}
        visitor = Visitor(
            _ONE._sdk,
            visitor_id,
            authenticated=given["authenticated"] is True,
            consent=given["consent"] is not False,
            context=given["context"] if isinstance(given["context"], Mapping) else {},
        )
        if options.get("instance_type") is Visitor.Instance.SINGLE_INSTANCE:
            _ONE._visitor = visitor
        return visitor

    @staticmethod
    def get_visitor() -> Visitor | None:
        """The last visitor that was made as the single instance."""
        return _ONE._visitor

    @staticmethod
    def status() -> Status:
        """What can be done now."""
        return _ONE._sdk.status

    @staticmethod
    def stop() -> None:
        """End, in bounded time: what waits is sent or cached, as the closing strategy says; all is forgotten."""
        sdk = _ONE._sdk
        with sdk.starting:
            was_started = sdk.environment is not None
            sdk.replace(None)
            _ONE._visitor = None
        if was_started:
            sdk.log.tell("Termination", LogLevel.INFO, "the SDK is stopped")

    # How --------------------------------------------------------------------------------------------------------------

    @property
    def _handler_log(self) -> HandlerLog:
        """Who is told, by 1.x."""
        log = self._sdk.log
        return log if isinstance(log, HandlerLog) else HandlerLog(FlagshipEventHandler())

    def _start_legacy(self, config: Config, ids: tuple[Any, ...]) -> None:
        log = HandlerLog(config.event_handler)
        try:
            if ids:
                config.env_id, config.api_key = ids
            if not config.is_complete:
                raise InitializationError("start: there is no environment id, or no API key")
            with self._sdk.starting:
                environment = _environment(config.plan(), log)
                environment.start()
                if not environment.wait_for_file():
                    reason = environment.file_problem()
                    environment.stop()
                    raise InitializationError(f"start: the bucketing file could not be had: {reason}")
                self._sdk.replace(environment, log, legacy=config)
            log.tell("Initialization", LogLevel.DEBUG, "Started")
        except Exception as error:  # whatever it is, the handler is told, and may want it swallowed
            log.tell_of("", error, traceback.format_exc())
            if not log.catches:
                raise

    def _start(self, env_id: object, api_key: object, configuration: object) -> None:
        for name, value in (("env_id", env_id), ("api_key", api_key)):
            Argument(name, TEXT).checked(value, "start")
            if not value:
                raise InitializationParamError(f"start: {name} must not be empty")
        if configuration is not None and not isinstance(configuration, FlagshipConfig):
            kind = type(configuration).__name__
            raise TypingError(f"start: configuration must be DecisionApi, Bucketing or Config, not {kind}")
        used = configuration or DecisionApi()
        used.identify(str(env_id), str(api_key))
        log = ManagerLog(used.log_manager, used.log_level)
        if configuration is None:
            log.tell("Initialization", LogLevel.WARNING, "start: there is no configuration, DecisionApi() is used")
        for warning in used.tracking_manager_config.warnings:
            log.tell("Configuration parameter", LogLevel.WARNING, warning)
        listener = used.status_listener
        with self._sdk.starting:
            self._sdk.replace(None)  # before the new one begins: it may look for what the old one has cached
            told = () if listener is None else (listener.on_status_changed,)
            environment = _environment(used.plan(), log, *told)
            self._sdk.replace(environment, log, config=used)
            environment.start(announces_start=configuration is not None)


_ONE = Flagship()


def _environment(plan: Plan, log: Log, *on_status: Callable[[Status], object]) -> Environment:
    # Imported here: it needs the network and asyncio, which take long to import; the provider needs them not always.
    from .environment import Environment  # noqa: PLC0415

    return Environment(plan, log, *on_status)


def _bound(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """The ids, if any are given, and the configuration."""
    if not arguments and set(named) == {"config"}:
        arguments, named = (named["config"],), {}
    if len(arguments) == 1 and not named:
        if not isinstance(arguments[0], Config):
            raise TypingError(f"start: config must be Config, not {type(arguments[0]).__name__}")
        return (), arguments[0]
    given = dict(zip(("env_id", "api_key", "configuration"), arguments, strict=False))
    is_known = len(arguments) <= 3 and named.keys() <= {"env_id", "api_key", "configuration"} - given.keys()
    given |= named
    if not is_known or not {"env_id", "api_key"} <= given.keys():
        raise TypingError("start: takes a Config, or env_id, api_key and, if you like, a configuration")
    return (given["env_id"], given["api_key"]), given.get("configuration")
