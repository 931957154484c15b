"""Who is told of logs and exceptions in 1.x, and the one flow of its methods through it (specs/flagship.md 1.4)."""

from __future__ import annotations

import functools
import logging
import traceback as tracebacks
from collections.abc import Callable
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from ..transport.foreign_text import printable
from .log_manager import COLOURS, LONGEST_MESSAGE, LogLevel, stamp

__all__ = ["FlagshipEventHandler", "HandlerLog", "handled"]

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger(__name__)
_flagship = logging.getLogger("[Flagship]")


class FlagshipEventHandler:
    """What takes the SDK's logs and exceptions; subclass it. A subclass need not call its ``__init__``.

    With ``catch_all_exceptions`` the SDK's methods return ``None`` where they would raise.
    """

    catch_all_exceptions = False

    def __init__(self, catch_all_exceptions: bool = False) -> None:
        self.catch_all_exceptions = catch_all_exceptions

    def on_log(self, level: int, message: str) -> None:
        """Take a log; levels are those of ``logging``. Written in colour to the logger ``[Flagship]``."""
        colour = COLOURS.get(level, 0)
        _flagship.log(level, "\033[%dm%s - [Flagship] : %s\033[0m", colour, stamp(datetime.now()), message)

    def on_exception_raised(self, exception: Exception, traceback: str) -> None:
        """Take an exception that is about to be raised, or to be swallowed."""
        self.on_log(int(LogLevel.CRITICAL.value), f"{exception}\n{traceback}")


class HandlerLog:
    """Tells an event handler what the SDK has to say."""

    def __init__(self, handler: FlagshipEventHandler) -> None:
        self.handler = handler
        self._has_failed = False

    def tell(self, tag: str, level: LogLevel, message: str) -> None:
        """Tell one thing; 1.x knows no tags."""
        try:
            self.handler.on_log(level.value, printable(message, LONGEST_MESSAGE))
        except Exception as error:  # foreign code: what is told about goes on
            self._failed(error)

    def tell_of(self, tag: str, exception: Exception, traceback: str = "") -> None:
        """Tell of an exception."""
        try:
            self.handler.on_exception_raised(exception, traceback)
        except Exception as error:  # as above
            self._failed(error)

    @property
    def catches(self) -> bool:
        """Whether methods return ``None`` instead of raising."""
        return bool(getattr(self.handler, "catch_all_exceptions", False))

    def _failed(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            _logger.warning("the event handler failed with %s; that is told once", type(error).__name__)


class _Handled(Protocol):
    @property
    def _handler_log(self) -> HandlerLog: ...


S = TypeVar("S", bound=_Handled)


def handled(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method whose exceptions its owner's event handler is told of, and may have swallowed."""

    @functools.wraps(method)
    def run(owner: S, *args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return method(owner, *args, **kwargs)
        except Exception as error:  # whatever it is, it is told, and goes on unless the handler wants it swallowed
            log = owner._handler_log
            log.tell_of("", error, tracebacks.format_exc())
            if not log.catches:
                raise
            return None

    return cast(Callable[Concatenate[S, P], R], run)
