"""A feature flag compiled: every answer it can give, its rules, and one function that decides (specs/kameleoon-sdk.md 4).

Whatever can be settled once is: each answer exists before anyone asks, and a rule compares bytes. What overrides the
rules (simulation, forced variations, scores) is rare and takes the told way of explain.py, which decides alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from ..datafile.model import IN_HOLDOUT, VariationByExposition
from ..visitors.visitor import Exposure, LegalConsent, Visitor, first_value
from .bucketing import ALL
from .targeting import Predicate, Tree
from .variables import Variation

__all__ = [
    "DELIVERY",
    "EXPERIMENT",
    "NO_CONSENT",
    "Answers",
    "CompiledFlag",
    "CompiledRule",
    "Decide",
    "Evaluation",
    "Group",
    "Holdout",
    "Remember",
    "compile_decision",
    "hashing_code",
]

DELIVERY, EXPERIMENT = "TARGETED_DELIVERY", "EXPERIMENTATION"
NO_CONSENT = LegalConsent.NOT_GIVEN

FlagMetadata = dict[str, bool | int | float | str]


class Evaluation:
    """One answer that a flag can give: made when the flag is compiled, shared by all visitors who get it.

    ``reason`` is OpenFeature's. ``cause`` is what decided: a rule type, NO_RULE, UNEXPOSED, HOLDOUT,
    MUTUALLY_EXCLUSIVE_GROUP, CONSENT, ENVIRONMENT, FORCED or SIMULATED. ``entry`` is the rule's entry that was chosen,
    if one was; ``exposure`` is what is to be remembered and reported of it, if anything is.
    """

    __slots__ = ("cause", "entry", "experiment_id", "exposure", "metadata", "reason", "variation", "variation_key")

    def __init__(
        self,
        variation: Variation,
        reason: str,
        cause: str,
        metadata: FlagMetadata,
        entry: VariationByExposition | None = None,
        experiment_id: int | None = None,
        exposure: Exposure | None = None,
    ) -> None:
        self.variation = variation
        self.variation_key = variation.key
        self.reason = reason
        self.cause = cause
        self.metadata = metadata
        self.entry = entry
        self.experiment_id = experiment_id
        self.exposure = exposure

    def __repr__(self) -> str:
        return f"Evaluation({self.variation_key!r}, {self.reason}, {self.cause})"


Remember = Callable[[Visitor, Exposure], None]
Decide = Callable[[Visitor, Remember | None], Evaluation]
"""A compiled decision: the visitor, and what to call for a holdout's exposure, which later conditions may look at."""


@dataclass(slots=True)
class Answers:
    """Makes a flag's evaluations, and keeps those made at compile time so that a refresh can stamp them anew."""

    variations: Mapping[str, Variation]
    default_key: str
    labels: FlagMetadata
    made: list[Evaluation] = field(default_factory=list)

    def default(self, reason: str, cause: str, rule: CompiledRule | None = None) -> Evaluation:
        """The default variation."""
        evaluation = self._make(None, reason, cause, rule, None)
        self.made.append(evaluation)
        return evaluation

    def entry(self, entry: VariationByExposition, reason: str, rule: CompiledRule) -> Evaluation:
        """A rule's entry."""
        evaluation = self._make(entry, reason, rule.type or "UNKNOWN", rule, rule.exposure_of(entry))
        self.made.append(evaluation)
        return evaluation

    def forced(self, entry: VariationByExposition | None, rule: CompiledRule | None, cause: str) -> Evaluation:
        """A variation set by hand: FORCED is remembered and reported as if a rule had chosen it, SIMULATED is not."""
        exposure = rule.exposure_of(entry) if rule and entry and cause == "FORCED" else None
        evaluation = self._make(entry, "TARGETING_MATCH", cause, rule, exposure)
        evaluation.metadata["forced"] = True
        return evaluation

    def stamp(self, version: int) -> None:
        """Have all answers tell the date of the data file that they were last confirmed by."""
        self.labels = {**self.labels, "version": version}
        for evaluation in self.made:
            evaluation.metadata = {**evaluation.metadata, "version": version}

    def _make(
        self,
        entry: VariationByExposition | None,
        reason: str,
        cause: str,
        rule: CompiledRule | None,
        exposure: Exposure | None,
    ) -> Evaluation:
        key = entry.variation_key if entry else self.default_key
        variation = self.variations.get(key) or Variation(key, "", ())  # an undeclared key is still an answer (4.9)
        metadata = {**self.labels, "ruleType": cause}
        if rule is not None:
            metadata |= {"ruleId": rule.id, "experimentId": rule.experiment_id}
        if entry is not None and entry.variation_id is not None:
            metadata["variationId"] = entry.variation_id
        experiment_id = rule.experiment_id if rule and entry else None
        return Evaluation(variation, reason, cause, metadata, entry, experiment_id, exposure)


@dataclass(slots=True)
class CompiledRule:
    """A rule with its thresholds as bounds on digests. ``refused`` answers visitors who refused consent (4.4)."""

    id: int
    type: str | None
    experiment_id: int
    segment_id: int | None
    tree: Tree
    matches: Predicate | None
    exposition: float
    exposition_bound: bytes
    exposition_suffix: str
    variation_suffix: str
    entries: Sequence[VariationByExposition]
    bounds: Sequence[bytes]
    evaluations: Sequence[Evaluation] = ()
    unexposed: Evaluation | None = None
    refused: Evaluation | None = None
    problem: str | None = None

    def exposure_of(self, entry: VariationByExposition) -> Exposure | None:
        """What is reported of a visitor who gets this entry; nothing for one without a variation id (2.6)."""
        if entry.variation_id is None:
            return None
        return Exposure(self.experiment_id, entry.variation_id, self.type)


class Holdout(NamedTuple):
    """The visitors kept out of every flag. ``blocks_refusal``: who refused consent gets no flag at all (4.2)."""

    suffix: str
    bounds: Sequence[bytes]
    entries: Sequence[VariationByExposition]
    exposures: Sequence[Exposure | None]
    blocks_refusal: bool


class Group(NamedTuple):
    """A mutually exclusive group: flag keys in the order of their ids."""

    name: str
    members: tuple[str, ...]


@dataclass(slots=True)
class CompiledFlag:
    """A flag and all its answers; the fields are what deciding and explaining read."""

    key: str
    is_enabled: bool
    bucketing_index: int | None
    group: Group | None
    holdout: Holdout | None
    rules: Sequence[CompiledRule]
    answers: Answers
    disabled: Evaluation
    held_out: Evaluation
    not_in_group: Evaluation
    no_rule: Evaluation
    problems: list[str] = field(default_factory=list)


def hashing_code(visitor: Visitor, bucketing_index: int | None) -> str:
    """The text that stands for the visitor in every hash of one flag (3.3)."""
    if bucketing_index:  # 0 means none, too (reference quirk)
        values = visitor.custom_data.get(bucketing_index)
        if values is not None and (first := first_value(values)) is not None:
            return first
    return visitor.hashing_code or visitor.code


def compile_decision(flag: CompiledFlag, overridden: Decide) -> Decide:
    """One function that decides for a visitor; ``overridden`` decides for those whom more than the rules concern."""
    decide = _by_rules(flag, overridden)
    if flag.is_enabled and flag.group is not None:
        decide = _by_group(flag, flag.group, decide, overridden)
    if flag.is_enabled and flag.holdout is not None:
        decide = _by_holdout(flag, flag.holdout, decide, overridden)
    return decide


def _by_rules(flag: CompiledFlag, overridden: Decide) -> Decide:
    constant = _constant_answer(flag)
    if constant is not None:

        def constantly(visitor: Visitor, remember: Remember | None) -> Evaluation:
            return overridden(visitor, remember) if visitor.traits.overridden else constant

        return constantly

    rules = [(rule.matches, _choice(rule)) for rule in flag.rules]
    no_rule, bucketing_index = flag.no_rule, flag.bucketing_index

    if len(rules) == 1 and rules[0][0] is None and not bucketing_index:
        choose_only = rules[0][1]

        def decide_by_hash(visitor: Visitor, remember: Remember | None) -> Evaluation:
            if visitor.traits.overridden:
                return overridden(visitor, remember)
            return choose_only(visitor.hashing_code or visitor.code, visitor) or no_rule

        return decide_by_hash

    def decide(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        code = hashing_code(visitor, bucketing_index) if bucketing_index else visitor.hashing_code or visitor.code
        for matches, choose in rules:
            if matches is None or matches(visitor):
                evaluation = choose(code, visitor)
                if evaluation is not None:
                    return evaluation
        return no_rule

    return decide


def _constant_answer(flag: CompiledFlag) -> Evaluation | None:
    """The answer that everybody gets, if there is one."""
    if not flag.is_enabled:
        return flag.disabled
    if not flag.rules:
        return flag.no_rule
    rule = flag.rules[0]
    if rule.matches is not None or rule.exposition_bound is not ALL or rule.refused is not None:
        return None
    if rule.type == DELIVERY:
        return rule.evaluations[0] if rule.evaluations else rule.unexposed
    return rule.evaluations[0] if rule.bounds and rule.bounds[0] is ALL else None


Choice = Callable[[str, Visitor], "Evaluation | None"]


def _choice(rule: CompiledRule) -> Choice:
    """What a targeted visitor gets of a rule; ``None`` sends it on to the next rule (4.4)."""
    choose = _delivery(rule) if rule.type == DELIVERY else _experiment(rule)
    return choose if rule.refused is None else _if_consented(rule, rule.refused, choose)


def _delivery(rule: CompiledRule) -> Choice:
    unexposed = rule.unexposed
    exposed = rule.evaluations[0] if rule.evaluations else unexposed
    exposition, suffix = rule.exposition_bound, rule.exposition_suffix
    if exposition is ALL:
        return lambda code, visitor: exposed
    return lambda code, visitor: (
        exposed if sha256((code + suffix).encode()).digest() <= exposition else unexposed
    )


def _experiment(rule: CompiledRule) -> Choice:
    exposition, exposition_suffix = rule.exposition_bound, rule.exposition_suffix
    suffix = rule.variation_suffix
    shares = list(zip(rule.bounds, rule.evaluations, strict=True))

    def choose(code: str, visitor: Visitor) -> Evaluation | None:
        digest = sha256((code + suffix).encode()).digest()
        for bound, evaluation in shares:
            if digest <= bound:
                return evaluation
        return None

    def choose_if_exposed(code: str, visitor: Visitor) -> Evaluation | None:
        if sha256((code + exposition_suffix).encode()).digest() <= exposition:
            return choose(code, visitor)
        return None

    return choose if exposition is ALL else choose_if_exposed


def _if_consented(rule: CompiledRule, refused: Evaluation, choose: Choice) -> Choice:
    exposition, suffix = rule.exposition_bound, rule.exposition_suffix

    def choose_if_consented(code: str, visitor: Visitor) -> Evaluation | None:
        if visitor.traits.consent is NO_CONSENT and sha256((code + suffix).encode()).digest() <= exposition:
            return refused
        return choose(code, visitor)

    return choose_if_consented


def _by_group(flag: CompiledFlag, group: Group, decide: Decide, overridden: Decide) -> Decide:
    """Only the member that the visitor's place falls on is evaluated (4.3)."""
    not_in_group, bucketing_index = flag.not_in_group, flag.bucketing_index
    count, own = len(group.members), group.members.index(flag.key)
    name, span = group.name, 2.0**256

    def decide_in_group(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        code = hashing_code(visitor, bucketing_index)
        place = int.from_bytes(sha256((code + name).encode()).digest(), "big") / span
        return decide(visitor, remember) if min(int(place * count), count - 1) == own else not_in_group

    return decide_in_group


def _by_holdout(flag: CompiledFlag, holdout: Holdout, decide: Decide, overridden: Decide) -> Decide:
    """A visitor's holdout entry is remembered before any rule looks at what the visitor was given (4.2)."""
    suffix, bucketing_index = holdout.suffix, flag.bucketing_index
    shares = list(zip(holdout.bounds, holdout.entries, holdout.exposures, strict=True))

    def decide_beside_holdout(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        if holdout.blocks_refusal and visitor.traits.consent is NO_CONSENT:
            return flag.disabled
        digest = sha256((hashing_code(visitor, bucketing_index) + suffix).encode()).digest()
        for bound, entry, exposure in shares:
            if digest <= bound:
                if remember is not None and exposure is not None:
                    remember(visitor, exposure)
                if entry.variation_key == IN_HOLDOUT:
                    return flag.held_out
                break
        return decide(visitor, remember)

    return decide_beside_holdout
