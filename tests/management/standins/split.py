"""A stand-in of the Split Admin API v2 and v3 and of the Harness platform API, on one server.

Written from the specification (sections 2 and 9). It opens with a workspace "Main" that has the environments "Prod" and
"Staging" and the traffic types "user" and "account"; an Administrators group with a user; two admin keys and a Harness
token. Requests run one at a time in the server's threads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from flask import Flask, Request, Response, request

from tests.management.standins import (
    split_changes,
    split_flags,
    split_harness,
    split_people,
    split_segments,
    split_workspaces,
)
from tests.management.standins.serving import Fault, StandIn, answering
from tests.management.standins.split_calls import Call, Caller, Json, Refused
from tests.management.standins.split_state import Change, Held, Route, Scope, State

__all__ = ["Change", "Held", "SplitServer", "emptied", "failing", "held_back", "rate_limited"]

LOG = "__log"

ROOTS: tuple[tuple[tuple[str, ...], tuple[Route, ...]], ...] = (
    (
        ("internal", "api", "v2"),
        (
            *split_workspaces.ROUTES,
            *split_people.ROUTES,
            *split_flags.ROUTES,
            *split_segments.ROUTES,
            *split_changes.ROUTES,
        ),
    ),
    (("api", "v3"), split_people.FLAG_SET_ROUTES),
    ((), split_harness.ROUTES),
)

ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BLOCKED: Mapping[str, tuple[str, ...]] = {  # in harness mode (1.6); besides them POST apiKeys, for admin keys
    "workspaces": ("POST", "PATCH", "DELETE", "PUT"),
    "users": ALL_METHODS,
    "groups": ALL_METHODS,
    "restrictions": ALL_METHODS,
}


class SplitServer(StandIn, State):
    """The stand-in, seeded; its memory and switches are the attributes of :class:`State`.

    ``targets`` are the paths and queries as they were sent, one for each entry of ``log``.
    """

    def __init__(self) -> None:
        app = Flask(__name__, static_folder=None)
        self.targets: list[str] = []
        app.before_request(lambda: self.targets.append(request.environ["RAW_URI"]))
        StandIn.__init__(self, app)
        State.__init__(self)
        app.before_request(self._answer)
        self._lock = threading.Lock()

        self.account = "acc_EXAMPLE"
        self.rollout_statuses += [
            {"id": "rs-0001", "name": "Ramping", "description": "Being opened to more and more keys"},
            {"id": "rs-0002", "name": "100% Released", "description": "Served to everybody"},
        ]
        self.main: str = self.add_workspace("Main")["id"]
        self.prod: str = self.add_environment(self.main, "Prod", True)["id"]
        self.staging: str = self.add_environment(self.main, "Staging")["id"]
        self.user_type: str = self.add_traffic_type(self.main, "user")["id"]
        self.account_type: str = self.add_traffic_type(self.main, "account")["id"]
        self.administrators, self.ada = self.mint("group"), self.mint("user")
        self.groups[self.administrators] = {
            "id": self.administrators,
            "type": "group",
            "name": split_workspaces.ADMINISTRATORS,
            "description": "",
        }
        self.users[self.ada] = {
            "id": self.ada,
            "type": "user",
            "name": "Ada Fern",
            "email": "ada@example.org",
            "status": "ACTIVE",
            "2fa": False,
            "groups": [{"id": self.administrators, "type": "group"}],
        }
        self.admin_key: str = self.add_api_key("first")["key"]
        self.second_admin_key: str = self.add_api_key("second")["key"]
        self.harness_token = "pat.not-a-real-token"
        self.harness_tokens[self.harness_token] = "harness"

    def __enter__(self) -> SplitServer:
        super().__enter__()
        return self

    @property
    def v2(self) -> str:
        """The root of the Split Admin API; that of Harness is ``url``."""
        return f"{self.url}/internal/api/v2"

    @property
    def v3(self) -> str:
        """The root of flag sets."""
        return f"{self.url}/api/v3"

    def define(self, name: str, environment_id: str, **given: Any) -> Json:
        """Give a flag a definition there: off for everybody but for what is given; nothing is checked."""
        environment = self.environment(environment_id)
        places = [self.flags[workspace_id] for workspace_id in environment["workspaceIds"]]
        held = next(place[name] for place in places if name in place)
        usual = {
            "treatments": [{"name": "on", "description": ""}, {"name": "off", "description": ""}],
            "defaultTreatment": "off",
            "baselineTreatment": "off",
            "defaultRule": [{"treatment": "off", "size": 100}],
        }
        made = split_flags.as_kept(self, held, environment, {**usual, **given}, None)
        held.definitions[environment["id"]] = {**made, **given}
        return held.definitions[environment["id"]]

    def scoped(self, resource: str, org: str | None = None, project: str | None = None) -> dict[str, Json]:
        """The Harness objects of a scope by id: ``users``, ``groups``, ``tokens``; see ``split_harness``."""
        scope: Scope = (self.account, org, project)
        return self.harness[resource, scope]

    # --- answering ------------------------------------------------------------------------------------------

    def _answer(self) -> Response:
        segments = [segment for segment in request.environ["RAW_URI"].partition("?")[0].split("/") if segment]
        try:
            with self._lock:
                if segments[:1] == [LOG]:
                    return _json(200, self._logged())
                if segments[:1] == [split_changes.UPLOADS]:
                    return split_changes.receive_upload(self, request, "/".join(segments[1:]))
                answer = self._called(request, segments)
                return Response(status=204) if answer is None else _json(200, answer)
        except Refused as refusal:
            told = {"code": refusal.status, "message": refusal.message, "details": ""}
            return _json(refusal.status, {**told, "transactionId": self.mint("tx")})

    def _called(self, asked: Request, segments: list[str]) -> Any:
        root, routes = next(found for found in ROOTS if tuple(segments[: len(found[0])]) == found[0])
        caller = self._caller(asked)
        if not root and not caller.is_harness:
            raise Refused(401, "Invalid credentials")
        rest = segments[len(root) :]
        if caller.is_harness and root and rest and _is_blocked(asked, rest[0]):
            raise Refused(410, f"{asked.method} {rest[0]} is deprecated in harness mode")
        matches = [(route, route.match(rest)) for route in routes]
        known = [(route, at) for route, at in matches if at is not None]
        for route, at in known:
            if route.method == asked.method:
                return route.handler(self, Call(asked, at, caller))
        raise Refused(405, "Method not allowed") if known else Refused(404, "Not found")

    def _caller(self, asked: Request) -> Caller:
        token = asked.headers.get("x-api-key")
        if token in self.harness_tokens:
            name = self.harness_tokens[token]
            return Caller(name, name, "harness_token", is_harness=True)
        scheme, _, secret = asked.headers.get("Authorization", "").partition(" ")
        for key in self.api_keys.values():
            if token is None and scheme == "Bearer" and key["key"] == secret and key["apiKeyType"] == "admin":
                return Caller(key["id"], key["name"])
        raise Refused(401, "Invalid credentials")

    def _logged(self) -> list[Json]:
        names = ("method", "path", "query", "headers")
        entries = [entry for entry in self.log if not entry.path.startswith(f"/{LOG}")]
        return [{**{n: getattr(e, n) for n in names}, "body": e.body.decode(errors="replace")} for e in entries]


def _is_blocked(asked: Request, first: str) -> bool:
    if first == "apiKeys" and asked.method == "POST":
        body = asked.get_json(silent=True)
        return isinstance(body, dict) and body.get("apiKeyType") == "admin"
    return asked.method in BLOCKED.get(first, ())


def _json(status: int, body: Any) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


# --- faults ---------------------------------------------------------------------------------------------------


def failing(status: int, message: str = "Something went wrong", headers: dict[str, str] | None = None) -> Fault:
    """Answer this status with the service's error body."""
    return answering(status, {"code": status, "message": message, "details": "", "transactionId": "tx-0000"}, headers)


def rate_limited(org: int = 4, ip: int = 1) -> Fault:
    """Answer 429 with the four headers (1.4): the quotas of organisation and address are free in so many seconds."""
    headers = {
        "X-RateLimit-Remaining-Org": "0",
        "X-RateLimit-Remaining-IP": "3",
        "X-RateLimit-Reset-Seconds-Org": str(org),
        "X-RateLimit-Reset-Seconds-IP": str(ip),
    }
    return answering(429, {"code": 429, "message": "Too many requests"}, headers)


class _Emptied(Fault):
    def after(self, answer: Response) -> Response:
        return Response("", answer.status_code, content_type="application/json")


class _HeldBack(Fault):
    def __init__(self, until: threading.Event, most_seconds: float) -> None:
        self._until, self._most_seconds = until, most_seconds

    def after(self, answer: Response) -> Response:
        self._until.wait(self._most_seconds)
        return answer


def emptied() -> Fault:
    """Do what is asked, and answer with an empty body."""
    return _Emptied()


def held_back(until: threading.Event, most_seconds: float = 10.0) -> Fault:
    """Do what is asked, and answer only when the event is set: a slow service."""
    return _HeldBack(until, most_seconds)
