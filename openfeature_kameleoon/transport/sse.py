"""Server-sent events out of a stream of bytes, and the signs of life between them (specs/kameleoon-sdk.md 1.6).

Lines and events are capped before sseclient sees them, as its cost is quadratic in both (reliability.md 1.1).
Runs on the thread that reads the stream; when to connect again is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from sseclient import SSEClient

from ..errors import RequestFailed
from .foreign_text import printable
from .retry import is_retryable

if TYPE_CHECKING:
    from .http import ByteStream

__all__ = ["EVENT_STREAM_HEADERS", "ServerEvent", "events_of", "read_events"]

EVENT_STREAM_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-cache", "Connection": "Keep-Alive"}
"""What a request for a stream of events carries."""

MAX_LINE_BYTES = 64 << 10
MAX_EVENT_BYTES = 1 << 20
MAX_EVENT_LINES = 1000

REFUSED = {
    401: "the server does not accept this client",
    403: "the server denies access; check the site code",
    404: "the server knows no such stream; check the site code",
    405: "something else than Kameleoon seems to answer",
}

FIELDS = (b"event", b"data")
"""What is made use of. sseclient would log the names of others, which are anybody's text."""

_EVENT_STREAM = re.compile(r"text/event-stream\s*(;.*)?", re.IGNORECASE)
_LINE_END = re.compile(rb"\r\n|\n|\r")


class ServerEvent(NamedTuple):
    """One event as it was sent."""

    name: str
    """``message`` when the server named none."""
    data: str


def events_of(stream: ByteStream) -> Iterator[ServerEvent | None]:
    """The events of an open stream as ``read_events`` gives them.

    Raises ``RequestFailed`` at once when the answer is no stream of events, and later when the connection fails.
    """
    if stream.status != 200:
        reason = REFUSED.get(stream.status, "that is no stream of events")
        raise RequestFailed(
            f"the server of real-time events answered {stream.status}: {reason}",
            status=stream.status,
            retryable=is_retryable(stream.status),
        )
    content_type = stream.headers.get("Content-Type", "of no type").strip()
    if not _EVENT_STREAM.fullmatch(content_type):
        raise RequestFailed(f"the stream of real-time events is not one but {printable(content_type, 60)}", status=200)
    return read_events(stream)


def read_events(pieces: Iterable[bytes]) -> Iterator[ServerEvent | None]:
    """The events that these bytes hold; ``None`` for a piece that completes none, such as a keep-alive.

    An event that is cut short is left out. Raises ``RequestFailed`` when a line or an event is too long.
    """
    return map(_parsed, _blocks(pieces))


def _parsed(block: bytes | None) -> ServerEvent | None:
    if block is None:
        return None
    event = next(SSEClient(iter((block,))).events(), None)
    return None if event is None else ServerEvent(event.event, event.data)


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes | None]:
    """The lines of each event, whole; ``None`` for a piece of the stream that completes no event."""
    line, lines, size, is_after_cr = bytearray(), list[bytes](), 0, False
    for piece in pieces:
        is_complete = False
        # A line may end in CR, LF or both, and the two may come apart.
        rest, *begun = _LINE_END.split(piece.removeprefix(b"\n") if is_after_cr else piece)
        is_after_cr = piece.endswith(b"\r")
        _extend(line, rest)
        for rest in begun:
            if line.partition(b":")[0] in FIELDS:
                size += len(line)
                if size > MAX_EVENT_BYTES or len(lines) == MAX_EVENT_LINES:
                    raise RequestFailed("an event of the stream is too long")
                lines.append(bytes(line))
            elif not line and lines:
                is_complete = True
                yield b"\n".join(lines).decode("utf-8", "replace").encode() + b"\n\n"
                lines, size = [], 0
            line = bytearray()
            _extend(line, rest)
        if not is_complete:
            yield None


def _extend(line: bytearray, rest: bytes) -> None:
    if len(line) + len(rest) > MAX_LINE_BYTES:
        raise RequestFailed("a line of the stream is too long")
    line += rest
