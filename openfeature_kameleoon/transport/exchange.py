"""Exchanges that are under way: when each has to be over, what it waits for, and how any thread ends them.

Knows sockets and nothing of HTTP. One thread runs an exchange; any may abort it. Sockets live in real time, so the
machine's clock is read here and not an injected one.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["CURRENT", "Exchange", "Exchanges"]


class Exchange:
    """One request and its answer: when it has to be over, and the sockets it waits for."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        """When all of it has to be over, by ``time.monotonic``."""
        self.patience = math.inf
        """Seconds that a single read or write may take."""
        self.is_aborted = False
        # Guards sockets against being closed, and their numbers taken by others, while they are shut down. Reentrant:
        # a garbage collection may close a socket just then.
        self._lock = threading.RLock()
        self._is_over = False
        self._connecting: socket.socket | None = None
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()

    def seconds_left(self) -> float | None:
        """Seconds the next step may take, as ``settimeout`` takes them; raises ``OSError`` when it may not be."""
        self.check()
        left = min(self.deadline - time.monotonic(), self.patience)
        if left == math.inf:
            return None
        if left <= 0:
            raise TimeoutError("the time for the whole exchange is over")
        return left

    def check(self) -> None:
        """Raise ``ConnectionAbortedError`` if it was aborted."""
        if self.is_aborted:
            raise ConnectionAbortedError("the exchange was ended")

    def abort(self) -> None:
        """End it: what blocks on one of its sockets returns, and nothing more is read or written.

        A socket that was shut down looks as if its server had said all: ``is_aborted`` tells.
        """
        with self._lock:
            self.is_aborted = True
            for sock in (self._connecting, *self._sockets):
                if sock is not None:
                    with contextlib.suppress(OSError):  # not connected yet, or no longer
                        # The plain method: that of a TLS socket would make its reader read on without TLS.
                        socket.socket.shutdown(_innermost(sock), socket.SHUT_RDWR)

    def connects(self, sock: socket.socket) -> None:
        """Have this new socket shut down by ``abort``, instead of the one tried before, until ``watch``.

        Under another number: TLS takes the socket out of its object for the time of the handshake.
        """
        with self._lock:
            self.let_go()
            self._connecting = sock.dup()

    def let_go(self) -> None:
        """Forget the socket that was to be connected."""
        with self._lock:
            if self._connecting is not None:
                self._connecting.close()
                self._connecting = None

    def watch(self, sock: Any) -> None:
        """Have this socket shut down by ``abort``."""
        with self._lock:
            self._sockets.add(sock)

    def unwatch(self, sock: Any) -> None:
        """Leave it alone: another exchange uses it now."""
        with self._lock:
            self._sockets.discard(sock)

    def closing(self) -> AbstractContextManager[object]:
        """What to hold while one of its sockets is closed."""
        return contextlib.nullcontext() if self._is_over else self._lock

    def end(self) -> None:
        """It is over, and cannot be aborted any more."""
        with self._lock:
            self._is_over = True
            self.let_go()
            self._sockets.clear()

    def disown(self) -> None:
        """In a forked child: the sockets are the parent's, and so is the thread that may hold the lock.

        The child's handles are closed, which the parent does not feel, by number: buffers over them may be locked.
        """
        self._lock = threading.RLock()
        self.is_aborted = True
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):  # closed by then
                os.close(socket.socket.detach(_innermost(sock)))
        self.end()


CURRENT: ContextVar[Exchange | None] = ContextVar("kameleoon_http_exchange", default=None)
"""The exchange of this thread, for the connections it will use: urllib3 offers no argument that reaches so far."""


class Exchanges:
    """The exchanges that are under way on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: weakref.WeakSet[Exchange] = weakref.WeakSet()

    @contextlib.contextmanager
    def begun(self, exchange: Exchange) -> Iterator[None]:
        """Count it among those under way, and let it pass to the connections that this thread uses inside."""
        with self._lock:
            self._under_way.add(exchange)
        token = CURRENT.set(exchange)
        try:
            yield
        finally:
            CURRENT.reset(token)

    def ended(self, exchange: Exchange) -> None:
        """It is under way no longer."""
        exchange.end()
        with self._lock:
            self._under_way.discard(exchange)

    def abort(self) -> None:
        """End all that are under way; what begins later is not touched."""
        with self._lock:
            under_way = list(self._under_way)
        for exchange in under_way:
            exchange.abort()

    def renew(self) -> None:
        """In a forked child: none is under way, and none of the parent's sockets is touched."""
        self._lock = threading.Lock()
        for exchange in list(self._under_way):
            exchange.disown()
        self._under_way = weakref.WeakSet()


def _innermost(sock: Any) -> socket.socket:
    while not isinstance(sock, socket.socket):
        sock = sock.socket  # TLS within the TLS to a proxy
    return sock
