"""The resources of Optimizely's v2, a row each: fields, what archives them, what is unique in a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.management.standins.optimizely_account import (
    BOOL,
    INT,
    INTS,
    NUMBER,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    Field,
    Refusal,
    accepted,
    fixed,
    matching,
    members,
    one_of,
)
from tests.management.standins.optimizely_conditions import V2_TYPES, wrong_in_audiences, wrong_in_conditions

__all__ = ["ARCHIVED", "ENVIRONMENTS", "KEY", "RESOURCES", "STATUS", "V2Resource"]

ARCHIVED: tuple[str, Any] = ("archived", True)
STATUS: tuple[str, Any] = ("status", "archived")
KEY = matching(r"[A-Za-z0-9_-]{1,64}", "at most 64 letters, digits, - and _")


@dataclass(frozen=True, slots=True)
class V2Resource:
    """A kind of entity: its name, where it is kept, its fields, and its rules."""

    name: str
    plural: str
    fields: Mapping[str, Field]
    archived: tuple[str, Any] | None = ARCHIVED
    """What DELETE sets; ``None``: it cannot be deleted."""
    unique: tuple[str, ...] = ()
    derived: Mapping[str, str] = field(default_factory=dict)
    """Fields which are like another one when left out."""
    is_read_only: bool = False
    is_nested: bool = False
    """Written below a parent, and nowhere else."""


VARIATION = {
    "variation_id": Field(INT),
    "name": Field(TEXT),
    "key": Field(KEY),
    "weight": Field(INT, required=True),
    "status": Field(one_of("active", "paused", "archived")),
    "actions": Field(OBJECTS),
    "feature_enabled": Field(BOOL),
    "variable_values": Field(OBJECT),
}
METRIC = {
    "event_id": Field(INT),
    "aggregator": Field(one_of("unique", "count", "sum", "bounce", "exit", "ratio")),
    "scope": Field(one_of("session", "visitor", "event")),
    "winning_direction": Field(one_of("increasing", "decreasing")),
}
LIST_TYPES = ("cookies", "query", "query_parameters", "zip", "zip_codes", "js_variables")


def _wrong_in(fields: Mapping[str, Field], raw: Any) -> str | None:
    try:
        accepted(fields, raw if isinstance(raw, dict) else {"": raw}, is_new=True, clears=True)
    except Refusal as refusal:
        return refusal.message
    return None if isinstance(raw, dict) else "must be an object"


METRICS = members(partial(_wrong_in, METRIC), "metrics: event_id, aggregator, scope, winning_direction")
VARIATIONS = members(partial(_wrong_in, VARIATION), "variations, each with a weight")
HEAD = {"id": fixed(), "project_id": Field(INT, required=True, on_update=False)}
TIMES = {"created": fixed(), "last_modified": fixed()}
NAME, TEXT_FIELD, OFF = Field(TEXT, required=True), Field(TEXT), Field(BOOL, False)

ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {
    "production": {"name": "Production", "is_primary": True, "priority": 1, "has_restricted_permissions": True},
    "development": {"name": "Development", "is_primary": False, "priority": 2, "has_restricted_permissions": False},
}
"""What each project has from the start."""

RUN = {
    "status": fixed("not_started"),
    "metrics": Field(METRICS, []),
    "page_ids": Field(INTS, []),
    "url_targeting": Field(OBJECT),
    "changes": Field(OBJECTS),
    "holdback": Field(INT),
    "earliest": fixed(),
    "is_classic": fixed(False),
}
EVENT = {
    **HEAD,
    "page_id": Field(INT, on_update=False),
    "key": Field(KEY),
    "name": TEXT_FIELD,
    "description": TEXT_FIELD,
    "category": Field(TEXT, "other"),
    "archived": OFF,
    "is_classic": fixed(False),
    "is_editable": fixed(True),
    **TIMES,
}

RESOURCES: Mapping[str, V2Resource] = {
    "projects": V2Resource(
        "project",
        "projects",
        {
            "id": fixed(),
            "account_id": fixed(),
            "name": NAME,
            "description": TEXT_FIELD,
            "platform": Field(one_of("web", "ios", "android", "custom"), "web", on_update=False),
            "status": Field(one_of("active", "archived"), "active"),
            "confidence_threshold": Field(NUMBER, 0.9),
            "web_snippet": Field(OBJECT),
            "sdks": Field(TEXTS),
            "is_flags_enabled": Field(BOOL, False, on_update=False),
            "is_classic": fixed(False),
            "dcp_service_id": Field(INT),
            "socket_token": fixed(),
            **TIMES,
        },
        archived=None,
    ),
    "experiments": V2Resource(
        "experiment",
        "experiments",
        {
            **HEAD,
            "campaign_id": Field(INT, on_update=False),
            "key": Field(KEY),
            "name": NAME,
            "description": TEXT_FIELD,
            "type": Field(
                one_of("a/b", "feature", "multivariate", "personalization", "multiarmed_bandit"), "a/b", on_update=False
            ),
            "traffic_allocation": Field(INT, 10000),
            "audience_conditions": Field(wrong_in_audiences, "everyone"),
            "variations": Field(VARIATIONS, []),
            "schedule": Field(OBJECT),
            "environments": Field(OBJECT),
            "feature_id": Field(INT),
            "feature_key": Field(KEY),
            "whitelist": Field(OBJECTS),
            "allocation_policy": Field(TEXT, "manual"),
            **RUN,
            **TIMES,
        },
        archived=STATUS,
        unique=("key",),
    ),
    "campaigns": V2Resource(
        "campaign",
        "campaigns",
        {
            **HEAD,
            "name": NAME,
            "description": TEXT_FIELD,
            "type": Field(one_of("a/b", "personalization", "other"), "personalization", on_update=False),
            "experiment_ids": Field(INTS, []),
            "experiment_priorities": Field(members(INTS, "lists of integers")),
            **RUN,
            **TIMES,
        },
        archived=STATUS,
    ),
    "audiences": V2Resource(
        "audience",
        "audiences",
        {
            **HEAD,
            "name": NAME,
            "description": TEXT_FIELD,
            "conditions": Field(partial(wrong_in_conditions, types=V2_TYPES), "[]"),
            "segmentation": OFF,
            "archived": OFF,
            "is_classic": fixed(False),
            **TIMES,
        },
        archived=None,
    ),
    "attributes": V2Resource(
        "attribute",
        "attributes",
        {
            **HEAD,
            "key": Field(matching(r".{1,64}", "text of at most 64 characters"), required=True),
            "name": TEXT_FIELD,
            "description": TEXT_FIELD,
            "condition_type": fixed("custom_attribute"),
            "archived": OFF,
            "last_modified": fixed(),
        },
        unique=("key",),
        derived={"name": "key"},
    ),
    "list_attributes": V2Resource(
        "list attribute",
        "list_attributes",
        {
            **HEAD,
            "account_id": fixed(),
            "name": NAME,
            "description": TEXT_FIELD,
            "list_type": Field(one_of(*LIST_TYPES), required=True),
            "key_field": Field(TEXT, required=True),
            "list_content": TEXT_FIELD,
            "archived": OFF,
            **TIMES,
        },
        unique=("name",),
    ),
    "pages": V2Resource(
        "page",
        "pages",
        {
            **HEAD,
            "key": Field(KEY),
            "name": NAME,
            "edit_url": Field(TEXT, required=True),
            "conditions": TEXT_FIELD,
            "activation_type": Field(
                one_of("immediate", "manual", "polling", "callback", "dom_changed", "url_changed"), "immediate"
            ),
            "activation_code": TEXT_FIELD,
            "category": Field(TEXT, "other"),
            "page_type": Field(TEXT, "single_url"),
            "archived": OFF,
            "is_classic": fixed(False),
            **TIMES,
        },
        unique=("key",),
    ),
    "events": V2Resource(
        "event", "events", {**EVENT, "event_type": fixed("custom"), "config": fixed()}, is_read_only=True, archived=None
    ),
    "custom_events": V2Resource(
        "event",
        "events",
        {**EVENT, "key": Field(KEY, required=True), "event_type": fixed("custom")},
        unique=("key",),
        derived={"name": "key"},
        is_nested=True,
    ),
    "page_events": V2Resource(
        "event",
        "events",
        {
            **EVENT,
            "name": NAME,
            "event_type": Field(one_of("click", "pageview"), "click", on_update=False),
            "config": Field(OBJECT),
        },
        unique=("key",),
        is_nested=True,
    ),
    "groups": V2Resource(
        "group",
        "groups",
        {
            **HEAD,
            "name": NAME,
            "description": TEXT_FIELD,
            "policy": Field(one_of("random", "overlapping"), "random"),
            "entities": Field(OBJECTS, []),
            "archived": OFF,
            **TIMES,
        },
    ),
    "features": V2Resource(
        "feature",
        "features",
        {
            **HEAD,
            "key": Field(KEY, required=True),
            "name": TEXT_FIELD,
            "description": TEXT_FIELD,
            "variables": Field(OBJECTS, []),
            "environments": Field(OBJECT, {}),
            "archived": OFF,
            **TIMES,
        },
        unique=("key",),
        derived={"name": "key"},
    ),
    "environments": V2Resource(
        "environment",
        "environments",
        {
            **HEAD,
            "key": Field(KEY, required=True),
            "name": TEXT_FIELD,
            "description": TEXT_FIELD,
            "is_primary": Field(BOOL, False, on_update=False),
            "priority": Field(INT, 3),
            "has_restricted_permissions": OFF,
            "archived": OFF,
            **TIMES,
        },
        unique=("key",),
        derived={"name": "key"},
    ),
    "extensions": V2Resource(
        "extension",
        "extensions",
        {
            **HEAD,
            "name": NAME,
            "description": TEXT_FIELD,
            "edit_url": TEXT_FIELD,
            "enabled": OFF,
            "fields": Field(OBJECTS, []),
            "implementation": Field(OBJECT),
            "archived": OFF,
            **TIMES,
        },
    ),
    "scheduled-jobs": V2Resource(
        "scheduled job",
        "scheduled-jobs",
        {
            **HEAD,
            "experiment_id": Field(INT, required=True, on_update=False),
            "action": Field(one_of("start", "pause"), required=True),
            "scheduled_time": Field(TEXT, required=True),
            "status": Field(one_of("scheduled", "done", "cancelled"), "scheduled"),
            "is_of_schedule": fixed(False),
            **TIMES,
        },
        archived=("status", "cancelled"),
    ),
}
"""By the last noun of their path, but for the two kinds of events, which are read together at ``events``."""
