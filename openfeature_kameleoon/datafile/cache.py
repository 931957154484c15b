"""The last data file that was accepted from the network, on disk, for a start without a network.

A copy is written whole or not at all and verified on reading. Nothing that goes wrong here is an exception:
one warning, and life goes on without the copy. Runs on the thread that fetches.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..transport.foreign_text import printable

__all__ = ["Cached", "DataFileCache"]

_logger = logging.getLogger(__name__)

FORMAT = b"openfeature-kameleoon-datafile/1"
"""First word of a copy; then the SHA-256 of all that follows, on a line of JSON the header, and the bytes."""

LINE_BYTES = 4096

# Missing on Windows, which has neither such links nor such pipes.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Cached:
    """A copy that is what was saved."""

    raw: bytes
    last_modified: str
    """The ``Last-Modified`` header it came with, verbatim; empty without one."""
    age_seconds: float
    """Since it was saved, by the wall clock; never negative."""


class _About(msgspec.Struct, frozen=True):
    site: str
    length: int
    last_modified: str
    saved_at: float


class _Unusable(Exception):
    """Why a copy is not used."""


class DataFileCache:
    """The copy for one site and environment in a directory, which is made with access for its owner alone.

    Several processes may share the directory. Names in it tell neither site nor environment.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        site_code: str,
        environment: str = "",
        *,
        max_bytes: int = 32 << 20,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._site = hashlib.sha256(f"{site_code}\0{environment}".encode()).hexdigest()
        self.path = Path(directory) / f"datafile-{self._site[:16]}"
        self._max_bytes = max_bytes
        self._clock = clock
        self._is_warned = False

    def load(self) -> Cached | None:
        """The copy, or ``None`` when there is none. One that this user did not save as it is is ignored."""
        try:
            return self._read()
        except (FileNotFoundError, NotADirectoryError):  # of the latter save() tells
            return None
        except (_Unusable, msgspec.MsgspecError) as flaw:
            reason = str(flaw)
        except (OSError, ValueError) as error:
            reason = _reason(error)
            self._is_warned = True  # what cannot be read for such a reason can hardly be written either
        _logger.warning("the saved data file %s is ignored: %s", printable(self.path, 120), reason)
        return None

    def save(self, raw: bytes, last_modified: str) -> None:
        """Replace the copy. A first failure is a warning; those that follow are not, until one succeeds."""
        about = _About(self._site, len(raw), last_modified[:200], self._clock.time())
        header = msgspec.json.encode(about) + b"\n"
        try:
            self._write((_first_line(header, raw), header, raw))
        except (OSError, ValueError) as error:
            _logger.log(
                logging.DEBUG if self._is_warned else logging.WARNING,
                "the data file cannot be saved in %s: %s; a start without network will lack it",
                printable(self.path.parent, 120),
                _reason(error),
            )
            self._is_warned = True
        else:
            self._is_warned = False

    def _read(self) -> Cached:
        descriptor = os.open(self.path, os.O_RDONLY | _NO_FOLLOW | _BINARY)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _Unusable("it is no regular file")
            if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
                raise _Unusable("others can write it")
            with open(descriptor, "rb", closefd=False) as file:
                first_line, header = file.readline(LINE_BYTES), file.readline(LINE_BYTES)
                raw = file.read(self._max_bytes)
        finally:
            os.close(descriptor)
        if first_line != _first_line(header, raw):
            raise _Unusable("it is cut, altered, too long or of another version")
        about = msgspec.json.decode(header, type=_About)
        if about.site != self._site or about.length != len(raw):
            raise _Unusable("it is of another site or environment")
        return Cached(raw, about.last_modified, max(0.0, self._clock.time() - about.saved_at))

    def _write(self, parts: tuple[bytes, ...]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}.tmp")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, 0o600)
            with open(descriptor, "wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def _first_line(header: bytes, raw: bytes) -> bytes:
    digest = hashlib.sha256(header)
    digest.update(raw)
    return b"%b %b\n" % (FORMAT, digest.hexdigest().encode("ascii"))


def _reason(error: OSError | ValueError) -> str:
    return printable(getattr(error, "strerror", None) or type(error).__name__)
