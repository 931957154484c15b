"""Every vector of the bucketing mode, as the Python SDK, the decision engine and the recommended set answer."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import accumulate
from typing import Any

import pytest

from openfeature_kameleoon.flagship.engine.allocation import bucket
from openfeature_kameleoon.flagship.engine.evaluation import Evaluation
from openfeature_kameleoon.flagship.engine.ruleset import Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER, Semantics
from openfeature_kameleoon.flagship.engine.targeting import Visitor, compile_rule, compile_targeting
from openfeature_kameleoon.flagship.engine.values import LEGACY, STRICT, Outcome
from tests.flagship.files import SDK_CONTEXT, answers, bucketing, read, targeting, vectors

AS_ENGINE = {"betaPanel", "qaTools", "planKnown", "modernApp"}
"""Flags that follow the engine once section 9 is heeded: fs_users, EXISTS and versions."""

ENGINE = replace(SERVER, has_ranges=False)
"""The engine's vectors were made with bucket allocation off."""


@cache
def ruleset(semantics: Semantics = SDK) -> Ruleset:
    return read(bucketing(), semantics=semantics)


def test_all_vectors_are_here() -> None:
    assert len(vectors("hash")) == 25
    assert len(vectors("allocation")["rows"]) == 228
    assert len(vectors("legacyAllocation11")) == 8
    assert len(vectors("variations")) == 32
    assert len(vectors("endToEnd")["cases"]) == 144
    assert len(vectors("targeting")) == 380
    assert len(vectors("structure")) == 29
    assert len(vectors("flagTyping")) == 91


def test_the_example_has_no_problem() -> None:
    assert ruleset().problems == ruleset(SERVER).problems == []


# --- allocation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("hash"), ids=lambda vector: repr(vector["text"])[:40])
def test_a_bucket_is_that_of_the_reference(vector: dict[str, Any]) -> None:
    assert bucket(vector["text"]) == vector.get("correctBucket", vector["bucket"])


def test_every_visitor_falls_where_it_does_in_the_reference() -> None:
    tables = {group.id: group.table for campaign in ruleset().campaigns for group in campaign.groups}

    for visitor_id, group_id, _, place, variation_id in vectors("allocation")["rows"]:
        variation = tables[group_id][place]
        assert bucket(group_id + visitor_id) == place
        assert (variation and variation.id) == variation_id


@pytest.mark.parametrize("vector", vectors("legacyAllocation11"), ids=lambda vector: vector["visitorId"])
def test_1_1_hashed_the_visitor_alone_which_nobody_is_bucketed_by_any_more(vector: dict[str, Any]) -> None:
    visitor = vector["visitorId"]
    shares = {
        group["id"]: [(each["id"], each.get("allocation", 0)) for each in group["variations"]]
        for campaign in bucketing()["campaigns"]
        for group in campaign["variationGroups"]
    }

    assert bucket(visitor) == vector["bucket"]
    for group, selected in vector["selected"].items():
        uppers = accumulate(share for _, share in shares[group])
        reached = [
            name for (name, share), upper in zip(shares[group], uppers, strict=True) if vector["bucket"] <= upper
        ]
        assert reached[:1] == ([] if selected is None else [selected])


def test_variations_tell_what_they_stand_in() -> None:
    variations = {
        variation.id: variation
        for campaign in ruleset().campaigns
        for group in campaign.groups
        for variation in group.variations
    }

    for variation_id, expected in vectors("variations").items():
        variation = variations.pop(variation_id)
        assert variation.campaign_id == expected["campaignId"]
        assert variation.group_id == expected["variationGroupId"]
        assert variation.campaign_type == expected["campaignType"]
        assert variation.campaign_slug == expected["slug"]
        assert variation.is_reference is (expected["referenceMember"] is True)
    assert variations == {}


# --- decisions ------------------------------------------------------------------------------------------------


def as_engine(case: dict[str, Any], keys: set[str] | None = None) -> dict[str, Any]:
    """What the engine answers: all of it, or only of some flags."""
    changes = {key: value for key, value in case.get("engineDiff", {}).items() if keys is None or key in keys}
    return {key: value for key, value in {**case["flags"], **changes}.items() if value is not None}


@pytest.mark.parametrize("case", vectors("endToEnd")["cases"], ids=lambda case: case["id"])
def test_a_visitor_gets_the_flags_of_the_reference(case: dict[str, Any]) -> None:
    visitor = Visitor(case["visitorId"], {**SDK_CONTEXT, **case["context"]})

    assert answers(ruleset().decide_all(visitor)) == as_engine(case, AS_ENGINE)


@pytest.mark.parametrize("case", vectors("endToEnd")["cases"], ids=lambda case: case["id"])
def test_the_server_gives_the_flags_of_the_engine(case: dict[str, Any]) -> None:
    visitor = Visitor(case["visitorId"], case["context"])

    assert answers(ruleset(ENGINE).decide_all(visitor)) == as_engine(case)


@pytest.mark.parametrize("case", vectors("storedAssignments")["cases"], ids=lambda case: case["id"])
def test_a_stored_assignment_wins(case: dict[str, Any]) -> None:
    visitor = Visitor(case["visitorId"], {**SDK_CONTEXT, **case["context"]}, case["storedAssignments"])

    given = answers(ruleset().decide_all(visitor))

    assert {key: value for key, value in given.items() if key not in AS_ENGINE} == case["flags"]


def structure(vector: dict[str, Any], semantics: Semantics) -> dict[str, Any]:
    context = {**SDK_CONTEXT, **vector["context"]}
    decision = read(vector["bucketing"], semantics=semantics).decide_all(Visitor(vector["visitorId"], context))
    return {
        key: {"value": flag.value, "variationId": flag.variation.id, "isReference": flag.variation.is_reference}
        for key, flag in decision.flags.items()
        if flag.variation
    }


FIXED = {"str-002", "str-011", "str-021"}
"""Quirks that section 9 says to fix (14, 10, 15): answered as the engine does."""


@pytest.mark.parametrize("vector", vectors("structure"), ids=lambda vector: vector["description"])
def test_a_structural_corner_is_answered_as_in_the_reference(vector: dict[str, Any]) -> None:
    assert structure(vector, SDK) == vector["engine" if vector["id"] in FIXED else "python"]


@pytest.mark.parametrize("vector", vectors("structure"), ids=lambda vector: vector["description"])
def test_the_server_answers_a_structural_corner_as_the_engine_does(vector: dict[str, Any]) -> None:
    expected = vector["engine"]
    if "rejected" in expected:  # a fraction of a percent: the engine has none, we count it as SDKs do
        expected = vector["python"]

    assert structure(vector, SERVER) == expected


def test_panic_is_seen_where_the_reference_sees_it() -> None:
    for vector in vectors("structure"):
        assert read(vector["bucketing"]).panic is (vector["pythonStatus"] == "PANIC")


# --- targeting ------------------------------------------------------------------------------------------------


def is_targeted(vector: dict[str, Any], semantics: Semantics, context: dict[str, Any]) -> bool:
    rule = {name: vector[name] for name in ("operator", "key", "value")}
    matches = compile_targeting(targeting([rule]), semantics).matches
    seen = {} if vector.get("contextKeyPresent") is False else {vector["key"]: vector.get("contextValue")}
    seen = {key: value for key, value in seen.items() if value is not None}
    return matches is None or matches(Visitor("visitor-1", {**context, **seen})) is True


@pytest.mark.parametrize("vector", vectors("targeting"), ids=lambda vector: vector["id"])
def test_a_rule_matches_whom_the_recommended_set_says(vector: dict[str, Any]) -> None:
    assert is_targeted(vector, SDK, SDK_CONTEXT) is vector["recommended"]


@pytest.mark.parametrize("vector", vectors("targeting"), ids=lambda vector: vector["id"])
def test_a_rule_matches_on_the_server_whom_the_engine_says(vector: dict[str, Any]) -> None:
    assert is_targeted(vector, SERVER, {}) is vector["engine"]


def test_the_rules_of_the_vectors_make_sense_but_for_unknown_operators() -> None:
    problems = {
        compile_rule({name: vector[name] for name in ("operator", "key", "value")}, SDK).problem
        for vector in vectors("targeting")
    }

    assert problems == {
        None,
        "rule MATCHES k: there is no operator 'MATCHES'",
        "rule equals k: there is no operator 'equals'",
    }


# --- types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("flagTyping"), ids=lambda vector: f"{vector['flag']}-{vector['default']}")
def test_a_value_fits_a_default_as_in_3_0(vector: dict[str, Any]) -> None:
    typed = STRICT.apply(Evaluation("f", vector["flag"], "SPLIT"), vector["default"])

    assert repr(typed.value) == repr(vector["returned30"])
    assert (typed.outcome is not Outcome.VALUE) is (vector["error30"] == "FlagTypeException")


@pytest.mark.parametrize("vector", vectors("flagTyping"), ids=lambda vector: f"{vector['flag']}-{vector['default']}")
def test_a_value_is_given_as_in_1_1(vector: dict[str, Any]) -> None:
    if vector["error11"] is not None:  # the default itself is refused, by the face
        assert isinstance(vector["default"], dict | list | None)
        return

    typed = LEGACY.apply(Evaluation("f", vector["flag"], "SPLIT"), vector["default"])

    assert repr(typed.value) == repr(vector["returned11"])
    assert typed.outcome is not Outcome.MISMATCH
