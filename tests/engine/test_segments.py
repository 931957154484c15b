"""Segments that refer to each other: compiled once, the same whoever asks first, and never without end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.datafile.model import FeatureFlag, Segment
from openfeature_kameleoon.engine import segments as module
from openfeature_kameleoon.engine.segments import Segments, Targeting
from openfeature_kameleoon.engine.targeting import leaves
from openfeature_kameleoon.errors import FeatureMalformed
from openfeature_kameleoon.visitors.traits import Assignment, Exposure
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, segment

Json = dict[str, Any]

VIP = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"}
ALONE = {"targetingType": "EXCLUSIVE_EXPERIMENT", "campaignType": "EXPERIMENT"}
UNUSABLE = {"id": 8, "conditionsData": {"firstLevel": [{"conditions": [VIP, VIP], "orOperators": []}]}}
BROKEN = {"id": 9, "conditionsData": []}


def refers_to(segment_id: int, **members: Any) -> Json:
    return {"targetingType": "SEGMENT", "segmentId": segment_id, **members}


def segments_of(*segments: Json, flags: list[Json] | None = None) -> Segments:
    return Stage({"featureFlags": flags or [], "segments": list(segments)}).ruleset.segments


def targeting(segments: Segments, segment_id: int, campaign_id: int | None = None) -> Targeting:
    found = segments.targeting(segment_id, campaign_id)
    assert found is not None
    return found


def matches(segments: Segments, segment_id: int, visitor: Visitor, campaign_id: int | None = None) -> bool:
    predicate = targeting(segments, segment_id, campaign_id).matches
    return predicate is None or predicate(visitor)


def visitor(plan: str | None = None) -> Visitor:
    made = Visitor("v")
    if plan:
        made.set_custom_data(0, plan)
    return made


# --- one segment ----------------------------------------------------------------------------------------------


def test_a_missing_segment_is_none_and_one_without_conditions_matches_everybody() -> None:
    segments = segments_of({"id": 1}, {"id": 2, "conditionsData": {"firstLevel": []}})

    assert segments.targeting(7) is None
    assert [targeting(segments, segment_id).matches for segment_id in (1, 2)] == [None, None]


def test_a_segment_is_compiled_once_for_all_rules_that_share_it() -> None:
    segments = segments_of(segment(VIP, segment_id=1))

    assert targeting(segments, 1, 81) is targeting(segments, 1, 82)
    assert targeting(segments, 1) is targeting(segments, 1, 81)


def test_a_segment_that_minds_the_campaign_is_compiled_once_for_each() -> None:
    segments = segments_of(segment(ALONE, segment_id=1))
    assigned = visitor()
    assigned.set_assignment(Assignment(Exposure(81, 1, None), 0.0, 0.0, is_reported=True))

    assert targeting(segments, 1, 81) is targeting(segments, 1, 81)
    assert matches(segments, 1, assigned, 81)
    assert not matches(segments, 1, assigned, 82)


def test_a_segment_inside_another_minds_the_campaign_of_the_rule() -> None:
    segments = segments_of(segment(ALONE, segment_id=1), segment(refers_to(1), segment_id=2))
    assigned = visitor()
    assigned.set_assignment(Assignment(Exposure(81, 1, None), 0.0, 0.0, is_reported=True))

    assert matches(segments, 2, assigned, 81)
    assert not matches(segments, 2, assigned, 82)


@pytest.mark.parametrize(("broken", "said"), [(UNUSABLE, "fewer operators"), (BROKEN, "does not decode")])
def test_a_segment_that_makes_no_sense_says_so_each_time_and_is_looked_at_once(
    broken: Json, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = segments_of(broken)
    looked: list[int] = []
    decode = DataFileIndex.segment

    def counted(index: DataFileIndex, number: int) -> Segment | None:
        looked.append(number)
        return decode(index, number)

    monkeypatch.setattr(DataFileIndex, "segment", counted)

    errors = []
    for campaign in (None, 81, 82):
        with pytest.raises(FeatureMalformed, match=said) as caught:
            segments.targeting(broken["id"], campaign)
        errors.append(caught.value)

    assert looked == [broken["id"]]
    assert len(set(map(id, errors))) == 3  # one raised in several threads would gather their tracebacks


# --- segments inside segments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("include", [True, False])
def test_a_segment_inside_another_is_the_same_segment(include: bool) -> None:
    segments = segments_of(segment(VIP, segment_id=1), segment(refers_to(1, isInclude=include), segment_id=2))

    assert matches(segments, 2, visitor("vip")) is include
    assert matches(segments, 2, visitor()) is not include


def test_a_segment_without_conditions_inside_another_matches_everybody() -> None:
    segments = segments_of({"id": 1}, segment(refers_to(1), segment_id=2))

    assert matches(segments, 2, visitor())


@pytest.mark.parametrize("inner", [7, 8, 9, "1", None, True, 1.0, [1]])
def test_what_names_no_sound_segment_accepts_nobody_and_says_so(inner: Any) -> None:
    segments = segments_of(
        UNUSABLE,
        BROKEN,
        segment(refers_to(inner), segment_id=2),
        segment(refers_to(inner, isInclude=False), segment_id=3),
    )

    assert not matches(segments, 2, visitor("vip"))
    assert matches(segments, 3, visitor("vip"))
    (leaf,) = leaves(targeting(segments, 2).tree)
    assert leaf.problem is not None


CIRCLES: list[list[Json]] = [
    [segment(refers_to(1), segment_id=1)],
    [segment(refers_to(2, isInclude=False), segment_id=1), segment(refers_to(1, isInclude=False), segment_id=2)],
    [segment(refers_to(number % 3 + 1), segment_id=number) for number in (1, 2, 3)],
    [  # two circles that share a segment, and one that leads to them
        segment(refers_to(2), segment_id=1),
        segment(refers_to(1), refers_to(3), segment_id=2),
        segment(refers_to(2), VIP, segment_id=3),
        segment(VIP, refers_to(3), segment_id=4),
    ],
    [segment(refers_to(number % 40 + 1), segment_id=number) for number in range(1, 41)],
]


@pytest.mark.parametrize("circle", CIRCLES, ids=["itself", "two", "three", "eight", "forty"])
def test_segments_that_lead_back_to_themselves_make_no_sense_whichever_is_asked_first(circle: list[Json]) -> None:
    numbers = [one["id"] for one in circle]

    for first, second in itertools.islice(itertools.permutations([*numbers, *numbers], 2), 50):
        segments = segments_of(*circle)
        for number in (first, second):
            with pytest.raises(FeatureMalformed, match=f"segment {number} makes no sense: it leads back to itself"):
                segments.targeting(number)


def test_a_circle_elsewhere_is_no_matter() -> None:
    segments = segments_of(*CIRCLES[1], segment(VIP, segment_id=5), segment(refers_to(5), segment_id=6))

    assert matches(segments, 6, visitor("vip"))


def test_a_rule_on_a_circle_is_for_nobody_and_the_flag_says_so() -> None:
    rules = [
        {
            "id": number,
            "type": "TARGETED_DELIVERY",
            "exposition": 1,
            "segmentId": where,
            "variationByExposition": [entry],
        }
        for number, where, entry in ((1, 1, {"variationKey": "circle"}), (2, None, {"variationKey": "everybody"}))
    ]
    stage = Stage(
        {"featureFlags": [{"featureKey": "f", "environmentEnabled": True, "rules": rules}], "segments": CIRCLES[0]}
    )

    assert stage.ruleset.decide("f")(visitor(), None).variation_key == "everybody"
    (problem,) = stage.ruleset.flag("f").problems
    assert "rule 1 matches nobody: segment 1 makes no sense" in problem


def chain(length: int) -> list[Json]:
    """Segments that each refer to the next; the last one is for VIPs."""
    return [
        segment(VIP if number == length else refers_to(number + 1), segment_id=number)
        for number in range(1, length + 1)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_segments_has_a_length_whoever_asks_first(order: int) -> None:
    segments = segments_of(*chain(40))
    sound = {}

    for number in range(1, 41)[::order]:
        try:
            sound[number] = matches(segments, number, visitor("vip"))
        except FeatureMalformed:
            sound[number] = False

    assert [number for number, matched in sound.items() if not matched][::order] == list(range(1, 25))
    assert not matches(segments, 25, visitor())


def test_a_chain_of_ten_thousand_segments_is_refused_without_following_it_to_the_end_of_the_stack() -> None:
    segments = segments_of(*chain(10_000))

    with pytest.raises(FeatureMalformed, match="more than 16 segments in a row"):
        segments.targeting(1)
    assert matches(segments, 9_990, visitor("vip"))


def test_segments_that_double_at_each_step_have_an_end() -> None:
    doubling = [segment(refers_to(number + 1), refers_to(number + 1), segment_id=number) for number in range(1, 16)]
    few = segments_of(*doubling[5:], segment(VIP, segment_id=16))
    many = segments_of(*doubling, segment(VIP, segment_id=16))

    assert matches(few, 6, visitor("vip"))
    assert few.weight(6) > 2**10
    with pytest.raises(FeatureMalformed, match="more than 200000 conditions"):
        many.targeting(1)


def test_segments_that_come_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> Segments:
        return segments_of(segment(VIP, segment_id=1), segment(refers_to(1), refers_to(1), segment_id=2))

    one, two = both().weight(1), both().weight(2)
    monkeypatch.setattr(module, "MOST_CONDITIONS", two - 1)
    segments = both()

    assert two > 2 * one >= 2
    assert (segments.weight(1), segments.weight(2)) == (one, 0)
    assert matches(segments, 1, visitor("vip"))
    with pytest.raises(FeatureMalformed, match="segment 2 makes no sense"):
        segments.targeting(2)


def test_a_flag_that_is_looked_at_adds_its_weight() -> None:
    looks = segment({"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 5}, segment_id=1)
    light = segments_of(looks, flags=[{"id": 5, "featureKey": "f"}])
    heavy = segments_of(looks, flags=[{"id": 5, "featureKey": "f", "rules": [{}] * 1000}])

    assert heavy.weight(1) - light.weight(1) == 1000


# --- flags that are looked at ---------------------------------------------------------------------------------

LOOKS = {"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 5, "variationKey": "on"}


def given(experiment_id: int, variation_id: int) -> Visitor:
    made = visitor()
    made.set_assignment(Assignment(Exposure(experiment_id, variation_id, None), 0.0, 0.0, is_reported=True))
    return made


def flag_with_rules(key: str = "f", flag_id: int = 5, **members: Any) -> Json:
    entries = [
        {"variationKey": "on", "variationId": 7},
        {"variationKey": "off"},
        {"variationKey": "b", "variationId": 8},
    ]
    return {
        "id": flag_id,
        "featureKey": key,
        "rules": [{"id": 1, "experimentId": 81, "variationByExposition": entries}],
        **members,
    }


def test_a_flag_is_known_by_what_its_rules_give() -> None:
    segments = segments_of(segment(LOOKS, segment_id=1), flags=[flag_with_rules()])

    assert matches(segments, 1, given(81, 7))
    assert not matches(segments, 1, given(81, 8))
    assert not matches(segments, 1, given(82, 7))


@pytest.mark.parametrize("flags", [[], [flag_with_rules(defaultVariationKey=1)], [flag_with_rules(id="5")]])
def test_a_flag_that_is_missing_or_broken_gave_nothing(flags: list[Json]) -> None:
    segments = segments_of(segment(LOOKS, segment_id=1), flags=flags)

    assert not matches(segments, 1, given(81, 7))


def test_a_flag_that_many_conditions_look_at_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = segments_of(
        segment(*[LOOKS] * 10, segment_id=1), segment(LOOKS, segment_id=2), flags=[flag_with_rules()]
    )
    decoded: list[str] = []
    decode = DataFileIndex.flag

    def counted(index: DataFileIndex, key: str) -> FeatureFlag:
        decoded.append(key)
        return decode(index, key)

    monkeypatch.setattr(DataFileIndex, "flag", counted)

    assert matches(segments, 1, given(81, 7))
    assert matches(segments, 2, given(81, 7))
    assert decoded == ["f"]
