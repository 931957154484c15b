"""A program that has events to report and comes to an end: ``python -m benchmarks.producing`` and what runs it.

Each visitor is one experiment and one conversion; they come on schedule, two events every two milliseconds. How
it ends, or forks, is a row of `COURSES`. The program says when it begins and when all is produced, on its output.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from .anchors import Connected, Who, connected
from .arrivals import EVENTS_PER_VISITOR, visitor_code
from .data import EXP3
from .loopback import Loopback

__all__ = ["COURSES", "EVENTS_PER_SECOND", "GOAL", "Program", "started"]

EVENTS_PER_SECOND = 1_000
GOAL = 4401
PARENTS_SHARE = 10
"""One in so many visitors comes before a fork, and their events wait in the parent."""

CHILD_WAITS_SECONDS = 4.0
LONGEST_SECONDS = 120.0

Course: TypeAlias = Callable[[Connected, int], object]


def _produce(opened: Connected, numbers: range) -> None:
    get_variation, track_conversion = opened.client.get_variation, opened.client.track_conversion
    start = time.monotonic()
    for position, number in enumerate(numbers):
        wait = start + position * EVENTS_PER_VISITOR / EVENTS_PER_SECOND - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        code = visitor_code(number)
        get_variation(code, EXP3)
        track_conversion(code, GOAL, 1.0)


def _then(end: Callable[[Connected], object]) -> Course:
    def course(opened: Connected, visitors: int) -> None:
        _produce(opened, range(visitors))
        _say_when()
        end(opened)

    return course


def _terminate(_: Connected) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _terminate_handled(opened: Connected) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _terminate(opened)


def _fork(opened: Connected, visitors: int) -> None:
    """Have a child of a process whose client is there already produce; what waits at the fork is the parent's."""
    parents = visitors // PARENTS_SHARE
    _produce(opened, range(parents))
    child = os.fork()
    if not child:
        _produce(opened, range(parents, visitors))
        time.sleep(CHILD_WAITS_SECONDS)
        os._exit(0)
    os.waitpid(child, 0)
    _say_when()


COURSES: Mapping[str, Course] = {
    "end of program": _then(lambda _: None),
    "shutdown": _then(lambda opened: opened.close()),
    "sys.exit": _then(lambda _: sys.exit(0)),
    "SIGTERM": _then(_terminate),
    "SIGTERM with a handler": _then(_terminate_handled),
    "when told to": _then(lambda _: sys.stdin.read()),
    "fork": _fork,
}
EXIT_STATUS = {"SIGTERM": -signal.SIGTERM}


class Program:
    """A producing program that runs; times are monotonic."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[bytes], status: int) -> None:
        self._process = process
        self._complaints = complaints
        self._status = status

    def when(self) -> float:
        """Wait until it begins to produce, and the second time until it has produced all; when that was."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._check()
            raise RuntimeError("a producing program did not say when")
        return float(json.loads(line))

    def end(self) -> float:
        """Tell it to end if it waits for that, and wait until it is gone; when that was."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        now = time.monotonic()
        self._check()
        return now

    def _check(self) -> None:
        if self._process.wait() != self._status:
            self._complaints.seek(0)
            complaint = self._complaints.read().decode(errors="replace").strip()[-500:]
            raise RuntimeError(f"a producing program ended with {self._process.returncode}: {complaint}")


@contextmanager
def started(who: Who, loopback: Loopback, site_code: str, visitors: int, course: str) -> Iterator[Program]:
    """Run the program; it is killed when it has not ended in minutes."""
    arguments = [who, str(loopback.port), site_code, str(visitors), course]
    command = [sys.executable, "-m", "benchmarks.producing", *arguments]
    root = Path(__file__).parent.parent
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=complaints, cwd=root, text=True) as process,
    ):
        overdue = threading.Timer(LONGEST_SECONDS, process.kill)
        overdue.start()
        try:
            yield Program(process, complaints, EXIT_STATUS.get(course, 0))
        finally:
            overdue.cancel()
            process.kill()


def _say_when() -> None:
    print(json.dumps(time.monotonic()), flush=True)


def main() -> None:
    """Get ready, and take a course."""
    who, port, site_code, visitors, course = sys.argv[1:]
    opened = connected("ours" if who == "ours" else "peer", int(port), site_code)
    _say_when()
    COURSES[course](opened, int(visitors))


if __name__ == "__main__":
    main()
