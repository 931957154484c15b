"""Forks and kills: what a child does of its own, and what survives a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from openfeature_kameleoon.flagship.api import FlagshipApi
from openfeature_kameleoon.flagship.bucketing_file import follow_bucketing
from openfeature_kameleoon.flagship.endpoints import Endpoints
from openfeature_kameleoon.flagship.records import VisitorIds
from openfeature_kameleoon.flagship.tracking import Tracker
from openfeature_kameleoon.transport.http import Http
from tests.chaos import ChaosServer, reply, wait_until
from tests.flagship.collector import ACTIVATE, HITS, FakeFlagship, Open, click, seen
from tests.flagship.examples import SOMEBODY
from tests.flagship.files import campaign, group, variation
from tests.process.children import FORKS, ends_well, forked, outcome_of

pytestmark = FORKS


@pytest.mark.parametrize("directory", [False, True])
def test_a_child_sends_its_own_and_the_parent_its_own(
    server: FakeFlagship, running: Open, tmp_path: Path, directory: bool
) -> None:
    tracker = running(directory=tmp_path if directory else None)
    tracker.track(click("parent before"), SOMEBODY)

    def work(child: str) -> None:
        tracker.track(click(child), SOMEBODY)
        tracker.activate(seen(child), SOMEBODY)
        tracker.stop(4.0)

    children = [forked(lambda name=name: work(name)) for name in ("first", "second")]  # type: ignore[misc]
    tracker.track(click("parent after"), SOMEBODY)

    assert [outcome_of(child) for child in children] == [0, 0]
    tracker.stop(10.0)
    assert server.labels() == Counter(["parent before", "parent after", "first", "second"])
    assert server.variations() == Counter(["first", "second"])


def test_a_childs_thread_sends_by_itself(server: FakeFlagship, running: Open) -> None:
    tracker = running(max_pool_size=1)

    def work() -> None:
        tracker.track(click("child"), SOMEBODY)
        wait_until(lambda: tracker.status().hits.delivered == 1, 4.0)

    assert ends_well(work)
    assert server.labels() == Counter(["child"])


def test_what_was_accepted_on_disk_survives_a_kill(server: FakeFlagship, running: Open, tmp_path: Path) -> None:
    for path in (HITS, ACTIVATE):
        server.break_down(path, reply(503))

    def work_until_killed(kill: int) -> None:
        api = FlagshipApi(Http(), "ENV_ID", "API_KEY", endpoints=server.endpoints)
        tracker = Tracker(api, directory=tmp_path, time_interval=0.01)
        tracker.start()
        for number in range(40):
            tracker.track(click(f"{kill}-{number}"), VisitorIds(f"v{number % 3}"))
            tracker.activate(seen(f"{kill}-{number}"), SOMEBODY)
        os.kill(os.getpid(), signal.SIGKILL)

    for kill in range(5):
        assert outcome_of(forked(lambda kill=kill: work_until_killed(kill))) == -signal.SIGKILL  # type: ignore[misc]
    for path in (HITS, ACTIVATE):
        server.break_down(path, None)

    tracker = running(directory=tmp_path)
    wait_until(lambda: tracker.flush(1.0))

    expected = Counter(f"{kill}-{number}" for kill in range(5) for number in range(40))
    assert (server.labels(), server.variations()) == (expected, expected)


def test_a_child_has_the_file_at_once_and_looks_for_others_by_itself() -> None:
    first, second = (
        json.dumps({"campaigns": [campaign("c", group("g", variation("v", {key: 1})))]}).encode() for key in "ab"
    )
    with ChaosServer(reply(200, first)) as server:
        live = follow_bucketing("ENV_ID", endpoints=Endpoints.of(server_url=server.url), interval=0.05)
        with contextlib.ExitStack() as ending:
            ending.callback(live.stop)
            assert live.start(5.0)

            def flags() -> set[str]:
                assert live.current is not None
                return set(live.current.flags)

            def work() -> None:
                assert flags() == {"a"}
                wait_until(lambda: flags() == {"b"}, 4.0)

            child = forked(work)
            server.answer_with(reply(200, second))

            assert outcome_of(child) == 0
