from __future__ import annotations

import logging

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from openfeature_kameleoon.transport.http import Http
from tests.chaos import Answer, ChaosServer, hangs, reply, resets, sends

DEADLINE = 0.3


@pytest.mark.parametrize("kind", RequestType)
@pytest.mark.parametrize("status", [200, 304, 401, 403, 503])
def test_an_answer_is_told_with_its_status_whatever_that_is(kind: RequestType, status: int) -> None:
    told: list[Attempt] = []
    http = Http(observe=told.append)

    with ChaosServer(reply(status)) as server:
        http.request("GET", server.url, kind=kind, timeout=5)
    http.close()

    (attempt,) = told
    assert (attempt.kind, attempt.status, attempt.failure) == (kind, status, None)
    assert 0 < attempt.seconds < 5


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (resets(), None),
        (hangs(), None),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), None),
        (reply(200, b"x", {"Content-Encoding": "br"}), 200),
        (reply(302, b"", {"Location": "/"}), 302),
        (reply(200, b"x" * 2000), 200),
    ],
    ids=["reset", "silence", "cut", "encoding", "redirect", "too large"],
)
def test_what_is_no_usable_answer_is_told_as_the_failure_that_is_raised(answer: Answer, status: int | None) -> None:
    told: list[Attempt] = []
    http = Http(observe=told.append)

    with ChaosServer(answer) as server, pytest.raises(RequestFailed) as failed:
        http.request("GET", server.url, kind=RequestType.DATAFILE, timeout=DEADLINE, max_bytes=1000)
    http.close()

    (attempt,) = told
    assert (attempt.kind, attempt.status, attempt.failure) == (RequestType.DATAFILE, None, failed.value)
    assert failed.value.status == status
    assert attempt.seconds > 0


def test_a_request_for_which_no_time_is_left_is_none_to_tell_of() -> None:
    told: list[Attempt] = []

    with pytest.raises(RequestFailed, match="no time left"):
        Http(observe=told.append).request("GET", "http://127.0.0.1:1", kind=RequestType.TRACKING, timeout=0)

    assert told == []


def test_an_observer_that_raises_breaks_nothing_and_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    def break_down(attempt: Attempt) -> None:
        raise KeyError("of the application")

    http = Http(observe=break_down)
    with ChaosServer(reply(200, b"{}"), resets(), reply(200, b"{}")) as server:
        first = http.request("GET", server.url, kind=RequestType.DATAFILE, timeout=5)
        with pytest.raises(RequestFailed, match="cut short"):
            http.request("GET", server.url, kind=RequestType.DATAFILE, timeout=5)
        last = http.request("GET", server.url, kind=RequestType.DATAFILE, timeout=5)
    http.close()

    assert (first.body, last.body) == (b"{}", b"{}")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "the observer of requests failed" in record.getMessage()
