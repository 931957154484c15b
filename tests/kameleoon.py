"""A fake Kameleoon on loopback: data file, real-time events, tracking, visitor and key/value data, access tokens.

It answers as the specification says (kameleoon-sdk.md 1), unless told to fail: any route, any answer of ``chaos``.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import PATIENCE_SECONDS, Answer, ChaosServer, Received, late, reply, wait_until
from tests.vectors import as_bytes

__all__ = ["DATA_FILE", "EVENTS", "MAP", "ROUTES", "SSE", "TOKEN", "VISITOR", "Asked", "FakeKameleoon", "Fault"]

DATA_FILE, SSE, EVENTS = "/v3/", "/sse", "/visit/events"
VISITOR, MAP, TOKEN = "/visit/visitor", "/map/map", "/oauth/token"
ROUTES = (DATA_FILE, SSE, EVENTS, VISITOR, MAP, TOKEN)

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"


class Fault(NamedTuple):
    """A way to fail; ``takes``: the events are taken before it, which the client cannot know."""

    answer: Answer
    takes: bool = False


class _Misbehaviour:
    """Which requests fail, and how: at random, yet each fault as often as any other."""

    def __init__(self, faults: Sequence[Fault], rate: float, random: Random) -> None:
        self._faults = faults
        self._rate = rate
        self._random = random
        self._deck: list[Fault] = []

    def draw(self) -> Fault | None:
        if self._random.random() >= self._rate:
            return None
        if not self._deck:
            self._deck = self._random.sample(self._faults, len(self._faults))
        return self._deck.pop()


class Asked:
    """What a server was asked: ``received`` are the requests, ``lines`` the event lines of those that were taken."""

    url: str
    received: list[Received]
    lines: list[str]

    @property
    def endpoints(self) -> Endpoints:
        """Where it is, for a client."""
        return Endpoints(configuration=self.url, events=self.url, data=self.url, token=self.url)

    def requests(self, route: str) -> list[Received]:
        """The requests of a route so far."""
        return [request for request in list(self.received) if urlsplit(request.target).path.startswith(route)]

    def wait_for_requests(self, route: str, count: int, seconds: float = PATIENCE_SECONDS) -> list[Received]:
        """Return once so many requests have come in all; fail if they do not come."""
        wait_until(lambda: len(self.requests(route)) >= count, seconds)
        return self.requests(route)

    def wait_for_lines(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Return once so many event lines were taken; fail if they do not come."""
        wait_until(lambda: len(self.lines) >= count, seconds)
        return list(self.lines)

    def events(self) -> Iterator[Mapping[str, str]]:
        """The events taken so far, as their parameters."""
        for line in list(self.lines):
            yield dict(parse_qsl(line, keep_blank_values=True))

    def nonces(self) -> Counter[str]:
        """How often each nonce was taken."""
        return Counter(line[6:22] for line in list(self.lines))


class FakeKameleoon(Asked, ChaosServer):
    """Serves one site. ``lines`` are the event lines of tracking requests that were taken, one for each time.

    ``doubtful`` are the numbers of lines of those among them that were answered with a failure, or not at all;
    ``faults`` counts requests that failed at random. An answer to events takes ``seconds_for_events`` to come.

    ``tokens`` are handed out in turn, the last one for ever. ``visitors`` and ``values`` hold the answers of the
    Data API by visitor code and by key. Everything may be changed while it runs.
    """

    def __init__(self, data_file: object = None) -> None:
        self.lines: list[str] = []
        self.doubtful: list[int] = []
        self.faults = 0
        self.seconds_for_events = 0.0
        self.visitors: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.tokens: list[tuple[str, int]] = [("token-1", 3600)]
        self._failures: dict[str, list[Answer]] = {route: [] for route in ROUTES}
        self._down: dict[str, Answer] = {}
        self._misbehaviours: dict[str, _Misbehaviour] = {}
        self._refusals: _Misbehaviour | None = None
        self._streams: list[socket.socket] = []
        self._opening = threading.Lock()  # a client may act as soon as it has the head
        self._version = 0
        self._body = b""
        self.publish({"featureFlags": []} if data_file is None else data_file)
        super().__init__()

    # What it serves -------------------------------------------------------------------------------------------------

    def publish(self, data_file: object, *, announce: int | None = None) -> None:
        """Have this data file from now on; ``announce`` is the timestamp of a real-time event that says so."""
        self._body = data_file if isinstance(data_file, bytes) else as_bytes(data_file)
        self._version += 1
        if announce is not None:
            self.push(announce)

    def push(self, timestamp: int, *, name: str = "configuration-update-event") -> None:
        """Send an event to all open streams."""
        self.send(f"event: {name}\ndata: {json.dumps({'ts': timestamp})}\n\n".encode())

    def send(self, text: bytes) -> None:
        """Send these bytes to all open streams."""
        with self._opening:
            streams = list(self._streams)
        for stream in streams:
            try:
                stream.sendall(text)
            except OSError:
                self._leave(stream)

    def drop_streams(self) -> None:
        """End all open streams."""
        for stream in self._take_streams():
            with contextlib.suppress(OSError):  # the client was first
                stream.shutdown(socket.SHUT_RDWR)

    def reset_streams(self) -> None:
        """Break all open streams off, as a server does that crashes."""
        for stream in self._take_streams():
            with contextlib.suppress(OSError):  # the client was first
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.shutdown(socket.SHUT_RD)  # wakes the thread that serves it, which closes it

    def mute_streams(self) -> None:
        """Say no more to those that are open, as if the network between had gone."""
        self._take_streams()

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    # How it fails ---------------------------------------------------------------------------------------------------

    def fail(self, route: str, *answers: Answer) -> None:
        """Answer the next requests of a route so, one each; then as before."""
        with self._lock:
            self._failures[route].extend(answers)

    def break_down(self, route: str, answer: Answer | None) -> None:
        """Answer all requests of a route so, until told otherwise by ``None``."""
        with self._lock:
            if answer is None:
                self._down.pop(route, None)
            else:
                self._down[route] = answer

    def fail_at_random(self, route: str, faults: Sequence[Fault], *, rate: float, random: Random) -> None:
        """Have this share of a route's requests fail, until told otherwise by a rate of 0."""
        with self._lock:
            self._misbehaviours[route] = _Misbehaviour(faults, rate, random)

    def fail_connections_at_random(self, answers: Sequence[Answer], *, rate: float, random: Random) -> None:
        """Have this share of new connections end so, before a byte of a request is read; by a rate of 0 it is over."""
        with self._lock:
            self._refusals = _Misbehaviour([Fault(answer) for answer in answers], rate, random)

    # ----------------------------------------------------------------------------------------------------------------

    def answer_to(self, request: Received) -> Answer:
        """As told to fail, or as Kameleoon does."""
        path = urlsplit(request.target).path
        route = next((route for route in ROUTES if path.startswith(route)), None)
        if route is None:
            return reply(404)
        if self._failures[route]:
            return self._failures[route].pop(0)
        if route in self._misbehaviours and (fault := self._misbehaviours[route].draw()) is not None:
            self.faults += 1
            if fault.takes:
                self.doubtful.append(self._take_lines(request))
            return fault.answer
        return self._down.get(route) or ANSWERS[route](self, request)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            fault = None if self._refusals is None else self._refusals.draw()
            self.faults += fault is not None
        if fault is None:
            super()._serve(connection)
            return
        with contextlib.suppress(OSError):  # the client left, or close() ended it
            fault.answer(connection, self._ending)
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def _data_file(self, request: Received) -> Answer:
        stamp = f"Thu, 01 Jan 2026 00:{self._version // 60:02}:{self._version % 60:02} GMT"
        if request.headers.get("if-modified-since") == stamp:
            return reply(304)
        return reply(200, self._body, {"Last-Modified": stamp})

    def _stream(self, request: Received) -> Answer:
        def answer(connection: socket.socket, ending: threading.Event) -> bool:
            with self._opening:
                connection.sendall(STREAM_HEAD)
                self._streams.append(connection)
            try:
                connection.recv(1)  # nothing comes but the end
            finally:
                self._leave(connection)
            return False

        return answer

    def _take_streams(self) -> list[socket.socket]:
        with self._opening:
            streams, self._streams = self._streams, []
        return streams

    def _leave(self, stream: socket.socket) -> None:
        with contextlib.suppress(ValueError):  # it was dropped
            self._streams.remove(stream)

    def _take_events(self, request: Received) -> Answer:
        self._take_lines(request)
        return late(self.seconds_for_events, reply(200)) if self.seconds_for_events else reply(200)

    def _take_lines(self, request: Received) -> int:
        lines = request.body.decode().split("\n")
        self.lines += lines
        return len(lines)

    def _visitor(self, request: Received) -> Answer:
        query = dict(parse_qsl(urlsplit(request.target).query))
        code = query.get("visitorCode") or query.get("mappingValue") or ""
        return reply(200, json.dumps(self.visitors.get(code, {})).encode())

    def _map(self, request: Received) -> Answer:
        key = dict(parse_qsl(urlsplit(request.target).query)).get("key", "")
        return reply(200, json.dumps(self.values[key]).encode()) if key in self.values else reply(404)

    def _token(self, request: Received) -> Answer:
        token, seconds = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return reply(200, json.dumps({"access_token": token, "expires_in": seconds}).encode())


ANSWERS: Mapping[str, Callable[[FakeKameleoon, Received], Answer]] = {
    DATA_FILE: FakeKameleoon._data_file,
    SSE: FakeKameleoon._stream,
    EVENTS: FakeKameleoon._take_events,
    VISITOR: FakeKameleoon._visitor,
    MAP: FakeKameleoon._map,
    TOKEN: FakeKameleoon._token,
}
