"""What the columns of a CSV file of visitors are: the code, custom data of the data file, others to keep."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..visitors.data import CustomData, Data
from .output import fail

__all__ = ["Item", "Layout", "layout_of"]

CODE_NAMES = frozenset(
    {"code", "customerid", "id", "key", "targetingkey", "user", "userid", "visitor", "visitorcode", "visitorid"}
)
"""What a column of visitor codes is called, in small letters and without signs."""

Item = str | tuple[str, Iterable[Data]]


class Layout(NamedTuple):
    """The columns by their places: that of the code, those of custom data with their indexes, those to keep."""

    names: Sequence[str]
    has_header: bool
    code: int
    custom_data: Mapping[int, int]
    kept: Sequence[int]

    @property
    def unused(self) -> list[str]:
        """Names of columns that decide nothing."""
        used = {self.code, *self.custom_data}
        return [name for place, name in enumerate(self.names) if self.has_header and place not in used]

    def header(self) -> list[str]:
        """The names of the columns written."""
        return ["visitor_code", "variation_key", *(self.names[place] for place in self.kept)]

    def items(self, rows: list[list[str]]) -> Sequence[Item]:
        """The visitors as ``KameleoonClient.assign`` takes them; a row that is too short has the code ``""``."""
        code = self.code
        if self.custom_data:
            return [self._with_data(row) for row in rows]
        try:
            return [row[code] for row in rows]
        except IndexError:
            return [row[code] if code < len(row) else "" for row in rows]

    def _with_data(self, row: list[str]) -> Item:
        """A visitor and its data; an empty cell is no data."""
        code = row[self.code] if self.code < len(row) else ""
        data = [
            CustomData(index, row[place])
            for place, index in self.custom_data.items()
            if place < len(row) and row[place]
        ]
        return (code, data) if data else code

    def written(self, rows: list[list[str]], keys: Sequence[str | None]) -> Iterable[Sequence[str]]:
        """The rows written, in order; those without a variation are left out."""
        code, kept = self.code, self.kept
        pairs = ((row, key) for row, key in zip(rows, keys, strict=True) if key is not None)
        if kept:
            return ([row[code], key, *(row[place] if place < len(row) else "" for place in kept)] for row, key in pairs)
        return ((row[code], key) for row, key in pairs)


def layout_of(
    first: list[str],
    custom_data: Mapping[str, int],
    *,
    column: str | None,
    has_header: bool | None,
    keeps_columns: bool,
) -> Layout:
    """The layout that a file's first row tells; ``custom_data`` are indexes by name.

    Whether it is a header shows in its names, if ``has_header`` leaves that open. Fails where ``column`` is missing.
    """
    if has_header is None:
        is_code_name = bool(first) and re.sub(r"[\W_]", "", first[0]).lower() in CODE_NAMES
        has_header = column is not None or is_code_name or any(name in custom_data for name in first)
    names = first if has_header else [f"column_{number}" for number in range(1, len(first) + 1)]
    if column is not None and column not in names:
        fail(f"there is no column {column!r}: there are {', '.join(map(repr, names)) or 'none'}")
    code = names.index(column) if column is not None else 0
    others = [place for place in range(len(names)) if place != code]
    data = {place: custom_data[names[place]] for place in others if has_header and names[place] in custom_data}
    return Layout(names, has_header, code, data, others if keeps_columns else ())
