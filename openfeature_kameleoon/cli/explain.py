"""``explain``: why a visitor gets a variation of a flag, as a tree. What is decided and told is the engine's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from ..datafile.index import DataFileIndex
from ..engine.explain import Explanation, Step
from .output import as_json, console, foreign, output_option, write_json
from .source import Source, source_options
from .visitor import visitor_options, warn_of_unused

__all__ = ["explain", "explanation_tree"]

LONGEST_TEXT = 300


@click.command()
@click.argument("flag")
@source_options
@visitor_options
@output_option
def explain(flag: str, source: Source, visitor: str, attributes: dict[str, Any], output: str) -> None:
    """Tell why a visitor gets its variation of FLAG.

    Each rule in turn: its conditions with what they saw, and the visitor's place in the traffic.
    """
    with source.client() as client:
        index = client.ruleset.index
        warn_of_unused(attributes, index)
        explanation = client.explain(visitor, flag, attributes)
    if output == "json":
        write_json(explanation.as_dict())
    else:
        console().print(explanation_tree(explanation, index))


def explanation_tree(explanation: Explanation, index: DataFileIndex) -> Tree:
    """An explanation with the names that people know custom data and segments by."""
    evaluation = explanation.evaluation
    head = Text.assemble(
        foreign(explanation.flag_key, "bold"),
        " for ",
        foreign(explanation.visitor_code, "bold"),
        ": ",
        foreign(evaluation.variation_key, "bold green"),
        f" ({evaluation.reason})",
    )
    tree = Tree(head, guide_style="dim")
    _add(tree, explanation.steps, index)
    return tree


def _add(tree: Tree, steps: list[Step], index: DataFileIndex) -> None:
    for step in steps:
        style = "yellow" if step.is_against else "green"
        name, facts = _named(step, index)
        line = Text.assemble(name, ": ", foreign(step.outcome, style))
        told = ", ".join(facts)
        if told:
            line.append_text(foreign(f"  {told}", "dim", LONGEST_TEXT))
        _add(tree.add(line), step.steps, index)


def _named(step: Step, index: DataFileIndex) -> tuple[Text, Iterator[str]]:
    """A step's name, with what identifies it, and its other facts."""
    facts: Mapping[str, Any] = {name: value for name, value in step.facts.items() if value not in (None, "")}
    name = Text(step.name)
    if step.name in ("rule", "segment") and "id" in facts:
        known = index.segment_name(facts["id"]) if step.name == "segment" else None
        name = foreign(f"{step.name} {facts['id']}" + (f" {as_json(known)}" if known else ""))
    elif step.name.startswith("condition "):
        name = foreign(_condition(step.name.removeprefix("condition "), facts, index))
    return name, (
        f"{fact.replace('_', ' ')} {_shown(fact, value)}" for fact, value in facts.items() if fact not in UNTOLD
    )


UNTOLD = ("id", "isInclude", "customDataIndex")
"""Facts that the name of their step tells already."""


def _condition(kind: str, facts: Mapping[str, Any], index: DataFileIndex) -> str:
    text = kind
    if "customDataIndex" in facts:
        text = f"{kind} {as_json(_custom_data_name(facts['customDataIndex'], index))}"
    return f"not {text}" if facts.get("isInclude") is False else text


def _custom_data_name(number: object, index: DataFileIndex) -> object:
    info = index.custom_data.get(int(number)) if isinstance(number, str | int) and str(number).isdecimal() else None
    return info.name if info is not None and info.name else number


def _shown(fact: str, value: object) -> str:
    if fact == "seen" and value == "nothing":  # the engine's word for it, not a text that was seen
        return "nothing"
    return f"{value:.4f}" if isinstance(value, float) and value != round(value, 4) else as_json(value)
