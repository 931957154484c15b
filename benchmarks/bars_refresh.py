"""Bars 9 and 11: making a data file of 10,000 flags usable, and what others feel while that happens.

Bar 11 runs alone in its process: the calling thread evaluates on schedule and puts the next data file in
place; whatever else runs is the library's refresh.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import FeatureProvider

from openfeature_kameleoon.datafile.index import DataFileIndex

from . import anchors
from .data import EDITION, EXP3, RULE10, SEG3, SIMPLE, data_file, edition_name
from .measure import Effort, Rounds, Row, at_least, at_most, isolated
from .open_loop import Tail, best, open_loop

__all__ = ["BARS", "text_reader"]

FLAGS = 10_000
PAUSE_SECONDS = 2.0
LOOK_EVERY = 50  # calls between two looks at which edition answers
GIVE_UP_SECONDS = 30.0
KEYS = (SIMPLE, EXP3, SEG3, RULE10)
VISITORS = 1_000


def text_to_ready(effort: Effort) -> list[Row]:
    """Bar 9: CPU time from the bytes to something that answers, the garbage collector's included."""
    raw = data_file(FLAGS)
    readers = {who: text_reader(who) for who in ("ours", "peer")}
    seconds: dict[str, list[float]] = {who: [] for who in readers}
    for _ in range(effort.rounds // 30):
        for who, read in readers.items():
            gc.collect()  # of what the one before left behind
            start = time.process_time()
            ready = read(raw)
            seconds[who].append(time.process_time() - start)
            del ready
    rounds = Rounds(seconds)
    what = "10,000 flags, text to ready"
    return [
        Row(9, what, "x faster than the peer", rounds.ratio("peer", "ours"), at_least(5, 12)),
        Row(9, what, "ms of CPU", 1e3 * rounds.median("ours"), peer=1e3 * rounds.median("peer")),
    ]


def text_reader(who: str) -> Callable[[bytes], object]:
    """What makes the text of a data file usable: our index, or the peer's data file from decoded JSON."""
    if who == "ours":
        return DataFileIndex.read
    from_json = importlib.import_module("kameleoon.configuration.data_file").DataFile.from_json
    return lambda raw: from_json(None, None, json.loads(raw))


def tail_during_refresh(effort: Effort) -> list[Row]:
    """Bar 11: every filler flag changes at each refresh; each run has its own process."""
    own = best([isolated(our_tail, effort.refreshes) for _ in range(effort.tail_runs)])
    bystander = best([isolated(bystander_tail, effort.refreshes) for _ in range(effort.tail_runs)])
    idle = best([isolated(idle_tail, effort.refreshes) for _ in range(effort.tail_runs)])
    peer = isolated(peer_tail, effort.refreshes)  # once: its stall is a thousand times the noise
    limits = {
        "p99": at_most(2, 0.5, noisy=False),
        "p999": at_most(5, 1.5, noisy=False),
        "max": at_most(20, 5, noisy=False),
    }
    machine = f"this machine without any refresh: p99.9 {idle.p999:.2f}, max {idle.max:.2f} ms"
    better = peer.p999 / own.p999
    what = "while 10,000 flags are refreshed"
    rows = [Row(11, f"p999 {what}", "x better than the peer", better, at_least(150, 600), note=machine)]
    for name, limit in limits.items():
        ours, beside, theirs = (getattr(tail, name) for tail in (own, bystander, peer))
        rows.append(Row(11, f"{name} {what}", "ms", ours, limit, theirs))
        rows.append(Row(11, f"{name} of InMemory beside our refresh", "ms", beside, limit))
    return rows


def our_tail(refreshes: int) -> Tail:
    """Our evaluations during our refreshes."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        editions = Editions(directory)
        own = opened.enter_context(anchors.ours(editions.path))
        return _refreshed(editions, own, own, refreshes)


def bystander_tail(refreshes: int) -> Tail:
    """Somebody else's evaluations during our refreshes."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        editions = Editions(directory)
        own = opened.enter_context(anchors.ours(editions.path))
        return _refreshed(editions, anchors.in_memory(), own, refreshes)


def peer_tail(refreshes: int) -> Tail:
    """The peer's evaluations during its refreshes; it polls as often as our file source looks."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        editions = Editions(directory)
        peer = opened.enter_context(anchors.peer(editions.path, refresh_seconds=1))
        return _refreshed(editions, peer, peer, refreshes)


def idle_tail(refreshes: int) -> Tail:
    """InMemory in a process that does nothing else: what the machine itself adds."""
    end = time.monotonic() + refreshes * PAUSE_SECONDS
    return open_loop(_evaluation(anchors.in_memory()), lambda: time.monotonic() < end)


class Editions:
    """A data file that is replaced, atomically, by one as large in which every filler flag differs."""

    def __init__(self, directory: str) -> None:
        self.path = Path(directory) / "refreshed.json"
        self._next = Path(directory) / "next"
        self._written = [anchors.written(directory, FLAGS, edition) for edition in (1, 2)]
        self.installed = 0
        self.install_next()

    def install_next(self) -> None:
        """Put the other edition in place; takes microseconds, as it is written already."""
        self.installed += 1
        source = self._written[(self.installed - 1) % 2]
        os.link(source, self._next)
        os.utime(self._next)
        os.replace(self._next, self.path)

    @property
    def name(self) -> str:
        """What `EDITION` answers once the installed data file is in use."""
        return edition_name((self.installed - 1) % 2 + 1)


def _refreshed(editions: Editions, caller: FeatureProvider, refresher: FeatureProvider, refreshes: int) -> Tail:
    """Tail of the caller's evaluations until ``refreshes`` editions have come into use, and a pause after."""
    evaluate = _evaluation(caller)
    context = anchors.key_only()
    gc.collect()  # of what making the data files left behind
    seen_at = time.monotonic()
    pending = False
    left = refreshes

    def call(number: int) -> None:
        nonlocal seen_at, pending, left
        evaluate(number)
        if number % LOOK_EVERY:
            return
        now = time.monotonic()
        if pending:
            if refresher.resolve_string_details(EDITION, "", context).value == editions.name:
                pending, seen_at, left = False, now, left - 1
            elif now - seen_at > GIVE_UP_SECONDS:
                raise RuntimeError(f"a replaced data file was not noticed within {GIVE_UP_SECONDS:.0f} s")
        elif now - seen_at >= PAUSE_SECONDS and left:
            editions.install_next()
            pending, seen_at = True, now

    return open_loop(call, lambda: pending or left > 0 or time.monotonic() - seen_at < PAUSE_SECONDS)


def _evaluation(provider: FeatureProvider) -> Callable[[int], object]:
    """One of four flags for one of a thousand visitors, by number."""
    resolve = provider.resolve_boolean_details
    contexts: list[EvaluationContext] = [anchors.with_custom_data(f"visitor-{n}") for n in range(VISITORS)]

    def evaluate(number: int) -> object:
        return resolve(
            flag_key=KEYS[number % len(KEYS)],
            default_value=False,
            evaluation_context=contexts[number % VISITORS],
        )

    return evaluate


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {9: text_to_ready, 11: tail_during_refresh}
