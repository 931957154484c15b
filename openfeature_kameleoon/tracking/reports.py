"""From what a visitor has to report to the outbox, given what it consented to (specs/kameleoon-sdk.md 6.6, 7.1, 7.3).

Runs on the caller's thread, under the lock of the store that owns the visitor; it is never held while the outbox works.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.index import DataFileIndex
from ..forking import resume_after_fork
from ..visitors.data import CustomData
from ..visitors.store import VisitorStore
from ..visitors.traits import Exposure, LegalConsent, RecordedConversion
from ..visitors.visitor import Visitor, first_value
from .events import ACTIVITY, Event, MappingIdentifier, Report, Reported
from .outbox import Outbox

__all__ = ["Reporter"]

DELIVERY = "TARGETED_DELIVERY"


class Reporter:
    """Hands to the outbox what visitors have to report. ``random`` draws the nonces of events."""

    def __init__(
        self, store: VisitorStore, outbox: Outbox, clock: Clock = SYSTEM_CLOCK, random: Random | None = None
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._monotonic = clock.monotonic
        self._random = random or Random()
        self._draw = self._random.getrandbits
        resume_after_fork(self)

    def resume(self) -> None:
        """In a forked child: other nonces than the parent's, and what the parent knew is the parent's to report."""
        self._random.seed()
        for visitor in self._store:
            if visitor.unsent:  # what is not written to may stay in memory that is shared with the parent
                visitor.keep_unsent(())

    def report(self, visitor: Visitor, index: DataFileIndex, *, or_activity: bool = False) -> None:
        """Hand over all that is unsent of the visitor, as far as its consent goes; the rest stays until it is given.

        With ``or_activity``, where nothing is to be told of a visitor who may be tracked, that it is there.
        """
        draw = self._draw
        with self._store.lock:
            if visitor.is_unique_identifier and visitor.hashing_code is None and index.mapping_index is not None:
                self._store.add_data(visitor, [CustomData(index.mapping_index, visitor.code)], index)
            traits = visitor.traits
            is_consented = index.settings.consent_type != "REQUIRED" or traits.consent is LegalConsent.GIVEN
            events = []
            for item in _take(visitor, index) if is_consented else _take_without_consent(visitor):
                data = _custom_data(visitor, index, item) if type(item) is int else item
                events.append(Event(data, draw(64)))
        if not events:
            if not (or_activity and is_consented) or self._outbox.has(visitor.code):
                return
            events.append(Event(ACTIVITY, draw(64)))
        is_mapping_value = visitor.is_unique_identifier and visitor.hashing_code != visitor.code
        user_agent = None if traits.user_agent is None else traits.user_agent.value
        self._outbox.put(Report(visitor.code, tuple(events), is_mapping_value, user_agent, self._monotonic()))

    def report_all(self, index: DataFileIndex, *, or_activity: bool = False) -> None:
        """The same for every visitor of whom anything is known that could be reported."""
        for visitor in self._store:
            if visitor.unsent or (or_activity and visitor.has_data):
                self.report(visitor, index, or_activity=or_activity)


def _take(visitor: Visitor, index: DataFileIndex) -> Sequence[Any]:
    """All that is unsent, which is unsent no more."""
    due = visitor.unsent
    if type(due) is tuple:
        visitor.unsent = ()
    else:
        due = tuple(due)
        visitor.keep_unsent(())
    if visitor.traits.is_linked:
        mapping = index.mapping_index
        if mapping is not None and mapping not in due and mapping in visitor.custom_data:
            return (*due, mapping)  # it goes out with every report (6.6)
    return due


def _take_without_consent(visitor: Visitor) -> Sequence[Any]:
    """What may be sent of what is unsent although the visitor did not consent; the rest stays."""
    unsent = visitor.unsent
    due = [item for item in unsent if _needs_no_consent(item)]
    if due:
        visitor.keep_unsent([item for item in unsent if not _needs_no_consent(item)])
    return due


def _needs_no_consent(item: object) -> bool:
    return isinstance(item, RecordedConversion) or (isinstance(item, Exposure) and item.rule_type == DELIVERY)


def _custom_data(visitor: Visitor, index: DataFileIndex, number: int) -> Reported:
    values = visitor.custom_data.get(number, ())
    texts = (values,) if isinstance(values, str) else values
    datum = CustomData(number, *texts, overwrite=number not in visitor.traits.additive)
    is_mapping = number == index.mapping_index and visitor.traits.is_linked and bool(first_value(values))
    return MappingIdentifier(datum) if is_mapping else datum
