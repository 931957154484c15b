"""R3: of events that an outbox on disk has accepted, none is missing after its process was killed at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import struct
import threading
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.outboxes import disk_outbox, files, is_balanced, nonces, report

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    # From 3.12 on Python warns of forking beside threads.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

CHILD_SECONDS = 30
MOST_TOLD = 6_000
"""A child is killed when it has told of a random number of events, up to this."""

ACCEPTED, DELIVERED = 1, 2
TOLD = struct.Struct("<BQ")


def work_until_killed(folder: Path, told: int, number: int) -> None:
    """Put in events and deliver some of them, on two threads; tell what was accepted, and what is being delivered."""
    signal.alarm(CHILD_SECONDS)
    outbox = disk_outbox(folder, max_bytes=8_000_000)  # small, so that its log is moved often, and begun anew

    def tell(what: int, some: list[int]) -> None:
        os.write(told, b"".join(TOLD.pack(what, nonce) for nonce in some))

    def deliver() -> None:
        while True:
            batches = outbox.take(50)
            tell(DELIVERED, nonces(batches[::2]))
            outbox.delivered(batches[::2])
            outbox.release(batches[1::2])

    threading.Thread(target=deliver, daemon=True).start()
    nonce = number << 32
    while True:
        some = [nonce + offset for offset in range(1 + nonce % 3)]
        outbox.put(report(f"visitor-{nonce % 40}", *some))
        assert not outbox._memory.status().accepted
        tell(ACCEPTED, some)
        nonce += len(some)


def killed(folder: Path, number: int, random: Random) -> tuple[set[int], set[int]]:
    """What a process said that it had accepted and was delivering, until it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            work_until_killed(folder, writer, number)
        finally:
            os._exit(1)
    os.close(writer)
    enough = random.randrange(MOST_TOLD) * TOLD.size
    told = bytearray()
    with open(reader, "rb", buffering=0) as pipe:
        while len(told) < enough and (piece := pipe.read(random.choice((1, 100, 65_536)))):
            told += piece
        os.kill(child, signal.SIGKILL)
        told += pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    said = list(TOLD.iter_unpack(told[: len(told) // TOLD.size * TOLD.size]))
    return {nonce for what, nonce in said if what == ACCEPTED}, {nonce for what, nonce in said if what == DELIVERED}


@pytest.mark.parametrize("kills", [50, pytest.param(500, marks=pytest.mark.soak)])
def test_r3_no_event_that_was_accepted_is_missing_after_its_process_was_killed(kills: int, tmp_path: Path) -> None:
    random = Random(kills)
    accepted_in_all = adopted_in_all = 0
    for number in range(1, kills + 1):
        accepted, delivered = killed(tmp_path, number, random)

        with closing(disk_outbox(tmp_path)) as heir:
            adopted: list[int] = []
            integrity = []
            while batches := heir.take(1_000_000):
                adopted += nonces(batches)
                for name in files(tmp_path, ".db"):
                    with closing(sqlite3.connect(tmp_path / "events" / name)) as looking:
                        integrity += looking.execute("PRAGMA integrity_check").fetchall()
                heir.delivered(batches)
            assert is_balanced(heir)

        assert accepted <= delivered | set(adopted), f"{len(accepted - delivered - set(adopted))} events are missing"
        assert len(adopted) == len(set(adopted))
        assert set(integrity) <= {("ok",)}
        assert not os.path.exists(tmp_path / "events") or files(tmp_path) == []
        accepted_in_all += len(accepted)
        adopted_in_all += len(adopted)
    assert adopted_in_all > kills * 100
    assert accepted_in_all > kills * 1_000
