"""Kameleoon's feature flags for OpenFeature: answered locally, in microseconds, from Kameleoon's data file."""

from .client import KameleoonClient
from .configuration import KameleoonClientConfig, KameleoonClientConfiguration
from .errors import KameleoonError
from .provider import KameleoonProvider
from .visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
)

__all__ = [
    "ApplicationVersion",
    "Browser",
    "BrowserType",
    "Conversion",
    "Cookie",
    "CustomData",
    "Device",
    "DeviceType",
    "Geolocation",
    "KameleoonClient",
    "KameleoonClientConfig",
    "KameleoonClientConfiguration",
    "KameleoonError",
    "KameleoonProvider",
    "OperatingSystem",
    "OperatingSystemType",
    "PageView",
    "UniqueIdentifier",
    "UserAgent",
    "__version__",
]

__version__ = "0.1.0"
