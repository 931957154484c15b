"""Patterns of conditions, made safe to run on text that visitors supply (specs/kameleoon-sdk.md 5.3).

Nothing can interrupt `re`, so a pattern is run by `re` only where pattern_analysis.py proves that it ends in time,
by re2 (the extra ``re2``) where it does not, and refused otherwise: re2 adds patterns and changes no answer. Owns that
choice, the longest subjects and the translation for re2. Pure: any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .pattern_analysis import MAXREPEAT, flags_within, parse, worst_time
from .pattern_runs import PatternRefused, PatternTooSlow

try:
    import re2
except ImportError:  # the extra is not installed
    re2 = None

__all__ = ["PatternRefused", "compile_pattern"]

LONGEST_SUBJECTS = (4_096, 1_024, 512)
"""Characters after which a subject is cut: the first number with which a pattern stays within the next one. It is
4,096 for all whose time is linear, and 1,024 for nearly all others, whose time is quadratic. For re2, which needs
no bound but has a price for each character, it is between the largest and the smallest of these."""
MAX_NANOSECONDS = 20_000_000
"""For one match, as estimated; the slowest patterns found were 1.5 times as slow on an idle machine."""
MAX_RE2_WORK = 800_000
"""Characters times places of the pattern: what re2's slowest engine does in 5 milliseconds."""
RE2_MEMORY_BYTES = 1 << 20
"""For one pattern, at most. With more, re2 spends milliseconds on tables that a single subject uses once."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A test of whether ``pattern``, in the syntax of `re`, matches a text from beginning to end (5.3).

    A text longer than the pattern's longest subject (``LONGEST_SUBJECTS``) is cut there, and the test is that of
    what is left.

    Raises: PatternRefused: the pattern does not compile, or could take too long on some text.
    """
    try:
        tree = parse(pattern)
        try:
            return _run_by_re(pattern, tree)
        except PatternTooSlow as slow:
            return _run_by_re2(tree, str(slow))
    except PatternRefused as refusal:
        raise PatternRefused(f"the pattern {pattern!r:.60} {refusal}") from refusal
    except RecursionError:
        raise PatternRefused(f"the pattern {pattern!r:.60} nests groups too deep; write it flatter") from None


def _run_by_re(pattern: str, tree: Any) -> Callable[[str], bool]:
    length = _longest_subject(tree)
    try:
        fullmatch = re.compile(pattern).fullmatch
    except (re.error, OverflowError, RuntimeError, Warning) as error:
        raise PatternRefused(f"does not compile ({error}); correct it") from error
    return lambda subject: fullmatch(subject, 0, length) is not None


def _longest_subject(tree: Any) -> int:
    for length in LONGEST_SUBJECTS:
        if worst_time(tree, length) <= MAX_NANOSECONDS:
            return length
    raise PatternTooSlow("has several repeats that can match the same text")


def _run_by_re2(tree: Any, slow: str) -> Callable[[str], bool]:
    if re2 is None:
        raise PatternRefused(
            f"{slow}; install the extra re2 (pip install 'openfeature-kameleoon[re2]'), or rewrite it so that"
            " each repeat ends at a character which it cannot match itself"
        )
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = RE2_MEMORY_BYTES
    try:
        compiled = re2.compile(_translate(tree, _Place(tree.state.flags, is_last=True)), options)
    except PatternRefused as refusal:
        raise PatternRefused(f"{slow}, and re2 cannot replace `re` because it {refusal}; rewrite it") from refusal
    except re2.error as error:
        raise PatternRefused(f"{slow}, and re2 refuses it ({_text(error)}); rewrite it") from error
    length = min(LONGEST_SUBJECTS[0], MAX_RE2_WORK // max(1, _places(tree)))
    if length < LONGEST_SUBJECTS[-1]:
        raise PatternRefused(f"{slow}, and is too large for re2; shorten it")
    fullmatch = compiled.fullmatch
    return lambda subject: fullmatch(subject[:length].encode("utf-8", "surrogatepass")) is not None


def _text(error: Exception) -> str:
    return error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)


def _places(items: Sequence[tuple[Any, Any]]) -> int:
    """How many characters of the pattern re2 can stand at, once it has written out counted repeats."""
    places = 0
    for code, argument in items:
        match str(code):
            case "BRANCH":
                places += sum(map(_places, argument[1]))
            case "SUBPATTERN":
                places += _places(argument[3])
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, body = argument
                places += (max(low, 1) if high == MAXREPEAT else high) * _places(body)
            case "IN":
                places += 1 if _is_ascii(argument) else 16  # re2 reads bytes: other classes are automata themselves
            case _:
                places += 1
    return places


def _is_ascii(items: Sequence[tuple[Any, Any]]) -> bool:
    highest: Mapping[str, Callable[[Any], int]] = {"LITERAL": int, "RANGE": max}
    return all(str(kind) in highest and highest[str(kind)](argument) < 128 for kind, argument in items)


# --- The parse tree in the syntax of re2 ------------------------------------------------------------------------
# Python reads the pattern and re2 only runs it: the two read \w, \b, $, {,n} and (?i) differently. What remains are
# characters that only the newer of their two versions of Unicode knows as letters or digits.

_CATEGORIES: Mapping[str, tuple[str, str]] = {  # in Unicode, in ASCII
    "DIGIT": (r"\p{Nd}", r"0-9"),
    "SPACE": (
        r"\t-\r\x1c- \x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}",
        r"\t-\r ",
    ),
    "WORD": (r"\p{L}\p{N}_", r"0-9A-Za-z_"),
}
_KINDS_OF_I = (0x49, 0x69, 0x130, 0x131)
"""One letter under (?i) in Python: I, i, and those of Turkish with and without a dot, which re2 keeps apart."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Flags in force, and whether nothing can follow."""

    flags: int
    is_last: bool


def _translate(items: Sequence[tuple[Any, Any]], place: _Place) -> str:
    parts = []
    for position, (code, argument) in enumerate(items, start=1):
        translate = _TRANSLATIONS.get(str(code))
        if translate is None:
            raise PatternRefused("has no lookaround, atomic group or possessive repeat")
        parts.append(translate(argument, replace(place, is_last=place.is_last and position == len(items))))
    return "".join(parts)


def _class(items: Sequence[tuple[Any, Any]], place: _Place) -> str:
    negated = str(items[0][0]) == "NEGATE"
    ignores_case = place.flags & re.IGNORECASE
    ranges, categories = "", ""
    unions = []  # (excluded, members, flag): re2 has no class that excludes one kind and includes another
    for code, argument in items[negated:]:
        if str(code) == "CATEGORY":
            kind = str(argument).removeprefix("CATEGORY_")
            members = _CATEGORIES[kind.removeprefix("NOT_")][bool(place.flags & re.ASCII)]
            if kind.startswith("NOT_"):
                unions.append((True, members, ""))
            else:
                categories += members
        else:
            low, high = argument if str(code) == "RANGE" else (argument, argument)
            ranges += rf"\x{{{low:x}}}-\x{{{high:x}}}"
            if ignores_case and any(low <= letter <= high for letter in _KINDS_OF_I):
                ranges += "".join(rf"\x{{{letter:x}}}" for letter in _KINDS_OF_I)
    if ranges and ignores_case:
        if place.flags & re.ASCII:
            raise PatternRefused("ignores case beyond ASCII, too")
        unions.append((False, ranges, "i"))
    elif ranges:
        categories += ranges
    if categories:
        unions.append((False, categories, ""))
    if negated and len(unions) > 1:
        raise PatternRefused("cannot exclude several kinds of character at once")
    return _group("|".join(f"(?{flag}:[{'^' * (no != negated)}{text}])" for no, text, flag in unions))


def _group(text: str) -> str:
    return f"(?:{text})"


def _repeat(argument: tuple[int, int, Any], place: _Place) -> str:
    low, high, items = argument
    limit = "" if high == MAXREPEAT else high
    return f"{_group(_translate(items, replace(place, is_last=False)))}{{{low},{limit}}}"


def _subpattern(argument: tuple[Any, int, int, Any], place: _Place) -> str:
    _, added, removed, items = argument
    return _group(_translate(items, replace(place, flags=flags_within(place.flags, added, removed))))


def _anchor(position: Any, place: _Place) -> str:
    lines = place.flags & re.MULTILINE
    anchors = {
        "AT_BEGINNING": "(?m:^)" if lines else r"\A",
        "AT_BEGINNING_STRING": r"\A",
        "AT_END": "(?m:$)" if lines else r"\z" if place.is_last else None,  # before a last newline, too
        "AT_END_STRING": r"\z",
        "AT_BOUNDARY": r"\b" if place.flags & re.ASCII else None,
    }
    anchor = anchors.get(str(position))
    if anchor is None:
        raise PatternRefused(
            f"reads {str(position).removeprefix('AT_').lower().replace('_', '-')} anchors in another way"
        )
    return anchor


_TRANSLATIONS: Mapping[str, Callable[[Any, _Place], str]] = {
    "LITERAL": lambda code, place: _class([("LITERAL", code)], place),
    "NOT_LITERAL": lambda code, place: _class([("NEGATE", None), ("LITERAL", code)], place),
    "ANY": lambda _, place: "(?s:.)" if place.flags & re.DOTALL else r"[^\n]",
    "IN": _class,
    "BRANCH": lambda branches, place: _group("|".join(_translate(each, place) for each in branches[1])),
    "SUBPATTERN": _subpattern,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "AT": _anchor,
}
