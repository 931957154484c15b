"""Percent-encoding as Kameleoon's clients do it, like JavaScript's encodeURIComponent (specs/kameleoon-sdk.md 1.3)."""

from __future__ import annotations

import re

__all__ = ["encode_uri"]

_needs_no_encoding = re.compile(r"[A-Za-z0-9_.~!*'()-]*").fullmatch
_encode = tuple(chr(byte) if _needs_no_encoding(chr(byte)) else f"%{byte:02X}" for byte in range(256)).__getitem__


def encode_uri(value: str) -> str:
    """A value as it stands in a query; a lone surrogate, which has no UTF-8, becomes a question mark."""
    if _needs_no_encoding(value):  # as visitor codes mostly are
        return value
    return "".join(map(_encode, value.encode("utf-8", "replace")))
