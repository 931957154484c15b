"""A requests adapter that keeps one deadline over a whole exchange, and ends one that any thread wants ended.

Time-outs of requests are per socket read, so a server that drips a byte at a time holds a caller for ever.
Here each read and write is given only what is left: no watchdog thread is needed, hence none can leak.
Runs on the thread that makes the request. Not covered: name resolution, which Python cannot interrupt.
"""

from __future__ import annotations

import errno
import http.client
import io
import math
import os
import queue
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.wait import wait_for_write

from .exchange import CURRENT, Exchange

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from requests import PreparedRequest, Response
    from urllib3 import HTTPResponse, PoolManager, ProxyManager

__all__ = ["DeadlineAdapter"]

WRITE_BYTES = 65536
CONNECTING = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)})


def _connect(sock: socket.socket, address: Any, exchange: Exchange) -> None:
    """Connect as ``sock.connect`` does, except that ``abort`` ends it whenever it comes."""
    sock.setblocking(False)
    problem = sock.connect_ex(address)
    if problem in CONNECTING:
        # Only now is it asked whether to go on: a socket on its way can be shut down, one before it cannot.
        if not wait_for_write(sock, exchange.seconds_left()):
            raise TimeoutError("no connection in time")
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    exchange.check()
    if problem:
        raise OSError(problem, os.strerror(problem))


def _exchange() -> Exchange:
    return CURRENT.get() or Exchange(math.inf)


class _DeadlineSocket:
    """A connected socket, plain or TLS, none of whose reads and writes outlasts its exchange."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self.plain = sock
        self.exchange = exchange
        self.has_ended = False
        """Whether the server has said all it will ever say."""
        exchange.watch(sock)

    def __getattr__(self, name: str) -> Any:  # the rest is the socket's own business
        return getattr(self.plain, name)

    def passes_to(self, exchange: Exchange) -> None:
        """Serve another exchange from now on."""
        self.exchange.unwatch(self.plain)
        self.exchange = exchange
        exchange.watch(self.plain)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What http.client reads answers from."""
        return io.BufferedReader(_DeadlineReader(self))

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), WRITE_BYTES):
            self.plain.settimeout(self.exchange.seconds_left())
            self.plain.sendall(view[start : start + WRITE_BYTES], flags)

    def close(self) -> None:
        with self.exchange.closing():
            self.plain.close()


class _DeadlineReader(io.RawIOBase):
    """The reading side; a response keeps it, and so the socket, open after the connection let go of both."""

    def __init__(self, sock: _DeadlineSocket) -> None:
        self._sock = sock
        self._stream = cast("io.RawIOBase", sock.plain.makefile("rb", buffering=0))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        exchange = self._sock.exchange
        self._sock.plain.settimeout(exchange.seconds_left())
        count = self._stream.readinto(buffer)
        exchange.check()  # a socket that was shut down looks as if all had come, even a proxy's consent
        if count == 0:
            self._sock.has_ended = True
        return count

    def close(self) -> None:
        with self._sock.exchange.closing():
            self._stream.close()
        super().close()


class _Target(str):
    """What is asked of a server. Shown without its query, which may hold a visitor code: urllib3 logs targets."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.partition("?")[0]

    def __repr__(self) -> str:
        return str.__repr__(str(self))


class _Deadlined(HTTPConnection):
    """What both kinds of connection do about the deadline."""

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, all of them within the deadline.

        urllib3 gives each address the whole time-out: a firewall that drops packets for a name with eight
        addresses would hold the caller eight times as long.
        """
        exchange = _exchange()
        try:
            found = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, cast("socket.gaierror", error)) from error
        refusal: Exception = OSError("no address")
        for family, kind, protocol, _, address in found:
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                exchange.connects(sock)
                _connect(sock, address, exchange)
                sock.settimeout(exchange.seconds_left())  # what the TLS handshake may take
                return sock
            except OSError as error:
                refusal = error
                if sock is not None:
                    sock.close()
        if isinstance(refusal, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from refusal
        raise NewConnectionError(self, f"no connection: {refusal}") from refusal

    def _tunnel(self) -> None:
        """Ask a proxy for a tunnel, within the deadline too."""
        plain = self.sock
        self.sock = cast("socket.socket", _DeadlineSocket(plain, _exchange()))
        try:
            super()._tunnel()
        finally:
            if self.sock is not None:
                self.sock = plain

    def connect(self) -> None:
        exchange = _exchange()
        try:
            super().connect()
            self.sock = cast("socket.socket", _DeadlineSocket(self.sock, exchange))
        finally:
            exchange.let_go()

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # one that was kept alive since an earlier request
            cast("_DeadlineSocket", self.sock).passes_to(_exchange())
        super().request(method, str.__str__(url), *args, **kwargs)
        if self._response_options is not None and isinstance(url, _Target):  # it warns of bad headers, by the target
            self._response_options = self._response_options._replace(request_url=str(url))

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's is not http.client's either
        """Read an answer's headers, and refuse such as were cut: http.client takes the end for theirs.

        Of "200 OK" and nothing more it would make an empty answer, and whoever asked would think that all went well.
        """
        sock = cast("_DeadlineSocket", self.sock)
        response = super().getresponse()
        if sock.has_ended:
            response.close()
            raise http.client.IncompleteRead(b"")
        return response


class _HTTPSConnection(_Deadlined, HTTPSConnection):
    pass


class _Pooled(HTTPConnectionPool):
    """What both kinds of pool do differently from urllib3's."""

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super()._make_request(conn, method, _Target(url), *args, **kwargs)

    def _put_conn(self, conn: Any) -> None:
        """Keep a connection, or close one too many: nothing to warn of, as urllib3 does."""
        try:
            if self.pool is not None:
                self.pool.put(conn, block=False)
                return
        except (queue.Full, AttributeError):  # no pool any more: another thread closed it
            pass
        if conn:
            conn.close()


class _HTTPPool(_Pooled):
    ConnectionCls = _Deadlined


class _HTTPSPool(_Pooled, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """Reads ``timeout=seconds`` as the total for one exchange. Mount it on your own session for the same.

    A pair or ``None`` as the time-out keeps the meaning requests gives it. Through a SOCKS proxy the time-out is
    per read as usual.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the pool connections that know the deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> ProxyManager | PoolManager:
        """The same for the pool behind a proxy."""
        manager = cast("PoolManager", super().proxy_manager_for(proxy, **proxy_kwargs))
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = POOLS
        return manager

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request; the deadline starts here and holds until the body has been read.

        Within an exchange that ``Http`` began, its deadline holds instead.
        """
        total = time.monotonic() + timeout if isinstance(timeout, (int, float)) else math.inf
        token = CURRENT.set(CURRENT.get() or Exchange(total))
        try:
            return super().send(request, stream, timeout, verify, cert, proxies)
        finally:
            CURRENT.reset(token)

    def close(self) -> None:
        """Close the connections that are kept, at once: left to urllib3, the garbage collector does it some time."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  # it cannot be iterated
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()
