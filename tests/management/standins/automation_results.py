"""Results of the Automation API stand-in: a report is asked for, is waited for, and then has the numbers a test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.management.standins.automation_fields import Object, Refused, enum, many, some
from tests.management.standins.automation_resources import flag, text, whole
from tests.management.standins.automation_state import State

__all__ = ["REQUEST", "Audiences", "Reports"]

INTERVAL = {"start": text("n"), "end": text("n")}
BREAKDOWN = {"type": text("N"), "interval": enum("HOUR DAY WEEK MONTH YEAR", "n"), "index": whole("n")}
OPTIONS = ("visitorData", "allVariationsData", "bayesian", "sequentialTesting", "enabledMultipleTesting")
REQUEST = {
    "conversionType": enum("ALL_CONVERSION CONVERTED_VISITS", "N"),
    "dateIntervals": many(ways="n", inner=INTERVAL),
    "goalsIds": many("integers", "n"),
    "goalIdsCuped": many("integers", "n"),
    "referenceVariationId": text("n", "0"),
    **{name: flag("n") for name in OPTIONS},
    "breakdown": some("n", inner=BREAKDOWN),
    "filters": many(ways="n", inner={"type": text("N"), "include": flag("n")}),
    "callbackUrl": text("n"),
}

BREAKDOWN_KEYS = {
    "BROWSER": ["CHROME", "FIREFOX"],
    "DEVICE_TYPE": ["DESKTOP", "PHONE"],
    "COUNTRY": ["FR", "DE"],
    "NEW_VISITOR": ["true", "false"],
    "INTERVAL": ["2026-04-01T00:00:00", "2026-04-02T00:00:00"],
}


@dataclass(slots=True)
class _Report:
    polls: int
    data: Object


@dataclass(slots=True)
class Reports:
    """Reports by data code. Everything here is for tests to read and set.

    ``waits`` is how many polls answer WAITING first; ``fails`` lets them end in ERROR. ``numbers`` holds, by
    (variation id, goal id), what differs from the numbers made up; ``visits`` (visits, visitors) by variation id, 0 for
    the original. ``whole`` is the entire ``data`` of a report, by experiment or flag id.
    """

    waits: int = 1
    fails: bool = False
    names_original: str = "0"
    numbers: dict[tuple[int, int], Object] = field(default_factory=dict)
    visits: dict[int, tuple[int, int]] = field(default_factory=dict)
    breakdown_keys: dict[str, list[str]] = field(default_factory=lambda: dict(BREAKDOWN_KEYS))
    whole: dict[int, Object] = field(default_factory=dict)
    asked: dict[str, _Report] = field(default_factory=dict)

    def request(self, state: State, subject: int, variations: list[int], goals: list[int], body: Object) -> Object:
        """Begin a report on these variations, 0 being the original; its data code."""
        breakdown = body.get("breakdown")
        keys = self.breakdown_keys.get(breakdown["type"], ["other"]) if breakdown else ["_reference"]
        named = str(body.get("referenceVariationId") or 0)
        reference = int(named) if named.isdigit() else 0
        wanted = body.get("goalsIds") or goals
        data = {
            "variationData": {
                str(id_) if id_ else self.names_original: {
                    "breakdownData": {key: {"generalData": self._general(id_, reference, wanted)} for key in keys}
                }
                for id_ in variations
            }
        }
        code = str(state.next_id("reports"))
        self.asked[code] = _Report(0, self.whole.get(subject, data))
        return {"dataCode": code}

    def poll(self, code: str) -> Object:
        """WAITING for a while, then READY with the data, or ERROR."""
        report = self.asked.get(code)
        if report is None:
            raise Refused(404)
        report.polls += 1
        if report.polls <= self.waits:
            return {"status": "WAITING"}
        return {"status": "ERROR"} if self.fails else {"status": "READY", "data": report.data}

    def _general(self, variation: int, reference: int, goals: list[int]) -> Object:
        visits, visitors = self.visits.get(variation, (10_000 + variation % 97, 8_000 + variation % 89))
        return {
            "visitCount": visits,
            "visitorCount": visitors,
            "goalsData": {str(goal): self._on_goal(variation, goal, reference, visits) for goal in goals},
        }

    def _on_goal(self, variation: int, goal: int, reference: int, visits: int) -> Object:
        """Invented, the same each time: no winner unless a test makes one."""
        converted = 400 + variation % 31 + goal % 7
        is_reference = variation == reference
        made: dict[str, Any] = {
            "conversionCount": converted,
            "convertedVisitCount": converted,
            "revenueCount": round(converted * 41.5, 2),
            "averageCart": 41.5,
            "conversionRate": round(100 * converted / visits, 2) if visits else 0.0,
            "improvementRate": 0.0 if is_reference else round(variation % 31 / 4, 2),
            "reliability": 0.0 if is_reference else 50.0 + variation % 40,
        }
        return made | self.numbers.get((variation, goal), {})


STATS: Object = {
    "elementCount": 52000,
    "conversions": 1560,
    "convertedElementCount": 1490,
    "conversionRate": 0.02865,
    "revenue": 64740.0,
    "averageRevenuePerElementCount": 1.245,
    "averageRevenuePerConversion": 41.5,
    "averageConversionPerElementCount": 0.03,
    "conversionRateEvolution": 4.2,
    "elementCountEvolution": -1.1,
    "revenueEvolution": 3.0,
    "averageRevenuePerElementCountEvolution": 4.1,
    "averageRevenuePerConversionEvolution": 0.0,
}
AUDIENCE: Object = {
    "startDateTime": "2026-03-01T00:00:00",
    "endDateTime": "2026-04-01T00:00:00",
    "analyticsLevel": "VISIT",
    "globalStats": STATS,
    "segmentStats": [],
}


@dataclass(slots=True)
class Audiences:
    """Audience computations by data code: how they begin is unknown, so a test puts them into ``data``."""

    waits: int = 1
    fails: bool = False
    data: dict[str, Object] = field(default_factory=lambda: {"88120034": AUDIENCE})
    polls: dict[str, int] = field(default_factory=dict)

    def poll(self, code: str) -> Object:
        """WAITING for a while, then READY with the data, or ERROR."""
        if code not in self.data:
            raise Refused(404)
        self.polls[code] = self.polls.get(code, 0) + 1
        if self.polls[code] <= self.waits:
            return {"status": "WAITING"}
        return {"status": "ERROR"} if self.fails else {"status": "READY", "data": self.data[code]}
