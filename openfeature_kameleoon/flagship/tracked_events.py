"""From a tracking event of OpenFeature to hits: an EVENT, or a TRANSACTION with its ITEMs (specs/flagship.md 4.4, 7.1).

Pure. The rows of ``OF_TRANSACTION`` and ``OF_ITEM`` are the attributes that are read; others are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from ..errors import VisitorDataInvalid
from .errors import ParamError, TypingError
from .hits import Event, EventCategory, Hit, Item, Transaction

__all__ = ["OF_ITEM", "OF_TRANSACTION", "TRANSACTION_ID", "hits_of"]

TRANSACTION_ID = "transactionId"
"""The attribute that makes a transaction of an event."""


class Attribute(NamedTuple):
    """What is read under a name: by which builder of the hit."""

    name: str
    build: Callable[[Any, Any], Hit]


OF_TRANSACTION = (
    Attribute("revenue", lambda hit, value: hit.with_total_revenue(value)),
    Attribute("shippingCost", lambda hit, value: hit.with_shipping_cost(value)),
    Attribute("shippingMethod", lambda hit, value: hit.with_shipping_method(value)),
    Attribute("taxes", lambda hit, value: hit.with_taxes(value)),
    Attribute("currency", lambda hit, value: hit.with_currency(value)),
    Attribute("paymentMethod", lambda hit, value: hit.with_payment_method(value)),
    Attribute("itemCount", lambda hit, value: hit.with_item_count(value)),
    Attribute("couponCode", lambda hit, value: hit.with_coupon_code(value)),
)
OF_ITEM = (
    Attribute("price", lambda hit, value: hit.with_price(value)),
    Attribute("quantity", lambda hit, value: hit.with_item_quantity(value)),
    Attribute("category", lambda hit, value: hit.with_item_category(value)),
)


def hits_of(name: str, value: Any, attributes: Mapping[str, Any]) -> list[Hit]:
    """What is sent of an event.

    One with the attribute ``transactionId`` is a transaction, whose affiliation is the attribute of that name or else
    the event's, and whose revenue is ``revenue`` or else the value. ``items`` are mappings of a ``name`` and a ``sku``.
    Any other is an event with the integer part of its value. Raises ``TypingError``, ``ParamError`` and
    ``VisitorDataInvalid``.
    """
    number = _number(value)
    if attributes.get(TRANSACTION_ID) is None:
        return [_event(name, number)]
    return _transaction(name, number, attributes)


def _event(name: str, number: float | None) -> Hit:
    event = Event(EventCategory.ACTION_TRACKING, name)
    if event.flaw:
        raise ParamError(event.flaw)
    # A value below zero is none that the collector takes; that it happened is worth telling.
    return event if number is None or int(number) < 0 else event.with_event_value(int(number))


def _transaction(name: str, number: float | None, attributes: Mapping[str, Any]) -> list[Hit]:
    code, affiliation = attributes[TRANSACTION_ID], attributes.get("affiliation")
    transaction = Transaction(code, name if affiliation is None else affiliation)
    if number is not None:
        transaction.with_total_revenue(number)
    _fill(transaction, OF_TRANSACTION, attributes)
    items = attributes.get("items")
    if items is not None and not isinstance(items, list | tuple):
        raise VisitorDataInvalid(f"event attribute 'items': a list is expected, not {type(items).__name__}")
    hits = [transaction, *(_item(code, position, given) for position, given in enumerate(items or ()))]
    flaw = next((hit.flaw for hit in hits if hit.flaw), "")
    if flaw:
        raise ParamError(flaw)
    return hits


def _item(code: str, position: int, given: Any) -> Hit:
    where = f"event attribute 'items', number {position + 1}"
    if not isinstance(given, Mapping):
        raise VisitorDataInvalid(f"{where}: a mapping is expected, not {type(given).__name__}")
    try:
        return _fill(Item(code, given.get("name"), given.get("sku")), OF_ITEM, given)  # type: ignore[arg-type]  # checked there
    except (TypingError, ParamError) as error:
        raise VisitorDataInvalid(f"{where}: {error.message}") from error


def _fill(hit: Hit, rows: tuple[Attribute, ...], attributes: Mapping[str, Any]) -> Hit:
    for row in rows:
        value = attributes.get(row.name)
        if value is not None:
            row.build(hit, value)
    return hit


def _number(value: Any) -> float | None:
    """An event's value, if it has one."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise VisitorDataInvalid(f"the event's value is to be a number, not {type(value).__name__}")
    if not isfinite(value):
        raise VisitorDataInvalid("the event's value is to be finite")
    return value
