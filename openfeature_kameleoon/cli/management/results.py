"""``automation results``: asks for an experiment's report, waits for it, and shows who wins (spec 4.14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, time, timezone
from typing import Any

import click

from ...management.automation import Automation, VariationResult, where
from ...management.automation.results import WHOLE, DateInterval
from ...management.rest.errors import NotFound
from ..output import fail, write_json
from .progress import waiting
from .results_view import show

__all__ = ["Comparison", "Subject", "results_command"]

ORIGINAL = "0"
DAY, MOMENT = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True, slots=True)
class Subject:
    """What results are asked of: an experiment, or a feature flag; ``begun`` is when, as far as is known."""

    kind: str
    id: int
    name: str
    goal: int | None
    goals: list[int]
    reference: str
    names: Mapping[str, str]
    begun: datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of all variations on one goal, the reference first; names are those of people."""

    subject: Subject
    goal: int
    by_visitor: bool
    confidence: float
    rows: list[VariationResult]
    names: Mapping[str, str]
    winner: VariationResult | None

    @property
    def unit(self) -> str:
        """What is counted."""
        return "visitors" if self.by_visitor else "visits"

    def count(self, row: VariationResult) -> int:
        """How many saw it."""
        return row.visitors if self.by_visitor else row.visits

    def conversions(self, row: VariationResult) -> int:
        """In how many visits the goal was reached."""
        return row.figures.converted_visit_count or 0

    def rate(self, row: VariationResult) -> float:
        """Percent that converted."""
        told = row.figures.conversion_rate
        return told if told is not None else 100 * self.conversions(row) / max(self.count(row), 1)

    def is_reference(self, row: VariationResult) -> bool:
        """Whether the others are compared with it."""
        return row.variation_id == self.subject.reference

    def is_winner(self, row: VariationResult) -> bool:
        """Whether it is the winner."""
        return self.winner is not None and row.variation_id == self.winner.variation_id

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            self.subject.kind.replace(" ", "_"): self.subject.id,
            "name": self.subject.name,
            "goal": self.goal,
            "by": "visitor" if self.by_visitor else "visit",
            "confidence": self.confidence,
            "variations": [
                {
                    "id": row.variation_id,
                    "name": self.names[row.variation_id],
                    "reference": self.is_reference(row),
                    "visits": row.visits,
                    "visitors": row.visitors,
                    "conversions": self.conversions(row),
                    "conversion_rate": self.rate(row),
                    "improvement": row.improvement,
                    "reliability": row.reliability,
                    "winner": self.is_winner(row),
                }
                for row in self.rows
            ],
            "winner": self.winner.variation_id if self.winner is not None else None,
        }


Connect = Callable[[click.Context], AbstractContextManager[Automation]]


def results_command(connect: Connect) -> click.Command:
    """The command, for a way to connect."""

    @click.command()
    @click.argument("experiment", type=int)
    @click.option("--goal", type=int, metavar="ID", help="The goal; the main one if not given.")
    @click.option("--flag", "is_flag", is_flag=True, help="EXPERIMENT is the id of a feature flag.")
    @click.option(
        "--confidence",
        type=click.FloatRange(0, 1),
        default=0.95,
        show_default=True,
        help="A winner's reliability is above this.",
    )
    @click.option("--from", "begin", type=click.DateTime([DAY, MOMENT]), help="From this day or moment on, in UTC.")
    @click.option("--to", "end", type=click.DateTime([DAY, MOMENT]), help="Up to this moment, or the end of this day.")
    @click.option(
        "--by", type=click.Choice(["visit", "visitor"]), default="visit", show_default=True, help="What is counted."
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for the report.",
    )
    @click.option(
        "--every",
        type=click.FloatRange(0, min_open=True),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="How often to ask for it; the API's rate limits count that too.",
    )
    @click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people or programs.",
    )
    @click.pass_context
    def results(
        context: click.Context,
        experiment: int,
        goal: int | None,
        is_flag: bool,
        confidence: float,
        begin: datetime | None,
        end: datetime | None,
        by: str,
        timeout: float,
        every: float,
        output: str,
    ) -> None:
        """Show the results of EXPERIMENT: each variation's conversion rate, and which one wins.

        A variation wins when it is better than the reference, more reliably so than --confidence; of several the best
        one does.
        """
        with connect(context) as client:
            subject = _flag(client, experiment) if is_flag else _experiment(client, experiment)
            wanted = goal or subject.goal
            if wanted is None:
                fail(_no_goal(subject))
            asked = (client.feature_flags if is_flag else client.experiments).request_results(
                subject.id,
                conversion_type="CONVERTED_VISITS",
                goals_ids=[wanted],
                reference_variation_id=subject.reference,
                visitor_data=by == "visitor",
                all_variations_data=True,
                sequential_testing=True,
                **_interval(begin, end, subject.begun),
            )
            with waiting("waiting for the report") as bar:
                found = client.reports.wait(asked.data_code, timeout=timeout, every=every, progress=bar)
            rows = [row for row in found.rows(wanted) if row.breakdown == WHOLE]
            comparison = Comparison(
                subject,
                wanted,
                by == "visitor",
                confidence,
                sorted(rows, key=lambda row: row.variation_id != subject.reference),
                {row.variation_id: _name(client, subject, row.variation_id) for row in rows},
                found.winner(wanted, reliability=confidence),
            )
        if output == "json":
            write_json(comparison.as_dict())
        else:
            show(comparison)

    return results


def _experiment(client: Automation, number: int) -> Subject:
    found = client.experiments.get(number, optional_fields=["goals"])
    begun = found.date_started or found.date_created
    return Subject(
        "experiment", number, found.name, found.main_goal_id, found.goals or [], ORIGINAL, {ORIGINAL: "Original"}, begun
    )


def _flag(client: Automation, number: int) -> Subject:
    """A flag by its id, which the API lists and does not get; its variations are named by its rules."""
    found = next(client.feature_flags.list(filter=where.id == number), None)
    if found is None:
        fail(f"there is no feature flag {number}")
    names, references = {}, []
    for configuration in found.environment_configurations or []:
        for rule in configuration.rollout_rules or []:
            for share in rule.traffic_allocations or []:
                if share.variation_id is not None and share.variation_key is not None:
                    names[str(share.variation_id)] = share.variation_key
                    references += [str(share.variation_id)] * (share.variation_key == rule.control_variation_key)
    goals = found.secondary_goal_ids or []
    reference = references[0] if references else ORIGINAL
    return Subject(
        "feature flag", number, found.name, found.primary_goal_id, goals, reference, names, found.date_created
    )


def _name(client: Automation, subject: Subject, variation: str) -> str:
    if variation in subject.names:
        return subject.names[variation]
    try:
        return client.variations.get(variation).name
    except NotFound:  # deleted, or of a flag that no experiment allocates
        return f"Variation {variation}"


def _no_goal(subject: Subject) -> str:
    others = f"; its goals are {', '.join(map(str, subject.goals))}" if subject.goals else ""
    return f"{subject.kind} {subject.id} has no main goal: name one with --goal{others}"


def _interval(begin: datetime | None, end: datetime | None, begun: datetime | None) -> dict[str, Any]:
    """The span of time to report on, of which the API wants both ends; none without either."""
    if begin is None and end is None:
        return {}
    if end is not None and end.time() == time():
        end = end.replace(hour=23, minute=59, second=59)
    start = begin or begun
    if start is None:
        raise click.UsageError("--to needs --from here: it is not known when it began")
    last = end or datetime.now(timezone.utc)
    return {"date_intervals": [DateInterval(start=start.replace(tzinfo=None), end=last.replace(tzinfo=None))]}
