"""The two clients: what each has, and what Harness mode has done away with (spec 1.2, 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from ..rest.endpoints import Arguments
from ..rest.operations import Declaration
from ..rest.paging import Progress
from ..rest.session import Rest
from .exceptions import HarnessDeprecatedEndpointError
from .microclients.flags import ChangeRequests, SplitDefinitions, Splits
from .microclients.harness_access import HarnessProjects, ResourceGroups, RoleAssignments, Roles
from .microclients.harness_keys import HarnessApiKeys, ServiceAccounts, Tokens
from .microclients.harness_people import HarnessGroups, HarnessUsers
from .microclients.people import APIKeys, Groups, Users
from .microclients.schema import Attributes, Identities, TrafficTypes
from .microclients.segments import (
    LargeSegmentDefinitions,
    LargeSegments,
    RuleBasedSegmentDefinitions,
    RuleBasedSegments,
    SegmentDefinitions,
    Segments,
)
from .microclients.workspaces import Environments, FlagSets, Restrictions, Workspaces

__all__ = ["HarnessClient", "SplitClient"]

C = TypeVar("C", bound="SplitClient")


class SplitClient:
    """The Admin API of Split; ``get_client`` makes it. Usable by many threads; ``close`` it, or use it by ``with``."""

    def __init__(self, v2: Rest, v3: Rest, *, progress: Progress | None = None) -> None:
        self.progress = progress
        self._sessions = [v2, v3]
        self.workspaces = Workspaces(self, v2)
        self.restrictions = Restrictions(self, v2)
        self.environments = Environments(self, v2)
        self.traffic_types = TrafficTypes(self, v2)
        self.attributes = Attributes(self, v2)
        self.identities = Identities(self, v2)
        self.segments = Segments(self, v2)
        self.segment_definitions = SegmentDefinitions(self, v2)
        self.splits = Splits(self, v2)
        self.split_definitions = SplitDefinitions(self, v2)
        self.large_segments = LargeSegments(self, v2)
        self.large_segment_definitions = LargeSegmentDefinitions(self, v2)
        self.rule_based_segments = RuleBasedSegments(self, v2)
        self.rule_based_segment_definitions = RuleBasedSegmentDefinitions(self, v2)
        self.change_requests = ChangeRequests(self, v2)
        self.users = Users(self, v2)
        self.groups = Groups(self, v2)
        self.apikeys = APIKeys(self, v2)
        self.flag_sets = FlagSets(self, v3)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._sessions[0].url}>"

    def __deepcopy__(self: C, memo: object) -> C:
        return self  # a copied object goes by the same client

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give its connections back."""
        for session in self._sessions:
            session.close()

    def check(self, declared: Declaration, arguments: Arguments) -> None:
        """Raises what a call that this mode does not have raises; here it has all."""


Gone = Callable[[str, Arguments], bool]

GONE: Mapping[str, Gone] = {
    "workspaces": lambda method, arguments: method != "GET",
    "apiKeys": lambda method, arguments: method == "POST" and arguments["api_key_type"] == "admin",
    "users": lambda method, arguments: True,
    "groups": lambda method, arguments: True,
    "restrictions": lambda method, arguments: True,
}
"""By the first part of the path: the calls that Harness mode does not have."""


class HarnessClient(SplitClient):
    """The Admin API of Split as part of Harness, and the Harness platform.

    ``scope`` holds the client's own account, organisation and project; with ``strict`` a list that fails raises.
    """

    def __init__(
        self,
        v2: Rest,
        v3: Rest,
        platform: Rest,
        *,
        scope: Mapping[str, Any],
        strict: bool = False,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(v2, v3, progress=progress)
        self.scope = scope
        self.strict = strict
        self._sessions.append(platform)
        self.token = Tokens(self, platform)
        self.harness_apikey = HarnessApiKeys(self, platform)
        self.service_account = ServiceAccounts(self, platform)
        self.harness_user = HarnessUsers(self, platform)
        self.harness_group = HarnessGroups(self, platform)
        self.role = Roles(self, platform)
        self.resource_group = ResourceGroups(self, platform)
        self.role_assignment = RoleAssignments(self, platform)
        self.harness_project = HarnessProjects(self, platform)

    def check(self, declared: Declaration, arguments: Arguments) -> None:
        """Raises ``HarnessDeprecatedEndpointError`` for what Harness mode does not have."""
        template = declared.path.partition("?")[0]
        is_gone = GONE.get(template.partition("/")[0])
        if is_gone is not None and is_gone(declared.method, arguments):
            raise HarnessDeprecatedEndpointError(
                f"Endpoint {template} with method {declared.method} is deprecated in harness mode"
            )
