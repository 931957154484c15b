from __future__ import annotations

import base64
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from openfeature_kameleoon.transport.http import Http
from openfeature_kameleoon.transport.token import AccessTokens
from tests.chaos import Answer, ChaosServer, drips, hangs, reply, resets, response_bytes, wait_until
from tests.clock import FakeClock
from tests.kameleoon import TOKEN, FakeKameleoon

CREDENTIALS = ("client-id", Secret("canary-secret"))
TIMEOUT = 5.0
BRIEF = 0.15
SLACK = 1.0
THREADS = pytest.mark.parametrize("threads", [True, False], ids=["threads", "no threads"])


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    with FakeKameleoon() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Tokens(AccessTokens):
    """With the credentials of these tests, and a connection of its own; ``told`` is what an observer was told."""

    def __init__(
        self, server: ChaosServer, clock: FakeClock, *, threads: bool = True, timeout: float = TIMEOUT
    ) -> None:
        self.told: list[Attempt] = []
        self.http = Http(observe=self.told.append)
        url = f"{server.url}{TOKEN}?sdkName=PYTHON&sdkVersion=1&siteCode=site1"
        super().__init__(self.http, CREDENTIALS, token_url=url, timeout=timeout, threads=threads, clock=clock)

    def text(self, timeout: float = TIMEOUT) -> str | None:
        """The token in plain."""
        token = self.get(timeout)
        return None if token is None else token.reveal()

    def wait_until_idle(self) -> None:
        """Return when no fetch is under way."""
        wait_until(lambda: self._fetch is None)


@pytest.fixture
def tokens(server: FakeKameleoon, clock: FakeClock) -> Iterator[Tokens]:
    tokens = Tokens(server, clock)
    yield tokens
    tokens.close()
    tokens.http.close()


def fetches(server: FakeKameleoon) -> int:
    return len(server.requests(TOKEN))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


# --- the request --------------------------------------------------------------------------------------------


def test_the_request_is_that_of_the_specification(tokens: Tokens, server: FakeKameleoon) -> None:
    assert tokens.text() == "token-1"

    (request,) = server.requests(TOKEN)
    basic = base64.b64encode(b"client-id:canary-secret").decode()
    assert (request.method, request.body) == ("POST", b"grant_type=client_credentials")
    assert request.target == "/oauth/token?sdkName=PYTHON&sdkVersion=1&siteCode=site1"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == f"Basic {basic}"
    assert [(attempt.kind, attempt.status) for attempt in tokens.told] == [(RequestType.ACCESS_TOKEN, 200)]


def test_credentials_beyond_ascii_are_sent_as_utf8(server: FakeKameleoon, clock: FakeClock) -> None:
    http = Http()
    tokens = AccessTokens(http, ("é", Secret("ü:ß")), token_url=server.url + TOKEN, clock=clock)

    tokens.get(TIMEOUT)
    tokens.close()
    http.close()

    sent = server.requests(TOKEN)[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == "é:ü:ß"


# --- how long a token is used -------------------------------------------------------------------------------


@THREADS
@pytest.mark.parametrize(
    ("lives", "after", "is_fetched"),
    [
        (3600, 0, False),
        (3600, 3539.9, False),
        (3600, 3540, True),
        (1800, 1739.9, False),
        (1800, 1740, True),
        (61, 0.9, False),
        (61, 1, True),
        (60, 0, True),
        (1, 0, True),
        (10**400, 900_000_000, False),
    ],
)
def test_a_token_is_used_until_a_minute_before_its_end(
    server: FakeKameleoon, clock: FakeClock, threads: bool, lives: int, after: float, is_fetched: bool
) -> None:
    server.tokens = [("first", lives), ("second", 3600)]
    tokens = Tokens(server, clock, threads=threads)
    assert tokens.text() == "first"

    clock.advance(after)
    used = tokens.text()

    tokens.close()
    tokens.http.close()
    must_wait = after >= lives - 60
    assert used == ("second" if must_wait else "first")
    assert must_wait is is_fetched


@pytest.mark.parametrize(("lives", "after"), [(3600, 1799), (1801, 0.5), (1800, 1739), (600, 539)])
def test_nothing_is_fetched_before_a_token_is_obsolete(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, lives: int, after: float
) -> None:
    server.tokens = [("first", lives)]
    tokens.text()

    clock.advance(after)

    assert tokens.text() == "first"
    assert fetches(server) == 1


@pytest.mark.parametrize(("lives", "after"), [(3600, 1800), (1801, 1)])
def test_an_obsolete_token_is_used_while_the_next_one_is_fetched(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, lives: int, after: float
) -> None:
    server.tokens = [("first", lives), ("second", 3600)]
    tokens.text()
    clock.advance(after)

    assert tokens.text() == "first"
    wait_until(lambda: tokens.text() == "second")

    assert fetches(server) == 2


def test_an_obsolete_token_does_not_wait_for_a_server_that_hangs(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock
) -> None:
    tokens.text()
    clock.advance(1800)
    server.break_down(TOKEN, hangs())

    started = time.monotonic()
    used = [tokens.text() for _ in range(20)]
    took = time.monotonic() - started

    assert used == ["token-1"] * 20
    assert took < SLACK
    server.wait_for_requests(TOKEN, 2)
    assert fetches(server) == 2


def test_without_threads_a_token_is_used_to_its_end_and_refreshed_then(server: FakeKameleoon, clock: FakeClock) -> None:
    server.tokens = [("first", 3600), ("second", 3600)]
    tokens = Tokens(server, clock, threads=False)
    tokens.text()

    clock.advance(3539)
    assert (tokens.text(), fetches(server)) == ("first", 1)
    clock.advance(1)
    assert (tokens.text(), fetches(server)) == ("second", 2)

    tokens.http.close()


def test_a_token_as_good_as_over_is_for_those_alone_who_waited(tokens: Tokens, server: FakeKameleoon) -> None:
    server.tokens = [("one", 60), ("two", 60)]

    assert [tokens.text(), tokens.text()] == ["one", "two"]


def test_one_that_is_as_good_as_over_does_not_replace_one_that_is_not(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock
) -> None:
    server.tokens = [("first", 3600), ("brief", 30)]
    tokens.text()
    clock.advance(1800)

    tokens.text()
    server.wait_for_requests(TOKEN, 2)
    tokens.wait_until_idle()

    assert tokens.text() == "first"


@pytest.mark.parametrize("years", [10, -10])
def test_a_wall_clock_that_jumps_expires_nothing(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, years: int
) -> None:
    tokens.text()

    clock.jump(years * 365 * 86_400.0)

    assert tokens.text() == "token-1"
    assert fetches(server) == 1


# --- tokens that are refused --------------------------------------------------------------------------------


def test_a_discarded_token_is_fetched_anew(tokens: Tokens, server: FakeKameleoon) -> None:
    server.tokens = [("first", 3600), ("second", 3600)]
    first = tokens.get(TIMEOUT)
    assert first is not None

    tokens.discard(first)

    assert tokens.text() == "second"


def test_discarding_a_token_leaves_a_newer_one_alone(tokens: Tokens, server: FakeKameleoon) -> None:
    server.tokens = [("first", 3600), ("second", 3600)]
    first = tokens.get(TIMEOUT)
    assert first is not None
    tokens.discard(first)
    tokens.get(TIMEOUT)

    tokens.discard(first)

    assert tokens.text() == "second"
    assert fetches(server) == 2


def test_after_a_fresh_token_was_refused_there_is_none_for_five_minutes(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = tokens.get(TIMEOUT)
    assert fresh is not None

    tokens.give_up(fresh)

    assert (tokens.text(), fetches(server)) == (None, 1)
    clock.advance(300)
    assert (tokens.text(), fetches(server)) == ("token-1", 2)
    assert "fresh access tokens are refused" in caplog.text


# --- fetches that fail --------------------------------------------------------------------------------------


def says(**answer: Any) -> Answer:
    return reply(200, json.dumps(answer).encode())


BAD = {
    "a reset": resets(),
    "401": reply(401, b'{"error": "invalid_client"}'),
    "500": reply(500),
    "304": reply(304),
    "a redirect": reply(307, b"", {"Location": "/oauth/elsewhere"}),
    "no content": reply(204),
    "HTML": reply(200, b"<html>", {"Content-Type": "text/html"}),
    "JSON by another name": reply(200, b'{"access_token": "t", "expires_in": 9000}', {"Content-Type": "text/plain"}),
    "no JSON": reply(200, b"{"),
    "another shape": reply(200, b"[]"),
    "nested too deeply": reply(200, b"[" * 100_000),
    "no token": says(expires_in=3600),
    "an empty token": says(access_token="", expires_in=3600),
    "a number for a token": says(access_token=1, expires_in=3600),
    "a token that is no header": says(access_token="a\r\nX: b", expires_in=3600),
    "no end": says(access_token="t"),
    "an end of null": says(access_token="t", expires_in=None),
    "an end now": says(access_token="t", expires_in=0),
    "an end before": says(access_token="t", expires_in=-1),
    "an end of true": says(access_token="t", expires_in=True),
    "an end of 3600.0": says(access_token="t", expires_in=3600.0),
    "an end of text": says(access_token="t", expires_in="3600"),
    "two megabytes": reply(200, b" " * (2 << 20)),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
@THREADS
def test_what_is_no_token_is_none_and_none_is_fetched_for_five_minutes(
    server: FakeKameleoon, clock: FakeClock, answer: Answer, threads: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = Tokens(server, clock, threads=threads)
    server.fail(TOKEN, answer)

    assert [tokens.text(), tokens.text()] == [None, None]
    clock.advance(299)
    assert (tokens.text(), fetches(server)) == (None, 1)
    clock.advance(1)
    assert (tokens.text(), fetches(server)) == ("token-1", 2)

    tokens.close()
    tokens.http.close()
    told = warnings(caplog)
    assert len(told) == 2
    assert told[0].startswith("no access token: ")
    assert told[1] == "there is an access token again"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_told_with_what_to_look_at(
    tokens: Tokens, server: FakeKameleoon, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.fail(TOKEN, reply(status))

    tokens.text()

    assert f"the token server answered {status}; check client_id and client_secret" in caplog.text


def test_an_outage_is_told_once_however_long_it_takes(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.break_down(TOKEN, reply(503))

    for _ in range(5):
        assert tokens.text() is None
        clock.advance(300)

    assert fetches(server) == 5
    assert len(warnings(caplog)) == 1


def test_a_failed_refresh_leaves_the_token_in_use_and_is_not_repeated_at_once(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock
) -> None:
    server.tokens = [("first", 3600), ("second", 3600)]
    tokens.text()
    clock.advance(1800)
    server.fail(TOKEN, reply(500))

    tokens.text()
    server.wait_for_requests(TOKEN, 2)
    tokens.wait_until_idle()
    assert [tokens.text() for _ in range(5)] == ["first"] * 5
    assert fetches(server) == 2

    clock.advance(300)
    tokens.text()
    wait_until(lambda: tokens.text() == "second")


def test_a_session_of_the_users_that_breaks_leaves_nobody_waiting(clock: FakeClock) -> None:
    class Broken:
        def request(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    for threads in (True, False):
        tokens = AccessTokens(
            Http(Broken()), CREDENTIALS, token_url="http://127.0.0.1:1/", threads=threads, clock=clock
        )
        started = time.monotonic()

        assert tokens.get(TIMEOUT) is None

        assert time.monotonic() - started < SLACK
        tokens.close()


# --- several at once ----------------------------------------------------------------------------------------


def at_once(tokens: Tokens, count: int, timeout: float = TIMEOUT) -> list[str | None]:
    """What so many threads get that ask at the same time."""
    got: list[str | None] = []
    together = threading.Barrier(count)

    def ask() -> None:
        together.wait(5)
        got.append(tokens.text(timeout))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def late(seconds: float, body: bytes = b'{"access_token": "late", "expires_in": 3600}') -> Answer:
    def answer(connection: socket.socket, ending: threading.Event) -> bool:
        ending.wait(seconds)
        connection.sendall(response_bytes(200, body))
        return True

    return answer


@THREADS
def test_those_who_ask_at_once_share_one_fetch(server: FakeKameleoon, clock: FakeClock, threads: bool) -> None:
    tokens = Tokens(server, clock, threads=threads)
    server.fail(TOKEN, late(BRIEF))

    got = at_once(tokens, 8)

    tokens.close()
    tokens.http.close()
    assert got == ["late"] * 8
    assert fetches(server) == 1


@THREADS
def test_those_who_ask_at_once_share_a_failure(server: FakeKameleoon, clock: FakeClock, threads: bool) -> None:
    tokens = Tokens(server, clock, threads=threads)
    server.fail(TOKEN, late(BRIEF, b"{}"))

    got = at_once(tokens, 8)

    tokens.close()
    tokens.http.close()
    assert got == [None] * 8
    assert fetches(server) == 1


def test_they_share_a_background_refresh_that_outlives_the_token(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock
) -> None:
    tokens.text()
    clock.advance(3539)
    server.fail(TOKEN, late(BRIEF))
    assert tokens.text() == "token-1"

    clock.advance(1)

    assert tokens.text() == "late"
    assert fetches(server) == 2


def test_each_waits_no_longer_than_it_may_and_goes_on_without(tokens: Tokens, server: FakeKameleoon) -> None:
    server.fail(TOKEN, late(8 * BRIEF))

    started = time.monotonic()
    assert tokens.text(BRIEF) is None
    took = time.monotonic() - started

    assert took < BRIEF + SLACK
    assert tokens.text() == "late"  # the fetch went on, and its time was not up
    assert fetches(server) == 1


@pytest.mark.parametrize("answer", [hangs(), drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n")])
def test_a_fetch_takes_no_longer_than_its_own_time_out(server: FakeKameleoon, clock: FakeClock, answer: Answer) -> None:
    tokens = Tokens(server, clock, timeout=BRIEF)
    server.break_down(TOKEN, answer)

    started = time.monotonic()
    assert tokens.text(60.0) is None
    took = time.monotonic() - started

    tokens.close()
    tokens.http.close()
    assert took < BRIEF + SLACK


def test_without_threads_a_fetch_takes_no_longer_than_the_call_that_needs_it(
    server: FakeKameleoon, clock: FakeClock
) -> None:
    tokens = Tokens(server, clock, threads=False)
    server.break_down(TOKEN, hangs())

    started = time.monotonic()
    assert tokens.text(BRIEF) is None
    took = time.monotonic() - started

    tokens.http.close()
    assert took < BRIEF + SLACK


def test_without_threads_none_is_started(server: FakeKameleoon, clock: FakeClock) -> None:
    tokens = Tokens(server, clock, threads=False)
    seen: set[str] = set()

    def note_the_threads(connection: socket.socket, _: threading.Event) -> bool:
        seen.update(thread.name for thread in threading.enumerate())
        connection.sendall(response_bytes(500))
        return True

    server.fail(TOKEN, note_the_threads)
    tokens.text()
    tokens.http.close()

    assert "chaos" in seen
    assert "kameleoon-token" not in seen


def test_where_no_thread_can_be_started_the_one_that_asks_fetches(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_no_more_of_ours(thread: threading.Thread) -> None:
        if thread.name == "kameleoon-token":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_no_more_of_ours)
        assert tokens.text() == "token-1"
        clock.advance(1800)
        assert (tokens.text(), fetches(server)) == ("token-1", 1)  # what may be refreshed is no reason to wait

    tokens.text()
    server.wait_for_requests(TOKEN, 2)


# --- the end ------------------------------------------------------------------------------------------------


def test_closing_ends_a_fetch_that_hangs_and_counts_it_for_nothing(
    tokens: Tokens, server: FakeKameleoon, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(TOKEN, hangs())
    assert tokens.text(0.0) is None
    server.wait_for_requests(TOKEN, 1)

    started = time.monotonic()
    tokens.close()
    took = time.monotonic() - started

    assert took < SLACK
    assert "kameleoon-token" not in {thread.name for thread in threading.enumerate()}
    assert warnings(caplog) == []
    assert tokens.text() == "token-1"


def test_closing_twice_or_before_anything_was_fetched_is_fine(server: FakeKameleoon, clock: FakeClock) -> None:
    tokens = Tokens(server, clock)

    tokens.close()
    tokens.close()

    assert fetches(server) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_keeps_the_token_and_fetches_on_its_own(
    tokens: Tokens, server: FakeKameleoon, clock: FakeClock
) -> None:
    server.tokens = [("first", 3600)]
    tokens.text()
    clock.advance(1800)
    release = threading.Event()

    def hang(connection: socket.socket, _: threading.Event) -> bool:
        release.wait(5)
        connection.sendall(response_bytes(200, b'{"access_token": "parents", "expires_in": 3600}'))
        return True

    server.fail(TOKEN, hang)
    tokens.text()
    server.wait_for_requests(TOKEN, 2)
    server.tokens = [("childs", 3600)]
    tokens._lock.acquire()  # as if another thread were at it
    child = os.fork()
    if child == 0:
        kept = tokens.text()
        tokens.wait_until_idle()
        clock.advance(1740)
        os._exit(0 if (kept, tokens.text()) == ("first", "childs") else 1)
    tokens._lock.release()
    _, status = os.waitpid(child, 0)
    release.set()
    wait_until(lambda: tokens.text() == "parents")

    assert status == 0
