"""A segment's groups of conditions, compiled into one predicate and kept as a tree that can be told step by step.

Both come from the same leaves: what decides is what is explained (specs/kameleoon-sdk.md 5.1, 5.2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..datafile.model import ConditionGroup, ConditionsData, Raw
from ..visitors.visitor import Visitor
from .conditions import CONDITIONS
from .joined import all_of, any_of
from .matching import Test
from .scope import Condition, Getter, Scope, UnusableCondition

__all__ = [
    "EVERYBODY",
    "Leaf",
    "Node",
    "Predicate",
    "Tree",
    "compile_condition",
    "compile_conditions",
    "leaves",
    "predicate",
]

Predicate = Callable[[Visitor], bool]

MOST_TURNS = 50
"""How often a segment may turn from OR to AND and back: each turn is a level in its tree."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One compiled condition; ``problem`` says why it accepts nobody, if its members make no sense.

    ``custom_datum`` is the index of the custom datum that it sees, when it sees nothing else.
    """

    raw: Raw
    sees: Getter
    accepts: Test
    include: bool
    problem: str | None = None
    custom_datum: int | None = None

    def matches(self, visitor: Visitor) -> bool:
        """Whether the condition, negated if it excludes, holds for the visitor."""
        return self.accepts(self.sees(visitor)) is self.include


@dataclass(frozen=True, slots=True)
class Node:
    """Two trees joined: ``is_or`` ``None`` is an operator that the data file lacks, only the right side counts then."""

    is_or: bool | None
    left: Tree
    right: Tree


class _Everybody:
    """The tree of an empty segment or group."""

    def __repr__(self) -> str:
        return "EVERYBODY"


EVERYBODY = _Everybody()

Tree = Leaf | Node | _Everybody


def compile_conditions(
    data: ConditionsData | None, scope: Scope, conditions: Mapping[str, Condition] = CONDITIONS
) -> Tree:
    """The tree of a segment. Raises ``UnusableCondition`` when a group has too few operators."""
    if data is None:
        return EVERYBODY
    groups = [_group_tree(group, scope, conditions) for group in data.first_level]
    return _join(groups, data.first_level_or_operators or (), may_lack_operators=True)


def compile_condition(raw: Raw, scope: Scope, conditions: Mapping[str, Condition] = CONDITIONS) -> Leaf:
    """One condition as a leaf; one that makes no sense accepts nobody, and then excludes nobody (2.11)."""
    condition = conditions.get(str(raw.get("targetingType"))) or conditions["UNKNOWN"]
    include = raw.get("isInclude") is not False
    try:
        custom_datum = condition.custom_datum(raw) if condition.custom_datum else None
        return Leaf(raw, condition.sees(raw, scope), condition.accepts(raw, scope), include, custom_datum=custom_datum)
    except UnusableCondition as error:
        return Leaf(raw, _sees_nothing, _accepts_nothing, include, str(error))


def _sees_nothing(visitor: Visitor) -> None:
    return None


def _accepts_nothing(seen: object) -> bool:
    return False


def _group_tree(group: ConditionGroup, scope: Scope, conditions: Mapping[str, Condition]) -> Tree:
    leaves = [compile_condition(raw, scope, conditions) for raw in group.conditions or ()]
    return _join(leaves, group.or_operators or (), may_lack_operators=False)


def _join(items: Sequence[Tree], operators: Iterable[bool | None], *, may_lack_operators: bool) -> Tree:
    """Join by the reference's right-recursive scheme, in which AND binds its two neighbours first (5.1)."""
    waiting, ops = deque(items), deque(operators)

    def operator() -> bool | None:
        if ops:
            return bool(ops.popleft())
        if may_lack_operators:
            return None
        raise UnusableCondition("a group has fewer operators than its conditions need")

    if not waiting:
        return EVERYBODY
    heads: list[tuple[bool | None, Tree]] = []  # each joined to all that follows it
    tree = waiting.popleft()
    while waiting:
        is_or = operator()
        if not is_or:
            tree = Node(is_or, tree, waiting.popleft())
            if not waiting:
                break
            is_or = operator()
        heads.append((is_or, tree))
        tree = waiting.popleft()
    runs = [(is_or, [head for _, head in run]) for is_or, run in groupby(heads, key=lambda head: head[0])]
    if len(runs) > MOST_TURNS:
        raise UnusableCondition(f"it turns from OR to AND and back more than {MOST_TURNS} times")
    for is_or, run in reversed(runs):
        tree = _balanced(is_or, [*run, tree])
    return tree


def _balanced(is_or: bool | None, trees: Sequence[Tree]) -> Tree:
    """Trees joined by one operator, whose grouping changes nothing: thousands of them must not nest as deep."""
    if len(trees) == 1:
        return trees[0]
    half = len(trees) // 2
    return Node(is_or, _balanced(is_or, trees[:half]), _balanced(is_or, trees[half:]))


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The conditions of a tree, in the order of the data file."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Leaf):
            yield part
        elif isinstance(part, Node):
            waiting += (part.right, part.left)


def predicate(tree: Tree) -> Predicate | None:
    """The tree as one function of the visitor; ``None`` when everybody matches."""
    if isinstance(tree, _Everybody):
        return None
    if isinstance(tree, Leaf):
        return _leaf_predicate(tree)
    if tree.is_or is None:
        return predicate(tree.right)
    parts = [predicate(part) for part in _operands(tree, tree.is_or)]
    if tree.is_or:
        return None if None in parts else any_of([part for part in parts if part])
    narrowing = [part for part in parts if part]
    return all_of(narrowing) if narrowing else None


def _operands(tree: Tree, is_or: bool) -> list[Tree]:
    """The operands of nested nodes of one operator, flat: grouping does not change what they come to."""
    operands = []
    while isinstance(tree, Node) and tree.is_or is is_or:
        operands += _operands(tree.left, is_or)
        tree = tree.right
    return [*operands, tree]


def _leaf_predicate(leaf: Leaf) -> Predicate:
    sees, accepts, index = leaf.sees, leaf.accepts, leaf.custom_datum
    if not leaf.include:
        return lambda visitor: not accepts(sees(visitor))
    if index is not None:  # the condition that data files have most of: one call less
        return lambda visitor: accepts(visitor.custom_data.get(index))
    return lambda visitor: accepts(sees(visitor))
