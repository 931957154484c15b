"""Where visitors live: who is forgotten when, and in which order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openfeature_kameleoon.visitors.data import Conversion, Cookie, CustomData, Data, PageView
from openfeature_kameleoon.visitors.store import EXPIRED_PER_VISIT, MemoryVisitorStore
from openfeature_kameleoon.visitors.visitor import VISITOR_BYTES, Visitor
from tests.clock import FakeClock
from tests.vectors import Stage

INDEX = Stage().index
IDLE = 1800.0
ADDED = 15_000
"""So many additions that each pair of steps that must not be parted is parted sometimes."""
ROOM_FOR_THREE = 3 * (VISITOR_BYTES + 1)


def store_of(
    clock: FakeClock | None = None, *, idle_seconds: float = IDLE, max_bytes: int = 10**9
) -> MemoryVisitorStore:
    return MemoryVisitorStore(idle_seconds=idle_seconds, max_bytes=max_bytes, clock=clock or FakeClock())


def codes(store: MemoryVisitorStore) -> list[str]:
    """Codes in the order in which they would be forgotten."""
    return [visitor.code for visitor in sorted(store, key=lambda visitor: visitor.tick)]


def total(store: MemoryVisitorStore) -> int:
    return sum(visitor.size for visitor in store)


# --- knowing ------------------------------------------------------------------------------------------------


def test_a_visitor_is_made_once() -> None:
    store = store_of()

    first = store.get_or_create("v")

    assert store.get_or_create("v") is store.get("v") is first
    assert len(store) == 1


def test_asking_stores_nobody() -> None:
    store = store_of()

    assert store.get("v") is None
    assert not store.unknown("v").known
    assert "v" not in store
    assert len(store) == 0


def test_a_visitor_that_is_stored_is_known_and_began_when_it_was_made() -> None:
    clock = FakeClock(monotonic=50.0, time=1000.0)
    store = store_of(clock)
    visitor = store.unknown("v")
    clock.advance(5)

    assert store.add(visitor) is visitor
    assert visitor.known
    assert (visitor.started, visitor.last_seen) == (1000.0, 50.0)


def test_of_two_visitors_with_one_code_the_first_one_stays() -> None:
    store = store_of()
    first, second = store.unknown("v"), store.unknown("v")
    store.add(first)

    assert store.add(second) is first
    assert not second.known
    assert store.add_data(second, [CustomData(0, "a")], INDEX) is first
    assert first.custom_data == {0: "a"}


def test_a_change_stores_the_visitor_and_is_made_to_the_stored_one() -> None:
    store = store_of()
    first = store.get_or_create("v")

    assert store.change(store.unknown("v"), lambda visitor: setattr(visitor, "hashing_code", "h")) is first
    assert first.hashing_code == "h"
    assert store.change(store.unknown("w"), lambda visitor: None) is store.get("w")


def test_what_is_no_data_is_refused_and_what_came_before_it_stays() -> None:
    store = store_of()

    with pytest.raises(TypeError, match="NoneType is no visitor data"):
        store.add_data(store.unknown("v"), [CustomData(0, "a"), None], INDEX)  # type: ignore[list-item]  # the point

    visitor = store.get("v")
    assert visitor is not None
    assert visitor.custom_data == {0: "a"}
    assert store.bytes == total(store)


# --- forgetting the idle ------------------------------------------------------------------------------------


def test_a_visitor_is_forgotten_after_the_idle_period() -> None:
    clock = FakeClock()
    store = store_of(clock)
    store.get_or_create("v")

    clock.advance(IDLE - 1)
    assert "v" in store

    clock.advance(1)
    assert "v" not in store
    assert store.get("v") is None
    assert (len(store), store.bytes) == (0, 0)


def test_being_looked_up_keeps_a_visitor() -> None:
    clock = FakeClock()
    store = store_of(clock)
    visitor = store.get_or_create("v")

    for _ in range(5):
        clock.advance(IDLE - 1)
        assert store.get("v") is visitor

    assert visitor.last_seen == clock.monotonic()


def test_being_asked_about_does_not_keep_a_visitor() -> None:
    clock = FakeClock()
    store = store_of(clock)
    store.get_or_create("v")

    clock.advance(IDLE - 1)
    assert "v" in store
    assert len(codes(store)) == 1

    clock.advance(1)
    assert store.get("v") is None


def test_a_visitor_who_comes_back_is_another_one() -> None:
    clock = FakeClock()
    store = store_of(clock)
    before = store.add_data(store.unknown("v"), [CustomData(0, "a")], INDEX)
    clock.advance(IDLE)

    after = store.get_or_create("v")

    assert after is not before
    assert after.custom_data == {}
    assert after.started == clock.time()


def test_new_visitors_push_out_idle_ones_a_few_at_a_time() -> None:
    clock = FakeClock()
    store = store_of(clock)
    for number in range(10):
        store.get_or_create(f"old-{number}")
    clock.advance(IDLE)

    sizes = [len(store)]
    for number in range(4):
        store.get_or_create(f"new-{number}")
        sizes.append(len(store))

    assert sizes == [10, 11 - EXPIRED_PER_VISIT, 12 - 2 * EXPIRED_PER_VISIT, 3, 4]
    assert codes(store) == [f"new-{number}" for number in range(4)]


# --- forgetting for room ------------------------------------------------------------------------------------


def test_the_least_recently_seen_makes_room() -> None:
    store = store_of(max_bytes=ROOM_FOR_THREE)
    for code in "abc":
        store.get_or_create(code)

    store.get("a")
    store.get_or_create("d")
    assert codes(store) == ["c", "a", "d"]

    store.get("c")
    store.get_or_create("e")
    assert codes(store) == ["d", "c", "e"]


def test_the_order_is_exact_however_often_one_is_seen() -> None:
    store = store_of()
    for code in "abcd":
        store.get_or_create(code)

    for code in ("a", "a", "b", "a", "a", "d", "d"):
        store.get(code)

    assert codes(store) == ["c", "b", "a", "d"]


def test_a_visitor_seen_before_and_after_another_is_new_is_the_latest() -> None:
    store = store_of()
    store.get_or_create("a")
    store.get("a")
    store.get_or_create("b")

    store.get("a")

    assert codes(store) == ["b", "a"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40))
def test_the_order_is_that_of_a_list_in_which_whoever_is_seen_moves_to_the_end(
    visits: list[tuple[str, bool]],
) -> None:
    store = store_of(max_bytes=ROOM_FOR_THREE)
    expected: list[str] = []
    for code, is_made in visits:
        if is_made:
            store.get_or_create(code)
        else:
            store.get(code)
        if is_made or code in expected:
            expected = [*(other for other in expected if other != code), code][-3:]

        assert codes(store) == expected
        assert store.bytes == total(store) <= ROOM_FOR_THREE


def test_a_look_up_touches_one_visitor_alone() -> None:
    store = store_of()
    for number in range(1000):
        store.get_or_create(f"{number}")
    order = codes(store)

    store.get("500")

    assert codes(store) == [*(code for code in order if code != "500"), "500"]


def test_data_count() -> None:
    store = store_of(max_bytes=20_000)
    for code in "abc":
        store.get_or_create(code)

    visitor = store.get_or_create("b")
    store.add_data(visitor, [CustomData(0, "x" * 19_000)], INDEX)

    assert codes(store) == ["b"]
    assert store.bytes == total(store) <= 20_000


def test_a_visitor_too_large_for_the_store_is_not_kept() -> None:
    store = store_of(max_bytes=20_000)
    for code in "abc":
        store.get_or_create(code)
    giant = store.unknown("giant")

    store.add_data(giant, [CustomData(0, "x" * 50_000), CustomData(1, "y")], INDEX)

    assert "giant" not in store
    assert store.bytes == total(store) <= 20_000

    store.get_or_create("d")
    assert "d" in store


def test_a_visitor_forgotten_while_its_data_are_added_takes_no_room() -> None:
    store = store_of(max_bytes=20_000)
    visitor = store.get_or_create("v")
    data: list[Data] = [CustomData(0, "x" * 30_000), CustomData(3, "user"), CustomData(1, "y" * 1000)]

    store.add_data(visitor, data, INDEX)  # linking adds a visitor, which makes room

    assert "v" not in store
    assert store.bytes == total(store) <= 20_000


def test_a_failed_change_counts_as_far_as_it_came() -> None:
    store = store_of()

    def fail(visitor: Visitor) -> None:
        visitor.size += 100
        raise KeyError("half-way")

    with pytest.raises(KeyError, match="half-way"):
        store.change(store.unknown("v"), fail)

    assert store.bytes == total(store) == VISITOR_BYTES + 101


KINDS: list[Callable[[int], Data]] = [
    lambda size: CustomData(size % 3, "x" * size),
    lambda size: PageView("/" + "p" * (size % 7)),
    Conversion,
    lambda size: Cookie({"a": "x" * size}),
    lambda size: CustomData(3, f"user-{size % 4}"),
]


class Accounting(RuleBasedStateMachine):
    """Whatever happens, the store's size is the sum of its visitors' and stays within its bound."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = store_of(self.clock, max_bytes=8000)
        self.held: list[Visitor] = []

    @rule(code=st.sampled_from("abcdefgh"))
    def meet(self, code: str) -> None:
        self.held = [*self.held[-5:], self.store.get_or_create(code)]

    @precondition(lambda self: self.held)
    @rule(number=st.integers(0, 5), kind=st.sampled_from(KINDS), size=st.integers(0, 3000))
    def learn(self, number: int, kind: Callable[[int], Data], size: int) -> None:
        self.store.add_data(self.held[number % len(self.held)], [kind(size), kind(size // 2)], INDEX)

    @rule(seconds=st.floats(0.0, IDLE))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(code=st.sampled_from("abcdefgh"))
    def look(self, code: str) -> None:
        self.store.get(code)

    @invariant()
    def adds_up(self) -> None:
        assert 0 <= self.store.bytes == total(self.store) <= 8000


TestAccounting = Accounting.TestCase


# --- threads ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads_alternate_often")
def test_threads_may_look_up_add_change_and_evict_at_once() -> None:
    store = store_of(max_bytes=40 * VISITOR_BYTES)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(1500):
                code = f"{dice.randrange(60)}"
                visitor = store.get(code)
                if visitor is None or dice.random() < 0.3:
                    store.add_data(store.unknown(code), [CustomData(0, "x" * dice.randrange(200))], INDEX)
                if dice.random() < 0.02:
                    assert len(list(store)) <= 40
        except BaseException as error:  # whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert store.bytes == total(store) <= 40 * VISITOR_BYTES
    assert len(set(codes(store))) == len(store) > 10


@pytest.mark.usefixtures("threads_alternate_often")
def test_visitors_may_be_looked_up_while_others_push_them_out() -> None:
    store = store_of(max_bytes=20 * (VISITOR_BYTES + 5))
    newest = 0
    failures: list[Exception] = []

    def look(seed: int) -> None:
        dice = random.Random(seed)
        try:
            while newest < ADDED:
                store.get(f"{newest - dice.randrange(25)}")
        except Exception as error:  # whatever it is, the test tells it
            failures.append(error)

    readers = [threading.Thread(target=look, args=(seed,)) for seed in range(2)]
    for reader in readers:
        reader.start()
    try:
        for newest in range(1, ADDED + 1):
            store.add(store.unknown(f"{newest}"))
    finally:
        newest = ADDED
        for reader in readers:
            reader.join()

    assert failures == []
    assert store.bytes == total(store)


class MeddlingCode(str):
    """A visitor code that has something else happen when it is looked at for the nth time, as a thread may do."""

    __slots__ = ("meanwhile", "times")

    meanwhile: Callable[[], object]
    times: int

    def __hash__(self) -> int:
        self.times -= 1
        if self.times == 0:
            self.meanwhile()
        return super().__hash__()


@pytest.mark.parametrize("times", range(1, 6))
def test_a_visitor_pushed_out_while_it_is_looked_up_is_answered_or_not_known(times: int) -> None:
    store = store_of(max_bytes=2 * (VISITOR_BYTES + 1))
    visitor = store.get_or_create("a")
    store.get_or_create("b")
    code = MeddlingCode("a")
    code.meanwhile, code.times = lambda: (store.get_or_create("c"), store.get_or_create("d")), times

    assert store.get(code) in (visitor, None)
    assert store.bytes == total(store) <= 2 * (VISITOR_BYTES + 1)


@pytest.mark.usefixtures("threads_alternate_often")
def test_threads_that_meet_a_new_visitor_at_once_get_the_same_one() -> None:
    store = store_of()
    for number in range(50):
        together = threading.Barrier(4)
        met: list[Visitor] = []

        def meet(code: str = f"{number}", together: threading.Barrier = together, met: list[Visitor] = met) -> None:
            together.wait(timeout=10)
            met.append(store.get_or_create(code))

        threads = [threading.Thread(target=meet) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len({id(visitor) for visitor in met}) == 1
        assert len(met) == 4


@pytest.mark.usefixtures("threads_alternate_often")
def test_a_visitor_that_comes_back_while_its_old_self_is_forgotten_stays() -> None:
    clock = FakeClock()
    store = store_of(clock)
    old = store.get_or_create("v")
    clock.advance(IDLE)
    assert store.get("v") is None
    new = store.get_or_create("v")

    store._forget(old)  # what a slower thread does, which saw the old one expire too

    assert store.get("v") is new
    assert store.bytes == total(store)
