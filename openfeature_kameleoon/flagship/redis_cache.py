"""Visitors and hits kept in a Redis, which many processes share: the link to it is that of Kameleoon's side.

What is written down is as in the other caches, one key per visitor and one hash of hits. While Redis is away nothing is
kept, and looking up fails at once. redis-py belongs to the extra ``redis`` and is imported only where one is made.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..forking import renew_after_fork
from ..settings import Secret
from ..visitors.redis_link import Command, RedisLink
from .caching import DEFAULT_TIMEOUT, CacheManager, HitCacheImplementation, VisitorCacheImplementation
from .errors import InitializationError

__all__ = ["RedisCacheManager"]

DIGITS = 20
"""In front of each hit, as a hash of Redis has no order: when it came, in nanoseconds."""

CALL_SECONDS = 1.0
"""For one call; who looks a visitor up waits no longer than ``timeout``."""

HITS_SECONDS = 14_400
"""A hit is worth nothing after that, nor is the hash of them after its last change."""


class RedisCacheManager(CacheManager, VisitorCacheImplementation, HitCacheImplementation):
    """Keeps visitors and hits in Redis, by a URL that redis-py takes.

    A visitor is forgotten ``visitor_seconds`` after it was last written. Hits that a process has not sent yet are taken
    over by one that starts, so some may be sent twice. Raises ``ConfigSettingInvalid`` for a URL that cannot be used,
    and without the extra.
    """

    def __init__(
        self,
        url: str | Secret,
        timeout: int = DEFAULT_TIMEOUT,
        *,
        visitor_seconds: int = 30 * 86_400,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        super().__init__(timeout)
        self._visitor_seconds = visitor_seconds
        self._prefix = b""
        self._link = RedisLink(
            url if isinstance(url, Secret) else Secret(url),
            need=lambda: None,  # each call mends by itself
            clock=clock,
            random=random or Random(),
            what="visitors and hits",
        )
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: connections of its own."""
        self._link.renew()

    def open_database(self, env_id: str) -> None:
        """Connect, if Redis is there; a later call does otherwise."""
        self._prefix = b"flagship:" + hashlib.sha256(env_id.encode("utf-8", "surrogatepass")).hexdigest()[:16].encode()
        self._link.begin()
        self._link.mend()

    def close_database(self) -> None:
        """End the connections; what is kept stays."""
        self._prefix = b""
        self._link.close()

    async def cache_visitor(self, visitor_id: str, data: dict[str, Any]) -> None:
        """Keep what is known of a visitor, instead of what was kept before."""
        seconds = b"%d" % self._visitor_seconds
        self._ask([(b"SET", self._visitor(visitor_id), msgspec.json.encode(data), b"EX", seconds)])

    async def lookup_visitor(self, visitor_id: str) -> dict[str, Any] | None:
        """What is kept of a visitor."""
        (found,) = self._ask([(b"GET", self._visitor(visitor_id))])
        return None if found is None else msgspec.json.decode(found)

    async def flush_visitor(self, visitor_id: str) -> None:
        """Forget a visitor."""
        self._ask([(b"DEL", self._visitor(visitor_id))])

    def cache_hits(self, hits: dict[str, Any]) -> None:
        """Keep these too."""
        if hits:
            first = time.time_ns()
            numbered = {
                hit_id.encode(): b"%0*d%b" % (DIGITS, first + number, msgspec.json.encode(hit))
                for number, (hit_id, hit) in enumerate(hits.items())
            }
            pairs = [part for pair in numbered.items() for part in pair]
            self._ask([(b"HSET", self._hits, *pairs), (b"EXPIRE", self._hits, b"%d" % HITS_SECONDS)])

    async def lookup_hits(self) -> dict[str, Any] | None:
        """All that are kept, by whichever process, in their order; what does not decode is ``None``."""
        (found,) = self._ask([(b"HGETALL", self._hits)])
        pairs = sorted(zip(found[1::2], found[::2], strict=False))
        return {hit_id.decode(): _decoded(numbered[DIGITS:]) for numbered, hit_id in pairs}

    def flush_hits(self, hits_ids: Iterable[str]) -> None:
        """Forget these."""
        ids = [hit_id.encode() for hit_id in hits_ids]
        if ids:
            self._ask([(b"HDEL", self._hits, *ids)])

    def flush_all_hits(self) -> None:
        """Forget all, those of other processes too."""
        self._ask([(b"DEL", self._hits)])

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        if not self._prefix:
            raise InitializationError("the cache is not open: open_database comes first")
        if not self._link.is_up and not self._link.pause_seconds():
            self._link.mend()
        replies = self._link.ask(commands, CALL_SECONDS)
        self._link.tend()
        return replies

    @property
    def _hits(self) -> bytes:
        return self._prefix + b":hits"

    def _visitor(self, visitor_id: str) -> bytes:
        return self._prefix + b":visitor:" + visitor_id.encode("utf-8", "surrogatepass")


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
