"""The command: ``python -m benchmarks [--bars 1-5,11] [--quick] [--tracking] [--output table|json]``.

Runs each bar in a process of its own, one after the other, and prints figures beside bars. Ends with 1 when a
bar was missed or could not be measured.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from . import (
    anchors,
    bars_batch,
    bars_delivery,
    bars_evaluation,
    bars_flagship,
    bars_identity,
    bars_memory,
    bars_refresh,
    bars_server,
    bars_start,
    bars_tracking,
    bars_web,
)
from .measure import FULL, QUICK, Effort, Limit, Row, isolated

BARS: Mapping[int, Callable[[Effort], list[Row]]] = {
    **bars_evaluation.BARS,
    **bars_refresh.BARS,
    **bars_memory.BARS,
    **bars_start.BARS,
    **bars_tracking.BARS,
    **bars_delivery.BARS,
    **bars_batch.BARS,
    **bars_identity.BARS,
    **bars_web.BARS,
    **bars_server.BARS,
    **bars_flagship.BARS,
}
PACKAGES = (
    "openfeature-kameleoon",
    "openfeature-sdk",
    "kameleoon-openfeature",
    "kameleoon-client-python",
    "configcat-openfeature-provider",
    "flagship",
    "Django",
    "Flask",
    "fastapi",
    "starlette",
    "uvicorn",
)
HEADINGS = ("no", "what", "unit", "bar", "stretch", "figure", "verdict", "peer")


class Failure(NamedTuple):
    """A bar without a figure."""

    bar: int
    message: str


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bars", type=bar_numbers, default=sorted(BARS), help="such as 1-5,11 (else all)")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a first look, not a judgement")
    parser.add_argument("--tracking", action="store_true", help="our events are sent in all bars, as the peer's are")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)

    if options.tracking:
        os.environ[anchors.TRACKING] = "1"
    rows: list[Row] = []
    failures: list[Failure] = []
    for bar in options.bars:
        print(f"bar {bar} ...", file=sys.stderr, flush=True)
        try:
            rows.extend(isolated(BARS[bar], QUICK if options.quick else FULL))
        except Exception as error:  # foreign code: the other bars can still be measured
            failures.append(Failure(bar, f"{type(error).__name__}: {error}"))
    show = {"table": as_table, "json": as_json}[options.output]
    print(show(rows, failures, quick=options.quick, tracking=options.tracking))
    return 1 if failures or any(row.verdict == "missed" for row in rows) else 0


def bar_numbers(text: str) -> list[int]:
    """``1-5,11`` as numbers; of a range, those that are measured here."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            numbers = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is no number and no range such as 1-5") from None
        measured = BARS.keys() & numbers
        if not measured:
            raise argparse.ArgumentTypeError(f"no bar of {part!r} is measured here; there are {sorted(BARS)}")
        chosen |= measured
    return sorted(chosen)


def as_table(rows: Iterable[Row], failures: Iterable[Failure], *, quick: bool, tracking: bool) -> str:
    """Columns for people."""
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += [f"bar {row.bar}: {row.note}" for row in rows if row.note]
    text += [f"bar {failure.bar}: not measured: {failure.message}" for failure in failures]
    if quick:
        text.append("--quick: a first look; judge by a full run on a quiet machine")
    if tracking:
        text.append("--tracking: our events were sent in all bars")
    text.append(", ".join(f"{name} {version}" for name, version in _surroundings().items()))
    return "\n".join(text)


def as_json(rows: Iterable[Row], failures: Iterable[Failure], *, quick: bool, tracking: bool) -> str:
    """The same for programs."""
    result = {
        "quick": quick,
        "tracking": tracking,
        "versions": _surroundings(),
        "rows": [{**row._asdict(), "limit": row.limit and row.limit._asdict(), "verdict": row.verdict} for row in rows],
        "failures": [failure._asdict() for failure in failures],
    }
    return json.dumps(result, indent=2)


def _cells(row: Row) -> tuple[str, ...]:
    limit = row.limit
    return (
        str(row.bar),
        row.what,
        row.unit,
        _bound(limit, limit.bar) if limit else "",
        _bound(limit, limit.stretch) if limit else "",
        _number(row.figure),
        row.verdict,
        "" if row.peer is None else _number(row.peer),
    )


def _bound(limit: Limit, value: float) -> str:
    return f"{'>=' if limit.more_is_better else '<='} {_number(value)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _surroundings() -> dict[str, str]:
    versions = {"Python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


if __name__ == "__main__":
    sys.exit(main())
