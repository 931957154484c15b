"""``automation list``, ``get`` and ``export``, against a stand-in of the Automation API."""

from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from openfeature_kameleoon.cli.management.automation import GETTINGS, LISTINGS
from openfeature_kameleoon.management.automation import Automation
from openfeature_kameleoon.management.automation.verbs import Gets, Lists
from openfeature_kameleoon.management.rest.authentication import ANONYMOUS
from openfeature_kameleoon.management.rest.operations import operations
from tests.cli.running import Run
from tests.cli.vendors import Vault
from tests.management.standins.automation import FULL, AutomationServer, refusing
from tests.management.standins.automation_verbs import RESOURCES
from tests.management.standins.serving import once

SITE_ID = 9120
NEEDED = {"tags": ("--parameter", "type=GOAL"), "sites-integration-tools": (str(SITE_ID),)}


@pytest.fixture
def server(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutomationServer]:
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", FULL[0])
    monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", FULL[1])
    with AutomationServer() as running:
        monkeypatch.setenv("KAMELEOON_API_URL", running.url)
        yield running


def lines(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_what_can_be_listed_and_got_is_what_is_declared() -> None:
    declared = [
        operation
        for resource in Automation(authentication=ANONYMOUS).resources.values()
        for operation in operations(type(resource)).values()
    ]

    assert len(LISTINGS) == sum(isinstance(one, Lists) for one in declared)
    assert len(GETTINGS) == sum(isinstance(one, Gets) for one in declared)
    assert {"experiments", "feature-flags", "sites-integration-tools"} <= set(LISTINGS)
    assert {"experiments", "feature-flags", "sites-by-code"} <= set(GETTINGS)


@pytest.mark.parametrize("name", LISTINGS)
def test_every_list_is_shown(name: str, run: Run, server: AutomationServer) -> None:
    for resource in RESOURCES:
        server.add(resource, name=f"my {resource}", tags=["summer"])
    server.state.integration_tools[SITE_ID] = [{"name": "my tool", "settings": {"a": 1}}]

    table = run("automation", "list", name, *NEEDED.get(name, ()))
    whole = json.loads(run("automation", "list", name, *NEEDED.get(name, ()), "--output", "json").stdout)

    assert table.exit_code == 0
    assert len(table.stdout.splitlines()) == 1 + len(whole)
    assert len(whole) >= 1
    assert all(record.get("id") or record["name"] for record in whole)


def test_a_table_has_the_main_fields(run: Run, server: AutomationServer) -> None:
    server.add("experiments", name="Basket", dateModified="2026-04-01T10:00:00", mainGoalId=7)

    shown = lines(run("automation", "list", "experiments"))

    assert shown[0] == "id name description type status siteId"
    assert shown[1] == "31877 Basket CLASSIC DRAFT 9120"


def test_fields_are_chosen_by_either_name_and_from_within(run: Run, server: AutomationServer) -> None:
    fields = ("--field", "base_url", "--field", "siteId", "--field", "deviations.origin", "--field", "nmae")
    server.add("experiments", name="Basket", baseURL="https://shop.example.com/basket")

    shown = run("automation", "list", "experiments", *fields)
    data = run("automation", "list", "experiments", *fields[:4], "--output", "jsonl")

    assert lines(shown)[1] == "https://shop.example.com/basket 9120 0.5"
    assert shown.stderr == "Warning: none of them has: nmae\n"
    assert json.loads(data.stdout) == {"base_url": "https://shop.example.com/basket", "siteId": 9120}


def test_a_limit_asks_for_no_more(run: Run, server: AutomationServer) -> None:
    server.fill("goals", 900, lambda id_: {"name": f"goal {id_}"})

    data = run("automation", "list", "goals", "--limit", "3", "--output", "json")

    assert [goal["id"] for goal in json.loads(data.stdout)] == [44120, 44121, 44122]
    assert [dict(asked.query) for asked in server.asked("GET")] == [{"page": "1", "perPage": "3"}]


def test_filters_and_sorts_are_sent(run: Run, server: AutomationServer) -> None:
    for name, status in (("a", "PAUSED"), ("b", "ACTIVE"), ("c", "STOPPED"), ("d", "PAUSED")):
        server.add("experiments", name=name, status=status, siteId=SITE_ID)
    narrowed = ("--filter", f"siteId={SITE_ID}", "--filter", "status in PAUSED,STOPPED", "--sort", "-name")

    data = json.loads(run("automation", "list", "experiments", *narrowed, "--output", "json").stdout)

    assert [record["name"] for record in data] == ["d", "c", "a"]
    assert json.loads(dict(server.asked("GET")[0].query)["filter"]) == [
        {"field": "siteId", "operator": "EQUAL", "parameters": [SITE_ID]},
        {"field": "status", "operator": "IN", "parameters": ["PAUSED", "STOPPED"]},
    ]


def test_optional_fields_come_when_asked_for(run: Run, server: AutomationServer) -> None:
    server.add("experiments", name="Basket", goals=[7], tags=["summer"])

    asked = run("automation", "list", "experiments", "--optional-field", "goals", "--output", "jsonl")

    assert (json.loads(asked.stdout)["goals"], json.loads(asked.stdout)["tags"]) == ([7], [])


def test_csv_has_a_column_for_every_field(run: Run, server: AutomationServer) -> None:
    server.add("goals", name='with "quotes", and\nlines', tags=["a", "b"], unheardOf=1)

    rows = list(csv.DictReader(StringIO(run("automation", "list", "goals", "--output", "csv").stdout)))

    assert rows[0]["name"] == 'with "quotes", and\nlines'
    assert rows[0]["tags"] == '["a", "b"]'
    assert rows[0]["hasMultipleConversions"] == "false"
    assert rows[0]["unheardOf"] == "1"


@pytest.mark.parametrize(("output", "expected"), [("json", "[]\n"), ("jsonl", ""), ("table", "")])
def test_an_empty_list_is_one(output: str, expected: str, run: Run, server: AutomationServer) -> None:
    assert run("automation", "list", "goals", "--output", output).stdout == expected


def test_an_empty_csv_has_its_columns(run: Run, server: AutomationServer) -> None:
    assert run("automation", "list", "goals", "--output", "csv").stdout.startswith("id,name,siteId,type,")


def test_names_of_others_cannot_command_the_terminal(run: Run, server: AutomationServer) -> None:
    server.add("goals", name="\x1b]0;owned\x07[bold]x[/bold]")

    for output in ("table", "json", "jsonl"):
        shown = run("automation", "list", "goals", "--output", output).stdout
        assert "\x1b" not in shown
        assert "[bold]x[/bold]" in shown


def test_secrets_are_masked(run: Run, server: AutomationServer) -> None:
    for output in ("table", "json", "jsonl", "csv"):
        shown = run("automation", "list", "accounts", "--output", output).stdout
        assert "ines.moreau@example.com" in shown
        assert FULL[1] not in shown
    assert json.loads(run("automation", "list", "accounts", "--output", "jsonl").stdout)["amClientSecret"] == "***"


def test_one_is_got_by_its_ids(run: Run, server: AutomationServer) -> None:
    server.add("feature-flags", featureKey="new_basket", name="New basket")

    shown = lines(run("automation", "get", "feature-flags", "k3v9qd7w2m", "new_basket"))
    data = json.loads(run("automation", "get", "sites_by_code", "k3v9qd7w2m", "--output", "json").stdout)
    chosen = lines(run("automation", "get", "sites", str(SITE_ID), "--field", "name"))

    assert "featureKey new_basket" in shown
    assert data["id"] == SITE_ID
    assert chosen == ["Field Value", "name Harbour Shop"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "experiment"), "no resource experiment; is it experiments?"),
        (("list", "zebras"), "no resource zebras; there are accounts, "),
        (("list", "goals", "7"), "goals takes no id, not 7"),
        (("get", "goals"), "goals takes GOAL_ID, not nothing"),
        (("list", "tags"), "it needs --parameter type=... (`type`: EXPERIMENT, "),
        (("list", "tags", "--parameter", "kind=GOAL"), "no parameter kind; there are: type"),
        (("list", "goals", "--filter", "name"), "no operator in name; there are =, !=,"),
        (("list", "goals", "--sort", "-"), "FIELD or -FIELD is expected, not -"),
        (("export", "goals", "--to", "goals.xml"), "--to FILE ends in .json, .jsonl, .csv"),
        (("get", "goals", "7"), "404 Not Found"),
        (("list", "goals", "--filter", "colour=red"), "Cannot filter or sort by given field: colour"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: tuple[str, ...], message: str, run: Run, server: AutomationServer
) -> None:
    result = run("automation", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())


# --- export ---------------------------------------------------------------------------------------------------


def read(path: Path) -> list[dict[str, Any]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode("utf-8")
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        return list(csv.DictReader(StringIO(text)))
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "json.gz", "CSV"])
def test_a_whole_list_is_exported(ending: str, run: Run, server: AutomationServer, tmp_path: Path) -> None:
    server.fill("goals", 450, lambda id_: {"name": f"bût {id_}"})
    path = tmp_path / f"goals.{ending}"

    result = run("automation", "export", "goals", "--to", str(path), "--field", "id", "--field", "name")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"450 goals written to {path}\n"
    exported = read(path if ending != "CSV" else path.rename(tmp_path / "goals.csv"))
    assert [str(one["id"]) for one in exported] == [str(id_) for id_ in range(44120, 44570)]
    assert exported[-1]["name"] == "bût 44569"


def test_an_error_in_the_middle_leaves_no_file(run: Run, server: AutomationServer, tmp_path: Path) -> None:
    server.fill("goals", 900, lambda id_: {"name": f"goal {id_}"})
    server.strike(refusing(403), on=lambda asked: asked.args.get("page") == "3")

    result = run("automation", "export", "goals", "--to", str(tmp_path / "goals.json"))

    assert result.exit_code == 2
    assert "403 Forbidden" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_unless_forced(run: Run, server: AutomationServer, tmp_path: Path) -> None:
    path = tmp_path / "sites.jsonl"
    path.write_text("mine", encoding="utf-8")

    refused = run("automation", "export", "sites", "--to", str(path))
    asked = len(server.log)
    forced = run("automation", "export", "sites", "--to", str(path), "--force")

    assert (refused.exit_code, asked) == (2, 0)
    assert refused.stderr == f"Error: {path} is there already; --force writes over it\n"
    assert forced.exit_code == 0
    assert read(path)[0]["name"] == "Harbour Shop"


def test_a_forced_export_that_fails_leaves_the_older_file(run: Run, server: AutomationServer, tmp_path: Path) -> None:
    path = tmp_path / "sites.jsonl"
    path.write_text("mine", encoding="utf-8")
    server.strike(refusing(404), on=once("GET", "/sites"))

    result = run("automation", "export", "sites", "--to", str(path), "--force")

    assert result.exit_code == 2
    assert [one.name for one in tmp_path.iterdir()] == ["sites.jsonl"]
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_is_not_there_is_said(run: Run, server: AutomationServer, tmp_path: Path) -> None:
    result = run("automation", "export", "sites", "--to", str(tmp_path / "no" / "sites.json"))

    assert result.exit_code == 2
    assert result.stderr.endswith("cannot be written: No such file or directory\n")


@pytest.mark.parametrize("command", ["export", "list"])
def test_memory_does_not_grow_with_the_list(command: str, run: Run, server: AutomationServer, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        server.fill("goals", count, lambda id_: {"name": f"goal {id_}"})
        to = ("--to", str(tmp_path / f"{count}.jsonl"))
        tracemalloc.start()
        run("automation", command, "goals", *(to if command == "export" else ("--output", "csv", "--field", "id")))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(200)
    little, much = peak(500), peak(3_000)

    assert much < little + 1_500_000


# --- on a terminal ----------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(server: AutomationServer, monkeypatch: pytest.MonkeyPatch) -> AutomationServer:
    """Have all streams be a terminal, and a list of three pages."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    server.fill("goals", 450, lambda id_: {"name": f"goal {id_}"})
    return server


def test_a_bar_shows_how_far_an_export_is(run: Run, terminal: AutomationServer, tmp_path: Path) -> None:
    result = run("automation", "export", "goals", "--to", str(tmp_path / "goals.csv"))

    assert "400/450" in result.stderr
    assert result.stderr.endswith(f"450 goals written to {tmp_path / 'goals.csv'}\n")
    assert result.stdout == ""


def test_a_bar_goes_before_the_table_comes(run: Run, terminal: AutomationServer) -> None:
    result = run("automation", "list", "goals", "--limit", "250")

    assert "/250" in result.stderr
    assert "goal 44369" in result.stdout
    assert "/250" not in result.stdout


@pytest.mark.parametrize("output", ["json", "jsonl", "csv"])
def test_no_bar_stands_between_records(output: str, run: Run, terminal: AutomationServer) -> None:
    result = run("automation", "list", "goals", "--output", output)

    assert result.stderr == ""
    assert "goal 44120" in result.stdout
