"""What our providers for OpenFeature have in common: errors as codes, data file events as provider events, tracking.

The SDK's traps that shape it are listed in specs/openfeature-provider.md 1.3. Evaluations are each provider's own; what
is here runs at the beginning and the end, on the thread that delivers events, and for what could not be answered.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol, TypeVar
from weakref import WeakMethod

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider
from openfeature.track import TrackingEventDetails

from .datafile.events import Event, EventKind, Listener
from .datafile.freshness import Status
from .errors import (
    FeatureMalformed,
    FeatureNotFound,
    FeatureVariableNotFound,
    KameleoonError,
    VariableTypeMismatch,
    VisitorCodeInvalid,
    VisitorCodeMissing,
    VisitorDataInvalid,
)
from .transport.foreign_text import printable

__all__ = ["ERROR_CODES", "EVENTS", "MOST_WARNINGS", "Followed", "SharedProvider", "unanswered"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

ERROR_CODES: Mapping[type[KameleoonError], ErrorCode] = {
    FeatureNotFound: ErrorCode.FLAG_NOT_FOUND,
    FeatureVariableNotFound: ErrorCode.FLAG_NOT_FOUND,
    VariableTypeMismatch: ErrorCode.TYPE_MISMATCH,
    FeatureMalformed: ErrorCode.PARSE_ERROR,
    VisitorCodeInvalid: ErrorCode.INVALID_CONTEXT,
    VisitorCodeMissing: ErrorCode.TARGETING_KEY_MISSING,
    VisitorDataInvalid: ErrorCode.INVALID_CONTEXT,
}
"""Our errors as OpenFeature's; any other is GENERAL."""

EVENTS: Mapping[EventKind, ProviderEvent] = {
    EventKind.READY: ProviderEvent.PROVIDER_READY,
    EventKind.STALE: ProviderEvent.PROVIDER_STALE,
    EventKind.ERROR: ProviderEvent.PROVIDER_ERROR,
    EventKind.CHANGED: ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
}

MOST_WARNINGS = 100
"""Names of events that are warned of; more are a mistake of another kind, and would fill the log."""

_NO_HOOKS: list[Hook] = []


class Followed(Protocol):
    """Where a provider's answers come from, as far as it tells how that goes."""

    def status(self) -> Status:
        """Where things stand now."""

    def add_listener(self, listener: Listener) -> None:
        """Have events delivered, never before ``initialize`` has returned (T10)."""


class SharedProvider(AbstractProvider):
    """A provider without its evaluations. ``labels`` go with each of its events."""

    def __init__(self, followed: Followed, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._followed = followed
        self._labels = labels
        self._untracked: set[str] = set()
        followed.add_listener(_as_long_as_it_lives(self._pass_on))

    def __getstate__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"a {name} is not pickled: make one in each process, of the same configuration")

    def get_provider_hooks(self) -> list[Hook]:
        """None: a hook of the provider's would cost every evaluation more than the evaluation itself."""
        return _NO_HOOKS

    def initialize(self, evaluation_context: EvaluationContext, domain: str | None = None, **_: object) -> None:
        """Wait for the first data file, as long as the configured timeout.

        A last known good copy on disk makes it ready at once, stale until confirmed. Raises ``ProviderNotReadyError``,
        or ``ProviderFatalError`` when settings must be mended; the background goes on trying in either case.
        """
        if self._begin(evaluation_context):
            return
        status = self._followed.status()
        reason = status.last_error or "no data file came within the time-out"
        raise (ProviderFatalError if status.is_fatal else ProviderNotReadyError)(reason)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Record what a visitor did. Never raises and never waits: what cannot be recorded is left out with a warning.

        What an event's name, value and attributes become is told in the class's documentation.
        """
        try:
            self._track(tracking_event_name, evaluation_context, tracking_event_details)
        except KameleoonError as error:
            self._tell_untracked(tracking_event_name, printable(error.message))
        except Exception as error:  # foreign objects in the context; the application must not fail for them
            self._tell_untracked(tracking_event_name, type(error).__name__)

    @abstractmethod
    def _begin(self, context: EvaluationContext) -> bool:
        """Start, and wait as long as is configured; whether there is something to answer from."""

    @abstractmethod
    def _track(self, name: str, context: EvaluationContext | None, details: TrackingEventDetails | None) -> None:
        """Record an event, or raise."""

    def _tell_untracked(self, event_name: object, reason: str) -> None:
        """Warn once of each event's name that could not be recorded."""
        name = _shown(event_name)
        is_new = name not in self._untracked and len(self._untracked) < MOST_WARNINGS
        _log.log(logging.WARNING if is_new else logging.DEBUG, "track(%s) recorded nothing: %s", name, reason)
        if is_new:
            self._untracked.add(name)

    def _pass_on(self, event: Event) -> None:
        """Emit an event of the data file as OpenFeature's, unless nobody is attached or all is shutting down."""
        details = ProviderEventDetails(
            flags_changed=list(event.changed) if event.kind is EventKind.CHANGED else None,
            message=event.message or None,
            error_code=_error_code(event),
            metadata={"source": event.origin, **self._labels},
        )
        try:
            self.emit(EVENTS[event.kind], details)
        except (
            AttributeError,
            RuntimeError,
        ) as error:  # detached meanwhile, or the SDK's executor is gone (T8)
            _log.debug("the event %s reached nobody: %s", event.kind.value, error)


def unanswered(default: T, code: ErrorCode, message: str) -> FlagResolutionDetails[T]:
    """An error with the caller's own default: the async path of the SDK does not put it back itself (T2)."""
    return FlagResolutionDetails(default, code, message, Reason.ERROR)


def _as_long_as_it_lives(pass_on: Callable[[Event], None]) -> Listener:
    """The method as a listener that does not keep its object alive: a client that is shared outlives providers."""
    method = WeakMethod(pass_on)

    def listen(event: Event) -> None:
        alive = method()
        if alive is not None:
            alive(event)

    return listen


def _shown(name: object) -> str:
    """An event's name for the log, without asking anything of a foreign object."""
    return printable(str.__str__(name)) if issubclass(type(name), str) else f"a {type(name).__name__}"


def _error_code(event: Event) -> ErrorCode | None:
    if event.kind is not EventKind.ERROR:
        return None
    return ErrorCode.PROVIDER_FATAL if event.is_fatal else ErrorCode.PROVIDER_NOT_READY
