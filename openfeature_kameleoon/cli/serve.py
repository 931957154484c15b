"""``serve``: the local server on files of Kameleoon and Flagship, or as a relay of a site, until it is told to end."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..configuration import KameleoonClientConfiguration, load_configuration
from ..settings import Secret
from .output import fail

if TYPE_CHECKING:
    from ..server.flagship.environment import Environment
    from ..server.relay import Relay

__all__ = ["serve"]

TOKEN = "KAMELEOON_SERVER_TOKEN"
OFREP_KEY = "KAMELEOON_OFREP_KEY"
START_STEP_SECONDS = 0.1
ACCESS_LOG = "openfeature_kameleoon.server.access"


@click.command()
@click.option("--data-file", metavar="PATH", help="The data file to serve; edits count within a second.")
@click.option(
    "--site-code",
    metavar="CODE",
    envvar="KAMELEOON_SITE_CODE",
    show_envvar=True,
    help="A site to relay to many SDKs; beside a data file, what its site is called.",
)
@click.option("--flagship-file", metavar="PATH", help="A bucketing file of AB Tasty Flagship to serve, too, or alone.")
@click.option(
    "--flagship-environment", metavar="ENV_ID", help="The one that it is of; without this, whichever is asked."
)
@click.option("--environment", metavar="NAME", help="Environment of a site that is relayed.")
@click.option("--config", metavar="PATH", type=click.Path(dir_okay=False), help="Settings of a relay, in YAML.")
@click.option(
    "--redis", metavar="URL", envvar="KAMELEOON_REDIS_URL", show_envvar=True, help="Shares visitors and overrides."
)
@click.option("--access-log", is_flag=True, help="Write a line of JSON for each request.")
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
    data_file: str | None,
    site_code: str | None,
    flagship_file: str | None,
    flagship_environment: str | None,
    environment: str | None,
    config: str | None,
    redis: str | None,
    access_log: bool,
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

    With --site-code and no data file it is a relay: it follows the site's data file for all SDKs that ask it, and
    passes on what they report and ask. Point a client there with the setting server_url. Writes need the token that
    is in the page's address, or KAMELEOON_SERVER_TOKEN if that is set. OFREP needs KAMELEOON_OFREP_KEY if that is set.

    With --flagship-file it stands in for AB Tasty Flagship below /flagship: bucketing file, decision API, hits.
    """
    try:
        # Imported here: these need the extra ``server``, whose absence is told below.
        from ..server.app import Serving  # noqa: PLC0415
        from ..server.relay import Relay  # noqa: PLC0415  # as above
        from ..server.run import LocalServer  # noqa: PLC0415  # as above
        from ..server.sharing import SharedOverrides  # noqa: PLC0415  # as above
        from ..server.site import Site  # noqa: PLC0415  # as above
        from ..server.watching import WatchedFile  # noqa: PLC0415  # as above
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        fail("the server needs Starlette and uvicorn: pip install 'openfeature-kameleoon[server]'")
    if flagship_environment is not None and flagship_file is None:
        raise click.UsageError("--flagship-environment goes with --flagship-file PATH")
    flagship = None if flagship_file is None else _flagship(flagship_environment or "")
    is_relay = data_file is None and (site_code is not None or flagship is None)
    settings = _relay_settings(site_code, config, environment, redis) if is_relay else _settings(environment, redis)
    site = Site(site_code or "local", settings, is_shared=settings.redis_url is not None)
    relay = Relay(site, settings) if is_relay else None
    sharing = None
    if isinstance(settings.redis_url, Secret):
        sharing = SharedOverrides(settings.redis_url, site, settings.environment or "")
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
            relay=relay,
            sharing=sharing,
            flagship=flagship,
        )
    except ValueError as error:
        fail(str(error))
    watched = []
    if data_file is not None:
        watched.append(of_data_file := WatchedFile(data_file, site))
        serving.inspector.source = lambda: (data_file, of_data_file.problem)
    elif relay is not None:
        serving.inspector.source = lambda: (f"site {site_code}", relay.live.status().last_error)
    if flagship_file is not None and flagship is not None and serving.flagship is not None:
        watched.append(of_flagship := WatchedFile(flagship_file, flagship))
        serving.flagship.inspector.source = lambda: (flagship_file, of_flagship.problem)
    for file in watched:
        file.start()
    if access_log:
        _write_access_log()
    ending = _told_to_end()
    server = LocalServer(serving, host=host, port=port)
    try:
        server.start()
    except OSError as error:
        fail(f"{host}:{port} cannot be had: {error.strerror}")
    if is_relay or data_file is not None:
        click.echo(f"{data_file or f'site {site_code}'} is served at {server.url}", err=True)
    if flagship is not None:
        click.echo(f"{flagship_file} is served at {server.url}/flagship", err=True)
    # A token that was given is known, and is not to be found in the logs of a container.
    click.echo(f"the page: {f'{server.url}/' if token else server.page}", err=True)
    if sharing is not None:
        sharing.start()
    if relay is not None:
        _start(relay, settings.default_timeout_second, ending)
    ending.wait()
    for file in watched:
        file.stop()
    server.stop()


def _settings(environment: str | None, redis: str | None) -> KameleoonClientConfiguration:
    return KameleoonClientConfiguration(**_given(environment, redis))


def _relay_settings(
    site_code: str | None, config: str | None, environment: str | None, redis: str | None
) -> KameleoonClientConfiguration:
    if site_code is None:
        raise click.UsageError("give --data-file PATH, --flagship-file PATH, or --site-code CODE for a relay")
    return replace(load_configuration(config), multi_threading=True, **_given(environment, redis))


def _given(environment: str | None, redis: str | None) -> dict[str, Any]:
    given = {"environment": environment, "redis_url": redis}
    return {name: value for name, value in given.items() if value is not None}


def _flagship(env_id: str) -> Environment:
    try:
        # Imported here: it needs the extra ``flagship``, whose absence is told below.
        from ..server.flagship.environment import Environment  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "mmh3":
            raise
        fail("Flagship's buckets need mmh3: pip install 'openfeature-kameleoon[flagship,server]'")
    return Environment(env_id)


def _start(relay: Relay, seconds: float, ending: threading.Event) -> None:
    """Wait for the first data file, and no longer than until the end; it may come later, too."""
    end = time.monotonic() + seconds
    while not ending.is_set() and time.monotonic() < end and not relay.start(START_STEP_SECONDS):
        continue


def _write_access_log() -> None:
    log = logging.getLogger(ACCESS_LOG)
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False


def _told_to_end() -> threading.Event:
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    return ending


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
