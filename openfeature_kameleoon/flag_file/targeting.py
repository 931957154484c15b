"""Who is meant: as an expression of conditions, and as a data file's groups of them (specs/kameleoon-sdk.md 2.5).

A mapping's conditions must all hold, as must a list's; of ``any`` one must, and that of ``not`` must not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import DataFileInvalid
from .conditions import CONDITIONS, STRUCTURE, Members, Names, read_condition, read_custom_datum, write_condition
from .form import TOP, Place, take, wrong
from .normal import normal_conditions
from .verbatim import is_same

__all__ = ["read_targeting", "write_targeting"]


class Joined(NamedTuple):
    """Conditions, or groups of them, joined by one operator."""

    is_or: bool
    parts: list[Any]


def read_targeting(expression: object, place: Place, names: Names) -> dict[str, Any]:
    """An expression as ``conditionsData``. Raises ``DataFileInvalid``."""
    tree = _tree(expression, place, names)
    if not isinstance(tree, Joined):
        tree = Joined(False, [tree])
    if not any(isinstance(part, Joined) for part in tree.parts):
        return _joined([_group(tree)] if tree.parts else [], False)
    groups = [part if isinstance(part, Joined) else Joined(False, [part]) for part in tree.parts]
    if any(isinstance(inner, Joined) for group in groups for inner in group.parts):
        problem = "conditions are nested too deeply; name the inner ones under segments, and use segment: NAME here"
        raise wrong(place, problem)
    return _joined([_group(group) for group in groups], tree.is_or)


def _joined(groups: list[Any], is_or: bool) -> dict[str, Any]:
    return {"firstLevelOrOperators": [is_or] * (len(groups) - 1), "firstLevel": groups}


def _group(joined: Joined) -> dict[str, Any]:
    return {"orOperators": [joined.is_or] * (len(joined.parts) - 1), "conditions": joined.parts}


def _tree(expression: object, place: Place, names: Names) -> Any:
    if isinstance(expression, list):
        parts = [_tree(item, place / number, names) for number, item in enumerate(expression)]
        return _all(parts)
    conditions = take(expression, dict[str, Any], place)
    if "targetingType" in conditions:
        return conditions
    parts = []
    for key, operand in conditions.items():
        parts += _parts(key, operand, place / key, names)
    return _all(parts)


def _all(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else Joined(False, parts)


def _parts(key: str, operand: object, place: Place, names: Names) -> list[Any]:
    if key == "any":
        inner = [_tree(item, place / number, names) for number, item in enumerate(take(operand, list[Any], place))]
        if not inner:
            raise wrong(place, "it needs a condition at least")
        return inner if len(inner) == 1 else [Joined(True, inner)]
    if key == "not":
        negated = _tree(operand, place, names)
        if isinstance(negated, Joined):
            raise wrong(place, "it takes one condition; make it a list of several {not: ...}, or any of them")
        return [{**negated, "isInclude": negated.get("isInclude") is False}]
    if key == "custom_data":
        found = []
        for name, value in take(operand, dict[str, Any], place).items():
            found += read_custom_datum(name, value, place / name, names)
        return found
    return read_condition(key, operand, place, names)


def write_targeting(data: dict[str, Any], names: Names) -> Any:
    """An expression that says the same as normal ``conditionsData``, or ``None`` if there is none."""
    try:
        written = _written(data, names)
        if is_same(normal_conditions(read_targeting(written, TOP, names)), data):
            return written
    except (DataFileInvalid, KeyError, TypeError, AttributeError, RecursionError):  # of a shape nobody foresaw
        pass
    return None


def _written(data: dict[str, Any], names: Names) -> Any:
    groups = [_written_group(group, names) for group in data["firstLevel"]]
    if len(groups) == 1:
        return groups[0]
    return {"any": groups} if True in data["firstLevelOrOperators"] else groups


def _written_group(group: dict[str, Any], names: Names) -> Any:
    items = [_written_condition(raw, names) for raw in group["conditions"]]
    if len(items) == 1:
        return items[0]
    if True in group["orOperators"]:
        return {"any": items}
    merged = {key: operand for item in items for key, operand in item.items()}
    is_verbatim = any("targetingType" in item for item in items)
    return items if is_verbatim or len(merged) < len(items) else merged


def _written_condition(raw: Members, names: Names) -> dict[str, Any]:
    found = write_condition(raw, names)
    if found is None:
        return raw
    key, operand = found
    is_custom_datum = raw["targetingType"] == "CUSTOM_DATUM"
    short = {"custom_data": {key: operand}} if is_custom_datum and key in (*CONDITIONS, *STRUCTURE) else {key: operand}
    is_negated = raw["isInclude"] is False and not (isinstance(operand, dict) and "known" in operand)
    if is_negated:
        short = {"not": short}
    try:
        back = _tree(short, TOP, names)
    except DataFileInvalid:
        return raw
    return short if is_same(back, raw) else raw
