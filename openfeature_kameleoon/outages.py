"""Which failures of what is asked for now and then are worth a line in the log, and when to say that it works again."""

from __future__ import annotations

from .clock import Clock

__all__ = ["Outages"]

MOST_TOLD = 20
SAME_SECONDS = 60.0


class Outages:
    """Tells of each failure once in an outage, and at most once a minute. For any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}
        self._failing: set[str] = set()

    def is_news(self, what: str, problem: str) -> bool:
        """Whether to tell of a failure; it counts as told."""
        if (what, problem) in self._told or len(self._told) >= MOST_TOLD:
            return False
        self._told[what, problem] = self._clock.monotonic()
        self._failing.add(what)
        return True

    def worked(self, what: str) -> bool:
        """Note that it works; whether to tell, as a failure was told of."""
        if not self._told:
            return False
        recently = self._clock.monotonic() - SAME_SECONDS
        for key, at in list(self._told.items()):
            if key[0] == what and at <= recently:
                self._told.pop(key, None)
        try:
            self._failing.remove(what)
        except KeyError:
            return False
        return True
