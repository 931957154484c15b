"""The files of one outbox: the one that is written, older ones, those adopted; their upkeep, and what trouble leads to.

``writing`` guards what every thread uses, and is held for one small commit at most. Methods that only the thread that
takes may call run under ``taking``, which is taken first.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import count, islice
from math import inf

from ..clock import Clock
from ..transport.foreign_text import printable
from .event_file import PAGE_BYTES, Entry, EventFile, inherited_files, is_damage, plain_reason
from .shelf import Shelf
from .spool import Claim, Spool

__all__ = ["RETRY_SECONDS", "TROUBLE", "Accounts", "Shelves"]

_log = logging.getLogger(__name__)

TROUBLE = (sqlite3.Error, OSError, MemoryError)
"""What a disk that fails looks like."""

RETRY_SECONDS = 60.0
"""How long after a failure the disk is written again, and how often it is looked whether the file is there still."""

ADOPT_SECONDS = 3_600.0

MOST_ADOPTED = 8
"""Files of dead processes that one process holds at a time: more are for others, or for later."""

MOST_LOG_BYTES = 16 << 20
"""How long a write-ahead log may get before events begin a new file."""

LONG_LOG_BYTES = 1 << 20
"""To move as much into the database takes longer than to begin a new file."""

OFTEN_MOVED_PAGES = 1_000

CONSEQUENCES = {
    "write": "events wait in memory and are lost with the process; make room, grant access or name another directory",
    "delete": "delivered events cannot be deleted, and nothing more is sent from their file until they can",
    "read": "what waits in a file there is sent once it can be read",
}


class Accounts:
    """What became of events on disk; no number is ever changed in two steps, so that they agree at every moment."""

    def __init__(self) -> None:
        self.accepted = 0
        self.delivered = 0
        self.dropped: dict[str, int] = {}

    def drop(self, count: int, reason: str) -> None:
        """So many were lost."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count


class Shelves:
    """Files in a spool, for as long as the process lives and is not forked."""

    def __init__(self, spool: Spool, accounts: Accounts, clock: Clock, *, durable: bool, max_bytes: int) -> None:
        # Both are reentrant: a signal handler may evaluate flags, or fork, in the middle of anything.
        self.taking = threading.RLock()
        self.writing = threading.RLock()
        self.retry_at = -inf
        """When the disk may be written, by the monotonic clock."""
        self._spool = spool
        self._accounts = accounts
        self._monotonic = clock.monotonic
        # The wall clock may be set while the process runs: the age of events does not follow it.
        self._epoch = clock.time() - clock.monotonic()
        self._durable = durable
        self._max_bytes = max_bytes
        self._log_bytes = min(MOST_LOG_BYTES, max_bytes // 4)
        self._own: Shelf | None = None
        self._older: list[Shelf] = []
        self._unmovable: list[Claim] = []
        self._left: dict[str, int] = {}
        self._ids = count(1)
        self._troubles: set[tuple[str, Shelf | None]] = set()
        self._has_no_room = False
        self._adopt_at = self._check_at = -inf

    def wall_time(self, monotonic: float) -> float:
        """Seconds since the epoch at that moment, now at the latest, by a clock that is never set once it runs."""
        return self._epoch + min(monotonic, self._monotonic())

    # Any thread, under ``writing`` ------------------------------------------------------------------------------------

    def all(self) -> list[Shelf]:
        """Those in which events may be, the oldest first; needs no lock."""
        with self.writing:
            return [*self._older, *([] if self._own is None else [self._own])]

    def write(self, entries: Sequence[Entry]) -> None:
        """Commit events. Raises what is in ``TROUBLE``."""
        if entries:
            own = self._own or self._made()
            count = len(entries)
            own.add(list(islice(self._ids, count)), entries)
            own.pending += count  # with the next line, or not at all: no call between them, hence no signal handler
            self._accounts.accepted += count
            self.is_well("write")

    def write_failed(self, error: BaseException) -> None:
        """Let events wait elsewhere for a while."""
        self.retry_at = self._monotonic() + RETRY_SECONDS
        self.failed("write", self._own, error)

    def relieve(self) -> None:
        """What ``keep_small`` does, on the thread that writes, and if there is room without waiting for the disk."""
        ours = sum(shelf.file.bytes_on_disk() for shelf in self.all() if shelf.is_own and shelf is not self._own)
        if self._log_bytes >= LONG_LOG_BYTES and ours < self._max_bytes // 4:
            with contextlib.suppress(*TROUBLE):  # it grows on until that is possible
                self._retire(self._new_shelf())
        else:
            self.keep_small()

    @property
    def has_long_log(self) -> bool:
        """Whether somebody has to look after the write-ahead log, as nobody has for long."""
        own = self._own
        return own is not None and own.file.log_pages * PAGE_BYTES > 2 * self._log_bytes

    def _made(self) -> Shelf:
        made = self._new_shelf()
        if self._own is None:
            self._own = made
        else:  # a signal handler was here first
            _remove(made)
        return self._own

    def _new_shelf(self) -> Shelf:
        claim = self._spool.create()
        try:
            file = EventFile(claim, is_new=True, survives_power_loss=self._durable)
        except BaseException:  # whatever it is, the file is of no use
            claim.remove()
            raise
        shelf = Shelf(file, self.writing, is_own=True)
        self._limit(shelf)
        return shelf

    def _limit(self, own: Shelf) -> None:
        """Let the file that is written grow as far as the others of ours leave room."""
        with contextlib.suppress(sqlite3.Error):  # it keeps the limit that it had
            others = sum(shelf.file.bytes_of_database() for shelf in self._older if shelf.is_own)
            own.file.limit(self._max_bytes - self._log_bytes - others)

    # The thread that takes --------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Adopt what is left by processes that are gone, and keep the files where and as small as they should be."""
        now = self._monotonic()
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT_SECONDS
            self._adopt()
        if now >= self._check_at:
            self._check_at = now + RETRY_SECONDS
            self._check_place()
        self.keep_small()

    def keep_small(self) -> None:
        """Move write-ahead logs into their databases. A log that never stands still goes on in a new file."""
        often = min(OFTEN_MOVED_PAGES, self._log_bytes // PAGE_BYTES // 4)
        for shelf in self.all():
            if shelf.file.log_pages - shelf.file.moved_pages > often:
                with self.reading(shelf):
                    self._move_log(shelf)
                if shelf is self._own and shelf.file.log_pages * PAGE_BYTES > self._log_bytes:
                    with contextlib.suppress(*TROUBLE):  # it grows on until that is possible
                        self._retire(self._new_shelf())
                        with self.reading(shelf):
                            self._move_log(shelf)

    def _move_log(self, shelf: Shelf) -> None:
        file = shelf.file
        if shelf is self._own:
            before = file.log_pages
            pages, moved = file.checkpoint()
            with self.writing:
                since = file.log_pages - before
                file.log_pages = file.moved_pages = pages + since
                if pages == moved and not since:
                    file.truncate()
        else:
            file.truncate()
            with self.writing:
                if self._own is not None:
                    self._limit(self._own)

    def is_clean(self, shelf: Shelf) -> bool:
        """Whether all that is settled is deleted, and more may be taken."""
        if shelf.is_damaged:
            self._set_aside(shelf)
            return False
        try:
            shelf.delete_settled()
        except TROUBLE as error:
            self.failed("delete", shelf, error)
            return False
        self.is_well("delete", shelf)
        return True

    @contextlib.contextmanager
    def reading(self, shelf: Shelf) -> Iterator[None]:
        """Read from a file; trouble ends it."""
        try:
            yield
        except TROUBLE as error:
            self.failed("read", shelf, error)
        else:
            self.is_well("read", shelf)

    def discard_if_done(self, shelf: Shelf) -> None:
        """Remove a file in which nothing waits, unless it is the one that is written, and small."""
        with self.writing:
            if not shelf.is_done or shelf not in self.all():
                return
            if shelf is self._own:
                if shelf.file.bytes_on_disk() <= self._log_bytes:
                    return
                self._retire(None)
        with self.reading(shelf):
            if shelf.file.is_empty():
                self._forget(shelf)
                _remove(shelf)
            else:  # a put was interrupted when it had written, and before it was counted
                shelf.take_again()

    def close(self) -> None:
        """Close the files, and remove those in which nothing waits."""
        with self.writing:
            self._retire(None)
            for shelf in self.all():
                if self.is_clean(shelf):
                    self.discard_if_done(shelf)
            for shelf in self.all():
                self._left[shelf.file.claim.database.name] = shelf.pending
                shelf.file.close(is_kept=True)
                shelf.file.claim.release()
            self._release_unmovable()
            self._older.clear()
            self._troubles.clear()
            self._adopt_at = -inf

    def abandon(self) -> None:
        """In a forked child: leave all files to the parent."""
        for shelf in [*self._older, *([] if self._own is None else [self._own])]:
            shelf.file.abandon()
        self._release_unmovable()

    def _release_unmovable(self) -> None:
        while self._unmovable:
            self._unmovable.pop().release()

    def _adopt(self) -> None:
        room = MOST_ADOPTED - sum(not shelf.is_own for shelf in self._older)
        claims = list(islice(self._spool.orphans(), room))
        self._has_no_room = len(claims) == room
        found = [shelf for claim in claims if (shelf := self._adopted(claim)) is not None]
        with self.writing:
            self._older[:0] = found

    def _adopted(self, claim: Claim) -> Shelf | None:
        if claim.inode in inherited_files():
            claim.release()
            return None
        file = None
        try:
            file = EventFile(claim, is_new=False, survives_power_loss=self._durable)
            summary = file.summary()
            now = self.wall_time(inf)
            if summary is not None and summary.latest_time > now:  # the clock was wrong then, or is now
                file.date_back(now)
        except TROUBLE as error:
            if file is not None:
                file.close()
            if is_damage(error):
                self._keep_aside(claim, "a file of events that another process left")
            else:
                claim.release()
                _log.warning("%s: %s; its events are left for later", printable(claim.database), plain_reason(error))
            return None
        if summary is None or not summary.events:
            file.close()
            claim.remove()
            return None
        with self.writing:
            self._accounts.accepted += summary.events - self._left.pop(claim.database.name, 0)
        return Shelf(file, self.writing, summary.events, is_own=False)

    def _check_place(self) -> None:
        """Write no more to a file that somebody has removed; what it holds can be read as long as it is open."""
        own = self._own
        if own is not None and not own.file.claim.is_in_place:
            self._retire(None)
            _log.warning(
                "a file of waiting events was removed from %s: another is begun; let nobody clean up there",
                printable(self._spool.folder),
            )

    def _retire(self, successor: Shelf | None) -> None:
        """Write to another file from now on; to a new one, made when it is needed, without a successor."""
        with self.writing:
            if self._own is not None:
                self._older.append(self._own)
            self._own = successor
            if successor is not None:
                self._limit(successor)

    def _forget(self, shelf: Shelf) -> None:
        with self.writing:
            if shelf is self._own:
                self._own = None
            else:
                self._older.remove(shelf)
            self._troubles = {trouble for trouble in self._troubles if trouble[1] is not shelf}
            if self._own is not None and shelf.is_own:
                self._limit(self._own)
        if self._has_no_room and not shelf.is_own:
            self._adopt_at = -inf

    # Trouble ----------------------------------------------------------------------------------------------------------

    def failed(self, kind: str, shelf: Shelf | None, error: BaseException) -> None:
        """Warn of what is new, once until it is well again; set a damaged file aside."""
        if shelf is not None and is_damage(error):
            self._set_aside_soon(shelf)
            return
        with self.writing:
            known = {other for other, _ in self._troubles}
            self._troubles.add((kind, None if kind == "write" else shelf))
        _log.log(
            logging.DEBUG
            if known & {kind, "write"}
            else logging.WARNING,  # what cannot be written is not deleted either
            "%s: %s; %s",
            printable(self._spool.folder),
            plain_reason(error),
            CONSEQUENCES[kind],
        )

    def is_well(self, kind: str, shelf: Shelf | None = None) -> None:
        """That went well."""
        if (kind, shelf) in self._troubles:
            with self.writing:
                self._troubles.discard((kind, shelf))
            if not self._troubles:
                _log.info("%s works again", printable(self._spool.folder))

    def _set_aside_soon(self, shelf: Shelf) -> None:
        """At once, unless another thread may be reading the file: then that one does it."""
        if self.taking.acquire(blocking=False):
            try:
                self._set_aside(shelf)
            finally:
                self.taking.release()
        else:
            shelf.is_damaged = True
            if shelf is self._own:
                self._retire(None)

    def _set_aside(self, shelf: Shelf) -> None:
        """Give up a damaged file, and what waits in it."""
        with self.writing:
            if shelf is self._own:
                self.retry_at = self._monotonic() + RETRY_SECONDS
            self._forget(shelf)
            lost = shelf.give_up()
            self._accounts.drop(lost, "disk_corrupt")
        shelf.file.close()
        self._keep_aside(shelf.file.claim, f"{lost} waiting events are lost: their file")

    def _keep_aside(self, claim: Claim, what: str) -> None:
        kept = claim.set_aside()
        if kept is None:
            self._unmovable.append(claim)
        _log.warning("%s is damaged, and kept as %s; check the disk", what, printable(kept or claim.database))


def _remove(shelf: Shelf) -> None:
    shelf.file.close()
    shelf.file.claim.remove()
