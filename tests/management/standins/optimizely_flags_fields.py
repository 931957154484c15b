"""The fields of Optimizely's flags, variations, rulesets and rules, and what is checked of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.management.standins.optimizely_account import (
    BOOL,
    INT,
    INTS,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    Check,
    Field,
    Record,
    Refusal,
    accepted,
    blank,
    fixed,
    maybe,
    one_of,
)
from tests.management.standins.optimizely_v2_fields import KEY

__all__ = [
    "FLAG",
    "MEASURED",
    "RULE",
    "RULESET",
    "VARIATION",
    "knows_variables",
    "name_variables",
    "rule_status",
    "settled_rule",
]


def _map_of(fields: Mapping[str, Field]) -> Check:
    """An object whose members have these fields."""

    def wrong(raw: Any) -> str | None:
        if type(raw) is not dict or not all(type(member) is dict for member in raw.values()):
            return "must be an object of objects"
        for key, member in raw.items():
            try:
                accepted(fields, member, is_new=True)
            except Refusal as refusal:
                return f"is wrong at {key}: {refusal.message}"
        return None

    return wrong


def _audience_conditions(raw: Any) -> str | None:
    return None if type(raw) is list or raw == "everyone" else "must be a list"


NAME, DESCRIPTION, TIMES = Field(TEXT), Field(TEXT, ""), {"created_time": fixed(), "updated_time": fixed()}
VARIABLE = {
    "type": Field(one_of("boolean", "string", "integer", "double", "json"), required=True),
    "default_value": Field(TEXT, required=True),
}
FLAG = {
    "id": fixed(),
    "key": Field(KEY, required=True, on_update=False),
    "name": NAME,
    "description": DESCRIPTION,
    "archived": Field(BOOL, False),
    "variable_definitions": Field(_map_of(VARIABLE), {}),
    **TIMES,
}
VARIATION = {
    "id": fixed(),
    "key": Field(KEY, required=True, on_update=False),
    "name": NAME,
    "description": DESCRIPTION,
    "enabled": Field(BOOL, True),
    "archived": Field(BOOL, False),
    "variables": Field(_map_of({"value": Field(TEXT, required=True)}), {}),
    **TIMES,
}
RULESET = {
    "rules": Field(OBJECT, {}),
    "rule_priorities": Field(TEXTS, []),
    "default_variation_key": Field(TEXT, "off"),
    "enabled": Field(BOOL, False),
}
RULE = {
    "id": fixed(),
    "key": Field(KEY),
    "name": NAME,
    "description": DESCRIPTION,
    "type": Field(one_of("targeted_delivery", "a/b", "multi_armed_bandit"), required=True),
    "enabled": Field(BOOL, False),
    "distribution_mode": Field(TEXT, "manual"),
    "percentage_included": Field(INT, 10000),
    "audience_conditions": Field(_audience_conditions, []),
    "audience_ids": Field(INTS),
    "allow_list": Field(OBJECT, {}),
    "group_id": Field(maybe(INT)),
    "variations": Field(_map_of({"percentage_included": Field(INT)}), {}),
    "metrics": Field(OBJECTS),
    "status": fixed(),
}
MEASURED = ("a/b", "multi_armed_bandit")


def settled_rule(known: Mapping[str, Record], key: str, raw: Any) -> Record:
    """A rule as stored: checked, with defaults, its variations named."""
    if type(raw) is not dict:
        raise Refusal(400, fields={f"rules/{key}": "must be an object"})
    try:
        sent = accepted(RULE, raw, is_new=True)
    except Refusal as refusal:
        wrong = {f"rules/{key}/{name}": words for name, words in refusal.fields.items()}
        raise Refusal(400, fields=wrong) from refusal
    unknown = [one for one in sent.get("variations", {}) if one not in known]
    if unknown:
        raise Refusal(400, fields={f"rules/{key}/variations": f"names no variation of the flag: {unknown}"})
    rule = {
        name: value for name, value in {**blank(RULE), "name": key, **sent, "key": key}.items() if value is not None
    }
    rule["variations"] = {
        own: {"key": own, "name": known[own]["name"], **one} for own, one in rule["variations"].items()
    }
    return rule


def rule_status(rule: Record, ruleset: Record) -> str:
    """A rule runs when it and its ruleset are on; a rule that was on is paused, one never on a draft."""
    if ruleset["status"] == "draft":
        return "draft"
    return "running" if rule["enabled"] and ruleset["enabled"] else "paused"


def name_variables(flag: Record) -> None:
    """Give each definition its key."""
    definitions = flag["variable_definitions"]
    flag["variable_definitions"] = {key: {**one, "key": key} for key, one in definitions.items()}


def knows_variables(flag: Record, variation: Record) -> None:
    """Refuse values of variables which the flag has not."""
    unknown = [key for key in variation.get("variables", {}) if key not in flag["variable_definitions"]]
    if unknown:
        raise Refusal(400, fields={"variables": f"names no variable of the flag: {unknown}"})
