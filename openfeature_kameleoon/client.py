"""KameleoonClient, Kameleoon's face: the documented SDK methods, each a short delegation to a part tested alone.

Evaluations run on the caller's thread, from memory; the data file is kept up to date by ``datafile.live``'s thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from .aliases import ALIASES, bind_alias
from .clock import SYSTEM_CLOCK, Clock
from .configuration import KameleoonClientConfiguration, load_configuration
from .context import new_data, revenue_of
from .datafile.events import EventKind
from .engine.batch import assign
from .engine.evaluation import Evaluation
from .engine.explain import Explanation, explain
from .engine.ruleset import Ruleset
from .engine_tracking_code import engine_tracking_code
from .errors import FeatureEnvironmentDisabled, FeatureError, SiteCodeIsEmpty
from .evaluator import Evaluator, check_visitor_code
from .events import DatafileUpdateHandler, EventHandlers, EventType, HttpRequestHandler
from .experiments import LegacyExperiments
from .following import empty_ruleset, follow
from .forking import notice_fork
from .remote_data import GRACE_SECONDS, RemoteData
from .reporting import data_api_of, outbox_of, sender_of
from .status import ClientStatus
from .tracking.reports import Reporter
from .under_uwsgi import warn_of_missing_threads
from .views import DataFile, FeatureFlag, Variation, data_file_view, flag_view, variation_view
from .visiting import visitor_store
from .visitor_codes import VisitorCodes
from .visitors.data import Conversion, CustomData, Data, UniqueIdentifier
from .visitors.visitor import DATA_TYPES

if TYPE_CHECKING:
    from .datafile.sources import Source
    from .tracking.sender import Sender
    from .transport.data_api import DataApi
    from .transport.urls import Endpoints

__all__ = ["KameleoonClient"]

_log = logging.getLogger(__name__)


class KameleoonClient(VisitorCodes, RemoteData, LegacyExperiments):
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
        source: Source | None = None,
        clock: Clock = SYSTEM_CLOCK,
        autostart: bool = True,
    ) -> None:
        if not site_code:
            raise SiteCodeIsEmpty("a site code is needed: it is shown in Kameleoon's app, such as 'a8st4f59bj'")
        configuration = configuration_object or load_configuration(configuration_path)
        RemoteData.__init__(self, clock)
        VisitorCodes.__init__(self, configuration, clock)
        self.site_code = site_code
        self.outbox = outbox_of(site_code, configuration, clock)
        self._store = store = visitor_store(configuration, site_code, clock)
        self._events = EventHandlers()
        self._reporter = Reporter(store, self.outbox, clock)
        self.evaluator = Evaluator(store, self._reporter, clock, reports_context=configuration.report_context_data)
        self.live = follow(site_code, configuration, endpoints, clock, source=source, observe=self._events.attempted)
        self.live.add_update_listener(self._events.updated)
        self._before_data_file = empty_ruleset(clock)
        self._endpoints = endpoints
        self._open_data_api = partial(data_api_of, site_code, configuration, endpoints, self._events.attempted, clock)
        self._data_api: DataApi | None = None
        self._sender: Sender | None = None
        if configuration.sends_events:
            self._data_api = self._open_data_api()
            self._sender = sender_of(self, self._report_all)
        if autostart and configuration.multi_threading:
            self._start(0.0)

    @property
    def ruleset(self) -> Ruleset:
        """The decisions of the data file in use; those of an empty one before there is any."""
        return self.live.current or self._before_data_file

    # Life cycle -----------------------------------------------------------------------------------------------------

    def wait_init(self, timeout_milliseconds: float | None = None) -> bool:
        """Wait for the first data file, by default for the configured timeout; whether there is one.

        Where visitors are shared, it waits as well until Redis was reached, or tried once in vain.
        """
        return self._start(self._wait_seconds(timeout_milliseconds))

    async def wait_init_async(self, timeout_milliseconds: float | None = None) -> bool:
        """The same, without blocking the event loop."""
        seconds = self._wait_seconds(timeout_milliseconds)
        if self.is_ready() and self.configuration.multi_threading:
            return self._start(0.0)
        try:
            return await self._off_loop.run(lambda: self._start(seconds), seconds + GRACE_SECONDS)
        except TimeoutError:
            return self.is_ready()

    def _wait_seconds(self, timeout_milliseconds: float | None) -> float:
        if timeout_milliseconds is None or timeout_milliseconds < 0:
            return self.configuration.default_timeout_second
        return timeout_milliseconds / 1000

    def _start(self, seconds: float) -> bool:
        notice_fork()
        if self.configuration.multi_threading:
            warn_of_missing_threads()
        end = self._clock.monotonic() + seconds
        self._store.start()
        if self._sender is not None:
            self._sender.start()
        is_ready = self.live.start(seconds)
        self._store.start(max(0.0, end - self._clock.monotonic()))  # so that the first evaluation knows what others do
        return is_ready

    def is_ready(self) -> bool:
        """Whether there is a data file to answer from."""
        return self.live.current is not None

    def status(self) -> ClientStatus:
        """How it goes with the data file, with real-time updates and with what is reported."""
        tracking = None if self._sender is None else self._sender.status()
        return ClientStatus(self.live.status(), self.outbox.status(), tracking)

    def refresh(self) -> None:
        """Look for a new data file now, on this thread. Raises ``RequestFailed`` or ``DataFileInvalid``."""
        notice_fork()
        self.live.refresh()

    def flush(
        self,
        visitor_code: str | None = None,
        is_unique_identifier: bool | None = None,
        instant: bool = False,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Have everything reported that is known of one visitor, or of all, and that they are there (7.1).

        It goes out at the next interval; ``instant``, at once. With a ``timeout``, in seconds, it waits until all
        is delivered; without threads it is sent inside this call. Where visitors are shared, what was learnt of them
        is written at once, too. Whether nothing waits to be delivered any more. Raises ``VisitorCodeInvalid``.
        """
        notice_fork()
        if visitor_code is None:
            self._reporter.report_all(self.ruleset.index, or_activity=True)
        else:
            if is_unique_identifier is not None:
                self.add_data(visitor_code, UniqueIdentifier(is_unique_identifier))
            self._reporter.report(self.evaluator.visitor(visitor_code), self.ruleset.index, or_activity=True)
        is_at_once = instant or timeout is not None or not self.configuration.multi_threading
        if is_at_once:
            end = self._clock.monotonic() + (timeout or 0.0)
            if self._sender is not None:
                self._sender.flush(timeout)
            self._store.flush(max(0.0, end - self._clock.monotonic()))
        return not self.outbox.status().pending

    def drain(self, timeout: float | None = None) -> bool:
        """Deliver what waits, and what nobody has reported yet, as the end of a program does; whether all is.

        It waits for ``timeout`` seconds at most, the configured shutdown time-out, and goes on afterwards.
        """
        notice_fork()
        seconds = self.configuration.shutdown_timeout_second if timeout is None else timeout
        end = self._clock.monotonic() + seconds
        self._report_all()
        if self._sender is not None:
            self._sender.flush(seconds)
        self._store.flush(max(0.0, end - self._clock.monotonic()))
        return not self.outbox.status().pending

    def close(self) -> None:
        """Send what waits, within the shutdown time-out, and end the background work. May be called twice.

        Evaluations go on from what is there.
        """
        notice_fork()
        end = self._clock.monotonic() + self.configuration.shutdown_timeout_second
        self.live.stop()
        if self._sender is not None:
            self._sender.stop(max(0.0, end - self._clock.monotonic()))
        if self._data_api is not None:
            self._data_api.close()
        self._store.close(max(0.0, end - self._clock.monotonic()))
        self.outbox.close()

    def __enter__(self) -> KameleoonClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_update_configuration(self, handler: Callable[[], object]) -> None:
        """Have ``handler()`` called, on the background thread, each time that flags changed."""
        self.live.add_listener(lambda event: handler() if event.kind is EventKind.CHANGED else None)

    def set_event_handler(
        self, event_type: EventType, handler: HttpRequestHandler | DatafileUpdateHandler | None
    ) -> None:
        """Have ``handler`` told of requests or of new data files, instead of the one before; ``None`` ends it (10.7).

        Its methods are called on the thread where it happens. One that lacks a method is refused: an error is logged,
        and nothing changes.
        """
        self._events.set(event_type, handler)

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
        notice_fork()
        visitor, ruleset = self.evaluator.visitor(visitor_code), self.ruleset
        segments = [segment_id for segment_id, matches in ruleset.audiences() if not matches or matches(visitor)]
        visitor = self._store.change(visitor, lambda stored: stored.target(segments))
        self._reporter.report(visitor, ruleset.index)

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
        notice_fork()
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
        notice_fork()
        identifier = None if is_unique_identifier is None else UniqueIdentifier(is_unique_identifier)
        of_what = tuple(metadata) if metadata is not None else None
        conversion = Conversion(goal_id, revenue_of(revenue), negative, of_what)
        data: list[Data] = [conversion] if identifier is None else [identifier, conversion]
        index = self.ruleset.index
        visitor = self._store.add_data(self.evaluator.visitor(visitor_code), data, index)
        self._reporter.report(visitor, index)

    def get_engine_tracking_code(self, visitor_code: str) -> str:
        """JavaScript that tells Kameleoon's script in the page what this visitor got in the last five seconds (12).

        It goes into a ``<script>`` element. An unknown visitor, or one of no valid code, got nothing.
        """
        visitor = self._store.get(visitor_code)
        clock = self._clock
        return engine_tracking_code(visitor, self.ruleset, now=clock.time(), monotonic=clock.monotonic())

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def data_api(self) -> DataApi:
        """What speaks with Kameleoon's Data API, at the host that the data file asks for."""
        api = self._data_api
        if api is None:  # for two threads at once two may be made, and one of them used for one call only
            api = self._data_api = self._open_data_api()
        api.use_domain(self.ruleset.index.settings.data_api_domain)
        return api

    def _report_all(self) -> None:
        self._reporter.report_all(self.ruleset.index)

    def _evaluate(self, visitor_code: str, feature_key: str, track: bool) -> Evaluation:
        evaluation = self.evaluator.evaluate(self.ruleset, feature_key, visitor_code, is_tracked=track)
        return _enabled(evaluation, feature_key)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return bind_alias(self, name)

    def __getstate__(self) -> NoReturn:
        raise TypeError("a KameleoonClient is not pickled: make one in each process, of the same configuration")

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
