"""A stand-in of Optimizely: Classic REST API v1, Platform API v2 and Flags API over one account, all in memory."""

from __future__ import annotations

import copy
import threading
from typing import Any

from flask import Flask, Request, Response, request

from tests.management.standins.optimizely_account import ROLES, Account, Asked, Record, Token
from tests.management.standins.optimizely_classic import Classic
from tests.management.standins.optimizely_flags import Flags
from tests.management.standins.optimizely_v2 import V2
from tests.management.standins.optimizely_v2_fields import RESOURCES as V2_RESOURCES
from tests.management.standins.serving import Fault, Recorded, StandIn

__all__ = ["Held", "OptimizelyServer", "auth_kind"]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_SECONDS = 10


def auth_kind(entry: Recorded) -> str | None:
    """Which header a recorded request carried: ``Token``, ``Bearer``, or neither."""
    if "Token" in entry.headers:
        return "Token"
    return "Bearer" if entry.headers.get("Authorization", "").startswith("Bearer ") else None


class Held(Fault):
    """A slow answer: nothing is done until ``release`` is set."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def before(self, asked: Request) -> Response | None:
        self.release.wait(LONGEST_SECONDS)
        return None


class OptimizelyServer(Account, StandIn):
    """One account with one project, an engagement and a revenue goal; state and switches are those of ``Account``.

    ``legacy`` and ``bearer`` are the tokens by role: admin, owner, editor, viewer.
    """

    def __init__(self) -> None:
        Account.__init__(self)
        StandIn.__init__(self, Flask(__name__))
        self.app.url_map.merge_slashes = False
        self.app.add_url_rule("/", "api", self._serve, defaults={"anything": ""}, methods=METHODS)
        self.app.add_url_rule("/<path:anything>", "api", self._serve, methods=METHODS)
        self.legacy = {role: f"{role}key:{self.account_id}" for role in ROLES}
        self.bearer = {role: f"{role}-access-token" for role in ROLES}
        for scheme, texts in (("Token", self.legacy), ("Bearer", self.bearer)):
            self.tokens.update({text: Token(role, self.account_id, scheme) for role, text in texts.items()})
        v2 = V2(self)
        self._classic, self._v2, self._flags = Classic(self), v2, Flags(self, v2)
        project = self.create("projects", project_name="Garden shop")
        self.project_id: int = project["id"]
        shared = {"id": self.project_id, "account_id": self.account_id, "is_flags_enabled": True}
        v2.follow(V2_RESOURCES["projects"], v2.store(V2_RESOURCES["projects"], {"name": "Garden shop", **shared}))

    @property
    def classic_url(self) -> str:
        """Where v1 is, with a slash at the end; the others likewise."""
        return self.url + Classic.base

    @property
    def v2_url(self) -> str:
        return self.url + V2.base

    @property
    def flags_url(self) -> str:
        return self.url + Flags.base

    def __enter__(self) -> OptimizelyServer:
        super().__enter__()
        return self

    # State by hand

    def store(self, plural: str, *records: Record) -> None:
        """Put v1 records as they are, such as the specification's examples; defaults for fields they lack."""
        for record in records:
            self._classic.shelf.store(plural, record)

    def store_v2(self, plural: str, *records: Record) -> None:
        """The same for v2."""
        for record in records:
            self._v2.store(V2_RESOURCES[plural], record)

    def create(self, plural: str, **body: Any) -> Record:
        """A v1 record made as an administrator's POST would, its parent's id in the body; a copy."""
        parent_id = body.get("experiment_id", body.get("project_id", self.project_id))
        return copy.deepcopy(self._classic.shelf.create(plural, parent_id, self._asked(body)))

    def create_v2(self, plural: str, **body: Any) -> Record:
        """The same for v2, in the first project if the body names no other."""
        owner = {} if plural == "projects" else {"project_id": self.project_id}
        return copy.deepcopy(self._v2.create(V2_RESOURCES[plural], self._asked({**owner, **body})))

    def create_flag(self, key: str, **body: Any) -> Record:
        """A flag of the first project."""
        made = self._flags.create(self.project_id, {"key": key, **body})
        return copy.deepcopy(self._flags.shown(self.project_id, made))

    def store_ruleset(self, flag_key: str, ruleset: Record) -> None:
        """Put a ruleset of a flag of the first project as it is, such as the specification's example."""
        self._flags.store_ruleset(self.project_id, flag_key, ruleset)

    def attach(self, goal_id: int, experiment_id: int) -> None:
        """Measure a goal on an experiment, also one that is not editable, such as revenue."""
        ids = self.classic["goals"][goal_id]["experiment_ids"]
        shown = self.classic["experiments"][experiment_id]["display_goal_order_lst"]
        ids[:] = dict.fromkeys([*ids, experiment_id])
        shown[:] = dict.fromkeys([*shown, goal_id])

    def _asked(self, body: Record) -> Asked:
        return Asked(Token("admin", self.account_id, "Bearer"), {}, body, "")

    def _serve(self, anything: str) -> Response:
        for api in (self._classic, self._v2, self._flags):
            if request.path.startswith(api.base):
                path = request.path.removeprefix(api.base).removesuffix("/")
                headers, query = dict(request.headers), request.args.to_dict()
                return api.respond(request.method, path, headers, query, request.get_data(), request.base_url)
        return Response("there is no such API", 404, content_type="text/plain")
