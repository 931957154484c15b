"""Where data files come from, and the first such place: a file that somebody edits (polling.py is the other).

A source says what it found and when to look next; whether that is fit for use is decided by ``LiveDataFile``,
on whose background thread, or on that of who calls its ``refresh``, all of this runs. A stream of updates has a
thread of its own, and says when to look sooner (streaming.py).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from enum import Enum
from math import inf
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid, KameleoonError
from ..transport.foreign_text import printable
from .freshness import Manner, StreamStatus

__all__ = [
    "FLAG_FILE_SUFFIXES",
    "NOT_MODIFIED",
    "Fetched",
    "FileSource",
    "News",
    "NotModified",
    "Source",
    "UpdateStream",
]

MAX_BYTES = 32 << 20
FLAG_FILE_SUFFIXES = (".yaml", ".yml")


class NotModified(Enum):
    """The answer of a source that still has what was last accepted from it: a confirmation."""

    NOT_MODIFIED = "not modified"


NOT_MODIFIED = NotModified.NOT_MODIFIED


class Fetched(msgspec.Struct, frozen=True):
    """A data file as it came, not judged yet."""

    raw: bytes
    version: str = ""
    """What its source knows it by: a digest of a file, the ``Last-Modified`` header of an answer."""


class Source(Protocol):
    """Something that yields data files. One thread at a time looks."""

    manner: Manner

    def fetch(self, timeout: float, *, timestamp: int | None = None) -> Fetched | NotModified:
        """Look once, within ``timeout`` seconds. Raises ``RequestFailed`` or ``DataFileInvalid``."""

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """What became of something fetched: in use, or refused for this problem."""

    def wait_seconds(self, *, is_watched: bool = False) -> float:
        """How long to wait until the next look, after what the last one brought.

        ``is_watched``: a stream tells of changes, so that looking unasked is a safety net.
        """

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Whether this problem, while nothing is in use, means that it cannot work as it is set up."""

    def renew(self) -> None:
        """Let go of what a forked child must not share with its parent."""

    def abort(self) -> None:
        """End the look that is under way on another thread, if that is possible; later ones are as ever."""

    def close(self) -> None:
        """Let go of everything; a later look takes it up again."""


class News(NamedTuple):
    """What became of a stream of updates since the last time it was asked."""

    is_open: bool
    openings: int
    """How often it was opened so far: one that was lost and is open again has missed something."""
    timestamp: int | None
    """The newest of those that its events carried, if any came."""


class UpdateStream(Protocol):
    """Something that tells when there is a new data file. Not where the network is not used."""

    def start(self, wake: Callable[[], object], *, wait: float = 0.0) -> None:
        """Open it on a thread of its own in ``wait`` seconds, if it is not on already, and keep it open.

        ``wake()`` is called on that thread whenever ``take`` has something to tell.
        """

    def take(self) -> News:
        """What became of it; a timestamp is told once."""

    def stop(self, *, wait: float = 0.0) -> None:
        """Close it and end its thread, for which it waits up to ``wait`` seconds."""

    def renew(self) -> None:
        """In a forked child: it is off, and the parent's goes on untouched."""

    def status(self) -> StreamStatus:
        """Where it stands now."""


FILE_CLOCK_TICK_SECONDS = 0.1


class _Signature(NamedTuple):
    """What tells two versions of a file apart without reading them."""

    modified_ns: int
    size: int
    inode: int
    device: int


class FileSource:
    """A data file on disk, edited in place or replaced at any time; symbolic links are followed.

    Never yields a file that changed while it was read, is no regular file or is larger than ``max_bytes``.
    A content that was refused is not read again, but refused for the same reason, until it changes.
    One whose name ends in .yaml or .yml is a flag file, and yields the data file that it stands for.
    """

    manner = Manner(origin="file", patience=2, stale_after=inf, stale_after_problem=0.0, may_lag=False)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        look_seconds: float = 0.25,
        max_bytes: int = MAX_BYTES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path = Path(path)
        self._look_seconds = look_seconds
        self._max_bytes = max_bytes
        self._clock = clock
        self._seen: tuple[_Signature | None, str] = (None, "")
        self._judged = ""
        self._problem: DataFileInvalid | None = None

    def fetch(self, timeout: float, *, timestamp: int | None = None) -> Fetched | NotModified:
        """Look, and read what was not judged yet; the arguments mean nothing to a file."""
        signature = self._signature()
        if self._seen != (signature, self._judged):
            raw, signature = self._read(signature)
            version = hashlib.sha256(raw).hexdigest()
            # Two writes within one tick of the file system's clock look alike: then look inside again.
            is_settled = abs(self._clock.time() - signature.modified_ns / 1e9) > FILE_CLOCK_TICK_SECONDS
            self._seen = (signature if is_settled else None, version)
            if version != self._judged:
                return self._fetched(raw, version)
        if self._problem is not None:
            raise DataFileInvalid(self._problem.message)
        return NOT_MODIFIED

    def _fetched(self, raw: bytes, version: str) -> Fetched:
        if self.path.suffix.lower() not in FLAG_FILE_SUFFIXES:
            return Fetched(raw, version)
        # Imported here: who has a data file in JSON does not pay for a YAML parser.
        from ..flag_file import as_json  # noqa: PLC0415

        try:
            return Fetched(as_json(raw), version)
        except DataFileInvalid as problem:
            self._judged, self._problem = version, problem
            raise

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """Remember the verdict on this content."""
        self._judged, self._problem = fetched.version, problem

    def wait_seconds(self, *, is_watched: bool = False) -> float:
        """A look costs one ``stat``."""
        return self._look_seconds

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Always: somebody who names a file means that it is there and right."""
        return True

    def renew(self) -> None:
        """Nothing is held open between two looks."""

    def abort(self) -> None:
        """A look is over in a moment."""

    def close(self) -> None:
        """Nothing is held open between two looks."""

    def _signature(self) -> _Signature:
        try:
            found = os.stat(self.path)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        if not stat.S_ISREG(found.st_mode):
            raise DataFileInvalid(f"the data file {self._name} is a directory or a device, not a file")
        if found.st_size > self._max_bytes:
            raise DataFileInvalid(f"the data file {self._name} is over {self._max_bytes} bytes long")
        return _Signature(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    def _read(self, before: _Signature) -> tuple[bytes, _Signature]:
        for _ in range(3):
            try:
                with self.path.open("rb") as file:
                    raw = file.read(self._max_bytes + 1)
            except (OSError, ValueError) as error:
                raise self._unusable(error) from error
            after = self._signature()
            if before == after and len(raw) == after.size:
                return raw, after
            before = after
        raise DataFileInvalid(f"the data file {self._name} keeps changing while it is read")

    @property
    def _name(self) -> str:
        return printable(self.path, 120)

    def _unusable(self, error: OSError | ValueError) -> DataFileInvalid:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return DataFileInvalid(f"the data file {self._name} cannot be read: {reason}")
