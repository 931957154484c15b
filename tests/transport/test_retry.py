from __future__ import annotations

from random import Random

import pytest

from openfeature_kameleoon.transport.retry import Backoff, is_retryable, retry_after

NOW = 1_790_000_000.0  # Mon, 21 Sep 2026 14:13:20 GMT


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_passing_status_is_worth_another_try(status: int) -> None:
    assert is_retryable(status)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 413, 422])
def test_a_lasting_status_is_not(status: int) -> None:
    assert not is_retryable(status)


@pytest.mark.parametrize(("failures", "bound"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (5000, 60.0)])
def test_waits_are_spread_over_a_range_that_doubles_up_to_a_bound(failures: int, bound: float) -> None:
    backoff = Backoff(Random(7), first=1.0)
    for _ in range(failures):
        backoff.failed(most=60.0)

    waits = sorted(backoff.wait_seconds() for _ in range(1000))

    assert waits[0] < 0.02 * bound
    assert 0.98 * bound < waits[-1] <= bound
    assert waits[500] == pytest.approx(bound / 2, rel=0.1)


def test_what_the_server_asks_for_is_waited_before_the_random_part() -> None:
    backoff = Backoff(Random(7), first=1.0)
    backoff.failed(most=60.0, floor=30.0)

    waits = [backoff.wait_seconds() for _ in range(1000)]

    assert 30.0 <= min(waits) < max(waits) <= 31.0


def test_a_success_begins_anew() -> None:
    backoff = Backoff(Random(7), first=1.0)
    for _ in range(9):
        backoff.failed(most=60.0, floor=30.0)

    backoff.succeeded()

    assert backoff.wait_seconds() == 0.0
    backoff.failed(most=60.0)
    assert backoff.wait_seconds() <= 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", 300.0),
        ("9" * 400, 300.0),
        ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0),
        ("Mon, 21 Sep 2026 14:12:20 GMT", 0.0),
        ("Mon, 21 Sep 9999 14:12:20 GMT", 300.0),
        *((nonsense, 0.0) for nonsense in ("", "soon", "-5", "1.5", "٣", "Mon, 99 Foo 2026", "1e9")),
    ],
)
def test_retry_after_is_read_in_both_forms_and_clamped(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value}, now=NOW, most=300.0) == seconds


def test_no_retry_after_asks_for_nothing() -> None:
    assert retry_after({}, now=NOW, most=300.0) == 0.0
