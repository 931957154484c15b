"""A site that has a flag of each type and of each way to fail, for OFREP's clients."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.faces import EXPERIMENT, VIP, Json, flag, plan_is, rule, site
from tests.vectors import as_bytes

__all__ = ["ANSWERS", "CONTEXT", "DATA_FILE", "DISABLED", "Asked"]

CONTEXT = {"targetingKey": "somebody", "plan": "vip"}
DISABLED = "switched off"
GOLD = 2002


class Asked(NamedTuple):
    """A flag as an application asks for it: the SDKs' name of its type, a fallback, and what comes."""

    flag: str
    type: str
    fallback: Any
    value: Any
    reason: str
    variant: str = "on"


ANSWERS = [
    Asked("plain", "boolean", False, True, "STATIC"),
    Asked("beta", "boolean", False, True, "TARGETING_MATCH"),
    Asked("colour", "string", "", "rouge é 🙂", "TARGETING_MATCH"),
    Asked("size", "integer", 0, 5, "TARGETING_MATCH"),
    Asked("ratio", "float", 0.0, 0.25, "TARGETING_MATCH"),
    Asked("whole ratio", "float", 0.0, 10.0, "DEFAULT", "ten"),
    Asked("layout", "object", {}, {"columns": [1, 2], "deep": {"er": None}}, "TARGETING_MATCH"),
    Asked("methods", "object", [], ["card", {"name": "paypal"}], "TARGETING_MATCH"),
    Asked("no rules", "boolean", True, False, "STATIC", "off"),
    Asked("halves", "boolean", True, False, "SPLIT", "off"),
    Asked("mixed", "string", "", "a text", "DEFAULT", "text"),
    Asked("a/b/c d", "string", "", "by path", "TARGETING_MATCH"),
]
"""What has a value for ``somebody``, whose plan is ``vip``."""


def of(key: str, kind: str, value: Any) -> Json:
    return flag(key, rule(sum(key.encode()), ("on", 1), segment_id=VIP), variables={"it": (kind, value)})


def by_default(key: str, first: str, values: dict[str, tuple[str, Any]]) -> Json:
    """A flag whose first variation is everybody's but for a few."""
    variations = [
        {"key": name, "variables": [{"key": "it", "type": kind, "value": value}]}
        for name, (kind, value) in values.items()
    ]
    few = rule(99, ([*values][-1], 1), segment_id=GOLD)
    return flag(key, few, variations=variations, defaultVariationKey=first)


DATA_FILE = as_bytes(
    site(
        flag("plain", rule(1, ("on", 1))),
        of("beta", "BOOLEAN", True),
        of("colour", "STRING", "rouge é 🙂"),
        of("size", "NUMBER", 5),
        of("ratio", "NUMBER", 0.25),
        by_default("whole ratio", "ten", {"ten": ("NUMBER", 10), "half": ("NUMBER", 0.5)}),
        by_default("mixed", "text", {"text": ("STRING", "a text"), "five": ("NUMBER", 5)}),
        of("layout", "JSON", '{"columns": [1, 2], "deep": {"er": null}}'),
        of("methods", "JSON", '["card", {"name": "paypal"}]'),
        flag("no rules"),
        flag("halves", rule(2, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)),
        of("a/b/c d", "STRING", "by path"),
        flag(DISABLED, environmentEnabled=False),
        of("malformed", "JSON", "{"),
        of("nothing", "JSON", "null"),
        segments=[plan_is("vip"), plan_is("gold", GOLD)],
    )
)
