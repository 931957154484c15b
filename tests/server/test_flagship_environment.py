"""The bucketing file that is served: edits, overrides written into it, and that all is as before once they are gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.errors import ConfigSettingInvalid, DataFileInvalid, FeatureNotFound
from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER, Semantics
from openfeature_kameleoon.flagship.engine.targeting import Visitor
from openfeature_kameleoon.server.flagship.environment import Environment, Served
from openfeature_kameleoon.server.flagship.overrides import Override, declared_group
from tests.flagship.files import SDK_CONTEXT, bucketing, campaign, group, read, rule, targeting, variation
from tests.vectors import as_bytes

Json = dict[str, Any]

CTA = "cs8r01camp0000000000"  # original, 1 or 2, for everybody
ORIGINAL, FIRST, SECOND = (f"cs8r01va0{number}0000000000" for number in range(3))
VIP_BANNER = "cs8r02camp0000000000"
IDS = [f"visitor-{number}" for number in range(60)]


def environment(file: Any = None) -> Environment:
    made = Environment()
    made.publish(as_bytes(bucketing() if file is None else file))
    return made


def served(of: Environment) -> Served:
    assert of.served is not None
    return of.served


def given_by(of: Environment, semantics: Semantics = SERVER, **context: Any) -> dict[str, dict[str, str]]:
    """The variations by campaign that everybody gets by what is served, read anew as an SDK or a server would."""
    ruleset = read(json.loads(served(of).raw), semantics=semantics)
    return {
        id: {
            each.campaign_id: each.id for each in ruleset.decide_all(Visitor(id, {**SDK_CONTEXT, **context})).variations
        }
        for id in IDS
    }


# --- the file ---------------------------------------------------------------------------------------------------


def test_without_overrides_the_file_is_served_byte_by_byte() -> None:
    raw = json.dumps(bucketing(), indent=3).encode()
    made = Environment()

    made.publish(raw)
    made.override(CTA, Override(variation=FIRST))
    made.reset()

    assert served(made).raw == raw


def test_a_copy_that_an_sdk_left_is_served_as_the_file_in_it() -> None:
    made = environment({"last_modified": "x", "data": bucketing()})

    assert json.loads(served(made).raw) == bucketing()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b"null", b"{}", b'{"campaigns": 5}', b"\xff", b"{}[]"])
def test_what_is_no_bucketing_file_never_replaces_one(raw: bytes) -> None:
    made = environment()
    before = served(made)

    with pytest.raises(DataFileInvalid):
        made.publish(raw)

    assert made.served is before


def test_a_broken_campaign_costs_only_itself() -> None:
    made = environment({"campaigns": [{"id": 5}, campaign("c", group("g", variation("v", {"f": 1})))]})

    made.override("c", Override(paused=True))
    made.reset("c")

    assert made.evaluate("f", "v", {}).value == 1


def test_every_change_is_served_as_newer_and_told() -> None:
    made = environment()
    told: list[Served] = []
    made.listen(told.append)
    first = served(made)

    made.override(CTA, Override(variation=FIRST))
    made.panic(True)
    made.reset()
    made.reset()  # changes nothing
    made.publish(as_bytes({"campaigns": []}))

    stamps = [first, *told]
    assert len(told) == 4
    assert sorted({each.timestamp for each in stamps}) == [each.timestamp for each in stamps]
    assert len({each.last_modified for each in stamps}) == 5


def test_nothing_is_overridden_before_there_is_a_file() -> None:
    made = Environment()

    made.reset()
    with pytest.raises(FeatureNotFound):
        made.override(CTA, Override(paused=True))
    with pytest.raises(DataFileInvalid):
        made.panic(True)


# --- overrides ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", [SDK, SERVER])
def test_everybody_gets_a_variation_whoever_is_targeted(semantics: Semantics) -> None:
    made = environment()
    before = given_by(made, semantics)

    made.override(CTA, Override(variation=SECOND))
    made.override(VIP_BANNER, Override(variation="cs8r02va000000000000"))

    after = given_by(made, semantics)
    assert {each[CTA] for each in after.values()} == {SECOND}
    assert {each[VIP_BANNER] for each in after.values()} == {"cs8r02va000000000000"}
    assert before != after


@pytest.mark.parametrize("semantics", [SDK, SERVER])
def test_visitors_get_theirs_and_nobody_else_anything(semantics: Semantics) -> None:
    made = environment()
    before = given_by(made, semantics)
    wanted = {"visitor-1": FIRST, "visitor-2": SECOND, "visitor-3": FIRST}

    made.override(CTA, Override(visitors=wanted))

    after = given_by(made, semantics)
    assert {id: each[CTA] for id, each in after.items()} == {
        **{id: each[CTA] for id, each in before.items()},
        **wanted,
    }
    assert [each for id, each in after.items() if id not in wanted] == [
        each for id, each in before.items() if id not in wanted
    ]


def test_a_campaign_is_paused_and_others_are_not() -> None:
    made = environment()

    made.override(CTA, Override(paused=True))

    assert not any(CTA in each for each in given_by(made).values())
    with pytest.raises(FeatureNotFound):
        made.evaluate("ctaColor", "v", {})
    assert made.evaluate("vipBanner", "v", {"isVip": True}).value is True


def test_panic_is_switched_on_and_off_whatever_the_file_says() -> None:
    made = environment({**bucketing(), "panic": True})
    assert made.evaluate("ctaColor", "v", {}).reason == "DISABLED"

    made.panic(False)
    assert made.evaluate("ctaColor", "v", {}).reason == "SPLIT"
    made.panic(True)
    assert made.evaluate("ctaColor", "v", {}).reason == "DISABLED"
    made.panic(None)
    assert json.loads(served(made).raw)["panic"] is True


def test_who_has_another_variation_already_gets_the_overridden_one_and_then_its_own_again() -> None:
    made = environment()
    made.assignments.activate([("visitor", "v")], "cs8r01vg000000000000", ORIGINAL)

    made.override(CTA, Override(variation=SECOND))
    everybodys = made.evaluate("ctaColor", "v", {})
    made.override(CTA, Override(visitors={"v": FIRST}))
    own = made.evaluate("ctaColor", "v", {})
    made.reset()

    assert everybodys.variation is not None
    assert (everybodys.variation.id, declared_group(everybodys.variation.group_id)) == (SECOND, "cs8r01vg000000000000")
    assert own.variation is not None
    assert own.variation.id == FIRST
    assert made.evaluate("ctaColor", "v", {}).metadata["variationId"] == ORIGINAL


def test_neither_bucket_ranges_nor_other_tests_keep_anybody_from_what_everybody_gets() -> None:
    tests = [
        campaign("c1", group("g1", variation("v1", {"a": 1}))),
        campaign(
            "c2", group("g2", variation("v2", {"b": 2}), variation("v2b", {"b": 3}, 0)), bucketRanges=[{"r": [0, 0]}]
        ),
    ]
    made = environment({"accountSettings": {"enabled1V1T": True}, "campaigns": tests})

    made.override("c2", Override(variation="v2b"))

    assert all(each == {"c1": "v1", "c2": "v2b"} for each in given_by(made).values())


def test_a_visitor_who_was_seen_in_a_test_may_be_given_another_variation_of_it() -> None:
    halves = group("g", variation("a", {"f": "a"}), variation("b", {"f": "b"}, 0))
    made = environment({"accountSettings": {"enabled1V1T": True}, "campaigns": [campaign("c", halves)]})
    made.assignments.activate([("visitor", "v")], "g", "a")

    made.override("c", Override(visitors={"v": "b"}))

    assert made.evaluate("f", "v", {}).value == "b"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (Override(variation="nope"), r"no variation 'nope' .* it has cs8r01va000000000000 \(Original\), "),
        (Override(visitors={"ann": "nope"}), "no variation 'nope'"),
        (Override(variation="cs8r02va000000000000"), "no variation 'cs8r02va000000000000'"),
    ],
)
def test_what_a_campaign_does_not_have_is_refused(override: Override, problem: str) -> None:
    made = environment()
    before = served(made)

    with pytest.raises(ConfigSettingInvalid, match=problem):
        made.override(CTA, override)
    with pytest.raises(FeatureNotFound, match="'nope'"):
        made.override("nope", Override(paused=True))

    assert made.served is before


def test_overrides_outlive_another_file_as_far_as_they_fit() -> None:
    made = environment()
    made.override(CTA, Override(variation=FIRST))
    made.override(VIP_BANNER, Override(paused=True))
    content = bucketing()
    content["campaigns"][0]["variationGroups"][0]["variations"].pop(1)

    made.publish(as_bytes(content))

    after = given_by(made).values()
    assert {each.get(CTA) for each in after} == {ORIGINAL, SECOND, None}
    assert not any(VIP_BANNER in each for each in after)
    made.publish(as_bytes(bucketing()))
    assert {each[CTA] for each in given_by(made).values()} == {FIRST}


ANY: st.SearchStrategy[Override] = st.builds(
    Override,
    paused=st.booleans(),
    variation=st.none() | st.sampled_from([ORIGINAL, FIRST, SECOND]),
    visitors=st.dictionaries(st.sampled_from(IDS), st.sampled_from([ORIGINAL, FIRST, SECOND]), max_size=5),
)
ONE = environment()
BEFORE = {semantics.is_strict: given_by(ONE, semantics) for semantics in (SDK, SERVER)}


@given(ANY, st.sampled_from([SDK, SERVER]))
def test_any_override_does_what_it_says_and_all_is_as_before_once_it_is_gone(
    override: Override, semantics: Semantics
) -> None:
    before = BEFORE[semantics.is_strict]

    ONE.override(CTA, override)

    after = given_by(ONE, semantics)
    for id in IDS:
        others = {campaign_id: each for campaign_id, each in before[id].items() if campaign_id != CTA}
        own = override.visitors.get(id, override.variation or before[id][CTA])
        assert after[id] == (others if override.paused else {**others, CTA: own})
    ONE.reset(CTA)
    assert given_by(ONE, semantics) == before
    assert json.loads(served(ONE).raw) == bucketing()


HOSTILE = ["__proto__", "<script>", "a/b\\c", "\u202e", "g-forced-v", "é🙂", " "]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_names_are_overridden_as_any(text: str) -> None:
    made = environment(
        {"campaigns": [campaign(text, group(text, variation("a", {text: 1}), variation(text, {text: 2}, 0)))]}
    )

    made.override(text, Override(visitors={text: text}))

    assert made.evaluate(text, text, {}).value == 2
    assert made.evaluate(text, "other", {}).value == 1


def test_campaigns_of_a_strange_form_are_left_as_they_are() -> None:
    strange: Json = campaign(
        "c", {"id": 5}, group("g", variation("v", {"f": 1}), targeting=targeting([rule()])), "no group"
    )
    made = environment({"campaigns": [strange]})

    made.override("c", Override(variation="v"))

    assert made.evaluate("f", "v", {}).value == 1
