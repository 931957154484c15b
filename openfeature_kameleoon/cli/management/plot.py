"""Bars in the terminal, one a line: blocks in eighths, or # where the terminal knows ASCII alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

__all__ = ["Plotted", "bars", "fitted"]

EIGHTHS = " ▏▎▍▌▋▊▉"
FULL = "█"
WIDEST_BAR = 50
LARGEST_LABEL = 0.4
"""Of the width."""


class Plotted(NamedTuple):
    """One bar: what stands before it, how long it is, and what stands behind it."""

    label: str
    value: float
    told: str


def bars(rows: Sequence[Plotted], width: int, *, is_ascii: bool = False) -> Iterator[str]:
    """Lines of at most ``width`` cells; the longest bar is that of the greatest value, negative ones have none."""
    widest_label = max((cell_len(row.label) for row in rows), default=0)
    label_cells = min(widest_label, max(int(width * LARGEST_LABEL), 1))
    told_cells = max((cell_len(row.told) for row in rows), default=0)
    cells = max(min(width - label_cells - told_cells - 4, WIDEST_BAR), 1)
    most = max((row.value for row in rows), default=0.0)
    for row in rows:
        share = max(row.value, 0.0) / most if most > 0 else 0.0
        bar = set_cell_size(_bar(share * cells, is_ascii=is_ascii), cells)
        yield f"{fitted(row.label, label_cells, is_ascii=is_ascii)}  {bar}  {row.told:>{told_cells}}"


def fitted(text: str, cells: int, *, is_ascii: bool = False) -> str:
    """A text in exactly so many cells, cut if it is longer."""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    mark = "." if is_ascii else "…"
    return set_cell_size(text, cells - 1) + mark


def _bar(cells: float, *, is_ascii: bool) -> str:
    if is_ascii:
        return "#" * round(cells)
    eighths = round(cells * 8)
    return FULL * (eighths // 8) + EIGHTHS[eighths % 8].strip()
