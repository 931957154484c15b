"""Where the command starts: the one place that minds whether click and rich are installed."""

from __future__ import annotations

import sys

__all__ = ["main"]

EXTRA = ("click", "rich")


def main() -> None:
    """Run the command line and exit: 0 done, 1 an error for an answer or problems found, 2 it could not be done."""
    try:
        from .commands import command_line  # noqa: PLC0415  # needs an extra, whose absence is told below
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.stderr.write("the command line needs click and rich: pip install 'openfeature-kameleoon[cli]'\n")
        raise SystemExit(2) from None
    command_line(prog_name="openfeature-kameleoon")
