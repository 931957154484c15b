from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.flag_file import as_json, read
from openfeature_kameleoon.flag_file.conditions import CONDITIONS

CHECKOUT = Path(__file__).resolve().parents[2]
OFF_AND_ON = [{"key": "off", "name": "Off", "variables": []}, {"key": "on", "name": "On", "variables": []}]


def data_file(text: str) -> dict[str, Any]:
    return read(text.encode())


def flag(text: str) -> dict[str, Any]:
    """The flag that a text below its key stands for, in a file with a segment and two custom data."""
    rest = "segments: {testers: {plan: internal}}\ncustom_data: [plan, account]\n"
    [made] = data_file(f"flags:\n  shop_flag: {text}\n{rest}")["featureFlags"]
    assert isinstance(made, dict)
    return made


# --- flags --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "default"), [("true", "on"), ("True", "on"), ("false", "off"), ("{}", "off")])
def test_a_word_is_a_flag_that_is_on_or_off(word: str, default: str) -> None:
    made = flag(word)

    assert made["variations"] == OFF_AND_ON
    assert made["defaultVariationKey"] == default
    assert made["environmentEnabled"] is True
    assert made["rules"] == []
    assert made["featureKey"] == "shop_flag"


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("true", {"type": "BOOLEAN", "value": True}),
        ("on", {"type": "STRING", "value": "on"}),
        ("no", {"type": "STRING", "value": "no"}),
        ("010", {"type": "STRING", "value": "010"}),
        ("1:30", {"type": "STRING", "value": "1:30"}),
        ("2026-01-01", {"type": "STRING", "value": "2026-01-01"}),
        ("'5'", {"type": "STRING", "value": "5"}),
        ("5", {"type": "NUMBER", "value": 5}),
        ("-0.5", {"type": "NUMBER", "value": -0.5}),
        ("1e3", {"type": "NUMBER", "value": 1000.0}),
        ('"\\ud83d\\ude00"', {"type": "STRING", "value": "😀"}),
        ("{a: [1, on]}", {"type": "JSON", "value": '{"a": [1, "on"]}'}),
        ("[]", {"type": "JSON", "value": "[]"}),
        ("null", {"type": "JSON", "value": "null"}),
        ("~", {"type": "JSON", "value": "null"}),
    ],
)
def test_a_value_tells_the_type_of_its_variable(text: str, variable: dict[str, Any]) -> None:
    made = flag(f"{{variations: {{only: {{v: {text}}}}}}}")

    assert made["variations"] == [{"key": "only", "name": "Only", "variables": [{"key": "v", **variable}]}]
    assert made["defaultVariationKey"] == "only"


@pytest.mark.parametrize(
    ("kind", "text", "value"), [("CSS", "'.b{}'", ".b{}"), ("JSON", "'text'", '"text"'), ("NUMBER", "'5'", "5")]
)
def test_a_type_can_be_said(kind: str, text: str, value: object) -> None:
    made = flag(f"{{variations: {{only: {{v: {text}}}}}, types: {{v: {kind}}}}}")

    assert made["variations"][0]["variables"] == [{"key": "v", "type": kind, "value": value}]


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("{enabled: false}", {"environmentEnabled": False}),
        ("{default: on}", {"defaultVariationKey": "on"}),
        ("{variations: {a: {}, off: {}}}", {"defaultVariationKey": "off"}),
        ("{variations: {a: {}, b:}}", {"defaultVariationKey": "a"}),
        ("{group: banners}", {"mutuallyExclusiveGroup": "banners"}),
        ("{id: 17}", {"id": 17}),
        ("{raw: {id: 17, new: [1]}}", {"id": 17, "new": [1]}),
        ("{names: {on: Yes}}", {"variations": [OFF_AND_ON[0], {**OFF_AND_ON[1], "name": "Yes"}]}),
    ],
)
def test_a_key_of_a_flag_is_a_member_of_it(text: str, members: dict[str, Any]) -> None:
    assert members.items() <= flag(text).items()


def test_keys_are_text() -> None:
    made = data_file("flags: {404: true, true: {variations: {1.0: {null: 5}}}}")

    assert [one["featureKey"] for one in made["featureFlags"]] == ["404", "true"]
    assert made["featureFlags"][1]["variations"][0]["variables"][0]["key"] == "null"


def test_a_flag_is_bucketed_by_the_id_of_a_custom_datum() -> None:
    made = data_file("flags: {a: {bucketing: account}}\ncustom_data: [plan, {name: account, id: 77}]")

    assert made["featureFlags"][0]["bucketingCustomDataId"] == 77


# --- rules --------------------------------------------------------------------------------------------------


def shares(text: str) -> list[tuple[str, float]]:
    [rule] = flag(f"{{variations: {{a: {{}}, b: {{}}, c: {{}}}}, rules: [{text}]}}")["rules"]
    return [(entry["variationKey"], entry["exposition"]) for entry in rule["variationByExposition"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{serve: b}", [("b", 1)]),
        ("{experiment: {a: 34, b: 33, c: 33}}", [("a", 0.34), ("b", 0.33), ("c", 0.33)]),
        ("{experiment: {a: 7, b: 0.7}}", [("a", 0.07), ("b", 0.007)]),
        ("{experiment: [a, b]}", [("a", 0.5), ("b", 0.5)]),
        ("{experiment: [a, b, c]}", [("a", 1 / 3), ("b", 1 / 3), ("c", 1 / 3)]),
    ],
)
def test_percentages_are_shares(text: str, expected: list[tuple[str, float]]) -> None:
    assert shares(text) == expected


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("{serve: on}", {"type": "TARGETED_DELIVERY", "exposition": 1, "order": 0, "segmentId": None}),
        ("{experiment: [on, off]}", {"type": "EXPERIMENTATION", "exposition": 1}),
        ("{serve: on, exposition: 7}", {"exposition": 0.07}),
        ("{serve: on, id: 5, experiment_id: 6}", {"id": 5, "experimentId": 6}),
        ("{serve: on, respool_time: 1757030400}", {"respoolTime": 1757030400}),
        ("{serve: on, raw: {type: PERSONALIZED}}", {"type": "PERSONALIZED"}),
    ],
)
def test_a_key_of_a_rule_is_a_member_of_it(text: str, members: dict[str, Any]) -> None:
    assert members.items() <= flag(f"{{rules: [{text}]}}")["rules"][0].items()


def test_ids_of_variations_stand_in_the_order_of_the_variations() -> None:
    [rule] = flag("{rules: [{experiment: [on, off], variation_ids: [8, null]}]}")["rules"]

    assert [entry["variationId"] for entry in rule["variationByExposition"]] == [8, None]


def test_a_segment_of_a_rule_is_named_or_stands_in_it() -> None:
    made = data_file(
        """
        flags:
          a: {rules: [{serve: on, segment: pro}, {serve: on, segment: {plan: team}}]}
          b: {rules: [{serve: on, segment: [{plan: team}]}]}
        segments: {pro: {plan: pro}}
        custom_data: [plan]
        """
    )
    [named, inner], [same] = (one["rules"] for one in made["featureFlags"])
    segments = {segment["id"]: segment for segment in made["segments"]}

    assert segments[named["segmentId"]]["name"] == "pro"
    assert inner["segmentId"] == same["segmentId"]
    assert len(segments) == 2
    assert '"team"' in json.dumps(segments[inner["segmentId"]])


# --- ids ----------------------------------------------------------------------------------------------------

BEFORE = """
flags:
  shop_flag:
    rules:
      - {serve: on, segment: testers}
      - experiment: [on, off]
        segment: testers
        exposition: 20
segments: {testers: {plan: internal}}
custom_data: [plan]
"""


def ids(text: str) -> list[Any]:
    """All ids of the experiment of the flag."""
    [made] = [one for one in data_file(text)["featureFlags"] if one["featureKey"] == "shop_flag"]
    [rule] = [rule for rule in made["rules"] if rule["type"] == "EXPERIMENTATION"]
    entries = {entry["variationKey"]: entry["variationId"] for entry in rule["variationByExposition"]}
    return [made["id"], rule["id"], rule["experimentId"], entries["on"], entries["off"]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("flags:", "flags:\n  another: true"),
        ("      - {serve: on, segment: testers}\n", ""),
        ("      - exp", "      - {serve: off, exposition: 5}\n      - exp"),
        ("[on, off]", "{on: 10, off: 90}"),
        ("[on, off]", "[off, on]"),
        ("exposition: 20", "exposition: 50"),
        ("plan: internal", "plan: [internal, staff]"),
        ("custom_data: [plan]", "custom_data: [country, plan]"),
    ],
)
def test_an_edit_elsewhere_changes_no_id(old: str, new: str) -> None:
    edited = BEFORE.replace(old, new, 1)

    assert edited != BEFORE
    assert ids(edited) == ids(BEFORE)


def test_a_rule_with_an_id_keeps_its_others_when_its_segment_changes() -> None:
    before = BEFORE.replace("exposition: 20", "id: 7")

    after = before.replace("        segment: testers\n", "")

    assert ids(after) == ids(before)
    assert ids(before) != ids(BEFORE)


def test_like_rules_have_ids_of_their_own() -> None:
    rules = flag("{rules: [{serve: on}, {serve: on}, {serve: off}, {experiment: [on, off]}]}")["rules"]

    found = [rule["id"] for rule in rules] + [rule["experimentId"] for rule in rules]
    assert len(set(found)) == 8


def test_ids_are_the_same_in_every_process() -> None:
    program = (
        "from openfeature_kameleoon.flag_file import as_json; import sys; "
        "sys.stdout.buffer.write(as_json(sys.stdin.buffer.read()))"
    )

    made = subprocess.run([sys.executable, "-c", program], input=BEFORE.encode(), stdout=subprocess.PIPE, check=True)

    assert made.stdout == as_json(BEFORE.encode())
    assert flag("true")["id"] == 67446461708929, "it would move visitors of files that people have"


# --- conditions ---------------------------------------------------------------------------------------------


def condition(kind: str, *, include: bool = True, **members: object) -> dict[str, Any]:
    return {"targetingType": kind, "isInclude": include, **members}


def datum(match: str, value: str | None = None, *, index: str = "1", include: bool = True) -> dict[str, Any]:
    rest = {} if value is None else {"value": value}
    return condition("CUSTOM_DATUM", include=include, customDataIndex=index, valueMatchType=match, **rest)


SHORT_FORMS: list[tuple[str, list[dict[str, Any]]]] = [
    ("plan: pro", [datum("EXACT", "pro")]),
    ("plan: ''", [datum("EXACT", "")]),
    ("plan: '10'", [datum("EXACT", "10")]),
    ("plan: 10", [datum("EQUAL", "10")]),
    ("plan: 10.5", [datum("EQUAL", "10.5")]),
    ("plan: true", [datum("TRUE")]),
    ("plan: false", [datum("FALSE")]),
    ("plan: [pro, 1, true]", [datum("AMONG_VALUES", '["pro", "1", "true"]')]),
    ("plan: {contains: p}", [datum("CONTAINS", "p")]),
    ("plan: {matches: p.*}", [datum("REGULAR_EXPRESSION", "p.*")]),
    ("plan: {over: 10}", [datum("GREATER", "10")]),
    ("plan: {under: ' 10'}", [datum("LOWER", " 10")]),
    ("plan: {over: 1, under: 2}", [datum("GREATER", "1"), datum("LOWER", "2")]),
    ("plan: {known: false}", [datum("UNDEFINED")]),
    ("plan: {known: true}", [datum("UNDEFINED", include=False)]),
    ("custom_data: {device: pro}", [datum("EXACT", "pro", index="2")]),
    ("application_version: 2.5.0", [condition("APPLICATION_VERSION", version="2.5.0", versionMatchType="EQUAL")]),
    (
        "application_version: {under: 2.5}",
        [condition("APPLICATION_VERSION", version=2.5, versionMatchType="LOWER")],
    ),
    ("browser: chrome", [condition("BROWSER", browser="CHROME")]),
    ("device: Phone", [condition("DEVICE_TYPE", device="PHONE")]),
    ("geolocation: France", [condition("GEOLOCATION", country="France")]),
    ("geolocation: {country: France, city: Brest}", [condition("GEOLOCATION", country="France", city="Brest")]),
    ("new_visitor: true", [condition("NEW_VISITORS", visitorType="NEW")]),
    ("new_visitor: false", [condition("NEW_VISITORS", visitorType="RETURNING")]),
    ("operating_system: windows_phone", [condition("OPERATING_SYSTEM", os="WINDOWS_PHONE")]),
    ("page_title: {contains: Cart}", [condition("PAGE_TITLE", title="Cart", matchType="CONTAINS")]),
    ("page_url: /cart", [condition("PAGE_URL", url="/cart", matchType="EXACT")]),
    ("page_views: {over: 2}", [condition("PAGE_VIEWS", pageCount=2, matchType="GREATER")]),
    ("previous_page: {matches: .*}", [condition("PREVIOUS_PAGE", url=".*", matchType="REGULAR_EXPRESSION")]),
    ("segment: other", [condition("SEGMENT", segmentId=2002)]),
    ("visitor_code: qa-1", [condition("VISITOR_CODE", visitorCode="qa-1", matchType="EXACT")]),
    ("visits: {over: 1}", [condition("VISITS", visitCount=1, matchType="GREATER")]),
    ("visits_today: 1", [condition("SAME_DAY_VISITS", visitCount=1, matchType="EQUAL")]),
    ("not: {plan: pro}", [datum("EXACT", "pro", include=False)]),
    ("not: {plan: {known: true}}", [datum("UNDEFINED")]),
    ("{targetingType: WEATHER, sky: [sunny]}", [{"targetingType": "WEATHER", "sky": ["sunny"]}]),
    ("not: {targetingType: WEATHER}", [condition("WEATHER", include=False)]),
]


def conditions_data(text: str) -> dict[str, Any]:
    made = data_file(
        f"flags: {{}}\nsegments:\n  other: {{id: 2002}}\n  it:\n    {text}\ncustom_data: [plan, device, country]"
    )
    found = made["segments"][1]["conditionsData"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("text", "conditions"), SHORT_FORMS)
def test_a_short_form_is_a_condition(text: str, conditions: list[dict[str, Any]]) -> None:
    [group] = conditions_data(text)["firstLevel"]

    assert group["conditions"] == conditions


def test_every_short_form_is_tested() -> None:
    assert {text.partition(":")[0] for text, _ in SHORT_FORMS} >= set(CONDITIONS)


@pytest.mark.parametrize(
    ("text", "groups", "operators"),
    [
        ("{}", [], []),
        ("[]", [], []),
        ("{plan: a, device: phone}", ["aa"], []),
        ("[{plan: a}, {plan: b}]", ["aa"], []),
        ("{any: [{plan: a}, {plan: b}, {plan: c}]}", ["ooo"], []),
        ("{any: [{plan: a}]}", ["a"], []),
        ("{plan: a, any: [{plan: b}, {plan: c}]}", ["a", "oo"], [False]),
        ("{any: [{plan: a, device: phone}, {plan: b}]}", ["aa", "a"], [True]),
        ("{any: [{plan: {over: 1, under: 2}}, {plan: b}]}", ["aa", "a"], [True]),
        ("[{any: [{plan: a}, {plan: b}]}, {any: [{plan: c}, {plan: d}]}]", ["oo", "oo"], [False]),
    ],
)
def test_mappings_and_lists_mean_all_and_any_means_one(text: str, groups: list[str], operators: list[bool]) -> None:
    made = conditions_data(text)

    assert made["firstLevelOrOperators"] == operators
    assert [len(group["conditions"]) for group in made["firstLevel"]] == list(map(len, groups))
    joined = [["o" in word] * (len(word) - 1) for word in groups]
    assert [group["orOperators"] for group in made["firstLevel"]] == joined


# --- the rest -----------------------------------------------------------------------------------------------


def test_custom_data_count_from_one_on_from_the_one_before() -> None:
    made = data_file(
        "flags: {}\ncustom_data: [a, {name: b, index: 7, scope: VISITOR, local_only: true}, c, {index: 0}]"
    )

    assert [(one["name"], one["index"]) for one in made["customData"]] == [("a", 1), ("b", 7), ("c", 8), (None, 0)]
    assert (made["customData"][1]["scope"], made["customData"][1]["localOnly"]) == ("VISITOR", True)


def test_what_has_no_short_form_is_taken_as_it_is() -> None:
    made = data_file(
        "flags: {}\nconfiguration: {consentType: REQUIRED}\nholdout: {experimentId: 5}\ndate_modified: 7\nraw: {new: 1}"
    )

    assert made["configuration"] == {"consentType": "REQUIRED"}
    assert made["holdout"] == {"experimentId": 5}
    assert (made["dateModified"], made["new"]) == (7, 1)


def test_an_empty_mapping_is_a_file_without_flags() -> None:
    assert data_file("{}")["featureFlags"] == []
    assert data_file("\ufeffflags: {}")["featureFlags"] == []
