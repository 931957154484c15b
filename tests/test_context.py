"""From the attributes of an evaluation context to visitor data, and what is refused of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.context import (
    KINDS,
    conversion_metadata,
    goal_id,
    new_data,
    revenue_of,
    variable_key,
)
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.errors import VisitorDataInvalid
from openfeature_kameleoon.visitors.data import (
    Conversion,
    CustomData,
    Data,
    Device,
    DeviceType,
    PageView,
)
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.faces import site
from tests.vectors import as_bytes

INDEX = DataFileIndex.read(as_bytes(site()))


class Text(str):
    """A string of another class, as frameworks have them."""

    __slots__ = ()


class Plan(str, Enum):
    VIP = "vip"


def read(attributes: Mapping[str, Any], visitor: Visitor | None = None) -> list[Data]:
    return new_data(attributes, visitor or Visitor("somebody"), INDEX)


def refusal(attributes: Mapping[str, Any]) -> str:
    with pytest.raises(VisitorDataInvalid) as caught:
        read(attributes)
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("vip", ("vip",)),
        ("", ("",)),
        (Text("vip"), ("vip",)),
        (Plan.VIP, ("vip",)),
        (True, ("true",)),
        (False, ("false",)),
        (5, ("5",)),
        (-(2**70), ("-1180591620717411303424",)),
        (5.0, ("5",)),
        (-0.0, ("0",)),
        (0.1, ("0.1",)),
        (1e21, ("1e+21",)),
        (date(2026, 9, 1), ("2026-09-01",)),
        (datetime(2026, 9, 1, 10, tzinfo=timezone(timedelta(hours=2))), ("2026-09-01T08:00:00.000Z",)),
        (["a", 1, True, 2.5], ("a", "1", "true", "2.5")),
        (("a",), ("a",)),
        ([], ()),
        ({"b", "a", "c"}, ("a", "b", "c")),  # of a set no order is kept: a fixed one
        ({"a": [1, None]}, ('{"a":[1,null]}',)),
        ("é\U0001f600", ("é\U0001f600",)),
    ],
)
def test_an_attribute_fills_the_custom_datum_of_its_name(value: object, texts: tuple[str, ...]) -> None:
    assert read({"plan": value}) == [CustomData(0, *texts)]


@pytest.mark.parametrize("attributes", [{}, {"plan": None}, {"Plan": "vip"}, {"": 1}, {"nobody knows it": object()}])
def test_what_names_no_custom_datum_is_ignored(attributes: dict[str, Any]) -> None:
    assert read(attributes) == []


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
CYCLIC: dict[str, Any] = {}
CYCLIC["self"] = CYCLIC
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [
        *(nan, inf, -inf, b"vip", object(), 1j, [None], [[1]], [nan], "\ud800", ["\udfff"], range(3)),
        *({"a": nan}, {"a": b"x"}, {(1, 2): 3}, CYCLE, CYCLIC, {"a": DEEP}, DEEP, 10**5000, [10**5000]),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_a_form_as_text_is_refused_by_the_attributes_name(value: object) -> None:
    assert "'plan'" in refusal({"cart value": 1, "plan": value})


@pytest.mark.parametrize("value", ["vip", 5, 2.5, True, ["a", "b"], ("a",), [], {"a": 1}, {"b", "a"}])
def test_a_value_that_the_visitor_has_is_not_new(value: object) -> None:
    visitor = Visitor("somebody")
    for data in read({"plan": value}, visitor):
        add_data(visitor, data, INDEX, 0.0)

    assert 0 in visitor.custom_data
    assert read({"plan": value}, visitor) == []


def test_what_has_changed_is_new_alone() -> None:
    visitor = Visitor("somebody")
    for data in read({"plan": "vip", "cart value": 20, "device": "PHONE"}):
        add_data(visitor, data, INDEX, 0.0)

    new = read({"plan": "vip", "cart value": 30, "device": "TABLET"}, visitor)

    assert new == [CustomData(1, "30"), Device(DeviceType.TABLET)]


# --- the rest of a context ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({}, None),
        ({"variableKey": None}, None),
        ({"variableKey": ""}, ""),
        ({"variableKey": "a"}, "a"),
        ({"variableKey": Text("a")}, "a"),
    ],
)
def test_the_variable_key_is_a_text_or_none(attributes: dict[str, Any], key: str | None) -> None:
    assert variable_key(attributes) == key


@pytest.mark.parametrize("key", [0, True, ["a"], b"a", object()])
def test_another_variable_key_is_refused(key: object) -> None:
    with pytest.raises(VisitorDataInvalid, match="'variableKey': a string is expected"):
        variable_key({"variableKey": key})


def test_a_goal_is_found_by_name_before_it_is_an_id() -> None:
    assert goal_id("purchase", {"purchase": 7}) == 7
    assert goal_id("12", {"purchase": 7}) == 12
    assert goal_id("12", {"12": 7}) == 7


@pytest.mark.parametrize("name", ["", "unknown", "-1", "1.0", " 1", "\u0661", "9" * 5000])
def test_what_is_no_goal_is_refused(name: str) -> None:
    with pytest.raises(VisitorDataInvalid, match="neither a goal id nor a name"):
        goal_id(name, {"purchase": 7})


@pytest.mark.parametrize(("value", "revenue"), [(None, 0.0), (0, 0.0), (5, 5.0), (-2.5, -2.5), (2**70, 2.0**70)])
def test_a_value_is_a_revenue(value: object, revenue: float) -> None:
    assert revenue_of(value) == revenue


@pytest.mark.parametrize("value", [nan, inf, 10**400, True, "5", b"5", [5]])
def test_what_is_no_finite_number_is_no_revenue(value: object) -> None:
    with pytest.raises(VisitorDataInvalid, match="cannot be a revenue"):
        revenue_of(value)


def test_metadata_are_the_attributes_that_name_custom_data() -> None:
    attributes = {"plan": "vip", "cart value": [1, 2], "colour": "red", "note": None}

    assert conversion_metadata(attributes, INDEX) == (CustomData(0, "vip"), CustomData(1, "1", "2"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([f.name for kind in KINDS.values() for f in kind.fields]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*KINDS, *INDEX.custom_data_by_name, "variableKey"]) | st.text(), VALUES))
def test_any_attributes_are_data_or_refused(attributes: dict[str, Any]) -> None:
    try:
        new = read(attributes)
    except VisitorDataInvalid:
        return

    visitor = Visitor("somebody")
    for data in new:
        add_data(visitor, data, INDEX, 0.0)
    assert all(type(data) is Conversion or type(data) is PageView for data in read(attributes, visitor))
