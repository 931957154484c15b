"""The Harness platform side of the Split stand-in (2.16): objects by resource and scope, in ``data`` envelopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.management.standins.split_calls import Call, Json, Refused, having
from tests.management.standins.split_state import Route, Scope, State

__all__ = ["ROUTES"]

Handler = Callable[[State, Call], Any]

GROUP_FILTERS = (None, "EXCLUDE_INHERITED_GROUPS", "INCLUDE_INHERITED_GROUPS")
SCOPE_FIELDS = ("accountIdentifier", "orgIdentifier", "projectIdentifier")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object: ``wrapper`` is the name items stand under, ``usual`` what they have unless told."""

    name: str
    usual: Mapping[str, Any]
    wrapper: str | None = None
    identifier: str = "identifier"
    scope_fields: tuple[str, ...] = SCOPE_FIELDS
    filters: tuple[str, ...] = field(default=())

    def place(self, state: State, call: Call) -> dict[str, Json]:
        """The objects of the scope that the query names."""
        return state.harness[self.name, _scope(call)]

    def one(self, state: State, call: Call) -> Json:
        """The object that the path names."""
        found: Json = state.found(self.place(state, call), call.at["id"], self.name)
        return found

    def wrapped(self, found: Json) -> Json:
        """As it stands in a list."""
        return {self.wrapper: found} if self.wrapper else found

    def unwrapped(self, body: Json) -> Json:
        """The object of a body, which may be wrapped."""
        inner = body.get(self.wrapper or "")
        return inner if isinstance(inner, dict) else body

    def save(self, state: State, call: Call, given: Json) -> Json:
        """A new object."""
        place, scope = self.place(state, call), dict(zip(SCOPE_FIELDS, _scope(call), strict=True))
        state.free(place, given[self.identifier])
        mine = {name: scope[name] for name in self.scope_fields}
        place[given[self.identifier]] = {**self.usual, **mine, **given}
        return place[given[self.identifier]]


def _scope(call: Call) -> Scope:
    return call.needed("accountIdentifier"), call.query("orgIdentifier"), call.query("projectIdentifier")


def _data(value: Any) -> Json:
    return {"status": "SUCCESS", "data": value}


TOKENS = Resource(
    "tokens",
    {
        "name": None,
        "validFrom": 1718000000000,
        "validTo": 1750000000000,
        "scheduledExpireTime": None,
        "valid": True,
        "description": "",
        "tags": {},
        "sshKeyContent": None,
        "sshKeyUsage": None,
    },
    wrapper="token",
    filters=("apiKeyType",),
)
API_KEYS = Resource(
    "api_keys",
    {"description": "", "defaultTimeToExpireToken": 2592000000, "governanceMetadata": None},
    filters=("apiKeyType", "parentIdentifier"),
)
SERVICE_ACCOUNTS = Resource("service_accounts", {"description": "", "tags": {}, "extendable": False})
USERS = Resource(
    "users",
    {
        "locked": False,
        "disabled": False,
        "externallyManaged": False,
        "twoFactorAuthenticationEnabled": False,
    },
    wrapper="user",
    identifier="uuid",
    scope_fields=(),
)
INVITES = Resource(
    "invites",
    {"name": None, "roleBindings": [], "userGroups": [], "inviteType": "ADMIN_INITIATED_INVITE", "approved": False},
    identifier="id",
)
GROUPS = Resource(
    "groups",
    {
        "users": [],
        "notificationConfigs": [],
        "linkedSsoId": None,
        "linkedSsoDisplayName": None,
        "ssoGroupId": None,
        "ssoGroupName": None,
        "linkedSsoType": None,
        "externallyManaged": False,
        "description": "",
        "tags": {},
        "harnessManaged": False,
        "ssoLinked": False,
    },
)
ROLES = Resource(
    "roles",
    {"permissions": [], "allowedScopeLevels": ["project"], "description": "", "tags": {}},
    wrapper="role",
    scope_fields=(),
)
RESOURCE_GROUPS = Resource(
    "resource_groups",
    {
        "color": "#0063f7",
        "tags": {},
        "description": "",
        "allowedScopeLevels": ["project"],
        "includedScopes": [],
        "resourceFilter": {"resources": [], "includeAllResources": True},
    },
    wrapper="resourceGroup",
)
ROLE_ASSIGNMENTS = Resource(
    "role_assignments",
    {"disabled": False, "managed": False, "internal": False},
    wrapper="roleAssignment",
    scope_fields=(),
)
PROJECTS = Resource(
    "projects",
    {"color": "#0063f7", "modules": [], "description": "", "tags": {}},
    wrapper="project",
    scope_fields=("orgIdentifier",),
)

# --- verbs ----------------------------------------------------------------------------------------------------


def _asking(handler: Handler, *needed: str) -> Handler:
    """The handler, once these query parameters are there, if empty."""

    def asked(state: State, call: Call) -> Any:
        for name in needed:
            if call.query(name) is None:
                raise Refused(400, f"Query parameter {name} is required")
        return handler(state, call)

    return asked


def _found(resource: Resource, state: State, call: Call) -> list[Json]:
    wanted = {name: call.query(name) for name in resource.filters if call.query(name)}
    place = resource.place(state, call).values()
    return [found for found in place if all(found.get(name) == value for name, value in wanted.items())]


def _page(resource: Resource) -> Handler:
    def page(state: State, call: Call) -> Json:
        return _data(state.index_page(call, [resource.wrapped(found) for found in _found(resource, state, call)]))

    return page


def _array(resource: Resource) -> Handler:
    return lambda state, call: _data(_found(resource, state, call))


def _one(resource: Resource, wrapper: str | None = None) -> Handler:
    def one(state: State, call: Call) -> Json:
        found = resource.one(state, call)
        return _data({wrapper: found} if wrapper else resource.wrapped(found))

    return one


def _create(resource: Resource, *required: str) -> Handler:
    def create(state: State, call: Call) -> Json:
        given = having(resource.unwrapped(call.fields()), resource.identifier, *required)
        return _data(resource.wrapped(resource.save(state, call, given)))

    return create


def _update(resource: Resource, *, is_wrapped: bool = True) -> Handler:
    def update(state: State, call: Call) -> Json:
        found = resource.one(state, call)
        found.update(resource.unwrapped(call.fields()))
        return _data(resource.wrapped(found) if is_wrapped else found)

    return update


def _delete(resource: Resource) -> Handler:
    def delete(state: State, call: Call) -> Json:
        resource.one(state, call)
        del resource.place(state, call)[call.at["id"]]
        return _data(True)

    return delete


# --- what is like nothing else --------------------------------------------------------------------------------


def _secret(state: State, name: str) -> Json:
    secret = state.mint("sat.not-a-real-secret")
    state.harness_tokens[secret] = name
    return _data(secret)


def create_token(state: State, call: Call) -> Json:
    given = having(call.fields(), "identifier", "apiKeyIdentifier", "parentIdentifier", "apiKeyType")
    return _secret(state, TOKENS.save(state, call, given)["identifier"])


def rotate_token(state: State, call: Call) -> Json:
    return _secret(state, TOKENS.one(state, call)["identifier"])


def invite_users(state: State, call: Call) -> Json:
    body = call.fields("emails")
    more: Json = {name: body[name] for name in ("userGroups", "roleBindings") if name in body}
    for email in body["emails"]:
        INVITES.save(state, call, {"id": state.mint("invite"), "email": email, **more})
    return _data({"addUserResponseMap": dict.fromkeys(body["emails"], "USER_INVITED_SUCCESSFULLY")})


def delete_invite(state: State, call: Call) -> Json:
    INVITES.one(state, call)
    return _data(INVITES.place(state, call).pop(call.at["id"]))


def add_user_to_groups(state: State, call: Call) -> Json:
    user = USERS.one(state, call)
    asked, place = call.fields("userGroupIdsToAdd")["userGroupIdsToAdd"], GROUPS.place(state, call)
    for group in [state.found(place, identifier, "group") for identifier in asked]:
        group["users"] = [*group["users"], user["uuid"]]
    return _data(True)


def list_groups(state: State, call: Call) -> Json:
    account, org, project = _scope(call)
    wanted = call.query("filterType")
    if wanted not in GROUP_FILTERS:
        raise Refused(400, f"Unknown filterType {wanted}")
    scopes: list[Scope] = [(account, org, project)]
    if wanted == "INCLUDE_INHERITED_GROUPS":
        scopes += [scope for scope in ((account, org, None), (account, None, None)) if scope not in scopes]
    found = [group for scope in scopes for group in state.harness[GROUPS.name, scope].values()]
    return _data(state.index_page(call, found))


def update_group(state: State, call: Call) -> Json:
    body = call.fields("identifier")
    found: Json = state.found(GROUPS.place(state, call), body["identifier"], "group")
    found.update(body)
    return _data(found)


def create_role_assignment(state: State, call: Call) -> Json:
    given = having(ROLE_ASSIGNMENTS.unwrapped(call.fields()), "roleIdentifier", "principal")
    made = {"identifier": state.mint("role-assignment"), **given}
    return _data(ROLE_ASSIGNMENTS.wrapped(ROLE_ASSIGNMENTS.save(state, call, made)))


def create_role_assignment_under_ng(state: State, call: Call) -> Json:
    if not state.has_ng_role_assignments:
        raise Refused(404, "Not found")
    return create_role_assignment(state, call)


def create_project(state: State, call: Call) -> Json:
    given = having(call.fields("project")["project"], "identifier", "name")
    return _data(PROJECTS.wrapped(PROJECTS.save(state, call, given)))


ROUTES = (
    Route("GET", "ng/api/token/aggregate", _asking(_page(TOKENS), "apiKeyType")),
    Route("POST", "ng/api/token", create_token),
    Route("PUT", "ng/api/token/{id}", _update(TOKENS, is_wrapped=False)),
    Route(
        "POST",
        "ng/api/token/rotate/{id}",
        _asking(rotate_token, "apiKeyType", "parentIdentifier", "apiKeyIdentifier"),
    ),
    Route("DELETE", "ng/api/token/{id}", _delete(TOKENS)),
    Route("GET", "ng/api/apikey", _asking(_array(API_KEYS), "apiKeyType", "parentIdentifier")),
    Route(
        "GET",
        "ng/api/apikey/aggregate/{id}",
        _asking(_one(API_KEYS, "apiKey"), "apiKeyType", "parentIdentifier"),
    ),
    Route("POST", "ng/api/apikey", _create(API_KEYS)),
    Route("DELETE", "ng/api/apikey/{id}", _asking(_delete(API_KEYS), "apiKeyType", "parentIdentifier")),
    Route("POST", "ng/api/roleassignments", create_role_assignment_under_ng),
    Route("GET", "ng/api/serviceaccount", _array(SERVICE_ACCOUNTS)),
    Route("GET", "ng/api/serviceaccount/aggregate/{id}", _one(SERVICE_ACCOUNTS, "serviceAccount")),
    Route("POST", "ng/api/serviceaccount", _create(SERVICE_ACCOUNTS)),
    Route("PUT", "ng/api/serviceaccount/{id}", _update(SERVICE_ACCOUNTS)),
    Route("DELETE", "ng/api/serviceaccount/{id}", _delete(SERVICE_ACCOUNTS)),
    Route("POST", "ng/api/user/aggregate", _page(USERS)),
    Route("GET", "ng/api/user/aggregate/{id}", _one(USERS)),
    Route("POST", "ng/api/user/users", invite_users),
    Route("PUT", "ng/api/user/{id}", _update(USERS, is_wrapped=False)),
    Route("PUT", "ng/api/user/add-user-to-groups/{id}", add_user_to_groups),
    Route("POST", "ng/api/invites/aggregate", _page(INVITES)),
    Route("DELETE", "ng/api/invites/{id}", delete_invite),
    Route("GET", "ng/api/user-groups", list_groups),
    Route("GET", "ng/api/user-groups/{id}", _one(GROUPS)),
    Route("POST", "ng/api/user-groups", _create(GROUPS)),
    Route("PATCH", "ng/api/user-groups", update_group),
    Route("DELETE", "ng/api/user-groups/{id}", _delete(GROUPS)),
    Route("GET", "authz/api/roles", _page(ROLES)),
    Route("GET", "authz/api/roles/{id}", _one(ROLES)),
    Route("POST", "authz/api/roles", _create(ROLES)),
    Route("PUT", "authz/api/roles/{id}", _update(ROLES)),
    Route("DELETE", "authz/api/roles/{id}", _delete(ROLES)),
    Route("GET", "resourcegroup/api/v2/resourcegroup", _page(RESOURCE_GROUPS)),
    Route("GET", "resourcegroup/api/v2/resourcegroup/{id}", _one(RESOURCE_GROUPS)),
    Route("POST", "resourcegroup/api/v2/resourcegroup", _create(RESOURCE_GROUPS)),
    Route("PUT", "resourcegroup/api/v2/resourcegroup/{id}", _update(RESOURCE_GROUPS)),
    Route("DELETE", "resourcegroup/api/v2/resourcegroup/{id}", _delete(RESOURCE_GROUPS)),
    Route("GET", "authz/api/roleassignments", _page(ROLE_ASSIGNMENTS)),
    Route("GET", "authz/api/roleassignments/{id}", _one(ROLE_ASSIGNMENTS)),
    Route("POST", "authz/api/roleassignments", create_role_assignment),
    Route("DELETE", "authz/api/roleassignments/{id}", _delete(ROLE_ASSIGNMENTS)),
    Route("GET", "ng/api/projects", _page(PROJECTS)),
    Route("GET", "ng/api/projects/{id}", _one(PROJECTS)),
    Route("POST", "ng/api/projects", create_project),
    Route("PUT", "ng/api/projects/{id}", _update(PROJECTS)),
    Route("DELETE", "ng/api/projects/{id}", _delete(PROJECTS)),
)
