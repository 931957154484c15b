"""Lines on the wire: whatever an event holds, a strict reader gets exactly that back (reliability.md R23)."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.tracking.events import (
    ACTIVITY,
    FORMS,
    Event,
    Line,
    Report,
    Reported,
    Written,
    block,
    lines_of,
)
from openfeature_kameleoon.visitors.data import (
    Browser,
    BrowserType,
    Conversion,
    CustomData,
    Device,
    DeviceType,
    Geolocation,
    PageView,
)
from openfeature_kameleoon.visitors.traits import Exposure, RecordedConversion, VisitHistory

ANY_TEXT = st.text(max_size=30)
HOSTILE = "a\r\nSet-Cookie: x=1&eventType=activity#?%00;,\"'\u2028é\U0001f600"

PARAMETER = re.compile(r"[a-zA-Z]+=[A-Za-z0-9_.~!*'()%-]*")


def line(data: Reported, code: str = "v", *, is_mapping_value: bool = False) -> str:
    [written] = lines_of(Report(code, (Event(data, 0xABC),), is_mapping_value))
    return written.text


def parameters(text: str) -> dict[str, str]:
    """What a strict reader makes of a line: every part well-formed, no name twice."""
    parts = text.split("&")
    assert all(PARAMETER.fullmatch(part) for part in parts)
    pairs = [part.partition("=") for part in parts]
    names = [name for name, _, _ in pairs]
    assert len(names) == len(set(names))
    return {name: unquote(value, errors="strict") for name, _, value in pairs}


def test_a_line_begins_with_the_nonce_of_its_event() -> None:
    assert line(ACTIVITY) == "nonce=0000000000000ABC&eventType=activity&visitorCode=v"


def test_a_user_id_is_named_as_such() -> None:
    assert line(ACTIVITY, "user 1", is_mapping_value=True).endswith("&mappingValue=user%201")


@given(code=ANY_TEXT.filter(bool), agent=ANY_TEXT.filter(bool))
def test_any_visitor_code_and_user_agent_come_through(code: str, agent: str) -> None:
    lines = lines_of(Report(code, (Event(ACTIVITY, 1), Event(Device(DeviceType.PHONE), 2))))

    first, second = map(parameters, block(lines, agent))

    assert first["visitorCode"] == second["visitorCode"] == code
    assert first["userAgent"] == agent
    assert "userAgent" not in second


@given(values=st.lists(ANY_TEXT))
def test_any_custom_data_come_through(values: list[str]) -> None:
    read = parameters(line(CustomData(3, *values)))

    assert json.loads(read["valuesCountMap"]) == dict.fromkeys(values, 1)


@given(url=ANY_TEXT.filter(bool), title=ANY_TEXT)
def test_any_page_comes_through(url: str, title: str) -> None:
    read = parameters(line(PageView(url, title)))

    assert (read["href"], read.get("title", "")) == (url, title)


@given(country=ANY_TEXT, city=ANY_TEXT, latitude=st.floats(allow_nan=False) | st.none())
def test_any_place_comes_through(country: str, city: str, latitude: float | None) -> None:
    read = parameters(line(Geolocation(country, city=city, latitude=latitude)))

    assert (read.get("country", ""), read.get("city", "")) == (country, city)
    assert read.get("latitude") == (None if latitude is None else str(latitude))


@given(metadata=st.dictionaries(st.integers(0, 99), st.lists(ANY_TEXT, max_size=3), max_size=3))
def test_any_metadata_of_a_conversion_come_through(metadata: dict[int, list[str]]) -> None:
    data = tuple(CustomData(index, *values) for index, values in metadata.items())

    read = parameters(line(RecordedConversion(Conversion(5, 9.5, metadata=data), 0.0)))

    assert json.loads(read.get("metadata", "{}")) == {str(index): values for index, values in metadata.items()}


@pytest.mark.parametrize("data", [PageView(HOSTILE, HOSTILE), CustomData(1, HOSTILE), Geolocation(HOSTILE)])
def test_hostile_text_splits_no_line_and_adds_no_parameter(data: PageView | CustomData | Geolocation) -> None:
    read = parameters(line(data, HOSTILE))

    assert read["visitorCode"] == HOSTILE
    assert read["eventType"] != "activity"


def test_a_lone_surrogate_is_written_as_something() -> None:
    assert parameters(line(PageView("https://a/\ud800")))["href"] == "https://a/?"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (Browser(BrowserType.OTHER, 15.0), "staticData&browserIndex=5&browserVersion=15.0"),
        (Exposure(1, 0, None), "experiment&id=1&variationId=0"),
        (VisitHistory((), 7, 0.0015), "staticData&visitNumber=7&timeSincePreviousVisit=2"),
    ],
)
def test_numbers_are_written_as_the_server_knows_them(data: Reported, expected: str) -> None:
    assert f"&eventType={expected}&" in line(data)


def test_a_visitors_lines_stand_in_the_order_of_their_kinds_and_then_of_time() -> None:
    lines = [Line(8, "b"), Line(10, "c"), Line(1, "a"), Line(8, "b2")]

    assert block(lines, None) == ("a", "b", "b2", "c")


def test_a_line_that_somebody_else_wrote_stays_as_it_is() -> None:
    written = "eventType=page&href=a%20b&visitorCode=v&nonce=0123456789ABCDEF"

    [line] = lines_of(Report("other", (Event(Written(written), 0),), user_agent=None))

    assert line.text == written
    assert written not in f"{line} {Written(written)}"


def test_conversions_stand_after_everything_else() -> None:
    last = max(FORMS, key=lambda kind: FORMS[kind].rank)

    assert last is RecordedConversion
