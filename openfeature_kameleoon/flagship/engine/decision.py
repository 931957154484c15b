"""Compiled campaigns as functions that decide for a visitor: one flag, or all of them (specs/flagship.md 3.3, 3.4).

The first variation group that matches settles a campaign, also when it leaves the visitor out. Of two campaigns that
give a flag, the later one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from .allocation import BUCKETS, bucket
from .evaluation import TEST, CompiledCampaign, CompiledGroup, Evaluation, Variation
from .targeting import Visitor, nobody

__all__ = ["Choose", "Decide", "Decision", "OneTest", "compile_choice", "compile_decision", "decide_all"]

Choose = Callable[[Visitor], "Variation | None"]
"""What a visitor gets of one campaign."""

Decide = Callable[[Visitor], Evaluation]
"""What a visitor gets of one flag."""


@dataclass(slots=True)
class Decision:
    """What a visitor gets of all campaigns.

    ``flags`` are the answers by key; ``variations`` those chosen, in the order of the file. ``new_assignments`` are the
    ids of those that the visitor did not have yet, by variation group id: to be remembered (3.4).
    """

    flags: dict[str, Evaluation] = field(default_factory=dict)
    variations: list[Variation] = field(default_factory=list)
    new_assignments: dict[str, str] = field(default_factory=dict)


class OneTest:
    """One-visitor-one-test for one visitor: whether a test is closed to it (2.7)."""

    __slots__ = ("_activated", "_entered")

    def __init__(self, visitor: Visitor, test_groups: Collection[str]) -> None:
        self._activated = {group for group in visitor.activated if group in test_groups}
        self._entered: str | None = None

    def bars(self, variation: Variation) -> str | None:
        """Why the visitor does not get a variation; ``None`` when it does, and then it has entered that test."""
        if variation.campaign_type != TEST:
            return None
        if self._entered is not None:
            return f"the visitor is in the test {self._entered}"
        if self._activated - {variation.group_id}:
            return "the visitor was seen in another test"
        self._entered = variation.campaign_id
        return None


def compile_choice(campaign: CompiledCampaign) -> Choose:
    """One function that decides a campaign."""
    groups = [
        (group.targeting.matches, _allocation(group))
        for group in campaign.groups
        if group.targeting.matches is not nobody
    ]
    choose = _by_groups(groups)
    if campaign.ranges is None:
        return choose
    open_buckets = frozenset(place for place in range(BUCKETS) if campaign.lets_in(place))
    return lambda visitor: choose(visitor) if bucket(visitor.id) in open_buckets else None


def _by_groups(groups: Sequence[tuple[Callable[[Visitor], bool | None] | None, Choose]]) -> Choose:
    if len(groups) == 1:
        matches, allocate = groups[0]
        if matches is None:
            return allocate
        return lambda visitor: allocate(visitor) if matches(visitor) else None

    def choose(visitor: Visitor) -> Variation | None:
        for matches, allocate in groups:
            if matches is None or matches(visitor):
                return allocate(visitor)
        return None

    return choose


def _allocation(group: CompiledGroup) -> Choose:
    """What targeted visitors get: the variation that they have, else that of their bucket."""
    group_id, by_id, table = group.id, group.by_id, group.table
    first = table[0]

    def allocate_alike(visitor: Visitor) -> Variation | None:
        stored = visitor.assignments.get(group_id)
        return by_id.get(stored) if stored else first

    def allocate(visitor: Visitor) -> Variation | None:
        stored = visitor.assignments.get(group_id)
        if stored:
            return by_id.get(stored)
        return table[bucket(group_id + (visitor.hashing_id or visitor.id))]

    return allocate_alike if table.count(first) == len(table) else allocate


def compile_decision(key: str, choices: Sequence[Choose]) -> Decide:
    """One function that decides a flag; ``choices`` are those of the campaigns that define it, in file order."""
    otherwise = Evaluation(key, None, "DEFAULT")
    if len(choices) == 1:
        only = choices[0]

        def decide(visitor: Visitor) -> Evaluation:
            variation = only(visitor)
            return otherwise if variation is None else variation.evaluations.get(key, otherwise)

        return decide

    latest_first = tuple(reversed(choices))

    def decide_latest(visitor: Visitor) -> Evaluation:
        for choose in latest_first:
            variation = choose(visitor)
            if variation is not None and key in variation.evaluations:
                return variation.evaluations[key]
        return otherwise

    return decide_latest


def decide_all(choices: Sequence[Choose], visitor: Visitor, one_test: OneTest | None = None) -> Decision:
    """Decide every campaign, in file order."""
    decision = Decision()
    assignments = visitor.assignments
    for choose in choices:
        variation = choose(visitor)
        if variation is None or (one_test is not None and one_test.bars(variation) is not None):
            continue
        decision.variations.append(variation)
        decision.flags.update(variation.evaluations)
        if not assignments.get(variation.group_id):
            decision.new_assignments[variation.group_id] = variation.id
    return decision
