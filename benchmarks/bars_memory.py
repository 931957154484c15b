"""Bars 10, 14 and 15: what flags and visitors take in memory, and what forgetting visitors costs.

Every figure comes from a process of its own. Traced bytes are Python's own count and exact; RSS is the
kernel's (``/proc``, so Linux only). Our visitors and the peer's are made by the same documented calls.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from openfeature.provider import FeatureProvider

from openfeature_kameleoon import CustomData

from . import anchors
from .anchors import EVERYBODY, Who
from .bars_refresh import text_reader
from .data import CUSTOM_DATA, EXP3, NAMED_FLAGS, data_file, filler_key
from .measure import Effort, Limit, Row, at_most, isolated
from .open_loop import Tail, best, open_loop

__all__ = ["BARS", "rss_bytes"]

FLAGS = 10_000


def rss_bytes() -> int:
    """Resident memory of this process as the kernel sees it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Opened(NamedTuple):
    """A provider, and the client behind it with its class of custom data."""

    provider: FeatureProvider
    client: Any  # both have the documented methods of KameleoonClient; the peer's ships no types
    custom_data: Callable[..., object]


@contextmanager
def _open(who: Who, path: Path, *, session_seconds: float = 1800) -> Iterator[Opened]:
    if who == "ours":
        with anchors.ours(path, session_duration_minute=session_seconds / 60) as own:
            yield Opened(own, own.client, CustomData)
    else:
        with anchors.peer(path, session_seconds=session_seconds) as peer:
            yield Opened(peer, peer.get_client(), importlib.import_module("kameleoon.data").CustomData)


class FlagMemory(NamedTuple):
    """Bytes of a data file, traced or resident: when ready, at the worst moment, once every flag was used."""

    ready: int
    peak: int
    used: int


def flags_in_memory(effort: Effort) -> list[Row]:
    """Bar 10: everything that a ready provider holds, its imports and a first small data file not counted.

    RSS is also compared without the providers: the bytes and what is made of them.
    """
    del effort  # exact, so once is enough
    own, peer = (isolated(traced_flags, who) for who in EVERYBODY)
    own_rss, peer_rss = (isolated(resident_flags, who).ready for who in EVERYBODY)
    own_read, peer_read = (isolated(resident_reading, who) for who in EVERYBODY)
    half = at_most(1 / 2, 1 / 3, noisy=False)

    def row(what: str, unit: str, own: float, limit: Limit | None, peer: float, scale: float) -> Row:
        return Row(10, f"10,000 flags, {what}", unit, own / scale, limit, peer / scale)

    live, peak = at_most(3, 1.6, noisy=False), at_most(60, 50, noisy=False)
    return [
        row("live (traced)", "KB per flag", own.ready, live, peer.ready, 1e3 * FLAGS),
        row("live (traced), all used", "KB per flag", own.used, None, peer.used, 1e3 * FLAGS),
        row("peak (traced)", "MB", own.peak, peak, peer.peak, 1e6),
        row("RSS of the provider", "x the peer", own_rss, half, peer_rss, peer_rss),
        row("RSS of the provider", "MB", own_rss, None, peer_rss, 1e6),
        row("RSS of text to ready", "x the peer", own_read, half, peer_read, peer_read),
        row("RSS of text to ready", "MB", own_read, None, peer_read, 1e6),
    ]


def traced_flags(who: Who) -> FlagMemory:
    """As Python's allocator counts."""

    def read() -> tuple[int, int]:
        if not tracemalloc.is_tracing():
            tracemalloc.start()
        return tracemalloc.get_traced_memory()

    return _flag_memory(who, read)


def resident_flags(who: Who) -> FlagMemory:
    """As the kernel counts; it has no figure for the worst moment."""
    return _flag_memory(who, lambda: (rss_bytes(), 0))


def resident_reading(who: Who) -> int:
    """Resident bytes after a data file's text was made usable and let go."""
    read = text_reader(who)
    read(data_file(100))
    with tempfile.TemporaryDirectory() as directory:
        path = anchors.written(directory, FLAGS)
        gc.collect()
        before = rss_bytes()
        ready = read(path.read_bytes())
        gc.collect()
        taken = rss_bytes() - before
        del ready
    return taken


def _flag_memory(who: Who, read: Callable[[], tuple[int, int]]) -> FlagMemory:
    with tempfile.TemporaryDirectory() as directory:
        few, many = (anchors.written(directory, flags) for flags in (100, FLAGS))
        with _open(who, few) as warm:  # loads what is imported late
            warm.provider.resolve_boolean_details(EXP3, False, anchors.with_custom_data())
        gc.collect()
        before, _ = read()
        with _open(who, many) as opened:
            opened.provider.resolve_boolean_details(EXP3, False, anchors.with_custom_data())
            _, peak = read()
            gc.collect()
            ready, _ = read()
            context = anchors.with_custom_data()
            for number in range(FLAGS - len(NAMED_FLAGS)):
                opened.provider.resolve_boolean_details(filler_key(number), False, context)
            gc.collect()
            used, _ = read()
    return FlagMemory(ready - before, max(0, peak - before), used - before)


def visitors_in_memory(effort: Effort) -> list[Row]:
    """Bar 14: traced bytes per visitor, its code included, and that their number is bounded."""
    limits = {False: at_most(800, 400, noisy=False), True: at_most(1000, 550, noisy=False)}
    rows = []
    for evaluated, limit in limits.items():
        own, peer = (isolated(traced_visitors, who, effort.visitors, evaluated) for who in EVERYBODY)
        what = "visitor with 3 custom data" + (" and an evaluation" if evaluated else "")
        rows.append(Row(14, what, "bytes", own, limit, peer))
    growth = isolated(growth_at_cap, CAP_MEGABYTES)
    what = f"memory for 3 x as many visitors as {CAP_MEGABYTES} MB hold"
    rows.append(Row(14, what, "x the cap", growth, at_most(1.25, 1.0, noisy=False)))
    return rows


CAP_MEGABYTES = 8


def traced_visitors(who: Who, count: int, evaluated: bool) -> float:
    """Bytes per visitor."""
    with tempfile.TemporaryDirectory() as directory, _open(who, anchors.written(directory, 100)) as opened:
        _meet(opened, "warm", evaluated)
        gc.collect()
        tracemalloc.start()
        for number in range(count):
            _meet(opened, f"visitor-{number:07}", evaluated)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / count


def growth_at_cap(megabytes: int) -> float:
    """Traced memory of our store after three times as many visitors as its cap allows / the cap."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        path = anchors.written(directory, 100)
        own = stack.enter_context(anchors.ours(path, visitor_data_maximum_size=megabytes))
        opened = Opened(own, own.client, CustomData)
        _meet(opened, "warm", True)
        gc.collect()
        tracemalloc.start()
        for number in range(3 * megabytes * 1_000_000 // 700):
            _meet(opened, f"visitor-{number:07}", True)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / (megabytes * 2**20)


SESSION_SECONDS = 6.0
ARRIVALS_PER_CALL = 10  # enough of them for the dict behind a store to be rebuilt while they come


class Forgetting(NamedTuple):
    """Latency of a millisecond's arrivals, and the longest CPU times within one call, in ms."""

    tail: Tail
    longest_call: float
    longest_collection: float


def forgetting(effort: Effort) -> list[Row]:
    """Bar 15: visitors whose session is over are forgotten while ten new ones arrive every millisecond.

    Now and then the garbage collector walks everything that is remembered; its time is told apart from the
    time that forgetting takes, and is part of what the open loop shows.
    """
    own = min((isolated(forget, "ours", effort.visitors) for _ in range(effort.tail_runs)), key=_worst)
    peer = isolated(forget, "peer", effort.visitors)  # once: its pause is a hundred times the noise
    idle = best([isolated(arrivals_at_nobody) for _ in range(effort.tail_runs)])
    limit = at_most(1, 0.5, noisy=False)
    note = f"this machine alone: p99.9 {idle.p999:.2f}, max {idle.max:.2f} ms"

    def row(what: str, unit: str, own: float, peer: float, limit: Limit | None = None, note: str = "") -> Row:
        return Row(15, f"forgetting {effort.visitors:,} visitors, {what}", unit, own, limit, peer, note)

    return [
        row("longest call", "ms of CPU", own.longest_call, peer.longest_call, limit),
        row("open loop max", "ms above idle", own.tail.max - idle.max, peer.tail.max - idle.max, limit),
        row("open loop p999", "ms", own.tail.p999, peer.tail.p999, note=note),
        row("longest collection", "ms of CPU", own.longest_collection, peer.longest_collection),
    ]


def forget(who: Who, count: int) -> Forgetting:
    """Fill the store, then let visitors arrive for more than two sessions: the peer purges once in each."""
    early = [f"early-{number:07}" for number in range(count)]
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        path = anchors.written(directory, 100)
        opened = stack.enter_context(_open(who, path, session_seconds=SESSION_SECONDS))
        for code in early:
            _meet(opened, code, evaluated=False)
        gc.collect()
        collector = stack.enter_context(_Collections())
        longest = 0.0

        def arrive(number: int) -> None:
            nonlocal longest
            collected, start = collector.seconds, time.thread_time()
            for position in range(ARRIVALS_PER_CALL):
                _meet(opened, f"late-{number}-{position}", evaluated=False)
            longest = max(longest, time.thread_time() - start - (collector.seconds - collected))

        tail = open_loop(arrive, _for_two_sessions())
        remembered = _held_elsewhere(early)
        if remembered > count // 100:
            raise RuntimeError(f"{remembered} of {count} visitors were not forgotten: nothing was measured")
        return Forgetting(tail, 1e3 * longest, 1e3 * collector.longest)


class _Collections:
    """CPU seconds of the garbage collector while this is open; it runs inside whatever call triggers it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.longest = 0.0
        self._start = 0.0

    def __enter__(self) -> _Collections:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._start = time.thread_time()
        else:
            taken = time.thread_time() - self._start
            self.seconds += taken
            self.longest = max(self.longest, taken)


def _held_elsewhere(codes: list[str]) -> int:
    """How many of the strings are referred to from outside this list."""
    nobodys = [f"nobody-{number}" for number in range(2)]
    references_here = max(sys.getrefcount(code) for code in nobodys)
    return sum(sys.getrefcount(code) > references_here for code in codes)


def arrivals_at_nobody() -> Tail:
    """The same schedule with a dict that keeps nothing: what the machine itself adds."""
    nobody: dict[str, int] = {}
    return open_loop(lambda number: nobody.get(f"late-{number}"), _for_two_sessions())


def _for_two_sessions() -> Callable[[], bool]:
    end = time.monotonic() + 2.2 * SESSION_SECONDS
    return lambda: time.monotonic() < end


def _worst(run: Forgetting) -> float:
    return run.tail.max


def _meet(opened: Opened, code: str, evaluated: bool) -> None:
    """A visitor arrives with its custom data and, if wanted, asks for a flag; nothing is tracked."""
    data = [opened.custom_data(index, value) for index, (_, value) in enumerate(CUSTOM_DATA)]
    opened.client.add_data(code, *data)
    if evaluated:
        opened.client.get_variation(code, EXP3, track=False)


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {
    10: flags_in_memory,
    14: visitors_in_memory,
    15: forgetting,
}
