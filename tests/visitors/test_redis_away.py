"""Redis killed, frozen, full or never there: answers go on in time, and what was learnt is written afterwards."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.visitors.data import Conversion, CustomData, Device, DeviceType, PageView
from openfeature_kameleoon.visitors.traits import ForcedVariation
from tests.chaos import Answer, ChaosServer, drips, hangs, resets, sends, wait_until
from tests.redis_server import RedisServer
from tests.visitors.sharing import INDEX, MAPPING, WAIT, Site

LIMIT = 0.02
"""Seconds that an evaluation may wait in these tests; machines that run tests are busy."""

SLACK = 20

LINK = "openfeature_kameleoon.visitors.redis_link"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server for one test to harm."""
    server = RedisServer()

    yield server

    server.close()


@pytest.fixture
def site(server: RedisServer) -> Iterator[Site]:
    """A site on that server."""
    site = Site(server)

    yield site

    site.close()


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What was logged at a level by the library."""
    return [record.getMessage() for record in caplog.records if record.levelno == level and record.name == LINK]


def slowest(work: Callable[[], object], seconds: float = 0.5) -> float:
    """The longest that a call takes, of those that fit into some time; time passes for the store in between."""
    longest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        work()
        longest = max(longest, time.monotonic() - start)
        threading.Event().wait(0.001)
    return longest


# --- killed -----------------------------------------------------------------------------------------------------------


def test_when_redis_is_killed_visitors_stay_known_and_it_is_said_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    store = site.process()
    site.learn(store, "v", CustomData(0, "before"))
    site.server.kill()

    for number in range(20):
        visitor = site.look(store, "v")
        store.add_data(visitor, [CustomData(1, f"{number}")], INDEX)
        store.get_or_create(f"{number}")
    wait_until(lambda: told(caplog, logging.WARNING))

    assert site.look(store, "v").custom_data == {0: "before", 1: "19"}
    assert not store.is_shared
    assert told(caplog, logging.WARNING) == [
        "Redis is away: connection refused; until it is back each process knows its own visitors"
    ]


def test_what_was_learnt_while_redis_was_away_is_written_when_it_is_back(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openfeature_kameleoon")
    store = site.process()
    site.server.kill()
    store.add_data(store.unknown("v"), [CustomData(0, "meanwhile"), PageView("/"), Conversion(1)], INDEX)
    wait_until(lambda: told(caplog, logging.WARNING))

    site.server.start()
    wait_until(lambda: store.pending == 0)

    seen = site.look(site.process(), "v")
    assert (seen.custom_data, seen.traits.pages["/"].views) == ({0: "meanwhile"}, 1)
    assert len(seen.traits.conversions) == 1
    wait_until(lambda: told(caplog, logging.INFO))
    assert told(caplog, logging.INFO) == ["Redis is back: visitors are shared again"]
    assert len(told(caplog, logging.WARNING)) == 1


def test_what_redis_has_lost_is_given_back_by_those_who_know_it(site: Site) -> None:
    store = site.process()
    site.learn(store, "v", CustomData(0, "a"), PageView("/"), PageView("/"), CustomData(MAPPING, "user"))
    site.server.kill()
    site.server.start()
    wait_until(lambda: site.look(store, "v") and store.is_shared and not store.pending)

    other = site.process()
    assert site.look(store, "user").traits is site.look(store, "v").traits
    assert store.flush(WAIT)
    seen = site.look(other, "user")
    assert (seen.hashing_code, seen.custom_data) == ("v", {0: "a", MAPPING: "user"})
    assert seen.traits.pages["/"].views == 2


def test_a_variation_is_not_forced_again_because_redis_was_away(site: Site) -> None:
    one, other = site.process(), site.process(timeout_seconds=LIMIT)
    one.change(one.unknown("v"), lambda stored: stored.force(ForcedVariation(7, "on", 71)))
    assert one.flush(WAIT)
    site.look(other, "v")
    one.change(one.get_or_create("v"), lambda stored: stored.unforce(7))
    assert one.flush(WAIT)
    site.server.freeze()
    wait_until(lambda: site.look(other, "v") and not other.is_shared)
    site.server.thaw()
    wait_until(lambda: other.is_shared)

    assert site.look(other, "v").traits.forced == {}


def test_connections_that_the_server_closed_are_no_outage(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = site.process()
    site.learn(store, "v", CustomData(0, "a"))
    site.server.run("CLIENT", "KILL", "TYPE", "normal")

    site.look(store, "v")
    wait_until(lambda: store.is_shared)
    site.learn(store, "v", CustomData(0, "b"))

    assert site.look(site.process(), "v").custom_data == {0: "b"}
    assert told(caplog, logging.WARNING) == []


# --- frozen -----------------------------------------------------------------------------------------------------------


def test_when_redis_hangs_nobody_waits_longer_than_the_limit(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = site.process(timeout_seconds=LIMIT)
    site.learn(store, "v", CustomData(0, "a"))
    numbers = iter(range(10**9))

    def evaluate() -> None:
        visitor = site.look(store, "v")
        store.add_data(visitor, [CustomData(1, f"{next(numbers)}")], INDEX)
        store.get(f"nobody-{next(numbers)}")

    site.server.freeze()
    longest = slowest(evaluate, 2.0)

    assert longest < LIMIT * SLACK
    wait_until(lambda: told(caplog, logging.WARNING))
    assert not store.is_shared
    assert len(told(caplog, logging.WARNING)) == 1

    site.server.thaw()
    wait_until(lambda: store.is_shared and not store.pending)
    assert site.look(site.process(), "v").custom_data == site.look(store, "v").custom_data


def test_many_threads_wait_no_longer(site: Site) -> None:
    store = site.process(timeout_seconds=LIMIT)
    for number in range(8):
        site.learn(store, f"{number}")
    longest: list[float] = []

    def work(code: str) -> None:
        longest.append(slowest(lambda: site.look(store, code), 1.0))

    threads = [threading.Thread(target=work, args=(f"{number}",)) for number in range(8)]
    site.server.freeze()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.server.thaw()

    assert max(longest) < LIMIT * SLACK


def test_without_threads_an_evaluation_waits_for_reading_and_writing_together_no_longer(site: Site) -> None:
    store = site.process(timeout_seconds=LIMIT, threads=False)
    site.learn(store, "v", CustomData(0, "a"))
    numbers = iter(range(10**9))

    def evaluate() -> None:
        visitor = site.look(store, "v")
        for index in range(1, 4):
            store.add_data(visitor, [CustomData(index, f"{next(numbers)}")], INDEX)

    site.server.freeze()
    longest = slowest(evaluate)
    site.server.thaw()

    assert longest < LIMIT * SLACK
    assert not store.is_shared
    assert store.flush(WAIT)
    assert site.fields(store, "v")[b"data:0"] == b'"a"'


def test_closing_does_not_wait_for_a_redis_that_hangs(site: Site) -> None:
    store = site.process(timeout_seconds=LIMIT)
    site.server.freeze()
    store.get("v")
    store.get_or_create("w")

    start = time.monotonic()
    store.close(0.3)

    assert time.monotonic() - start < 1.5
    site.server.thaw()


# --- never what it should be ------------------------------------------------------------------------------------------


def test_a_redis_that_was_never_there_is_said_once(caplog: pytest.LogCaptureFixture, site: Site) -> None:
    site.server.kill()
    store = site.process(is_up=False)
    store.start(WAIT)

    store.add_data(store.get_or_create("v"), [CustomData(0, "a")], INDEX)

    assert site.look(store, "v").custom_data == {0: "a"}
    assert not store.flush(0.5)
    assert len(told(caplog, logging.WARNING)) == 1


@pytest.mark.parametrize(
    "answer",
    [hangs(), resets(), sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), sends(b""), sends(b"*1\r\n" * 9)],
)
def test_what_is_no_redis_is_away(answer: Answer, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with NoRedis(answer) as server:
        store = site.process(is_up=False, url=f"redis://127.0.0.1:{server.port}/1", timeout_seconds=LIMIT)
        store.start(0.0)

        longest = slowest(lambda: store.get("v"))
        wait_until(lambda: told(caplog, logging.WARNING), 10.0)

        assert longest < LIMIT * SLACK
        assert not store.is_shared
        store.close(0.0)


def test_an_answer_that_never_ends_holds_nobody_up_but_the_background(site: Site) -> None:
    with NoRedis(drips(b"", b"+")) as server:
        store = site.process(is_up=False, url=f"redis://127.0.0.1:{server.port}/1", timeout_seconds=LIMIT)
        store.start(0.0)

        longest = slowest(lambda: store.get("v"))
        start = time.monotonic()
        store.close(0.0)

        assert longest < LIMIT * SLACK
        assert time.monotonic() - start < 1.0


class NoRedis(ChaosServer):
    """Answers each connection at once, and reads nothing."""

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:  # the client left
            self._answers[0](connection, self._ending)
        with self._lock:
            self._connections.discard(connection)


PASSWORD = f"{secrets.token_hex(8)}/ä:@#"  # nowhere in a file of this project, whose lines tracebacks show
IN_URL = quote(PASSWORD, safe="")


@contextmanager
def locked_server() -> Iterator[RedisServer]:
    server = RedisServer(password=PASSWORD)
    try:
        yield server
    finally:
        server.close()


def test_a_password_opens_redis_and_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with locked_server() as server:
        site = Site(server)
        store = site.process(url=Secret(server.url))
        site.learn(store, "v", CustomData(0, "a"))
        server.kill()
        site.look(store, "v")
        wait_until(lambda: told(caplog, logging.WARNING))
        shown = [repr(store), repr(vars(store)), repr(vars(store._link))]
        site.close()

    shown += [record.getMessage() for record in caplog.records]
    assert [text for text in shown if PASSWORD in text or IN_URL in text] == []


@pytest.mark.parametrize("user", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_named_and_not_quoted(user: str, caplog: pytest.LogCaptureFixture) -> None:
    with locked_server() as server:
        site = Site(server)
        store = site.process(is_up=False, url=f"redis://{user}127.0.0.1:{server.port}")
        store.start(WAIT)
        wait_until(lambda: told(caplog, logging.WARNING))
        site.close()

    (message,) = told(caplog, logging.WARNING)
    assert message.startswith("Redis is away: it refuses the password;")
    assert "wrong" not in message


REFUSING: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "it is out of memory"),
    (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "it is read-only"),
    (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0"), "it refuses"),
    (("ACL", "SETUSER", "default", "-hincrby"), ("ACL", "SETUSER", "default", "+hincrby"), "it does not let this user"),
]


@pytest.mark.parametrize(("harm", "mend", "reason"), REFUSING)
def test_a_redis_that_refuses_to_write_is_away_until_it_does(
    site: Site, harm: tuple[str, ...], mend: tuple[str, ...], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = site.process()
    site.learn(store, "v", CustomData(0, "a"))
    site.server.run(*harm)

    store.add_data(store.get_or_create("v"), [CustomData(0, "b"), PageView("/")], INDEX)
    wait_until(lambda: told(caplog, logging.WARNING))

    assert [reason in message for message in told(caplog, logging.WARNING)] == [True]
    assert site.look(store, "v").custom_data == {0: "b"}
    site.server.run(*mend)
    wait_until(lambda: not store.pending)
    assert site.look(site.process(), "v").custom_data == {0: "b"}


def test_changes_that_are_too_many_are_dropped_the_oldest_first(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = site.process()
    store._writer.pending._most = 20
    site.server.freeze()
    for number in range(100):
        store.add_data(store.unknown(f"{number}"), [CustomData(0, f"{number}")], INDEX)
    assert store.pending <= 20 + 2  # what is under way cannot be taken back

    site.server.thaw()
    wait_until(lambda: store.pending == 0)

    assert site.look(site.process(), "99").custom_data == {0: "99"}
    assert any("too many to keep while Redis was away" in record.getMessage() for record in caplog.records)


# --- the end, and beginnings anew -------------------------------------------------------------------------------------


def redis_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kameleoon-redis"]


def test_closing_writes_what_is_left_and_ends_thread_and_connections(site: Site) -> None:
    store, other = site.process(), site.process()
    for number in range(50):
        store.add_data(store.unknown(f"{number}"), [CustomData(0, f"{number}")], INDEX)

    store.close(WAIT)

    assert site.look(other, "49").custom_data == {0: "49"}
    assert len(redis_threads()) == 1
    assert site.look(store, "49").custom_data == {0: "49"}
    store.close(0.0)
    store.add_data(store.get_or_create("v"), [CustomData(0, "a")], INDEX)
    assert (store.pending, store.is_shared) == (0, False)


def test_a_store_that_was_closed_may_start_again(site: Site) -> None:
    store = site.process()
    store.close(WAIT)

    store.start(WAIT)
    wait_until(lambda: store.is_shared)
    site.learn(store, "v", CustomData(0, "a"))

    assert site.look(site.process(), "v").custom_data == {0: "a"}


def test_a_store_that_nobody_started_starts_when_it_is_used(site: Site) -> None:
    store = site.process(is_up=False)
    assert redis_threads() == []

    store.get("v")

    wait_until(lambda: store.is_shared)


def test_a_store_that_was_closed_is_let_go_of(site: Site) -> None:
    store = site.process()
    store.close(0.0)
    site.stores.clear()
    seen = weakref.ref(store)

    del store
    gc.collect()

    assert seen() is None


def test_an_interrupted_read_does_not_leave_its_answer_to_the_next(site: Site) -> None:
    store = site.process()
    site.learn(store, "v", CustomData(0, "of v"))
    site.learn(store, "w", CustomData(0, "of w"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGALRM, interrupt)
    site.server.freeze()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(KeyboardInterrupt):
        site.look(store, "v")
    signal.signal(signal.SIGALRM, usual)
    site.server.thaw()

    wait_until(lambda: store.is_shared)
    assert site.look(store, "w").custom_data == {0: "of w"}
    assert site.look(store, "v").custom_data == {0: "of v"}


# --- fork -------------------------------------------------------------------------------------------------------------

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
# From 3.12 on Python warns of forking beside threads, which is what is tested.
BESIDE_THREADS = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def fork(work: Callable[[], bool]) -> int:
    """The process id of a child that does some work; one that hangs is ended by an alarm."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return child


def succeeded(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("threads", [True, False])
@FORKS
@BESIDE_THREADS
def test_children_share_with_their_parent_over_connections_of_their_own(site: Site, threads: bool) -> None:
    store = site.process(threads=threads)
    site.learn(store, "v", CustomData(10, "of the parent"))

    def work(number: int) -> bool:
        wait_until(lambda: store.get("anybody") is None and (store.is_shared or store.flush(1.0)))
        seen = site.look(store, "v").custom_data.get(10)
        store.add_data(site.look(store, "v"), [CustomData(number, f"{number}"), PageView("/")], INDEX)
        is_written = store.flush(WAIT)
        store.close(WAIT)
        return is_written and seen == "of the parent"

    children = [fork(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]
    site.learn(store, "v", PageView("/"), Device(DeviceType.PHONE))
    assert [succeeded(child) for child in children] == [True] * 4

    visitor = site.look(store, "v")
    assert visitor.custom_data == {10: "of the parent", **{number: f"{number}" for number in range(4)}}
    assert visitor.traits.pages["/"].views == 5
    assert store.is_shared


@FORKS
@BESIDE_THREADS
def test_what_is_not_written_yet_at_a_fork_is_written_by_the_parent_alone(site: Site) -> None:
    store = site.process()
    site.learn(store, "v")
    site.server.freeze()
    store.add_data(store.get_or_create("v"), [PageView("/")], INDEX)

    child = fork(lambda: store.pending == 0 and store.flush(WAIT))
    site.server.thaw()

    assert succeeded(child)
    assert store.flush(WAIT)
    assert site.look(site.process(), "v").traits.pages["/"].views == 1


@FORKS
@BESIDE_THREADS
def test_a_fork_in_the_middle_of_everything_stops_nobody(site: Site) -> None:
    store = site.process()
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1
            store.add_data(store.get_or_create(f"{number % 7}"), [CustomData(0, f"{number}")], INDEX)

    def look() -> bool:
        store.add_data(store.get_or_create("child"), [CustomData(1, f"{os.getpid()}")], INDEX)
        return store.flush(WAIT)

    busy = [threading.Thread(target=work) for _ in range(2)]
    for thread in busy:
        thread.start()
    results = [succeeded(fork(look)) for _ in range(10)]
    done.set()
    for thread in busy:
        thread.join()

    assert results == [True] * 10
    assert store.flush(WAIT)
    assert site.look(store, "child").custom_data.keys() == {1}
