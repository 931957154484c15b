from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.datafile.cache import DataFileCache
from openfeature_kameleoon.datafile.events import EventKind
from openfeature_kameleoon.datafile.freshness import NO_STREAM, State, StreamState
from openfeature_kameleoon.datafile.live import LiveDataFile
from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.sources import FileSource
from openfeature_kameleoon.datafile.streaming import EventStream
from openfeature_kameleoon.transport.http import Http, Response
from tests.chaos import Answer, drips, hangs, reply, wait_until
from tests.clock import FakeClock
from tests.kameleoon import DATA_FILE, SSE, FakeKameleoon
from tests.live import (
    HOUR,
    THEN,
    Network,
    Rules,
    SimulatedStream,
    build,
    data,
    down,
    flags,
    kinds,
    listen,
    run,
    simulated,
    up,
)

Make = Callable[..., LiveDataFile[Rules]]


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    server = FakeKameleoon(data(1, is_real_time=True, a=1))
    with server:
        yield server


@pytest.fixture
def make(server: FakeKameleoon) -> Iterator[Make]:
    """Make a live data file with a stream, on the server; it is stopped after the test."""
    made: list[LiveDataFile[Rules]] = []

    def make(*, interval: float = HOUR, clock: Clock = SYSTEM_CLOCK, **options: object) -> LiveDataFile[Rules]:
        live = LiveDataFile(
            PollingSource(Http(), "site1", endpoints=server.endpoints, interval=interval, random=Random(7)),
            build,
            stream=EventStream(
                Http(), server.endpoints.events_url("site1"), random=Random(7), clock=clock, first_reconnect=0.02
            ),
            **{
                "wants_stream": lambda rules: rules is not None and rules.is_real_time,
                "spread": 0.02,
                "random": Random(7),
                "clock": clock,
                "timeout": 5.0,
                **options,  # type: ignore[arg-type]  # what a test says otherwise
            },
        )
        made.append(live)
        return live

    yield make

    for live in made:
        live.stop()


def is_open(live: LiveDataFile[Rules]) -> bool:
    return live.status().stream.state is StreamState.OPEN


def stamps(server: FakeKameleoon) -> list[str | None]:
    """The timestamps that the requests for the data file carried."""
    queries = [parse_qs(urlsplit(request.target).query) for request in server.requests(DATA_FILE)]
    return [query.get("ts", [None])[0] for query in queries]


def threads_of_ours() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon-"))


def started(live: LiveDataFile[Rules], server: FakeKameleoon) -> LiveDataFile[Rules]:
    """Begun, with an open stream after whose opening was looked."""
    looks = len(server.requests(DATA_FILE)) + 2
    assert live.start(5.0)
    wait_until(lambda: is_open(live))
    server.wait_for_requests(DATA_FILE, looks)
    return live


# --- from an event to what is in use ----------------------------------------------------------------------------------


def test_an_event_leads_to_one_fetch_with_its_timestamp(server: FakeKameleoon, make: Make) -> None:
    live = started(make(), server)
    events = listen(live)

    for number in (2, 3):
        server.publish(data(number, is_real_time=True, a=number), announce=number)
        wait_until(lambda number=number: len(events) == number - 1)  # type: ignore[misc]  # bound at once

    assert flags(live) == {"a": 3}
    assert stamps(server) == [None, None, "2", "3"]
    assert [(event.kind, event.origin, event.changed) for event in events] == [
        (EventKind.CHANGED, "network", ("a",))
    ] * 2


def test_events_that_come_while_a_fetch_runs_lead_to_one_more(server: FakeKameleoon, make: Make) -> None:
    live = started(make(), server)
    go_on = threading.Event()

    def answers_late(connection: socket.socket, ending: threading.Event) -> bool:
        go_on.wait(5.0)
        return reply(200, data(2, is_real_time=True, a=2), {"Last-Modified": THEN})(connection, ending)

    server.fail(DATA_FILE, answers_late)
    server.push(2)
    server.wait_for_requests(DATA_FILE, 3)
    server.publish(data(9, is_real_time=True, a=9))
    for timestamp in (5, 9, 7):
        server.push(timestamp)
    wait_until(lambda: live.status().stream.events == 4)
    go_on.set()

    wait_until(lambda: flags(live) == {"a": 9})
    assert stamps(server) == [None, None, "2", "9"]


def test_the_longest_interval_that_can_be_set_is_no_obstacle(server: FakeKameleoon, make: Make) -> None:
    live = started(make(interval=6e9), server)
    events = listen(live)

    for number in (2, 3):
        server.publish(data(number, is_real_time=True, a=number), announce=number)
        wait_until(lambda number=number: len(events) == number - 1)  # type: ignore[misc]  # asked at once

    assert flags(live) == {"a": 3}


def test_what_changed_before_the_stream_was_open_is_found(server: FakeKameleoon, make: Make) -> None:
    server.break_down(SSE, hangs())
    live = make()
    assert live.start(5.0)
    server.wait_for_requests(SSE, 1)
    server.publish(data(2, is_real_time=True, a=2))

    server.break_down(SSE, None)
    live.stop()
    live.start(0.0)

    wait_until(lambda: flags(live) == {"a": 2})


def test_changes_while_the_stream_was_down_are_found_when_it_is_back(server: FakeKameleoon, make: Make) -> None:
    live = started(make(), server)

    server.break_down(SSE, reply(503))
    server.drop_streams()
    wait_until(lambda: not is_open(live))
    server.publish(data(2, is_real_time=True, a=2), announce=2)
    server.break_down(SSE, None)

    wait_until(lambda: flags(live) == {"a": 2})
    assert live.status().stream.reconnects == 1


# --- when it is on ----------------------------------------------------------------------------------------------------


def test_a_data_file_switches_it_on_and_off(server: FakeKameleoon, make: Make) -> None:
    server.publish(data(1, a=1))
    live = make()
    assert live.start(5.0)
    assert (threads_of_ours(), live.status().stream.state) == (["kameleoon-configuration"], StreamState.OFF)

    server.publish(data(2, is_real_time=True, a=1))
    live.refresh()
    wait_until(lambda: is_open(live))
    assert threads_of_ours() == ["kameleoon-configuration", "kameleoon-stream"]

    server.publish(data(3, a=1), announce=3)
    wait_until(lambda: threads_of_ours() == ["kameleoon-configuration"])
    assert live.status().stream.state is StreamState.OFF
    wait_until(lambda: not server.open_streams)
    assert len(server.requests(SSE)) == 1


def test_what_is_wanted_without_a_data_file_is_on_from_the_start(server: FakeKameleoon, make: Make) -> None:
    server.break_down(DATA_FILE, reply(503))
    live = make(wants_stream=lambda _: True)

    assert not live.start(0.0)

    wait_until(lambda: is_open(live))


def test_a_copy_on_disk_switches_it_on(server: FakeKameleoon, make: Make, tmp_path: Path) -> None:
    cache = DataFileCache(tmp_path, "site1")
    cache.save(data(1, is_real_time=True, a=1), THEN)
    server.break_down(DATA_FILE, hangs())
    live = make(cache=cache)

    live.start(5.0)

    wait_until(lambda: is_open(live))
    assert live.status().state is State.STALE  # a stream confirms nothing by itself


def test_without_threads_there_is_none(server: FakeKameleoon, make: Make) -> None:
    live = make(threads=False)

    assert live.start(5.0)

    assert live.status().stream.state is StreamState.OFF
    assert threads_of_ours() == []
    assert server.requests(SSE) == []


def test_a_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(a=1))
    live = LiveDataFile(FileSource(path), build)
    live.start(5.0)

    assert live.status().stream is NO_STREAM
    live.stop()


# --- who is told of what is accepted ----------------------------------------------------------------------------------


def test_every_data_file_of_the_network_is_told_with_what_asked_for_it(server: FakeKameleoon, make: Make) -> None:
    told: list[tuple[str, int, str]] = []
    live = make()
    live.add_update_listener(lambda trigger, date: told.append((trigger, date, threading.current_thread().name)))
    started(live, server)  # two looks, the second of which finds nothing new

    server.publish(data(2, is_real_time=True, a=1), announce=2)
    wait_until(lambda: len(told) == 2)
    server.publish(data(3, is_real_time=True, a=1))
    live.refresh()
    live.refresh()
    wait_until(lambda: len(told) == 3)

    thread = "kameleoon-configuration"
    assert told == [("POLLING", 1, thread), ("STREAMING", 2, thread), ("POLLING", 3, thread)]


def test_without_threads_updates_are_told_at_once_and_a_copy_on_disk_is_none(
    server: FakeKameleoon, make: Make, tmp_path: Path
) -> None:
    cache = DataFileCache(tmp_path, "site1")
    cache.save(data(1, a=1), THEN)
    told: list[tuple[str, int]] = []
    live = make(threads=False, cache=cache)
    live.add_update_listener(lambda trigger, date: told.append((trigger, date)))
    server.publish(data(2, a=1))

    live.start(5.0)
    assert told == [("POLLING", 2)]

    server.publish(data(3, a=1))
    live.refresh(timestamp=3)
    assert told[1:] == [("STREAMING", 3)]


def test_an_update_listener_that_raises_stops_nothing(
    server: FakeKameleoon, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    live = make(threads=False)
    live.add_update_listener(lambda *_: 1 / 0)
    live.add_update_listener(lambda _, date: told.append(date))

    live.start(5.0)
    live.refresh(timestamp=1)

    assert told == [1]
    assert [record.getMessage() for record in caplog.records] == ["a listener of data file events failed"]


# --- the end ----------------------------------------------------------------------------------------------------------


HANGING: dict[str, tuple[str, Answer]] = {
    "a fetch without headers": (DATA_FILE, hangs()),
    "a fetch whose headers drip": (DATA_FILE, drips(b"HTTP/1.1 200 OK\r\n", b"X-Long: 1\r\n")),
    "a fetch whose body drips": (
        DATA_FILE,
        drips(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "),
    ),
    "a stream without headers": (SSE, hangs()),
    "a stream that says nothing": (SSE, drips(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"")),
}


@pytest.mark.parametrize("name", HANGING)
def test_whatever_hangs_a_stop_ends_both_threads_at_once(server: FakeKameleoon, make: Make, name: str) -> None:
    route, answer = HANGING[name]
    server.break_down(route, answer)
    live = make(wants_stream=lambda _: True, timeout=30.0)
    live.start(0.0)
    server.wait_for_requests(DATA_FILE, 1)
    server.wait_for_requests(SSE, 1)
    began = time.monotonic()

    live.stop()

    assert time.monotonic() - began < 2.0  # a busy machine; what hangs does so for 30 s
    wait_until(lambda: threads_of_ours() == [])
    assert live.status().state is State.NOT_READY
    assert live.status().stream.state is StreamState.OFF


def test_many_lives_leave_nothing_behind(server: FakeKameleoon, make: Make) -> None:
    live = make()

    for _ in range(30):
        assert live.start(5.0)
        wait_until(lambda: is_open(live))
        live.stop()

    wait_until(lambda: threads_of_ours() == [] and not server.open_streams)


# --- fork -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_r13_a_forked_child_has_a_stream_of_its_own_and_the_parents_goes_on(server: FakeKameleoon, make: Make) -> None:
    live = started(make(), server)

    child = os.fork()
    if not child:
        code = 1
        try:
            wait_until(lambda: is_open(live))
            wait_until(lambda: flags(live) == {"a": 2})
            live.stop()
            code = 0 if not threads_of_ours() else 2
        finally:
            os._exit(code)
    wait_until(lambda: len(server.requests(SSE)) == 2)
    wait_until(lambda: server.open_streams == 2)
    server.publish(data(2, is_real_time=True, a=2), announce=2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    wait_until(lambda: flags(live) == {"a": 2})
    assert live.status().stream.reconnects == 0


# --- polling and freshness, on a clock of their own -------------------------------------------------------------------


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def network(clock: FakeClock) -> Network:
    return Network(clock, up(data(1, a=1)))


@pytest.fixture
def stream(clock: FakeClock) -> SimulatedStream:
    return SimulatedStream(clock)


def test_polling_is_a_safety_net_while_the_stream_is_open(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)
    network.requests.clear()

    run(live, clock, 100 * HOUR)

    assert 9 <= len(network.requests) <= 11


def test_the_first_look_after_a_loss_is_at_a_random_moment_and_then_they_are_as_usual(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)
    firsts = []

    for _ in range(20):
        stream.drop()
        dropped = clock.monotonic()
        network.requests.clear()
        run(live, clock, 3 * HOUR)
        firsts.append(network.requests[0] - dropped)
        assert 2 <= len(network.requests) <= 4
        stream.open()
        run(live, clock, 1.1)

    assert max(firsts) <= 1.1 * HOUR
    assert min(firsts) < 0.2 * HOUR
    assert max(firsts) > 0.8 * HOUR


def test_what_is_in_use_is_fresh_as_long_as_the_stream_is_open(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    events = listen(live)
    live.start(5.0)
    stream.open()

    run(live, clock, 9 * HOUR, look=lambda: live.status().state is State.READY or pytest.fail("not fresh"))

    assert live.status().age_seconds == 0.0
    assert live.status().stream.state is StreamState.OPEN
    assert events == []


def test_freshness_counts_from_the_moment_of_the_loss(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    told: list[tuple[float, str]] = []
    live.add_listener(lambda event: told.append((clock.monotonic(), event.kind.value)))
    live.start(5.0)
    stream.open()
    run(live, clock, 5 * HOUR)

    stream.drop()
    network.answer = down
    dropped = clock.monotonic()
    run(live, clock, 3 * HOUR)
    network.answer = up(data(1, a=1))
    stream.open()
    back = clock.monotonic()
    run(live, clock, 3 * HOUR)

    (stale_at, stale), (ready_at, ready) = told
    assert (stale, ready) == ("stale", "ready")
    assert stale_at - dropped == pytest.approx(1.5 * HOUR, abs=1.0)
    assert ready_at - back <= 1.0  # the look that follows an opening


def test_a_loss_that_was_over_before_anybody_looked_is_a_loss(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)
    network.requests.clear()

    stream.drop()
    stream.open()
    run(live, clock, 1.0)

    assert len(network.requests) == 1


def test_a_stream_alone_makes_nothing_fresh(clock: FakeClock, network: Network, stream: SimulatedStream) -> None:
    live = simulated(network, stream)
    events = listen(live)
    live.start(5.0)
    network.answer = down

    def flap() -> None:
        if clock.monotonic() % 60 < 30:
            stream.drop()
        elif not stream.is_open:
            stream.open()

    run(live, clock, 5 * HOUR, look=flap)

    assert kinds(events) == ["stale"]


def test_a_stream_that_flaps_is_no_news(clock: FakeClock, network: Network, stream: SimulatedStream) -> None:
    live = simulated(network, stream, interval=60.0)
    events = listen(live)
    live.start(5.0)

    for _ in range(500):
        stream.open()
        run(live, clock, 2.0)
        stream.drop()
        run(live, clock, 2.0)

    assert events == []


def test_what_an_event_announces_and_nobody_can_fetch_makes_stale(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live = simulated(network, stream)
    events = listen(live)
    live.start(5.0)
    stream.open()
    run(live, clock, 10 * HOUR)
    network.requests.clear()
    network.timestamps.clear()

    network.answer = down
    stream.tell(2)
    run(live, clock, 1.4 * HOUR)
    assert events == []
    run(live, clock, 0.2 * HOUR)
    assert kinds(events) == ["stale"]

    network.answer = up(data(2, a=2))
    run(live, clock, 61.0)
    assert kinds(events) == ["stale", "ready", "changed"]
    assert set(network.timestamps) == {2}  # to the last: the event still has no answer


def test_a_fleet_wide_event_is_followed_within_a_second(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    waits = []
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)

    for number in range(2, 202):
        network.requests.clear()
        network.answer = up(data(number, a=number))
        stream.tell(number)
        told = clock.monotonic()
        run(live, clock, 5.0)
        (at,) = network.requests
        waits.append(at - told)

    assert 0.0 <= min(waits) < 0.05
    assert 0.85 < max(waits) <= 0.9


# --- servers that lag -------------------------------------------------------------------------------------------------


def looks_after_an_event(
    clock: FakeClock, network: Network, stream: SimulatedStream, *, until: Callable[[int], bool], date: int = 1
) -> tuple[LiveDataFile[Rules], list[float]]:
    """Moments of the looks in the minute after an event with timestamp 5; the new data file is there ``until``."""
    network.answer = up(data(date, a=1))
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)
    network.requests.clear()
    network.timestamps.clear()

    stream.tell(5)
    told = clock.monotonic()

    def lag() -> None:
        network.answer = up(data(5, a=5)) if until(len(network.requests)) else up(data(date, a=1))

    lag()
    run(live, clock, 60.0, look=lag)
    assert set(network.timestamps) == {5}
    return live, [at - told for at in network.requests]


def test_a_server_that_lags_is_asked_again(clock: FakeClock, network: Network, stream: SimulatedStream) -> None:
    live, looks = looks_after_an_event(clock, network, stream, until=lambda looks: looks >= 2)

    assert flags(live) == {"a": 5}
    assert len(looks) == 3
    assert looks[1] - looks[0] <= 4.0
    assert looks[2] - looks[1] <= 8.0


def test_a_server_that_lags_for_long_is_asked_three_times(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    live, looks = looks_after_an_event(clock, network, stream, until=lambda _: False)

    assert flags(live) == {"a": 1}
    assert len(looks) == 3
    assert live.status().state is State.READY


@pytest.mark.parametrize("date", [0, 5, 6])
def test_a_data_file_that_may_be_the_one_announced_ends_it(
    clock: FakeClock, network: Network, stream: SimulatedStream, date: int
) -> None:
    network.answer = lambda: Response(304, {}, b"") if network.timestamps[-1] else up(data(date, a=1))()

    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)
    network.requests.clear()
    stream.tell(5)
    run(live, clock, 60.0)

    assert len(network.requests) == 1


def test_an_older_data_file_from_a_server_that_lags_is_not_used(
    clock: FakeClock, network: Network, stream: SimulatedStream
) -> None:
    network.answer = up(data(4, a=4))
    live = simulated(network, stream)
    events = listen(live)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)

    network.answer = up(data(3, a=3))
    stream.tell(5)
    run(live, clock, 20.0)
    assert flags(live) == {"a": 4}

    network.answer = up(data(5, a=5))
    stream.tell(5)
    run(live, clock, 1.0)
    assert flags(live) == {"a": 5}
    assert kinds(events) == ["changed"]


def test_an_outage_of_the_stream_logs_nothing_of_the_data_file(
    clock: FakeClock, network: Network, stream: SimulatedStream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    live = simulated(network, stream)
    live.start(5.0)

    for _ in range(5):
        stream.open()
        run(live, clock, 100.0)
        stream.drop()
        run(live, clock, 100.0)

    assert caplog.records == []
