"""Patterns from the data file on text from visitors: honest ones answer as `re` does, evil ones never take long."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import unicodedata
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.engine import patterns
from openfeature_kameleoon.engine.patterns import PatternRefused, compile_pattern

EVIL = Path(__file__).parents[1] / "data" / "patterns"
CORPUS = json.loads((EVIL / "evil.json").read_text(encoding="utf-8"))
SLOW_MILLISECONDS = 50.0
HUNG_SECONDS = 120.0
"""For the whole corpus, which takes about two."""

needs_re2 = pytest.mark.skipif(find_spec("re2") is None, reason="the extra re2 is not installed")
both_engines = pytest.mark.parametrize("engine", ["re alone", pytest.param("with re2", marks=needs_re2)])


@pytest.fixture
def without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "re2", None)


@pytest.fixture
def with_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "re alone":
        monkeypatch.setattr(patterns, "re2", None)


def is_accepted(pattern: str) -> bool:
    try:
        compile_pattern(pattern)
    except PatternRefused:
        return False
    return True


def answers(pattern: str, subjects: Iterable[str]) -> list[bool]:
    matches = compile_pattern(pattern)
    return [matches(subject) for subject in subjects]


def answers_of_re(pattern: str, subjects: Iterable[str]) -> list[bool]:
    return [re.fullmatch(pattern, subject) is not None for subject in subjects]


# --- honest patterns ----------------------------------------------------------------------------------------

HONEST = {
    r"^qa-.*": ["qa-", "qa-7", "xqa-7", "qa-7\n", "qa-a\nb"],
    r".*@example\.com": ["a@example.com", "@example.com", "a@example.com.fr", "a@exampleXcom"],
    r"(foo|bar)baz\d*": ["foobaz", "barbaz12", "foobarbaz", "foobaz٣"],
    r"^/product/[0-9]+/?$": ["/product/1", "/product/12/", "/product/", "/product/1/\n"],
    r".*foo.*": ["foo", "a foo b", "fo", "a\nfoo", "foo foo foo"],
    r"[a-z]+(-[a-z]+)?": ["a", "a-b", "a-b-c", "A"],
    r"https?://[^/]+/cart(\?.*)?": ["http://a/cart", "https://a.fr/cart?b=1", "ftp://a/cart", "https://a/b/cart"],
    r"^(?:FR|DE|IT)$": ["FR", "IT", "ES", "fr", "FRDE", "FR\n"],
    r"(?i)premium.*": ["Premium", "PREMIUM plan", "a premium"],
    r"([a-z]+-)*[a-z]+": ["a", "a-b-c", "a-", "-a", "a--b"],
    r"[^/]+/[^/]+/\d+": ["a/b/1", "a/b/c", "a//1"],
    r"\d+\.\d+\.\d+": ["1.2.3", "1.2", "1.2.3.4", "1.2.٣"],
    r"(\d{1,3}\.){3}\d{1,3}": ["127.0.0.1", "127.0.0", "1.2.3.4444"],
    r"\w+@\w+\.\w+": ["a@b.c", "é@ü.ß", "a@b", "a b@c.d"],
    r"^[\w.+-]+@[\w-]+\.[\w.-]+$": ["a.b+c@d-e.fr", "a@b", "@b.c", "a@b.c.d"],
    r"\s*\w+\s*=\s*\w+\s*": ["a=b", " a = b ", "a=", "a = b = c", " a=b"],
    r"\d{4}-\d{2}-\d{2}": ["2024-02-29", "2024-2-29", "2024-02-29 "],
    r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}": ["00112233-4455-6677-8899-aabbccddeeff", "00112233"],
    r"^(?!internal-).*": ["internal-1", "external-1", "", "internal"],
    r"(?:(?!bot).)*": ["human", "a bot", "bo", "abot"],
    r".*\b(cart|checkout)\b.*": ["the cart", "carts", "go to checkout now", "recheckout"],
    r"[A-Za-zÀ-ÿ]+(?:[ '-][A-Za-zÀ-ÿ]+)*": ["Zoë", "Jean-Luc d'Été", "a  b", "Ærø"],
    r"[\u4e00-\u9fff]+\s*\w*": ["中文", "中文 a", "a"],
    r"(https?://)?(www\.)?[a-z.]+/?": ["https://www.a.fr/", "www.a.fr", "a.fr", "https://"],
    r"(/[a-z]+)*/?(\?[a-z]+=[^&]*(&[a-z]+=[^&]*)*)?": ["/a/b/?c=d&e=f", "/a", "", "?a=b", "/a//", "/a?b"],
    r".*[?&]utm_source=(google|bing)(&.*)?": ["/?utm_source=google", "/?a=b&utm_source=bing&c", "utm_source=bing"],
    r".*utm_source=.*newsletter_spring": ["utm_source=newsletter_spring", "/?utm_source=a&b=newsletter_spring", "a"],
    r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$": ["a@b.co", "a@b.c", "a@b.c.de", "a@b_c.de"],
    r"(?s).*end": ["the\nend", "end", "end."],
    r"(?m)^a$\n^b$": ["a\nb", "ab", "a\nb\n"],
    r"(?x) a+ # letters": ["aa", "a # letters"],
    r"(?i:a)b|[^\W\d_]+": ["Ab", "AB", "a_b", "éa"],
    r"": ["", "a"],
    r".*": ["", "a", "a\n", "a\nb"],
    r".+?": ["a", "ab", ""],
    r"\Aa\Z": ["a", "a\n"],
    r"a$": ["a", "a\n"],
    r"a$\n": ["a", "a\n"],
    r"([^\s\S]x|[^\w\W]y)a*": ["", "xa", "a"],
}


@both_engines
@pytest.mark.usefixtures("with_engine")
@pytest.mark.parametrize(("pattern", "subjects"), HONEST.items())
def test_an_honest_pattern_answers_as_re_does(pattern: str, subjects: list[str]) -> None:
    assert answers(pattern, subjects) == answers_of_re(pattern, subjects)


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize("pattern", HONEST)
def test_an_honest_pattern_needs_no_re2(pattern: str) -> None:
    assert is_accepted(pattern)


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize(
    ("pattern", "longest"),
    [
        ("[a-z]+", 4_096),  # linear
        (".*a.*", 1_024),  # quadratic
        ("(?:(a)|(b))*(?:(a)|(b))*", 512),  # quadratic, with much to do at each step
    ],
)
def test_a_subject_is_cut_where_the_pattern_could_become_slow(pattern: str, longest: int) -> None:
    matches = compile_pattern(pattern)

    assert matches("a" * longest)
    assert matches("a" * longest + "\n")
    assert not matches("a" * (longest - 1) + "\n")


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "does not compile"),
        ("a**", "does not compile"),
        ("(?a)(?u)a", "does not compile"),
        ("a{99999999999999999999}", "does not compile"),
        ("(?<=a?)b", "does not compile"),
        ("a" * 1_001, "longer than 1,000 characters"),
        ("(" * 31 + ")" * 31, "nests groups more than 30 deep"),
        ("(" * 499 + ")" * 499, "nests groups too deep"),
        ("(?:(?:(?:(?:(?:(?:a+b)+c)+d)+e)+f)+g)+", "nests repeats more than 5 deep"),
        ("a{100000}", "more than 1,000 times"),
        ("(a{1,1001}b){3}", "more than 1,000 times"),
        (r"(a+)b\1", "uses a backreference"),
        (r"(?P<a>a+)b(?P=a)", "uses a backreference"),
        ("(a)?(?(1)b|c)", "uses a conditional group"),
        ("(?=a+)a", "unlimited repeat in a lookaround"),
        ("(?!.*a)b", "unlimited repeat in a lookaround"),
        ("(?:^)*a", "takes no characters"),
        ("[" + "".join(f"{chr(0x100 + n)}-\uffff" for n in range(9)) + "]", "too many wide ranges"),
    ],
)
@both_engines
@pytest.mark.usefixtures("with_engine")
def test_what_nothing_can_run_in_time_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(PatternRefused, match=re.escape(reason)) as refusal:
        compile_pattern(pattern)

    assert str(refusal.value).startswith("the pattern ")
    assert len(str(refusal.value)) < 400


AMBIGUOUS = {
    r"(a+)+b": ["aab", "b", "aa"],
    r"(a|a)*b": ["aab", "b", "aa"],
    r"(\w+\s?)+$": ["a b", "a  b", "é à ", "", "a\n"],
    r"(foo|bar|baz)+": ["foobaz", "foo", "ba", "bazbarfoo"],
    r"(x+x+)+y": ["xxy", "xy", "xx"],
    r".*a.*b.*c": ["abc", "xaxbxc", "acb", "a\nbc"],
    r".*.*=.*": ["=", "a=b", "a"],
    r"\S+@\S+\.\S+": ["a@b.c", "a@b", "a @b.c", "é@.é"],
    r"(?i)(i|k|ks)+": ["\u0130\u0131iI", "KkS", "\u017f", "k\u017f"],
    r"(?i)([à-ÿi]+,?)+": ["ÀÉ,İ", "Ÿ", "a"],
    r"(?i)([^a-j]+,?)+": ["kl,m", "İ", "A", "Z"],
    r"(?a)(\w+\s?)+": ["a b", "é", "a\xa0b"],
    r"(?a)(\w+\s?)+\b": ["a b", "a b ", "é", ""],
    r"([ab]{1,20}c?){1,20}": ["abcabc", "c", "abab"],
    r"(?:[^é]x|à.)+": ["àx", "éx", "à!", "ax"],
    r"(?:[^à-é]x|ü.)+": ["üx", "ü!", "éx"],
    r"([\W\d]+x?)+": ["1-x", "a", "é", "-x-"],
    r"([^\w-]+x?)+": [" x ", "-", "é"],
    r"(\D+\d?)+": ["a1b", "11", "٣", "a٣b"],
    r"(\s+a?)+": [" a ", "\x1ca", "\u3000\u200b", "\x85"],
    r"(?s)(.+,?)+": ["a\nb", ""],
    r"(?m)(^a+$\n?)+": ["a\na", "aa\n", "ab"],
    r"(a{2,}?,?)+\Z": ["aa,aaa", "a", "aa,"],
    r"(a+|)+": ["", "aa", "b"],
    r"(?i:A)+(a+)+": ["Aa", "AA"],
}


@needs_re2
@pytest.mark.parametrize(("pattern", "subjects"), AMBIGUOUS.items())
def test_re2_runs_what_re_could_take_long_over_and_answers_the_same(pattern: str, subjects: list[str]) -> None:
    assert answers(pattern, subjects) == answers_of_re(pattern, subjects)


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize("pattern", AMBIGUOUS)
def test_without_re2_the_refusal_tells_how_to_get_it(pattern: str) -> None:
    with pytest.raises(PatternRefused, match=r"openfeature-kameleoon\[re2\]"):
        compile_pattern(pattern)


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?=a)(a+)+b", "has no lookaround"),
        (r"(\w+\s?)+\b", "reads boundary anchors in another way"),
        (r"(?a)(a+\B)+", "reads non-boundary anchors in another way"),
        (r"(a+$\n?)+", "reads end anchors in another way"),
        (r"([^\W\d]+)+", "cannot exclude several kinds of character at once"),
        (r"(?ai)(k+)+", "ignores case beyond ASCII"),
        (r"(a{1,1000}){1,1000}", "re2 refuses it (invalid repetition size"),
        (r"(?:a?){900}a{900}", "is too large for re2"),
    ],
)
def test_what_re2_would_answer_otherwise_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(PatternRefused, match=re.escape(reason)):
        compile_pattern(pattern)


@needs_re2
@pytest.mark.parametrize(
    "item",
    [
        r"\w",
        r"\W",
        r"\d",
        r"\D",
        r"\s",
        r"\S",
        ".",
        "i",
        "[^i]",
        "[a-k]",
        "[^a-k]",
        r"[\wé]",
        r"[\d_i]",
        r"[\S\n]",
        r"\u017f",
    ],
)
@pytest.mark.parametrize("flags", ["", "(?i)", "(?a)", "(?s)"])
def test_re2_takes_every_character_for_what_re_does(flags: str, item: str) -> None:
    pattern = f"{flags}(?:{item}x?)+"
    # Letters of today are unassigned to older versions of Unicode, which either engine may have.
    long_known = [c for c in map(chr, range(0x3001)) if unicodedata.ucd_3_2_0.category(c) != "Cn"]
    characters = [*long_known, "\ud800", "\U0001f600", "\U00010400", "\U00010428"]

    assert answers(pattern, characters) == answers_of_re(pattern, characters)


# --- letters that (?i) makes one ----------------------------------------------------------------------------


def unlike_letters_of_one_case() -> list[tuple[str, str]]:
    """Letters equal under (?i) of which one is ASCII and the other not, or one is no letter at all."""
    cased = [c for c in map(chr, range(sys.maxunicode + 1)) if c.lower() != c or c.upper() != c]
    text = "".join(cased)
    return [
        (one, other)
        for one in cased
        for other in re.findall(f"(?i){re.escape(one)}", text)
        if one.isascii() != other.isascii() or one.isalnum() != other.isalnum()
    ]


@pytest.mark.usefixtures("without_re2")
def test_letters_that_are_one_without_case_are_seen_as_ambiguous() -> None:
    pairs = unlike_letters_of_one_case()

    assert {("k", "\u212a"), ("s", "\u017f"), ("i", "\u0130"), ("\u0345", "\u03b9")} <= set(pairs)
    assert [pair for pair in pairs if is_accepted("(?i)(?:{}x|{}x)*".format(*pair))] == []


# --- evil patterns ------------------------------------------------------------------------------------------


def measured(*options: str) -> dict[str, dict[str, Any]]:
    """What measure.py tells of each pattern; it can be killed, which a match cannot be."""
    command = [sys.executable, str(EVIL / "measure.py"), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=HUNG_SECONDS)
    except subprocess.TimeoutExpired as hung:
        pytest.fail(f"still at it after {HUNG_SECONDS} s: {(hung.stdout or b'').splitlines()[-1]!r}")
    return {line["pattern"]: line for line in map(json.loads, done.stdout.splitlines()) if "pattern" in line}


@pytest.mark.parametrize("options", [("without-re2",), pytest.param((), marks=needs_re2)])
def test_no_evil_pattern_takes_longer_than_the_bound_on_any_subject(options: tuple[str, ...]) -> None:
    results = measured(*options)

    slow = {p: r for p, r in results.items() if r.get("slowest", 0.0) > SLOW_MILLISECONDS}
    assert slow == {}
    assert results.keys() == {row["pattern"] for row in CORPUS}
    assert len(results) >= 300
    # Neither of the two answers to everything.
    assert len(results) // 10 < sum("refusal" in result for result in results.values()) < len(results) * 9 // 10


def test_the_corpus_is_what_its_generator_writes() -> None:
    generator = runpy.run_path(str(EVIL / "generate.py"))

    assert json.loads(json.dumps(generator["corpus"]())) == CORPUS


# --- any pattern --------------------------------------------------------------------------------------------

ATOMS = ["a", "b", "ab", "é", "K", "1", ".", "[ab]", "[^a]", r"\w", r"\d", r"\s", r"\W", "[^\\s1]", "^", "$", r"\b", ""]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2,}", "{0,2}?"]


def some_patterns(depth: int) -> st.SearchStrategy[str]:
    """Patterns with at most ``depth`` repeats in one another: `re` itself must get through the short subjects."""
    atom = st.sampled_from(ATOMS)
    if depth == 0:
        return atom
    inner = some_patterns(depth - 1)
    return st.one_of(
        atom,
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(lambda two: f"({two[0]}){two[1]}"),
    )


SUBJECTS = st.lists(st.text("abéKk1 \n-", max_size=8), max_size=4)


@both_engines
@given(
    flags=st.sampled_from(["", "(?i)", "(?s)", "(?m)", "(?a)", "(?im)"]),
    pattern=some_patterns(3),
    subjects=SUBJECTS,
)
def test_an_accepted_pattern_answers_as_re_does(engine: str, flags: str, pattern: str, subjects: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if engine == "re alone":
            patch.setattr(patterns, "re2", None)
        try:
            given_answers = answers(flags + pattern, subjects)
        except PatternRefused:
            return

    assert given_answers == answers_of_re(flags + pattern, subjects)


@both_engines
@given(pattern=st.text(max_size=40) | st.text(r"ab01-+*?{},()[]|\^$.:=!<>PiLuxsawWdDbBAZNk'# ", max_size=40))
def test_any_text_is_either_compiled_or_refused(engine: str, pattern: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if engine == "re alone":
            patch.setattr(patterns, "re2", None)

        is_accepted(pattern)  # any other exception than the refusal fails here
