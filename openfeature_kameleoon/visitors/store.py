"""Where visitors live: in this process's memory, bounded, least recently seen out first; redis.py shares them.

Readers take no lock. Writers (new visitors, new data) take the store's one lock, which is never held across I/O.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from math import inf
from typing import Protocol

from ..clock import Clock
from ..datafile.index import DataFileIndex
from ..forking import renew_after_fork
from .data import CustomData, Data
from .recency import Recency
from .traits import Assignment
from .visitor import VISITOR_BYTES, Visitor, add_data, custom_data_index

__all__ = ["MemoryVisitorStore", "VisitorStore"]

SEEN_SECONDS = 0.1
"""How exactly it is known when a visitor was last seen: noting each look-up would cost more than the look-up."""

EXPIRED_PER_VISIT = 4
"""Idle visitors dropped when one is added: enough to keep up, too few to be felt."""


class VisitorStore(Protocol):
    """What evaluating and reporting need of a place where visitors live. Any thread calls.

    Whoever changes a visitor does it through the store. It answers from memory, or within a few milliseconds.
    """

    @property
    def lock(self) -> AbstractContextManager[object]:
        """What to hold, for moments, while more than one thing about a visitor is changed; reentrant."""

    def get(self, code: str) -> Visitor | None:
        """The visitor, marked as seen now; ``None`` when it is not known or has been idle too long."""

    def get_or_create(self, code: str) -> Visitor:
        """The visitor, which is made when it is not known."""

    def unknown(self, code: str) -> Visitor:
        """A visitor that is not stored: to decide for, and to ``add`` if anything is to be remembered."""

    def add(self, visitor: Visitor) -> Visitor:
        """Store a visitor, unless there is one of that code: then that one is returned."""

    def add_data(
        self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex, *, is_tracked: bool = True
    ) -> Visitor:
        """Add data to a visitor, who is stored if not yet; returns the stored one. ``TypeError``: no data."""

    def assign(self, visitor: Visitor, assignment: Assignment) -> None:
        """Note an assignment of a stored visitor; the caller holds the lock."""

    def change(self, visitor: Visitor, change: Callable[[Visitor], object]) -> Visitor:
        """Have a visitor changed by one thread at a time, who is stored if not yet; returns the stored one."""

    def start(self, timeout: float = 0.0) -> None:
        """Begin to reach what is shared, and wait that many seconds for it at most; may be called twice."""

    def flush(self, timeout: float) -> bool:
        """Write now what is to be shared, for that many seconds at most; whether all of it is written."""

    def close(self, timeout: float) -> None:
        """Write what is left, for that many seconds at most; then only this process's memory answers."""

    def __contains__(self, code: str) -> bool: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Visitor]: ...


class MemoryVisitorStore:
    """Visitors by code, forgotten after ``idle_seconds`` without being seen, or earlier when ``max_bytes`` is reached.

    Every look-up counts as being seen and costs O(1). Sizes are estimates: a fixed share for each visitor and the
    text of its data.
    """

    def __init__(self, *, idle_seconds: float, max_bytes: int, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.bytes = 0
        self._first_expiry = -inf  # nobody expires before
        self._visitors = Recency[Visitor]()
        self._latest: Visitor | None = None
        self._idle_seconds = idle_seconds
        self._max_bytes = max_bytes
        self._monotonic = clock.monotonic
        self._time = clock.time
        renew_after_fork(self)

    def get(self, code: str) -> Visitor | None:
        """The visitor, marked as seen now; ``None`` when it is not known or has been idle too long."""
        visitor = self._latest
        if visitor is None or visitor.code != code:  # a request asks for many flags of one visitor
            visitor = self._visitors.see(code)
            if visitor is None:
                return None
            self._latest = visitor
        now = self._monotonic()
        idle = now - visitor.last_seen
        if idle >= SEEN_SECONDS:
            if idle >= self._idle_seconds:
                with self.lock:
                    self._forget(visitor)
                return None
            visitor.last_seen = now
        return visitor

    def get_or_create(self, code: str) -> Visitor:
        """The visitor, which is made when it is not known."""
        return self.get(code) or self.add(self.unknown(code))

    def unknown(self, code: str) -> Visitor:
        """A visitor that is not stored: to decide for, and to ``add`` if anything is to be remembered."""
        return Visitor(code, self._time(), self._monotonic(), known=False, size=VISITOR_BYTES + len(code))

    def add(self, visitor: Visitor) -> Visitor:
        """Store a visitor, unless another thread has stored one of that code: then that one is returned."""
        if visitor.known:
            return visitor
        with self.lock:
            visitor.known = True
            stored = self._visitors.add(visitor)
            if stored is not visitor:
                visitor.known = False
                return stored
            self._latest = visitor
            self.bytes += visitor.size
            if self.bytes > self._max_bytes or visitor.last_seen >= self._first_expiry:
                self._make_room()
        return visitor

    def add_data(
        self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex, *, is_tracked: bool = True
    ) -> Visitor:
        """Add data to a visitor, who is stored if not yet; returns the stored one. ``TypeError``: no data."""
        with self.lock:
            visitor = self.add(visitor)
            for item in data:
                before = visitor.size
                add_data(visitor, item, index, self._time(), is_tracked=is_tracked)
                self._account(visitor, before)
                if type(item) is CustomData:
                    self._link(visitor, item, index)
        return visitor

    def change(self, visitor: Visitor, change: Callable[[Visitor], object]) -> Visitor:
        """Have a visitor changed by one thread at a time, who is stored if not yet; returns the stored one."""
        with self.lock:
            visitor = self.add(visitor)
            before = visitor.size
            try:
                change(visitor)
            finally:
                self._account(visitor, before)
        return visitor

    def assign(self, visitor: Visitor, assignment: Assignment) -> None:
        """Note an assignment of a stored visitor; the caller holds the lock."""
        visitor.set_assignment(assignment)

    def start(self, timeout: float = 0.0) -> None:
        """Nothing is shared."""

    def flush(self, timeout: float) -> bool:
        """Nothing is to be written."""
        return True

    def close(self, timeout: float) -> None:
        """Nothing is left to be written."""

    def peek(self, code: str) -> Visitor | None:
        """The visitor, however long it has been idle; does not count as seeing it."""
        return self._visitors.peek(code)

    def forget(self, visitor: Visitor) -> None:
        """Let a visitor go, unless another one has its code by now."""
        with self.lock:
            self._forget(visitor)

    def renew(self) -> None:
        """In a forked child: the visitors stay, the lock is new."""
        self.lock = threading.RLock()

    def __contains__(self, code: str) -> bool:
        """Whether the visitor is known and has not been idle too long; does not count as seeing it."""
        visitor = self._visitors.peek(code)
        return visitor is not None and self._monotonic() - visitor.last_seen < self._idle_seconds

    def __len__(self) -> int:
        return len(self._visitors)

    def __iter__(self) -> Iterator[Visitor]:
        with self.lock:
            return iter(self._visitors)

    def _link(self, visitor: Visitor, datum: CustomData, index: DataFileIndex) -> None:
        """Make the value of the mapping identifier another code of this visitor (6.6)."""
        number = custom_data_index(datum, index)
        if number is None or number != index.mapping_index or not datum.values or not datum.values[0]:
            return
        visitor.own_traits().is_linked = True
        if visitor.hashing_code is None:
            visitor.hashing_code = visitor.code
        user_id = datum.values[0]
        if user_id != visitor.code:
            replaced = self._visitors.peek(user_id)
            if replaced is not None:
                self._forget(replaced)
            self.add(visitor.alias(user_id))

    def _make_room(self) -> None:
        horizon = self._monotonic() - self._idle_seconds
        expired = 0
        while (oldest := self._visitors.oldest()) is not None:
            if self.bytes <= self._max_bytes:
                if oldest.last_seen > horizon or expired == EXPIRED_PER_VISIT:
                    self._first_expiry = oldest.last_seen + self._idle_seconds
                    return
                expired += 1
            self._forget(oldest)

    def _account(self, visitor: Visitor, before: int) -> None:
        """Count what a visitor has grown by; one that was forgotten meanwhile takes no room."""
        if visitor.known:
            self.bytes += visitor.size - before
            if self.bytes > self._max_bytes:
                self._make_room()

    def _forget(self, visitor: Visitor) -> None:
        if self._visitors.remove(visitor):  # not one that was stored under this code since
            self.bytes -= visitor.size
        visitor.known = False
        if self._latest is visitor:
            self._latest = None
