"""Answers of the decision API become the engine's own objects (specs/flagship.md 2.4, 2.5)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from openfeature_kameleoon.flagship.decision_api import read_campaigns
from openfeature_kameleoon.flagship.engine.evaluation import Evaluation
from openfeature_kameleoon.flagship.errors import FlagshipParsingError
from tests.flagship.examples import example

Json = dict[str, Any]


def answer() -> Json:
    """The specification's example, to change."""
    return copy.deepcopy(example("decision-api")["response200"])


def campaign(id: str = "c", group: str = "g", variation: str = "v", **flags: Any) -> Json:
    modifications = {"type": "JSON", "value": flags}
    return {"id": id, "variationGroupId": group, "variation": {"id": variation, "modifications": modifications}}


def test_every_flag_of_an_answer_is_an_evaluation() -> None:
    read = read_campaigns(answer())

    assert {key: evaluation.value for key, evaluation in read.decision.flags.items()} == {
        "ctaColor": "green",
        "ctaLabel": "Buy",
        "ctaIcon": None,
        "vipBanner": True,
        "priceFactor": 1.25,
        "layout": {"columns": 3, "gaps": [4, 8]},
        "tabs": ["home", "cart"],
        "retries": 3,
    }
    assert all(type(evaluation) is Evaluation for evaluation in read.decision.flags.values())
    assert not read.panic
    assert not read.problems


@pytest.mark.parametrize(
    ("key", "reason"), [("ctaColor", "SPLIT"), ("ctaIcon", "DEFAULT"), ("vipBanner", "TARGETING_MATCH")]
)
def test_an_evaluation_says_why(key: str, reason: str) -> None:
    assert read_campaigns(answer()).decision.flags[key].reason == reason


def test_an_evaluation_tells_all_that_it_stands_in() -> None:
    assert read_campaigns(answer()).decision.flags["ctaColor"].metadata == {
        "campaignId": "cs8r01camp0000000000",
        "campaignName": "CTA colour",
        "variationGroupId": "cs8r01vg000000000000",
        "variationGroupName": "Scenario 1",
        "variationId": "cs8r01va010000000000",
        "variationName": "Variation 1",
        "isReference": False,
        "campaignType": "ab",
        "slug": "cta-colour",
    }


def test_the_variations_stand_in_the_order_of_the_answer_and_are_to_be_remembered() -> None:
    decision = read_campaigns(answer(), {"cs8r02vg000000000000": "cs8r02va000000000000"}).decision

    assert [variation.id for variation in decision.variations] == [
        "cs8r01va010000000000",
        "cs8r02va000000000000",
        "cs8r05va000000000000",
    ]
    assert decision.new_assignments == {
        "cs8r01vg000000000000": "cs8r01va010000000000",
        "cs8r05vg000000000000": "cs8r05va000000000000",
    }


def test_the_server_decides_against_what_was_remembered() -> None:
    decision = read_campaigns({"campaigns": [campaign(group="g", variation="new", k=1)]}, {"g": "old"}).decision

    assert decision.new_assignments == {"g": "new"}


def test_of_a_flag_in_two_campaigns_the_later_one_counts() -> None:
    decision = read_campaigns({"campaigns": [campaign("a", "g1", k=1, first=1), campaign("b", "g2", k=2)]}).decision

    assert {key: evaluation.value for key, evaluation in decision.flags.items()} == {"k": 2, "first": 1}


@pytest.mark.parametrize("value", [None, 0, 7, -1.5, "", "text", False, True, {}, {"a": [1]}, [], [{}]])
def test_a_flag_of_any_kind_is_kept(value: Any) -> None:
    evaluation = read_campaigns({"campaigns": [campaign(k=value)]}).decision.flags["k"]

    assert evaluation.value == value
    assert type(evaluation.value) is type(value)


@pytest.mark.parametrize(
    ("member", "expected"), [({}, False), ({"reference": None}, False), ({"reference": True}, True)]
)
def test_a_variation_is_the_reference_only_if_it_says_so(member: Json, expected: bool) -> None:
    entry = campaign(k=1)
    entry["variation"] |= member

    (variation,) = read_campaigns({"campaigns": [entry]}).decision.variations

    assert variation.is_reference is expected


@pytest.mark.parametrize(("member", "expected"), [({}, ""), ({"slug": None}, None), ({"slug": "s"}, "s")])
def test_a_slug_that_is_null_differs_from_none_at_all(member: Json, expected: str | None) -> None:
    (variation,) = read_campaigns({"campaigns": [campaign(k=1) | member]}).decision.variations

    assert variation.campaign_slug == expected


def without(entry: Json, *path: str) -> Json:
    inner = entry
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return entry


@pytest.mark.parametrize(
    "flawed",
    [
        without(campaign(k=2), "id"),
        without(campaign(k=2), "variation"),
        without(campaign(k=2), "variation", "id"),
        without(campaign(k=2), "variation", "modifications"),
        without(campaign(k=2), "variation", "modifications", "value"),
        campaign(k=2) | {"id": 7},
        campaign(k=2) | {"variation": []},
        campaign(k=2) | {"slug": 7},
        "no campaign",
        None,
    ],
)
def test_a_campaign_that_makes_no_sense_costs_only_itself_and_is_told(flawed: Any) -> None:
    read = read_campaigns({"campaigns": [campaign(k=1), flawed, campaign(other=3)]})

    assert {key: evaluation.value for key, evaluation in read.decision.flags.items()} == {"k": 1, "other": 3}
    assert [problem.path for problem in read.problems] == ["$.campaigns[1]"]
    assert "skipped" in read.problems[0].message


def test_in_panic_nothing_is_decided() -> None:
    read = read_campaigns(example("decision-api")["response200Panic"])

    assert read.panic
    assert not read.decision.flags


@pytest.mark.parametrize(
    "empty",
    [
        example("decision-api")["response200Empty"],
        example("decision-api")["response200WithExtras"],
        {"campaigns": None},
        {"panic": False},
    ],
)
def test_nobody_needs_to_be_targeted(empty: Json) -> None:
    read = read_campaigns(empty)

    assert not read.panic
    assert not read.decision.flags


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "text",
        {},
        {"message": "environment ENV_ID not found"},
        {"campaigns": {}},
        {"campaigns": "none"},
        {"panic": "yes", "campaigns": []},
        pytest.param(example("decision-api")["response200ModeSimple"], id="mode=simple"),
    ],
)
def test_what_says_nothing_of_campaigns_is_no_answer(wrong: Any) -> None:
    with pytest.raises(FlagshipParsingError, match=r"^\[FlagshipParsingError\] the answer"):
        read_campaigns(wrong)
