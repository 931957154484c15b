"""The fields of Optimizely's Classic resources, in the order of answers: what each takes, and when it may be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.management.standins.optimizely_account import (
    BOOL,
    INT,
    INTS,
    TEXT,
    TEXTS,
    Field,
    Refusal,
    accepted,
    fixed,
    matching,
    maybe,
    members,
    one_of,
)
from tests.management.standins.optimizely_conditions import CLASSIC_TYPES, wrong_in_conditions

__all__ = ["FIELDS", "TIMES"]

MOST_LIST_BYTES, MOST_ROW_CHARACTERS = 5 * 1024 * 1024, 100

NULL_TEXT, NULL_BOOL = maybe(TEXT), maybe(BOOL)
TIME = maybe(matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time such as 2015-12-01T06:00:00Z"))
MATCH_TYPES = members(one_of(1, 2, 3, 4), "match types from 1 to 4")


def _wrong_in_url_condition(raw: Any) -> str | None:
    fields = {
        "match_type": Field(one_of("simple", "exact", "substring", "regex")),
        "value": Field(TEXT, required=True),
        "negate": Field(BOOL),
    }
    try:
        accepted(fields, raw if isinstance(raw, dict) else {}, is_new=True)
    except Refusal as refusal:
        return refusal.message
    return None


def _wrong_in_list_content(content: Any) -> str | None:
    if type(content) is not str or len(content.encode()) > MOST_LIST_BYTES:
        return "must be text of at most 5 MB"
    is_short = all(len(row) <= MOST_ROW_CHARACTERS for row in re.split(r"[,\n]", content))
    return None if is_short else "must have rows of at most 100 characters"


ID, PARENT, TIMES = fixed(), fixed(), {"created": fixed(), "last_modified": fixed()}

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "projects": {
        "id": ID,
        "account_id": fixed(),
        "code_revision": fixed(0),
        "project_name": Field(TEXT, required=True),
        "project_status": Field(one_of("Active", "Archived"), "Active"),
        **TIMES,
        "library": fixed("jquery-1.6.4-trim"),
        "include_jquery": Field(BOOL, True),
        "js_file_size": fixed(),
        "project_javascript": Field(NULL_TEXT),
        "enable_force_variation": Field(BOOL, False),
        "exclude_disabled_experiments": Field(BOOL, False),
        "exclude_names": Field(NULL_BOOL),
        "ip_anonymization": Field(BOOL, False),
        "ip_filter": Field(NULL_TEXT, ""),
        "socket_token": fixed(),
        "dcp_service_id": Field(maybe(INT)),
    },
    "experiments": {
        "id": ID,
        "project_id": PARENT,
        "description": Field(TEXT, required=True),
        "details": fixed(""),
        "status": Field(one_of("Not started", "Running", "Paused", "Archived"), "Not started"),
        "experiment_type": Field(one_of("ab"), "ab"),
        "is_multivariate": fixed(False),
        "auto_allocated": fixed(False),
        "activation_mode": Field(one_of("immediate", "manual", "conditional"), "immediate"),
        "conditional_code": fixed(),
        "percentage_included": Field(INT, 10000),
        "url_conditions": Field(members(_wrong_in_url_condition, "URL conditions"), []),
        "audience_ids": Field(INTS, []),
        "variation_ids": fixed([]),
        "edit_url": Field(TEXT, required=True),
        "custom_css": Field(TEXT, ""),
        "custom_js": Field(TEXT, ""),
        "display_goal_order_lst": fixed([]),
        "primary_goal_id": fixed(),
        "shareable_results_link": fixed(""),
        **TIMES,
    },
    "variations": {
        "id": ID,
        "experiment_id": PARENT,
        "project_id": fixed(),
        "description": Field(TEXT, required=True),
        "weight": Field(maybe(INT)),
        "js_component": Field(TEXT, ""),
        "is_paused": Field(BOOL, False),
        "section_id": fixed(),
        "created": fixed(),
    },
    "schedules": {
        "id": ID,
        "experiment_id": PARENT,
        "status": fixed("ACTIVE"),
        "start_time": Field(TIME),
        "stop_time": Field(TIME),
    },
    "goals": {
        "id": ID,
        "project_id": PARENT,
        "title": Field(TEXT, required=True),
        "goal_type": Field(one_of(0, 1, 2, 3, 4), required=True),
        "description": Field(TEXT, ""),
        "archived": Field(BOOL, False),
        "addable": Field(BOOL, True),
        "experiment_ids": Field(INTS, []),
        "selector": Field(NULL_TEXT),
        "target_to_experiments": Field(NULL_BOOL),
        "target_urls": Field(TEXTS, []),
        "target_url_match_types": Field(MATCH_TYPES, []),
        "urls": Field(TEXTS, []),
        "url_match_types": Field(MATCH_TYPES, []),
        "event": Field(NULL_TEXT, on_update=False),
        "is_editable": fixed(),
        **TIMES,
    },
    "audiences": {
        "id": ID,
        "project_id": PARENT,
        "name": Field(TEXT, required=True),
        "description": Field(TEXT, ""),
        "conditions": Field(partial(wrong_in_conditions, types=CLASSIC_TYPES), "[]"),
        "segmentation": Field(BOOL, False),
        "archived": fixed(False),
        **TIMES,
    },
    "dimensions": {
        "id": ID,
        "project_id": PARENT,
        "name": Field(TEXT, required=True),
        "client_api_name": Field(NULL_TEXT),
        "description": Field(TEXT, ""),
        "last_modified": fixed(),
    },
    "targeting_lists": {
        "id": ID,
        "project_id": PARENT,
        "account_id": fixed(),
        "name": Field(matching(r"[A-Za-z0-9_-]+", "letters, digits, - and _"), required=True, on_update=False),
        "description": Field(TEXT, ""),
        "list_type": Field(one_of(1, 2, 3), required=True),
        "key_fields": Field(TEXT, required=True),
        "format": Field(one_of("csv"), "csv", required=True, on_update=False),
        "list_content": Field(_wrong_in_list_content, required=True),
    },
}
