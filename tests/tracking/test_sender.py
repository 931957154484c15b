"""When events are sent: at every interval, at once when asked, later and later in an outage, and before the end."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from math import inf
from random import Random

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.tracking.delivery import MOST_CHARACTERS, Verdict
from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.tracking.sender import ABORT_SECONDS, MOST_EVENTS, Sender, flush_all, stop_all
from openfeature_kameleoon.visitors.data import PageView
from tests.chaos import wait_until
from tests.clock import FakeClock

INTERVAL, TIMEOUT, DAY = 1.0, 10.0, 86_400.0

BUSY_SECONDS = 0.5
"""What a busy machine may add to a time."""


class Answered:
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}


class Server:
    """Takes everything, until it is told to answer otherwise: with a status, or 0 for not at all."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.timeouts: list[float] = []
        self.status = 200
        self.headers: dict[str, str] = {}

    def post(self, body: bytes, timeout: float) -> Answered:
        self.bodies.append(body)
        self.timeouts.append(timeout)
        if self.status == 0:
            raise RequestFailed("POST host/visit/events: the connection was refused")
        return Answered(self.status, self.headers)

    def lines(self) -> int:
        return sum(body.count(b"\n") + 1 for body in self.bodies)


class Hanging(Server):
    """Does not answer until the request is ended."""

    def __init__(self) -> None:
        super().__init__()
        self.is_ended = threading.Event()

    def post(self, body: bytes, timeout: float) -> Answered:
        self.bodies.append(body)
        assert self.is_ended.wait(TIMEOUT)
        raise RequestFailed("POST host/visit/events: ended")


def put(outbox: MemoryOutbox, *visitors: str, time: float = inf) -> None:
    for visitor in visitors:
        outbox.put(Report(visitor, (Event(ACTIVITY, 7),), time=time))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def outbox(clock: FakeClock) -> MemoryOutbox:
    return MemoryOutbox(clock=clock)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def sender(outbox: MemoryOutbox, server: Server, clock: FakeClock) -> Sender:
    """One without a thread, which a test steps through simulated time."""
    return Sender(outbox, server.post, threads=False, clock=clock, random=Random(7))


@pytest.fixture
def running() -> Iterator[Callable[..., Sender]]:
    """Makes senders with their thread, in real time, which are ended with the test."""
    senders = []

    def run(outbox: MemoryOutbox, server: Server, **settings: float | str) -> Sender:
        end = server.is_ended.set if isinstance(server, Hanging) else lambda: None
        sender = Sender(outbox, server.post, end, **settings)  # type: ignore[arg-type]  # settings are numbers and names
        sender.start()
        senders.append(sender)
        return sender

    yield run

    for sender in senders:
        sender.stop(0.0)


def simulate(sender: Sender, clock: FakeClock, seconds: float) -> None:
    """Let so much time pass, in which the sender does what its thread would."""
    end = clock.monotonic() + seconds
    while (wait := sender.step()) <= end - clock.monotonic():
        clock.advance(max(wait, 1e-3))
    clock.advance(end - clock.monotonic())


# In simulated time ----------------------------------------------------------------------------------------------------


def test_what_waits_is_sent_at_every_interval(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    put(outbox, "a", "b")
    assert sender.step() == INTERVAL

    put(outbox, "c")
    clock.advance(0.5)
    assert sender.step() == 0.5
    clock.advance(0.5)
    assert sender.step() == INTERVAL

    assert [body.count(b"\n") + 1 for body in server.bodies] == [2, 1]
    assert outbox.status().delivered == 3


def test_nothing_is_asked_of_the_server_when_nothing_waits(sender: Sender, server: Server, clock: FakeClock) -> None:
    simulate(sender, clock, 3600.0)

    assert server.bodies == []


def test_lines_are_joined_without_an_end(sender: Sender, outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, "a", "b")

    sender.step()

    assert server.bodies == [
        b"nonce=0000000000000007&eventType=activity&visitorCode=a\n"
        b"nonce=0000000000000007&eventType=activity&visitorCode=b"
    ]


def test_a_body_is_bounded_save_for_its_last_visitor(sender: Sender, outbox: MemoryOutbox, server: Server) -> None:
    page = PageView("https://a/" + "x" * 100_000)
    for number in range(60):
        outbox.put(Report(f"v{number}", (Event(page, number),)))

    sender.step()

    assert len(server.bodies) == 3
    assert all(len(body) <= MOST_CHARACTERS + 100_200 for body in server.bodies)
    assert all(len(body) > MOST_CHARACTERS for body in server.bodies[:-1])
    assert outbox.status().delivered == 60


def test_a_body_is_bounded_exactly_where_that_is_wanted(outbox: MemoryOutbox, server: Server) -> None:
    page = PageView("https://a/" + "x" * 1_000)
    for number in range(60):
        outbox.put(Report(f"v{number}", (Event(page, number),)))
    outbox.put(Report("large", (Event(PageView("https://a/" + "x" * 20_000), 60),)))
    sender = Sender(outbox, server.post, threads=False, most_characters=12_000, is_exact=True)

    sender.step()

    large = [body for body in server.bodies if len(body) > 12_100]
    assert [body.count(b"\n") + 1 for body in large] == [1]
    assert [body.count(b"\n") + 1 for body in server.bodies] == [11, 11, 11, 11, 11, 5, 1]


def test_a_request_holds_so_many_events_at_most(outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, *(f"v{number}" for number in range(25)))
    sender = Sender(outbox, server.post, threads=False, most_events=10)

    sender.step()

    assert [body.count(b"\n") + 1 for body in server.bodies] == [10, 10, 5]


def test_what_a_status_means_may_be_told(outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, "a")
    server.status = 403
    sender = Sender(outbox, server.post, threads=False, judge=lambda status: Verdict.LATER)

    assert not sender.flush()

    assert sender.status().last_error == "the tracking server answered 403"


def test_very_many_small_events_make_several_requests(sender: Sender, outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, *(f"v{number}" for number in range(MOST_EVENTS + 5)))

    sender.step()

    assert [body.count(b"\n") + 1 for body in server.bodies] == [MOST_EVENTS, 5]


def test_a_failure_is_followed_by_one_visitor_and_then_by_ever_more(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    put(outbox, *(f"v{number}" for number in range(1000)))
    server.status = 503
    simulate(sender, clock, 10.0)
    assert {body.count(b"\n") + 1 for body in server.bodies[1:]} == {1}

    server.status, server.bodies = 200, []
    simulate(sender, clock, 10.0)

    assert [body.count(b"\n") + 1 for body in server.bodies] == [1, 32, 967]


@pytest.mark.parametrize("status", [0, 500, 429])
def test_an_outage_is_retried_rarely_and_its_end_is_noticed_within_a_quarter_of_it(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock, status: int
) -> None:
    put(outbox, "a")
    server.status = status
    simulate(sender, clock, 3600.0)
    attempts = len(server.bodies)

    server.status = 200
    simulate(sender, clock, 900.0)

    assert 12 <= attempts <= 120
    assert outbox.status().delivered == 1


@pytest.mark.parametrize("seed", range(20))
def test_after_ten_seconds_of_outage_everything_is_delivered_within_three(
    outbox: MemoryOutbox, server: Server, clock: FakeClock, seed: int
) -> None:
    sender = Sender(outbox, server.post, threads=False, clock=clock, random=Random(seed))
    put(outbox, *(f"v{number}" for number in range(100)))
    server.status = 0
    simulate(sender, clock, 10.0)

    server.status = 200
    simulate(sender, clock, 3.0)

    assert outbox.status().delivered == 100


def test_the_server_is_left_alone_as_long_as_it_asks(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    put(outbox, "a")
    server.status, server.headers = 429, {"Retry-After": "120"}
    sender.step()
    server.status = 200

    simulate(sender, clock, 119.0)
    assert len(server.bodies) == 1

    simulate(sender, clock, 5.0)
    assert outbox.status().delivered == 1


def test_no_server_has_itself_left_alone_for_longer_than_a_quarter_of_an_hour(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    put(outbox, "a")
    server.status, server.headers = 503, {"Retry-After": "999999"}

    assert sender.step() <= 901.0


def test_what_was_not_delivered_in_time_is_dropped(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    put(outbox, "a", "b", time=clock.monotonic())
    server.status = 500

    simulate(sender, clock, DAY + 400)

    assert outbox.status().dropped == {"queue_full": 0, "expired": 2}
    assert "events were dropped: 2 expired" in caplog.text


def test_a_clock_that_is_set_back_and_forth_neither_stops_nor_hastens_sending(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    for hours in (-1, 1, 1, -1):
        put(outbox, "a")
        clock.jump(hours * 3600)
        simulate(sender, clock, 2.0)

    assert outbox.status().delivered == 4
    assert len(server.bodies) == 4


def test_an_outage_is_one_warning_and_one_line_when_it_is_over(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(outbox, "secret-visitor")
    server.status = 500
    simulate(sender, clock, 600.0)
    server.status = 200
    simulate(sender, clock, 300.0)

    assert [record.getMessage() for record in caplog.records] == [
        "events cannot be delivered and wait: the tracking server answered 500",
        "events are delivered again",
    ]


def test_the_status_tells_how_it_goes(sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock) -> None:
    put(outbox, "a", "b")
    server.status = 500
    sender.step()
    clock.advance(0.25)

    status = sender.status()

    assert (status.requests, status.retried, status.seconds_failing) == (1, 2, 0.25)
    assert status.last_error == "the tracking server answered 500"


def test_a_bug_costs_a_turn_and_no_event(
    outbox: MemoryOutbox, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def post(body: bytes, timeout: float) -> Answered:
        if broken:
            raise ZeroDivisionError
        return Answered(200)

    sender = Sender(outbox, post, threads=False, clock=clock)
    put(outbox, "a")
    sender.step()
    broken.clear()
    simulate(sender, clock, 2.0)

    assert outbox.status().delivered == 1
    assert "sending events failed unexpectedly" in caplog.text


# Asked for ------------------------------------------------------------------------------------------------------------


def test_without_threads_a_flush_sends_inside_the_call(sender: Sender, outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, "a")

    assert sender.flush()

    assert server.lines() == 1


def test_without_threads_a_flush_that_fails_says_so_and_keeps_everything(
    sender: Sender, outbox: MemoryOutbox, server: Server
) -> None:
    put(outbox, "a")
    server.status = 500

    assert not sender.flush()

    assert outbox.status().pending == 1


def test_a_flush_tries_in_the_middle_of_an_outage(
    sender: Sender, outbox: MemoryOutbox, server: Server, clock: FakeClock
) -> None:
    put(outbox, "a")
    server.status, server.headers = 503, {"Retry-After": "600"}
    sender.step()
    server.status = 200

    assert sender.flush()


def test_a_request_is_given_no_more_time_than_is_left(sender: Sender, outbox: MemoryOutbox, server: Server) -> None:
    put(outbox, "a")

    sender.flush(timeout=0.5)

    assert server.timeouts == [0.5]


# With a thread --------------------------------------------------------------------------------------------------------


def test_an_instant_flush_does_not_wait_for_the_interval(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = running(outbox, server, interval=3600.0)
    wait_until(lambda: sender.flush(timeout=1.0))
    put(outbox, "a")

    assert sender.flush(timeout=5.0)

    assert server.lines() == 1


def test_a_flush_in_the_middle_of_a_request_that_fails_is_one_more_try(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Server()
    server.status, server.headers = 503, {"Retry-After": "600"}
    answer, is_under_way = server.post, threading.Event()
    may_answer = threading.Event()

    def post(body: bytes, timeout: float) -> Answered:
        is_under_way.set()
        assert may_answer.wait(TIMEOUT)
        return answer(body, timeout)

    server.post = post  # type: ignore[method-assign]  # the same, when it may
    put(outbox, "a")
    sender = running(outbox, server)
    assert is_under_way.wait(TIMEOUT)

    sender.flush()
    may_answer.set()

    wait_until(lambda: len(server.bodies) == 2)


def test_to_hurry_is_to_send_at_once_save_in_an_outage(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = running(outbox, server, interval=3600.0)
    assert sender.flush(5.0)
    put(outbox, "a")
    sender.hurry()
    wait_until(lambda: server.lines() == 1)

    server.status = 503
    server.headers = {"Retry-After": "600"}
    put(outbox, "b")
    sender.hurry()
    wait_until(lambda: sender.status().last_error)
    for _ in range(100):
        sender.hurry()

    assert not sender.flush(0.0)  # asks, as nothing before it did
    wait_until(lambda: len(server.bodies) == 3)


@pytest.mark.parametrize("threads", [True, False])
def test_while_it_is_held_nothing_is_sent_not_even_at_the_end(threads: bool) -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = Sender(outbox, server.post, threads=threads)
    sender.hold(True)
    sender.start()
    put(outbox, "a")

    assert not sender.flush(60.0)
    assert sender.step() == INTERVAL
    sender.stop(60.0)
    assert server.bodies == []

    sender.hold(False)
    sender.start()
    assert sender.flush(5.0)
    sender.stop()


def test_several_are_flushed_and_stopped_within_one_time_out(running: Callable[..., Sender]) -> None:
    outboxes = [MemoryOutbox() for _ in range(3)]
    servers = [Hanging(), Hanging(), Server()]
    senders = [running(outbox, server) for outbox, server in zip(outboxes, servers, strict=True)]
    for outbox in outboxes:
        put(outbox, "a")

    began = time.monotonic()
    assert not flush_all(senders, 0.2)
    stop_all(senders, 0.2)

    assert time.monotonic() - began < 0.4 + 3 * ABORT_SECONDS + BUSY_SECONDS
    assert [outbox.status().delivered for outbox in outboxes] == [0, 0, 1]


def test_several_are_flushed_when_nothing_waits_in_any(running: Callable[..., Sender]) -> None:
    outboxes, server = [MemoryOutbox() for _ in range(2)], Server()
    senders = [running(outbox, server) for outbox in outboxes]
    for outbox in outboxes:
        put(outbox, "a")

    assert flush_all(senders, 5.0)

    assert server.lines() == 2


def test_its_thread_may_have_another_name(running: Callable[..., Sender]) -> None:
    running(MemoryOutbox(), Server(), name="kameleoon-other")

    assert "kameleoon-other" in {thread.name for thread in threading.enumerate()}


def test_no_thread_runs_before_the_start_nor_after_the_end() -> None:
    sender = Sender(MemoryOutbox(), Server().post)
    assert "kameleoon-sender" not in {thread.name for thread in threading.enumerate()}

    sender.start()
    sender.start()
    assert [thread.name for thread in threading.enumerate()].count("kameleoon-sender") == 1

    sender.stop()
    sender.stop()
    assert "kameleoon-sender" not in {thread.name for thread in threading.enumerate()}


def test_what_waits_is_sent_before_the_end(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = running(outbox, server, interval=3600.0)
    wait_until(lambda: sender.step() > 0)
    put(outbox, "a", "b")

    sender.stop()

    assert server.lines() == 2


def test_what_nobody_reported_yet_is_collected_before_the_end() -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = Sender(outbox, server.post, collect=lambda: put(outbox, "a"))
    sender.start()

    sender.stop()

    assert server.lines() == 1


def test_it_can_be_started_again(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Server()
    sender = running(outbox, server)
    sender.stop()
    sender.start()
    put(outbox, "a")

    assert sender.flush(timeout=5.0)


def test_a_dead_server_delays_the_end_no_longer_than_allowed(
    running: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    outbox, server = MemoryOutbox(), Server()
    server.status = 0
    sender = running(outbox, server)
    put(outbox, "a")

    sender.stop(0.3)

    assert not [thread for thread in threading.enumerate() if thread.name == "kameleoon-sender"]
    assert "1 events were not delivered before the end" in caplog.text


def test_a_request_that_hangs_is_ended_with_the_sender(running: Callable[..., Sender]) -> None:
    outbox, server = MemoryOutbox(), Hanging()
    sender = running(outbox, server)
    put(outbox, "a")
    sender.flush()
    wait_until(lambda: server.bodies)

    sender.stop(0.1)

    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "kameleoon-sender"])
    assert outbox.status().pending == 1


PROGRAM = """
import sys
from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.tracking.sender import Sender

class Answered:
    status, headers = 200, {{}}

def post(body, timeout):
    sys.stdout.write(body.decode() + "\\n")
    return Answered

outbox = MemoryOutbox()
sender = Sender(outbox, post, interval=3600.0, threads={threads})
sender.start()
sender.flush()
for number in range(100):
    outbox.put(Report(f"v{{number}}", (Event(ACTIVITY, number),)))
{end}
"""


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ZeroDivisionError"])
def test_what_waits_when_the_program_ends_is_sent(end: str, threads: bool) -> None:
    program = PROGRAM.format(end=end, threads=threads)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)

    assert len(done.stdout.split()) == 100
