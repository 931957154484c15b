"""A forked child and the files in which its parent's events wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openfeature_kameleoon.tracking.disk import DiskOutbox
from openfeature_kameleoon.tracking.outbox import OutboxStatus
from tests.outboxes import NOTHING, disk_outbox, files, nonces, report, take_all, warnings

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    # From 3.12 on Python warns of forking beside threads, which is what is tested.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

CHILD_SECONDS = 10
FORKS = 40
IN_MEMORY = 77

OWNER = """
import os, sys
from pathlib import Path
from tests.outboxes import disk_outbox, report
outbox = disk_outbox(Path(sys.argv[1]))
outbox.put(report("parent", 1, 2, 3))
if os.fork():
    os._exit(0)
sys.stdin.readline()
outbox.put(report("child", 4))
"""
"""The parent dies at once; its child lives on until it is told, and ends as programs do."""

HEIR = """
import os, signal, sys
from pathlib import Path
from tests.outboxes import disk_outbox
outbox = disk_outbox(Path(sys.argv[1]))
outbox.delivered(outbox.take(1))
print(outbox.status().pending, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made"


@pytest.fixture
def outbox(folder: Path) -> Iterator[DiskOutbox]:
    made = disk_outbox(folder)

    yield made

    made.close()


def in_child(work: Callable[[], object]) -> int:
    """What a forked child ends with: 0 when ``work`` answers true; one that hangs is ended by an alarm."""
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_waits_is_the_parents_and_the_child_has_a_file_of_its_own(outbox: DiskOutbox, folder: Path) -> None:
    outbox.put(report("parent", 1))
    parents = files(folder, ".db")

    def work() -> bool:
        assert outbox.status() == OutboxStatus(0, 0, 0, NOTHING)
        assert not outbox.has("parent")
        assert outbox.take(10) == []
        outbox.put(report("child", 2))
        assert len(files(folder, ".db")) == 2
        assert nonces(outbox.take(10)) == [2]
        outbox.close()
        return len(files(folder, ".db")) == 2

    assert in_child(work) == 0

    assert outbox.status() == OutboxStatus(1, 0, 1, NOTHING)
    assert parents[0] in files(folder, ".db")
    assert sorted(take_all(outbox)) == [1, 2]  # the child has left its own


def test_a_child_that_reports_nothing_makes_no_file(outbox: DiskOutbox, folder: Path) -> None:
    outbox.put(report("parent", 1))
    before = files(folder)

    assert in_child(lambda: outbox.take(1) == [] and files(folder) == before) == 0


def test_a_parent_that_reports_nothing_has_no_file_for_its_children_to_inherit(
    outbox: DiskOutbox, folder: Path
) -> None:
    def work() -> bool:
        outbox.put(report("child", 1))
        return take_all(outbox) == [1]

    assert in_child(work) == 0
    assert in_child(work) == 0


def test_the_parents_lock_outlives_its_children(outbox: DiskOutbox, folder: Path) -> None:
    outbox.put(report("parent", 1))
    assert in_child(lambda: True) == 0
    other = disk_outbox(folder)

    assert other.take(10) == []


def test_a_child_never_adopts_what_its_parent_had_open(outbox: DiskOutbox, folder: Path) -> None:
    outbox.put(report("parent", 1))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            os.read(reader, 1)
            found = [*outbox.take(10), *disk_outbox(folder).take(10)]
            os._exit(len(found) + in_child(lambda: disk_outbox(folder).take(10) == []))
        finally:
            os._exit(99)

    outbox.close()
    os.write(writer, b"x")
    os.close(reader)
    os.close(writer)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    heir = disk_outbox(folder)
    assert take_all(heir) == [1]
    heir.close()


def test_a_child_that_ends_leaves_the_log_of_whoever_owned_its_parents_file_by_then(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    owner.wait(CHILD_SECONDS)
    heir = subprocess.run([sys.executable, "-c", HEIR, str(folder)], stdout=subprocess.PIPE, text=True, check=False)
    logs = files(folder, "-wal")

    owner.communicate("go on\n", timeout=CHILD_SECONDS)  # until the child has ended, too

    assert heir.stdout.strip() == "2"
    assert len(logs) == 1
    assert logs[0] in files(folder, "-wal")
    last = disk_outbox(folder)
    assert sorted(take_all(last)) == [2, 3, 4]
    last.close()


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_child_of_a_thread_in_the_middle_of_a_write_uses_no_disk_rather_than_hang(
    is_busy: bool, outbox: DiskOutbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.put(report("parent", 1))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with outbox._lock:
            held.set()
            done.wait(CHILD_SECONDS if is_busy else 0.01)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(CHILD_SECONDS)

    def work() -> bool:
        outbox.put(report("child", 2))
        outbox.put(report("child", 3))
        assert outbox._memory.status().pending == (2 if is_busy else 0)
        assert len(warnings(caplog)) == is_busy
        return take_all(outbox) == [2, 3]

    ended = in_child(work)
    done.set()
    thread.join()

    assert ended == 0
    assert take_all(outbox) == [1]


@pytest.mark.parametrize("forks", [FORKS, pytest.param(1_000, marks=pytest.mark.soak)])
def test_children_forked_under_load_neither_hang_nor_lose_nor_repeat_an_event(
    forks: int, outbox: DiskOutbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()
    counts = [0, 0]
    taken: list[int] = []

    def put(which: int) -> None:
        while not done.wait(0.0002):
            outbox.put(report(f"visitor-{counts[which] % 50}", (which << 40) + counts[which]))
            counts[which] += 1

    def take() -> None:
        while not done.wait(0.0005):
            batches = outbox.take(100)
            outbox.delivered(batches)
            taken.extend(nonces(batches))

    threads = [threading.Thread(target=put, args=(which,)) for which in range(2)] + [threading.Thread(target=take)]
    for thread in threads:
        thread.start()

    ends = []
    for number in range(forks):

        def work(nonce: int = (9 << 40) + number) -> bool:
            outbox.put(report("child", nonce))
            if outbox.status() != OutboxStatus(1, 0, 1, NOTHING):
                return False
            if warnings(caplog):  # the fork waited in vain for a slow disk: the child has its events in memory
                os._exit(IN_MEMORY)
            return True

        ends.append(in_child(work))
    done.set()
    for thread in threads:
        thread.join()

    taken += take_all(outbox)
    outbox.close()
    heir = disk_outbox(folder)
    taken += take_all(heir)
    heir.close()
    put_in = [(which << 40) + number for which, count in enumerate(counts) for number in range(count)]
    assert set(ends) <= {0, IN_MEMORY}
    assert ends.count(IN_MEMORY) <= forks // 100
    assert sorted(taken) == put_in + [(9 << 40) + number for number, end in enumerate(ends) if end == 0]
