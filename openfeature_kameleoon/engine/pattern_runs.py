"""What a backtracking matcher can spend on a pattern, counted in runs.

A run is one way to lay the pattern along the first characters of a subject; such a matcher follows one after the
other, so its time is the number of runs that can stand at each character. Owns that arithmetic; what the pieces of
a pattern are is for pattern_analysis.py to read. Pure: any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "GROUP_TURN",
    "STEP",
    "TURN",
    "UNBOUNDED",
    "After",
    "PatternRefused",
    "PatternTooSlow",
    "Piece",
    "atomic",
    "characters",
    "either",
    "loop",
    "nothing",
    "sequence",
    "time_alone",
]

STEP = 2
"""Nanoseconds to accept or refuse one character. This and the next three were fitted to CPython 3.10 to 3.13."""
BRANCH = 2
TURN = 5
"""Nanoseconds to go once more around a loop over one character, or to leave it; and over a group:"""
GROUP_TURN = 35

UNBOUNDED = 1 << 32
"""The upper limit of a loop that has none."""
RUNAWAY = 10**15


class PatternRefused(ValueError):
    """A pattern that is not run, ever; the message says what is wrong with it and what to do about it."""


class PatternTooSlow(PatternRefused):
    """Backtracking could take too long over the pattern; an automaton would not."""


class Runs(NamedTuple):
    """At most ``crowd`` runs at any one character of the subject, at most ``total`` over all its characters."""

    total: int
    crowd: int


class After(NamedTuple):
    """What follows a piece: the characters it can begin with, and the time it takes to find that it does not."""

    first: int
    miss: int


Time = Counter[int]
"""Nanoseconds at each character of the subject, by the set which that character must be in."""

ONE = Runs(1, 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a pattern. Sets of characters are integers, one bit for each kind of character.

    ``first`` is what it can begin with, ``alphabet`` all it can take, ``empties`` in how many ways it matches
    nothing, ``miss`` the time to find that it does not match, ``least`` and ``most`` the characters it takes.
    ``flow`` turns the runs that enter into those that leave with a character in sight that what follows can begin
    with, and adds the time spent inside. It is linear: twice the runs in are twice the runs out.
    """

    first: int
    alphabet: int
    empties: int
    miss: int
    least: int
    most: int
    flow: Callable[[Runs, After, Time], Runs]

    def before(self, after: After) -> After:
        """The same as seen from before this piece."""
        return After(self.first | (after.first if self.empties else 0), self.miss + self.empties * after.miss)


def characters(members: int, step: int) -> Piece:
    """One character of a set."""

    def flow(runs: Runs, after: After, time: Time) -> Runs:
        time[members] += runs.crowd * (step + after.miss)
        return runs

    return Piece(members, members, 0, step, 1, 1, flow)


def nothing(miss: int = STEP) -> Piece:
    """No character: an anchor, a lookaround, an empty branch."""
    return Piece(0, 0, 1, miss, 0, 0, lambda runs, after, time: runs)


def sequence(pieces: Sequence[Piece]) -> Piece:
    """One piece after the other."""

    def flow(runs: Runs, after: After, time: Time) -> Runs:
        afters = [after]
        for piece in reversed(pieces):
            afters.append(piece.before(afters[-1]))
        entered, taken = runs, 0
        for piece, following in zip(pieces, afters[-2::-1], strict=True):
            runs = piece.flow(runs, following, time)
            taken |= piece.alphabet
            if not taken & following.first:
                # Runs that entered together stand together: before the first character that none of them can take.
                together = -(-entered.total * runs.crowd // max(1, entered.crowd))
                runs = Runs(min(runs.total, together), runs.crowd)
        return runs

    start, empties = After(0, 0), 1
    for piece in reversed(pieces):
        start = piece.before(start)
        empties *= piece.empties
    least, most = sum(piece.least for piece in pieces), sum(piece.most for piece in pieces)
    alphabet = _union(piece.alphabet for piece in pieces)
    return Piece(start.first, alphabet, empties, start.miss, least, most, flow)


def either(branches: Sequence[Piece], length: int) -> Piece:
    """One of several pieces; runs part only where two can begin with the same character."""

    def flow(runs: Runs, after: After, time: Time) -> Runs:
        left = [(branch.before(after).first, branch.flow(runs, after, time)) for branch in branches]
        total = _heaviest((first, out.total) for first, out in left)
        return _within(length, total, min(total, sum(out.crowd for _, out in left)))

    return Piece(
        first=_union(branch.first for branch in branches),
        alphabet=_union(branch.alphabet for branch in branches),
        empties=sum(branch.empties for branch in branches),
        miss=sum(branch.miss + BRANCH for branch in branches),
        least=min(branch.least for branch in branches),
        most=max(branch.most for branch in branches),
        flow=flow,
    )


def loop(body: Piece, low: int, high: int, turn: int, length: int) -> Piece:
    """A piece ``low`` to ``high`` times; ``turn`` is the time that going around takes."""
    if high == 0:
        return nothing()
    if high == 1:
        return body if low else either([body, nothing(turn)], length)

    def flow(runs: Runs, after: After, time: Time) -> Runs:
        again = After(body.first | after.first, turn + body.miss + max(1, body.empties) * after.miss)
        alone: Time = Counter()
        ways = body.flow(ONE, again, alone).total
        if ways <= 1 and not body.empties:
            # There is one way around, so a run is at one place of the loop at a time however long it goes on.
            inside = min(runs.total, runs.crowd * min(length, high * body.most))
            # Runs enter one character after the other, so there are fewer at first.
            usual = inside - inside * inside // (2 * max(1, runs.crowd) * length)
            for members, nanoseconds in alone.items():
                time[members] += usual * nanoseconds
            exits = min(high, length // body.least) - low + 1 if body.first & after.first else 1
            return _within(length, runs.total * max(0, exits), inside)
        if ways <= 1 or high == UNBOUNDED:
            raise PatternTooSlow("repeats without limit a part that can match the same text in several ways")
        total = crowd = 0
        for turns in range(high + 1):
            if turns >= low:
                total, crowd = total + runs.total, crowd + runs.crowd
            if max(total, runs.total) > RUNAWAY:
                raise PatternTooSlow("repeats many times a part that can match the same text in several ways")
            if turns < high:
                runs = body.flow(runs, again, time)
        return _within(length, total, crowd)

    empties = min(RUNAWAY, int(body.empties ** min(low, 64)) * (1 + body.empties if high > low else 1))
    miss = turn + body.miss * max(1, empties)
    return Piece(body.first, body.alphabet, empties, miss, low * body.least, high * body.most, flow)


def atomic(body: Piece, everything: int, length: int) -> Piece:
    """A piece that is matched once and not gone back into."""
    miss = time_alone(body, everything, length)

    def flow(runs: Runs, after: After, time: Time) -> Runs:
        time[everything] += runs.crowd * (miss + after.miss)
        return Runs(runs.total, min(runs.total, runs.crowd * min(length, max(1, body.most))))

    return Piece(body.first, body.alphabet, min(body.empties, 1), miss, body.least, body.most, flow)


def time_alone(piece: Piece, followers: int, length: int) -> int:
    """Nanoseconds that one try of a piece can take where one of ``followers`` comes next."""
    time: Time = Counter()
    piece.flow(ONE, After(followers, 0), time)
    return piece.miss + _heaviest(time.items()) * min(length, piece.most)


def _heaviest(weights: Iterable[tuple[int, int]]) -> int:
    # A character is one character: weights whose sets exclude each other do not add up.
    weights = list(weights)
    bits = range(_union(members for members, _ in weights).bit_length())
    return max((sum(weight for members, weight in weights if members >> bit & 1) for bit in bits), default=0)


def _within(length: int, total: int, crowd: int) -> Runs:
    return Runs(min(total, crowd * (length + 1)), crowd)


def _union(sets: Iterable[int]) -> int:
    members = 0
    for each in sets:
        members |= each
    return members
