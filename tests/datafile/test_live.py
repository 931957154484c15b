from __future__ import annotations

import gc
import gzip
import json
import logging
import os
import select
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from openfeature_kameleoon.clock import SYSTEM_CLOCK
from openfeature_kameleoon.datafile.cache import DataFileCache
from openfeature_kameleoon.datafile.events import Event, EventKind
from openfeature_kameleoon.datafile.freshness import State
from openfeature_kameleoon.datafile.live import SETTLE_SECONDS, LiveDataFile
from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.sources import FileSource
from openfeature_kameleoon.errors import DataFileInvalid, Initialization, KameleoonError, RequestFailed
from openfeature_kameleoon.transport.attempts import RequestType
from openfeature_kameleoon.transport.http import Http, Response
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import Answer, ChaosServer, hangs, reply, resets, response_bytes, sends, wait_until
from tests.clock import FakeClock
from tests.live import HOUR, THEN, Network, Rules, build, data, down, flags, kinds, listen, run, up

DATAFILE = RequestType.DATAFILE
# --- what the tests drive -----------------------------------------------------------------------------------

Make = Callable[..., LiveDataFile[Rules]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a live data file that is stopped after the test."""
    made: list[LiveDataFile[Rules]] = []
    https: list[Http] = []

    def make(
        origin: ChaosServer | Path | Network,
        *,
        interval: float = HOUR,
        cache: DataFileCache | None = None,
        threads: bool = True,
        clock: FakeClock | None = None,
        timeout: float = 5.0,
        builder: Callable[[bytes, Rules | None], tuple[Rules, list[str]]] = build,
    ) -> LiveDataFile[Rules]:
        time_of = clock or SYSTEM_CLOCK
        if isinstance(origin, Path):
            source: FileSource | PollingSource = FileSource(origin, look_seconds=0.02, clock=time_of)
        else:
            http = origin if isinstance(origin, Network) else Http()
            if isinstance(http, Http):
                https.append(http)
            endpoints = Endpoints(configuration=origin.url) if isinstance(origin, ChaosServer) else None
            source = PollingSource(
                http,  # type: ignore[arg-type]  # a Network speaks for the network
                "site1",
                endpoints=endpoints,
                interval=interval,
                random=Random(7),
                clock=time_of,
            )
        live = LiveDataFile(source, builder, cache=cache, threads=threads, timeout=timeout, clock=time_of)
        made.append(live)
        return live

    yield make

    for live in made:
        live.stop()
    for http in https:
        http.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the library warned of; urllib3 has its own to say of every answer that was cut in its headers."""
    ours = (record for record in caplog.records if record.name.startswith("openfeature_kameleoon"))
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


def let_it_finish(live: LiveDataFile[Rules]) -> None:
    """Let the thread say when it looks next: what it found is known before, and the clock must not run ahead of it."""
    wait_until(lambda: live._run.schedule.seconds_until_due() > 0)


def threads_of_ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("kameleoon-")]


# --- the start ----------------------------------------------------------------------------------------------


def test_a_start_waits_for_the_first_data_file(make: Make) -> None:
    with ChaosServer(reply(200, data(7, a=1))) as server:
        live = make(server)

        assert live.start(5.0)

        assert flags(live) == {"a": 1}
        status = live.status()
    assert (status.state, status.origin, status.date_modified) == (State.READY, "network", 7)
    assert (status.last_error, status.is_fatal) == ("", False)
    assert status.age_seconds is not None
    assert [thread.daemon for thread in threads_of_ours()] == [True]


def test_a_start_in_vain_ends_on_time_and_the_background_goes_on(make: Make) -> None:
    with ChaosServer(hangs()) as server:
        live = make(server, timeout=0.15)
        events = listen(live)
        started = time.monotonic()

        assert not live.start(0.05)

        assert time.monotonic() - started < 1.0
        assert live.status().state is State.NOT_READY
        server.answer_with(reply(200, data(a=1)))
        wait_until(lambda: "ready" in kinds(events))
    assert kinds(events)[-1] == "ready"
    assert live.current is not None


def test_a_second_start_goes_on_waiting(make: Make) -> None:
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server)

        live.start(0.0)

        assert live.start(5.0)
        assert len(threads_of_ours()) == 1
        assert len(server.received) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_at_the_first_start_is_told_at_once_and_probing_goes_on(make: Make, status: int) -> None:
    clock = FakeClock()
    with ChaosServer(reply(status, b'{"message": "denied"}')) as server:
        live = make(server, clock=clock)
        events = listen(live)
        started = time.monotonic()

        assert not live.start(30.0)

        assert time.monotonic() - started < 5.0
        told = live.status()
        assert (told.state, told.is_fatal) == (State.ERROR, True)
        assert str(status) in told.last_error
        server.answer_with(reply(200, data(a=1)))
        let_it_finish(live)
        clock.advance(301.0)
        live.start(0.0)  # wakes the thread, whose clock is not the machine's
        wait_until(lambda: live.current)
        let_it_finish(live)
        clock.advance(SETTLE_SECONDS)
        wait_until(lambda: events)
    assert kinds(events) == ["ready"]
    assert live.status().state is State.READY


def test_a_network_that_is_down_is_an_error_but_not_fatal(make: Make) -> None:
    live = make(Network(FakeClock(), down), threads=False)

    assert not live.start(5.0)

    told = live.status()
    assert (told.state, told.is_fatal, told.last_error) == (State.ERROR, False, "the network is down")
    assert told.age_seconds is None


# --- the copy on disk ---------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path) -> DataFileCache:
    return DataFileCache(tmp_path, "site1")


def test_a_copy_on_disk_is_used_at_once_and_is_stale_until_confirmed(make: Make, cache: DataFileCache) -> None:
    cache.save(data(a=1, b=1), THEN)
    with ChaosServer(hangs()) as server:
        live = make(server, cache=cache, timeout=1.5)
        events = listen(live)
        started = time.monotonic()

        assert live.start(5.0)

        assert time.monotonic() - started < 1.0
        assert flags(live) == {"a": 1, "b": 1}
        assert (live.status().state, live.status().origin) == (State.STALE, "cache")
        server.wait_for(1)
        server.answer_with(reply(200, data(a=1, b=2, c=3)))
        wait_until(lambda: EventKind.CHANGED in {event.kind for event in events})

    assert kinds(events) == ["stale", "ready", "changed"]
    assert [event.origin for event in events] == ["cache", "network", "network"]
    assert events[-1].changed == ("b", "c")
    assert server.received[0].headers["if-modified-since"] == THEN


def test_a_304_confirms_the_copy_on_disk(make: Make, cache: DataFileCache) -> None:
    cache.save(data(a=1), THEN)
    with ChaosServer(reply(304)) as server:
        live = make(server, cache=cache, threads=False)

        assert live.start(5.0)

    assert (live.status().state, live.status().origin) == (State.READY, "network")
    assert flags(live) == {"a": 1}


def test_what_is_accepted_from_the_network_is_kept_on_disk(make: Make, cache: DataFileCache) -> None:
    with ChaosServer(reply(200, data(a=1), {"Last-Modified": THEN})) as server:
        make(server, cache=cache, threads=False).start(5.0)

    kept = cache.load()
    assert kept is not None
    assert (kept.raw, kept.last_modified) == (data(a=1), THEN)


def test_a_file_of_the_users_own_is_not_copied(make: Make, cache: DataFileCache, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(a=1))

    assert make(path, cache=cache, threads=False).start(5.0)

    assert cache.load() is None


def test_a_copy_that_is_no_data_file_any_more_is_ignored_with_a_warning(
    make: Make, cache: DataFileCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.save(b"{}", THEN)
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, cache=cache, threads=False)

        assert live.start(5.0)

    assert warnings(caplog) == ["the saved data file is ignored: no featureFlags"]
    assert "if-modified-since" not in server.received[0].headers


def test_the_age_of_a_copy_counts_from_when_it_was_saved(make: Make, tmp_path: Path) -> None:
    clock = FakeClock()
    cache = DataFileCache(tmp_path, "site1", clock=clock)
    cache.save(data(a=1), THEN)
    clock.advance(2 * HOUR)
    live = make(Network(clock, down), cache=cache, threads=False, clock=clock)

    live.start(5.0)

    assert live.status().age_seconds == 2 * HOUR
    assert live.status().last_error == "the network is down"


# --- what never replaces a good data file --------------------------------------------------------------------

GOOD = data(1_000, a=1, b="x" * 50, c=[1, 2, 3])
HTML = {"Content-Type": "text/html"}
GZIP = {"Content-Encoding": "gzip"}
PORTAL = b"<html><title>Welcome to our hotel</title></html>"

BAD: dict[str, list[Answer]] = {
    "html": [reply(200, PORTAL, HTML)],
    "html that says it is json": [reply(200, PORTAL)],
    "no type": [reply(200, GOOD, {"Content-Type": ""})],
    "not a data file": [reply(200, body) for body in (b"{}", b"[]", b"null", b'""', b"0", b"true", b"", b"\0")],
    "an error in json": [reply(200, b'{"error": "not found", "featureFlags": null}')],
    "redirect to a portal": [reply(302, PORTAL, {"Location": "http://portal.example.org/login"})],
    "no status for data": [reply(status, b"" if status == 204 else GOOD) for status in (201, 204, 206, 226)],
    "refused": [reply(status, GOOD) for status in (400, 401, 403, 404, 410, 451)],
    "overloaded": [reply(status, GOOD) for status in (429, 500, 502, 503, 504)],
    "not gzip": [reply(200, GOOD, GZIP), reply(200, gzip.compress(GOOD)[:-4], GZIP)],
    "gzip that is not announced": [reply(200, gzip.compress(GOOD))],
    "older": [reply(200, data(999, a=2))],
    "cut but as long as announced": [reply(200, GOOD[:length]) for length in range(len(GOOD))],
    "shorter than announced": [
        sends(response_bytes(200, GOOD[:length], {"Content-Length": str(len(GOOD))}))
        for length in range(0, len(GOOD), 5)
    ],
    "cut without a length": [
        sends(response_bytes(200, GOOD[:length], {"Content-Length": ""})) for length in range(0, len(GOOD), 5)
    ],
    "cut in the headers": [
        sends(response_bytes(200, GOOD)[:length]) for length in range(0, len(response_bytes(200)) - 8, 3)
    ],
    "no http": [sends(b"SSH-2.0-OpenSSH_9.0\r\n"), resets()],
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_changes_neither_what_is_in_use_nor_the_disk(
    name: str, make: Make, cache: DataFileCache, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    with ChaosServer(reply(200, GOOD, {"Last-Modified": THEN})) as server:
        live = make(server, cache=cache, threads=False, clock=clock)
        events = listen(live)
        assert live.start(5.0)
        in_use, on_disk = live.current, cache.path.read_bytes()

        for answer in BAD[name]:
            server.answer_with(answer)
            with pytest.raises(KameleoonError) as failed:
                live.refresh()
            assert live.current is in_use
            assert live.status().last_error == failed.value.message
            assert len(failed.value.message) <= 200

    assert cache.path.read_bytes() == on_disk
    assert live.status().state is State.READY  # it was confirmed a moment ago
    assert events == []
    assert len(warnings(caplog)) <= 20
    assert len(set(warnings(caplog))) == len(warnings(caplog))
    assert all(message.isprintable() for message in warnings(caplog))
    clock.advance(2 * HOUR)
    with pytest.raises(KameleoonError):
        live.refresh()
    with pytest.raises(KameleoonError):
        live.refresh()
    assert kinds(events) == ["stale"]


def test_as_new_or_undated_data_files_are_taken(make: Make) -> None:
    with ChaosServer(reply(200, data(5, a=1))) as server:
        live = make(server, threads=False)
        live.start(5.0)

        for date_modified, value in [(5, 2), (6, 3), (0, 4), (5, 5)]:
            server.answer_with(reply(200, data(date_modified, a=value)))
            live.refresh()
            assert flags(live) == {"a": value}


def test_a_file_that_somebody_sets_back_to_an_older_one_is_taken(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(5, a=2))
    live = make(path, threads=False)
    live.start(5.0)

    path.write_bytes(data(4, a=1))
    live.refresh()

    assert flags(live) == {"a": 1}


@pytest.mark.parametrize("bug", [RecursionError("too deep"), MemoryError(), ZeroDivisionError("\x1b[31m" * 99)])
def test_whatever_a_data_file_does_to_its_builder_is_contained(make: Make, bug: Exception) -> None:
    def break_on_bombs(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        if b"bomb" in raw:
            raise bug
        return build(raw, previous)

    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, threads=False, builder=break_on_bombs)
        live.start(5.0)
        server.answer_with(reply(200, data(bomb=1)))

        with pytest.raises(DataFileInvalid):
            live.refresh()

    assert flags(live) == {"a": 1}
    told = live.status().last_error
    assert told.startswith(f"unexpected {type(bug).__name__}")
    assert told.isprintable()
    assert len(told) <= 200


def test_a_file_that_breaks_its_builder_is_not_built_at_every_look(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(bomb=1))
    built = []

    def break_down(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        built.append(raw)
        raise RecursionError

    live = make(path, threads=False, builder=break_down)
    live.start(5.0)
    for _ in range(3):
        with pytest.raises(DataFileInvalid, match="unexpected RecursionError"):
            live.refresh()

    assert len(built) == 1


# --- freshness, on a clock of its own -------------------------------------------------------------------------


def test_an_outage_of_a_day_changes_no_answer_and_is_over_within_a_minute(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock)
    told: list[tuple[float, str]] = []
    live.add_listener(lambda event: told.append((clock.monotonic(), event.kind.value)))
    assert live.start(5.0)
    began = clock.monotonic()

    network.answer = down
    run(live, clock, 24 * HOUR, look=lambda: flags(live) == {"a": 1} or pytest.fail("the answer changed"))
    back = clock.monotonic()
    network.answer = up(data(a=1))
    run(live, clock, HOUR, look=live.status)

    (stale_at, stale), (ready_at, ready) = told
    assert (stale, ready) == ("stale", "ready")
    assert stale_at - began == pytest.approx(1.5 * HOUR, abs=1.0)
    assert ready_at - back <= 60.0
    during = [at for at in network.requests if began < at < back]
    assert len(during) / (back - began) < 2 / 10  # two attempts, every 30 s on average once it has grown


def test_an_hour_without_trouble_takes_two_requests_at_most(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock)
    live.start(5.0)
    network.requests.clear()

    run(live, clock, HOUR, look=live.status)

    assert 1 <= len(network.requests) <= 2


def test_a_wall_clock_that_jumps_moves_nothing(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock)
    events = listen(live)
    live.start(5.0)
    network.requests.clear()

    ages = []
    for years in (10, -20, 10):
        clock.jump(years * 365 * 24 * HOUR)
        run(live, clock, HOUR, look=lambda: ages.append(live.status().age_seconds))

    assert 2 <= len(network.requests) <= 4
    assert min(age for age in ages if age is not None) >= 0.0
    assert max(age for age in ages if age is not None) <= 1.2 * HOUR
    assert events == []


def test_refusals_after_a_good_data_file_are_not_fatal_and_probed_every_few_minutes(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock, interval=60.0)
    events = listen(live)
    live.start(5.0)
    network.requests.clear()

    network.answer = lambda: Response(403, {}, b"")
    run(live, clock, HOUR, look=live.status)

    assert 12 <= len(network.requests) <= 25
    assert kinds(events) == ["stale"]
    assert not events[0].is_fatal
    assert "check the site code" in events[0].message


# --- events ---------------------------------------------------------------------------------------------------


def test_no_event_comes_before_start_has_returned_nor_on_its_thread(make: Make, cache: DataFileCache) -> None:
    cache.save(data(a=1), THEN)
    returned, seen = threading.Event(), []
    with ChaosServer(resets()) as server:
        live = make(server, cache=cache)
        live.add_listener(lambda event: seen.append((event.kind, returned.is_set(), threading.current_thread())))

        assert live.start(5.0)
        time_of_return = time.monotonic()
        returned.set()
        wait_until(lambda: seen)

    assert time.monotonic() - time_of_return >= 0.9 * SETTLE_SECONDS
    (kind, was_returned, thread) = seen[0]
    assert (kind, was_returned) == (EventKind.STALE, True)
    assert thread.name == "kameleoon-configuration"


def test_no_event_comes_while_a_start_goes_on_waiting(make: Make) -> None:
    clock, failing = FakeClock(), threading.Event()

    def fail_when_told() -> Response:
        failing.wait(5.0)
        return down()

    live = make(Network(clock, fail_when_told), clock=clock)
    events = listen(live)
    live.start(0.0)
    clock.advance(SETTLE_SECONDS)

    failing.set()
    assert not live.start(0.2)

    assert live.status().state is State.ERROR
    assert events == []


def test_a_start_waits_again_once_the_refusal_is_over(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, lambda: Response(403, {}, b""))
    live = make(network, clock=clock)
    assert not live.start(5.0)
    network.answer = down
    let_it_finish(live)
    clock.advance(301.0)
    live.start(0.0)
    wait_until(lambda: not live.status().is_fatal)

    network.answer = up(data(a=1))
    let_it_finish(live)
    clock.advance(2.0)

    assert live.start(5.0)


def test_what_starts_answer_told_is_not_told_again(make: Make) -> None:
    clock = FakeClock()
    live = make(Network(clock, up(data(a=1))), threads=False, clock=clock)
    events = listen(live)

    live.start(5.0)
    for _ in range(3):
        live.refresh()

    assert events == []


def test_each_change_of_state_is_told_once(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, down)
    live = make(network, threads=False, clock=clock, interval=60.0)
    events = listen(live)
    assert not live.start(5.0)

    for answer in (down, up(data(a=1)), up(data(a=1)), down, down, up(data(a=2, b=1)), up(data(b=1))):
        network.answer = answer
        clock.advance(91.0)
        live.step()

    assert [(event.kind.value, event.changed) for event in events] == [
        ("ready", ()),
        ("stale", ()),
        ("ready", ()),
        ("changed", ("a", "b")),
        ("changed", ("a",)),
    ]


def test_an_error_that_becomes_fatal_is_told(make: Make) -> None:
    clock = FakeClock()
    network = Network(clock, down)
    live = make(network, threads=False, clock=clock)
    events = listen(live)
    live.start(5.0)

    network.answer = lambda: Response(404, {}, b"")
    clock.advance(61.0)
    live.step()

    assert [(event.kind, event.is_fatal) for event in events] == [(EventKind.ERROR, True)]
    assert "404" in events[0].message


def test_a_listener_that_raises_is_logged_once_and_keeps_nobody_else_from_hearing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Event) -> None:
        raise RuntimeError("a listener's own fault")

    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock)
    live.add_listener(fail)
    events = listen(live)
    live.start(5.0)

    for value in (2, 3):
        network.answer = up(data(a=value))
        live.refresh()

    assert kinds(events) == ["changed", "changed"]
    assert warnings(caplog) == ["a listener of data file events failed"]


def test_a_problem_is_one_warning_however_often_it_is_met_and_its_end_is_told(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    network = Network(clock, up(data(a=1)))
    live = make(network, threads=False, clock=clock)
    live.start(5.0)

    for _ in range(2):
        network.answer = down
        for _ in range(5):
            clock.advance(61.0)
            with pytest.raises(RequestFailed):
                live.refresh()
        network.answer = up(data(a=1))
        live.refresh()

    assert [record.getMessage() for record in caplog.records] == [
        "no new data file: the network is down; the one in use stays",
        "the data file is up to date again",
    ] * 2


# --- the end --------------------------------------------------------------------------------------------------


def test_a_stop_does_not_wait_for_a_fetch_that_hangs_and_its_late_result_is_not_used(make: Make) -> None:
    answer_now = threading.Event()

    def answers_late(connection: object, ending: threading.Event) -> bool:
        answer_now.wait(5.0)
        return reply(200, data(late=1))(connection, ending)  # type: ignore[arg-type]  # passed on as it came

    with ChaosServer(answers_late) as server:
        live = make(server)
        events = listen(live)
        live.start(0.0)
        server.wait_for(1)
        (abandoned,) = threads_of_ours()
        started = time.monotonic()

        live.stop()

        assert time.monotonic() - started < 2.0
        answer_now.set()
        abandoned.join(5.0)
        assert not abandoned.is_alive()
    assert live.current is None
    assert events == []
    assert live.status().state is State.NOT_READY


def test_an_abandoned_thread_does_not_disturb_the_next_life(make: Make) -> None:
    old_answer, built = threading.Event(), []

    def build_and_remember(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        built.append(raw)
        if b"old" in raw:
            old_answer.wait(5.0)
        return build(raw, previous)

    with ChaosServer(reply(200, data(old=1)), reply(200, data(new=1))) as server:
        live = make(server, builder=build_and_remember)
        live.start(0.0)
        wait_until(lambda: built)
        (abandoned,) = threads_of_ours()
        live.stop()
        live.start(0.0)

        old_answer.set()
        assert live.start(5.0)
        abandoned.join(5.0)

        assert flags(live) == {"new": 1}
        assert not abandoned.is_alive()
    live.stop()
    live.stop()
    assert threads_of_ours() == []


def test_a_restart_answers_at_once_from_what_was_in_use(make: Make) -> None:
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, timeout=0.2)
        assert live.start(5.0)
        live.stop()
        assert live.status().state is State.NOT_READY
        server.answer_with(hangs())

        assert live.start(5.0)

        assert flags(live) == {"a": 1}
        assert live.status().state is State.STALE


def test_a_listener_may_stop_what_it_listens_to(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(a=1))
    live = make(path)
    live.add_listener(lambda _: live.stop())
    assert live.start(5.0)

    path.write_bytes(data(a=2))

    wait_until(lambda: not threads_of_ours())
    assert live.status().state is State.NOT_READY
    assert warnings(caplog) == []


def test_nothing_keeps_a_stopped_one_in_memory(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(data(a=1))
    live = LiveDataFile(FileSource(path), build)
    live.start(5.0)
    live.stop()
    remembered = weakref.ref(live)

    del live
    gc.collect()

    assert remembered() is None


# --- without threads ------------------------------------------------------------------------------------------


def test_without_threads_everything_happens_on_the_callers(make: Make) -> None:
    seen = []
    with ChaosServer(reply(200, data(a=1)), reply(200, data(a=2))) as server:
        live = make(server, threads=False)
        live.add_listener(lambda event: seen.append((event.kind, threading.current_thread())))

        assert live.start(5.0)
        live.refresh()

    assert threads_of_ours() == []
    assert seen == [(EventKind.CHANGED, threading.current_thread())]
    assert flags(live) == {"a": 2}


def test_without_threads_a_start_takes_no_longer_than_it_may(make: Make) -> None:
    with ChaosServer(hangs()) as server:
        live = make(server, threads=False, timeout=30.0)
        started = time.monotonic()

        assert not live.start(0.1)

        assert time.monotonic() - started < 1.0
        assert "no complete answer in time" in live.status().last_error


def test_without_threads_a_start_in_vain_may_be_repeated(make: Make) -> None:
    with ChaosServer(reply(500), reply(500), reply(200, data(a=1))) as server:
        live = make(server, threads=False)

        assert [live.start(5.0), live.start(5.0), live.start(5.0)] == [False, True, True]
        assert len(server.received) == 3


def test_a_refresh_passes_the_timestamp_of_an_event_on(make: Make) -> None:
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, threads=False)
        live.start(5.0)

        live.refresh(timestamp=1_790_000_000_000)

    assert server.received[1].target.endswith("?ts=1790000000000")


def test_a_refresh_needs_a_start(make: Make, tmp_path: Path) -> None:
    live = make(tmp_path / "flags.json")

    with pytest.raises(Initialization):
        live.refresh()

    live.start(0.0)
    live.stop()
    with pytest.raises(Initialization):
        live.refresh()


def test_refreshes_from_many_threads_leave_the_newest(make: Make) -> None:
    count = iter(range(1, 10_000))
    lock = threading.Lock()

    def next_version(connection: object, ending: threading.Event) -> bool:
        with lock:
            number = next(count)
        return reply(200, data(number, a=number))(connection, ending)  # type: ignore[arg-type]  # passed on

    with ChaosServer(next_version) as server:
        live = make(server)
        live.start(5.0)
        newest: list[int] = []

        def refresh_often() -> None:
            for _ in range(20):
                try:
                    live.refresh()
                except DataFileInvalid as older:
                    newest.append(older.message.startswith("it is older"))

        callers = [threading.Thread(target=refresh_often) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    assert all(newest)
    assert flags(live) == {"a": 81}


# --- a file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_bytes(data(a=1))
    return path


def test_a_file_that_changes_is_in_use_within_a_second(make: Make, path: Path) -> None:
    live = make(path)
    live.start(5.0)
    events = listen(live)

    path.write_bytes(data(a=2))

    wait_until(lambda: flags(live) == {"a": 2}, seconds=1.0)
    wait_until(lambda: events)
    assert [(event.kind, event.origin, event.changed) for event in events] == [(EventKind.CHANGED, "file", ("a",))]


def test_a_file_written_piece_by_piece_is_used_when_it_is_whole_and_nothing_is_told_before(
    make: Make, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, attempts, used = FakeClock(), [], []

    def build_and_remember(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        attempts.append(raw)
        rules, changed = build(raw, previous)
        used.append(rules.flags)
        return rules, changed

    live = make(path, clock=clock, builder=build_and_remember)
    live.start(5.0)
    events = listen(live)
    whole = data(a=2, b=[1] * 20)

    with path.open("wb") as file:
        for start in range(0, len(whole), 10):
            file.write(whole[start : start + 10])
            file.flush()
            clock.advance(0.02)  # one look for each piece
            wait_until(lambda: whole.startswith(attempts[-1]) and len(attempts[-1]) == file.tell())
            let_it_finish(live)

    clock.advance(SETTLE_SECONDS)
    wait_until(lambda: events)
    assert used == [{"a": 1}, {"a": 2, "b": [1] * 20}]
    assert kinds(events) == ["changed"]
    assert warnings(caplog) == []


def test_a_file_that_is_refused_or_missing_makes_it_stale_until_it_is_mended(
    make: Make, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = make(path)
    live.start(5.0)
    events = listen(live)

    path.write_bytes(b"<html>")
    wait_until(lambda: len(events) == 1)
    path.write_bytes(data(a=1))
    wait_until(lambda: len(events) == 2)
    path.unlink()
    wait_until(lambda: len(events) == 3)
    assert flags(live) == {"a": 1}
    path.write_bytes(data(a=2))
    wait_until(lambda: len(events) == 5)

    assert kinds(events) == ["stale", "ready", "stale", "ready", "changed"]
    assert "not JSON" in events[0].message
    assert str(path) in events[2].message
    assert len(warnings(caplog)) == 2


def test_a_file_that_is_missing_at_the_start_is_a_fatal_error_that_names_it(make: Make, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    live = make(missing)
    events = listen(live)
    started = time.monotonic()

    assert not live.start(30.0)

    assert time.monotonic() - started < 5.0
    told = live.status()
    assert (told.state, told.is_fatal) == (State.ERROR, True)
    assert str(missing) in told.last_error
    missing.write_bytes(data(a=1))
    wait_until(lambda: events)
    assert kinds(events) == ["ready"]


# --- fork -----------------------------------------------------------------------------------------------------


def in_a_child(work: Callable[[], object]) -> object:
    """What ``work`` answers, run in a forked child that ends at once; the child is killed after 10 s."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = json.dumps(work())
        except BaseException:  # it must not run on as a second pytest
            answer = json.dumps(traceback.format_exc())
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    answered, _, _ = select.select([reader], [], [], 10.0)
    if not answered:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reader, "rb") as pipe:
        answer = pipe.read().decode()
    assert answered, "the child did not answer"
    return json.loads(answer)


forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@forks
def test_a_forked_child_answers_at_once_and_follows_on_its_own(make: Make) -> None:
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, interval=0.1)
        assert live.start(5.0)
        events = listen(live)

        def follow() -> object:
            before = [flags(live), len(threads_of_ours())]
            server_requests = reply_of(server, "/v3/change")
            wait_until(lambda: flags(live) == {"a": 2})
            wait_until(lambda: "changed" in kinds(events))
            live.stop()
            return [before, server_requests, kinds(events).count("changed"), len(threads_of_ours())]

        def changes_when_told(connection: object, ending: threading.Event) -> bool:
            is_told = any(request.target == "/v3/change" for request in server.received)
            return reply(200, data(a=2 if is_told else 1))(connection, ending)  # type: ignore[arg-type]  # passed on

        server.answer_with(changes_when_told)
        told = in_a_child(follow)

        # On a busy machine an interval may pass without a request: then it is told that it is stale, too.
        assert told == [[{"a": 1}, 1], 200, 1, 0]
        wait_until(lambda: flags(live) == {"a": 2})  # the parent goes on too


def reply_of(server: ChaosServer, path: str) -> int:
    http = Http()
    try:
        return http.request("GET", server.url + path, kind=DATAFILE, timeout=5.0).status
    finally:
        http.close()


@forks
def test_a_child_forked_in_the_middle_of_a_build_is_not_locked_out(make: Make) -> None:
    is_building, go_on, parent = threading.Event(), threading.Event(), os.getpid()

    def build_slowly(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        if os.getpid() == parent:
            is_building.set()
            go_on.wait(10.0)
        return build(raw, previous)

    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, builder=build_slowly)
        live.start(0.0)
        assert is_building.wait(5.0)

        told = in_a_child(lambda: [live.start(5.0), flags(live)])

        assert told == [True, {"a": 1}]
        go_on.set()
        assert live.start(5.0)


@forks
def test_a_child_forked_while_another_thread_waits_for_the_start_hears_of_it(make: Make) -> None:
    parent = os.getpid()

    def hang_in_the_parent(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
        if os.getpid() == parent:
            go_on.wait(10.0)
        return build(raw, previous)

    go_on = threading.Event()
    with ChaosServer(reply(200, data(a=1))) as server:
        live = make(server, builder=hang_in_the_parent)
        events = listen(live)
        starter = threading.Thread(target=live.start, args=(10.0,))
        starter.start()
        server.wait_for(1)

        def hear() -> object:
            wait_until(lambda: events)
            return kinds(events)

        assert in_a_child(hear) == ["ready"]
        go_on.set()
        starter.join()


@forks
def test_a_child_of_one_that_was_stopped_or_never_started_makes_no_thread(make: Make, path: Path) -> None:
    stopped, unstarted = make(path), make(path)
    stopped.start(5.0)
    stopped.stop()

    assert in_a_child(lambda: len(threads_of_ours())) == 0
    assert in_a_child(lambda: [unstarted.start(5.0), flags(unstarted)]) == [True, {"a": 1}]


@forks
def test_forks_in_a_row_all_answer(make: Make, path: Path) -> None:
    live = make(path)
    live.start(5.0)

    for _ in range(20):
        assert in_a_child(lambda: [flags(live), len(threads_of_ours())]) == [{"a": 1}, 1]
