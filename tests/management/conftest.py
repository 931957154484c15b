"""A server and sessions for the tests of the core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.management.echo import Echo


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo() as server:
        yield server
