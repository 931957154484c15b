"""How a resource is declared: a class, and in it a line for every operation the API allows.

```python
class Goals(Resource):
    "What counts as a conversion (section 4.6)."

    get = Gets("/goals/{goal_id}", Goal, OBSERVED)
    delete = Deletes("/goals/{goal_id}", Goal, OBSERVED)
```

An operation is a descriptor: on the class it is its declaration, which tests and the reference page read; on an
instance it is what is called. An operation that the API lacks does not exist in the editor either.
"""

from __future__ import annotations

import copy
import difflib
import string
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import requests

from .fields import REQUIRED, UPDATE, Access, Record, camel, plain
from .paging import Paging, Progress, Reply, Unexpected
from .session import Query, Rest

__all__ = [
    "DOCUMENTED",
    "OBSERVED",
    "Declaration",
    "Mark",
    "Operation",
    "Resource",
    "fill",
    "iterate",
    "operations",
    "placeholders",
]

T = TypeVar("T", bound=Record)
O = TypeVar("O", bound="Operation[Any]")  # noqa: E741  # an operation, whichever


class Mark(Enum):
    """How sure it is that the API has an operation."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    """Seen in public clients of the API; not in its reference."""


DOCUMENTED = Mark.DOCUMENTED
OBSERVED = Mark.OBSERVED


class Resource:
    """A kind of object of an API; its operations are declared in subclasses."""

    progress: Progress | None = None
    """Told of pages by operations whose documented signature has no place for it."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._rest.url}>"

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """A call's arguments, with what the client knows put in for those left out; may refuse the call."""
        return arguments


class Declaration:
    """What is known of an operation: its name, how and where it asks, and how sure it is that the API has it."""

    name = ""
    method = ""
    path = ""
    mark = DOCUMENTED
    note = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{owner.__name__}.{name}"


class Operation(Declaration, Generic[T]):
    """One operation: the path it goes to, the record it is about, and how sure it is that it exists.

    ``needs`` and ``takes`` are query parameters, by their names on the wire: what a call must give, and what it may.
    ``repeats`` are placeholders of the path that the body holds as well. Subclasses are the verbs, and say what a call
    takes and gives.
    """

    def __init__(
        self,
        path: str,
        item: type[T],
        mark: Mark = DOCUMENTED,
        *,
        needs: Sequence[str] = (),
        takes: Sequence[str] = (),
        repeats: Sequence[str] = (),
        note: str = "",
    ) -> None:
        self.path = path
        self.item = item
        self.mark = mark
        self.needs = tuple(needs)
        self.takes = tuple(takes)
        self.repeats = tuple(repeats)
        self.note = note
        self._rest: Rest | None = None

    def __get__(self: O, resource: Resource | None, owner: type) -> O:
        if resource is None:
            return self
        bound = copy.copy(self)
        bound._rest = resource._rest
        return bound

    @property
    def rest(self) -> Rest:
        """The session that the call goes through. Raises ``TypeError`` on a class, where there is none."""
        if self._rest is None:
            raise TypeError(f"{self.name} is called on an instance")
        return self._rest

    def path_of(self, ids: Sequence[object]) -> str:
        """The path for these ids, each one segment of it. Raises ``TypeError`` for too many or too few."""
        names = placeholders(self.path)
        if len(ids) != len(names):
            raise TypeError(f"{self.name} takes {len(names)} ids ({', '.join(names) or 'none'}), not {len(ids)}")
        return fill(self.path, dict(zip(names, ids, strict=True)))

    def parameters(self, given: dict[str, Any]) -> list[tuple[str, object]]:
        """Take the declared query parameters out of a call's keywords. Raises ``TypeError`` for one that is missing."""
        named = {snake_name: wire for wire in (*self.needs, *self.takes) for snake_name in _spellings(wire)}
        found = {named[name]: given.pop(name) for name in list(given) if name in named}
        missing = [name for name in self.needs if found.get(name) is None]
        if missing:
            raise TypeError(f"{self.name} needs {', '.join(missing)}")
        return [(name, plain(found[name])) for name in (*self.needs, *self.takes) if name in found]

    def refuse(self, left: Mapping[str, Any]) -> None:
        """Raise ``TypeError`` for keywords that nothing has taken."""
        if left:
            raise TypeError(f"{self.name} takes no {', '.join(left)}")

    def body_of(
        self,
        access: Access,
        body: Record | Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        ids: Sequence[object] = (),
    ) -> dict[str, Any]:
        """What is sent: ``body`` as it is, with ``fields`` by their names here on top; those are checked.

        Raises ``TypeError`` for a field that the record has not or that this call cannot set, and for a creation
        without a body that lacks what is required.
        """
        sent: dict[str, Any] = dict(plain(body)) if body is not None else {}
        declared = self.item.fields
        for name, value in fields.items():
            if name not in declared:
                near = difflib.get_close_matches(name, declared, 1)
                raise TypeError(f"{self.name}: no field {name}" + (f"; is it {near[0]}?" if near else ""))
            if not declared[name].access & access:
                raise TypeError(f"{self.name} cannot set {name}; a mapping as the body is sent as it is")
            sent[declared[name].wire] = plain(value)
        for name, value in zip(placeholders(self.path), ids, strict=False):
            if name in self.repeats:
                sent.setdefault(camel(name), value)
        if body is None and access is not UPDATE:
            required = [one for one in declared.values() if one.access & REQUIRED == REQUIRED]
            missing = [one.name for one in required if one.wire not in sent]
            if missing:
                raise TypeError(f"{self.name} needs {', '.join(missing)}")
        return sent

    def record(self, answer: requests.Response) -> T:
        """The record in an answer. Raises ``AnswerMalformed`` when there is none."""
        decoded = self.rest.decoded(answer)
        if isinstance(decoded, list) and len(decoded) == 1:
            decoded = decoded[0]
        if not isinstance(decoded, dict):
            raise self.rest.malformed(answer, "the answer is no object")
        return self.item(decoded)


def operations(resource: type[Resource]) -> dict[str, Declaration]:
    """The operations a resource declares, by name, in the order of their lines."""
    found: dict[str, Declaration] = {}
    for kind in reversed(resource.__mro__):
        found |= {name: value for name, value in vars(kind).items() if isinstance(value, Declaration)}
    return found


def iterate(
    rest: Rest,
    paging: Paging,
    path: str,
    query: Query = (),
    *,
    method: str = "GET",
    json: Mapping[str, object] | None = None,
    progress: Progress | None = None,
    of_objects: bool = False,
) -> Iterator[Any]:
    """The items of a list, page by page as they are taken; holds one page at a time.

    With ``json`` the paging goes into that body instead of the query. Raises ``ApiError`` where it happens: a list
    never ends early, and has no item that is no object where it is one ``of_objects``.
    """
    fixed = list(query)
    answers: list[requests.Response] = []

    def ask(page: Mapping[str, object]) -> Reply:
        if json is None:
            answer = rest.send(method, path, query=[*page.items(), *fixed], is_read=True)
        else:
            answer = rest.send(method, path, query=fixed, json={**json, **page}, is_read=True)
        answers[:] = [answer]
        return Reply(rest.decoded(answer), answer.headers)

    done = 0
    try:
        for page in paging.pages(ask):
            if of_objects and not all(isinstance(item, dict) for item in page.items):
                raise Unexpected("an item of the list is no object")
            done += len(page.items)
            if progress is not None:
                progress(done, page.total)
            yield from page.items
    except Unexpected as problem:
        raise rest.malformed(answers[0], str(problem)) from None


def placeholders(path: str) -> list[str]:
    """The names in braces of a path, in order."""
    return [name for _, name, _, _ in string.Formatter().parse(path) if name]


def fill(path: str, values: Mapping[str, object]) -> str:
    """A path with its placeholders filled; every value stays one segment, whatever is in it.

    Raises ``ValueError`` for one that would make another address of it: nothing at all, or dots, which HTTP resolves.
    """
    for name in placeholders(path):
        if values[name] in (None, "", ".", ".."):
            raise ValueError(f"{name} is {values[name]!r}, which is no id or name that a path can hold")
    return path.format_map({name: quote(str(values[name]), safe="") for name in placeholders(path)})


def _spellings(wire: str) -> tuple[str, ...]:
    from_camel = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in wire)
    return (wire, from_camel) if from_camel != wire else (wire,)
