"""The programs of examples/ run as they are, offline, print what they promise and leave no thread behind.

Each runs in a process of its own and from a copy, so that it cannot lean on the checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

RUNNER = """
import os, runpy, sys, threading

def stay_offline(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        os._exit(7)

sys.addaudithook(stay_offline)
sys.path[0] = os.path.dirname(sys.argv[1])
runpy.run_path(sys.argv[1], run_name="__main__")
others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
for thread in others:
    thread.join(2)
sys.exit(", ".join(f"left behind: {thread.name}" for thread in others if thread.is_alive()) or None)
"""
"""Runs a program as ``python <program>`` does, but without a network, and looks at what it leaves."""

OUTPUT: Mapping[str, list[str]] = {
    "batch_assign.py": [
        "control: 39.9%",
        "discount: 30.0%",
        "short: 30.1%",
        "{'ann': 'on', 'bob': 'off', 'cleo': 'on'}",
    ],
    "explain_decision.py": [
        "new_checkout for visitor-42: off (DEFAULT)",
        "does not hold (customDataIndex '0', valueMatchType 'EXACT', value 'pro', seen 'free')",
        "search for visitor-42: semantic (TARGETING_MATCH)",
        "segment: matches (id 502)",
        "short SPLIT ['segment', 'exposition', 'variation']",
    ],
    "json_configuration.py": [
        "DESKTOP: SearchSettings(engine='vectors', page_size=10, boost=Boost(title=1.0, body=1.0))",
        "PHONE: SearchSettings(engine='bm25', page_size=20, boost=Boost(title=2.0, body=1.0))",
        "no provider: SearchSettings(engine='bm25', page_size=20, boost=Boost(title=1.0, body=1.0))",
    ],
    "logging_hook.py": [
        "INFO shop.flags new_checkout: variation on, TARGETING_MATCH, rule 101",
        "INFO shop.flags checkout_button: variation short, SPLIT, rule 102",
        "INFO shop.flags black_friday: variation None, DISABLED, rule none",
        "WARNING shop.flags welcome_text: default, TYPE_MISMATCH: ",
        "WARNING shop.flags no_such_flag: default, FLAG_NOT_FOUND: ",
    ],
    "multi_tenant.py": [
        "acme: sign-on True, 4000 MB, site a8st4f59bj",
        "globex: sign-on False, 250 MB, site c2dj81kx0q",
        "initech: 100 MB",
    ],
    "opentelemetry_hook.py": [
        "feature_flag.evaluation",
        "feature_flag.key: new_checkout",
        "kameleoon.siteCode: a8st4f59bj",
        "kameleoon.environment: staging",
        "kameleoon.ruleId: 101",
        "feature_flag.evaluation",
        "feature_flag.key: no_such_flag",
        "error.type: flag_not_found",
    ],
    "quickstart.py": [
        "new checkout: True",
        "button: Pay now",
        "columns: 2",
        "why: variation 'on', TARGETING_MATCH, rule 101",
        "unknown flag: False FLAG_NOT_FOUND",
    ],
}
"""What the lines of each program's output hold, in this order; other lines may stand between them."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with nothing but examples/ in it."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(*arguments: str, cwd: Path) -> str:
    """The output of a strict interpreter, which must end well and warn of nothing."""
    command = [sys.executable, "-X", "dev", "-X", "utf8", "-W", "error", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("program", OUTPUT)
def test_an_example_runs_as_it_is(program: str, copy: Path) -> None:
    lines = iter(run("-c", RUNNER, f"examples/{program}", cwd=copy).splitlines())

    missing = [expected for expected in OUTPUT[program] if not any(expected in line for line in lines)]
    assert missing == []


def test_the_visitor_is_in_no_telemetry(copy: Path) -> None:
    assert "visitor-42" not in run("examples/opentelemetry_hook.py", cwd=copy)


def test_the_tests_of_an_application_pass_offline(copy: Path) -> None:
    program = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"

    output = run("-c", program, "examples/offline_tests", cwd=copy)

    assert "5 passed" in output


def test_every_example_is_here() -> None:
    assert set(OUTPUT) == {path.name for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("program", OUTPUT)
def test_an_example_says_how_to_run_it(program: str) -> None:
    assert f"Run: python examples/{program}" in (EXAMPLES / program).read_text(encoding="utf-8")
