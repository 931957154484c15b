"""Children of the test's process, forked to do some work: one that hangs shows its stacks and is ended.

By an alarm, whose handler is written in C: ``dump_traceback_later``, which the test runner uses as well, waits for ever
in a child for a thread that only the parent has.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
import traceback
from collections.abc import Callable

import pytest

__all__ = ["CHILD_SECONDS", "FORKS", "ends_well", "forked", "outcome_of"]

CHILD_SECONDS = 5
STDERR = 2

FORKS = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    # From 3.12 on Python warns of forking beside threads, which is what is tested.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
"""Marks of a module whose tests fork."""


def forked(work: Callable[[], object], *, seconds: int = CHILD_SECONDS) -> int:
    """Fork a child that does this work, and then ends without any clean-up; its process id.

    Its exit code is 0 if the work returned, and did not return ``False``.
    """
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        faulthandler.register(signal.SIGALRM, file=STDERR, chain=True)
        signal.alarm(seconds)
        status = 0 if work() is not False else 1
    except BaseException:
        os.write(STDERR, traceback.format_exc().encode())
    finally:
        os._exit(status)


def outcome_of(child: int, *, seconds: float = 4 * CHILD_SECONDS) -> int:
    """The exit code of a child once it has ended; negative for a signal, which its alarm is one of."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def ends_well(work: Callable[[], object]) -> bool:
    """Whether a forked child does this work and ends by itself."""
    return outcome_of(forked(work)) == 0
