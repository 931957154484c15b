"""What may be wrong with one flag that decodes, a row of ``LOOKS`` for each: told as JSON paths and messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..datafile.index import DataFileIndex
from ..datafile.model import FeatureFlag, Rule, Variation, VariationByExposition
from ..engine.evaluation import DELIVERY, EXPERIMENT, CompiledFlag
from ..engine.variables import compile_variation

__all__ = ["LOOKS", "Said", "Subject", "wrong_shares"]

SHARES_TOLERANCE = 1e-6
"""Shares such as three times 0.333333 add up to a little more or less than they mean."""

HOLDS: Mapping[str, tuple[type, ...]] = {
    "BOOLEAN": (bool,),
    "NUMBER": (int, float),
    "STRING": (str,),
    "CSS": (str,),
    "JS": (str,),
}
"""What a variable should hold by its declared type; the engine itself decodes JSON."""

NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A flag as it stands in the file, as it was compiled, and the path of its place."""

    flag: FeatureFlag
    compiled: CompiledFlag
    index: DataFileIndex
    place: str

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """The rules, each with its path."""
        return ((f"{self.place}.rules[{number}]", rule) for number, rule in enumerate(self.flag.rules or ()))

    def variations(self) -> Iterator[tuple[str, Variation]]:
        """The variations, each with its path."""
        return ((f"{self.place}.variations[{number}]", one) for number, one in enumerate(self.flag.variations or ()))

    def declared(self) -> set[str]:
        """Keys of the variations."""
        return {variation.key for variation in self.flag.variations or ()}


Said = Iterator[tuple[str, str]]
"""Paths and messages."""


def _default_variation(subject: Subject) -> Said:
    key = subject.flag.default_variation_key
    if key not in subject.declared():
        yield f"{subject.place}.defaultVariationKey", f"the default variation {key!r} is not declared"


def _variables_that_do_not_decode(subject: Subject) -> Said:
    for path, variation in subject.variations():
        compiled = compile_variation(variation)
        for number, variable in enumerate(variation.variables or ()):
            problem = compiled.variables[variable.key].problem
            if problem is not None:
                yield f"{path}.variables[{number}].value", problem


def _rules_without_id(subject: Subject) -> Said:
    for path, rule in subject.rules():
        if rule.id is None:
            yield path, "a rule without an id is left out"


def _expositions(subject: Subject) -> Said:
    for path, rule in subject.rules():
        if not 0 <= rule.exposition <= 1:
            yield f"{path}.exposition", f"the exposition {rule.exposition:g} is not in 0 to 1"
        yield from wrong_shares(rule.variation_by_exposition, path)


def wrong_shares(entries: Iterable[VariationByExposition] | None, place: str) -> Said:
    """Shares that are no shares, or are more than the whole."""
    shares = [entry.exposition for entry in entries or ()]
    for number, share in enumerate(shares):
        if not 0 <= share <= 1:
            yield f"{place}.variationByExposition[{number}].exposition", f"the share {share:g} is not in 0 to 1"
    if sum(shares) > 1 + SHARES_TOLERANCE:
        yield f"{place}.variationByExposition", f"the shares add up to {sum(shares):g}: the last ones get less"


def _undeclared_variations(subject: Subject) -> Said:
    declared = subject.declared()
    for path, rule in subject.rules():
        for number, entry in enumerate(rule.variation_by_exposition or ()):
            if entry.variation_key not in declared:
                where = f"{path}.variationByExposition[{number}].variationKey"
                yield where, f"the flag does not declare a variation {entry.variation_key!r}"


def _missing_segments(subject: Subject) -> Said:
    for path, rule in subject.rules():
        if rule.segment is None and rule.segment_id and rule.segment_id not in subject.index.segments:
            yield f"{path}.segmentId", f"segment {rule.segment_id} does not exist, so the rule is for everybody"


def _rule_types(subject: Subject) -> Said:
    for path, rule in subject.rules():
        if rule.type not in (DELIVERY, EXPERIMENT):
            yield f"{path}.type", f"the type {rule.type!r} is not known; the rule works as an experiment"


def _rules_that_give_nothing(subject: Subject) -> Said:
    for path, rule in subject.rules():
        if not rule.variation_by_exposition:
            yield path, "the rule names no variation to give"


def _repeated_keys(subject: Subject) -> Said:
    flag = subject.flag
    for key, count in Counter(variation.key for variation in flag.variations or ()).items():
        if count > 1:
            yield f"{subject.place}.variations", f"variation {key!r} stands twice; the last one counts"
    for path, variation in subject.variations():
        for key, count in Counter(variable.key for variable in variation.variables or ()).items():
            if count > 1:
                yield f"{path}.variables", f"variable {key!r} stands twice; the last one counts"


def _variables_of_another_type(subject: Subject) -> Said:
    first_types: dict[str, str] = {}
    for place, variation in subject.variations():
        for number, variable in enumerate(variation.variables or ()):
            path = f"{place}.variables[{number}]"
            if variable.type in HOLDS and type(variable.value) not in HOLDS[variable.type]:
                holds = NAMES[type(variable.value)]
                yield f"{path}.value", f"variable {variable.key!r} is declared {variable.type} but holds {holds}"
            first = first_types.setdefault(variable.key, variable.type)
            if first != variable.type:
                yield f"{path}.type", f"variable {variable.key!r} is {variable.type} here and {first} elsewhere"


def _bucketing(subject: Subject) -> Said:
    number = subject.flag.bucketing_custom_data_id
    if number and number not in subject.index.index_of_custom_data_id:
        where = f"{subject.place}.bucketingCustomDataId"
        yield where, f"custom data {number} does not exist, so the visitor code is hashed"


LOOKS: Mapping[Callable[[Subject], Said], bool] = {
    _default_variation: False,
    _variables_that_do_not_decode: False,
    _rules_without_id: False,
    _expositions: False,
    _undeclared_variations: False,
    _missing_segments: False,
    _rule_types: True,
    _rules_that_give_nothing: True,
    _repeated_keys: True,
    _variables_of_another_type: True,
    _bucketing: True,
}
"""What is looked for, and whether finding it is but a warning."""
