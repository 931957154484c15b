"""Conditions about what happened to the visitor within a number of visits (specs/kameleoon-sdk.md 5.4, 5.5, 5.8)."""

from __future__ import annotations

from collections.abc import Callable

from ..datafile.model import Raw
from ..visitors.traits import RecordedConversion
from ..visitors.visitor import Visitor
from .matching import Test
from .scope import Scope, UnusableCondition

__all__ = [
    "conversions",
    "exclusive",
    "experiment",
    "feature_flag",
    "last_conversion",
    "legacy_exclusive",
    "legacy_experiment",
    "personalization",
]


def visit_threshold(raw: Raw, default_scope: str) -> Callable[[Visitor], float]:
    """From when on assignments and conversions count, in Unix seconds."""
    literal = raw.get("visitScope")
    scope = literal.upper() if isinstance(literal, str) else default_scope
    if scope not in ("CURRENT_VISIT", "VISITOR"):
        scope = default_scope
    count = raw.get("visitCount")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        count = 25

    def threshold(visitor: Visitor) -> float:
        history = visitor.traits.visits
        if history is None:
            return 0.0
        if scope == "CURRENT_VISIT" or count < 2 or not history.starts:
            return visitor.started
        return history.starts[min(count - 2, len(history.starts) - 1)]

    return threshold


def conversions(raw: Raw, scope: Scope) -> Test:
    """Visitors with a conversion of the condition's goal, or of any (CONVERSIONS)."""
    goal, since = raw.get("goalId"), visit_threshold(raw, "VISITOR")

    def accepts(visitor: Visitor) -> bool:
        earliest = since(visitor)
        return any(_counts(item, goal, earliest) for item in visitor.traits.conversions)

    return accepts


def _counts(item: RecordedConversion, goal: object, earliest: float) -> bool:
    return item.time >= earliest and (goal in (None, -1) or item.conversion.goal_id == goal)


def last_conversion(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x, which looks at the latest conversion only (5.8)."""
    goal = raw.get("goalId")
    return lambda visitor: bool(visitor.traits.conversions) and _counts(visitor.traits.conversions[-1], goal, 0.0)


def feature_flag(raw: Raw, scope: Scope) -> Test:
    """Visitors that were given a variation of another flag (TARGET_FEATURE_FLAG)."""
    flag_id, rule_id, wanted = raw.get("featureFlagId"), raw.get("ruleId"), raw.get("variationKey")
    rules = scope.rules_of_flag(flag_id) if isinstance(flag_id, int) else ()
    since = visit_threshold(raw, "CURRENT_VISIT")
    rules = tuple(rule for rule in rules if rule_id is None or rule.rule_id == rule_id)

    def accepts(visitor: Visitor) -> bool:
        earliest = since(visitor)
        for rule in rules:
            assignment = visitor.assignments.get(rule.experiment_id)
            if assignment is None or assignment.time < earliest:
                continue
            if wanted is None or rule.variation_keys.get(assignment.exposure.variation_id) == wanted:
                return True
        return False

    return accepts


def experiment(raw: Raw, scope: Scope) -> Test:
    """Visitors that were given a variation of an experiment, or a certain one (TARGET_EXPERIMENT)."""
    match, experiment_id, wanted = (
        raw.get("variationMatchType"),
        raw.get("experimentId"),
        raw.get("variationId"),
    )
    if match not in ("ANY", "EXACT") or not isinstance(experiment_id, int):
        raise UnusableCondition(f"experiment {experiment_id!r:.40} with variationMatchType {match!r:.40}")
    since = visit_threshold(raw, "CURRENT_VISIT")

    def accepts(visitor: Visitor) -> bool:
        assignment = visitor.assignments.get(experiment_id)
        if assignment is None or assignment.time < since(visitor):
            return False
        return match == "ANY" or assignment.exposure.variation_id == wanted

    return accepts


def legacy_experiment(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x, where ANY means any variation of any experiment (5.8)."""
    if raw.get("variationMatchType") == "ANY":
        return lambda visitor: bool(visitor.assignments)
    try:
        experiment_id = int(raw["experiment"])
    except (KeyError, TypeError, ValueError):
        raise UnusableCondition(f"experiment {raw.get('experiment')!r:.40} is no id") from None
    wanted = raw.get("variation")

    def accepts(visitor: Visitor) -> bool:
        assignment = visitor.assignments.get(experiment_id)
        stored = assignment.exposure.variation_id if assignment else 0
        return bool(visitor.assignments) and stored == wanted

    return accepts


def personalization(raw: Raw, scope: Scope) -> Test:
    """Visitors that saw a personalisation (TARGET_PERSONALIZATION)."""
    wanted, since = raw.get("personalizationId"), visit_threshold(raw, "CURRENT_VISIT")
    if not isinstance(wanted, int):
        raise UnusableCondition(f"personalizationId {wanted!r:.40} is no number")

    def accepts(visitor: Visitor) -> bool:
        time = visitor.traits.personalizations.get(wanted)
        return time is not None and time >= since(visitor)

    return accepts


def exclusive(raw: Raw, scope: Scope) -> Test:
    """Visitors that are in no campaign but the one being tested (EXCLUSIVE_EXPERIMENT)."""
    kind, campaign = raw.get("campaignType"), scope.campaign_id
    if kind not in ("EXPERIMENT", "PERSONALIZATION", "ANY"):
        raise UnusableCondition(f"campaignType {kind!r:.40} is not known")
    since = visit_threshold(raw, "VISITOR")

    def accepts(visitor: Visitor) -> bool:
        if campaign is None:
            return False
        earliest = since(visitor)
        if kind != "PERSONALIZATION":
            for experiment_id, assignment in list(visitor.assignments.items()):  # another thread may add one
                if experiment_id != campaign and assignment.time >= earliest:
                    return False
        return kind == "EXPERIMENT" or all(time < earliest for time in list(visitor.traits.personalizations.values()))

    return accepts


def legacy_exclusive(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x: no assignment at all, or the campaign's only (5.8)."""
    campaign = scope.campaign_id
    return lambda visitor: not visitor.assignments or list(visitor.assignments) == [campaign]
