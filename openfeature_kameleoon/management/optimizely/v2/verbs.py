"""What can be done with resources of v2 and of the Flags API, a class each; the catalogue's lines are made of these.

Ids are given in the order of the path; those before the last also by name, or in the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from ...rest.errors import Exchange
from ...rest.fields import CREATE, UPDATE, Record, plain
from ...rest.operations import Operation, Resource, iterate, placeholders
from ...rest.paging import Numbered
from ..error import NotSupportedError, StillComputingError
from .records import Entity

if TYPE_CHECKING:
    from ..client import Client

__all__ = [
    "Archives",
    "Creates",
    "Deletes",
    "Exports",
    "FlagLists",
    "FlagRegistry",
    "Gets",
    "Lists",
    "Measures",
    "Patches",
    "Registry",
    "Switches",
    "Updates",
]

T = TypeVar("T", bound=Record)
C = TypeVar("C", bound="_Call[Any]")

Id = int | str
Body = Record | Mapping[str, Any]


class Registry(Resource):
    """A kind of resource, as a client has it."""

    def __init__(self, client: Client[Any]) -> None:
        super().__init__(client.rest)
        self.client = client


class FlagRegistry(Registry):
    """A kind of resource of the Flags API."""

    def __init__(self, client: Client[Any]) -> None:
        super().__init__(client)
        self._rest = client.flags_rest


class _Call(Operation[T]):
    registry: Resource | None = None

    def __get__(self: C, registry: Resource | None, owner: type) -> C:
        bound = super().__get__(registry, owner)
        if registry is not None:
            bound.registry = registry
        return bound

    def address(self, ids: Iterable[object], *named: dict[str, Any]) -> str:
        """The path for these ids; the first of them, where too few are given, are taken out of what is named."""
        given = list(ids)
        names = placeholders(self.path)
        for name in reversed(names[: len(names) - len(given)]):
            found = [one.pop(name) for one in named if name in one]
            given[:0] = found[:1]
        return self.path_of(given)

    def bound(self, record: T) -> T:
        """The record, which from now on knows its registry."""
        if isinstance(record, Entity):
            record.bind(self.registry)
        return record


class Lists(_Call[T]):
    """A list, page by page as it is taken."""

    method = "GET"
    paging: ClassVar[Numbered] = Numbered(100, may_be_single=False)

    def __call__(self, *ids: Id, **parameters: Any) -> Iterator[T]:
        """The records one by one; holds one page. Raises ``OptimizelyError`` in the middle rather than end early."""
        path = self.address(ids, parameters)
        query = self.parameters(parameters)
        self.refuse(parameters)
        told = None if self.registry is None else self.registry.progress
        return (self.bound(self.item(one)) for one in iterate(self.rest, self.paging, path, query, progress=told))


class FlagLists(Lists[T]):
    """A list of the Flags API: the same, in an envelope."""

    paging = Numbered(100, inside="items", count_member="total_pages")


class Gets(_Call[T]):
    """One record by its id, or several by theirs."""

    method = "GET"

    @overload
    def __call__(self, *ids: Id) -> T: ...
    @overload
    def __call__(self, *ids: Iterable[int]) -> list[T]: ...
    def __call__(self, *ids: Id | Iterable[int]) -> T | list[T]:
        """The record, or a list of records in the order of the ids. Raises ``NotFoundError`` when there is none."""
        if not ids:
            raise NotSupportedError(f"{self.name} takes an id; for all of them use list()")
        *owners, own = ids
        if isinstance(own, Iterable) and not isinstance(own, str):
            return [self._one(*owners, one) for one in own]
        return self._one(*ids)

    def _one(self, *ids: object) -> T:
        return self.bound(self.record(self.rest.send("GET", self.path_of(ids))))


class _Writes(_Call[T]):
    access = CREATE

    def __call__(self, *ids: Id | Body, **fields: Any) -> T:
        """Send a record or a JSON object, the last argument, or fields by their names; answers the record.

        Raises ``TypeError`` for a field by name that the resource has not, that cannot be set, or that is missing.
        """
        own, body = _parted(ids, Record, Mapping)
        sent = None if body is None else dict(plain(body))
        path = self.address(own, fields, sent or {})
        return self.bound(self.record(self.rest.send(self.method, path, json=self.body_of(self.access, sent, fields))))


class Creates(_Writes[T]):
    """A new record; after an ``OutcomeUnknownError`` look for it in its list before repeating the call."""

    method = "POST"


class Updates(_Writes[T]):
    """Some fields of a record, or what the path's action does with it."""

    method = "PATCH"
    access = UPDATE


class Archives(_Call[T]):
    """A record is archived; 410 when it is so already."""

    method = "DELETE"

    def __call__(self, *ids: Id, **owners: Id) -> None:
        """Archive it. Raises ``NotFoundError`` when there is none."""
        path = self.address(ids, owners)
        self.refuse(owners)
        self.rest.send("DELETE", path)


class Deletes(Archives[T]):
    """A record of the Flags API is deleted."""


class Patches(_Call[T]):
    """A JSON patch."""

    method = "PATCH"

    def __call__(self, *ids: Id | list[dict[str, Any]], **fields: Any) -> T:
        """Apply the operations of a JSON patch, the last argument, and replace fields by their names."""
        own, patch = _parted(ids, list)
        path = self.address(own, fields)
        replaced = self.body_of(UPDATE, None, fields)
        operations = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in replaced.items()]
        return self.bound(self.record(self.rest.send("PATCH", path, json=[*(patch or ()), *operations])))


class Switches(_Call[T]):
    """A thing that is turned on or off."""

    method = "POST"

    def __call__(self, *ids: Id) -> None:
        """Do so."""
        self.rest.send("POST", self.address(ids))


class _Polls(_Call[T]):
    method = "GET"

    def poll(self, ids: Iterable[Id], timeout: float, every: float) -> Any:
        """The answer when the results are there, ``None`` when there are none."""
        clock = self.rest.clock
        begun = clock.monotonic()
        while True:
            answer = self.rest.send("GET", self.address(ids))
            if answer.status_code != 202:
                return None if answer.status_code == 204 else answer
            if clock.monotonic() - begun + every > timeout:
                exchange = Exchange("GET", answer.url, 202, answer.text, answer.headers)
                raise StillComputingError(exchange, "the results are being computed; ask later", retryable=True)
            self.rest.wait(every)


class Measures(_Polls[T]):
    """Results, which may have to be computed first."""

    def __call__(self, *ids: Id, timeout: float = 0.0, every: float = 5.0) -> T | None:
        """The results; ``None`` while there is no data. Raises ``StillComputingError`` when they are late.

        They are asked for ``every`` so many seconds, until ``timeout`` has passed.
        """
        answer = self.poll(ids, timeout, every)
        return None if answer is None else self.record(answer)


class Exports(_Polls[T]):
    """Results as CSV."""

    def __call__(self, *ids: Id, timeout: float = 0.0, every: float = 5.0) -> str | None:
        """The text; ``None`` and ``StillComputingError`` as with the results themselves."""
        answer = self.poll(ids, timeout, every)
        return None if answer is None else str(answer.text)


def _parted(arguments: tuple[Any, ...], *kinds: type) -> tuple[tuple[Any, ...], Any]:
    """Ids, and what is sent, when that is the last."""
    if arguments and isinstance(arguments[-1], kinds):
        return arguments[:-1], arguments[-1]
    return arguments, None
