"""The data file in use, kept up to date: what is accepted replaces it whole, what is not leaves it alone.

Readers take ``current`` without a lock. One daemon thread, ``kameleoon-configuration``, looks at the source, when it
is time or when a stream tells of an update, builds what came and delivers events; without threads all of that happens
inside ``start`` and ``refresh``, and there is no stream.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import Generic

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid, Initialization, KameleoonError
from ..forking import renew_after_fork, resume_after_fork, threads_must_wait
from ..transport.foreign_text import printable
from .acceptance import Build, R, accept, unexpected
from .cache import DataFileCache
from .events import Announcer, Listener, UpdateListener
from .freshness import Freshness, Standing, State, Status
from .schedule import SPREAD_SECONDS, Schedule
from .sources import NOT_MODIFIED, Fetched, Source, UpdateStream

__all__ = ["Build", "LiveDataFile"]

_logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.1
"""How long events wait once ``start`` has returned: OpenFeature then overwrites the status with its own."""

STOP_SECONDS = 0.1
STOP_STEP_SECONDS = 0.02

FORK_SPREAD_SECONDS = 1.0
"""Children forked one after the other open their streams at random moments within this time."""


class _Run:
    """One life between ``start`` and ``stop``; an abandoned thread sees by it that its time is over."""

    __slots__ = ("is_over", "openings", "schedule", "settled", "thread", "wake")

    def __init__(self, schedule: Schedule, *, is_over: bool = False) -> None:
        self.is_over = is_over
        self.openings = 0  # of the stream, that were heard of
        self.schedule = schedule
        self.settled = threading.Event()  # there is something to use, or no sense in waiting for it
        self.thread: threading.Thread | None = None
        self.wake = threading.Event()


class LiveDataFile(Generic[R]):
    """Keeps ``current`` up to date from a source, and the last one from the network on disk if given a cache.

    Without ``threads`` only ``start`` and ``refresh`` look. ``timeout``, in seconds, bounds a look. ``stream`` is on
    while ``wants_stream``, asked with what is in use, says so; a look follows its events within ``spread`` seconds.
    ``caution`` says of what is in use why it is not to be relied on, or nothing.
    """

    current: R | None
    """What evaluations read: ``None`` until a data file was accepted."""

    def __init__(
        self,
        source: Source,
        build: Build[R],
        *,
        cache: DataFileCache | None = None,
        threads: bool = True,
        timeout: float = 10.0,
        stream: UpdateStream | None = None,
        wants_stream: Callable[[R | None], bool] = lambda in_use: True,
        spread: float = SPREAD_SECONDS,
        caution: Callable[[R], str] = lambda in_use: "",
        random: Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.current = None
        self._source = source
        self._build = build
        self._cache = cache
        self._threads = threads
        self._timeout = timeout
        self._stream = stream
        self._wants_stream = wants_stream
        self._spread = spread
        self._caution = caution
        self._random = random or Random()
        self._clock = clock
        self._building = threading.Lock()  # one build at a time
        self._lock = threading.Lock()  # for moments: what follows, and publishing
        self._freshness = Freshness(source.manner, patience=source.manner.patience if threads else 1, clock=clock)
        self._announcer = Announcer(self._freshness, clock)
        self._run = _Run(self._schedule(), is_over=True)
        self._is_threaded = threads  # false as well while no thread may run yet
        renew_after_fork(self)
        resume_after_fork(self)

    def start(self, timeout: float) -> bool:
        """Begin, or go on waiting, up to ``timeout`` seconds for something to use; whether there is any.

        A copy on disk is used at once, stale until confirmed. Returns early when the settings cannot work;
        the background goes on trying even so. No event comes before the answer, and none repeats it.
        """
        with self._lock:
            is_new = self._run.is_over
            self._is_threaded = self._threads and not threads_must_wait(self)
            if is_new:
                self._run = _Run(self._schedule())
                self._freshness.begin()
                self._tune(self._run)
            run = self._run
            self._announcer.hold()
        if self.current is not None:
            run.settled.set()
        if self._is_threaded:
            if is_new:
                self._spawn(run)
            run.settled.wait(timeout)
        elif is_new or self.current is None:
            self._load(run)
            with contextlib.suppress(KameleoonError):  # the answer and the status tell
                self._look(run, min(timeout, self._timeout))
            self._deliver(run)
        with self._lock:
            is_usable = self.current is not None
            told = Standing(State.READY) if is_usable else self._freshness.standing()
            self._announcer.release(told, after=SETTLE_SECONDS if self._is_threaded else 0.0)
        run.wake.set()
        return is_usable

    def refresh(self, *, timeout: float | None = None, timestamp: int | None = None) -> None:
        """Look once, on the caller's thread; ``timestamp`` is that of a real-time event that asks for it.

        Raises ``RequestFailed`` or ``DataFileInvalid``, and what is in use stays; ``Initialization`` before
        ``start`` and after ``stop``.
        """
        run = self._run
        try:
            self._look(run, self._timeout if timeout is None else timeout, timestamp)
        finally:
            if self._is_threaded:
                run.wake.set()  # events are the background thread's to deliver
            else:
                self._deliver(run)

    def stop(self) -> None:
        """End the threads and the events, in bounded time: what hangs is cut off or abandoned, its result unused.

        May be called twice; ``start`` begins anew with what is in use.
        """
        with self._lock:
            run = self._run
            run.is_over = True
            self._freshness.end()
        run.settled.set()
        run.wake.set()
        if self._stream is not None:
            self._stream.stop(wait=STOP_SECONDS)
        if run.thread is not None and run.thread is not threading.current_thread():
            for _ in range(round(STOP_SECONDS / STOP_STEP_SECONDS)):
                self._source.abort()  # each time, as the thread may have been between two exchanges
                run.thread.join(STOP_STEP_SECONDS)
                if not run.thread.is_alive():
                    break
        self._source.close()

    def status(self) -> Status:
        """Where things stand now."""
        with self._lock:
            status = self._freshness.status(self._date_modified)
        return status if self._stream is None else msgspec.structs.replace(status, stream=self._stream.status())

    def add_listener(self, listener: Listener) -> None:
        """Have events delivered: on the background thread, or without threads inside ``refresh``."""
        self._announcer.add(listener)

    def add_update_listener(self, listener: UpdateListener) -> None:
        """Have each data file told that the source yielded and that was put to use, the first one too (10.7).

        On the background thread, or without threads inside ``start`` and ``refresh``.
        """
        self._announcer.add_for_updates(listener)

    def step(self) -> float:
        """One turn of the background thread: look if it is time, deliver; how many seconds until the next.

        Public for simulations on a clock of their own, with ``threads=False``.
        """
        return self._turn(self._run)

    # --- the background thread ------------------------------------------------------------------------------

    def _spawn(self, run: _Run) -> None:
        run.thread = threading.Thread(target=self._work, args=(run,), name="kameleoon-configuration", daemon=True)
        run.thread.start()

    def _work(self, run: _Run) -> None:
        self._load(run)
        while not run.is_over:
            run.wake.wait(min(self._turn(run), threading.TIMEOUT_MAX))  # ten of the longest intervals are longer
            run.wake.clear()

    def _turn(self, run: _Run) -> float:
        self._hear(run)
        if run.schedule.seconds_until_due() <= 0:
            self._look_as_scheduled(run)
        self._deliver(run)
        with self._lock:
            fresh = self._freshness.seconds_fresh() or inf
            return min(run.schedule.seconds_until_due(), fresh, self._announcer.seconds_until_due())

    def _hear(self, run: _Run) -> None:
        """Take note of what became of the stream."""
        if self._stream is None:
            return
        news, schedule = self._stream.take(), run.schedule
        is_new, run.openings = news.openings != run.openings, news.openings
        with self._lock:
            if schedule.is_watched and (is_new or not news.is_open):
                schedule.lost()
                self._freshness.watched(False)
            if news.is_open and not schedule.is_watched:
                schedule.opened()
                self._freshness.watched(True)
            if news.timestamp is not None:
                schedule.signalled(news.timestamp)

    def _look_as_scheduled(self, run: _Run) -> None:
        schedule, before = run.schedule, self._date_modified
        announced = schedule.timestamp or 0
        try:
            self._look(run, self._timeout, schedule.timestamp)
        except DataFileInvalid:
            schedule.answered(is_current=False)
        except KameleoonError:  # the status tells
            schedule.failed()
        else:
            date_modified = self._date_modified
            schedule.answered(is_current=date_modified > before or not 0 < date_modified < announced)

    def _schedule(self, first: float = -inf) -> Schedule:
        return Schedule(self._source, random=self._random, clock=self._clock, spread=self._spread, first=first)

    @property
    def _date_modified(self) -> int:
        return 0 if self.current is None else self.current.date_modified

    # --- what comes -----------------------------------------------------------------------------------------

    def _load(self, run: _Run) -> None:
        """Put the copy on disk to use, unless something is in use already."""
        cached = self._cache.load() if self._cache and self.current is None else None
        if cached is None:
            return
        with self._building:
            try:
                made, _ = accept(self._build, cached.raw, None, may_lag=False)
            except DataFileInvalid as problem:
                _logger.warning("the saved data file is ignored: %s", printable(problem.message))
                return
            with self._lock:
                if run.is_over:
                    return
                self._use(run, made)
                self._freshness.loaded(cached.age_seconds)
            self._source.judged(Fetched(cached.raw, cached.last_modified), None)
        run.settled.set()

    def _look(self, run: _Run, timeout: float, timestamp: int | None = None) -> None:
        if run.is_over:
            raise Initialization("the data file is not followed: start() comes first")
        try:
            fetched = self._source.fetch(timeout, timestamp=timestamp)
            if fetched is NOT_MODIFIED:
                self._confirm(run)
            else:
                self._take(run, fetched, timestamp)
        except Initialization:  # stopped meanwhile
            raise
        except KameleoonError as problem:
            self._fail(run, problem)
            raise
        except Exception as bug:  # of a source: the thread outlives it
            refusal = unexpected(bug)
            self._fail(run, refusal)
            raise refusal from bug

    def _take(self, run: _Run, fetched: Fetched, timestamp: int | None) -> None:
        """Put a data file to use, or refuse it with ``DataFileInvalid``."""
        manner = self._source.manner
        with self._building:
            try:
                made, changed = accept(self._build, fetched.raw, self.current, may_lag=manner.may_lag)
            except DataFileInvalid as problem:
                self._source.judged(fetched, problem)
                raise
            self._confirm(run, made, changed)
            with self._lock:
                self._announcer.updated("POLLING" if timestamp is None else "STREAMING", made.date_modified)
            self._source.judged(fetched, None)
        if self._cache and manner.origin == "network":
            self._cache.save(fetched.raw, fetched.version)

    def _confirm(self, run: _Run, made: R | None = None, changed: Iterable[str] = ()) -> None:
        """What is in use, or ``made`` from now on, is what the source has."""
        with self._lock:
            if run.is_over:
                raise Initialization("stopped before the data file had come")
            if made is not None:
                if self.current is not None:
                    self._announcer.flags_changed(changed)
                self._use(run, made)
            was_down = self._freshness.has_standing_problem
            self._freshness.confirmed()
            self._announcer.mended()
        run.settled.set()
        if was_down:
            _logger.info("the data file is up to date again")

    def _use(self, run: _Run, made: R) -> None:
        """From now on, what evaluations read. Under the lock."""
        self.current = made
        self._freshness.caution = self._caution(made)
        self._tune(run)

    def _fail(self, run: _Run, problem: KameleoonError) -> None:
        text = printable(problem.message)
        is_invalid = isinstance(problem, DataFileInvalid) and not isinstance(problem.__cause__, OSError)
        with self._lock:
            if run.is_over:
                return
            self._freshness.failed(text, is_fatal=self._source.is_fatal(problem), is_invalid=is_invalid)
            is_news = self._freshness.has_standing_problem and self._announcer.is_news(text)
            is_hopeless = self._freshness.standing().is_fatal
        if is_news:
            rest = "none is in use yet" if self.current is None else "the one in use stays"
            _logger.warning("no new data file: %s; %s", text, rest)
        if is_hopeless:
            run.settled.set()
        elif self.current is None:
            run.settled.clear()

    def _tune(self, run: _Run, wait: float = 0.0) -> None:
        """Have the stream on or off, as what is in use wants it. Under the lock, so that ``stop`` has the last word."""
        if self._stream is None or run.is_over or not self._is_threaded:
            return
        if self._wants_stream(self.current):
            self._stream.start(run.wake.set, wait=wait)
        else:
            self._stream.stop()

    def _deliver(self, run: _Run) -> None:
        with self._lock:
            if run.is_over:
                return
            events, updates = self._announcer.take(), self._announcer.take_updates()
        self._announcer.deliver(events, updates)

    # --- fork -------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """In a forked child: locks and connections are new, what is in use stays."""
        self._building, self._lock = threading.Lock(), threading.Lock()
        self._source.renew()
        self._random.seed()
        if self._stream is not None:
            self._stream.renew()
            self._freshness.watched(False)
        if self._run.is_over:
            return
        wait = self._source.wait_seconds() if self.current is not None else 0.0
        self._run = run = _Run(self._schedule(first=self._clock.monotonic() + wait))
        self._announcer.release_by(SETTLE_SECONDS)
        if self.current is not None:
            run.settled.set()

    def resume(self) -> None:
        """In a forked child: the thread runs again, and the stream if it is wanted."""
        self._is_threaded = self._threads
        if self._threads and not self._run.is_over:
            self._spawn(self._run)
            with self._lock:
                self._tune(self._run, self._random.uniform(0.0, FORK_SPREAD_SECONDS))
