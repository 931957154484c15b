"""``list``, ``get`` and ``export``: what they do, for whatever a vendor's API can list and get."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ...management.rest.errors import ApiError
from ...transport.foreign_text import printable
from ..output import Failure, console, foreign, table, warn, write_json
from ..whole_files import writing_text
from .progress import Bar, paging
from .records import chosen, shown, text_of
from .resources import Asked, Getting, Listing, ResourceCommand, Row, Vendor
from .writers import FORMATS, Listed, write_table

__all__ = ["listing_commands"]

IDS = click.argument("ids", nargs=-1, metavar="[ID]...")
FIELDS = click.option(
    "--field", "fields", metavar="NAME", multiple=True, help="Show this field, as site_id or siteId; may be repeated."
)
LIMIT = click.option("--limit", metavar="N", type=click.IntRange(0), help="So many at most.")
TO = click.option("--to", metavar="FILE", required=True, help="The file to write.")
FORCE = click.option("--force", is_flag=True, help="Write over FILE if it is there.")


def _output(*names: str) -> Any:
    return click.option(
        "--output", type=click.Choice(names), default=names[0], show_default=True, help="In which form."
    )


def listing_commands(vendor: Vendor) -> dict[str, click.Command]:
    """The three commands of a vendor, by name."""

    @click.pass_context
    def list_(context: click.Context, /, resource: Listing, output: str, **given: Any) -> None:
        is_between = output != "table" and sys.stdout.isatty()  # a bar would stand between the records
        with _reading(context, vendor, resource, given, is_shown=not is_between) as (listed, bar):
            if output == "table":
                write_table(listed, bar)
            else:
                with writing_text("-") as file:
                    FORMATS[output](listed, file, is_ascii=True)
        _warn_of_missing(listed)

    @click.pass_context
    def export(context: click.Context, /, resource: Listing, to: str, force: bool, **given: Any) -> None:
        write = FORMATS[_format_of(to)]
        with (
            writing_text(to, may_replace=force) as file,
            _reading(context, vendor, resource, given, is_shown=True) as (listed, _),
        ):
            write(listed, file, is_ascii=False)
        _warn_of_missing(listed)
        click.echo(f"{listed.count:,} {resource.name} written to {to}", err=True)

    @click.pass_context
    def get(context: click.Context, /, resource: Getting, output: str, fields: tuple[str, ...], **given: Any) -> None:
        asked = _asked(resource, given)
        with _connected(context, vendor, resource) as client:
            record = shown(resource.read(client, asked))
        record = chosen(record, fields) if fields else record
        if output == "json":
            write_json(record)
            return
        made = table("Field", "Value")
        for name, value in record.items():
            made.add_row(foreign(name, "bold"), foreign(text_of(value), limit=2000))
        console().print(made)

    narrowed = (*vendor.of_lists, FIELDS, LIMIT)
    return {
        "list": _command(
            *(vendor, "list", list_),
            *(IDS, *narrowed, _output("table", *FORMATS)),
            help="List a resource. A table has the main fields, other outputs have all. Secrets are masked.",
        ),
        "get": _command(
            *(vendor, "get", get),
            *(IDS, *vendor.of_gets, FIELDS, _output("table", "json")),
            help="Show one by its id, or by its ids. Secrets are masked.",
        ),
        "export": _command(
            *(vendor, "export", export),
            *(IDS, TO, FORCE, *narrowed),
            help="Write a whole list to a file; secrets are masked.\n\nThe ending of FILE says how: .json (an array), "
            ".jsonl (a line each) or .csv; .gz may follow. The file is there once it is whole: an error in the middle "
            "leaves none.",
        ),
    }


def _command(vendor: Vendor, name: str, callback: Any, *decorators: Any, help: str) -> click.Command:
    for decorator in reversed(decorators):
        callback = decorator(callback)
    is_get = name == "get"
    return ResourceCommand(
        vendor.gettings if is_get else vendor.listings,
        "" if is_get else vendor.notes,
        name=name,
        callback=callback,
        params=callback.__click_params__[::-1],
        help=help,
    )


@contextmanager
def _reading(
    context: click.Context, vendor: Vendor, resource: Listing, given: dict[str, Any], *, is_shown: bool
) -> Iterator[tuple[Listed, Bar]]:
    """The records, which are read as they are taken, and a bar that shows how far that is."""
    fields = given.pop("fields")
    asked = _asked(resource, given)
    with (
        _connected(context, vendor, resource) as client,
        paging(resource.name, most=asked.limit, is_wanted=is_shown) as bar,
    ):
        records = map(shown, bar.counted(islice(resource.read(client, asked, bar), asked.limit)))
        yield Listed(records, resource.kind, fields), bar


@contextmanager
def _connected(context: click.Context, vendor: Vendor, resource: Row) -> Iterator[Any]:
    """A client; what a vendor's error leaves out, which is what was asked, is said."""
    with vendor.connect(context, resource) as client:
        try:
            yield client
        except ApiError as error:
            raise Failure(_told(error)) from error


def _told(error: ApiError) -> str:
    message = printable(error.message, 1000)
    if not error.method or error.url in message:
        return message
    status = f"{error.status}: " if error.status is not None and str(error.status) not in message else ""
    return f"{error.method} {printable(error.url, 1000)}: {status}{message}"


def _asked(resource: Row, given: dict[str, Any]) -> Asked:
    ids: tuple[str, ...] = given.pop("ids")
    if len(ids) != len(resource.ids):
        wanted = " ".join(name.upper() for name in resource.ids) or "no id"
        raise click.UsageError(f"{resource.name} takes {wanted}, not {' '.join(ids) or 'nothing'}")
    return Asked(ids, given, given.pop("limit", None))


def _format_of(file: str) -> str:
    ending = Path(file.removesuffix(".gz")).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise click.UsageError(f"--to FILE ends in {', '.join(f'.{name}' for name in FORMATS)}, or one of them and .gz")
    return ending


def _warn_of_missing(listed: Listed) -> None:
    if listed.count and (missing := [name for name in listed.fields if name not in listed.seen]):
        warn(f"none of them has: {', '.join(missing)}")
