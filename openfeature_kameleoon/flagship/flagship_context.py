"""The context keys that 3.x knows, and which values each takes (specs/flagship.md 5.2)."""

from __future__ import annotations

from enum import Enum

__all__ = ["FlagshipContext"]


class FlagshipContext(Enum):
    """A key of a visitor's context, and the type of its value. The last two are the SDK's to set."""

    DEVICE_LOCALE = ("sdk_deviceLanguage", str)
    DEVICE_TYPE = ("sdk_deviceType", str)
    DEVICE_MODEL = ("sdk_deviceModel", str)
    LOCATION_CITY = ("sdk_city", str)
    LOCATION_REGION = ("sdk_region", str)
    LOCATION_COUNTRY = ("sdk_country", str)
    LOCATION_LAT = ("sdk_lat", float)
    LOCATION_LONG = ("sdk_long", float)
    OS_NAME = ("sdk_osName", str)
    OS_VERSION = ("sdk_osVersionName", str)
    CARRIER_NAME = ("sdk_carrierName", str)
    INTERNET_CONNECTION = ("sdk_internetConnection", str)
    APP_VERSION_NAME = ("sdk_versionName", str)
    APP_VERSION_CODE = ("sdk_versionCode", int)
    INTERFACE_NAME = ("sdk_interfaceName", str)
    FLAGSHIP_CLIENT = ("fs_client", str)
    FLAGSHIP_VERSION = ("fs_version", str)

    def __init__(self, key: str, kind: type) -> None:
        self.key = key
        self.kind = kind
