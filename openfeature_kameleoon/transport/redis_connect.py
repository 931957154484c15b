"""Makes connections to Redis: redis-py reads the URL, connects and does TLS; signing in is done here, in bounded time.

Nothing here raises what other people's frames and exceptions hold: the password, the host. Runs on the thread that
connects, which is none that evaluates.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..settings import Secret
from .resp import Command, Refusal, Reply, exchange, pack

__all__ = ["CONNECT_SECONDS", "Connected", "Connecting", "problem_of", "reason_of", "shut_down"]

CONNECT_SECONDS = 1.0
"""What connecting may take, and then signing in."""


ABOUT: Command = (b"INFO", b"server")


class Connected(NamedTuple):
    """A connection, as an ordinary socket, and which run of which server is at its end; empty if it does not say."""

    sock: socket.socket
    run_id: bytes


class Connecting:
    """Connections in the making, one at a time, which any thread may end."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._is_over = False

    def connect(self, url: Secret) -> Connected | str:
        """A connected socket, signed in, or why there is none."""
        if self._is_over:
            return "closed"
        hello: list[Command] = []
        try:
            self._connection, hello = _connection(url)
            self._connection.connect()
            deadline = time.monotonic() + CONNECT_SECONDS
            *replies, about = exchange(self._connection._sock, pack([*hello, ABOUT]), len(hello) + 1, deadline)
            refusal = next((reply for reply in replies if isinstance(reply, Refusal)), None)
            if refusal is not None:
                return f"it answers {refusal}"
            # From here on it is an ordinary socket, which redis-py does not close.
            sock: socket.socket = self._connection._sock
            self._connection._sock = None
        except Exception as error:  # other people's code, whatever it raises: there is no connection
            return reason_of(error, CONNECT_SECONDS)
        finally:
            hello.clear()  # redis-py's exceptions go round in circles, and may keep this frame for a while
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.disconnect()
        return Connected(sock, _run_id(about))

    def end(self) -> None:
        """Let no more be made, and end what waits for an answer."""
        self._is_over = True
        sock = getattr(self._connection, "_sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                shut_down(sock)

    def disown(self) -> None:
        """In a forked child: close what the parent's thread is connecting, without ending it."""
        sock = getattr(self._connection, "_sock", None)
        if sock is not None:
            self._connection._sock = None
            sock.close()


def problem_of(url: Secret) -> str:
    """Why a URL cannot be used; empty if it can. What is wrong is not quoted: it may be the password."""
    try:
        _connection(url)
    except ImportError:
        return "redis_url needs the package redis: pip install 'openfeature-kameleoon[redis]'"
    except Exception as error:  # other people's code, whatever it raises: it is the URL
        return f"redis_url is no URL that redis-py takes ({type(error).__name__}); see its documentation of from_url"
    return ""


def _connection(url: Secret) -> tuple[Any, list[Command]]:
    """redis-py's connection, not connected yet, and what to say first."""
    # Imported here: it takes a tenth of a second, belongs to an extra, and only who shares visitors needs it.
    from redis import connection as redis_connection  # noqa: PLC0415

    parse_url: Callable[[str], dict[str, Any]] = redis_connection.parse_url
    address, user_name, password = _without_credentials(url.reveal())
    options = parse_url(address)
    hello = _hello({"username": user_name, "password": password, **options})
    for of_hello in ("username", "password", "client_name", "db"):
        options.pop(of_hello, None)
    kind = options.pop("connection_class", redis_connection.Connection)
    for of_pools in ("max_connections", "timeout"):
        options.pop(of_pools, None)
    options.update(
        protocol=2,
        socket_timeout=CONNECT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        redis_connect_func=_say_nothing,
    )
    return kind(**options), hello


def _without_credentials(url: str) -> tuple[str, str, str]:
    """A URL without user name and password, and these: Python remembers the URLs that it has parsed."""
    scheme, separator, rest = url.partition("://")
    end = next((number for number, character in enumerate(rest) if character in "/?#"), len(rest))
    credentials, _, host = rest[:end].rpartition("@")
    user_name, _, password = credentials.partition(":")
    return scheme + separator + host + rest[end:], unquote(user_name), unquote(password)


def _hello(options: Mapping[str, Any]) -> list[Command]:
    """The commands with which a connection begins."""
    hello: list[Command] = []
    sign_in = [options[name] for name in ("username", "password") if options[name]]
    if sign_in:
        hello.append((b"AUTH", *(text.encode() for text in sign_in)))
    if options.get("client_name"):
        hello.append((b"CLIENT", b"SETNAME", options["client_name"].encode()))
    hello.append((b"SELECT", b"%d" % int(options.get("db") or 0)))
    return hello


def _run_id(about: Reply) -> bytes:
    found = re.search(rb"^run_id:(\w+)", about, re.MULTILINE) if isinstance(about, bytes) else None
    return found[1] if found else b""


def _say_nothing(connection: object) -> None:
    """What redis-py would say is unbounded: a server that drips its answer held it for ever."""


def shut_down(sock: socket.socket) -> None:
    """End a connection for both sides, from any thread, without closing the socket."""
    # The plain method: that of a TLS socket makes it read on without TLS.
    socket.socket.shutdown(sock, socket.SHUT_RDWR)


REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "its certificate was refused"),
    (ssl.SSLError, "TLS failed"),
    (socket.gaierror, "the host name does not resolve"),
)
"""What failures are called; their own texts may hold what is secret."""


def reason_of(error: BaseException, seconds: float) -> str:
    """What to say of a failure of an exchange that was given so many seconds: safe to log."""
    causes = list(_causes(error))
    for kind, reason in REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return reason
    if any("TimeoutError" in (each.__name__ for each in type(cause).__mro__) for cause in causes):  # redis-py's too
        return f"no answer within {round(seconds * 1000, 1):g} ms"
    for cause in causes:
        number = cause.errno if isinstance(cause, OSError) else None
        if number is not None and number in errno.errorcode:
            return os.strerror(number).lower()
    return f"the exchange failed ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
