"""Who is asked for: the options ``--visitor`` and ``--context``, which become an OpenFeature evaluation context."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from ..context import KINDS, VARIABLE_KEY
from ..datafile.index import DataFileIndex
from .output import warn

__all__ = ["context_of", "visitor_options", "warn_of_unused"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def visitor_options(command: _Command) -> _Command:
    """Give a command the visitor's code and data, as the arguments ``visitor`` and ``attributes``."""
    for option in (
        click.option(
            "--context",
            "attributes",
            metavar="KEY=VALUE|JSON",
            multiple=True,
            callback=lambda _context, _option, texts: context_of(texts),
            help="What is known of the visitor; may be repeated. A VALUE is JSON if it can be (5, true, "
            '\'"5"\', \'{"deviceType": "PHONE"}\') and text if not; a JSON object gives several at once.',
        ),
        click.option("--visitor", metavar="CODE", required=True, help="The visitor code: OpenFeature's targeting key."),
    ):
        command = option(command)
    return command


def context_of(texts: Sequence[str]) -> dict[str, Any]:
    """The attributes that ``--context`` options give; the last of two values counts. Raises ``BadParameter``."""
    attributes: dict[str, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            try:
                attributes |= _json(text)
            except (ValueError, RecursionError) as error:
                raise click.BadParameter(f"this is no JSON object ({error}): {text:.80}") from error
            continue
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise click.BadParameter(f"KEY=VALUE or a JSON object is expected, not {text:.80}")
        try:
            attributes[key] = _json(value)
        except (ValueError, RecursionError):
            attributes[key] = value
    return attributes


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(literal: str) -> object:
    raise ValueError(f"{literal} is not JSON")


def warn_of_unused(attributes: Mapping[str, Any], index: DataFileIndex) -> None:
    """Say which attributes decide nothing: a misspelt one would go unnoticed."""
    for name in attributes:
        if name != VARIABLE_KEY and name not in KINDS and name not in index.custom_data_by_name:
            warn(f"context attribute {name!r} is not used: this data file has no custom data of that name")
