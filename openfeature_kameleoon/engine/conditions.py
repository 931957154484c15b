"""Every targeting condition, one row each: what it sees of a visitor, and what it accepts (specs/kameleoon-sdk.md 5.5).

A row is compiled once per condition of a data file: operands are read, patterns compiled and literals looked up then,
never while a visitor waits. A condition whose members make no sense accepts nobody, and its leaf says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..datafile.model import Raw
from ..visitors.data import BrowserType, DeviceType, OperatingSystemType
from ..visitors.visitor import RecordedConversion, Values, VisitHistory, Visitor
from .matching import NUMBER_MATCHES, TEXT_MATCHES, VERSION_MATCHES, Test, version_triple
from .patterns import PatternRefused

__all__ = ["CONDITIONS", "LEGACY_CONDITIONS", "Condition", "FlagRule", "Scope", "UnusableCondition"]

Getter = Callable[[Visitor], Any]


class UnusableCondition(ValueError):
    """A condition's members make no sense; the message says which."""


class FlagRule(NamedTuple):
    """What TARGET_FEATURE_FLAG knows of a rule of another flag."""

    rule_id: int | None
    experiment_id: int
    variation_keys: Mapping[int, str]


def _no_rules(flag_id: int) -> tuple[FlagRule, ...]:
    return ()


def _no_segment(segment_id: int) -> Test | None:
    return None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may know besides the visitor. ``campaign_id`` is the experiment id of the rule tested (5.3)."""

    now: Callable[[], float]
    start_of_day: Callable[[], float]
    sdk_name: str
    sdk_version: str
    campaign_id: int | None = None
    segment: Callable[[int], Test | None] = _no_segment
    rules_of_flag: Callable[[int], tuple[FlagRule, ...]] = _no_rules


class Condition(NamedTuple):
    """A row of the table: what a condition sees and accepts, made from its members and the scope.

    ``custom_datum`` gives the index of the one custom datum that it sees, if it sees nothing but that.
    """

    sees: Callable[[Raw, Scope], Getter]
    accepts: Callable[[Raw, Scope], Test]
    custom_datum: Callable[[Raw], int | None] | None = None


# What conditions see ------------------------------------------------------------------------------------------------


def always(getter: Getter) -> Callable[[Raw, Scope], Getter]:
    """A column of ``sees`` that does not depend on the condition's members."""
    return lambda raw, scope: getter


def custom_datum(raw: Raw, scope: Scope) -> Getter:
    """Values of the custom datum named by the condition; ``None`` when the visitor has none."""
    index = _custom_data_index(raw)
    if raw.get("valueMatchType") == "UNDEFINED":
        return lambda visitor: visitor.custom_data.get(index) if visitor.known else ""
    return lambda visitor: visitor.custom_data.get(index)


def legacy_custom_datum(raw: Raw, scope: Scope) -> Getter:
    """As 2.x sees it: a visitor that is not known has no custom data either (5.8)."""
    index = _custom_data_index(raw)
    return lambda visitor: visitor.custom_data.get(index)


def only_custom_datum(raw: Raw) -> int | None:
    """The index, unless it also matters whether the visitor is known."""
    return None if raw.get("valueMatchType") == "UNDEFINED" else _custom_data_index(raw)


def _custom_data_index(raw: Raw) -> int:
    try:
        return int(raw["customDataIndex"])
    except (KeyError, TypeError, ValueError):
        return -1  # no datum has it


def browser(visitor: Visitor) -> object:
    """The visitor's browser with its version."""
    return visitor.traits.browser


def device_type(visitor: Visitor) -> DeviceType | None:
    """The kind of the visitor's device."""
    device = visitor.traits.device
    return device.device_type if device else None


def operating_system(visitor: Visitor) -> OperatingSystemType | None:
    """The visitor's operating system."""
    system = visitor.traits.operating_system
    return system.os_type if system else None


def geolocation(visitor: Visitor) -> object:
    """Where the visitor is."""
    return visitor.traits.geolocation


def cookies(visitor: Visitor) -> Mapping[str, str] | None:
    """The visitor's cookies by name."""
    return visitor.traits.cookies


def application_version(visitor: Visitor) -> str | None:
    """The version of the application that the visitor uses."""
    version = visitor.traits.application_version
    return version.version if version else None


def visitor_code(visitor: Visitor) -> str:
    """The code that the caller passed, never the one it is linked to."""
    return visitor.code


def latest_url(visitor: Visitor) -> str | None:
    """URL of the page seen last."""
    page = max(visitor.traits.pages.values(), key=lambda visit: visit.time, default=None)
    return page.page.url if page else None


def latest_title(visitor: Visitor) -> str | None:
    """Title of the page seen last."""
    page = max(visitor.traits.pages.values(), key=lambda visit: visit.time, default=None)
    return page.page.title if page else None


def previous_url(visitor: Visitor) -> str | None:
    """URL of the page seen before the last one."""
    pages = sorted(visitor.traits.pages.values(), key=lambda visit: visit.time, reverse=True)
    return pages[1].page.url if len(pages) > 1 else None


def page_views(visitor: Visitor) -> int | None:
    """How many pages the visitor saw; ``None`` for a visitor that is not known."""
    return sum(visit.count for visit in visitor.traits.pages.values()) if visitor.known else None


def visits(visitor: Visitor) -> VisitHistory | None:
    """The visitor's earlier visits, as far as they were loaded."""
    return visitor.traits.visits


def visit_count(visitor: Visitor) -> int:
    """Earlier visits that were loaded, and this one."""
    return _previous_visits(visitor) + 1


def _previous_visits(visitor: Visitor) -> int:
    history = visitor.traits.visits
    return len(history.starts) if history else 0


def is_returning(visitor: Visitor) -> bool:
    """Whether an earlier visit is known."""
    return _previous_visits(visitor) > 0


def visitor_itself(visitor: Visitor) -> Visitor:
    """For conditions that look at several things at once."""
    return visitor


# What conditions accept ---------------------------------------------------------------------------------------------


def text(member: str, match: str = "matchType") -> Callable[[Raw, Scope], Test]:
    """A text that matches the condition's ``member`` by its operator (5.3); no text is never accepted."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        return _text_test(raw, member, match)

    return accepts


def _text_test(raw: Raw, member: str, match: str) -> Test:
    operator = TEXT_MATCHES.get(str(raw.get(match)))
    if operator is None:
        raise UnusableCondition(f"{match} {raw.get(match)!r:.40} is no text operator")
    try:
        test = operator(str(raw.get(member)))  # an absent operand is the text "None" (reference quirk, COOKIE)
    except PatternRefused as error:
        raise UnusableCondition(f"{member}: {error}") from error
    return lambda seen: seen is not None and test(seen)


def number(member: str) -> Callable[[Raw, Scope], Test]:
    """A number that matches the condition's ``member`` by its ``matchType`` (5.3)."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        operator = NUMBER_MATCHES.get(str(raw.get("matchType")))
        operand = raw.get(member)
        if operator is None or isinstance(operand, bool) or not isinstance(operand, int | float):
            raise UnusableCondition(f"{member} {operand!r:.40} with matchType {raw.get('matchType')!r:.40}")
        test = operator(operand)
        return lambda seen: seen is not None and test(seen)

    return accepts


def one_of(member: str, literals: Mapping[str, object], *, any_case: bool) -> Callable[[Raw, Scope], Test]:
    """A value that the condition names by a literal."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        literal = raw.get(member)
        name = literal.upper() if any_case and isinstance(literal, str) else literal
        if not isinstance(name, str) or name not in literals:
            raise UnusableCondition(f"{member} {literal!r:.40} is not known")
        wanted = literals[name]
        return lambda seen: seen is wanted

    return accepts


def any_value(raw: Raw, scope: Scope) -> Test:
    """Values of a custom datum that the condition's ``valueMatchType`` accepts (5.7)."""
    match, operand = raw.get("valueMatchType"), raw.get("value")
    if match == "UNDEFINED":
        return lambda seen: seen is None
    accepts = _CUSTOM_DATA_MATCHES.get(str(match))
    if accepts is None:
        raise UnusableCondition(f"valueMatchType {match!r:.40} is not known")
    try:
        return accepts(operand)
    except (TypeError, ValueError, PatternRefused, RecursionError) as error:
        raise UnusableCondition(f"value {operand!r:.40} does not fit {match}: {error}") from error


def _some(test: Test) -> Test:
    """A test of one value as a test of a custom datum's values, of which one must pass."""

    def accepts(seen: Values | None) -> bool:
        if type(seen) is str:
            return test(seen)
        return seen is not None and any(map(test, seen))

    return accepts


def _some_number(test: Test) -> Test:
    """The same for numbers; what is none makes the whole fail, unless a value before it passed (reference quirk, 5.7)."""

    def accepts(seen: Values | None) -> bool:
        try:
            if type(seen) is str:
                return test(float(seen))
            return seen is not None and any(map(test, map(float, seen)))
        except ValueError:
            return False

    return accepts


def _text_operand(operand: Any) -> str:
    if not isinstance(operand, str):
        raise TypeError("a text is expected")
    return operand


def _equals(operand: Any) -> Test:
    wanted = _text_operand(operand)
    return lambda seen: seen == wanted or (type(seen) is tuple and wanted in seen)


def _close_to(operand: Any) -> Test:
    wanted = float(operand)
    return _some_number(lambda value: abs(value - wanted) < 1e-9)


def _among(operand: Any) -> Test:
    elements = json.loads(operand)
    if not isinstance(elements, list):
        raise TypeError("a JSON list is expected")
    wanted = frozenset(map(_element_text, elements))
    return lambda seen: seen in wanted or (type(seen) is tuple and not wanted.isdisjoint(seen))


def _element_text(element: Any) -> str:
    # The reference looks numbers up among True and False, and 1 == True (reference quirk, 5.7).
    if isinstance(element, int | float) and element in (0, 1):
        return "true" if element else "false"
    return str(element)


_CUSTOM_DATA_MATCHES: Mapping[str, Callable[[Any], Test]] = {
    "EXACT": _equals,
    "CONTAINS": lambda operand: _some(TEXT_MATCHES["CONTAINS"](_text_operand(operand))),
    "REGULAR_EXPRESSION": lambda operand: _some(TEXT_MATCHES["REGULAR_EXPRESSION"](_text_operand(operand))),
    "EQUAL": _close_to,
    "GREATER": lambda operand: _some_number(NUMBER_MATCHES["GREATER"](float(operand))),
    "LOWER": lambda operand: _some_number(NUMBER_MATCHES["LOWER"](float(operand))),
    "TRUE": lambda operand: _equals("true"),
    "FALSE": lambda operand: _equals("false"),
    "AMONG_VALUES": _among,
}


def browser_named(raw: Raw, scope: Scope) -> Test:
    """A browser of the condition's type and version; versions are compared as major.minor floats (5.6)."""
    is_type = one_of("browser", _BROWSERS, any_case=False)(raw, scope)
    operand = raw.get("version")
    if operand is None or operand == "":
        return lambda seen: seen is not None and is_type(seen.browser_type)
    triple = version_triple(str(operand))
    operator = NUMBER_MATCHES.get(str(raw.get("versionMatchType")).upper())
    if triple is None or operator is None:
        raise UnusableCondition(f"version {operand!r:.40} with {raw.get('versionMatchType')!r:.40}")
    is_version = operator(float(f"{triple[0]}.{triple[1]}"))
    return lambda seen: seen is not None and is_type(seen.browser_type) and is_version(seen.version or -1)


def version(raw: Raw, scope: Scope) -> Test:
    """A version that compares to the condition's by its first three numbers (5.6)."""
    operand = version_triple(str(raw.get("version")))
    operator = VERSION_MATCHES.get(str(raw.get("versionMatchType")).upper())
    if operand is None or operator is None:
        raise UnusableCondition(f"version {raw.get('version')!r:.40} with {raw.get('versionMatchType')!r:.40}")
    test = operator(operand)

    def accepts(seen: str | None) -> bool:
        triple = version_triple(seen) if seen is not None else None
        return triple is not None and test(triple)

    return accepts


def this_sdk(raw: Raw, scope: Scope) -> Test:
    """This very library, of the condition's version if it names one; nothing depends on the visitor."""
    fits = raw.get("sdkLanguage") == scope.sdk_name and (
        raw.get("version") in (None, "") or version(raw, scope)(scope.sdk_version)
    )
    return lambda seen: fits


def place_named(raw: Raw, scope: Scope) -> Test:
    """A geolocation in the condition's country, and region and city where it has them; case does not matter."""
    wanted = {member: raw.get(member) for member in ("country", "region", "city")}
    if not wanted["country"]:
        raise UnusableCondition("a country is missing")
    parts = [(member, str(value).lower()) for member, value in wanted.items() if value]

    def accepts(seen: Any) -> bool:
        return seen is not None and all((getattr(seen, member) or "").lower() == value for member, value in parts)

    return accepts


def cookie_named(raw: Raw, scope: Scope) -> Test:
    """Cookies of which one matches by name and by value."""
    is_name, is_value = _text_test(raw, "name", "nameMatchType"), _text_test(raw, "value", "valueMatchType")

    def accepts(seen: Mapping[str, str] | None) -> bool:
        return seen is not None and any(is_name(name) and is_value(value) for name, value in seen.items())

    return accepts


def visitor_type(raw: Raw, scope: Scope) -> Test:
    """New or returning visitors."""
    return one_of("visitorType", {"NEW": False, "RETURNING": True}, any_case=True)(raw, scope)


def visits_today(raw: Raw, scope: Scope) -> Test:
    """Visitors by the number of visits since local midnight, counted back to the first older one (SAME_DAY_VISITS)."""
    test = number("visitCount")(raw, scope)
    start_of_day = scope.start_of_day

    def accepts(visitor: Visitor) -> bool:
        midnight = start_of_day()
        count = 1 if not visitor.known or visitor.started >= midnight else 0
        history = visitor.traits.visits
        for start in history.starts if history else ():
            if start < midnight:
                break
            count += 1
        return test(count)

    return accepts


def milliseconds_since(position: int) -> Callable[[Raw, Scope], Test]:
    """Visit histories by the age of one of their visits: 0 the most recent, -1 the oldest that was loaded."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        test, now = number("countInMillis")(raw, scope), scope.now
        return lambda seen: bool(seen and seen.starts) and test(round((now() - seen.starts[position]) * 1000))

    return accepts


def heat(raw: Raw, scope: Scope) -> Test:
    """Likelihood scores of which the named one lies within the condition's bounds, both included."""
    moment, goal, lower, upper = (raw.get(member) for member in ("keyMomentId", "goalId", "lowerBound", "upperBound"))
    if not all(isinstance(operand, int | float) for operand in (moment, goal, lower, upper)):
        raise UnusableCondition("keyMomentId, goalId, lowerBound and upperBound must be numbers")

    def accepts(seen: Mapping[int, Mapping[int, float]] | None) -> bool:
        score = (seen or {}).get(moment, {}).get(goal)
        return score is not None and lower <= score <= upper

    return accepts


# Conditions about what happened within a number of visits (5.4) ------------------------------------------------------


def visit_threshold(raw: Raw, default_scope: str) -> Callable[[Visitor], float]:
    """From when on assignments and conversions count, in Unix seconds."""
    literal = raw.get("visitScope")
    scope = literal.upper() if isinstance(literal, str) else default_scope
    if scope not in ("CURRENT_VISIT", "VISITOR"):
        scope = default_scope
    count = raw.get("visitCount")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        count = 25

    def threshold(visitor: Visitor) -> float:
        history = visitor.traits.visits
        if history is None:
            return 0.0
        if scope == "CURRENT_VISIT" or count < 2 or not history.starts:
            return visitor.started
        return history.starts[min(count - 2, len(history.starts) - 1)]

    return threshold


def conversions(raw: Raw, scope: Scope) -> Test:
    """Visitors with a conversion of the condition's goal, or of any (CONVERSIONS)."""
    goal, since = raw.get("goalId"), visit_threshold(raw, "VISITOR")

    def accepts(visitor: Visitor) -> bool:
        earliest = since(visitor)
        return any(_counts(item, goal, earliest) for item in visitor.traits.conversions)

    return accepts


def _counts(item: RecordedConversion, goal: object, earliest: float) -> bool:
    return item.time >= earliest and (goal in (None, -1) or item.conversion.goal_id == goal)


def last_conversion(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x, which looks at the latest conversion only (5.8)."""
    goal = raw.get("goalId")
    return lambda visitor: bool(visitor.traits.conversions) and _counts(visitor.traits.conversions[-1], goal, 0.0)


def feature_flag(raw: Raw, scope: Scope) -> Test:
    """Visitors that were given a variation of another flag (TARGET_FEATURE_FLAG)."""
    flag_id, rule_id, wanted = raw.get("featureFlagId"), raw.get("ruleId"), raw.get("variationKey")
    rules = scope.rules_of_flag(flag_id) if isinstance(flag_id, int) else ()
    since = visit_threshold(raw, "CURRENT_VISIT")
    rules = tuple(rule for rule in rules if rule_id is None or rule.rule_id == rule_id)

    def accepts(visitor: Visitor) -> bool:
        earliest = since(visitor)
        for rule in rules:
            assignment = visitor.assignments.get(rule.experiment_id)
            if assignment is not None and assignment.time >= earliest:
                if wanted is None or rule.variation_keys.get(assignment.exposure.variation_id) == wanted:
                    return True
        return False

    return accepts


def experiment(raw: Raw, scope: Scope) -> Test:
    """Visitors that were given a variation of an experiment, or a certain one (TARGET_EXPERIMENT)."""
    match, experiment_id, wanted = raw.get("variationMatchType"), raw.get("experimentId"), raw.get("variationId")
    if match not in ("ANY", "EXACT") or not isinstance(experiment_id, int):
        raise UnusableCondition(f"experiment {experiment_id!r:.40} with variationMatchType {match!r:.40}")
    since = visit_threshold(raw, "CURRENT_VISIT")

    def accepts(visitor: Visitor) -> bool:
        assignment = visitor.assignments.get(experiment_id)
        if assignment is None or assignment.time < since(visitor):
            return False
        return match == "ANY" or assignment.exposure.variation_id == wanted

    return accepts


def legacy_experiment(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x, where ANY means any variation of any experiment (5.8)."""
    if raw.get("variationMatchType") == "ANY":
        return lambda visitor: bool(visitor.assignments)
    try:
        experiment_id = int(raw["experiment"])
    except (KeyError, TypeError, ValueError):
        raise UnusableCondition(f"experiment {raw.get('experiment')!r:.40} is no id") from None
    wanted = raw.get("variation")

    def accepts(visitor: Visitor) -> bool:
        assignment = visitor.assignments.get(experiment_id)
        stored = assignment.exposure.variation_id if assignment else 0
        return bool(visitor.assignments) and stored == wanted

    return accepts


def personalization(raw: Raw, scope: Scope) -> Test:
    """Visitors that saw a personalisation (TARGET_PERSONALIZATION)."""
    wanted, since = raw.get("personalizationId"), visit_threshold(raw, "CURRENT_VISIT")
    if not isinstance(wanted, int):
        raise UnusableCondition(f"personalizationId {wanted!r:.40} is no number")

    def accepts(visitor: Visitor) -> bool:
        time = visitor.traits.personalizations.get(wanted)
        return time is not None and time >= since(visitor)

    return accepts


def exclusive(raw: Raw, scope: Scope) -> Test:
    """Visitors that are in no campaign but the one being tested (EXCLUSIVE_EXPERIMENT)."""
    kind, campaign = raw.get("campaignType"), scope.campaign_id
    if kind not in ("EXPERIMENT", "PERSONALIZATION", "ANY"):
        raise UnusableCondition(f"campaignType {kind!r:.40} is not known")
    since = visit_threshold(raw, "VISITOR")

    def accepts(visitor: Visitor) -> bool:
        if campaign is None:
            return False
        earliest = since(visitor)
        if kind != "PERSONALIZATION":
            for experiment_id, assignment in visitor.assignments.items():
                if experiment_id != campaign and assignment.time >= earliest:
                    return False
        return kind == "EXPERIMENT" or all(time < earliest for time in visitor.traits.personalizations.values())

    return accepts


def legacy_exclusive(raw: Raw, scope: Scope) -> Test:
    """The same in 2.x: no assignment at all, or the campaign's only (5.8)."""
    campaign = scope.campaign_id
    return lambda visitor: not visitor.assignments or list(visitor.assignments) == [campaign]


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


_BROWSERS: Mapping[str, object] = {**BrowserType.__members__, "IE": BrowserType.INTERNET_EXPLORER}

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
    "HEAT_SLICE": Condition(always(lambda visitor: visitor.traits.heat), heat),
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
