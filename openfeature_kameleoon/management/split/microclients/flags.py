"""Flags, their definitions, and change requests (spec 2.9, 2.10, 2.13)."""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...rest.endpoints import done, endpoint
from ...rest.paging import Markers, Offsets
from ..exceptions import HTTPNotFoundError
from ..resources.base import Body, Id, Listed
from ..resources.flags import ChangeRequest, Split, SplitDefinition
from .base import Microclient, as_sent, made

__all__ = ["ChangeRequests", "SplitDefinitions", "Splits"]

DEFINITION = "splits/ws/{workspace_id}/{split_name}/environments/{environment_id}"


class Splits(Microclient):
    """Flags, as all environments have them; ``get`` and ``add`` alone tell their owners."""

    @endpoint("GET splits/ws/{workspace_id}?tag={tags}", pages=Offsets(20), answers=made(Split))
    def list(self, workspace_id: Id, tags: Sequence[str] = ()) -> Listed[Split]:
        """The flags of a workspace, or those with these tags (F1)."""

    def find(self, split_name: str, workspace_id: Id, tags: Sequence[str] = ()) -> Split | None:
        """The one of that name (F2)."""
        return self._first(self.list.iterate(workspace_id, tags), split_name)

    @endpoint("GET splits/ws/{workspace_id}/{split_name}", answers=made(Split))
    def get(self, split_name: Id, workspace_id: Id) -> Split:
        """One by its name (F3)."""

    @endpoint(
        "POST splits/ws/{workspace_id}/trafficTypes/{traffic_type_name}", body=as_sent("split"), answers=made(Split)
    )
    def add(self, split: Body, traffic_type_name: Id, workspace_id: Id) -> Split:
        """Create one, for a traffic type by name or id (F4)."""

    @endpoint("DELETE splits/ws/{workspace_id}/{split_name}")
    def delete(self, split_name: Id, workspace_id: Id) -> Any:
        """Delete it, and its definitions everywhere (F5)."""

    @endpoint(
        "PUT splits/ws/{workspace_id}/{split_name}/updateDescription", body="new_description", answers=made(Split)
    )
    def update_description(self, split_name: Id, new_description: str, workspace_id: Id) -> Split:
        """Describe it anew (F6)."""

    @endpoint(f"POST {DEFINITION}", body=as_sent("data"), answers=made(SplitDefinition))
    def add_to_environment(self, split_name: Id, environment_id: Id, workspace_id: Id, data: Body) -> SplitDefinition:
        """Define it in an environment (F7)."""

    @endpoint(f"DELETE {DEFINITION}?title={{title}}&comment={{comment}}")
    def remove_from_environment(
        self, split_name: Id, environment_id: Id, comment: str, title: str, workspace_id: Id
    ) -> Any:
        """Remove its definition from an environment (F8)."""

    @endpoint("POST tags/ws/{workspace_id}/object/{split_name}/objecttype/Split", body="tags", answers=done)
    def associate_tags(self, split_name: Id, tags: Sequence[str], workspace_id: Id) -> bool:
        """Replace its tags (F9)."""


class SplitDefinitions(Microclient):
    """Flags, as one environment has them."""

    @endpoint(
        "GET splits/ws/{workspace_id}/environments/{environment_id}",
        pages=Offsets(20),
        answers=made(SplitDefinition),
    )
    def list(self, environment_id: Id, workspace_id: Id) -> Listed[SplitDefinition]:
        """The definitions in an environment (FD1)."""

    def find(self, split_name: str, environment_id: Id, workspace_id: Id) -> SplitDefinition | None:
        """The one of that flag (FD2)."""
        return self._first(self.list.iterate(environment_id, workspace_id), split_name)

    @endpoint(f"GET {DEFINITION}", answers=made(SplitDefinition))
    def _get(self, split_name: Id, environment_id: Id, workspace_id: Id) -> SplitDefinition: ...

    def get_definition(self, split_name: Id, environment_id: Id, workspace_id: Id) -> SplitDefinition | None:
        """The one of that flag; ``None`` when it has none there (FD3)."""
        try:
            return self._get(split_name, environment_id, workspace_id)
        except HTTPNotFoundError:
            return None

    @endpoint(f"PUT {DEFINITION}", body=as_sent("new_definition"), answers=made(SplitDefinition))
    def update_definition(
        self, split_name: Id, environment_id: Id, workspace_id: Id, new_definition: Body
    ) -> SplitDefinition:
        """Replace it (FD4)."""

    @endpoint(f"PUT {DEFINITION}/kill")
    def kill(self, split_name: Id, environment_id: Id, workspace_id: Id) -> Any:
        """Serve the default treatment to everybody (FD5)."""

    @endpoint(f"PUT {DEFINITION}/restore")
    def restore(self, split_name: Id, environment_id: Id, workspace_id: Id) -> Any:
        """Serve by its rules again (FD6)."""


class ChangeRequests(Microclient):
    """Changes that wait for approval; who has asked for one may withdraw it, and not approve it."""

    @endpoint(
        "GET changeRequests?environmentId={environment_id}&status={status}",
        pages=Markers(100),
        answers=made(ChangeRequest),
    )
    def list(self, environment_id: Id = None, status: str | None = None) -> Listed[ChangeRequest]:
        """Those of an environment and status; without a status those that are open (C1)."""

    def find(
        self,
        split_name: str | None = None,
        segment_name: str | None = None,
        environment_id: Id = None,
        status: str | None = None,
    ) -> Listed[ChangeRequest]:
        """Those about the flag, or a segment of any kind; without a name all of them (C2)."""
        found = self.list.iterate(environment_id, status)
        if split_name is None and segment_name is None:
            return [*found]
        return [one for one in found if one.name and one.name == (split_name if one.split else segment_name)]

    @endpoint(
        "PUT changeRequests/{change_request_id}",
        body=lambda arguments: {"status": arguments["new_status"], "comment": arguments["comment"]},
        answers=made(ChangeRequest),
    )
    def update_status(self, change_request_id: Id, new_status: str, comment: str) -> ChangeRequest:
        """Approve, reject or withdraw it (C3)."""

    @endpoint(
        "POST changeRequests/ws/{workspace_id}/environments/{environment_id}",
        body=as_sent("data"),
        answers=made(ChangeRequest),
    )
    def submit_change_request(self, environment_id: Id, workspace_id: Id, data: Body) -> ChangeRequest:
        """Ask for a change; the objects' own ``submit_change_request`` make the body (C4)."""
