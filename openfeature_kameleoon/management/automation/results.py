"""Results of experiments and flags: asked for, polled until they are ready, and read (spec 4.14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...errors import RequestFailed
from ..rest.fields import CREATE, REQUIRED, Record, always, field
from ..rest.operations import OBSERVED, Mark, Operation, Resource
from ..rest.paging import Progress
from .verbs import Body, Gets

__all__ = [
    "Breakdown",
    "DateInterval",
    "GoalFigures",
    "Reports",
    "RequestsResults",
    "Results",
    "ResultsFailed",
    "ResultsReport",
    "ResultsRequest",
    "VariationResult",
]

ORIGINAL = ("0", "_reference")
"""How the original page, or the reference, is called among the variations."""

WHOLE = "_reference"
"""The one key of ``breakdownData`` when nothing was broken down."""


class ResultsFailed(RequestFailed):
    """A report could not be made, or not within the time given; asking anew may help."""


class DateInterval(Record):
    """A span of time to report on."""

    start = field(datetime, CREATE)
    end = field(datetime, CREATE)


class Breakdown(Record):
    """The one dimension that figures are broken down by."""

    type = field(str, CREATE, values="BROWSER INTERVAL DEVICE_TYPE COUNTRY NEW_VISITOR CUSTOM_DATUM CROSS_CAMPAIGN")
    interval = field(str, CREATE, values="HOUR DAY WEEK MONTH YEAR", note="`INTERVAL`")
    index = field(int, CREATE, note="`CUSTOM_DATUM`")
    experiments = field(list[int], CREATE, note="`CROSS_CAMPAIGN`")
    personalizations = field(list[int], CREATE, note="`CROSS_CAMPAIGN`")


class ResultsRequest(Record):
    """What to report."""

    data_code = always(str, note="what the report is polled by")
    conversion_type = field(str, REQUIRED, values="ALL_CONVERSION CONVERTED_VISITS")
    goals_ids = field(list[int], CREATE)
    goal_ids_cuped = field(list[int], CREATE, note="with their variance reduced")
    reference_variation_id = field(str, CREATE, note="`0` is the original")
    date_intervals = field(list[DateInterval], CREATE, note="since the start unless given")
    visitor_data = field(bool, CREATE, note="by visitor instead of by visit")
    all_variations_data = field(bool, CREATE)
    bayesian = field(bool, CREATE)
    sequential_testing = field(bool, CREATE)
    enabled_multiple_testing = field(bool, CREATE)
    breakdown = field(Breakdown, CREATE)
    filters = field(
        list[dict[str, Any]], CREATE, note='as `{"type": "DEVICE_TYPE", "values": ["PHONE"], "include": true}`'
    )
    callback_url = field(str, CREATE)


class RequestsResults(Operation[ResultsRequest]):
    """Ask for a report; it changes nothing. ``Reports.wait`` takes the ``data_code``."""

    method = "POST"

    def __init__(self, path: str, mark: Mark) -> None:
        super().__init__(path, ResultsRequest, mark)

    def __call__(self, *ids: int | str, body: Body | None = None, **fields: Any) -> ResultsRequest:
        """Ask by fields, or by a record or JSON object as ``body``; the answer holds the ``data_code``."""
        sent = self.body_of(CREATE, body, fields, ids)
        return self.record(self.rest.send("POST", self.path_of(ids), json=sent))


class GoalFigures(Record):
    """A variation's figures on one goal."""

    conversion_count = field(int)
    converted_visit_count = field(int)
    revenue_count = field(float)
    average_cart = field(float)
    conversion_rate = field(float, note="percent")
    improvement_rate = field(float, note="percent, against the reference")
    reliability = field(float, note="as it comes; `VariationResult.reliability` is a fraction")


@dataclass(frozen=True, slots=True)
class VariationResult:
    """One variation's figures on one goal, under one value of the breakdown."""

    variation_id: str
    """``0`` for the original."""
    breakdown: str
    goal_id: str
    visits: int
    visitors: int
    figures: GoalFigures

    @property
    def reliability(self) -> float:
        """From 0 to 1. The API's scale is not certain: what is over 1 is read as percent."""
        value = self.figures.reliability or 0.0
        return value / 100 if value > 1 else value

    @property
    def improvement(self) -> float:
        """Percent, against the reference."""
        return self.figures.improvement_rate or 0.0

    @property
    def is_original(self) -> bool:
        """Whether it is the original page."""
        return self.variation_id in ORIGINAL


class Results:
    """A report that is ready: ``rows`` of figures, and the winner."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"<Results of {len(self.data.get('variationData', ()))} variations>"

    def rows(self, goal_id: int | str | None = None) -> Iterator[VariationResult]:
        """Every variation's figures, on every goal or on one, under every value of the breakdown."""
        for variation, held in self.data.get("variationData", {}).items():
            for value, group in held.get("breakdownData", {}).items():
                general = group.get("generalData", {})
                for goal, figures in general.get("goalsData", {}).items():
                    if goal_id is None or goal == str(goal_id):
                        yield VariationResult(
                            "0" if variation in ORIGINAL else variation,
                            value,
                            goal,
                            general.get("visitCount", 0),
                            general.get("visitorCount", 0),
                            GoalFigures(figures),
                        )

    def winner(self, goal_id: int | str, *, reliability: float = 0.95) -> VariationResult | None:
        """The variation that is better than the reference, and reliably so; of several the best, else ``None``.

        The API names no winner: this is the rule of the web application (spec 4.14.4). ``reliability`` is a fraction;
        a site may have another one in ``experiment_config.min_wining_reliability``. Of a breakdown only the whole
        counts.
        """
        rows = [row for row in self.rows(goal_id) if row.breakdown == WHOLE and not row.is_original]
        good = [row for row in rows if row.reliability > reliability and row.improvement > 0]
        return max(good, key=lambda row: row.improvement, default=None)


class ResultsReport(Record):
    """A report, or that it is not ready."""

    status = always(str, values="READY WAITING ERROR")
    data = field(dict[str, Any])


class Reports(Resource):
    """Reports that were asked for."""

    poll = Gets("/results", ResultsReport, OBSERVED, needs=("dataCode",))

    def wait(
        self, data_code: str, *, timeout: float = 60.0, every: float = 2.0, progress: Progress | None = None
    ) -> Results:
        """Poll until the report is ready, ``every`` so many seconds; each poll counts against the rate limits.

        Raises ``ResultsFailed`` when it cannot be made, or is not ready in time.
        """
        clock = self._rest.clock
        begun = clock.monotonic()
        while True:
            report = self.poll(data_code=data_code)
            if report.status == "READY":
                return Results(report.data or {})
            waited = clock.monotonic() - begun
            if report.status == "ERROR":
                raise ResultsFailed(f"the report {data_code} could not be made; ask for it anew", retryable=False)
            if waited + every > timeout:
                raise ResultsFailed(
                    f"the report {data_code} is still {report.status} after {waited:.0f} s; wait for it longer",
                    timed_out=True,
                )
            if progress is not None:
                progress(round(waited), round(timeout))
            self._rest.wait(every)
