"""The fields of the Automation API stand-in's feature flags, and what one of them alone can be refused for."""

from __future__ import annotations

from tests.management.standins.automation_fields import Object, Refused, check, enum, many, opened, some
from tests.management.standins.automation_resources import DATES, INTEGRATIONS, flag, number, text, whole
from tests.management.standins.automation_state import ACCOUNT_ID, SITE_CODE

__all__ = ["ENVIRONMENT_PATCH", "FLAG", "INTEGRATION_LISTS", "IN_ENVIRONMENT", "RULE", "RULE_PATCH"]

ALLOCATIONS = "MANUAL MULTI_ARMED_BANDIT CONTEXTUAL_BANDIT"
KEY = text("N", length=(1, 255))
INTEGRATION = {
    "integrationName": enum(INTEGRATIONS, "N"),
    "customVariable": whole("n"),
    "customAnalytics": many("strings", "n"),
}
INTEGRATION_LISTS = {name: many(ways="n", inner=INTEGRATION) for name in ("deliveryRules", "experimentRules")}
ROLLBACK = {
    "id": whole("n"),
    "comparisonOperator": enum("GREATER_THAN LESS_THAN", "N"),
    "criteria": enum("UPLIFT DOWNLIFT CONVERSION_RATE", "N"),
    "goalId": whole("n"),
    "matchValue": number("N", span=(0.0001, 100)),
    "target": enum("RULE ENVIRONMENT", "N"),
    "visitors": whole("n", span=(1, 1 << 62)),
    "recipients": many("strings", "n"),
}
RELEASE = {
    "releaseFrom": text("n"),
    "releaseTo": text("n"),
    "timeZone": text("N", pattern=r"[A-Za-z]\w*(/[\w+-]+)*"),
}
SHARE = {"variationKey": KEY, "variationId": whole("n"), "exposition": number("N", span=(0, 100))}

OWN_FIELDS = {
    "TARGETED_DELIVERY": {"variationKey": KEY, "exposition": number("N")},
    "PROGRESSIVE_DELIVERY": {"variationKey": KEY, "exposition": number("N")},
    "EXPERIMENTATION": {"trafficAllocations": many(ways="N")},
}
"""What a rule of each type cannot do without."""


def _rule_fits(at: str, rule: Object) -> None:
    check(OWN_FIELDS[rule["type"]], rule, prefix=f"{at}.")
    shares = rule.get("trafficAllocations") or []
    if rule["type"] == "EXPERIMENTATION" and abs(sum(share["exposition"] for share in shares) - 100) > 0.01:
        raise Refused(400, f"{at}.trafficAllocations: expositions must add up to 100")


RULE = {
    "id": whole("n"),
    "type": enum(" ".join(OWN_FIELDS), "N"),
    "name": text("n", length=(0, 100)),
    "orderIndex": whole("n"),
    "state": enum("ACTIVE PAUSED", "n"),
    "segmentId": whole("n"),
    "exposition": number("n", span=(0, 100)),
    "reallocation": flag("n"),
    "variationKey": text("n"),
    "controlVariationKey": text("n"),
    "trafficAllocations": many(ways="n", inner=SHARE),
    "trafficAllocationMethod": enum(ALLOCATIONS, "n"),
    "multiArmedBandit": flag("n"),
    "rolloutConfiguration": some("n"),
    "release": some("n", inner=RELEASE),
    "rollbackConditions": many(ways="n", inner=ROLLBACK),
}
ENVIRONMENT = {
    "environmentKey": KEY,
    "defaultVariationKey": KEY,
    "featureEnabled": flag("N"),
    "integrations": some("n", inner=INTEGRATION_LISTS),
    "rolloutRules": many(ways="n", inner=RULE, each=_rule_fits),
}
VARIABLE = {
    "key": KEY,
    "type": enum("BOOLEAN NUMBER STRING JSON JS CSS ENUM", "N"),
    "value": text("N"),
    "allowedValues": many("strings", "n"),
}
VARIATION = {
    "key": KEY,
    "name": text("N", length=(1, 255)),
    "variables": many(ways="n", inner={"key": KEY, "value": text("N")}),
}
BUCKETING = {"bucketingKeyType": enum("VISITOR_CODE CUSTOM_DATA", "N"), "customDataId": whole("n")}


def _bucketing_fits(at: str, key: Object) -> None:
    if key["bucketingKeyType"] == "CUSTOM_DATA":
        check({"customDataId": whole("N")}, key, prefix=f"{at}.")


FLAG = {
    "featureKey": text("NP", "", length=(1, 255), pattern="[a-z0-9_-]*"),
    "name": text("Np", "", length=(1, 100)),
    "siteCode": text("N", SITE_CODE, length=(10, 10)),
    "description": text("np", "", length=(0, 5000)),
    "variables": many(ways="np", inner=VARIABLE),
    "variations": many(ways="np", inner=VARIATION),
    "environmentConfigurations": many(ways="np", inner=ENVIRONMENT),
    "bucketingKey": some("np", {"bucketingKeyType": "VISITOR_CODE"}, inner=BUCKETING, each=_bucketing_fits),
    "attributionWindow": whole("np", 604_800_000),
    "primaryGoalId": whole("np"),
    "secondaryGoalIds": many("integers", "np"),
    "tags": many("strings", "np"),
    "isArchived": flag("p"),
    "archived": flag(),
    "health": enum("PERMANENT HEALTHY STALE SMELLY", default="HEALTHY"),
    "createdById": whole(default=ACCOUNT_ID),
    "teamId": whole(),
    **DATES,
    "dateContentModified": text(),
}
IN_ENVIRONMENT = {name: ENVIRONMENT[name] for name in ENVIRONMENT if name != "environmentKey"}
ENVIRONMENT_PATCH = {
    **{name: field for name, field in FLAG.items() if name != "environmentConfigurations"},
    **opened({"name": FLAG["name"]}, "P"),
    **opened(IN_ENVIRONMENT, "p"),
}
RULE_PATCH = {
    **opened({"featureKey": FLAG["featureKey"], "environmentConfigurations": FLAG["environmentConfigurations"]}, "p"),
    **opened(RULE, "p"),
}
