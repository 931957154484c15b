"""``evaluate``: flags for a visitor through the real OpenFeature API, with value, variant, reason and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from rich.table import Table
from rich.text import Text

from ..client import KameleoonClient
from ..context import VARIABLE_KEY
from ..engine.variables import natural_type
from ..errors import FeatureError, NotFoundError
from ..provider import KameleoonProvider
from .output import as_json, console, foreign, output_option, table, write_json
from .source import Source, source_options
from .visitor import visitor_options, warn_of_unused

__all__ = ["TYPES", "Answer", "ask", "evaluate", "guess_type", "openfeature_client", "reason_text", "value_text"]

DOMAIN = "openfeature-kameleoon-cli"

TYPES: Mapping[str, tuple[str, Any]] = {
    "boolean": ("get_boolean_details", False),
    "string": ("get_string_details", ""),
    "integer": ("get_integer_details", 0),
    "float": ("get_float_details", 0.0),
    "object": ("get_object_details", {}),
}
"""Types to ask for: the method of OpenFeature's client, and the default it is given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What OpenFeature answered when asked for a flag as a certain type."""

    type: str
    visitor: str
    details: FlagEvaluationDetails[Any]

    @property
    def is_error(self) -> bool:
        """Whether the value is only the default because something is wrong."""
        return self.details.error_code is not None

    @property
    def value(self) -> str:
        """The value as JSON."""
        return as_json(self.details.value)

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain data, for JSON."""
        details = self.details
        return {
            "flag": details.flag_key,
            "visitor": self.visitor,
            "type": self.type,
            "value": details.value,
            "variant": details.variant,
            "reason": _text(details.reason),
            "error_code": _text(details.error_code),
            "error_message": details.error_message,
            "metadata": dict(details.flag_metadata),
        }


def _text(literal: Any) -> str | None:
    return None if literal is None else str(getattr(literal, "value", literal))


@click.command()
@click.argument("flag", required=False)
@source_options
@visitor_options
@click.option("--type", "type_", type=click.Choice(list(TYPES)), help="Type to ask for; guessed if not given.")
@click.option("--variable", metavar="KEY", help="Variable to ask for; the variation's first one if not given.")
@click.option("--all", "is_all", is_flag=True, help="Evaluate every flag.")
@output_option
@click.pass_context
def evaluate(
    context: click.Context,
    flag: str | None,
    source: Source,
    visitor: str,
    attributes: dict[str, Any],
    type_: str | None,
    variable: str | None,
    is_all: bool,
    output: str,
) -> None:
    """Evaluate FLAG for a visitor through OpenFeature.

    Exit status 1 if the answer is an error. The value is then the default of the call (false, "", 0, 0.0 or {}), as
    it is where the flag is switched off.
    """
    if is_all is (flag is not None):
        raise click.UsageError("a FLAG is needed, or --all for every flag")
    if variable is not None:
        attributes[VARIABLE_KEY] = variable
    asked = attributes.get(VARIABLE_KEY)
    with source.client() as client, openfeature_client(client) as flags:
        warn_of_unused(attributes, client.ruleset.index)
        evaluation_context = EvaluationContext(visitor, attributes)
        answers = [
            ask(flags, key, type_ or guess_type(client, key, asked), evaluation_context)
            for key in ([flag] if flag is not None else client.feature_keys())
        ]
        others = [] if flag is None or asked else _variables(client, flag)
    if output == "json":
        write_json([answer.as_dict() for answer in answers] if is_all else answers[0].as_dict())
    else:
        console().print(_rows(answers) if is_all else _card(answers[0], others))
    context.exit(int(any(answer.is_error for answer in answers)))


@contextmanager
def openfeature_client(client: KameleoonClient) -> Iterator[OpenFeatureClient]:
    """OpenFeature's client on top of a loaded Kameleoon client."""
    api.set_provider_and_wait(KameleoonProvider(client.site_code, client=client), DOMAIN)
    try:
        yield api.get_client(DOMAIN)
    finally:
        api.shutdown()


def ask(flags: OpenFeatureClient, key: str, type_: str, context: EvaluationContext) -> Answer:
    """Ask OpenFeature for a flag as one of ``TYPES``."""
    method, default = TYPES[type_]
    return Answer(type_, context.targeting_key or "", getattr(flags, method)(key, default, context))


def guess_type(client: KameleoonClient, key: str, variable_key: str | None = None) -> str:
    """The type that suits what the variable holds, in whichever variation; boolean where nothing tells."""
    try:
        variations = client.ruleset.flag(key).answers.variations.values()
    except (NotFoundError, FeatureError):  # the evaluation says so
        return "boolean"
    return natural_type(variations, variable_key)


def _variables(client: KameleoonClient, key: str) -> list[str]:
    """Keys of a flag's variables; none where they cannot be told."""
    try:
        variations = client.ruleset.flag(key).answers.variations.values()
    except (NotFoundError, FeatureError):  # the evaluation says so
        return []
    return list(dict.fromkeys(key for variation in variations for key in variation.variables))


def _card(answer: Answer, variables: list[str]) -> Table:
    """One answer, a line for each thing it says."""
    details = answer.details
    card = table("", "")
    card.show_header = False
    card.add_row("flag", foreign(f"{details.flag_key} ({answer.type})", "bold"))
    card.add_row("visitor", foreign(answer.visitor))
    card.add_row("value", value_text(answer))
    card.add_row("variant", foreign(details.variant or "-"))
    card.add_row("reason", reason_text(answer))
    if answer.is_error:
        card.add_row("error", foreign(f"{_text(details.error_code)}: {details.error_message}", "red", 1000))
    if len(variables) > 1:
        card.add_row("variables", foreign(f"{', '.join(variables)} (--variable KEY asks for one of them)", limit=1000))
    for name, value in details.flag_metadata.items():
        card.add_row(foreign(name, "dim"), foreign(value, "dim"))
    return card


def _rows(answers: list[Answer]) -> Table:
    """Several answers, a row each."""
    rows = table("Flag", "Value", "Variant", "Reason", "Error")
    for answer in answers:
        details = answer.details
        error = foreign(f"{_text(details.error_code)}: {details.error_message}", "red", 1000) if answer.is_error else ""
        rows.add_row(
            foreign(details.flag_key), value_text(answer), foreign(details.variant or "-"), reason_text(answer), error
        )
    return rows


def value_text(answer: Answer) -> Text:
    """The value as a cell; a default of the call is dim."""
    is_default = answer.is_error or answer.details.reason == "DISABLED"
    return foreign(answer.value, "dim" if is_default else "bold green", 2000)


def reason_text(answer: Answer) -> Text:
    """The reason as a cell."""
    return foreign(_text(answer.details.reason) or "-", "red" if answer.is_error else "")
