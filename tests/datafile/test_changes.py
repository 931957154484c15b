"""Which flags changed between two data files: the exact keys, also of those that another part of the file changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, as_bytes, data_file, segment

Json = dict[str, Any]
Change = Callable[[Json], object]

VISITOR = Visitor("visitor-1")


def plan_is(value: str) -> Json:
    return {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": value}


def flag(number: int, *segment_ids: int, **members: Any) -> Json:
    rules = [
        {"id": number * 10 + position, "type": "TARGETED_DELIVERY", "exposition": 1, "segmentId": segment_id}
        for position, segment_id in enumerate(segment_ids)
    ]
    return {"id": number, "featureKey": f"f{number}", "environmentEnabled": True, "rules": rules, **members}


def a_file() -> Json:
    """Flags whose answers depend on each other in every way there is."""
    return {
        "dateModified": 1_000,
        "configuration": {"consentType": "NOT_REQUIRED", "consentOptOutBehavior": "PARTIALLY_BLOCK"},
        "customData": [{"index": 1, "id": 501, "name": "plan"}, {"index": 2, "id": 502, "name": "account"}],
        "holdout": {"experimentId": 9, "variationByExposition": [{"variationKey": "in-holdout", "exposition": 0.1}]},
        "segments": [
            segment(plan_is("vip"), segment_id=1),
            segment({"targetingType": "SEGMENT", "segmentId": 1}, segment_id=2),
            segment({"targetingType": "SEGMENT", "segmentId": 2}, plan_is("x"), segment_id=3),
            segment({"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 1}, segment_id=4),
            segment({"targetingType": "SEGMENT", "segmentId": 4}, segment_id=5),
            segment({"targetingType": "SEGMENT", "segmentId": 99}, segment_id=6),
            segment({"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 99}, segment_id=7),
            segment({"targetingType": "SEGMENT", "segmentId": 9}, segment_id=8),
            segment({"targetingType": "SEGMENT", "segmentId": 8}, segment_id=9),
        ],
        "featureFlags": [
            flag(1),
            flag(2, 1),
            flag(3, 3),
            flag(4, 5),
            flag(5, 6),
            flag(6, 7, 8),
            flag(7, 77),
            flag(8, mutuallyExclusiveGroup="g"),
            flag(9, mutuallyExclusiveGroup="g"),
            flag(10, bucketingCustomDataId=502),
        ],
    }


ALL = [f"f{number}" for number in range(1, 11)]


def change(path: str, value: object) -> Change:
    """Sets what the path leads to: names and positions with dots between them."""
    *steps, last = path.split(".")

    def apply(content: Json) -> None:
        node: Any = content
        for step in steps:
            node = node[int(step) if isinstance(node, list) else step]
        node[int(last) if isinstance(node, list) else last] = value

    return apply


def add(name: str, element: Json) -> Change:
    return lambda content: content[name].append(element)


def remove(name: str, position: int) -> Change:
    return lambda content: content[name].pop(position)


CONDITION = "conditionsData.firstLevel.0.conditions.0"

CHANGES: list[tuple[str, Change, list[str]]] = [
    ("nothing", lambda content: None, []),
    ("the date", change("dateModified", 2_000), []),
    ("the order of flags", lambda content: content["featureFlags"].reverse(), []),
    ("the order of segments", lambda content: content["segments"].reverse(), []),
    ("a segment that no flag uses", add("segments", segment(plan_is("new"), segment_id=50)), []),
    ("an unknown member", change("new", [1]), []),
    ("a custom datum's name", change("customData.0.name", "other"), []),
    ("where data are sent", change("configuration.dataApiDomain", "eu.kameleoon.io"), []),
    ("streaming", change("configuration.realTimeUpdate", True), []),
    ("a flag", change("featureFlags.1.environmentEnabled", False), ["f2"]),
    ("a flag's unknown member", change("featureFlags.1.new", 1), ["f2"]),
    ("a flag added", add("featureFlags", flag(20)), ["f20"]),
    ("a flag removed", remove("featureFlags", 2), ["f3"]),
    ("a flag renamed", change("featureFlags.1.featureKey", "g2"), ["f2", "g2"]),
    ("a flag that another one looks at", change("featureFlags.0.rules", [{"id": 1}]), ["f1", "f4"]),
    ("its id", change("featureFlags.0.id", 11), ["f1", "f4"]),
    ("its key", change("featureFlags.0.featureKey", "g1"), ["f1", "f4", "g1"]),
    ("its end", remove("featureFlags", 0), ["f1", "f4"]),
    ("a flag looked for appears", add("featureFlags", flag(99)), ["f6", "f99"]),
    ("a flag takes the id looked at", add("featureFlags", {**flag(1), "featureKey": "again"}), ["again", "f4"]),
    ("a segment and those who refer to it", change(f"segments.0.{CONDITION}.value", "pro"), ["f2", "f3"]),
    ("a segment in the middle", change("segments.1.name", "new"), ["f3"]),
    ("a segment of one flag", change(f"segments.2.{CONDITION}.isInclude", False), ["f3"]),
    ("a segment removed", remove("segments", 0), ["f2", "f3"]),
    ("a segment in the middle removed", remove("segments", 1), ["f3"]),
    ("a segment that looks at a flag", change(f"segments.3.{CONDITION}.variationKey", "on"), ["f4"]),
    ("a segment looked for appears", add("segments", segment(plan_is("x"), segment_id=99)), ["f5"]),
    ("a rule's segment appears", add("segments", segment(plan_is("x"), segment_id=77)), ["f7"]),
    ("a segment on a circle", change("segments.8.name", "new"), ["f6"]),
    ("a member joins a group", add("featureFlags", flag(30, mutuallyExclusiveGroup="g")), ["f30", "f8", "f9"]),
    ("a member leaves a group", change("featureFlags.8.mutuallyExclusiveGroup", None), ["f8", "f9"]),
    ("the order in a group", change("featureFlags.8.id", 0), ["f8", "f9"]),
    ("an id that leaves the order in the group", change("featureFlags.8.id", 1000), ["f9"]),
    ("a group of one more", add("featureFlags", flag(31, mutuallyExclusiveGroup="h")), ["f31"]),
    ("a bucketing datum's index", change("customData.1.index", 7), ["f10"]),
    ("a bucketing datum removed", remove("customData", 1), ["f10"]),
    ("the holdout's share", change("holdout.variationByExposition.0.exposition", 0.2), ALL),
    ("the holdout's end", change("holdout", None), ALL),
    ("whether consent is required", change("configuration.consentType", "REQUIRED"), ALL),
    ("what refusing blocks", change("configuration.consentOptOutBehavior", "FULLY_BLOCK"), ALL),
]


def changed(before: Json, after: Json) -> list[str]:
    previous = DataFileIndex.read(as_bytes(before))
    return sorted(changed_flags(previous, DataFileIndex.read(as_bytes(after), previous=previous)))


@pytest.mark.parametrize(("apply", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_exactly_the_flags_whose_answers_may_differ_have_changed(apply: Change, expected: list[str]) -> None:
    before, after = a_file(), a_file()
    apply(after)

    assert changed(before, after) == sorted(expected)
    assert set(changed(after, before)) == set(expected)


def test_each_flag_of_a_first_or_an_emptied_file_has_changed() -> None:
    nothing = {**a_file(), "featureFlags": []}

    assert changed(nothing, a_file()) == sorted(ALL)
    assert changed(a_file(), nothing) == sorted(ALL)


def test_a_flag_that_breaks_or_is_mended_has_changed() -> None:
    broken = a_file()
    change("featureFlags.4.id", "five")(broken)

    assert changed(a_file(), broken) == ["f5"]
    assert changed(broken, a_file()) == ["f5"]
    assert changed(broken, broken) == []


def test_a_2x_file_in_place_of_a_v3_one_changes_every_flag() -> None:
    flags = [{"featureKey": "f", "defaultVariationKey": "on"}]

    assert changed({"featureFlags": flags}, {"featureFlagConfigurations": flags}) == ["f"]


LAYOUTS: list[Callable[[object], str]] = [
    lambda content: json.dumps(content, indent=2),
    lambda content: json.dumps(content, indent="\t"),
    lambda content: json.dumps(content, separators=(",", ":")),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["indented", "tabs", "compact"])
def test_a_file_laid_out_anew_has_not_changed(layout: Callable[[object], str]) -> None:
    before = DataFileIndex.read(as_bytes(a_file()))

    after = DataFileIndex.read(layout(a_file()).encode(), previous=before)

    assert after.flags["f2"].text != before.flags["f2"].text
    assert changed_flags(before, after) == []


@pytest.mark.parametrize(("value", "other"), [(1, True), (1, 1.0), (0, False), ("1", 1), (1, 1.5), (None, 0), ([], {})])
def test_values_that_python_calls_equal_are_not_the_same(value: object, other: object) -> None:
    def with_value(given: object) -> Json:
        variable = {"key": "v", "type": "NUMBER", "value": given}
        return {"featureFlags": [flag(1, variations=[{"key": "on", "variables": [variable]}])]}

    assert changed(with_value(value), with_value(other)) == ["f1"]
    assert changed(with_value(value), with_value(copy.deepcopy(value))) == []


def test_white_space_inside_a_text_is_a_change() -> None:
    def named(name: str) -> Json:
        return {"featureFlags": [flag(1, defaultVariationKey=name)]}

    assert changed(named("a b"), named("a  b")) == ["f1"]


def test_others_may_run_between_two_flags_or_segments() -> None:
    before, after = DataFileIndex.read(as_bytes(a_file())), DataFileIndex.read(as_bytes(a_file()))
    breaths: list[None] = []

    changed_flags(before, after, lambda: breaths.append(None))

    assert len(breaths) >= len(ALL) + len(after.segments)


# --- what is taken over ---------------------------------------------------------------------------------------


def test_flags_that_did_not_change_share_their_text_with_the_file_before() -> None:
    before = DataFileIndex.read(as_bytes(data_file()))
    content = data_file()
    content["featureFlags"][0]["environmentEnabled"] = False

    after = DataFileIndex.read(as_bytes(content), previous=before)

    shared = {key for key, known in after.flags.items() if known.text is before.flags[key].text}
    assert shared == set(after.flags) - {"checkout_redesign"}


def refreshed(before: Stage, apply: Change) -> Ruleset:
    """The ruleset that takes over from a stage's after a change."""
    content = {**a_file(), "dateModified": 2_000}
    apply(content)
    index = DataFileIndex.read(as_bytes(content), previous=before.index)
    changes = changed_flags(before.index, index)
    return Ruleset(index, scope=before.scope(), labels={"siteCode": "s"}, previous=before.ruleset, changed=changes)


@pytest.mark.parametrize(("apply", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_refresh_takes_over_the_decisions_of_all_other_flags(apply: Change, expected: list[str]) -> None:
    before = Stage(a_file())
    decisions = {key: before.ruleset.decide(key) for key in ALL}

    after = refreshed(before, apply)

    kept = {key for key in ALL if key in after.index.flags and after.decide(key) is decisions[key]}
    assert kept == set(ALL) - set(expected)
    for key in kept:
        assert after.flags[key] is before.ruleset.flags[key]
        assert after.decide(key)(VISITOR, None).metadata["version"] == 2_000


def test_what_was_not_asked_for_is_not_compiled() -> None:
    before = Stage(a_file())
    before.ruleset.decide("f1")

    after = refreshed(before, lambda content: None)

    assert after.decisions.keys() == {"f1"}
    assert after.flags.keys() == {"f1"}


def test_a_file_laid_out_anew_keeps_every_decision() -> None:
    before = Stage(a_file())
    decisions = {key: before.ruleset.decide(key) for key in ALL}
    index = DataFileIndex.read(json.dumps(a_file(), indent=4).encode(), previous=before.index)

    after = Ruleset(index, scope=before.scope(), previous=before.ruleset, changed=changed_flags(before.index, index))

    assert all(after.decide(key) is decisions[key] for key in ALL)
