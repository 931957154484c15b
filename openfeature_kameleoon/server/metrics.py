"""What may be said of the server in numbers, as Prometheus reads them (its text format 0.0.4).

Requests are counted on the event loop; all else is asked of its owner when somebody looks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from .access import Answered
from .hub import Hub
from .relay import Relay
from .sharing import SharedOverrides
from .site import Site
from .tracked import Tracked

if TYPE_CHECKING:
    from .flagship.service import FlagshipService

__all__ = ["Metrics"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]

NO_LABELS: Labels = {}


class Metrics:
    """Counts requests, and writes down everything when it is asked."""

    def __init__(
        self,
        site: Site,
        tracked: Tracked,
        streams: Hub,
        relay: Relay | None,
        sharing: SharedOverrides | None,
        flagship: FlagshipService | None = None,
    ) -> None:
        self._site = site
        self._tracked = tracked
        self._streams = streams
        self._relay = relay
        self._sharing = sharing
        self._flagship = flagship
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def count(self, answered: Answered) -> None:
        """Count a request that was answered."""
        self._requests[answered.method, answered.route, str(answered.status)] += 1
        buckets = self._buckets.setdefault(answered.route, [0] * (len(BUCKETS) + 1))
        buckets[bisect_left(BUCKETS, answered.seconds)] += 1
        self._seconds[answered.route] = self._seconds.get(answered.route, 0.0) + answered.seconds

    async def answer(self, request: Request) -> Response:
        """The page that Prometheus reads."""
        return Response(self.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def text(self) -> str:
        """All metrics of this moment."""
        parts = (self._of_requests, self._of_the_site, self._of_the_relay, self._of_redis, self._of_flagship)
        return "\n".join([*(line for part in parts for line in part()), ""])

    def _of_requests(self) -> Iterator[str]:
        names = ("method", "route", "status")
        requests = [(dict(zip(names, key, strict=True)), count) for key, count in sorted(self._requests.items())]
        yield from _family("requests_total", "counter", "Requests by route and status.", requests)
        yield from _head("request_seconds", "histogram", "How long answers took; of streams, to their begin.")
        for route, buckets in sorted(self._buckets.items()):
            bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
            for bound, count in zip(bounds, accumulate(buckets), strict=True):
                yield _sample("request_seconds_bucket", {"route": route, "le": bound}, count)
            yield _sample("request_seconds_sum", {"route": route}, self._seconds[route])
            yield _sample("request_seconds_count", {"route": route}, sum(buckets))
        yield from _family("open_streams", "gauge", "Streams of updates that are open.", len(self._streams))

    def _of_the_site(self) -> Iterator[str]:
        tracked, served = self._tracked, self._site.served
        counts = [({"type": kind}, count) for kind, count in sorted(tracked.counts.copy().items())]
        yield from _family("events_total", "counter", "Events that SDKs have sent, by type.", counts)
        yield from _family("events_duplicate_total", "counter", "Those whose nonce came before.", tracked.duplicates)
        yield from _family("events_malformed_total", "counter", "Lines that are no events.", tracked.malformed)
        yield from _family("overrides", "gauge", "Flags that are overridden.", len(self._site.overrides))
        if served is not None:
            yield from _family(
                "data_file_version", "gauge", "Timestamp of what is served, Unix milliseconds.", served.timestamp
            )
            yield from _family(
                "data_file_served_seconds",
                "gauge",
                "Since what is served is dated.",
                max(0.0, time.time() - served.timestamp / 1000),
            )

    def _of_the_relay(self) -> Iterator[str]:
        if self._relay is None:
            return
        status, outbox = self._relay.live.status(), self._relay.outbox.status()
        sending = self._relay.sender.status()
        yield from _family(
            "upstream_up", "gauge", "Whether the data file is confirmed to be the latest.", self._relay.is_up_to_date
        )
        if status.age_seconds is not None:
            yield from _family("data_file_age_seconds", "gauge", "Since it was confirmed.", status.age_seconds)
        yield from _family("outbox_accepted_total", "counter", "Events to be passed on.", outbox.accepted)
        yield from _family("outbox_delivered_total", "counter", "Events that Kameleoon has.", outbox.delivered)
        yield from _family("outbox_pending", "gauge", "Events that wait.", outbox.pending)
        dropped = [({"reason": reason}, count) for reason, count in sorted(outbox.dropped.items())]
        yield from _family("outbox_dropped_total", "counter", "Events that were given up, by reason.", dropped)
        yield from _family(
            "outbox_failing_seconds", "gauge", "How long they could not be delivered.", sending.seconds_failing
        )

    def _of_redis(self) -> Iterator[str]:
        if self._sharing is not None:
            yield from _family("redis_up", "gauge", "Whether Redis answers.", self._sharing.is_up)
            yield from _family("overrides_revision", "counter", "Changes to overrides so far.", self._site.revision)

    def _of_flagship(self) -> Iterator[str]:
        if self._flagship is not None:
            for name, says, value in self._flagship.numbers():
                yield from _family(name, "gauge", says, value)


def _head(name: str, kind: str, says: str) -> tuple[str, str]:
    return f"# HELP kameleoon_{name} {says}", f"# TYPE kameleoon_{name} {kind}"


def _family(name: str, kind: str, says: str, samples: Samples | float) -> Iterator[str]:
    yield from _head(name, kind, says)
    for labels, value in ((NO_LABELS, samples),) if isinstance(samples, (int, float)) else samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"kameleoon_{name}{{{inside}}} {float(value):.15g}" if inside else f"kameleoon_{name} {float(value):.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
