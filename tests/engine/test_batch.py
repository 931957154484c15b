"""One flag for very many visitor codes: in order, as they come, and as each of them would be answered alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from openfeature_kameleoon.engine.batch import assign
from openfeature_kameleoon.errors import KameleoonError, VisitorCodeInvalid, VisitorCodeMissing
from openfeature_kameleoon.evaluator import check_visitor_code
from openfeature_kameleoon.visitors.data import CustomData, Data
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.traits import Assignment, Exposure
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.vectors import Stage, data_file, segment

Json = dict[str, Any]

CODES = [f"visitor-{number:03}" for number in range(200)]

FILES: dict[str, Json | None] = {
    "the example": None,
    "without a holdout": {"holdout": None},
    "without a date or settings": {"holdout": None, "configuration": None, "dateModified": None},
    "consent is required": {"configuration": {"consentType": "REQUIRED"}},
    "consent blocks everything": {"configuration": {"consentType": "REQUIRED", "consentOptOutBehavior": "FULLY_BLOCK"}},
}

BY_HASH, BY_SEGMENT = "checkout_redesign", "pricing_test"
"""A plain experiment, which is decided by a loop of its own, and a flag that is not."""


def batch(stage: Stage, key: str, items: Iterable[Any]) -> Iterator[str]:
    """``assign`` as the client calls it."""

    def with_data(visitor: Visitor, data: Iterable[Data]) -> Visitor:
        for item in data:
            add_data(visitor, item, stage.index, stage.clock.time())
        return visitor

    return assign(stage.ruleset.flag(key), stage.ruleset.decide(key), items, check_visitor_code, with_data)


def without_holdout() -> Stage:
    return Stage(data_file({"holdout": None}))


# --- the same as one by one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("patch", FILES.values(), ids=FILES)
def test_every_flag_gives_each_code_what_a_new_visitor_gets(patch: Json | None) -> None:
    stage = Stage(data_file(patch) if patch else None)

    for key in stage.index.flags:
        alone = [new_visitors_variation(stage, key, code) for code in CODES[:60]]
        assert list(batch(stage, key, CODES[:60])) == alone, key


def new_visitors_variation(stage: Stage, key: str, code: str) -> str:
    """What is given to a visitor who is stored as soon as anything is remembered of it."""
    store = MemoryVisitorStore(idle_seconds=1800, max_bytes=1_000_000, clock=stage.clock)

    def remember(visitor: Visitor, exposure: Exposure) -> None:
        store.add(visitor).set_assignment(Assignment(exposure, stage.clock.time(), 0.0, is_reported=True))

    return stage.ruleset.decide(key)(store.unknown(code), remember).variation_key


@pytest.mark.parametrize(
    "condition",
    [
        {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "UNDEFINED"},
        {"targetingType": "PAGE_VIEWS", "pageCount": 0, "matchType": "EQUAL"},
        {"targetingType": "EXCLUSIVE_EXPERIMENT", "campaignType": "ANY"},
    ],
)
@pytest.mark.parametrize("share", [0, 1])
def test_whom_a_holdout_looked_at_is_a_known_visitor(condition: Json, share: float) -> None:
    entry = {"variationKey": "on", "variationId": 7, "exposition": 1}
    rule = {"id": 1, "type": "TARGETED_DELIVERY", "exposition": 1, "segmentId": 1, "variationByExposition": [entry]}
    stage = Stage(
        {
            "featureFlags": [{"featureKey": "f", "environmentEnabled": True, "rules": [rule]}],
            "segments": [segment(condition)],
            "holdout": {"experimentId": 9, "variationByExposition": [{"variationId": 8, "exposition": share}]},
        }
    )

    assert list(batch(stage, "f", ["v"])) == [new_visitors_variation(stage, "f", "v")]


def test_the_example_gives_the_known_answers() -> None:
    codes = [f"visitor-{number:03}" for number in range(1, 9)]
    expected = {
        "checkout_redesign": "express express one_page one_page one_page control control one_page",
        "new_search": "off off off off off on on off",
        "pricing_test": "price_b price_a price_b price_b off off off price_a",
        "half_traffic": "treat default_v default_v default_v default_v default_v default_v default_v",
    }
    stage = without_holdout()

    assert {key: " ".join(batch(stage, key, codes)) for key in expected} == expected


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT, "bucketed_by_account", "banner_a"])
def test_a_code_may_bring_its_data(key: str) -> None:
    stage = without_holdout()
    data = [CustomData(0, "vip"), CustomData(4, "ACME-1")]

    def alone(code: str) -> str:
        visitor = Visitor(code, known=True)
        for item in data:
            add_data(visitor, item, stage.index, 0.0)
        return stage.ruleset.decide(key)(visitor, None).variation_key

    assert list(batch(stage, key, [(code, data) for code in CODES])) == list(map(alone, CODES))


def test_data_change_what_a_segment_gives() -> None:
    stage = without_holdout()

    mixed = ["visitor-001", ("visitor-001", [CustomData(0, "vip")]), ("visitor-001", []), "visitor-001"]

    assert list(batch(stage, BY_SEGMENT, mixed)) == ["price_b", "premium", "price_b", "price_b"]


def test_a_code_that_comes_twice_is_two_new_visitors() -> None:
    stage = Stage()

    assert len(set(batch(stage, "t_exclusive", ["visitor-001"] * 5))) == 1


def test_a_flag_without_rules_gives_everybody_its_default() -> None:
    assert set(batch(without_holdout(), "no_rules", CODES)) == {"on"}


def test_shares_that_do_not_reach_everybody_leave_the_default() -> None:
    keys = list(batch(without_holdout(), "odd_rule_type", CODES))

    assert set(keys) == {"on", "off"}


# --- order and laziness ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT])
def test_answers_come_in_the_order_of_the_codes(key: str) -> None:
    stage = without_holdout()

    forwards, backwards = list(batch(stage, key, CODES)), list(batch(stage, key, reversed(CODES)))

    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 1


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT])
def test_codes_without_an_end_are_answered_as_they_come(key: str) -> None:
    asked: list[str] = []

    def endless() -> Iterator[str]:
        for number in itertools.count():
            asked.append(f"visitor-{number}")
            yield asked[-1]

    keys = batch(without_holdout(), key, endless())
    assert asked == []

    first = list(itertools.islice(keys, 3))

    assert len(first) == 3
    assert asked == ["visitor-0", "visitor-1", "visitor-2"]


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT])
def test_no_codes_are_no_answers(key: str) -> None:
    assert list(batch(without_holdout(), key, [])) == []


# --- codes that are none --------------------------------------------------------------------------------------

BAD_CODES: list[tuple[object, type[KameleoonError]]] = [
    ("", VisitorCodeMissing),
    (None, VisitorCodeMissing),
    (7, VisitorCodeMissing),
    (b"visitor", VisitorCodeMissing),
    ((None, []), VisitorCodeMissing),
    ("v" * 256, VisitorCodeInvalid),
    ("a\nb", VisitorCodeInvalid),
    ("a\x00", VisitorCodeInvalid),
    ("\x85", VisitorCodeInvalid),
    ("\ud800", VisitorCodeInvalid),
    (("a\rb", [CustomData(0, "vip")]), VisitorCodeInvalid),
]


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT])
@pytest.mark.parametrize(("bad", "error"), BAD_CODES, ids=[ascii(row[0])[:20] for row in BAD_CODES])
def test_a_bad_code_is_refused_when_it_is_met(key: str, bad: Any, error: type[KameleoonError]) -> None:
    keys = batch(without_holdout(), key, ["visitor-001", "visitor-002", bad, "visitor-003"])

    assert len([next(keys), next(keys)]) == 2
    with pytest.raises(error):
        next(keys)


@pytest.mark.parametrize("key", [BY_HASH, BY_SEGMENT])
@pytest.mark.parametrize("code", ["v" * 255, "é漢😀", " ", "\u200b", "a\u2028b", "\xa0"])
def test_any_other_text_is_a_code(key: str, code: str) -> None:
    stage = without_holdout()

    alone = stage.ruleset.decide(key)(Visitor(code, known=False), None).variation_key

    assert list(batch(stage, key, [code])) == [alone]


def test_a_text_of_another_class_is_the_same_code() -> None:
    class Code(str):
        __slots__ = ()

    stage = without_holdout()

    assert list(batch(stage, BY_HASH, map(Code, CODES))) == list(batch(stage, BY_HASH, CODES))
