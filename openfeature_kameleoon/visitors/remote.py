"""What Kameleoon's server knows of a visitor: its answer read, and added (specs/kameleoon-sdk.md 9.2 to 9.4).

An item that makes no sense costs only itself. Milliseconds end here: times inside are Unix seconds. Fetching
the answer is the client's part; adding it runs under the lock of the store that owns the visitor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from sys import getsizeof
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from ..datafile.index import DataFileIndex
from ..datafile.model import Wire
from ..errors import ConfigSettingInvalid
from .data import (
    Browser,
    BrowserType,
    Conversion,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
)
from .traits import Assignment, Exposure, PageVisit, RecordedConversion, VisitHistory
from .visitor import Visitor

__all__ = [
    "PreviousVisit",
    "RemoteVisitorData",
    "RemoteVisitorDataFilter",
    "add_remote_data",
    "adopt_visitor_code",
    "parse_visitor_data",
]

MOST_PREVIOUS_VISITS = 25
"""More the server does not give."""

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

Scores = dict[int, dict[int, float]]


@dataclass(frozen=True, slots=True)
class RemoteVisitorDataFilter:
    """What to ask the server for, of the current visit and of 1 to 25 previous ones (9.2).

    ``device``, ``browser``, ``operating_system`` and ``visitor_code`` say what is used of an answer that has
    them anyway; with ``visitor_code`` the visitor may get other variations than before. Raises
    ``ConfigSettingInvalid`` for another number of visits.
    """

    previous_visit_amount: int = 1
    current_visit: bool = True
    custom_data: bool = True
    page_views: bool = False
    geolocation: bool = False
    device: bool = False
    browser: bool = False
    operating_system: bool = False
    conversions: bool = False
    experiments: bool = False
    kcs: bool = False
    visitor_code: bool = True
    cbs: bool = False
    personalization: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.previous_visit_amount <= MOST_PREVIOUS_VISITS:
            raise ConfigSettingInvalid(
                f"previous_visit_amount is 1 to {MOST_PREVIOUS_VISITS}, not {self.previous_visit_amount}",
                setting="previous_visit_amount",
            )


class PreviousVisit(NamedTuple):
    """When an earlier visit began, and when it was last heard of."""

    start: float
    last_event: float


@dataclass(frozen=True, slots=True)
class RemoteVisitorData:
    """All that was found in one answer. ``previous_visits`` are the most recent first.

    ``heat`` and ``scores`` are by key moment and goal, and by experiment and variation.
    """

    visitor_code: str | None = None
    custom_data: tuple[CustomData, ...] = ()
    pages: tuple[PageVisit, ...] = ()
    device: Device | None = None
    browser: Browser | None = None
    operating_system: OperatingSystem | None = None
    geolocation: Geolocation | None = None
    conversions: tuple[RecordedConversion, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    personalizations: Mapping[int, float] | None = None
    previous_visits: tuple[PreviousVisit, ...] = ()
    visit_number: int = 0
    heat: Mapping[int, Mapping[int, float]] | None = None
    scores: Mapping[int, Mapping[int, float]] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to add, and no visitor to be made for it."""
        return self == _NOTHING

    def as_data(self) -> list[Data]:
        """The part that is public data, in the order of 9.4 "Returned list"."""
        singles = (self.device, self.browser, self.operating_system, self.geolocation)
        return [
            *self.custom_data,
            *(visit.page for visit in self.pages),
            *(data for data in singles if data is not None),
            *(recorded.conversion for recorded in self.conversions),
        ]


_NOTHING = RemoteVisitorData()


# --- reading an answer --------------------------------------------------------------------------------------


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


# --- adding it to a visitor ---------------------------------------------------------------------------------


def adopt_visitor_code(visitor: Visitor, remote: RemoteVisitorData) -> None:
    """Hash this visitor by the code that the server knows it by, unless another one was set before (9.4)."""
    if remote.visitor_code and visitor.hashing_code is None:
        visitor.hashing_code = remote.visitor_code


def add_remote_data(visitor: Visitor, remote: RemoteVisitorData, index: DataFileIndex) -> None:
    """Add what the server knows: local data win, page counts add up, conversions are appended (6.2).

    Only the number of the visit and custom data of scope VISITOR are reported back, for the new visit (9.4).
    The mapping identifier among them links no codes.
    """
    for datum in remote.custom_data:
        _add_custom_datum(visitor, datum, index)
    for assignment in remote.assignments:
        if assignment.exposure.experiment_id not in visitor.assignments:
            visitor.set_assignment(assignment)
            visitor.size += 256
    _add_traits(visitor, remote)


def _add_custom_datum(visitor: Visitor, datum: CustomData, index: DataFileIndex) -> None:
    if datum.index in visitor.custom_data:
        return
    visitor.set_custom_data(datum.index, datum.values[0] if len(datum.values) == 1 else datum.values)
    visitor.size += 64 + sum(map(getsizeof, datum.values))
    info = index.custom_data.get(datum.index)
    if info is not None and info.scope == "VISITOR" and not info.local_only:
        visitor.note_unsent(datum.index)


def _add_traits(visitor: Visitor, remote: RemoteVisitorData) -> None:
    traits = visitor.own_traits()
    for trait in ("device", "browser", "operating_system", "geolocation"):
        data = getattr(remote, trait)
        if data is not None and getattr(traits, trait) is None:
            setattr(traits, trait, data)
            visitor.size += getsizeof(data)
    for visit in remote.pages:
        _add_page(visitor, visit)
    traits.conversions.extend(remote.conversions)
    visitor.size += 256 * len(remote.conversions)
    for personalization_id, time in (remote.personalizations or {}).items():
        traits.personalizations.setdefault(personalization_id, time)
    if remote.previous_visits and traits.visits is None:
        traits.visits = _history(visitor, remote)
        visitor.note_unsent(traits.visits)
    if remote.heat is not None:
        traits.heat = {moment: dict(scores) for moment, scores in remote.heat.items()}
    if remote.scores is not None and traits.scores is None:
        traits.scores = {experiment_id: dict(scores) for experiment_id, scores in remote.scores.items()}
    traits.settle()


def _add_page(visitor: Visitor, visit: PageVisit) -> None:
    pages = visitor.own_traits().pages
    known = pages.get(visit.page.url)
    if known is None:
        pages[visit.page.url] = visit
        visitor.size += 256 + getsizeof(visit.page.url)
    else:
        pages[visit.page.url] = PageVisit(known.page, known.views + visit.views, max(known.time, visit.time))


def _history(visitor: Visitor, remote: RemoteVisitorData) -> VisitHistory:
    """The earlier visits as seen from the current one, which began when the visitor was first seen here."""
    ages = (visitor.started - visit.last_event for visit in remote.previous_visits)
    return VisitHistory(
        starts=tuple(visit.start for visit in remote.previous_visits),
        visit_number=max(remote.visit_number, len(remote.previous_visits)),
        seconds_since_previous=next((age for age in ages if age >= 0), 0.0),
    )
