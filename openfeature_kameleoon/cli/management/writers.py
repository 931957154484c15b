"""How a list is written, one record after the other: a table for people, JSON, JSON lines and CSV for programs.

Some hundred records are held at a time, however many there are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Protocol, TextIO

from ...management.rest.fields import Record
from ..output import console, foreign, table
from .progress import Bar
from .records import Shown, all_columns, main_columns, text_of, value_at

__all__ = ["FORMATS", "Listed", "write_table"]

CHUNK = 500
LONGEST_CELL = 80


@dataclass(slots=True)
class Listed:
    """Records to write: of which kind, if that is known, and which fields of them were asked for, if any."""

    records: Iterator[Shown]
    kind: type[Record] | None
    fields: Sequence[str]
    count: int = 0
    seen: set[str] = field(default_factory=set)
    """Fields that a record had."""

    def chunks(self) -> Iterator[list[Shown]]:
        """Some records at a time; counts them."""
        while chunk := list(islice(self.records, CHUNK)):
            self.count += len(chunk)
            yield chunk

    def values(self, record: Shown, names: Sequence[str]) -> list[Any]:
        """What the record has in these fields."""
        values = [value_at(record, name) for name in names]
        self.seen.update(name for name, value in zip(names, values, strict=True) if value is not None)
        return values

    def as_json(self, record: Shown, *, is_ascii: bool) -> str:
        """All of the record, or what was asked for."""
        data = dict(zip(self.fields, self.values(record, self.fields), strict=True)) if self.fields else record
        return json.dumps(data, ensure_ascii=is_ascii)


def write_table(listed: Listed, bar: Bar) -> None:
    """A table on stdout for every so many records; the bar is out of the way meanwhile."""
    out = console()
    for chunk in listed.chunks():
        names = listed.fields or main_columns(listed.kind, chunk)
        made = table(*names)
        for record in chunk:
            cells = map(text_of, listed.values(record, names))
            made.add_row(*(foreign(cell, limit=LONGEST_CELL) for cell in cells))
        with bar.hidden():
            out.print(made)


class Write(Protocol):
    """Writes all records; with ``is_ascii`` JSON has nothing that a terminal might obey."""

    def __call__(self, listed: Listed, file: TextIO, *, is_ascii: bool) -> None:
        """Write them."""


def _json(listed: Listed, file: TextIO, *, is_ascii: bool) -> None:
    """One array, a record a line."""
    before = "[\n"
    for record in chain.from_iterable(listed.chunks()):
        file.write(before + listed.as_json(record, is_ascii=is_ascii))
        before = ",\n"
    file.write("\n]\n" if listed.count else "[]\n")


def _json_lines(listed: Listed, file: TextIO, *, is_ascii: bool) -> None:
    for record in chain.from_iterable(listed.chunks()):
        file.write(listed.as_json(record, is_ascii=is_ascii) + "\n")


def _csv(listed: Listed, file: TextIO, *, is_ascii: bool) -> None:
    """All declared fields, and those that the first records have besides; lists and objects as JSON."""
    chunks = listed.chunks()
    first = next(chunks, [])
    names = listed.fields or all_columns(listed.kind, first)
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(names)
    for chunk in chain([first], chunks):
        rows.writerows(map(text_of, listed.values(record, names)) for record in chunk)


FORMATS: Mapping[str, Write] = {"json": _json, "jsonl": _json_lines, "csv": _csv}
"""By names that are also the endings of files."""
