"""Workspaces, who may see them, their environments, and flag sets (spec 2.1 to 2.3, 2.15)."""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"
# ruff: noqa: N803

from __future__ import annotations

from typing import Any

from ...rest.endpoints import Arguments, endpoint
from ...rest.paging import Markers, Offsets, Whole
from ..resources.base import Body, Id, JsonObject, Listed, as_dict
from ..resources.workspaces import Environment, FlagSet, Restriction, Workspace
from .base import Microclient, as_sent, made, replacement

__all__ = ["Environments", "FlagSets", "Restrictions", "Workspaces"]


class Workspaces(Microclient):
    """Workspaces: "projects" in the UI. One made through the API has a traffic type, to be deleted before it."""

    @endpoint("GET workspaces", pages=Offsets(20), answers=made(Workspace))
    def list(self) -> Listed[Workspace]:
        """All workspaces (W1)."""

    def find(self, workspace_name: str | None = None) -> Workspace | None:
        """The one of that name (W2)."""
        return self._first(self.list.iterate(), workspace_name)

    @endpoint("GET rolloutStatuses?wsId={workspace_id}", pages=Whole())
    def get_rollout_statuses(self, workspace_id: Id) -> Listed[JsonObject]:
        """The rollout statuses that flags may have, as JSON (W3)."""

    @endpoint("POST workspaces", body=as_sent("workspace"), answers=made(Workspace))
    def add(self, workspace: Body) -> Workspace:
        """Create one (W4)."""

    @endpoint("PATCH workspaces/{workspace_id}", body=replacement, answers=made(Workspace))
    def update(self, workspace_id: Id, fieldName: str, fieldValue: object) -> Workspace:
        """Set a field (W5)."""

    @endpoint("DELETE workspaces/{workspace_id}")
    def delete(self, workspace_id: Id) -> Any:
        """Delete it (W6)."""


def _restriction(arguments: Arguments) -> object:
    return {
        "resource": {"id": arguments["resource_id"], "type": arguments["resource_type"]},
        "operations": {"view": True},
        "resourcePermissions": {"view": arguments["restrictions_list"]},
    }


class Restrictions(Microclient):
    """Who may see a resource."""

    @endpoint(
        "GET restrictions?resource_type={resource_type}&resource_id={resource_id}",
        pages=Offsets(20),
        answers=made(Restriction),
    )
    def list(self, resource_type: str, resource_id: Id) -> Listed[Restriction]:
        """The restrictions of a resource (R1)."""

    @endpoint("PUT restrictions", body=_restriction, answers=made(Restriction))
    def add(self, resource_type: str, resource_id: Id, restrictions_list: Listed[Any]) -> Restriction:
        """Let only these users and groups see it, in the place of those before (R2)."""


class Environments(Microclient):
    """Environments of a workspace. One cannot be deleted while it has API keys."""

    @endpoint("GET environments/ws/{workspace_id}", pages=Whole(), answers=made(Environment))
    def list(self, workspace_id: Id) -> Listed[Environment]:
        """All environments (E1)."""

    def find(self, environment_name: str, workspace_id: Id) -> Environment | None:
        """The one of that name (E2)."""
        return self._first(self.list.iterate(workspace_id), environment_name)

    @endpoint("POST environments/ws/{workspace_id}", body=as_sent("environment"), answers=made(Environment))
    def add(self, environment: Body, workspace_id: Id) -> Environment:
        """Create one; its API tokens come with it (E3)."""

    @endpoint("PATCH environments/ws/{workspace_id}/{environment_id}", body=replacement, answers=made(Environment))
    def update(self, environment_id: Id, workspace_id: Id, fieldName: str, fieldValue: object) -> Environment:
        """Set a field; a slash leads to one inside (E4)."""

    @endpoint("DELETE environments/ws/{workspace_id}/{environment_id}")
    def delete(self, environment_id: Id, workspace_id: Id) -> Any:
        """Delete it, by id or name (E5)."""


def _new_flag_set(arguments: Arguments) -> object:
    workspace = {"id": arguments["workspace_id"], "type": "WORKSPACE"}
    return {**as_dict(arguments["flag_set"]), "workspace": workspace}


class FlagSets(Microclient):
    """Flags that an SDK may ask for together."""

    @endpoint("GET flag-sets?workspace_id={workspace_id}", pages=Markers(50), answers=made(FlagSet))
    def list(self, workspace_id: Id) -> Listed[FlagSet]:
        """All flag sets of a workspace (V1)."""

    def find(self, flag_set_name: str | None = None, workspace_id: Id = None) -> FlagSet | None:
        """The one of that name (V2)."""
        return self._first(self.list.iterate(workspace_id), flag_set_name)

    @endpoint("GET flag-sets/{flag_set_id}", answers=made(FlagSet))
    def get(self, flag_set_id: Id = None) -> FlagSet:
        """One by its id (V3)."""

    @endpoint("POST flag-sets", body=_new_flag_set, answers=made(FlagSet))
    def add(self, flag_set: Body, workspace_id: Id) -> FlagSet:
        """Create one (V4)."""

    @endpoint("DELETE flag-sets/{flag_set_id}")
    def delete(self, flag_set_id: Id) -> Any:
        """Delete it (V5)."""
