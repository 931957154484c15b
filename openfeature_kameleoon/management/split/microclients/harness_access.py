"""Roles, what they are about, who has them, and projects of the Harness platform (spec 2.16).

Every method ends with the scope: account, organisation and project, by default the client's.
"""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rest.endpoints import done
from ...rest.errors import ApiError
from ...rest.paging import Indexed
from ..resources.base import Body, Id, Listed
from ..resources.harness import HarnessProject, ResourceGroup, Role, RoleAssignment
from .harness_base import HarnessMicroclient, OrganisationScope, Scope, call, held, listing

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["HarnessProjects", "ResourceGroups", "RoleAssignments", "Roles"]


class Roles(HarnessMicroclient):
    """What somebody may do."""

    @listing("GET authz/api/roles", pages=Indexed(100), answers=held(Role, "role"))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[Role]:
        """All of them (HR1)."""

    @call("GET authz/api/roles/{role_id}", answers=held(Role, "role"))
    def get(self, role_id: Id, *scope: Id, **named: Unpack[Scope]) -> Role:
        """One by its identifier (HR2)."""

    @call("POST authz/api/roles", body="role_data", answers=held(Role, "role"))
    def create(self, role_data: Body, *scope: Id, **named: Unpack[Scope]) -> Role:
        """Create one (HR3)."""

    @call("PUT authz/api/roles/{role_id}", body="update_data", answers=held(Role, "role"))
    def update(self, role_id: Id, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> Role:
        """Replace it (HR4)."""

    @call("DELETE authz/api/roles/{role_id}", answers=done)
    def delete(self, role_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HR5)."""


class ResourceGroups(HarnessMicroclient):
    """What a role is about."""

    @listing("GET resourcegroup/api/v2/resourcegroup", pages=Indexed(100), answers=held(ResourceGroup, "resourceGroup"))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[ResourceGroup]:
        """All of them (HX1)."""

    @call("GET resourcegroup/api/v2/resourcegroup/{resource_group_id}", answers=held(ResourceGroup, "resourceGroup"))
    def get(self, resource_group_id: Id, *scope: Id, **named: Unpack[Scope]) -> ResourceGroup:
        """One by its identifier (HX2)."""

    @call(
        "POST resourcegroup/api/v2/resourcegroup",
        body="resource_group_data",
        answers=held(ResourceGroup, "resourceGroup"),
    )
    def create(self, resource_group_data: Body, *scope: Id, **named: Unpack[Scope]) -> ResourceGroup:
        """Create one (HX3)."""

    @call(
        "PUT resourcegroup/api/v2/resourcegroup/{resource_group_id}",
        body="update_data",
        answers=held(ResourceGroup, "resourceGroup"),
    )
    def update(self, resource_group_id: Id, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> ResourceGroup:
        """Replace it (HX4)."""

    @call("DELETE resourcegroup/api/v2/resourcegroup/{resource_group_id}", answers=done)
    def delete(self, resource_group_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HX5)."""


class RoleAssignments(HarnessMicroclient):
    """Who has which role, over what."""

    @listing("GET authz/api/roleassignments", pages=Indexed(100), answers=held(RoleAssignment, "roleAssignment"))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[RoleAssignment]:
        """All of them (HA1)."""

    @call("GET authz/api/roleassignments/{role_assignment_id}", answers=held(RoleAssignment, "roleAssignment"))
    def get(self, role_assignment_id: Id, *scope: Id, **named: Unpack[Scope]) -> RoleAssignment:
        """One by its identifier (HA2)."""

    @call("POST authz/api/roleassignments", body="role_assignment_data", answers=held(RoleAssignment, "roleAssignment"))
    def create(self, role_assignment_data: Body, *scope: Id, **named: Unpack[Scope]) -> RoleAssignment:
        """Create one (HA3)."""

    @call("DELETE authz/api/roleassignments/{role_assignment_id}", answers=done)
    def delete(self, role_assignment_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HA4)."""


class HarnessProjects(HarnessMicroclient):
    """Projects of an organisation."""

    scope = ("account_identifier", "org_identifier")

    @listing("GET ng/api/projects", pages=Indexed(50), answers=held(HarnessProject, "project"), ends_on=ApiError)
    def list(self, *scope: Id, **named: Unpack[OrganisationScope]) -> Listed[HarnessProject]:
        """All projects (HP1)."""

    @call("GET ng/api/projects/{project_identifier}", answers=held(HarnessProject, "project"))
    def get(self, project_identifier: Id, *scope: Id, **named: Unpack[OrganisationScope]) -> HarnessProject:
        """One by its identifier (HP2)."""

    @call("POST ng/api/projects", body="project_data", answers=held(HarnessProject, "project"))
    def create(self, project_data: Body, *scope: Id, **named: Unpack[OrganisationScope]) -> HarnessProject:
        """Create one: ``{"project": {...}}`` (HP3)."""

    @call("PUT ng/api/projects/{project_identifier}", body="project_data", answers=held(HarnessProject, "project"))
    def update(
        self, project_identifier: Id, project_data: Body, *scope: Id, **named: Unpack[OrganisationScope]
    ) -> HarnessProject:
        """Replace it (HP4)."""

    @call("DELETE ng/api/projects/{project_identifier}", answers=done)
    def delete(self, project_identifier: Id, *scope: Id, **named: Unpack[OrganisationScope]) -> bool:
        """Delete it (HP5)."""
