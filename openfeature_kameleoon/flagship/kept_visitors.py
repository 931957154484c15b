"""Visitors in a visitor cache of Flagship's SDK: their flags for the time before the decision API was asked.

The cache is called on a thread of its own, ``kameleoon-flagship-cache``; a lookup is waited for no longer than the
cache's time-out. Imported only where there is one (specs/flagship.md 1.15).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from ..transport.foreign_text import printable
from .cache_calls import CacheCalls
from .caching import CacheManager
from .context import CURRENT
from .engine.evaluation import Evaluation
from .errors import VisitorCacheFormatException
from .known_visitor import KnownVisitor
from .log_manager import LogLevel
from .visitor_state import Origin, Table, VisitorState

__all__ = ["Kept", "KeptVisitors"]

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What was kept of a visitor: flags by key, and ids of variations that were told to have been seen."""

    flags: Mapping[str, Evaluation]
    exposed: frozenset[str]


class KeptVisitors:
    """Visitors that ``manager`` keeps for an environment. Who refuses consent is not kept."""

    def __init__(self, manager: CacheManager, env_id: str) -> None:
        self._manager = manager
        self._env_id = env_id
        self._calls: CacheCalls | None = None

    def start(self) -> None:
        """Have the cache opened; may be called twice."""
        if self._calls is None:
            self._calls = CacheCalls(self._manager, self._env_id, _Log())
            self._calls.open()

    def stop(self, seconds: float) -> None:
        """Have it closed, once all is written, within so many seconds."""
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.stop(seconds)

    def look_up(self, visitor: KnownVisitor) -> Kept | None:
        """What is kept of a visitor; ``None`` as well for what makes no sense, and without an answer in time."""
        if self._calls is None or not visitor.consents:
            return None
        state = VisitorState(visitor.code, CURRENT)
        try:
            kept = self._calls.lookup_visitor(visitor.code)
            if kept is None:
                return None
            state.restore(kept)
        except VisitorCacheFormatException as error:
            _log.warning("a visitor of the cache is ignored: %s", printable(error.message))
            return None
        return Kept(state.table.flags, frozenset(state.exposed))

    def keep(self, visitor: KnownVisitor) -> None:
        """Have what is known of a visitor kept, if the decision API gave it anything."""
        answer = visitor.answer
        if self._calls is None or answer is None or answer.is_kept or not visitor.consents:
            return
        state = VisitorState(visitor.code, CURRENT, has_consented=visitor.consents)
        state.ids, state.is_authenticated = visitor.ids, visitor.anonymous_id is not None
        state.context, state.assignments = visitor.who.context, dict(visitor.assignments)
        state.exposed = tuple(visitor.settled - visitor.unexposed)
        variations = {
            id(each.variation): each.variation for each in answer.flags.values() if each.variation is not None
        }
        state.table = Table(answer.flags, tuple(variations.values()), Origin.FETCHED)
        self._calls.cache_visitor(visitor.code, state.cached())

    def forget(self, visitor: KnownVisitor) -> None:
        """Have a visitor forgotten."""
        if self._calls is not None:
            self._calls.flush_visitor(visitor.code)


class _Log:
    """What the cache's caller tells, as this library logs."""

    def tell(self, tag: str, level: LogLevel, message: str) -> None:
        _log.warning("%s", printable(message))

    def tell_of(self, tag: str, exception: Exception, traceback: str = "") -> None:
        _log.warning("the visitor cache failed: %s", printable(f"{type(exception).__name__}: {exception}"))
