"""Every call of the Automation API that its stand-in serves: one table, and what the rows of it do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.management.standins import automation_flag_fields as flag_fields
from tests.management.standins import automation_flags as flags
from tests.management.standins import automation_segments as segments
from tests.management.standins.automation_experiments import ACTIONS, CAMPAIGNS, clone, restart, take
from tests.management.standins.automation_fields import Field, Object, Refused, accepted, check, enum
from tests.management.standins.automation_resources import TARGETING_RULE, text
from tests.management.standins.automation_results import REQUEST
from tests.management.standins.automation_state import State
from tests.management.standins.automation_verbs import (
    RESOURCES,
    VERBS,
    Answer,
    Api,
    Call,
    Handler,
    Route,
    creating,
    patching,
    plain_page,
    shown,
)

__all__ = ["ROUTES"]

# --- sites and experiments ----------------------------------------------------------------------------------------


def _site_by_code(api: Api, call: Call) -> Answer:
    return Answer(shown(api, "sites", api.state.site_by_code(call.path["code"]), call))


def _integration_tools(api: Api, call: Call) -> Answer:
    site = api.state.find("sites", call.id)
    return plain_page(api.state.integration_tools.get(site["id"], []), ("name", "settings"), call)


def _create_experiment(api: Api, call: Call) -> Answer:
    answer = creating("experiments")(api, call)
    if api.state.hides_new_variations:
        del answer.body["variations"]
    return answer


def _patch_experiment(api: Api, call: Call) -> Answer:
    action = call.query.get("action")
    if action is None:
        return patching("experiments")(api, call)
    check({"action": enum(" ".join(ACTIONS), "n")}, {"action": action})
    changes = accepted(CAMPAIGNS["experiments"].fields, call.body, "patch")
    experiment = api.state.find_to_write("experiments", call.id)
    take(api.state, experiment, action, ACTIONS[action], changes)
    return Answer(shown(api, "experiments", experiment, call))


def _clone(api: Api, call: Call) -> Answer:
    return Answer(shown(api, "experiments", clone(api.state, api.state.find("experiments", call.id)), call), 201)


def _restart(api: Api, call: Call) -> Answer:
    experiment = api.state.find_to_write("experiments", call.id)
    restart(api.state, experiment)
    return Answer(shown(api, "experiments", experiment, call))


def _create_targeting_rule(api: Api, call: Call) -> Answer:
    experiment_id = call.query.get("experimentId", "")
    if not experiment_id.isdigit():
        raise Refused(400, "experimentId: required, an integer")
    fields = accepted(TARGETING_RULE, call.body, "create")
    experiment = api.state.find_to_write("experiments", int(experiment_id))
    experiment["targetingRule"] = api.state.add("targeting-rules", fields)
    return Answer(experiment["targetingRule"], 201)


def _put_condition(api: Api, call: Call) -> Answer:
    check({"condition": segments.ONE_CONDITION}, {"condition": call.body})
    segment = api.state.find_to_write("segments", call.id)
    return Answer(segments.put_condition(api.state, segment, int(call.path["condition_id"]), call.body))


# --- feature flags ------------------------------------------------------------------------------------------------

SITE_CODE_IN_PATH = {"siteCode": flag_fields.FLAG["siteCode"]}


def _flag(api: Api, call: Call, *, is_written: bool = True) -> Object:
    item = flags.find_by_key(api.state, call.path["siteCode"], call.path["key"])
    return api.state.find_to_write("feature-flags", item["id"]) if is_written else item


def _on_flag(
    do: Callable[[Api, Call], Object], fields: Mapping[str, Field] | None = None, demanded: str = "P", status: int = 200
) -> Handler:
    """Check the path and the body, do it, answer the flag."""

    def handle(api: Api, call: Call) -> Answer:
        check(SITE_CODE_IN_PATH if "siteCode" in call.path else {}, dict(call.path))
        check(fields or {}, call.body, demanded)
        return Answer(shown(api, "feature-flags", do(api, call), call), status)

    return handle


def _patch_flag(api: Api, call: Call) -> Object:
    item = _flag(api, call)
    flags.patch(api.state, item, call.body)
    return item


def _patch_environment(api: Api, call: Call) -> Object:
    item = _flag(api, call)
    flags.patch_environment(api.state, item, call.path["environment"], call.body)
    return item


def _patch_rule(api: Api, call: Call) -> Object:
    item = flags.find_by_rule(api.state, call.id)
    flags.patch_rule(api.state, item, call.id, call.body)
    return item


def _duplicate_flag(api: Api, call: Call) -> Object:
    return flags.duplicate(api.state, _flag(api, call, is_written=False))


def _delete_flag(api: Api, call: Call) -> Answer:
    check(SITE_CODE_IN_PATH, dict(call.path))
    api.state.remove("feature-flags", _flag(api, call))
    return Answer(status=204)


# --- results and tags ---------------------------------------------------------------------------------------------

CODE = {"dataCode": text("N", length=(1, 255))}


def _experiment_results(api: Api, call: Call) -> Answer:
    body = accepted(REQUEST, call.body, "create")
    variations, goals = _subject(api.state, call.id)
    return Answer(api.reports.request(api.state, call.id, variations, goals, body))


def _subject(state: State, id_: int) -> tuple[list[int], list[int]]:
    """Variations and goals of an experiment, or of the flag whose rule is one."""
    experiment = state.objects["experiments"].get(id_)
    if experiment is not None:
        return [0, *experiment["variations"]], list(
            dict.fromkeys([*experiment["goals"], *_some(experiment["mainGoalId"])])
        )
    for item in state.objects["feature-flags"]:
        if any(rule["experimentId"] == id_ for rule in flags.rules(item)):
            return _of_flag(state, item)
    raise Refused(404)


def _of_flag(state: State, item: Object) -> tuple[list[int], list[int]]:
    return flags.variation_ids(state, item), [*_some(item["primaryGoalId"]), *item["secondaryGoalIds"]]


def _some(id_: int | None) -> list[int]:
    return [] if id_ is None else [id_]


def _flag_results(api: Api, call: Call) -> Answer:
    body = accepted(REQUEST, call.body, "create")
    variations, goals = _of_flag(api.state, api.state.find("feature-flags", call.id))
    return Answer(api.reports.request(api.state, call.id, variations, goals, body))


def _poll_results(api: Api, call: Call) -> Answer:
    check(CODE, dict(call.query))
    return Answer(api.reports.poll(call.query["dataCode"]))


def _poll_audience(api: Api, call: Call) -> Answer:
    check(CODE, dict(call.query))
    return Answer(api.audiences.poll(call.query["dataCode"]))


TAGGED = {
    "EXPERIMENT": "experiments",
    "FEATURE": "feature-flags",
    "PERSONALIZATION": "personalizations",
    "SEGMENT": "segments",
    "GOAL": "goals",
    "IMAGE": "images",
    "KEY_MOMENT": "key-moments",
}
TAG_TYPES = " ".join((*TAGGED, "WIDGET", "STUDIO_THEME", "TEAM", "AI_EXPLORATION_SCOPE"))


def _tags(api: Api, call: Call) -> Answer:
    check({"type": enum(TAG_TYPES, "N")}, dict(call.query))
    kind = call.query["type"]
    items = api.state.objects[TAGGED[kind]] if kind in TAGGED else ()
    names = dict.fromkeys([tag for item in items for tag in item["tags"]] + api.state.tags.get(kind, []))
    return plain_page(({"name": name} for name in names), ("name",), call)


FLAG_PATH = "/feature-flags/<siteCode>/<key>"

ROUTES: tuple[Route, ...] = (
    *(
        Route(method, f"/{name}{tail}", rights, make(name))
        for name, resource in RESOURCES.items()
        for method, tail, rights, make in (VERBS[verb] for verb in resource.verbs.split())
    ),
    Route("GET", "/sites/byCode/<code>", "read", _site_by_code),
    Route("GET", "/sites/<int:id>/integration-tools", "read", _integration_tools),
    Route("POST", "/experiments", "write", _create_experiment),
    Route("PATCH", "/experiments/<int:id>", "write", _patch_experiment),
    Route("POST", "/experiments/<int:id>/clone", "write", _clone),
    Route("POST", "/experiments/restart/<int:id>", "write", _restart),
    Route("POST", "/experiments/<int:id>/results", "results", _experiment_results),
    Route("PUT", "/segments/<int:id>/conditions/<int:condition_id>", "write", _put_condition),
    Route("POST", "/targeting-rules", "write", _create_targeting_rule),
    Route("PATCH", "/feature-flags/rules/<int:id>", "write", _on_flag(_patch_rule, flag_fields.RULE_PATCH)),
    Route("POST", "/feature-flags/<int:id>/results", "results", _flag_results),
    Route("GET", FLAG_PATH, "read", _on_flag(lambda api, call: _flag(api, call, is_written=False))),
    Route("PATCH", FLAG_PATH, "write", _on_flag(_patch_flag, flag_fields.FLAG)),
    Route("PATCH", f"{FLAG_PATH}/<environment>", "write", _on_flag(_patch_environment, flag_fields.ENVIRONMENT_PATCH)),
    Route("POST", f"{FLAG_PATH}/duplicate", "write", _on_flag(_duplicate_flag, status=201)),
    Route("DELETE", FLAG_PATH, "write", _delete_flag),
    Route("GET", "/results", "results", _poll_results),
    Route("GET", "/audiences/poll", "read", _poll_audience),
    Route("GET", "/tags", "read", _tags),
)
