"""Hits: every builder with its name on the wire and its limits, exact bodies, and what is not sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any, NamedTuple

import pytest

from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.flagship.errors import (
    FlagshipError,
    FlagshipException,
    FlagshipParsingError,
    InitializationError,
    InitializationParamError,
    ParamError,
    ParamTypeError,
    TypingError,
)
from openfeature_kameleoon.flagship.hits import (
    Consent,
    Event,
    EventCategory,
    Hit,
    HitType,
    Item,
    Page,
    Screen,
    Segment,
    Transaction,
)
from openfeature_kameleoon.flagship.records import Record, VisitorIds, as_json, hit_batch, single_hit, single_of
from tests.flagship.examples import ANONYMOUS, AUTHENTICATED, SOMEBODY, example

ACTION = EventCategory.ACTION_TRACKING
NOW = 1_795_222_788_000


def screen() -> Screen:
    return Screen("home")


def event() -> Event:
    return Event(ACTION, "click")


def transaction() -> Transaction:
    return Transaction("#1", "purchase")


def item() -> Item:
    return Item("#1", "name", "sku")


class Row(NamedTuple):
    """A builder: what it takes last of all, what it does not take, and what is of a wrong type."""

    make: Callable[[], Hit]
    builder: str
    wire: str
    taken: tuple[Any, ...]
    refused: tuple[Any, ...]
    wrong: tuple[Any, ...]


NO_TEXT = (None, 4, b"x", ["x"])
NO_INTEGER = (None, "4", 4.0, [4])
NO_NUMBER = (None, "4", [4], 1j)
TOO_LARGE = (1 << 63, -(1 << 64))
NO_FINITE = (nan, inf, -inf, 10**400)

BUILDERS = [
    Row(screen, "with_ip", "uip", ("133.3.223.1", "2001:db8::1"), (), NO_TEXT),
    Row(screen, "with_locale", "ul", ("fr-fr", "x" * 20, ""), ("x" * 21,), NO_TEXT),
    Row(screen, "with_session_number", "sn", (3, 0, -1, (1 << 63) - 1), TOO_LARGE, NO_INTEGER),
    Row(screen, "with_session_timestamp", "cst", (NOW,), TOO_LARGE, NO_INTEGER),
    Row(event, "with_event_label", "el", ("basket button", "é" * 500), ("x" * 501,), NO_TEXT),
    Row(event, "with_event_value", "ev", (5, 0), (-1, *TOO_LARGE), NO_INTEGER),
    Row(transaction, "with_total_revenue", "tr", (420.0, 10, -1.5), NO_FINITE, NO_NUMBER),
    Row(transaction, "with_shipping_cost", "ts", (4.99, 1), NO_FINITE, NO_NUMBER),
    Row(transaction, "with_shipping_method", "sm", ("1d", "x" * 10), ("x" * 11,), NO_TEXT),
    Row(transaction, "with_taxes", "tt", (9.99, 2), NO_FINITE, NO_NUMBER),
    Row(transaction, "with_currency", "tc", ("EUR", "x" * 10), ("x" * 11,), NO_TEXT),
    Row(transaction, "with_payment_method", "pm", ("card", "x" * 10), ("x" * 11,), NO_TEXT),
    Row(transaction, "with_item_count", "icn", (3, -3), TOO_LARGE, NO_INTEGER),
    Row(transaction, "with_coupon_code", "tcc", ("#SAVE10", "x" * 11), (), NO_TEXT),
    Row(item, "with_price", "ip", (210.0, 3), NO_FINITE, NO_NUMBER),
    Row(item, "with_item_quantity", "iq", (2,), TOO_LARGE, NO_INTEGER),
    Row(item, "with_item_category", "iv", ("hardware", "x" * 500), ("x" * 501,), NO_TEXT),
    Row(item, "with_item_code", "ic", ("code", "x" * 500), ("x" * 501,), NO_TEXT),
]

MADE: list[tuple[type[Hit], tuple[object, ...], tuple[int | None, ...]]] = [
    (Page, ("https://shop.example/cart",), (2048,)),
    (Screen, ("home",), (2048,)),
    (Event, (ACTION, "click"), (None, 500)),
    (Transaction, ("#1", "purchase"), (500, 500)),
    (Item, ("#1", "name", "sku"), (500, 500, 500)),
]
"""Types with what they are made of, and the most characters of each."""


def named(row: Row) -> str:
    return row.builder


# Builders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", BUILDERS, ids=named)
def test_a_builder_keeps_its_value_under_its_name_on_the_wire_and_returns_the_hit(row: Row) -> None:
    for value in row.taken:
        hit = row.make()

        assert getattr(hit, row.builder)(value) is hit
        assert hit.fields == {**row.make().fields, row.wire: value}


@pytest.mark.parametrize("row", BUILDERS, ids=named)
def test_a_builder_refuses_what_is_of_a_wrong_type_or_beyond_its_limits(row: Row) -> None:
    hit = row.make()

    for value in row.wrong:
        with pytest.raises(TypingError, match=f"^{row.builder}: .* must be "):
            getattr(hit, row.builder)(value)
    for value in row.refused:
        with pytest.raises(ParamError, match=f"^{row.builder}: "):
            getattr(hit, row.builder)(value)

    assert hit.fields == row.make().fields


@pytest.mark.parametrize("row", BUILDERS, ids=named)
def test_a_builder_takes_its_argument_by_name_too(row: Row) -> None:
    hit, argument = row.make(), getattr(type(row.make()), row.builder).argument

    assert getattr(hit, row.builder)(**{argument.name: row.taken[0]}) is hit
    for values, others in (((), {}), ((row.taken[0], 1), {}), ((), {"other": 1}), ((1,), {argument.name: 1})):
        with pytest.raises(TypeError, match=f"{row.builder}: takes one argument, {argument.name}"):
            getattr(hit, row.builder)(*values, **others)


def test_the_table_has_a_row_for_every_builder() -> None:
    documented = {name for kind in Hit.__subclasses__() for name in dir(kind) if name.startswith("with_")}

    assert {row.builder for row in BUILDERS} == documented - {"with_resolution"}


def test_a_truth_value_counts_as_a_number() -> None:
    assert event().with_event_value(True).fields["ev"] == 1
    assert json.loads(as_json(transaction().with_taxes(True).fields))["tt"] == 1


def test_no_message_quotes_a_value() -> None:
    with pytest.raises(ParamError) as failed:
        event().with_event_label("personal" * 100)

    assert str(failed.value) == "with_event_label: label has 800 characters; at most 500 are allowed"


@pytest.mark.parametrize(("width", "height", "sent"), [(640, 480, "640x480"), (0, 480, None), (640, 0, None)])
def test_a_resolution_is_sent_once_it_is_known(width: int, height: int, sent: str | None) -> None:
    assert screen().with_resolution(width, height).fields.get("sr") == sent


@pytest.mark.parametrize(("size", "error"), [((-1, 2), ParamError), ((1, "2"), TypingError), ((1.0, 2), TypingError)])
def test_a_resolution_is_of_two_whole_numbers(size: tuple[Any, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"with_resolution: (width|height) must be"):
        screen().with_resolution(*size)


# What a hit is made of ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "values", "limits"), MADE)
def test_every_value_that_a_hit_is_made_of_is_checked(
    kind: type[Hit], values: tuple[object, ...], limits: tuple[int | None, ...]
) -> None:
    for place, limit in enumerate(limits):

        def made(value: object, place: int = place) -> Hit:
            return kind(*values[:place], value, *values[place + 1 :])

        with pytest.raises(TypingError, match=f"^{kind.__name__}: "):
            made(5)
        if limit is not None:
            made("x" * limit)
            with pytest.raises(ParamError, match=f"^{kind.__name__}: "):
                made("x" * (limit + 1))


def test_the_category_of_an_event_is_one_of_two() -> None:
    with pytest.raises(TypingError, match="Event: category must be EventCategory, not str"):
        Event("Action Tracking", "click")  # type: ignore[arg-type]  # as a careless caller would


def test_an_items_code_may_come_later() -> None:
    late = Item("#1", "name").with_item_code("sku")

    assert late.fields == item().fields
    assert Item("#1", "name").fields == {"t": "ITEM", "ds": "APP", "tid": "#1", "in": "name"}


@pytest.mark.parametrize(
    ("origin", "kind"),
    [
        ("https://shop.example/cart", HitType.PAGE),
        ("http://localhost:8000", HitType.PAGE),
        ("ftp://x", HitType.PAGE),
        ("script.py", HitType.SCREEN),
        ("a.b", HitType.SCREEN),
        ("/cart", HitType.SCREEN),
        ("https://", HitType.SCREEN),
        ("http://[", HitType.SCREEN),
    ],
)
def test_a_page_that_is_no_url_goes_out_as_a_screen(origin: str, kind: HitType) -> None:
    assert Page(origin).fields == {"t": kind.value, "ds": "APP", "dl": origin}
    assert Page(origin).flaw == ""


# On the wire ----------------------------------------------------------------------------------------------------------

SINGLES = {  # as the example writes the calls, so that each is what stands there
    call["call"]: (
        eval(call["call"], {kind.__name__: kind for kind in (Page, Event, EventCategory, Transaction, Item)}),
        call["body"],
    )
    for call in example("hits")["single11"]
}


@pytest.mark.parametrize(("hit", "body"), SINGLES.values(), ids=list(SINGLES))
def test_a_single_hit_is_that_of_the_specification(hit: Hit, body: Mapping[str, object]) -> None:
    assert json.loads(single_hit("ENV_ID", hit, ANONYMOUS)) == body


def test_a_single_hit_of_an_authenticated_visitor_names_both() -> None:
    body = json.loads(single_hit("ENV_ID", screen(), AUTHENTICATED))

    assert (body["vid"], body["cuid"]) == ("user_#1234", "account-77")


def test_a_batch_is_that_of_the_specification() -> None:
    expected = example("hits")["batch30"]
    account = VisitorIds("account-77", "v1")
    context = {"fs_client": "python", "fs_version": "3.0.1", "isVip": True, "age": 31, "ratio": 1.5}
    page = Page("https://shop.example/cart").with_ip("1.2.3.4").with_resolution(640, 480).with_locale("fr")
    bought = transaction().with_total_revenue(10.5).with_shipping_cost(1).with_shipping_method("1d").with_taxes(2.0)
    bought.with_currency("EUR").with_payment_method("card").with_item_count(2).with_coupon_code("SAVE")
    hits = [
        (Consent(True), SOMEBODY),
        (Segment(context), SOMEBODY),
        (page.with_session_number(2), account),
        (screen(), account),
        (event().with_event_label("label").with_event_value(3), SOMEBODY),
        (bought, SOMEBODY),
        (item().with_price(3).with_item_quantity(2).with_item_category("hardware"), SOMEBODY),
    ]
    waited = [hit["qt"] for hit in expected["h"]]

    records = [Record.of_hit(hit, who, NOW - qt) for (hit, who), qt in zip(hits, waited, strict=True)]
    body = json.loads(hit_batch("ENV_ID", records, NOW))

    body["h"][1]["s"]["isVip"] = "True"  # recommended is the other spelling
    assert body == expected


def test_a_hit_without_batching_is_that_of_the_specification() -> None:
    record = Record.of_hit(screen(), SOMEBODY, NOW)

    assert json.loads(single_of("ENV_ID", record)) == example("hits")["singleWithoutBatching30"]


def test_consent_and_context_are_told_as_texts() -> None:
    consent = {"t": "EVENT", "ds": "APP", "ec": "User Engagement", "ea": "fs_consent", "el": "python:false"}
    assert Consent(False).fields == consent
    told = Segment({"isVip": True, "isNew": False, "age": 31, "ratio": 1.5, "name": "x"}).fields["s"]
    assert told == {"isVip": "true", "isNew": "false", "age": "31", "ratio": "1.5", "name": "x"}


@pytest.mark.parametrize(
    ("text", "sent"),
    [("é", "é"), ("😀", "😀"), ("a\ud800b", "a?b"), ('\x00\n\u2028"', '\x00\n\u2028"'), ("\\ud", "\\ud")],
)
def test_any_text_arrives_as_json_of_one_line(text: str, sent: str) -> None:
    record = Record.of_hit(event().with_event_label(text), VisitorIds(text, text), NOW)

    again = Record.from_line(record.line)

    assert "\n" not in record.line
    assert bytes(again.content).isascii()
    assert json.loads(bytes(again.content))["el"] == sent
    assert again.visitor == (sent, sent)


# What is not sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hit", "flaw"),
    [
        (Page(""), "Page: origin is missing or empty"),
        (Screen(""), "Screen: origin is missing or empty"),
        (Event(ACTION, ""), "Event: action is missing or empty"),
        (Transaction("", "a"), "Transaction: transaction_id is missing or empty"),
        (Transaction("t", ""), "Transaction: affiliation is missing or empty"),
        (Item("", "n", "s"), "Item: transaction_id is missing or empty"),
        (Item("t", "", "s"), "Item: product_name is missing or empty"),
        (Item("t", "n", ""), "Item: product_sku is missing or empty"),
        (Item("t", "n"), "Item: product_sku is missing or empty"),
        (Item("t", "n", "s"), ""),
        (Consent(True), ""),
        (Segment({}), ""),
    ],
)
def test_a_hit_tells_why_it_cannot_be_sent(hit: Hit, flaw: str) -> None:
    assert hit.flaw == flaw


# Records --------------------------------------------------------------------------------------------------------------


def test_records_are_those_of_the_hit_cache() -> None:
    cached = example("cache")["hitCache30"]
    shown, seen = (Record.from_cache(kept) for kept in cached.values())

    assert {record.id: record.cached for record in (shown, seen)} == cached
    assert (shown.is_activation, seen.is_activation) == (False, True)
    made = Record.of_hit(screen(), SOMEBODY, NOW)
    assert {**made.cached["data"], "id": shown.id} == shown.cached["data"]


@pytest.mark.parametrize("hit", [Consent(True), Consent(False)])
def test_a_consent_is_known_as_one_from_its_record(hit: Consent) -> None:
    assert Record.of_hit(hit, SOMEBODY, NOW).is_consent
    assert not Record.of_hit(event(), SOMEBODY, NOW).is_consent
    assert not Record.of_hit(Segment({"ea": "fs_consent"}), SOMEBODY, NOW).is_consent


def test_what_is_personal_is_not_shown() -> None:
    record = Record.of_hit(Screen("secret"), VisitorIds("secret"), NOW)

    assert "secret" not in f"{record!r} {record.visitor!r} {Screen('secret')!r}"


# Errors ---------------------------------------------------------------------------------------------------------------


def test_the_exceptions_have_the_documented_bases() -> None:
    assert issubclass(TypingError, TypeError)
    assert issubclass(ParamError, ValueError)
    assert (FlagshipException, ParamTypeError) == (FlagshipError, TypingError)
    assert issubclass(InitializationParamError, FlagshipException)
    assert all(issubclass(kind, KameleoonError) for kind in (TypingError, ParamError, InitializationError))
    assert str(FlagshipParsingError("no JSON")) == "[FlagshipParsingError] no JSON"
