"""The Split stand-in's change requests, who may close them, and the upload of large segments (2.13, 4.3, 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Request, Response

from tests.management.standins.split_calls import Call, Json, Refused, having
from tests.management.standins.split_flags import as_kept, check_definition, flag, rollout_status
from tests.management.standins.split_segments import (
    LARGE,
    RULE_BASED,
    STANDARD,
    Kind,
    add_keys,
    check_keys,
    check_rules,
    put_rules,
    remove_keys,
)
from tests.management.standins.split_state import Change, Held, Route, State

__all__ = ["ROUTES", "UPLOADS", "receive_upload"]

UPLOADS = "__upload"
STATUSES = ("REQUESTED", "APPROVED", "PUBLISHED", "REJECTED", "WITHDRAWN")
CLOSED_AS: Mapping[str, str] = {"APPROVED": "PUBLISHED", "REJECTED": "REJECTED", "WITHDRAWN": "WITHDRAWN"}


@dataclass(frozen=True, slots=True)
class Operation:
    """``shown`` refuses what cannot be asked, else gives what stands in the request; ``publish`` does it."""

    shown: Callable[[State, Change], Json]
    publish: Callable[[State, Change], None]


# --- flags ----------------------------------------------------------------------------------------------------


def _flag_there(state: State, change: Change, *, is_new: bool) -> tuple[Held, Json, Json | None]:
    held = flag(state, change.workspace_id, change.payload["name"])
    environment = state.environment(change.environment_id)
    if is_new:
        state.free(held.definitions, environment["id"])
        return held, environment, None
    return held, environment, held.in_environment(environment)


def _drafts(*, is_new: bool) -> Operation:
    def shown(state: State, change: Change) -> Json:
        held, environment, before = _flag_there(state, change, is_new=is_new)
        return as_kept(state, held, environment, check_definition(change.payload), before)

    def publish(state: State, change: Change) -> None:
        held, environment, before = _flag_there(state, change, is_new=is_new)
        made = as_kept(state, held, environment, check_definition(change.payload), before)
        held.definitions[environment["id"]] = {**made, "id": change.body["split"]["id"]}

    return Operation(shown, publish)


def _as_it_is(state: State, change: Change) -> Json:
    return dict(_flag_there(state, change, is_new=False)[2] or {})


def _kills(is_killed: bool) -> Operation:
    def publish(state: State, change: Change) -> None:
        held, environment, _ = _flag_there(state, change, is_new=False)
        held.in_environment(environment).update(killed=is_killed, lastUpdateTime=state.now_ms())

    return Operation(_as_it_is, publish)


def _remove_flag(state: State, change: Change) -> None:
    held, environment, _ = _flag_there(state, change, is_new=False)
    del held.definitions[environment["id"]]


# --- segments -------------------------------------------------------------------------------------------------


def _segment_there(kind: Kind, state: State, change: Change) -> tuple[Held, Json]:
    held = kind.get(state, change.workspace_id, change.payload["name"])
    return held, held.in_environment(state.environment(change.environment_id))


def _keys_shown(state: State, change: Change) -> Json:
    _segment_there(STANDARD, state, change)
    return {"name": change.payload["name"], "keys": check_keys(change.payload)}


def _add_keys(state: State, change: Change) -> None:
    held, _ = _segment_there(STANDARD, state, change)
    add_keys(held, change.environment_id, change.payload["keys"])


def _remove_keys(state: State, change: Change) -> None:
    held, _ = _segment_there(STANDARD, state, change)
    remove_keys(held, change.environment_id, change.payload["keys"])


def _large_shown(state: State, change: Change) -> Json:
    return dict(_segment_there(LARGE, state, change)[1])


def _put_uploaded(state: State, change: Change) -> None:
    held, _ = _segment_there(LARGE, state, change)
    if change.uploaded is not None:
        held.members[change.environment_id] = change.uploaded


def _remove_members(state: State, change: Change) -> None:
    held, _ = _segment_there(LARGE, state, change)
    held.members[change.environment_id] = []


def _rules_shown(state: State, change: Change) -> Json:
    _segment_there(RULE_BASED, state, change)
    body = check_rules(change.payload)
    return {name: body[name] for name in ("name", "rules", "excludedKeys", "excludedSegments")}


def _put_rules(state: State, change: Change) -> None:
    put_rules(_segment_there(RULE_BASED, state, change)[1], check_rules(change.payload))


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "split": {
        "CREATE": _drafts(is_new=True),
        "UPDATE": _drafts(is_new=False),
        "KILL": _kills(True),
        "RESTORE": _kills(False),
        "ARCHIVE": Operation(_as_it_is, _remove_flag),
    },
    "segment": {
        "CREATE": Operation(_keys_shown, _add_keys),
        "ARCHIVE": Operation(_keys_shown, _remove_keys),
    },
    "largeSegment": {
        "UPLOAD": Operation(_large_shown, _put_uploaded),
        "ARCHIVE": Operation(_large_shown, _remove_members),
    },
    "ruleBasedSegment": {"UPDATE": Operation(_rules_shown, _put_rules)},
}

# --- requests -------------------------------------------------------------------------------------------------


def submit(state: State, call: Call) -> Json:
    workspace_id = state.workspace(call.at["ws"])["id"]
    environment = state.environment(call.at["env"], workspace_id)
    body = call.fields("operationType")
    slots = [slot for slot in OPERATIONS if slot in body]
    if len(slots) != 1:
        raise Refused(400, f"Exactly one of {', '.join(OPERATIONS)} is required")
    slot, operation_type = slots[0], body["operationType"]
    operation = OPERATIONS[slot].get(operation_type)
    if operation is None:
        raise Refused(400, f"Unknown operation {operation_type} for {slot}")
    if not isinstance(body.get("approvers", []), list):
        raise Refused(400, "approvers must be a list")
    state.explained(workspace_id, body)
    status = body.get("rolloutStatus")
    if status is not None and (slot != "split" or operation_type == "KILL"):
        raise Refused(400, f"No rollout status goes with {operation_type} for {slot}")

    identifier, now = state.mint("cr"), state.now_ms()
    change = Change({}, workspace_id, environment["id"], slot, having(body[slot], "name"), call.caller.id)
    change.body = {
        "split": None,
        "segment": None,
        slot: operation.shown(state, change),
        "id": identifier,
        "status": "REQUESTED",
        "title": body.get("title", ""),
        "comment": None,
        "workspace": {"id": workspace_id, "type": "workspace"},
        "approvers": body.get("approvers", []),
        "operationType": operation_type,
        "comments": [_comment(call, body.get("comment"), "SUBMITTER", now)],
        "rolloutStatus": {"type": "rollout_status", **rollout_status(state, status)} if status else None,
        "rolloutStatusTimestamp": now if status else None,
    }
    if operation_type == "UPLOAD":
        change.signature = state.mint("signature")
        change.body["transactionMetadata"] = {
            "method": "PUT",
            "url": f"http://{call.asked.host}/{UPLOADS}/{identifier}?signature={change.signature}",
            "headers": {"Host": [call.asked.host]},
        }
    if not environment["changePermissions"].get("areApprovalsRequired"):
        _publish(state, change)
    state.changes[identifier] = change
    return _as_read(change)


def _publish(state: State, change: Change) -> None:
    OPERATIONS[change.slot][change.body["operationType"]].publish(state, change)
    change.body["status"] = "PUBLISHED"
    status = change.body["rolloutStatus"]
    if status:
        now = {"rolloutStatus": {name: status[name] for name in ("id", "name")}}
        body = flag(state, change.workspace_id, change.payload["name"]).body
        body.update(now, rolloutStatusTimestamp=state.now_ms())


def _comment(call: Call, text: str | None, role: str, now: int) -> Json:
    return {"comment": text, "user": call.caller.name, "role": role, "timestamp": now}


def _as_read(change: Change) -> Json:
    split = change.body["split"]
    if split and change.is_open:
        return {**change.body, "split": {**split, "openChangeRequestId": change.body["id"]}}
    return change.body


def list_changes(state: State, call: Call) -> Json:
    status, where = call.query("status") or "REQUESTED", call.query("environmentId")
    if status not in STATUSES:
        raise Refused(400, f"Unknown status {status}")
    environment_id = None if where is None else state.environment(where)["id"]
    found = [
        _as_read(change)
        for change in state.changes.values()
        if change.body["status"] == status and environment_id in (None, change.environment_id)
    ]
    return state.marker_page(call, found, "changeRequests")


def get_change(state: State, call: Call) -> Json:
    return _as_read(state.found(state.changes, call.at["change"], "Change request"))


def update_status(state: State, call: Call) -> Json:
    change: Change = state.found(state.changes, call.at["change"], "Change request")
    body = call.fields("status")
    if body["status"] not in CLOSED_AS:
        raise Refused(400, f"Unknown status {body['status']}")
    if not change.is_open:
        raise Refused(409, f"The change request is {change.body['status']}")
    is_submitter = call.caller.id == change.submitter_id
    if is_submitter and body["status"] != "WITHDRAWN":
        raise Refused(403, "A change request cannot be approved or rejected by its submitter")
    if body["status"] == "APPROVED":
        _publish(state, change)
    change.body["status"] = CLOSED_AS[body["status"]]
    role = "SUBMITTER" if is_submitter else "APPROVER"
    change.body["comments"].append(_comment(call, body.get("comment"), role, state.now_ms()))
    return _as_read(change)


# --- uploads --------------------------------------------------------------------------------------------------


def receive_upload(state: State, asked: Request, identifier: str) -> Response:
    """Answer as the object store behind the presigned URL does: by its signature, never by a key of ours."""
    change = state.changes.get(identifier)
    if change is None or not change.signature or asked.args.get("signature") != change.signature:
        return _denied("SignatureDoesNotMatch", 403)
    if asked.method != "PUT":
        return _denied("MethodNotAllowed", 405)
    if "Authorization" in asked.headers or "x-api-key" in asked.headers:
        return _denied("InvalidArgument: only one auth mechanism allowed", 400)
    if [asked.host] != change.body["transactionMetadata"]["headers"]["Host"]:
        return _denied("SignatureDoesNotMatch", 403)
    if state.upload_fails:
        return _denied("AccessDenied", 403)
    lines = (line.strip() for line in asked.get_data().decode().splitlines())
    change.uploaded = list(dict.fromkeys(line for line in lines if line))
    if change.body["status"] == "PUBLISHED":
        _put_uploaded(state, change)
    return Response("", 200)


def _denied(code: str, status: int) -> Response:
    return Response(f"<Error><Code>{code}</Code></Error>", status, content_type="application/xml")


ROUTES = (
    Route("GET", "changeRequests", list_changes),
    Route("GET", "changeRequests/{change}", get_change),
    Route("PUT", "changeRequests/{change}", update_status),
    Route("POST", "changeRequests/ws/{ws}/environments/{env}", submit),
)
