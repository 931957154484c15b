"""What an evaluation leaves behind: who is remembered, what is reported, and that it is reported once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, ItemsView
from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from openfeature_kameleoon.errors import VisitorCodeInvalid, VisitorCodeMissing, VisitorDataInvalid
from openfeature_kameleoon.evaluator import Evaluator, check_visitor_code
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.visitors.data import Conversion, CustomData, Device, DeviceType, PageView
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.traits import Exposure, LegalConsent, RecordedConversion
from tests.clock import FakeClock
from tests.faces import DELIVERY, EXPERIMENT, Json, flag, rule, site
from tests.vectors import as_bytes

HALF_AN_HOUR = 1800.0
TO_ALL = flag("all", rule(1, ("on", 1)))
TO_VIPS = flag("vips", rule(2, ("off", 1), segment_id=2001), rule(3, ("on", 1)))
TESTED = flag("tested", rule(4, ("on", 1), kind=EXPERIMENT))
NOBODY = flag("nobody")
OF_ALL, OF_TESTED = Exposure(1001, 10, DELIVERY), Exposure(1004, 40, EXPERIMENT)
OF_VIPS, OF_OTHERS = Exposure(1002, 20, DELIVERY), Exposure(1003, 30, DELIVERY)


class Stage:
    """An evaluator on a data file, with a clock that stands still."""

    def __init__(self, content: Json | None = None, *, reports_context: bool = True) -> None:
        self.clock = FakeClock()
        self.outbox = MemoryOutbox()
        self.store = MemoryVisitorStore(idle_seconds=HALF_AN_HOUR, max_bytes=10_000_000, clock=self.clock)
        self.evaluator = Evaluator(self.store, self.outbox, self.clock, reports_context=reports_context)
        index = DataFileIndex.read(as_bytes(content or site(TO_ALL, TO_VIPS, TESTED, NOBODY)))
        self.ruleset = Ruleset(index, scope=Scope(self.clock.time, lambda: 0.0, "PYTHON", "3.22.2"))

    def evaluate(self, key: str, code: str | None = "somebody", *, is_tracked: bool = True, **attributes: Any) -> str:
        return self.evaluator.evaluate(self.ruleset, key, code, attributes, is_tracked=is_tracked).variation_key

    def consent(self, answer: LegalConsent) -> None:
        visitor = self.store.get_or_create("somebody")
        self.store.change(visitor, lambda stored: stored.set_consent(answer))

    def reported(self) -> list[object]:
        """What was reported since the last call, all of it of one visitor."""
        events = self.outbox.take(1000)
        assert {event.visitor_code for event in events} <= {"somebody"}
        return [event.data for event in events]


# --- visitor codes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["v", "y" * 255, " ", "é\U0001f600", "a;b,c=d", "\u2028", "\xa0"])
def test_any_text_up_to_255_characters_is_a_visitor_code(code: str) -> None:
    assert check_visitor_code(code) == code


@pytest.mark.parametrize("code", ["y" * 256, "a\nb", "\0", "\x7f", "\x85", "\ud800", "y" * 1_000_000])
def test_what_cannot_be_written_down_is_no_visitor_code(code: str) -> None:
    with pytest.raises(VisitorCodeInvalid) as refused:
        check_visitor_code(code)

    assert code not in refused.value.message


@pytest.mark.parametrize("code", [None, "", 5, 0, b"v", ["v"], object()])
def test_what_is_no_text_is_a_missing_visitor_code(code: object) -> None:
    with pytest.raises(VisitorCodeMissing, match="non-empty string"):
        check_visitor_code(code)


class Strange(str):
    """A text that says of itself whatever it likes."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError

    def __len__(self) -> int:
        return 0

    def __str__(self) -> str:
        return "another"


def test_a_text_of_another_class_is_the_same_visitor() -> None:
    stage = Stage()
    stage.evaluate("vips", "somebody", plan="vip")

    assert stage.evaluate("vips", Strange("somebody")) == "off"
    assert type(check_visitor_code(Strange("somebody"))) is str
    assert stage.reported() == [CustomData(0, "vip"), OF_VIPS]


# --- assignments ------------------------------------------------------------------------------------------------


def test_an_assignment_is_reported_once() -> None:
    stage = Stage()

    for _ in range(3):
        stage.evaluate("all")
        stage.clock.advance(60)

    assert stage.reported() == [OF_ALL]


def test_another_variation_is_reported_and_so_is_the_way_back_to_one_of_another_rule() -> None:
    stage = Stage()
    for plan in ("free", "vip", "vip", "free"):
        stage.evaluate("vips", plan=plan)

    exposures = [item for item in stage.reported() if isinstance(item, Exposure)]

    assert exposures == [OF_OTHERS, OF_VIPS]  # two rules, two experiments: going back to the first is no news


def test_another_variation_of_the_same_experiment_is_news_each_time() -> None:
    stage = Stage(site(flag("f", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT))))
    for key in ("on", "off", "off", "on"):
        forced = stage.ruleset.forced_variation(1001, key, ignores_targeting=True)
        visitor = stage.store.get_or_create("somebody")
        stage.store.change(visitor, lambda stored, wanted=forced: stored.force(wanted))  # type: ignore[misc]
        stage.evaluate("f")

    assert [item.variation_id for item in stage.reported() if isinstance(item, Exposure)] == [10, 11, 10]


def test_an_untracked_assignment_is_remembered_and_reported_when_it_is_tracked() -> None:
    stage = Stage()
    for _ in range(2):
        stage.evaluate("all", is_tracked=False)

    assert 1001 in stage.store.get_or_create("somebody").assignments
    assert stage.reported() == []

    for is_tracked in (True, True, False, True):
        stage.evaluate("all", is_tracked=is_tracked)
    assert stage.reported() == [OF_ALL]


def test_a_holdouts_assignment_is_reported_once_for_all_flags() -> None:
    kept = {"variationKey": "not-in-holdout", "variationId": 91, "exposition": 1}
    stage = Stage(site(TO_ALL, NOBODY, holdout={"experimentId": 9, "variationByExposition": [kept]}))

    for key in ("all", "nobody", "all", "nobody"):
        stage.evaluate(key)

    assert stage.reported() == [Exposure(9, 91, EXPERIMENT), OF_ALL]


def test_a_visitor_of_whom_nothing_is_to_be_remembered_is_not_stored() -> None:
    stage = Stage()

    stage.evaluate("nobody", colour="red")
    with pytest.raises(VisitorDataInvalid):
        stage.evaluate("all", browser=5)

    assert len(stage.store) == 0
    assert stage.reported() == []


def test_an_assignment_tells_when_it_was_made_and_when_it_was_confirmed_last() -> None:
    stage = Stage()
    made_at = stage.clock.time()
    stage.evaluate("all")
    stage.clock.advance(60)
    stage.evaluate("all")

    assignment = stage.store.get_or_create("somebody").assignments[1001]

    assert (assignment.time, assignment.evaluated_at) == (made_at, stage.clock.monotonic())


def test_a_visitor_that_was_forgotten_is_a_new_one() -> None:
    stage = Stage()
    stage.evaluate("vips", plan="vip")
    stage.clock.advance(HALF_AN_HOUR)

    assert stage.evaluate("vips") == "on"
    assert stage.reported() == [CustomData(0, "vip"), OF_VIPS, OF_OTHERS]


class Meanwhile(dict[str, Any]):
    """Attributes that take so long to read that something else happens meanwhile."""

    happens: Callable[[], object]

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a plain view is enough
        self.happens()
        return {}.items()


def test_a_visitor_that_another_thread_stores_meanwhile_is_the_same_one() -> None:
    stage = Stage()
    slow = Meanwhile(any="thing")
    slow.happens = lambda: stage.evaluate("all")

    stage.evaluator.evaluate(stage.ruleset, "tested", "somebody", slow)

    assert stage.reported() == [OF_ALL, OF_TESTED]
    assert set(stage.store.get_or_create("somebody").assignments) == {1001, 1004}


def test_threads_that_meet_the_same_new_visitors_report_each_assignment_once() -> None:
    stage = Stage()
    codes = [f"visitor-{number}" for number in range(300)]
    barrier = threading.Barrier(4)

    def evaluate_all() -> None:
        barrier.wait()
        for code in codes:
            stage.evaluate("all", code)

    threads = [threading.Thread(target=evaluate_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(event.visitor_code for event in stage.outbox.take(10_000)) == sorted(codes)


# --- data of the context ----------------------------------------------------------------------------------------


def test_data_of_a_context_are_remembered_and_reported_once() -> None:
    stage = Stage()

    assert stage.evaluate("vips", plan="vip", device="PHONE") == "off"
    assert stage.evaluate("vips", plan="vip", device="PHONE") == "off"
    assert stage.evaluate("vips") == "off"
    assert stage.evaluate("vips", plan="free") == "on"

    reported = stage.reported()
    assert reported == [CustomData(0, "vip"), Device(DeviceType.PHONE), OF_VIPS, CustomData(0, "free"), OF_OTHERS]


def test_data_of_a_context_stay_here_if_so_set() -> None:
    stage = Stage(reports_context=False)

    assert stage.evaluate("vips", plan="vip", conversion=5, pageView="https://a") == "off"

    visitor = stage.store.get_or_create("somebody")
    assert visitor.custom_data == {0: "vip"}
    assert [item.conversion.goal_id for item in visitor.traits.conversions] == [5]
    assert stage.reported() == [OF_VIPS]


def test_a_datum_that_is_local_to_this_side_is_not_reported() -> None:
    stage = Stage()

    stage.evaluate("all", note="private")

    assert stage.store.get_or_create("somebody").custom_data == {2: "private"}
    assert stage.reported() == [OF_ALL]


def test_data_of_untracked_evaluations_are_reported_with_what_comes_next() -> None:
    stage = Stage()
    stage.evaluate("nobody", is_tracked=False, plan="vip")
    assert stage.reported() == []

    stage.evaluate("nobody")

    assert stage.reported() == [CustomData(0, "vip")]


def test_a_conversion_counts_at_each_evaluation_and_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            stage.evaluate("all", conversion={"goalId": 5, "revenue": 2})

    recorded = RecordedConversion(Conversion(5, 2.0), stage.clock.time())
    assert stage.reported() == [OF_ALL, recorded, recorded, recorded]
    assert [(record.levelname, "track()" in record.message) for record in caplog.records] == [("WARNING", True)]


def test_an_evaluation_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    with caplog.at_level(logging.DEBUG):
        for key in ("all", "vips", "tested", "nobody"):
            stage.evaluate(key, plan="vip", pageView="https://a", unknown=object())

    assert caplog.records == []


# --- consent ----------------------------------------------------------------------------------------------------


def test_without_consent_only_deliveries_and_conversions_are_reported_until_it_is_given() -> None:
    stage = Stage(site(TO_ALL, TESTED, configuration={"consentType": "REQUIRED"}))
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
