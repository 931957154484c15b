"""Results on a terminal: figures by variation, bars of the conversion rates, and the winner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ...transport.foreign_text import printable
from ..output import console, table
from .plot import Plotted, bars, fitted

if TYPE_CHECKING:
    from ...management.automation import VariationResult
    from .results import Comparison

__all__ = ["show"]

WIDEST = 80
NARROW = 70
"""Below so many columns, figures stand below the variation's name instead of beside it."""

LONGEST_NAME = 24


def show(comparison: Comparison) -> None:
    """Write it on stdout, as wide as that is, 80 columns at most."""
    out = console()
    is_ascii = out.options.ascii_only
    width = min(out.width, WIDEST)
    names = {row.variation_id: _name(comparison, row, is_ascii) for row in comparison.rows}
    subject = comparison.subject
    out.print(Text(_plain(f"{subject.name} ({subject.kind} {subject.id})", is_ascii), "bold"))
    out.print(Text(f"goal {comparison.goal}, by {comparison.unit}, confidence {_percent(comparison.confidence * 100)}"))
    out.print()
    if not comparison.rows:
        out.print(Text("there are no figures yet"))
        return
    (_blocks if width < NARROW else _table)(out, comparison, names, is_ascii)
    out.print()
    out.print(Text("Conversion rate", "bold"))
    plotted = [
        Plotted(names[row.variation_id], comparison.rate(row), f"{comparison.rate(row):.2f}%")
        for row in comparison.rows
    ]
    for line, row in zip(bars(plotted, width, is_ascii=is_ascii), comparison.rows, strict=True):
        out.print(Text(line, _style(comparison, row)), no_wrap=True, crop=False)
    out.print()
    out.print(Text(_verdict(comparison, names), "bold"))


def _table(out: Console, comparison: Comparison, names: dict[str, str], is_ascii: bool) -> None:
    made = table("Variation", comparison.unit.capitalize(), "Conversions", "Rate", "Improvement", "Reliability")
    for column in made.columns:
        column.no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    for row in comparison.rows:
        name = names[row.variation_id]
        made.add_row(
            fitted(name, min(LONGEST_NAME, cell_len(name)), is_ascii=is_ascii),
            f"{comparison.count(row):,}",
            f"{comparison.conversions(row):,}",
            f"{comparison.rate(row):.2f}%",
            *(("-", "-") if comparison.is_reference(row) else _against(row)),
            style=_style(comparison, row),
        )
    out.print(made)


def _blocks(out: Console, comparison: Comparison, names: dict[str, str], is_ascii: bool) -> None:
    for row in comparison.rows:
        out.print(Text(names[row.variation_id], _style(comparison, row) or "bold"))
        counted = f"{comparison.conversions(row):,} of {comparison.count(row):,} {comparison.unit}"
        out.print(Text(f"  {counted}: {comparison.rate(row):.2f}%"))
        if not comparison.is_reference(row):
            improvement, reliability = _against(row)
            out.print(Text(f"  {improvement}, reliability {reliability}"))


def _name(comparison: Comparison, row: VariationResult, is_ascii: bool) -> str:
    mark = ("* " if is_ascii else "★ ") if comparison.is_winner(row) else ""
    return mark + _plain(comparison.names[row.variation_id], is_ascii)


def _plain(text: str, is_ascii: bool) -> str:
    told = printable(text)
    return told.encode("ascii", "backslashreplace").decode("ascii") if is_ascii else told


def _against(row: VariationResult) -> tuple[str, str]:
    """Improvement and reliability."""
    return f"{row.improvement:+.1f}%", f"{row.reliability * 100:.1f}%"


def _style(comparison: Comparison, row: VariationResult) -> str:
    return "green" if comparison.is_winner(row) else ""


def _verdict(comparison: Comparison, names: dict[str, str]) -> str:
    winner = comparison.winner
    if winner is None:
        return f"No winner yet at {_percent(comparison.confidence * 100)} confidence."
    improvement, reliability = _against(winner)
    return f"Winner: {names[winner.variation_id].partition(' ')[2]}, {improvement} at {reliability} reliability."


def _percent(value: float) -> str:
    return f"{value:.4g}%"
