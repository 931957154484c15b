"""What the Automation API stand-in does for any resource: list, search, get, create, put, patch and delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.management.standins.automation_experiments import CAMPAIGNS
from tests.management.standins.automation_fields import Object, Refused, accepted, reset
from tests.management.standins.automation_flags import FLAGS
from tests.management.standins.automation_query import Query, from_body, from_query
from tests.management.standins.automation_resources import SIMPLE
from tests.management.standins.automation_results import Audiences, Reports
from tests.management.standins.automation_segments import SEGMENTS
from tests.management.standins.automation_state import Resource, State

__all__ = [
    "RESOURCES",
    "VERBS",
    "Answer",
    "Api",
    "Call",
    "Handler",
    "Route",
    "creating",
    "patching",
    "plain_page",
    "shown",
]

RESOURCES: dict[str, Resource] = {**SIMPLE, **CAMPAIGNS, **SEGMENTS, **FLAGS}


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: parts of the path, query, and body, which is ``{}`` where there is none."""

    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Object

    @property
    def id(self) -> int:
        """The id in the path."""
        return int(self.path["id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; ``pages`` where it is a list."""

    body: Any = None
    status: int = 200
    pages: int | None = None


@dataclass(slots=True)
class Api:
    """What the calls work on."""

    state: State
    reports: Reports = field(default_factory=Reports)
    audiences: Audiences = field(default_factory=Audiences)


Handler = Callable[[Api, Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table; ``rights``: ``read``, ``write``, or ``results``, for which a shared token is enough."""

    method: str
    path: str
    rights: str
    handle: Handler


def _trimmed(resource: Resource, item: Object, call: Call) -> Object:
    """Optional fields are empty unless asked for, or sent by this very call."""
    wanted = {*call.query.get("optionalFields", "").split(","), *call.body}
    return {**item, **{name: [] for name in resource.optional if name not in wanted}}


def shown(api: Api, name: str, item: Object, call: Call) -> Object:
    """The object as it is answered."""
    resource = RESOURCES[name]
    return _trimmed(resource, resource.derive(api.state)(item), call)


def _page(api: Api, name: str, query: Query, call: Call) -> Answer:
    resource, objects = RESOURCES[name], api.state.objects[name]
    derived, hidden = resource.derive(api.state), resource.hidden
    if query.matches is None and not query.sort and hidden is None:
        count, items = len(objects), [derived(item) for item in objects.window(query.window)]
    else:
        present = (derived(item) for item in objects if hidden is None or not hidden(item))
        matching = query.ordered([item for item in present if query.matches is None or query.matches(item)])
        count, items = len(matching), matching[query.window]
    return Answer([_trimmed(resource, item, call) for item in items], pages=query.pages(count))


def plain_page(items: Iterable[Object], fields: Iterable[str], call: Call) -> Answer:
    """A list of what is no resource."""
    query = from_query(call.query, dict.fromkeys(fields, False))
    matching = query.ordered([item for item in items if query.matches is None or query.matches(item)])
    return Answer(matching[query.window], pages=query.pages(len(matching)))


def _body(resource: Resource, call: Call) -> Object:
    return {resource.aliases.get(name, name): value for name, value in call.body.items()}


def _list(name: str) -> Handler:
    return lambda api, call: _page(api, name, from_query(call.query, RESOURCES[name].filters), call)


def _search(name: str) -> Handler:
    return lambda api, call: _page(api, name, from_body(call.body, RESOURCES[name].filters), call)


def _get(name: str) -> Handler:
    def handle(api: Api, call: Call) -> Answer:
        item, hidden = api.state.find(name, call.id), RESOURCES[name].hidden
        if hidden is not None and hidden(item):
            raise Refused(404)
        return Answer(shown(api, name, item, call))

    return handle


def creating(name: str) -> Handler:
    """Answer 201 with the new object."""

    def handle(api: Api, call: Call) -> Answer:
        resource = RESOURCES[name]
        fields = accepted({**resource.fields, **resource.sent_only}, _body(resource, call), "create")
        if resource.either and all(fields.get(each) is None for each in resource.either):
            raise Refused(400, f"{resource.either[0]}: required")
        return Answer(shown(api, name, api.state.add(name, fields), call), 201)

    return handle


def _change(name: str, way: str) -> Handler:
    def handle(api: Api, call: Call) -> Answer:
        resource = RESOURCES[name]
        changes = accepted(resource.fields, _body(resource, call), way)
        item = api.state.find_to_write(name, call.id)
        if way == "replace":
            kept: Object = {key: item[key] for key in ("siteId", "experimentId") if key in item and key not in changes}
            changes = {**reset(resource.fields), **kept, **changes}
        if "siteId" in item and name != "templates":
            changes.pop("siteId", None)  # nothing moves to another site
        api.state.change(name, item, changes)
        return Answer(shown(api, name, item, call))

    return handle


def _put(name: str) -> Handler:
    return _change(name, "replace")


def patching(name: str) -> Handler:
    """Write what is sent; answer the object."""
    return _change(name, "patch")


def _delete(name: str) -> Handler:
    def handle(api: Api, call: Call) -> Answer:
        api.state.remove(name, api.state.find_to_write(name, call.id))
        return Answer(status=204)

    return handle


VERBS: dict[str, tuple[str, str, str, Callable[[str], Handler]]] = {
    "list": ("GET", "", "read", _list),
    "create": ("POST", "", "write", creating),
    "search": ("POST", "/search", "read", _search),
    "get": ("GET", "/<int:id>", "read", _get),
    "put": ("PUT", "/<int:id>", "write", _put),
    "patch": ("PATCH", "/<int:id>", "write", patching),
    "delete": ("DELETE", "/<int:id>", "write", _delete),
}
