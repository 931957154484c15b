"""Bytes go wrong: whatever comes of a data file's text, it is refused as a whole or answered flag by flag (R1, R7).

``KAMELEOON_FUZZ`` is how many texts are tried, ``KAMELEOON_FUZZ_SEED`` what they are drawn from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.errors import DataFileInvalid, FeatureMalformed
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, as_bytes, data_file

TEXTS = int(os.environ.get("KAMELEOON_FUZZ", "20000"))
SEED = os.environ.get("KAMELEOON_FUZZ_SEED", "0")
PARTS = 4
WHOLE_FILES = 100
"""Of the texts, one in so many is a whole example file; the others are small, to try more."""

TOKENS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\0", b"-", b".", b"e", b"0", b"null", b"true"),
    *(b"NaN", b"Infinity", b"1e400", b"-1", b"9" * 30, b"9" * 5000),
    *(b"[" * 2000, b'{"":' * 2000, b"\\ud800", b"\\u0000"),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"featureFlags":', b'"segments":', b'"id":', b'"rules":'),
]  # fmt: skip


def small_file() -> bytes:
    """Three flags of the example file and what they depend on."""
    content = data_file()
    content["featureFlags"] = [flag for flag in content["featureFlags"] if flag["id"] in (10003, 10009, 10202)]
    content["segments"] = [segment for segment in content["segments"] if segment["id"] in (2001, 2002, 2102)]
    return as_bytes(content)


SMALL = small_file()
WHOLE = [as_bytes(data_file()), as_bytes(data_file(name="kameleoon-datafile-legacy"))]


def somewhere(text: bytearray, random: Random) -> tuple[int, int]:
    """The bounds of a part of the text, most often a short one."""
    start = random.randrange(len(text) + 1)
    return start, min(len(text), start + int(random.paretovariate(0.8)))


def change_a_bit(text: bytearray, random: Random) -> None:
    if text:
        text[random.randrange(len(text))] ^= 1 << random.randrange(8)


def change_a_byte(text: bytearray, random: Random) -> None:
    if text:
        text[random.randrange(len(text))] = random.randrange(256)


def remove(text: bytearray, random: Random) -> None:
    start, end = somewhere(text, random)
    del text[start:end]


def insert_a_token(text: bytearray, random: Random) -> None:
    start, _ = somewhere(text, random)
    text[start:start] = random.choice(TOKENS)


def replace_by_a_token(text: bytearray, random: Random) -> None:
    start, end = somewhere(text, random)
    text[start:end] = random.choice(TOKENS)


def repeat(text: bytearray, random: Random) -> None:
    start, end = somewhere(text, random)
    text[end:end] = text[start:end] * random.randrange(1, 4)


def move(text: bytearray, random: Random) -> None:
    start, end = somewhere(text, random)
    part = text[start:end]
    del text[start:end]
    place, _ = somewhere(text, random)
    text[place:place] = part


def cut(text: bytearray, random: Random) -> None:
    del text[random.randrange(len(text) + 1) :]


MUTATIONS: list[Callable[[bytearray, Random], None]] = [
    *(change_a_bit, change_a_byte, remove, insert_a_token, replace_by_a_token, repeat, move, cut)
]


def mutated(original: bytes, random: Random) -> bytes:
    text = bytearray(original)
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        random.choice(MUTATIONS)(text, random)
    return bytes(text)


def answer_all(raw: bytes, previous: DataFileIndex) -> tuple[int, int]:
    """How many flags of a text are answered, and how many cannot be. Raises ``DataFileInvalid``, or it is a failure."""
    index = DataFileIndex.read(raw, previous=previous)
    changed_flags(previous, index)
    ruleset = Ruleset(index, scope=STAGE.scope())
    answered = malformed = 0
    for key in index.flags:
        try:
            ruleset.decide(key)(VISITOR, None)
            answered += 1
        except FeatureMalformed:
            malformed += 1
    return answered, malformed


STAGE = Stage()
VISITOR = Visitor("visitor-001")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_text_is_refused_as_a_whole_or_answered_flag_by_flag(part: int) -> None:
    refused = answered = malformed = 0
    before = DataFileIndex.read(SMALL)

    for number in range(part, TEXTS, PARTS):
        random = Random(f"{SEED}:{number}")
        raw = mutated(random.choice(WHOLE) if number % WHOLE_FILES == 0 else SMALL, random)
        try:
            flags = answer_all(raw, before)
        except DataFileInvalid:
            refused += 1
        except Exception as error:  # the failure is which text it was
            raise AssertionError(f"text {number} of KAMELEOON_FUZZ_SEED={SEED}: {raw!r}") from error
        else:
            answered += flags[0]
            malformed += flags[1]

    assert min(refused, answered, malformed) > 0, "the mutations are too weak, or too strong"
