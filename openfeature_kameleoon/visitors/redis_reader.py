"""Reads visitors from Redis, and brings what this process knows in line with what is stored (6.2, 6.6, 6.7).

Runs on the thread that evaluates, within what it may wait. The lock is held while a visitor is changed, and never while
Redis is asked: changes that a read may not know of are collected meanwhile, and win.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from sys import getsizeof

from ..clock import Clock
from .field_changes import ALIAS_OF, IS_UNIQUE, Changes, adopt, link_to, to_write
from .redis_link import Command, RedisAway, RedisLink
from .redis_writer import RedisWriter
from .store import MemoryVisitorStore
from .stored_form import ABSENT, alias_of, decode, put
from .visitor import VISITOR_BYTES, Visitor

__all__ = ["MOST_ABSENT", "RedisReader"]

MOST_ABSENT = 10_000
"""Codes of which it is remembered for a second that Redis does not know them."""

FIELD_BYTES = 100
"""What a field takes in memory beside its text, roughly."""

Stored = dict[str, Mapping[bytes, bytes]]
"""The stored fields of some visitor codes."""


class RedisReader:
    """Reads visitors over a link into a store in memory. ``key(code)`` is where a visitor is stored, if anywhere.

    What was read is fresh for ``refresh_seconds``; ``absent`` are the codes that were not there, and until when that
    counts. ``timeout_seconds`` is what a read may take.
    """

    def __init__(
        self,
        memory: MemoryVisitorStore,
        link: RedisLink,
        writer: RedisWriter,
        key: Callable[[str], bytes | None],
        *,
        idle_seconds: float,
        timeout_seconds: float,
        refresh_seconds: float,
        clock: Clock,
    ) -> None:
        self.absent: dict[str, float] = {}
        self._memory = memory
        self._link = link
        self._writer = writer
        self._key = key
        self._idle_milliseconds = b"%d" % max(1, int(idle_seconds * 1000))
        self._timeout_seconds = timeout_seconds
        self._refresh_seconds = refresh_seconds
        self._clock = clock

    def read(self, code: str, visitor: Visitor | None) -> Visitor | None:
        """The visitor as Redis has it now; as this process has it if that cannot be told in time."""
        if self._key(code) is None:
            return visitor
        self._writer.reads()
        mine: dict[str, Changes] = {}
        try:
            stored = self._ask_for(code, visitor, mine)
        except RedisAway:
            return self._not_read(code, visitor)
        else:
            with self._writer.lock:
                return self._take(code, stored, mine)
        finally:
            with self._writer.lock.plain:
                for each, changes in mine.items():
                    self._writer.pending.end_reading(each, changes)

    def _ask_for(self, code: str, visitor: Visitor | None, mine: dict[str, Changes]) -> Stored:
        """What is stored of a visitor, and of the code that it is linked to."""
        deadline = time.monotonic() + self._timeout_seconds
        stored = self._ask([code, *_first_code(visitor)], mine, deadline)
        first_code = alias_of(stored[code])
        if first_code is not None and first_code not in stored and self._key(first_code) is not None:
            stored |= self._ask([first_code], mine, deadline)
        return stored

    def _ask(self, codes: list[str], mine: dict[str, Changes], deadline: float) -> Stored:
        """The stored fields of some visitors, who are kept as being seen now; ``mine`` is what a read may not know."""
        with self._writer.lock.plain:
            for code in codes:
                mine[code] = self._writer.pending.begin_reading(code)
        keys = [key for key in map(self._key, codes) if key is not None]
        commands: list[Command] = [(b"HGETALL", key) for key in keys]
        commands += [(b"PEXPIRE", key, self._idle_milliseconds) for key in keys]
        replies = self._link.ask(commands, deadline - time.monotonic())
        return {code: _fields(reply) for code, reply in zip(codes, replies, strict=False)}

    def _not_read(self, code: str, visitor: Visitor | None) -> Visitor | None:
        """Leave it at what this process knows, and do not try again at once."""
        again = self._clock.monotonic() + self._refresh_seconds
        if visitor is not None:
            visitor.fresh_until = again
        else:
            self._is_absent(code, again)
        return visitor

    def _is_absent(self, code: str, until: float) -> None:
        if len(self.absent) >= MOST_ABSENT:
            self.absent.clear()  # they are asked about once more
        self.absent[code] = until

    def _take(self, code: str, stored: Stored, mine: dict[str, Changes]) -> Visitor | None:
        """Bring what this process knows of a visitor in line with what is stored."""
        visitor = self._memory.peek(code)
        first_code = _linked_to(code, stored, mine)
        if first_code is not None and first_code not in stored and ALIAS_OF in mine[code]:
            return visitor  # it was linked while this was read
        was_linked_to = next(iter(_first_code(visitor)), None)
        is_lost = visitor is not None and not stored[code] and self._may_be_lost(visitor)
        if first_code is None and visitor is not None and was_linked_to in stored and is_lost:
            first_code = was_linked_to
            self._writer.note(code, link_to(visitor, code))
        if first_code is None or first_code == code or first_code not in stored:
            return self._adopt(code, visitor, stored[code], mine[code])
        if _linked_to(first_code, stored, mine) is not None:  # that is another visitor's by now: this one is nobody's
            self._writer.note(code, {ALIAS_OF: ABSENT})
            return self._adopt(code, visitor, {}, {})
        first = self._adopt(first_code, self._memory.peek(first_code), stored[first_code], mine[first_code])
        if first is None:  # its own slot has expired, which takes nothing from the one that is linked to it
            first = self._memory.change(self._memory.unknown(first_code), _link)
            first.fresh_until = self._clock.monotonic() + self._refresh_seconds
            self._writer.note(first_code, to_write(Visitor(first_code), first))
        if visitor is None or visitor.traits is not first.traits:
            if visitor is not None:
                self._memory.forget(visitor)
            visitor = self._memory.add(first.alias(code))
        visitor.started, visitor.hashing_code = first.started, first.hashing_code
        visitor.fresh_until = first.fresh_until
        own = {} if ALIAS_OF in mine[code] else stored[code]
        visitor.is_unique_identifier = decode(own, code, 0.0).is_unique_identifier
        if IS_UNIQUE in mine[code]:
            put(visitor, IS_UNIQUE, mine[code][IS_UNIQUE])
        return visitor

    def _adopt(
        self, code: str, visitor: Visitor | None, fields: Mapping[bytes, bytes], mine: Changes
    ) -> Visitor | None:
        """Bring a visitor in line with these fields, who is made or forgotten if need be."""
        if visitor is not None and _first_code(visitor):
            self._memory.forget(visitor)  # it is no alias any more
            visitor = None
        if ALIAS_OF in mine:
            fields = {}  # they are another visitor's, and will be deleted
        now = self._clock.monotonic()
        fresh_until = now + self._refresh_seconds
        keeps = visitor is not None and self._may_be_lost(visitor)
        if not fields and not mine and not keeps:
            if visitor is not None:
                self._memory.forget(visitor)
            self._is_absent(code, fresh_until)
            return None
        offset = now - self._clock.time()
        other = decode(fields, code, offset)
        if visitor is None:
            visitor = self._memory.unknown(code)
            for field, value in mine.items():  # known here once, and forgotten for want of room
                put(visitor, field, value)
        visitor = self._memory.add(visitor)

        def take_over(known: Visitor) -> None:
            owed = adopt(known, other, mine, keeps=keeps)
            self._writer.note(code, owed)
            texts = sum(map(len, fields.values())) + sum(map(getsizeof, owed.values()))
            known.size = VISITOR_BYTES + len(code) + texts + FIELD_BYTES * len(fields)

        self._memory.change(visitor, take_over)
        visitor.fresh_until = fresh_until
        return visitor

    def _may_be_lost(self, visitor: Visitor) -> bool:
        """Whether Redis was away since the visitor was read, as far as is known, and may have lost what was there."""
        return visitor.fresh_until <= self._link.connected_at + self._refresh_seconds


def _fields(reply: object) -> Mapping[bytes, bytes]:
    """A hash; nothing when the key holds something else, which is none of ours."""
    if not isinstance(reply, list):
        return {}
    texts = [item if isinstance(item, bytes) else b"" for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=False))


def _first_code(visitor: Visitor | None) -> list[str]:
    """The code under which the data of this one are stored, if that is another one."""
    code = None if visitor is None else visitor.traits.first_code
    return [] if code is None or visitor is None or code == visitor.code else [code]


def _linked_to(code: str, stored: Stored, mine: Mapping[str, Changes]) -> str | None:
    """The code that this one is linked to, here or in Redis."""
    if ALIAS_OF in mine[code]:
        link = mine[code][ALIAS_OF]
        return None if link is ABSENT else str(link)
    return alias_of(stored[code])


def _link(visitor: Visitor) -> None:
    visitor.hashing_code = visitor.hashing_code or visitor.code
    visitor.own_traits().is_linked = True
