"""The outbox in memory: order, bounds, and that no event is ever unaccounted for."""

from __future__ import annotations

import sys
import threading
from itertools import pairwise
from math import inf
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import Batch, MemoryOutbox, OutboxStatus
from openfeature_kameleoon.visitors.data import PageView
from tests.clock import FakeClock

NOTHING = {"queue_full": 0}


def report(visitor: str, *nonces: int, user_agent: str | None = None, time: float = inf) -> Report:
    return Report(visitor, tuple(Event(ACTIVITY, nonce) for nonce in nonces), user_agent=user_agent, time=time)


def nonces(batches: list[Batch]) -> list[int]:
    return [int(line[6:22], 16) for batch in batches for line in batch.lines]


def filled(*reports: Report, capacity: int = 100) -> MemoryOutbox:
    outbox = MemoryOutbox(capacity)
    for each in reports:
        outbox.put(each)
    return outbox


def test_an_empty_outbox_has_nothing() -> None:
    outbox = MemoryOutbox()

    assert outbox.take(10) == []
    assert outbox.status() == OutboxStatus(0, 0, 0, NOTHING)


def test_what_waits_of_a_visitor_is_one_batch_with_its_latest_user_agent_on_the_first_line() -> None:
    outbox = filled(report("a", 1, user_agent="old"), report("b", 2), report("a", 3, user_agent="new"))

    first, second = outbox.take(10)

    assert (nonces([first]), nonces([second])) == ([1, 3], [2])
    assert [line.rpartition("&")[2] for line in first.lines] == ["userAgent=new", "visitorCode=a"]


def test_visitors_are_taken_the_oldest_first_and_whole() -> None:
    outbox = filled(report("a", 1, 2, 3), report("b", 4), report("c", 5))

    assert nonces(outbox.take(1)) == [1, 2, 3]
    assert nonces(outbox.take(2)) == [4, 5]
    assert outbox.take(1) == []


def test_what_is_taken_is_pending_until_it_is_settled() -> None:
    outbox = filled(report("a", 1), report("b", 2), report("c", 3))
    delivered, dropped, released = ([batch] for batch in outbox.take(3))

    assert outbox.status() == OutboxStatus(3, 0, 3, NOTHING)

    outbox.delivered(delivered)
    outbox.drop(dropped, "rejected")
    outbox.release(released)

    assert outbox.status() == OutboxStatus(3, 1, 1, {"queue_full": 0, "rejected": 1})
    assert nonces(outbox.take(3)) == [3]


def test_what_is_released_comes_first_again_before_what_came_since() -> None:
    outbox = filled(report("a", 1), report("b", 2), report("c", 3))
    taken = outbox.take(2)
    outbox.put(report("b", 4))
    outbox.put(report("d", 5))

    outbox.release(taken)

    assert nonces(outbox.take(10)) == [1, 2, 4, 3, 5]


def test_a_nonce_is_the_same_each_time_that_its_event_is_taken() -> None:
    outbox = filled(report("a", 1), report("b", 2))
    first = outbox.take(10)
    outbox.release(first)

    assert outbox.take(10) == first


def test_it_knows_of_whom_anything_waits() -> None:
    outbox = filled(report("a", 1))

    assert outbox.has("a")
    assert not outbox.has("b")

    outbox.take(1)
    assert not outbox.has("a")


def test_a_full_outbox_gives_up_all_that_waits_of_the_visitor_who_waits_longest() -> None:
    outbox = filled(report("a", 1), report("b", 2), report("a", 3), report("c", 4), capacity=3)

    assert outbox.status() == OutboxStatus(4, 0, 2, {"queue_full": 2})
    assert nonces(outbox.take(10)) == [2, 4]


def test_a_visitor_who_waits_alone_gives_up_what_is_oldest() -> None:
    outbox = filled(report("a", 1), report("a", 2, 3), report("a", 4), capacity=3)

    assert nonces(outbox.take(10)) == [2, 3, 4]
    assert outbox.status().dropped == {"queue_full": 1}


def test_more_than_fit_at_once_do_not_stay() -> None:
    outbox = filled(report("a", *range(10)), capacity=3)

    assert outbox.status() == OutboxStatus(10, 0, 0, {"queue_full": 10})


def test_what_is_under_way_counts_for_the_capacity_and_is_not_given_up() -> None:
    outbox = filled(report("a", 1, 2), capacity=2)
    taken = outbox.take(2)
    outbox.put(report("b", 3))

    assert outbox.status() == OutboxStatus(3, 0, 2, {"queue_full": 1})
    outbox.release(taken)
    assert nonces(outbox.take(10)) == [1, 2]


def test_what_waited_too_long_is_given_up() -> None:
    clock = FakeClock()
    outbox = MemoryOutbox(clock=clock)
    outbox.put(report("a", 1, time=clock.monotonic()))
    clock.advance(60)
    outbox.put(report("a", 2, time=clock.monotonic()))
    outbox.put(report("b", 3, time=clock.monotonic()))

    outbox.expire(60.0)

    assert nonces(outbox.take(10)) == [3]
    assert outbox.status() == OutboxStatus(3, 0, 1, {"queue_full": 0, "expired": 2})


def test_a_jump_of_the_wall_clock_expires_nothing() -> None:
    clock = FakeClock()
    outbox = MemoryOutbox(clock=clock)
    outbox.put(report("a", 1, time=clock.monotonic()))

    clock.jump(10 * 365 * 86_400)
    outbox.expire(60.0)

    assert outbox.status().pending == 1


def test_an_event_that_cannot_be_written_costs_only_its_visitors_batch(caplog: pytest.LogCaptureFixture) -> None:
    broken = PageView("https://a", referrers=(object(),))  # type: ignore[arg-type]  # as a careless caller would
    outbox = filled(Report("a", (Event(broken, 1), Event(ACTIVITY, 2))), report("b", 3))

    assert nonces(outbox.take(10)) == [3]
    assert outbox.status() == OutboxStatus(3, 0, 1, {"queue_full": 0, "invalid": 2})
    assert "events that cannot be written are dropped: TypeError" in caplog.text


def test_a_signal_handler_may_put_in_what_it_likes_in_the_middle_of_a_put() -> None:
    outbox = MemoryOutbox()
    interruptions = 0

    def interrupt(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal interruptions
        if what == "line":
            interruptions += 1
            sys.settrace(None)
            outbox.put(report("signal", interruptions))
            sys.settrace(interrupt)
        return interrupt if frame.f_code is MemoryOutbox.put.__code__ else None

    def put() -> None:
        sys.settrace(interrupt)
        outbox.put(report("somebody", 1, 2, 3))
        sys.settrace(None)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(5)

    assert not thread.is_alive(), "it waits for itself"
    assert interruptions > 2
    assert outbox.status() == OutboxStatus(3 + interruptions, 0, 3 + interruptions, NOTHING)


class Conservation(RuleBasedStateMachine):
    """Whatever is put in, taken and settled: each event is delivered, pending or dropped, and never two of these."""

    @initialize(capacity=st.integers(1, 20))
    def begin(self, capacity: int) -> None:
        self.outbox = MemoryOutbox(capacity)
        self.accepted = self.delivered = self.rejected = 0
        self.seen: set[int] = set()
        self.taken: list[Batch] = []

    @rule(visitor=st.sampled_from("abc"), count=st.integers(1, 8))
    def put(self, visitor: str, count: int) -> None:
        self.outbox.put(report(visitor, *range(self.accepted, self.accepted + count)))
        self.accepted += count

    @rule(most=st.integers(1, 30))
    def take(self, most: int) -> None:
        self.taken += self.outbox.take(most)

        under_way = nonces(self.taken)
        assert len(under_way) == len(set(under_way))
        assert not self.seen & set(under_way)

    @rule(share=st.integers(0, 3))
    def settle(self, share: int) -> None:
        delivered, rest = self.taken[:share], self.taken[share:]
        rejected, released = rest[:1], rest[1:]
        self.outbox.delivered(delivered)
        self.outbox.drop(rejected, "rejected")
        self.outbox.release(released)
        self.delivered += len(nonces(delivered))
        self.rejected += len(nonces(rejected))
        self.seen |= {*nonces(delivered), *nonces(rejected)}
        self.taken = []

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        accepted, delivered, pending, dropped = self.outbox.status()

        assert accepted == delivered + pending + sum(dropped.values())
        assert (accepted, delivered, dropped.get("rejected", 0)) == (self.accepted, self.delivered, self.rejected)
        assert pending >= len(nonces(self.taken))


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=50, stateful_step_count=30)


@pytest.mark.usefixtures("threads_alternate_often")
def test_the_numbers_are_right_at_every_moment_while_threads_put_in_and_one_takes() -> None:
    outbox = MemoryOutbox(capacity=50)
    puts, done = 3000, threading.Event()
    taken: list[int] = []
    seen: list[OutboxStatus] = []

    def put(visitor: int) -> None:
        for number in range(puts):
            outbox.put(report(f"visitor-{visitor}-{number % 7}", (visitor << 32) + 2 * number, 2 * number + 1))

    def take() -> None:
        while not done.is_set():
            batches = outbox.take(7)
            outbox.delivered(batches[:2])
            outbox.release(batches[2:])
            taken.extend(nonces(batches[:2]))

    def ask() -> None:
        while not done.is_set():
            seen.append(outbox.status())

    producers = [threading.Thread(target=put, args=(number,)) for number in range(3)]
    others = [threading.Thread(target=take), threading.Thread(target=ask)]
    for thread in producers + others:
        thread.start()
    for thread in producers:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    seen.append(outbox.status())

    for accepted, delivered, pending, dropped in seen:
        assert accepted == delivered + pending + dropped["queue_full"]
        assert min(delivered, dropped["queue_full"]) >= 0
        assert 0 <= pending <= 50
    for earlier, later in pairwise(seen):
        assert earlier.accepted <= later.accepted
        assert earlier.delivered <= later.delivered
    assert seen[-1].accepted == 3 * puts * 2
    assert len(taken) == seen[-1].delivered
