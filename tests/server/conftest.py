"""A site of the examples' flags, and a server of it on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site

FLAGS = Path(__file__).resolve().parents[2] / "examples" / "flags.json"


@pytest.fixture
def site() -> Iterator[Site]:
    """The site, which a test may publish other data files of."""
    site = Site("a8st4f59bj")
    site.publish(FLAGS.read_bytes())

    yield site

    site.client.close()


@pytest.fixture
def server(site: Site) -> Iterator[LocalServer]:
    """A server of the site."""
    with LocalServer(Serving(site, token="the-token")) as server:
        yield server
