"""Hits and activations on their way: bodies, the time they waited, limits, outages, and every way in which it ends."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.flagship.errors import HitCacheFormatException, ParamError
from openfeature_kameleoon.flagship.hits import Consent, Hit, Screen, Segment
from openfeature_kameleoon.flagship.records import Activation, Record, VisitorIds
from openfeature_kameleoon.flagship.tracking import MOST_BYTES, Tracker, judge
from openfeature_kameleoon.tracking.delivery import Verdict
from openfeature_kameleoon.tracking.outbox import Batch, Outbox
from tests.chaos import Answer, hangs, reply, resets, wait_until
from tests.clock import FakeClock
from tests.flagship.collector import ACTIVATE, HITS, FakeFlagship, Open, click, seen
from tests.flagship.examples import AUTHENTICATED, SOMEBODY, example

HOUR = 3600.0


class Answered:
    def __init__(self, status: int) -> None:
        self.status = status
        self.headers: dict[str, str] = {}


class Posted:
    """Takes the place of the API: ``hits`` and ``activations`` are bodies; ``status`` is the answer, 0 for none."""

    env_id = "ENV_ID"

    def __init__(self) -> None:
        self.hits: list[dict[str, Any]] = []
        self.activations: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.status = 204
        self.during: Callable[[], object] = lambda: None

    def send_hits(self, body: bytes, *, timeout: float) -> Answered:
        return self._answered(self.hits, body)

    def send_activations(self, body: bytes, *, timeout: float) -> Answered:
        return self._answered(self.activations, body)

    def abort(self) -> None:
        """Nothing hangs."""

    def labels(self) -> list[str]:
        """Of events in bodies that were taken."""
        return [hit["el"] for body in self.hits for hit in body["h"]]

    def _answered(self, bodies: list[dict[str, Any]], body: bytes) -> Answered:
        self.sizes.append(len(body))
        self.during()
        if self.status == 0:
            raise RequestFailed("POST host: the connection was refused")
        if self.status < 400:
            bodies.append(json.loads(body))
        return Answered(self.status)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def posted() -> Posted:
    return Posted()


@pytest.fixture
def make(posted: Posted, clock: FakeClock, tmp_path: Path) -> Iterator[Open]:
    """Makes trackers without threads on a clock of their own: ``flush`` sends."""
    made: list[Tracker] = []

    def one(**settings: Any) -> Tracker:
        made.append(Tracker(posted, threads=False, clock=clock, **settings))
        return made[-1]

    yield one

    for tracker in made:
        tracker.close()


@pytest.fixture(params=["memory", "disk"])
def tracker(request: pytest.FixtureRequest, make: Open, tmp_path: Path) -> Tracker:
    """One of either kind."""
    return make(directory=tmp_path if request.param == "disk" else None)


# Bodies and times -----------------------------------------------------------------------------------------------------


def test_hits_go_together_each_with_the_time_that_it_waited(tracker: Tracker, posted: Posted, clock: FakeClock) -> None:
    tracker.track(Screen("home"), SOMEBODY)
    clock.advance(1.5)
    tracker.track(Screen("cart"), AUTHENTICATED)
    clock.advance(0.25)

    assert tracker.flush()

    hit = {"t": "SCREENVIEW", "ds": "APP"}
    assert posted.hits == [
        {
            "cid": "ENV_ID",
            "t": "BATCH",
            "ds": "APP",
            "h": [
                {**hit, "dl": "home", "vid": "v1", "cuid": None, "qt": 1750},
                {**hit, "dl": "cart", "vid": "user_#1234", "cuid": "account-77", "qt": 250},
            ],
        }
    ]


def test_activations_go_together_to_a_place_of_their_own(tracker: Tracker, posted: Posted, clock: FakeClock) -> None:
    records = example("activate")["batch30Authenticated"]["body"]["batch"]
    for record in reversed(records):
        tracker.activate(Activation(record["caid"], record["vaid"]), AUTHENTICATED)
        clock.advance(60.0 if record["qt"] > 1000 else 0.012)

    assert tracker.flush()

    assert posted.activations == [{"cid": "ENV_ID", "batch": list(reversed(records))}]
    assert posted.hits == []


def test_a_jump_of_the_wall_clock_changes_no_time(make: Open, posted: Posted, clock: FakeClock) -> None:
    tracker = make()
    tracker.track(Screen("home"), SOMEBODY)
    clock.jump(10 * 365 * 24 * HOUR)
    clock.advance(2.0)

    assert tracker.flush()

    assert posted.hits[0]["h"][0]["qt"] == 2000


def test_a_hit_is_sent_as_it_was_when_it_was_tracked(make: Open, posted: Posted) -> None:
    tracker, hit = make(), click("first")
    tracker.track(hit, SOMEBODY)
    tracker.track(hit.with_event_label("second"), SOMEBODY)

    assert tracker.flush()

    assert posted.labels() == ["first", "second"]


def test_without_batching_each_hit_goes_alone(make: Open, posted: Posted) -> None:
    tracker = make(is_batching=False)
    for name in ("home", "cart"):
        tracker.track(Screen(name), SOMEBODY)

    assert tracker.flush()

    assert posted.hits == [{**example("hits")["singleWithoutBatching30"], "dl": name} for name in ("home", "cart")]


@pytest.mark.parametrize(
    ("hit", "visitor", "flaw"),
    [
        (Screen(""), SOMEBODY, "Screen: origin is missing or empty"),
        (Screen("home"), VisitorIds(""), "the visitor id is empty"),
        (Segment({"k": "x" * MOST_BYTES}), SOMEBODY, "it takes more than 2500000 bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(make: Open, hit: Hit, visitor: VisitorIds, flaw: str) -> None:
    tracker = make()

    with pytest.raises(ParamError, match=f"^not sent: {flaw}"):
        tracker.track(hit, visitor)

    assert tracker.status().hits.accepted == 0


@pytest.mark.parametrize("activation", [Activation("", "v"), Activation("g", "")])
def test_an_activation_needs_its_ids(make: Open, activation: Activation) -> None:
    with pytest.raises(ParamError, match="not sent: Activation: an id is missing or empty"):
        make().activate(activation, SOMEBODY)


# Limits ---------------------------------------------------------------------------------------------------------------


def test_no_request_is_larger_than_the_limit(tracker: Tracker, posted: Posted) -> None:
    for number in range(40):
        tracker.track(Segment({"number": number, "text": "é" * 50_000}), SOMEBODY)

    assert tracker.flush()

    assert [hit["s"]["number"] for body in posted.hits for hit in body["h"]] == [str(number) for number in range(40)]
    assert max(posted.sizes) <= MOST_BYTES
    assert min(posted.sizes[:-1]) > MOST_BYTES - 310_000
    assert len(posted.sizes) == 5


def test_a_request_holds_a_hundred_activations_at_most(tracker: Tracker, posted: Posted) -> None:
    for number in range(250):
        tracker.activate(seen(number), SOMEBODY)

    assert tracker.flush()

    assert [len(body["batch"]) for body in posted.activations] == [100, 100, 50]
    assert [a["vaid"] for body in posted.activations for a in body["batch"]] == [str(n) for n in range(250)]


def test_what_waited_for_four_hours_is_given_up(tracker: Tracker, posted: Posted, clock: FakeClock) -> None:
    posted.status = 500
    tracker.track(click("old"), SOMEBODY)
    tracker.activate(seen("old"), SOMEBODY)
    clock.advance(4 * HOUR - 1)
    tracker.track(click("new"), SOMEBODY)
    assert not tracker.flush()
    assert tracker.status().hits.pending == 2

    clock.advance(1)
    posted.status = 204
    assert tracker.flush()

    assert posted.labels() == ["new"]
    assert posted.activations == []
    status = tracker.status()
    assert (status.hits.dropped["expired"], status.activations.dropped["expired"]) == (1, 1)


def test_memory_holds_so_many_and_then_the_oldest_go(make: Open, posted: Posted) -> None:
    tracker = make(capacity=3)
    for number in range(5):
        tracker.track(click(str(number)), SOMEBODY)

    assert tracker.flush()

    assert posted.labels() == ["2", "3", "4"]
    assert tracker.status().hits.dropped == {"queue_full": 2}


# Answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.TAKEN, (200, 204, 304, 399)),
        (Verdict.REJECTED, (400, 422)),
        (Verdict.TOO_LARGE, (413,)),
        (Verdict.LATER, (401, 403, 404, 408, 429, 500, 503)),
    ],
)
def test_a_status_says_what_becomes_of_what_was_sent(verdict: Verdict, statuses: tuple[int, ...]) -> None:
    assert {judge(status) for status in statuses} == {verdict}


def test_one_that_the_server_does_not_like_costs_itself_alone(server: FakeFlagship, running: Open) -> None:
    tracker = running()
    server.invalid = {"7"}
    for number in range(20):
        tracker.track(click(str(number)), SOMEBODY)

    assert tracker.flush(10)

    assert server.labels() == Counter(str(number) for number in range(20) if number != 7)
    assert tracker.status().hits.dropped["rejected"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 500, 0])
def test_where_none_is_taken_all_are_kept(tracker: Tracker, posted: Posted, status: int) -> None:
    posted.status = status
    for number in range(5):
        tracker.track(click(str(number)), SOMEBODY)
        tracker.activate(seen(number), SOMEBODY)

    assert not tracker.flush()
    posted.status = 204
    assert tracker.flush()

    assert posted.labels() == [str(number) for number in range(5)]
    assert [a["vaid"] for body in posted.activations for a in body["batch"]] == [str(number) for number in range(5)]


# Consent refused ------------------------------------------------------------------------------------------------------


def test_what_waits_of_a_visitor_is_forgotten_save_its_consent(tracker: Tracker, posted: Posted) -> None:
    before, now = VisitorIds("anonymous"), VisitorIds("somebody", "anonymous")
    others = [VisitorIds("anonymou"), VisitorIds("anonymous\x1f"), VisitorIds("other", "somebody2")]
    for visitor in (before, now, VisitorIds("somebody"), *others):
        tracker.track(click(visitor.visitor_id), visitor)
        tracker.activate(seen(visitor.visitor_id), visitor)
    tracker.track(Consent(False), now)

    tracker.forget(now)

    assert tracker.flush()
    assert posted.labels() == [*(other.visitor_id for other in others), "python:false"]
    assert len(posted.activations[0]["batch"]) == len(others)
    assert (tracker.status().hits.dropped["withdrawn"], tracker.status().hits.pending) == (3, 0)


def test_what_waits_of_a_visitor_who_went_back_to_anonymity_is_forgotten(tracker: Tracker, posted: Posted) -> None:
    tracker.track(click("authenticated"), VisitorIds("somebody", "anonymous"))
    tracker.activate(seen("authenticated"), VisitorIds("somebody", "anonymous"))

    tracker.forget(VisitorIds("anonymous"))

    assert tracker.flush()
    assert posted.hits == posted.activations == []


def test_what_was_under_way_is_not_sent_again(tracker: Tracker, posted: Posted, clock: FakeClock) -> None:
    tracker.track(click("refused"), VisitorIds("a"))
    tracker.track(click("other"), VisitorIds("b"))
    posted.status, posted.during = 500, lambda: tracker.forget(VisitorIds("a"))

    assert not tracker.flush()
    clock.advance(1.0)
    tracker.track(click("after"), VisitorIds("a"))
    posted.status, posted.during = 204, lambda: None
    assert tracker.flush()

    assert posted.labels() == ["other", "after"]
    hits = tracker.status().hits
    assert (hits.accepted, hits.delivered, hits.pending, hits.dropped["withdrawn"]) == (3, 2, 0, 1)


def test_what_an_earlier_process_left_is_forgotten_too(make: Open, posted: Posted, tmp_path: Path) -> None:
    earlier = make(directory=tmp_path)
    for visitor in ("a", "b"):
        earlier.track(click(visitor), VisitorIds(visitor))
    earlier.close()

    tracker = make(directory=tmp_path)
    tracker.forget(VisitorIds("a"))

    assert tracker.flush()
    assert posted.labels() == ["b"]


def test_what_is_withdrawn_is_no_loss_to_warn_of(make: Open, posted: Posted, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make()
    tracker.track(click("a"), SOMEBODY)
    tracker.forget(SOMEBODY)
    tracker.flush()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# Records of a cache ---------------------------------------------------------------------------------------------------


def test_what_waits_can_be_kept_in_a_cache_and_restored(make: Open, posted: Posted, clock: FakeClock) -> None:
    first, second = make(), make()
    first.track(click("a"), SOMEBODY)
    first.activate(seen("b"), AUTHENTICATED)
    first.track(Consent(True), SOMEBODY)
    cached = json.loads(json.dumps({record.id: record.cached for record in first.waiting()}))
    assert first.status().hits.pending == 2

    clock.advance(5.0)
    assert second.restore(map(Record.from_cache, cached.values())) == 3
    second.forget(SOMEBODY)
    assert second.flush()

    assert [(hit["el"], hit["qt"]) for hit in posted.hits[0]["h"]] == [("python:true", 5000)]
    assert posted.activations[0]["batch"] == [
        {"caid": "group", "vaid": "b", "vid": "account-77", "aid": "user_#1234", "qt": 5000}
    ]


def test_what_is_too_old_in_a_cache_is_not_restored(make: Open, clock: FakeClock) -> None:
    records = [
        Record.of_hit(Screen("home"), SOMEBODY, int(clock.time() * 1000) - age) for age in (14_400_000, 14_399_000)
    ]

    assert make().restore(records) == 1


def test_what_a_cache_says_is_of_the_future_is_of_now(make: Open, posted: Posted, clock: FakeClock) -> None:
    tracker = make()
    tracker.restore([Record.of_hit(Screen("home"), SOMEBODY, int(clock.time() + 365 * 24 * HOUR) * 1000)])
    posted.status = 500
    assert not tracker.flush()

    clock.advance(4 * HOUR)

    assert tracker.flush()
    assert tracker.status().hits.dropped["expired"] == 1


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {},
        {"version": 2, "data": {}},
        {"version": 1, "data": {"type": "EVENT", "timestamp": 1, "visitorId": "v"}},
        {"version": 1, "data": {"type": "EVENT", "timestamp": "x", "visitorId": "v", "content": {"t": "EVENT"}}},
        {"version": 1, "data": {"type": "EVENT", "timestamp": 1e400, "visitorId": "v", "content": {"t": "EVENT"}}},
        {"version": 1, "data": {"type": "EVENT", "timestamp": 1, "visitorId": "", "content": {"t": "EVENT"}}},
        {"version": 1, "data": {"type": "EVENT", "timestamp": 1, "visitorId": "v", "content": {}}},
        {"version": 2, "data": {"type": "EVENT", "timestamp": 1, "visitorId": "v", "content": {"t": "EVENT"}}},
    ],
)
def test_what_is_no_record_is_refused(kept: object) -> None:
    with pytest.raises(HitCacheFormatException):
        Record.from_cache(kept)


class Kept:
    """An outbox around another one, as a hit cache is: it notes what came in and what was settled."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.kept: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outbox, name)

    def put(self, report: Any) -> None:
        self.kept |= {Record.from_line(event.data.line).id for event in report.events}
        self.outbox.put(report)

    def delivered(self, batches: Iterable[Batch]) -> None:
        gone = list(batches)
        self.kept -= {Record.from_line(line).id for batch in gone for line in batch.lines}
        self.outbox.delivered(gone)


def test_a_cache_may_stand_around_the_outboxes(make: Open, posted: Posted) -> None:
    caches: list[Kept] = []

    def around(outbox: Outbox) -> Outbox:
        caches.append(Kept(outbox))
        return cast("Outbox", caches[-1])  # it passes on what it does not have

    tracker = make(around=around)
    kept = tracker.track(Screen("home"), SOMEBODY)
    assert [cache.kept for cache in caches] == [{kept.id}, set()]

    assert tracker.flush()
    assert [cache.kept for cache in caches] == [set(), set()]


# In the background ----------------------------------------------------------------------------------------------------


def test_hits_go_at_once_when_enough_of_them_wait(server: FakeFlagship, running: Open) -> None:
    tracker = running(max_pool_size=5)
    assert tracker.flush(10)  # its first look is over
    for number in range(4):
        tracker.track(click(str(number)), SOMEBODY)
    assert server.bodies[HITS] == []

    tracker.track(click("4"), SOMEBODY)

    wait_until(lambda: len(server.hits) == 5)
    assert len(server.bodies[HITS]) == 1


def test_fewer_go_when_the_interval_is_over(server: FakeFlagship, running: Open) -> None:
    tracker = running(time_interval=0.05)

    tracker.track(click("a"), SOMEBODY)

    wait_until(lambda: server.labels() == Counter("a"))


@pytest.mark.parametrize("settings", [{"max_pool_size": 0}, {"max_pool_size": 1}, {"is_batching": False}])
def test_each_goes_at_once_where_that_is_wanted(server: FakeFlagship, running: Open, settings: dict[str, Any]) -> None:
    tracker = running(**settings)

    for number in range(3):
        tracker.track(click(str(number)), SOMEBODY)
        wait_until(lambda number=number: len(server.hits) == number + 1)  # type: ignore[misc]


def test_activations_go_at_once(server: FakeFlagship, running: Open) -> None:
    tracker = running()

    tracker.activate(seen("a"), SOMEBODY)

    wait_until(lambda: server.variations() == Counter("a"))
    assert server.bodies[HITS] == []


def test_its_threads_say_what_they_are(running: Open) -> None:
    running()

    names = {thread.name for thread in threading.enumerate()}
    assert {"kameleoon-flagship-hits", "kameleoon-flagship-activations"} <= names


def test_an_outage_of_one_server_does_not_hold_the_other_up(server: FakeFlagship, running: Open) -> None:
    tracker = running()
    server.break_down(HITS, reply(500))
    tracker.track(click("a"), SOMEBODY)
    tracker.activate(seen("b"), SOMEBODY)

    assert not tracker.flush(0.5)

    assert server.variations() == Counter("b")
    status = tracker.status()
    assert (status.hits.pending, status.activations.pending) == (1, 0)
    assert status.sending_hits.last_error == "the tracking server answered 500"


OUTAGES: dict[str, Answer] = {"500": reply(500), "429": reply(429), "down": resets(), "hangs": hangs()}


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize("outage", OUTAGES)
def test_nothing_is_lost_or_doubled_by_an_outage(
    server: FakeFlagship, running: Open, tmp_path: Path, outage: str, directory: bool
) -> None:
    tracker = running(timeout=0.2, time_interval=0.05, directory=tmp_path if directory else None)
    for path in (HITS, ACTIVATE):
        server.break_down(path, OUTAGES[outage])
    for number in range(300):
        tracker.track(click(str(number)), VisitorIds(f"v{number % 7}"))
        tracker.activate(seen(number), VisitorIds(f"v{number % 7}"))
    server.wait_for(4)

    for path in (HITS, ACTIVATE):
        server.break_down(path, None)

    wait_until(lambda: tracker.flush(1.0))
    once = Counter(map(str, range(300)))
    assert (server.labels(), server.variations()) == (once, once)


def test_a_full_pool_is_no_reason_to_ask_a_server_that_fails_over_and_over(server: FakeFlagship, running: Open) -> None:
    tracker = running(max_pool_size=1)
    server.break_down(HITS, reply(503, b"", {"Retry-After": "600"}))
    tracker.track(click("first"), SOMEBODY)
    wait_until(lambda: tracker.status().sending_hits.last_error)
    asked = len(server.received)

    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        tracker.track(click("more"), SOMEBODY)

    assert len(server.received) <= asked + 1  # which was under way


def test_while_it_is_held_nothing_is_sent(server: FakeFlagship, running: Open) -> None:
    tracker = running(max_pool_size=1)
    tracker.hold(True)
    tracker.track(click("a"), SOMEBODY)
    began = time.monotonic()
    assert not tracker.flush(5.0)
    assert time.monotonic() - began < 2.0
    assert server.received == []

    tracker.hold(False)

    wait_until(lambda: server.labels() == Counter("a"))


def test_what_is_held_is_not_sent_at_the_end(server: FakeFlagship, running: Open) -> None:
    tracker = running()
    tracker.hold(True)
    tracker.track(click("a"), SOMEBODY)

    tracker.stop(5.0)

    assert server.received == []
    assert [record.type for record in tracker.waiting()] == ["EVENT"]


# The end --------------------------------------------------------------------------------------------------------------


def test_what_waits_is_sent_before_the_end(server: FakeFlagship, running: Open) -> None:
    tracker = running()
    for number in range(50):
        tracker.track(click(str(number)), SOMEBODY)

    tracker.stop()

    assert server.labels() == Counter(map(str, range(50)))


def test_stopping_without_time_keeps_what_waits_for_a_cache(server: FakeFlagship, running: Open) -> None:
    server.break_down(HITS, reply(503))
    tracker = running()
    tracker.track(click("a"), SOMEBODY)

    tracker.stop(0.0)

    assert [record.visitor for record in tracker.waiting()] == [SOMEBODY]


@pytest.mark.parametrize("answer", [hangs(), reply(503)])
def test_flush_and_stop_end_in_time_whatever_both_servers_do(
    server: FakeFlagship, running: Open, answer: Answer
) -> None:
    tracker = running(timeout=30.0)
    for path in (HITS, ACTIVATE):
        server.break_down(path, answer)
    for number in range(10):
        tracker.track(click(str(number)), SOMEBODY)
        tracker.activate(seen(number), SOMEBODY)

    began = time.monotonic()
    assert not tracker.flush(0.3)
    flushed = time.monotonic()
    tracker.stop(0.5)
    stopped = time.monotonic()

    assert flushed - began < 0.3 + 0.5
    assert stopped - flushed < 0.5 + 0.2 + 0.5
    assert tracker.status().hits.pending == tracker.status().activations.pending == 10


PROGRAM = """
import sys
from openfeature_kameleoon.flagship.api import FlagshipApi
from openfeature_kameleoon.flagship.endpoints import Endpoints
from openfeature_kameleoon.flagship.hits import Screen
from openfeature_kameleoon.flagship.records import Activation, VisitorIds
from openfeature_kameleoon.flagship.tracking import Tracker
from openfeature_kameleoon.transport.http import Http

tracker = Tracker(FlagshipApi(Http(), "ENV_ID", "KEY", endpoints=Endpoints.of(server_url=sys.argv[1])))
tracker.start()
tracker.flush(5)
for number in range(15):
    tracker.track(Screen(f"screen-{number}"), VisitorIds("v1"))
    tracker.activate(Activation("group", str(number)), VisitorIds("v1"))
"""


def test_what_waits_is_sent_when_the_program_ends(server: FakeFlagship) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, server.url], capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert Counter(hit["dl"] for hit in server.hits) == Counter(f"screen-{number}" for number in range(15))
    assert server.variations() == Counter(map(str, range(15)))
