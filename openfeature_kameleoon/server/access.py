"""What was answered to whom asked: observed for the metrics, and for the access log, a line of JSON a request.

An ASGI middleware around all others, on the event loop. Of a request it tells its route, never the path or the query:
those may hold visitor codes.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Route

from .guard import Application, Message, Receive, Send

__all__ = ["Answered", "Observed", "log_access"]

_log = logging.getLogger(__name__)

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Answered(NamedTuple):
    """One request; status 499 stands for who left before there was an answer. A stream's seconds are to its begin."""

    method: str
    route: str
    status: int
    seconds: float
    bytes_sent: int
    is_stream: bool


class Observed:
    """Tells ``observers`` of each request when it is over."""

    def __init__(
        self, app: Application, routes: Sequence[BaseRoute], observers: Iterable[Callable[[Answered], object]]
    ) -> None:
        self._app = app
        self._paths = {route.endpoint: route.path for route in routes if isinstance(route, Route)}
        self._observers = tuple(observers)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Let it through, and look at what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        try:
            await self._app(scope, receive, sending.send)
        finally:
            route = self._paths.get(scope.get("endpoint", self), OTHER)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            answered = sending.answered(method, route)
            for observer in self._observers:
                observer(answered)


class _Sending:
    """An answer on its way. ``send`` is a method, like uvicorn's, and leads to the connection as that does."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = time.monotonic()
        self._status = 499
        self._seconds_to_begin = 0.0
        self._bytes = 0
        self._is_stream = False

    @property
    def transport(self) -> Any:
        """What faults end a connection by; ``None`` where the server has none."""
        return getattr(getattr(self._send, "__self__", None), "transport", None)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._seconds_to_begin = message["status"], time.monotonic() - self._begun
            self._is_stream = any(
                name == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message.get("headers", ())
            )
        self._bytes += len(message.get("body", b""))
        await self._send(message)

    def answered(self, method: str, route: str) -> Answered:
        took = self._seconds_to_begin if self._is_stream else time.monotonic() - self._begun
        return Answered(method, route, self._status, took, self._bytes, self._is_stream)


def log_access(answered: Answered) -> None:
    """A line of JSON on this module's logger, at the level INFO."""
    if _log.isEnabledFor(logging.INFO):
        line = {**answered._asdict(), "time": round(time.time(), 3), "seconds": round(answered.seconds, 6)}
        _log.info("%s", json.dumps(line, separators=(",", ":")))
