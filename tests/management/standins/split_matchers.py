"""The matchers the Split stand-in knows (6.1), and what a rule's condition must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.management.standins.split_calls import Refused

__all__ = ["check_condition"]

MATCHERS: Mapping[str, tuple[str | None, bool]] = {  # the value field, and whether the attribute is needed
    "ALL_KEYS": (None, False),
    "IN_SEGMENT": ("string", False),
    "IN_LARGE_SEGMENT": ("string", False),
    "IN_RULE_BASED_SEGMENT": ("string", False),
    "IN_SPLIT": ("depends", False),
    "IN_LIST_STRING": ("strings", False),
    "STARTS_WITH_STRING": ("strings", False),
    "ENDS_WITH_STRING": ("strings", False),
    "CONTAINS_STRING": ("strings", False),
    "MATCHES_STRING": ("string", False),
    "EQUAL_SET": ("strings", True),
    "ANY_OF_SET": ("strings", True),
    "ALL_OF_SET": ("strings", True),
    "PART_OF_SET": ("strings", True),
    "BOOLEAN": ("bool", True),
    "EQUAL_NUMBER": ("number", True),
    "GREATER_THAN_OR_EQUAL_NUMBER": ("number", True),
    "LESS_THAN_OR_EQUAL_NUMBER": ("number", True),
    "BETWEEN_NUMBER": ("between", True),
    "ON_DATE": ("date", True),
    "ON_OR_AFTER_DATE": ("date", True),
    "ON_OR_BEFORE_DATE": ("date", True),
    "BETWEEN_DATE": ("between", True),
    "EQUAL_TO_SEMVER": ("string", True),
    "GREATER_THAN_OR_EQUAL_TO_SEMVER": ("string", True),
    "LESS_THAN_OR_EQUAL_TO_SEMVER": ("string", True),
    "BETWEEN_SEMVER": ("between", True),
    "IN_LIST_SEMVER": ("strings", True),
}

PARTS: Mapping[str, tuple[str, ...]] = {"between": ("from", "to"), "depends": ("splitName", "treatment")}
"""What the value fields that are objects hold."""

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "strings": list,
    "bool": bool,
    "number": (int, float),
    "date": int,
    "between": dict,
    "depends": dict,
}

OPERATORS = (
    "equals",
    "not_equals",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "greater_than",
    "greater_than_or_equal",
    "less_than",
    "less_than_or_equal",
    "in_list",
)
"""Of the other documented matchers: attribute, operator and value (11)."""


def check_matcher(matcher: Any) -> None:
    if not isinstance(matcher, dict):
        raise Refused(400, "A matcher must be an object")
    kind = str(matcher.get("type"))
    if kind not in MATCHERS:
        raise Refused(400, f"Unknown matcher type {kind}")
    name, needs_attribute = MATCHERS[kind]
    if needs_attribute and not matcher.get("attribute"):
        raise Refused(400, f"{kind} needs an attribute")
    if name is None:
        return
    value = matcher.get(name)
    if not isinstance(value, KINDS[name]) or (name in ("number", "date") and isinstance(value, bool)):
        raise Refused(400, f"{kind} needs {name}")
    if any(isinstance(value, dict) and value.get(part) is None for part in PARTS.get(name, ())):
        raise Refused(400, f"{kind} needs {' and '.join(PARTS[name])} in {name}")


def check_condition(rule: Any, *, may_say_otherwise: bool = False) -> None:
    """Refuse the rule of a flag or, which may be in the other words, of a segment."""
    condition = rule.get("condition") if isinstance(rule, dict) else None
    matchers = condition.get("matchers") if isinstance(condition, dict) else None
    if not isinstance(condition, dict) or not isinstance(matchers, list) or not matchers:
        raise Refused(400, "A rule needs a condition with matchers")
    if condition.get("combiner") not in (None, "", "AND"):
        raise Refused(400, f"Unknown combiner {condition['combiner']}")
    for matcher in matchers:
        if not (may_say_otherwise and _is_in_other_words(matcher)):
            check_matcher(matcher)


def _is_in_other_words(matcher: Any) -> bool:
    is_whole = isinstance(matcher, dict) and {"attribute", "operator", "value"} <= matcher.keys()
    return is_whole and matcher["operator"] in OPERATORS
