"""Credentials of the vendors' commands: where they come from, how they are stored, and that nothing ever shows them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from flask import Request, Response
from keyring.errors import KeyringLocked, NoKeyringError

from openfeature_kameleoon.cli.management.credentials import AUTOMATION, OPTIMIZELY, SERVICE, SPLIT, Credentials
from tests.cli.running import Run
from tests.cli.vendors import Vault
from tests.management.standins.automation import FULL, AutomationServer
from tests.management.standins.optimizely import OptimizelyServer
from tests.management.standins.serving import Fault, once
from tests.management.standins.split import SplitServer

ID, SECRET = FULL


@pytest.fixture
def server(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutomationServer]:
    with AutomationServer() as running:
        monkeypatch.setenv("KAMELEOON_API_URL", running.url)
        yield running


def kept(vault: Vault) -> dict[str, str]:
    return {name: text for (service, name), text in vault.held.items() if service == SERVICE}


ADVICE = {
    ("automation", "sites"): "set KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET, or KAMELEOON_ACCESS_TOKEN",
    ("split", "workspaces"): "set SPLIT_ADMIN_API_KEY, or HARNESS_TOKEN",
    ("split", "groups"): "set SPLIT_ADMIN_API_KEY",
    ("split", "role"): "set HARNESS_TOKEN",
    ("optimizely", "projects"): "set OPTIMIZELY_TOKEN",
}


@pytest.mark.parametrize(("vendor", "resource"), ADVICE)
def test_without_credentials_all_ways_are_said(vendor: str, resource: str, run: Run, vault: Vault) -> None:
    result = run(vendor, "list", resource)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: no credentials for ")
    assert ADVICE[vendor, resource] + " in the environment" in result.stderr
    assert f"openfeature-kameleoon {vendor} login" in result.stderr


def test_half_of_them_is_told_apart(run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", ID)

    result = run("automation", "list", "sites")

    assert result.exit_code == 2
    assert "KAMELEOON_CLIENT_SECRET is missing" in result.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoKeyringError("No recommended backend was available. Install one"), "No recommended backend was available"),
        (KeyringLocked(), "KeyringLocked"),
    ],
)
def test_a_keyring_that_cannot_be_read_is_told_with_the_rest(
    error: Exception, told: str, run: Run, vault: Vault
) -> None:
    vault.error = error

    listed, stored = run("automation", "list", "sites"), run("automation", "login", input=b"id\nsecret\n")

    assert (listed.exit_code, stored.exit_code) == (2, 2)
    assert listed.stderr.endswith(f"login; the keyring cannot be read: {told}\n")
    assert stored.stderr == f"Error: the keyring cannot be changed: {told}\n"


def test_without_the_extra_the_message_says_how_to_get_it(
    run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    for command in (("list", "sites"), ("login",), ("logout",)):
        result = run("automation", *command, input=b"id\nsecret\n")
        assert result.exit_code == 2
        assert "pip install 'openfeature-kameleoon[management]'" in result.stderr


def test_a_login_is_used_until_the_logout(run: Run, vault: Vault, server: AutomationServer) -> None:
    stored = run("automation", "login", input=f"{ID}\n{SECRET}\n".encode())
    while_there = run("automation", "list", "sites", "--field", "name")
    removed = run("automation", "logout")
    afterwards = run("automation", "list", "sites")

    assert stored.stderr == "the keyring has KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET now\n"
    assert "Harbour Shop" in while_there.stdout
    assert removed.stderr == "gone from the keyring: KAMELEOON_CLIENT_ID, KAMELEOON_CLIENT_SECRET\n"
    assert (kept(vault), afterwards.exit_code) == ({}, 2)
    assert run("automation", "logout").stderr == "the keyring had nothing\n"


def test_a_login_takes_the_place_of_one_of_another_kind(run: Run, vault: Vault) -> None:
    run("split", "login", input=b"an-admin-key\n")
    run("automation", "login", input=b"id\nsecret\n")

    run("automation", "login", "--kind", "token", input=b"an-access-token\n")

    assert kept(vault) == {"SPLIT_ADMIN_API_KEY": "an-admin-key", "KAMELEOON_ACCESS_TOKEN": "an-access-token"}


def test_a_terminal_is_asked_unseen(run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)

    result = run("automation", "login", input=b"my-id\nmy-secret\n")

    assert kept(vault) == {"KAMELEOON_CLIENT_ID": "my-id", "KAMELEOON_CLIENT_SECRET": "my-secret"}
    assert "Client id:" in result.stderr
    assert "my-secret" not in result.output


@pytest.mark.parametrize("typed", [b"", b"my-id\n", b"my-id\n  \n"])
def test_too_little_on_stdin_stores_nothing(typed: bytes, run: Run, vault: Vault) -> None:
    result = run("automation", "login", input=typed)

    assert (result.exit_code, kept(vault)) == (2, {})
    assert "stdin has no line for the client" in result.stderr


def test_the_environment_counts_more_than_the_keyring(
    run: Run, vault: Vault, server: AutomationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("automation", "login", input=b"another\nwrong-secret\n")
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", f" {ID}\n")
    monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", SECRET)
    vault.error = AssertionError("it is not even asked")

    assert run("automation", "list", "sites").exit_code == 0


def test_the_two_complete_each_other(
    run: Run, vault: Vault, server: AutomationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.held[SERVICE, "KAMELEOON_CLIENT_SECRET"] = SECRET
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", ID)

    assert run("automation", "list", "sites").exit_code == 0


def test_an_access_token_lets_in(run: Run, server: AutomationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"grant_type": "client_credentials", "client_id": ID, "client_secret": SECRET}
    token = server.app.test_client().post("/oauth/token", data=form).get_json()["access_token"]
    monkeypatch.setenv("KAMELEOON_ACCESS_TOKEN", token)

    assert run("automation", "list", "sites").exit_code == 0


@pytest.mark.parametrize("credentials", [AUTOMATION, SPLIT, OPTIMIZELY], ids=lambda one: one.vendor)
def test_no_option_takes_a_secret(credentials: Credentials, run: Run, vault: Vault) -> None:
    names = ("", "list", "get", "export", "login", "logout", *(["results"] if credentials is AUTOMATION else []))

    for name in names:
        told = run(*filter(None, (credentials.vendor, name, "--help"))).stdout
        words = [word for word in told.replace(",", " ").split() if word.startswith("--")]
        assert not [word for word in words if any(part in word for part in ("secret", "token", "key", "password"))]


@pytest.mark.parametrize("url", ["http://api.example.com", "ftp://127.0.0.1", "https://user:secret-word@example.com"])
@pytest.mark.parametrize(
    ("vendor", "resource"), [("automation", "sites"), ("split", "workspaces"), ("optimizely", "projects")]
)
def test_credentials_travel_by_https_alone(
    vendor: str, resource: str, url: str, run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAMELEOON_ACCESS_TOKEN", "SPLIT_ADMIN_API_KEY", "OPTIMIZELY_TOKEN"):
        monkeypatch.setenv(name, "a-secret-word")

    result = run(vendor, "--base-url", url, "list", resource)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "secret-word" not in result.stderr


# --- nothing shows them -----------------------------------------------------------------------------------------

VERBOSE = ("--verbose",)


class Parrot(Fault):
    """Refuse with the credentials that were sent in the answer."""

    def __init__(self, status: int) -> None:
        self._status = status

    def before(self, asked: Request) -> Response:
        """What lets in, in a header or in a form."""
        sent = [asked.headers.get("Authorization"), *asked.form.to_dict().values()]
        return Response(json.dumps({"message": f"refused: {sent}"}), self._status)


STATUSES = (400, 401, 403, 500)


def test_kameleoons_are_nowhere_in_what_is_written(
    run: Run, server: AutomationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", ID)
    monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", SECRET)
    written = [run(*VERBOSE, "automation", "list", "accounts", "--output", output) for output in ("table", "json")]
    for status in STATUSES:
        for place in (("POST", "/oauth/token"), ("GET", "/accounts")):
            server.strike(*[Parrot(status)] * 2, on=once(*place))
            written.append(run(*VERBOSE, "automation", "list", "accounts"))
            server.faults.clear()

    for result in written:
        assert result.output
        assert not [text for text in (SECRET, *server.oauth.tokens) if text in result.output]
    assert sum(result.exit_code == 2 for result in written) == 2 * len(STATUSES)
    assert sum("refused: " in result.stderr for result in written) == 2 * len(STATUSES)


def test_splits_are_nowhere_in_what_is_written(run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with SplitServer() as server:
        monkeypatch.setenv("SPLIT_ADMIN_API_KEY", server.admin_key)
        command = (*VERBOSE, "split", "--base-url", server.v2, "list", "workspaces", "--output", "json")
        written = [run(*command)]
        for status in STATUSES:
            server.strike(Parrot(status))
            written.append(run(*command))

    assert len(json.loads(written[0].stdout)) == 1
    assert [result.exit_code for result in written[1:]] == [2] * len(STATUSES)
    assert not [result.output for result in written if server.admin_key in result.output]
    assert "refused: " in written[1].stderr


def test_optimizelys_are_nowhere_in_what_is_written(run: Run, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with OptimizelyServer() as server:
        token = server.bearer["admin"]
        monkeypatch.setenv("OPTIMIZELY_TOKEN", token)
        command = (*VERBOSE, "optimizely", "--base-url", server.v2_url, "list", "projects", "--output", "json")
        written = [run(*command)]
        for status in STATUSES:
            server.strike(Parrot(status))
            written.append(run(*command))

    assert len(json.loads(written[0].stdout)) == 1
    assert [result.exit_code for result in written[1:]] == [2] * len(STATUSES)
    assert not [result.output for result in written if token in result.output]
    assert "refused: " in written[1].stderr
