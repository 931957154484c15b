"""Connections to a real Redis: who makes them, what is said of failures, and what a fork or an end leaves of them.

What becomes of visitors meanwhile is shown in test_redis_away.py.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest
import redis.exceptions

from openfeature_kameleoon.clock import SYSTEM_CLOCK
from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.visitors import redis_link as module
from openfeature_kameleoon.visitors.redis_link import CONNECTIONS, PING, RedisAway, RedisLink, _reason_of
from tests.chaos import wait_until
from tests.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

SLOW = (b"BLPOP", b"nothing", b"0.3")
SLOWER = (b"BLPOP", b"nothing", b"1")
SECONDS = 5.0


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[RedisLink]:
    """A link that is up, with all its connections."""
    link = link_to(redis_server.url)
    assert link.mend()
    link.tend()

    yield link

    link.close()


def link_to(url: str) -> RedisLink:
    return RedisLink(Secret(url), need=lambda: None, clock=SYSTEM_CLOCK, random=Random(0))


def test_nothing_is_asked_before_the_background_has_connected(redis_server: RedisServer) -> None:
    link = link_to(redis_server.url)

    with pytest.raises(RedisAway, match="no connection yet"):
        link.ask([PING], SECONDS)

    assert not link._open


def test_all_commands_are_answered_at_once_in_their_order(link: RedisLink) -> None:
    assert link.ask([PING, (b"ECHO", b"a"), (b"NONSENSE",), (b"ECHO", b"b")], SECONDS) == [b"PONG", b"a", None, b"b"]
    assert link.is_up


def test_connections_are_used_again(link: RedisLink, redis_server: RedisServer) -> None:
    before = redis_server.run("INFO", "stats")["total_connections_received"]
    for _ in range(50):
        link.ask([PING], SECONDS)

    assert redis_server.run("INFO", "stats")["total_connections_received"] == before + 1  # that of the question


def test_what_a_url_asks_for_does_not_change_how_replies_are_read(redis_server: RedisServer) -> None:
    link = link_to(f"{redis_server.url}?protocol=3&decode_responses=true&socket_timeout=90&max_connections=1&timeout=9")
    link.mend()

    assert link.ask([(b"HSET", b"hash", b"a", b"1"), (b"HGETALL", b"hash")], SECONDS)[1] == [b"a", b"1"]
    assert link._connection().socket_timeout == module.CONNECT_SECONDS
    link.close()


def test_a_socket_of_this_machine_will_do(redis_server: RedisServer) -> None:
    link = link_to(f"unix://{redis_server.socket_path}?db=1")

    assert link.mend()
    assert link.ask([PING], SECONDS) == [b"PONG"]
    link.close()


def test_who_finds_no_connection_free_waits_no_longer_than_asked_and_has_one_more_made(link: RedisLink) -> None:
    waiting = [threading.Thread(target=link.ask, args=([SLOWER], SECONDS)) for _ in range(CONNECTIONS)]
    for thread in waiting:
        thread.start()
    wait_until(link._idle.empty)

    start = time.monotonic()
    with pytest.raises(RedisAway, match="all connections are in use"):
        link.ask([PING], 0.05)

    assert time.monotonic() - start < 0.8
    link.tend()
    assert link.ask([PING], SECONDS) == [b"PONG"]
    assert len(link._open) == CONNECTIONS + 1
    for thread in waiting:
        thread.join()


def test_nobody_waits_longer_than_asked_where_many_want_few_connections(link: RedisLink) -> None:
    longest: list[float] = []
    end = time.monotonic() + 2.0

    def ask_often() -> None:
        while (start := time.monotonic()) < end and link.is_up:  # on a busy machine it may be down: nobody waits then
            with contextlib.suppress(RedisAway):
                link.ask([PING], 0.005)
            longest.append(time.monotonic() - start)

    threads = [threading.Thread(target=ask_often) for _ in range(3 * CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(longest) < 1.5  # a queue that begins its wait anew holds some of them to the end


def test_two_answers_that_do_not_come_are_no_outage_and_three_are(link: RedisLink) -> None:
    for expected in (True, True, False):
        with pytest.raises(RedisAway, match="no answer in time"):
            link.ask([SLOW], 0.01)
        assert link.is_up is expected

    assert link.mend()
    assert link.ask([PING], SECONDS) == [b"PONG"]


def test_lost_connections_are_replaced(link: RedisLink) -> None:
    with pytest.raises(RedisAway):
        link.ask([SLOW], 0.01)
    assert len(link._open) == CONNECTIONS - 1

    link.tend()

    assert len(link._open) == link._idle.qsize() == CONNECTIONS


def test_idle_connections_that_were_closed_are_noticed(link: RedisLink, redis_server: RedisServer) -> None:
    redis_server.run("CLIENT", "KILL", "TYPE", "normal")

    with pytest.raises(RedisAway, match="the connection was lost"):
        link.ask([PING], SECONDS)

    assert not link._open
    assert link.mend()


def test_a_redis_that_never_keeps_its_promise_is_away_in_the_end(
    link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        if link.is_up:
            with pytest.raises(RedisAway):
                link.ask([SLOW], 0.001)
        elif caplog.records:
            break
        else:
            link.mend()

    assert [record.getMessage() for record in caplog.records] == [
        "Redis is away: no answer in time; until it is back each process knows its own visitors"
    ]
    link.is_up = False
    assert link.pause_seconds() > 0


def test_a_link_that_is_closed_in_the_middle_ends_what_waits(link: RedisLink) -> None:
    def ask() -> None:
        with contextlib.suppress(RedisAway):
            link.ask([(b"BLPOP", b"nothing", b"9")], 9.0)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: link._idle.qsize() < CONNECTIONS)
    start = time.monotonic()
    link.close()
    thread.join()

    assert time.monotonic() - start < 2.0
    assert not link._open
    assert not link.mend()
    assert not link._open


def test_a_connection_in_the_making_is_ended_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = link_to(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        thread = threading.Thread(target=link.mend)
        thread.start()
        wait_until(lambda: any(connection._sock is not None for connection in list(link._open)))

        start = time.monotonic()
        link.close()
        thread.join()

    assert time.monotonic() - start < 0.9 * module.CONNECT_SECONDS


REASONS: list[tuple[BaseException | None, str]] = [
    (ConnectionRefusedError("s3cret"), "connection refused"),
    (socket.gaierror(-2, "s3cret"), "its name does not resolve"),
    (TimeoutError("s3cret"), "no answer in time"),
    (OSError("s3cret"), "there is no connection"),
    (None, "there is no connection"),
]


@pytest.mark.parametrize(("cause", "reason"), REASONS)
def test_failures_are_told_in_words_of_our_own(cause: BaseException | None, reason: str) -> None:
    error = redis.exceptions.ConnectionError("s3cret")
    error.__context__ = cause

    assert _reason_of(error) == reason


def test_no_failure_leads_to_the_exceptions_of_others(link: RedisLink) -> None:
    with pytest.raises(RedisAway) as away:
        link.ask([SLOW], 0.01)
    with pytest.raises(ConfigSettingInvalid) as invalid:
        link_to("redis://:s3cret@host:port")

    for failure in (away.value, invalid.value):
        assert (failure.__cause__, failure.__context__) == (None, None)
        assert "s3cret" not in str(failure)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_leaves_its_parents_connections_alone(link: RedisLink) -> None:
    child = os.fork()
    if child == 0:
        try:
            link.renew()
            os._exit(0 if not link._open and link.mend() and link.ask([PING], SECONDS) == [b"PONG"] else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for _ in range(CONNECTIONS):
        assert link.ask([PING], SECONDS) == [b"PONG"]
    assert len(link._open) == CONNECTIONS
