"""``optimizely``: what either of Optimizely's APIs can list and get, as their declarations have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from ...management.optimizely import Client, NotSupportedError, Project
from ...management.optimizely.client import Registries
from ...management.optimizely.objects import Children, Entity, Row
from ...management.optimizely.resource import Experiment
from ...management.optimizely.v2.verbs import Gets, Lists, Measures
from ...management.rest.fields import snake
from ...management.rest.operations import Declaration, Operation, operations, placeholders
from ...management.rest.session import Retries, Session
from ..output import fail
from .credentials import OPTIMIZELY
from .listing import listing_commands
from .login import login_command, logout_command
from .progress import Bar
from .resources import Asked, Getting, Listing, Vendor, first_sentence, spelt
from .scopes import Scope, matching, needs, options_for, settled

__all__ = ["COMMANDS", "GETTINGS", "LISTINGS", "SCOPES"]


def _project(client: Client[Any], typed: str, _settled: Mapping[str, Any]) -> int:
    """A number is taken for an id, without asking."""
    if typed.isdecimal():
        return int(typed)
    if client.api == "v1":
        return int(matching(client.Projects.get(), typed, "project", name="project_name"))
    return int(matching(client.Projects.list(), typed, "project"))


def _experiment(client: Client[Any], typed: str, _settled: Mapping[str, Any]) -> int:
    if not typed.isdecimal():
        raise click.UsageError(f"--experiment takes an id, a number, not {typed:.80}")
    return int(typed)


SCOPES = {
    "project_id": Scope("--project", "NAME_OR_ID", "The project.", _project),
    "experiment_id": Scope("--experiment", "ID", "The experiment.", _experiment),
    "flag_key": Scope("--flag", "KEY", "The flag."),
    "environment_key": Scope("--environment", "KEY", "The environment of the Flags API."),
    "audience_id": Scope("--audience", "ID", "Figures of this audience alone (v1)."),
    "dimension_id": Scope("--dimension", "ID", "Figures of this dimension alone, with --dimension-value (v1)."),
    "dimension_value": Scope("--dimension-value", "TEXT", "Which value of it (v1)."),
}
"""What lists lie in, or are narrowed by, by their declarations' names for it."""


# v1: the children of projects and experiments -------------------------------------------------------------------------

OWNERS: tuple[tuple[str, type[Entity]], ...] = (("project_id", Project), ("experiment_id", Experiment))


def _projects(client: Client[Any], asked: Asked, bar: Bar) -> list[Project]:
    settled(SCOPES, client, asked.options, required=())
    found: list[Project] = client.Projects.get()
    return found


def _children(owner: type[Entity], scope: str, name: str, takes: tuple[str, ...]) -> Any:
    def read(client: Client[Any], asked: Asked, bar: Bar) -> list[Row]:
        values = settled(SCOPES, client, asked.options, required=[scope], known=takes)
        entity = owner(client)
        entity.id = values.pop(scope)
        rows: list[Row] = getattr(entity, name)(**values)
        return rows

    return read


def _classic_listings() -> dict[str, Listing]:
    rows = {"projects": Listing("projects", first_sentence(Project), _projects)}
    for scope, owner in OWNERS:
        for name, declared in vars(owner).items():
            if isinstance(declared, Children):
                read = _children(owner, scope, name, declared.takes)
                about = first_sentence(declared.kind)
                rows[spelt(name)] = Listing(spelt(name), about, read, needs=needs(SCOPES, [scope]))
    return rows


def _classic_gettings() -> dict[str, Getting]:
    rows = {}
    with Client(None) as client:
        for name in _registries():
            try:
                kind = getattr(client, name).kind
            except NotSupportedError:
                continue
            rows[_named(name)] = Getting(_named(name), first_sentence(kind), partial(_classic, name))
    return rows


def _classic(name: str, client: Client[Any], asked: Asked) -> object:
    settled(SCOPES, client, asked.options, required=())
    try:
        return getattr(client, name).get(asked.ids[0])
    except TypeError as error:  # no number
        raise click.UsageError(str(error)) from error


# v2 and flags: the operations of registries ---------------------------------------------------------------------------


def _registries() -> dict[str, Registries[Any, Any]]:
    return {name: value for name, value in vars(Client).items() if isinstance(value, Registries)}


def _named(name: str) -> str:
    return spelt(snake(name))


def _declared() -> Iterator[tuple[str, str, type, Declaration]]:
    """Registry and operation by name, the class of the registry, and what is declared."""
    for name, registries in _registries().items():
        if isinstance(registries.v2, type):
            for operation, declared in operations(registries.v2).items():
                yield name, operation, registries.v2, declared


def _listed(name: str, operation: str, required: tuple[str, ...], client: Client[Any], asked: Asked, bar: Bar) -> Any:
    values = settled(SCOPES, client, asked.options, required=required)
    registry = getattr(client, name)
    registry.progress = bar
    return getattr(registry, operation)(**values)


def _got(name: str, operation: str, owners: tuple[str, ...], client: Client[Any], asked: Asked) -> object:
    values = settled(SCOPES, client, asked.options, required=owners)
    found = getattr(getattr(client, name), operation)(*(values[owner] for owner in owners), *asked.ids)
    return found if found is not None else fail("there is no data yet")


def _rows() -> tuple[dict[str, Listing], dict[str, Getting]]:
    listings, gettings = {}, {}
    for name, operation, registry, declared in _declared():
        if not isinstance(declared, Operation):
            continue
        is_usual = operation in ("list", "get")
        named = _named(name if is_usual else f"{name}_{operation}")
        about = first_sentence(registry if is_usual else declared.item)
        within = tuple(placeholders(declared.path))
        if isinstance(declared, Lists):
            required = (*within, *declared.needs)
            read = partial(_listed, name, operation, required)
            listings[named] = Listing(named, about, read, declared.item, needs=needs(SCOPES, required))
        elif isinstance(declared, Gets | Measures):
            *owners, own = within
            got = partial(_got, name, operation, tuple(owners))
            gettings[named] = Getting(named, about, got, (own,), needs(SCOPES, owners))
    return listings, gettings


_LISTINGS, _GETTINGS = _rows()
LISTINGS = {"v1": _classic_listings(), "v2": _LISTINGS}
GETTINGS = {"v1": _classic_gettings(), "v2": _GETTINGS}


RETRIES = Retries(limited_seconds=60.0, patience_seconds=900.0)
"""After a 429 a minute is waited at least (spec 4.2)."""


def _api(context: click.Context) -> str:
    given = context.find_object(dict) or {}
    return str(given.get("api", "v2"))


@contextmanager
def _connected(context: click.Context, _resource: object = None) -> Iterator[Client[Any]]:
    """A client with the credentials that there are."""
    given = context.find_object(dict) or {}
    token = OPTIMIZELY.find()["OPTIMIZELY_TOKEN"].reveal()
    with Session() as session:
        try:
            client: Client[Any] = Client(
                token, api_base=given.get("base_url"), api=_api(context), retries=RETRIES, session=session
            )
        except ValueError as error:  # a legacy token with v2
            fail(f"{error}; --api v1 takes them")
        yield client


COMMANDS = {
    **listing_commands(
        Vendor(
            listings=lambda context: LISTINGS[_api(context)],
            gettings=lambda context: GETTINGS[_api(context)],
            connect=_connected,
            of_lists=options_for(SCOPES),
            of_gets=options_for({name: SCOPES[name] for name in ("project_id", "flag_key")}),
        )
    ),
    "login": login_command(OPTIMIZELY),
    "logout": logout_command(OPTIMIZELY),
}
