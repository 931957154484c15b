"""What the client hands out of a data file: read-only values (specs/kameleoon-sdk.md 11.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .datafile.model import OFF, VariationByExposition
from .engine import variables
from .engine.evaluation import CompiledFlag, CompiledRule, Evaluation
from .engine.ruleset import Ruleset
from .errors import FeatureMalformed

__all__ = [
    "DataFile",
    "FeatureFlag",
    "Rule",
    "Variable",
    "Variation",
    "data_file_view",
    "flag_view",
    "variation_view",
]


class Variable(msgspec.Struct, frozen=True):
    """A variable of a variation; ``type`` is BOOLEAN, NUMBER, STRING, JSON, CSS or JS."""

    key: str
    type: str
    value: Any


class Variation(msgspec.Struct, frozen=True):
    """A variation: ``id_`` and ``experiment_id`` are ``None`` where no rule chose it."""

    key: str
    name: str
    id_: int | None
    experiment_id: int | None
    variables: Mapping[str, Variable]

    @property
    def is_active(self) -> bool:
        """Whether this is any variation but ``off``."""
        return self.key != OFF


class Rule(msgspec.Struct, frozen=True):
    """A rule's declared variations by key."""

    variations: Mapping[str, Variation]


class FeatureFlag(msgspec.Struct, frozen=True):
    """A feature flag as the data file has it."""

    variations: Mapping[str, Variation]
    environment_enabled: bool
    rules: tuple[Rule, ...]
    default_variation_key: str

    @property
    def default_variation(self) -> Variation:
        """The variation served when no rule applies. Raises ``KeyError`` when the flag does not declare it."""
        return self.variations[self.default_variation_key]


class DataFile(msgspec.Struct, frozen=True):
    """All feature flags by key; ``date_modified`` in Unix milliseconds. A flag that does not decode is left out."""

    feature_flags: Mapping[str, FeatureFlag]
    date_modified: int


def variation_view(evaluation: Evaluation) -> Variation:
    """The variation that an evaluation answered with."""
    variation_id = evaluation.entry.variation_id if evaluation.entry else None
    return _variation(evaluation.variation, variation_id, evaluation.experiment_id)


def data_file_view(ruleset: Ruleset) -> DataFile:
    """Everything the data file says about its flags; decodes and compiles all of them."""
    flags = {}
    for key in ruleset.index.flags:
        try:
            flags[key] = flag_view(ruleset.flag(key))
        except FeatureMalformed:  # it says so itself when it is asked for
            continue
    return DataFile(flags, ruleset.date_modified)


def flag_view(flag: CompiledFlag) -> FeatureFlag:
    """What the data file says about one flag."""
    declared = flag.answers.variations
    return FeatureFlag(
        {key: _variation(variation, None, None) for key, variation in declared.items()},
        flag.is_enabled,
        tuple(_rule(rule, declared) for rule in flag.rules),
        flag.answers.default_key,
    )


def _rule(rule: CompiledRule, declared: Mapping[str, variables.Variation]) -> Rule:
    def view(entry: VariationByExposition) -> Variation:
        return _variation(declared[entry.variation_key], entry.variation_id, rule.experiment_id)

    return Rule({entry.variation_key: view(entry) for entry in rule.entries if entry.variation_key in declared})


def _variation(variation: variables.Variation, id_: int | None, experiment_id: int | None) -> Variation:
    return Variation(variation.key, variation.name, id_, experiment_id, _variables(variation))


def _variables(variation: variables.Variation) -> dict[str, Variable]:
    shown = variation.shown
    if shown is None:
        made = {key: Variable(key, one.type, one.fresh_value()) for key, one in variation.variables.items()}
        if any(isinstance(one.value, dict | list) for one in made.values()):  # the caller may change those
            return made
        shown = variation.shown = made
    return dict(shown)
