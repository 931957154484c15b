"""``split list``, ``get`` and ``export``, against a stand-in of Split's Admin API and of the Harness platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.cli.management.split import FROM_ELSEWHERE, GETTINGS, LISTINGS, SCOPES
from openfeature_kameleoon.management.rest.authentication import ANONYMOUS
from openfeature_kameleoon.management.rest.endpoints import Endpoint
from openfeature_kameleoon.management.rest.operations import operations
from openfeature_kameleoon.management.rest.session import Rest
from openfeature_kameleoon.management.split.client import HarnessClient
from openfeature_kameleoon.management.split.microclients.base import Microclient
from tests.cli.running import Run
from tests.cli.vendors import Vault
from tests.management.standins.split import SplitServer, failing

MAIN = ("--workspace", "Main")
PROD = (*MAIN, "--environment", "Prod")

NAMED = {
    "workspaces": ((), "Main"),
    "workspaces-rollout-statuses": (MAIN, "Ramping"),
    "restrictions": (("--resource-type", "workspace", "--resource-id", "{main}"), "{main}"),
    "environments": (MAIN, "Prod"),
    "traffic-types": (MAIN, "account"),
    "attributes": ((*MAIN, "--traffic-type", "user"), "plan"),
    "segments": (MAIN, "vips"),
    "segment-definitions": (PROD, "vips"),
    "segment-definitions-keys": ((*PROD, "--segment", "vips"), "ada"),
    "splits": ((*MAIN, "--tag", "shop"), "basket"),
    "split-definitions": (PROD, "basket"),
    "large-segments": (MAIN, "crowd"),
    "large-segment-definitions": (PROD, "crowd"),
    "rule-based-segments": (MAIN, "adults"),
    "rule-based-segment-definitions": (PROD, "adults"),
    "change-requests": (PROD, "Please"),
    "users": (("--status", "ACTIVE"), "ada@example.org"),
    "groups": ((), "Administrators"),
    "flag-sets": (MAIN, "checkout"),
}
"""What each list needs here, and something that is then in it."""

ON_HARNESS = {
    "token": "my-token",
    "harness-apikey": "my-key",
    "service-account": "my-robot",
    "harness-user": "u-1",
    "harness-user-pending": "new@example.org",
    "harness-group": "my-group",
    "role": "my-role",
    "resource-group": "my-resources",
    "role-assignment": "my-assignment",
    "harness-project": "my-project",
}


@pytest.fixture
def server(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[SplitServer]:
    with SplitServer() as running:
        monkeypatch.setenv("SPLIT_ADMIN_URL", running.v2)
        monkeypatch.setenv("HARNESS_URL", running.url)
        yield running


@pytest.fixture
def split(server: SplitServer, monkeypatch: pytest.MonkeyPatch) -> SplitServer:
    """With an admin key, and one object of each kind at least."""
    monkeypatch.setenv("SPLIT_ADMIN_API_KEY", server.admin_key)
    send(server, "PUT", "segments/{prod}/vips/uploadKeys", {"keys": ["ada", "bob"], "comment": "c"}, made=SEGMENT)
    send(server, "POST", "rule-based-segments/{prod}/adults", "", made=RULE_BASED)
    send(server, "POST", "large-segments/{prod}/crowd", "", made=LARGE)
    schema = "schema/ws/{main}/trafficTypes/{user_type}"
    send(server, "POST", schema, {"id": "plan", "trafficTypeId": server.user_type, "displayName": "Plan"})
    viewers = {"view": [{"id": server.administrators, "type": "group"}]}
    restricted = {"resource": {"id": server.main, "type": "workspace"}, "resourcePermissions": viewers}
    send(server, "PUT", "restrictions", {**restricted, "operations": {"view": True}})
    server.add_flag("basket", tags=[{"name": "shop"}])
    server.add_flag("other")
    server.define("basket", server.prod)
    server.environments[server.prod]["changePermissions"]["areApprovalsRequired"] = True
    change = {"split": {"name": "basket", "treatments": [{"name": "off"}], "defaultTreatment": "off"}}
    change["split"]["defaultRule"] = [{"treatment": "off", "size": 100}]
    said: dict[str, Any] = {
        "title": "Please",
        "comment": "c",
        "operationType": "UPDATE",
        "approvers": [],
        "rolloutStatus": None,
    }
    send(server, "POST", "changeRequests/ws/{main}/environments/{prod}", {**change, **said})
    flag_set = {"name": "checkout", "description": "d", "workspace": {"id": server.main, "type": "WORKSPACE"}}
    send(server, "POST", "flag-sets", flag_set, root="/api/v3")
    server.log.clear()
    return server


SEGMENT = [("POST", "segments/ws/{main}/trafficTypes/user", {"name": "vips"}), ("POST", "segments/{prod}/vips", "")]
RULE_BASED = [("POST", "rule-based-segments/ws/{main}/trafficTypes/user", {"name": "adults"})]
LARGE = [("POST", "large-segments/ws/{main}/trafficTypes/user", {"name": "crowd"})]


def send(
    server: SplitServer, method: str, path: str, body: object, *, root: str = "/internal/api/v2", made: Any = ()
) -> None:
    """Call the service as anybody would."""
    key = {"Authorization": f"Bearer {server.admin_key}"}
    for one_method, one_path, one_body in (*made, (method, path, body)):
        where = one_path.format_map(vars(server))
        answer = server.app.test_client().open(f"{root}/{where}", method=one_method, json=one_body, headers=key)
        assert answer.status_code < 300, answer.text


def declared() -> dict[str, Endpoint[..., Any]]:
    rest = Rest("https://localhost", ANONYMOUS)
    microclients = vars(HarnessClient(rest, rest, rest, scope={})).items()
    return {
        f"{name}.{operation}": one
        for name, microclient in microclients
        if isinstance(microclient, Microclient)
        for operation, one in operations(type(microclient)).items()
        if isinstance(one, Endpoint) and one.pages is not None
    }


def test_every_list_that_is_declared_is_offered_and_tried() -> None:
    assert len(LISTINGS) == len(declared())
    assert set(LISTINGS) == {*NAMED, *ON_HARNESS}
    assert set(LISTINGS) - set(GETTINGS) == {
        *("segment-definitions-keys", "workspaces-rollout-statuses", "harness-user-pending")
    }


def test_every_parameter_of_a_list_has_an_option() -> None:
    parameters = {name for one in declared().values() for name in list(one.signature.parameters)[1:]}

    assert parameters <= {*SCOPES, *FROM_ELSEWHERE}
    assert set(SCOPES) <= parameters


@pytest.mark.parametrize("name", NAMED)
def test_every_list_is_shown(name: str, run: Run, split: SplitServer) -> None:
    arguments, expected = NAMED[name]
    options = [one.format_map(vars(split)) for one in arguments]

    table = run("split", "list", name, *options)
    whole = json.loads(run("split", "list", name, *options, "--output", "json").stdout)

    assert table.exit_code == 0
    assert expected.format_map(vars(split)) in json.dumps(whole)
    assert len(table.stdout.splitlines()) == 1 + len(whole)


@pytest.mark.parametrize("name", [name for name in NAMED if name in GETTINGS])
def test_every_single_one_is_shown(name: str, run: Run, split: SplitServer) -> None:
    options = [one.format_map(vars(split)) for one in NAMED[name][0]]
    listed = json.loads(run("split", "list", name, *options, "--output", "json").stdout)
    known_by = listed[0].get("id") if name not in ("splits", "split-definitions") else None
    wanted = known_by or listed[0]["name"]
    needed = {"splits": MAIN, "flag-sets": ()}.get(name, options)

    found = run("split", "get", name, wanted, *needed, "--output", "json")

    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout).get("name") == listed[0].get("name")


@pytest.mark.parametrize("name", [name for name in ON_HARNESS if name in GETTINGS])
def test_every_single_one_of_the_platform_is_shown(
    name: str, run: Run, server: SplitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_harness(server, monkeypatch)

    found = run("split", "get", name, ON_HARNESS[name], "--output", "json")

    assert found.exit_code == 0, found.stderr
    assert ON_HARNESS[name] in json.loads(found.stdout).values()


def test_a_user_is_found_by_e_mail(run: Run, split: SplitServer) -> None:
    found = run("split", "get", "users", "ada@example.org", "--status", "ACTIVE", "--field", "name")

    assert found.stdout.splitlines()[1].split() == ["name", "Ada", "Fern"]


def on_harness(server: SplitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Harness token, and one object of each kind."""
    monkeypatch.setenv("HARNESS_TOKEN", server.harness_token)
    monkeypatch.setenv("HARNESS_ACCOUNT_ID", server.account)
    kinds = {
        "tokens": ("my-token", {"apiKeyType": "SERVICE_ACCOUNT"}),
        "api_keys": ("my-key", {"apiKeyType": "SERVICE_ACCOUNT", "parentIdentifier": ""}),
        "service_accounts": ("my-robot", {}),
        "groups": ("my-group", {}),
        "roles": ("my-role", {}),
        "resource_groups": ("my-resources", {}),
        "role_assignments": ("my-assignment", {}),
        "projects": ("my-project", {}),
    }
    for resource, (identifier, more) in kinds.items():
        server.scoped(resource)[identifier] = {"identifier": identifier, "name": identifier, **more}
    server.scoped("users")["u-1"] = {"uuid": "u-1", "name": "Ada", "email": "ada@example.org"}
    server.scoped("invites")["i-1"] = {"id": "i-1", "email": "new@example.org"}


@pytest.mark.parametrize("name", ON_HARNESS)
def test_every_list_of_the_platform_is_shown(
    name: str, run: Run, server: SplitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_harness(server, monkeypatch)

    table = run("split", "list", name)
    whole = json.loads(run("split", "list", name, "--output", "json").stdout)

    assert table.exit_code == 0
    assert ON_HARNESS[name] in json.dumps(whole)
    assert len(table.stdout.splitlines()) == 1 + len(whole)


def test_a_list_of_the_platform_that_fails_is_no_empty_one(
    run: Run, server: SplitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_harness(server, monkeypatch)
    server.strike(failing(403, "Not for you"))

    result = run("split", "list", "role")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Not for you" in result.stderr


def test_the_platform_needs_an_account(run: Run, server: SplitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_TOKEN", server.harness_token)

    result = run("split", "list", "role")

    assert result.exit_code == 2
    assert "it needs the account: HARNESS_ACCOUNT_ID, or split --account ID" in result.stderr


def test_harness_mode_lists_flags_too(run: Run, split: SplitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLIT_ADMIN_API_KEY")
    monkeypatch.setenv("HARNESS_TOKEN", split.harness_token)

    data = run("split", "list", "splits", *MAIN, "--output", "json", "--field", "name").stdout

    assert json.loads(data) == [{"name": "basket"}, {"name": "other"}]
    assert split.log[-1].headers["X-Api-Key"] == split.harness_token


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("splits",), "it needs --workspace NAME_OR_ID"),
        (("split-definitions", *MAIN), "it needs --environment NAME_OR_ID"),
        (("splits", "--workspace", "Mian"), "there is no workspace Mian; there are: Main"),
        (
            ("split-definitions", *MAIN, "--environment", "prod"),
            "there is no environment prod; there are: Prod, Staging",
        ),
        (("workspaces", "--status", "ACTIVE"), "it takes no --status"),
        (
            ("attributes", *MAIN, "--traffic-type", "visitor"),
            "there is no traffic type visitor; there are: user, account",
        ),
        (("segment-definitions-keys", "--segment", "none", *PROD), "HTTP 404"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], message: str, run: Run, split: SplitServer) -> None:
    result = run("split", "list", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_two_of_a_name_are_told_apart_by_id(run: Run, split: SplitServer) -> None:
    other = split.add_workspace("Main")["id"]

    by_name = run("split", "list", "splits", *MAIN)
    by_id = run("split", "list", "splits", "--workspace", other, "--output", "json")

    assert f"2 workspaces are called Main; give the id of one: {split.main}, {other}" in by_name.stderr
    assert by_id.stdout == "[]\n"


def test_what_is_not_there_is_said(run: Run, split: SplitServer) -> None:
    result = run("split", "get", "segments", "nobody", *MAIN)

    assert (result.exit_code, result.stderr) == (2, "Error: segments has no nobody\n")


def test_keys_are_exported_page_by_page(run: Run, split: SplitServer, tmp_path: Path) -> None:
    split.environments[split.prod]["changePermissions"]["areApprovalsRequired"] = False
    keys = [f"key-{number}" for number in range(350)]
    send(split, "PUT", "segments/{prod}/vips/uploadKeys?replace=true", {"keys": keys, "comment": "c"})
    path = tmp_path / "keys.csv"

    result = run("split", "export", "segment-definitions-keys", "--segment", "vips", *PROD, "--to", str(path))

    assert result.stderr == f"350 segment-definitions-keys written to {path}\n"
    assert path.read_text(encoding="utf-8").split() == ["key", *keys]


def test_an_error_in_the_middle_leaves_no_file(run: Run, split: SplitServer, tmp_path: Path) -> None:
    for number in range(50):
        split.add_flag(f"flag-{number}")
    split.strike(failing(403), on=lambda asked: asked.args.get("offset") == "40")

    result = run("split", "export", "splits", *MAIN, "--to", str(tmp_path / "flags.json"))

    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
