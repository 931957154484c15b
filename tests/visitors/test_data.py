"""The kinds of visitor data: what callers make of them, and values as the texts that Kameleoon knows."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    DataType,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
    as_text,
)

HALF_PAST_IN_INDIA = timezone(timedelta(hours=5, minutes=30))


class Shout(str):
    """A text of another class, such as a framework's safe string."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Plan(str, Enum):
    GOLD = "gold"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("text", "text"),
        ("ünïcødé", "ünïcødé"),
        (Shout("quiet"), "quiet"),
        (Plan.GOLD, "gold"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (5, "5"),
        (-5, "-5"),
        (BrowserType.SAFARI, "3"),
        (2**70, "1180591620717411303424"),
        (0.0, "0"),
        (-0.0, "0"),
        (5.0, "5"),
        (-5.5, "-5.5"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1.25e-5, "0.0000125"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (5e-324, "5e-324"),
        (datetime(2026, 9, 21, 12, 30, 5, 123999, tzinfo=timezone.utc), "2026-09-21T12:30:05.123Z"),
        (datetime(2026, 9, 21, 1, 0, tzinfo=HALF_PAST_IN_INDIA), "2026-09-20T19:30:00.000Z"),
        (date(2026, 9, 21), "2026-09-21"),
    ],
)
def test_a_value_becomes_the_text_that_the_front_end_writes(value: object, text: str) -> None:
    written = as_text(value)

    assert written == text
    assert type(written) is str


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (float("nan"), "NaN or infinite"),
        (float("inf"), "NaN or infinite"),
        (float("-inf"), "NaN or infinite"),
        (None, "NoneType"),
        (b"bytes", "bytes"),
        (["a"], "list"),
        ({"a": 1}, "dict"),
        (1j, "complex"),
        (Decimal("1.5"), "Decimal"),
        ("\ud800", "surrogate"),
    ],
)
def test_a_value_without_such_a_text_is_refused(value: object, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        as_text(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number(value: float) -> None:
    text = as_text(value)

    assert float(text) == value
    assert not text.endswith(".0")
    assert "E" not in text
    assert "e0" not in text


def test_a_custom_datum_is_given_by_index_or_by_name() -> None:
    by_index, by_name = CustomData(3, "gold", 5.0), CustomData("plan", True, overwrite=False)

    assert (by_index.index, by_index.name, by_index.values) == (3, None, ("gold", "5"))
    assert by_index.overwrite
    assert (by_name.index, by_name.name, by_name.values) == (-1, "plan", ("true",))
    assert not by_name.overwrite
    assert by_index.id == 3
    assert CustomData(3).values == ()


def test_the_keyword_of_2x_adds_a_value_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="by position"):
        datum = CustomData(3, "a", value="b")

    assert datum.values == ("a", "b")


def test_positions_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert CustomData(3, "a").values == ("a",)


def test_custom_data_are_values() -> None:
    assert CustomData(3, "a") == CustomData(3, "a") != CustomData(3, "b")
    assert CustomData(3, "a") != CustomData(3, "a", overwrite=False)
    assert CustomData(3, "a") != "a"
    assert len({CustomData(3, "a"), CustomData(3, "a"), CustomData("plan", "a")}) == 2


def test_a_custom_datum_does_not_change() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        CustomData(3, "a").index = 4


DATA: list[Any] = [
    ApplicationVersion("2.5"),
    Browser(BrowserType.CHROME, 120.0),
    Conversion(1, 9.5),
    Cookie({"secret": "value"}),
    Device(DeviceType.PHONE),
    Geolocation("France"),
    OperatingSystem(OperatingSystemType.MAC),
    PageView("/home"),
    UniqueIdentifier(True),
    UserAgent("Mozilla"),
]


@pytest.mark.parametrize("data", DATA, ids=lambda data: type(data).__name__)
def test_data_do_not_change(data: Any) -> None:
    field = type(data).__match_args__[0]

    with pytest.raises(AttributeError):
        setattr(data, field, None)


def test_nothing_personal_is_shown() -> None:
    assert "gold" not in repr(CustomData(3, "gold", "secret"))
    assert repr(CustomData(3, "gold", "secret")) == "CustomData(3, 2 values)"
    assert repr(CustomData("plan")) == "CustomData('plan', 0 values)"
    assert "value" not in repr(Cookie({"secret": "value"}))


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (BrowserType, {"CHROME": 0, "INTERNET_EXPLORER": 1, "FIREFOX": 2, "SAFARI": 3, "OPERA": 4, "OTHER": 5}),
        (
            OperatingSystemType,
            {"WINDOWS": 0, "MAC": 1, "IOS": 2, "LINUX": 3, "ANDROID": 4, "WINDOWS_PHONE": 5},
        ),
        (DeviceType, {"PHONE": "PHONE", "TABLET": "TABLET", "DESKTOP": "DESKTOP"}),
    ],
)
def test_kinds_have_kameleoons_numbers(kind: type[Enum], numbers: dict[str, object]) -> None:
    assert {member.name: member.value for member in kind} == numbers


def test_data_types_have_kameleoons_numbers() -> None:
    assert [kind.name for kind in sorted(DataType)] == [
        *("CUSTOM_DATA", "BROWSER", "CONVERSION", "DEVICE", "PAGE_VIEW", "USER_AGENT", "ASSIGNED_VARIATION"),
        *("COOKIE", "OPERATING_SYSTEM", "GEOLOCATION", "PAGE_VIEW_VISIT", "VISITOR_VISITS", "KCS_HEAT"),
        *("UNIQUE_IDENTIFIER", "FORCED_EXPERIMENT_VARIATION", "FORCED_FEATURE_VARIATION", "CBS"),
        *("PERSONALIZATION", "TARGETED_SEGMENT", "APPLICATION_VERSION"),
    ]
    assert [kind.value for kind in sorted(DataType)] == list(range(20))
