"""Times every pattern of ``evil.json`` on its subjects, as a process that can be killed.

Usage: ``measure.py [without-re2]``. It writes one JSON line before a pattern is tried (``trying``) and one after: the
``pattern`` with its ``refusal``, or with the milliseconds of the ``slowest`` match and the ``subject`` of that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

if "without-re2" in sys.argv:
    sys.modules["re2"] = None  # type: ignore[assignment]  # what makes `import re2` fail, as documented

from openfeature_kameleoon.engine.patterns import PatternRefused, compile_pattern

LENGTHS = (512, 1_024, 4_096)
"""All at which a subject may be cut, so that the tail that spoils the match is not always cut off."""
RUNS = 5
FAST_MILLISECONDS = 2.0
"""A match that is as fast as this once needs no second run."""


def main() -> None:
    for row in json.loads(Path(__file__).with_name("evil.json").read_text(encoding="utf-8")):
        pattern = row["pattern"]
        result: dict[str, object] = {}
        tell(trying=pattern)
        try:
            matches = compile_pattern(pattern)
        except PatternRefused as refusal:
            result = {"refusal": str(refusal)}
        else:
            times = [
                (milliseconds(matches, text(head, pump, tail, length)), f"{head!r}, {pump!r}, {tail!r} at {length}")
                for head, pump, tail in row["subjects"]
                for length in LENGTHS
            ]
            slowest, subject = max(times)
            result = {"slowest": slowest, "subject": subject}
        tell(pattern=pattern, **result)


def tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def text(head: str, pump: str, tail: str, length: int) -> str:
    room = length - len(head) - len(tail)
    return head + (pump * room)[:room] + tail


def milliseconds(matches: Callable[[str], bool], subject: str) -> float:
    """Of processor time, in the fastest of some runs: the machine may be busy during the others."""
    times = []
    for _ in range(RUNS):
        start = time.thread_time()
        matches(subject)
        times.append((time.thread_time() - start) * 1_000)
        if times[0] < FAST_MILLISECONDS:
            break
    return min(times)


if __name__ == "__main__":
    main()
