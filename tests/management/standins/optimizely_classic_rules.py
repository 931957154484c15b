"""What Optimizely's Classic API checks of its resources, and what follows from a change; a row per resource."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.management.standins.optimizely_account import Account, Asked, Field, Record, Refusal, Token, accepted, blank
from tests.management.standins.optimizely_classic_fields import FIELDS, TIMES
from tests.management.standins.optimizely_conditions import condition_types

__all__ = ["RESOURCES", "Resource", "Shelf"]


class _Change(NamedTuple):
    """A write before it is stored: who asks, what was sent and accepted, the record before and after."""

    token: Token
    sent: Record
    old: Record | None
    new: Record


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of entity: its name, its parent's plural, its fields in the order of answers, and its rules."""

    name: str
    parent: str | None
    fields: Mapping[str, Field]
    deletable: bool = True
    checks: tuple[Callable[[Shelf, _Change], None], ...] = ()
    effects: tuple[Callable[[Shelf, Record | None, Record | None], None], ...] = ()
    """What follows from a record's going from one form to another; ``None`` before creation, and after deletion."""
    unique: tuple[str, ...] = ()
    always_required: tuple[str, ...] = ()
    """Asked for at every update."""
    hidden: tuple[str, ...] = ()
    newest_first: bool = False

    @property
    def parent_field(self) -> str:
        """Where a record has its parent's id."""
        return f"{(self.parent or '').removesuffix('s')}_id"


# Checks


def _is_unique(shelf: Shelf, change: _Change, plural: str, names: tuple[str, ...]) -> None:
    others = [one for one in shelf.records[plural].values() if one["id"] != change.new["id"]]
    peers = [one for one in others if one["project_id"] == change.new["project_id"]]
    taken = {name for name in names for one in peers if change.new[name] is not None and one[name] == change.new[name]}
    if taken:
        raise Refusal(400, fields=dict.fromkeys(sorted(taken), "is taken"))


def _project_is_made_by_admins(shelf: Shelf, change: _Change) -> None:
    if change.old is None and not change.token.may.makes_projects:
        raise Refusal(403, f"a {change.token.role} may not make projects")


def _is_plain_ab_test(shelf: Shelf, change: _Change) -> None:
    if change.old is not None and (change.old["experiment_type"] != "ab" or change.old["is_multivariate"]):
        raise Refusal(400, fields={"experiment_type": "other than ab is read-only"})


def _may_start(shelf: Shelf, change: _Change) -> None:
    is_started = change.new["status"] == "Running" and (change.old is None or change.old["status"] != "Running")
    if is_started and not change.token.may.starts:
        raise Refusal(403, f"a {change.token.role} may not start experiments")


def _settles_url_conditions(shelf: Shelf, change: _Change) -> None:
    """Number the URL conditions; those that were there keep their times."""
    raw = change.new["url_conditions"]
    if change.old is None and "url_conditions" not in change.sent:
        raw = [{"value": change.new["edit_url"].removesuffix("/")}]
    elif change.old is not None and raw == change.old["url_conditions"]:
        return
    now = shelf.account.stamp()
    before = change.old["url_conditions"] if change.old is not None else []
    settled = []
    for index, one in enumerate(raw):
        plain = {
            "match_type": one.get("match_type", "simple"),
            "value": one["value"],
            "negate": one.get("negate", False),
        }
        kept: Record = next((old for old in before if all(old[name] == value for name, value in plain.items())), {})
        times = {name: kept.get(name, now) for name in ("created", "last_modified")}
        settled.append({"index": index, **plain, **times})
    change.new["url_conditions"] = settled


def _has_a_time(shelf: Shelf, change: _Change) -> None:
    if not any(change.sent.get(name) for name in ("start_time", "stop_time")):
        raise Refusal(400, fields=dict.fromkeys(("start_time", "stop_time"), "or the other must be given"))


GOAL_NEEDS: Mapping[int, tuple[str, ...]] = {
    0: ("selector", "target_to_experiments"),
    1: ("event",),
    3: ("urls", "url_match_types"),
}
"""What a goal needs by its type; the types which are not here are made with each project, and never otherwise."""
OWN_PAGES = ("target_urls", "target_url_match_types")
PARALLEL = (OWN_PAGES, ("urls", "url_match_types"))


def _goal_is_of_its_type(shelf: Shelf, change: _Change) -> None:
    if change.old is not None and change.old["is_editable"] is False:
        raise Refusal(400, f"goal {change.old['id']} is not editable")
    goal, given = change.new, change.sent if change.old is None else change.new
    if goal["goal_type"] not in GOAL_NEEDS:
        raise Refusal(400, fields={"goal_type": "cannot be made: it comes with each project"})
    needs = GOAL_NEEDS[goal["goal_type"]]
    if goal["goal_type"] == 0 and given.get("target_to_experiments") is False:
        needs += OWN_PAGES
    missing = dict.fromkeys((name for name in needs if given.get(name) is None), "is required for this goal_type")
    uneven = {one: f"must be as long as {other}" for one, other in PARALLEL if len(goal[one]) != len(goal[other])}
    if missing or uneven:
        raise Refusal(400, fields={**uneven, **missing})


def _goal_is_of_known_experiments(shelf: Shelf, change: _Change) -> None:
    experiments, project_id = shelf.records["experiments"], change.new["project_id"]
    ids = change.new["experiment_ids"]
    unknown = [one for one in ids if one not in experiments or experiments[one]["project_id"] != project_id]
    if unknown:
        raise Refusal(400, fields={"experiment_ids": f"names no experiment of the project: {unknown}"})


def _conditions_are_in_the_plan(shelf: Shelf, change: _Change) -> None:
    missing = shelf.account.missing_condition_types & set(condition_types(change.new["conditions"]))
    if missing:
        raise Refusal(403, f"the plan lacks audience conditions of type {', '.join(sorted(missing))}")


def _segmentation_is_in_the_plan(shelf: Shelf, change: _Change) -> None:
    if not change.new["segmentation"] or (change.old is not None and change.old["segmentation"]):
        return
    if not shelf.account.has_segmentation:
        raise Refusal(403, "the plan lacks segmentation")
    peers = [one for one in shelf.records["audiences"].values() if one["project_id"] == change.new["project_id"]]
    if sum(one["segmentation"] for one in peers) >= shelf.account.segmentation_limit:
        raise Refusal(400, fields={"segmentation": f"is limited to {shelf.account.segmentation_limit} audiences"})


# Effects


def _brings_goals(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    if old is None and new is not None:
        new["socket_token"] = f"QQPLMNBV~{new['id']}"
        for title, goal_type, addable in (("Engagement", 2, True), ("Total revenue", 4, False)):
            kind = {"title": title, "goal_type": goal_type, "addable": addable, "is_editable": False}
            shelf.store("goals", {**kind, "project_id": new["id"]})


def _brings_variations(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    if old is None and new is not None:
        new["shareable_results_link"] = f"https://results.example/?experiment_id={new['id']}&token=zz{new['id'] % 997}"
        owner = {"experiment_id": new["id"], "project_id": new["project_id"]}
        names = shelf.account.variation_names
        made = [shelf.store("variations", {**owner, "description": name, "weight": 5000}) for name in names]
        new["variation_ids"] = [one["id"] for one in made]


def _takes_all_along(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    """A deleted experiment takes its variations, schedules and results along, and leaves its goals."""
    if old is None or new is not None:
        return
    for plural in ("variations", "schedules"):
        kept = {key: one for key, one in shelf.records[plural].items() if one["experiment_id"] != old["id"]}
        shelf.records[plural] = kept
    for seeded in (shelf.account.results, shelf.account.stats):
        seeded.pop(old["id"], None)
    shelf.account.first_started.pop(old["id"], None)
    for goal in shelf.records["goals"].values():
        goal["experiment_ids"] = [one for one in goal["experiment_ids"] if one != old["id"]]


def _experiment_was_changed(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    if new is not None and new["status"] == "Running":
        shelf.account.first_started.setdefault(new["id"], new["last_modified"])
    if any(one is not None and one["status"] == "Running" for one in (old, new)):
        shelf.publish((new or old or {})["project_id"])


def _keeps_variation_ids(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    variation = new or old or {}
    experiment = shelf.records["experiments"][variation["experiment_id"]]
    if old is None:
        experiment["variation_ids"].append(variation["id"])
        variation["project_id"] = experiment["project_id"]
    if new is None:
        experiment["variation_ids"] = [one for one in experiment["variation_ids"] if one != variation["id"]]
    experiment["last_modified"] = shelf.account.stamp()
    shelf.records["projects"][experiment["project_id"]]["last_modified"] = experiment["last_modified"]
    _experiment_was_changed(shelf, experiment, experiment)


def _keeps_goals_of_experiments(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    before, after = (one["experiment_ids"] if one is not None else [] for one in (old, new))
    goal_id = (new or old or {})["id"]
    for experiment_id in dict.fromkeys([*before, *after]):
        experiment = shelf.records["experiments"].get(experiment_id)
        if experiment is None or (experiment_id in before) is (experiment_id in after):
            continue
        others = [one for one in experiment["display_goal_order_lst"] if one != goal_id]
        experiment["display_goal_order_lst"] = [*others, goal_id] if experiment_id in after else others
        if experiment_id not in after and experiment["primary_goal_id"] == goal_id:
            experiment["primary_goal_id"] = None
        _experiment_was_changed(shelf, experiment, experiment)


def _is_the_active_one(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    if old is None and new is not None:
        for one in shelf.records["schedules"].values():
            if one["experiment_id"] == new["experiment_id"] and one is not new:
                one["status"] = "INACTIVE"


def _is_the_accounts(shelf: Shelf, old: Record | None, new: Record | None) -> None:
    if old is None and new is not None:
        new["account_id"] = shelf.records["projects"][new["project_id"]]["account_id"]


RESOURCES: Mapping[str, Resource] = {
    "projects": Resource(
        "project",
        None,
        FIELDS["projects"],
        deletable=False,
        checks=(_project_is_made_by_admins,),
        effects=(_brings_goals,),
    ),
    "experiments": Resource(
        "experiment",
        "projects",
        FIELDS["experiments"],
        checks=(_is_plain_ab_test, _may_start, _settles_url_conditions),
        effects=(_brings_variations, _experiment_was_changed, _takes_all_along),
    ),
    "variations": Resource(
        "variation",
        "experiments",
        FIELDS["variations"],
        effects=(_keeps_variation_ids,),
    ),
    "schedules": Resource(
        "schedule",
        "experiments",
        FIELDS["schedules"],
        checks=(_has_a_time,),
        effects=(_is_the_active_one,),
        newest_first=True,
    ),
    "goals": Resource(
        "goal",
        "projects",
        FIELDS["goals"],
        checks=(_goal_is_of_its_type, _goal_is_of_known_experiments),
        effects=(_keeps_goals_of_experiments,),
    ),
    "audiences": Resource(
        "audience",
        "projects",
        FIELDS["audiences"],
        deletable=False,
        checks=(_conditions_are_in_the_plan, _segmentation_is_in_the_plan),
    ),
    "dimensions": Resource(
        "dimension",
        "projects",
        FIELDS["dimensions"],
        unique=("name", "client_api_name"),
    ),
    "targeting_lists": Resource(
        "targeting list",
        "projects",
        FIELDS["targeting_lists"],
        effects=(_is_the_accounts,),
        unique=("name",),
        always_required=("name", "list_type", "key_fields", "format", "list_content"),
        hidden=("list_content",),
    ),
}


class Shelf:
    """The records of v1: every write is checked, stored, and followed by what it entails."""

    def __init__(self, account: Account) -> None:
        self.account = account

    @property
    def records(self) -> dict[str, dict[int, Record]]:
        """The account's records, a dict for each kind."""
        found = self.account.classic
        for plural in RESOURCES:
            found.setdefault(plural, {})
        return found

    def store(self, plural: str, values: Record) -> Record:
        """Store these values as they are, with defaults for what they lack: no check, and nothing follows from it."""
        record: Record = {**blank(RESOURCES[plural].fields), **copy.deepcopy(values)}
        now = self.account.stamp()
        record.update({name: now for name in TIMES if name in record and record[name] is None})
        record["id"] = self.account.id_for(record)
        self.records[plural][record["id"]] = record
        return record

    def create(self, plural: str, parent_id: int | None, asked: Asked) -> Record:
        """Check and store a new one, and what follows from it."""
        row = RESOURCES[plural]
        sent = accepted(row.fields, asked.body, is_new=True)
        owner = {"account_id": asked.token.account_id} if row.parent is None else {row.parent_field: parent_id}
        new = {**blank(row.fields), **sent, **owner}
        self._check(plural, _Change(asked.token, sent, None, new))
        stored = self.store(plural, new)
        self._follow(plural, None, stored)
        return stored

    def publish(self, project_id: int) -> None:
        """The project's script has changed."""
        project = self.records["projects"][project_id]
        project["code_revision"] += 1
        project["last_modified"] = self.account.stamp()

    def update(self, plural: str, record: Record, asked: Asked) -> Record:
        """Check and merge what is sent into the record, and what follows from it."""
        row = RESOURCES[plural]
        sent = accepted(row.fields, asked.body, is_new=False, required=row.always_required)
        old, new = copy.deepcopy(record), {**copy.deepcopy(record), **sent}
        self._check(plural, _Change(asked.token, sent, old, new))
        if "last_modified" in row.fields:
            new["last_modified"] = self.account.stamp()
        record.update(new)
        self._follow(plural, old, record)
        return record

    def delete(self, plural: str, record: Record) -> None:
        """Take it away, and what goes with it."""
        del self.records[plural][record["id"]]
        self._follow(plural, record, None)

    def _check(self, plural: str, change: _Change) -> None:
        row = RESOURCES[plural]
        if row.unique:
            _is_unique(self, change, plural, row.unique)
        for check in row.checks:
            check(self, change)

    def _follow(self, plural: str, old: Record | None, new: Record | None) -> None:
        for effect in RESOURCES[plural].effects:
            effect(self, old, new)
