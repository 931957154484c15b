"""Where visitors live: in this process's memory, bounded, least recently seen out first.

Readers take no lock. Writers (new visitors, new data) take the store's one lock, which is never held across I/O.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from ..clock import Clock
from ..datafile.index import DataFileIndex
from .data import CustomData, Data
from .visitor import Visitor, add_data, custom_data_index

__all__ = ["MemoryVisitorStore"]

EXPIRED_PER_VISIT = 4
"""Idle visitors dropped when one is added: enough to keep up, too few to be felt."""


class MemoryVisitorStore:
    """Visitors by code, forgotten after ``idle_seconds`` without being seen, or earlier when ``max_bytes`` is reached.

    Every look-up counts as being seen and costs O(1). Sizes are estimates: a fixed share for each visitor and the
    text of its data.
    """

    def __init__(self, *, idle_seconds: float, max_bytes: int, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.bytes = 0
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._find = self._visitors.get
        self._latest: Visitor | None = None
        self._idle_seconds = idle_seconds
        self._max_bytes = max_bytes
        self._monotonic = clock.monotonic
        self._time = clock.time

    def get(self, code: str) -> Visitor | None:
        """The visitor, marked as seen now; ``None`` when it is not known or has been idle too long."""
        visitor = self._find(code)
        if visitor is None:
            return None
        now = self._monotonic()
        if now - visitor.last_seen >= self._idle_seconds:
            with self.lock:
                self._forget(code, visitor)
            return None
        visitor.last_seen = now
        if visitor is not self._latest:  # a request asks for many flags of one visitor
            try:
                self._visitors.move_to_end(code)
            except KeyError:  # evicted by another thread since
                return visitor
            self._latest = visitor
        return visitor

    def get_or_create(self, code: str) -> Visitor:
        """The visitor, which is made when it is not known."""
        return self.get(code) or self.add(self.unknown(code))

    def unknown(self, code: str) -> Visitor:
        """A visitor that is not stored: to decide for, and to ``add`` if anything is to be remembered."""
        return Visitor(code, self._time(), self._monotonic(), known=False)

    def add(self, visitor: Visitor) -> Visitor:
        """Store a visitor, unless another thread has stored one of that code: then that one is returned."""
        with self.lock:
            stored = self._visitors.get(visitor.code)
            if stored is not None:
                return stored
            visitor.known = True
            self._visitors[visitor.code] = visitor
            self._latest = visitor
            self.bytes += visitor.size
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
            self._make_room()
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
                self._make_room()
        return visitor

    def __contains__(self, code: str) -> bool:
        """Whether the visitor is known and has not been idle too long; does not count as seeing it."""
        visitor = self._visitors.get(code)
        return visitor is not None and self._monotonic() - visitor.last_seen < self._idle_seconds

    def __len__(self) -> int:
        return len(self._visitors)

    def __iter__(self) -> Iterator[Visitor]:
        with self.lock:
            return iter(list(self._visitors.values()))

    def _link(self, visitor: Visitor, datum: CustomData, index: DataFileIndex) -> None:
        """Make the value of the mapping identifier another code of this visitor (6.6)."""
        number = custom_data_index(datum, index)
        if number is None or number != index.mapping_index or not datum.values or not datum.values[0]:
            return
        if visitor.hashing_code is None:
            visitor.hashing_code = visitor.code
        user_id = datum.values[0]
        if user_id != visitor.code:
            replaced = self._visitors.get(user_id)
            if replaced is not None:
                self._forget(user_id, replaced)
            self.add(visitor.alias(user_id))

    def _make_room(self) -> None:
        horizon = self._monotonic() - self._idle_seconds
        expired = 0
        while self._visitors:
            try:
                code, oldest = next(iter(self._visitors.items()))
            except RuntimeError:  # a reader, who takes no lock, has moved a visitor to the end meanwhile
                continue
            if self.bytes <= self._max_bytes:
                if oldest.last_seen > horizon or expired == EXPIRED_PER_VISIT:
                    return
                expired += 1
            self._forget(code, oldest)

    def _account(self, visitor: Visitor, before: int) -> None:
        """Count what a visitor has grown by; one that was forgotten meanwhile takes no room."""
        if self._visitors.get(visitor.code) is visitor:
            self.bytes += visitor.size - before

    def _forget(self, code: str, visitor: Visitor) -> None:
        if self._visitors.get(code) is visitor:  # not one that was stored under this code since
            del self._visitors[code]
            self.bytes -= visitor.size
        if self._latest is visitor:
            self._latest = None
