"""``status``: what a site's services say, and which events wait on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import reply
from tests.cli.running import Run
from tests.faces import flag, rule, site
from tests.kameleoon import DATA_FILE, EVENTS, SSE, TOKEN, FakeKameleoon

SITE = site(flag("f", rule(1, ("on", 1))), flag("g"), configuration={"realTimeUpdate": True})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKameleoon]:
    """Kameleoon, as far as the command can tell."""
    with FakeKameleoon(SITE) as server:
        here = server.endpoints
        monkeypatch.setattr(Endpoints, "for_domain", lambda domain: here)
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> str:
    """A file of settings with credentials and a directory for events."""
    path = tmp_path / "settings.yaml"
    path.write_text(f"client_id: id\nclient_secret: canary\ntracking_directory: {tmp_path}/tracking\n")
    return str(path)


def facts(run: Run, *arguments: str, exit_code: int = 0) -> Any:
    result = run("status", "--site-code", "site", "--output", "json", *arguments)
    assert result.exit_code == exit_code, result.output
    assert "canary" not in result.output
    return json.loads(result.stdout)


def test_all_is_well(run: Run, server: FakeKameleoon, settings: str) -> None:
    found = facts(run, "--config", settings)

    assert found["data_file"].pop("age_seconds") >= 0
    assert found == {
        "data_file": {
            "state": "ready",
            "source": "network",
            "modified": "2026-09-20T10:26:40+00:00",
            "flags": 2,
            "problems": 0,
            "problem": "",
        },
        "stream": {"state": "open", "problem": ""},
        "token": {"state": "valid", "problem": ""},
        "waiting": [],
    }


def test_it_is_a_table_for_people(run: Run, server: FakeKameleoon, settings: str) -> None:
    result = run("status", "--site-code", "site", "--config", settings)

    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert rows == [
        "site site",
        "What State Details",
        "data file ready 2 flags, modified 2026-09-20T10:26:40+00:00",
        "stream open",
        "token valid",
        "events 0 waiting",
    ]


def test_looking_reports_nothing(run: Run, server: FakeKameleoon, settings: str) -> None:
    facts(run, "--config", settings)

    assert server.requests(EVENTS) == []


@pytest.mark.parametrize(
    ("route", "part", "problem"),
    [
        (DATA_FILE, "data_file", "500"),
        (SSE, "stream", "500"),
        (TOKEN, "token", "check client_id and client_secret"),
    ],
)
def test_what_does_not_answer_is_told_and_the_exit_status_says_so(
    run: Run, server: FakeKameleoon, settings: str, route: str, part: str, problem: str
) -> None:
    server.break_down(route, reply(500))

    found = facts(run, "--config", settings, "--timeout", "1", exit_code=1)

    assert problem in found[part]["problem"]


def test_events_that_wait_on_this_machine_are_counted(run: Run, server: FakeKameleoon, settings: str) -> None:
    server.break_down(EVENTS, reply(500))
    configuration = KameleoonClientConfiguration.from_file(settings)
    with KameleoonClient("site", configuration_object=configuration) as client:
        client.wait_init()
        for number in range(3):
            client.track_conversion(f"visitor-{number}", 5)

        [waiting] = facts(run, "--config", settings)["waiting"]

    assert (waiting["events"], waiting["problem"]) == (3, "")
    assert waiting["age_seconds"] >= 0


def test_a_data_file_on_disk_has_neither_stream_nor_token(run: Run, shop: str) -> None:
    result = run("status", "--data-file", shop, "--output", "json")

    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["stream"], found["token"], found["waiting"]) == (None, None, [])
    assert found["data_file"]["state"] == "ready"
