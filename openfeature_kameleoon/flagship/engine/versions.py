"""Semantic versions as keys that compare: a leading ``v`` and missing parts are allowed (specs/flagship.md 3.5)."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["version_key"]

_read_version = re.compile(
    r"v?([0-9]{1,18})(?:\.([0-9]{1,18}))?(?:\.([0-9]{1,18}))?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
).fullmatch

MOST_DIGITS = 18
"""Longer numbers are no versions: every part fits in 64 bits, as on the server."""


def version_key(text: str) -> tuple[Any, ...] | None:
    """What a version compares by; ``None`` when it is no version. A pre-release sorts below its release."""
    found = _read_version(text)
    if found is None:
        return None
    *numbers, pre_release = found.groups()
    parts = pre_release.split(".") if pre_release else []
    if any(part.isdigit() and len(part) > MOST_DIGITS for part in parts):
        return None
    return (*(int(number or 0) for number in numbers), not parts, [_precedence(part) for part in parts])


def _precedence(part: str) -> tuple[int, int, str]:
    """Numbers sort by value and below names."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)
