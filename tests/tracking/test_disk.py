"""The outbox on disk: what holds for every outbox, what survives the process, and age."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openfeature_kameleoon.clock import Clock
from openfeature_kameleoon.tracking import shelves
from openfeature_kameleoon.tracking.disk import DiskOutbox
from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import Batch, Outbox, OutboxStatus
from openfeature_kameleoon.tracking.shelf import SLICE, Shelf
from openfeature_kameleoon.tracking.shelves import RETRY_SECONDS, Shelves
from openfeature_kameleoon.visitors.data import Conversion, PageView
from openfeature_kameleoon.visitors.traits import Exposure, RecordedConversion
from tests.clock import FakeClock
from tests.outboxes import (
    DAY,
    NOTHING,
    OUTBOXES,
    SITE,
    Make,
    disk_outbox,
    files,
    is_balanced,
    nonces,
    report,
    take_all,
    warnings,
)
from tests.sqlite_faults import BROKEN, FULL, Faults, failing_statements

# --- what holds for every outbox ----------------------------------------------------------------------------


@pytest.fixture(params=OUTBOXES)
def outbox(request: pytest.FixtureRequest, folder: Path) -> Iterator[Outbox]:
    made: Outbox = request.param(folder, FakeClock())

    yield made

    made.close()


def test_an_empty_outbox_has_nothing(outbox: Outbox) -> None:
    assert outbox.take(10) == []
    assert outbox.status() == OutboxStatus(0, 0, 0, NOTHING)


def test_what_waits_of_a_visitor_is_one_batch_with_its_latest_user_agent_on_the_first_line(outbox: Outbox) -> None:
    outbox.put(report("a", 1, user_agent="old"))
    outbox.put(report("b", 2))
    outbox.put(report("a", 3, user_agent="näw"))

    first, second = outbox.take(10)

    assert (nonces([first]), nonces([second])) == ([1, 3], [2])
    assert [line.rpartition("&")[2] for line in first.lines] == ["userAgent=n%C3%A4w", "visitorCode=a"]


def test_lines_of_a_visitor_go_out_in_the_order_of_their_kinds(outbox: Outbox) -> None:
    conversion = RecordedConversion(Conversion(7), 0.0)
    exposure = Exposure(1, 2, None)
    outbox.put(Report("a", (Event(conversion, 1), Event(exposure, 2), Event(PageView("https://a"), 3))))

    assert nonces(outbox.take(10)) == [3, 2, 1]


def test_what_is_taken_is_pending_until_it_is_settled(outbox: Outbox) -> None:
    for number, visitor in enumerate("abc"):
        outbox.put(report(visitor, number))
    delivered, dropped, released = ([batch] for batch in outbox.take(3))

    assert outbox.status() == OutboxStatus(3, 0, 3, NOTHING)

    outbox.delivered(delivered)
    outbox.drop(dropped, "rejected")
    outbox.release(released)

    assert outbox.status() == OutboxStatus(3, 1, 1, {"queue_full": 0, "rejected": 1})
    assert nonces(outbox.take(3)) == [2]


def test_what_is_released_comes_first_again(outbox: Outbox) -> None:
    for number, visitor in enumerate("abcd"):
        outbox.put(report(visitor, number))
    first, second = outbox.take(2), outbox.take(1)

    outbox.release(first)

    assert nonces(outbox.take(1)) == [0]
    assert nonces(outbox.take(1)) == [1]
    assert nonces(outbox.take(9)) == [3]
    outbox.release(second)
    assert nonces(outbox.take(9)) == [2]


@pytest.mark.parametrize("visitor", ["", "a b&c=d", "é€😀", "\ud800", "a\r\nb", "a\0b", "x" * 10_000])
def test_any_visitor_code_and_user_agent_come_out_as_they_went_in(visitor: str, outbox: Outbox) -> None:
    outbox.put(report(visitor, 1, user_agent=visitor))

    (batch,) = outbox.take(10)

    assert batch.visitor_code == visitor
    assert len(batch.lines) == 1
    assert "\n" not in batch.lines[0]


def test_it_knows_of_whom_anything_waits(outbox: Outbox) -> None:
    outbox.put(report("a", 1, time=0.0))
    assert outbox.has("a")
    assert not outbox.has("b")

    taken = outbox.take(1)
    assert not outbox.has("a")

    outbox.release(taken)
    assert outbox.has("a")

    outbox.expire(0.0)
    assert not outbox.has("a")


def test_what_waits_of_somebody_is_forgotten_and_comes_back_no_more(outbox: Outbox) -> None:
    for number, visitor in enumerate("abab"):
        outbox.put(report(visitor, number, time=float(number)))
    under_way = outbox.take(1)
    outbox.put(report("a", 4, time=4.0))

    outbox.forget(lambda code: code == "a")

    assert not outbox.has("a")
    outbox.release(under_way)
    assert nonces(outbox.take(10)) == [1, 3]
    accepted, _, pending, dropped = outbox.status()
    assert (accepted, pending, dropped["withdrawn"]) == (5, 2, 3)


def test_what_comes_of_somebody_who_was_forgotten_is_kept_again(outbox: Outbox) -> None:
    outbox.put(report("a", 1, time=0.0))
    under_way = outbox.take(1)
    outbox.forget(lambda code: code == "a")
    outbox.put(report("a", 2, time=5_000.0))

    outbox.release(under_way)
    outbox.release(outbox.take(10))

    assert nonces(outbox.take(10)) == [2]


def test_what_is_under_way_of_somebody_who_was_forgotten_may_arrive(outbox: Outbox) -> None:
    outbox.put(report("a", 1, time=0.0))
    under_way = outbox.take(1)
    outbox.forget(lambda code: code == "a")

    outbox.delivered(under_way)

    assert outbox.status() == OutboxStatus(1, 1, 0, NOTHING)


def test_an_event_that_cannot_be_written_is_dropped_and_counted(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    broken = PageView("https://a", referrers=(object(),))  # type: ignore[arg-type]  # as a careless caller would
    outbox.put(Report("a", (Event(broken, 1), Event(ACTIVITY, 2))))
    outbox.put(report("b", 3))

    assert nonces(outbox.take(10)) == [3]
    assert outbox.status() == OutboxStatus(3, 0, 1, {"queue_full": 0, "invalid": 2})
    assert warnings(caplog) == ["events that cannot be written are dropped: TypeError"]


class Conservation(RuleBasedStateMachine):
    """Whatever is put in, taken and settled: what waits is known, comes in order, and is never taken twice at once."""

    make: Callable[[Path, Clock], Outbox]
    folders: Iterator[Path]

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.folder = next(self.folders)
        self.outbox = self.make(self.folder, self.clock)
        self.count = self.accepted = self.delivered = self.rejected = 0
        self.waiting: dict[int, str] = {}
        self.unwanted: set[int] = set()
        self.taken: list[Batch] = []

    def teardown(self) -> None:
        self.outbox.close()

    @rule(visitor=st.sampled_from("abc"), count=st.integers(1, 8))
    def put(self, visitor: str, count: int) -> None:
        numbers = range(self.count, self.count + count)
        self.clock.advance(0.001)
        self.outbox.put(report(visitor, *numbers, time=self.clock.monotonic()))
        self.waiting.update((number, visitor) for number in numbers)
        self.count += count
        self.accepted += count

    @rule(most=st.integers(1, 30))
    def take(self, most: int) -> None:
        batches = self.outbox.take(most)

        self.check_order(batches)
        assert bool(batches) == bool(self.waiting)
        for number in nonces(batches):
            del self.waiting[number]
        self.taken += batches

    def check_order(self, batches: list[Batch]) -> None:
        assert nonces(batches)[:1] == sorted(self.waiting)[:1]
        for visitor in "abc":
            of_visitor = [number for number in sorted(self.waiting) if self.waiting[number] == visitor]
            taken = nonces(batch for batch in batches if batch.visitor_code == visitor)
            assert taken == of_visitor[: len(taken)]

    @rule(random=st.randoms(use_true_random=False))
    def settle(self, random: Random) -> None:
        shares: tuple[list[Batch], ...] = ([], [], [])
        for batch in self.taken:
            random.choice(shares).append(batch)
        delivered, rejected, released = shares
        self.outbox.delivered(delivered)
        self.outbox.drop(rejected, "rejected")
        self.outbox.release(released)
        self.delivered += len(nonces(delivered))
        self.rejected += len(nonces(rejected))
        self.wait_again(released)
        self.taken = []

    @rule(visitor=st.sampled_from("abc"))
    def forget(self, visitor: str) -> None:
        self.outbox.forget(lambda code: code == visitor)
        for number in [number for number, whose in self.waiting.items() if whose == visitor]:
            del self.waiting[number]
            self.rejected += 1
        self.unwanted.update(nonces(batch for batch in self.taken if batch.visitor_code == visitor))

    def wait_again(self, released: list[Batch]) -> None:
        back = {number: batch.visitor_code for batch in released for number in nonces([batch])}
        self.waiting.update((number, code) for number, code in back.items() if number not in self.unwanted)
        self.rejected += len(back.keys() & self.unwanted)

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        accepted, delivered, pending, dropped = self.outbox.status()

        assert (accepted, delivered, sum(dropped.values())) == (self.accepted, self.delivered, self.rejected)
        assert pending == len(self.waiting) + len(nonces(self.taken))
        assert is_balanced(self.outbox)

    @invariant()
    def it_is_known_who_waits(self) -> None:
        assert {visitor for visitor in "abc" if self.outbox.has(visitor)} == set(self.waiting.values())


class ConservationOnDisk(Conservation):
    """The same, while the disk fails now and then, and processes follow one another."""

    outbox: DiskOutbox
    faults: Faults

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.faults.stop()

    @rule(
        beginning=st.sampled_from(["INSERT", "DELETE", "SELECT", "PRAGMA", ""]), message=st.sampled_from([FULL, BROKEN])
    )
    def fail(self, beginning: str, message: str) -> None:
        self.faults.fail(beginning, message)

    @rule()
    def work(self) -> None:
        self.faults.stop()
        self.clock.advance(RETRY_SECONDS)

    @rule(visitor=st.sampled_from("abc"))
    def forget(self, visitor: str) -> None:
        self.work()  # what cannot be read cannot be looked through
        super().forget(visitor)

    @rule(most=st.integers(1, 30))
    def take(self, most: int) -> None:
        batches = self.outbox.take(most)

        assert len(set(nonces(batches))) == len(nonces(batches))
        for batch in batches:
            for number in nonces([batch]):
                assert self.waiting.pop(number) == batch.visitor_code
        self.taken += batches

    @rule()
    def follow(self) -> None:
        """The next process adopts all that waits, and what was under way."""
        self.work()
        self.outbox.release(self.taken)
        self.wait_again(self.taken)
        self.outbox.expire(DAY)  # moves to disk what waits in memory
        self.outbox.close()
        self.outbox = disk_outbox(self.folder, self.clock)
        self.taken = self.outbox.take(1)
        for number in nonces(self.taken):
            del self.waiting[number]
        self.accepted = len(self.waiting) + len(nonces(self.taken))
        self.delivered = self.rejected = 0

    @invariant()
    def it_is_known_who_waits(self) -> None:
        assert {visitor for visitor in "abc" if self.outbox.has(visitor)} <= set(self.waiting.values())


def run(machine: type[Conservation], folder: Path, **attributes: object) -> None:
    folders = (folder / str(number) for number in count())
    case = type("Machine", (machine,), {"folders": folders, **attributes}).TestCase  # type: ignore[attr-defined]  # of a machine
    case.settings = settings(max_examples=100, stateful_step_count=40)
    case("runTest").runTest()


@pytest.mark.parametrize("kind", OUTBOXES)
def test_whatever_is_done_each_event_is_delivered_pending_or_dropped(
    kind: Callable[[Path, Clock], Outbox], fast: Path
) -> None:
    run(Conservation, fast, make=staticmethod(kind))


def test_whatever_is_done_and_fails_each_event_is_delivered_pending_or_dropped(
    fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    failing_statements(monkeypatch, faults)
    monkeypatch.setattr(shelves, "MOST_ADOPTED", 1_000)  # who follows a long line adopts all that it left

    run(ConservationOnDisk, fast, make=staticmethod(disk_outbox), faults=faults)


# --- the process ends ---------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_event(make: Make, folder: Path) -> None:
    outbox = make()

    assert outbox.take(10) == []
    outbox.expire(1.0)
    outbox.close()

    assert not folder.exists()


def test_what_waits_at_the_end_is_adopted_the_same_by_the_next(make: Make, folder: Path) -> None:
    outbox = make()
    for number in range(5):
        outbox.put(report(f"visitor-{number % 2}", number, user_agent=f"agent {number}"))
    before = outbox.take(100)
    outbox.close()

    heir = make()
    after = heir.take(100)

    assert [(batch.visitor_code, batch.lines) for batch in after] == [
        (batch.visitor_code, batch.lines) for batch in before
    ]
    assert heir.status() == OutboxStatus(5, 0, 5, NOTHING)
    heir.delivered(after)
    heir.close()
    assert heir.status() == OutboxStatus(5, 5, 0, NOTHING)
    assert files(folder) == []


def test_files_and_folder_are_for_this_user_alone(make: Make, folder: Path) -> None:
    outbox = make()
    outbox.put(report("a", 1))

    modes = {name.rpartition(".")[2]: (folder / "events" / name).stat().st_mode & 0o777 for name in files(folder)}

    assert (folder / "events").stat().st_mode & 0o777 == 0o700
    assert modes == {"lock": 0o600, "db": 0o600, "db-wal": 0o600, "db-shm": 0o600}


def test_names_of_files_tell_neither_site_nor_visitor(make: Make, folder: Path) -> None:
    make().put(report("somebody", 1))

    assert not [name for name in files(folder) if SITE in name or "somebody" in name]


def test_a_file_in_which_nothing_waits_is_removed_at_the_end(make: Make, folder: Path) -> None:
    outbox = make()
    outbox.put(report("a", 1))
    outbox.drop(outbox.take(1), "rejected")

    outbox.close()

    assert files(folder) == []


def test_an_outbox_that_was_closed_begins_anew_and_counts_nothing_twice(make: Make, folder: Path) -> None:
    outbox = make()
    outbox.put(report("a", 1))
    outbox.close()
    assert outbox.status() == OutboxStatus(1, 0, 1, NOTHING)

    outbox.put(report("a", 2))

    assert outbox.status() == OutboxStatus(2, 0, 2, NOTHING)
    assert sorted(take_all(outbox)) == [1, 2]
    assert outbox.status() == OutboxStatus(2, 2, 0, NOTHING)


def test_what_is_settled_after_the_end_is_sent_again_by_the_next(make: Make) -> None:
    outbox = make()
    outbox.put(report("a", 1))
    taken = outbox.take(1)
    outbox.close()

    outbox.delivered(taken)
    outbox.release(taken)
    outbox.drop(taken, "rejected")

    assert outbox.status() == OutboxStatus(1, 0, 1, NOTHING)
    assert nonces(make().take(1)) == [1]


def test_given_up_events_can_be_looked_at_and_are_few(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()
    for number in range(1_500):
        outbox.put(report(f"visitor-{number}", number))
    outbox.drop(outbox.take(1_400), "rejected")
    outbox.drop(outbox.take(100), "too_large")

    (name,) = files(folder, ".db")
    with sqlite3.connect(folder / "events" / name) as looking:
        dead = looking.execute("SELECT visitor, line, reason FROM dead ORDER BY number").fetchall()
        looking.execute("SELECT 1").fetchone()
    looking.close()

    assert len(dead) == 1_000
    assert dead[0] == ("visitor-500", f"nonce={500:016X}&eventType=activity&visitorCode=visitor-500", "rejected")
    assert dead[-1][2] == "too_large"
    assert outbox.status().dropped == {"queue_full": 0, "rejected": 1_400, "too_large": 100}


def test_losing_power_costs_nothing_only_where_that_was_asked_for(make: Make, folder: Path) -> None:
    for survives, setting in ((False, 0), (True, 2)):
        outbox = make(survives_power_loss=survives)
        outbox.put(report("a", 1))

        writer = outbox._shelves.all()[0].file._writer
        assert writer.execute("PRAGMA synchronous").fetchone() == (setting,)


def test_importing_the_package_loads_no_database() -> None:
    program = "import sys, openfeature_kameleoon.client; print('sqlite3' in sys.modules)"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"


# --- age ----------------------------------------------------------------------------------------------------


def test_what_waited_too_long_is_dropped_and_what_is_under_way_is_not(make: Make) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", 1))
    outbox.put(report("b", 2))
    under_way = outbox.take(1)
    clock.advance(60)
    outbox.put(report("c", 3))

    outbox.expire(60.0)

    assert outbox.status() == OutboxStatus(3, 0, 2, {"queue_full": 0, "expired": 1})
    outbox.release(under_way)
    assert nonces(outbox.take(10)) == [1, 3]


def test_age_is_counted_from_when_the_event_was_made(make: Make) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", 1, time=clock.monotonic() - 50))
    outbox.put(report("a", 2, time=clock.monotonic() + 50))
    clock.advance(10)

    outbox.expire(60.0)
    assert nonces(outbox.take(10)) == [2]


def test_more_than_a_slice_expires_at_once(make: Make) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", *range(2 * SLICE + 7)))
    clock.advance(60)
    outbox.put(report("b", 1_000))

    outbox.expire(60.0)

    assert nonces(outbox.take(10)) == [1_000]


def test_what_was_adopted_has_the_age_it_had(make: Make) -> None:
    clock = FakeClock()
    owner = make(clock)
    owner.put(report("a", 1))
    clock.advance(DAY / 2)
    owner.put(report("a", 2))
    owner.close()
    clock.advance(DAY / 2)

    heir = make(clock)
    heir.expire(DAY)

    assert heir.status() == OutboxStatus(2, 0, 1, {"queue_full": 0, "expired": 1})
    assert nonces(heir.take(10)) == [2]


@pytest.mark.parametrize("years", [10, -10])
def test_a_jump_of_the_wall_clock_expires_nothing(years: int, make: Make) -> None:
    clock = FakeClock()
    outbox = make(clock)
    outbox.put(report("a", 1))
    clock.jump(years * 365 * DAY)
    outbox.put(report("a", 2))

    outbox.expire(60.0)
    assert outbox.status().pending == 2

    clock.advance(60)
    outbox.expire(60.0)
    assert outbox.status().pending == 0


def test_what_comes_from_the_future_expires_as_if_it_were_new(make: Make) -> None:
    owner = make(FakeClock(time=2e9))
    owner.put(report("a", 1))
    owner.close()
    clock = FakeClock(time=1.8e9)
    heir = make(clock)

    heir.expire(DAY)
    assert heir.status().pending == 1

    clock.advance(DAY)
    heir.expire(DAY)
    assert heir.status() == OutboxStatus(1, 0, 0, {"queue_full": 0, "expired": 1})


# --- threads, signals and children --------------------------------------------------------------------------


@pytest.mark.usefixtures("threads_alternate_often")
def test_the_numbers_are_right_at_every_moment_while_threads_put_in_and_one_takes(make: Make, folder: Path) -> None:
    outbox = make(max_bytes=400_000, memory=50)
    puts, threads, done = 400, 8, threading.Event()
    taken: list[int] = []
    seen: list[OutboxStatus] = []

    def put(visitor: int) -> None:
        for number in range(visitor << 32, (visitor << 32) + 2 * puts, 2):
            outbox.put(report(f"visitor-{visitor}-{number % 7}", number, number + 1))

    def take() -> None:
        while not done.is_set():
            batches = outbox.take(7)
            outbox.delivered(batches[:2])
            outbox.drop(batches[2:3], "rejected")
            outbox.release(batches[3:])
            taken.extend(nonces(batches[:3]))
            outbox.expire(DAY)

    def ask() -> None:
        while not done.is_set():
            seen.append(outbox.status())

    producers = [threading.Thread(target=put, args=(number,)) for number in range(threads)]
    others = [threading.Thread(target=take), threading.Thread(target=ask)]
    for thread in producers + others:
        thread.start()
    for thread in producers:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    taken += take_all(outbox)
    seen.append(outbox.status())

    for accepted, delivered, pending, dropped in seen:
        assert accepted == delivered + pending + sum(dropped.values())
        assert min(delivered, pending, *dropped.values()) >= 0
    for earlier, later in pairwise(seen):
        assert earlier.accepted <= later.accepted
        assert earlier.delivered <= later.delivered
    assert seen[-1].accepted == threads * puts * 2
    assert seen[-1].pending == 0
    assert len(taken) == len(set(taken)) == seen[-1].delivered + seen[-1].dropped["rejected"]


def test_a_signal_handler_may_put_in_what_it_likes_in_the_middle_of_a_put(make: Make, folder: Path) -> None:
    outbox = make()
    interruptions = 0
    codes = {
        method.__code__
        for owner in (DiskOutbox, Shelves, Shelf)
        for method in vars(owner).values()
        if hasattr(method, "__code__") and method.__name__ not in ("_let_fork", "status")
    }

    def interrupt(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal interruptions
        if what == "line" and frame.f_code in codes:
            interruptions += 1
            sys.settrace(None)
            outbox.put(report("signal", interruptions))
            assert is_balanced(outbox)
            sys.settrace(interrupt)
        return interrupt

    def put() -> None:
        sys.settrace(interrupt)
        outbox.put(report("somebody", 10_001, 10_002))
        outbox.put(report("somebody", 10_003))
        sys.settrace(None)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(20)

    assert not thread.is_alive(), "it waits for itself"
    assert interruptions > 20
    assert outbox.status() == OutboxStatus(3 + interruptions, 0, 3 + interruptions, NOTHING)
    assert sorted(take_all(outbox)) == [*range(1, interruptions + 1), 10_001, 10_002, 10_003]
    outbox.close()
    assert files(folder) == []
