"""From a variation to a value: which variable answers, and what it is worth when a certain type is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails

from openfeature_kameleoon import KameleoonProvider
from tests.faces import flag, provider_of, rule, site

VARIABLES: dict[str, tuple[str, Any]] = {
    "colour": ("STRING", "red"),
    "size": ("NUMBER", 5),
    "ratio": ("NUMBER", 0.5),
    "beta": ("BOOLEAN", False),
    "layout": ("JSON", '{"columns": [1, 2], "deep": {"er": null}}'),
    "methods": ("JSON", '["card", {"name": "paypal"}]'),
    "nothing": ("JSON", "null"),
    "three": ("JSON", "3"),
    "style": ("CSS", ".b{color:red}"),
    "script": ("JS", "alert(1)"),
}


def provider_with(folder: Path, variables: dict[str, tuple[str, Any]] | None) -> KameleoonProvider:
    """A provider whose only flag gives ``on`` to everybody, with these variables."""
    return provider_of(folder, site(flag("f", rule(1, ("on", 1)), variables=variables)))


def resolve(
    provider: KameleoonProvider, kind: str, key: object = None, default: Any = None
) -> FlagResolutionDetails[Any]:
    context = EvaluationContext("somebody", {} if key is None else {"variableKey": key})  # type: ignore[dict-item]
    details: FlagResolutionDetails[Any] = getattr(provider, f"resolve_{kind}_details")("f", default, context)
    return details


MISMATCH = ErrorCode.TYPE_MISMATCH


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("string", "colour", "red"),
        ("string", "style", ".b{color:red}"),
        ("string", "script", "alert(1)"),
        ("integer", "size", 5),
        ("float", "ratio", 0.5),
        ("boolean", "beta", False),
        ("object", "layout", {"columns": [1, 2], "deep": {"er": None}}),
        ("object", "methods", ["card", {"name": "paypal"}]),
        ("integer", "three", 3),
        ("string", None, "red"),  # the first one
        ("string", "", "red"),
    ],
)
def test_the_variable_key_names_the_variable(tmp_path: Path, kind: str, key: str | None, value: object) -> None:
    provider = provider_with(tmp_path, VARIABLES)

    details = resolve(provider, kind, key)

    assert details.value == value
    assert type(details.value) is type(value)
    assert (details.variant, details.error_code) == ("on", None)


@pytest.mark.parametrize(
    ("kind", "key", "held", "wanted"),
    [
        ("boolean", "colour", "a string", "a boolean"),
        ("boolean", "size", "an integer", "a boolean"),
        ("boolean", None, "a string", "a boolean"),
        ("string", "size", "an integer", "a string"),
        ("string", "beta", "a boolean", "a string"),
        ("integer", "colour", "a string", "an integer"),
        ("integer", "ratio", "a number with a fraction", "an integer"),
        ("float", "colour", "a string", "a float"),
        ("float", "layout", "an object", "a float"),
        ("object", "colour", "a string", "an object"),
        ("object", "three", "an integer", "an object"),
        ("object", "nothing", "null", "an object"),
        ("string", "methods", "a list", "a string"),
    ],
)
def test_another_type_is_a_mismatch_that_names_both(
    tmp_path: Path, kind: str, key: str | None, held: str, wanted: str
) -> None:
    provider = provider_with(tmp_path, VARIABLES)
    default = object()

    details = resolve(provider, kind, key, default)

    assert details.value is default
    assert details.error_code is MISMATCH
    assert f"is {held}, {wanted} was asked for" in (details.error_message or "")


@pytest.mark.parametrize(
    ("held", "integer", "decimal"),
    [
        (5, 5, 5.0),
        (5.0, 5, 5.0),
        (-7, -7, -7.0),
        (0, 0, 0.0),
        (0.5, MISMATCH, 0.5),
        (1e300, MISMATCH, 1e300),
        (2**53 - 1, 2**53 - 1, 2.0**53 - 1),
        (2**53, 2**53, MISMATCH),  # a float would not tell it from its neighbour
        (float(2**53), MISMATCH, float(2**53)),
        (-(2**62) - 1, -(2**62) - 1, MISMATCH),
        (2**70, 2**70, MISMATCH),
        (True, MISMATCH, MISMATCH),
        (False, MISMATCH, MISMATCH),
        ("5", MISMATCH, MISMATCH),
        (None, MISMATCH, MISMATCH),
        ([5], MISMATCH, MISMATCH),
    ],
)
def test_a_number_is_given_where_nothing_is_lost(
    tmp_path: Path, held: object, integer: object, decimal: object
) -> None:
    provider = provider_with(tmp_path, {"n": ("NUMBER", held)})

    for kind, wanted in (("integer", integer), ("float", decimal)):
        details = resolve(provider, kind)
        answer = details.value if details.error_code is None else details.error_code

        assert answer == wanted
        assert type(answer) is type(wanted)


def test_a_number_beyond_floats_costs_its_flag_alone(tmp_path: Path) -> None:
    provider = provider_with(tmp_path, {"n": ("NUMBER", "INFINITE")})
    path = tmp_path / "flags.json"
    path.write_bytes(path.read_bytes().replace(b'"INFINITE"', b"1e400"))
    provider.client.refresh()

    assert resolve(provider, "float").error_code is ErrorCode.PARSE_ERROR


@pytest.mark.parametrize(("kind", "value"), [("boolean", True), ("string", "on"), ("object", {})])
def test_without_variables_the_variation_itself_answers(tmp_path: Path, kind: str, value: object) -> None:
    provider = provider_with(tmp_path, None)

    details = resolve(provider, kind)

    assert (details.value, details.variant, details.error_code) == (value, "on", None)


@pytest.mark.parametrize("kind", ["integer", "float"])
def test_without_variables_there_is_no_number(tmp_path: Path, kind: str) -> None:
    provider = provider_with(tmp_path, None)

    assert resolve(provider, kind, default=1).error_code is ErrorCode.FLAG_NOT_FOUND


def test_off_without_variables_is_false(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site(flag("f")))

    assert resolve(provider, "boolean", default=True).value is False
    assert resolve(provider, "string").value == "off"


@pytest.mark.parametrize("kind", ["boolean", "string", "integer", "float", "object"])
def test_a_variable_key_that_the_variation_does_not_have_is_not_found(tmp_path: Path, kind: str) -> None:
    for variables in (VARIABLES, None):
        details = resolve(provider_with(tmp_path, variables), kind, "nope")

        assert details.error_code is ErrorCode.FLAG_NOT_FOUND
        assert "no variable 'nope'" in (details.error_message or "")


# --- objects ----------------------------------------------------------------------------------------------------


def test_an_object_is_all_variables_where_the_first_is_not_json(tmp_path: Path) -> None:
    provider = provider_with(tmp_path, VARIABLES)

    value = resolve(provider, "object").value

    assert list(value) == list(VARIABLES)
    assert (value["size"], value["methods"], value["nothing"]) == (5, ["card", {"name": "paypal"}], None)


def test_an_object_is_the_first_variable_where_that_is_json(tmp_path: Path) -> None:
    provider = provider_with(tmp_path, {"layout": VARIABLES["layout"], "size": VARIABLES["size"]})

    assert resolve(provider, "object").value == {"columns": [1, 2], "deep": {"er": None}}


@pytest.mark.parametrize("key", ["layout", "methods", None])
def test_an_object_is_the_callers_to_change(tmp_path: Path, key: str | None) -> None:
    provider = provider_with(tmp_path, VARIABLES)
    untouched = resolve(provider, "object", key).value

    changed = resolve(provider, "object", key).value
    (changed.append if isinstance(changed, list) else changed.update)({"new": 1})
    for inner in changed if isinstance(changed, list) else changed.values():
        if isinstance(inner, list | dict):
            inner.clear()

    assert resolve(provider, "object", key).value == untouched != changed


# --- variables that do not decode -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        (("JSON", "{"), "does not decode"),
        (("JSON", "NaN"), "does not decode"),
        (("JSON", "[" * 5000), "does not decode"),
        (("JSON", {"a": 1}), "holds an object instead of JSON text"),
        (("DATE", "2026-09-01"), "of the unknown type 'DATE'"),
    ],
)
@pytest.mark.parametrize("kind", ["boolean", "string", "integer", "float", "object"])
def test_a_variable_that_does_not_decode_costs_only_itself(
    tmp_path: Path, variable: tuple[str, Any], problem: str, kind: str
) -> None:
    provider = provider_with(tmp_path, {"size": ("NUMBER", 5), "bad": variable})

    bad = resolve(provider, kind, "bad")

    assert bad.error_code is ErrorCode.PARSE_ERROR
    assert problem in (bad.error_message or "")
    assert resolve(provider, "integer", "size").value == 5


def test_all_variables_are_not_given_when_one_is_missing(tmp_path: Path) -> None:
    provider = provider_with(tmp_path, {"size": ("NUMBER", 5), "bad": ("JSON", "{")})

    assert resolve(provider, "object").error_code is ErrorCode.PARSE_ERROR
