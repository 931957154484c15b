"""The Split stand-in's feature flags and their definitions in environments, and what those must satisfy (2.9, 2.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.management.standins.split_calls import Call, Json, Refused, having, patched
from tests.management.standins.split_matchers import check_condition
from tests.management.standins.split_state import Held, Route, State

__all__ = ["ROUTES", "as_kept", "check_definition", "flag", "rollout_status"]

DEFINED: Mapping[str, Any] = {  # what an input may hold, and what its absence means (3.4.2)
    "treatments": [],
    "defaultTreatment": "",
    "baselineTreatment": "",
    "trafficAllocation": 100,
    "rules": [],
    "defaultRule": [],
    "flagSets": [],
    "impressionsDisabled": False,
}

# --- what a definition must satisfy ---------------------------------------------------------------------------


def check_buckets(buckets: Any, treatments: list[str]) -> None:
    if not isinstance(buckets, list) or not all(isinstance(bucket, dict) for bucket in buckets):
        raise Refused(400, "Buckets must be a list of objects")
    sizes = [bucket.get("size") for bucket in buckets]
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != 100:
        raise Refused(400, "Bucket sizes must add up to 100")
    for bucket in buckets:
        if bucket.get("treatment") not in treatments:
            raise Refused(400, f"Unknown treatment {bucket.get('treatment')}")


def check_definition(given: Json) -> Json:
    """The input without its nulls, if it may become a definition."""
    body = having(given, "treatments", "defaultTreatment", "defaultRule")
    treatments = body["treatments"]
    if not isinstance(treatments, list) or not treatments or not all(isinstance(t, dict) for t in treatments):
        raise Refused(400, "treatments must be a list of objects")
    names = [having(treatment, "name")["name"] for treatment in treatments]
    if len(set(names)) != len(names):
        raise Refused(400, "Treatments must have different names")
    for name in ("defaultTreatment", "baselineTreatment"):
        if body.get(name, "") not in ("", *names):
            raise Refused(400, f"Unknown treatment {body[name]}")
    allocation = body.get("trafficAllocation", 100)
    if type(allocation) is not int or not 0 <= allocation <= 100:
        raise Refused(400, "trafficAllocation must be an integer from 0 to 100")
    check_buckets(body["defaultRule"], names)
    for rule in body.get("rules", []):
        check_condition(rule)
        check_buckets(rule.get("buckets"), names)
    return body


# --- definitions ----------------------------------------------------------------------------------------------


def flag(state: State, workspace_id: str, name: str) -> Held:
    """By name."""
    state.workspace(workspace_id)
    found: Held = state.found(state.flags[workspace_id], name, "Feature flag")
    return found


def as_kept(state: State, held: Held, environment: Json, body: Json, before: Json | None) -> Json:
    """The whole definition that an input, already checked, stands for."""
    now = state.now_ms()
    return {
        "id": before["id"] if before else state.mint("definition"),
        "name": held.body["name"],
        "environment": {"id": environment["id"], "name": environment["name"]},
        "trafficType": held.body["trafficType"],
        "killed": bool(before and before["killed"]),
        **{name: body.get(name, usual) for name, usual in DEFINED.items()},
        "creationTime": before["creationTime"] if before else now,
        "lastUpdateTime": now,
    }


def as_read(state: State, definition: Json) -> Json:
    """With the change request that is open for it."""
    pending = state.open_change(definition["environment"]["id"], "split", definition["name"])
    return {**definition, "openChangeRequestId": pending} if pending else definition


def _editable(state: State, call: Call, *, is_kill: bool = False) -> tuple[Held, Json, Json]:
    held, environment = _here(state, call)
    definition = held.in_environment(environment)
    state.may_edit(environment, is_kill=is_kill)
    return held, environment, definition


def _here(state: State, call: Call) -> tuple[Held, Json]:
    held = flag(state, call.at["ws"], call.at["flag"])
    return held, state.environment(call.at["env"], call.at["ws"])


def list_definitions(state: State, call: Call) -> Json:
    environment = state.environment(call.at["env"], state.workspace(call.at["ws"])["id"])
    defined = [held.definitions.get(environment["id"]) for held in state.flags[call.at["ws"]].values()]
    return state.offset_page(call, [as_read(state, found) for found in defined if found], "splits")


def get_definition(state: State, call: Call) -> Json:
    held, environment = _here(state, call)
    return as_read(state, held.in_environment(environment))


def add_definition(state: State, call: Call) -> Json:
    held, environment = _here(state, call)
    state.may_edit(environment)
    body = check_definition(call.fields())
    state.explained(call.at["ws"], body)
    state.free(held.definitions, environment["id"])
    held.definitions[environment["id"]] = as_kept(state, held, environment, body, None)
    return as_read(state, held.definitions[environment["id"]])


def replace_definition(state: State, call: Call) -> Json:
    held, environment, before = _editable(state, call)
    body = check_definition(call.fields())
    state.explained(call.at["ws"], body)
    held.definitions[environment["id"]] = as_kept(state, held, environment, body, before)
    return as_read(state, held.definitions[environment["id"]])


def patch_definition(state: State, call: Call) -> Json:
    held, environment, before = _editable(state, call)
    body = check_definition(patched(before, call.items(), tuple(DEFINED)))
    held.definitions[environment["id"]] = as_kept(state, held, environment, body, before)
    return as_read(state, held.definitions[environment["id"]])


def remove_definition(state: State, call: Call) -> bool:
    held, environment, _ = _editable(state, call)
    state.explained(call.at["ws"], {name: call.query(name) for name in ("title", "comment")})
    del held.definitions[environment["id"]]
    return True


def kill(state: State, call: Call) -> bool:
    _, _, definition = _editable(state, call, is_kill=True)
    definition.update(killed=True, lastUpdateTime=state.now_ms())
    return True


def restore(state: State, call: Call) -> bool:
    _, _, definition = _editable(state, call)
    definition.update(killed=False, lastUpdateTime=state.now_ms())
    return True


# --- flags ----------------------------------------------------------------------------------------------------


def _without_owners(held: Held) -> Json:
    return {name: value for name, value in held.body.items() if name != "owners"}


def rollout_status(state: State, given: Any) -> Json:
    """The status a reference stands for, as flags show it."""
    wanted = having(given, "id")["id"] if isinstance(given, dict) else None
    for status in state.rollout_statuses:
        if status["id"] == wanted:
            return {"id": status["id"], "name": status["name"]}
    raise Refused(404, "Rollout status not found")


def list_flags(state: State, call: Call) -> Json:
    flags = state.flags[state.workspace(call.at["ws"])["id"]].values()
    tags = set(call.asked.args.getlist("tag"))
    wanted = [h for h in flags if not tags or tags & {tag["name"] for tag in h.body["tags"] or ()}]
    return state.offset_page(call, [_without_owners(held) for held in wanted], "splits")


def get_flag(state: State, call: Call) -> Json:
    return flag(state, call.at["ws"], call.at["flag"]).body


def create_flag(state: State, call: Call) -> Json:
    workspace_id = state.workspace(call.at["ws"])["id"]
    state.traffic_type_to_create(call.at["tt"], workspace_id)
    body = call.fields("name")
    state.free(state.flags[workspace_id], body["name"])
    places = {"user": state.users, "group": state.groups}
    for owner in body.get("owners", []):
        state.found(places.get(having(owner, "id", "type")["type"], {}), owner["id"], "Owner")
    more = {"description": body.get("description"), "owners": body.get("owners", [])}
    return state.add_flag(body["name"], call.at["tt"], workspace_id, **more).body


def delete_flag(state: State, call: Call) -> bool:
    flag(state, call.at["ws"], call.at["flag"])
    del state.flags[call.at["ws"]][call.at["flag"]]
    return True


def update_description(state: State, call: Call) -> Json:
    held, text = flag(state, call.at["ws"], call.at["flag"]), call.json
    if not isinstance(text, str):
        raise Refused(400, "The body must be a JSON string")
    held.body["description"] = text
    return _without_owners(held)


def patch_flag(state: State, call: Call) -> Json:
    held = flag(state, call.at["ws"], call.at["flag"])
    changed = patched(held.body, call.items(), ("description", "tags", "rolloutStatus"))
    if changed["rolloutStatus"] != held.body["rolloutStatus"]:
        changed["rolloutStatus"] = rollout_status(state, changed["rolloutStatus"])
        changed["rolloutStatusTimestamp"] = state.now_ms()
    held.body.update(changed)
    return _without_owners(held)


def associate_tags(state: State, call: Call) -> list[Json]:
    held = flag(state, call.at["ws"], call.at["flag"])
    held.body["tags"] = [{"name": tag} for tag in call.items(str)]
    return list(held.body["tags"])


def archive(state: State, call: Call) -> Json:
    held = flag(state, call.at["ws"], call.at["flag"])
    held.body["archived"] = True
    return _without_owners(held)


def unarchive(state: State, call: Call) -> Json:
    held = flag(state, call.at["ws"], call.at["flag"])
    held.body.pop("archived", None)
    return _without_owners(held)


ROUTES = (
    Route("GET", "splits/ws/{ws}/environments/{env}", list_definitions),
    Route("GET", "splits/ws/{ws}", list_flags),
    Route("POST", "splits/ws/{ws}/trafficTypes/{tt}", create_flag),
    Route("GET", "splits/ws/{ws}/{flag}", get_flag),
    Route("PATCH", "splits/ws/{ws}/{flag}", patch_flag),
    Route("DELETE", "splits/ws/{ws}/{flag}", delete_flag),
    Route("PUT", "splits/ws/{ws}/{flag}/updateDescription", update_description),
    Route("POST", "splits/ws/{ws}/{flag}/archive", archive),
    Route("POST", "splits/ws/{ws}/{flag}/unarchive", unarchive),
    Route("POST", "tags/ws/{ws}/object/{flag}/objecttype/Split", associate_tags),
    Route("GET", "splits/ws/{ws}/{flag}/environments/{env}", get_definition),
    Route("POST", "splits/ws/{ws}/{flag}/environments/{env}", add_definition),
    Route("PUT", "splits/ws/{ws}/{flag}/environments/{env}", replace_definition),
    Route("PATCH", "splits/ws/{ws}/{flag}/environments/{env}", patch_definition),
    Route("DELETE", "splits/ws/{ws}/{flag}/environments/{env}", remove_definition),
    Route("PUT", "splits/ws/{ws}/{flag}/environments/{env}/kill", kill),
    Route("PUT", "splits/ws/{ws}/{flag}/environments/{env}/restore", restore),
)
