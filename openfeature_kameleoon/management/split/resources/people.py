"""Users, groups and API keys (spec 2.14, 3.2)."""

from __future__ import annotations

from typing import Any

from ...rest.fields import field
from .base import Body, SplitRecord, Via

__all__ = ["APIKey", "Group", "User"]


class User(SplitRecord):
    """Somebody with an account."""

    id = field(str)
    type = field(str, default=lambda: "user")
    name = field(str)
    email = field(str)
    status = field(str, values="ACTIVE DEACTIVATED PENDING")
    two_factor = field(bool, wire="2fa")
    groups = field(list)

    def update_user(self, data: Body, apiclient: Via = None) -> User:
        """Replace name, e-mail address, ``2fa`` and status (U5)."""
        return self._via(apiclient).users.update_user(self.id, data)

    def update_user_group(self, data: list[Any], apiclient: Via = None) -> User:
        """Change its groups by a JSON Patch (U6)."""
        return self._via(apiclient).users.update_user_group(self.id, data)


class Group(SplitRecord):
    """Users who may do the same."""

    id = field(str)
    type = field(str, default=lambda: "group")
    name = field(str)
    description = field(str, default=str)


class APIKey(SplitRecord):
    """A key of an SDK or of this API; ``key`` is the secret, and there only when it has just been made."""

    id = field(str)
    key = field(str, is_secret=True)
    name = field(str)
    type = field(str)
    api_key_type = field(str, values="admin server_side client_side")
    organization = field(dict)
    created_by = field(dict)
    created_at = field(int)
    environments = field(list)
    workspace = field(dict)
    roles = field(list)
