"""Reading an answer's body, whole or not at all: its length as announced, decompressed, neither larger than allowed.

Runs on the thread that makes the request.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import RequestFailed
from .exchange import Exchange
from .foreign_text import printable

if TYPE_CHECKING:
    import requests

__all__ = ["CHUNK_BYTES", "Unusable", "as_announced", "capped", "decoded"]

CHUNK_BYTES = 65536
STATUSES_WITHOUT_BODY = frozenset({204, 304})


class Unusable(Exception):
    """An answer is not what was announced or allowed."""

    def __init__(self, message: str, *, status: int | None = None, retryable: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable

    def failure(self, what: str, status: int | None) -> RequestFailed:
        """The same as those are told who asked."""
        return RequestFailed(f"{what}: {self}", status=self.status or status, retryable=self.retryable)


def as_announced(response: requests.Response, exchange: Exchange) -> Iterator[bytes]:
    """The body as it comes over the wire, within its exchange; its length is checked against the announced one."""
    announced = response.headers.get("Content-Length")
    if "Transfer-Encoding" in response.headers or response.status_code in STATUSES_WITHOUT_BODY:
        announced = None
    came = 0
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        came += len(chunk)
        exchange.seconds_left()  # a session of the user's may not have asked before it read
        yield chunk
    exchange.check()
    if announced is not None and announced != str(came):
        raise Unusable(f"{came} bytes came where {printable(announced, 20)} were announced")


def capped(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    """The same; ``Unusable`` beyond this many bytes."""
    room = max_bytes
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise Unusable(f"the answer is over {max_bytes} bytes long", retryable=False)
        yield piece


def decoded(chunks: Iterator[bytes], encoding: str, max_bytes: int) -> Iterator[bytes]:
    """The body as it was meant. Inflated here: neither requests nor urllib3 caps what comes out."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        yield from chunks
        return
    if coding not in ("gzip", "x-gzip"):
        raise Unusable(f"encoded as {printable(coding, 20)}, where only gzip was offered", retryable=False)
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    is_empty = True
    for chunk in chunks:
        is_empty = False
        try:
            yield inflate.decompress(chunk, max_bytes + 1)  # the one byte too many is seen by capped
        except zlib.error:
            raise Unusable("the gzip encoding is broken") from None
    if not is_empty and (not inflate.eof or inflate.unused_data):
        raise Unusable("the gzip encoding is broken")
