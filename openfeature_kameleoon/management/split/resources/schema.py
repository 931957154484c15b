"""Kinds of keys, their attributes, and what is known of single keys (spec 2.4 to 2.6, 3.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ...rest.fields import field
from .base import Body, Id, JsonObject, SplitRecord, Via, as_dict

__all__ = ["Attribute", "BulkOperationResult", "Identity", "TrafficType"]


class Attribute(SplitRecord):
    """Something that is known of keys of a traffic type."""

    stamps = ("workspace_id",)
    id = field(str)
    traffic_type_id = field(str)
    display_name = field(str)
    description = field(str)
    data_type = field(str, values="string number datetime set")
    workspace_id = field(str)
    is_searchable = field(bool)
    suggested_values = field(list)

    def save(self, apiclient: Via = None) -> Attribute:
        """Create or replace it (A3)."""
        return self._via(apiclient).attributes.save(self)

    def delete(self, apiclient: Via = None) -> bool:
        """Delete it (A5)."""
        return self._via(apiclient).attributes.delete_by_instance(self)


class Identity(SplitRecord):
    """The attributes of one key in an environment; it has no id."""

    id = field(str)
    key = field(str)
    traffic_type_id = field(str)
    environment_id = field(str)
    values = field(dict)

    def save(self, apiclient: Via = None) -> Identity:
        """Create or replace it (I1)."""
        return self._via(apiclient).identities.save(self)

    def update(self, apiclient: Via = None) -> Identity:
        """Change the attributes given (I3)."""
        return self._via(apiclient).identities.update(self)

    def delete(self, apiclient: Via = None) -> bool:
        """Forget it (I6)."""
        return self._via(apiclient).identities.delete_by_instance(self)


@dataclasses.dataclass(frozen=True, slots=True)
class BulkOperationResult:
    """What became of many identities; unpacks into ``successful, failed``.

    Each of ``failed`` has ``object``, ``status`` and ``message``.
    """

    successful: list[Identity]
    failed: list[JsonObject]
    metadata: JsonObject = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter((self.successful, self.failed))


class TrafficType(SplitRecord):
    """A kind of key: user, account."""

    stamps = ("workspace_id",)
    id = field(str)
    name = field(str)
    display_attribute_id = field(str)
    workspace_id: Id

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        workspaceId: Id = None,  # noqa: N803  # the documented name
        client: Via = None,
    ) -> None:
        super().__init__(data, client)
        self.workspace_id = workspaceId

    def fetch_attributes(self, apiclient: Via = None) -> list[Attribute]:
        """Its attributes (A1)."""
        return self._via(apiclient).attributes.list(self.id, self.workspace_id)

    def add_attribute(self, data: Body, apiclient: Via = None) -> Attribute:
        """Give it an attribute; in its own workspace unless another is given (A3)."""
        told = {"workspaceId": self.workspace_id, **as_dict(data), "trafficTypeId": self.id}
        return self._via(apiclient).attributes.save(told)

    def import_attributes_from_json(self, json_data: list[Any], apiclient: Via = None) -> bool:
        """Create or replace many attributes (A6)."""
        return self._via(apiclient).attributes.import_attributes_from_json(self.workspace_id, self.id, json_data)

    def add_identity(self, data: Body, apiclient: Via = None) -> Identity:
        """Save what is known of a key (I1)."""
        return self._via(apiclient).identities.save({**as_dict(data), "trafficTypeId": self.id})

    def add_identities(self, data: list[Any], apiclient: Via = None) -> BulkOperationResult:
        """Save what is known of keys of one environment (I2)."""
        return self._via(apiclient).identities.save_all([{**as_dict(one), "trafficTypeId": self.id} for one in data])
