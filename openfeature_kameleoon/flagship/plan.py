"""What an environment of Flagship is run by, in the library's own terms: what both generations' settings become.

Times are in seconds. What users write, and its names, defaults and units, is config.py's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..clock import SYSTEM_CLOCK, Clock
from ..settings import HttpSession, Secret
from .caching import CacheManager
from .endpoints import V3, Dialect, Endpoints
from .tracking_manager import TrackingManagerConfig

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one environment is used.

    With ``is_bucketing`` decisions are made here, of a file that is asked for every ``polling_interval`` seconds, at 0
    or below only once, by ``start`` itself, which then waits for it. ``timeout`` bounds a decision and a download,
    ``report_timeout`` all else. Without ``tracking`` nothing is reported in the background.
    """

    env_id: str
    api_key: Secret
    is_bucketing: bool = False
    dialect: Dialect = V3
    timeout: float = 2.0
    report_timeout: float = 2.0
    polling_interval: float = 60.0
    tracking: TrackingManagerConfig | None = None
    cache: CacheManager | None = None
    cache_directory: str | os.PathLike[str] | None = None
    endpoints: Endpoints | None = None
    session: HttpSession | None = None
    clock: Clock = SYSTEM_CLOCK

    def __str__(self) -> str:
        mode = "bucketing" if self.is_bucketing else "decision API"
        polled = f", a file every {self.polling_interval} s" if self.is_bucketing else ""
        return f"mode {mode}, time-out {self.timeout} s{polled}"
