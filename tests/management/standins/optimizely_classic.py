"""Optimizely's Classic REST API v1: its paths, the verbs on each, and the rows of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from tests.management.standins.optimizely_account import (
    Account,
    Answer,
    Api,
    Asked,
    Call,
    Record,
    Refusal,
    Route,
    Token,
    Verb,
)
from tests.management.standins.optimizely_classic_rules import RESOURCES, Shelf
from tests.management.standins.optimizely_results import classic_rows

__all__ = ["Classic"]

STATS_BEGAN = "2015-01-21"


class Classic(Api):
    """The paths of v1, and the verbs on each."""

    base = "/experiment/v1/"
    schemes = ("Token", "Bearer")

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.shelf = Shelf(account)

    def error_body(self, refusal: Refusal, path: str) -> Record:
        """The form of the specification's 8.5."""
        fields = {"fields": refusal.fields} if refusal.fields else {}
        return {"status": refusal.status, "message": refusal.message, **fields}

    def find(self, path: str) -> Route:
        """Lists stand below the parent, and what has an id alone."""
        match path.split("/"):
            case ["projects"]:
                return self._collection("projects", None)
            case [plural, number] if plural in RESOURCES and number.isdecimal():
                return self._item(plural, int(number))
            case [parent, number, plural] if number.isdecimal() and self._is_child(parent, plural):
                return self._collection(plural, int(number))
            case ["experiments", number, ("results" | "stats") as kind] if number.isdecimal():
                verbs = {"GET": Verb(partial(self._rows, kind, int(number)))}
                return Call(verbs, partial(self.look_up, "experiments", int(number)))
        return None

    def look_up(self, plural: str, number: int, token: Token) -> Record:
        """The record, if it is there and the token may see it."""
        record = self.shelf.records[plural].get(number)
        if record is None or not token.sees(self._project_of(plural, record)):
            raise Refusal(404, f"no {RESOURCES[plural].name} {number}")
        return record

    @staticmethod
    def _is_child(parent: str, plural: str) -> bool:
        return plural in RESOURCES and RESOURCES[plural].parent == parent

    def _project_of(self, plural: str, record: Record) -> Record:
        parent = RESOURCES[plural].parent
        if parent is None:
            return record
        return self._project_of(parent, self.shelf.records[parent][record[RESOURCES[plural].parent_field]])

    def _collection(self, plural: str, parent_id: int | None) -> Call:
        verbs = {
            "GET": Verb(lambda asked: Answer(200, list(self._listed(plural, parent_id, asked.token)))),
            "POST": Verb(lambda asked: Answer(201, _shown(plural, self.shelf.create(plural, parent_id, asked))), dict),
        }
        parent = RESOURCES[plural].parent
        if parent is None or parent_id is None:
            return Call(verbs)
        return Call(verbs, partial(self.look_up, parent, parent_id))

    def _item(self, plural: str, number: int) -> Call:
        record = self.shelf.records[plural].get(number, {})
        verbs = {
            "GET": Verb(lambda asked: Answer(200, _shown(plural, record))),
            "PUT": Verb(lambda asked: Answer(202, _shown(plural, self.shelf.update(plural, record, asked))), dict),
        }
        if RESOURCES[plural].deletable:
            verbs["DELETE"] = Verb(lambda asked: self._delete(plural, record))
        return Call(verbs, partial(self.look_up, plural, number))

    def _listed(self, plural: str, parent_id: int | None, token: Token) -> Iterator[Record]:
        row = RESOURCES[plural]
        records = list(self.shelf.records[plural].values())
        for record in reversed(records) if row.newest_first else records:
            if token.sees(record) if row.parent is None else record[row.parent_field] == parent_id:
                yield _shown(plural, record)

    def _delete(self, plural: str, record: Record) -> Answer:
        self.shelf.delete(plural, record)
        return Answer(204)

    def _rows(self, kind: str, experiment_id: int, asked: Asked) -> Answer:
        experiment = self.shelf.records["experiments"][experiment_id]
        started: str = self.account.first_started.get(experiment_id) or experiment["created"]
        narrowing = self._narrowing(asked.query, experiment["project_id"])
        if kind == "stats" and started < STATS_BEGAN:
            if self.account.old_stats_status != 200:
                raise Refusal(self.account.old_stats_status, f"experiment {experiment_id} is too old for stats")
            return Answer(200, [])
        seeded = {"results": self.account.results, "stats": self.account.stats}[kind].get(experiment_id)
        if seeded is not None:
            return Answer(200, seeded)
        variations = [self.shelf.records["variations"][one] for one in experiment["variation_ids"]]
        goals = [self.shelf.records["goals"][one] for one in experiment["display_goal_order_lst"]]
        return Answer(200, classic_rows(kind, variations, goals, started, narrowing))

    def _narrowing(self, query: Mapping[str, str], project_id: int) -> list[str]:
        if ("dimension_id" in query) is not ("dimension_value" in query):
            raise Refusal(400, fields=dict.fromkeys(("dimension_id", "dimension_value"), "must be given together"))
        for name, plural in (("audience_id", "audiences"), ("dimension_id", "dimensions")):
            number = query.get(name)
            if number is not None:
                found = self.shelf.records[plural].get(int(number)) if number.isdecimal() else None
                if found is None or found["project_id"] != project_id:
                    raise Refusal(400, fields={name: f"names no {RESOURCES[plural].name} of the project"})
        return [f"{name}={query[name]}" for name in ("audience_id", "dimension_id", "dimension_value") if name in query]


def _shown(plural: str, record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in RESOURCES[plural].hidden}
