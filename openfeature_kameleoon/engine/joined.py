"""Predicates joined by AND and OR, without a loop where there are few. Pure; what they see is the callers' business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["all_of", "any_of"]

V = TypeVar("V")
R = TypeVar("R", bool, "bool | None")


def all_of(parts: Sequence[Callable[[V], R]]) -> Callable[[V], R]:
    """Whether all of them accept; at least one is needed."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda seen: first(seen) and second(seen)
    if len(parts) == 3:
        first, second, third = parts
        return lambda seen: first(seen) and second(seen) and third(seen)

    def every(seen: V) -> R:
        for part in parts:  # noqa: SIM110  # all() would build a generator per visitor
            if not part(seen):
                return False
        return True

    return every


def any_of(parts: Sequence[Callable[[V], R]]) -> Callable[[V], R]:
    """Whether any of them accepts; at least one is needed."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda seen: first(seen) or second(seen)

    def some(seen: V) -> R:
        for part in parts:  # noqa: SIM110  # any() would build a generator per visitor
            if part(seen):
                return True
        return False

    return some
