"""What a flag's value is worth beside an SDK's default, or when one of OpenFeature's kinds is asked for.

Numbers are widened where nothing is lost, and no text is ever parsed (specs/flagship.md 6, 7.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from math import isfinite
from typing import Any, NamedTuple

from ...engine.variables import TYPE_NAMES
from ...errors import VariableTypeMismatch
from .evaluation import Evaluation

__all__ = [
    "KINDS",
    "LEGACY",
    "RECOMMENDED",
    "STRICT",
    "Outcome",
    "Typed",
    "Typing",
    "as_boolean",
    "as_float",
    "as_integer",
    "as_object",
    "as_string",
    "natural_kind",
]

LARGEST_EXACT = 2**53 - 1
"""Beyond it a float no longer tells neighbouring integers apart."""


class Outcome(Enum):
    """What came of a value beside a default: it, or the default since the value is null or of another type."""

    VALUE = "value"
    NULL = "null"
    MISMATCH = "mismatch"


class Typed(NamedTuple):
    """What an SDK returns, and why."""

    value: Any
    outcome: Outcome


Fit = Callable[[Any, Any], bool]


class Typing(NamedTuple):
    """A row of rules: which defaults a value of a type fits, by the value's type, and whether integers are widened."""

    fits: Mapping[type, Fit]
    widens: bool = False

    def apply(self, evaluation: Evaluation, default: Any) -> Typed:
        """The flag's value, or the default. A mapping or list is a copy."""
        value = evaluation.value
        if value is None:
            return Typed(default, Outcome.VALUE if default is None else Outcome.NULL)
        if not self.fits[type(value)](value, default):
            return Typed(default, Outcome.MISMATCH)
        if self.widens and isinstance(default, float) and type(value) is int:
            return Typed(float(value), Outcome.VALUE)
        return Typed(evaluation.fresh_value(), Outcome.VALUE)


def _any(value: Any, default: Any) -> bool:
    return True


def _instance(value: Any, default: Any) -> bool:
    return isinstance(default, type(value))


def _none_or_instance(value: Any, default: Any) -> bool:
    return default is None or isinstance(default, type(value))


def _none_or_number(value: int, default: Any) -> bool:
    """An integer fits a float too, where nothing is lost, and no boolean."""
    if isinstance(default, float):
        return -LARGEST_EXACT <= value <= LARGEST_EXACT
    return default is None or (isinstance(default, int) and not isinstance(default, bool))


_TYPES = (str, int, float, bool, dict, list)

LEGACY = Typing(dict.fromkeys(_TYPES, _any))
"""1.1 ``get_modification``: whatever the value is. That a default may not be ``None``, a mapping or a list there is
for the face to say."""

STRICT = Typing(dict.fromkeys(_TYPES, _instance))
"""3.0.1 ``Flag.value``: the default is an instance of the value's type."""

RECOMMENDED = Typing({**dict.fromkeys(_TYPES, _none_or_instance), int: _none_or_number}, widens=True)
"""The same made safe: an integer fits a float and no boolean, ``None`` as default takes anything (section 9, 24)."""


def as_boolean(evaluation: Evaluation) -> bool:
    """The flag's boolean. Raises ``VariableTypeMismatch``, as all these functions do, also for null."""
    value = evaluation.value
    if value is True or value is False:
        return value
    raise _mismatch(evaluation, "a boolean")


def as_string(evaluation: Evaluation) -> str:
    """The flag's text."""
    value = evaluation.value
    if type(value) is str:
        return value
    raise _mismatch(evaluation, "a string")


def as_integer(evaluation: Evaluation) -> int:
    """The flag's number when it is integral: ``5`` and ``5.0`` are, ``True`` is no number."""
    value = evaluation.value
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    raise _mismatch(evaluation, "an integer")


def as_float(evaluation: Evaluation) -> float:
    """The flag's number, an integer as its float."""
    value = evaluation.value
    if type(value) is float and isfinite(value):
        return value
    if type(value) is int and abs(value) <= LARGEST_EXACT:
        return float(value)
    raise _mismatch(evaluation, "a float")


def as_object(evaluation: Evaluation) -> dict[str, Any] | list[Any]:
    """The flag's mapping or list, as a copy."""
    if isinstance(evaluation.value, dict | list):
        value: dict[str, Any] | list[Any] = evaluation.fresh_value()
        return value
    raise _mismatch(evaluation, "an object")


def natural_kind(value: Any) -> str:
    """The kind that suits a value; boolean where nothing tells."""
    return _KIND_OF.get(type(value), "boolean")


def _mismatch(evaluation: Evaluation, wanted: str) -> VariableTypeMismatch:
    held = TYPE_NAMES.get(type(evaluation.value), "no value")
    where = f" in variation {evaluation.variation.id!r:.60}" if evaluation.variation else ""
    return VariableTypeMismatch(f"flag {evaluation.key!r:.60}{where} is {held}, {wanted} was asked for")


KINDS: Mapping[str, Callable[[Evaluation], Any]] = {
    "boolean": as_boolean,
    "string": as_string,
    "integer": as_integer,
    "float": as_float,
    "object": as_object,
}
"""OpenFeature's kinds by name."""

_KIND_OF: Mapping[type, str] = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "float",
    dict: "object",
    list: "object",
}
