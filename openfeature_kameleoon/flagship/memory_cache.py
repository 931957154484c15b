"""Visitors and hits kept in this process: nothing survives it, and the visitors seen longest ago go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from ..forking import renew_after_fork
from .caching import DEFAULT_TIMEOUT, CacheManager, HitCacheImplementation, VisitorCacheImplementation

__all__ = ["MemoryCacheManager"]


class MemoryCacheManager(CacheManager, VisitorCacheImplementation, HitCacheImplementation):
    """Keeps ``most_visitors`` and ``most_hits`` per environment; a visitor object that is made anew finds its flags."""

    def __init__(
        self, timeout: int = DEFAULT_TIMEOUT, *, most_visitors: int = 100_000, most_hits: int = 100_000
    ) -> None:
        super().__init__(timeout)
        self._most_visitors = most_visitors
        self._most_hits = most_hits
        self._visitors: dict[str, OrderedDict[str, bytes]] = {}
        self._hits: dict[str, OrderedDict[str, bytes]] = {}
        self._env_id = ""
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: the lock is new; the hits are the parent's to send, the visitors stay."""
        self._lock = threading.Lock()
        self._hits = {}

    def open_database(self, env_id: str) -> None:
        """What was kept of this environment before is there."""
        with self._lock:
            self._env_id = env_id

    def close_database(self) -> None:
        """What is kept stays, for as long as this object lives."""

    async def cache_visitor(self, visitor_id: str, data: dict[str, Any]) -> None:
        """Keep a visitor, instead of the one seen longest ago if there are too many."""
        encoded = msgspec.json.encode(data)
        with self._lock:
            _keep(self._visitors.setdefault(self._env_id, OrderedDict()), visitor_id, encoded, self._most_visitors)

    async def lookup_visitor(self, visitor_id: str) -> dict[str, Any] | None:
        """What is kept of a visitor."""
        with self._lock:
            visitors = self._visitors.get(self._env_id, OrderedDict())
            found = visitors.get(visitor_id)
            if found is not None:
                visitors.move_to_end(visitor_id)
        return None if found is None else msgspec.json.decode(found, type=dict[str, Any])

    async def flush_visitor(self, visitor_id: str) -> None:
        """Forget a visitor."""
        with self._lock:
            self._visitors.get(self._env_id, OrderedDict()).pop(visitor_id, None)

    def cache_hits(self, hits: dict[str, Any]) -> None:
        """Keep these too."""
        encoded = {hit_id: msgspec.json.encode(hit) for hit_id, hit in hits.items()}
        with self._lock:
            kept = self._hits.setdefault(self._env_id, OrderedDict())
            for hit_id, hit in encoded.items():
                _keep(kept, hit_id, hit, self._most_hits)

    async def lookup_hits(self) -> dict[str, Any] | None:
        """All that are kept."""
        with self._lock:
            kept = dict(self._hits.get(self._env_id, {}))
        return {hit_id: msgspec.json.decode(hit) for hit_id, hit in kept.items()}

    def flush_hits(self, hits_ids: Iterable[str]) -> None:
        """Forget these."""
        with self._lock:
            kept = self._hits.get(self._env_id, OrderedDict())
            for hit_id in hits_ids:
                kept.pop(hit_id, None)

    def flush_all_hits(self) -> None:
        """Forget all."""
        with self._lock:
            self._hits.pop(self._env_id, None)


def _keep(kept: OrderedDict[str, bytes], key: str, encoded: bytes, most: int) -> None:
    kept[key] = encoded
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
