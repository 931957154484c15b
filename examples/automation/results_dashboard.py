"""A dashboard of all running experiments as one HTML page; written anew at each run, figures kept for an hour.

Run: python examples/automation/results_dashboard.py dashboard.html
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import json
import sys
import time
from html import escape
from pathlib import Path
from typing import Any

from openfeature_kameleoon.management.automation import Automation, where

CACHE_SECONDS = 3600.0
"""Results are asked for anew after this: a report is computed on demand, and calls are limited."""


def rows(api: Automation, experiment: Any) -> list[list[str]]:
    goal = api.goals.get(experiment.main_goal_id)
    request = api.experiments.request_results(
        experiment.id, goals_ids=[goal.id], reference_variation_id="0", conversion_type="CONVERTED_VISITS"
    )
    results = api.reports.wait(request.data_code)
    winner = results.winner(goal.id)
    return [
        [
            experiment.name,
            goal.name,
            "Original" if row.is_original else api.variations.get(row.variation_id).name,
            f"{row.visits}",
            f"{row.figures.conversion_rate or 0:.2f} %",
            f"{row.improvement:+.1f} %",
            "winner" if winner is not None and row.variation_id == winner.variation_id else "",
        ]
        for row in results.rows(goal.id)
    ]


def main(target: str) -> None:
    cache_path = Path(target).with_suffix(".cache.json")
    cache = json.loads(cache_path.read_text(encoding="utf-8")) if cache_path.exists() else {}
    table: list[list[str]] = []
    with Automation.from_environment() as api:
        for experiment in api.experiments.list(filter=where.status == "ACTIVE"):
            if experiment.main_goal_id is None:
                continue
            held = cache.get(str(experiment.id))
            if held is None or time.time() - held["at"] > CACHE_SECONDS:
                held = cache[str(experiment.id)] = {"at": time.time(), "rows": rows(api, experiment)}
            table += held["rows"]
    cache_path.write_text(json.dumps(cache), encoding="utf-8")

    head = ("Experiment", "Goal", "Variation", "Visits", "Conversion", "Improvement", "")
    cells = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table]
    Path(target).write_text(
        "<!doctype html><meta charset='utf-8'><title>Experiments</title><table>"
        f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{''.join(cells)}</table>\n",
        encoding="utf-8",
    )
    print(f"{len(table)} rows written")


if __name__ == "__main__":
    main(sys.argv[1])
