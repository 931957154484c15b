"""The outbox that survives the process: events are on disk before ``put`` returns, and in memory while the disk fails.

Accounts of what came in and what became of it, over both. The files are the business of shelves.py and those below it.
Putting waits for one commit; upkeep is done on the thread that takes (reliability.md 3.4).
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from operator import attrgetter
from typing import NamedTuple

from ..clock import SYSTEM_CLOCK, Clock
from ..forking import pause_while_forking, renew_after_fork
from .event_file import Entry, Row
from .events import Line, Report, block, lines_of
from .outbox import WITHDRAWN, Batch, MemoryOutbox, OutboxStatus
from .shelf import SLICE, Shelf
from .shelves import TROUBLE, Accounts, Shelves
from .spool import Spool

__all__ = ["DiskOutbox"]

_log = logging.getLogger(__name__)

DEFAULT_MAX_BYTES = 256 << 20

PAUSE_SECONDS = 0.5
"""For how long a fork waits for each of the locks."""

_rank = attrgetter("rank")


class _Taken(NamedTuple):
    shelf: Shelf
    ids: list[int]


class DiskOutbox:
    """An outbox in ``directory``: one file of at most ``max_bytes`` for each process, adopted when its process is gone.

    What ``put`` accepted survives the process, however it ends; with ``survives_power_loss`` the machine, too. While
    the disk cannot be written, events wait in ``memory``, which nobody else may use. Nothing is made before the first
    event, nothing read before the first ``take``.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        site_code: str,
        *,
        memory: MemoryOutbox,
        survives_power_loss: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._spool = Spool(directory, site_code)
        self._memory = memory
        self._survives_power_loss = survives_power_loss
        self._max_bytes = max_bytes
        self._clock = clock
        self._is_unsafe = False
        self._begin()
        renew_after_fork(self)
        pause_while_forking(self)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._accounts = Accounts()
        self._shelves = Shelves(
            self._spool, self._accounts, self._clock, durable=self._survives_power_loss, max_bytes=self._max_bytes
        )
        self._taking, self._lock = self._shelves.taking, self._shelves.writing
        self._gate = threading.RLock()
        self._is_memory_used = self._is_moving = self._is_forking = False

    # Any thread -------------------------------------------------------------------------------------------------------

    def put(self, report: Report) -> None:
        """Commit the report's events to disk, or have them wait in memory where that fails."""
        if os.getpid() != self._process:  # forked by something that Python was not told of
            self.renew()
        lines = _lines(report)
        self._let_fork()
        with self._lock:
            if lines is None:
                self._count_invalid(report)
            elif not self._is_written(report, lines):
                self._memory.put(report)
                self._is_memory_used = True
        if self._shelves.has_long_log and self._taking.acquire(blocking=False):
            try:
                self._shelves.relieve()
            finally:
                self._taking.release()

    def has(self, visitor_code: str) -> bool:
        """Whether anything of this visitor waits that came lately; what is under way or was adopted does not count."""
        return any(shelf.has(visitor_code) for shelf in self._shelves.all()) or self._memory.has(visitor_code)

    def status(self) -> OutboxStatus:
        """The numbers of this moment. What was adopted counts as accepted here."""
        with self._lock:
            memory = self._memory.status()
            accepted, delivered, dropped = (
                self._accounts.accepted,
                self._accounts.delivered,
                [*self._accounts.dropped.items()],
            )
        pending = accepted - delivered - sum(count for _, count in dropped)
        by_reason = Counter(memory.dropped)
        by_reason.update(dict(dropped))
        return OutboxStatus(
            accepted + memory.accepted, delivered + memory.delivered, pending + memory.pending, dict(by_reason)
        )

    # The thread that takes --------------------------------------------------------------------------------------------

    def take(self, most: int) -> list[Batch]:
        """The oldest events, those of dead processes first, grouped by visitor."""
        batches: list[Batch] = []
        self._let_fork()
        with self._taking:
            self._look_after()
            for shelf in self._shelves.all():
                if most > 0:
                    found = self._take_from(shelf, most)
                    most -= _events(found)
                    batches += found
            while self._is_memory_used and most > 0:
                with self._lock:
                    found = self._memory.take(min(most, SLICE))
                    self._is_memory_used = bool(self._memory.peek(1))
                most -= _events(found)
                batches += found
        return batches

    def delivered(self, batches: Iterable[Batch]) -> None:
        """Delete these. Nothing more is taken from a file in which that fails, until it succeeds."""
        with self._taking:
            for shelf, parts in self._sorted_out(batches, self._memory.delivered):
                ids = [number for _, numbers in parts for number in numbers]
                with self._lock:
                    self._accounts.delivered += len(ids)
                self._settle(shelf, ids)

    def release(self, batches: Iterable[Batch]) -> None:
        """Let these wait again, before all others."""
        with self._taking:
            for shelf, parts in self._sorted_out(batches, self._release_in_memory):
                for visitor_code, ids in parts:
                    gone = shelf.forgotten(ids)
                    if gone:
                        self._drop(shelf, gone, WITHDRAWN)
                    if len(gone) < len(ids):
                        shelf.give_back(visitor_code, shelf.under_way(ids))

    def drop(self, batches: Iterable[Batch], reason: str) -> None:
        """Move these to the table ``dead`` of their file, where the latest can be looked at."""
        with self._taking:
            for shelf, parts in self._sorted_out(batches, lambda some: self._memory.drop(some, reason)):
                ids = [number for _, numbers in parts for number in numbers]
                try:
                    shelf.bury(ids, reason)
                except TROUBLE as error:  # they are given up all the same, or were with their file
                    self._shelves.failed("delete", shelf, error)
                self._drop(shelf, shelf.under_way(ids), reason)

    def expire(self, seconds: float) -> None:
        """Drop what has waited so long, here or in the process it was adopted from."""
        horizon = self._shelves.wall_time(inf) - seconds
        with self._taking:
            self._look_after()
            for shelf in self._shelves.all():
                self._drop_slices(shelf, lambda some: some.older_than(horizon), "expired")
            with self._lock:
                self._memory.expire(seconds)

    def forget(self, is_theirs: Callable[[str], bool]) -> None:
        """Drop what waits of such visitors, here or left by processes that are gone; reads all that waits."""
        with self._taking:
            self._look_after()
            for shelf in self._shelves.all():
                self._drop_slices(shelf, lambda some: some.of_visitors(is_theirs), WITHDRAWN)
            with self._lock:
                self._memory.forget(is_theirs)

    # The life cycle ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the files, and remove those in which nothing waits. What is put in later begins a new one."""
        with self._taking:
            self._shelves.close()
            self._memory.close()

    def pause(self) -> None:
        """Before a fork: let the other threads finish what they do in SQLite, if that is soon.

        Its locks are the process's: one that is held would never be free again in the child.
        """
        if self._gate.acquire(timeout=PAUSE_SECONDS):
            self._is_forking = True
        for lock in (self._taking, self._lock):
            lock.acquire(timeout=PAUSE_SECONDS)

    def proceed(self) -> None:
        """After a fork, in the parent."""
        self._is_forking = False
        for lock in (self._lock, self._taking, self._gate):
            try:
                lock.release()
            except RuntimeError:  # it was waited for in vain
                continue

    def renew(self) -> None:
        """In a forked child: what waits is the parent's, and so are its files. The child makes its own."""
        is_quiet = self._taking.acquire(blocking=False) and self._lock.acquire(blocking=False)
        if not is_quiet and not self._is_unsafe:
            self._is_unsafe = True
            _log.warning("a process was forked while it wrote events to disk: those of the child wait in memory alone")
        self._shelves.abandon()
        self._memory.renew()
        self._begin()

    def _let_fork(self) -> None:
        if self._is_forking:  # locks are not fair: a busy thread would never let go of them for long enough
            with self._gate:
                return

    # Writing, under the lock ------------------------------------------------------------------------------------------

    def _is_written(self, report: Report, lines: list[Line]) -> bool:
        if self._is_unsafe or self._clock.monotonic() < self._shelves.retry_at:
            return False
        try:
            if self._is_memory_used and not self._is_memory_moved():
                return False  # what came first goes first
            self._shelves.write(self._entries(report, lines))
        except TROUBLE as error:
            self._shelves.write_failed(error)
            return False
        return True

    def _is_memory_moved(self) -> bool:
        """Move some of what waits in memory to the disk; whether that was all of it."""
        if self._is_moving:  # this is a signal handler, in the middle of it
            return False
        self._is_moving = True
        try:
            self._move_memory()
        finally:
            self._is_moving = False
        return not self._is_memory_used

    def _move_memory(self) -> None:
        reports = self._memory.peek(SLICE)
        written = [(report, _lines(report)) for report in reports]
        self._shelves.write([entry for report, lines in written for entry in self._entries(report, lines or ())])
        self._memory.withdraw(reports)
        for report, lines in written:
            if lines is None:
                self._count_invalid(report)
        self._is_memory_used = bool(self._memory.peek(1))

    def _entries(self, report: Report, lines: Iterable[Line]) -> list[Entry]:
        time = self._shelves.wall_time(report.time)
        return [Entry(report.visitor_code, line, report.user_agent, time) for line in lines]

    def _count_invalid(self, report: Report) -> None:
        self._accounts.accepted += len(report.events)
        self._accounts.drop(len(report.events), "invalid")

    # Taking and settling ----------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        if self._is_unsafe:
            return
        is_moved = False
        while self._is_memory_used and not is_moved and self._clock.monotonic() >= self._shelves.retry_at:
            with self._lock:
                try:
                    is_moved = self._is_memory_moved()
                except TROUBLE as error:
                    self._shelves.write_failed(error)
        self._shelves.look_after()

    def _take_from(self, shelf: Shelf, most: int) -> list[Batch]:
        if not self._shelves.is_clean(shelf):
            return []
        rows: list[Row] = []
        damaged: list[int] = []
        with self._shelves.reading(shelf):
            rows, damaged = shelf.take(most)
            with self._lock:
                if not rows and not damaged:
                    self._look_for_missing(shelf)
                elif shelf.surplus > 0:  # a put was interrupted when it had written, and before it was counted
                    self._accounts.accepted += shelf.surplus
                    shelf.pending += shelf.surplus
        if damaged:
            _log.warning("%d waiting events are damaged and dropped; check the disk", len(damaged))
            self._drop(shelf, damaged, "disk_corrupt")
        return _batches(shelf, rows)

    def _look_for_missing(self, shelf: Shelf) -> None:
        """Nothing was found: where something should be, begin anew, or give up what is not there any more."""
        missing = -shelf.surplus
        if missing > 0:
            shelf.take_again()
            if shelf.file.is_empty():
                shelf.pending -= missing
                self._accounts.drop(missing, "disk_corrupt")

    def _sorted_out(
        self, batches: Iterable[Batch], in_memory: Callable[[list[Batch]], None]
    ) -> list[tuple[Shelf, list[tuple[str, list[int]]]]]:
        """By file, each visitor's events that are under way still; what was taken from memory is handed on."""
        from_memory: list[Batch] = []
        by_shelf: dict[Shelf, list[tuple[str, list[int]]]] = {shelf: [] for shelf in self._shelves.all()}
        for batch in batches:
            if not isinstance(batch.key, _Taken):
                from_memory.append(batch)
            elif batch.key.shelf in by_shelf:  # or it was closed, or set aside, meanwhile
                ids = batch.key.shelf.under_way(batch.key.ids)
                if ids:
                    by_shelf[batch.key.shelf].append((batch.visitor_code, ids))
        if from_memory:
            with self._lock:
                in_memory(from_memory)
        return [(shelf, parts) for shelf, parts in by_shelf.items() if parts]

    def _release_in_memory(self, batches: list[Batch]) -> None:
        self._memory.release(batches)
        self._is_memory_used = True

    def _drop(self, shelf: Shelf, ids: list[int], reason: str) -> None:
        with self._lock:
            self._accounts.drop(len(ids), reason)
        self._settle(shelf, ids)

    def _settle(self, shelf: Shelf, ids: list[int]) -> None:
        shelf.settle(ids)
        if self._shelves.is_clean(shelf):
            self._shelves.discard_if_done(shelf)

    def _drop_slices(self, shelf: Shelf, slices: Callable[[Shelf], Iterable[list[int]]], reason: str) -> None:
        if self._shelves.is_clean(shelf):
            with self._shelves.reading(shelf):
                for ids in slices(shelf):
                    self._drop(shelf, ids, reason)
                    if shelf not in self._shelves.all():  # it was the last, or the file is damaged
                        break


def _lines(report: Report) -> list[Line] | None:
    """A report's lines as they are sent, so that one cut in two keeps its order; ``None`` for what is no event."""
    try:
        return sorted(lines_of(report), key=_rank)
    except Exception as error:  # foreign data that no check foresaw: it costs only its report
        _log.warning("events that cannot be written are dropped: %s", type(error).__name__)
        return None


def _batches(shelf: Shelf, rows: Iterable[Row]) -> list[Batch]:
    """Rows by visitor, in the order in which visitors come first."""
    of_visitors: dict[str, list[Row]] = {}
    for row in rows:
        of_visitors.setdefault(row.visitor_code, []).append(row)
    return [
        Batch(code, block([row.line for row in some], some[-1].user_agent), _Taken(shelf, [row.id for row in some]))
        for code, some in of_visitors.items()
    ]


def _events(batches: Iterable[Batch]) -> int:
    return sum(len(batch.lines) for batch in batches)
