"""Operations declared by a method's own signature, for vendors whose clients have documented names and orders.

```python
@endpoint("PUT segments/{environment_id}/{segment_name}/removeKeys", body="data", answers=done)
def remove_keys(self, segment_name: str, environment_id: str, data: Body) -> bool:
    "Take keys out of a segment (D6)."
```

The method's own body is never run. A parameter that the path names in braces goes there, or into the query behind
``?``, where ``None`` leaves its pair out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload
from urllib.parse import parse_qsl

from .fields import plain
from .operations import Declaration, Resource, fill, iterate
from .paging import Paging
from .session import Rest

__all__ = ["Answer", "BoundEndpoint", "Endpoint", "done", "endpoint", "raw"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Resource)

Arguments = Mapping[str, Any]


class Answer(Protocol):
    """What a call gives for a decoded answer, or for one item of a list."""

    def __call__(self, resource: Any, decoded: Any, arguments: Arguments, /) -> Any:
        """``arguments`` are those of the call, by name, defaults included."""


def raw(resource: object, decoded: object, arguments: Arguments) -> object:
    """The decoded JSON as it is."""
    return decoded


def done(resource: object, decoded: object, arguments: Arguments) -> bool:
    """``True``: the answer's body says nothing of use."""
    return True


class Endpoint(Declaration, Generic[P, R]):
    """A declared operation; on an instance of its class a ``BoundEndpoint``."""

    def __init__(
        self,
        function: Callable[..., R],
        declared: str,
        pages: Paging | Callable[[Arguments], Paging] | None,
        body: str | Callable[[Arguments], object] | None,
        answers: Answer,
    ) -> None:
        self.__doc__ = function.__doc__
        self.method, _, self.path = declared.partition(" ")
        self.signature = inspect.signature(function)
        self.pages = pages
        self.body = body
        self.answers = answers
        self.note = inspect.getdoc(function) or ""

    @overload
    def __get__(self, resource: None, owner: type) -> Endpoint[P, R]: ...
    @overload
    def __get__(self, resource: Resource, owner: type) -> BoundEndpoint[P, R]: ...
    def __get__(self, resource: Resource | None, owner: type) -> Endpoint[P, R] | BoundEndpoint[P, R]:
        return self if resource is None else BoundEndpoint(self, resource)


class BoundEndpoint(Generic[P, R]):
    """An operation that can be called."""

    def __init__(self, declared: Endpoint[P, R], resource: Resource) -> None:
        self._endpoint = declared
        self._resource = resource
        self.__doc__ = declared.__doc__

    def __repr__(self) -> str:
        return f"<{self._endpoint.name}: {self._endpoint.method} {self._endpoint.path}>"

    @property
    def __signature__(self) -> inspect.Signature:
        _resource, *others = self._endpoint.signature.parameters.values()
        return self._endpoint.signature.replace(parameters=others)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call. Raises ``ApiError``, and ``TypeError`` for arguments that the signature does not have."""
        if self._endpoint.pages is not None:
            return list(self.iterate(*args, **kwargs))  # type: ignore[return-value]  # a list is what those declare
        declared, resource = self._endpoint, self._resource
        arguments = self._arguments(args, kwargs)
        path, query = self._address(arguments)
        body = {} if declared.body is None else {"json": self._body(arguments)}
        decoded = self._rest.call(declared.method, path, query=query, **body)
        return declared.answers(resource, decoded, arguments)  # type: ignore[no-any-return]

    def iterate(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        """Of a list the items one by one, a page at a time as they are taken; holds one page."""
        declared, resource = self._endpoint, self._resource
        arguments = self._arguments(args, kwargs)
        paging = declared.pages(arguments) if callable(declared.pages) else declared.pages
        if paging is None:
            raise TypeError(f"{declared.name} is no list")
        path, query = self._address(arguments)
        items = iterate(self._rest, paging, path, query, method=declared.method, progress=resource.progress)
        return (declared.answers(resource, item, arguments) for item in items)

    @property
    def _rest(self) -> Rest:
        return self._resource._rest

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self._endpoint.signature.bind(self._resource, *args, **kwargs)
        bound.apply_defaults()
        _, *given = bound.arguments.items()
        return self._resource.completed(self._endpoint, dict(given))

    def _address(self, arguments: Arguments) -> tuple[str, list[tuple[str, object]]]:
        path, _, template = self._endpoint.path.partition("?")
        query: list[tuple[str, object]] = []
        for name, value in parse_qsl(template):
            given = arguments[value[1:-1]] if value.startswith("{") else value
            query += [(name, one) for one in given] if isinstance(given, list | tuple) else [(name, given)]
        return fill(path, arguments), query

    def _body(self, arguments: Arguments) -> object:
        body = self._endpoint.body
        return plain(arguments[body] if isinstance(body, str) else body(arguments) if body is not None else None)


def endpoint(
    declared: str,
    *,
    pages: Paging | Callable[[Arguments], Paging] | None = None,
    body: str | Callable[[Arguments], object] | None = None,
    answers: Answer = raw,
) -> Callable[[Callable[Concatenate[S, P], R]], Endpoint[P, R]]:
    """Declare a method as an operation: ``declared`` is its HTTP method and path, parted by a blank.

    ``pages`` makes it a list that comes in pages; ``body`` is the parameter that is sent as JSON, or makes it of the
    arguments; ``answers`` makes the result of the decoded answer, or of each item of a list.
    """
    return lambda function: Endpoint(function, declared, pages, body, answers)
