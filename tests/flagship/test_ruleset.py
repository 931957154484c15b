"""Files as they come: what is refused, what costs only itself, what a refresh takes over and what it changes."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.errors import DataFileInvalid
from openfeature_kameleoon.flagship.engine.compilation import MOST_RULES
from openfeature_kameleoon.flagship.engine.ruleset import EMPTY, Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SDK, SERVER
from openfeature_kameleoon.flagship.engine.targeting import Visitor
from tests.flagship.files import answers, bucketing, campaign, group, read, rule, targeting, variation, visitor

GOOD = campaign("good", group("good-group", variation("v", {"good": 1})))

# --- refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"null", b"[]", b'"x"', b"<html>", b"{", b'{"campaigns": [}', b"\xff\xfe{}", b"{} {}", b"\x1f\x8b"),
        *(b'{"campaigns": {}}', b'{"campaigns": "x"}', b'{"campaigns": 5}', b'{"panic": true, "campaigns": true}'),
        *(b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": "\xff"}', b'{"campaigns": [{"id": "x" "y"}]}'),
    ],
)
def test_what_is_no_object_with_a_list_of_campaigns_is_refused(raw: bytes) -> None:
    with pytest.raises(DataFileInvalid):
        Ruleset.read(raw)


@pytest.mark.parametrize("raw", [b"{}", b'{"campaigns": null}', b'{"campaigns": []}', b' {"x": 1} ', b"\xef\xbb\xbf{}"])
def test_a_file_may_have_no_campaigns(raw: bytes) -> None:
    ruleset = Ruleset.read(raw)

    assert (ruleset.campaigns, ruleset.flags, ruleset.panic, ruleset.problems) == ((), {}, False, [])


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(DataFileInvalid):
        Ruleset.read(raw)


@given(st.data())
def test_a_file_cut_or_damaged_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    raw = json.dumps({"campaigns": [GOOD], "panic": False}).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    damage = data.draw(st.binary(max_size=3))

    for damaged in (raw[:place] + damage, raw[:place] + damage + raw[place + 1 :]):
        with suppress(DataFileInvalid):
            Ruleset.read(damaged).decide_all(visitor())


# --- settings -------------------------------------------------------------------------------------------------


def test_settings_are_read() -> None:
    ruleset = read(bucketing())

    assert ruleset.settings.enabled_xpc is False
    assert ruleset.settings.enabled_1v1t is False
    assert ruleset.settings.troubleshooting["traffic"] == 10
    assert ruleset.date_modified == 1768469400000


@pytest.mark.parametrize(
    ("generated", "milliseconds"),
    [
        ("2026-01-15T09:30:00Z", 1768469400000),
        ("2026-01-15T10:30:00.5+01:00", 1768469400500),
        ("2026-01-15T09:30:00", 1768469400000),
        (None, 0),
    ],
)
def test_when_a_file_was_made_is_told_in_milliseconds(generated: str | None, milliseconds: int) -> None:
    assert read({"generatedAt": generated}).date_modified == milliseconds


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("panic", "true"),
        ("panic", 1),
        ("accountSettings", []),
        ("accountSettings", {"enabled1V1T": 1}),
        ("generatedAt", "x"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_and_costs_only_itself(member: str, value: Any) -> None:
    ruleset = read({member: value, "campaigns": [GOOD]})

    assert [problem.path for problem in ruleset.problems] == [f"$.{member}"]
    assert ruleset.panic is False
    assert ruleset.decide("good")(visitor()).value == 1


# --- campaigns that make no sense -----------------------------------------------------------------------------

BAD_CAMPAIGNS: list[Any] = [
    *(None, 5, "x", [], {}, {"id": "x"}, {"id": 5, "variationGroups": []}, {"variationGroups": []}),
    *({"id": "x", "variationGroups": None}, {"id": "x", "variationGroups": {}}),
    campaign("x", type=5),  # type: ignore[arg-type]  # the file's mistake
]


@pytest.mark.parametrize("bad", BAD_CAMPAIGNS, ids=repr)
@pytest.mark.parametrize("semantics", [SDK, SERVER], ids=["sdk", "server"])
def test_a_malformed_campaign_is_left_out_and_told(bad: Any, semantics: Any) -> None:
    ruleset = read({"campaigns": [bad, GOOD]}, semantics=semantics)

    assert [campaign.id for campaign in ruleset.campaigns] == ["good"]
    assert ruleset.problems[0].path == "$.campaigns[0]"
    assert ruleset.problems[0].message.startswith("left out: the campaign does not decode")
    assert ruleset.decide("good")(visitor()).value == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (5, "does not decode"),
        ({"variations": []}, "does not decode"),
        ({"id": "g"}, "does not decode"),
        (group("g", {"allocation": 5}), "does not decode"),
        (group("g", variation("v", {"f": 1}, "50")), "does not decode"),
        (group("g", variation("v", {"f": 1}, reference="yes")), "does not decode"),
        (group("g", {"id": "v", "modifications": {"type": "JSON"}}), "does not decode"),
        (group("g", {"id": "v", "modifications": {"value": []}}), "does not decode"),
        (group("g", {"id": "v", "allocation": 100}), "variation 'v' has no modifications"),
    ],
)
def test_a_malformed_group_is_left_out_alone(bad: Any, message: str) -> None:
    ruleset = read({"campaigns": [campaign("c", bad, group("g2", variation("w", {"f": 2})))]})

    assert [problem.path for problem in ruleset.problems] == ["$.campaigns[0].variationGroups[0]"]
    assert message in ruleset.problems[0].message
    assert ruleset.decide("f")(visitor()).value == 2


def test_on_the_server_a_variation_may_set_no_flag() -> None:
    ruleset = read({"campaigns": [campaign("c", group("g", {"id": "v", "allocation": 100}))]}, semantics=SERVER)

    assert [variation.id for variation in ruleset.decide_all(visitor()).variations] == ["v"]
    assert ruleset.problems == []


def test_a_rule_that_makes_no_sense_is_told_with_its_place() -> None:
    raw = targeting([rule("MATCHES")])

    ruleset = read({"campaigns": [GOOD, campaign("c", group("g", variation("v", {"f": 1}), targeting=raw))]})

    assert ruleset.problems == [
        ("$.campaigns[1].variationGroups[0].targeting", None, "rule MATCHES k: there is no operator 'MATCHES'")
    ]


@pytest.mark.parametrize("ranges", [5, [5], [{}], [{"r": [1]}], [{"r": ["a", "b"]}]], ids=repr)
def test_bucket_ranges_that_make_no_sense_matter_to_the_server_alone(ranges: Any) -> None:
    file = {"campaigns": [campaign("c", group("g", variation("v", {"f": 1})), bucketRanges=ranges)]}

    assert read(file).decide("f")(visitor()).value == 1
    assert [problem.path for problem in read(file, semantics=SERVER).problems] == ["$.campaigns[0]"]


def test_a_campaign_of_too_many_rules_is_left_out() -> None:
    raw = targeting([rule()] * MOST_RULES, [rule()])

    ruleset = read({"campaigns": [campaign("c", group("g", variation("v", {"f": 1}), targeting=raw))]})

    assert ruleset.campaigns == ()
    assert "more than 10000 targeting rules" in ruleset.problems[0].message


def test_nesting_without_end_costs_one_campaign_or_refuses_the_file() -> None:
    deep = json.loads("[" * 500 + "]" * 500)
    ruleset = read({"campaigns": [campaign("c", group("g", variation("v", {"f": deep}))), GOOD]})

    assert ruleset.decide("good")(visitor()).value == 1
    with pytest.raises(DataFileInvalid, match="nested"):
        Ruleset.read(b'{"campaigns": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}")


def test_of_campaigns_with_one_id_the_server_takes_the_first() -> None:
    twice = [campaign("c", group(f"g{n}", variation(f"v{n}", {"f": n}))) for n in (1, 2)]

    assert read({"campaigns": twice}).decide("f")(visitor()).value == 2
    server = read({"campaigns": twice}, semantics=SERVER)
    assert server.decide("f")(visitor()).value == 1
    assert [problem.path for problem in server.problems] == ["$.campaigns[1]"]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_a_campaign_changed_at_random_never_changes_the_others(data: st.DataObject) -> None:
    file = bucketing()
    position = data.draw(st.integers(0, len(file["campaigns"]) - 1))
    others = [at for at in range(len(file["campaigns"])) if at != position]
    part, key = _draw_place(data, file["campaigns"], position)
    part[key] = data.draw(json_values)
    who = Visitor(data.draw(st.sampled_from(["visitor-1", "qa_1", "0"])), {"isVip": True, "country": "DE", "plan": 1})

    for semantics in (SDK, SERVER):
        changed = read(file, semantics=semantics).decide_all(who)
        alone = read({"campaigns": [file["campaigns"][at] for at in others]}, semantics=semantics).decide_all(who)

        ids = [variation.id for variation in alone.variations]
        assert [variation.id for variation in changed.variations if variation.id in ids] == ids


def _draw_place(data: st.DataObject, container: Any, key: Any) -> tuple[Any, Any]:
    """Somewhere inside one part of a file: what holds it, and under which name or position."""
    while data.draw(st.integers(0, 5)) and isinstance(container[key], dict | list) and container[key]:
        container = container[key]
        key = data.draw(st.sampled_from(sorted(container) if isinstance(container, dict) else range(len(container))))
    return container, key


# --- refreshes ------------------------------------------------------------------------------------------------


def changed_by(change: Any, **options: Any) -> list[str]:
    """The keys that a change of the example is said to change."""
    file = bucketing()
    before = read(file, **options)
    change(file)
    return sorted(read(file, before, **options).changed)


def test_all_flags_of_a_first_file_are_new() -> None:
    assert read(bucketing()).changed == list(read(bucketing()).flags)
    assert EMPTY.changed == []


def test_a_file_that_says_the_same_changes_nothing_and_is_taken_over() -> None:
    before = read(bucketing())

    after = Ruleset.read(json.dumps(bucketing(), indent=3).encode(), before)

    assert after.changed == []
    assert after.campaigns == before.campaigns
    assert after.decide("ctaColor")(visitor()) is before.decide("ctaColor")(visitor())


def test_a_file_is_not_taken_over_by_other_semantics() -> None:
    before = read(bucketing())

    after = read(bucketing(), before, semantics=SERVER)

    assert set(after.campaigns).isdisjoint(before.campaigns)


def test_problems_are_told_by_every_file_that_has_them() -> None:
    file = {"campaigns": [campaign("c", {"id": "g"}), GOOD]}

    before = read(file)
    after = read({"campaigns": [GOOD, file["campaigns"][0], 5]}, before)

    assert [problem.path for problem in after.problems] == ["$.campaigns[1].variationGroups[0]", "$.campaigns[2]"]
    assert len(before.problems) == 1


def test_a_change_of_one_campaign_changes_its_flags() -> None:
    def rename(file: Any) -> None:
        file["campaigns"][0]["name"] = "Another"

    def allocate(file: Any) -> None:
        file["campaigns"][4]["variationGroups"][0]["variations"][0]["allocation"] = 11

    def remove(file: Any) -> None:
        del file["campaigns"][9]

    def add(file: Any) -> None:
        file["campaigns"].append(GOOD)

    def swap(file: Any) -> None:
        file["campaigns"].reverse()

    assert changed_by(rename) == ["ctaColor", "ctaLabel"]
    assert changed_by(allocate) == ["priceFactor"]
    assert changed_by(remove) == ["layout", "tabs"]
    assert changed_by(add) == ["good"]
    assert changed_by(swap) == ["ctaLabel"]  # the only one that two campaigns give


def test_panic_changes_everything_and_nothing_while_it_lasts() -> None:
    before = read(bucketing())

    panicking = read({"panic": True}, before)
    still = read({"panic": True, "campaigns": [GOOD]}, panicking)
    over = read(bucketing(), still)

    assert set(panicking.changed) == set(before.flags)
    assert still.changed == []
    assert set(over.changed) == {*before.flags, "good"}


def test_where_a_visitor_enters_one_test_a_changed_test_changes_the_flags_of_all() -> None:
    def one_test(file: Any) -> None:
        file["accountSettings"]["enabled1V1T"] = True

    def allocate(file: Any) -> None:
        one_test(file)
        file["campaigns"][4]["variationGroups"][0]["variations"][0]["allocation"] = 11

    file = bucketing()
    before = read(file, semantics=SERVER)
    one_test(file)
    with_one = read(file, before, semantics=SERVER)
    allocate(file)
    changed = read(file, with_one, semantics=SERVER)

    assert set(with_one.changed) == set(before.flags)
    tests = {"ctaColor", "ctaLabel", "priceFactor", "searchAlgo", "searchDepth", "layout", "tabs"}
    assert set(changed.changed) == tests
    assert changed_by(one_test) == []  # no SDK applies it


@given(st.data())
def test_a_flag_that_is_answered_differently_is_told_as_changed(data: st.DataObject) -> None:
    before_file, after_file = bucketing(), bucketing()
    for _ in range(data.draw(st.integers(1, 3))):
        part, key = _draw_place(data, after_file, "campaigns")
        part[key] = copy.deepcopy(data.draw(json_values))
    semantics = data.draw(st.sampled_from([SDK, SERVER]))
    before = read(before_file, semantics=semantics)
    try:
        after = read(after_file, before, semantics=semantics)
    except DataFileInvalid:
        return

    for who in (visitor(), visitor("qa_1", isVip=True, country="DE", age=40), visitor("0", plan="x", score=0.1)):
        then, now = answers(before.decide_all(who)), answers(after.decide_all(who))
        assert {key for key in {**then, **now} if then.get(key) != now.get(key)} <= set(after.changed)


def test_reading_lets_others_run() -> None:
    breaths = []

    Ruleset.read(json.dumps(bucketing()).encode(), breathe=lambda: breaths.append(1))

    assert len(breaths) >= 12
