"""Bar 27: how many flags a second the local server evaluates by OFREP, beside an endpoint that evaluates nothing.

Both are asked over loopback from this process, in turn, by connections that are kept: all of them are written to, then
all answers are read, so that the server is never without work and this side does next to none.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from . import anchors
from .data import EXP3
from .measure import Effort, Row, Turn, at_least, interleave
from .ofrep_server import PATH, served

__all__ = ["BARS", "Connections", "opened"]

CONNECTIONS = 8
ROUNDS_SHARE = 4
TURN_SECONDS = 0.05
CONTEXT = {"targetingKey": anchors.VISITOR, "country": "FR", "age": 42}


class Connections:
    """Kept connections to a server, on which the same is asked again and again."""

    def __init__(self, port: int, key: str) -> None:
        body = json.dumps({"context": CONTEXT}).encode()
        head = [
            f"POST {PATH}{key} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        self._request = "\r\n".join([*head, "", ""]).encode() + body
        self._sockets = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(CONNECTIONS)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head, self.answer = self._first()
        self._size = len(self.head) + len(self.answer)

    def turn(self, calls: int) -> float:
        """Ask so many times; the seconds it took. Each answer is as long as the first one, or this waits in vain."""
        began = perf_counter()
        left = calls
        while left > 0:
            asked = self._sockets[:left]
            for each in asked:
                each.sendall(self._request)
            for each in asked:
                missing = self._size
                while missing:
                    missing -= len(each.recv(missing))
            left -= len(asked)
        return perf_counter() - began

    def close(self) -> None:
        """End the connections."""
        for each in self._sockets:
            each.close()

    def _first(self) -> tuple[bytes, bytes]:
        one = self._sockets[0]
        one.sendall(self._request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += one.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        while len(body) < length:
            body += one.recv(65536)
        return head + b"\r\n\r\n", body


@contextmanager
def opened(key: str) -> Iterator[dict[str, Connections]]:
    """Connections to our server and to the bare one."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        ports = stack.enter_context(served(Path(anchors.written(directory, 100))))
        yield {who: stack.enter_context(closing(Connections(port, key))) for who, port in ports.items()}


def evaluations(effort: Effort) -> list[Row]:
    """Bar 27: the ratio of rates, which is that of times the other way round."""
    with opened(EXP3) as connections:
        _must_agree(connections)
        turns: dict[str, Turn] = {who: each.turn for who, each in connections.items()}
        rounds = interleave(turns, rounds=effort.rounds // ROUNDS_SHARE, turn_seconds=TURN_SECONDS)
    what = f"OFREP, {EXP3}, {CONNECTIONS} connections"
    return [
        Row(27, what, "of a bare endpoint's rate", rounds.ratio("bare", "ours"), at_least(0.6, 0.8)),
        Row(27, what, "evaluations per second", 1 / rounds.median("ours")),
    ]


def _must_agree(connections: Mapping[str, Connections]) -> None:
    """A figure for another answer is worth nothing."""
    for who, each in connections.items():
        answer: dict[str, Any] = json.loads(each.answer)
        if answer.keys() != {"key", "reason", "variant", "metadata", "value"} or b" 200 " not in each.head[:16]:
            raise RuntimeError(f"{who} answers {each.answer!r}")


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {27: evaluations}
