"""What targeting conditions accept of what they see (specs/kameleoon-sdk.md 5.5, 5.6), each made from one condition.

Operands are read and patterns compiled here, once; what makes no sense raises ``UnusableCondition``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..datafile.model import Raw
from ..visitors.data import BrowserType
from ..visitors.visitor import Visitor
from .matching import NUMBER_MATCHES, TEXT_MATCHES, VERSION_MATCHES, Test, version_triple
from .patterns import PatternRefused
from .scope import Accepts, Scope, UnusableCondition

__all__ = [
    "browser_named",
    "cookie_named",
    "heat",
    "milliseconds_since",
    "number",
    "one_of",
    "place_named",
    "text",
    "this_sdk",
    "version",
    "visitor_type",
    "visits_today",
]

_BROWSERS: Mapping[str, object] = {**BrowserType.__members__, "IE": BrowserType.INTERNET_EXPLORER}


def text(member: str, match: str = "matchType") -> Accepts:
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


def number(member: str) -> Accepts:
    """A number that matches the condition's ``member`` by its ``matchType`` (5.3)."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        operator = NUMBER_MATCHES.get(str(raw.get("matchType")))
        operand = raw.get(member)
        if operator is None or isinstance(operand, bool) or not isinstance(operand, int | float):
            raise UnusableCondition(f"{member} {operand!r:.40} with matchType {raw.get('matchType')!r:.40}")
        test = operator(operand)
        return lambda seen: seen is not None and test(seen)

    return accepts


def one_of(member: str, literals: Mapping[str, object], *, any_case: bool) -> Accepts:
    """A value that the condition names by a literal."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        literal = raw.get(member)
        name = literal.upper() if any_case and isinstance(literal, str) else literal
        if not isinstance(name, str) or name not in literals:
            raise UnusableCondition(f"{member} {literal!r:.40} is not known")
        wanted = literals[name]
        return lambda seen: seen is wanted

    return accepts


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
    try:
        is_version = operator(float(f"{triple[0]}.{triple[1]}"))
    except ValueError as error:  # a negative minor version
        raise UnusableCondition(f"version {operand!r:.40} is none") from error
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


def milliseconds_since(position: int) -> Accepts:
    """Visit histories by the age of one of their visits: 0 the most recent, -1 the oldest that was loaded."""

    def accepts(raw: Raw, scope: Scope) -> Test:
        test, now = number("countInMillis")(raw, scope), scope.now
        return lambda seen: bool(seen and seen.starts) and test(round((now() - seen.starts[position]) * 1000))

    return accepts


def heat(raw: Raw, scope: Scope) -> Test:
    """Likelihood scores of which the named one lies within the condition's bounds, both included."""
    moment, goal, lower, upper = (raw.get(member) for member in ("keyMomentId", "goalId", "lowerBound", "upperBound"))
    if not (isinstance(moment, int) and isinstance(goal, int)):
        raise UnusableCondition("keyMomentId and goalId must be integers")
    if not (isinstance(lower, int | float) and isinstance(upper, int | float)):
        raise UnusableCondition("lowerBound and upperBound must be numbers")

    def accepts(seen: Mapping[int, Mapping[int, float]] | None) -> bool:
        score = (seen or {}).get(moment, {}).get(goal)
        return score is not None and lower <= score <= upper

    return accepts
