"""From a flag's definition to its compiled form: thresholds become bounds, answers are made, segments looked up."""

from __future__ import annotations

from collections.abc import Mapping

from ..datafile.index import DataFileIndex
from ..datafile.model import FeatureFlag, Rule
from ..errors import FeatureMalformed
from ..visitors.traits import Exposure
from .bucketing import ALL, bound, respool_suffix, running_bounds
from .evaluation import (
    DELIVERY,
    EXPERIMENT,
    Answers,
    CompiledFlag,
    CompiledRule,
    Evaluation,
    Group,
    Holdout,
)
from .segments import ALL_VISITORS, MOST_CONDITIONS, Segments, Targeting, nobody
from .targeting import EVERYBODY, leaves
from .variables import compile_variation

__all__ = ["compile_flag"]

MOST_RULES = 10_000
"""Rules that nobody wrote by hand are refused: to compile them would make somebody wait."""


def compile_flag(
    key: str, flag: FeatureFlag, index: DataFileIndex, segments: Segments, labels: Mapping[str, str | int]
) -> CompiledFlag:
    """Compile one flag; what makes no sense inside it costs only the rule or variable it stands in."""
    if len(flag.rules or ()) > MOST_RULES:
        raise FeatureMalformed(f"feature flag {key!r:.100} has more than {MOST_RULES} rules")
    variations = {variation.key: compile_variation(variation) for variation in flag.variations or ()}
    answers = Answers(variations, flag.default_variation_key or "", labels)
    disabled = answers.default("DISABLED", "ENVIRONMENT")
    members = index.groups.get(flag.mutually_exclusive_group or "")
    group = Group(flag.mutually_exclusive_group or "", members) if members else None
    holdout = _holdout(index)
    is_alone = group is None and holdout is None
    rules: list[CompiledRule] = []
    problems = [
        variable.problem
        for variation in variations.values()
        for variable in variation.variables.values()
        if variable.problem
    ]
    weight = 0
    for definition in flag.rules or ():
        if definition.id is None:
            problems.append("a rule without an id is left out")
            continue
        weight += segments.weight(definition.segment_id) if definition.segment_id else 0
        if weight > MOST_CONDITIONS:
            raise FeatureMalformed(f"feature flag {key!r:.100} tests more than {MOST_CONDITIONS} conditions")
        rule = _rule(flag, definition, index, segments)
        if rule.problem is not None:
            problems.append(f"rule {rule.id} matches nobody: {rule.problem}")
        problems += (f"rule {rule.id}: {leaf.problem}" for leaf in leaves(rule.tree) if leaf.problem)
        _give_answers(rule, answers, disabled, index, is_first=is_alone and not rules)
        rules.append(rule)
    return CompiledFlag(
        key=key,
        is_enabled=index.is_legacy or bool(flag.environment_enabled),
        bucketing_index=index.index_of_custom_data_id.get(flag.bucketing_custom_data_id or 0),
        group=group,
        holdout=holdout,
        rules=rules,
        answers=answers,
        disabled=disabled,
        held_out=answers.default("SPLIT", "HOLDOUT"),
        not_in_group=answers.default("SPLIT", "MUTUALLY_EXCLUSIVE_GROUP"),
        no_rule=answers.default("DEFAULT" if rules or not is_alone else "STATIC", "NO_RULE"),
        problems=problems,
    )


def _rule(flag: FeatureFlag, definition: Rule, index: DataFileIndex, segments: Segments) -> CompiledRule:
    """One rule, still without its answers; a segment that makes no sense matches nobody."""
    experiment_id = definition.experiment_id or 0
    problem, targeting = None, ALL_VISITORS
    try:
        if definition.segment is not None:
            targeting = segments.compile(definition.segment, flag.id)  # 2.x: the campaign is the flag (4.10)
        elif definition.segment_id:
            targeting = segments.targeting(definition.segment_id, experiment_id) or ALL_VISITORS
    except FeatureMalformed as error:
        problem, targeting = error.message, Targeting(EVERYBODY, nobody)
    entries = tuple(definition.variation_by_exposition or ())
    return CompiledRule(
        id=definition.id or 0,
        type=definition.type,
        experiment_id=experiment_id,
        segment_id=definition.segment_id,
        tree=targeting.tree,
        matches=targeting.matches,
        exposition=definition.exposition,
        exposition_bound=bound(definition.exposition),
        exposition_suffix=respool_suffix(definition.id or 0, definition.respool_time),
        variation_suffix=respool_suffix(experiment_id, definition.respool_time),
        entries=entries,
        bounds=running_bounds(entry.exposition for entry in entries),
        problem=problem,
    )


def _give_answers(
    rule: CompiledRule, answers: Answers, disabled: Evaluation, index: DataFileIndex, *, is_first: bool
) -> None:
    """Make what the rule can answer, each with the reason that OpenFeature has for it.

    STATIC: everybody gets it. TARGETING_MATCH: a delivery to all who are targeted. SPLIT: a hash decided.
    """
    if index.settings.consent_type == "REQUIRED" and rule.type == EXPERIMENT:
        blocks_all = index.settings.consent_opt_out_behavior == "FULLY_BLOCK"
        rule.refused = disabled if blocks_all else answers.default("DEFAULT", "CONSENT", rule)
    is_full = rule.exposition_bound is ALL
    is_delivery = rule.type == DELIVERY
    reason = "TARGETING_MATCH" if is_delivery and is_full else "SPLIT"
    is_open = is_first and is_full and rule.matches is None and rule.refused is None
    if is_open and (is_delivery or (rule.bounds and rule.bounds[0] is ALL)):
        reason = "STATIC"
    rule.evaluations = [answers.entry(entry, reason, rule) for entry in rule.entries]
    rule.unexposed = answers.default("DEFAULT", "UNEXPOSED", rule)


def _holdout(index: DataFileIndex) -> Holdout | None:
    holdout = index.holdout
    if holdout is None:
        return None
    experiment_id = holdout.experiment_id or 0
    entries = tuple(holdout.variation_by_exposition or ())
    blocks_all = index.settings.consent_opt_out_behavior == "FULLY_BLOCK"
    return Holdout(
        suffix=str(experiment_id),
        bounds=running_bounds(entry.exposition for entry in entries),
        entries=entries,
        exposures=[
            None if entry.variation_id is None else Exposure(experiment_id, entry.variation_id, EXPERIMENT)
            for entry in entries
        ],
        blocks_refusal=index.settings.consent_type == "REQUIRED" and blocks_all,
    )
