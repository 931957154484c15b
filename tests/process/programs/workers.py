"""A program whose work is done by processes of multiprocessing: ``workers.py <start method> <whose client> <URL>``.

No worker closes its client, as few programs do.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints

GOAL = 5
WORKERS = 3

METHOD, WHOSE, URL = sys.argv[1:]


def opened() -> KameleoonClient:
    """A client of the server, which sends at its end or after a long while."""
    client = KameleoonClient(
        "site",
        configuration_object=KameleoonClientConfiguration(
            tracking_interval_millisecond=5000, shutdown_timeout_millisecond=20_000
        ),
        endpoints=Endpoints(configuration=URL, events=URL, data=URL, token=URL),
    )
    assert client.wait_init()
    return client


def use(client: KameleoonClient, visitor: str) -> None:
    """Two events."""
    assert client.is_feature_active(visitor, "on")
    client.track_conversion(visitor, GOAL)


def work(name: str) -> None:
    """What a worker does with a client of its own, or with the one it found."""
    use(CLIENT or opened(), name)


# The module is run anew by the start methods spawn and forkserver: a client of the module's is a worker's own there.
CLIENT = opened() if WHOSE == "module" else None


def main() -> None:
    context: Any = multiprocessing.get_context(METHOD)  # the type of each method is another
    if CLIENT is not None:
        use(CLIENT, "parent")
    processes = [context.Process(target=work, args=(f"process {number}",)) for number in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        list(pool.map(work, [f"task {number}" for number in range(WORKERS)]))
    sys.exit(sum(process.exitcode or 0 for process in processes))


if __name__ == "__main__":
    main()
