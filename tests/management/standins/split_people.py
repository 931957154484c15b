"""The Split stand-in's users, groups, API keys and flag sets (2.14, 2.15)."""

from __future__ import annotations

from tests.management.standins.split_calls import Call, Json, Refused, having, patched
from tests.management.standins.split_state import Route, State

__all__ = ["FLAG_SET_ROUTES", "ROUTES"]

USER_STATUSES = ("ACTIVE", "DEACTIVATED", "PENDING")
ROLES = (
    "API_ALL_GRANTED",
    "API_APIKEY",
    "API_ADMIN",
    "API_WORKSPACE_ADMIN",
    "API_FEATURE_FLAG_VIEWER",
    "API_FEATURE_FLAG_EDITOR",
    "API_SEGMENT_VIEWER",
    "API_SEGMENT_EDITOR",
)

# --- users, groups and API keys -------------------------------------------------------------------------------


def list_users(state: State, call: Call) -> Json:
    status = call.query("status")
    if status not in (None, *USER_STATUSES):
        raise Refused(400, f"Unknown status {status}")
    return state.marker_page(call, [u for u in state.users.values() if status in (None, u["status"])], "users")


def get_user(state: State, call: Call) -> Json:
    found: Json = state.found(state.users, call.at["user"], "User")
    return found


def invite_user(state: State, call: Call) -> Json:
    body = call.fields("email")
    state.free([found["email"] for found in state.users.values()], body["email"])
    made = {
        "id": state.mint("user"),
        "type": "user",
        "name": body["email"],
        "email": body["email"],
        "status": "PENDING",
        "2fa": False,
        "groups": _group_references(state, body.get("groups", [])),
    }
    state.users[made["id"]] = made
    return made


def update_user(state: State, call: Call) -> Json:
    found = get_user(state, call)
    body = call.fields()
    if body.get("status", "ACTIVE") not in USER_STATUSES:
        raise Refused(400, f"Unknown status {body['status']}")
    found.update({name: body[name] for name in ("name", "email", "2fa", "status") if name in body})
    return found


def patch_user(state: State, call: Call) -> Json:
    found = get_user(state, call)
    groups = patched(found, call.items(), ("groups",))["groups"]
    found["groups"] = _group_references(state, groups)
    return found


def delete_user(state: State, call: Call) -> bool:
    if get_user(state, call)["status"] != "PENDING":
        raise Refused(400, "Only pending users can be deleted")
    del state.users[call.at["user"]]
    return True


def _group_references(state: State, given: list[Json]) -> list[Json]:
    asked = [having(entry, "id") for entry in given]
    return [{"id": state.found(state.groups, entry["id"], "Group")["id"], "type": "group"} for entry in asked]


def list_groups(state: State, call: Call) -> Json:
    return state.offset_page(call, list(state.groups.values()), "groups")


def get_group(state: State, call: Call) -> Json:
    found: Json = state.found(state.groups, call.at["group"], "Group")
    return found


def create_group(state: State, call: Call) -> Json:
    body = call.fields("name")
    state.free([found["name"] for found in state.groups.values()], body["name"])
    made = {"id": state.mint("group"), "type": "group", "name": body["name"]}
    state.groups[made["id"]] = {**made, "description": body.get("description", "")}
    return state.groups[made["id"]]


def update_group(state: State, call: Call) -> Json:
    found, body = get_group(state, call), call.fields("name")
    if body["name"] != found["name"]:
        state.free([found["name"] for found in state.groups.values()], body["name"])
    found.update(name=body["name"], description=body.get("description", ""))
    return found


def delete_group(state: State, call: Call) -> bool:
    identifier = get_group(state, call)["id"]
    del state.groups[identifier]
    for user in state.users.values():
        user["groups"] = [entry for entry in user["groups"] if entry["id"] != identifier]
    return True


def create_api_key(state: State, call: Call) -> Json:
    body = call.fields("name", "apiKeyType")
    kind, roles = body["apiKeyType"], body.get("roles", ["API_ALL_GRANTED"])
    environments, workspace = body.get("environments", []), body.get("workspace")
    if kind not in ("admin", "server_side", "client_side"):
        raise Refused(400, f"Unknown API key type {kind}")
    if kind != "admin" and (workspace is None or len(environments) != 1):
        raise Refused(400, "An SDK key needs a workspace and exactly one environment")
    if environments and workspace is None:
        raise Refused(400, "Environments need their workspace")
    if kind == "admin" and not set(roles) <= set(ROLES):
        raise Refused(400, f"Unknown roles {sorted(set(roles) - set(ROLES))}")
    if workspace is not None:
        state.workspace(having(workspace, "id")["id"])
        for environment in environments:
            state.environment(having(environment, "id")["id"], workspace["id"])
    more = {"environments": environments, "workspace": workspace, "roles": roles if kind == "admin" else None}
    return state.add_api_key(body["name"], kind, call.caller, **more)


def delete_api_key(state: State, call: Call) -> bool:
    for identifier, key in state.api_keys.items():
        if call.at["key"] in (identifier, key["key"]):
            del state.api_keys[identifier]
            return True
    raise Refused(404, "API key not found")


# --- flag sets ------------------------------------------------------------------------------------------------


def list_flag_sets(state: State, call: Call) -> Json:
    workspace_id = state.workspace(call.needed("workspace_id"))["id"]
    inside = [found for found in state.flag_sets.values() if found["workspace"]["id"] == workspace_id]
    return state.marker_page(call, inside, "flag-sets")


def get_flag_set(state: State, call: Call) -> Json:
    found: Json = state.found(state.flag_sets, call.at["set"], "Flag set")
    return found


def create_flag_set(state: State, call: Call) -> Json:
    body = call.fields("name", "workspace")
    workspace_id = state.workspace(having(body["workspace"], "id")["id"])["id"]
    state.free([s["name"] for s in state.flag_sets.values() if s["workspace"]["id"] == workspace_id], body["name"])
    made = {
        "id": state.mint("flag-set"),
        "name": body["name"],
        "description": body.get("description", ""),
        "workspace": {"id": workspace_id, "type": "workspace"},
        "createdAt": "2024-06-13T10:00:00Z",
        "type": "FLAG_SET",
    }
    state.flag_sets[made["id"]] = made
    return made


def delete_flag_set(state: State, call: Call) -> None:
    del state.flag_sets[get_flag_set(state, call)["id"]]


ROUTES = (
    Route("GET", "users", list_users),
    Route("POST", "users", invite_user),
    Route("GET", "users/{user}", get_user),
    Route("PUT", "users/{user}", update_user),
    Route("PATCH", "users/{user}", patch_user),
    Route("DELETE", "users/{user}", delete_user),
    Route("GET", "groups", list_groups),
    Route("POST", "groups", create_group),
    Route("GET", "groups/{group}", get_group),
    Route("PUT", "groups/{group}", update_group),
    Route("DELETE", "groups/{group}", delete_group),
    Route("POST", "apiKeys", create_api_key),
    Route("DELETE", "apiKeys/{key}", delete_api_key),
)

FLAG_SET_ROUTES = (
    Route("GET", "flag-sets", list_flag_sets),
    Route("POST", "flag-sets", create_flag_set),
    Route("GET", "flag-sets/{set}", get_flag_set),
    Route("DELETE", "flag-sets/{set}", delete_flag_set),
)
