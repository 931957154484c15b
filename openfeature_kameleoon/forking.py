"""What a forked child must make anew: locks that a thread of the parent held at that moment, connections, threads.

First everything is renewed, then threads are started: none of them meets anything that is still the parent's.
A fork waits a moment for what it must not interrupt, never for longer. One that Python is not told of is noticed later.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from .under_uwsgi import call_in_workers, is_before_the_workers

__all__ = [
    "Pausable",
    "Renewable",
    "Resumable",
    "notice_fork",
    "pause_while_forking",
    "renew_after_fork",
    "resume_after_fork",
    "threads_must_wait",
]


class Renewable(Protocol):
    """Something that a forked child cannot use as its parent left it."""

    def renew(self) -> None:
        """Make anew what the child must not share; runs in the child, before anything else there."""


class Resumable(Protocol):
    """Something that has threads, or that needs others to have been renewed."""

    def resume(self) -> None:
        """Go on in the child, with threads of its own if the parent had any; runs once everything is renewed."""


class Pausable(Protocol):
    """Something whose threads use a library that does not survive a fork in the middle of a call."""

    def pause(self) -> None:
        """Keep other threads out of it; runs in the parent before a fork, and waits for a moment at most."""

    def proceed(self) -> None:
        """Let them in again; runs in the parent after the fork, even if ``pause`` waited in vain."""


_alive: weakref.WeakSet[Renewable] = weakref.WeakSet()
_pausable: weakref.WeakSet[Pausable] = weakref.WeakSet()
_resumable: weakref.WeakSet[Resumable] = weakref.WeakSet()


def renew_after_fork(owner: Renewable) -> None:
    """Have ``owner.renew()`` called in every child that this process forks, for as long as the owner lives."""
    _alive.add(owner)


def resume_after_fork(owner: Resumable) -> None:
    """Have ``owner.resume()`` called in every such child after all owners were renewed."""
    _resumable.add(owner)


def pause_while_forking(owner: Pausable) -> None:
    """Have ``owner.pause()`` and ``owner.proceed()`` called around every fork of this process."""
    _pausable.add(owner)


class _Here:
    """The process that everything was made for."""

    def __init__(self) -> None:
        self.has_workers_to_come = is_before_the_workers()
        self.waiting: weakref.WeakSet[Resumable] = weakref.WeakSet()
        self.enter()

    def enter(self) -> None:
        """It is this one."""
        self.process = os.getpid()
        self.lock = threading.Lock()


_here = _Here()


def threads_must_wait(owner: Resumable | None = None) -> bool:
    """Whether no thread may be started yet, as workers are to be forked from here.

    ``owner.resume()`` is called once one may be, in this process, too, if it becomes a worker itself.
    """
    if _here.has_workers_to_come and owner is not None:
        _here.waiting.add(owner)
    return _here.has_workers_to_come


def notice_fork() -> None:
    """In a child that was forked behind Python's back make everything anew, unless that is done; cheap elsewhere."""
    if os.getpid() != _here.process:
        with _here.lock:
            if os.getpid() != _here.process:
                _here.has_workers_to_come = False
                _renew_all()
                _here.enter()


def _begin_worker() -> None:
    """In a worker of uWSGI, which need not be a child."""
    is_waiting, _here.has_workers_to_come = _here.has_workers_to_come, False
    if os.getpid() != _here.process:
        notice_fork()
    elif is_waiting:
        for owner in list(_here.waiting):
            owner.resume()


def _pause_all() -> None:
    for owner in list(_pausable):
        owner.pause()


def _proceed_all() -> None:
    for owner in list(_pausable):
        owner.proceed()


def _forked() -> None:
    _here.has_workers_to_come = False
    _here.enter()
    _renew_all()


def _renew_all() -> None:
    for owner in list(_alive):
        owner.renew()
    for resumable in list(_resumable):
        resumable.resume()


# Once for the process: the interpreter's list of fork handlers is one from which nothing can be taken off.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_pause_all, after_in_parent=_proceed_all, after_in_child=_forked)
    call_in_workers(_begin_worker)
