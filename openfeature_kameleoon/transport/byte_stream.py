"""The body of an answer that goes on: read piece by piece by one thread, ended by any."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..errors import RequestFailed
from ..forking import renew_after_fork
from .bodies import CHUNK_BYTES
from .exchange import Exchange, Exchanges
from .failures import FOREIGN, ended, failure_of

if TYPE_CHECKING:
    import requests

__all__ = ["ByteStream"]


class ByteStream:
    """The body of an open answer as it comes; ``Http.stream`` makes one.

    Iterating waits for the next bytes. It ends when the server ends the body, and after ``close``; it raises
    ``RequestFailed`` when the body is cut short, when no byte comes for ``silence_seconds``, and after ``Http.abort``.
    In each case the stream is closed. With a session of the user's that lacks a ``DeadlineAdapter``, a blocked read
    ends no sooner than the first ``silence_seconds`` say.
    """

    def __init__(self, what: str, response: requests.Response, exchange: Exchange, exchanges: Exchanges) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        """Looked up without regard to case."""
        self._what = what
        self._response = response
        self._exchange = exchange
        self._exchanges = exchanges
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_closed = False
        renew_after_fork(self)

    @property
    def silence_seconds(self) -> float:
        """How long the next read waits for a byte."""
        return self._exchange.patience

    @silence_seconds.setter
    def silence_seconds(self, seconds: float) -> None:
        self._exchange.patience = seconds

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._next():
            yield piece

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, from any thread: a read that blocks returns at once, and its iteration ends. May be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            is_reading = self._is_reading
        self._exchange.abort()
        if not is_reading:  # else the reader does it: a response is no thing to be closed under somebody's hands
            self._release()

    def renew(self) -> None:
        """In a forked child: it is the parent's; nothing is left to close, and its buffer may be locked for ever."""
        self._lock = threading.Lock()
        self._is_closed = True

    def _next(self) -> bytes:
        """The next piece; empty at the end."""
        with self._lock:
            if self._is_closed:
                return b""
            self._is_reading = True
        piece, failure = self._read()
        with self._lock:
            self._is_reading = False
            was_closed, self._is_closed = self._is_closed, self._is_closed or not piece
        if not piece or was_closed:
            self._release()
        if was_closed:
            return b""
        if failure is not None:
            raise failure
        return piece

    def _read(self) -> tuple[bytes, RequestFailed | None]:
        try:
            piece: bytes = self._response.raw.read1(CHUNK_BYTES, decode_content=False)
        except FOREIGN as error:
            failure = failure_of(self._what, error)
            if failure.timed_out:
                silence = f"{self._what}: silent for {self.silence_seconds:g} seconds"
                failure = RequestFailed(silence, timed_out=True)
            return b"", ended(self._what) if self._exchange.is_aborted else failure
        if self._exchange.is_aborted:
            return b"", ended(self._what)
        return piece, None

    def _release(self) -> None:
        self._exchanges.ended(self._exchange)
        self._response.close()
