"""``convert``: a data file as a flag file that people write by hand, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..datafile.sources import FLAG_FILE_SUFFIXES
from ..flag_file import as_json, from_json
from .output import fail

__all__ = ["convert"]

JSON_SUFFIXES = (".json",)


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="[OUT]", default="-")
@click.option("--force", is_flag=True, help="Write over OUT if it is there.")
def convert(source: str, target: str, force: bool) -> None:
    """Turn a data file in JSON into a flag file in YAML, or back.

    What IN is, its ending says, or else what is in it. IN may be - for stdin; without OUT the result goes to stdout.
    """
    raw = _read(source)
    is_json = _is_json(source, raw)
    suffixes = FLAG_FILE_SUFFIXES if is_json else JSON_SUFFIXES
    if target != "-" and Path(target).suffix.lower() in {*FLAG_FILE_SUFFIXES, *JSON_SUFFIXES}.difference(suffixes):
        raise click.UsageError(f"{source} becomes {'YAML' if is_json else 'JSON'}: OUT ends in {' or '.join(suffixes)}")
    made = from_json(raw).encode() if is_json else as_json(raw, indent=2) + b"\n"
    if target == "-":
        sys.stdout.buffer.write(made)
        sys.stdout.flush()
        return
    _write(made, target, may_replace=force)
    click.echo(f"{target} is written", err=True)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except (OSError, ValueError) as error:
        fail(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}")


def _is_json(source: str, raw: bytes) -> bool:
    """YAML has braces too, but not around a whole file of people's."""
    suffix = Path(source).suffix.lower()
    if suffix in (*FLAG_FILE_SUFFIXES, *JSON_SUFFIXES):
        return suffix in JSON_SUFFIXES
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _write(made: bytes, target: str, *, may_replace: bool) -> None:
    try:
        with open(target, "wb" if may_replace else "xb") as file:
            file.write(made)
    except FileExistsError:
        fail(f"{target} is there already; --force writes over it")
    except (OSError, ValueError) as error:
        fail(f"{target} cannot be written: {getattr(error, 'strerror', None) or error}")
