"""AB Tasty Flagship: its engine, the faces of its SDK, and an OpenFeature provider; for those who ask for it."""

from __future__ import annotations

from .app import Flagship
from .cache_manager import (
    CacheManager,
    HitCacheImplementation,
    MemoryCacheManager,
    RedisCacheManager,
    SqliteCacheManager,
    VisitorCacheImplementation,
)
from .config import Bucketing, Config, DecisionApi
from .flag import Flag, FlagMetadata
from .flagship_context import FlagshipContext
from .hits import Event, EventCategory, Hit, HitType, Item, Page, Screen, Transaction
from .log_manager import FlagshipLogManager, LogLevel, LogManager
from .provider import FlagshipProvider
from .provider_configuration import FlagshipConfiguration
from .status_listener import Status, StatusListener
from .tracking_manager import CacheStrategy, ClosingStrategy, TrackingManagerConfig
from .visitor import Visitor

__all__ = [
    "Bucketing",
    "CacheManager",
    "CacheStrategy",
    "ClosingStrategy",
    "Config",
    "DecisionApi",
    "Event",
    "EventCategory",
    "Flag",
    "FlagMetadata",
    "Flagship",
    "FlagshipConfiguration",
    "FlagshipContext",
    "FlagshipLogManager",
    "FlagshipProvider",
    "Hit",
    "HitCacheImplementation",
    "HitType",
    "Item",
    "LogLevel",
    "LogManager",
    "MemoryCacheManager",
    "Page",
    "RedisCacheManager",
    "Screen",
    "SqliteCacheManager",
    "Status",
    "StatusListener",
    "TrackingManagerConfig",
    "Transaction",
    "Visitor",
    "VisitorCacheImplementation",
]
