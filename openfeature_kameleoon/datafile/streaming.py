"""Kameleoon's stream of events that tell of a new data file (specs/kameleoon-sdk.md 1.6, reliability.md 3.3).

Imported only where the network is used. One daemon thread, ``kameleoon-stream``, runs while the stream is wanted;
whether it is, and what follows from an event, is ``LiveDataFile``'s business.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from random import Random
from typing import Annotated

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import RequestFailed
from ..transport.foreign_text import printable
from ..transport.http import ByteStream, Http
from ..transport.retry import Backoff, retry_after
from ..transport.sse import EVENT_STREAM_HEADERS, ServerEvent, events_of
from .freshness import StreamState, StreamStatus
from .sources import News

__all__ = ["EventStream", "Heartbeat", "Reconnects"]

_logger = logging.getLogger(__name__)

UPDATE = "configuration-update-event"
CONNECT_SECONDS = 10.0

FIRST_RECONNECT_SECONDS = 8.0
"""Bound of the first wait, which doubles: when the server restarts, a fleet of any size comes back over that time."""

LONGEST_RECONNECT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
HEALTHY_SECONDS = 60.0
REFUSALS = frozenset({401, 403, 404, 405})
REFUSED_SECONDS = (150.0, 300.0)
ATTEMPTS_BEFORE_WARNING = 4

UNKNOWN_SILENCE_SECONDS = 90.0
SHORTEST_SILENCE_SECONDS = 15.0
STOP_STEP_SECONDS = 0.02


class _Signal(msgspec.Struct, frozen=True):
    """The data of an event."""

    ts: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class Reconnects:
    """How long to wait before the next attempt: at random, up to a bound that doubles until it is a minute.

    A stream that held for a minute sets the bound back. After a refusal that only somebody can mend it is minutes.
    """

    def __init__(self, random: Random, clock: Clock, *, first: float = FIRST_RECONNECT_SECONDS) -> None:
        self._random = random
        self._clock = clock
        self._backoff = Backoff(random, first=first)
        self._opened_at: float | None = None

    def opened(self) -> None:
        """An attempt succeeded."""
        self._opened_at = self._clock.monotonic()

    def wait_seconds(self, *, is_refused: bool = False, asked: float = 0.0) -> float:
        """After one more failure, or loss; the server ``asked`` to wait so many seconds at least."""
        if self._opened_at is not None and self._clock.monotonic() - self._opened_at >= HEALTHY_SECONDS:
            self._backoff.succeeded()
        self._opened_at = None
        self._backoff.failed(most=LONGEST_RECONNECT_SECONDS, floor=asked)
        if is_refused:
            return max(asked, self._random.uniform(*REFUSED_SECONDS))
        return self._backoff.wait_seconds()


class Heartbeat:
    """How long the server may be silent before the connection counts as dead: 2.5 times its longest pause so far.

    Counted from one keep-alive to the next, since events come when they come; ``unknown`` seconds until that is known,
    and never more.
    """

    def __init__(self, clock: Clock, *, unknown: float = UNKNOWN_SILENCE_SECONDS) -> None:
        self._clock = clock
        self._unknown = unknown
        self._last: float | None = None
        self._pauses = 0
        self._longest = 0.0

    def beat(self) -> float:
        """A keep-alive came; how many seconds of silence to allow from now on."""
        now = self._clock.monotonic()
        if self._last is not None:
            self._pauses += 1
            self._longest = max(self._longest, now - self._last)
        self._last = now
        if self._pauses < 2:  # one may be that between a greeting and the first of a regular series
            return self._unknown
        return min(max(2.5 * self._longest, SHORTEST_SILENCE_SECONDS), self._unknown)


class _Life:
    """From ``start`` to ``stop``; an abandoned thread sees by ``ending`` that its time is over."""

    __slots__ = ("asked", "connection", "ending", "failures", "is_warned", "thread", "wake")

    thread: threading.Thread

    def __init__(self, wake: Callable[[], object]) -> None:
        self.asked = 0.0  # seconds the server wants to be left alone
        self.connection: ByteStream | None = None
        self.ending = threading.Event()
        self.failures = 0  # since it was open
        self.is_warned = False
        self.wake = wake


class EventStream:
    """Keeps the events at ``url`` coming, through an ``Http`` of its own. An ``UpdateStream``."""

    _life: _Life | None
    _timestamp: int | None

    def __init__(
        self,
        http: Http,
        url: str,
        *,
        random: Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
        first_reconnect: float = FIRST_RECONNECT_SECONDS,
        silence: float = UNKNOWN_SILENCE_SECONDS,
    ) -> None:
        self._http = http
        self._url = url
        self._random = random or Random()
        self._clock = clock
        self._first_reconnect = first_reconnect
        self._silence = silence
        self._forget()

    def start(self, wake: Callable[[], object], *, wait: float = 0.0) -> None:
        """Open it on a thread of its own in ``wait`` seconds, if it is not on already, and keep it open."""
        with self._lock:
            if self._life is not None:
                return
            self._life = life = _Life(wake)
            self._enter(StreamState.CONNECTING)
            self._events, self._reconnects, self._last_error = 0, -1, ""
            life.thread = threading.Thread(target=self._work, args=(life, wait), name="kameleoon-stream", daemon=True)
            life.thread.start()

    def take(self) -> News:
        """Whether it is open, how often it was opened, and the newest timestamp since the last call."""
        with self._lock:
            timestamp, self._timestamp = self._timestamp, None
            return News(self._state is StreamState.OPEN, self._openings, timestamp)

    def stop(self, *, wait: float = 0.0) -> None:
        """Close it and end its thread, for which it waits up to ``wait`` seconds; abandon what cannot be ended."""
        with self._lock:
            life, self._life = self._life, None
            if life is None:
                return
            self._enter(StreamState.OFF)
            self._timestamp = None
        life.ending.set()
        if life.connection is not None:
            life.connection.close()
        self._http.abort()
        while wait > 0 and life.thread.is_alive():
            life.thread.join(STOP_STEP_SECONDS)
            self._http.abort()  # again, as it may have been between two exchanges
            wait -= STOP_STEP_SECONDS

    def renew(self) -> None:
        """In a forked child: it is off; the parent's connection is left alone, and random waits are others."""
        self._http.renew()
        self._random.seed()
        self._forget()

    def status(self) -> StreamStatus:
        """Where it stands now."""
        with self._lock:
            return StreamStatus(
                state=self._state,
                since_seconds=self._clock.monotonic() - self._since,
                events=self._events,
                reconnects=max(0, self._reconnects),
                last_error=self._last_error,
            )

    # --- its thread -------------------------------------------------------------------------------------------------

    def _work(self, life: _Life, wait: float) -> None:
        reconnects = Reconnects(self._random, self._clock, first=self._first_reconnect)
        while not life.ending.wait(wait):
            self._connecting(life)
            try:
                self._listen(life, reconnects)
                problem = RequestFailed("the server ended it")
            except RequestFailed as failure:
                problem = failure
            except Exception as bug:  # nobody foresaw it: the thread outlives it
                _logger.debug("unexpected while a stream was read", exc_info=bug)
                problem = RequestFailed(f"unexpected {type(bug).__name__}")
            is_refused = problem.status in REFUSALS
            wait = reconnects.wait_seconds(is_refused=is_refused, asked=life.asked)
            self._lost(life, printable(problem.message), is_refused=is_refused)
        self._http.close()

    def _listen(self, life: _Life, reconnects: Reconnects) -> None:
        """Read until the server ends the stream. Raises ``RequestFailed`` for any other end."""
        life.asked = 0.0
        with self._http.stream(
            self._url,
            headers=EVENT_STREAM_HEADERS,
            connect_timeout=CONNECT_SECONDS,
            silence_seconds=self._silence,
        ) as connection:
            if connection.status != 200:
                life.asked = retry_after(connection.headers, now=self._clock.time(), most=LONGEST_RETRY_AFTER_SECONDS)
            events = events_of(connection)
            if not self._opened(life, connection):
                return
            reconnects.opened()
            heartbeat = Heartbeat(self._clock, unknown=self._silence)
            for event in events:
                if event is not None and event.name == UPDATE:
                    self._hear(life, event)
                else:
                    connection.silence_seconds = heartbeat.beat()

    def _connecting(self, life: _Life) -> None:
        with self._lock:
            if self._life is life:
                self._enter(StreamState.CONNECTING)

    def _opened(self, life: _Life, connection: ByteStream) -> bool:
        """Whether it is still wanted."""
        with self._lock:
            if self._life is not life:
                return False
            life.connection, life.failures, life.is_warned = connection, 0, False
            self._enter(StreamState.OPEN)
            self._openings += 1
            self._reconnects += 1
            self._last_error = ""
        life.wake()
        _logger.info("real-time updates: the stream is open, the data file is hardly polled any more")
        return True

    def _hear(self, life: _Life, event: ServerEvent) -> None:
        try:
            timestamp = msgspec.json.decode(event.data, type=_Signal).ts
        except (msgspec.MsgspecError, ValueError, RecursionError) as flaw:
            _logger.debug("an event without a timestamp is ignored: %s", printable(flaw))
            return
        with self._lock:
            if self._life is not life:
                return
            self._events += 1
            self._timestamp = max(timestamp, self._timestamp or 0)
        life.wake()

    def _lost(self, life: _Life, problem: str, *, is_refused: bool) -> None:
        with self._lock:
            if self._life is not life:
                return
            was_open = self._state is StreamState.OPEN
            life.connection = None
            self._enter(StreamState.WAITING)
            self._last_error = problem
        if was_open:
            life.wake()
            _logger.info("real-time updates: the stream is lost: %s; the data file is polled meanwhile", problem)
            return
        life.failures += 1
        if not life.is_warned and (is_refused or life.failures >= ATTEMPTS_BEFORE_WARNING):
            life.is_warned = True
            _logger.warning("real-time updates: no stream: %s; the data file is polled meanwhile", problem)

    def _enter(self, state: StreamState) -> None:
        self._state, self._since = state, self._clock.monotonic()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._life = None
        self._enter(StreamState.OFF)
        self._openings = 0
        self._timestamp = None
        self._events, self._reconnects, self._last_error = 0, 0, ""
