"""What has no short form: found by comparing what was written short with what was meant, and kept as it is."""

from __future__ import annotations

from typing import Any

__all__ = ["are_objects", "is_number", "is_same", "with_raw"]

_MISSING = object()


def with_raw(short: dict[str, Any], made: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """A short form, with all members in ``raw`` in which what was made of it differs from what is wanted."""
    differing = {name: value for name, value in wanted.items() if not is_same(made.get(name, _MISSING), value)}
    raw = {**short.get("raw", {}), **differing}
    return {**short, "raw": raw} if raw else short


def is_number(value: object) -> bool:
    """Whether it is a number of the data file's, of 64 bits."""
    return type(value) is int and -(2**63) <= value < 2**63


def are_objects(items: object) -> bool:
    """Whether it is a list of JSON objects."""
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are the same: 1 is 1.0, but not ``true``, as it is in Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other
