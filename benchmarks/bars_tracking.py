"""Bars 12 and 19: what reporting costs who evaluates, and how many events a second reach the server.

Every run has a process of its own and its own server, which both sides poll and track to over loopback.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from openfeature.provider import FeatureProvider

from . import anchors
from .anchors import EVERYBODY, Connected, Who
from .arrivals import EVENTS_PER_VISITOR, Tally, tally, visitor_code
from .data import CUSTOM_DATA, EXP3
from .loopback import Loopback, served
from .measure import Effort, Row, at_least, at_most, isolated
from .open_loop import Tail, best, open_loop
from .producing import GOAL

__all__ = ["BARS", "Delivery", "median"]

EVENTS = 100_000
PATIENCE_SECONDS = 60.0
SECONDS_PER_TAIL = 8.0
LINES_PER_VISITOR = 1 + len(CUSTOM_DATA)


@contextmanager
def _online(who: Who) -> Iterator[tuple[Connected, Loopback]]:
    with tempfile.TemporaryDirectory() as directory:
        path = anchors.written(directory, 100)
        with served(Path(directory)) as loopback:
            opened = anchors.connected(who, loopback.port, path.stem)
            try:
                yield opened, loopback
            finally:
                opened.close()


# Bar 12 -----------------------------------------------------------------------------------------------------------


def tail_while_tracking(effort: Effort) -> list[Row]:
    """Bar 12: every millisecond another visitor, whose experiment and three custom data are reported."""
    seconds = SECONDS_PER_TAIL if effort.tail_runs > 1 else SECONDS_PER_TAIL / 2
    own, peer = (best([isolated(tail, who, seconds) for _ in range(effort.tail_runs)]) for who in EVERYBODY)
    nobody = best([isolated(tail_of_nobody, seconds) for _ in range(effort.tail_runs)])
    what = "while 4,000 events a second are reported"
    note = (
        f"InMemory alone: p50 {nobody.p50:.2f}, p99 {nobody.p99:.2f}, p99.9 {nobody.p999:.2f}, max {nobody.max:.2f} ms"
    )
    return [
        Row(12, f"p999 {what}", "ms", own.p999, at_most(2, 1.2, noisy=False), peer.p999, note),
        Row(12, f"p999 {what}", "x InMemory's own", own.p999 / nobody.p999, peer=peer.p999 / nobody.p999),
        *(
            Row(12, f"{name} {what}", "ms", getattr(own, name), peer=getattr(peer, name))
            for name in ("p50", "p99", "max")
        ),
    ]


def tail(who: Who, seconds: float) -> Tail:
    """Of evaluations by a provider that reports them."""
    with _online(who) as (opened, loopback):
        measured = _evaluated(opened.provider, seconds)
        visitors = int(1000 * seconds)
        if not loopback.wait_for(LINES_PER_VISITOR * visitors // 2, PATIENCE_SECONDS):
            raise RuntimeError(f"of {visitors} visitors only {loopback.lines()} events came: nothing was measured")
        return measured


def tail_of_nobody(seconds: float) -> Tail:
    """The same at InMemoryProvider, which reports nothing."""
    return _evaluated(anchors.in_memory(), seconds)


def _evaluated(provider: FeatureProvider, seconds: float) -> Tail:
    resolve = provider.resolve_boolean_details

    def call(number: int) -> object:
        context = anchors.with_custom_data(visitor_code(number))
        return resolve(flag_key=EXP3, default_value=False, evaluation_context=context)

    gc.collect()
    end = time.monotonic() + seconds
    return open_loop(call, lambda: time.monotonic() < end)


# Bar 19 -----------------------------------------------------------------------------------------------------------


class Delivery(NamedTuple):
    """Events per second that were accepted, and that were there in the end; and how many were."""

    enqueued: float
    delivered: float
    tally: Tally


def rates(effort: Effort) -> list[Row]:
    """Bar 19: as fast as possible; the runs begin at different moments of the interval between two sendings."""
    runs: dict[Who, list[Delivery]] = {who: [] for who in EVERYBODY}
    for run in range(effort.tail_runs):
        for who in EVERYBODY:
            runs[who].append(isolated(deliver, who, EVENTS // EVENTS_PER_VISITOR, (run + 0.5) / effort.tail_runs))
    own, peer = (median(runs[who]) for who in EVERYBODY)
    what, none = f"{EVENTS:,} events", at_most(0, 0, noisy=False)
    per_second = "events per second"
    faster = "x the peer"
    return [
        Row(19, f"{what}, accepted", faster, own.enqueued / peer.enqueued, at_least(5, 10)),
        Row(19, f"{what}, accepted", per_second, own.enqueued, peer=peer.enqueued),
        Row(19, f"{what}, end to end", faster, own.delivered / peer.delivered, at_least(3, 5)),
        Row(19, f"{what}, end to end", per_second, own.delivered, peer=peer.delivered),
        Row(19, f"{what}, lost", "events", own.tally.lost, none, peer.tally.lost),
        Row(19, f"{what}, duplicated", "events", own.tally.duplicated, none, peer.tally.duplicated),
    ]


def deliver(who: Who, visitors: int, phase: float) -> Delivery:
    """One run of so many visitors, begun when ``phase`` of a second is over since something was sent."""
    codes = [visitor_code(number) for number in range(visitors)]
    with _online(who) as (opened, loopback):
        get_variation, track_conversion = opened.client.get_variation, opened.client.track_conversion
        get_variation("warm", EXP3)
        if not loopback.wait_for(1, PATIENCE_SECONDS):
            raise RuntimeError("the first event did not come")
        gc.collect()
        time.sleep(phase)

        start = time.monotonic()
        for code in codes:
            get_variation(code, EXP3)
            track_conversion(code, GOAL, 1.0)
        accepted = time.monotonic()

        events = EVENTS_PER_VISITOR * visitors
        loopback.wait_for(1 + events, PATIENCE_SECONDS)
        arrivals = loopback.arrivals()
    seconds = arrivals[-1].at - start
    return Delivery(events / (accepted - start), events / seconds, tally(arrivals, visitors))


def median(runs: list[Delivery]) -> Delivery:
    """Rates are medians; what was lost or duplicated counts in all runs together."""
    enqueued, delivered = (statistics.median(getattr(run, name) for run in runs) for name in ("enqueued", "delivered"))
    received, lost, duplicated = (sum(numbers) for numbers in zip(*(run.tally for run in runs), strict=True))
    return Delivery(enqueued, delivered, Tally(received, lost, duplicated))


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {12: tail_while_tracking, 19: rates}
