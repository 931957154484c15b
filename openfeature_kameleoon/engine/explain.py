"""The same decision told step by step, as data and as text; also the way for visitors whom more than rules concern.

It walks the very parts that evaluation.py compiled: leaves, bounds, suffixes and answers. Nothing is remembered and
nothing is reported unless the caller passes ``remember``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..datafile.model import IN_HOLDOUT, VariationByExposition
from ..visitors.traits import Assignment, Exposure, ForcedVariation
from ..visitors.visitor import Visitor
from .bucketing import hash_string, place, slot
from .decision import NO_CONSENT, Remember
from .evaluation import DELIVERY, CompiledFlag, CompiledRule, Evaluation, hashing_code
from .story import Step, Teller, as_tree, on_one_line
from .targeting import Leaf, Node, Tree

__all__ = ["Explanation", "Step", "explain", "walk"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a visitor gets a variation of a flag."""

    flag_key: str
    visitor_code: str
    evaluation: Evaluation
    steps: list[Step]

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain data, for JSON."""
        return {
            "flag": self.flag_key,
            "visitor": self.visitor_code,
            "variation": self.evaluation.variation_key,
            "reason": self.evaluation.reason,
            "cause": self.evaluation.cause,
            "metadata": dict(self.evaluation.metadata),
            "steps": [step.as_dict() for step in self.steps],
        }

    def as_text(self) -> str:
        """The explanation as an indented tree."""
        evaluation = self.evaluation
        flag, visitor, variation = map(on_one_line, (self.flag_key, self.visitor_code, evaluation.variation_key))
        return as_tree(f"{flag} for {visitor}: {variation} ({evaluation.reason})", self.steps)


def explain(flag: CompiledFlag, visitor: Visitor) -> Explanation:
    """Decide as an evaluation would, on a copy of the visitor, and tell each step."""
    teller = Teller()
    evaluation = walk(flag, visitor.copy(), _remember_on_copy, teller)
    return Explanation(flag.key, visitor.code, evaluation, teller.steps)


def _remember_on_copy(visitor: Visitor, exposure: Exposure) -> None:
    visitor.known = True  # as it would be by now
    visitor.set_assignment(Assignment(exposure, math.inf, visitor.last_seen, is_reported=False))  # after any threshold


def walk(
    flag: CompiledFlag, visitor: Visitor, remember: Remember | None = None, teller: Teller | None = None
) -> Evaluation:
    """Decide for one visitor in the order of specs/kameleoon-sdk.md 4.1, whatever overrides the rules."""
    story = teller or Teller()
    simulated = visitor.traits.simulated.get(flag.key)
    if simulated is not None:
        evaluation = _simulated(flag, simulated)
        if evaluation is not None:
            story.tell("simulation", f"{evaluation.variation_key} is simulated for this visitor")
            return evaluation
    if not flag.is_enabled:
        story.tell("environment", "the flag is off here")
        return flag.disabled
    code = hashing_code(visitor, flag.bucketing_index)
    if code != visitor.code:
        story.tell("hashing code", "another code stands for this visitor", code=code)
    return (
        _by_holdout(flag, visitor, code, remember, story)
        or _by_group(flag, code, story)
        or _by_rules(flag, visitor, code, story)
    )


def _simulated(flag: CompiledFlag, simulated: ForcedVariation) -> Evaluation | None:
    if simulated.variation_id is None:
        return flag.answers.forced(None, None, "SIMULATED")
    for rule in flag.rules:
        for entry in rule.entries if rule.experiment_id == simulated.experiment_id else ():
            if entry.variation_id == simulated.variation_id:
                return flag.answers.forced(entry, rule, "SIMULATED")
    return None


def _by_holdout(
    flag: CompiledFlag, visitor: Visitor, code: str, remember: Remember | None, story: Teller
) -> Evaluation | None:
    holdout = flag.holdout
    if holdout is None:
        return None
    if holdout.blocks_refusal and visitor.traits.consent is NO_CONSENT:
        story.tell("holdout", "blocked: the visitor refused consent")
        return flag.disabled
    digest = hash_string(code, holdout.suffix)
    for bound, entry, exposure in zip(holdout.bounds, holdout.entries, holdout.exposures, strict=True):
        if digest <= bound:
            if remember is not None and exposure is not None:
                remember(visitor, exposure)
            is_out = entry.variation_key == IN_HOLDOUT
            story.tell("holdout", "held out" if is_out else "not held out", place=place(code + holdout.suffix))
            return flag.held_out if is_out else None
    story.tell("holdout", "not held out", place=place(code + holdout.suffix))
    return None


def _by_group(flag: CompiledFlag, code: str, story: Teller) -> Evaluation | None:
    group = flag.group
    if group is None:
        return None
    chosen = group.members[slot(code + group.name, len(group.members))]
    is_chosen = chosen == flag.key
    story.tell(
        "mutually exclusive group",
        "this flag is the one evaluated" if is_chosen else f"{chosen} is the one evaluated",
        group=group.name,
        place=place(code + group.name),
    )
    return None if is_chosen else flag.not_in_group


def _by_rules(flag: CompiledFlag, visitor: Visitor, code: str, story: Teller) -> Evaluation:
    for rule in flag.rules:
        with story.inside("rule", id=rule.id, type=rule.type, experiment=rule.experiment_id) as step:
            evaluation = _by_rule(flag, rule, visitor, code, story)
            if evaluation is not None:
                step.outcome = f"answers {evaluation.variation_key}"
                return evaluation
            step.outcome = "does not apply"
    story.tell("no rule applied", f"the default variation {flag.no_rule.variation_key}")
    return flag.no_rule


def _by_rule(flag: CompiledFlag, rule: CompiledRule, visitor: Visitor, code: str, story: Teller) -> Evaluation | None:
    forced = visitor.traits.forced.get(rule.experiment_id)
    if forced is not None and forced.ignores_targeting:
        return _forced(flag, rule, forced, story)
    if not _is_targeted(rule, visitor, story):
        return None
    if forced is not None:
        return _forced(flag, rule, forced, story)
    is_exposed = hash_string(code, rule.exposition_suffix) <= rule.exposition_bound
    story.tell(
        "exposition",
        "exposed" if is_exposed else "not exposed",
        place=place(code + rule.exposition_suffix),
        at_most=rule.exposition,
    )
    if not is_exposed:
        return rule.unexposed if rule.type == DELIVERY else None
    if rule.refused is not None and visitor.traits.consent is NO_CONSENT:
        story.tell("consent", "blocked: the visitor refused consent")
        return rule.refused
    return _variation(rule, visitor, code, story)


def _forced(flag: CompiledFlag, rule: CompiledRule, forced: ForcedVariation, story: Teller) -> Evaluation:
    story.tell("forced variation", f"{forced.variation_key} is forced for this visitor")
    entry = VariationByExposition(variation_key=forced.variation_key or "", variation_id=forced.variation_id)
    return flag.answers.forced(entry, rule, "FORCED")


def _is_targeted(rule: CompiledRule, visitor: Visitor, story: Teller) -> bool:
    if rule.problem is not None:
        story.tell("segment", "matches nobody", id=rule.segment_id, problem=rule.problem)
        return False
    if rule.matches is None:
        story.tell("segment", "everybody matches", id=rule.segment_id)
        return True
    with story.inside("segment", id=rule.segment_id) as step:
        is_targeted = _holds(rule.tree, visitor, story)
        step.outcome = "matches" if is_targeted else "does not match"
    return is_targeted


def _holds(tree: Tree, visitor: Visitor, story: Teller) -> bool:
    if isinstance(tree, Leaf):
        seen = tree.sees(visitor)
        holds = tree.accepts(seen) is tree.include
        facts = {name: value for name, value in tree.raw.items() if name != "targetingType"}
        if seen is not visitor:
            facts["seen"] = "nothing" if seen is None else _shown(seen)
        if tree.problem is not None:
            facts["problem"] = tree.problem
        story.tell(f"condition {tree.raw.get('targetingType')}", "holds" if holds else "does not hold", **facts)
        return holds
    if isinstance(tree, Node):
        with story.inside({True: "or", False: "and", None: "only the right side"}[tree.is_or]) as step:
            left = _holds(tree.left, visitor, story)
            settled = tree.is_or is not None and left is tree.is_or
            holds = left if settled else _holds(tree.right, visitor, story)
            step.outcome = "holds" if holds else "does not hold"
        return holds
    story.tell("condition", "there is none: everybody matches")
    return True


def _shown(seen: Any) -> Any:
    """What a condition saw, as plain data."""
    if isinstance(seen, Enum):
        return seen.name
    if isinstance(seen, Enum):
        return seen.name
    if isinstance(seen, bool | int | float | str):
        return seen
    if isinstance(seen, Mapping):
        return {str(key): _shown(value) for key, value in seen.items()}
    return list(seen) if type(seen) is tuple else repr(seen)


def _variation(rule: CompiledRule, visitor: Visitor, code: str, story: Teller) -> Evaluation | None:
    chosen = _by_scores(rule, visitor, code)
    if chosen is not None:
        story.tell("scores", f"{rule.entries[chosen].variation_key} has the best score for this visitor")
        return rule.evaluations[chosen]
    if rule.type == DELIVERY:
        return rule.evaluations[0] if rule.evaluations else rule.unexposed
    digest = hash_string(code, rule.variation_suffix)
    facts = {"place": place(code + rule.variation_suffix)}
    for bound, evaluation in zip(rule.bounds, rule.evaluations, strict=True):
        if digest <= bound:
            story.tell("variation", evaluation.variation_key, **facts)
            return evaluation
    story.tell("variation", "none: the shares do not reach so far", **facts)
    return None


def _by_scores(rule: CompiledRule, visitor: Visitor, code: str) -> int | None:
    """Position of the entry that a contextual bandit prefers; ties are told apart by the visitor's place (4.7)."""
    scores = (visitor.traits.scores or {}).get(rule.experiment_id)
    if not scores:
        return None
    scored = [
        (scores[entry.variation_id], position)
        for position, entry in enumerate(rule.entries)
        if entry.variation_id in scores
    ]
    best = max((score for score, _ in scored), default=None)
    tied = [position for score, position in scored if score == best]
    if len(tied) < 2:
        return tied[0] if tied else None
    return tied[slot(code + rule.variation_suffix, len(tied))]
