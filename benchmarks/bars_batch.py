"""Bar 24: one flag decided for a million visitor codes, beside what hashing them costs at the very least.

The bound is the bare hash and comparison in a list comprehension, in turn with ours; no visitor may remain.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from hashlib import sha256
from itertools import count

from . import anchors
from .bars_memory import rss_bytes
from .data import EXP3
from .measure import Effort, Rounds, Row, at_least, at_most, isolated

__all__ = ["BARS"]

PEER_SHARE = 50  # the peer takes about 80 times as long for a code
MEASURED_ROUNDS = 5


def batch(effort: Effort) -> list[Row]:
    """Bar 24: figures of time in this process, of memory in processes of their own."""
    rounds = _interleaved(effort.codes)
    own_rss = isolated(our_growth, effort.codes)
    peer_rss = isolated(peer_growth, effort.codes // 10)
    what = f"{EXP3}, {effort.codes:,} codes"
    rate, peer_rate = 1 / rounds.median("ours"), 1 / rounds.median("peer")
    bound_share, peer_share = rounds.ratio("bound", "ours"), rounds.ratio("bound", "peer")
    return [
        Row(24, what, "codes per second", rate, at_least(1_200_000, 2_000_000), peer_rate),
        Row(24, what, "x faster than the peer", rounds.ratio("peer", "ours"), at_least(30, 50)),
        Row(24, what, "of the hashlib bound", bound_share, at_least(0.4, 0.65), peer_share),
        Row(
            24, f"{what}, RSS beyond the output", "bytes per code", own_rss,
            at_most(8, 1, noisy=False), peer_rss,
        ),
    ]  # fmt: skip


def _interleaved(codes: int) -> Rounds:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        assign = opened.enter_context(anchors.ours(path)).client.assign
        get_variation = opened.enter_context(anchors.peer(path)).get_client().get_variation
        visitors = [f"visitor-{number:07}" for number in range(codes)]
        series = count()
        some = b"\x57" + 31 * b"\xff"

        def ours() -> int:
            return len(list(assign(EXP3, visitors)))

        def bound() -> int:
            return len([sha256((code + "2001").encode()).digest() <= some for code in visitors])

        def peer() -> int:
            each = next(series)
            new = [f"{code}-{each}" for code in visitors[::PEER_SHARE]]
            return len([get_variation(code, EXP3, track=False) for code in new])

        seconds: dict[str, list[float]] = {"ours": [], "bound": [], "peer": []}
        for _ in range(MEASURED_ROUNDS):
            for name, work in (("ours", ours), ("bound", bound), ("peer", peer)):
                start = time.perf_counter()
                done = work()
                seconds[name].append((time.perf_counter() - start) / done)
    return Rounds(seconds)


def our_growth(codes: int) -> float:
    """Resident bytes per code that a batch leaves, its list of answers not counted."""
    with tempfile.TemporaryDirectory() as directory, anchors.ours(anchors.written(directory, 100)) as own:
        return _growth(lambda some: list(own.client.assign(EXP3, some)), codes)


def peer_growth(codes: int) -> float:
    """The same for the peer, one code after the other, without tracking."""
    with tempfile.TemporaryDirectory() as directory, anchors.peer(anchors.written(directory, 100)) as peer:
        get_variation = peer.get_client().get_variation
        return _growth(lambda some: [get_variation(code, EXP3, track=False).key for code in some], codes)


def _growth(decide: Callable[[Iterable[str]], list[str]], codes: int) -> float:
    visitors = [f"visitor-{number:07}" for number in range(codes)]
    decide(visitors[:1000])
    gc.collect()
    before = rss_bytes()
    answers = decide(visitors)
    gc.collect()
    return (rss_bytes() - before - sys.getsizeof(answers)) / codes


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {24: batch}
