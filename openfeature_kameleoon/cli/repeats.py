"""JSON objects that name a member twice: legal to every parser, and hardly ever meant."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["repeated_members"]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its members as they stand in the text."""


# Numbers stay text: nothing is computed with them, and a million-digit one must not stop the parser.
_decode = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=str, parse_float=str).decode


def repeated_members(text: bytes, place: str) -> Iterator[tuple[str, str]]:
    """Path and name of each member that stands twice in an object; ``place`` is the path of the whole.

    The text must have been scanned (``datafile.scan``): it is JSON, and not nested too deeply to be parsed.
    """
    waiting: list[tuple[str, Any]] = [(place, _decode(text.decode()))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Pairs):
            for name, count in Counter(name for name, _ in value).items():
                if count > 1:
                    yield path, name
            waiting += [(f"{path}{_step(name)}", inner) for name, inner in value if isinstance(inner, list)]
        elif isinstance(value, list):
            waiting += [(f"{path}[{number}]", inner) for number, inner in enumerate(value) if isinstance(inner, list)]


def _step(name: str) -> str:
    return f".{name}" if name.isidentifier() else f"[{json.dumps(name)}]"
