"""The Split stand-in's standard, large and rule-based segments, and their definitions in environments (2.7, 2.8, 2.11,
2.12): one set of handlers, told by :class:`Kind` what the three do not share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.management.standins.split_calls import Call, Json, Refused, having
from tests.management.standins.split_matchers import check_condition
from tests.management.standins.split_state import ORGANISATION, Held, Route, State, Store

__all__ = [
    "LARGE",
    "ROUTES",
    "RULE_BASED",
    "STANDARD",
    "Kind",
    "add_keys",
    "check_keys",
    "check_rules",
    "put_rules",
    "remove_keys",
]

KEYS_PER_CALL = 10_000
KEYS_PER_SEGMENT = 100_000
EXCLUDABLE = ("standard_segment", "rule_based_segment", "large_segment")


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of segment does its own way."""

    path: str
    what: str
    store: Callable[[State], Store]
    page: Callable[[State, Call, Sequence[Json]], Any]
    starts_as: Callable[[State], Json]
    is_empty: Callable[[Held, str], bool]
    goes_with_definitions: bool = True

    def get(self, state: State, workspace_id: str, name: str) -> Held:
        """By name, in a workspace."""
        state.workspace(workspace_id)
        found: Held = state.found(self.store(state)[workspace_id], name, self.what)
        return found

    def here(self, state: State, call: Call) -> tuple[Held, Json]:
        """The segment and the environment of a path that names no workspace."""
        environment = state.environment(call.at["env"])
        for workspace_id in environment["workspaceIds"]:
            held = self.store(state)[workspace_id].get(call.at["name"])
            if held is not None:
                return held, environment
        raise Refused(404, f"{self.what} not found")


# --- keys of standard segments --------------------------------------------------------------------------------


def check_keys(given: Json) -> list[str]:
    """The keys of a body."""
    keys = having(given, "keys")["keys"]
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused(400, "keys must be a list of strings")
    if len(keys) > KEYS_PER_CALL:
        raise Refused(400, f"No more than {KEYS_PER_CALL} keys per call")
    return keys


def add_keys(held: Held, environment_id: str, keys: Sequence[str], *, replace: bool = False) -> None:
    """Let them be members, besides or instead of those there are."""
    before = [] if replace else held.members.get(environment_id, [])
    members = list(dict.fromkeys([*before, *keys]))
    if len(members) > KEYS_PER_SEGMENT:
        raise Refused(400, f"No more than {KEYS_PER_SEGMENT} keys per segment")
    held.members[environment_id] = members


def remove_keys(held: Held, environment_id: str, keys: Sequence[str]) -> None:
    """Let them be members no more."""
    gone = set(keys)
    held.members[environment_id] = [key for key in held.members.get(environment_id, []) if key not in gone]


def _editable(state: State, call: Call) -> tuple[Held, Json]:
    held, environment = STANDARD.here(state, call)
    held.in_environment(environment)
    state.may_edit(environment)
    return held, environment


def list_keys(state: State, call: Call) -> Json:
    held, environment = STANDARD.here(state, call)
    held.in_environment(environment)
    keys = [{"key": key} for key in held.members.get(environment["id"], [])]
    return state.offset_page(call, keys, "keys", key="keys")


def _upload(state: State, call: Call, read: Callable[[], list[str]]) -> Json:
    replace = (call.query("replace") or "false").lower()
    if replace not in ("true", "false"):
        raise Refused(400, "replace must be true or false")
    held, environment = _editable(state, call)
    add_keys(held, environment["id"], read(), replace=replace == "true")
    definition, traffic_type = held.in_environment(environment), held.body["trafficType"]
    return {
        "id": definition["name"],
        "orgId": ORGANISATION,
        "environment": environment["id"],
        "name": held.body["name"],
        "trafficTypeId": traffic_type["id"],
        "trafficTypeURN": {"type": "TRAFFIC_TYPE", **traffic_type},
        "description": held.body["description"],
        "creator": {"type": "System", "id": "Root", "name": "api"},
        "status": "ACTIVE",
        "creationTime": definition["creationTime"],
        "lastUpdateTime": state.now_ms(),
    }


def upload_keys(state: State, call: Call) -> Json:
    return _upload(state, call, lambda: check_keys(call.fields()))


def upload_file(state: State, call: Call) -> Json:
    file = call.asked.files.get("file")
    if file is None:
        raise Refused(400, "The form field file is missing")
    lines = [line.strip() for line in file.read().decode().splitlines()]
    return _upload(state, call, lambda: check_keys({"keys": [line for line in lines if line]}))


def drop_keys(state: State, call: Call) -> bool:
    held, environment = _editable(state, call)
    remove_keys(held, environment["id"], check_keys(call.fields()))
    return True


# --- rules of rule-based segments -----------------------------------------------------------------------------


def check_rules(given: Json) -> Json:
    """The input, if it may become a definition."""
    body = having(given, "rules", "excludedKeys", "excludedSegments")
    for name in ("rules", "excludedKeys", "excludedSegments"):
        if not isinstance(body[name], list):
            raise Refused(400, f"{name} must be a list")
    for rule in body["rules"]:
        check_condition(rule, may_say_otherwise=True)
    for excluded in body["excludedSegments"]:
        if having(excluded, "name", "type")["type"] not in EXCLUDABLE:
            raise Refused(400, f"Unknown segment type {excluded['type']}")
    return body


def put_rules(definition: Json, body: Json) -> None:
    """Let these be the rules, already checked."""
    definition.update({name: body[name] for name in ("rules", "excludedKeys", "excludedSegments")})


def replace_rules(state: State, call: Call) -> Json:
    held = RULE_BASED.get(state, call.at["ws"], call.at["name"])
    environment = state.environment(call.at["env"], call.at["ws"])
    definition = held.in_environment(environment)
    state.may_edit(environment)
    body = check_rules(call.fields())
    state.explained(call.at["ws"], body)
    put_rules(definition, body)
    return definition


# --- what the three kinds share -------------------------------------------------------------------------------


def _in_other_shape(item: Json) -> Json:
    kept = {name: item[name] for name in ("name", "description", "creationTime")}
    return {
        "id": f"rbs-{item['name']}",
        "workspaceIds": [],
        "orgId": ORGANISATION,
        "status": "ACTIVE",
        "trafficTypeId": item["trafficType"]["id"],
        "trafficTypeURN": None,
        "creator": {"type": "User", "id": "user-0000"},
        "tags": None,
        **kept,
    }


def _rule_based_page(state: State, call: Call, found: Sequence[Json]) -> Any:
    is_other = state.rule_based_other_shape
    shown = [_in_other_shape(item) if is_other and "environment" not in item else item for item in found]
    return state.bare_page(call, shown)


STANDARD = Kind(
    "segments",
    "Segment",
    store=lambda state: state.segments,
    page=lambda state, call, found: state.offset_page(call, found, "segments"),
    starts_as=lambda state: {},
    is_empty=lambda held, environment_id: not held.members.get(environment_id),
)
LARGE = Kind(
    "large-segments",
    "Large segment",
    store=lambda state: state.large_segments,
    page=lambda state, call, found: list(found),
    starts_as=lambda state: {"id": state.mint("large-segment")},
    is_empty=lambda held, environment_id: not held.members.get(environment_id),
)
RULE_BASED = Kind(
    "rule-based-segments",
    "Rule-based segment",
    store=lambda state: state.rule_based_segments,
    page=_rule_based_page,
    starts_as=lambda state: {"rules": [], "excludedKeys": [], "excludedSegments": []},
    is_empty=lambda held, environment_id: (
        not any(held.definitions[environment_id][name] for name in ("rules", "excludedKeys", "excludedSegments"))
    ),
    goes_with_definitions=False,
)


def _routes(kind: Kind) -> tuple[Route, ...]:
    def listed(state: State, call: Call) -> Any:
        workspace_id = state.workspace(call.at["ws"])["id"]
        return kind.page(state, call, [held.body for held in kind.store(state)[workspace_id].values()])

    def got(state: State, call: Call) -> Json:
        return kind.get(state, call.at["ws"], call.at["name"]).body

    def created(state: State, call: Call) -> Json:
        workspace_id = state.workspace(call.at["ws"])["id"]
        state.traffic_type_to_create(call.at["tt"], workspace_id)
        body = call.fields("name")
        store = kind.store(state)
        state.free(store[workspace_id], body["name"])
        more = {"description": body.get("description")}
        return state.add_segment(store, body["name"], call.at["tt"], workspace_id, **more).body

    def deleted(state: State, call: Call) -> bool:
        held = kind.get(state, call.at["ws"], call.at["name"])
        if held.definitions and not kind.goes_with_definitions:
            raise Refused(409, f"{kind.what} is defined in an environment")
        del kind.store(state)[call.at["ws"]][call.at["name"]]
        return True

    def listed_there(state: State, call: Call) -> Any:
        workspace_id = state.workspace(call.at["ws"])["id"]
        environment_id = state.environment(call.at["env"], workspace_id)["id"]
        found = [held.definitions.get(environment_id) for held in kind.store(state)[workspace_id].values()]
        return kind.page(state, call, [definition for definition in found if definition])

    def added_there(state: State, call: Call) -> Json:
        held, environment = kind.here(state, call)
        state.free(held.definitions, environment["id"])
        held.definitions[environment["id"]] = {
            "name": held.body["name"],
            "environment": {"id": environment["id"], "name": environment["name"]},
            "trafficType": held.body["trafficType"],
            "creationTime": state.now_ms(),
            **kind.starts_as(state),
        }
        return held.definitions[environment["id"]]

    def removed_there(state: State, call: Call) -> bool:
        held, environment = kind.here(state, call)
        held.in_environment(environment)
        if not kind.is_empty(held, environment["id"]):
            state.may_edit(environment)
        del held.definitions[environment["id"]]
        held.members.pop(environment["id"], None)
        return True

    return (
        Route("GET", f"{kind.path}/ws/{{ws}}/environments/{{env}}", listed_there),
        Route("GET", f"{kind.path}/ws/{{ws}}", listed),
        Route("POST", f"{kind.path}/ws/{{ws}}/trafficTypes/{{tt}}", created),
        Route("GET", f"{kind.path}/ws/{{ws}}/{{name}}", got),
        Route("DELETE", f"{kind.path}/ws/{{ws}}/{{name}}", deleted),
        Route("POST", f"{kind.path}/{{env}}/{{name}}", added_there),
        Route("DELETE", f"{kind.path}/{{env}}/{{name}}", removed_there),
    )


ROUTES = (
    *_routes(STANDARD),
    *_routes(LARGE),
    *_routes(RULE_BASED),
    Route("GET", "segments/{env}/{name}/keys", list_keys),
    Route("PUT", "segments/{env}/{name}/uploadKeys", upload_keys),
    Route("PUT", "segments/{env}/{name}/upload", upload_file),
    Route("PUT", "segments/{env}/{name}/removeKeys", drop_keys),
    Route("PUT", "rule-based-segments/ws/{ws}/{name}/environments/{env}", replace_rules),
)
