"""What a value is worth beside a default, and when a kind is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.errors import VariableTypeMismatch
from openfeature_kameleoon.flagship.engine.evaluation import Evaluation
from openfeature_kameleoon.flagship.engine.values import (
    KINDS,
    LEGACY,
    RECOMMENDED,
    STRICT,
    Outcome,
    Typed,
    Typing,
    natural_kind,
)

VALUE, NULL, MISMATCH = Outcome.VALUE, Outcome.NULL, Outcome.MISMATCH
HUGE = 10**20


def flag(value: Any) -> Evaluation:
    return Evaluation("f", value, "SPLIT")


@pytest.mark.parametrize(
    ("value", "default", "given", "outcome"),
    [
        ("red", "x", "red", VALUE),
        ("", "x", "", VALUE),
        ("red", 7, 7, MISMATCH),
        (3, 7, 3, VALUE),
        (3, 7.5, 3.0, VALUE),
        (3, False, False, MISMATCH),
        (3, "x", "x", MISMATCH),
        (HUGE, 7.5, 7.5, MISMATCH),
        (HUGE, 7, HUGE, VALUE),
        (2.0, 7, 7, MISMATCH),
        (1.5, 7.5, 1.5, VALUE),
        (True, False, True, VALUE),
        (True, 7, 7, MISMATCH),
        (None, "x", "x", NULL),
        (None, None, None, VALUE),
        ("red", None, "red", VALUE),
        (3, None, 3, VALUE),
        ([1], None, [1], VALUE),
        ({"a": 1}, {}, {"a": 1}, VALUE),
        ([], ["d"], [], VALUE),
        ([], {}, {}, MISMATCH),
    ],
)
def test_the_recommended_rules_lose_nothing_and_mix_nothing_up(
    value: Any, default: Any, given: Any, outcome: Outcome
) -> None:
    typed = RECOMMENDED.apply(flag(value), default)

    assert typed == Typed(given, outcome)
    assert type(typed.value) is type(given)


@pytest.mark.parametrize("rules", [LEGACY, STRICT, RECOMMENDED])
def test_a_mapping_is_given_as_a_copy(rules: Typing) -> None:
    evaluation = flag({"a": [1]})

    rules.apply(evaluation, {}).value["a"].append(2)

    assert evaluation.value == {"a": [1]}


ACCEPTED: dict[str, list[tuple[Any, Any]]] = {
    "boolean": [(True, True), (False, False)],
    "string": [("x", "x"), ("", "")],
    "integer": [(5, 5), (5.0, 5), (-0.0, 0), (HUGE, HUGE)],
    "float": [(5, 5.0), (1.5, 1.5)],
    "object": [({}, {}), ([1], [1]), ({"a": None}, {"a": None})],
}
REFUSED: dict[str, list[Any]] = {
    "boolean": [1, 0, "true", None, {}, 1.0],
    "string": [1, True, None, [], 1.5],
    "integer": [True, "5", 5.5, None, [], 1e300, float("inf")],
    "float": [False, "5", None, {}, HUGE, float("nan")],
    "object": ["{}", 1, True, None],
}


@pytest.mark.parametrize(
    ("kind", "value", "given"), [(kind, *pair) for kind, pairs in ACCEPTED.items() for pair in pairs]
)
def test_a_kind_is_given_what_it_accepts(kind: str, value: Any, given: Any) -> None:
    answer = KINDS[kind](flag(value))

    assert answer == given
    assert type(answer) is type(given)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in REFUSED.items() for value in values])
def test_a_kind_is_refused_what_it_does_not_accept(kind: str, value: Any) -> None:
    with pytest.raises(VariableTypeMismatch, match=f"flag 'f' is .*, an? {kind} was asked for"):
        KINDS[kind](flag(value))


def test_an_object_is_given_as_a_copy() -> None:
    evaluation = flag([1])

    KINDS["object"](evaluation).append(2)

    assert evaluation.value == [1]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        ("x", "string"),
        (1, "integer"),
        (1.5, "float"),
        ({}, "object"),
        ([], "object"),
        (None, "boolean"),
    ],
)
def test_a_value_has_a_kind_that_suits_it(value: Any, kind: str) -> None:
    assert natural_kind(value) == kind
