"""OpenTelemetry: a client's figures as metrics, and OpenFeature's official hook on our evaluations."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from openfeature import api
from openfeature.contrib.hook.opentelemetry import TracingHook
from openfeature.evaluation_context import EvaluationContext
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openfeature_kameleoon.otel import METRICS, instrument
from tests.clock import FakeClock
from tests.faces import EXPERIMENT, client_of, flag, provider_of, rule, site

FLAGS = site(flag("on", rule(1, ("on", 1), kind=EXPERIMENT), variables={"size": ("NUMBER", 5)}), flag("off_by_default"))


class Meters:
    """Metrics that are read in this process."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def read(self) -> dict[str, dict[str, Any]]:
        """The figures by metric and by the attributes of their own."""
        data = self.reader.get_metrics_data()
        figures: dict[str, dict[str, Any]] = {}
        for of_resource in data.resource_metrics if data else ():
            for metric in of_resource.scope_metrics[0].metrics:
                for point in cast("list[NumberDataPoint]", metric.data.data_points):
                    attributes = dict(point.attributes or {})
                    assert attributes.pop("kameleoon.site_code") == "site"
                    figures.setdefault(metric.name, {})[str(attributes.get("reason", ""))] = point.value
        return figures


@pytest.fixture
def meters() -> Iterator[Meters]:
    meters = Meters()

    yield meters

    meters.provider.shutdown()


def test_the_figures_of_a_client_are_exported(meters: Meters, tmp_path: Path) -> None:
    clock = FakeClock()
    client = client_of(tmp_path, FLAGS, clock=clock, tracking_queue_size=2)
    instrument(client, meters.provider)
    client.get_variation("somebody", "on")
    client.track_conversion("somebody", 5)
    client.track_conversion("somebody else", 5)
    clock.advance(2.5)

    assert meters.read() == {
        "kameleoon.datafile.age": {"": 2.5},
        "kameleoon.datafile.fresh": {"": 1},
        "kameleoon.events.accepted": {"": 3},
        "kameleoon.events.delivered": {"": 0},
        "kameleoon.events.dropped": {"queue_full": 2},
        "kameleoon.events.pending": {"": 1},
    }


def test_a_client_that_is_gone_has_no_figures_and_is_not_kept_alive(meters: Meters, tmp_path: Path) -> None:
    client = client_of(tmp_path, FLAGS)
    instrument(client, meters.provider)
    weak = weakref.ref(client)
    client.close()

    del client
    gc.collect()

    assert weak() is None
    assert meters.read() == {}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is(name: str) -> None:
    assert METRICS[name].description.endswith(".")
    assert METRICS[name].unit


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Spans of a tracer provider that is in use for the test alone."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)

    yield exporter

    provider.shutdown()


def test_the_official_hook_tells_of_our_evaluations(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    api.set_provider_and_wait(provider_of(tmp_path, FLAGS), domain="traced")
    client = api.get_client("traced")
    client.add_hooks([TracingHook()])
    context = EvaluationContext("somebody", {"variableKey": "size"})

    with trace.get_tracer("test").start_as_current_span("request"):
        client.get_integer_value("on", 1, context)
        client.get_integer_value("missing", 1, context)

    [span] = spans.get_finished_spans()
    evaluated, missing = (dict(event.attributes or {}) for event in span.events if event.name.startswith("feature"))
    assert evaluated == {
        "feature_flag.key": "on",
        "feature_flag.result.value": "5",
        "feature_flag.result.variant": "on",
        "feature_flag.result.reason": "static",
        "feature_flag.context.id": "somebody",
        "feature_flag.provider.name": "Kameleoon Provider",
    }
    assert missing["feature_flag.result.reason"] == "error"
    assert json.loads(str(missing["feature_flag.result.value"])) == 1
    api.shutdown()
