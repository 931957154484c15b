"""From an OpenFeature evaluation context to what Flagship knows of a visitor (specs/flagship.md 5.1, 7.1).

Pure, on the caller's thread, for each evaluation: what the visitor has already is recognised before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import VisitorDataInvalid
from .context import current_entry
from .errors import ContextError

__all__ = ["NOTHING_TOLD", "VISITOR_INFO", "VisitorInfo", "has_news", "merged", "visitor_info"]

VISITOR_INFO = "fsVisitorInfo"
"""The reserved attribute that tells of consent and of authentication, and is no part of the context."""

PLAIN = frozenset((str, int, float, bool))


class VisitorInfo(NamedTuple):
    """What ``fsVisitorInfo`` tells; ``None`` is what it does not."""

    has_consented: bool | None = None
    is_authenticated: bool | None = None
    anonymous_id: str | None = None


NOTHING_TOLD = VisitorInfo()


def has_news(attributes: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether attributes may tell of a visitor what is not known of it yet: then they are worth being merged."""
    for name, value in attributes.items():
        kind = type(value)
        if kind in PLAIN:
            old = known.get(name)
            if (old is not value and old != value) or type(old) is not kind:
                return True
        elif name == VISITOR_INFO or issubclass(kind, (str, int, float)):
            return True
    return False


def merged(attributes: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The context with what the attributes tell anew; the very one that was known if that is nothing.

    Texts, numbers and booleans under a name are told; all else is passed over, as is what a predefined key does not
    take (5.2). What is told once stays known.
    """
    new: dict[str, Any] = {}
    for name, value in attributes.items():
        plain = _plain(value)
        if plain is None or name == VISITOR_INFO:
            continue
        try:
            key, plain = current_entry(name, plain)
        except ContextError:  # the SDK logs it; an evaluation does not log
            continue
        old = known.get(key)
        is_same = type(old) is type(plain) and (old == plain or (old != old and plain != plain))  # as NaN is
        if not is_same:
            new[str.__str__(key)] = plain
    return {**known, **new} if new else known


def visitor_info(attributes: Mapping[str, Any]) -> VisitorInfo:
    """What the attribute ``fsVisitorInfo`` tells. Raises ``VisitorDataInvalid``, naming the field."""
    given = attributes.get(VISITOR_INFO)
    if given is None:
        return NOTHING_TOLD
    if not isinstance(given, Mapping):
        raise VisitorDataInvalid(f"context attribute {VISITOR_INFO!r}: a mapping is expected, not {_kind(given)}")
    told = VisitorInfo(given.get("hasConsented"), given.get("isAuthenticated"), given.get("anonymousId"))
    for field, value, wanted, name in (
        ("hasConsented", told.has_consented, bool, "a boolean"),
        ("isAuthenticated", told.is_authenticated, bool, "a boolean"),
        ("anonymousId", told.anonymous_id, str, "a string"),
    ):
        if value is not None and type(value) is not wanted:
            raise VisitorDataInvalid(
                f"context attribute {VISITOR_INFO!r}, field {field!r}: {name} is expected, not {_kind(value)}"
            )
    return told


def _plain(value: Any) -> str | int | float | bool | None:
    """The value as one of the types that Flagship knows, whatever a subclass of it makes of itself."""
    kind = type(value)
    if kind in PLAIN:
        return value  # type: ignore[no-any-return]  # of one of these types
    for plain, read in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if issubclass(kind, plain):
            return read(value)
    return None


def _kind(value: object) -> str:
    return type(value).__name__
