"""Workspaces ("projects" in the UI), who may see them, their environments and flag sets (spec 3.2)."""
# The documented names.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ...rest.fields import field
from ..exceptions import EndpointNotImplemented
from .base import Body, Id, Listed, Placed, SplitRecord, Via, as_dict
from .schema import BulkOperationResult, Identity

if TYPE_CHECKING:
    from .flags import Split
    from .segments import LargeSegment, RuleBasedSegment, Segment

__all__ = ["Environment", "FlagSet", "Restriction", "Workspace"]


class Workspace(SplitRecord):
    """What holds flags, segments and environments."""

    id = field(str)
    name = field(str)
    type = field(str)
    requires_title_and_comments = field(bool)
    organization_identifier = field(str)
    project_identifier = field(str)

    def add_environment(self, data: Body, apiclient: Via = None) -> Environment:
        """Create an environment (E3)."""
        return self._via(apiclient).environments.add(data, self.id)

    def delete_environment(self, environment_name: str, apiclient: Via = None) -> Any:
        """Delete an environment, by name or id (E5)."""
        return self._via(apiclient).environments.delete(environment_name, self.id)

    def add_segment(self, data: Body, traffic_type_name: str, apiclient: Via = None) -> Segment:
        """Create a segment (S3)."""
        return self._via(apiclient).segments.add(data, traffic_type_name, self.id)

    def delete_segment(self, segment_name: str, apiclient: Via = None) -> Any:
        """Delete a segment everywhere (S4)."""
        return self._via(apiclient).segments.delete(segment_name, self.id)

    def add_large_segment(self, data: Body, traffic_type_name: str, apiclient: Via = None) -> LargeSegment:
        """Create a large segment (L3)."""
        return self._via(apiclient).large_segments.add(data, traffic_type_name, self.id)

    def delete_large_segment(self, large_segment_name: str, apiclient: Via = None) -> Any:
        """Delete a large segment (L4)."""
        return self._via(apiclient).large_segments.delete(large_segment_name, self.id)

    def add_rule_based_segment(self, data: Body, traffic_type_name: str, apiclient: Via = None) -> RuleBasedSegment:
        """Create a rule-based segment (B3)."""
        return self._via(apiclient).rule_based_segments.add(data, traffic_type_name, self.id)

    def delete_rule_based_segment(self, segment_name: str, apiclient: Via = None) -> Any:
        """Delete a rule-based segment that no environment defines any more (B4)."""
        return self._via(apiclient).rule_based_segments.delete(segment_name, self.id)

    def add_split(self, data: Body, traffic_type_name: str, apiclient: Via = None) -> Split:
        """Create a flag (F4)."""
        return self._via(apiclient).splits.add(data, traffic_type_name, self.id)

    def delete_split(self, split_name: str, apiclient: Via = None) -> Any:
        """Delete a flag everywhere (F5)."""
        return self._via(apiclient).splits.delete(split_name, self.id)

    def get_rollout_statuses(self, apiclient: Via = None) -> Any:
        """The rollout statuses that flags may have (W3)."""
        return self._via(apiclient).workspaces.get_rollout_statuses(self.id)

    def update(self, fieldName: str, fieldValue: object, apiclient: Via = None) -> Workspace:
        """Set a field (W5)."""
        return self._via(apiclient).workspaces.update(self.id, fieldName, fieldValue)

    def delete(self, apiclient: Via = None) -> Any:
        """Delete it; its traffic types must be gone (W6)."""
        return self._via(apiclient).workspaces.delete(self.id)


class Restriction(SplitRecord):
    """Who may see a resource."""

    id = field(str)
    type = field(str)
    operations = field(dict)
    resource_permissions = field(dict)
    resource = field(dict)

    def update(self, fieldName: str, fieldValue: object, apiclient: Via = None) -> NoReturn:
        """Not in the API: ``restrictions.add`` replaces what was there."""
        raise EndpointNotImplemented("restrictions cannot be updated; restrictions.add replaces them")


class Environment(Placed):
    """Where flags and segments have their definitions."""

    fixed = frozenset({"id"})
    id = field(str)
    name = field(str)
    production = field(bool)
    org_id = field(str)
    status = field(str)
    type = field(str)
    creation_time = field(int)
    environment_type = field(str)
    workspace_ids = field(list)
    api_tokens = field(list)
    data_export_permissions = field(dict)
    change_permissions = field(dict)

    def add_identity(self, data: Body, apiclient: Via = None) -> Identity:
        """Save what is known of a key here (I1)."""
        return self._via(apiclient).identities.save({**as_dict(data), "environmentId": self.id})

    def add_identities(self, data: list[Any], apiclient: Via = None) -> BulkOperationResult:
        """Save what is known of keys of one traffic type here (I2)."""
        return self._via(apiclient).identities.save_all([{**as_dict(one), "environmentId": self.id} for one in data])

    def update(self, fieldName: str, fieldValue: object, apiclient: Via = None) -> Environment:
        """Set a field; a slash leads to one inside (E4)."""
        return self._via(apiclient).environments.update(self.id, self.workspace_id, fieldName, fieldValue)

    def update_name(self, new_name: str, apiclient: Via = None) -> Environment:
        """Rename it (E4)."""
        return self.update("name", new_name, apiclient)

    def delete(self, apiclient: Via = None) -> Any:
        """Delete it; its API keys must be gone (E5)."""
        return self._via(apiclient).environments.delete(self.id, self.workspace_id)


class FlagSet(Placed):
    """Flags that an SDK may ask for together."""

    fixed = frozenset({"id"})
    id = field(str)
    name = field(str)
    description = field(str)
    type = field(str)
    created_at = field(str)
    workspace = field(dict)

    def __init__(self, data: Mapping[str, Any] | None = None, workspace_id: Id = None, client: Via = None) -> None:
        super().__init__(data, workspace_id, client)
        self.workspace_id = workspace_id or self.workspace.get("id")

    def list(self, workspaceId: Id = None, apiclient: Via = None) -> Listed[FlagSet]:
        """All flag sets of its workspace (V1)."""
        return self._via(apiclient).flag_sets.list(self.workspace_id or workspaceId)

    def find(self, flagSetName: str, workspaceId: Id = None, apiclient: Via = None) -> FlagSet | None:
        """One of its workspace, by name (V2)."""
        return self._via(apiclient).flag_sets.find(flagSetName, self.workspace_id or workspaceId)

    def get(self, flagSetId: Id = None, apiclient: Via = None) -> FlagSet:
        """Itself, as it is now; the argument counts when it has no id (V3)."""
        return self._via(apiclient).flag_sets.get(self.id or flagSetId)

    def add(self, apiclient: Via = None) -> FlagSet:
        """Create it (V4)."""
        told = {"name": self.name, "description": self.description}
        return self._via(apiclient).flag_sets.add(told, self.workspace_id)

    def delete(self, flagSetId: Id = None, apiclient: Via = None) -> Any:
        """Delete it, or the one given (V5)."""
        return self._via(apiclient).flag_sets.delete(flagSetId or self.id)
