"""What Kameleoon's server knows of a visitor, and how that is added to one (specs/kameleoon-sdk.md 9.2 to 9.4).

Fetching the answer is the client's part, reading it remote_answer.py's. Adding runs under the lock of the store that
owns the visitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from typing import NamedTuple

import msgspec

from ..datafile.index import DataFileIndex
from ..errors import ConfigSettingInvalid
from .data import (
    Browser,
    CustomData,
    Data,
    Device,
    Geolocation,
    OperatingSystem,
)
from .traits import Assignment, PageVisit, RecordedConversion, VisitHistory
from .visitor import Visitor

__all__ = [
    "PreviousVisit",
    "RemoteVisitorData",
    "RemoteVisitorDataFilter",
    "add_remote_data",
    "adopt_visitor_code",
]

MOST_PREVIOUS_VISITS = 25
"""More the server does not give."""


class RemoteVisitorDataFilter(msgspec.Struct, frozen=True):
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


class RemoteVisitorData(msgspec.Struct, frozen=True):
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

    def __repr__(self) -> str:
        return f"RemoteVisitorData({len(self.custom_data)} custom data)"  # all is personal

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
        traits.own("personalizations").setdefault(personalization_id, time)
    if remote.previous_visits and traits.visits is None:
        traits.visits = _history(visitor, remote)
        visitor.note_unsent(traits.visits)
    if remote.heat is not None:
        traits.heat = {moment: dict(scores) for moment, scores in remote.heat.items()}
    if remote.scores is not None and traits.scores is None:
        traits.scores = {experiment_id: dict(scores) for experiment_id, scores in remote.scores.items()}
    traits.settle()


def _add_page(visitor: Visitor, visit: PageVisit) -> None:
    pages = visitor.own_traits().own("pages")
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
