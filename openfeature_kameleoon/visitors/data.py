"""Every kind of visitor data, declared once (specs/kameleoon-sdk.md 6.1). Values are immutable and made by callers.

What a visitor keeps of them, and which value wins, is the visitor's business (visitor.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from math import isfinite

import msgspec

__all__ = [
    "ApplicationVersion",
    "Browser",
    "BrowserType",
    "Conversion",
    "Cookie",
    "CustomData",
    "Data",
    "DataType",
    "Device",
    "DeviceType",
    "Geolocation",
    "OperatingSystem",
    "OperatingSystemType",
    "PageView",
    "UniqueIdentifier",
    "UserAgent",
    "as_text",
]


class DataType(IntEnum):
    """Kameleoon's numbers of the kinds of data."""

    CUSTOM_DATA = 0
    BROWSER = 1
    CONVERSION = 2
    DEVICE = 3
    PAGE_VIEW = 4
    USER_AGENT = 5
    ASSIGNED_VARIATION = 6
    COOKIE = 7
    OPERATING_SYSTEM = 8
    GEOLOCATION = 9
    PAGE_VIEW_VISIT = 10
    VISITOR_VISITS = 11
    KCS_HEAT = 12
    UNIQUE_IDENTIFIER = 13
    FORCED_EXPERIMENT_VARIATION = 14
    FORCED_FEATURE_VARIATION = 15
    CBS = 16
    PERSONALIZATION = 17
    TARGETED_SEGMENT = 18
    APPLICATION_VERSION = 19


class BrowserType(IntEnum):
    """Browsers that targeting and reports tell apart."""

    CHROME = 0
    INTERNET_EXPLORER = 1
    FIREFOX = 2
    SAFARI = 3
    OPERA = 4
    OTHER = 5


class DeviceType(str, Enum):
    """Kinds of device; the values are the names."""

    PHONE = "PHONE"
    TABLET = "TABLET"
    DESKTOP = "DESKTOP"


class OperatingSystemType(IntEnum):
    """Operating systems that targeting and reports tell apart."""

    WINDOWS = 0
    MAC = 1
    IOS = 2
    LINUX = 3
    ANDROID = 4
    WINDOWS_PHONE = 5


def as_text(value: object) -> str:
    """A custom datum's value as Kameleoon's front end writes it: ``true``, ``5`` for 5.0, ISO 8601 dates in UTC.

    Raises ``TypeError`` for what has no such form, NaN and the infinities among it.
    """
    try:
        return _text_of(value)
    except (ValueError, OverflowError) as error:  # an integer of thousands of digits, a date before the year 1
        raise TypeError(f"a custom datum's value cannot be written: {error}") from error


def _text_of(value: object) -> str:
    if isinstance(value, str):
        if not value.isascii() and not _is_unicode(value):
            raise TypeError("a lone surrogate cannot be written as UTF-8")
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, float) and isfinite(value):
        return _number_text(value)
    if isinstance(value, datetime):
        utc = value.astimezone(timezone.utc)
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(
        f"a custom datum's value cannot be {'NaN or infinite' if isinstance(value, float) else type(value).__name__}"
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number_text(value: float) -> str:
    """ECMAScript's shortest form: plain digits from 1e-6 up to 1e21, an exponent without padding beyond."""
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, exponent = repr(value).split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


class CustomData:
    """Values of one custom datum of the site, given by its index or by its name.

    ``CustomData(3, "gold")`` or ``CustomData("tier", "gold")``; several values make one datum with several values.
    Values that are no text become text as ``as_text`` says. ``overwrite`` tells the server whether the values
    replace those of earlier visits; on this side they always do.
    The 2.x keyword ``value`` adds one value and warns ``DeprecationWarning``.
    """

    __slots__ = ("index", "name", "overwrite", "values")

    index: int
    name: str | None
    values: tuple[str, ...]
    overwrite: bool

    def __init__(self, index_or_name: int | str, *values: object, overwrite: bool = True, value: object = None) -> None:
        if value is not None:
            warnings.warn("pass values by position instead of value=", DeprecationWarning, stacklevel=2)
            values = (*values, value)
        named = isinstance(index_or_name, str)
        object.__setattr__(self, "index", -1 if named else index_or_name)
        object.__setattr__(self, "name", index_or_name if named else None)
        object.__setattr__(self, "values", tuple(map(as_text, values)))
        object.__setattr__(self, "overwrite", overwrite)

    @property
    def id(self) -> int:
        """The 2.x name of ``index``."""
        return self.index

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"CustomData is immutable: cannot set {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CustomData):
            return NotImplemented
        return _parts(self) == _parts(other)

    def __hash__(self) -> int:
        return hash(_parts(self))

    def __repr__(self) -> str:
        key = self.index if self.name is None else self.name
        return f"CustomData({key!r}, {len(self.values)} values)"  # values may be personal


def _parts(datum: CustomData) -> tuple[object, ...]:
    return datum.index, datum.name, datum.values, datum.overwrite


class Browser(msgspec.Struct, frozen=True):
    """The visitor's browser; ``version`` as major.minor number."""

    browser_type: BrowserType
    version: float | None = None


class Device(msgspec.Struct, frozen=True):
    """The kind of the visitor's device."""

    device_type: DeviceType


class OperatingSystem(msgspec.Struct, frozen=True):
    """The visitor's operating system."""

    os_type: OperatingSystemType


class Geolocation(msgspec.Struct, frozen=True):
    """Where the visitor is; ``latitude`` and ``longitude`` in degrees."""

    country: str
    region: str | None = None
    city: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class PageView(msgspec.Struct, frozen=True):
    """A page that the visitor saw; ``referrers`` are indexes of the site's acquisition channels."""

    url: str
    title: str | None = None
    referrers: Iterable[int] | None = None


class Conversion(msgspec.Struct, frozen=True, gc=False):
    """The visitor reached a goal.

    ``revenue`` in the site's currency; ``negative`` cancels an earlier conversion; ``metadata`` says more of it.
    """

    goal_id: int
    revenue: float = 0.0
    negative: bool = False
    metadata: Iterable[CustomData] | None = None


class UserAgent(msgspec.Struct, frozen=True):
    """The visitor's ``User-Agent`` header: sent with reports, so that the server can leave out bots."""

    value: str


class Cookie(msgspec.Struct, frozen=True):
    """The visitor's cookies by name: for targeting, never sent."""

    cookies: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Cookie({len(self.cookies)} cookies)"  # values may be personal


class ApplicationVersion(msgspec.Struct, frozen=True):
    """Version of the application that the visitor uses, such as ``2.5.0``: for targeting, never sent."""

    version: str


class UniqueIdentifier(msgspec.Struct, frozen=True):
    """Declares whether the visitor code is itself a user id, known across devices (6.6)."""

    value: bool


Data = (
    CustomData
    | Browser
    | Device
    | OperatingSystem
    | Geolocation
    | PageView
    | Conversion
    | UserAgent
    | Cookie
    | ApplicationVersion
    | UniqueIdentifier
)
"""Anything that ``add_data`` takes."""
