"""Kameleoon's feature flags for OpenFeature: answered locally, in microseconds, from Kameleoon's data file.

PYTEST_DONT_REWRITE, which is for pytest: it brings fixtures, and may be imported before pytest begins all the same.
"""

from .client import KameleoonClient
from .configuration import KameleoonClientConfig, KameleoonClientConfiguration
from .errors import KameleoonError
from .events import (
    DatafileSource,
    DatafileUpdate,
    EventType,
    HttpRequestFailure,
    HttpRequestFailureReason,
    RequestType,
)
from .factory import KameleoonClientFactory
from .kameleoon_logger import KameleoonLogger, LogLevel
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
from .visitors.remote import RemoteVisitorDataFilter

__all__ = [
    "ApplicationVersion",
    "Browser",
    "BrowserType",
    "Conversion",
    "Cookie",
    "CustomData",
    "DatafileSource",
    "DatafileUpdate",
    "Device",
    "DeviceType",
    "EventType",
    "Geolocation",
    "HttpRequestFailure",
    "HttpRequestFailureReason",
    "KameleoonClient",
    "KameleoonClientConfig",
    "KameleoonClientConfiguration",
    "KameleoonClientFactory",
    "KameleoonError",
    "KameleoonLogger",
    "KameleoonProvider",
    "LogLevel",
    "OperatingSystem",
    "OperatingSystemType",
    "PageView",
    "RemoteVisitorDataFilter",
    "RequestType",
    "UniqueIdentifier",
    "UserAgent",
    "__version__",
]

__version__ = "0.1.0"
