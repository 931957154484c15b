"""A bucketing file compiled: campaigns, variation groups, and every answer that they can give.

Each answer exists before anyone asks and is shared by all who get it. How one is chosen for a visitor is decision.py's,
and explain.py's, which tells why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...engine.metadata import FlagMetadata
from .targeting import Targeting

__all__ = ["TEST", "CompiledCampaign", "CompiledGroup", "Evaluation", "Variation"]

TEST = "ab"
"""The type of campaigns whose variations are compared; of one-visitor-one-test a visitor enters one of these."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Evaluation:
    """What a visitor gets of one flag: made when the file is compiled, shared by all visitors who get it.

    ``reason`` is OpenFeature's: SPLIT of a test, TARGETING_MATCH of another campaign, DEFAULT when there is no value,
    DISABLED in panic. ``variation`` is ``None`` when no campaign gives the flag to the visitor; ``value`` is then too,
    as it is when the flag is null in the variation.
    """

    __slots__ = ("key", "metadata", "reason", "value", "variation")

    def __init__(self, key: str, value: Any, reason: str, variation: Variation | None = None) -> None:
        self.key = key
        self.value = value
        self.reason = reason if value is not None or variation is None else "DEFAULT"
        self.variation = variation
        self.metadata = NO_METADATA if variation is None else variation.metadata

    def fresh_value(self) -> Any:
        """The value; a mapping or list as a copy that the caller may change."""
        return _decode(_encode(self.value)) if isinstance(self.value, dict | list) else self.value

    def __repr__(self) -> str:
        return f"Evaluation({self.key!r}, {self.value!r}, {self.reason})"


NO_METADATA = FlagMetadata()


class Variation:
    """One outcome of a variation group, with the names of all that it stands in, and what it answers for each flag.

    ``campaign_slug`` is ``""`` when the file has no such member and ``None`` when it is null; other names are ``""``
    when unknown. ``group_keys`` are the flags that any variation of the group sets. ``metadata`` is flat (7.3).
    """

    __slots__ = (
        "campaign_id",
        "campaign_name",
        "campaign_slug",
        "campaign_type",
        "evaluations",
        "group_id",
        "group_keys",
        "group_name",
        "id",
        "is_reference",
        "metadata",
        "modifications",
        "modifications_type",
        "name",
    )

    def __init__(
        self,
        id: str,
        name: str,
        *,
        is_reference: bool,
        group_id: str,
        group_name: str,
        campaign_id: str,
        campaign_name: str,
        campaign_type: str,
        campaign_slug: str | None,
        modifications: Mapping[str, Any],
        modifications_type: str,
        group_keys: Sequence[str] = (),
    ) -> None:
        self.id = id
        self.name = name
        self.is_reference = is_reference
        self.group_id = group_id
        self.group_name = group_name
        self.campaign_id = campaign_id
        self.campaign_name = campaign_name
        self.campaign_type = campaign_type
        self.campaign_slug = campaign_slug
        self.modifications = modifications
        self.modifications_type = modifications_type
        self.group_keys = group_keys
        self.metadata = FlagMetadata(
            campaignId=campaign_id,
            campaignName=campaign_name,
            variationGroupId=group_id,
            variationGroupName=group_name,
            variationId=id,
            variationName=name,
            isReference=is_reference,
            campaignType=campaign_type,
            slug=campaign_slug or "",
        )
        reason = "SPLIT" if campaign_type == TEST else "TARGETING_MATCH"
        self.evaluations: Mapping[str, Evaluation] = {
            key: Evaluation(key, value, reason, self) for key, value in modifications.items()
        }

    def exposed_modifications(self, *, all_keys: bool) -> dict[str, Any]:
        """What the decision API answers (2.2): every key of the group, or only those with a value here."""
        if all_keys:
            return {key: self.modifications.get(key) for key in self.group_keys}
        return {key: value for key, value in self.modifications.items() if value is not None}

    def __repr__(self) -> str:
        return f"Variation({self.id!r} of {self.campaign_id!r})"


@dataclass(slots=True)
class CompiledGroup:
    """A variation group with all that settles who gets what of it.

    ``table`` has the variation of each bucket; ``uppers`` are where each variation's share ends, in percent.
    """

    id: str
    name: str
    targeting: Targeting
    variations: Sequence[Variation]
    allocations: Sequence[float]
    uppers: Sequence[float]
    table: Sequence[Variation | None]
    by_id: Mapping[str, Variation]


@dataclass(slots=True, eq=False)
class CompiledCampaign:
    """A campaign; two are equal when they are one, which those of unchanged text are from file to file.

    ``ranges`` are buckets of the visitor's id that may enter; ``None`` lets everybody. ``problems`` are pairs of where
    in the campaign and what.
    """

    id: str
    name: str
    type: str
    slug: str | None
    groups: Sequence[CompiledGroup]
    keys: Sequence[str]
    ranges: Sequence[tuple[float, float]] | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)

    def lets_in(self, place: int) -> bool:
        """Whether a bucket lies in one of the ranges."""
        return self.ranges is None or any(start <= place < end for start, end in self.ranges)
