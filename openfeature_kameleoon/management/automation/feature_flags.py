"""Feature flags: variations, variables, and per environment the rules that choose (spec 4.9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import REQUIRED, UPDATE, WRITE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .experiments import AllocationMethod
from .results import RequestsResults
from .verbs import Copies, Creates, Gets, Lists, Searches, Updates

__all__ = [
    "BucketingKey",
    "EnvironmentConfiguration",
    "FeatureFlag",
    "FeatureFlags",
    "FlagVariation",
    "Integration",
    "Integrations",
    "Release",
    "RollbackCondition",
    "RolloutRule",
    "TrafficAllocation",
    "Variable",
    "VariableValue",
]


class Variable(Record):
    """A variable of a flag: its type and default."""

    key = always(str, WRITE)
    type = field(str, WRITE, values="BOOLEAN NUMBER STRING JSON JS CSS ENUM")
    value = field(str, WRITE, note="always text, whatever the type")
    allowed_values = field(list[str], WRITE, note="`ENUM`")


class VariableValue(Record):
    """What a variation sets a variable to."""

    key = always(str, WRITE)
    value = field(str, WRITE)
    type = field(str)


class FlagVariation(Record):
    """A variation of a flag."""

    key = always(str, WRITE)
    name = always(str, WRITE)
    variables = field(list[VariableValue], WRITE)


class BucketingKey(Record):
    """What visitors are bucketed by."""

    bucketing_key_type = field(str, WRITE, values="VISITOR_CODE CUSTOM_DATA")
    custom_data_id = field(int, WRITE, note="`CUSTOM_DATA`")


class Release(Record):
    """When a rule applies."""

    release_from = field(datetime, WRITE)
    release_to = field(datetime, WRITE)
    time_zone = field(str, WRITE, note="IANA name; always needed")


class RollbackCondition(Record):
    """When a rule, or the environment, is switched off by itself."""

    id = field(int)
    comparison_operator = field(str, WRITE, values="GREATER_THAN LESS_THAN")
    criteria = field(str, WRITE, values="UPLIFT DOWNLIFT CONVERSION_RATE")
    goal_id = field(int, WRITE)
    match_value = field(float, WRITE, note="0.0001 to 100")
    target = field(str, WRITE, values="RULE ENVIRONMENT")
    visitors = field(int, WRITE, note="at least 1")
    recipients = field(list[str], WRITE, note="e-mail addresses")


class TrafficAllocation(Record):
    """A variation's share of an experiment."""

    variation_key = field(str, WRITE)
    variation_id = field(int)
    exposition = field(float, WRITE, note="percent; they add up to 100")


class RolloutRule(Record):
    """Who gets what in an environment; sent back with its ``id``, a rule is kept."""

    id = always(int)
    type = field(str, WRITE, values="TARGETED_DELIVERY PROGRESSIVE_DELIVERY EXPERIMENTATION")
    name = always(str, WRITE)
    order_index = field(int, WRITE)
    state = field(str, WRITE, values="ACTIVE PAUSED")
    status = field(str, values="ACTIVE PLANNED")
    segment_id = field(int, WRITE, note="none: everybody")
    exposition = field(float, WRITE, note="percent")
    reallocation = field(bool, WRITE, note="draw the traffic anew")
    variation_key = field(str, WRITE, note="deliveries")
    control_variation_key = field(str, WRITE, note="`EXPERIMENTATION`")
    traffic_allocations = field(list[TrafficAllocation], WRITE, note="`EXPERIMENTATION`")
    traffic_allocation_method = field(str, WRITE, values=AllocationMethod)
    multi_armed_bandit = field(bool, WRITE, note="superseded by `traffic_allocation_method`")
    rollout_configuration = field(dict[str, Any], WRITE, note="`PROGRESSIVE_DELIVERY`")
    release = field(Release, WRITE)
    rollback_conditions = field(list[RollbackCondition], WRITE)
    experiment_id = field(int, note="for results")


class Integration(Record):
    """A tool that is told of a flag's exposures."""

    integration_name = field(str, WRITE, note="as `GOOGLE_ANALYTICS4`")
    custom_variable = field(int, WRITE)
    custom_analytics = field(list[str], WRITE)


class Integrations(Record):
    """Tools that are told, by kind of rule."""

    delivery_rules = field(list[Integration], WRITE)
    experiment_rules = field(list[Integration], WRITE)


class EnvironmentConfiguration(Record):
    """A flag in one environment."""

    environment_key = always(str, WRITE)
    default_variation_key = field(str, WRITE, note="when no rule applies")
    feature_enabled = field(bool, WRITE)
    integrations = field(Integrations, WRITE)
    rollout_rules = field(list[RolloutRule], WRITE)
    date_modified = field(datetime)


class FeatureFlag(Record):
    """A feature flag; named by its site's code and its key."""

    id = always(int)
    feature_key = always(str, REQUIRED | WRITE, note="1 to 255 of a-z, 0-9, _ and -")
    name = always(str, REQUIRED | WRITE, note="at most 100 characters")
    site_code = always(str, REQUIRED)
    description = field(str, WRITE)
    variables = field(list[Variable], WRITE)
    variations = field(list[FlagVariation], WRITE, note="`on` and `off` unless given")
    environment_configurations = field(
        list[EnvironmentConfiguration], WRITE, note="development, staging, production unless given"
    )
    bucketing_key = field(BucketingKey, WRITE)
    attribution_window = field(int, WRITE, note="milliseconds")
    primary_goal_id = field(int, WRITE)
    secondary_goal_ids = field(list[int], WRITE)
    tags = field(list[str], WRITE, note="empty in reads unless in `optional_fields`")
    is_archived = field(bool, UPDATE, note="read as `archived`")
    archived = field(bool)
    health = field(str, values="PERMANENT HEALTHY STALE SMELLY")
    created_by_id = field(int)
    team_id = field(int)
    date_created = field(datetime)
    date_modified = field(datetime)
    date_content_modified = field(datetime)
    default_variation_key = field(str, UPDATE, note="of an environment, in `update_environment`")
    feature_enabled = field(bool, UPDATE, note="of an environment, in `update_environment`")
    integrations = field(Integrations, UPDATE, note="of an environment, in `update_environment`")
    rollout_rules = field(list[RolloutRule], UPDATE, note="of an environment, in `update_environment`")


class FeatureFlags(Resource):
    """Feature flags. An update is a JSON merge patch: a list is replaced as a whole, ``None`` clears.

    To delete one: ``update(site_code, feature_key, is_archived=True)``.
    """

    list = Lists("/feature-flags", FeatureFlag, DOCUMENTED)
    create = Creates("/feature-flags", FeatureFlag, DOCUMENTED)
    search = Searches("/feature-flags/search", FeatureFlag, DOCUMENTED)
    get = Gets("/feature-flags/{site_code}/{feature_key}", FeatureFlag, DOCUMENTED)
    update = Updates("/feature-flags/{site_code}/{feature_key}", FeatureFlag, DOCUMENTED, repeats=("feature_key",))
    update_environment = Updates(
        "/feature-flags/{site_code}/{feature_key}/{environment_key}",
        FeatureFlag,
        DOCUMENTED,
        repeats=("feature_key",),
        note="send `name`, and all rules",
    )
    update_rule = Updates(
        "/feature-flags/rules/{rule_id}",
        FeatureFlag,
        OBSERVED,
        note="the operation is documented, its path observed; send `feature_key` and the whole environment",
    )
    duplicate = Copies(
        "/feature-flags/{site_code}/{feature_key}/duplicate",
        FeatureFlag,
        DOCUMENTED,
        note="under a new key, disabled everywhere",
    )
    request_results = RequestsResults("/feature-flags/{feature_flag_id}/results", DOCUMENTED)
