"""The site that is served: its data file, what is overridden in it, and a client that decides from the result.

Whoever publishes or overrides runs on any thread, one at a time; who reads takes ``served`` once. Nothing here knows
HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime
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

__all__ = ["Changes", "Served", "Site", "after"]

Changes = Mapping[str, Override | None]
"""Overrides by flag, as somebody has made them; ``None`` where one was reset."""


class Served(msgspec.Struct, frozen=True):
    """A data file as it is served: its text, when it became so (Unix milliseconds), and the header that tells it."""

    raw: bytes
    timestamp: int
    last_modified: str
    overrides: Mapping[str, Override]
    is_shared: bool = False

    def is_known(self, since: str) -> bool:
        """Whether who has what was served with this ``Last-Modified`` needs nothing of this.

        Where others serve the same, one of them may have been ahead: its data file is not to be replaced by an older.
        """
        if since == self.last_modified or not self.is_shared:
            return since == self.last_modified
        try:
            return parsedate_to_datetime(since) >= parsedate_to_datetime(self.last_modified)
        except (TypeError, ValueError):
            return False


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
    changed it. ``is_shared``: other instances serve the site, too, and all are to give the same overrides the same
    timestamp. So that follows from the data file's own and from ``revision``, how often overrides were changed.
    """

    def __init__(
        self,
        site_code: str,
        configuration: KameleoonClientConfiguration | None = None,
        *,
        is_shared: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.site_code = site_code
        self.is_shared = is_shared
        self.revision = 0
        self._clock = clock
        self._source = _Given()
        settings = configuration or KameleoonClientConfiguration()
        self._has_threads = settings.redis_url is not None  # a shared visitor is written on a thread
        settings = replace(
            settings,
            multi_threading=self._has_threads,
            send_events=False,
            cache_directory=None,
            tracking_directory=None,
            real_time_update=False,
        )
        self.client = KameleoonClient(site_code, configuration_object=settings, source=self._source, clock=clock)
        if self._has_threads:
            self.client.wait_init()  # its thread has looked once, and has nothing more to look for
        self.served: Served | None = None
        self.overrides: dict[str, Override] = {}
        self._base: Members = {}
        self._declared: tuple[Members, DataFileIndex] = {}, EMPTY
        self._last_second = 0
        self._changing = threading.Lock()
        self._listeners: list[Callable[[Served], object]] = []
        self._change_listeners: list[Callable[[Changes], object]] = []

    def listen(self, listener: Callable[[Served], object]) -> None:
        """Have it called whenever something else is served."""
        self._listeners.append(listener)

    def listen_to_changes(self, listener: Callable[[Changes], object]) -> None:
        """Have it told, before anything else changes, what somebody here has overridden and reset."""
        self._change_listeners.append(listener)

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
            self._serve(_members(raw), self.overrides, self.revision)

    def override(self, flag_key: str, override: Override) -> None:
        """Replace what is overridden of a flag.

        Raises ``FeatureNotFound``, ``FeatureMalformed`` and ``ConfigSettingInvalid``, and nothing changes.
        """
        checked(override, self.flag(flag_key))
        with self._changing:
            self._change({flag_key: override})

    def reset(self, flag_key: str | None = None) -> None:
        """Do as the data file says, for one flag or for all."""
        with self._changing:
            changes: Changes = dict.fromkeys(self.overrides if flag_key is None else [flag_key])
            if changes.keys() & self.overrides.keys():  # there may be no data file yet
                self._change(changes)

    def adopt(self, told: Callable[[], tuple[dict[str, Override], int]]) -> None:
        """Do as other instances do: ``told()`` gives all overrides, and their revision, and nothing changes meanwhile.

        Raises ``DataFileInvalid``.
        """
        with self._changing:
            overrides, revision = told()
            if self.served is None:
                self.overrides, self.revision = overrides, revision
            elif (overrides, revision) != (self.overrides, self.revision):
                self._serve(self._base, overrides, revision)

    def _change(self, changes: Changes) -> None:
        self._serve(self._base, after(self.overrides, changes), self.revision + 1)
        for listener in self._change_listeners:
            listener(changes)

    def _stamp(self, base: Members, revision: int) -> tuple[int, int]:
        """Unix milliseconds for SDKs, which refuse what is older, and seconds for HTTP's dates, which have no parts.

        Both grow with the data file's own date and with the revision, whichever of them an instance learns of first.
        """
        modified = _date_of(base) if self.is_shared else 0
        if modified:
            return modified + revision, modified // 1000 + revision
        now = int(self._clock.time() * 1000)
        return now, now // 1000

    def _serve(self, base: Members, overrides: dict[str, Override], revision: int) -> None:
        timestamp, second = self._stamp(base, revision)
        if self.served is not None:
            timestamp = max(timestamp, self.served.timestamp + 1)
        members = overridden(base, overrides)
        settings = _settings(base)
        changed: dict[str, Any] = {
            "dateModified": timestamp,
            "configuration": {**settings, "realTimeUpdate": True, "dataApiDomain": None},
        }
        raw = msgspec.json.encode({**members, **changed})
        self._source.raw = raw
        if self.served is None and not self._has_threads:
            self.client.wait_init()
        else:
            self.client.refresh()
        if self._source.problem is not None:
            raise DataFileInvalid(self._source.problem.message)
        self._base, self.overrides, self.revision = base, overrides, revision
        # Two within one second must differ all the same, for conditional requests.
        self._last_second = max(second, self._last_second + 1)
        last_modified = formatdate(self._last_second, usegmt=True)
        self.served = Served(raw, timestamp, last_modified, overrides, self.is_shared)
        for listener in self._listeners:
            listener(self.served)


def after(overrides: Mapping[str, Override], changes: Changes) -> dict[str, Override]:
    """The overrides when these were changed."""
    changed = {**overrides, **changes}
    return {key: override for key, override in changed.items() if override is not None}


def _date_of(base: Members) -> int:
    """A data file's own date, in Unix milliseconds; 0 when it tells none."""
    try:
        return max(0, int(msgspec.json.decode(base.get("dateModified", b"0"))))
    except (TypeError, ValueError, OverflowError):
        return 0


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
