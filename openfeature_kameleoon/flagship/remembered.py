"""The variations that 2.x remembers of a visitor elsewhere, in a manager with ``save`` and ``lookup``.

They are called on the thread of whoever makes or synchronizes a visitor (specs/flagship.md 1.15).
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Any

from .engine.evaluation import Variation
from .errors import VisitorCacheFormatException
from .log_manager import Log

__all__ = ["Remembered"]

CACHE_VERSION = 1


class Remembered:
    """What is remembered of one visitor; whichever of the variations a variation group has is what it gets of it."""

    def __init__(self, manager: Any, log: Log) -> None:
        self.variation_ids: frozenset[str] = frozenset()
        self._manager = manager
        self._log = log

    def look_up(self, visitor_id: str) -> None:
        """Ask the manager; what it answers badly, or not at all, is told."""
        if self._manager is None:
            return
        try:
            kept = self._manager.lookup(visitor_id)
            if kept is not None:
                self.variation_ids = _ids(kept)
        except Exception as error:  # foreign code: the visitor does without
            self._log.tell_of("Cache Manager", error, traceback.format_exc())

    def keep(self, visitor_id: str, variations: Iterable[Variation]) -> None:
        """Have the manager remember these, too."""
        if self._manager is None:
            return
        self.variation_ids |= {variation.id for variation in variations}
        data = {"version": CACHE_VERSION, "data": {"vId": visitor_id, "vaIds": sorted(self.variation_ids)}}
        try:
            self._manager.save(visitor_id, data)
        except Exception as error:  # as above
            self._log.tell_of("Cache Manager", error, traceback.format_exc())


def _ids(kept: Any) -> frozenset[str]:
    try:
        ids = kept["data"]["vaIds"]
        if kept["version"] == CACHE_VERSION and all(isinstance(each, str) for each in ids):
            return frozenset(ids)
    except (KeyError, TypeError):
        pass
    raise VisitorCacheFormatException("a record of the visitor cache has another shape")
