"""The flag file's own members, declared; and how what does not fit them is told: where, what, and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, overload

import msgspec

from ..datafile.model import Number
from ..errors import DataFileInvalid
from ..transport.foreign_text import printable

__all__ = [
    "TOP",
    "CustomDatum",
    "Flag",
    "FlagFile",
    "Form",
    "Percent",
    "Place",
    "Raw",
    "Rule",
    "Segment",
    "known",
    "percent",
    "share",
    "take",
    "wrong",
]

Raw = dict[str, Any]
"""Members of the data file's JSON object, as they stand there; they win over what the other keys say."""

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]

T = TypeVar("T")

SHOWN, SHOWN_CHOICES = 60, 12
"""Characters of a name, and names, that a message has."""

MOST_CHOICES = 1_000
"""Names that a wrong one is compared with, which takes its time."""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the flag file."""


class Rule(Form, frozen=True):
    """A rule: one of ``serve``, ``experiment`` and ``raw`` says what it gives. Shares are in percent."""

    serve: str | None = None
    experiment: dict[str, Any] | list[str] | None = None
    segment: str | dict[str, Any] | list[Any] | None = None
    exposition: Percent = 100
    id: Number | None = None
    experiment_id: Number | None = None
    variation_ids: list[Number | None] | None = None
    respool_time: Number | None = None
    raw: Raw = {}


class Flag(Form, frozen=True):
    """A flag; ``names`` are its variations' by key, ``types`` its variables' where the values do not tell them."""

    variations: dict[str, Any] | None = None
    rules: list[dict[str, Any]] = []
    default: str | None = None
    enabled: bool = True
    group: str | None = None
    bucketing: str | None = None
    names: dict[str, str] = {}
    types: dict[str, str] = {}
    id: Number | None = None
    raw: Raw = {}


class Segment(Form, frozen=True):
    """A segment that has more than conditions."""

    when: dict[str, Any] | list[Any] | None = None
    audience: bool = False
    id: Number | None = None
    raw: Raw = {}


class CustomDatum(Form, frozen=True):
    """A custom datum that has more than a name. Its ``index`` is the one after that of the datum before it."""

    name: str | None = None
    index: Number | None = None
    id: Number | None = None
    scope: str | None = None
    local_only: bool = False
    mapping_identifier: bool = False
    raw: Raw = {}


class FlagFile(Form, frozen=True):
    """The whole file; ``configuration`` and ``holdout`` are as in a data file."""

    flags: dict[str, Any] = {}
    segments: dict[str, Any] = {}
    custom_data: list[Any] = []
    configuration: Raw | None = None
    holdout: Raw | None = None
    date_modified: Number = 0
    raw: Raw = {}


class Place:
    """Where in the file something stands, as its path: ``flags.new_checkout.rules[0]``."""

    __slots__ = ("path",)

    def __init__(self, path: str = "") -> None:
        self.path = path

    def __truediv__(self, key: str | int) -> Place:
        if isinstance(key, int):
            return Place(f"{self.path}[{key}]")
        return Place(f"{self.path}.{printable(key, SHOWN)}".removeprefix("."))


TOP = Place()
"""The file itself."""


def wrong(place: Place, problem: str) -> DataFileInvalid:
    """What is wrong at a place of the file, as an exception."""
    return DataFileInvalid(f"the flag file is wrong at {place.path or 'its top'}: {problem}")


def known(what: str, name: str, names: Collection[str], place: Place) -> str:
    """A name that must be one of ``names``. Raises ``DataFileInvalid``, with the one that may be meant."""
    if name in names:
        return name
    choices = sorted(names)[:MOST_CHOICES]
    close = get_close_matches(name[:SHOWN], choices, 1)
    shown = ", ".join(printable(choice, SHOWN) for choice in choices[:SHOWN_CHOICES]) or "none at all"
    more = ", ..." if len(names) > SHOWN_CHOICES else ""
    hint = f"did you mean {close[0]!r:.60}?" if close else f"there is: {shown}{more}"
    raise wrong(place, f"there is no {what} {name!r:.60}; {hint}")


@overload
def take(value: object, kind: type[T], place: Place) -> T: ...


@overload
def take(value: object, kind: object, place: Place) -> Any: ...


def take(value: object, kind: Any, place: Place) -> Any:
    """A value as what was declared. Raises ``DataFileInvalid``."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        known("key", unknown[1], [field.name for field in msgspec.structs.fields(kind)], place)
    problem, _, inner = message.partition(" - at ")
    path = place.path + re.sub(r"^(?:`key` in )?`\$|`$", "", inner)
    raise wrong(Place(path.removeprefix(".")), _in_yaml_words(problem))


def _in_yaml_words(problem: str) -> str:
    return problem[:1].lower() + re.sub("`(.*?)`", _alternatives, problem[1:])


def _alternatives(found: re.Match[str]) -> str:
    kinds = found[1].split(" | ")
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds if kind != "null" or len(kinds) == 1)


_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def share(percentage: float) -> float:
    """A percentage as a share in [0, 1], by its decimals: 34 is 0.34."""
    return float(Decimal(repr(percentage)) / 100)


def percent(part: float) -> int | float:
    """The percentage of a share in [0, 1]."""
    exact = Decimal(repr(part)) * 100
    return int(exact) if exact == int(exact) else float(exact)
