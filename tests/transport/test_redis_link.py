"""Connections to a real Redis: how many there are, what is said of failures, and what a fork or an end leaves of them.

What becomes of evaluations meanwhile is shown in tests/visitors/test_redis_away.py.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest
import redis.exceptions

from openfeature_kameleoon.clock import SYSTEM_CLOCK
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport import redis_link as module
from openfeature_kameleoon.transport.redis_connect import reason_of
from openfeature_kameleoon.transport.redis_link import RedisAway, RedisLink
from openfeature_kameleoon.transport.resp import OversizedReply
from tests.chaos import wait_until
from tests.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

PING = (b"PING",)


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[RedisLink]:
    """A link that is up."""
    link = link_to(redis_server.url)
    assert link.mend()

    yield link

    link.close()


def link_to(url: str) -> RedisLink:
    return RedisLink(
        Secret(url), timeout_seconds=1.0, trial=[PING], need=lambda: None, clock=SYSTEM_CLOCK, random=Random(0)
    )


def test_nothing_is_asked_before_it_was_tried(redis_server: RedisServer) -> None:
    link = link_to(redis_server.url)

    with pytest.raises(RedisAway, match="no connection yet"):
        link.ask([PING])


def test_all_commands_are_answered_at_once_in_their_order(link: RedisLink) -> None:
    assert link.ask([PING, (b"ECHO", b"a"), (b"NONSENSE",), (b"ECHO", b"b")]) == [b"PONG", b"a", "ERR", b"b"]
    assert link.is_up


def test_connections_are_used_again(link: RedisLink, redis_server: RedisServer) -> None:
    before = redis_server.run("INFO", "stats")["total_connections_received"]
    for _ in range(50):
        link.ask([PING])

    assert redis_server.run("INFO", "stats")["total_connections_received"] == before + 1  # that of the question


def test_when_connections_are_missed_there_are_more_next_time(link: RedisLink) -> None:
    together = threading.Barrier(6)

    def ask() -> None:
        together.wait(5)
        link.ask([(b"BLPOP", b"nothing", b"0.1")])

    def ask_at_once() -> None:
        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for _ in range(5):
        ask_at_once()
        link.tend()

    assert 2 < len(link._open) <= module.MOST_CONNECTIONS


def test_who_finds_no_connection_free_waits_no_longer_than_asked(link: RedisLink) -> None:
    link._drop_idle()
    link._connect()
    waiting = threading.Thread(target=link.ask, args=([(b"BLPOP", b"nothing", b"0.5")],))
    waiting.start()
    wait_until(link._idle.empty)

    start = time.monotonic()
    with pytest.raises(RedisAway, match="all connections are in use"):
        link.ask([PING], 0.05)

    assert time.monotonic() - start < 0.4
    assert link.is_up
    waiting.join()


def test_what_was_idle_for_long_is_used(link: RedisLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    before = {connection: connection.used_at for connection in link._open}

    link.tend()

    assert all(connection.used_at > used_at for connection, used_at in before.items())


def test_idle_connections_that_were_closed_are_replaced(
    link: RedisLink, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    redis_server.run("CLIENT", "KILL", "TYPE", "normal")
    link.tend()
    assert not link.is_up

    assert link.mend()
    assert link.ask([PING]) == [b"PONG"]


def test_an_answer_that_is_too_large_is_not_redis_being_away(link: RedisLink, redis_server: RedisServer) -> None:
    redis_server.run("SET", "large", b"x" * 2_000_000)

    with pytest.raises(OversizedReply):
        link.ask([(b"GET", b"large")])

    assert link.ask([PING]) == [b"PONG"]


def test_two_answers_that_do_not_come_are_no_outage_and_three_are(link: RedisLink) -> None:
    slow = (b"BLPOP", b"nothing", b"0.2")
    for _ in range(3):
        link._connect()

    for expected in (True, True, False):
        with pytest.raises(RedisAway, match="no answer within 10 ms"):
            link.ask([slow], 0.01)
        assert link.is_up is expected

    assert link.mend()


def test_answers_that_never_come_after_trials_that_do_are_an_outage_in_the_end(
    link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        if link.is_up:
            with pytest.raises(RedisAway):
                link.ask([(b"BLPOP", b"nothing", b"0.2")], 0.001)
        elif caplog.records:
            break
        else:
            link.mend()

    assert [record.getMessage() for record in caplog.records] == [
        "Redis is away: no answer within 1 ms; until it is back each process knows its own visitors"
    ]
    assert link.seconds_to_try() > 0


def test_a_link_that_is_closed_in_the_middle_ends_what_waits(link: RedisLink) -> None:
    failures: list[Exception] = []

    def ask() -> None:
        try:
            link.ask([(b"BLPOP", b"nothing", b"9")], 9.0)
        except RedisAway as away:
            failures.append(away)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: link._idle.qsize() < len(link._open))
    start = time.monotonic()
    link.close()
    thread.join()

    assert time.monotonic() - start < 2.0
    assert len(failures) == 1
    assert not link._open
    assert not link.mend()


def test_a_connection_in_the_making_is_ended_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = link_to(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        thread = threading.Thread(target=link.mend)
        thread.start()
        wait_until(lambda: getattr(link._connecting._connection, "_sock", None) is not None)

        start = time.monotonic()
        link.close()
        thread.join()

    assert time.monotonic() - start < 0.5


def test_a_server_that_began_anew_may_have_lost_what_was_there(link: RedisLink) -> None:
    before = link.unbroken_since
    link._connect()
    assert link.unbroken_since == before

    link._run_id = b"another"
    link._connect()
    assert link.unbroken_since > before


REASONS: list[tuple[BaseException, str]] = [
    (TimeoutError("timed out"), "no answer within 5 ms"),
    (redis.exceptions.TimeoutError("Timeout connecting to server"), "no answer within 5 ms"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "to s3cret"), "connection refused"),
    (OSError(errno.EHOSTUNREACH, "to s3cret"), "no route to host"),
    (socket.gaierror(-2, "s3cret"), "the host name does not resolve"),
    (ssl.SSLCertVerificationError("s3cret"), "its certificate was refused"),
    (ssl.SSLError("s3cret"), "TLS failed"),
    (ValueError("s3cret"), "the exchange failed (ValueError)"),
    (redis.exceptions.ConnectionError("s3cret"), "the exchange failed (ConnectionError)"),
]


@pytest.mark.parametrize(("error", "reason"), REASONS, ids=lambda value: type(value).__name__)
def test_failures_are_told_in_words_of_our_own(error: BaseException, reason: str) -> None:
    wrapped = redis.exceptions.ConnectionError("s3cret")
    wrapped.__context__ = error

    assert reason_of(error, 0.005) == reason
    if not isinstance(error, ValueError | redis.exceptions.ConnectionError):
        assert reason_of(wrapped, 0.005) == reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_leaves_its_parents_connections_alone(link: RedisLink) -> None:
    child = os.fork()
    if child == 0:
        try:
            link.renew()
            os._exit(0 if not link._open and link.mend() and link.ask([PING]) == [b"PONG"] else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for _ in range(4):
        assert link.ask([PING]) == [b"PONG"]
