"""One flag for very many visitor codes: a compiled loop that keeps nothing of any visitor.

The answers are those that new visitors get. Work that does not depend on the visitor is done before the first code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

from ..visitors.traits import Assignment, Exposure
from ..visitors.visitor import Visitor
from .decision import Decide
from .evaluation import CompiledFlag, CompiledRule

__all__ = ["Fill", "assign"]

Item = str | tuple[str, Any]
CheckCode = Callable[[object], str]
Fill = Callable[[Visitor, Any], Visitor]

LONGEST_CODE = 255


def assign(flag: CompiledFlag, decide: Decide, items: Iterable[Item], check: CheckCode, fill: Fill) -> Iterator[str]:
    """The variation key for each item, in order: a visitor code, or a pair of a code and the visitor's data.

    ``check`` refuses bad codes, ``fill`` gives a visitor its data; both may raise.
    """
    split = None if flag.group or flag.holdout else flag.only_split()
    return _by_hash(flag, split, decide, items, check, fill) if split else _by_decision(decide, items, check, fill)


def _by_hash(
    flag: CompiledFlag,
    split: CompiledRule,
    decide: Decide,
    items: Iterable[Item],
    check: CheckCode,
    fill: Fill,
) -> Iterator[str]:
    suffix = split.variation_suffix
    shares = [(bound, entry.variation_key) for bound, entry in zip(split.bounds, split.entries, strict=True)]
    otherwise = flag.no_rule.variation_key
    for item in items:
        if type(item) is not str:  # with data, which may be an identifier that changes the hash
            yield _decided(decide, item, check, fill)
            continue
        if not 0 < len(item) <= LONGEST_CODE or not item.isprintable():
            check(item)
        digest = sha256((item + suffix).encode()).digest()
        for bound, key in shares:
            if digest <= bound:
                yield key
                break
        else:
            yield otherwise


def _by_decision(decide: Decide, items: Iterable[Item], check: CheckCode, fill: Fill) -> Iterator[str]:
    for item in items:
        yield _decided(decide, item, check, fill)


def _decided(decide: Decide, item: Item, check: CheckCode, fill: Fill) -> str:
    code, data = item if isinstance(item, tuple) else (item, None)
    visitor = Visitor(check(code), known=data is not None)
    if data is not None:
        visitor = fill(visitor, data)
    return decide(visitor, _remember).variation_key


def _remember(visitor: Visitor, exposure: Exposure) -> None:
    """A holdout's assignment, for conditions that look at it; forgotten with the visitor."""
    visitor.known = True  # as it would be by now
    visitor.set_assignment(Assignment(exposure, visitor.started, 0.0, is_reported=False))
