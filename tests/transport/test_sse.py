from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from random import Random

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.transport.http import ByteStream, Http
from openfeature_kameleoon.transport.sse import EVENT_STREAM_HEADERS, ServerEvent, events_of, read_events
from tests.chaos import ChaosServer, drips, reply, response_bytes, sends
from tests.kameleoon import STREAM_HEAD

EVENT = ServerEvent("configuration-update-event", '{"ts": 1}')
SENT = b'event: configuration-update-event\ndata: {"ts": 1}\n\n'


def events(*pieces: bytes) -> list[ServerEvent]:
    return [event for event in read_events(pieces) if event is not None]


# --- what the bytes mean ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (SENT, [EVENT]),
        (SENT * 3, [EVENT] * 3),
        (SENT.replace(b"\n", b"\r\n"), [EVENT]),
        (SENT.replace(b"\n", b"\r"), [EVENT]),
        (b"\n\n" + SENT + b"\n\n", [EVENT]),
        (b": a comment\n" + SENT, [EVENT]),
        (b'event:configuration-update-event\ndata:{"ts": 1}\n\n', [EVENT]),
        (b'id: 7\nretry: 9\ndata: {"ts": 1}\nevent: configuration-update-event\nnonsense\n\n', [EVENT]),
        (b"data: one\ndata: two\n\n", [ServerEvent("message", "one\ntwo")]),
        (b"event: nothing\n\n", []),
        (b"data\n\n", [ServerEvent("message", "")]),
        (b": keep-alive\n\n", []),
        (SENT[:-1], []),
        (b"", []),
        (b"\xff\xfe\x00\n\n" + SENT, [EVENT]),
        (b"data: \xff\n\n", [ServerEvent("message", "\N{REPLACEMENT CHARACTER}")]),
        ("data: \u2028\u00e9\n\n".encode(), [ServerEvent("message", "\u2028\u00e9")]),
        (b"database: 1\n\n" + SENT, [EVENT]),
        (b"<html><body>Welcome to our hotel</body></html>\n\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(sent: bytes, expected: list[ServerEvent]) -> None:
    assert events(sent) == expected


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_pieces_may_end_anywhere(line_end: bytes) -> None:
    sent = (b": hello\n\n" + SENT * 2).replace(b"\n", line_end)

    for cut in range(len(sent)):
        assert events(sent[:cut], sent[cut:]) == [EVENT] * 2
    assert events(*(sent[at : at + 1] for at in range(len(sent)))) == [EVENT] * 2


def test_an_event_that_is_cut_short_is_left_out() -> None:
    for cut in range(len(SENT)):
        assert events(SENT + SENT[:cut]) == [EVENT]


def test_bytes_that_complete_no_event_are_signs_of_life() -> None:
    assert list(read_events([b": keep-alive\n\n", b"\n", SENT, SENT[:9], SENT[9:]])) == [None, None, EVENT, None, EVENT]


# --- what it may cost -------------------------------------------------------------------------------------------------


def lines_of(size: int, count: int) -> bytes:
    return (b"data: " + b"x" * (size - 6) + b"\n") * count


def test_a_line_and_an_event_as_long_as_allowed_pass() -> None:
    (long_line,) = events(lines_of(64 << 10, 1) + b"\n")
    (long_event,) = events(lines_of(64 << 10, 16) + b"\n")
    (many_lines,) = events(lines_of(1000, 1000) + b"\n")

    assert len(long_line.data) == (64 << 10) - 6
    assert len(long_event.data) == 16 * ((64 << 10) - 6) + 15
    assert len(many_lines.data) == 1000 * 994 + 999


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        (lines_of((64 << 10) + 1, 1), "a line"),
        (b"x" * (8 << 20), "a line"),
        (b":" + b" " * (8 << 20), "a line"),
        (lines_of(64 << 10, 17), "an event"),
        (lines_of(8, 1001), "an event"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [7, 1 << 16, 1 << 30])
def test_what_is_longer_ends_the_stream_before_much_of_it_is_read(sent: bytes, what: str, piece_bytes: int) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for at in range(0, len(sent), piece_bytes):
            taken += piece_bytes
            yield sent[at : at + piece_bytes]

    with pytest.raises(RequestFailed, match=f"^{what} of the stream is too long$"):
        list(read_events(pieces()))

    assert taken <= max(piece_bytes, (1 << 20) + (1 << 17))


def test_comments_without_end_are_not_kept() -> None:
    assert events(*[b": " + b"x" * 60_000 + b"\n"] * 100, SENT) == [EVENT]


def test_the_largest_event_takes_no_time_to_speak_of() -> None:
    started = time.perf_counter()

    events(lines_of(1048, 1000) + b"\n")

    assert time.perf_counter() - started < 2.0  # 0.03 s; what the caps keep away may take sseclient 25 s


def test_random_bytes_are_either_read_or_refused() -> None:
    random = Random(7)
    for _ in range(300):
        pieces = [random.choice([random.randbytes(40), SENT[: random.randrange(len(SENT))]]) for _ in range(40)]

        assert all(isinstance(event, ServerEvent) for event in events(*pieces))


def test_no_foreign_field_gets_into_sseclients_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    events(b"forged\x1b[31m: 1\nid: \x1b[31m\n" + SENT)

    assert not any("\x1b" in record.getMessage() for record in caplog.records)


# --- on the wire ------------------------------------------------------------------------------------------------------


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


def opened(http: Http, server: ChaosServer) -> ByteStream:
    return http.stream(server.url, headers=EVENT_STREAM_HEADERS, connect_timeout=5.0, silence_seconds=5.0)


def test_the_request_is_that_of_the_specification(http: Http) -> None:
    with ChaosServer(sends(STREAM_HEAD + SENT)) as server, opened(http, server) as stream:
        assert list(events_of(stream)) == [EVENT]

    headers = server.received[0].headers
    assert (headers["accept"], headers["cache-control"]) == ("text/event-stream", "no-cache")
    assert headers["connection"].lower() == "keep-alive"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response_bytes(404), "answered 404: the server knows no such stream"),
        (response_bytes(503), "answered 503"),
        (response_bytes(200, SENT), "not one but application/json"),
        (response_bytes(200, SENT, {"Content-Type": ""}), "not one but of no type"),
        (response_bytes(200, SENT, {"Content-Type": "text/event-streams"}), "not one but text/event-streams"),
    ],
)
def test_an_answer_that_is_no_stream_of_events_is_refused_at_once(http: Http, answer: bytes, said: str) -> None:
    with (
        ChaosServer(sends(answer)) as server,
        opened(http, server) as stream,
        pytest.raises(RequestFailed, match=said) as refused,
    ):
        events_of(stream)

    assert refused.value.status == int(answer.split()[1])


def test_a_type_with_a_charset_is_taken(http: Http) -> None:
    answer = reply(200, SENT, {"Content-Type": "Text/Event-Stream; charset=utf-8"})
    with ChaosServer(answer) as server, opened(http, server) as stream:
        assert list(events_of(stream)) == [EVENT]


def test_an_event_that_drips_in_is_read(http: Http) -> None:
    with ChaosServer(drips(STREAM_HEAD, SENT, seconds=0.001)) as server, opened(http, server) as stream:
        assert next(event for event in events_of(stream) if event) == EVENT
