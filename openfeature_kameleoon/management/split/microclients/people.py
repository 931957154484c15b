"""Users, groups and API keys (spec 2.14)."""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...rest.endpoints import Arguments, done, endpoint
from ...rest.paging import Markers, Offsets
from ..resources.base import Body, Id, Listed
from ..resources.people import APIKey, Group, User
from .base import Microclient, made

__all__ = ["APIKeys", "Groups", "Users"]


class Users(Microclient):
    """People with an account; not in harness mode."""

    @endpoint("GET users?status={status}", pages=Markers(200), answers=made(User))
    def list(self, status: str) -> Listed[User]:
        """Those who are ``ACTIVE``, ``DEACTIVATED`` or ``PENDING`` (U1)."""

    def find(self, user_email: str) -> User | None:
        """The one of that e-mail address, whatever the status (U2)."""
        everybody = (user for status in ("ACTIVE", "DEACTIVATED", "PENDING") for user in self.list.iterate(status))
        return next((user for user in everybody if user.email == user_email), None)

    @endpoint("POST users", body="data", answers=done)
    def invite_user(self, data: Body) -> bool:
        """Invite somebody by e-mail (U3)."""

    @endpoint("DELETE users/{user_id}")
    def delete(self, user_id: Id) -> Any:
        """Delete one who is ``PENDING`` (U4)."""

    @endpoint("PUT users/{user_id}", body="data", answers=made(User))
    def update_user(self, user_id: Id, data: Body) -> User:
        """Replace name, e-mail address, ``2fa`` and status (U5)."""

    @endpoint("PATCH users/{user_id}", body="data", answers=made(User))
    def update_user_group(self, user_id: Id, data: Sequence[Any]) -> User:
        """Change somebody's groups by a JSON Patch (U6)."""


class Groups(Microclient):
    """Users who may do the same; not in harness mode."""

    @endpoint("GET groups", pages=Offsets(200), answers=made(Group))
    def list(self) -> Listed[Group]:
        """All groups (G1)."""

    def find(self, group_name: str) -> Group | None:
        """The one of that name (G2)."""
        return next((group for group in self.list.iterate() if group.name == group_name), None)

    @endpoint("POST groups", body="data", answers=made(Group))
    def create_group(self, data: Body) -> Group:
        """Create one (G3)."""

    @endpoint("PUT groups/{group_id}", body="data", answers=made(Group))
    def update_group(self, group_id: Id, data: Body) -> Group:
        """Replace name and description (G4)."""

    @endpoint("DELETE groups/{group_id}", answers=done)
    def delete_group(self, group_id: Id) -> bool:
        """Delete it (G5)."""


def _new_key(arguments: Arguments) -> object:
    environments, workspace = arguments["environment_ids"], arguments["workspace_id"]
    told = {
        "name": arguments["api_key_name"],
        "apiKeyType": arguments["api_key_type"],
        "environments": environments and [{"type": "environment", "id": one} for one in environments],
        "workspace": workspace and {"type": "workspace", "id": workspace},
        "roles": arguments["roles"],
    }
    return {name: value for name, value in told.items() if value is not None}


class APIKeys(Microclient):
    """Keys of SDKs and of this API; in harness mode those of SDKs alone can be made."""

    @endpoint("POST apiKeys", body=_new_key, answers=made(APIKey))
    def create_apikey(
        self,
        api_key_name: str,
        api_key_type: str,
        environment_ids: Sequence[Id] | None,
        workspace_id: Id,
        roles: Sequence[str] | None = None,
    ) -> APIKey:
        """Make one (K1): ``admin``, ``server_side`` or ``client_side``; only now its ``key`` is told."""

    @endpoint("DELETE apiKeys/{apikey_id}", answers=done)
    def delete_apikey(self, apikey_id: Id) -> bool:
        """Delete it, by its id or the key itself (K2)."""
