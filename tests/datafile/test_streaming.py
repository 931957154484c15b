from __future__ import annotations

import json
import logging
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from openfeature_kameleoon.datafile.freshness import StreamState
from openfeature_kameleoon.datafile.sources import News
from openfeature_kameleoon.datafile.streaming import EventStream, Heartbeat, Reconnects
from openfeature_kameleoon.transport.http import ByteStream, Http
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import Answer, drips, hangs, reply, resets, sends, wait_until
from tests.clock import FakeClock
from tests.kameleoon import SSE, STREAM_HEAD, FakeKameleoon

SENT = b'event: configuration-update-event\ndata: {"ts": 1}\n\n'


class Watched(EventStream):
    """A stream of a server's events that reconnects at once, and what it told."""

    def __init__(self, server: FakeKameleoon | str, *, silence: float = 30.0, clock: FakeClock | None = None) -> None:
        url = server if isinstance(server, str) else server.endpoints.events_url("site 1")
        super().__init__(
            Http(), url, random=Random(7), clock=clock or FakeClock(), first_reconnect=0.01, silence=silence
        )
        self.woken = threading.Event()
        self.timestamps: list[int] = []
        self.last = News(False, 0, None)

    def begin(self) -> None:
        self.start(self.woken.set)

    def ask(self) -> News:
        self.last = self.take()
        if self.last.timestamp is not None:
            self.timestamps.append(self.last.timestamp)
        return self.last

    def wait_open(self, openings: int = 1) -> None:
        wait_until(lambda: self.ask().is_open and self.last.openings >= openings)

    def wait_for(self, timestamp: int) -> None:
        wait_until(lambda: self.ask() and timestamp in self.timestamps)


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    server = FakeKameleoon()
    with server:
        yield server


@pytest.fixture
def stream(server: FakeKameleoon) -> Iterator[Watched]:
    stream = Watched(server)

    yield stream

    stream.stop(wait=2.0)


def stream_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kameleoon-stream"]


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_the_stream_is_that_of_the_specification(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()

    (request,) = server.requests(SSE)
    assert (request.method, request.target) == ("GET", "/sse?siteCode=site%201")
    assert (request.headers["accept"], request.headers["cache-control"]) == ("text/event-stream", "no-cache")
    (thread,) = stream_threads()
    assert thread.daemon


def test_an_event_is_told_once_by_its_timestamp(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()
    stream.woken.clear()

    server.push(1_790_000_000_000)

    assert stream.woken.wait(5.0)
    assert stream.take() == News(True, 1, 1_790_000_000_000)
    assert stream.take() == News(True, 1, None)
    assert stream.status().events == 1


def test_events_that_nobody_took_yet_are_told_as_the_newest(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()

    for timestamp in (5, 9, 7):
        server.push(timestamp)
    wait_until(lambda: stream.status().events == 3)

    assert stream.take().timestamp == 9


@pytest.mark.parametrize(
    "sent",
    [
        SENT.replace(b"update-event", b"something-else"),
        SENT.replace(b"event: configuration-update-event\n", b""),
        *(
            b"event: configuration-update-event\ndata: %b\n\n" % data
            for data in (
                *(b"", b"{", b"[]", b"null", b"1", b"hello", b"{}", b'{"ts": null}', b'{"ts": "1"}'),
                *(b'{"ts": 1.5}', b'{"ts": true}', b'{"ts": -1}', b'{"ts": 1e400}', b'{"ts": %b}' % (b"9" * 5000)),
                b'{"ts": ' + b"[" * 30_000,
            )
        ),
    ],
)
def test_other_events_and_malformed_ones_are_ignored(
    server: FakeKameleoon, stream: Watched, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stream.begin()
    stream.wait_open()

    server.send(sent)
    server.push(2)
    stream.wait_for(2)

    assert stream.timestamps == [2]
    assert (stream.last.openings, stream.status().events) == (1, 1)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_members_besides_the_timestamp_do_no_harm(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()

    server.send(SENT.replace(b"{", b'{"version": [1, {}], '))

    stream.wait_for(1)


def test_the_status_tells_how_it_goes(server: FakeKameleoon) -> None:
    clock = FakeClock()
    stream = Watched(server, clock=clock)
    assert stream.status().state is StreamState.OFF

    server.break_down(SSE, hangs())
    stream.begin()
    wait_until(lambda: server.requests(SSE))
    assert stream.status().state is StreamState.CONNECTING

    server.close()
    wait_until(lambda: stream.status().last_error)
    assert "127.0.0.1" in stream.status().last_error
    assert "site" not in stream.status().last_error
    stream.stop(wait=2.0)
    assert stream.status().state is StreamState.OFF


def test_the_status_counts_openings_events_and_time(server: FakeKameleoon) -> None:
    clock = FakeClock()
    stream = Watched(server, clock=clock)
    stream.begin()
    stream.wait_open()
    server.push(1)
    stream.wait_for(1)
    clock.advance(100.0)
    before = stream.status()

    server.drop_streams()
    stream.wait_open(2)
    after = stream.status()
    stream.stop(wait=2.0)

    assert (before.state, before.since_seconds, before.events, before.reconnects) == (StreamState.OPEN, 100.0, 1, 0)
    assert (after.state, after.since_seconds, after.events, after.reconnects) == (StreamState.OPEN, 0.0, 1, 1)
    assert after.last_error == ""


# --- how it ends, and begins again ------------------------------------------------------------------------------------


def cut_in_the_middle(server: FakeKameleoon) -> None:
    server.send(SENT[:-9])
    server.drop_streams()


ENDS: dict[str, Callable[[FakeKameleoon], object]] = {
    "end": FakeKameleoon.drop_streams,
    "reset": FakeKameleoon.reset_streams,
    "cut in an event": cut_in_the_middle,
    "a line of 8 MB": lambda server: server.send(b"x" * (8 << 20)),
    "an event of 8 MB": lambda server: server.send((b"data: " + b"x" * 999 + b"\n") * 8_000),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_stream_that_ends_is_opened_again(server: FakeKameleoon, stream: Watched, name: str) -> None:
    stream.begin()
    stream.wait_open()

    ENDS[name](server)
    stream.wait_open(2)
    server.push(2)

    stream.wait_for(2)
    assert stream.timestamps == [2]


def test_a_loss_is_told_though_nothing_follows(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()
    server.break_down(SSE, hangs())
    stream.woken.clear()

    server.drop_streams()

    assert stream.woken.wait(5.0)
    assert stream.take() == News(False, 1, None)


NO_STREAMS: dict[str, Answer] = {
    "overloaded": reply(503),
    "reset": resets(),
    "html": reply(200, b"<html>", {"Content-Type": "text/html"}),
    "no http": sends(b"SSH-2.0-OpenSSH_9.0\r\n"),
    "cut in the headers": sends(STREAM_HEAD[:40]),
    "ended at once": sends(STREAM_HEAD),
    "compressed": sends(STREAM_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n"),
    "elsewhere": reply(307, b"", {"Location": "http://other.example.org/sse"}),
}


@pytest.mark.parametrize("name", NO_STREAMS)
def test_an_answer_that_is_no_stream_is_tried_again(server: FakeKameleoon, stream: Watched, name: str) -> None:
    server.fail(SSE, *[NO_STREAMS[name]] * 3)

    stream.begin()
    wait_until(lambda: server.open_streams)
    server.push(2)

    stream.wait_for(2)
    assert len(server.requests(SSE)) == 4


def test_silence_ends_a_stream(server: FakeKameleoon) -> None:
    stream = Watched(server, silence=0.05)

    stream.begin()

    stream.wait_open(3)
    wait_until(lambda: "silent for 0.05 seconds" in stream.status().last_error)
    stream.stop(wait=2.0)


def test_keep_alives_keep_it_open(server: FakeKameleoon) -> None:
    stream = Watched(server, silence=0.4)
    server.break_down(SSE, drips(STREAM_HEAD, b":\n\n", seconds=0.05))
    stream.begin()
    stream.wait_open()
    opened = time.monotonic()

    wait_until(lambda: time.monotonic() - opened > 1.0)

    assert stream.take() == News(True, 1, None)
    stream.stop(wait=2.0)


def test_the_servers_own_rhythm_tells_how_long_silence_may_last(
    server: FakeKameleoon, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[ByteStream] = []
    genuine_stream = Http.stream

    def stream_and_remember(http: Http, url: str, **options: Any) -> ByteStream:
        connections.append(genuine_stream(http, url, **options))
        return connections[-1]

    monkeypatch.setattr(Http, "stream", stream_and_remember)
    clock = FakeClock()
    stream = Watched(server, clock=clock, silence=90.0)
    stream.begin()
    stream.wait_open()

    (connection,) = connections
    learned = []
    for pause in (0.0, 20.0, 20.0, 30.0, 5.0):
        clock.advance(pause)
        connection.silence_seconds = 1000.0
        server.send(b": keep-alive\n\n")
        wait_until(lambda: connection.silence_seconds != 1000.0)
        learned.append(connection.silence_seconds)
    stream.stop(wait=2.0)

    assert learned == [90.0, 90.0, 50.0, 75.0, 75.0]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_refusal_is_not_tried_again_for_minutes(
    server: FakeKameleoon, stream: Watched, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(SSE, reply(status))

    stream.begin()
    wait_until(lambda: stream.status().state is StreamState.WAITING)

    assert str(status) in stream.status().last_error
    wait_until(lambda: caplog.records)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert f"answered {status}" in warning
    stream.stop(wait=2.0)  # the wait is no obstacle
    assert stream_threads() == []
    assert len(server.requests(SSE)) == 1


def test_a_server_that_asks_to_wait_is_left_alone(server: FakeKameleoon, stream: Watched) -> None:
    server.fail(SSE, reply(503, b"", {"Retry-After": "1"}))
    began = time.monotonic()

    stream.begin()
    stream.wait_open()

    assert time.monotonic() - began >= 1.0


def test_a_bug_does_not_end_the_thread(server: FakeKameleoon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "_hear", lambda *_: 1 / 0)
    stream = Watched(server)
    stream.begin()
    stream.wait_open()

    server.push(1)

    stream.wait_open(2)
    stream.stop(wait=2.0)


# --- what the log says ------------------------------------------------------------------------------------------------


def test_each_change_of_state_is_one_line_and_an_outage_one_warning(
    server: FakeKameleoon, stream: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openfeature_kameleoon")
    stream.begin()
    stream.wait_open()

    server.break_down(SSE, reply(503))
    server.drop_streams()
    server.wait_for_requests(SSE, 6)
    server.break_down(SSE, None)
    stream.wait_open(2)
    wait_until(lambda: len(caplog.records) >= 4)

    opened, lost, warned, back = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert opened == back
    assert opened[0] == "INFO"
    assert "the stream is open" in opened[1]
    assert lost[0] == "INFO"
    assert "the stream is lost: the server ended it" in lost[1]
    assert warned[0] == "WARNING"
    assert "answered 503" in warned[1]


def test_a_short_outage_is_no_warning(server: FakeKameleoon, stream: Watched, caplog: pytest.LogCaptureFixture) -> None:
    server.fail(SSE, *[reply(503)] * 3)

    stream.begin()
    stream.wait_open()

    assert caplog.records == []


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_stop_closes_the_connection_and_a_later_start_opens_another(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.begin()
    stream.wait_open()

    stream.stop(wait=2.0)
    stream.stop(wait=2.0)
    assert stream_threads() == []
    assert not stream.take().is_open
    wait_until(lambda: not server.open_streams)

    stream.begin()
    stream.wait_open(2)
    assert stream.status().reconnects == 0
    assert len(server.requests(SSE)) == 2


def test_a_stop_that_does_not_wait_ends_the_thread_too(server: FakeKameleoon, stream: Watched) -> None:
    stream.begin()
    stream.wait_open()

    stream.stop()

    assert stream.status().state is StreamState.OFF
    wait_until(lambda: not stream_threads() and not server.open_streams)


def test_a_stop_in_the_moment_of_opening_counts(server: FakeKameleoon, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, genuine_stream = Watched(server), Http.stream

    def stream_and_stop(http: Http, url: str, **options: Any) -> ByteStream:
        connection = genuine_stream(http, url, **options)
        monkeypatch.setattr(Http, "abort", lambda _: None)  # it comes too early, or too late
        stream.stop()
        return connection

    monkeypatch.setattr(Http, "stream", stream_and_stop)

    stream.begin()

    wait_until(lambda: not stream_threads())
    assert stream.take() == News(False, 0, None)


HANGING: dict[str, Answer] = {
    "headers": hangs(),
    "dripping headers": drips(b"HTTP/1.1 200 OK\r\n", b"X-Long: 1\r\n"),
    "body": drips(STREAM_HEAD, b"", seconds=1.0),
    "dripping body": drips(STREAM_HEAD, b"data: x\n", seconds=0.001),
}


@pytest.mark.parametrize("name", HANGING)
def test_a_server_that_hangs_does_not_delay_a_stop(server: FakeKameleoon, stream: Watched, name: str) -> None:
    server.break_down(SSE, HANGING[name])
    stream.begin()
    server.wait_for_requests(SSE, 1)
    began = time.monotonic()

    stream.stop(wait=10.0)

    assert time.monotonic() - began < 2.0
    assert stream_threads() == []


def test_a_server_that_does_not_accept_does_not_delay_a_stop() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        stream = Watched(Endpoints(events=f"http://127.0.0.1:{port}").events_url("site1"))
        full = [socket.socket() for _ in range(4)]  # the queue is full: a connection is neither made nor refused
        for waiting in full:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        stream.begin()
        wait_until(lambda: stream.status().state is StreamState.CONNECTING)
        began = time.monotonic()

        stream.stop(wait=10.0)

        assert time.monotonic() - began < 2.0
        assert stream_threads() == []
        for waiting in full:
            waiting.close()


# --- fork -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_off_until_it_opens_its_own_and_the_parents_goes_on(
    server: FakeKameleoon, stream: Watched
) -> None:
    stream.begin()
    stream.wait_open()
    reader, writer = os.pipe()

    child = os.fork()
    if not child:
        stream.renew()
        told = [stream.take(), stream.status().state.value]
        stream.begin()
        stream.wait_open()
        stream.stop(wait=2.0)
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = json.loads(pipe.read())
    server.push(2)

    assert told == [[False, 0, None], "off"]
    stream.wait_for(2)
    assert stream.last.openings == 1
    assert len(server.requests(SSE)) == 2


# --- how long it waits ------------------------------------------------------------------------------------------------


def lost(reconnects: Reconnects, clock: FakeClock, open_seconds: float | None = None) -> float:
    if open_seconds is not None:
        reconnects.opened()
        clock.advance(open_seconds)
    return reconnects.wait_seconds()


def distance_from_uniform(waits: list[float], bound: float) -> float:
    """Kolmogorov and Smirnov's: the largest between the shares of waits up to a length, as they are and should be."""
    return max(
        max(abs((at + 1) / len(waits) - wait / bound), abs(at / len(waits) - wait / bound))
        for at, wait in enumerate(sorted(waits))
    )


@pytest.mark.parametrize(("failures", "bound"), [(1, 8.0), (2, 16.0), (3, 32.0), (4, 60.0), (500, 60.0)])
def test_r10_waits_are_uniform_up_to_a_bound_that_doubles(failures: int, bound: float) -> None:
    clients = 1000
    waits = []
    for seed in range(clients):
        reconnects = Reconnects(Random(seed), FakeClock())
        waits.append([reconnects.wait_seconds() for _ in range(failures)][-1])

    assert distance_from_uniform(waits, bound) < 1.63 / clients**0.5  # exceeded by chance once in a hundred
    assert statistics.mean(waits) == pytest.approx(bound / 2, rel=0.05)


def test_a_stream_that_held_for_a_minute_begins_anew() -> None:
    def longest(open_seconds: float) -> float:
        longest = 0.0
        for seed in range(300):
            clock = FakeClock()
            reconnects = Reconnects(Random(seed), clock)
            for _ in range(5):
                reconnects.wait_seconds()
            longest = max(longest, lost(reconnects, clock, open_seconds))
        return longest

    assert 7.5 < longest(60.0) <= 8.0
    assert 55.0 < longest(59.0) <= 60.0


def test_a_stream_that_flaps_is_opened_less_and_less() -> None:
    clock = FakeClock()
    reconnects = Reconnects(Random(7), clock)

    openings = 0
    while clock.monotonic() < 1_000.0 + 3600.0:
        clock.advance(lost(reconnects, clock, open_seconds=1.0))
        openings += 1

    assert openings < 200


def test_refusals_and_what_the_server_asks_are_waited_out() -> None:
    reconnects = Reconnects(Random(7), FakeClock())

    refused = [reconnects.wait_seconds(is_refused=True) for _ in range(300)]
    asked = [Reconnects(Random(seed), FakeClock()).wait_seconds(asked=200.0) for seed in range(300)]

    assert 150.0 <= min(refused) < 155.0 < 295.0 < max(refused) <= 300.0
    assert 200.0 <= min(asked) < max(asked) <= 208.0
    assert reconnects.wait_seconds(is_refused=True, asked=300.0) == 300.0


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([], 90.0),
        ([0.0], 90.0),
        ([0.1, 20.0], 50.0),
        ([20.0, 21.0, 20.0], 52.5),
        ([0.5, 0.5, 0.5], 15.0),
        ([60.0, 60.0], 90.0),
        ([30.0, 5.0, 5.0], 75.0),
    ],
)
def test_silence_is_measured_by_the_longest_pause_between_keep_alives(pauses: list[float], expected: float) -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock)
    allowed = heartbeat.beat()

    for pause in pauses:
        clock.advance(pause)
        allowed = heartbeat.beat()

    assert allowed == pytest.approx(expected)
