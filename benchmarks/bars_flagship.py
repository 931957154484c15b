"""Bar 28: an evaluation of Flagship's provider beside InMemoryProvider and AB Tasty's own package.

That package, ``flagship``, has no provider for OpenFeature. Its part is the least that one would call: for a visitor
that it knows, to read a flag without an exposure; for a new one, to make the visitor, fetch its flags and read one. It
requires urllib3 1.26 and pytest at run time, so it is installed by itself: ``pip install --no-deps flagship`` and
``pip install "importlib_metadata<9"``. Where it is missing, its figures are.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration

from . import anchors
from .data import EXP3
from .loopback import served
from .measure import Effort, Row, Turn, at_least, at_most, interleave, keyword_call
from .redirect import requests_redirected

__all__ = ["BARS", "flagship_file"]

ATTRIBUTES = {"plan": "premium", "country": "FR", "basket": 120}
SECONDS_TO_READY = 10.0


def flagship_file(campaigns: int = 100) -> bytes:
    """A bucketing file: a test of thirds, for whom three rules accept, among others for nobody."""
    rules: list[dict[str, Any]] = [
        {"operator": "EQUALS", "key": "plan", "value": "premium"},
        {"operator": "EQUALS", "key": "country", "value": ["FR", "BE"]},
        {"operator": "GREATER_THAN", "key": "basket", "value": 99.5},
    ]
    nobody = [{"operator": "EQUALS", "key": "plan", "value": "nobody's"}]
    measured = _campaign(EXP3, rules, ((True, 34), (True, 33), (True, 33)))
    others = [_campaign(f"flag_{number:05}", nobody, ((True, 50), (False, 50))) for number in range(campaigns - 1)]
    return json.dumps({"campaigns": [measured, *others]}).encode()


def _campaign(key: str, rules: list[dict[str, Any]], shares: tuple[tuple[bool, int], ...]) -> dict[str, Any]:
    variations = [
        {
            "id": f"{key}-{number}",
            "allocation": share,
            "reference": number == 0,
            "modifications": {"type": "JSON", "value": {key: value}},
        }
        for number, (value, share) in enumerate(shares)
    ]
    group = {"id": f"{key}-group", "targeting": {"targetingGroups": [{"targetings": rules}]}, "variations": variations}
    return {"id": f"{key}-campaign", "type": "ab", "slug": None, "variationGroups": [group]}


def evaluations(effort: Effort) -> list[Row]:
    """Bar 28."""
    known = EvaluationContext(anchors.VISITOR, ATTRIBUTES)  # type: ignore[arg-type]  # a dict of one type among those
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        file = Path(directory) / "bucketing.json"
        file.write_bytes(flagship_file())
        own = opened.enter_context(_ours(file))
        turns: dict[str, Turn] = {
            "in memory": _resolve(anchors.in_memory(), known),
            "ours": _resolve(own, known),
            "ours, key only": _resolve(own, EvaluationContext(anchors.VISITOR)),
            "ours, new": _timed(_new(lambda code: own.resolve_boolean_details(EXP3, False, _context(code)).value)),
        }
        if importlib.util.find_spec("flagship") is None:
            rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
            note = "AB Tasty's package is not installed: see bars_flagship.py"
            return [_beside_in_memory(rounds.ratio, note)]
        vendor = opened.enter_context(_vendor(directory))
        visitor = _visitor(vendor, anchors.VISITOR)
        if visitor.get_flag(EXP3, False).value(False) is not True:
            raise RuntimeError("AB Tasty's package does not answer")
        turns["vendor"] = _timed(lambda: visitor.get_flag(EXP3, False).value(False))
        turns["vendor, new"] = _timed(_new(lambda code: _visitor(vendor, code).get_flag(EXP3, False).value(False)))
        rounds = interleave(turns, rounds=effort.rounds // 4, turn_seconds=effort.turn_seconds)
        exposed = _timed(lambda: visitor.get_flag(EXP3, False).value(True))(20) / 20
    ratio, faster = rounds.ratio, "x faster than flagship 3.0.1"
    return [
        _beside_in_memory(ratio, f"with an exposure flagship 3.0.1 takes {exposed * 1e6:.0f} us, of a server near by"),
        Row(28, "Flagship: the same, key only", "x InMemory", ratio("ours, key only", "in memory")),
        Row(28, "Flagship: a flag of a known visitor, 3 attributes", faster, ratio("vendor", "ours"), at_least(2.5, 3)),
        Row(
            28,
            "Flagship: a flag of a new visitor, 3 attributes",
            faster,
            ratio("vendor, new", "ours, new"),
            at_least(35, 50),
        ),
    ]


def _beside_in_memory(ratio: Callable[[str, str], float], note: str) -> Row:
    what = "Flagship: a test, three rules, 3 attributes"
    return Row(28, what, "x InMemory", ratio("ours", "in memory"), at_most(3, 2), note=note)


def _resolve(provider: Any, context: EvaluationContext) -> Turn:
    return keyword_call(
        provider.resolve_boolean_details, flag_key=EXP3, default_value=False, evaluation_context=context
    )


def _context(code: str) -> EvaluationContext:
    return EvaluationContext(code, ATTRIBUTES)  # type: ignore[arg-type]  # as above


def _new(evaluate: Callable[[str], object]) -> Callable[[], object]:
    """Evaluates for another visitor each time."""
    number = 0

    def call() -> object:
        nonlocal number
        number += 1
        return evaluate(f"visitor-{number}")

    return call


def _timed(call: Callable[[], object]) -> Turn:
    return keyword_call(call)


@contextmanager
def _ours(file: Path) -> Iterator[FlagshipProvider]:
    provider = FlagshipProvider("ENV_ID", "API_KEY", FlagshipConfiguration(data_file=file))
    provider.initialize(EvaluationContext())
    try:
        yield provider
    finally:
        provider.shutdown()


@contextmanager
def _vendor(directory: str) -> Iterator[Any]:
    """AB Tasty's ``Flagship``, ready; it polls and tracks over loopback, and keeps its copy in the directory."""
    (Path(directory) / "bucketing.json.json").write_bytes(flagship_file())  # as loopback looks for it
    before = os.getcwd()
    with served(Path(directory)) as loopback, requests_redirected(loopback.port), ExitStack() as ending:
        ending.callback(os.chdir, before)
        os.chdir(directory)
        package, config = importlib.import_module("flagship"), importlib.import_module("flagship.config")
        quiet = importlib.import_module("flagship.log_manager").LogLevel.NONE
        package.Flagship.start("ENV_ID", "API_KEY", config.Bucketing(log_level=quiet, polling_interval=3_600_000))
        deadline = time.monotonic() + SECONDS_TO_READY
        while package.Flagship.status().name != "READY":
            if time.monotonic() > deadline:
                raise RuntimeError("AB Tasty's package does not become ready")
            time.sleep(0.01)
        try:
            yield package.Flagship
        finally:
            package.Flagship.stop()


def _visitor(vendor: Any, code: str) -> Any:
    visitor = vendor.new_visitor(code, context=dict(ATTRIBUTES))
    visitor.fetch_flags()
    return visitor


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {28: evaluations}
