"""Objects of v2 that know where they came from: read anew, saved and archived there (spec 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ...rest.fields import UPDATE, Record, field
from ...rest.operations import Operation, placeholders
from ..error import InvalidIDError

__all__ = ["Below", "Entity", "Own", "SnakeRecord"]


class SnakeRecord(Record):
    """A JSON object whose members are called there as they are here; a null member is left out of answers."""

    __slots__ = ()

    @staticmethod
    def spelling(name: str) -> str:
        """The same."""
        return name


class Entity(SnakeRecord):
    """A record that was read from a registry, and can be saved there."""

    __slots__ = ("_as_read", "_registry")
    id = field(int)

    def __init__(self, raw: dict[str, Any] | None = None, /, **fields: Any) -> None:
        super().__init__(raw, **fields)
        self._registry: Any = None
        self._as_read: dict[str, Any] = {}

    def bind(self, registry: Any) -> None:
        """Take what it holds for the state in this registry."""
        self._registry = registry
        self._as_read = self.to_dict()

    def refresh(self) -> None:
        """Read it anew. Raises ``InvalidIDError`` when it comes from no registry."""
        self._do("get")

    def save(self) -> None:
        """Send what has been changed since it was read, and take over the answer; nothing when nothing has.

        Raises ``InvalidIDError`` when it comes from no registry.
        """
        kept = {one.wire for one in self.fields.values() if not one.access & UPDATE}
        seen = self._as_read
        changed = {name: value for name, value in self.raw.items() if name not in kept and seen.get(name, ...) != value}
        if changed or self._registry is None:
            self._do("update", changed)

    @property
    def home(self) -> Any:
        """The registry that changes it. Raises ``InvalidIDError`` when it comes from none."""
        if self._registry is None:
            raise InvalidIDError(f"this {type(self).__name__} comes from no registry; create it, or get it")
        return self._registry

    def _do(self, name: str, *arguments: Any, **named: Any) -> Any:
        home = self.home
        operation: Operation[Any] = getattr(home, name)
        *owners, _own = placeholders(operation.path)
        missing = [one for one in (*owners, "id") if self.raw.get(one) is None]
        if missing:
            raise InvalidIDError(f"this {type(self).__name__} has no {' and no '.join(missing)}")
        ids = [self.raw[one] for one in (*owners, "id")]
        result = operation(*ids, *arguments, **named)  # type: ignore[operator]  # verbs are called
        if not isinstance(result, type(self)):
            return result
        self.raw = result.raw
        self.bind(home)
        return None


class Own:
    """The registry's operation of this name, on the record itself, which takes over an answer that is one of it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.__doc__ = f"As ``{name}`` of its registry, for this one."

    def __get__(self, record: Entity | None, owner: type) -> Callable[..., Any]:
        return self if record is None else partial(record._do, self.name)  # type: ignore[return-value]  # as a method


class Below:
    """The list of what belongs to a project, by the name of its registry."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.__doc__ = f"All of its, as ``client.{registry}.list``."

    def __get__(self, record: Entity | None, owner: type) -> Callable[[], Iterator[Any]]:
        if record is None:
            return self  # type: ignore[return-value]  # as a method
        return partial(getattr(record.home.client, self.registry).list, project_id=record.id)
