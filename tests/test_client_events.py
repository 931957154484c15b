"""What a client's event handlers are told of real requests and data files (specs/kameleoon-sdk.md 10.7)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import (
    DatafileSource,
    EventType,
    HttpRequestFailure,
    HttpRequestFailureReason,
    KameleoonClient,
    KameleoonClientConfiguration,
    RequestType,
)
from openfeature_kameleoon.errors import DataFileInvalid, RequestFailed
from tests.chaos import hangs, reply, resets, wait_until
from tests.faces import client_of, flag, replace, rule, site
from tests.kameleoon import DATA_FILE, EVENTS, MAP, FakeKameleoon
from tests.test_events import Requests, Updates

HTTP_STATUS, EXCEPTION, CANCELLED = HttpRequestFailureReason
FLAGS = site(flag("f", rule(1, ("on", 1))), dateModified=1)


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS) as kameleoon:
        yield kameleoon


def client_on(kameleoon: FakeKameleoon, **settings: Any) -> KameleoonClient:
    """A client that has not begun."""
    configuration = KameleoonClientConfiguration(**settings)
    return KameleoonClient("site", configuration_object=configuration, endpoints=kameleoon.endpoints, autostart=False)


def test_each_kind_of_request_is_told_of(kameleoon: FakeKameleoon) -> None:
    told = Requests()
    with client_on(kameleoon, multi_threading=False, client_id="id", client_secret="secret") as client:
        client.set_event_handler(EventType.HTTP_REQUEST, told)

        client.wait_init()
        client.get_remote_visitor_data("somebody")
        client.get_remote_data("no such key")
        client.track_conversion("somebody", 5)
        client.flush("somebody")
        client.refresh()

    assert [(kind, status) for kind, status, _ in told] == [
        (RequestType.DATAFILE, 200),
        (RequestType.ACCESS_TOKEN, 200),
        (RequestType.REMOTE_VISITOR_DATA, 200),
        (RequestType.REMOTE_DATA, HttpRequestFailure(HTTP_STATUS, http_status=404)),
        (RequestType.TRACKING, 200),
        (RequestType.DATAFILE, 304),
    ]
    assert all(0 <= milliseconds < 5000 for *_, milliseconds in told)


def test_a_failure_tells_its_reason(kameleoon: FakeKameleoon) -> None:
    told = Requests()
    with client_on(kameleoon, multi_threading=False) as client:
        client.set_event_handler(EventType.HTTP_REQUEST, told)
        for answer, seconds in ((reply(500), 10.0), (hangs(), 0.1), (resets(), 10.0), (reply(403), 10.0)):
            kameleoon.fail(MAP, answer)
            client.get_remote_data("key", timeout=seconds)

    *failures, (_, bot, _) = told
    assert [failure.reason for _, failure, _ in failures if isinstance(failure, HttpRequestFailure)] == [
        HTTP_STATUS,
        CANCELLED,
        EXCEPTION,
    ]
    assert bot == 403
    causes = [failure.cause for _, failure, _ in failures if isinstance(failure, HttpRequestFailure)]
    assert [type(cause) for cause in causes] == [type(None), type(None), RequestFailed]
    assert told[1][2] >= 100  # milliseconds


def test_every_attempt_is_told_of(kameleoon: FakeKameleoon) -> None:
    told = Requests()
    kameleoon.fail(EVENTS, reply(500), reply(503))
    with client_on(kameleoon, multi_threading=False) as client:
        client.set_event_handler(EventType.HTTP_REQUEST, told)
        client.track_conversion("somebody", 5)

        for _ in range(3):
            client.flush(timeout=5)

    outcomes = [outcome for kind, outcome, _ in told if kind is RequestType.TRACKING]
    assert outcomes == [
        HttpRequestFailure(HTTP_STATUS, http_status=500),
        HttpRequestFailure(HTTP_STATUS, http_status=503),
        200,
    ]


def test_handlers_are_called_where_the_request_is_made(kameleoon: FakeKameleoon) -> None:
    names: list[str] = []

    class Names(Requests):
        def on_request_succeeded(self, *_: object) -> None:
            names.append(threading.current_thread().name)

    with client_on(kameleoon) as client:
        client.set_event_handler(EventType.HTTP_REQUEST, Names())
        client.wait_init()
        client.track_conversion("somebody", 5)
        assert client.flush(timeout=5)

    assert names[:1] == ["kameleoon-configuration"]
    assert "kameleoon-sender" in names


def test_every_data_file_that_is_put_to_use_is_told_of_and_no_other(kameleoon: FakeKameleoon) -> None:
    told = Updates()
    with client_on(kameleoon, multi_threading=False) as client:
        client.set_event_handler(EventType.DATAFILE_UPDATE, told)

        client.wait_init()
        client.refresh()  # it has not changed
        kameleoon.publish({**FLAGS, "dateModified": 2})
        client.refresh()
        kameleoon.publish(b"{")
        with pytest.raises(DataFileInvalid):
            client.refresh()

    assert [(event.source, event.date_modified) for event in told] == [
        (DatafileSource.POLLING, 1),
        (DatafileSource.POLLING, 2),
    ]


def test_a_data_file_that_a_real_time_event_announced_is_told_as_streamed(kameleoon: FakeKameleoon) -> None:
    told, requests = Updates(), Requests()
    kameleoon.publish({**FLAGS, "configuration": {"realTimeUpdate": True}})
    with client_on(kameleoon) as client:
        client.set_event_handler(EventType.DATAFILE_UPDATE, told)
        client.set_event_handler(EventType.HTTP_REQUEST, requests)
        client.wait_init()
        wait_until(lambda: kameleoon.open_streams)

        kameleoon.publish({**FLAGS, "configuration": {"realTimeUpdate": True}, "dateModified": 2}, announce=2)
        wait_until(lambda: len(told) >= 2)

    assert [event.source for event in told] == [DatafileSource.POLLING, DatafileSource.STREAMING]
    assert told[-1].date_modified == 2
    assert {kind for kind, *_ in requests} == {RequestType.DATAFILE}  # streams are none of them
    assert any("ts=2" in request.target for request in kameleoon.requests(DATA_FILE))


def test_a_data_file_on_disk_is_told_of_too(tmp_path: Path) -> None:
    client, told = client_of(tmp_path, FLAGS), Updates()
    client.set_event_handler(EventType.DATAFILE_UPDATE, told)

    replace(tmp_path / "flags.json", {**FLAGS, "dateModified": 2})
    client.refresh()

    assert [(event.source, event.date_modified) for event in told] == [(DatafileSource.POLLING, 2)]


def test_a_handler_that_raises_ends_neither_requests_nor_threads(kameleoon: FakeKameleoon) -> None:
    class Broken:
        def fail(self, *_: object) -> None:
            raise RuntimeError("broken")

        on_request_succeeded = on_request_failed = on_update = fail

    kameleoon.values["key"] = 5
    with client_on(kameleoon) as client:
        client.set_event_handler(EventType.HTTP_REQUEST, Broken())
        client.set_event_handler(EventType.DATAFILE_UPDATE, Broken())

        assert client.wait_init()
        assert client.get_remote_data("key") == 5
        client.track_conversion("somebody", 5)
        assert client.flush(timeout=5)
