"""Redis's wire protocol, version 2: commands into bytes, bytes into replies, within a deadline and a size.

redis-py's own reading is bounded per read alone, so that a server that drips, or a huge answer, holds a caller as long
as it likes. Runs on the thread that asks. Sockets live in real time, so the machine's clock is read here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

__all__ = ["Command", "OversizedReply", "Refusal", "Reply", "StaleSocket", "exchange", "pack"]

MOST_BYTES = 1 << 20
"""Of all replies to one request; more is not read."""

READ_BYTES = 65536

Command = tuple[bytes, ...]


class Refusal(str):
    """An error reply by its first word, such as ``OOM`` or ``WRONGTYPE``: the rest may quote data."""

    __slots__ = ()


Reply = bytes | int | Refusal | list[bytes | int | Refusal | None] | None
"""What a command is answered with; lists of lists are no answer to any command that is sent here."""


class OversizedReply(ValueError):
    """The replies are larger than is read."""


class StaleSocket(ConnectionError):
    """The other side had closed the connection before anything was answered."""


def pack(commands: Iterable[Command]) -> bytes:
    """The commands as they are sent, one after the other."""
    parts = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        parts += [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in command]
    return b"".join(parts)


def exchange(sock: socket.socket, request: bytes, count: int, deadline: float) -> list[Reply]:
    """Send a request and read so many replies before ``deadline``, by ``time.monotonic``.

    Raises ``StaleSocket``, ``OversizedReply``, other ``OSError`` and ``ValueError``; then the socket is of no more use.
    """
    try:
        sock.settimeout(_left(deadline))
        sock.sendall(request)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise StaleSocket from error
    incoming = _Incoming(sock, deadline)
    replies = [incoming.reply() for _ in range(count)]
    incoming.end()
    return replies


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole exchange is over")
    return left


class _Incoming:
    """What comes in from a socket, a reply at a time."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._bytes = b""
        self._at = 0
        self._received = 0

    def reply(self) -> Reply:
        line = self._line()
        if line[:1] != b"*":
            return self._scalar(line)
        count = int(line[1:])
        return None if count < 0 else [self._scalar(self._line()) for _ in range(count)]

    def end(self) -> None:
        """Make sure that nothing came unasked, which the next request would take for its answer."""
        if self._at < len(self._bytes):
            raise ValueError("there are more replies than were asked for")

    def _scalar(self, line: bytes) -> bytes | int | Refusal | None:
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._text(length)
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"-":
            word = rest.partition(b" ")[0][:20].decode("ascii", "replace")
            return Refusal(word if word.isalnum() else "an error")
        raise ValueError("that is not Redis's protocol")

    def _line(self) -> bytes:
        while (end := self._bytes.find(b"\r\n", self._at)) < 0:
            self._more()
        line = self._bytes[self._at : end]
        self._at = end + 2
        return line

    def _text(self, length: int) -> bytes:
        if length > MOST_BYTES:
            raise OversizedReply
        end = self._at + length
        while len(self._bytes) < end + 2:
            self._more()
            end = self._at + length
        text = self._bytes[self._at : end]
        self._at = end + 2
        return text

    def _more(self) -> None:
        # The first look is had in any case: the answer may have come while other threads kept this one from running.
        self._sock.settimeout(_left(self._deadline) if self._received else max(0.0, self._deadline - time.monotonic()))
        try:
            piece = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            raise TimeoutError("no answer in time") from None
        except ConnectionResetError as error:
            if self._received:
                raise
            raise StaleSocket from error
        if not piece:
            raise ConnectionError("the answer was cut short") if self._received else StaleSocket
        self._received += len(piece)
        if self._received > MOST_BYTES:
            raise OversizedReply
        self._bytes = self._bytes[self._at :] + piece
        self._at = 0
