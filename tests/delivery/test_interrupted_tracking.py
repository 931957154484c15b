"""R4, R25: a signal handler runs in the middle of an event, wherever one can; accounts and locks are in order after it.

The interpreter runs handlers where a call ends, a function begins or a loop goes round: there this test does, too.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import openfeature_kameleoon
from openfeature_kameleoon import KameleoonClient
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from tests.delivery.accounts import GOAL, SITE, client_of, numbers
from tests.kameleoon import FakeKameleoon
from tests.outboxes import is_balanced, report, take_all

PACKAGE = str(Path(openfeature_kameleoon.__file__).parent)
HANDLERS_RUN_AFTER = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")


class Interrupted(BaseException):
    """What a handler raises, such as SystemExit."""


def interrupt() -> None:
    raise Interrupted


def is_interrupted_at(place: int, work: Callable[[], object], handler: Callable[[], object]) -> bool:
    """Run ``handler`` at the n-th place in the package where one can; whether ``work`` comes so far."""
    left = place
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            before = last.get(frame, -1)
            last[frame] = frame.f_lasti
            if before >= 0 and dis.opname[frame.f_code.co_code[before]].startswith(HANDLERS_RUN_AFTER):
                left -= 1
                if left == 0:
                    sys.settrace(None)
                    handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Interrupted:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


def problem(client: KameleoonClient, server: FakeKameleoon) -> str:
    """What is wrong: another thread cannot report, not all is delivered, or an event is unaccounted for."""
    other = threading.Thread(target=lambda: client.track_conversion("other", GOAL, 2), daemon=True)
    other.start()
    other.join(5)
    if other.is_alive():
        return "a lock is held"
    is_delivered = client.flush(timeout=5)
    accepted, delivered, pending, dropped = client.outbox.status()
    if not is_delivered or pending or any(dropped.values()) or not accepted == delivered == len(server.lines):
        return f"{client.outbox.status()} where {len(server.lines)} came"
    came = sorted(numbers(server.lines))
    return "" if came in ([0, 2], [0, 1, 2]) else f"{came} came"


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_r4_an_event_that_is_interrupted_anywhere_leaves_all_others_and_the_accounts_in_order(
    fast: Path, is_on_disk: bool
) -> None:
    problems, place, was_interrupted = {}, 0, True
    settings = {"tracking_directory": fast} if is_on_disk else {}
    with FakeKameleoon(SITE) as server:
        while was_interrupted:
            place += 1
            server.lines.clear()
            with client_of(server, multi_threading=False, **settings) as client:
                client.track_conversion("visitor", GOAL, 0)
                work = partial(client.track_conversion, "visitor", GOAL, 1)
                was_interrupted = is_interrupted_at(place, work, interrupt)
                problems[place] = problem(client, server)

    assert {where: what for where, what in problems.items() if what} == {}
    assert place > 40


@pytest.mark.parametrize("visitors", ["aaaaa", "abcde", "aabbc"])
@pytest.mark.parametrize("visitor", ["a", "e", "f"])
def test_r25_a_handler_that_reports_in_the_middle_of_a_full_queue_leaves_the_accounts_in_order(
    visitors: str, visitor: str
) -> None:
    place, was_interrupted = 0, True
    while was_interrupted:
        place += 1
        for raises in (False, True):
            outbox = MemoryOutbox(5)
            for number, code in enumerate(visitors):
                outbox.put(report(code, number))

            work = partial(outbox.put, report(visitor, 5, 6))
            handler = interrupt if raises else partial(outbox.put, report(visitor, 7, 8))
            was_interrupted = is_interrupted_at(place, work, handler)

            assert is_balanced(outbox)
            pending = outbox.status().pending
            assert len(take_all(outbox)) == pending <= 7
            assert outbox.status().pending == 0

    assert place > 5
