"""The segments of one data file, compiled when a rule first needs them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ..datafile.index import DataFileIndex
from ..datafile.model import Segment
from ..errors import FeatureMalformed
from ..visitors.visitor import Visitor
from .conditions import CONDITIONS, LEGACY_CONDITIONS
from .matching import Test
from .scope import FlagRule, Scope, UnusableCondition
from .targeting import EVERYBODY, Predicate, Tree, compile_conditions, predicate

__all__ = ["MOST_CONDITIONS", "Segments", "Targeting", "nobody"]

DEEPEST_LEVEL = 16
"""How many segments may refer to one another in a row. Real ones go two or three deep."""

MOST_CONDITIONS = 200_000
"""How many conditions a flag may have tested, each segment counted as often as it is referred to."""


class Targeting(NamedTuple):
    """Whom a segment matches: as a tree to tell, and as a predicate to ask; ``None`` matches everybody."""

    tree: Tree
    matches: Predicate | None


ALL_VISITORS = Targeting(EVERYBODY, None)


class _Reach(NamedTuple):
    """What testing a segment comes to, with the segments and flags that it refers to."""

    levels: int
    conditions: int

    @property
    def is_endless(self) -> bool:
        """Whether there is no end to it, or as good as none."""
        return self.levels > DEEPEST_LEVEL or self.conditions > MOST_CONDITIONS


_ENDLESS = _Reach(DEEPEST_LEVEL, MOST_CONDITIONS)


def nobody(visitor: Visitor) -> bool:
    """The predicate of a segment that makes no sense."""
    return False


class Segments:
    """Compiles segments against their data file, each once, whichever rules share it."""

    __slots__ = ("_compiled", "_flag_rules", "_index", "_problems", "_reaches", "_scope")

    def __init__(self, index: DataFileIndex, scope: Scope) -> None:
        self._index = index
        self._scope = replace(scope, rules_of_flag=self._rules_of_flag)
        self._compiled: dict[tuple[int, int | None], Targeting] = {}
        self._flag_rules: dict[int, tuple[FlagRule, ...]] = {}
        self._problems: dict[int, str] = {}
        self._reaches: dict[int, _Reach] = {}

    def targeting(self, segment_id: int, campaign_id: int | None = None) -> Targeting | None:
        """Whom a segment matches while a campaign is tested; ``None`` when the file has no such segment.

        Raises ``FeatureMalformed``, also for one that leads back to itself or through too many others.
        """
        text = self._index.segments.get(segment_id)
        if text is None:
            return None
        minds_campaign = b'"EXCLUSIVE_EXPERIMENT"' in text or b'"SEGMENT"' in text
        known = (segment_id, campaign_id if minds_campaign else None)
        targeting = self._compiled.get(known)
        if targeting is None:
            if segment_id in self._problems:
                raise FeatureMalformed(self._problems[segment_id])
            try:
                self._check_reach(segment_id)
                segment = self._index.segment(segment_id)
                targeting = self.compile(segment, campaign_id) if segment else ALL_VISITORS
            except FeatureMalformed as error:
                self._problems[segment_id] = error.message
                raise
            self._compiled[known] = targeting
        return targeting

    def weight(self, segment_id: int) -> int:
        """A bound on the conditions that are tested for a segment; none for one that is refused."""
        reach = self._reach(segment_id)
        return 0 if reach.is_endless else reach.conditions

    def compile(self, segment: Segment, campaign_id: int | None) -> Targeting:
        """Whom a segment matches that no rule shares, as 2.x files embed them. Raises ``FeatureMalformed``."""
        scope = replace(self._scope, campaign_id=campaign_id, segment=partial(self._nested, campaign_id))
        conditions = LEGACY_CONDITIONS if self._index.is_legacy else CONDITIONS
        try:
            tree = compile_conditions(segment.conditions_data, scope, conditions)
            return Targeting(tree, predicate(tree))
        except (UnusableCondition, RecursionError) as error:
            raise FeatureMalformed(f"segment {segment.id!r:.40} makes no sense: {error}") from error

    def _nested(self, campaign_id: int | None, segment_id: int) -> Test | None:
        """The test of a segment that another one refers to; ``None`` for a missing or broken one."""
        try:
            targeting = self.targeting(segment_id, campaign_id)
        except FeatureMalformed:
            return None
        return None if targeting is None else targeting.matches or _anybody

    def _check_reach(self, segment_id: int) -> None:
        """Refuse what is endless, whichever of its segments is asked for first."""
        if self._reach(segment_id).is_endless:
            raise FeatureMalformed(
                f"segment {segment_id} makes no sense: it leads back to itself, through more than {DEEPEST_LEVEL}"
                f" segments in a row, or to more than {MOST_CONDITIONS} conditions"
            )

    def _reach(self, segment_id: int) -> _Reach:
        """How far a segment leads; found without recursion, since that may be very far."""
        known = self._reaches
        begun: dict[int, tuple[list[int], int]] = {}
        waiting = [segment_id]
        while waiting:
            number = waiting[-1]
            if number in known:
                waiting.pop()
            elif number not in begun:
                begun[number] = self._refers_to(number)
                waiting += (inner for inner in begun[number][0] if inner not in begun)
            else:
                segments, conditions = begun[number]
                reaches = [known.get(inner, _ENDLESS) for inner in segments]  # one begun, not known yet, leads here
                levels = 1 + max((reach.levels for reach in reaches), default=0)
                conditions += sum(reach.conditions for reach in reaches)
                known[number] = _Reach(min(levels, DEEPEST_LEVEL + 1), min(conditions, MOST_CONDITIONS + 1))
        return known[segment_id]

    def _refers_to(self, segment_id: int) -> tuple[list[int], int]:
        """The segments that a segment names, and its own conditions with what it looks at in other flags."""
        index = self._index
        segments, conditions = [], _objects(index.segments.get(segment_id, b""))
        for kind, number in index.references(segment_id):
            if kind == "SEGMENT" and number in index.segments:
                segments.append(number)
            elif kind == "TARGET_FEATURE_FLAG" and number in index.flag_keys_by_id:
                conditions += _objects(index.flags[index.flag_keys_by_id[number]].text)
        return segments, conditions

    def _rules_of_flag(self, flag_id: int) -> tuple[FlagRule, ...]:
        """What TARGET_FEATURE_FLAG needs of another flag; nothing of one that is missing or broken."""
        rules = self._flag_rules.get(flag_id)
        if rules is None and flag_id in self._index.flag_keys_by_id:
            rules = self._flag_rules[flag_id] = self._read_rules(self._index.flag_keys_by_id[flag_id])
        return rules or ()

    def _read_rules(self, key: str) -> tuple[FlagRule, ...]:
        try:
            flag = self._index.flag(key)
        except FeatureMalformed:  # it says so itself when it is asked for
            return ()
        return tuple(
            FlagRule(
                rule.id,
                rule.experiment_id or 0,
                {
                    entry.variation_id: entry.variation_key
                    for entry in rule.variation_by_exposition or ()
                    if entry.variation_id is not None
                },
            )
            for rule in flag.rules or ()
        )


def _objects(text: bytes) -> int:
    """At least as many as there are JSON objects in a text: conditions, or rules and their entries."""
    return text.count(b"{")


def _anybody(visitor: Visitor) -> bool:
    return True
