"""Filter, sort and pages of the Automation API stand-in: from a query string, or from the body of a search."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tests.management.standins.automation_fields import Object, Refused

__all__ = ["Query", "as_time", "from_body", "from_query"]

LARGEST_PAGE = 200
Matches = Callable[[Object], bool]
Fields = Mapping[str, bool]
"""Fields to filter or sort by; whether they hold literals, of which the case is all one."""


def as_time(text: Any) -> float | None:
    """Unix time of an ISO 8601 date with or without a zone; ``None`` for what is none."""
    if not isinstance(text, str) or not re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()


def _as_number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, list):
        return any(_same(item, other) for item in value)
    if isinstance(value, bool) or isinstance(other, bool):
        return str(value).lower() == str(other).lower()
    if isinstance(value, int | float):
        return _as_number(other) == value
    return bool(value == other)


def _order(value: Any, other: Any) -> int:
    """-1, 0 or 1: as numbers, dates or text; 2 for what has no place."""
    if value is None or other is None:
        return 2
    for read in (_as_number, as_time, str):
        left, right = read(value), read(other)
        if left is not None and right is not None:
            return (left > right) - (left < right)  # type: ignore[operator]  # one reader, so one type
    return 2


def _like(value: Any, pattern: Any) -> bool:
    text = str(pattern)
    parts = text.split("%") if "%" in text else ["", text, ""]
    return value is not None and bool(re.fullmatch(".*".join(map(re.escape, parts)), str(value), re.I | re.S))


def _contains(value: Any, wanted: list[Any]) -> bool:
    if isinstance(value, list):
        return all(any(_same(item, each) for item in value) for each in wanted)
    return value is not None and all(str(each) in str(value) for each in wanted)


def _any_same(value: Any, wanted: list[Any]) -> bool:
    return any(_same(value, each) for each in wanted)


ANY = 1 << 30
OPERATORS: dict[str, tuple[int, int, Callable[[Any, list[Any]], bool]]] = {
    "EQUAL": (1, ANY, _any_same),
    "NOT_EQUAL": (1, ANY, lambda value, wanted: not _any_same(value, wanted)),
    "LESS": (1, 1, lambda value, wanted: _order(value, wanted[0]) == -1),
    "LESS_OR_EQUAL": (1, 1, lambda value, wanted: _order(value, wanted[0]) in (-1, 0)),
    "GREATER": (1, 1, lambda value, wanted: _order(value, wanted[0]) == 1),
    "GREATER_OR_EQUAL": (1, 1, lambda value, wanted: _order(value, wanted[0]) in (0, 1)),
    "BETWEEN": (2, 2, lambda value, wanted: _order(value, wanted[0]) in (0, 1) and _order(value, wanted[1]) in (-1, 0)),
    "LIKE": (1, 1, lambda value, wanted: _like(value, wanted[0])),
    "NOT_LIKE": (1, 1, lambda value, wanted: not _like(value, wanted[0])),
    "IN": (1, ANY, _any_same),
    "NOT_IN": (1, ANY, lambda value, wanted: not _any_same(value, wanted)),
    "NOT": (1, 1, lambda value, wanted: not _any_same(value, wanted)),
    "IS_NULL": (0, 0, lambda value, _: value is None),
    "IS_NOT_NULL": (0, 0, lambda value, _: value is not None),
    "IS_TRUE": (0, 0, lambda value, _: value is True),
    "IS_FALSE": (0, 0, lambda value, _: value is False),
    "IS_EMPTY": (0, 0, lambda value, _: value in ("", [], None)),
    "IS_NOT_EMPTY": (0, 0, lambda value, _: value not in ("", [], None)),
    "CONTAINS": (1, ANY, _contains),
}
CONDITIONALS: dict[str, Callable[[Iterable[bool]], bool]] = {"AND": all, "OR": any}
DIRECTIONS = {"ASC": False, "DESC": True}


def _literal(name: str, value: Any, known: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise Refused(400, f"{name}: invalid value '{value}'. Accepted values: {', '.join(known)}")
    return value


def _objects(name: str, value: Any) -> list[Object]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(400, f"{name}: must be an array of objects")
    return value


def _known(field: Any, fields: Fields) -> str:
    if not isinstance(field, str) or field not in fields:
        raise Refused(400, f"Cannot filter or sort by given field: {field}")
    return field


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _leaf(raw: Object, fields: Fields) -> Matches:
    field = _known(raw.get("field"), fields)
    fewest, most, holds = OPERATORS[_literal("operator", raw.get("operator"), OPERATORS)]
    wanted = [] if raw.get("parameters") is None else raw["parameters"]
    if not isinstance(wanted, list) or not fewest <= len(wanted) <= most:
        raise Refused(400, f"parameters: wrong number for operator {raw['operator']}")
    if fields[field]:
        folded = [_upper(value) for value in wanted]
        return lambda item: holds(_upper(item.get(field)), folded)
    return lambda item: holds(item.get(field), wanted)


def _expression(raw: Any, fields: Fields) -> Matches:
    if not isinstance(raw, dict):
        raise Refused(400, "filter: must be an expression object")
    if "conditionalOperator" not in raw:
        return _leaf(raw, fields)
    joins = CONDITIONALS[_literal("conditionalOperator", raw["conditionalOperator"], CONDITIONALS)]
    parts = [_expression(part, fields) for part in _objects("expressions", raw.get("expressions"))]
    return lambda item: joins(part(item) for part in parts)


def _sort_key(value: Any) -> tuple[int, float, str]:
    """Absent, then booleans and numbers, then text without regard to case."""
    if value is None:
        return (0, 0, "")
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0, str(value).lower())


@dataclass(frozen=True, slots=True)
class Query:
    """One page of what matches, in order; ``matches`` is ``None`` when everything does."""

    page: int
    per_page: int
    matches: Matches | None
    sort: tuple[tuple[str, bool], ...]

    def pages(self, count: int) -> int:
        """How many pages so many objects fill."""
        return -(-count // self.per_page)

    @property
    def window(self) -> slice:
        """Where the page lies among all that match."""
        return slice((self.page - 1) * self.per_page, self.page * self.per_page)

    def ordered(self, items: list[Object]) -> list[Object]:
        """The objects in the order asked for; the first row of ``sort`` is the major key."""
        for field, is_descending in reversed(self.sort):
            items = sorted(items, key=lambda item: _sort_key(item.get(field)), reverse=is_descending)
        return items


def _made(page: int, per_page: int, matches: Matches | None, sort: Any, fields: Fields) -> Query:
    if page < 1:
        raise Refused(400, "page: must be 1 or more")
    if per_page < 1 and per_page != -1:
        raise Refused(400, "perPage: must be -1, or 1 or more")
    rows = [
        (_known(row.get("field"), fields), DIRECTIONS[_literal("direction", row.get("direction", "ASC"), DIRECTIONS)])
        for row in _objects("sort", sort)
    ]
    return Query(page, LARGEST_PAGE if per_page == -1 else min(per_page, LARGEST_PAGE), matches, tuple(rows))


def _whole(name: str, value: Any) -> int:
    if not re.fullmatch(r"-?\d{1,9}", str(value), re.ASCII):
        raise Refused(400, f"{name}: must be an integer")
    return int(value)


def _decoded(name: str, text: str | None) -> Any:
    try:
        return json.loads(text) if text else []
    except ValueError as error:
        raise Refused(400, f"{name}: not valid JSON") from error


def from_query(query: Mapping[str, str], fields: Fields) -> Query:
    """The four parameters of a list; the rows of ``filter`` all have to hold."""
    rows = _objects("filter", _decoded("filter", query.get("filter")))
    parts = [_leaf(row, fields) for row in rows]
    return _made(
        _whole("page", query.get("page", 1)),
        _whole("perPage", query.get("perPage", 20)),
        (lambda item: all(part(item) for part in parts)) if parts else None,
        _decoded("sort", query.get("sort")),
        fields,
    )


def from_body(body: Object, fields: Fields) -> Query:
    """The body of a search; its ``filter`` is one tree of expressions."""
    raw = body.get("filter")
    return _made(
        _whole("page", body.get("page", 1)),
        _whole("perPage", body.get("perPage", 20)),
        None if raw is None else _expression(raw, fields),
        body.get("sort") or [],
        fields,
    )
