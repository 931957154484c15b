"""Records of the vendors' APIs as plain objects without their secrets, and the fields of them that lists show.

A field is known by its name here (``site_id``) or on the wire (``siteId``), and below others by dots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from ...management.rest.fields import Field, Record, camel
from ...settings import MASK
from ..output import as_json

__all__ = ["Shown", "all_columns", "chosen", "main_columns", "shown", "text_of", "value_at"]

Shown = dict[str, Any]
"""A record as a plain object, by names on the wire; secrets are masked."""

MAIN = (
    *("id", "key", "feature_key", "identifier", "email", "name", "project_name", "title", "description", "type"),
    *("status", "code", "index", "site_id", "site_code", "date_modified", "date_created", "last_modified"),
)
"""Which fields a table shows first, in this order, of those that a record has."""

MOST_COLUMNS = 6

SECRET = re.compile(r"(secret|password|token|(api|sdk)_?key)s?$", re.IGNORECASE)
"""Members whose text is masked, declared as secret or not: vendors send more than their references tell."""

NAMES_OF_KEYS = ("id", "key", "value")
"""Where, in objects of a member that is secret, the secret is."""


def shown(record: object) -> Shown:
    """A record, or an object of one that is none of ours, as plain data."""
    if isinstance(record, Record):
        return _masked_object(record.raw, type(record))
    if isinstance(record, Mapping):
        return _masked_object(record, None)
    return _masked_object(vars(record), None)


def _masked_object(raw: Mapping[str, Any], kind: Any) -> Shown:
    fields = _declared(kind)
    return {
        name: _masked(value, fields[name].kind if name in fields else None, is_secret=_is_secret(name, fields))
        for name, value in raw.items()
    }


def _masked(value: Any, kind: Any, *, is_secret: bool) -> Any:
    if isinstance(value, str):
        return MASK if is_secret and value else value
    inner = next(iter(get_args(kind)[-1:]), kind)
    if isinstance(value, Mapping):
        made = _masked_object(value, kind) if inner is kind else _masked_members(value, inner)
        return {**made, **{name: MASK for name in NAMES_OF_KEYS if made.get(name)}} if is_secret else made
    if isinstance(value, list):
        return [_masked(item, inner, is_secret=is_secret) for item in value]
    return value


def _masked_members(raw: Mapping[str, Any], kind: Any) -> Shown:
    """Records by keys that people chose, which tell nothing of what they hold; else members that are not declared."""
    is_chosen = bool(_declared(kind))
    return {name: _masked(value, kind, is_secret=not is_chosen and _is_secret(name, {})) for name, value in raw.items()}


def _is_secret(name: str, fields: Mapping[str, Field[Any]]) -> bool:
    return (name in fields and fields[name].is_secret) or SECRET.search(name) is not None


def _declared(kind: Any) -> dict[str, Field[Any]]:
    """The declared fields of a kind of record, by names on the wire."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        return {}
    return {one.wire: one for one in kind.fields.values()}


def main_columns(kind: type[Record] | None, sample: Sequence[Shown]) -> list[str]:
    """The main fields of some records for a table, few and flat; by names on the wire."""
    names = [name for name in all_columns(kind, sample) if not _is_secret(name, _declared(kind))]
    flat = [name for name in names if _is_flat(name, kind, sample)]
    first = [name for wanted in MAIN for name in flat if name in (wanted, camel(wanted))]
    return list(dict.fromkeys([*first, *flat]))[:MOST_COLUMNS]


def all_columns(kind: type[Record] | None, sample: Sequence[Shown]) -> list[str]:
    """All fields of some records: those declared, and those that are there besides; by names on the wire."""
    return list(dict.fromkeys([*_declared(kind), *(name for record in sample for name in record)]))


def _is_flat(name: str, kind: type[Record] | None, sample: Sequence[Shown]) -> bool:
    values = [record[name] for record in sample if record.get(name) is not None]
    if not values:
        return name in _declared(kind) and not get_args(_declared(kind)[name].kind)
    return all(isinstance(value, str | int | float) for value in values)


def value_at(record: Shown, name: str) -> Any:
    """What a record has in a field; ``None`` when it has none."""
    value: Any = record
    for part in name.split("."):
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        elif isinstance(value, Mapping):
            value = next((value[spelt] for spelt in _spellings(part) if spelt in value), None)
        else:
            return None
    return value


def _spellings(name: str) -> Iterator[str]:
    yield name
    yield camel(name)
    words = camel(name)
    yield re.sub("(Url|Id)$", lambda found: found[0].upper(), words)  # baseURL, imageURL


def text_of(value: Any) -> str:
    """A value as text for a cell: empty for nothing, JSON for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else as_json(value)


def chosen(record: Shown, names: Sequence[str]) -> Shown:
    """Those fields of a record alone, by the names they were asked for by."""
    return {name: value_at(record, name) for name in names}
