"""What becomes of events by the server's answers: a table of statuses, and stories of visitors that are refused."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.tracking.delivery import MOST_REFUSED, Delivery, Outcome, Verdict, verdict
from openfeature_kameleoon.tracking.events import ACTIVITY, Event, Report
from openfeature_kameleoon.tracking.outbox import MemoryOutbox, OutboxStatus

TAKEN, TOO_LARGE, REJECTED, LATER = Verdict


class Answered:
    """An answer with nothing but its status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.headers: dict[str, str] = {}


class Server:
    """Answers by the visitors that a body holds; ``bodies`` is what came."""

    def __init__(self, status: Callable[[list[str]], int]) -> None:
        self.bodies: list[list[str]] = []
        self._status = status

    def post(self, body: bytes) -> Answered:
        visitors = [line.rpartition("visitorCode=")[2] for line in body.decode().split("\n")]
        self.bodies.append(visitors)
        status = self._status(visitors)
        if status == 0:
            raise RequestFailed("POST host/visit/events: the connection was refused")
        return Answered(status)


def delivered(count: int, status: Callable[[list[str]], int], *, take: int = 10_000) -> tuple[OutboxStatus, Outcome]:
    """What became of one event each of so many visitors, and how the round ended."""
    outbox = outbox_of(count)
    outcome = Delivery(outbox, Server(status).post).deliver(outbox.take(take))
    return outbox.status(), outcome


def outbox_of(count: int) -> MemoryOutbox:
    outbox = MemoryOutbox()
    for number in range(count):
        outbox.put(Report(f"v{number}", (Event(ACTIVITY, number),)))
    return outbox


@pytest.mark.parametrize(("status", "delivered"), [(200, 6), (500, 0)])
def test_what_came_another_way_goes_in_another_request(status: int, delivered: int) -> None:
    outbox, ways = outbox_of(6), []

    def post(body: bytes, way: str) -> Answered:
        ways.append((way, body.count(b"\n") + 1))
        return Answered(status)

    outcome = Delivery(outbox, post, way_of=lambda code: "odd" if int(code[1:]) % 2 else "even").deliver(outbox.take(6))

    assert ways == [("even", 3), ("odd", 3)][: None if status == 200 else 1]
    assert outbox.status() == OutboxStatus(6, delivered, 6 - delivered, dropped())
    assert bool(outcome.problem) is (status != 200)


def dropped(**reasons: int) -> dict[str, int]:
    return {"queue_full": 0, **reasons}


@pytest.mark.parametrize(
    ("judged", "statuses"),
    [
        (TAKEN, (200, 201, 202, 204, 304, 403)),
        (TOO_LARGE, (413,)),
        (REJECTED, (400, 406, 410, 411, 414, 415, 422, 431)),
        (LATER, (301, 302, 307, 401, 404, 405, 407, 408, 425, 429, 500, 502, 503, 504, 599, 100)),
    ],
)
def test_a_status_says_what_becomes_of_events(judged: Verdict, statuses: tuple[int, ...]) -> None:
    assert {verdict(status) for status in statuses} == {judged}


@pytest.mark.parametrize("status", HTTPStatus)
def test_every_status_has_a_verdict(status: HTTPStatus) -> None:
    assert verdict(status) in Verdict


def test_what_is_taken_is_delivered_in_one_request() -> None:
    outbox = outbox_of(3)
    server = Server(lambda _: 200)

    outcome = Delivery(outbox, server.post).deliver(outbox.take(10))

    assert outcome == Outcome()
    assert server.bodies == [["v0", "v1", "v2"]]
    assert outbox.status() == OutboxStatus(3, 3, 0, dropped())


@pytest.mark.parametrize("status", [0, 500, 503, 429, 404, 302])
def test_what_fails_waits_again_in_its_order(status: int) -> None:
    outbox = outbox_of(3)
    delivery = Delivery(outbox, Server(lambda _: status).post)

    outcome = delivery.deliver(outbox.take(2))

    assert outcome.problem
    assert [batch.visitor_code for batch in outbox.take(10)] == ["v0", "v1", "v2"]
    assert (delivery.requests, delivery.retried) == (1, 2)


def test_a_body_that_is_too_large_is_halved_until_it_fits() -> None:
    outbox = outbox_of(10)
    server = Server(lambda visitors: 413 if len(visitors) > 3 else 200)

    outcome = Delivery(outbox, server.post).deliver(outbox.take(10))

    assert outcome == Outcome()
    assert [len(body) for body in server.bodies] == [10, 5, 5, 2, 3, 2, 3]
    assert outbox.status() == OutboxStatus(10, 10, 0, dropped())


def test_a_visitor_who_is_too_large_alone_is_given_up() -> None:
    status, outcome = delivered(4, lambda visitors: 413 if "v2" in visitors else 200)

    assert status == OutboxStatus(4, 3, 0, dropped(too_large=1))
    assert outcome == Outcome()


@pytest.mark.parametrize("poison", [{"v0"}, {"v5"}, {"v3", "v4", "v9"}, {f"v{number}" for number in range(9)}])
def test_visitors_who_are_rejected_are_found_and_given_up_and_all_others_delivered(poison: set[str]) -> None:
    status, outcome = delivered(10, lambda visitors: 400 if poison & set(visitors) else 200)

    assert status == OutboxStatus(10, 10 - len(poison), 0, dropped(rejected=len(poison)))
    assert outcome == Outcome()


def test_a_server_that_rejects_everything_takes_nothing_away() -> None:
    status, outcome = delivered(1000, lambda _: 400)

    assert status == OutboxStatus(1000, 0, 1000, dropped())
    assert outcome.problem == "the tracking server answered 400"


def test_a_server_that_rejects_everything_is_asked_a_bounded_number_of_times() -> None:
    outbox = outbox_of(1000)
    server = Server(lambda _: 400)

    Delivery(outbox, server.post).deliver(outbox.take(1000))

    assert len(server.bodies) <= MOST_REFUSED + 1


def test_one_visitor_who_is_rejected_alone_is_judged_by_how_others_fare() -> None:
    outbox = outbox_of(3)
    server = Server(lambda visitors: 400 if "v0" in visitors else 200)

    outcome = Delivery(outbox, server.post).deliver(outbox.take(1))

    assert server.bodies == [["v0"], ["v1"]]
    assert outcome == Outcome()
    assert outbox.status() == OutboxStatus(3, 1, 1, dropped(rejected=1))


def test_one_visitor_who_is_rejected_with_nobody_to_compare_waits() -> None:
    status, outcome = delivered(1, lambda _: 400)

    assert status == OutboxStatus(1, 0, 1, dropped())
    assert outcome.answer is not None


def test_a_server_that_fails_while_the_guilty_are_looked_for_takes_nothing_away_from_the_rest() -> None:
    answers = iter([400, 200, 400, 500])

    status, outcome = delivered(8, lambda _: next(answers))

    assert status == OutboxStatus(8, 4, 4, dropped())
    assert outcome.problem == "the tracking server answered 500"


def test_an_unforeseen_exception_leaves_everything_waiting() -> None:
    outbox = outbox_of(3)

    def post(body: bytes) -> Answered:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Delivery(outbox, post).deliver(outbox.take(3))

    assert [batch.visitor_code for batch in outbox.take(10)] == ["v0", "v1", "v2"]


@given(
    poison=st.sets(st.integers(0, 19)),
    bulky=st.sets(st.integers(0, 19)),
    answers=st.lists(st.sampled_from([0, 500, 400, 413, 200, 200, 200]), max_size=12),
    most=st.integers(1, 20),
)
def test_whatever_is_answered_every_event_is_delivered_dropped_or_waits_again(
    poison: set[int], bulky: set[int], answers: list[int], most: int
) -> None:
    outbox = outbox_of(20)
    script = iter(answers)

    def status(visitors: list[str]) -> int:
        numbers = {int(visitor[1:]) for visitor in visitors}
        return next(script, 413 if bulky & numbers else 400 if poison & numbers else 200)

    Delivery(outbox, Server(status).post).deliver(outbox.take(most))

    accepted, done, pending, lost = outbox.status()
    waiting = sum(len(batch.lines) for batch in outbox.take(100))
    assert accepted == 20 == done + pending + sum(lost.values())
    assert waiting == pending
