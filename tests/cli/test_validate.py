"""``validate``: what is found in a data file, and the exit status that pipelines go by."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.cli.checks import check
from openfeature_kameleoon.cli.flag_checks import LOOKS, Said, Subject
from openfeature_kameleoon.cli.repeats import repeated_members
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from tests.cli.running import Run, Write

Change = Callable[[dict[str, Any]], object]


def flag(data: dict[str, Any]) -> Any:
    """The experiment ``price_badge``, for France."""
    return data["featureFlags"][2]


def rule(data: dict[str, Any]) -> Any:
    """Its only rule."""
    return flag(data)["rules"][0]


def share(data: dict[str, Any], number: int) -> Any:
    """One of the two shares of that rule."""
    return rule(data)["variationByExposition"][number]


def variable(data: dict[str, Any], number: int) -> Any:
    """The variable ``text`` of one of the flag's variations."""
    return flag(data)["variations"][number]["variables"][0]


def conditions(data: dict[str, Any]) -> Any:
    """The conditions of the segment France: one."""
    return data["segments"][1]["conditionsData"]["firstLevel"][0]["conditions"]


def another_segment(data: dict[str, Any], **members: Any) -> None:
    """A fifth segment, which no flag uses."""
    data["segments"].append({"id": 2005, **members})


def nested_segment(data: dict[str, Any]) -> None:
    """The segment France refers to a fifth one, in which something is wrong."""
    conditions(data)[0] = {"targetingType": "SEGMENT", "segmentId": 2005}
    another_segment(data, conditionsData={"firstLevel": [{"conditions": [WEATHER]}]})


FLAG, RULE, SEGMENT = "$.featureFlags[2]", "$.featureFlags[2].rules[0]", "$.segments[1]"
CONDITION = ".conditionsData.firstLevel[0].conditions[0]"
WEATHER = {"targetingType": "WEATHER"}
OF = ("price_badge",)

FINDINGS: dict[str, tuple[Change, str, tuple[str, ...], str, bool]] = {
    "default variation": (
        lambda data: flag(data).update(defaultVariationKey="nope"),
        *(f"{FLAG}.defaultVariationKey", OF, "the default variation 'nope' is not declared", False),
    ),
    "JSON that does not decode": (
        lambda data: variable(data, 1).update(type="JSON", value="{"),
        *(f"{FLAG}.variations[1].variables[0].value", OF, "JSON variable 'text' does not decode", False),
    ),
    "rule without id": (
        lambda data: rule(data).pop("id"),
        *(RULE, OF, "a rule without an id is left out", False),
    ),
    "exposition": (
        lambda data: rule(data).update(exposition=1.5),
        *(f"{RULE}.exposition", OF, "the exposition 1.5 is not in 0 to 1", False),
    ),
    "share": (
        lambda data: share(data, 1).update(exposition=-0.5),
        *(f"{RULE}.variationByExposition[1].exposition", OF, "the share -0.5 is not in 0 to 1", False),
    ),
    "sum of shares": (
        lambda data: share(data, 1).update(exposition=0.6),
        *(f"{RULE}.variationByExposition", OF, "the shares add up to 1.1", False),
    ),
    "undeclared variation": (
        lambda data: share(data, 1).update(variationKey="nope"),
        f"{RULE}.variationByExposition[1].variationKey",
        *(OF, "the flag does not declare a variation 'nope'", False),
    ),
    "missing segment": (
        lambda data: rule(data).update(segmentId=9),
        *(f"{RULE}.segmentId", OF, "segment 9 does not exist, so the rule is for everybody", False),
    ),
    "rule type": (
        lambda data: rule(data).update(type="PERSONALIZED"),
        *(f"{RULE}.type", OF, "the type 'PERSONALIZED' is not known", True),
    ),
    "nothing to give": (
        lambda data: rule(data).update(variationByExposition=[]),
        *(RULE, OF, "the rule names no variation to give", True),
    ),
    "repeated variation": (
        lambda data: flag(data)["variations"].append({"key": "off"}),
        *(f"{FLAG}.variations", OF, "variation 'off' stands twice", True),
    ),
    "repeated variable": (
        lambda data: flag(data)["variations"][0]["variables"].append(variable(data, 0)),
        *(f"{FLAG}.variations[0].variables", OF, "variable 'text' stands twice", True),
    ),
    "value of another type": (
        lambda data: variable(data, 2).update(value=15),
        f"{FLAG}.variations[2].variables[0].value",
        *(OF, "variable 'text' is declared STRING but holds a number", True),
    ),
    "another type elsewhere": (
        lambda data: variable(data, 2).update(type="CSS"),
        *(f"{FLAG}.variations[2].variables[0].type", OF, "variable 'text' is CSS here and STRING elsewhere", True),
    ),
    "bucketing": (
        lambda data: flag(data).update(bucketingCustomDataId=9),
        *(f"{FLAG}.bucketingCustomDataId", OF, "custom data 9 does not exist, so the visitor code is hashed", True),
    ),
    "condition": (
        lambda data: conditions(data).__setitem__(0, WEATHER),
        *(SEGMENT + CONDITION, OF, "this condition accepts nobody: targetingType 'WEATHER'", False),
    ),
    "excluding condition": (
        lambda data: conditions(data).__setitem__(0, {**WEATHER, "isInclude": False}),
        *(SEGMENT + CONDITION, OF, "this condition excludes nobody: targetingType 'WEATHER'", False),
    ),
    "condition of a segment in a segment": (
        nested_segment,
        *(f"$.segments[4]{CONDITION}", OF, "this condition accepts nobody", False),
    ),
    "condition nobody uses": (
        lambda data: another_segment(data, conditionsData={"firstLevel": [{"conditions": [WEATHER]}]}),
        *(f"$.segments[4]{CONDITION}", (), "no flag uses it", True),
    ),
    "too few operators": (
        lambda data: conditions(data).append(conditions(data)[0]),
        *(f"{SEGMENT}.conditionsData", OF, "it matches nobody: segment 2002 makes no sense", False),
    ),
    "segment that does not decode": (
        lambda data: data["segments"][1].update(conditionsData=5),
        *(f"{SEGMENT}.conditionsData", (), "an element does not decode", False),
    ),
    "flag of a segment that does not decode": (
        lambda data: data["segments"][1].update(conditionsData=5),
        *(FLAG, OF, "rule 7004 matches nobody: segment 2002 does not decode", False),
    ),
    "flag that does not decode": (
        lambda data: flag(data).update(id="no number"),
        *(f"{FLAG}.id", OF, "feature flag 'price_badge' does not decode", False),
    ),
    "variation that does not decode": (
        lambda data: flag(data)["variations"][1].update(key=5),
        *(f"{FLAG}.variations[1].key", OF, "feature flag 'price_badge' does not decode", False),
    ),
    "repeated flag": (
        lambda data: data["featureFlags"].append(flag(data)),
        *("$.featureFlags[9]", OF, "this key stands twice; the last one counts", False),
    ),
    "holdout": (
        lambda data: data.update(holdout={"variationByExposition": [{"exposition": 2}]}),
        *("$.holdout.variationByExposition[0].exposition", (), "the share 2 is not in 0 to 1", False),
    ),
    "date": (
        lambda data: data.update(dateModified="yesterday"),
        *("$.dateModified", (), "counts as undated", False),
    ),
    "no flags": (
        lambda data: data.update(featureFlags=[]),
        *("$", (), "there is no flag in it", True),
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_what_is_wrong_is_found_with_its_place(shop_data: dict[str, Any], name: str) -> None:
    change, path, flags, message, is_warning = FINDINGS[name]
    change(shop_data)

    _, findings = check(json.dumps(shop_data).encode())

    found = [finding for finding in findings if finding.path == path and message in finding.message]
    assert [(finding.flags, finding.is_warning) for finding in found] == [(flags, is_warning)], findings


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_has_been_seen_to_bite_and_to_let_pass(
    look: Callable[[Subject], Said], shop_data: dict[str, Any]
) -> None:
    def said(change: Change) -> list[tuple[str, str]]:
        data = json.loads(json.dumps(shop_data))
        change(data)
        index = DataFileIndex.read(json.dumps(data).encode())
        ruleset = Ruleset(index, scope=Scope(lambda: 0.0, lambda: 0.0, "PYTHON", "1.0.0"))
        if "price_badge" not in index.flags or index.flags["price_badge"].problem:
            return []
        return list(look(Subject(index.flag("price_badge"), ruleset.flag("price_badge"), index, "$")))

    assert said(lambda data: None) == []
    assert any(said(change) for change, *_ in FINDINGS.values())


def test_a_sound_data_file_is_status_0(run: Run, shop: str) -> None:
    result = run("validate", shop)

    assert (result.exit_code, result.stdout) == (0, f"{shop}: 9 flags, 4 segments: nothing wrong\n")


def test_a_problem_is_a_line_with_file_flag_and_path_and_status_1(
    run: Run, shop_data: dict[str, Any], written: Write
) -> None:
    rule(shop_data)["segmentId"] = 9
    path = written(shop_data)

    result = run("validate", path)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{path}: flag 'price_badge': {RULE}.segmentId: segment 9 does not exist, so the rule is for everybody",
        f"{path}: 9 flags, 4 segments: 1 problem",
    ]


def test_a_warning_is_status_1_only_if_strict(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    rule(shop_data)["type"] = "PERSONALIZED"
    path = written(shop_data)

    lenient, strict = run("validate", path), run("validate", path, "--strict")

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert f"{path}: flag 'price_badge': {RULE}.type: warning: the type 'PERSONALIZED'" in lenient.stdout
    assert lenient.stdout.endswith(": 1 warning\n")


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty"), ('{"featureFlags": [', "cut off"), ("{}", "lists no feature flags")]
)
def test_a_file_that_cannot_be_used_is_status_2_and_the_others_are_checked(
    run: Run, shop: str, written: Write, text: str, message: str
) -> None:
    result = run("validate", written(text), shop)

    assert result.exit_code == 2
    assert ": unusable: " in result.stdout.splitlines()[0]
    assert message in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[1].endswith("nothing wrong")


def test_a_file_that_is_not_there_is_status_2(run: Run, tmp_path: Path) -> None:
    result = run("validate", str(tmp_path / "no.json"))

    assert result.exit_code == 2
    assert "No such file" in result.stdout


def test_json_has_the_same(run: Run, shop: str, shop_data: dict[str, Any], written: Write) -> None:
    rule(shop_data)["segmentId"] = 9
    path = written(shop_data)

    result = run("validate", path, f"{path}.not", "--output", "json")

    found, missing = json.loads(result.stdout)
    assert result.exit_code == 2
    assert found == {
        "file": path,
        "error": None,
        "flags": 9,
        "segments": 4,
        "problems": 1,
        "warnings": 0,
        "findings": [
            {
                "severity": "problem",
                "path": f"{RULE}.segmentId",
                "flags": ["price_badge"],
                "message": "segment 9 does not exist, so the rule is for everybody",
            }
        ],
    }
    assert "No such file" in missing["error"]


def test_stdin_can_be_checked(run: Run, shop: str) -> None:
    result = run("validate", "-", input=Path(shop).read_bytes())

    assert (result.exit_code, result.stdout) == (0, "stdin: 9 flags, 4 segments: nothing wrong\n")


def test_files_and_a_source_exclude_each_other_but_the_environment_yields(
    run: Run, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = run("validate", shop, "--data-file", shop)
    neither = run("validate")
    monkeypatch.setenv("KAMELEOON_SITE_CODE", "abcdefghij")
    beside_environment = run("validate", shop)

    assert (both.exit_code, neither.exit_code, beside_environment.exit_code) == (2, 2, 0)
    assert "exclude each other" in both.stderr


def test_many_flags_of_one_segment_are_named_in_short(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    conditions(shop_data)[0] = WEATHER
    for each in shop_data["featureFlags"][:5]:
        for its_rule in each["rules"]:
            its_rule["segmentId"] = 2002

    result = run("validate", written(shop_data))

    assert "flags 'new_checkout', 'search_ranking', 'price_badge' and 2 more: $.segments[1]" in result.stdout
    assert len(result.stdout.splitlines()) == 2


def test_a_2x_rule_holds_the_segment_in_which_something_is_wrong(run: Run, examples: str, written: Write) -> None:
    data = json.loads(Path(examples, "kameleoon-datafile-legacy.json").read_text(encoding="utf-8"))
    bad = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "NOPE"}
    segment = {"id": 1, "conditionsData": {"firstLevel": [{"conditions": [bad]}]}}
    data["featureFlagConfigurations"][0]["rules"][0]["segment"] = segment
    whole = run("validate", written(data))
    segment["conditionsData"]["firstLevel"][0]["conditions"] = [bad, bad]  # type: ignore[index]  # as declared above
    broken = run("validate", written(data))

    place = "$.featureFlagConfigurations[0].rules[0].segment.conditionsData"
    assert (whole.exit_code, broken.exit_code) == (1, 1)
    assert f"{place}.firstLevel[0].conditions[0]: this condition accepts nobody" in whole.stdout
    assert f"{place}: it matches nobody" in broken.stdout
    assert len(whole.stdout.splitlines()) == len(broken.stdout.splitlines()) == 2


def test_what_the_shared_examples_have_wrong_is_found(run: Run, examples: str) -> None:
    current = json.loads(run("validate", f"{examples}/kameleoon-datafile.json", "--output", "json").stdout)[0]
    legacy = run("validate", f"{examples}/kameleoon-datafile-legacy.json")

    assert [finding["flags"] for finding in current["findings"]] == [
        ["odd_rule_type"],
        ["t_explicit_trigger"],
        ["t_unknown"],
    ]
    assert legacy.exit_code == 0


def test_repeated_members_of_a_flag_are_a_warning(run: Run, shop: str, written: Write) -> None:
    text = Path(shop).read_text(encoding="utf-8").replace('"exposition": 0.8', '"exposition": 0.8, "exposition": 0.9')

    result = run("validate", written(text))

    assert result.exit_code == 0
    assert f"flag 'price_badge': {RULE}: warning: member 'exposition' stands twice" in result.stdout


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ('{"a": 1, "b": {"a": 1}}', []),
        ('{"a": 1, "a": 2, "a": 3}', [("$", "a")]),
        ('{"a": {"b": 1, "b": 1}}', [("$.a", "b")]),
        ('[1, [{"b": 1, "b": 1}]]', [("$[1][0]", "b")]),
        ('{"not a name": [{"": 1, "": 1}]}', [('$["not a name"][0]', "")]),
        ('{"a": 1' + "0" * 5000 + "}", []),
    ],
)
def test_repeated_members_are_found_at_any_depth(text: str, repeated: list[tuple[str, str]]) -> None:
    assert list(repeated_members(text.encode(), "$")) == repeated
