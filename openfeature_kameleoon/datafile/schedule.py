"""When the background thread looks for a data file next, and for which real-time event: chance and arithmetic.

No thread, no I/O. ``LiveDataFile`` owns one for each of its lives, and uses it on the background thread alone.
"""

from __future__ import annotations

from math import inf
from random import Random

from ..clock import Clock
from .sources import Source

__all__ = ["Schedule"]

SPREAD_SECONDS = 0.9
"""A look that the stream asks for comes at a random moment within this time: a whole fleet hears it at once.

The rest of a second is for the look itself: a change is in use a second after its event (reliability.md R10).
"""

MOST_ANSWERS = 3
"""Looks for one event, if the servers answer with what was there before it; then the next event or poll is awaited."""

LAG_SECONDS = 2.0


class Schedule:
    """Moments of the source's own choice; sooner after an event, and while a server lags behind it.

    ``spread`` is the time, in seconds, within which a look follows an event; ``first`` is when the first one is due.
    """

    def __init__(
        self, source: Source, *, random: Random, clock: Clock, spread: float = SPREAD_SECONDS, first: float = -inf
    ) -> None:
        self.is_watched = False
        self.timestamp: int | None = None
        """That of the newest event without an answer; the next look carries it."""
        self._source = source
        self._random = random
        self._clock = clock
        self._spread = spread
        self._next = first
        self._answers = 0

    def seconds_until_due(self) -> float:
        """Until the next look; 0 when it is due."""
        return max(0.0, self._next - self._clock.monotonic())

    def opened(self) -> None:
        """A stream is open: what it would have told before is looked for once, and then it is relied upon."""
        self.is_watched = True
        self._bring_forward(self._random.uniform(0.0, self._spread))

    def lost(self) -> None:
        """The stream is open no more: looks come at the source's pace again, the first at a random moment of it."""
        self.is_watched = False
        self._bring_forward(self._random.uniform(0.0, self._source.wait_seconds()))

    def signalled(self, timestamp: int) -> None:
        """An event tells of a new data file. Those that come before the look are answered by it together."""
        self.timestamp = timestamp if self.timestamp is None else max(timestamp, self.timestamp)
        self._answers = 0
        self._bring_forward(self._random.uniform(0.0, self._spread))

    def answered(self, *, is_current: bool) -> None:
        """A look was made; ``is_current`` tells whether what is in use now is what the event announced."""
        if self.timestamp is not None and not is_current:
            self._answers += 1
            if self._answers < MOST_ANSWERS:
                self._wait(self._random.uniform(0.0, LAG_SECONDS * 2**self._answers))
                return
        self.timestamp, self._answers = None, 0
        self._wait(self._source.wait_seconds(is_watched=self.is_watched))

    def failed(self) -> None:
        """A look had no answer; the event's next one is at a moment of the source's choice."""
        self._wait(self._source.wait_seconds(is_watched=self.is_watched))

    def _wait(self, seconds: float) -> None:
        self._next = self._clock.monotonic() + seconds

    def _bring_forward(self, seconds: float) -> None:
        self._next = min(self._next, self._clock.monotonic() + seconds)
