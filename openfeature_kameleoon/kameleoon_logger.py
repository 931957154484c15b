"""Kameleoon's way to set up logging, as an adapter over the standard logger ``openfeature_kameleoon`` (10.6).

Nothing here is needed: ``logging`` alone does the same, and more. Importing it changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol

__all__ = ["KameleoonLogger", "LogLevel", "LoggerObject"]

NAME = __name__.rpartition(".")[0]
FORMAT = "Kameleoon [%(levelname)s]: %(message)s"


class LogLevel(IntEnum):
    """What is logged: messages of a level up to and including this one."""

    NONE = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


THRESHOLDS: Mapping[LogLevel, int] = {
    LogLevel.NONE: logging.CRITICAL + 1,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}
"""The lowest level of ``logging`` that passes."""


class LoggerObject(Protocol):
    """What takes messages in place of ``logging``."""

    def log(self, level: LogLevel, message: str) -> object:
        """Take a message; its level is never NONE. May be called by several threads at once."""


class KameleoonLogger:
    """Sets what this library logs, and to whom, for the whole process."""

    @staticmethod
    def set_log_level(level: LogLevel | int) -> None:
        """Log messages up to this level. Where ``logging`` is not set up, they go to stderr.

        Raises ``ValueError`` for anything else than a ``LogLevel`` or its number.
        """
        logger = logging.getLogger(NAME)
        logger.setLevel(THRESHOLDS[LogLevel(level)])
        if not any(isinstance(handler, _ToStderr) for handler in logger.handlers):
            logger.addHandler(_ToStderr())

    @staticmethod
    def set_logger(logger: LoggerObject | None) -> None:
        """Have messages given to ``logger.log(level, message)``, too; ``None`` ends it.

        What ``logging`` is set up to do with them it still does. One that raises is told as ``logging`` tells of its
        handlers, and disturbs nobody. Raises ``TypeError`` for what has no method ``log``.
        """
        if logger is not None and not callable(getattr(logger, "log", None)):
            raise TypeError("a logger needs a method log(level, message)")
        ours = logging.getLogger(NAME)
        for handler in [handler for handler in ours.handlers if isinstance(handler, _ToObject)]:
            ours.removeHandler(handler)
        if logger is not None:
            ours.addHandler(_ToObject(logger))


class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]  # no type argument at run time in Python 3.10
    """Writes what would otherwise be lost: nothing, as soon as there is anybody else to take it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether nobody else takes it."""
        others = [*logging.getLogger(NAME).handlers, *logging.getLogger().handlers]
        return all(other is self for other in others)


class _ToObject(logging.Handler):
    def __init__(self, logger: LoggerObject) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._logger.log(_level_of(record.levelno), self.format(record))
        except Exception:  # foreign code, which must not end what is being logged about
            self.handleError(record)


def _level_of(number: int) -> LogLevel:
    """The level of Kameleoon's that a level of ``logging`` counts as."""
    passing = [level for level, threshold in THRESHOLDS.items() if number >= threshold and level]
    return min(passing, default=LogLevel.DEBUG)
