"""Campaigns, flags and explanations for people who look at them: plain data, with targeting in words.

Pure: it reads what is served. Any thread.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...flagship.engine.allocation import BUCKETS
from ...flagship.engine.evaluation import CompiledCampaign, CompiledGroup, Variation
from ...flagship.engine.explain import Step
from ...flagship.engine.ruleset import Ruleset
from ...flagship.engine.targeting import Leaf, Targeting
from .environment import Served
from .overrides import FORCED, Override

__all__ = ["context_keys", "described", "told", "variation_names"]

WORDS = {
    "EQUALS": ("is", "is one of"),
    "NOT_EQUALS": ("is not", "is none of"),
    "CONTAINS": ("contains", "contains one of"),
    "NOT_CONTAINS": ("does not contain", "contains none of"),
    "STARTS_WITH": ("starts with", "starts with one of"),
    "ENDS_WITH": ("ends with", "ends with one of"),
    "GREATER_THAN": (">", "> one of"),
    "GREATER_THAN_OR_EQUALS": ("≥", "≥ one of"),
    "LOWER_THAN": ("<", "< one of"),
    "LOWER_THAN_OR_EQUALS": ("≤", "≤ one of"),
}
"""How a value is compared, and a list of them; of any other operator, its name in small letters."""

NAMES = {"fs_users": "visitor id"}
EVERYBODY = "everybody"

MOST_VALUES = 20
"""Of one rule, that are written out."""

MOST_RULES = 100
"""Of one variation group, that are shown."""


# Campaigns and flags --------------------------------------------------------------------------------------------------


def described(served: Served | None) -> dict[str, Any]:
    """All campaigns by id and all flags, each with the campaigns that give it: the one that counts most first."""
    if served is None:
        return {"campaigns": {}, "flags": [], "problems": []}
    declared, overrides = served.declared, served.overrides.campaigns
    return {
        "campaigns": {
            campaign.id: _campaign(campaign, overrides.get(campaign.id), declared) for campaign in declared.campaigns
        },
        "flags": [
            {"key": key, "campaigns": list(dict.fromkeys(campaign.id for campaign in reversed(campaigns)))}
            for key, campaigns in declared.flags.items()
        ],
        "problems": [f"{problem.path}: {problem.message}" for problem in declared.problems],
    }


def context_keys(ruleset: Ruleset) -> list[str]:
    """The keys of a context that some rule looks at."""
    keys = {leaf.key for leaf in _leaves(ruleset) if leaf.key is not None}
    return sorted(keys)


def _leaves(ruleset: Ruleset) -> Iterator[Leaf]:
    for campaign in ruleset.campaigns:
        for group in campaign.groups:
            for rules in group.targeting.groups:
                yield from rules


def _campaign(campaign: CompiledCampaign, override: Override | None, declared: Ruleset) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "slug": campaign.slug or "",
        "type": campaign.type,
        "ranges": None if campaign.ranges is None else [list(entry) for entry in campaign.ranges],
        "variations": [
            {
                "key": variation.id,
                "name": name,
                "isReference": variation.is_reference,
                "flags": variation.modifications,
            }
            for variation, name in zip(_variations(campaign), variation_names(campaign).values(), strict=True)
        ],
        "groups": [_group(group) for group in campaign.groups],
        "override": override,
        "problems": [f"{place}: {message}" for place, message in campaign.problems],
    }


def _variations(campaign: CompiledCampaign) -> list[Variation]:
    found: dict[str, Variation] = {}
    for group in campaign.groups:
        for variation in group.variations:
            found.setdefault(variation.id, variation)
    return list(found.values())


def variation_names(campaign: CompiledCampaign) -> dict[str, str]:
    """What its variations are called, by id; with the scenario's name, where two would be called the same."""
    variations = _variations(campaign)
    counts = Counter(variation.name for variation in variations)
    return {
        each.id: f"{each.name}, {each.group_name or each.group_id}" if counts[each.name] > 1 else each.name or each.id
        for each in variations
    }


def _group(group: CompiledGroup) -> dict[str, Any]:
    conditions = _conditions(group.targeting)
    return {
        "id": group.id,
        "name": group.name,
        "words": _words_of(group.targeting),
        "conditions": conditions,
        "problem": group.targeting.problem,
        "shares": [
            {"variation": variation.id, "share": group.table.count(variation) / BUCKETS}
            for variation in group.variations
        ],
    }


# Targeting in words ---------------------------------------------------------------------------------------------------


def _words_of(targeting: Targeting) -> str:
    if targeting.matches is None:
        return EVERYBODY
    rules = sum(len(group) for group in targeting.groups)
    if not rules:
        return "nobody"
    if rules > MOST_RULES:
        return f"{rules} rules"
    told = [" and ".join(_rule_words(leaf.raw) for leaf in group) for group in targeting.groups]
    return " or ".join(f"({words})" if len(told) > 1 and " and " in words else words for words in told)


def _conditions(targeting: Targeting) -> dict[str, Any] | None:
    """A tree of ``any``, ``all`` and conditions; ``None`` where one line says it all."""
    if targeting.matches is None or sum(len(group) for group in targeting.groups) < 2:
        return None
    left = MOST_RULES
    groups = []
    for group in targeting.groups:
        groups.append({"all": [{"words": _rule_words(leaf.raw), "problem": leaf.problem} for leaf in group[:left]]})
        left -= len(group)
        if left <= 0:
            break
    return groups[0] if len(groups) == 1 else {"any": groups}


def _rule_words(rule: Mapping[str, Any]) -> str:
    """Such as ``country is one of "FR", "BE"``."""
    key, operator, value = str(rule.get("key")), str(rule.get("operator")), rule.get("value")
    if key == "fs_all_users":
        return EVERYBODY
    if rule.get("provider"):
        key = f"{rule['provider']}::{key}"
    name = NAMES.get(key, key)
    if operator in ("EXISTS", "NOT_EXISTS"):
        return f"{name} is there" if (operator == "EXISTS") is (value is True) else f"{name} is not there"
    is_list = isinstance(value, list)
    words = WORDS[operator][is_list] if operator in WORDS else operator.replace("_", " ").lower()
    values = value if isinstance(value, list) else [value]
    told = ", ".join(json.dumps(each, ensure_ascii=False) for each in values[:MOST_VALUES])
    return f"{name} {words} {told}{', …' if len(values) > MOST_VALUES else ''}"


# Explanations ---------------------------------------------------------------------------------------------------------


def told(steps: Iterable[Step], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The steps of an explanation as plain data; each with a ``title`` for people, and whether it is a no.

    Of a bucket, ``place`` is where in [0, 1) the visitor is, and ``shares`` what lies there. ``names`` are those of
    variations.
    """
    return [
        {
            "name": step.name,
            "title": _title(step),
            "outcome": names.get(step.outcome, step.outcome),
            "isAgainst": step.is_against,
            "facts": _facts(step),
            "steps": told(step.steps, names),
        }
        for step in steps
    ]


def _title(step: Step) -> str:
    kind, _, rest = step.name.rpartition(" ")
    if kind == "rule":
        return _rule_words({**step.facts, "operator": rest})
    if kind == "variation group" and FORCED in rest:
        return "override"
    if kind in ("campaign", "variation group"):
        return f"{'campaign' if kind == 'campaign' else 'scenario'} {step.facts.get('name') or rest}"
    return step.name


def _facts(step: Step) -> dict[str, Any]:
    facts = {name: value for name, value in step.facts.items() if name in ("seen", "problem") and value is not None}
    place, below = step.facts.get("bucket"), step.facts.get("below")
    if place is not None:
        facts["place"] = place / BUCKETS
    if below is not None:
        shares, reached = [], 0.0
        for variation, upper in below.items():
            bound = min(upper, BUCKETS) / BUCKETS
            shares.append({"variation": variation, "share": max(0.0, bound - reached)})
            reached = max(reached, bound)
        facts["shares"] = shares
    return facts
