"""Flagship's servers on loopback as the SDK needs them, the SDK started against them, and those who listen to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from openfeature_kameleoon.flagship import Bucketing, DecisionApi, Flagship, LogLevel, LogManager, Status
from openfeature_kameleoon.flagship.app import Flagship as Legacy
from openfeature_kameleoon.flagship.config import Config
from openfeature_kameleoon.flagship.handler import FlagshipEventHandler
from openfeature_kameleoon.flagship.status_listener import StatusListener
from openfeature_kameleoon.flagship.tracking_manager import TrackingManagerConfig
from openfeature_kameleoon.flagship.visitor import FlagshipVisitor
from tests.chaos import Answer, Received, reply, wait_until
from tests.flagship.collector import FakeFlagship
from tests.flagship.examples import example
from tests.flagship.files import bucketing

__all__ = [
    "PANIC_FILE",
    "Heard",
    "Statuses",
    "Told",
    "Vendor",
    "as_json",
    "body",
    "decided",
    "file_of",
    "legacy_visitor",
    "legacy_visitor_with",
    "rare",
    "start",
    "start_bucketing",
    "start_legacy",
]

LAST_MODIFIED = "Fri, 05 Jun 2026 12:20:40 GMT"
PANIC_FILE: dict[str, Any] = {"panic": True}


def as_json(value: Any, status: int = 200) -> Answer:
    return reply(status, json.dumps(value).encode())


def file_of(content: Any, last_modified: str = LAST_MODIFIED) -> Answer:
    """A bucketing file."""
    return reply(200, json.dumps(content).encode(), {"Last-Modified": last_modified})


def decided(*campaigns: Mapping[str, Any], **members: Any) -> Answer:
    """An answer of the decision API."""
    return as_json({"visitorId": "somebody", "campaigns": list(campaigns), **members})


def body(request: Received) -> Any:
    return json.loads(request.body)


class Vendor(FakeFlagship):
    """``file``, ``decision`` and ``event`` are what is answered to who asks for the file, for campaigns, or tells."""

    def __init__(self) -> None:
        self.file = file_of(bucketing())
        self.decision = as_json(example("decision-api")["response200"])
        self.event = reply(204)
        self.activation = reply(204)
        super().__init__()

    def answer_to(self, request: Received) -> Answer:
        path = request.target.partition("?")[0]
        if path.endswith("/bucketing.json"):
            return self.file
        if "/campaigns/" in path:
            return self.decision
        if path.endswith("/events"):
            return self.event
        if path == "/v1/activate":
            return self.activation
        return super().answer_to(request)

    def asked(self, part: str) -> list[Received]:
        """The requests so far whose target has this in it."""
        return [request for request in list(self.received) if part in request.target]

    def wait_for_hits(self, number: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.hits) >= number)
        return self.hits

    def wait_for_activations(self, number: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.activations) >= number)
        return self.activations


class Told(LogManager):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, LogLevel, str]] = []
        self.exceptions: list[tuple[str, Exception]] = []

    def log(self, tag: str, level: LogLevel, message: str) -> None:
        self.lines.append((tag, level, message))

    def exception(self, tag: str, exception: Exception, traceback: str) -> None:
        self.exceptions.append((tag, exception))

    def errors(self, tag: str = "") -> list[str]:
        return [text for its, level, text in self.lines if level is LogLevel.ERROR and tag in ("", its)]

    def kinds(self) -> list[str]:
        return [type(exception).__name__ for _, exception in self.exceptions]


class Statuses(StatusListener):
    """Notes every status."""

    def __init__(self) -> None:
        self.seen: list[Status] = []

    def on_status_changed(self, new_status: Status) -> None:
        self.seen.append(new_status)


class Heard(FlagshipEventHandler):
    """Notes what it is told; its parent's ``__init__`` is not called."""

    def __init__(self, catch_all_exceptions: bool = False) -> None:
        if catch_all_exceptions:
            super().__init__(catch_all_exceptions=True)
        self.logs: list[tuple[int, str]] = []
        self.exceptions: list[Exception] = []

    def on_log(self, level: int, message: str) -> None:
        self.logs.append((level, message))

    def on_exception_raised(self, exception: Exception, traceback: str) -> None:
        self.exceptions.append(exception)

    def errors(self) -> list[str]:
        return [message for level, message in self.logs if level == 40]


def rare(**settings: Any) -> TrackingManagerConfig:
    """Hits are sent when somebody asks for it, or the SDK is stopped."""
    return TrackingManagerConfig(**{"time_interval": 10_800_000, "max_pool_size": 5000, "timeout": 5000, **settings})


def start(vendor: Vendor, **options: Any) -> Told:
    """Start 3.x in decision API mode."""
    told = options.pop("log_manager", None) or Told()
    settings = {"endpoints": vendor.endpoints, "timeout": 5000, "tracking_manager_config": rare(), **options}
    Flagship.start("ENV_ID", "API_KEY", DecisionApi(log_manager=told, **settings))
    return told


def start_bucketing(vendor: Vendor, **options: Any) -> Told:
    """Start 3.x in bucketing mode, without polling unless that is asked for."""
    told = options.pop("log_manager", None) or Told()
    settings = {
        "endpoints": vendor.endpoints,
        "timeout": 5000,
        "polling_interval": -1,
        "tracking_manager_config": rare(),
        **options,
    }
    Flagship.start("ENV_ID", "API_KEY", Bucketing(log_manager=told, **settings))
    return told


def start_legacy(vendor: Vendor, mode: Config.Mode = Config.Mode.DECISION_API, **options: Any) -> Heard:
    """Start 1.x, without polling unless that is asked for."""
    heard = options.pop("event_handler", None) or Heard()
    settings = {"endpoints": vendor.endpoints, "polling_interval": 0, "timeout": 5.0, **options}
    Legacy.instance().start(Config("ENV_ID", "API_KEY", mode=mode, event_handler=heard, **settings))
    return heard


def legacy_visitor(visitor_id: str = "user_#1234", context: Any = None, **options: Any) -> FlagshipVisitor:
    return Legacy.instance().create_visitor(visitor_id, {} if context is None else context, **options)


def legacy_visitor_with(vendor: Vendor, **flags: Any) -> FlagshipVisitor:
    """A synchronized visitor who gets these flags from the decision API."""
    variation = {"id": "v", "modifications": {"type": "JSON", "value": flags}}
    vendor.decision = decided({"id": "c", "variationGroupId": "g", "variation": variation})
    visitor = legacy_visitor()
    visitor.synchronize_modifications()
    return visitor
