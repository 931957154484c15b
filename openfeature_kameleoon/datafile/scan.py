"""One pass over a data file's text: finds its members and list elements without building the whole in memory.

It keeps the interpreter to itself for one element at a time only and calls ``breathe`` between two, so that a
refresh of 10,000 flags does not stall evaluations. What the elements mean is the index's business.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Container, Iterator
from typing import NamedTuple

from ..errors import DataFileInvalid

__all__ = ["Member", "breathing", "go_on", "scan"]

WINDOW_BYTES = 1 << 18

MOST_ELEMENTS = 200_000
"""With more members, or more elements in a list that is walked, a file is refused: each costs more than its text."""

_skip_blanks = re.compile(rb"[ \t\n\r]*").match
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Member(NamedTuple):
    """A member of the top-level object, or one element of a member that is a list to be walked."""

    name: str
    text: bytes
    position: int | None  # of the element in its list


def _refuse_constant(literal: str) -> object:
    raise ValueError(f"{literal} is not JSON")


# Only ends are looked for. Of objects and numbers nothing is kept: that spares memory, and digits have no limit.
_decode = json.JSONDecoder(
    parse_int=bool, parse_float=bool, parse_constant=_refuse_constant, object_pairs_hook=bool
).raw_decode


def scan(raw: bytes, walked: Container[str], breathe: Callable[[], None] | None = None) -> Iterator[Member]:
    """Yield the members of the JSON object in ``raw``; those named in ``walked`` element by element.

    A walked member that is an empty list, or no list, is yielded once as a whole. Raises ``DataFileInvalid``
    at the place where the text stops being one UTF-8 JSON object whose members all have names of their own.
    """
    text = _Text(raw)
    names: set[str] = set()
    place = text.open_object()
    separator = b""  # the first member follows the brace at once
    while (named := text.next_name(place, separator)) is not None:
        name, place = named
        separator = b","
        if name in names:
            raise text.malformed(place, f"member {name!r:.60} stands twice")
        names.add(name)
        if len(names) > MOST_ELEMENTS:
            raise DataFileInvalid(f"the data file has more than {MOST_ELEMENTS} members: byte {place}")
        if name in walked and raw[place : place + 1] == b"[" and not text.is_empty_list(place):
            place += 1
            for position in range(MOST_ELEMENTS):
                start = text.after_blanks(place)
                place = text.end_of_value(start)
                yield Member(name, text.cut(start, place), position)
                if breathe is not None:
                    breathe()
                place = text.after_blanks(place) + 1
                sign = raw[place - 1 : place]
                if sign == b"]":
                    break
                if sign != b",":
                    raise text.malformed(place - 1, f"',' or ']' expected in {name}")
            else:
                raise DataFileInvalid(f"the data file's {name} has more than {MOST_ELEMENTS} elements: byte {place}")
        else:
            start, place = place, text.end_of_value(place)
            yield Member(name, text.cut(start, place), None)
            if breathe is not None:
                breathe()


def go_on() -> None:
    """A ``breathe`` for those who let nobody wait."""


def breathing(slice_seconds: float = 0.0003, pause_seconds: float = 0.00005) -> Callable[[], None]:
    """A ``breathe`` for a background thread: every slice of work it sleeps a moment, so that other threads run.

    Sleeping, however briefly, gives the interpreter up for certain; asking it to switch does not.
    """
    until = time.perf_counter() + slice_seconds

    def breathe() -> None:
        nonlocal until
        if time.perf_counter() >= until:
            time.sleep(pause_seconds)
            until = time.perf_counter() + slice_seconds

    return breathe


class _Text:
    """The bytes of a data file, and a window on them as text.

    The window is Latin-1, one character for one byte: offsets in both agree, and the structure of JSON is ASCII.
    """

    __slots__ = ("end", "raw", "start", "window")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.start = 0
        self.end = 0
        self.window = ""

    def open_object(self) -> int:
        """The place behind the opening brace."""
        raw = self.raw
        place = self.after_blanks(len(_BYTE_ORDER_MARK) if raw.startswith(_BYTE_ORDER_MARK) else 0)
        beginning = raw[place : place + 64]
        if beginning.startswith(b"{") and b"\0" not in beginning:
            return place + 1
        raise DataFileInvalid(f"the data file is {_looks_like(beginning)}, not a JSON object")

    def next_name(self, place: int, separator: bytes) -> tuple[str, int] | None:
        """The next member's name and where its value starts; ``None`` when the object and the text have ended."""
        raw = self.raw
        place = self.after_blanks(place)
        sign = raw[place : place + 1]
        if sign == b"}":
            rest = self.after_blanks(place + 1)
            if rest != len(raw):
                raise self.malformed(rest, "text after the end of the object")
            return None
        if separator:
            if sign != separator:
                raise self.malformed(place, "',' or '}' expected")
            place = self.after_blanks(place + 1)
        if raw[place : place + 1] != b'"':
            raise self.malformed(place, "a member's name expected")
        end = self.end_of_value(place)
        name = json.loads(self.cut(place, end))
        colon = self.after_blanks(end)
        if raw[colon : colon + 1] != b":":
            raise self.malformed(colon, f"':' expected after {name!r:.60}")
        return name, self.after_blanks(colon + 1)

    def is_empty_list(self, place: int) -> bool:
        """Whether the list that opens here closes at once."""
        closing = self.after_blanks(place + 1)
        return self.raw[closing : closing + 1] == b"]"

    def after_blanks(self, place: int) -> int:
        """The first place from here on that is no white space."""
        blanks = _skip_blanks(self.raw, place)
        return blanks.end() if blanks else place

    def end_of_value(self, place: int) -> int:
        """Where the JSON value that starts here ends; moves and grows the window as needed."""
        if not self.start <= place < self.end:
            self._look(place, WINDOW_BYTES)
        while True:
            problem: Exception | None = None
            try:
                end = _decode(self.window, place - self.start)[1] + self.start
            except RecursionError as error:
                raise self.malformed(place, "nested too deeply") from error
            except ValueError as error:
                problem, end = error, self.end
            # A number may be cut in two: at the window's edge, or before what is left there, at most "e+".
            if end + 2 < self.end or self.end == len(self.raw):
                if problem is None:
                    return end
                at = problem.pos + self.start if isinstance(problem, json.JSONDecodeError) else place
                reason = problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
                raise self.malformed(at, reason or "a JSON value expected") from problem
            self._look(place, max(WINDOW_BYTES, 2 * (self.end - place)))

    def cut(self, start: int, end: int) -> bytes:
        """The bytes of one value, known to be UTF-8."""
        value = self.raw[start:end]
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError as error:
                raise DataFileInvalid(
                    f"the data file is not UTF-8: byte {start + error.start} cannot be decoded"
                ) from error
        return value

    def malformed(self, place: int, reason: str) -> DataFileInvalid:
        """The refusal of a text that is no JSON from ``place`` on."""
        if place >= len(self.raw):
            return DataFileInvalid(f"the data file is cut off: it ends at byte {len(self.raw)}, inside its JSON")
        return DataFileInvalid(f"the data file is malformed JSON at byte {place}: {reason}")

    def _look(self, place: int, size: int) -> None:
        self.start = place
        self.end = min(place + size, len(self.raw))
        self.window = self.raw[place : self.end].decode("latin-1")


def _looks_like(beginning: bytes) -> str:
    if not beginning:
        return "empty"
    if beginning.startswith(b"\x1f\x8b"):
        return "still compressed"
    if b"\0" in beginning or beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "binary data or UTF-16 text"
    if beginning.startswith(b"<"):
        return "an HTML or XML page"
    if beginning.startswith(b"["):
        return "a JSON list"
    if beginning[:1] in b'"-0123456789tfn':
        return "a single JSON value or plain text"
    return "no JSON"
