"""What a vendor's API can list and get, as its commands see it: tables of ``Listing`` and ``Getting`` by name."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from ...management.rest.fields import Record
from .progress import Bar

__all__ = [
    "Asked",
    "Decorator",
    "Getting",
    "Listing",
    "ResourceCommand",
    "Row",
    "Rows",
    "Vendor",
    "first_sentence",
    "spelt",
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for besides the resource: ids in the order of the command line, and the vendor's own options."""

    ids: tuple[str, ...]
    options: Mapping[str, Any]
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Something that can be listed; ``ids`` are those of what it lies below, ``needs`` options it cannot do without.

    ``ways`` are the kinds of credentials that let in here; any kind if none is named.
    """

    name: str
    about: str
    read: Callable[[Any, Asked, Bar], Iterable[object]]
    kind: type[Record] | None = None
    ids: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Getting:
    """Something that can be read by its ids; the rest is as with a ``Listing``."""

    name: str
    about: str
    read: Callable[[Any, Asked], object]
    ids: tuple[str, ...] = ("id",)
    needs: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()


Row = Listing | Getting
Rows = Mapping[str, Listing] | Mapping[str, Getting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor's API; its rows may go by the options of its group, ``connect`` gives a client for one of them."""

    listings: Callable[[click.Context], Mapping[str, Listing]]
    gettings: Callable[[click.Context], Mapping[str, Getting]]
    connect: Callable[[click.Context, Row], AbstractContextManager[Any]]
    of_lists: Sequence[Decorator] = ()
    of_gets: Sequence[Decorator] = ()
    notes: str = ""
    """What the help of lists ends with."""


def spelt(name: str) -> str:
    """A name as it is on the command line: ``feature-flags``."""
    return name.replace("_", "-").lower()


def first_sentence(documented: object) -> str:
    """What a docstring says first, for a line of help."""
    said = (inspect.getdoc(documented) or "").replace("``", "").replace("\n", " ")
    return re.split(r"[.;:](?: |$)| \(", said, maxsplit=1)[0]


class _Name(click.ParamType):  # type: ignore[type-arg]  # of older versions it is not generic
    """The name of something that can be listed, or got; becomes its row."""

    name = "resource"

    def __init__(self, rows: Callable[[click.Context], Rows]) -> None:
        self._rows = rows

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The row of that name."""
        assert ctx is not None  # click gives one whenever it runs a command
        rows = self._rows(ctx)
        if spelt(value) in rows:
            return rows[spelt(value)]
        near = difflib.get_close_matches(spelt(value), rows, 1)
        hint = f"is it {near[0]}?" if near else f"there are {', '.join(rows)}"
        return self.fail(f"no resource {value:.80}; {hint}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that begin so."""
        return [CompletionItem(name) for name in self._rows(ctx) if name.startswith(incomplete)]


class ResourceCommand(click.Command):
    """A command on a resource, whose row it gets as ``resource``; its help ends with the resources there are."""

    def __init__(self, rows: Callable[[click.Context], Rows], notes: str, /, **settings: Any) -> None:
        super().__init__(**settings)
        self._rows = rows
        self._notes = notes
        self.params.insert(0, click.Argument(["resource"], type=_Name(rows)))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of resources, what they need, and the vendor's notes."""
        with formatter.section("Resources"):
            formatter.write_dl([(_usage(row), row.about) for row in self._rows(ctx).values()])
        if self._notes:
            formatter.write(f"\n{self._notes}\n")


def _usage(row: Row) -> str:
    return " ".join([row.name, *(name.upper() for name in row.ids), *row.needs])
