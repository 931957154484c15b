"""What Flagship's SDK tells, to whom, and from which level on, as 3.x does (specs/flagship.md 1.13).

The filter lets a level pass with all of lower numbers, so ``CRITICAL`` lets every line through and ``DEBUG`` only its
own: the opposite of other loggers, kept since programs are set up for it.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Protocol

from ..transport.foreign_text import printable

__all__ = ["COLOURS", "FlagshipLogManager", "Log", "LogLevel", "LogManager", "ManagerLog", "stamp"]

_logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 500


class LogLevel(Enum):
    """How much a line matters."""

    ALL = 100
    CRITICAL = 50
    ERROR = 40
    WARNING = 30
    INFO = 20
    DEBUG = 10
    NONE = 0


COLOURS: Mapping[int, int] = {50: 89, 40: 91, 30: 93, 20: 94, 10: 96}
"""ANSI colours by the number of a level."""


def stamp(now: datetime) -> str:
    """A moment as both generations write it."""
    return now.strftime("%d-%m-%Y %H:%M:%S")


class LogManager(ABC):
    """What takes the SDK's lines. Any thread may call; keep it short."""

    @abstractmethod
    def log(self, tag: str, level: LogLevel, message: str) -> None:
        """Take a line that passed the configured level."""

    @abstractmethod
    def exception(self, tag: str, exception: Exception, traceback: str) -> None:
        """Take an exception, whatever the level is."""


class FlagshipLogManager(LogManager):
    """The default: coloured lines on standard output."""

    def log(self, tag: str, level: LogLevel, message: str) -> None:
        """Write one line."""
        colour = COLOURS.get(level.value, 0)
        # Not print(): what writes to a stream says to which.
        sys.stdout.write(f"\033[{colour}m[{stamp(datetime.now())}][Flagship][{tag}]: {message}\033[0m\n")

    def exception(self, tag: str, exception: Exception, traceback: str) -> None:
        """Write what it says, without the traceback."""
        self.log(tag, LogLevel.CRITICAL, str(exception))


class Log(Protocol):
    """What the rest of the SDK tells: filtered and on one line, and never failing because of who listens."""

    def tell(self, tag: str, level: LogLevel, message: str) -> None:
        """Tell one thing."""

    def tell_of(self, tag: str, exception: Exception, traceback: str = "") -> None:
        """Tell of an exception that is not raised at the caller."""


class ManagerLog:
    """Tells a ``LogManager`` what passes a level."""

    def __init__(self, manager: LogManager, level: LogLevel) -> None:
        self._manager = manager
        self._level = level
        self._has_failed = False

    def tell(self, tag: str, level: LogLevel, message: str) -> None:
        """Tell one thing, if its level passes."""
        if not 0 < level.value <= self._level.value:
            return
        try:
            self._manager.log(tag, level, printable(message, LONGEST_MESSAGE))
        except Exception as error:  # foreign code: what is told about goes on
            self._failed(error)

    def tell_of(self, tag: str, exception: Exception, traceback: str = "") -> None:
        """Tell of an exception."""
        try:
            self._manager.exception(tag, exception, traceback)
        except Exception as error:  # as above
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            _logger.warning("the log manager failed with %s; that is told once", type(error).__name__)
