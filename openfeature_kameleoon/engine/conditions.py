"""Every targeting condition, one row each: what it sees of a visitor, and what it accepts (specs/kameleoon-sdk.md 5.5).

A row is compiled once per condition of a data file: operands are read, patterns compiled and literals looked up then,
never while a visitor waits. A condition whose members make no sense accepts nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..datafile.model import Raw
from ..visitors.data import DeviceType, OperatingSystemType
from .accepted import (
    browser_named,
    cookie_named,
    heat,
    milliseconds_since,
    number,
    one_of,
    place_named,
    text,
    this_sdk,
    version,
    visitor_type,
    visits_today,
)
from .custom_data import any_value, custom_datum, legacy_custom_datum, only_custom_datum
from .history import (
    conversions,
    exclusive,
    experiment,
    feature_flag,
    last_conversion,
    legacy_exclusive,
    legacy_experiment,
    personalization,
)
from .matching import Test
from .scope import Condition, Getter, Scope, UnusableCondition
from .seen import (
    application_version,
    browser,
    cookies,
    device_type,
    geolocation,
    heat_scores,
    is_returning,
    latest_title,
    latest_url,
    operating_system,
    page_views,
    previous_url,
    visit_count,
    visitor_code,
    visitor_itself,
    visits,
)

__all__ = ["CONDITIONS", "LEGACY_CONDITIONS"]


def always(getter: Getter) -> Callable[[Raw, Scope], Getter]:
    """A column of ``sees`` that does not depend on the condition's members."""
    return lambda raw, scope: getter


def other_segment(raw: Raw, scope: Scope) -> Test:
    """Visitors that another segment matches (SEGMENT)."""
    segment_id = raw.get("segmentId")
    test = scope.segment(segment_id) if isinstance(segment_id, int) else None
    if test is None:
        raise UnusableCondition(f"segment {segment_id!r:.40} does not exist or refers to itself")
    return test


def nobody(raw: Raw, scope: Scope) -> Test:
    """Conditions that only a browser can answer, and unknown ones."""
    raise UnusableCondition(f"targetingType {raw.get('targetingType')!r:.40} cannot be answered on a server")


def everybody(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x (5.8)."""
    return lambda seen: True


CONDITIONS: Mapping[str, Condition] = {
    "APPLICATION_VERSION": Condition(always(application_version), version),
    "BROWSER": Condition(always(browser), browser_named),
    "CONVERSIONS": Condition(always(visitor_itself), conversions),
    "COOKIE": Condition(always(cookies), cookie_named),
    "CUSTOM_DATUM": Condition(custom_datum, any_value, only_custom_datum),
    "DEVICE_TYPE": Condition(always(device_type), one_of("device", DeviceType.__members__, any_case=True)),
    "EXCLUSIVE_EXPERIMENT": Condition(always(visitor_itself), exclusive),
    "EXPLICIT_TRIGGER": Condition(always(visitor_itself), nobody),
    "FIRST_VISIT": Condition(always(visits), milliseconds_since(-1)),
    "GEOLOCATION": Condition(always(geolocation), place_named),
    "HEAT_SLICE": Condition(always(heat_scores), heat),
    "LAST_VISIT": Condition(always(visits), milliseconds_since(0)),
    "NEW_VISITORS": Condition(always(is_returning), visitor_type),
    "OPERATING_SYSTEM": Condition(
        always(operating_system), one_of("os", OperatingSystemType.__members__, any_case=False)
    ),
    "PAGE_TITLE": Condition(always(latest_title), text("title")),
    "PAGE_URL": Condition(always(latest_url), text("url")),
    "PAGE_VIEWS": Condition(always(page_views), number("pageCount")),
    "PREVIOUS_PAGE": Condition(always(previous_url), text("url")),
    "SAME_DAY_VISITS": Condition(always(visitor_itself), visits_today),
    "SDK_LANGUAGE": Condition(always(visitor_itself), this_sdk),
    "SEGMENT": Condition(always(visitor_itself), other_segment),
    "TARGET_EXPERIMENT": Condition(always(visitor_itself), experiment),
    "TARGET_FEATURE_FLAG": Condition(always(visitor_itself), feature_flag),
    "TARGET_PERSONALIZATION": Condition(always(visitor_itself), personalization),
    "UNKNOWN": Condition(always(visitor_itself), nobody),
    "VISITOR_CODE": Condition(always(visitor_code), text("visitorCode")),
    "VISITS": Condition(always(visit_count), number("visitCount")),
}
"""Conditions of v3 data files by ``targetingType``; any other literal is answered as ``UNKNOWN``."""

LEGACY_CONDITIONS: Mapping[str, Condition] = {
    **CONDITIONS,
    "CONVERSIONS": Condition(always(visitor_itself), last_conversion),
    "CUSTOM_DATUM": Condition(legacy_custom_datum, any_value, only_custom_datum),
    "EXCLUSIVE_EXPERIMENT": Condition(always(visitor_itself), legacy_exclusive),
    "EXPLICIT_TRIGGER": Condition(always(visitor_itself), everybody),
    "TARGET_EXPERIMENT": Condition(always(visitor_itself), legacy_experiment),
    "UNKNOWN": Condition(always(visitor_itself), everybody),
}
"""The same for 2.x data files (5.8)."""
