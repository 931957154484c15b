"""Comparison operators of targeting rules, one row each: given a rule's value once, each becomes a test.

A test is given what the context holds under the rule's key, ``None`` when it holds nothing. It never raises. Two
tables: how SDKs compare, and how the decision server does, whose tests answer ``None`` when kinds differ
(specs/flagship.md 3.5).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .versions import version_key

__all__ = ["SDK_OPERATORS", "SERVER_OPERATORS", "Operator", "Test", "UnusableRule", "always", "compile_test", "never"]

Test = Callable[[Any], "bool | None"]
Compare = Callable[[Any], Test]

_KINDS: Mapping[type, str] = {str: "string", bool: "boolean", int: "number", float: "number"}


class UnusableRule(ValueError):
    """A rule's members make no sense; the message says which."""


class Operator(NamedTuple):
    """A row of the table: what makes the test of one value, and of a list of them.

    ``takes_anything``: any JSON value has a meaning, and a list none of its own.
    """

    of_one: Compare
    of_list: Compare
    takes_anything: bool = False


def compile_test(row: Operator, value: Any) -> Test:
    """The test of a rule. Raises ``UnusableRule`` for a value that nothing can be compared with."""
    if row.takes_anything:
        return row.of_one(value)
    for part in value if isinstance(value, list) else (value,):
        if type(part) not in _KINDS:
            raise UnusableRule(f"its value is {'null' if part is None else type(part).__name__}, or holds one")
    return row.of_list(value) if isinstance(value, list) else row.of_one(value)


def always(seen: object) -> bool:
    """The test of a rule that everybody meets."""
    return True


def never(seen: object) -> bool:
    """The test of a rule that nobody meets."""
    return False


# --- lists ----------------------------------------------------------------------------------------------------


def _any(compare: Compare) -> Compare:
    """Some value of the list passes."""

    def listed(values: Any) -> Test:
        tests = [compare(value) for value in values]

        def test(seen: Any) -> bool:
            for one in tests:  # noqa: SIM110  # any() would build a generator per visitor
                if one(seen):
                    return True
            return False

        return test

    return listed


def _all(compare: Compare) -> Compare:
    """Every value of the list passes, and there is something to compare with them."""

    def listed(values: Any) -> Test:
        tests = [compare(value) for value in values]

        def test(seen: Any) -> bool:
            for one in tests:
                if not one(seen):
                    return False
            return seen is not None

        return test

    return listed


def _no_list(values: Any) -> Test:
    return never


# --- as SDKs compare: by Python's own operators ---------------------------------------------------------------


def _equal(target: Any) -> Test:
    return lambda seen: bool(seen == target)


def _different(target: Any) -> Test:
    return lambda seen: seen is not None and bool(seen != target)


def _one_of(targets: Any) -> Test:
    known = _looked_up(targets)

    def test(seen: Any) -> bool:
        try:
            return seen in known
        except TypeError:  # what has no hash equals no plain value
            return False

    return test


def _none_of(targets: Any) -> Test:
    is_listed = _one_of(targets)
    return lambda seen: seen is not None and not is_listed(seen)


def _looked_up(targets: list[Any]) -> frozenset[Any] | list[Any]:
    """Thousands of visitor ids as a set; not numbers beyond 64 bits, of which too many may share one hash."""
    if any(type(target) is int and not -(2**63) <= target < 2**63 for target in targets):
        return targets
    return frozenset(targets)


def _on_text(holds: Callable[[str, str], bool]) -> Compare:
    """Compares what Python's ``str()`` makes of both (``True``, ``1.0``)."""

    def compare(target: Any) -> Test:
        wanted = _written(target)
        if wanted is None:
            raise UnusableRule("its value is a number of too many digits")

        def test(seen: Any) -> bool:
            if type(seen) is str:
                return holds(seen, wanted)
            text = None if seen is None else _written(seen)
            return text is not None and holds(text, wanted)

        return test

    return compare


def _written(value: Any) -> str | None:
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python is willing to write
        return None


def _lacks(text: str, part: str) -> bool:
    return part not in text


def _ordered(holds: Callable[[Any, Any], Any]) -> Compare:
    """Numbers with numbers, where booleans count as 0 and 1, text with text; anything else is not in order."""

    def compare(target: Any) -> Test:
        def test(seen: Any) -> bool:
            if seen is None:
                return False
            try:
                return bool(holds(seen, target))
            except TypeError:
                return False

        return test

    return compare


def _version(holds: Callable[[Any, Any], bool]) -> Compare:
    """Compares semantic versions; what is none passes no comparison."""

    def compare(target: Any) -> Test:
        wanted = version_key(target) if isinstance(target, str) else None
        if wanted is None:
            raise UnusableRule(f"its value {target!r:.40} is no version")

        def test(seen: Any) -> bool:
            version = version_key(seen) if isinstance(seen, str) else None
            return version is not None and holds(version, wanted)

        return test

    return compare


def _present(is_wanted: bool) -> Compare:
    """Whether there is any value; a rule's value that is not ``true`` turns it round."""

    def compare(target: Any) -> Test:
        wanted = is_wanted is (target is True)
        return lambda seen: (seen is not None) is wanted

    return compare


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUALS": operator.ge,
    "LOWER_THAN": operator.lt,
    "LOWER_THAN_OR_EQUALS": operator.le,
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "CONTAINS": operator.contains,
    "NOT_CONTAINS": _lacks,
    "STARTS_WITH": str.startswith,
    "ENDS_WITH": str.endswith,
}
_VERSIONS = {"EQUALS": operator.eq, "NOT_EQUALS": operator.ne, **_ORDERS}
_NEGATIONS = ("NOT_EQUALS", "NOT_CONTAINS")

_IN_BOTH: Mapping[str, Operator] = {
    "EXISTS": Operator(_present(True), _no_list, takes_anything=True),
    "NOT_EXISTS": Operator(_present(False), _no_list, takes_anything=True),
}

SDK_OPERATORS: Mapping[str, Operator] = {
    "EQUALS": Operator(_equal, _one_of),
    "NOT_EQUALS": Operator(_different, _none_of),
    **{
        name: Operator(_on_text(holds), (_all if name in _NEGATIONS else _any)(_on_text(holds)))
        for name, holds in _TEXTS.items()
    },
    **{name: Operator(_ordered(holds), _any(_ordered(holds))) for name, holds in _ORDERS.items()},
    **{f"SEMVER_{name}": Operator(_version(holds), _no_list) for name, holds in _VERSIONS.items()},
    **_IN_BOTH,
}
"""The recommended set: the comparisons of the Python SDK 3.0.1, and the server's EXISTS and versions."""


# --- as the decision server compares: like with like, text in any case ----------------------------------------


def _of_kind(**by_kind: Compare) -> Compare:
    """One comparison per kind of value. ``None`` is answered where kinds differ, or have no such comparison."""

    def compare(target: Any) -> Test:
        kind = _KINDS[type(target)]
        accepts = by_kind[kind](_folded(target)) if kind in by_kind else None

        def test(seen: Any) -> bool | None:
            if seen is None:
                return False
            if accepts is None or _KINDS.get(type(seen)) != kind:
                return None
            return accepts(_folded(seen))

        return test

    return compare


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _server_row(name: str, **by_kind: Compare) -> Operator:
    compare = _of_kind(**by_kind)
    return Operator(compare, _all(compare) if name in _NEGATIONS else _any(compare))


SERVER_OPERATORS: Mapping[str, Operator] = {
    "EQUALS": _server_row("EQUALS", string=_equal, number=_equal, boolean=_equal),
    "NOT_EQUALS": _server_row("NOT_EQUALS", string=_different, number=_different, boolean=_different),
    "CONTAINS": _server_row("CONTAINS", string=_on_text(operator.contains)),
    "NOT_CONTAINS": _server_row("NOT_CONTAINS", string=_on_text(_lacks)),
    "STARTS_WITH": Operator(_of_kind(string=_on_text(str.startswith)), _no_list),
    "ENDS_WITH": Operator(_of_kind(string=_on_text(str.endswith)), _no_list),
    **{
        name: Operator(_of_kind(string=_ordered(holds), number=_ordered(holds)), _no_list)
        for name, holds in _ORDERS.items()
    },
    **{f"SEMVER_{name}": Operator(_of_kind(string=_version(holds)), _no_list) for name, holds in _VERSIONS.items()},
    **_IN_BOTH,
}
"""What the Engine column of the specification says."""
