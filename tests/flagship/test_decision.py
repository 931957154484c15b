"""What a visitor gets: the first group that matches, the later campaign, stored assignments, and the server's rules."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.errors import FeatureNotFound
from openfeature_kameleoon.flagship.engine.allocation import bucket
from openfeature_kameleoon.flagship.engine.ruleset import Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER, Semantics
from openfeature_kameleoon.flagship.engine.targeting import Visitor
from tests.flagship.files import answers, bucketing, campaign, group, read, rule, targeting, variation, visitor

NOBODY = targeting([rule(key="nowhere")])
VIP = targeting([rule(key="vip", value=True)])


def one(*campaigns: Any, semantics: Semantics = SDK, **members: Any) -> Ruleset:
    return read({"campaigns": list(campaigns), **members}, semantics=semantics)


# --- one flag -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "value", "reason"),
    [
        ("ab", 1, "SPLIT"),
        ("toggle", 1, "TARGETING_MATCH"),
        ("perso", 0, "TARGETING_MATCH"),
        ("", "", "TARGETING_MATCH"),
        ("ab", None, "DEFAULT"),
    ],
)
def test_an_answer_tells_all_that_it_stands_in(type: str, value: Any, reason: str) -> None:
    ruleset = one(
        campaign(
            "c",
            group("g", variation("v", {"f": value}, name="Blue", reference=True), name="Scenario"),
            type=type,
            name="Colours",
            slug="colours",
        )
    )

    evaluation = ruleset.decide("f")(visitor())

    assert (evaluation.key, evaluation.value, evaluation.reason) == ("f", value, reason)
    assert evaluation.metadata == {
        "campaignId": "c",
        "campaignName": "Colours",
        "variationGroupId": "g",
        "variationGroupName": "Scenario",
        "variationId": "v",
        "variationName": "Blue",
        "isReference": True,
        "campaignType": type,
        "slug": "colours",
    }
    assert evaluation.variation is not None
    assert evaluation.variation.is_reference


@pytest.mark.parametrize(("members", "slug"), [({}, ""), ({"slug": None}, None), ({"slug": "s"}, "s")])
def test_a_slug_that_is_null_is_told_from_one_that_is_missing(members: dict[str, Any], slug: str | None) -> None:
    evaluation = one(campaign("c", group("g", variation("v", {"f": 1})), **members)).decide("f")(visitor())

    assert evaluation.variation is not None
    assert evaluation.variation.campaign_slug == slug
    assert evaluation.metadata["slug"] == (slug or "")


@pytest.mark.parametrize(
    "untargeted",
    [
        group("g", variation("v", {"f": 1}), targeting=NOBODY),
        group("g", variation("v", {"f": 1}, 0)),
        group("g", variation("v", {"f": 1}), targeting=None),
    ],
)
def test_who_gets_nothing_gets_the_default(untargeted: Any) -> None:
    evaluation = one(campaign("c", untargeted)).decide("f")(visitor())

    assert (evaluation.key, evaluation.value, evaluation.reason) == ("f", None, "DEFAULT")
    assert evaluation.variation is None
    assert evaluation.metadata == {}


def test_a_flag_of_no_campaign_is_not_found() -> None:
    with pytest.raises(FeatureNotFound, match="'nowhere'"):
        read(bucketing()).decide("nowhere")


@pytest.mark.parametrize("file", [{"panic": True}, {"panic": True, "campaigns": bucketing()["campaigns"]}])
def test_in_panic_every_flag_is_off(file: Any) -> None:
    ruleset = read(file)

    for key in ("ctaColor", "whatever"):
        evaluation = ruleset.decide(key)(visitor())
        assert (evaluation.key, evaluation.value, evaluation.reason) == (key, None, "DISABLED")
    assert ruleset.decide_all(visitor()).flags == {}


def test_an_answer_is_made_once_and_its_value_is_not_given_away() -> None:
    decide = one(campaign("c", group("g", variation("v", {"f": {"a": [1]}})))).decide("f")

    decide(visitor()).fresh_value()["a"].append(2)

    assert decide(visitor("other")) is decide(visitor())
    assert decide(visitor()).value == {"a": [1]}


# --- groups and campaigns -------------------------------------------------------------------------------------


def test_the_first_group_that_matches_settles_a_campaign_even_with_nothing() -> None:
    ruleset = one(
        campaign(
            "c",
            group("g1", variation("v1", {"f": 1}), targeting=NOBODY),
            group("g2", variation("v2", {"f": 2}, 0), targeting=VIP),
            group("g3", variation("v3", {"f": 3})),
        )
    )

    assert ruleset.decide("f")(visitor(vip=True)).value is None
    assert ruleset.decide("f")(visitor()).value == 3


def test_the_later_campaign_wins_unless_it_does_not_give_the_flag() -> None:
    ruleset = one(
        campaign("c1", group("g1", variation("v1", {"f": 1, "only": 1}))),
        campaign("c2", group("g2", variation("v2", {"f": None}), targeting=VIP)),
        campaign("c3", group("g3", variation("v3", {"other": 3}, 100), variation("v4", {"f": 4}, 0))),
    )

    assert ruleset.decide("f")(visitor()).value == 1
    assert ruleset.decide("f")(visitor(vip=True)).value is None
    assert ruleset.decide("f")(visitor(vip=True)).variation is not None  # null, and by the second
    assert answers(ruleset.decide_all(visitor())) == {"f": [1, "v1"], "only": [1, "v1"], "other": [3, "v3"]}


def test_new_assignments_are_those_that_the_visitor_does_not_have() -> None:
    ruleset = one(
        campaign("c1", group("g1", variation("v1", {"a": 1}), variation("v1b", {"a": 2}, 0))),
        campaign("c2", group("g2", variation("v2", {"b": 1}))),
        campaign("c3", group("g3", variation("v3", {"c": 1}), targeting=NOBODY)),
    )

    decision = ruleset.decide_all(Visitor("v", {}, {"g1": "v1b"}))

    assert decision.new_assignments == {"g2": "v2"}
    assert [variation.id for variation in decision.variations] == ["v1b", "v2"]
    assert answers(decision)["a"] == [2, "v1b"]


def test_a_stored_assignment_to_what_is_gone_gives_nothing() -> None:
    ruleset = one(campaign("c", group("g", variation("v", {"f": 1}))))

    assert ruleset.decide("f")(Visitor("v", {}, {"g": "gone"})).variation is None
    assert ruleset.decide("f")(Visitor("v", {}, {"g": ""})).value == 1  # as good as none


IDS = [f"visitor-{number}" for number in range(40)]
contexts = st.fixed_dictionaries(
    {},
    optional={
        "isVip": st.sampled_from([True, False, 1, "true"]),
        "age": st.sampled_from([17, 18, 30, 31, 59.99, 60]),
        "country": st.sampled_from(["FR", "fr", "DE", "JP", "US"]),
        "city": st.sampled_from(["Berlin", "Paris"]),
        "score": st.sampled_from([0.5, 0.51]),
        "plan": st.just("gold"),
        "appVersion": st.sampled_from(["2.2.9", "2.3", "v10"]),
    },
)
EXAMPLE = read(bucketing())
CONSTANT_AND_SPLIT = one(
    *(
        campaign(
            f"c{number}",
            group(f"g{number}", variation(f"a{number}", {"x": number}, 30), variation(f"b{number}", {"y": number}, 40)),
            type="ab" if number % 2 else "toggle",
        )
        for number in range(5)
    ),
    accountSettings={"enabled1V1T": True},
    semantics=SERVER,
)


@pytest.mark.parametrize("ruleset", [EXAMPLE, read(bucketing(), semantics=SERVER), CONSTANT_AND_SPLIT])
@given(
    id=st.sampled_from(IDS),
    context=contexts,
    assignments=st.dictionaries(st.sampled_from(["g1", "cs8r01vg000000000000"]), st.sampled_from(["a1", "gone", ""])),
)
def test_one_flag_is_decided_as_it_is_among_all(
    ruleset: Ruleset, id: str, context: dict[str, Any], assignments: dict[str, str]
) -> None:
    who = Visitor(id, context, assignments)

    flags = ruleset.decide_all(who).flags

    for key in ruleset.flags:
        evaluation = ruleset.decide(key)(who)
        assert evaluation is flags.get(key, evaluation)
        assert (evaluation.variation is None) is (key not in flags)


@given(st.sampled_from(IDS), contexts)
def test_a_visitor_who_keeps_its_assignments_keeps_its_flags(id: str, context: dict[str, Any]) -> None:
    first = EXAMPLE.decide_all(Visitor(id, context))

    again = EXAMPLE.decide_all(Visitor(id, context, first.new_assignments))

    assert answers(again) == answers(first)
    assert again.new_assignments == {}


# --- the server's rules ---------------------------------------------------------------------------------------

TESTS = [
    campaign("c1", group("g1", variation("v1", {"a": 1, "shared": 1}), targeting=VIP)),
    campaign("c2", group("g2", variation("v2", {"b": 2, "shared": 2}))),
    campaign("c3", group("g3", variation("v3", {"p": 3})), type="perso"),
    campaign("c4", group("g4", variation("v4", {"d": 4, "shared": 4}))),
]


@pytest.mark.parametrize(
    ("context", "activated", "flags"),
    [
        ({"vip": True}, (), {"a", "shared", "p"}),
        ({}, (), {"b", "shared", "p"}),
        ({}, ("g4",), {"d", "shared", "p"}),
        ({"vip": True}, ("g2",), {"b", "shared", "p"}),
        ({}, ("g1",), {"p"}),  # still in a test that it is not targeted by any more
        ({}, ("g3", "gone"), {"b", "shared", "p"}),  # of no test
    ],
)
def test_a_visitor_enters_one_test_only(context: dict[str, Any], activated: Any, flags: set[str]) -> None:
    ruleset = one(*TESTS, accountSettings={"enabled1V1T": True}, semantics=SERVER)
    who = Visitor("v", context, {}, activated)

    assert set(ruleset.decide_all(who).flags) == flags
    assert {key for key in ruleset.flags if ruleset.decide(key)(who).variation} == flags


@pytest.mark.parametrize(("semantics", "on"), [(SDK, True), (SERVER, False)])
def test_a_visitor_enters_all_tests_where_the_account_or_the_sdk_does_not_care(semantics: Semantics, on: bool) -> None:
    ruleset = one(*TESTS, accountSettings={"enabled1V1T": on}, semantics=semantics)

    assert set(ruleset.decide_all(visitor(vip=True)).flags) == {"a", "b", "p", "d", "shared"}


@pytest.mark.parametrize(
    ("ranges", "lets_in"),
    [
        (None, range(100)),
        ([], range(100)),
        ([{"r": [0, 50]}], range(50)),
        ([{"r": [10, 20]}, {"r": [90, 100]}], [*range(10, 20), *range(90, 100)]),
        ([{"r": [0, 0]}], []),
    ],
)
def test_bucket_ranges_let_visitors_in_on_the_server(ranges: Any, lets_in: Any) -> None:
    flags = campaign("c", group("g", variation("v", {"f": 1})), bucketRanges=ranges)

    for name in IDS:
        assert one(flags).decide("f")(visitor(name)).value == 1
        is_in = one(flags, semantics=SERVER).decide("f")(visitor(name)).value == 1
        assert is_in is (bucket(name) in lets_in)


def test_a_decision_group_is_hashed_in_place_of_the_visitor() -> None:
    ruleset = one(campaign("c", group("g", *(variation(f"v{n}", {"f": n}, 25) for n in range(4)))), semantics=SERVER)
    hashing_id = b64encode(b"family").decode()

    given = {ruleset.decide("f")(Visitor(name, hashing_id=hashing_id)).value for name in IDS}

    assert given == {bucket("g" + hashing_id) // 25}


def test_modifications_are_shown_with_all_keys_of_the_group_or_those_that_have_a_value() -> None:
    ruleset = one(campaign("c", group("g", variation("v", {"a": 1, "b": None}), variation("w", {"c": 2}, 0))))
    shown = ruleset.decide_all(visitor()).variations[0]

    assert shown.exposed_modifications(all_keys=True) == {"a": 1, "b": None, "c": None}
    assert shown.exposed_modifications(all_keys=False) == {"a": 1}
    assert shown.modifications_type == "JSON"
