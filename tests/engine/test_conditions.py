"""Every targeting condition: whom it matches, whom not, what missing data and nonsense come to (5.5 to 5.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.engine.conditions import CONDITIONS, LEGACY_CONDITIONS
from openfeature_kameleoon.engine.scope import FlagRule, Scope
from openfeature_kameleoon.engine.targeting import Leaf, compile_condition, predicate
from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
)
from openfeature_kameleoon.visitors.traits import (
    Assignment,
    Exposure,
    PageVisit,
    RecordedConversion,
    VisitHistory,
)
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.vectors import Stage

Raw = dict[str, Any]
Case = tuple[Raw, Visitor, bool]

MIDNIGHT = 1_789_948_800.0
NOW = MIDNIGHT + 36_000.0
STARTED = NOW - 600.0
HOUR, DAY = 3600.0, 86_400.0
INDEX = Stage().index

SEGMENTS: Mapping[int, Callable[[Visitor], bool]] = {1: lambda visitor: True, 2: lambda visitor: False}
RULES = {
    10: (
        FlagRule(71, 81, {91: "a", 92: "b"}),
        FlagRule(72, 82, {93: "a"}),
    )
}
SCOPE = Scope(
    now=lambda: NOW,
    start_of_day=lambda: MIDNIGHT,
    sdk_name="PYTHON",
    sdk_version="3.22.2",
    campaign_id=81,
    segment=SEGMENTS.get,
    rules_of_flag=lambda flag_id: RULES.get(flag_id, ()),
)


def visitor(
    *data: Data,
    code: str = "visitor-001",
    visits: tuple[float, ...] | None = None,
    assigned: Mapping[int, tuple[int, float]] | None = None,
    personalized: Mapping[int, float] | None = None,
    heat: dict[int, dict[int, float]] | None = None,
    started: float = STARTED,
) -> Visitor:
    """A known visitor; data are added a second apart, ``visits`` are starts of earlier visits, the latest first."""
    made = Visitor(code, started)
    for second, item in enumerate(data):
        add_data(made, item, INDEX, STARTED + second)
    traits = made.own_traits()
    if visits is not None:
        traits.visits = VisitHistory(visits, len(visits), 0.0)
    for experiment_id, (variation_id, time) in (assigned or {}).items():
        made.set_assignment(Assignment(Exposure(experiment_id, variation_id, None), time, 0.0, is_reported=True))
    traits.own("personalizations").update(personalized or {})
    traits.heat = heat
    return made


BLANK = visitor()
UNKNOWN = Visitor("visitor-001", NOW, known=False)


def leaf(raw: Raw, conditions: Mapping[str, Any] = CONDITIONS, scope: Scope = SCOPE) -> Leaf:
    return compile_condition(raw, scope, conditions)


def holds(raw: Raw, who: Visitor, conditions: Mapping[str, Any] = CONDITIONS, scope: Scope = SCOPE) -> bool:
    """What the condition says as the predicate that decides, which the leaf that explains agrees with."""
    compiled = leaf(raw, conditions, scope)
    decides = predicate(compiled)
    assert decides is not None
    answer = decides(who)
    assert answer is compiled.matches(who)
    return answer


# --- one table per condition --------------------------------------------------------------------------------


def version(version: object, match: object = "EQUAL") -> Raw:
    return {"version": version, "versionMatchType": match}


APPLICATION_VERSION: list[Case] = [
    (version("2.5.0"), visitor(ApplicationVersion("2.5")), True),
    (version("2.5"), visitor(ApplicationVersion("2.5.0.9")), True),  # parts beyond the third do not count
    (version(2.5), visitor(ApplicationVersion("2.5.0")), True),  # a JSON number is read as its text
    (version("2.5", "GREATER"), visitor(ApplicationVersion("2.10")), True),
    (version("2.5", "greater"), visitor(ApplicationVersion("2.10")), True),
    (version("2.5", "LOWER"), visitor(ApplicationVersion("2.4.99")), True),
    (version("2.5", "LOWER"), visitor(ApplicationVersion("2.5")), False),
    (version("2.5", "GREATER"), visitor(ApplicationVersion("2.5")), False),
    (version("2.5"), visitor(ApplicationVersion(" 2 . 5 ")), True),
    (version("2.5"), visitor(ApplicationVersion("2.x")), False),
    (version("2.5"), visitor(ApplicationVersion("")), False),
    (version("2.5"), BLANK, False),
    (version("2.5"), UNKNOWN, False),
    (version("x", "LOWER"), visitor(ApplicationVersion("2.5")), False),
    (version(None, "GREATER"), visitor(ApplicationVersion("2.5")), False),
    (version("2.5", "ROUGHLY"), visitor(ApplicationVersion("2.5")), False),
    (version("2.5", None), visitor(ApplicationVersion("2.5")), False),
]

CHROME = visitor(Browser(BrowserType.CHROME, 120.0))
BROWSER: list[Case] = [
    ({"browser": "CHROME"}, CHROME, True),
    ({"browser": "CHROME", "version": ""}, CHROME, True),
    ({"browser": "FIREFOX"}, CHROME, False),
    ({"browser": "chrome"}, CHROME, False),
    ({"browser": "IE"}, visitor(Browser(BrowserType.INTERNET_EXPLORER)), True),
    ({"browser": "INTERNET_EXPLORER"}, visitor(Browser(BrowserType.INTERNET_EXPLORER)), True),
    ({"browser": "CHROME", **version("119", "GREATER")}, CHROME, True),
    ({"browser": "CHROME", **version("120", "GREATER")}, CHROME, False),
    ({"browser": "CHROME", **version("120.0.5")}, CHROME, True),
    ({"browser": "CHROME", **version("121", "lower")}, CHROME, True),
    ({"browser": "FIREFOX", **version("119", "GREATER")}, CHROME, False),
    ({"browser": "CHROME", **version("10.10")}, visitor(Browser(BrowserType.CHROME, 10.1)), True),  # quirk, 5.6
    ({"browser": "CHROME", **version("0", "LOWER")}, visitor(Browser(BrowserType.CHROME)), True),  # counts as -1
    ({"browser": "CHROME", **version("-1")}, visitor(Browser(BrowserType.CHROME, 0)), True),
    ({"browser": "CHROME"}, BLANK, False),
    ({"browser": "CHROME"}, UNKNOWN, False),
    ({"browser": "CHROME", **version("1.-2", "GREATER")}, CHROME, False),
    ({"browser": "CHROME", **version("new", "LOWER")}, CHROME, False),
    ({"browser": "CHROME", **version("1", None)}, CHROME, False),
    ({"browser": "LYNX"}, CHROME, False),
    ({}, CHROME, False),
]

BOUGHT = visitor(Conversion(1), Conversion(2), visits=(STARTED - HOUR, STARTED - DAY))
CONVERSIONS: list[Case] = [
    ({"goalId": 1}, BOUGHT, True),
    ({"goalId": 3}, BOUGHT, False),
    ({}, BOUGHT, True),
    ({"goalId": -1}, BOUGHT, True),
    ({"goalId": "1"}, BOUGHT, False),
    ({}, BLANK, False),
    ({}, UNKNOWN, False),
    ({"goalId": 1, "visitScope": "CURRENT_VISIT"}, BOUGHT, True),
    ({"goalId": 1, "visitScope": "CURRENT_VISIT"}, visitor(Conversion(1), visits=(1.0,), started=NOW), False),
    ({"goalId": 1, "visitScope": "whatever"}, visitor(Conversion(1), visits=(1.0,), started=NOW), True),
    ({"goalId": 1, "visitCount": 1}, visitor(Conversion(1), visits=(1.0,), started=NOW), False),
    ({"goalId": 1, "visitCount": 2}, visitor(Conversion(1), visits=(1.0,), started=NOW), True),
    ({"goalId": 1, "visitCount": 2}, visitor(Conversion(1), visits=(NOW - 1, 1.0), started=NOW), False),
    ({"goalId": 1, "visitCount": 3}, visitor(Conversion(1), visits=(NOW - 1, 1.0), started=NOW), True),
    ({"goalId": 1, "visitCount": 0}, visitor(Conversion(1), visits=(NOW - 1, 1.0), started=NOW), True),  # means 25
    ({"goalId": 1, "visitCount": "1"}, visitor(Conversion(1), visits=(NOW - 1, 1.0), started=NOW), True),
    ({"goalId": 1}, visitor(Conversion(1), visits=(), started=NOW), False),  # history loaded, and none before
]

GOLD = visitor(Cookie({"tier": "gold", "other": "x", "empty": ""}))
COOKIE: list[Case] = [
    ({"name": "tier", "nameMatchType": "EXACT", "value": "gold", "valueMatchType": "EXACT"}, GOLD, True),
    ({"name": "tier", "nameMatchType": "EXACT", "value": "x", "valueMatchType": "EXACT"}, GOLD, False),
    ({"name": "t", "nameMatchType": "CONTAINS", "value": "x", "valueMatchType": "EXACT"}, GOLD, True),
    ({"name": "t.*r", "nameMatchType": "REGULAR_EXPRESSION", "value": "g", "valueMatchType": "CONTAINS"}, GOLD, True),
    ({"name": "empty", "nameMatchType": "EXACT", "value": "", "valueMatchType": "EXACT"}, GOLD, True),
    ({"name": "Tier", "nameMatchType": "EXACT", "value": "gold", "valueMatchType": "EXACT"}, GOLD, False),
    ({"nameMatchType": "EXACT", "value": "x", "valueMatchType": "EXACT"}, visitor(Cookie({"None": "x"})), True),
    ({"name": "tier", "nameMatchType": "EXACT", "value": "gold", "valueMatchType": "EXACT"}, BLANK, False),
    ({"name": "tier", "nameMatchType": "EXACT", "value": "gold", "valueMatchType": "EXACT"}, UNKNOWN, False),
    ({"name": "", "nameMatchType": "CONTAINS", "value": "", "valueMatchType": "CONTAINS"}, visitor(Cookie({})), False),
    ({"name": "tier", "nameMatchType": "EXACT", "value": "gold", "valueMatchType": "GREATER"}, GOLD, False),
    ({"name": "tier", "value": "gold", "valueMatchType": "EXACT"}, GOLD, False),
    ({"name": "(", "nameMatchType": "REGULAR_EXPRESSION", "value": "gold", "valueMatchType": "EXACT"}, GOLD, False),
    ({"name": 5, "nameMatchType": "CONTAINS", "value": "gold", "valueMatchType": "EXACT"}, GOLD, False),
]


def datum(match: object, value: object = None, index: object = "1") -> Raw:
    return {"customDataIndex": index, "valueMatchType": match, "value": value}


def values(*texts: str) -> Visitor:
    return visitor(CustomData(1, *texts))


CUSTOM_DATUM: list[Case] = [
    (datum("EXACT", "a"), values("a"), True),
    (datum("EXACT", "a"), values("b", "a"), True),
    (datum("EXACT", "a"), values("A"), False),
    (datum("EXACT", "a"), values(), False),
    (datum("EXACT", "a"), visitor(CustomData(2, "a")), False),
    (datum("EXACT", "a", 1), values("a"), True),  # an index that is a number is read all the same
    (datum("EXACT", "a", "first"), values("a"), False),
    (datum("EXACT", "a", None), values("a"), False),
    (datum("EXACT", "a", []), values("a"), False),
    (datum("EXACT", 5), values("5"), False),
    (datum("EXACT"), values("None"), False),
    (datum("CONTAINS", "b"), values("abc"), True),
    (datum("CONTAINS", ""), values("abc"), True),
    (datum("CONTAINS", "d"), values("abc", "x"), False),
    (datum("CONTAINS"), values("None"), False),
    (datum("REGULAR_EXPRESSION", "a.c"), values("x", "abc"), True),
    (datum("REGULAR_EXPRESSION", "a.c"), values("abcd"), False),  # the whole value has to match
    (datum("REGULAR_EXPRESSION", "("), values("("), False),
    (datum("REGULAR_EXPRESSION"), values("None"), False),
    (datum("EQUAL", "5"), values("5.0"), True),
    (datum("EQUAL", "5"), values(" 5e0 "), True),
    (datum("EQUAL", "5"), values("5.0000000001"), True),
    (datum("EQUAL", "5"), values("5.00000001"), False),
    (datum("EQUAL", 5), values("5"), True),
    (datum("EQUAL", "inf"), values("inf"), False),  # inf - inf is no number
    (datum("EQUAL", "five"), values("five"), False),
    (datum("EQUAL"), values("0"), False),
    (datum("EQUAL", 10**400), values("5"), False),
    (datum("GREATER", "10"), values("11"), True),
    (datum("GREATER", "10"), values("10"), False),
    (datum("GREATER", "10"), values("9", "11"), True),
    (datum("GREATER", "10"), values("11", "abc"), True),
    (datum("GREATER", "10"), values("abc", "11"), False),  # reference quirk: the first bad number decides
    (datum("GREATER", "10"), values("inf"), True),
    (datum("GREATER", "10"), values("nan"), False),
    (datum("LOWER", "10"), values("-1"), True),
    (datum("LOWER", "10"), values("10"), False),
    (datum("LOWER", "10"), values("ten"), False),
    (datum("LOWER", [10]), values("1"), False),
    (datum("TRUE"), values("true"), True),
    (datum("TRUE"), values("True"), False),
    (datum("FALSE"), values("true", "false"), True),
    (datum("FALSE"), values("0"), False),
    (datum("AMONG_VALUES", '["a", "b"]'), values("b"), True),
    (datum("AMONG_VALUES", '["a", "b"]'), values("x", "a"), True),
    (datum("AMONG_VALUES", '["a", "b"]'), values("c"), False),
    (datum("AMONG_VALUES", "[]"), values(""), False),
    (datum("AMONG_VALUES", "[true, null, 2, 2.5]"), values("true"), True),
    (datum("AMONG_VALUES", "[true, null, 2, 2.5]"), values("None"), True),
    (datum("AMONG_VALUES", "[true, null, 2, 2.5]"), values("2"), True),
    (datum("AMONG_VALUES", "[true, null, 2, 2.5]"), values("2.5"), True),
    (datum("AMONG_VALUES", "[1]"), values("true"), True),  # reference quirk: 1 == True
    (datum("AMONG_VALUES", "[1]"), values("1"), False),
    (datum("AMONG_VALUES", '{"a": 1}'), values("a"), False),
    (datum("AMONG_VALUES", "a"), values("a"), False),
    (datum("AMONG_VALUES", ["a"]), values("a"), False),
    (datum("AMONG_VALUES", "[" * 5000), values("a"), False),
    (datum("UNDEFINED"), BLANK, True),
    (datum("UNDEFINED"), values("a"), False),
    (datum("UNDEFINED"), values(), False),  # a datum without values is one
    (datum("UNDEFINED"), UNKNOWN, False),
    (datum("UNDEFINED", index="first"), values("a"), True),
    (datum("EXACT", "a"), BLANK, False),
    (datum("EXACT", "a"), UNKNOWN, False),
    (datum("ANY"), values("a"), False),
    (datum("UNKNOWN"), values("a"), False),
    (datum("BOGUS", "a"), values("a"), False),
    (datum(None, "a"), values("a"), False),
    (datum(["EXACT"], "a"), values("a"), False),
]

PHONE = visitor(Device(DeviceType.PHONE))
DEVICE_TYPE: list[Case] = [
    ({"device": "PHONE"}, PHONE, True),
    ({"device": "phone"}, PHONE, True),
    ({"device": "TABLET"}, PHONE, False),
    ({"device": "PHONE"}, BLANK, False),
    ({"device": "PHONE"}, UNKNOWN, False),
    ({"device": "WATCH"}, PHONE, False),
    ({"device": ["PHONE"]}, PHONE, False),
    ({}, PHONE, False),
]

IN_OWN, IN_OTHER = {81: (91, STARTED)}, {81: (91, STARTED), 99: (1, STARTED)}
EXCLUSIVE_EXPERIMENT: list[Case] = [
    ({"campaignType": "EXPERIMENT"}, BLANK, True),
    ({"campaignType": "EXPERIMENT"}, UNKNOWN, True),
    ({"campaignType": "EXPERIMENT"}, visitor(assigned=IN_OWN), True),
    ({"campaignType": "EXPERIMENT"}, visitor(assigned=IN_OTHER), False),
    ({"campaignType": "EXPERIMENT"}, visitor(personalized={7: NOW}), True),
    ({"campaignType": "PERSONALIZATION"}, visitor(assigned=IN_OTHER), True),
    ({"campaignType": "PERSONALIZATION"}, visitor(personalized={7: NOW}), False),
    ({"campaignType": "ANY"}, visitor(assigned=IN_OWN), True),
    ({"campaignType": "ANY"}, visitor(assigned=IN_OTHER), False),
    ({"campaignType": "ANY"}, visitor(personalized={7: NOW}), False),
    ({"campaignType": "ANY", "visitCount": 1}, visitor(assigned={99: (1, STARTED - 1)}, visits=(1.0,)), True),
    ({"campaignType": "ANY", "visitCount": 1}, visitor(assigned={99: (1, STARTED)}, visits=(1.0,)), False),
    ({"campaignType": "ANY", "visitCount": 1}, visitor(personalized={7: STARTED - 1}, visits=(1.0,)), True),
    ({"campaignType": "ANY"}, visitor(assigned={99: (1, STARTED - 1)}, visits=(1.0,)), False),  # VISITOR by default
    ({"campaignType": "SOME"}, BLANK, False),
    ({}, BLANK, False),
]

EXPLICIT_TRIGGER: list[Case] = [({}, BLANK, False), ({}, UNKNOWN, False)]

SEEN_BEFORE = visitor(visits=(NOW - HOUR, NOW - DAY))
FIRST_VISIT: list[Case] = [
    ({"countInMillis": 86_400_000, "matchType": "EQUAL"}, SEEN_BEFORE, True),
    ({"countInMillis": 86_399_999, "matchType": "GREATER"}, SEEN_BEFORE, True),
    ({"countInMillis": 86_400_000, "matchType": "GREATER"}, SEEN_BEFORE, False),
    ({"countInMillis": 86_400_001, "matchType": "LOWER"}, SEEN_BEFORE, True),
    ({"countInMillis": 0, "matchType": "GREATER"}, BLANK, False),
    ({"countInMillis": 0, "matchType": "GREATER"}, visitor(visits=()), False),
    ({"countInMillis": 0, "matchType": "GREATER"}, UNKNOWN, False),
    ({"matchType": "GREATER"}, SEEN_BEFORE, False),
    ({"countInMillis": "0", "matchType": "GREATER"}, SEEN_BEFORE, False),
    ({"countInMillis": True, "matchType": "GREATER"}, SEEN_BEFORE, False),
    ({"countInMillis": 0, "matchType": "EXACT"}, SEEN_BEFORE, False),
]

LAST_VISIT: list[Case] = [
    ({"countInMillis": 3_600_000, "matchType": "EQUAL"}, SEEN_BEFORE, True),
    ({"countInMillis": 3_600_000, "matchType": "LOWER"}, SEEN_BEFORE, False),
    ({"countInMillis": 4e6, "matchType": "LOWER"}, SEEN_BEFORE, True),
    ({"countInMillis": 0, "matchType": "GREATER"}, BLANK, False),
    ({"countInMillis": 0, "matchType": "GREATER"}, UNKNOWN, False),
    ({"matchType": "GREATER"}, SEEN_BEFORE, False),
]

PARIS = visitor(Geolocation("France", "Ile-de-France", "Paris"))
GEOLOCATION: list[Case] = [
    ({"country": "France"}, PARIS, True),
    ({"country": "FRANCE", "region": "ile-DE-france", "city": "paris"}, PARIS, True),
    ({"country": "France", "region": "", "city": None}, PARIS, True),
    ({"country": "France", "city": "Lyon"}, PARIS, False),
    ({"country": "Spain", "city": "Paris"}, PARIS, False),
    ({"country": "France", "city": "Paris"}, visitor(Geolocation("France")), False),
    ({"country": "France"}, BLANK, False),
    ({"country": "France"}, UNKNOWN, False),
    ({"city": "Paris"}, PARIS, False),
    ({"country": 33}, PARIS, False),
]

WARM = visitor(heat={31: {44: 72.5}})
SLICE = {"keyMomentId": 31, "goalId": 44, "lowerBound": 70, "upperBound": 80}
HEAT_SLICE: list[Case] = [
    (SLICE, WARM, True),
    ({**SLICE, "lowerBound": 72.5}, WARM, True),
    ({**SLICE, "upperBound": 72.5}, WARM, True),
    ({**SLICE, "lowerBound": 72.6}, WARM, False),
    ({**SLICE, "keyMomentId": 32}, WARM, False),
    ({**SLICE, "goalId": 45}, WARM, False),
    (SLICE, BLANK, False),
    (SLICE, UNKNOWN, False),
    ({**SLICE, "goalId": "44"}, WARM, False),
    ({**SLICE, "upperBound": None}, WARM, False),
    ({}, WARM, False),
]

NEW_VISITORS: list[Case] = [
    ({"visitorType": "NEW"}, BLANK, True),
    ({"visitorType": "new"}, UNKNOWN, True),
    ({"visitorType": "NEW"}, SEEN_BEFORE, False),
    ({"visitorType": "NEW"}, visitor(visits=()), True),
    ({"visitorType": "RETURNING"}, SEEN_BEFORE, True),
    ({"visitorType": "RETURNING"}, BLANK, False),
    ({"visitorType": "LOYAL"}, SEEN_BEFORE, False),
    ({}, BLANK, False),
]

ANDROID = visitor(OperatingSystem(OperatingSystemType.ANDROID))
OPERATING_SYSTEM: list[Case] = [
    ({"os": "ANDROID"}, ANDROID, True),
    ({"os": "IOS"}, ANDROID, False),
    ({"os": "android"}, ANDROID, False),
    ({"os": "ANDROID"}, BLANK, False),
    ({"os": "ANDROID"}, UNKNOWN, False),
    ({"os": 4}, ANDROID, False),
    ({}, ANDROID, False),
]

BROWSED = visitor(PageView("/home", "Home"), PageView("/cart", "Cart"), PageView("/home", "Home again"))
PAGE_TITLE: list[Case] = [
    ({"title": "Home again", "matchType": "EXACT"}, BROWSED, True),
    ({"title": "Cart", "matchType": "EXACT"}, BROWSED, False),
    ({"title": "again", "matchType": "CONTAINS"}, BROWSED, True),
    ({"title": "home.*", "matchType": "REGULAR_EXPRESSION"}, BROWSED, False),
    ({"title": "Home.*", "matchType": "REGULAR_EXPRESSION"}, BROWSED, True),
    ({"title": "", "matchType": "CONTAINS"}, visitor(PageView("/home")), False),  # a page without a title
    ({"title": "", "matchType": "CONTAINS"}, BLANK, False),
    ({"title": "", "matchType": "CONTAINS"}, UNKNOWN, False),
    ({"title": "(", "matchType": "REGULAR_EXPRESSION"}, BROWSED, False),
    ({"title": "Home again", "matchType": "EQUAL"}, BROWSED, False),
    ({"title": "Home again"}, BROWSED, False),
]

PAGE_URL: list[Case] = [
    ({"url": "/home", "matchType": "EXACT"}, BROWSED, True),
    ({"url": "/cart", "matchType": "EXACT"}, BROWSED, False),
    ({"url": "o", "matchType": "CONTAINS"}, BROWSED, True),
    ({"url": "/(home|cart)", "matchType": "REGULAR_EXPRESSION"}, BROWSED, True),
    ({"url": "/hom", "matchType": "REGULAR_EXPRESSION"}, BROWSED, False),
    ({"url": "", "matchType": "CONTAINS"}, BLANK, False),
    ({"url": "", "matchType": "CONTAINS"}, UNKNOWN, False),
    ({"url": "/home", "matchType": "GREATER"}, BROWSED, False),
    ({"matchType": "EXACT"}, BROWSED, False),
]

PAGE_VIEWS: list[Case] = [
    ({"pageCount": 3, "matchType": "EQUAL"}, BROWSED, True),
    ({"pageCount": 2, "matchType": "GREATER"}, BROWSED, True),
    ({"pageCount": 3, "matchType": "LOWER"}, BROWSED, False),
    ({"pageCount": 0, "matchType": "EQUAL"}, BLANK, True),
    ({"pageCount": 0, "matchType": "EQUAL"}, UNKNOWN, False),
    ({"matchType": "EQUAL"}, BLANK, False),
    ({"pageCount": "3", "matchType": "EQUAL"}, BROWSED, False),
    ({"pageCount": 3, "matchType": "BOGUS"}, BROWSED, False),
]

PREVIOUS_PAGE: list[Case] = [
    ({"url": "/cart", "matchType": "EXACT"}, BROWSED, True),
    ({"url": "/home", "matchType": "EXACT"}, BROWSED, False),
    ({"url": "/", "matchType": "CONTAINS"}, visitor(PageView("/one"), PageView("/one")), False),  # distinct pages
    ({"url": "", "matchType": "CONTAINS"}, BLANK, False),
    ({"url": "", "matchType": "CONTAINS"}, UNKNOWN, False),
    ({"url": "/cart", "matchType": "ANY"}, BROWSED, False),
]

SAME_DAY_VISITS: list[Case] = [
    ({"visitCount": 1, "matchType": "EQUAL"}, BLANK, True),
    ({"visitCount": 1, "matchType": "EQUAL"}, UNKNOWN, True),
    ({"visitCount": 0, "matchType": "EQUAL"}, visitor(started=MIDNIGHT - 1), True),
    ({"visitCount": 1, "matchType": "EQUAL"}, visitor(started=MIDNIGHT), True),
    ({"visitCount": 2, "matchType": "EQUAL"}, visitor(visits=(NOW - HOUR, MIDNIGHT - 1)), True),
    ({"visitCount": 3, "matchType": "EQUAL"}, visitor(visits=(NOW - HOUR, MIDNIGHT)), True),
    ({"visitCount": 1, "matchType": "EQUAL"}, visitor(visits=(MIDNIGHT - 1, NOW - HOUR)), True),  # stops at the first
    ({"visitCount": 1, "matchType": "GREATER"}, BLANK, False),
    ({"matchType": "EQUAL"}, BLANK, False),
    ({"visitCount": 1}, BLANK, False),
]

SDK_LANGUAGE: list[Case] = [
    ({"sdkLanguage": "PYTHON"}, BLANK, True),
    ({"sdkLanguage": "PYTHON"}, UNKNOWN, True),
    ({"sdkLanguage": "PYTHON", "version": ""}, BLANK, True),
    ({"sdkLanguage": "python"}, BLANK, False),
    ({"sdkLanguage": "JAVA"}, BLANK, False),
    ({"sdkLanguage": "PYTHON", **version("3.0.0", "GREATER")}, BLANK, True),
    ({"sdkLanguage": "PYTHON", **version("3.22.2")}, BLANK, True),
    ({"sdkLanguage": "PYTHON", **version("4", "GREATER")}, BLANK, False),
    ({"sdkLanguage": "JAVA", **version("3.0.0", "GREATER")}, BLANK, False),
    ({"sdkLanguage": "PYTHON", **version("new", "LOWER")}, BLANK, False),
    ({"sdkLanguage": "PYTHON", **version("3", "SOME")}, BLANK, False),
    ({}, BLANK, False),
]

SEGMENT: list[Case] = [
    ({"segmentId": 1}, BLANK, True),
    ({"segmentId": 1}, UNKNOWN, True),
    ({"segmentId": 2}, BLANK, False),
    ({"segmentId": 3}, BLANK, False),
    ({"segmentId": "1"}, BLANK, False),
    ({}, BLANK, False),
]

ANY, EXACT = {"variationMatchType": "ANY"}, {"variationMatchType": "EXACT"}
TARGET_EXPERIMENT: list[Case] = [
    ({"experimentId": 81, **ANY}, visitor(assigned=IN_OWN), True),
    ({"experimentId": 82, **ANY}, visitor(assigned=IN_OWN), False),
    ({"experimentId": 81, "variationId": 91, **EXACT}, visitor(assigned=IN_OWN), True),
    ({"experimentId": 81, "variationId": 92, **EXACT}, visitor(assigned=IN_OWN), False),
    ({"experimentId": 81, **ANY}, visitor(assigned={81: (91, STARTED - 1)}, visits=(1.0,)), False),
    ({"experimentId": 81, **ANY}, visitor(assigned={81: (91, STARTED - 1)}), True),  # no history: all counts
    ({"experimentId": 81, "visitScope": "visitor", **ANY}, visitor(assigned={81: (91, 2.0)}, visits=(1.0,)), True),
    ({"experimentId": 81, **ANY}, BLANK, False),
    ({"experimentId": 81, **ANY}, UNKNOWN, False),
    ({"experimentId": 81}, visitor(assigned=IN_OWN), False),
    ({"experimentId": 81, "variationMatchType": "MOST"}, visitor(assigned=IN_OWN), False),
    ({"experimentId": "81", **ANY}, visitor(assigned=IN_OWN), False),
    ({**ANY}, visitor(assigned=IN_OWN), False),
]

TARGET_FEATURE_FLAG: list[Case] = [
    ({"featureFlagId": 10}, visitor(assigned=IN_OWN), True),
    ({"featureFlagId": 10}, visitor(assigned={82: (93, STARTED)}), True),
    ({"featureFlagId": 11}, visitor(assigned=IN_OWN), False),
    ({"featureFlagId": 10, "variationKey": "a"}, visitor(assigned=IN_OWN), True),
    ({"featureFlagId": 10, "variationKey": "b"}, visitor(assigned=IN_OWN), False),
    ({"featureFlagId": 10, "variationKey": "a"}, visitor(assigned={81: (999, STARTED)}), False),
    ({"featureFlagId": 10, "ruleId": 71}, visitor(assigned=IN_OWN), True),
    ({"featureFlagId": 10, "ruleId": 72}, visitor(assigned=IN_OWN), False),
    ({"featureFlagId": 10, "ruleId": 72, "variationKey": "a"}, visitor(assigned={82: (93, STARTED)}), True),
    ({"featureFlagId": 10}, visitor(assigned={81: (91, STARTED - 1)}, visits=(1.0,)), False),
    ({"featureFlagId": 10, "visitScope": "VISITOR"}, visitor(assigned={81: (91, 2.0)}, visits=(1.0,)), True),
    ({"featureFlagId": 10}, BLANK, False),
    ({"featureFlagId": 10}, UNKNOWN, False),
    ({"featureFlagId": "10"}, visitor(assigned=IN_OWN), False),
    ({}, visitor(assigned=IN_OWN), False),
]

TARGET_PERSONALIZATION: list[Case] = [
    ({"personalizationId": 7}, visitor(personalized={7: STARTED}), True),
    ({"personalizationId": 8}, visitor(personalized={7: STARTED}), False),
    ({"personalizationId": 7}, visitor(personalized={7: STARTED - 1}, visits=(1.0,)), False),
    ({"personalizationId": 7, "visitScope": "VISITOR"}, visitor(personalized={7: 2.0}, visits=(1.0,)), True),
    ({"personalizationId": 7}, BLANK, False),
    ({"personalizationId": 7}, UNKNOWN, False),
    ({"personalizationId": "7"}, visitor(personalized={7: STARTED}), False),
    ({}, visitor(personalized={7: STARTED}), False),
]

NOBODY: list[Case] = [({}, BLANK, False), ({}, UNKNOWN, False)]

LINKED = visitor()
LINKED.hashing_code = "anonymous"
VISITOR_CODE: list[Case] = [
    ({"visitorCode": "visitor-001", "matchType": "EXACT"}, BLANK, True),
    ({"visitorCode": "visitor-001", "matchType": "EXACT"}, UNKNOWN, True),
    ({"visitorCode": "visitor-001", "matchType": "EXACT"}, LINKED, True),  # the code passed, not the linked one
    ({"visitorCode": "anonymous", "matchType": "EXACT"}, LINKED, False),
    ({"visitorCode": "or-0", "matchType": "CONTAINS"}, BLANK, True),
    ({"visitorCode": "visitor-\\d+", "matchType": "REGULAR_EXPRESSION"}, BLANK, True),
    ({"visitorCode": "\\d+", "matchType": "REGULAR_EXPRESSION"}, BLANK, False),
    ({"visitorCode": "[", "matchType": "REGULAR_EXPRESSION"}, BLANK, False),
    ({"visitorCode": "visitor-001", "matchType": "BOGUS"}, BLANK, False),
    ({"visitorCode": "visitor-001"}, BLANK, False),
    ({"matchType": "CONTAINS"}, BLANK, False),
]

VISITS: list[Case] = [
    ({"visitCount": 3, "matchType": "EQUAL"}, SEEN_BEFORE, True),
    ({"visitCount": 2, "matchType": "GREATER"}, SEEN_BEFORE, True),
    ({"visitCount": 3, "matchType": "LOWER"}, SEEN_BEFORE, False),
    ({"visitCount": 1, "matchType": "EQUAL"}, BLANK, True),
    ({"visitCount": 1, "matchType": "EQUAL"}, UNKNOWN, True),
    ({"visitCount": 1.0, "matchType": "EQUAL"}, BLANK, True),
    ({"matchType": "EQUAL"}, BLANK, False),
    ({"visitCount": "1", "matchType": "EQUAL"}, BLANK, False),
    ({"visitCount": 1, "matchType": "TRUE"}, BLANK, False),
]

TABLES: Mapping[str, list[Case]] = {
    "APPLICATION_VERSION": APPLICATION_VERSION,
    "BROWSER": BROWSER,
    "CONVERSIONS": CONVERSIONS,
    "COOKIE": COOKIE,
    "CUSTOM_DATUM": CUSTOM_DATUM,
    "DEVICE_TYPE": DEVICE_TYPE,
    "EXCLUSIVE_EXPERIMENT": EXCLUSIVE_EXPERIMENT,
    "EXPLICIT_TRIGGER": EXPLICIT_TRIGGER,
    "FIRST_VISIT": FIRST_VISIT,
    "GEOLOCATION": GEOLOCATION,
    "HEAT_SLICE": HEAT_SLICE,
    "LAST_VISIT": LAST_VISIT,
    "NEW_VISITORS": NEW_VISITORS,
    "OPERATING_SYSTEM": OPERATING_SYSTEM,
    "PAGE_TITLE": PAGE_TITLE,
    "PAGE_URL": PAGE_URL,
    "PAGE_VIEWS": PAGE_VIEWS,
    "PREVIOUS_PAGE": PREVIOUS_PAGE,
    "SAME_DAY_VISITS": SAME_DAY_VISITS,
    "SDK_LANGUAGE": SDK_LANGUAGE,
    "SEGMENT": SEGMENT,
    "TARGET_EXPERIMENT": TARGET_EXPERIMENT,
    "TARGET_FEATURE_FLAG": TARGET_FEATURE_FLAG,
    "TARGET_PERSONALIZATION": TARGET_PERSONALIZATION,
    "UNKNOWN": NOBODY,
    "VISITOR_CODE": VISITOR_CODE,
    "VISITS": VISITS,
}

CASES = [
    pytest.param({"targetingType": kind, **members}, who, expected, id=f"{kind}-{number}")
    for kind, cases in TABLES.items()
    for number, (members, who, expected) in enumerate(cases)
]


@pytest.mark.parametrize(("raw", "who", "expected"), CASES)
def test_a_condition_matches_whom_it_says(raw: Raw, who: Visitor, expected: bool) -> None:
    assert holds(raw, who) is expected


@pytest.mark.parametrize(("raw", "who", "expected"), CASES)
def test_a_condition_that_excludes_matches_all_others(raw: Raw, who: Visitor, expected: bool) -> None:
    assert holds({**raw, "isInclude": False}, who) is not expected


@pytest.mark.parametrize("include", [True, None, 0, "false"])
def test_only_false_excludes(include: object) -> None:
    assert holds({"targetingType": "DEVICE_TYPE", "device": "PHONE", "isInclude": include}, PHONE)


def test_every_condition_has_a_table_with_both_outcomes() -> None:
    nobodys = {"EXPLICIT_TRIGGER", "UNKNOWN"}

    assert set(TABLES) == set(CONDITIONS)
    for kind, cases in TABLES.items():
        assert {expected for _, _, expected in cases} == ({False} if kind in nobodys else {True, False}), kind


@pytest.mark.parametrize("kind", [None, "", "WEATHER", "custom_datum", 5, ["BROWSER"], {}])
def test_an_unknown_condition_matches_nobody(kind: object) -> None:
    raw = {"targetingType": kind, "device": "PHONE"}

    assert not holds(raw, PHONE)
    assert holds({**raw, "isInclude": False}, PHONE)
    assert not holds({}, PHONE)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"targetingType": "WEATHER"}, "targetingType 'WEATHER'"),
        ({"targetingType": "DEVICE_TYPE", "device": "WATCH"}, "device 'WATCH'"),
        ({"targetingType": "PAGE_URL", "url": "(", "matchType": "REGULAR_EXPRESSION"}, "url: "),
        ({"targetingType": "CUSTOM_DATUM", **datum("EQUAL", "ten")}, "value 'ten' does not fit EQUAL"),
        ({"targetingType": "SEGMENT", "segmentId": 99}, "segment 99"),
    ],
)
def test_a_condition_that_makes_no_sense_says_why(raw: Raw, problem: str) -> None:
    assert problem in str(leaf(raw).problem)


def test_a_condition_that_makes_sense_has_no_problem() -> None:
    assert leaf({"targetingType": "DEVICE_TYPE", "device": "PHONE"}).problem is None


def test_exclusiveness_is_about_a_campaign() -> None:
    outside = Scope(now=lambda: NOW, start_of_day=lambda: MIDNIGHT, sdk_name="PYTHON", sdk_version="3.22.2")

    assert not holds({"targetingType": "EXCLUSIVE_EXPERIMENT", "campaignType": "ANY"}, BLANK, scope=outside)


def test_of_pages_seen_at_the_same_time_the_first_one_counts_as_the_latest() -> None:
    who = Visitor("v")
    for url in ("/a", "/b", "/c"):
        add_data(who, PageView(url), INDEX, NOW)

    assert holds({"targetingType": "PAGE_URL", "url": "/a", "matchType": "EXACT"}, who)
    assert holds({"targetingType": "PREVIOUS_PAGE", "url": "/b", "matchType": "EXACT"}, who)


# --- 2.x (5.8) ----------------------------------------------------------------------------------------------

LEGACY_TABLES: Mapping[str, list[Case]] = {
    "CONVERSIONS": [
        ({"goalId": 2}, BOUGHT, True),
        ({"goalId": 1}, BOUGHT, False),  # the last one only
        ({}, BOUGHT, True),
        ({}, BLANK, False),
        ({}, UNKNOWN, False),
    ],
    "CUSTOM_DATUM": [
        (datum("UNDEFINED"), UNKNOWN, True),
        (datum("UNDEFINED"), BLANK, True),
        (datum("UNDEFINED"), values("a"), False),
        (datum("EXACT", "a"), values("a"), True),
        (datum("EXACT", "a"), UNKNOWN, False),
    ],
    "EXCLUSIVE_EXPERIMENT": [
        ({}, BLANK, True),
        ({}, UNKNOWN, True),
        ({}, visitor(assigned=IN_OWN), True),
        ({}, visitor(assigned=IN_OTHER), False),
        ({}, visitor(assigned={99: (1, NOW)}), False),
    ],
    "EXPLICIT_TRIGGER": [({}, BLANK, True), ({}, UNKNOWN, True)],
    "TARGET_EXPERIMENT": [
        ({"experiment": "81", "variation": 91, **EXACT}, visitor(assigned=IN_OWN), True),
        ({"experiment": 81, "variation": 91, **EXACT}, visitor(assigned=IN_OWN), True),
        ({"experiment": "81", "variation": 92, **EXACT}, visitor(assigned=IN_OWN), False),
        ({"experiment": "82", "variation": 0, **EXACT}, visitor(assigned=IN_OWN), True),  # 0 when none is stored
        ({"experiment": "82", "variation": 0, **EXACT}, BLANK, False),
        ({"experiment": "82", **ANY}, visitor(assigned=IN_OWN), True),  # of any experiment
        ({"experiment": "82", **ANY}, BLANK, False),
        ({"experiment": "82", **ANY}, UNKNOWN, False),
        ({"experiment": "eighty", **EXACT}, visitor(assigned=IN_OWN), False),
        ({**EXACT}, visitor(assigned=IN_OWN), False),
    ],
    "UNKNOWN": [({}, BLANK, True), ({}, UNKNOWN, True)],
}


@pytest.mark.parametrize(
    ("raw", "who", "expected"),
    [
        pytest.param({"targetingType": kind, **members}, who, expected, id=f"{kind}-{number}")
        for kind, cases in LEGACY_TABLES.items()
        for number, (members, who, expected) in enumerate(cases)
    ],
)
def test_a_2x_condition_matches_whom_it_says(raw: Raw, who: Visitor, expected: bool) -> None:
    assert holds(raw, who, LEGACY_CONDITIONS) is expected
    assert holds({**raw, "isInclude": False}, who, LEGACY_CONDITIONS) is not expected


def test_every_condition_that_differs_in_2x_has_a_table() -> None:
    different = {kind for kind, condition in LEGACY_CONDITIONS.items() if condition != CONDITIONS[kind]}

    assert set(LEGACY_TABLES) == different


# --- nonsense -----------------------------------------------------------------------------------------------

EVERYTHING = visitor(
    *(ApplicationVersion("2.5.0"), Browser(BrowserType.CHROME, 120.0), Conversion(1), Cookie({"tier": "gold"})),
    *(CustomData(1, "a", "5"), Device(DeviceType.PHONE), Geolocation("France"), PageView("/a"), PageView("/b")),
    OperatingSystem(OperatingSystemType.MAC),
    visits=(NOW - HOUR, NOW - DAY),
    assigned=IN_OTHER,
    personalized={7: NOW},
    heat={31: {44: 72.5}},
)
NONSENSE: list[object] = [
    *(None, True, False, 0, -1, 1.5, 10**400, "", "x", "1", "(", "EXACT", "GREATER", "EQUAL", "ANY", "\ud800"),
    *([], [1], ["EXACT"], {}, {"a": 1}),
]
MEMBERS: Mapping[str, set[str]] = {
    kind: {member for members, _, _ in [*cases, *LEGACY_TABLES.get(kind, [])] for member in members}
    for kind, cases in TABLES.items()
}


@pytest.mark.parametrize("conditions", [CONDITIONS, LEGACY_CONDITIONS], ids=["3.x", "2.x"])
@pytest.mark.parametrize("kind", TABLES)
def test_an_operand_of_a_wrong_type_never_fails(kind: str, conditions: Mapping[str, Any]) -> None:
    usual = next(members for members, _, expected in [*TABLES[kind], ({}, BLANK, True)] if expected)
    for member in MEMBERS[kind]:
        for nonsense in NONSENSE:
            for who in (EVERYTHING, BLANK, UNKNOWN):
                answer = holds({"targetingType": kind, **usual, member: nonsense}, who, conditions)

                assert isinstance(answer, bool)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(NONSENSE),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
malformed = st.sampled_from(sorted(TABLES)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"targetingType": st.just(kind)},
        optional=dict.fromkeys([*sorted(MEMBERS[kind]), "visitScope"], json_values),
    )
)


@given(malformed)
def test_no_condition_whatsoever_fails(raw: Raw) -> None:
    for conditions in (CONDITIONS, LEGACY_CONDITIONS):
        for who in (EVERYTHING, BLANK, UNKNOWN):
            assert isinstance(holds(raw, who, conditions), bool)


class Restless(float):
    """A number that has something else happen whenever it is looked at, as another thread may at any time."""

    meanwhile: Callable[[], object]

    def looked_at(self) -> float:
        self.meanwhile()
        return float(self)

    def __lt__(self, other: float) -> bool:
        return self.looked_at() < other

    def __gt__(self, other: float) -> bool:
        return self.looked_at() > other

    def __ge__(self, other: float) -> bool:
        return self.looked_at() >= other

    def __radd__(self, other: float) -> float:
        return other + self.looked_at()


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        ("PAGE_URL", {"url": "/a", "matchType": "EXACT"}, True),
        ("PAGE_TITLE", {"title": "A", "matchType": "EXACT"}, True),
        ("PREVIOUS_PAGE", {"url": "/b", "matchType": "EXACT"}, True),
        ("PAGE_VIEWS", {"pageCount": 2, "matchType": "EQUAL"}, True),
        ("CONVERSIONS", {"goalId": 2}, True),
        ("EXCLUSIVE_EXPERIMENT", {"campaignType": "EXPERIMENT"}, True),
        ("EXCLUSIVE_EXPERIMENT", {"campaignType": "PERSONALIZATION"}, True),
    ],
)
def test_a_visitor_may_change_while_a_condition_looks_at_it(kind: str, members: Raw, expected: bool) -> None:
    who = visitor(visits=())
    others = count(1000)

    def change() -> None:
        number = next(others)
        add_data(who, PageView(f"/{number}"), INDEX, 0.0)
        who.set_assignment(Assignment(Exposure(number, 1, None), 0.0, 0.0, is_reported=True))
        who.own_traits().own("personalizations")[number] = 0.0

    class Now(Restless):
        meanwhile = staticmethod(change)

    for number, page in enumerate((PageView("/a", "A"), PageView("/b", "B"))):
        who.own_traits().own("pages")[page.url] = PageVisit(page, Now(1), Now(STARTED - number))  # type: ignore[arg-type]  # counts too
        who.traits.conversions.append(RecordedConversion(Conversion(number + 1), Now(STARTED)))
        who.set_assignment(Assignment(Exposure(number, 1, None), Now(1), 0.0, is_reported=True))
        who.own_traits().own("personalizations")[number] = Now(1)

    matches = predicate(leaf({"targetingType": kind, **members}))

    assert matches is not None
    assert matches(who) is expected
    assert next(others) > 1000
