"""What targeting conditions see of a visitor (specs/kameleoon-sdk.md 5.5): ``None`` stands for "no such data"."""

from __future__ import annotations

from collections.abc import Mapping

from ..visitors.data import DeviceType, OperatingSystemType
from ..visitors.traits import PageVisit, VisitHistory
from ..visitors.visitor import Visitor

__all__ = [
    "application_version",
    "browser",
    "cookies",
    "device_type",
    "geolocation",
    "heat_scores",
    "is_returning",
    "latest_title",
    "latest_url",
    "operating_system",
    "page_views",
    "previous_url",
    "visit_count",
    "visitor_code",
    "visitor_itself",
    "visits",
]


def browser(visitor: Visitor) -> object:
    """The visitor's browser with its version."""
    return visitor.traits.browser


def device_type(visitor: Visitor) -> DeviceType | None:
    """The kind of the visitor's device."""
    device = visitor.traits.device
    return device.device_type if device else None


def operating_system(visitor: Visitor) -> OperatingSystemType | None:
    """The visitor's operating system."""
    system = visitor.traits.operating_system
    return system.os_type if system else None


def geolocation(visitor: Visitor) -> object:
    """Where the visitor is."""
    return visitor.traits.geolocation


def cookies(visitor: Visitor) -> Mapping[str, str] | None:
    """The visitor's cookies by name."""
    return visitor.traits.cookies


def application_version(visitor: Visitor) -> str | None:
    """The version of the application that the visitor uses."""
    version = visitor.traits.application_version
    return version.version if version else None


def visitor_code(visitor: Visitor) -> str:
    """The code that the caller passed, never the one it is linked to."""
    return visitor.code


def _pages(visitor: Visitor) -> list[PageVisit]:
    """The pages as they are now: another thread may add one while they are looked at."""
    return list(visitor.traits.pages.values())


def latest_url(visitor: Visitor) -> str | None:
    """URL of the page seen last."""
    page = max(_pages(visitor), key=lambda visit: visit.time, default=None)
    return page.page.url if page else None


def latest_title(visitor: Visitor) -> str | None:
    """Title of the page seen last."""
    page = max(_pages(visitor), key=lambda visit: visit.time, default=None)
    return page.page.title if page else None


def previous_url(visitor: Visitor) -> str | None:
    """URL of the page seen before the last one."""
    pages = sorted(_pages(visitor), key=lambda visit: visit.time, reverse=True)
    return pages[1].page.url if len(pages) > 1 else None


def page_views(visitor: Visitor) -> int | None:
    """How many pages the visitor saw; ``None`` for a visitor that is not known."""
    return sum(visit.views for visit in _pages(visitor)) if visitor.known else None


def visits(visitor: Visitor) -> VisitHistory | None:
    """The visitor's earlier visits, as far as they were loaded."""
    return visitor.traits.visits


def visit_count(visitor: Visitor) -> int:
    """Earlier visits that were loaded, and this one."""
    return _previous_visits(visitor) + 1


def _previous_visits(visitor: Visitor) -> int:
    history = visitor.traits.visits
    return len(history.starts) if history else 0


def is_returning(visitor: Visitor) -> bool:
    """Whether an earlier visit is known."""
    return _previous_visits(visitor) > 0


def heat_scores(visitor: Visitor) -> Mapping[int, Mapping[int, float]] | None:
    """Likelihood scores by key moment and goal."""
    return visitor.traits.heat


def visitor_itself(visitor: Visitor) -> Visitor:
    """For conditions that look at several things at once."""
    return visitor
