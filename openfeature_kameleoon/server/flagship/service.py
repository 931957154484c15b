"""Flagship's part of a server, put together: its routes, what the page is told of it, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from ..hub import Hub
from ..tracked import Tracked
from .collector import Collector
from .decision_api import DecisionApi
from .environment import Environment
from .inspecting import FlagshipInspector

__all__ = ["FlagshipService"]


class FlagshipService:
    """An environment that is served; ``streams`` are those of the page."""

    def __init__(self, environment: Environment, tracked: Tracked, streams: Hub) -> None:
        self.environment = environment
        self.inspector = FlagshipInspector(environment, streams)
        self.routes = [
            *DecisionApi(environment, tracked).routes,
            *Collector(environment, tracked).routes,
            *self.inspector.routes,
        ]

    @property
    def is_ready(self) -> bool:
        """Whether there is a bucketing file."""
        return self.environment.served is not None

    def numbers(self) -> Iterator[tuple[str, str, float]]:
        """What metrics tell: names, what they say, values."""
        environment = self.environment
        overrides = environment.overrides
        count = len(overrides.campaigns) + (overrides.panic is not None)
        yield "flagship_overrides", "Campaigns that are overridden, and panic.", count
        yield "flagship_visitors", "Visitors whose assignments are remembered.", len(environment.assignments)
        if environment.served is not None:
            yield "flagship_panic", "Whether every flag is off.", environment.served.ruleset.panic
            yield (
                "flagship_file_version",
                "Timestamp of the bucketing file that is served, Unix milliseconds.",
                environment.served.timestamp,
            )
