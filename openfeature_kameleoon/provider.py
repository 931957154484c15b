"""KameleoonProvider, OpenFeature's face: context in, resolution details out, on the caller's thread, from memory.

Nothing here raises into the application, waits or logs per evaluation. The SDK's traps that shape it are listed in
specs/openfeature-provider.md 1.3: parameters come by keyword, an error carries the caller's default itself, and status
events must not overtake the end of ``initialize``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import Metadata
from openfeature.track import TrackingEventDetails

from .client import KameleoonClient
from .configuration import KameleoonClientConfiguration
from .context import conversion_metadata, goal_id, new_data, revenue_of, variable_key
from .engine.variables import Variation, as_boolean, as_float, as_integer, as_object, as_string
from .errors import ConfigSettingInvalid, KameleoonError
from .evaluator import check_visitor_code
from .providing import ERROR_CODES, SharedProvider, unanswered
from .status import ClientStatus
from .visitors.data import Conversion

__all__ = ["ERROR_CODES", "KameleoonProvider"]

T = TypeVar("T")

_METADATA = Metadata(name="Kameleoon Provider")


class KameleoonProvider(SharedProvider):
    """Answers OpenFeature's evaluations from Kameleoon's data file of a site.

    ``configuration`` defaults to the YAML file at ``/etc/kameleoon/client-python.yaml`` if there is one. ``client`` is
    the ``KameleoonClient`` behind it: pass one to share it; it is then yours to close. Nothing starts before
    ``initialize``. Raises ``SiteCodeIsEmpty`` and ``ConfigException``.

    ``track`` records a conversion: the name is a goal id or a name of the setting ``goals``, the value its revenue;
    attributes become metadata of the conversion by custom data name.
    """

    def __init__(
        self,
        site_code: str,
        configuration: KameleoonClientConfiguration | None = None,
        *,
        client: KameleoonClient | None = None,
    ) -> None:
        self._owns_client = client is None
        if client is not None and client.site_code != site_code:
            raise ConfigSettingInvalid(
                f"the client passed is for the site {client.site_code!r}, not {site_code!r}", setting="site_code"
            )
        self.client = client or KameleoonClient(site_code, configuration_object=configuration, autostart=False)
        self._live = self.client.live
        self._evaluate = self.client.evaluator.evaluate
        super().__init__(self._live, {"siteCode": site_code})

    def get_metadata(self) -> Metadata:
        """The provider's name; the same object each time, since the SDK asks at every evaluation."""
        return _METADATA

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
            return unanswered(default, ErrorCode.PROVIDER_NOT_READY, "there is no data file yet")
        try:
            if context is None:
                return unanswered(default, ErrorCode.TARGETING_KEY_MISSING, "an evaluation context is needed")
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
            return unanswered(default, ERROR_CODES.get(type(error), ErrorCode.GENERAL), error.message)
        except Exception as error:  # foreign objects in the context; the application must not fail for them
            return unanswered(default, ErrorCode.GENERAL, f"the evaluation failed: {type(error).__name__}")

    def _begin(self, context: EvaluationContext) -> bool:
        return self.client.wait_init()

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
