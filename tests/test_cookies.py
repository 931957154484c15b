"""Cookies as text: what browsers, frameworks and attackers send is read; what is written no value can break."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.cookies import CookieMaker, parse_cookies

PRINTABLE_ASCII = {chr(code) for code in range(0x20, 0x7F)}


def written(value: str, **attributes: Any) -> str:
    """The value of the ``Set-Cookie`` header of a cookie called ``k``."""
    is_secure = attributes.pop("is_secure", False)
    maker = CookieMaker("k", **{"domain": "", "max_age_days": 380, "same_site": "Lax", **attributes})
    return str(maker.make(value, is_secure=is_secure, now=0.0))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("a=b; c=d;e=f ;  g = h ", {"a": "b", "c": "d", "e": "f", "g": "h"}),
        ("a=1; a=2", {"a": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ('a=""', {"a": ""}),
        ('a="', {"a": '"'}),
        ('a="b c"', {"a": "b c"}),
        (r'a="\"\\\073\054"', {"a": '"\\;,'}),
        (r'a="\400\09\x"', {"a": "40009x"}),  # no octal escapes
        ('a="b\\"', {"a": "b\\"}),
        ("nothing; =b; a=1; ;", {"": "b", "a": "1"}),
        ("a=\r\nSet-Cookie: x=y", {"a": "Set-Cookie: x=y"}),
        ("a={}[]<>@,:?/", {"a": "{}[]<>@,:?/"}),
        ("", {}),
    ],
)
def test_a_header_is_read_as_browsers_write_it(header: str, expected: dict[str, str]) -> None:
    assert parse_cookies(header) == expected


@pytest.mark.parametrize(
    "cookies",
    [
        {"a": "b", "c": "d"},
        SimpleCookie("a=b; c=d"),
        {"a": SimpleNamespace(value="b"), "c": "d"},
        {"a": "b", "c": "d", "no text": 5, "none": None, "no text either": SimpleNamespace(value=5)},
    ],
)
def test_a_mapping_is_read_whatever_its_values_are(cookies: Any) -> None:
    assert parse_cookies(cookies) == {"a": "b", "c": "d"}


@pytest.mark.parametrize("nothing", [None, "", {}, SimpleCookie()])
def test_no_cookies_are_none(nothing: Any) -> None:
    assert parse_cookies(nothing) == {}


def test_bytes_that_a_server_made_characters_of_are_utf_8_if_they_can_be() -> None:
    assert parse_cookies("a=" + "ü€".encode().decode("latin-1")) == {"a": "ü€"}
    assert parse_cookies({"a": "ü€".encode().decode("latin-1")}) == {"a": "ü€"}
    assert parse_cookies("a=ü") == {"a": "ü"}  # a lone byte 0xfc
    assert parse_cookies("a=\xff\xfe") == {"a": "\xff\xfe"}
    assert parse_cookies(r'a="\374"') == {"a": "ü"}  # as Kameleoon's own client writes it


def test_reading_takes_time_in_proportion_to_the_length() -> None:
    def seconds(length: int) -> float:
        header = 'a="' + "\\" * length + '"'
        times = []
        for _ in range(5):
            start = time.perf_counter()
            parse_cookies(header)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(400_000) < 40 * seconds(40_000)  # quadratic would be a hundred times


def test_a_cookie_has_the_attributes_of_the_specification() -> None:
    text = written("code", domain="example.com", same_site="")

    assert text == "k=code; Domain=example.com; expires=Sat, 16 Jan 1971 00:00:00 GMT; Max-Age=32832000; Path=/"


def test_a_cookie_is_for_the_site_and_for_https_if_told_so() -> None:
    assert written("code", is_secure=True).endswith("; SameSite=Lax; Secure")
    assert written("code", same_site="Strict").endswith("; SameSite=Strict")
    assert "Domain" not in written("code")


def test_a_cookie_is_quoted_as_the_reference_quotes_it() -> None:
    assert written("user 1;x").startswith(r'k="user 1\073x"; ')
    assert written('"\\').startswith(r'k="\"\\"; ')


def test_attributes_are_those_of_the_moment() -> None:
    maker = CookieMaker("k", domain="", max_age_days=1, same_site="")

    given = [str(maker.make("v", is_secure=secure, now=now)) for now, secure in [(0, False), (0.9, True), (1, True)]]

    assert given == [
        "k=v; expires=Fri, 02 Jan 1970 00:00:00 GMT; Max-Age=86400; Path=/",
        "k=v; expires=Fri, 02 Jan 1970 00:00:00 GMT; Max-Age=86400; Path=/; Secure",
        "k=v; expires=Fri, 02 Jan 1970 00:00:01 GMT; Max-Age=86400; Path=/; Secure",
    ]


def test_a_cookie_for_a_jar_is_the_same_and_ones_own() -> None:
    maker = CookieMaker("k", domain="example.com", max_age_days=1, same_site="Lax")
    cookie = maker.make("ü;", is_secure=True, now=0.0)

    morsel = cookie.morsel()
    assert (morsel.key, morsel.value, morsel.OutputString()) == ("k", "ü;", str(cookie))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda morsel: morsel.__setitem__("secure", ""), "k=v; Max-Age=86400; Path=/; SameSite=Lax"),
        (lambda morsel: morsel.update({"path": "/a"}), "k=v; Max-Age=86400; Path=/a; SameSite=Lax; Secure"),
        (lambda morsel: morsel.set("k", "w", "w"), "k=w; Max-Age=86400; Path=/; SameSite=Lax; Secure"),
        (lambda morsel: None, "k=v; Max-Age=86400; Path=/; SameSite=Lax; Secure"),
    ],
)
def test_a_cookie_in_a_jar_may_be_changed_there(change: Callable[[Any], object], expected: str) -> None:
    """As frameworks do that have all cookies be secure, say."""
    maker = CookieMaker("k", domain="", max_age_days=1, same_site="Lax")
    jar = SimpleCookie()
    jar["k"] = maker.make("v", is_secure=True, now=0.0).morsel()

    change(jar["k"])

    def without_expires(text: str) -> str:
        return text.replace(" expires=Fri, 02 Jan 1970 00:00:00 GMT;", "")

    assert without_expires(jar["k"].OutputString()) == expected
    assert without_expires(jar.output(header="").strip()) == expected
    assert without_expires(jar["k"].copy().OutputString()) == expected
    assert pickle.loads(pickle.dumps(jar))["k"].OutputString() == jar["k"].OutputString()
    assert str(maker.make("v", is_secure=True, now=0.0)).endswith("; Secure")


@given(st.text())
def test_no_value_ends_the_header_or_the_cookie(value: str) -> None:
    text = written(value)

    assert set(text) <= PRINTABLE_ASCII
    head, _, rest = text.partition("; expires=")
    assert rest == "Sat, 16 Jan 1971 00:00:00 GMT; Max-Age=32832000; Path=/; SameSite=Lax"
    assert ";" not in head
    assert "," not in head


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(str.strip))
def test_what_is_written_is_read_again(value: str) -> None:
    head = written(value).partition("; expires=")[0]

    assert parse_cookies(f"other=1; {head}; another=2")["k"] == value


@given(st.text())
def test_reading_never_fails(header: str) -> None:
    assert all(type(text) is str for pair in parse_cookies(header).items() for text in pair)


@given(st.text(st.sampled_from('ab\\"; =017'), max_size=30))
def test_a_quoted_value_is_unquoted_as_the_standard_library_does(value: str) -> None:
    quoted = SimpleCookie().value_encode(value)[1]

    assert parse_cookies(f"a={quoted}") == {"a": value if quoted.startswith('"') else value.strip()}
