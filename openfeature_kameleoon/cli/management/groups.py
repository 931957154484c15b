"""The groups ``automation``, ``split`` and ``optimizely``: their options, and nothing that takes long to import.

Whoever only evaluates flags does not wait for the management clients: a group's commands are imported when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["automation", "optimizely", "split"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Later(click.Group):
    """A group whose commands are the ``COMMANDS`` of a module beside this one."""

    def __init__(self, *args: Any, commands_in: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._module = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the module's order."""
        return list(self._loaded())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        return self._loaded().get(cmd_name)

    def _loaded(self) -> dict[str, click.Command]:
        commands: dict[str, click.Command] = importlib.import_module(f"{__package__}.{self._module}").COMMANDS
        return commands


def _base_url(variable: str, what: str, name: str = "--base-url") -> Callable[[_Command], _Command]:
    """An option for another host than the vendor's own; the clients refuse all but HTTPS and this machine."""
    return click.option(name, metavar="URL", envvar=variable, show_envvar=True, help=what)


@click.group(cls=Later, commands_in="automation")
@_base_url("KAMELEOON_API_URL", "Another host; HTTPS, or this machine.")
@click.option("--api-version", type=click.IntRange(1), metavar="N", help="Pin a major version of the API.")
@click.pass_context
def automation(context: click.Context, /, **options: Any) -> None:
    """Kameleoon's Automation API: experiments, goals, segments, feature flags, results.

    Credentials are those of an account, from KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET, or an access token from
    KAMELEOON_ACCESS_TOKEN, or from the system's keyring: see login.
    """
    context.obj = options


@click.group(cls=Later, commands_in="split")
@_base_url("SPLIT_ADMIN_URL", "Another root of the v2 API; HTTPS, or this machine.")
@_base_url("SPLIT_ADMIN_URL_V3", "Another root of flag sets; beside --base-url if not given.", "--base-url-v3")
@_base_url("HARNESS_URL", "Another host of Harness's platform.", "--harness-url")
@click.option("--account", metavar="ID", envvar="HARNESS_ACCOUNT_ID", show_envvar=True, help="Harness account.")
@click.option("--organization", metavar="ID", envvar="HARNESS_ORG_ID", show_envvar=True, help="Harness organization.")
@click.option("--harness-project", metavar="ID", envvar="HARNESS_PROJECT_ID", show_envvar=True, help="Harness project.")
@click.pass_context
def split(context: click.Context, /, **options: Any) -> None:
    """Split's Admin API (Harness FME): workspaces, flags and their definitions, segments, change requests.

    Credentials are an admin API key from SPLIT_ADMIN_API_KEY, or a Harness token from HARNESS_TOKEN, or from the
    system's keyring: see login.
    """
    context.obj = options


@click.group(cls=Later, commands_in="optimizely")
@_base_url("OPTIMIZELY_URL", "Another root of the API; HTTPS, or this machine.")
@click.option(
    "--api",
    type=click.Choice(["v1", "v2"]),
    default="v2",
    show_default=True,
    envvar="OPTIMIZELY_API",
    show_envvar=True,
    help="v1 is the retired Classic API; v2 comes with the Flags API.",
)
@click.pass_context
def optimizely(context: click.Context, /, **options: Any) -> None:
    """Optimizely's REST API: projects, experiments, audiences, flags, results.

    The credential is a token from OPTIMIZELY_TOKEN, or from the system's keyring: see login.
    """
    context.obj = options
