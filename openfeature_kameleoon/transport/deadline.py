"""A requests adapter that keeps one deadline over a whole exchange: connect, TLS, headers and body.

Time-outs of requests are per socket read, so a server that drips a byte at a time holds a caller for ever.
Here each read and write is given only what is left: no watchdog thread is needed, hence none can leak.
Runs on the thread that makes the request. Not covered: name resolution, which Python cannot interrupt.
"""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from requests import PreparedRequest, Response
    from urllib3 import PoolManager, ProxyManager

__all__ = ["DeadlineAdapter"]

WRITE_BYTES = 65536

# From the adapter to the connection it will use: urllib3 offers no argument that reaches so far.
_deadline: ContextVar[float] = ContextVar("kameleoon_http_deadline", default=math.inf)


def _left(deadline: float) -> float | None:
    """Seconds until ``deadline``, as ``settimeout`` takes them; raises ``TimeoutError`` when it has passed.

    Sockets live in real time, so the machine's clock is read here and not an injected one.
    """
    if deadline == math.inf:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole exchange is over")
    return left


class _DeadlineSocket:
    """A connected socket, plain or TLS, none of whose reads and writes outlasts ``deadline``."""

    def __init__(self, sock: socket.socket) -> None:
        self.plain = sock
        self.deadline = _deadline.get()

    def __getattr__(self, name: str) -> Any:  # the rest is the socket's own business
        return getattr(self.plain, name)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What http.client reads answers from."""
        return io.BufferedReader(_DeadlineReader(self))

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), WRITE_BYTES):
            self.plain.settimeout(_left(self.deadline))
            self.plain.sendall(view[start : start + WRITE_BYTES], flags)


class _DeadlineReader(io.RawIOBase):
    """The reading side; a response keeps it, and so the socket, open after the connection let go of both."""

    def __init__(self, sock: _DeadlineSocket) -> None:
        self._sock = sock
        self._stream = cast("io.RawIOBase", sock.plain.makefile("rb", buffering=0))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.plain.settimeout(_left(self._sock.deadline))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Deadlined(HTTPConnection):
    """What both kinds of connection do about the deadline."""

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, all of them within the deadline.

        urllib3 gives each address the whole time-out: a firewall that drops packets for a name with eight
        addresses would hold the caller eight times as long.
        """
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
                sock.settimeout(_left(_deadline.get()))
                sock.connect(address)
                return sock
            except OSError as error:
                refusal = error
                if sock is not None:
                    sock.close()
        if isinstance(refusal, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from refusal
        raise NewConnectionError(self, f"no connection: {refusal}") from refusal

    def connect(self) -> None:
        super().connect()
        self.sock = cast("socket.socket", _DeadlineSocket(self.sock))

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # one that was kept alive since an earlier request
            cast("_DeadlineSocket", self.sock).deadline = _deadline.get()
        super().request(*args, **kwargs)


class _HTTPSConnection(_Deadlined, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _Deadlined


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """Reads ``timeout=seconds`` as the total for one exchange. Mount it on your own session for the same.

    A pair or ``None`` as the time-out keeps the meaning requests gives it. Through a SOCKS proxy, and until
    an HTTP proxy has opened its tunnel, the time-out is per read as usual.
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
        """Send one request; the deadline starts here and holds until the body has been read."""
        total = time.monotonic() + timeout if isinstance(timeout, (int, float)) else math.inf
        token = _deadline.set(total)
        try:
            return super().send(request, stream, timeout, verify, cert, proxies)
        finally:
            _deadline.reset(token)
