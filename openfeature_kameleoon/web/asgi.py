"""Middleware for ASGI applications: with Starlette and FastAPI, ``app.add_middleware(KameleoonASGIMiddleware, ...)``.

Requests and WebSockets, in the task that handles them. It needs no framework.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import Morsel
from typing import Any
from urllib.parse import quote

from ..client import KameleoonClient
from ..provider import KameleoonProvider
from .exchange import Exchange
from .visits import Visits

__all__ = ["AsgiExchange", "KameleoonASGIMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

RESPONSE_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""Messages that carry the response's headers."""


class AsgiExchange(Exchange):
    """A request as ASGI shows it; ``response_headers`` is the list that its response begins with."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method = scope.get("method", "")  # a WebSocket has none, and is no page
        self.response_headers: list[tuple[bytes, bytes]] = []

    def read_cookies(self) -> str:
        """The ``Cookie`` headers, of which HTTP/2 allows several."""
        return "; ".join(self._all(b"cookie"))

    def write_cookies(self, cookie: Morsel[str]) -> None:
        """Add a header to the response's, unless the application sets this cookie itself."""
        start = f"{cookie.key}=".encode()
        if not any(value.startswith(start) and name.lower() == b"set-cookie" for name, value in self.response_headers):
            self.response_headers.append((b"set-cookie", cookie.OutputString().encode("ascii")))

    def header(self, name: str) -> str:
        """The value of a header."""
        return ", ".join(self._all(name.encode("latin-1")))

    def _all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self.scope["headers"] if key == name]

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


class KameleoonASGIMiddleware:
    """Gives each request its visitor, for all OpenFeature calls in it, and keeps the visitor's code in a cookie.

    ``client`` is a client or provider of the site; ``options`` are those of ``Visits``.
    """

    def __init__(self, app: Application, /, client: KameleoonClient | KameleoonProvider, **options: Any) -> None:
        self.app = app
        self._visits = Visits(client, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is none, as the life of the server, is passed on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        exchange = AsgiExchange(scope)
        visit = self._visits.begin(exchange)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] in RESPONSE_STARTS:
                exchange.response_headers = list(message.get("headers") or ())
                visit.write_cookies()
                message["headers"] = exchange.response_headers
            await send(message)

        with visit:
            await self.app(scope, receive, send_with_cookie)
