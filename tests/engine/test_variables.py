"""Variables: decoded once, and what they are worth when a type is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_kameleoon.datafile import model
from openfeature_kameleoon.engine.variables import (
    Variation,
    as_boolean,
    as_float,
    as_integer,
    as_object,
    as_string,
    compile_variation,
)
from openfeature_kameleoon.errors import FeatureMalformed, FeatureVariableNotFound, VariableTypeMismatch
from openfeature_kameleoon.views import variation_view
from tests.vectors import Stage, data_file, vectors

Read = Callable[[Variation, str | None], object]


def variation(*variables: tuple[str, str, object], key: str = "on") -> Variation:
    return compile_variation(
        model.Variation(key, "On", [model.Variable(name, type_, value) for name, type_, value in variables])
    )


def test_the_variables_of_a_variation_are_those_of_the_reference() -> None:
    vector = vectors("variables")
    stage = Stage(data_file(vector["datafile_patch"]))

    view = variation_view(stage.evaluate(vector["visitor_code"], vector["flag"]))

    assert (view.key, view.name) == (vector["variation_key"], vector["variation_name"])
    assert view.is_active is vector["is_active"]
    seen = {
        key: {"type": item.type, "value": item.value, "python_type": type(item.value).__name__}
        for key, item in view.variables.items()
    }
    assert seen == vector["variables"]
    assert list(seen) == list(vector["variables"])


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("BOOLEAN", True, True),
        ("NUMBER", 4, 4),
        ("NUMBER", 0.5, 0.5),
        ("NUMBER", "12", "12"),  # the JSON value, whatever the type says
        ("STRING", "text", "text"),
        ("STRING", "", ""),
        ("STRING", None, None),
        ("CSS", "a{}", "a{}"),
        ("JS", "f()", "f()"),
        ("JSON", '{"a":[1,2]}', {"a": [1, 2]}),
        ("JSON", "[1]", [1]),
        ("JSON", '"text"', "text"),
        ("JSON", "1.0", 1.0),
        ("JSON", "null", None),
    ],
)
def test_a_value_is_read_by_its_type(type_: str, value: object, expected: object) -> None:
    read = variation(("v", type_, value)).values()["v"]

    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        ("JSON", "{", "does not decode"),
        ("JSON", "", "does not decode"),
        ("JSON", "[" * 5000, "does not decode"),
        ("JSON", {"a": 1}, "holds an object instead of JSON text"),
        ("JSON", False, "holds a boolean instead of JSON text"),
        ("JSON", None, "holds null instead of JSON text"),
        ("COLOUR", "red", "unknown type 'COLOUR'"),
        ("", "red", "unknown type ''"),
    ],
)
def test_a_variable_that_does_not_decode_costs_only_itself(type_: str, value: object, problem: str) -> None:
    broken = variation(("good", "STRING", "text"), ("bad", type_, value))

    assert as_string(broken, "good") == "text"
    for read in (as_boolean, as_string, as_integer, as_float, as_object):
        with pytest.raises(FeatureMalformed, match="variable 'bad'") as raised:
            read(broken, "bad")
        assert problem in raised.value.message
    with pytest.raises(FeatureMalformed):
        broken.values()


READERS: dict[str, Read] = {
    "boolean": as_boolean,
    "string": as_string,
    "integer": as_integer,
    "float": as_float,
    "object": as_object,
}

WORTH: list[tuple[str, object, dict[str, object]]] = [
    ("BOOLEAN", True, {"boolean": True}),
    ("BOOLEAN", False, {"boolean": False}),
    ("NUMBER", 1, {"integer": 1, "float": 1.0}),
    ("NUMBER", 0, {"integer": 0, "float": 0.0}),
    ("NUMBER", -5, {"integer": -5, "float": -5.0}),
    ("NUMBER", 5.0, {"integer": 5, "float": 5.0}),
    ("NUMBER", 0.5, {"float": 0.5}),
    ("NUMBER", 2**53 - 1, {"integer": 2**53 - 1, "float": float(2**53 - 1)}),
    ("NUMBER", 2**53, {"integer": 2**53}),  # a float would not tell it from its neighbour
    ("NUMBER", 1e300, {"float": 1e300}),
    ("NUMBER", math.inf, {}),
    ("NUMBER", math.nan, {}),
    ("NUMBER", "5", {"string": "5"}),  # no text is ever parsed
    ("NUMBER", True, {"boolean": True}),  # a boolean is never a number
    ("STRING", "true", {"string": "true"}),
    ("STRING", "", {"string": ""}),
    ("STRING", None, {}),
    ("JSON", '{"a": 1}', {"object": {"a": 1}}),
    ("JSON", "[]", {"object": []}),
    ("JSON", '"text"', {"string": "text"}),
    ("JSON", "true", {"boolean": True}),
    ("JSON", "3", {"integer": 3, "float": 3.0}),
    ("JSON", "null", {}),
]


@pytest.mark.parametrize(("type_", "value", "worth"), WORTH)
@pytest.mark.parametrize("wanted", READERS)
def test_a_value_is_given_as_the_type_asked_for_or_not_at_all(
    type_: str, value: object, worth: dict[str, object], wanted: str
) -> None:
    holder = variation(("v", type_, value))

    if wanted in worth:
        given = READERS[wanted](holder, "v")
        assert given == worth[wanted]
        assert type(given) is type(worth[wanted])
    else:
        with pytest.raises(VariableTypeMismatch, match="variable 'v' of variation 'on' is"):
            READERS[wanted](holder, "v")


@pytest.mark.parametrize("wanted", READERS)
def test_a_variable_that_is_not_there_is_not_found(wanted: str) -> None:
    with pytest.raises(FeatureVariableNotFound, match="has no variable 'missing'"):
        READERS[wanted](variation(("v", "BOOLEAN", True)), "missing")


def test_without_a_key_the_first_variable_counts() -> None:
    holder = variation(("first", "NUMBER", 1), ("second", "NUMBER", 2))

    assert as_integer(holder, None) == 1
    assert as_float(holder, "") == 1.0


@pytest.mark.parametrize(("key", "is_active"), [("on", True), ("off", False)])
def test_without_variables_a_variation_is_its_activity_and_its_key(key: str, is_active: bool) -> None:
    bare = variation(key=key)

    assert as_boolean(bare, None) is is_active
    assert as_string(bare, None) == key
    assert as_object(bare, None) == {}
    for read in (as_integer, as_float):
        with pytest.raises(FeatureVariableNotFound, match="has no variables"):
            read(bare, None)


def test_without_a_key_an_object_is_all_variables_unless_the_first_is_json() -> None:
    mixed = variation(("a", "NUMBER", 1), ("b", "JSON", "[2]"))
    json_first = variation(("b", "JSON", "[2]"), ("a", "NUMBER", 1))

    assert as_object(mixed, None) == {"a": 1, "b": [2]}
    assert as_object(json_first, None) == [2]


def test_a_caller_may_change_the_object_it_was_given() -> None:
    holder = variation(("v", "JSON", '{"a": [1]}'))

    given: Any = as_object(holder, "v")
    given["a"].append(2)

    assert as_object(holder, "v") == {"a": [1]}


def test_of_two_variables_with_one_key_the_last_counts() -> None:
    assert variation(("v", "NUMBER", 1), ("v", "NUMBER", 2)).values() == {"v": 2}
