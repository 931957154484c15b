"""Groups of rules: how they are joined, what keys see, and what is told of those that make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER, Semantics
from openfeature_kameleoon.flagship.engine.targeting import Visitor, compile_rule, compile_targeting, nobody
from tests.flagship.files import EVERYBODY, rule, targeting, visitor

A, B, C, D = (rule(key=key, value=1) for key in "abcd")
ALL = rule(key="fs_all_users", value="")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OPERATORS = [*SDK.operators, "MATCHES", "equals", ""]
rules = st.fixed_dictionaries(
    {"operator": st.sampled_from(OPERATORS), "key": st.sampled_from(["a", "b", "fs_users", "fs_all_users"])},
    optional={"value": json_values, "provider": st.sampled_from(["", "mixpanel"]) | json_values},
)
lists_of_rules = st.lists(st.lists(rules | json_values, max_size=4), max_size=4)
contexts = st.dictionaries(
    st.sampled_from(["a", "b", "c", "mixpanel::a", "fs_users"]),
    st.text(max_size=4) | st.integers() | st.floats() | st.booleans(),
)


def is_targeted(raw: Any, who: Visitor, semantics: Semantics = SDK) -> bool:
    matches = compile_targeting(raw, semantics).matches
    return matches is None or bool(matches(who))


@pytest.mark.parametrize(
    ("groups", "context", "expected"),
    [
        ([], {}, False),
        ([[]], {}, False),
        ([[], [A]], {"a": 1}, True),
        ([[A]], {"a": 1}, True),
        ([[A, B]], {"a": 1}, False),
        ([[A, B]], {"a": 1, "b": 1}, True),
        ([[A, B, C]], {"a": 1, "b": 1, "c": 1}, True),
        ([[A, B, C, D]], {"a": 1, "b": 1, "c": 1, "d": 1}, True),
        ([[A, B, C, D]], {"a": 1, "b": 1, "c": 1, "d": 2}, False),
        ([[A], [B]], {"b": 1}, True),
        ([[A], [B], [C]], {"c": 1}, True),
        ([[A], [B], [C]], {"d": 1}, False),
        ([[ALL]], {}, True),
        ([[ALL, A]], {}, False),
        ([[A], [ALL]], {}, True),
        ([["no rule", ALL]], {}, False),
    ],
)
@pytest.mark.parametrize("semantics", [SDK, SERVER], ids=["sdk", "server"])
def test_rules_are_joined_by_and_and_groups_by_or(
    groups: list[Any], context: dict[str, Any], expected: bool, semantics: Semantics
) -> None:
    assert is_targeted(targeting(*groups), visitor(**context), semantics) is expected


@pytest.mark.parametrize("raw", [None, {}, [], "x", 5, {"targetingGroups": None}, {"targetingGroups": {}}], ids=repr)
def test_what_is_no_targeting_matches_nobody(raw: Any) -> None:
    compiled = compile_targeting(raw, SDK)

    assert compiled.matches is nobody
    assert list(compiled.problems()) == ["it has no targeting, so it matches nobody"]


@pytest.mark.parametrize("group", [None, {}, [], "x", {"targetings": None}, {"targetings": {}}], ids=repr)
def test_a_targeting_group_without_rules_is_passed_over(group: Any) -> None:
    raw = {"targetingGroups": [group, *EVERYBODY["targetingGroups"]]}

    assert compile_targeting(raw, SDK).matches is None
    assert not is_targeted({"targetingGroups": [group]}, visitor())


def test_everybody_costs_no_predicate() -> None:
    assert compile_targeting(EVERYBODY, SDK).matches is None
    assert compile_targeting(targeting([A], [ALL, ALL]), SDK).matches is None
    assert compile_targeting(EVERYBODY, SERVER).matches is None


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("text", "rule without a name: it has no operator or no key"),
        ({"key": "k", "value": 1}, "rule k: it has no operator or no key"),
        ({"operator": "EQUALS", "value": 1}, "rule EQUALS: it has no operator or no key"),
        ({"operator": None, "key": "fs_all_users"}, "rule fs_all_users: it has no operator or no key"),
        ({"operator": "EQUALS", "key": "k"}, "rule EQUALS k: it has no value"),
        (rule("MATCHES"), "rule MATCHES k: there is no operator 'MATCHES'"),
        (rule(value=None), "rule EQUALS k: its value is null, or holds one"),
        (rule(value=[1, {}]), "rule EQUALS k: its value is dict, or holds one"),
        (rule("SEMVER_EQUALS", value="x"), "rule SEMVER_EQUALS k: its value 'x' is no version"),
    ],
)
@pytest.mark.parametrize("semantics", [SDK, SERVER], ids=["sdk", "server"])
def test_a_rule_that_makes_no_sense_accepts_nobody_and_is_told(raw: Any, problem: str, semantics: Semantics) -> None:
    compiled = compile_targeting(targeting([raw]), semantics)

    assert list(compiled.problems()) == [problem]
    assert not is_targeted(targeting([raw]), visitor(k="v"), semantics)
    assert is_targeted(targeting([raw], [A]), visitor(a=1), semantics)


@pytest.mark.parametrize("operator", [*SDK.operators, "MATCHES"])
def test_fs_all_users_is_met_by_everybody_whatever_the_operator(operator: str) -> None:
    assert is_targeted(targeting([rule(operator, "fs_all_users")]), visitor())


def test_fs_users_is_the_visitor_and_not_what_the_context_says() -> None:
    raw = targeting([rule("EQUALS", "fs_users", ["visitor-1", "visitor-2"])])

    assert is_targeted(raw, visitor("visitor-2"))
    assert not is_targeted(raw, visitor("someone", fs_users="visitor-1"))


def test_a_provider_of_audiences_matters_to_the_server_alone() -> None:
    raw = targeting([rule(key="vip", value=True, provider="mixpanel")])
    theirs, own = Visitor("v", {"mixpanel::vip": True}), visitor(vip=True)

    assert is_targeted(raw, own)
    assert not is_targeted(raw, own, SERVER)
    assert is_targeted(raw, theirs, SERVER)


@pytest.mark.parametrize("groups", [([A, B],), ([A], [B]), ([B], [A]), ([C, B], [A])])
def test_on_the_server_one_rule_of_another_kind_keeps_everybody_out(groups: Any) -> None:
    who = visitor(a=1, b="text")

    assert not is_targeted(targeting(*groups), who, SERVER)
    assert is_targeted(targeting(*groups), who, SDK) is (len(groups) > 1)


@given(lists_of_rules, contexts)
def test_targeting_never_raises(groups: list[list[Any]], context: dict[str, Any]) -> None:
    for semantics in (SDK, SERVER):
        is_targeted(targeting(*groups), Visitor("visitor-1", context), semantics)


@given(lists_of_rules, contexts)
def test_a_targeting_is_what_its_rules_are(groups: list[list[Any]], context: dict[str, Any]) -> None:
    who = Visitor("visitor-1", context)

    held = [[(leaf := compile_rule(raw, SDK)).accepts(leaf.sees(who)) for raw in group] for group in groups]

    assert is_targeted(targeting(*groups), who) is any(group and all(group) for group in held)
