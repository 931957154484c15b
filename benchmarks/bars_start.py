"""Bars 16, 17 and 18: what it takes to import, to install, and to give the first answer.

Everything is done in fresh subprocesses, ours and the peer's in turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import anchors
from .loopback import served
from .measure import Effort, Rounds, Row, at_least, at_most

__all__ = ["BARS"]

ROOT = Path(__file__).parent.parent

IMPORT = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, len(sys.modules), *{network}.intersection(sys.modules))
"""
NETWORK_MODULES = frozenset({"aiohttp", "http.client", "requests", "ssl", "urllib3"})
MODULES = {"ours": "openfeature_kameleoon", "peer": "kameleoon_openfeature.kameleoon_provider"}

INSTALLED = """
import importlib.metadata, pathlib, sysconfig
files = [f for f in pathlib.Path(sysconfig.get_path("purelib")).rglob("*") if f.suffix != ".pyc" and f.is_file()]
print(len(list(importlib.metadata.distributions())), sum(f.stat().st_size for f in files))
"""
PACKAGES = {"ours": str(ROOT), "peer": "kameleoon-openfeature"}


def import_time(effort: Effort) -> list[Row]:
    """Bar 16: ``import`` alone, in a new interpreter each time."""
    seconds: dict[str, list[float]] = {name: [] for name in MODULES}
    modules: dict[str, int] = {}
    network: dict[str, list[str]] = {}
    for attempt in range(1 + effort.launches):
        for name, module in MODULES.items():
            script = IMPORT.format(module=module, network=set(NETWORK_MODULES))
            taken, loaded, *network[name] = _printed_by([sys.executable, "-c", script])
            modules[name] = int(loaded)
            if attempt:  # the first one fills the disk cache
                seconds[name].append(float(taken))
    rounds = Rounds(seconds)
    note = f"network modules loaded: {', '.join(sorted(network['ours'])) or 'none'}"
    return [
        Row(16, "import", "x the peer", rounds.ratio("ours", "peer"), at_most(0.5, 0.25), 1.0, note),
        Row(16, "import", "ms", 1e3 * rounds.median("ours"), peer=1e3 * rounds.median("peer")),
        Row(16, "modules after the import", "modules", modules["ours"], peer=modules["peer"]),
    ]


def installed(effort: Effort) -> list[Row]:
    """Bar 17: distributions and bytes that ``pip install`` puts into an empty environment."""
    del effort  # one installation says it all
    counts: dict[str, int] = {}
    megabytes: dict[str, float] = {}
    for name, package in PACKAGES.items():
        with tempfile.TemporaryDirectory() as directory:
            venv.create(directory, with_pip=True)
            python = str(Path(directory) / "bin" / "python")
            before = [int(number) for number in _printed_by([python, "-c", INSTALLED])]
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _printed_by([*pip, package])
            after = [int(number) for number in _printed_by([python, "-c", INSTALLED])]
        counts[name] = after[0] - before[0]
        megabytes[name] = (after[1] - before[1]) / 1e6
    return [
        Row(17, "core only", "distributions", counts["ours"], at_most(13, 11, noisy=False), counts["peer"]),
        Row(17, "core only", "MB", megabytes["ours"], at_most(6, 4, noisy=False), megabytes["peer"]),
    ]


def cold_start(effort: Effort) -> list[Row]:
    """Bar 18: from before the import to the first answer; our file from disk, the peer's over loopback."""
    rows = []
    for flags, limit in ((100, at_least(3.5, 5)), (10_000, at_least(5, 8))):
        with tempfile.TemporaryDirectory() as directory:
            path = anchors.written(directory, flags)
            with served(path.parent) as loopback:
                rounds = _cold_starts(path, loopback.port, max(3, effort.launches // 2))
        what = f"cold start to the first answer, {flags:,} flags"
        own, peer = (1e3 * rounds.median(name) for name in ("ours", "peer"))
        rows.append(Row(18, what, "x faster than the peer", rounds.ratio("peer", "ours"), limit))
        rows.append(Row(18, what, "ms", own, peer=peer))
    return rows


def _cold_starts(path: Path, port: int, launches: int) -> Rounds:
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for attempt in range(1 + launches):
        for name, taken in seconds.items():
            command = [sys.executable, "-m", "benchmarks.cold_start", name, str(path), str(port)]
            (printed,) = _printed_by(command)
            if attempt:
                taken.append(float(printed))
    return Rounds(seconds)


def _printed_by(command: Sequence[str]) -> list[str]:
    """Words on the last line of a command's output; its complaint is raised when it fails."""
    # Both sides start from bytecode, as they do where they are installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-500:]}")
    return (done.stdout.splitlines() or [""])[-1].split()


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {16: import_time, 17: installed, 18: cold_start}
