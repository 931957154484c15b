"""Targeting conditions and their short forms, a row of ``CONDITIONS`` each; custom data go by their own names.

A row reads an operand into the members of a condition, and writes it from them. Writing may be sloppy: whoever writes
reads the result back, and takes the condition as it stands in the data file where the two differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..visitors.data import BrowserType, DeviceType, OperatingSystemType
from .form import Form, Place, known, take, wrong

__all__ = ["CONDITIONS", "STRUCTURE", "Members", "Names", "read_condition", "read_custom_datum", "write_condition"]

Members = dict[str, Any]

STRUCTURE = ("any", "not", "custom_data", "targetingType", "when", "audience", "id", "raw")
"""Keys of segments and conditions that are no rows of ``CONDITIONS``."""


@dataclass(slots=True)
class Names:
    """What the file's names stand for: custom data by index and id, segments by id."""

    custom_data: dict[str, int] = field(default_factory=dict)
    custom_data_ids: dict[str, int] = field(default_factory=dict)
    segments: dict[str, int] = field(default_factory=dict)

    def declare(self, datum: Members, next_index: int) -> int:
        """Take up a custom datum as it stands in a data file; gives the index that follows on it."""
        index, name, number = datum["index"], datum["name"], datum["id"]
        if type(index) is not int:
            return next_index
        if isinstance(name, str):
            self.custom_data[name] = index
            if type(number) is int:
                self.custom_data_ids[name] = number
        return index + 1


@dataclass(frozen=True, slots=True)
class Short:
    """A short form: ``read`` gives members for each condition that an operand stands for."""

    type: str
    read: Callable[[Any, Place, Names], list[Members]]
    write: Callable[[Members, Names], Any]


class Compared(Form, frozen=True):
    """How a text, number or version compares, where it need not be equal."""

    contains: str | None = None
    matches: str | None = None
    over: int | float | str | None = None
    under: int | float | str | None = None
    known: bool | None = None


_OPERATORS = {"contains": "CONTAINS", "matches": "REGULAR_EXPRESSION", "over": "GREATER", "under": "LOWER"}
_BY_MATCH = {match: name for name, match in _OPERATORS.items()}
_TEXTUAL, _NUMERIC = ("contains", "matches"), ("over", "under")


def _comparisons(operand: object, place: Place, allowed: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Operators and operands of a mapping such as ``{over: 10, under: 20}``."""
    compared = take(operand, Compared, place)
    given = {name: value for name in Compared.__struct_fields__ if (value := getattr(compared, name)) is not None}
    if not given or set(given) - set(allowed):
        raise wrong(place, f"here may stand {' and '.join(allowed)}, or a value alone")
    return list(given.items())


# What kinds of operands there are -------------------------------------------------------------------------------------


def _choice(kind: str, member: str, literals: Mapping[str, object]) -> Short:
    choices = {literal.lower(): literal for literal in literals}

    def read(operand: Any, place: Place, names: Names) -> list[Members]:
        name = take(operand, str, place).lower()
        return [{member: choices[known(member, name, choices, place)]}]

    return Short(kind, read, lambda raw, names: raw[member].lower())


def _text(kind: str, member: str) -> Short:
    def read(operand: Any, place: Place, names: Names) -> list[Members]:
        if isinstance(operand, str):
            return [{member: operand, "matchType": "EXACT"}]
        return [
            {member: value, "matchType": _OPERATORS[name]} for name, value in _comparisons(operand, place, _TEXTUAL)
        ]

    def write(raw: Members, names: Names) -> Any:
        return raw[member] if raw["matchType"] == "EXACT" else {_BY_MATCH[raw["matchType"]]: raw[member]}

    return Short(kind, read, write)


def _number(kind: str, member: str, match: str = "matchType", operand_type: Any = int | float) -> Short:
    def read(operand: Any, place: Place, names: Names) -> list[Members]:
        pairs = _comparisons(operand, place, _NUMERIC) if isinstance(operand, dict) else [("", operand)]
        return [
            {member: take(value, operand_type, place), match: _OPERATORS.get(name, "EQUAL")} for name, value in pairs
        ]

    def write(raw: Members, names: Names) -> Any:
        return raw[member] if raw[match] == "EQUAL" else {_BY_MATCH[raw[match]]: raw[member]}

    return Short(kind, read, write)


class Location(Form, frozen=True):
    """A place on earth, as GEOLOCATION names it."""

    country: str
    region: str | None = None
    city: str | None = None


def _read_location(operand: Any, place: Place, names: Names) -> list[Members]:
    if isinstance(operand, str):
        return [{"country": operand}]
    location = take(operand, Location, place)
    return [{name: value for name, value in msgspec.structs.asdict(location).items() if value is not None}]


def _write_location(raw: Members, names: Names) -> Any:
    location = {name: raw[name] for name in Location.__struct_fields__ if name in raw}
    return location if len(location) > 1 else raw["country"]


def _read_newness(operand: Any, place: Place, names: Names) -> list[Members]:
    return [{"visitorType": "NEW" if take(operand, bool, place) else "RETURNING"}]


def _read_segment(operand: Any, place: Place, names: Names) -> list[Members]:
    name = known("segment", take(operand, str, place), names.segments, place)
    return [{"segmentId": names.segments[name]}]


def _write_segment(raw: Members, names: Names) -> Any:
    return {number: name for name, number in names.segments.items()}[raw["segmentId"]]


CONDITIONS: Mapping[str, Short] = {
    "application_version": _number("APPLICATION_VERSION", "version", "versionMatchType", int | float | str),
    "browser": _choice("BROWSER", "browser", BrowserType.__members__),
    "device": _choice("DEVICE_TYPE", "device", DeviceType.__members__),
    "geolocation": Short("GEOLOCATION", _read_location, _write_location),
    "new_visitor": Short("NEW_VISITORS", _read_newness, lambda raw, names: raw["visitorType"] == "NEW"),
    "operating_system": _choice("OPERATING_SYSTEM", "os", OperatingSystemType.__members__),
    "page_title": _text("PAGE_TITLE", "title"),
    "page_url": _text("PAGE_URL", "url"),
    "page_views": _number("PAGE_VIEWS", "pageCount"),
    "previous_page": _text("PREVIOUS_PAGE", "url"),
    "segment": Short("SEGMENT", _read_segment, _write_segment),
    "visitor_code": _text("VISITOR_CODE", "visitorCode"),
    "visits": _number("VISITS", "visitCount"),
    "visits_today": _number("SAME_DAY_VISITS", "visitCount"),
}
"""Short forms by their key; the other conditions stand as they do in a data file."""

_KEY_OF = {short.type: key for key, short in CONDITIONS.items()}


# Custom data ----------------------------------------------------------------------------------------------------------


def _custom_datum(index: int, operand: object, place: Place) -> list[Members]:
    by_type: dict[type, Callable[[Any], Members]] = {
        bool: lambda value: _datum(index, "TRUE" if value else "FALSE"),
        int: lambda value: _datum(index, "EQUAL", _number_text(value)),
        float: lambda value: _datum(index, "EQUAL", _number_text(value)),
        str: lambda value: _datum(index, "EXACT", value),
        list: lambda value: _datum(index, "AMONG_VALUES", _among(value, place)),
    }
    if type(operand) in by_type:
        return [by_type[type(operand)](operand)]
    found = []
    for name, value in _comparisons(operand, place, (*_TEXTUAL, *_NUMERIC, "known")):
        if name == "known":
            found.append({**_datum(index, "UNDEFINED"), "isInclude": not value})
        else:
            found.append(_datum(index, _OPERATORS[name], _number_text(value)))
    return found


def _datum(index: int, match: str, value: str | None = None) -> Members:
    members = {"customDataIndex": str(index), "valueMatchType": match}
    return members if value is None else {**members, "value": value}


def _number_text(value: float | str) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _among(values: list[Any], place: Place) -> str:
    """A JSON list of texts alone: the numbers 0 and 1 in one would be taken for false and true."""
    for position, value in enumerate(values):
        take(value, str | int | float | bool, place / position)
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return json.dumps(texts, ensure_ascii=False)


def _write_custom_datum(raw: Members) -> Any:
    match, value = raw["valueMatchType"], raw.get("value")
    if match in ("TRUE", "FALSE"):
        return match == "TRUE"
    if match == "UNDEFINED":
        return {"known": not raw["isInclude"]}
    if match == "AMONG_VALUES":
        return json.loads(raw["value"])
    if match == "EXACT":
        return value
    written: Any = value if match in ("CONTAINS", "REGULAR_EXPRESSION") else _number_of(raw["value"])
    return written if match == "EQUAL" else {_BY_MATCH[match]: written}


def _number_of(text: str) -> Any:
    """A number whose text is this one, or the text."""
    try:
        number = json.loads(text)
    except ValueError:
        return text
    return number if type(number) in (int, float) and _number_text(number) == text else text


# One condition --------------------------------------------------------------------------------------------------------


def read_condition(key: str, operand: object, place: Place, names: Names) -> list[Members]:
    """The conditions that a key and its operand stand for, all of which must hold. Raises ``DataFileInvalid``."""
    short = CONDITIONS.get(key)
    if short is not None:
        return [_condition(short.type, members) for members in short.read(operand, place, names)]
    if key not in names.custom_data:
        known("condition or custom datum", key, [*CONDITIONS, *STRUCTURE, *names.custom_data], place)
    return read_custom_datum(key, operand, place, names)


def read_custom_datum(name: str, operand: object, place: Place, names: Names) -> list[Members]:
    """The same where the key is surely the name of a custom datum."""
    index = names.custom_data[known("custom datum", name, names.custom_data, place)]
    return [_condition("CUSTOM_DATUM", members) for members in _custom_datum(index, operand, place)]


def _condition(kind: str, members: Members) -> Members:
    return {"targetingType": kind, "isInclude": True, **members}


def write_condition(raw: Members, names: Names) -> tuple[str, Any] | None:
    """The key and the operand of a condition, ``isInclude`` left aside; ``None`` where it has no short form."""
    try:
        if raw["targetingType"] == "CUSTOM_DATUM":
            index = int(raw["customDataIndex"])
            key = next(name for name, number in names.custom_data.items() if number == index)
            return key, _write_custom_datum(raw)
        key = _KEY_OF[raw["targetingType"]]
        return key, CONDITIONS[key].write(raw, names)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError):
        return None
