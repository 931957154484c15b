"""When to try again: which statuses may pass, how long to wait, what the server asks for.

Time and randomness are arguments. The loops that wait belong to the callers, so that a stop ends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from random import Random

__all__ = ["Backoff", "is_retryable", "retry_after"]

PASSING_STATUSES = frozenset({408, 425, 429})
"""Besides 5xx: request timeout, too early, too many requests."""


def is_retryable(status: int) -> bool:
    """Whether the same request may get another status later."""
    return status >= 500 or status in PASSING_STATUSES


class Backoff:
    """How long to wait after failures in a row: from 0 to a bound that doubles, first ``first`` seconds.

    Drawing from the whole range keeps clients apart that failed at the same moment. Used by one thread.
    """

    def __init__(self, random: Random, *, first: float = 1.0) -> None:
        self.failures = 0
        self._random = random
        self._first = first
        self._floor = 0.0
        self._most = first

    def succeeded(self) -> None:
        """There is nothing to wait for."""
        self.failures = 0

    def failed(self, *, most: float, floor: float = 0.0) -> None:
        """One more failure: the bound grows, to ``most`` seconds at most; ``floor`` is waited in any case."""
        self.failures += 1
        self._most, self._floor = most, floor

    def wait_seconds(self) -> float:
        """A new random wait; 0 after a success."""
        if not self.failures:
            return 0.0
        doublings = min(self.failures - 1, 32)
        return self._floor + self._random.uniform(0.0, min(self._most, self._first * 2.0**doublings))


def retry_after(headers: Mapping[str, str], *, now: float, most: float) -> float:
    """Seconds the server asks to wait in ``Retry-After``, at most ``most``; 0 when it asks nothing sensible.

    ``headers`` are looked up without regard to case; ``now`` is Unix time, for the form that is a date.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        seconds = float(asked)
    else:
        date = parsedate_tz(asked)
        if date is None:
            return 0.0
        try:
            seconds = mktime_tz(date) - now
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), most)
