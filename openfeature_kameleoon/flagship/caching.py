"""What keeps visitors and hits for later, as users write it: the interfaces of 3.x (specs/flagship.md 1.15).

The records are plain mappings that JSON can hold: their forms are visitor_state.py's and records.py's. Methods may be
coroutines or not; cache_calls.py calls them, on one thread of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable
from typing import Any

__all__ = ["CacheManager", "HitCacheImplementation", "VisitorCacheImplementation"]

DEFAULT_TIMEOUT = 100


class CacheManager(ABC):
    """A place for records; mix in what it keeps. ``timeout``, in milliseconds, is how long a lookup is waited for."""

    def __init__(self, timeout: int = DEFAULT_TIMEOUT) -> None:
        is_usable = isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0
        self.timeout = timeout if is_usable else DEFAULT_TIMEOUT

    @abstractmethod
    def open_database(self, env_id: str) -> None:
        """Be ready for the records of an environment."""

    @abstractmethod
    def close_database(self) -> None:
        """Let go of everything; ``open_database`` may come again."""


class VisitorCacheImplementation(ABC):
    """Keeps visitors by their id."""

    @abstractmethod
    async def cache_visitor(self, visitor_id: str, data: dict[str, Any]) -> None:
        """Keep what is known of a visitor, instead of what was kept before."""

    @abstractmethod
    async def lookup_visitor(self, visitor_id: str) -> dict[str, Any] | None:
        """What is kept of a visitor."""

    @abstractmethod
    async def flush_visitor(self, visitor_id: str) -> None:
        """Forget a visitor."""


class HitCacheImplementation(ABC):
    """Keeps hits by their id, until they were sent."""

    @abstractmethod
    def cache_hits(self, hits: dict[str, Any]) -> Awaitable[None] | None:
        """Keep these too."""

    @abstractmethod
    async def lookup_hits(self) -> dict[str, Any] | None:
        """All that are kept."""

    @abstractmethod
    def flush_hits(self, hits_ids: Iterable[str]) -> Awaitable[None] | None:
        """Forget these."""

    @abstractmethod
    def flush_all_hits(self) -> Awaitable[None] | None:
        """Forget all."""
