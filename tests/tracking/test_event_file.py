"""One file of waiting events: what a damaged one gives away, and what it never does."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from openfeature_kameleoon.tracking.event_file import MOST_AT_ONCE, Entry, EventFile, Summary, is_damage, plain_reason
from openfeature_kameleoon.tracking.events import Line
from openfeature_kameleoon.tracking.spool import Spool
from tests.outboxes import SITE, disk_outbox, is_balanced, report
from tests.sqlite_faults import BROKEN, FULL, LOCKED, MALFORMED, READ_ONLY

EVENTS = 60
PLACES, MANY_PLACES = 150, 5_000
"""How many places are damaged, in the short form and in the long one."""


@pytest.fixture
def file(folder: Path) -> Iterator[EventFile]:
    made = EventFile(Spool(folder, SITE).create(), is_new=True)

    yield made

    made.close()
    made.claim.release()


def entries(count: int) -> list[Entry]:
    return [Entry(f"visitor-{number}", Line(number % 11, f"nonce={number}"), None, 5.0) for number in range(count)]


@pytest.mark.parametrize("count", [1, MOST_AT_ONCE, MOST_AT_ONCE + 1, 5 * MOST_AT_ONCE])
def test_events_are_written_all_at_once_and_read_in_their_order(count: int, file: EventFile) -> None:
    file.write(range(1, count + 1), entries(count))

    rows, damaged = file.read(0, 1_000)

    assert [Entry(row.visitor_code, row.line, row.user_agent, 5.0) for row in rows] == entries(count)
    assert [row.id for row in rows] == list(range(1, count + 1))
    assert damaged == []
    assert file.summary() == Summary(count, 5.0)


@pytest.mark.parametrize("count", [3, 3 * MOST_AT_ONCE])
def test_of_events_that_cannot_all_be_written_none_is(count: int, file: EventFile) -> None:
    file.write([count], entries(1))

    with pytest.raises(sqlite3.IntegrityError):
        file.write(range(1, count + 1), entries(count))
    file.write([count + 1], entries(1))

    assert [row.id for row in file.read(0, 1_000)[0]] == [count, count + 1]


def test_nothing_of_an_event_is_kept_once_it_is_deleted_but_what_is_dead(file: EventFile) -> None:
    file.write([1, 2, 3], entries(3))
    file.bury([2], "rejected")

    assert file.delete([1, 2, 7]) == 2

    assert [row.id for row in file.read(0, 10)[0]] == [3]
    assert not file.is_empty()
    assert file.delete([3]) == 1
    assert file.is_empty()


def test_a_database_grows_to_its_limit(file: EventFile) -> None:
    file.limit(20_000)

    def fill() -> None:
        for number in range(1_000):
            file.write([number], [Entry("a", Line(0, "x" * 500), None, 5.0)])

    with pytest.raises(sqlite3.OperationalError, match=FULL):
        fill()

    file.limit(40_000)
    file.write([1_001], [Entry("a", Line(0, "x" * 500), None, 5.0)])


def test_a_moved_log_begins_anew(file: EventFile) -> None:
    path = f"{file.claim.database}-wal"
    for number in range(100):
        file.write([number], entries(1))
    length = os.stat(path).st_size

    pages, moved = file.checkpoint()
    for number in range(100, 150):
        file.write([number], entries(1))

    assert pages == moved > 0
    assert os.stat(path).st_size == length


@pytest.mark.parametrize(
    ("error", "damaged", "told"),
    [
        (sqlite3.OperationalError(FULL), False, FULL),
        (sqlite3.OperationalError(BROKEN), False, BROKEN),
        (sqlite3.OperationalError(READ_ONLY), False, READ_ONLY),
        (sqlite3.OperationalError(LOCKED), False, LOCKED),
        (sqlite3.OperationalError("unable to open database file: x"), False, "unable to open database file"),
        (sqlite3.DatabaseError(MALFORMED), True, "it is damaged"),
        (sqlite3.DatabaseError("file is not a database"), True, "it is damaged"),
        (sqlite3.OperationalError("no such table: somebody's data"), True, "it is damaged"),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), True, "it is damaged"),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), False, "ProgrammingError"),
        (OSError(28, "No space left on device"), False, "No space left on device"),
        (OSError(), False, "OSError"),
        (MemoryError(), False, "MemoryError"),
    ],
)
def test_what_is_the_disks_trouble_and_what_the_files(error: Exception, damaged: bool, told: str) -> None:
    assert is_damage(error) is damaged
    assert plain_reason(error) == told


# --- damage -------------------------------------------------------------------------------------------------


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def cut(content: bytes, place: int) -> bytes:
    return content[:place]


def zeroed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes(min(512, len(content) - place)) + content[place + 512 :]


@pytest.fixture
def left(fast: Path) -> tuple[Path, list[str]]:
    """What a process left that was killed: its database, part of the events in it, and its log; and their lines."""
    outbox = disk_outbox(fast)
    for number in range(EVENTS):
        outbox.put(report(f"visitor-{number}", number))
        if number == EVENTS * 3 // 4:
            outbox._shelves.all()[0].file.checkpoint()
    lines = [line for batch in outbox.take(EVENTS) for line in batch.lines]
    copy = fast / "copy"
    shutil.copytree(fast / "events", copy)
    outbox.close()
    shutil.rmtree(fast / "events")
    return copy, lines


def survive(damage: Callable[[bytes, int], bytes], suffix: str, left: tuple[Path, list[str]], count: int) -> None:
    """Adopt what is damaged in one place, over and over: nothing is raised, nothing delivered that was not put in."""
    copy, lines = left
    (name,) = (name for name in os.listdir(copy) if name.endswith(suffix))
    good = (copy / name).read_bytes()
    whole = 0
    places = Random(count).sample(range(len(good)), min(count, len(good)))
    for place in places:
        folder = copy.parent / "events"
        shutil.copytree(copy, folder)
        (folder / name).write_bytes(damage(good, place))
        with closing(disk_outbox(copy.parent)) as heir:
            taken: list[str] = []
            for _ in range(EVENTS):
                batches = heir.take(5)
                taken += [line for batch in batches for line in batch.lines]
                heir.delivered(batches)
                assert is_balanced(heir), place
            heir.put(report("new", 1_000))
            taken_then = [line for batch in heir.take(5) for line in batch.lines]

            assert set(taken) <= set(lines), place
            assert len(taken) == len(set(taken)), place
            assert len(taken_then) == 1, place
        whole += len(taken) == EVENTS
        shutil.rmtree(folder)
    assert 0 < whole < len(places)


DAMAGES = pytest.mark.parametrize("damage", [flipped, cut, zeroed])
PARTS = pytest.mark.parametrize("suffix", [".db", ".db-wal"])


@DAMAGES
@PARTS
def test_a_damaged_file_gives_away_only_what_is_whole(
    damage: Callable[[bytes, int], bytes],
    suffix: str,
    left: tuple[Path, list[str]],
) -> None:
    survive(damage, suffix, left, PLACES)


@pytest.mark.soak
@DAMAGES
@PARTS
def test_a_file_damaged_in_any_place_gives_away_only_what_is_whole(
    damage: Callable[[bytes, int], bytes],
    suffix: str,
    left: tuple[Path, list[str]],
) -> None:
    survive(damage, suffix, left, MANY_PLACES)
