"""What tests of a live data file are made of: data files that say little, a network and a stream that are simulated.

Simulated ones live on a ``FakeClock``: ``run`` lets time pass as the background thread would, without a thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import parse_qs, urlsplit

from openfeature_kameleoon.datafile.acceptance import Build, R
from openfeature_kameleoon.datafile.events import Event
from openfeature_kameleoon.datafile.freshness import StreamState, StreamStatus
from openfeature_kameleoon.datafile.live import LiveDataFile
from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.sources import News
from openfeature_kameleoon.errors import DataFileInvalid, RequestFailed
from openfeature_kameleoon.transport.http import Response
from tests.clock import FakeClock

__all__ = [
    "HOUR",
    "THEN",
    "Network",
    "Rules",
    "SimulatedStream",
    "build",
    "data",
    "down",
    "flags",
    "kinds",
    "listen",
    "run",
    "simulated",
    "up",
]

THEN = "Mon, 21 Sep 2026 14:00:00 GMT"
HOUR = 3600.0


@dataclass(frozen=True)
class Rules:
    """What stands for a ruleset."""

    flags: dict[str, object]
    date_modified: int
    is_real_time: bool = False


def build(raw: bytes, previous: Rules | None) -> tuple[Rules, list[str]]:
    """What stands for the real builder."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise DataFileInvalid(f"not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("featureFlags"), dict):
        raise DataFileInvalid("no featureFlags")
    rules = Rules(document["featureFlags"], document.get("dateModified", 0), document.get("isRealTime", False))
    before = previous.flags if previous else {}
    keys = {*rules.flags, *before}
    return rules, sorted(key for key in keys if rules.flags.get(key) != before.get(key))


def data(date_modified: int = 0, *, is_real_time: bool = False, **flags: object) -> bytes:
    """A data file with these flags."""
    document = {"featureFlags": flags, "dateModified": date_modified}
    return json.dumps({**document, "isRealTime": True} if is_real_time else document).encode()


def flags(live: LiveDataFile[Rules]) -> dict[str, object] | None:
    """The flags in use."""
    return live.current.flags if live.current else None


def listen(live: LiveDataFile[Rules]) -> list[Event]:
    """The events that come from now on."""
    events: list[Event] = []
    live.add_listener(events.append)
    return events


def kinds(events: list[Event]) -> list[str]:
    """What each event is about."""
    return [event.kind.value for event in events]


# --- on a clock of their own ------------------------------------------------------------------------------------------


class Network:
    """An ``Http`` on a simulated clock: ``answer`` is asked, ``requests`` holds the moments of the requests.

    ``timestamps`` are those that the requests carried, ``None`` for one without.
    """

    def __init__(self, clock: FakeClock, answer: Callable[[], Response]) -> None:
        self.clock = clock
        self.answer = answer
        self.requests: list[float] = []
        self.timestamps: list[int | None] = []

    def request(self, _: str, url: str, **__: object) -> Response:
        """Answer at once."""
        self.requests.append(self.clock.monotonic())
        (stamp,) = parse_qs(urlsplit(url).query).get("ts", [""])
        self.timestamps.append(int(stamp) if stamp else None)
        return self.answer()

    def renew(self) -> None:
        """Nothing is shared."""

    def abort(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


def down() -> Response:
    """What a network answers that is down."""
    raise RequestFailed("the network is down")


def up(raw: bytes) -> Callable[[], Response]:
    """What a network answers that has this data file."""
    return lambda: Response(200, {"Content-Type": "application/json", "Last-Modified": THEN}, raw)


class SimulatedStream:
    """An ``UpdateStream`` of which a test says what becomes of it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._openings = 0
        self._since = clock.monotonic()
        self._timestamp: int | None = None
        self.is_open = False

    def open(self) -> None:
        """It is open from now on."""
        self.is_open, self._since = True, self._clock.monotonic()
        self._openings += 1

    def drop(self) -> None:
        """It is open no longer."""
        self.is_open, self._since = False, self._clock.monotonic()

    def tell(self, timestamp: int) -> None:
        """An event comes."""
        self._timestamp = max(timestamp, self._timestamp or 0)

    def start(self, wake: Callable[[], object], *, wait: float = 0.0) -> None:
        """The test opens it."""

    def stop(self, *, wait: float = 0.0) -> None:
        """It has no thread."""

    def renew(self) -> None:
        """Nothing is shared."""

    def take(self) -> News:
        """What became of it."""
        timestamp, self._timestamp = self._timestamp, None
        return News(self.is_open, self._openings, timestamp)

    def status(self) -> StreamStatus:
        """Whether it is open."""
        state = StreamState.OPEN if self.is_open else StreamState.WAITING
        return StreamStatus(state=state, since_seconds=self._clock.monotonic() - self._since)


def simulated(
    network: Network,
    stream: SimulatedStream | None = None,
    *,
    interval: float = HOUR,
    seed: int = 7,
    builder: Build[Rules] = build,
) -> LiveDataFile[Rules]:
    """A live data file that ``run`` drives."""
    source = PollingSource(
        network,  # type: ignore[arg-type]  # it speaks for the network, on the simulated clock
        "site1",
        interval=interval,
        random=Random(seed),
        clock=network.clock,
    )
    return LiveDataFile(
        source, builder, threads=False, timeout=5.0, stream=stream, random=Random(seed + 1), clock=network.clock
    )


def run(live: LiveDataFile[R], clock: FakeClock, seconds: float, look: Callable[[], object] = lambda: None) -> None:
    """Let so much time pass as the background thread would, calling ``look`` after each of its turns."""
    end = clock.monotonic() + seconds
    while True:
        pause = live.step()
        look()
        left = end - clock.monotonic()
        if pause >= left:
            clock.advance(left)
            return
        clock.advance(max(pause, 0.001))
