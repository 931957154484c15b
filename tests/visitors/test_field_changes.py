"""What changed of a visitor, and how a visitor takes over what others changed."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given

from openfeature_kameleoon.visitors.data import Conversion, CustomData, Device, DeviceType, PageView
from openfeature_kameleoon.visitors.field_changes import ALIAS_OF, Changes, More, adopt, changes, join, to_write
from openfeature_kameleoon.visitors.stored_form import ABSENT
from openfeature_kameleoon.visitors.traits import Assignment, Exposure, ForcedVariation, PageVisit
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.visitors.sharing import INDEX
from tests.visitors.test_stored_form import visitors


def visitor_with(**custom_data: str) -> Visitor:
    """A visitor with custom data by index: ``_1="a"``."""
    visitor = Visitor("v", started=1.0)
    for name, value in custom_data.items():
        visitor.set_custom_data(int(name[1:]), value)
    return visitor


def assigned(variation_id: int, evaluated_at: float = 0.0, *, is_reported: bool = True) -> Assignment:
    return Assignment(Exposure(5, variation_id, None), 3.0, evaluated_at, is_reported)


# --- what changed -----------------------------------------------------------------------------------------------------


def test_what_changed_is_told_by_field() -> None:
    before = visitor_with(_1="a", _2="b")
    after = before.copy()
    add_data(after, CustomData(1, "c"), INDEX, 5.0)
    add_data(after, Device(DeviceType.PHONE), INDEX, 5.0)
    del after.custom_data[2]

    assert changes(before, after) == {
        ("data", 1): "c",
        ("data", 2): ABSENT,
        ("trait", "device"): Device(DeviceType.PHONE),
    }


def test_nothing_changed_between_a_visitor_and_its_copy() -> None:
    visitor = visitor_with(_1="a")
    visitor.force(ForcedVariation(1, "on", 2))

    assert changes(visitor, visitor.copy()) == {}


@given(visitors(), visitors())
def test_changes_make_of_one_visitor_the_other(one: Visitor, other: Visitor) -> None:
    adopt(one, other, {}, keeps=False)

    left = {field for field in changes(one, other) if field[0] != "first"}
    assert left <= {("assignment", number) for number in one.assignments}  # confirmed later here
    assert one.traits.overridden is other.traits.overridden


def test_page_views_are_written_as_so_many_more() -> None:
    before = Visitor("v")
    before.own_traits().own("pages")["/"] = PageVisit(PageView("/"), 3, 1.0)
    after = before.copy()
    for url in ("/", "/", "/new"):
        add_data(after, PageView(url), INDEX, 5.0)

    written = to_write(before, after)

    assert (written["views", "/"], written["views", "/new"]) == (More(2), More(1))
    assert written["page", "/"] == (PageView("/"), 5.0)


def test_later_changes_replace_earlier_ones_and_views_add_up() -> None:
    waiting: Changes = {("data", 1): "a", ("views", "/"): More(2)}

    join(waiting, {("data", 1): "b", ("data", 2): ABSENT, ("views", "/"): More(1)})

    assert waiting == {("data", 1): "b", ("data", 2): ABSENT, ("views", "/"): 3}
    assert type(waiting["views", "/"]) is More


def test_nothing_of_a_code_is_left_once_it_is_another_visitors() -> None:
    waiting: Changes = {("data", 1): "a"}

    join(waiting, {ALIAS_OF: "w"})

    assert waiting == {ALIAS_OF: "w"}


# --- taking over what others changed ----------------------------------------------------------------------------------


def test_what_is_stored_wins_unless_it_was_changed_here_since() -> None:
    visitor = visitor_with(_1="mine", _2="old", _3="gone")

    owed = adopt(visitor, visitor_with(_1="theirs", _2="new"), {("data", 1): "mine"}, keeps=False)

    assert visitor.custom_data == {1: "mine", 2: "new"}
    assert owed == {}


def test_after_an_outage_what_is_missing_is_kept_and_owed() -> None:
    visitor = visitor_with(_1="here", _2="old")
    visitor.own_traits().own("pages")["/"] = PageVisit(PageView("/"), 3, 1.0)
    visitor.force(ForcedVariation(1, "on", 2))

    owed = adopt(visitor, visitor_with(_2="new"), {}, keeps=True)

    assert visitor.custom_data == {1: "here", 2: "new"}
    assert owed == {("data", 1): "here", ("page", "/"): (PageView("/"), 1.0), ("views", "/"): More(3)}
    assert visitor.traits.forced == {}


def test_views_that_are_not_written_yet_count_on_top_of_those_that_are() -> None:
    visitor, stored = Visitor("v"), Visitor("v")
    visitor.own_traits().own("pages")["/"] = PageVisit(PageView("/"), 2, 9.0)
    stored.own_traits().own("pages")["/"] = PageVisit(PageView("/", "Title"), 5, 8.0)

    adopt(visitor, stored, {("page", "/"): (PageView("/"), 9.0), ("views", "/"): More(1)}, keeps=False)

    assert visitor.traits.pages == {"/": PageVisit(PageView("/"), 6, 9.0)}


def test_the_first_to_be_written_stays_even_if_it_was_changed_here() -> None:
    visitor, stored = Visitor("v", started=5.0, hashing_code="h2"), Visitor("v", started=4.0, hashing_code="h1")

    adopt(visitor, stored, {("first", "hashing_code"): "h2"}, keeps=False)

    assert (visitor.started, visitor.hashing_code) == (4.0, "h1")


def test_what_should_be_written_first_and_is_not_there_is_owed() -> None:
    visitor = Visitor("v", started=5.0, hashing_code="h")

    owed = adopt(visitor, Visitor("v"), {}, keeps=False)

    assert owed == {("first", "started"): 5.0, ("first", "hashing_code"): "h"}
    assert (visitor.started, visitor.hashing_code) == (5.0, "h")


def test_what_cannot_be_stored_stays() -> None:
    visitor = visitor_with(_1="x" * 100_000, _2="b")

    adopt(visitor, Visitor("v"), {}, keeps=False)

    assert list(visitor.custom_data) == [1]


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (assigned(1, 50.0), assigned(1, 40.0), (1, 50.0, True)),
        (assigned(1, 40.0), assigned(1, 50.0), (1, 50.0, True)),
        (assigned(1, -inf), assigned(1, -inf), (1, -inf, True)),
        (assigned(1, 50.0), assigned(2, 40.0), (2, 40.0, True)),
        (assigned(1, 50.0, is_reported=False), assigned(1, 40.0), (1, 40.0, True)),
        (None, assigned(1, 40.0), (1, 40.0, True)),
    ],
)
def test_an_assignment_was_confirmed_when_any_process_did_it_last(
    here: Assignment | None, there: Assignment, expected: tuple[int, float, bool]
) -> None:
    visitor, stored = Visitor("v"), Visitor("v")
    if here is not None:
        visitor.set_assignment(here)
    stored.set_assignment(there)

    adopt(visitor, stored, {}, keeps=False)

    seen = visitor.assignments[5]
    assert (seen.exposure.variation_id, seen.evaluated_at, seen.is_reported) == expected


def test_codes_that_are_linked_take_over_together() -> None:
    visitor = visitor_with(_1="a")
    user = visitor.alias("user")
    stored = visitor_with(_1="b")
    add_data(stored, Conversion(1), INDEX, 5.0)

    adopt(visitor, stored, {}, keeps=False)

    assert user.custom_data == {1: "b"}
    assert [each.conversion.goal_id for each in user.traits.conversions] == [1]
