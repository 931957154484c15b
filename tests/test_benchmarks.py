"""The arithmetic by which the benchmarks judge, and the data they measure on. Nothing here is timed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex

# The benchmarks are a program of the checkout, not part of the installation. At the end of the path, so that
# the installed package stays the one that is tested.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks import __main__ as command
from benchmarks import anchors, bars_delivery, bars_identity, bars_server, bars_tracking, bars_web, data, producing
from benchmarks.arrivals import Arrival, Tally, tally, visitor_code, whole_at
from benchmarks.bars_tracking import Delivery
from benchmarks.loopback import Loopback, served
from benchmarks.measure import (
    Limit,
    Rounds,
    Row,
    Verdict,
    at_least,
    at_most,
    interleave,
    isolated,
    judge,
    keyword_call,
)
from benchmarks.web_apps import FRAMEWORKS

MEASURED = set(range(1, 29))


# --- judging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "figure", "expected"),
    [
        (at_most(1.3, 0.8), 0.80, "stretch"),
        (at_most(1.3, 0.8), 0.81, "met"),
        (at_most(1.3, 0.8), 1.34, "met"),  # up to 2 the allowance is 0.05
        (at_most(1.3, 0.8), 1.36, "missed"),
        (at_most(6, 4), 6.59, "met"),  # above 2 it is a tenth
        (at_most(6, 4), 6.61, "missed"),
        (at_least(35, 65), 65.0, "stretch"),
        (at_least(35, 65), 64.9, "met"),
        (at_least(35, 65), 31.6, "met"),
        (at_least(35, 65), 31.4, "missed"),
        (at_least(0.95, 0.98), 0.91, "met"),
        (at_least(0.95, 0.98), 0.89, "missed"),
        (at_most(3, 1.6, noisy=False), 3.0, "met"),  # bytes have no noise
        (at_most(3, 1.6, noisy=False), 3.01, "missed"),
        (at_most(0, 0, noisy=False), 0, "stretch"),
        (at_most(0, 0, noisy=False), 1, "missed"),
    ],
)
def test_a_bar_is_forgiven_noise_and_a_stretch_goal_is_not(limit: Limit, figure: float, expected: Verdict) -> None:
    assert judge(limit, figure) == expected


def test_a_row_without_a_limit_is_only_reported() -> None:
    assert Row(9, "text to ready", "ms", 160.0).verdict == "reported"


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rounds = Rounds({"ours": [1.0, 20.0, 3.0], "anchor": [1.0, 10.0, 1.0]})

    assert rounds.ratio("ours", "anchor") == 2.0  # of 1, 2 and 3; that of the medians would be 3
    assert rounds.median("ours") == 3.0


def test_a_difference_is_the_median_of_the_rounds_differences() -> None:
    rounds = Rounds({"ours": [1.0, 20.0, 3.0], "bare": [1.0, 10.0, 1.0]})

    assert rounds.difference("ours", "bare") == 2.0  # of 0, 10 and 2


def test_everybody_has_one_turn_in_each_round_and_nobody_is_always_first() -> None:
    order: list[str] = []

    def turn(name: str, seconds_per_call: float, calls: int) -> float:
        order.append(name)
        return seconds_per_call * calls

    rounds = interleave(
        {"ours": lambda calls: turn("ours", 0.5, calls), "anchor": lambda calls: turn("anchor", 0.25, calls)},
        rounds=20,
        turn_seconds=1.0,
    )

    turns = order[-4 * 20 :: 2]  # each comes after a few calls that are not timed
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    assert set(pairs) == {("ours", "anchor"), ("anchor", "ours")}
    assert rounds.ratio("ours", "anchor") == 2.0


def test_a_timed_call_passes_its_arguments_by_keyword() -> None:
    seen: list[dict[str, object]] = []

    keyword_call(lambda **given: seen.append(given), flag_key="f", default_value=False)(2)

    assert seen == [{"flag_key": "f", "default_value": False}] * 2


# --- the command --------------------------------------------------------------------------------------------


def test_every_bar_that_is_claimed_has_a_measurement() -> None:
    assert set(command.BARS) == MEASURED


@pytest.mark.parametrize(("text", "expected"), [("1-5,11", [1, 2, 3, 4, 5, 11]), ("24", [24]), ("26-30", [26, 27, 28])])
def test_bars_are_chosen_by_number_and_range(text: str, expected: list[int]) -> None:
    assert command.bar_numbers(text) == expected


@pytest.mark.parametrize("text", ["29", "0", "29-30", "one", ""])
def test_asking_for_no_bar_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--bars", text])

    assert ended.value.code == 2
    assert "--bars" in capsys.readouterr().err


def test_both_outputs_tell_figures_verdicts_and_what_could_not_be_measured() -> None:
    rows = [Row(1, "f_simple", "x InMemory", 1.5, at_most(1.3, 0.8), 51.0)]
    failures = [command.Failure(17, "no network")]

    table = command.as_table(rows, failures, quick=False, tracking=True)
    document = json.loads(command.as_json(rows, failures, quick=False, tracking=True))

    assert "missed" in table
    assert "bar 17: not measured: no network" in table
    assert "--tracking" in table
    assert document["tracking"] is True
    assert document["rows"][0]["verdict"] == "missed"
    assert document["failures"] == [{"bar": 17, "message": "no network"}]


# --- the data -----------------------------------------------------------------------------------------------


def flags_of(raw: bytes) -> dict[str, Any]:
    return {flag["featureKey"]: flag for flag in json.loads(raw)["featureFlags"]}


def test_the_same_data_file_is_made_each_time() -> None:
    assert data.data_file(100) == data.data_file(100)


@pytest.mark.parametrize("flags", [100, 1_000])
def test_a_data_file_has_its_flags_and_nothing_that_does_not_decode(flags: int) -> None:
    raw = data.data_file(flags)

    index = DataFileIndex.read(raw)

    assert len(index.flags) == flags
    assert index.problems == []
    assert [index.flag(key).feature_key for key in data.NAMED_FLAGS] == list(data.NAMED_FLAGS)


def test_a_flag_takes_about_as_much_text_as_in_the_field() -> None:
    raw = data.data_file(1_000)

    assert 1_650 < len(raw) / 1_000 < 1_850


def test_every_filler_flag_differs_between_two_editions() -> None:
    before, after = (flags_of(data.data_file(100, edition)) for edition in (1, 2))

    changed = {key for key in before if before[key] != after[key]}

    assert changed == {*before} - {*data.NAMED_FLAGS} | {data.EDITION}


def test_the_measured_visitor_is_exposed_in_the_half_experiment() -> None:
    (rule,) = flags_of(data.data_file(100))[data.EXP3_HALF]["rules"]

    assert rule["exposition"] == 0.5
    assert bars_identity.reference_place(f"{anchors.VISITOR}{rule['id']}") <= rule["exposition"]


def test_only_the_tenth_rule_of_the_ten_can_match() -> None:
    document = json.loads(data.data_file(100))
    segments = {segment["id"]: segment["conditionsData"]["firstLevel"][0] for segment in document["segments"]}
    *failing, tenth = flags_of(data.data_file(100))[data.RULE10]["rules"]
    visitor = {str(index): value for index, (_, value) in enumerate(data.CUSTOM_DATA)}

    conditions = [condition for rule in failing for condition in segments[rule["segmentId"]]["conditions"]]

    assert len(failing) == 9
    assert tenth["segmentId"] is None
    assert {condition["valueMatchType"] for condition in conditions} == {"EXACT"}
    assert all(visitor[condition["customDataIndex"]] != condition["value"] for condition in conditions)


@pytest.mark.parametrize("flag", [data.SIMPLE, data.SEG3, data.EDITION])
def test_a_delivery_to_everybody_needs_no_hash(flag: str) -> None:
    (rule,) = flags_of(data.data_file(100))[flag]["rules"]

    assert (rule["type"], rule["exposition"]) == ("TARGETED_DELIVERY", 1.0)


# --- identity -----------------------------------------------------------------------------------------------


def test_digests_beside_a_bound_are_decided_as_by_the_formula() -> None:
    assert bars_identity.differences_at_bounds({0.0, 0.34, 0.34 + 0.33, 0.5, 1 / 3, 1.0, 5e-324}) == 0


# --- web applications ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_application_answers_alike_with_the_middleware_which_alone_keeps_the_code(framework: str) -> None:
    answers = isolated(bars_web.answers, framework)

    for what, case in bars_web.CASES.items():
        bare, own = answers[what]
        assert (bare.status, bare.body) == (own.status, own.body) == (200, case.body)
        assert (bars_web.keeps_code(bare), bars_web.keeps_code(own)) == (False, True)


# --- events that came ---------------------------------------------------------------------------------------


def line(visitor: int | str, kind: str, nonce: int) -> str:
    code = visitor if isinstance(visitor, str) else visitor_code(visitor)
    return f"nonce={nonce:016X}&eventType={kind}&id=1&visitorCode={code}"


EXPERIMENT, CONVERSION = line(0, "experiment", 1), line(0, "conversion", 2)


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([f"{EXPERIMENT}\n{CONVERSION}"], Tally(received=2, lost=0, duplicated=0)),
        ([EXPERIMENT, CONVERSION], Tally(received=2, lost=0, duplicated=0)),
        ([EXPERIMENT], Tally(received=1, lost=1, duplicated=0)),
        ([], Tally(received=0, lost=2, duplicated=0)),
        ([f"{EXPERIMENT}\n{CONVERSION}", CONVERSION], Tally(received=3, lost=0, duplicated=1)),
        ([EXPERIMENT, CONVERSION, line(0, "conversion", 3)], Tally(received=3, lost=0, duplicated=1)),
        ([EXPERIMENT, line(0, "conversion", 1)], Tally(received=2, lost=1, duplicated=1)),
        ([EXPERIMENT, CONVERSION, line(0, "activity", 3)], Tally(received=2, lost=0, duplicated=0)),
        ([EXPERIMENT, CONVERSION, line("warm", "experiment", 3)], Tally(received=2, lost=0, duplicated=0)),
        ([EXPERIMENT, CONVERSION, line(1, "experiment", 3)], Tally(received=2, lost=0, duplicated=0)),
    ],
    ids=[
        *("all", "in two requests", "one lost", "all lost", "again", "again under another nonce"),
        *("two under one nonce", "another kind", "another code", "another number"),
    ],
)
def test_events_are_counted_by_their_nonce_and_by_what_they_tell(bodies: list[str], expected: Tally) -> None:
    arrivals = [Arrival(float(position), body) for position, body in enumerate(bodies)]

    assert tally(arrivals, visitors=1) == expected


def test_it_is_whole_when_the_last_of_the_visitors_events_has_come_for_the_first_time() -> None:
    arrivals = [
        Arrival(1.0, EXPERIMENT),
        Arrival(2.0, line(1, "experiment", 3)),
        Arrival(3.0, CONVERSION),
        Arrival(4.0, CONVERSION),
    ]

    assert whole_at(arrivals, visitors=1) == 3.0
    assert whole_at(arrivals, visitors=2) is None


def test_rates_are_medians_of_runs_and_no_lost_event_is_averaged_away() -> None:
    runs = [
        Delivery(100.0, 10.0, Tally(received=7, lost=1, duplicated=0)),
        Delivery(300.0, 30.0, Tally(received=8, lost=0, duplicated=0)),
        Delivery(200.0, 50.0, Tally(received=9, lost=0, duplicated=1)),
    ]

    assert bars_tracking.median(runs) == Delivery(200.0, 30.0, Tally(received=24, lost=1, duplicated=1))


def test_the_bare_endpoint_answers_in_the_shape_of_an_evaluation() -> None:
    with bars_server.opened(data.EXP3) as connections:
        answers = {who: json.loads(each.answer) for who, each in connections.items()}
        seconds = [each.turn(20) for each in connections.values()]

    assert answers["ours"].keys() == answers["bare"].keys()
    assert answers["ours"]["key"] == answers["bare"]["key"] == data.EXP3
    assert min(seconds) > 0


# --- the server and the programs ----------------------------------------------------------------------------


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Loopback]:
    with served(tmp_path) as server:
        yield server


@contextmanager
def connection_to(loopback: Loopback, seconds: float = 5.0) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", loopback.port, timeout=seconds)
    try:
        yield connection
    finally:
        connection.close()


def track(connection: HTTPConnection, body: str) -> int:
    connection.request("POST", "/visit/events?siteCode=s", body)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def post(loopback: Loopback, body: str, seconds: float = 5.0) -> int:
    with connection_to(loopback, seconds) as connection:
        return track(connection, body)


def test_the_server_keeps_what_is_tracked(loopback: Loopback) -> None:
    answers = [post(loopback, f"{EXPERIMENT}\n{CONVERSION}"), post(loopback, CONVERSION)]

    arrivals = loopback.arrivals()

    assert answers == [200, 200]
    assert [arrival.body for arrival in arrivals] == [f"{EXPERIMENT}\n{CONVERSION}", CONVERSION]
    assert arrivals[0].at < arrivals[1].at
    assert loopback.lines() == 3


def test_a_server_that_fails_takes_nothing(loopback: Loopback) -> None:
    loopback.answer("500")
    assert post(loopback, EXPERIMENT) == 500

    loopback.answer("hang")
    with pytest.raises(TimeoutError):
        post(loopback, EXPERIMENT, seconds=0.1)

    loopback.answer("down")
    with pytest.raises(ConnectionRefusedError):
        post(loopback, EXPERIMENT)

    loopback.answer("up")
    assert post(loopback, CONVERSION) == 200
    assert [arrival.body for arrival in loopback.arrivals()] == [CONVERSION]


def test_a_server_that_goes_down_ends_the_connections_that_are_open(loopback: Loopback) -> None:
    with connection_to(loopback) as connection:
        track(connection, EXPERIMENT)
        open_one = connection.sock

        loopback.answer("down")

        assert open_one.recv(1) == b""


@pytest.mark.parametrize("end", [*bars_delivery.ENDS, "SIGTERM with a handler", "when told to"])
def test_a_program_that_ends_takes_its_course_and_is_counted(end: str) -> None:
    left = bars_delivery.run("ours", 20, end)

    assert left.tally == Tally(received=40, lost=0, duplicated=0)
    assert 0 <= left.seconds < 5


def test_every_course_is_run_by_a_bar() -> None:
    assert set(producing.COURSES) == {*bars_delivery.ENDS, *bars_delivery.SIGNALS, "fork", "when told to"}


def test_with_tracking_our_events_are_sent_from_a_data_file_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(anchors.TRACKING, "1")

    with anchors.ours(anchors.written(tmp_path, 100)) as own:
        own.resolve_boolean_details(data.EXP3, False, anchors.key_only())
        is_delivered = own.client.flush(timeout=5.0)
        status = own.client.outbox.status()

    assert is_delivered
    assert (status.accepted, status.delivered) == (1, 1)
