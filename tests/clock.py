"""The clock of tests: time passes when a test says so."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """An ``openfeature_kameleoon.clock.Clock`` that stands still until ``advance``; all in seconds."""

    def __init__(self, *, monotonic: float = 1_000.0, time: float = 1_790_000_000.0) -> None:
        self._monotonic = monotonic
        self._time = time

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return self._monotonic

    def time(self) -> float:
        """Unix time; begins in September 2026 unless told otherwise."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Let time pass on both readings."""
        self._monotonic += seconds
        self._time += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back; nothing has passed."""
        self._time += seconds
