"""Secrets that must not be seen, in all the ways in which they may be written, and all places where they may be."""

from __future__ import annotations

import base64
import gc
import json
import types
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import msgspec

from openfeature_kameleoon.settings import Secret

__all__ = ["forms", "reachable", "shown"]

CLOSED = (Secret, type, types.ModuleType, types.FrameType, types.TracebackType)


def forms(text: str, *before: str) -> set[str]:
    """The ways in which a text may be written; in Base64 with these before it, too, as a user's name stands there."""
    whole = [f"{prefix}{text}".encode() for prefix in ("", *before)]
    encoded = {encode(each).decode() for each in whole for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return {text, quote(text), quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], *encoded}


def shown(text: str, canaries: Iterable[str]) -> list[str]:
    """The canaries in a text."""
    return [canary for canary in canaries if canary in text]


def reachable(*roots: object, closed: tuple[type, ...] = ()) -> Iterator[object]:
    """All that objects hold, directly or not; secrets, code, frames and what is ``closed`` are not entered."""
    waiting, seen = list(roots), set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, (*CLOSED, *closed)):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, types.FunctionType):
            waiting += [cell.cell_contents for cell in found.__closure__ or ()]
        elif isinstance(found, msgspec.Struct):  # the garbage collector does not know what those hold
            waiting += [getattr(found, name) for name in found.__struct_fields__]
        else:
            waiting += gc.get_referents(found)
