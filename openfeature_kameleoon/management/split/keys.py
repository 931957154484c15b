"""Lists of segment keys: files of one key a line, and parts of the size that a call takes (spec 4).

The dialect: no header, ``,`` parts columns, ``|`` quotes what needs it, lines end with CRLF.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .exceptions import InvalidArgumentException

__all__ = ["KEYS_PER_CALL", "parts", "read", "write"]

KEYS_PER_CALL = 10_000


class _OneColumn(csv.excel):
    quotechar = "|"


def write(path: str | os.PathLike[str], keys: Iterable[str]) -> None:
    """Write keys as they come; the file appears, or is replaced, when all are there."""
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, _OneColumn).writerows([key] for key in keys)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> Iterator[str]:
    """The keys of a file, blank lines left out. Raises ``InvalidArgumentException`` for more than one column."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, _OneColumn)
        for row in lines:
            if len(row) > 1:
                raise InvalidArgumentException(f"line {lines.line_num} has {len(row)} columns; a key is all of a line")
            yield from row


def parts(data: Mapping[str, Any], size: int = KEYS_PER_CALL) -> Iterator[dict[str, Any]]:
    """The same object as often as its ``keys`` need, each with so many of them; once, when there are none."""
    keys = list(data.get("keys") or ())
    for start in range(0, max(len(keys), 1), size):
        yield {**data, "keys": keys[start : start + size]}
