from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.transport.foreign_text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcode 漢字", "plain ünïcode 漢字"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\ud800", "\\ud800"),
        (b"bytes", "b'bytes'"),
        (None, "None"),
    ],
)
def test_what_could_forge_a_log_line_is_escaped(text: object, expected: str) -> None:
    assert printable(text) == expected


def test_a_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 199 + "…"
    assert len(printable("\n" * 150)) == 200


@given(st.text(st.characters(), max_size=400), st.integers(1, 300))
def test_nothing_unprintable_comes_out_and_never_too_much(text: str, limit: int) -> None:
    shown = printable(text, limit)

    assert shown.isprintable()
    assert len(shown) <= limit
