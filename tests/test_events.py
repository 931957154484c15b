"""Events for applications: what handlers are told of requests and data files, and what they cannot disturb."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.events import (
    DatafileSource,
    DatafileUpdate,
    EventHandlers,
    EventType,
    HttpRequestFailure,
    HttpRequestFailureReason,
    RequestType,
)
from openfeature_kameleoon.transport.attempts import Attempt

HTTP_STATUS, EXCEPTION, CANCELLED = HttpRequestFailureReason


class Requests(list[tuple[RequestType, object, int]]):
    """A handler that remembers what it was told of requests."""

    def on_request_succeeded(self, request_type: RequestType, http_status: int, duration_millis: int) -> None:
        self.append((request_type, http_status, duration_millis))

    def on_request_failed(self, request_type: RequestType, failure: HttpRequestFailure, duration_millis: int) -> None:
        self.append((request_type, failure, duration_millis))


class Updates(list[DatafileUpdate]):
    """A handler that remembers what it was told of data files."""

    def on_update(self, event: DatafileUpdate) -> None:
        self.append(event)


class Broken:
    """A handler that never works."""

    calls = 0

    def fail(self, *_: object) -> None:
        self.calls += 1
        raise RuntimeError("broken")

    on_request_succeeded = on_request_failed = on_update = fail


def answered(status: int, seconds: float = 0.25) -> Attempt:
    return Attempt(RequestType.TRACKING, seconds, status, None)


def failed(**options: Any) -> Attempt:
    return Attempt(RequestType.DATAFILE, 1.5, None, RequestFailed("it failed", **options))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records]


@pytest.fixture
def handlers() -> EventHandlers:
    return EventHandlers()


@pytest.mark.parametrize("status", [200, 204, 299, 304, 403])
def test_a_success_is_told_with_its_status(handlers: EventHandlers, status: int) -> None:
    told = Requests()
    handlers.set(EventType.HTTP_REQUEST, told)

    handlers.attempted(answered(status))

    assert told == [(RequestType.TRACKING, status, 250)]


@pytest.mark.parametrize("status", [100, 199, 300, 301, 400, 401, 404, 429, 500, 503])
def test_another_status_is_a_failure(handlers: EventHandlers, status: int) -> None:
    told = Requests()
    handlers.set(EventType.HTTP_REQUEST, told)

    handlers.attempted(answered(status))

    assert told == [(RequestType.TRACKING, HttpRequestFailure(HTTP_STATUS, http_status=status), 250)]


@pytest.mark.parametrize(
    ("attempt", "reason", "status"),
    [
        (failed(), EXCEPTION, None),
        (failed(timed_out=True), CANCELLED, None),
        (failed(status=200), EXCEPTION, None),  # cut short
        (failed(status=200, timed_out=True), CANCELLED, None),  # dripping
        (failed(status=301), HTTP_STATUS, 301),  # a redirect, which is not followed
        (failed(status=503), HTTP_STATUS, 503),
    ],
)
def test_what_brought_no_usable_answer_says_why(
    handlers: EventHandlers, attempt: Attempt, reason: HttpRequestFailureReason, status: int | None
) -> None:
    told = Requests()
    handlers.set(EventType.HTTP_REQUEST, told)

    handlers.attempted(attempt)

    [(kind, failure, milliseconds)] = told
    assert (kind, milliseconds) == (RequestType.DATAFILE, 1500)
    assert failure == HttpRequestFailure(reason, status, attempt.failure if reason is EXCEPTION else None)


@pytest.mark.parametrize(
    ("trigger", "source"), [("POLLING", DatafileSource.POLLING), ("STREAMING", DatafileSource.STREAMING)]
)
def test_an_update_says_what_made_the_client_look(handlers: EventHandlers, trigger: Any, source: object) -> None:
    told = Updates()
    handlers.set(EventType.DATAFILE_UPDATE, told)

    handlers.updated(trigger, 1_790_000_000_000)

    [event] = told
    assert (event.source, event.date_modified) == (source, 1_790_000_000_000)


def test_there_is_one_handler_of_a_type_and_none_at_the_end(handlers: EventHandlers) -> None:
    first, second, updates = Requests(), Requests(), Updates()
    handlers.attempted(answered(200))  # there is none yet
    handlers.updated("POLLING", 0)

    handlers.set(EventType.HTTP_REQUEST, first)
    handlers.set(EventType.DATAFILE_UPDATE, updates)
    handlers.attempted(answered(201))
    handlers.set(EventType.HTTP_REQUEST, second)
    handlers.attempted(answered(202))
    handlers.set(EventType.HTTP_REQUEST, None)
    handlers.attempted(answered(203))
    handlers.updated("POLLING", 1)

    assert [status for _, status, _ in first] == [201]
    assert [status for _, status, _ in second] == [202]
    assert [event.date_modified for event in updates] == [1]


@pytest.mark.parametrize(
    ("event_type", "handler"),
    [
        (EventType.HTTP_REQUEST, Updates()),
        (EventType.HTTP_REQUEST, lambda: None),
        (EventType.HTTP_REQUEST, type("Half", (), {"on_request_failed": Broken.fail})()),
        (EventType.HTTP_REQUEST, type("Odd", (), {"on_request_failed": 1, "on_request_succeeded": 2})()),
        (EventType.DATAFILE_UPDATE, Requests()),
        ("HTTP_REQUEST", Requests()),
        (None, Requests()),
    ],
)
def test_a_handler_that_lacks_a_method_changes_nothing(
    handlers: EventHandlers, event_type: Any, handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    requests, updates = Requests(), Updates()
    handlers.set(EventType.HTTP_REQUEST, requests)
    handlers.set(EventType.DATAFILE_UPDATE, updates)

    handlers.set(event_type, handler)
    handlers.attempted(answered(200))
    handlers.updated("POLLING", 1)

    assert (len(requests), len(updates)) == (1, 1)
    assert warnings(caplog) == ["ERROR"]
    assert "no handler is set" in caplog.text


def test_a_handler_that_raises_disturbs_nobody_and_is_told_of_once(
    handlers: EventHandlers, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken()
    handlers.set(EventType.HTTP_REQUEST, broken)
    handlers.set(EventType.DATAFILE_UPDATE, broken)

    for _ in range(3):
        handlers.attempted(answered(200))
        handlers.attempted(failed())
        handlers.updated("POLLING", 1)
    assert broken.calls == 9
    assert warnings(caplog) == ["WARNING", "WARNING"]

    handlers.set(EventType.HTTP_REQUEST, Broken())
    handlers.attempted(answered(200))
    assert warnings(caplog) == ["WARNING"] * 3


def test_what_ends_a_program_is_not_held_back(handlers: EventHandlers) -> None:
    class Quitting(Updates):
        def on_update(self, event: DatafileUpdate) -> None:
            raise KeyboardInterrupt

    handlers.set(EventType.DATAFILE_UPDATE, Quitting())

    with pytest.raises(KeyboardInterrupt):
        handlers.updated("POLLING", 1)


def test_there_is_a_name_for_every_kind_of_request() -> None:
    assert [kind.name for kind in RequestType] == [
        *("DATAFILE", "TRACKING", "REMOTE_VISITOR_DATA", "REMOTE_DATA", "ACCESS_TOKEN")
    ]
    assert [kind.name for kind in EventType] == ["HTTP_REQUEST", "DATAFILE_UPDATE"]
