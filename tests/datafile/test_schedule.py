from __future__ import annotations

from random import Random

import pytest

from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.schedule import Schedule
from openfeature_kameleoon.transport.http import Http
from tests.clock import FakeClock

INTERVAL = 1000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def schedule(clock: FakeClock) -> Schedule:
    """One after whose first look everything is as it should be."""
    source = PollingSource(Http(), "site1", interval=INTERVAL, random=Random(7), clock=clock)
    schedule = Schedule(source, random=Random(8), clock=clock)
    assert schedule.seconds_until_due() == 0.0
    schedule.answered(is_current=True)
    return schedule


def test_looks_are_an_interval_apart_and_ten_under_a_stream(schedule: Schedule) -> None:
    assert 900.0 <= schedule.seconds_until_due() <= 1100.0

    schedule.opened()
    assert schedule.seconds_until_due() <= 0.9
    schedule.answered(is_current=True)
    assert 9000.0 <= schedule.seconds_until_due() <= 11000.0


def test_a_loss_brings_polling_back(schedule: Schedule) -> None:
    schedule.opened()
    schedule.answered(is_current=True)

    schedule.lost()
    assert schedule.seconds_until_due() <= 1100.0

    schedule.answered(is_current=True)
    assert 900.0 <= schedule.seconds_until_due() <= 1100.0


def test_events_before_a_look_share_it(schedule: Schedule, clock: FakeClock) -> None:
    schedule.signalled(5)
    due = schedule.seconds_until_due()
    clock.advance(due / 2)
    for timestamp in (9, 7):
        schedule.signalled(timestamp)

    assert due <= 0.9
    assert schedule.seconds_until_due() <= due / 2
    assert schedule.timestamp == 9
    schedule.answered(is_current=True)
    assert schedule.timestamp is None


def test_a_look_that_is_due_sooner_anyway_serves_an_event(schedule: Schedule, clock: FakeClock) -> None:
    clock.advance(schedule.seconds_until_due())

    schedule.signalled(5)

    assert schedule.seconds_until_due() == 0.0


def test_an_event_keeps_its_timestamp_until_there_is_an_answer(schedule: Schedule) -> None:
    schedule.signalled(5)

    for _ in range(10):
        schedule.failed()
        assert schedule.timestamp == 5

    schedule.answered(is_current=True)
    assert schedule.timestamp is None


def test_a_server_that_lags_gets_three_looks_at_growing_random_waits(schedule: Schedule) -> None:
    bounds = [0.0, 0.0]
    for _ in range(300):
        schedule.signalled(5)
        for number in range(2):
            schedule.answered(is_current=False)
            assert schedule.timestamp == 5
            bounds[number] = max(bounds[number], schedule.seconds_until_due())
        schedule.answered(is_current=False)
        assert schedule.timestamp is None
        assert schedule.seconds_until_due() >= 900.0

    assert 3.8 < bounds[0] <= 4.0
    assert 7.6 < bounds[1] <= 8.0


def test_another_event_gets_looks_of_its_own(schedule: Schedule) -> None:
    schedule.signalled(5)
    schedule.answered(is_current=False)
    schedule.answered(is_current=False)

    schedule.signalled(6)
    schedule.answered(is_current=False)
    schedule.answered(is_current=False)

    assert schedule.timestamp == 6
