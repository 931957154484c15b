"""Middleware for WSGI applications (PEP 3333): ``application = KameleoonWSGIMiddleware(application, provider)``.

It runs on the thread of the request. Bodies that are made while they are sent are made within the visit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote
from wsgiref.util import request_uri

from ..client import KameleoonClient
from ..cookies import SetCookie
from ..provider import KameleoonProvider
from ..visitor_codes import code_in_cookies
from .exchange import Exchange
from .visits import DefaultCode, Visit, Visits

__all__ = ["SAFE_IN_PATHS", "KameleoonWSGIMiddleware", "WsgiExchange"]

SAFE_IN_PATHS = "/;=,"
"""What is not encoded in the path of a URL (PEP 3333)."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@cache
def _key(header: str) -> str:
    """Where the environment has a header."""
    return f"HTTP_{header.upper().replace('-', '_')}"


class WsgiExchange(Exchange):
    """A request as WSGI shows it; ``response_headers`` is the list that its response begins with."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.response_headers: Headers = []

    def read_cookies(self) -> str:
        """The ``Cookie`` header."""
        return str(self.environ.get("HTTP_COOKIE", ""))

    def write_cookies(self, cookie: SetCookie) -> None:
        """Add a header to the response's, unless the application sets this cookie itself."""
        start = f"{cookie.name}="
        for name, value in self.response_headers:
            if value.startswith(start) and name.lower() == "set-cookie":
                return
        self.response_headers.append(("Set-Cookie", str(cookie)))

    def header(self, name: str) -> str:
        """The value of a header."""
        return str(self.environ.get(_key(name), ""))

    @property
    def url(self) -> str:
        """The URL, put together from its parts."""
        environ = self.environ
        host = environ.get("HTTP_HOST")
        if not host:
            return request_uri(environ)
        path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), SAFE_IN_PATHS, encoding="latin-1")
        query = self.query
        return f"{self.scheme}://{host}{path or '/'}{f'?{query}' if query else ''}"

    @property
    def scheme(self) -> str:
        """``https`` or ``http``; the server in front has to be believed to tell it."""
        return str(self.environ.get("wsgi.url_scheme", "http"))

    @property
    def query(self) -> str:
        """The query string."""
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def is_secure(self) -> bool:
        """By the scheme."""
        return self.scheme == "https"

    @property
    def cache_control(self) -> str:
        """The response's header."""
        values = [value for name, value in self.response_headers if name.lower() == "cache-control"]
        return ",".join(values) if values else ""


class KameleoonWSGIMiddleware:
    """Gives each request its visitor, for all OpenFeature calls in it, and keeps the visitor's code in a cookie.

    ``client`` is a client or provider of the site; ``options`` are those of ``Visits``. The application finds a new
    visitor's cookie in its environment, too. (specs/kameleoon-sdk.md 8.6)
    """

    def __init__(
        self,
        app: Application,
        client: KameleoonClient | KameleoonProvider,
        default_visitor_code: DefaultCode = None,
        **options: Any,
    ) -> None:
        self.app = app
        self._visits = Visits(client, default_visitor_code=default_visitor_code, **options)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        exchange = WsgiExchange(environ)
        visit = self._visits.begin(exchange)
        if code_in_cookies(exchange.cookies) != visit.visitor_code:
            new = visit.client.visitor_code_cookie(visit.visitor_code, is_secure=exchange.is_secure)
            others = environ.get("HTTP_COOKIE")
            environ["HTTP_COOKIE"] = f"{others + '; ' if others else ''}{new.name}={new.coded_value}"

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            exchange.response_headers = headers = list(headers)
            visit.write_cookies(exchange)
            return start_response(status, headers, *exc_info)

        with visit:
            body = self.app(environ, start)
        return body if _is_ready(body, environ.get("wsgi.file_wrapper")) else _Body(body, visit)


def _is_ready(body: Iterable[bytes], file_wrapper: object) -> bool:
    """Whether nothing of the application runs while a body is sent: the server may know a better way for it."""
    return isinstance(body, list | tuple) or (isinstance(file_wrapper, type) and isinstance(body, file_wrapper))


class _Body:
    """A body that is made while it is sent: each part within the visit."""

    def __init__(self, parts: Iterable[bytes], visit: Visit) -> None:
        self._parts = parts
        self._visit = visit
        self._rest: Iterator[bytes] | None = None

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        with self._visit:
            if self._rest is None:
                self._rest = iter(self._parts)
            return next(self._rest)

    def close(self) -> None:
        """End the application's body, as the server asks when all is sent, or nobody wants it any more."""
        close = getattr(self._parts, "close", None)
        if close is not None:
            with self._visit:
                close()
