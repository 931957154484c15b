"""The Split stand-in's workspaces and what is in them besides flags and segments: restrictions, environments, traffic
types, attributes, identities (2.1-2.6).
"""

from __future__ import annotations

from tests.management.standins.split_calls import Call, Json, Refused, having, patched
from tests.management.standins.split_state import ORGANISATION, Route, State

__all__ = ["ADMINISTRATORS", "ROUTES"]

ADMINISTRATORS = "Administrators"
DATA_TYPES = (None, "string", "number", "datetime", "set")

# --- workspaces and restrictions ------------------------------------------------------------------------------


def list_workspaces(state: State, call: Call) -> Json:
    return state.offset_page(call, list(state.workspaces.values()), "workspaces")


def create_workspace(state: State, call: Call) -> Json:
    body = call.fields("name")
    state.free(_names(state.workspaces), body["name"])
    made = state.add_workspace(body["name"], titles=bool(body.get("requiresTitleAndComments")))
    state.add_traffic_type(made["id"], "user")
    return made


def update_workspace(state: State, call: Call) -> Json:
    found = state.workspace(call.at["ws"])
    changed = patched(found, call.items(), ("name", "requiresTitleAndComments"))
    if changed["name"] != found["name"]:
        state.free(_names(state.workspaces), changed["name"])
    found.update(changed)
    return found


def delete_workspace(state: State, call: Call) -> bool:
    identifier = state.workspace(call.at["ws"])["id"]
    if state.traffic_types.get(identifier):
        raise Refused(409, "The workspace has traffic types")
    for environment in list(state.environments.values()):
        environment["workspaceIds"] = [other for other in environment["workspaceIds"] if other != identifier]
        if not environment["workspaceIds"]:
            del state.environments[environment["id"]]
    for store in (state.flags, state.segments, state.large_segments, state.rule_based_segments):
        store.pop(identifier, None)
    state.restrictions.pop(("workspace", identifier), None)
    del state.workspaces[identifier]
    return True


def list_rollout_statuses(state: State, call: Call) -> list[Json]:
    state.workspace(call.needed("wsId"))
    return state.rollout_statuses


def list_restrictions(state: State, call: Call) -> Json:
    resource = (call.needed("resource_type"), call.needed("resource_id"))
    return state.offset_page(
        call, [found for at, found in state.restrictions.items() if at == resource], "restrictions"
    )


def put_restriction(state: State, call: Call) -> Json:
    body = call.fields("resource", "operations", "resourcePermissions")
    resource = having(body["resource"], "id", "type")
    places = {"workspace": state.workspaces, "environment": state.environments}
    named = state.found(places.get(resource["type"], {}), resource["id"], "Resource")
    view = [_member(state, having(entry, "id", "type")) for entry in body["resourcePermissions"].get("view", ())]
    if resource["type"] == "workspace" and ADMINISTRATORS not in (entry["name"] for entry in view):
        raise Refused(400, "The Administrators group must be in a workspace restriction")
    at = (resource["type"], resource["id"])
    state.restrictions[at] = {
        "operations": body["operations"],
        "resourcePermissions": {"view": view},
        "resource": {"name": named["name"], **resource},
        "id": state.restrictions[at]["id"] if at in state.restrictions else state.mint("restriction"),
        "type": "restriction",
    }
    return state.restrictions[at]


def _member(state: State, entry: Json) -> Json:
    places = {"user": state.users, "group": state.groups}
    found = state.found(places.get(entry["type"], {}), entry["id"], "User or group")
    return {"name": found["name"], "id": entry["id"], "type": entry["type"]}


# --- environments and traffic types ---------------------------------------------------------------------------


def list_environments(state: State, call: Call) -> list[Json]:
    workspace_id = state.workspace(call.at["ws"])["id"]
    return [found for found in state.environments.values() if workspace_id in found["workspaceIds"]]


def create_environment(state: State, call: Call) -> Json:
    body = call.fields("name", "production")
    state.free([found["name"] for found in list_environments(state, call)], body["name"])
    optional = ("environmentType", "workspaceIds", "changePermissions", "dataExportPermissions")
    more = {name: body[name] for name in optional if name in body}
    made = state.add_environment(call.at["ws"], body["name"], body["production"], **more)
    tokens = []
    for kind in ("client", "server") if state.environment_keys else ():
        where = {"environments": [{"type": "environment", "id": made["id"]}]}
        where_else = {"workspace": {"type": "workspace", "id": call.at["ws"]}}
        key = state.add_api_key(f"{made['name']} {kind}", f"{kind}_side", call.caller, **where, **where_else)
        tokens.append({name: key[name] for name in ("name", "type", "id", "apiKeyType")})
    return {**made, "apiTokens": tokens}


def update_environment(state: State, call: Call) -> Json:
    others = list_environments(state, call)
    found = state.environment(call.at["env"], call.at["ws"])
    editable = ("name", "production", "environmentType", "dataExportPermissions", "changePermissions")
    changed = patched(found, call.items(), editable)
    if changed["name"] != found["name"]:
        state.free([other["name"] for other in others], changed["name"])
    found.update(changed)
    return found


def delete_environment(state: State, call: Call) -> bool:
    state.workspace(call.at["ws"])
    identifier = state.environment(call.at["env"], call.at["ws"])["id"]
    for key in state.api_keys.values():
        if identifier in (entry["id"] for entry in key["environments"] or ()):
            raise Refused(409, "API keys are attached to the environment")
    del state.environments[identifier]
    for store in (state.flags, state.segments, state.large_segments, state.rule_based_segments):
        for held in (held for place in store.values() for held in place.values()):
            held.definitions.pop(identifier, None)
            held.members.pop(identifier, None)
    return True


def list_traffic_types(state: State, call: Call) -> list[Json]:
    return list(state.traffic_types[state.workspace(call.at["ws"])["id"]].values())


def create_traffic_type(state: State, call: Call) -> Json:
    body = call.fields("name")
    state.free([found["name"] for found in list_traffic_types(state, call)], body["name"])
    return state.add_traffic_type(call.at["ws"], body["name"], body.get("displayAttributeId"))


def delete_traffic_type(state: State, call: Call) -> bool:
    identifier = state.traffic_type(call.at["tt"])["id"]
    for place in state.traffic_types.values():
        place.pop(identifier, None)
    state.attributes.pop(identifier, None)
    return True


# --- attributes and identities --------------------------------------------------------------------------------


def _traffic_type_id(state: State, call: Call) -> str:
    workspace_id = state.workspace(call.at["ws"])["id"]
    return str(state.traffic_type(call.at["tt"], workspace_id)["id"])


def list_attributes(state: State, call: Call) -> list[Json]:
    return list(state.attributes[_traffic_type_id(state, call)].values())


def _save_attribute(state: State, traffic_type_id: str, given: Json) -> Json:
    body = having(given, "id")
    if body.get("trafficTypeId", traffic_type_id) != traffic_type_id:
        raise Refused(400, "trafficTypeId is not that of the path")
    if (body.get("dataType") and str(body["dataType"]).lower()) not in DATA_TYPES:
        raise Refused(400, f"Unknown data type {body['dataType']}")
    before = state.attributes[traffic_type_id].get(body["id"], {})
    usual = {"displayName": body["id"], "description": "", "dataType": None, "isSearchable": False}
    known = {**usual, "suggestedValues": None, **before}
    saved = {
        "id": body["id"],
        "organizationId": ORGANISATION,
        "trafficTypeId": traffic_type_id,
        **{name: body.get(name, known[name]) for name in (*usual, "suggestedValues")},
    }
    state.attributes[traffic_type_id][body["id"]] = saved
    return saved


def save_attribute(state: State, call: Call) -> Json:
    return _save_attribute(state, _traffic_type_id(state, call), call.fields("id"))


def import_attributes(state: State, call: Call) -> bool:
    traffic_type_id = _traffic_type_id(state, call)
    for given in [having(item, "id") for item in call.items()]:
        _save_attribute(state, traffic_type_id, given)
    return True


def patch_attribute(state: State, call: Call) -> Json:
    traffic_type_id = _traffic_type_id(state, call)
    found = state.found(state.attributes[traffic_type_id], call.at["attribute"], "Attribute")
    editable = ("displayName", "description", "dataType", "isSearchable", "suggestedValues")
    return _save_attribute(state, traffic_type_id, patched(found, call.items(), editable))


def delete_attribute(state: State, call: Call) -> bool:
    place = state.attributes[_traffic_type_id(state, call)]
    state.found(place, call.at["attribute"], "Attribute")
    del place[call.at["attribute"]]
    return True


def _at(state: State, call: Call) -> tuple[str, str]:
    found = state.environment(call.at["env"])
    return state.traffic_type(call.at["tt"])["id"], found["id"]


def _save_identity(state: State, at: tuple[str, str], key: str, given: Json, *, is_merged: bool = False) -> Json:
    traffic_type_id, environment_id = at
    saved = {"key": key, "trafficTypeId": traffic_type_id, "environmentId": environment_id}
    body = having(given)
    for name, value in saved.items():
        if body.get(name, value) != value:
            raise Refused(400, f"{name} is not that of the path")
    values = body.get("values", {})
    for attribute in values:
        if attribute not in state.attributes[traffic_type_id]:
            raise Refused(400, f"Unknown attribute {attribute}")
    before = state.found(state.identities[at], key, "Identity")["values"] if is_merged else {}
    state.identities[at][key] = {**saved, "values": {**before, **values}}
    return state.identities[at][key]


def save_identity(state: State, call: Call) -> Json:
    return _save_identity(state, _at(state, call), call.at["key"], call.fields())


def patch_identity(state: State, call: Call) -> Json:
    return _save_identity(state, _at(state, call), call.at["key"], call.fields(), is_merged=True)


def save_identities(state: State, call: Call) -> Json:
    at, objects, failed = _at(state, call), [], []
    for given in call.items():
        try:
            objects.append(_save_identity(state, at, having(given, "key")["key"], given))
        except Refused as refusal:
            failed.append({"object": given, "status": refusal.status, "message": refusal.message})
    return {"objects": objects, "failed": failed, "metadata": {}}


def delete_identity(state: State, call: Call) -> bool:
    place = state.identities[_at(state, call)]
    state.found(place, call.at["key"], "Identity")
    del place[call.at["key"]]
    return True


def _names(found: dict[str, Json]) -> list[str]:
    return [entry["name"] for entry in found.values()]


ROUTES = (
    Route("GET", "workspaces", list_workspaces),
    Route("POST", "workspaces", create_workspace),
    Route("PATCH", "workspaces/{ws}", update_workspace),
    Route("DELETE", "workspaces/{ws}", delete_workspace),
    Route("GET", "rolloutStatuses", list_rollout_statuses),
    Route("GET", "restrictions", list_restrictions),
    Route("PUT", "restrictions", put_restriction),
    Route("GET", "environments/ws/{ws}", list_environments),
    Route("POST", "environments/ws/{ws}", create_environment),
    Route("PATCH", "environments/ws/{ws}/{env}", update_environment),
    Route("DELETE", "environments/ws/{ws}/{env}", delete_environment),
    Route("GET", "trafficTypes/ws/{ws}", list_traffic_types),
    Route("POST", "trafficTypes/ws/{ws}", create_traffic_type),
    Route("DELETE", "trafficTypes/{tt}", delete_traffic_type),
    Route("GET", "schema/ws/{ws}/trafficTypes/{tt}", list_attributes),
    Route("POST", "schema/ws/{ws}/trafficTypes/{tt}", save_attribute),
    Route("POST", "schema/ws/{ws}/trafficTypes/{tt}/attribute:bulk", import_attributes),
    Route("PATCH", "schema/ws/{ws}/trafficTypes/{tt}/{attribute}", patch_attribute),
    Route("DELETE", "schema/ws/{ws}/trafficTypes/{tt}/{attribute}", delete_attribute),
    Route("POST", "trafficTypes/{tt}/environments/{env}/identities", save_identities),
    Route("PUT", "trafficTypes/{tt}/environments/{env}/identities/{key}", save_identity),
    Route("PATCH", "trafficTypes/{tt}/environments/{env}/identities/{key}", patch_identity),
    Route("DELETE", "trafficTypes/{tt}/environments/{env}/identities/{key}", delete_identity),
    Route("POST", "trafficTypes/{tt}/environments/{env}/identities/{key}/patch", patch_identity),
)
