"""One way to write each data file, of the many that mean the same to every reader: what a round trip keeps.

Members that are missing or null get their defaults (specs/kameleoon-sdk.md 2), JSON inside of texts one layout, rules
their places as ``order``; groups of one condition each become one group. What is not of the documented shape stays as
it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = [
    "json_text",
    "normal",
    "normal_conditions",
    "normal_custom_datum",
    "normal_flag",
    "normal_rule",
    "normal_segment",
]

Object = dict[str, Any]

_ABSENT_IF_NULL = ("configuration", "holdout")
_UNREAD_VALUE = ("TRUE", "FALSE", "UNDEFINED")


def normal(data_file: Object) -> Object:
    """The normal form of a data file. It shares parts with it; neither is to be changed."""
    made = _filled(data_file, {"featureFlags": [], "segments": [], "customData": [], "dateModified": 0})
    made = {
        name: value for name, value in made.items() if value is not None or name not in ("configuration", "holdout")
    }
    made["dateModified"] = _whole(made["dateModified"])
    made["featureFlags"] = _each(made["featureFlags"], normal_flag)
    made["customData"] = _each(made["customData"], normal_custom_datum)
    made["segments"] = _each(made["segments"], normal_segment)
    return made


def normal_flag(flag: Object) -> Object:
    """The same for one flag."""
    defaults = {"id": 0, "featureKey": "", "environmentEnabled": False, "defaultVariationKey": "", "variations": []}
    made = _filled(flag, {**defaults, "rules": [], "mutuallyExclusiveGroup": None, "bucketingCustomDataId": None})
    made["mutuallyExclusiveGroup"] = made["mutuallyExclusiveGroup"] or None
    made["bucketingCustomDataId"] = made["bucketingCustomDataId"] or None
    made["variations"] = _each(made["variations"], _variation)
    rules = _each(made["rules"], normal_rule)
    if isinstance(rules, list):
        rules = [{**rule, "order": place} if isinstance(rule, dict) else rule for place, rule in enumerate(rules)]
    made["rules"] = rules
    return made


def normal_segment(segment: Object) -> Object:
    """The same for one segment."""
    made = _filled(segment, {"id": -1, "conditionsData": {"firstLevel": []}, "audienceTracking": False})
    made["id"] = _whole(made["id"])
    made["name"] = made.get("name") or f"segment {made['id']}"
    made["conditionsData"] = normal_conditions(made["conditionsData"])
    return made


def normal_custom_datum(datum: Object) -> Object:
    """The same for the declaration of a custom datum."""
    names = dict.fromkeys(("index", "id", "name", "scope"))
    made = _filled(datum, {**names, "localOnly": False, "isMappingIdentifier": False})
    made["index"] = _whole(made["index"])
    return made


def normal_conditions(data: Any) -> Any:
    """The same for a segment's ``conditionsData``."""
    if not isinstance(data, dict) or not isinstance(data.get("firstLevel"), list):
        return data
    groups = [_group(group) for group in data["firstLevel"]]
    operators = _operators(data.get("firstLevelOrOperators"), len(groups))
    if operators is None or not all(isinstance(group, dict) for group in groups):
        return data
    if len(groups) > 1 and len(set(operators)) == 1 and all(_size(group) == 1 for group in groups):
        groups = [{"conditions": [one for group in groups for one in group["conditions"]], "orOperators": operators}]
        operators = []
    return {**data, "firstLevel": groups, "firstLevelOrOperators": operators}


def json_text(value: Any) -> str:
    """JSON as it stands in the texts of variables and conditions."""
    return json.dumps(value, ensure_ascii=False)


def _filled(given: Object, defaults: Object) -> Object:
    present = {name: value for name, value in given.items() if value is not None or name not in defaults}
    return {**defaults, **present}


def _each(items: Any, normalise: Callable[[Object], Object]) -> Any:
    if not isinstance(items, list):
        return items
    return [normalise(item) if isinstance(item, dict) else item for item in items]


def _whole(value: Any) -> Any:
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _variation(variation: Object) -> Object:
    made = _filled(variation, {"key": "", "name": "", "variables": []})
    made["variables"] = _each(made["variables"], _variable)
    return made


def _variable(variable: Object) -> Object:
    made = {"key": "", "type": "", "value": False, **variable}
    if made["type"] == "JSON":
        made["value"] = _laid_out(made["value"])
    return made


def _laid_out(text: Any) -> Any:
    try:
        return json_text(msgspec.json.decode(text)) if isinstance(text, str) else text
    except (msgspec.DecodeError, RecursionError):
        return text


def normal_rule(rule: Object) -> Object:
    """The same for one rule, its ``order`` aside."""
    missing = dict.fromkeys(("id", "type", "respoolTime", "segmentId"))
    made = _filled(rule, {**missing, "exposition": 0.0, "experimentId": 0, "variationByExposition": []})
    made["respoolTime"] = made["respoolTime"] or None
    made["segmentId"] = made["segmentId"] or None
    made["variationByExposition"] = _each(made["variationByExposition"], _entry)
    return made


def _entry(entry: Object) -> Object:
    return _filled(entry, {"variationKey": "", "variationId": None, "exposition": 0.0})


def _group(group: Any) -> Any:
    if not isinstance(group, dict):
        return group
    conditions = group.get("conditions") or []
    if not isinstance(conditions, list) or not all(isinstance(one, dict) for one in conditions):
        return group
    operators = _operators(group.get("orOperators"), len(conditions))
    if operators is None:
        return group
    return {**group, "conditions": [_condition(one) for one in conditions], "orOperators": operators}


def _size(group: Object) -> int:
    conditions = group.get("conditions")
    return len(conditions) if isinstance(conditions, list) else 0


def _operators(operators: Any, items: int) -> list[bool] | None:
    """The operators between so many items; ``None`` when there are too few."""
    given = operators if isinstance(operators, list) else []
    needed = max(0, items - 1)
    return [bool(operator) for operator in given[:needed]] if len(given) >= needed else None


def _condition(condition: Object) -> Object:
    made = {**condition, "isInclude": condition.get("isInclude") is not False}
    if made.get("targetingType") == "CUSTOM_DATUM":
        if type(made.get("customDataIndex")) is int:
            made["customDataIndex"] = str(made["customDataIndex"])
        if made.get("valueMatchType") in _UNREAD_VALUE:
            made.pop("value", None)
        if made.get("valueMatchType") == "AMONG_VALUES":
            made["value"] = _laid_out(made.get("value"))
    return made
