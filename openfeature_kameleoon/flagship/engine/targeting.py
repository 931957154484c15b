"""A variation group's targeting, compiled into one predicate and kept as rules that can be told step by step.

Targeting groups are joined by OR, the rules of one by AND. Both the predicate and what explain.py tells come from the
same leaves. What makes no sense matches nobody and is told (specs/flagship.md 3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ...engine.joined import all_of, any_of
from .model import Raw
from .operators import Test, UnusableRule, always, compile_test, never
from .semantics import Semantics

__all__ = ["Getter", "Leaf", "Predicate", "Targeting", "Visitor", "compile_rule", "compile_targeting", "nobody"]

ALL_USERS = "fs_all_users"
"""The key of a rule that everybody meets, whatever its operator and value."""


class Visitor(msgspec.Struct, frozen=True):
    """Who asks.

    ``context`` holds text, numbers and booleans by key. ``assignments`` are variation ids by variation group id, which
    win over any hash. For the server alone: ``activated`` are the groups among them that the visitor was seen in, and
    ``hashing_id`` stands for the id in the hash, if a decision group does (2.7).
    """

    id: str
    context: Mapping[str, Any] = {}
    assignments: Mapping[str, str] = {}
    activated: Collection[str] = ()
    hashing_id: str = ""


Getter = Callable[[Visitor], Any]
Predicate = Callable[[Visitor], "bool | None"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One compiled rule; ``problem`` says why it accepts nobody, if its members make no sense.

    ``key`` is the context's key that it sees, when it sees nothing else.
    """

    raw: Raw
    sees: Getter
    accepts: Test
    key: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Targeting:
    """Who is targeted: targeting groups of rules, and all of them as one predicate, ``None`` when everybody matches."""

    groups: Sequence[Sequence[Leaf]]
    matches: Predicate | None
    is_strict: bool = False
    problem: str | None = None

    def problems(self) -> Iterator[str]:
        """Everything in it that makes no sense."""
        if self.problem is not None:
            yield self.problem
        yield from (leaf.problem for group in self.groups for leaf in group if leaf.problem)


def nobody(visitor: Visitor) -> bool:
    """The predicate of a targeting that cannot match."""
    return False


def compile_targeting(raw: Any, semantics: Semantics) -> Targeting:
    """The targeting of a variation group; one that is missing or no targeting matches nobody."""
    listed = raw.get("targetingGroups") if isinstance(raw, dict) else None
    if not isinstance(listed, list):
        return Targeting((), nobody, problem="it has no targeting, so it matches nobody")
    groups = [_rules(group, semantics) for group in listed]
    groups = [group for group in groups if group]  # an empty one matches nobody, and fails nobody
    return Targeting(groups, _predicate(groups, semantics.is_strict), semantics.is_strict)


def _rules(group: Any, semantics: Semantics) -> list[Leaf]:
    listed = group.get("targetings") if isinstance(group, dict) else None
    return [compile_rule(raw, semantics) for raw in listed] if isinstance(listed, list) else []


def compile_rule(raw: Any, semantics: Semantics) -> Leaf:
    """One rule as a leaf; one that makes no sense accepts nobody."""
    members: Raw = raw if isinstance(raw, dict) else {}
    try:
        return _usable(members, semantics)
    except UnusableRule as error:
        named = " ".join(str(members[name])[:40] for name in ("operator", "key") if isinstance(members.get(name), str))
        return Leaf(members, _sees_nothing, never, problem=f"rule {named or 'without a name'}: {error}")


def _usable(raw: Raw, semantics: Semantics) -> Leaf:
    name, key = raw.get("operator"), raw.get("key")
    if not isinstance(name, str) or not isinstance(key, str):
        raise UnusableRule("it has no operator or no key")
    if key == ALL_USERS:
        return Leaf(raw, _sees_visitor, always)
    row = semantics.operators.get(name)
    if row is None:
        raise UnusableRule(f"there is no operator {name!r:.40}")
    if "value" not in raw:
        raise UnusableRule("it has no value")
    accepts = compile_test(row, raw["value"])
    sees = _SPECIAL_KEYS.get(key)
    if sees is not None:
        return Leaf(raw, sees, accepts)
    if semantics.asks_providers and isinstance(raw.get("provider"), str) and raw["provider"]:
        key = f"{raw['provider']}::{key}"
    return Leaf(raw, _sees_context(key), accepts, key)


def _sees_nothing(visitor: Visitor) -> None:
    return None


def _sees_visitor(visitor: Visitor) -> Visitor:
    return visitor


def _sees_id(visitor: Visitor) -> str:
    return visitor.id


def _sees_context(key: str) -> Getter:
    return lambda visitor: visitor.context.get(key)


_SPECIAL_KEYS: Mapping[str, Getter] = {"fs_users": _sees_id}
"""What rules see elsewhere than in the context, by their key."""


def _predicate(groups: Sequence[Sequence[Leaf]], is_strict: bool) -> Predicate | None:
    """The groups as one function of the visitor; ``None`` when everybody matches."""
    accepting = [leaf.accepts for group in groups for leaf in group]
    if is_strict and any(accepts is not always and accepts is not never for accepts in accepting):
        return _strictly(groups)
    parts = []
    for group in groups:
        if any(leaf.accepts is never for leaf in group):
            continue
        tested = [_leaf_predicate(leaf) for leaf in group if leaf.accepts is not always]
        if not tested:
            return None
        parts.append(all_of(tested))
    return any_of(parts) if parts else nobody


def _leaf_predicate(leaf: Leaf) -> Predicate:
    sees, accepts, key = leaf.sees, leaf.accepts, leaf.key
    if key is not None:  # the rule that files have most of: one call less
        return lambda visitor: accepts(visitor.context.get(key))
    return lambda visitor: accepts(sees(visitor))


def _strictly(groups: Sequence[Sequence[Leaf]]) -> Predicate:
    """Every rule of every group is looked at: one whose kinds differ decides against all."""

    def matches(visitor: Visitor) -> bool:
        is_matched = False
        for group in groups:
            holds = True
            for leaf in group:
                accepted = leaf.accepts(leaf.sees(visitor))
                if accepted is None:
                    return False
                holds = holds and accepted
            is_matched = is_matched or holds
        return is_matched

    return matches
