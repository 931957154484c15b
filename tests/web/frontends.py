"""The application under each adapter, called as servers call it: without sockets, on this thread or event loop."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import django
import flask
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import re_path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from openfeature_kameleoon.web.asgi import KameleoonASGIMiddleware
from openfeature_kameleoon.web.flask import Kameleoon
from openfeature_kameleoon.web.wsgi import KameleoonWSGIMiddleware
from tests.chaos import PATIENCE_SECONDS
from tests.web.application import answer

__all__ = ["FRONTENDS", "Frontend", "Reply", "ask_asgi", "ask_wsgi", "django_site"]


class Reply(NamedTuple):
    """What came back: the status, the body, and the values of its ``Set-Cookie`` headers."""

    status: int
    body: bytes
    set_cookies: list[str]


Frontend = Callable[..., Reply]
"""``frontend(path, headers, scheme)``: the reply to a request."""


# Servers --------------------------------------------------------------------------------------------------------------


def ask_wsgi(app: Any, path: str = "/", headers: Mapping[str, str] = {}, scheme: str = "http") -> Reply:
    """Call a WSGI application as a server does."""
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path),
        "QUERY_STRING": query,
        "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in {"host": "shop.test", **headers}.items()},
    }
    started: list[Any] = []
    body = app(environ, lambda status, headers, exc_info=None: started.append((status, headers)))
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    [(status, response_headers)] = started
    cookies = [value.strip() for name, value in response_headers if name.lower() == "set-cookie"]
    return Reply(int(status.split()[0]), content, cookies)


async def ask_asgi(app: Any, path: str = "/", headers: Mapping[str, str] = {}, scheme: str = "http") -> Reply:
    """Call an ASGI application as a server does."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "server": ("shop.test", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in {"host": "shop.test", **headers}.items()],
    }
    requests: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]
    messages: list[Any] = []
    over = asyncio.Event()

    async def receive() -> Any:
        if requests:
            return requests.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over.set()

    await asyncio.wait_for(app(scope, receive, send), PATIENCE_SECONDS)
    start = messages[0]
    cookies = [value.decode("latin-1").strip() for name, value in start["headers"] if name.lower() == b"set-cookie"]
    return Reply(start["status"], b"".join(message.get("body", b"") for message in messages[1:]), cookies)


def _in_a_loop(app: Any) -> Frontend:
    return lambda *arguments, **options: asyncio.run(ask_asgi(app, *arguments, **options))


def _in_a_thread(app: Any) -> Frontend:
    return lambda *arguments, **options: ask_wsgi(app, *arguments, **options)


# Frameworks -----------------------------------------------------------------------------------------------------------


def plain_wsgi(client: Any, **options: Any) -> Frontend:
    """No framework, on WSGI."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        body, headers = answer(environ["PATH_INFO"])
        start_response("200 OK", list(headers.items()))
        return [body] if isinstance(body, bytes) else body

    return _in_a_thread(KameleoonWSGIMiddleware(app, client, **options))


def flask_app(client: Any, **options: Any) -> Frontend:
    """Flask."""
    app = flask.Flask(__name__)
    app.testing = True  # errors are not answered by a page
    Kameleoon(app, client, **options)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    def page(path: str) -> flask.Response:
        body, headers = answer(f"/{path}")
        return flask.Response(body, headers=headers)

    return _in_a_thread(app)


def plain_asgi(client: Any, **options: Any) -> Frontend:
    """No framework, on ASGI."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, headers = answer(scope["path"])
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        for part in [body] if isinstance(body, bytes) else body:
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return _in_a_loop(KameleoonASGIMiddleware(app, client, **options))


def starlette_app(client: Any, *, is_async: bool, **options: Any) -> Frontend:
    """Starlette, with views that are coroutines or run on threads."""

    def respond(request: Request) -> Response:
        body, headers = answer(request.url.path)
        return Response(body, headers=headers) if isinstance(body, bytes) else StreamingResponse(body, headers=headers)

    async def respond_later(request: Request) -> Response:
        await asyncio.sleep(0)
        return respond(request)

    app = Starlette(routes=[Route("/{path:path}", respond_later if is_async else respond)])
    app.add_middleware(KameleoonASGIMiddleware, client=client, **options)
    return _in_a_loop(app)


def django_view(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The application as a view."""
    body, headers = answer(request.path)
    if isinstance(body, bytes):
        response = HttpResponse(body)
        if "Set-Cookie" in headers:
            response.cookies.load(headers["Set-Cookie"])
        else:
            for name, value in headers.items():
                response[name] = value
        return response
    return StreamingHttpResponse(body)


async def django_async_view(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The same as a coroutine, whose stream is one too."""
    await asyncio.sleep(0)
    response = django_view(request)
    if isinstance(response, StreamingHttpResponse):
        parts = answer(request.path).body
        assert not isinstance(parts, bytes)
        return StreamingHttpResponse(_asynchronous(parts))
    return response


async def _asynchronous(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


urlpatterns = [re_path("", django_view)]

MIDDLEWARE = "openfeature_kameleoon.web.django.KameleoonMiddleware"


class AsyncUrls:
    """URLs of the coroutine."""

    urlpatterns = [re_path("", django_async_view)]  # noqa: RUF012  # Django's name, and never changed


def django_site() -> None:
    """Set Django up, once in a process."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["shop.test"],
            INSTALLED_APPS=["openfeature_kameleoon.web.django"],
            MIDDLEWARE=[MIDDLEWARE],
            ROOT_URLCONF=__name__,
            SECRET_KEY="not secret",
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
            TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": False}],
        )
        django.setup()


def django_app(client: Any, *, handler: Callable[[], Any], urls: Any = __name__, **options: Any) -> Frontend:
    """Django, by the provider that OpenFeature has, with views that are functions or coroutines."""
    django_site()
    with override_settings(KAMELEOON_OPTIONS=options, ROOT_URLCONF=urls):
        app = handler()

    def within(ask: Frontend) -> Frontend:
        def frontend(*arguments: Any, **given: Any) -> Reply:
            with override_settings(ROOT_URLCONF=urls):
                return ask(*arguments, **given)

        return frontend

    return within(_in_a_loop(app) if handler is ASGIHandler else _in_a_thread(app))


FRONTENDS: Mapping[str, Callable[..., Frontend]] = {
    "wsgi": plain_wsgi,
    "flask": flask_app,
    "django": lambda client, **options: django_app(client, handler=WSGIHandler, **options),
    "django async": lambda client, **options: django_app(client, handler=ASGIHandler, urls=AsyncUrls, **options),
    "django mixed": lambda client, **options: django_app(client, handler=ASGIHandler, **options),
    "asgi": plain_asgi,
    "starlette": lambda client, **options: starlette_app(client, is_async=True, **options),
    "starlette threads": lambda client, **options: starlette_app(client, is_async=False, **options),
}
"""What makes each, of a provider and options of ``Visits``."""
