"""Latency as a user feels it: one call is due every millisecond, and its time counts from when it was due.

A stall therefore falls on every call that was due meanwhile, not on one (performance.md 5). Runs on the
calling thread, which should be the only busy one that is not measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["PERIOD_SECONDS", "Tail", "best", "open_loop"]

PERIOD_SECONDS = 0.001


class Tail(NamedTuple):
    """Percentiles of latency in milliseconds."""

    p50: float
    p99: float
    p999: float
    max: float


def open_loop(call: Callable[[int], object], go_on: Callable[[], bool]) -> Tail:
    """Call with 0, 1, 2, ... on schedule, late ones at once, until ``go_on`` (asked before each) says no."""
    clock, sleep = time.perf_counter, time.sleep
    latencies: list[float] = []
    start = clock()
    number = 0
    while go_on():
        due = start + number * PERIOD_SECONDS
        wait = due - clock()
        if wait > 0:
            sleep(wait)
        call(number)
        latencies.append(clock() - due)
        number += 1
    return _tail(latencies)


def best(tails: list[Tail]) -> Tail:
    """The whole run with the smallest p99.9, so that its figures belong together."""
    return min(tails, key=lambda tail: tail.p999)


def _tail(latencies: list[float]) -> Tail:
    ordered = sorted(latencies)
    last = len(ordered) - 1
    p50, p99, p999 = (1e3 * ordered[min(last, int(share * len(ordered)))] for share in (0.5, 0.99, 0.999))
    return Tail(p50, p99, p999, 1e3 * ordered[last])
