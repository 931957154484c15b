"""Create an experiment, give its variation code, a segment and a goal, and launch it.

Run: python examples/automation/launch_experiment.py SITE_CODE
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import sys

from openfeature_kameleoon.management.automation import Automation, Condition, all_of, where


def main(site_code: str) -> None:
    with Automation.from_environment() as api:
        site = next(api.sites.list(filter=where.code == site_code))

        experiment = api.experiments.create(
            name="Free shipping banner",
            site_id=site.id,
            base_url="https://shop.example.com/cart",
            type="DEVELOPER",
        )
        # A new experiment owns one variation; the answer to a creation may leave it out.
        experiment = api.experiments.get(experiment.id, optional_fields=["variations"])
        (banner,) = experiment.variations

        api.variations.update(
            banner,
            experiment_id=experiment.id,
            name="Banner on top",
            js_code="document.body.dataset.banner = 'top';",
            css_code=".banner { position: sticky }",
        )
        second = api.variations.create(name="Banner below", site_id=site.id)

        segment = api.segments.create(
            name="Phones in France",
            site_id=site.id,
            segment_type="STANDARD",
            conditions_data=all_of(
                Condition(targeting_type="DEVICE_TYPE", device="PHONE"),
                Condition(targeting_type="GEOLOCATION", country="France"),
            ),
        )
        goal = api.goals.create(name="Order placed", site_id=site.id, type="CUSTOM", has_multiple_conversions=True)

        api.experiments.update(
            experiment.id,
            variations=[banner, second.id],
            deviations={"origin": 0.34, str(banner): 0.33, str(second.id): 0.33},
            goals=[goal.id],
            main_goal_id=goal.id,
            targeting_configuration="SAVED_TEMPLATE",
            targeting_segment_id=segment.id,
        )
        api.experiments.update(experiment.id, action="ACTIVATE")

        launched = api.experiments.get(experiment.id, optional_fields=["goals", "tags"])
        print(f"{launched.name}: {launched.status}, {len(launched.variations)} variations, goals {len(launched.goals)}")


if __name__ == "__main__":
    main(sys.argv[1])
