"""Files on their way to presigned addresses: read from disk as they are sent, and told of as they go.

A presigned address is a credential itself: what fails is told without its query.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import requests

from .authentication import ANONYMOUS
from .errors import ApiError, Exchange
from .paging import Progress
from .session import Rest

__all__ = ["Presigned", "Response", "Upload", "put_file"]

Response = requests.Response


class Upload(io.FileIO):
    """A file that tells ``progress`` of each part that is read: how many bytes in all so far, and of how many."""

    def __init__(self, path: str | os.PathLike[str], progress: Progress | None = None) -> None:
        super().__init__(path)
        self.total = os.fstat(self.fileno()).st_size
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        """The next part."""
        part = super().read(-1 if size is None else size) or b""
        if part and self._progress is not None:
            self._progress(self.tell(), self.total)
        return part


class Presigned(Rest):
    """A session with the host of a presigned address, with another session's settings and without its credential.

    A rate limit there is an error like any other.
    """

    def __init__(self, address: str, like: Rest) -> None:
        parts = urlsplit(address)
        super().__init__(
            f"{parts.scheme}://{parts.netloc}",
            ANONYMOUS,
            timeout=like._timeout,
            retries=replace(like._retries, limited=frozenset()),
            errors=like._errors,
            user_agent=like._user_agent,
            session=like._session,
            clock=like.clock,
            wait=like.wait,
        )

    def _error(
        self, kind: type[ApiError], exchange: Exchange, problem: str = "", *, retryable: bool | None = None
    ) -> ApiError:
        told = replace(exchange, url=exchange.url.partition("?")[0])
        return super()._error(kind, told, problem, retryable=retryable)


def put_file(
    address: str,
    path: str | os.PathLike[str],
    *,
    like: Rest,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Response:
    """Send a file to a presigned address. Raises ``ApiError``, and ``OSError`` for a file that cannot be read."""
    with Upload(path, progress) as file:
        data = file if file.total else b""  # with nothing to measure it would be sent in chunks, which storages refuse
        return Presigned(address, like).send("PUT", address, data=data, headers=headers)
