"""Ask for the results of an experiment and name the winner.

Run: python examples/automation/find_winner.py EXPERIMENT_ID
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import sys

from openfeature_kameleoon.management.automation import Automation


def main(experiment_id: int) -> None:
    with Automation.from_environment() as api:
        experiment = api.experiments.get(experiment_id, optional_fields=["goals"])
        goal = experiment.main_goal_id
        if goal is None:
            sys.exit(f"{experiment.name} has no main goal")

        request = api.experiments.request_results(
            experiment_id,
            goals_ids=[goal],
            reference_variation_id="0",
            conversion_type="CONVERTED_VISITS",
            sequential_testing=True,
            visitor_data=False,
            all_variations_data=True,
        )
        results = api.reports.wait(request.data_code)

        for row in results.rows(goal):
            name = "Original" if row.is_original else api.variations.get(row.variation_id).name
            print(
                f"{name}: {row.visits} visits, {row.figures.conversion_rate:.1f} % converted,"
                f" {row.improvement:+.1f} %, reliability {row.reliability:.1%}"
            )
        winner = results.winner(goal)
        print("No winner yet" if winner is None else f"Winner: {api.variations.get(winner.variation_id).name}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
