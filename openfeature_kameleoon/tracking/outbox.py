"""Where events wait until they are delivered: in memory, bounded, the oldest dropped first and every drop counted.

Putting an event in is an append, under a lock that nothing slow ever holds. Which events a visitor has to
report is reports.py's business.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from ..forking import renew_after_fork
from ..visitors.data import Data
from ..visitors.traits import Exposure, RecordedConversion

__all__ = ["Event", "MemoryOutbox", "Outbox", "OutboxStatus"]


class Event(NamedTuple):
    """Something to report of a visitor; ``time`` in Unix seconds is when it happened, however late it is sent."""

    visitor_code: str
    data: Data | Exposure | RecordedConversion
    time: float


class OutboxStatus(NamedTuple):
    """Numbers of events. At every moment ``accepted == delivered + pending + sum(dropped.values())``."""

    accepted: int
    delivered: int
    pending: int
    dropped: dict[str, int]


class Outbox(Protocol):
    """What reporting needs of a place where events wait."""

    def put(self, events: Iterable[Event]) -> None:
        """Accept events; never waits and never raises."""

    def take(self, most: int) -> list[Event]:
        """Remove and return up to ``most`` events, the oldest first: they count as delivered."""

    def status(self) -> OutboxStatus:
        """How many events came in and what became of them."""


class MemoryOutbox:
    """An outbox that lives and dies with the process."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._events: deque[Event] = deque(maxlen=capacity)
        self._lock = threading.RLock()  # reentrant: a signal handler may evaluate flags in the middle of a put
        self._accepted = 0
        self._delivered = 0
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: the lock is new, and what is pending stays the parent's to deliver."""
        self._lock = threading.RLock()
        self._events.clear()
        self._accepted = self._delivered = 0

    def put(self, events: Iterable[Event]) -> None:
        """Append; a full outbox drops its oldest events."""
        events = tuple(events)
        with self._lock:
            self._accepted += len(events)
            self._events.extend(events)

    def take(self, most: int) -> list[Event]:
        """Remove and return up to ``most`` events, the oldest first."""
        with self._lock:
            taken = [self._events.popleft() for _ in range(min(most, len(self._events)))]
            self._delivered += len(taken)
        return taken

    def status(self) -> OutboxStatus:
        """The numbers; drops are what was accepted and is neither here nor delivered."""
        with self._lock:
            dropped = self._accepted - self._delivered - len(self._events)
            return OutboxStatus(self._accepted, self._delivered, len(self._events), {"queue_full": dropped})
