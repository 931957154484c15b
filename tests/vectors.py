"""Vectors: expected results of Kameleoon's own client, and the stage on which their steps are played.

Layout: specs/kameleoon-sdk.md 15. A stage is a client without network: a data file, a store and a clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.evaluation import Evaluation
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from openfeature_kameleoon.errors import FeatureEnvironmentDisabled
from openfeature_kameleoon.evaluator import check_visitor_code
from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.visitors.remote import (
    RemoteVisitorData,
    RemoteVisitorDataFilter,
    add_remote_data,
    adopt_visitor_code,
)
from openfeature_kameleoon.visitors.remote_answer import parse_visitor_data
from openfeature_kameleoon.visitors.simulation import parse_simulation
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.traits import Assignment, Exposure, LegalConsent
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.clock import FakeClock

__all__ = [
    "DATA",
    "Stage",
    "as_bytes",
    "data_file",
    "data_object",
    "merge_patch",
    "reference_error",
    "segment",
    "vectors",
]

Json = dict[str, Any]

DATA = Path(__file__).with_name("data")
DAY_SECONDS = 86_400
HALF_AN_HOUR = 1800.0


REFERENCE_ERRORS = frozenset(
    {
        "FeatureEnvironmentDisabled",
        "FeatureExperimentNotFound",
        "FeatureNotFound",
        "FeatureVariationNotFound",
        "NotAllocated",
        "NotTargeted",
        "SiteCodeDisabled",
        "VisitorCodeInvalid",
    }
)


def reference_error(error: Exception) -> str:
    """The name under which the reference knows an error; ours may be narrower."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in REFERENCE_ERRORS)


@cache
def vectors(name: str) -> Any:
    """One member of the vector file: to read, not to change."""
    return json.loads((DATA / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


def data_file(patch: object = None, *, name: str = "kameleoon-datafile") -> Any:
    """The data file that all vectors assume, patched."""
    content = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content if patch is None else merge_patch(content, patch)


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7386: members of the patch replace those of the target, ``None`` removes one."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def as_bytes(content: object) -> bytes:
    """JSON text as a server sends it."""
    return json.dumps(content, ensure_ascii=False).encode()


def segment(*conditions: Json, segment_id: int = 1) -> Json:
    """A segment that matches when all conditions hold."""
    group = {"conditions": list(conditions), "orOperators": [False] * (len(conditions) - 1)}
    return {"id": segment_id, "conditionsData": {"firstLevel": [group], "firstLevelOrOperators": []}}


# --- data objects -------------------------------------------------------------------------------------------


def custom_data(described: Json) -> CustomData:
    """A custom datum by index or by name."""
    key = described["name"] if "name" in described else described["index"]
    return CustomData(key, *described["values"], overwrite=described.get("overwrite", True))


def conversion(described: Json) -> Conversion:
    """A conversion with its metadata."""
    metadata = [custom_data(item) for item in described.get("metadata") or ()]
    return Conversion(
        described["goal_id"],
        described.get("revenue", 0.0),
        described.get("negative", False),
        metadata or None,
    )


DATA_OBJECTS: Mapping[str, Callable[[Json], Data]] = {
    "ApplicationVersion": lambda described: ApplicationVersion(described["version"]),
    "Browser": lambda described: Browser(BrowserType[described["browser"]], described.get("version")),
    "Conversion": conversion,
    "Cookie": lambda described: Cookie(described["cookies"]),
    "CustomData": custom_data,
    "Device": lambda described: Device(DeviceType[described["device"]]),
    "Geolocation": lambda described: Geolocation(**fields(described)),
    "OperatingSystem": lambda described: OperatingSystem(OperatingSystemType[described["os"]]),
    "PageView": lambda described: PageView(**fields(described)),
    "UniqueIdentifier": lambda described: UniqueIdentifier(described["value"]),
    "UserAgent": lambda described: UserAgent(described["value"]),
}


def fields(described: Json) -> Json:
    """The arguments of a class whose fields the vectors name alike."""
    return {name: value for name, value in described.items() if name != "type"}


def data_object(described: Json) -> Data:
    """A piece of visitor data as the vectors describe it, by its ``type``."""
    return DATA_OBJECTS[described["type"]](described)


# --- the stage ----------------------------------------------------------------------------------------------


class Stage:
    """A data file in use, with visitors and a clock that a vector sets; the time zone is UTC."""

    def __init__(self, content: object = None) -> None:
        self.clock = FakeClock(time=vectors("meta")["start_of_day_ms"] / 1000)
        self.store = MemoryVisitorStore(idle_seconds=2 * DAY_SECONDS, max_bytes=100_000_000, clock=self.clock)
        self.index = DataFileIndex.read(as_bytes(data_file() if content is None else content))
        self.ruleset = Ruleset(self.index, scope=self.scope())

    def scope(self, campaign_id: int | None = None) -> Scope:
        """What conditions may know here."""
        sdk = vectors("meta")["sdk"]
        return Scope(
            now=self.clock.time,
            start_of_day=self.start_of_day,
            sdk_name=sdk["name"],
            sdk_version=sdk["version"],
            campaign_id=campaign_id,
        )

    def start_of_day(self) -> float:
        """The last midnight in UTC."""
        return self.clock.time() // DAY_SECONDS * DAY_SECONDS

    def at(self, milliseconds: int) -> None:
        """Let time pass until this moment, in Unix milliseconds."""
        self.clock.advance(milliseconds / 1000 - self.clock.time())

    def play(self, visitor_code: str, steps: Iterable[Json]) -> None:
        """Take the steps of a vector. Raises what the client would raise."""
        for step in steps:
            self.at(step["at_ms"])
            STEPS[step["op"]](self, step.get("visitor_code", visitor_code), step)

    def visitor(self, code: str) -> Visitor:
        """The visitor, who is not stored by asking."""
        return self.store.get(code) or self.store.unknown(check_visitor_code(code))

    def evaluate(self, code: str, flag: str) -> Evaluation:
        """Decide, and remember the assignment (4.8). Raises what ``get_variation`` raises."""
        visitor = self.visitor(code)
        evaluation = self.ruleset.decide(flag)(visitor, self.remember)
        if evaluation.reason == "DISABLED":
            raise FeatureEnvironmentDisabled(f"feature flag {flag!r} is off here")
        if evaluation.exposure is not None:
            self.remember(visitor, evaluation.exposure)
        return evaluation

    def remember(self, visitor: Visitor, exposure: Exposure) -> None:
        """Store an assignment and with it the visitor."""
        assignment = Assignment(exposure, self.clock.time(), self.clock.monotonic(), is_reported=True)
        self.store.change(visitor, lambda stored: stored.set_assignment(assignment))

    def receive(
        self, code: str, answer: object, wanted: RemoteVisitorDataFilter, *, add: bool = True
    ) -> RemoteVisitorData:
        """Take an answer of the visitor endpoint as ``get_remote_visitor_data`` does."""
        remote = parse_visitor_data(answer, wanted, now=self.clock.time())
        if remote.visitor_code is not None:
            self.store.change(self.visitor(code), lambda stored: adopt_visitor_code(stored, remote))
        if add and not remote.is_empty:
            self.store.change(self.visitor(code), lambda stored: add_remote_data(stored, remote, self.index))
        return remote


def add_data(stage: Stage, code: str, step: Json) -> None:
    """``add_data`` of the client."""
    data = [data_object(described) for described in step["data"]]
    stage.store.add_data(stage.visitor(code), data, stage.index, is_tracked=step.get("track", True))


def receive_remote_data(stage: Stage, code: str, step: Json) -> None:
    """``get_remote_visitor_data`` of the client, the answer given."""
    stage.receive(code, step["response"], RemoteVisitorDataFilter(**step["filter"]))


def set_consent(stage: Stage, code: str, step: Json) -> None:
    """``set_legal_consent`` of the client."""
    consent = LegalConsent.GIVEN if step["value"] else LegalConsent.NOT_GIVEN
    stage.store.change(stage.visitor(code), lambda visitor: visitor.set_consent(consent))


def force(stage: Stage, code: str, step: Json) -> None:
    """``set_forced_variation`` of the client."""
    experiment_id, key = step["experiment_id"], step["variation_key"]
    if key is None:
        stage.store.change(stage.visitor(code), lambda visitor: visitor.unforce(experiment_id))
        return
    forced = stage.ruleset.forced_variation(experiment_id, key, ignores_targeting=step.get("force_targeting", True))
    stage.store.change(stage.visitor(code), lambda visitor: visitor.force(forced))


def simulate(stage: Stage, code: str, step: Json) -> None:
    """``get_visitor_code`` of the client with a simulation cookie."""
    simulation = parse_simulation(step["cookie"], stage.index.flag)
    if simulation is None:
        return

    def change(visitor: Visitor) -> None:
        traits = visitor.own_traits()
        traits.simulated = simulation.variations
        traits.settle()

    stage.store.change(stage.visitor(code), change)


def evaluate(stage: Stage, code: str, step: Json) -> None:
    """``get_variation`` of the client; tracked or not, the assignment is stored (4.8)."""
    stage.evaluate(code, step["flag"])


STEPS: Mapping[str, Callable[[Stage, str, Json], None]] = {
    "add_data": add_data,
    "consent": set_consent,
    "evaluate": evaluate,
    "force": force,
    "remote_visitor_data": receive_remote_data,
    "simulate": simulate,
}
