"""Reserved attributes of an evaluation context: every kind of data in every form, and what is refused of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import inf, nan
from typing import Any

import pytest

from openfeature_kameleoon.context import KINDS, new_data
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.errors import VisitorDataInvalid
from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.faces import site
from tests.vectors import as_bytes

INDEX = DataFileIndex.read(as_bytes(site()))


class Text(str):
    """A string of another class, as frameworks have them."""

    __slots__ = ()


def read(attributes: Mapping[str, Any], visitor: Visitor | None = None) -> list[Data]:
    return new_data(attributes, visitor or Visitor("somebody"), INDEX)


RESERVED: list[tuple[str, object, list[Data]]] = [
    ("applicationVersion", {"version": "2.5.0"}, [ApplicationVersion("2.5.0")]),
    ("applicationVersion", "2.5.0", [ApplicationVersion("2.5.0")]),
    ("browser", {"browserType": "chrome", "version": 120}, [Browser(BrowserType.CHROME, 120.0)]),
    ("browser", {"browserType": BrowserType.OTHER, "version": None}, [Browser(BrowserType.OTHER)]),
    ("browser", "SAFARI", [Browser(BrowserType.SAFARI)]),
    ("conversion", {"goalId": 5}, [Conversion(5)]),
    ("conversion", 5, [Conversion(5)]),
    ("conversion", [{"goalId": 5, "revenue": 2}, 6], [Conversion(5, 2.0), Conversion(6)]),
    (
        "conversion",
        {"goalId": 5, "revenue": 2.5, "negative": True, "metadata": [{"index": 1, "values": "a"}, CustomData(2, "b")]},
        [Conversion(5, 2.5, True, (CustomData(1, "a"), CustomData(2, "b")))],
    ),
    (
        "conversion",
        {"goalId": 5, "metadata": {"name": "plan", "values": ["a", "b"]}},
        [Conversion(5, metadata=(CustomData("plan", "a", "b"),))],
    ),
    ("cookie", {"cookies": {"tier": "gold"}}, [Cookie({"tier": "gold"})]),
    ("cookie", {"tier": "gold"}, [Cookie({"tier": "gold"})]),
    ("customData", {"index": 1, "values": "20"}, [CustomData(1, "20")]),
    ("customData", {"index": 1, "values": ["20", "30"]}, [CustomData(1, "20", "30")]),
    ("customData", {"index": 1, "values": 20}, [CustomData(1, "20")]),
    ("customData", {"index": 1, "values": [True, 2.0, date(2026, 9, 1)]}, [CustomData(1, "true", "2", "2026-09-01")]),
    ("customData", {"index": 1}, [CustomData(1)]),
    ("customData", {"name": "plan", "values": "vip", "overwrite": False}, [CustomData("plan", "vip", overwrite=False)]),
    (
        "customData",
        [{"index": 1, "values": "a"}, {"index": 2, "values": "b"}],
        [CustomData(1, "a"), CustomData(2, "b")],
    ),
    ("customData", ({"index": 1, "values": "a"}, None), [CustomData(1, "a")]),
    ("customData", CustomData(7, "x"), [CustomData(7, "x")]),
    (
        "customData",
        [CustomData("plan", "x"), {"index": 1, "values": "a"}],
        [CustomData("plan", "x"), CustomData(1, "a")],
    ),
    ("device", {"deviceType": "tablet"}, [Device(DeviceType.TABLET)]),
    ("device", "Phone", [Device(DeviceType.PHONE)]),
    ("device", DeviceType.DESKTOP, [Device(DeviceType.DESKTOP)]),
    (
        "geolocation",
        {
            "country": "France",
            "region": "IDF",
            "city": "Paris",
            "postalCode": "75002",
            "latitude": 48,
            "longitude": 2.3,
        },
        [Geolocation("France", "IDF", "Paris", "75002", 48.0, 2.3)],
    ),
    ("geolocation", "France", [Geolocation("France")]),
    ("operatingSystem", {"osType": "linux"}, [OperatingSystem(OperatingSystemType.LINUX)]),
    ("operatingSystem", OperatingSystemType.IOS, [OperatingSystem(OperatingSystemType.IOS)]),
    ("pageView", {"url": "https://a", "title": "A", "referrers": [1, 2]}, [PageView("https://a", "A", (1, 2))]),
    ("pageView", {"url": "https://a", "referrers": 1}, [PageView("https://a", referrers=(1,))]),
    ("pageView", "https://a", [PageView("https://a")]),
    ("pageView", ["https://a", PageView("https://b")], [PageView("https://a"), PageView("https://b")]),
    ("uniqueIdentifier", {"value": True}, [UniqueIdentifier(True)]),
    ("uniqueIdentifier", True, [UniqueIdentifier(True)]),
    ("userAgent", {"value": "Mozilla"}, [UserAgent("Mozilla")]),
    ("userAgent", Text("Mozilla"), [UserAgent("Mozilla")]),
]


@pytest.mark.parametrize(("name", "value", "expected"), RESERVED)
def test_a_reserved_attribute_becomes_data(name: str, value: object, expected: list[Data]) -> None:
    assert read({name: value}) == expected


@pytest.mark.parametrize("name", KINDS)
def test_every_field_of_every_kind_is_in_the_table(name: str) -> None:
    rows = [value for attribute, value, _ in RESERVED if attribute == name and isinstance(value, Mapping)]

    assert {field.name for field in KINDS[name].fields} <= {key for row in rows for key in row}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_takes_the_data_object_itself(name: str) -> None:
    of_kind = next(expected[0] for attribute, _, expected in RESERVED if attribute == name)

    assert read({name: of_kind}) == read({name: [of_kind]}) == [of_kind]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("nothing", [None, [], (), [None, None]])
def test_nothing_is_no_data(name: str, nothing: object) -> None:
    assert read({name: nothing}) == []


def test_a_reserved_attribute_wins_over_a_custom_datum_of_its_name() -> None:
    assert "device" in INDEX.custom_data_by_name

    assert read({"device": "PHONE"}) == [Device(DeviceType.PHONE)]


@pytest.mark.parametrize(
    ("attributes", "attribute", "field", "problem"),
    [
        ({"applicationVersion": 2}, "applicationVersion", "version", "not int"),
        ({"browser": {}}, "browser", "browserType", "missing"),
        ({"browser": "Netscape"}, "browser", "browserType", "one of CHROME"),
        ({"browser": 0}, "browser", "browserType", "one of CHROME"),
        ({"browser": {"browserType": "CHROME", "version": "120"}}, "browser", "version", "not str"),
        ({"browser": {"browserType": "CHROME", "version": nan}}, "browser", "version", "finite"),
        ({"conversion": {"revenue": 3}}, "conversion", "goalId", "missing"),
        ({"conversion": {"goalId": "5"}}, "conversion", "goalId", "not str"),
        ({"conversion": {"goalId": True}}, "conversion", "goalId", "not bool"),
        ({"conversion": {"goalId": 5.0}}, "conversion", "goalId", "not float"),
        ({"conversion": {"goalId": 5, "revenue": inf}}, "conversion", "revenue", "finite"),
        ({"conversion": {"goalId": 5, "revenue": 10**400}}, "conversion", "revenue", "too large"),
        ({"conversion": {"goalId": 5, "revenue": True}}, "conversion", "revenue", "not bool"),
        ({"conversion": {"goalId": 5, "negative": 1}}, "conversion", "negative", "not int"),
        ({"conversion": {"goalId": 5, "metadata": "x"}}, "conversion.metadata", "index", "not str"),
        ({"cookie": "tier=gold"}, "cookie", "cookies", "a mapping"),
        ({"cookie": {"tier": 1}}, "cookie", "cookies", "not int"),
        ({"cookie": {1: "gold"}}, "cookie", "cookies", "not int"),
        ({"customData": {"values": "x"}}, "customData", "index", "missing, and so is 'name'"),
        ({"customData": "20"}, "customData", "index", "not str"),
        ({"customData": {"index": "1", "values": "x"}}, "customData", "index", "not str"),
        ({"customData": {"index": True, "values": "x"}}, "customData", "index", "not bool"),
        ({"customData": {"index": -1, "values": "x"}}, "customData", "index", "negative"),
        ({"customData": {"name": 5, "values": "x"}}, "customData", "name", "not int"),
        ({"customData": {"index": 1, "values": {"a": 1}}}, "customData", "values", "dict"),
        ({"customData": {"index": 1, "values": ["a", None]}}, "customData", "values", "NoneType"),
        ({"customData": {"index": 1, "values": nan}}, "customData", "values", "NaN"),
        ({"customData": {"index": 1, "values": "\ud800"}}, "customData", "values", "surrogate"),
        ({"customData": {"index": 1, "values": "x", "overwrite": "no"}}, "customData", "overwrite", "not str"),
        ({"device": "WATCH"}, "device", "deviceType", "one of PHONE"),
        ({"geolocation": {"city": "Paris"}}, "geolocation", "country", "missing"),
        ({"geolocation": {"country": "France", "latitude": inf}}, "geolocation", "latitude", "finite"),
        ({"operatingSystem": ["LINUX", 3]}, "operatingSystem", "osType", "one of WINDOWS"),
        ({"pageView": {"url": "https://a", "title": 5}}, "pageView", "title", "not int"),
        ({"pageView": {"url": "https://a", "referrers": ["1"]}}, "pageView", "referrers", "not str"),
        ({"pageView": b"https://a"}, "pageView", "url", "not bytes"),
        ({"uniqueIdentifier": "yes"}, "uniqueIdentifier", "value", "not str"),
        ({"userAgent": ["Mozilla", 1.5]}, "userAgent", "value", "not float"),
    ],
)
def test_a_malformed_reserved_attribute_is_refused_by_name(
    attributes: dict[str, Any], attribute: str, field: str, problem: str
) -> None:
    with pytest.raises(VisitorDataInvalid) as refused:
        read(attributes)

    assert f"{attribute!r}, field {field!r}" in refused.value.message
    assert problem in refused.value.message


# --- what is known already ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, value, _ in RESERVED if name not in ("conversion", "pageView")]
)
def test_what_the_visitor_has_is_not_new(name: str, value: object) -> None:
    visitor = Visitor("somebody")
    new = read({name: value}, visitor)
    for data in new:
        add_data(visitor, data, INDEX, 0.0)

    assert new
    assert read({name: value}, visitor) == []


def test_a_page_is_new_again_after_another_one() -> None:
    visitor = Visitor("somebody")
    for time, url in enumerate(("https://a", "https://b")):
        add_data(visitor, PageView(url), INDEX, float(time))

    assert read({"pageView": "https://b"}, visitor) == []
    assert read({"pageView": "https://a"}, visitor) == [PageView("https://a")]


def test_a_conversion_is_always_new() -> None:
    visitor = Visitor("somebody")
    add_data(visitor, Conversion(5), INDEX, 0.0)

    assert read({"conversion": 5}, visitor) == [Conversion(5)]
