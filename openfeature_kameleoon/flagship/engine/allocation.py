"""A visitor's bucket, 0 to 99, and which variation it falls in: bit for bit what Flagship's SDKs and server compute.

The only module that imports mmh3, an extra. Everything about a group's shares is settled when it is compiled: what is
left for a visitor is one hash and one look into a table (specs/flagship.md 3.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil
from typing import TypeVar

import mmh3

__all__ = ["BUCKETS", "bucket", "bucket_table", "upper_bounds"]

BUCKETS = 100

T = TypeVar("T")


def bucket(text: str) -> int:
    """The bucket of a text: MurmurHash3 x86 32, seed 0, unsigned, of its UTF-8 bytes, modulo 100."""
    try:
        data = text.encode()  # never the text itself: mmh3 crashes the process at a lone surrogate
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")  # as the vendor's own encoder writes it
    return mmh3.hash(data, 0, False) % BUCKETS


def upper_bounds(allocations: Iterable[float]) -> list[float]:
    """Where each share ends, in percent, summed as the SDKs sum: in order, and what is not above 0 counts nothing."""
    return list(accumulate(allocation if allocation > 0 else 0.0 for allocation in allocations))


def bucket_table(items: Sequence[T], allocations: Sequence[float]) -> tuple[T | None, ...]:
    """What each bucket falls on: the first item whose share ends above it; ``None`` where the shares do not reach."""
    table: list[T | None] = []
    for item, upper in zip(items, upper_bounds(allocations), strict=True):
        table += [item] * (ceil(min(upper, BUCKETS)) - len(table))  # the whole buckets below it that are still free
    return (*table, *[None] * (BUCKETS - len(table)))
