"""R12: somebody sets the wall clock, and nothing happens: intervals and ages are the monotonic clock's."""

from __future__ import annotations

import pytest

from tests.clock import FakeClock
from tests.live import HOUR, Network, SimulatedStream, data, flags, listen, run, simulated, up

YEAR = 365 * 24 * HOUR
JUMPS = (HOUR, -HOUR, 10 * YEAR, -10 * YEAR)


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("is_watched", [False, True])
def test_r12_a_jump_of_the_wall_clock_brings_no_look_forward_and_puts_none_off(jump: float, is_watched: bool) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(1, a=1)))
    stream = SimulatedStream(clock)
    live = simulated(network, stream)
    events = listen(live)
    live.start(5.0)
    if is_watched:
        stream.open()
    run(live, clock, 0.5 * HOUR)

    ages = []

    def look() -> None:
        status = live.status()
        ages.extend([status.age_seconds or 0.0, status.stream.since_seconds])

    for _ in range(5):
        clock.jump(jump)
        network.requests.clear()
        run(live, clock, HOUR, look)
        assert len(network.requests) <= 2
        assert is_watched or network.requests

    assert min(ages) >= 0.0
    assert max(ages) <= 6 * HOUR
    assert events == []


@pytest.mark.parametrize("jump", JUMPS)
def test_r12_a_jump_of_the_wall_clock_delays_no_event(jump: float) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(1, a=1)))
    stream = SimulatedStream(clock)
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, 10.0)

    clock.jump(jump)
    network.answer = up(data(2, a=2))
    stream.tell(2)
    run(live, clock, 1.1)

    assert flags(live) == {"a": 2}
