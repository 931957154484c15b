"""The told way of deciding: it always agrees with the fast one, and says what it looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.engine.bucketing import place
from openfeature_kameleoon.engine.conditions import CONDITIONS
from openfeature_kameleoon.engine.explain import Explanation, Step, explain, walk
from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
)
from openfeature_kameleoon.visitors.traits import (
    Assignment,
    Exposure,
    ForcedVariation,
    LegalConsent,
    Values,
    VisitHistory,
)
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.vectors import Stage, data_file, segment, vectors

Json = dict[str, Any]

VECTORS = [pytest.param(vector, id=vector["id"]) for vector in vectors("evaluation")]
STARTED = 1_790_000_000.0


def steps_of(steps: list[Step]) -> Iterator[Step]:
    """All steps, the outer ones first."""
    for step in steps:
        yield step
        yield from steps_of(step.steps)


def told(explanation: Explanation) -> str:
    """What every test of an explanation may count on, and its text."""
    text = explanation.as_text()
    for step in steps_of(explanation.steps):
        assert step.outcome
        assert f"{step.name}: {step.outcome}" in text
    assert len(text.splitlines()) == 1 + len(list(steps_of(explanation.steps)))
    plain = json.loads(json.dumps(explanation.as_dict()))
    assert plain["variation"] == explanation.evaluation.variation_key
    assert len(plain["steps"]) == len(explanation.steps)
    return text


# --- it agrees with the decision ----------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS)
def test_an_explanation_ends_in_what_the_visitor_then_gets(vector: Json) -> None:
    stage = Stage(data_file(vector.get("datafile_patch")))
    try:
        stage.play(vector["visitor_code"], vector.get("steps", ()))
        stage.at(vectors("meta")["evaluate_at_ms"])
        visitor = stage.visitor(vector["visitor_code"])
        flag = stage.ruleset.flag(vector["flag"])
    except KameleoonError:  # what the vector expects then; test_evaluation_vectors.py looks at it
        return
    before = (visitor.known, dict(visitor.assignments), dict(visitor.custom_data), len(stage.store))

    explanation = explain(flag, visitor)

    assert (visitor.known, dict(visitor.assignments), dict(visitor.custom_data), len(stage.store)) == before
    told(explanation)
    evaluation = stage.ruleset.decide(vector["flag"])(visitor, stage.remember)
    assert explanation.evaluation.variation_key == evaluation.variation_key
    assert explanation.evaluation.reason == evaluation.reason
    assert explanation.evaluation.metadata == evaluation.metadata


conditions: st.SearchStrategy[Json] = st.sampled_from(
    [
        {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"},
        {"targetingType": "CUSTOM_DATUM", "customDataIndex": "1", "valueMatchType": "GREATER", "value": "10"},
        {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "UNDEFINED"},
        {"targetingType": "DEVICE_TYPE", "device": "PHONE"},
        {"targetingType": "DEVICE_TYPE", "device": "WATCH"},
        {"targetingType": "PAGE_VIEWS", "pageCount": 1, "matchType": "LOWER"},
        {"targetingType": "EXCLUSIVE_EXPERIMENT", "campaignType": "ANY", "visitCount": 1},
        {"targetingType": "TARGET_EXPERIMENT", "experimentId": 900, "variationMatchType": "ANY"},
        {"targetingType": "EXPLICIT_TRIGGER"},
        {"targetingType": "SEGMENT", "segmentId": 1},
    ]
)
included = st.builds(lambda condition, include: {**condition, "isInclude": include}, conditions, st.booleans())
operators = st.lists(st.booleans(), min_size=4, max_size=4)
groups = st.fixed_dictionaries({"conditions": st.lists(included, max_size=5), "orOperators": operators})
segments = st.fixed_dictionaries(
    {"firstLevel": st.lists(groups, max_size=4), "firstLevelOrOperators": st.lists(st.booleans(), max_size=4)}
)
shares = st.sampled_from([0.0, 0.05, 0.25, 0.5, 0.75, 1.0, 1, 0.1]) | st.floats(0.0, 1.0)
variation_ids = st.sampled_from([None, 1, 2, 3, 4])
entries = st.fixed_dictionaries(
    {"variationKey": st.sampled_from(["a", "b", "c", "in-holdout"]), "variationId": variation_ids, "exposition": shares}
)
rules = st.fixed_dictionaries(
    {
        "id": st.integers(1, 5) | st.none(),
        "type": st.sampled_from(["TARGETED_DELIVERY", "EXPERIMENTATION", "PERSONALIZED", None]),
        "exposition": shares,
        "experimentId": st.integers(900, 905),
        "segmentId": st.integers(1, 4) | st.none(),
        "respoolTime": st.sampled_from([None, 0, 1757030400]),
        "variationByExposition": st.lists(entries, max_size=3),
    }
)
flags = st.fixed_dictionaries(
    {
        "id": st.just(1),
        "featureKey": st.just("flag"),
        "environmentEnabled": st.sampled_from([True, True, True, False]),
        "defaultVariationKey": st.sampled_from(["default", "a"]),
        "mutuallyExclusiveGroup": st.sampled_from([None, None, "group"]),
        "bucketingCustomDataId": st.sampled_from([None, None, 501, 505]),
        "rules": st.lists(rules, max_size=4),
    }
)
files = st.fixed_dictionaries(
    {
        "featureFlags": flags.map(
            lambda flag: [flag, {"id": 2, "featureKey": "other", "mutuallyExclusiveGroup": "group"}]
        ),
        "segments": st.lists(segments, max_size=4).map(
            lambda all_: [{"id": number, "conditionsData": data} for number, data in enumerate(all_, 1)]
        ),
        "customData": st.just([{"id": 501, "index": 0}, {"id": 505, "index": 4}]),
        "configuration": st.fixed_dictionaries(
            {
                "consentType": st.sampled_from(["REQUIRED", "NOT_REQUIRED"]),
                "consentOptOutBehavior": st.sampled_from(["PARTIALLY_BLOCK", "FULLY_BLOCK"]),
            }
        ),
        "holdout": st.none()
        | st.fixed_dictionaries({"experimentId": st.just(900), "variationByExposition": st.lists(entries, max_size=2)}),
    }
)


values: st.SearchStrategy[Values] = st.sampled_from(["vip", "11", "", (), ("a", "20")])


@st.composite
def visitors(draw: st.DrawFn) -> Visitor:
    visitor = Visitor(draw(st.text("abcé12", min_size=1, max_size=6)), STARTED, known=draw(st.booleans()))
    visitor.hashing_code = draw(st.sampled_from([None, None, "", "anonymous"]))
    if visitor.known:
        for index, texts in draw(st.dictionaries(st.sampled_from([0, 1, 4]), values)).items():
            visitor.set_custom_data(index, texts)
        visitor.set_consent(draw(st.sampled_from(LegalConsent)))
        traits = visitor.own_traits()
        traits.device = draw(st.sampled_from([None, Device(DeviceType.PHONE)]))
        traits.visits = draw(st.sampled_from([None, VisitHistory((STARTED - 60.0,), 1, 0.0)]))
        for experiment_id, time in draw(
            st.dictionaries(st.integers(900, 905), st.sampled_from([STARTED, STARTED - 100.0]))
        ).items():
            visitor.set_assignment(Assignment(Exposure(experiment_id, 1, None), time, 0.0, is_reported=True))
    return visitor


@st.composite
def overridden_visitors(draw: st.DrawFn) -> Visitor:
    """Visitors whom simulation, forced variations or scores concern, about this flag or about others."""
    visitor = draw(visitors())
    traits = visitor.own_traits()
    ids = st.sampled_from([1, 2, 3, 9])
    forced = st.builds(
        ForcedVariation, st.integers(900, 907), st.sampled_from(["a", "x"]), ids | st.none(), st.booleans()
    )
    traits.forced = {item.experiment_id: item for item in draw(st.lists(forced, max_size=2))}
    traits.simulated = draw(st.dictionaries(st.sampled_from(["flag", "other"]), forced, max_size=1))
    scores = st.dictionaries(st.integers(900, 907), st.dictionaries(ids, st.sampled_from([0.1, 0.5]), max_size=3))
    traits.scores = draw(st.none() | scores)
    traits.settle()
    return visitor


def remembering(visitor: Visitor) -> list[Exposure]:
    """What the holdout had remembered of the visitor."""
    return [item.exposure for item in visitor.assignments.values()]


def remember(visitor: Visitor, exposure: Exposure) -> None:
    visitor.known = True
    visitor.set_assignment(Assignment(exposure, STARTED + 60, 0.0, is_reported=True))


@given(files, visitors())
def test_the_told_way_and_the_compiled_one_always_agree(content: Json, visitor: Visitor) -> None:
    stage = Stage(content)
    flag, decide = stage.ruleset.flag("flag"), stage.ruleset.decide("flag")
    by_story, by_explanation = visitor.copy(), visitor.copy()

    explanation = explain(flag, by_explanation)
    decided = decide(visitor, remember)

    assert walk(flag, by_story, remember) is decided
    assert remembering(by_story) == remembering(visitor)
    assert explanation.evaluation is decided
    told(explanation)


@given(files, overridden_visitors())
def test_they_agree_about_visitors_whom_more_than_the_rules_concern(content: Json, visitor: Visitor) -> None:
    stage = Stage(content)
    decide = stage.ruleset.decide("flag")
    explanation = explain(stage.ruleset.flag("flag"), visitor)
    told(explanation)

    decided = decide(visitor, remember)
    assert (decided.variation_key, decided.cause) == (
        explanation.evaluation.variation_key,
        explanation.evaluation.cause,
    )
    assert decided.exposure == explanation.evaluation.exposure

    traits = visitor.own_traits()
    traits.forced, traits.scores, traits.simulated = {}, None, {}  # nothing overrides, but the mark says so
    assert decide(visitor, None) is walk(stage.ruleset.flag("flag"), visitor.copy(), None)


# --- what it tells ------------------------------------------------------------------------------------------

VIP = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"}
PHONE = {"targetingType": "DEVICE_TYPE", "device": "PHONE"}


def entry(key: str, variation_id: int, share: float = 1.0) -> Json:
    return {"variationKey": key, "variationId": variation_id, "exposition": share}


def stage_of(*rules: Json, segments: list[Json] | None = None, consent: str = "", **members: Any) -> Stage:
    known = {"id": 1, "featureKey": "flag", "environmentEnabled": True, "defaultVariationKey": "off"}
    settings = {"consentType": "REQUIRED", "consentOptOutBehavior": consent} if consent else {}
    top = {name: members.pop(name) for name in ("holdout",) if name in members}
    return Stage(
        {
            "featureFlags": [{**known, "rules": list(rules), **members}],
            "segments": segments or [],
            "configuration": settings,
            "customData": [{"id": 505, "index": 4}],
            **top,
        }
    )


def explained(stage: Stage, visitor: Visitor | None = None) -> Explanation:
    return explain(stage.ruleset.flag("flag"), visitor or Visitor("visitor-001"))


def names(explanation: Explanation) -> list[str]:
    return [f"{step.name}: {step.outcome}" for step in steps_of(explanation.steps)]


DELIVERY = {
    "id": 1,
    "type": "TARGETED_DELIVERY",
    "exposition": 1.0,
    "experimentId": 10,
    "variationByExposition": [entry("on", 100)],
}
EXPERIMENT = {
    "id": 2,
    "type": "EXPERIMENTATION",
    "exposition": 0.8,
    "experimentId": 20,
    "variationByExposition": [entry("a", 200, 0.3), entry("b", 201, 0.3)],
}


def test_a_whole_story_reads_as_a_tree() -> None:
    group = {"conditions": [VIP, {**PHONE, "isInclude": False}], "orOperators": [True]}
    vip_or_no_phone = {"id": 1, "conditionsData": {"firstLevel": [group], "firstLevelOrOperators": []}}
    stage = stage_of({**DELIVERY, "segmentId": 1}, EXPERIMENT, segments=[vip_or_no_phone])
    visitor = Visitor("visitor-001")
    add_data(visitor, Device(DeviceType.PHONE), stage.index, 0.0)

    text = told(explained(stage, visitor))

    assert text.splitlines() == [
        "flag for visitor-001: a (SPLIT)",
        "├─ rule: does not apply (id 1, type 'TARGETED_DELIVERY', experiment 10)",
        "│  └─ segment: does not match (id 1)",
        "│     └─ or: does not hold",
        "│        ├─ condition CUSTOM_DATUM: does not hold "
        "(customDataIndex '0', valueMatchType 'EXACT', value 'vip', seen 'nothing')",
        "│        └─ condition DEVICE_TYPE: does not hold (device 'PHONE', isInclude False, seen 'PHONE')",
        "└─ rule: answers a (id 2, type 'EXPERIMENTATION', experiment 20)",
        "   ├─ segment: everybody matches",
        f"   ├─ exposition: exposed (place {place('visitor-0012')!r}, at_most 0.8)",
        f"   └─ variation: a (place {place('visitor-00120')!r})",
    ]


def test_steps_are_told_in_the_order_in_which_they_were_taken() -> None:
    holdout = {"experimentId": 900, "variationByExposition": [entry("in-holdout", 901, 0.01)]}
    stage = stage_of(DELIVERY, mutuallyExclusiveGroup="group", bucketingCustomDataId=505, holdout=holdout)
    visitor = Visitor("visitor-001")
    visitor.set_custom_data(4, "account-1")

    explanation = explained(stage, visitor)

    told(explanation)
    assert [step.name for step in explanation.steps] == [
        "hashing code",
        "holdout",
        "mutually exclusive group",
        "rule",
    ]
    assert explanation.steps[0].facts == {"code": "account-1"}


@pytest.mark.parametrize(
    ("stage", "change", "expected"),
    [
        (stage_of(DELIVERY, environmentEnabled=False), None, "environment: the flag is off here"),
        (stage_of(), None, "no rule applied: the default variation off"),
        (stage_of({**DELIVERY, "exposition": 0.0}), None, "exposition: not exposed"),
        (stage_of({**EXPERIMENT, "exposition": 1.0, "variationByExposition": []}), None, "variation: none"),
        (stage_of({**EXPERIMENT, "exposition": 1.0}, consent="PARTIALLY_BLOCK"), "refuse", "consent: blocked"),
        (
            stage_of(DELIVERY, consent="FULLY_BLOCK", holdout={"experimentId": 900}),
            "refuse",
            "holdout: blocked",
        ),
        (
            stage_of(DELIVERY, holdout={"experimentId": 900, "variationByExposition": [entry("in-holdout", 1)]}),
            None,
            "holdout: held out",
        ),
        (stage_of(DELIVERY, holdout={"experimentId": 900}), None, "holdout: not held out"),
        (stage_of(DELIVERY), "force", "forced variation: x is forced"),
        (stage_of(DELIVERY), "simulate", "simulation: on is simulated"),
        (stage_of({**EXPERIMENT, "exposition": 1.0}), "score", "scores: a has the best score"),
    ],
)
def test_whatever_decides_is_told(stage: Stage, change: str | None, expected: str) -> None:
    visitor = Visitor("visitor-001")
    traits = visitor.own_traits()
    if change == "refuse":
        visitor.set_consent(LegalConsent.NOT_GIVEN)
    if change == "force":
        visitor.force(ForcedVariation(10, "x", 107))
    if change == "simulate":
        traits.simulated = {"flag": ForcedVariation(10, "on", 100)}
    if change == "score":
        traits.scores = {20: {200: 0.9}}
    traits.settle()

    assert expected in told(explained(stage, visitor))


def test_a_flag_that_the_group_passes_over_names_the_one_evaluated() -> None:
    flags = [
        {"id": number, "featureKey": key, "environmentEnabled": True, "mutuallyExclusiveGroup": "banners"}
        for number, key in enumerate(("flag", "second", "third"), 1)
    ]

    text = told(explain(Stage({"featureFlags": flags}).ruleset.flag("flag"), Visitor("visitor-002")))

    assert "mutually exclusive group: third is the one evaluated" in text


def test_a_condition_that_makes_no_sense_says_why_in_its_place() -> None:
    stage = stage_of({**DELIVERY, "segmentId": 1}, segments=[segment({**PHONE, "device": "WATCH"})])

    text = told(explained(stage))

    assert "condition DEVICE_TYPE: does not hold (device 'WATCH'" in text
    assert "problem \"device 'WATCH' is not known\"" in text


def test_a_segment_that_makes_no_sense_says_why_in_its_place() -> None:
    broken = {"id": 1, "conditionsData": {"firstLevel": [{"conditions": [VIP, VIP], "orOperators": []}]}}

    text = told(explained(stage_of({**DELIVERY, "segmentId": 1}, segments=[broken])))

    assert "segment: matches nobody" in text
    assert "fewer operators" in text


def test_what_need_not_be_looked_at_is_not_told() -> None:
    group = {"conditions": [VIP, PHONE], "orOperators": [False]}
    both = {"id": 1, "conditionsData": {"firstLevel": [group], "firstLevelOrOperators": []}}

    explanation = explained(stage_of({**DELIVERY, "segmentId": 1}, segments=[both]))

    assert "condition CUSTOM_DATUM: does not hold" in names(explanation)
    assert not any("DEVICE_TYPE" in name for name in names(explanation))


def test_a_missing_operator_leaves_the_right_side_alone() -> None:
    groups = [{"conditions": [condition]} for condition in (VIP, PHONE)]
    lacking = {"id": 1, "conditionsData": {"firstLevel": groups, "firstLevelOrOperators": []}}
    stage = stage_of({**DELIVERY, "segmentId": 1}, segments=[lacking])
    visitor = Visitor("visitor-001")
    add_data(visitor, Device(DeviceType.PHONE), stage.index, 0.0)

    assert "only the right side: holds" in told(explained(stage, visitor))


EVERYTHING: list[Data] = [
    *(ApplicationVersion("2.5.0"), Browser(BrowserType.CHROME, 120.0), Conversion(1), Cookie({"tier": "gold"})),
    *(CustomData(0, "a", "5"), Device(DeviceType.PHONE), Geolocation("France"), PageView("/a"), PageView("/b")),
    OperatingSystem(OperatingSystemType.MAC),
]


@pytest.mark.parametrize("kind", CONDITIONS)
def test_whatever_a_condition_sees_can_be_told_as_json(kind: str) -> None:
    operands: Json = {"customDataIndex": "0", "valueMatchType": "EXACT", "value": "a", "odd": [{"deep": None}]}
    operands |= {"name": "tier", "nameMatchType": "EXACT", "outcome": 1, "self": 2}
    stage = stage_of({**DELIVERY, "segmentId": 1}, segments=[segment({"targetingType": kind, **operands})])
    visitor = Visitor("visitor-001")
    for item in EVERYTHING:
        add_data(visitor, item, stage.index, STARTED)
    visitor.own_traits().visits = VisitHistory((STARTED - 60.0,), 1, 0.0)
    visitor.own_traits().heat = {1: {2: 3.0}}

    assert f"condition {kind}: " in told(explained(stage, visitor))


def test_a_visitor_is_shown_what_it_would_get_next_not_what_it_got() -> None:
    stage = stage_of(EXPERIMENT)
    visitor = Visitor("visitor-001")
    visitor.set_assignment(Assignment(Exposure(20, 201, None), 0.0, 0.0, is_reported=True))  # there is no stickiness

    assert explained(stage, visitor).evaluation.variation_key == "a"
