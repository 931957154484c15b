"""A relay: one process follows a site's data file and reports to Kameleoon, in place of a fleet of SDKs that ask it.

The data file is followed on the threads of ``LiveDataFile``, events are sent on that of ``Sender``; what SDKs ask of
the Data API is asked on threads of the event loop's, a bounded number at a time.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl, urlencode

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..clock import SYSTEM_CLOCK, Clock
from ..configuration import KameleoonClientConfiguration
from ..datafile.freshness import State
from ..datafile.index import DataFileIndex
from ..errors import DataFileInvalid, RequestFailed
from ..following import follow_with
from ..reporting import data_api_of, outbox_of
from ..settings import Secret
from ..tracking.delivery import Answer
from ..tracking.events import Event, Report, Written
from ..tracking.sender import Sender
from ..transport.attempts import RequestType
from ..transport.foreign_text import printable
from ..transport.http import MEGABYTE, Headers, Http
from ..transport.urls import Endpoints
from .kameleoon import Kameleoon
from .site import Site
from .tracked import Tracked

__all__ = ["Relay", "RelayedKameleoon"]

_log = logging.getLogger(__name__)

MOST_ASKED = 32
"""Requests of SDKs that wait for Kameleoon at a time; more are refused at once."""

MOST_TAKEN = 8
"""Tracking requests that are written down at a time; more wait for their turn."""

MOST_QUERY = 8192
MOST_FORM_BYTES = 8192
MOST_PARAMETER = 255
MOST_USER_AGENT = 512

WAY_PARAMETERS = ("sdkName", "sdkVersion", "visitorCode", "bodyUa")
"""Of a tracking request's URL, kept; a visitor code stands there for SDKs of 2.x (1.7)."""

OWN_WAY_END = "\x1f"
"""Between the way of some events, which is how they came here, and their visitor."""

_VISITOR = re.compile(r"(?:^|&)(?:visitorCode|mappingValue)=([^&]*)")
_EVENT = re.compile(r"(?:^|&)eventType=[^&]")
_QUERY = re.compile(r"[!-~]*")
_HEADER = re.compile(r"[ -~]*")

DEFAULT_ENVIRONMENTS = frozenset({"", "production"})


class _Received(msgspec.Struct, frozen=True):
    """A data file that came, and what it says."""

    raw: bytes
    index: DataFileIndex

    @property
    def date_modified(self) -> int:
        """Unix milliseconds; 0 when unknown."""
        return self.index.date_modified


class Relay:
    """Follows the site's data file by ``configuration``, publishes each good one, and passes events on.

    Events wait in memory, or in the configured ``tracking_directory``; the last data file, in ``cache_directory``.
    Raises ``ConfigException``.
    """

    def __init__(
        self,
        site: Site,
        configuration: KameleoonClientConfiguration,
        *,
        endpoints: Endpoints | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.site = site
        self.environment = configuration.environment or ""
        self._configuration = configuration
        self._clock = clock
        self._publishing = threading.Lock()
        self._published: _Received | None = None
        self.live = follow_with(_received, _wants_stream, site.site_code, configuration, endpoints, clock)
        self.live.add_update_listener(lambda *_: self._publish())
        # Of its own: clients of the site, whose events differ, may use the same directory.
        self.outbox = outbox_of(f"{site.site_code} relayed", configuration, clock)
        self._data_api = data_api_of(site.site_code, configuration, endpoints, None, clock)
        self._http = Http(configuration.session)
        self.sender = Sender(
            self.outbox,
            self._post,
            self._data_api.abort,
            way_of=_way_of,
            interval=configuration.tracking_interval_second,
            timeout=configuration.default_timeout_second,
            shutdown_timeout=configuration.shutdown_timeout_second,
            maximum_age=configuration.tracking_maximum_age_hour * 3600,
            clock=clock,
        )

    def start(self, timeout: float | None = None) -> bool:
        """Begin, and wait for a data file: the configured time-out if none is given. Whether there is one."""
        self.sender.start()
        self.live.start(self._configuration.default_timeout_second if timeout is None else timeout)
        self._publish()
        return self._published is not None

    def stop(self) -> None:
        """Send what waits, within the shutdown time-out, and end. May be called twice."""
        self.live.stop()
        self.abort()
        self.sender.stop()
        self._data_api.close()
        self._http.close()
        self.outbox.close()

    def abort(self) -> None:
        """End what SDKs have asked and Kameleoon has not answered."""
        self._http.abort()

    @property
    def is_up_to_date(self) -> bool:
        """Whether Kameleoon's servers said lately that this is the data file."""
        return self.live.status().state is State.READY

    # Events -----------------------------------------------------------------------------------------------------------

    def take(self, body: bytes, query: Mapping[str, str], user_agent: str = "") -> None:
        """Have the events of a tracking request wait for Kameleoon; waits for no more than a disk.

        ``query`` are the parameters of its URL, the user agent is its header. What is no event is left out.
        """
        way, code = _way(query, user_agent), query.get("visitorCode", "")[:MOST_PARAMETER]
        visitors: dict[str, list[Event]] = {}
        for line in body.decode(errors="replace").replace("\r", "").split("\n"):
            if _EVENT.search(line):
                visitor = _VISITOR.search(line)
                visitors.setdefault(visitor[1] if visitor else code, []).append(Event(Written(line), 0))
        now = self._clock.monotonic()
        for visitor_code, events in visitors.items():
            self.outbox.put(Report(f"{way}{OWN_WAY_END}{visitor_code}", tuple(events), time=now))

    def _post(self, body: bytes, timeout: float, *, way: str) -> Answer:
        query, _, user_agent = way.partition("\n")
        return self._data_api.relay_events(body, parse_qsl(query), user_agent, timeout=timeout)

    # What SDKs ask ----------------------------------------------------------------------------------------------------

    def ask(
        self,
        kind: RequestType,
        path: str,
        query: str,
        *,
        authorization: str = "",
        form: bytes | None = None,
    ) -> Response:
        """What Kameleoon answers, or 502 or 504; waits for it, for the configured time-out at most."""
        endpoints = self._data_api.endpoints
        base = endpoints.token if kind is RequestType.ACCESS_TOKEN else endpoints.data
        headers: Headers = {"Authorization": Secret(authorization)} if authorization else {}
        if form is not None:
            headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = self._http.request(
                "GET" if form is None else "POST",
                f"{base}{path}?{query}" if query else base + path,
                kind=kind,
                timeout=self._configuration.default_timeout_second,
                headers=headers,
                body=form,
                max_bytes=8 * MEGABYTE,
                max_encoded_bytes=8 * MEGABYTE,
            )
        except RequestFailed as failure:
            return Response("Kameleoon did not answer", 504 if failure.timed_out else 502)
        content_type = answer.headers.get("Content-Type", "")
        own = {"Content-Type": content_type} if content_type and _HEADER.fullmatch(content_type) else {}
        return Response(answer.body, answer.status, {**own, "Cache-Control": "no-store"})

    # The data file ----------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        with self._publishing:
            received = self.live.current
            if received is None or received is self._published:
                return
            self._data_api.use_domain(received.index.settings.data_api_domain)
            try:
                self.site.publish(received.raw)
            except DataFileInvalid as problem:
                _log.warning("what was served stays: %s", printable(problem.message))
            self._published = received


class RelayedKameleoon(Kameleoon):
    """Routes for SDKs of one site and environment, answered with what a relay has and what it is told."""

    def __init__(self, site: Site, tracked: Tracked, relay: Relay) -> None:
        self._relay = relay
        self._asking = anyio.CapacityLimiter(MOST_ASKED)
        self._taking = anyio.CapacityLimiter(MOST_TAKEN)
        super().__init__(site, tracked)

    async def _data_file(self, request: Request) -> Response:
        asked, own = request.query_params.get("environment", ""), self._relay.environment
        is_same = asked == own or {asked, own} <= DEFAULT_ENVIRONMENTS
        if request.path_params["site_code"] != self._site.site_code or not is_same:
            return _of_others()
        return await super()._data_file(request)

    async def _stream(self, request: Request) -> Response:
        return await super()._stream(request) if self._is_ours(request) else _of_others()

    async def _events(self, request: Request) -> Response:
        if not self._is_ours(request):
            return _of_others()
        body, query = await request.body(), dict(request.query_params)
        user_agent = request.headers.get("user-agent", "")

        def take() -> None:
            self._relay.take(body, query, user_agent)
            self._tracked.take(body, query)

        await anyio.to_thread.run_sync(take, limiter=self._taking)
        return Response(status_code=200)

    async def _visitor(self, request: Request) -> Response:
        return await self._ask(request, RequestType.REMOTE_VISITOR_DATA)

    async def _value(self, request: Request) -> Response:
        return await self._ask(request, RequestType.REMOTE_DATA)

    async def _token(self, request: Request) -> Response:
        form = await request.body()
        if len(form) > MOST_FORM_BYTES:
            return Response("a form like that may not be so long", 413)
        return await self._ask(request, RequestType.ACCESS_TOKEN, form)

    async def _ask(self, request: Request, kind: RequestType, form: bytes | None = None) -> Response:
        if not self._is_ours(request):
            return _of_others()
        query, authorization = request.url.query, request.headers.get("authorization", "")
        if len(query) > MOST_QUERY or not _QUERY.fullmatch(query) or not _HEADER.fullmatch(authorization):
            return Response("that cannot be passed on", 400)
        if self._asking.available_tokens < 1:
            return Response("too many ask at the moment", 503, {"Retry-After": "1"})
        path = request.url.path
        call: Callable[[], Response] = partial(
            self._relay.ask, kind, path, query, authorization=authorization, form=form
        )
        return await anyio.to_thread.run_sync(call, limiter=self._asking, abandon_on_cancel=True)

    def _is_ours(self, request: Request) -> bool:
        return request.query_params.get("siteCode", self._site.site_code) == self._site.site_code


def _of_others() -> Response:
    return Response("another site and environment is relayed here", 404)


def _received(raw: bytes, previous: _Received | None) -> tuple[_Received, list[str]]:
    return _Received(raw, DataFileIndex.read(raw, previous=None if previous is None else previous.index)), []


def _wants_stream(in_use: _Received | None) -> bool:
    return in_use is not None and bool(in_use.index.settings.real_time_update)


def _way(query: Mapping[str, str], user_agent: str) -> str:
    """What has to be as it was when events are sent on: parameters of the URL, and a visitor's user agent if it is one.

    It is that where the body has none: in 2.x (1.7).
    """
    parameters = [(name, query[name][:MOST_PARAMETER]) for name in WAY_PARAMETERS if query.get(name)]
    is_visitors = "visitorCode" in query and _HEADER.fullmatch(user_agent) is not None
    return urlencode(parameters) + (f"\n{user_agent[:MOST_USER_AGENT]}" if is_visitors else "")


def _way_of(code: str) -> str:
    return code.partition(OWN_WAY_END)[0]
