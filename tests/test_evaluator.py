"""What an evaluation leaves behind: who is remembered, what is reported, and that it is reported once."""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView
from typing import Any

import pytest

from openfeature_kameleoon.errors import VisitorCodeInvalid, VisitorCodeMissing, VisitorDataInvalid
from openfeature_kameleoon.evaluator import check_visitor_code
from openfeature_kameleoon.visitors.data import CustomData
from openfeature_kameleoon.visitors.traits import Exposure
from tests.faces import DELIVERY, EXPERIMENT, HALF_AN_HOUR, Evaluations, flag, rule, site

TO_ALL = flag("all", rule(1, ("on", 1)))
TO_VIPS = flag("vips", rule(2, ("off", 1), segment_id=2001), rule(3, ("on", 1)))
TESTED = flag("tested", rule(4, ("on", 1), kind=EXPERIMENT))
NOBODY = flag("nobody")
FLAGS = site(TO_ALL, TO_VIPS, TESTED, NOBODY)
OF_ALL, OF_TESTED = Exposure(1001, 10, DELIVERY), Exposure(1004, 40, EXPERIMENT)
OF_VIPS, OF_OTHERS = Exposure(1002, 20, DELIVERY), Exposure(1003, 30, DELIVERY)


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
    stage = Evaluations(FLAGS)
    stage.evaluate("vips", "somebody", plan="vip")

    assert stage.evaluate("vips", Strange("somebody")) == "off"
    assert type(check_visitor_code(Strange("somebody"))) is str
    assert stage.reported() == [CustomData(0, "vip"), OF_VIPS]


# --- assignments ------------------------------------------------------------------------------------------------


def test_an_assignment_is_reported_once() -> None:
    stage = Evaluations(FLAGS)

    for _ in range(3):
        stage.evaluate("all")
        stage.clock.advance(60)

    assert stage.reported() == [OF_ALL]


def test_another_variation_is_reported_and_so_is_the_way_back_to_one_of_another_rule() -> None:
    stage = Evaluations(FLAGS)
    for plan in ("free", "vip", "vip", "free"):
        stage.evaluate("vips", plan=plan)

    exposures = [item for item in stage.reported() if isinstance(item, Exposure)]

    assert exposures == [OF_OTHERS, OF_VIPS]  # two rules, two experiments: going back to the first is no news


def test_another_variation_of_the_same_experiment_is_news_each_time() -> None:
    stage = Evaluations(site(flag("f", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT))))
    for key in ("on", "off", "off", "on"):
        forced = stage.ruleset.forced_variation(1001, key, ignores_targeting=True)
        visitor = stage.store.get_or_create("somebody")
        stage.store.change(visitor, lambda stored, wanted=forced: stored.force(wanted))  # type: ignore[misc]
        stage.evaluate("f")

    assert [item.variation_id for item in stage.reported() if isinstance(item, Exposure)] == [10, 11, 10]


def test_an_untracked_assignment_is_remembered_and_reported_when_it_is_tracked() -> None:
    stage = Evaluations(FLAGS)
    for _ in range(2):
        stage.evaluate("all", is_tracked=False)

    assert 1001 in stage.store.get_or_create("somebody").assignments
    assert stage.reported() == []

    for is_tracked in (True, True, False, True):
        stage.evaluate("all", is_tracked=is_tracked)
    assert stage.reported() == [OF_ALL]


def test_a_holdouts_assignment_is_reported_once_for_all_flags() -> None:
    kept = {"variationKey": "not-in-holdout", "variationId": 91, "exposition": 1}
    stage = Evaluations(site(TO_ALL, NOBODY, holdout={"experimentId": 9, "variationByExposition": [kept]}))

    for key in ("all", "nobody", "all", "nobody"):
        stage.evaluate(key)

    assert stage.reported() == [Exposure(9, 91, EXPERIMENT), OF_ALL]


class Locked:
    """A lock that nobody can have."""

    def __enter__(self) -> None:
        raise AssertionError("a lock is taken although nothing changes")

    def __exit__(self, *_: object) -> None: ...


def test_nothing_is_locked_where_nothing_changes() -> None:
    kept = {"variationKey": "not-in-holdout", "variationId": 91, "exposition": 1}
    stage = Evaluations(site(TO_ALL, NOBODY, holdout={"experimentId": 9, "variationByExposition": [kept]}))
    answers = [stage.evaluate(key, plan="vip", device="PHONE") for key in ("all", "nobody")]

    stage.store.lock = Locked()  # type: ignore[assignment]  # that is the point

    assert [stage.evaluate(key, plan="vip", device="PHONE") for key in ("all", "nobody")] == answers


def test_a_visitor_of_whom_nothing_is_to_be_remembered_is_not_stored() -> None:
    stage = Evaluations(FLAGS)

    stage.evaluate("nobody", colour="red")
    with pytest.raises(VisitorDataInvalid):
        stage.evaluate("all", browser=5)

    assert len(stage.store) == 0
    assert stage.reported() == []


def test_an_assignment_tells_when_it_was_made_and_when_it_was_confirmed_last() -> None:
    stage = Evaluations(FLAGS)
    made_at = stage.clock.time()
    stage.evaluate("all")
    stage.clock.advance(60)
    stage.evaluate("all")

    assignment = stage.store.get_or_create("somebody").assignments[1001]

    assert (assignment.time, assignment.evaluated_at) == (made_at, stage.clock.monotonic())


def test_a_visitor_that_was_forgotten_is_a_new_one() -> None:
    stage = Evaluations(FLAGS)
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
    stage = Evaluations(FLAGS)
    slow = Meanwhile(any="thing")
    slow.happens = lambda: stage.evaluate("all")

    stage.evaluator.evaluate(stage.ruleset, "tested", "somebody", slow)

    assert stage.reported() == [OF_ALL, OF_TESTED]
    assert set(stage.store.get_or_create("somebody").assignments) == {1001, 1004}


@pytest.mark.usefixtures("threads_alternate_often")
def test_threads_that_meet_the_same_new_visitors_report_each_assignment_once() -> None:
    stage = Evaluations(FLAGS)
    codes = [f"visitor-{number}" for number in range(1000)]
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

    assert sorted(report.visitor_code for report in stage.outbox.peek(10_000)) == sorted(codes)
