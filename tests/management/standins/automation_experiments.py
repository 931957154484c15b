"""Experiments, variations and personalizations of the Automation API stand-in: what holds them together."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from tests.management.standins.automation_fields import Field, Object, Refused, enum, many, opened, some
from tests.management.standins.automation_resources import (
    CONFIGURATIONS,
    DATES,
    INTEGRATIONS,
    OWNER,
    TARGETING_RULE,
    flag,
    number,
    site_id,
    text,
    whole,
)
from tests.management.standins.automation_state import Resource, State

__all__ = ["ACTIONS", "CAMPAIGNS", "clone", "restart", "take"]

# --- experiments --------------------------------------------------------------------------------------------------

EXPERIMENT_TYPES = "AI CLASSIC DEVELOPER FEATURE_FLAG MVT PROMPT SDK_HYBRID SERVER_SIDE HYBRID"
STATUSES = "DRAFT ACTIVE PAUSED STOPPED DEACTIVATED PLANNED DEVIATED USED_AS_PERSONALIZATION ARCHIVED"
ALLOCATIONS = "MANUAL MULTI_ARMED_BANDIT CONTEXTUAL_BANDIT"
LIFE = ("dateStarted", "dateEnded", "dateStatusModified", "dateCollectingDataStopped")
EXPERIMENT = {
    "siteId": site_id(),
    "siteCode": text(),
    "name": text("Np", "", length=(1, 255)),
    "baseURL": text("Np"),
    "type": enum(EXPERIMENT_TYPES, "n", "CLASSIC"),  # a PATCH of it does not stick
    "status": enum(STATUSES, default="DRAFT"),
    "description": text("np", ""),
    "variations": many("integers", "p"),
    "deviations": Field("an object of numbers", "np", {}),
    "respoolTime": Field("an object of numbers", "np", {}),
    "trafficAllocationMethod": enum(ALLOCATIONS, "np", "MANUAL"),
    "autoOptimized": flag("np"),
    "goals": many("integers", "np"),
    "mainGoalId": whole("np"),
    "tags": many("strings", "np"),
    "trackingTools": many(ways="np", inner={"name": enum(INTEGRATIONS, "n"), "type": enum(INTEGRATIONS, "n")}),
    "targetingConfiguration": enum(CONFIGURATIONS, "np", "SITE"),
    "targetingSegmentId": whole("np"),
    "targetingRule": some("np", inner=opened(TARGETING_RULE, "n")),
    **{name: text("np", "") for name in ("commonJavaScriptCode", "commonCssCode", "globalScript")},
    "collectingDataEnabled": flag("n", True),
    "executeCodeForReference": flag("n"),
    "isLegacyEditor": flag("n"),
    "isMultipleTestingCorrection": flag("np"),
    "mvtVariations": many(ways="n"),
    "mvtAllocationSettings": some("n"),
    "identificationKey": text("p"),
    "isArchived": flag(),
    **OWNER,
    **DATES,
    **{name: text() for name in LIFE},
}


@dataclass(frozen=True, slots=True)
class Action:
    """A step of an experiment's life: from which statuses, and to which."""

    begins: frozenset[str]
    becomes: str


ACTIONS = {
    "ACTIVATE": Action(frozenset({"DRAFT", "PLANNED", "DEACTIVATED"}), "ACTIVE"),
    "PAUSE": Action(frozenset({"ACTIVE"}), "PAUSED"),
    "RESUME": Action(frozenset({"PAUSED"}), "ACTIVE"),
    "STOP": Action(frozenset({"ACTIVE", "PAUSED"}), "STOPPED"),
    "SCHEDULE": Action(frozenset({"DRAFT"}), "PLANNED"),
    "DEACTIVATE": Action(frozenset({"ACTIVE", "PAUSED"}), "DEACTIVATED"),
}
RESTART = Action(frozenset({"STOPPED"}), "ACTIVE")
REMOVABLE = ("DRAFT", "STOPPED")


def take(state: State, experiment: Object, name: str, action: Action, changes: Object) -> None:
    """Write changes and go to the next status, or refuse both."""
    status = experiment["status"].upper()
    if status not in action.begins:
        raise Refused(400, f"action: cannot {name} an experiment with status {status}")
    state.change("experiments", experiment, changes)
    now = state.now()
    experiment.update(status=action.becomes, dateStatusModified=now)
    if action.becomes == "ACTIVE":
        experiment.update(dateStarted=experiment["dateStarted"] or now, dateEnded=None)
    if action.becomes == "STOPPED":
        experiment["dateEnded"] = now


def restart(state: State, experiment: Object) -> None:
    """Run a stopped experiment again."""
    take(state, experiment, "RESTART", RESTART, {})


def clone(state: State, experiment: Object) -> Object:
    """A fresh draft with copies of the variations."""
    copied = {}
    for id_ in experiment["variations"]:
        original = state.find("variations", id_)
        copied[id_] = state.add("variations", {**original, "id": None})["id"]
    renamed = {str(old): str(new) for old, new in copied.items()}
    kept = {name: value for name, value in experiment.items() if name in EXPERIMENT and EXPERIMENT[name].ways}
    copy = state.complete(
        "experiments",
        {
            **deepcopy(kept),
            "id": state.objects["experiments"].new_id(),
            "name": f"Copy of {experiment['name']}",
            "variations": list(copied.values()),
            "deviations": {renamed.get(key, key): share for key, share in experiment["deviations"].items()},
            "respoolTime": {},
            "targetingRule": None,
        },
    )
    state.objects["experiments"].keep(copy)
    _join(state, copy, experiment["targetingRule"])
    return copy


def _join(state: State, experiment: Object, rule: Object | None) -> None:
    """Attach the experiment's variations, and give it a targeting rule of its own."""
    for id_ in experiment["variations"]:
        state.find("variations", id_)["experimentId"] = experiment["id"]
    given = {name: value for name, value in (rule or {}).items() if name != "id"}
    experiment["targetingRule"] = state.add("targeting-rules", {**given, "siteId": experiment["siteId"]})


def _experiment_fits(state: State, changes: Object, before: Object | None) -> None:
    if before is None:
        shares = changes.get("deviations") or {}
        if not changes.get("variations") and (set(shares) - {"origin"} or not 0 <= shares.get("origin", 0) <= 1):
            raise Refused(400, "deviations: a new experiment has a share of 'origin' only, between 0 and 1")
        return
    if not {"variations", "deviations"} & set(changes):
        return
    after: Object = {**before, **changes}
    _variations_fit(state, after["variations"], before)
    _shares_fit(after["variations"], after["deviations"])


def _variations_fit(state: State, ids: list[int], experiment: Object) -> None:
    if len(set(ids)) != len(ids):
        raise Refused(400, "variations: an id is there twice")
    taken = {id_ for campaign in _campaigns(state) for id_ in campaign["variations"]} - set(experiment["variations"])
    for id_ in ids:
        variation = state.objects["variations"].get(id_)
        if variation is None or variation["siteId"] != experiment["siteId"]:
            raise Refused(400, f"variations: no variation {id_} on site {experiment['siteId']}")
        if id_ in taken:
            raise Refused(400, f"variations: {id_} belongs to another experiment")


def _shares_fit(ids: list[int], shares: Object) -> None:
    attached = {str(id_) for id_ in ids}
    if attached - set(shares):
        raise Refused(400, f"deviations: no share for {', '.join(sorted(attached - set(shares)))}")
    if set(shares) - attached - {"origin"}:
        raise Refused(400, f"deviations: not attached: {', '.join(sorted(set(shares) - attached - {'origin'}))}")
    if not all(0 <= share <= 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise Refused(400, "deviations: shares lie between 0 and 1 and add up to 1")


def _experiment_is_complete(state: State, item: Object) -> None:
    item["siteCode"] = item["siteCode"] or state.site(item["siteId"])["code"]


def _experiment_is_created(state: State, item: Object) -> None:
    if not item["variations"]:
        variation = state.add("variations", {"name": "Variation 1", "siteId": item["siteId"]})
        origin = item["deviations"].get("origin", 0.5)
        item["variations"] = [variation["id"]]
        item["deviations"] = {"origin": origin, str(variation["id"]): 1 - origin}
    _join(state, item, item["targetingRule"])


def _experiment_is_changed(state: State, item: Object, before: Object) -> None:
    for id_ in set(before["variations"]) ^ set(item["variations"]):
        variation = state.objects["variations"].get(id_)
        if variation is not None:
            variation["experimentId"] = item["id"] if id_ in item["variations"] else None
    if item["respoolTime"] == before["respoolTime"]:
        moved = [id_ for id_, share in item["deviations"].items() if share != before["deviations"].get(id_)]
        now = int(state.clock())
        item["respoolTime"] = {**item["respoolTime"], **{id_: now for id_ in moved if id_ != "origin"}}
    if item["targetingRule"] != before["targetingRule"]:
        _join(state, item, {**(before["targetingRule"] or {}), **(item["targetingRule"] or {})})


def _experiment_is_removable(state: State, item: Object) -> None:
    if item["status"].upper() not in REMOVABLE:
        raise Refused(400, f"You can delete experiments only with statuses [{', '.join(REMOVABLE)}]")
    for id_ in item["variations"]:
        state.find("variations", id_)["experimentId"] = None


def _as_shown(state: State) -> Callable[[Object], Object]:
    if state.lower_case_statuses:
        return lambda item: {**item, "status": item["status"].lower()}
    return lambda item: item


# --- variations and personalizations ------------------------------------------------------------------------------

REDIRECTION = {
    "type": enum("GLOBAL_REDIRECTION PARAMETER_REDIRECTION", "N"),
    "url": text("n"),
    "parameters": text("n"),
    "includeQueryParameters": flag("n"),
}
PACES = (
    "expositionFrequencySameVisit",
    "expositionFrequencySameVisitor",
    "expositionFrequencyDelaySecondsBetweenTwoExpositions",
    "expositionFrequencySameVisitorDelaySeconds",
)
VARIATION = {
    "siteId": site_id(),
    "experimentId": whole("p"),
    "personalizationId": whole(),
    "name": text("Np", "", length=(1, 255)),
    "color": whole("n", 0),
    "jsCode": text("np", ""),
    "cssCode": text("np", ""),
    "customJson": text("n"),
    "isJsCodeAfterDomReady": flag("np", True),
    "forceNoFlicker": flag("n"),
    "shadowDom": flag("np"),
    "redirection": some("n", inner=REDIRECTION),
    "redirectionStrings": text("n"),
    "widgetTemplateInput": text("n"),
    "prompt": some("np", inner={"textInput": text("N"), "promptSource": text("n")}),
    **{name: whole("n") for name in PACES},
    "creationMode": enum("CODE_BASE WIDGET", default="CODE_BASE"),
}


def _campaigns(state: State) -> list[Object]:
    return [
        *state.objects["experiments"],
        *({"variations": item["variationIds"]} for item in state.objects["personalizations"]),
    ]


def _variation_fits(state: State, changes: Object, before: Object | None) -> None:
    id_ = changes.get("experimentId")
    if before is not None and id_ is not None and id_ not in state.objects["experiments"]:
        raise Refused(400, f"experimentId: no experiment {id_}")


def _variation_is_removable(state: State, item: Object) -> None:
    if any(item["id"] in campaign["variations"] for campaign in _campaigns(state)):
        raise Refused(400, f"Variation {item['id']} is attached and cannot be deleted")


CAPS = ("cappingPerVisitorExpositions", "cappingPerVisitorExposedVisits", "cappingPerVisitorConvertGoal")
PERSONALIZATION = {
    "siteId": site_id(),
    "name": text("Np", "", length=(1, 255)),
    "baseURL": text("np"),
    "description": text("np", ""),
    "category": text(),
    "format": text(),
    "status": enum(STATUSES, default="DRAFT"),
    "tags": many("strings", "np"),
    "goals": many("integers", "np"),
    "mainGoalId": Field("an integer or digits", "np"),
    "attributionWindow": whole(),
    **{name: text("np", "") for name in ("javaScriptCode", "cssCode", "globalScript")},
    "customExpositionRate": number(default=1.0),
    "checkConditionsRule": enum("ALL_CONDITIONS CUMULATIVE_WEIGHT", default="ALL_CONDITIONS"),
    "collectingDataEnabled": flag(default=True),
    **{name: flag() for name in (*CAPS, "globalCappingNumberVisitors")},
    "globalCappingVisitorsConfig": enum(
        "NUMBER_VISITORS NUMBER_VISITORS_CONVERT_GOAL NUMBER_VISITORS_NOT_CONVERT_GOAL", default="NUMBER_VISITORS"
    ),
    "imageInPage": some(),
    "isArchived": flag("p"),
    "metaReadOnly": text("p"),
    "variationId": whole(),
    "variationIds": many("integers"),
    **OWNER,
    **DATES,
    **{name: text() for name in LIFE},
}


def _personalization_fits(_: State, changes: Object, before: Object | None) -> None:
    if changes.get("mainGoalId") is not None:
        changes["mainGoalId"] = int(changes["mainGoalId"])


def _personalization_is_created(state: State, item: Object) -> None:
    item["baseURL"] = item["baseURL"] or state.site(item["siteId"])["url"]
    if not item["variationIds"]:
        fields = {"name": item["name"], "siteId": item["siteId"], "personalizationId": item["id"]}
        item["variationId"] = state.add("variations", fields)["id"]
        item["variationIds"] = [item["variationId"]]


CAMPAIGNS: dict[str, Resource] = {
    "experiments": Resource(
        first_id=31877,
        verbs="list get delete",
        fields=EXPERIMENT,
        optional=("goals", "tags"),
        allow=_experiment_fits,
        complete=_experiment_is_complete,
        created=_experiment_is_created,
        changed=_experiment_is_changed,
        removing=_experiment_is_removable,
        derive=_as_shown,
    ),
    "variations": Resource(
        first_id=55310,
        verbs="list create get put patch delete search",
        fields=VARIATION,
        allow=_variation_fits,
        removing=_variation_is_removable,
    ),
    "personalizations": Resource(
        first_id=8812,
        verbs="list create get patch delete",
        fields=PERSONALIZATION,
        optional=("goals", "tags"),
        allow=_personalization_fits,
        created=_personalization_is_created,
    ),
}
