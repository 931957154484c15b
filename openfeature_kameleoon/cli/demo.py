"""``demo``: the whole of it on a packaged data file, offline: OpenFeature's API, a hook, an explanation, a server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import click
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook.logging_hook import LoggingHook
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..configuration import KameleoonClientConfiguration
from .evaluate import Answer, ask, guess_type, openfeature_client, reason_text, value_text
from .explain import explanation_tree
from .output import as_json, console, fail, foreign, output_option, table, write_json
from .source import loaded

__all__ = ["demo"]

VISITORS: Mapping[str, Mapping[str, Any]] = {
    "ada": {"plan": "pro", "country": "FR", "beta": True, "cart_value": 149.9},
    "ben": {"plan": "free", "country": "FR"},
    "chloe": {"plan": "enterprise", "country": "DE"},
    "dan": {},
}
"""Visitor codes, and what is known of each."""

HOOKED = ("search_ranking", "ada")
EXPLAINED = ("new_checkout", "chloe")

NEXT = (
    ("its data file, to play with", "openfeature-kameleoon demo --write flags.json"),
    ("what is in it", "openfeature-kameleoon flags --data-file flags.json"),
    (
        "one flag",
        "openfeature-kameleoon evaluate price_badge --visitor eve --context country=FR --data-file flags.json",
    ),
    ("and why", "openfeature-kameleoon explain price_badge --visitor eve --context country=FR --data-file flags.json"),
    ("a server of your own, with a page that shows why", "openfeature-kameleoon serve --data-file flags.json"),
    ("your own site", "openfeature-kameleoon flags --site-code YOUR_SITE_CODE"),
)


@click.command()
@click.option("--write", "copy", metavar="PATH", help="Write the demo's data file there, and nothing else.")
@output_option
def demo(copy: str | None, output: str) -> None:
    """Show what it does, offline, on an invented shop.

    Four visitors and their flags through OpenFeature's API, a logging hook at work, an explanation; with the extra
    server, a change that arrives live and a conversion that is told.
    """
    packaged = resources.files("openfeature_kameleoon") / "demo" / "datafile.json"
    if copy is not None:
        _write(packaged.read_bytes(), copy)
        return
    with ExitStack() as opened:
        path = opened.enter_context(resources.as_file(packaged))
        configuration = KameleoonClientConfiguration(data_file=path, multi_threading=False)
        client = opened.enter_context(loaded("demo", configuration))
        flags = opened.enter_context(openfeature_client(client))
        contexts = {code: EvaluationContext(code, dict(known)) for code, known in VISITORS.items()}
        answers = [
            ask(flags, key, guess_type(client, key), context)
            for key in client.feature_keys()
            for context in contexts.values()
        ]
        key, code = EXPLAINED
        explanation = client.explain(code, key, VISITORS[code])
        if output == "json":
            write_json({"answers": [answer.as_dict() for answer in answers], "explanation": explanation.as_dict()})
            return
        screen = console()
        _title(screen, "Four visitors, and what is known of them")
        screen.print(_visitors())
        _title(screen, "Their flags, through OpenFeature's API")
        screen.print(_answers(answers))
        key, code = HOOKED
        _title(screen, f"What OpenFeature's LoggingHook sees of {key} for {code}")
        _evaluate_with_hook(flags, key, contexts[code], screen)
        key, code = EXPLAINED
        _title(screen, f"Why {code} gets this {key}")
        screen.print(explanation_tree(explanation, client.ruleset.index))
    _title(screen, "A change while programs run, and what the server is told")
    with resources.as_file(packaged) as path:
        _show_live(path, screen)
    _title(screen, "What to try next")
    for what, command in NEXT:
        screen.print(Text.assemble((f"# {what}\n", "dim"), command), soft_wrap=True)


def _write(raw: bytes, path: str) -> None:
    try:
        with open(path, "xb") as file:  # never over a file of the user's
            file.write(raw)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    click.echo(f"{path} is written; see: openfeature-kameleoon flags --data-file {path}", err=True)


def _title(screen: Console, text: str) -> None:
    screen.print()
    screen.print(Text(text, "bold underline"))
    screen.print()


def _visitors() -> Table:
    rows = table("Visitor", "Context")
    for code, known in VISITORS.items():
        rows.add_row(code, ", ".join(f"{name}={as_json(value)}" for name, value in known.items()) or "nothing")
    return rows


def _answers(answers: list[Answer]) -> Table:
    """A row for each flag and visitor; the flag's key stands once."""
    rows = table("Flag", "Visitor", "Value", "Variant", "Reason")
    previous = ""
    for answer in answers:
        key = answer.details.flag_key
        if previous and key != previous:
            rows.add_row()
        name = Text() if key == previous else foreign(key, "bold")
        rows.add_row(name, answer.visitor, value_text(answer), answer.details.variant or "-", reason_text(answer))
        previous = key
    return rows


def _show_live(data_file: Path, screen: Console) -> None:
    """Each step when it happens."""
    try:
        from .live_demo import live_demo  # noqa: PLC0415  # needs the extra ``server``, whose absence is told
    except ImportError as error:
        screen.print(Text(f"The extra server adds this: a local server, and programs connected to it. {error}"))
        return
    for seconds, what in live_demo(data_file):
        screen.print(Text.assemble((f"{seconds:5.2f} s  ", "dim"), foreign(what)), soft_wrap=True)


def _evaluate_with_hook(flags: OpenFeatureClient, key: str, context: EvaluationContext, screen: Console) -> None:
    """One evaluation whose hook logs to the screen, by a logger of its own: nobody else's logging changes."""
    logger = logging.getLogger(__name__)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = logging.StreamHandler(screen.file)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    options = FlagEvaluationOptions(hooks=[LoggingHook(logger=logger)])
    try:
        flags.get_string_details(key, "", context, options)
    finally:
        logger.removeHandler(handler)
