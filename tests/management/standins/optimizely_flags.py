"""Optimizely's Flags API, as far as section 12 tells: flags, variations, rulesets, rules, reports."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from tests.management.standins.optimizely_account import (
    TEXTS,
    Account,
    Answer,
    Api,
    Asked,
    Call,
    Field,
    Record,
    Refusal,
    Route,
    StoredFlag,
    Token,
    Verb,
    accepted,
    blank,
)
from tests.management.standins.optimizely_flags_fields import (
    FLAG,
    MEASURED,
    RULE,
    RULESET,
    VARIATION,
    knows_variables,
    name_variables,
    rule_status,
    settled_rule,
)
from tests.management.standins.optimizely_patch import patched
from tests.management.standins.optimizely_v2 import V2, page_of
from tests.management.standins.optimizely_v2_fields import RESOURCES

__all__ = ["Flags"]


class Flags(Api):
    """The paths of the Flags API below a project, and the verbs on each."""

    base = "/flags/v1/"
    schemes = ("Bearer",)
    error_type = "application/problem+json"

    def __init__(self, account: Account, v2: V2) -> None:
        super().__init__(account)
        self._v2 = v2

    def error_body(self, refusal: Refusal, path: str) -> Record:
        """A problem object."""
        title = HTTPStatus(refusal.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": refusal.status,
            "detail": refusal.message,
            "instance": self.base + path,
        }

    def find(self, path: str) -> Route:
        """All stands below a project."""
        match path.split("/"):
            case ["projects", number, *rest] if number.isdecimal():
                return self._below_project(int(number), rest)
        return None

    def _below_project(self, project: int, rest: list[str]) -> Route:
        verbs: dict[str, Verb]
        match rest:
            case ["flags"]:
                verbs = {
                    "GET": self._page(lambda: [self.shown(project, one) for one in self._flags(project).values()]),
                    "POST": Verb(partial(self._create, project), dict),
                    "PATCH": Verb(partial(self._patch_flags, project), list),
                }
                return Call(verbs, partial(self._project, project))
            case ["flags", ("archived" | "unarchived") as state] if state not in self._flags(project):
                verbs = {"POST": Verb(partial(self._archive, project, state == "archived"), dict)}
                return Call(verbs, partial(self._project, project))
            case ["flags", key, *below]:
                return self._below_flag(project, key, below)
            case ["rules"]:
                verbs = {"GET": self._page(lambda: self._rules(project))}
            case ["environments"]:
                verbs = {"GET": self._page(lambda: self._environments(project))}
            case ["environments", environment, "reports"]:
                verbs = {"GET": self._page(lambda: self._reports(project, environment))}
                return Call(verbs, lambda token: self._environment(project, environment, token))
            case ["groups"]:
                verbs = {"GET": self._page(lambda: self.account.flag_groups.get(project, []))}
            case ["holdouts"]:
                verbs = {"GET": self._page(lambda: self.account.flag_holdouts.get(project, []))}
            case _:
                return None
        return Call(verbs, partial(self._project, project))

    def _below_flag(self, project: int, key: str, rest: list[str]) -> Route:
        verbs: dict[str, Verb]
        look_up = partial(self._flag, project, key)
        stored = self._flags(project).get(key) or StoredFlag({}, {}, {})
        match rest:
            case []:
                verbs = {
                    "GET": Verb(lambda asked: Answer(200, self.shown(project, stored))),
                    "PATCH": Verb(lambda asked: self._patch_flag(project, stored, asked.body), list),
                    "DELETE": Verb(lambda asked: self._deleted(self._flags(project), key)),
                }
            case ["variable_definitions"]:
                verbs = {"GET": self._page(lambda: list(stored.flag["variable_definitions"].values()))}
            case ["variations"]:
                verbs = {
                    "GET": self._page(lambda: list(stored.variations.values())),
                    "POST": Verb(lambda asked: Answer(201, self._add_variation(stored, asked.body)), dict),
                }
            case ["variations", own]:
                verbs = {
                    "GET": Verb(lambda asked: Answer(200, stored.variations[own])),
                    "PATCH": Verb(lambda asked: self._patch_variation(stored, own, asked.body), list),
                    "DELETE": Verb(lambda asked: self._delete_variation(stored, own)),
                }
                look_up = partial(self._variation, project, key, own)
            case ["environments", environment, "ruleset"]:
                verbs = {
                    "GET": Verb(lambda asked: Answer(200, self._ruleset(stored, environment))),
                    "PATCH": Verb(partial(self._patch_ruleset, project, stored, environment), list),
                }
                look_up = partial(self._flag_there, project, key, environment)
            case ["environments", environment, "ruleset", ("enabled" | "disabled") as state]:
                verbs = {"POST": Verb(partial(self._switch, project, stored, environment, state == "enabled"))}
                look_up = partial(self._flag_there, project, key, environment)
            case _:
                return None
        return Call(verbs, look_up)

    # Look-up

    def _project(self, number: int, token: Token) -> None:
        self._v2.look_up(RESOURCES["projects"], number, token)

    def _flag(self, project: int, key: str, token: Token) -> None:
        self._project(project, token)
        if key not in self._flags(project):
            raise Refusal(404, f"no flag {key}")

    def _variation(self, project: int, key: str, own: str, token: Token) -> None:
        self._flag(project, key, token)
        if own not in self._flags(project)[key].variations:
            raise Refusal(404, f"no variation {own} of flag {key}")

    def _environment(self, project: int, key: str, token: Token) -> None:
        self._project(project, token)
        if all(one["key"] != key for one in self._environments(project)):
            raise Refusal(404, f"no environment {key}")

    def _flag_there(self, project: int, key: str, environment: str, token: Token) -> None:
        self._flag(project, key, token)
        self._environment(project, environment, token)

    # What there is

    def _flags(self, project: int) -> dict[str, StoredFlag]:
        return self.account.flags.setdefault(project, {})

    def _environments(self, project: int) -> list[Record]:
        names = ("id", "key", "name", "archived", "priority", "has_restricted_permissions")
        found = [one for one in self._v2.records["environments"].values() if one["project_id"] == project]
        return [{name: one[name] for name in names} for one in found if not one["archived"]]

    def _rules(self, project: int) -> list[Record]:
        """Rules of all flags with where they stand and their status, in order of priority."""
        return [
            {**rule, "status": rule_status(rule, ruleset), "flag_key": key, "environment_key": environment}
            for key, stored in self._flags(project).items()
            for environment in (one["key"] for one in self._environments(project))
            for ruleset in [self._ruleset(stored, environment)]
            for rule in (ruleset["rules"][name] for name in ruleset["rule_priorities"])
        ]

    def _reports(self, project: int, environment: str) -> list[Record]:
        """What leads from an experiment rule to its results: ``experiment_id`` is the results' id in v2."""
        return [
            {
                "id": rule["id"],
                "experiment_id": rule["id"],
                "flag_key": rule["flag_key"],
                "rule_key": rule["key"],
                "environment_key": environment,
                "name": rule["name"],
                "type": rule["type"],
                "status": rule["status"],
            }
            for rule in self._rules(project)
            if rule["environment_key"] == environment and rule["type"] in MEASURED
        ]

    def _ruleset(self, stored: StoredFlag, environment: str) -> Record:
        """The ruleset as answered; an environment made after the flag has an empty one."""
        flag, rulesets = stored.flag, stored.rulesets
        place = {"flag_key": flag["key"], "environment_key": environment}
        ruleset = rulesets.setdefault(environment, {**place, "status": "draft", **blank(RULESET)})
        default = stored.variations.get(ruleset["default_variation_key"], {})
        return {**ruleset, "default_variation_name": default.get("name", ruleset["default_variation_key"])}

    def shown(self, project: int, stored: StoredFlag) -> Record:
        """A flag with a summary of its environments."""
        environments = {}
        for one in self._environments(project):
            ruleset = self._ruleset(stored, one["key"])
            environments[one["key"]] = {**one, "enabled": ruleset["enabled"], "status": ruleset["status"]}
        return {**stored.flag, "project_id": project, "environments": environments}

    def _page(self, listed: Callable[[], list[Record]]) -> Verb:
        return Verb(lambda asked: Answer(200, _envelope(listed(), asked)))

    # Writes

    def create(self, project: int, body: Record) -> StoredFlag:
        """A flag with the variations ``off`` and ``on``, and an empty ruleset in each environment."""
        sent = accepted(FLAG, body, is_new=True)
        if sent["key"] in self._flags(project):
            raise Refusal(409, f"there is a flag {sent['key']} already")
        flag = self._made(FLAG, sent)
        name_variables(flag)
        stored = StoredFlag(flag, {}, {})
        values = {key: {"value": one["default_value"]} for key, one in flag["variable_definitions"].items()}
        for key in ("off", "on"):
            made = {"key": key, "name": key.capitalize(), "enabled": key == "on", "variables": copy.deepcopy(values)}
            self._add_variation(stored, made)
        for environment in self._environments(project):
            self._ruleset(stored, environment["key"])
        self._flags(project)[sent["key"]] = stored
        return stored

    def store_ruleset(self, project: int, key: str, values: Record) -> None:
        """Store a ruleset as it is, with defaults for what it and its rules lack: no check."""
        ruleset = copy.deepcopy({"status": "draft", **blank(RULESET), "flag_key": key, **values})
        for name, rule in ruleset["rules"].items():
            kept = {own: value for own, value in blank(RULE).items() if value is not None}
            ruleset["rules"][name] = {**kept, "id": self.account.new_id(), "key": name, "name": name, **rule}
        ruleset.pop("default_variation_name", None)
        self._flags(project)[key].rulesets[ruleset["environment_key"]] = ruleset

    def _create(self, project: int, asked: Asked) -> Answer:
        return Answer(201, self.shown(project, self.create(project, asked.body)))

    def _made(self, fields: Mapping[str, Field], sent: Record) -> Record:
        now = self.account.stamp()
        server = {"id": self.account.new_id(), "created_time": now, "updated_time": now}
        return {**blank(fields), "name": sent["key"], **sent, **server}

    def _merged(self, fields: Mapping[str, Field], record: Record, patches: list[Any]) -> None:
        """Patch the record in place, or not at all."""
        wanted = patched(record, patches)
        whole = {name: row for name, row in fields.items() if row.on_update}
        gone = {name: copy.deepcopy(row.default) for name, row in whole.items() if name not in wanted}
        record.update(accepted(fields, {**gone, **wanted}, is_new=False), updated_time=self.account.stamp())

    def _patch_flag(self, project: int, stored: StoredFlag, patches: list[Any]) -> Answer:
        self._merged(FLAG, stored.flag, patches)
        name_variables(stored.flag)
        return Answer(200, self.shown(project, stored))

    def _patch_flags(self, project: int, asked: Asked) -> Answer:
        """Patches of several flags: the path begins with the flag's key."""
        flags = self._flags(project)
        by_key: dict[str, list[Any]] = {}
        for one in asked.body:
            if not isinstance(one, dict):
                raise Refusal(400, f"no JSON patch: {one}")
            key, _, rest = str(one.get("path", "")).removeprefix("/").partition("/")
            if key not in flags:
                raise Refusal(404, f"no flag {key}")
            by_key.setdefault(key, []).append({**one, "path": f"/{rest}"})
        for key, patches in by_key.items():
            self._patch_flag(project, flags[key], patches)
        return Answer(200, _envelope([self.shown(project, flags[key]) for key in by_key], asked))

    def _archive(self, project: int, is_archived: bool, asked: Asked) -> Answer:
        keys, flags = asked.body.get("keys"), self._flags(project)
        if TEXTS(keys) is not None:
            raise Refusal(400, fields={"keys": "must be a list of texts"})
        unknown = [key for key in keys if key not in flags]
        if unknown:
            raise Refusal(404, f"no flag {unknown[0]}")
        for key in keys:
            flags[key].flag.update(archived=is_archived, updated_time=self.account.stamp())
        return Answer(200, _envelope([self.shown(project, flags[key]) for key in keys], asked))

    def _deleted(self, flags: dict[str, StoredFlag], key: str) -> Answer:
        del flags[key]
        return Answer(204)

    def _add_variation(self, stored: StoredFlag, body: Record) -> Record:
        sent = accepted(VARIATION, body, is_new=True)
        if sent["key"] in stored.variations:
            raise Refusal(409, f"there is a variation {sent['key']} already")
        knows_variables(stored.flag, sent)
        return stored.variations.setdefault(sent["key"], self._made(VARIATION, sent))

    def _patch_variation(self, stored: StoredFlag, key: str, patches: list[Any]) -> Answer:
        knows_variables(stored.flag, patched(stored.variations[key], patches))
        self._merged(VARIATION, stored.variations[key], patches)
        return Answer(200, stored.variations[key])

    def _delete_variation(self, stored: StoredFlag, key: str) -> Answer:
        for ruleset in stored.rulesets.values():
            used = {own for rule in ruleset["rules"].values() for own in rule["variations"]}
            if key in (ruleset["default_variation_key"], *used):
                raise Refusal(409, f"variation {key} is in use in {ruleset['environment_key']}")
        del stored.variations[key]
        return Answer(204)

    def _switch(self, project: int, stored: StoredFlag, environment: str, is_on: bool, asked: Asked) -> Answer:
        self._may_start(project, environment, asked.token, is_on)
        self._ruleset(stored, environment)
        self._turn(stored.rulesets[environment], is_on)
        return Answer(200, self._ruleset(stored, environment))

    def _may_start(self, project: int, environment: str, token: Token, is_on: bool) -> None:
        row = next(one for one in self._environments(project) if one["key"] == environment)
        if is_on and row["has_restricted_permissions"] and not token.may.starts:
            raise Refusal(403, f"a {token.role} may not start anything in {environment}")

    def _turn(self, ruleset: Record, is_on: bool) -> None:
        was_on = ruleset["status"] == "running"
        ruleset["enabled"] = is_on
        ruleset["status"] = "running" if is_on else "paused" if was_on else ruleset["status"]
        for rule in ruleset["rules"].values() if is_on else ():
            if rule["enabled"]:
                self.account.first_started.setdefault(rule["id"], self.account.stamp())

    def _patch_ruleset(self, project: int, stored: StoredFlag, environment: str, asked: Asked) -> Answer:
        """All patches or none; priorities follow the rules where the patches leave them behind."""
        before = self._ruleset(stored, environment)
        wanted = patched(before, asked.body)
        sent = accepted(RULESET, {name: wanted.get(name, row.default) for name, row in RULESET.items()}, is_new=False)
        rules = {key: settled_rule(stored.variations, key, raw) for key, raw in sent["rules"].items()}
        unknown = [key for key in sent["rule_priorities"] if key not in rules and key not in before["rules"]]
        if unknown or sent["default_variation_key"] not in stored.variations:
            wrong = {"rule_priorities": f"names no rule: {unknown}"} if unknown else {}
            raise Refusal(400, fields=wrong or {"default_variation_key": "names no variation of the flag"})
        if sent["enabled"] and not before["enabled"]:
            self._may_start(project, environment, asked.token, is_on=True)
        named = dict.fromkeys(key for key in sent["rule_priorities"] if key in rules)
        ruleset = stored.rulesets[environment]
        ruleset.update(sent, rules=rules, rule_priorities=[*named, *(key for key in rules if key not in named)])
        for key, rule in rules.items():
            rule["id"] = before["rules"].get(key, {}).get("id") or self.account.new_id()
        self._turn(ruleset, sent["enabled"])
        return Answer(200, self._ruleset(stored, environment))


def _envelope(found: list[Record], asked: Asked) -> Record:
    """``items`` of the page asked for by number or by token, with counts and what leads to the other pages."""
    query = dict(asked.query)
    token = query.pop("page_token", None)
    if token is not None:
        query["page"] = token.removeprefix("page-")
    page, per_page, items = page_of(found, query)
    pages = -(-len(found) // per_page)
    ends = {"first_url": 1, "last_url": max(pages, 1)}
    return {
        "url": asked.url,
        **{name: f"{asked.url}?page={number}&per_page={per_page}" for name, number in ends.items()},
        "count": len(items),
        "total_count": len(found),
        "total_pages": pages,
        "page": page,
        **({"next_page_token": f"page-{page + 1}"} if page < pages else {}),
        "items": items,
    }
