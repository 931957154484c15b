"""The one clock that everything is given, so that tests move time instead of waiting for it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "start_of_day"]


class Clock(Protocol):
    """Two readings of time, both in seconds."""

    def monotonic(self) -> float:
        """Seconds that never run backwards: for intervals, ages and time-outs."""

    def time(self) -> float:
        """Unix time: for timestamps that others see, and for rules about dates."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


SYSTEM_CLOCK: Clock = SystemClock()


def start_of_day(clock: Clock) -> float:
    """Unix time of the last midnight in this process's time zone."""
    now = datetime.fromtimestamp(clock.time())
    return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
