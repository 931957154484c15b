"""What is set up to follow a site's data file: above all, whether updates come in real time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClientConfiguration
from openfeature_kameleoon.clock import SYSTEM_CLOCK
from openfeature_kameleoon.datafile.freshness import NO_STREAM, StreamState
from openfeature_kameleoon.datafile.live import LiveDataFile
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.following import follow
from tests.chaos import wait_until
from tests.faces import Json, flag, site
from tests.kameleoon import DATA_FILE, SSE, FakeKameleoon
from tests.vectors import as_bytes

LIVE, PLAIN = (site(flag("f"), configuration={"realTimeUpdate": is_live}) for is_live in (True, False))


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    server = FakeKameleoon()
    with server:
        yield server


@pytest.fixture
def followed() -> Iterator[list[LiveDataFile[Ruleset]]]:
    """Live data files to stop when the test is over."""
    followed: list[LiveDataFile[Ruleset]] = []

    yield followed

    for live in followed:
        live.stop()


def begun(
    followed: list[LiveDataFile[Ruleset]], server: FakeKameleoon, content: Json, **settings: Any
) -> LiveDataFile[Ruleset]:
    server.publish(content)
    configuration = KameleoonClientConfiguration(**settings)
    live = follow("site/1", configuration, server.endpoints, SYSTEM_CLOCK)
    followed.append(live)
    assert live.start(5.0)
    return live


@pytest.mark.parametrize(
    ("content", "setting", "is_streamed"),
    [
        (LIVE, None, True),
        (PLAIN, None, False),
        (site(flag("f")), None, False),
        (PLAIN, True, True),
        (LIVE, True, True),
        (LIVE, False, False),
    ],
)
def test_the_data_file_decides_on_real_time_updates_unless_the_setting_does(
    server: FakeKameleoon,
    followed: list[LiveDataFile[Ruleset]],
    content: Json,
    setting: bool | None,
    is_streamed: bool,
) -> None:
    live = begun(followed, server, content, real_time_update=setting)

    if not is_streamed:
        assert live.status().stream.state is StreamState.OFF
        assert "kameleoon-stream" not in [thread.name for thread in threading.enumerate()]
        return
    wait_until(lambda: live.status().stream.state is StreamState.OPEN)
    (request,) = server.requests(SSE)
    assert request.target == "/sse?siteCode=site%2F1"


@pytest.mark.parametrize(("setting", "is_streamed"), [(None, False), (True, True), (False, False)])
def test_at_another_address_than_kameleoons_the_setting_alone_decides(
    server: FakeKameleoon, followed: list[LiveDataFile[Ruleset]], setting: bool | None, is_streamed: bool
) -> None:
    live = begun(followed, server, LIVE, real_time_update=setting, data_file=f"{server.url}/v3/elsewhere")

    assert (live.status().stream is not NO_STREAM) is is_streamed


def test_without_threads_and_for_a_file_on_disk_there_are_no_real_time_updates(
    server: FakeKameleoon, followed: list[LiveDataFile[Ruleset]], tmp_path: Path
) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(as_bytes(LIVE))

    for settings in ({"multi_threading": False}, {"data_file": path}):
        live = begun(followed, server, LIVE, real_time_update=True, **settings)
        assert live.status().stream is NO_STREAM

    assert server.requests(SSE) == []


def test_an_edit_is_in_use_by_its_exact_keys_a_moment_after_its_event(
    server: FakeKameleoon, followed: list[LiveDataFile[Ruleset]]
) -> None:
    live = begun(followed, server, site(flag("a"), flag("b"), configuration={"realTimeUpdate": True}))
    changed: list[tuple[str, ...]] = []
    live.add_listener(lambda event: changed.append(event.changed))
    server.wait_for_requests(DATA_FILE, 2)
    wait_until(lambda: live.status().stream.state is StreamState.OPEN)

    edited = site(flag("a"), flag("b", defaultVariationKey="on"), flag("c"), configuration={"realTimeUpdate": True})
    server.publish(edited, announce=1_790_000_000_000)

    wait_until(lambda: changed)
    assert sorted(changed[0]) == ["b", "c"]
    assert server.requests(DATA_FILE)[-1].target == "/v3/site%2F1?ts=1790000000000"
