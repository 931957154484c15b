"""The one thread that sends: ``kameleoon-sender`` empties the outbox at every interval, and backs off from outages.

What is sent and how it is settled is delivery.py's business. Without threads all of it happens inside ``flush`` and
``stop``. Everything that still waits when the program ends is sent then, within a bounded time (reliability.md 3.4).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from random import Random

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.scan import breathing
from ..ending import AtEnd
from ..forking import notice_fork, renew_after_fork, resume_after_fork, threads_must_wait
from ..transport.foreign_text import printable
from ..transport.retry import Backoff, retry_after
from .delivery import MOST_CHARACTERS, Answer, Delivery, Outcome, Verdict, verdict
from .outbox import WITHDRAWN, Batch, Outbox

__all__ = ["Sender", "SenderStatus", "flush_all", "stop_all"]

_log = logging.getLogger(__name__)

SLICE_EVENTS = 100
"""Taken between two breaths: writing them takes a fraction of a millisecond."""

MOST_EVENTS = 20_000
"""In one request."""

RESUMING = 32
"""After an outage one visitor is sent; with every request that is taken so many times more."""

LONGEST_RETRY_SECONDS = 300.0
LONGEST_RETRY_AFTER_SECONDS = 900.0
SHARE_OF_OUTAGE = 0.25
"""A wait is no longer than this part of the outage so far, and so much later at most is its end noticed."""

SAME_DROP_SECONDS = 60.0

DRAIN_SECONDS = 0.01
"""Before the next try at the end where something waits that could not be taken, as on a disk that fails."""

LONGEST_DRAIN_PAUSE_SECONDS = 1.0
"""The same while the server fails: who sends every minute has not one to wait at the end."""


class SenderStatus(msgspec.Struct, frozen=True):
    """How sending goes; times are in seconds."""

    requests: int
    retried: int
    """Events of requests that failed, each time that they did."""
    last_error: str
    """Empty when the last request succeeded."""
    seconds_failing: float
    """How long the server has been failing; 0 when it is not."""


class _Run:
    """One life between ``start`` and ``stop``."""

    __slots__ = ("end", "thread", "wake")

    def __init__(self) -> None:
        self.end = inf  # monotonic, when everything has to be over
        self.thread: threading.Thread | None = None
        self.wake = threading.Event()


class Sender:
    """Sends what waits in an outbox: every ``interval`` seconds, or when it is asked to.

    ``post(body, timeout)`` sends and raises ``RequestFailed``, with ``way_of`` as in ``Delivery``; ``abort()`` ends a
    request that hangs; ``collect()`` puts in, before the end, what nobody has reported yet. An event that was not
    delivered after ``maximum_age`` seconds is dropped. One request carries at most ``most_events``, and
    ``most_characters``, beyond which the last visitor may go unless that ``is_exact``. ``name`` is the thread's;
    ``judge`` is as in ``Delivery``.
    """

    def __init__(
        self,
        outbox: Outbox,
        post: Callable[..., Answer],
        abort: Callable[[], None] = lambda: None,
        collect: Callable[[], None] = lambda: None,
        *,
        way_of: Callable[[str], str] | None = None,
        judge: Callable[[int], Verdict] = verdict,
        interval: float = 1.0,
        timeout: float = 10.0,
        shutdown_timeout: float = 2.0,
        maximum_age: float = 86_400.0,
        most_events: int = MOST_EVENTS,
        most_characters: int = MOST_CHARACTERS,
        is_exact: bool = False,
        name: str = "kameleoon-sender",
        threads: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._post = post
        self._abort = abort
        self._collect = collect
        self._interval = interval
        self._timeout = timeout
        self._shutdown_timeout = shutdown_timeout
        self._maximum_age = maximum_age
        self._threads = threads
        self._clock = clock
        self._random = random or Random()
        self._backoff = Backoff(self._random)
        self._deliveries = partial(Delivery, outbox, self._send, way_of=way_of, judge=judge)
        self._delivery = self._deliveries()
        self._most = self._most_events = most_events
        self._most_characters = most_characters
        self._is_exact = is_exact
        self._name = name
        self._next = 0.0
        self._is_asked = self._is_held = False
        self._failing_since = inf
        self._last_error = ""
        self._told_dropped: dict[str, int] = {}
        self._told_dropped_at = -inf
        self._run: _Run | None = None
        self._deadline = inf
        self._begin()
        renew_after_fork(self)
        resume_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()  # for moments: the life cycle
        self._sending = threading.Lock()  # one round at a time
        self._rounds = threading.Condition()
        self._rounds_begun = self._rounds_ended = 0

    # Any thread -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send; may be called twice. What still waits when the program ends is sent then."""
        with self._lock:
            if self._run is not None:
                return
            self._run = run = _Run()
        _started.add(self)
        _at_end.arm()
        if self._threads and not threads_must_wait(self):
            self._spawn(run)

    def flush(self, timeout: float | None = None) -> bool:
        """Send now, outages or not; whether nothing waits any more.

        With a ``timeout``, in seconds, it waits that long for it. Without threads it sends on this thread.
        """
        run = self._run
        if run is None or run.thread is None:
            self._round(self._clock.monotonic() + (self._timeout if timeout is None else timeout))
        else:
            asked = self._rounds_begun
            self._ask()
            if timeout is not None:
                with self._rounds:
                    self._rounds.wait_for(lambda: self._is_flushed(run, asked), timeout)
        return not self._outbox.status().pending

    def hurry(self) -> None:
        """Send as soon as the thread can, save in an outage, which has its own times. Waits for nothing."""
        if not self._last_error:
            self._ask()

    def hold(self, is_held: bool) -> None:
        """Send nothing until told otherwise, at the end neither; what comes in waits."""
        self._is_held = is_held
        self._ask()
        with self._rounds:
            self._rounds.notify_all()

    def _ask(self) -> None:
        run = self._run
        if run is not None and run.thread is not None:
            self._is_asked = True
            run.wake.set()

    def _is_flushed(self, run: _Run, asked: int) -> bool:
        """Whether nothing waits, after a round that looked for what processes that are gone left, or ever will."""
        if run.end < inf or self._is_held:
            return True
        return self._rounds_ended > asked and not self._outbox.status().pending

    def stop(self, timeout: float | None = None) -> None:
        """Send what waits, for ``timeout`` seconds at most (the configured shutdown time-out), and end the thread."""
        stop_all([self], timeout)

    def status(self) -> SenderStatus:
        """How sending goes, and went so far."""
        failing = self._clock.monotonic() - self._failing_since if self._failing_since < inf else 0.0
        delivery = self._delivery
        return SenderStatus(delivery.requests, delivery.retried, self._last_error, failing)

    def renew(self) -> None:
        """In a forked child: what waits is the parent's to deliver, and so is what became of it so far."""
        self._begin()
        self._random.seed()
        self._delivery = self._deliveries()
        self._backoff.succeeded()
        self._failing_since, self._last_error, self._next, self._is_asked = inf, "", 0.0, False

    def resume(self) -> None:
        """In a forked child: a thread of its own, if the parent had one."""
        if self._run is not None:
            self._run = run = _Run()
            if self._threads:
                self._spawn(run)

    # The life cycle -------------------------------------------------------------------------------------------------

    def _spawn(self, run: _Run) -> None:
        run.thread = threading.Thread(target=self._work, args=(run,), name=self._name, daemon=True)
        run.thread.start()

    def _ask_to_end(self, seconds: float) -> _Run | None:
        with self._lock:
            run, self._run = self._run, None
        if run is not None:
            self._collect()
            run.end = self._clock.monotonic() + max(0.0, seconds - ABORT_SECONDS)
            run.wake.set()
        return run

    def _end(self, run: _Run, deadline: float) -> None:
        if run.thread is None:
            self._drain(run)
        elif run.thread is not threading.current_thread():
            run.thread.join(max(0.0, deadline - self._clock.monotonic()))
            if run.thread.is_alive():
                self._abort()
                run.thread.join(ABORT_SECONDS)
        _started.discard(self)
        with self._rounds:
            self._rounds.notify_all()
        left = self._outbox.status().pending
        if left:
            _log.warning("%d events were not delivered before the end; those on disk wait there", left)

    # The background thread ------------------------------------------------------------------------------------------

    def _work(self, run: _Run) -> None:
        while run.end == inf:
            run.wake.wait(self.step())
            run.wake.clear()
        self._drain(run)

    def step(self) -> float:
        """One turn of the background thread: send if it is time; how many seconds until the next.

        Public for simulations on a clock of their own, with ``threads=False``.
        """
        if self._is_held:
            return self._interval
        if self._is_asked or self._clock.monotonic() >= self._next:
            self._is_asked = False  # before the round: what comes in the middle of it asks for another one
            try:
                self._round(inf)
            except Exception as bug:  # the thread outlives it; the events wait
                _log.warning("sending events failed unexpectedly; they wait", exc_info=bug)
                self._failed(Outcome(f"unexpected {type(bug).__name__}"))
        return max(0.0, self._next - self._clock.monotonic())

    def _drain(self, run: _Run) -> None:
        """Try until nothing waits or time is up."""
        while self._outbox.status().pending > 0 and (left := run.end - self._clock.monotonic()) > 0:
            if self._is_held:
                break
            self._round(run.end)
            if self._outbox.status().pending > 0:
                pause = DRAIN_SECONDS
                if self._last_error:
                    pause = self._random.uniform(0.0, min(self._interval, LONGEST_DRAIN_PAUSE_SECONDS))
                run.wake.clear()
                run.wake.wait(min(left, pause))

    def _round(self, deadline: float) -> None:
        """Send until nothing waits, the server fails or time is up; requests end by the ``deadline``."""
        if self._is_held:
            return
        with self._sending:
            self._rounds_begun += 1
            self._deadline = deadline
            self._outbox.expire(self._maximum_age)
            while batches := self._take():
                outcome = self._delivery.deliver(batches)
                if outcome.problem:
                    self._failed(outcome)
                    break
                self._succeeded()
                if self._clock.monotonic() >= deadline:
                    break
            else:
                self._next = self._clock.monotonic() + self._interval
            self._tell_dropped()
            self._rounds_ended = self._rounds_begun
        with self._rounds:
            self._rounds.notify_all()

    def _take(self) -> list[Batch]:
        """What goes into one request."""
        breathe = breathing()
        batches: list[Batch] = []
        characters = events = 0
        while characters <= self._most_characters and events < self._most:
            slice_ = self._outbox.take(min(SLICE_EVENTS, self._most - events))
            if not slice_:
                break
            batches += slice_
            events += sum(len(batch.lines) for batch in slice_)
            characters += sum(map(_characters, slice_))
            breathe()
        while len(batches) > 1:
            last = _characters(batches[-1])
            if characters - (0 if self._is_exact else last) <= self._most_characters:
                break
            characters -= last
            self._outbox.release([batches.pop()])
        return batches

    def _send(self, body: bytes, **way: str) -> Answer:
        left = self._deadline - self._clock.monotonic()
        return self._post(body, min(self._timeout, left), **way)

    def _succeeded(self) -> None:
        if self._last_error:
            _log.info("events are delivered again")
        self._backoff.succeeded()
        self._failing_since, self._last_error = inf, ""
        self._most = min(self._most_events, self._most * RESUMING)

    def _failed(self, outcome: Outcome) -> None:
        now = self._clock.monotonic()
        if not self._last_error:
            self._failing_since = now
            _log.warning("events cannot be delivered and wait: %s", printable(outcome.problem))
        self._last_error = outcome.problem
        self._most = 1
        most = max(1.0, SHARE_OF_OUTAGE * (now - self._failing_since))
        floor = 0.0
        if outcome.answer is not None:
            most_asked = LONGEST_RETRY_AFTER_SECONDS
            floor = retry_after(outcome.answer.headers, now=self._clock.time(), most=most_asked)
        self._backoff.failed(most=min(LONGEST_RETRY_SECONDS, most), floor=floor)
        self._next = now + self._backoff.wait_seconds()

    def _tell_dropped(self) -> None:
        """Warn, now and then, of events that were lost."""
        dropped = self._outbox.status().dropped
        now = self._clock.monotonic()
        if now - self._told_dropped_at < SAME_DROP_SECONDS or dropped == self._told_dropped:
            return
        lost = {reason: count - self._told_dropped.get(reason, 0) for reason, count in dropped.items()}
        lost = {reason: count for reason, count in lost.items() if count and reason != WITHDRAWN}
        if lost:
            _log.warning("events were dropped: %s", ", ".join(f"{count} {reason}" for reason, count in lost.items()))
            self._told_dropped, self._told_dropped_at = dropped, now


def _characters(batch: Batch) -> int:
    return sum(map(len, batch.lines))


ABORT_SECONDS = 0.1
"""How long a thread may take to notice that its request was ended."""

_started: weakref.WeakSet[Sender] = weakref.WeakSet()


def flush_all(senders: Sequence[Sender], timeout: float | None = None) -> bool:
    """``flush`` for several senders at once, within one time-out; whether nothing waits in any."""
    for sender in senders:
        sender._ask()  # all of them, before one is waited for
    end = None if timeout is None else senders[0]._clock.monotonic() + timeout
    outcomes = [sender.flush(None if end is None else max(0.0, end - sender._clock.monotonic())) for sender in senders]
    return all(outcomes)


def stop_all(senders: Sequence[Sender], timeout: float | None = None) -> None:
    """``stop`` for several senders at once, within one time-out."""
    asked = []
    for sender in senders:
        seconds = sender._shutdown_timeout if timeout is None else timeout
        asked.append((sender, sender._ask_to_end(seconds), sender._clock.monotonic() + seconds))
    for sender, run, deadline in asked:
        if run is not None:
            sender._end(run, deadline)


def _stop_started() -> None:
    """Send what waits when the program ends: all senders at once, none longer than its shutdown time-out."""
    notice_fork()
    asked = [(sender, sender._ask_to_end(sender._shutdown_timeout)) for sender in list(_started)]
    for sender, run in asked:
        if run is not None:
            with contextlib.suppress(Exception):  # the interpreter ends; the others are to be sent, too
                sender._end(run, run.end)


_at_end = AtEnd(_stop_started)
