"""A loopback HTTP server that answers as it is told: whole, cut, dripping, hanging, wrong; in real bytes.

One thread accepts and one serves each connection; ``close`` ends them all, in the middle of an answer too.
"""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

__all__ = [
    "PATIENCE_SECONDS",
    "Answer",
    "ChaosServer",
    "Received",
    "drips",
    "gzip_bomb",
    "hangs",
    "late",
    "reply",
    "resets",
    "response_bytes",
    "sends",
    "then_hangs",
    "tunnels",
    "wait_until",
]

PATIENCE_SECONDS = 15.0
"""On a machine with other things to do; who waits in vain waits that long, and nobody else."""

Answer = Callable[[socket.socket, threading.Event], bool]
"""Writes one answer, given the connection and an event set when the server ends; true to keep it alive."""


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Look again and again until a condition holds; fail when it has not after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.002)


@dataclass(frozen=True)
class Received:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def response_bytes(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A well-formed answer, unless ``headers`` say otherwise: theirs replace ours."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode("latin-1") + body


def reply(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """A whole answer; the connection stays. An empty header value leaves the header out."""

    def answer(connection: socket.socket, _: threading.Event) -> bool:
        connection.sendall(response_bytes(status, body, headers))
        return True

    return answer


def sends(data: bytes) -> Answer:
    """These bytes and nothing more, then the end of the connection: a cut body, or no HTTP at all."""

    def answer(connection: socket.socket, _: threading.Event) -> bool:
        connection.sendall(data)
        return False

    return answer


def drips(at_once: bytes, then: bytes, seconds: float = 0.05) -> Answer:
    """Some bytes at once, then one of ``then`` after the other, over and over, until the client leaves."""

    def answer(connection: socket.socket, ending: threading.Event) -> bool:
        connection.sendall(at_once)
        while not ending.is_set():
            for byte in then:
                connection.sendall(bytes([byte]))
                if ending.wait(seconds):
                    break
        return False

    return answer


def hangs() -> Answer:
    """Not a byte until the server ends."""

    def answer(_: socket.socket, ending: threading.Event) -> bool:
        ending.wait()
        return False

    return answer


def late(seconds: float, then: Answer) -> Answer:
    """Not a byte for so many seconds, then this; whether or not the client is still there."""

    def answer(connection: socket.socket, ending: threading.Event) -> bool:
        return not ending.wait(seconds) and then(connection, ending)

    return answer


def then_hangs(first: Answer) -> Answer:
    """This, and then not a byte more until the server ends."""

    def answer(connection: socket.socket, ending: threading.Event) -> bool:
        first(connection, ending)
        ending.wait()
        return False

    return answer


def resets() -> Answer:
    """The connection is reset instead of answered."""

    def answer(connection: socket.socket, _: threading.Event) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return answer


def tunnels(port: int) -> Answer:
    """What a proxy does for CONNECT, to this port of this machine whatever the host that was asked for."""

    def answer(connection: socket.socket, ending: threading.Event) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other_end = {connection: beyond, beyond: connection}
            while not ending.is_set():
                readable, _, _ = select.select([connection, beyond], [], [], 0.05)
                for end in readable:
                    if not (piece := end.recv(65536)):
                        return False
                    other_end[end].sendall(piece)
        return False

    return answer


def gzip_bomb(megabytes: int) -> bytes:
    """A thousandth of this many megabytes that inflates to all of them."""
    return gzip.compress(bytes(megabytes << 20), compresslevel=9)


Server = TypeVar("Server", bound="ChaosServer")


class ChaosServer:
    """``answers`` serve one request each, the last one all that follow; ``received`` is what was asked."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self._answers = list(answers)
        self._tls = tls
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._spawn(self._accept)

    def __enter__(self: Server) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer_to(self, request: Received) -> Answer:
        """What this request gets; called for one request at a time."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def answer_with(self, *answers: Answer) -> None:
        """Forget the answers so far: the next request gets the first of these."""
        with self._lock:
            self._answers = list(answers)

    def wait_for(self, requests: int) -> None:
        """Return once so many requests have come in all; fail if they do not come."""
        wait_until(lambda: len(self.received) >= requests)

    def close(self) -> None:
        """End every connection and thread. May be called twice."""
        if self._ending.is_set():
            return
        self._ending.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()  # wakes the one that accepts
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="chaos", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with self._lock:
                if self._ending.is_set():
                    connection.close()
                    return
                self._connections.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        plain = connection
        with contextlib.suppress(OSError):  # the client left, or close() ended it
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.add(connection)
            with connection, connection.makefile("rb") as stream:
                while request := _read_request(stream.readline, stream.read):
                    with self._lock:
                        self.received.append(request)
                        answer = self.answer_to(request)
                    if not answer(connection, self._ending):
                        break
        with self._lock:
            self._connections -= {plain, connection}
        connection.close()
        plain.close()


def _read_request(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Received | None:
    """The next request; ``None`` when the client leaves, in the middle of one too: that was not asked."""
    first = readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := readline().decode("latin-1").strip("\n"):
        if line == "\r":
            length = int(headers.get("content-length", 0))
            body = read(length)
            return Received(first[0], first[1], headers, body) if len(body) == length else None
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return None
