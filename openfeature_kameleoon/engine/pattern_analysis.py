"""How long `re` can take over a pattern, proved from its parse tree before anything is matched.

Owns the reading of Python's own parse tree and the count of runs: how many attempts of the backtracking matcher
can be alive at one character. Leaves running a pattern to patterns.py. Pure: any thread, no state.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

__all__ = ["PatternRefused", "PatternTooSlow", "flags_within", "parse", "worst_work"]

# The module moved in 3.11; it is private in both places, and the only thing that reads `re` syntax as `re` does.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

UNBOUNDED: int = int(_parser.MAXREPEAT)
MAX_PATTERN_CHARACTERS = 1_000
MAX_COUNT = 1_000
"""Largest n of ``{n}``: no honest value repeats anything more often, and re2 has the same limit."""
MAX_NESTING = 30
"""Groups within groups; far below Python's recursion limit, which parsing would meet at about 450."""
MAX_LOOP_NESTING = 5
MAX_RANGES_SPAN = 200_000
"""Characters in all ranges of a pattern: `re.compile` visits each one, at about 70 ns."""


class PatternRefused(ValueError):
    """A pattern that is not run, ever; the message says why and what to do about it."""


class PatternTooSlow(PatternRefused):
    """`re` could take too long over the pattern; an automaton might not."""


# --- Sets of characters -----------------------------------------------------------------------------------------
# A set is an int: bit n for ASCII character n, one bit for each kind of all the others, one for the end of the
# subject. A bit is set when the pattern may accept a character of that kind, so sets only ever err on the large
# side, and patterns only ever look more ambiguous than they are.

_ASCII = (1 << 128) - 1
_KINDS: Mapping[str, int] = {r"\d": 1 << 128, r"[^\W\d]": 1 << 129, r"\s": 1 << 130, r"[^\w\s]": 1 << 131}
_OTHERS = sum(_KINDS.values())
_ANY = _ASCII | _OTHERS
_END = 1 << 132
_BITS = [1 << position for position in range(133)]


def _ascii_set(category: str, flags: int = 0) -> int:
    return sum(1 << code for code in range(128) if re.match(category, chr(code), flags))


def _span(low: int, high: int) -> int:
    inside = (1 << (min(high, 127) + 1)) - (1 << low) if low < 128 else 0
    if high < 128:
        return inside
    text = "".join(map(chr, range(max(low, 128), min(high, 0xFFFF) + 1))) if low <= 0xFFFF else ""
    beyond = _OTHERS if high > 0xFFFF else sum(bit for kind, bit in _KINDS.items() if re.search(kind, text))
    return inside | beyond


_CATEGORIES: Mapping[str, tuple[int, int]] = {  # as Unicode, as ASCII
    "DIGIT": (_ascii_set(r"\d") | _KINDS[r"\d"], _ascii_set(r"\d", re.ASCII)),
    "SPACE": (_ascii_set(r"\s") | _KINDS[r"\s"], _ascii_set(r"\s", re.ASCII)),
    "WORD": (_ascii_set(r"\w") | _KINDS[r"\d"] | _KINDS[r"[^\W\d]"], _ascii_set(r"\w", re.ASCII)),
}
_LETTERS = (1 << 26) - 1
_LETTERS_WITH_KIN = sum(1 << ord(letter) for letter in "IKSiks")  # İ ı, K (kelvin) and ſ equal these under (?i)
_CASED_KINDS = _KINDS[r"[^\W\d]"] | _KINDS[r"[^\w\s]"]


def _any_case(members: int) -> int:
    letters = (members >> ord("A") | members >> ord("a")) & _LETTERS
    members |= letters << ord("A") | letters << ord("a")
    if members & _LETTERS_WITH_KIN:
        members |= _CASED_KINDS
    return members | _CASED_KINDS | _LETTERS_WITH_KIN if members & _CASED_KINDS else members


def _category(name: str, flags: int) -> int:
    plain = name.removeprefix("CATEGORY_")
    members = _CATEGORIES[plain.removeprefix("NOT_")][bool(flags & re.ASCII)]
    return _ANY & ~members if plain.startswith("NOT_") else members


# --- Runs -------------------------------------------------------------------------------------------------------
# A backtracking matcher tries one run after the other: a run is one way to lay the pattern along the subject's
# first characters. What it costs is the number of runs, at each character, at each place of the pattern. Pieces
# of a pattern therefore tell how a crowd of runs that enters them leaves, and what it costs inside.


class Runs(NamedTuple):
    """At most ``crowd`` runs at any one character of the subject, ``total`` over all its characters."""

    total: int
    crowd: int


class After(NamedTuple):
    """What follows a piece: the characters it can begin with, and the cost of finding that it does not."""

    first: int
    miss: int


Work = Counter[int]
"""Cost (about nanoseconds) for each character of the subject, by the set that the character must be in."""

_ONE = Runs(1, 1)
_STEP = 2  # Costs, in nanoseconds as measured: accepting or refusing one character,
_BRANCH = 2  # trying an alternative,
_TURN = 5  # and going once more around a loop, or leaving it.
_GROUP_TURN = 35
_RUNAWAY = 10**15


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a pattern.

    ``first``: what it can begin with. ``alphabet``: all that it can take. ``empties``: in how many ways it matches nothing. ``miss``: the cost of
    finding that it does not match. ``least`` and ``most``: characters it takes. ``flow``: from the runs that enter
    to those that leave with a character in sight that what follows can begin with; adds the cost to the work.
    """

    first: int
    alphabet: int
    empties: int
    miss: int
    least: int
    most: int
    flow: Callable[[Runs, After, Work], Runs]

    def before(self, after: After) -> After:
        return After(self.first | (after.first if self.empties else 0), self.miss + self.empties * after.miss)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in the pattern the reader is: flags in force, longest subject, nesting, inside a lookaround or not."""

    flags: int
    length: int
    ranges: list[int]  # widths of all character ranges seen so far: the one thing that all scopes share
    nesting: int = 0
    loops: int = 0
    looking: bool = False


def _characters(members: int, flags: int, cost: int = _STEP) -> Piece:
    if flags & re.IGNORECASE:
        members, cost = _any_case(members), cost + _STEP

    def flow(runs: Runs, after: After, work: Work) -> Runs:
        work[members] += runs.crowd * (cost + after.miss)
        return runs

    return Piece(members, members, 0, cost, 1, 1, flow)


def _nothing(cost: int = _STEP) -> Piece:
    return Piece(0, 0, 1, cost, 0, 0, lambda runs, after, work: runs)


def _sequence(pieces: Sequence[Piece]) -> Piece:
    def flow(runs: Runs, after: After, work: Work) -> Runs:
        follows = [after]
        for piece in reversed(pieces[1:]):
            follows.append(piece.before(follows[-1]))
        entered, met = runs, 0
        for piece, following in zip(pieces, reversed(follows)):
            runs = piece.flow(runs, following, work)
            met |= piece.alphabet
            if not met & following.first:
                # Only one way on: all that entered together stand before the first character that none could take.
                together = -(-entered.total * runs.crowd // max(1, entered.crowd))
                runs = Runs(min(runs.total, together), runs.crowd)
        return runs

    first, miss, empties = 0, 0, 1
    for piece in reversed(pieces):
        first, miss = piece.before(After(first, miss))
        empties *= piece.empties
    alphabet = _union(piece.alphabet for piece in pieces)
    least, most = sum(piece.least for piece in pieces), sum(piece.most for piece in pieces)
    return Piece(first, alphabet, empties, miss, least, most, flow)


def _either(branches: Sequence[Piece], length: int) -> Piece:
    def flow(runs: Runs, after: After, work: Work) -> Runs:
        left = [(branch.before(after).first, branch.flow(runs, after, work)) for branch in branches]
        total = max(sum(out.total for first, out in left if first & bit) for bit in _BITS)
        return _bounded(total, min(total, sum(out.crowd for _, out in left)), length)

    return Piece(
        _union(branch.first for branch in branches),
        _union(branch.alphabet for branch in branches),
        sum(branch.empties for branch in branches),
        sum(branch.miss + _BRANCH for branch in branches),
        min(branch.least for branch in branches),
        max(branch.most for branch in branches),
        flow,
    )


def _loop(body: Piece, low: int, high: int, turn: int, length: int) -> Piece:
    if high == 0:
        return _nothing()
    if high == 1:
        return body if low else _either([body, _nothing(turn)], length)

    def flow(runs: Runs, after: After, work: Work) -> Runs:
        again = After(body.first | after.first, turn + body.miss + max(1, body.empties) * after.miss)
        alone: Work = Counter()
        if body.flow(_ONE, again, alone).total <= 1:
            # One way around: a run inside the loop is at one place at a time, however long it goes on.
            reach = runs.crowd * min(length, high * body.most)
            inside = min(runs.total, reach)
            usual = inside - inside * inside // (2 * reach)  # the crowd grows along the subject: runs keep entering
            for members, cost in alone.items():
                work[members] += usual * cost
            ends = body.before(after).first & after.first
            leaves = min(high, length // max(1, body.least)) - low + 1 if ends else 1
            return _bounded(runs.total * max(leaves, 0), inside, length)
        if high == UNBOUNDED:
            raise PatternTooSlow("repeats without limit a part that can match the same text in several ways")
        total = crowd = 0
        for turns in range(high + 1):
            if turns >= low:
                total, crowd = total + runs.total, crowd + runs.crowd
            if total > _RUNAWAY:
                raise PatternTooSlow("repeats a part that can match the same text in several ways")
            if turns < high:
                runs = body.flow(runs, again, work)
        return _bounded(total, crowd, length)

    skips: int = body.empties**low * (1 + body.empties if high > low else 1)
    miss = turn + body.miss * max(1, skips)
    return Piece(body.first, body.alphabet, skips, miss, low * body.least, min(high * body.most, length + 1), flow)


def _bounded(total: int, crowd: int, length: int) -> Runs:
    return Runs(min(total, crowd * (length + 1)), crowd)


def _union(sets: Iterable[int]) -> int:
    members = 0
    for each in sets:
        members |= each
    return members


def _settled(body: Piece, length: int) -> int:
    """The cost of a part that is matched on its own and never gone back into: lookaround, atomic group, pattern."""
    work: Work = Counter()
    body.flow(_ONE, After(_ANY | _END, 0), work)
    return body.miss + _heaviest(work) * min(length, body.most)


def _heaviest(work: Work) -> int:
    # A character of the subject is one character: sets that exclude each other do not add up.
    return max(sum(cost for members, cost in work.items() if members & bit) for bit in _BITS)


# --- Reading ----------------------------------------------------------------------------------------------------


def _read(items: Iterable[tuple[Any, Any]], scope: Scope) -> Piece:
    if scope.nesting > MAX_NESTING:
        raise PatternRefused(f"nests groups more than {MAX_NESTING} deep; write it flatter")
    inner = replace(scope, nesting=scope.nesting + 1)
    return _sequence([_OPCODES.get(str(code), _unknown)(argument, inner) for code, argument in items])


def _class(items: Sequence[tuple[Any, Any]], scope: Scope) -> Piece:
    may = must = 0
    cost = _STEP
    negated = str(items[0][0]) == "NEGATE"
    for code, argument in items[negated:]:
        if str(code) == "CATEGORY":
            members = exactly = _category(str(argument), scope.flags)
            cost += _STEP
        else:
            low, high = argument if str(code) == "RANGE" else (argument, argument)
            scope.ranges.append(min(high, 0xFFFF) - low)
            if sum(scope.ranges) > MAX_RANGES_SPAN:
                raise PatternRefused("has too many wide character ranges; use classes such as [^a-z] or \\w instead")
            members = _span(low, high)
            exactly = members & _ASCII
            cost += high > 0xFFFF  # not in the bitmap that `re` builds: tried one by one
        may, must = may | members, must | exactly
    return _characters(_ANY & ~must if negated else may, scope.flags, cost)


def _repeat(argument: tuple[int, int, Any], scope: Scope) -> Piece:
    low, high, items = argument
    if max(low, high if high != UNBOUNDED else 0) > MAX_COUNT:
        raise PatternRefused(f"repeats something more than {MAX_COUNT} times; lower the number")
    if scope.looking and high == UNBOUNDED:
        raise PatternRefused("has an unlimited repeat in a lookaround; limit it, as in {0,20}")
    if scope.loops == MAX_LOOP_NESTING:
        raise PatternRefused(f"nests repeats more than {MAX_LOOP_NESTING} deep; write it flatter")
    body = _read(items, replace(scope, loops=scope.loops + (high > 1)))
    if body.most == 0 and high > 1:
        raise PatternRefused("repeats a part that takes no characters; write that part once")
    turn = _TURN if _is_single(items) else _GROUP_TURN
    return _loop(body, low, high, turn, scope.length)


def _is_single(items: Any) -> bool:
    """Whether `re` counts the repeats in a tight loop, as it does for one character without a group to record."""
    if len(items) != 1:
        return False
    code, argument = items[0]
    if str(code) == "SUBPATTERN":
        return argument[0] is None and _is_single(argument[3])
    return str(code) in _SINGLES


def _group(argument: tuple[Any, int, int, Any], scope: Scope) -> Piece:
    _, added, removed, items = argument
    return _read(items, replace(scope, flags=flags_within(scope.flags, added, removed)))


def _lookaround(argument: tuple[int, Any], scope: Scope) -> Piece:
    return _nothing(_settled(_read(argument[1], replace(scope, looking=True)), scope.length))


def _atomic(body: Piece, scope: Scope) -> Piece:
    cost = _settled(body, scope.length)

    def flow(runs: Runs, after: After, work: Work) -> Runs:
        work[_ANY | _END] += runs.crowd * (cost + after.miss)
        return Runs(runs.total, min(runs.total, runs.crowd * min(scope.length, max(1, body.most))))

    return replace(body, miss=cost, empties=min(body.empties, 1), flow=flow)


def _unbounded_time(what: str) -> Callable[[Any, Scope], Piece]:
    def refuse(argument: Any, scope: Scope) -> Piece:
        raise PatternRefused(f"uses {what}, whose time has no bound; write it without")

    return refuse


_SINGLES = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_unknown = _unbounded_time("a construct unknown to this version")

_OPCODES: Mapping[str, Callable[[Any, Scope], Piece]] = {
    "LITERAL": lambda code, scope: _characters(_span(code, code), scope.flags),
    "NOT_LITERAL": lambda code, scope: _characters(_ANY & ~(_span(code, code) & _ASCII), scope.flags),
    "ANY": lambda _, scope: _characters(_ANY, scope.flags),
    "IN": _class,
    "BRANCH": lambda argument, scope: _either([_read(each, scope) for each in argument[1]], scope.length),
    "SUBPATTERN": _group,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": lambda argument, scope: _atomic(_repeat(argument, scope), scope),
    "ATOMIC_GROUP": lambda items, scope: _atomic(_read(items, scope), scope),
    "ASSERT": _lookaround,
    "ASSERT_NOT": _lookaround,
    "AT": lambda position, scope: _nothing(),
    "FAILURE": lambda _, scope: _nothing(),
    "GROUPREF": _unbounded_time("a backreference"),
    "GROUPREF_EXISTS": _unbounded_time("a conditional group"),
}


def parse(pattern: str) -> Any:
    """The parse tree of a pattern, as `re` itself builds it."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternRefused(f"is longer than {MAX_PATTERN_CHARACTERS:,} characters; shorten it")
    try:
        return _parser.parse(pattern)
    except RecursionError:
        raise PatternRefused(f"nests groups more than {MAX_NESTING} deep; write it flatter") from None
    except (re.error, ValueError, OverflowError, Warning) as error:  # a Warning where warnings are errors
        raise PatternRefused(f"does not compile: {error}") from error


def worst_work(tree: Any, length: int) -> int:
    """About how many nanoseconds `re` can take to match a subject of at most ``length`` characters fully."""
    scope = Scope(tree.state.flags, length, [])
    whole = _read(tree, scope)
    work: Work = Counter()
    whole.flow(_ONE, After(_END, 0), work)
    return whole.miss + _heaviest(work) * min(length, whole.most)


def flags_within(flags: int, added: int, removed: int) -> int:
    """The flags inside a group such as ``(?i-s:...)``; a, L and u replace one another."""
    kinds = re.ASCII | re.LOCALE | re.UNICODE
    return ((flags & ~kinds if added & kinds else flags) | added) & ~removed
