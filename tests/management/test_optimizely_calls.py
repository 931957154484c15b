"""Every operation of the Optimizely client: the call, the exact requests it makes, the object it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import responses

from openfeature_kameleoon.management import optimizely
from openfeature_kameleoon.management.optimizely.client import Registries
from openfeature_kameleoon.management.optimizely.objects import Entity, Registry, Row
from openfeature_kameleoon.management.optimizely.v2 import experiments, projects, targeting
from openfeature_kameleoon.management.optimizely.v2.records import Entity as V2Entity
from openfeature_kameleoon.management.rest import Record, operations
from tests.management.examples import example

V1 = "https://www.optimizelyapis.com/experiment/v1/"
V2 = "https://api.optimizely.com/v2/"
FLAGS = "https://api.optimizely.com/flags/v1/"

Client = Any  # of either API
Call = Callable[[Client], Any]

PROJECT, CREATED_PROJECT = example("optimizely-project"), example("optimizely-project-created")
EXPERIMENT, CREATED_EXPERIMENT = example("optimizely-experiment"), example("optimizely-experiment-created")
VARIATION, VARIATIONS = example("optimizely-variation"), example("optimizely-variation-list")
GOAL, GOALS = example("optimizely-goal"), example("optimizely-goal-list")
AUDIENCE, CREATED_AUDIENCE = example("optimizely-audience"), example("optimizely-audience-created")
DIMENSION = example("optimizely-dimension")
SCHEDULE = example("optimizely-schedule")
TARGETING_LIST = example("optimizely-targeting-list")
RULESET = example("optimizely-flags-ruleset")
UPLOADED = {**TARGETING_LIST, "list_content": "7,8"}


@dataclass(frozen=True)
class Asks:
    """One request, and how the API answers it."""

    line: str
    answer: Any = None
    body: Any = None
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A call, the requests it makes, and what it gives: what was answered last, unless told otherwise."""

    call: Call
    asks: tuple[Asks, ...]
    gives: Any = ...


def case(call: Call, *asks: Asks, gives: Any = ...) -> Case:
    return Case(call, asks, gives)


def made(kind: type[Row], fields: Mapping[str, Any], do: Callable[[Any], Any]) -> Call:
    """Something that is done with an object which is there already; gives what the object holds then, if nothing."""

    def call(client: Client) -> Any:
        instance = kind(client)
        vars(instance).update(fields)
        result = do(instance)
        return instance if result is None else result

    return call


def changed(fields: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {**fields, **changes}


def only(fields: Mapping[str, Any], names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names.split() if name in fields}


# What `save` sends, as the specification's section 7 has it.
EDITABLE = {
    "Project": "project_status project_name include_jquery project_javascript enable_force_variation"
    " exclude_disabled_experiments exclude_names ip_anonymization ip_filter",
    "Experiment": "audience_ids activation_mode description edit_url status custom_css custom_js percentage_included"
    " url_conditions experiment_type",
    "Variation": "description is_paused js_component weight",
    "Goal": "addable archived description experiment_ids goal_type selector target_to_experiments target_urls"
    " target_url_match_types title urls url_match_types",
    "Audience": "name description conditions segmentation",
    "Dimension": "name client_api_name description",
    "Schedule": "start_time stop_time",
    "TargetingList": "name description list_type key_fields list_content format",
}


def everyday(kind: type[Entity], registry: str, fields: dict[str, Any], path: str, **change: Any) -> dict[str, Case]:
    """What can be done with every resource of v1, `create` and the verbs that not all have apart."""
    number, after = fields["id"], changed(fields, **change)
    own = f"{path}/{number}"

    def change_and_save(instance: Any) -> None:
        for name, value in change.items():
            setattr(instance, name, value)
        instance.save()

    return {
        f"{registry}.get one": case(lambda c: getattr(c, registry).get(number), Asks(f"GET {own}", fields)),
        f"{registry}.get one in digits": case(
            lambda c: getattr(c, registry).get(str(number)), Asks(f"GET {own}", fields)
        ),
        f"{registry}.get several": case(
            lambda c: getattr(c, registry).get([number, 8]),
            Asks(f"GET {own}", fields),
            Asks(f"GET {path}/8", changed(fields, id=8)),
            gives=[fields, changed(fields, id=8)],
        ),
        f"{registry}.get none": case(lambda c: getattr(c, registry).get([]), gives=[]),
        f"{registry}.update": case(
            lambda c: getattr(c, registry).update(number, {**change, "id": 1, "created": "now"}),
            Asks(f"PUT {own}", after, change, 202),
        ),
        f"{kind.__name__}(client, id)": case(lambda c: kind(c, number), Asks(f"GET {own}", fields)),
        f"{kind.__name__}.refresh": case(
            made(kind, {"id": number, "gone": 1}, lambda one: one.refresh()),
            Asks(f"GET {own}", fields),
            gives={"gone": 1, **fields},
        ),
        f"{kind.__name__}.save": case(
            made(kind, fields, change_and_save),
            Asks(f"PUT {own}", changed(after, new="field"), only(after, EDITABLE[kind.__name__]), 202),
        ),
        f"{kind.__name__}.save answered by nothing": case(
            made(kind, fields, change_and_save),
            Asks(f"PUT {own}", None, only(after, EDITABLE[kind.__name__]), 204),
            gives=after,
        ),
    }


def creation(registry: str, path: str, sent: dict[str, Any], answer: dict[str, Any]) -> Case:
    return case(lambda c: getattr(c, registry).create(sent), Asks(f"POST {path}", answer, sent, 201))


def deletion(kind: type[Entity], fields: dict[str, Any], path: str) -> Case:
    return case(made(kind, fields, lambda one: one.delete()), Asks(f"DELETE {path}", status=204), gives=fields)


def children(kind: type[Entity], fields: dict[str, Any], name: str, listed: list[Any], **narrowed: Any) -> Case:
    query = {key: str(value) for key, value in narrowed.items()}
    path = f"GET {kind.path}/{fields['id']}/{name}"
    return case(made(kind, fields, lambda one: getattr(one, name)(**narrowed)), Asks(path, listed, query=query))


P, E = PROJECT["id"], EXPERIMENT["id"]
NEW_EXPERIMENT = {"project_id": P, "edit_url": "https://garden.example/order/", "description": "Shorter order form"}
NEW_VARIATION = {"experiment_id": E, "description": "Two fields only", "js_component": "go()", "weight": 3333}
CLICK = {"project_id": P, "title": "Order", "goal_type": 0, "selector": "a.order", "target_to_experiments": True}
EVENT = {"project_id": P, "title": "Signed", "goal_type": 1, "event": "newsletter_signed"}
VIEW = {"project_id": P, "title": "Thanks", "goal_type": 3, "urls": [], "url_match_types": []}
NEW_DIMENSION = only(DIMENSION, "project_id name client_api_name description")
NEW_SCHEDULE = only(SCHEDULE, "experiment_id start_time")
NEW_LIST = only(UPLOADED, "project_id name description list_type key_fields list_content format")
OTHER_GOAL = GOALS[2]
OTHER = OTHER_GOAL["id"]

V1_CALLS: dict[str, Case] = {
    **everyday(optimizely.Project, "Projects", PROJECT, "projects", project_name="Garden shop EU"),
    "Projects.get all": case(lambda c: c.Projects.get(), Asks("GET projects", example("optimizely-project-list"))),
    "Projects.create": creation("Projects", "projects", {"project_name": "Seed catalogue"}, CREATED_PROJECT),
    "Project.experiments": children(optimizely.Project, PROJECT, "experiments", example("optimizely-experiment-list")),
    "Project.goals": children(optimizely.Project, PROJECT, "goals", GOALS),
    "Project.audiences": children(optimizely.Project, PROJECT, "audiences", example("optimizely-audience-list")),
    "Project.dimensions": children(optimizely.Project, PROJECT, "dimensions", example("optimizely-dimension-list")),
    "Project.targeting_lists": children(
        optimizely.Project, PROJECT, "targeting_lists", [example("optimizely-targeting-list")]
    ),
    **everyday(optimizely.Experiment, "Experiments", EXPERIMENT, "experiments", status="Running"),
    "Experiments.create": creation("Experiments", f"projects/{P}/experiments", NEW_EXPERIMENT, CREATED_EXPERIMENT),
    "Experiment.delete": deletion(optimizely.Experiment, EXPERIMENT, f"experiments/{E}"),
    "Experiment.variations": children(optimizely.Experiment, EXPERIMENT, "variations", VARIATIONS),
    "Experiment.variations none": children(optimizely.Experiment, EXPERIMENT, "variations", []),
    "Experiment.schedules": children(
        optimizely.Experiment, EXPERIMENT, "schedules", example("optimizely-schedule-list")
    ),
    "Experiment.results": children(optimizely.Experiment, EXPERIMENT, "results", example("optimizely-results")),
    "Experiment.results narrowed": children(
        optimizely.Experiment, EXPERIMENT, "results", [], dimension_id=33, dimension_value="gold"
    ),
    "Experiment.stats": children(optimizely.Experiment, EXPERIMENT, "stats", example("optimizely-stats")),
    "Experiment.stats narrowed": children(optimizely.Experiment, EXPERIMENT, "stats", [], audience_id=67),
    "Experiment.add_goal": case(
        made(optimizely.Experiment, EXPERIMENT, lambda one: one.add_goal(OTHER)),
        Asks(f"GET goals/{OTHER}", changed(OTHER_GOAL, experiment_ids=[9, 3])),
        Asks(f"PUT goals/{OTHER}", OTHER_GOAL, {"experiment_ids": [9, 3, E]}, 202),
        gives=EXPERIMENT,
    ),
    "Experiment.add_goal that is attached": case(
        made(optimizely.Experiment, EXPERIMENT, lambda one: one.add_goal(OTHER)),
        Asks(f"GET goals/{OTHER}", changed(OTHER_GOAL, experiment_ids=[E, 3])),
        Asks(f"PUT goals/{OTHER}", OTHER_GOAL, {"experiment_ids": [E, 3]}, 202),
        gives=EXPERIMENT,
    ),
    "Experiment.remove_goal": case(
        made(optimizely.Experiment, EXPERIMENT, lambda one: one.remove_goal(OTHER)),
        Asks(f"GET goals/{OTHER}", changed(OTHER_GOAL, experiment_ids=[9, E, 3])),
        Asks(f"PUT goals/{OTHER}", OTHER_GOAL, {"experiment_ids": [9, 3]}, 202),
        gives=EXPERIMENT,
    ),
    "Experiment.remove_goal that is not attached": case(
        made(optimizely.Experiment, EXPERIMENT, lambda one: one.remove_goal(OTHER)),
        Asks(f"GET goals/{OTHER}", OTHER_GOAL),
        Asks(f"PUT goals/{OTHER}", OTHER_GOAL, {"experiment_ids": []}, 202),
        gives=EXPERIMENT,
    ),
    **everyday(optimizely.Variation, "Variations", VARIATION, "variations", js_component="$('.x').hide();"),
    "Variations.create": creation("Variations", f"experiments/{E}/variations", NEW_VARIATION, VARIATION),
    "Variation.delete": deletion(optimizely.Variation, VARIATION, f"variations/{VARIATION['id']}"),
    **everyday(optimizely.Goal, "Goals", GOAL, "goals", title="Opened the form"),
    "Goals.create": creation("Goals", f"projects/{P}/goals", CLICK, GOAL),
    "Goals.create custom event": creation("Goals", f"projects/{P}/goals", EVENT, GOALS[1]),
    "Goals.create page views": creation("Goals", f"projects/{P}/goals", VIEW, GOALS[2]),
    "Goal.delete": deletion(optimizely.Goal, GOAL, f"goals/{GOAL['id']}"),
    **everyday(optimizely.Audience, "Audiences", AUDIENCE, "audiences", description="Spring"),
    "Audiences.create": creation(
        "Audiences", f"projects/{P}/audiences", {"project_id": P, "name": "Bulb buyers"}, CREATED_AUDIENCE
    ),
    **everyday(optimizely.Dimension, "Dimensions", DIMENSION, "dimensions", description="none or gold"),
    "Dimensions.create": creation("Dimensions", f"projects/{P}/dimensions", NEW_DIMENSION, DIMENSION),
    "Dimension.delete": deletion(optimizely.Dimension, DIMENSION, f"dimensions/{DIMENSION['id']}"),
    **everyday(optimizely.Schedule, "Schedules", SCHEDULE, "schedules", stop_time="2015-12-15T06:00:00Z"),
    "Schedules.create": creation("Schedules", f"experiments/{E}/schedules", NEW_SCHEDULE, SCHEDULE),
    "Schedule.delete": deletion(optimizely.Schedule, SCHEDULE, f"schedules/{SCHEDULE['id']}"),
    **everyday(optimizely.TargetingList, "TargetingLists", UPLOADED, "targeting_lists", description="Guests"),
    "TargetingLists.create": creation("TargetingLists", f"projects/{P}/targeting_lists", NEW_LIST, TARGETING_LIST),
    "TargetingList.delete": deletion(optimizely.TargetingList, UPLOADED, f"targeting_lists/{UPLOADED['id']}"),
    "Client.request": case(
        lambda c: c.request("put", ["goals", 7, "a/b"], {"X-Trace": "1"}, '{"title": "Signed"}'),
        Asks("PUT goals/7/a%2Fb", {"id": 7}, {"title": "Signed"}, 202),
    ),
    "Client.request answered by nothing": case(
        lambda c: c.request("delete", ("goals", 7)), Asks("DELETE goals/7", status=204), gives=None
    ),
}

# --- v2 and the Flags API -----------------------------------------------------------------------------------

PAGE = {"page": "1", "per_page": "100"}


def v2_everyday(registry: str, path: str, *, archives: bool = True, **new: Any) -> dict[str, Case]:
    """What can be done with nearly every resource of v2."""
    query = {} if registry == "Projects" else {"project_id": 77}
    answer, sent = {"id": 5, **query, "name": "A", "new": "member"}, {**query, **new}
    cases = {
        f"{registry}.list": case(
            lambda c: getattr(c, registry).list(**query),
            Asks(f"GET {path}", [answer], query={**PAGE, **{name: str(value) for name, value in query.items()}}),
        ),
        f"{registry}.get": case(lambda c: getattr(c, registry).get(5), Asks(f"GET {path}/5", answer)),
        f"{registry}.get several": case(
            lambda c: getattr(c, registry).get([5, 6]),
            Asks(f"GET {path}/5", answer),
            Asks(f"GET {path}/6", changed(answer, id=6)),
            gives=[answer, changed(answer, id=6)],
        ),
        f"{registry}.create": case(
            lambda c: getattr(c, registry).create(**sent), Asks(f"POST {path}", answer, sent, 201)
        ),
        f"{registry}.create of an object": case(
            lambda c: getattr(c, registry).create({"any": "thing"}), Asks(f"POST {path}", answer, {"any": "thing"}, 201)
        ),
        f"{registry}.update": case(
            lambda c: getattr(c, registry).update(5, {"name": "B"}),
            Asks(f"PATCH {path}/5", changed(answer, name="B"), {"name": "B"}),
        ),
        f"{registry}.update by name": case(
            lambda c: getattr(c, registry).update(5, name="C"),
            Asks(f"PATCH {path}/5", changed(answer, name="C"), {"name": "C"}),
        ),
        f"{registry}.delete": case(
            lambda c: getattr(c, registry).delete(5), Asks(f"DELETE {path}/5", status=204), gives=None
        ),
    }
    return {name: one for name, one in cases.items() if archives or not name.endswith(".delete")}


def of_flags(registry: str, verb: str, asks: str, *ids: Any, answer: Any = RULESET, **more: Any) -> Case:
    """A call of the Flags API with these arguments."""
    return case(
        lambda c: getattr(getattr(c, registry), verb)(*ids),
        Asks(asks, answer, **more),
        gives=... if more.get("status") != 204 else None,
    )


def flag_list(registry: str, verb: str, path: str, *ids: Any) -> Case:
    items = [{"key": "a"}, {"key": "b"}]
    answer = {"items": items, "count": 2, "total_count": 2, "total_pages": 1, "page": 1}
    return case(
        lambda c: getattr(getattr(c, registry), verb)(*ids), Asks(f"GET {path}", answer, query=PAGE), gives=items
    )


def action(name: str) -> Case:
    answer = {"id": 5, "status": "of the answer"}
    return case(
        lambda c: getattr(c.Experiments, name)(5),
        Asks("PATCH experiments/5", answer, {}, query={"action": name}),
    )


def v2_made(kind: type[V2Entity], registry: str, raw: dict[str, Any], do: Callable[[Any], Any]) -> Call:
    """Something that is done with a record which was read already."""

    def call(client: Client) -> Any:
        record = kind(json.loads(json.dumps(raw)))
        record.bind(getattr(client, registry))
        result = do(record)
        return record if result is None else result

    return call


def rename_and_save(record: Any) -> None:
    record.name = "B"
    record.raw["status"] = "only actions change it"
    record.save()


def archive_and_save(project: Any) -> None:
    project.status = "archived"
    project.save()


def weigh_and_save(experiment: Any) -> None:
    experiment.variations[0].weight = 6000
    experiment.save()


V2_EXPERIMENT = {"id": 5, "project_id": 77, "name": "A", "status": "running", "variations": [{"weight": 5000}]}
V2_EVENT = {"id": 8, "project_id": 77, "key": "signed", "event_type": "custom"}
PAGE_EVENT = {"id": 9, "project_id": 77, "page_id": 6, "name": "Order", "event_type": "click"}
RESULTS = {"experiment_id": 5, "metrics": [{"event_id": 8, "results": {}}], "reach": {"total_count": 3}}
FLAG = {"key": "form", "name": "Form", "variable_definitions": {}}
SHORT = {"key": "short", "name": "Short form", "variables": {"rows": {"value": "3"}}}
IN_FLAG = "projects/77/flags/form"
IN_PRODUCTION = f"{IN_FLAG}/environments/production/ruleset"
PATCH = [{"op": "replace", "path": "/rules/beta_people/enabled", "value": False}]

V2_CALLS: dict[str, Case] = {
    **v2_everyday("Projects", "projects", archives=False, name="A", platform="web"),
    "Project.save": case(
        v2_made(
            projects.Project,
            "Projects",
            {"id": 77, "name": "A"},
            archive_and_save,
        ),
        Asks("PATCH projects/77", {"id": 77, "status": "archived"}, {"status": "archived"}),
    ),
    "Project.experiments": case(
        v2_made(projects.Project, "Projects", {"id": 77}, lambda one: one.experiments()),
        Asks("GET experiments", [V2_EXPERIMENT], query={**PAGE, "project_id": "77"}),
    ),
    **v2_everyday("Experiments", "experiments", name="A", metrics=[{"event_id": 8}]),
    **{f"Experiments.{name}": action(name) for name in ("start", "pause", "resume", "publish", "unarchive")},
    "Experiment.start": case(
        v2_made(experiments.Experiment, "Experiments", V2_EXPERIMENT, lambda one: one.start()),
        Asks("PATCH experiments/5", changed(V2_EXPERIMENT, status="running"), {}, query={"action": "start"}),
    ),
    "Experiment.save": case(
        v2_made(experiments.Experiment, "Experiments", V2_EXPERIMENT, rename_and_save),
        Asks("PATCH experiments/5", changed(V2_EXPERIMENT, name="B"), {"name": "B"}),
    ),
    "Experiment.save of a member's member": case(
        v2_made(experiments.Experiment, "Experiments", V2_EXPERIMENT, weigh_and_save),
        Asks("PATCH experiments/5", V2_EXPERIMENT, {"variations": [{"weight": 6000}]}),
    ),
    "Experiment.save unchanged": case(
        v2_made(experiments.Experiment, "Experiments", V2_EXPERIMENT, lambda one: one.save()), gives=V2_EXPERIMENT
    ),
    "Experiment.refresh": case(
        v2_made(experiments.Experiment, "Experiments", {"id": 5}, lambda one: one.refresh()),
        Asks("GET experiments/5", V2_EXPERIMENT),
    ),
    "Experiment.delete": case(
        v2_made(experiments.Experiment, "Experiments", V2_EXPERIMENT, lambda one: one.delete()),
        Asks("DELETE experiments/5", status=204),
        gives=V2_EXPERIMENT,
    ),
    "Experiments.results": case(lambda c: c.Experiments.results(5), Asks("GET experiments/5/results", RESULTS)),
    "Experiments.results without data": case(
        lambda c: c.Experiments.results(5), Asks("GET experiments/5/results", status=204), gives=None
    ),
    "Experiments.timeseries": case(
        lambda c: c.Experiments.timeseries(5), Asks("GET experiments/5/timeseries", RESULTS)
    ),
    "Experiments.report": case(
        lambda c: c.Experiments.report(5), Asks("GET experiments/5/report", {"experiment_id": 5})
    ),
    "Experiments.export": case(
        lambda c: c.Experiments.export(5), Asks("GET export/experiments/5/results/csv", "a,b\n1,2\n")
    ),
    **v2_everyday("Campaigns", "campaigns", name="A"),
    "ScheduledJobs.list": case(
        lambda c: c.ScheduledJobs.list(project_id=77),
        Asks("GET scheduled-jobs", [{"id": 4, "action": "start"}], query={**PAGE, "project_id": "77"}),
    ),
    **v2_everyday("Audiences", "audiences", archives=False, name="A", conditions='["and"]'),
    **v2_everyday("Dimensions", "attributes", key="tier"),
    **v2_everyday("TargetingLists", "list_attributes", name="vip", list_type="cookies"),
    **v2_everyday("Pages", "pages", name="Order", edit_url="https://garden.example/order"),
    "Goals.list": case(
        lambda c: c.Goals.list(project_id=77),
        Asks("GET events", [V2_EVENT, PAGE_EVENT], query={**PAGE, "project_id": "77"}),
    ),
    "Goals.create": case(
        lambda c: c.Goals.create({"project_id": 77, "key": "signed"}),
        Asks("POST projects/77/custom_events", V2_EVENT, {"key": "signed"}, 201),
    ),
    "Goals.create with ids first": case(
        lambda c: c.Goals.create(77, key="signed", name="Signed"),
        Asks("POST projects/77/custom_events", V2_EVENT, {"key": "signed", "name": "Signed"}, 201),
    ),
    "Goals.update": case(
        lambda c: c.Goals.update(8, {"name": "S"}, project_id=77),
        Asks("PATCH projects/77/custom_events/8", V2_EVENT, {"name": "S"}),
    ),
    "Goals.delete": case(
        lambda c: c.Goals.delete(77, 8), Asks("DELETE projects/77/custom_events/8", status=204), gives=None
    ),
    "Event.save": case(
        v2_made(targeting.Event, "Goals", V2_EVENT, rename_and_save),
        Asks(
            "PATCH projects/77/custom_events/8",
            changed(V2_EVENT, name="B"),
            {"name": "B", "status": "only actions change it"},
        ),
    ),
    "PageEvents.create": case(
        lambda c: c.PageEvents.create({"page_id": 6, "name": "Order", "event_type": "click"}),
        Asks("POST pages/6/events", PAGE_EVENT, {"name": "Order", "event_type": "click"}, 201),
    ),
    "PageEvents.update": case(
        lambda c: c.PageEvents.update(6, 9, name="O"), Asks("PATCH pages/6/events/9", PAGE_EVENT, {"name": "O"})
    ),
    "PageEvents.delete": case(
        lambda c: c.PageEvents.delete(9, page_id=6), Asks("DELETE pages/6/events/9", status=204), gives=None
    ),
    "Event.delete of a page": case(
        v2_made(targeting.Event, "Goals", PAGE_EVENT, lambda one: one.delete()),
        Asks("DELETE pages/6/events/9", status=204),
        gives=PAGE_EVENT,
    ),
    **v2_everyday("Groups", "groups", name="A"),
    **v2_everyday("Features", "features", key="form"),
    **v2_everyday("Environments", "environments", key="staging"),
    **v2_everyday("Extensions", "extensions", name="A"),
    "Client.request": case(
        lambda c: c.request("patch", ["projects", 7], None, '{"name": "B"}', query={"a": "b"}.items()),
        Asks("PATCH projects/7", {"id": 7}, {"name": "B"}, query={"a": "b"}),
    ),
}

FLAG_CALLS: dict[str, Case] = {
    "Flags.list": flag_list("Flags", "list", "projects/77/flags", 77),
    "Flags.get": of_flags("Flags", "get", f"GET {IN_FLAG}", 77, "form", answer=FLAG),
    "Flags.create": of_flags(
        "Flags", "create", "POST projects/77/flags", 77, {"key": "form"}, answer=FLAG, body={"key": "form"}, status=201
    ),
    "Flags.update": case(
        lambda c: c.Flags.update(77, "form", name="Form", description="Of orders"),
        Asks(
            f"PATCH {IN_FLAG}",
            FLAG,
            [
                {"op": "replace", "path": "/name", "value": "Form"},
                {"op": "replace", "path": "/description", "value": "Of orders"},
            ],
        ),
    ),
    "Flags.delete": of_flags("Flags", "delete", f"DELETE {IN_FLAG}", 77, "form", answer=None, status=204),
    "Flags.variable_definitions": flag_list(
        "Flags", "variable_definitions", f"{IN_FLAG}/variable_definitions", 77, "form"
    ),
    "Flags.environments": flag_list("Flags", "environments", "projects/77/environments", 77),
    "Flags.groups": flag_list("Flags", "groups", "projects/77/groups", 77),
    "Flags.holdouts": flag_list("Flags", "holdouts", "projects/77/holdouts", 77),
    "Variations.list": flag_list("Variations", "list", f"{IN_FLAG}/variations", 77, "form"),
    "Variations.get": of_flags(
        "Variations", "get", f"GET {IN_FLAG}/variations/short", 77, "form", "short", answer=SHORT
    ),
    "Variations.create": of_flags(
        "Variations", "create", f"POST {IN_FLAG}/variations", 77, "form", SHORT, answer=SHORT, body=SHORT, status=201
    ),
    "Variations.update": of_flags(
        "Variations",
        "update",
        f"PATCH {IN_FLAG}/variations/short",
        77,
        "form",
        "short",
        PATCH,
        answer=SHORT,
        body=PATCH,
    ),
    "Variations.delete": of_flags(
        "Variations", "delete", f"DELETE {IN_FLAG}/variations/a%2Fb", 77, "form", "a/b", answer=None, status=204
    ),
    "Rulesets.get": of_flags("Rulesets", "get", f"GET {IN_PRODUCTION}", 77, "form", "production"),
    "Rulesets.update": of_flags(
        "Rulesets", "update", f"PATCH {IN_PRODUCTION}", 77, "form", "production", PATCH, body=PATCH
    ),
    "Rulesets.enable": case(
        lambda c: c.Rulesets.enable(77, "form", "production"),
        Asks(f"POST {IN_PRODUCTION}/enabled", RULESET),
        gives=None,
    ),
    "Rulesets.disable": case(
        lambda c: c.Rulesets.disable(77, "form", "production"),
        Asks(f"POST {IN_PRODUCTION}/disabled", RULESET),
        gives=None,
    ),
    "Rules.list": flag_list("Rules", "list", "projects/77/rules", 77),
    "Reports.list": flag_list("Reports", "list", "projects/77/environments/production/reports", 77, "production"),
    "Client.request": case(
        lambda c: c.request("post", ["projects", 77, "flags", "archived"], data='{"keys": ["a"]}', flags=True),
        Asks("POST projects/77/flags/archived", {"items": []}, {"keys": ["a"]}),
    ),
}

TABLES = [(V1, V1_CALLS, "v1"), (V2, V2_CALLS, "v2"), (FLAGS, FLAG_CALLS, "v2")]


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def client_of(api: Any) -> Client:
    return optimizely.Client("key:88120034") if api == "v1" else optimizely.Client("personal-token", api=api)


def shown(result: Any) -> Any:
    """What a result holds, as JSON has it."""
    if isinstance(result, Row):
        return vars(result)
    if isinstance(result, Record):
        return result.raw
    return [shown(one) for one in result] if isinstance(result, list | Iterator) else result


@pytest.mark.parametrize(
    ("base", "api", "row"),
    [pytest.param(base, api, row, id=f"{api} {name}") for base, table, api in TABLES for name, row in table.items()],
)
def test_a_call_makes_exactly_these_requests_and_gives_this(
    base: str, api: str, row: Case, network: responses.RequestsMock
) -> None:
    for asks in row.asks:
        method, _, path = asks.line.partition(" ")
        text = asks.answer if isinstance(asks.answer, str) else json.dumps(asks.answer)
        network.add(method, base + path, status=asks.status, body="" if asks.answer is None else text)

    given = shown(row.call(client_of(api)))

    assert given == (row.asks[-1].answer if row.gives is ... else row.gives)
    assert len(network.calls) == len(row.asks)
    for call, asks in zip(network.calls, row.asks, strict=True):
        sent, headers = call.request, call.request.headers
        url, _, query = (sent.url or "").partition("?")
        assert f"{sent.method} {url}" == asks.line.replace(" ", f" {base}", 1)
        assert dict(parse_qsl(query)) == asks.query
        assert (json.loads(sent.body or "null")) == asks.body
        assert headers["User-Agent"].startswith("openfeature-kameleoon")
        assert headers.get("Content-Type") == (None if asks.body is None else "application/json")
        assert headers.get("Token") == ("key:88120034" if api == "v1" else None)
        assert headers.get("Authorization") == (None if api == "v1" else "Bearer personal-token")


DOCUMENTED: dict[str, Call] = {
    "project.save()": made(optimizely.Project, PROJECT, lambda one: one.save()),
    "experiment.delete()": made(optimizely.Experiment, CREATED_EXPERIMENT, lambda one: one.delete()),
    "experiment.add_goal(3100490073), advised form": made(
        optimizely.Experiment, EXPERIMENT, lambda one: one.add_goal(OTHER)
    ),
    "schedule.save()": made(
        optimizely.Schedule, changed(SCHEDULE, stop_time="2015-12-15T06:00:00Z"), lambda one: one.save()
    ),
}
"""Rows of the specification's `optimizely-requests.json` that are no call of a registry."""


@pytest.mark.parametrize("row", [pytest.param(row, id=row["call"]) for row in example("optimizely-requests")])
def test_the_specifications_requests_are_made_so(row: dict[str, Any], network: responses.RequestsMock) -> None:
    words = row["call"].replace("(", " ").replace(",", " ").split()
    if words[0].startswith("client."):
        _, registry, verb = words[0].split(".")
        before = [int(words[1])] if verb == "update" else []
        DOCUMENTED[row["call"]] = lambda c: getattr(getattr(c, registry), verb)(*before, row["body"])
    if "add_goal" in row["call"]:
        network.add("GET", f"{V1}goals/{OTHER}", json=OTHER_GOAL)
    answer = "" if row["answer_status"] == 204 else '{"id": 1}'
    network.add(row["method"], V1 + row["path"], status=row["answer_status"], body=answer)

    if row["answer_status"] == 400:
        with pytest.raises(optimizely.BadRequestError):
            DOCUMENTED[row["call"]](client_of("v1"))
    else:
        DOCUMENTED[row["call"]](client_of("v1"))

    sent = network.calls[-1].request
    assert (sent.method, sent.url) == (row["method"], V1 + row["path"])
    assert json.loads(sent.body or "null") == row["body"]


def declared_in_v1() -> set[str]:
    """Every verb of every registry and resource, by the attributes that can be called."""
    client, names = client_of("v1"), set()
    for name, registry in registries(client).items():
        kind = registry.kind
        names |= {f"{name}.{verb}" for verb in ("get", "create", "update")}
        public = {verb for verb in dir(kind) if not verb.startswith("_") and hasattr(kind(client), verb)}
        names |= {f"{kind.__name__}.{verb}" for verb in public - {"client", "path", "parent", "editable", "required"}}
    return names


def registries(client: Client) -> dict[str, Any]:
    kinds = [name for name, value in vars(optimizely.Client).items() if isinstance(value, Registries)]
    return {name: getattr(client, name) for name in kinds if hasattr(client, name)}


def test_every_operation_of_v1_has_a_row() -> None:
    tested = {name.partition(" ")[0] for name in V1_CALLS}

    assert declared_in_v1() <= tested
    assert all(isinstance(one, Registry) for one in registries(client_of("v1")).values())


def test_every_operation_of_v2_has_a_row() -> None:
    declared = {
        f"{name}.{verb}"
        for name, registry in registries(client_of("v2")).items()
        for verb in operations(type(registry))
    }

    tested = {name.partition(" ")[0] for name in {**V2_CALLS, **FLAG_CALLS}}

    assert declared - tested == set()


@pytest.mark.parametrize(("kind", "names"), EDITABLE.items())
def test_the_editable_fields_are_those_of_the_specification(kind: str, names: str) -> None:
    assert set(getattr(optimizely, kind).editable) == set(names.split())


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        ("Project", {"project_name"}),
        ("Experiment", {"project_id", "description", "edit_url"}),
        ("Variation", {"experiment_id", "description"}),
        ("Goal", {"project_id", "title", "goal_type"}),
        ("Audience", {"project_id", "name"}),
        ("Dimension", {"project_id", "name"}),
        ("Schedule", {"experiment_id"}),
    ],
)
def test_the_required_fields_are_those_of_the_specification(kind: str, required: set[str]) -> None:
    assert set(getattr(optimizely, kind).required) == required
