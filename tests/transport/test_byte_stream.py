from __future__ import annotations

import gzip
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import trustme

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.transport.byte_stream import ByteStream
from openfeature_kameleoon.transport.deadline import DeadlineAdapter
from openfeature_kameleoon.transport.http import Http
from tests.chaos import Answer, ChaosServer, drips, hangs, reply, resets, sends, wait_until
from tests.kameleoon import FakeKameleoon
from tests.transport.test_tls import serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
OPEN = HEAD + b"\r\n"
CUT = "the answer was cut short"
DEADLINE = 0.3
SLACK = 1.0
FOR_EVER = 60.0


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


def open_stream(
    http: Http, server: ChaosServer, *, connect_timeout: float = 5.0, silence_seconds: float = 5.0
) -> ByteStream:
    url = f"{server.url}/sse?siteCode=hidden"
    headers = {"Accept": "text/event-stream"}
    return http.stream(url, headers=headers, connect_timeout=connect_timeout, silence_seconds=silence_seconds)


class Reader:
    """A stream read on a thread of its own: what came, and how it ended."""

    def __init__(self, stream: ByteStream) -> None:
        self.pieces: list[bytes] = []
        self.ending: object = None
        self._stream = stream
        self.thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            self.pieces.extend(self._stream)
            self.ending = "the end"
        except RequestFailed as failure:
            self.ending = failure

    def join(self) -> object:
        """How it ended; fails when it does not end at once."""
        self.thread.join(SLACK)
        assert not self.thread.is_alive(), "it still reads"
        return self.ending


# --- what comes ---------------------------------------------------------------------------------------------


def test_bytes_come_as_they_are_sent(http: Http) -> None:
    with FakeKameleoon() as server, open_stream(http, server) as stream:
        wait_until(lambda: server.open_streams == 1)
        pieces = iter(stream)
        server.send(b"event: one\n")
        first = next(pieces)
        server.send(b"\n: heartbeat\n\n")
        second = next(pieces)

    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    assert (first, second) == (b"event: one\n", b"\n: heartbeat\n\n")


def test_the_request_asks_for_no_encoding(http: Http) -> None:
    with ChaosServer(sends(OPEN)) as server, open_stream(http, server):
        pass

    (request,) = server.received
    assert request.method == "GET"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (sends(OPEN + b"abc"), b"abc"),
        (sends(OPEN), b""),
        (sends(CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), b"abc"),
        (reply(200, b"abc"), b"abc"),
        (reply(500, b"abc"), b"abc"),
        (reply(204), b""),
    ],
    ids=["until the end", "nothing", "chunks", "announced", "any status", "no content"],
)
def test_a_stream_ends_where_its_server_ends_it(http: Http, answer: Answer, body: bytes) -> None:
    with ChaosServer(answer) as server, open_stream(http, server) as stream:
        assert b"".join(stream) == body
        assert list(stream) == []


@pytest.mark.parametrize(
    "answer",
    [
        sends(CHUNKED + b"5\r\nabc"),
        sends(CHUNKED + b"3\r\nabc\r\n"),
        sends(HEAD + b"Content-Length: 9\r\n\r\nabc"),
    ],
    ids=["in a chunk", "between chunks", "before its length"],
)
def test_a_stream_that_is_cut_short_fails_after_what_came(http: Http, answer: Answer) -> None:
    with ChaosServer(answer) as server, open_stream(http, server) as stream:
        came: list[bytes] = []
        with pytest.raises(RequestFailed, match=CUT) as failed:
            came.extend(stream)
        assert list(stream) == []

    assert failed.value.retryable
    assert failed.value.__context__ is None


# --- what does not open -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (resets(), CUT),
        (sends(b""), CUT),
        (sends(b"SSH-2.0-OpenSSH_9.0\r\n\r\n"), CUT),
        (reply(302, b"", {"Location": "http://elsewhere.example.org/"}), "redirected to elsewhere.example.org"),
        (reply(200, gzip.compress(b"x"), {"Content-Encoding": "gzip"}), "encoded as gzip, where no encoding"),
    ],
)
def test_what_is_no_stream_is_a_failure(http: Http, answer: Answer, told: str) -> None:
    with ChaosServer(answer) as server, pytest.raises(RequestFailed, match=told) as failed:
        open_stream(http, server)

    assert "hidden" not in failed.value.message
    assert failed.value.__context__ is None


@pytest.mark.parametrize("answer", [hangs(), drips(b"", HEAD), drips(HEAD, b"X: 1\r\n")])
def test_an_answer_that_does_not_begin_in_time_is_a_failure(http: Http, answer: Answer) -> None:
    with ChaosServer(answer) as server:
        started = time.monotonic()
        with pytest.raises(RequestFailed, match="no complete answer in time") as failed:
            open_stream(http, server, connect_timeout=DEADLINE)
        took = time.monotonic() - started

    assert failed.value.timed_out
    assert took < DEADLINE + SLACK


def test_no_observer_is_told_of_streams() -> None:
    told: list[object] = []
    http = Http(observe=told.append)

    with ChaosServer(sends(OPEN + b"abc")) as server, open_stream(http, server) as stream:
        assert list(stream) == [b"abc"]
    with ChaosServer(resets()) as server, pytest.raises(RequestFailed):
        open_stream(http, server)
    http.close()

    assert told == []


# --- silence ------------------------------------------------------------------------------------------------


def test_a_stream_may_live_on_long_after_the_time_to_connect(http: Http) -> None:
    with (
        ChaosServer(drips(OPEN, b"x", 0.02)) as server,
        open_stream(http, server, connect_timeout=DEADLINE) as stream,
    ):
        started = time.monotonic()
        for _ in stream:
            if time.monotonic() - started > 2 * DEADLINE:
                break


@pytest.mark.parametrize("head", [OPEN, CHUNKED], ids=["endless", "chunks"])
def test_a_silent_stream_fails(http: Http, head: bytes) -> None:
    with ChaosServer(drips(head, b"1", FOR_EVER)) as server:
        stream = open_stream(http, server, silence_seconds=DEADLINE)
        with pytest.raises(RequestFailed, match=f"/sse: silent for {DEADLINE} seconds") as failed:
            list(stream)

    assert (failed.value.timed_out, failed.value.retryable) == (True, True)


def test_how_long_a_stream_may_be_silent_can_be_changed_between_reads(http: Http) -> None:
    with FakeKameleoon() as server, open_stream(http, server, silence_seconds=FOR_EVER) as stream:
        wait_until(lambda: server.open_streams == 1)
        pieces = iter(stream)
        server.send(b"x")
        next(pieces)

        stream.silence_seconds = DEADLINE

        with pytest.raises(RequestFailed, match="silent for"):
            next(pieces)
        assert stream.silence_seconds == DEADLINE


# --- ended from outside -------------------------------------------------------------------------------------

ENDLESS = [
    drips(OPEN, b"x", 0.01),
    drips(OPEN, b"x", FOR_EVER),
    drips(CHUNKED, b"0", 0.01),
    drips(CHUNKED, b"0", FOR_EVER),
]
ENDLESS_IDS = ["drip", "silence", "chunk size that drips", "silence in a chunk size"]


@pytest.fixture
def make_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer, bool], ChaosServer]:
    """Make a server, with TLS or without, whose certificate is good."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))

    def make(answer: Answer, is_tls: bool) -> ChaosServer:
        return ChaosServer(answer, tls=serving(authority.issue_cert("127.0.0.1")) if is_tls else None)

    return make


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("answer", ENDLESS, ids=ENDLESS_IDS)
def test_closing_a_stream_ends_the_read_that_blocks(
    http: Http, make_server: Callable[[Answer, bool], ChaosServer], answer: Answer, is_tls: bool
) -> None:
    with make_server(answer, is_tls) as server:
        stream = open_stream(http, server, silence_seconds=FOR_EVER)
        reader = Reader(stream)
        reader.thread.join(0.05)

        stream.close()
        stream.close()

        assert reader.join() == "the end"
        assert list(stream) == []


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("answer", ENDLESS, ids=ENDLESS_IDS)
def test_an_abort_fails_the_stream_that_is_read(
    http: Http, make_server: Callable[[Answer, bool], ChaosServer], answer: Answer, is_tls: bool
) -> None:
    with make_server(answer, is_tls) as server:
        reader = Reader(open_stream(http, server, silence_seconds=FOR_EVER))
        reader.thread.join(0.05)

        http.abort()

        ending = reader.join()
    assert isinstance(ending, RequestFailed)
    assert ending.message.endswith("/sse: ended on this side")
    assert ending.timed_out


def test_an_abort_ends_a_stream_that_is_not_open_yet(http: Http) -> None:
    failures: list[RequestFailed] = []

    def open_it() -> None:
        try:
            open_stream(http, server, connect_timeout=FOR_EVER)
        except RequestFailed as failure:
            failures.append(failure)

    with ChaosServer(hangs()) as server:
        thread = threading.Thread(target=open_it)
        thread.start()
        server.wait_for(1)
        http.abort()
        thread.join(SLACK)

    assert [failure.message.endswith("ended on this side") for failure in failures] == [True]


def test_a_stream_that_nobody_reads_can_be_closed_and_its_server_sees_it(http: Http) -> None:
    left = threading.Event()

    def answer(connection: socket.socket, _: threading.Event) -> bool:
        connection.sendall(OPEN)
        connection.recv(1)
        left.set()
        return False

    with ChaosServer(answer) as server:
        open_stream(http, server).close()

        assert left.wait(SLACK)


def test_streams_opened_and_closed_at_any_moment_leave_nothing_behind(http: Http) -> None:
    with ChaosServer(drips(OPEN, b"x", 0.001)) as server:
        for turn in range(50):
            stream = open_stream(http, server, silence_seconds=FOR_EVER)
            reader = Reader(stream)
            reader.thread.join(0.0002 * turn)
            stream.close()
            assert reader.join() == "the end"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_that_closes_a_stream_leaves_its_parents_open(http: Http) -> None:
    with FakeKameleoon() as server, open_stream(http, server) as stream:
        reader = Reader(stream)
        wait_until(lambda: server.open_streams == 1)
        child = os.fork()
        if child == 0:
            http.abort()
            came = list(stream)
            stream.close()
            os._exit(len(came))
        _, status = os.waitpid(child, 0)

        server.send(b"still open")

        wait_until(lambda: reader.pieces == [b"still open"])
        stream.close()
        assert (status, reader.join()) == (0, "the end")


# --- sessions of the user's ---------------------------------------------------------------------------------


def test_with_our_adapter_a_users_session_streams_just_as_well() -> None:
    with requests.Session() as session, ChaosServer(drips(OPEN, b"x", FOR_EVER)) as server:
        session.mount("http://", DeadlineAdapter())
        stream = open_stream(Http(session), server, silence_seconds=FOR_EVER)
        reader = Reader(stream)
        reader.thread.join(0.05)

        stream.close()

        assert reader.join() == "the end"


def test_without_it_a_silent_stream_fails_after_the_silence_it_began_with() -> None:
    with requests.Session() as session, ChaosServer(drips(OPEN, b"x", FOR_EVER)) as server:
        stream = open_stream(Http(session), server, silence_seconds=DEADLINE)

        with pytest.raises(RequestFailed, match="silent for"):
            list(stream)


def test_without_it_a_stream_that_drips_ends_after_closing_with_its_next_byte() -> None:
    with requests.Session() as session, ChaosServer(drips(OPEN, b"x", 0.01)) as server:
        stream = open_stream(Http(session), server, silence_seconds=FOR_EVER)
        reader = Reader(stream)
        wait_until(lambda: len(reader.pieces) > 1)

        stream.close()

        assert reader.join() == "the end"
