"""Bucketing files for tests: the specification's, its vectors (specs/flagship.md 10), and small ones made of parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from openfeature_kameleoon.flagship.engine.decision import Decision
from openfeature_kameleoon.flagship.engine.ruleset import Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SDK, Semantics
from openfeature_kameleoon.flagship.engine.targeting import Visitor

__all__ = [
    "EVERYBODY",
    "SDK_CONTEXT",
    "answers",
    "bucketing",
    "campaign",
    "group",
    "read",
    "rule",
    "targeting",
    "variation",
    "vectors",
    "visitor",
]

Json = dict[str, Any]

DATA = Path(__file__).parents[1] / "data"

SDK_CONTEXT = {"fs_client": "python", "fs_version": "3.0.1"}
"""What the Python SDK adds to every context."""


@cache
def vectors(section: str) -> Any:
    """One section of the vectors."""
    return json.loads((DATA / "flagship-vectors.json").read_text(encoding="utf-8"))[section]


def bucketing() -> Json:
    """The specification's example."""
    decoded: Json = json.loads((DATA / "flagship-bucketing.json").read_text(encoding="utf-8"))
    return decoded


def read(file: Any, previous: Ruleset | None = None, semantics: Semantics = SDK) -> Ruleset:
    return Ruleset.read(json.dumps(file).encode(), previous, semantics=semantics)


def rule(operator: Any = "EQUALS", key: Any = "k", value: Any = "v", **members: Any) -> Json:
    return {"operator": operator, "key": key, "value": value, **members}


def targeting(*groups: Any) -> Json:
    """Targeting groups, each a list of rules."""
    return {"targetingGroups": [{"targetings": rules} for rules in groups]}


EVERYBODY = targeting([rule(key="fs_all_users", value="")])


def variation(id: str, flags: Mapping[str, Any], allocation: Any = 100, **members: Any) -> Json:
    modifications = {"type": "JSON", "value": dict(flags)}
    return {"id": id, "allocation": allocation, "modifications": modifications, **members}


def group(id: str, *variations: Any, targeting: Any = EVERYBODY, **members: Any) -> Json:
    return {"id": id, "targeting": targeting, "variations": list(variations), **members}


def campaign(id: str, *groups: Any, type: str = "ab", **members: Any) -> Json:
    return {"id": id, "type": type, "variationGroups": list(groups), **members}


def answers(decision: Decision) -> dict[str, list[Any]]:
    """Flags as the vectors have them: the value and the variation's id."""
    return {
        key: [evaluation.value, evaluation.variation.id if evaluation.variation else None]
        for key, evaluation in decision.flags.items()
    }


def visitor(id: str = "visitor-1", /, **context: Any) -> Visitor:
    return Visitor(id, context)
