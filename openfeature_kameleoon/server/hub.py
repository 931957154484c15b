"""Who listens to the server's streams, and what they are told: server-sent events, written once for all of them.

Telling may happen on any thread; streams are sent on the event loop. Who does not take what is sent is left behind.
"""

from __future__ import annotations

import asyncio
import json
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

__all__ = ["Hub", "event"]

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"

MOST_WAITING = 256
"""Events that a stream may be behind; with more it is ended, and its client comes again."""


STREAM_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # no proxy is to hold events back
    "X-Content-Type-Options": "nosniff",
}


def event(name: str, data: Any) -> bytes:
    """A server-sent event; ``data`` is JSON on one line."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class Hub:
    """Streams of one kind."""

    def __init__(self) -> None:
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()  # one that is never sent goes with its request
        self._changing = threading.Lock()
        self.is_closed = False
        self.is_stalled = False
        """Whether streams are open and silent, keep-alive included, as behind a dead network."""

    def __len__(self) -> int:
        return len(self._streams)

    def tell(self, text: bytes) -> None:
        """Send an event to all streams."""
        with self._changing:
            loops: dict[asyncio.AbstractEventLoop, list[_Stream]] = {}
            for stream in self._streams:
                loops.setdefault(stream.loop, []).append(stream)
        for loop, streams in loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_put, streams, text)

    async def next(self, seconds: float) -> bytes:
        """The next event, if one comes within so many seconds; or else nothing."""
        stream = _Stream(asyncio.get_running_loop())
        with self._changing:
            self._streams.add(stream)
        try:
            return await asyncio.wait_for(stream.waiting.get(), seconds)
        except asyncio.TimeoutError:
            return b""
        finally:
            with self._changing:
                self._streams.discard(stream)

    def end(self) -> None:
        """End all streams, as a server does that begins anew."""
        self.tell(b"")

    def close(self) -> None:
        """End all streams, those that are opened from now on at once."""
        self.is_closed = True
        self.end()

    def response(self, request: Request, first: bytes = b"") -> Response:
        """The answer that is a stream, whose head alone is told to whoever asks for that: its end would not come."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=STREAM_HEADERS)
        return StreamingResponse(self.stream(first), media_type="text/event-stream", headers=STREAM_HEADERS)

    def stream(self, first: bytes = b"") -> AsyncIterator[bytes]:
        """What one listener is sent: ``first``, then each event from now on, and now and then a comment.

        From now on: whoever has the head of the answer, and knows by it that the stream is open, misses nothing.
        """
        stream = _Stream(asyncio.get_running_loop())
        with self._changing:
            self._streams.add(stream)
        return self._sent(stream, first)

    async def _sent(self, stream: _Stream, first: bytes) -> AsyncIterator[bytes]:
        try:
            yield first or KEEP_ALIVE
            while not self.is_closed:
                try:
                    text = await asyncio.wait_for(stream.waiting.get(), KEEP_ALIVE_SECONDS)
                except asyncio.TimeoutError:
                    text = KEEP_ALIVE
                if not text:
                    return
                if not self.is_stalled:
                    yield text
        finally:
            with self._changing:
                self._streams.discard(stream)


class _Stream:
    """One listener, and what waits to be sent to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()


def _put(streams: list[_Stream], text: bytes) -> None:
    for stream in streams:
        stream.waiting.put_nowait(text if stream.waiting.qsize() < MOST_WAITING else b"")
