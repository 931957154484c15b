"""Where a command's data file comes from: the options that say so, and the client or the bytes they lead to.

The client has no threads and no cache, and what it would report is thrown away: looking must not count as a visit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from ..client import KameleoonClient
from ..configuration import KameleoonClientConfiguration, load_configuration
from ..datafile.sources import NOT_MODIFIED, FileSource, PollingSource
from ..transport.urls import Endpoints
from .output import fail

__all__ = ["Source", "source_options"]

OFFLINE = "offline"
"""Stands for the site code where the data file is a file: nothing in it tells the site."""

MEGABYTE = 1 << 20

OPTIONS = (
    click.option(
        "--data-file", metavar="PATH|URL", envvar="KAMELEOON_DATA_FILE", show_envvar=True, help="A data file."
    ),
    click.option(
        "--site-code",
        metavar="CODE",
        envvar="KAMELEOON_SITE_CODE",
        show_envvar=True,
        help="A site, whose data file is fetched from Kameleoon.",
    ),
    click.option("--environment", metavar="NAME", help="Environment of the site; production if not given."),
    click.option(
        "--timeout", metavar="SECONDS", type=click.FloatRange(0, min_open=True), help="How long fetching may take."
    ),
    click.option(
        "--config",
        metavar="PATH",
        type=click.Path(dir_okay=False),
        help="Settings of the client, in YAML; /etc/kameleoon/client-python.yaml if not given and there.",
    ),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A data file on disk, at a URL, or of a site."""

    data_file: str | None
    site_code: str | None
    environment: str | None = None
    timeout: float | None = None
    config: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.data_file or f"site {self.site_code}"

    @contextmanager
    def client(self) -> Iterator[KameleoonClient]:
        """A client that has loaded the data file. Fails with what kept it from that."""
        with KameleoonClient(self.site_code or OFFLINE, configuration_object=self._configuration()) as client:
            if not client.wait_init():
                fail(client.status().last_error or "no data file came in time")
            yield client
            client.outbox.take(client.outbox.status().pending)

    def fetch(self) -> bytes:
        """The data file's bytes as they are. Raises ``DataFileInvalid`` and ``RequestFailed``."""
        configuration = self._configuration()
        max_bytes = int(configuration.data_file_maximum_size * MEGABYTE)
        source: FileSource | PollingSource
        if self.data_file is not None and urlsplit(self.data_file).scheme not in ("http", "https"):
            source = FileSource(self.data_file, max_bytes=max_bytes)
        else:
            from ..transport.http import Http  # noqa: PLC0415  # brings requests along, which a file does not need

            source = PollingSource(
                Http(configuration.session),
                self.site_code or OFFLINE,
                url=self.data_file,
                environment=configuration.environment or "",
                endpoints=Endpoints.for_domain(configuration.network_domain),
                max_bytes=max_bytes,
            )
        fetched = source.fetch(configuration.default_timeout_second)
        if fetched is NOT_MODIFIED:  # only ever after an earlier one was accepted
            raise AssertionError("a first look cannot find what was there before")
        return fetched.raw

    def _configuration(self) -> KameleoonClientConfiguration:
        given: dict[str, Any] = {}
        if self.environment is not None:
            given["environment"] = self.environment
        if self.timeout is not None:
            given["default_timeout_millisecond"] = self.timeout * 1000
        return replace(
            load_configuration(self.config),
            **given,
            data_file=self.data_file,
            cache_directory=None,
            multi_threading=False,
        )


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a data file, as the argument ``source``, a ``Source``."""

    @click.pass_context
    @functools.wraps(command)
    def with_source(context: click.Context, /, **options: Any) -> None:
        names = ("data_file", "site_code", "environment", "timeout", "config")
        own = {name: options.pop(name) for name in names}
        own |= _one_of(context, own)
        command(source=Source(**own), **options)

    decorated: Callable[..., None] = with_source
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def _one_of(context: click.Context, given: dict[str, Any]) -> dict[str, str | None]:
    """Settle the source: what stands on the command line counts more than the environment."""
    sources = [name for name in ("data_file", "site_code") if given[name]]
    typed = [name for name in sources if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    chosen = typed or sources
    if not chosen:
        raise click.UsageError("a data file is needed: --data-file PATH|URL or --site-code CODE")
    if len(chosen) > 1:
        raise click.UsageError("--data-file and --site-code exclude each other: give one of them")
    return {name: given[name] if name in chosen else None for name in ("data_file", "site_code")}
