"""A client's figures as OpenTelemetry metrics: the data file's age, the stream, what became of the events.

They are asked for when an exporter collects, on its thread: evaluations do nothing for them. Needs the extra ``otel``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping

from .client import KameleoonClient
from .datafile.freshness import State, StreamState
from .status import ClientStatus

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider
except ImportError as error:
    raise ImportError("metrics need OpenTelemetry: pip install 'openfeature-kameleoon[otel]'") from error

__all__ = ["METRICS", "Metric", "instrument"]

Figures = Iterable[tuple[float, Mapping[str, str]]]


class Metric:
    """A metric: what OpenTelemetry is to make of it, and its figures at a moment, each with its own attributes."""

    def __init__(self, kind: str, unit: str, description: str, figures: Callable[[ClientStatus], Figures]) -> None:
        self.kind = kind
        self.unit = unit
        self.description = description
        self.figures = figures


COUNTER, UP_DOWN_COUNTER, GAUGE = "observable_counter", "observable_up_down_counter", "observable_gauge"


def _one(figure: Callable[[ClientStatus], float | None]) -> Callable[[ClientStatus], Figures]:
    def figures(status: ClientStatus) -> Figures:
        value = figure(status)
        if value is not None:
            yield value, {}

    return figures


def _dropped(status: ClientStatus) -> Figures:
    return [(count, {"reason": reason}) for reason, count in status.events.dropped.items()]


METRICS: Mapping[str, Metric] = {
    "kameleoon.datafile.age": Metric(
        GAUGE,
        "s",
        "Time since the data file in use was confirmed.",
        _one(lambda status: status.data_file.age_seconds),
    ),
    "kameleoon.datafile.fresh": Metric(
        GAUGE,
        "1",
        "1 while the data file in use is up to date, 0 while it is stale or missing.",
        _one(lambda status: status.data_file.state is State.READY),
    ),
    "kameleoon.stream.open": Metric(
        GAUGE,
        "1",
        "1 while the stream of real-time updates is open, 0 while it is lost; absent where it is not wanted.",
        _one(lambda status: None if _has_no_stream(status) else status.data_file.stream.state is StreamState.OPEN),
    ),
    "kameleoon.stream.reconnects": Metric(
        COUNTER,
        "{reconnect}",
        "How often the stream was open again after it had been lost.",
        _one(lambda status: None if _has_no_stream(status) else status.data_file.stream.reconnects),
    ),
    "kameleoon.events.accepted": Metric(
        COUNTER, "{event}", "Events that were reported.", _one(lambda status: status.events.accepted)
    ),
    "kameleoon.events.delivered": Metric(
        COUNTER, "{event}", "Events that the server has.", _one(lambda status: status.events.delivered)
    ),
    "kameleoon.events.dropped": Metric(COUNTER, "{event}", "Events that were given up, by reason.", _dropped),
    "kameleoon.events.pending": Metric(
        UP_DOWN_COUNTER, "{event}", "Events that wait or are under way.", _one(lambda status: status.events.pending)
    ),
    "kameleoon.events.retried": Metric(
        COUNTER,
        "{event}",
        "Events of requests that failed, each time that they did.",
        _one(lambda status: None if status.sender is None else status.sender.retried),
    ),
    "kameleoon.events.failing": Metric(
        GAUGE,
        "s",
        "How long no events could be delivered.",
        _one(lambda status: None if status.sender is None else status.sender.seconds_failing),
    ),
}
"""All metrics by name; with the attributes ``kameleoon.site_code`` and, if there is one, ``kameleoon.environment``."""


def instrument(client: KameleoonClient, meter_provider: MeterProvider | None = None) -> None:
    """Have a client's figures exported, by the global meter provider if none is given.

    OpenTelemetry cannot be told to forget them: once the client is gone, there are no more figures.
    """
    meter = (meter_provider or get_meter_provider()).get_meter("openfeature_kameleoon")
    labels = {"kameleoon.site_code": client.site_code}
    if client.configuration.environment:
        labels["kameleoon.environment"] = client.configuration.environment
    weak = weakref.ref(client)
    for name, metric in METRICS.items():
        create = getattr(meter, f"create_{metric.kind}")
        create(name, [_callback(weak, metric, labels)], unit=metric.unit, description=metric.description)


def _callback(
    weak: weakref.ref[KameleoonClient], metric: Metric, labels: Mapping[str, str]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        client = weak()
        figures = () if client is None else metric.figures(client.status())
        return [Observation(value, {**labels, **attributes}) for value, attributes in figures]

    return observe


def _has_no_stream(status: ClientStatus) -> bool:
    return status.data_file.stream.state is StreamState.OFF
