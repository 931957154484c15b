from __future__ import annotations

import gzip
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from openfeature_kameleoon.transport.data_api import DataApi
from openfeature_kameleoon.transport.http import Http
from openfeature_kameleoon.transport.token import AccessTokens
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import Answer, ChaosServer, Received, drips, gzip_bomb, hangs, reply, resets, wait_until
from tests.clock import FakeClock
from tests.kameleoon import EVENTS, MAP, TOKEN, VISITOR, FakeKameleoon

SITE = "site1"
TIMEOUT = 5.0
BRIEF = 0.3
SLACK = 1.0
LINES = b"nonce=0123456789abcdef&eventType=activity&visitorCode=v1\nnonce=fedcba9876543210"


class Guarded(FakeKameleoon):
    """A Kameleoon whose Data API answers 401 to tokens other than the accepted ones; without a token it works."""

    def __init__(self) -> None:
        self.accepted: set[str] = {"token-1"}
        super().__init__()

    def answer_to(self, request: Received) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and TOKEN not in request.target and token not in self.accepted:
            return reply(401, b'{"message": "bad token"}')
        return super().answer_to(request)


@pytest.fixture
def server() -> Iterator[Guarded]:
    with Guarded() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Api(DataApi):
    """The Data API of a server, with credentials or without; ``told`` is what an observer was told."""

    def __init__(self, endpoints: Endpoints, clock: FakeClock, *, has_credentials: bool, threads: bool = True) -> None:
        self.told: list[Attempt] = []
        http = Http(observe=self.told.append)
        tokens = None
        if has_credentials:
            tokens = AccessTokens(
                http,
                ("client-id", Secret("canary-secret")),
                token_url=endpoints.token_url(SITE),
                timeout=TIMEOUT,
                threads=threads,
                clock=clock,
            )
        super().__init__(http, tokens, SITE, endpoints)


Make = Callable[..., Api]


@pytest.fixture
def make(server: Guarded, clock: FakeClock) -> Iterator[Make]:
    """Make a Data API that is closed after the test."""
    made: list[Api] = []

    def make(endpoints: Endpoints | None = None, *, has_credentials: bool = True, threads: bool = True) -> Api:
        made.append(Api(endpoints or server.endpoints, clock, has_credentials=has_credentials, threads=threads))
        return made[-1]

    yield make

    for api in made:
        api.close()


@pytest.fixture
def api(make: Make) -> Api:
    return make()


def tokens_of(requests: list[Received]) -> list[str]:
    """The bearer tokens that came, in order; empty for a request without one."""
    return [request.headers.get("authorization", "").removeprefix("Bearer ") for request in requests]


# --- what is asked ------------------------------------------------------------------------------------------


def test_events_are_posted_as_they_are(api: Api, server: Guarded) -> None:
    answer = api.send_events(LINES, timeout=TIMEOUT)

    (request,) = server.requests(EVENTS)
    assert answer.status == 200
    assert (request.method, request.body) == ("POST", LINES)
    assert request.target.startswith("/visit/events?sdkName=PYTHON&sdkVersion=")
    assert request.target.endswith("&siteCode=site1&bodyUa=true")
    assert request.headers["content-type"] == "*/*"
    assert request.headers["authorization"] == "Bearer token-1"


def test_a_visitor_is_asked_for_by_code_or_by_mapping_value(api: Api, server: Guarded) -> None:
    server.visitors["v 1"] = {"currentVisit": {}}

    by_code = api.visitor("v 1", previous_visits=3, parts=("cbs", "kcs"), timeout=TIMEOUT)
    api.visitor("id", is_unique_identifier=True, timeout=TIMEOUT)

    first, second = server.requests(VISITOR)
    common = "version=0&staticData=true"
    assert by_code == {"currentVisit": {}}
    assert first.target == (
        f"/visit/visitor?siteCode=site1&visitorCode=v%201&maxNumberPreviousVisits=3&{common}&kcs=true&cbs=true"
    )
    assert "mappingValue=id&maxNumberPreviousVisits=1" in second.target
    assert second.target.endswith("&currentVisit=true&customData=true")


def test_a_value_is_asked_for_by_its_key(api: Api, server: Guarded) -> None:
    server.values["a/b"] = {"rate": 1.5}

    assert api.value("a/b", timeout=TIMEOUT) == {"rate": 1.5}
    assert server.requests(MAP)[0].target == "/map/map?siteCode=site1&key=a%2Fb"


def test_observers_are_told_of_every_request_by_its_kind(api: Api, server: Guarded) -> None:
    server.values["key"] = 1
    api.send_events(LINES, timeout=TIMEOUT)
    api.visitor("v1", timeout=TIMEOUT)
    api.value("key", timeout=TIMEOUT)

    kinds = [attempt.kind for attempt in api.told]
    assert kinds == [
        RequestType.ACCESS_TOKEN,
        RequestType.TRACKING,
        RequestType.REMOTE_VISITOR_DATA,
        RequestType.REMOTE_DATA,
    ]


def test_without_credentials_nothing_is_said_of_any(make: Make, server: Guarded) -> None:
    make(has_credentials=False).send_events(LINES, timeout=TIMEOUT)

    assert tokens_of(server.requests(EVENTS)) == [""]
    assert server.requests(TOKEN) == []


# --- what is answered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 400, 403, 413, 429, 503])
def test_whoever_sends_events_judges_the_answer(api: Api, server: Guarded, status: int) -> None:
    server.fail(EVENTS, reply(status, b"", {"Retry-After": "7"}))

    answer = api.send_events(LINES, timeout=TIMEOUT)

    assert (answer.status, answer.headers["retry-after"]) == (status, "7")
    assert len(server.requests(EVENTS)) == 1


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (reply(200, b'{"a": [1, 2.5, null, "x"]}'), {"a": [1, 2.5, None, "x"]}),
        (reply(200, b"0"), 0),
        (reply(201, b"[]"), []),
        (reply(200, b"{}", {"Content-Type": "text/json;charset=utf-8"}), {}),
        (reply(200, gzip.compress(b"{}"), {"Content-Encoding": "gzip"}), {}),
        (reply(200, b"null"), None),
        (reply(204), None),
        (reply(304), None),
        (reply(403, b'{"error": "bot"}'), None),
        (reply(200, b"<html>", {"Content-Type": "text/html"}), None),
        (reply(200, b"{}", {"Content-Type": ""}), None),
    ],
)
def test_content_is_what_comes_as_json(api: Api, server: Guarded, answer: Answer, value: object) -> None:
    server.fail(MAP, answer)
    server.fail(VISITOR, answer)

    assert api.value("key", timeout=TIMEOUT) == value
    assert api.visitor("v1", timeout=TIMEOUT) == value


@pytest.mark.parametrize(
    ("answer", "told", "status", "retryable"),
    [
        (reply(400, b'{"a": 1}'), "remote data: the server answered 400", 400, False),
        (reply(404), "remote data: the server answered 404", 404, False),
        (reply(429), "remote data: the server answered 429", 429, True),
        (reply(503), "remote data: the server answered 503", 503, True),
        (reply(302, b"", {"Location": "/"}), "redirects are not followed", 302, False),
        (reply(200, b"{"), "remote data: the answer does not decode", 200, True),
        (reply(200, b""), "remote data: the answer does not decode", 200, True),
        (reply(200, b"[NaN]"), "remote data: the answer does not decode", 200, True),
        (reply(200, b"\xff"), "remote data: the answer does not decode", 200, True),
        (reply(200, b"[" * 100_000), "does not decode: nested too deeply", 200, True),
        (reply(200, b" " * (9 << 20)), "over 8388608 bytes", 200, False),
        (reply(200, gzip_bomb(16), {"Content-Encoding": "gzip"}), "over 8388608 bytes", 200, False),
        (resets(), "the answer was cut short", None, True),
    ],
)
def test_anything_else_is_a_failure(
    api: Api, server: Guarded, answer: Answer, told: str, status: int | None, retryable: bool
) -> None:
    server.fail(MAP, answer)

    with pytest.raises(RequestFailed, match=told) as failed:
        api.value("key", timeout=TIMEOUT)

    assert (failed.value.status, failed.value.retryable) == (status, retryable)
    assert failed.value.__context__ is None


# --- tokens that are refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [True, False])
def test_a_refused_token_is_replaced_by_a_new_one(make: Make, server: Guarded, threads: bool) -> None:
    server.tokens = [("old", 3600), ("new", 3600)]
    server.accepted = {"new"}
    api = make(threads=threads)

    first = api.send_events(LINES, timeout=TIMEOUT)
    second = api.send_events(LINES, timeout=TIMEOUT)

    assert (first.status, second.status) == (200, 200)
    assert tokens_of(server.requests(EVENTS)) == ["old", "new", "new"]
    assert len(server.requests(TOKEN)) == 2


def test_when_the_new_one_is_refused_too_it_goes_without_for_five_minutes(
    api: Api, server: Guarded, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.tokens = [("old", 3600), ("new", 3600), ("newer", 3600)]
    server.accepted = {"newer"}

    assert api.send_events(LINES, timeout=TIMEOUT).status == 200
    assert api.send_events(LINES, timeout=TIMEOUT).status == 200
    clock.advance(300)
    assert api.send_events(LINES, timeout=TIMEOUT).status == 200

    assert tokens_of(server.requests(EVENTS)) == ["old", "new", "", "", "newer"]
    assert len(server.requests(TOKEN)) == 3
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["WARNING"]


def test_a_token_server_that_hands_out_the_refused_token_again_is_not_believed(api: Api, server: Guarded) -> None:
    server.tokens = [("old", 3600)]
    server.accepted = set()

    assert api.send_events(LINES, timeout=TIMEOUT).status == 200
    assert api.send_events(LINES, timeout=TIMEOUT).status == 200

    assert tokens_of(server.requests(EVENTS)) == ["old", "", ""]


def test_during_the_silence_a_refused_token_is_replaced_by_none(api: Api, server: Guarded, clock: FakeClock) -> None:
    api.send_events(LINES, timeout=TIMEOUT)
    clock.advance(1800)
    server.fail(TOKEN, reply(500))
    api.send_events(LINES, timeout=TIMEOUT)
    server.wait_for_requests(TOKEN, 2)
    wait_until(lambda: len(api.told) == 4)  # two of events and two of tokens
    server.accepted = set()

    assert api.send_events(LINES, timeout=TIMEOUT).status == 200

    assert tokens_of(server.requests(EVENTS)) == ["token-1", "token-1", "token-1", ""]
    assert len(server.requests(TOKEN)) == 2


@pytest.mark.parametrize("has_credentials", [True, False])
def test_a_server_that_refuses_everybody_gets_three_requests_at_most(
    make: Make, server: Guarded, has_credentials: bool
) -> None:
    server.tokens = [("one", 3600), ("two", 3600)]
    server.break_down(MAP, reply(401))
    server.accepted = {"one", "two"}

    with pytest.raises(RequestFailed, match="answered 401; check client_id and client_secret") as failed:
        make(has_credentials=has_credentials).value("key", timeout=TIMEOUT)

    assert (failed.value.status, failed.value.retryable) == (401, False)
    assert tokens_of(server.requests(MAP)) == (["one", "two", ""] if has_credentials else [""])


def test_without_a_token_to_be_had_requests_go_without(api: Api, server: Guarded) -> None:
    server.break_down(TOKEN, reply(401))

    assert [api.send_events(LINES, timeout=TIMEOUT).status for _ in range(3)] == [200] * 3

    assert tokens_of(server.requests(EVENTS)) == ["", "", ""]
    assert len(server.requests(TOKEN)) == 1


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [True, False])
def test_a_token_server_that_hangs_leaves_time_for_the_request(make: Make, server: Guarded, threads: bool) -> None:
    server.break_down(TOKEN, hangs())

    started = time.monotonic()
    answer = make(threads=threads).send_events(LINES, timeout=6 * BRIEF)
    took = time.monotonic() - started

    assert answer.status == 200
    assert tokens_of(server.requests(EVENTS)) == [""]
    assert took < 6 * BRIEF


@pytest.mark.parametrize("answer", [hangs(), drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n")])
def test_the_time_out_bounds_all_requests_of_a_call_together(api: Api, server: Guarded, answer: Answer) -> None:
    server.accepted = set()
    server.tokens = [("one", 3600), ("two", 3600)]
    server.break_down(MAP, answer)  # what comes without a token

    started = time.monotonic()
    with pytest.raises(RequestFailed, match="no complete answer in time") as failed:
        api.value("key", timeout=BRIEF)
    took = time.monotonic() - started

    assert failed.value.timed_out
    assert took < BRIEF + SLACK


# --- the end ------------------------------------------------------------------------------------------------


def in_background(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(call())
        except RequestFailed as failure:
            outcome.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize("route", [EVENTS, TOKEN])
def test_an_abort_ends_a_call_wherever_it_waits_and_later_ones_work(api: Api, server: Guarded, route: str) -> None:
    server.fail(route, hangs())
    thread, outcome = in_background(lambda: api.send_events(LINES, timeout=60.0))
    server.wait_for_requests(route, 1)

    started = time.monotonic()
    api.abort()
    thread.join(SLACK)

    assert time.monotonic() - started < SLACK
    (failure,) = outcome
    assert isinstance(failure, RequestFailed)
    assert failure.message.endswith("ended on this side")
    assert failure.timed_out
    assert api.send_events(LINES, timeout=TIMEOUT).status == 200
    assert tokens_of(server.requests(EVENTS))[-1] == "token-1"


def test_closing_ends_calls_and_threads_and_may_be_repeated(
    api: Api, server: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    server.break_down(TOKEN, hangs())
    thread, outcome = in_background(lambda: api.value("key", timeout=60.0))
    server.wait_for_requests(TOKEN, 1)

    started = time.monotonic()
    api.close()
    api.close()
    thread.join(SLACK)

    assert time.monotonic() - started < SLACK
    assert isinstance(outcome[0], RequestFailed)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(api: Api, server: Guarded) -> None:
    api.send_events(LINES, timeout=TIMEOUT)

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if api.send_events(LINES, timeout=TIMEOUT).status == 200 else 1)
        children.append(child)
    parents = [api.send_events(LINES, timeout=TIMEOUT).status for _ in range(3)]
    statuses = [os.waitpid(child, 0)[1] for child in children]

    assert statuses == [0, 0, 0]
    assert parents == [200, 200, 200]
    assert len(server.requests(EVENTS)) == 7
    assert len(server.requests(TOKEN)) == 1


# --- where credentials go (reliability.md R20) --------------------------------------------------------------

CALLS: dict[str, Callable[[Api], object]] = {
    EVENTS: lambda api: api.send_events(LINES, timeout=TIMEOUT),
    VISITOR: lambda api: api.visitor("v1", timeout=TIMEOUT),
    MAP: lambda api: api.value("key", timeout=TIMEOUT),
}
REDIRECTS = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
TARGETS = pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "http://u:p@127.0.0.1:{port}"]
)


@REDIRECTS
@TARGETS
@pytest.mark.parametrize("route", CALLS)
def test_r20_no_redirect_takes_anything_to_another_server(
    api: Api, server: Guarded, status: int, target: str, route: str
) -> None:
    with ChaosServer(reply(200, b"{}")) as other:
        server.break_down(route, reply(status, b"", {"Location": target.format(port=other.port)}))

        with pytest.raises(RequestFailed, match=r"redirected to 127\.0\.0\.1; redirects are not followed"):
            CALLS[route](api)

    assert other.received == []
    assert tokens_of(server.requests(route)) == ["token-1"]


@REDIRECTS
@TARGETS
def test_r20_no_redirect_takes_the_credentials_to_another_server(
    api: Api, server: Guarded, status: int, target: str
) -> None:
    with ChaosServer(reply(200, b'{"access_token": "theirs", "expires_in": 3600}')) as other:
        server.break_down(TOKEN, reply(status, b"", {"Location": target.format(port=other.port)}))

        CALLS[EVENTS](api)

    assert other.received == []
    assert tokens_of(server.requests(EVENTS)) == [""]


@pytest.mark.parametrize(
    "domain",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "127.0.0.1:{port}/visit",
        "http://127.0.0.1:{port}",
        "user:password@127.0.0.1:{port}",
        "169.254.169.254",
        "[::1]:{port}",
        "kameleoon.com.evil.example",
        "evilkameleoon.com",
        "kameleoon.com@127.0.0.1:{port}",
        "kameleoon.com\\@127.0.0.1",
        "kämeleoon.com",
        "kameleoon.com#.evil.example",
        "kameleoon.com\r\nHost: evil.example",
    ],
)
def test_r20_a_data_file_leads_to_no_foreign_host(make: Make, domain: str, caplog: pytest.LogCaptureFixture) -> None:
    api = make(Endpoints(), has_credentials=False)

    for _ in range(3):
        api.use_domain(domain.format(port=1))

    assert api.endpoints.data == "https://data.kameleoon.io"
    assert len(caplog.records) == 1
    assert "is not Kameleoon's: ignored" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()


def test_a_data_file_leads_away_from_no_server_that_was_named_in_code(api: Api, server: Guarded) -> None:
    api.use_domain("eu-data.kameleoon.io")
    api.send_events(LINES, timeout=TIMEOUT)

    assert len(server.requests(EVENTS)) == 1


def test_a_data_file_chooses_among_kameleoons_hosts_and_one_that_is_silent_changes_nothing(make: Make) -> None:
    api = make(Endpoints(), has_credentials=False)

    used = []
    for domain in (None, "eu-data.kameleoon.io", None, "", "us-data.kameleoon.io"):
        api.use_domain(domain)
        used.append(api.endpoints.data)

    assert used == ["https://data.kameleoon.io", *["https://eu-data.kameleoon.io"] * 3, "https://us-data.kameleoon.io"]


def test_under_a_custom_domain_it_chooses_the_first_label_alone(make: Make) -> None:
    api = make(Endpoints.for_domain("abtest.example.org"), has_credentials=False)

    api.use_domain("eu-data.kameleoon.io")
    assert api.endpoints.data == "https://eu-data.abtest.example.org"
    api.use_domain("evil.example")
    assert api.endpoints.data == "https://evil.abtest.example.org"


def test_r20_netrc_is_not_asked(make: Make, server: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login name password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    make().send_events(LINES, timeout=TIMEOUT)
    make(has_credentials=False).send_events(LINES, timeout=TIMEOUT)

    assert tokens_of(server.requests(EVENTS)) == ["token-1", ""]
    assert server.requests(TOKEN)[0].headers["authorization"].startswith("Basic Y2xpZW50LWlkOm")  # client-id:


def test_json_numbers_and_text_come_as_they_are(api: Api, server: Guarded) -> None:
    server.values["key"] = {"n": 12345678901234567890, "f": -0.5, "t": "é\u2028", "b": True}

    assert api.value("key", timeout=TIMEOUT) == json.loads(json.dumps(server.values["key"]))
