"""What tests of the public faces begin with: small data files in Kameleoon's words, and clients and providers on them.

Clients here start no threads: they look at their file inside ``wait_init`` and ``refresh``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from openfeature_kameleoon.evaluator import Evaluator
from openfeature_kameleoon.providing import SharedProvider
from openfeature_kameleoon.tracking.events import Event
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.tracking.reports import Reporter
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.traits import LegalConsent, RecordedConversion
from tests.chaos import ChaosServer, wait_until
from tests.clock import FakeClock
from tests.vectors import as_bytes, segment

__all__ = [
    "CUSTOM_DATA",
    "DELIVERY",
    "EXPERIMENT",
    "HALF_AN_HOUR",
    "VIP",
    "Evaluations",
    "Heard",
    "Json",
    "client_of",
    "drained",
    "flag",
    "plan_is",
    "provider_of",
    "provider_on",
    "replace",
    "reported",
    "rule",
    "site",
    "threads",
    "value",
]

Json = dict[str, Any]

DELIVERY, EXPERIMENT = "TARGETED_DELIVERY", "EXPERIMENTATION"

VIP = 2001
"""The segment of visitors whose custom datum ``plan`` is ``vip``."""

CUSTOM_DATA: list[Json] = [
    {"index": 0, "id": 501, "name": "plan"},
    {"index": 1, "id": 502, "name": "cart value"},
    {"index": 2, "id": 503, "name": "note", "localOnly": True},
    {"index": 3, "id": 504, "name": "user id", "isMappingIdentifier": True},
    {"index": 4, "id": 505, "name": "device"},  # also the name of a reserved attribute
]


def rule(
    rule_id: int, *shares: tuple[str, float], kind: str = DELIVERY, segment_id: int | None = None, **members: Any
) -> Json:
    """A delivery of the first variation to everybody, unless told otherwise; ids are made of the rule's."""
    return {
        "id": rule_id,
        "type": kind,
        "exposition": 1,
        "experimentId": rule_id + 1000,
        "segmentId": segment_id,
        "variationByExposition": [
            {"variationKey": key, "variationId": rule_id * 10 + number, "exposition": share}
            for number, (key, share) in enumerate(shares)
        ],
        **members,
    }


def flag(key: str, *rules: Json, variables: Mapping[str, tuple[str, Any]] | None = None, **members: Any) -> Json:
    """A flag with the variations ``off`` and ``on``, of which ``on`` has the variables, as types and values."""
    of_on = [{"key": name, "type": kind, "value": value} for name, (kind, value) in (variables or {}).items()]
    return {
        "id": sum(key.encode()),
        "featureKey": key,
        "environmentEnabled": True,
        "defaultVariationKey": "off",
        "variations": [{"key": "off", "name": "Off"}, {"key": "on", "name": "On", "variables": of_on}],
        "rules": list(rules),
        **members,
    }


def plan_is(value: str, segment_id: int = VIP) -> Json:
    """A segment of the visitors with this plan."""
    condition = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": value}
    return segment(condition, segment_id=segment_id)


def site(*flags: Json, **members: Any) -> Json:
    """A data file with these flags."""
    return {
        "dateModified": 1_789_900_000_000,
        "customData": CUSTOM_DATA,
        "segments": [plan_is("vip")],
        "featureFlags": list(flags),
        **members,
    }


def client_of(folder: Path, content: object, *, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> KameleoonClient:
    """A client that has read this data file, and has no thread."""
    path = folder / "flags.json"
    replace(path, content)
    settings = {"multi_threading": False, "data_file": path, **settings}
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(**settings), clock=clock)
    assert client.wait_init()
    return client


def provider_of(folder: Path, content: object, *, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> KameleoonProvider:
    """A provider that is ready to answer from this data file, and has no thread."""
    provider = KameleoonProvider("site", client=client_of(folder, content, clock=clock, **settings))
    provider.initialize(EvaluationContext())
    return provider


def reported(source: KameleoonClient | KameleoonProvider) -> list[Event]:
    """What was put into the outbox since the last call, the oldest visitors first."""
    client = source.client if isinstance(source, KameleoonProvider) else source
    assert isinstance(client.outbox, MemoryOutbox)
    return drained(client.outbox)


def drained(outbox: MemoryOutbox) -> list[Event]:
    """All events that wait, the conversions of each report last; they count as delivered."""
    events = []
    for report in outbox.peek(1_000_000):
        events += sorted(report.events, key=lambda event: isinstance(event.data, RecordedConversion))
    outbox.delivered(outbox.take(1_000_000))
    return events


HALF_AN_HOUR = 1800.0


class Evaluations:
    """An evaluator on a data file, with a clock that stands still."""

    def __init__(self, content: Json, *, reports_context: bool = True) -> None:
        self.clock = FakeClock()
        self.outbox = MemoryOutbox()
        self.store = MemoryVisitorStore(idle_seconds=HALF_AN_HOUR, max_bytes=10_000_000, clock=self.clock)
        self.evaluator = Evaluator(
            self.store, Reporter(self.store, self.outbox, self.clock), self.clock, reports_context=reports_context
        )
        index = DataFileIndex.read(as_bytes(content))
        self.ruleset = Ruleset(index, scope=Scope(self.clock.time, lambda: 0.0, "PYTHON", "3.22.2"))

    def evaluate(self, key: str, code: str | None = "somebody", *, is_tracked: bool = True, **attributes: Any) -> str:
        """The key of the visitor's variation."""
        return self.evaluator.evaluate(self.ruleset, key, code, attributes, is_tracked=is_tracked).variation_key

    def consent(self, answer: LegalConsent) -> None:
        """Note what the visitor says to being tracked."""
        visitor = self.store.get_or_create("somebody")
        self.store.change(visitor, lambda stored: stored.set_consent(answer))

    def reported(self) -> list[object]:
        """What was reported since the last call, all of it of one visitor."""
        assert {report.visitor_code for report in self.outbox.peek(1000)} <= {"somebody"}
        return [event.data for event in drained(self.outbox)]


def replace(path: Path, content: object) -> None:
    """Put another data file in the place of this one, as a whole."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content.encode() if isinstance(content, str) else as_bytes(content))
    os.replace(beside, path)


class Heard(list[tuple[ProviderEvent, ProviderEventDetails]]):
    """The events of a provider, in their order."""

    def __init__(self, provider: SharedProvider) -> None:
        super().__init__()
        provider.attach(lambda _, event, details: self.append((event, details)))

    def wait_for(self, *kinds: ProviderEvent) -> list[ProviderEventDetails]:
        """The details of these events, which are all that come."""
        wait_until(lambda: len(self) >= len(kinds))
        assert [kind for kind, _ in self] == list(kinds)
        details = [details for _, details in self]
        self.clear()
        return details


def threads() -> list[str]:
    """Names of the library's threads that run now."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon")]


def provider_on(opened: list[SharedProvider], source: Path | ChaosServer, **settings: Any) -> KameleoonProvider:
    """A provider with its threads, not initialised yet, that the fixture ``opened`` shuts down."""
    data_file = source.url if isinstance(source, ChaosServer) else source
    settings = {"send_events": False, **settings}
    provider = KameleoonProvider("site", KameleoonClientConfiguration(data_file=data_file, **settings))
    opened.append(provider)
    return provider


def value(provider: KameleoonProvider) -> bool | ErrorCode:
    """What the provider answers for the flag ``f``: its value, or the error code."""
    details = provider.resolve_boolean_details("f", False, EvaluationContext("somebody"))
    return details.error_code or details.value
