"""Overrides of campaigns: what somebody has them do in place of what the bucketing file says, written into that file.

So SDKs that decide by themselves follow them as the decision API does. Pure: values, and one function from a file's
bytes to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ...errors import ConfigSettingInvalid
from ...flagship.engine.evaluation import TEST, CompiledCampaign

__all__ = ["FORCED", "Override", "Overrides", "checked", "declared_group", "overridden"]

FORCED = "-forced-"
"""Within the id of a variation group that is made here: behind it is the one variation that the group has.

The id is another one than the declared group's so that whoever was assigned a variation there is given this one all
the same, and has its own again when the override is gone.
"""

NO_TEST = "deployment"
"""The type of a test whose variation is everybody's, where one-visitor-one-test would keep visitors of others out."""

EVERYBODY = {"operator": "EQUALS", "key": "fs_all_users", "value": ""}


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one campaign is to do: nothing at all (``paused``), or give everybody a ``variation``, by its id.

    ``visitors`` get theirs by visitor id, as far as bucket ranges and one-visitor-one-test let them. Flagship's server
    compares ids whatever their case, and Flagship's own Python SDK 3.0.1 in bucketing mode not at all.
    """

    paused: bool = False
    variation: str | None = None
    visitors: dict[str, str] = {}


class Overrides(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is overridden: whether there is panic, ``None`` to leave it to the file, and campaigns by id."""

    panic: bool | None = None
    campaigns: dict[str, Override] = {}

    def __bool__(self) -> bool:
        return self.panic is not None or bool(self.campaigns)


def checked(override: Override, campaign: CompiledCampaign) -> Override:
    """The override, if the campaign has what it speaks of. Raises ``ConfigSettingInvalid``."""
    known = {variation.id: variation.name for group in campaign.groups for variation in group.variations}
    for given in {override.variation, *override.visitors.values()} - {None}:
        if given not in known:
            names = ", ".join(f"{id} ({name})" if name else id for id, name in known.items())
            raise ConfigSettingInvalid(
                f"campaign {campaign.id!r:.60} has no variation {given!r:.60} to override with; it has {names:.300}",
                setting="variation",
            )
    return override


def declared_group(group_id: str) -> str:
    """The id of the group that the file declares, of one that may have been made here."""
    return group_id.partition(FORCED)[0]


def overridden(raw: bytes, overrides: Overrides) -> bytes:
    """The bucketing file in which the overrides are what its campaigns say; it must have been read before."""
    if not overrides:
        return raw
    members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if overrides.panic is not None:
        members["panic"] = msgspec.Raw(msgspec.json.encode(overrides.panic))
    if overrides.campaigns:
        campaigns = msgspec.json.decode(members.get("campaigns", b"[]"), type=list[msgspec.Raw] | None) or []
        changed = list(_campaigns(campaigns, overrides, has_one_test=_has_one_test(members)))
        members["campaigns"] = msgspec.Raw(msgspec.json.encode(changed))
    return msgspec.json.encode(members)


class _Settings(msgspec.Struct):
    enabled_1v1t: Any = msgspec.field(default=None, name="enabled1V1T")


class _Id(msgspec.Struct):
    id: str = ""


def _has_one_test(members: dict[str, msgspec.Raw]) -> bool:
    try:
        settings = msgspec.json.decode(members.get("accountSettings", b"{}"), type=_Settings | None)
    except msgspec.ValidationError:
        return False
    return settings is not None and settings.enabled_1v1t is True


def _campaigns(campaigns: Iterable[msgspec.Raw], overrides: Overrides, *, has_one_test: bool) -> Iterator[Any]:
    for text in campaigns:
        override = overrides.campaigns.get(_id_of(text))
        if override is None:
            yield text
        elif not override.paused:
            campaign = msgspec.json.decode(text)
            yield _forced(campaign, override, has_one_test=has_one_test) if _fits(campaign, override) else text


def _id_of(campaign: msgspec.Raw) -> str:
    """The campaign's id; empty for what is no campaign at all, which costs nobody else anything."""
    try:
        return msgspec.json.decode(campaign, type=_Id).id
    except msgspec.ValidationError:
        return ""


def _fits(campaign: dict[str, Any], override: Override) -> bool:
    """Whether the campaign still has what the override speaks of: the file may be another one by now."""
    known = {variation.get("id") for _, variation in _variations(campaign)}
    return ({override.variation, *override.visitors.values()} - {None}) <= known


def _variations(campaign: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Groups and their variations, as far as they have the form of such."""
    groups = campaign.get("variationGroups")
    for group in groups if isinstance(groups, list) else ():
        variations = group.get("variations") if isinstance(group, dict) else None
        for variation in variations if isinstance(variations, list) else ():
            if isinstance(variation, dict) and isinstance(group.get("id"), str):
                yield group, variation


def _forced(campaign: dict[str, Any], override: Override, *, has_one_test: bool) -> dict[str, Any]:
    groups = []
    for given in dict.fromkeys(override.visitors.values()):
        ids = [visitor for visitor, theirs in override.visitors.items() if theirs == given]
        groups.append(_group(campaign, given, {"operator": "EQUALS", "key": "fs_users", "value": ids}))
    if override.variation is None:
        return {**campaign, "variationGroups": [*groups, *campaign["variationGroups"]]}
    groups.append(_group(campaign, override.variation, EVERYBODY))
    is_test = campaign.get("type") == TEST and has_one_test
    changed = {**campaign, "variationGroups": groups}
    changed.pop("bucketRanges", None)
    return {**changed, "type": NO_TEST} if is_test else changed


def _group(campaign: dict[str, Any], variation_id: str, rule: dict[str, Any]) -> dict[str, Any]:
    """A group that gives this variation, and no other, to all whom the rule targets."""
    group, variation = next(found for found in _variations(campaign) if found[1].get("id") == variation_id)
    return {
        "id": f"{group['id']}{FORCED}{variation_id}",
        "name": group.get("name"),
        "targeting": {"targetingGroups": [{"targetings": [rule]}]},
        "variations": [{**variation, "allocation": 100}],
    }
