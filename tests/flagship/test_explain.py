"""An explanation: it ends where the decision does, and tells what was looked at on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.engine.story import Step
from openfeature_kameleoon.errors import FeatureNotFound
from openfeature_kameleoon.flagship.engine.explain import Explanation, explain
from openfeature_kameleoon.flagship.engine.ruleset import Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER
from openfeature_kameleoon.flagship.engine.targeting import Visitor
from tests.flagship.files import bucketing, campaign, group, read, rule, targeting, variation, vectors, visitor

ONE_TEST = {**bucketing(), "accountSettings": {"enabled1V1T": True}}
RULESETS = {
    "sdk": read(bucketing()),
    "server": read(bucketing(), semantics=SERVER),
    "one test": read(ONE_TEST, semantics=SERVER),
    "panic": read({**bucketing(), "panic": True}),
}
CASES = vectors("endToEnd")["cases"]


def steps(explanation: Explanation) -> list[Step]:
    """All steps, however deep."""
    waiting, found = list(explanation.steps), []
    while waiting:
        step = waiting.pop(0)
        found.append(step)
        waiting = [*step.steps, *waiting]
    return found


def named(explanation: Explanation, name: str) -> Step:
    return next(step for step in steps(explanation) if step.name.startswith(name))


@pytest.mark.parametrize("ruleset", RULESETS.values(), ids=RULESETS)
def test_an_explanation_ends_where_the_decision_does(ruleset: Ruleset) -> None:
    for case in CASES[::5]:
        who = Visitor(case["visitorId"], case["context"])
        for key in ruleset.flags:
            explanation = explain(ruleset, key, who)
            decided = ruleset.decide(key)(who)
            assert explanation.evaluation.variation is decided.variation
            assert explanation.evaluation.value == decided.value
            assert explanation.evaluation.reason == decided.reason
            assert all(step.outcome for step in steps(explanation))


@given(
    semantics=st.sampled_from([SDK, SERVER]),
    is_one_test=st.booleans(),
    context=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["v", "w", 1])),
    assignments=st.dictionaries(st.sampled_from(["g0", "g1", "g2"]), st.sampled_from(["v0", "v1", "v2", "w1"])),
    activated=st.sets(st.sampled_from(["g0", "g1", "g2"])),
    shares=st.lists(st.integers(0, 100), min_size=3, max_size=3),
    data=st.data(),
)
def test_any_decision_is_explained_as_it_is_made(
    semantics: Any, is_one_test: bool, context: Any, assignments: Any, activated: Any, shares: Any, data: st.DataObject
) -> None:
    rules = st.builds(rule, st.sampled_from(["EQUALS", "NOT_EQUALS", "EXISTS", "?"]), st.sampled_from("abc"))
    campaigns = [
        campaign(
            f"c{n}",
            group(
                f"g{n}",
                variation(f"v{n}", {"f": n}, share),
                variation(f"w{n}", {"x": n}, 20),
                targeting=targeting(*data.draw(st.lists(st.lists(rules, max_size=2), max_size=2)))
                if data.draw(st.booleans())
                else targeting([rule(key="fs_all_users")]),
            ),
            bucketRanges=[{"r": [0, 70]}],
            type=data.draw(st.sampled_from(["ab", "perso"])),
        )
        for n, share in enumerate(shares)
    ]
    ruleset = read({"campaigns": campaigns, "accountSettings": {"enabled1V1T": is_one_test}}, semantics=semantics)
    who = Visitor(data.draw(st.sampled_from(["a", "b", "c", "d"])), context, assignments, activated)

    for key in ruleset.flags:
        assert explain(ruleset, key, who).evaluation.variation is ruleset.decide(key)(who).variation


def test_every_rule_is_told_with_what_it_saw() -> None:
    raw = targeting([rule("EQUALS", "country", ["FR"]), rule("GREATER_THAN", "age", 18)], [rule("?", "city")])
    ruleset = read({"campaigns": [campaign("c", group("g", variation("v", {"f": 1}), targeting=raw))]})

    explanation = explain(ruleset, "f", visitor(country="FR"))

    assert named(explanation, "rule EQUALS").facts == {"key": "country", "value": ["FR"], "seen": "FR"}
    assert named(explanation, "rule EQUALS").outcome == "holds"
    assert named(explanation, "rule GREATER_THAN").facts["seen"] == "nothing"
    assert named(explanation, "rule GREATER_THAN").outcome == "does not hold"
    assert "no operator" in named(explanation, "rule ?").facts["problem"]
    assert named(explanation, "variation group g").outcome == "does not match"
    assert named(explanation, "campaign c").is_against


def test_the_bucket_is_told_with_the_shares() -> None:
    explanation = explain(RULESETS["sdk"], "priceFactor", visitor())

    step = named(explanation, "bucket")
    assert step.outcome == "cs8r05va030000000000"
    assert step.facts["bucket"] == 99
    assert step.facts["hashed"] == "cs8r05vg000000000000visitor-1"
    assert list(step.facts["below"].values()) == [10, 30, 60, 100]


def test_the_last_campaign_that_gives_a_flag_is_told_first_and_ends_the_story() -> None:
    given = explain(RULESETS["sdk"], "ctaLabel", visitor(isVip=True, country="FR"))
    passed = explain(RULESETS["sdk"], "ctaLabel", visitor())

    assert [step.name for step in given.steps] == ["campaign cs8r11camp0000000000"]
    assert given.steps[0].outcome == "gives 'VIP buy'"
    assert [step.outcome for step in passed.steps] == ["none of its variations", "gives 'Go'"]


def test_what_the_server_heeds_is_told() -> None:
    ranged = explain(RULESETS["server"], "newCheckout", visitor("visitor-3"))  # bucket 71
    tests = explain(RULESETS["one test"], "priceFactor", visitor())
    seen = explain(RULESETS["one test"], "priceFactor", Visitor("v", activated=("cs8r06vg000000000000",)))

    assert named(ranged, "bucket ranges").outcome == "does not hold the visitor"
    assert "in the test cs8r01camp0000000000" in named(tests, "one visitor, one test").outcome
    assert "seen in another test" in named(seen, "one visitor, one test").outcome


def test_kinds_that_differ_are_told() -> None:
    explanation = explain(RULESETS["server"], "vipBanner", visitor(isVip="yes"))

    assert "kinds differ" in named(explanation, "rule EQUALS").outcome
    assert named(explanation, "kinds").is_against


@pytest.mark.parametrize(("stored", "outcome"), [("v", "v is the visitor's already"), ("x", "none: x is not there")])
def test_a_stored_assignment_is_told(stored: str, outcome: str) -> None:
    ruleset = read({"campaigns": [campaign("c", group("g", variation("v", {"f": 1})))]})

    explanation = explain(ruleset, "f", Visitor("visitor-1", {}, {"g": stored}))

    assert named(explanation, "assignment").outcome.startswith(outcome)


def test_a_group_without_targeting_and_one_without_rules_say_so() -> None:
    campaigns = [
        campaign("c1", group("g1", variation("v", {"f": 1}), targeting=None)),
        campaign("c2", group("g2", variation("v", {"f": 1}), targeting=targeting([]))),
        campaign("c3", group("g3", variation("v", {"f": 1}, 0), variation("w", {"x": 1}, 100))),
    ]

    explanation = explain(read({"campaigns": campaigns}), "f", visitor())

    assert [step.outcome for step in explanation.steps] == [
        "does not set the flag in variation w",
        "none of its variations",
        "none of its variations",
    ]
    told = [step.facts.get("problem") or step.outcome for step in steps(explanation) if "targeting" in step.name]
    assert told == ["holds", "none: nobody matches", "it has no targeting, so it matches nobody"]


def test_a_flag_of_no_campaign_is_not_explained() -> None:
    with pytest.raises(FeatureNotFound):
        explain(RULESETS["sdk"], "nowhere", visitor())


def test_panic_is_told() -> None:
    explanation = explain(RULESETS["panic"], "ctaColor", visitor())

    assert explanation.as_text() == "ctaColor for visitor-1: the default (DISABLED)\n└─ panic: none: every flag is off"


def test_an_explanation_is_data_and_text() -> None:
    explanation = explain(RULESETS["sdk"], "betaPanel", visitor())

    assert {name: value for name, value in explanation.as_dict().items() if name not in ("steps", "metadata")} == {
        "flag": "betaPanel",
        "visitor": "visitor-1",
        "value": True,
        "variation": "cs8r08va000000000000",
        "reason": "TARGETING_MATCH",
    }
    assert explanation.as_text().splitlines() == [
        "betaPanel for visitor-1: True (TARGETING_MATCH)",
        "└─ campaign cs8r08camp0000000000: gives True (name 'Beta users', type 'toggle')",
        "   └─ variation group cs8r08vg000000000000: matches (name 'Scenario 1')",
        "      ├─ targeting group 1: holds",
        "      │  └─ rule EQUALS: holds (key 'fs_users', value ['visitor-1', 'visitor-3', 'alice@example.com'],"
        " seen 'visitor-1')",
        "      └─ bucket: cs8r08va000000000000 (hashed 'cs8r08vg000000000000visitor-1', bucket 41,"
        " below {'cs8r08va000000000000': 100.0})",
    ]


def test_foreign_text_keeps_to_its_line() -> None:
    ruleset = read({"campaigns": [campaign("c\n\x1b[1m", group("g", variation("v", {"f": "x\ny"})))]})

    lines = explain(ruleset, "f", visitor("v\x1b[31m\n")).as_text().splitlines()

    assert len(lines) == 6
    assert not any("\x1b" in line for line in lines)
