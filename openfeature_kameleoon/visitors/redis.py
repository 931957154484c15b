"""Visitors shared by many processes through Redis: what one of them learns, all of them know.

Around a store in memory, which answers: Redis is read once per visitor and second, on the caller's thread and within a
few milliseconds, and not at all while it is away. Writing is redis_writer.py's (specs/kameleoon-sdk.md 6.2 to 6.7).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from random import Random

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.index import DataFileIndex
from ..forking import renew_after_fork
from ..settings import Secret
from ..transport.redis_link import OversizedReply, RedisAway, RedisLink
from ..transport.resp import Command
from .data import CustomData, Data
from .field_changes import ALIAS_OF, Changes, adopt, to_write
from .redis_writer import ChangeLock, RedisWriter
from .store import MemoryVisitorStore
from .stored_form import ABSENT, alias_of, decode, put
from .traits import Assignment
from .visitor import VISITOR_BYTES, Visitor, custom_data_index

__all__ = ["RedisVisitorStore"]

FORMAT = "1"
"""Other versions than this keep away from what this one stores."""

LONGEST_CODE = 255

MOST_SHARED_BYTES = 1 << 18
"""A visitor of whom more is known is one process's own: reading it would take too long."""

MOST_ABSENT = 10_000
"""Codes of which it is remembered for a second that Redis does not know them."""

FIELD_BYTES = 100
"""What a field takes in memory beside its text, roughly."""

IS_UNIQUE = ("own", "is_unique_identifier")

Stored = dict[str, Mapping[bytes, bytes]]
"""The stored fields of some visitor codes."""


class RedisVisitorStore:
    """A ``VisitorStore`` that all processes with the same Redis and site code share.

    ``url`` is one that redis-py takes; ``timeout_seconds`` is what an evaluation waits for Redis at most. A visitor is
    forgotten after ``idle_seconds`` in which no process saw it. While Redis is away each process knows what it had read
    and learns; the latter is written when it is back. Cookies and custom data are stored as they are: whoever reads
    this Redis reads them. Raises ``ConfigSettingInvalid`` for a URL that cannot be used, and without the extra.
    """

    def __init__(
        self,
        url: Secret | str,
        *,
        site_code: str,
        idle_seconds: float,
        max_bytes: int,
        timeout_seconds: float,
        refresh_seconds: float = 1.0,
        threads: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        site = hashlib.sha256(f"{FORMAT}\0{site_code}".encode()).hexdigest()[:16]
        self._prefix = f"kameleoon:{site}".encode()
        self._memory = MemoryVisitorStore(idle_seconds=idle_seconds, max_bytes=max_bytes, clock=clock)
        self._idle_milliseconds = b"%d" % max(1, int(idle_seconds * 1000))
        self._refresh_seconds = min(refresh_seconds, idle_seconds / 4)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._monotonic = clock.monotonic
        self._absent: dict[str, float] = {}
        self._link = RedisLink(
            url if isinstance(url, Secret) else Secret(url),
            timeout_seconds=timeout_seconds,
            trial=_trial(self._prefix),
            need=lambda: self._writer.wake(),  # noqa: PLW0108  # it is made after the link
            clock=clock,
            random=random or Random(),
        )
        self._writer = RedisWriter(
            self._link,
            self._key,
            idle_seconds=idle_seconds,
            timeout_seconds=timeout_seconds,
            threads=threads,
            clock=clock,
        )
        renew_after_fork(self)

    @property
    def lock(self) -> ChangeLock:
        """What to hold, for moments, while more than one thing about a visitor is changed; reentrant."""
        return self._writer.lock

    @property
    def is_shared(self) -> bool:
        """Whether Redis answers."""
        return self._link.is_up

    @property
    def pending(self) -> int:
        """Changes that are not written yet."""
        return len(self._writer.pending)

    # Looking up -----------------------------------------------------------------------------------------------------

    def get(self, code: str) -> Visitor | None:
        """The visitor, marked as seen now; ``None`` when it is not known or has been idle too long."""
        visitor = self._memory.get(code)
        if visitor is not None:
            if visitor.last_seen < visitor.fresh_until:
                return visitor
        elif self._monotonic() < self._absent.get(code, -inf):
            return None
        return self._read(code, visitor)

    def get_or_create(self, code: str) -> Visitor:
        """The visitor, which is made when it is not known."""
        return self.get(code) or self.add(self.unknown(code))

    def unknown(self, code: str) -> Visitor:
        """A visitor that is not stored: to decide for, and to ``add`` if anything is to be remembered."""
        visitor = self._memory.unknown(code)
        visitor.fresh_until = self._absent.get(code, -inf)
        return visitor

    def __contains__(self, code: str) -> bool:
        """Whether this process knows the visitor; does not count as seeing it, and asks nobody."""
        return code in self._memory

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator[Visitor]:
        return iter(self._memory)

    # Changing -------------------------------------------------------------------------------------------------------

    def add(self, visitor: Visitor) -> Visitor:
        """Store a visitor, unless there is one of that code: then that one is returned."""
        if visitor.known:
            return visitor
        with self.lock:
            stored = self._memory.add(visitor)
            if stored is visitor:
                self._absent.pop(visitor.code, None)
                self._note(Visitor(visitor.code), visitor)
        return stored

    def add_data(
        self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex, *, is_tracked: bool = True
    ) -> Visitor:
        """Add data to a visitor, who is stored if not yet; returns the stored one. ``TypeError``: no data."""
        items = list(data)
        with self.lock:
            visitor = self.add(visitor)
            before = visitor.copy()
            links = {user_id: self._is_linked(visitor, user_id) for user_id in _user_ids(items, index)}
            try:
                return self._memory.add_data(visitor, items, index, is_tracked=is_tracked)
            finally:
                self._note(before, visitor)
                for user_id, was_linked in links.items():
                    if not was_linked and self._is_linked(visitor, user_id):
                        self._note_link(visitor, user_id)

    def assign(self, visitor: Visitor, assignment: Assignment) -> None:
        """Note an assignment of a stored visitor; the caller holds the lock."""
        visitor.set_assignment(assignment)
        if visitor.fresh_until == inf:
            return
        field = ("assignment", assignment.exposure.experiment_id)
        self._writer.note(visitor.traits.first_code or visitor.code, {field: assignment})

    def change(self, visitor: Visitor, change: Callable[[Visitor], object]) -> Visitor:
        """Have a visitor changed by one thread at a time, who is stored if not yet; returns the stored one."""
        with self.lock:
            visitor = self.add(visitor)
            before = visitor.copy()
            try:
                return self._memory.change(visitor, change)
            finally:
                self._note(before, visitor)

    def _note(self, before: Visitor, visitor: Visitor) -> None:
        """Have written what has changed of a visitor."""
        if visitor.size > MOST_SHARED_BYTES:
            visitor.fresh_until = inf
        if visitor.fresh_until == inf:
            return
        changes = to_write(before, visitor)
        first_code = visitor.traits.first_code
        if first_code is not None and first_code != visitor.code:
            own = {field: changes.pop(field) for field in [IS_UNIQUE] if field in changes}
            self._writer.note(visitor.code, own)
            self._writer.note(first_code, changes)
        else:
            self._writer.note(visitor.code, changes)

    def _is_linked(self, visitor: Visitor, user_id: str) -> bool:
        other = self._memory.peek(user_id)
        return other is not None and other is not visitor and other.traits is visitor.traits

    def _note_link(self, visitor: Visitor, user_id: str) -> None:
        first_code = visitor.traits.first_code
        if user_id == first_code:  # it was another visitor's for a while: all is to be stored under it again
            self._writer.note(user_id, {ALIAS_OF: ABSENT, **to_write(Visitor(user_id), visitor)})
            return
        link: Changes = {ALIAS_OF: first_code}
        if visitor.is_unique_identifier:
            link[IS_UNIQUE] = True
        self._writer.note(user_id, link)

    # Life cycle -----------------------------------------------------------------------------------------------------

    def start(self, timeout: float = 0.0) -> None:
        """Get to Redis in the background, and wait that many seconds for the first try at most; after ``close`` too.

        Without threads it tries now, which may take a second or two.
        """
        self._writer.start(timeout)

    def flush(self, timeout: float) -> bool:
        """Write what is not written yet, for that many seconds at most; whether all of it is.

        Without threads this is also what gets back to a Redis that was away.
        """
        return self._writer.flush(timeout)

    def close(self, timeout: float) -> None:
        """Write what is left, for that many seconds at most; then only this process's memory answers."""
        self._writer.close(timeout)

    def renew(self) -> None:
        """In a forked child: the visitors stay, connections and the thread are new, and nothing is to be written."""
        self._link.renew()
        self._writer.renew()

    # Reading --------------------------------------------------------------------------------------------------------

    def _read(self, code: str, visitor: Visitor | None) -> Visitor | None:
        """The visitor as Redis has it now; as this process has it if that cannot be told in time."""
        if not self._link.is_up:
            self._writer.begin()
            return visitor
        if self._key(code) is None:
            return visitor
        self._writer.reads()
        mine: dict[str, Changes] = {}
        try:
            stored = self._ask_for(code, visitor, mine)
        except (RedisAway, OversizedReply) as failure:
            return self._not_read(code, visitor, is_too_large=isinstance(failure, OversizedReply))
        else:
            with self.lock:
                return self._take(code, stored, mine)
        finally:
            with self.lock.plain:
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
        with self.lock.plain:
            for code in codes:
                mine[code] = self._writer.pending.begin_reading(code)
        keys = [self._prefix + b":" + code.encode() for code in codes]
        commands: list[Command] = [(b"HGETALL", key) for key in keys]
        commands += [(b"PEXPIRE", key, self._idle_milliseconds) for key in keys]
        replies = self._link.ask(commands, deadline - time.monotonic())
        return {code: _fields(reply) for code, reply in zip(codes, replies, strict=False)}

    def _not_read(self, code: str, visitor: Visitor | None, *, is_too_large: bool) -> Visitor | None:
        """Leave it at what this process knows, and do not try again at once."""
        again = self._monotonic() + self._refresh_seconds
        if visitor is not None:
            visitor.fresh_until = inf if is_too_large else again
        else:
            self._is_absent(code, again)
        return visitor

    def _is_absent(self, code: str, until: float) -> None:
        if len(self._absent) >= MOST_ABSENT:
            self._absent.clear()  # they are asked about once more
        self._absent[code] = until

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
            self._note_link(visitor, code)
        if first_code is None or first_code == code or first_code not in stored:
            return self._adopt(code, visitor, stored[code], mine[code])
        if _linked_to(first_code, stored, mine) is not None:  # that is another visitor's by now: this one is nobody's
            self._writer.note(code, {ALIAS_OF: ABSENT})
            return self._adopt(code, visitor, {}, {})
        first = self._adopt(first_code, self._memory.peek(first_code), stored[first_code], mine[first_code])
        if first is None:  # its own slot has expired, which takes nothing from the one that is linked to it
            first = self.change(self.unknown(first_code), _link)
        if visitor is None or visitor.traits is not first.traits:
            if visitor is not None:
                self._memory.forget(visitor)
            visitor = self._memory.add(first.alias(code))
        visitor.fresh_until = first.fresh_until
        if IS_UNIQUE not in mine[code]:
            visitor.is_unique_identifier = decode(stored[code], code, 0.0).is_unique_identifier
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
        now = self._monotonic()
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
            known.size = VISITOR_BYTES + len(code) + sum(map(len, fields.values())) + FIELD_BYTES * len(fields)

        self._memory.change(visitor, take_over)
        visitor.fresh_until = fresh_until
        return visitor

    def _may_be_lost(self, visitor: Visitor) -> bool:
        """Whether Redis was away since the visitor was read, and may have lost, or let expire, what was there."""
        return visitor.fresh_until <= self._link.unbroken_since + self._refresh_seconds

    def _key(self, code: str) -> bytes | None:
        """Where a visitor is stored; ``None`` for what can be no visitor code."""
        if len(code) > LONGEST_CODE:
            return None
        try:
            return self._prefix + b":" + code.encode()
        except UnicodeEncodeError:
            return None


def _trial(key: bytes) -> list[Command]:
    """Every command that is ever sent: a user that may not send one of them is told so at once."""
    return [
        (b"HSET", key, b"trial", b"1"),
        (b"HSETNX", key, b"trial", b"1"),
        (b"HINCRBY", key, b"trial", b"1"),
        (b"HGETALL", key),
        (b"HDEL", key, b"trial"),
        (b"PEXPIRE", key, b"1000"),
        (b"DEL", key),
    ]


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


def _user_ids(data: Iterable[Data], index: DataFileIndex) -> list[str]:
    """The user ids that some data link a visitor to (6.6)."""
    if index.mapping_index is None:
        return []
    return [
        item.values[0]
        for item in data
        if isinstance(item, CustomData)
        and item.values
        and item.values[0]
        and custom_data_index(item, index) == index.mapping_index
    ]
