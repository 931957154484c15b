"""How 3.x reports: its settings, as users see them, in milliseconds and hits (specs/flagship.md 1.14, 8).

Sending is tracking.py's business, keeping hits elsewhere hit_cache.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["CacheStrategy", "ClosingStrategy", "TrackingManagerConfig"]


class CacheStrategy(Enum):
    """When hits are written to the hit cache.

    ``CONTINUOUS_CACHING``: each before it is queued. ``PERIODIC_CACHING``: what is still queued after each sending.
    """

    CONTINUOUS_CACHING = 1
    PERIODIC_CACHING = 2
    _NO_BATCHING_CONTINUOUS_CACHING = 3
    """Each hit is sent alone and at once, and cached only if that fails."""


class ClosingStrategy(Enum):
    """What happens to hits that wait when the SDK is stopped."""

    CACHE_PENDING_HITS = 1
    BATCH_PENDING_HITS = 2


class _Setting(NamedTuple):
    name: str
    default: Any
    accepts: Callable[[Any], bool]
    allowed: str


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


SETTINGS = (
    _Setting(
        "cache_strategy", CacheStrategy.CONTINUOUS_CACHING, lambda v: isinstance(v, CacheStrategy), "a CacheStrategy"
    ),
    _Setting("timeout", 200, lambda v: _is_whole(v) and v > 0, "milliseconds above 0"),
    _Setting(
        "time_interval", 10_000, lambda v: _is_whole(v) and 200 <= v <= 10_800_000, "200 to 10800000 milliseconds"
    ),
    _Setting("max_pool_size", 20, lambda v: _is_whole(v) and 0 <= v <= 5000, "0 to 5000 hits"),
    _Setting(
        "closing_strategy",
        ClosingStrategy.BATCH_PENDING_HITS,
        lambda v: isinstance(v, ClosingStrategy),
        "a ClosingStrategy",
    ),
)


class TrackingManagerConfig:
    """How hits are sent and cached.

    ``timeout`` bounds a request, ``time_interval`` is between two batches, both in milliseconds; at ``max_pool_size``
    hits a batch is sent at once. What is not allowed is replaced by its default, of which ``warnings`` tells.
    """

    cache_strategy: CacheStrategy
    timeout: int
    time_interval: int
    max_pool_size: int
    closing_strategy: ClosingStrategy

    def __init__(
        self,
        *,
        cache_strategy: CacheStrategy = CacheStrategy.CONTINUOUS_CACHING,
        timeout: int = 200,
        time_interval: int = 10_000,
        max_pool_size: int = 20,
        closing_strategy: ClosingStrategy = ClosingStrategy.BATCH_PENDING_HITS,
    ) -> None:
        given = {
            "cache_strategy": cache_strategy,
            "timeout": timeout,
            "time_interval": time_interval,
            "max_pool_size": max_pool_size,
            "closing_strategy": closing_strategy,
        }
        self.warnings: list[str] = []
        for setting in SETTINGS:
            value = given[setting.name]
            if not setting.accepts(value):
                self.warnings.append(f"{setting.name} must be {setting.allowed}; {setting.default} is used")
                value = setting.default
            setattr(self, setting.name, value)

    @property
    def is_batching(self) -> bool:
        """Whether hits go together."""
        return self.cache_strategy is not CacheStrategy._NO_BATCHING_CONTINUOUS_CACHING

    def __repr__(self) -> str:
        shown = ", ".join(f"{setting.name}={getattr(self, setting.name)}" for setting in SETTINGS)
        return f"TrackingManagerConfig({shown})"
