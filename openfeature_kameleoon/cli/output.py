"""What commands write: data on stdout, as text for people or as JSON for programs; all else on stderr.

Text of others (keys, names, messages) is written without their control characters, and colours only on a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..transport.foreign_text import printable

__all__ = [
    "Failure",
    "as_json",
    "console",
    "fail",
    "foreign",
    "output_option",
    "table",
    "warn",
    "write_json",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

WITHOUT_TERMINAL = 10_000
"""Columns of a pipe: lines there are for grep, not for eyes."""


class Failure(click.ClickException):
    """It cannot be done: ``Error: message`` and exit status 2, without a traceback."""

    exit_code = 2


def fail(message: str) -> NoReturn:
    """End with a message and exit status 2."""
    raise Failure(message)


def output_option(command: _Command) -> _Command:
    """Give a command ``--output text|json``, as the argument ``output``."""
    return click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people or programs.",
    )(command)


def console(file: TextIO | None = None) -> Console:
    """A console on stdout, or on another stream, that takes every text as it is."""
    stream = file or sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WITHOUT_TERMINAL
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def table(*columns: str) -> Table:
    """An empty table of text cells."""
    made = Table(header_style="bold", show_edge=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def foreign(text: object, style: str = "", limit: int = 200) -> Text:
    """Text that others wrote, as a cell or a part of a line."""
    return Text(printable(text, limit), style)


def as_json(value: object) -> str:
    """A value on one line, as JSON."""
    return json.dumps(value, ensure_ascii=False)


def write_json(data: object) -> None:
    """Data on stdout as one JSON document; ASCII, so that no terminal's or pipe's encoding stands in the way."""
    click.echo(json.dumps(data, indent=2))


def warn(message: str) -> None:
    """A warning on stderr."""
    click.secho(f"Warning: {printable(message, 500)}", fg="yellow", err=True)
