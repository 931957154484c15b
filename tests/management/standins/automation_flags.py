"""Feature flags of the Automation API stand-in: variables, variations, environments and their rules, by merge patch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

from tests.management.standins.automation_fields import Object, Refused, check
from tests.management.standins.automation_flag_fields import FLAG, IN_ENVIRONMENT, INTEGRATION_LISTS, RULE
from tests.management.standins.automation_query import as_time
from tests.management.standins.automation_state import SITE_CODE, Resource, State

__all__ = [
    "FLAGS",
    "duplicate",
    "find_by_key",
    "find_by_rule",
    "patch",
    "patch_environment",
    "patch_rule",
    "rules",
    "variation_ids",
]

# --- variables and variations -------------------------------------------------------------------------------------


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _is_number(value: str) -> bool:
    return _is_json(value) and isinstance(json.loads(value), int | float) and value not in ("true", "false")


VALUES: dict[str, Callable[[str, Object], bool]] = {
    "BOOLEAN": lambda value, _: value in ("true", "false"),
    "NUMBER": lambda value, _: _is_number(value),
    "JSON": lambda value, _: _is_json(value),
    "ENUM": lambda value, variable: value in (variable.get("allowedValues") or []),
}
"""Which text is a value of the type; of the other types, any is."""


def _by_key(at: str, items: list[Object], key: str = "key") -> dict[str, Object]:
    found = {item[key]: item for item in items}
    if len(found) != len(items):
        raise Refused(400, f"{at}: duplicate {key}")
    return found


def _value_fits(at: str, variable: Object, value: str) -> None:
    fits = VALUES.get(variable["type"])
    if fits is not None and not fits(value, variable):
        raise Refused(400, f"{at}: '{value}' is no value of type {variable['type']} for variable '{variable['key']}'")


def _settle_variations(item: Object) -> None:
    variables = _by_key("variables", item["variables"])
    for variable in variables.values():
        _value_fits("variables", variable, variable["value"])
    for variation in item["variations"]:
        own = _by_key("variations.variables", variation.get("variables") or [])
        for name, value in own.items():
            if name not in variables:
                raise Refused(400, f"variations: unknown variable '{name}'")
            _value_fits("variations", variables[name], value["value"])
        variation["variables"] = [
            {"key": name, "value": own.get(name, variable)["value"], "type": variable["type"]}
            for name, variable in variables.items()
        ]


# --- environments and rules ---------------------------------------------------------------------------------------


def rules(item: Object | None) -> Iterator[Object]:
    """The rules of all environments."""
    for environment in (item or {}).get("environmentConfigurations", []):
        yield from environment["rolloutRules"]


def _settle_environments(state: State, item: Object, before: Object | None) -> None:
    variations = _by_key("variations", item["variations"])
    known = state.environments_of(item["siteCode"])
    _by_key("environmentConfigurations", item["environmentConfigurations"], "environmentKey")
    former = {each["environmentKey"]: each for each in (before or {}).get("environmentConfigurations", [])}
    former_rules = {rule["id"]: rule for rule in rules(before)}
    rollbacks = {each["id"] for rule in former_rules.values() for each in rule.get("rollbackConditions") or []}
    used: set[int] = set()
    for environment in item["environmentConfigurations"]:
        key = environment["environmentKey"]
        if key not in known:
            raise Refused(400, f"environmentKey: invalid value '{key}'. Accepted values: {', '.join(known)}")
        _is_variation("defaultVariationKey", environment["defaultVariationKey"], variations)
        environment["integrations"] = {name: [] for name in INTEGRATION_LISTS} | (environment.get("integrations") or {})
        settled = [
            _settle_rule(state, item, {"orderIndex": place, **rule}, former_rules, rollbacks)
            for place, rule in enumerate(environment.get("rolloutRules") or [])
        ]
        environment["rolloutRules"] = sorted(settled, key=lambda rule: rule["orderIndex"])
        ids = {rule["id"] for rule in settled}
        if len(ids) != len(settled) or ids & used:
            raise Refused(400, "rolloutRules: duplicate id")
        used |= ids
        old = former.get(key)
        same = old is not None and old == {**environment, "dateModified": old["dateModified"]}
        environment["dateModified"] = old["dateModified"] if same and old else state.now()


def _is_variation(at: str, key: str, variations: dict[str, Object]) -> None:
    if key not in variations:
        raise Refused(400, f"{at}: no variation '{key}'. Accepted values: {', '.join(variations)}")


def _settle_rule(state: State, item: Object, rule: Object, former: dict[int, Object], rollbacks: set[int]) -> Object:
    variations = {variation["key"]: variation for variation in item["variations"]}
    if rule.get("id") is not None and rule["id"] not in former:
        raise Refused(400, f"rolloutRules: the flag has no rule {rule['id']}; a new one comes without an id")
    for name in ("variationKey", "controlVariationKey"):
        if rule.get(name) is not None:
            _is_variation(name, rule[name], variations)
    for share in rule.get("trafficAllocations") or []:
        _is_variation("trafficAllocations", share["variationKey"], variations)
        share["variationId"] = _variation_id(state, item, share["variationKey"])
    for condition in rule.get("rollbackConditions") or []:
        if condition.get("id") is not None and condition["id"] not in rollbacks:
            raise Refused(400, f"rollbackConditions: the flag has no condition {condition['id']}")
        condition["id"] = condition.get("id") or state.next_id("rollbackConditions")
    is_test = rule["type"] == "EXPERIMENTATION"
    experiment_id = former.get(rule.get("id") or 0, {}).get("experimentId")
    return {
        "state": "ACTIVE",
        **{name: value for name, value in rule.items() if name != "status"},
        "id": rule.get("id") or state.next_id("rules"),
        "experimentId": (experiment_id or state.objects["experiments"].new_id()) if is_test else None,
    }


def _variation_id(state: State, item: Object, key: str) -> int:
    place = (item["id"], key)
    if place not in state.flag_variation_ids:
        state.flag_variation_ids[place] = state.objects["variations"].new_id()
    return state.flag_variation_ids[place]


def variation_ids(state: State, item: Object) -> list[int]:
    """Numbers of the flag's variations, as its rules and results have them."""
    return [_variation_id(state, item, variation["key"]) for variation in item["variations"]]


def _fresh_environment(state: State, key: str, default: str) -> Object:
    return {
        "environmentKey": key,
        "defaultVariationKey": default,
        "featureEnabled": False,
        "dateModified": state.now(),
        "integrations": {name: [] for name in INTEGRATION_LISTS},
        "rolloutRules": [],
    }


# --- the flag -----------------------------------------------------------------------------------------------------


def _flag_fits(state: State, changes: Object, before: Object | None) -> None:
    if before is None:
        site_code = changes.get("siteCode", SITE_CODE)
        state.refer(changes, state.site_by_code(site_code)["id"])
        if _find(state, site_code, changes.get("featureKey")) is not None:
            raise Refused(400, f"A feature flag with key '{changes['featureKey']}' already exists on site {site_code}")


def _find(state: State, site_code: str, key: Any) -> Object | None:
    for item in state.objects["feature-flags"]:
        if item["featureKey"] == key and item["siteCode"] == site_code:
            return state.find("feature-flags", item["id"])
    return None


def _is_complete(state: State, item: Object) -> None:
    item["dateContentModified"] = item["dateContentModified"] or item["dateCreated"]
    if not item["variations"]:
        item["variations"] = [{"key": key, "name": key.title()} for key in ("off", "on")]
    keys = [variation["key"] for variation in item["variations"]]
    if not item["environmentConfigurations"]:
        default = "off" if "off" in keys else keys[0]
        item["environmentConfigurations"] = [
            _fresh_environment(state, key, default) for key in state.environments_of(item["siteCode"])
        ]
    _settle_variations(item)
    _settle_environments(state, item, None)


def merged(target: Any, change: Any) -> Any:
    """JSON Merge Patch (RFC 7386)."""
    if not isinstance(change, dict):
        return deepcopy(change)
    base = target if isinstance(target, dict) else {}
    kept = {name: value for name, value in base.items() if change.get(name, value) is not None or name not in change}
    return kept | {name: merged(base.get(name), value) for name, value in change.items() if value is not None}


def _write(state: State, item: Object, changes: Object) -> None:
    """Merge the changes into the flag, all or nothing."""
    known = {name: value for name, value in changes.items() if name in FLAG and "p" in FLAG[name].ways}
    state.refer(known, state.site_by_code(item["siteCode"])["id"])
    after = deepcopy(FLAGS["feature-flags"].blank() | merged(item, known))
    check(FLAG, after)
    if "isArchived" in known:
        after["archived"] = after["isArchived"] = bool(known["isArchived"])
    if "variables" in known and "variations" not in known:
        left = {variable["key"] for variable in after["variables"]}
        for variation in after["variations"]:
            variation["variables"] = [each for each in variation["variables"] if each["key"] in left]
    _settle_variations(after)
    _settle_environments(state, after, item)
    after["dateModified"] = state.now()
    if _content(after) != _content(item):
        after["dateContentModified"] = after["dateModified"]
    item.clear()
    item.update(after)


def _content(item: Object) -> tuple[Any, ...]:
    return item["variables"], item["variations"], {rule["id"]: rule for rule in rules(item)}


def patch(state: State, item: Object, body: Object) -> None:
    """Merge into the flag; its environments, when sent, are all there will be."""
    if body["featureKey"] != item["featureKey"]:
        raise Refused(400, f"featureKey: the path says '{item['featureKey']}'")
    _write(state, item, body)


def patch_environment(state: State, item: Object, key: str, body: Object) -> None:
    """Merge into one environment, and into the flag; 404 for an environment that the flag is without."""
    environments = deepcopy(item["environmentConfigurations"])
    place = next((index for index, each in enumerate(environments) if each["environmentKey"] == key), None)
    if place is None:
        raise Refused(404)
    environments[place] = merged(environments[place], {n: value for n, value in body.items() if n in IN_ENVIRONMENT})
    patch(state, item, {**body, "environmentConfigurations": environments})


def patch_rule(state: State, item: Object, id_: int, body: Object) -> None:
    """Merge into one rule: the flag-shaped body holds it by its id, another body is the rule's own patch."""
    change = body
    if "environmentConfigurations" in body:
        if body.get("featureKey") != item["featureKey"]:
            raise Refused(400, f"featureKey: must be '{item['featureKey']}'")
        sent = [rule for each in body["environmentConfigurations"] for rule in each.get("rolloutRules") or []]
        change = next((rule for rule in sent if rule.get("id") == id_), {})
        if not change:
            raise Refused(400, f"environmentConfigurations: rule {id_} is not among the rules")
    environments = deepcopy(item["environmentConfigurations"])
    for environment in environments:
        environment["rolloutRules"] = [
            {**merged(rule, {n: change[n] for n in change if n in RULE}), "id": id_} if rule["id"] == id_ else rule
            for rule in environment["rolloutRules"]
        ]
    _write(state, item, {"environmentConfigurations": environments})


def find_by_rule(state: State, id_: int) -> Object:
    """The flag that holds this rule, or 404, or 423."""
    for item in state.objects["feature-flags"]:
        if any(rule["id"] == id_ for rule in rules(item)):
            return state.find_to_write("feature-flags", item["id"])
    raise Refused(404)


def find_by_key(state: State, site_code: str, key: str) -> Object:
    """The flag with this key on this site, or 404."""
    found = _find(state, site_code, key)
    if found is None:
        raise Refused(404)
    return found


def duplicate(state: State, item: Object) -> Object:
    """A copy under a generated key, disabled everywhere, with rules of its own."""
    keys = (f"{item['featureKey'][:240]}_copy{suffix}" for suffix in ("", *range(2, 1000)))
    key = next(key for key in keys if _find(state, item["siteCode"], key) is None)
    sent = {name: deepcopy(value) for name, value in item.items() if name in FLAG and "n" in FLAG[name].ways.lower()}
    for environment in sent["environmentConfigurations"]:
        environment["featureEnabled"] = False
        environment["rolloutRules"] = [_without_ids(rule) for rule in environment["rolloutRules"]]
    return state.add("feature-flags", {**sent, "featureKey": key, "name": f"Copy of {item['name']}"[:100]})


def _without_ids(rule: Object) -> Object:
    conditions = [
        {name: value for name, value in each.items() if name != "id"} for each in rule.get("rollbackConditions") or []
    ]
    kept = {name: value for name, value in rule.items() if name not in ("id", "experimentId")}
    return {**kept, "rollbackConditions": conditions} if conditions else kept


def _rule_status(rule: Object, now: float) -> str:
    begins = as_time((rule.get("release") or {}).get("releaseFrom"))
    return "PLANNED" if begins is not None and begins > now else str(rule["state"])


def _as_shown(state: State) -> Callable[[Object], Object]:
    return partial(_shown, now=state.clock())


def _shown(item: Object, now: float) -> Object:
    environments = [
        {**each, "rolloutRules": [{**rule, "status": _rule_status(rule, now)} for rule in each["rolloutRules"]]}
        for each in item["environmentConfigurations"]
    ]
    shown = {name: value for name, value in item.items() if name != "isArchived"}  # read as archived
    return {**shown, "environmentConfigurations": environments}


FLAGS: dict[str, Resource] = {
    "feature-flags": Resource(
        first_id=1290,
        verbs="list create search",
        fields=FLAG,
        optional=("tags",),
        allow=_flag_fits,
        complete=_is_complete,
        derive=_as_shown,
    )
}
