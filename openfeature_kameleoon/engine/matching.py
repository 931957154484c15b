"""Comparison operators: each is given its operand once and becomes a test (specs/kameleoon-sdk.md 5.3, 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .patterns import compile_pattern

__all__ = ["NUMBER_MATCHES", "TEXT_MATCHES", "VERSION_MATCHES", "Test", "version_triple"]

Test = Callable[[Any], bool]
Triple = tuple[int, int, int]


def version_triple(version: str) -> Triple | None:
    """The first three numbers of a version, missing ones 0; ``None`` when one of them is no number."""
    try:
        numbers = [int(part) for part in version.split(".")[:3]]
    except ValueError:
        return None
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch


def _contains(operand: str) -> Test:
    return lambda seen: operand in seen


def _equal(operand: Any) -> Test:
    return lambda seen: seen == operand


def _greater(operand: Any) -> Test:
    return lambda seen: seen > operand


def _lower(operand: Any) -> Test:
    return lambda seen: seen < operand


TEXT_MATCHES: Mapping[str, Callable[[str], Test]] = {
    "EXACT": _equal,
    "CONTAINS": _contains,
    "REGULAR_EXPRESSION": compile_pattern,
}

NUMBER_MATCHES: Mapping[str, Callable[[float], Test]] = {
    "EQUAL": _equal,
    "GREATER": _greater,
    "LOWER": _lower,
}

VERSION_MATCHES: Mapping[str, Callable[[Triple], Test]] = {
    "EQUAL": _equal,
    "GREATER": _greater,
    "LOWER": _lower,
}
