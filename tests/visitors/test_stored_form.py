"""A visitor becomes fields and comes back the same, whatever is known of it; what makes no sense stays out."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    CustomData,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UserAgent,
)
from openfeature_kameleoon.visitors.field_changes import changes
from openfeature_kameleoon.visitors.stored_form import ABSENT, KINDS, TRAITS, alias_of, decode, encode, put
from openfeature_kameleoon.visitors.traits import (
    Assignment,
    Exposure,
    ForcedVariation,
    LegalConsent,
    PageVisit,
    RecordedConversion,
    Traits,
    VisitHistory,
)
from openfeature_kameleoon.visitors.visitor import Visitor

OFFSET = -1024.0

ids = st.integers(0, 10**18 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(0, 10**9).map(lambda eighths: eighths / 8)
values = texts | st.lists(texts, max_size=3).filter(lambda items: len(items) != 1).map(tuple)
scores = st.dictionaries(ids, st.dictionaries(ids, numbers, max_size=2), max_size=2)
forced = st.builds(ForcedVariation, ids, st.none() | texts, st.none() | ids, st.booleans())
metadata = st.none() | st.lists(st.builds(CustomData, ids, texts, texts), max_size=2).map(tuple)
conversions = st.builds(RecordedConversion, st.builds(Conversion, ids, numbers, st.booleans(), metadata), times)
places = st.builds(Geolocation, texts, st.none() | texts, st.none() | texts, st.none() | texts, st.none() | numbers)
traits = st.builds(
    Traits,
    browser=st.none() | st.builds(Browser, st.sampled_from(BrowserType), st.none() | numbers),
    device=st.none() | st.builds(Device, st.sampled_from(DeviceType)),
    operating_system=st.none() | st.builds(OperatingSystem, st.sampled_from(OperatingSystemType)),
    geolocation=st.none() | places,
    application_version=st.none() | st.builds(ApplicationVersion, texts),
    user_agent=st.none() | st.builds(UserAgent, texts),
    cookies=st.none() | st.dictionaries(texts, texts, max_size=3),
    conversions=st.lists(conversions, max_size=3, unique=True).map(lambda items: sorted(items, key=lambda c: c.time)),
    visits=st.none() | st.builds(VisitHistory, st.lists(times, max_size=3).map(tuple), st.integers(0, 99), times),
    personalizations=st.dictionaries(ids, times, max_size=2),
    heat=st.none() | scores,
    scores=st.none() | scores,
    forced=st.dictionaries(ids, forced, max_size=2),
    simulated=st.dictionaries(texts, forced, max_size=2),
    additive=st.frozensets(ids, max_size=2),
    consent=st.sampled_from(LegalConsent),
    is_linked=st.booleans(),
)
pages = st.lists(st.builds(PageVisit, st.builds(PageView, texts, st.none() | texts), st.integers(1, 99), times))
assignments = st.lists(
    st.builds(Assignment, st.builds(Exposure, ids, ids, st.none() | texts), times, st.just(-inf) | times, st.booleans())
)


@st.composite
def visitors(draw: st.DrawFn) -> Visitor:
    """Anything that may be known of a visitor."""
    visitor = Visitor("v", started=draw(times), hashing_code=draw(st.none() | texts.filter(bool)))
    visitor.is_unique_identifier = draw(st.booleans())
    for index, datum in draw(st.dictionaries(ids, values, max_size=3)).items():
        visitor.set_custom_data(index, datum)
    for assignment in draw(assignments):
        visitor.set_assignment(assignment)
    visitor.traits = draw(traits)
    visitor.traits.pages = {visit.page.url: visit for visit in draw(pages)}
    visitor.traits.settle()
    return visitor


def stored(visitor: Visitor) -> dict[bytes, bytes]:
    """All fields of a visitor."""
    return dict(encode(field, value, OFFSET) for field, value in changes(Visitor("v"), visitor).items())


@given(visitors())
def test_all_that_is_known_of_a_visitor_comes_back(visitor: Visitor) -> None:
    again = decode(stored(visitor), "v", OFFSET)

    assert changes(visitor, again) == changes(again, visitor) == {}
    assert again.traits.overridden is visitor.traits.overridden


@given(visitors(), st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(visitor: Visitor, random: Any) -> None:
    fields = list(stored(visitor).items())
    random.shuffle(fields)

    assert changes(visitor, decode(dict(fields), "v", OFFSET)) == {}


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=20), max_size=5))
def test_bytes_that_anybody_wrote_are_no_error(fields: dict[bytes, bytes]) -> None:
    decode(fields, "v", OFFSET)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([*KINDS, *(f"trait:{name}" for name in TRAITS)]), st.sampled_from(["1", "x", ""])),
        st.recursive(
            st.none() | st.booleans() | st.integers() | numbers | texts,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        ),
        max_size=8,
    )
)
def test_json_that_anybody_wrote_is_left_out_or_can_be_written_again(fields: dict[tuple[str, str], Any]) -> None:
    import json

    written = {
        f"{kind}:{key}".removesuffix(":" if kind.startswith("trait:") else "").encode(): json.dumps(value).encode()
        for (kind, key), value in fields.items()
    }

    visitor = decode(written, "v", OFFSET)

    assert changes(visitor, decode(stored(visitor), "v", OFFSET)) == {}


def test_the_stored_form_can_be_read_by_people() -> None:
    visitor = Visitor("v", started=5.0)
    visitor.set_custom_data(3, "gold")
    visitor.set_custom_data(4, ("a", "b"))
    visitor.set_assignment(Assignment(Exposure(7, 71, "EXPERIMENTATION"), 6.0, 100.0 + OFFSET, is_reported=True))
    visitor.own_traits().own("pages")["/cart"] = PageVisit(PageView("/cart", "Cart"), 2, 8.0)
    visitor.traits.consent = LegalConsent.GIVEN
    visitor.force(ForcedVariation(9, "on", 91))

    assert stored(visitor) == {
        b"first:started": b"5.0",
        b"data:3": b'"gold"',
        b"data:4": b'["a","b"]',
        b"assignment:7": b'{"variation":71,"time":6.0,"rule":"EXPERIMENTATION","evaluated":100.0,"reported":true}',
        b"forced:9": b'[9,"on",91,true]',
        b"page:/cart": b'{"time":8.0,"title":"Cart"}',
        b"views:/cart": b"2",
        b"trait:consent": b'"GIVEN"',
    }


def test_every_trait_is_stored_or_follows_from_others() -> None:
    kinds_of_their_own = {"pages", "conversions", "personalizations", "forced", "additive"}
    not_stored = {"first_code", "overridden"}

    assert {*TRAITS, *kinds_of_their_own, *not_stored} == set(Traits.__struct_fields__)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("data", 1), "x" * 100_000),
        (("data", 1), "\ud800"),
        (("page", "\ud800"), (PageView("\ud800"), 1.0)),
        (("trait", "user_agent"), UserAgent(object())),  # type: ignore[arg-type]  # the point
    ],
)
def test_what_cannot_be_stored_is_refused(field: tuple[str, Any], value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        encode(field, value, OFFSET)


def test_a_number_that_is_none_is_left_out() -> None:
    visitor = Visitor("v")
    visitor.own_traits().geolocation = Geolocation("France", latitude=nan)
    visitor.traits.heat = {1: {2: inf}}

    again = decode(stored(visitor), "v", OFFSET)

    assert again.traits.geolocation == Geolocation("France")
    assert again.traits.heat is None


def test_pages_that_can_be_read_only_once_are_left_to_the_one_who_reports_them() -> None:
    referrers = iter([1, 2])
    visitor = Visitor("v")
    visitor.own_traits().own("pages")["/"] = PageVisit(PageView("/", referrers=referrers), 1, 1.0)

    again = decode(stored(visitor), "v", OFFSET)

    assert again.traits.pages["/"].page == PageView("/")
    assert list(referrers) == [1, 2]


@given(visitors())
def test_taking_every_field_away_leaves_nothing(visitor: Visitor) -> None:
    for field in changes(Visitor("v"), visitor):
        put(visitor, field, ABSENT)

    assert changes(Visitor("v"), visitor) == {}


@pytest.mark.parametrize(
    ("text", "code"), [(b'"anonymous"', "anonymous"), (b"7", None), (b"{", None), (b'"\xff"', None), (None, None)]
)
def test_a_link_is_a_text(text: bytes | None, code: str | None) -> None:
    assert alias_of({} if text is None else {b"own:alias_of": text}) == code
