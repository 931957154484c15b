from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.tracking.disk import DiskOutbox
from tests.outboxes import Make, disk_outbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where events wait; not there yet."""
    return tmp_path / "made" / "kameleoon"


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    """Makes outboxes in the folder, and closes them when the test is over."""
    made: list[DiskOutbox] = []

    def one(clock: Clock = SYSTEM_CLOCK, **options: Any) -> DiskOutbox:
        made.append(disk_outbox(folder, clock, **options))
        return made[-1]

    yield one

    for outbox in made:
        outbox.close()
