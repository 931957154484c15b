"""Records: a JSON object with typed names for what is known of it, which loses nothing of what is not."""

from __future__ import annotations

import copy
import json
import pickle
from collections import UserDict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.management.rest import CREATE, READ, REQUIRED, UPDATE, WRITE, Record, field, plain
from openfeature_kameleoon.management.rest.fields import always, camel, snake
from openfeature_kameleoon.settings import MASK
from tests.management.examples import example

UTC = timezone.utc


class Share(Record):
    variation_key = always(str, REQUIRED | WRITE)
    exposition = field(float, WRITE)


class Rule(Record):
    id = always(int)
    state = field(str, WRITE, values="ACTIVE PAUSED", note="off or on")
    is_archived = field(bool, WRITE)
    base_url = field(str, WRITE, "baseURL")
    secret = field(str, WRITE, is_secret=True)
    started = field(datetime, WRITE, "dateStarted")
    tags = field(list[str], WRITE)
    counts = field(dict[str, int], WRITE)
    shares = field(list[Share], WRITE)
    by_name = field(dict[str, Share], WRITE)
    best = field(Share, WRITE)
    weight = field(float, WRITE, default=lambda: 1.0)
    code = field(str, CREATE, read=lambda value: value.upper())


class TimedRule(Rule):
    zone = field(str, UPDATE)


# --- reading --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire", "sent", "read"),
    [
        ("id", "id", 7, 7),
        ("id", "id", "7", 7),
        ("id", "id", "-7", -7),
        ("id", "id", 2**63, 2**63),
        ("state", "state", "ACTIVE", "ACTIVE"),
        ("is_archived", "isArchived", False, False),
        ("base_url", "baseURL", "https://shop.example.com", "https://shop.example.com"),
        ("weight", "weight", 2, 2.0),
        ("weight", "weight", 2.5, 2.5),
        ("tags", "tags", ["a", "b"], ["a", "b"]),
        ("tags", "tags", [], []),
        ("counts", "counts", {"a": "1", "b": 2}, {"a": 1, "b": 2}),
        ("shares", "shares", [{"variationKey": "on"}], [Share(variation_key="on")]),
        ("by_name", "byName", {"x": {"variationKey": "on"}}, {"x": Share(variation_key="on")}),
        ("best", "best", {"variationKey": "on"}, Share(variation_key="on")),
        ("code", "code", "abc", "ABC"),
    ],
)
def test_a_member_is_read_by_its_type(name: str, wire: str, sent: object, read: object) -> None:
    value = getattr(Rule({wire: sent}), name)

    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00", datetime(2026, 3, 1, 9, 30)),
        ("2026-03-01T09:30:00+02:00", datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-03-01T09:30:00.5Z", datetime(2026, 3, 1, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T09:30:00.123", datetime(2026, 3, 1, 9, 30, 0, 123_000)),
        ("2026-03-01T09:30:00.123456789Z", datetime(2026, 3, 1, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1)),
    ],
)
def test_a_date_is_read_with_zone_and_without(text: str, moment: datetime) -> None:
    started = Rule({"dateStarted": text}).started

    assert started == moment
    assert started is not None
    assert started.tzinfo == moment.tzinfo


@pytest.mark.parametrize("sent", ["yesterday", "", 1_790_000_000_000, ["2026-03-01"]])
def test_a_date_that_is_none_says_so_when_it_is_read(sent: object) -> None:
    rule = Rule({"id": 7, "dateStarted": sent})

    with pytest.raises(ValueError, match=r"Rule\.started cannot be read"):
        _ = rule.started
    assert rule.id == 7
    assert rule.to_dict()["dateStarted"] == sent


@pytest.mark.parametrize("raw", [{}, dict.fromkeys(field.wire for field in Rule.fields.values())], ids=["none", "null"])
def test_what_is_not_there_reads_as_none_and_lists_as_empty(raw: dict[str, Any]) -> None:
    rule = Rule(raw)

    assert [rule.state, rule.is_archived, rule.base_url, rule.started, rule.best] == [None] * 5
    assert [rule.tags, rule.counts, rule.shares, rule.by_name] == [[], {}, [], {}]
    assert rule.weight == 1.0
    assert rule.to_dict() == raw


@pytest.mark.parametrize("raw", [{}, {"id": None}])
def test_what_every_answer_has_is_missed_when_it_is_read(raw: dict[str, Any]) -> None:
    with pytest.raises(AttributeError, match="this Rule has no id: the API has not sent it"):
        _ = Rule(raw).id


@pytest.mark.parametrize(
    ("name", "wire", "sent"),
    [
        ("state", "state", "HIBERNATING"),
        ("state", "state", 7),
        ("id", "id", "seven"),
        ("id", "id", "--7"),
        ("id", "id", "²"),
        ("id", "id", "9" * 5000),
        ("id", "id", True),
        ("weight", "weight", "heavy"),
        ("tags", "tags", "one"),
        ("counts", "counts", [1]),
        ("shares", "shares", ["on"]),
        ("best", "best", "on"),
    ],
)
def test_what_does_not_fit_is_given_as_it_is_because_vendors_add_literals(name: str, wire: str, sent: object) -> None:
    assert getattr(Rule({wire: sent}), name) == sent


def test_the_known_literals_are_told_and_no_limit() -> None:
    assert Rule.fields["state"].values == ("ACTIVE", "PAUSED")
    assert Rule(state="HIBERNATING").state == "HIBERNATING"


def test_a_nested_record_is_a_view_of_its_object() -> None:
    rule = Rule({"best": {"variationKey": "on", "novel": 1}, "shares": [{"exposition": 10}]})

    assert rule.best is not None
    rule.best.exposition = 50
    rule.shares[0].exposition = 20

    assert rule.to_dict() == {
        "best": {"variationKey": "on", "novel": 1, "exposition": 50},
        "shares": [{"exposition": 20}],
    }


def test_a_list_is_read_as_a_copy_and_changed_by_setting_it() -> None:
    rule = Rule({"tags": ["a"]})

    rule.tags.append("lost")
    assert rule.tags == ["a"]

    rule.tags = [*rule.tags, "b"]
    assert rule.to_dict() == {"tags": ["a", "b"]}


# --- writing --------------------------------------------------------------------------------------------------


def test_a_record_is_made_of_fields_by_their_names_here() -> None:
    rule = Rule(
        state="ACTIVE",
        base_url="https://shop.example.com",
        started=datetime(2026, 3, 1, 9, 30),
        tags=("a", "b"),
        shares=[Share(variation_key="on", exposition=50)],
        best=Share(variation_key="on"),
        is_archived=None,
    )

    assert rule.raw == {
        "state": "ACTIVE",
        "baseURL": "https://shop.example.com",
        "dateStarted": "2026-03-01T09:30:00",
        "tags": ["a", "b"],
        "shares": [{"variationKey": "on", "exposition": 50}],
        "best": {"variationKey": "on"},
        "isArchived": None,
    }


def test_or_of_an_object_of_the_api_or_of_both() -> None:
    raw = {"id": 7, "novel": {"kept": True}}

    assert Rule(raw).raw is raw
    assert Rule(raw, state="PAUSED").to_dict() == {"id": 7, "novel": {"kept": True}, "state": "PAUSED"}


@pytest.mark.parametrize("name", ["stat", "isArchived", "raw", "novel"])
def test_a_field_that_it_has_not_is_refused_with_those_it_has(name: str) -> None:
    with pytest.raises(TypeError, match=f"Rule has no field {name}; it has id, state, is_archived, .*, code$"):
        Rule(**{name: 1})


def test_fields_are_set_by_their_names_here() -> None:
    rule = Rule({"id": 7, "novel": 1})

    rule.state = "PAUSED"
    rule.started = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    rule.shares = [Share(variation_key="on")]
    rule.base_url = None

    assert rule.to_dict() == {
        "id": 7,
        "novel": 1,
        "state": "PAUSED",
        "dateStarted": "2026-03-01T07:30:00Z",
        "shares": [{"variationKey": "on"}],
        "baseURL": None,
    }


def test_a_copy_shares_nothing_with_the_record() -> None:
    rule = Rule({"id": 7, "shares": [{"exposition": 10}]})

    rule.to_dict()["shares"][0]["exposition"] = 99

    assert rule.to_dict() == {"id": 7, "shares": [{"exposition": 10}]}


@pytest.mark.parametrize("name", ["automation-goal", "automation-segment", "automation-feature-flag-create"])
def test_an_object_of_the_api_comes_out_as_it_went_in(name: str) -> None:
    raw = example(name)

    assert Rule(copy.deepcopy(raw)).to_dict() == raw


# --- records among themselves ---------------------------------------------------------------------------------


def test_records_are_equal_when_they_are_of_one_class_and_their_objects_are() -> None:
    assert Rule(id=7) == Rule({"id": 7})
    assert Rule(id=7) != Rule(id=8)
    assert Rule(id=7) != Rule({"id": 7, "novel": 1})
    assert Rule(id=7) != TimedRule(id=7)
    assert Rule(id=7) != {"id": 7}


def test_a_record_can_be_changed_and_so_is_no_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Rule())


@pytest.mark.parametrize("carry", [copy.copy, copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_a_record_can_be_copied_and_sent_to_another_process(carry: Any) -> None:
    rule = Rule({"id": 7, "shares": [{"exposition": 10}], "novel": 1})

    assert carry(rule) == rule
    assert type(carry(rule)) is Rule


def test_a_subclass_has_the_fields_of_its_base_first() -> None:
    assert list(TimedRule.fields) == [*Rule.fields, "zone"]
    assert "zone" not in Rule.fields


def test_a_declared_field_tells_what_is_known_of_it() -> None:
    state = Rule.state

    assert (state.name, state.wire, state.kind, state.access, state.note) == ("state", "state", str, WRITE, "off or on")
    assert Rule.base_url.wire == "baseURL"
    assert Rule.is_archived.wire == "isArchived"
    assert Rule.id.access is READ


def test_what_is_required_is_said_when_creating_alone() -> None:
    assert REQUIRED & CREATE
    assert not REQUIRED & UPDATE
    assert WRITE == CREATE | UPDATE
    assert not READ


# --- what is shown --------------------------------------------------------------------------------------------


def test_a_record_shows_its_first_fields_shortly() -> None:
    rule = Rule({"id": 7, "state": "ACTIVE", "isArchived": False, "baseURL": "x" * 1000, "weight": 1, "tags": ["a"]})

    assert repr(rule) == f"Rule(id=7, state='ACTIVE', is_archived=False, base_url='{'x' * 59}..., ...)"
    assert len(repr(Rule(dict.fromkeys(("id", "state", "baseURL", "code"), "x" * 10000)))) < 400


def test_a_record_shows_no_secret_and_nothing_that_is_not_declared() -> None:
    rule = Rule({"id": 7, "secret": "hush", "password": "hush", "best": {"variationKey": "hush"}})

    assert repr(rule) == f"Rule(id=7, secret={MASK})"
    assert f"{rule}" == repr(rule)


def test_a_record_is_shown_on_one_line() -> None:
    assert repr(Rule({"state": "a\nb", "code": None})) == r"Rule(state='a\nb')"
    assert repr(Rule()) == "Rule()"


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "wire"),
    [
        ("id", "id"),
        ("site_id", "siteId"),
        ("is_product_reco_allowed", "isProductRecoAllowed"),
        ("md5_of_x2y", "md5OfX2y"),
    ],
)
def test_names_are_in_camel_case_on_the_wire(here: str, wire: str) -> None:
    assert camel(here) == wire
    assert snake(wire) == here


@pytest.mark.parametrize(
    ("wire", "here"), [("baseURL", "base_url"), ("URLMatch", "url_match"), ("jsCode2", "js_code2")]
)
def test_abbreviations_are_words_too(wire: str, here: str) -> None:
    assert snake(wire) == here


@given(st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=1, max_size=5).map("_".join))
def test_a_name_goes_to_the_wire_and_back(name: str) -> None:
    assert snake(camel(name)) == name


# --- plain values ---------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
MOMENTS = st.datetimes(
    min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.sampled_from([None, UTC])
).map(lambda moment: moment.replace(microsecond=0))


@given(JSON)
def test_json_is_plain_already(value: object) -> None:
    assert plain(value) == value
    assert json.loads(json.dumps(plain(value))) == value


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_record_of_any_object_is_plain_as_that_object(raw: dict[str, Any]) -> None:
    assert plain([Rule(raw)]) == [raw]
    assert plain(UserDict({"rule": Rule(raw)})) == {"rule": raw}
    assert Rule(raw).to_dict() == raw
    assert repr(Rule(raw))


@given(MOMENTS)
def test_a_moment_goes_to_the_wire_and_back(moment: datetime) -> None:
    rule = Rule(started=moment)

    assert rule.started == moment
    assert rule.started.tzinfo == moment.tzinfo
    assert rule.raw["dateStarted"].endswith("Z") == (moment.tzinfo is not None)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        ({1}, [1]),
        ([datetime(2026, 3, 1)], ["2026-03-01T00:00:00"]),
        ({"a": (Share(exposition=1),)}, {"a": [{"exposition": 1}]}),
        ("text", "text"),
        (None, None),
    ],
)
def test_what_python_has_besides_becomes_json(value: object, sent: object) -> None:
    assert plain(value) == sent


def test_a_misspelt_field_cannot_be_set() -> None:
    rule = Rule({"id": 7})

    with pytest.raises(AttributeError, match="Rule has no stat; is it state"):
        rule.stat = "ACTIVE"

    assert rule.raw == {"id": 7}
