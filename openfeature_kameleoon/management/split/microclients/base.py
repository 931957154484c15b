"""What the microclients have in common: the client they belong to, and how bodies and answers are made.

The methods' names, arguments and orders are the documented ones; their docstrings name the call in section 2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ....transport.foreign_text import printable
from ...rest.endpoints import Answer, Arguments
from ...rest.operations import Declaration, Resource, placeholders
from ...rest.session import Rest
from ..exceptions import AnswerIncomplete, MissingParametersException
from ..resources.base import SplitRecord, as_dict

if TYPE_CHECKING:
    from ..client import SplitClient

__all__ = ["Microclient", "as_sent", "empty_text", "in_environment", "made", "record_of", "replacement"]

_log = logging.getLogger(__name__)

S = TypeVar("S", bound=SplitRecord)


class Microclient(Resource):
    """Calls about one kind of object."""

    def __init__(self, client: SplitClient, rest: Rest) -> None:
        super().__init__(rest)
        self.client = client
        self.progress = client.progress

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises ``MissingParametersException`` when the address cannot be made, and what the mode forbids."""
        self.client.check(declared, arguments)
        missing = [name for name in placeholders(declared.path.partition("?")[0]) if arguments[name] in (None, "")]
        if missing:
            raise MissingParametersException(f"{declared.name} needs {', '.join(missing)}")
        return arguments

    def _first(self, found: Iterable[S], name: str | None, *, by: str = "name") -> S | None:
        """The first of that very name, or ``None``."""
        first = next((one for one in found if getattr(one, by) == name), None)
        if first is None:
            _log.error("%s: nothing has the %s %s", type(self).__name__, by, printable(name))
        return first


def record_of(kind: type[S], decoded: object, microclient: Microclient, arguments: Arguments) -> S:
    """An object as it was answered to a call. Raises ``AnswerIncomplete`` when it is none."""
    if not isinstance(decoded, Mapping):
        raise AnswerIncomplete(f"the answer holds no {kind.__name__}")
    return kind(decoded).brought(microclient.client, arguments)


def made(kind: type[SplitRecord]) -> Answer:
    """The answer is such an object; ``None`` when there is no answer at all."""

    def answer(microclient: Microclient, decoded: Any, arguments: Arguments) -> SplitRecord | None:
        return None if decoded is None else record_of(kind, decoded, microclient, arguments)

    return answer


def in_environment(kind: type[SplitRecord]) -> Answer:
    """As ``made``; its environment is the one that was asked for, by the id alone."""

    def answer(microclient: Microclient, decoded: Any, arguments: Arguments) -> SplitRecord:
        found = record_of(kind, decoded, microclient, arguments)
        found.raw["environment"] = {"id": arguments["environment_id"], "name": ""}
        return found

    return answer


def as_sent(name: str) -> Callable[[Arguments], object]:
    """The body is this argument, a dict or an object of the API."""
    return lambda arguments: as_dict(arguments[name])


def empty_text(arguments: Arguments) -> str:
    """The body is an empty JSON string: an addition to an environment."""
    return ""


def replacement(arguments: Arguments) -> object:
    """The body is the JSON Patch that sets one field."""
    return [{"op": "replace", "path": f"/{arguments['fieldName']}", "value": arguments["fieldValue"]}]
