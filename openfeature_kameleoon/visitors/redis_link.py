"""Connections to one Redis, by redis-py: kept ready, waited for no longer than asked, left alone while it is away.

Any thread asks, over a connection that is there. Connecting takes as long as names and handshakes take, so that only
``mend`` and ``tend`` connect, which one background thread calls.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import time
from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

from ..clock import Clock
from ..errors import ConfigSettingInvalid
from ..settings import Secret
from ..transport.retry import Backoff

__all__ = ["Command", "RedisAway", "RedisLink"]

_log = logging.getLogger(__name__)

Command = tuple[bytes, ...]

PING: Command = (b"PING",)

CONNECTIONS = 4
"""That are kept ready; one more each time somebody waits for one in vain."""

MOST_CONNECTIONS = 16
CONNECT_SECONDS = 1.0
"""What each step of connecting may take, and a ping."""

LEAST_SECONDS = 0.0001
"""A reply is looked for at least so long: it may have come while other threads kept this one from running."""

TRIALS = 3
"""One slow answer is no outage, as this machine may be busy itself; so many in a row are."""

STEADY_SECONDS = 1.0
"""Redis is back once it has been up for so long."""

PING_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 3.0

OPTIONS = {
    "protocol": 2,
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout"), CONNECT_SECONDS),
    **dict.fromkeys(("health_check_interval", "decode_responses", "retry_on_timeout"), 0),
    "retry_on_error": (),
}
"""What a URL cannot change."""

REASONS = {
    "SSLError": "TLS failed",
    "gaierror": "its name does not resolve",
    "ConnectionRefusedError": "connection refused",
    "AuthenticationError": "it refuses the password",
    "BusyLoadingError": "it is still loading",
    "NoPermissionError": "it does not let this user do what is needed",
    "OutOfMemoryError": "it is out of memory",
    "ReadOnlyError": "it is read-only",
    "ResponseError": "it refuses commands",
    "TimeoutError": "no answer in time",
    "ConnectionError": "there is no connection",
}
"""What is said of an exception, redis-py's or Python's, by the first class that fits: its text may hold secrets."""


class RedisAway(Exception):
    """Redis was not asked, or did not answer; the message is safe to log."""


class RedisLink:
    """One Redis, by URL. ``is_up`` says whether to ask it.

    ``connected_at``, monotonic by ``clock``, is when it was last connected to: what was read before may be gone, as a
    server that begins anew has nothing. ``need()`` is called when there is something to mend or tend; ``what``
    is shared. Raises ``ConfigSettingInvalid`` for a URL that redis-py does not take, and without redis-py.
    """

    def __init__(
        self, url: Secret, *, need: Callable[[], object], clock: Clock, random: Random, what: str = "visitors"
    ) -> None:
        self._url, self._need, self._clock, self._random, self._what = url, need, clock, random, what
        problem = ""
        try:
            # Imported here: it takes a tenth of a second, belongs to an extra, and only who shares visitors needs it.
            from redis import connection, exceptions  # noqa: PLC0415

            self._redis: Any = connection
            self._refusal = exceptions.ResponseError
            self._connection()
        except ImportError:
            problem = "redis_url needs the package redis: pip install 'openfeature-kameleoon[redis]'"
        except Exception as error:  # other people's code, whatever it raises: it is the URL, which is not quoted
            problem = f"redis_url is no URL that redis-py takes ({type(error).__name__}); see its from_url"
        if problem:
            raise ConfigSettingInvalid(problem, setting="redis_url")
        self.begin()

    def begin(self) -> None:
        """Start anew without any connection, after ``close`` too."""
        self.is_up = self._is_closed = self._has_warned = False
        self.connected_at = self._up_at = self._try_at = self._fill_at = self._ping_at = -inf
        self._reason = "no connection yet"
        self._failures = 0  # in a row
        self._wanted = CONNECTIONS
        self._backoff = Backoff(self._random, first=0.1)
        self._idle: queue.Queue[Any] = queue.Queue()  # SimpleQueue may wait for longer than its time-out
        self._open: set[Any] = set()

    def renew(self) -> None:
        """In a forked child: let go of the parent's connections, which redis-py closes there without ending them."""
        is_closed, inherited = self._is_closed, list(self._open)
        self.begin()
        self._is_closed = is_closed
        for connection in inherited:
            connection.disconnect()

    def close(self) -> None:
        """End all connections, those in use and in the making as well. May be called twice."""
        self._is_closed = True
        self.is_up = False
        self._drop_idle()
        for connection in list(self._open):  # whoever uses it closes it
            with contextlib.suppress(OSError, TypeError):  # it has no socket yet, or none any more
                # The plain method: that of a TLS socket makes it read on without TLS.
                socket.socket.shutdown(connection._sock, socket.SHUT_RDWR)

    # Any thread -----------------------------------------------------------------------------------------------------

    def ask(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """The replies to some commands, sent at once; ``None`` where one is refused for its key's sake alone.

        Waits for ``seconds`` in all, a little longer for a reply that comes in pieces. Raises ``RedisAway``.
        """
        if not self.is_up:
            raise RedisAway(self._reason)
        deadline = time.monotonic() + seconds
        connection = self._take(deadline)
        replies = None
        try:
            replies = self._exchange(connection, commands, deadline)
        except Exception as error:  # other people's code, whatever it raises: there is no answer
            self._failures += 1
            reason = self._reason = _reason_of(error)
            if self._failures >= TRIALS or isinstance(error, self._refusal):  # which would only be repeated
                self.is_up = False
        finally:  # after an interrupt nobody knew whose answer came next
            (self._drop if replies is None else self._give_back)(connection)
        if replies is None:
            self._need()
            raise RedisAway(reason)
        self._failures = 0
        return replies

    def _take(self, deadline: float) -> Any:
        while self._open:
            try:
                connection = self._idle.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self._wanted = min(len(self._open) + 1, MOST_CONNECTIONS)
                self._need()
                raise RedisAway("all connections are in use") from None
            with contextlib.suppress(Exception):  # it was closed while it was idle
                if not connection.can_read(0):  # what came unasked would be taken for the answer
                    return connection
            self._reason = "the connection was lost"
            self._drop(connection)
        self.is_up = False
        self._need()
        raise RedisAway(self._reason)

    def _exchange(self, connection: Any, commands: Sequence[Command], deadline: float) -> list[Any]:
        connection._sock.settimeout(max(LEAST_SECONDS, deadline - time.monotonic()))
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [self._reply(connection, deadline) for _ in commands]

    def _reply(self, connection: Any, deadline: float) -> Any:
        connection._sock.settimeout(max(LEAST_SECONDS, deadline - time.monotonic()))
        try:
            return connection.read_response()
        except self._refusal as error:
            # Those about this Redis as a whole are classes of their own, or begin with their code: MISCONF, NOREPLICAS.
            word = str(error).partition(" ")[0]
            if type(error) is not self._refusal or (word.isupper() and word != "WRONGTYPE"):
                raise
            return None

    def _give_back(self, connection: Any) -> None:
        self._idle.put(connection)
        if self._is_closed:
            self._drop_idle()

    def _drop(self, connection: Any) -> None:
        self._open.discard(connection)
        connection.disconnect()

    def _drop_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._drop(self._idle.get_nowait())

    # The background thread ------------------------------------------------------------------------------------------

    def pause_seconds(self) -> float:
        """How long until the next ``mend`` or ``tend``: longer after each failure, other processes for another time."""
        return STEADY_SECONDS if self.is_up else max(0.0, self._try_at - time.monotonic())

    def mend(self) -> bool:
        """Get to Redis over a new connection; whether that worked. May take seconds."""
        self._drop_idle()
        is_up = self._connect()
        self._backoff.failed(most=LONGEST_PAUSE_SECONDS)  # unless it stays up for a while
        self._up_at = time.monotonic()
        self._try_at = self._up_at + self._backoff.wait_seconds()
        self._failures = 0
        self.is_up = is_up
        if self._is_closed:
            self.is_up = False
        elif not self._has_warned and (not is_up or self._backoff.failures > TRIALS):
            self._has_warned = True
            _log.warning("Redis is away: %s; until it is back each process knows its own %s", self._reason, self._what)
        return self.is_up

    def tend(self) -> None:
        """Keep connections ready: others close idle ones, and lost ones are replaced. Says when Redis is back."""
        now = time.monotonic()
        if self.is_up and now - self._up_at >= STEADY_SECONDS:
            self._backoff.succeeded()
            if self._has_warned:
                self._has_warned = False
                _log.info("Redis is back: %s are shared again", self._what)
        if self.is_up and now - self._ping_at >= PING_SECONDS:
            self._ping_at = now
            for _ in range(self._idle.qsize()):
                with contextlib.suppress(RedisAway):
                    self.ask([PING], CONNECT_SECONDS)
        while self.is_up and now >= self._fill_at and len(self._open) < self._wanted:
            if not self._connect():
                self._fill_at = time.monotonic() + LONGEST_PAUSE_SECONDS
                self.is_up = self.is_up and bool(self._open)
                break

    def _connect(self) -> bool:
        connection = self._connection()
        self._open.add(connection)
        try:
            connection.connect()
            self._exchange(connection, [PING], time.monotonic() + CONNECT_SECONDS)
        except Exception as error:  # other people's code, whatever it raises: there is no connection
            self._reason = _reason_of(error)
            self._drop(connection)
            return False
        self.connected_at = self._clock.monotonic()
        self._give_back(connection)
        return True

    def _connection(self) -> Any:
        """One that is not connected yet."""
        options = {**self._redis.parse_url(self._url.reveal()), **OPTIONS}
        for of_pools in ("max_connections", "timeout"):
            options.pop(of_pools, None)
        return options.pop("connection_class", self._redis.Connection)(**options)


def _reason_of(error: BaseException) -> str:
    names: set[str] = set()
    cause: BaseException | None = error
    while cause is not None:
        names.update(kind.__name__ for kind in type(cause).__mro__)
        cause = cause.__cause__ or cause.__context__
    return next((reason for name, reason in REASONS.items() if name in names), "it does not speak Redis's protocol")
