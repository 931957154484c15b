"""Segments: groups of visitors, by conditions on two levels (spec 4.7).

```python
any_of(all_of(gold, french), all_of(staff))      # (gold and french) or staff
```
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import CREATE, REQUIRED, UPDATE, WRITE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .verbs import Creates, Gets, Lists, Replaces, Searches, Updates

__all__ = ["Condition", "ConditionGroup", "ConditionsData", "Segment", "Segments", "all_of", "any_of"]

MATCH = "EXACT CONTAINS REGULAR_EXPRESSION AMONG_VALUES ANY UNDEFINED EQUAL GREATER LOWER TRUE FALSE"


class Condition(Record):
    """One condition; which fields it has goes by its ``targeting_type``, and members without a field here are kept."""

    id = field(int, note="leave it out when copying a condition")
    targeting_type = always(
        str,
        REQUIRED | WRITE,
        values="CUSTOM_DATUM VISITOR_CODE DEVICE_TYPE BROWSER OPERATING_SYSTEM GEOLOCATION SDK_LANGUAGE"
        " APPLICATION_VERSION COOKIE PAGE_URL PREVIOUS_PAGE PAGE_TITLE PAGE_VIEWS VISITS SAME_DAY_VISITS FIRST_VISIT"
        " LAST_VISIT NEW_VISITORS CONVERSIONS SEGMENT TARGET_FEATURE_FLAG TARGET_EXPERIMENT TARGET_PERSONALIZATION"
        " EXCLUSIVE_EXPERIMENT HEAT_SLICE JS_CODE ACTIVE_SESSION EXPLICIT_TRIGGER",
    )
    weight = field(int, REQUIRED | WRITE, note="1 by default; more is more important")
    include = field(bool, WRITE, note="false turns the condition round")
    html_description = field(str)
    custom_data_index = field(str, WRITE, note="`CUSTOM_DATUM`; the index as text")
    match_type = field(str, WRITE, values=MATCH)
    value_match_type = field(str, WRITE, values=MATCH)
    value = field(str, WRITE)
    visitor_code = field(str, WRITE, note="`VISITOR_CODE`")
    device = field(str, WRITE, values="DESKTOP TABLET PHONE", note="`DEVICE_TYPE`")
    browser = field(str, WRITE, values="CHROME IE FIREFOX SAFARI OPERA OTHER", note="`BROWSER`")
    version = field(str, WRITE, note="`BROWSER`, `SDK_LANGUAGE`, `APPLICATION_VERSION`")
    version_match_type = field(str, WRITE, values="EQUAL GREATER LOWER")
    os = field(str, WRITE, note="`OPERATING_SYSTEM`")
    country = field(str, WRITE, note="`GEOLOCATION`")
    region = field(str, WRITE, note="`GEOLOCATION`")
    city = field(str, WRITE, note="`GEOLOCATION`")
    sdk_language = field(str, WRITE, note="`SDK_LANGUAGE`")
    name = field(str, WRITE, note="`COOKIE`")
    name_match_type = field(str, WRITE, values=MATCH)
    url = field(str, WRITE, note="`PAGE_URL`, `PREVIOUS_PAGE`")
    title = field(str, WRITE, note="`PAGE_TITLE`")
    page_count = field(int, WRITE, note="`PAGE_VIEWS`")
    visit_count = field(int, WRITE, note="`VISITS`, `SAME_DAY_VISITS`, `CONVERSIONS`")
    count_in_millis = field(int, WRITE, note="`FIRST_VISIT`, `LAST_VISIT`; milliseconds")
    visitor_type = field(str, WRITE, note="`NEW_VISITORS`")
    goal_id = field(int, WRITE, note="`CONVERSIONS`, `HEAT_SLICE`")
    visit_scope = field(str, WRITE, values="CURRENT_VISIT VISITOR", note="`CONVERSIONS`")
    segment_id = field(int, WRITE, note="`SEGMENT`")
    feature_flag_id = field(int, WRITE, note="`TARGET_FEATURE_FLAG`")
    variation_key = field(str, WRITE, note="`TARGET_FEATURE_FLAG`")
    rule_id = field(int, WRITE, note="`TARGET_FEATURE_FLAG`")
    experiment_id = field(int, WRITE, note="`TARGET_EXPERIMENT`")
    variation_id = field(int, WRITE, note="`TARGET_EXPERIMENT`")
    variation_match_type = field(str, WRITE, note="`TARGET_EXPERIMENT`")
    personalization_id = field(int, WRITE, note="`TARGET_PERSONALIZATION`")
    campaign_type = field(str, WRITE, values="EXPERIMENT PERSONALIZATION ANY", note="`EXCLUSIVE_EXPERIMENT`")
    key_moment_id = field(int, WRITE, note="`HEAT_SLICE`")
    lower_bound = field(float, WRITE, note="`HEAT_SLICE`")
    upper_bound = field(float, WRITE, note="`HEAT_SLICE`")
    js_code = field(str, WRITE, note="`JS_CODE`")
    applied = field(str, WRITE, values="IMMEDIATE", note="`JS_CODE`")
    count = field(int, WRITE, note="`ACTIVE_SESSION`")
    unit_of_time = field(str, WRITE, values="SECOND MINUTE HOUR DAY", note="`ACTIVE_SESSION`")


class ConditionGroup(Record):
    """Conditions joined by operators that stand between them: true is OR, false is AND."""

    or_operators = field(list[bool], WRITE)
    conditions = field(list[Condition], WRITE)


class ConditionsData(Record):
    """Groups of conditions, joined in the same way; ``all_of`` and ``any_of`` make one."""

    first_level_or_operators = field(list[bool], WRITE)
    first_level = field(list[ConditionGroup], WRITE)


def all_of(*parts: Condition | ConditionsData) -> ConditionsData:
    """All of the conditions, or of the groups, must hold. Raises ``ValueError`` for more than two levels."""
    return _joined(parts, is_or=False)


def any_of(*parts: Condition | ConditionsData) -> ConditionsData:
    """Any of the conditions, or of the groups, must hold. Raises ``ValueError`` for more than two levels."""
    return _joined(parts, is_or=True)


class Segment(Record):
    """A group of visitors; its name is unique in its site."""

    id = always(int)
    name = always(str, REQUIRED | WRITE)
    site_id = always(int, REQUIRED)
    segment_type = field(str, CREATE, values="STANDARD KEY_MOMENT FEATURE_FLAG ALL")
    conditions_data = field(ConditionsData, REQUIRED)
    description = field(str, WRITE)
    audience_tracking = field(bool, WRITE)
    is_favorite = field(bool, WRITE)
    tags = field(list[str], WRITE)
    is_deleted = field(bool, UPDATE, note="a segment in use makes its targeting mean all visitors: look first")
    user_visible = field(bool, CREATE)
    condition_data_tree = field(dict[str, Any], CREATE, note="the same conditions as a tree")
    condition_data_list = field(list[dict[str, Any]], note="the same conditions as a list")
    created_by = field(int)
    date_created = field(datetime)
    date_modified = field(datetime)
    audience_tracking_editable = field(bool)
    experiment_amount = field(int, note="experiments that use it")
    experiments = field(list[int])
    personalization_amount = field(int)
    personalizations = field(list[int])
    feature_flag_amount = field(int)
    has_segment_condition = field(bool)
    used_by_segment_condition = field(bool)


class Segments(Resource):
    """Groups of visitors. Conditions change by ``replace`` or ``replace_condition``; ``update`` cannot touch them.

    To delete one: ``update(segment_id, is_deleted=True)``.
    """

    list = Lists("/segments", Segment, OBSERVED)
    create = Creates("/segments", Segment, OBSERVED)
    search = Searches("/segments/search", Segment, DOCUMENTED)
    get = Gets("/segments/{segment_id}", Segment, OBSERVED)
    replace = Replaces("/segments/{segment_id}", Segment, DOCUMENTED)
    update = Updates("/segments/{segment_id}", Segment, DOCUMENTED)
    replace_condition = Replaces("/segments/{segment_id}/conditions/{condition_id}", Condition, OBSERVED)


def _joined(parts: tuple[Condition | ConditionsData, ...], *, is_or: bool) -> ConditionsData:
    nested = [part.raw["firstLevel"] for part in parts if isinstance(part, ConditionsData)]
    if nested and (len(nested) != len(parts) or any(len(groups) != 1 for groups in nested)):
        raise ValueError("conditions have two levels: groups of single conditions, joined once more, and no deeper")
    groups = [group for (group,) in nested]
    if not groups:
        conditions = [{"weight": 1, "include": True, **part.raw} for part in parts]
        groups = [{"orOperators": [is_or] * (len(parts) - 1), "conditions": conditions}]
    return ConditionsData({"firstLevelOrOperators": [is_or] * (len(groups) - 1), "firstLevel": groups})
