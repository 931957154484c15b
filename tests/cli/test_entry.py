"""The command as a process of its own: how it starts, fails, is interrupted, and is read by half."""

from __future__ import annotations

import json
import signal
from importlib import metadata
from pathlib import Path

import pytest

from openfeature_kameleoon.cli import main
from tests.chaos import wait_until
from tests.cli.running import process

CLI = ("-m", "openfeature_kameleoon.cli")
PATIENCE_SECONDS = 20


def test_the_installed_command_is_this_one() -> None:
    scripts = metadata.entry_points(group="console_scripts", name="openfeature-kameleoon")

    assert [script.load() for script in scripts] == [main]


def test_the_module_runs_the_demo_offline() -> None:
    with process(*CLI, "demo", "--output", "json") as child:
        stdout, stderr = child.communicate(timeout=PATIENCE_SECONDS)

    assert (child.returncode, stderr) == (0, "")
    assert len(json.loads(stdout)["answers"]) == 36


@pytest.mark.parametrize("absent", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(absent: str) -> None:
    program = f"import sys; sys.modules[{absent!r}] = None; from openfeature_kameleoon.cli import main; main()"

    with process("-c", program) as child:
        stdout, stderr = child.communicate(timeout=PATIENCE_SECONDS)

    assert (child.returncode, stdout) == (2, "")
    assert stderr == "the command line needs click and rich: pip install 'openfeature-kameleoon[cli]'\n"


def test_another_module_that_is_missing_is_not_blamed_on_the_extra() -> None:
    program = "import sys; sys.modules['csv'] = None; from openfeature_kameleoon.cli import main; main()"

    with process("-c", program) as child:
        _, stderr = child.communicate(timeout=PATIENCE_SECONDS)

    assert child.returncode == 1
    assert "import of csv halted" in stderr


def test_an_error_is_one_line_without_traceback(tmp_path: Path) -> None:
    path = tmp_path / "no.json"

    with process(*CLI, "flags", "--data-file", str(path)) as child:
        stdout, stderr = child.communicate(timeout=PATIENCE_SECONDS)

    assert (child.returncode, stdout) == (2, "")
    assert stderr == f"Error: the data file {path} cannot be read: No such file or directory\n"


def test_an_interrupt_leaves_no_half_file(shop: str, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    arguments = ("--visitors", "-", "--output", str(output), "--data-file", shop)

    with process(*CLI, "assign", "search_ranking", *arguments) as child:
        assert child.stdin is not None
        child.stdin.write("ada\n" * 30_000)
        child.stdin.flush()
        wait_until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()), PATIENCE_SECONDS)
        child.send_signal(signal.SIGINT)
        child.wait(PATIENCE_SECONDS)

    assert child.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_ends_it_quietly(shop: str, tmp_path: Path) -> None:
    visitors = tmp_path / "codes.csv"
    visitors.write_text("ada\n" * 200_000, encoding="utf-8")
    arguments = ("--visitors", str(visitors), "--output", "-", "--data-file", shop)

    with process(*CLI, "assign", "search_ranking", *arguments) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "visitor_code,variation_key\n"
        child.stdout.close()
        stderr = child.stderr.read()
        child.wait(PATIENCE_SECONDS)

    assert "Traceback" not in stderr
    assert "Error" not in stderr
