"""For an application's own tests: a real local server whose flags a test sets, and which tells what was tracked.

Needs the extra ``server``. The server runs on a thread of its own; everything here is called from the test's.
``openfeature_kameleoon_pytest`` makes fixtures of it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .client import KameleoonClient
from .clock import SYSTEM_CLOCK
from .configuration import KameleoonClientConfiguration
from .datafile.sources import Fetched, FileSource
from .errors import ConfigSettingInvalid, DataFileInvalid, Initialization, RequestFailed
from .provider import KameleoonProvider

try:
    from .server.app import Serving
    from .server.faults import Fault
    from .server.overrides import Override
    from .server.pinned import OFF, ON, Value, find_flag, first_variable, key_of, pinned_flag, variation_keys
    from .server.run import LocalServer
    from .server.site import Site
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
        raise
    raise ImportError("Starlette and uvicorn are needed: pip install 'openfeature-kameleoon[server]'") from error

if TYPE_CHECKING:
    from .server.flagship.environment import Environment
    from .server.flagship.in_tests import FlagshipFlags

__all__ = ["KameleoonServer", "TrackedEvent", "Value"]

T = TypeVar("T")

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.05
"""How often a condition is asked that no event made true: it may be about something else."""

DELIVERY_SECONDS = 2.0
MOST_SHOWN = 20


class TrackedEvent(msgspec.Struct, frozen=True):
    """An event that an SDK reported; ``kind`` and ``parameters`` are as Kameleoon spells them on the wire."""

    kind: str
    visitor: str
    parameters: Mapping[str, str]

    @property
    def goal(self) -> int | None:
        """The goal of a conversion."""
        return int(self.parameters["goalId"]) if "goalId" in self.parameters else None

    @property
    def revenue(self) -> float:
        """The revenue of a conversion; 0 of any other event."""
        return float(self.parameters.get("revenue", 0.0))

    def __str__(self) -> str:
        hidden = ("nonce", "eventType", "visitorCode", "mappingValue", "userAgent")
        shown = " ".join(f"{name}={value:.60}" for name, value in self.parameters.items() if name not in hidden)
        return f"{self.kind} of {self.visitor!r:.60} {shown}".rstrip()


class KameleoonServer:
    """A server that speaks Kameleoon's protocol on a free port of this machine, inside ``with``.

    ``data_file`` is the path of a data or flag file, or the content of the former: what the flags are until a test sets
    others. What is changed here is in use by the clients and providers of ``client`` and ``provider`` when the call
    returns; others hear of it by their stream, within a second. ``visitors`` and ``values`` are answers of the Data API
    by visitor code and by key, and may be changed. With a ``flagship_file``, the path or the content of a bucketing
    file, it stands in for AB Tasty Flagship, too: see ``flagship``. Raises ``DataFileInvalid``.
    """

    def __init__(
        self,
        data_file: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        site_code: str = "test-site",
        flagship_file: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        flagship_environment: str = "",
    ) -> None:
        self.site_code = site_code
        self.visitors: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self._data_file = _content(data_file)
        self._flags: dict[str, dict[str, Any]] = {}
        self._site = Site(site_code)
        environment = None if flagship_file is None else _environment(flagship_environment)
        self._serving = Serving(self._site, visitors=self.visitors, values=self.values, flagship=environment)
        self._server = LocalServer(self._serving)
        self._running: set[KameleoonClient] = set()
        self._arrived = 0
        self._news = threading.Condition()
        self._serving.tracked.listen(self._note)
        self._flagship: FlagshipFlags | None = None
        if flagship_file is not None and environment is not None:
            from .server.flagship.in_tests import FlagshipFlags  # noqa: PLC0415  # needs the extra, as the environment

            self._flagship = FlagshipFlags(environment, self._serving.tracked, flagship_file)
        self._publish()

    def start(self) -> None:
        """Begin to serve. Raises ``OSError``."""
        self._server.start()

    def stop(self) -> None:
        """Close the clients and providers that were made here, and end. May be called twice."""
        for client in list(self._running):
            client.close()
        self._server.stop()

    def __enter__(self) -> KameleoonServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Flagship -------------------------------------------------------------------------------------------------------

    @property
    def flagship(self) -> FlagshipFlags:
        """The flags of the Flagship environment, and what its SDKs have reported; its changes count at once.

        Raises ``ConfigSettingInvalid`` without a ``flagship_file``.
        """
        if self._flagship is None:
            raise ConfigSettingInvalid("there is no Flagship here: give a flagship_file", setting="flagship_file")
        return self._flagship

    @property
    def flagship_url(self) -> str:
        """Where SDKs of Flagship find all of it: bucketing file, decision API, activation, hits."""
        return f"{self.url}/flagship"

    # Who is connected -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it is, for the setting ``server_url``."""
        return self._server.url

    @property
    def page(self) -> str:
        """The address of its page for a browser, with the token that changes need."""
        return self._server.page

    def configuration(self, **settings: Any) -> KameleoonClientConfiguration:
        """Settings of a client of this server, and these. Raises ``ConfigException``."""
        return KameleoonClientConfiguration(**{"server_url": self.url, **settings})

    def provider(self, **settings: Any) -> KameleoonProvider:
        """A provider of this server, for ``api.set_provider_and_wait``; it is closed with the server at the latest."""
        return _Provider(self.site_code, client=self._client(settings))

    def client(self, **settings: Any) -> KameleoonClient:
        """A client of this server that has its data file; it is closed with the server at the latest."""
        client = self._client(settings)
        if not client.wait_init():
            reason = client.status().data_file.last_error
            client.close()
            raise Initialization(reason or "the server did not answer in time: is it started?")
        return client

    def sync(self, *connected: KameleoonProvider | KameleoonClient) -> None:
        """Have them use what is served now, and deliver what they have to report; by default all that were made here.

        Raises ``RequestFailed``, ``DataFileInvalid`` and, for what is not initialised, ``Initialization``.
        """
        for each in connected or self._running.copy():
            client = each.client if isinstance(each, KameleoonProvider) else each
            client.refresh()
            client.drain(DELIVERY_SECONDS)

    # What the flags are ---------------------------------------------------------------------------------------------

    def set_flag(self, key: str, value: Value | None = None, *, variation: str | None = None) -> None:
        """Have a flag, which need not exist, give everybody this value, or one of its variations.

        A boolean is its variation ``on`` or ``off``; a text, number or list its first variable; a mapping has values
        of variables by key, and the others it has not. Raises ``TypeError``, and for a variation what ``override``
        does.
        """
        own = find_flag(self._data_file, key)
        if isinstance(value, bool) and variation is None:
            variation = ON if value else OFF
            if variation not in variation_keys(own):
                variation = None
        if variation is None:
            self._flags[key] = pinned_flag(key, value, first_variable(own))
            self._publish(None, key)
        elif variation in variation_keys(own):
            self._flags.pop(key, None)
            self._publish(Override(enabled=True, variation=variation), key)
        else:
            self.override(key, enabled=True, variation=variation)

    def override(
        self,
        key: str,
        *,
        enabled: bool | None = None,
        variation: str | None = None,
        visitors: Mapping[str, str] | None = None,
        expositions: Mapping[str, float] | None = None,
    ) -> None:
        """Have a flag do this in place of what the data file says: for all, for some, or by its rules' expositions.

        ``visitors`` have variations by visitor code, ``expositions`` shares in [0, 1] by rule id. It replaces what was
        overridden of the flag before. Raises ``FeatureNotFound``, ``FeatureMalformed`` and ``ConfigSettingInvalid``.
        """
        override = Override(
            enabled=enabled, variation=variation, visitors=dict(visitors or {}), expositions=dict(expositions or {})
        )
        self._site.override(key, override)
        self._spread()

    def reset(self, key: str | None = None) -> None:
        """Have one flag do as the data file says; or all, and no failure, no event, no ``visitors`` or ``values``."""
        if key is not None:
            self._flags.pop(key, None)
            self._publish(None, key)
            return
        self._flags.clear()
        if self._serving.faults.by_route:
            self.fail()
        self._site.reset()
        self._publish()
        self.visitors.clear()
        self.values.clear()
        self._serving.tracked.clear()
        if self._flagship is not None:
            self._flagship.reset()

    def fail(self, **routes: Mapping[str, Any]) -> None:
        """Have these routes of the server fail, and no others: ``fail(events={"status": 503})``; ``fail()`` ends it.

        Routes are ``data_file``, ``stream``, ``events``, ``visitor``, ``value``, ``token`` and ``ofrep``, of Flagship
        ``flagship_file``, ``flagship_decisions``, ``flagship_activations`` and ``flagship_hits``; ways to fail
        ``delay_seconds``, ``status``, ``truncate``, ``garbage``, ``hang``, for streams ``stall`` and ``drop``, and
        ``rate``, the share in [0, 1] of requests that do. The server must run. Raises ``ConfigSettingInvalid``.
        """
        try:
            faults = msgspec.convert(routes, dict[str, Fault])
            self._server.call(lambda: self._serving.faults.set(faults))
        except ValueError as error:  # msgspec's are such, too
            raise ConfigSettingInvalid(f"no such fault: {error}", setting="routes") from error
        if "data_file" not in faults:
            self._spread()

    # What was tracked -----------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[TrackedEvent]:
        """The last thousand events that have come, the oldest first, each once.

        Clients and providers that were made here deliver theirs before; for others, see ``wait_for``.
        """
        for client in self._running.copy():
            client.drain(DELIVERY_SECONDS)
        return self._come()

    def conversions(self, *, visitor: str | None = None, goal: int | None = None) -> list[TrackedEvent]:
        """The conversions among them: of one visitor, of one goal."""
        return [
            event
            for event in self.events
            if event.kind == "conversion" and visitor in (None, event.visitor) and goal in (None, event.goal)
        ]

    def wait_for(self, condition: Callable[[], T], timeout: float = PATIENCE_SECONDS) -> T:
        """Wait, for ``timeout`` seconds at most, until a condition holds; what it gave.

        Raises ``AssertionError``, which shows what has come instead.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that waits
        deadline = SYSTEM_CLOCK.monotonic() + timeout
        while True:
            arrived = self._arrived
            answer = condition()
            if answer:
                return answer
            left = deadline - SYSTEM_CLOCK.monotonic()
            if left <= 0:
                raise AssertionError(f"it did not come true within {timeout:g} s; {self._summary()}")
            self._wait_for_news(arrived, min(left, LOOK_SECONDS))

    # ----------------------------------------------------------------------------------------------------------------

    def _client(self, settings: Mapping[str, Any]) -> _Client:
        return _Client(self._running, self.site_code, self.configuration(**settings))

    def _publish(self, override: Override | None = None, key: str = "") -> None:
        """Serve the data file with the flags that were set, one of which is overridden so, or no more."""
        content = self._data_file
        if self._flags:
            kept = [flag for flag in content.get("featureFlags") or () if key_of(flag) not in self._flags]
            content = {**content, "featureFlags": [*kept, *self._flags.values()]}
        self._site.publish(msgspec.json.encode(content))
        if override is not None:
            self._site.override(key, override)
        elif key in self._site.overrides:
            self._site.reset(key)
        self._spread()

    def _spread(self) -> None:
        for client in self._running.copy():
            # The test may have it fail; and it may be closed meanwhile.
            with contextlib.suppress(RequestFailed, DataFileInvalid, Initialization):
                client.live.refresh(timeout=DELIVERY_SECONDS)

    def _come(self) -> list[TrackedEvent]:
        return [
            TrackedEvent(event["type"], event["visitor"], event["parameters"])
            for event in self._serving.tracked.since()
            if not event["is_duplicate"] and "service" not in event  # Flagship's have one
        ]

    def _note(self, _: object) -> None:
        with self._news:
            self._arrived += 1
            self._news.notify_all()

    def _wait_for_news(self, arrived: int, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._arrived != arrived, seconds)

    def _summary(self) -> str:
        come = [*self._come(), *(self._flagship.reported() if self._flagship is not None else ())]
        if not come:
            return "no event came"
        lines = [f"  {event}" for event in come[-MOST_SHOWN:]]
        return "\n".join(["what came:", *(["  ..."] if len(come) > MOST_SHOWN else []), *lines])


class _Client(KameleoonClient):
    """A client that is known to its server while it runs."""

    def __init__(
        self, running: set[KameleoonClient], site_code: str, configuration: KameleoonClientConfiguration
    ) -> None:
        self._running = running
        super().__init__(site_code, configuration_object=configuration, autostart=False)

    def _start(self, seconds: float) -> bool:
        self._running.add(self)
        return super()._start(seconds)

    def close(self) -> None:
        """As any client, and be known no more."""
        self._running.discard(self)
        super().close()


class _Provider(KameleoonProvider):
    """A provider whose client is its own to close."""

    def shutdown(self) -> None:
        """As any provider."""
        self.client.close()


def _environment(env_id: str) -> Environment:
    try:
        # Imported here: it needs the extra ``flagship``.
        from .server.flagship.environment import Environment  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "mmh3":
            raise
        raise ImportError("mmh3 is needed: pip install 'openfeature-kameleoon[flagship]'") from error
    return Environment(env_id)


def _content(data_file: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    if data_file is None:
        return {"featureFlags": []}
    if isinstance(data_file, Mapping):
        return dict(data_file)
    fetched = FileSource(data_file).fetch(0.0)
    assert isinstance(fetched, Fetched)  # nothing was read before
    try:
        return msgspec.json.decode(fetched.raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataFileInvalid(f"{os.fspath(data_file)} is no JSON object: {error}") from error
