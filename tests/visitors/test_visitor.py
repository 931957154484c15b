"""One visitor: which data replace which, what of them is reported, and one visitor under two codes (6.2 to 6.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
from openfeature_kameleoon.visitors.traits import (
    Assignment,
    Exposure,
    ForcedVariation,
    LegalConsent,
    PageVisit,
    RecordedConversion,
    TargetedSegment,
)
from openfeature_kameleoon.visitors.visitor import DATA_TYPES, Visitor, add_data, custom_data_index, first_value
from tests.vectors import Stage

INDEX = Stage().index
LOCAL_ONLY, MAPPING = 2, 3  # internal_note, user_id


def with_data(*data: Data, tracked: bool = True, visitor: Visitor | None = None) -> Visitor:
    """A visitor to whom data were added, one a second."""
    visitor = visitor or Visitor("v")
    for second, item in enumerate(data):
        add_data(visitor, item, INDEX, float(second), is_tracked=tracked)
    return visitor


# --- what replaces what (6.2, "adding again") ---------------------------------------------------------------

SINGLES: list[tuple[str, Any, Any]] = [
    ("browser", Browser(BrowserType.CHROME, 1.0), Browser(BrowserType.SAFARI)),
    ("device", Device(DeviceType.PHONE), Device(DeviceType.TABLET)),
    ("operating_system", OperatingSystem(OperatingSystemType.MAC), OperatingSystem(OperatingSystemType.IOS)),
    ("geolocation", Geolocation("France", "Bretagne", "Brest"), Geolocation("Spain")),
    ("application_version", ApplicationVersion("1.0"), ApplicationVersion("2.0")),
    ("user_agent", UserAgent("first"), UserAgent("second")),
]


@pytest.mark.parametrize(("trait", "first", "second"), SINGLES)
def test_single_data_are_replaced_as_a_whole(trait: str, first: Data, second: Data) -> None:
    assert getattr(with_data(first).traits, trait) == first
    assert getattr(with_data(first, second).traits, trait) == second


def test_cookies_are_replaced_not_merged() -> None:
    visitor = with_data(Cookie({"a": "1"}), Cookie({"b": "2"}))

    assert visitor.traits.cookies == {"b": "2"}


def test_cookies_are_those_of_the_moment_they_were_added() -> None:
    jar = {"a": "1"}
    visitor = with_data(Cookie(jar))

    jar["b"] = "2"

    assert visitor.traits.cookies == {"a": "1"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_custom_data_are_replaced_whatever_overwrite_says(overwrite: bool) -> None:
    visitor = with_data(CustomData(1, "a", "b"), CustomData(0, "x"), CustomData(1, "c", overwrite=overwrite))

    assert visitor.custom_data == {1: "c", 0: "x"}
    assert visitor.traits.additive == (frozenset() if overwrite else {1})


def test_overwrite_is_that_of_the_latest_values() -> None:
    visitor = with_data(CustomData(1, "a", overwrite=False), CustomData(0, "x", overwrite=False), CustomData(1, "b"))

    assert visitor.traits.additive == {0}


@pytest.mark.parametrize(("values", "kept"), [(("a",), "a"), (("a", "b"), ("a", "b")), ((), ())])
def test_custom_data_without_values_are_kept_too(values: tuple[str, ...], kept: object) -> None:
    assert with_data(CustomData(1, *values)).custom_data == {1: kept}


@pytest.mark.parametrize(
    ("datum", "index"),
    [
        (CustomData(1, "a"), 1),
        (CustomData("cart_value", "a"), 1),
        (CustomData("5", "a"), 5),  # 2.x wrote the index as text
        (CustomData("77", "a"), 77),
        (CustomData("unheard_of", "a"), None),
        (CustomData("-1", "a"), None),
        (CustomData("٣", "a"), None),
        (CustomData(-1, "a"), None),
    ],
)
def test_custom_data_go_to_their_index_or_are_dropped(datum: CustomData, index: int | None) -> None:
    visitor = with_data(datum)

    assert custom_data_index(datum, INDEX) == index
    assert visitor.custom_data == ({} if index is None else {index: "a"})
    assert list(visitor.unsent) == ([] if index is None else [index])


def test_pages_are_counted_by_url_and_the_latest_view_counts() -> None:
    visitor = with_data(PageView("/a", "First"), PageView("/b"), PageView("/a", "Second"))

    assert visitor.traits.pages == {
        "/a": PageVisit(PageView("/a", "Second"), 2, 2.0),
        "/b": PageVisit(PageView("/b"), 1, 1.0),
    }


def test_a_page_without_a_url_is_none() -> None:
    visitor = with_data(PageView(""))

    assert visitor.traits.pages == {}
    assert not visitor.unsent


def test_conversions_are_appended() -> None:
    visitor = with_data(Conversion(1), Conversion(1))

    assert visitor.traits.conversions == [
        RecordedConversion(Conversion(1), 0.0),
        RecordedConversion(Conversion(1), 1.0),
    ]
    assert list(visitor.unsent) == visitor.traits.conversions


def test_an_assignment_replaces_that_of_its_experiment() -> None:
    visitor = Visitor("v")
    for experiment_id, variation_id in ((1, 10), (2, 20), (1, 11)):
        exposure = Exposure(experiment_id, variation_id, None)
        visitor.set_assignment(Assignment(exposure, 0.0, 0.0, is_reported=False))

    assert {key: item.exposure.variation_id for key, item in visitor.assignments.items()} == {1: 11, 2: 20}


def test_forced_variations_are_by_experiment_and_override_the_rules() -> None:
    visitor = Visitor("v")

    visitor.force(ForcedVariation(1, "a", 10))
    visitor.force(ForcedVariation(1, "b", 11, ignores_targeting=False))
    visitor.force(ForcedVariation(2, "c", 20))

    assert visitor.traits.forced[1].variation_id == 11
    assert visitor.traits.overridden

    for experiment_id in (1, 2, 3):
        visitor.unforce(experiment_id)

    assert visitor.traits.forced == {}
    assert not visitor.traits.overridden


def test_the_unique_identifier_flag_is_replaced() -> None:
    assert with_data(UniqueIdentifier(True)).is_unique_identifier
    assert not with_data(UniqueIdentifier(True), UniqueIdentifier(False)).is_unique_identifier


def test_consent_is_unknown_until_it_is_told() -> None:
    visitor = Visitor("v")

    consents = [visitor.traits.consent]
    for told in (LegalConsent.GIVEN, LegalConsent.NOT_GIVEN):
        visitor.set_consent(told)
        consents.append(visitor.traits.consent)

    assert consents == [LegalConsent.UNKNOWN, LegalConsent.GIVEN, LegalConsent.NOT_GIVEN]
    assert Visitor("w").traits.consent is LegalConsent.UNKNOWN


def test_every_kind_of_data_is_taken_and_nothing_else() -> None:
    assert len(DATA_TYPES) == 11
    for alien in (None, 5, "plan", {"index": 1}, object()):
        with pytest.raises(TypeError, match=f"{type(alien).__name__} is no visitor data"):
            add_data(Visitor("v"), alien, INDEX, 0.0)  # type: ignore[arg-type]  # that is the point


def test_visitors_share_nothing() -> None:
    first, second = Visitor("a"), Visitor("b")

    with_data(CustomData(1, "x"), PageView("/"), Conversion(1), Cookie({"a": "b"}), visitor=first)
    first.set_assignment(Assignment(Exposure(1, 2, None), 0.0, 0.0, is_reported=False))
    first.force(ForcedVariation(1, "a", 10))

    assert (second.custom_data, second.assignments, second.unsent) == ({}, {}, ())
    assert (second.traits.pages, second.traits.conversions, second.traits.forced) == ({}, [], {})


# --- what is to be reported (6.3, 6.5) ----------------------------------------------------------------------

REPORTED: list[tuple[Data, object]] = [
    (CustomData(1, "a"), 1),
    (Browser(BrowserType.CHROME), Browser(BrowserType.CHROME)),
    (Device(DeviceType.PHONE), Device(DeviceType.PHONE)),
    (OperatingSystem(OperatingSystemType.MAC), OperatingSystem(OperatingSystemType.MAC)),
    (Geolocation("France"), Geolocation("France")),
    (PageView("/a"), PageView("/a")),
    (Conversion(1), RecordedConversion(Conversion(1), 0.0)),
]
FOR_TARGETING_ONLY: list[Data] = [
    *(ApplicationVersion("1"), Cookie({"a": "b"}), UserAgent("Mozilla"), UniqueIdentifier(True)),
    CustomData(LOCAL_ONLY, "secret"),
]


@pytest.mark.parametrize(("data", "item"), REPORTED)
def test_data_are_reported_unless_they_are_added_untracked(data: Data, item: object) -> None:
    assert list(with_data(data).unsent) == [item]
    assert not with_data(data, tracked=False).unsent


@pytest.mark.parametrize("data", FOR_TARGETING_ONLY, ids=lambda data: type(data).__name__)
def test_what_is_for_targeting_only_is_never_reported(data: Data) -> None:
    assert not with_data(data).unsent
    assert with_data(CustomData(1, "a"), data).unsent == (1,)


def test_data_that_replace_others_are_reported_in_their_place() -> None:
    visitor = with_data(
        *(CustomData(1, "a"), PageView("/a", "First"), Device(DeviceType.PHONE), CustomData(0, "x")),
        *(CustomData(1, "b"), PageView("/a", "Second"), Device(DeviceType.TABLET)),
    )

    assert visitor.unsent == (0, 1, PageView("/a", "Second"), Device(DeviceType.TABLET))


def test_data_that_replace_others_untracked_take_back_their_report() -> None:
    visitor = with_data(CustomData(1, "a"), CustomData(0, "x"))

    with_data(CustomData(1, "b"), visitor=visitor, tracked=False)

    assert visitor.unsent == (0,)


def test_an_audience_is_reported_once_each_time_it_is_targeted() -> None:
    visitor = Visitor("v")

    visitor.target([5, 6])
    visitor.target([5])

    assert visitor.unsent == (TargetedSegment(6), TargetedSegment(5))


# --- memory -------------------------------------------------------------------------------------------------

GROWING: list[tuple[str, Callable[[int], Data]]] = [
    ("custom data", lambda number: CustomData(1, f"{number:04}")),
    ("device", lambda number: Device(DeviceType.PHONE)),
    ("geolocation", lambda number: Geolocation(f"{number:04}")),
    ("user agent", lambda number: UserAgent(f"{number:04}")),
    ("cookies", lambda number: Cookie({"a": f"{number:04}"})),
    ("page", lambda number: PageView("/a", f"{number:04}")),
]


@pytest.mark.parametrize("make", [make for _, make in GROWING], ids=[name for name, _ in GROWING])
def test_data_that_are_replaced_take_no_more_room(make: Callable[[int], Data]) -> None:
    once = with_data(make(0)).size

    again = with_data(*map(make, range(50))).size

    assert once > Visitor("v").size
    assert again == once


@pytest.mark.parametrize(
    "make",
    [
        lambda number: CustomData(number, "x" * 100),
        lambda number: PageView(f"/{number}"),
        Conversion,
    ],
)
def test_data_that_are_added_take_room(make: Callable[[int], Data]) -> None:
    assert with_data(*map(make, range(50))).size > with_data(make(0)).size + 49 * 64


def test_long_texts_take_their_room() -> None:
    for data in (UserAgent("x" * 9000), Cookie({"a": "x" * 9000}), CustomData(1, "x" * 9000), Geolocation("x" * 9000)):
        assert with_data(data).size > 9000


# --- one visitor, two codes (6.6) ---------------------------------------------------------------------------


def linked(stage: Stage, code: str, user: str) -> Visitor:
    return stage.store.add_data(stage.visitor(code), [CustomData(MAPPING, user)], stage.index)


def stored(stage: Stage, code: str) -> Visitor:
    visitor = stage.store.get(code)
    assert visitor is not None
    return visitor


def test_a_mapping_identifier_makes_its_value_another_code_of_the_visitor() -> None:
    stage = Stage()

    anonymous = linked(stage, "anonymous", "user")
    user = stored(stage, "user")

    assert anonymous.hashing_code == user.hashing_code == "anonymous"
    assert (anonymous.code, user.code) == ("anonymous", "user")
    assert user.custom_data == {MAPPING: "user"}


def test_two_codes_of_a_visitor_share_everything_that_is_added_to_either() -> None:
    stage = Stage()
    anonymous = linked(stage, "anonymous", "user")
    user = stored(stage, "user")

    stage.store.add_data(user, [CustomData(0, "vip"), PageView("/a")], stage.index)
    stage.store.add_data(anonymous, [Device(DeviceType.PHONE), Conversion(1)], stage.index)
    stage.remember(user, Exposure(1, 2, None))
    anonymous.force(ForcedVariation(5, "x", 6))

    for one, other in ((anonymous, user), (user, anonymous)):
        assert one.custom_data is other.custom_data
        assert one.assignments is other.assignments
        assert one.traits is other.traits
        assert one.unsent is other.unsent
    assert user.traits.device == Device(DeviceType.PHONE)
    assert anonymous.custom_data[0] == "vip"
    assert anonymous.assignments[1].exposure.variation_id == 2


def test_the_unique_identifier_flag_is_each_codes_own() -> None:
    stage = Stage()
    anonymous = linked(stage, "anonymous", "user")
    user = stored(stage, "user")

    stage.store.add_data(user, [UniqueIdentifier(True)], stage.index)

    assert user.is_unique_identifier
    assert not anonymous.is_unique_identifier


def test_the_unique_identifier_flag_is_copied_when_codes_are_linked() -> None:
    stage = Stage()

    data: list[Data] = [UniqueIdentifier(True), CustomData(MAPPING, "user")]
    stage.store.add_data(stage.visitor("anonymous"), data, stage.index)

    assert stored(stage, "user").is_unique_identifier


def test_an_earlier_visitor_of_the_users_code_is_replaced() -> None:
    stage = Stage()
    stage.store.add_data(stage.visitor("user"), [CustomData(0, "old")], stage.index)

    linked(stage, "anonymous", "user")

    assert stored(stage, "user").custom_data == {MAPPING: "user"}
    assert len(stage.store) == 2


def test_the_first_hashing_code_wins() -> None:
    stage = Stage()
    linked(stage, "first", "user")

    linked(stage, "user", "other")

    assert stored(stage, "user").hashing_code == "first"
    assert stored(stage, "other").hashing_code == "first"


def test_a_visitor_may_be_linked_to_itself() -> None:
    stage = Stage()

    user = linked(stage, "user", "user")

    assert user.hashing_code == "user"
    assert len(stage.store) == 1


@pytest.mark.parametrize("values", [(), ("",), ("", "user")])
def test_an_empty_identifier_links_nothing(values: tuple[str, ...]) -> None:
    stage = Stage()

    visitor = stage.store.add_data(stage.visitor("v"), [CustomData(MAPPING, *values)], stage.index)

    assert visitor.hashing_code is None
    assert len(stage.store) == 1


def test_other_custom_data_link_nothing() -> None:
    stage = Stage()

    visitor = stage.store.add_data(stage.visitor("v"), [CustomData(0, "user"), CustomData("nope", "u")], stage.index)

    assert visitor.hashing_code is None
    assert len(stage.store) == 1


def test_an_identifier_given_by_name_links_too() -> None:
    stage = Stage()

    stage.store.add_data(stage.visitor("v"), [CustomData("user_id", "user")], stage.index)

    assert stored(stage, "user").hashing_code == "v"


# --- a copy to try things on --------------------------------------------------------------------------------


def test_what_is_added_to_a_copy_does_not_reach_the_visitor() -> None:
    original = with_data(CustomData(1, "a"), PageView("/a"), Conversion(1), Cookie({"a": "b"}))
    original.set_assignment(Assignment(Exposure(1, 2, None), 0.0, 0.0, is_reported=False))
    original.force(ForcedVariation(1, "x", 2))
    before = (dict(original.custom_data), dict(original.traits.pages), tuple(original.unsent))

    copy = original.copy()
    with_data(CustomData(1, "b"), PageView("/b"), Conversion(2), visitor=copy)
    copy.set_assignment(Assignment(Exposure(9, 9, None), 0.0, 0.0, is_reported=False))
    copy.unforce(1)

    assert (original.custom_data, original.traits.pages, tuple(original.unsent)) == before
    assert list(original.assignments) == [1]
    assert original.traits.overridden
    assert len(original.traits.conversions) == 1


def test_a_copy_is_like_the_visitor() -> None:
    original = Visitor("v", 5.0, 6.0, known=False)
    original.hashing_code = "h"

    copy = with_data(CustomData(1, "a"), visitor=original).copy()

    assert (copy.code, copy.started, copy.last_seen, copy.known) == ("v", 5.0, 6.0, False)
    assert (copy.hashing_code, copy.custom_data) == ("h", {1: "a"})


@pytest.mark.parametrize(("values", "first"), [("a", "a"), ("", ""), (("a", "b"), "a"), ((), None)])
def test_the_first_value_of_a_custom_datum(values: str | tuple[str, ...], first: str | None) -> None:
    assert first_value(values) == first
