"""A visitor's place in [0, 1), bit-identical to Kameleoon's SDKs (specs/kameleoon-sdk.md 3).

Decisions never need the place itself: a threshold becomes, once, the largest digest that lies at or below it, and
from then on two byte strings are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import sha256

__all__ = [
    "ALL",
    "NONE",
    "bound",
    "hash_string",
    "legacy_experiment_suffix",
    "place",
    "respool_suffix",
    "running_bounds",
    "slot",
]

_SPAN = 2.0**256

ALL = b"\xff" * 32
"""The bound that no digest exceeds."""

NONE = b""
"""The bound that every digest exceeds."""


def place(text: str) -> float:
    """The visitor's place: SHA-256 of the UTF-8 text as one big-endian number, divided by 2**256 (3.1)."""
    return int.from_bytes(sha256(text.encode()).digest(), "big") / _SPAN


def bound(threshold: float) -> bytes:
    """The largest digest whose place is at most a threshold: a digest exceeds it exactly when its place does.

    Exact because rounding a digest to a float never reverses an order: the bound lies half-way to the next float,
    or just below when ties round upwards there.
    """
    if not threshold >= 0.0:  # also NaN
        return NONE
    if threshold >= 1.0:
        return ALL
    below = int(threshold * _SPAN)
    above = int(math.nextafter(threshold, 2.0) * _SPAN)
    largest = (below + above) // 2
    while largest / _SPAN > threshold:
        largest -= 1
    return largest.to_bytes(32, "big")


def running_bounds(shares: Iterable[float]) -> list[bytes]:
    """Bounds of cumulated shares, added in order from 0.0 in double arithmetic, as the reference does (3.4)."""
    bounds = []
    total = 0.0
    for share in shares:
        total += share
        bounds.append(bound(total))
    return bounds


def slot(text: str, count: int) -> int:
    """Which of ``count`` equal parts of [0, 1) the visitor's place is in (3.4: groups, ties of scores)."""
    return min(int(place(text) * count), count - 1)


def respool_suffix(container_id: int, respool_time: int | None) -> str:
    """What follows the visitor's code in the hashed string of a rule or experiment (3.2)."""
    return f"{container_id}{respool_time or ''}"


def legacy_experiment_suffix(experiment_id: int, respool_times: Sequence[tuple[str, float]]) -> str:
    """The same for a 2.x experiment: respool values in the order of their variation ids as text (3.5)."""
    times = {"origin" if variation == "0" else variation: value for variation, value in respool_times}
    return "".join([str(experiment_id), *(str(times[variation]) for variation in sorted(times))])


def hash_string(code: str, suffix: str) -> bytes:
    """The digest that is compared with bounds."""
    return sha256((code + suffix).encode()).digest()
