"""Sends what goes through aiohttp to the loopback server, whatever host it was meant for.

This is all that is changed about the peer: its own code, session and parsing run as they are. Kept apart from
everything else because a cold start must load nothing the peer would not load itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["redirect", "redirected", "requests_redirected"]

_ports: list[int] = []


def redirect(port: int) -> None:
    """From now on every request of every aiohttp session of this process goes to ``127.0.0.1:port``."""
    _divert()
    _ports.append(port)


@contextmanager
def redirected(port: int) -> Iterator[None]:
    """The same while open. Afterwards none goes anywhere: the peer's background threads outlive it."""
    redirect(port)
    try:
        yield
    finally:
        _ports.remove(port)


@cache
def _divert() -> None:
    # Imported here: aiohttp comes with the benchmarks extra only, and is part of the peer's cold start.
    import aiohttp
    from yarl import URL

    # Any: the one place through which all requests pass is not public.
    session: Any = aiohttp.ClientSession
    send = session._request

    async def send_to_loopback(self: Any, method: str, url: str | URL, **options: Any) -> Any:
        if not _ports:
            raise aiohttp.ClientError("the measurement is over")
        near = URL(url).with_scheme("http").with_host("127.0.0.1").with_port(_ports[-1])
        return await send(self, method, near, **options)

    session._request = send_to_loopback


@contextmanager
def requests_redirected(port: int) -> Iterator[None]:
    """The same for every session of requests, while open."""
    # Imported here, as above: ours has it already, but not everything that imports this.
    from urllib.parse import urlsplit

    import requests

    session: Any = requests.Session
    send = session.request

    def send_to_loopback(self: Any, method: str, url: str, **options: Any) -> Any:
        near = urlsplit(url)._replace(scheme="http", netloc=f"127.0.0.1:{port}")
        return send(self, method, near.geturl(), **options)

    session.request = send_to_loopback
    try:
        yield
    finally:
        session.request = send
