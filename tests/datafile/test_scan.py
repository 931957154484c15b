"""The scan of a data file's text: finds what ``json.loads`` finds, and says where a text stops being JSON."""

from __future__ import annotations

import gzip
import json
import re
from collections import deque
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.datafile import scan as module
from openfeature_kameleoon.datafile.scan import Member, breathing, scan
from openfeature_kameleoon.errors import DataFileInvalid
from tests.fuzz.strategies import json_objects, written
from tests.vectors import DATA, as_bytes, data_file

Json = dict[str, Any]

WALKED = frozenset({"walked", "flags"})
WINDOWS = [1, 7, 64, module.WINDOW_BYTES]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@pytest.fixture(params=WINDOWS)
def window_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much of a text the scan looks at: small enough that everything crosses an edge."""
    monkeypatch.setattr(module, "WINDOW_BYTES", request.param)
    return int(request.param)


def loaded(text: str | bytes) -> Any:
    """What the standard library makes of a text, numbers left as they stand in it."""
    return json.loads(text, parse_int=str, parse_float=str)


def put_together(members: Iterator[Member]) -> Json:
    """The object that was scanned, out of its members and elements."""
    whole: Json = {}
    for member in members:
        if member.position is None:
            assert member.name not in whole
            whole[member.name] = loaded(member.text)
        else:
            assert len(whole.setdefault(member.name, [])) == member.position
            whole[member.name].append(loaded(member.text))
    return whole


def refusal(raw: bytes) -> str:
    """What the scan says of a text that it refuses."""
    with pytest.raises(DataFileInvalid) as caught:
        deque(scan(raw, WALKED), maxlen=0)
    return caught.value.message


# --- what it finds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", WINDOWS)
@given(content=json_objects("walked", "flags", "other"), seed=st.integers(0, 2**32))
def test_members_and_elements_are_those_that_json_finds(size: int, content: Json, seed: int) -> None:
    text = written(content, Random(seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_BYTES", size)
        found = put_together(scan(text.encode(), WALKED))

    assert found == loaded(text)
    assert list(found) == list(loaded(text))


@pytest.mark.parametrize("name", ["kameleoon-datafile", "kameleoon-datafile-legacy"])
def test_the_whole_of_a_data_file_is_found(window_bytes: int, name: str) -> None:
    raw = (DATA / f"{name}.json").read_bytes()

    found = put_together(scan(raw, {"featureFlags", "segments", "customData", "experiments"}))

    assert found == loaded(raw)


def test_slices_are_the_very_bytes_of_the_file() -> None:
    raw = b'{ "walked" : [ {"a" : 1.50 } ,\n"\\u00e9\xc3\xa9"], "other":[ 1 , 2 ] }'

    assert list(scan(raw, WALKED)) == [
        Member("walked", b'{"a" : 1.50 }', 0),
        Member("walked", b'"\\u00e9\xc3\xa9"', 1),
        Member("other", b"[ 1 , 2 ]", None),
    ]


@pytest.mark.parametrize("size", range(1, 40))
def test_a_number_is_not_cut_in_two_at_the_edge_of_a_window(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_BYTES", size)

    members = list(scan(b'{"a":1234567890,"walked":[-1.5e+10,20,300,1e5],"z":7}', WALKED))

    assert [member.text for member in members] == [b"1234567890", b"-1.5e+10", b"20", b"300", b"1e5", b"7"]


@pytest.mark.parametrize("value", [b"[]", b"[ \n]", b"null", b"{}", b"0", b'"[]"', b"false"])
def test_a_walked_member_that_lists_nothing_is_one_whole(value: bytes) -> None:
    assert list(scan(b'{"walked": ' + value + b"}", WALKED)) == [Member("walked", value, None)]


@pytest.mark.parametrize("text", ["{}", " {\n} ", '{"a": 1}\n'])
def test_white_space_and_a_byte_order_mark_around_the_object_are_no_matter(window_bytes: int, text: str) -> None:
    assert put_together(scan(BYTE_ORDER_MARK + text.encode(), WALKED)) == loaded(text)


def test_names_are_read_with_their_escapes() -> None:
    raw = '{"wal\\u006bed": [1], "\\ud83d\\ude00": 2, "é": 3, "": 4}'.encode()

    assert [(member.name, member.position) for member in scan(raw, WALKED)] == [
        ("walked", 0),
        ("😀", None),
        ("é", None),
        ("", None),
    ]


@pytest.mark.parametrize("number", ["9" * 10**6, "-" + "9" * 10**6, "0." + "9" * 10**6, "1e400", "1e-999999999"])
def test_a_number_may_have_any_number_of_digits(number: str) -> None:
    members = list(scan(f'{{"a": {number}, "walked": [{number}, 1]}}'.encode(), WALKED))

    assert [member.text for member in members] == [number.encode(), number.encode(), b"1"]


def test_a_text_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    look = module._Text._look

    def counted(text: Any, place: int, size: int) -> None:
        look(text, place, size)
        looked.append(text.end - text.start)

    monkeypatch.setattr(module._Text, "_look", counted)
    raw = as_bytes({"walked": [{"text": "x" * 5000}] * 2000})

    deque(scan(raw, WALKED), maxlen=0)

    assert max(looked) <= module.WINDOW_BYTES
    assert sum(looked) < 1.1 * len(raw)


# --- other threads --------------------------------------------------------------------------------------------


def test_others_may_run_after_each_element_and_each_member() -> None:
    story: list[object] = []

    members = scan(b'{"a": 1, "walked": [1, 2], "b": {}}', WALKED, lambda: story.append("breathe"))
    story.extend(member.text for member in members)

    assert story == [b"1", "breathe", b"1", "breathe", b"2", "breathe", b"{}", "breathe"]


def test_breathing_sleeps_a_moment_after_each_slice_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    slept: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=slept.append))
    breathe = breathing(slice_seconds=0.5, pause_seconds=0.125)

    def work(seconds: float) -> int:
        now[0] += seconds
        breathe()
        return len(slept)

    assert [work(0.25), work(0.25), work(0.25), work(0.125), work(0.25)] == [0, 1, 1, 1, 2]
    assert slept == [0.125, 0.125]


# --- what it refuses ------------------------------------------------------------------------------------------

GOOD = as_bytes({"featureFlags": []})

REFUSED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "is empty, not a JSON object"),
    ("white space", b" \n\t\r\n", "is empty"),
    ("a byte order mark alone", BYTE_ORDER_MARK, "is empty"),
    ("a list", b"[{}]", "is a JSON list"),
    ("null", b"null", "is a single JSON value or plain text"),
    ("a number", b" 12", "is a single JSON value or plain text"),
    ("a text", b'"{}"', "is a single JSON value or plain text"),
    ("plain text", b"Not found", "is no JSON"),
    ("NaN", b"NaN", "is no JSON"),
    ("a web page", b"\n<!DOCTYPE html><html></html>", "is an HTML or XML page"),
    ("a captive portal", b"<HTML><BODY>Please log in</BODY></HTML>", "is an HTML or XML page"),
    ("compressed", gzip.compress(GOOD), "is still compressed"),
    ("binary", bytes(range(256)), "is binary data or UTF-16 text"),
    ("zeros", bytes(100), "is binary data or UTF-16 text"),
    ("UTF-16", GOOD.decode().encode("utf-16"), "is binary data or UTF-16 text"),
    ("UTF-16, big end first", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), "is binary data or UTF-16 text"),
    ("UTF-16 without a mark", GOOD.decode().encode("utf-16-le"), "is binary data or UTF-16 text"),
    ("UTF-32", GOOD.decode().encode("utf-32"), "is binary data or UTF-16 text"),
    ("only the brace", b"{", "cut off: it ends at byte 1,"),
    ("cut behind a name", b'{"a"', "cut off: it ends at byte 4,"),
    ("cut behind a colon", b'{"a":', "cut off: it ends at byte 5,"),
    ("cut behind a value", b'{"a":{}', "cut off: it ends at byte 7,"),
    ("cut behind a comma", b'{"a":{},', "cut off: it ends at byte 8,"),
    ("cut in a list", b'{"walked":[1', "cut off: it ends at byte 12,"),
    ("cut behind an element", b'{"walked":[1,', "cut off: it ends at byte 13,"),
    ("cut in an unwalked list", b'{"a":[1', "cut off: it ends at byte 7,"),
    ("cut in a text", b'{"a":"b', "at byte 5: Unterminated string"),
    ("something behind the end", b'{"a":1} x', "at byte 8: text after the end"),
    ("a second object", b"{}{}", "at byte 2: text after the end"),
    ("a zero behind the end", b"{}\0", "is binary data"),
    ("no comma between members", b'{"a":1 "b":2}', "at byte 7: ',' or '}' expected"),
    ("no comma between elements", b'{"walked":[1 2]}', "at byte 13: ',' or '\\]' expected in walked"),
    ("no colon", b'{"a" 1}', "at byte 5: ':' expected after 'a'"),
    ("no name", b"{1:2}", "at byte 1: a member's name expected"),
    ("a name without quotes", b"{a:2}", "at byte 1: a member's name expected"),
    ("single quotes", b"{'a':2}", "at byte 1: a member's name expected"),
    ("a comma first", b'{,"a":1}', "at byte 1: a member's name expected"),
    ("a comma last", b'{"a":1,}', "at byte 7: a member's name expected"),
    ("a comma last in a list", b'{"walked":[1,]}', "at byte 13: Expecting value"),
    ("a comma first in a list", b'{"walked":[,1]}', "at byte 11: Expecting value"),
    ("a wrong bracket", b'{"walked":[1}', "at byte 12: ',' or '\\]' expected in walked"),
    ("no value", b'{"a":}', "at byte 5: Expecting value"),
    ("a comment", b'{"a":1 /* one */}', "at byte 7: ',' or '}' expected"),
    ("a literal in capitals", b'{"a":True}', "at byte 5: Expecting value"),
    ("a leading zero", b'{"a":01}', "at byte 6: ',' or '}' expected"),
    ("a plus sign", b'{"a":+1}', "at byte 5: Expecting value"),
    ("a control character in a text", b'{"a":"b\nc"}', "at byte 7: Invalid control character"),
    ("an escape that is none", b'{"a":"\\x41"}', "at byte 6: Invalid \\\\escape"),
    ("NaN inside", b'{"a":[1,NaN]}', "at byte 5: NaN is not JSON"),
    ("Infinity inside", b'{"walked":[0,Infinity]}', "at byte 13: Infinity is not JSON"),
    ("-Infinity inside", b'{"a":-Infinity}', "at byte 5: -Infinity is not JSON"),
    ("a name that is no UTF-8", b'{"a\xff":1}', "not UTF-8: byte 3 "),
    ("a value that is no UTF-8", b'{"a":"\xc3\xa9\xff"}', "not UTF-8: byte 8 "),
    ("an element that is no UTF-8", b'{"walked":[1,{"k":"\xed\xa0\x80"}]}', "not UTF-8: byte 19 "),
    ("a lone end of a sequence", b'{"a":"\x80"}', "not UTF-8: byte 6 "),
    ("a byte between members that is none of JSON's", b'{"a":1,\xa0"b":2}', "at byte 7: a member's name expected"),
    ("10,000 levels", b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "at byte 5: nested too deeply"),
    ("100,000 levels", b'{"a":' + b'{"b":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "at byte 5: nested too deeply"),
    ("levels in an element", b'{"walked":[1,' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "at byte 13: nested too"),
    ("levels without an end", b'{"a":' + b"[" * 100_000, "at byte 5: nested too deeply"),
    ("a member twice", b'{"walked":[1],"a":1,"walked":[2]}', "at byte 29: member 'walked' stands twice"),
    ("a member twice, once with escapes", b'{"walked":[],"wal\\u006bed":null}', "byte 27: member 'walked' stands"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_json_object_is_refused_with_its_place(raw: bytes, said: str) -> None:
    assert re.search(said, refusal(raw)), refusal(raw)


@pytest.mark.parametrize("raw", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_no_window_is_too_small_to_refuse_it(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_BYTES", 1)

    assert refusal(raw)


def one_of_each() -> Json:
    """The example file with flags and segments of every shape, but not all of each."""
    content = data_file()
    return {**content, "featureFlags": content["featureFlags"][:5], "segments": content["segments"][:12]}


@pytest.mark.parametrize(
    ("content", "step"),
    [(one_of_each(), 1), (data_file(name="kameleoon-datafile-legacy"), 1), (data_file(), 7)],
    ids=["every byte", "every byte of 2.x", "the whole file"],
)
def test_a_file_cut_at_any_byte_is_refused(content: Json, step: int) -> None:
    raw = json.dumps(content, separators=(",", ":")).encode()
    places = []

    for end in range(1, len(raw), step):
        message = refusal_of_all(raw[:end])
        places.append((end, int(re.findall(r"byte (\d+)", message)[0])))

    assert [end for end, place in places if place > end] == []


def refusal_of_all(raw: bytes) -> str:
    """As ``refusal``, for the very many: without a context manager."""
    try:
        deque(scan(raw, {"featureFlags", "segments"}), maxlen=0)
    except DataFileInvalid as error:
        return error.message
    raise AssertionError(f"{len(raw)} bytes of a longer file were accepted")


@given(content=json_objects("walked"), seed=st.integers(0, 2**32), place=st.integers(0), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_exactly_when_json_refuses_it(
    content: Json, seed: int, place: int, byte: int
) -> None:
    raw = bytearray(written({"flags": [1], **content}, Random(seed)).encode())
    raw[place % len(raw)] = byte

    expected = accepted_by_json(bytes(raw))

    try:
        found = put_together(scan(bytes(raw), WALKED))
    except DataFileInvalid:
        assert expected is None
    else:
        assert found == expected


def accepted_by_json(raw: bytes) -> Json | None:
    """The object that the standard library finds; ``None`` if that is none, or if one of its names stands twice."""

    def refuse(literal: str) -> object:
        raise ValueError(literal)

    objects: list[list[tuple[str, Any]]] = []

    def keep(pairs: list[tuple[str, Any]]) -> Json:
        objects.append(pairs)
        return dict(pairs)

    try:
        value = json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=refuse, object_pairs_hook=keep)
    except ValueError:
        return None
    return value if isinstance(value, dict) and len(value) == len(objects[-1]) else None


@pytest.mark.parametrize("raw", [b'{"walked": [1, 2, 3, 4]}', b'{"a": 1, "b": 2, "c": 3, "d": 4}'])
def test_more_elements_than_anybody_has_are_refused(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ELEMENTS", 4)
    assert len(list(scan(raw, WALKED))) == 4

    monkeypatch.setattr(module, "MOST_ELEMENTS", 3)
    assert re.search(r"more than 3 (elements|members): byte \d+", refusal(raw))


def test_names_in_messages_are_short_and_printable() -> None:
    message = refusal(as_bytes({"a\n" + "x" * 1000: 1}).replace(b":", b"="))

    assert message.isprintable()
    assert len(message) < 200
