"""Print the winning code of experiments that have ended, so that it can become part of the site.

Run: python examples/automation/finished_code.py 2026-03-01T00:00:00
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import sys

from openfeature_kameleoon.management.automation import Automation, where


def main(since: str) -> None:
    with Automation.from_environment() as api:
        ended = api.experiments.list(
            filter=where.status.is_in("PAUSED", "STOPPED")
            & (where.date_status_modified > since)
            & where.type.is_in("DEVELOPER"),
            sort=where.date_status_modified.descending(),
        )
        for experiment in ended:
            goal = experiment.main_goal_id
            if goal is None:
                continue
            request = api.experiments.request_results(
                experiment.id,
                goals_ids=[goal],
                reference_variation_id="0",
                conversion_type="CONVERTED_VISITS",
            )
            winner = api.reports.wait(request.data_code).winner(goal)
            if winner is None:
                print(f"/* {experiment.name}: no winner */")
                continue
            variation = api.variations.get(winner.variation_id)
            print(f"/* {experiment.name}: {variation.name}, {winner.improvement:+.1f} % */")
            print(variation.js_code or "")
            print(variation.css_code or "")


if __name__ == "__main__":
    main(sys.argv[1])
