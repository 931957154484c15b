"""Which process owns which file of waiting events: a lock held for life, and files whose owner is gone.

What is in a file is event_file.py's business. A file is made, owned, and removed or left for a later process to adopt.
Runs on the thread that puts first, and on the one that takes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ..transport.foreign_text import printable

__all__ = ["Claim", "Spool", "SpoolUnusable", "network_file_system"]

_log = logging.getLogger(__name__)

FORMAT = 1
"""Of the files' content; a file of another one is left to who understands it."""

MOST_SET_ASIDE = 4
"""Damaged files that are kept, the latest of a site."""

ATTEMPTS = 5

NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.glusterfs"})
"""Where a lock that one machine holds may be unknown to another, or to nobody known at all."""

# Missing on Windows, which has neither such links nor such pipes.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Of the open file, not of the process: two outboxes in one process do not adopt each other's files, and a
        # child that closes its copy of the descriptor leaves the lock to its parent.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class SpoolUnusable(OSError):
    """Events cannot wait in this folder, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


class Claim:
    """A database file that is ours for as long as the lock beside it is held. Made by ``Spool``."""

    __slots__ = ("_inodes", "_lock_file", "_lock_path", "database")

    def __init__(self, lock_path: Path, lock_file: io.FileIO) -> None:
        self.database = lock_path.with_suffix(".db")
        self._lock_path = lock_path
        self._lock_file = lock_file
        self._inodes = self._seen()

    @property
    def inode(self) -> tuple[int, int]:
        """Which file the database is, whatever its name."""
        return self._inodes[1]

    @property
    def is_in_place(self) -> bool:
        """Whether both files still are what was claimed: nobody has removed or replaced them."""
        try:
            return self._seen() == self._inodes
        except OSError:
            return False

    def release(self) -> None:
        """Leave the file to whoever adopts it. Safe to call twice."""
        self._lock_file.close()

    def remove(self) -> None:
        """Delete the file, which nothing has open any more."""
        # The database first: what a crash leaves of the others holds no events, and is cleared away with the lock.
        if self.is_in_place:
            for path in (self.database, *_companions(self.database)):
                with contextlib.suppress(OSError):
                    path.unlink()
            self._remove_lock()
        self._lock_file.close()

    def set_aside(self) -> Path | None:
        """Give a damaged file, which nothing has open any more, a name under which nobody adopts it.

        ``None`` where the file cannot be renamed: the lock is then kept, so that nobody else meets it.
        """
        aside = self.database.with_suffix(".corrupt")
        write_ahead, index = _companions(self.database)
        try:
            self.database.replace(aside)
            if _is_there(write_ahead):
                write_ahead.replace(_companions(aside)[0])
        except OSError:
            return None
        with contextlib.suppress(OSError):
            index.unlink()
        self._remove_lock()
        _keep_few(aside)
        return aside

    def _remove_lock(self) -> None:
        # While it is held, so that nobody locks a file that is about to vanish; Windows removes no open file.
        with contextlib.suppress(OSError):
            self._lock_path.unlink()
        self._lock_file.close()
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                self._lock_path.unlink()

    def _seen(self) -> tuple[tuple[int, int], tuple[int, int]]:
        lock, database = os.lstat(self._lock_path), os.lstat(self.database)
        return (lock.st_dev, lock.st_ino), (database.st_dev, database.st_ino)


class Spool:
    """The folder ``events`` of a directory, with access for its owner alone, and in it the files of one site.

    Several processes share it. Names in it tell neither site nor visitor; nothing is done before the first call.
    """

    def __init__(self, directory: str | os.PathLike[str], site_code: str) -> None:
        self.folder = _absolute(Path(directory)) / "events"
        self._prefix = f"{FORMAT}-{hashlib.sha256(site_code.encode()).hexdigest()[:16]}-"
        self._is_warned = False

    def create(self) -> Claim:
        """A new empty database file. Raises ``OSError``, or ``SpoolUnusable`` where events must not wait."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check()
        for _ in range(ATTEMPTS):
            lock_path = self.folder / f"{self._prefix}{os.getpid()}-{secrets.token_hex(8)}.lock"
            lock_file = _opened(lock_path, os.O_CREAT | os.O_EXCL)
            try:
                if _is_locked(lock_path, lock_file):
                    # SQLite would make it readable for all. It is closed before SQLite knows it: later that would
                    # cost SQLite its own locks, which belong to the process and not to the descriptor.
                    os.close(os.open(lock_path.with_suffix(".db"), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
                    return Claim(lock_path, lock_file)
            except OSError:
                with contextlib.suppress(OSError):
                    lock_path.unlink()
                lock_file.close()
                raise
            lock_file.close()  # somebody who looked for orphans was quicker, and clears it away
        raise SpoolUnusable("its files cannot be locked")

    def orphans(self) -> Iterator[Claim]:
        """Files of this site whose owner is gone, the oldest first, each ours as it comes."""
        try:
            self._check()
            names = [name for name in os.listdir(self.folder) if name.startswith(self._prefix)]
        except OSError:  # not there yet, or not fit to write in either, of which create() tells
            return
        found = []
        for name in names:
            if name.endswith(".lock"):
                with contextlib.suppress(OSError):  # its owner has just removed it
                    found.append((os.lstat(self.folder / name).st_mtime, name))
        for _, name in sorted(found):
            claim = self._adopted(self.folder / name)
            if claim is not None:
                yield claim

    def databases(self) -> list[Path]:
        """Files of this site, whoever owns them, the oldest first; none where there is no folder."""
        return sorted(self.folder.glob(f"{self._prefix}*.db"), key=os.path.getmtime)

    def _adopted(self, lock_path: Path) -> Claim | None:
        try:
            lock_file = _opened(lock_path)
        except OSError:
            return None
        try:
            if _is_locked(lock_path, lock_file):
                database = lock_path.with_suffix(".db")
                if not _is_there(database):  # its owner died while making or removing it
                    for path in (*_companions(database), lock_path):
                        path.unlink(missing_ok=True)
                elif all(map(_is_ours, (database, *filter(_is_there, _companions(database))))):
                    return Claim(lock_path, lock_file)
                elif not self._is_warned:
                    self._is_warned = True
                    _log.warning("%s is no file of this user alone: the events in it are left", printable(database))
        except OSError:  # held by its owner, or gone
            pass
        lock_file.close()
        return None

    def _check(self) -> None:
        found = os.lstat(self.folder)
        if not stat.S_ISDIR(found.st_mode):
            raise SpoolUnusable("its folder events is no folder")
        if not _is_of_this_user(found):
            raise SpoolUnusable("its folder events belongs to another user, or others can write in it")
        kind = network_file_system(self.folder)
        if kind is not None:
            raise SpoolUnusable(f"it is on a network file system ({kind}), where locks are unreliable")


def network_file_system(folder: Path, mounts: str = "/proc/self/mounts") -> str | None:
    """The type of the network file system that a folder is on; ``None`` on any other, and where that is not told."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        whole = os.path.realpath(folder)
    except OSError:  # no Linux
        return None
    deepest, found = "", ""
    for _, place, kind, *_ in (line.split(" ") for line in lines if line.count(" ") >= 2):
        point = place.replace("\\040", " ")
        if len(point) >= len(deepest) and f"{whole}/".startswith(f"{point.rstrip('/')}/"):
            deepest, found = point, kind
    return found if found in NETWORK_FILE_SYSTEMS else None


def _absolute(path: Path) -> Path:
    """Where it is now, wherever the process goes; as it is where the working directory is gone: nothing is there."""
    try:
        return path.absolute()
    except OSError:
        return path


def _opened(path: Path, flags: int = 0) -> io.FileIO:
    return io.FileIO(os.open(path, os.O_RDWR | flags | _NO_FOLLOW, 0o600), "r+")


def _is_locked(path: Path, file: io.FileIO) -> bool:
    """Lock it; whether it is ours and still the file of that name."""
    opened = os.fstat(file.fileno())
    if not (stat.S_ISREG(opened.st_mode) and _is_of_this_user(opened)):
        return False
    try:
        _lock(file.fileno())
        found = os.lstat(path)
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def _is_there(path: Path) -> bool:
    """Unlike ``lexists`` it raises ``OSError`` when that cannot be told, which is no reason to clear anything away."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _is_ours(path: Path) -> bool:
    found = os.lstat(path)
    return stat.S_ISREG(found.st_mode) and _is_of_this_user(found)


def _is_of_this_user(found: os.stat_result) -> bool:
    # Windows has no such owner: the folder's access rights are its user's.
    return not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_MAY_WRITE)


def _companions(database: Path) -> tuple[Path, Path]:
    """What SQLite keeps beside a database: its write-ahead log, which holds events, and an index of that."""
    return database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")


def _keep_few(latest: Path) -> None:
    """Remove all but the latest damaged files of a site."""
    format_number, site = latest.name.split("-")[:2]
    with contextlib.suppress(OSError):
        kept = sorted(latest.parent.glob(f"{format_number}-{site}-*.corrupt"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST_SET_ASIDE]:
            path.unlink(missing_ok=True)
            _companions(path)[0].unlink(missing_ok=True)
