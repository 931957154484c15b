"""Which audience conditions Optimizely accepts: the grammar of and/or/not, and a row per condition type."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["CLASSIC_TYPES", "V2_TYPES", "condition_types", "wrong_in_audiences", "wrong_in_conditions"]

EXISTENCE = ("exists", "exact", "substring", "regex")
RANGES = ("gt", "ge", "lt", "le", "semver_eq", "semver_gt", "semver_ge", "semver_lt", "semver_le")


class _Type(NamedTuple):
    """What a condition of a type must carry, and how it may match."""

    required: tuple[str, ...] = ()
    match_types: tuple[str, ...] = ()


CLASSIC_TYPES: Mapping[str, _Type] = {
    "browser_version": _Type(("value",)),
    "browser": _Type(("value",)),
    "device": _Type(("value",)),
    "platform": _Type(("value",)),
    "campaign": _Type((), EXISTENCE),
    "cookies": _Type(("name",), EXISTENCE),
    "query": _Type(("name",), EXISTENCE),
    "custom_tag": _Type(("name",), EXISTENCE),
    "custom_dimension": _Type(("name",)),
    "third_party_dimension": _Type(("name", "value")),
    "uploaded_data_dimension": _Type(("name",)),
    "list": _Type(("name",)),
    "event": _Type(("name",)),
    "code": _Type(("value",)),
    "first_session": _Type(),
    "has_ppid": _Type(),
    "ip": _Type(("value",), ("exact", "regex", "cidr", "prefix")),
    "language": _Type(("value",)),
    "location": _Type(("value",)),
    "referrer": _Type(("value",), ("simple", "exact", "substring", "regex")),
    "source_type": _Type(("value",)),
    "time_and_day": _Type(("value",)),
}

V2_TYPES: Mapping[str, _Type] = {
    **{name: row for name, row in CLASSIC_TYPES.items() if name != "custom_dimension"},
    "custom_attribute": _Type(("name",), (*EXISTENCE, *RANGES)),
}


def wrong_in_conditions(text: object, types: Mapping[str, _Type]) -> str | None:
    """What is wrong with an audience's ``conditions``; ``None`` when nothing is."""
    return _first_wrong(text, lambda leaf: _wrong(leaf, types))


def wrong_in_audiences(text: object) -> str | None:
    """What is wrong with an experiment's ``audience_conditions``: ``everyone``, or text over audience ids."""
    return None if text == "everyone" else _first_wrong(text, _not_an_audience)


def _first_wrong(text: object, wrong: Callable[[Mapping[str, Any]], str | None]) -> str | None:
    try:
        decoded = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        decoded = None
    if not isinstance(decoded, list | dict):
        return "must be JSON text of a condition or a list"
    found = (leaf if isinstance(leaf, str) else wrong(leaf) for leaf in (_leaves(decoded) if decoded != [] else ()))
    return next((one for one in found if one), None)


def _not_an_audience(leaf: Mapping[str, Any]) -> str | None:
    return None if type(leaf.get("audience_id")) is int else "must have an audience_id in each condition"


def condition_types(text: str) -> Collection[str]:
    """The types in conditions that are right."""
    decoded = json.loads(text)
    return {leaf["type"] for leaf in _leaves(decoded) if isinstance(leaf, dict)} if decoded else set()


def _leaves(node: Any) -> Iterator[dict[str, Any] | str]:
    """The conditions from left to right, or in their place what is wrong with the grammar."""
    if isinstance(node, dict):
        yield node
    elif not isinstance(node, list) or not node or node[0] not in ("and", "or", "not"):
        yield "must hold conditions, or lists that begin with and, or, not"
    elif len(node) < 2 or (node[0] == "not" and len(node) != 2):
        yield f"has a {node[0]} with {len(node) - 1} members"
    else:
        for member in node[1:]:
            yield from _leaves(member)


def _wrong(leaf: Mapping[str, Any], types: Mapping[str, _Type]) -> str | None:
    name = leaf.get("type")
    row = types.get(name) if isinstance(name, str) else None
    if row is None:
        return f"has an unknown type: {name}"
    missing = [key for key in row.required if key not in leaf]
    if missing:
        return f"has a {name} without {', '.join(missing)}"
    if row.match_types and leaf.get("match_type", row.match_types[0]) not in row.match_types:
        return f"has a {name} with an unknown match_type: {leaf['match_type']}"
    is_text = types is not CLASSIC_TYPES or all(isinstance(leaf.get(key, ""), str) for key in ("name", "value"))
    return None if is_text else f"has a {name} whose name or value is not text"
