"""What tests of processes evaluate and track, and how often it came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from tests.faces import EXPERIMENT, VIP, flag, rule, site
from tests.kameleoon import FakeKameleoon

__all__ = ["GOAL", "NEWS", "SITE", "Open", "both_of", "is_on", "open_client", "server", "told", "use"]

GOAL = 5

SITE = site(flag("on", rule(1, ("on", 1), kind=EXPERIMENT)), flag("vips", rule(2, ("on", 1), segment_id=VIP)))

NEWS = site(flag("on"), flag("vips", rule(2, ("on", 1), segment_id=VIP)))
"""A data file that came later: the flag ``on`` is off."""

Open = Callable[..., KameleoonClient]


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(SITE) as server:
        yield server


@pytest.fixture
def open_client(server: FakeKameleoon) -> Iterator[Open]:
    """Opens clients of the server, which are closed with the test; they report when told to, and wait for all of it."""
    clients: list[KameleoonClient] = []

    def make(**settings: Any) -> KameleoonClient:
        settings = {"tracking_interval_millisecond": 5000, "shutdown_timeout_millisecond": 20_000, **settings}
        configuration = KameleoonClientConfiguration(**settings)
        client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints)
        clients.append(client)
        assert client.wait_init()
        return client

    yield make

    for client in clients:
        client.close()


def use(face: KameleoonClient | KameleoonProvider, visitor: str) -> None:
    """Evaluate a flag for a visitor of whom nothing is known yet, and track a conversion."""
    client = face.client if isinstance(face, KameleoonProvider) else face
    if isinstance(face, KameleoonProvider):
        assert face.resolve_boolean_details("on", False, EvaluationContext(visitor)).value
        face.track(str(GOAL), EvaluationContext(visitor))
    else:
        assert is_on(client, visitor)
        client.track_conversion(visitor, GOAL)


def is_on(client: KameleoonClient, visitor: str, key: str = "on") -> bool:
    """Whether the flag is on for the visitor."""
    return client.is_feature_active(visitor, key)


def both_of(visitors: Iterable[str]) -> Counter[tuple[str, str]]:
    """What is told of visitors for whom ``use`` was called, each of it once."""
    return Counter((visitor, kind) for visitor in visitors for kind in ("experiment", "conversion"))


def told(server: FakeKameleoon) -> Counter[tuple[str, str]]:
    """How often what came in, by visitor and kind of event."""
    return Counter((event["visitorCode"], event["eventType"]) for event in server.events())
