"""The bucketing file in use, kept up to date as Kameleoon's data files are; the place and the engine are Flagship's.

Whether it is ready, stale or changed is told by ``LiveDataFile``, on whose thread all of this runs (specs/flagship.md
3.1). The network's modules are imported only where it is used.
"""

from __future__ import annotations

import os
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.cache import DataFileCache
from ..datafile.live import LiveDataFile
from ..datafile.scan import breathing
from ..datafile.sources import MAX_BYTES, FileSource, Source
from ..errors import DataFileInvalid
from .engine.ruleset import Ruleset
from .engine.semantics import SDK, Semantics

if TYPE_CHECKING:
    from ..settings import HttpSession
    from ..transport.attempts import Observer
    from .endpoints import Endpoints

__all__ = ["PANIC", "build", "follow_bucketing", "unwrapped"]

PANIC = "panic mode is on: every flag is off"

COPY_BEGINS_WITHIN = 64
"""Bytes: to look for what marks a copy further on, in each large file that comes, would stall other threads."""


def follow_bucketing(
    env_id: str,
    *,
    file: str | os.PathLike[str] | None = None,
    endpoints: Endpoints | None = None,
    session: HttpSession | None = None,
    observe: Observer | None = None,
    interval: float = 60.0,
    timeout: float = 2.0,
    cache_directory: str | os.PathLike[str] | None = None,
    max_bytes: int = MAX_BYTES,
    semantics: Semantics = SDK,
    threads: bool = True,
    clock: Clock = SYSTEM_CLOCK,
) -> LiveDataFile[Ruleset]:
    """The live bucketing file of an environment, not started yet: from Flagship's servers, or a ``file`` on disk.

    It is asked for every ``interval`` seconds; at 0 or below, once it has come, no more. ``timeout``, in seconds,
    bounds a download. With a ``cache_directory`` the last one from the network is used while there is none.
    """
    cache = None
    if cache_directory is not None:
        cache = DataFileCache(cache_directory, env_id, "flagship", max_bytes=max_bytes, clock=clock)
    if file is not None:
        source: Source = FileSource(file, max_bytes=max_bytes, clock=clock)
    else:
        source = _network(env_id, endpoints, session, observe, interval, max_bytes, clock)
    return LiveDataFile(
        source,
        partial(build, semantics=semantics),
        cache=cache,
        threads=threads,
        timeout=timeout,
        caution=lambda in_use: PANIC if in_use.panic else "",
        clock=clock,
    )


def build(raw: bytes, in_use: Ruleset | None, *, semantics: Semantics = SDK) -> tuple[Ruleset, list[str]]:
    """What replaces the ruleset in use, and the keys of the flags that it may answer differently.

    Raises ``DataFileInvalid``, also for a JSON object that says nothing of campaigns or panic: a proxy's empty object,
    or an error, never takes the flags away.
    """
    content = unwrapped(raw)
    ruleset = Ruleset.read(content, in_use, semantics=semantics, breathe=breathing())
    if not ruleset.campaigns and b'"campaigns"' not in content and b'"panic"' not in content:
        raise DataFileInvalid("it has neither campaigns nor panic: no bucketing file")
    return ruleset, ruleset.changed


def unwrapped(raw: bytes) -> bytes:
    """The bucketing file within the copy that an SDK of Flagship's own left on disk; any other text as it is."""
    if b'"last_modified"' not in raw[:COPY_BEGINS_WITHIN]:
        return raw
    try:
        copy = msgspec.json.decode(raw, type=_Copy)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return raw
    return bytes(copy.data or copy.content) or raw


class _Copy(msgspec.Struct):
    """What 1.x writes to ``bucketing.json``, with ``content``, and 3.x to ``.{env_id}.decision``, with ``data``."""

    last_modified: str
    data: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")


def _network(
    env_id: str,
    endpoints: Endpoints | None,
    session: HttpSession | None,
    observe: Observer | None,
    interval: float,
    max_bytes: int,
    clock: Clock,
) -> Source:
    # Imported here: a file on disk needs nothing of the network, which takes as long to import as all else.
    from ..datafile.polling import PollingSource  # noqa: PLC0415
    from ..transport.http import Http  # noqa: PLC0415  # as above
    from .endpoints import Endpoints  # noqa: PLC0415  # as above

    return PollingSource(
        Http(session, observe=observe),
        env_id,
        url=(endpoints or Endpoints()).bucketing_url(env_id),
        headers={},
        names="the environment id",
        interval=interval if interval > 0 else inf,
        max_bytes=max_bytes,
        clock=clock,
    )
