"""Where data files come from: a file that somebody edits, or Kameleoon's servers, asked again and again.

A source says what it found and when to look next; whether that is fit for use is decided by ``LiveDataFile``,
on whose background thread, or on that of who calls its ``refresh``, all of this runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from enum import Enum
from math import inf
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid, KameleoonError, RequestFailed
from ..protocol import SDK_NAME, SDK_VERSION
from ..transport.foreign_text import printable
from ..transport.retry import Backoff, is_retryable, retry_after
from ..transport.urls import Endpoints
from .freshness import Manner

if TYPE_CHECKING:
    from ..transport.http import Http, Response

__all__ = ["NOT_MODIFIED", "Fetched", "FileSource", "NotModified", "PollingSource", "Source"]

MAX_BYTES = 32 << 20


class NotModified(Enum):
    """The answer of a source that still has what was last accepted from it: a confirmation."""

    NOT_MODIFIED = "not modified"


NOT_MODIFIED = NotModified.NOT_MODIFIED


@dataclass(frozen=True, slots=True)
class Fetched:
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

    def wait_seconds(self) -> float:
        """How long to wait until the next look, after what the last one brought."""

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Whether this problem, while nothing is in use, means that it cannot work as it is set up."""

    def renew(self) -> None:
        """Let go of what a forked child must not share with its parent."""

    def close(self) -> None:
        """Let go of everything; a later look takes it up again."""


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
                return Fetched(raw, version)
        if self._problem is not None:
            raise DataFileInvalid(self._problem.message)
        return NOT_MODIFIED

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """Remember the verdict on this content."""
        self._judged, self._problem = fetched.version, problem

    def wait_seconds(self) -> float:
        """A look costs one ``stat``."""
        return self._look_seconds

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Always: somebody who names a file means that it is there and right."""
        return True

    def renew(self) -> None:
        """Nothing is held open between two looks."""

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


REFUSED = {
    401: "the server does not accept this client",
    403: "the server denies access; check the site code and the environment",
    404: "the server knows no such data file; check the site code and the environment",
}
"""Statuses that no retry mends: somebody has to look at the settings."""

LONGEST_RETRY_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
REFUSED_SECONDS = (150.0, 300.0)
_JSON = re.compile(r"(application|text)/([\w.-]+\+)?json\s*(;.*)?", re.IGNORECASE)


class PollingSource:
    """The data file of a site from Kameleoon's servers (specs/kameleoon-sdk.md 1.5).

    Looks every ``interval`` seconds, give or take a tenth. After a failure it looks sooner, at random moments
    further and further apart but within a minute; after a refusal (401, 403, 404) every 2.5 to 5 minutes.
    A ``url`` is used as it is, instead of the site's own.
    """

    def __init__(
        self,
        http: Http,
        site_code: str,
        *,
        url: str | None = None,
        environment: str = "",
        endpoints: Endpoints | None = None,
        interval: float = 3600.0,
        max_bytes: int = MAX_BYTES,
        random: Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        overdue = 1.5 * interval
        self.manner = Manner(
            origin="network", patience=1, stale_after=overdue, stale_after_problem=overdue, may_lag=True
        )
        self._http = http
        self._url = url
        self._site_code = site_code
        self._environment = environment
        self._endpoints = endpoints or Endpoints()
        self._interval = interval
        self._max_bytes = max_bytes
        self._random = random or Random()
        self._clock = clock
        self._last_modified = ""
        self._backoff = Backoff(self._random)
        self._is_refused = False
        self._asked_to_wait = 0.0

    def fetch(self, timeout: float, *, timestamp: int | None = None) -> Fetched | NotModified:
        """Ask once, and once more after a failure that may pass; ``timeout`` is for both together.

        ``timestamp`` is that of a real-time event: with it the servers answer no stale copy.
        """
        deadline = self._clock.monotonic() + timeout
        self._asked_to_wait, self._is_refused = 0.0, False
        try:
            try:
                answer = self._ask(timeout, timestamp)
            except RequestFailed as failure:
                left = deadline - self._clock.monotonic()
                if not failure.retryable or self._asked_to_wait or left <= 0:
                    raise
                answer = self._ask(left, timestamp)
        except KameleoonError:
            self._backoff.failed(most=min(LONGEST_RETRY_SECONDS, self._interval), floor=self._asked_to_wait)
            raise
        if answer is NOT_MODIFIED:
            self._backoff.succeeded()
        return answer

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """Ask for changes since this one from now on, or count a failure."""
        if problem is None:
            self._last_modified = fetched.version
            self._backoff.succeeded()
        else:
            self._backoff.failed(most=self._interval)  # it comes whole each time: not every minute

    def wait_seconds(self) -> float:
        """A new random wait, after the last outcome."""
        if self._is_refused:
            return self._random.uniform(*REFUSED_SECONDS)
        if self._backoff.failures:
            return self._backoff.wait_seconds()
        return self._interval * self._random.uniform(0.9, 1.1)

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Only a refusal: a network that is down comes back by itself."""
        return isinstance(problem, RequestFailed) and problem.status in REFUSED

    def renew(self) -> None:
        """New connections, and other random waits than the parent's."""
        self._http.renew()
        self._random.seed()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, timeout: float, timestamp: int | None) -> Fetched | NotModified:
        headers = {"X-Kameleoon-SDK-Type": SDK_NAME, "X-Kameleoon-SDK-Version": SDK_VERSION}
        if self._last_modified:
            headers["If-Modified-Since"] = self._last_modified
        url = self._url or self._endpoints.configuration_url(
            self._site_code, environment=self._environment, timestamp=timestamp
        )
        answer = self._http.request("GET", url, timeout=timeout, headers=headers, max_bytes=self._max_bytes)
        if answer.status == 304 and self._last_modified:
            return NOT_MODIFIED
        if answer.status != 200:
            raise self._unexpected(answer)
        content_type = answer.headers.get("Content-Type", "of no type").strip()
        if not _JSON.fullmatch(content_type):
            raise DataFileInvalid(f"the server's answer is not JSON but {printable(content_type, 60)}")
        return Fetched(answer.body, answer.headers.get("Last-Modified", ""))

    def _unexpected(self, answer: Response) -> RequestFailed:
        now = self._clock.time()
        self._asked_to_wait = retry_after(answer.headers, now=now, most=LONGEST_RETRY_AFTER_SECONDS)
        self._is_refused = answer.status in REFUSED
        reason = REFUSED.get(answer.status, "that is no data file")
        return RequestFailed(
            f"the data file's server answered {answer.status}: {reason}",
            status=answer.status,
            retryable=is_retryable(answer.status),
        )
