"""The Flags API: flags, their variations, their rules in each environment, and the way to results (spec 12).

All is below a project: ``client.Flags.get(77, "order_form")``. Changes are JSON patches.
"""

from __future__ import annotations

from typing import Any

from ...rest.fields import REQUIRED, UPDATE, WRITE, field
from .records import SnakeRecord
from .verbs import Creates, Deletes, FlagLists, FlagRegistry, Gets, Patches, Switches

__all__ = [
    "Flag",
    "FlagEnvironment",
    "FlagReport",
    "FlagVariation",
    "Flags",
    "Group",
    "Holdout",
    "Reports",
    "Rule",
    "Rules",
    "Ruleset",
    "Rulesets",
    "VariableDefinition",
    "Variations",
]


class VariableDefinition(SnakeRecord):
    """A variable of a flag; each variation may have another value for it."""

    key = field(str)
    type = field(str, REQUIRED, values="boolean string integer double json")
    default_value = field(str, REQUIRED | WRITE, note="text, whatever the type")


class Flag(SnakeRecord):
    """A feature flag."""

    key = field(str, REQUIRED)
    name = field(str, WRITE)
    description = field(str, WRITE)
    archived = field(bool)
    variable_definitions = field(dict[str, VariableDefinition], WRITE)
    environments = field(dict[str, Any])


class FlagEnvironment(SnakeRecord):
    """Where flags are switched on by themselves."""

    key = field(str)
    name = field(str)


class Group(SnakeRecord):
    """Rules that share visitors out among themselves; all of it is in ``raw``."""

    id = field(int)


class Holdout(SnakeRecord):
    """Visitors who get nothing of several flags; all of it is in ``raw``."""

    id = field(int)


class Flags(FlagRegistry):
    """Flags of a project, and what they have in common."""

    list = FlagLists("/projects/{project_id}/flags", Flag)
    get = Gets("/projects/{project_id}/flags/{flag_key}", Flag)
    create = Creates("/projects/{project_id}/flags", Flag)
    update = Patches("/projects/{project_id}/flags/{flag_key}", Flag)
    delete = Deletes("/projects/{project_id}/flags/{flag_key}", Flag)
    variable_definitions = FlagLists("/projects/{project_id}/flags/{flag_key}/variable_definitions", VariableDefinition)
    environments = FlagLists("/projects/{project_id}/environments", FlagEnvironment)
    groups = FlagLists("/projects/{project_id}/groups", Group)
    holdouts = FlagLists("/projects/{project_id}/holdouts", Holdout)


class FlagVariation(SnakeRecord):
    """A set of values of a flag's variables."""

    key = field(str, REQUIRED)
    name = field(str, WRITE)
    description = field(str, WRITE)
    variables = field(dict[str, Any], WRITE, note='as `{"size": {"value": "12"}}`, all values text')


class Variations(FlagRegistry):
    """Variations of a flag; those of a web experiment are members of it."""

    list = FlagLists("/projects/{project_id}/flags/{flag_key}/variations", FlagVariation)
    get = Gets("/projects/{project_id}/flags/{flag_key}/variations/{variation_key}", FlagVariation)
    create = Creates("/projects/{project_id}/flags/{flag_key}/variations", FlagVariation)
    update = Patches("/projects/{project_id}/flags/{flag_key}/variations/{variation_key}", FlagVariation)
    delete = Deletes("/projects/{project_id}/flags/{flag_key}/variations/{variation_key}", FlagVariation)


class Rule(SnakeRecord):
    """Who gets which variation of a flag in an environment."""

    key = field(str)
    name = field(str)
    type = field(str, values="targeted_delivery a/b multi_armed_bandit")
    status = field(str, values="draft running paused concluded")
    enabled = field(bool)
    percentage_included = field(int, note="basis points")
    variations = field(dict[str, Any], note="by key, each with its `percentage_included`")
    audience_conditions = field(list[Any])
    allow_list = field(dict[str, str])
    group_id = field(int)
    distribution_mode = field(str)
    metrics = field(list[dict[str, Any]])


class Rules(FlagRegistry):
    """Rules of all flags of a project; they are changed in their rulesets."""

    list = FlagLists("/projects/{project_id}/rules", Rule)


class Ruleset(SnakeRecord):
    """What a flag does in an environment."""

    enabled = field(bool, UPDATE)
    rules = field(dict[str, Rule], UPDATE)
    rule_priorities = field(list[str], UPDATE, note="keys of rules, the first that fits decides")
    default_variation_key = field(str, UPDATE)


class Rulesets(FlagRegistry):
    """A flag's ruleset in each environment."""

    get = Gets("/projects/{project_id}/flags/{flag_key}/environments/{environment_key}/ruleset", Ruleset)
    update = Patches("/projects/{project_id}/flags/{flag_key}/environments/{environment_key}/ruleset", Ruleset)
    enable = Switches("/projects/{project_id}/flags/{flag_key}/environments/{environment_key}/ruleset/enabled", Ruleset)
    disable = Switches(
        "/projects/{project_id}/flags/{flag_key}/environments/{environment_key}/ruleset/disabled", Ruleset
    )


class FlagReport(SnakeRecord):
    """Where a rule's results are; all of it is in ``raw``."""

    experiment_id = field(int, note="for `client.Experiments.results`")


class Reports(FlagRegistry):
    """Reports on the rules of an environment; each leads to its results."""

    list = FlagLists("/projects/{project_id}/environments/{environment_key}/reports", FlagReport)
