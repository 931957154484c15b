"""Caches of visitors and hits: the interfaces, and those that come with the library."""

from __future__ import annotations

from .caching import CacheManager, HitCacheImplementation, VisitorCacheImplementation
from .memory_cache import MemoryCacheManager
from .redis_cache import RedisCacheManager
from .sqlite_cache import SqliteCacheManager

__all__ = [
    "CacheManager",
    "HitCacheImplementation",
    "MemoryCacheManager",
    "RedisCacheManager",
    "SqliteCacheManager",
    "VisitorCacheImplementation",
]
