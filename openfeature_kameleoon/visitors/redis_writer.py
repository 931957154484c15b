"""The one thread that writes visitors to Redis and gets back to it: ``kameleoon-redis``.

Changes are noted under a lock and written within milliseconds of its end, many at once; no evaluation waits for that.
Without threads they are written then and there, within what an evaluation may wait. Reading is redis.py's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from math import inf
from types import TracebackType

from ..clock import Clock
from ..forking import threads_must_wait
from .field_changes import Changes
from .redis_link import Command, RedisAway, RedisLink
from .write_behind import WriteBehind

__all__ = ["ChangeLock", "RedisWriter"]

_log = logging.getLogger(__name__)

GATHER_SECONDS = 0.002
"""How long changes are gathered before they are written: a request makes several."""

WRITE_SECONDS = 1.0
STOP_SECONDS = 1.0
MOST_VISITORS = 100
MOST_BYTES = 1 << 18
"""Of one request: others wait while Redis works on it."""


class ChangeLock:
    """A reentrant lock; what changed under it is passed on when the last ``with`` of it ends, and no lock is held."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self.has_changes = False
        self.plain = threading.RLock()
        """The same lock, for what is nobody's change."""
        self._depth = 0
        self._pass_on = pass_on

    def __enter__(self) -> ChangeLock:
        self.plain.acquire()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        is_due = self._depth == 0 and self.has_changes
        if is_due:
            self.has_changes = False
        self.plain.release()
        if is_due:
            self._pass_on()


class _Run:
    """One life between ``start`` and ``close``."""

    __slots__ = ("is_hurried", "is_over", "rounds", "thread", "wake")

    def __init__(self) -> None:
        self.is_hurried = False
        self.is_over = threading.Event()
        self.rounds = 0
        self.thread: threading.Thread | None = None
        self.wake = threading.Event()


class RedisWriter:
    """Writes what waits in ``pending`` over a link. ``key(code)`` is where a visitor is stored.

    ``timeout_seconds`` is what an evaluation may wait; a visitor may be idle for ``idle_seconds``.
    """

    def __init__(
        self,
        link: RedisLink,
        key: Callable[[str], bytes | None],
        *,
        idle_seconds: float,
        timeout_seconds: float,
        threads: bool,
        clock: Clock,
    ) -> None:
        self.is_closed = False
        self._link = link
        self._key = key
        self._idle_milliseconds = max(1, int(idle_seconds * 1000))
        self._timeout_seconds = timeout_seconds
        self._threads = threads
        self._clock = clock
        self._window = -inf
        self.renew()

    def renew(self) -> None:
        """At the start, and in a forked child, where what is not written yet is the parent's to write."""
        self.lock = ChangeLock(self._pass_on)
        self.pending = WriteBehind()
        self._life = threading.Lock()  # for moments: starting and closing
        self._rounds = threading.Condition()
        self._run: _Run | None = None

    # Any thread -----------------------------------------------------------------------------------------------------

    def note(self, code: str, changes: Changes) -> None:
        """Have changes written; the caller holds the lock."""
        if changes and not self.is_closed:
            self.pending.note(code, changes)
            self.lock.has_changes = True

    def begin(self) -> None:
        """Start the thread, if there is to be one and is none."""
        if self._run is not None or not self._threads or threads_must_wait():
            return
        with self._life:
            if self._run is None and not self.is_closed:
                run = _Run()
                run.thread = threading.Thread(target=self._work, args=(run,), name="kameleoon-redis", daemon=True)
                self._run = run
                run.thread.start()

    def wake(self) -> None:
        """Have the thread look at once."""
        run = self._run
        if run is not None and not run.wake.is_set():
            run.wake.set()

    def reads(self) -> None:
        """Note that an evaluation waits for Redis from now on: without threads it writes within the same time."""
        self._window = time.monotonic()

    def start(self, timeout: float) -> None:
        """Get to Redis, after ``close`` too; wait that long for the first try to be over. Without threads, try now."""
        with self._life:
            if self.is_closed:
                self.is_closed = False
                self._link.begin()
        if not self._threads:
            if self._link.is_up or self._link.mend():
                self._link.tend()
            return
        self.begin()
        with self._rounds:
            self._rounds.wait_for(lambda: self._run is None or self._run.rounds > 0, timeout)

    def flush(self, timeout: float) -> bool:
        """Write what waits; whether nothing does any more. Ends early when Redis is away."""
        if self.is_closed:
            return not self.pending
        if not self._threads:
            if not self._link.is_up and not self._link.pause_seconds():
                self._link.mend()
            is_written = self._link.is_up and self.write(max(timeout, self._timeout_seconds))
            self._link.tend()
            return is_written
        self.begin()
        run = self._run
        if run is not None:
            run.is_hurried = True
            run.wake.set()
            second = run.rounds + 2  # one may be under way that had looked before
            with self._rounds:
                self._rounds.wait_for(
                    lambda: not self.pending or (run.rounds >= second and not self._link.is_up), timeout
                )
        return not self.pending

    def close(self, timeout: float) -> None:
        """Write what waits, end the thread and the connections. May be called twice."""
        deadline = time.monotonic() + timeout
        if self.pending:
            self.flush(timeout)
        with self._life:
            self.is_closed = True
            run, self._run = self._run, None
        if run is not None:
            run.is_over.set()
            run.wake.set()
        self._link.close()
        if run is not None and run.thread is not None and run.thread is not threading.current_thread():
            run.thread.join(max(STOP_SECONDS, deadline - time.monotonic()))

    def _pass_on(self) -> None:
        """After a change: have it written."""
        if self._threads:
            self.begin()
            if self._link.is_up:
                self.wake()
            return
        # An evaluation reads at most once, and all that it waits for Redis is the time-out: a window that begins with
        # the read, or else with the first write, and is followed by as long a time in which nothing is written.
        now = time.monotonic()
        if now - self._window >= 2 * self._timeout_seconds:
            self._window = now
        left = self._window + self._timeout_seconds - now
        if left > 0 and self._link.is_up:
            self.write(left)

    # Writing --------------------------------------------------------------------------------------------------------

    def write(self, seconds: float) -> bool:
        """Write all that waits, within that time; whether all of it is written."""
        deadline = time.monotonic() + seconds
        while True:
            with self.lock.plain:
                batch = self.pending.take(MOST_VISITORS)
            if not batch:
                return not self.pending
            sent: list[str] = []
            try:
                sent = self._send(batch, deadline - time.monotonic())
            finally:
                with self.lock.plain:
                    self.pending.written({code: batch[code] for code in sent})
                    self.pending.release({code: batch[code] for code in batch if code not in sent})
            if not sent:
                return False

    def _send(self, batch: dict[str, Changes], seconds: float) -> list[str]:
        """Write as many visitors as go into one request; their codes, none when it failed."""
        commands: list[Command] = []
        codes: list[str] = []
        size = 0
        offset = self._clock.monotonic() - self._clock.time()
        for code, changes in batch.items():
            key = self._key(code)
            made = [] if key is None else self.pending.commands(key, changes, self._idle_milliseconds, offset)
            size += sum(len(argument) for command in made for argument in command)
            if codes and size > MOST_BYTES:
                break
            commands += made
            codes.append(code)
        try:
            if commands:
                self._link.ask(commands, seconds)
        except RedisAway:
            return []
        return codes

    # The thread -----------------------------------------------------------------------------------------------------

    def _work(self, run: _Run) -> None:
        while not run.is_over.is_set():
            try:
                pause = self._round(run)
            except Exception as error:  # a bug, or other people's objects: the thread outlives it
                _log.warning("visitors could not be written to Redis: %s", type(error).__name__)
                pause = STOP_SECONDS
            with self._rounds:
                run.rounds += 1
                self._rounds.notify_all()
            run.wake.wait(pause)
            run.wake.clear()
            if self._link.is_up and not run.is_hurried:
                run.is_over.wait(GATHER_SECONDS)

    def _round(self, run: _Run) -> float:
        """Get back to Redis or write what waits; for how many seconds there is nothing to do then."""
        is_hurried, run.is_hurried = run.is_hurried, False
        if self._link.is_up or ((is_hurried or not self._link.pause_seconds()) and self._link.mend()):
            if self.write(WRITE_SECONDS):
                self._tell_of_losses()
            self._link.tend()
        return self._link.pause_seconds()

    def _tell_of_losses(self) -> None:
        with self.lock.plain:
            lost, self.pending.lost = self.pending.lost, 0
        if lost:
            _log.warning("%d changes of visitors were too many to keep while Redis was away", lost)
