"""What Optimizely's resources of v1 are made of: objects whose ``__dict__`` is the server's JSON object (spec 3).

What a resource is, is declared in ``resource``; how that is read, created, saved and deleted, is here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, get_type_hints, overload

from ..rest.fields import CREATE, REQUIRED, UPDATE, WRITE, Access
from ..rest.operations import Declaration, fill
from ..rest.session import Query, Rest
from .error import BadRequestError, InvalidIDError, NotSupportedError

if TYPE_CHECKING:
    from .client import Client

__all__ = [
    "Children",
    "CreateOnly",
    "Deletable",
    "Editable",
    "Entity",
    "Id",
    "Registry",
    "Required",
    "Row",
    "Unsupported",
    "registry",
]

T = TypeVar("T")
R = TypeVar("R", bound="Row")
E = TypeVar("E", bound="Entity")

Id = int | str
"""A number, or the same in digits."""

Editable = Annotated[T, WRITE]
"""A field that ``save`` and ``update`` send."""
Required = Annotated[T, REQUIRED | UPDATE]
"""The same, and nothing can be created without it."""
CreateOnly = Annotated[T, CREATE]
"""A field that cannot be changed later."""


class Unsupported:
    """What an API lacks: to look at it raises ``NotSupportedError``, which names what to use instead."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{owner.__name__}.{name}"

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        raise NotSupportedError(f"{self.name} is not supported: {self.reason}")


def _noun(kind: type) -> str:
    return vars(kind).get("path") or f"{kind.__name__.lower()}s"


class Row:
    """A JSON object of the API, field by field an attribute, and ``client``, which is none of its fields."""

    __slots__ = ("__dict__", "__weakref__", "client")
    path: ClassVar[str] = ""
    """The noun of its lists on the wire; the class's name in lower case and an ``s``, unless it says so itself."""

    def __init_subclass__(cls) -> None:
        cls.path = _noun(cls)

    def __init__(self, client: Client[Any]) -> None:
        self.client = client


class Children(Declaration, Generic[R]):
    """The list of what belongs to an object; ``takes`` are what may narrow it."""

    method = "GET"

    def __init__(self, kind: type[R], *, takes: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.takes = takes
        self.__doc__ = f"A list of all its {kind.path}."

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self.path = f"{_noun(owner)}/{{id}}/{self.kind.path}"

    @overload
    def __get__(self, entity: None, owner: type) -> Children[R]: ...
    @overload
    def __get__(self, entity: Entity, owner: type) -> Callable[..., list[R]]: ...
    def __get__(self, entity: Entity | None, owner: type) -> Children[R] | Callable[..., list[R]]:
        if entity is None:
            return self

        def listed(**narrowed: object) -> list[R]:
            if unknown := set(narrowed) - set(self.takes):
                raise TypeError(f"{self.name} takes no {', '.join(unknown)}")
            return _listed(self.kind, entity.client, fill(self.path, {"id": entity._id()}), narrowed.items())

        return listed


class Entity(Row):
    """A row that has an id: it can be read anew, changed and saved.

    With an ``optimizely_id`` it is read at once.
    """

    parent: ClassVar[str] = ""
    """What it is created below, and what ``<parent>_id`` is the id of."""
    editable: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    id: int

    def __init_subclass__(cls, parent: str = "") -> None:
        super().__init_subclass__()
        cls.parent = parent
        marked = get_type_hints(cls, include_extras=True).items()
        access = {name: next(iter(getattr(hint, "__metadata__", ())), Access.READ) for name, hint in marked}
        cls.editable = tuple(name for name, may in access.items() if may & UPDATE)
        required = [name for name, may in access.items() if may & REQUIRED == REQUIRED]
        cls.required = (f"{parent}_id", *required) if parent else tuple(required)

    def __init__(self, client: Client[Any], optimizely_id: Id | None = None) -> None:
        super().__init__(client)
        if optimizely_id is not None:
            vars(self)["id"] = id_of(optimizely_id)
            self.refresh()

    def refresh(self) -> None:
        """Read it anew; fields that the answer lacks stay. Raises ``InvalidIDError`` without an id."""
        vars(self).update(_object(self.client.rest, "GET", self._path()))

    def save(self) -> None:
        """Send every editable field, changed or not, and take over the answer. Raises ``InvalidIDError``."""
        sent = _only_editable(type(self), vars(self))
        vars(self).update(_object(self.client.rest, "PUT", self._path(), sent, may_be_empty=True))

    def _id(self) -> int:
        number: int | None = vars(self).get("id")
        if number is None:
            raise InvalidIDError(f"this {type(self).__name__} has no id; get or create it first")
        return number

    def _path(self) -> str:
        return fill(f"{self.path}/{{id}}", {"id": self._id()})


class Deletable(Entity):
    """An entity that can be deleted."""

    def delete(self) -> None:
        """Delete it, for good; the object here keeps its fields."""
        self.client.rest.call("DELETE", self._path())


class Registry(Generic[E]):
    """One kind of resource: what gets, creates and updates it."""

    def __init__(self, client: Client[Any] | None, kind: type[E] | None) -> None:
        if client is None or kind is None:
            raise ValueError("a registry needs a client and the class of its resources")
        self.client = client
        self.kind = kind

    def __repr__(self) -> str:
        return f"<Registry of {self.kind.path}>"

    @overload
    def get(self, optimizely_ids: Id) -> E: ...
    @overload
    def get(self, optimizely_ids: Iterable[int] | None = None) -> list[E]: ...
    def get(self, optimizely_ids: Id | Iterable[Id] | None = None) -> E | list[E]:
        """One by its id, several by theirs in the same order, or all, where the API has a list of all.

        The first one that fails raises. Raises ``TypeError`` for what is no id, before any request.
        """
        if optimizely_ids is None:
            if self.kind.parent:
                use = f"{self.kind.parent}.{self.kind.path}()"
                raise NotSupportedError(f"there is no list of all {self.kind.path}; use {use} instead")
            return _listed(self.kind, self.client, self.kind.path)
        if isinstance(optimizely_ids, Iterable) and not isinstance(optimizely_ids, str | bytes | Mapping):
            return [self.kind(self.client, one) for one in [id_of(one) for one in optimizely_ids]]
        return self.kind(self.client, id_of(optimizely_ids))

    def create(self, data: Mapping[str, Any]) -> E:
        """A new one; all of ``data`` is sent. Raises ``BadRequestError`` without the parent's id, before any request.

        After an ``OutcomeUnknownError`` look for it in its list before repeating the call.
        """
        made = _object(self.client.rest, "POST", _collection(self.kind, data), dict(data))
        return _made(self.kind, self.client, made)

    def update(self, optimizely_id: Id, data: Mapping[str, Any]) -> E:
        """Change the editable ones of these fields, and give a new instance; those there are stay as they are."""
        number = id_of(optimizely_id)
        path = fill(f"{self.kind.path}/{{id}}", {"id": number})
        changed = _object(self.client.rest, "PUT", path, _only_editable(self.kind, data), may_be_empty=True)
        return _made(self.kind, self.client, changed) if changed else self.kind(self.client, number)


def registry(kind: type[E]) -> Callable[[Client[Any]], Registry[E]]:
    """What makes a client's registry of this kind."""
    return lambda client: Registry(client, kind)


def id_of(value: Any) -> int:
    """An id; ``TypeError`` for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise TypeError(f"{value!r} is no id; ids are numbers")


def _made(kind: type[R], client: Client[Any], fields: Mapping[str, Any]) -> R:
    """An instance with these fields, without asking the server."""
    made = kind(client)
    vars(made).update(fields)
    return made


def _only_editable(kind: type[Entity], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in kind.editable if name in fields}


def _collection(kind: type[Entity], fields: Mapping[str, Any]) -> str:
    """Where one with these fields is created."""
    if not kind.parent:
        return kind.path
    number = fields.get(f"{kind.parent}_id")
    if number is None:
        raise BadRequestError(f"{kind.__name__}: {kind.parent}_id is missing, below which it would be created")
    return fill(f"{kind.parent}s/{{id}}/{kind.path}", {"id": number})


def _listed(kind: type[R], client: Client[Any], path: str, query: Query = ()) -> list[R]:
    answer = client.rest.send("GET", path, query=query)
    decoded = client.rest.decoded(answer)
    if not isinstance(decoded, list) or not all(isinstance(one, dict) for one in decoded):
        raise client.rest.malformed(answer, "the answer is no list of objects")
    return [_made(kind, client, one) for one in decoded]


def _object(rest: Rest, method: str, path: str, body: object = ..., *, may_be_empty: bool = False) -> dict[str, Any]:
    answer = rest.send(method, path, json=body)
    decoded = rest.decoded(answer)
    if decoded is None and may_be_empty:
        return {}
    if not isinstance(decoded, dict):
        raise rest.malformed(answer, "the answer is no object")
    return decoded
