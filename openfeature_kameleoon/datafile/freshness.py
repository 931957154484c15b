"""What may be said of the data file in use: one state machine, told what happened, asked where things stand.

No thread, no I/O: ``LiveDataFile`` feeds it, and keeps it from being used by two threads at once. Time is the
monotonic clock's, so a jump of the wall clock changes nothing (reliability.md 3.2). While a stream tells of changes,
what is in use is confirmed as long as it tells of none.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Literal, NamedTuple

import msgspec

from ..clock import Clock

__all__ = [
    "NO_STREAM",
    "Freshness",
    "Manner",
    "Origin",
    "Standing",
    "State",
    "Status",
    "StreamState",
    "StreamStatus",
]

Origin = Literal["file", "network", "cache"]


class State(Enum):
    """What may be said of the data file in use."""

    NOT_READY = "not ready"  # not started, or nothing is known yet
    READY = "ready"
    STALE = "stale"  # it answers, but may have been replaced meanwhile
    ERROR = "error"  # there is none, and looking for one failed


class StreamState(Enum):
    """What may be said of the stream that tells of new data files."""

    OFF = "off"  # not wanted, by the settings or by the data file
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"  # for the time of the next attempt


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where the stream stands at one moment; it is counted from when it was switched on."""

    state: StreamState = StreamState.OFF
    since_seconds: float = 0.0
    """How long it has been so."""
    events: int = 0
    """How many told of a new data file."""
    reconnects: int = 0
    """How often it was open again after it had been lost."""
    last_error: str = ""
    """Why it was lost, or could not be opened, the last time; empty while it is open."""


NO_STREAM = StreamStatus()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where things stand at one moment."""

    state: State
    is_fatal: bool
    origin: Origin
    age_seconds: float | None
    """Since the data file in use was confirmed, or saved if it came from disk; ``None`` without one."""
    last_error: str
    """The problem met by the last look; empty when there was none."""
    date_modified: int
    """Unix milliseconds, as the data file in use says; 0 when unknown."""
    is_invalid: bool = False
    """Whether the last look found something, and that was no data file."""
    stream: StreamStatus = NO_STREAM


class Standing(NamedTuple):
    """A state, and whether it is an error that somebody has to mend."""

    state: State
    is_fatal: bool = False


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How what a source says is to be taken."""

    origin: Literal["file", "network"]
    patience: int
    """A problem counts once it was met at so many looks in a row."""
    stale_after: float
    """Seconds without a confirmation after which the data file in use is stale."""
    stale_after_problem: float
    """The same while a problem stands."""
    may_lag: bool
    """Whether it may answer with an older data file than before, which is then not to be used."""


class Freshness:
    """Follows confirmations and problems.

    A problem stands once ``patience`` looks in a row met it: a file may be absent while it is replaced. What is in use
    is never ready while there is a ``caution``: what it says itself against being relied on.
    """

    def __init__(self, manner: Manner, *, patience: int, clock: Clock) -> None:
        self.origin: Origin = manner.origin
        self.problem = ""
        self.caution = ""
        self.is_followed = False
        self._manner = manner
        self._patience = patience
        self._clock = clock
        self._has_data = False
        self._is_confirmed = False
        self._confirmed_at = -inf
        self._is_watched = False
        self._is_held = False  # watched, and nothing has changed since it was confirmed
        self._looks_with_problem = 0
        self._is_fatal = self._is_invalid = False

    def begin(self) -> None:
        """Somebody follows it from now on; what was in use before needs a new confirmation."""
        self.is_followed, self._is_confirmed = True, False
        self._is_watched = self._is_held = False
        self._mend()

    def end(self) -> None:
        """Nobody follows it any more."""
        self.is_followed = False

    def loaded(self, age: float) -> None:
        """A copy from disk is in use, saved ``age`` seconds ago."""
        self.origin, self._has_data = "cache", True
        self._confirmed_at = self._clock.monotonic() - age

    def confirmed(self) -> None:
        """What is in use is what the source has now."""
        self.origin, self._has_data, self._is_confirmed = self._manner.origin, True, True
        self._confirmed_at = self._clock.monotonic()
        self._is_held = self._is_watched
        self._mend()

    def watched(self, is_watched: bool) -> None:
        """A stream that tells of changes is open from now on, or is no more; it confirms nothing by itself."""
        self._let_go()
        self._is_watched = is_watched

    def failed(self, problem: str, *, is_fatal: bool, is_invalid: bool = False) -> None:
        """A look met a problem; ``is_fatal`` is told only while nothing is in use."""
        self._let_go()
        self._looks_with_problem = self._looks_with_problem + 1 if problem == self.problem else 1
        self.problem = problem
        self._is_fatal, self._is_invalid = is_fatal, is_invalid

    @property
    def has_standing_problem(self) -> bool:
        """Whether the problem was met often enough to count."""
        return self._looks_with_problem >= self._patience

    def standing(self) -> Standing:
        """The state now."""
        if not self.is_followed:
            return Standing(State.NOT_READY)
        if not self._has_data:
            if not self.has_standing_problem:
                return Standing(State.NOT_READY)
            return Standing(State.ERROR, self._is_fatal)
        return Standing(State.READY if self.seconds_fresh() > 0 and not self.caution else State.STALE)

    def seconds_fresh(self) -> float:
        """How long, without further news, what is in use will be fresh; 0 when it is not."""
        if not self._is_confirmed:
            return 0.0
        if self._is_held:
            return inf
        manner = self._manner
        limit = manner.stale_after_problem if self.has_standing_problem else manner.stale_after
        return max(0.0, self._confirmed_at + limit - self._clock.monotonic())

    def status(self, date_modified: int) -> Status:
        """All that may be asked, of a data file in use with this date."""
        state, is_fatal = self.standing()
        age = 0.0 if self._is_held else self._clock.monotonic() - self._confirmed_at
        return Status(
            state=state,
            is_fatal=is_fatal,
            origin=self.origin,
            age_seconds=age if self._has_data else None,
            last_error=self.problem,
            date_modified=date_modified,
            is_invalid=self._is_invalid,
        )

    def _let_go(self) -> None:
        """It was confirmed up to this moment, and is no longer."""
        if self._is_held:
            self._is_held, self._confirmed_at = False, self._clock.monotonic()

    def _mend(self) -> None:
        self.problem, self._looks_with_problem, self._is_fatal, self._is_invalid = "", 0, False, False
