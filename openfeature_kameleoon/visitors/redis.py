"""Visitors shared by many processes through Redis: what one of them learns, all of them know.

Around a store in memory, which answers: Redis is read (redis_reader.py) once per visitor and second, and not at all
while it is away. Changes are noted under a lock, and written by redis_writer.py (specs/kameleoon-sdk.md 6.2 to 6.7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from math import inf
from random import Random

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.index import DataFileIndex
from ..forking import renew_after_fork
from ..settings import Secret
from .data import CustomData, Data
from .field_changes import IS_UNIQUE, link_to, to_write
from .redis_link import RedisLink
from .redis_reader import RedisReader
from .redis_writer import ChangeLock, RedisWriter
from .store import MemoryVisitorStore
from .traits import Assignment
from .visitor import Visitor, custom_data_index

__all__ = ["RedisVisitorStore"]

FORMAT = "1"
"""Other versions than this keep away from what this one stores."""

LONGEST_CODE = 255

MOST_SHARED_BYTES = 1 << 18
"""A visitor of whom more is known is one process's own: reading it would take too long."""


class RedisVisitorStore:
    """A ``VisitorStore`` that all processes with the same Redis and site code share.

    ``url`` is one that redis-py takes; ``timeout_seconds`` is what an evaluation waits for Redis at most. A visitor is
    forgotten after ``idle_seconds`` in which no process saw it. While Redis is away each process knows what it had read
    and learns; the latter is written when it is back. Cookies and custom data are stored as they are: whoever reads
    this Redis reads them. Raises ``ConfigSettingInvalid`` for a URL that cannot be used, and without the extra.
    """

    def __init__(
        self,
        url: Secret | str,
        *,
        site_code: str,
        idle_seconds: float,
        max_bytes: int,
        timeout_seconds: float,
        refresh_seconds: float = 1.0,
        threads: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        site = hashlib.sha256(f"{FORMAT}\0{site_code}".encode()).hexdigest()[:16]
        self._prefix = f"kameleoon:{site}".encode()
        self._memory = MemoryVisitorStore(idle_seconds=idle_seconds, max_bytes=max_bytes, clock=clock)
        self._monotonic = clock.monotonic
        self._link = RedisLink(
            url if isinstance(url, Secret) else Secret(url),
            need=lambda: self._writer.wake(),  # noqa: PLW0108  # it is made after the link
            clock=clock,
            random=random or Random(),
        )
        self._writer = RedisWriter(
            self._link,
            self._key,
            idle_seconds=idle_seconds,
            timeout_seconds=timeout_seconds,
            threads=threads,
            clock=clock,
        )
        self._reader = RedisReader(
            self._memory,
            self._link,
            self._writer,
            self._key,
            idle_seconds=idle_seconds,
            timeout_seconds=timeout_seconds,
            refresh_seconds=min(refresh_seconds, idle_seconds / 4),
            clock=clock,
        )
        self._absent_until = self._reader.absent.get
        renew_after_fork(self)

    @property
    def lock(self) -> ChangeLock:
        """What to hold, for moments, while more than one thing about a visitor is changed; reentrant."""
        return self._writer.lock

    @property
    def is_shared(self) -> bool:
        """Whether Redis answers."""
        return self._link.is_up

    @property
    def pending(self) -> int:
        """Changes that are not written yet."""
        return len(self._writer.pending)

    # Looking up -----------------------------------------------------------------------------------------------------

    def get(self, code: str) -> Visitor | None:
        """The visitor, marked as seen now; ``None`` when it is not known or has been idle too long."""
        visitor = self._memory.get(code)
        if visitor is not None:
            if visitor.last_seen < visitor.fresh_until:
                return visitor
        elif self._monotonic() < self._absent_until(code, -inf):
            return None
        if not self._link.is_up:
            self._writer.begin()
            return visitor
        return self._reader.read(code, visitor)

    def get_or_create(self, code: str) -> Visitor:
        """The visitor, which is made when it is not known."""
        return self.get(code) or self.add(self.unknown(code))

    def unknown(self, code: str) -> Visitor:
        """A visitor that is not stored: to decide for, and to ``add`` if anything is to be remembered."""
        visitor = self._memory.unknown(code)
        visitor.fresh_until = self._absent_until(code, -inf)
        return visitor

    def __contains__(self, code: str) -> bool:
        """Whether this process knows the visitor; does not count as seeing it, and asks nobody."""
        return code in self._memory

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator[Visitor]:
        return iter(self._memory)

    # Changing -------------------------------------------------------------------------------------------------------

    def add(self, visitor: Visitor) -> Visitor:
        """Store a visitor, unless there is one of that code: then that one is returned."""
        if visitor.known:
            return visitor
        with self.lock:
            stored = self._memory.add(visitor)
            if stored is visitor:
                self._reader.absent.pop(visitor.code, None)
                self._note(Visitor(visitor.code), visitor)
        return stored

    def add_data(
        self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex, *, is_tracked: bool = True
    ) -> Visitor:
        """Add data to a visitor, who is stored if not yet; returns the stored one. ``TypeError``: no data."""
        items = list(data)
        with self.lock:
            visitor = self.add(visitor)
            before = visitor.copy()
            links = {user_id: self._is_linked(visitor, user_id) for user_id in _user_ids(items, index)}
            try:
                return self._memory.add_data(visitor, items, index, is_tracked=is_tracked)
            finally:
                self._note(before, visitor)
                for user_id, was_linked in links.items():
                    if not was_linked and self._is_linked(visitor, user_id):
                        self._writer.note(user_id, link_to(visitor, user_id))

    def assign(self, visitor: Visitor, assignment: Assignment) -> None:
        """Note an assignment of a stored visitor; the caller holds the lock."""
        visitor.set_assignment(assignment)
        if visitor.fresh_until == inf:
            return
        field = ("assignment", assignment.exposure.experiment_id)
        self._writer.note(visitor.traits.first_code or visitor.code, {field: assignment})

    def change(self, visitor: Visitor, change: Callable[[Visitor], object]) -> Visitor:
        """Have a visitor changed by one thread at a time, who is stored if not yet; returns the stored one."""
        with self.lock:
            visitor = self.add(visitor)
            before = visitor.copy()
            try:
                return self._memory.change(visitor, change)
            finally:
                self._note(before, visitor)

    def _note(self, before: Visitor, visitor: Visitor) -> None:
        """Have written what has changed of a visitor."""
        if visitor.size > MOST_SHARED_BYTES:
            visitor.fresh_until = inf
        if visitor.fresh_until == inf:
            return
        changes = to_write(before, visitor)
        first_code = visitor.traits.first_code
        if first_code is not None and first_code != visitor.code:
            own = {field: changes.pop(field) for field in [IS_UNIQUE] if field in changes}
            self._writer.note(visitor.code, own)
            self._writer.note(first_code, changes)
        else:
            self._writer.note(visitor.code, changes)

    def _is_linked(self, visitor: Visitor, user_id: str) -> bool:
        other = self._memory.peek(user_id)
        return other is not None and other is not visitor and other.traits is visitor.traits

    # Life cycle -----------------------------------------------------------------------------------------------------

    def start(self, timeout: float = 0.0) -> None:
        """Get to Redis in the background, and wait that many seconds for the first try at most; after ``close`` too.

        Without threads it tries now, which may take a second or two.
        """
        self._writer.start(timeout)

    def flush(self, timeout: float) -> bool:
        """Write what is not written yet, for that many seconds at most; whether all of it is.

        Without threads this is also what gets back to a Redis that was away.
        """
        return self._writer.flush(timeout)

    def close(self, timeout: float) -> None:
        """Write what is left, for that many seconds at most; then only this process's memory answers."""
        self._writer.close(timeout)

    def renew(self) -> None:
        """In a forked child: the visitors stay, connections and the thread are new, and nothing is to be written."""
        self._link.renew()
        self._writer.renew()

    def _key(self, code: str) -> bytes | None:
        """Where a visitor is stored; ``None`` for what can be no visitor code."""
        if len(code) > LONGEST_CODE:
            return None
        try:
            return self._prefix + b":" + code.encode()
        except UnicodeEncodeError:
            return None


def _user_ids(data: Iterable[Data], index: DataFileIndex) -> list[str]:
    """The user ids that some data link a visitor to (6.6)."""
    if index.mapping_index is None:
        return []
    return [
        item.values[0]
        for item in data
        if isinstance(item, CustomData)
        and item.values
        and item.values[0]
        and custom_data_index(item, index) == index.mapping_index
    ]
