"""The fields of the Automation API stand-in: what a body may hold, and how it is refused when it does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

__all__ = ["MESSAGES", "Field", "Object", "Refused", "accepted", "check", "enum", "many", "opened", "reset", "some"]

Object = dict[str, Any]

MESSAGES: dict[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method Not Allowed",
    423: "Locked",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Refused(Exception):
    """The call ends with this status and ``{"message": ...}``."""

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message or MESSAGES[status]
        self.headers = dict(headers or {})


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


KINDS: dict[str, Callable[[Any], bool]] = {
    "anything": lambda value: True,
    "a string": lambda value: isinstance(value, str),
    "an integer": _is_int,
    "a number": _is_number,
    "true or false": lambda value: isinstance(value, bool),
    "an object": lambda value: isinstance(value, dict),
    "an array": lambda value: isinstance(value, list),
    "an array of strings": _all(lambda value: isinstance(value, str)),
    "an array of integers": _all(_is_int),
    "an array of booleans": _all(lambda value: isinstance(value, bool)),
    "an array of objects": _all(lambda value: isinstance(value, dict)),
    "an object of numbers": lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    "an integer or digits": lambda value: _is_int(value) or (isinstance(value, str) and value.isdigit()),
}

WAYS: dict[str, tuple[str, str]] = {"create": ("Nn", "N"), "patch": ("Pp", "P"), "replace": ("NnPpR", "NR")}
"""How a body arrives: the letters of ``Field.ways`` that it may hold, and those that it must hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource.

    ``ways``: ``n`` taken when new, ``p`` taken in a PATCH, capitals demanded, ``R`` demanded in a PUT as well as what
    is demanded when new; none of them: read-only.
    """

    kind: str = "a string"
    ways: str = ""
    default: Any = None
    values: tuple[str, ...] = ()
    length: tuple[int, int] = (0, 1 << 30)
    span: tuple[float, float] = (float("-inf"), float("inf"))
    pattern: str = ""
    inner: Mapping[str, Field] | None = None
    each: Callable[[str, Object], None] | None = None


def enum(values: str, ways: str = "", default: str | None = None) -> Field:
    """A string of which the accepted values are listed, parted by spaces."""
    return Field(ways=ways, default=default, values=tuple(values.split()))


def many(of: str = "objects", ways: str = "", **more: Any) -> Field:
    """An array, empty unless sent."""
    return replace(Field(f"an array of {of}", ways, []), **more)


some = partial(Field, "an object")
"""An object, absent unless sent."""


def opened(fields: Mapping[str, Field], ways: str) -> dict[str, Field]:
    """The same fields, arriving in other ways."""
    return {name: replace(field, ways=ways) for name, field in fields.items()}


def accepted(fields: Mapping[str, Field], body: Object, way: str) -> Object:
    """What of the body is taken this way, all checked; ``null`` is the field's default; the unknown is left out."""
    taken, demanded = WAYS[way]
    check(fields, body, demanded)
    return {
        name: deepcopy(field.default if body[name] is None else body[name])
        for name, field in fields.items()
        if name in body and set(field.ways) & set(taken)
    }


def reset(fields: Mapping[str, Field]) -> Object:
    """What a PUT leaves in the fields that it may write."""
    taken, _ = WAYS["replace"]
    return {name: deepcopy(field.default) for name, field in fields.items() if set(field.ways) & set(taken)}


def check(fields: Mapping[str, Field], body: Object, demanded: str = "N", prefix: str = "") -> None:
    """Refuse with 400 what is missing and what does not fit."""
    for name, field in fields.items():
        if set(field.ways) & set(demanded) and body.get(name) is None:
            raise Refused(400, f"{prefix}{name}: required")
    for name, field in fields.items():
        if field.ways and body.get(name) is not None:
            _check_one(f"{prefix}{name}", field, body[name])


def _check_one(name: str, field: Field, value: Any) -> None:
    if not KINDS[field.kind](value):
        raise Refused(400, f"{name}: must be {field.kind}")
    items = value if isinstance(value, list) else [value]
    for item in items:
        if field.values and item not in field.values:
            raise Refused(400, f"{name}: invalid value '{item}'. Accepted values: {', '.join(field.values)}")
    if isinstance(value, str):
        _check_text(name, field, value)
    if _is_number(value) and not field.span[0] <= value <= field.span[1]:
        raise Refused(400, f"{name}: must be between {field.span[0]:g} and {field.span[1]:g}")
    for place, item in enumerate(items):
        at = f"{name}[{place}]" if isinstance(value, list) else name
        if field.inner is not None:
            check(field.inner, item, prefix=f"{at}.")
        if field.each is not None:
            field.each(at, item)


def _check_text(name: str, field: Field, value: str) -> None:
    shortest, longest = field.length
    if not shortest <= len(value) <= longest:
        raise Refused(400, f"{name}: length must be between {shortest} and {longest}")
    if field.pattern and not re.fullmatch(field.pattern, value):
        raise Refused(400, f"{name}: must match {field.pattern}")
