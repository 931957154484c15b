"""Filters and sorts of the Automation API: what an expression looks like here, and as the JSON it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.management.automation import Automation, where
from openfeature_kameleoon.management.automation.filters import (
    Condition,
    Expression,
    Group,
    as_array,
    as_expression,
    as_orders,
)
from tests.management.examples import example

BASE = "https://api.kameleoon.com"

x, y, z = where.x == 1, where.y == 2, where.z == 3
X, Y, Z = as_expression(x), as_expression(y), as_expression(z)


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def automation() -> Iterator[Automation]:
    with Automation(token="token-of-tests") as automation:
        yield automation


def both(operator: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"conditionalOperator": operator, "expressions": list(expressions)}


# --- operators (spec 3.3) -------------------------------------------------------------------------------------

OPERATORS: list[tuple[Condition, str, list[object]]] = [
    (where.name == "Test", "EQUAL", ["Test"]),
    (where.name.equal("Test"), "EQUAL", ["Test"]),
    (where.name.equal("a", "b"), "EQUAL", ["a", "b"]),
    (where.name != "Test", "NOT_EQUAL", ["Test"]),
    (where.name.not_equal("a", "b"), "NOT_EQUAL", ["a", "b"]),
    (where.name < 5, "LESS", [5]),
    (where.name <= 5, "LESS_OR_EQUAL", [5]),
    (where.name > 5, "GREATER", [5]),
    (where.name >= 5, "GREATER_OR_EQUAL", [5]),
    (where.name.between(1, 3), "BETWEEN", [1, 3]),
    (where.name.like("%shop%"), "LIKE", ["%shop%"]),
    (where.name.not_like("shop"), "NOT_LIKE", ["shop"]),
    (where.name.is_in("PAUSED", "STOPPED"), "IN", ["PAUSED", "STOPPED"]),
    (where.name.not_in(1), "NOT_IN", [1]),
    (where.name.is_not("x"), "NOT", ["x"]),
    (where.name.is_null(), "IS_NULL", []),
    (where.name.is_not_null(), "IS_NOT_NULL", []),
    (where.name.is_true(), "IS_TRUE", []),
    (where.name.is_false(), "IS_FALSE", []),
    (where.name.is_empty(), "IS_EMPTY", []),
    (where.name.is_not_empty(), "IS_NOT_EMPTY", []),
    (where.name.contains("a", "b"), "CONTAINS", ["a", "b"]),
]

DOCUMENTED = (
    "EQUAL NOT_EQUAL LESS LESS_OR_EQUAL GREATER GREATER_OR_EQUAL BETWEEN LIKE NOT_LIKE IN NOT_IN NOT IS_NULL"
    " IS_NOT_NULL IS_TRUE IS_FALSE IS_EMPTY IS_NOT_EMPTY CONTAINS"
)


@pytest.mark.parametrize(("condition", "operator", "parameters"), OPERATORS)
def test_a_condition_stands_for_its_json(condition: Condition, operator: str, parameters: list[object]) -> None:
    told = {"field": "name", "operator": operator, "parameters": parameters}

    assert as_expression(condition) == told
    assert as_array(condition) == [told]


def test_every_documented_operator_can_be_said() -> None:
    assert {operator for _, operator, _ in OPERATORS} == set(DOCUMENTED.split())


def test_a_value_may_stand_on_either_side() -> None:
    value: Any = 5  # for a type checker knows that an int compares with ints

    assert (value < where.size) == (where.size > 5)
    assert (value >= where.size) == (where.size <= 5)
    assert (value == where.size) == (where.size == 5)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime(2026, 3, 1), "2026-03-01T00:00:00"),
        (datetime(2026, 3, 1, tzinfo=timezone.utc), "2026-03-01T00:00:00Z"),
        (True, True),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_values_are_json_and_dates_text(value: object, sent: object) -> None:
    assert as_expression(where.date_modified > value)["parameters"] == [sent]


@pytest.mark.parametrize("name", ["equal", "not_equal", "is_in", "not_in", "contains"])
def test_a_comparison_with_nothing_is_refused_for_nobody_knows_what_it_finds(name: str) -> None:
    compare = getattr(where.status, name)

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        compare(*[])


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        (where.id, "id"),
        (where.site_id, "siteId"),
        (where.siteId, "siteId"),
        (where.date_status_modified, "dateStatusModified"),
        (where.baseURL, "baseURL"),
        (where["base_url"], "base_url"),
        (where["in"], "in"),
    ],
)
def test_a_property_has_its_name_here_or_on_the_wire(name: Any, wire: str) -> None:
    assert as_expression(name == 1)["field"] == wire


def test_the_builder_is_no_property_of_pythons_own() -> None:
    with pytest.raises(AttributeError):
        _ = where.__wrapped__


# --- and, or (spec 3.4) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (x & y, both("AND", X, Y)),
        (x | y, both("OR", X, Y)),
        (x & y & z, both("AND", X, Y, Z)),
        (x & (y & z), both("AND", X, Y, Z)),
        (x | y | z, both("OR", X, Y, Z)),
        (x & (y | z), both("AND", X, both("OR", Y, Z))),
        ((x | y) & z, both("AND", both("OR", X, Y), Z)),
        (x & y | z, both("OR", both("AND", X, Y), Z)),
        ((x | y) & (y | z), both("AND", both("OR", X, Y), both("OR", Y, Z))),
        ((x & y) | (y & z), both("OR", both("AND", X, Y), both("AND", Y, Z))),
        (((x & y) | z) & x, both("AND", both("OR", both("AND", X, Y), Z), X)),
    ],
)
def test_expressions_nest_and_the_same_join_is_one_level(expression: Expression, told: dict[str, Any]) -> None:
    assert as_expression(expression) == told


@pytest.mark.parametrize(
    "write",
    [
        lambda: x and y,
        lambda: x or y,
        lambda: not x,
        lambda: (x & y) and z,
        lambda: not (x | y),
        lambda: 1 < where.x < 3,
        lambda: where.x == where.y == 3,
        lambda: bool(x),
        lambda: [one for one in (x, y) if one],
    ],
)
def test_what_python_would_take_for_a_truth_is_refused(write: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"joined by & and \|"):
        write()


def holds(told: dict[str, Any], facts: dict[str, bool]) -> bool:
    """What an expression's JSON says of facts by field."""
    if "field" in told:
        return facts[told["field"]]
    join = {"AND": all, "OR": any}[told["conditionalOperator"]]
    return join([holds(part, facts) for part in told["expressions"]])


EXPRESSIONS = st.recursive(
    st.sampled_from("abcd").map(lambda name: (where[name].is_true(), name)),
    lambda inner: st.tuples(inner, st.sampled_from("&|"), inner).map(
        lambda parts: (
            parts[0][0] & parts[2][0] if parts[1] == "&" else parts[0][0] | parts[2][0],
            f"({parts[0][1]} {parts[1]} {parts[2][1]})",
        )
    ),
)


@given(EXPRESSIONS, st.fixed_dictionaries(dict.fromkeys("abcd", st.booleans())))
def test_an_expression_means_what_its_operators_mean(written: tuple[Expression, str], facts: dict[str, bool]) -> None:
    expression, text = written

    assert holds(as_expression(expression), facts) == bool(eval(text, {}, facts))


# --- lists: an array of conditions that must all hold ---------------------------------------------------------


def test_the_filter_of_a_list_is_an_array() -> None:
    assert as_array(x) == [X]
    assert as_array(x & y & z) == [X, Y, Z]


@pytest.mark.parametrize("expression", [x | y, x & (y | z), (x | y) & z, Group("AND", (x, Group("OR", (y, z))))])
def test_the_filter_of_a_list_knows_no_or(automation: Automation, expression: Expression) -> None:
    with pytest.raises(ValueError, match=r"joins by AND alone; \| is for search"):
        automation.experiments.list(filter=expression)


@pytest.mark.parametrize(
    ("sort", "told"),
    [
        (where.date_modified.descending(), [{"field": "dateModified", "direction": "DESC"}]),
        ([where.name.ascending()], [{"field": "name", "direction": "ASC"}]),
        (
            [where.site_id.ascending(), where.name.descending()],
            [{"field": "siteId", "direction": "ASC"}, {"field": "name", "direction": "DESC"}],
        ),
        ([], []),
    ],
)
def test_a_sort_has_its_major_key_first(sort: Any, told: list[dict[str, str]]) -> None:
    assert as_orders(sort) == told


def test_a_list_asks_by_the_documented_url(automation: Automation, vendor: responses.RequestsMock) -> None:
    document = example("automation-list-query")
    vendor.get(f"{BASE}/experiments", json=[{"id": 1}] * 50, headers=document["response_headers"])
    found = automation.experiments.list(
        filter=(
            (where.site_id == 9120)
            & where.status.is_in("PAUSED", "STOPPED")
            & (where.date_status_modified > "2026-03-01T00:00:00")
        ),
        sort=where.date_modified.descending(),
        optional_fields=("goals", "tags"),
        per_page=50,
    )

    for _ in range(51):
        next(found)

    assert vendor.calls[1].request.url == document["url"]
    sent = dict(parse_qsl(urlsplit(document["url"]).query))
    assert json.loads(sent["filter"]) == document["decoded"]["filter"]
    assert json.loads(sent["sort"]) == document["decoded"]["sort"]


def test_the_vendors_smallest_example_is_sent_as_it_stands_there(
    automation: Automation, vendor: responses.RequestsMock
) -> None:
    vendor.get(f"{BASE}/goals", json=[])

    assert list(automation.goals.list(filter=where.name == "Test")) == []

    sent = dict(parse_qsl(urlsplit(str(vendor.calls[0].request.url)).query))
    assert sent["filter"] == '[{"field":"name","operator":"EQUAL","parameters":["Test"]}]'
    assert "sort" not in sent
    assert "optionalFields" not in sent


# --- searches: one expression in the body ---------------------------------------------------------------------

SEARCHES: dict[str, dict[str, Any]] = {
    "simple": {"filter": where.name.like("checkout"), "sort": where.name.ascending()},
    "combined": {
        "filter": (where.site_code == "k3v9qd7w2m") & (where.feature_key.like("pay") | where.tags.contains("billing")),
    },
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_sends_the_documented_body(automation: Automation, vendor: responses.RequestsMock, name: str) -> None:
    vendor.post(f"{BASE}/feature-flags/search", json=[])

    assert list(automation.feature_flags.search(**SEARCHES[name], per_page=20)) == []

    request = vendor.calls[0].request
    assert json.loads(request.body or "") == example("automation-search-request")[name]
    assert request.headers["Content-Type"] == "application/json"
    assert request.url == f"{BASE}/feature-flags/search"


def test_a_search_without_a_filter_is_for_all_and_optional_fields_stay_in_the_query(
    automation: Automation, vendor: responses.RequestsMock
) -> None:
    vendor.post(f"{BASE}/feature-flags/search", json=[])

    assert list(automation.feature_flags.search(optional_fields=["tags", "description"])) == []

    request = vendor.calls[0].request
    assert json.loads(request.body or "") == {"page": 1, "perPage": 200}
    assert request.url == f"{BASE}/feature-flags/search?optionalFields=tags%2Cdescription"


def test_a_list_as_one_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"one by one, as is_in\(\*values\)"):
        where.status.is_in(["PAUSED", "STOPPED"])
