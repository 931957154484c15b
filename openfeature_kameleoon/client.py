"""KameleoonClient, Kameleoon's face: the documented SDK methods, each a short delegation to a part tested alone.

Evaluations run on the caller's thread, from memory; the data file is kept up to date by ``datafile.live``'s thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .aliases import ALIASES, bind_alias
from .clock import SYSTEM_CLOCK, Clock
from .configuration import KameleoonClientConfiguration, load_configuration
from .context import new_data, revenue_of
from .datafile.events import EventKind
from .datafile.freshness import Status
from .engine.batch import assign
from .engine.evaluation import Evaluation
from .engine.explain import Explanation, explain
from .engine.ruleset import Ruleset
from .errors import FeatureEnvironmentDisabled, FeatureError, SiteCodeIsEmpty
from .evaluator import Evaluator, check_visitor_code
from .experiments import associated_data, experiments_of
from .following import empty_ruleset, follow
from .tracking.outbox import MemoryOutbox, Outbox
from .views import DataFile, FeatureFlag, Variation, data_file_view, flag_view, variation_view
from .visitors.data import Conversion, CustomData, Data, UniqueIdentifier
from .visitors.store import MemoryVisitorStore
from .visitors.traits import LegalConsent
from .visitors.visitor import DATA_TYPES

if TYPE_CHECKING:
    from .transport.urls import Endpoints

__all__ = ["KameleoonClient"]

_log = logging.getLogger(__name__)

MEGABYTE = 1 << 20


class KameleoonClient:
    """Feature flags of one Kameleoon site, answered in this process (specs/kameleoon-sdk.md 11).

    Settings are ``configuration_object``'s or those of the YAML file at ``configuration_path``, which need not exist
    if it is the default one. Following the data file starts at once in the background, unless ``autostart`` is false:
    ``wait_init`` starts it and waits. Until there is a data file, no flag is found. Names of methods that Kameleoon
    deprecated work too (``aliases``). Raises ``SiteCodeIsEmpty`` and ``ConfigException``.
    """

    def __init__(
        self,
        site_code: str,
        configuration_path: str | os.PathLike[str] | None = None,
        configuration_object: KameleoonClientConfiguration | None = None,
        logger: object = None,
        *,
        endpoints: Endpoints | None = None,
        clock: Clock = SYSTEM_CLOCK,
        autostart: bool = True,
    ) -> None:
        if not site_code:
            raise SiteCodeIsEmpty("a site code is needed: it is shown in Kameleoon's app, such as 'a8st4f59bj'")
        configuration = configuration_object or load_configuration(configuration_path)
        self.site_code = site_code
        self.configuration = configuration
        self.outbox: Outbox = MemoryOutbox()
        self.evaluator = Evaluator(
            MemoryVisitorStore(
                idle_seconds=configuration.session_duration_second,
                max_bytes=int(configuration.visitor_data_maximum_size * MEGABYTE),
                clock=clock,
            ),
            self.outbox,
            clock,
            reports_context=configuration.report_context_data,
        )
        self.live = follow(site_code, configuration, endpoints, clock)
        self._before_data_file = empty_ruleset(clock)
        if autostart and configuration.multi_threading:
            self.live.start(timeout=0.0)

    @property
    def ruleset(self) -> Ruleset:
        """The decisions of the data file in use; those of an empty one before there is any."""
        return self.live.current or self._before_data_file

    # Life cycle -----------------------------------------------------------------------------------------------------

    def wait_init(self, timeout_milliseconds: float | None = None) -> bool:
        """Wait for the first data file, by default for the configured timeout; whether there is one."""
        seconds = self.configuration.default_timeout_second
        if timeout_milliseconds is not None and timeout_milliseconds >= 0:
            seconds = timeout_milliseconds / 1000
        return self.live.start(seconds)

    def is_ready(self) -> bool:
        """Whether there is a data file to answer from."""
        return self.live.current is not None

    def status(self) -> Status:
        """Where the data file in use came from, how old it is, and what the last problem was."""
        return self.live.status()

    def refresh(self) -> None:
        """Look for a new data file now, on this thread. Raises ``RequestFailed`` or ``DataFileInvalid``."""
        self.live.refresh()

    def close(self) -> None:
        """End the background work; evaluations go on from what is there. May be called twice."""
        self.live.stop()

    def __enter__(self) -> KameleoonClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_update_configuration(self, handler: Callable[[], object]) -> None:
        """Have ``handler()`` called, on the background thread, each time that flags changed."""
        self.live.add_listener(lambda event: handler() if event.kind is EventKind.CHANGED else None)

    # Feature flags --------------------------------------------------------------------------------------------------

    def get_variation(self, visitor_code: str, feature_key: str, track: bool = True) -> Variation:
        """The visitor's variation of a flag; with ``track`` it is reported.

        Raises ``VisitorCodeInvalid``, ``FeatureNotFound``, ``FeatureEnvironmentDisabled`` and ``FeatureMalformed``.
        """
        return variation_view(self._evaluate(visitor_code, feature_key, track))

    def get_variations(self, visitor_code: str, only_active: bool = False, track: bool = True) -> dict[str, Variation]:
        """The visitor's variations by flag key; flags that are switched off or malformed are left out."""
        check_visitor_code(visitor_code)
        ruleset, evaluate = self.ruleset, self.evaluator.evaluate
        return _variations(ruleset, lambda key: evaluate(ruleset, key, visitor_code, is_tracked=track), only_active)

    def peek_variations(self, visitor_code: str, *, only_active: bool = False) -> dict[str, Variation]:
        """The same, without anything being remembered or reported."""
        visitor, ruleset = self.evaluator.visitor(visitor_code), self.ruleset
        return _variations(ruleset, lambda key: ruleset.decide(key)(visitor, None), only_active)

    def is_feature_active(
        self,
        visitor_code: str,
        feature_key: str,
        is_unique_identifier: bool | None = None,
        track: bool = True,
    ) -> bool:
        """Whether the visitor's variation is any but ``off``; false where the flag is switched off.

        Raises ``VisitorCodeInvalid``, ``FeatureNotFound`` and ``FeatureMalformed``.
        """
        if is_unique_identifier is not None:
            self.add_data(visitor_code, UniqueIdentifier(is_unique_identifier))
        try:
            return variation_view(self._evaluate(visitor_code, feature_key, track)).is_active
        except FeatureEnvironmentDisabled:
            return False

    def explain(self, visitor_code: str, feature_key: str, attributes: Mapping[str, Any] | None = None) -> Explanation:
        """Why the visitor, with the attributes of an evaluation context, gets its variation; changes nothing.

        Raises ``VisitorCodeInvalid``, ``VisitorDataInvalid``, ``FeatureNotFound`` and ``FeatureMalformed``.
        """
        ruleset = self.ruleset
        visitor = self.evaluator.visitor(visitor_code)
        if attributes:
            visitor = self.evaluator.with_data(visitor, new_data(attributes, visitor, ruleset.index), ruleset.index)
        return explain(ruleset.flag(feature_key), visitor)

    def assign(self, feature_key: str, visitor_codes: Iterable[str | tuple[str, Iterable[Data]]]) -> Iterator[str]:
        """The variation key of one flag for each visitor code, or pair of a code and its data, lazily, in order.

        Nothing is remembered or reported, and what is known of the visitors is not looked at. Raises
        ``FeatureNotFound``, ``FeatureEnvironmentDisabled`` and ``FeatureMalformed`` at once, and
        ``VisitorCodeInvalid`` when it meets such a code.
        """
        ruleset = self.ruleset
        flag = ruleset.flag(feature_key)
        if not flag.is_enabled:
            raise _switched_off(feature_key)

        with_data = partial(self.evaluator.with_data, index=ruleset.index)
        return assign(flag, ruleset.decide(feature_key), visitor_codes, check_visitor_code, with_data)

    def set_forced_variation(
        self, visitor_code: str, experiment_id: int, variation_key: str | None, force_targeting: bool = True
    ) -> None:
        """Have the visitor get a variation of an experiment; ``None`` ends it.

        Without ``force_targeting`` the segment must still match. Raises ``VisitorCodeInvalid``,
        ``FeatureExperimentNotFound`` and ``FeatureVariationNotFound``.
        """
        visitor = self.evaluator.visitor(visitor_code)
        if variation_key is not None:
            forced = self.ruleset.forced_variation(experiment_id, variation_key, ignores_targeting=force_targeting)
            self._store.change(visitor, lambda stored: stored.force(forced))
        elif visitor.known:
            self._store.change(visitor, lambda stored: stored.unforce(experiment_id))

    def evaluate_audiences(self, visitor_code: str) -> None:
        """Report to which tracked audiences the visitor belongs. Raises ``VisitorCodeInvalid``."""
        visitor, ruleset = self.evaluator.visitor(visitor_code), self.ruleset
        segments = [segment_id for segment_id, matches in ruleset.audiences() if not matches or matches(visitor)]
        visitor = self._store.change(visitor, lambda stored: stored.target(segments))
        self.evaluator.report(visitor, ruleset.index)

    # What the data file says ----------------------------------------------------------------------------------------

    def get_data_file(self) -> DataFile:
        """Everything the data file says about its flags; decodes all of them."""
        return data_file_view(self.ruleset)

    def get_feature_flag(self, feature_key: str) -> FeatureFlag:
        """What the data file says about one flag that is switched on.

        Raises ``FeatureNotFound``, ``FeatureEnvironmentDisabled`` and ``FeatureMalformed``.
        """
        flag = flag_view(self.ruleset.flag(feature_key))
        if not flag.environment_enabled:
            raise _switched_off(feature_key)
        return flag

    def feature_keys(self) -> list[str]:
        """Keys of all flags in the order of the data file, those switched off included."""
        return list(self.ruleset.index.flags)

    # Visitors -------------------------------------------------------------------------------------------------------

    def add_data(self, visitor_code: str, *data: Data | None, track: bool = True) -> None:
        """Tell more of a visitor: it is used for targeting, and with ``track`` reported with what comes next.

        ``None`` is skipped; what is no visitor data is left out with a warning. Raises ``VisitorCodeInvalid``.
        """
        visitor = self.evaluator.visitor(visitor_code)
        given = [item for item in data if item is not None]
        known = [item for item in given if type(item) in DATA_TYPES]
        if len(known) < len(given):
            _log.warning("add_data was given %d values that are no visitor data", len(given) - len(known))
        self._store.add_data(visitor, known, self.ruleset.index, is_tracked=track)

    def track_conversion(
        self,
        visitor_code: str,
        goal_id: int,
        revenue: float = 0.0,
        is_unique_identifier: bool | None = None,
        negative: bool = False,
        metadata: Iterable[CustomData] | None = None,
    ) -> None:
        """Report that the visitor reached a goal; never waits.

        Raises ``VisitorCodeInvalid``, or ``VisitorDataInvalid`` when the revenue is no finite number.
        """
        identifier = None if is_unique_identifier is None else UniqueIdentifier(is_unique_identifier)
        of_what = tuple(metadata) if metadata is not None else None
        conversion = Conversion(goal_id, revenue_of(revenue), negative, of_what)
        self.add_data(visitor_code, identifier, conversion)
        self.evaluator.report(self.evaluator.visitor(visitor_code), self.ruleset.index)

    def set_legal_consent(self, visitor_code: str, consent: bool) -> None:
        """Note whether the visitor consents to being tracked; it counts where the site requires it.

        Raises ``VisitorCodeInvalid``.
        """
        answer = LegalConsent.GIVEN if consent else LegalConsent.NOT_GIVEN
        self._store.change(self.evaluator.visitor(visitor_code), lambda stored: stored.set_consent(answer))

    # 2.x experiments ------------------------------------------------------------------------------------------------

    def trigger_experiment(self, visitor_code: str, experiment_id: int) -> int:
        """Assign and report a variation of a 2.x experiment: its id, 0 for the original.

        Raises ``VisitorCodeInvalid``, ``FeatureExperimentNotFound``, ``SiteCodeDisabled``, ``NotTargeted`` and
        ``NotAllocated``.
        """
        return self.evaluator.trigger_experiment(self.ruleset, experiment_id, visitor_code)

    def get_variation_associated_data(self, variation_id: int) -> Any:
        """The JSON that developers attached to a variation of a 2.x experiment.

        Raises ``FeatureVariationNotFound``, or ``FeatureMalformed`` when it does not decode.
        """
        return associated_data(self.ruleset.index, variation_id)

    def get_experiment_list(self) -> list[int]:
        """Ids of all 2.x experiments."""
        return list(self.ruleset.index.experiments)

    def get_experiment_list_for_visitor(self, visitor_code: str, only_allocated: bool = True) -> list[int]:
        """Ids of the 2.x experiments that the visitor is targeted by, and allocated to; nothing is remembered.

        Raises ``VisitorCodeInvalid``.
        """
        visitor, ruleset = self.evaluator.visitor(visitor_code), self.ruleset
        return experiments_of(ruleset, visitor, only_allocated=only_allocated)

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def _store(self) -> MemoryVisitorStore:
        return self.evaluator.store

    def _evaluate(self, visitor_code: str, feature_key: str, track: bool) -> Evaluation:
        evaluation = self.evaluator.evaluate(self.ruleset, feature_key, visitor_code, is_tracked=track)
        return _enabled(evaluation, feature_key)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return bind_alias(self, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *ALIASES]

    def __repr__(self) -> str:
        return f"KameleoonClient({self.site_code!r})"


def _enabled(evaluation: Evaluation, feature_key: str) -> Evaluation:
    if evaluation.is_disabled:
        raise _switched_off(feature_key)
    return evaluation


def _variations(ruleset: Ruleset, evaluate: Callable[[str], Evaluation], only_active: bool) -> dict[str, Variation]:
    """Variations of all flags that can be answered, in the order of the data file."""
    variations = {}
    for key in ruleset.index.flags:
        try:
            variation = variation_view(_enabled(evaluate(key), key))
        except FeatureError:
            continue
        if variation.is_active or not only_active:
            variations[key] = variation
    return variations


def _switched_off(feature_key: str) -> FeatureEnvironmentDisabled:
    return FeatureEnvironmentDisabled(
        f"feature flag {feature_key!r:.60} is switched off in this environment or for want of consent"
    )
