"""A decision told step by step: what was looked at, what came of it, and the same as an indented tree.

What there is to tell is each engine's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Step", "Teller", "as_tree", "on_one_line"]

AGAINST = ("does not", "not ", "matches nobody", "none", "blocked", "no rule", "the flag is off")
"""How outcomes begin that are a no."""


@dataclass(slots=True)
class Step:
    """One thing that was looked at: its name, what came of it, the facts seen, and the steps inside it."""

    name: str
    outcome: str
    facts: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def is_against(self) -> bool:
        """Whether the outcome is a no."""
        return self.outcome.startswith(AGAINST)

    def as_dict(self) -> dict[str, Any]:
        """The step as plain data, for JSON."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "facts": self.facts,
            "steps": [step.as_dict() for step in self.steps],
        }


def as_tree(title: str, steps: list[Step]) -> str:
    """Steps below a title, indented, each on a line of its own."""
    return "\n".join([title, *_lines(steps, "")])


def _lines(steps: list[Step], indent: str) -> Iterator[str]:
    for step in steps:
        is_last = step is steps[-1]
        facts = ", ".join(f"{name} {value!r}" for name, value in step.facts.items() if value is not None)
        told = f"{on_one_line(step.name)}: {on_one_line(step.outcome)}"
        yield f"{indent}{'└─' if is_last else '├─'} {told}{f' ({facts})' if facts else ''}"
        yield from _lines(step.steps, indent + ("   " if is_last else "│  "))


def on_one_line(text: str) -> str:
    """Foreign text without control characters, which would reach a terminal."""
    return text if text.isprintable() else repr(text)[1:-1]


class Teller:
    """Collects the steps of one decision."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def tell(self, name: str, outcome: str, /, **facts: Any) -> None:
        """Add a step."""
        self.steps.append(Step(name, outcome, facts))

    @contextmanager
    def inside(self, name: str, /, **facts: Any) -> Iterator[Step]:
        """Add a step whose outcome comes of the steps told meanwhile."""
        step = Step(name, "", facts)
        self.steps.append(step)
        outer, self.steps = self.steps, step.steps
        try:
            yield step
        finally:
            self.steps = outer
