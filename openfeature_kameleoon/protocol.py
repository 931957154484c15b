"""Which generation of Kameleoon's SDK protocol this library speaks, as it tells servers and SDK_LANGUAGE conditions."""

from __future__ import annotations

__all__ = ["SDK_NAME", "SDK_VERSION"]

SDK_NAME = "PYTHON"
SDK_VERSION = "3.22.2"
