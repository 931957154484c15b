"""Connections to one Redis: kept warm, waited for no longer than asked, and left alone while Redis is away.

Any thread asks. Connecting (redis_connect.py) may take long, so that only ``mend`` and ``tend`` connect, which one
background thread calls. What goes over a connection is resp.py's.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from random import Random

from ..clock import Clock
from ..errors import ConfigSettingInvalid
from ..settings import Secret
from .redis_connect import CONNECT_SECONDS, Connecting, problem_of, reason_of, shut_down
from .resp import Command, OversizedReply, Refusal, Reply, StaleSocket, exchange, pack
from .retry import Backoff

__all__ = ["OversizedReply", "RedisAway", "RedisLink"]

_log = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
FRESH_SECONDS = 15.0
"""A connection that was not used for so long is used once, so that it is there when an evaluation needs it."""

TEND_SECONDS = 5.0

FEWEST_CONNECTIONS = 2
"""Kept ready: one is lost with each answer that does not come in time."""

TRIALS = 3
"""One slow answer is no reason to do without Redis, this machine may be busy itself; so many in a row are."""

STEADY_SECONDS = 1.0
"""Redis is back once it has been up for so long."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0

REFUSALS = frozenset(
    [
        *("ASK", "BUSY", "CLUSTERDOWN", "EXECABORT", "LOADING", "MASTERDOWN", "MISCONF", "MOVED"),
        *("NOAUTH", "NOPERM", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN", "UNKILLABLE"),
    ]
)
"""Errors about this Redis as a whole; the others are about one key, and cost only that."""


class RedisAway(Exception):
    """Redis was not asked, or did not answer; ``reason`` is safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Connection:
    __slots__ = ("sock", "used_at")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.used_at = time.monotonic()

    def exchange(self, request: bytes, count: int, deadline: float) -> list[Reply]:
        replies = exchange(self.sock, request, count, deadline)
        self.used_at = time.monotonic()
        return replies


class RedisLink:
    """One Redis, by URL. ``is_up`` says whether to ask it.

    ``unbroken_since``, monotonic by ``clock``, is when it last came up, or a connection was lost: what was read before
    may be gone, as a server that begins anew has nothing.
    After a failure it is not up until ``mend`` finds that it answers ``trial`` within ``timeout_seconds``; ``need()``
    is called when there is something to mend or tend. Raises ``ConfigSettingInvalid`` for a URL that cannot be used,
    and without the package ``redis``.
    """

    def __init__(
        self,
        url: Secret,
        *,
        timeout_seconds: float,
        trial: Sequence[Command],
        need: Callable[[], object],
        clock: Clock,
        random: Random,
    ) -> None:
        problem = problem_of(url)
        if problem:
            raise ConfigSettingInvalid(problem, setting="redis_url")
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._trial = tuple(trial)
        self._need = need
        self._clock = clock
        self._random = random
        self.begin()

    def begin(self) -> None:
        """Start anew without any connection, after ``close`` too. Nothing is done to connections that there were."""
        self.is_up = False
        self.unbroken_since = -inf
        self._run_id = b""
        self._is_closed = False
        self._has_warned = False
        self._is_short = False
        self._reason = "no connection yet"
        self._came_up_at = -inf
        self._failures = 0  # in a row
        self._relapses = 0  # in a row, of trials that promised more than came
        self._try_at = -inf
        self._backoff = Backoff(self._random, first=FIRST_PAUSE_SECONDS)
        self._idle: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()  # for moments: between connecting and closing
        self._connecting = Connecting()

    def renew(self) -> None:
        """In a forked child: let go of the parent's connections, which must not notice."""
        for connection in list(self._open):
            connection.sock.close()  # no shutdown, which would end the parent's side
        self._connecting.disown()
        is_closed = self._is_closed
        self.begin()
        self._is_closed = is_closed

    def close(self) -> None:
        """End all connections, those in use and in the making as well. May be called twice."""
        with self._lock:
            self._is_closed = True
            self.is_up = False
            in_use = set(self._open)
        self._connecting.end()
        self._drop_idle()
        for connection in in_use & self._open:  # whoever uses it closes it
            with contextlib.suppress(OSError):
                shut_down(connection.sock)

    # Any thread -----------------------------------------------------------------------------------------------------

    def ask(self, commands: Sequence[Command], seconds: float | None = None) -> list[Reply]:
        """The replies to some commands, sent at once. Waits for ``seconds`` in all, by default for the time-out.

        Raises ``RedisAway``, and ``OversizedReply``, which is not Redis's fault.
        """
        if not self.is_up:
            raise RedisAway(self._reason)
        replies = self._exchange(commands, self._timeout_seconds if seconds is None else seconds)
        self._relapses = 0
        return replies

    def _exchange(self, commands: Sequence[Command], seconds: float) -> list[Reply]:
        deadline = time.monotonic() + seconds
        request = pack(commands)
        while True:
            connection = self._take(deadline)
            try:
                replies = connection.exchange(request, len(commands), deadline)
            except StaleSocket:  # closed while it was idle: the next one may work
                self.unbroken_since = self._clock.monotonic()
                self._drop(connection)
                continue
            except OversizedReply:
                self._drop(connection)
                self._is_short = True
                self._need()
                raise
            except (OSError, ValueError) as error:
                self._drop(connection)
                raise self._failed(reason_of(error, seconds)) from None
            except BaseException:  # interrupted in the middle of it: whose answer came next, nobody knew
                self._drop(connection)
                raise
            self._give_back(connection)
            refusal = next((reply for reply in replies if isinstance(reply, Refusal) and reply in REFUSALS), None)
            if refusal is not None:
                raise self._suspect(f"it answers {refusal}")
            self._failures = 0
            return replies

    def _take(self, deadline: float) -> _Connection:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        if not self._open:
            raise self._suspect("the connection was lost")
        self._is_short = True
        self._need()
        with contextlib.suppress(queue.Empty):
            return self._idle.get(timeout=max(0.0, deadline - time.monotonic()))
        raise RedisAway("all connections are in use")

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.put(connection)
                return
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._open.discard(connection)
        connection.sock.close()

    def _drop_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._drop(self._idle.get_nowait())

    def _failed(self, reason: str) -> RedisAway:
        """An answer did not come, or was none."""
        self._failures += 1
        if self._failures >= TRIALS or not self._open:
            return self._suspect(reason)
        self._need()
        return RedisAway(reason)

    def _suspect(self, reason: str) -> RedisAway:
        """Leave Redis alone until it was tried."""
        with self._lock:
            was_up, self.is_up = self.is_up, False
            self._reason = reason
        if was_up:
            self._relapses += 1
            if self._relapses > 1:  # nothing was answered since it was tried
                self._wait()
            if self._relapses > TRIALS:
                self._goes_away()
        self._need()
        return RedisAway(reason)

    # The background thread ------------------------------------------------------------------------------------------

    def mend(self) -> bool:
        """Try whether Redis answers in time; whether it does. May take seconds."""
        for _ in range(TRIALS):
            if not self._open and not self._connect():
                break
            try:
                self._exchange(self._trial, self._timeout_seconds)
            except (RedisAway, OversizedReply):
                self._drop_idle()  # they are of the same kind, or older
                continue
            return self._comes_up()
        self._wait()
        self._goes_away()
        return False

    def seconds_to_try(self) -> float:
        """How long to wait before the next ``mend``: longer each time in a row, other processes for another time."""
        return max(0.0, self._try_at - time.monotonic())

    def seconds_to_tend(self) -> float:
        """How long to wait before the next ``tend``, if nothing is needed until then."""
        if not self.is_up:
            return self.seconds_to_try()
        return TEND_SECONDS if self._is_steady() else STEADY_SECONDS

    def tend(self) -> None:
        """Connect once more if that was missed, and use what was idle for long: others close idle connections.

        Says that Redis is back once it has been up for a second.
        """
        self._settle()
        if self._is_short and self.is_up:
            self._is_short = False
            if len(self._open) < MOST_CONNECTIONS:
                self._connect()
        if self.is_up and len(self._open) < FEWEST_CONNECTIONS:
            self._connect()
        for _ in range(self._idle.qsize()):
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return
            now = time.monotonic()
            if now - connection.used_at >= FRESH_SECONDS:
                try:
                    connection.exchange(pack([(b"PING",)]), 1, now + CONNECT_SECONDS)
                except (OSError, ValueError):
                    self._drop(connection)
                    continue
            self._give_back(connection)
        if not self._open:
            self._suspect("the connection was lost")

    def _connect(self) -> bool:
        made = self._connecting.connect(self._url)
        if isinstance(made, str):
            self._reason = made
            return False
        if made.run_id != self._run_id:
            self._run_id = made.run_id
            self.unbroken_since = self._clock.monotonic()
        connection = _Connection(made.sock)
        self._open.add(connection)
        self._give_back(connection)
        return connection in self._open

    def _comes_up(self) -> bool:
        if len(self._open) < FEWEST_CONNECTIONS:
            self._connect()
        with self._lock:
            if self._is_closed:
                return False
            self.unbroken_since = self._clock.monotonic()
            self._came_up_at = time.monotonic()
            self._failures = 0
            self.is_up = True
        return True

    def _settle(self) -> None:
        if self.is_up and self._is_steady():
            self._backoff.succeeded()
            if self._has_warned:
                self._has_warned = False
                _log.info("Redis is back: visitors are shared again")

    def _is_steady(self) -> bool:
        return time.monotonic() - self._came_up_at >= STEADY_SECONDS

    def _wait(self) -> None:
        self._backoff.failed(most=LONGEST_PAUSE_SECONDS)
        self._try_at = time.monotonic() + self._backoff.wait_seconds()

    def _goes_away(self) -> None:
        self.is_up = False
        if not self._has_warned and not self._is_closed:
            self._has_warned = True
            _log.warning("Redis is away: %s; until it is back each process knows its own visitors", self._reason)
