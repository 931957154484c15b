"""Ways that servers fail, and a server that fails in them: an ASGI layer between the guard and the routes.

On the event loop, but for ``close``. What sets them, and when, is the business of control.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from random import Random
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from .guard import OF_FLAGSHIP, OF_SDKS, OFREP, Application, Message, Receive, Send
from .hub import Hub

__all__ = ["FAULTS", "ROUTES", "Fault", "Faults", "Seconds"]

ROUTES: Mapping[str, str] = {
    "data_file": "/v3/",
    "stream": "/sse",
    "events": "/visit/events",
    "visitor": "/visit/visitor",
    "value": "/map/",
    "token": "/oauth/",
    "ofrep": OFREP,
    "flagship_file": rf"{OF_FLAGSHIP}[^/]*/bucketing\.json$",
    "flagship_activations": rf"{OF_FLAGSHIP}v[12]/activate$",
    "flagship_decisions": rf"{OF_FLAGSHIP}v[12]/",
    "flagship_hits": rf"{OF_FLAGSHIP}$",
}
"""What can fail, and how its paths begin, as a pattern; the first that fits counts."""

STOPPED = (*OF_SDKS, OFREP)
"""Paths that answer nothing while the server is stopped."""

LONGEST_SECONDS = 600.0

GARBAGE = b'\x00\xff<html>{"featureFlags": [' + bytes(range(128, 256))

Scope = MutableMapping[str, Any]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=LONGEST_SECONDS)]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a route fails; ``rate`` is the share of its requests that do. A delay may precede another fault.

    ``stall`` keeps open streams silent, and ``drop`` ends them, once.
    """

    delay_seconds: Seconds = 0.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 0
    truncate: bool = False
    garbage: bool = False
    hang: bool = False
    stall: bool = False
    drop: bool = False
    rate: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 1.0


class _Failing:
    """A request that fails."""

    def __init__(self, fault: Fault, app: Application, scope: Scope, receive: Receive, send: Send) -> None:
        self.fault = fault
        self.app = app
        self.scope = scope
        self.receive = receive
        self.send = send


class Faults:
    """The faults of a server's routes; ``hubs`` are the streams of those that have some. None to begin with.

    ``waiting`` is how many requests wait in a fault now.
    """

    def __init__(self, hubs: Mapping[str, Hub], *, random: Random | None = None) -> None:
        self.by_route: Mapping[str, Fault] = {}
        self.is_down = False
        self.waiting = 0
        self._hubs = hubs
        self._random = random or Random()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def around(self, app: Application) -> Application:
        """The application, as far as no fault is in the way."""

        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            if not self.is_down and not self.by_route:
                await app(scope, receive, send)
                return
            path = scope.get("path", "")
            if self.is_down and path.startswith(STOPPED):
                await _hang_up(receive, send)
                return
            route = next((name for name, start in ROUTES.items() if re.match(start, path)), "")
            fault = self.by_route.get(route)
            if fault is not None and (fault.rate >= 1.0 or self._random.random() < fault.rate):
                request = _Failing(fault, app, scope, receive, send)
                for name, fail in FAULTS.items():
                    if getattr(fault, name) and await fail(self, request):
                        return
            await app(scope, receive, send)

        return failing

    def set(self, faults: Mapping[str, Fault]) -> None:
        """Have these faults and no others; who waits in a fault, waits no longer.

        Raises ``ValueError`` for a route that there is not, and for faults that it cannot have.
        """
        for route, fault in faults.items():
            if route not in ROUTES:
                raise ValueError(f"there is no route {route!r:.60}; there are {', '.join(ROUTES)}")
            if route not in self._hubs and (fault.stall or fault.drop):
                raise ValueError(f"{route} has no streams that could stall or be dropped: {', '.join(self._hubs)} have")
            endings = [name for name in FAULTS if name != "delay_seconds" and getattr(fault, name)]
            if len(endings) > 1:
                raise ValueError(f"{route} cannot fail in several ways at once: {', '.join(endings)}")
        self.by_route = faults
        for name, hub in self._hubs.items():
            given = faults.get(name, Fault())
            hub.is_stalled = given.stall
            if given.drop:
                hub.end()
        self._release()

    def stop(self) -> None:
        """Answer nothing from now on, and end all streams."""
        self.is_down = True
        for hub in self._hubs.values():
            hub.end()
        self._release()

    def start(self) -> None:
        """Answer again."""
        self.is_down = False

    def close(self) -> None:
        """End what waits in a fault; on any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all that waited with it
                self._loop.call_soon_threadsafe(self._release)

    async def wait(self, seconds: float | None) -> None:
        """Wait so long, or for ever, but no longer than until the faults are others."""
        self._loop = asyncio.get_running_loop()
        self.waiting += 1
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except asyncio.TimeoutError:
            return
        finally:
            self.waiting -= 1

    def _release(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _delay(faults: Faults, request: _Failing) -> bool:
    await faults.wait(request.fault.delay_seconds)
    return False


async def _status(faults: Faults, request: _Failing) -> bool:
    await Response("a fault that was asked for", request.fault.status)(request.scope, request.receive, request.send)
    return True


async def _truncate(faults: Faults, request: _Failing) -> bool:
    """The head as it is, and half of what comes next; without an answer where nothing would come."""
    head: Message | None = None
    is_cut = False

    async def send(message: Message) -> None:
        nonlocal head, is_cut
        if message["type"] == "http.response.start":
            head = message
        elif head is not None and not is_cut:
            is_cut = True
            body = message.get("body", b"")
            if body:
                await request.send(head)
                await request.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            _end_connection(request.send)

    await request.app(request.scope, request.receive, send)
    await _left(request.receive)
    return True


async def _garbage(faults: Faults, request: _Failing) -> bool:
    """The head as it is, but for the length, and garbage for a body: what was asked for has happened all the same."""
    garbage = GARBAGE

    async def send(message: Message) -> None:
        nonlocal garbage
        if message["type"] == "http.response.start":
            if message["status"] == 304:  # has no body that could be garbage
                garbage = b""
            headers = [pair for pair in message.get("headers", ()) if pair[0] != b"content-length"]
            message = {**message, "headers": headers}
        else:
            message, garbage = {**message, "body": garbage}, b""
        await request.send(message)

    await request.app(request.scope, request.receive, send)
    return True


async def _hang(faults: Faults, request: _Failing) -> bool:
    waiting = [asyncio.ensure_future(_left(request.receive)), asyncio.ensure_future(faults.wait(None))]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    await _hang_up(request.receive, request.send)
    return True


FAULTS: Mapping[str, Callable[[Faults, _Failing], Awaitable[bool]]] = {
    "delay_seconds": _delay,
    "status": _status,
    "truncate": _truncate,
    "garbage": _garbage,
    "hang": _hang,
}
"""What each fault does with a request, in their order; true if that was all that happens to it."""


async def _left(receive: Receive) -> None:
    """Return once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _end_connection(send: Send) -> None:
    """End the connection once what was sent has left, answered or not.

    ASGI knows no such thing, and uvicorn would answer 500 for us: its ``send`` is a method of what has the connection.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("a connection was to be ended, and this server does not let us")
    transport.close()


async def _hang_up(receive: Receive, send: Send) -> None:
    _end_connection(send)
    await _left(receive)
