"""What of the events that were produced has come to the server: what is lost, what came twice, since when it is whole.

Pure. Everybody who is measured reports the same of visitors that are numbered: one experiment, one conversion each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["EVENTS_PER_VISITOR", "Arrival", "Tally", "tally", "visitor_code", "whole_at"]

KINDS = frozenset({"experiment", "conversion"})
EVENTS_PER_VISITOR = len(KINDS)
PREFIX = "visitor-"


class Arrival(NamedTuple):
    """The body of a tracking request that was taken, and when: by the monotonic clock all processes here share."""

    at: float
    body: str


class Tally(NamedTuple):
    """Numbers of events."""

    received: int
    lost: int
    duplicated: int


class _Event(NamedTuple):
    at: float
    nonce: str
    visitor: int
    kind: str


def visitor_code(number: int) -> str:
    """The code of a visitor whose events are counted."""
    return f"{PREFIX}{number:06}"


def tally(arrivals: Iterable[Arrival], visitors: int) -> Tally:
    """What became of the events of the visitors numbered from 0; nobody else's are looked at.

    An event that came under two nonces came twice; of two events under one nonce, a server takes one.
    """
    events = [event for event in _events(arrivals) if event.visitor < visitors]
    nonces = {event.nonce for event in events}
    distinct = min(len(nonces), len({(event.visitor, event.kind) for event in events}))
    return Tally(len(events), EVENTS_PER_VISITOR * visitors - distinct, len(events) - distinct)


def whole_at(arrivals: Iterable[Arrival], visitors: int) -> float | None:
    """When every event of the first so many visitors had come; ``None``: they have not."""
    missing = {(visitor, kind) for visitor in range(visitors) for kind in KINDS}
    for event in _events(arrivals):
        missing.discard((event.visitor, event.kind))
        if not missing:
            return event.at
    return None


def _events(arrivals: Iterable[Arrival]) -> Iterator[_Event]:
    for arrival in arrivals:
        for line in arrival.body.splitlines():
            parameters = dict(part.partition("=")[::2] for part in line.split("&"))
            kind, code = parameters.get("eventType", ""), parameters.get("visitorCode", "")
            if kind in KINDS and code.startswith(PREFIX):
                yield _Event(arrival.at, parameters["nonce"], int(code.removeprefix(PREFIX)), kind)
