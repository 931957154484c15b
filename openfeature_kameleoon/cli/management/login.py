"""``login`` and ``logout``: a vendor's credentials into the system's keyring, and out of it again."""

from __future__ import annotations

import sys
from typing import Any

import click

from ...settings import Secret
from ..output import fail
from .credentials import Credentials, Name, Way

__all__ = ["login_command", "logout_command"]


def login_command(credentials: Credentials) -> click.Command:
    """The command that asks for credentials and stores them."""
    kinds = [way.kind for way in credentials.ways]

    def login(kind: str = kinds[0]) -> None:
        way = next(way for way in credentials.ways if way.kind == kind)
        credentials.keep(dict(_asked(way)))
        click.echo(f"the keyring has {' and '.join(way.variables)} now", err=True)

    login.__doc__ = f"""Store credentials for {credentials.title} in the system's keyring.

    They are asked for, unseen; where stdin is no terminal they are read from it, a line each. Whatever the keyring had
    of them before goes. Environment variables count more than the keyring.
    """
    if len(kinds) == 1:
        return click.command("login")(login)
    which = click.option("--kind", type=click.Choice(kinds), default=kinds[0], show_default=True, help="Of which kind.")
    return click.command("login")(which(login))


def logout_command(credentials: Credentials) -> click.Command:
    """The command that removes them."""

    def logout() -> None:
        gone = credentials.forget()
        click.echo(f"gone from the keyring: {', '.join(gone)}" if gone else "the keyring had nothing", err=True)

    logout.__doc__ = f"""Remove the credentials for {credentials.title} from the system's keyring."""
    return click.command("logout")(logout)


def _asked(way: Way) -> list[tuple[str, Secret]]:
    ask: Any = _prompted if sys.stdin.isatty() else _read
    return [(name.variable, Secret(ask(name))) for name in way.names]


def _prompted(name: Name) -> str:
    text: str = click.prompt(name.prompt, hide_input=name.is_secret, err=True)
    return text.strip()


def _read(name: Name) -> str:
    text = sys.stdin.readline().strip()
    return text or fail(f"stdin has no line for the {name.prompt.lower()} ({name.variable})")
