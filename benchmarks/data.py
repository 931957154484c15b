"""The data files everybody is measured on: same number in, same bytes out.

Owns the flags with a known path through an evaluation, the filler around them and the visitor that
matches; leaves writing files and feeding libraries to others. Layout: specs/kameleoon-sdk.md section 2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = [
    "CUSTOM_DATA",
    "EDITION",
    "EXP3",
    "EXP3_HALF",
    "NAMED_FLAGS",
    "RULE10",
    "SEG3",
    "SIMPLE",
    "SPLIT",
    "data_file",
    "document",
    "edition_name",
    "experiment",
    "filler_key",
]

Json: TypeAlias = dict[str, Any]  # Any: a JSON document on its way out

Shares: TypeAlias = tuple[tuple[str, float], ...]
"""Variation key and share of each entry of a rule."""

SIMPLE = "f_simple"
EXP3 = "f_exp3"
EXP3_HALF = "f_exp3_half"
SEG3 = "f_seg3"
SPLIT = "f_split"
RULE10 = "f_rule10"
EDITION = "f_edition"

CUSTOM_DATA = (("plan", "premium"), ("country", "FR"), ("basket", "120"))
"""Name and value of the measured visitor's three custom data; the position is the index."""

_THIRDS = (("control", 0.34), ("one_page", 0.33), ("express", 0.33))
_HALVES = (("control", 0.5), ("on", 0.5))
_FILLERS_PER_SEGMENT = 6
_FIRST_FILLER_SEGMENT = 10_000


def data_file(flags: int, edition: int = 1) -> bytes:
    """JSON of ``flags`` flags, about 1.77 KB each; every filler flag differs between two editions."""
    fillers = range(flags - len(NAMED_FLAGS))
    return document(
        [
            *(_named_flag(position, key, edition) for position, key in enumerate(NAMED_FLAGS)),
            *(_filler_flag(number, edition) for number in fillers),
        ],
        [
            *_NAMED_SEGMENTS,
            *(_filler_segment(number) for number in range(len(fillers) // _FILLERS_PER_SEGMENT + 1)),
        ],
        edition,
    )


def document(flags: list[Json], segments: Sequence[Json] = (), edition: int = 1) -> bytes:
    """JSON of a data file with these flags and segments."""
    return json.dumps(
        {
            "dateModified": 1_789_900_000_000 + edition,
            "configuration": {"realTimeUpdate": False, "consentType": "NOT_REQUIRED"},
            "customData": [
                {"id": 501 + index, "index": index, "name": name, "scope": "VISITOR", "localOnly": False}
                for index, (name, _) in enumerate(CUSTOM_DATA)
            ],
            "segments": list(segments),
            "featureFlags": flags,
        },
        separators=(",", ":"),
    ).encode()


def experiment(key: str, number: int, exposition: float, shares: Shares, respool_time: int | None = None) -> Json:
    """A flag of one experiment without a segment; variations are `off` and those of the shares."""
    rule = {**_rule(1_000 * (1 + number), exposition=exposition, shares=shares), "respoolTime": respool_time}
    names = ("off", *(name for name, _ in shares))
    variations = [_variation(name, _enabled(name != "off")) for name in names]
    return _flag(1 + number, key, variations, [rule])


def filler_key(number: int) -> str:
    """Key of the filler flag with this number, counted from 0."""
    return f"flag_{number:05}"


def edition_name(edition: int) -> str:
    """What `EDITION` answers as a string: tells which edition of the data file is in use."""
    return f"edition-{edition}"


def _condition(index: int, match: str, value: str) -> Json:
    return {
        "targetingType": "CUSTOM_DATUM",
        "isInclude": True,
        "customDataIndex": str(index),
        "valueMatchType": match,
        "value": value,
    }


def _segment(segment_id: int, *conditions: Json) -> Json:
    group = {"orOperators": [False] * (len(conditions) - 1), "conditions": list(conditions)}
    return {
        "id": segment_id,
        "name": f"Segment {segment_id}",
        "conditionsData": {"firstLevelOrOperators": [], "firstLevel": [group]},
        "audienceTracking": False,
    }


_PREMIUM, _FRENCH_BASKETS, _NOBODY = 2001, 2002, 2100
_NAMED_SEGMENTS = (
    _segment(_PREMIUM, _condition(0, "EXACT", "premium")),
    _segment(
        _FRENCH_BASKETS,
        _condition(0, "EXACT", "premium"),
        _condition(1, "EXACT", "FR"),
        _condition(2, "GREATER", "99.5"),
    ),
    *(_segment(_NOBODY + n, _condition(n % 3, "EXACT", f"nobody-{n}")) for n in range(9)),
)


def _rule(
    rule_id: int,
    *,
    kind: str = "EXPERIMENTATION",
    exposition: float = 1.0,
    shares: Shares = _THIRDS,
    segment: int | None = None,
) -> Json:
    entries = [
        {"variationKey": key, "variationId": rule_id * 10 + position, "exposition": share}
        for position, (key, share) in enumerate(shares)
    ]
    return {
        "id": rule_id,
        "order": 0,
        "type": kind,
        "exposition": exposition,
        "experimentId": rule_id + 1,
        "respoolTime": None,
        "segmentId": segment,
        "variationByExposition": entries,
    }


def _delivery(rule_id: int, segment: int | None = None) -> Json:
    return _rule(rule_id, kind="TARGETED_DELIVERY", shares=(("on", 1.0),), segment=segment)


def _rules_of_ten(base: int) -> list[Json]:
    failing = [_delivery(base + 10 * n, segment=_NOBODY + n) for n in range(9)]
    return [*failing, _rule(base + 90, shares=_HALVES)]


def _rules_of(key: str, base: int) -> list[Json]:
    """Rules that give each named flag its known path: how many segments, how many hashes."""
    rules: dict[str, list[Json]] = {
        SIMPLE: [_delivery(base)],
        EXP3: [_rule(base)],
        EXP3_HALF: [_rule(base, exposition=0.5)],
        SEG3: [_delivery(base, segment=_FRENCH_BASKETS)],
        SPLIT: [_rule(base, shares=_HALVES, segment=_PREMIUM)],
        RULE10: _rules_of_ten(base),
        EDITION: [_delivery(base)],
    }
    return rules[key]


NAMED_FLAGS = (SIMPLE, EXP3, EXP3_HALF, SEG3, SPLIT, RULE10, EDITION)
"""Keys of the flags with a known path, in the order of the file."""


def _variation(key: str, *variables: Json) -> Json:
    return {"key": key, "name": key.replace("_", " ").capitalize(), "variables": list(variables)}


def _enabled(value: bool) -> Json:
    return {"key": "enabled", "type": "BOOLEAN", "value": value}


def _named_flag(number: int, key: str, edition: int) -> Json:
    if key == EDITION:
        first = {"key": "edition", "type": "STRING", "value": edition_name(edition)}
        variations = [_variation("off", first), _variation("on", first)]
    else:
        variations = [
            _variation(name, _enabled(name not in ("off", "control")))
            for name in ("off", "control", "on", "one_page", "express")
        ]
    return _flag(1 + number, key, variations, _rules_of(key, 1_000 * (1 + number)))


def _flag(flag_id: int, key: str, variations: list[Json], rules: list[Json]) -> Json:
    return {
        "id": flag_id,
        "featureKey": key,
        "environmentEnabled": True,
        "defaultVariationKey": "off",
        "mutuallyExclusiveGroup": None,
        "bucketingCustomDataId": None,
        "variations": variations,
        "rules": rules,
    }


def _filler_flag(number: int, edition: int) -> Json:
    def variation(name: str, limit: float) -> Json:
        settings = json.dumps({"layout": name, "edition": edition, "columns": [1, 2, 3]})
        return _variation(
            name,
            _enabled(name != "off"),
            {"key": "limit", "type": "NUMBER", "value": limit},
            {"key": "label", "type": "STRING", "value": f"Label of {filler_key(number)} shown as {name}"},
            {"key": "settings", "type": "JSON", "value": settings},
        )

    variations = [variation(name, 1.5 * position) for position, name in enumerate(("off", "control", "on"))]
    rule_id = 1_000_000 + 100 * number
    segment = _FIRST_FILLER_SEGMENT + number // _FILLERS_PER_SEGMENT
    shares = (("control", 0.34), ("on", 0.33), ("off", 0.33))
    rules = [_delivery(rule_id, segment=segment), _rule(rule_id + 50, exposition=0.5, shares=shares)]
    return _flag(100_000 + number, filler_key(number), variations, rules)


def _filler_segment(number: int) -> Json:
    return _segment(
        _FIRST_FILLER_SEGMENT + number,
        _condition(0, "EXACT", f"plan-{number}"),
        _condition(1, "CONTAINS", f"country-{number}"),
    )
