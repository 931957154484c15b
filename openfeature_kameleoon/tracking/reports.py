"""What a visitor has to report now, given what it consented to (specs/kameleoon-sdk.md 7.3)."""

from __future__ import annotations

from ..datafile.index import DataFileIndex
from ..visitors.data import CustomData
from ..visitors.traits import Exposure, LegalConsent, RecordedConversion
from ..visitors.visitor import Visitor
from .outbox import Event

__all__ = ["take_report"]

DELIVERY = "TARGETED_DELIVERY"


def take_report(visitor: Visitor, index: DataFileIndex, now: float) -> list[Event]:
    """Events for all that is unsent of a visitor and may be sent; the rest stays until consent is given.

    The caller holds the store's lock. Conversions come last, so that the server knows the exposure first (6.4).
    """
    unsent = visitor.unsent
    is_consented = index.settings.consent_type != "REQUIRED" or visitor.traits.consent is LegalConsent.GIVEN
    due = [item for item in unsent if is_consented or _needs_no_consent(item)]
    if not due:
        return []
    visitor.keep_unsent([item for item in unsent if item not in due])
    due.sort(key=lambda item: isinstance(item, RecordedConversion))
    return [_event(visitor, item, now) for item in due]


def _needs_no_consent(item: object) -> bool:
    return isinstance(item, RecordedConversion) or (isinstance(item, Exposure) and item.rule_type == DELIVERY)


def _event(visitor: Visitor, item: object, now: float) -> Event:
    if isinstance(item, int):
        values = visitor.custom_data.get(item, ())
        texts = (values,) if isinstance(values, str) else values
        item = CustomData(item, *texts, overwrite=item not in visitor.traits.additive)
    time = item.time if isinstance(item, RecordedConversion) else now
    return Event(visitor.code, item, time)  # type: ignore[arg-type]  # unsent holds nothing but data
