"""The live bucketing file: how it is asked for, when it is ready, stale or changed, and what never replaces it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.datafile.events import Event, EventKind
from openfeature_kameleoon.datafile.freshness import State
from openfeature_kameleoon.datafile.live import LiveDataFile
from openfeature_kameleoon.errors import DataFileInvalid, KameleoonError, RequestFailed
from openfeature_kameleoon.flagship.bucketing_file import build, follow_bucketing
from openfeature_kameleoon.flagship.endpoints import Endpoints
from openfeature_kameleoon.flagship.engine.ruleset import Ruleset
from openfeature_kameleoon.flagship.engine.semantics import SERVER
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from tests.chaos import Answer, ChaosServer, hangs, reply, wait_until
from tests.clock import FakeClock
from tests.flagship.examples import example
from tests.flagship.files import bucketing, campaign, group, variation
from tests.live import run

THEN = "Fri, 05 Jun 2026 12:20:40 GMT"
LATER = "Fri, 05 Jun 2026 12:21:40 GMT"

Follow = Callable[..., LiveDataFile[Ruleset]]


def file_with(**flags: object) -> bytes:
    """A bucketing file with a campaign for each flag, all visitors getting its value."""
    campaigns = [
        campaign(f"c-{key}", group(f"g-{key}", variation(f"v-{key}", {key: value}))) for key, value in flags.items()
    ]
    return json.dumps({"campaigns": campaigns}).encode()


def file(raw: bytes, modified: str = THEN) -> Answer:
    return reply(200, raw, {"Last-Modified": modified} if modified else {})


FIRST, SECOND = file_with(a=1, b=True), file_with(a=2, b=True, c="new")


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer(file(FIRST)) as server:
        yield server


@pytest.fixture
def follow(server: ChaosServer) -> Iterator[Follow]:
    """Follows the file of the server, without threads unless that is asked for; stopped with the test."""
    made: list[LiveDataFile[Ruleset]] = []

    def one(**settings: Any) -> LiveDataFile[Ruleset]:
        endpoints = Endpoints.of(server_url=server.url)
        made.append(follow_bucketing("ENV_ID", **{"endpoints": endpoints, "threads": False, **settings}))
        return made[-1]

    yield one

    for live in made:
        live.stop()


def listened(live: LiveDataFile[Ruleset]) -> list[Event]:
    events: list[Event] = []
    live.add_listener(events.append)
    return events


def flags(live: LiveDataFile[Ruleset]) -> set[str]:
    assert live.current is not None
    return set(live.current.flags)


# How it is asked for --------------------------------------------------------------------------------------------------


def test_the_request_is_that_of_the_specification(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(file(FIRST, THEN), reply(304))
    live = follow()
    assert live.start(5.0)
    live.refresh()

    first, second = server.received
    assert (first.method, first.target) == ("GET", "/ENV_ID/bucketing.json")
    assert "if-modified-since" not in first.headers
    assert second.headers["if-modified-since"] == THEN
    for request in server.received:
        assert not [name for name in request.headers if name.startswith(("x-", "content-"))]
    assert flags(live) == {"a", "b"}


def test_a_file_without_a_date_is_used_and_asked_for_whole_again(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(file(FIRST, ""), file(SECOND, ""))
    live = follow()

    assert live.start(5.0)
    assert flags(live) == {"a", "b"}
    live.refresh()

    assert flags(live) == {"a", "b", "c"}
    assert "if-modified-since" not in server.received[1].headers


def test_the_specifications_file_is_used(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(file(json.dumps(bucketing()).encode()))

    live = follow(semantics=SERVER)

    assert live.start(5.0)
    assert live.current is not None
    assert live.current.semantics is SERVER
    assert "ctaColor" in flags(live)


def test_an_observer_is_told_of_downloads(follow: Follow) -> None:
    attempts: list[Attempt] = []

    assert follow(observe=attempts.append).start(5.0)

    assert [attempt.kind for attempt in attempts] == [RequestType.DATAFILE]


@pytest.mark.parametrize("interval", [0, -1, -0.5])
def test_without_an_interval_it_is_asked_for_until_it_came_and_no_more(
    follow: Follow, server: ChaosServer, interval: float
) -> None:
    clock = FakeClock()
    server.answer_with(reply(500), reply(500), file(FIRST))
    live = follow(interval=interval, clock=clock)
    assert not live.start(5.0)

    run(live, clock, 120.0)
    assert flags(live) == {"a", "b"}
    asked = len(server.received)
    run(live, clock, 365 * 86_400.0)

    assert len(server.received) == asked
    assert live.status().state is State.READY


def test_it_is_asked_for_at_every_interval(follow: Follow, server: ChaosServer) -> None:
    clock = FakeClock()
    live = follow(interval=60.0, clock=clock)
    assert live.start(5.0)

    run(live, clock, 3600.0)

    assert 55 <= len(server.received) <= 67


# When it is ready, stale, changed -------------------------------------------------------------------------------------


def test_ready_changed_and_stale_come_from_the_same_machine(follow: Follow, server: ChaosServer) -> None:
    live = follow(threads=True, interval=0.05)
    events = listened(live)
    assert live.start(5.0)
    assert live.status().state is State.READY

    server.answer_with(file(SECOND, LATER), reply(304))
    wait_until(lambda: events)
    assert (events[0].kind.value, set(events[0].changed)) == ("changed", {"a", "c"})

    server.answer_with(reply(503))
    wait_until(lambda: [event.kind.value for event in events] == ["changed", "stale"])
    assert flags(live) == {"a", "b", "c"}

    server.answer_with(reply(304))
    wait_until(lambda: [event.kind.value for event in events] == ["changed", "stale", "ready"])


def test_panic_turns_every_flag_off_and_its_end_on(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(file(FIRST), file(b'{"panic": true}', LATER), file(FIRST, THEN))
    live = follow()
    events = listened(live)
    live.start(5.0)

    live.refresh()
    assert live.current is not None
    assert live.current.panic
    live.refresh()

    assert not live.current.panic
    assert [set(event.changed) for event in events if event.kind is EventKind.CHANGED] == [{"a", "b"}, {"a", "b"}]


def test_a_refusal_says_what_to_look_at(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(reply(404))
    live = follow()

    assert not live.start(5.0)

    status = live.status()
    assert (status.state, status.is_fatal) == (State.ERROR, True)
    assert status.last_error.endswith("404: the server knows no such data file; check the environment id")


def test_a_start_that_hangs_ends_in_time_and_goes_on_in_the_background(follow: Follow, server: ChaosServer) -> None:
    server.answer_with(hangs(), hangs(), file(FIRST))
    live = follow(threads=True, timeout=0.2)

    assert not live.start(0.1)

    wait_until(lambda: live.current is not None)


# What never replaces it -----------------------------------------------------------------------------------------------

BAD: dict[str, Answer] = {
    "an empty object": reply(200, b"{}"),
    "an error in JSON": reply(200, b'{"message": "environment not found"}'),
    "a list": reply(200, b"[]"),
    "null": reply(200, b"null"),
    "nothing": reply(200, b""),
    "HTML": reply(200, b"<html></html>", {"Content-Type": "text/html"}),
    "HTML that says it is JSON": reply(200, b"<html></html>"),
    "campaigns that are no list": reply(200, b'{"campaigns": {}}'),
    "a cut file": reply(200, FIRST[:-10]),
    "no content": reply(204),
    "a part": reply(206, FIRST),
    "a refusal": reply(403, b'{"campaigns": []}'),
    "a failure": reply(500, FIRST),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_answer_changes_nothing(follow: Follow, server: ChaosServer, tmp_path: Path, bad: str) -> None:
    live = follow(cache_directory=tmp_path)
    live.start(5.0)
    before, saved = live.current, {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    server.answer_with(BAD[bad])
    with pytest.raises((DataFileInvalid, RequestFailed)):
        live.refresh()

    assert live.current is before
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == saved


def test_one_bad_campaign_costs_only_itself(follow: Follow, server: ChaosServer) -> None:
    document = json.loads(FIRST)
    del document["campaigns"][0]["variationGroups"]
    server.answer_with(file(json.dumps(document).encode()))
    live = follow()

    assert live.start(5.0)

    assert flags(live) == {"b"}
    assert live.current is not None
    assert live.current.problems


def test_an_older_file_than_the_one_in_use_is_refused(follow: Follow, server: ChaosServer) -> None:
    dated = [json.dumps({**json.loads(FIRST), "generatedAt": f"2026-06-0{day}T00:00:00Z"}).encode() for day in (5, 4)]
    server.answer_with(*map(file, dated))
    live = follow()
    live.start(5.0)

    with pytest.raises(DataFileInvalid, match="it is older"):
        live.refresh()


@pytest.mark.parametrize("raw", [b'{"campaigns": []}', b'{"panic": false}', b'{"panic": false, "campaigns": null}'])
def test_a_file_may_be_without_campaigns_as_long_as_it_says_so(raw: bytes) -> None:
    ruleset, changed = build(raw, build(FIRST, None)[0])

    assert ruleset.campaigns == ()
    assert set(changed) == {"a", "b"}


# On disk --------------------------------------------------------------------------------------------------------------


def test_the_last_one_serves_a_start_without_a_network(follow: Follow, server: ChaosServer, tmp_path: Path) -> None:
    assert follow(cache_directory=tmp_path).start(5.0)
    server.answer_with(reply(503), reply(503), reply(304))

    live = follow(cache_directory=tmp_path, interval=3600.0)
    assert live.start(5.0)
    assert (live.status().state, live.status().origin, flags(live)) == (State.STALE, "cache", {"a", "b"})
    live.refresh()

    assert live.status().state is State.READY
    assert server.received[-1].headers["if-modified-since"] == THEN


def test_the_copy_is_that_of_one_environment(follow: Follow, server: ChaosServer, tmp_path: Path) -> None:
    assert follow(cache_directory=tmp_path).start(5.0)
    server.answer_with(reply(503))
    other = follow_bucketing(
        "OTHER", endpoints=Endpoints.of(server_url=server.url), cache_directory=tmp_path, threads=False
    )

    assert not other.start(5.0)
    other.stop()


def test_a_file_on_disk_needs_no_network(follow: Follow, server: ChaosServer, tmp_path: Path) -> None:
    path = tmp_path / "bucketing.json"
    path.write_bytes(FIRST)
    live = follow(file=path)
    assert live.start(5.0)

    path.write_bytes(SECOND)
    live.refresh()

    assert flags(live) == {"a", "b", "c"}
    assert server.received == []


@pytest.mark.parametrize("name", ["decisionFile30", "decisionFile11"])
def test_a_copy_that_flagships_own_sdk_left_is_a_file(follow: Follow, tmp_path: Path, name: str) -> None:
    copy = dict(example("cache")[name])
    copy["data" if "data" in copy else "content"] = json.loads(FIRST)
    path = tmp_path / ".ENV_ID.decision"
    path.write_text(json.dumps(copy))
    live = follow(file=path)

    assert live.start(5.0)

    assert flags(live) == {"a", "b"}


@pytest.mark.parametrize(
    "text", ['{"last_modified": "x"}', '{"last_modified": 5, "data": {}}', '{"last_modified": "x", "data"']
)
def test_what_only_looks_like_such_a_copy_is_refused(follow: Follow, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bucketing.json"
    path.write_text(text)
    live = follow(file=path)

    assert not live.start(5.0)
    with pytest.raises(KameleoonError):
        live.refresh()
