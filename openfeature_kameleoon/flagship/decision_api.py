"""An answer of the decision API as the engine's own objects, so that both modes give visitors the same.

Pure. What makes no sense costs only its campaign, and is told. Asking is api.py's business, keeping what came the
visitor's (specs/flagship.md 2.4, 2.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..datafile.index import Problem
from ..datafile.model import Wire
from .engine import model
from .engine.decision import Decision
from .engine.evaluation import Variation
from .errors import FlagshipParsingError

__all__ = ["CampaignsAnswer", "read_campaigns"]


@dataclass(frozen=True, slots=True)
class CampaignsAnswer:
    """What the server decided for a visitor: in ``panic`` nothing at all, and what it had before stays unreadable.

    ``problems`` are campaigns that were skipped, each with where it stood in the answer.
    """

    panic: bool
    decision: Decision
    problems: tuple[Problem, ...] = ()


class _Campaign(Wire, frozen=True):
    id: str
    variation: model.Variation
    variation_group_id: str = ""
    variation_group_name: str | None = ""
    name: str | None = ""
    slug: str | None = ""
    type: str | None = ""


class _Answer(msgspec.Struct, frozen=True):
    panic: bool | None = False
    campaigns: list[Any] | None = None


def read_campaigns(answer: object, assignments: Mapping[str, str] | None = None) -> CampaignsAnswer:
    """The answer to ``FlagshipApi.campaigns``; of a flag in two campaigns the later one counts.

    The server's word is final: what differs from ``assignments``, variation ids by variation group id, is in the
    decision's ``new_assignments``. Raises ``FlagshipParsingError`` for what is no such answer, also for a JSON object
    that says nothing of campaigns or panic: then nothing was decided.
    """
    if not isinstance(answer, Mapping) or not ("campaigns" in answer or "panic" in answer):
        raise FlagshipParsingError("the answer says nothing of campaigns")
    try:
        whole = msgspec.convert(answer, _Answer)
    except msgspec.ValidationError as error:
        raise FlagshipParsingError(f"the answer has another shape: {error}") from error
    if whole.panic:
        return CampaignsAnswer(True, Decision())
    known, decision, problems = assignments or {}, Decision(), []
    for position, raw in enumerate(whole.campaigns or ()):
        try:
            variation = _variation(msgspec.convert(raw, _Campaign))
        except (msgspec.ValidationError, FlagshipParsingError) as error:
            problems.append(Problem(f"$.campaigns[{position}]", None, f"the campaign is skipped: {error}"))
            continue
        decision.variations.append(variation)
        decision.flags.update(variation.evaluations)
        if known.get(variation.group_id) != variation.id:
            decision.new_assignments[variation.group_id] = variation.id
    return CampaignsAnswer(False, decision, tuple(problems))


def _variation(campaign: _Campaign) -> Variation:
    variation = campaign.variation
    if variation.modifications is None:
        raise FlagshipParsingError("its variation has no modifications")
    return Variation(
        variation.id,
        variation.name or "",
        is_reference=variation.reference is True,  # absent is false: the Python SDKs read it as true
        group_id=campaign.variation_group_id,
        group_name=campaign.variation_group_name or "",
        campaign_id=campaign.id,
        campaign_name=campaign.name or "",
        campaign_type=campaign.type or "",
        campaign_slug=campaign.slug,
        modifications=variation.modifications.value,
        modifications_type=variation.modifications.type or "",
        group_keys=tuple(variation.modifications.value),
    )
