"""Fixtures for pytest, which finds them by itself: a local server whose flags a test sets, and what was tracked.

It stands beside the package, whose import brings OpenFeature: pytest imports this module in every run, and it imports
nothing before a fixture is used. Needs the extra ``server``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from openfeature_kameleoon import KameleoonProvider
    from openfeature_kameleoon.testing import KameleoonServer, TrackedEvent, Value

__all__ = ["Flags", "Tracked"]

KEPT = "openfeature-kameleoon-pytest"
"""The domain to which the provider is bound whose place was taken: OpenFeature shuts down what is bound nowhere."""


class Flags:
    """Flags by key, for whoever is connected: ``flags["new_checkout"] = True``; ``provider`` is OpenFeature's."""

    def __init__(self, server: KameleoonServer, provider: KameleoonProvider) -> None:
        self.provider = provider
        self._server = server

    def __setitem__(self, key: str, value: Value) -> None:
        """Have a flag give everybody this value; see ``KameleoonServer.set_flag``."""
        self._server.set_flag(key, value)

    def __delitem__(self, key: str) -> None:
        """Have a flag do as the data file says, if that has it."""
        self._server.reset(key)

    def choose(self, key: str, variation: str) -> None:
        """Have a flag give everybody one of its variations."""
        self._server.set_flag(key, variation=variation)

    def override(self, key: str, **what: Any) -> None:
        """Have it do something else for some; see ``KameleoonServer.override``."""
        self._server.override(key, **what)


class Tracked:
    """What came of events since the test began."""

    def __init__(self, server: KameleoonServer) -> None:
        self._server = server

    def __call__(self, kind: str | None = None, *, visitor: str | None = None) -> list[TrackedEvent]:
        """The events, the oldest first: of one kind, of one visitor."""
        events = self._server.events
        return [event for event in events if kind in (None, event.kind) and visitor in (None, event.visitor)]

    def conversions(self, *, visitor: str | None = None, goal: int | None = None) -> list[TrackedEvent]:
        """The conversions: of one visitor, of one goal."""
        return self._server.conversions(visitor=visitor, goal=goal)

    def wait_for(self, condition: Callable[[], Any], timeout: float = 5.0) -> Any:
        """Wait until it holds, for what other processes track; fail with what has come instead."""
        __tracebackhide__ = True  # as there
        return self._server.wait_for(condition, timeout)


@pytest.fixture(scope="session")
def kameleoon_data_file() -> Any:
    """What the flags are before a test sets them, a path or a data file's content; override it with your own."""
    return None


@pytest.fixture(scope="session")
def kameleoon_settings() -> dict[str, Any]:
    """Settings of OpenFeature's provider, such as ``goals``; override it with your own."""
    return {}


@pytest.fixture(scope="session")
def kameleoon_session_server(kameleoon_data_file: Any) -> Iterator[KameleoonServer]:
    """The server of the whole session, for fixtures that outlive a test: an application that is started once."""
    # Imported here, as all of it: who uses none of these fixtures is to notice nothing of them.
    from openfeature_kameleoon.testing import KameleoonServer  # noqa: PLC0415

    with KameleoonServer(kameleoon_data_file) as server:
        yield server


@pytest.fixture
def kameleoon_server(kameleoon_session_server: KameleoonServer) -> KameleoonServer:
    """The same, as if it had just begun."""
    kameleoon_session_server.reset()
    return kameleoon_session_server


@pytest.fixture
def kameleoon_flags(kameleoon_server: KameleoonServer, kameleoon_settings: dict[str, Any]) -> Iterator[Flags]:
    """Flags to be set, with OpenFeature's default provider connected to them until the test is over."""
    from openfeature import api  # noqa: PLC0415  # as above
    from openfeature.provider.no_op_provider import NoOpProvider  # noqa: PLC0415  # as above

    previous = api.get_client().provider
    provider = kameleoon_server.provider(**kameleoon_settings)
    api.set_provider(previous, KEPT)
    api.set_provider_and_wait(provider)

    yield Flags(kameleoon_server, provider)

    provider.shutdown()
    api.set_provider(previous)
    api.set_provider_and_wait(NoOpProvider(), KEPT)


@pytest.fixture
def tracked_events(kameleoon_server: KameleoonServer) -> Tracked:
    """What is tracked while the test runs."""
    return Tracked(kameleoon_server)
