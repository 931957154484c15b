"""What a visitor reports, and what waits for its consent (specs/kameleoon-sdk.md 6.4, 6.6, 7.1, 7.3)."""

from __future__ import annotations

import threading

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.tracking.events import ACTIVITY, MappingIdentifier, Report
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.tracking.reports import Reporter
from openfeature_kameleoon.visitors.data import (
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.traits import Exposure, LegalConsent, RecordedConversion, TargetedSegment
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.clock import FakeClock
from tests.faces import DELIVERY, EXPERIMENT, HALF_AN_HOUR, site
from tests.vectors import as_bytes

FREE, ASKING, BLOCKING = (
    DataFileIndex.read(as_bytes(site(configuration={"consentType": kind, "consentOptOutBehavior": behaviour})))
    for kind, behaviour in (("NOT_REQUIRED", ""), ("REQUIRED", "PARTIALLY_BLOCK"), ("REQUIRED", "FULLY_BLOCK"))
)
UNMAPPED = DataFileIndex.read(as_bytes(site(customData=[])))

DELIVERED, TESTED, OTHER = Exposure(1, 10, DELIVERY), Exposure(2, 20, EXPERIMENT), Exposure(3, 30, "PERSONALIZED")
CHROME, PAGE, SEGMENT = Browser(BrowserType.CHROME), PageView("https://a"), TargetedSegment(2001)
BOUGHT = RecordedConversion(Conversion(5, 9.5), 50.0)
UNSENT = (DELIVERED, BOUGHT, CHROME, TESTED, 0, PAGE, SEGMENT, OTHER)
USER_ID = 3


class Reports:
    """A store with one visitor on the plan ``vip``, whose reports are looked at."""

    def __init__(self, *unsent: object, consent: LegalConsent = LegalConsent.UNKNOWN, code: str = "somebody") -> None:
        self.store = MemoryVisitorStore(idle_seconds=HALF_AN_HOUR, max_bytes=10_000_000, clock=FakeClock())
        self.outbox = MemoryOutbox()
        self.reporter = Reporter(self.store, self.outbox)
        self.visitor = self.store.get_or_create(code)
        self.add(CustomData(0, "vip"), is_tracked=False)
        self.visitor.set_consent(consent)
        for item in unsent:
            self.visitor.note_unsent(item)

    def add(self, *data: Data, index: DataFileIndex = FREE, is_tracked: bool = True) -> None:
        self.store.add_data(self.visitor, data, index, is_tracked=is_tracked)

    def report(
        self, index: DataFileIndex = FREE, *, visitor: Visitor | None = None, or_activity: bool = False
    ) -> list[object]:
        """What the visitor reports now."""
        self.reporter.report(visitor or self.visitor, index, or_activity=or_activity)
        return [event.data for report in self.taken() for event in report.events]

    def taken(self) -> list[Report]:
        """What was put into the outbox since the last look."""
        reports = self.outbox.peek(1000)
        self.outbox.delivered(self.outbox.take(1000))
        return reports


@pytest.mark.parametrize("consent", LegalConsent)
def test_without_consent_being_required_everything_is_reported_once(consent: LegalConsent) -> None:
    reports = Reports(*UNSENT, consent=consent)

    assert reports.report() == [DELIVERED, BOUGHT, CHROME, TESTED, CustomData(0, "vip"), PAGE, SEGMENT, OTHER]
    assert reports.report() == []


@pytest.mark.parametrize("index", [ASKING, BLOCKING])
@pytest.mark.parametrize("consent", [LegalConsent.UNKNOWN, LegalConsent.NOT_GIVEN])
def test_without_the_consent_required_deliveries_and_conversions_go_and_the_rest_waits(
    index: DataFileIndex, consent: LegalConsent
) -> None:
    reports = Reports(*UNSENT, consent=consent)

    assert reports.report(index) == [DELIVERED, BOUGHT]
    assert reports.report(index, or_activity=True) == []

    reports.visitor.set_consent(LegalConsent.GIVEN)
    assert reports.report(index) == [CHROME, TESTED, CustomData(0, "vip"), PAGE, SEGMENT, OTHER]
    assert reports.report(index) == []


def test_with_the_consent_required_everything_is_reported() -> None:
    assert len(Reports(*UNSENT, consent=LegalConsent.GIVEN).report(ASKING)) == len(UNSENT)


def test_what_came_twice_is_reported_twice_and_keeps_its_order() -> None:
    again = RecordedConversion(Conversion(6), 60.0)

    assert Reports(BOUGHT, TESTED, again, BOUGHT).report() == [BOUGHT, TESTED, again, BOUGHT]


def test_a_visitor_who_has_nothing_to_report_reports_nothing() -> None:
    assert Reports().report() == []
    assert Reports(TESTED).report(ASKING) == []


def test_activity_is_reported_where_it_is_asked_for_and_nothing_else_waits() -> None:
    reports = Reports()

    assert reports.report(or_activity=True) == [ACTIVITY]
    assert Reports(TESTED).report(or_activity=True) == [TESTED]

    reports.visitor.note_unsent(TESTED)
    reports.reporter.report(reports.visitor, FREE)
    assert reports.report(or_activity=True) == [TESTED]


def test_of_all_visitors_those_report_of_whom_anything_is_known() -> None:
    reports = Reports(TESTED)
    reports.store.get_or_create("nobody")
    reports.store.add_data(reports.store.get_or_create("silent"), [CustomData(0, "free")], FREE, is_tracked=False)

    reports.reporter.report_all(FREE, or_activity=True)

    assert {each.visitor_code: each.events[0].data for each in reports.taken()} == {
        "somebody": TESTED,
        "silent": ACTIVITY,
    }


def test_every_event_has_a_nonce_of_its_own() -> None:
    reports = Reports(*UNSENT)
    reports.reporter.report(reports.visitor, FREE)

    nonces = [event.nonce for report in reports.taken() for event in report.events]

    assert len(set(nonces)) == len(UNSENT)
    assert all(0 <= nonce < 2**64 for nonce in nonces)


def test_a_custom_datum_is_reported_with_its_latest_values_once() -> None:
    reports = Reports()
    for values in (("a",), ("b", "c"), ()):
        reports.add(CustomData(1, "first"))
        reports.add(CustomData(1, *values))

        assert reports.report() == [CustomData(1, *values)]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_custom_datum_says_whether_it_overwrites(overwrite: bool) -> None:
    reports = Reports()
    reports.add(CustomData("plan", "vip", overwrite=overwrite))

    assert reports.report() == [CustomData(0, "vip", overwrite=overwrite)]


@pytest.mark.parametrize("data", [CustomData(2, "local only"), Cookie({"a": "b"}), UserAgent("Mozilla")])
def test_what_is_for_this_side_alone_is_not_reported_by_itself(data: Data) -> None:
    reports = Reports()
    reports.add(data)

    assert reports.report() == []


def test_the_user_agent_goes_along_with_every_report() -> None:
    reports = Reports(TESTED)
    reports.add(UserAgent("Mozilla"))

    reports.reporter.report(reports.visitor, FREE)

    assert [report.user_agent for report in reports.taken()] == ["Mozilla"]


# User ids (6.6) -------------------------------------------------------------------------------------------------------


def test_a_mapping_identifier_goes_along_with_every_report() -> None:
    reports = Reports()
    reports.add(CustomData(USER_ID, "user"))
    identifier = MappingIdentifier(CustomData(USER_ID, "user"))

    assert reports.report() == [identifier]

    reports.visitor.note_unsent(TESTED)
    assert reports.report() == [TESTED, identifier]


def test_a_mapping_identifier_without_a_value_is_a_custom_datum_like_any_other() -> None:
    reports = Reports()
    reports.add(CustomData(USER_ID))

    assert reports.report() == [CustomData(USER_ID)]
    assert reports.report() == []


def test_a_user_id_is_linked_to_itself_when_it_first_reports() -> None:
    reports = Reports(TESTED, code="user")
    reports.add(UniqueIdentifier(True))

    reports.reporter.report(reports.visitor, FREE)

    [report] = reports.taken()
    assert [event.data for event in report.events] == [TESTED, MappingIdentifier(CustomData(USER_ID, "user"))]
    assert not report.is_mapping_value


def test_without_a_mapping_identifier_in_the_data_file_a_user_id_is_reported_as_one() -> None:
    reports = Reports(TESTED, code="user")
    reports.add(UniqueIdentifier(True), index=UNMAPPED)

    reports.reporter.report(reports.visitor, UNMAPPED)

    assert [report.is_mapping_value for report in reports.taken()] == [True]


def test_a_user_id_that_is_linked_to_a_visitor_code_is_reported_as_one_once_it_is_declared() -> None:
    reports = Reports(code="anonymous")
    reports.add(CustomData(USER_ID, "user"))
    user = reports.store.get_or_create("user")

    reports.reporter.report(user, FREE)
    reports.store.add_data(user, [UniqueIdentifier(True)], FREE)
    reports.reporter.report(user, FREE)

    assert [(report.visitor_code, report.is_mapping_value) for report in reports.taken()] == [
        ("user", False),
        ("user", True),
    ]


def test_codes_of_one_visitor_report_what_is_unsent_once() -> None:
    reports = Reports(TESTED)
    other = reports.visitor.alias("user")

    assert reports.report(visitor=other) == [TESTED]
    assert reports.report() == []


# Threads --------------------------------------------------------------------------------------------------------------


def test_what_is_unsent_is_reported_once_by_threads_that_report_at_the_same_time() -> None:
    reports = Reports(*[RecordedConversion(Conversion(number), 0.0) for number in range(500)])
    threads = [threading.Thread(target=reports.reporter.report, args=(reports.visitor, FREE)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reports.outbox.status().accepted == 500
