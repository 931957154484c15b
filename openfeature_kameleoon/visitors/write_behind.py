"""What is still to be written to Redis, by visitor code and field, and the commands that write it.

Guarded by the lock of the store that owns it; the one who writes takes a batch and holds no lock meanwhile.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from .field_changes import ALIAS_OF, Changes, More, join
from .redis_link import Command
from .stored_form import ABSENT, encode, name_of

__all__ = ["WriteBehind"]

_log = logging.getLogger(__name__)

MOST_FIELDS = 200_000
"""That may wait while Redis is away: some 100 MB at most of what people tell of visitors."""


class WriteBehind:
    """Changes that wait, the oldest visitors first out when there are too many; ``lost`` counts their fields.

    A code's changes are written in their order: those that come while a batch has the code wait for its end.
    """

    def __init__(self, most_fields: int = MOST_FIELDS) -> None:
        self.lost = 0
        self._has_warned = False
        self._most = most_fields
        self._fields = 0
        self._waiting: OrderedDict[str, Changes] = OrderedDict()
        self._under_way: dict[str, Changes] = {}
        self._readings: dict[str, list[Changes]] = {}

    def __len__(self) -> int:
        """Number of fields that are not written yet."""
        return self._fields

    def note(self, code: str, changes: Changes) -> None:
        """Have these written too."""
        waiting = self._waiting.setdefault(code, {})
        self._fields -= len(waiting)
        join(waiting, changes)
        self._fields += len(waiting)
        for mine in self._readings.get(code, ()):
            join(mine, changes)
        while self._fields > self._most and self._waiting:
            _, oldest = self._waiting.popitem(last=False)
            self._fields -= len(oldest)
            self.lost += len(oldest)

    def begin_reading(self, code: str) -> Changes:
        """What is not written yet of a code, and all that changes until ``end_reading``: a read may not know of it."""
        mine: Changes = {}
        for changes in (self._under_way.get(code), self._waiting.get(code)):
            if changes is not None:
                join(mine, changes)
        self._readings.setdefault(code, []).append(mine)
        return mine

    def end_reading(self, code: str, mine: Changes) -> None:
        """The read is over."""
        left = [reading for reading in self._readings.get(code, ()) if reading is not mine]
        if left:
            self._readings[code] = left
        else:
            self._readings.pop(code, None)

    def take(self, most: int) -> dict[str, Changes]:
        """What waits longest of so many visitors, to be settled by ``written`` or ``release``."""
        batch: dict[str, Changes] = {}
        for code in self._waiting:
            if code not in self._under_way:
                batch[code] = self._waiting[code]
                if len(batch) == most:
                    break
        for code in batch:
            del self._waiting[code]
        self._under_way.update(batch)
        return batch

    def written(self, batch: dict[str, Changes]) -> None:
        """These are in Redis."""
        for code, changes in batch.items():
            del self._under_way[code]
            self._fields -= len(changes)

    def release(self, batch: dict[str, Changes]) -> None:
        """These may not be: they wait again, before all others."""
        for code, changes in reversed(list(batch.items())):
            del self._under_way[code]
            later = self._waiting.get(code, {})
            self._fields -= len(changes) + len(later)
            join(changes, later)
            self._fields += len(changes)
            self._waiting[code] = changes
            self._waiting.move_to_end(code, last=False)

    def commands(self, key: bytes, changes: Changes, idle_milliseconds: int, offset: float) -> list[Command]:
        """What writes a visitor's changes under a key, and keeps it all for as long as a visitor may be idle."""
        made: list[Command] = [(b"DEL", key)] if ALIAS_OF in changes else []
        replaced: list[bytes] = []
        removed: list[bytes] = []
        for field, value in changes.items():
            try:
                if value is ABSENT:
                    removed.append(name_of(field))
                elif type(value) is More:
                    made.append((b"HINCRBY", key, name_of(field), b"%d" % value))
                else:
                    name, text = encode(field, value, offset)
                    if field[0] == "first":
                        made.append((b"HSETNX", key, name, text))
                    else:
                        replaced += (name, text)
            except Exception as error:  # other people's objects: what cannot be written costs only itself
                self._warn(field[0], error)
        if replaced:
            made.append((b"HSET", key, *replaced))
        if removed:
            made.append((b"HDEL", key, *removed))
        if made:
            made.append((b"PEXPIRE", key, b"%d" % idle_milliseconds))
        return made

    def _warn(self, kind: str, error: Exception) -> None:
        level = logging.DEBUG if self._has_warned else logging.WARNING
        self._has_warned = True
        _log.log(level, "a visitor's data of kind %s cannot be shared: %s", kind, type(error).__name__)
