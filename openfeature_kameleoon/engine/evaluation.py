"""A feature flag compiled: every answer that it can give, and its rules with all that settles them.

Each answer exists before anyone asks and is shared by all who get it. How one is chosen for a visitor is decision.py's,
and explain.py's, which tells why (specs/kameleoon-sdk.md 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..datafile.model import VariationByExposition
from ..visitors.traits import Exposure
from ..visitors.visitor import Visitor, first_value
from .bucketing import ALL
from .metadata import FlagMetadata
from .targeting import Predicate, Tree
from .variables import Variation

__all__ = [
    "DELIVERY",
    "EXPERIMENT",
    "Answers",
    "CompiledFlag",
    "CompiledRule",
    "Evaluation",
    "Group",
    "Holdout",
    "hashing_code",
]

DELIVERY, EXPERIMENT = "TARGETED_DELIVERY", "EXPERIMENTATION"


class Evaluation:
    """One answer that a flag can give: made when the flag is compiled, shared by all visitors who get it.

    ``reason`` is OpenFeature's. ``cause`` is what decided: a rule type, NO_RULE, UNEXPOSED, HOLDOUT,
    MUTUALLY_EXCLUSIVE_GROUP, CONSENT, ENVIRONMENT, FORCED or SIMULATED. ``entry`` is the rule's entry that was chosen,
    if one was; ``exposure`` is what is to be remembered and reported of it, if anything is. ``is_disabled``: the
    flag is switched off for the visitor, who gets no variation of it.
    """

    __slots__ = (
        "cause",
        "entry",
        "experiment_id",
        "exposure",
        "is_disabled",
        "metadata",
        "reason",
        "variation",
        "variation_key",
    )

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
        self.is_disabled = reason == "DISABLED"
        self.cause = cause
        self.metadata = metadata
        self.entry = entry
        self.experiment_id = experiment_id
        self.exposure = exposure

    def __repr__(self) -> str:
        return f"Evaluation({self.variation_key!r}, {self.reason}, {self.cause})"


@dataclass(slots=True)
class Answers:
    """Makes a flag's evaluations, and keeps those made at compile time so that a refresh can stamp them anew."""

    variations: Mapping[str, Variation]
    default_key: str
    labels: Mapping[str, str | int]
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
        evaluation.metadata = FlagMetadata(evaluation.metadata, forced=True)
        return evaluation

    def stamp(self, version: int) -> None:
        """Have all answers tell the date of the data file that they were last confirmed by."""
        self.labels = {**self.labels, "version": version}
        for evaluation in self.made:
            evaluation.metadata = FlagMetadata(evaluation.metadata, version=version)

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
        metadata: dict[str, bool | int | float | str] = {**self.labels, "ruleType": cause}
        if rule is not None:
            metadata |= {"ruleId": rule.id, "experimentId": rule.experiment_id}
        if entry is not None and entry.variation_id is not None:
            metadata["variationId"] = entry.variation_id
        experiment_id = rule.experiment_id if rule and entry else None
        return Evaluation(variation, reason, cause, FlagMetadata(metadata), entry, experiment_id, exposure)


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

    def only_split(self) -> CompiledRule | None:
        """The flag's one rule, if a hash of the visitor's code alone decides between its variations."""
        if not self.is_enabled or self.bucketing_index or len(self.rules) != 1:
            return None
        rule = self.rules[0]
        is_plain = rule.matches is None and rule.exposition_bound is ALL and rule.refused is None
        return rule if is_plain and rule.type != DELIVERY else None


def hashing_code(visitor: Visitor, bucketing_index: int | None) -> str:
    """The text that stands for the visitor in every hash of one flag (3.3)."""
    if bucketing_index:  # 0 means none, too (reference quirk)
        values = visitor.custom_data.get(bucketing_index)
        if values is not None and (first := first_value(values)) is not None:
            return first
    return visitor.hashing_code or visitor.code
