"""Writes ``evil.json``: patterns that take long, or seem to, each with subjects on which it would.

A subject is ``[head, pump, tail]``: the pump is repeated between head and tail up to the wanted length.
Run it after a change of a family: ``python tests/data/patterns/generate.py``. It draws no random numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

Subject = tuple[str, str, str]
Family = Iterator[tuple[str, list[Subject]]]


def pumps(*texts: str, tail: str = "!") -> list[Subject]:
    return [("", text, tail) for text in texts]


def nested_repeats() -> Family:
    atoms = {"a": "a", "[a-z]": "a", r"\w": "a", ".": "a", "(?:ab?)": "a", "[^/]": "a", r"\d": "1", "é": "é"}
    for (atom, pump), inner, outer in product(atoms.items(), ("+", "*", "{2,}"), ("+", "*", "{1,40}")):
        yield f"(?:{atom}{inner}){outer}x", pumps(pump, tail="\n")


def nested_repeats_in_disguise() -> Family:
    yield from (
        (pattern, pumps("a", "aa", "ab", "a ", "a-", "a,", "1", tail="\n"))
        for pattern in (
            "(a+)+$", "(a*)*$", "(a+)*$", "((a+))+$", "(?:(?:a+)+)+$", "(a+?)+?$", "(a{1,}){1,}$", "(a+|b)+$",
            "(a+b?)+$", "(b?a+)+$", "(a*b?c?)+$", "(a+a+)+$", "(a+a?)+$", "(a?a+)+$", "(a{1,20}){1,20}$",
            r"(\w+\s?)+$", r"(\w+\s*)+$", r"(\w*\s*)*$", r"(\w+-?)+$", r"(\w+,?\s?)+$", r"([a-z]+\d*)+$",
            r"(\d+,?)+$", r"(\d*\.?\d*)+$", r"(a(?:b(?:c)*)*)+$", "((ab)*a*)+$", "(x|a+)+$", "(?:a|(?:a+))+$",
            r"(.+,?)+$", r"(.*,)+$", r"(.*\n?)*x", r"(\s*a\s*)+$", r"([^,]+,?)+$", "(?i)(a+)+$", "(?s)(.+)+x",
            "(?P<word>[a-z]+ ?)+$", r"(?:[a-z]+[a-z0-9]*)+$", "([ab]+[bc]*)*$", "(a{2,5}){2,50}$", "(a?){25}$",
        )
    )  # fmt: skip


def ambiguous_alternatives() -> Family:
    for alternatives, end in product(
        ("a|a", "a|aa", "a|ab|b", r"[a-m]|\w", r"\w|\d", "a|b|ab", "foo|bar|baz|foobar", "a|a?", "|a", r"\w|a+",
         "é|[^a]", "ab|a|b|ba", "[ab]|[bc]|[ca]", r"\s|\n", "A|a|(?i:a)", "(a)|(a)", "a(?:b|c)|ab", "aa|aaa"),
        ("*x", "+$", "{1,60}x", "{2,}?!"),
    ):  # fmt: skip
        yield f"(?:{alternatives}){end}", pumps("a", "ab", "foobar", " ", "1", "é", tail="\n")


def chains() -> Family:
    for unit, count in product(
        (".*a", ".*?a", r"\w*a", "[^x]*a", "a*a*", ".+a", "(.*)(a)", "[a-c]*[ab]"), (1, 2, 3, 5, 9)
    ):
        yield unit * count, [("", "a", "\n"), ("", "a", "x"), ("", "ba", "!")]
    for repeats in (1, 2, 3, 4):
        yield ".*" * repeats + "=.*", pumps("x=", "x", "=", tail="\n")
        yield r"\s*" * repeats + "$", pumps(" ", "\t")
        yield "(?:ab)*" * repeats + "c", pumps("ab")
        yield "(?:(a)|(b))*" * repeats + "c", pumps("a", "ab")
        yield r"(\w)+" * repeats + "-", pumps("a", "1")
        yield "(a*)?" * repeats + "b", pumps("a")
        yield "(?:a|b|ab*c)*" * repeats + "d", pumps("abc", "ab")
        yield "a{2,}" * repeats + "b", pumps("a")
        yield "(?i)" + "[a-zé]*" * repeats + r"\d", pumps("É", "a", "K")


def counted() -> Family:
    for low, high in ((5, 10), (1, 30), (20, 20), (0, 100), (1, 1000), (1000, 1000)):
        yield f"(?:a?){{{high}}}a{{{high}}}", pumps("a")
        yield f"(a{{{low},{high}}}){{{low},{high}}}x", pumps("a")
        yield f"(?:a{{{low},{high}}})*x", pumps("a")
        yield f".*a{{{low},{high}}}.*b", pumps("a")
        yield f".*(?:ab){{{low},{high}}}x", pumps("ab")
        yield f"a{{0,{high}}}a{{0,{high}}}b", pumps("a")
    yield "a?" * 30 + "a" * 30, pumps("a")
    yield "(a?b?)" * 12 + "c", pumps("ab", "a")
    yield from ((f"a{{{count}}}", pumps("a")) for count in (1_001, 65_536, 100_000, 4_294_967_294, 10**30))


def references() -> Family:
    for pattern in (
        r"(a+)\1", r"(.*)\1", r"(\w+)\s\1", r"(a*)(\1)*b", r"(?P<x>a+)(?P=x)+b", r"(?i)(a+)\1b", r"(.+)+\1",
        r"(a)?(?(1)a+|b+)*c", r"(?P<x>a+)?(?(x)b|c)", r"^(11+?)\1+$", r"(a*)*\1", r"((a+)\2)+",
    ):  # fmt: skip
        yield pattern, pumps("a", "1")


def lookarounds() -> Family:
    for pattern in (
        "(?=a+)a*b", "(?=(a+)+b)a", "(?!.*a.*b.*c)a", "(?!(a|a)*$)a", "(?:(?=a+)a)*b", "(?:(?!.*b)a)+c",
        "(?=(?=(?=a*)a*)a*)b", "(?:(?!ab).)*x", "(?:(?!a{500}).)*x", "(?:(?=a{1,100})a)*(?:(?=a{1,100})a)*x",
        "(?<=a)a*a*b", "(?<!b)(?:a|aa)+$", "(?:(?<=a)a|a)*b", r"(?:\b|\B|a)*x", "(?:(?=a)){2,}b", "(?:^|a)*b",
        "(?:(?:$)*a)*", "(?:a*(?=b))*c", "(?=a{1,900}a{1,900}b)a", "(?:a(?=a{0,50}a{0,50}b))*x",
    ):  # fmt: skip
        yield pattern, pumps("a", "aa", "ab")


def possessive_and_atomic() -> Family:
    for pattern in (
        "(?:a++)+b", "(?>a+)+b", "(?>(?>a|aa)+)*b", "(a?+)*b", "((c?+){2,}b)*x", "(?>a*)(?>a*)(?>a*)b", "(?:a*+b?)*c",
        ".*(?>a+).*b", "(?>.*a|a)*b", "(?:(?>a{1,9}))*(?:(?>a{1,9}))*b", "a?+a?+a*a*a*b", "(?:(?>a*b|a))*c",
    ):  # fmt: skip
        yield pattern, pumps("a", "b", "ab")


def classes() -> Family:
    astral = "".join(f"{chr(code)}-{chr(code + 1)}" for code in range(0x1F300, 0x1F300 + 450, 3))
    wide = "".join(f"{chr(code)}-\uffff" for code in range(0x100, 0x100 + 300))
    greek = "".join(map(chr, range(0x3B1, 0x3CA)))
    yield f"[{astral}]*[{astral[:150]}]*x", pumps("\U0001f300", "\U0001f683", "a")
    yield f"[^{astral}]*[^{astral[:150]}]*!", pumps("a", "\U0001f300")
    yield f"(?i)[{wide}]+x", pumps("é", "Ā")
    yield f"[{wide[:6]}]*x", pumps("é", "Ā")
    yield f"(?i)[{greek}]*[{greek}]*x", pumps("Σ", "\u03b1")
    yield r"(?:[\w\s]|[^\w\s])*!*x", pumps("a", " ", "-")
    yield r"[\w\W]*[\s\S]*[\d\D]*x", pumps("a", " ")
    yield r"(?i)(?:k|\u212a|\u017f|s|\u0131|i)*x", pumps("k", "\u017f", "\u0131")
    yield r"[^\W\d_]*[^\W_]*[^\s]*x", pumps("a", "é")


def sizes() -> Family:
    yield "a" * 1_000, pumps("a")
    yield "a" * 1_001, pumps("a")
    yield "(" * 400 + "a" + ")" * 400, pumps("a")
    yield "(" * 40 + "a" + ")*" * 40, pumps("a")
    yield "(?:" * 20 + "a" + ")?" * 20 + "b", pumps("a")
    yield "(?:" * 6 + "a" + "b?)*" * 6, pumps("a", "ab")
    yield "|".join(f"a{number}b" for number in range(160)), pumps("a1", "a")
    yield f"(?:{'|'.join('a' * count for count in range(1, 40))})*b", pumps("a")
    yield f".*(?:{'|'.join('a' * count for count in range(1, 40))}).*b", pumps("a")
    yield "(|)" * 40 + "a", pumps("a")
    yield "((((a|){1000}){1000}){1000}){1000}", pumps("a")
    yield ".*a.*" + "a" * 200 + "b", pumps("a")
    yield ".*" + "a" * 900 + "b", pumps("a")


def from_the_field() -> Family:
    """Forms that have stopped real servers, and that guides to safe patterns warn of."""
    yield r"^(([a-z])+.)+[A-Z]([a-z])+$", pumps("a")
    yield r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}[a-z]{2,3}$", pumps("a", "a-")
    yield r"^(.*?,){11}P", pumps("1,", ",")
    yield r"(?:\s|-|~|!|\+)*.*(?:.*=.*)", pumps("x=", "x", " ", tail="\n")
    yield r"^[\s\u200c]+|[\s\u200c]+$", pumps(" ", "\u200c")
    yield r".*[\s\u200c]+$", pumps(" ", "\u200c")
    yield r"\S+@\S+\.\S+", pumps("@.", ".", "@", tail=" ")
    yield r"[^@]+@[^@]+\.[^@]+", pumps("a.", ".", "a", tail="@")
    yield r"^\d+(\.\d+)*(\.\d+)*$", pumps("1.", "1", ".1")
    yield r"^(\d+\s*)+px$", pumps("1", "1 ")
    yield r"(<[^>]*>)*(<.*>)*x", pumps("<a>", "<")
    yield r'^"(\\.|[^"])*"$', [('"', "\\a", "!"), ('"', "\\", "!")]
    yield r"((https?|ftp)://)?([\w-]+\.)*[\w-]+(:\d+)?(/.*)*$", pumps("a.", "a", "/", tail="\n")
    yield r"^(/[\w.-]+)*/?(\?([\w-]+(=[\w.-]*)?(&[\w-]+(=[\w.-]*)?)*)?)?$", pumps("/a", "/")
    yield r"(([a-z0-9]+[.-]?)*[a-z0-9]+\.)+[a-z]{2,}", pumps("a", "a.", "a-")
    yield r"^([\w+-]+\.?)+@(\w+\.)+\w{2,4}$", pumps("a", "a.")
    yield r"(\s*\w+\s*=\s*\w+\s*;?)*$", pumps("a=b", " a = b", "a")
    yield r"Mozilla/5\.0 \(.*\) .* Chrome/.* Safari/.*", [("Mozilla/5.0 (", ") Chrome/ ", "\n")]
    yield r"(\+?\d{1,3}[ -]?)?(\(?\d+\)?[ -]?)+x", pumps("1", "1 ", "(1)")
    yield r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", pumps("aaaa", "a")
    yield r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$", pumps("1.", "255.")
    yield r"(.*)(utm_source|utm_medium)=(.*)&(.*)", pumps("utm_source=&", "utm_medium=", tail="\n")
    yield r"\{\{(.*?)\}\}.*\{\{(.*?)\}\}", pumps("{{}}", "{{", tail="\n")
    yield r"(\w+\.)*\w+\.(com|net|org)(/\w+)*/?", pumps("a.", "com.", "a")
    yield r".*\.(css|js|png)(\?.*)?", pumps(".css", ".js?", tail="\n")


FAMILIES = (
    nested_repeats, nested_repeats_in_disguise, ambiguous_alternatives, chains, counted, references, lookarounds,
    possessive_and_atomic, classes, sizes, from_the_field,
)  # fmt: skip


def corpus() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {"family": family.__name__, "pattern": pattern, "subjects": subjects}
        for family in FAMILIES
        for pattern, subjects in family()
    ]
    return list({str(row["pattern"]): row for row in rows}.values())


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(row) for row in corpus())
    Path(__file__).with_name("evil.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
