"""A provider that OpenFeature has, for the time of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api

from openfeature_kameleoon import KameleoonProvider
from tests.faces import provider_of
from tests.web.application import DATA_FILE

SetProvider = Callable[..., KameleoonProvider]


@pytest.fixture
def set_provider(tmp_path: Path) -> Iterator[SetProvider]:
    """Sets a provider of a data file; settings by name."""

    def make(content: Any = DATA_FILE, **settings: Any) -> KameleoonProvider:
        provider = provider_of(tmp_path, content, **settings)
        api.set_provider_and_wait(provider)
        return provider

    yield make

    api.shutdown()


@pytest.fixture
def provider(set_provider: SetProvider) -> KameleoonProvider:
    """The provider of the application's data file."""
    return set_provider()
