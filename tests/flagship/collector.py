"""A fake Flagship on loopback that takes hits, activations and context events, or fails as it is told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from openfeature_kameleoon.flagship.endpoints import Endpoints
from openfeature_kameleoon.flagship.hits import Event, EventCategory
from openfeature_kameleoon.flagship.records import Activation
from openfeature_kameleoon.flagship.tracking import Tracker
from tests.chaos import Answer, ChaosServer, Received, reply

__all__ = ["ACTIVATE", "HITS", "FakeFlagship", "Open", "click", "seen"]

HITS, ACTIVATE = "/", "/v2/activate"

Open = Callable[..., Tracker]
"""Makes trackers: see the fixtures."""


def click(label: str) -> Event:
    """An event that is known by its label."""
    return Event(EventCategory.ACTION_TRACKING, "click").with_event_label(label)


def seen(variation: object) -> Activation:
    """An activation that is known by its variation."""
    return Activation("group", str(variation))


class FakeFlagship(ChaosServer):
    """``hits`` and ``activations`` are what was taken, in its order; ``bodies`` are requests that were taken, by path.

    What is answered with a failure is not taken. ``invalid`` are labels of events that the server does not like.
    """

    def __init__(self) -> None:
        self.hits: list[dict[str, Any]] = []
        self.activations: list[dict[str, Any]] = []
        self.bodies: dict[str, list[bytes]] = {HITS: [], ACTIVATE: []}
        self.invalid: set[str] = set()
        self._down: dict[str, Answer] = {}
        super().__init__(reply(204))

    @property
    def endpoints(self) -> Endpoints:
        """Where it is."""
        return Endpoints.of(server_url=self.url)

    def break_down(self, path: str, answer: Answer | None) -> None:
        """Answer all requests of a path so, until told otherwise by ``None``."""
        with self._lock:
            if answer is None:
                self._down.pop(path, None)
            else:
                self._down[path] = answer

    def labels(self) -> Counter[str]:
        """How often each label of an event was taken."""
        return Counter(hit["el"] for hit in list(self.hits) if "el" in hit)

    def variations(self) -> Counter[str]:
        """How often each variation was taken."""
        return Counter(activation["vaid"] for activation in list(self.activations))

    def answer_to(self, request: Received) -> Answer:
        """Take what it holds, unless told to fail."""
        path = urlsplit(request.target).path
        if path in self._down:
            return self._down[path]
        if path not in self.bodies:
            return reply(404)
        body = json.loads(request.body)
        parts = body.get("h") or body.get("batch") or [body]
        if any(part.get("el") in self.invalid for part in parts):
            return reply(400, b'{"message": "invalid"}')
        self.bodies[path].append(request.body)
        (self.hits if path == HITS else self.activations).extend(parts)
        return reply(204)
