"""The simulation cookie: what it may ask for, and what is wrong with the rest."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.visitors.simulation import Simulation, parse_simulation
from openfeature_kameleoon.visitors.traits import ForcedVariation
from tests.vectors import Stage, data_file

INDEX = Stage().index
FLAG, EXPERIMENT, VARIATION = "checkout_redesign", 81001, 91003
WANTED = {FLAG: ForcedVariation(EXPERIMENT, "express", VARIATION)}


def read(value: object) -> Simulation | None:
    return parse_simulation(value if isinstance(value, str) else json.dumps(value), INDEX.flag)


def entry(experiment_id: object = EXPERIMENT, variation_id: object = VARIATION) -> dict[str, object]:
    return {"expId": experiment_id, "varId": variation_id}


def test_the_value_is_json_percent_encoded_or_not() -> None:
    plain = json.dumps({FLAG: entry()})

    assert read(plain) == read(quote(plain)) == read(quote(plain, safe="")) == Simulation(WANTED, [])


def test_experiment_0_stands_for_the_default_variation() -> None:
    default = {FLAG: ForcedVariation(0, None, None)}

    assert read({FLAG: {"expId": 0}}) == read({FLAG: entry(0, "anything")}) == Simulation(default, [])


def test_a_flag_that_is_switched_off_can_be_simulated() -> None:
    assert read({"disabled_in_env": entry(81008, 91041)}) == Simulation(
        {"disabled_in_env": ForcedVariation(81008, "on", 91041)}, []
    )


def test_an_empty_object_simulates_nothing() -> None:
    assert read("{}") == Simulation({}, [])


@pytest.mark.parametrize("value", ["", "not json", "[1]", "5", "null", '"{}"', "{", "%7B%ZZ", "%FF%7B%7D", "[" * 5000])
def test_a_value_that_is_no_json_object_is_none(value: str) -> None:
    assert read(value) is None


@pytest.mark.parametrize(
    ("key", "wrong", "problem"),
    [
        ("nope", entry(), "not in the data file"),
        (FLAG, entry(5), "no rule with experiment 5"),
        (FLAG, entry(EXPERIMENT, 1), "no variation 1"),
        (FLAG, entry(81101, 91101), "no rule with experiment 81101"),  # it is another flag's
        (FLAG, entry(str(EXPERIMENT)), "expId"),
        (FLAG, entry(float(EXPERIMENT)), "expId"),
        (FLAG, entry(True), "expId"),
        (FLAG, entry(None), "expId"),
        (FLAG, entry(-1), "expId"),
        (FLAG, entry(EXPERIMENT, str(VARIATION)), "varId"),
        (FLAG, entry(EXPERIMENT, None), "varId"),
        (FLAG, entry(EXPERIMENT, -VARIATION), "varId"),
        (FLAG, {}, "expId"),
        (FLAG, None, "object"),
        (FLAG, [EXPERIMENT, VARIATION], "object"),
        (FLAG, VARIATION, "object"),
    ],
)
def test_a_wrong_entry_is_left_out_and_told(key: str, wrong: object, problem: str) -> None:
    simulation = read({key: wrong, "new_search": {"expId": 0}})

    assert simulation is not None
    assert simulation.variations == {"new_search": ForcedVariation(0, None, None)}
    assert len(simulation.problems) == 1
    assert repr(key) in simulation.problems[0]
    assert problem in simulation.problems[0]


def test_a_flag_that_does_not_decode_is_left_out_and_told() -> None:
    broken = {"id": 1, "featureKey": "broken", "rules": 5}
    index = Stage(data_file({"featureFlags": [broken]})).index

    simulation = parse_simulation('{"broken": {"expId": 0}}', index.flag)

    assert simulation is not None
    assert simulation.variations == {}
    assert "does not decode" in simulation.problems[0]


@given(st.text())
def test_no_value_whatsoever_fails(value: str) -> None:
    simulation = read(value)

    assert simulation is None or simulation.variations == {}
