"""Objects of the Harness platform (spec 3.7): every field as ``obj.snake_case`` and ``obj.camelCase``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...rest.fields import field, plain
from .base import JsonObject, SplitRecord, Via, maybe

__all__ = [
    "HarnessApiKey",
    "HarnessGroup",
    "HarnessInvite",
    "HarnessProject",
    "HarnessRecord",
    "HarnessUser",
    "ResourceGroup",
    "Role",
    "RoleAssignment",
    "ScopedRecord",
    "ServiceAccount",
    "Token",
]


class HarnessRecord(SplitRecord):
    """An object of the platform; its JSON may spell a field in snake_case too."""

    def __init__(self, data: Mapping[str, Any] | None = None, client: Via = None) -> None:
        spelt = {one.name: one.wire for one in self.fields.values() if one.name != "id"}
        super().__init__({spelt.get(name, name): value for name, value in (data or {}).items()}, client)

    def export_dict(self) -> JsonObject:
        """Every field, ``None`` when absent, and nothing else."""
        return {one.wire: plain(self.raw.get(one.wire)) for one in self.fields.values()}


class ScopedRecord(HarnessRecord):
    """An object that tells its account, organisation and project."""

    account_identifier = field(str)
    org_identifier = field(str)
    project_identifier = field(str)


class Token(ScopedRecord):
    """A token of an API key; its secret is told once, by ``create`` and ``rotate``."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    valid_from = field(int)
    valid_to = field(int)
    scheduled_expire_time = field(int)
    valid = field(bool)
    api_key_identifier = field(str)
    parent_identifier = field(str)
    api_key_type = field(str, values="USER SERVICE_ACCOUNT")
    description = field(str)
    tags = maybe(dict)
    ssh_key_content = field(str)
    ssh_key_usage = maybe(list)


class HarnessApiKey(ScopedRecord):
    """An API key, which has tokens."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    description = field(str)
    value = field(str, is_secret=True)
    api_key_type = field(str, values="USER SERVICE_ACCOUNT")
    parent_identifier = field(str)
    default_time_to_expire_token = field(int)
    governance_metadata = maybe(dict)


class ServiceAccount(ScopedRecord):
    """A machine with an account."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    email = field(str)
    description = field(str)
    tags = maybe(dict)
    extendable = field(bool)


class HarnessUser(HarnessRecord):
    """Somebody with an account."""

    id = field(str, wire="uuid")
    name = field(str)
    email = field(str)
    uuid = field(str)
    locked = field(bool)
    disabled = field(bool)
    externally_managed = field(bool)
    two_factor_authentication_enabled = field(bool)


class HarnessInvite(ScopedRecord):
    """Somebody who has not accepted yet."""

    id = field(str)
    name = field(str)
    email = field(str)
    role_bindings = maybe(list)
    user_groups = maybe(list)
    invite_type = field(str)
    approved = field(bool)


class HarnessGroup(ScopedRecord):
    """Users who may do the same."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    users = maybe(list)
    notification_configs = maybe(list)
    linked_sso_id = field(str)
    linked_sso_display_name = field(str)
    sso_group_id = field(str)
    sso_group_name = field(str)
    linked_sso_type = field(str)
    externally_managed = field(bool)
    description = field(str)
    tags = maybe(dict)
    harness_managed = field(bool)
    sso_linked = field(bool)


class Role(HarnessRecord):
    """What somebody may do."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    permissions = maybe(list)
    allowed_scope_levels = maybe(list)
    description = field(str)


class ResourceGroup(ScopedRecord):
    """What a role is about."""

    id = field(str, wire="identifier")
    identifier = field(str)
    name = field(str)
    color = field(str)
    tags = maybe(dict)
    description = field(str)
    allowed_scope_levels = maybe(list)
    included_scopes = maybe(list)
    resource_filter = maybe(dict)


class RoleAssignment(HarnessRecord):
    """Who has which role, over what."""

    id = field(str, wire="identifier")
    identifier = field(str)
    resource_group_identifier = field(str)
    role_identifier = field(str)
    role_reference = maybe(dict)
    principal = maybe(dict)
    disabled = field(bool)
    managed = field(bool)
    internal = field(bool)


class HarnessProject(HarnessRecord):
    """A project, which is a workspace's counterpart."""

    id = field(str, wire="identifier")
    org_identifier = field(str)
    identifier = field(str)
    name = field(str)
    color = field(str)
    modules = maybe(list)
    description = field(str)
    tags = maybe(dict)
