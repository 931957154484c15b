"""R5: however a server hangs, closing a client takes no longer than the shutdown time-out, and gives nothing up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import drips, hangs, sends, then_hangs, wait_until
from tests.delivery.accounts import BUSY_SECONDS, GOAL, SITE
from tests.faces import threads
from tests.kameleoon import DATA_FILE, EVENTS, ROUTES, SSE, FakeKameleoon

SHUTDOWN_SECONDS = 0.2
MORE_SECONDS = 0.2
EVENTS_EACH = 10
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"


@contextlib.contextmanager
def name() -> Iterator[Endpoints]:
    """A name server that does not answer: nothing in Python can end that wait."""
    answered = threading.Event()

    def look_up(*arguments: Any, **options: Any) -> Any:
        answered.wait()
        raise socket.gaierror("no such name")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        yield everything_at("http://localhost:1")
        answered.set()


@contextlib.contextmanager
def accept() -> Iterator[Endpoints]:
    """A host that never gets round to answering a connection: its queue is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield everything_at(f"http://127.0.0.1:{listener.getsockname()[1]}")


@contextlib.contextmanager
def handshake() -> Iterator[Endpoints]:
    """A server that says nothing when it is offered TLS."""
    with FakeKameleoon() as server:
        server.fail_connections_at_random([hangs()], rate=1.0, random=Random(7))
        yield everything_at(server.url.replace("http:", "https:"))


@contextlib.contextmanager
def headers() -> Iterator[Endpoints]:
    """A server that takes requests and says nothing, or says a byte of it now and then."""
    with FakeKameleoon() as server:
        for route in ROUTES:
            server.break_down(route, drips(HEAD, b"x") if route in (EVENTS, SSE) else hangs())
        yield server.endpoints


@contextlib.contextmanager
def body() -> Iterator[Endpoints]:
    """A server that begins each answer and does not end it."""
    with FakeKameleoon() as server:
        for route in ROUTES:
            server.break_down(route, drips(HEAD + b"\r\n", b" ") if route == DATA_FILE else then_hangs(sends(HEAD)))
        yield server.endpoints


@contextlib.contextmanager
def stream() -> Iterator[Endpoints]:
    """A server that is well, save that its stream falls silent and that it takes no events."""
    with FakeKameleoon(SITE) as server:
        server.break_down(EVENTS, hangs())
        yield server.endpoints


Place = Callable[[], "contextlib.AbstractContextManager[Endpoints]"]

PLACES: tuple[Place, ...] = (name, accept, handshake, headers, body, stream)


def everything_at(url: str) -> Endpoints:
    return Endpoints(configuration=url, events=url, data=url, token=url)


def seconds_to_close(endpoints: Endpoints, moment: float) -> float:
    """How long it takes ``moment`` seconds after everything was asked for."""
    configuration = KameleoonClientConfiguration(
        shutdown_timeout_millisecond=SHUTDOWN_SECONDS * 1000,
        real_time_update=True,
        client_id="the-id",
        client_secret="the-secret",
    )
    client = KameleoonClient("site", configuration_object=configuration, endpoints=endpoints)
    for number in range(EVENTS_EACH):
        client.track_conversion(f"visitor-{number}", GOAL, number)
    client.flush(instant=True)
    threading.Event().wait(moment)

    began = time.monotonic()
    client.close()
    seconds = time.monotonic() - began

    status = client.outbox.status()
    assert status.accepted == status.pending >= EVENTS_EACH
    return seconds


def longest(place: Place, runs: int) -> float:
    """Of so many times, each at another moment."""
    random = Random(7)
    with place() as endpoints:
        seconds = max(seconds_to_close(endpoints, random.uniform(0.0, 0.1)) for _ in range(runs))
    wait_until(lambda: not threads())
    return seconds


@pytest.mark.parametrize("place", PLACES)
def test_r5_closing_is_bounded_wherever_the_server_hangs(place: Place) -> None:
    assert longest(place, 3) <= SHUTDOWN_SECONDS + MORE_SECONDS + BUSY_SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
def test_r5_closing_is_bounded_200_times_wherever_the_server_hangs(
    place: Place, record_testsuite_property: Callable[[str, object], None]
) -> None:
    seconds = longest(place, 40)

    record_testsuite_property(f"R5 {place.__name__}, seconds", seconds)
    assert seconds <= SHUTDOWN_SECONDS + MORE_SECONDS
