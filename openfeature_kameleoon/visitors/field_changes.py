"""Which fields of a visitor changed, and how a visitor takes over what others changed of it. Pure.

Fields are those of stored_form.py. What has changed here and is not written yet wins over what others wrote.
"""

from __future__ import annotations

from typing import Any

from .stored_form import ABSENT, KINDS, Field, encode, put, settle
from .traits import Assignment
from .visitor import Visitor

__all__ = ["ALIAS_OF", "IS_UNIQUE", "Changes", "More", "adopt", "changes", "join", "link_to", "to_write"]

Changes = dict[Field, Any]
"""Fields and their new values, ``ABSENT`` for none."""

ALIAS_OF: Field = ("own", "alias_of")

IS_UNIQUE: Field = ("own", "is_unique_identifier")

SET_BY_HAND = {"forced", "simulated"}
"""What people take away again; anything else that is gone from Redis was lost there."""


class More(int):
    """So many page views more than there were."""


def changes(before: Visitor, after: Visitor) -> Changes:
    """The fields in which two states of a visitor differ, with their values in the second one."""
    found: Changes = {}
    for name, kind in KINDS.items():
        old, new = kind.source(before), kind.source(after)
        if old is new or old == new:
            continue
        old, new = kind.items(old), kind.items(new)
        for key, value in new.items():
            if key not in old or old[key] != value:
                found[name, key] = value
        for key in old:
            if key not in new:
                found[name, key] = ABSENT
    return found


def to_write(before: Visitor, after: Visitor) -> Changes:
    """The same as it is to be written: page views are counted from where they stood."""
    found = changes(before, after)
    for field, value in found.items():
        if field[0] == "views" and value is not ABSENT:
            known = before.traits.pages.get(field[1])
            found[field] = More(value - (known.views if known else 0))
    return found


def link_to(visitor: Visitor, user_id: str) -> Changes:
    """What makes a user id another code of a visitor, in place of any that had it before (6.6)."""
    first_code = visitor.traits.first_code
    if user_id == first_code:  # it was another visitor's for a while: all is to be stored under it again
        return {ALIAS_OF: ABSENT, **to_write(Visitor(user_id), visitor)}
    return {ALIAS_OF: first_code, **({IS_UNIQUE: True} if visitor.is_unique_identifier else {})}


def join(into: Changes, later: Changes) -> None:
    """Add later changes to earlier ones."""
    if ALIAS_OF in later:  # it is the code of another visitor from then on
        into.clear()
    for field, value in later.items():
        earlier = into.get(field)
        into[field] = More(earlier + value) if type(value) is More and type(earlier) is More else value


def adopt(visitor: Visitor, stored: Visitor, mine: Changes, *, keeps: bool) -> Changes:
    """Bring a visitor in line with what is stored of it, save for ``mine``, which is still to be written.

    Returns what is to be written besides: what should not be missing there. With ``keeps`` that is all that the visitor
    has, as after an outage, in which data may have been lost; otherwise what is not stored is gone.
    """
    owed: Changes = {}
    held = changes(stored, visitor)
    for field, value in changes(visitor, stored).items():
        kind, key = field
        if kind == "first":
            if value is ABSENT:
                owed[field] = held[field]
            else:  # even if it is mine: somebody else was first
                put(visitor, field, value)
        elif field in mine:
            continue
        elif value is ABSENT and SET_BY_HAND.isdisjoint(field) and (keeps or not _can_be_stored(field, held[field])):
            owed[field] = More(held[field]) if kind == "views" else held[field]
        elif kind != "assignment" or not _is_same(visitor.assignments.get(key), value):
            put(visitor, field, value)
    for field, value in mine.items():
        if type(value) is More:
            known = stored.traits.pages.get(field[1])
            put(visitor, field, (known.views if known else 0) + value)
    settle(visitor)
    return owed


def _can_be_stored(field: Field, value: Any) -> bool:
    try:
        encode(field, value, 0.0)
    except Exception:  # other people's objects, as when they are written
        return False
    return True


def _is_same(known: Assignment | None, stored: object) -> bool:
    """Whether two assignments are one, which keeps the later of the times at which it was confirmed."""
    if known is None or not isinstance(stored, Assignment):
        return False
    if (known.exposure, known.time, known.is_reported) != (stored.exposure, stored.time, stored.is_reported):
        return False
    known.evaluated_at = max(known.evaluated_at, stored.evaluated_at)
    return True
