"""Traffic types, attributes and identities (spec 2.4 to 2.6)."""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...rest.endpoints import Arguments, done, endpoint
from ...rest.operations import Declaration
from ...rest.paging import Whole
from ..exceptions import HTTPNotFoundError
from ..resources.base import Body, Id, Listed, as_dict
from ..resources.schema import Attribute, BulkOperationResult, Identity, TrafficType
from .base import Microclient, as_sent, made, record_of

__all__ = ["Attributes", "Identities", "TrafficTypes"]


class TrafficTypes(Microclient):
    """Kinds of keys."""

    @endpoint("GET trafficTypes/ws/{workspace_id}", pages=Whole(), answers=made(TrafficType))
    def list(self, workspace_id: Id) -> Listed[TrafficType]:
        """All traffic types (T1)."""

    def find(self, traffic_type_name: str, workspace_id: Id) -> TrafficType | None:
        """The one of that name (T2)."""
        return self._first(self.list.iterate(workspace_id), traffic_type_name)

    @endpoint("DELETE trafficTypes/{traffic_type_id}")
    def delete(self, traffic_type_id: Id) -> Any:
        """Delete it (T3)."""


SCHEMA = "schema/ws/{workspace_id}/trafficTypes/{traffic_type_id}"
SAVED = ("id", "trafficTypeId", "displayName", "description", "dataType", "suggestedValues")


def _saved(arguments: Arguments) -> object:
    """Absent values go as null, but for ``isSearchable``."""
    given = as_dict(arguments["attribute"])
    searchable = {name: given[name] for name in ("isSearchable",) if given.get(name) is not None}
    return {name: given.get(name) for name in SAVED} | searchable


class Attributes(Microclient):
    """What can be known of keys."""

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """An attribute that is saved brings its own address."""
        if "attribute" in arguments:
            given = as_dict(arguments["attribute"])
            address = {"traffic_type_id": given.get("trafficTypeId"), "workspace_id": given.get("workspaceId")}
            arguments = {**arguments, **address}
        return super().completed(declared, arguments)

    @endpoint(f"GET {SCHEMA}", pages=Whole(), answers=made(Attribute))
    def list(self, traffic_type_id: Id, workspace_id: Id) -> Listed[Attribute]:
        """The attributes of a traffic type (A1)."""

    def find(self, attribute_id: str, traffic_type_name: Id, workspace_id: Id) -> Attribute | None:
        """The one of that id; the traffic type by its id, or by its name (A2)."""
        try:
            return self._first(self.list.iterate(traffic_type_name, workspace_id), attribute_id, by="id")
        except HTTPNotFoundError:
            named = self.client.traffic_types.find(str(traffic_type_name), workspace_id)
            if named is None:
                raise
            return self._first(self.list.iterate(named.id, workspace_id), attribute_id, by="id")

    @endpoint(f"POST {SCHEMA}", body=_saved, answers=made(Attribute))
    def save(self, attribute: Body) -> Attribute:
        """Create or replace one, in its own workspace and traffic type (A3)."""

    @endpoint(f"DELETE {SCHEMA}/{{attribute_id}}", answers=done)
    def delete(self, attribute_id: Id, workspace_id: Id, traffic_type_id: Id) -> bool:
        """Delete it (A4)."""

    def delete_by_instance(self, attribute: Attribute) -> bool:
        """Delete it (A5)."""
        return self.delete(attribute.id, attribute.workspace_id, attribute.traffic_type_id)

    @endpoint(
        "POST schema/ws/{workspaceId}/trafficTypes/{trafficTypeId}/attribute:bulk",
        body="data",
        answers=done,
    )
    def import_attributes_from_json(self, workspaceId: Id, trafficTypeId: Id, data: Sequence[Any]) -> bool:
        """Create or replace many; only their ``id`` must be given (A6)."""


IDENTITIES = "trafficTypes/{traffic_type_id}/environments/{environment_id}/identities"


def _results(microclient: Microclient, decoded: Any, arguments: Arguments) -> BulkOperationResult:
    def identity(found: object) -> Identity:
        return record_of(Identity, found, microclient, arguments)

    return BulkOperationResult(
        [identity(found) for found in decoded.get("objects") or ()],
        [{**failure, "object": identity(failure["object"])} for failure in decoded.get("failed") or ()],
        decoded.get("metadata") or {},
    )


class Identities(Microclient):
    """What is known of single keys in an environment."""

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """An identity brings its own address; many have that of the first."""
        first = next(iter(arguments.get("identities") or ()), arguments.get("identity"))
        if "identity" in arguments or "identities" in arguments:
            given = as_dict(first if first is not None else {})
            names = {"traffic_type_id": "trafficTypeId", "environment_id": "environmentId", "key": "key"}
            arguments = {**arguments, **{name: given.get(wire) for name, wire in names.items()}}
        return super().completed(declared, arguments)

    @endpoint(f"PUT {IDENTITIES}/{{key}}", body=as_sent("identity"), answers=made(Identity))
    def save(self, identity: Body) -> Identity:
        """Create or replace one (I1)."""

    @endpoint(f"POST {IDENTITIES}", body="identities", answers=_results)
    def save_all(self, identities: Sequence[Body]) -> BulkOperationResult:
        """Create or replace many of one traffic type and environment (I2)."""

    def add_identities(self, data: Sequence[Body]) -> BulkOperationResult:
        """``save_all``, by its other documented name (I2)."""
        return self.save_all(data)

    @endpoint(f"POST {IDENTITIES}/{{key}}/patch", body=as_sent("identity"), answers=made(Identity))
    def update(self, identity: Body) -> Identity:
        """Change the attributes given (I3)."""

    @endpoint(f"PATCH {IDENTITIES}/{{key}}", body=as_sent("identity"), answers=made(Identity))
    def patch(self, identity: Body) -> Identity:
        """Change the attributes given (I4)."""

    @endpoint(f"DELETE {IDENTITIES}/{{key}}", answers=done)
    def delete(self, traffic_type_id: Id, environment_id: Id, key: Id) -> bool:
        """Forget it (I5)."""

    def delete_by_instance(self, identity: Identity) -> bool:
        """Forget it (I6)."""
        return self.delete(identity.traffic_type_id, identity.environment_id, identity.key)
