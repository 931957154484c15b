"""Fields with types: how a vendor's JSON object becomes a Python one, and back, without losing what we do not know.

A record is a view of the very JSON object: unknown members stay, unknown literals are kept as they are.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from enum import IntFlag
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin, overload

from ...settings import MASK

__all__ = [
    "CREATE",
    "READ",
    "REQUIRED",
    "UPDATE",
    "WRITE",
    "Access",
    "Field",
    "Record",
    "always",
    "camel",
    "field",
    "plain",
    "snake",
]

T = TypeVar("T")
D = TypeVar("D")


class Access(IntFlag):
    """What a call may say of a field."""

    READ = 0
    CREATE = 1
    UPDATE = 2
    REQUIRED = 4 | CREATE


READ = Access.READ
"""Set by the vendor alone."""
CREATE = Access.CREATE
UPDATE = Access.UPDATE
WRITE = CREATE | UPDATE
REQUIRED = Access.REQUIRED
"""Nothing can be created without."""

LONGEST_SHOWN = 60
MOST_SHOWN = 4


class Field(Generic[T]):
    """One member of a JSON object, declared as a line of a ``Record``."""

    __slots__ = ("_read", "access", "default", "is_secret", "kind", "name", "note", "values", "wire")

    def __init__(
        self,
        kind: Any,
        access: Access = READ,
        wire: str = "",
        *,
        default: Callable[[], Any] | None,
        values: str = "",
        note: str = "",
        is_secret: bool = False,
        read: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind = kind
        self.access = access
        self.wire = wire
        self.default = default
        self.values = tuple(values.split())
        self.note = note
        self.is_secret = is_secret
        self.name = ""
        self._read = read or _reader(kind)

    def __set_name__(self, owner: type[Record], name: str) -> None:
        self.name = name
        self.wire = self.wire or owner.spelling(name)

    @overload
    def __get__(self, record: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, record: Record, owner: type) -> T: ...
    def __get__(self, record: Record | None, owner: type) -> Field[T] | T:
        if record is None:
            return self
        value = record.raw.get(self.wire)
        if value is None:
            if self.default is None:
                raise AttributeError(f"this {type(record).__name__} has no {self.name}: the API has not sent it")
            return cast("T", self.default())
        try:
            return cast("T", self._read(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{type(record).__name__}.{self.name} cannot be read: {error}") from error

    def __set__(self, record: Record, value: T | None) -> None:
        record.raw[self.wire] = plain(value)


@overload
def field(
    kind: type[list[T]], access: Access = ..., wire: str = ..., *, default: None = ..., **more: Any
) -> Field[list[T]]: ...
@overload
def field(
    kind: type[dict[str, T]], access: Access = ..., wire: str = ..., *, default: None = ..., **more: Any
) -> Field[dict[str, T]]: ...
@overload
def field(
    kind: type[T], access: Access = ..., wire: str = ..., *, default: Callable[[], D], **more: Any
) -> Field[T | D]: ...
@overload
def field(
    kind: type[T], access: Access = ..., wire: str = ..., *, default: None = ..., **more: Any
) -> Field[T | None]: ...
def field(
    kind: Any, access: Access = READ, wire: str = "", *, default: Callable[[], Any] | None = None, **more: Any
) -> Field[Any]:
    """Declare a member of a JSON object: ``None`` when there is none, or a null; of a list or mapping, an empty one.

    ``wire`` is its name there, by default the attribute's in camelCase; ``values`` are the literals known, parted by
    blanks (others are let through); ``note`` is for the reference; ``is_secret`` keeps it out of ``repr``; ``read``
    replaces how a value that is there is read. Lists and mappings are read as copies: set the attribute to change one.
    """
    return Field(kind, access, wire, default=default or _EMPTY.get(get_origin(kind) or kind, _none), **more)


def always(kind: type[T], access: Access = READ, wire: str = "", **more: Any) -> Field[T]:
    """Declare a member that every answer has; where it is missing all the same, reading it is an ``AttributeError``."""
    return Field(kind, access, wire, default=None, **more)


def _none() -> None:
    return None


_EMPTY: Mapping[Any, Callable[[], Any]] = {list: list, dict: dict}


class Record:
    """A JSON object of the API with declared fields; ``raw`` is the object itself, with all that it holds.

    Made of such an object (``Goal({"siteId": 7})``, not copied), of fields by their names here
    (``Goal(site_id=7)``), or both.
    """

    __slots__ = ("raw",)
    fields: ClassVar[Mapping[str, Field[Any]]] = {}
    _names: ClassVar[frozenset[str]] = frozenset(__slots__)
    """What can be set."""

    @staticmethod
    def spelling(name: str) -> str:
        """How a field is called on the wire, unless it says so itself."""
        return camel(name)

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls.fields = {**cls.fields, **own}
        annotated = (name for kind in cls.__mro__ for name in inspect.get_annotations(kind))
        cls._names = frozenset({*cls.fields, *Record.__slots__, *annotated})

    def __init__(self, raw: dict[str, Any] | None = None, /, **fields: Any) -> None:
        self.raw: dict[str, Any] = {} if raw is None else raw
        for name, value in fields.items():
            if name not in self.fields:
                raise TypeError(f"{type(self).__name__} has no field {name}; it has {', '.join(self.fields)}")
            self.raw[self.fields[name].wire] = plain(value)

    def __repr__(self) -> str:
        shown = [
            f"{one.name}={MASK if one.is_secret else _short(self.raw[one.wire])}"
            for one in self.fields.values()
            if isinstance(self.raw.get(one.wire), str | int | float | bool)
        ]
        return f"{type(self).__name__}({', '.join(shown[:MOST_SHOWN])}{', ...' if len(shown) > MOST_SHOWN else ''})"

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._names and not name.startswith("_"):  # a misspelt field would be lost without a word
            near = difflib.get_close_matches(name, self.fields, 1)
            raise AttributeError(f"{type(self).__name__} has no {name}" + (f"; is it {near[0]}?" if near else ""))
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Record) and type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, so unhashable

    def to_dict(self) -> dict[str, Any]:
        """A copy of the whole JSON object."""
        return copy.deepcopy(self.raw)


def plain(value: Any) -> Any:
    """A value as JSON has it: records as their objects, moments as ISO 8601 text, tuples and lists as lists.

    A moment without zone is written without one; one with a zone in UTC, with ``Z``.
    """
    if isinstance(value, Record):
        return value.raw
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat(timespec="seconds")
        return value.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def camel(name: str) -> str:
    """``site_id`` as it is on the wire: ``siteId``."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``siteId`` as it is here: ``site_id``."""
    return _WORD.sub("_", name).lower()


def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a value that is there is read. What does not fit its kind is given as it is; dates alone must be some."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list and arguments:
        one = _reader(arguments[0])
        return lambda value: [one(item) for item in value] if isinstance(value, list) else value
    if origin is dict and len(arguments) == 2:
        one = _reader(arguments[1])
        return lambda value: {key: one(item) for key, item in value.items()} if isinstance(value, dict) else value
    if isinstance(kind, type) and issubclass(kind, Record):
        return lambda value: kind(value) if isinstance(value, dict) else value
    return _PLAIN.get(kind, lambda value: value)


def _moment(value: str) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no date")
    return datetime.fromisoformat(_FRACTION.sub(_six_digits, value.replace("Z", "+00:00")))


_DIGITS = re.compile("-?[0-9]{1,18}")
_FRACTION = re.compile(r"\.(\d+)")


def _six_digits(found: re.Match[str]) -> str:
    return "." + found[1][:6].ljust(6, "0")  # Python 3.10 reads three digits or six, nothing else


_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    datetime: _moment,
    int: lambda value: int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value,
    float: lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value,
}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
