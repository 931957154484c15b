"""The outbox in memory: order, bounds, and that no event is ever unaccounted for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openfeature_kameleoon.tracking.outbox import Event, MemoryOutbox, OutboxStatus
from openfeature_kameleoon.visitors.data import UserAgent


def events(first: int, count: int, visitor: str = "somebody") -> list[Event]:
    return [Event(visitor, UserAgent(str(number)), float(number)) for number in range(first, first + count)]


def times(taken: list[Event]) -> list[int]:
    return [int(event.time) for event in taken]


def test_an_empty_outbox_has_nothing() -> None:
    outbox = MemoryOutbox()

    assert outbox.take(10) == []
    assert outbox.status() == OutboxStatus(0, 0, 0, {"queue_full": 0})


def test_events_come_out_in_the_order_in_which_they_were_put_in() -> None:
    outbox = MemoryOutbox()
    outbox.put(events(0, 3))
    outbox.put(events(3, 2))

    assert times(outbox.take(2)) == [0, 1]
    assert times(outbox.take(0)) == []
    assert times(outbox.take(10)) == [2, 3, 4]


def test_any_iterable_is_put_in() -> None:
    outbox = MemoryOutbox()

    outbox.put(iter(events(0, 2)))
    outbox.put(())

    assert outbox.status() == OutboxStatus(2, 0, 2, {"queue_full": 0})


def test_a_full_outbox_drops_its_oldest_events_and_counts_them() -> None:
    outbox = MemoryOutbox(capacity=3)
    outbox.put(events(0, 2))
    outbox.put(events(2, 3))

    assert outbox.status() == OutboxStatus(5, 0, 3, {"queue_full": 2})
    assert times(outbox.take(10)) == [2, 3, 4]


def test_more_than_fit_at_once_leave_the_newest() -> None:
    outbox = MemoryOutbox(capacity=3)

    outbox.put(events(0, 10))

    assert times(outbox.take(10)) == [7, 8, 9]
    assert outbox.status() == OutboxStatus(10, 3, 0, {"queue_full": 7})


def test_an_iterable_that_fails_halfway_leaves_the_numbers_right() -> None:
    outbox = MemoryOutbox()

    def failing() -> Iterator[Event]:
        yield from events(0, 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outbox.put(failing())

    accepted, delivered, pending, dropped = outbox.status()
    assert accepted == pending == len(outbox.take(10))
    assert (delivered, dropped) == (0, {"queue_full": 0})


def test_a_signal_handler_may_put_in_what_it_likes_in_the_middle_of_a_put() -> None:
    outbox = MemoryOutbox()
    interruptions = 0

    def interrupt(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal interruptions
        if what == "line":
            interruptions += 1
            sys.settrace(None)
            outbox.put(events(interruptions, 1, "signal"))
            sys.settrace(interrupt)
        return interrupt if frame.f_code is MemoryOutbox.put.__code__ else None

    def put() -> None:
        sys.settrace(interrupt)
        outbox.put(events(0, 3))
        sys.settrace(None)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(5)

    assert not thread.is_alive(), "it waits for itself"
    assert interruptions > 2
    assert outbox.status() == OutboxStatus(3 + interruptions, 0, 3 + interruptions, {"queue_full": 0})


class Conservation(RuleBasedStateMachine):
    """Whatever is put in and taken out: each event is delivered, waiting or dropped, and never two of these."""

    @initialize(capacity=st.integers(1, 20))
    def begin(self, capacity: int) -> None:
        self.capacity = capacity
        self.outbox = MemoryOutbox(capacity)
        self.accepted = self.delivered = self.dropped = 0
        self.waiting: list[int] = []

    @rule(count=st.integers(0, 50))
    def put(self, count: int) -> None:
        self.outbox.put(events(self.accepted, count))
        self.waiting += range(self.accepted, self.accepted + count)
        self.accepted += count
        too_many = max(0, len(self.waiting) - self.capacity)
        self.dropped += too_many
        del self.waiting[:too_many]

    @rule(most=st.integers(0, 30))
    def take(self, most: int) -> None:
        taken = times(self.outbox.take(most))

        assert taken == self.waiting[:most]
        del self.waiting[:most]
        self.delivered += len(taken)

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        accepted, delivered, pending, dropped = self.outbox.status()

        assert accepted == delivered + pending + sum(dropped.values())
        assert (accepted, delivered, dropped) == (self.accepted, self.delivered, {"queue_full": self.dropped})
        assert pending == len(self.waiting)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=50, stateful_step_count=30)


@pytest.fixture
def threads_alternate_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    yield

    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("threads_alternate_often")
def test_the_numbers_are_right_at_every_moment_while_threads_put_in_and_take_out() -> None:
    outbox = MemoryOutbox(capacity=50)
    batches, takers, done = 3000, 2, threading.Event()
    taken: list[list[Event]] = [[] for _ in range(takers)]
    seen: list[OutboxStatus] = []

    def put(visitor: str) -> None:
        for first in range(0, batches * 2, 2):
            outbox.put(events(first, 2, visitor))

    def take(into: list[Event]) -> None:
        while not done.is_set():
            into += outbox.take(7)

    def ask() -> None:
        while not done.is_set():
            seen.append(outbox.status())

    producers = [threading.Thread(target=put, args=(f"visitor-{number}",)) for number in range(3)]
    others = [threading.Thread(target=take, args=(into,)) for into in taken] + [threading.Thread(target=ask)]
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
        assert 0 <= pending <= 50
        assert min(delivered, dropped["queue_full"]) >= 0
    for earlier, later in pairwise(seen):
        assert earlier.accepted <= later.accepted
        assert earlier.delivered <= later.delivered
        assert earlier.dropped["queue_full"] <= later.dropped["queue_full"]

    rest = outbox.take(100)
    everything = [event for into in taken for event in into] + rest
    assert seen[-1].accepted == 3 * batches * 2
    assert len(everything) == len(set(everything)) == seen[-1].delivered + seen[-1].pending
