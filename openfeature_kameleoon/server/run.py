"""Runs the application by uvicorn, on a thread of its own: for the command, the demo and tests alike."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

import uvicorn

from .app import Serving
from .guard import MOST_HEADER_BYTES, is_loopback
from .impatience import ImpatientProtocol

__all__ = ["LocalServer"]

T = TypeVar("T")

CALL_SECONDS = 10.0

GRACE_SECONDS = 2
"""How long answers under way may take when the server ends."""


class LocalServer:
    """A server that runs from ``start`` to ``stop``, or inside ``with``. Port 0 takes a free one; ``url`` tells it."""

    def __init__(self, serving: Serving, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.serving = serving
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    @property
    def page(self) -> str:
        """The address of the page, with the token where no server sees it: behind the ``#``."""
        return f"{self.url}/#token={self.serving.token}"

    def start(self) -> None:
        """Bind and begin to serve; returns once it does. Raises ``OSError`` if the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.create_server((self._host, self._port), family=family, backlog=2048)
        # Connections have it from the socket that listens: asyncio sets it only where socket.proto says TCP, which
        # create_server leaves open, and without it a kept connection waits 40 ms for each answer's second packet.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host if is_loopback(self._host) else '127.0.0.1'}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            self.serving.app,
            http=ImpatientProtocol,
            ws="none",  # otherwise it imports whatever package of WebSockets there is, and what that warns of
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = server = _Server(config)
        self._thread = threading.Thread(target=server.run_on, args=(listening,), name="kameleoon-server", daemon=True)
        self._thread.start()
        server.settled.wait()

    def stop(self) -> None:
        """End, and wait for it: answers under way are given a moment. May be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self.serving.drain()
            self._thread.join(GRACE_SECONDS + 1.0)
            self.serving.close()
            self._server = self._thread = None

    def call(self, function: Callable[[], T]) -> T:
        """Call it on the event loop of the server, which must run, and give what it gave."""

        async def called() -> T:
            return function()

        assert self._server is not None
        return asyncio.run_coroutine_threadsafe(called(), self._server.loop).result(CALL_SECONDS)

    def __enter__(self) -> LocalServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """One that tells when it has begun, or cannot: told to end before that, it would leave its socket open."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    def run_on(self, listening: socket.socket) -> None:
        """Serve until told to end."""
        try:
            self.run([listening])
        finally:
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; whoever is connected still, as one that came in the middle of it, is hung up on."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # for the event loop to do so
