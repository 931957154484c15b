"""Optimizely's Platform API v2, as far as the specification's section 12 names it: a row per resource, flat paths."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from tests.management.standins.optimizely_account import (
    Answer,
    Api,
    Asked,
    Call,
    Record,
    Refusal,
    Route,
    Token,
    Verb,
    accepted,
    blank,
)
from tests.management.standins.optimizely_results import csv_of, v2_results, v2_timeseries
from tests.management.standins.optimizely_v2_fields import ENVIRONMENTS, RESOURCES, STATUS, V2Resource

__all__ = ["ACTIONS", "V2", "page_of"]

PER_PAGE, MOST_PER_PAGE = 25, 100

ACTIONS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "start": (("not_started", "paused"), "running"),
    "resume": (("paused",), "running"),
    "pause": (("running",), "paused"),
    "publish": (("not_started", "running", "paused"), None),
    "unarchive": (("archived",), "paused"),
}
"""From which statuses an action goes, and to which; ``None`` stays."""
STARTING = ("start", "resume")


def page_of(found: list[Record], query: Mapping[str, str]) -> tuple[int, int, list[Record]]:
    """The page asked for, its size at most, and what is on it."""
    page, per_page = (query.get(name, str(default)) for name, default in (("page", 1), ("per_page", PER_PAGE)))
    wrong = {}
    if not page.isdecimal() or int(page) < 1:
        wrong["page"] = "must be 1 or more"
    if not per_page.isdecimal() or not 1 <= int(per_page) <= MOST_PER_PAGE:
        wrong["per_page"] = f"must be between 1 and {MOST_PER_PAGE}"
    if wrong:
        raise Refusal(400, fields=wrong)
    first = (int(page) - 1) * int(per_page)
    return int(page), int(per_page), found[first : first + int(per_page)]


class V2(Api):
    """The paths of v2, and the verbs on each."""

    base = "/v2/"
    schemes = ("Bearer",)

    @property
    def records(self) -> dict[str, dict[int, Record]]:
        """The account's records, a dict for each kind."""
        found = self.account.v2
        for row in RESOURCES.values():
            found.setdefault(row.plural, {})
        return found

    def error_body(self, refusal: Refusal, path: str) -> Record:
        """Code, message, messages and uuid."""
        messages = [f"{name} {wrong}" for name, wrong in refusal.fields.items()] or [refusal.message]
        return {
            "code": HTTPStatus(refusal.status).name.lower(),
            "message": refusal.message,
            "messages": messages,
            "uuid": f"00000000-0000-4000-8000-{self.account.refusals:012d}",
        }

    def find(self, path: str) -> Route:
        """Flat paths, but for events, which are written below their project or page, and results."""
        match path.split("/"):
            case [plural] if plural in RESOURCES:
                return self._collection(RESOURCES[plural])
            case [plural, number] if plural in RESOURCES and number.isdecimal():
                return self._item(RESOURCES[plural], int(number))
            case ["projects", number, "custom_events"] if number.isdecimal():
                return self._below(RESOURCES["custom_events"], "projects", int(number))
            case ["projects", number, "custom_events", own] if number.isdecimal() and own.isdecimal():
                return self._item(RESOURCES["custom_events"], int(own), ("project_id", int(number)))
            case ["pages", number, "events"] if number.isdecimal():
                return self._below(RESOURCES["page_events"], "pages", int(number))
            case ["pages", number, "events", own] if number.isdecimal() and own.isdecimal():
                return self._item(RESOURCES["page_events"], int(own), ("page_id", int(number)))
            case ["experiments", number, *kind] if number.isdecimal() and "/".join(kind) in RESULTS:
                return self._results(int(number), RESULTS["/".join(kind)])
            case ["export", "experiments", number, *_] if number.isdecimal():
                return self._results(int(number), csv_of)
        return None

    def look_up(self, row: V2Resource, number: int, token: Token) -> Record:
        """The record, if it is there and the token may see it."""
        record = self.records[row.plural].get(number)
        project = record if row is RESOURCES["projects"] else self.project_of(record)
        if record is None or project is None or not token.sees(project):
            raise Refusal(404, f"no {row.name} {number}")
        return record

    def project_of(self, record: Record | None) -> Record | None:
        """The project a record is of."""
        return None if record is None else self.records["projects"].get(record["project_id"])

    def store(self, row: V2Resource, values: Record) -> Record:
        """Store these values as they are, with defaults for what they lack: no check, and nothing follows from it."""
        record: Record = {**blank(row.fields), **copy.deepcopy(values)}
        now = self.account.stamp()
        record.update({name: now for name in ("created", "last_modified") if name in record and record[name] is None})
        record["id"] = self.account.id_for(record)
        self.records[row.plural][record["id"]] = record
        return record

    def create(self, row: V2Resource, asked: Asked) -> Record:
        """Check and store a new one, and what follows from it."""
        sent = accepted(row.fields, asked.body, is_new=True, clears=True)
        if row is RESOURCES["projects"]:
            if not asked.token.may.makes_projects:
                raise Refusal(403, f"a {asked.token.role} may not make projects")
            sent["account_id"] = asked.token.account_id
        else:
            self._known_project(sent["project_id"], asked.token)
        new = {**blank(row.fields), **sent}
        new.update({name: new[source] for name, source in row.derived.items() if new[name] is None})
        self._act(row, new, asked)
        self._check_unique(row, new)
        record = self.store(row, new)
        self.follow(row, record)
        return record

    def _known_project(self, number: object, token: Token) -> None:
        project = self.records["projects"].get(number) if isinstance(number, int) else None
        if project is None or not token.sees(project):
            raise Refusal(404, f"no project {number}")

    def _update(self, row: V2Resource, record: Record, asked: Asked) -> Answer:
        if record.get("is_classic") or str(record.get("event_type", "")).startswith("classic_"):
            raise Refusal(400, f"{row.name} {record['id']} is of Optimizely Classic, and read-only here")
        new = {**record, **accepted(row.fields, asked.body, is_new=False, clears=True)}
        self._act(row, new, asked)
        self._check_unique(row, new)
        record.update(new, last_modified=self.account.stamp())
        self.follow(row, record)
        return Answer(200, _shown(record))

    def _archive(self, row: V2Resource, record: Record, asked: Asked) -> Answer:
        assert row.archived is not None
        name, value = row.archived
        if record[name] == value:
            raise Refusal(410, f"{row.name} {record['id']} is archived already")
        record.update({name: value, "last_modified": self.account.stamp()})
        return Answer(204)

    def _act(self, row: V2Resource, new: Record, asked: Asked) -> None:
        """Do what ``?action=`` says: the one way to another status."""
        action = asked.query.get("action")
        if action is None:
            return
        if row.archived != STATUS or action not in ACTIONS:
            raise Refusal(400, fields={"action": f"is not known: {action}"})
        sources, target = ACTIONS[action]
        if new["status"] not in sources:
            raise Refusal(400, fields={"action": f"{action} is not possible while {new['status']}"})
        if action in STARTING and not asked.token.may.starts:
            raise Refusal(403, f"a {asked.token.role} may not start experiments")
        was_never_on = action == "unarchive" and new["earliest"] is None
        new["status"] = "not_started" if was_never_on else target or new["status"]

    def _check_unique(self, row: V2Resource, new: Record) -> None:
        for name in row.unique:
            peers = [one for one in self.records[row.plural].values() if one["project_id"] == new["project_id"]]
            if any(one["id"] != new["id"] and new[name] is not None and one.get(name) == new[name] for one in peers):
                raise Refusal(400, fields={name: "is taken"})

    def follow(self, row: V2Resource, record: Record) -> None:
        """What comes with a project, or with an experiment's variations, status and schedule."""
        if row is RESOURCES["projects"]:
            for name, values in ENVIRONMENTS.items() if not self._environments(record) else ():
                self.store(RESOURCES["environments"], {"project_id": record["id"], "key": name, **values})
        if row.archived == STATUS and record["status"] == "running" and record["earliest"] is None:
            record["earliest"] = record["last_modified"]
            self.account.first_started.setdefault(record["id"], record["last_modified"])
        if row is RESOURCES["experiments"]:
            self._settle_variations(record)
            self._settle_schedule(record)

    def _environments(self, project: Record) -> list[Record]:
        return [one for one in self.records["environments"].values() if one["project_id"] == project["id"]]

    def _settle_variations(self, experiment: Record) -> None:
        names = self.account.variation_names
        raw = experiment["variations"] or [{"name": name, "weight": 5000} for name in names]
        experiment["variations"] = [
            {"variation_id": one.get("variation_id") or self.account.new_id(), "status": "active", "actions": [], **one}
            for one in raw
        ]

    def _settle_schedule(self, experiment: Record) -> None:
        jobs, row = self.records["scheduled-jobs"], RESOURCES["scheduled-jobs"]
        self.records["scheduled-jobs"] = {
            key: job
            for key, job in jobs.items()
            if job["experiment_id"] != experiment["id"] or not job["is_of_schedule"]
        }
        owner = {"project_id": experiment["project_id"], "experiment_id": experiment["id"], "is_of_schedule": True}
        for name, action in (("start_time", "start"), ("stop_time", "pause")):
            time = (experiment["schedule"] or {}).get(name)
            if time is not None:
                self.store(row, {**owner, "action": action, "scheduled_time": time})

    # Paths

    def _collection(self, row: V2Resource) -> Route:
        if row.is_nested:
            return None
        verbs = {"GET": Verb(partial(self._list, row))}
        if not row.is_read_only:
            verbs["POST"] = Verb(lambda asked: Answer(201, _shown(self.create(row, asked))), dict)
        return Call(verbs)

    def _below(self, row: V2Resource, parent: str, number: int) -> Call:
        """Creation below a parent, whose id the path tells."""

        def create(asked: Asked) -> Answer:
            page = self.records[parent][number]
            owner = (
                {"project_id": number}
                if parent == "projects"
                else {"project_id": page["project_id"], "page_id": number}
            )
            return Answer(201, _shown(self.create(row, asked._replace(body={**asked.body, **owner}))))

        return Call({"POST": Verb(create, dict)}, partial(self.look_up, RESOURCES[parent], number))

    def _item(self, row: V2Resource, number: int, owner: tuple[str, int] | None = None) -> Route:
        if row.is_nested and owner is None:
            return None
        record = self.records[row.plural].get(number, {})
        verbs = {"GET": Verb(lambda asked: Answer(200, _shown(record)))}
        if not row.is_read_only:
            verbs["PATCH"] = Verb(partial(self._update, row, record), dict)
            if row.archived is not None:
                verbs["DELETE"] = Verb(partial(self._archive, row, record))

        def look_up(token: Token) -> None:
            self.look_up(row, number, token)
            below = {"project_id": record["project_id"], "page_id": None, **dict([owner])} if owner else {}
            if any(record[name] != value for name, value in below.items()):
                raise Refusal(404, f"no {row.name} {number} there")

        return Call(verbs, look_up)

    def _list(self, row: V2Resource, asked: Asked) -> Answer:
        records = list(self.records[row.plural].values())
        if row is RESOURCES["projects"]:
            found = [one for one in records if asked.token.sees(one)]
        else:
            number = asked.query.get("project_id", "")
            if not number.isdecimal():
                raise Refusal(400, fields={"project_id": "is required"})
            self._known_project(int(number), asked.token)
            found = [one for one in records if one["project_id"] == int(number)]
        return Answer(200, [_shown(one) for one in page_of(found, asked.query)[2]])

    # Results

    def _results(self, number: int, shape: Callable[[Record], Record | str]) -> Call:
        """Results of an experiment of v2, or of an experiment rule of a flag."""
        look_up = partial(self.look_up, RESOURCES["experiments"], number)
        rule = self._rule(number)
        return Call(
            {"GET": Verb(lambda asked: self._measure(number, rule, shape))},
            look_up if rule is None else self._seen(rule),
        )

    def _rule(self, number: int) -> Record | None:
        return next(
            (
                {**rule, "project_id": project_id, "is_on": ruleset["enabled"]}
                for project_id, flags in self.account.flags.items()
                for stored in flags.values()
                for ruleset in stored.rulesets.values()
                for rule in ruleset["rules"].values()
                if rule.get("id") == number
            ),
            None,
        )

    def _seen(self, rule: Record) -> Callable[[Token], None]:
        return lambda token: self._known_project(rule["project_id"], token)

    def _measure(self, number: int, rule: Record | None, shape: Callable[[Record], Record | str]) -> Answer:
        account = self.account
        if account.computing.get(number, 0) > 0:
            account.computing[number] -= 1
            return Answer(202)
        if number in account.without_data:
            return Answer(204)
        if number in account.v2_results:
            return Answer(200, shape(account.v2_results[number]))
        if rule is not None:
            started = account.first_started.get(number, account.stamp()) if rule["is_on"] else None
            variations = [(key, one.get("name", key)) for key, one in rule["variations"].items()]
            metrics = rule.get("metrics") or []
        else:
            experiment = self.records["experiments"][number]
            started = experiment["earliest"]
            variations = [(str(one["variation_id"]), one.get("name") or one["key"]) for one in experiment["variations"]]
            metrics = experiment["metrics"] or []
        return Answer(204) if started is None else Answer(200, shape(v2_results(number, variations, metrics, started)))


def _report(results: Record) -> Record:
    return {
        **{key: results[key] for key in ("experiment_id", "start_time", "end_time")},
        "inferred_outcome": "inconclusive",
    }


RESULTS: Mapping[str, Callable[[Record], Record | str]] = {
    "results": dict,
    "timeseries": v2_timeseries,
    "results/timeseries": v2_timeseries,
    "report": _report,
    "results/report": _report,
    "results/export": csv_of,
}


def _shown(record: Record) -> Record:
    """Without what is null, and what the server keeps for itself."""
    return {name: value for name, value in _without_nulls(record).items() if name != "is_of_schedule"}


def _without_nulls(record: Record) -> Record:
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if value is not None
    }
