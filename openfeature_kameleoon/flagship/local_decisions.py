"""Decisions made in this process, from the bucketing file in use: on the caller's thread, and it waits for nothing."""

from __future__ import annotations

from typing import Protocol

from ..datafile.events import Listener
from ..datafile.freshness import Status
from ..datafile.live import LiveDataFile
from ..errors import DataFileInvalid, Initialization, KameleoonError
from .engine.evaluation import Evaluation
from .engine.ruleset import Ruleset
from .known_visitor import KnownVisitor
from .reports import Reports

__all__ = ["Decisions", "LocalDecisions"]


class Decisions(Protocol):
    """What decides: this process, or Flagship's decision API."""

    def decide(self, visitor: KnownVisitor, key: str) -> Evaluation:
        """What a visitor gets of a flag. Raises what provider.py lists in ``CODES``."""

    def decide_at_once(self, visitor: KnownVisitor, key: str) -> Evaluation:
        """The same, without waiting for anything."""

    def needs(self, visitor: KnownVisitor) -> bool:
        """Whether ``decide`` would wait."""

    def ask(self, visitor: KnownVisitor, seconds: float | None = None) -> bool:
        """Wait now instead; whether all is there to decide by."""

    def start(self, visitor: KnownVisitor | None) -> bool:
        """Begin; whether there is something to answer from."""

    def stop(self) -> None:
        """End."""

    def refresh(self) -> None:
        """Look for what is new."""

    def status(self) -> Status:
        """Where things stand now."""

    def add_listener(self, listener: Listener) -> None:
        """Have events delivered, never before ``initialize`` has returned."""


class LocalDecisions:
    """What visitors get of the flags of a live bucketing file. While that says that there is panic, nothing is told."""

    def __init__(self, live: LiveDataFile[Ruleset], reports: Reports, *, wait_seconds: float) -> None:
        self.live = live
        self._reports = reports
        self._wait_seconds = wait_seconds
        live.add_update_listener(lambda *_: self._heed_panic())

    def decide(self, visitor: KnownVisitor, key: str) -> Evaluation:
        """What the visitor gets of one flag.

        Raises ``FeatureNotFound``, or, while there is no file, ``Initialization`` and ``DataFileInvalid``.
        """
        ruleset = self.live.current  # read once: a refresh swaps in a whole new one
        if ruleset is None:
            raise self._nothing_to_decide_by()
        try:
            decide = ruleset.decisions[key]
        except KeyError:
            decide = ruleset.decide(key)
        return decide(visitor.who)

    decide_at_once = decide

    def needs(self, visitor: KnownVisitor) -> bool:
        """Never: nobody is asked."""
        return False

    def ask(self, visitor: KnownVisitor, seconds: float | None = None) -> bool:
        """Whether there is a file; nobody is asked."""
        return self.live.current is not None

    def start(self, visitor: KnownVisitor | None) -> bool:
        """Follow the file, and wait for the first one; whether there is one."""
        is_ready = self.live.start(self._wait_seconds)
        self._heed_panic()  # a copy on disk is told to nobody
        return is_ready

    def stop(self) -> None:
        """Follow it no more; what is in use goes on to answer."""
        self.live.stop()

    def refresh(self) -> None:
        """Look for a new file now. Raises ``RequestFailed`` and ``DataFileInvalid``."""
        self.live.refresh()

    def status(self) -> Status:
        """How it goes with the file."""
        return self.live.status()

    def add_listener(self, listener: Listener) -> None:
        """Have events of the file delivered."""
        self.live.add_listener(listener)

    def _heed_panic(self) -> None:
        in_use = self.live.current
        self._reports.hold(in_use is not None and in_use.panic)

    def _nothing_to_decide_by(self) -> KameleoonError:
        status = self.live.status()
        if status.is_invalid:
            return DataFileInvalid(f"there is no bucketing file yet: {status.last_error}")
        return Initialization("there is no bucketing file yet")
