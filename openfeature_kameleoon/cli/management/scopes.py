"""What a list lies in: the parameters that a declaration names, as options that take a name or an id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from ..output import fail
from .resources import Decorator

__all__ = ["Scope", "Scopes", "matching", "needs", "options_for", "settled"]

Find = Callable[[Any, str, Mapping[str, Any]], Any]
"""Makes a value of what was typed, with the client and the values settled before."""


def _as_typed(_client: object, typed: str, _settled: Mapping[str, Any]) -> str:
    return typed


class Scope(NamedTuple):
    """One parameter of declarations: its option, and how what is typed becomes a value.

    ``within`` is the parameter that a name is looked up in.
    """

    option: str
    metavar: str
    help: str
    find: Find = _as_typed
    within: str = ""
    is_multiple: bool = False

    @property
    def dest(self) -> str:
        """What click calls it."""
        return self.option.removeprefix("--").replace("-", "_")


Scopes = Mapping[str, Scope]
"""By the names that declarations give their parameters; what others are found in comes first."""


def options_for(scopes: Scopes) -> Sequence[Decorator]:
    """The options of a table."""
    return tuple(
        click.option(scope.option, scope.dest, metavar=scope.metavar, help=scope.help, multiple=scope.is_multiple)
        for scope in scopes.values()
    )


def needs(scopes: Scopes, names: Iterable[str]) -> tuple[str, ...]:
    """The options for parameters."""
    return tuple(f"{scopes[name].option} {scopes[name].metavar}" for name in names)


def settled(
    scopes: Scopes, client: Any, options: Mapping[str, Any], *, required: Sequence[str], known: Iterable[str] = ()
) -> dict[str, Any]:
    """The values for those parameters that were given.

    Fails for one that is required and was not given, and for an option that is nothing to them.
    """
    wanted = {*required, *known}
    useful = wanted | {scopes[name].within for name in wanted}
    values: dict[str, Any] = {}
    for name, scope in scopes.items():
        typed = options.get(scope.dest)
        if typed and name not in useful:
            raise click.UsageError(f"it takes no {scope.option}")
        if name in required and not typed:
            raise click.UsageError(f"it needs {scope.option} {scope.metavar}")
        if typed:
            values[name] = list(typed) if scope.is_multiple else scope.find(client, typed, values)
    return {name: value for name, value in values.items() if name in wanted}


def matching(found: Iterable[Any], typed: str, what: str, *, id_name: str = "id", name: str = "name") -> Any:
    """The id of the one that has this id, or this name. Fails with the names there are."""
    listed = [(getattr(one, id_name), getattr(one, name)) for one in found]
    ids = [one for one, _ in listed if str(one) == typed] or [one for one, named in listed if named == typed]
    if not ids:
        fail(f"there is no {what} {typed}; there are: {', '.join(str(named) for _, named in listed) or 'none'}")
    if len(ids) > 1:
        fail(f"{len(ids)} {what}s are called {typed}; give the id of one: {', '.join(map(str, ids))}")
    return ids[0]
