"""A disk that fails as a test wants it to: SQLite's statements, and the system's calls."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import pytest

__all__ = [
    "BROKEN",
    "CALLS",
    "FULL",
    "LOCKED",
    "MALFORMED",
    "READ_ONLY",
    "Countdown",
    "Faults",
    "failing_calls",
    "failing_statements",
]

FULL = "database or disk is full"
BROKEN = "disk I/O error"
READ_ONLY = "attempt to write a readonly database"
LOCKED = "database is locked"
MALFORMED = "database disk image is malformed"

CALLS = ("open", "lstat", "listdir", "stat", "fstat", "close", "mkdir", "unlink")


class Faults:
    """Which statements fail, and how: those that begin with what ``fail`` was told, until it is told otherwise."""

    def __init__(self) -> None:
        self.message_for: Callable[[str], str | None] = lambda _: None

    def fail(self, beginning: str, message: str) -> None:
        self.message_for = lambda statement: message if statement.startswith(beginning) else None

    def stop(self) -> None:
        self.message_for = lambda _: None


class Countdown(Faults):
    """The n-th statement or call fails, and all that follow if it is ``lasting``, until it is over."""

    def __init__(self, number: int, *, lasting: bool, message: str = "") -> None:
        self.left = number
        self.is_over = False
        self._lasting = lasting
        self._message = message
        self.message_for = lambda _: self._message if self.is_due() else None

    def is_due(self) -> bool:
        self.left -= 1
        return not self.is_over and (self.left == 0 or (self._lasting and self.left < 0))

    @property
    def has_begun(self) -> bool:
        return self.left <= 0


class Faulty(sqlite3.Connection):
    """A connection that fails where it is told to."""

    faults: ClassVar[Faults]

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        message = self.faults.message_for(sql)
        if message is not None:
            raise (sqlite3.DatabaseError if message == MALFORMED else sqlite3.OperationalError)(message)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self.execute("SELECT 'many'")
        return super().executemany(sql, *arguments)

    def executescript(self, script: str) -> sqlite3.Cursor:
        self.execute("SELECT 'script'")
        return super().executescript(script)


def failing_statements(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    """Have connections that are opened from now on fail."""
    faulty = type("Faulty", (Faulty,), {"faults": faults})
    monkeypatch.setattr(sqlite3, "connect", partial(_connect, factory=faulty))


_connect = sqlite3.connect


@contextmanager
def failing_calls(countdown: Countdown, code: int, calls: Iterable[str] = CALLS) -> Iterator[None]:
    """Have the n-th call of the system fail with this error."""

    def failing(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if countdown.is_due():
            if call is close:
                call(*arguments)  # what cannot be closed is closed nevertheless
            raise OSError(code, os.strerror(code))
        return call(*arguments, **options)

    close = os.close
    with pytest.MonkeyPatch.context() as broken:
        for name in calls:
            broken.setattr(os, name, partial(failing, getattr(os, name)))
        yield
