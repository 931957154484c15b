"""The same decision told step by step, as data and as text.

It walks the very parts that compilation.py made: leaves, tables and answers. Campaigns are told as they are asked for a
flag: the last one first, down to the one that gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...engine.story import Step, Teller, as_tree, on_one_line
from .allocation import bucket
from .decision import OneTest
from .evaluation import CompiledCampaign, CompiledGroup, Evaluation, Variation
from .operators import always
from .ruleset import Ruleset
from .targeting import Leaf, Targeting, Visitor

__all__ = ["Explanation", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a visitor gets a value of a flag."""

    flag_key: str
    visitor_id: str
    evaluation: Evaluation
    steps: list[Step]

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain data, for JSON."""
        evaluation = self.evaluation
        return {
            "flag": self.flag_key,
            "visitor": self.visitor_id,
            "value": evaluation.fresh_value(),
            "variation": evaluation.variation.id if evaluation.variation else None,
            "reason": evaluation.reason,
            "metadata": dict(evaluation.metadata),
            "steps": [step.as_dict() for step in self.steps],
        }

    def as_text(self) -> str:
        """The explanation as an indented tree."""
        evaluation = self.evaluation
        flag, visitor = on_one_line(self.flag_key), on_one_line(self.visitor_id)
        given = "the default" if evaluation.value is None else repr(evaluation.value)
        return as_tree(f"{flag} for {visitor}: {given} ({evaluation.reason})", self.steps)


def explain(ruleset: Ruleset, key: str, visitor: Visitor) -> Explanation:
    """Decide as ``ruleset.decide(key)`` would, and tell each step. Raises ``FeatureNotFound`` as that does."""
    story = Teller()
    evaluation = ruleset.decide(key)(visitor) if ruleset.panic else None
    if evaluation is not None:
        story.tell("panic", "none: every flag is off")
    elif key not in ruleset.flags:
        ruleset.decide(key)  # raises
    elif ruleset.applies_one_test:
        evaluation = _among_all(ruleset, key, visitor, story)
    else:
        evaluation = _latest(ruleset.flags[key], key, visitor, story)
    return Explanation(key, visitor.id, evaluation or Evaluation(key, None, "DEFAULT"), story.steps)


def _latest(campaigns: Sequence[CompiledCampaign], key: str, visitor: Visitor, story: Teller) -> Evaluation | None:
    for campaign in reversed(campaigns):
        variation = _campaign(campaign, key, visitor, story, None)
        if variation is not None and key in variation.evaluations:
            return variation.evaluations[key]
    return None


def _among_all(ruleset: Ruleset, key: str, visitor: Visitor, story: Teller) -> Evaluation | None:
    """In the order of the file: the test that a visitor enters closes those behind it."""
    one_test = ruleset.one_test(visitor)
    given = None
    for campaign in ruleset.campaigns:
        variation = _campaign(campaign, key, visitor, story, one_test)
        if variation is not None:
            given = variation.evaluations.get(key, given)
    return given


def _campaign(
    campaign: CompiledCampaign, key: str, visitor: Visitor, story: Teller, one_test: OneTest | None
) -> Variation | None:
    with story.inside(f"campaign {campaign.id}", name=campaign.name or None, type=campaign.type or None) as step:
        variation = _variation(campaign, visitor, story)
        barred = one_test.bars(variation) if one_test and variation else None
        if barred is not None:
            story.tell("one visitor, one test", f"not entered: {barred}")
            variation = None
        if variation is None:
            step.outcome = "none of its variations"
        elif key in variation.evaluations:
            step.outcome = f"gives {variation.modifications[key]!r:.200}"
        else:
            step.outcome = f"does not set the flag in variation {variation.id}"
    return variation


def _variation(campaign: CompiledCampaign, visitor: Visitor, story: Teller) -> Variation | None:
    if campaign.ranges is not None:
        place = bucket(visitor.id)
        is_open = campaign.lets_in(place)
        told = "holds the visitor" if is_open else "does not hold the visitor"
        story.tell("bucket ranges", told, bucket=place, ranges=[list(entry) for entry in campaign.ranges])
        if not is_open:
            return None
    for group in campaign.groups:
        with story.inside(f"variation group {group.id}", name=group.name or None) as step:
            is_targeted = _is_targeted(group.targeting, visitor, story)
            step.outcome = "matches" if is_targeted else "does not match"
            if is_targeted:
                return _allocated(group, visitor, story)
    return None


def _is_targeted(targeting: Targeting, visitor: Visitor, story: Teller) -> bool:
    """Every rule is told, also those that can no longer change anything."""
    if targeting.problem is not None:
        story.tell("targeting", "does not match", problem=targeting.problem)
        return False
    is_matched, is_undone = False, False
    for position, group in enumerate(targeting.groups):
        with story.inside(f"targeting group {position + 1}") as step:
            accepted = [_accepted(leaf, visitor, story) for leaf in group]
            step.outcome = "holds" if all(accepted) else "does not hold"
        is_matched = is_matched or all(accepted)
        is_undone = is_undone or None in accepted
    if not targeting.groups:
        story.tell("targeting group", "none: nobody matches")
    if is_undone and targeting.is_strict:
        story.tell("kinds", "does not match: a rule compares a value of another kind")
        return False
    return is_matched


def _accepted(leaf: Leaf, visitor: Visitor, story: Teller) -> bool | None:
    seen = leaf.sees(visitor)
    accepted = leaf.accepts(seen)
    facts = {name: value for name, value in leaf.raw.items() if name != "operator"}
    if leaf.accepts is not always:
        facts["seen"] = (
            "nothing" if seen is None else seen if isinstance(seen, bool | int | float | str) else repr(seen)
        )
    if leaf.problem is not None:
        facts["problem"] = leaf.problem
    told = "does not hold: kinds differ" if accepted is None else "holds" if accepted else "does not hold"
    story.tell(f"rule {leaf.raw.get('operator')}", told, **facts)
    return accepted


def _allocated(group: CompiledGroup, visitor: Visitor, story: Teller) -> Variation | None:
    stored = visitor.assignments.get(group.id)
    if stored:
        variation = group.by_id.get(stored)
        outcome = f"{stored} is the visitor's already" if variation else f"none: {stored} is not there any more"
        story.tell("assignment", outcome)
        return variation
    hashed = group.id + (visitor.hashing_id or visitor.id)
    place = bucket(hashed)
    variation = group.table[place]
    ends = {variation.id: upper for variation, upper in zip(group.variations, group.uppers, strict=True)}
    outcome = variation.id if variation else "none: the allocations do not reach so far"
    story.tell("bucket", outcome, hashed=hashed, bucket=place, below=ends)
    return variation
