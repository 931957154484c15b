"""Where the data file comes from: options, environment, configuration; and what failing to get it looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import ChaosServer, hangs, reply
from tests.cli.running import Run

EVALUATE = ("evaluate", "new_checkout", "--visitor", "ada", "--output", "json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "a data file is needed: --data-file PATH|URL or --site-code CODE"),
        (["--data-file", "a", "--site-code", "b"], "--data-file and --site-code exclude each other"),
        (["--data-file", "a", "--timeout", "0"], "--timeout"),
        (["--data-file", "http://[::1"], "http://[::1 is no URL"),
    ],
)
def test_exactly_one_source_is_needed_and_must_make_sense(run: Run, options: list[str], message: str) -> None:
    result = run(*EVALUATE, *options)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_the_environment_names_a_source_that_the_command_line_overrides(
    run: Run, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAMELEOON_DATA_FILE", shop)
    by_environment = run(*EVALUATE)
    monkeypatch.delenv("KAMELEOON_DATA_FILE")
    monkeypatch.setenv("KAMELEOON_SITE_CODE", "abcdefghij")
    overridden = run(*EVALUATE, "--data-file", shop)
    monkeypatch.setenv("KAMELEOON_DATA_FILE", shop)
    undecided = run(*EVALUATE)

    assert (by_environment.exit_code, overridden.exit_code) == (0, 0)
    assert json.loads(overridden.stdout)["metadata"]["siteCode"] == "offline"
    assert undecided.exit_code == 2


@pytest.mark.parametrize("command", [EVALUATE, ("validate",), ("flags",)])
def test_a_data_file_may_be_at_a_url(run: Run, shop: str, command: tuple[str, ...]) -> None:
    with ChaosServer(reply(body=Path(shop).read_bytes())) as server:
        result = run(*command, "--data-file", f"{server.url}/somewhere.json")

        assert [request.target for request in server.received] == ["/somewhere.json"]
    assert result.exit_code == 0, result.stderr
    assert "new_checkout" in result.stdout or "9 flags" in result.stdout


@pytest.mark.parametrize("command", [EVALUATE, ("validate",)])
def test_a_site_code_fetches_the_data_file_of_an_environment(
    run: Run, shop: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChaosServer(reply(body=Path(shop).read_bytes())) as server:
        local = Endpoints(configuration=server.url)
        monkeypatch.setattr(Endpoints, "for_domain", classmethod(lambda cls, domain: local))

        result = run(*command, "--site-code", "abcdefghij", "--environment", "staging")

        assert [request.target for request in server.received] == ["/v3/abcdefghij?environment=staging"]
    assert result.exit_code == 0
    if command is EVALUATE:
        metadata = json.loads(result.stdout)["metadata"]
        assert (metadata["siteCode"], metadata["environment"]) == ("abcdefghij", "staging")


def test_a_server_that_does_not_answer_is_waited_for_as_long_as_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChaosServer(hangs()) as server:
        local = Endpoints(configuration=server.url)
        monkeypatch.setattr(Endpoints, "for_domain", classmethod(lambda cls, domain: local))

        result = run(*EVALUATE, "--site-code", "abcdefghij", "--timeout", "0.2")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert "in time" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"", "empty"),
        (b'{"featureFlags": [', "cut off"),
        (b"[]", "a JSON list"),
    ],
)
def test_a_data_file_that_cannot_be_used_is_one_line_and_status_2(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "flags.json"
    if content is not None:
        path.write_bytes(content)

    result = run(*EVALUATE, "--data-file", str(path))

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_configuration_file_is_used(run: Run, shop: str, tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_text("environment: staging\nno_such_setting: 5\n", encoding="utf-8")

    result = run(*EVALUATE, "--data-file", shop, "--config", str(path))
    missing = run(*EVALUATE, "--data-file", shop, "--config", str(tmp_path / "no.yaml"))

    assert json.loads(result.stdout)["metadata"]["environment"] == "staging"
    assert "no_such_setting" in result.stderr
    assert missing.exit_code == 2
    assert missing.stderr.startswith("Error: ")


def test_a_file_on_disk_does_not_depend_on_the_machines_configuration(
    run: Run, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "client.yaml"
    broken.write_text("- no mapping", encoding="utf-8")
    monkeypatch.setattr("openfeature_kameleoon.configuration.DEFAULT_CONFIGURATION_PATH", str(broken))

    on_disk = run(*EVALUATE, "--data-file", shop)
    of_a_site = run(*EVALUATE, "--site-code", "abcdefghij")

    assert on_disk.exit_code == 0
    assert of_a_site.exit_code == 2
    assert "a mapping of settings is expected" in of_a_site.stderr
