"""R25: more events come than a slow server takes; what does not fit is dropped, and counted to the last."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient
from tests.delivery.accounts import GOAL, SITE, client_of, numbers, watched
from tests.kameleoon import FakeKameleoon

THREADS = 8
CAPACITY = 500
MOST_ON_DISK = 10_000
"""More than fit in a megabyte."""

SECONDS_FOR_EVENTS = 0.1
MOST_GROWTH = 64 << 20
"""Bytes: visitors may take 8 MB, and the fake server keeps all that it takes."""

WHERE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "in memory": lambda _: {},
    "on disk": lambda folder: {"tracking_directory": folder, "tracking_directory_maximum_size": 1},
}


def report_at_full_rate(client: KameleoonClient, seconds: float) -> int:
    """From all threads at once, each event with a number of its own; how many there were."""
    counts = [0] * THREADS
    end = time.monotonic() + seconds

    def report(thread: int) -> None:
        while time.monotonic() < end:
            number = counts[thread] * THREADS + thread
            client.track_conversion(f"visitor-{number % 50}", GOAL, number)
            counts[thread] += 1

    workers = [threading.Thread(target=report, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts)


def memory_in_use() -> int:
    """Bytes of memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def overload(folder: Path, where: str, seconds: float) -> None:
    settings = {"tracking_queue_size": CAPACITY, "visitor_data_maximum_size": 8, **WHERE[where](folder)}
    with FakeKameleoon(SITE) as server, client_of(server, **settings) as client:
        server.seconds_for_events = SECONDS_FOR_EVENTS
        with watched(client.outbox) as watch:
            before = memory_in_use()
            reported = report_at_full_rate(client, seconds)
            growth = memory_in_use() - before
        server.seconds_for_events = 0.0
        client.close()

        accepted, delivered, pending, dropped = client.outbox.status()
        assert (accepted, pending) == (reported, 0)
        assert delivered == len(server.lines) == len(set(numbers(server.lines)))
        assert dropped == {"queue_full": reported - delivered}
        assert dropped["queue_full"] > 0
        assert watch.most_pending <= CAPACITY + (MOST_ON_DISK if where == "on disk" else 0)
        assert growth <= MOST_GROWTH


@pytest.mark.parametrize("where", WHERE)
def test_r25_every_event_beyond_what_fits_is_counted(where: str, tmp_path: Path) -> None:
    overload(tmp_path, where, 1.0)


@pytest.mark.soak
@pytest.mark.parametrize("where", WHERE)
def test_r25_every_event_beyond_what_fits_is_counted_for_30_seconds(where: str, tmp_path: Path) -> None:
    overload(tmp_path, where, 30.0)
