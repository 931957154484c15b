"""``split``: what Split's Admin API and the Harness platform can list and get, as their declarations have it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from ...management.rest.authentication import ANONYMOUS
from ...management.rest.endpoints import Endpoint
from ...management.rest.errors import ApiError
from ...management.rest.operations import operations
from ...management.rest.session import Rest, Session
from ...management.split.client import GONE, HarnessClient, SplitClient
from ...management.split.exceptions import SplitException
from ...management.split.main import BASE_URL, get_client
from ...management.split.microclients.base import Microclient
from ...management.split.microclients.harness_base import HarnessMicroclient
from ..output import fail
from .credentials import SPLIT
from .listing import listing_commands
from .login import login_command, logout_command
from .progress import Bar
from .resources import Asked, Getting, Listing, Row, Vendor, first_sentence, spelt
from .scopes import Find, Scope, matching, needs, options_for, settled

__all__ = ["COMMANDS", "GETTINGS", "LISTINGS", "SCOPES"]

V2_PATH, V3_PATH = "/internal/api/v2", "/api/v3"
"""Where the two roots are on a host, as on Split's own."""


def _in_workspace(resource: str, what: str) -> Find:
    """Looks an object up in its workspace; without one what was typed is taken for its id."""

    def find(client: SplitClient, typed: str, settled: Mapping[str, Any]) -> Any:
        if "workspace_id" not in settled:
            return typed
        return matching(getattr(client, resource).list.iterate(settled["workspace_id"]), typed, what)

    return find


def _workspace(client: SplitClient, typed: str, _settled: Mapping[str, Any]) -> Any:
    return matching(client.workspaces.list.iterate(), typed, "workspace")


SCOPES = {
    "workspace_id": Scope("--workspace", "NAME_OR_ID", "The workspace; a project in the product.", _workspace),
    "environment_id": Scope(
        "--environment",
        "NAME_OR_ID",
        "The environment; by its name together with --workspace.",
        _in_workspace("environments", "environment"),
        "workspace_id",
    ),
    "traffic_type_id": Scope(
        "--traffic-type",
        "NAME_OR_ID",
        "The traffic type.",
        _in_workspace("traffic_types", "traffic type"),
        "workspace_id",
    ),
    "segment_name": Scope("--segment", "NAME", "The segment."),
    "status": Scope("--status", "STATUS", "Of users ACTIVE, DEACTIVATED or PENDING; of change requests as REQUESTED."),
    "tags": Scope("--tag", "TAG", "Flags with this tag; may be repeated.", is_multiple=True),
    "resource_type": Scope("--resource-type", "TYPE", "What is restricted, as workspace."),
    "resource_id": Scope("--resource-id", "ID", "Which one."),
    "parent_identifier": Scope("--service-account", "ID", "The service account that API keys belong to."),
    "filterType": Scope("--filter-type", "TYPE", "EXCLUDE_INHERITED_GROUPS or INCLUDE_INHERITED_GROUPS."),
}
"""What lists lie in, or are narrowed by, by their declarations' names for it."""

FROM_ELSEWHERE = {"account_identifier", "org_identifier", "project_identifier", "offset", "limit"}
"""Parameters that the group's options give, or that the paging does."""

READERS = ("get", "get_definition")
"""Methods that read one; without any it is looked for in the list."""

NAMES = ("id", "name", "email")
"""What it is looked for by."""


HARNESS_ALONE = ("harness",)
TIMEOUT_SECONDS = 30.0


def _microclients() -> dict[str, Microclient]:
    """All there are, of a client that cannot call anybody."""
    rest = Rest(BASE_URL, ANONYMOUS)
    client = HarnessClient(rest, rest, rest, scope={})
    return {name: value for name, value in vars(client).items() if isinstance(value, Microclient)}


MICROCLIENTS = _microclients()


def _parameters(call: Endpoint[..., Any] | Callable[..., Any], *, after: int) -> list[inspect.Parameter]:
    """Those of a call after the first ones, without those that are given elsewhere."""
    signature = call.signature if isinstance(call, Endpoint) else inspect.signature(call)
    return [one for one in list(signature.parameters.values())[after:] if one.name not in FROM_ELSEWHERE]


def _required(parameters: Iterable[inspect.Parameter]) -> list[str]:
    return [one.name for one in parameters if one.default is inspect.Parameter.empty]


def _values(parameters: list[inspect.Parameter], client: SplitClient, asked: Asked) -> dict[str, Any]:
    known = [one.name for one in parameters]
    return settled(SCOPES, client, asked.options, required=_required(parameters), known=known)


def _listed(
    name: str, operation: str, parameters: list[inspect.Parameter], client: SplitClient, asked: Asked, bar: Bar | None
) -> Iterator[object]:
    microclient = getattr(client, name)
    values = _values(parameters, client, asked)
    microclient.progress = bar
    found = getattr(microclient, operation).iterate(**values)
    return ({"key": one} if isinstance(one, str) else one for one in found)


def _got(name: str, operation: str, parameters: list[inspect.Parameter], client: SplitClient, asked: Asked) -> object:
    (wanted,) = asked.ids
    if operation != "list":
        found = getattr(getattr(client, name), operation)(wanted, **_values(parameters, client, asked))
    else:
        listed: Iterator[Any] = _listed(name, "list", parameters, client, asked, None)
        found = next((one for one in listed if wanted in [getattr(one, name, None) for name in NAMES]), None)
    return found if found is not None else fail(f"{spelt(name)} has no {wanted}")


def _ways(name: str, microclient: Microclient) -> tuple[str, ...]:
    if isinstance(microclient, HarnessMicroclient):
        return HARNESS_ALONE
    is_gone = GONE.get(name)  # in Harness mode
    return ("api-key",) if is_gone is not None and is_gone("GET", {}) else ()


def _listings() -> dict[str, Listing]:
    rows = {}
    for name, microclient in MICROCLIENTS.items():
        for operation, declared in operations(type(microclient)).items():
            if not isinstance(declared, Endpoint) or declared.pages is None:
                continue
            own = operation.removeprefix("list").removeprefix("get").strip("_")
            named = spelt(f"{name}_{own}" if own else name)
            about = first_sentence(declared if own else type(microclient))
            parameters = _parameters(declared, after=1)
            read = partial(_listed, name, operation, parameters)
            rows[named] = Listing(
                named, about, read, needs=needs(SCOPES, _required(parameters)), ways=_ways(name, microclient)
            )
    return rows


def _gettings() -> dict[str, Getting]:
    rows = {}
    for name, microclient in MICROCLIENTS.items():
        members = vars(type(microclient))
        operation = next((reader for reader in (*READERS, "list") if reader in members), None)
        if operation is None:
            continue
        parameters = _parameters(members[operation], after=1 if operation == "list" else 2)  # its id comes first
        got = partial(_got, name, operation, parameters)
        about = first_sentence(type(microclient))
        rows[spelt(name)] = Getting(
            spelt(name), about, got, needs=needs(SCOPES, _required(parameters)), ways=_ways(name, microclient)
        )
    return rows


LISTINGS, GETTINGS = _listings(), _gettings()


@contextmanager
def _connected(context: click.Context, row: Row) -> Iterator[SplitClient]:
    """A client with the credentials that there are."""
    given = context.find_object(dict) or {}
    found = SPLIT.find(*row.ways)
    token = found.get("HARNESS_TOKEN")
    if row.ways == HARNESS_ALONE and not given.get("account"):
        raise click.UsageError("it needs the account: HARNESS_ACCOUNT_ID, or split --account ID")
    base_url = given.get("base_url")
    beside = base_url.rstrip("/").removesuffix(V2_PATH) + V3_PATH if base_url else None
    with Session() as session:
        secrets = {"harness_token": token.reveal()} if token else {"apikey": found["SPLIT_ADMIN_API_KEY"].reveal()}
        config = {
            **secrets,
            "harness_mode": token is not None,
            "base_url": base_url,
            "base_url_v3": given.get("base_url_v3") or beside,
            "harness_base_url": given.get("harness_url"),
            "account_identifier": given.get("account"),
            "org_identifier": given.get("organization"),
            "project_identifier": given.get("harness_project"),
            "timeout": TIMEOUT_SECONDS,
            "session": session,
            "strict": True,  # a list that ends early would be taken for the whole
        }
        try:
            yield get_client(config)
        except SplitException as error:
            if isinstance(error, ApiError):
                raise
            fail(str(error))


COMMANDS = {
    **listing_commands(
        Vendor(
            listings=lambda _: LISTINGS,
            gettings=lambda _: GETTINGS,
            connect=_connected,
            of_lists=options_for(SCOPES),
            of_gets=options_for(SCOPES),
        )
    ),
    "login": login_command(SPLIT),
    "logout": logout_command(SPLIT),
}
