"""Tokens, API keys and service accounts of the Harness platform (spec 2.16).

Every method ends with the scope: account, organisation and project, by default the client's.
"""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...rest.endpoints import done
from ...rest.operations import Declaration
from ...rest.paging import Indexed, Whole
from ..exceptions import HTTPNotFoundError
from ..resources.base import Body, Id, Listed
from ..resources.harness import HarnessApiKey, ServiceAccount, Token
from .harness_base import HarnessMicroclient, Scope, call, held, listing, maybe_held, told

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["HarnessApiKeys", "ServiceAccounts", "Tokens"]

OF_PARENT = "apiKeyType=SERVICE_ACCOUNT&parentIdentifier={parent_identifier}"


class Tokens(HarnessMicroclient):
    """Tokens of service accounts' API keys."""

    @listing("GET ng/api/token/aggregate?apiKeyType=SERVICE_ACCOUNT", pages=Indexed(100), answers=held(Token, "token"))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[Token]:
        """All tokens (HT1)."""

    def get(
        self, token_id: str, account_identifier: Id = None, org_identifier: Id = None, project_identifier: Id = None
    ) -> Token | None:
        """The one of that identifier (HT2)."""
        found = self.list.iterate(account_identifier, org_identifier, project_identifier)
        return self._first(found, token_id, by="identifier")

    @call("POST ng/api/token", body="token_data", answers=told)
    def create(self, token_data: Body, *scope: Id, **named: Unpack[Scope]) -> str:
        """Create one; gives the secret (HT3)."""

    @call("PUT ng/api/token/{token_id}", body="update_data", answers=held(Token))
    def update(self, token_id: Id, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> Token:
        """Replace it (HT4)."""

    @call(
        "POST ng/api/token/rotate/{token_id}?" + OF_PARENT + "&apiKeyIdentifier={api_key_identifier}",
        answers=told,
    )
    def rotate(
        self, token_id: Id, parent_identifier: str, api_key_identifier: str, *scope: Id, **named: Unpack[Scope]
    ) -> str:
        """Give it a new secret, which is answered (HT5)."""

    @call("DELETE ng/api/token/{token_id}", answers=done)
    def delete(self, token_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HT6)."""


class HarnessApiKeys(HarnessMicroclient):
    """API keys of service accounts."""

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """The parent is named in any case, even if by nothing."""
        if "parent_identifier" in arguments:
            arguments["parent_identifier"] = arguments["parent_identifier"] or ""
        return super().completed(declared, arguments)

    @listing("GET ng/api/apikey?" + OF_PARENT, pages=Whole("data"), answers=held(HarnessApiKey))
    def list(self, parent_identifier: Id = None, *scope: Id, **named: Unpack[Scope]) -> Listed[HarnessApiKey]:
        """The keys of a service account (HK1)."""

    @call("GET ng/api/apikey/aggregate/{apikey_id}?" + OF_PARENT, answers=maybe_held(HarnessApiKey, "apiKey"))
    def get(
        self, apikey_id: Id, parent_identifier: Id = None, *scope: Id, **named: Unpack[Scope]
    ) -> HarnessApiKey | None:
        """One by its identifier (HK2)."""

    @call("POST ng/api/apikey", body="apikey_data", answers=maybe_held(HarnessApiKey))
    def create(self, apikey_data: Body, *scope: Id, **named: Unpack[Scope]) -> HarnessApiKey | None:
        """Create one (HK3)."""

    @call("POST {area}/api/roleassignments", body="permissions", answers=done)
    def _permit(self, area: str, permissions: Body, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Assign a role."""

    def add_permissions(
        self,
        apikey_id: Id,
        permissions: Body,
        account_identifier: Id = None,
        org_identifier: Id = None,
        project_identifier: Id = None,
    ) -> bool:
        """Assign the role that ``permissions`` name, to whom they name (HK4)."""
        scope = (account_identifier, org_identifier, project_identifier)
        try:
            return self._permit("ng", permissions, *scope)
        except HTTPNotFoundError:
            return self._permit("authz", permissions, *scope)

    @call("DELETE ng/api/apikey/{apikey_id}?" + OF_PARENT, answers=done)
    def delete(self, apikey_id: Id, parent_identifier: Id = None, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HK5)."""


class ServiceAccounts(HarnessMicroclient):
    """Machines with an account."""

    @listing("GET ng/api/serviceaccount", pages=Whole("data"), answers=held(ServiceAccount))
    def list(self, *scope: Id, **named: Unpack[Scope]) -> Listed[ServiceAccount]:
        """All service accounts (HS1)."""

    @call("GET ng/api/serviceaccount/aggregate/{service_account_id}", answers=held(ServiceAccount, "serviceAccount"))
    def get(self, service_account_id: Id, *scope: Id, **named: Unpack[Scope]) -> ServiceAccount:
        """One by its identifier (HS2)."""

    @call("POST ng/api/serviceaccount", body="service_account_data", answers=held(ServiceAccount))
    def create(self, service_account_data: Body, *scope: Id, **named: Unpack[Scope]) -> ServiceAccount:
        """Create one (HS3)."""

    @call("PUT ng/api/serviceaccount/{service_account_id}", body="update_data", answers=held(ServiceAccount))
    def update(self, service_account_id: Id, update_data: Body, *scope: Id, **named: Unpack[Scope]) -> ServiceAccount:
        """Replace it (HS4)."""

    @call("DELETE ng/api/serviceaccount/{service_account_id}", answers=done)
    def delete(self, service_account_id: Id, *scope: Id, **named: Unpack[Scope]) -> bool:
        """Delete it (HS5)."""
