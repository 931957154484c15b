"""Bars 1 to 8 and 13: what an evaluation takes, directly, through the OpenFeature client, on eight threads.

Every bar is one interleaved run of our provider, InMemoryProvider and Kameleoon's own in one process.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import FeatureProvider

from . import anchors
from .data import EXP3, EXP3_HALF, RULE10, SEG3, SIMPLE, SPLIT
from .measure import Effort, Limit, Row, Turn, at_least, at_most, interleave, keyword_call

__all__ = ["BARS"]

IN_MEMORY = "x InMemory"
FASTER = "x faster than the peer"


class Case(NamedTuple):
    """A flag, a context and what `resolve_boolean_details` may take for them."""

    flag: str
    context: str
    against_in_memory: Limit
    against_peer: Limit | None = None


CASES: Mapping[int, Case] = {
    1: Case(SIMPLE, "key only", at_most(1.3, 0.8), at_least(35, 65)),
    2: Case(EXP3, "3 custom data", at_most(3.5, 2.5), at_least(19, 27)),
    3: Case(EXP3_HALF, "key only", at_most(3.5, 2.6)),
    4: Case(SEG3, "3 custom data", at_most(3, 2), at_least(30, 48)),
    5: Case(RULE10, "3 custom data", at_most(6, 4), at_least(28, 45)),
}


def direct(bar: int, effort: Effort) -> list[Row]:
    """Bars 1 to 5: the provider called as the OpenFeature client calls it."""
    case = CASES[bar]
    context = anchors.CONTEXTS[case.context]()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        own, peer = opened.enter_context(anchors.ours(path)), opened.enter_context(anchors.peer(path))
        _must_agree(case.flag, context, own, peer)
        turns = {
            "in memory": _resolve(anchors.in_memory(), case.flag, context),
            "ours": _resolve(own, case.flag, context),
            "peer": _resolve(peer, case.flag, context),
        }
        if case.context != "key only":
            turns["named"] = _resolve(own, case.flag, anchors.named_attributes())
        rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
    what, ratio = f"{case.flag}, {case.context}", rounds.ratio
    rows = [
        Row(
            bar,
            what,
            IN_MEMORY,
            ratio("ours", "in memory"),
            case.against_in_memory,
            ratio("peer", "in memory"),
        )
    ]
    if case.against_peer:
        rows.append(Row(bar, what, FASTER, ratio("peer", "ours"), case.against_peer))
    if "named" in turns:
        rows.append(Row(bar, f"{case.flag}, 3 plain attributes", IN_MEMORY, ratio("named", "in memory")))
    return rows


def through_client(effort: Effort) -> list[Row]:
    """Bar 6: ``client.get_boolean_value``; seven microseconds of it are the OpenFeature client's own."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        providers: dict[str, FeatureProvider] = {
            "in memory": anchors.in_memory(),
            "ours": opened.enter_context(anchors.ours(path)),
            "peer": opened.enter_context(anchors.peer(path)),
        }
        for name, provider in providers.items():
            api.set_provider_and_wait(provider, name)
        asked = {name: (name, anchors.with_custom_data()) for name in providers}
        asked["named"] = ("ours", anchors.named_attributes())
        turns = {
            name: keyword_call(
                api.get_client(domain).get_boolean_value,
                flag_key=EXP3,
                default_value=False,
                evaluation_context=context,
            )
            for name, (domain, context) in asked.items()
        }
        rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
    what, unit = f"OpenFeature client, {EXP3}, 3 custom data", "x OF InMemory"
    ratio = rounds.ratio
    return [
        Row(6, what, unit, ratio("ours", "in memory"), at_most(1.15, 1.09), ratio("peer", "in memory")),
        Row(6, what, FASTER, ratio("peer", "ours"), at_least(4.8, 5.3)),
        Row(6, f"OpenFeature client, {EXP3}, 3 plain attributes", unit, ratio("named", "in memory")),
    ]


def beside_configcat(effort: Effort) -> list[Row]:
    """Bar 7: the same question in ConfigCat's words, the fastest of other vendors' OpenFeature providers."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        own, peer = opened.enter_context(anchors.ours(path)), opened.enter_context(anchors.peer(path))
        plan, named_plan = anchors.with_custom_data(count=1), anchors.named_attributes(count=1)
        _must_agree(SPLIT, plan, own, peer)
        configcat = opened.enter_context(anchors.configcat(directory))
        answer = configcat.resolve_boolean_details(SPLIT, False, named_plan)
        if answer.error_code is not None:
            raise RuntimeError(f"ConfigCat does not answer: {answer.error_message}")
        turns = {
            "in memory": _resolve(anchors.in_memory(), SPLIT, plan),
            "ours": _resolve(own, SPLIT, plan),
            "named": _resolve(own, SPLIT, named_plan),
            "peer": _resolve(peer, SPLIT, plan),
            "configcat": _resolve(configcat, SPLIT, named_plan),
        }
        rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
    ratio = rounds.ratio
    unit = "x faster than ConfigCat"
    what = f"{SPLIT}, 1 custom data"
    return [
        Row(7, what, unit, ratio("configcat", "ours"), at_least(4, 6), ratio("configcat", "peer")),
        Row(7, what, IN_MEMORY, ratio("ours", "in memory"), peer=ratio("peer", "in memory")),
        Row(7, f"{SPLIT}, 1 plain attribute", unit, ratio("configcat", "named")),
    ]


def many_flags(effort: Effort) -> list[Row]:
    """Bar 8: an evaluation does not notice how many flags there are."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        context = anchors.with_custom_data()
        few, many = (anchors.written(directory, flags) for flags in (100, 10_000))
        turns = {
            "ours": _resolve(opened.enter_context(anchors.ours(few)), EXP3, context),
            "ours, many": _resolve(opened.enter_context(anchors.ours(many)), EXP3, context),
            "peer": _resolve(opened.enter_context(anchors.peer(few)), EXP3, context),
            "peer, many": _resolve(opened.enter_context(anchors.peer(many)), EXP3, context),
        }
        rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
    own, peer = rounds.ratio("ours, many", "ours"), rounds.ratio("peer, many", "peer")
    return [Row(8, f"{EXP3}, 10,000 flags", "x 100 flags", own, at_most(1.05, 1.02), peer)]


def threads(effort: Effort) -> list[Row]:
    """Bar 13: evaluations per second of eight threads and of one."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        path = anchors.written(directory, 100)
        context = anchors.with_custom_data()
        turns: dict[str, Turn] = {}
        for name, opening in (("ours", anchors.ours(path)), ("peer", anchors.peer(path))):
            turns[name] = _resolve(opened.enter_context(opening), EXP3, context)
            turns[f"{name} on 8"] = partial(_on_threads, turns[name], 8)
        # Longer turns than elsewhere: eight threads must have run long enough to get in each other's way.
        rounds = interleave(turns, rounds=effort.rounds // 12, turn_seconds=30 * effort.turn_seconds)
    ratio = rounds.ratio
    what = f"{EXP3}, throughput of 8 threads"
    return [
        Row(
            13,
            what,
            "x 1 thread",
            ratio("ours", "ours on 8"),
            at_least(0.95, 0.98),
            ratio("peer", "peer on 8"),
        ),
        Row(13, what, FASTER, ratio("peer on 8", "ours on 8"), at_least(20, 27)),
    ]


def _resolve(provider: FeatureProvider, flag: str, context: EvaluationContext) -> Turn:
    return keyword_call(
        provider.resolve_boolean_details, flag_key=flag, default_value=False, evaluation_context=context
    )


def _must_agree(flag: str, context: EvaluationContext, own: FeatureProvider, peer: FeatureProvider) -> None:
    """A figure for another answer is worth nothing."""
    mine, theirs = (p.resolve_boolean_details(flag, False, context) for p in (own, peer))
    if (mine.value, mine.variant) != (theirs.value, theirs.variant) or mine.error_code is not None:
        raise RuntimeError(f"{flag}: we answer {mine}, the peer {theirs}")


def _on_threads(turn: Turn, count: int, calls: int) -> float:
    """Seconds until ``count`` threads, started together, have made ``calls`` calls in all."""
    each = max(1, calls // count)
    started = threading.Barrier(count + 1)

    def work() -> None:
        started.wait()
        turn(each)

    workers = [threading.Thread(target=work) for _ in range(count)]
    for worker in workers:
        worker.start()
    start = time.perf_counter()
    started.wait()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - start) * calls / (each * count)


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {
    **{bar: partial(direct, bar) for bar in CASES},
    6: through_client,
    7: beside_configcat,
    8: many_flags,
    13: threads,
}
