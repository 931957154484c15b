"""KameleoonProvider, OpenFeature's face: context in, resolution details out, on the caller's thread, from memory.

Nothing here raises into the application, waits or logs per evaluation. The SDK's traps that shape it are listed in
specs/openfeature-provider.md 1.3: parameters come by keyword, an error carries the caller's default itself, and status
events must not overtake the end of ``initialize``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar
from weakref import WeakMethod

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from .client import KameleoonClient
from .configuration import KameleoonClientConfiguration
from .context import conversion_metadata, goal_id, new_data, revenue_of, variable_key
from .datafile.events import Event, EventKind, Listener
from .engine.variables import Variation, as_boolean, as_float, as_integer, as_object, as_string
from .errors import (
    ConfigSettingInvalid,
    FeatureMalformed,
    FeatureNotFound,
    FeatureVariableNotFound,
    KameleoonError,
    VariableTypeMismatch,
    VisitorCodeInvalid,
    VisitorCodeMissing,
    VisitorDataInvalid,
)
from .evaluator import check_visitor_code
from .status import ClientStatus
from .transport.foreign_text import printable
from .visitors.data import Conversion

__all__ = ["KameleoonProvider"]

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

_METADATA = Metadata(name="Kameleoon Provider")
_NO_HOOKS: list[Hook] = []


class KameleoonProvider(AbstractProvider):
    """Answers OpenFeature's evaluations from Kameleoon's data file of a site.

    ``configuration`` defaults to the YAML file at ``/etc/kameleoon/client-python.yaml`` if there is one. ``client`` is
    the ``KameleoonClient`` behind it: pass one to share it; it is then yours to close. Nothing starts before
    ``initialize``. Raises ``SiteCodeIsEmpty`` and ``ConfigException``.
    """

    def __init__(
        self,
        site_code: str,
        configuration: KameleoonClientConfiguration | None = None,
        *,
        client: KameleoonClient | None = None,
    ) -> None:
        super().__init__()
        self._owns_client = client is None
        self._untracked: set[str] = set()
        if client is not None and client.site_code != site_code:
            raise ConfigSettingInvalid(
                f"the client passed is for the site {client.site_code!r}, not {site_code!r}", setting="site_code"
            )
        self.client = client or KameleoonClient(site_code, configuration_object=configuration, autostart=False)
        self._live = self.client.live
        self._evaluate = self.client.evaluator.evaluate
        self._live.add_listener(_as_long_as_it_lives(self._pass_on))

    def __getstate__(self) -> NoReturn:
        raise TypeError("a KameleoonProvider is not pickled: make one in each process, of the same configuration")

    def get_metadata(self) -> Metadata:
        """The provider's name; the same object each time, since the SDK asks at every evaluation."""
        return _METADATA

    def get_provider_hooks(self) -> list[Hook]:
        """None: a hook of the provider's would cost every evaluation more than the evaluation itself."""
        return _NO_HOOKS

    def initialize(self, evaluation_context: EvaluationContext, domain: str | None = None, **_: object) -> None:
        """Wait for the first data file, as long as the configured timeout.

        A last known good copy on disk makes it ready at once, stale until confirmed. Raises ``ProviderNotReadyError``,
        or ``ProviderFatalError`` when settings must be mended; the background goes on trying in either case.
        """
        if self.client.wait_init():
            return
        status = self._live.status()
        reason = status.last_error or "no data file came within the time-out"
        raise (ProviderFatalError if status.is_fatal else ProviderNotReadyError)(reason)

    def shutdown(self) -> None:
        """End the background work, in bounded time; may be called twice, and ``initialize`` starts anew."""
        if self._owns_client:
            self.client.close()

    def status(self) -> ClientStatus:
        """How it goes with the data file, with real-time updates and with what is reported."""
        return self.client.status()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A boolean variable; of a flag without variables, whether it is active."""
        return self._resolve(flag_key, default_value, evaluation_context, as_boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A text variable; of a flag without variables, the variation's key."""
        return self._resolve(flag_key, default_value, evaluation_context, as_string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A number variable that is integral."""
        return self._resolve(flag_key, default_value, evaluation_context, as_integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A number variable."""
        return self._resolve(flag_key, default_value, evaluation_context, as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """A JSON variable; where the first variable is of another type, all of them by key."""
        return self._resolve(flag_key, default_value, evaluation_context, as_object)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Record a conversion: the name is a goal id or a name of the setting ``goals``; ``value`` is the revenue.

        Attributes become metadata of the conversion by custom data name. Never raises and never waits: what cannot
        be recorded is left out with a warning.
        """
        try:
            self._track(tracking_event_name, evaluation_context, tracking_event_details)
        except KameleoonError as error:
            self._tell_untracked(tracking_event_name, printable(error.message))
        except Exception as error:  # foreign objects in the context; the application must not fail for them
            self._tell_untracked(tracking_event_name, type(error).__name__)

    def _resolve(
        self,
        key: str,
        default: T,
        context: EvaluationContext | None,
        value_of: Callable[[Variation, str | None], T],
    ) -> FlagResolutionDetails[T]:
        """Answer one flag from memory: no I/O, no waiting, no logging."""
        ruleset = self._live.current  # read once: a refresh swaps in a whole new one
        if ruleset is None:
            return _error(default, ErrorCode.PROVIDER_NOT_READY, "there is no data file yet")
        try:
            if context is None:
                return _error(default, ErrorCode.TARGETING_KEY_MISSING, "an evaluation context is needed")
            attributes = context.attributes
            wanted = variable_key(attributes) if attributes else None  # before anything is reported
            evaluation = self._evaluate(ruleset, key, context.targeting_key, attributes)
            if evaluation.is_disabled:
                return FlagResolutionDetails(default, None, None, evaluation.reason, None, evaluation.metadata)
            value = value_of(evaluation.variation, wanted)
            return FlagResolutionDetails(
                value, None, None, evaluation.reason, evaluation.variation_key, evaluation.metadata
            )
        except KameleoonError as error:
            return _error(default, ERROR_CODES.get(type(error), ErrorCode.GENERAL), error.message)
        except Exception as error:  # foreign objects in the context; the application must not fail for them
            return _error(default, ErrorCode.GENERAL, f"the evaluation failed: {type(error).__name__}")

    def _track(self, name: str, context: EvaluationContext | None, details: TrackingEventDetails | None) -> None:
        client = self.client
        code = check_visitor_code(context.targeting_key if context is not None else None)
        index = client.ruleset.index
        visitor = client.evaluator.visitor(code)
        new = new_data(context.attributes, visitor, index) if context is not None else []
        data = [item for item in new if type(item) is not Conversion]  # those are for evaluations to count
        client.add_data(code, *data, track=client.configuration.report_context_data)
        revenue = revenue_of(details.value if details is not None else None)
        metadata = conversion_metadata(details.attributes if details is not None else {}, index)
        client.track_conversion(code, goal_id(name, client.configuration.goals), revenue, metadata=metadata)

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
            metadata={"source": event.origin, "siteCode": self.client.site_code},
        )
        try:
            self.emit(EVENTS[event.kind], details)
        except (
            AttributeError,
            RuntimeError,
        ) as error:  # detached meanwhile, or the SDK's executor is gone (T8)
            _log.debug("the event %s reached nobody: %s", event.kind.value, error)


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


def _error(default: T, code: ErrorCode, message: str) -> FlagResolutionDetails[T]:
    """The caller's own default: the async path of the SDK does not put it back itself (T2)."""
    return FlagResolutionDetails(default, code, message, Reason.ERROR)
