"""What tests of shared visitors begin with: processes that share a Redis, and time that passes when a test says so."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon.visitors.data import Data
from openfeature_kameleoon.visitors.redis import RedisVisitorStore
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.chaos import wait_until
from tests.clock import FakeClock
from tests.redis_server import RedisServer
from tests.vectors import Stage

__all__ = ["HALF_AN_HOUR", "INDEX", "MAPPING", "REFRESH", "WAIT", "Site", "site"]

INDEX = Stage().index
MAPPING = 3
"""The custom datum of that data file that carries the user id."""

HALF_AN_HOUR = 1800.0
REFRESH = 1.5
"""Seconds after which what a process knows is read anew."""

WAIT = 5.0
"""Seconds that no test needs, unless something is wrong."""


class Site:
    """A site of its own on a server, and the stores of as many processes as a test wants, all at the same time."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.code = uuid.uuid4().hex
        self.clock = FakeClock()
        self.stores: list[RedisVisitorStore] = []

    def process(self, *, is_up: bool = True, **options: Any) -> RedisVisitorStore:
        """The store of one more process, which has got to Redis; a patient one, unless a test is about that."""
        given = {
            "site_code": self.code,
            "idle_seconds": HALF_AN_HOUR,
            "max_bytes": 10**8,
            "timeout_seconds": 1.0,
            "clock": self.clock,
            **options,
        }
        store = RedisVisitorStore(given.pop("url", self.server.url), **given)
        self.stores.append(store)
        if is_up:
            store.start(WAIT)
            wait_until(lambda: store.is_shared)
            self.clock.advance(0.01)  # what is read at the very moment of an outage may be from before it
        return store

    def learn(self, store: RedisVisitorStore, code: str, *data: Data) -> Visitor:
        """Have a process add data, and wait until all can know of it."""
        visitor = store.add_data(store.get(code) or store.unknown(code), data, INDEX)
        assert store.flush(WAIT)
        return visitor

    def look(self, store: RedisVisitorStore, code: str) -> Visitor:
        """The visitor as a process knows it once what it knew before is no longer fresh."""
        visitor = self.look_for(store, code)
        assert visitor is not None
        return visitor

    def look_for(self, store: RedisVisitorStore, code: str) -> Visitor | None:
        """The same of a visitor that there may not be."""
        self.clock.advance(REFRESH)
        return store.get(code)

    def key(self, store: RedisVisitorStore, code: str) -> bytes:
        """Where a visitor is stored."""
        key = store._key(code)
        assert key is not None
        return key

    def fields(self, store: RedisVisitorStore, code: str) -> dict[bytes, bytes]:
        """What is stored of a visitor."""
        found: dict[bytes, bytes] = self.server.run("HGETALL", self.key(store, code))
        return found

    def close(self) -> None:
        """End all processes."""
        for store in self.stores:
            store.close(0.0)


@pytest.fixture
def site(redis_server: RedisServer) -> Iterator[Site]:
    """A site on the server that nobody harms."""
    site = Site(redis_server)

    yield site

    site.close()
