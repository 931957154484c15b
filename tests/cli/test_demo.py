"""``demo``: everything at a glance, offline."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from openfeature_kameleoon.cli.demo import NEXT
from tests.cli.running import Run


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


def test_the_demo_leaves_no_thread_and_no_provider(run: Run) -> None:
    before = threading.enumerate()

    run("demo")

    assert threading.enumerate() == before


def test_what_the_demo_proposes_works(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    results = [run(*command.split()[1:]) for _, command in NEXT if "YOUR_SITE_CODE" not in command]

    assert len(results) == 4
    assert [result.exit_code for result in results] == [0] * 4


def test_the_demo_writes_over_no_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text("mine", encoding="utf-8")

    result = run("demo", "--write", str(path))

    assert result.exit_code == 2
    assert "File exists" in result.stderr
    assert path.read_text(encoding="utf-8") == "mine"
