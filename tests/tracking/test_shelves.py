"""The files of an outbox on disk: adopted, kept small, and begun anew."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from openfeature_kameleoon.tracking import shelves
from openfeature_kameleoon.tracking.disk import DiskOutbox
from openfeature_kameleoon.tracking.event_file import EventFile
from openfeature_kameleoon.tracking.outbox import MemoryOutbox, OutboxStatus
from openfeature_kameleoon.tracking.spool import Spool
from tests.clock import FakeClock
from tests.outboxes import NOTHING, SITE, Make, bytes_on_disk, files, nonces, report, take_all, warnings
from tests.sqlite_faults import LOCKED, Faults, failing_statements


def test_what_is_adopted_comes_before_what_is_new(make: Make) -> None:
    first, second = make(), make()
    for outbox, number in ((first, 1), (second, 2)):
        outbox.put(report("a", number))
    first.close()
    second.put(report("b", 3))

    assert nonces(second.take(10)) == [1, 2, 3]


def test_a_living_outbox_of_the_same_process_is_not_adopted(make: Make) -> None:
    make().put(report("a", 1))

    assert make().take(10) == []


def test_only_files_of_the_same_site_are_adopted(make: Make, folder: Path) -> None:
    other = DiskOutbox(folder, "other", memory=MemoryOutbox())
    other.put(report("a", 1))
    other.close()

    assert make().take(10) == []


@pytest.mark.parametrize("is_begun", [False, True])
def test_what_a_process_left_that_died_before_its_first_event_is_removed_without_a_word(
    is_begun: bool, make: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    claim = Spool(folder, SITE).create()
    if is_begun:
        EventFile(claim, is_new=True).close()
    claim.release()

    assert make().take(1) == []
    assert files(folder) == []
    assert warnings(caplog) == []


def test_a_file_of_which_only_the_log_is_left_is_kept_as_damaged(
    make: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    claim = Spool(folder, SITE).create()
    Path(f"{claim.database}-wal").write_bytes(b"something")
    claim.release()

    assert make().take(1) == []
    assert [name.partition(".")[2] for name in files(folder)] == ["corrupt", "corrupt-wal"]
    assert len(warnings(caplog)) == 1


def test_a_file_that_cannot_be_opened_now_is_adopted_later(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    owner, heir = make(clock), make(clock)
    owner.put(report("a", 1))
    owner.close()
    faults = Faults()
    failing_statements(monkeypatch, faults)
    faults.fail("PRAGMA", LOCKED)
    assert heir.take(1) == []

    faults.stop()
    clock.advance(shelves.ADOPT_SECONDS)

    assert nonces(heir.take(1)) == [1]
    (warning,) = warnings(caplog)
    assert f"{LOCKED}; its events are left for later" in warning


def test_orphans_are_looked_for_once_an_hour(make: Make) -> None:
    clock = FakeClock()
    heir, owner = make(clock), make(clock)
    heir.take(1)
    owner.put(report("a", 1))
    owner.close()

    assert heir.take(1) == []
    clock.advance(shelves.ADOPT_SECONDS)
    assert nonces(heir.take(1)) == [1]


def test_few_files_are_held_at_a_time_and_others_follow_as_soon_as_they_are_empty(make: Make, folder: Path) -> None:
    count = 3 * shelves.MOST_ADOPTED
    owners = [make() for _ in range(count)]
    for number, owner in enumerate(owners):
        owner.put(report("a", number))
    for owner in owners:
        owner.close()

    heir, other = make(), make()
    heir.take(1)
    other.take(1)

    assert heir.status().accepted == other.status().accepted == shelves.MOST_ADOPTED
    for outbox in (heir, other):
        outbox.close()
    last = make()
    assert sorted(take_all(last)) == list(range(count))
    assert files(folder) == []


def test_a_file_that_somebody_removed_is_emptied_and_another_is_begun(
    make: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", 1))
    outbox.take(1)
    for name in files(folder):
        (folder / "events" / name).unlink()
    outbox.put(report("a", 2))
    clock.advance(shelves.RETRY_SECONDS)

    assert nonces(outbox.take(1)) == [2]
    outbox.put(report("a", 3))

    assert len(files(folder, ".db")) == 1
    assert nonces(outbox.take(10)) == [3]
    (warning,) = warnings(caplog)
    assert "a file of waiting events was removed" in warning


def test_a_log_that_never_stands_still_goes_on_in_a_new_file(make: Make, folder: Path) -> None:
    outbox = make(max_bytes=2_000_000)
    number, most_files, done = 0, 0, threading.Event()

    def take() -> None:
        while not done.is_set():
            outbox.release(outbox.take(3))

    taking = threading.Thread(target=take)
    taking.start()
    while number < 1_000 or (most_files < 2 and number < 50_000):
        outbox.put(report("a", number))
        number += 1
        if number % 100 == 0:
            most_files = max(most_files, len(files(folder, ".db")))
    done.set()
    taking.join()

    assert most_files > 1
    assert outbox._memory.status().accepted == 0
    assert sorted(take_all(outbox)) == list(range(number))
    assert len(files(folder, ".db")) <= 1


def test_a_log_that_nobody_looks_after_is_looked_after_by_who_writes(make: Make, folder: Path) -> None:
    outbox = make(max_bytes=2_000_000)

    for number in range(3_000):
        outbox.put(report("a", number))

    assert bytes_on_disk(folder) < 2_500_000
    assert outbox.status() == OutboxStatus(3_000, 0, 3_000, NOTHING)


def test_who_writes_begins_a_new_file_rather_than_wait_for_the_disk(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shelves, "MOST_LOG_BYTES", 100_000)
    monkeypatch.setattr(shelves, "LONG_LOG_BYTES", 100_000)
    faults = Faults()
    failing_statements(monkeypatch, faults)
    outbox = make(max_bytes=4_000_000)

    faults.fail("PRAGMA wal_checkpoint", LOCKED)
    for number in range(300):
        outbox.put(report("a", number))

    assert warnings(caplog) == []
    assert len(files(folder, ".db")) > 2
    faults.stop()
    assert take_all(outbox) == list(range(300))


def test_a_file_that_was_long_and_is_empty_is_replaced_by_a_new_one(make: Make, folder: Path) -> None:
    outbox = make(max_bytes=1_000_000)
    for number in range(2_000):
        outbox.put(report("a", number))
    before = files(folder, ".db")

    taken = take_all(outbox)
    outbox.put(report("a", 2_000))

    assert len(taken) == 2_000
    assert files(folder, ".db") != before
    assert bytes_on_disk(folder) < 100_000
