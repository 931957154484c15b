"""What the client is told of visitors, what it reports of them, and which visitor codes it refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import (
    CustomData,
    Device,
    DeviceType,
    KameleoonClient,
    UniqueIdentifier,
)
from openfeature_kameleoon.errors import (
    FeatureEnvironmentDisabled,
    KameleoonError,
    VisitorCodeInvalid,
    VisitorDataInvalid,
)
from openfeature_kameleoon.tracking.events import MappingIdentifier
from openfeature_kameleoon.visitors.data import Conversion
from openfeature_kameleoon.visitors.traits import Exposure, RecordedConversion, TargetedSegment
from tests.clock import FakeClock
from tests.faces import DELIVERY, EXPERIMENT, VIP, client_of, flag, plan_is, reported, rule, site

SIZE = {"size": ("NUMBER", 5), "layout": ("JSON", '{"columns": 2}')}
FLAGS = site(
    flag("on", rule(1, ("on", 1)), variables=SIZE),
    flag("off", rule(2, ("off", 1))),
    flag("disabled", rule(3, ("on", 1)), environmentEnabled=False),
    flag("vips", rule(4, ("on", 1), segment_id=VIP)),
    flag("tested", rule(5, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)),
    {"featureKey": "broken", "rules": 5},
)


@pytest.fixture
def client(tmp_path: Path) -> KameleoonClient:
    return client_of(tmp_path, FLAGS)


def data(client: KameleoonClient) -> list[object]:
    return [event.data for event in reported(client)]


def is_stored(client: KameleoonClient, code: str = "somebody") -> bool:
    return code in client.evaluator.store


def test_data_are_for_targeting_at_once_and_reported_with_what_comes_next(client: KameleoonClient) -> None:
    client.add_data("somebody", CustomData("plan", "vip"), None, Device(DeviceType.PHONE))
    client.add_data("somebody", CustomData(1, "20"), track=False)
    assert data(client) == []

    assert client.is_feature_active("somebody", "vips")
    client.get_variation("somebody", "vips")

    expected = [CustomData(0, "vip"), Device(DeviceType.PHONE), Exposure(1004, 40, DELIVERY)]
    assert data(client) == expected


def test_what_is_no_data_is_left_out_with_a_warning(client: KameleoonClient, caplog: pytest.LogCaptureFixture) -> None:
    wrong: Any = ["plan", {"index": 0}, object()]

    client.add_data("somebody", *wrong, CustomData("plan", "vip"))

    assert client.is_feature_active("somebody", "vips")
    assert "3 values that are no visitor data" in caplog.text


def test_a_conversion_is_reported_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    client = client_of(tmp_path, FLAGS, clock=clock)

    client.track_conversion("somebody", 5)
    client.track_conversion("somebody", 6, 9.5, True, True, iter([CustomData("plan", "vip")]))

    plain = Conversion(5, 0.0)
    full = Conversion(6, 9.5, True, (CustomData(0, "vip"),))
    first, user_id, second = data(client)
    assert [first, second] == [RecordedConversion(item, clock.time()) for item in (plain, full)]
    assert user_id == MappingIdentifier(CustomData(3, "somebody"))
    assert client.evaluator.visitor("somebody").is_unique_identifier


@pytest.mark.parametrize("revenue", [float("nan"), float("inf"), 10**400, "5", True])
def test_a_revenue_is_a_finite_number(client: KameleoonClient, revenue: Any) -> None:
    with pytest.raises(VisitorDataInvalid, match="cannot be a revenue"):
        client.track_conversion("somebody", 5, revenue)

    assert data(client) == []


def test_a_unique_identifier_may_be_told_with_a_question(client: KameleoonClient) -> None:
    client.is_feature_active("somebody", "on", is_unique_identifier=True)
    assert client.evaluator.visitor("somebody").is_unique_identifier

    client.add_data("somebody", UniqueIdentifier(False))
    assert not client.evaluator.visitor("somebody").is_unique_identifier


def test_refused_consent_ends_experiments_where_the_site_requires_it(tmp_path: Path) -> None:
    settings = {"consentType": "REQUIRED", "consentOptOutBehavior": "FULLY_BLOCK"}
    client = client_of(tmp_path, {**FLAGS, "configuration": settings})
    client.set_legal_consent("somebody", False)

    with pytest.raises(FeatureEnvironmentDisabled, match="consent"):
        client.get_variation("somebody", "tested")
    assert not client.is_feature_active("somebody", "tested")
    assert list(client.get_variations("somebody")) == ["on", "off", "vips"]

    client.set_legal_consent("somebody", True)
    client.get_variation("somebody", "tested")
    assert [item.experiment_id for item in data(client) if isinstance(item, Exposure)] == [1001, 1002, 1005]


CALLS: list[Callable[[KameleoonClient, Any], object]] = [
    lambda client, code: client.get_variation(code, "on"),
    lambda client, code: client.get_variations(code),
    lambda client, code: client.peek_variations(code),
    lambda client, code: client.is_feature_active(code, "on"),
    lambda client, code: client.is_feature_active(code, "on", True),
    lambda client, code: client.explain(code, "on"),
    lambda client, code: list(client.assign("on", [code])),
    lambda client, code: list(client.assign("on", [(code, [])])),
    lambda client, code: client.set_forced_variation(code, 1005, "on"),
    lambda client, code: client.set_forced_variation(code, 1005, None),
    lambda client, code: client.evaluate_audiences(code),
    lambda client, code: client.add_data(code),
    lambda client, code: client.track_conversion(code, 5),
    lambda client, code: client.set_legal_consent(code, True),
    lambda client, code: client.trigger_experiment(code, 5),
    lambda client, code: client.get_experiment_list_for_visitor(code),
]


@pytest.mark.parametrize("code", ["", None, 5, "y" * 256, "a\nb", "\ud800"])
def test_every_method_refuses_what_is_no_visitor_code(client: KameleoonClient, code: Any) -> None:
    for call in CALLS:
        with pytest.raises(VisitorCodeInvalid) as refused:
            call(client, code)
        assert isinstance(refused.value, KameleoonError)

    assert data(client) == []
    assert len(client.evaluator.store) == 0


def test_nothing_is_logged_about_visitors_who_are_asked_for(
    client: KameleoonClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for call in CALLS:
            if call is not CALLS[-2]:
                call(client, "somebody")

    assert caplog.records == []


def test_audiences_are_reported(tmp_path: Path) -> None:
    tracked = {**plan_is("vip"), "audienceTracking": True}
    client = client_of(tmp_path, site(segments=[tracked, plan_is("free", 5), {"id": 6, "audienceTracking": True}]))
    client.add_data("somebody", CustomData("plan", "vip"), track=False)

    client.evaluate_audiences("somebody")
    client.evaluate_audiences("another")

    assert data(client) == [TargetedSegment(VIP), TargetedSegment(6), TargetedSegment(6)]
    assert is_stored(client, "another")
