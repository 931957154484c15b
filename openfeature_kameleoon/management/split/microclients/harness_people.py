"""Users, invitations and groups of the Harness platform (spec 2.16).

Every method ends with the scope: account, organisation and project, by default the client's.
"""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...rest.endpoints import done
from ...rest.paging import Indexed
from ..resources.base import Body, Id, Listed
from ..resources.harness import HarnessGroup, HarnessInvite, HarnessUser
from .harness_base import HarnessMicroclient, Scope, call, held, listing

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["HarnessGroups", "HarnessUsers"]


class HarnessUsers(HarnessMicroclient):
    """People with an account, and those who are invited."""

    @listing("POST ng/api/user/aggregate", pages=Indexed(None), answers=held(HarnessUser, "user"))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[HarnessUser]:
        """All users (HU1)."""

    @call("GET ng/api/user/aggregate/{user_id}", answers=held(HarnessUser, "user"))
    def get(self, user_id: Id, *scope: Id, **named: Unpack[Scope]) -> HarnessUser:
        """One by its id (HU2)."""

    @call("POST ng/api/user/users", body="user_data", answers=done)
    def invite(self, user_data: Body, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Invite people: ``emails``, ``userGroups``, ``roleBindings`` (HU3)."""

    @call("PUT ng/api/user/{user_id}", body="update_data", answers=held(HarnessUser))
    def update(self, user_id: Id, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> HarnessUser:
        """Replace one (HU4)."""

    @call(
        "PUT ng/api/user/add-user-to-groups/{user_id}",
        body=lambda arguments: {"userGroupIdsToAdd": arguments["group_ids"]},
        answers=done,
    )
    def add_user_to_groups(self, user_id: Id, group_ids: Sequence[str], *scope: Id, **named: Unpack[Scope]) -> bool:
        """Add somebody to groups (HU5)."""

    @call("POST ng/api/invites/aggregate", pages=Indexed(None), answers=held(HarnessInvite))
    def list_pending(self, *scope: Id, **named: Unpack[Scope]) -> Listed[HarnessInvite]:
        """Those who have not accepted yet (HU6)."""

    @call("DELETE ng/api/invites/{invite_id}", answers=done)
    def delete_pending(self, invite_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Withdraw an invitation (HU7)."""


class HarnessGroups(HarnessMicroclient):
    """Users who may do the same."""

    @listing("GET ng/api/user-groups?filterType={filterType}", pages=Indexed(100), answers=held(HarnessGroup))
    def list(self, *scope: Id, filterType: str | None = None, **named: Unpack[Scope]) -> Listed[HarnessGroup]:
        """All groups; ``EXCLUDE_INHERITED_GROUPS`` or ``INCLUDE_INHERITED_GROUPS`` (HG1)."""

    @call("GET ng/api/user-groups/{group_identifier}", answers=held(HarnessGroup))
    def get(self, group_identifier: Id, *scope: Id, **named: Unpack[Scope]) -> HarnessGroup:
        """One by its identifier (HG2)."""

    @call("POST ng/api/user-groups", body="group_data", answers=held(HarnessGroup))
    def create(self, group_data: Body, *scope: Id, **named: Unpack[Scope]) -> HarnessGroup:
        """Create one (HG3)."""

    @call("PATCH ng/api/user-groups", body="update_data", answers=held(HarnessGroup))
    def update(self, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> HarnessGroup:
        """Replace the one that ``update_data`` identifies (HG4)."""

    @call("DELETE ng/api/user-groups/{group_identifier}", answers=done)
    def delete(self, group_identifier: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HG5)."""
