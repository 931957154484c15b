"""What the vendors' stand-in servers share: a Flask app over real loopback HTTP, a request log, and faults to inject.

A stand-in keeps state and is written from a vendor's specification; nothing in it knows our clients.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

__all__ = ["Fault", "Recorded", "StandIn", "answering", "dropped", "dropped_after", "once"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it arrived; ``query`` in the order sent, values decoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded; ``None`` when there is none."""
        return json.loads(self.body) if self.body else None


class Fault:
    """What goes wrong with the next requests: ``before`` answers in the app's place, ``after`` spoils its answer."""

    def before(self, asked: Request) -> Response | None:
        """An answer instead of the app's; ``None`` leaves it to the app."""
        return None

    def after(self, answer: Response) -> Response:
        """The app's answer, or what becomes of it."""
        return answer


class _Answering(Fault):
    def __init__(self, status: int, body: str | bytes, headers: dict[str, str]) -> None:
        self._made = (body, status, headers)

    def before(self, asked: Request) -> Response | None:
        return Response(*self._made)


class _Dropped(Fault):
    """The connection is cut: before the app has seen the request, or after it has done what was asked."""

    def __init__(self, *, is_done: bool) -> None:
        self._is_done = is_done

    def before(self, asked: Request) -> Response | None:
        return None if self._is_done else Response()  # which ``after`` meets as well

    def after(self, answer: Response) -> Response:
        connection = request.environ["werkzeug.socket"]
        connection.shutdown(2)
        return answer


def answering(status: int, body: object = "", headers: dict[str, str] | None = None) -> Fault:
    """Answer so instead of the app; an object is sent as JSON, text and bytes as they are."""
    is_raw = isinstance(body, str | bytes)
    kind = {} if is_raw else {"Content-Type": "application/json"}
    return _Answering(status, body if isinstance(body, str | bytes) else json.dumps(body), {**kind, **(headers or {})})


def dropped() -> Fault:
    """Cut the connection before anything is done."""
    return _Dropped(is_done=False)


def dropped_after() -> Fault:
    """Do what is asked, and cut the connection instead of answering."""
    return _Dropped(is_done=True)


def once(method: str, path_part: str) -> Callable[[Request], bool]:
    """Whom a fault is for: requests by this method whose path has this in it."""
    return lambda asked: asked.method == method and path_part in asked.path


class _Silent(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


class StandIn:
    """Serve ``app`` on a free loopback port while in a ``with``; every request is in ``log``, in order of arrival.

    ``faults`` strike one request each, first in first out; ``strike`` names whom they are for.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.log: list[Recorded] = []
        self.faults: deque[tuple[Callable[[Request], bool], Fault]] = deque()
        app.before_request(self._before)
        app.after_request(self._after)
        self._struck = threading.local()

    def strike(self, *faults: Fault, on: Callable[[Request], bool] = lambda asked: True) -> None:
        """Let each of the faults meet one of the next requests that ``on`` accepts."""
        self.faults.extend((on, fault) for fault in faults)

    @property
    def url(self) -> str:
        """Where it listens: scheme, host and port."""
        return f"http://127.0.0.1:{self._server.port}"

    def asked(self, method: str | None = None) -> list[Recorded]:
        """The log, or what came by one method."""
        return [entry for entry in self.log if method in (None, entry.method)]

    def __enter__(self) -> StandIn:
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _before(self) -> Response | None:
        self.log.append(
            Recorded(
                request.method,
                request.path,
                tuple(request.args.items(multi=True)),
                dict(request.headers),
                request.get_data(cache=True),
            )
        )
        self._struck.fault = None
        for place, (is_for, fault) in enumerate(self.faults):
            if is_for(request):
                del self.faults[place]
                self._struck.fault = fault
                return fault.before(request)
        return None

    def _after(self, answer: Response) -> Response:
        fault: Fault | None = self._struck.fault
        return answer if fault is None else fault.after(answer)
