"""Fields with types: how a vendor's JSON object becomes a Python one, and back, without losing what we do not know.

A record is a view of the very JSON object: unknown members stay, unknown literals are kept as they are.
"""

from __future__ import annotations

import copy
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
    "camel",
    "field",
    "plain",
    "snake",
]

T = TypeVar("T")
Given = TypeVar("Given")


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
    """One member of a JSON object, declared as a line of a ``Record``; ``None`` when the object has none, or a null."""

    __slots__ = ("_read", "access", "default", "is_secret", "kind", "name", "note", "values", "wire")

    def __init__(
        self,
        kind: type[T],
        access: Access,
        wire: str,
        values: tuple[str, ...],
        note: str,
        is_secret: bool,
        default: Callable[[], T] | None,
        read: Callable[[Any], Any] | None,
    ) -> None:
        self.kind = kind
        self.access = access
        self.wire = wire
        self.values = values
        self.note = note
        self.is_secret = is_secret
        self.default = default
        self.name = ""
        self._read = read or _reader(kind)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.wire = self.wire or camel(name)

    @overload
    def __get__(self, record: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, record: Record, owner: type) -> T | None: ...
    def __get__(self, record: Record | None, owner: type) -> Field[T] | T | None:
        if record is None:
            return self
        value = record.raw.get(self.wire)
        if value is None:
            return self.default() if self.default is not None else None
        try:
            return cast("T", self._read(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{type(record).__name__}.{self.name} cannot be read: {error}") from error

    def __set__(self, record: Record, value: T | None) -> None:
        record.raw[self.wire] = plain(value)


def field(
    kind: type[T],
    access: Access = READ,
    wire: str = "",
    *,
    values: str = "",
    note: str = "",
    is_secret: bool = False,
    default: Callable[[], T] | None = None,
    read: Callable[[Any], Any] | None = None,
) -> Field[T]:
    """Declare a member of a JSON object.

    ``wire`` is its name there, by default the attribute's in camelCase; ``values`` are the literals known, parted by
    blanks (others are let through); ``read`` replaces how a value that is there is read.
    """
    return Field(kind, access, wire, tuple(values.split()), note, is_secret, default, read)


class Record:
    """A JSON object of the API with declared fields; ``raw`` is the object itself, with all that it holds.

    Made of such an object (``Goal({"siteId": 7})``, not copied), of fields by their names here
    (``Goal(site_id=7)``), or both.
    """

    __slots__ = ("raw",)
    fields: ClassVar[Mapping[str, Field[Any]]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls.fields = {**cls.fields, **own}

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
    return head + "".join(word.title() for word in tail)


_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``siteId`` as it is here: ``site_id``."""
    return _WORD.sub("_", name).lower()


def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a value that is there is read. What does not fit a plain kind is given as it is: vendors add literals."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list and arguments:
        one = _reader(arguments[0])
        return lambda value: [one(item) for item in value]
    if origin is dict and len(arguments) == 2:
        one = _reader(arguments[1])
        return lambda value: {key: one(item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Record):
        return lambda value: kind(value) if isinstance(value, dict) else value
    return _PLAIN.get(kind, lambda value: value)


def _moment(value: str) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no date")
    return datetime.fromisoformat(_FRACTION.sub(_six_digits, value.replace("Z", "+00:00")))


_FRACTION = re.compile(r"\.(\d+)")


def _six_digits(found: re.Match[str]) -> str:
    return "." + found[1][:6].ljust(6, "0")  # Python 3.10 reads three digits or six, nothing else


_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    datetime: _moment,
    int: lambda value: int(value) if isinstance(value, str) and value.strip("-").isdigit() else value,
    float: lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value,
}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
