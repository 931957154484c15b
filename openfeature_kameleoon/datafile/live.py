"""The data file in use, kept up to date: what is accepted replaces it whole, what is not leaves it alone.

Readers take ``current`` without a lock. One daemon thread, ``kameleoon-configuration``, looks at the source,
builds what came and delivers events; without threads all of that happens inside ``start`` and ``refresh``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable
from math import inf
from typing import Generic

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid, Initialization, KameleoonError
from ..forking import renew_after_fork
from ..transport.foreign_text import printable
from .acceptance import Build, R, accept, unexpected
from .cache import DataFileCache
from .events import Announcer, Listener
from .freshness import Freshness, Standing, State, Status
from .sources import NOT_MODIFIED, Fetched, Source

__all__ = ["Build", "LiveDataFile"]

_logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.1
"""How long events wait once ``start`` has returned: OpenFeature then overwrites the status with its own."""

STOP_SECONDS = 0.1


class _Run:
    """One life between ``start`` and ``stop``; an abandoned thread sees by it that its time is over."""

    __slots__ = ("is_over", "next_look", "settled", "thread", "wake")

    def __init__(self, *, next_look: float = -inf, is_over: bool = False) -> None:
        self.is_over = is_over
        self.next_look = next_look
        self.settled = threading.Event()  # there is something to use, or no sense in waiting for it
        self.thread: threading.Thread | None = None
        self.wake = threading.Event()


class LiveDataFile(Generic[R]):
    """Keeps ``current`` up to date from a source, and the last one from the network on disk if given a cache.

    Without ``threads`` only ``start`` and ``refresh`` look. ``timeout``, in seconds, bounds a look.
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
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.current = None
        self._source = source
        self._build = build
        self._cache = cache
        self._threads = threads
        self._timeout = timeout
        self._clock = clock
        self._building = threading.Lock()  # one build at a time
        self._lock = threading.Lock()  # for moments: what follows, and publishing
        self._freshness = Freshness(source.manner, patience=source.manner.patience if threads else 1, clock=clock)
        self._announcer = Announcer(self._freshness, clock)
        self._run = _Run(is_over=True)
        renew_after_fork(self)

    def start(self, timeout: float) -> bool:
        """Begin, or go on waiting, up to ``timeout`` seconds for something to use; whether there is any.

        A copy on disk is used at once, stale until confirmed. Returns early when the settings cannot work;
        the background goes on trying even so. No event comes before the answer, and none repeats it.
        """
        with self._lock:
            is_new = self._run.is_over
            if is_new:
                self._run = _Run()
                self._freshness.begin()
            run = self._run
            self._announcer.hold()
        if self.current is not None:
            run.settled.set()
        if self._threads:
            if is_new:
                self._spawn(run)
            run.settled.wait(timeout)
        elif is_new or self.current is None:
            self._load(run)
            with contextlib.suppress(KameleoonError):  # the answer and the status tell
                self._look(run, min(timeout, self._timeout))
        with self._lock:
            is_usable = self.current is not None
            told = Standing(State.READY) if is_usable else self._freshness.standing()
            self._announcer.release(told, after=SETTLE_SECONDS if self._threads else 0.0)
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
            if self._threads:
                run.wake.set()  # events are the background thread's to deliver
            else:
                self._deliver(run)

    def stop(self) -> None:
        """End the thread and the events, in bounded time: a fetch that hangs is abandoned, its result unused.

        May be called twice; ``start`` begins anew with what is in use.
        """
        with self._lock:
            run = self._run
            run.is_over = True
            self._freshness.end()
        run.settled.set()
        run.wake.set()
        if run.thread is not None and run.thread is not threading.current_thread():
            run.thread.join(STOP_SECONDS)
        self._source.close()

    def status(self) -> Status:
        """Where things stand now."""
        with self._lock:
            return self._freshness.status(0 if self.current is None else self.current.date_modified)

    def add_listener(self, listener: Listener) -> None:
        """Have events delivered: on the background thread, or without threads inside ``refresh``."""
        self._announcer.add(listener)

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
            run.wake.wait(self._turn(run))
            run.wake.clear()

    def _turn(self, run: _Run) -> float:
        if self._clock.monotonic() >= run.next_look:
            with contextlib.suppress(KameleoonError):  # the status tells
                self._look(run, self._timeout)
            run.next_look = self._clock.monotonic() + self._source.wait_seconds()
        self._deliver(run)
        with self._lock:
            fresh = self._freshness.seconds_fresh() or inf
            next_look = max(0.0, run.next_look - self._clock.monotonic())
            return min(next_look, fresh, self._announcer.seconds_until_due())

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
                self.current = made
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
                self._take(run, fetched)
        except Initialization:  # stopped meanwhile
            raise
        except KameleoonError as problem:
            self._fail(run, problem)
            raise
        except Exception as bug:  # of a source: the thread outlives it
            refusal = unexpected(bug)
            self._fail(run, refusal)
            raise refusal from bug

    def _take(self, run: _Run, fetched: Fetched) -> None:
        """Put a data file to use, or refuse it with ``DataFileInvalid``."""
        manner = self._source.manner
        with self._building:
            try:
                made, changed = accept(self._build, fetched.raw, self.current, may_lag=manner.may_lag)
            except DataFileInvalid as problem:
                self._source.judged(fetched, problem)
                raise
            self._confirm(run, made, changed)
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
                self.current = made
            was_down = self._freshness.has_standing_problem
            self._freshness.confirmed()
            self._announcer.mended()
        run.settled.set()
        if was_down:
            _logger.info("the data file is up to date again")

    def _fail(self, run: _Run, problem: KameleoonError) -> None:
        text = printable(problem.message)
        with self._lock:
            if run.is_over:
                return
            self._freshness.failed(text, is_fatal=self._source.is_fatal(problem))
            is_news = self._freshness.has_standing_problem and self._announcer.is_news(text)
            is_hopeless = self._freshness.standing().is_fatal
        if is_news:
            rest = "none is in use yet" if self.current is None else "the one in use stays"
            _logger.warning("no new data file: %s; %s", text, rest)
        if is_hopeless:
            run.settled.set()
        elif self.current is None:
            run.settled.clear()

    def _deliver(self, run: _Run) -> None:
        with self._lock:
            events = [] if run.is_over else self._announcer.take()
        self._announcer.deliver(events)

    def renew(self) -> None:
        """In a forked child: locks and connections are new, what is in use stays, the thread runs again."""
        self._building, self._lock = threading.Lock(), threading.Lock()
        self._source.renew()
        if self._run.is_over:
            return
        now = self._clock.monotonic()
        wait = self._source.wait_seconds() if self.current is not None else 0.0
        self._run = run = _Run(next_look=now + wait)
        self._announcer.release_by(SETTLE_SECONDS)
        if self.current is not None:
            run.settled.set()
        if self._threads:
            self._spawn(run)
