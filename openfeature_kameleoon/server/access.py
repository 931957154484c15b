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
        begun, status, seconds, sent, is_stream = time.monotonic(), 499, 0.0, 0, False

        async def observed(message: Message) -> None:
            nonlocal status, seconds, sent, is_stream
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.monotonic() - begun
                is_stream = any(
                    name == b"content-type" and value.startswith(b"text/event-stream")
                    for name, value in message.get("headers", ())
                )
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = self._paths.get(scope.get("endpoint", self), OTHER)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            took = seconds if is_stream else time.monotonic() - begun
            answered = Answered(method, route, status, took, sent, is_stream)
            for observer in self._observers:
                observer(answered)


def log_access(answered: Answered) -> None:
    """A line of JSON on this module's logger, at the level INFO."""
    if _log.isEnabledFor(logging.INFO):
        line = {**answered._asdict(), "time": round(time.time(), 3), "seconds": round(answered.seconds, 6)}
        _log.info("%s", json.dumps(line, separators=(",", ":")))
