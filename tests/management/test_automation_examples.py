"""The tutorials and use cases of the Automation API run as they are, against a server that keeps state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.management.standins.automation import FULL, AutomationServer
from tests.shops import EXAMPLES

SITE = "k3v9qd7w2m"
STRICT = [sys.executable, "-X", "dev", "-X", "utf8", "-W", "error"]
"""An interpreter that lets nothing pass."""


@pytest.fixture
def server() -> Iterator[AutomationServer]:
    with AutomationServer() as running:
        yield running


def run(server: AutomationServer, name: str, *arguments: str | Path, status: int = 0) -> list[str]:
    """The lines that an example prints; it must end so, and warn of nothing."""
    client_id, client_secret = FULL
    done = subprocess.run(
        [*STRICT, str(EXAMPLES / "automation" / f"{name}.py"), *map(str, arguments)],
        env={
            **os.environ,
            "KAMELEOON_CLIENT_ID": client_id,
            "KAMELEOON_CLIENT_SECRET": client_secret,
            "KAMELEOON_API_URL": server.url,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, ""), f"{done.stdout}\n{done.stderr}"
    assert client_secret not in done.stdout
    return done.stdout.splitlines()


def held(server: AutomationServer, resource: str, id: int) -> dict[str, Any]:
    """An object of the server's, to look at and to change."""
    found = server.state.objects[resource].get(id)
    assert found is not None
    return found


def launched(server: AutomationServer) -> int:
    """Launch the tutorial's experiment; its id."""
    run(server, "launch_experiment", SITE)
    (experiment,) = server.state.objects["experiments"]
    return int(experiment["id"])


def test_an_experiment_is_created_updated_and_launched(server: AutomationServer) -> None:
    output = run(server, "launch_experiment", SITE)

    assert output == ["Free shipping banner: ACTIVE, 2 variations, goals 1"]
    (experiment,) = server.state.objects["experiments"]
    assert experiment["targetingConfiguration"] == "SAVED_TEMPLATE"
    assert sum(experiment["deviations"].values()) == pytest.approx(1)


def test_the_winner_is_named(server: AutomationServer) -> None:
    experiment = launched(server)
    (goal,) = server.state.objects["goals"]
    better, worse = held(server, "experiments", experiment)["variations"]
    server.reports.numbers[better, goal["id"]] = {"reliability": 98.7, "improvementRate": 22.5, "conversionRate": 4.9}
    server.reports.numbers[worse, goal["id"]] = {"reliability": 61.2, "improvementRate": 2.5, "conversionRate": 4.1}

    output = run(server, "find_winner", str(experiment))

    assert output[-1] == "Winner: Banner on top"
    assert any(line.startswith("Original: ") for line in output)
    assert any("Banner on top" in line and "+22.5 %, reliability 98.7%" in line for line in output)


def test_a_flag_lives_through_its_tutorial(server: AutomationServer) -> None:
    output = run(server, "flag_life_cycle", SITE)

    assert output == [
        "environments: development, staging, production",
        "Everybody, carefully: 50 %, rolled back below 25 %",
    ]


def test_the_code_of_ended_experiments_is_collected(server: AutomationServer) -> None:
    experiment = launched(server)
    ended = held(server, "experiments", experiment)
    ended |= {"status": "STOPPED", "dateStatusModified": "2026-11-01T00:00:00"}
    (goal,) = server.state.objects["goals"]
    server.reports.numbers[ended["variations"][0], goal["id"]] = {"reliability": 99.0, "improvementRate": 10.0}

    output = run(server, "finished_code", "2026-03-01T00:00:00")

    assert output[0] == "/* Free shipping banner: Banner on top, +10.0 % */"
    assert "document.body.dataset.banner = 'top';" in output


def test_accounts_are_created_in_bulk_and_what_fails_is_told(server: AutomationServer, tmp_path: Path) -> None:
    accounts = [
        {
            "email": f"person{number}@example.com",
            "firstName": "P",
            "lastName": str(number),
            "password": "s3cret!x",
            "passwordConfirm": "s3cret!x",
        }
        for number in range(30)
    ]
    accounts[7]["preferredLocale"] = "tlh"
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps(accounts), encoding="utf-8")

    output = run(server, "bulk_accounts", path)

    assert output[0].startswith("person7@example.com: POST ")
    assert "400 Bad Request: preferredLocale" in output[0]
    assert output[1:] == ["29 created, 1 failed"]
    assert len(list(server.state.objects["accounts"])) == 1 + 29


def test_site_codes_become_site_ids(server: AutomationServer) -> None:
    server.add("sites", name="Second", url="https://b.example", code="bbbbbbbbbb")

    output = run(server, "site_ids", SITE, "bbbbbbbbbb")

    assert output[0] == f"{SITE} 9120"
    assert output[1].startswith("bbbbbbbbbb ")


def test_code_is_kept_in_a_folder_and_deployed_from_it(server: AutomationServer, tmp_path: Path) -> None:
    experiment = launched(server)
    variation = held(server, "experiments", experiment)["variations"][0]

    (exported,) = run(server, "code_in_git", "export", SITE, tmp_path)
    script = tmp_path / "variations" / str(variation) / "variation.js"
    assert exported.endswith("files exported")
    assert script.read_text() == "document.body.dataset.banner = 'top';"

    script.write_text("document.body.dataset.banner = 'bottom';")
    assert run(server, "code_in_git", "deploy", SITE, tmp_path) == [f"variations {variation}: js_code deployed"]
    assert held(server, "variations", variation)["jsCode"] == "document.body.dataset.banner = 'bottom';"


def test_code_that_was_edited_in_kameleoon_is_not_overwritten(server: AutomationServer, tmp_path: Path) -> None:
    experiment = launched(server)
    variation = held(server, "experiments", experiment)["variations"][0]
    run(server, "code_in_git", "export", SITE, tmp_path)
    held(server, "variations", variation)["jsCode"] = "edited()"
    (tmp_path / "variations" / str(variation) / "variation.js").write_text("mine()")

    output = run(server, "code_in_git", "deploy", SITE, tmp_path, status=1)

    assert output == [
        f"variations/{variation}/variation.js: edited in Kameleoon since it was exported, left alone",
    ]
    assert held(server, "variations", variation)["jsCode"] == "edited()"


def test_a_dashboard_of_results_is_written_and_its_figures_are_kept(server: AutomationServer, tmp_path: Path) -> None:
    launched(server)
    page = tmp_path / "dashboard.html"

    first = run(server, "results_dashboard", page)
    asked = len(server.asked("POST"))
    second = run(server, "results_dashboard", page)

    assert first == second == ["3 rows written"]
    assert "Free shipping banner" in page.read_text()
    assert len(server.asked("POST")) == asked + 1  # the token: no report was asked for again


def test_goals_and_segments_are_created_on_every_site(server: AutomationServer) -> None:
    launched(server)  # a goal and a segment on the first site
    server.add("sites", name="Second", url="https://b.example", code="bbbbbbbbbb")

    assert run(server, "goals_everywhere", SITE) == ["bbbbbbbbbb: 1 goals and 1 segments created"]
    assert run(server, "goals_everywhere", SITE) == ["bbbbbbbbbb: 0 goals and 0 segments created"]
    assert {goal["name"] for goal in server.state.objects["goals"]} == {"Order placed"}
    assert len(list(server.state.objects["segments"])) == 2


@pytest.mark.parametrize("path", sorted((EXAMPLES / "automation").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it(path: Path) -> None:
    assert f"Run: python examples/automation/{path.name}" in path.read_text(encoding="utf-8")
