"""A segment's groups and operators as one tree: the reference's scheme, whatever their number (5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openfeature_kameleoon.datafile.model import ConditionGroup, ConditionsData
from openfeature_kameleoon.engine.scope import Scope, UnusableCondition
from openfeature_kameleoon.engine.targeting import EVERYBODY, Leaf, Node, compile_conditions, leaves, predicate
from openfeature_kameleoon.visitors.visitor import Visitor

Raw = dict[str, Any]
Items = list[Any]

SCOPE = Scope(now=lambda: 0.0, start_of_day=lambda: 0.0, sdk_name="PYTHON", sdk_version="3.22.2")
VISITOR = Visitor("v")


def condition(holds: bool) -> Raw:
    return {"targetingType": "SDK_LANGUAGE", "sdkLanguage": "PYTHON" if holds else "JAVA"}


def group(*holds: bool, operators: list[bool | None] | None = None) -> ConditionGroup:
    return ConditionGroup(list(map(condition, holds)), operators)


def matches(data: ConditionsData | None) -> bool:
    """What the predicate says, which the tree told step by step agrees with."""
    tree = compile_conditions(data, SCOPE)
    decides = predicate(tree)
    answer = decides is None or decides(VISITOR)
    assert answer is truth(tree)
    return answer


def truth(tree: object) -> bool:
    """The value of a tree by the definition of 5.2."""
    if isinstance(tree, Leaf):
        return tree.matches(VISITOR)
    if isinstance(tree, Node):
        left = truth(tree.left)
        return left if tree.is_or is not None and left is tree.is_or else truth(tree.right)
    return True


def build(items: Items, operators: list[bool], value: Callable[[Any], bool]) -> bool:
    """The scheme of 5.1 word for word, evaluated on the way; uses up both lists."""
    if not items:
        return True
    left = value(items.pop(0))
    if not items:
        return left
    if operators.pop(0):
        right = build(items, operators, value)
        return left or right
    pair = value(items.pop(0)) and left
    if not items:
        return pair
    is_or = operators.pop(0)
    rest = build(items, operators, value)
    return (pair or rest) if is_or else (pair and rest)


def group_value(pair: tuple[list[bool], list[bool]]) -> bool:
    return build(list(pair[0]), list(pair[1]), bool)


booleans = st.lists(st.booleans(), max_size=9)
operators = st.lists(st.booleans(), min_size=8, max_size=8)
groups = st.tuples(booleans, operators)


@given(booleans, operators)
@example([True, True, True, False], [False, False, True] + [True] * 5)
@example([False, True, True, False], [False, False, True] + [True] * 5)
def test_conditions_are_joined_by_the_reference_scheme(holds: list[bool], joined: list[bool]) -> None:
    data = ConditionsData([group(*holds, operators=list(joined))], [])

    assert matches(data) is group_value((holds, joined))


@given(st.lists(groups, max_size=5), operators)
def test_groups_are_joined_by_the_same_scheme(parts: list[tuple[list[bool], list[bool]]], joined: list[bool]) -> None:
    data = ConditionsData([group(*holds, operators=list(ops)) for holds, ops in parts], list(joined))

    assert matches(data) is build(list(parts), list(joined), group_value)


@pytest.mark.parametrize(
    ("holds", "joined", "expected"),
    [
        ((False, True, True), [False, True], True),  # (a AND b) OR c
        ((True, False, False), [True, False], True),  # a OR (b AND c)
        ((False, False, False, True), [False, False, True], False),  # (a AND b) AND (c OR d), not the usual order
        ((True, True, False, True), [False, False, True], True),
    ],
)
def test_and_binds_its_two_neighbours_first(holds: tuple[bool, ...], joined: list[bool | None], expected: bool) -> None:
    assert matches(ConditionsData([group(*holds, operators=joined)], [])) is expected


@pytest.mark.parametrize(
    "data",
    [
        None,
        ConditionsData([]),
        ConditionsData([ConditionGroup()]),
        ConditionsData([ConditionGroup([], [])], []),
        ConditionsData([group(False), ConditionGroup()], [True]),  # an empty group counts as true
    ],
)
def test_what_is_empty_matches_everybody(data: ConditionsData | None) -> None:
    assert matches(data)


@pytest.mark.parametrize(("left", "right"), [(False, True), (True, False), (True, True), (False, False)])
@pytest.mark.parametrize("lacking", [[], None])
def test_a_missing_operator_between_groups_leaves_the_right_side_alone(
    left: bool, right: bool, lacking: list[bool | None] | None
) -> None:
    assert matches(ConditionsData([group(left), group(right)], lacking)) is right


@pytest.mark.parametrize(("holds", "expected"), [((True, True), True), ((True, False), False)])
def test_a_null_operator_is_an_and(holds: tuple[bool, bool], expected: bool) -> None:
    assert matches(ConditionsData([group(*holds, operators=[None])])) is expected


def test_a_group_with_too_few_operators_makes_no_sense() -> None:
    with pytest.raises(UnusableCondition, match="fewer operators"):
        compile_conditions(ConditionsData([group(True, True, operators=[])]), SCOPE)


def test_the_conditions_of_a_tree_are_listed_in_their_order() -> None:
    named = [{"targetingType": "UNKNOWN", "n": number} for number in range(6)]
    data = ConditionsData(
        [ConditionGroup(named[:4], [True, False, True]), ConditionGroup(), ConditionGroup(named[4:], [False])],
        [False, True],
    )

    assert [leaf.raw["n"] for leaf in leaves(compile_conditions(data, SCOPE))] == list(range(6))
    assert list(leaves(EVERYBODY)) == []


@pytest.mark.parametrize("is_or", [True, False])
def test_very_many_conditions_of_one_operator_are_no_deeper_than_few(is_or: bool) -> None:
    many = ConditionsData([group(*[not is_or] * 5000, operators=[is_or] * 4999)], [])
    decides = predicate(compile_conditions(many, SCOPE))

    assert decides is not None
    assert decides(VISITOR) is not is_or


def test_conditions_are_looked_at_only_as_far_as_needed() -> None:
    looked: list[bool] = []

    def look(answer: bool, visitor: Visitor) -> bool:
        looked.append(answer)
        return answer

    answers = {1: partial(look, True), 2: partial(look, False)}
    scope = Scope(
        now=lambda: 0.0, start_of_day=lambda: 0.0, sdk_name="", sdk_version="", segment=lambda number: answers[number]
    )
    raw = [{"targetingType": "SEGMENT", "segmentId": number} for number in (2, 1, 1, 2)]

    decides = predicate(compile_conditions(ConditionsData([ConditionGroup(raw, [True] * 3)]), scope))
    assert decides is not None
    assert decides(VISITOR)
    assert looked == [False, True]
