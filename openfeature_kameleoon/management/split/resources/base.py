"""What the objects of the Split API have in common: names in every documented spelling, and the client they go by.

An object is a view of its JSON; ids that belong to it and not into its JSON (its workspace, its environment) stand
beside (spec 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, cast

from ...rest.fields import Field, Record, field, plain, snake
from ..exceptions import ClientRequiredError, InvalidArgumentException

if TYPE_CHECKING:
    from ..client import SplitClient

__all__ = [
    "Body",
    "Id",
    "JsonObject",
    "Listed",
    "Placed",
    "SplitRecord",
    "Via",
    "as_dict",
    "inner",
    "inner_list",
    "maybe",
    "unless_zero",
]

T = TypeVar("T")
S = TypeVar("S", bound="SplitRecord")

JsonObject: TypeAlias = dict[str, Any]
Listed: TypeAlias = list[T]
"""A list, in classes of which a method has that name."""
Body: TypeAlias = "Mapping[str, Any] | Record"
"""A dict, or an object of the API."""
Id: TypeAlias = "str | None"
"""What an object says of its id; a call refuses ``None``."""
Via: TypeAlias = "SplitClient | None"
"""The client to use, for an object that was made by hand."""

OWNERS = frozenset({"workspace_id", "environment_id"})


class SplitRecord(Record):
    """An object of the API: ``obj.foo_bar`` is also ``obj.fooBar``, ``obj._foo_bar`` and ``obj._fooBar``.

    ``raw`` is all that the service has sent; ``client`` carries out its methods.
    """

    stamps: ClassVar[tuple[str, ...]] = ()
    """The ids of the call that brought it here which it keeps."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """What cannot be set."""
    _client: Via

    def __init__(self, data: Mapping[str, Any] | None = None, client: Via = None) -> None:
        super().__init__(dict(data or {}))
        self._client = client

    def __getattr__(self, name: str) -> Any:
        known = snake(name.lstrip("_"))
        if known == name or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return getattr(self, known)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.fixed:
            raise AttributeError(f"{name} of {type(self).__name__} cannot be set")
        known = snake(name.lstrip("_"))
        super().__setattr__(known if known in self.fields or known in OWNERS else name, value)

    def to_dict(self) -> JsonObject:
        """A copy of its JSON, whole, with ``None`` for fields that it might have and has not."""
        return {one.wire: None for one in self.fields.values()} | dict(plain(super().to_dict()))

    def brought(self: S, client: Via, arguments: Mapping[str, Any]) -> S:
        """This object, as that of a client which got it by a call with these arguments."""
        self._client = client
        for name in self.stamps:
            if arguments.get(name) is not None:
                setattr(self, name, arguments[name])
        return self

    def _via(self, client: Via) -> SplitClient:
        found = client or self._client
        if found is None:
            raise ClientRequiredError(
                f"this {type(self).__name__} was made by hand: say apiclient= which client to use"
            )
        return found


class Placed(SplitRecord):
    """An object that is told its workspace when it is made."""

    stamps = ("workspace_id",)
    workspace_id: Id

    def __init__(self, data: Mapping[str, Any] | None = None, workspace_id: Id = None, client: Via = None) -> None:
        super().__init__(data, client)
        self.workspace_id = workspace_id


class _Inner(Field[Any]):
    """An object inside another, of the same client and workspace."""

    def __get__(self, record: Any, owner: type | None = None) -> Any:
        found = super().__get__(record, owner or type(record))
        if record is not None:
            for one in found if isinstance(found, list) else [found]:
                if isinstance(one, SplitRecord):
                    one.brought(record._client, {"workspace_id": getattr(record, "workspace_id", None)})
        return found


def _nothing() -> None:
    return None


def maybe(kind: type[T]) -> Field[T | None]:
    """Declare a list or mapping that is ``None`` when it is absent."""
    return field(kind, default=_nothing)


def inner(kind: type[T], read: Callable[[Any], T | None] | None = None) -> Field[T]:
    """Declare an object inside another."""
    return cast("Field[T]", _Inner(kind, default=_nothing, read=read or cast("Any", kind)))


def inner_list(kind: type[T]) -> Field[list[T]]:
    """Declare a list of objects inside another; ``None`` when it is empty."""
    read: Callable[[Any], Any] = lambda values: [cast("Any", kind)(value) for value in values] or None  # noqa: E731
    return cast("Field[list[T]]", _Inner(list, default=_nothing, read=read))


def unless_zero(value: int) -> int | None:
    """A time that the service writes as 0 when there is none."""
    return value or None


def as_dict(given: object) -> JsonObject:
    """A copy of a dict, or of an object's JSON. Raises ``InvalidArgumentException`` for anything else."""
    if not isinstance(given, Record | Mapping):
        raise InvalidArgumentException(f"a dict or an object of the API is expected, not {type(given).__name__}")
    return dict(plain(given))
