"""Hits, what a visitor did: each type is a table of what it holds, by builder, name on the wire, type and limit.

Values, with no I/O. A hit says nothing of whom it is about, so one may be sent for several visitors. What becomes of
it is tracking.py's business (specs/flagship.md 1.6, 4.3 to 4.6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, overload
from urllib.parse import urlsplit

from .arguments import INTEGER, NUMBER, TEXT, Argument
from .errors import TypingError

__all__ = [
    "Builder",
    "Consent",
    "Event",
    "EventCategory",
    "Hit",
    "HitType",
    "Item",
    "Page",
    "Screen",
    "Segment",
    "Transaction",
    "is_consent",
]

V = TypeVar("V")
H = TypeVar("H", bound="Hit")

SOURCE = "APP"
CONSENT_ACTION = "fs_consent"


class HitType(Enum):
    """What a record of the hit cache, or a hit on the wire, is of."""

    PAGE = "PAGEVIEW"
    SCREEN = "SCREENVIEW"
    EVENT = "EVENT"
    TRANSACTION = "TRANSACTION"
    ITEM = "ITEM"
    SEGMENT = "SEGMENT"
    BATCH = "BATCH"
    ACTIVATE = "ACTIVATE"


class EventCategory(Enum):
    """What an event is about."""

    ACTION_TRACKING = "Action Tracking"
    USER_ENGAGEMENT = "User Engagement"


class Builder(Generic[V]):
    """A method of a hit that takes one value, keeps it under its name on the wire, and returns the hit.

    It raises ``TypingError`` and ``ParamError``.
    """

    def __init__(self, wire: str, argument: Argument) -> None:
        self.wire = wire
        self.argument = argument
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, hit: None, owner: type) -> Builder[V]: ...
    @overload
    def __get__(self, hit: H, owner: type) -> Callable[[V], H]: ...
    def __get__(self, hit: H | None, owner: type) -> Builder[V] | Callable[[V], H]:
        if hit is None:
            return self

        def build(*values: Any, **named: Any) -> H:
            given = [*values, *(named.pop(self.argument.name) for _ in range(self.argument.name in named))]
            if named or len(given) != 1:
                raise TypingError(f"{self.name}: takes one argument, {self.argument.name}")
            hit._hold(self.wire, self.argument, given[0], self.name)
            return hit

        return build


def _text(wire: str, name: str, most_characters: int | None = None) -> Builder[str]:
    return Builder(wire, Argument(name, TEXT, most_characters))


def _integer(wire: str, name: str, *, least: int | None = None) -> Builder[int]:
    return Builder(wire, Argument(name, INTEGER, least=least))


def _number(wire: str, name: str) -> Builder[float]:
    return Builder(wire, Argument(name, NUMBER))


class Hit:
    """What any hit may say; made as one of its types."""

    hit_type: ClassVar[HitType]
    needed: ClassVar[Mapping[str, Argument]] = {}
    """What it is made of, by the names on the wire: without any of these it is not sent (4.6)."""

    with_ip = _text("uip", "ip")
    with_locale = _text("ul", "locale", 20)
    with_session_number = _integer("sn", "number")
    with_session_timestamp = _integer("cst", "timestamp")

    def __init__(self, *values: object) -> None:
        self._fields: dict[str, object] = {}
        for (wire, argument), value in zip(self.needed.items(), values, strict=True):
            self._hold(wire, argument, value, type(self).__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"  # the rest is personal

    def with_resolution(self: H, width: int, height: int) -> H:
        """Screen size in pixels; unless both are over 0 nothing is known of it, and none is sent.

        Raises as the builders do.
        """
        sides = [
            Argument(name, INTEGER, least=0).checked(side, "with_resolution")
            for name, side in (("width", width), ("height", height))
        ]
        if all(sides):
            self._fields["sr"] = f"{sides[0]}x{sides[1]}"
        return self

    @property
    def type(self) -> HitType:
        """Its type on the wire."""
        return self.hit_type

    @property
    def fields(self) -> dict[str, object]:
        """Itself as it stands on the wire, without whom it is about."""
        return {"t": self.type.value, "ds": SOURCE, **self._fields}

    @property
    def flaw(self) -> str:
        """Why it cannot be sent (4.6); empty when it can."""
        for wire, argument in self.needed.items():
            if not self._fields.get(wire):
                return f"{type(self).__name__}: {argument.name} is missing or empty"
        return ""

    def _hold(self, wire: str, argument: Argument, value: object, function: str) -> None:
        kept = argument.checked(value, function)
        self._fields[wire] = kept.value if isinstance(kept, Enum) else kept


class Screen(Hit):
    """A screen, by its name, was seen."""

    hit_type = HitType.SCREEN
    needed: ClassVar = {"dl": Argument("origin", TEXT, 2048)}

    def __init__(self, origin: str) -> None:
        super().__init__(origin)


class Page(Screen):
    """A page, by its URL, was seen. Anything else than a URL goes out as a screen, as 1.x sent every page."""

    @property
    def type(self) -> HitType:
        """The collector expects a URL of what claims to be a page."""
        return HitType.PAGE if _is_url(str(self._fields["dl"])) else HitType.SCREEN


class Event(Hit):
    """Something happened."""

    hit_type = HitType.EVENT
    needed: ClassVar = {"ec": Argument("category", (EventCategory,)), "ea": Argument("action", TEXT, 500)}

    with_event_label = _text("el", "label", 500)
    with_event_value = _integer("ev", "value", least=0)

    def __init__(self, category: EventCategory, action: str) -> None:
        super().__init__(category, action)


class Transaction(Hit):
    """Something was bought; ``affiliation`` is the name of the KPI."""

    hit_type = HitType.TRANSACTION
    needed: ClassVar = {"tid": Argument("transaction_id", TEXT, 500), "ta": Argument("affiliation", TEXT, 500)}

    with_total_revenue = _number("tr", "revenue")
    with_shipping_cost = _number("ts", "cost")
    with_shipping_method = _text("sm", "method", 10)
    with_taxes = _number("tt", "taxes")
    with_currency = _text("tc", "currency", 10)
    with_payment_method = _text("pm", "method", 10)
    with_item_count = _integer("icn", "count")
    with_coupon_code = _text("tcc", "code")

    def __init__(self, transaction_id: str, affiliation: str) -> None:
        super().__init__(transaction_id, affiliation)


class Item(Hit):
    """One thing of a transaction, which is sent before it; its SKU may come by ``with_item_code`` instead."""

    hit_type = HitType.ITEM
    needed: ClassVar = {
        "tid": Argument("transaction_id", TEXT, 500),
        "in": Argument("product_name", TEXT, 500),
        "ic": Argument("product_sku", TEXT, 500),
    }

    with_item_code = _text("ic", "code", 500)
    with_price = _number("ip", "price")
    with_item_quantity = _integer("iq", "quantity")
    with_item_category = _text("iv", "category", 500)

    def __init__(self, transaction_id: str, product_name: str, product_sku: str | None = None) -> None:
        super().__init__(transaction_id, product_name, "" if product_sku is None else product_sku)
        if product_sku is None:
            del self._fields["ic"]


class Consent(Hit):
    """Whether a visitor may be tracked, which is told in any case (4.5)."""

    hit_type = HitType.EVENT

    def __init__(self, has_consented: bool) -> None:
        super().__init__()
        label = f"python:{_words(bool(has_consented))}"
        self._fields |= {"ec": EventCategory.USER_ENGAGEMENT.value, "ea": CONSENT_ACTION, "el": label}


class Segment(Hit):
    """A visitor's whole context, as texts (4.5)."""

    hit_type = HitType.SEGMENT

    def __init__(self, context: Mapping[str, object]) -> None:
        super().__init__()
        self._fields["s"] = {key: _words(value) for key, value in context.items()}


def is_consent(content: Mapping[str, object]) -> bool:
    """Whether a hit on the wire tells of a consent."""
    return content.get("ea") == CONSENT_ACTION and content.get("ec") == EventCategory.USER_ENGAGEMENT.value


def _words(value: object) -> str:
    """Booleans are written as other languages write them, which the reports compare them with."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _is_url(origin: str) -> bool:
    """Whether it has a scheme and a host, whatever they are."""
    try:
        parts = urlsplit(origin)
        return bool(parts.scheme and parts.hostname)
    except ValueError:
        return False
