"""Every kind of outbox, for tests of what holds for all of them, and what such tests put in and look at."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import TypeAlias

import pytest

from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.tracking.disk import DiskOutbox
from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import Batch, MemoryOutbox, Outbox

__all__ = [
    "DAY",
    "NOTHING",
    "OUTBOXES",
    "SITE",
    "Make",
    "bytes_on_disk",
    "disk_outbox",
    "files",
    "is_balanced",
    "memory_outbox",
    "nonces",
    "report",
    "take_all",
    "warnings",
]

SITE = "secretsite1"
NOTHING = {"queue_full": 0}
DAY = 86_400.0

Make: TypeAlias = Callable[..., DiskOutbox]
"""``disk_outbox`` in a folder of the test's."""


def memory_outbox(folder: Path, clock: Clock = SYSTEM_CLOCK) -> Outbox:
    """In memory."""
    return MemoryOutbox(clock=clock)


def disk_outbox(
    folder: Path,
    clock: Clock = SYSTEM_CLOCK,
    *,
    survives_power_loss: bool = False,
    max_bytes: int = 256 << 20,
    memory: int = 100_000,
) -> DiskOutbox:
    """On disk; ``memory`` events fit where they wait while the disk fails."""
    return DiskOutbox(
        folder,
        SITE,
        memory=MemoryOutbox(memory, clock=clock),
        survives_power_loss=survives_power_loss,
        max_bytes=max_bytes,
        clock=clock,
    )


OUTBOXES: tuple[Callable[[Path, Clock], Outbox], ...] = (memory_outbox, disk_outbox)
"""Each makes one: in a folder, with a clock."""


def report(visitor: str, *nonces: int, user_agent: str | None = None, time: float = inf) -> Report:
    """A report of one event for each nonce."""
    return Report(visitor, tuple(Event(ACTIVITY, nonce) for nonce in nonces), user_agent=user_agent, time=time)


def nonces(batches: Iterable[Batch]) -> list[int]:
    """What was taken, in its order."""
    return [int(line[6:22], 16) for batch in batches for line in batch.lines]


def take_all(outbox: Outbox) -> list[int]:
    """Take and deliver all that waits."""
    taken: list[int] = []
    while batches := outbox.take(1_000):
        outbox.delivered(batches)
        taken += nonces(batches)
    return taken


def is_balanced(outbox: Outbox) -> bool:
    """Whether no event is unaccounted for."""
    accepted, delivered, pending, dropped = outbox.status()
    return accepted == delivered + pending + sum(dropped.values()) and min(delivered, pending, *dropped.values()) >= 0


def files(folder: Path, suffix: str = "") -> list[str]:
    """What an outbox on disk has there."""
    return sorted(name for name in os.listdir(folder / "events") if name.endswith(suffix))


def bytes_on_disk(folder: Path) -> int:
    """How much of it."""
    return sum((folder / "events" / name).stat().st_size for name in files(folder))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
