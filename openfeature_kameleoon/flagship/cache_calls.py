"""Calls a cache manager, whose methods may be coroutines and may hang, in order and on one thread of its own.

``kameleoon-flagship-cache`` begins with the first call. Nobody waits for it but who looks something up, and no longer
than the manager's time-out (specs/flagship.md 1.15).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import queue
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from ..forking import renew_after_fork, threads_must_wait
from .caching import CacheManager, HitCacheImplementation, VisitorCacheImplementation
from .errors import VisitorCacheTimeoutException
from .log_manager import Log, LogLevel

__all__ = ["CacheCalls"]

TAG = "Cache Manager"

MOST_WAITING = 10_000
"""Calls; a cache that cannot keep up loses what comes on top."""

LONGEST_CALL_SECONDS = 10.0
"""After which a coroutine is given up, so that those behind it get their turn."""

Call = Callable[[], Any]
Queue = queue.SimpleQueue["tuple[concurrent.futures.Future[Any], Call] | None"]


class CacheCalls:
    """One cache manager, in use for one environment. What fails is told to the log, and nobody else notices."""

    def __init__(self, manager: CacheManager, env_id: str, log: Log) -> None:
        self._manager = manager
        self._env_id = env_id
        self._log = log
        self._is_over = self._is_failing = self._has_told_of_loss = False
        self.visitors = manager if isinstance(manager, VisitorCacheImplementation) else None
        self.hits = manager if isinstance(manager, HitCacheImplementation) else None
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._queue: Queue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def renew(self) -> None:
        """In a forked child: what waits is the parent's to do, and a thread comes with the first call."""
        self._begin()

    # Any thread -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Have the database opened."""
        self.submit(lambda: self._manager.open_database(self._env_id))

    def cache_visitor(self, visitor_id: str, data: dict[str, Any]) -> None:
        """Have a visitor kept."""
        if (visitors := self.visitors) is not None:
            self.submit(lambda: visitors.cache_visitor(visitor_id, data))

    def flush_visitor(self, visitor_id: str) -> None:
        """Have a visitor forgotten."""
        if (visitors := self.visitors) is not None:
            self.submit(lambda: visitors.flush_visitor(visitor_id))

    def lookup_visitor(self, visitor_id: str) -> object:
        """What is kept of a visitor, waited for no longer than the time-out; ``None`` without an answer by then."""
        visitors = self.visitors
        if visitors is None:
            return None
        return self._answer(lambda: visitors.lookup_visitor(visitor_id))

    @property
    def timeout_seconds(self) -> float:
        """How long a lookup is waited for."""
        return self._manager.timeout / 1000

    def submit(self, call: Call) -> concurrent.futures.Future[Any] | None:
        """Have something done, after all that was asked for before; ``None`` once it is over, or where too much waits.

        That it fails is told, once for as long as others fail, too.
        """
        future = self._put(call)
        if future is not None:
            future.add_done_callback(self._tell)
        return future

    def _put(self, call: Call) -> concurrent.futures.Future[Any] | None:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if threads_must_wait():
            with contextlib.closing(_Loop()) as loop:
                _run(future, call, loop)
            return future
        with self._lock:
            if self._is_over:
                return None
            if self._queue.qsize() >= MOST_WAITING:
                self._lose()
                return None
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_work, args=(self._queue,), name="kameleoon-flagship-cache", daemon=True
                )
                self._thread.start()
            self._queue.put((future, call))
        return future

    def _answer(self, call: Call) -> object:
        future = self._put(call)
        seconds = self.timeout_seconds
        if future is None:
            return None
        try:
            return future.result(seconds)
        except Exception:  # foreign code, or time: it is told, and there is no answer
            if future.done():
                self._tell(future)
            else:
                future.cancel()
                error = VisitorCacheTimeoutException(f"the visitor cache did not answer within {seconds} s")
                self._log.tell_of(TAG, error)
        return None

    def stop(self, seconds: float) -> None:
        """Have the database closed, after all that waits, for ``seconds`` at most; later calls do nothing."""
        future = self.submit(self._manager.close_database)
        with self._lock:
            self._is_over = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join(seconds)
        if future is not None and not future.done():
            self._log.tell(TAG, LogLevel.ERROR, "the cache did not finish in time, and was left alone")

    # What fails -------------------------------------------------------------------------------------------------------

    def _tell(self, future: concurrent.futures.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        was_failing, self._is_failing = self._is_failing, error is not None
        if isinstance(error, Exception) and not was_failing:
            self._log.tell_of(TAG, error, "".join(traceback.format_exception(error)))

    def _lose(self) -> None:
        if not self._has_told_of_loss:
            self._has_told_of_loss = True
            self._log.tell(TAG, LogLevel.ERROR, "the cache does not keep up; what it should keep is lost, told once")


class _Loop:
    """An event loop that exists once a coroutine needs one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any]) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(_bounded(awaitable))

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


async def _bounded(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, LONGEST_CALL_SECONDS)


def _work(calls: Queue) -> None:
    loop = _Loop()
    try:
        while (item := calls.get()) is not None:
            _run(*item, loop)
    finally:
        loop.close()


def _run(future: concurrent.futures.Future[Any], call: Call, loop: _Loop) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        made = call()
        result = loop.run(made) if inspect.isawaitable(made) else made
    except Exception as error:  # foreign code: the thread outlives it, and whoever asked is told
        future.set_exception(error)
    except BaseException as error:  # it cancels itself, or exits: not whoever asked
        future.set_exception(RuntimeError(f"the cache raised {type(error).__name__}"))
    else:
        future.set_result(result)
