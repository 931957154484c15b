"""Django's middleware: ``openfeature_kameleoon.web.django.KameleoonMiddleware`` in ``MIDDLEWARE``.

For synchronous and asynchronous views, on the thread or in the task that handles the request. Place it before whatever
evaluates flags.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.cookies import Morsel
from typing import Any, cast

from ..exchange import Exchange
from ..setup import options_of, provider_in_use
from ..visits import Visit, Visits

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import apps
    from django.core.exceptions import DisallowedHost
    from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
except ImportError as error:
    raise ImportError("Django is needed: pip install 'openfeature-kameleoon[django]'") from error
from .apps import setting

__all__ = ["DjangoExchange", "KameleoonMiddleware"]

GetResponse = Callable[[HttpRequest], Any]


class DjangoExchange(Exchange):
    """A request as Django shows it; ``response`` is there when the view has answered."""

    response: HttpResponseBase | None = None

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.method = request.method or ""

    def read_cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return self.request.COOKIES

    def write_cookies(self, cookie: Morsel[str]) -> None:
        """Add the cookie to the response's, unless the application sets it itself."""
        if self.response is not None:
            self.response.cookies.setdefault(cookie.key, cookie)

    def header(self, name: str) -> str:
        """The value of a header."""
        return str(self.request.META.get(f"HTTP_{name.upper().replace('-', '_')}", ""))

    @property
    def url(self) -> str:
        """The URL; none of a host that ``ALLOWED_HOSTS`` does not have."""
        try:
            return self.request.build_absolute_uri()
        except DisallowedHost:
            return ""

    @property
    def query(self) -> str:
        """The query string."""
        return str(self.request.META.get("QUERY_STRING", ""))

    @property
    def is_secure(self) -> bool:
        """As Django sees it, by ``SECURE_PROXY_SSL_HEADER`` for one."""
        return self.request.is_secure()

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
    visit.write_cookies()
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
