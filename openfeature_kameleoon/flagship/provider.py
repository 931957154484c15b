"""FlagshipProvider, OpenFeature's face on AB Tasty Flagship: what Kameleoon's provider is to Kameleoon.

In the mode BUCKETING an evaluation is answered from memory: no I/O, no waiting, no logging. In the mode DECISION_API a
visitor's first one waits for Flagship's server, within the time-out; the async methods do so beside the event loop
(specs/flagship.md 7).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import Metadata
from openfeature.track import TrackingEventDetails

from ..clock import SYSTEM_CLOCK, Clock
from ..datafile.freshness import Status
from ..errors import DataFileInvalid, Initialization, KameleoonError
from ..forking import notice_fork
from ..off_loop import OffLoop
from ..providing import ERROR_CODES, SharedProvider, unanswered
from ..settings import Secret
from ..under_uwsgi import warn_of_missing_threads
from .engine.evaluation import Evaluation
from .engine.values import as_boolean, as_float, as_integer, as_object, as_string
from .errors import FlagshipParsingError, ParamError
from .known_visitor import KnownVisitor
from .known_visitors import Visitors
from .local_decisions import Decisions
from .provider_configuration import DECISION_API, FlagshipConfiguration
from .reports import Reports
from .setting_up import api_of, kept_visitors, local_decisions, remote_decisions, tracker_of
from .tracked_events import hits_of

if TYPE_CHECKING:
    from .api import FlagshipApi
    from .tracking import Tracker, TrackerStatus

__all__ = ["CODES", "FlagshipProvider"]

T = TypeVar("T")

CODES: Mapping[type[KameleoonError], ErrorCode] = {
    **ERROR_CODES,
    Initialization: ErrorCode.PROVIDER_NOT_READY,
    DataFileInvalid: ErrorCode.PARSE_ERROR,
    FlagshipParsingError: ErrorCode.PARSE_ERROR,
}
"""Our errors as OpenFeature's; any other is GENERAL (7.2)."""

GRACE_SECONDS = 0.5
"""How much longer a coroutine waits than what it waits for may take."""

_METADATA = Metadata(name="ABTasty")


class FlagshipProvider(SharedProvider):
    """Answers OpenFeature's evaluations as AB Tasty Flagship does.

    The targeting key is the visitor id; attributes that are texts, numbers or booleans are the visitor's context, which
    is remembered; ``fsVisitorInfo`` tells of consent (``hasConsented``) and authentication (``isAuthenticated``,
    ``anonymousId``). The first evaluation of a variation activates it, once for as long as the visitor is remembered.
    Nothing starts before ``initialize``. Raises ``ConfigSettingInvalid``.

    ``track`` sends an EVENT of the action's name and the integer part of the value; with the attribute
    ``transactionId`` a TRANSACTION, and an ITEM for each of ``items`` (``tracked_events`` lists the attributes).
    """

    def __init__(
        self,
        env_id: str,
        api_key: str | Secret,
        configuration: FlagshipConfiguration | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.env_id = env_id = env_id or ""  # what is missing is told by initialize
        self.configuration = configuration = configuration or FlagshipConfiguration()
        self._api_key = api_key if isinstance(api_key, Secret) else Secret(api_key or "")
        self._is_remote = configuration.mode == DECISION_API
        self._api: FlagshipApi | None = None
        self._tracker: Tracker | None = None
        if configuration.sends_events or self._is_remote:
            self._api = api_of(env_id, self._api_key, configuration)
            if configuration.sends_events:
                self._tracker = tracker_of(self._api, configuration, clock)
        self._reports = Reports(
            self._tracker,
            tells_exposures=configuration.send_exposures,
            tells_context=configuration.report_context_data and not self._is_remote,
        )
        kept = kept_visitors(env_id, configuration)
        self._visitors = Visitors(
            self._reports,
            max_bytes=configuration.visitor_bytes,
            knows_authentication=self._is_remote,
            keeper=kept,
        )
        self._decisions: Decisions
        if self._is_remote and self._api is not None:
            self._decisions = remote_decisions(self._api, configuration, self._visitors, kept, self._reports, clock)
        else:
            self._decisions = local_decisions(env_id, configuration, self._reports, clock)
        # Bound once: to bind a method costs what a look-up of a flag does.
        self._told, self._settle = self._visitors.told, self._visitors.settle
        self._decide, self._decide_at_once = self._decisions.decide, self._decisions.decide_at_once
        self._off_loop = OffLoop()
        self._visitor_id: str | None = None
        super().__init__(self._decisions, {"envId": env_id})

    def get_metadata(self) -> Metadata:
        """The provider's name; the same object each time, since the SDK asks at every evaluation."""
        return _METADATA

    # The life cycle -------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Send what waits, within the shutdown time-out, and end the background work.

        May be called twice, and ``initialize`` starts anew.
        """
        notice_fork()
        self._decisions.stop()
        if self._tracker is not None:
            self._tracker.stop()
            self._tracker.close()
        if self._api is not None:
            self._api.close()

    def status(self) -> Status:
        """How it goes with the bucketing file, or with the decision API."""
        return self._decisions.status()

    def tracking_status(self) -> TrackerStatus | None:
        """What became of hits and activations; ``None`` where nothing is sent."""
        return None if self._tracker is None else self._tracker.status()

    def refresh(self) -> None:
        """Look for a new bucketing file now, on this thread, or have every visitor's flags asked for anew.

        Raises ``RequestFailed`` or ``DataFileInvalid``.
        """
        notice_fork()
        self._decisions.refresh()

    def flush(self, timeout: float | None = None) -> bool:
        """Send hits now; with a ``timeout``, in seconds, wait that long for it. Whether nothing waits any more."""
        notice_fork()
        return True if self._tracker is None else self._tracker.flush(timeout)

    def prefetch(self, evaluation_context: EvaluationContext, timeout: float | None = None) -> bool:
        """Have a visitor's flags there before they are evaluated; whether they are.

        In the mode DECISION_API it waits for the server, ``timeout`` seconds at most (the configured time-out); else
        nothing needs to be fetched. Raises ``VisitorCodeInvalid`` and ``VisitorDataInvalid``.
        """
        return self._decisions.ask(self._visitor(evaluation_context), timeout)

    async def prefetch_async(self, evaluation_context: EvaluationContext, timeout: float | None = None) -> bool:
        """The same, without blocking the event loop."""
        visitor = self._visitor(evaluation_context)
        if not self._decisions.needs(visitor):
            return self._decisions.ask(visitor, 0.0)
        seconds = self.configuration.timeout_second if timeout is None else timeout
        with contextlib.suppress(TimeoutError):
            return await self._off_loop.run(lambda: self._decisions.ask(visitor, seconds), seconds + GRACE_SECONDS)
        return False

    # Evaluations ----------------------------------------------------------------------------------------------------

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A flag that is a boolean."""
        return self._resolve(self._decide, flag_key, default_value, evaluation_context, as_boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A flag that is a text."""
        return self._resolve(self._decide, flag_key, default_value, evaluation_context, as_string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A flag that is an integral number."""
        return self._resolve(self._decide, flag_key, default_value, evaluation_context, as_integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A flag that is a number."""
        return self._resolve(self._decide, flag_key, default_value, evaluation_context, as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """A flag that is a mapping or a list, as a copy."""
        return self._resolve(self._decide, flag_key, default_value, evaluation_context, as_object)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """The same, without blocking the event loop; so are those that follow."""
        await self._prepare(evaluation_context)
        return self._resolve(self._decide_at_once, flag_key, default_value, evaluation_context, as_boolean)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A flag that is a text."""
        await self._prepare(evaluation_context)
        return self._resolve(self._decide_at_once, flag_key, default_value, evaluation_context, as_string)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A flag that is an integral number."""
        await self._prepare(evaluation_context)
        return self._resolve(self._decide_at_once, flag_key, default_value, evaluation_context, as_integer)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A flag that is a number."""
        await self._prepare(evaluation_context)
        return self._resolve(self._decide_at_once, flag_key, default_value, evaluation_context, as_float)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """A flag that is a mapping or a list, as a copy."""
        await self._prepare(evaluation_context)
        return self._resolve(self._decide_at_once, flag_key, default_value, evaluation_context, as_object)

    def _resolve(
        self,
        decide: Callable[[KnownVisitor, str], Evaluation],
        key: str,
        default: T,
        context: EvaluationContext | None,
        value_of: Callable[[Evaluation], Any],
    ) -> FlagResolutionDetails[T]:
        try:
            if context is not None and context.targeting_key:
                visitor = self._told(context.targeting_key, context.attributes)
            else:
                visitor = self._visitor(context)
            evaluation = decide(visitor, key)
            variation = evaluation.variation
            if variation is None:
                return FlagResolutionDetails(default, None, None, evaluation.reason, None, evaluation.metadata)
            value: T = default if evaluation.value is None else value_of(evaluation)
            if variation.id not in visitor.settled:
                self._settle(visitor, variation)
            return FlagResolutionDetails(value, None, None, evaluation.reason, variation.id, evaluation.metadata)
        except KameleoonError as error:
            return unanswered(default, CODES.get(type(error), ErrorCode.GENERAL), error.message)
        except Exception as error:  # foreign objects in the context; the application must not fail for them
            code = ErrorCode.INVALID_CONTEXT if _is_malformed(context) else ErrorCode.GENERAL
            return unanswered(default, code, f"the evaluation failed: {type(error).__name__}")

    async def _prepare(self, context: EvaluationContext | None) -> None:
        """Wait beside the event loop for what the evaluation would wait for."""
        if self._is_remote and context is not None:
            with contextlib.suppress(Exception):  # whatever is wrong with a foreign context, the evaluation tells
                await self.prefetch_async(context)

    def _visitor(self, context: EvaluationContext | None) -> KnownVisitor:
        """The visitor of a context, or else the one known from the beginning (7.2)."""
        if context is None:
            context = EvaluationContext()
        return self._told(context.targeting_key or self._visitor_id, context.attributes)

    # --- what is shared with Kameleoon's provider, filled in --------------------------------------------------------

    def _begin(self, context: EvaluationContext) -> bool:
        for name, value in (("environment id", self.env_id), ("API key", self._api_key.reveal())):
            if not value.strip():
                raise ProviderFatalError(f"Flagship's {name} is missing: it is shown in the settings of Flagship's app")
        notice_fork()
        if self.configuration.multi_threading:
            warn_of_missing_threads()
        if self._tracker is not None:
            self._tracker.start()
        first = None
        self._visitor_id = context.targeting_key if context is not None else None
        if self._visitor_id:
            with contextlib.suppress(KameleoonError):  # its evaluations tell what is wrong with it
                first = self._visitor(context)
        return self._decisions.start(first)

    def _track(self, name: str, context: EvaluationContext | None, details: TrackingEventDetails | None) -> None:
        visitor = self._visitor(context)
        value, attributes = (None, {}) if details is None else (details.value, details.attributes)
        hits = hits_of(name, value, attributes)
        if self._reports.is_held:
            raise ParamError("panic mode is on")
        if not visitor.consents:
            raise ParamError("the visitor refused consent")
        self._reports.did(visitor.ids, hits)


def _is_malformed(context: object) -> bool:
    """Whether a context is none, or its attributes are no mapping; asks nothing of a foreign object."""
    if not issubclass(type(context), EvaluationContext):
        return True
    attributes: object = object.__getattribute__(context, "attributes")
    return not issubclass(type(attributes), Mapping)
