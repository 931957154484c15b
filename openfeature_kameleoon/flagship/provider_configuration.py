"""Every setting of FlagshipProvider, declared once: default, check and documentation.

What a setting does is its reader's business. Names and rules are those of Kameleoon's configuration where both have
the setting (specs/flagship.md 8).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from ..errors import ConfigSettingInvalid
from ..settings import (
    CHOICE,
    EVENTS,
    MEGABYTES,
    MILLISECONDS,
    PATH,
    SESSION,
    SWITCH,
    URL,
    HttpSession,
    Refused,
    Rule,
    shown,
)
from .caching import CacheManager, VisitorCacheImplementation
from .endpoints import Endpoints

__all__ = ["BUCKETING", "DECISION_API", "FlagshipConfiguration", "FlagshipSetting", "flagship_settings"]

BUCKETING: Literal["BUCKETING"] = "BUCKETING"
DECISION_API: Literal["DECISION_API"] = "DECISION_API"

MEGABYTE = 1 << 20


class _Setting(NamedTuple):
    """What a field carries besides its name, type and default."""

    rule: Rule
    description: str


def _is(rule: Rule, description: str) -> Mapping[str, _Setting]:
    return {"setting": _Setting(rule, description)}


def _number(unit: str, least: float, most: float, *, is_whole: bool = False, note: str = "") -> Rule:
    kinds = {int} if is_whole else {int, float}
    kind = "whole number" if is_whole else "number"

    def hold(value: Any) -> object:
        if type(value) not in kinds or not least <= value <= most:
            raise Refused(shown(value))
        return value

    return Rule(f"a {kind} of {unit} from {least} to {most}{note}", hold, unit)


def _hold_mode(value: object) -> str:
    if isinstance(value, str) and value.upper() in (BUCKETING, DECISION_API):
        return value.upper()
    raise Refused(shown(value))


def _hold_cache(value: object) -> object:
    if value is None or (isinstance(value, CacheManager) and isinstance(value, VisitorCacheImplementation)):
        return value
    raise Refused(shown(value))


CACHE = Rule("a CacheManager that is a VisitorCacheImplementation, or None", _hold_cache)
MODE = Rule(f"{BUCKETING} or {DECISION_API}", _hold_mode)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FlagshipConfiguration:
    """The settings of a FlagshipProvider: immutable, checked, units in their names; ``flagship_settings`` tells each.

    Raises ``ConfigSettingInvalid`` for a value that is not allowed.
    """

    mode: Literal["BUCKETING", "DECISION_API"] = field(
        default=BUCKETING,
        metadata=_is(
            MODE, "Decides in this process from the bucketing file, or asks the decision API for each visitor."
        ),
    )
    polling_interval_second: float = field(
        default=60.0,
        metadata=_is(
            _number("seconds", 0, 100_000_000, note="; 0 is once"),
            "How often the bucketing file is asked for, or how old a visitor's flags from the decision API may grow.",
        ),
    )
    timeout_millisecond: float = field(
        default=2_000,
        metadata=_is(MILLISECONDS, "How long a request for decisions, or one that sends, may take in all."),
    )
    download_timeout_millisecond: float = field(
        default=10_000,
        metadata=_is(MILLISECONDS, "How long the bucketing file, or initialize's wait for the first one, may take."),
    )
    data_file: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(PATH, "Bucketing file on disk, in place of Flagship's: nothing is asked or sent.")
    )
    data_file_maximum_size: float = field(default=32, metadata=_is(MEGABYTES, "A larger bucketing file is refused."))
    cache_directory: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(PATH, "Folder for the last good bucketing file: a start without network.")
    )
    visitor_data_maximum_size: float = field(
        default=100, metadata=_is(MEGABYTES, "Memory for visitors; those seen least recently go first.")
    )
    cache_manager: CacheManager | None = field(
        default=None,
        metadata=_is(CACHE, "Visitor cache of the SDK: a visitor's flags until the decision API was asked."),
    )
    missing_flag_is_default: bool = field(
        default=False,
        metadata=_is(SWITCH, "True: a flag that the decision API does not name is DEFAULT, not FLAG_NOT_FOUND."),
    )
    send_exposures: bool = field(
        default=True, metadata=_is(SWITCH, "False: evaluations activate nothing; events of track() are sent.")
    )
    report_context_data: bool = field(
        default=True, metadata=_is(SWITCH, "False: contexts are not reported; the decision API is asked with them.")
    )
    send_events: bool | None = field(
        default=None, metadata=_is(CHOICE, "Whether anything is sent; None: unless the bucketing file is one on disk.")
    )
    tracking_interval_millisecond: float = field(
        default=10_000,
        metadata=_is(_number("milliseconds", 200, 10_800_000), "How often hits are sent; activations go at once."),
    )
    tracking_pool_size: int = field(
        default=20,
        metadata=_is(
            _number("hits", 0, 5_000, is_whole=True), "So many hits are sent without waiting; 0 or 1: each at once."
        ),
    )
    tracking_directory: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(PATH, "Folder where hits wait; None: in memory, lost when the process dies.")
    )
    tracking_survives_power_loss: bool = field(
        default=False, metadata=_is(SWITCH, "True: a hit on disk is there after a power cut too, and costs more.")
    )
    tracking_queue_size: int = field(
        default=100_000, metadata=_is(EVENTS, "How many hits, and activations, may wait in memory.")
    )
    shutdown_timeout_millisecond: float = field(
        default=2_000,
        metadata=_is(MILLISECONDS, "How long shutdown and the program's end may take to send what waits."),
    )
    server_url: str | None = field(
        default=None, metadata=_is(URL, "One server for all of Flagship's: a local one, or a relay.")
    )
    decision_api_url: str | None = field(
        default=None,
        metadata=_is(URL, "A decision API of one's own, whose paths do not name the environment: https://host/v2."),
    )
    session: HttpSession | None = field(default=None, metadata=_is(SESSION, "Sends the requests: proxies, CA bundle."))
    multi_threading: bool = field(
        default=True, metadata=_is(SWITCH, "False: no threads at all, sending and polling in explicit calls only.")
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            setting: _Setting = each.metadata["setting"]
            try:
                object.__setattr__(self, each.name, setting.rule.hold(getattr(self, each.name)))
            except Refused as refused:
                message = f"{each.name} must be {setting.rule.allowed}, not {refused}"
                raise ConfigSettingInvalid(message, setting=each.name) from None
        if self.data_file is not None and self.mode != BUCKETING:
            raise ConfigSettingInvalid(f"data_file needs the mode {BUCKETING}, not {self.mode}", setting="data_file")
        if self.cache_manager is not None and self.mode != DECISION_API:
            message = f"cache_manager needs the mode {DECISION_API}: in the other one an evaluation waits for nothing"
            raise ConfigSettingInvalid(message, setting="cache_manager")

    @property
    def sends_events(self) -> bool:
        """Whether anything is sent: as ``send_events`` says, or else unless the bucketing file is one on disk."""
        return self.data_file is None if self.send_events is None else self.send_events

    @property
    def timeout_second(self) -> float:
        """``timeout_millisecond`` in seconds."""
        return self.timeout_millisecond / 1000.0

    @property
    def download_timeout_second(self) -> float:
        """``download_timeout_millisecond`` in seconds."""
        return self.download_timeout_millisecond / 1000.0

    @property
    def tracking_interval_second(self) -> float:
        """``tracking_interval_millisecond`` in seconds."""
        return self.tracking_interval_millisecond / 1000.0

    @property
    def shutdown_timeout_second(self) -> float:
        """``shutdown_timeout_millisecond`` in seconds."""
        return self.shutdown_timeout_millisecond / 1000.0

    @property
    def visitor_bytes(self) -> int:
        """``visitor_data_maximum_size`` in bytes."""
        return int(self.visitor_data_maximum_size * MEGABYTE)

    @property
    def data_file_bytes(self) -> int:
        """``data_file_maximum_size`` in bytes."""
        return int(self.data_file_maximum_size * MEGABYTE)

    @property
    def endpoints(self) -> Endpoints:
        """Where Flagship's services are."""
        places = Endpoints.of(server_url=self.server_url)
        if self.decision_api_url is None:
            return places
        return Endpoints(decision=self.decision_api_url, hits=places.hits, files=places.files, is_self_hosted=True)

    def __repr__(self) -> str:
        # Lenient: a debugger shows the object also while its constructor refuses a setting.
        values = {each.name: getattr(self, each.name, each.default) for each in fields(self)}
        changed = (
            f"{each.name}={shown(values[each.name])}" for each in fields(self) if values[each.name] != each.default
        )
        return f"{type(self).__name__}({', '.join(changed)})"


class FlagshipSetting(NamedTuple):
    """A setting as documentation shows it."""

    name: str
    type: str
    unit: str
    default: str
    allowed: str
    description: str


def flagship_settings() -> list[FlagshipSetting]:
    """All settings in the order of their declaration, as text."""
    return [
        FlagshipSetting(
            name=each.name,
            type=str(each.type),
            unit=each.metadata["setting"].rule.unit,
            default=repr(each.default),
            allowed=each.metadata["setting"].rule.allowed,
            description=each.metadata["setting"].description,
        )
        for each in fields(FlagshipConfiguration)
    ]
