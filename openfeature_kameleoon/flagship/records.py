"""What waits to be sent, written down: a hit or an activation is one JSON record, of which request bodies are made.

The form is that of Flagship's hit cache, so that either can be read from the other. Pure, save for the random id that
a record is given (specs/flagship.md 1.12, 1.15, 4.1 to 4.7; examples/flagship-cache.json).
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from .errors import HitCacheFormatException
from .hits import Hit, HitType, is_consent

__all__ = [
    "Activation",
    "Record",
    "VisitorIds",
    "activation_batch",
    "as_json",
    "hit_batch",
    "single_activation",
    "single_hit",
    "single_of",
]

CACHE_VERSION = 1

MOST_BITS = 64


class VisitorIds(NamedTuple):
    """Who did something; ``anonymous_id`` is whom an authenticated visitor was before."""

    visitor_id: str
    anonymous_id: str | None = None

    def __repr__(self) -> str:
        return "VisitorIds()"  # they are personal

    @property
    def in_hit(self) -> dict[str, str | None]:
        """As hits name them: the visitor, or its anonymous id first."""
        if self.anonymous_id is None:
            return {"vid": self.visitor_id, "cuid": None}
        return {"vid": self.anonymous_id, "cuid": self.visitor_id}

    @property
    def in_activation(self) -> dict[str, str | None]:
        """As activations name them."""
        return {"vid": self.visitor_id, "aid": self.anonymous_id}


class Activation(NamedTuple):
    """That a visitor saw a variation of a variation group."""

    variation_group_id: str
    variation_id: str

    @property
    def fields(self) -> dict[str, object]:
        """Itself as it stands on the wire, without whom it is about; ``caid`` is the group's id, not the campaign's."""
        return {"caid": self.variation_group_id, "vaid": self.variation_id}

    @property
    def flaw(self) -> str:
        """Why it cannot be sent (4.6); empty when it can."""
        return "" if self.variation_group_id and self.variation_id else "Activation: an id is missing or empty"


class Record(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One hit or activation. ``content`` is its JSON on the wire, without what only a request adds."""

    id: str
    type: str
    """The hit's type on the wire, or ``ACTIVATE``."""
    timestamp: int
    """When it was made, in Unix milliseconds."""
    visitor_id: str
    anonymous_id: str | None
    content: msgspec.Raw

    def __repr__(self) -> str:
        return f"Record({self.type})"  # the rest is personal

    @classmethod
    def of_hit(cls, hit: Hit, visitor: VisitorIds, timestamp: int) -> Record:
        """What is to be sent of a visitor's hit."""
        return cls._of(hit.type.value, {**hit.fields, **visitor.in_hit}, visitor, timestamp)

    @classmethod
    def of_activation(cls, activation: Activation, visitor: VisitorIds, timestamp: int) -> Record:
        """What is to be sent of a visitor's exposure."""
        return cls._of(HitType.ACTIVATE.value, {**activation.fields, **visitor.in_activation}, visitor, timestamp)

    @classmethod
    def from_line(cls, line: str | bytes) -> Record:
        """The record that ``line`` gave."""
        return msgspec.json.decode(line, type=cls)

    @classmethod
    def from_cache(cls, kept: object) -> Record:
        """A record of a hit cache. Raises ``HitCacheFormatException``."""
        try:
            entry = msgspec.convert(kept, _Kept)
            if entry.version != CACHE_VERSION:
                raise HitCacheFormatException(f"version {entry.version} of hit cache records is not known")
            data = entry.data
            if not data.content or not data.visitor_id:
                raise HitCacheFormatException("a record of the hit cache lacks its visitor or its content")
            return cls(
                data.id or str(uuid.uuid4()),
                data.type,
                int(data.timestamp),
                data.visitor_id,
                data.anonymous_id,
                msgspec.Raw(as_json(data.content)),
            )
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            if isinstance(error, HitCacheFormatException):
                raise
            raise HitCacheFormatException(f"a record of the hit cache has another shape: {error}") from error

    @property
    def line(self) -> str:
        """The record as text on one line."""
        return msgspec.json.encode(self).decode()

    @property
    def cached(self) -> dict[str, Any]:
        """The record as hit caches keep it, under its ``id``."""
        return {"version": CACHE_VERSION, "data": msgspec.json.decode(msgspec.json.encode(self))}

    @property
    def is_activation(self) -> bool:
        """Whether it is no hit."""
        return self.type == HitType.ACTIVATE.value

    @property
    def is_consent(self) -> bool:
        """Whether it tells of a consent, which is sent in any case."""
        return self.type == HitType.EVENT.value and is_consent(msgspec.json.decode(self.content))

    @property
    def visitor(self) -> VisitorIds:
        """Whom it is about."""
        return VisitorIds(self.visitor_id, self.anonymous_id)

    @classmethod
    def _of(cls, kind: str, content: Mapping[str, object], visitor: VisitorIds, timestamp: int) -> Record:
        clean = msgspec.Raw(as_json(content))
        visitor_id, anonymous_id = map(_sendable, visitor)
        return cls(str(uuid.uuid4()), kind, timestamp, visitor_id or "", anonymous_id, clean)


class _Data(msgspec.Struct, rename="camel"):
    type: str
    timestamp: float
    visitor_id: str
    content: dict[str, Any]
    id: str = ""
    anonymous_id: str | None = None


class _Kept(msgspec.Struct):
    version: int
    data: _Data


# Bodies of requests ---------------------------------------------------------------------------------------------------


def hit_batch(env_id: str, hits: Iterable[Record], now: int) -> bytes:
    """Hits as 3.x sends them together (4.7); ``now`` is in Unix milliseconds."""
    return b'{"cid":%b,"t":"BATCH","ds":"APP","h":[%b]}' % (as_json(env_id), _queued(hits, now))


def activation_batch(env_id: str, activations: Iterable[Record], now: int) -> bytes:
    """Activations as 3.x sends them, even a single one (4.1)."""
    return b'{"cid":%b,"batch":[%b]}' % (as_json(env_id), _queued(activations, now))


def single_of(env_id: str, record: Record) -> bytes:
    """A hit as 3.x sends it alone, without batching."""
    return b'{"cid":%b,%b' % (as_json(env_id), bytes(record.content)[1:])


def single_hit(env_id: str, hit: Hit, visitor: VisitorIds) -> bytes:
    """A hit as 1.x and 2.x send it (4.2)."""
    return as_json({"cid": env_id, **hit.fields, **_without_none(visitor.in_hit)})


def single_activation(env_id: str, activation: Activation, visitor: VisitorIds) -> bytes:
    """An activation as 1.x and 2.x send it (4.1)."""
    return as_json({"cid": env_id, **activation.fields, **_without_none(visitor.in_activation)})


def _queued(records: Iterable[Record], now: int) -> bytes:
    """The contents, each with how long it waited."""
    return b",".join([b'%b,"qt":%d}' % (bytes(r.content)[:-1], max(0, now - r.timestamp)) for r in records])


def _without_none(ids: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value is not None}


# JSON that any server reads -------------------------------------------------------------------------------------------


def as_json(value: object) -> bytes:
    """JSON in ASCII, so that a text has as many characters as it has bytes.

    What JSON cannot say is sent as far as it can: a lone surrogate as a question mark, a number that is none as null.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if "\\ud" not in text:
            return text.encode()
    except ValueError:  # not a number, an infinite one, or one of thousands of digits
        pass
    return json.dumps(_sendable(value), separators=(",", ":")).encode()


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if value.bit_length() <= MOST_BITS else None
    if isinstance(value, Mapping):
        return {_sendable(key): _sendable(member) for key, member in value.items()}
    return [_sendable(member) for member in value] if isinstance(value, (list, tuple)) else value
