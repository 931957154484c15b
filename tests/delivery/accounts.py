"""What tests of delivery begin and end with: a client whose events carry a number each, and what became of them all."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.tracking.outbox import Outbox, OutboxStatus
from tests.chaos import wait_until
from tests.faces import EXPERIMENT, flag, rule, site
from tests.kameleoon import FakeKameleoon

__all__ = ["BUSY_SECONDS", "GOAL", "SITE", "Watch", "client_of", "deliver", "exposed", "numbers", "track", "watched"]

GOAL = 5
SITE = site(flag("on", rule(1, ("on", 1), kind=EXPERIMENT)))

BUSY_SECONDS = 0.5
"""What a busy machine may add to a time that the suite asserts; the soak form allows none of it."""

_revenue = re.compile(r"&revenue=(\d+)&").search
_exposure = re.compile(r"eventType=experiment&.*visitorCode=([^&]*)").search


@contextmanager
def client_of(server: FakeKameleoon, **settings: Any) -> Iterator[KameleoonClient]:
    """A client of this server that has its data file, and is closed in the end."""
    configuration = KameleoonClientConfiguration(**settings)
    with KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints) as client:
        assert client.wait_init(10_000)
        yield client


def track(client: KameleoonClient, events: Iterable[int], *, visitors: int = 50) -> None:
    """Report an event for each number, and once that each visitor was exposed."""
    for number in events:
        code = f"visitor-{number % visitors}"
        client.get_variation(code, "on")
        client.track_conversion(code, GOAL, number)


def numbers(lines: Iterable[str]) -> list[int]:
    """The numbers of the events of ``track``, each as often as it came."""
    return [int(found[1]) for line in lines if (found := _revenue(line)) is not None]


def exposed(lines: Iterable[str]) -> list[str]:
    """The visitors of whom an exposure came."""
    return [found[1] for line in lines if (found := _exposure(line)) is not None]


def deliver(directory: Path, server: FakeKameleoon, data_file: Path) -> None:
    """What a later process does with the events that wait in a directory."""
    data_file.write_text(json.dumps(SITE))
    with client_of(server, tracking_directory=directory, data_file=data_file, send_events=True) as client:
        wait_until(lambda: client.flush(timeout=0.2) and not list(directory.rglob("*.db")), 10)


class Watch:
    """What was seen of an outbox, at as many moments as there was time for."""

    def __init__(self) -> None:
        self.moments = 0
        self.most_pending = 0
        self.unbalanced: list[OutboxStatus] = []

    def look(self, outbox: Outbox) -> None:
        status = outbox.status()
        self.moments += 1
        self.most_pending = max(self.most_pending, status.pending)
        if status.accepted != status.delivered + status.pending + sum(status.dropped.values()):
            self.unbalanced.append(status)


@contextmanager
def watched(outbox: Outbox) -> Iterator[Watch]:
    """Look from another thread all the time; fail in the end if ever an event was unaccounted for."""
    watch, ending = Watch(), threading.Event()

    def look() -> None:
        while not ending.wait(0.0005):
            watch.look(outbox)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        ending.set()
        thread.join()
    assert watch.unbalanced == []
    assert watch.moments >= 20
