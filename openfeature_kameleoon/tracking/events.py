"""What is reported, and how it is written on the wire: one line an event (specs/kameleoon-sdk.md 1.7, 6.3, 6.4).

Pure: an event's nonce is drawn when the event is made and never changes, so that a server sees that a line came twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

import msgspec

from ..transport.encoding import encode_uri
from ..visitors.data import Browser, CustomData, Device, Geolocation, OperatingSystem, PageView
from ..visitors.traits import Exposure, RecordedConversion, TargetedSegment, VisitHistory

__all__ = [
    "ACTIVITY",
    "FORMS",
    "Activity",
    "Event",
    "Line",
    "MappingIdentifier",
    "Report",
    "Reported",
    "Written",
    "block",
    "lines_of",
]


class Activity(NamedTuple):
    """The visitor is there, and there is nothing else to tell of it."""


ACTIVITY = Activity()


class MappingIdentifier(NamedTuple):
    """The custom datum that carries the visitor's user id (6.6)."""

    datum: CustomData


class Written(NamedTuple):
    """An event that somebody else wrote, nonce and visitor included: it is passed on as it is."""

    line: str

    def __repr__(self) -> str:
        return "Written()"  # it is personal


Reported = (
    Activity
    | Browser
    | CustomData
    | Device
    | Exposure
    | Geolocation
    | MappingIdentifier
    | OperatingSystem
    | PageView
    | RecordedConversion
    | TargetedSegment
    | VisitHistory
    | Written
)


# What waits may be very much: the garbage collector need not look at it.


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing to report; ``nonce`` are 64 random bits."""

    data: Reported
    nonce: int


class Report(msgspec.Struct, frozen=True, gc=False):
    """What one call has to report of one visitor; at least one event.

    ``is_mapping_value``: the server knows the code as a user id, not as a visitor code (6.6). ``time``, monotonic, is
    from when on it may get too old.
    """

    visitor_code: str
    events: tuple[Event, ...]
    is_mapping_value: bool = False
    user_agent: str | None = None
    time: float = inf

    def __repr__(self) -> str:
        return f"Report({len(self.events)} events)"  # of whom is personal


class Line(NamedTuple):
    """An event as it is sent; ``rank`` orders the lines of one visitor, so that the server knows exposures first."""

    rank: int
    text: str

    def __repr__(self) -> str:
        return f"Line({self.rank})"  # the text is personal


class _Form(NamedTuple):
    rank: int
    write: Callable[[Any], str]
    is_whole: bool = False
    """Whether that is the line, and not its middle."""


def lines_of(report: Report) -> list[Line]:
    """The lines of a report's events, each without the user agent, which only the first of a visitor carries."""
    name = "mappingValue" if report.is_mapping_value else "visitorCode"
    who = f"&{name}={encode_uri(report.visitor_code)}"
    lines = []
    for event in report.events:
        form = FORMS[type(event.data)]
        text = form.write(event.data)
        lines.append(Line(form.rank, text if form.is_whole else f"nonce={event.nonce:016X}&eventType={text}{who}"))
    return lines


def block(lines: Iterable[Line], user_agent: str | None) -> tuple[str, ...]:
    """All that goes out of one visitor at a time, in the order of 6.4."""
    texts = [line.text for line in sorted(lines, key=_rank)]
    if user_agent:
        texts[0] += f"&userAgent={encode_uri(user_agent)}"
    return tuple(texts)


def _rank(line: Line) -> int:
    return line.rank


# One function for each kind of event: its type and its own parameters -------------------------------------------------


def _activity(_: Activity) -> str:
    return "activity"


def _device(device: Device) -> str:
    return f"staticData&deviceType={device.device_type.name}"


def _browser(browser: Browser) -> str:
    version = f"&browserVersion={encode_uri(str(browser.version))}" if browser.version else ""
    return f"staticData&browserIndex={browser.browser_type.value}{version}"


def _operating_system(system: OperatingSystem) -> str:
    return f"staticData&os={system.os_type.name}&osIndex={system.os_type.value}"


def _geolocation(place: Geolocation) -> str:
    names = (
        ("country", place.country),
        ("region", place.region),
        ("city", place.city),
        ("postalCode", place.postal_code),
    )
    coordinates = (("latitude", place.latitude), ("longitude", place.longitude))
    parameters = [(name, text) for name, text in names if text]
    parameters += [(name, str(degrees)) for name, degrees in coordinates if degrees is not None]
    return "geolocation" + "".join(f"&{name}={encode_uri(text)}" for name, text in parameters)


def _visits(history: VisitHistory) -> str:
    elapsed = round(history.seconds_since_previous * 1000)
    return f"staticData&visitNumber={history.visit_number}&timeSincePreviousVisit={elapsed}"


def _custom_data(datum: CustomData) -> str:
    counts = _json(dict.fromkeys(datum.values, 1))
    return f"customData&index={datum.index}&valuesCountMap={counts}&overwrite={_boolean(datum.overwrite)}"


def _mapping_identifier(identifier: MappingIdentifier) -> str:
    return f"{_custom_data(identifier.datum)}&mappingIdentifier=true"


def _page(page: PageView) -> str:
    title = f"&title={encode_uri(page.title)}" if page.title else ""
    referrers = list(page.referrers or ())
    return f"page&href={encode_uri(page.url)}{title}" + (f"&referrersIndices={_json(referrers)}" if referrers else "")


def _exposure(exposure: Exposure) -> str:
    return f"experiment&id={exposure.experiment_id}&variationId={exposure.variation_id}"


def _segment(segment: TargetedSegment) -> str:
    return f"targetingSegment&id={segment.segment_id}"


def _conversion(recorded: RecordedConversion) -> str:
    conversion = recorded.conversion
    values: dict[int, tuple[str, ...]] = {}
    for datum in conversion.metadata or ():
        values.setdefault(datum.index, datum.values)
    metadata = f"&metadata={_json(values)}" if values else ""
    goal, negative = f"goalId={conversion.goal_id}", _boolean(conversion.negative)
    return f"conversion&{goal}&revenue={conversion.revenue}&negative={negative}{metadata}"


def _written(written: Written) -> str:
    return written.line


def _json(value: object) -> str:
    return encode_uri(json.dumps(value, separators=(",", ":")))


def _boolean(value: bool) -> str:
    return "true" if value else "false"


FORMS: Mapping[type, _Form] = {
    Activity: _Form(0, _activity),
    Device: _Form(1, _device),
    Browser: _Form(2, _browser),
    OperatingSystem: _Form(3, _operating_system),
    Geolocation: _Form(4, _geolocation),
    VisitHistory: _Form(5, _visits),
    CustomData: _Form(6, _custom_data),
    MappingIdentifier: _Form(6, _mapping_identifier),
    PageView: _Form(7, _page),
    Exposure: _Form(8, _exposure),
    TargetedSegment: _Form(9, _segment),
    RecordedConversion: _Form(10, _conversion),
    Written: _Form(0, _written, is_whole=True),
}
"""What may be reported, and where it stands among a visitor's lines (6.4)."""
