"""One visitor: the data known of it, the variations it was assigned, what of both is still to be reported.

Merge and overwrite rules are those of specs/kameleoon-sdk.md 6.2. Conditions read these attributes from any thread;
writers hold the lock of the store that owns the visitor. Times are Unix seconds unless a name says otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from math import inf
from sys import getsizeof
from typing import Any

import msgspec

from ..datafile.index import DataFileIndex
from .data import (
    ApplicationVersion,
    Browser,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    Geolocation,
    OperatingSystem,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from .traits import (
    NO_TRAITS,
    NOTHING,
    Assignment,
    ForcedVariation,
    LegalConsent,
    PageVisit,
    RecordedConversion,
    TargetedSegment,
    Traits,
    Values,
)

__all__ = [
    "DATA_TYPES",
    "Visitor",
    "add_data",
    "custom_data_index",
    "first_value",
]

_log = logging.getLogger(__name__)

VISITOR_BYTES = 700
"""What a visitor with a few custom data and an assignment takes, measured (benchmarks, bar 14)."""


class Visitor(msgspec.Struct, gc=False):
    """What this process knows of one visitor code.

    ``known`` is false for a visitor that no store has, or has any more: some conditions tell the two apart.
    ``started`` is when the current visit began, as far as this process knows (5.4); ``last_seen`` is monotonic, and
    ``tick`` orders visitors by it. ``unsent`` holds what is still to be reported: custom data by index, everything else
    as itself; codes that are linked share one list. ``size`` is an estimate of the bytes that it takes. A store that
    shares visitors reads it anew at ``fresh_until``, monotonic.
    """

    code: str
    started: float = 0.0
    last_seen: float = 0.0
    known: bool = True
    tick: int = 0
    size: int = 0
    hashing_code: str | None = None
    is_unique_identifier: bool = False
    custom_data: dict[int, Values] = NOTHING
    assignments: dict[int, Assignment] = NOTHING
    unsent: tuple[object, ...] | list[object] = ()
    traits: Traits = NO_TRAITS
    fresh_until: float = inf

    def __repr__(self) -> str:
        return f"Visitor({len(self.custom_data)} custom data, {len(self.assignments)} assignments)"  # all is personal

    @property
    def has_data(self) -> bool:
        """Whether anything of a kind that is reported is known, or was reported."""
        traits = self.traits
        return bool(
            self.custom_data
            or self.assignments
            or traits.pages
            or traits.conversions
            or traits.visits
            or traits.device
            or traits.browser
            or traits.operating_system
            or traits.geolocation
        )

    def own_traits(self) -> Traits:
        """Traits that may be written to."""
        if self.traits is NO_TRAITS:
            self.traits = Traits()
        return self.traits

    def set_custom_data(self, index: int, values: Values) -> None:
        """Replace the values at ``index``."""
        if self.custom_data is NOTHING:
            self.custom_data = {}
        self.custom_data[index] = values

    def set_assignment(self, assignment: Assignment) -> None:
        """Replace the assignment of the experiment."""
        if self.assignments is NOTHING:
            self.assignments = {}
        self.assignments[assignment.exposure.experiment_id] = assignment

    def force(self, forced: ForcedVariation) -> None:
        """Have the visitor get this variation of its experiment."""
        traits = self.own_traits()
        traits.own("forced")[forced.experiment_id] = forced
        traits.settle()

    def unforce(self, experiment_id: int) -> None:
        """Have the rules decide again for this experiment."""
        traits = self.own_traits()
        traits.own("forced").pop(experiment_id, None)
        traits.settle()

    def simulate(self, variations: Mapping[str, ForcedVariation]) -> None:
        """Have the visitor get these variations by flag key, whatever else decides, and no others simulated before."""
        traits = self.own_traits()
        traits.simulated = dict(variations)
        traits.settle()

    def set_consent(self, consent: LegalConsent) -> None:
        """Replace what the visitor said to being tracked."""
        self.own_traits().consent = consent

    def target(self, segment_ids: Iterable[int]) -> None:
        """Note, to be reported, the audiences that the visitor belongs to."""
        for segment in map(TargetedSegment, segment_ids):
            _set_unsent(self, _equal_to(segment), segment, is_unsent=True)

    def keep_unsent(self, items: Iterable[object]) -> None:
        """Have these items, and no others, reported the next time that this visitor is."""
        if isinstance(self.unsent, list):
            self.unsent[:] = items
        else:
            self.unsent = tuple(items)

    def note_unsent(self, item: object) -> None:
        """Have ``item`` reported, too."""
        if isinstance(self.unsent, list):
            self.unsent.append(item)
        else:
            self.unsent = (*self.unsent, item)

    def alias(self, code: str) -> Visitor:
        """Another visitor code for this same visitor: everything is shared but the unique-identifier flag (6.6)."""
        traits = self.own_traits()
        traits.first_code = traits.first_code or self.code
        if self.custom_data is NOTHING:
            self.custom_data = {}
        if self.assignments is NOTHING:
            self.assignments = {}
        self.unsent = self.unsent if isinstance(self.unsent, list) else list(self.unsent)
        other = Visitor(code, self.started, self.last_seen, known=False, size=VISITOR_BYTES + len(code))
        for shared in (
            "hashing_code",
            "is_unique_identifier",
            "custom_data",
            "assignments",
            "traits",
            "unsent",
            "fresh_until",
        ):
            setattr(other, shared, getattr(self, shared))
        return other

    def copy(self) -> Visitor:
        """A visitor to try things on: what is added to it does not reach this one."""
        other = Visitor(self.code, self.started, self.last_seen, known=self.known)
        other.hashing_code = self.hashing_code
        other.is_unique_identifier = self.is_unique_identifier
        other.custom_data = dict(self.custom_data)
        other.assignments = dict(self.assignments)
        if self.traits is not NO_TRAITS:
            traits = other.own_traits()
            for name in Traits.__struct_fields__:
                value = getattr(self.traits, name)
                setattr(traits, name, value.copy() if type(value) in (dict, list) else value)
        return other


def first_value(values: Values) -> str | None:
    """The first value of a custom datum; ``None`` when it has none."""
    return values if type(values) is str else values[0] if values else None


def add_data(visitor: Visitor, data: Data, index: DataFileIndex, now: float, *, is_tracked: bool = True) -> None:
    """Add one piece of data as the application gave it. Raises ``TypeError`` for what is none of the kinds of data.

    Data that the file calls local-only, or whose name or index it does not know, is kept from reports or dropped as
    specs/kameleoon-sdk.md 6.1 to 6.5 say. Linking codes (6.6) is the store's part.
    """
    add = _ADDITIONS.get(type(data))
    if add is None:
        raise TypeError(f"{type(data).__name__} is no visitor data")
    add(visitor, data, index, now, is_tracked)


def custom_data_index(datum: CustomData, index: DataFileIndex) -> int | None:
    """The index that a custom datum goes to; ``None`` for a name that the data file does not know.

    2.x wrote the index as text, so a name that is unknown and numeric counts as an index.
    """
    if datum.name is None:
        return datum.index if datum.index >= 0 else None
    number = index.custom_data_by_name.get(datum.name)
    if number is None and datum.name.isascii() and datum.name.isdigit():
        return int(datum.name)
    return number


def _add_custom_data(visitor: Visitor, datum: CustomData, index: DataFileIndex, now: float, is_tracked: bool) -> None:
    number = custom_data_index(datum, index)
    if number is None:
        return
    values = datum.values[0] if len(datum.values) == 1 else datum.values
    visitor.size += _values_bytes(values) - _values_bytes(visitor.custom_data.get(number))
    visitor.set_custom_data(number, values)
    additive = visitor.traits.additive
    if (number in additive) is datum.overwrite:
        visitor.own_traits().additive = additive - {number} if datum.overwrite else additive | {number}
    info = index.custom_data.get(number)
    is_sent = is_tracked and not (info is not None and info.local_only)
    _set_unsent(visitor, _equal_to(number), number, is_unsent=is_sent)


def _values_bytes(values: Values | None) -> int:
    if values is None:
        return 0
    return 64 + (getsizeof(values) if type(values) is str else sum(map(getsizeof, values)))


def _equal_to(item: object) -> Callable[[object], bool]:
    return lambda other: other == item


def _set_unsent(visitor: Visitor, is_same: Callable[[object], bool], item: object, *, is_unsent: bool) -> None:
    """Have ``item`` reported, or not, in place of what it replaces."""
    kept = [other for other in visitor.unsent if not is_same(other)]
    visitor.keep_unsent([*kept, item] if is_unsent else kept)


def _single(trait: str, *, is_sent: bool = True) -> Callable[..., None]:
    """Data of which a visitor has one: a new one replaces it."""

    def add(visitor: Visitor, data: Any, index: DataFileIndex, now: float, is_tracked: bool) -> None:
        traits = visitor.own_traits()
        before = getattr(traits, trait)
        setattr(traits, trait, data)
        visitor.size += _fields_bytes(data) - (0 if before is None else _fields_bytes(before))
        if is_sent:
            _set_unsent(visitor, lambda item: type(item) is type(data), data, is_unsent=is_tracked)

    return add


def _fields_bytes(data: Any) -> int:
    return getsizeof(data) + sum(getsizeof(getattr(data, name)) for name in data.__struct_fields__)


def _add_cookies(visitor: Visitor, data: Cookie, index: DataFileIndex, now: float, is_tracked: bool) -> None:
    traits = visitor.own_traits()
    visitor.size += _cookies_bytes(data.cookies) - _cookies_bytes(traits.cookies)
    traits.cookies = dict(data.cookies)


def _cookies_bytes(cookies: Mapping[str, str] | None) -> int:
    if cookies is None:
        return 0
    return 256 + sum(getsizeof(name) + getsizeof(value) for name, value in cookies.items())


def _add_page_view(visitor: Visitor, page: PageView, index: DataFileIndex, now: float, is_tracked: bool) -> None:
    if not page.url:
        return
    pages = visitor.own_traits().own("pages")
    before = pages.get(page.url)
    pages[page.url] = PageVisit(page, before.views + 1 if before else 1, now)
    if before is None:
        visitor.size += 256 + getsizeof(page.url)
    _set_unsent(visitor, lambda item: type(item) is PageView and item.url == page.url, page, is_unsent=is_tracked)


def _add_conversion(
    visitor: Visitor, conversion: Conversion, index: DataFileIndex, now: float, is_tracked: bool
) -> None:
    if conversion.metadata is not None:
        conversion = msgspec.structs.replace(conversion, metadata=_resolved(conversion.metadata, index))
    recorded = RecordedConversion(conversion, now)
    visitor.own_traits().conversions.append(recorded)
    visitor.size += 256
    if is_tracked:
        visitor.note_unsent(recorded)


def _resolved(metadata: Iterable[CustomData], index: DataFileIndex) -> tuple[CustomData, ...]:
    """A conversion's metadata by index, the first of each; what has a name that nobody knows is left out."""
    found: dict[int, CustomData] = {}
    for datum in metadata:
        number = custom_data_index(datum, index)
        if number is None:
            _log.warning("a conversion's metadata names a custom datum that the data file does not have: left out")
        elif number not in found:
            found[number] = datum if datum.name is None else CustomData(number, *datum.values)
    return tuple(found.values())


def _add_unique_identifier(
    visitor: Visitor, data: UniqueIdentifier, index: DataFileIndex, now: float, is_tracked: bool
) -> None:
    visitor.is_unique_identifier = data.value


_ADDITIONS: Mapping[type, Callable[..., None]] = {
    CustomData: _add_custom_data,
    Browser: _single("browser"),
    Device: _single("device"),
    OperatingSystem: _single("operating_system"),
    Geolocation: _single("geolocation"),
    ApplicationVersion: _single("application_version", is_sent=False),
    UserAgent: _single("user_agent", is_sent=False),
    Cookie: _add_cookies,
    PageView: _add_page_view,
    Conversion: _add_conversion,
    UniqueIdentifier: _add_unique_identifier,
}

DATA_TYPES = tuple(_ADDITIONS)
"""The classes of which ``add_data`` takes instances."""
