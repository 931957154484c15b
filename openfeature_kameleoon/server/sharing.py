"""Overrides that several instances share through one Redis: a hash of them, and a stream that says that it changed.

Last writer wins. Two threads: ``kameleoon-overrides`` writes and reads, each second at least, and
``kameleoon-override-news`` waits to hear that there is something to read. While Redis is away each instance overrides
for itself alone, and what was changed is written when Redis is back; a Redis that has lost them is given them anew.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid
from ..settings import Secret
from ..transport.foreign_text import printable
from ..visitors.redis_link import Command, RedisAway, RedisLink
from .overrides import Override
from .site import Changes, Site, after

__all__ = ["SharedOverrides"]

_log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
ANSWER_SECONDS = 1.0

SETTLE_SECONDS = 5.0
"""So long an instance that begins waits for Redis, before it serves the data file as it is."""

REVISION = b"revision"
FLAG = b"flag:"


class SharedOverrides:
    """Keeps the overrides of a site the same as those of the other instances. Raises ``ConfigSettingInvalid``."""

    def __init__(
        self,
        url: Secret,
        site: Site,
        environment: str = "",
        *,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        self.site = site
        self._clock = clock
        of_site = hashlib.sha256(f"overrides\0{site.site_code}\0{environment}".encode()).hexdigest()[:16]
        self._hash, self._news = (f"kameleoon:{{{of_site}}}:{name}".encode() for name in ("overrides", "news"))
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._link = RedisLink(url, need=self._wake.set, clock=clock, random=random or Random(), what="overrides")
        self._pending: list[Changes] = []  # changed under the site's lock alone, like the revision
        self._known = 0  # the revision that was read last
        self._is_synchronous = False
        self._started_at = 0.0
        self._threads: list[threading.Thread] = []
        site.listen_to_changes(self._changed)

    @property
    def is_up(self) -> bool:
        """Whether Redis answers."""
        return self._link.is_up

    @property
    def is_settled(self) -> bool:
        """Whether the overrides of the others are known, or were waited for long enough."""
        return self._is_synchronous or self._clock.monotonic() - self._started_at > SETTLE_SECONDS

    def start(self) -> None:
        """Begin."""
        self._started_at = self._clock.monotonic()
        for name, work in (("kameleoon-overrides", self._work), ("kameleoon-override-news", self._hear)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End, in bounded time. May be called twice."""
        self._ending.set()
        self._wake.set()
        self._link.close()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)

    # The threads ------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            try:
                if self._link.is_up or self._link.mend():
                    self._link.tend()
                    self._exchange()
            except RedisAway:
                pass
            except Exception as bug:  # the thread outlives it; it tries again
                _log.warning("sharing overrides failed unexpectedly", exc_info=bug)
            if self._link.is_up:
                self._wake.wait(POLL_SECONDS)
            else:
                self._ending.wait(min(POLL_SECONDS, self._link.pause_seconds()))

    def _hear(self) -> None:
        latest = b"0"  # what was told before is read once more, so that nothing is missed
        block = str(int(POLL_SECONDS * 1000)).encode()
        while not self._ending.is_set():
            news, begun = None, time.monotonic()
            try:
                command = (b"XREAD", b"BLOCK", block, b"STREAMS", self._news, latest)
                [news] = self._link.ask([command], POLL_SECONDS + ANSWER_SECONDS)
            except RedisAway:
                pass
            if news:
                latest = news[0][1][-1][0]
                self._wake.set()
            elif time.monotonic() - begun < POLL_SECONDS / 2:  # Redis is away, or does not do that
                self._ending.wait(POLL_SECONDS / 4)

    # What is exchanged ------------------------------------------------------------------------------------------------

    def _changed(self, changes: Changes) -> None:
        self._pending.append(changes)
        self._wake.set()

    def _exchange(self) -> None:
        """Write what was changed here, read what all have now, and do as that says."""
        sent = list(self._pending)
        writes = [self._write(key, override) for changes in sent for key, override in changes.items()]
        if sent:
            writes.append((b"HINCRBY", self._hash, REVISION, str(len(sent)).encode()))
        stored = self._transaction(writes)
        if int(stored.get(REVISION, 0)) < self._known + len(sent):
            stored = self._seed(self._known + len(sent))
        revision, overrides = int(stored.get(REVISION, 0)), _overrides(stored)
        self._known = revision

        def told() -> tuple[dict[str, Override], int]:
            del self._pending[: len(sent)]
            latest = overrides
            for changes in self._pending:
                latest = after(latest, changes)
            return latest, revision + len(self._pending)

        self._is_synchronous = True
        try:
            self.site.adopt(told)
        except DataFileInvalid as problem:
            _log.warning("overrides of another instance are not served: %s", printable(problem.message))

    def _seed(self, revision: int) -> dict[bytes, bytes]:
        """Have Redis, which has lost what it had, know what this instance knows."""
        writes: list[Command] = [(b"DEL", self._hash)]
        writes += [self._write(key, override) for key, override in self.site.overrides.items()]
        writes.append((b"HSET", self._hash, REVISION, str(revision).encode()))
        return self._transaction(writes)

    def _write(self, key: str, override: Override | None) -> Command:
        field = FLAG + key.encode()
        if override is None:
            return (b"HDEL", self._hash, field)
        return (b"HSET", self._hash, field, msgspec.json.encode(override))

    def _transaction(self, writes: list[Command]) -> dict[bytes, bytes]:
        """Do all of it at once; what is stored then. Raises ``RedisAway``."""
        if writes:
            writes = [*writes, (b"XADD", self._news, b"MAXLEN", b"1", b"*", b"changed", b"1")]
        commands = [(b"MULTI",), *writes, (b"HGETALL", self._hash), (b"EXEC",)]
        results: Any = self._link.ask(commands, ANSWER_SECONDS)[-1]
        if not results or not isinstance(results[-1], list):
            raise RedisAway("it refuses commands")
        fields = iter(results[-1])
        return dict(zip(fields, fields, strict=True))


def _overrides(stored: Mapping[bytes, bytes]) -> dict[str, Override]:
    """The overrides in what is stored; what is none is left out, as others may write there."""
    found = {}
    for field, value in sorted(stored.items()):
        if field.startswith(FLAG):
            try:
                found[field.removeprefix(FLAG).decode()] = msgspec.json.decode(value, type=Override)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
    return found
