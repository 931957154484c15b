"""The site that is served: its data file, what is overridden in it, and a client that decides from the result.

Whoever publishes or overrides runs on any thread, one at a time; who reads takes ``served`` once. Nothing here knows
HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from math import inf
from typing import Any

import msgspec

from ..client import KameleoonClient
from ..clock import SYSTEM_CLOCK, Clock
from ..configuration import KameleoonClientConfiguration
from ..datafile.freshness import Manner
from ..datafile.index import EMPTY, DataFileIndex
from ..datafile.model import FeatureFlag
from ..datafile.sources import NOT_MODIFIED, Fetched, NotModified
from ..errors import DataFileInvalid, KameleoonError
from .overrides import Members, Override, checked, overridden

__all__ = ["Served", "Site"]


class Served(msgspec.Struct, frozen=True):
    """A data file as it is served: its text, when it became so (Unix milliseconds), and the header that tells it."""

    raw: bytes
    timestamp: int
    last_modified: str
    overrides: Mapping[str, Override]


class _Given:
    """The source of the site's client: what was served last."""

    manner = Manner(origin="file", patience=1, stale_after=inf, stale_after_problem=inf, may_lag=False)

    def __init__(self) -> None:
        self.raw: bytes | None = None
        self.problem: DataFileInvalid | None = None

    def fetch(self, timeout: float, *, timestamp: int | None = None) -> Fetched | NotModified:
        """What was given, once."""
        raw, self.raw = self.raw, None
        return NOT_MODIFIED if raw is None else Fetched(raw)

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """Remember why it was refused."""
        self.problem = problem

    def wait_seconds(self, *, is_watched: bool = False) -> float:
        """Nobody has to look."""
        return inf

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Another data file may follow."""
        return False

    def renew(self) -> None:
        """Nothing is held open."""

    def abort(self) -> None:
        """Nothing takes long."""

    def close(self) -> None:
        """Nothing is held open."""


class Site:
    """A site's data file, served. ``client`` decides from it, remembers visitors, and sends nothing anywhere.

    ``configuration`` has settings of that client. Listeners are called with what is served anew, on the thread that
    changed it.
    """

    def __init__(
        self, site_code: str, configuration: KameleoonClientConfiguration | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.site_code = site_code
        self._clock = clock
        self._source = _Given()
        settings = replace(configuration or KameleoonClientConfiguration(), multi_threading=False, send_events=False)
        self.client = KameleoonClient(site_code, configuration_object=settings, source=self._source, clock=clock)
        self.served: Served | None = None
        self.overrides: dict[str, Override] = {}
        self._base: Members = {}
        self._declared: tuple[Members, DataFileIndex] = {}, EMPTY
        self._last_second = 0
        self._changing = threading.Lock()
        self._listeners: list[Callable[[Served], object]] = []

    def listen(self, listener: Callable[[Served], object]) -> None:
        """Have it called whenever something else is served."""
        self._listeners.append(listener)

    def flag(self, flag_key: str) -> FeatureFlag:
        """A flag as the data file has it. Raises ``FeatureNotFound`` and ``FeatureMalformed``."""
        if flag_key not in self.overrides:
            return self.client.ruleset.index.flag(flag_key)
        base, index = self._declared
        if base is not self._base:
            base = self._base
            index = DataFileIndex.read(msgspec.json.encode(base), previous=self.client.ruleset.index)
            self._declared = base, index
        return index.flag(flag_key)

    def publish(self, raw: bytes) -> None:
        """Serve another data file; overrides stay as far as its flags have what they speak of.

        Raises ``DataFileInvalid``, and what was served stays.
        """
        with self._changing:
            base = _members(raw)
            self._serve(base, self.overrides)
            self._base = base

    def override(self, flag_key: str, override: Override) -> None:
        """Replace what is overridden of a flag.

        Raises ``FeatureNotFound``, ``FeatureMalformed`` and ``ConfigSettingInvalid``, and nothing changes.
        """
        checked(override, self.flag(flag_key))
        with self._changing:
            self._serve(self._base, {**self.overrides, flag_key: override})

    def reset(self, flag_key: str | None = None) -> None:
        """Do as the data file says, for one flag or for all."""
        with self._changing:
            kept = {key: value for key, value in self.overrides.items() if flag_key not in (None, key)}
            if kept != self.overrides:  # there may be no data file yet
                self._serve(self._base, kept)

    def _serve(self, base: Members, overrides: dict[str, Override]) -> None:
        now = int(self._clock.time() * 1000)
        timestamp = now if self.served is None else max(now, self.served.timestamp + 1)  # SDKs refuse what is older
        members = overridden(base, overrides)
        settings = _settings(base)
        changed: dict[str, Any] = {
            "dateModified": timestamp,
            "configuration": {**settings, "realTimeUpdate": True, "dataApiDomain": None},
        }
        raw = msgspec.json.encode({**members, **changed})
        self._source.raw = raw
        if self.served is None:
            self.client.wait_init()
        else:
            self.client.refresh()
        if self._source.problem is not None:
            raise DataFileInvalid(self._source.problem.message)
        self.overrides = overrides
        # HTTP's dates have whole seconds: two within one must differ all the same, for conditional requests.
        self._last_second = max(timestamp // 1000, self._last_second + 1)
        self.served = Served(raw, timestamp, formatdate(self._last_second, usegmt=True), overrides)
        for listener in self._listeners:
            listener(self.served)


def _members(raw: bytes) -> Members:
    try:
        return msgspec.json.decode(raw, type=Members)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataFileInvalid(f"the data file is no JSON object: {error}") from error


def _settings(members: Members) -> dict[str, Any]:
    try:
        return msgspec.json.decode(members.get("configuration", b"{}"), type=dict[str, Any] | None) or {}
    except msgspec.ValidationError as error:
        raise DataFileInvalid(f"the data file's member 'configuration' does not decode: {error}") from error
