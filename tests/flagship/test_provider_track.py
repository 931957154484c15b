"""``track``: which hits an event becomes; nothing that is wrong with one reaches the application (7.1, 4.4)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon.flagship.provider import FlagshipProvider
from tests.flagship.environment import Environment, resolve
from tests.test_provider_hostile import HOSTILE

Json = dict[str, Any]

SOMEBODY = EvaluationContext("somebody")
COMMON = {"ds": "APP", "vid": "somebody", "cuid": None}
EVENT = {**COMMON, "t": "EVENT", "ec": "Action Tracking", "ea": "bought"}
TRANSACTION = {**COMMON, "t": "TRANSACTION", "tid": "T-1", "ta": "bought"}


@pytest.fixture
def server() -> Iterator[Environment]:
    with Environment() as server:
        yield server


@pytest.fixture
def provider(server: Environment) -> FlagshipProvider:
    return server.ready()


def told(server: Environment, provider: FlagshipProvider) -> list[Json]:
    """The hits of track() so far, without the time that each waited."""
    assert provider.flush()
    return [
        {name: value for name, value in hit.items() if name != "qt"} for hit in server.hits if hit["t"] != "SEGMENT"
    ]


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "value"),
    [
        (None, {}),
        (TrackingEventDetails(), {}),
        (TrackingEventDetails(5), {"ev": 5}),
        (TrackingEventDetails(99.9), {"ev": 99}),
        (TrackingEventDetails(0), {"ev": 0}),
        (TrackingEventDetails(-0.5), {"ev": 0}),
        (TrackingEventDetails(-5), {}),  # a value below zero is none that the collector takes
        (TrackingEventDetails(1, {"colour": "red", "items": [5]}), {"ev": 1}),
    ],
)
def test_an_event_is_a_hit(
    server: Environment, provider: FlagshipProvider, details: TrackingEventDetails | None, value: Json
) -> None:
    provider.track("bought", SOMEBODY, details)

    assert told(server, provider) == [{**EVENT, **value}]


def test_each_event_counts(server: Environment, provider: FlagshipProvider) -> None:
    for _ in range(3):
        provider.track("bought", SOMEBODY)

    assert len(told(server, provider)) == 3


def test_the_context_of_an_event_is_the_visitors(server: Environment, provider: FlagshipProvider) -> None:
    provider.track("bought", EvaluationContext("somebody", {"plan": "vip"}))
    provider.flush()

    assert [hit["s"]["plan"] for hit in server.hits if hit["t"] == "SEGMENT"] == ["vip"]


def test_a_name_may_have_500_characters(server: Environment, provider: FlagshipProvider) -> None:
    provider.track("x" * 500, SOMEBODY)

    assert told(server, provider)[0]["ea"] == "x" * 500


# --- transactions -----------------------------------------------------------------------------------------------------

ITEMS: list[Any] = [
    {"name": "Socks", "sku": "S-1", "price": 4.5, "quantity": 2, "category": "clothes"},
    {"name": "Hat", "sku": "H-1"},
]


@pytest.mark.parametrize(
    ("value", "attributes", "expected"),
    [
        (None, {}, TRANSACTION),
        (19.9, {}, {**TRANSACTION, "tr": 19.9}),
        (19.9, {"revenue": 5, "affiliation": "shop"}, {**TRANSACTION, "tr": 5, "ta": "shop"}),
        (
            -5,
            {
                "shippingCost": 2.5,
                "shippingMethod": "express",
                "taxes": 1,
                "currency": "EUR",
                "paymentMethod": "card",
                "itemCount": 3,
                "couponCode": "SPRING",
                "colour": "red",
            },
            {**TRANSACTION, "tr": -5, "ts": 2.5, "sm": "express", "tt": 1, "tc": "EUR", "pm": "card", "icn": 3,
             "tcc": "SPRING"},
        ),
    ],
)  # fmt: skip
def test_an_event_with_a_transaction_id_is_a_transaction(
    server: Environment, provider: FlagshipProvider, value: float | None, attributes: Json, expected: Json
) -> None:
    provider.track("bought", SOMEBODY, TrackingEventDetails(value, {"transactionId": "T-1", **attributes}))

    assert told(server, provider) == [expected]


def test_its_items_come_after_it(server: Environment, provider: FlagshipProvider) -> None:
    provider.track("bought", SOMEBODY, TrackingEventDetails(13.5, {"transactionId": "T-1", "items": ITEMS}))

    item = {**COMMON, "t": "ITEM", "tid": "T-1"}
    assert told(server, provider) == [
        {**TRANSACTION, "tr": 13.5},
        {**item, "in": "Socks", "ic": "S-1", "ip": 4.5, "iq": 2, "iv": "clothes"},
        {**item, "in": "Hat", "ic": "H-1"},
    ]


# --- what is not told -------------------------------------------------------------------------------------------------

WRONG: list[tuple[Any, Any, Any, str]] = [
    ("", SOMEBODY, None, "action is missing"),
    ("x" * 501, SOMEBODY, None, "at most 500"),
    (None, SOMEBODY, None, "action must be str"),
    (7, SOMEBODY, None, "action must be str"),
    ("bought", None, None, "a targeting key must be"),
    ("bought", EvaluationContext(), None, "a targeting key must be"),
    ("bought", EvaluationContext(7), None, "not int"),  # type: ignore[arg-type]
    ("bought", EvaluationContext("v", {"fsVisitorInfo": 5}), None, "'fsVisitorInfo'"),
    ("bought", SOMEBODY, TrackingEventDetails(float("nan")), "finite"),
    ("bought", SOMEBODY, TrackingEventDetails(float("inf")), "finite"),
    ("bought", SOMEBODY, TrackingEventDetails(True), "a number, not bool"),
    ("bought", SOMEBODY, TrackingEventDetails("5"), "a number, not str"),  # type: ignore[arg-type]
    ("bought", SOMEBODY, TrackingEventDetails(10**400), "OverflowError"),
    ("bought", SOMEBODY, TrackingEventDetails(2**70), "too large"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": 5}), "transaction_id must be str"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": ""}), "transaction_id is missing"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "taxes": "5"}), "taxes must be"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "items": "Hat"}), "'items'"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "items": [*ITEMS, 5]}), "number 3: a mapping"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "items": [{"name": "x"}]}), "sku is missing"),
    ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "items": [{"sku": "x"}]}), "name must be"),
]


@pytest.mark.parametrize(("name", "context", "details", "words"), WRONG)
def test_what_cannot_be_told_is_left_out_with_a_warning(
    server: Environment,
    provider: FlagshipProvider,
    caplog: pytest.LogCaptureFixture,
    name: Any,
    context: Any,
    details: Any,
    words: str,
) -> None:
    provider.track(name, context, details)

    assert told(server, provider) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert words in caplog.text
    assert "somebody" not in caplog.text


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_objects_reach_nobody(provider: FlagshipProvider, what: str) -> None:
    hostile: Any = HOSTILE[what]()
    for arguments in (
        (hostile, SOMEBODY, None),
        ("bought", hostile, None),
        ("bought", EvaluationContext("v", {"plan": hostile}), None),
        ("bought", EvaluationContext("v", {"fsVisitorInfo": {"hasConsented": hostile}}), None),
        ("bought", SOMEBODY, hostile),
        ("bought", SOMEBODY, TrackingEventDetails(hostile)),
        ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": hostile, "items": hostile})),
        ("bought", SOMEBODY, TrackingEventDetails(1, {"transactionId": "T", "items": [hostile], "taxes": hostile})),
    ):
        provider.track(*arguments)

    assert resolve(provider, "f", False).value is True


def test_a_name_is_warned_of_once(provider: FlagshipProvider, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        provider.track("bought", SOMEBODY, TrackingEventDetails(float("nan")))

    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["WARNING"]


# --- when -------------------------------------------------------------------------------------------------------------


def test_an_event_before_initialize_is_kept(server: Environment) -> None:
    provider = server.provider()

    provider.track("bought", SOMEBODY)

    assert told(server, provider) == [EVENT]


def test_an_event_after_shutdown_disturbs_nobody(server: Environment, provider: FlagshipProvider) -> None:
    provider.shutdown()

    provider.track("bought", SOMEBODY)

    assert told(server, provider) == [EVENT]


def test_the_api_tracks_with_all_its_contexts(server: Environment, provider: FlagshipProvider) -> None:
    try:
        api.set_provider_and_wait(provider)
        api.set_evaluation_context(EvaluationContext("somebody", {"plan": "vip"}))

        api.get_client().track("bought", tracking_event_details=TrackingEventDetails(5))

        assert told(server, provider) == [{**EVENT, "ev": 5}]
    finally:
        api.shutdown()
