"""From an OpenFeature evaluation context to visitor data: reserved attributes by kind, all others by custom data name.

The rows of ``KINDS`` are the reserved attributes. Everything here runs on the caller's thread, for each evaluation, so
what the visitor already has is recognised before anything is built of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from math import isfinite
from typing import Any, NamedTuple, cast

from .datafile.index import DataFileIndex
from .errors import VisitorDataInvalid
from .visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
    as_text,
)
from .visitors.visitor import Visitor, custom_data_index

__all__ = [
    "KINDS",
    "VARIABLE_KEY",
    "Field",
    "Kind",
    "conversion_metadata",
    "goal_id",
    "new_data",
    "revenue_of",
    "variable_key",
]

VARIABLE_KEY = "variableKey"
"""The reserved attribute that names the variable to answer with."""

CUSTOM_DATA = "customData"
"""The reserved attribute of Kameleoon's own providers: ``{"index": 1, "values": "x"}`` or a list of these (13.2)."""


LONGEST_GOAL_ID = 18
"""Digits; Kameleoon's ids are far shorter, and Python does not convert just any number of them."""


class Field(NamedTuple):
    """A field of a reserved attribute: its name there, what reads it, and what stands for it when it is absent."""

    name: str
    read: Callable[[Any], Any]
    is_required: bool = False
    default: Any = None


class Kind(NamedTuple):
    """A reserved attribute: the data it becomes, of which fields, and whether a visitor has it already.

    A value that is no mapping stands for the first field alone.
    """

    data: type
    fields: tuple[Field, ...]
    has: Callable[[Visitor, Any, DataFileIndex], bool]
    make: Callable[..., Data] | None = None


def new_data(attributes: Mapping[str, Any], visitor: Visitor, index: DataFileIndex) -> list[Data]:
    """What the attributes say of the visitor that is not known of it yet, in their order.

    Raises ``VisitorDataInvalid``, naming the attribute and the field, for what cannot be read. Attributes that are
    neither reserved nor the name of a custom datum are ignored, and so is ``None``.
    """
    new: list[Data] = []
    known = visitor.custom_data
    names = index.custom_data_by_name
    for name, value in attributes.items():
        number = names.get(name)
        if number is not None and name not in RESERVED:
            if value is None:
                continue
            kind = type(value)
            try:
                values = value if kind is str else str(value) if kind is int else _texts(name, value)
            except ValueError as error:  # an integer that is too long for Python to write
                raise VisitorDataInvalid(f"context attribute {name!r}: {error}") from error
            if known.get(number) != values:
                new.append(_custom_data(name, number, values))
        elif name == CUSTOM_DATA:
            for item in value if type(value) is list else _as_list(value):
                try:
                    if known[item["index"]] == item["values"]:  # the usual form of what is known already
                        continue
                except (KeyError, TypeError):
                    pass
                new += _read_new(name, item, visitor, index)
        elif name in KINDS:
            for item in _as_list(value):
                new += _read_new(name, item, visitor, index)
    return new


def _read_new(name: str, value: Any, visitor: Visitor, index: DataFileIndex) -> Iterator[Data]:
    """The data of one value of a reserved attribute, unless the visitor has it."""
    if value is not None:
        kind = KINDS[name]
        data = _read(name, kind, value)
        if not kind.has(visitor, data, index):
            yield data


def variable_key(attributes: Mapping[str, Any]) -> str | None:
    """The key of the variable to answer with; ``None`` for the first one. Raises ``VisitorDataInvalid``."""
    key = attributes.get(VARIABLE_KEY)
    if key is None or type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise VisitorDataInvalid(f"context attribute {VARIABLE_KEY!r}: a string is expected, not {type(key).__name__}")


def goal_id(name: str, goals: Mapping[str, int]) -> int:
    """The goal that a tracking event converts: by its name in the setting ``goals``, or by its id.

    Raises ``VisitorDataInvalid``.
    """
    if name in goals:
        return goals[name]
    if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) <= LONGEST_GOAL_ID:
        return int(name)
    raise VisitorDataInvalid("the event is neither a goal id nor a name of the setting 'goals'")


def revenue_of(value: Any) -> float:
    """A tracking event's value as revenue; a whole number stays one, as it is written without a point on the wire.

    Raises ``VisitorDataInvalid`` for what is no finite number.
    """
    if type(value) is float and isfinite(value):
        return value
    try:
        number = 0.0 if value is None else _number(value)
        return value if type(value) is int else number
    except (TypeError, ValueError, OverflowError) as error:
        raise VisitorDataInvalid(f"the event's value cannot be a revenue: {error}") from error


def conversion_metadata(attributes: Mapping[str, Any], index: DataFileIndex) -> tuple[CustomData, ...]:
    """A tracking event's attributes as metadata of the conversion; those that name no custom data are left out."""
    return tuple(
        _custom_data(name, index.custom_data_by_name[name], _texts(name, value))
        for name, value in attributes.items()
        if name in index.custom_data_by_name and value is not None
    )


def _as_list(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _read(attribute: str, kind: Kind, value: Any) -> Data:
    """One data object of one value of a reserved attribute."""
    if isinstance(value, kind.data):
        return cast("Data", value)
    first = kind.fields[0].name
    fields = value if isinstance(value, Mapping) and (first in value or kind.data is not Cookie) else {first: value}
    arguments = []
    for field in kind.fields:
        given = fields.get(field.name)
        if given is None and field.is_required:
            raise _invalid(attribute, field.name, "is missing")
        try:
            arguments.append(field.default if given is None else field.read(given))
        except (TypeError, ValueError, OverflowError) as error:
            raise _invalid(attribute, field.name, str(error)) from error
    try:
        return (kind.make or kind.data)(*arguments)
    except ValueError as error:
        raise _invalid(attribute, first, str(error)) from error


def _invalid(attribute: str, field: str, problem: str) -> VisitorDataInvalid:
    return VisitorDataInvalid(f"context attribute {attribute!r}, field {field!r}: {problem}")


def _texts(attribute: str, value: Any) -> str | tuple[str, ...]:
    """The values of a custom datum, a single one as itself (6.1): lists have several, mappings are JSON text."""
    try:
        if isinstance(value, list | tuple | set | frozenset):
            texts = tuple(map(as_text, value))
            if isinstance(value, set | frozenset):
                texts = tuple(sorted(texts))  # in which order they stand there, no two processes agree
            return texts[0] if len(texts) == 1 else texts
        if isinstance(value, Mapping):
            return json.dumps(dict(value), separators=(",", ":"), allow_nan=False)
        return as_text(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise VisitorDataInvalid(f"context attribute {attribute!r}: {error}") from error


def _custom_data(attribute: str, number: int, values: str | tuple[str, ...]) -> CustomData:
    try:
        return CustomData(number, *((values,) if isinstance(values, str) else values))
    except TypeError as error:
        raise VisitorDataInvalid(f"context attribute {attribute!r}: {error}") from error


# What reads the fields ------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is expected, not {type(value).__name__}")
    return as_text(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is expected, not {type(value).__name__}")
    if not isfinite(value):
        raise ValueError("a finite number is expected")
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"an integer is expected, not {type(value).__name__}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"a boolean is expected, not {type(value).__name__}")
    return value


def _member(members: type[Enum]) -> Callable[[Any], Any]:
    """A member of an enumeration, by itself or by its name in any case."""

    def read(value: Any) -> Any:
        if isinstance(value, members):
            return value
        member = members.__members__.get(value.upper()) if isinstance(value, str) else None
        if member is None:
            raise ValueError(f"one of {', '.join(members.__members__)} is expected")
        return member

    return read


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(_integer(item) for item in (value if isinstance(value, list | tuple) else (value,)))


def _many_texts(value: Any) -> tuple[str, ...]:
    return tuple(map(as_text, value)) if isinstance(value, list | tuple) else (as_text(value),)


def _text_by_name(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"a mapping is expected, not {type(value).__name__}")
    return {_text(name): _text(text) for name, text in value.items()}


def _metadata(value: Any) -> tuple[Data, ...]:
    return tuple(_read("conversion.metadata", KINDS[CUSTOM_DATA], item) for item in _as_list(value))


# The reserved attributes ----------------------------------------------------------------------------------------------


def _make_custom_data(index: int | None, name: str | None, values: tuple[str, ...], overwrite: bool) -> CustomData:
    if index is None and name is None:
        raise ValueError("is missing, and so is 'name'")
    if index is not None and index < 0:
        raise ValueError("must not be negative")
    return CustomData(index if index is not None else name or "", *values, overwrite=overwrite)


def _has_custom_data(visitor: Visitor, datum: CustomData, index: DataFileIndex) -> bool:
    number = custom_data_index(datum, index)
    if number is None:
        return False
    return visitor.custom_data.get(number) == (datum.values[0] if len(datum.values) == 1 else datum.values)


def _has(trait: str) -> Callable[[Visitor, Data, DataFileIndex], bool]:
    return lambda visitor, data, index: getattr(visitor.traits, trait) == data


def _has_cookies(visitor: Visitor, cookie: Cookie, index: DataFileIndex) -> bool:
    return visitor.traits.cookies == cookie.cookies


def _has_page(visitor: Visitor, page: PageView, index: DataFileIndex) -> bool:
    """A page counts anew once another one was seen in between."""
    latest = max(visitor.traits.pages.values(), key=lambda visit: visit.time, default=None)
    return latest is not None and latest.page == page


def _has_identifier(visitor: Visitor, data: UniqueIdentifier, index: DataFileIndex) -> bool:
    return visitor.is_unique_identifier == data.value


def _never(visitor: Visitor, data: Data, index: DataFileIndex) -> bool:
    return False


KINDS: Mapping[str, Kind] = {
    "applicationVersion": Kind(
        ApplicationVersion, (Field("version", _text, is_required=True),), _has("application_version")
    ),
    "browser": Kind(
        Browser,
        (Field("browserType", _member(BrowserType), is_required=True), Field("version", _number)),
        _has("browser"),
    ),
    "conversion": Kind(
        Conversion,
        (
            Field("goalId", _integer, is_required=True),
            Field("revenue", _number, default=0.0),
            Field("negative", _boolean, default=False),
            Field("metadata", _metadata),
        ),
        _never,  # each evaluation that carries it records it, as Kameleoon's own providers do
    ),
    "cookie": Kind(Cookie, (Field("cookies", _text_by_name, is_required=True),), _has_cookies),
    CUSTOM_DATA: Kind(
        CustomData,
        (
            Field("index", _integer),
            Field("name", _text),
            Field("values", _many_texts, default=()),
            Field("overwrite", _boolean, default=True),
        ),
        _has_custom_data,
        _make_custom_data,
    ),
    "device": Kind(Device, (Field("deviceType", _member(DeviceType), is_required=True),), _has("device")),
    "geolocation": Kind(
        Geolocation,
        (
            Field("country", _text, is_required=True),
            Field("region", _text),
            Field("city", _text),
            Field("postalCode", _text),
            Field("latitude", _number),
            Field("longitude", _number),
        ),
        _has("geolocation"),
    ),
    "operatingSystem": Kind(
        OperatingSystem,
        (Field("osType", _member(OperatingSystemType), is_required=True),),
        _has("operating_system"),
    ),
    "pageView": Kind(
        PageView,
        (Field("url", _text, is_required=True), Field("title", _text), Field("referrers", _integers)),
        _has_page,
    ),
    "uniqueIdentifier": Kind(UniqueIdentifier, (Field("value", _boolean, is_required=True),), _has_identifier),
    "userAgent": Kind(UserAgent, (Field("value", _text, is_required=True),), _has("user_agent")),
}
"""The reserved attributes that are visitor data, by name."""

RESERVED = frozenset({VARIABLE_KEY, *KINDS})
