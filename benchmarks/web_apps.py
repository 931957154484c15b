"""The web applications of bar 26, each bare or with our middleware, and what a server does to have a request answered.

No server and no socket: environment and scope are as a server hands them over. A framework is imported where its
application is made, so that a process has only the one that it measures.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from io import BytesIO
from time import thread_time
from typing import Any, NamedTuple, TypeAlias

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.web.asgi import KameleoonASGIMiddleware
from openfeature_kameleoon.web.wsgi import KameleoonWSGIMiddleware

from .measure import Turn

__all__ = [
    "FRAMEWORKS",
    "HOST",
    "Answer",
    "AsgiServer",
    "Framework",
    "Pages",
    "Server",
    "WsgiApp",
    "WsgiServer",
]

HOST = "www.example.com"
QUERY = "utm_source=newsletter&color=blue"
HTML = "text/html; charset=utf-8"
HEADERS = {
    "host": HOST,
    "connection": "keep-alive",
    "user-agent": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
        " Safari/537.36"
    ),
    "accept": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
        "application/signed-exchange;v=b3;q=0.7"
    ),
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9,fr;q=0.8",
}
"""Those of Chrome."""

Pages: TypeAlias = Mapping[str, Callable[[], bytes]]
"""What makes the body of a page, by the page's path."""

WsgiApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Answer(NamedTuple):
    """What came back, the headers as text whatever the protocol."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Server:
    """Something that has an application answer requests for pages, one after the other."""

    def answer(self, path: str, cookies: str) -> Answer:
        """One answer, to look at."""
        raise NotImplementedError

    def turn(self, path: str, cookies: str) -> Turn:
        """What makes so many requests and tells how much of this thread's CPU time that took."""
        raise NotImplementedError


class WsgiServer(Server):
    """As a WSGI server does it: a new environment for each request, the body joined and closed."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def answer(self, path: str, cookies: str) -> Answer:
        status, headers, body = self._serve(_environ(path, cookies))
        return Answer(int(status[:3]), headers, body)

    def turn(self, path: str, cookies: str) -> Turn:
        serve, environ = self._serve, _environ(path, cookies)

        def turn(calls: int) -> float:
            start = thread_time()
            for _ in range(calls):
                serve(environ)
            return thread_time() - start

        return turn

    def _serve(self, template: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        environ = {**template, "wsgi.input": BytesIO()}
        begun: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., Any]:
            begun[:] = status, headers
            return begun.append

        parts = self._app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        return begun[0], begun[1], body


class AsgiServer(Server):
    """As an ASGI server does it: a new scope for each request. All run in one task, where a server begins one each."""

    def __init__(self, loop: AbstractEventLoop, app: AsgiApp) -> None:
        self._loop = loop
        self._app = app

    def answer(self, path: str, cookies: str) -> Answer:
        start, *parts = self._loop.run_until_complete(self._serve(_scope(path, cookies)))
        headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in parts))

    def turn(self, path: str, cookies: str) -> Turn:
        serve, scope = self._serve, _scope(path, cookies)

        async def turn(calls: int) -> float:
            start = thread_time()
            for _ in range(calls):
                await serve(scope)
            return thread_time() - start

        return lambda calls: self._loop.run_until_complete(turn(calls))

    async def _serve(self, template: dict[str, Any]) -> list[Message]:
        scope = {**template, "headers": list(template["headers"]), "state": {}}
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent


def _environ(path: str, cookies: str) -> dict[str, Any]:
    headers = {**HEADERS, **({"cookie": cookies} if cookies else {})}
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": QUERY,
        "RAW_URI": f"{path}?{QUERY}",
        "SERVER_NAME": "0.0.0.0",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/23.0.0",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50412",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def _scope(path: str, cookies: str) -> dict[str, Any]:
    headers = {**HEADERS, **({"cookie": cookies} if cookies else {})}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("0.0.0.0", 8000),
        "client": ("192.0.2.7", 50412),
        "scheme": "https",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": QUERY.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


def plain_wsgi(pages: Pages, provider: KameleoonProvider | None) -> WsgiApp:
    """The least that answers a page."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = pages[environ["PATH_INFO"]]()
        start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(body)))])
        return [body]

    return KameleoonWSGIMiddleware(application, provider) if provider else application


def plain_asgi(pages: Pages, provider: KameleoonProvider | None) -> AsgiApp:
    """The least that answers a page."""

    async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        body = pages[scope["path"]]()
        headers = [(b"content-type", HTML.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return KameleoonASGIMiddleware(application, provider) if provider else application


def django(pages: Pages, provider: KameleoonProvider | None) -> WsgiApp:
    """Django, with no other middleware; ours finds the provider in OpenFeature. A process has one set of pages."""
    from django import setup
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path as route

    def view(request: HttpRequest, page: Callable[[], bytes]) -> HttpResponse:
        return HttpResponse(page())

    if not settings.configured:
        routes = tuple(route(path.removeprefix("/"), view, {"page": page}) for path, page in pages.items())
        settings.configure(ALLOWED_HOSTS=[HOST], ROOT_URLCONF=routes, LOGGING_CONFIG=None)
        setup(set_prefix=False)
    settings.MIDDLEWARE = ["openfeature_kameleoon.web.django.KameleoonMiddleware"] if provider else []
    return WSGIHandler()  # it reads MIDDLEWARE now, and never again


def flask(pages: Pages, provider: KameleoonProvider | None) -> WsgiApp:
    """Flask, by the extension."""
    from flask import Flask, Response

    from openfeature_kameleoon.web.flask import Kameleoon

    def view(page: Callable[[], bytes]) -> Response:
        return Response(page(), mimetype="text/html")

    app = Flask("benchmarks")
    for path, page in pages.items():
        app.add_url_rule(path, path, partial(view, page))
    if provider:
        Kameleoon(app, provider)
    return app


def fastapi(pages: Pages, provider: KameleoonProvider | None) -> AsgiApp:
    """FastAPI, and so Starlette; the pages are coroutines, as threads would cost more than all that is measured."""
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    def endpoint(page: Callable[[], bytes]) -> Callable[[], Awaitable[Any]]:
        async def answer() -> Any:
            return HTMLResponse(page())

        return answer

    app = FastAPI(openapi_url=None)
    for path, page in pages.items():
        app.add_api_route(path, endpoint(page), response_model=None)
    if provider:
        app.add_middleware(KameleoonASGIMiddleware, client=provider)
    return app


class Framework(NamedTuple):
    """What makes the application, without a provider the bare one; by which protocol servers ask it."""

    app: Callable[[Pages, KameleoonProvider | None], Any]  # the one or the other of `WsgiApp` and `AsgiApp`
    is_async: bool

    def server(self, loop: AbstractEventLoop, pages: Pages, provider: KameleoonProvider | None = None) -> Server:
        app = self.app(pages, provider)
        return AsgiServer(loop, app) if self.is_async else WsgiServer(app)


FRAMEWORKS: Mapping[str, Framework] = {
    "WSGI": Framework(plain_wsgi, is_async=False),
    "ASGI": Framework(plain_asgi, is_async=True),
    "Django": Framework(django, is_async=False),
    "Flask": Framework(flask, is_async=False),
    "FastAPI": Framework(fastapi, is_async=True),
}
