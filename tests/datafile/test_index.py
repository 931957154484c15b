"""The index of a data file: every member that is read, its default, and what a broken part costs (2.1 to 2.9, 2.11)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import EMPTY, DataFileIndex, Problem
from openfeature_kameleoon.datafile.model import (
    ConditionGroup,
    ConditionsData,
    CustomDataInfo,
    FeatureFlag,
    Holdout,
    Rule,
    Segment,
    Settings,
    Variable,
    Variation,
    VariationByExposition,
)
from openfeature_kameleoon.errors import DataFileInvalid, FeatureMalformed, FeatureNotFound
from tests.vectors import DATA, as_bytes

Json = dict[str, Any]

TOO_LARGE = 2**63


def index_of(*flags: Any, **members: Any) -> DataFileIndex:
    return DataFileIndex.read(as_bytes({"featureFlags": list(flags), **members}))


def flag_of(**members: Any) -> FeatureFlag:
    return index_of({"featureKey": "f", **members}).flag("f")


def rule_of(**members: Any) -> Rule:
    rules = flag_of(rules=[members]).rules
    assert rules is not None
    return rules[0]


def variation_of(**members: Any) -> Variation:
    variations = flag_of(variations=[members]).variations
    assert variations is not None
    return variations[0]


def segment_of(**members: Any) -> Segment:
    segment = index_of(segments=[{"id": 1, **members}]).segment(1)
    assert segment is not None
    return segment


def problems(index: DataFileIndex) -> list[tuple[str, str | None]]:
    """Where something is wrong, and with which flag."""
    return [(problem.path, problem.flag) for problem in index.problems]


# --- the top level (2.1) --------------------------------------------------------------------------------------


def test_the_example_file_has_no_problem() -> None:
    index = DataFileIndex.read((DATA / "kameleoon-datafile.json").read_bytes())

    assert index.problems == []
    assert (len(index.flags), len(index.segments), len(index.custom_data)) == (39, 31, 7)
    assert index.date_modified == 1_789_900_000_000
    assert list(index.flags)[:3] == ["checkout_redesign", "new_search", "pricing_test"]
    assert not index.is_legacy
    for key in index.flags:
        assert index.flag(key).feature_key == key
    for segment_id in index.segments:
        assert index.segment(segment_id) is not None


def test_flags_keep_the_order_of_the_file() -> None:
    keys = [f"flag {number * 7 % 100}" for number in range(100)]

    assert list(index_of(*({"featureKey": key} for key in keys)).flags) == keys


@pytest.mark.parametrize(
    "members",
    [
        {"featureFlags": []},
        {"featureFlags": None},
        {"featureFlags": [], "segments": None, "customData": None, "configuration": None, "holdout": None},
        {"featureFlags": [], "segments": [], "customData": [], "configuration": {}},
    ],
)
def test_what_may_be_absent_or_null_is_empty(members: Json) -> None:
    index = DataFileIndex.read(as_bytes(members))

    assert not index.flags
    assert not index.segments
    assert not index.custom_data
    assert index.holdout is None
    assert index.settings == Settings()
    assert index.problems == []


def test_the_index_before_any_file_is_an_empty_one() -> None:
    read = index_of()

    assert {name: getattr(read, name) for name in read.__slots__} == {
        name: getattr(EMPTY, name) for name in EMPTY.__slots__
    }


def test_unknown_members_are_ignored_everywhere() -> None:
    new = {"new": [1, {"deep": None}], "another": 10**4000, "third": "😀"}
    entry = {"variationKey": "on", **new}
    rule = {"id": 1, "segmentId": 1, "variationByExposition": [entry], **new}
    variation = {"key": "on", "variables": [{"key": "v", "type": "STRING", "value": "x", **new}], **new}
    segment = {"id": 1, "conditionsData": {"firstLevel": [{"conditions": [], **new}], **new}, **new}
    text = as_bytes(
        {
            "featureFlags": [{"featureKey": "f", "rules": [rule], "variations": [variation], **new}],
            "segments": [segment],
            "customData": [{"index": 1, **new}],
            "configuration": {"consentType": "REQUIRED", **new},
            "holdout": {"experimentId": 1, **new},
            **new,
        }
    )

    index = DataFileIndex.read(text)

    assert index.problems == []
    assert index.flag("f").rules is not None
    assert index.segment(1) is not None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1_789_900_000_000, 1_789_900_000_000),
        ("1789900000000", 1_789_900_000_000),
        (0, 0),
        ("0", 0),
        (None, 0),
        ("", 0),
    ],
)
def test_the_date_is_a_number_that_may_stand_as_text(given: object, expected: int) -> None:
    index = index_of(dateModified=given)

    assert index.date_modified == expected
    assert index.problems == []


@pytest.mark.parametrize(
    "given", [1.5, 1e300, True, "yesterday", "1e5", [], {}, TOO_LARGE, str(TOO_LARGE), "9" * 5000, -TOO_LARGE - 1]
)
def test_a_date_that_is_none_costs_only_itself(given: object) -> None:
    index = index_of({"featureKey": "f"}, dateModified=given)

    assert index.date_modified == 0
    assert index.flag("f")
    assert problems(index) == [("$.dateModified", None)]
    assert "undated" in index.problems[0].message


NO_DATA_FILES: list[tuple[str, bytes, str]] = [
    ("an empty object", b"{}", "lists no feature flags: member 'featureFlags' is missing"),
    ("an error in JSON", b'{"error": "forbidden", "status": 403}', "lists no feature flags"),
    ("everything but flags", b'{"segments": [], "customData": [], "configuration": {}}', "lists no feature flags"),
    ("2.x experiments without flags", b'{"experiments": []}', "lists no feature flags"),
    ("flags inside another object", b'{"data": {"featureFlags": []}}', "lists no feature flags"),
    ("flags as an object", b'{"featureFlags": {}}', "'featureFlags' is not a list"),
    ("flags as a text", b'{"featureFlags": "[]"}', "'featureFlags' is not a list"),
    ("flags as a number", b'{"featureFlags": 0}', "'featureFlags' is not a list"),
    ("flags as a boolean", b'{"featureFlags": false}', "'featureFlags' is not a list"),
    ("2.x flags as an object", b'{"featureFlagConfigurations": {}}', "'featureFlagConfigurations' is not a list"),
    ("segments as an object", b'{"featureFlags": [], "segments": {}}', "'segments' is not a list"),
    ("custom data as a number", b'{"featureFlags": [], "customData": 7}', "'customData' is not a list"),
    ("experiments as a text", b'{"featureFlags": [], "experiments": ""}', "'experiments' is not a list"),
    ("a configuration that is a list", b'{"featureFlags": [], "configuration": []}', "'configuration' does not decode"),
    (
        "a consent that is a number",
        b'{"featureFlags": [], "configuration": {"consentType": 1}}',
        r"at `\$.consentType`",
    ),
    ("a holdout that is a list", b'{"featureFlags": [], "holdout": []}', "'holdout' does not decode"),
    (
        "a share of the holdout that is none",
        b'{"featureFlags": [], "holdout": {"variationByExposition": [{"exposition": "1"}]}}',
        r"'holdout' does not decode: .*at `\$.variationByExposition\[0\].exposition`",
    ),
    ("flags twice", b'{"featureFlags": [], "featureFlags": []}', "byte 37: member 'featureFlags' stands twice"),
]


@pytest.mark.parametrize(("raw", "said"), [row[1:] for row in NO_DATA_FILES], ids=[row[0] for row in NO_DATA_FILES])
def test_what_would_empty_or_turn_all_flags_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(DataFileInvalid, match=said):
        DataFileIndex.read(raw)


# --- every member and its default (2.2 to 2.9) ----------------------------------------------------------------

DEFAULTS: list[tuple[object, object]] = [
    (flag_of(), FeatureFlag(0, "f", False, "", None, None, None, None)),
    (variation_of(), Variation("", "", None)),
    (variation_of(variables=[{}]).variables, [Variable("", "", False)]),
    (rule_of(), Rule(None, 0, None, 0.0, 0, None, None, None, None)),
    (rule_of(variationByExposition=[{}]).variation_by_exposition, [VariationByExposition("", None, 0.0)]),
    (segment_of(), Segment(1, None, False)),
    (index_of(segments=[{}]).segment(-1), Segment(-1, None, False)),
    (index_of(customData=[{"index": 3}]).custom_data, {3: CustomDataInfo(3, None, None, False, None, False)}),
    (index_of(holdout={}).holdout, Holdout(0, None)),
    (index_of(configuration={}).settings, Settings(False, None, None, None)),
]


@pytest.mark.parametrize(("read", "expected"), DEFAULTS)
def test_what_is_absent_has_its_default(read: object, expected: object) -> None:
    assert read == expected


ENTRY = {"variationKey": "on", "variationId": 9, "exposition": 0.25}

MEMBERS: list[tuple[object, str, object]] = [
    (flag_of(id=7), "id", 7),
    (flag_of(id=2**63 - 1), "id", 2**63 - 1),
    (flag_of(id=-(2**63)), "id", -(2**63)),
    (flag_of(id=None), "id", None),
    (flag_of(environmentEnabled=True), "environment_enabled", True),
    (flag_of(environmentEnabled=None), "environment_enabled", None),
    (flag_of(defaultVariationKey="on"), "default_variation_key", "on"),
    (flag_of(defaultVariationKey=None), "default_variation_key", None),
    (flag_of(mutuallyExclusiveGroup="g"), "mutually_exclusive_group", "g"),
    (flag_of(bucketingCustomDataId=505), "bucketing_custom_data_id", 505),
    (flag_of(variations=None), "variations", None),
    (flag_of(rules=None), "rules", None),
    (variation_of(key="on"), "key", "on"),
    (variation_of(name="On"), "name", "On"),
    (variation_of(name=None), "name", None),
    (variation_of(variables=None), "variables", None),
    (variation_of(variables=[{"key": "v", "type": "NEW", "value": [1]}]), "variables", [Variable("v", "NEW", [1])]),
    (variation_of(variables=[{"value": None}]), "variables", [Variable("", "", None)]),
    (rule_of(id=3), "id", 3),
    (rule_of(order=4), "order", 4),
    (rule_of(type="EXPERIMENTATION"), "type", "EXPERIMENTATION"),
    (rule_of(type="SOMETHING_NEW"), "type", "SOMETHING_NEW"),
    (rule_of(exposition=1), "exposition", 1.0),
    (rule_of(exposition=0.3), "exposition", 0.3),
    (rule_of(experimentId=81), "experiment_id", 81),
    (rule_of(experimentId=None), "experiment_id", None),
    (rule_of(respoolTime=1757030400), "respool_time", 1757030400),
    (rule_of(segmentId=2001), "segment_id", 2001),
    (rule_of(segmentId=None), "segment_id", None),
    (rule_of(segment={"id": "3"}), "segment", Segment("3")),
    (rule_of(variationByExposition=None), "variation_by_exposition", None),
    (rule_of(variationByExposition=[ENTRY]), "variation_by_exposition", [VariationByExposition("on", 9, 0.25)]),
    (segment_of(audienceTracking=True), "audience_tracking", True),
    (segment_of(audienceTracking=None), "audience_tracking", None),
    (segment_of(conditionsData=None), "conditions_data", None),
    (segment_of(conditionsData={"firstLevel": []}), "conditions_data", ConditionsData([])),
    (
        segment_of(
            conditionsData={
                "firstLevel": [
                    {"conditions": [{"targetingType": "NEW_KIND", "x": 1}], "orOperators": [True, None]},
                    {},
                ],
                "firstLevelOrOperators": [False],
            }
        ),
        "conditions_data",
        ConditionsData(
            [ConditionGroup([{"targetingType": "NEW_KIND", "x": 1}], [True, None]), ConditionGroup()], [False]
        ),
    ),
    (index_of(configuration={"realTimeUpdate": True}).settings, "real_time_update", True),
    (index_of(configuration={"realTimeUpdate": None}).settings, "real_time_update", None),
    (index_of(configuration={"consentType": "REQUIRED"}).settings, "consent_type", "REQUIRED"),
    (index_of(configuration={"consentType": "LATER"}).settings, "consent_type", "LATER"),
    (index_of(configuration={"consentOptOutBehavior": "X"}).settings, "consent_opt_out_behavior", "X"),
    (index_of(configuration={"dataApiDomain": "eu.kameleoon.io"}).settings, "data_api_domain", "eu.kameleoon.io"),
    (index_of(holdout={"experimentId": 5}).holdout, "experiment_id", 5),
    (
        index_of(holdout={"variationByExposition": [ENTRY]}).holdout,
        "variation_by_exposition",
        [VariationByExposition("on", 9, 0.25)],
    ),
]


@pytest.mark.parametrize(("read", "name", "expected"), MEMBERS)
def test_a_member_is_read(read: object, name: str, expected: object) -> None:
    assert getattr(read, name) == expected
    assert type(getattr(read, name)) is type(expected)


def test_a_flag_without_a_key_has_the_empty_one() -> None:
    assert index_of({"id": 1}).flag("").id == 1


def test_a_segments_id_may_stand_as_text() -> None:
    index = index_of(segments=[{"id": "12", "audienceTracking": True}])

    assert index.segments.keys() == {12}
    assert index.segment(12) == Segment("12", None, True)


def test_what_is_not_there_is_not_found() -> None:
    index = index_of()

    with pytest.raises(FeatureNotFound, match="'nothing'"):
        index.flag("nothing")
    assert index.segment(1) is None
    assert index.experiment(1) is None


# --- what stands twice ----------------------------------------------------------------------------------------


def test_of_two_flags_with_one_key_the_last_counts_in_every_way() -> None:
    first = {
        "id": 1,
        "featureKey": "f",
        "environmentEnabled": True,
        "mutuallyExclusiveGroup": "g",
        "rules": [{"id": 1, "type": "TARGETED_DELIVERY", "segmentId": 5}],
    }
    index = index_of(first, {"featureKey": "other"}, {"id": 2, "featureKey": "f"})

    assert index.flag("f").id == 2
    assert index.flag_keys_by_id == {2: "f"}
    assert index.groups == {}
    assert not index.has_targeted_delivery
    assert index.flags["f"].segment_ids == ()
    assert index.problems == [Problem("$.featureFlags[2]", "f", "this key stands twice; the last one counts")]


def test_a_broken_flag_replaces_a_sound_one_of_its_key_too() -> None:
    index = index_of({"id": 1, "featureKey": "f"}, {"id": "x", "featureKey": "f"})

    with pytest.raises(FeatureMalformed):
        index.flag("f")


def test_of_two_segments_with_one_id_the_last_counts() -> None:
    index = index_of(segments=[{"id": 1}, {"id": 2}, {"id": "1", "audienceTracking": True}])

    assert index.segment(1) == Segment("1", None, True)
    assert index.problems == [Problem("$.segments[2]", None, "id 1 stands twice; the last one counts")]


def test_two_flags_of_one_id_are_both_there_and_the_last_is_found_by_it() -> None:
    index = index_of({"id": 1, "featureKey": "a"}, {"id": 1, "featureKey": "b"}, {"id": 0, "featureKey": "c"})

    assert index.flags.keys() == {"a", "b", "c"}
    assert index.flag_keys_by_id == {1: "b"}


# --- what is broken costs only itself (2.11) ------------------------------------------------------------------


BROKEN_HEADS: list[tuple[str, Json, str]] = [
    ("id as text", {"id": "1"}, "$.id"),
    ("id as real", {"id": 1.0}, "$.id"),
    ("id without end", {"id": TOO_LARGE}, "$.id"),
    ("switch as text", {"environmentEnabled": "true"}, "$.environmentEnabled"),
    ("switch as number", {"environmentEnabled": 1}, "$.environmentEnabled"),
    ("group as number", {"mutuallyExclusiveGroup": 3}, "$.mutuallyExclusiveGroup"),
    ("bucketing as text", {"bucketingCustomDataId": "505"}, "$.bucketingCustomDataId"),
    ("rules as object", {"rules": {}}, "$.rules"),
    ("rules as text", {"rules": "[]"}, "$.rules"),
    ("rule as null", {"rules": [{"id": 1}, None]}, "$.rules[1]"),
    ("rule as list", {"rules": [[]]}, "$.rules[0]"),
    ("rule type as number", {"rules": [{"type": 1}]}, "$.rules[0].type"),
    ("segment id as text", {"rules": [{"segmentId": "2001"}]}, "$.rules[0].segmentId"),
    ("segment id as boolean", {"rules": [{"segmentId": True}]}, "$.rules[0].segmentId"),
]
"""What is found when a file is read: the index needs it."""

BROKEN_BODIES: list[tuple[str, Json, str]] = [
    ("default as number", {"defaultVariationKey": 1}, "$.defaultVariationKey"),
    ("variations as object", {"variations": {}}, "$.variations"),
    ("variation as null", {"variations": [None]}, "$.variations[0]"),
    ("variation key as null", {"variations": [{"key": None}]}, "$.variations[0].key"),
    ("variation name as number", {"variations": [{"name": 1}]}, "$.variations[0].name"),
    ("variables as object", {"variations": [{"variables": {}}]}, "$.variations[0].variables"),
    ("variable as text", {"variations": [{"variables": ["v"]}]}, "$.variations[0].variables[0]"),
    ("variable key as number", {"variations": [{"variables": [{"key": 1}]}]}, "$.variations[0].variables[0].key"),
    ("variable type as null", {"variations": [{"variables": [{"type": None}]}]}, "$.variations[0].variables[0].type"),
    ("rule id as text", {"rules": [{"id": "1"}]}, "$.rules[0].id"),
    ("rule id without end", {"rules": [{"id": -TOO_LARGE - 1}]}, "$.rules[0].id"),
    ("order as text", {"rules": [{"order": "0"}]}, "$.rules[0].order"),
    ("exposition as text", {"rules": [{"exposition": "1"}]}, "$.rules[0].exposition"),
    ("exposition as null", {"rules": [{"exposition": None}]}, "$.rules[0].exposition"),
    ("exposition as boolean", {"rules": [{"exposition": True}]}, "$.rules[0].exposition"),
    ("exposition beyond floats", {"rules": [{"exposition": 10**400}]}, "$.rules[0].exposition"),
    ("experiment as text", {"rules": [{"experimentId": "1"}]}, "$.rules[0].experimentId"),
    ("respool time as real", {"rules": [{"respoolTime": 1.5}]}, "$.rules[0].respoolTime"),
    ("shares as object", {"rules": [{"variationByExposition": {}}]}, "$.rules[0].variationByExposition"),
    ("share as number", {"rules": [{"variationByExposition": [1]}]}, "$.rules[0].variationByExposition[0]"),
    ("share key as null", {"rules": [{"variationByExposition": [{"variationKey": None}]}]}, "[0].variationKey"),
    ("variation id as text", {"rules": [{"variationByExposition": [{"variationId": "1"}]}]}, "[0].variationId"),
    ("share exposition as text", {"rules": [{"variationByExposition": [{"exposition": "1"}]}]}, "[0].exposition"),
    ("embedded segment as list", {"rules": [{"segment": []}]}, "$.rules[0].segment"),
]
"""What is found when the flag is first asked for."""


def with_broken(members: Json) -> DataFileIndex:
    return index_of({"featureKey": "first"}, {"featureKey": "broken", **members}, {"featureKey": "last"})


def assert_costs_only_itself(index: DataFileIndex, where: str) -> None:
    with pytest.raises(FeatureMalformed, match=rf"'broken' does not decode: .*{re.escape(where)}"):
        index.flag("broken")
    assert index.flag("first").feature_key == "first"
    assert index.flag("last").feature_key == "last"


@pytest.mark.parametrize(("members", "where"), [row[1:] for row in BROKEN_HEADS], ids=[row[0] for row in BROKEN_HEADS])
def test_a_flag_that_cannot_be_indexed_is_told_and_costs_only_itself(members: Json, where: str) -> None:
    index = with_broken(members)

    assert_costs_only_itself(index, where)
    (problem,) = index.problems
    assert (problem.path, problem.flag) == ("$.featureFlags[1]", "broken")
    assert where in problem.message


@pytest.mark.parametrize(
    ("members", "where"), [row[1:] for row in BROKEN_BODIES], ids=[row[0] for row in BROKEN_BODIES]
)
def test_a_flag_that_does_not_decode_costs_only_itself(members: Json, where: str) -> None:
    assert_costs_only_itself(with_broken(members), where)


@pytest.mark.parametrize(
    "element", [b"null", b"1", b"[]", b'"f"', b"{}", b'{"featureKey": 1}', b'{"featureKey": null}']
)
def test_what_is_no_flag_or_has_no_key_costs_only_itself(element: bytes) -> None:
    index = DataFileIndex.read(b'{"featureFlags": [{"featureKey": "f"}, ' + element + b"]}")

    assert index.flag("f")
    assert element == b"{}" or problems(index) == [("$.featureFlags[1]", None)]


UNDECODABLE = [
    b'"x": "\\ud800"',
    b'"defaultVariationKey": "\\udc00"',
    b'"variations": [{"variables": [{"value": 1e400}]}]',
    b'"variations": [{"variables": [{"value": ' + b"9" * 10**6 + b"}]}]",
    b'"rules": [{"exposition": 1e400}]',
    b'"rules": [{"id": ' + b"9" * 10**6 + b"}]",
]
"""JSON to the letter, which cannot be decoded all the same."""


@pytest.mark.parametrize("members", UNDECODABLE, ids=lambda members: members[:40])
def test_json_that_the_decoder_refuses_costs_only_its_flag(members: bytes) -> None:
    index = DataFileIndex.read(
        b'{"featureFlags": [{"featureKey": "broken", ' + members + b'}, {"featureKey": "last"}]}'
    )

    assert index.flag("last")
    with pytest.raises((FeatureMalformed, FeatureNotFound), match="'broken'"):
        index.flag("broken")


def test_a_broken_flag_stays_a_member_of_its_group() -> None:
    members = {"mutuallyExclusiveGroup": "g"}

    index = index_of(
        {"id": 3, "featureKey": "c", **members},
        {"id": 2, "featureKey": "b", "rules": "none", **members},
        {"id": 1, "featureKey": "a", **members},
        {"id": [], "featureKey": "d", **members},
        {"id": TOO_LARGE, "featureKey": "e", **members},
    )

    assert index.groups == {"g": ("d", "e", "a", "b", "c")}
    assert index.flag_keys_by_id == {1: "a", 2: "b", 3: "c"}


BROKEN_SEGMENTS: list[tuple[str, Json, str]] = [
    ("conditions as list", {"conditionsData": []}, "$.conditionsData"),
    ("no first level", {"conditionsData": {}}, "firstLevel"),
    ("first level as null", {"conditionsData": {"firstLevel": None}}, "$.conditionsData.firstLevel"),
    ("group as list", {"conditionsData": {"firstLevel": [[]]}}, "$.conditionsData.firstLevel[0]"),
    ("condition as text", {"conditionsData": {"firstLevel": [{"conditions": ["x"]}]}}, "conditions[0]"),
    ("operator as text", {"conditionsData": {"firstLevel": [{"orOperators": ["or"]}]}}, "orOperators[0]"),
    ("tracking as text", {"audienceTracking": "true"}, "$.audienceTracking"),
]


@pytest.mark.parametrize(
    ("members", "where"), [row[1:] for row in BROKEN_SEGMENTS], ids=[row[0] for row in BROKEN_SEGMENTS]
)
def test_a_segment_that_does_not_decode_costs_only_itself(members: Json, where: str) -> None:
    index = index_of({"featureKey": "f"}, segments=[{"id": 1}, {"id": 2, **members}, {"id": 3}])

    assert index.segment(1)
    assert index.segment(3)
    assert index.flag("f")
    assert list(index.audience_segments()) == []
    with pytest.raises(FeatureMalformed, match=re.escape(where)):
        index.segment(2)
    (problem,) = index.problems
    assert (problem.path, problem.flag) == ("$.segments[1]", None)
    assert where in problem.message


@pytest.mark.parametrize(
    "element", [None, 1, [], "x", {"id": "one"}, {"id": []}, {"id": TOO_LARGE}, {"id": "9" * 5000}]
)
def test_what_is_no_segment_costs_only_itself(element: object) -> None:
    index = index_of(segments=[{"id": 1}, element])

    assert index.segments.keys() == {1}
    assert problems(index) == [("$.segments[1]", None)]


BROKEN_CUSTOM_DATA = [
    *(None, "plan", {"index": "one"}, {"index": 1.5}, {"index": TOO_LARGE}, {"index": "9" * 30}),
    *({"index": 2, "name": 3}, {"index": 2, "id": "x"}),
    *({"index": 2, "localOnly": "yes"}, {"index": 2, "isMappingIdentifier": 1}),
]  # fmt: skip


@pytest.mark.parametrize("element", BROKEN_CUSTOM_DATA)
def test_a_custom_datum_that_does_not_decode_costs_only_itself(element: object) -> None:
    index = index_of(customData=[{"index": 1, "name": "plan"}, element])

    assert index.custom_data_by_name == {"plan": 1}
    assert problems(index) == [("$.customData[1]", None)]


# --- what is derived (2.7, 2.9) -------------------------------------------------------------------------------


def test_custom_data_are_found_by_index_name_and_id() -> None:
    index = index_of(
        customData=[
            {"index": 0, "id": 501, "name": "plan", "scope": "VISITOR", "localOnly": True},
            {"index": "7", "id": 502, "name": "cart"},
            {"index": None, "id": 503, "name": "unused"},
            {"id": 504, "name": "without an index"},
            {"index": 9},
        ]
    )

    assert index.custom_data.keys() == {0, 7, 9}
    assert index.custom_data[0] == CustomDataInfo(0, 501, "plan", True, "VISITOR", False)
    assert index.custom_data_by_name == {"plan": 0, "cart": 7}
    assert index.index_of_custom_data_id == {501: 0, 502: 7}
    assert index.mapping_index is None
    assert index.problems == []


def test_of_two_custom_data_with_one_name_or_index_the_last_counts() -> None:
    index = index_of(customData=[{"index": 1, "name": "a"}, {"index": 2, "name": "a"}, {"index": 2, "name": "b"}])

    assert index.custom_data_by_name == {"a": 2, "b": 2}
    assert index.custom_data[2].name == "b"


def test_of_two_mapping_identifiers_the_last_counts_and_that_is_told() -> None:
    one = index_of(customData=[{"index": 3, "isMappingIdentifier": True}])
    two = index_of(customData=[{"index": 3, "isMappingIdentifier": True}, {"index": 5, "isMappingIdentifier": True}])

    assert (one.mapping_index, one.problems) == (3, [])
    assert two.mapping_index == 5
    assert two.problems == [Problem("$.customData[1]", None, "two mapping identifiers; the last one counts")]


def test_groups_are_sorted_by_id_and_flags_that_are_off_are_members() -> None:
    index = index_of(
        {"id": 30, "featureKey": "c", "mutuallyExclusiveGroup": "g", "environmentEnabled": True},
        {"id": 10, "featureKey": "a", "mutuallyExclusiveGroup": "g", "environmentEnabled": False},
        {"id": 20, "featureKey": "b", "mutuallyExclusiveGroup": "g"},
        {"id": 5, "featureKey": "alone", "mutuallyExclusiveGroup": "h"},
        {"id": 1, "featureKey": "none", "mutuallyExclusiveGroup": ""},
        {"id": 2, "featureKey": "null", "mutuallyExclusiveGroup": None},
    )

    assert index.groups == {"g": ("a", "b", "c"), "h": ("alone",)}


def test_members_of_a_group_with_one_id_keep_their_order() -> None:
    index = index_of(*({"featureKey": key, "mutuallyExclusiveGroup": "g"} for key in "cab"))

    assert index.groups == {"g": ("c", "a", "b")}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"environmentEnabled": True, "rules": [{"type": "EXPERIMENTATION"}, {"type": "TARGETED_DELIVERY"}]}, True),
        ({"environmentEnabled": True, "rules": [{"type": "EXPERIMENTATION"}]}, False),
        ({"environmentEnabled": True, "rules": []}, False),
        ({"environmentEnabled": False, "rules": [{"type": "TARGETED_DELIVERY"}]}, False),
        ({"rules": [{"type": "TARGETED_DELIVERY"}]}, False),
    ],
)
def test_a_targeted_delivery_counts_where_its_flag_is_on(members: Json, expected: bool) -> None:
    assert index_of({"featureKey": "f", **members}, {"featureKey": "g"}).has_targeted_delivery is expected


def test_audience_segments_are_those_that_are_tracked() -> None:
    index = index_of(
        segments=[
            {"id": 1, "audienceTracking": True},
            {"id": 2, "audienceTracking": False},
            {"id": 3},
            {"id": 4, "name": "audienceTracking"},
            {"id": 5, "audienceTracking": True, "conditionsData": {"firstLevel": 1}},
        ]
    )

    assert list(index.audience_segments()) == [1]


def test_references_are_the_segments_and_flags_that_conditions_name() -> None:
    def conditions(*raw: Json) -> Json:
        return {"firstLevel": [{"conditions": list(raw[:1])}, {}, {"conditions": list(raw[1:])}]}

    index = index_of(
        segments=[
            {
                "id": 1,
                "conditionsData": conditions(
                    {"targetingType": "SEGMENT", "segmentId": 5},
                    {"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 6},
                    {"targetingType": "SEGMENT", "segmentId": "7"},
                    {"targetingType": "CUSTOM_DATUM", "segmentId": 8},
                    {"targetingType": ["SEGMENT"], "segmentId": 9},
                    {"targetingType": "SEGMENT"},
                ),
            },
            {"id": 2, "name": '"SEGMENT"', "conditionsData": {"firstLevel": "SEGMENT"}},
            {"id": 3},
        ]
    )

    assert list(index.references(1)) == [("SEGMENT", 5), ("TARGET_FEATURE_FLAG", 6)]
    assert [list(index.references(segment_id)) for segment_id in (2, 3, 4)] == [[], [], []]
