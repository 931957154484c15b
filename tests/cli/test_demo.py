"""``demo``: everything at a glance, offline."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openfeature_kameleoon.cli.demo import NEXT
from tests.cli.running import Run

ENDLESS = ("serve --data-file flags.json", "YOUR_SITE_CODE")
"""How commands end that cannot be tried out here."""


def test_the_demo_shows_values_variants_and_reasons_of_all_kinds(run: Run) -> None:
    result = run("demo", "--output", "json")

    answers = json.loads(result.stdout)["answers"]
    assert result.exit_code == 0
    assert {answer["visitor"] for answer in answers} == {"ada", "ben", "chloe", "dan"}
    assert len(answers) == 4 * 9
    assert {answer["reason"] for answer in answers} == {"STATIC", "TARGETING_MATCH", "SPLIT", "DEFAULT", "DISABLED"}
    assert {answer["type"] for answer in answers} == {"boolean", "string", "object"}
    assert [answer for answer in answers if answer["error_code"]] == []


def test_the_demo_shows_a_hook_at_work_and_an_explanation(run: Run) -> None:
    result = run("demo")

    assert result.exit_code == 0
    assert result.stderr == ""
    assert "Flag evaluation {" in result.stdout
    assert "'flag_key': 'search_ranking'" in result.stdout
    assert "'variant': 'control', 'value': 'bm25'" in result.stdout
    assert "├── rule 7001: does not apply" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_demo_shows_a_change_arrive_live_and_a_conversion_on_the_other_side(run: Run) -> None:
    result = run("demo")

    steps = [line.partition(" s  ")[2] for line in result.stdout.splitlines() if " s  " in line]
    assert result.stderr == ""
    assert "Both have priority_support for dan: False, False." in steps
    switched = steps.index("On the server it is switched on for dan, and for nobody else.")
    assert {line.partition(":")[0] for line in steps[switched + 1 : switched + 3]} == {"Streaming", "Polling"}
    assert steps[-1] == "The server was told: conversion of 'dan' goalId=4401 revenue=49.9 negative=false"
    assert steps[-2].startswith("The server was told: experiment of 'dan'")


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
def test_without_the_extra_the_demo_shows_the_rest_and_says_what_is_missing(absent: str) -> None:
    program = f"import sys; sys.modules[{absent!r}] = None; from openfeature_kameleoon.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", program, "demo"], capture_output=True, encoding="utf-8", timeout=60, check=True
    )

    assert "pip install 'openfeature-kameleoon[server]'" in done.stdout
    assert "rule 7001: does not apply" in done.stdout
    assert NEXT[0][1] in done.stdout


def test_the_demo_leaves_no_thread_and_no_provider(run: Run) -> None:
    before = threading.enumerate()

    run("demo")

    assert threading.enumerate() == before


def test_what_the_demo_proposes_works(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    results = [run(*command.split()[1:]) for _, command in NEXT if not command.endswith(ENDLESS)]

    assert len(results) == 4
    assert [result.exit_code for result in results] == [0] * 4


def test_the_demo_writes_over_no_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text("mine", encoding="utf-8")

    result = run("demo", "--write", str(path))

    assert result.exit_code == 2
    assert "File exists" in result.stderr
    assert path.read_text(encoding="utf-8") == "mine"
