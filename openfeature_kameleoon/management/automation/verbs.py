"""What can be done with a resource of the Automation API, a class each; the catalogue's lines are made of these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ..rest.fields import CREATE, UPDATE, WRITE, Record
from ..rest.operations import Operation, iterate
from ..rest.paging import Numbered, Progress
from .filters import Expression, Order, as_array, as_expression, as_orders

__all__ = ["Copies", "Creates", "Deletes", "Gets", "Lists", "Replaces", "Searches", "Updates"]

T = TypeVar("T", bound=Record)

MOST_PER_PAGE = 200
PAGE_COUNT = "X-Pagination-Page-Count"

Body = Record | Mapping[str, Any]


def _paging(per_page: int) -> Numbered:
    if not 1 <= per_page <= MOST_PER_PAGE:
        raise ValueError(f"per_page is a number from 1 to {MOST_PER_PAGE}, not {per_page}")
    return Numbered(per_page, "page", "perPage", PAGE_COUNT)


def _optional_fields(names: Iterable[str]) -> list[tuple[str, object]]:
    return [("optionalFields", ",".join(names) or None)]


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class Lists(Operation[T]):
    """A list, filtered and sorted by the API, page by page as it is taken (spec 3.2, 3.3, 3.5, 3.6)."""

    method = "GET"

    def __call__(
        self,
        *ids: int | str,
        filter: Expression | None = None,  # the API's word
        sort: Order | Iterable[Order] | None = None,
        optional_fields: Iterable[str] = (),
        per_page: int = MOST_PER_PAGE,
        progress: Progress | None = None,
        **parameters: Any,
    ) -> Iterator[T]:
        """The records one by one; holds one page. Raises ``ApiError`` in the middle rather than end early.

        ``optional_fields`` are members that come back empty unless they are asked for by their names on the wire.
        """
        query = [
            ("filter", None if filter is None else _compact(as_array(filter))),
            ("sort", None if sort is None else _compact(as_orders(sort))),
            *_optional_fields(optional_fields),
            *self.parameters(parameters),
        ]
        self.refuse(parameters)
        items = iterate(self.rest, _paging(per_page), self.path_of(ids), query, progress=progress, of_objects=True)
        return (self.item(item) for item in items)


class Searches(Operation[T]):
    """A list with its filter in the body, where expressions nest (spec 3.4)."""

    method = "POST"

    def __call__(
        self,
        filter: Expression | None = None,  # the API's word
        *,
        sort: Order | Iterable[Order] | None = None,
        optional_fields: Iterable[str] = (),
        per_page: int = MOST_PER_PAGE,
        progress: Progress | None = None,
    ) -> Iterator[T]:
        """The records one by one; holds one page. Raises ``ApiError`` in the middle rather than end early."""
        body: dict[str, object] = {} if filter is None else {"filter": as_expression(filter)}
        if sort is not None:
            body["sort"] = as_orders(sort)
        items = iterate(
            self.rest,
            _paging(per_page),
            self.path,
            _optional_fields(optional_fields),
            method="POST",
            json=body,
            progress=progress,
            of_objects=True,
        )
        return (self.item(item) for item in items)


class Gets(Operation[T]):
    """One record by its id."""

    method = "GET"

    def __call__(self, *ids: int | str, optional_fields: Iterable[str] = (), **parameters: Any) -> T:
        """The record. Raises ``NotFound`` when there is none."""
        query = [*_optional_fields(optional_fields), *self.parameters(parameters)]
        self.refuse(parameters)
        return self.record(self.rest.send("GET", self.path_of(ids), query=query))


class _Writes(Operation[T]):
    """What creating, replacing and updating share: a body of fields."""

    access = CREATE

    def __call__(self, *ids: int | str, body: Body | None = None, **fields: Any) -> T:
        """Send the fields, given by their names here, or a record or JSON object as ``body``; answers the record.

        Raises ``TypeError`` for a field that the resource has not, that this call cannot set, or that is missing.
        """
        query = self.parameters(fields)
        sent = self.body_of(self.access, body, fields, ids)
        return self.record(self.rest.send(self.method, self.path_of(ids), query=query, json=sent))


class Creates(_Writes[T]):
    """A new record."""

    method = "POST"


class Replaces(_Writes[T]):
    """A record written whole: read it, change it, and give it back as ``body`` (spec 3.7)."""

    method = "PUT"
    access = WRITE


class Updates(_Writes[T]):
    """Some fields of a record; lists are replaced as a whole (spec 3.7)."""

    method = "PATCH"
    access = UPDATE


class Copies(Operation[T]):
    """A new record made of another, or another state of it; nothing needs to be said."""

    method = "POST"

    def __call__(self, *ids: int | str, body: Mapping[str, Any] | None = None) -> T:
        """The record."""
        return self.record(self.rest.send("POST", self.path_of(ids), json=dict(body or {})))


class Deletes(Operation[T]):
    """The end of a record."""

    method = "DELETE"

    def __call__(self, *ids: int | str) -> None:
        """Delete it. Raises ``NotFound`` when there is none."""
        self.rest.send("DELETE", self.path_of(ids))
