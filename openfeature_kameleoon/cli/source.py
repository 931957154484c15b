"""Where a command's data file comes from: the options that say so, and the client or the bytes they lead to.

The client has no threads and no cache, and sends nothing: looking must not count as a visit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from ..client import KameleoonClient
from ..configuration import KameleoonClientConfiguration, load_configuration
from ..datafile.sources import NOT_MODIFIED
from ..following import source_of
from .output import fail

__all__ = ["Source", "loaded", "source_options", "source_or_files_options"]

OFFLINE = "offline"
"""Stands for the site code where the data file is a file: nothing in it tells the site."""

EITHER = ("data_file", "site_code")
"""Of these options exactly one is given."""

OPTIONS = (
    click.option(
        "--data-file",
        metavar="PATH|URL",
        envvar="KAMELEOON_DATA_FILE",
        show_envvar=True,
        help="A data file; on disk, or a flag file in YAML.",
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

    @property
    def site(self) -> str:
        """The site's code, or what stands for it where the data file is a file."""
        return self.site_code or OFFLINE

    @property
    def _is_on_disk(self) -> bool:
        try:
            return self.data_file is not None and urlsplit(self.data_file).scheme not in ("http", "https")
        except ValueError as error:
            fail(f"{self.data_file} is no URL: {error}")

    @contextmanager
    def client(self) -> Iterator[KameleoonClient]:
        """A client that has loaded the data file. Fails with what kept it from that."""
        with loaded(self.site, self._configuration()) as client:
            yield client

    def fetch(self) -> bytes:
        """The data file's bytes as they are. Raises ``DataFileInvalid`` and ``RequestFailed``."""
        configuration = self._configuration()
        source = source_of(self.site, configuration)
        fetched = source.fetch(configuration.default_timeout_second)
        assert fetched is not NOT_MODIFIED  # that is said only to who has accepted something before
        return fetched.raw

    def live_configuration(self) -> KameleoonClientConfiguration:
        """The settings of a process of the site, which connects as it would and sends no events."""
        return replace(self._settings(), send_events=False, redis_url=None)

    def _configuration(self) -> KameleoonClientConfiguration:
        kept_nowhere: dict[str, Any] = {"cache_directory": None, "tracking_directory": None, "redis_url": None}
        return replace(self._settings(), **kept_nowhere, send_events=False, multi_threading=False)

    def _settings(self) -> KameleoonClientConfiguration:
        given: dict[str, Any] = {}
        if self.environment is not None:
            given["environment"] = self.environment
        if self.timeout is not None:
            given["default_timeout_millisecond"] = self.timeout * 1000
        # The default file, which may be unreadable for its secrets, is of no use to a file on disk.
        is_default = self.config is None and self._is_on_disk
        return replace(
            KameleoonClientConfiguration() if is_default else load_configuration(self.config),
            **given,
            data_file=self.data_file,
        )


@contextmanager
def loaded(site_code: str, configuration: KameleoonClientConfiguration) -> Iterator[KameleoonClient]:
    """A client that has loaded its data file."""
    with KameleoonClient(site_code, configuration_object=configuration) as client:
        if not client.wait_init():
            fail(client.status().data_file.last_error or "no data file came in time")
        yield client


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a data file, as the argument ``source``, a ``Source``."""
    return _decorated(command, _required_source)


def source_or_files_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same for a command with an argument ``files``: ``source`` is ``None`` where that names some."""
    return _decorated(command, _source_unless_files)


def _decorated(
    command: Callable[..., None], settle: Callable[[click.Context, dict[str, Any]], Source | None]
) -> Callable[..., None]:
    @click.pass_context
    @functools.wraps(command)
    def with_source(context: click.Context, /, **options: Any) -> None:
        source = settle(context, options)
        own = {field.name for field in fields(Source)}
        command(source=source, **{name: value for name, value in options.items() if name not in own})

    decorated: Callable[..., None] = with_source
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def _source_unless_files(context: click.Context, options: dict[str, Any]) -> Source | None:
    if not options["files"]:
        return _required_source(context, options)
    if _typed(context):
        raise click.UsageError("FILE and --data-file or --site-code exclude each other")
    return None


def _required_source(context: click.Context, options: dict[str, Any]) -> Source:
    """What stands on the command line counts more than the environment."""
    chosen = _typed(context) or [name for name in EITHER if options[name]]
    if not chosen:
        raise click.UsageError("a data file is needed: --data-file PATH|URL or --site-code CODE")
    if len(chosen) > 1:
        raise click.UsageError("--data-file and --site-code exclude each other: give one of them")
    given = {field.name: options[field.name] for field in fields(Source)}
    return Source(**{**given, **dict.fromkeys(set(EITHER).difference(chosen))})


def _typed(context: click.Context) -> list[str]:
    return [name for name in EITHER if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
