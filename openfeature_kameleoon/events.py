"""What an application may be told of: requests that were made, and new data files (specs/kameleoon-sdk.md 10.7).

Handlers run on the thread where it happens, so they should be quick. One that raises disturbs nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, Protocol

import msgspec

from .transport.attempts import Attempt, RequestType

__all__ = [
    "DatafileSource",
    "DatafileUpdate",
    "DatafileUpdateHandler",
    "EventHandlers",
    "EventType",
    "HttpRequestFailure",
    "HttpRequestFailureReason",
    "HttpRequestHandler",
    "RequestType",
]

_log = logging.getLogger(__name__)


class EventType(Enum):
    """What a handler may be set for; each names the methods that the handler needs."""

    HTTP_REQUEST = "http_request"
    """See ``HttpRequestHandler``."""
    DATAFILE_UPDATE = "datafile_update"
    """See ``DatafileUpdateHandler``."""


class HttpRequestFailureReason(Enum):
    """Why a request failed."""

    HTTP_STATUS = "http_status"
    """The server answered with a status that stands for no success."""
    EXCEPTION = "exception"
    """There was no answer, or none that can be used."""
    CANCELLED = "cancelled"
    """There was none in time, or the client was closed."""


class HttpRequestFailure(msgspec.Struct, frozen=True):
    """How a request failed; ``http_status`` stands with HTTP_STATUS alone, ``cause`` with EXCEPTION alone."""

    reason: HttpRequestFailureReason
    http_status: int | None = None
    cause: Exception | None = None


class DatafileSource(Enum):
    """What made the client look for the data file."""

    POLLING = "polling"
    """That it was time to, the first time included."""
    STREAMING = "streaming"
    """A real-time event."""


class DatafileUpdate(msgspec.Struct, frozen=True):
    """A data file was put to use; ``date_modified`` is its own word for its age, in Unix milliseconds, or 0."""

    source: DatafileSource
    date_modified: int


class HttpRequestHandler(Protocol):
    """Is told of every attempt of a request, retries included; real-time streams are none."""

    def on_request_succeeded(self, request_type: RequestType, http_status: int, duration_millis: int) -> object:
        """The server answered with a status of 2xx, 304, or 403, its answer to what it takes for a bot."""

    def on_request_failed(self, request_type: RequestType, failure: HttpRequestFailure, duration_millis: int) -> object:
        """There was no such answer."""


class DatafileUpdateHandler(Protocol):
    """Is told of every data file that is put to use, the first one included; not of one that did not change."""

    def on_update(self, event: DatafileUpdate) -> object:
        """It decides from now on."""


METHODS: Mapping[EventType, tuple[str, ...]] = {
    EventType.HTTP_REQUEST: ("on_request_succeeded", "on_request_failed"),
    EventType.DATAFILE_UPDATE: ("on_update",),
}
"""What a handler of each type must have."""

EXPECTED = frozenset({*range(200, 300), 304, 403})
"""Statuses that count as success (1.4)."""


class EventHandlers:
    """One handler for each type of event, if one is set."""

    def __init__(self) -> None:
        self._handlers: dict[EventType, Any] = {}
        self._failing: set[EventType] = set()

    def set(self, event_type: EventType, handler: HttpRequestHandler | DatafileUpdateHandler | None) -> None:
        """Have events of a type told to this handler instead of the one before, or with ``None`` to nobody.

        One that lacks a method is refused: that is an error in the log, and nothing changes.
        """
        methods = METHODS.get(event_type)
        if methods is None:
            _log.error("no handler is set: the type of event is a member of EventType")
            return
        missing = [method for method in methods if not callable(getattr(handler, method, None))]
        if missing and handler is not None:
            _log.error("no handler is set for %s: it lacks the method %s", event_type.name, " and ".join(missing))
            return
        self._failing.discard(event_type)
        self._handlers[event_type] = handler

    def attempted(self, attempt: Attempt) -> None:
        """Tell of a request; runs on the thread that made it."""
        handler = self._handlers.get(EventType.HTTP_REQUEST)
        if handler is None:
            return
        milliseconds = round(attempt.seconds * 1000)
        failure = _failure_of(attempt)
        if failure is None:
            self._call(EventType.HTTP_REQUEST, handler.on_request_succeeded, attempt.kind, attempt.status, milliseconds)
        else:
            self._call(EventType.HTTP_REQUEST, handler.on_request_failed, attempt.kind, failure, milliseconds)

    def updated(self, trigger: Literal["POLLING", "STREAMING"], date_modified: int) -> None:
        """Tell of a data file that was put to use."""
        handler = self._handlers.get(EventType.DATAFILE_UPDATE)
        if handler is not None:
            event = DatafileUpdate(DatafileSource[trigger], date_modified)
            self._call(EventType.DATAFILE_UPDATE, handler.on_update, event)

    def _call(self, event_type: EventType, method: Callable[..., object], *arguments: object) -> None:
        try:
            method(*arguments)
        except Exception as error:  # foreign code: it must not end the thread or the request
            if event_type not in self._failing:
                self._failing.add(event_type)
                _log.warning("the handler for %s failed; that is told once", event_type.name, exc_info=error)


def _failure_of(attempt: Attempt) -> HttpRequestFailure | None:
    failure = attempt.failure
    status = attempt.status if failure is None else failure.status
    if status is not None and status not in EXPECTED:
        return HttpRequestFailure(HttpRequestFailureReason.HTTP_STATUS, http_status=status)
    if failure is None:
        return None
    if failure.timed_out:
        return HttpRequestFailure(HttpRequestFailureReason.CANCELLED)
    return HttpRequestFailure(HttpRequestFailureReason.EXCEPTION, cause=failure)
