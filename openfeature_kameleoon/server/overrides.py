"""Overrides: what somebody has a flag do in place of what the data file says, written into the data file itself.

So every SDK follows them, in any language. Pure: values, and one function from a data file's members to others. Data
files of 2.x are not overridden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..datafile.model import FeatureFlag
from ..errors import ConfigSettingInvalid

__all__ = ["Members", "Override", "checked", "overridden"]

Members = dict[str, msgspec.Raw]
"""The members of a data file, each as text."""

FIRST_ID = 4_000_000_000_000
"""Of segments, rules and experiments that are made here; Kameleoon's are far smaller."""


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one flag is to do. ``enabled`` switches it; ``variation`` is everybody's, whatever the rules say.

    ``visitors`` get theirs by visitor code, as far as holdout and exclusive group let them; ``expositions`` are those
    of rules by id, in [0, 1]. ``None`` and empty mappings leave it to the data file.
    """

    enabled: bool | None = None
    variation: str | None = None
    visitors: dict[str, str] = {}
    expositions: dict[str, float] = {}


def checked(override: Override, flag: FeatureFlag) -> Override:
    """The override, if the flag has what it speaks of. Raises ``ConfigSettingInvalid``."""
    variations = {variation.key for variation in flag.variations or ()}
    for key in {override.variation, *override.visitors.values()} - {None}:
        if key not in variations:
            names = ", ".join(sorted(variations))
            raise _invalid(flag, "variation", f"there is no variation {key!r:.60}; there are {names:.200}")
    rules = {str(rule.id) for rule in flag.rules or ()}
    for rule, exposition in override.expositions.items():
        if rule not in rules:
            raise _invalid(flag, "expositions", f"there is no rule {rule!r:.40}")
        if not 0.0 <= exposition <= 1.0:
            raise _invalid(flag, "expositions", f"an exposition lies between 0 and 1; {exposition!r} does not")
    return override


def _invalid(flag: FeatureFlag, setting: str, problem: str) -> ConfigSettingInvalid:
    return ConfigSettingInvalid(f"override of {flag.feature_key!r:.60}: {problem}", setting=setting)


def overridden(members: Members, overrides: Mapping[str, Override]) -> Members:
    """The members of a data file in which the overrides are what its rules say."""
    if not overrides:
        return members
    try:
        flags, others = (
            msgspec.json.decode(members.get(name, b"[]"), type=list[msgspec.Raw] | None) or []
            for name in ("featureFlags", "segments")
        )
    except msgspec.ValidationError:  # no lists: whoever reads the data file says so
        return members
    segments: list[Any] = list(others)
    number = FIRST_ID
    for place, text in enumerate(flags):
        override = overrides.get(_key_of(text))
        if override is not None and _fits(override, text):
            flag = msgspec.json.decode(text)
            own = list(_segments(override, number))
            number += len(own)
            segments += [segment for _, segment in own]
            _apply(flag, override, [(key, segment["id"]) for key, segment in own])
            flags[place] = msgspec.Raw(msgspec.json.encode(flag))
    changed = {"featureFlags": flags, "segments": segments}
    return {**members, **{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changed.items()}}


def _fits(override: Override, flag: msgspec.Raw) -> bool:
    """Whether the flag still has what the override speaks of: the data file may be another one by now."""
    try:
        checked(override, msgspec.json.decode(flag, type=FeatureFlag))
    except (ConfigSettingInvalid, msgspec.ValidationError):
        return False
    return True


class _Key(msgspec.Struct, rename="camel"):
    feature_key: str = ""


def _key_of(flag: msgspec.Raw) -> str:
    """The flag's key; empty for what is no flag at all, which costs nobody else anything."""
    try:
        return msgspec.json.decode(flag, type=_Key).feature_key
    except msgspec.ValidationError:
        return ""


def _segments(override: Override, number: int) -> Iterable[tuple[str, dict[str, Any]]]:
    """For each variation that visitors are given, a segment of their codes."""
    for offset, key in enumerate(dict.fromkeys(override.visitors.values())):
        conditions = [
            {"targetingType": "VISITOR_CODE", "isInclude": True, "visitorCode": code, "matchType": "EXACT"}
            for code, given in override.visitors.items()
            if given == key
        ]
        group = {"conditions": conditions, "orOperators": [True] * (len(conditions) - 1)}
        data = {"firstLevel": [group], "firstLevelOrOperators": []}
        yield key, {"id": number + offset, "name": "overridden visitors", "conditionsData": data}


def _apply(flag: dict[str, Any], override: Override, visitors: list[tuple[str, int]]) -> None:
    flag["overridden"] = True
    rules = flag.get("rules") or []
    for rule in rules:
        exposition = override.expositions.get(str(rule.get("id")))
        if exposition is not None:
            rule["exposition"] = exposition
    if override.variation is not None:  # the default answers whoever no rule applies to, and whoever is held out
        flag["defaultVariationKey"], rules = override.variation, []
    ids = {
        share.get("variationKey"): share.get("variationId")
        for rule in flag.get("rules") or []
        for share in rule.get("variationByExposition") or []
    }
    flag["rules"] = [_delivery(key, ids.get(key), segment) for key, segment in visitors] + rules
    for order, rule in enumerate(flag["rules"]):
        rule["order"] = order
    if override.enabled is not None:
        flag["environmentEnabled"] = override.enabled


def _delivery(variation: str, variation_id: int | None, number: int) -> dict[str, Any]:
    share = {"variationKey": variation, "variationId": variation_id, "exposition": 1.0}
    return {
        "id": number,
        "type": "TARGETED_DELIVERY",
        "exposition": 1.0,
        "experimentId": number,
        "segmentId": number,
        "variationByExposition": [share],
    }
