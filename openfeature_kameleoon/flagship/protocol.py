"""Which generation of Flagship's protocol this library speaks, as it tells servers and the context's own keys."""

from __future__ import annotations

__all__ = ["SDK_CLIENT", "SDK_VERSION"]

SDK_CLIENT = "python"
SDK_VERSION = "3.0.1"
