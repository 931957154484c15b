"""A program that says how long its calls take: run by tests in a process of its own, so that no server shares its time.

Its one argument is a JSON object: ``data``, the URL of the server; ``settings`` of the client; ``calls``, how many of
each kind; ``before``, how many events are reported first; ``is_alone``, whether to have a processor before all others,
where that is allowed. It writes microseconds, as a JSON object by call: the median, the 99th and 99.9th percentile and
the longest.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints

PAUSE_SECONDS = 0.0001
"""Between two calls: the threads that send have their turn."""


def have_a_processor_alone() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))


def measured(call: Callable[[int], object], calls: int) -> dict[str, float]:
    now, pause = time.perf_counter_ns, threading.Event()
    taken = []
    for number in range(calls):
        begun = now()
        call(number)
        taken.append((now() - begun) / 1000)
        pause.wait(PAUSE_SECONDS)
    taken.sort()
    return {name: taken[int(share * (calls - 1))] for name, share in SHARES.items()}


SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def main(data: str, settings: dict[str, object], calls: int, before: int, is_alone: bool) -> None:
    if is_alone:
        have_a_processor_alone()
    configuration = KameleoonClientConfiguration(**settings)  # type: ignore[arg-type]  # checked when they are taken
    endpoints = Endpoints(configuration=data, events=data, data=data, token=data)
    with KameleoonClient("site", configuration_object=configuration, endpoints=endpoints) as client:
        assert client.wait_init(10_000)
        for number in range(before):
            client.track_conversion("first", 5, number)
        os.environ["DISK_IS_WATCHED"] = "yes"  # see slow_disk.c
        figures = {
            "track": measured(lambda number: client.track_conversion(f"visitor-{number % 500}", 5, number), calls),
            "evaluate": measured(lambda number: client.get_variation(f"visitor-{number % 5_000}", "on"), calls),
        }
        del os.environ["DISK_IS_WATCHED"]
        status = client.outbox.status()
        assert (
            status.accepted
            == before + calls + min(calls, 5_000)
            == status.delivered + status.pending + sum(status.dropped.values())
        )
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
