"""Filters and sorts of the Automation API as people write them: ``status in PAUSED,STOPPED``, ``-dateModified``.

A filter is a field, an operator of ``OPERATORS`` and its values. A value is text, a number, ``true``, ``false`` or a
date as it stands; in quotes ``"..."`` it is text, whatever it looks like, and may hold a comma.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any, NamedTuple

from ...management.automation.filters import Condition, Expression, FieldName, Order, where
from ...management.rest.fields import Record

__all__ = ["OPERATORS", "Operator", "filter_of", "grammar", "order_of"]

MANY = -1


class Operator(NamedTuple):
    """What an operator makes: a method of ``FieldName``, how many values it takes, and what it means."""

    method: str
    values: int
    meaning: str


OPERATORS: Mapping[str, Operator] = {
    "=": Operator("equal", 1, "is the value"),
    "!=": Operator("not_equal", 1, "is not the value"),
    "<=": Operator("__le__", 1, "at most (numbers, dates)"),
    "<": Operator("__lt__", 1, "less, or before"),
    ">=": Operator("__ge__", 1, "at least"),
    ">": Operator("__gt__", 1, "more, or after"),
    "~": Operator("like", 1, "holds the text; % stands for anything"),
    "!~": Operator("not_like", 1, "does not hold the text"),
    "in": Operator("is_in", MANY, "is one of the values"),
    "not in": Operator("not_in", MANY, "is none of the values"),
    "between": Operator("between", 2, "from the one to the other, both included"),
    "contains": Operator("contains", MANY, "a list that holds the values"),
    "is null": Operator("is_null", 0, "has no value"),
    "is not null": Operator("is_not_null", 0, "has a value"),
    "is true": Operator("is_true", 0, "is true"),
    "is false": Operator("is_false", 0, "is false"),
    "is empty": Operator("is_empty", 0, "an empty text or list"),
    "is not empty": Operator("is_not_empty", 0, "a text or list that holds something"),
    "not": Operator("is_not", 1, "differs from the value, as the API's NOT has it"),
}

FIELD = re.compile(r"\s*([A-Za-z_]\w*)\s*")
VALUE = re.compile(r'\s*"(?:[^"\\]|\\.)*"|[^,]+')
LONGEST_FIRST = sorted(OPERATORS, key=len, reverse=True)


def filter_of(texts: tuple[str, ...], kind: type[Record] | None = None) -> Expression | None:
    """What several filters say together, all of which must hold. Raises ``ValueError`` with what is expected."""
    conditions: list[Expression] = [_condition(text, kind) for text in texts]
    return reduce(and_, conditions) if conditions else None


def order_of(texts: tuple[str, ...], kind: type[Record] | None = None) -> list[Order] | None:
    """What to sort by, the major key first; a minus in front sorts the greatest first. Raises ``ValueError``."""
    orders = []
    for text in texts:
        found = FIELD.fullmatch(text.removeprefix("-"))
        if found is None:
            raise ValueError(f"FIELD or -FIELD is expected, not {text:.80}")
        field = _field(found[1], kind)
        orders.append(field.descending() if text.startswith("-") else field.ascending())
    return orders or None


def grammar() -> str:
    """The operators as lines of a help text."""
    shape = {0: "", 1: " VALUE", 2: " VALUE,VALUE", MANY: " VALUE,..."}
    rows = [(f"FIELD {written}{shape[one.values]}", one.meaning) for written, one in OPERATORS.items()]
    return "\n".join(f"{left:<26} {right}" for left, right in rows)


def _condition(text: str, kind: type[Record] | None) -> Condition:
    found = FIELD.match(text)
    if found is None:
        raise ValueError(f"FIELD OPERATOR VALUE is expected, not {text:.80}")
    written, rest = _operator(text[found.end() :], text)
    operator = OPERATORS[written]
    values = _values(rest, operator.values)
    if operator.values not in (MANY, len(values)) or not len(values) >= abs(operator.values):
        shape = {0: "no value", 1: "one value", 2: "two values, as 1,5", MANY: "values, as a,b"}[operator.values]
        raise ValueError(f"{written!r} takes {shape}, in {text:.80}")
    made: Condition = getattr(_field(found[1], kind), operator.method)(*values)
    return made


def _operator(text: str, whole: str) -> tuple[str, str]:
    """The operator that a text begins with, and the rest."""
    for written in LONGEST_FIRST:
        pattern = r"\s+".join(map(re.escape, written.split())) + (r"(?!\w)" if written[-1].isalpha() else "")
        if found := re.match(pattern, text, re.IGNORECASE):
            return written, text[found.end() :].strip()
    raise ValueError(f"no operator in {whole:.80}; there are {', '.join(OPERATORS)}")


def _values(text: str, most: int) -> list[Any]:
    if not text:
        return []
    parts = [text] if most in (0, 1) else VALUE.findall(text)  # of one value a comma is a part
    return [_value(part.strip()) for part in parts if part.strip()]


def _value(text: str) -> Any:
    try:
        read = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text
    return read if isinstance(read, str | int | float) else text


def _refuse_constant(literal: str) -> object:
    raise ValueError(f"{literal} is not JSON")


def _field(name: str, kind: type[Record] | None) -> FieldName:
    declared = kind.fields.get(name) if kind is not None else None
    return where[declared.wire] if declared is not None else getattr(where, name)
