"""Numbers for results nobody seeded: the same for the same experiment, variation, goal and narrowing, at every run."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["Measured", "classic_rows", "csv_of", "measured", "v2_results", "v2_timeseries", "window"]

SEED = 2015
REVENUE_GOAL = 4
SIGNIFICANT = 0.95


class Measured(NamedTuple):
    """What was counted for one variation and one goal; ``certainty`` of a difference is in [0.5, 1)."""

    visitors: int
    conversions: int
    revenue: float
    certainty: float

    @property
    def rate(self) -> float:
        return self.conversions / self.visitors

    @property
    def revenue_per_visitor(self) -> float:
        return self.revenue / self.visitors


def measured(*what: object) -> Measured:
    """Drawn for what is named, and for nothing else."""
    draw = random.Random(f"{SEED}:{':'.join(map(str, what))}")
    visitors = draw.randrange(1000, 5000)
    conversions = draw.randrange(visitors // 20, visitors // 5)
    return Measured(visitors, conversions, float(conversions * draw.randrange(20, 90)), round(draw.uniform(0.5, 1), 3))


def window(started: str) -> tuple[str, str]:
    """A month from the start, in whole seconds."""
    begin = datetime.strptime(started[:19], "%Y-%m-%dT%H:%M:%S")
    return f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{begin + timedelta(days=31):%Y-%m-%dT%H:%M:%SZ}"


def classic_rows(
    kind: str,
    variations: Sequence[Mapping[str, Any]],
    goals: Sequence[Mapping[str, Any]],
    started: str,
    narrowing: Sequence[str],
) -> list[dict[str, Any]]:
    """A row per variation and goal, of ``results`` or of ``stats``; the first variation is the baseline."""
    return [
        _classic_row(kind, variation, variations[0], goal, window(started), narrowing)
        for goal in goals
        for variation in variations
    ]


def _classic_row(
    kind: str,
    variation: Mapping[str, Any],
    baseline: Mapping[str, Any],
    goal: Mapping[str, Any],
    times: tuple[str, str],
    narrowing: Sequence[str],
) -> dict[str, Any]:
    counted, base = (measured(one["id"], goal["id"], *narrowing) for one in (variation, baseline))
    is_revenue, is_baseline = goal["goal_type"] == REVENUE_GOAL, variation is baseline
    mine, theirs = (one.revenue_per_visitor if is_revenue else one.rate for one in (counted, base))
    certainty, difference = (0.0, 0.0) if is_baseline else (counted.certainty, round(mine - theirs, 6))
    rate = {"conversion_rate": round(counted.rate, 6)}
    revenue = {"revenue": counted.revenue, "revenue_per_visitor": round(counted.revenue_per_visitor, 6)}
    return {
        "variation_id": str(variation["id"]),
        "variation_name": variation["description"],
        "goal_id": goal["id"],
        "goal_name": goal["title"],
        "baseline_id": str(baseline["id"]),
        "begin_time": times[0],
        "end_time": times[1],
        "visitors": counted.visitors,
        "conversions": counted.conversions,
        "status": "baseline" if is_baseline else _verdict(certainty, difference),
        "improvement": 0 if is_baseline else round(mine / theirs - 1, 6),
        "is_revenue": is_revenue,
        "difference": difference,
        **(revenue if is_revenue else rate),
        **CERTAINTY[kind](certainty, difference),
    }


def _verdict(certainty: float, difference: float) -> str:
    if certainty < SIGNIFICANT:
        return "inconclusive"
    return "winner" if difference > 0 else "loser"


def _classical(certainty: float, difference: float) -> dict[str, Any]:
    return {"confidence": certainty if difference >= 0 else round(1 - certainty, 3)}


def _sequential(certainty: float, difference: float) -> dict[str, Any]:
    half = round(abs(difference) * (0.9 if certainty >= SIGNIFICANT else 1.5), 6)
    missing = round((1 - certainty) * 40000) if 0 < certainty < SIGNIFICANT else 0
    return {
        "statistical_significance": certainty,
        "difference_confidence_interval_min": round(difference - half, 6),
        "difference_confidence_interval_max": round(difference + half, 6),
        "visitors_until_significance": missing,
        "visitors_until_statistically_significant": missing,
    }


CERTAINTY = {"results": _classical, "stats": _sequential}


def v2_results(experiment_id: int, variations: Sequence[tuple[str, str]], metrics: Sequence[Any], started: str) -> Any:
    """The one object of v2: ``metrics`` with a result per variation (id and name), and ``reach``."""
    begin, end = window(started)
    counts = {key: measured(experiment_id, key).visitors for key, _ in variations}
    total = sum(counts.values())
    return {
        "experiment_id": experiment_id,
        "confidence_threshold": 0.9,
        "start_time": begin,
        "end_time": end,
        "metrics": [_v2_metric(experiment_id, variations, metric) for metric in metrics],
        "reach": {
            "baseline_count": counts[variations[0][0]] if variations else 0,
            "treatment_count": total - counts[variations[0][0]] if variations else 0,
            "total_count": total,
            "variations": {
                key: {
                    "variation_id": key,
                    "name": name,
                    "count": counts[key],
                    "variation_reach": round(counts[key] / total, 6),
                }
                for key, name in variations
            },
        },
    }


def _v2_metric(experiment_id: int, variations: Sequence[tuple[str, str]], metric: Mapping[str, Any]) -> dict[str, Any]:
    results = {}
    for place, (key, name) in enumerate(variations):
        event = metric.get("event_id")
        counted, base = measured(experiment_id, key, event), measured(experiment_id, variations[0][0], event)
        lift = {
            "is_significant": counted.certainty >= SIGNIFICANT,
            "significance": counted.certainty,
            "value": round(counted.rate / base.rate - 1, 6),
        }
        results[key] = {
            "variation_id": key,
            "name": name,
            "level": "variation",
            "experiment_id": experiment_id,
            "is_baseline": place == 0,
            "samples": counted.visitors,
            "value": counted.conversions,
            "rate": round(counted.rate, 6),
            **({} if place == 0 else {"lift": lift}),
        }
    return {**metric, "results": results}


def v2_timeseries(results: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a series of one point, at the end, in each variation's place."""

    def series(variant: Mapping[str, Any]) -> dict[str, Any]:
        named = {key: variant[key] for key in ("variation_id", "name", "is_baseline") if key in variant}
        point = {key: variant[key] for key in ("samples", "value", "rate", "lift") if key in variant}
        return {**named, "timeseries": [{"time": results["end_time"], **point}]}

    metrics = [
        {**metric, "results": {key: series(variant) for key, variant in metric["results"].items()}}
        for metric in results["metrics"]
    ]
    return {**{key: results[key] for key in ("experiment_id", "start_time", "end_time")}, "metrics": metrics}


def csv_of(results: Mapping[str, Any]) -> str:
    """A line per metric and variation."""
    lines = ["event_id,variation_id,name,samples,value"]
    lines += [
        f"{metric.get('event_id', '')},{key},{variant['name']},{variant['samples']},{variant['value']}"
        for metric in results["metrics"]
        for key, variant in metric["results"].items()
    ]
    return "\n".join(lines) + "\n"
