"""The lines that Kameleoon's own client sends for the same steps, each of them (vectors ``tracking``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import Conversion, CustomData, Geolocation, KameleoonClient, UserAgent
from openfeature_kameleoon.visitors.remote import RemoteVisitorDataFilter, add_remote_data, adopt_visitor_code
from openfeature_kameleoon.visitors.remote_answer import parse_visitor_data
from openfeature_kameleoon.visitors.simulation import parse_simulation
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.clock import FakeClock
from tests.faces import client_of
from tests.vectors import data_file, data_object, vectors

Json = dict[str, Any]

VECTORS = vectors("tracking")
BY_STEPS = [vector for vector in VECTORS if "steps" in vector]

REPORTED_ONCE = "variation re-evaluated after a flush"
"""There an assignment that did not change is reported again; here it is reported once, and activity follows."""

ACTIVITY = "nonce=NONCE&eventType=activity&visitorCode={}"


def client_on(folder: Path, vector: Json) -> tuple[KameleoonClient, FakeClock]:
    clock = FakeClock(time=vectors("meta")["start_of_day_ms"] / 1000)
    settings = {"session_duration_minute": 3000, "send_events": False}
    return client_of(folder, data_file(vector.get("datafile_patch")), clock=clock, **settings), clock


def sent(client: KameleoonClient) -> list[str] | None:
    """All lines that wait, in their order, with the nonces made alike; ``None`` where nothing would be sent."""
    batches = client.outbox.take(1_000_000)
    client.outbox.delivered(batches)
    lines = [line for batch in batches for line in batch.lines]
    return [re.sub("^nonce=[0-9A-F]{16}&", "nonce=NONCE&", line) for line in lines] or None


def play(client: KameleoonClient, code: str, step: Json) -> None:
    """One step of a vector, by the method of the client that it stands for."""
    match step["op"]:
        case "add_data":
            client.add_data(code, *map(data_object, step["data"]), track=step.get("track", True))
        case "consent":
            client.set_legal_consent(code, step["value"])
        case "evaluate":
            client.get_variation(code, step["flag"], track=step.get("track", True))
        case "flush":
            client.flush(code)
            sent(client)
        case "force":
            client.set_forced_variation(code, step["experiment_id"], step["variation_key"])
        case "remote_visitor_data":
            receive(client, code, step)
        case "simulate":
            simulate(client, code, step["cookie"])


def receive(client: KameleoonClient, code: str, step: Json) -> None:
    """``get_remote_visitor_data``, the answer given."""
    wanted = RemoteVisitorDataFilter(**step["filter"])
    remote = parse_visitor_data(step["response"], wanted, now=step["at_ms"] / 1000)
    index = client.ruleset.index

    def learn(visitor: Visitor) -> None:
        adopt_visitor_code(visitor, remote)
        add_remote_data(visitor, remote, index)

    client.evaluator.store.change(client.evaluator.visitor(code), learn)


def simulate(client: KameleoonClient, code: str, cookie: str) -> None:
    """``get_visitor_code``, the cookie given."""
    simulation = parse_simulation(cookie, client.ruleset.index.flag)
    assert simulation is not None

    def change(visitor: Visitor) -> None:
        visitor.own_traits().simulated = simulation.variations
        visitor.own_traits().settle()

    client.evaluator.store.change(client.evaluator.visitor(code), change)


@pytest.mark.parametrize("vector", BY_STEPS, ids=lambda vector: str(vector["name"]))
def test_a_flush_sends_the_lines_of_kameleoons_client(vector: Json, tmp_path: Path) -> None:
    client, clock = client_on(tmp_path, vector)
    for step in vector["steps"]:
        clock.advance(step["at_ms"] / 1000 - clock.time())
        play(client, step.get("visitor_code", vector["visitor_code"]), step)

    client.flush(vector["flushed_visitor"])
    lines = sent(client)
    client.flush(vector["flushed_visitor"])
    second = sent(client)

    if vector["name"] == REPORTED_ONCE:
        assert lines == [ACTIVITY.format(vector["visitor_code"])]
    else:
        assert lines == vector["expected_lines"]
    if "expected_lines_second_flush" in vector:
        assert second == vector["expected_lines_second_flush"]


def test_audiences_are_sent(tmp_path: Path) -> None:
    [vector] = [vector for vector in VECTORS if vector["name"].startswith("evaluate_audiences")]
    client, _ = client_on(tmp_path, vector)
    client.add_data("v1", CustomData("plan", "vip"), Geolocation("France"))

    client.evaluate_audiences("v1")

    assert sent(client) == vector["expected_lines"]


def test_two_visitors_go_out_in_one_body_each_with_its_user_agent_once(tmp_path: Path) -> None:
    [vector] = [vector for vector in VECTORS if vector["name"].startswith("two visitors")]
    client, _ = client_on(tmp_path, vector)
    client.add_data("v1", CustomData(1, "a"), UserAgent("UA1"))
    client.add_data("v2", CustomData(1, "b"), UserAgent("UA 2"), Conversion(3))

    client.flush("v2")
    client.flush("v1")

    assert sent(client) == vector["expected_lines"]


def test_every_vector_has_its_test() -> None:
    assert len(BY_STEPS) == len(VECTORS) - 2
