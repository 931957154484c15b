"""What the three Optimizely APIs of the stand-in share: its state, tokens, tables of fields, order of checks."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from flask import Response

__all__ = [
    "ANYTHING",
    "BOOL",
    "INT",
    "INTS",
    "NUMBER",
    "OBJECT",
    "OBJECTS",
    "ROLES",
    "TEXT",
    "TEXTS",
    "Account",
    "Answer",
    "Api",
    "Asked",
    "Call",
    "Check",
    "Field",
    "Record",
    "Refusal",
    "Role",
    "Route",
    "StoredFlag",
    "Token",
    "Verb",
    "accepted",
    "blank",
    "fixed",
    "matching",
    "maybe",
    "members",
    "one_of",
]

Record = dict[str, Any]
Check = Callable[[Any], str | None]
"""What is wrong with a value, in words that follow the field's name; ``None`` when nothing is."""


class Refusal(Exception):
    """A request is refused; ``fields`` tells what is wrong with each."""

    def __init__(self, status: int, message: str = "", fields: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.fields = dict(fields or {})
        self.message = message or "; ".join(f"{name} {wrong}" for name, wrong in self.fields.items())
        super().__init__(self.message)


# Fields


def _kind(words: str, *types: type) -> Check:
    return lambda value: None if type(value) in types else f"must be {words}"


def one_of(*choices: object) -> Check:
    """One of these values, of their type."""
    words = "must be one of " + ", ".join(map(str, choices))
    return lambda value: None if any(type(value) is type(one) and value == one for one in choices) else words


def members(check: Check, words: str) -> Check:
    """A list of what the check accepts."""
    return lambda value: None if type(value) is list and not any(map(check, value)) else f"must be a list of {words}"


def matching(pattern: str, words: str) -> Check:
    """Text of which all matches."""
    return lambda value: None if type(value) is str and re.fullmatch(pattern, value) else f"must be {words}"


def maybe(check: Check) -> Check:
    """The same, or null."""
    return lambda value: None if value is None else check(value)


def ANYTHING(value: object) -> str | None:  # noqa: N802  # stands in tables beside the others
    """Accept any value."""
    return None


TEXT, BOOL, INT = _kind("text", str), _kind("true or false", bool), _kind("an integer", int)
NUMBER, OBJECT = _kind("a number", int, float), _kind("an object", dict)
INTS, TEXTS, OBJECTS = members(INT, "integers"), members(TEXT, "texts"), members(OBJECT, "objects")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a resource: what it takes, and when it may be sent."""

    check: Check
    default: Any = None
    required: bool = False
    on_create: bool = True
    on_update: bool = True


def fixed(default: Any = None) -> Field:
    """A field that the server alone sets."""
    return Field(ANYTHING, default, on_create=False, on_update=False)


def blank(fields: Mapping[str, Field]) -> Record:
    """A record of nothing but defaults."""
    return {name: copy.deepcopy(row.default) for name, row in fields.items()}


def accepted(
    fields: Mapping[str, Field],
    body: Mapping[str, Any],
    *,
    is_new: bool,
    required: Collection[str] = (),
    clears: bool = False,
) -> Record:
    """What of the body may be stored; unknown and unchangeable fields are passed over.

    ``required`` are asked for besides those of the table; with ``clears`` a null empties any optional field.
    """
    open_fields = {name: row for name, row in fields.items() if (row.on_create if is_new else row.on_update)}
    wanted = {name for name, row in fields.items() if row.required and is_new} | set(required)
    wrong = {name: "is required" for name in fields if name in wanted and name not in body}
    sent = {name: value for name, value in body.items() if name in open_fields}
    for name, value in sent.items():
        row = open_fields[name]
        if value is None and clears and not row.required:
            continue
        complaint = row.check(value)
        if complaint is not None:
            wrong[name] = complaint
    if wrong:
        raise Refusal(400, fields=wrong)
    return copy.deepcopy(sent)


# Who asks


class Role(NamedTuple):
    """What the owner of a token may do."""

    writes: bool = False
    starts: bool = False
    makes_projects: bool = False


ROLES: Mapping[str, Role] = {
    "admin": Role(writes=True, starts=True, makes_projects=True),
    "owner": Role(writes=True, starts=True),
    "editor": Role(writes=True),
    "viewer": Role(),
}


@dataclass(frozen=True, slots=True)
class Token:
    """An accepted token; ``scheme`` is the header's kind, ``project_ids`` what it is bound to, all when ``None``."""

    role: str
    account_id: int
    scheme: str
    project_ids: frozenset[int] | None = None

    @property
    def may(self) -> Role:
        return ROLES[self.role]

    def sees(self, project: Record) -> bool:
        """Whether the project is of the token's account and, if it is bound to some, one of those."""
        is_bound = self.project_ids is not None and project["id"] not in self.project_ids
        return bool(project["account_id"] == self.account_id) and not is_bound


# State


class StoredFlag(NamedTuple):
    """A flag of the Flags API with its variations by key and its rulesets by environment."""

    flag: Record
    variations: dict[str, Record]
    rulesets: dict[str, Record]


@dataclass(repr=False, eq=False)
class Account:
    """State and switches of the stand-in; tests may read and set all of it."""

    account_id: int = 88120034
    project_id: int = 0
    """The project which is there from the start, in each of the three APIs."""
    now: datetime = datetime(2015, 11, 20, 8, tzinfo=timezone.utc)
    """The server's clock: one second further with every time that is written."""
    next_id: int = 3100450077
    tokens: dict[str, Token] = field(default_factory=dict)
    """Accepted tokens by their text; one that is taken out is a revoked one."""

    classic: dict[str, dict[int, Record]] = field(default_factory=dict)
    """Records of v1, by plural and id."""
    v2: dict[str, dict[int, Record]] = field(default_factory=dict)
    """Records of v2, by plural and id; events of both kinds under ``events``."""
    flags: dict[int, dict[str, StoredFlag]] = field(default_factory=dict)
    """Flags by project and key."""
    flag_groups: dict[int, list[Record]] = field(default_factory=dict)
    flag_holdouts: dict[int, list[Record]] = field(default_factory=dict)

    plain_errors: bool = False
    """Send errors as text instead of JSON."""
    variation_names: tuple[str, str] = ("Original", "Variation #1")
    old_stats_status: int = 404
    """The answer to ``stats`` of an experiment first started before 2015-01-21: 404, or 200 with an empty list."""
    segmentation_limit: int = 10
    has_segmentation: bool = True
    missing_condition_types: set[str] = field(default_factory=set)
    """Audience conditions which the plan lacks: 403."""
    first_started: dict[int, str] = field(default_factory=dict)
    """When an experiment was first running, by its id."""
    results: dict[int, list[Record]] = field(default_factory=dict)
    """Rows of v1 ``results`` by experiment, instead of generated ones."""
    stats: dict[int, list[Record]] = field(default_factory=dict)
    v2_results: dict[int, Record] = field(default_factory=dict)
    computing: dict[int, int] = field(default_factory=dict)
    """How many 202 answers the v2 results of an experiment give before there is one."""
    without_data: set[int] = field(default_factory=set)
    """Experiments whose v2 results are 204; those never started are so as well."""
    refusals: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def new_id(self) -> int:
        """Ids of all kinds come from one counter, above 2**31."""
        self.next_id += 1
        return self.next_id - 1

    def id_for(self, record: Record) -> int:
        """Its own id, which nothing later is given, or a new one."""
        own: int = self.new_id() if record["id"] is None else record["id"]
        self.next_id = max(self.next_id, own + 1)
        return own

    def stamp(self) -> str:
        """The time of a change; no two are the same."""
        self.now += timedelta(seconds=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def token_of(self, headers: Mapping[str, str], schemes: Collection[str]) -> Token:
        """Who asks, by the one header of ``schemes`` that is there; ``Token`` wins over a bearer."""
        kind, _, text = headers.get("Authorization", "").partition(" ")
        offered = {"Token": headers.get("Token", ""), "Bearer": text.strip() if kind == "Bearer" else ""}
        for scheme in schemes:
            if offered[scheme]:
                token = self.tokens.get(offered[scheme])
                if token is None or token.scheme != scheme:
                    raise Refusal(403, "token is not valid or was revoked")
                return token
        header = "Token" if "Token" in schemes else "Authorization"
        raise Refusal(401, f"no API token in the request; send it in the {header} header")


# Requests


class Asked(NamedTuple):
    """A request as the handlers see it; ``body`` is decoded, ``url`` without query."""

    token: Token
    query: Mapping[str, str]
    body: Any
    url: str


class Answer(NamedTuple):
    """A status and what is sent as JSON; ``None`` is an empty body, text goes as CSV."""

    status: int
    body: Any = None


class Verb(NamedTuple):
    """What a method does on a path; ``body`` is the JSON type it asks for."""

    handle: Callable[[Asked], Answer]
    body: type | None = None


class Call(NamedTuple):
    """A path that is known: its verbs, and the look-up of the entities it names, which raises."""

    verbs: Mapping[str, Verb]
    look_up: Callable[[Token], object] = lambda token: None


Route = Call | None


class Api:
    """An API below ``base``: routing, then authentication, role, look-up, method, body, and the verb itself."""

    base: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    error_type: ClassVar[str] = "application/json"

    def __init__(self, account: Account) -> None:
        self.account = account

    def find(self, path: str) -> Route:
        """What stands at the path, given without base and trailing slash."""
        raise NotImplementedError

    def error_body(self, refusal: Refusal, path: str) -> Record:
        """The JSON of a refusal."""
        raise NotImplementedError

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, url: str
    ) -> Response:
        """Answer a request, whatever it is."""
        try:
            with self.account.lock:
                status, found = self._answer(method, path, headers, query, body, url)
                if isinstance(found, str):
                    return Response(found, status, content_type="text/csv")
                text = "" if found is None else json.dumps(found)
        except Refusal as refusal:
            return self._refuse(refusal, path)
        return Response(text, status, content_type="application/json")

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, url: str
    ) -> Answer:
        call = self.find(path)
        if call is None:
            raise Refusal(404, f"no such path: {path}")
        token = self.account.token_of(headers, self.schemes)
        if method != "GET" and not token.may.writes:
            raise Refusal(403, f"a {token.role} may only read")
        call.look_up(token)
        verb = call.verbs.get(method)
        if verb is None:
            raise Refusal(405, f"{method} is not supported on {path}")
        return verb.handle(Asked(token, query, None if verb.body is None else _decoded(body, verb.body), url))

    def _refuse(self, refusal: Refusal, path: str) -> Response:
        self.account.refusals += 1
        if self.account.plain_errors:
            return Response(refusal.message, refusal.status, content_type="text/plain")
        body = json.dumps(self.error_body(refusal, path))
        return Response(body, refusal.status, content_type=self.error_type)


def _decoded(body: bytes, wanted: type) -> Any:
    words = "a list" if wanted is list else "an object"
    try:
        decoded = json.loads(body)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if type(decoded) is not wanted:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body must be {words}")
    return decoded
