"""Sets up where visitors live: in this process's memory, or shared by many processes through Redis.

The modules for Redis are imported only where a URL of one is configured.
"""

from __future__ import annotations

from .clock import SYSTEM_CLOCK, Clock
from .configuration import KameleoonClientConfiguration
from .visitors.store import MemoryVisitorStore, VisitorStore

__all__ = ["visitor_store"]

MEGABYTE = 1 << 20


def visitor_store(
    configuration: KameleoonClientConfiguration, site_code: str, clock: Clock = SYSTEM_CLOCK
) -> VisitorStore:
    """The store of a site's visitors, not started yet. Raises ``ConfigSettingInvalid`` for a bad Redis URL."""
    max_bytes = int(configuration.visitor_data_maximum_size * MEGABYTE)
    if configuration.redis_url is None:
        return MemoryVisitorStore(idle_seconds=configuration.session_duration_second, max_bytes=max_bytes, clock=clock)
    # Imported here: most keep visitors in memory, and need neither this nor the extra ``redis``.
    from .visitors.redis import RedisVisitorStore  # noqa: PLC0415

    return RedisVisitorStore(
        configuration.redis_url,
        site_code=site_code,
        idle_seconds=configuration.session_duration_second,
        max_bytes=max_bytes,
        timeout_seconds=configuration.redis_timeout_millisecond / 1000,
        threads=configuration.multi_threading,
        clock=clock,
    )
