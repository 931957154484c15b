"""``automation``: what Kameleoon's Automation API can list and get, as its declarations have it, and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from ...management.automation import Automation
from ...management.automation.oauth import BASE_URL
from ...management.automation.verbs import MOST_PER_PAGE, Gets, Lists
from ...management.rest.authentication import ANONYMOUS
from ...management.rest.operations import Operation, Resource, operations, placeholders
from ...management.rest.session import Session
from .credentials import AUTOMATION
from .filter_text import filter_of, grammar, order_of
from .listing import listing_commands
from .login import login_command, logout_command
from .progress import Bar
from .resources import Asked, Getting, Listing, Vendor, first_sentence, spelt
from .results import results_command

__all__ = ["COMMANDS", "GETTINGS", "LISTINGS", "connected"]


@contextmanager
def connected(context: click.Context, _resource: object = None) -> Iterator[Automation]:
    """A client with the credentials that there are."""
    given = context.find_object(dict) or {}
    found = {name: secret.reveal() for name, secret in AUTOMATION.find().items()}
    with (
        Session() as session,
        Automation(
            found.get("KAMELEOON_CLIENT_ID", ""),
            found.get("KAMELEOON_CLIENT_SECRET", ""),
            token=found.get("KAMELEOON_ACCESS_TOKEN", ""),
            base_url=given.get("base_url") or BASE_URL,
            version=given.get("api_version"),
            session=session,
        ) as client,
    ):
        yield client


def _listed(resource: str, operation: str, declared: Lists[Any], client: Automation, asked: Asked, bar: Bar) -> Any:
    options = asked.options
    try:
        expression = filter_of(options["filters"], declared.item)
        orders = order_of(options["sorts"], declared.item)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return getattr(client.resources[resource], operation)(
        *asked.ids,
        filter=expression,
        sort=orders,
        optional_fields=options["optional_fields"],
        per_page=min(max(asked.limit or MOST_PER_PAGE, 1), MOST_PER_PAGE),
        progress=bar,
        **_parameters(declared, options["parameters"]),
    )


def _got(resource: str, operation: str, declared: Gets[Any], client: Automation, asked: Asked) -> object:
    return getattr(client.resources[resource], operation)(
        *asked.ids,
        optional_fields=asked.options["optional_fields"],
        **_parameters(declared, asked.options["parameters"]),
    )


def _parameters(declared: Operation[Any], texts: Iterable[str]) -> dict[str, str]:
    """Query parameters as they were given; those that are declared, and all that are needed."""
    parameters = dict(text.partition("=")[::2] for text in texts)
    known = (*declared.needs, *declared.takes)
    if unknown := [name for name in parameters if name not in known]:
        raise click.UsageError(f"no parameter {', '.join(unknown)}; there are: {', '.join(known) or 'none'}")
    if missing := [name for name in declared.needs if not parameters.get(name)]:
        note = f" ({declared.note})" if declared.note else ""
        raise click.UsageError(f"it needs {' '.join(f'--parameter {name}=...' for name in missing)}{note}")
    return parameters


DECLARED = {
    (name, operation): (resource, declared)
    for name, resource in Automation(authentication=ANONYMOUS).resources.items()
    for operation, declared in operations(type(resource)).items()
}
"""Every operation of the API, by the names of its resource and its own."""


def _named(resource: str, operation: str, usual: str) -> str:
    """``sites`` for what is done by the usual operation, ``sites-by-code`` for ``sites.get_by_code``."""
    own = operation.removeprefix(usual).strip("_")
    return spelt(f"{resource}-{own}" if own else resource)


def _needs(declared: Operation[Any]) -> tuple[str, ...]:
    return tuple(f"--parameter {name}=..." for name in declared.needs)


def _about(resource: Resource, operation: str, declared: Operation[Any]) -> str:
    """What there is: of what is below a resource, its record says so."""
    return first_sentence(type(resource) if operation in ("list", "get") else declared.item)


LISTINGS = {
    named: Listing(
        named,
        _about(resource, operation, declared),
        partial(_listed, name, operation, declared),
        declared.item,
        tuple(placeholders(declared.path)),
        _needs(declared),
    )
    for (name, operation), (resource, declared) in DECLARED.items()
    if isinstance(declared, Lists)
    for named in [_named(name, operation, "list")]
}
GETTINGS = {
    named: Getting(
        named,
        _about(resource, operation, declared),
        partial(_got, name, operation, declared),
        tuple(placeholders(declared.path)),
        _needs(declared),
    )
    for (name, operation), (resource, declared) in DECLARED.items()
    if isinstance(declared, Gets)
    for named in [_named(name, operation, "get")]
}

OPTIONAL_FIELD = click.option(
    "--optional-field",
    "optional_fields",
    metavar="NAME",
    multiple=True,
    help="A field that comes empty unless asked for, as goals or tags; by its name on the wire; may be repeated.",
)
PARAMETER = click.option(
    "--parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="What else the API wants to know; may be repeated.",
)
FILTER = click.option(
    "--filter", "filters", metavar="TEXT", multiple=True, help="See below; may be repeated, then all must hold."
)
SORT = click.option(
    "--sort", "sorts", metavar="[-]FIELD", multiple=True, help="Sort by it, with a minus the greatest first."
)

NOTES = f"""\
Filters:
{grammar()}

A VALUE is a number, true, false, a date as 2026-03-01T00:00:00, or text; in "..." it is text whatever it looks like.
For instance: --filter siteId=9120 --filter 'status in PAUSED,STOPPED' --sort -dateModified
"""

COMMANDS = {
    **listing_commands(
        Vendor(
            listings=lambda _: LISTINGS,
            gettings=lambda _: GETTINGS,
            connect=connected,
            of_lists=(FILTER, SORT, OPTIONAL_FIELD, PARAMETER),
            of_gets=(OPTIONAL_FIELD, PARAMETER),
            notes=NOTES,
        )
    ),
    "results": results_command(connected),
    "login": login_command(AUTOMATION),
    "logout": logout_command(AUTOMATION),
}
