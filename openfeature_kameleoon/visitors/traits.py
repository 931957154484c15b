"""What is kept of a visitor: the forms that data take once they belong to one. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple, NoReturn

import msgspec

from .data import (
    ApplicationVersion,
    Browser,
    Conversion,
    Device,
    Geolocation,
    OperatingSystem,
    PageView,
    UserAgent,
)

__all__ = [
    "NOTHING",
    "NO_TRAITS",
    "Assignment",
    "Exposure",
    "ForcedVariation",
    "LegalConsent",
    "Nothing",
    "PageVisit",
    "RecordedConversion",
    "TargetedSegment",
    "Traits",
    "Values",
    "VisitHistory",
]

Values = str | tuple[str, ...]
"""Values of a custom datum: a single one as itself, any other number as a tuple (it halves a visitor's memory)."""


class LegalConsent(Enum):
    """What the visitor said to being tracked."""

    UNKNOWN = "UNKNOWN"
    GIVEN = "GIVEN"
    NOT_GIVEN = "NOT_GIVEN"


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """What is reported of an assignment: the visitor saw this variation of this experiment."""

    experiment_id: int
    variation_id: int
    rule_type: str | None


class TargetedSegment(NamedTuple):
    """What is reported of an audience that the visitor belongs to."""

    segment_id: int


class Assignment(msgspec.Struct, gc=False):
    """A variation that the visitor was given.

    ``evaluated_at`` is monotonic: when it was last confirmed here. ``is_reported``: this process told the server, or
    has it queued; an assignment that came from the server, or was made untracked, is reported when it is next given.
    """

    exposure: Exposure
    time: float
    evaluated_at: float
    is_reported: bool


class ForcedVariation(NamedTuple):
    """A variation set by hand; ``variation_id`` ``None`` stands for the flag's default variation."""

    experiment_id: int
    variation_key: str | None
    variation_id: int | None
    ignores_targeting: bool = True


class PageVisit(NamedTuple):
    """A page, how often it was seen, and when last."""

    page: PageView
    views: int
    time: float


class RecordedConversion(msgspec.Struct, frozen=True, gc=False):
    """A conversion and when it happened."""

    conversion: Conversion
    time: float


class VisitHistory(NamedTuple):
    """Earlier visits as the server knows them: start times, the most recent first (9.4)."""

    starts: tuple[float, ...]
    visit_number: int
    seconds_since_previous: float


class Nothing(dict[Any, Any]):
    """The empty table that all share who have nothing of its kind; it cannot be written to."""

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("this table is shared: take one of one's own to write to")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


NOTHING = Nothing()


class Traits(msgspec.Struct, gc=False, eq=False):
    """The kinds of data that few visitors have; ``NO_TRAITS`` stands for "none of them".

    A table is to be written to by way of ``own``: most visitors share those in which there is nothing.

    ``is_linked``: a mapping identifier ties the visitor to a user id (6.6). ``first_code``: of the codes that share
    these, the one that they are stored under. ``overridden``: see ``settle``.
    """

    browser: Browser | None = None
    device: Device | None = None
    operating_system: OperatingSystem | None = None
    geolocation: Geolocation | None = None
    application_version: ApplicationVersion | None = None
    user_agent: UserAgent | None = None
    cookies: Mapping[str, str] | None = None
    pages: dict[str, PageVisit] = NOTHING
    conversions: list[RecordedConversion] = []
    visits: VisitHistory | None = None
    personalizations: dict[int, float] = NOTHING
    heat: dict[int, dict[int, float]] | None = None
    scores: dict[int, dict[int, float]] | None = None
    forced: dict[int, ForcedVariation] = NOTHING
    simulated: dict[str, ForcedVariation] = NOTHING
    additive: frozenset[int] = frozenset()
    consent: LegalConsent = LegalConsent.UNKNOWN
    is_linked: bool = False
    first_code: str | None = None
    overridden: bool = False

    def __repr__(self) -> str:
        return "Traits(...)"  # all of it is personal

    def own(self, name: str) -> dict[Any, Any]:
        """The table of this name, to be written to."""
        table: dict[Any, Any] = getattr(self, name)
        if table is NOTHING:
            table = {}
            setattr(self, name, table)
        return table

    def settle(self) -> None:
        """Note whether anything but the rules decides for this visitor; decisions look at this one mark."""
        self.overridden = bool(self.forced or self.simulated or self.scores)


class _NoTraits(Traits, frozen=True, gc=False):  # type: ignore[misc]  # msgspec allows it, and needs it for a default
    """What all visitors without any traits share; it cannot be written to."""


NO_TRAITS: Traits = _NoTraits()
