"""The command line: its commands, and what holds for all of them."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from .. import __version__
from ..errors import KameleoonError
from ..transport.foreign_text import printable
from .assign import assign
from .convert import convert
from .demo import demo
from .evaluate import evaluate
from .explain import explain
from .flags import flags
from .management import automation, optimizely, split
from .output import Failure
from .serve import serve
from .status import status
from .validate import validate

__all__ = ["command_line"]

TOLD_BY_COMMANDS = ("openfeature_kameleoon.datafile.live",)
"""Loggers whose warnings the commands' own messages repeat."""


class Commands(click.Group):
    """Commands in the order they were added; what the library raises becomes ``Error: message``, exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order that a newcomer needs them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KameleoonError as error:
            raise Failure(printable(error.message, 1000)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="openfeature-kameleoon")
@click.option("--verbose", is_flag=True, help="Show on stderr what the library logs.")
@click.pass_context
def command_line(context: click.Context, verbose: bool) -> None:
    """Kameleoon's feature flags, from a data file: evaluated, explained, listed and checked.

    Start with: openfeature-kameleoon demo

    What vendors keep of experiments and flags is listed by automation (Kameleoon), split and optimizely.
    """
    logger = logging.getLogger("openfeature_kameleoon")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(levelname)s %(name)s: %(message)s" if verbose else "Warning: %(message)s")
    )
    if not verbose:
        handler.addFilter(lambda record: record.name not in TOLD_BY_COMMANDS)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logger.propagate = False

    @context.call_on_close
    def restore() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


for command in (
    *(demo, evaluate, explain, flags, validate, convert, assign, serve, status),
    *(automation, split, optimizely),
):
    command_line.add_command(command)
