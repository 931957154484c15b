"""Flags and explanations for people who look at them: plain data, with segments in words and names for ids.

Pure: it reads a ruleset, and what the data file itself says of a flag where that is overridden. Any thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..context import KINDS, VARIABLE_KEY
from ..datafile.index import DataFileIndex
from ..datafile.model import FeatureFlag, Rule
from ..engine.evaluation import DELIVERY, EXPERIMENT
from ..engine.explain import Step
from ..engine.ruleset import Ruleset
from ..engine.segments import Targeting
from ..engine.targeting import EVERYBODY, Leaf, Node, Tree
from ..errors import FeatureMalformed, KameleoonError
from .overrides import FIRST_ID, Override

__all__ = ["described_flag", "told", "unused", "words_of"]

RULE_TYPES = {DELIVERY: "delivery", EXPERIMENT: "experiment"}

WORDS = {
    "AMONG_VALUES": "is one of",
    "CONTAINS": "contains",
    "EQUAL": "=",
    "EXACT": "is",
    "FALSE": "is false",
    "GREATER": ">",
    "LOWER": "<",
    "REGULAR_EXPRESSION": "matches",
    "TRUE": "is true",
    "UNDEFINED": "is not set",
}
"""How a value is compared; of any other literal, the literal itself in small letters."""

NEEDS_NO_VALUE = ("TRUE", "FALSE", "UNDEFINED")

MOST_CONDITIONS = 100
"""Of one segment, that are shown: nobody reads more, and a data file may have very many."""


# Flags ----------------------------------------------------------------------------------------------------------------


def described_flag(key: str, declared: FeatureFlag, override: Override | None, ruleset: Ruleset) -> dict[str, Any]:
    """A flag as plain data: what the data file declares, and beside it what is served in its place.

    Ids are texts: they may be larger than JavaScript can count.
    """
    effective = override or Override()
    enabled = bool(declared.environment_enabled) or ruleset.index.is_legacy
    default = declared.default_variation_key or ""
    return {
        "key": key,
        "id": str(declared.id or ""),
        "enabled": enabled if effective.enabled is None else effective.enabled,
        "declaredEnabled": enabled,
        "default": default if effective.variation is None else effective.variation,
        "declaredDefault": default,
        "group": declared.mutually_exclusive_group or None,
        "variations": [
            {
                "key": variation.key,
                "name": variation.name or "",
                "variables": [
                    {"key": variable.key, "type": variable.type, "value": variable.value}
                    for variable in variation.variables or ()
                ],
            }
            for variation in declared.variations or ()
        ],
        "rules": [_rule(rule, declared, effective, ruleset) for rule in declared.rules or ()],
        "override": override,
        "problems": list(_problems(key, ruleset)),
    }


def _problems(key: str, ruleset: Ruleset) -> Iterator[str]:
    yield from (problem.message for problem in ruleset.index.problems if problem.flag == key)
    try:
        yield from ruleset.flag(key).problems
    except KameleoonError as error:
        yield error.message


def _rule(rule: Rule, flag: FeatureFlag, override: Override, ruleset: Ruleset) -> dict[str, Any]:
    exposition = override.expositions.get(str(rule.id), rule.exposition)
    return {
        "id": str(rule.id or ""),
        "type": RULE_TYPES.get(rule.type or "", rule.type),
        "experimentId": str(rule.experiment_id or ""),
        "exposition": exposition,
        "declaredExposition": rule.exposition,
        "isOverridden": override.variation is not None or str(rule.id) in override.expositions,
        "segment": _segment(rule, flag, ruleset),
        "shares": [
            {"variation": entry.variation_key, "share": entry.exposition}
            for entry in rule.variation_by_exposition or ()
        ],
    }


def _segment(rule: Rule, flag: FeatureFlag, ruleset: Ruleset) -> dict[str, Any]:
    """Whom a rule is for. ``words`` is one line, ``conditions`` a tree of ``all``, ``any`` and conditions."""
    index = ruleset.index
    segment: dict[str, Any] = {"id": str(rule.segment_id or ""), "name": None, "problem": None, "conditions": None}
    if rule.segment_id:
        segment["name"] = index.segment_name(rule.segment_id)
    try:
        targeting = _targeting(rule, flag, ruleset)
    except FeatureMalformed as error:
        return {**segment, "words": "nobody", "problem": error.message}
    if targeting is None or targeting.matches is None:
        return {**segment, "words": "everybody"}
    conditions = _conditions(targeting.tree, index)
    return {**segment, "words": words_of(conditions), "conditions": conditions}


def _targeting(rule: Rule, flag: FeatureFlag, ruleset: Ruleset) -> Targeting | None:
    """As the rule's is compiled, also where an override has left the rule out."""
    if rule.segment is not None:
        return ruleset.segments.compile(rule.segment, flag.id)
    return ruleset.segments.targeting(rule.segment_id, rule.experiment_id or 0) if rule.segment_id else None


def _conditions(tree: Tree, index: DataFileIndex) -> dict[str, Any]:
    if isinstance(tree, Leaf):
        kind = str(tree.raw.get("targetingType"))
        members = {name: value for name, value in tree.raw.items() if name != "targetingType"}
        return {"type": kind, "words": _condition_words(kind, members, index), "raw": members, "problem": tree.problem}
    if isinstance(tree, Node):
        if tree.is_or is None:  # the left side counts for nothing
            return _conditions(tree.right, index)
        return {"any" if tree.is_or else "all": [_conditions(part, index) for part in _operands(tree)]}
    return {"all": []}


def _operands(node: Node) -> list[Tree]:
    """What one operator joins, flat and in the order of the data file; of very many, the first."""
    operands: list[Tree] = []
    waiting: list[Tree] = [node]
    while waiting and len(operands) < MOST_CONDITIONS:
        part = waiting.pop()
        if isinstance(part, Node) and part.is_or is node.is_or:
            waiting += (part.right, part.left)
        elif part is not EVERYBODY:
            operands.append(part)
    return operands


# Words ----------------------------------------------------------------------------------------------------------------


def words_of(conditions: Mapping[str, Any]) -> str:
    """Conditions on one line."""
    if "words" in conditions:
        return str(conditions["words"])
    joined, parts = next(iter(conditions.items()))
    told = (f"({words_of(part)})" if len(parts) > 1 and "words" not in part else words_of(part) for part in parts)
    return (" or " if joined == "any" else " and ").join(told) or "everybody"


def _condition_words(kind: str, members: Mapping[str, Any], index: DataFileIndex) -> str:
    """Such as ``plan is one of "pro", "enterprise"``; what is not known by heart is told by its members."""
    no = "" if members.get("isInclude") is not False else "not: "
    if kind == "CUSTOM_DATUM":
        match = str(members.get("valueMatchType"))
        return f"{no}{_custom_data_name(members, index)} {_compared(match, members.get('value'))}"
    if kind == "SEGMENT":
        number = members.get("segmentId")
        name = index.segment_name(number) if isinstance(number, int) else None
        return f"{no}segment {name or number}"
    subject = kind.replace("_", " ").lower()
    match = str(members.get("matchType", ""))
    others = {name: value for name, value in members.items() if name not in ("isInclude", "matchType")}
    if match and len(others) == 1:
        return f"{no}{subject} {_compared(match, next(iter(others.values())))}"
    told = [f"{name} {_text(value)}" for name, value in others.items() if value not in (None, "")]
    return f"{no}{subject} {' '.join(([_word(match)] if match else []) + told)}".rstrip()


def _compared(match: str, value: Any) -> str:
    if match in NEEDS_NO_VALUE:
        return _word(match)
    if match == "AMONG_VALUES" and isinstance(value, str):
        try:
            items = json.loads(value)
        except (ValueError, RecursionError):
            items = None
        if isinstance(items, list):
            return f"{_word(match)} {', '.join(map(_text, items))}"
    return f"{_word(match)} {_text(value)}"


def _word(match: str) -> str:
    return WORDS.get(match, match.replace("_", " ").lower())


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _custom_data_name(members: Mapping[str, Any], index: DataFileIndex) -> str:
    number = members.get("customDataIndex")
    info = index.custom_data.get(int(number)) if isinstance(number, str | int) and str(number).isdecimal() else None
    return info.name if info is not None and info.name else f"custom data {number}"


# Explanations ---------------------------------------------------------------------------------------------------------


def told(steps: Iterable[Step], index: DataFileIndex) -> list[dict[str, Any]]:
    """The steps of an explanation as plain data; each with a ``title`` for people, and whether it is a no."""
    return [
        {
            **step.as_dict(),
            "title": _title(step, index),
            "isAgainst": step.is_against,
            "steps": told(step.steps, index),
        }
        for step in steps
    ]


def _title(step: Step, index: DataFileIndex) -> str:
    number = step.facts.get("id")
    if step.name.startswith("condition "):
        return _condition_words(step.name.removeprefix("condition "), _members(step), index)
    if step.name == "segment" and isinstance(number, int):
        return f"segment {index.segment_name(number) or number}"
    if step.name == "rule":
        if isinstance(number, int) and number >= FIRST_ID:
            return "override for some visitors"
        kind = step.facts.get("type")
        return f"rule {number}, {RULE_TYPES.get(str(kind), kind)}"
    return step.name


def _members(step: Step) -> dict[str, Any]:
    return {name: value for name, value in step.facts.items() if name not in ("seen", "problem")}


def unused(attributes: Mapping[str, Any], index: DataFileIndex) -> list[str]:
    """Attributes of a context that decide nothing: a misspelt one would go unnoticed."""
    return [
        name
        for name in attributes
        if name != VARIABLE_KEY and name not in KINDS and name not in index.custom_data_by_name
    ]
