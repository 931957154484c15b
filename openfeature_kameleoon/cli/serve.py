"""``serve``: the local server on a data file, until it is told to end."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .output import fail

__all__ = ["serve"]

TOKEN = "KAMELEOON_SERVER_TOKEN"
OFREP_KEY = "KAMELEOON_OFREP_KEY"


@click.command()
@click.option("--data-file", metavar="PATH", required=True, help="The data file to serve; edits count within a second.")
@click.option("--site-code", metavar="CODE", default="local", show_default=True, help="What the site is called.")
@click.option("--host", default="127.0.0.1", show_default=True, help=f"Elsewhere than here {TOKEN} has to be set.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--allowed-host", "hosts", metavar="NAME", multiple=True, help="Another name that the server goes by.")
@click.option("--visitors", metavar="PATH", help="JSON: answers of the Data API by visitor code.")
@click.option("--values", metavar="PATH", help="JSON: values of the Data API by key.")
@click.option("--events", metavar="PATH", help="Write tracked events there, too, a line of JSON each.")
@click.option(
    "--ofrep-rate", metavar="NUMBER", type=click.FloatRange(0, min_open=True), help="OFREP requests a second."
)
@click.option("--open-control", is_flag=True, help="No token to stop and change it: for OpenFeature's TCK.")
@click.option("--ofrep-key", envvar=OFREP_KEY, default="", hidden=True)
@click.option("--token", envvar=TOKEN, default="", hidden=True)
def serve(
    data_file: str,
    site_code: str,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    visitors: str | None,
    values: str | None,
    events: str | None,
    ofrep_rate: float | None,
    open_control: bool,
    ofrep_key: str,
    token: str,
) -> None:
    """Serve a data file to SDKs, by Kameleoon's protocol and by OFREP, with a page that shows why.

    Point a client there with the setting server_url. Writes need the token that is in the page's address, or
    KAMELEOON_SERVER_TOKEN if that is set. OFREP needs KAMELEOON_OFREP_KEY if that is set.
    """
    try:
        # Imported here: these need the extra ``server``, whose absence is told below.
        from ..server.app import Serving  # noqa: PLC0415
        from ..server.run import LocalServer  # noqa: PLC0415  # as above
        from ..server.site import Site  # noqa: PLC0415  # as above
        from ..server.watching import WatchedFile  # noqa: PLC0415  # as above
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        fail("the server needs Starlette and uvicorn: pip install 'openfeature-kameleoon[server]'")
    site = Site(site_code)
    try:
        serving = Serving(
            site,
            host=host,
            hosts=hosts,
            token=token,
            visitors=_mapping(visitors),
            values=_mapping(values),
            events_path=None if events is None else Path(events),
            ofrep_key=ofrep_key,
            ofrep_rate=ofrep_rate,
            opens_control=open_control,
        )
    except ValueError as error:
        fail(str(error))
    watched = WatchedFile(data_file, site)
    watched.start()
    serving.inspector.source = lambda: (data_file, watched.problem)
    server = LocalServer(serving, host=host, port=port)
    try:
        server.start()
    except OSError as error:
        fail(f"{host}:{port} cannot be had: {error.strerror}")
    click.echo(f"{data_file} is served at {server.url}", err=True)
    click.echo(f"the page: {server.page}", err=True)
    _wait_for_the_end()
    watched.stop()
    server.stop()


def _wait_for_the_end() -> None:
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    ending.wait()


def _mapping(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        fail(f"{path} cannot be read: {error}")
    if not isinstance(content, dict):
        fail(f"{path} is no JSON object")
    return content
