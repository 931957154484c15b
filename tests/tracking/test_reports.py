"""What a visitor reports, in which order, and what waits for its consent (specs/kameleoon-sdk.md 6.4, 7.3)."""

from __future__ import annotations

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.tracking.outbox import Event
from openfeature_kameleoon.tracking.reports import take_report
from openfeature_kameleoon.visitors.data import (
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    PageView,
    UserAgent,
)
from openfeature_kameleoon.visitors.traits import Exposure, LegalConsent, RecordedConversion, TargetedSegment
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.faces import DELIVERY, EXPERIMENT, site
from tests.vectors import as_bytes

FREE, ASKING, BLOCKING = (
    DataFileIndex.read(as_bytes(site(configuration={"consentType": kind, "consentOptOutBehavior": behaviour})))
    for kind, behaviour in (("NOT_REQUIRED", ""), ("REQUIRED", "PARTIALLY_BLOCK"), ("REQUIRED", "FULLY_BLOCK"))
)

DELIVERED, TESTED, OTHER = Exposure(1, 10, DELIVERY), Exposure(2, 20, EXPERIMENT), Exposure(3, 30, "PERSONALIZED")
CHROME, PAGE, SEGMENT = Browser(BrowserType.CHROME), PageView("https://a"), TargetedSegment(2001)
BOUGHT = RecordedConversion(Conversion(5, 9.5), 50.0)
UNSENT = (DELIVERED, BOUGHT, CHROME, TESTED, 0, PAGE, SEGMENT, OTHER)


def visitor(*unsent: object, consent: LegalConsent = LegalConsent.UNKNOWN) -> Visitor:
    """A visitor on the plan ``vip`` who has these to report."""
    made = Visitor("somebody")
    add_data(made, CustomData(0, "vip"), FREE, 0.0, is_tracked=False)
    made.set_consent(consent)
    for item in unsent:
        made.note_unsent(item)
    return made


def reported(reporting: Visitor, index: DataFileIndex = FREE) -> list[object]:
    return [event.data for event in take_report(reporting, index, 100.0)]


@pytest.mark.parametrize("consent", LegalConsent)
def test_without_consent_being_required_everything_is_reported_conversions_last(consent: LegalConsent) -> None:
    reporting = visitor(*UNSENT, consent=consent)

    assert reported(reporting) == [DELIVERED, CHROME, TESTED, CustomData(0, "vip"), PAGE, SEGMENT, OTHER, BOUGHT]
    assert reported(reporting) == []


@pytest.mark.parametrize("index", [ASKING, BLOCKING])
@pytest.mark.parametrize("consent", [LegalConsent.UNKNOWN, LegalConsent.NOT_GIVEN])
def test_without_the_consent_required_deliveries_and_conversions_go_and_the_rest_waits(
    index: DataFileIndex, consent: LegalConsent
) -> None:
    reporting = visitor(*UNSENT, consent=consent)

    assert reported(reporting, index) == [DELIVERED, BOUGHT]
    assert reported(reporting, index) == []

    reporting.set_consent(LegalConsent.GIVEN)
    assert reported(reporting, index) == [CHROME, TESTED, CustomData(0, "vip"), PAGE, SEGMENT, OTHER]
    assert reported(reporting, index) == []


def test_with_the_consent_required_everything_is_reported() -> None:
    assert len(reported(visitor(*UNSENT, consent=LegalConsent.GIVEN), ASKING)) == len(UNSENT)


def test_what_came_twice_is_reported_twice_and_keeps_its_order() -> None:
    again = RecordedConversion(Conversion(6), 60.0)

    assert reported(visitor(BOUGHT, TESTED, again, BOUGHT, DELIVERED)) == [TESTED, DELIVERED, BOUGHT, again, BOUGHT]


def test_a_visitor_who_has_nothing_to_report_reports_nothing() -> None:
    assert reported(Visitor("somebody")) == []
    assert reported(visitor(TESTED), ASKING) == []


def test_an_event_tells_who_and_when_a_conversion_when_it_happened() -> None:
    events = take_report(visitor(TESTED, BOUGHT), FREE, 100.0)

    assert events == [Event("somebody", TESTED, 100.0), Event("somebody", BOUGHT, 50.0)]


def test_a_custom_datum_is_reported_with_its_latest_values_once() -> None:
    reporting = Visitor("somebody")
    for values in (("a",), ("b", "c"), ()):
        add_data(reporting, CustomData(1, "first"), FREE, 0.0)
        add_data(reporting, CustomData(1, *values), FREE, 0.0)

        assert reported(reporting) == [CustomData(1, *values)]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_custom_datum_says_whether_it_overwrites(overwrite: bool) -> None:
    reporting = Visitor("somebody")
    add_data(reporting, CustomData("plan", "vip", overwrite=overwrite), FREE, 0.0)

    assert reported(reporting) == [CustomData(0, "vip", overwrite=overwrite)]


@pytest.mark.parametrize("data", [CustomData(2, "local only"), Cookie({"a": "b"}), UserAgent("Mozilla")])
def test_what_is_for_this_side_alone_is_not_reported_by_itself(data: Data) -> None:
    reporting = Visitor("somebody")
    add_data(reporting, data, FREE, 0.0)

    assert reported(reporting) == []


def test_codes_of_one_visitor_report_what_is_unsent_once() -> None:
    reporting = visitor(TESTED)
    reporting.hashing_code = "somebody"
    other = reporting.alias("user")

    assert take_report(other, FREE, 100.0) == [Event("user", TESTED, 100.0)]
    assert reported(reporting) == []
