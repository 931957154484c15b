"""Many invented visitors beside what a flag's allocations come to on paper: how a split turns out.

Nothing of them is remembered. It computes for as long as that takes, on a thread that nobody waits for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from ...flagship.engine.allocation import BUCKETS
from ...flagship.engine.evaluation import CompiledGroup
from ...flagship.engine.ruleset import Ruleset
from ...flagship.engine.targeting import Visitor

__all__ = ["expected_split", "sample"]

NOTHING = ""
"""Stands for no variation: the caller's default."""


def sample(ruleset: Ruleset, key: str, context: Mapping[str, Any], count: int) -> dict[str, Any]:
    """How many of ``count`` visitors with this context get which variation; the same ones each time.

    In panic, nobody is sampled. Raises ``FeatureNotFound``.
    """
    if ruleset.panic:
        return {"count": 0, "variations": []}
    decide = ruleset.decide(key)
    given = (decide(Visitor(f"sample-{number}", context)).variation for number in range(count))
    counts = Counter(variation.id if variation is not None else NOTHING for variation in given)
    expected = expected_split(ruleset, key, context)
    ids = dict.fromkeys([*(expected or ()), *counts])
    return {
        "count": count,
        "variations": [
            {
                "variation": id,
                "count": counts[id],
                "share": counts[id] / count,
                "expected": None if expected is None else expected.get(id, 0.0),
            }
            for id in ids
        ],
    }


def expected_split(ruleset: Ruleset, key: str, context: Mapping[str, Any]) -> dict[str, float] | None:
    """The share that each variation is to have among visitors with this context.

    ``None`` where a visitor enters one test only: what is left to one depends on those before it.
    """
    if ruleset.applies_one_test:
        return None
    stranger = Visitor("sample", context)
    shares: dict[str, float] = defaultdict(float)
    left = 1.0
    for campaign in reversed(ruleset.flags[key]):
        group = next((each for each in campaign.groups if _is_for(each, stranger)), None)
        if group is None:
            continue
        open_part = sum(campaign.lets_in(place) for place in range(BUCKETS)) / BUCKETS
        parts = {
            variation.id: left * open_part * group.table.count(variation) / BUCKETS
            for variation in group.variations
            if key in variation.modifications and variation in group.table
        }
        for id, part in parts.items():
            shares[id] += part
        left -= sum(parts.values())
    shares[NOTHING] += left
    return {id: share for id, share in shares.items() if share > 0 or id != NOTHING}


def _is_for(group: CompiledGroup, visitor: Visitor) -> bool:
    matches = group.targeting.matches
    return matches is None or bool(matches(visitor))
