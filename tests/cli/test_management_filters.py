"""The grammar of ``--filter`` and ``--sort``: every operator, every way to write a value."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.cli.management.filter_text import OPERATORS, filter_of, grammar, order_of
from openfeature_kameleoon.management.automation.experiments import Experiment
from openfeature_kameleoon.management.automation.filters import FieldName, as_array, as_orders


def sent(*texts: str) -> list[tuple[str, str, list[Any]]]:
    expression = filter_of(texts, Experiment)
    assert expression is not None
    return [(part["field"], part["operator"], part["parameters"]) for part in as_array(expression)]


ROWS = {
    "=": ("name = Hello, world", ("name", "EQUAL", ["Hello, world"])),
    "!=": ("site_id!=9120", ("siteId", "NOT_EQUAL", [9120])),
    "<=": ("id<=5", ("id", "LESS_OR_EQUAL", [5])),
    "<": ("id <-3", ("id", "LESS", [-3])),
    ">=": ("date_modified >= 2026-03-01T00:00:00", ("dateModified", "GREATER_OR_EQUAL", ["2026-03-01T00:00:00"])),
    ">": ("id>5.5", ("id", "GREATER", [5.5])),
    "~": ("name~black friday%", ("name", "LIKE", ["black friday%"])),
    "!~": ("name !~ a=b", ("name", "NOT_LIKE", ["a=b"])),
    "in": ("status in PAUSED,STOPPED", ("status", "IN", ["PAUSED", "STOPPED"])),
    "not in": ('name NOT  IN "a, b", c ,1', ("name", "NOT_IN", ["a, b", "c", 1])),
    "between": ("id between 1,5", ("id", "BETWEEN", [1, 5])),
    "contains": ("tags contains summer", ("tags", "CONTAINS", ["summer"])),
    "is null": ("base_url is null", ("baseURL", "IS_NULL", [])),
    "is not null": ("baseURL is not null", ("baseURL", "IS_NOT_NULL", [])),
    "is true": ("isArchived is true", ("isArchived", "IS_TRUE", [])),
    "is false": ("is_archived is false", ("isArchived", "IS_FALSE", [])),
    "is empty": ("goals is empty", ("goals", "IS_EMPTY", [])),
    "is not empty": ("goals is not empty", ("goals", "IS_NOT_EMPTY", [])),
    "not": ("status not DRAFT", ("status", "NOT", ["DRAFT"])),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_makes_the_condition_of_its_row(operator: str) -> None:
    text, expected = ROWS[operator]

    assert sent(text) == [expected]


def test_every_operator_of_the_builder_can_be_written() -> None:
    conditions = {name for name in vars(FieldName) if not name.startswith("_")} - {"ascending", "descending"}
    comparisons = {"__lt__", "__le__", "__gt__", "__ge__"}

    assert {row.method for row in OPERATORS.values()} == conditions | comparisons


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name = true", True),
        ("name = 7", 7),
        ('name = "7"', "7"),
        ('name = "say \\"yes\\""', 'say "yes"'),
        ("name = null", "null"),
        ("name = NaN", "NaN"),
        ("name = 007", "007"),
        ("name = [1]", "[1]"),
    ],
)
def test_a_value_is_what_it_looks_like_unless_quoted(text: str, value: object) -> None:
    assert sent(text)[0][2] == [value]


def test_several_filters_must_all_hold() -> None:
    assert sent("id=1", "name=a", "status in A,B") == [
        ("id", "EQUAL", [1]),
        ("name", "EQUAL", ["a"]),
        ("status", "IN", ["A", "B"]),
    ]
    assert filter_of((), Experiment) is None


@pytest.mark.parametrize(
    "text",
    ["", "=5", "name", "name =", "name is", "name is nullable", "id between 1", "id between 1,2,3", "a in"],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no operator|takes"):
        filter_of((text,), None)


def test_a_sort_may_be_turned_round() -> None:
    orders = order_of(("-date_modified", "name"), Experiment)

    assert orders is not None
    assert as_orders(orders) == [
        {"field": "dateModified", "direction": "DESC"},
        {"field": "name", "direction": "ASC"},
    ]
    assert order_of((), None) is None


def test_the_help_has_a_line_for_every_operator() -> None:
    assert len(grammar().splitlines()) == len(OPERATORS)
