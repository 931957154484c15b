"""``optimizely list``, ``get`` and ``export`` by either API, against a stand-in of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.cli.management.optimizely import GETTINGS, LISTINGS, SCOPES
from openfeature_kameleoon.management.optimizely import Client, Experiment, Project
from openfeature_kameleoon.management.optimizely.client import Registries
from openfeature_kameleoon.management.optimizely.objects import Children
from openfeature_kameleoon.management.optimizely.v2.verbs import Lists
from openfeature_kameleoon.management.rest.operations import operations, placeholders
from tests.cli.running import Run
from tests.cli.vendors import Vault
from tests.management.examples import example
from tests.management.standins.optimizely import OptimizelyServer, auth_kind
from tests.management.standins.optimizely_v2_fields import RESOURCES
from tests.management.standins.serving import answering


@pytest.fixture
def server(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[OptimizelyServer]:
    with OptimizelyServer() as running:
        monkeypatch.setenv("OPTIMIZELY_TOKEN", running.bearer["admin"])
        monkeypatch.setenv("OPTIMIZELY_URL", running.v2_url)
        yield running


@pytest.fixture
def classic(server: OptimizelyServer, monkeypatch: pytest.MonkeyPatch) -> OptimizelyServer:
    """Asked by v1, with a legacy token."""
    monkeypatch.setenv("OPTIMIZELY_API", "v1")
    monkeypatch.setenv("OPTIMIZELY_TOKEN", server.legacy["admin"])
    monkeypatch.setenv("OPTIMIZELY_URL", server.classic_url)
    return server


# --- v1 ---------------------------------------------------------------------------------------------------------

OF_PROJECT = {"experiments", "goals", "audiences", "dimensions", "targeting-lists"}
OF_EXPERIMENT = {"variations", "schedules", "results", "stats"}


def test_every_list_of_v1_that_is_declared_is_offered() -> None:
    declared = {
        name.replace("_", "-")
        for owner in (Project, Experiment)
        for name, one in vars(owner).items()
        if isinstance(one, Children)
    }

    assert set(LISTINGS["v1"]) == {"projects", *declared} >= {*OF_PROJECT, *OF_EXPERIMENT}
    assert set(GETTINGS["v1"]) == {"projects", *OF_PROJECT, "variations", "schedules"}


@pytest.mark.parametrize("name", LISTINGS["v1"])
def test_every_list_of_v1_is_shown(name: str, run: Run, classic: OptimizelyServer) -> None:
    made = classic.create("experiments", description="Order form", edit_url="https://garden.example/")
    classic.create("audiences", name="Gardeners")
    classic.create("dimensions", name="Plan", client_api_name="plan", description="d")
    classic.create("targeting_lists", name="vip", list_type=1, key_fields="customer", list_content="1,2", format="csv")
    classic.create("schedules", experiment_id=made["id"], start_time="2026-05-01T00:00:00Z")
    goal = classic.create("goals", title="Order", goal_type=1, event="order")
    classic.attach(goal["id"], made["id"])
    within = ("--experiment", str(made["id"])) if name in OF_EXPERIMENT else ("--project", "Garden shop")
    options = within if name != "projects" else ()

    table = run("optimizely", "list", name, *options)
    whole = json.loads(run("optimizely", "list", name, *options, "--output", "json").stdout)

    assert table.exit_code == 0, table.stderr
    assert whole
    assert len(table.stdout.splitlines()) == 1 + len(whole)
    assert "client" not in whole[0]
    assert {auth_kind(asked) for asked in classic.log} == {"Token"}


@pytest.mark.parametrize("name", ["projects", "experiments", "goals"])
def test_one_of_v1_is_got_by_its_id(name: str, run: Run, classic: OptimizelyServer) -> None:
    document = example(f"optimizely-{name.removesuffix('s')}")
    classic.store(name, document)

    found = json.loads(run("optimizely", "get", name, str(document["id"]), "--output", "json").stdout)

    assert {name: value for name, value in found.items() if value != "***"} == {
        name: value for name, value in document.items() if name != "socket_token"
    }


def test_v1_takes_numbers_for_ids(run: Run, classic: OptimizelyServer) -> None:
    got = run("optimizely", "get", "goals", "the-goal")
    listed = run("optimizely", "list", "stats", "--experiment", "mine")

    assert (got.exit_code, listed.exit_code) == (2, 2)
    assert "'the-goal' is no id; ids are numbers" in got.stderr
    assert "--experiment takes an id, a number, not mine" in listed.stderr


# --- v2 and the Flags API -----------------------------------------------------------------------------------------


def declared_lists() -> dict[str, Lists[Any]]:
    registries = {name: one.v2 for name, one in vars(Client).items() if isinstance(one, Registries)}
    return {
        f"{name}.{operation}": one
        for name, registry in registries.items()
        if isinstance(registry, type)
        for operation, one in operations(registry).items()
        if isinstance(one, Lists)
    }


def test_every_list_of_v2_that_is_declared_is_offered() -> None:
    assert len(LISTINGS["v2"]) == len(declared_lists())
    assert {"projects", "experiments", "flags", "flags-variable-definitions", "rules"} <= set(LISTINGS["v2"])
    assert {"projects", "experiments-results", "flags", "rulesets"} <= set(GETTINGS["v2"])


def test_every_parameter_of_a_list_has_an_option() -> None:
    v2 = {name for one in declared_lists().values() for name in (*placeholders(one.path), *one.needs)}
    children = [one for owner in (Project, Experiment) for one in vars(owner).values() if isinstance(one, Children)]
    v1 = {"project_id", "experiment_id", *(name for one in children for name in one.takes)}

    assert v1 | v2 == set(SCOPES)


@pytest.mark.parametrize("name", LISTINGS["v2"])
def test_every_list_of_v2_is_shown(name: str, run: Run, server: OptimizelyServer) -> None:
    for plural in RESOURCES:
        if plural != "projects":
            server.store_v2(plural, {"name": f"my {plural}", "key": "mine", "project_id": server.project_id})
    server.create_flag(
        "order_form", variable_definitions={"size": {"key": "size", "type": "integer", "default_value": "1"}}
    )
    typed = {"--project": "Garden shop", "--flag": "order_form", "--environment": "production"}
    needs = " ".join(LISTINGS["v2"][name].needs)
    options = [word for option, value in typed.items() if option in needs for word in (option, value)]

    table = run("optimizely", "list", name, *options)
    whole = json.loads(run("optimizely", "list", name, *options, "--output", "json").stdout)

    assert table.exit_code == 0, table.stderr
    assert whole or name in ("rules", "reports", "flags-groups", "flags-holdouts")
    assert len(table.stdout.splitlines()) == (1 + len(whole) if whole else 0)


def test_one_of_v2_is_got_below_its_project(run: Run, server: OptimizelyServer) -> None:
    server.create_flag("order_form")
    made = server.create_v2("experiments", name="Order form")
    within = ("--project", str(server.project_id))

    flag = json.loads(run("optimizely", "get", "flags", "order_form", *within, "--output", "json").stdout)
    ruleset = run("optimizely", "get", "rulesets", "production", *within, "--flag", "order_form")
    experiment = run("optimizely", "get", "experiments", str(made["id"]), "--field", "name")

    assert flag["key"] == "order_form"
    assert ruleset.exit_code == 0, ruleset.stderr
    assert experiment.stdout.split()[-2:] == ["Order", "form"]


def test_a_long_list_comes_in_pages(run: Run, server: OptimizelyServer, tmp_path: Path) -> None:
    for number in range(230):
        server.store_v2("pages", {"name": f"page {number}", "project_id": server.project_id})
    path = tmp_path / "pages.jsonl"

    result = run("optimizely", "export", "pages", "--project", "Garden shop", "--to", str(path))

    assert result.stderr == f"230 pages written to {path}\n"
    names = [json.loads(line)["name"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert names == [f"page {number}" for number in range(230)]


def test_an_error_in_the_middle_leaves_no_file(run: Run, server: OptimizelyServer, tmp_path: Path) -> None:
    for number in range(150):
        server.store_v2("pages", {"name": f"page {number}", "project_id": server.project_id})
    server.strike(answering(403, {"message": "no more"}), on=lambda asked: asked.args.get("page") == "2")

    result = run("optimizely", "export", "pages", "--project", "Garden shop", "--to", str(tmp_path / "pages.csv"))

    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "no more" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "experiments"), "it needs --project NAME_OR_ID"),
        (("list", "flags", "--project", "Shop"), "there is no project Shop; there are: Garden shop"),
        (("list", "projects", "--project", "1"), "it takes no --project"),
        (("--api", "v1", "list", "flags"), "no resource flags; "),
        (("get", "projects", "7"), "/v2/projects/7: 404: {"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: tuple[str, ...], message: str, run: Run, server: OptimizelyServer
) -> None:
    result = run("optimizely", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message.lower() in result.stderr.lower()


def test_v2_takes_no_legacy_token(run: Run, server: OptimizelyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZELY_TOKEN", server.legacy["admin"])

    result = run("optimizely", "list", "projects")

    assert result.exit_code == 2
    assert "v2 takes no legacy tokens" in result.stderr
    assert "--api v1 takes them" in result.stderr
