"""Many invented visitors beside what a flag's rules come to on paper: how a split turns out.

Nothing of them is remembered. It computes for as long as that takes, on a thread that nobody waits for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..client import KameleoonClient
from ..context import new_data
from ..datafile.model import IN_HOLDOUT, VariationByExposition
from ..engine.evaluation import DELIVERY, CompiledFlag, CompiledRule
from ..errors import FeatureEnvironmentDisabled
from ..visitors.visitor import Visitor

__all__ = ["MOST_VISITORS", "expected_split", "sample"]

MOST_VISITORS = 100_000


def sample(client: KameleoonClient, flag_key: str, attributes: Mapping[str, Any], count: int) -> dict[str, Any]:
    """How many of ``count`` visitors with these attributes get which variation; the same ones each time.

    Of a flag that is switched off, none. Raises ``FeatureNotFound``, ``FeatureMalformed`` and ``VisitorDataInvalid``.
    """
    ruleset = client.ruleset
    stranger = Visitor("sample", known=False)
    data = new_data(attributes, stranger, ruleset.index)
    codes = (f"sample-{number}" for number in range(count))
    try:
        counts = Counter(client.assign(flag_key, ((code, data) for code in codes) if data else codes))
    except FeatureEnvironmentDisabled:
        return {"count": 0, "variations": []}
    flag = ruleset.flag(flag_key)
    expected = expected_split(flag, client.evaluator.with_data(stranger, data, ruleset.index))
    keys = dict.fromkeys([*flag.answers.variations, *expected, *counts])
    return {
        "count": count,
        "variations": [
            {"variation": key, "count": counts[key], "share": counts[key] / count, "expected": expected.get(key, 0.0)}
            for key in keys
        ],
    }


def expected_split(flag: CompiledFlag, visitor: Visitor) -> dict[str, float]:
    """The share that each variation is to have among visitors whom segments see as they see this one."""
    shares: dict[str, float] = defaultdict(float)
    left = 1.0
    if flag.holdout is not None:
        widths = _widths(flag.holdout.entries)
        held = sum(width for key, width in widths if key == IN_HOLDOUT)
        left = _give(shares, flag.held_out.variation_key, held, left)
    if flag.group is not None:
        left = _give(shares, flag.not_in_group.variation_key, 1 - 1 / len(flag.group.members), left)
    for rule in flag.rules:
        left = _after(rule, visitor, left, shares)
    _give(shares, flag.no_rule.variation_key, 1.0, left)
    return shares


def _after(rule: CompiledRule, visitor: Visitor, left: float, shares: dict[str, float]) -> float:
    """What a rule leaves to those below it; hashes of two rules have nothing to do with each other."""
    if rule.problem is not None or (rule.matches is not None and not rule.matches(visitor)):
        return left
    exposed = left * min(max(rule.exposition, 0.0), 1.0)
    if rule.type == DELIVERY:  # answers everybody whom it is for, exposed or not
        unexposed = rule.unexposed.variation_key if rule.unexposed is not None else ""
        _give(shares, rule.entries[0].variation_key if rule.entries else unexposed, 1.0, exposed)
        return _give(shares, unexposed, 1.0, left - exposed)
    for key, width in _widths(rule.entries):
        shares[key] += width * exposed
        left -= width * exposed
    return left


def _give(shares: dict[str, float], key: str, part: float, left: float) -> float:
    """Give a variation its part of what is left; what is left then."""
    shares[key] += part * left
    return left - part * left


def _widths(entries: Sequence[VariationByExposition]) -> Iterator[tuple[str, float]]:
    """How much of [0, 1) each entry covers: bounds are running sums, and one below what was reached adds nothing."""
    total = reached = 0.0
    for entry in entries:
        total += entry.exposition
        bound = min(max(total, reached), 1.0)
        yield entry.variation_key, bound - reached
        reached = bound
