"""Follows a file on disk for what is served of it: each good edit is published, a bad one is told once.

Its thread looks every quarter of a second.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Protocol

from ..datafile.sources import Fetched, FileSource
from ..errors import DataFileInvalid, KameleoonError
from ..transport.foreign_text import printable

__all__ = ["Published", "WatchedFile"]

_log = logging.getLogger(__name__)


class Published(Protocol):
    """What serves a file: a site its data file, a Flagship environment its bucketing file."""

    def publish(self, raw: bytes) -> None:
        """Serve another one. Raises ``DataFileInvalid``, and what was served stays."""


class WatchedFile:
    """A file that something is served from. ``problem`` is what is wrong with it now; empty when nothing is."""

    def __init__(self, path: str | os.PathLike[str], served: Published) -> None:
        self.problem = ""
        self._source = FileSource(path)
        self._served = served
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Publish what is there, and follow it. Raises ``DataFileInvalid`` if there is nothing to begin with."""
        self._look()
        self._thread = threading.Thread(target=self._follow, name="kameleoon-file", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._ending.wait(self._source.wait_seconds()):
            try:
                self._look()
                problem = ""
            except KameleoonError as error:
                problem = error.message
            if problem and problem != self.problem:
                _log.warning("what was served stays: %s", printable(problem))
            self.problem = problem

    def _look(self) -> None:
        fetched = self._source.fetch(0.0)
        if not isinstance(fetched, Fetched):
            return
        try:
            self._served.publish(fetched.raw)
        except DataFileInvalid as problem:
            self._source.judged(fetched, problem)
            raise
        self._source.judged(fetched, None)
