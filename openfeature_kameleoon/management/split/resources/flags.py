"""Flags, their definitions in an environment, and changes that wait for approval (spec 3.4, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...rest.fields import field
from .base import Body, Id, JsonObject, Placed, SplitRecord, Via, as_dict, inner, inner_list, maybe, unless_zero
from .schema import TrafficType
from .values import DefaultRule, Rule, Treatment
from .workspaces import Environment, FlagSet

__all__ = ["BARE_OPERATIONS", "ChangeRequest", "Split", "SplitDefinition", "change_of"]

BARE_OPERATIONS = frozenset({"KILL", "RESTORE", "ARCHIVE"})
"""What is asked of a flag by its name alone."""


class Split(Placed):
    """A flag, as all environments have it."""

    id = field(str)
    name = field(str)
    description = field(str)
    traffic_type = inner(TrafficType)
    creation_time = field(int, default=int)
    rollout_status = field(dict)
    rollout_status_timestamp = field(int, default=int)
    tags = field(list)
    owners = field(list)

    def update_description(self, new_description: str, apiclient: Via = None) -> Split:
        """Describe it anew (F6)."""
        return self._via(apiclient).splits.update_description(self.name, new_description, self.workspace_id)

    def associate_tags(self, tags: Sequence[str], apiclient: Via = None) -> bool:
        """Replace its tags (F9)."""
        return self._via(apiclient).splits.associate_tags(self.name, tags, self.workspace_id)

    def add_to_environment(self, environment_id: Id, data: Body, apiclient: Via = None) -> SplitDefinition:
        """Define it in an environment (F7)."""
        return self._via(apiclient).splits.add_to_environment(self.name, environment_id, self.workspace_id, data)

    def remove_from_environment(
        self, environment_id: Id, comment: str = "", title: str = "", apiclient: Via = None
    ) -> Any:
        """Remove its definition from an environment (F8)."""
        splits = self._via(apiclient).splits
        return splits.remove_from_environment(self.name, environment_id, comment, title, self.workspace_id)


class SplitDefinition(SplitRecord):
    """A flag, as one environment has it."""

    stamps = ("workspace_id", "environment_id")
    id = field(str, wire="name")
    name = field(str)
    environment = inner(Environment, lambda value: Environment(value) if value.get("id") else None)
    traffic_type = inner(TrafficType)
    killed = field(bool, default=bool)
    treatments = inner_list(Treatment)
    default_treatment = field(str, default=str)
    baseline_treatment = field(str, default=str)
    traffic_allocation = field(int, default=int, note="0 when absent, which the service takes for 100")
    rules = inner_list(Rule)
    default_rule = inner_list(DefaultRule)
    flag_sets = inner_list(FlagSet)
    impressions_disabled = field(bool, default=bool)
    creation_time = field(int, read=unless_zero)
    last_update_time = field(int, read=unless_zero)
    last_traffic_received_at = field(int, read=unless_zero)
    open_change_request_id = field(str)
    workspace_id: Id
    environment_id: Id

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        environment_id: Id = None,
        workspace_id: Id = None,
        client: Via = None,
    ) -> None:
        super().__init__(data, client)
        self.environment_id = environment_id
        self.workspace_id = workspace_id

    def to_dict(self) -> JsonObject:
        """A copy of its JSON, whole; without an allocation everybody is in."""
        whole = super().to_dict()
        return whole if whole["trafficAllocation"] is not None else {**whole, "trafficAllocation": 100}

    def update_definition(self, data: Body, apiclient: Via = None) -> SplitDefinition:
        """Replace it (FD4)."""
        definitions = self._via(apiclient).split_definitions
        return definitions.update_definition(self.name, self.environment_id, self.workspace_id, data)

    def kill(self, apiclient: Via = None) -> Any:
        """Serve the default treatment to everybody (FD5)."""
        return self._via(apiclient).split_definitions.kill(self.name, self.environment_id, self.workspace_id)

    def restore(self, apiclient: Via = None) -> Any:
        """Serve by its rules again (FD6)."""
        return self._via(apiclient).split_definitions.restore(self.name, self.environment_id, self.workspace_id)

    def submit_change_request(
        self,
        definition: Body | None,
        operation_type: str,
        title: str,
        comment: str,
        approvers: Sequence[str],
        rollout_status_id: Id = None,
        apiclient: Via = None,
    ) -> ChangeRequest:
        """Ask for a change; to kill, restore or archive it takes no definition (C4)."""
        given = {} if operation_type in BARE_OPERATIONS else as_dict(definition)
        split = {"split": {**given, "name": self.name}}
        change = change_of(split, operation_type, title, comment, approvers, rollout_status_id)
        requests = self._via(apiclient).change_requests
        return requests.submit_change_request(self.environment_id, self.workspace_id, change)


class ChangeRequest(SplitRecord):
    """A change that waits for approval, or has had it; exactly one of its four payloads is there."""

    id = field(str)
    status = field(str, values="REQUESTED APPROVED PUBLISHED REJECTED WITHDRAWN")
    title = field(str, default=str)
    comment = field(str, default=str)
    operation_type = field(str, default=str, values="CREATE UPDATE KILL RESTORE ARCHIVE UPLOAD")
    split = maybe(dict)
    segment = maybe(dict)
    large_segment = maybe(dict)
    rule_based_segment = maybe(dict)
    environment = maybe(dict)
    workspace = maybe(dict)
    approvers = field(list)
    comments = field(list)
    rollout_status = field(dict)
    rollout_status_timestamp = field(int)
    transaction_metadata = maybe(dict)

    @property
    def name(self) -> str | None:
        """Of the flag or segment that it is about."""
        payloads = (self.split, self.segment, self.large_segment, self.rule_based_segment)
        return next((payload.get("name") for payload in payloads if payload), None)

    def update_status(self, new_status: str, comment: str, apiclient: Via = None) -> ChangeRequest:
        """Approve, reject or withdraw it (C3)."""
        return self._via(apiclient).change_requests.update_status(self.id, new_status, comment)


def change_of(
    payload: Mapping[str, Any],
    operation_type: str,
    title: str,
    comment: str,
    approvers: Sequence[str],
    rollout_status_id: Id = None,
) -> JsonObject:
    """The body that asks for a change (spec 5)."""
    rollout = {} if rollout_status_id is None else {"rolloutStatus": {"id": rollout_status_id}}
    told = {"operationType": operation_type, "title": title, "comment": comment, "approvers": list(approvers)}
    return {**payload, **told, **rollout}
