"""Visitors and hits kept in a file of SQLite, one per environment, with the tables of 3.x (specs/flagship.md 1.15).

Each call opens the file and closes it: so any thread may call, nothing has to survive a fork, which waits for the call
that is under way, and several processes may share it. What one of them has not sent yet another one that starts
meanwhile sends too.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..forking import pause_while_forking, renew_after_fork
from ..transport.encoding import encode_uri
from .caching import DEFAULT_TIMEOUT, CacheManager, HitCacheImplementation, VisitorCacheImplementation
from .errors import InitializationError

__all__ = ["SqliteCacheManager"]

SCHEMA_VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS VISITORS (visitor_id TEXT PRIMARY KEY, data TEXT, last_update INTEGER);
CREATE TABLE IF NOT EXISTS HITS (id TEXT UNIQUE, visitor_id TEXT, data TEXT);
CREATE TABLE IF NOT EXISTS DB_INFO (id INTEGER PRIMARY KEY, creation_date INTEGER, version INTEGER);
INSERT OR IGNORE INTO DB_INFO (id, creation_date, version) VALUES (1, {now}, {version});
"""

BUSY_SECONDS = 2.0
"""How long a call waits while another process writes."""

PAUSE_SECONDS = 1.0
"""How long a fork waits for a call."""


class SqliteCacheManager(CacheManager, VisitorCacheImplementation, HitCacheImplementation):
    """Keeps visitors and hits in ``{local_db_path}/{env_id}-cache.db``; the folder is made when it is opened."""

    def __init__(self, local_db_path: str = "./cache/", timeout: int = DEFAULT_TIMEOUT) -> None:
        super().__init__(timeout)
        self._folder = Path(local_db_path)
        self._path: Path | None = None
        self.renew()
        renew_after_fork(self)
        pause_while_forking(self)

    def pause(self) -> None:
        """Before a fork: SQLite's locks are the process's, and one that is held would never be free in the child."""
        self._is_paused = self._gate.acquire(timeout=PAUSE_SECONDS)

    def proceed(self) -> None:
        """After a fork, in the parent."""
        if self._is_paused:
            self._is_paused = False
            self._gate.release()

    def renew(self) -> None:
        """In a forked child: a gate of its own."""
        self._gate = threading.Lock()  # one call at a time
        self._is_paused = False

    @property
    def path(self) -> Path | None:
        """Where the file of the environment is; ``None`` before ``open_database`` and after ``close_database``."""
        return self._path

    def open_database(self, env_id: str) -> None:
        """Make the file and its tables, unless they are there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = self._folder / f"{encode_uri(env_id)}-cache.db"  # an id is no path
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # what is in it is personal
        with self._opened() as database:
            database.executescript(TABLES.format(now=int(time.time() * 1000), version=SCHEMA_VERSION))

    def close_database(self) -> None:
        """Nothing is held open between two calls; later ones are refused."""
        self._path = None

    async def cache_visitor(self, visitor_id: str, data: dict[str, Any]) -> None:
        """Keep what is known of a visitor, instead of what was kept before."""
        row = (visitor_id, _text(data), int(time.time() * 1000))
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO VISITORS (visitor_id, data, last_update) VALUES (?, ?, ?)", row)

    async def lookup_visitor(self, visitor_id: str) -> dict[str, Any] | None:
        """What is kept of a visitor."""
        with self._opened() as database:
            found = database.execute("SELECT data FROM VISITORS WHERE visitor_id = ?", (visitor_id,)).fetchone()
        return None if found is None else msgspec.json.decode(found[0])

    async def flush_visitor(self, visitor_id: str) -> None:
        """Forget a visitor."""
        with self._writing() as database:
            database.execute("DELETE FROM VISITORS WHERE visitor_id = ?", (visitor_id,))

    def cache_hits(self, hits: dict[str, Any]) -> None:
        """Keep these too, all or none."""
        rows = [(hit_id, _visitor_of(hit), _text(hit)) for hit_id, hit in hits.items()]
        with self._writing() as database:
            database.executemany("INSERT OR REPLACE INTO HITS (id, visitor_id, data) VALUES (?, ?, ?)", rows)

    async def lookup_hits(self) -> dict[str, Any] | None:
        """All that are kept; what does not decode is ``None``."""
        with self._opened() as database:
            rows = database.execute("SELECT id, data FROM HITS ORDER BY rowid").fetchall()
        return {hit_id: _decoded(text) for hit_id, text in rows}

    def flush_hits(self, hits_ids: Iterable[str]) -> None:
        """Forget these."""
        with self._writing() as database:
            database.executemany("DELETE FROM HITS WHERE id = ?", [(hit_id,) for hit_id in hits_ids])

    def flush_all_hits(self) -> None:
        """Forget all."""
        with self._writing() as database:
            database.execute("DELETE FROM HITS")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._gate:
            if self._path is None:
                raise InitializationError("the cache is not open: open_database comes first")
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as database:
                yield database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed, or undone if it raises."""
        with self._opened() as database, database:
            yield database


def _text(record: object) -> str:
    return msgspec.json.encode(record).decode()


def _decoded(text: object) -> Any:
    try:
        return msgspec.json.decode(str(text))
    except msgspec.DecodeError:
        return None


def _visitor_of(hit: Any) -> str:
    data = hit.get("data") if isinstance(hit, dict) else None
    return str(data.get("visitorId", "")) if isinstance(data, dict) else ""
