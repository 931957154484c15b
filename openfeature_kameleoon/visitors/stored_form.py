"""A visitor as the fields of a Redis hash: processes that write different fields keep each other's work.

A field is a kind and a key within it: ``("data", 3)`` is stored as ``data:3``, its value as JSON. The kinds are the
rows of ``KINDS``. What is still to be reported is no field: it stays with the process that learnt it. Pure.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from hashlib import blake2b
from math import inf
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from .data import (
    ApplicationVersion,
    Browser,
    Conversion,
    CustomData,
    Device,
    Geolocation,
    OperatingSystem,
    PageView,
    UserAgent,
)
from .traits import (
    NO_TRAITS,
    Assignment,
    Exposure,
    ForcedVariation,
    LegalConsent,
    PageVisit,
    RecordedConversion,
    Traits,
    Values,
    VisitHistory,
)
from .visitor import Visitor

__all__ = [
    "ABSENT",
    "KINDS",
    "Field",
    "Kind",
    "alias_of",
    "decode",
    "encode",
    "name_of",
    "put",
    "settle",
]

LONGEST_ID = 18
"""Digits; Kameleoon's numbers are far shorter, and Python does not convert just any number of them."""

MOST_BYTES = 1 << 16
"""Of one field; a longer one stays with its process, as reading it would take too long."""

Field = tuple[str, Any]
"""The name of a kind, and what tells its fields apart."""


class Absent:
    """There is no such field."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Kind(NamedTuple):
    """A kind of fields: what a visitor has of it and how that is changed, written and read.

    ``source`` is what tells cheaply that nothing has changed, ``items`` the fields in it by key. ``put`` takes
    ``ABSENT`` too. ``offset`` is what to add to Unix time to get this process's monotonic time.
    """

    source: Callable[[Visitor], Any]
    put: Callable[[Visitor, Any, Any], None]
    read: Callable[[str, bytes, float], tuple[Any, Any]]
    write: Callable[[Any, float], object]
    items: Callable[[Any], Mapping[Any, Any]] = lambda source: source


def encode(field: Field, value: Any, offset: float) -> tuple[bytes, bytes]:
    """A field's name and value as they are stored. Raises ``ValueError`` or ``TypeError`` for what cannot be."""
    kind = KINDS[field[0]]
    try:
        text = msgspec.json.encode(kind.write(value, offset))
    except (OverflowError, RecursionError) as error:
        raise ValueError("too large a number, or nested too deeply") from error
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text)} bytes are too many")
    return name_of((field[0], _digest(text))) if field[0] == "conversion" else name_of(field), text


def name_of(field: Field) -> bytes:
    """A field's name as it is stored. Raises ``ValueError``."""
    return f"{field[0]}:{field[1]}".encode()


def decode(stored: Mapping[bytes, bytes], code: str, offset: float) -> Visitor:
    """The visitor that some stored fields make; those that make no sense are left out, one by one."""
    visitor = Visitor(code)
    views = []
    for name, text in stored.items():
        try:
            kind, _, key = name.decode().partition(":")
            field = KINDS[kind].read(key, text, offset)
        except (KeyError, ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
            continue
        if kind == "views":
            views.append(field)
        else:
            KINDS[kind].put(visitor, *field)
    for field in views:
        KINDS["views"].put(visitor, *field)
    settle(visitor)
    return visitor


def alias_of(stored: Mapping[bytes, bytes]) -> str | None:
    """The visitor code that shares all of its data with this one, if this is a user id that it was linked to (6.6)."""
    try:
        return str(KINDS["own"].read("alias_of", stored[b"own:alias_of"], 0.0)[1])
    except (KeyError, ValueError, RecursionError):
        return None


def put(visitor: Visitor, field: Field, value: Any) -> None:
    """Have the visitor have this value, or with ``ABSENT`` none. ``settle`` is the caller's to do."""
    KINDS[field[0]].put(visitor, field[1], value)


def settle(visitor: Visitor) -> None:
    """Have the visitor's traits know about themselves what follows from their fields."""
    if visitor.traits is not NO_TRAITS:
        visitor.traits.settle()


# Values of most kinds are stored as they are --------------------------------------------------------------------------


def _itself(value: Any, offset: float) -> object:
    return value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_ID):
        raise ValueError("an id is expected")
    return int(text)


def _by_number(stored: Any) -> Callable[[str, bytes, float], tuple[int, Any]]:
    decoder = msgspec.json.Decoder(stored)
    return lambda key, text, offset: (_number(key), decoder.decode(text))


def _by_name(rows: Mapping[str, Any]) -> Callable[[str, bytes, float], tuple[str, Any]]:
    decoders = {name: msgspec.json.Decoder(stored) for name, stored in rows.items()}
    return lambda key, text, offset: (key, decoders[key].decode(text))


# Of the visitor itself ------------------------------------------------------------------------------------------------


def _first(visitor: Visitor) -> Mapping[str, Any]:
    fields = (("started", visitor.started), ("hashing_code", visitor.hashing_code))
    return {name: value for name, value in fields if value}


def _put_first(visitor: Visitor, key: str, value: Any) -> None:
    setattr(visitor, key, (0.0 if key == "started" else None) if value is ABSENT else value)


def _own(visitor: Visitor) -> Mapping[str, Any]:
    return {"is_unique_identifier": True} if visitor.is_unique_identifier else {}


def _put_own(visitor: Visitor, key: str, value: Any) -> None:
    if key == "is_unique_identifier":  # alias_of is about codes, not about what a visitor has
        visitor.is_unique_identifier = value is not ABSENT and value


# Custom data ----------------------------------------------------------------------------------------------------------


def _put_data(visitor: Visitor, index: int, values: Any) -> None:
    if values is not ABSENT:
        visitor.set_custom_data(index, values)
    elif index in visitor.custom_data:
        del visitor.custom_data[index]


def _additive(traits: Traits) -> Mapping[int, bool]:
    return dict.fromkeys(traits.additive, True)


def _put_additive(visitor: Visitor, index: int, value: Any) -> None:
    traits = visitor.own_traits()
    traits.additive = traits.additive | {index} if value is True else traits.additive - {index}


# Assignments ----------------------------------------------------------------------------------------------------------


class _Assigned(msgspec.Struct, omit_defaults=True):
    variation: int
    time: float
    rule: str | None = None
    evaluated: float | None = None
    """Unix time; ``None`` for an assignment that came from Kameleoon's server."""
    reported: bool = False


_assigned = msgspec.json.Decoder(_Assigned)


def _write_assignment(assignment: Assignment, offset: float) -> _Assigned:
    exposure, at = assignment.exposure, assignment.evaluated_at
    evaluated = None if at == -inf else round(at - offset, 3)
    return _Assigned(exposure.variation_id, assignment.time, exposure.rule_type, evaluated, assignment.is_reported)


def _read_assignment(key: str, text: bytes, offset: float) -> tuple[int, Assignment]:
    stored, experiment_id = _assigned.decode(text), _number(key)
    evaluated_at = -inf if stored.evaluated is None else stored.evaluated + offset
    exposure = Exposure(experiment_id, stored.variation, stored.rule)
    return experiment_id, Assignment(exposure, stored.time, evaluated_at, stored.reported)


def _put_assignment(visitor: Visitor, experiment_id: int, assignment: Any) -> None:
    if assignment is not ABSENT:
        visitor.set_assignment(assignment)
    elif experiment_id in visitor.assignments:
        del visitor.assignments[experiment_id]


# Pages: how often each was seen is counted in Redis, so that no process's view is lost --------------------------------


class _Page(msgspec.Struct, omit_defaults=True):
    time: float
    title: str | None = None
    referrers: tuple[int, ...] | None = None


_page = msgspec.json.Decoder(_Page)


def _pages(pages: Mapping[str, PageVisit]) -> Mapping[str, tuple[PageView, float]]:
    return {url: (visit.page, visit.time) for url, visit in pages.items()}


def _views(pages: Mapping[str, PageVisit]) -> Mapping[str, int]:
    return {url: visit.views for url, visit in pages.items()}


def _write_page(page_and_time: tuple[PageView, float], offset: float) -> _Page:
    page, time = page_and_time
    referrers = page.referrers
    # An iterator can be read once, and that is for the one who reports it.
    return _Page(time, page.title, tuple(referrers) if isinstance(referrers, tuple | list | set | frozenset) else None)


def _read_page(key: str, text: bytes, offset: float) -> tuple[str, tuple[PageView, float]]:
    stored = _page.decode(text)
    return key, (PageView(key, stored.title, stored.referrers), stored.time)


def _put_page(visitor: Visitor, url: str, page_and_time: Any) -> None:
    pages = visitor.own_traits().own("pages")
    if page_and_time is ABSENT:
        pages.pop(url, None)
    else:
        known = pages.get(url)
        pages[url] = PageVisit(page_and_time[0], known.views if known else 1, page_and_time[1])


def _put_views(visitor: Visitor, url: str, views: Any) -> None:
    known = visitor.traits.pages.get(url)
    if known is not None and views is not ABSENT:
        visitor.traits.pages[url] = known._replace(views=max(1, views))


def _read_views(key: str, text: bytes, offset: float) -> tuple[str, int]:
    return key, _number(text.decode())


# Conversions: each is a field of its own, named after what it says ----------------------------------------------------


class _Converted(msgspec.Struct, omit_defaults=True):
    goal: int
    time: float
    revenue: float = 0.0
    negative: bool = False
    metadata: tuple[tuple[int, tuple[str, ...]], ...] | None = None


_converted = msgspec.json.Decoder(_Converted)


def _conversions(conversions: list[RecordedConversion]) -> Mapping[RecordedConversion, RecordedConversion]:
    return {conversion: conversion for conversion in conversions}


def _write_conversion(recorded: RecordedConversion, offset: float) -> _Converted:
    goal, revenue, negative, metadata = msgspec.structs.astuple(recorded.conversion)
    told = None if metadata is None else tuple((datum.index, datum.values) for datum in metadata)
    return _Converted(goal, recorded.time, revenue, negative, told)


def _read_conversion(key: str, text: bytes, offset: float) -> tuple[RecordedConversion, RecordedConversion]:
    stored = _converted.decode(text)
    metadata = None
    if stored.metadata is not None:
        metadata = tuple(CustomData(index, *values) for index, values in stored.metadata)
    conversion = Conversion(stored.goal, stored.revenue, stored.negative, metadata)
    recorded = RecordedConversion(conversion, stored.time)
    return recorded, recorded


def _put_conversion(visitor: Visitor, key: RecordedConversion, value: Any) -> None:
    conversions = visitor.own_traits().conversions
    if key in conversions:
        if value is ABSENT:
            conversions.remove(key)
    elif value is not ABSENT:
        insort(conversions, key, key=attrgetter("time"))


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=12).hexdigest()


# What few visitors have -----------------------------------------------------------------------------------------------


def _put_into(table: str) -> Callable[[Visitor, int, Any], None]:
    def put_into(visitor: Visitor, key: int, value: Any) -> None:
        entries = visitor.own_traits().own(table)
        if value is ABSENT:
            entries.pop(key, None)
        else:
            entries[key] = value

    return put_into


TRAITS: Mapping[str, Any] = {
    "browser": Browser,
    "device": Device,
    "operating_system": OperatingSystem,
    "geolocation": Geolocation,
    "application_version": ApplicationVersion,
    "user_agent": UserAgent,
    "cookies": dict[str, str],
    "visits": VisitHistory,
    "heat": dict[int, dict[int, float]],
    "scores": dict[int, dict[int, float]],
    "simulated": dict[str, ForcedVariation],
    "consent": LegalConsent,
    "is_linked": bool,
}
"""Traits of which a visitor has one, by their names in ``Traits``, and their types."""


def _traits(traits: Traits) -> Mapping[str, Any]:
    if traits is NO_TRAITS:
        return {}
    return {name: value for name in TRAITS if (value := getattr(traits, name)) != getattr(NO_TRAITS, name)}


def _put_trait(visitor: Visitor, name: str, value: Any) -> None:
    setattr(visitor.own_traits(), name, getattr(Traits(), name) if value is ABSENT else value)


KINDS: Mapping[str, Kind] = {
    "first": Kind(_first, _put_first, _by_name({"started": float, "hashing_code": str}), _itself),
    "own": Kind(_own, _put_own, _by_name({"is_unique_identifier": bool, "alias_of": str}), _itself),
    "data": Kind(attrgetter("custom_data"), _put_data, _by_number(Values), _itself),
    "additive": Kind(attrgetter("traits"), _put_additive, _by_number(bool), _itself, _additive),
    "assignment": Kind(attrgetter("assignments"), _put_assignment, _read_assignment, _write_assignment),
    "forced": Kind(attrgetter("traits.forced"), _put_into("forced"), _by_number(ForcedVariation), _itself),
    "page": Kind(attrgetter("traits.pages"), _put_page, _read_page, _write_page, _pages),
    "views": Kind(attrgetter("traits.pages"), _put_views, _read_views, _itself, _views),
    "conversion": Kind(
        attrgetter("traits.conversions"), _put_conversion, _read_conversion, _write_conversion, _conversions
    ),
    "personalization": Kind(
        attrgetter("traits.personalizations"), _put_into("personalizations"), _by_number(float), _itself
    ),
    "trait": Kind(attrgetter("traits"), _put_trait, _by_name(TRAITS), _itself, _traits),
}
"""The kinds of fields by the name that stands before their keys in Redis.

``first`` is kept as it was written first. ``own`` belongs to a visitor code; all else is shared by the codes that are
linked (6.6). ``views`` is added to.
"""
