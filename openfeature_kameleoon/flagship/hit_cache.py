"""Keeps hits that are not sent yet in a hit cache, too: what comes into an outbox, what leaves it, and when to write.

Around each of a tracker's outboxes. Noting is a moment under a lock; writing is the cache's thread's (1.14, 1.15).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..clock import SYSTEM_CLOCK, Clock
from ..forking import renew_after_fork
from ..tracking.events import Report, lines_of
from ..tracking.outbox import Batch, Outbox, OutboxStatus
from .cache_calls import CacheCalls
from .errors import HitCacheFormatException, HitCacheTimeoutException
from .log_manager import Log
from .records import Record
from .tracking import LIFETIME_SECONDS, OF_VISITOR
from .tracking_manager import CacheStrategy

__all__ = ["CachedOutbox", "HitCache"]

TAG = "Cache Manager"

MOST_HITS = 100_000
"""Kept at a time; beyond, the oldest is forgotten, as it is in the outbox."""


class _Waiting(NamedTuple):
    line: str
    time: float


class _Timing(NamedTuple):
    """When a strategy writes."""

    on_coming: bool = False
    on_failure: bool = False
    all_after_sending: bool = False


TIMINGS = {
    CacheStrategy.CONTINUOUS_CACHING: _Timing(on_coming=True),
    CacheStrategy.PERIODIC_CACHING: _Timing(all_after_sending=True),
    CacheStrategy._NO_BATCHING_CONTINUOUS_CACHING: _Timing(on_failure=True),
}


class HitCache:
    """The hits of one tracker, by the code that the outbox knows each by, and what of them is in the cache."""

    def __init__(self, calls: CacheCalls, strategy: CacheStrategy, log: Log, clock: Clock = SYSTEM_CLOCK) -> None:
        self._calls = calls
        self._timing = TIMINGS[strategy]
        self._log = log
        self._clock = clock
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._written: set[str] = set()
        self._to_write: dict[str, str] = {}
        self._to_flush: list[str] = []
        self._is_asked = self._is_all_asked = False

    def renew(self) -> None:
        """In a forked child: what waits, and is kept, is the parent's to send."""
        self._begin()

    # What comes and leaves, on any thread -----------------------------------------------------------------------------

    def came(self, code: str, line: str) -> None:
        """A hit is about to wait."""
        with self._lock:
            self._waiting[code] = _Waiting(line, self._clock.monotonic())
            if self._timing.on_coming and _id_of(code) not in self._written:
                self._to_write[code] = line
            if len(self._waiting) > MOST_HITS:
                self._forget([next(iter(self._waiting))])
        self._ask()

    def left(self, codes: Iterable[str]) -> None:
        """These wait no more: sent, given up, or withdrawn."""
        with self._lock:
            self._forget(codes)
            self._is_all_asked = self._is_all_asked or self._timing.all_after_sending
        self._ask()

    def stayed(self, codes: Iterable[str]) -> None:
        """These could not be sent, and wait on."""
        with self._lock:
            for code in codes:
                waiting = self._waiting.get(code)
                if waiting is not None and self._timing.on_failure and _id_of(code) not in self._written:
                    self._to_write[code] = waiting.line
            self._is_all_asked = self._is_all_asked or self._timing.all_after_sending
        self._ask()

    def expired(self, seconds: float) -> None:
        """What waits for longer is given up."""
        horizon = self._clock.monotonic() - seconds
        with self._lock:
            old = []
            for code, waiting in self._waiting.items():
                if waiting.time > horizon:
                    break
                old.append(code)
            self._forget(old)
        self._ask()

    def withdrawn(self, is_theirs: Callable[[str], bool]) -> None:
        """Somebody wants these told no more."""
        with self._lock:
            self._forget([code for code in self._waiting if is_theirs(code)])
        self._ask()

    # The life cycle ---------------------------------------------------------------------------------------------------

    async def load(self) -> list[Record]:
        """What an earlier process left; what makes no sense, or is too old, is forgotten. On the cache's thread."""
        found = await self._looked_up()
        if not found:
            return []
        if not isinstance(found, dict):
            self._log.tell_of(TAG, HitCacheFormatException("the hit cache does not hold records by their ids"))
            return []
        records, gone, oldest = [], [], (self._clock.time() - LIFETIME_SECONDS) * 1000
        for hit_id, kept in found.items():
            try:
                record = Record.from_cache(kept)
            except HitCacheFormatException as error:
                self._log.tell_of(TAG, error)
                gone.append(str(hit_id))
            else:
                if record.timestamp > oldest:
                    records.append(record)
                else:
                    gone.append(str(hit_id))
        with self._lock:
            self._to_flush += gone
            self._written |= {record.id for record in records}
        self._ask()
        return sorted(records, key=lambda record: record.timestamp)

    async def _looked_up(self) -> object:
        cache, seconds = self._calls.hits, self._calls.timeout_seconds
        if cache is None:
            return None
        found: object = cache.lookup_hits()
        try:
            return await asyncio.wait_for(found, seconds) if inspect.isawaitable(found) else found
        except asyncio.TimeoutError:
            self._log.tell_of(TAG, HitCacheTimeoutException(f"the hit cache did not answer within {seconds} s"))
            return None

    def keep(self, records: Iterable[Record]) -> None:
        """Have these kept, whatever the strategy: nobody will send them any more."""
        hits = {record.id: record.cached for record in records}
        if hits and (cache := self._calls.hits) is not None:
            self._calls.submit(lambda: cache.cache_hits(hits))

    # The cache's thread -----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Have written what is to be written, unless that is about to happen."""
        with self._lock:
            if self._is_asked or not (self._to_write or self._to_flush or self._is_all_asked):
                return
            self._is_asked = True
        if self._calls.submit(self._write) is None:
            self._is_asked = False

    async def _write(self) -> None:
        with self._lock:
            to_write, self._to_write = self._to_write, {}
            to_flush, self._to_flush = self._to_flush, []
            is_all, self._is_all_asked = self._is_all_asked, False
            self._is_asked = False
            if is_all:
                to_write = {code: waiting.line for code, waiting in self._waiting.items()}
            self._written |= {_id_of(code) for code in to_write}
        cache = self._calls.hits
        if cache is None:
            return
        if is_all:
            await _done(cache.flush_all_hits())
        if to_write:
            records = [Record.from_line(line) for line in to_write.values()]
            await _done(cache.cache_hits({record.id: record.cached for record in records}))
        if to_flush and not is_all:
            await _done(cache.flush_hits(to_flush))

    def _forget(self, codes: Iterable[str]) -> None:
        for code in codes:
            waiting = self._waiting.pop(code, None)
            self._to_write.pop(code, None)
            hit_id = _id_of(code)
            if waiting is not None and hit_id in self._written:
                self._written.discard(hit_id)
                self._to_flush.append(hit_id)


def _id_of(code: str) -> str:
    """The id of a record, with which the code of what an outbox knows of it ends."""
    return code.rpartition(OF_VISITOR)[2]


async def _done(result: Any) -> None:
    if result is not None:
        await result


class CachedOutbox:
    """An outbox of which a hit cache knows what waits in it."""

    def __init__(self, outbox: Outbox, cache: HitCache) -> None:
        self._outbox = outbox
        self._cache = cache

    def put(self, report: Report) -> None:
        """Accept a report, once the cache knows of it."""
        for line in lines_of(report):
            self._cache.came(report.visitor_code, line.text)
        self._outbox.put(report)

    def has(self, visitor_code: str) -> bool:
        """Whether anything waits under this code."""
        return self._outbox.has(visitor_code)

    def take(self, most: int) -> list[Batch]:
        """What waits, to be settled."""
        return self._outbox.take(most)

    def delivered(self, batches: Iterable[Batch]) -> None:
        """The server has these."""
        settled = list(batches)
        self._outbox.delivered(settled)
        self._cache.left(batch.visitor_code for batch in settled)

    def release(self, batches: Iterable[Batch]) -> None:
        """These wait again."""
        settled = list(batches)
        self._outbox.release(settled)
        self._cache.stayed(batch.visitor_code for batch in settled)

    def drop(self, batches: Iterable[Batch], reason: str) -> None:
        """Give these up."""
        settled = list(batches)
        self._outbox.drop(settled, reason)
        self._cache.left(batch.visitor_code for batch in settled)

    def expire(self, seconds: float) -> None:
        """Give up what has waited so long."""
        self._outbox.expire(seconds)
        self._cache.expired(seconds)

    def forget(self, is_theirs: Callable[[str], bool]) -> None:
        """Give up what waits under such codes."""
        self._outbox.forget(is_theirs)
        self._cache.withdrawn(is_theirs)

    def status(self) -> OutboxStatus:
        """Numbers of this moment."""
        return self._outbox.status()

    def renew(self) -> None:
        """In a forked child the outbox itself is renewed."""

    def close(self) -> None:
        """Let go of files."""
        self._outbox.close()
