"""Forks in the middle of everything: no child hangs, and nothing is told twice or not at all (R13)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openfeature_kameleoon import CustomData, KameleoonClient
from tests.kameleoon import FakeKameleoon
from tests.process.children import FORKS, forked, outcome_of
from tests.process.reporting import Open, both_of, told, use

pytestmark = FORKS

AT_ONCE = 4
EVERY_SECONDS = 0.0005


@contextmanager
def load(client: KameleoonClient, threads: int = 3) -> Iterator[list[str]]:
    """Threads that evaluate, track and add data all the time; whom for, once they have ended."""
    visitors: list[str] = []
    ending = threading.Event()

    def work(name: int) -> None:
        number = 0
        while not ending.wait(EVERY_SECONDS):
            visitor = f"load {name}-{number}"
            visitors.append(visitor)
            use(client, visitor)
            client.add_data(visitor, CustomData("note", "x" * 100))
            number += 1

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield visitors
    finally:
        ending.set()
        for worker in workers:
            worker.join()


def fork_from_a_thread(client: KameleoonClient, forks: int) -> list[str]:
    """Fork so many children one after the other, a few of them alive at a time; the codes of those that failed."""
    failed: list[str] = []

    def report_as(child: str) -> None:
        use(client, child)
        client.add_data(child, CustomData("note", "x" * 100))
        client.close()

    def fork_all() -> None:
        alive: list[tuple[str, int]] = []
        for number in range(forks):
            code = f"child {number}"
            alive.append((code, forked(lambda code=code: report_as(code))))  # type: ignore[misc]
            if len(alive) == AT_ONCE:
                reap(*alive.pop(0))
        for code, child in alive:
            reap(code, child)

    def reap(code: str, child: int) -> None:
        if outcome_of(child) != 0:
            failed.append(code)

    forker = threading.Thread(target=fork_all)
    forker.start()
    forker.join()
    return failed


@pytest.mark.parametrize(
    ("forks", "is_durable"),
    [
        pytest.param(100, False, id="in memory"),
        pytest.param(40, True, id="on disk"),
        pytest.param(1000, False, id="1000, in memory", marks=pytest.mark.soak),
        pytest.param(1000, True, id="1000, on disk", marks=pytest.mark.soak),
    ],
)
def test_r13_no_child_of_a_busy_process_hangs_and_all_is_told_once(
    server: FakeKameleoon, open_client: Open, tmp_path: Path, forks: int, is_durable: bool
) -> None:
    client = open_client(
        tracking_directory=tmp_path if is_durable else None,
        tracking_interval_millisecond=1000,
        real_time_update=True,
        tracking_queue_size=10_000_000,
    )

    with load(client) as visitors:
        failed = fork_from_a_thread(client, forks)
    client.close()

    assert failed == []
    expected = both_of([*visitors, *(f"child {number}" for number in range(forks))])
    assert {who: count for who, count in told(server).items() if who[1] != "customData"} == expected
    assert set(server.nonces().values()) == {1}
