"""A variation's variables, decoded once, and what they are worth when a certain type is asked for.

Numbers are widened where nothing is lost, a boolean is never a number, and no text is ever parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

import msgspec

from ..datafile import model
from ..datafile.model import OFF
from ..errors import FeatureMalformed, FeatureVariableNotFound, VariableTypeMismatch

__all__ = [
    "TYPE_NAMES",
    "Variable",
    "Variation",
    "as_boolean",
    "as_float",
    "as_integer",
    "as_object",
    "as_string",
    "compile_variation",
    "natural_type",
    "natural_value",
]

LARGEST_EXACT = 2**53 - 1
"""Beyond it a float no longer tells neighbouring integers apart."""

_PLAIN_TYPES = frozenset({"BOOLEAN", "NUMBER", "STRING", "CSS", "JS"})
_TYPE_OF: Mapping[type, str] = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "float",
    dict: "object",
    list: "object",
}
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Variable:
    """One variable: its declared ``type``, its ``value``, and the ``problem`` that kept it from being decoded."""

    __slots__ = ("key", "problem", "type", "value")

    def __init__(self, key: str, type: str, value: Any, problem: str | None = None) -> None:
        self.key = key
        self.type = type
        self.value = value
        self.problem = problem

    def fresh_value(self) -> Any:
        """The value; a mapping or list as a copy that the caller may change."""
        return _decode(_encode(self.value)) if isinstance(self.value, dict | list) else self.value


class Variation:
    """One outcome of a flag: its key, name and variables in the order of the data file.

    ``shown`` is for views.py, which shows the same variables again and again.
    """

    __slots__ = ("first", "key", "name", "shown", "variables")

    def __init__(self, key: str, name: str, variables: Iterable[Variable]) -> None:
        self.key = key
        self.name = name
        self.variables: Mapping[str, Variable] = {variable.key: variable for variable in variables}
        self.first = next(iter(self.variables.values()), None)
        self.shown: Mapping[str, Any] | None = None

    def values(self) -> dict[str, Any]:
        """All values by key, as copies. Raises ``FeatureMalformed`` for a variable that does not decode."""
        for variable in self.variables.values():
            if variable.problem is not None:
                raise FeatureMalformed(variable.problem)
        return {key: variable.fresh_value() for key, variable in self.variables.items()}


def compile_variation(variation: model.Variation) -> Variation:
    """Decode the variables of a variation; one that does not decode costs only itself (2.3, 2.11)."""
    return Variation(variation.key, variation.name or "", map(_variable, variation.variables or ()))


def _variable(variable: model.Variable) -> Variable:
    if variable.type in _PLAIN_TYPES:
        return Variable(variable.key, variable.type, variable.value)
    if variable.type != "JSON":
        problem = f"variable {variable.key!r:.60} is of the unknown type {variable.type!r:.40}"
    elif not isinstance(variable.value, str):
        problem = f"JSON variable {variable.key!r:.60} holds {_name(variable.value)} instead of JSON text"
    else:
        try:
            return Variable(variable.key, "JSON", _decode(variable.value))
        except (msgspec.DecodeError, RecursionError) as error:
            problem = f"JSON variable {variable.key!r:.60} does not decode: {error}"
    return Variable(variable.key, variable.type, None, problem)


def natural_type(variations: Iterable[Variation], key: str | None = None) -> str:
    """The type that suits what the variable holds, in whichever variation; boolean where nothing tells."""
    variables = [variation.variables.get(key) if key else variation.first for variation in variations]
    held = {_TYPE_OF[type(variable.value)] for variable in variables if variable and type(variable.value) in _TYPE_OF}
    if held == {"integer", "float"}:
        return "float"
    return held.pop() if len(held) == 1 else "boolean"


def as_boolean(variation: Variation, key: str | None) -> bool:
    """The variable's boolean; without variables, whether the variation is an active one."""
    variable = variation.variables.get(key) if key else variation.first
    if variable is None:
        if not key:
            return variation.key != OFF
    elif variable.value is True or variable.value is False:
        return variable.value
    raise _no_value(variation, variable, key, "a boolean")


def as_string(variation: Variation, key: str | None) -> str:
    """The variable's text; without variables, the variation's key."""
    variable = variation.variables.get(key) if key else variation.first
    if variable is None:
        if not key:
            return variation.key
    elif type(variable.value) is str:
        return variable.value
    raise _no_value(variation, variable, key, "a string")


def as_integer(variation: Variation, key: str | None) -> int:
    """The variable's number when it is integral: ``5`` and ``5.0`` are, ``True`` is no number."""
    variable = variation.variables.get(key) if key else variation.first
    if variable is not None:
        value = variable.value
        if type(value) is int:
            return value
        if type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT:
            return int(value)
    raise _no_value(variation, variable, key, "an integer")


def as_float(variation: Variation, key: str | None) -> float:
    """The variable's number, an integer as its float."""
    variable = variation.variables.get(key) if key else variation.first
    if variable is not None:
        value = variable.value
        if type(value) is float and isfinite(value):
            return value
        if type(value) is int and abs(value) <= LARGEST_EXACT:
            return float(value)
    raise _no_value(variation, variable, key, "a float")


def as_object(variation: Variation, key: str | None) -> dict[str, Any] | list[Any]:
    """The variable's mapping or list, as a copy.

    Without a key, all variables by key unless the first one is JSON; without variables, an empty mapping.
    """
    variable = variation.variables.get(key) if key else variation.first
    if not key and (variable is None or variable.type != "JSON"):
        return variation.values()
    if variable is not None and isinstance(variable.value, dict | list):
        value: dict[str, Any] | list[Any] = variable.fresh_value()
        return value
    raise _no_value(variation, variable, key, "an object")


def natural_value(variation: Variation, key: str | None = None) -> Any:
    """The variable's value as the type that suits it. Raises ``FeatureError``s as the functions above do."""
    return _AS[natural_type((variation,), key)](variation, key)


def _no_value(variation: Variation, variable: Variable | None, key: str | None, wanted: str) -> Exception:
    where = f"variation {variation.key!r:.60}"
    if variable is None:
        missing = f"variable {key!r:.60}" if key else "variables"
        return FeatureVariableNotFound(f"{where} has no {missing}, so there is no value that is {wanted}")
    if variable.problem is not None:
        return FeatureMalformed(variable.problem)
    return VariableTypeMismatch(
        f"variable {variable.key!r:.60} of {where} is {_name(variable.value)}, {wanted} was asked for"
    )


def _name(value: object) -> str:
    if isinstance(value, float) and not value.is_integer():
        return "a number with a fraction"
    return TYPE_NAMES.get(type(value), "no value")


_AS: Mapping[str, Callable[[Variation, str | None], Any]] = {
    "boolean": as_boolean,
    "string": as_string,
    "integer": as_integer,
    "float": as_float,
    "object": as_object,
}

TYPE_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
