"""Ids that follow from names: the same in every process, and untouched by what else stands in the file."""

from __future__ import annotations

import hashlib

__all__ = ["derived_id", "title"]


def derived_id(*names: object) -> int:
    """A positive id of at most 48 bits, which a JSON reader of any language holds exactly."""
    text = "\0".join(map(str, names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") or 1


def title(key: str) -> str:
    """The name of a variation that has a key alone: ``one_page`` is "One page"."""
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]
