"""The client's methods for what Kameleoon's servers know: of visitors, and under keys (specs/kameleoon-sdk.md 9).

Each makes one request, on the caller's thread; its ``_async`` twin makes it beside the event loop. As Kameleoon
documents, they answer ``None`` or ``[]`` when the request fails: a warning says so, once until it works again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .clock import Clock
from .configuration import KameleoonClientConfiguration
from .engine.ruleset import Ruleset
from .errors import ConfigException, RequestFailed
from .evaluator import Evaluator, check_visitor_code
from .off_loop import OffLoop
from .outages import Outages
from .settings import is_url
from .transport.foreign_text import printable
from .visitors.data import CustomData, Data, UniqueIdentifier
from .visitors.remote import RemoteVisitorData, RemoteVisitorDataFilter, add_remote_data, adopt_visitor_code
from .visitors.remote_answer import parse_visitor_data
from .visitors.visitor import Visitor

if TYPE_CHECKING:
    from .transport.data_api import DataApi
    from .transport.urls import Endpoints

__all__ = ["RemoteData"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_SECONDS = 86_400.0
"""A longer time-out than a day is cut to one: sockets know no infinite ones."""

GRACE_SECONDS = 0.25
"""How much longer a coroutine waits than its request may take, which only the look-up of a host name can use up."""

PARTS: Mapping[str, str] = {
    "kcs": "kcs",
    "current_visit": "currentVisit",
    "custom_data": "customData",
    "conversions": "conversion",
    "geolocation": "geolocation",
    "experiments": "experiment",
    "page_views": "page",
    "personalization": "personalization",
    "cbs": "cbs",
}
"""Fields of ``RemoteVisitorDataFilter`` and what they are in the query (1.8)."""

VALUES, VISITOR_DATA, AUDIENCES = "get_remote_data", "get_remote_visitor_data", "get_visitor_warehouse_audience"


class RemoteData:
    """What ``KameleoonClient`` knows from Kameleoon's servers.

    ``timeout`` is in seconds and bounds the whole call; without one, or with none that is positive, it is the
    configured default time-out. The methods raise ``ConfigException`` in a client that works from a data file on disk
    and was given nothing to reach the servers with.
    """

    if TYPE_CHECKING:
        configuration: KameleoonClientConfiguration
        evaluator: Evaluator
        add_data: Callable[..., None]
        _clock: Clock
        _endpoints: Endpoints | None

        @property
        def data_api(self) -> DataApi:
            """What speaks with Kameleoon's Data API."""

        @property
        def ruleset(self) -> Ruleset:
            """The decisions of the data file in use."""

    def __init__(self, clock: Clock) -> None:
        self._off_loop = OffLoop()
        self._outages = Outages(clock)

    # Values of keys -------------------------------------------------------------------------------------------------

    def get_remote_data(self, key: str, timeout: float | None = None) -> Any:
        """The JSON value that is kept under a key; ``None`` when there is none, or the request fails.

        The body of an error is no value, other than in Kameleoon's SDK.
        """
        return self._value(key, self._seconds(timeout))

    async def get_remote_data_async(self, key: str, timeout: float | None = None) -> Any:
        """The same, without blocking the event loop."""
        return await self._beside(VALUES, lambda seconds: self._value(key, seconds), timeout)

    def _value(self, key: str, seconds: float) -> Any:
        return self._ask(VALUES, lambda data_api: data_api.value(key, timeout=seconds))

    # Visitors -------------------------------------------------------------------------------------------------------

    def get_remote_visitor_data(
        self,
        visitor_code: str,
        add_data: bool = True,
        timeout: float | None = None,
        data_filter: RemoteVisitorDataFilter | None = None,
        is_unique_identifier: bool | None = None,
    ) -> list[Data]:
        """What the server knows of a visitor, as public data; ``[]`` when that is nothing, or the request fails.

        With ``add_data`` the visitor has it from now on, together with variations, visits and scores, which have no
        public form; what is known here already wins. Of itself it takes the visitor code that the server knows the
        visitor by, unless the filter says otherwise: its variations may be others from then on (9.4).
        ``is_unique_identifier``, which is deprecated, adds a ``UniqueIdentifier`` first. Raises
        ``VisitorCodeInvalid``.
        """
        return self._visitor_data(visitor_code, add_data, data_filter, is_unique_identifier, self._seconds(timeout))

    async def get_remote_visitor_data_async(
        self,
        visitor_code: str,
        add_data: bool = True,
        timeout: float | None = None,
        data_filter: RemoteVisitorDataFilter | None = None,
        is_unique_identifier: bool | None = None,
    ) -> list[Data]:
        """The same, without blocking the event loop. When it is cancelled, data may be added all the same."""

        def call(seconds: float) -> list[Data]:
            return self._visitor_data(visitor_code, add_data, data_filter, is_unique_identifier, seconds)

        return await self._beside(VISITOR_DATA, call, timeout) or []

    def _visitor_data(
        self,
        visitor_code: str,
        add_data: bool,
        data_filter: RemoteVisitorDataFilter | None,
        is_unique_identifier: bool | None,
        seconds: float,
    ) -> list[Data]:
        code = check_visitor_code(visitor_code)
        wanted = data_filter or RemoteVisitorDataFilter()
        if is_unique_identifier is not None:
            self.add_data(code, UniqueIdentifier(is_unique_identifier))
        visitor = self.evaluator.visitor(code)
        answer = self._ask(
            VISITOR_DATA,
            lambda data_api: data_api.visitor(
                code,
                previous_visits=wanted.previous_visit_amount,
                parts=[part for field, part in PARTS.items() if getattr(wanted, field)],
                is_unique_identifier=visitor.is_unique_identifier,
                timeout=seconds,
            ),
        )
        if answer is None:
            return []
        remote = parse_visitor_data(answer, wanted, now=self._clock.time())
        if remote.visitor_code or (add_data and not remote.is_empty):
            self._receive(code, remote, add_data)
        return remote.as_data()

    def _receive(self, code: str, remote: RemoteVisitorData, add_data: bool) -> None:
        index = self.ruleset.index

        def change(visitor: Visitor) -> None:
            adopt_visitor_code(visitor, remote)
            if add_data:
                add_remote_data(visitor, remote, index)

        self.evaluator.store.change(self.evaluator.visitor(code), change)

    # Audiences of a data warehouse ----------------------------------------------------------------------------------

    def get_visitor_warehouse_audience(
        self,
        visitor_code: str,
        custom_data_index: int,
        warehouse_key: str | None = None,
        timeout: float | None = None,
    ) -> CustomData | None:
        """The audiences that a data warehouse counts the visitor among, as a custom datum of this index.

        It is added to the visitor, and reported. The warehouse knows the visitor by ``warehouse_key``, or by its code.
        ``None``, and nothing is added, when the warehouse knows nothing of it, or the request fails. Raises
        ``VisitorCodeInvalid``.
        """
        return self._audience(visitor_code, custom_data_index, warehouse_key, self._seconds(timeout))

    async def get_visitor_warehouse_audience_async(
        self,
        visitor_code: str,
        custom_data_index: int,
        warehouse_key: str | None = None,
        timeout: float | None = None,
    ) -> CustomData | None:
        """The same, without blocking the event loop. When it is cancelled, the datum may be added all the same."""
        return await self._beside(
            AUDIENCES,
            lambda seconds: self._audience(visitor_code, custom_data_index, warehouse_key, seconds),
            timeout,
        )

    def _audience(
        self, visitor_code: str, custom_data_index: int, warehouse_key: str | None, seconds: float
    ) -> CustomData | None:
        code = check_visitor_code(visitor_code)

        def ask(data_api: DataApi) -> CustomData | None:
            answer = data_api.value(warehouse_key or code, timeout=seconds)
            return None if answer is None else _audience_of(answer, custom_data_index)

        datum = self._ask(AUDIENCES, ask)
        if datum is not None:
            self.add_data(code, datum)
        return datum

    # ----------------------------------------------------------------------------------------------------------------

    def _seconds(self, timeout: float | None) -> float:
        given = timeout if timeout is not None and timeout > 0 else self.configuration.default_timeout_second
        return min(given, LONGEST_SECONDS)

    def _ask(self, what: str, ask: Callable[[DataApi], T]) -> T | None:
        """What the Data API answers; ``None`` when the request fails."""
        if self._is_offline():
            raise ConfigException(
                f"{what} asks Kameleoon's servers, and this client works from a data file on disk: give it"
                " client_id and client_secret too, or send_events=True"
            )
        try:
            answer = ask(self.data_api)
        except RequestFailed as failure:
            self._tell(what, failure.message)
            return None
        if self._outages.worked(what):
            _log.info("%s works again", what)
        return answer

    def _is_offline(self) -> bool:
        settings = self.configuration
        is_on_disk = settings.data_file is not None and not is_url(settings.data_file)
        return is_on_disk and not (settings.sends_events or settings.credentials or self._endpoints)

    def _tell(self, what: str, problem: str) -> None:
        if self._outages.is_news(what, problem):
            _log.warning("%s failed: %s", what, printable(problem))

    async def _beside(self, what: str, call: Callable[[float], T], timeout: float | None) -> T | None:
        """``call``, given the seconds that are left for it, beside the event loop; ``None`` when time ran out."""
        seconds, started = self._seconds(timeout), self._clock.monotonic()
        try:
            return await self._off_loop.run(
                lambda: call(seconds - (self._clock.monotonic() - started)), seconds + GRACE_SECONDS
            )
        except TimeoutError:
            self._tell(what, "no answer in time")
            return None


def _audience_of(answer: Any, custom_data_index: int) -> CustomData:
    """The datum of an answer; one that names no audiences gives a datum without values."""
    audiences = answer.get("warehouseAudiences") if isinstance(answer, dict) else answer
    if audiences is None:
        return CustomData(custom_data_index)
    if not isinstance(audiences, dict):
        raise RequestFailed("the answer has no object of audiences", retryable=False)
    return CustomData(custom_data_index, *audiences)
