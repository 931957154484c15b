"""A visitor as 1.x knows it, with what 2.x added: every call that needs a server waits for it, and says what came.

Made by ``Flagship.instance().create_visitor``. Exceptions go through the event handler (handler.py). It keeps the
configuration that it was made with (specs/flagship.md 1.5, 2.6, 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import RequestFailed
from ..transport.foreign_text import printable
from .arguments import TEXT, Argument
from .context import LEGACY
from .engine.evaluation import Evaluation, Variation
from .engine.values import LEGACY as LEGACY_TYPING
from .errors import FlagshipParsingError, TypingError
from .handler import HandlerLog, handled
from .hits import Hit
from .log_manager import LogLevel
from .records import Activation
from .remembered import Remembered
from .status_listener import Status
from .visitor_state import Stateful, VisitorState

if TYPE_CHECKING:
    from .environment import Environment

__all__ = ["FlagshipVisitor"]

Update = tuple[object, bool, str, None]
"""A key, whether it was set, why not, and nothing."""

Told = tuple[bool, str]

KEY = Argument("key", TEXT)
DEFAULT_VALUE = (str, bool, int, float)
PANIC = "panic mode: no flag is readable, nothing is sent"


class FlagshipVisitor(Stateful):
    """One end user. Any thread may use it."""

    def __init__(
        self,
        environment: Environment,
        handler_log: HandlerLog,
        visitor_id: str,
        context: Mapping[Any, Any],
        *,
        authenticated: bool = False,
        remembered: Remembered | None = None,
    ) -> None:
        self._environment = environment
        self._handler_log = handler_log
        self._state = VisitorState(visitor_id, LEGACY, is_authenticated=authenticated)
        self._remembered = remembered or Remembered(None, handler_log)
        self._set(context)
        self._remembered.look_up(visitor_id)

    # The context and the flags ----------------------------------------------------------------------------------------

    @handled
    def update_context(
        self, context: Mapping[Any, Any] | tuple[Any, Any], synchronize: bool = False
    ) -> tuple[Update | tuple[Update, ...], Told | None]:
        """Set keys, of a mapping or one of a pair; what became of each, and of the synchronization if one is wanted."""
        results: Update | tuple[Update, ...] = ()
        if isinstance(context, Mapping):
            results = self._set(context)
        elif isinstance(context, tuple) and len(context) == 2:
            (results,) = self._set({context[0]: context[1]})
        return results, self._synchronize() if synchronize else None

    @handled
    def synchronize_modifications(self) -> Told:
        """Have the flags decided anew, and tell the context. Waits for the server.

        Raises ``RequestFailed`` where none answers; after any answer that decides nothing the flags stay, and it is
        told.
        """
        return self._synchronize()

    @handled
    def get_modification(self, key: str, default_value: Any, activate: bool = False) -> Any:
        """The flag's value, of whatever type, or the default where it is null or unknown.

        With ``activate`` it is reported as seen, if it is known. Raises ``TypingError``.
        """
        return self._modification(key, default_value, activate)[0]

    @handled
    def get_modification_with_results(
        self, key: str, default_value: Any, activate: bool = False
    ) -> tuple[Any, bool, str, Told | None]:
        """The same with whether it is known, what is said of it, and what became of the activation."""
        return self._modification(key, default_value, activate)

    @handled
    def get_modification_info(self, key: str) -> dict[str, Any] | None:
        """The ids of what the flag stands in, by the vendor's names; ``None`` when it is unknown."""
        variation, _, problem = self._known(key, "get_modification_info")
        if variation is None:
            self._error(problem)
            return None
        return _info(variation)

    @handled
    def get_modification_data(self, key: str) -> dict[str, Any] | None:
        """The same with the value."""
        variation, evaluation, _ = self._known(key, "get_modification_data")
        if variation is None or evaluation is None:
            return None
        return {**_info(variation), "value": evaluation.fresh_value()}

    # Reports ----------------------------------------------------------------------------------------------------------

    @handled
    def activate_modification(self, key: str) -> Told:
        """Report that the visitor saw a flag; whether it was taken, and the status. Waits for the server."""
        variation, _, problem = self._known(key, "activate_modification")
        if variation is None:
            self._error(problem)
            return False, problem
        return self._activate(variation)

    @handled
    def send_hit(self, hit: Hit) -> Told:
        """Report what the visitor did; whether it was taken, and the status. Waits for the server."""
        problem = PANIC if self._is_panic else ""
        if not isinstance(hit, Hit):
            problem = f"send_hit takes a Hit, not {type(hit).__name__}: nothing is sent"
        if problem:
            self._error(problem)
            return False, problem
        environment = self._environment
        answer = environment.api.send_hit(hit, self._state.ids, timeout=environment.plan.report_timeout)
        return self._outcome("hit", answer.status)

    # Who it is (2.x) --------------------------------------------------------------------------------------------------

    @handled
    def authenticate(
        self, visitor_id: str, context: Mapping[Any, Any] | None = None, synchronize: bool = False
    ) -> Told | None:
        """It is known now who the visitor is; in decision API mode, where its experience goes on."""
        Argument("visitor_id", TEXT).checked(visitor_id, "authenticate")
        if self._may_identify():
            self._state.authenticate(visitor_id)
        return self._identified(context, synchronize)

    @handled
    def unauthenticate(self, context: Mapping[Any, Any] | None = None, synchronize: bool = False) -> Told | None:
        """The visitor is whom it was before again."""
        if self._may_identify():
            self._state.unauthenticate()
        return self._identified(context, synchronize)

    # How --------------------------------------------------------------------------------------------------------------

    @property
    def _is_panic(self) -> bool:
        return self._state.is_panic or self._environment.status is Status.PANIC

    def _set(self, context: Mapping[Any, Any]) -> tuple[Update, ...]:
        told = self._state.update_all(context)
        for _, problem in told:
            if problem:
                self._error(problem)
        return tuple((key, not problem, problem, None) for key, problem in told)

    def _synchronize(self) -> Told:
        environment, state = self._environment, self._state
        assignments = {**state.assignments, **environment.assignments_of(self._remembered.variation_ids)}
        answer = None
        try:
            answer = environment.decide(state.ids, state.context, assignments)
        except FlagshipParsingError as error:
            state.mark_stale()
            self._handler_log.tell_of("", error)
        except RequestFailed as error:
            state.mark_stale()
            if error.status is None:
                raise
            self._error(f"the flags stay as they are: {error.message}")
        try:
            told = environment.api.send_context(
                state.ids.visitor_id, state.context, timeout=environment.plan.report_timeout
            )
            if not 200 <= told.status < 300:
                self._error(f"the context was not taken: the server answered {told.status}")
        finally:
            if answer is not None:
                state.is_panic = answer.panic
                if not answer.panic:
                    state.take(answer.decision)
                    self._remembered.keep(state.ids.visitor_id, answer.decision.variations)
        return True, ""

    def _modification(self, key: str, default_value: Any, activate: bool) -> tuple[Any, bool, str, Told | None]:
        if not isinstance(default_value, DEFAULT_VALUE):
            kind = type(default_value).__name__
            raise TypingError(f"get_modification: default_value must be str, bool, int or float, not {kind}")
        variation, evaluation, problem = self._known(key, "get_modification")
        if variation is None or evaluation is None:
            self._error(problem)
            return default_value, False, problem, None
        value, _ = LEGACY_TYPING.apply(evaluation, default_value)
        return value, True, "", self._activate(variation) if activate else None

    def _known(self, key: str, function: str) -> tuple[Variation | None, Evaluation | None, str]:
        """What the visitor gets of a flag, or why nothing can be said of it."""
        KEY.checked(key, function)
        if self._is_panic:
            return None, None, PANIC
        evaluation = self._state.table.flags.get(key)
        if evaluation is None or evaluation.variation is None:
            return None, None, f"the visitor has no flag {printable(key, 60)}"
        return evaluation.variation, evaluation, ""

    def _activate(self, variation: Variation) -> Told:
        environment, seen = self._environment, Activation(variation.group_id, variation.id)
        answer = environment.api.activate(seen, self._state.ids, timeout=environment.plan.report_timeout)
        self._state.expose(variation.id)
        return self._outcome("activation", answer.status)

    def _outcome(self, what: str, status: int) -> Told:
        is_taken = 200 <= status < 300
        if not is_taken:
            self._error(f"the {what} was not taken: the server answered {status}")
        return is_taken, str(status)

    def _may_identify(self) -> bool:
        if self._environment.plan.is_bucketing:
            self._error("experience continuity is a feature of the decision API mode")
        return not self._environment.plan.is_bucketing

    def _identified(self, context: Mapping[Any, Any] | None, synchronize: bool) -> Told | None:
        if context is not None:
            self._set(context)
        return self._synchronize() if synchronize else None

    def _error(self, message: str) -> None:
        self._handler_log.tell("", LogLevel.ERROR, message)


def _info(variation: Variation) -> dict[str, Any]:
    return {
        "campaignId": variation.campaign_id,
        "variationGroupId": variation.group_id,
        "variationId": variation.id,
    }
