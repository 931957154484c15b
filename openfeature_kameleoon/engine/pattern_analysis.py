"""How long `re` can take over a pattern, told from Python's own parse tree before anything is matched.

Owns the reading of that tree, with sets of characters as bits, and the limits of size. The counting is that of
pattern_runs.py, running the pattern that of patterns.py. Pure: any thread.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .pattern_runs import (
    GROUP_TURN,
    STEP,
    TURN,
    UNBOUNDED,
    PatternRefused,
    Piece,
    atomic,
    characters,
    either,
    loop,
    nothing,
    sequence,
    time_alone,
)

__all__ = ["MAXREPEAT", "flags_within", "parse", "worst_time"]

# Private and moved in 3.11, but nothing else reads the syntax of `re` as `re` does, in every version of Python.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
MAXREPEAT = int(_parser.MAXREPEAT)

MAX_CHARACTERS = 1_000
MAX_COUNT = 1_000
"""Largest n of ``{n}``: what re2 allows; a longer text is cut before it is matched anyway."""
MAX_NESTING = 30
"""Groups inside groups: far from 450, where Python's parser runs out of stack."""
MAX_LOOP_NESTING = 5
MAX_RANGES = 200_000
"""Characters in all ranges of a pattern: `re.compile` takes about 70 ns for each."""

# A set of characters has one bit for each ASCII character, one for each kind of all the others and one for the end
# of the subject. Bits are set for what the pattern may accept: sets err on the large side only, so that a pattern
# may look more ambiguous than it is, and never less.
_ASCII = (1 << 128) - 1
_DIGIT, _LETTER, _SPACE, _REST, _END = (1 << 128 + kind for kind in range(5))
_KINDS = {r"\d": _DIGIT, r"[^\W\d]": _LETTER, r"\s": _SPACE, r"[^\w\s]": _REST}
_ANY = _ASCII | _DIGIT | _LETTER | _SPACE | _REST


def _ascii(category: str, flags: int) -> int:
    return sum(1 << code for code in range(128) if re.match(category, chr(code), flags))


_CATEGORIES: Mapping[str, tuple[int, int]] = {  # in Unicode, in ASCII
    "DIGIT": (_ascii(r"\d", 0) | _DIGIT, _ascii(r"\d", re.ASCII)),
    "SPACE": (_ascii(r"\s", 0) | _SPACE, _ascii(r"\s", re.ASCII)),
    "WORD": (_ascii(r"\w", 0) | _DIGIT | _LETTER, _ascii(r"\w", re.ASCII)),
}
_CASED = _LETTER | _REST  # of the rest: circled letters, and one Greek accent that counts as an iota
_LETTERS = (1 << 26) - 1
_LETTERS_WITH_KIN = sum(1 << ord(letter) for letter in "IKSiks")  # equal to letters beyond ASCII under (?i)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in the pattern the reader is; ``ranges`` are the widths of all ranges read so far, in every scope."""

    flags: int
    length: int
    nesting: int = 0
    loops: int = 0
    in_lookaround: bool = False
    ranges: list[int] = field(default_factory=list)


def parse(pattern: str) -> Any:
    """The parse tree of a pattern as `re` itself builds it.

    Raises: PatternRefused: it is too long, or `re` would not compile it; RecursionError: it nests hundreds of groups.
    """
    if len(pattern) > MAX_CHARACTERS:
        raise PatternRefused(f"is longer than {MAX_CHARACTERS:,} characters; shorten it")
    try:
        return _parser.parse(pattern)
    except (re.error, ValueError, OverflowError, Warning) as error:  # Warning: where warnings are errors
        raise PatternRefused(f"does not compile ({error}); correct it") from error


def worst_time(tree: Any, length: int) -> int:
    """About how many nanoseconds `re` can take to match a subject of at most ``length`` characters fully.

    Raises: PatternTooSlow: there is no telling, it grows too fast; PatternRefused: it must not be run at all.
    """
    return time_alone(_read(tree, Scope(tree.state.flags, length)), _END, length)


def flags_within(flags: int, added: int, removed: int) -> int:
    """The flags inside a group such as ``(?i-s:...)``; a, L and u replace one another."""
    dialects = re.ASCII | re.LOCALE | re.UNICODE
    return ((flags & ~dialects if added & dialects else flags) | added) & ~removed


def _read(items: Iterable[tuple[Any, Any]], scope: Scope) -> Piece:
    if scope.nesting > MAX_NESTING:
        raise PatternRefused(f"nests groups more than {MAX_NESTING} deep; write it flatter")
    inner = replace(scope, nesting=scope.nesting + 1)
    return sequence([_READERS.get(str(code), _unknown)(argument, inner) for code, argument in items])


def _span(low: int, high: int) -> int:
    inside = (1 << min(high, 127) + 1) - (1 << low) if low < 128 else 0
    beyond = "".join(map(chr, range(max(low, 128), min(high, 0xFFFF) + 1)))
    if high > 0xFFFF:
        return inside | _ANY & ~_ASCII
    return inside | sum(bit for kind, bit in _KINDS.items() if re.search(kind, beyond))


def _any_case(members: int) -> int:
    letters = (members >> ord("A") | members >> ord("a")) & _LETTERS
    members |= letters << ord("A") | letters << ord("a")
    if members & (_CASED | _LETTERS_WITH_KIN):
        members |= _CASED
    return members | _LETTERS_WITH_KIN if members & _CASED else members


def _category(name: str, flags: int) -> int:
    kind = name.removeprefix("CATEGORY_")
    members = _CATEGORIES[kind.removeprefix("NOT_")][bool(flags & re.ASCII)]
    return _ANY & ~members if kind.startswith("NOT_") else members


def _one_of(members: int, scope: Scope, step: int = STEP) -> Piece:
    if scope.flags & re.IGNORECASE:
        return characters(_any_case(members), step + STEP)
    return characters(members, step)


def _class(items: Sequence[tuple[Any, Any]], scope: Scope) -> Piece:
    may = must = 0
    step = STEP
    negated = str(items[0][0]) == "NEGATE"
    for code, argument in items[negated:]:
        if str(code) == "CATEGORY":
            members = sure = _category(str(argument), scope.flags)
            step += STEP
        else:
            low, high = argument if str(code) == "RANGE" else (argument, argument)
            scope.ranges.append(max(0, min(high, 0xFFFF) - low))
            if sum(scope.ranges) > MAX_RANGES:
                raise PatternRefused(r"has too many wide ranges of characters; use \w, \d or [^...] instead")
            members = _span(low, high)
            sure = members & _ASCII
            step += high > 0xFFFF  # beyond the bitmap that `re` builds, items are tried one by one
        may, must = may | members, must | sure
    return _one_of(_ANY & ~must if negated else may, scope, step)


def _repeat(argument: tuple[int, int, Any], scope: Scope) -> Piece:
    low, high, items = argument
    high = UNBOUNDED if high == MAXREPEAT else high
    if max(low, high % UNBOUNDED) > MAX_COUNT:
        raise PatternRefused(f"repeats a part more than {MAX_COUNT:,} times; lower the number")
    if scope.in_lookaround and high == UNBOUNDED:
        raise PatternRefused("has an unlimited repeat in a lookaround; set a limit, as in {0,20}")
    if scope.loops == MAX_LOOP_NESTING:
        raise PatternRefused(f"nests repeats more than {MAX_LOOP_NESTING} deep; write it flatter")
    body = _read(items, replace(scope, loops=scope.loops + (high > 1)))
    if body.most == 0 and high > 1:
        raise PatternRefused("repeats a part that takes no characters; write that part once")
    return loop(body, low, high, TURN if _is_single(items) else GROUP_TURN, scope.length)


def _is_single(items: Any) -> bool:
    """Whether it is one character without a group to record, which `re` repeats in a tight loop."""
    if len(items) != 1:
        return False
    code, argument = items[0]
    if str(code) == "SUBPATTERN":
        return argument[0] is None and _is_single(argument[3])
    return str(code) in {"LITERAL", "NOT_LITERAL", "ANY", "IN"}


def _group(argument: tuple[Any, int, int, Any], scope: Scope) -> Piece:
    _, added, removed, items = argument
    return _read(items, replace(scope, flags=flags_within(scope.flags, added, removed)))


def _lookaround(argument: tuple[int, Any], scope: Scope) -> Piece:
    body = _read(argument[1], replace(scope, in_lookaround=True))
    return nothing(time_alone(body, _ANY | _END, scope.length))


def _atomic(body: Piece, scope: Scope) -> Piece:
    return atomic(body, _ANY | _END, scope.length)


def _without_bound(what: str) -> Callable[[Any, Scope], Piece]:
    def refuse(argument: Any, scope: Scope) -> Piece:
        raise PatternRefused(f"uses {what}, whose time has no bound; write it without")

    return refuse


_unknown = _without_bound("a construct that this version does not know")

_READERS: Mapping[str, Callable[[Any, Scope], Piece]] = {
    "LITERAL": lambda code, scope: _one_of(_span(code, code), scope),
    "NOT_LITERAL": lambda code, scope: _one_of(_ANY & ~(_span(code, code) & _ASCII), scope),
    "ANY": lambda _, scope: _one_of(_ANY, scope),
    "IN": _class,
    "BRANCH": lambda branches, scope: either([_read(each, scope) for each in branches[1]], scope.length),
    "SUBPATTERN": _group,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": lambda repeat, scope: _atomic(_repeat(repeat, scope), scope),
    "ATOMIC_GROUP": lambda items, scope: _atomic(_read(items, scope), scope),
    "ASSERT": _lookaround,
    "ASSERT_NOT": _lookaround,
    "AT": lambda position, scope: nothing(),
    "FAILURE": lambda _, scope: nothing(),
    "GROUPREF": _without_bound("a backreference"),
    "GROUPREF_EXISTS": _without_bound("a conditional group"),
}
