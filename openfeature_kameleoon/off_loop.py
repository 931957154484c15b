"""Runs what would block an event loop on threads of its own, and lets coroutines wait for it.

Not asyncio's executor: that one is the application's, and a request that hangs there holds up the program's end.
Threads are daemons, named ``kameleoon-call``, and end when nothing waits any more. Loops live in real time, so the
machine's clock is read here and not an injected one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from math import inf
from typing import TypeVar

from .errors import KameleoonError
from .forking import renew_after_fork

__all__ = ["OffLoop"]

T = TypeVar("T")

APART_SECONDS = 0.002
"""Between the beginnings of two calls, which take half of it: many at once would have the loop wait for all of them."""


class OffLoop:
    """Runs calls beside event loops, ``most`` at a time, and begins them one after the other."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._next = -inf
        self._lock = threading.Lock()
        renew_after_fork(self)

    async def run(self, call: Callable[[], T], seconds: float = inf) -> T:
        """What ``call()`` gives, or raises; it sees the context variables of here.

        Raises ``TimeoutError`` when there is nothing after so many seconds, or cannot be. Then, or when the coroutine
        is cancelled, a call that has begun goes on, and nobody is told its result; one that has not never will.
        """
        # Imported here: who awaits this has it already, and all others do without.
        import asyncio  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        context = copy_context()

        def give(value: T) -> None:
            if not result.done():
                result.set_result(value)

        def fail(error: BaseException) -> None:
            if not result.done():
                result.set_exception(error)

        def work() -> None:
            if result.done():
                return
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                try:
                    value = context.run(call)
                except BaseException as error:  # the coroutine's to handle, whatever it is
                    loop.call_soon_threadsafe(fail, error)
                else:
                    loop.call_soon_threadsafe(give, value)

        wait = self._turn(seconds)
        if wait > 0:
            await asyncio.sleep(wait)
        self._begin(work)
        timer = None if seconds == inf else loop.call_later(seconds - wait, fail, TimeoutError())
        try:
            return await result
        finally:
            if timer is not None:
                timer.cancel()
            if result.done() and not result.cancelled():
                result.exception()  # it counts as seen, also when the coroutine was cancelled in this very moment

    def renew(self) -> None:
        """In a forked child: what waits or runs is the parent's."""
        self._waiting.clear()
        self._threads = 0
        self._lock = threading.Lock()

    def _turn(self, seconds: float) -> float:
        """How long to wait before beginning; ``TimeoutError`` if that is too long, so that what can wait has turns."""
        now = time.monotonic()
        with self._lock:
            turn = max(now, self._next)
            if turn - now >= seconds:
                raise TimeoutError
            self._next = turn + APART_SECONDS
        return turn - now

    def _begin(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append(work)
            is_full = self._threads >= self._most
            self._threads += not is_full
        if is_full:
            return
        try:
            threading.Thread(target=self._work, name="kameleoon-call", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
                with contextlib.suppress(ValueError):  # another thread was free to take it
                    self._waiting.remove(work)
                    raise KameleoonError("no thread could be started, and the event loop must not wait") from error

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                work = self._waiting.popleft()
            work()
