"""A fake Flagship, and what sends to it in the background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon.flagship import Flagship
from openfeature_kameleoon.flagship.api import FlagshipApi
from openfeature_kameleoon.flagship.tracking import Tracker
from openfeature_kameleoon.transport.http import Http
from tests.flagship.collector import FakeFlagship, Open
from tests.flagship.vendor import Vendor

LONG = 600.0


@pytest.fixture
def server() -> Iterator[FakeFlagship]:
    with FakeFlagship() as server:
        yield server


@pytest.fixture
def running(server: FakeFlagship) -> Iterator[Open]:
    """Makes trackers that send to the server in the background, and are stopped with the test."""
    made: list[tuple[Tracker, FlagshipApi]] = []

    def one(**settings: Any) -> Tracker:
        api = FlagshipApi(Http(), "ENV_ID", "API_KEY", endpoints=server.endpoints)
        tracker = Tracker(api, **{"time_interval": LONG, "max_pool_size": 5000, **settings})
        tracker.start()
        made.append((tracker, api))
        return tracker

    yield one

    for tracker, api in made:
        tracker.stop(0.0)
        tracker.close()
        api.close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """All of Flagship's servers; the SDK, which there is one of, is stopped with the test."""
    with Vendor() as vendor:
        yield vendor
        Flagship.stop()
