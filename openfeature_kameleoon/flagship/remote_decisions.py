"""Decisions of Flagship's decision API: a visitor's flags are asked for on the thread that evaluates, which waits.

Asked for are those of a visitor that is new or has changed, or whose flags have grown old; evaluations at the same
moment share one request. While the API fails, one evaluation now and then tries; all others answer at once from what
is there (specs/flagship.md 2, 7.1, 7.2).
"""

from __future__ import annotations

import logging
import threading
from math import inf
from random import Random
from typing import TYPE_CHECKING

from ..clock import Clock
from ..datafile.events import Announcer, Listener
from ..datafile.freshness import Freshness, Manner, Standing, State, Status
from ..datafile.live import SETTLE_SECONDS
from ..errors import FeatureNotFound, Initialization, KameleoonError, RequestFailed
from ..forking import notice_fork, renew_after_fork
from ..transport.foreign_text import printable
from ..transport.retry import Backoff
from .api import FlagshipApi
from .bucketing_file import PANIC
from .decision_api import read_campaigns
from .engine.evaluation import Evaluation
from .known_visitor import Answer, Failure, KnownVisitor
from .known_visitors import Visitors
from .reports import Reports

if TYPE_CHECKING:
    from .kept_visitors import KeptVisitors

__all__ = ["RemoteDecisions"]

_log = logging.getLogger(__name__)

LEAST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0
REFUSED_SECONDS = 30.0
"""Until the API is asked again of what it refused: somebody has to look at the settings, or at the visitor."""

PANIC_SECONDS = 10.0
"""How often it is asked whether panic is over."""

KEEP_SECONDS = 1.0
"""How long the end may take to have written what is kept of visitors."""

REFUSALS = frozenset({401, 403, 404})
"""Statuses that say something of the settings, whoever the visitor is."""

MANNER = Manner(origin="network", patience=1, stale_after=inf, stale_after_problem=0.0, may_lag=False)


class RemoteDecisions:
    """What the API gives visitors. Flags older than ``maximum_age`` seconds are asked for anew, and kept if that fails.

    ``timeout``, in seconds, is the longest that an evaluation waits. With ``missing_is_default`` a flag that the API
    did not name is one that the visitor does not get, rather than one that is not there. What is ``kept`` of a visitor
    answers until the API was asked.
    """

    def __init__(
        self,
        api: FlagshipApi,
        visitors: Visitors,
        reports: Reports,
        *,
        maximum_age: float,
        timeout: float,
        missing_is_default: bool,
        kept: KeptVisitors | None = None,
        clock: Clock,
        random: Random | None = None,
    ) -> None:
        self._api = api
        self._visitors = visitors
        self._reports = reports
        self._maximum_age = maximum_age
        self._timeout = timeout
        self._missing_is_default = missing_is_default
        self._kept = kept
        self._clock = clock
        self._random = random or Random()
        self._backoff = Backoff(self._random)
        self._freshness = Freshness(MANNER, patience=1, clock=clock)
        self._announcer = Announcer(self._freshness, clock)
        self._is_started = self._is_in_panic = False
        self._problem: KameleoonError = Initialization("the decision API is not asked before initialize")
        self._retry_at = self._renewed_at = -inf
        self._has_worked = False
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()  # for moments: what is under way, and where things stand
        self._under_way: dict[str, threading.Event] = {}

    # Evaluating -----------------------------------------------------------------------------------------------------

    def decide(self, visitor: KnownVisitor, key: str) -> Evaluation:
        """What the visitor gets of one flag; waits for the API where it must be asked.

        Raises ``FeatureNotFound`` and, where there is nothing to answer from, ``RequestFailed``,
        ``FlagshipParsingError`` or ``Initialization``.
        """
        if self.needs(visitor):
            visitor = self._visitors.keep(visitor)
            self.ask(visitor)
        return self.decide_at_once(visitor, key)

    def decide_at_once(self, visitor: KnownVisitor, key: str) -> Evaluation:
        """The same from what is there."""
        if self._is_in_panic:
            return Evaluation(key, None, "DISABLED")
        answer = visitor.answer
        if answer is None:
            failure = visitor.failure
            raise self._problem if failure is None else failure.problem
        evaluation = answer.flags.get(key)
        if evaluation is None:
            if self._missing_is_default:
                return Evaluation(key, None, "DEFAULT")
            raise FeatureNotFound(f"flag {key!r:.100} is not among those that the decision API gives this visitor")
        if answer.is_kept:
            return Evaluation(key, evaluation.value, "CACHED", evaluation.variation)
        if self._is_outdated(visitor, answer):
            return Evaluation(key, evaluation.value, "STALE", evaluation.variation)
        return evaluation

    def needs(self, visitor: KnownVisitor) -> bool:
        """Whether the API must be asked for the visitor, and may be now."""
        answer, failure = visitor.answer, visitor.failure
        if answer is None and self._kept is not None and not visitor.is_looked_up and self._is_started:
            return True
        if answer is not None and not self._is_in_panic and not self._is_outdated(visitor, answer):
            return False
        now = self._clock.monotonic()
        if now < self._retry_at or not self._is_started:
            return False
        return failure is None or failure.version != visitor.version or now >= failure.retry_at

    def ask(self, visitor: KnownVisitor, seconds: float | None = None) -> bool:
        """Have the visitor's flags asked for, if need be, within ``seconds`` (``timeout``); whether they are there."""
        notice_fork()
        visitor = self._visitors.keep(visitor)
        end = self._clock.monotonic() + (self._timeout if seconds is None else seconds)
        self._look_up(visitor)
        while self.needs(visitor) and (left := end - self._clock.monotonic()) > 0:
            with self._lock:
                others = self._under_way.get(visitor.code)
                if others is None:
                    done = self._under_way[visitor.code] = threading.Event()
            if others is not None:
                others.wait(left)
                continue
            version = visitor.version
            try:
                self._fetch(visitor, left)
            finally:
                with self._lock:
                    self._under_way.pop(visitor.code, None)
                done.set()
            if visitor.version == version:  # however soon what came is to be too old, it is not asked for again now
                break
        answer = visitor.answer
        return answer is not None and not self._is_outdated(visitor, answer)

    def _look_up(self, visitor: KnownVisitor) -> None:
        """Take what is kept of a visitor, the first time that it is asked for."""
        if self._kept is None or visitor.is_looked_up:
            return
        kept = self._kept.look_up(visitor) if visitor.answer is None else None
        visitor.is_looked_up = True
        if kept is not None:
            self._visitors.restored(visitor, Answer(kept.flags, -inf, -1, is_kept=True), kept.exposed)

    def _is_outdated(self, visitor: KnownVisitor, answer: Answer) -> bool:
        if answer.version != visitor.version or answer.at < self._renewed_at:
            return True
        return self._clock.monotonic() - answer.at >= self._maximum_age

    # Asking ---------------------------------------------------------------------------------------------------------

    def _fetch(self, visitor: KnownVisitor, timeout: float) -> None:
        version = visitor.version  # first: what changes from here on is asked for again
        try:
            came = self._api.campaigns(visitor.ids, visitor.who.context, consent=visitor.consents, timeout=timeout)
            answer = read_campaigns(came)
        except KameleoonError as problem:
            self._failed(visitor, version, problem)
            return
        if not answer.panic:
            self._visitors.answered(visitor, Answer(answer.decision.flags, self._clock.monotonic(), version))
        with self._lock:
            was_down = self._freshness.has_standing_problem
            self._has_worked = True
            self._is_in_panic = answer.panic
            self._retry_at = self._clock.monotonic() + PANIC_SECONDS if answer.panic else -inf
            self._backoff.succeeded()
            self._freshness.caution = PANIC if answer.panic else ""
            self._freshness.confirmed()
            self._announcer.mended()
        self._reports.hold(answer.panic)
        if was_down:
            _log.info("the decision API answers again")
        self._deliver()

    def _failed(self, visitor: KnownVisitor, version: int, problem: KameleoonError) -> None:
        now = self._clock.monotonic()
        is_refused = isinstance(problem, RequestFailed) and not problem.retryable
        is_of_all = not is_refused or not self._has_worked or getattr(problem, "status", None) in REFUSALS
        text = printable(problem.message)
        with self._lock:
            if is_of_all:
                self._backoff.failed(most=LONGEST_RETRY_SECONDS, floor=LEAST_RETRY_SECONDS)
                self._problem = problem
                self._retry_at = now + (REFUSED_SECONDS if is_refused else self._backoff.wait_seconds())
                self._freshness.failed(text, is_fatal=False)
            visitor.failure = Failure(problem, now + REFUSED_SECONDS if not is_of_all else self._retry_at, version)
            is_news = self._announcer.is_news(text)
        if is_news:
            rest = "those of known visitors stay" if self._has_worked else "there are none yet"
            _log.warning("no new flags from the decision API: %s; %s", text, rest)
        self._deliver()

    def _deliver(self) -> None:
        with self._lock:
            events = self._announcer.take()
        self._announcer.deliver(events)

    # The life cycle -------------------------------------------------------------------------------------------------

    def start(self, visitor: KnownVisitor | None) -> bool:
        """Be ready at once, or, for a visitor who is known from the beginning, once that one's flags are there."""
        with self._lock:
            self._freshness.begin()
            self._announcer.hold()
        self._is_started = True
        if self._kept is not None:
            self._kept.start()
        self._problem = RequestFailed("the decision API has not answered in time", timed_out=True)
        is_ready = visitor is None or self.ask(visitor) or self._is_in_panic
        with self._lock:
            told = Standing(State.READY) if is_ready else self._freshness.standing()
            self._announcer.release(told, after=SETTLE_SECONDS)
        return is_ready

    def stop(self) -> None:
        """Ask no more; what is there goes on to answer."""
        self._is_started = False
        with self._lock:
            self._freshness.end()
        if self._kept is not None:
            self._kept.stop(KEEP_SECONDS)

    def refresh(self) -> None:
        """Have every visitor's flags asked for anew, each at the next evaluation."""
        self._renewed_at = self._clock.monotonic()
        self._retry_at = -inf

    def status(self) -> Status:
        """How it goes with the API."""
        with self._lock:
            return self._freshness.status(0)

    def add_listener(self, listener: Listener) -> None:
        """Have events delivered, on the thread that learns of what they tell."""
        self._announcer.add(listener)

    def renew(self) -> None:
        """In a forked child: the lock is new, and what was under way is the parent's."""
        self._begin()
        self._random.seed()
