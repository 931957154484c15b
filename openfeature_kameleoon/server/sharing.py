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

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid
from ..settings import Secret
from ..transport.foreign_text import printable
from ..visitors.redis_link import RedisAway, RedisLink
from .overrides import Override
from .site import Changes, Site, after

__all__ = ["SharedOverrides"]

_log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
ANSWER_SECONDS = 1.0

SETTLE_SECONDS = 5.0
"""So long an instance that begins waits for Redis, before it serves the data file as it is."""

MOST_DIGITS = 15

REVISION = b"revision"
FLAG = b"flag:"

SCRIPT = b"""
local known, count, seeds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local has_lost = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0') < known
if has_lost and seeds == 0 then
  return redis.call('HGETALL', KEYS[1])
end
if has_lost then
  redis.call('DEL', KEYS[1])
  for i = 4, 3 + 2 * seeds, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
for i = 4 + 2 * seeds, #ARGV, 3 do
  if ARGV[i] == 'HSET' then
    redis.call('HSET', KEYS[1], ARGV[i + 1], ARGV[i + 2])
  else
    redis.call('HDEL', KEYS[1], ARGV[i + 1])
  end
end
if count > 0 then
  redis.call('HINCRBY', KEYS[1], 'revision', count)
end
local stored = redis.call('HGETALL', KEYS[1])
if count > 0 or has_lost then
  redis.call('XADD', KEYS[2], 'MAXLEN', '1', '*', 'changed', '1')
end
return stored
"""
"""At once, as several instances may come at a time: write changes, and read all. A Redis that has less than is known
was emptied: nothing is written before it is given what was known, by the first to come with it."""


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
        self._known, self._stored = 0, dict[bytes, bytes]()  # what was read last, and its revision
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
        writes = [part for changes in sent for key, override in changes.items() for part in _write(key, override)]
        stored = self._run(len(sent), {}, writes)
        if _revision(stored) < self._known:
            stored = self._run(len(sent), self._stored, writes)
        revision, overrides = _revision(stored), _overrides(stored)
        self._known, self._stored = revision, stored

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

    def _run(self, count: int, seed: Mapping[bytes, bytes], writes: list[bytes]) -> dict[bytes, bytes]:
        """Do all of it at once; what is stored then. Raises ``RedisAway``."""
        numbers = [str(number).encode() for number in (self._known, count, len(seed))]
        seeds = [part for pair in seed.items() for part in pair]
        command = (b"EVAL", SCRIPT, b"2", self._hash, self._news, *numbers, *seeds, *writes)
        [stored] = self._link.ask([command], ANSWER_SECONDS)
        if not isinstance(stored, list):
            raise RedisAway("it refuses commands")
        fields = iter(stored)
        return dict(zip(fields, fields, strict=True))


def _write(key: str, override: Override | None) -> tuple[bytes, bytes, bytes]:
    """What the script takes for one change; nothing for what is reset."""
    field = FLAG + key.encode()
    return (b"HDEL", field, b"") if override is None else (b"HSET", field, msgspec.json.encode(override))


def _revision(stored: Mapping[bytes, bytes]) -> int:
    text = stored.get(REVISION, b"")
    return int(text[:MOST_DIGITS]) if text.isdigit() else 0


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
