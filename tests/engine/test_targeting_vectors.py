"""Every targeting vector: whether a segment matches, as Kameleoon's own client says."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.engine.evaluation import CompiledRule
from tests.vectors import Stage, data_file, vectors

DATA_FILE = data_file()
ALL = vectors("targeting")
ANSWERED = [vector for vector in ALL if isinstance(vector["expected"], bool)]
BROKEN = {vector["id"]: vector for vector in ALL if not isinstance(vector["expected"], bool)}

DEVIATIONS: dict[str, tuple[bool, str]] = {
    "tgt-053": (False, "valueMatchType 'BOGUS'"),
    "tgt-055": (True, ""),  # a custom datum's index that is a number instead of text is read all the same
    "tgt-067": (False, "device 'WATCH'"),
    "tgt-075": (False, "os 'windows'"),
    "tgt-081": (False, "browser 'EDGE'"),
    "tgt-132": (False, "matchType 'BOGUS'"),
    "tgt-133": (False, "matchType None"),
    "tgt-174": (False, "matchType 'BOGUS'"),
    "tgt-176": (False, "matchType 'BOGUS'"),
    "tgt-199": (False, "nameMatchType 'BAD'"),
    "tgt-317": (False, "visitorType 'BOGUS'"),
    "tgt-318": (False, "visitorType 'BOGUS'"),
    "tgt-508": (False, "fewer operators"),
}
"""What the reference refuses the whole file for, or fails at while it evaluates (2.11): whether the segment
matches here, and what is told of it."""


def stage_of(vector: dict[str, Any]) -> tuple[Stage, CompiledRule]:
    """The vectors' data file with one flag more, whose only rule is for the vector's segment."""
    rule = {"id": 1, "type": "TARGETED_DELIVERY", "experimentId": vector["campaign_id"], "segmentId": 1}
    flag = {"id": 1, "featureKey": "targeted", "environmentEnabled": True, "rules": [rule]}
    segment = {"id": 1, "conditionsData": vector["conditions_data"]}
    stage = Stage(
        {
            **DATA_FILE,
            "featureFlags": [*DATA_FILE["featureFlags"], flag],
            "segments": [*DATA_FILE["segments"], segment],
        }
    )
    stage.play(vector["visitor_code"], vector.get("steps", ()))
    stage.at(vectors("meta")["evaluate_at_ms"])
    return stage, stage.ruleset.flag("targeted").rules[0]


def is_targeted(vector: dict[str, Any]) -> bool:
    stage, rule = stage_of(vector)
    matches = rule.matches
    if vector["campaign_id"] is None:  # as audiences are evaluated, outside of any rule
        targeting = stage.ruleset.segments.targeting(1)
        assert targeting is not None
        matches = targeting.matches
    return matches is None or matches(stage.visitor(vector["visitor_code"]))


def test_all_vectors_are_here() -> None:
    assert len(ALL) == 509


@pytest.mark.parametrize("vector", ANSWERED, ids=lambda vector: vector["id"])
def test_a_segment_matches_whom_it_matches_in_the_reference(vector: dict[str, Any]) -> None:
    assert is_targeted(vector) is vector["expected"]


def test_every_deviation_is_stated() -> None:
    assert set(DEVIATIONS) == set(BROKEN)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_what_breaks_the_reference_is_answered(name: str) -> None:
    expected, _ = DEVIATIONS[name]

    assert is_targeted(BROKEN[name]) is expected


@pytest.mark.parametrize("name", [name for name, (_, problem) in DEVIATIONS.items() if problem])
def test_what_makes_no_sense_is_told(name: str) -> None:
    stage, _ = stage_of(BROKEN[name])

    problems = stage.ruleset.flag("targeted").problems

    assert DEVIATIONS[name][1] in " ".join(problems)
