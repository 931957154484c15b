"""Create the same goals and segments on every site of the account; what a site has already is left alone.

Run: python examples/automation/goals_everywhere.py TEMPLATE_CODE
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.

Custom data, goals and segments inside conditions have other ids on every site, so they are mapped by name.
"""

import sys
from typing import Any

from openfeature_kameleoon.management.automation import Automation, where


def by_name(records: Any) -> dict[str, Any]:
    return {record.name: record for record in records}


def mapped(condition: dict[str, Any], custom_data: dict[str, str], goals: dict[int, int]) -> dict[str, Any]:
    """A condition for another site: no ids of its own, and what it names by that site's ids. Raises ``KeyError``."""
    copy = {name: value for name, value in condition.items() if name not in ("id", "htmlDescription")}
    if "customDataIndex" in copy:
        copy["customDataIndex"] = custom_data[copy["customDataIndex"]]
    if "goalId" in copy:
        copy["goalId"] = goals[copy["goalId"]]
    return copy


def copy_to(api: Automation, template: dict[str, Any], site: Any) -> tuple[int, int, list[str]]:
    of_site = where.site_id == site.id
    goals, made_goals = by_name(api.goals.list(filter=of_site)), 0
    for goal in template["goals"]:
        if goal.name not in goals:
            goals[goal.name] = api.goals.create(
                name=goal.name,
                site_id=site.id,
                type=goal.type,
                has_multiple_conversions=goal.has_multiple_conversions,
                **({"params": goal.params} if goal.params else {}),
            )
            made_goals += 1
    goal_ids = {goal.id: goals[goal.name].id for goal in template["goals"]}
    there = by_name(api.custom_datas.list(filter=of_site))
    indexes = {str(one.index): str(there[one.name].index) for one in template["custom_data"] if one.name in there}

    segments, made_segments, skipped = by_name(api.segments.list(filter=of_site)), 0, []
    for segment in template["segments"]:
        if segment.name in segments:
            continue
        conditions = segment.to_dict()["conditionsData"]
        try:
            for group in conditions["firstLevel"]:
                group["conditions"] = [mapped(one, indexes, goal_ids) for one in group["conditions"]]
        except KeyError as missing:
            skipped.append(f"{segment.name}: {site.code} has nothing for {missing}")
            continue
        api.segments.create(
            name=segment.name, site_id=site.id, segment_type=segment.segment_type, conditions_data=conditions
        )
        made_segments += 1
    return made_goals, made_segments, skipped


def main(template_code: str) -> None:
    with Automation.from_environment() as api:
        sites = list(api.sites.list())
        source = next(site for site in sites if site.code == template_code)
        of_source = where.site_id == source.id
        template = {
            "goals": list(api.goals.list(filter=of_source)),
            "segments": list(api.segments.list(filter=of_source)),
            "custom_data": list(api.custom_datas.list(filter=of_source)),
        }
        for site in sites:
            if site.id != source.id:
                goals, segments, skipped = copy_to(api, template, site)
                print(f"{site.code}: {goals} goals and {segments} segments created")
                for reason in skipped:
                    print(f"  skipped {reason}")


if __name__ == "__main__":
    main(sys.argv[1])
