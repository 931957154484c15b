"""R11: two hundred clients hear of the same thing at once, and the servers do not feel it."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

import pytest

from openfeature_kameleoon.datafile.streaming import Reconnects
from tests.clock import FakeClock
from tests.live import HOUR, Network, SimulatedStream, data, simulated, up

CLIENTS = 200


class Fleet:
    """Clients on one simulated time line, with their own chance; their streams have been open for an hour."""

    def __init__(self, seed: int) -> None:
        self.clock = FakeClock(monotonic=0.0)
        self.network = Network(self.clock, up(data(1, a=1)))
        self.streams = [SimulatedStream(self.clock) for _ in range(CLIENTS)]
        self.clients = [
            simulated(self.network, stream, seed=1000 * seed + 2 * number) for number, stream in enumerate(self.streams)
        ]
        self.reconnects = [Reconnects(Random(1000 * seed + number), self.clock) for number in range(CLIENTS)]
        for number, client in enumerate(self.clients):
            client.start(5.0)
            self._open(number)
        self.run(HOUR)
        self.network.requests.clear()
        self.connections: list[float] = []

    def run(self, seconds: float, *, down_until: float = 0.0, reconnecting: bool = False) -> None:
        """Let so much time pass; ``reconnecting``: all streams are lost now, and the server is back at a moment."""
        end = self.clock.monotonic() + seconds
        due: list[tuple[float, int, bool]] = []
        for number in range(CLIENTS):
            heappush(due, (self.clock.monotonic() + self.clients[number].step(), number, False))
            if reconnecting:
                heappush(due, (self.clock.monotonic() + self.reconnects[number].wait_seconds(), number, True))
        while due and due[0][0] <= end:
            at, number, connects = heappop(due)
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            if connects and at < down_until:
                heappush(due, (at + self.reconnects[number].wait_seconds(), number, True))
                continue
            if connects:
                self.connections.append(at)
                self._open(number)
            heappush(due, (at + max(self.clients[number].step(), 0.001), number, False))
        self.clock.advance(end - self.clock.monotonic())

    def _open(self, number: int) -> None:
        self.streams[number].open()
        self.reconnects[number].opened()


def busiest(moments: list[float], seconds: float) -> float:
    """The largest share of them that any window of so many seconds holds."""
    moments = sorted(moments)
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most / len(moments)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("down_seconds", [0.0, 1.0, 5.0, 20.0, 600.0])
def test_r11_after_a_restart_of_the_servers_no_second_has_more_than_a_quarter_of_the_requests(
    down_seconds: float, seed: int
) -> None:
    fleet = Fleet(seed)
    for stream in fleet.streams:
        stream.drop()
    restarted = fleet.clock.monotonic() + down_seconds

    fleet.run(down_seconds + 120.0, down_until=restarted, reconnecting=True)

    looks = [at for at in fleet.network.requests if at >= restarted]
    assert len(fleet.connections) == CLIENTS
    assert CLIENTS <= len(looks) <= 1.1 * CLIENTS  # one for each that is back; some were due anyway
    assert busiest(fleet.connections, 1.0) <= 0.25
    assert busiest(looks, 1.0) <= 0.25
    assert max(fleet.connections) - restarted <= 60.0


@pytest.mark.parametrize("seed", range(3))
def test_r11_after_an_event_a_fleet_is_spread_over_the_second_it_has(seed: int) -> None:
    """R10 wants changes visible within a second, so that second holds every request: its tenths are what is even."""
    fleet = Fleet(seed)
    for stream in fleet.streams:
        stream.tell(2)
    fleet.network.answer = up(data(2, a=2))
    told = fleet.clock.monotonic()

    fleet.run(60.0)

    assert len(fleet.network.requests) == CLIENTS
    assert max(fleet.network.requests) - told <= 1.0
    assert busiest(fleet.network.requests, 0.1) <= 0.25


@pytest.mark.parametrize("seed", range(3))
def test_r11_polling_that_takes_over_is_spread_over_the_interval(seed: int) -> None:
    fleet = Fleet(seed)
    for stream in fleet.streams:
        stream.drop()

    fleet.run(1.2 * HOUR)

    assert busiest(fleet.network.requests, 60.0) <= 0.1
