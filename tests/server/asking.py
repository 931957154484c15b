"""Requests as anybody may send them, byte by byte if need be, and what comes back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

from openfeature_kameleoon.server.run import LocalServer

__all__ = ["Reply", "ask", "connected", "send"]

ANSWER_SECONDS = 20.0


class Reply(NamedTuple):
    """An answer; status 0: the connection was ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def connected(server: LocalServer) -> socket.socket:
    """A connection that nothing was sent on yet."""
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname or "", place.port or 0), ANSWER_SECONDS)


def send(server: LocalServer, request: bytes) -> Reply:
    """Send these bytes, and read the answer."""
    with contextlib.closing(connected(server)) as connection:
        with contextlib.suppress(ConnectionError):  # it may be refused before it is whole
            connection.sendall(request)
        answer = HTTPResponse(connection)
        try:
            answer.begin()
            body = answer.read()
        except (ConnectionError, OSError, ValueError):
            return Reply(0, {}, b"")
        finally:
            answer.close()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def ask(server: LocalServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Reply:
    """A request with these headers, ``None`` leaves one out; underscores in their names stand for hyphens."""
    given: dict[str, str | None] = {"host": urlsplit(server.url).netloc}
    if body is not None:
        given |= {"content-length": str(len(body)), "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return send(server, "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + (body or b""))
