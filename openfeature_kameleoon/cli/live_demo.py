"""The demo's second half: a server on this machine, a change that arrives while programs run, what the server is told.

Loopback only. Needs the extra ``server``; the caller tells those who have it not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from ..client import KameleoonClient
from ..clock import SYSTEM_CLOCK
from ..datafile.freshness import StreamState
from ..testing import KameleoonServer
from .evaluate import openfeature_client

__all__ = ["Step", "live_demo"]

Step = tuple[float, str]
"""Seconds since the beginning, and what had happened by then."""

FLAG, VISITOR = "priority_support", "dan"
GOAL, REVENUE = 4401, 49.9
POLLING_MINUTES = 1 / 60
PATIENCE_SECONDS = 30.0


def live_demo(data_file: Path) -> Iterator[Step]:
    """What happens, step by step, as it does; about two seconds in all."""
    began = SYSTEM_CLOCK.monotonic()

    def now() -> float:
        return SYSTEM_CLOCK.monotonic() - began

    with ExitStack() as opened:
        server = opened.enter_context(KameleoonServer(data_file, site_code="demo"))
        yield now(), f"A server has these flags, at {server.url}, and speaks Kameleoon's protocol."
        polling = opened.enter_context(
            _loaded(server, refresh_interval_minute=POLLING_MINUTES, real_time_update=False, send_events=False)
        )
        yield now(), "One client asks it for changes every second (polling)."
        client = opened.enter_context(_loaded(server, goals={"purchase": GOAL}))
        server.wait_for(lambda: client.status().data_file.stream.state is StreamState.OPEN, PATIENCE_SECONDS)
        flags = opened.enter_context(openfeature_client(client))
        yield now(), "OpenFeature has a provider that is told of them (streaming): its stream is open."

        visitor = EvaluationContext(VISITOR)
        answers: dict[str, Callable[[], bool]] = {
            "streaming": lambda: flags.get_boolean_value(FLAG, False, visitor),
            "polling": lambda: polling.is_feature_active(VISITOR, FLAG),
        }
        yield now(), f"Both have {FLAG} for {VISITOR}: {', '.join(str(answer()) for answer in answers.values())}."
        changed = now()
        server.override(FLAG, visitors={VISITOR: "on"})
        yield now(), f"On the server it is switched on for {VISITOR}, and for nobody else."
        while answers:
            name = server.wait_for(lambda: next((name for name, ask in answers.items() if ask()), ""), PATIENCE_SECONDS)
            del answers[name]
            yield now(), f"{name.capitalize()}: {VISITOR} has it, {now() - changed:.2f} s after the change."
        yield from _conversions(server, flags, visitor, now)


def _loaded(server: KameleoonServer, **settings: object) -> KameleoonClient:
    """A client as any program has it: nobody tells it but the server."""
    client = KameleoonClient(server.site_code, configuration_object=server.configuration(**settings))
    client.wait_init()
    return client


def _conversions(
    server: KameleoonServer, flags: OpenFeatureClient, visitor: EvaluationContext, now: Callable[[], float]
) -> Iterator[Step]:
    flags.track("purchase", visitor, TrackingEventDetails(REVENUE))
    yield now(), f"{VISITOR} buys: track('purchase', {REVENUE}). Events are sent once a second."
    server.wait_for(lambda: server.conversions(visitor=VISITOR, goal=GOAL), PATIENCE_SECONDS)
    for event in server.events:
        yield now(), f"The server was told: {event}"
