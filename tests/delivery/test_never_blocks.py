"""R17: however badly server and disk do, reporting an event and evaluating a flag take no longer for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chaos import hangs
from tests.delivery.accounts import SITE
from tests.kameleoon import EVENTS, FakeKameleoon

STOPWATCH = Path(__file__).with_name("stopwatch.py")
SLOW_DISK = Path(__file__).with_name("slow_disk.c")

Figures = dict[str, dict[str, float]]
"""Microseconds by percentile, by call."""


class Trouble(NamedTuple):
    """What is wrong with the server and the disk."""

    is_hanging: bool = False
    is_on_disk: bool = False
    is_slow: bool = False
    megabytes: float = 256
    events_to_fill_it: int = 0


TROUBLES = {
    "the server hangs": Trouble(is_hanging=True),
    "the server hangs, events on disk": Trouble(is_hanging=True, is_on_disk=True),
    "the disk is full": Trouble(is_hanging=True, is_on_disk=True, megabytes=0.01, events_to_fill_it=100),
    "the disk is slow": Trouble(is_on_disk=True, is_slow=True),
    "the disk is slow, the server hangs": Trouble(is_hanging=True, is_on_disk=True, is_slow=True),
}


def slow_disk(folder: Path) -> dict[str, str]:
    """The environment of a program whose disk is slow."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a slow disk is made with a C compiler, on Linux")
    library = folder / "slow_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SLOW_DISK], check=True)
    return {"LD_PRELOAD": str(library)}


def figures_of(trouble: Trouble, folder: Path, calls: int, *, is_alone: bool = False) -> Figures:
    settings: dict[str, Any] = {"shutdown_timeout_millisecond": 50}
    if trouble.is_on_disk:
        settings["tracking_directory"] = str(folder / "spool")
        settings["tracking_directory_maximum_size"] = trouble.megabytes
    environment = {**os.environ, **(slow_disk(folder) if trouble.is_slow else {})}
    with FakeKameleoon(SITE) as server:
        if trouble.is_hanging:
            server.break_down(EVENTS, hangs())
        calling = {"calls": calls, "before": trouble.events_to_fill_it, "is_alone": is_alone}
        task = {"data": server.url, "settings": settings, **calling}
        command = [sys.executable, str(STOPWATCH), json.dumps(task)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "waits for the disk" not in done.stderr
    figures: Figures = json.loads(done.stdout)
    return figures


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if name != "the server hangs, events on disk"])
def test_r17_reporting_and_evaluating_never_block(trouble: str, tmp_path: Path) -> None:
    figures = figures_of(TROUBLES[trouble], tmp_path, 500)

    for call in ("track", "evaluate"):  # a busy machine is not a failure
        assert figures[call]["p99"] <= 5_000, figures
        assert figures[call]["max"] <= 1_000_000, figures


@pytest.mark.soak
@pytest.mark.parametrize("trouble", TROUBLES)
def test_r17_reporting_and_evaluating_are_as_quick_as_promised(
    trouble: str, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    figures = figures_of(TROUBLES[trouble], tmp_path, 20_000, is_alone=True)

    record_testsuite_property(f"R17 {trouble}, microseconds", figures)
    for call in ("track", "evaluate"):
        assert figures[call]["p99.9"] <= 200, figures
        assert figures[call]["max"] <= 20_000, figures
