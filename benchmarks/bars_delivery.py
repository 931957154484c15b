"""Bars 20 to 23: what of the events is lost, or comes twice, when a program ends or forks and when the server fails.

What produces is a program (`producing`); what has come is counted by the server, which is another.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from . import anchors
from .anchors import EVERYBODY, Who
from .arrivals import EVENTS_PER_VISITOR, Tally, tally, whole_at
from .loopback import Loopback, Manner, served
from .measure import Effort, Limit, Row, at_most
from .producing import EVENTS_PER_SECOND, Program, started

__all__ = ["BARS", "ENDS", "SIGNALS", "run"]

VISITORS = 1_200  # 2.4 seconds of them
FEW = 200  # still on their way when the program ends
NONE = at_most(0, 0, noisy=False)
FAILURES: tuple[Manner, ...] = ("500", "down", "hang")
SETTLING_SECONDS = 0.2
PATIENCE_SECONDS = 40.0


class Run(NamedTuple):
    """What became of the events, and the seconds from the last one being produced to the end of the process."""

    tally: Tally
    seconds: float


@contextmanager
def _producing(who: Who, visitors: int, course: str) -> Iterator[tuple[Program, Loopback]]:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        loopback = opened.enter_context(served(Path(directory)))
        yield opened.enter_context(started(who, loopback, path.stem, visitors, course)), loopback


def run(who: Who, visitors: int, course: str, manner: Manner = "up") -> Run:
    """One program from its start to its end, with a server that is as it is from the first event on."""
    with _producing(who, visitors, course) as (program, loopback):
        program.when()
        loopback.answer(manner)
        produced = program.when()
        ended = program.end()
        time.sleep(SETTLING_SECONDS)  # the server reads what the kernel still holds of a program that is gone
        return Run(tally(loopback.arrivals(), visitors), ended - produced)


def _rows(bar: int, what: str, own: Tally, peer: Tally, most_lost: Limit = NONE) -> list[Row]:
    return [
        Row(bar, f"{what}, lost", "events", own.lost, most_lost, peer.lost),
        Row(bar, f"{what}, duplicated", "events", own.duplicated, NONE, peer.duplicated),
    ]


# Bars 20, 21 and 23 -----------------------------------------------------------------------------------------------

ENDS = ("end of program", "shutdown", "sys.exit")


def end_of_program(effort: Effort) -> list[Row]:
    """Bar 20: three ways to end; and how long that takes beside a server that is dead."""
    del effort  # nothing here becomes truer by being done again
    rows = []
    for end in ENDS:
        own, peer = (run(who, VISITORS, end) for who in EVERYBODY)
        rows += _rows(20, end, own.tally, peer.tally)
    alone = run("ours", 0, "end of program").seconds
    dead, peer_dead = (
        {(end, manner): run(who, FEW, end, manner).seconds for end in ENDS for manner in FAILURES} for who in EVERYBODY
    )
    worst = max(dead, key=dead.__getitem__)
    note = f"longest: {worst[0]}, server {worst[1]}; with nothing to send a program ends in {alone:.2f} s"
    longest, peer_longest = (max(seconds.values()) - alone for seconds in (dead, peer_dead))
    limit = at_most(2.2, 2.05, noisy=False)  # the shutdown time-out, and 0.2 s to leave (reliability.md R5)
    return [*rows, Row(20, "longest end beside a dead server", "s", longest, limit, peer_longest, note)]


ONE_TICK = at_most(EVENTS_PER_SECOND, EVENTS_PER_SECOND / 2, noisy=False)
SIGNALS: Mapping[str, Limit] = {"SIGTERM": ONE_TICK, "SIGTERM with a handler": NONE}


def fork(effort: Effort) -> list[Row]:
    """Bar 21: the client was made before the fork, and the parent has events waiting at that moment."""
    del effort  # as above
    own, peer = (run(who, VISITORS, "fork") for who in EVERYBODY)
    return _rows(21, "produced by a forked child, and before by its parent", own.tally, peer.tally)


def termination(effort: Effort) -> list[Row]:
    """Bar 23: nothing of Python runs after a SIGTERM that nobody handles, so what waits then is lost."""
    del effort  # as above
    rows = []
    for course, limit in SIGNALS.items():
        own, peer = (run(who, VISITORS, course) for who in EVERYBODY)
        rows += _rows(23, course, own.tally, peer.tally, limit)
    return rows


# Bar 22 -----------------------------------------------------------------------------------------------------------


class Outage(NamedTuple):
    """What became of the events, and how long after the server's recovery all that were due before it had come."""

    tally: Tally
    recovery_seconds: float


def outages(effort: Effort) -> list[Row]:
    """Bar 22: half as much time before the outage and after it; both sides feel it at the same moment."""
    rows = []
    for failure in FAILURES:
        own, peer = outage(failure, effort.outage_seconds)
        what = f"{effort.outage_seconds:.0f} s of {failure}"
        limit = at_most(peer.recovery_seconds, min(3.0, peer.recovery_seconds), noisy=False)
        rows += _rows(22, what, own.tally, peer.tally)
        rows.append(Row(22, f"{what}, whole again after", "s", own.recovery_seconds, limit, peer.recovery_seconds))
    return rows


def outage(failure: Manner, seconds: float) -> list[Outage]:
    """Ours and the peer's."""
    visitors = int(2 * seconds * EVENTS_PER_SECOND / EVENTS_PER_VISITOR)
    with ExitStack() as opened:
        both = [opened.enter_context(_producing(who, visitors, "when told to")) for who in EVERYBODY]
        begun = [program.when() for program, _ in both]
        _sleep_until(max(begun) + seconds / 2)
        for _, loopback in both:
            loopback.answer(failure)
        _sleep_until(max(begun) + 1.5 * seconds)
        for _, loopback in both:
            loopback.answer("up")
        recovered = time.monotonic()
        for program, _ in both:
            program.when()
        for _, loopback in both:
            loopback.wait_for(visitors * EVENTS_PER_VISITOR, recovered + PATIENCE_SECONDS - time.monotonic())
        for program, _ in both:
            program.end()
        time.sleep(SETTLING_SECONDS)
        results = []
        for (_, loopback), beginning in zip(both, begun, strict=True):
            arrivals = loopback.arrivals()
            before = int((recovered - beginning) * EVENTS_PER_SECOND / EVENTS_PER_VISITOR)
            whole = whole_at(arrivals, before) or recovered + PATIENCE_SECONDS
            results.append(Outage(tally(arrivals, visitors), max(0.0, whole - recovered)))
        return results


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {
    20: end_of_program,
    21: fork,
    22: outages,
    23: termination,
}
