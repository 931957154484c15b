"""Django's middleware: ``openfeature_kameleoon.web.django.KameleoonMiddleware`` in ``MIDDLEWARE``.

For synchronous and asynchronous views, on the thread or in the task that handles the request. Place it before whatever
evaluates flags.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast
from urllib.parse import quote

from ...cookies import SetCookie
from ..setup import options_of, provider_in_use
from ..visits import Visit, Visits
from ..wsgi import SAFE_IN_PATHS, WsgiExchange

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import apps
    from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
except ImportError as error:
    raise ImportError("Django is needed: pip install 'openfeature-kameleoon[django]'") from error
from .apps import setting

__all__ = ["DjangoExchange", "KameleoonMiddleware"]

GetResponse = Callable[[HttpRequest], Any]


class DjangoExchange(WsgiExchange):
    """A request as Django shows it, on ASGI as well; ``response`` is there when the view has answered."""

    response: HttpResponseBase | None = None
    _scheme: str | None = None

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.META)
        self.request = request

    def write_cookies(self, cookie: SetCookie) -> None:
        """Add the cookie to the response's, unless the application sets it itself."""
        if self.response is not None and cookie.name not in self.response.cookies:
            self.response.cookies[cookie.name] = cookie.morsel()

    @property
    def url(self) -> str:
        """The URL, of whatever host the request names."""
        host = self.environ.get("HTTP_HOST") or self.environ.get("SERVER_NAME", "localhost")
        query = self.query
        return f"{self.scheme}://{host}{quote(self.request.path, SAFE_IN_PATHS)}{f'?{query}' if query else ''}"

    @property
    def scheme(self) -> str:
        """As Django sees it, by ``SECURE_PROXY_SSL_HEADER`` for one."""
        if self._scheme is None:
            self._scheme = self.request.scheme or "http"
        return self._scheme

    @property
    def cache_control(self) -> str:
        """The response's header."""
        return "" if self.response is None else self.response.headers.get("Cache-Control", "")


class KameleoonMiddleware:
    """Gives each request its visitor, for all OpenFeature calls in it, and keeps the visitor's code in a cookie.

    Options of ``Visits`` stand in the setting ``KAMELEOON_OPTIONS``. ``request.kameleoon`` is the visit. Raises
    ``ConfigException`` if there is no provider of Kameleoon's.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        config: Any = (
            apps.get_app_config("kameleoon") if apps.is_installed("openfeature_kameleoon.web.django") else None
        )
        provider = getattr(config, "provider", None)
        self._visits = Visits(provider or provider_in_use(), **options_of(setting))
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request, or for asynchronous Django promise to."""
        exchange = DjangoExchange(request)
        visit = self._visits.begin(exchange)
        request.kameleoon = visit  # type: ignore[attr-defined]  # Django's way of telling views
        if self._is_async:
            return self._answer(request, exchange, visit)
        with visit:
            response = self._get_response(request)
        return _finish(response, exchange, visit)

    async def _answer(self, request: HttpRequest, exchange: DjangoExchange, visit: Visit) -> HttpResponseBase:
        with visit:
            response = await self._get_response(request)
        return _finish(response, exchange, visit)


def _finish(response: HttpResponseBase, exchange: DjangoExchange, visit: Visit) -> HttpResponseBase:
    exchange.response = response
    visit.write_cookies(exchange)
    if isinstance(response, StreamingHttpResponse):
        parts = response.streaming_content
        response.streaming_content = (
            _later(cast("AsyncIterator[bytes]", parts), visit)
            if response.is_async
            else _within(cast("Iterator[bytes]", parts), visit)
        )
    return response


def _within(parts: Iterator[bytes], visit: Visit) -> Iterator[bytes]:
    """A body that is made while it is sent: each part within the visit."""
    while True:
        with visit:
            part = next(parts, None)
        if part is None:
            return
        yield part


async def _later(parts: AsyncIterator[bytes], visit: Visit) -> AsyncIterator[bytes]:
    while True:
        with visit:
            part = await anext(parts, None)
        if part is None:
            return
        yield part
