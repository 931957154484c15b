"""The data file's members as typed values, v3 and 2.x layouts alike (specs/kameleoon-sdk.md 2).

Only what is read is declared: unknown members are ignored, and so are unknown enum literals, which stay plain
strings here. Wire spelling (camelCase) ends in this module. Nothing here judges or computes.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

__all__ = [
    "IN_HOLDOUT",
    "OFF",
    "ConditionGroup",
    "ConditionsData",
    "CustomDataInfo",
    "Experiment",
    "ExperimentVariation",
    "FeatureFlag",
    "FlagHeader",
    "Holdout",
    "Named",
    "Number",
    "Raw",
    "Remains",
    "Rule",
    "RuleHeader",
    "Segment",
    "Settings",
    "Share",
    "Variable",
    "Variation",
    "VariationByExposition",
    "Wire",
]

Raw = dict[str, Any]
"""One targeting condition as decoded: its members depend on its ``targetingType``."""

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An id, index or time. Beyond 64 bits so many numbers share one hash that looking them up could be made to crawl."""

OFF = "off"
"""The variation key that means "not active"."""

IN_HOLDOUT = "in-holdout"
"""The key of the holdout entry that excludes its visitors."""


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    """A JSON object with camelCase members."""


class Variable(Wire, frozen=True):
    """A variable of a variation; ``type`` says how ``value`` is to be read (2.3)."""

    key: str = ""
    type: str = ""
    value: Any = False


class Variation(Wire, frozen=True):
    """A named outcome of a flag."""

    key: str = ""
    name: str | None = ""
    variables: list[Variable] | None = None


class VariationByExposition(Wire, frozen=True):
    """A variation's share, in [0, 1], of the visitors of a rule or holdout."""

    variation_key: str = ""
    variation_id: Number | None = None
    exposition: float = 0.0


class ConditionGroup(Wire, frozen=True):
    """Conditions joined by operators, ``True`` for OR (2.5)."""

    conditions: list[Raw] | None = None
    or_operators: list[bool | None] | None = None


class ConditionsData(Wire, frozen=True):
    """Groups joined by operators, ``True`` for OR (2.5)."""

    first_level: list[ConditionGroup]
    first_level_or_operators: list[bool | None] | None = None


class Segment(Wire, frozen=True):
    """A targeting segment; without ``conditions_data`` it matches everybody."""

    id: Number | str = -1
    conditions_data: ConditionsData | None = None
    audience_tracking: bool | None = False


class Named(Wire, frozen=True):
    """What an element is called, for people."""

    name: str | None = None


class Rule(Wire, frozen=True):
    """A delivery or experiment rule. v3 names its segment by id, 2.x embeds it."""

    id: Number | None = None
    order: Number | None = 0
    type: str | None = None
    exposition: float = 0.0
    experiment_id: Number | None = 0
    respool_time: Number | None = None
    segment_id: Number | None = None
    segment: Segment | None = None
    variation_by_exposition: list[VariationByExposition] | None = None


class FeatureFlag(Wire, frozen=True):
    """A feature flag (2.2)."""

    id: Number | None = 0
    feature_key: str = ""
    environment_enabled: bool | None = False
    default_variation_key: str | None = ""
    mutually_exclusive_group: str | None = None
    bucketing_custom_data_id: Number | None = None
    variations: list[Variation] | None = None
    rules: list[Rule] | None = None


class RuleHeader(Wire, frozen=True, gc=False):
    """What the index needs to know of a rule."""

    type: str | None = None
    segment_id: Number | None = None


class FlagHeader(Wire, frozen=True, gc=False):
    """What the index needs to know of a flag before its first use."""

    id: Number | None = 0
    feature_key: str = ""
    environment_enabled: bool | None = False
    mutually_exclusive_group: str | None = None
    bucketing_custom_data_id: Number | None = None
    rules: list[RuleHeader] | None = None


class Remains(Wire, frozen=True):
    """What there may be left of an element that does not decode, each as text: its id, and a flag's key and group."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    feature_key: msgspec.Raw = msgspec.Raw(b"null")
    mutually_exclusive_group: msgspec.Raw = msgspec.Raw(b"null")


class CustomDataInfo(Wire, frozen=True):
    """How the site declares a custom datum (2.7)."""

    index: Number | str | None = None
    id: Number | None = None
    name: str | None = None
    local_only: bool | None = False
    scope: str | None = None
    is_mapping_identifier: bool | None = False


class Settings(Wire, frozen=True):
    """The site's settings, member ``configuration`` (2.8)."""

    real_time_update: bool | None = False
    consent_type: str | None = None
    consent_opt_out_behavior: str | None = None
    data_api_domain: str | None = None


class Holdout(Wire, frozen=True):
    """The visitors kept out of every flag (2.9)."""

    experiment_id: Number | None = 0
    variation_by_exposition: list[VariationByExposition] | None = None


class Share(Wire, frozen=True):
    """A 2.x experiment's value for one variation: its traffic share, or its respool time."""

    variation_id: str
    value: Number | float


class ExperimentVariation(Wire, frozen=True):
    """A variation of a 2.x experiment with the JSON text that developers attached to it."""

    id: Number | str
    custom_json: str | None = None


class Experiment(Wire, frozen=True):
    """A 2.x experiment (2.12)."""

    id: Number | str
    site_enabled: bool | None = False
    deviations: list[Share] | None = None
    respool_time: list[Share] | None = None
    variations: list[ExperimentVariation] | None = None
    segment: Segment | None = None
