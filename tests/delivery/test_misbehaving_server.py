"""R2: the server fails in every way there is, and in the end it has seen every event that was accepted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.chaos import Answer, hangs, late, reply, resets, sends, then_hangs, wait_until
from tests.delivery.accounts import SITE, client_of, exposed, numbers, track, watched
from tests.kameleoon import EVENTS, FakeKameleoon, Fault

RATE = 0.3
VISITORS = 50

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
CREDENTIALS = {"client_id": "the-id", "client_secret": "the-secret"}

SAYS_NO: tuple[Answer, ...] = (
    *map(reply, (500, 502, 503, 504, 408, 401)),
    reply(429, headers={"Retry-After": "1"}),
    reply(503, headers={"Retry-After": "1"}),
    reply(302, headers={"Location": "/elsewhere"}),
)
BREAKS: tuple[Answer, ...] = (
    resets(),
    sends(b""),
    sends(HEAD[:20]),
    sends(HEAD + b"\r\n{"),
    sends(bytes(range(256))),
)


def faults(stall: float) -> list[Fault]:
    """Each way to fail with and without the events having been taken; ``stall``: longer than a client waits."""
    stalls = (late(stall, sends(b"")), then_hangs(sends(HEAD)))
    return [Fault(answer, takes) for answer in (*SAYS_NO, *BREAKS, *stalls) for takes in (False, True)]


def survive(settings: dict[str, Any], *, events: int, at_a_time: int, failures: int, timeout: float) -> None:
    """Track through failures, then with a server that is well; see that all came, and how often."""
    random = Random(7)
    with (
        FakeKameleoon(SITE) as server,
        client_of(server, default_timeout_millisecond=timeout * 1000, **settings) as client,
        watched(client.outbox),
    ):
        server.fail_at_random(EVENTS, faults(2 * timeout), rate=RATE, random=random)
        server.fail_connections_at_random([resets(), sends(b""), hangs()], rate=0.05, random=random)

        for first in range(0, events, at_a_time):
            track(client, range(first, first + at_a_time), visitors=VISITORS)
            client.flush(timeout=0.02)
        while server.faults < failures:  # there is always something to send: a flush tells that each visitor is there
            client.flush(timeout=0.02)
        server.fail_at_random(EVENTS, [], rate=0.0, random=random)
        server.fail_connections_at_random([], rate=0.0, random=random)
        wait_until(lambda: client.flush(timeout=0.2), 60)

        status = client.outbox.status()
        assert (status.delivered, status.pending, sum(status.dropped.values())) == (status.accepted, 0, 0)
        has_seen_all(server.lines, status.accepted, events)
        assert len(server.lines) - status.accepted <= sum(server.doubtful)
        assert len(server.doubtful) >= server.faults / 4


def has_seen_all(lines: Iterable[str], accepted: int, events: int) -> None:
    """Every event came, and wherever it came again it was the same line with the same nonce."""
    unique = set(lines)
    assert len(unique) == len({line[6:22] for line in unique}) == accepted
    assert sorted(numbers(unique)) == list(range(events))
    assert sorted(exposed(unique)) == sorted(f"visitor-{number}" for number in range(VISITORS))


def test_r2_a_misbehaving_server_sees_every_event_that_waited_in_memory() -> None:
    survive({}, events=2_000, at_a_time=20, failures=32, timeout=0.3)


def test_r2_a_misbehaving_server_sees_every_event_that_waited_on_disk(tmp_path: Path) -> None:
    survive({"tracking_directory": tmp_path, **CREDENTIALS}, events=2_000, at_a_time=20, failures=32, timeout=0.3)


@pytest.mark.soak
@pytest.mark.parametrize("is_on_disk", [False, True])
def test_r2_a_misbehaving_server_sees_every_one_of_100_000_events(tmp_path: Path, is_on_disk: bool) -> None:
    settings = {"tracking_directory": tmp_path, **CREDENTIALS} if is_on_disk else {}

    survive(settings, events=100_000, at_a_time=50, failures=400, timeout=1.0)
