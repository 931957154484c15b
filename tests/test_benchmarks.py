"""The arithmetic by which the benchmarks judge, and the data they measure on. Nothing here is timed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex

# The benchmarks are a program of the checkout, not part of the installation. At the end of the path, so that
# the installed package stays the one that is tested.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks import __main__ as command
from benchmarks import anchors, bars_identity, data
from benchmarks.measure import (
    Limit,
    Rounds,
    Row,
    Verdict,
    at_least,
    at_most,
    interleave,
    judge,
    keyword_call,
)

MEASURED = {*range(1, 12), *range(13, 19), 24, 25}


# --- judging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "figure", "expected"),
    [
        (at_most(1.3, 0.8), 0.80, "stretch"),
        (at_most(1.3, 0.8), 0.81, "met"),
        (at_most(1.3, 0.8), 1.34, "met"),  # up to 2 the allowance is 0.05
        (at_most(1.3, 0.8), 1.36, "missed"),
        (at_most(6, 4), 6.59, "met"),  # above 2 it is a tenth
        (at_most(6, 4), 6.61, "missed"),
        (at_least(35, 65), 65.0, "stretch"),
        (at_least(35, 65), 64.9, "met"),
        (at_least(35, 65), 31.6, "met"),
        (at_least(35, 65), 31.4, "missed"),
        (at_least(0.95, 0.98), 0.91, "met"),
        (at_least(0.95, 0.98), 0.89, "missed"),
        (at_most(3, 1.6, noisy=False), 3.0, "met"),  # bytes have no noise
        (at_most(3, 1.6, noisy=False), 3.01, "missed"),
        (at_most(0, 0, noisy=False), 0, "stretch"),
        (at_most(0, 0, noisy=False), 1, "missed"),
    ],
)
def test_a_bar_is_forgiven_noise_and_a_stretch_goal_is_not(limit: Limit, figure: float, expected: Verdict) -> None:
    assert judge(limit, figure) == expected


def test_a_row_without_a_limit_is_only_reported() -> None:
    assert Row(9, "text to ready", "ms", 160.0).verdict == "reported"


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rounds = Rounds({"ours": [1.0, 20.0, 3.0], "anchor": [1.0, 10.0, 1.0]})

    assert rounds.ratio("ours", "anchor") == 2.0  # of 1, 2 and 3; that of the medians would be 3
    assert rounds.median("ours") == 3.0


def test_everybody_has_one_turn_in_each_round_and_nobody_is_always_first() -> None:
    order: list[str] = []

    def turn(name: str, seconds_per_call: float, calls: int) -> float:
        order.append(name)
        return seconds_per_call * calls

    rounds = interleave(
        {"ours": lambda calls: turn("ours", 0.5, calls), "anchor": lambda calls: turn("anchor", 0.25, calls)},
        rounds=20,
        turn_seconds=1.0,
    )

    turns = order[-4 * 20 :: 2]  # each comes after a few calls that are not timed
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    assert set(pairs) == {("ours", "anchor"), ("anchor", "ours")}
    assert rounds.ratio("ours", "anchor") == 2.0


def test_a_timed_call_passes_its_arguments_by_keyword() -> None:
    seen: list[dict[str, object]] = []

    keyword_call(lambda **given: seen.append(given), flag_key="f", default_value=False)(2)

    assert seen == [{"flag_key": "f", "default_value": False}] * 2


# --- the command --------------------------------------------------------------------------------------------


def test_every_bar_that_is_claimed_has_a_measurement() -> None:
    assert set(command.BARS) == MEASURED


@pytest.mark.parametrize(
    ("text", "expected"), [("1-5,11", [1, 2, 3, 4, 5, 11]), ("24", [24]), ("10-14", [10, 11, 13, 14])]
)
def test_bars_are_chosen_by_number_and_range(text: str, expected: list[int]) -> None:
    assert command.bar_numbers(text) == expected


@pytest.mark.parametrize("text", ["12", "19-23", "one", ""])
def test_asking_for_no_bar_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--bars", text])

    assert ended.value.code == 2
    assert "--bars" in capsys.readouterr().err


def test_both_outputs_tell_figures_verdicts_and_what_could_not_be_measured() -> None:
    rows = [Row(1, "f_simple", "x InMemory", 1.5, at_most(1.3, 0.8), 51.0)]
    failures = [command.Failure(17, "no network")]

    table = command.as_table(rows, failures, quick=False)
    document = json.loads(command.as_json(rows, failures, quick=False))

    assert "missed" in table
    assert "bar 17: not measured: no network" in table
    assert document["rows"][0]["verdict"] == "missed"
    assert document["failures"] == [{"bar": 17, "message": "no network"}]


# --- the data -----------------------------------------------------------------------------------------------


def flags_of(raw: bytes) -> dict[str, Any]:
    return {flag["featureKey"]: flag for flag in json.loads(raw)["featureFlags"]}


def test_the_same_data_file_is_made_each_time() -> None:
    assert data.data_file(100) == data.data_file(100)


@pytest.mark.parametrize("flags", [100, 1_000])
def test_a_data_file_has_its_flags_and_nothing_that_does_not_decode(flags: int) -> None:
    raw = data.data_file(flags)

    index = DataFileIndex.read(raw)

    assert len(index.flags) == flags
    assert index.problems == []
    assert [index.flag(key).feature_key for key in data.NAMED_FLAGS] == list(data.NAMED_FLAGS)


def test_a_flag_takes_about_as_much_text_as_in_the_field() -> None:
    raw = data.data_file(1_000)

    assert 1_650 < len(raw) / 1_000 < 1_850


def test_every_filler_flag_differs_between_two_editions() -> None:
    before, after = (flags_of(data.data_file(100, edition)) for edition in (1, 2))

    changed = {key for key in before if before[key] != after[key]}

    assert changed == {*before} - {*data.NAMED_FLAGS} | {data.EDITION}


def test_the_measured_visitor_is_exposed_in_the_half_experiment() -> None:
    (rule,) = flags_of(data.data_file(100))[data.EXP3_HALF]["rules"]

    assert rule["exposition"] == 0.5
    assert bars_identity.reference_place(f"{anchors.VISITOR}{rule['id']}") <= rule["exposition"]


def test_only_the_tenth_rule_of_the_ten_can_match() -> None:
    document = json.loads(data.data_file(100))
    segments = {segment["id"]: segment["conditionsData"]["firstLevel"][0] for segment in document["segments"]}
    *failing, tenth = flags_of(data.data_file(100))[data.RULE10]["rules"]
    visitor = {str(index): value for index, (_, value) in enumerate(data.CUSTOM_DATA)}

    conditions = [condition for rule in failing for condition in segments[rule["segmentId"]]["conditions"]]

    assert len(failing) == 9
    assert tenth["segmentId"] is None
    assert {condition["valueMatchType"] for condition in conditions} == {"EXACT"}
    assert all(visitor[condition["customDataIndex"]] != condition["value"] for condition in conditions)


@pytest.mark.parametrize("flag", [data.SIMPLE, data.SEG3, data.EDITION])
def test_a_delivery_to_everybody_needs_no_hash(flag: str) -> None:
    (rule,) = flags_of(data.data_file(100))[flag]["rules"]

    assert (rule["type"], rule["exposition"]) == ("TARGETED_DELIVERY", 1.0)


# --- identity -----------------------------------------------------------------------------------------------


def test_digests_beside_a_bound_are_decided_as_by_the_formula() -> None:
    assert bars_identity.differences_at_bounds({0.0, 0.34, 0.34 + 0.33, 0.5, 1 / 3, 1.0, 5e-324}) == 0
