"""How far the events of one file have been taken, and which are accounted for and still to be deleted.

No accounts and no handling of errors: the first are disk.py's, the other is shelves.py's. Adding runs on any thread,
the rest on the one that takes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from .event_file import Entry, EventFile, Front, Row

__all__ = ["SLICE", "Found", "Shelf"]

SLICE = 250
"""Rows for which those who write are kept waiting: a fraction of a millisecond."""

MOST_KNOWN = 20_000
"""Visitors of whom it is known that something of theirs waits, the latest."""

BEFORE_ALL = -(1 << 63)


class Found(NamedTuple):
    """What was taken: events that are under way now, and the ids of those that are damaged."""

    rows: list[Row]
    damaged: list[int]


class Shelf:
    """A file in which ``pending`` events are; ``is_own``: this process made it. Methods raise ``sqlite3.Error``.

    ``lock`` guards that number, the file's writing connection and who is known to wait.
    """

    def __init__(self, file: EventFile, lock: threading.RLock, pending: int = 0, *, is_own: bool) -> None:
        self.file = file
        self.pending = pending
        self.is_own = is_own
        self.is_damaged = False
        """Whether that was found where nothing could be done about it."""
        self._lock = lock
        self._known: OrderedDict[str, int] = OrderedDict()
        self._after = BEFORE_ALL
        self._under_way: set[int] = set()
        self._forgotten: set[int] = set()
        self._settled: list[int] = []
        self._has_failed = False

    # Under the lock ---------------------------------------------------------------------------------------------------

    def add(self, ids: Sequence[int], entries: Sequence[Entry]) -> None:
        """Commit events, which are ``pending`` once the caller says so."""
        self.file.write(ids, entries)
        known = self._known
        for number, entry in zip(ids, entries, strict=True):
            known[entry.visitor_code] = number
            known.move_to_end(entry.visitor_code)
        while len(known) > MOST_KNOWN:
            known.popitem(last=False)

    def has(self, visitor_code: str) -> bool:
        """Whether anything of this visitor is known to wait."""
        return visitor_code in self._known

    @property
    def is_done(self) -> bool:
        """Whether nothing is known to wait or to be under way, and nothing is left to delete."""
        return self.pending <= 0 and not self._settled

    @property
    def surplus(self) -> int:
        """How many more events are under way than pending; negative: how many must be waiting."""
        return len(self._under_way) - self.pending

    def give_up(self) -> int:
        """Forget all; how many events were pending."""
        pending, self.pending = self.pending, 0
        self._known.clear()
        self._under_way.clear()
        self._forgotten.clear()
        self._settled.clear()
        return pending

    # On the thread that takes, without the lock -----------------------------------------------------------------------

    def take(self, most: int) -> Found:
        """The next events that are not under way; nothing is left to delete by then."""
        rows: list[Row] = []
        damaged: list[int] = []
        after = self._after
        while (asked := most - len(rows)) > 0:
            found, bad = self.file.read(after, asked)
            after = max([after, *(row.id for row in found[-1:]), *bad[-1:]])
            rows += [row for row in found if row.id not in self._under_way]
            damaged += [number for number in bad if number not in self._under_way]
            if len(found) + len(bad) < asked:
                break
        self._after = after
        self._under_way.update([row.id for row in rows], damaged)
        self._waits_no_more(rows)
        return Found(rows, damaged)

    def take_again(self) -> None:
        """Begin with the oldest that is not under way."""
        self._after = BEFORE_ALL

    def under_way(self, ids: Iterable[int]) -> list[int]:
        """Those of these events that were taken, and have not been settled or given back yet."""
        return [number for number in ids if number in self._under_way]

    def forgotten(self, ids: Iterable[int]) -> list[int]:
        """Those of these events that were taken, and of which nobody wants to hear any more."""
        return [number for number in ids if number in self._forgotten] if self._forgotten else []

    def give_back(self, visitor_code: str, ids: Sequence[int]) -> None:
        """Let these be taken again, before all others."""
        self._under_way.difference_update(ids)
        self._after = min(self._after, min(ids) - 1)
        with self._lock:
            self._known[visitor_code] = max(ids[-1], self._known.get(visitor_code, BEFORE_ALL))

    def older_than(self, time: float) -> Iterator[list[int]]:
        """What is of this time or before, and not under way, a slice at a time; it waits no more."""
        after, is_old = BEFORE_ALL, True
        while is_old and (front := self.file.front(after, SLICE)):
            after = front[-1].id
            old = [event for event in front if event.time <= time]
            is_old = len(old) == len(front)
            waiting = [event for event in old if event.id not in self._under_way]
            if waiting:
                self._waits_no_more(waiting)
                yield [event.id for event in waiting]

    def of_visitors(self, is_theirs: Callable[[str], bool]) -> Iterator[list[int]]:
        """What is of visitors with such codes, a slice at a time; it waits no more, and if under way never again."""
        after = BEFORE_ALL
        while front := self.file.front(after, SLICE):
            after = front[-1].id
            theirs = [event for event in front if is_theirs(event.visitor_code)]
            waiting = [event for event in theirs if event.id not in self._under_way]
            self._forgotten.update(self.under_way(event.id for event in theirs))
            if waiting:
                self._waits_no_more(waiting)
                yield [event.id for event in waiting]

    def settle(self, ids: Sequence[int]) -> None:
        """These are accounted for, and to be deleted."""
        with self._lock:
            self.pending -= len(ids)
        self._under_way.difference_update(ids)
        self._forgotten.difference_update(ids)
        self._settled += ids

    def delete_settled(self) -> None:
        """Delete what is settled; where that fails, the rest is to be deleted still."""
        while self._settled:
            ids = self._settled[:SLICE]
            try:
                with self._lock:
                    deleted = self.file.delete(ids)
            except sqlite3.Error:
                self._has_failed = True
                raise
            if deleted != len(ids) and not self._has_failed:  # after a failure some may be gone
                raise sqlite3.DatabaseError("events that were read cannot be found")
            del self._settled[: len(ids)]
        self._has_failed = False

    def bury(self, ids: Sequence[int], reason: str) -> None:
        """Keep a copy among those that were given up."""
        for first in range(0, len(ids), SLICE):
            with self._lock:
                self.file.bury(ids[first : first + SLICE], reason)

    def _waits_no_more(self, events: Iterable[Row | Front]) -> None:
        with self._lock:
            for event in events:
                if self._known.get(event.visitor_code) == event.id:  # its latest
                    del self._known[event.visitor_code]
