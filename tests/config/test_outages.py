"""R6: the data file's server is down for a day, and nobody notices by an answer."""

from __future__ import annotations

from random import Random

import pytest

from openfeature_kameleoon.datafile.freshness import State
from openfeature_kameleoon.datafile.streaming import Reconnects
from tests.clock import FakeClock
from tests.live import HOUR, Network, SimulatedStream, data, down, flags, run, simulated, up


@pytest.mark.parametrize("has_stream", [True, False])
@pytest.mark.parametrize("interval", [60.0, 600.0, HOUR])
def test_r6_an_outage_of_a_day_changes_no_answer(has_stream: bool, interval: float) -> None:
    clock = FakeClock()
    network = Network(clock, up(data(1, a=1)))
    stream = SimulatedStream(clock) if has_stream else None
    live = simulated(network, stream, interval=interval)
    told: list[tuple[float, str]] = []
    live.add_listener(lambda event: told.append((clock.monotonic(), event.kind.value)))
    assert live.start(5.0)
    if stream is not None:
        stream.open()
    run(live, clock, 20 * interval, look=lambda: live.status().state is State.READY or pytest.fail("not fresh"))
    confirmed = clock.monotonic() - (live.status().age_seconds or 0.0)

    network.answer = down
    if stream is not None:
        stream.drop()
    run(live, clock, 24 * HOUR, look=lambda: flags(live) == {"a": 1} or pytest.fail("the answer changed"))
    network.answer = up(data(2, a=2))
    back = clock.monotonic()
    run(live, clock, 61.0)

    (stale_at, stale), (ready_at, ready), (_, changed) = told
    assert (stale, ready, changed) == ("stale", "ready", "changed")
    assert stale_at - confirmed == pytest.approx(1.5 * interval, abs=1.0)
    assert ready_at - back <= min(60.0, interval)
    assert flags(live) == {"a": 2}


def test_r6_a_stream_that_is_back_shows_what_changed_at_once() -> None:
    clock = FakeClock()
    network = Network(clock, up(data(1, a=1)))
    stream = SimulatedStream(clock)
    live = simulated(network, stream)
    live.start(5.0)
    stream.open()
    run(live, clock, HOUR)
    reconnects = Reconnects(Random(7), clock)
    reconnects.opened()

    stream.drop()
    network.answer = up(data(2, a=2))
    outage_until = clock.monotonic() + 24 * HOUR
    while clock.monotonic() < outage_until:
        network.answer = down
        run(live, clock, reconnects.wait_seconds())
    network.answer = up(data(2, a=2))
    stream.open()
    run(live, clock, 1.0)

    assert clock.monotonic() - outage_until <= 61.0
    assert flags(live) == {"a": 2}
    assert live.status().state is State.READY
