"""Middleware for ASGI applications: with Starlette and FastAPI, ``app.add_middleware(KameleoonASGIMiddleware, ...)``.

Requests and WebSockets, in the task that handles them. It needs no framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..client import KameleoonClient
from ..cookies import SetCookie
from ..provider import KameleoonProvider
from .exchange import Exchange
from .visits import Options, Visit, Visits

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsgiExchange", "KameleoonASGIMiddleware", "delivering"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

RESPONSE_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""Messages that carry the response's headers."""

LIFE_ENDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
"""Messages after which the server is free to end."""


class AsgiExchange(Exchange):
    """A request as ASGI shows it; ``response_headers`` is the list that its response begins with."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method = scope.get("method", "")  # a WebSocket has none, and is no page
        self.response_headers: list[tuple[bytes, bytes]] = []
        self._headers = _joined(scope["headers"])

    def read_cookies(self) -> str:
        """The ``Cookie`` header."""
        return self.header("cookie")

    def write_cookies(self, cookie: SetCookie) -> None:
        """Add a header to the response's, unless the application sets this cookie itself."""
        start = f"{cookie.name}=".encode()
        for name, value in self.response_headers:
            if value.startswith(start) and name.lower() == b"set-cookie":
                return
        self.response_headers.append((b"set-cookie", str(cookie).encode("ascii")))

    def header(self, name: str) -> str:
        """The value of a header."""
        return self._headers.get(name.encode("latin-1"), b"").decode("latin-1")

    @property
    def url(self) -> str:
        """The URL, put together from its parts."""
        scope = self.scope
        host = self.header("host") or "{}:{}".format(*(scope.get("server") or ("localhost", 80)))
        path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
        query = f"?{self.query}" if self.query else ""
        return f"{scope.get('scheme', 'http')}://{host}{path.decode('latin-1')}{query}"

    @property
    def query(self) -> str:
        """The query string."""
        return bytes(self.scope.get("query_string", b"")).decode("latin-1")

    @property
    def is_secure(self) -> bool:
        """By the URL's scheme; the server in front has to be believed to tell it."""
        return self.scope.get("scheme") in ("https", "wss")

    @property
    def cache_control(self) -> str:
        """The response's header."""
        return ",".join(
            value.decode("latin-1") for name, value in self.response_headers if name.lower() == b"cache-control"
        )


def _joined(given: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; those that came several times are joined, ``Cookie`` in its own way, as HTTP/2 has it."""
    given = list(given)
    headers = dict(given)
    if len(headers) < len(given):
        for name in headers:
            values = [value for key, value in given if key == name]
            headers[name] = (b"; " if name == b"cookie" else b", ").join(values)
    return headers


class KameleoonASGIMiddleware:
    """Gives each request its visitor, for all OpenFeature calls in it, and keeps the visitor's code in a cookie.

    ``client`` is a client or provider of the site; ``options`` are those of ``Visits``.
    """

    def __init__(
        self, app: Application, client: KameleoonClient | KameleoonProvider, **options: Unpack[Options]
    ) -> None:
        self.app = app
        self._visits = Visits(client, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; before the server ends, deliver what waits."""
        if scope["type"] in ("http", "websocket"):
            exchange = AsgiExchange(scope)
            visit = self._visits.begin(exchange)
            with visit:
                await self.app(scope, receive, _with_cookie(send, exchange, visit))
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, delivering(send, self._visits.client))
        else:
            await self.app(scope, receive, send)


def _with_cookie(send: Send, exchange: AsgiExchange, visit: Visit) -> Send:
    async def send_with_cookie(message: Message) -> None:
        if message["type"] in RESPONSE_STARTS:
            exchange.response_headers = list(message.get("headers") or ())
            visit.write_cookies(exchange)
            message["headers"] = exchange.response_headers
        await send(message)

    return send_with_cookie


def delivering(send: Send, client: KameleoonClient) -> Send:
    """A ``send`` for the life of a server, before whose end what waits is delivered, beside the event loop.

    A server that was asked to end by a signal may not let Python's own exit handlers run: uvicorn does not.
    """

    async def send_after_delivery(message: Message) -> None:
        if message["type"] in LIFE_ENDS:
            await asyncio.to_thread(client.drain)
        await send(message)

    return send_after_delivery
