"""From a campaign's text to its compiled form: rules become tests, shares a table, answers are made.

What makes no sense costs as little as can be without giving anybody another variation: a rule accepts nobody, a
variation takes its group with it, a campaign is refused only when its own members are at fault.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import FeatureMalformed
from . import model
from .allocation import bucket_table, upper_bounds
from .evaluation import CompiledCampaign, CompiledGroup, Variation
from .semantics import Semantics
from .targeting import compile_targeting

__all__ = ["DECODING_ERRORS", "MOST_RULES", "compile_campaign"]

MOST_RULES = 10_000
"""Rules that nobody wrote by hand are refused: to test them would make somebody wait."""

DECODING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_read_campaign = msgspec.json.Decoder(model.Campaign).decode
_read_group = msgspec.json.Decoder(model.VariationGroup).decode


def compile_campaign(text: bytes, semantics: Semantics) -> CompiledCampaign:
    """Compile one campaign of a file. Raises ``FeatureMalformed`` when nothing of it can be used."""
    try:
        campaign = _read_campaign(text)
    except DECODING_ERRORS as error:
        raise FeatureMalformed(f"the campaign does not decode: {error}") from error
    compiled = CompiledCampaign(
        id=campaign.id,
        name=campaign.name or "",
        type=campaign.type or "",
        slug=campaign.slug,
        groups=(),
        keys=(),
        ranges=_ranges(campaign.bucket_ranges) if semantics.has_ranges else None,
    )
    groups = []
    for position, group_text in enumerate(campaign.variation_groups):
        path = f"variationGroups[{position}]"
        try:
            group = _group(_read_group(group_text), compiled, semantics)
        except DECODING_ERRORS as error:
            compiled.problems.append((path, f"the variation group is left out, it does not decode: {error}"))
        except FeatureMalformed as error:
            compiled.problems.append((path, f"the variation group is left out: {error.message}"))
        else:
            groups.append(group)
            compiled.problems += ((f"{path}.targeting", problem) for problem in group.targeting.problems())
    if sum(len(rules) for group in groups for rules in group.targeting.groups) > MOST_RULES:
        raise FeatureMalformed(f"the campaign has more than {MOST_RULES} targeting rules")
    compiled.groups = tuple(groups)
    compiled.keys = tuple(
        dict.fromkeys(key for group in groups for variation in group.variations for key in variation.modifications)
    )
    return compiled


def _ranges(raw: Any) -> list[tuple[float, float]] | None:
    try:
        ranges = msgspec.convert(raw, list[model.BucketRange] | None)
    except DECODING_ERRORS as error:
        raise FeatureMalformed(f"the campaign's bucketRanges make no sense: {error}") from error
    return [entry.r for entry in ranges] if ranges else None


def _group(group: model.VariationGroup, campaign: CompiledCampaign, semantics: Semantics) -> CompiledGroup:
    """One variation group. A variation without modifications undoes it, as in Python 3.0.1 (3.2)."""
    lacking = [variation.id for variation in group.variations if variation.modifications is None]
    if lacking and not semantics.may_lack_flags:
        raise FeatureMalformed(f"variation {lacking[0]!r:.60} has no modifications")
    keys = tuple(dict.fromkeys(key for variation in group.variations for key in _flags(variation)))
    variations = [
        Variation(
            variation.id,
            variation.name or "",
            is_reference=variation.reference is True,  # absent is false: 3.0.1 read it as true (2.4)
            group_id=group.id,
            group_name=group.name or "",
            campaign_id=campaign.id,
            campaign_name=campaign.name,
            campaign_type=campaign.type,
            campaign_slug=campaign.slug,
            modifications=_flags(variation),
            modifications_type=(variation.modifications.type or "") if variation.modifications else "",
            group_keys=keys,
        )
        for variation in group.variations
    ]
    allocations = [variation.allocation or 0.0 for variation in group.variations]
    return CompiledGroup(
        id=group.id,
        name=group.name or "",
        targeting=compile_targeting(group.targeting, semantics),
        variations=variations,
        allocations=allocations,
        uppers=upper_bounds(allocations),
        table=bucket_table(variations, allocations),
        by_id={variation.id: variation for variation in reversed(variations)},
    )


def _flags(variation: model.Variation) -> dict[str, Any]:
    return variation.modifications.value if variation.modifications else {}
