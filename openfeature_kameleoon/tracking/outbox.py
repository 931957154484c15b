"""Where reports wait until they are delivered: in memory, bounded, the oldest dropped first and every drop counted.

Putting a report in is an append, under a lock that nothing slow ever holds; lines are written when they are taken.
What a visitor has to report is reports.py's business, sending it sender.py's. disk.py is the outbox that survives.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple, Protocol

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..forking import renew_after_fork
from .events import Report, block, lines_of

__all__ = ["Batch", "MemoryOutbox", "Outbox", "OutboxStatus"]

_log = logging.getLogger(__name__)

DEFAULT_CAPACITY = 100_000

MOST_IN_A_TUPLE = 8


class OutboxStatus(NamedTuple):
    """Numbers of events. At every moment ``accepted == delivered + pending + sum(dropped.values())``.

    ``dropped`` is by reason: ``queue_full``, ``expired``, ``too_large``, ``rejected``, ``invalid``, ``disk_full``.
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

    def status(self) -> OutboxStatus:
        """How many events came in and what became of them."""

    def renew(self) -> None:
        """In a forked child: what waits is the parent's to deliver."""

    def close(self) -> None:
        """Let go of files; what waits in memory is lost, what waits on disk is adopted by a later process."""


class _Waiting(msgspec.Struct, gc=False):
    """What waits of one visitor, and since when by the monotonic clock; a tuple is what the collector lets alone."""

    reports: tuple[Report, ...] | list[Report]
    since: float

    def add(self, reports: Iterable[Report]) -> None:
        if isinstance(self.reports, tuple) and len(self.reports) < MOST_IN_A_TUPLE:
            self.reports = (*self.reports, *reports)
        else:
            self.reports = [*self.reports] if isinstance(self.reports, tuple) else self.reports
            self.reports.extend(reports)

    def events(self) -> int:
        return sum(len(report.events) for report in self.reports)


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
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._accepted = self._delivered = self._pending = 0
        self._dropped: Counter[str] = Counter(queue_full=0)

    def renew(self) -> None:
        """In a forked child: the lock is new, and what is pending stays the parent's to deliver."""
        self._begin()

    def close(self) -> None:
        """Nothing is held open."""

    def put(self, report: Report) -> None:
        """Append to what waits of the visitor."""
        count = len(report.events)
        with self._lock:
            waiting = self._waiting.get(report.visitor_code)
            if waiting is None:
                self._waiting[report.visitor_code] = _Waiting((report,), self._monotonic())
            else:
                waiting.add((report,))
            self._accepted += count
            self._pending += count
            if self._pending > self._capacity:
                self._make_room()

    def has(self, visitor_code: str) -> bool:
        """Whether anything waits of this visitor; what is under way counts no more."""
        return visitor_code in self._waiting

    def take(self, most: int) -> list[Batch]:
        """Visitors that wait, longest first, until there are ``most`` events, and one visitor at least."""
        taken: list[tuple[str, _Waiting]] = []
        with self._lock:
            left = most
            while self._waiting and left > 0:
                taken.append(self._waiting.popitem(last=False))
                left -= taken[-1][1].events()
        return [batch for code, waiting in taken if (batch := self._written(code, waiting)) is not None]

    def delivered(self, batches: Iterable[Batch]) -> None:
        """Forget these."""
        count = sum(len(batch.lines) for batch in batches)
        with self._lock:
            self._delivered += count
            self._pending -= count

    def release(self, batches: Iterable[Batch]) -> None:
        """Put these back in front, before what has come of the same visitors since."""
        with self._lock:
            for batch in reversed(list(batches)):
                waiting: _Waiting = batch.key  # type: ignore[assignment]  # this outbox made it
                since = self._waiting.pop(batch.visitor_code, None)
                if since is not None:
                    waiting.add(since.reports)
                self._waiting[batch.visitor_code] = waiting
                self._waiting.move_to_end(batch.visitor_code, last=False)

    def drop(self, batches: Iterable[Batch], reason: str) -> None:
        """Forget these, counted under a reason."""
        self._drop(sum(len(batch.lines) for batch in batches), reason)

    def expire(self, seconds: float) -> None:
        """Drop what has waited so long."""
        horizon = self._monotonic() - seconds
        with self._lock:
            while self._waiting:
                code, waiting = next(iter(self._waiting.items()))
                if waiting.since > horizon:
                    break
                del self._waiting[code]
                self._drop(waiting.events(), "expired")

    def status(self) -> OutboxStatus:
        """The numbers of this moment."""
        with self._lock:
            return OutboxStatus(self._accepted, self._delivered, self._pending, dict(self._dropped))

    def peek(self, most: int) -> list[Report]:
        """The reports that wait, longest first: to look at in tests and offline."""
        with self._lock:
            return list(islice((report for waiting in self._waiting.values() for report in waiting.reports), most))

    def withdraw(self, peeked: Iterable[Report]) -> None:
        """Forget reports that ``peek`` gave, as though they had never been put in: they wait elsewhere from now on."""
        with self._lock:
            for code, group in groupby(peeked, key=attrgetter("visitor_code")):
                waiting = self._waiting.get(code)
                if waiting is not None:
                    gone = [mine for mine, theirs in zip(waiting.reports, group, strict=False) if mine is theirs]
                    waiting.reports = waiting.reports[len(gone) :]
                    if not waiting.reports:
                        del self._waiting[code]
                    count = sum(len(report.events) for report in gone)
                    self._accepted -= count
                    self._pending -= count

    def _written(self, code: str, waiting: _Waiting) -> Batch | None:
        try:
            lines = [line for report in waiting.reports for line in lines_of(report)]
        except Exception as error:  # foreign data that no check foresaw: it costs only its visitor's batch
            _log.warning("events that cannot be written are dropped: %s", type(error).__name__)
            self._drop(waiting.events(), "invalid")
            return None
        return Batch(code, block(lines, waiting.reports[-1].user_agent), waiting)

    def _make_room(self) -> None:
        while self._pending > self._capacity and self._waiting:
            code, waiting = next(iter(self._waiting.items()))
            if len(self._waiting) > 1 or len(waiting.reports) == 1:
                del self._waiting[code]
                self._drop(waiting.events(), "queue_full")
            else:  # nobody else waits: it gives up what is oldest of its own
                oldest, *waiting.reports = waiting.reports
                self._drop(len(oldest.events), "queue_full")

    def _drop(self, count: int, reason: str) -> None:
        with self._lock:
            self._dropped[reason] += count
            self._pending -= count
