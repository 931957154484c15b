"""Calls beside the event loop: what they give and raise, what becomes of them when nobody waits any more."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.off_loop import APART_SECONDS, OffLoop
from tests.chaos import wait_until
from tests.faces import threads

PATIENCE_SECONDS = 10.0


class Gate:
    """A call that takes until the test lets it go."""

    def __init__(self) -> None:
        self.begun = 0
        self.opened = threading.Event()

    def __call__(self) -> str:
        self.begun += 1
        assert self.opened.wait(PATIENCE_SECONDS)
        return "through"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()

    yield gate

    gate.opened.set()


def test_a_call_gives_its_result_and_its_exception() -> None:
    off_loop = OffLoop()

    async def main() -> None:
        assert await off_loop.run(lambda: threading.current_thread().name) == "kameleoon-call"
        with pytest.raises(ZeroDivisionError):
            await off_loop.run(lambda: 1 / 0)

    asyncio.run(main())


def test_a_call_sees_the_context_variables_of_its_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> str:
        variable.set("the caller's")
        return await OffLoop().run(variable.get)

    assert asyncio.run(main()) == "the caller's"


def test_threads_are_daemons_and_end_when_nothing_waits() -> None:
    async def main() -> bool:
        return await OffLoop().run(lambda: threading.current_thread().daemon)

    assert asyncio.run(main())
    wait_until(lambda: threads() == [])


def test_calls_beyond_the_most_wait_for_their_turn(gate: Gate) -> None:
    off_loop = OffLoop(most=3)

    async def main() -> list[str]:
        calls = [asyncio.create_task(off_loop.run(gate)) for _ in range(10)]
        while gate.begun < 3:
            await asyncio.sleep(0)
        assert threads() == ["kameleoon-call"] * 3
        gate.opened.set()
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == ["through"] * 10


def test_time_runs_out_for_the_caller_and_not_for_the_call(gate: Gate) -> None:
    off_loop = OffLoop(most=1)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await off_loop.run(gate, 0.01)
        with pytest.raises(TimeoutError):  # it never got its turn, and never will
            await off_loop.run(gate, 0.01)
        gate.opened.set()

    asyncio.run(main())
    wait_until(lambda: threads() == [])

    assert gate.begun == 1


def test_calls_begin_one_after_the_other() -> None:
    begun: list[float] = []

    async def main() -> None:
        off_loop = OffLoop()
        await asyncio.gather(*(off_loop.run(lambda: begun.append(time.monotonic())) for _ in range(20)))

    asyncio.run(main())

    assert max(begun) - min(begun) >= 15 * APART_SECONDS


def test_what_cannot_begin_in_time_takes_nobodys_turn() -> None:
    async def main() -> list[str | BaseException]:
        off_loop = OffLoop()
        hasty = [off_loop.run(lambda: "begun", 0.02) for _ in range(1000)]
        patient = off_loop.run(lambda: "patient", PATIENCE_SECONDS)
        return await asyncio.gather(*hasty, patient, return_exceptions=True)

    *answers, last = asyncio.run(main())

    assert last == "patient"
    assert sum(isinstance(answer, TimeoutError) for answer in answers) >= 900


def test_a_cancelled_coroutine_ends_at_once(gate: Gate) -> None:
    async def main() -> float:
        call = asyncio.create_task(OffLoop().run(gate))
        while not gate.begun:
            await asyncio.sleep(0)
        started = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return time.monotonic() - started

    assert asyncio.run(main()) < 1.0
    gate.opened.set()
    wait_until(lambda: threads() == [])  # and its result disturbs nobody


def test_a_loop_that_is_closed_meanwhile_is_left_alone(gate: Gate) -> None:
    async def main() -> None:
        call = asyncio.ensure_future(OffLoop().run(gate, PATIENCE_SECONDS))
        while not gate.begun:
            await asyncio.sleep(0)
        call.cancel()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gate.opened.set()

    wait_until(lambda: threads() == [])


def test_cancelled_at_the_moment_that_it_fails_leaves_no_complaint() -> None:
    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        failed = threading.Event()

        def fail() -> None:
            failed.set()
            raise ValueError

        call = asyncio.create_task(OffLoop().run(fail))
        await asyncio.sleep(0)
        failed.wait(PATIENCE_SECONDS)
        wait_until(lambda: threads() == [])  # its exception waits to be handed over
        asyncio.get_running_loop().call_soon(call.cancel)
        with pytest.raises((asyncio.CancelledError, ValueError)):
            await call
        del call

    asyncio.run(main())

    assert complaints == []


def test_several_loops_may_use_it_at_once() -> None:
    off_loop, answers = OffLoop(), list[bool]()

    def use(number: int) -> None:
        expected = [number * 100 + each for each in range(50)]

        async def main() -> list[int]:
            return await asyncio.gather(*(off_loop.run(partial(int, each)) for each in expected))

        answers.append(asyncio.run(main()) == expected)

    loops = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()

    assert answers == [True] * 4


def test_without_threads_there_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    off_loop = OffLoop()

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KameleoonError, match="thread"):
            asyncio.run(off_loop.run(lambda: 1))

    assert asyncio.run(off_loop.run(lambda: 2)) == 2  # nothing is left of it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_all_its_threads_to_itself(gate: Gate) -> None:
    off_loop = OffLoop(most=1)

    async def main() -> int:
        call = asyncio.create_task(off_loop.run(gate))
        while not gate.begun:
            await asyncio.sleep(0)
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(None)  # the parent's
            os._exit(asyncio.new_event_loop().run_until_complete(off_loop.run(lambda: 7, PATIENCE_SECONDS)))
        status = os.waitpid(child, 0)[1]
        gate.opened.set()
        await call
        return os.waitstatus_to_exitcode(status)

    assert asyncio.run(main()) == 7


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_program() -> None:
    program = """
import asyncio, threading
from openfeature_kameleoon.off_loop import OffLoop

async def main():
    try:
        await OffLoop().run(threading.Event().wait, 0.05)
    except TimeoutError:
        print("gave up")

asyncio.run(main())
"""
    started = time.monotonic()

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)

    assert (done.stdout, done.stderr) == ("gave up\n", "")
    assert time.monotonic() - started < 10
