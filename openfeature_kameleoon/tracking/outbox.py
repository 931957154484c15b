"""Where reports wait until they are delivered: in memory, bounded, the oldest dropped first and every drop counted.

Putting a report in is an append, under a lock that nothing slow ever holds; lines are written when they are taken.
What a visitor has to report is reports.py's business, sending it sender.py's. disk.py is the outbox that survives.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain, groupby, islice
from math import inf
from operator import attrgetter
from typing import NamedTuple, Protocol

from ..clock import SYSTEM_CLOCK, Clock
from ..forking import renew_after_fork
from .events import Report, block, lines_of

__all__ = ["WITHDRAWN", "Batch", "MemoryOutbox", "Outbox", "OutboxStatus"]

_log = logging.getLogger(__name__)

DEFAULT_CAPACITY = 100_000

WITHDRAWN = "withdrawn"
"""Why that was dropped which somebody wants told no more."""


class OutboxStatus(NamedTuple):
    """Numbers of events. At every moment ``accepted == delivered + pending + sum(dropped.values())``.

    ``dropped`` is by reason: ``queue_full``, ``expired``, ``too_large``, ``rejected``, ``invalid``, ``disk_full``, and
    ``withdrawn`` for what nobody misses.
    """

    accepted: int
    delivered: int
    pending: int
    dropped: dict[str, int]


class Batch(NamedTuple):
    """All that waits of one visitor, an event a line as it goes over the wire; ``key`` is the outbox's own."""

    visitor_code: str
    lines: tuple[str, ...]
    key: object

    def __repr__(self) -> str:
        return f"Batch({len(self.lines)} lines)"  # they are personal


class Outbox(Protocol):
    """What reporting and sending need of a place where events wait.

    Any thread may put; one at a time takes, and settles what it took before it takes again.
    """

    def put(self, report: Report) -> None:
        """Accept a report; never waits for more than a disk, and never raises."""

    def has(self, visitor_code: str) -> bool:
        """Whether anything waits of this visitor."""

    def take(self, most: int) -> list[Batch]:
        """What waits, the oldest visitors first, to about ``most`` events: it stays pending until it is settled."""

    def delivered(self, batches: Iterable[Batch]) -> None:
        """The server has these: let them go."""

    def release(self, batches: Iterable[Batch]) -> None:
        """These were not delivered: they wait again, before all others."""

    def drop(self, batches: Iterable[Batch], reason: str) -> None:
        """Give these up, counted under a reason."""

    def expire(self, seconds: float) -> None:
        """Give up what has waited so long."""

    def forget(self, is_theirs: Callable[[str], bool]) -> None:
        """Give up all that waits of visitors with such codes, as ``WITHDRAWN``; any thread may call.

        What is under way may arrive, but does not wait again.
        """

    def status(self) -> OutboxStatus:
        """How many events came in and what became of them."""

    def renew(self) -> None:
        """In a forked child: what waits is the parent's to deliver."""

    def close(self) -> None:
        """Let go of files; what waits in memory is lost, what waits on disk is adopted by a later process."""


class MemoryOutbox:
    """An outbox that lives and dies with the process: ``capacity`` events at most.

    When it is full, what waits of the visitor who waits longest goes first, all of it: a conversion whose
    exposure was lost is worth nothing.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._capacity = capacity
        self._monotonic = clock.monotonic
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may evaluate flags in the middle of a put
        self._waiting: OrderedDict[str, list[Report]] = OrderedDict()
        self._accepted = self._delivered = self._pending = self._under_way = 0
        self._dropped: Counter[str] = Counter(queue_full=0)
        self._forgotten: list[tuple[float, Callable[[str], bool]]] = []

    def renew(self) -> None:
        """In a forked child: the lock is new, and what is pending stays the parent's to deliver."""
        self._begin()

    def close(self) -> None:
        """Nothing is held open."""

    def put(self, report: Report) -> None:
        """Append to what waits of the visitor."""
        code, count = report.visitor_code, len(report.events)
        with self._lock:
            # A signal handler runs between two calls: it may put, too, or raise. So there is no call before the last.
            self._accepted += count
            self._pending += count
            if code in self._waiting:
                self._waiting[code].append(report)
            else:
                self._waiting[code] = [report]
            if self._pending > self._capacity:
                self._make_room()

    def has(self, visitor_code: str) -> bool:
        """Whether anything waits of this visitor; what is under way counts no more."""
        return visitor_code in self._waiting

    def take(self, most: int) -> list[Batch]:
        """Visitors that wait, longest first, until there are ``most`` events, and one visitor at least."""
        taken: list[tuple[str, list[Report]]] = []
        with self._lock:
            left = most
            while self._waiting and left > 0:
                taken.append(self._waiting.popitem(last=False))
                left -= _events(taken[-1][1])
            self._under_way += most - left
        return [batch for code, reports in taken if (batch := self._written(code, reports)) is not None]

    def delivered(self, batches: Iterable[Batch]) -> None:
        """Forget these."""
        count = sum(len(batch.lines) for batch in batches)
        with self._lock:
            self._delivered += count
            self._pending -= count
            self._came_back(count)

    def release(self, batches: Iterable[Batch]) -> None:
        """Put these back in front, before what has come of the same visitors since."""
        with self._lock:
            count = 0
            for batch in reversed(list(batches)):
                reports: list[Report] = batch.key  # type: ignore[assignment]  # this outbox made it
                count += len(batch.lines)
                if self._forgotten and not (reports := self._wanted_still(batch.visitor_code, reports)):
                    continue
                self._waiting[batch.visitor_code] = reports + self._waiting.pop(batch.visitor_code, [])
                self._waiting.move_to_end(batch.visitor_code, last=False)
            self._came_back(count)

    def drop(self, batches: Iterable[Batch], reason: str) -> None:
        """Forget these, counted under a reason."""
        count = sum(len(batch.lines) for batch in batches)
        with self._lock:
            self._drop(count, reason)
            self._came_back(count)

    def expire(self, seconds: float) -> None:
        """Drop what has waited so long."""
        horizon = self._monotonic() - seconds
        with self._lock:
            while self._waiting:
                code, reports = next(iter(self._waiting.items()))
                if reports[0].time > horizon:
                    break
                del self._waiting[code]
                self._drop(_events(reports), "expired")

    def forget(self, is_theirs: Callable[[str], bool]) -> None:
        """Drop what waits of such visitors, and what of theirs is under way if it should come back."""
        with self._lock:
            for code in [code for code in self._waiting if is_theirs(code)]:
                self._drop(_events(self._waiting.pop(code)), WITHDRAWN)
            if self._under_way:
                self._forgotten.append((self._monotonic(), is_theirs))

    def status(self) -> OutboxStatus:
        """The numbers of this moment."""
        with self._lock:
            return OutboxStatus(self._accepted, self._delivered, self._pending, dict(self._dropped))

    def peek(self, most: int) -> list[Report]:
        """The reports that wait, longest first: to look at in tests and offline."""
        with self._lock:
            return list(islice(chain.from_iterable(self._waiting.values()), most))

    def withdraw(self, peeked: Iterable[Report]) -> None:
        """Forget reports that ``peek`` gave, as though they had never been put in: they wait elsewhere from now on."""
        with self._lock:
            for code, group in groupby(peeked, key=attrgetter("visitor_code")):
                reports = self._waiting.get(code, [])
                gone = [mine for mine, theirs in zip(reports, group, strict=False) if mine is theirs]
                del reports[: len(gone)]
                if gone and not reports:
                    del self._waiting[code]
                self._accepted -= _events(gone)
                self._pending -= _events(gone)

    def _written(self, code: str, reports: list[Report]) -> Batch | None:
        try:
            lines = [line for report in reports for line in lines_of(report)]
        except Exception as error:  # foreign data that no check foresaw: it costs only its visitor's batch
            _log.warning("events that cannot be written are dropped: %s", type(error).__name__)
            with self._lock:
                self._drop(_events(reports), "invalid")
                self._came_back(_events(reports))
            return None
        return Batch(code, block(lines, reports[-1].user_agent), reports)

    def _came_back(self, count: int) -> None:
        """So many events are under way no more, whatever became of them."""
        self._under_way -= count
        if not self._under_way:
            self._forgotten.clear()

    def _wanted_still(self, code: str, reports: list[Report]) -> list[Report]:
        """Drop those of a visitor's reports that somebody wanted forgotten while they were under way."""
        since = max((moment for moment, is_theirs in self._forgotten if is_theirs(code)), default=-inf)
        wanted = [report for report in reports if report.time > since]
        self._drop(_events(reports) - _events(wanted), WITHDRAWN)
        return wanted

    def _make_room(self) -> None:
        while self._pending > self._capacity and self._waiting:
            for code in self._waiting:  # noqa: B007  # the first, found without a call
                break
            reports = self._waiting[code]
            # Where nobody else waits, a visitor gives up what is oldest of its own.
            leaving = reports[:] if len(self._waiting) > 1 else reports[:1]
            count, size = _events(leaving), len(leaving)
            # No call from here on, as in put; what a signal handler has changed meanwhile is looked at again.
            if code in self._waiting and self._waiting[code] is reports and reports[0] is leaving[0]:
                del reports[:size]
                if not reports:
                    del self._waiting[code]
                self._dropped["queue_full"] += count
                self._pending -= count

    def _drop(self, count: int, reason: str) -> None:
        if not count:
            return
        with self._lock:
            self._dropped[reason] += count
            self._pending -= count


def _events(reports: Iterable[Report]) -> int:
    return sum(len(report.events) for report in reports)
