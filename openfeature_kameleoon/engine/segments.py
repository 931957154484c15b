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

__all__ = ["Segments", "Targeting", "nobody"]


class Targeting(NamedTuple):
    """Whom a segment matches: as a tree to tell, and as a predicate to ask; ``None`` matches everybody."""

    tree: Tree
    matches: Predicate | None


ALL_VISITORS = Targeting(EVERYBODY, None)


def nobody(visitor: Visitor) -> bool:
    """The predicate of a segment that makes no sense."""
    return False


class Segments:
    """Compiles segments against their data file, each once, whichever rules share it."""

    __slots__ = ("_compiled", "_index", "_scope")

    def __init__(self, index: DataFileIndex, scope: Scope) -> None:
        self._index = index
        self._scope = replace(scope, rules_of_flag=self._rules_of_flag)
        self._compiled: dict[tuple[int, int | None], Targeting] = {}

    def targeting(
        self, segment_id: int, campaign_id: int | None = None, inside: tuple[int, ...] = ()
    ) -> Targeting | None:
        """Whom a segment matches while a campaign is tested; ``None`` when the file has no such segment.

        ``inside`` are the segments being compiled that refer to this one. Raises ``FeatureMalformed``.
        """
        text = self._index.segments.get(segment_id)
        if text is None:
            return None
        minds_campaign = b'"EXCLUSIVE_EXPERIMENT"' in text or b'"SEGMENT"' in text
        known = (segment_id, campaign_id if minds_campaign else None)
        targeting = self._compiled.get(known)
        if targeting is None:
            segment = self._index.segment(segment_id)
            targeting = self.compile(segment, campaign_id, (*inside, segment_id)) if segment else ALL_VISITORS
            self._compiled[known] = targeting
        return targeting

    def compile(self, segment: Segment, campaign_id: int | None, inside: tuple[int, ...] = ()) -> Targeting:
        """Whom a segment matches that no rule shares, as 2.x files embed them. Raises ``FeatureMalformed``."""
        scope = replace(self._scope, campaign_id=campaign_id, segment=partial(self._nested, campaign_id, inside))
        conditions = LEGACY_CONDITIONS if self._index.is_legacy else CONDITIONS
        try:
            tree = compile_conditions(segment.conditions_data, scope, conditions)
            return Targeting(tree, predicate(tree))
        except (UnusableCondition, RecursionError) as error:
            raise FeatureMalformed(f"segment {segment.id!r:.40} makes no sense: {error}") from error

    def _nested(self, campaign_id: int | None, inside: tuple[int, ...], segment_id: int) -> Test | None:
        """The test of a segment that another one refers to; ``None`` for a missing, broken or circular one."""
        if segment_id in inside:
            return None
        try:
            targeting = self.targeting(segment_id, campaign_id, inside)
        except FeatureMalformed:
            return None
        return None if targeting is None else targeting.matches or _anybody

    def _rules_of_flag(self, flag_id: int) -> tuple[FlagRule, ...]:
        """What TARGET_FEATURE_FLAG needs of another flag; nothing of one that is missing or broken."""
        try:
            flag = self._index.flag(self._index.flag_keys_by_id[flag_id])
        except (KeyError, FeatureMalformed):
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


def _anybody(visitor: Visitor) -> bool:
    return True
