"""Visitors by code and by when they were last seen, without a pause at any number of them.

One table of 100,000 entries takes 10 ms to grow or to tidy up, all at once; 64 small ones take a fraction each. The
order among them is kept by ticks. Looking up and being seen take no lock; adding and removing are their caller's to
guard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Generic, Protocol, TypeVar

__all__ = ["Recency", "Seen"]

SHARDS = 64


class Seen(Protocol):
    """A visitor, as far as its place in the order goes."""

    code: str
    tick: int


V = TypeVar("V", bound=Seen)


class Recency(Generic[V]):
    """A collection of visitors that knows which one was seen least recently; every operation is O(1)."""

    __slots__ = ("_heads", "_is_listed", "_shards", "_tick")

    def __init__(self) -> None:
        self._shards = tuple(OrderedDict[str, V]() for _ in range(SHARDS))
        self._tick = count().__next__
        # For each shard in use, its number and a tick that its least recently seen visitor is at least as young as.
        self._heads: list[tuple[int, int]] = []
        self._is_listed = bytearray(SHARDS)

    def see(self, code: str) -> V | None:
        """The visitor of this code, from now on the one seen last."""
        shard = self._shards[hash(code) % SHARDS]
        visitor = shard.get(code)
        if visitor is not None:
            try:
                shard.move_to_end(code)
            except KeyError:  # removed by another thread since
                return visitor
            visitor.tick = self._tick()
        return visitor

    def peek(self, code: str) -> V | None:
        """The visitor of this code, which does not count as being seen."""
        return self._shards[hash(code) % SHARDS].get(code)

    def add(self, visitor: V) -> V:
        """Take in a visitor as the one seen last, unless there is one of that code: then that one is returned."""
        number = hash(visitor.code) % SHARDS
        visitor.tick = self._tick()
        stored = self._shards[number].setdefault(visitor.code, visitor)
        if stored is visitor and not self._is_listed[number]:
            self._is_listed[number] = True
            heappush(self._heads, (visitor.tick, number))
        return stored

    def remove(self, visitor: V) -> bool:
        """Let a visitor go; whether it was there."""
        shard = self._shards[hash(visitor.code) % SHARDS]
        if shard.get(visitor.code) is not visitor:
            return False
        del shard[visitor.code]
        return True

    def oldest(self) -> V | None:
        """The visitor that was seen least recently."""
        heads = self._heads
        while heads:
            tick, number = heads[0]
            try:
                head = next(iter(self._shards[number].values()), None)
            except RuntimeError:  # another thread saw one of its visitors just now
                continue
            if head is None:
                heappop(heads)
                self._is_listed[number] = False
            elif head.tick == tick:
                return head
            else:
                heapreplace(heads, (head.tick, number))
        return None

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def __iter__(self) -> Iterator[V]:
        """All visitors, the one seen least recently first."""
        return iter(sorted((visitor for shard in self._shards for visitor in list(shard.values())), key=_tick))


def _tick(visitor: Seen) -> int:
    return visitor.tick
