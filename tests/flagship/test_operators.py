"""Comparison operators: every row of both tables, kinds that differ, absent keys, and values that make no sense."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.flagship.engine.operators import (
    SDK_OPERATORS,
    SERVER_OPERATORS,
    Operator,
    UnusableRule,
    compile_test,
)
from openfeature_kameleoon.flagship.engine.versions import version_key

TABLES = {"sdk": SDK_OPERATORS, "server": SERVER_OPERATORS}
ROWS = [pytest.param(row, id=f"{table}-{name}") for table, rows in TABLES.items() for name, row in rows.items()]

scalars = st.text(max_size=5) | st.integers() | st.floats() | st.booleans()
values: st.SearchStrategy[Any] = scalars | st.lists(scalars, max_size=4)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars | st.none() | st.binary() | st.just(object()) | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


class Level(IntEnum):
    HIGH = 3


def sdk(operator: str, value: Any, seen: Any) -> bool | None:
    return compile_test(SDK_OPERATORS[operator], value)(seen)


def server(operator: str, value: Any, seen: Any) -> bool | None:
    return compile_test(SERVER_OPERATORS[operator], value)(seen)


def test_both_tables_know_the_same_operators() -> None:
    assert set(SDK_OPERATORS) == set(SERVER_OPERATORS)
    assert len(SDK_OPERATORS) == 18


@pytest.mark.parametrize(
    ("operator", "value", "seen", "expected"),
    [
        ("EQUALS", 1, True, True),  # Python's equality
        ("EQUALS", 1, 1.0, True),
        ("EQUALS", [1, "x"], 1.0, True),
        ("EQUALS", ["a", "b"], ["a"], False),
        ("EQUALS", [10**30, 2], 10**30, True),
        ("EQUALS", "NaN", float("nan"), False),
        ("EQUALS", 3, Level.HIGH, True),
        ("NOT_EQUALS", ["a"], ["a"], True),
        ("NOT_EQUALS", [1, 2], True, False),
        ("NOT_EQUALS", [], "x", True),
        ("NOT_EQUALS", [], None, False),
        ("CONTAINS", True, "so True", True),
        ("CONTAINS", ["x", 5], 150, True),
        ("NOT_CONTAINS", ["a", "b"], "cab", False),
        ("NOT_CONTAINS", [], None, False),
        ("STARTS_WITH", ["Pa", "Be"], "Berlin", True),
        ("ENDS_WITH", ".0", 1.0, True),
        ("GREATER_THAN", 0, True, True),
        ("GREATER_THAN", "a", 1, False),
        ("GREATER_THAN", 5, float("nan"), False),
        ("LOWER_THAN", [10, "z"], "y", True),
        ("LOWER_THAN_OR_EQUALS", 2**70, 1e300, False),
        ("GREATER_THAN_OR_EQUALS", "é", "z", False),  # by code point
        ("EXISTS", True, "", True),
        ("EXISTS", False, "", False),
        ("EXISTS", [], None, True),
        ("EXISTS", None, None, True),
        ("NOT_EXISTS", True, None, True),
        ("NOT_EXISTS", {"a": 1}, 0, True),
        ("SEMVER_EQUALS", "2.3", "v2.3.0+build.7", True),
        ("SEMVER_NOT_EQUALS", "2.3", "two", False),
        ("SEMVER_GREATER_THAN", "2.3.0-rc.1", "2.3", True),
        ("SEMVER_LOWER_THAN", ["2.3"], "1", False),
        ("SEMVER_EQUALS", "2", 2, False),
    ],
)
def test_an_sdk_compares_as_python_does(operator: str, value: Any, seen: Any, expected: bool) -> None:
    assert sdk(operator, value, seen) is expected


@pytest.mark.parametrize(
    ("operator", "value", "seen", "expected"),
    [
        ("EQUALS", "FR", "fr", True),
        ("EQUALS", 1, 1.0, True),
        ("EQUALS", 1, True, None),
        ("EQUALS", "1", 1, None),
        ("EQUALS", ["a", 1], 1, True),
        ("EQUALS", ["a"], 1, False),  # inside a list a kind that differs is just a no
        ("NOT_EQUALS", "FR", "fr", False),
        ("NOT_EQUALS", ["a", 1], "b", False),  # and makes negations false
        ("NOT_EQUALS", ["a", "c"], "b", True),
        ("CONTAINS", "Pixel", "google pixel 8", True),
        ("CONTAINS", 1, 11, None),
        ("CONTAINS", [1], 11, False),
        ("NOT_CONTAINS", ["a", "B"], "xb", False),
        ("STARTS_WITH", "PA", "paris", True),
        ("STARTS_WITH", ["pa"], "paris", False),
        ("GREATER_THAN", "abc", "B", True),
        ("GREATER_THAN", True, True, None),
        ("GREATER_THAN", [1], 2, False),
        ("EXISTS", True, 0, True),
        ("SEMVER_GREATER_THAN", "2.3", "2.10", True),
        ("SEMVER_GREATER_THAN", "2.3", 3, None),
        ("EQUALS", "x", None, False),
        ("NOT_EQUALS", "x", None, False),
    ],
)
def test_the_server_compares_like_with_like_in_any_case(operator: str, value: Any, seen: Any, expected: Any) -> None:
    assert server(operator, value, seen) is expected


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("value", [None, {}, [None], [["a"]], [{}]], ids=repr)
def test_a_value_that_nothing_compares_with_is_refused(row: Operator, value: Any) -> None:
    if row.takes_anything:
        compile_test(row, value)
        return

    with pytest.raises(UnusableRule):
        compile_test(row, value)


@pytest.mark.parametrize(
    "value", ["two", "", "1.2.3.4", "1..2", "1.2-", "-1", "1.2.3\n", "1" * 19, "1-" + "9" * 19, "\u0661", 2]
)
def test_a_version_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(UnusableRule):
        compile_test(SDK_OPERATORS["SEMVER_EQUALS"], value)


def test_a_number_of_too_many_digits_to_be_written_has_no_text() -> None:
    number = 10**5000

    with pytest.raises(UnusableRule, match="digits"):
        compile_test(SDK_OPERATORS["CONTAINS"], number)
    for name in ("CONTAINS", "NOT_CONTAINS", "STARTS_WITH", "ENDS_WITH"):
        assert sdk(name, "1", number) is False


def test_versions_are_in_the_order_of_semantic_versions() -> None:
    ordered = [
        *("0", "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "v1.2", "1.10", "2-0", "2-a", "2"),
    ]
    keys = [version_key(version) for version in ordered]

    assert None not in keys
    assert keys == sorted(keys, key=lambda key: key or ())
    assert len({str(key) for key in keys}) == len(keys)


@given(st.sampled_from([row for rows in TABLES.values() for row in rows.values()]), values, anything)
def test_a_test_never_raises(row: Operator, value: Any, seen: Any) -> None:
    try:
        test = compile_test(row, value)
    except UnusableRule:
        return

    assert test(seen) in (True, False, None)


@given(value=values, seen=anything, name=st.sampled_from(sorted(SDK_OPERATORS)))
def test_an_sdk_always_answers_yes_or_no(value: Any, seen: Any, name: str) -> None:
    try:
        answer = sdk(name, value, seen)
    except UnusableRule:
        return

    assert answer is True or answer is False


@given(values, scalars)
def test_a_negation_is_the_opposite_for_who_has_the_key(value: Any, seen: Any) -> None:
    for name in ("EQUALS", "CONTAINS"):
        assert sdk(name, value, seen) is not sdk(f"NOT_{name}", value, seen)
