"""A visitor as 3.x knows it. ``FlagshipVisitor`` of 1.x is imported from here, too.

What it may do depends on the SDK's status and on its consent (permissions.py). Only ``fetch_flags`` waits, in decision
API mode for the server; making one waits for the visitor cache, no longer than that one's time-out.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..errors import Initialization, RequestFailed
from .arguments import TEXT, Argument
from .context import CURRENT
from .engine.evaluation import Evaluation
from .engine.values import Typing
from .errors import FlagshipParsingError, TypingError, VisitorCacheFormatException
from .flag import Flag, no_such_exposition
from .flagship_visitor import FlagshipVisitor
from .hits import Consent, Hit, Segment
from .log_manager import Log, LogLevel
from .permissions import REFUSALS, Operation, Standing, is_allowed, standing
from .records import Activation
from .sdk import Sdk
from .status_listener import Status
from .visitor_state import Stateful, VisitorState

if TYPE_CHECKING:
    from .environment import Environment

__all__ = ["FlagshipVisitor", "Visitor"]


class Visitor(Stateful):
    """One end user; made by ``Flagship.new_visitor``. Any thread may use it."""

    class Instance(Enum):
        """Whether ``Flagship.get_visitor`` gives the visitor that is made."""

        SINGLE_INSTANCE = 0
        NEW_INSTANCE = 1

    def __init__(
        self, sdk: Sdk, visitor_id: str, *, authenticated: bool, consent: bool, context: Mapping[str, Any]
    ) -> None:
        self._sdk = sdk
        self._state = VisitorState(visitor_id, CURRENT, is_authenticated=authenticated, has_consented=consent)
        self._owes_consent_hit = False
        self._tell_refused(self._state.update_all(context))
        self._look_up()
        self._send_consent()

    @property
    def is_authenticated(self) -> bool:
        """Whether it is known who it is."""
        return self._state.is_authenticated

    @property
    def has_consented(self) -> bool:
        """Whether it may be tracked."""
        return self._state.has_consented

    @property
    def assignations(self) -> dict[str, str]:
        """Its variation ids by variation group id, as a copy."""
        return dict(self._state.assignments)

    @property
    def exposed_variations(self) -> list[str]:
        """Ids of the variations that it saw, as a copy."""
        return list(self._state.exposed)

    # What 3.x documents -----------------------------------------------------------------------------------------------

    def update_context(self, context: Mapping[Any, Any] | tuple[Any, Any]) -> None:
        """Set keys, of a mapping or one of a pair, for the next ``fetch_flags``; what may not be set is told."""
        if isinstance(context, tuple) and len(context) == 2:
            context = {context[0]: context[1]}
        if not isinstance(context, Mapping):
            raise TypingError("update_context: context must be a dict or a tuple of two")
        if self._may(Operation.UPDATE_CONTEXT) is not None:
            self._tell_refused(self._state.update_all(context))

    def fetch_flags(self) -> None:
        """Replace the flags by a new decision. If that fails those that there are stay, and it is told."""
        environment = self._may(Operation.FETCH)
        if environment is None:
            return
        state, log = self._state, environment.log
        try:
            answer = environment.decide(state.ids, state.context, state.assignments, consent=state.has_consented)
        except FlagshipParsingError as error:
            state.mark_stale()
            log.tell_of("Parsing api response", error, traceback.format_exc())
            return
        except (RequestFailed, Initialization) as error:
            state.mark_stale()
            log.tell("FetchFlags", LogLevel.ERROR, f"the flags stay as they are: {error.message}")
            return
        if answer.panic:
            log.tell("FetchFlags", LogLevel.WARNING, "panic mode: the flags stay as they are, and are not readable")
            return
        state.take(answer.decision)
        if environment.plan.is_bucketing and self._is_allowed(Operation.SEND_HIT, environment):
            environment.track(Segment(state.context), state.ids)
        self._keep(environment)

    def get_flag(self, key: str, default: Any) -> Flag:
        """A flag; what it holds is looked at when it is asked."""
        Argument("key", TEXT).checked(key, "get_flag")
        return Flag(self, key, default)

    def send_hit(self, hit: Hit) -> None:
        """Report what the visitor did, in the background."""
        if not isinstance(hit, Hit):
            self.log.tell(
                "Tracking", LogLevel.ERROR, f"send_hit takes a Hit, not {type(hit).__name__}: nothing is sent"
            )
            return
        operation = Operation.CONSENT_HIT if isinstance(hit, Consent) else Operation.SEND_HIT
        environment = self._may(operation, tag="Tracking")
        if environment is not None:
            environment.track(hit, self._state.ids)

    def set_consent(self, consent: bool) -> None:
        """Whether the visitor may be tracked, which is reported in any case.

        Without consent what waits to be sent of it is withdrawn, and it is flushed from the visitor cache.
        """
        if not isinstance(consent, bool):
            raise TypingError(f"set_consent: consent must be bool, not {type(consent).__name__}")
        environment = self._may(Operation.CONSENT)
        if environment is None:
            return
        self._state.has_consented = consent
        if not consent and self._is_allowed(Operation.CACHE_FLUSH, environment):
            environment.withdraw(self._state.ids)
            if environment.calls is not None:
                environment.calls.flush_visitor(self.visitor_id)
        self._send_consent()

    def authenticate(self, visitor_id: str) -> None:
        """It is known now who the visitor is; its flags are decided anew with the next ``fetch_flags``."""
        Argument("visitor_id", TEXT).checked(visitor_id, "authenticate")
        if self._may_identify("Authenticate"):
            self._state.authenticate(visitor_id)

    def unauthenticate(self) -> None:
        """The visitor is whom it was before again."""
        if self._may_identify("Unauthenticate"):
            self._state.unauthenticate()

    # What its flags ask -----------------------------------------------------------------------------------------------

    @property
    def log(self) -> Log:
        """Who is told of what goes wrong."""
        return self._sdk.log

    @property
    def typing(self) -> Typing:
        """Which defaults a value fits."""
        return self._sdk.typing

    def readable(self, key: str) -> tuple[bool, Evaluation | None]:
        """Whether values may be read now, which is told if not, and what the visitor gets of the flag."""
        if self._may(Operation.VALUE, tag="Flag") is None:
            return False, None
        return True, self._state.table.flags.get(key)

    def facts(self, key: str) -> Evaluation | None:
        """What it gets of the flag, if anything may be said of it now."""
        if not self._is_allowed(Operation.FACTS, self._sdk.environment):
            return None
        return self._state.table.flags.get(key)

    def expose(self, evaluation: Evaluation | None, key: str) -> None:
        """Report that the visitor saw a variation, where that is allowed."""
        environment = self._may(Operation.EXPOSE, tag="ExposeFlag")
        if environment is None:
            return
        variation = evaluation.variation if evaluation is not None else None
        if variation is None:
            environment.log.tell_of("ExposeFlag", no_such_exposition(key))
            return
        environment.activate(Activation(variation.group_id, variation.id), self._state.ids)
        if self._state.expose(variation.id):
            self._keep(environment)

    # What it may do ---------------------------------------------------------------------------------------------------

    def _may(self, operation: Operation, *, tag: str = "") -> Environment | None:
        """The environment to do it in; ``None`` when it is refused, which is told."""
        environment = self._sdk.environment
        column = self._standing(environment)
        if is_allowed(operation, column) and environment is not None:
            if self._owes_consent_hit and operation is not Operation.CONSENT:
                self._send_consent()
            return environment
        name = REFUSALS.get(operation)
        if name is not None:
            reason = (column if column is not Standing.READY else Standing.NOT_READY).value
            self.log.tell(tag or TAGS[operation], LogLevel.ERROR, f"{name} is refused: {reason}")
        return None

    def _is_allowed(self, operation: Operation, environment: Environment | None) -> bool:
        return is_allowed(operation, self._standing(environment))

    def _standing(self, environment: Environment | None) -> Standing:
        status = Status.NOT_INITIALIZED if environment is None else environment.status
        return standing(status, self._state.has_consented)

    def _may_identify(self, tag: str) -> bool:
        environment = self._may(Operation.IDENTIFY, tag=tag)
        if environment is not None and environment.plan.is_bucketing:
            self.log.tell(tag, LogLevel.ERROR, "experience continuity is a feature of the decision API mode")
            return False
        return environment is not None

    def _send_consent(self) -> None:
        """Report the consent, now or once the SDK is ready: also where it was given before that."""
        environment = self._sdk.environment
        self._owes_consent_hit = environment is None or not self._is_allowed(Operation.CONSENT_HIT, environment)
        if environment is not None and not self._owes_consent_hit:
            environment.track(Consent(self._state.has_consented), self._state.ids)

    # The visitor cache ------------------------------------------------------------------------------------------------

    def _look_up(self) -> None:
        environment = self._sdk.environment
        if environment is None or environment.calls is None:
            return
        if not self._is_allowed(Operation.CACHE_READ, environment):
            return
        kept = environment.calls.lookup_visitor(self.visitor_id)
        if kept is None:
            return
        try:
            self._state.restore(kept)
        except VisitorCacheFormatException as error:
            environment.log.tell_of("Cache Manager", error)

    def _keep(self, environment: Environment) -> None:
        if environment.calls is not None and self._is_allowed(Operation.CACHE_WRITE, environment):
            environment.calls.cache_visitor(self.visitor_id, self._state.cached())

    def _tell_refused(self, told: list[tuple[object, str]]) -> None:
        for _, problem in told:
            if problem:
                self.log.tell("Update Context", LogLevel.ERROR, problem)


TAGS: Mapping[Operation, str] = {
    Operation.UPDATE_CONTEXT: "Update Context",
    Operation.FETCH: "FetchFlags",
    Operation.CONSENT: "Tracking",
}
"""Under which tag a refusal is told, where the caller does not say."""
