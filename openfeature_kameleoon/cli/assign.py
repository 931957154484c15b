"""``assign``: one flag for every visitor code of a CSV file, for those who need to know who got what.

In constant memory: chunks of rows go in and out, as fast as the engine answers.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..errors import VisitorCodeInvalid
from .columns import Item, layout_of
from .csv_files import DELIMITERS, Chunk, CsvInput, reading, writing
from .output import console, fail, foreign, table, warn
from .source import Source, source_options

__all__ = ["assign"]


@click.command()
@click.argument("flag")
@source_options
@click.option("--visitors", metavar="PATH", required=True, help="CSV file with visitor codes; - is stdin, .gz is gzip.")
@click.option("--output", metavar="PATH", required=True, help="CSV file to write; - is stdout, .gz is gzip.")
@click.option("--column", metavar="NAME", help="Column of the visitor codes; the first one if not given.")
@click.option("--header/--no-header", "has_header", default=None, help="Whether the first line names the columns.")
@click.option("--delimiter", type=click.Choice(list(DELIMITERS)), help="Between columns; guessed if not given.")
@click.option("--keep-columns", is_flag=True, help="Write the other columns too.")
@click.option("--skip-invalid", is_flag=True, help="Leave out what is no visitor code, instead of stopping at it.")
def assign(
    flag: str,
    source: Source,
    visitors: str,
    output: str,
    column: str | None,
    has_header: bool | None,
    delimiter: str | None,
    keep_columns: bool,
    skip_invalid: bool,
) -> None:
    """Assign FLAG to all visitor codes of a CSV file.

    Columns named like custom data of the data file are used for targeting. The answers are those of new visitors:
    nothing is remembered or reported.
    """
    if column is not None and has_header is False:
        raise click.UsageError("--column needs a header")
    started = time.monotonic()
    counts: Counter[str | None] = Counter()
    with source.client() as client, reading(visitors, DELIMITERS.get(delimiter or "")) as file:
        assign_all = partial(client.assign, flag)
        assign_all(())  # fails here where the flag cannot be assigned
        chunks = file.chunks()
        start = next(chunks, Chunk([], 0, None))
        layout = layout_of(
            next(filter(None, start.rows), []),
            client.ruleset.index.custom_data_by_name,
            column=column,
            has_header=has_header,
            keeps_columns=keep_columns,
        )
        if layout.unused and not keep_columns:
            warn(f"no custom data of this data file, so not used: {', '.join(layout.unused)}")
        is_seen = output == "-" and sys.stdout.isatty()  # then a bar would stand between the rows
        with writing(output) as write, _progress(flag, file, is_wanted=not is_seen) as show:
            write([layout.header()])
            for chunk in chain([start], chunks):
                headers = int(layout.has_header and chunk is start)
                rows = list(filter(None, chunk.rows))[headers:]
                keys, bad = _keys(assign_all, layout.items(rows))
                if bad and not skip_invalid:
                    position, problem = bad[0]
                    fail(f"{visitors}, line {chunk.line_of(position + headers)}: {problem} (--skip-invalid goes on)")
                write(layout.written(rows, keys))
                counts.update(keys)
                show(chunk, sum(counts.values()))
    _tell(flag, counts, time.monotonic() - started)


Assign = Callable[[Sequence[Item]], Iterator[str]]


def _keys(assign_all: Assign, items: Sequence[Item]) -> tuple[Sequence[str | None], list[tuple[int, str]]]:
    """Variation keys, ``None`` for what is no visitor code; and of those the positions, with what is wrong."""
    try:
        return list(assign_all(items)), []
    except VisitorCodeInvalid:  # rare: then one by one, to learn which
        pass
    keys: list[str | None] = []
    bad = []
    for position, item in enumerate(items):
        try:
            keys += assign_all([item])
        except VisitorCodeInvalid as error:
            keys.append(None)
            bad.append((position, error.message))
    return keys, bad


@contextmanager
def _progress(flag: str, file: CsvInput, *, is_wanted: bool) -> Iterator[Callable[[Chunk, int], None]]:
    """A bar on stderr, if that is a terminal; of a pipe, whose length nobody knows, the rows alone."""
    screen = console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not (is_wanted and screen.is_terminal)) as progress:
        task = progress.add_task(f"{flag}: 0 visitors", total=file.size)

        def show(chunk: Chunk, visitors: int) -> None:
            progress.update(task, completed=chunk.bytes_done, description=f"{flag}: {visitors:,} visitors")

        yield show


def _tell(flag: str, counts: Counter[str | None], seconds: float) -> None:
    """Who got what, in numbers, on stderr: stdout may be the file. ``None`` counts what is no visitor code."""
    skipped = counts.pop(None, 0)
    visitors = sum(counts.values())
    screen = console(sys.stderr)
    rate = f" in {seconds:.1f} s" if seconds >= 0.1 else ""
    screen.print(foreign(f"{visitors:,} visitors of {flag}{rate}", "bold"))
    shares = table("Variation", "Visitors", "Share")
    for key, count in counts.most_common():
        shares.add_row(foreign(key), f"{count:,}", f"{count / visitors:.2%}")
    if counts:
        screen.print(shares)
    if skipped:
        warn(f"rows left out, for want of a valid visitor code: {skipped:,}")
