"""Where events wait until they are delivered: in memory, bounded, the oldest dropped first and every drop counted.

Putting an event in is an append: no lock, no I/O. Which events a visitor has to report is reports.py's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import NamedTuple, Protocol

from ..visitors.data import Data
from ..visitors.visitor import Exposure, RecordedConversion

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
        self._accepted = count()
        self._delivered = 0

    def put(self, events: Iterable[Event]) -> None:
        """Append; a full outbox drops its oldest events."""
        for event in events:
            next(self._accepted)
            self._events.append(event)

    def take(self, most: int) -> list[Event]:
        """Remove and return up to ``most`` events, the oldest first."""
        taken = []
        while len(taken) < most:
            try:
                taken.append(self._events.popleft())
            except IndexError:
                break
        self._delivered += len(taken)
        return taken

    def status(self) -> OutboxStatus:
        """The numbers; drops are what was accepted and is neither here nor delivered."""
        pending, delivered = len(self._events), self._delivered
        accepted = self._accepted.__reduce__()[1][0]
        return OutboxStatus(accepted, delivered, pending, {"queue_full": accepted - delivered - pending})
