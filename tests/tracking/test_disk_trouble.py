"""The outbox on disk when the disk fails, or a file is damaged: nothing is raised, and nothing unaccounted for."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from openfeature_kameleoon.tracking import shelves, spool
from openfeature_kameleoon.tracking.disk import DiskOutbox
from openfeature_kameleoon.tracking.event_file import Entry
from openfeature_kameleoon.tracking.events import Report
from openfeature_kameleoon.tracking.outbox import Batch, OutboxStatus
from openfeature_kameleoon.tracking.shelf import SLICE
from tests.clock import FakeClock
from tests.outboxes import (
    DAY,
    NOTHING,
    Make,
    bytes_on_disk,
    disk_outbox,
    files,
    is_balanced,
    nonces,
    report,
    take_all,
    warnings,
)
from tests.sqlite_faults import (
    BROKEN,
    FULL,
    LOCKED,
    MALFORMED,
    READ_ONLY,
    Countdown,
    Faults,
    failing_calls,
    failing_statements,
)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """What fails; nothing yet."""
    faults = Faults()
    failing_statements(monkeypatch, faults)
    return faults


@pytest.mark.parametrize("message", [FULL, BROKEN, READ_ONLY, LOCKED])
def test_while_the_disk_cannot_be_written_events_wait_in_memory_and_then_move_there_in_order(
    message: str, make: Make, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", 1))
    faults.fail("INSERT", message)
    for number in (2, 3):
        outbox.put(report("a", number))
    faults.stop()
    outbox.put(report("a", 4))
    assert outbox._memory.status().pending == 3

    clock.advance(shelves.RETRY_SECONDS)
    outbox.put(report("a", 5))

    assert outbox._memory.status() == OutboxStatus(0, 0, 0, NOTHING)
    assert outbox.status() == OutboxStatus(5, 0, 5, NOTHING)
    assert nonces(outbox.take(10)) == [1, 2, 3, 4, 5]
    (warning,) = warnings(caplog)
    assert message in warning
    assert "events wait in memory" in warning


def test_taking_moves_what_waits_in_memory_to_a_disk_that_works_again(make: Make, faults: Faults) -> None:
    clock = FakeClock()
    outbox = make(clock)
    faults.fail("INSERT", FULL)
    for number in range(3 * SLICE):
        outbox.put(report("a", number))
    faults.stop()
    clock.advance(shelves.RETRY_SECONDS)

    assert nonces(outbox.take(10)) == list(range(10))
    assert outbox._memory.status().pending == 0
    assert outbox.status().pending == 3 * SLICE


def test_what_comes_while_the_memory_is_moved_comes_behind_it(make: Make, faults: Faults) -> None:
    clock = FakeClock()
    outbox = make(clock)
    faults.fail("INSERT", FULL)
    waiting = 2 * SLICE + 10
    for number in range(waiting):
        outbox.put(report("a", number))
    faults.stop()
    clock.advance(shelves.RETRY_SECONDS)

    for number in range(waiting, waiting + 10):
        outbox.put(report("a", number))

    assert outbox._memory.status().pending == 0
    assert take_all(outbox) == list(range(waiting + 10))


def test_a_signal_handler_may_put_in_what_it_likes_at_any_moment_while_the_memory_is_moved(
    fast: Path, faults: Faults
) -> None:
    moving = (DiskOutbox._move_memory.__code__, DiskOutbox._is_memory_moved.__code__)
    for moment in count(1):
        clock = FakeClock()
        outbox = disk_outbox(fast / str(moment), clock)
        faults.fail("INSERT", FULL)
        for number in range(5):
            outbox.put(report("a", number))
        faults.stop()
        clock.advance(shelves.RETRY_SECONDS)

        was_interrupted = put_interrupted(outbox, report("a", 5), moving, moment, report("a", 6))

        assert is_balanced(outbox)
        assert sorted(take_all(outbox)) == list(range(6 + was_interrupted)), moment
        outbox.close()
        if not was_interrupted:
            break
    assert moment > 8


def put_interrupted(outbox: DiskOutbox, put_in: Report, where: tuple[CodeType, ...], moment: int, by: Report) -> bool:
    """Put a report in, and before the n-th line of some functions another; whether it came to that."""
    lines = 0

    def interrupt(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal lines
        if what == "line" and frame.f_code in where:
            lines += 1
            if lines == moment:
                sys.settrace(None)
                outbox.put(by)
                return None
        return interrupt

    def put() -> None:
        sys.settrace(interrupt)
        outbox.put(put_in)
        sys.settrace(None)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for itself"
    return lines >= moment


def test_what_waits_in_memory_is_sent_after_what_is_on_the_full_disk(make: Make, faults: Faults) -> None:
    outbox = make(FakeClock())
    outbox.put(report("a", 1))
    faults.fail("INSERT", FULL)
    outbox.put(report("b", 2))
    outbox.put(report("a", 3))

    batches = outbox.take(10)

    assert nonces(batches) == [1, 2, 3]
    outbox.delivered(batches[:1])
    outbox.drop(batches[1:2], "rejected")
    outbox.release(batches[2:])
    assert outbox.status() == OutboxStatus(3, 1, 1, {"queue_full": 0, "rejected": 1})
    assert take_all(outbox) == [3]


def test_memory_is_bounded_and_its_drops_are_counted(make: Make, faults: Faults) -> None:
    outbox = make(FakeClock(), memory=3)
    outbox.put(report("a", 1))
    faults.fail("INSERT", FULL)

    for number in range(2, 10):
        outbox.put(report(f"visitor-{number}", number))

    assert outbox.status() == OutboxStatus(9, 0, 4, {"queue_full": 5})
    assert nonces(outbox.take(10)) == [1, 7, 8, 9]


def test_a_disk_that_stays_broken_is_one_warning_and_one_that_breaks_again_another(
    make: Make, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="openfeature_kameleoon")
    clock = FakeClock()
    outbox = make(clock)
    for _ in range(2):
        faults.fail("INSERT", BROKEN)
        for _ in range(5):
            outbox.put(report("a", 1))
            clock.advance(shelves.RETRY_SECONDS)
        faults.stop()
        outbox.put(report("a", 2))
        clock.advance(shelves.RETRY_SECONDS)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2


def test_a_disk_that_is_full_for_others_too_neither_deletes_nor_warns_again(
    make: Make, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make(FakeClock())
    outbox.put(report("a", 1))
    faults.fail("", FULL)
    outbox.put(report("b", 2))
    faults.fail("DELETE", FULL)

    taken = outbox.take(10)
    outbox.delivered(taken)

    assert nonces(taken) == [1, 2]
    assert outbox.status() == OutboxStatus(2, 2, 0, NOTHING)
    assert len(warnings(caplog)) == 1


def test_nothing_is_taken_from_a_file_until_what_was_delivered_is_deleted(
    make: Make, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make(FakeClock())
    for number in range(3):
        outbox.put(report(f"visitor-{number}", number))
    faults.fail("DELETE", BROKEN)
    outbox.delivered(outbox.take(1))

    assert outbox.take(10) == []
    assert outbox.status() == OutboxStatus(3, 1, 2, NOTHING)

    outbox.put(report("new", 3))
    faults.stop()
    assert take_all(outbox) == [1, 2, 3]
    (warning,) = warnings(caplog)
    assert "delivered events cannot be deleted" in warning


def test_an_event_that_was_delivered_and_not_deleted_is_sent_again_by_the_next_process(
    make: Make, faults: Faults
) -> None:
    outbox = make(FakeClock())
    outbox.put(report("a", 1, 2))
    faults.fail("DELETE", BROKEN)
    outbox.delivered(outbox.take(1))
    outbox.close()
    faults.stop()

    assert nonces(make().take(10)) == [1, 2]


def test_a_file_that_cannot_be_read_is_left_for_later(
    make: Make, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make(FakeClock())
    outbox.put(report("a", 1))
    faults.fail("SELECT", BROKEN)

    assert outbox.take(10) == []
    outbox.expire(0.0)
    assert outbox.status() == OutboxStatus(1, 0, 1, NOTHING)

    faults.stop()
    assert nonces(outbox.take(10)) == [1]
    assert len(warnings(caplog)) == 1


def test_a_full_spool_keeps_its_events_and_takes_more_when_there_is_room(make: Make, folder: Path) -> None:
    clock = FakeClock()
    outbox = make(clock, max_bytes=100_000, memory=10)
    number = 0
    while not outbox._memory.status().pending:
        outbox.put(report(f"visitor-{number}", number))
        number += 1
    assert bytes_on_disk(folder) < 200_000
    on_disk = number - 1
    assert on_disk > 200

    clock.advance(shelves.RETRY_SECONDS)
    outbox.put(report("late", number))
    assert outbox._memory.status().pending == 2

    clock.advance(shelves.RETRY_SECONDS)
    assert take_all(outbox) == list(range(number + 1))
    outbox.put(report("later", number + 1))
    assert take_all(outbox) == [number + 1]
    assert outbox.status() == OutboxStatus(number + 2, number + 2, 0, NOTHING)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o500)
    outbox = disk_outbox(tmp_path, FakeClock())

    outbox.put(report("a", 1))
    outbox.put(report("a", 2))

    tmp_path.chmod(0o700)
    assert take_all(outbox) == [1, 2]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.write_text("in the way"),
        lambda folder: (folder / "events").mkdir(parents=True) or (folder / "events").chmod(0o777),
        lambda folder: folder.symlink_to("/nowhere/at/all"),
    ],
    ids=["a file", "open to all", "a dangling link"],
)
def test_a_folder_that_cannot_be_used_is_one_warning_until_it_can(
    spoil: Callable[[Path], object], make: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir()
    spoil(folder)
    clock = FakeClock()
    outbox = make(clock)
    for number in (1, 2):
        outbox.put(report("a", number))
    clock.advance(shelves.RETRY_SECONDS)
    outbox.put(report("a", 3))
    assert len(warnings(caplog)) == 1

    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink()
    clock.advance(shelves.RETRY_SECONDS)
    outbox.put(report("a", 4))

    assert outbox._memory.status().pending == 0
    assert take_all(outbox) == [1, 2, 3, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_file_system_that_writes_no_more_is_one_warning_and_costs_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    import resource

    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("first", 0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        for number in range(1, 200):
            outbox.put(report("a", number))
        in_memory = outbox._memory.status().pending
        taken = outbox.take(50)
        outbox.delivered(taken)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    clock.advance(shelves.RETRY_SECONDS)

    assert 50 < in_memory < 150
    assert nonces(taken) + take_all(outbox) == list(range(200))
    assert outbox.status() == OutboxStatus(200, 200, 0, NOTHING)
    assert len(warnings(caplog)) == 1


def test_events_do_not_wait_on_a_network_file_system(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "network_file_system", lambda _: "nfs4")
    outbox = make(FakeClock())

    outbox.put(report("a", 1))
    outbox.put(report("a", 2))

    assert outbox._memory.status().pending == 2
    (warning,) = warnings(caplog)
    assert "network file system (nfs4)" in warning


# --- damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beginning", ["INSERT", "SELECT", "DELETE"])
def test_a_damaged_file_is_set_aside_with_one_warning_and_its_events_are_counted(
    beginning: str,
    make: Make,
    folder: Path,
    faults: Faults,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("somebody", 1, 2, 3))
    faults.fail(beginning, MALFORMED)
    outbox.put(report("a", 4))
    taken = outbox.take(1)
    outbox.delivered(taken)
    faults.stop()
    clock.advance(shelves.RETRY_SECONDS)
    outbox.put(report("b", 5))

    assert is_balanced(outbox)
    assert not outbox.has("somebody")
    lost = outbox.status().dropped["disk_corrupt"]
    assert sorted(nonces(taken) + take_all(outbox))[-1] == 5
    assert outbox.status().delivered + lost == 5
    assert len(files(folder, ".corrupt")) == 1
    (warning,) = warnings(caplog)
    assert f"{lost} waiting events are lost: their file is damaged" in warning
    assert "somebody" not in warning
    assert make().take(10) == []


def test_damage_that_is_found_while_another_thread_takes_is_its_to_settle(
    make: Make, folder: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make(FakeClock())
    outbox.put(report("a", 1))
    faults.fail("INSERT", MALFORMED)
    with outbox._taking:
        thread = threading.Thread(target=outbox.put, args=(report("b", 2),))
        thread.start()
        thread.join()
    assert outbox.status() == OutboxStatus(2, 0, 2, NOTHING)

    assert nonces(outbox.take(10)) == [2]
    assert outbox.status() == OutboxStatus(2, 0, 1, {"queue_full": 0, "disk_corrupt": 1})
    assert len(files(folder, ".corrupt")) == len(warnings(caplog)) == 1


def test_rows_that_were_altered_are_dropped_and_the_others_delivered(
    make: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make()
    outbox.put(report("a", *range(10)))
    (name,) = files(folder, ".db")
    with sqlite3.connect(folder / "events" / name) as intruder:
        intruder.execute("UPDATE events SET line = line || '&injected' WHERE id % 2")
        intruder.execute("UPDATE events SET visitor = x'FF00' WHERE id = 2")
        intruder.execute("UPDATE events SET rank = 'x', checksum = NULL WHERE id = 4")
    intruder.close()

    assert nonces(outbox.take(10)) == [5, 7, 9]
    assert outbox.status() == OutboxStatus(10, 0, 3, {"queue_full": 0, "disk_corrupt": 7})
    assert warnings(caplog) == ["7 waiting events are damaged and dropped; check the disk"]


def test_rows_that_vanished_are_counted_as_lost(make: Make, folder: Path) -> None:
    outbox = make()
    outbox.put(report("a", *range(10)))
    taken = outbox.take(2)
    (name,) = files(folder, ".db")
    with sqlite3.connect(folder / "events" / name) as intruder:
        intruder.execute("DELETE FROM events WHERE id > 2")
    intruder.close()
    outbox.delivered(taken)

    assert outbox.take(10) == []
    assert outbox.status() == OutboxStatus(10, 2, 0, {"queue_full": 0, "disk_corrupt": 8})


def test_a_row_that_nobody_has_counted_is_delivered_and_counted(make: Make, folder: Path) -> None:
    outbox = make()
    outbox.put(report("a", 1))
    shelf = outbox._shelves.all()[0]
    shelf.file.write([100], [Entry("b", row.line, None, 0.0) for row in shelf.file.read(0, 1)[0]])

    assert nonces(outbox.take(10)) == [1, 1]
    assert outbox.status() == OutboxStatus(2, 0, 2, NOTHING)


# --- any call fails -----------------------------------------------------------------------------------------


def story(folder: Path, countdown: Countdown) -> tuple[set[int], list[DiskOutbox]]:
    """What was delivered of events 0 to 8, and the outboxes that took part; the fault is over before the end."""
    clock = FakeClock()
    first, second = disk_outbox(folder, clock), disk_outbox(folder, clock)
    delivered: list[int] = []

    def deliver(outbox: DiskOutbox, batches: list[Batch]) -> None:
        outbox.delivered(batches)
        delivered.extend(nonces(batches))
        assert is_balanced(outbox)

    first.put(report("a", 0, 1, 2))
    first.put(report("b", 3))
    deliver(first, first.take(2))
    first.release(first.take(1))
    first.expire(DAY)
    first.put(report("c", 4))
    clock.advance(shelves.RETRY_SECONDS)
    first.put(report("c", 5))
    countdown.is_over = True
    clock.advance(shelves.RETRY_SECONDS)
    deliver(first, first.take(1))  # and so what waits in memory is on disk before the end
    countdown.is_over = False
    first.close()
    assert is_balanced(first)
    second.put(report("d", 6, 7))
    deliver(second, second.take(3))
    second.put(report("d", 8))
    countdown.is_over = True
    clock.advance(shelves.ADOPT_SECONDS)
    while batches := second.take(100):
        deliver(second, batches)
    second.close()
    return set(delivered), [first, second]


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("message", [FULL, MALFORMED])
def test_whichever_statement_fails_nothing_is_raised_and_no_event_unaccounted_for(
    message: str, lasting: bool, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in count(1):
        countdown = Countdown(number, lasting=lasting, message=message)
        failing_statements(monkeypatch, countdown)
        folder = fast / str(number)

        delivered, outboxes = story(folder, countdown)

        lost = sum(outbox.status().dropped.get("disk_corrupt", 0) for outbox in outboxes)
        if message == MALFORMED:
            assert len(delivered) + lost >= 9 or files(folder, ".corrupt"), number
        else:
            assert (delivered, lost, files(folder)) == (set(range(9)), 0, []), number
        if not countdown.has_begun:
            break
    assert number > 40


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ["ENOSPC", "EACCES"])
def test_whichever_system_call_fails_nothing_is_raised_and_no_event_lost(error: str, lasting: bool, fast: Path) -> None:
    for number in count(1):
        countdown = Countdown(number, lasting=lasting)

        with failing_calls(countdown, getattr(errno, error)):
            delivered, outboxes = story(fast / str(number), countdown)

        assert delivered == set(range(9)), number
        assert all(outbox.status().dropped == NOTHING for outbox in outboxes)
        if not countdown.has_begun:
            break
    assert number > 40
