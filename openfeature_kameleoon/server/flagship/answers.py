"""A decision as the decision API tells it: campaigns, merged flags, and flags with where they come from (2.4).

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...flagship.engine.evaluation import Variation

__all__ = ["campaign_answer", "campaigns_answer", "flags_answer"]

Json = dict[str, Any]


def campaigns_answer(
    visitor_id: str, variations: Sequence[Variation], *, mode: str, all_keys: bool, in_panic: bool
) -> Json:
    """What a visitor gets of all campaigns, in one of the API's modes."""
    answer: Json = {}
    if mode != "simple":
        answer["visitorId"] = visitor_id
        answer["campaigns"] = [campaign_answer(variation, all_keys=all_keys) for variation in variations]
    if mode != "normal":
        answer["campaignsVariation"] = [
            {"campaignId": variation.campaign_id, "variationId": variation.id} for variation in variations
        ]
        answer["mergedModifications"] = {
            key: value
            for variation in variations
            for key, value in variation.exposed_modifications(all_keys=all_keys).items()
        }
    if in_panic:
        answer["panic"] = True
    return answer


def campaign_answer(variation: Variation, *, all_keys: bool) -> Json:
    """What a visitor gets of one campaign; a slug or name that the file lacks is missing here, too."""
    return {
        "id": variation.campaign_id,
        **_named("name", variation.campaign_name),
        **({} if variation.campaign_slug == "" else {"slug": variation.campaign_slug}),
        "type": variation.campaign_type,
        "variationGroupId": variation.group_id,
        **_named("variationGroupName", variation.group_name),
        "variation": {
            "id": variation.id,
            **_named("name", variation.name),
            "reference": variation.is_reference,
            "modifications": {
                "type": variation.modifications_type,
                "value": variation.exposed_modifications(all_keys=all_keys),
            },
        },
    }


def flags_answer(variations: Sequence[Variation], *, all_keys: bool) -> Json:
    """A visitor's flags by key; of two campaigns that give one, the later counts."""
    return {
        key: {"value": value, "metadata": _metadata(variation)}
        for variation in variations
        for key, value in variation.exposed_modifications(all_keys=all_keys).items()
    }


def _named(member: str, name: str) -> Json:
    return {member: name} if name else {}


def _metadata(variation: Variation) -> Json:
    return {
        "campaignId": variation.campaign_id,
        "campaignName": variation.campaign_name,
        "slug": variation.campaign_slug,
        "type": variation.campaign_type,
        "variationGroupId": variation.group_id,
        "variationGroupName": variation.group_name,
        "variationId": variation.id,
        "variationName": variation.name,
        "reference": variation.is_reference,
    }
