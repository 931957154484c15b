"""One SQLite file of waiting events, in the order they came, and the last of those that were given up.

A row is committed before ``write`` returns. Two connections: one writes, the other reads and moves the write-ahead log
into the database, and does not make the first wait. Whoever calls sees to it that each is used by one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import zlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from .events import Line
from .spool import FORMAT, Claim

__all__ = [
    "PAGE_BYTES",
    "Entry",
    "EventFile",
    "Front",
    "Row",
    "Summary",
    "inherited_files",
    "is_damage",
    "plain_reason",
]

PAGE_BYTES = 1024
"""Each commit writes whole pages: small ones keep the log small."""

LOG_BYTES = 4 << 20
"""What a write-ahead log that begins anew keeps of its length."""

MOST_AT_ONCE = 100
"""Rows that one statement writes."""

MOST_DEAD = 1_000

WRITER_WAITS_SECONDS = 0.02
READER_WAITS_SECONDS = 1.0

TROUBLE = (
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
    "database is locked",
    "database table is locked",
    "locking protocol",
    "access permission denied",
    "large file support is disabled",
)
"""What SQLite says of a disk, or a lock, that may be well again later. Anything else it says is of the file itself."""

_SCHEMA = f"""
BEGIN;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL, visitor, rank INTEGER, line TEXT, user_agent, checksum INTEGER
);
CREATE TABLE dead (number INTEGER PRIMARY KEY, time REAL, visitor, line TEXT, reason TEXT);
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class Entry(NamedTuple):
    """An event to write; ``time`` is the wall clock's."""

    visitor_code: str
    line: Line
    user_agent: str | None
    time: float


class Row(NamedTuple):
    """An event that waits."""

    id: int
    visitor_code: str
    line: Line
    user_agent: str | None

    def __repr__(self) -> str:
        return f"Row({self.id})"  # the rest is personal


class Front(NamedTuple):
    """What an event's age and visitor are."""

    id: int
    time: float
    visitor_code: str

    def __repr__(self) -> str:
        return f"Front({self.id})"


class Summary(NamedTuple):
    """How many events wait in a file, and the latest time on one of them."""

    events: int
    latest_time: float


class EventFile:
    """The open file of a claim; a fresh one is made ready, any other is opened as its owner left it.

    The constructor and every method but ``close`` and ``abandon`` raise ``sqlite3.Error``; ``is_damage`` tells whether
    it is the disk's trouble or the file's.
    """

    def __init__(self, claim: Claim, *, is_new: bool, survives_power_loss: bool = False) -> None:
        self.claim = claim
        if not is_new:
            _require_a_database(claim)
        self.log_pages = 0
        """About how many pages the write-ahead log has."""
        self.moved_pages = 0
        """How many it had when it was moved last, if some have come meanwhile."""
        self._writer = self._reader = _connected(claim, WRITER_WAITS_SECONDS)
        try:
            writer = self._writer.execute
            if is_new:
                writer(f"PRAGMA page_size = {PAGE_BYTES}")
            # OFF: this connection never waits for the disk. The other one does when it moves the log, and in FULL; and
            # as a log begins anew empty, what it held before cannot be taken for what it holds.
            writer(f"PRAGMA synchronous = {'FULL' if survives_power_loss else 'OFF'}")
            mode = writer("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise sqlite3.OperationalError("locking protocol")  # as where no memory can be shared
            writer("PRAGMA wal_autocheckpoint = 0")
            writer(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            if is_new:
                self._writer.executescript(_SCHEMA)
            self._reader = _connected(claim, READER_WAITS_SECONDS)
            self._reader.text_factory = bytes  # of a damaged file it may be no text
            self._reader.execute("PRAGMA query_only = ON")
        except BaseException:  # whatever it is, both are open
            self.close()
            raise

    # The writing connection -------------------------------------------------------------------------------------------

    def write(self, ids: Sequence[int], entries: Sequence[Entry]) -> None:
        """Commit events, all or none."""
        values: list[object] = []
        size = 0
        for number, (code, (rank, text), agent, time) in zip(ids, entries, strict=True):
            stored = (_storable(code), rank, _storable(text), None if agent is None else _storable(agent))
            values += (number, time, *stored, _checksum(*stored))
            size += len(text)
        if len(ids) <= MOST_AT_ONCE:  # one statement: in WAL mode that is one commit, and the interpreter waits once
            self._writer.execute(_insert(len(ids)), values)
        else:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                self._writer.executemany(_insert(1), (values[at : at + 7] for at in range(0, len(values), 7)))
                self._writer.execute("COMMIT")
            except BaseException:  # an interrupt, too, would leave half of them
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        self.log_pages += 2 + size // PAGE_BYTES

    def delete(self, ids: Sequence[int]) -> int:
        """Forget events; how many there were."""
        self.log_pages += 2 + len(ids)
        return self._writer.execute(f"DELETE FROM events WHERE id IN ({_marks(len(ids))})", ids).rowcount

    def bury(self, ids: Sequence[int], reason: str) -> None:
        """Copy events to those that were given up, of which the latest are kept to be looked at."""
        self.log_pages += 2 + len(ids)
        self._writer.execute(
            "INSERT INTO dead (time, visitor, line, reason) SELECT time, visitor, line, ? FROM events"
            f" WHERE id IN ({_marks(len(ids))}) ORDER BY id",
            (reason, *ids),
        )
        self._writer.execute("DELETE FROM dead WHERE number <= (SELECT max(number) FROM dead) - ?", (MOST_DEAD,))

    def date_back(self, time: float) -> None:
        """Let no event be of later than ``time``."""
        self._writer.execute("UPDATE events SET time = ?1 WHERE time > ?1", (time,))

    def limit(self, most_bytes: int) -> None:
        """Let the database grow to this size; its write-ahead log not counted."""
        self._writer.execute(f"PRAGMA max_page_count = {max(1, most_bytes // PAGE_BYTES)}")

    def bytes_of_database(self) -> int:
        """How large the database is once its log is moved into it."""
        pages: int = self._writer.execute("PRAGMA page_count").fetchone()[0]
        return pages * PAGE_BYTES

    # The reading connection -------------------------------------------------------------------------------------------

    def read(self, after: int, most: int) -> tuple[list[Row], list[int]]:
        """The events that follow the one with this id, and the ids of damaged ones among them."""
        rows: list[Row] = []
        damaged: list[int] = []
        for number, visitor, rank, text, agent, checksum in self._following(
            "visitor, rank, line, user_agent, checksum", after, most
        ):
            whole = type(visitor) is type(text) is bytes and type(rank) is int and type(agent) in (bytes, type(None))
            if whole and _checksum(visitor, rank, text, agent) == checksum:
                line = Line(rank, _text(text))
                rows.append(Row(number, _text(visitor), line, None if agent is None else _text(agent)))
            else:
                damaged.append(number)
        return rows, damaged

    def front(self, after: int, most: int) -> list[Front]:
        """The age of the events that follow the one with this id."""
        return [
            Front(
                number,
                time if isinstance(time, float) else 0.0,
                visitor.decode(errors="replace") if isinstance(visitor, bytes) else "",
            )
            for number, time, visitor in self._following("time, visitor", after, most)
        ]

    def _following(self, columns: str, after: int, most: int) -> list[tuple[Any, ...]]:
        found = self._reader.execute(
            f"SELECT id, {columns} FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, most)
        ).fetchall()
        for earlier, later in pairwise([(after,), *found]):
            if earlier[0] >= later[0]:  # or whoever asks for what follows the last would go round in circles
                raise sqlite3.DatabaseError("events are out of order")
        return found

    def summary(self) -> Summary | None:
        """What waits in the file; ``None`` when its owner died while making it."""
        if self._reader.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            tables = self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                return None
        count, latest = self._reader.execute("SELECT count(*), max(time) FROM events").fetchone()
        return Summary(count, latest if isinstance(latest, float) else 0.0)

    def is_empty(self) -> bool:
        """Whether no event waits in it."""
        return self._reader.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None

    def checkpoint(self) -> tuple[int, int]:
        """Move the write-ahead log into the database, as far as nobody has to wait for it.

        How many pages the log had when that began, and how many of them are in the database now. Once all are, and
        none has come meanwhile, the log is to be truncated before the next write.
        """
        _, pages, moved = self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages, moved

    def truncate(self) -> None:
        """The same where nobody writes, and leave nothing of the log; if all is moved already, at once."""
        self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.log_pages = self.moved_pages = 0

    # Both -------------------------------------------------------------------------------------------------------------

    def bytes_on_disk(self) -> int:
        """The size of the database and its write-ahead log."""
        size = 0
        for path in (self.claim.database, f"{self.claim.database}-wal"):
            with contextlib.suppress(OSError):  # there is no log before the first write
                size += os.stat(path).st_size
        return size

    def close(self, *, is_kept: bool = False) -> None:
        """Close both connections; one ``is_kept`` is safe on disk then. Safe to call twice."""
        with contextlib.suppress(sqlite3.Error):  # what could not be moved is found in the log
            if is_kept:
                self.truncate()  # or the connection that does not wait for the disk would do it
        for connection in (self._writer, self._reader):
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        """In a forked child: never touch the file again, nor let it be closed; it is the parent's."""
        _inherited[self.claim.inode] = self
        for connection in (self._reader, self._writer):
            _keep_for_ever(connection)
        self.claim.release()


def is_damage(error: BaseException) -> bool:
    """Whether the error says that the file is damaged, and not that the disk is full, slow, broken or read-only."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, (sqlite3.ProgrammingError, sqlite3.DataError)):
        return False
    return not str(error).startswith(TROUBLE)


def plain_reason(error: BaseException) -> str:
    """What to tell of an error: of a damaged file not a word of what it holds."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is damaged" if is_damage(error) else next(filter(str(error).startswith, TROUBLE), type(error).__name__)


def inherited_files() -> frozenset[tuple[int, int]]:
    """The inodes of files that a parent of this process had open when it forked.

    SQLite knows them, and would take a connection of ours for one more of the parent's, without a lock of its own.
    """
    return frozenset(_inherited)


_inherited: dict[tuple[int, int], EventFile] = {}
"""Of the process, like what SQLite itself knows. Their descriptors stay open: no other file gets one of the inodes."""


def _keep_for_ever(connection: sqlite3.Connection) -> None:
    """Let the connection outlive the interpreter.

    When it is closed at its end, SQLite may remove by name the write-ahead log of whoever owns the file by then.
    """
    if sys.implementation.name == "cpython":  # others close nothing at their end
        import ctypes  # noqa: PLC0415  # needed in a forked child alone

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _connected(claim: Claim, waits_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{claim.database.absolute().as_uri()}?mode=rw",  # never made anew where somebody has removed it
        uri=True,
        timeout=waits_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _require_a_database(claim: Claim) -> None:
    """Refuse a file of which only the log is left: SQLite would take it for a new one, and throw the log away."""
    with contextlib.suppress(FileNotFoundError):
        if not os.stat(claim.database).st_size and os.stat(f"{claim.database}-wal").st_size:
            raise sqlite3.DatabaseError("the database was cut")


@cache
def _insert(count: int) -> str:
    return "INSERT INTO events VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * count)


@cache
def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _storable(text: str) -> str | bytes:
    # SQLite keeps no text with a lone surrogate.
    return text if text.isascii() else text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _checksum(visitor: str | bytes, rank: int, text: str | bytes, agent: str | bytes | None) -> int:
    """Of all that is sent: SQLite itself does not notice when a byte of a text changes."""
    parts = (visitor, str(rank), text, agent or b"")
    return zlib.crc32(b"\0".join([part.encode() if isinstance(part, str) else part for part in parts]))
