"""The fields of the Automation API stand-in's simple resources: those that store what they are sent."""

from __future__ import annotations

from typing import Any

from tests.management.standins.automation_fields import Field, Object, Refused, check, enum, many, some
from tests.management.standins.automation_state import ACCOUNT_ID, SITE_ID, Resource, State

__all__ = [
    "CONFIGURATIONS",
    "DATES",
    "INTEGRATIONS",
    "OWNER",
    "SIMPLE",
    "TARGETING_RULE",
    "flag",
    "number",
    "site_id",
    "text",
    "whole",
]


def text(ways: str = "", default: str | None = None, **more: Any) -> Field:
    """A string."""
    return Field("a string", ways, default, **more)


def whole(ways: str = "", default: int | None = None, **more: Any) -> Field:
    """An integer."""
    return Field("an integer", ways, default, **more)


def number(ways: str = "", default: float | None = None, **more: Any) -> Field:
    """A number."""
    return Field("a number", ways, default, **more)


def flag(ways: str = "", default: bool | None = False) -> Field:
    """True or false."""
    return Field("true or false", ways, default)


def site_id() -> Field:
    """The site an object lies in; it never moves."""
    return whole("N", SITE_ID)


DATES = {"dateCreated": text(), "dateModified": text()}
OWNER = {"createdBy": whole(default=ACCOUNT_ID)}
CONFIGURATIONS = "ALL_VISITORS AUTOPROMO_AUTODEFINED GRAPHICAL_PAGES HEAT_SLICE PAGE SAVED_TEMPLATE SITE URL"
TRIGGERS = "AUTOPROMO_AUTODEFINED GRAPHICAL_PAGES HEAT_SLICE PAGE SAVED_TEMPLATE SITE URL"
INTEGRATIONS = (
    "GOOGLE_ANALYTICS4 GOOGLE_ANALYTICS4_AUDIENCES GOOGLE_UNIVERSAL_ANALYTICS ECONDA SMART_TAG PIANO ADOBE_OMNITURE"
    " EULERIAN WEBTRENDS KISSMETRICS PIWIK CRAZY_EGG COM_SCORE TEALIUM YSANCE M_PATHY SMARTFOCUS EMARSYS EXPERTSENDER"
    " TAG_COMMANDER CONTENT_SQUARE WEBTREKK CUSTOM_INTEGRATIONS HEAP SEGMENT MIXPANEL CLARITY IABTCF REDSHIFT SMARTLOOK"
    " MOUSEFLOW KLAVIYO FULLSTORY AMPLITUDE SNOWPLOW JUNE MPARTICLE BIGQUERY RUDDERSTACK SNOWFLAKE GLASSBOX HUBSPOT"
    " AIR360 DATADOG QUANTUM_METRIC KAMELEOON_TRACKING CUSTOM_TRACKING VERCEL AKAMAI"
)

# --- accounts and sites -------------------------------------------------------------------------------------------

ROLES = (
    "ROLE_KAMELEOON_FULL_ADMIN ROLE_KAMELEOON_ADMIN ROLE_CUSTOMER_ADMIN ROLE_SITE_ADMIN ROLE_SITE_PRODUCTION"
    " ROLE_SITE_TECHNICAL ROLE_SITE_MARKETING ROLE_SITE_DEMO ROLE_SITE_ABTESTS_RESTRICTED"
    " ROLE_SITE_AUTO_PROMO_PERSO_ONLY"
)
ROLE = {
    "name": enum(ROLES, "N"),
    "customers": many("integers", "n"),
    "sites": many("integers", "n"),
    "privileges": many("strings", "n"),
}
ACCOUNT = {
    "email": text("Np", ""),
    "firstName": text("Np", ""),
    "lastName": text("Np", ""),
    "preferredLocale": enum("en fr de", "np", "en"),
    "status": enum("CREATED ACTIVATED DEACTIVATED", "np", "CREATED"),
    "roles": many(ways="np", inner=ROLE),
    "solutions": many("strings", "np", values=("WEB_EXPERIMENTATION", "FEATURE_EXPERIMENTATION")),
    "isProductRecoAllowed": flag("n"),
    "imageURL": text(),
    "isPasswordExpired": flag(),
    "passwordBlocked": flag(),
    "teamId": whole(),
    "amClientId": text(),
    "amClientSecret": text(),
    "dateCreated": text(),
}
PASSWORDS = {"password": text("N", length=(1, 255)), "passwordConfirm": text("N", length=(1, 255))}


def _passwords_agree(_: State, changes: Object, before: Object | None) -> None:
    if changes.pop("password", None) != changes.pop("passwordConfirm", None):
        raise Refused(400, "passwordConfirm: differs from password")


def _with_credentials(_: State, item: Object) -> None:
    item["amClientId"] = item["amClientId"] or f"{item['id']}-client"
    item["amClientSecret"] = item["amClientSecret"] or f"{item['id']}-secret"
    for name in PASSWORDS:
        item.pop(name, None)


CONSENT = "OFF REQUIRED INTERACTIVE IABTCF"
EXPERIMENT_CONFIG = {
    "isEditorLaunchedByShortcut": flag("n"),
    "isKameleoonReportingEnabled": flag("n", True),
    "customVariationSelectionScript": text("n", ""),
    "minWiningReliability": whole("n", 95),
    "abtestConsent": enum(CONSENT, "n", "OFF"),
    "abtestConsentOptout": enum("RUN BLOCK", "n", "RUN"),
    "beforeAbtestConsent": enum("NONE PARTIALLY ALL", "n", "NONE"),
}
PERSONALIZATION_CONFIG = {
    "personalizationsDeviation": number("n", 1.0),
    "isSameTypePersonalizationEnabled": flag("n"),
    "isSameJqueryInjectionAllowed": flag("n"),
    "personalizationConsent": enum(CONSENT, "n", "OFF"),
    "personalizationConsentOptout": enum("RUN BLOCK", "n", "RUN"),
    "beforePersonalizationConsent": enum("NONE PARTIALLY ALL", "n", "NONE"),
}
AUDIENCE_CONFIG = {
    "mainGoal": whole("n"),
    "siteType": enum("ECOMMERCE MEDIA OTHER", "n", "OTHER"),
    "ignoreURLSettings": flag("n", True),
    "predictiveTargeting": flag("n"),
}


def _config(inner: dict[str, Field]) -> Field:
    return some("np", {name: field.default for name, field in inner.items()}, inner=inner)


SITE = {
    "code": text(),
    "name": text("Np", "", length=(1, 255)),
    "url": text("Np", "", pattern=r"https?://\S+"),
    "description": text("np", ""),
    "type": enum("SITE SITE_JS SITE_SDK APPLICATION", "np", "SITE"),
    "siteType": enum("ECOMMERCE MEDIA OTHER", "np", "OTHER"),
    "domainNames": many("strings", "np"),
    "behaviorWhenTimeout": enum("RUN DISABLE_FOR_PAGE DISABLE_FOR_VISIT", "np", "RUN"),
    "dataStorage": enum("STANDARD_COOKIE LOCAL_STORAGE CUSTOM_COOKIE", "np", "LOCAL_STORAGE"),
    "trackingScript": text("np", ""),
    "indicators": many("strings", "np", values=("RETENTION_RATE", "NUMBER_OF_PAGES_SEEN", "DWELL_TIME")),
    "captureEventMethod": enum("CLICK MOUSEDOWN MOUSEUP", "np", "CLICK"),
    "isScriptActive": flag("np", True),
    "isKameleoonEnabled": flag("np", True),
    "isAudienceUsed": flag("np"),
    "mainGoal": whole("np"),
    "dateCreated": text(),
    "experimentConfig": _config(EXPERIMENT_CONFIG),
    "personalizationConfig": _config(PERSONALIZATION_CONFIG),
    "audienceConfig": _config(AUDIENCE_CONFIG),
}


def _with_code(_: State, item: Object) -> None:
    item["code"] = item["code"] or f"s{item['id']:09d}"


# --- goals and custom data ----------------------------------------------------------------------------------------

MATCHED = {
    "matchString": text("N", length=(1, 10_000)),
    "matchType": enum("CONTAINS CORRESPONDS_EXACTLY REGULAR_EXPRESSION", "N"),
}
GOAL_PARAMS: dict[str, dict[str, Field]] = {
    "URL": MATCHED,
    **{kind: {} for kind in ("CLICK", "SCROLL", "PAGE_VIEWS", "TIME_SPENT")},  # their insides are not known for sure
}
GOAL_TYPES = "CLICK CUSTOM SCROLL PAGE_VIEWS URL TIME_SPENT RETENTION_RATE WAREHOUSE RATIO_METRICS"
GOAL = {
    "siteId": site_id(),
    "name": text("Np", "", length=(1, 255)),
    "type": enum(GOAL_TYPES, "Np", "CUSTOM"),
    "status": enum("ACTIVE INACTIVE", "np", "ACTIVE"),
    "hasMultipleConversions": flag("Np"),
    "description": text("np", ""),
    "tags": many("strings", "np"),
    "trackingTools": many(ways="np"),
    "params": some("np"),
    "isArchived": flag(),
    **DATES,
}


def _goal_fits(_: State, changes: Object, before: Object | None) -> None:
    after = {**(before or {}), **changes}
    kind = after.get("type", "CUSTOM")
    if kind == "RATIO_METRICS" and before is None:
        raise Refused(400, "type: a RATIO_METRICS goal cannot be created")
    if kind in GOAL_PARAMS:
        check({"params": some("N", inner=GOAL_PARAMS[kind])}, after)
    if before is not None and kind != before["type"]:
        changes["tags"] = []  # changing the type may lose them (4.6)


NAMED_BY = {"GTM": "gtmVariableName", "ADOBE_ANALYTICS": "adobeAnalyticsVariableName", "CUSTOM_CODE": "customEvalCode"}
CUSTOM_DATA = {
    "index": whole(),
    "name": text("Np", "", length=(1, 255)),
    "siteId": site_id(),
    "method": enum("CLIENT CUSTOM_CODE GTM SDK TC TEALIUM ADOBE_ANALYTICS", "Np", "SDK"),
    "type": enum("UNIQUE LIST COUNT_LIST", "np", "UNIQUE"),
    "format": enum("STRING NUMBER BOOLEAN", "np", "STRING"),
    "scope": enum("PAGE VISIT VISITOR", "np", "VISITOR"),
    "description": text("np", ""),
    "isLocalOnly": flag("np"),
    **{name: text("np") for name in NAMED_BY.values()},
    "isConstant": flag(),
    "isMappingIdentifier": flag(),
    "dateCreated": text(),
    "modificationDate": text(),
}


def _is_named(_: State, changes: Object, before: Object | None) -> None:
    after = {**(before or {}), **changes}
    name = NAMED_BY.get(after.get("method", "SDK"))
    if name and not after.get(name):
        raise Refused(400, f"{name}: required for method {after['method']}")


def _with_index(state: State, item: Object) -> None:
    if item["index"] is None:
        item["index"] = state.next_id(f"index of {item['siteId']}")


# --- the rest -----------------------------------------------------------------------------------------------------

TARGETING_RULE = {
    "siteId": site_id(),
    "segmentConfiguration": enum(CONFIGURATIONS, "n", "ALL_VISITORS"),
    "segmentId": whole("n"),
    "targetingConfigurationParam": text("n"),
    "triggerConfiguration": enum(TRIGGERS, "n", "SITE"),
    "triggerId": whole("n"),
}
DETECTION = {"method": text("N"), "parameters": text("N"), "and": flag("n"), "andMethod": text("n")}
REFERRER = {
    "index": whole(),
    "siteId": whole(default=SITE_ID),
    "name": text("p", ""),
    "priority": whole("p", 1),
    "tags": text("p", ""),
    "detections": many(ways="p", inner={**DETECTION, "andParameters": text("n")}),
    "dateCreated": text(),
    "modificationDate": text(),
}
CODES = ("templateHtmlCode", "templateCssCode", "templateJavaScriptCode", "uiHtmlCode", "uiCssCode")
TEMPLATE = {
    "siteId": whole("p", SITE_ID),
    "name": text("p", ""),
    "description": text("p", ""),
    "type": text("p", "TEMPLATE"),
    "status": text("p", "DRAFT"),
    "config": Field("anything", "p"),
    **{name: text("p", "") for name in CODES},
    "url": text("p"),
    "themeId": whole("p"),
    "isCustomTemplate": flag("p"),
    "useCustomData": flag("p"),
    "widgetEditorTemplate": flag("p"),
    "tags": many("strings", "p"),
}
LISTED = {"siteId": whole(default=SITE_ID), "name": text(default=""), "tags": many("strings")}

SIMPLE: dict[str, Resource] = {
    "accounts": Resource(
        first_id=ACCOUNT_ID,
        verbs="list create get patch delete",
        fields=ACCOUNT,
        sent_only=PASSWORDS,
        allow=_passwords_agree,
        complete=_with_credentials,
    ),
    "sites": Resource(
        first_id=SITE_ID,
        verbs="list create get put patch delete",
        fields=SITE,
        aliases={"baseURL": "url"},
        complete=_with_code,
    ),
    "goals": Resource(first_id=44120, verbs="list create get put patch delete", fields=GOAL, allow=_goal_fits),
    "custom-datas": Resource(
        first_id=3310,
        verbs="list create get put patch delete",
        fields=CUSTOM_DATA,
        modified="modificationDate",
        allow=_is_named,
        created=_with_index,
    ),
    "targeting-rules": Resource(first_id=6021, verbs="list get", fields=TARGETING_RULE),
    "referrers": Resource(first_id=511, verbs="list patch", fields=REFERRER, modified="modificationDate"),
    "templates": Resource(first_id=77, verbs="list patch", fields=TEMPLATE),
    **{
        name: Resource(first_id=first_id, verbs="list", fields=LISTED)
        for name, first_id in {
            "key-moments": 601,
            "key-pages": 701,
            "images": 801,
            "widget-studio": 901,
            "widget-studio-templates": 1001,
            "studio-recommender-blocks": 1101,
        }.items()
    },
}
