"""What of failing requests is worth a line in the log: news, and no more than that."""

from __future__ import annotations

import pytest

from openfeature_kameleoon.outages import Outages
from tests.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def outages(clock: FakeClock) -> Outages:
    return Outages(clock)


def test_each_failure_is_told_once_until_it_works_again(outages: Outages, clock: FakeClock) -> None:
    told = [outages.is_news("data", problem) for problem in ("down", "down", "slow", "down")]
    clock.advance(61)
    told_later = outages.is_news("data", "down")
    worked = [outages.worked("data"), outages.worked("data")]

    assert (told, told_later, worked) == ([True, False, True, False], False, [True, False])
    assert outages.is_news("data", "down")


def test_what_comes_and_goes_is_told_once_a_minute(outages: Outages, clock: FakeClock) -> None:
    told = []
    for _ in range(130):
        told.append((outages.is_news("data", "down"), outages.worked("data")))
        clock.advance(1)

    assert [second for second, pair in enumerate(told) if pair == (True, True)] == [0, 61, 122]
    assert set(told) == {(True, True), (False, False)}


def test_one_that_works_says_nothing_of_another(outages: Outages) -> None:
    assert outages.is_news("data", "down")
    assert outages.is_news("visitors", "down")

    assert outages.worked("data")
    assert not outages.is_news("visitors", "down")
    assert outages.worked("visitors")


def test_failures_that_differ_each_time_are_not_told_without_end(outages: Outages) -> None:
    assert sum(outages.is_news("data", f"problem {number}") for number in range(1000)) == 20


def test_there_is_nothing_to_tell_when_nothing_failed(outages: Outages) -> None:
    assert not outages.worked("data")
