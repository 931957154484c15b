"""A vendor's documented rate limits, kept on this side: a call waits for its turn instead of being refused.

Shared by all threads that use one session; the lock is never held while anything waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ...clock import SYSTEM_CLOCK, Clock

__all__ = ["RateLimit", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """So many ``calls`` in any ``seconds`` in a row."""

    calls: int
    seconds: float

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds <= 0:
            raise ValueError(f"a window holds at least one call, in some time, not {self.calls} in {self.seconds} s")


class RateLimit:
    """Hands out turns such that no window ever holds more calls than it may.

    Give the same one to several sessions that share a credential: limits are counted per credential.
    """

    def __init__(self, windows: Sequence[Window], clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._turns = [(window.seconds, deque[float](maxlen=window.calls)) for window in windows]

    def reserve(self) -> float:
        """Take the next turn; answers how many seconds it lies ahead."""
        with self._lock:
            now = turn = self._clock.monotonic()
            for seconds, turns in self._turns:
                if len(turns) == turns.maxlen:
                    turn = max(turn, turns[0] + seconds)
            for _, turns in self._turns:
                turns.append(turn)
        return turn - now
