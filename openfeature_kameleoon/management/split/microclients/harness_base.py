"""What the clients of the Harness platform have in common: the scope of a call, lists that end early, envelopes.

A list ends where an answer is an error, as it always has, and that is logged; ``strict`` of the client raises instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import Parameter
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypedDict, TypeVar, cast

from ....transport.foreign_text import printable
from ...rest.endpoints import Answer, Arguments, BoundEndpoint, Endpoint
from ...rest.errors import ApiError
from ...rest.fields import camel
from ...rest.operations import Declaration, Resource
from ...rest.paging import Paging
from ..exceptions import HTTPResponseError
from ..resources.base import Id
from ..resources.harness import HarnessRecord
from .base import Microclient, record_of

if TYPE_CHECKING:
    from ..client import HarnessClient

__all__ = ["HarnessMicroclient", "OrganisationScope", "Scope", "call", "held", "listing", "maybe_held", "told"]

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Resource)


class OrganisationScope(TypedDict, total=False):
    """Where a call about projects is made; what is left out is the client's."""

    account_identifier: Id
    org_identifier: Id


class Scope(OrganisationScope, total=False):
    """Where a call is made; what is left out is the client's."""

    project_identifier: Id


class HarnessMicroclient(Microclient):
    """Calls about one kind of object of the platform."""

    scope: ClassVar[tuple[str, ...]] = ("account_identifier", "org_identifier", "project_identifier")
    """The arguments that every call ends with, and that the client's own identifiers stand in for."""
    client: HarnessClient

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises ``ValueError`` when neither the call nor the client names an account."""
        scope = {name: arguments[name] or self.client.scope.get(name) for name in self.scope}
        if not scope["account_identifier"]:
            raise ValueError("account_identifier must be provided either at client initialization or method call")
        return super().completed(declared, {**arguments, **scope})


class _Scoped(Endpoint[P, R]):
    """An operation with its class's scope in the place of ``*scope, **named``, and at the end of its query."""

    ends_on: type[ApiError] | None = None
    """What a list ends on, instead of raising."""

    def __set_name__(self, owner: type[HarnessMicroclient], name: str) -> None:
        super().__set_name__(owner, name)
        scope = [Parameter(one, Parameter.POSITIONAL_OR_KEYWORD, default=None) for one in owner.scope]
        parameters: list[Parameter] = []
        for one in self.signature.parameters.values():
            if one.kind is Parameter.VAR_POSITIONAL:
                parameters += scope
            elif one.kind is not Parameter.VAR_KEYWORD:
                parameters.append(one.replace(kind=Parameter.POSITIONAL_OR_KEYWORD))
        self.signature = self.signature.replace(parameters=parameters)
        query = "&".join(f"{camel(one)}={{{one}}}" for one in owner.scope)
        self.path += f"{'&' if '?' in self.path else '?'}{query}"

    def __get__(self, resource: Any, owner: type) -> Any:
        return self if resource is None else _BoundScoped(self, resource)


class _BoundScoped(BoundEndpoint[P, R]):
    _endpoint: _Scoped[P, R]
    _resource: HarnessMicroclient

    def iterate(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        found = super().iterate(*args, **kwargs)  # what is wrong with the arguments is told now
        ends_on = self._endpoint.ends_on
        return found if ends_on is None or self._resource.client.strict else self._until(ends_on, found)

    def _until(self, ends_on: type[ApiError], found: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from found
        except ends_on as error:
            _log.warning("%s ends early: %s", self._endpoint.name, printable(error))


def call(
    declared: str,
    *,
    pages: Paging | None = None,
    body: str | Callable[[Arguments], object] | None = None,
    answers: Answer,
    ends_on: type[ApiError] | None = None,
) -> Callable[[Callable[Concatenate[S, P], R]], Endpoint[P, R]]:
    """Declare an operation, as ``endpoint`` does; ``*scope, **named`` in its signature stand for the scope."""

    def declare(function: Callable[Concatenate[S, P], R]) -> Endpoint[P, R]:
        made: _Scoped[P, R] = _Scoped(function, declared, pages, body, answers)
        made.ends_on = ends_on
        return made

    return declare


listing = partial(call, ends_on=HTTPResponseError)
"""Declare a list that ends where an answer is an error."""


def _found(decoded: Any, name: str) -> Any:
    """What is in the envelope, or the answer itself where there is none."""
    data = decoded.get("data", decoded) if isinstance(decoded, Mapping) else None
    return data.get(name) if name and isinstance(data, Mapping) else data


def held(kind: type[HarnessRecord], name: str = "") -> Answer:
    """The answer holds such an object in ``data``, under a name. Raises ``AnswerIncomplete`` when it does not."""

    def answer(microclient: Microclient, decoded: Any, arguments: Arguments) -> HarnessRecord:
        return record_of(kind, _found(decoded, name), microclient, arguments)

    return answer


def maybe_held(kind: type[HarnessRecord], name: str = "") -> Answer:
    """As ``held``, or ``None``."""

    def answer(microclient: Microclient, decoded: Any, arguments: Arguments) -> HarnessRecord | None:
        found = _found(decoded, name)
        return record_of(kind, found, microclient, arguments) if found else None

    return answer


def told(microclient: Microclient, decoded: Any, arguments: Arguments) -> str:
    """The answer is a secret in ``data``; nothing when there is none."""
    return cast("str", _found(decoded, "") if isinstance(decoded, Mapping) and "data" in decoded else "") or ""
