"""The script for the page: which assignments it tells of, and that nothing but numbers gets into it."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon import KameleoonClient
from openfeature_kameleoon.engine_tracking_code import engine_tracking_code
from openfeature_kameleoon.visitors.remote import RemoteVisitorDataFilter, add_remote_data
from openfeature_kameleoon.visitors.remote_answer import parse_visitor_data
from openfeature_kameleoon.visitors.traits import Assignment, Exposure
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.clock import FakeClock
from tests.faces import EXPERIMENT, client_of, flag, replace, rule, site
from tests.vectors import Stage, data_file, vectors

START = "window.kameleoonQueue=window.kameleoonQueue||[];"
NOTHING_ELSE = re.compile(
    re.escape(START)
    + r"(window\.kameleoonQueue\.push\(\['Experiments\.assignVariation',(-?\d+),-?\d+,true\]\);"
    + r"window\.kameleoonQueue\.push\(\['Experiments\.trigger',\2,(true|false)\]\);)*",
    re.ASCII,
)

SPLIT = flag("split", rule(1, ("on", 1), kind=EXPERIMENT))
DELIVERED = flag("delivered", rule(2, ("on", 1)))


def pushes(code: str) -> list[tuple[int, int, bool]]:
    """Experiment, variation, and whether the page is left alone, of a whole script."""
    assert NOTHING_ELSE.fullmatch(code)
    pattern = r"assignVariation',(\d+),(\d+),true\]\);window\.kameleoonQueue\.push\(\['Experiments\.trigger',\d+,(\w+)"
    return [
        (int(experiment), int(variation), only == "true") for experiment, variation, only in re.findall(pattern, code)
    ]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def styled(key: str, number: int, kind: str, *, first: bool) -> dict[str, Any]:
    """A flag that has a variable of this type in its first variation, or else in the second."""
    variables = [{"key": "x", "type": kind, "value": ""}]
    variations = [{"key": "off"}, {"key": "on"}]
    variations[0 if first else 1]["variables"] = variables  # type: ignore[assignment]  # a list among strings
    return flag(key, rule(number, ("on", 1), kind=EXPERIMENT), variations=variations)


@pytest.mark.parametrize("vector", vectors("engine_tracking_code"), ids=lambda vector: vector["name"])
def test_the_script_is_that_of_the_reference(tmp_path: Path, vector: dict[str, Any]) -> None:
    clock = FakeClock(time=vectors("meta")["evaluate_at_ms"] / 1000)
    client = client_of(tmp_path, data_file({"holdout": None}), clock=clock)  # as it was when they were made
    for key in vector["evaluated"]:
        client.get_variation(vector["visitor_code"], key)

    clock.advance(vector["elapsed_ms"] / 1000)

    assert client.get_engine_tracking_code(vector["visitor_code"]) == vector["code"]


@pytest.mark.parametrize("code", ["unknown", "", "a\nb", "x" * 300, None, 5])
def test_who_is_unknown_got_nothing_and_is_not_remembered(tmp_path: Path, code: Any) -> None:
    client = client_of(tmp_path, site(SPLIT))

    assert client.get_engine_tracking_code(code) == START
    assert len(client.evaluator.store) == 0


def test_evaluating_again_counts_from_then_on(tmp_path: Path, clock: FakeClock) -> None:
    client = client_of(tmp_path, site(SPLIT, DELIVERED), clock=clock)
    client.get_variation("somebody", "split")
    client.get_variation("somebody", "delivered", track=False)

    clock.advance(4)
    client.get_variation("somebody", "split")
    clock.advance(4)

    assert pushes(client.get_engine_tracking_code("somebody")) == [(1001, 10, True)]


def test_no_jump_of_the_wall_clock_changes_what_was_decided_here(tmp_path: Path) -> None:
    class Jumping(FakeClock):
        hours = 0

        def time(self) -> float:
            return super().time() + 3600 * self.hours

    clock = Jumping()
    client = client_of(tmp_path, site(SPLIT), clock=clock)
    client.get_variation("somebody", "split")
    found = []

    for clock.hours in (-1, 1):
        found.append(pushes(client.get_engine_tracking_code("somebody")))
    clock.advance(5)
    for clock.hours in (-1, 1):
        found.append(pushes(client.get_engine_tracking_code("somebody")))

    assert found == [[(1001, 10, True)], [(1001, 10, True)], [], []]


@pytest.mark.parametrize(("seconds_ago", "is_told"), [(4.999, True), (5, False), (-60, True)])
def test_an_assignment_from_the_server_counts_from_its_own_time(seconds_ago: float, is_told: bool) -> None:
    stage = Stage()
    event = {"time": (stage.clock.time() - seconds_ago) * 1000, "data": {"id": 81001, "variationId": 91002}}
    answer = {"currentVisit": {"experimentEvents": [event]}}
    visitor = stage.store.get_or_create("somebody")
    remote = parse_visitor_data(answer, RemoteVisitorDataFilter(), now=stage.clock.time())
    add_remote_data(visitor, remote, stage.index)

    code = engine_tracking_code(visitor, stage.ruleset, now=stage.clock.time(), monotonic=stage.clock.monotonic())

    assert pushes(code) == ([(81001, 91002, False)] if is_told else [])


def test_only_the_first_variation_says_whether_the_page_is_changed(tmp_path: Path) -> None:
    flags = [
        styled("script", 1, "JS", first=True),
        styled("style", 2, "CSS", first=True),
        styled("text", 3, "STRING", first=True),
        styled("late", 4, "JS", first=False),
        {"featureKey": "broken", "variations": [{"variables": [{"type": "JS"}]}], "rules": 7},
    ]
    client = client_of(tmp_path, site(*flags))
    for key in ("script", "style", "text", "late"):
        client.get_variation("somebody", key)

    code = client.get_engine_tracking_code("somebody")

    assert [only_tracks for *_, only_tracks in pushes(code)] == [False, False, True, True]


def test_a_new_data_file_says_anew_whether_the_page_is_changed(tmp_path: Path) -> None:
    client = client_of(tmp_path, site(styled("f", 1, "JS", first=True)))
    client.get_variation("somebody", "f")
    before = pushes(client.get_engine_tracking_code("somebody"))

    replace(tmp_path / "flags.json", site(styled("f", 1, "STRING", first=True)))
    client.refresh()

    assert (before, pushes(client.get_engine_tracking_code("somebody"))) == ([(1001, 10, False)], [(1001, 10, True)])


def test_those_held_out_are_told_of_too(tmp_path: Path) -> None:
    held_out = {"variationKey": "in-holdout", "variationId": 499, "exposition": 1.0}
    holdout = {"experimentId": 999, "variationByExposition": [held_out]}
    client = client_of(tmp_path, site(SPLIT, holdout=holdout))

    client.get_variation("somebody", "split")

    assert pushes(client.get_engine_tracking_code("somebody")) == [(999, 499, True)]


@given(st.lists(st.tuples(st.integers(), st.integers(), st.floats(allow_nan=True), st.floats(allow_nan=True))))
def test_nothing_but_numbers_gets_into_it(given: list[tuple[int, int, float, float]]) -> None:
    visitor = Visitor("</script><script>alert(1)//")
    for experiment_id, variation_id, time, evaluated_at in given:
        exposure = Exposure(experiment_id, variation_id, "'];alert(1);//")
        visitor.set_assignment(Assignment(exposure, time, evaluated_at, is_reported=True))

    code = engine_tracking_code(visitor, Stage().ruleset, now=0.0, monotonic=0.0)

    assert NOTHING_ELSE.fullmatch(code)


@pytest.mark.parametrize("foreign", ["0]);alert(1);//", "<!--", None])
def test_what_is_no_number_does_not_get_through(foreign: Any) -> None:
    visitor = Visitor("v")
    visitor.assignments = {1: Assignment(Exposure(1, foreign, None), 0.0, 1.0, is_reported=True)}

    with pytest.raises((TypeError, ValueError)):
        engine_tracking_code(visitor, Stage().ruleset, now=0.0, monotonic=1.0)


def test_it_may_be_asked_while_others_evaluate(tmp_path: Path) -> None:
    flags = [flag(f"f{number}", rule(number, ("on", 1))) for number in range(1, 400)]
    client = client_of(tmp_path, site(*flags))
    done = threading.Event()

    def evaluate(client: KameleoonClient) -> None:
        for number in range(1, 400):
            client.get_variation("somebody", f"f{number}")
        done.set()

    thread = threading.Thread(target=evaluate, args=(client,))
    thread.start()
    counts = []
    while not done.is_set():
        counts.append(len(pushes(client.get_engine_tracking_code("somebody"))))
    thread.join()

    assert counts == sorted(counts)
    assert len(pushes(client.get_engine_tracking_code("somebody"))) == 399
