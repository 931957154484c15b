"""``flags``: what a data file holds, a row for each flag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from rich.text import Text

from ..datafile.index import DataFileIndex
from ..datafile.model import FeatureFlag, Rule
from ..engine.evaluation import DELIVERY, EXPERIMENT
from ..engine.ruleset import Ruleset
from ..errors import FeatureMalformed
from ..transport.foreign_text import printable
from .output import as_json, console, foreign, output_option, table, write_json
from .source import Source, source_options

__all__ = ["flags"]

RULE_TYPES = {DELIVERY: "delivery", EXPERIMENT: "experiment"}


@click.command()
@source_options
@output_option
def flags(source: Source, output: str) -> None:
    """List the flags of a data file.

    Those with problems are marked; validate tells where in the file they are.
    """
    with source.client() as client:
        ruleset = client.ruleset
        rows = [_described(key, ruleset) for key in client.feature_keys()]
    if output == "json":
        write_json(rows)
        return
    listing = table("Flag", "Id", "On", "Default", "Variations", "Rules")
    for column in listing.columns[:4]:
        column.no_wrap = True
    for row in rows:
        listing.add_row(*_cells(row))
    out = console()
    out.print(listing)
    for row in rows:
        for problem in row["problems"]:
            out.print(Text.assemble("! ", foreign(row["key"]), ": ", foreign(problem, limit=1000), style="red"))


def _described(key: str, ruleset: Ruleset) -> dict[str, Any]:
    """A flag as plain data; of one that does not decode, its key and the problem."""
    index = ruleset.index
    problems = [problem.message for problem in index.problems if problem.flag == key]
    try:
        flag = index.flag(key)
        problems += ruleset.flag(key).problems
    except FeatureMalformed as error:
        flag = FeatureFlag(environment_enabled=None)
        problems = [error.message]
    return {
        "key": key,
        "id": flag.id,
        "enabled": bool(flag.environment_enabled) if not index.is_legacy else None,
        "default": flag.default_variation_key,
        "variations": [variation.key for variation in flag.variations or ()],
        "rules": [_rule(rule, index) for rule in flag.rules or ()],
        "group": flag.mutually_exclusive_group,
        "problems": problems,
    }


def _rule(rule: Rule, index: DataFileIndex) -> dict[str, Any]:
    return {
        "id": rule.id,
        "type": rule.type,
        "exposition": rule.exposition,
        "experiment_id": rule.experiment_id,
        "segment_id": rule.segment_id or None,
        "segment": index.segment_name(rule.segment_id) if rule.segment_id else None,
        "shares": [
            {"variation": entry.variation_key, "share": entry.exposition}
            for entry in rule.variation_by_exposition or ()
        ],
    }


def _cells(row: dict[str, Any]) -> Iterator[Text]:
    style = "dim" if row["enabled"] is False else ""
    mark = "! " if row["problems"] else ""
    group = f"\nin {printable(row['group'])}" if row["group"] else ""
    yield foreign(mark + row["key"], "red" if mark else f"{style} bold").append(group, "dim")
    yield foreign(row["id"] or "-", style)
    yield Text({True: "yes", False: "no", None: "-"}[row["enabled"]], style)
    yield foreign(row["default"] or "-", style)
    yield foreign(", ".join(row["variations"]) or "-", style, 1000)
    yield Text("\n", style).join(foreign(_in_words(rule), style, 1000) for rule in row["rules"]) or Text("-", style)


def _in_words(rule: dict[str, Any]) -> str:
    """A rule on one line: its kind and experiment, to whom it applies, what it gives."""
    kind = RULE_TYPES.get(rule["type"], rule["type"])
    whom = "everybody"
    if rule["segment_id"]:
        whom = f"segment {rule['segment_id']}" + (f" {as_json(rule['segment'])}" if rule["segment"] else "")
    part = f"{_percent(rule['exposition'])} of " if rule["exposition"] != 1 else ""
    given = ", ".join(
        one["variation"] if rule["type"] == DELIVERY else f"{_percent(one['share'])} {one['variation']}"
        for one in rule["shares"]
    )
    return f"{kind} {rule['experiment_id']}: {part}{whom}: {given or 'nothing'}"


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"
