"""Rate limits: no window ever holds more calls than it may, and nobody waits for longer than that takes."""

from __future__ import annotations

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.management.automation.client import LIMITS
from openfeature_kameleoon.management.rest import RateLimit, Window
from tests.clock import FakeClock
from tests.management.echo import Echo

WINDOWS = st.lists(
    st.builds(Window, calls=st.integers(1, 8), seconds=st.integers(1, 60).map(float)), min_size=1, max_size=3
)
PAUSES = st.lists(st.integers(0, 40).map(lambda tenths: tenths / 8), min_size=1, max_size=80)


def most_in(seconds: float, moments: list[float]) -> int:
    """How many of the moments, in order, fall into one window at most."""
    return max(bisect_left(moments, moment + seconds) - place for place, moment in enumerate(moments))


def calls_in_a_row(limit: RateLimit, clock: FakeClock, count: int) -> list[float]:
    """The moments, from 0, of calls that follow each other at once; each waits for its turn."""
    start, moments = clock.monotonic(), []
    for _ in range(count):
        clock.advance(limit.reserve())
        moments.append(clock.monotonic() - start)
    return moments


@given(windows=WINDOWS, pauses=PAUSES)
def test_no_window_ever_holds_more_than_its_calls(windows: list[Window], pauses: list[float]) -> None:
    clock = FakeClock()
    limit = RateLimit(windows, clock)
    moments = []

    for pause in pauses:
        clock.advance(pause)
        clock.advance(limit.reserve())
        moments.append(clock.monotonic())

    for window in windows:
        assert most_in(window.seconds, moments) <= window.calls


@given(windows=WINDOWS, pauses=PAUSES)
def test_a_call_waits_only_when_it_would_be_one_too_many(windows: list[Window], pauses: list[float]) -> None:
    clock = FakeClock()
    limit = RateLimit(windows, clock)
    moments: list[float] = []

    for pause in pauses:
        clock.advance(pause)
        ahead = limit.reserve()
        if ahead:
            just_before = clock.monotonic() + ahead - 0.01
            assert any(most_in(one.seconds, [*moments, just_before]) > one.calls for one in windows)
        clock.advance(ahead)
        moments.append(clock.monotonic())


@given(windows=WINDOWS, count=st.integers(1, 60))
def test_turns_that_are_taken_without_waiting_lie_one_behind_the_other(windows: list[Window], count: int) -> None:
    limit = RateLimit(windows, FakeClock())

    turns = [limit.reserve() for _ in range(count)]

    assert turns == sorted(turns)
    for window in windows:
        assert most_in(window.seconds, turns) <= window.calls


def test_fifty_calls_in_ten_seconds() -> None:
    clock = FakeClock()

    moments = calls_in_a_row(RateLimit([Window(50, 10)], clock), clock, 230)

    assert moments == [0.0] * 50 + [10.0] * 50 + [20.0] * 50 + [30.0] * 50 + [40.0] * 30


def test_the_automation_api_lets_a_thousand_calls_pass_in_an_hour() -> None:
    clock = FakeClock()

    moments = calls_in_a_row(RateLimit(LIMITS, clock), clock, 2001)

    assert moments[49:51] == [0, 10]
    assert moments[999:1001] == [190, 3600]
    assert moments[1999:] == [3790, 7200]


def test_calls_that_keep_their_distance_do_not_wait() -> None:
    clock = FakeClock()
    limit = RateLimit([Window(5, 10)], clock)
    waits = []

    for _ in range(100):
        clock.advance(2)
        waits.append(limit.reserve())

    assert waits == [0.0] * 100


def test_without_windows_nothing_waits() -> None:
    limit = RateLimit([], FakeClock())

    assert [limit.reserve() for _ in range(1000)] == [0.0] * 1000


@pytest.mark.usefixtures("threads_alternate_often")
def test_threads_share_the_turns() -> None:
    limit = RateLimit([Window(10, 1), Window(100, 60)], FakeClock())

    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: limit.reserve(), range(800)))

    expected = [60.0 * (number // 100) + number % 100 // 10 for number in range(800)]
    assert sorted(turns) == expected


def test_sessions_of_one_credential_share_a_limit(api: Echo) -> None:
    clock = FakeClock()
    limit = RateLimit([Window(2, 10)], clock)
    first, second = (api.rest(limit=limit, clock=clock, wait=clock.advance) for _ in range(2))
    start = clock.monotonic()

    first.call("GET", "goals")
    second.call("GET", "goals")
    assert clock.monotonic() == start

    second.call("GET", "goals")
    assert clock.monotonic() == start + 10


@pytest.mark.parametrize(("calls", "seconds"), [(0, 10.0), (-1, 10.0), (5, 0.0)])
def test_a_window_that_lets_nothing_through_is_refused(calls: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="at least one call"):
        Window(calls, seconds)
