"""Bar 25: every decision is bit for bit the one of the reference formula.

The formula is written out here once more, from specs/kameleoon-sdk.md 3 and 4.4, so that nothing is compared
with itself. Not a timing: one difference is a failure.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from openfeature_kameleoon.engine.bucketing import bound

from . import anchors
from .data import document, experiment
from .measure import Effort, Row, at_most

__all__ = ["BARS", "differences_at_bounds", "differences_in_decisions", "reference_place"]

RULES = 1_000
SEED = 20_250_905  # the same pairs in every run: a difference can be looked into
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-_.é漢🙂"
SPAN = 2.0**256


class Experiment(NamedTuple):
    """A random rule: what its bucketing depends on."""

    number: int
    exposition: float
    shares: tuple[tuple[str, float], ...]
    respool_time: int | None


def identity(effort: Effort) -> list[Row]:
    """Bar 25: a million pairs through the whole engine, and the neighbours of every bound they use."""
    codes_per_rule = max(100, effort.codes // RULES)
    chance = random.Random(SEED)
    experiments = [_random_experiment(chance, number) for number in range(RULES)]
    decisions = differences_in_decisions(experiments, codes_per_rule, chance)
    thresholds = {threshold for one in experiments for threshold in _thresholds(one)}
    neighbours = differences_at_bounds(thresholds)
    none = at_most(0, 0, noisy=False)
    pairs = RULES * codes_per_rule
    return [
        Row(25, f"decisions for {pairs:,} random pairs of code and rule", "differences", decisions, none),
        Row(25, f"digests next to {len(thresholds):,} bounds", "differences", neighbours, none),
    ]


def differences_in_decisions(experiments: list[Experiment], codes: int, chance: random.Random) -> int:
    """How often our client assigns another variation than the formula, with so many random codes for each."""
    flags = [
        experiment(f"random_{one.number}", one.number, one.exposition, one.shares, one.respool_time)
        for one in experiments
    ]
    differences = 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "random.json"
        path.write_bytes(document(flags))
        with anchors.ours(path) as own:
            for one, flag in zip(experiments, flags, strict=True):
                visitors = [_random_code(chance) for _ in range(codes)]
                (rule,) = flag["rules"]
                decided = own.client.assign(flag["featureKey"], visitors)
                differences += sum(
                    variation != _reference_decision(one, rule["id"], rule["experimentId"], code)
                    for variation, code in zip(decided, visitors, strict=True)
                )
    return differences


def differences_at_bounds(thresholds: set[float]) -> int:
    """How many digests at a bound or one beside it are decided otherwise than by their float."""
    differences = 0
    for threshold in thresholds:
        limit = bound(threshold)
        at = int.from_bytes(limit, "big")
        for number in range(max(0, at - 1), min(2**256 - 1, at + 1) + 1):
            differences += (number.to_bytes(32, "big") <= limit) != (number / SPAN <= threshold)
    return differences


def reference_place(text: str) -> float:
    """Where SHA-256 puts a text in [0, 1] (3.1)."""
    return int(sha256(text.encode()).hexdigest(), 16) / SPAN


def _reference_decision(one: Experiment, rule_id: int, experiment_id: int, code: str) -> str:
    suffix = str(one.respool_time or "")
    if reference_place(f"{code}{rule_id}{suffix}") <= one.exposition:
        place = reference_place(f"{code}{experiment_id}{suffix}")
        for (key, _), total in zip(one.shares, _running_totals(one), strict=True):
            if place <= total:
                return key
    return "off"


def _running_totals(one: Experiment) -> Iterator[float]:
    total = 0.0
    for _, share in one.shares:
        total += share
        yield total


def _thresholds(one: Experiment) -> Iterator[float]:
    yield one.exposition
    yield from _running_totals(one)


def _random_code(chance: random.Random) -> str:
    return "".join(chance.choices(ALPHABET, k=chance.randint(1, 40)))


def _random_experiment(chance: random.Random, number: int) -> Experiment:
    """Shares as people enter them (two decimals), as machines do (any float), and whole or partial sums."""
    keys = ("control", "on", "one_page", "express")[: chance.randint(1, 4)]
    weights = [chance.random() for _ in keys]
    whole = chance.choice((1.0, 1.0, chance.random()))
    digits = chance.choice((2, 4, 17))
    parts = [round(whole * weight / sum(weights), digits) for weight in weights]
    exposition = chance.choice((1.0, 0.0, round(chance.random(), 2), chance.random()))
    respool_time = chance.choice((None, 0, chance.randint(1, 2_000_000_000)))
    return Experiment(number, exposition, tuple(zip(keys, parts, strict=True)), respool_time)


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {25: identity}
