"""The Optimizely client at work: the documented examples as written, and days on which things go wrong."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from openfeature_kameleoon.management import optimizely
from openfeature_kameleoon.management.rest import ApiError
from tests.management.examples import example
from tests.management.standins.optimizely import OptimizelyServer, auth_kind
from tests.management.standins.serving import answering, dropped, dropped_after, once

Client = optimizely.Client[Literal["v1"]]
V2Client = optimizely.Client[Literal["v2"]]


@pytest.fixture
def server() -> Iterator[OptimizelyServer]:
    with OptimizelyServer() as running:
        yield running


@pytest.fixture
def client(server: OptimizelyServer) -> Client:
    return optimizely.Client(server.legacy["admin"], api_base=server.classic_url)


@pytest.fixture
def project(client: Client) -> optimizely.Project:
    return client.Projects.get()[0]


@pytest.fixture
def experiment(client: Client, project: optimizely.Project) -> optimizely.Experiment:
    return client.Experiments.create(
        {"project_id": project.id, "edit_url": "https://garden.example/order/", "description": "Shorter order form"}
    )


# --- the documented examples --------------------------------------------------------------------------------


def test_projects(server: OptimizelyServer, client: Client) -> None:
    server.store("projects", *example("optimizely-project-list"))

    project = client.Projects.get(3100450077)
    assert project.__dict__ == example("optimizely-project")

    both = client.Projects.get([3100450077, 3100450078])
    assert [one.project_name for one in both] == ["Garden shop", "Seed catalogue"]

    new_project = client.Projects.create({"project_name": "Tools"})
    assert (new_project.project_status, new_project.include_jquery, new_project.ip_filter) == ("Active", True, "")

    project.project_name = "Garden shop EU"
    project.save()
    assert client.Projects.get(3100450077).project_name == "Garden shop EU"

    updated = client.Projects.update(new_project.id, {"project_name": "Spades", "code_revision": 9})
    assert (updated.project_name, updated.code_revision, new_project.project_name) == ("Spades", 0, "Tools")

    assert {one.id for one in client.Projects.get()} >= {3100450077, 3100450078, new_project.id}


def test_save_sends_the_editable_fields_and_nothing_else(server: OptimizelyServer, client: Client) -> None:
    server.store("projects", example("optimizely-project"))
    project = client.Projects.get(3100450077)

    project.project_name = "Garden shop"
    project.save()

    (sent,) = server.asked("PUT")
    assert sent.path == "/experiment/v1/projects/3100450077"
    assert len(sent.json) == 9
    assert "dcp_service_id" not in sent.json


def test_one_object_is_one_request(server: OptimizelyServer, client: Client, project: optimizely.Project) -> None:
    server.log.clear()

    client.Projects.get(project.id)

    assert [(one.method, auth_kind(one)) for one in server.log] == [("GET", "Token")]


def test_experiments(client: Client, project: optimizely.Project, experiment: optimizely.Experiment) -> None:
    assert (experiment.status, experiment.percentage_included, len(experiment.variation_ids)) == (
        "Not started",
        10000,
        2,
    )
    assert [one.id for one in project.experiments()] == [experiment.id]

    experiment.status = "Running"
    experiment.save()
    assert client.Experiments.get(experiment.id).status == "Running"

    assert client.Experiments.update(experiment.id, {"status": "Archived"}).status == "Archived"
    assert experiment.status == "Running"
    experiment.refresh()
    assert experiment.status == "Archived"

    assert experiment.delete() is None  # type: ignore[func-returns-value]  # as documented
    assert experiment.description == "Shorter order form"
    with pytest.raises(optimizely.NotFoundError):
        client.Experiments.get(experiment.id)


def test_results_and_stats(server: OptimizelyServer, client: Client, experiment: optimizely.Experiment) -> None:
    server.results[experiment.id] = example("optimizely-results")
    server.stats[experiment.id] = example("optimizely-stats")

    results, stats = experiment.results(), experiment.stats()

    assert results[0].__dict__ == example("optimizely-results")[0]
    assert [one.confidence for one in results] == [0, 0.985, 0.27, 0.71]
    assert [one.statistical_significance for one in stats] == [0, 0.962, 0.41]
    assert results[0].variation_id == "3100470001"  # text: rows of several sections join their ids


def test_schedules(client: Client, experiment: optimizely.Experiment) -> None:
    first = client.Schedules.create({"experiment_id": experiment.id, "start_time": "2015-12-01T06:00:00Z"})
    schedule = client.Schedules.create({"experiment_id": experiment.id, "start_time": "2015-12-02T06:00:00Z"})
    assert (schedule.status, schedule.stop_time) == ("ACTIVE", None)

    schedule.stop_time = "2015-12-15T06:00:00Z"
    schedule.save()
    updated = client.Schedules.update(schedule.id, {"stop_time": "2015-12-16T06:00:00Z"})
    assert (updated.start_time, updated.stop_time) == ("2015-12-02T06:00:00Z", "2015-12-16T06:00:00Z")

    assert {one.id: one.status for one in experiment.schedules()} == {first.id: "INACTIVE", schedule.id: "ACTIVE"}
    schedule.delete()
    assert [one.id for one in experiment.schedules()] == [first.id]


def test_variations(client: Client, experiment: optimizely.Experiment) -> None:
    variation = client.Variations.create(
        {
            "experiment_id": experiment.id,
            "description": "Two fields only",
            "js_component": "$('.extra').remove();",
            "weight": 3333,
        }
    )
    assert len(experiment.variations()) == 3

    variation.js_component = "$('.extra').hide();"
    variation.save()
    assert client.Variations.get(variation.id).js_component == "$('.extra').hide();"
    assert client.Variations.update(variation.id, {"is_paused": True}).is_paused

    variation.delete()
    experiment.refresh()
    assert variation.id not in experiment.variation_ids


def test_goals(client: Client, project: optimizely.Project, experiment: optimizely.Experiment) -> None:
    click = client.Goals.create(
        {
            "project_id": project.id,
            "title": "Opened order form",
            "goal_type": 0,
            "selector": "a.order-now",
            "target_to_experiments": True,
        }
    )
    event = client.Goals.create(
        {"project_id": project.id, "title": "Signed", "goal_type": 1, "event": "newsletter_signed"}
    )
    client.Goals.create(
        {"project_id": project.id, "title": "Thanks", "goal_type": 3, "urls": [], "url_match_types": []}
    )

    experiment.add_goal(click.id)
    experiment.add_goal(event.id)
    experiment.add_goal(event.id)
    experiment.remove_goal(click.id)
    experiment.remove_goal(click.id)

    click.refresh()
    event.refresh()
    experiment.refresh()
    assert (click.experiment_ids, event.experiment_ids) == ([], [experiment.id])
    assert experiment.display_goal_order_lst == [event.id]

    click.title = "Opened the form"
    click.save()
    assert client.Goals.update(event.id, {"title": "Signed up"}).title == "Signed up"
    click.delete()
    assert [one.title for one in project.goals() if one.goal_type in (0, 1, 3)] == ["Signed up", "Thanks"]


def test_audiences(client: Client, project: optimizely.Project) -> None:
    audience = client.Audiences.create({"project_id": project.id, "name": "Bulb buyers"})
    assert audience.conditions == "[]"

    audience.conditions = json.dumps(["and", {"type": "browser_version", "value": "gc"}])
    audience.save()
    client.Audiences.update(audience.id, {"description": "Added by the shop page"})

    (listed,) = project.audiences()
    assert json.loads(listed.conditions)[1]["value"] == "gc"
    assert listed.description == "Added by the shop page"


def test_dimensions(client: Client, project: optimizely.Project) -> None:
    data = {"project_id": project.id, "name": "Customer tier", "client_api_name": "tier", "description": "or none"}
    dimension = client.Dimensions.create(data)
    with pytest.raises(optimizely.BadRequestError):
        client.Dimensions.create(data)

    dimension.description = "none, silver or gold"
    dimension.save()
    assert client.Dimensions.update(dimension.id, {"name": "Tier"}).description == "none, silver or gold"
    assert [one.name for one in project.dimensions()] == ["Tier"]

    dimension.delete()
    assert project.dimensions() == []


def test_uploaded_lists(client: Client, project: optimizely.Project) -> None:
    made = client.TargetingLists.create(
        {
            "project_id": project.id,
            "name": "vip_2015",
            "list_type": 1,
            "key_fields": "customer_no",
            "format": "csv",
            "list_content": "7,8",
        }
    )

    made.description, made.list_content = "Invited customers", "7,8,9"
    made.save()

    assert client.TargetingLists.get(made.id).description == "Invited customers"
    made.delete()
    with pytest.raises(optimizely.NotFoundError):
        made.refresh()


def test_an_editor_may_not_start_what_he_may_edit(server: OptimizelyServer, experiment: optimizely.Experiment) -> None:
    editor = optimizely.Client(server.bearer["editor"], "oauth", server.classic_url)

    editor.Experiments.update(experiment.id, {"custom_css": "p {}"})
    with pytest.raises(optimizely.ForbiddenError):
        editor.Experiments.update(experiment.id, {"status": "Running"})

    assert auth_kind(server.log[-1]) == "Bearer"


# --- v2 and the Flags API -----------------------------------------------------------------------------------


@pytest.fixture
def v2(server: OptimizelyServer) -> V2Client:
    return optimizely.Client(server.bearer["admin"], api="v2", api_base=server.v2_url)


def test_an_experiment_of_v2_from_its_pages_to_its_results(server: OptimizelyServer, v2: V2Client) -> None:
    (project,) = v2.Projects.list()
    page = v2.Pages.create(project_id=project.id, name="Order", edit_url="https://garden.example/order")
    click = v2.PageEvents.create({"page_id": page.id, "name": "Order", "event_type": "click"})
    signed = v2.Goals.create({"project_id": project.id, "key": "newsletter_signed"})
    assert {one.id for one in project.goals()} == {click.id, signed.id}

    experiment = v2.Experiments.create(
        project_id=project.id, name="Shorter order form", page_ids=[page.id], metrics=[{"event_id": signed.id}]
    )
    assert experiment.id is not None
    assert v2.Experiments.results(experiment.id) is None  # never started: there is no data

    experiment.name = "Short form"
    assert experiment.variations is not None
    experiment.variations[0].weight, experiment.variations[1].weight = 6000, 4000
    experiment.save()
    experiment.start()
    assert experiment.status == "running"
    assert set(server.asked("PATCH")[0].json) == {"name", "variations"}

    server.computing[experiment.id] = 2
    waits: list[float] = []
    patient = optimizely.Client(server.bearer["admin"], api="v2", api_base=server.v2_url, wait=waits.append)
    with pytest.raises(optimizely.StillComputingError):
        v2.Experiments.results(experiment.id)
    results = patient.Experiments.results(experiment.id, timeout=60, every=10)
    assert waits == [10]
    assert results is not None
    assert results.metrics is not None
    assert results.metrics[0]["event_id"] == signed.id
    assert str(v2.Experiments.export(experiment.id)).startswith("event_id,variation_id")

    click.name = "Opened the form"
    click.save()
    experiment.delete()
    with pytest.raises(optimizely.OptimizelyError) as raised:
        experiment.delete()
    assert raised.value.status == 410
    experiment.unarchive()
    assert experiment.status == "paused"


def test_lists_of_v2_come_in_pages(server: OptimizelyServer, v2: V2Client) -> None:
    for number in range(201):
        server.create_v2("audiences", name=f"Audience {number}")

    audiences = list(v2.Audiences.list(project_id=server.project_id))

    assert [one.name for one in audiences] == [f"Audience {number}" for number in range(201)]
    assert [dict(one.query)["page"] for one in server.asked("GET")] == ["1", "2", "3"]


def test_a_page_that_fails_raises_in_the_middle(server: OptimizelyServer, v2: V2Client) -> None:
    for number in range(150):
        server.create_v2("audiences", name=f"Audience {number}")
    audiences = v2.Audiences.list(project_id=server.project_id)
    first = [next(audiences) for _ in range(100)]

    server.strike(answering(500, "out of order"))

    assert len(first) == 100
    with pytest.raises(optimizely.OptimizelyError, match=r"^out of order$"):
        next(audiences)


def test_a_flag_from_its_variations_to_its_report(server: OptimizelyServer, v2: V2Client) -> None:
    project = server.project_id
    v2.Flags.create(project, key="order_form", variable_definitions={"rows": {"type": "integer", "default_value": "9"}})
    v2.Variations.create(project, "order_form", key="short", variables={"rows": {"value": "3"}})
    v2.Variations.update(project, "order_form", "short", name="Short form")

    rule = {
        "key": "form_length",
        "type": "a/b",
        "enabled": True,
        "percentage_included": 6000,
        "variations": {"off": {"percentage_included": 5000}, "short": {"percentage_included": 5000}},
    }
    ruleset = v2.Rulesets.update(
        project, "order_form", "production", [{"op": "add", "path": "/rules/form_length", "value": rule}]
    )
    assert ruleset.rules is not None
    assert ruleset.rules["form_length"].percentage_included == 6000

    v2.Rulesets.enable(project, "order_form", "production")
    assert v2.Rulesets.get(project, "order_form", "production").enabled
    assert [one.status for one in v2.Rules.list(project)] == ["running"]

    (report,) = v2.Reports.list(project, "production")
    assert report.experiment_id is not None
    assert v2.Experiments.results(report.experiment_id) is not None

    v2.Rulesets.disable(project, "order_form", "production")
    v2.Flags.update(project, "order_form", description="How long the form is")
    assert [one.description for one in v2.Flags.list(project)] == ["How long the form is"]
    v2.Flags.delete(project, "order_form")
    assert list(v2.Flags.list(project)) == []


# --- days on which things go wrong --------------------------------------------------------------------------


def polite(server: OptimizelyServer, waits: list[float]) -> Client:
    return optimizely.Client(
        server.legacy["admin"], api_base=server.classic_url, retries=optimizely.POLITE, wait=waits.append
    )


def test_by_itself_nothing_is_repeated(server: OptimizelyServer, client: Client) -> None:
    for status in (429, 503):
        server.strike(answering(status, "wait 60 seconds", {"Retry-After": "60"}))
        with pytest.raises(optimizely.OptimizelyError, match="wait 60 seconds") as raised:
            client.Projects.get()
        assert raised.value.retry_after == 60

    assert len(server.log) == 2


def test_politely_a_refused_call_waits_for_as_long_as_it_is_told(server: OptimizelyServer) -> None:
    waits: list[float] = []
    server.strike(answering(429, "", {"Retry-After": "90"}), answering(429), answering(429))

    created = polite(server, waits).Projects.create({"project_name": "Tools"})

    assert created.project_name == "Tools"
    assert waits == [90, 120, 240]


def test_politely_a_read_outlasts_maintenance(server: OptimizelyServer) -> None:
    waits: list[float] = []
    server.strike(answering(503), answering(503))

    assert len(polite(server, waits).Projects.get()) == 1

    assert 60 <= waits[0] <= 90
    assert 120 <= waits[1] <= 180


def test_politely_is_not_for_ever(server: OptimizelyServer) -> None:
    waits: list[float] = []
    server.strike(*[answering(429, "no")] * 20)

    with pytest.raises(optimizely.TooManyRequestsError, match=r"^no$"):
        polite(server, waits).Projects.get()

    assert sum(waits) <= 900


def test_politely_a_creation_that_may_have_happened_is_not_repeated(server: OptimizelyServer) -> None:
    waits: list[float] = []
    server.strike(answering(503, "maintenance"))

    with pytest.raises(optimizely.ServiceUnavailableError):
        polite(server, waits).Projects.create({"project_name": "Tools"})

    assert (len(server.log), waits) == (1, [])


@pytest.mark.parametrize("retries", [optimizely.NEVER, optimizely.POLITE])
def test_a_connection_lost_in_a_creation_leaves_its_outcome_unknown(server: OptimizelyServer, retries: Any) -> None:
    waits: list[float] = []
    client = optimizely.Client(server.legacy["admin"], api_base=server.classic_url, retries=retries, wait=waits.append)
    server.strike(dropped_after(), on=once("POST", "projects"))

    with pytest.raises(optimizely.OutcomeUnknownError, match="look before repeating it"):
        client.Projects.create({"project_name": "Tools"})

    assert [one.project_name for one in client.Projects.get()] == ["Garden shop", "Tools"]  # it was
    assert (len(server.asked("POST")), waits) == (1, [])


def test_a_connection_lost_in_a_read_is_unreachable(server: OptimizelyServer, client: Client) -> None:
    server.strike(dropped())

    with pytest.raises(optimizely.UnreachableError):
        client.Projects.get()


def test_nobody_listening_is_unreachable(server: OptimizelyServer) -> None:
    client = optimizely.Client("key:1", api_base="http://127.0.0.1:9/experiment/v1/", timeout=2)

    with pytest.raises(optimizely.UnreachableError):
        client.Projects.create({"project_name": "never sent, so nothing was changed"})


def test_a_revoked_token_is_forbidden(server: OptimizelyServer, client: Client) -> None:
    server.tokens.clear()

    with pytest.raises(optimizely.ForbiddenError):
        client.Projects.get()


def test_a_save_that_is_answered_by_nothing_keeps_the_object(
    server: OptimizelyServer, project: optimizely.Project
) -> None:
    server.strike(answering(204), on=once("PUT", "projects"))
    before = dict(vars(project))

    project.save()

    assert vars(project) == before


def test_a_token_appears_in_no_log_repr_message_or_traceback(
    server: OptimizelyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    key, token = server.legacy["admin"], server.bearer["admin"]
    v1 = optimizely.Client(key, api_base=server.classic_url, retries=optimizely.POLITE, wait=lambda seconds: None)
    v2 = optimizely.Client(token, api="v2", api_base=server.v2_url)
    server.strike(answering(429), answering(403, f"no such token: {key}"), answering(500, f"Bearer {token}"), dropped())

    told = []
    for call in (v1.Projects.get, v2.Projects.list, v2.Projects.list, v1.Projects.get):
        try:
            list(call())
        except ApiError as error:
            told += [repr(error), str(error), error.body, repr(error.exchange), *traceback.format_exception(error)]
            told.append(repr(pickle.loads(pickle.dumps(error)).__dict__))
    told += [caplog.text, repr(v1), repr(v2), repr(vars(v1)), repr(v2.Flags), repr(v1.Goals)]

    assert len(told) > 20
    for secret in (key, token):
        assert secret not in "\n".join(told)
