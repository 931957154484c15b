"""A program that opens and closes clients, one after the other, and writes what it holds after each.

``cycles.py <URL> <how many> <folder>``. Every other one keeps its events and its data file on disk.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import weakref
from pathlib import Path

from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.datafile.freshness import StreamState
from openfeature_kameleoon.transport.urls import Endpoints

GOAL = "5"
PATIENCE_SECONDS = 10.0
COLLECT_EVERY = 10

URL, CYCLES, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def cycle(folder: str | None) -> list[weakref.ref[object]]:
    """One life of a client and its provider; what is left of them."""
    settings = KameleoonClientConfiguration(
        client_id="id",
        client_secret="the-secret",
        real_time_update=True,
        cache_directory=folder,
        tracking_directory=folder,
    )
    client = KameleoonClient(
        "site",
        configuration_object=settings,
        endpoints=Endpoints(configuration=URL, events=URL, data=URL, token=URL),
        autostart=False,
    )
    provider = KameleoonProvider("site", client=client)
    provider.initialize(EvaluationContext())
    assert provider.resolve_boolean_details("on", False, EvaluationContext("somebody")).value
    provider.track(GOAL, EvaluationContext("somebody"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_streaming(client):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    provider.shutdown()
    client.close()
    assert client.status().events.delivered == 2
    return [weakref.ref(client), weakref.ref(provider)]


def is_streaming(client: KameleoonClient) -> bool:
    """Whether its stream is open."""
    stream = client.status().data_file.stream
    return stream is not None and stream.state is StreamState.OPEN


def held() -> dict[str, object]:
    """What the process holds now."""
    handles = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if is_open(name)}
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "threads": [thread.name for thread in threading.enumerate()],
        "handles": sorted(handles.values()),
        "resident": resident,
    }


def is_open(name: str) -> bool:
    """Not so the handle that lists the folder."""
    return os.path.lexists(f"/proc/self/fd/{name}")


before = held()
left: list[weakref.ref[object]] = []
cycles = []
for number in range(CYCLES):
    left += cycle(FOLDER if number % 2 else None)
    if number % COLLECT_EVERY == 0:
        gc.collect()
        left = [reference for reference in left if reference() is not None]
    cycles.append(held())
gc.collect()
alive = sum(reference() is not None for reference in left)
sys.stdout.write(json.dumps({"before": before, "cycles": cycles, "alive": alive}))
