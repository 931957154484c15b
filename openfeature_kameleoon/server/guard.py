"""Keeps strangers out: other hosts' names, other sites' pages, bodies without end, writes without the token.

An ASGI middleware around everything that is served (reliability.md R21). What it refuses never reaches a route.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ..transport.foreign_text import printable

__all__ = ["MOST_HEADER_BYTES", "OF_FLAGSHIP", "OF_SDKS", "Guard", "is_loopback"]

_log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MOST_HEADER_BYTES = 32 << 10
MOST_BODY_BYTES = 4 << 20
BODY_SECONDS = 30.0

OF_FLAGSHIP = "/flagship/"
"""The base of all that Flagship's SDKs ask for, so that one address is enough for them."""

OF_SDKS = ("/v3/", "/sse", "/visit/", "/map/", "/oauth/", OF_FLAGSHIP)
"""Paths of the vendors' protocols, which know no token of ours; no page of another site gets at them all the same."""

OFREP = "/ofrep/"
"""Of OFREP, whose evaluations change nothing: they are guarded as reads are, or by a key of their own."""

OFREP_STREAM = "/ofrep/v1/stream"
"""It asks for a secret of its own, in its address, as browsers send no headers there."""

OPEN = ("/", "/healthz", "/readyz")
"""What everybody may read who may reach the server: the page holds nothing, it asks for it with the token."""

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether a name or address of a host means this machine, whatever a name server says."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets through what comes from this machine, or to ``hosts`` by name, and carries the token where it is needed.

    ``token`` is needed for writes, and with ``guards_reads`` for all but vendors' protocols and the page. It comes as
    ``Authorization: Bearer`` or as ``X-API-Key``. ``ofrep_key`` is a second one, which opens OFREP and nothing else.
    ``unguarded`` are paths that need none.
    """

    def __init__(
        self,
        app: Application,
        token: str,
        *,
        hosts: Collection[str] = (),
        guards_reads: bool = False,
        ofrep_key: str = "",
        unguarded: Collection[str] = (),
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts}
        self._guards_reads = guards_reads
        self._ofrep_key = ofrep_key.encode()
        self._open = {*OPEN, *unguarded}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            status, problem = refusal
            place = scope["path"][:40].split("/")[1:2]  # what follows may tell of a visitor
            _log.warning("refused %s /%s: %s", scope["method"], printable("".join(place)), problem)
            await _refuse(send, status, problem)
            return
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        await self._app(scope, _bounded(receive) if has_body else receive, send)

    def _refusal(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> tuple[int, str] | None:
        path, method = scope["path"], scope["method"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
            return 431, f"headers may have {MOST_HEADER_BYTES} bytes"  # h11 lets through more if they come at once
        if not self._is_ours(headers.get("host", "")):
            return 403, "this server goes by another name: Host is not one of its own (see --allowed-host)"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return 403, "pages of other sites are not served"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, "pages of other sites are not served"
        if "content-length" in headers and "transfer-encoding" in headers:
            return 400, "the body's length is told in two ways, which proxies read differently"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            return 413, f"a body may have {MOST_BODY_BYTES} bytes"
        if path.startswith(OF_SDKS):
            return None
        is_write = method not in ("GET", "HEAD", "OPTIONS")
        if is_write and int(length) and not headers.get("content-type", "").startswith("application/json"):
            return 415, "send JSON, and say so: Content-Type: application/json"
        if path.startswith(OFREP):
            return self._refusal_of_ofrep(path, headers)
        if (is_write or self._guards_reads) and path not in self._open and not self._has_token(headers):
            return 401, "the token is needed, which the server told when it started: Authorization: Bearer <token>"
        return None

    def _refusal_of_ofrep(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if path == OFREP_STREAM or not (self._ofrep_key or self._guards_reads):
            return None
        given = _key(headers)
        if not given:
            return 401, "a key is needed: Authorization: Bearer <key>, or X-API-Key"
        keys = (self._token, self._ofrep_key or self._token)
        return None if any(hmac.compare_digest(given, key) for key in keys) else (403, "the key is not the right one")

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        return match is not None and (is_loopback(match["name"]) or match["name"].lower() in self._hosts)

    def _has_token(self, headers: dict[str, str]) -> bool:
        return hmac.compare_digest(_key(headers), self._token)


def _key(headers: dict[str, str]) -> bytes:
    return (headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")).encode()


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Headers by name. One that comes twice counts as neither, so that nobody is told another one than we are."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        headers[key] = (
            "\n" if key in headers and key in ("host", "origin", "content-length") else value.decode("latin-1")
        )
    return headers


def _bounded(receive: Receive) -> Receive:
    """Ends a body that is longer, or takes longer, than it may, whatever its headers said."""
    left, is_over = MOST_BODY_BYTES, False
    end = asyncio.get_running_loop().time() + BODY_SECONDS

    async def bounded() -> Message:
        nonlocal left, is_over
        if is_over:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), end - asyncio.get_running_loop().time())
        except asyncio.TimeoutError:
            return {"type": "http.disconnect"}
        left -= len(message.get("body", b""))
        is_over = not message.get("more_body", False)
        return message if left >= 0 else {"type": "http.disconnect"}

    return bounded


async def _refuse(send: Send, status: int, problem: str) -> None:
    body = problem.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the request is not read
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
