"""Reads the visitor endpoint's answer: an item that makes no sense costs only itself (specs/kameleoon-sdk.md 9.3, 9.4).

Milliseconds end here: times inside are Unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from ..datafile.model import Wire
from .data import (
    Browser,
    BrowserType,
    Conversion,
    CustomData,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
)
from .remote import PreviousVisit, RemoteVisitorData, RemoteVisitorDataFilter
from .traits import Assignment, Exposure, PageVisit, RecordedConversion

__all__ = ["parse_visitor_data"]

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

Scores = dict[int, dict[int, float]]


class _CustomDatum(Wire, frozen=True):
    index: int
    values_count_map: dict[str, Any]


class _Page(Wire, frozen=True):
    href: str
    title: str | None = None


class _Variation(Wire, frozen=True):
    id: int
    variation_id: int


class _Goal(Wire, frozen=True):
    goal_id: int
    revenue: float | None = None
    negative: bool | None = None


class _Place(Wire, frozen=True):
    country: str
    region: str | None = None
    city: str | None = None


class _Event(Wire, Generic[T], frozen=True):
    data: T
    time: float | None = None

    def seconds(self, otherwise: float) -> float:
        """When it happened."""
        return otherwise if self.time is None else self.time / 1000


_Visit = dict[str, Any]


def parse_visitor_data(answer: object, wanted: RemoteVisitorDataFilter, *, now: float) -> RemoteVisitorData:
    """Read a decoded answer of the visitor endpoint (9.3, 9.4); what is no object is an empty one.

    ``now``, in Unix seconds, is the time of conversions that come without one.
    """
    members = _object(answer)
    current = _object(members.get("currentVisit"))
    previous = [_object(visit) for visit in _list(members.get("previousVisits"))]
    visits = [current, *previous]
    static = [_object(_object(visit.get("staticDataEvent")).get("data")) for visit in visits]
    heat, scores = members.get("kcs"), members.get("cbs")
    return RemoteVisitorData(
        visitor_code=_visitor_code(visits) if wanted.visitor_code else None,
        custom_data=_custom_data(visits),
        pages=_pages(visits),
        device=_device(static) if wanted.device else None,
        browser=_browser(static) if wanted.browser else None,
        operating_system=_operating_system(static) if wanted.operating_system else None,
        geolocation=_geolocation(visits),
        conversions=_conversions(visits, now),
        assignments=_assignments(visits),
        personalizations=_personalizations(visits) or None,
        previous_visits=tuple(_previous_visit(visit) for visit in previous),
        visit_number=_visit_number(static),
        heat=_scores(heat) if isinstance(heat, dict) else None,
        scores=_scores(scores) or None,
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _convert(value: object, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError:
        return None


def _events(visit: _Visit, member: str, kind: type[_Event[T]]) -> list[_Event[T]]:
    """The events of one kind in the order of the answer, without those that make no sense."""
    events = (_convert(event, kind) for event in _list(visit.get(member)))
    return [event for event in events if event is not None]


def _latest_first(visits: list[_Visit], member: str, kind: type[_Event[T]]) -> Iterator[tuple[T, float]]:
    """What happened in all visits and when, the latest first; without a time, when its visit began."""
    for visit in visits:
        start = _previous_visit(visit).start
        for event in reversed(_events(visit, member, kind)):
            yield event.data, event.seconds(start)


def _visitor_code(visits: list[_Visit]) -> str | None:
    codes = (visit.get("visitorCode") for visit in visits)
    return next((code for code in codes if isinstance(code, str)), None)


def _custom_data(visits: list[_Visit]) -> tuple[CustomData, ...]:
    found: dict[int, CustomData] = {}
    for datum, _ in _latest_first(visits, "customDataEvents", _Event[_CustomDatum]):
        if datum.index >= 0 and datum.index not in found:
            found[datum.index] = CustomData(datum.index, *datum.values_count_map)
    return tuple(found.values())


def _pages(visits: list[_Visit]) -> tuple[PageVisit, ...]:
    found: dict[str, PageVisit] = {}
    for page, time in _latest_first(visits, "pageEvents", _Event[_Page]):
        if not page.href:
            continue
        latest = found.get(page.href) or PageVisit(PageView(page.href, page.title), 0, time)
        found[page.href] = latest._replace(views=latest.views + 1)
    return tuple(found.values())


def _assignments(visits: list[_Visit]) -> tuple[Assignment, ...]:
    found: dict[int, Assignment] = {}
    for event, time in _latest_first(visits, "experimentEvents", _Event[_Variation]):
        if event.id not in found:
            exposure = Exposure(event.id, event.variation_id, None)
            found[event.id] = Assignment(exposure, time, -math.inf, is_reported=False)
    return tuple(found.values())


def _personalizations(visits: list[_Visit]) -> dict[int, float]:
    found: dict[int, float] = {}
    for event, time in _latest_first(visits, "personalizationEvents", _Event[_Variation]):
        found.setdefault(event.id, time)
    return found


def _conversions(visits: list[_Visit], now: float) -> tuple[RecordedConversion, ...]:
    return tuple(
        RecordedConversion(
            Conversion(event.data.goal_id, event.data.revenue or 0.0, bool(event.data.negative)),
            event.seconds(now),
        )
        for visit in visits
        for event in _events(visit, "conversionEvents", _Event[_Goal])
    )


def _geolocation(visits: list[_Visit]) -> Geolocation | None:
    for visit in visits:
        events = _events(visit, "geolocationEvents", _Event[_Place])
        if events:
            place = events[-1].data
            return Geolocation(place.country, place.region, place.city)
    return None


def _device(static: list[dict[str, Any]]) -> Device | None:
    kinds = (_named(DeviceType, event.get("deviceType")) for event in static)
    return next((Device(kind) for kind in kinds if kind is not None), None)


def _browser(static: list[dict[str, Any]]) -> Browser | None:
    for event in static:
        kind = _named(BrowserType, event.get("browser"))
        if kind is not None:
            return Browser(kind, _convert(event.get("browserVersion"), float))
    return None


def _operating_system(static: list[dict[str, Any]]) -> OperatingSystem | None:
    kinds = (_named(OperatingSystemType, event.get("os")) for event in static)
    return next((OperatingSystem(kind) for kind in kinds if kind is not None), None)


def _named(kind: type[E], name: object) -> E | None:
    """The member of an enumeration; ``None`` for a literal that is missing or unknown."""
    return kind.__members__.get(name) if isinstance(name, str) else None


def _visit_number(static: list[dict[str, Any]]) -> int:
    """The number of the current visit, counted on from the first visit of which the server says it."""
    for visits_ago, event in enumerate(static):
        number = _convert(event.get("visitNumber"), int)
        if number:
            return number + visits_ago
    return 0


def _previous_visit(visit: _Visit) -> PreviousVisit:
    start = _convert(visit.get("timeStarted"), float) or 0.0
    last_event = _convert(visit.get("timeLastEvent"), float)
    return PreviousVisit(start / 1000, (start if last_event is None else last_event) / 1000)


def _scores(value: object) -> Scores:
    """Numbers by two ids that JSON writes as text; what is none of that is left out."""
    scores: Scores = {}
    for outer, inner in _numbered(value):
        found = {number: _score(score) for number, score in _numbered(inner)}
        known = {number: score for number, score in found.items() if score is not None}
        if known:
            scores[outer] = known
    return scores


def _score(value: object) -> float | None:
    # The reference takes true for 1 and false for 0 (vector e2e-387).
    return float(value) if isinstance(value, bool) else _convert(value, float)


def _numbered(value: object) -> Iterator[tuple[int, Any]]:
    for key, item in _object(value).items():
        try:
            yield int(key), item
        except ValueError:
            continue
