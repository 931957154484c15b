"""A feature flag from its creation to a rule with a safety net (tutorial "feature flag life cycle").

Run: python examples/automation/flag_life_cycle.py SITE_CODE
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import sys

from openfeature_kameleoon.management.automation import Automation, where


def main(site_code: str) -> None:
    with Automation.from_environment() as api:
        site = next(api.sites.list(filter=where.code == site_code))
        goal = api.goals.create(name="Paid", site_id=site.id, type="CUSTOM", has_multiple_conversions=False)

        # Without environments development, staging and production appear, each disabled.
        flag = api.feature_flags.create(
            feature_key="express_pay",
            name="Express pay",
            site_code=site_code,
            variables=[{"key": "label", "type": "STRING", "value": "Pay"}],
            variations=[
                {"key": "off", "name": "Off", "variables": []},
                {"key": "on", "name": "On", "variables": [{"key": "label", "value": "Pay now"}]},
            ],
        )
        print("environments:", ", ".join(one.environment_key for one in flag.environment_configurations))

        rule = {
            "type": "TARGETED_DELIVERY",
            "name": "Everybody, carefully",
            "orderIndex": 0,
            "state": "ACTIVE",
            "variationKey": "on",
            "exposition": 50,
            "rollbackConditions": [
                {
                    "comparisonOperator": "LESS_THAN",
                    "criteria": "CONVERSION_RATE",
                    "goalId": goal.id,
                    "matchValue": 30,
                    "target": "RULE",
                    "visitors": 500,
                    "recipients": ["oncall@example.com"],
                }
            ],
        }
        flag = api.feature_flags.update_environment(
            site_code,
            "express_pay",
            "development",
            name=flag.name,
            feature_enabled=True,
            default_variation_key="off",
            integrations={"deliveryRules": [], "experimentRules": []},
            rollout_rules=[rule],
        )

        # A list is replaced as a whole, with all fields of its elements: read it, change it, send it back.
        development = next(one for one in flag.environment_configurations if one.environment_key == "development")
        (rule_now,) = development.rollout_rules
        (safety,) = rule_now.rollback_conditions
        safety.match_value = 25
        flag = api.feature_flags.update_rule(
            rule_now.id, feature_key="express_pay", name=flag.name, environment_configurations=[development]
        )

        development = next(one for one in flag.environment_configurations if one.environment_key == "development")
        (rule_now,) = development.rollout_rules
        (safety,) = rule_now.rollback_conditions
        print(f"{rule_now.name}: {rule_now.exposition:g} %, rolled back below {safety.match_value:g} %")


if __name__ == "__main__":
    main(sys.argv[1])
