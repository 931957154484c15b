"""Sets up what follows a site's data file: its source, its copy on disk, and the building of rulesets from bytes.

The network's modules are imported only where a network source is made: a data file on disk needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .clock import SYSTEM_CLOCK, Clock, start_of_day
from .configuration import KameleoonClientConfiguration
from .datafile.acceptance import R
from .datafile.cache import DataFileCache
from .datafile.changes import changed_flags
from .datafile.index import EMPTY, DataFileIndex
from .datafile.live import Build, LiveDataFile
from .datafile.scan import breathing
from .datafile.sources import FileSource, Source, UpdateStream
from .engine.ruleset import Ruleset
from .engine.scope import Scope
from .protocol import SDK_NAME, SDK_VERSION
from .settings import is_url

if TYPE_CHECKING:
    from .transport.attempts import Observer
    from .transport.urls import Endpoints

__all__ = ["empty_ruleset", "follow", "follow_with", "source_of"]

MEGABYTE = 1 << 20


def follow(
    site_code: str,
    configuration: KameleoonClientConfiguration,
    endpoints: Endpoints | None,
    clock: Clock,
    *,
    source: Source | None = None,
    observe: Observer | None = None,
) -> LiveDataFile[Ruleset]:
    """The live data file of a site, not started yet; ``observe`` is told of each request for it.

    A ``source`` stands in place of the one that the configuration names.
    """
    build = _build(site_code, configuration, clock)
    return follow_with(build, _wants_stream, site_code, configuration, endpoints, clock, source=source, observe=observe)


def follow_with(
    build: Build[R],
    wants_stream: Callable[[R | None], bool],
    site_code: str,
    configuration: KameleoonClientConfiguration,
    endpoints: Endpoints | None,
    clock: Clock,
    *,
    source: Source | None = None,
    observe: Observer | None = None,
) -> LiveDataFile[R]:
    """The same for who makes something else of a data file than decisions.

    ``wants_stream`` tells of what is in use whether it wants updates streamed, where the settings leave that to it.
    """
    cache = None
    if configuration.cache_directory is not None:
        cache = DataFileCache(
            configuration.cache_directory,
            site_code,
            configuration.environment or "",
            max_bytes=_max_bytes(configuration),
            clock=clock,
        )
    return LiveDataFile(
        source or source_of(site_code, configuration, endpoints, clock, observe=observe),
        build,
        cache=cache,
        threads=configuration.multi_threading,
        timeout=configuration.default_timeout_second,
        stream=_stream_of(site_code, configuration, endpoints, clock),
        wants_stream=wants_stream if configuration.real_time_update is None else lambda in_use: True,
        clock=clock,
    )


def empty_ruleset(clock: Clock) -> Ruleset:
    """What answers before any data file has come: no flag is found."""
    return Ruleset(EMPTY, scope=_scope(clock))


def source_of(
    site_code: str,
    configuration: KameleoonClientConfiguration,
    endpoints: Endpoints | None = None,
    clock: Clock = SYSTEM_CLOCK,
    *,
    observe: Observer | None = None,
) -> Source:
    """Where the configuration says that the data file is: on disk, at a URL, or on Kameleoon's servers."""
    data_file = configuration.data_file
    if data_file is not None and not is_url(data_file):
        return FileSource(data_file, max_bytes=_max_bytes(configuration), clock=clock)
    # Imported here: a data file on disk needs nothing of the network, which takes as long to import as all else.
    from .datafile.polling import PollingSource  # noqa: PLC0415
    from .transport.http import Http  # noqa: PLC0415  # as above
    from .transport.urls import Endpoints  # noqa: PLC0415  # as above

    return PollingSource(
        Http(configuration.session, observe=observe),
        site_code,
        url=data_file if isinstance(data_file, str) else None,
        environment=configuration.environment or "",
        endpoints=endpoints or Endpoints.of(configuration.network_domain, configuration.server_url),
        interval=configuration.refresh_interval_second,
        max_bytes=_max_bytes(configuration),
        clock=clock,
    )


def _stream_of(
    site_code: str, configuration: KameleoonClientConfiguration, endpoints: Endpoints | None, clock: Clock
) -> UpdateStream | None:
    """Where updates are told, unless it is certain that nobody will want to know.

    A data file at another URL than Kameleoon's is not what Kameleoon's events are about: there the setting decides.
    """
    data_file, is_wanted = configuration.data_file, configuration.real_time_update
    is_elsewhere = data_file is not None and (not is_url(data_file) or not is_wanted)
    if is_wanted is False or is_elsewhere or not configuration.multi_threading:
        return None
    # Imported here, as in source_of.
    from .datafile.streaming import EventStream  # noqa: PLC0415
    from .transport.http import Http  # noqa: PLC0415  # as above
    from .transport.urls import Endpoints  # noqa: PLC0415  # as above

    endpoints = endpoints or Endpoints.of(configuration.network_domain, configuration.server_url)
    return EventStream(Http(configuration.session), endpoints.events_url(site_code), clock=clock)


def _wants_stream(in_use: Ruleset | None) -> bool:
    return in_use is not None and bool(in_use.index.settings.real_time_update)


def _max_bytes(configuration: KameleoonClientConfiguration) -> int:
    return int(configuration.data_file_maximum_size * MEGABYTE)


def _scope(clock: Clock) -> Scope:
    return Scope(clock.time, partial(start_of_day, clock), SDK_NAME, SDK_VERSION)


def _build(site_code: str, configuration: KameleoonClientConfiguration, clock: Clock) -> Build[Ruleset]:
    """From bytes to a ruleset, in slices while another one answers."""
    labels = {"siteCode": site_code}
    if configuration.environment:
        labels["environment"] = configuration.environment

    def build(raw: bytes, previous: Ruleset | None) -> tuple[Ruleset, list[str]]:
        if previous is None:
            index = DataFileIndex.read(raw)
            return Ruleset(index, scope=_scope(clock), labels=labels), list(index.flags)
        breathe = breathing()
        index = DataFileIndex.read(raw, previous=previous.index, breathe=breathe)
        changed = changed_flags(previous.index, index, breathe)
        return Ruleset(index, scope=_scope(clock), labels=labels, previous=previous, changed=changed), changed

    return build
