"""One environment of Flagship in use: decides for visitors in either mode, reports, keeps caches, and knows its status.

Decisions by the server run on the caller's thread; all else goes on in the background, on the threads of the bucketing
file, the tracker and the cache. Both generations of the SDK stand on it (specs/flagship.md 1.11, 1.14, 2.5, 3).
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..datafile.events import Event, EventKind
from ..ending import AtEnd
from ..errors import Initialization, KameleoonError
from ..forking import notice_fork, renew_after_fork
from ..transport.http import Http
from .api import FlagshipApi
from .bucketing_file import follow_bucketing
from .cache_calls import CacheCalls
from .decision_api import CampaignsAnswer, read_campaigns
from .engine.targeting import Visitor
from .errors import ParamError
from .hit_cache import CachedOutbox, HitCache
from .hits import Hit
from .log_manager import Log, LogLevel
from .plan import Plan
from .protocol import SDK_VERSION
from .records import Activation, VisitorIds
from .status_listener import Status
from .tracking import Tracker
from .tracking_manager import ClosingStrategy, TrackingManagerConfig

__all__ = ["Environment"]

STOP_SECONDS = 2.0
"""What is sent, or written to a cache, at the end takes no longer, each."""

MOST_PROBLEMS = 20
"""Told of one bucketing file."""


class Environment:
    """Made, started and stopped once; ``on_status`` is told of each change of ``status`` until then."""

    def __init__(self, plan: Plan, log: Log, on_status: Callable[[Status], object] = lambda status: None) -> None:
        self.plan = plan
        self.log = log
        self._on_status = on_status
        self._status = Status.NOT_INITIALIZED
        self._told_problems: object = None
        self._lock = threading.Lock()  # for moments: the status
        self.api = FlagshipApi(
            Http(plan.session), plan.env_id, plan.api_key, dialect=plan.dialect, endpoints=plan.endpoints
        )
        self.live = self._bucketing() if plan.is_bucketing else None
        self.calls = CacheCalls(plan.cache, plan.env_id, log) if plan.cache is not None else None
        self._hit_cache: HitCache | None = None
        if plan.tracking is not None and self.calls is not None and self.calls.hits is not None:
            self._hit_cache = HitCache(self.calls, plan.tracking.cache_strategy, log, plan.clock)
        self.tracker = self._tracking(plan.tracking) if plan.tracking is not None else None
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: a lock of its own."""
        self._lock = threading.Lock()

    # The life cycle ---------------------------------------------------------------------------------------------------

    def start(self, *, announces_start: bool = True) -> None:
        """Begin; waits for the first file only where nobody polls for it."""
        if announces_start:
            self._move(Status.STARTING)
        else:
            self._status = Status.STARTING
        _running.add(self)
        _at_end.arm()
        if self.calls is not None:
            self.calls.open()
        if self.tracker is not None:
            self.tracker.start()
            if self._hit_cache is not None and self.calls is not None:
                self.calls.submit(partial(_restore, self._hit_cache, self.tracker))
        if self.live is None:
            self._move(Status.READY)
            return
        self._move(Status.POLLING)
        self.live.start(0.0 if self.plan.polling_interval > 0 else self.plan.timeout)
        self._look()

    def wait_for_file(self) -> bool:
        """Whether there is a bucketing file, waited for as long as a download may take."""
        return self.live is None or self.live.current is not None or self.live.start(self.plan.timeout)

    def file_problem(self) -> str:
        """Why there is no bucketing file."""
        return (self.live.status().last_error if self.live is not None else "") or "it did not come in time"

    def rest(self) -> None:
        """Let go of threads and connections, as far as no decision needs them; what is known stays good."""
        if self.live is not None:
            self.live.stop()
        self.api.close()

    def stop(self) -> None:
        """End in bounded time: what waits is sent or cached, as the closing strategy says. May be called twice."""
        _running.discard(self)
        self._on_status = lambda status: None
        with self._lock:
            self._status = Status.NOT_INITIALIZED
        if self.live is not None:
            self.live.stop()
        if self.tracker is not None and self.plan.tracking is not None:
            if self.plan.tracking.closing_strategy is ClosingStrategy.CACHE_PENDING_HITS and self._hit_cache:
                self.tracker.hold(True)
            self.tracker.stop(STOP_SECONDS)
            if self._hit_cache is not None:
                self._hit_cache.keep(self.tracker.waiting())
        if self.calls is not None:
            self.calls.stop(STOP_SECONDS)
        if self.tracker is not None:
            self.tracker.close()
        self.api.close()

    # The status -------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What can be done now."""
        if self.live is not None:
            self._look()
        return self._status

    def _look(self) -> None:
        """Follow the bucketing file."""
        if self.live is None or self._status in (Status.NOT_INITIALIZED, Status.STARTING):
            return
        ruleset = self.live.current
        status = Status.POLLING
        if ruleset is not None:
            status = Status.PANIC if ruleset.panic else Status.READY
        if status is not self._status:  # looked at without the lock: it is so each time somebody reads a flag
            self._move(status)

    def _move(self, status: Status) -> None:
        with self._lock:
            before = self._status
            if before is status or (before is Status.NOT_INITIALIZED and status is not Status.STARTING):
                return  # the latter: it was stopped meanwhile
            self._status = status
        if self.tracker is not None:
            self.tracker.hold(status is Status.PANIC)
        detail = f": SDK {SDK_VERSION}, {self.plan}" if status is Status.READY else ""
        self.log.tell("Status", LogLevel.INFO, f"the status is {status.name}{detail}")
        if status is Status.PANIC:
            self.log.tell("Panic Status", LogLevel.WARNING, "panic mode: no flag is readable, nothing is sent")
        try:
            self._on_status(status)
        except Exception as error:  # foreign code: it must not end a thread
            self.log.tell_of("Status", error)

    # Decisions --------------------------------------------------------------------------------------------------------

    def decide(
        self, ids: VisitorIds, context: Mapping[str, Any], assignments: Mapping[str, str], *, consent: bool = True
    ) -> CampaignsAnswer:
        """What a visitor gets: waits for the server in its mode, for a bucketing file only where there is none yet.

        Raises ``RequestFailed``, ``FlagshipParsingError``, and ``Initialization`` without a file; then what the visitor
        had stays good.
        """
        if self.live is None:
            raw = self.api.campaigns(ids, context, consent=consent, timeout=self.plan.timeout)
            answer = read_campaigns(raw, assignments)
            for problem in answer.problems[:MOST_PROBLEMS]:
                self.log.tell("Campaigns parsing", LogLevel.ERROR, f"{problem.path}: {problem.message}")
            self._move(Status.PANIC if answer.panic else Status.READY)
            return answer
        if self.live.current is None:
            with contextlib.suppress(Initialization):  # it was stopped: there is no file to come
                self.live.refresh(timeout=self.plan.timeout)
            self._look()
        ruleset = self.live.current
        if ruleset is None:
            raise Initialization("there is no bucketing file yet")
        return CampaignsAnswer(ruleset.panic, ruleset.decide_all(Visitor(ids.visitor_id, context, assignments)))

    def assignments_of(self, variation_ids: frozenset[str]) -> dict[str, str]:
        """Where in the bucketing file variations stand that somebody is known to have."""
        ruleset = self.live.current if self.live is not None else None
        if ruleset is None or not variation_ids:
            return {}
        return {
            group.id: variation_id
            for campaign in ruleset.campaigns
            for group in campaign.groups
            for variation_id in variation_ids & group.by_id.keys()
        }

    # Reports ----------------------------------------------------------------------------------------------------------

    def track(self, hit: Hit, ids: VisitorIds) -> None:
        """Have a hit sent; one that cannot be is told."""
        self._report("Tracking", lambda tracker: tracker.track(hit, ids))

    def activate(self, activation: Activation, ids: VisitorIds) -> None:
        """Have an activation sent, in the same way."""
        self._report("ExposeFlag", lambda tracker: tracker.activate(activation, ids))

    def _report(self, tag: str, report: Callable[[Tracker], object]) -> None:
        if self.tracker is None:
            self.log.tell(tag, LogLevel.ERROR, "not sent: the SDK was started as 1.x, which has no tracking manager")
            return
        try:
            report(self.tracker)
        except ParamError as error:
            self.log.tell(tag, LogLevel.ERROR, error.message)

    def withdraw(self, ids: VisitorIds) -> None:
        """Send nothing of a visitor that waits, save what tells of the consent."""
        if self.tracker is not None:
            self.tracker.forget(ids)

    # Its parts --------------------------------------------------------------------------------------------------------

    def _bucketing(self) -> Any:
        plan = self.plan
        live = follow_bucketing(
            plan.env_id,
            endpoints=plan.endpoints,
            session=plan.session,
            interval=plan.polling_interval,
            timeout=plan.timeout,
            cache_directory=plan.cache_directory,
            threads=plan.polling_interval > 0,
            clock=plan.clock,
        )
        live.add_listener(self._heard)
        live.add_update_listener(lambda trigger, date_modified: self._updated())
        return live

    def _heard(self, event: Event) -> None:
        if event.kind in (EventKind.ERROR, EventKind.STALE):
            self.log.tell("Bucketing", LogLevel.ERROR, f"no new bucketing file: {event.message}")
        self._look()

    def _updated(self) -> None:
        ruleset = self.live.current if self.live is not None else None
        if ruleset is not None and ruleset is not self._told_problems:
            self._told_problems = ruleset
            self.log.tell("Bucketing", LogLevel.INFO, f"a bucketing file with {len(ruleset.campaigns)} campaigns came")
            for problem in ruleset.problems[:MOST_PROBLEMS]:
                self.log.tell("Campaigns parsing", LogLevel.WARNING, f"{problem.path}: {problem.message}")
        self._look()

    def _tracking(self, tracking: TrackingManagerConfig) -> Tracker:
        cache = self._hit_cache
        return Tracker(
            self.api,
            max_pool_size=tracking.max_pool_size,
            time_interval=tracking.time_interval / 1000,
            is_batching=tracking.is_batching,
            timeout=tracking.timeout / 1000,
            shutdown_timeout=STOP_SECONDS,
            around=(lambda outbox: outbox) if cache is None else (lambda outbox: CachedOutbox(outbox, cache)),
            clock=self.plan.clock,
        )


async def _restore(cache: HitCache, tracker: Tracker) -> None:
    """On the cache's thread: have sent what an earlier process left."""
    if tracker.restore(await cache.load()):
        tracker.flush()


_running: weakref.WeakSet[Environment] = weakref.WeakSet()


def _stop_running() -> None:
    """Stop what still runs when the program ends, so that caches know what was sent."""
    notice_fork()
    for environment in list(_running):
        with contextlib.suppress(KameleoonError):
            environment.stop()


_at_end = AtEnd(_stop_running)
