"""A flag's rules: who is meant, what they get, and the ids that decide which visitor gets which.

An id that is not given follows from the flag's key, from whether the rule serves or experiments, and from its segment;
rules that have all that in common count on. So an edit elsewhere, of shares too, moves no visitor.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import DataFileInvalid
from .conditions import Names
from .form import TOP, Percent, Place, Rule, known, percent, share, take, wrong
from .ids import derived_id
from .normal import normal_rule
from .targeting import read_targeting
from .verbatim import are_objects, is_number, is_same, with_raw

__all__ = ["Rules", "write_rule"]

DELIVERY, EXPERIMENT = "TARGETED_DELIVERY", "EXPERIMENTATION"

SHARES_TOLERANCE = 1e-4
"""In percent: three times 33.33333 may be a little more than it means."""

Object = dict[str, Any]


@dataclass(slots=True)
class Rules:
    """Reads the rules of one flag, in order. Segments that they hold are added to ``inline`` by id."""

    key: str
    declared: Sequence[str]
    names: Names
    inline: dict[int, Object]
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def read(self, form: object, place: Place, order: int) -> Object:
        """One rule, as it stands in a data file."""
        rule = take(form, Rule, place)
        kind, entries = self._entries(rule, place)
        identity, segment_id = self._segment(rule, place / "segment")
        self.seen[kind, identity] += 1
        seed: tuple[object, ...] = (self.key, kind, identity, self.seen[kind, identity])
        if rule.id is not None:
            seed = (self.key, rule.id)
        ids = rule.variation_ids
        if ids is not None and len(ids) != len(entries):
            raise wrong(place / "variation_ids", f"one for each of the {len(entries)} variations is needed")
        return {
            "id": derived_id("rule", *seed) if rule.id is None else rule.id,
            "order": order,
            "type": kind or None,
            "exposition": share(rule.exposition),
            "experimentId": derived_id("experiment", *seed) if rule.experiment_id is None else rule.experiment_id,
            "respoolTime": rule.respool_time,
            "segmentId": segment_id,
            "variationByExposition": [
                {
                    "variationKey": key,
                    "variationId": derived_id("variation", *seed, key) if ids is None else ids[number],
                    "exposition": part,
                }
                for number, (key, part) in enumerate(entries)
            ],
            **rule.raw,
        }

    def tried(self, form: Object, order: int) -> Object:
        """What reading a rule would give next, in normal form."""
        return normal_rule(replace(self, inline={}, seen=Counter(self.seen)).read(form, TOP, order))

    def _entries(self, rule: Rule, place: Place) -> tuple[str, list[tuple[str, float]]]:
        """The rule's type, and variations with their shares."""
        if rule.serve is not None and rule.experiment is None:
            return DELIVERY, [(known("variation", rule.serve, self.declared, place / "serve"), 1)]
        there = place / "experiment"
        if rule.experiment is None or rule.serve is not None:
            if rule.serve is None and rule.raw:
                return "", []
            raise wrong(place, "a rule has either serve: VARIATION or experiment: {VARIATION: PERCENT}")
        for key in rule.experiment:
            known("variation", key, self.declared, there)
        if isinstance(rule.experiment, list):
            return EXPERIMENT, [(key, 1 / len(rule.experiment)) for key in rule.experiment]
        percentages = {key: take(value, Percent, there / key) for key, value in rule.experiment.items()}
        total = sum(percentages.values())
        if total > 100 + SHARES_TOLERANCE:
            raise wrong(there, f"the shares add up to {total:g} percent")
        return EXPERIMENT, [(key, share(percentage)) for key, percentage in percentages.items()]

    def _segment(self, rule: Rule, place: Place) -> tuple[str, int | None]:
        """What tells the rule's segment from others, and its id."""
        if rule.segment is None:
            return "", None
        if isinstance(rule.segment, str):
            name = known("segment", rule.segment, self.names.segments, place)
            return name, self.names.segments[name]
        data = read_targeting(rule.segment, place, self.names)
        number = derived_id("conditions", json.dumps(data, sort_keys=True))
        self.inline[number] = {"id": number, "conditionsData": data, "audienceTracking": False}
        return f"segment {number}", number


def write_rule(wanted: Object, order: int, rules: Rules) -> Object:
    """The shortest form of a normal rule; ``rules`` has read the rules before it, and then this one."""
    entries = wanted["variationByExposition"]
    short = _written_entries(wanted, rules)
    for name, number in rules.names.segments.items():
        if number == wanted["segmentId"]:
            short["segment"] = name
    exposition = wanted["exposition"]
    if type(exposition) in (int, float) and 0 <= exposition < 1:
        short["exposition"] = percent(exposition)
    if is_number(wanted["respoolTime"]):
        short["respool_time"] = wanted["respoolTime"]
    for name, member in (("id", "id"), ("experiment_id", "experimentId")):
        if is_number(wanted[member]) and rules.tried(short, order)[member] != wanted[member]:
            short[name] = wanted[member]
    made = rules.tried(short, order)
    if "raw" not in short and not is_same(made["variationByExposition"], entries):
        ids = [entry["variationId"] for entry in entries]
        if all(number is None or is_number(number) for number in ids):
            short["variation_ids"] = ids
    form = with_raw(short, rules.tried(short, order), wanted)
    rules.read(form, TOP, order)
    return form


def _written_entries(wanted: Object, rules: Rules) -> Object:
    """The key that says the type of a rule and what it gives: ``raw`` where these are of another kind."""
    kind, entries = wanted["type"], wanted["variationByExposition"]
    raw: Object = {"raw": {"type": kind, "variationByExposition": entries}}
    if kind not in (DELIVERY, EXPERIMENT) or not are_objects(entries) or not entries:
        return raw
    try:
        shares = {entry["variationKey"]: entry["exposition"] for entry in entries}
        if kind == DELIVERY:
            short: Object = {"serve": entries[0]["variationKey"]}
        elif len(shares) > 1 and set(shares.values()) == {1 / len(shares)}:
            short = {"experiment": list(shares)}
        else:
            short = {"experiment": {key: percent(part) for key, part in shares.items()}}
        made = rules.tried(short, 0)["variationByExposition"]
    except (DataFileInvalid, ArithmeticError, TypeError):  # of a shape that nobody foresaw
        return raw
    return short if is_same(*([_given(entry) for entry in both] for both in (made, entries))) else raw


def _given(entry: Object) -> list[Any]:
    return [entry["variationKey"], entry["exposition"]]
