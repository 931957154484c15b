"""What an evaluation context tells of a visitor: remembered, reported once, and held back without consent."""

from __future__ import annotations

import logging

import pytest

from openfeature_kameleoon.visitors.data import Conversion, CustomData, Device, DeviceType, PageView
from openfeature_kameleoon.visitors.traits import Exposure, LegalConsent, RecordedConversion
from tests.faces import DELIVERY, EXPERIMENT, Evaluations, flag, rule, site

TO_ALL = flag("all", rule(1, ("on", 1)))
TO_VIPS = flag("vips", rule(2, ("off", 1), segment_id=2001), rule(3, ("on", 1)))
TESTED = flag("tested", rule(4, ("on", 1), kind=EXPERIMENT))
NOBODY = flag("nobody")
FLAGS = site(TO_ALL, TO_VIPS, TESTED, NOBODY)
OF_ALL, OF_TESTED = Exposure(1001, 10, DELIVERY), Exposure(1004, 40, EXPERIMENT)
OF_VIPS, OF_OTHERS = Exposure(1002, 20, DELIVERY), Exposure(1003, 30, DELIVERY)


def test_data_of_a_context_are_remembered_and_reported_once() -> None:
    stage = Evaluations(FLAGS)

    assert stage.evaluate("vips", plan="vip", device="PHONE") == "off"
    assert stage.evaluate("vips", plan="vip", device="PHONE") == "off"
    assert stage.evaluate("vips") == "off"
    assert stage.evaluate("vips", plan="free") == "on"

    reported = stage.reported()
    assert reported == [CustomData(0, "vip"), Device(DeviceType.PHONE), OF_VIPS, CustomData(0, "free"), OF_OTHERS]


def test_data_of_a_context_stay_here_if_so_set() -> None:
    stage = Evaluations(FLAGS, reports_context=False)

    assert stage.evaluate("vips", plan="vip", conversion=5, pageView="https://a") == "off"

    visitor = stage.store.get_or_create("somebody")
    assert visitor.custom_data == {0: "vip"}
    assert [item.conversion.goal_id for item in visitor.traits.conversions] == [5]
    assert stage.reported() == [OF_VIPS]


def test_a_datum_that_is_local_to_this_side_is_not_reported() -> None:
    stage = Evaluations(FLAGS)

    stage.evaluate("all", note="private")

    assert stage.store.get_or_create("somebody").custom_data == {2: "private"}
    assert stage.reported() == [OF_ALL]


def test_data_of_untracked_evaluations_are_reported_with_what_comes_next() -> None:
    stage = Evaluations(FLAGS)
    stage.evaluate("nobody", is_tracked=False, plan="vip")
    assert stage.reported() == []

    stage.evaluate("nobody")

    assert stage.reported() == [CustomData(0, "vip")]


def test_a_conversion_counts_at_each_evaluation_and_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    stage = Evaluations(FLAGS)

    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            stage.evaluate("all", conversion={"goalId": 5, "revenue": 2})

    recorded = RecordedConversion(Conversion(5, 2.0), stage.clock.time())
    assert stage.reported() == [OF_ALL, recorded, recorded, recorded]
    assert [(record.levelname, "track()" in record.message) for record in caplog.records] == [("WARNING", True)]


def test_an_evaluation_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Evaluations(FLAGS)

    with caplog.at_level(logging.DEBUG):
        for key in ("all", "vips", "tested", "nobody"):
            stage.evaluate(key, plan="vip", pageView="https://a", unknown=object())

    assert caplog.records == []


# --- consent ----------------------------------------------------------------------------------------------------


def test_without_consent_only_deliveries_and_conversions_are_reported_until_it_is_given() -> None:
    stage = Evaluations(site(TO_ALL, TESTED, configuration={"consentType": "REQUIRED"}))
    for _ in range(2):
        stage.evaluate("all", plan="vip", pageView="https://a")
        stage.evaluate("tested", conversion=5)

    recorded = RecordedConversion(Conversion(5), stage.clock.time())
    assert stage.reported() == [OF_ALL, recorded, recorded]

    stage.consent(LegalConsent.NOT_GIVEN)
    assert stage.evaluate("tested") == "off"
    assert stage.reported() == []

    stage.consent(LegalConsent.GIVEN)
    stage.evaluate("all")
    assert stage.reported() == [CustomData(0, "vip"), PageView("https://a"), OF_TESTED]
