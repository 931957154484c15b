"""The condition CUSTOM_DATUM: the values that it sees, and its operators on them (specs/kameleoon-sdk.md 5.7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..datafile.model import Raw
from ..visitors.traits import Values
from .matching import TEXT_MATCHES, Test
from .patterns import PatternRefused
from .scope import Getter, Scope, UnusableCondition

__all__ = ["any_value", "custom_datum", "legacy_custom_datum", "only_custom_datum"]


def custom_datum(raw: Raw, scope: Scope) -> Getter:
    """Values of the custom datum named by the condition; ``None`` when the visitor has none."""
    index = _custom_data_index(raw)
    if raw.get("valueMatchType") == "UNDEFINED":
        return lambda visitor: visitor.custom_data.get(index) if visitor.known else ""
    return lambda visitor: visitor.custom_data.get(index)


def legacy_custom_datum(raw: Raw, scope: Scope) -> Getter:
    """As 2.x sees it: a visitor that is not known has no custom data either (5.8)."""
    index = _custom_data_index(raw)
    return lambda visitor: visitor.custom_data.get(index)


def only_custom_datum(raw: Raw) -> int | None:
    """The index, unless it also matters whether the visitor is known."""
    return None if raw.get("valueMatchType") == "UNDEFINED" else _custom_data_index(raw)


def _custom_data_index(raw: Raw) -> int:
    try:
        return int(raw["customDataIndex"])
    except (KeyError, TypeError, ValueError):
        return -1  # no datum has it


def any_value(raw: Raw, scope: Scope) -> Test:
    """Values of a custom datum that the condition's ``valueMatchType`` accepts (5.7)."""
    match, operand = raw.get("valueMatchType"), raw.get("value")
    if match == "UNDEFINED":
        return lambda seen: seen is None
    accepts = _CUSTOM_DATA_MATCHES.get(str(match))
    if accepts is None:
        raise UnusableCondition(f"valueMatchType {match!r:.40} is not known")
    try:
        return accepts(operand)
    except (TypeError, ValueError, OverflowError, PatternRefused, RecursionError) as error:
        raise UnusableCondition(f"value {operand!r:.40} does not fit {match}: {error}") from error


def _some(test: Test) -> Test:
    """A test of one value as a test of a custom datum's values, of which one must pass."""

    def accepts(seen: Values | None) -> bool:
        if type(seen) is str:
            return test(seen)
        return seen is not None and any(map(test, seen))

    return accepts


def _some_number(test: Test) -> Test:
    """The same for numbers; what is none fails the whole, unless a value before it passed (reference quirk, 5.7)."""

    def accepts(seen: Values | None) -> bool:
        try:
            if type(seen) is str:
                return test(float(seen))
            return seen is not None and any(map(test, map(float, seen)))
        except ValueError:
            return False

    return accepts


def _text_operand(operand: Any) -> str:
    if not isinstance(operand, str):
        raise TypeError("a text is expected")
    return operand


def _equals(operand: Any) -> Test:
    wanted = _text_operand(operand)
    return lambda seen: seen == wanted or (type(seen) is tuple and wanted in seen)


def _close_to(operand: Any) -> Test:
    wanted = float(operand)
    return _some_number(lambda value: abs(value - wanted) < 1e-9)


def _among(operand: Any) -> Test:
    elements = json.loads(operand)
    if not isinstance(elements, list):
        raise TypeError("a JSON list is expected")
    wanted = frozenset(map(_element_text, elements))
    return lambda seen: seen in wanted or (type(seen) is tuple and not wanted.isdisjoint(seen))


def _element_text(element: Any) -> str:
    # The reference looks numbers up among True and False, and 1 == True (reference quirk, 5.7).
    if isinstance(element, int | float) and element in (0, 1):
        return "true" if element else "false"
    return str(element)


_CUSTOM_DATA_MATCHES: Mapping[str, Callable[[Any], Test]] = {
    "EXACT": _equals,
    "CONTAINS": lambda operand: _some(TEXT_MATCHES["CONTAINS"](_text_operand(operand))),
    "REGULAR_EXPRESSION": lambda operand: _some(TEXT_MATCHES["REGULAR_EXPRESSION"](_text_operand(operand))),
    "EQUAL": _close_to,
    "GREATER": lambda operand: _some_number(float(operand).__lt__),  # bound methods of floats are the fastest tests
    "LOWER": lambda operand: _some_number(float(operand).__gt__),
    "TRUE": lambda operand: _equals("true"),
    "FALSE": lambda operand: _equals("false"),
    "AMONG_VALUES": _among,
}
