"""What the Split stand-in remembers, and how its handlers are found.

Objects are kept as they travel; tests read and change them freely between requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.management.standins.split_calls import Call, Caller, Json, Pages, Refused, having

__all__ = ["ORGANISATION", "Change", "Held", "Route", "Scope", "State", "Store"]

Scope = tuple[str, str | None, str | None]

ORGANISATION = "org-0001"


@dataclass(slots=True)
class Held:
    """A flag or segment of a workspace, with its definition and its members by environment id."""

    body: Json
    definitions: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)

    def in_environment(self, environment: Json) -> Json:
        """Its definition there."""
        try:
            return self.definitions[environment["id"]]
        except KeyError:
            raise Refused(404, f"{self.body['name']} is not defined in {environment['name']}") from None


@dataclass(slots=True)
class Change:
    """A change request: ``body`` as it travels, and what it takes to publish it."""

    body: Json
    workspace_id: str
    environment_id: str
    slot: str
    payload: Json
    submitter_id: str
    signature: str = ""
    uploaded: list[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for somebody."""
        return bool(self.body["status"] == "REQUESTED")


Store = dict[str, dict[str, Held]]  # by workspace id, by name


class State(Pages):
    """The memory of the stand-in; what is set here holds from the next request on."""

    environment_keys: bool = True
    """An environment comes with two SDK keys, which stand in the way of its deletion."""

    upload_fails: bool = False
    """The presigned URL answers 403."""

    has_ng_role_assignments: bool = True
    """Role assignments can be created under ``/ng/api`` too (quirk 23)."""

    def __init__(self) -> None:
        self.api_keys: dict[str, Json] = {}  # with their secret under "key"
        self.harness_tokens: dict[str, str] = {}  # whose token it is
        self.workspaces: dict[str, Json] = {}
        self.rollout_statuses: list[Json] = []
        self.restrictions: dict[tuple[str, str], Json] = {}  # by type and id of the resource
        self.environments: dict[str, Json] = {}
        self.traffic_types: dict[str, dict[str, Json]] = defaultdict(dict)  # by workspace id, by id
        self.attributes: dict[str, dict[str, Json]] = defaultdict(dict)  # by traffic type id, by id
        self.identities: dict[tuple[str, str], dict[str, Json]] = defaultdict(dict)  # by traffic type and environment
        self.users: dict[str, Json] = {}
        self.groups: dict[str, Json] = {}
        self.flag_sets: dict[str, Json] = {}
        self.flags: Store = defaultdict(dict)
        self.segments: Store = defaultdict(dict)
        self.large_segments: Store = defaultdict(dict)
        self.rule_based_segments: Store = defaultdict(dict)
        self.changes: dict[str, Change] = {}
        self.harness: dict[tuple[str, Scope], dict[str, Json]] = defaultdict(dict)  # by resource and scope

        self._minted = 0
        self._now_ms = 1_718_000_000_000

    # --- what is new ----------------------------------------------------------------------------------------

    def mint(self, kind: str) -> str:
        """An id that nothing else has."""
        self._minted += 1
        return f"{kind}-{self._minted:04d}"

    def now_ms(self) -> int:
        """The time, a second after it was last asked for."""
        self._now_ms += 1000
        return self._now_ms

    def add_api_key(self, name: str, kind: str = "admin", creator: Caller | None = None, **more: Any) -> Json:
        """A key with its secret under ``key``; an admin key is accepted from now on."""
        by = creator or Caller("key-0000", "bootstrap")
        key: Json = {
            "id": self.mint("key"),
            "type": "api_key",
            "name": name,
            "key": self.mint("not-a-real-key"),
            "apiKeyType": kind,
            "organization": {"id": ORGANISATION, "type": "organization"},
            "createdBy": {"type": by.kind, "id": by.id, "name": by.name},
            "createdAt": self.now_ms(),
            "environments": [],
            "workspace": None,
            "roles": ["API_ALL_GRANTED"] if kind == "admin" else None,
            **more,
        }
        self.api_keys[key["id"]] = key
        return key

    def add_workspace(self, name: str, *, titles: bool = False) -> Json:
        """A workspace without anything in it."""
        found: Json = {"id": self.mint("ws"), "name": name, "type": "workspace", "requiresTitleAndComments": titles}
        self.workspaces[found["id"]] = found
        return found

    def add_environment(self, workspace_id: str, name: str, production: bool = False, **more: Any) -> Json:
        """An environment that needs no approvals, unless ``changePermissions`` is given."""
        nobody = {
            "areApproversRestricted": False,
            "allowKills": False,
            "areEditorsRestricted": False,
            "areApprovalsRequired": False,
            "approvers": [],
            "editors": [],
        }
        found: Json = {
            "creationTime": self.now_ms(),
            "production": production,
            "dataExportPermissions": {"areExportersRestricted": False, "exporters": []},
            **more,
            "workspaceIds": list(dict.fromkeys([workspace_id, *more.get("workspaceIds", ())])),
            "name": name,
            "changePermissions": {**nobody, **more.get("changePermissions", {})},
            "type": "environment",
            "id": self.mint("env"),
            "orgId": ORGANISATION,
            "status": "ACTIVE",
        }
        self.environments[found["id"]] = found
        return found

    def add_traffic_type(self, workspace_id: str, name: str, display_attribute_id: str | None = None) -> Json:
        """A kind of key."""
        found: Json = {"id": self.mint("tt"), "name": name, "displayAttributeId": display_attribute_id}
        self.traffic_types[workspace_id][found["id"]] = found
        return found

    def add_flag(self, name: str, traffic_type: str = "user", workspace_id: str | None = None, **more: Any) -> Held:
        """A flag that is defined nowhere; in the first workspace unless told."""
        place = workspace_id or next(iter(self.workspaces))
        status = self.rollout_statuses[0]
        held = Held(
            {
                "id": self.mint("flag"),
                "name": name,
                "description": "",
                "trafficType": self._traffic_type_reference(traffic_type, place),
                "creationTime": self.now_ms(),
                "tags": None,
                "rolloutStatus": {"id": status["id"], "name": status["name"]},
                "rolloutStatusTimestamp": self.now_ms(),
                "owners": [],
                **more,
            }
        )
        self.flags[place][name] = held
        return held

    def add_segment(
        self, store: Store, name: str, traffic_type: str = "user", workspace_id: str | None = None, **more: Any
    ) -> Held:
        """A segment that is defined nowhere, in one of the three stores."""
        place = workspace_id or next(iter(self.workspaces))
        held = Held(
            {
                "name": name,
                "description": None,
                "trafficType": self._traffic_type_reference(traffic_type, place),
                "creationTime": self.now_ms(),
                "tags": None,
                **more,
            }
        )
        store[place][name] = held
        return held

    def _traffic_type_reference(self, id_or_name: str, workspace_id: str) -> Json:
        found = self.traffic_type_to_create(id_or_name, workspace_id)
        return {"id": found["id"], "name": found["name"]}

    # --- what is there --------------------------------------------------------------------------------------

    def workspace(self, identifier: str) -> Json:
        """By id."""
        found: Json = self.found(self.workspaces, identifier, "Workspace")
        return found

    def environment(self, id_or_name: str, workspace_id: str | None = None) -> Json:
        """By id or name, in the workspace or anywhere."""
        inside = (e for e in self.environments.values() if workspace_id in (None, *e["workspaceIds"]))
        return _by_id_or_name(inside, id_or_name, "Environment")

    def traffic_type(self, identifier: str, workspace_id: str | None = None) -> Json:
        """By id, in the workspace or anywhere."""
        places = self.traffic_types.values() if workspace_id is None else [self.traffic_types[workspace_id]]
        everywhere = {name: found for place in places for name, found in place.items()}
        found: Json = self.found(everywhere, identifier, "Traffic type")
        return found

    def traffic_type_to_create(self, id_or_name: str, workspace_id: str) -> Json:
        """By id or name, as only the paths of creations allow (9)."""
        return _by_id_or_name(self.traffic_types[workspace_id].values(), id_or_name, "Traffic type")

    def found(self, place: Mapping[str, Any], identifier: str, what: str) -> Any:
        """What is there by this id or name."""
        try:
            return place[identifier]
        except KeyError:
            raise Refused(404, f"{what} not found") from None

    def free(self, taken: Any, name: str) -> None:
        """Refuse a name that is among ``taken``."""
        if name in taken:
            raise Refused(409, "Name already in use")

    def may_edit(self, environment: Json, *, is_kill: bool = False) -> None:
        """Refuse a direct edit where approvals are required."""
        rules = environment["changePermissions"]
        if rules.get("areApprovalsRequired") and not (is_kill and rules.get("allowKills")):
            where = f"orgId={ORGANISATION} envId={environment['id']}"
            raise Refused(403, f"Approvals are required. {where}")

    def explained(self, workspace_id: str, said: Mapping[str, Any]) -> None:
        """Refuse a change without title and comment where the workspace wants them."""
        if self.workspaces[workspace_id]["requiresTitleAndComments"]:
            having(dict(said), "title", "comment")

    def open_change(self, environment_id: str, slot: str, name: str) -> str | None:
        """Id of the open change request about this object there."""
        for identifier, change in self.changes.items():
            wanted = (change.environment_id, change.slot, change.payload["name"])
            if change.is_open and wanted == (environment_id, slot, name):
                return identifier
        return None


def _by_id_or_name(places: Any, id_or_name: str, what: str) -> Json:
    all_places: list[Json] = list(places)
    for name in ("id", "name"):
        for found in all_places:
            if found[name] == id_or_name:
                return found
    raise Refused(404, f"{what} not found")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path template such as ``segments/ws/{ws}``, and who answers; ``None`` is a 204."""

    method: str
    template: str
    handler: Callable[[State, Call], Any]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The decoded placeholders, if these raw segments have its form; ``ws`` is never an environment (9)."""
        parts = self.template.split("/")
        if len(parts) != len(segments):
            return None
        at: dict[str, str] = {}
        for place, (part, segment) in enumerate(zip(parts, map(unquote, segments), strict=True)):
            if part.startswith("{"):
                if place == 1 and part == "{env}" and segment == "ws":
                    return None
                at[part[1:-1]] = segment
            elif part != segment:
                return None
        return at
