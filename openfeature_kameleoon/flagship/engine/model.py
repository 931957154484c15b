"""The bucketing file's members as typed values (specs/flagship.md 3.2).

Only what is read is declared: unknown members are ignored. A campaign keeps its variation groups as undecoded text,
since each of them stands or falls alone. Targeting stays plain JSON: targeting.py judges it rule by rule.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...datafile.model import Raw, Wire

__all__ = ["AccountSettings", "BucketRange", "Campaign", "Modifications", "Raw", "Variation", "VariationGroup"]


class Modifications(Wire, frozen=True):
    """What a variation sets: flags by key. ``type`` says what the vendor's app edits them with."""

    value: dict[str, Any]
    type: str | None = ""


class Variation(Wire, frozen=True):
    """One outcome; ``allocation`` is its share in percent of the visitors of its group."""

    id: str
    name: str | None = ""
    allocation: float | None = 0.0
    reference: bool | None = False
    modifications: Modifications | None = None


class VariationGroup(Wire, frozen=True):
    """A scenario: who is targeted, and what they get. Its id is what the hash begins with (3.4)."""

    id: str
    variations: list[Variation]
    name: str | None = ""
    targeting: Any = None


class Campaign(Wire, frozen=True):
    """A use case. ``slug`` is empty when the file has no such member, and ``None`` when it is null."""

    id: str
    variation_groups: list[msgspec.Raw]
    name: str | None = ""
    slug: str | None = ""
    type: str | None = ""
    bucket_ranges: Any = None


class BucketRange(Wire, frozen=True):
    """Buckets from the first up to, not including, the second; only the decision server looks at them (2.7)."""

    r: tuple[float, float]


class AccountSettings(Wire, frozen=True):
    """The account's options; SDKs apply none of them (2.7). ``troubleshooting`` is a window for diagnostics."""

    enabled_xpc: bool | None = msgspec.field(default=False, name="enabledXPC")
    enabled_1v1t: bool | None = msgspec.field(default=False, name="enabled1V1T")
    troubleshooting: Any = None
    eai_collect_enabled: bool | None = False
    eai_activation_enabled: bool | None = False
