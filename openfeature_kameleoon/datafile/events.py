"""What listeners and the log are told about the data file in use, when, and that it is told once.

Fed by ``LiveDataFile`` under its lock; ``deliver`` runs listeners without it, on the background thread, or
without threads on the one that calls ``refresh``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from math import inf
from typing import Literal

import msgspec

from ..clock import Clock
from .freshness import Freshness, Origin, Standing, State

__all__ = ["Announcer", "Event", "EventKind", "Listener", "UpdateListener"]

_logger = logging.getLogger(__name__)


DISTINCT_PROBLEMS = 20
SAME_PROBLEM_SECONDS = 60.0


class EventKind(Enum):
    """What listeners are told of."""

    READY = "ready"
    STALE = "stale"
    ERROR = "error"
    CHANGED = "changed"


EVENT_KINDS = {
    State.READY: EventKind.READY,
    State.STALE: EventKind.STALE,
    State.ERROR: EventKind.ERROR,
}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change, told once."""

    kind: EventKind
    origin: Origin
    changed: tuple[str, ...] = ()
    """Keys of the flags that were added, removed or changed."""
    message: str = ""
    is_fatal: bool = False
    """With ``ERROR``: settings have to be looked at. It is tried again all the same, and may become READY."""


Listener = Callable[[Event], object]

Trigger = Literal["POLLING", "STREAMING"]

UpdateListener = Callable[[Trigger, int], object]
"""Told of a data file that was accepted: why it was looked for, and its date in Unix milliseconds (10.7)."""


class Announcer:
    """Compares where things stand with what was told last, so nothing is told twice.

    A state that came and went between two deliveries is not told at all.
    """

    def __init__(self, freshness: Freshness, clock: Clock) -> None:
        self._freshness = freshness
        self._clock = clock
        self._listeners: tuple[Listener, ...] = ()
        self._update_listeners: tuple[UpdateListener, ...] = ()
        self._updates: list[tuple[Trigger, int]] = []
        self._failing: set[int] = set()
        self._told = Standing(State.NOT_READY)
        self._changed: dict[str, None] = {}
        self._release_at = inf
        self._logged: dict[str, float] = {}

    def add(self, listener: Listener) -> None:
        """Tell this one too, from the next event on."""
        self._listeners = (*self._listeners, listener)

    def add_for_updates(self, listener: UpdateListener) -> None:
        """Tell this one of every data file that is accepted, also while events are held."""
        self._update_listeners = (*self._update_listeners, listener)

    def updated(self, trigger: Trigger, date_modified: int) -> None:
        """A data file was accepted, whether or not a flag changed."""
        self._updates.append((trigger, date_modified))

    def hold(self) -> None:
        """No event is due until ``release``."""
        self._release_at = inf

    def release(self, told: Standing, after: float) -> None:
        """``start`` tells its caller ``told`` by its answer; what differs is due in ``after`` seconds."""
        self._told, self._release_at = told, self._clock.monotonic() + after

    def release_by(self, seconds: float) -> None:
        """Release within these seconds, if nobody did: in a forked child nobody may be left to."""
        self._release_at = min(self._release_at, self._clock.monotonic() + seconds)

    def flags_changed(self, keys: Iterable[str]) -> None:
        """These are to be told as changed, together with those that were not told yet."""
        self._changed.update(dict.fromkeys(keys))

    def is_news(self, problem: str) -> bool:
        """Whether a problem is worth a line in the log: its first time in an outage; it counts as logged."""
        if problem in self._logged or len(self._logged) >= DISTINCT_PROBLEMS:
            return False
        self._logged[problem] = self._clock.monotonic()
        return True

    def mended(self) -> None:
        """An outage is over: what comes next is news again, unless the same was logged a moment ago."""
        recently = self._clock.monotonic() - SAME_PROBLEM_SECONDS
        self._logged = {problem: at for problem, at in self._logged.items() if at > recently}

    def seconds_until_due(self) -> float:
        """Until events that are held may go out; infinite when none are held, or for an unknown time."""
        left = self._release_at - self._clock.monotonic()
        return left if left > 0 else inf

    def take(self) -> list[Event]:
        """What is due now; it counts as told."""
        if self._clock.monotonic() < self._release_at:
            return []
        freshness, events = self._freshness, []
        told, self._told = self._told, freshness.standing()
        state, is_fatal = self._told
        if self._told != told and state in EVENT_KINDS:
            reason = freshness.caution or freshness.problem or "not confirmed for too long"
            message = "" if state is State.READY else reason
            kind = EVENT_KINDS[state]
            events.append(Event(kind=kind, origin=freshness.origin, message=message, is_fatal=is_fatal))
        if self._changed:
            changed, self._changed = tuple(self._changed), {}
            events.append(Event(kind=EventKind.CHANGED, origin=freshness.origin, changed=changed))
        return events

    def take_updates(self) -> list[tuple[Trigger, int]]:
        """The data files that were accepted since the last call."""
        updates, self._updates = self._updates, []
        return updates

    def deliver(self, events: Iterable[Event], updates: Iterable[tuple[Trigger, int]] = ()) -> None:
        """Call every listener with everything; that one raises is logged once, and stops nothing."""
        for update in updates:
            for told_updates in self._update_listeners:
                self._call(told_updates, *update)
        for event in events:
            for listener in self._listeners:
                self._call(listener, event)

    def _call(self, listener: Callable[..., object], *arguments: object) -> None:
        try:
            listener(*arguments)
        except Exception as error:  # foreign code: it must not end the thread
            if id(listener) not in self._failing:
                self._failing.add(id(listener))
                _logger.warning("a listener of data file events failed", exc_info=error)
