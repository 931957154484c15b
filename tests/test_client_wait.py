"""Waiting for the first data file, with and without an event loop (specs/kameleoon-sdk.md 10.5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from tests.chaos import hangs, reply, wait_until
from tests.faces import flag, rule, site, threads
from tests.kameleoon import DATA_FILE, FakeKameleoon

FLAGS = site(flag("f", rule(1, ("on", 1))))


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS) as kameleoon:
        yield kameleoon


def client_on(kameleoon: FakeKameleoon, **settings: Any) -> KameleoonClient:
    configuration = KameleoonClientConfiguration(**settings)
    return KameleoonClient("site", configuration_object=configuration, endpoints=kameleoon.endpoints)


def wait(client: KameleoonClient, is_async: bool, *arguments: float | None) -> bool:
    return asyncio.run(client.wait_init_async(*arguments)) if is_async else client.wait_init(*arguments)


in_both_forms = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
with_and_without_threads = pytest.mark.parametrize("multi_threading", [True, False], ids=["threads", "no threads"])


@in_both_forms
@with_and_without_threads
def test_it_is_true_once_there_is_a_data_file(kameleoon: FakeKameleoon, is_async: bool, multi_threading: bool) -> None:
    with client_on(kameleoon, multi_threading=multi_threading) as client:
        assert wait(client, is_async)
        assert wait(client, is_async, 0)
        assert client.is_ready()


@in_both_forms
@with_and_without_threads
@pytest.mark.parametrize(("given", "default"), [(50, 60_000), (None, 50), (-1, 50)])
def test_it_is_false_when_nothing_came_in_time(
    kameleoon: FakeKameleoon, is_async: bool, multi_threading: bool, given: float | None, default: float
) -> None:
    kameleoon.break_down(DATA_FILE, hangs())
    with client_on(kameleoon, multi_threading=multi_threading, default_timeout_millisecond=default) as client:
        started = time.monotonic()

        assert not wait(client, is_async, given)

        assert time.monotonic() - started < 5


@in_both_forms
def test_zero_only_looks(kameleoon: FakeKameleoon, is_async: bool) -> None:
    kameleoon.break_down(DATA_FILE, hangs())
    with client_on(kameleoon) as client:
        started = time.monotonic()

        assert not wait(client, is_async, 0)

        assert time.monotonic() - started < 2


@in_both_forms
def test_a_later_data_file_makes_it_true(kameleoon: FakeKameleoon, is_async: bool) -> None:
    kameleoon.fail(DATA_FILE, reply(500))
    with client_on(kameleoon, refresh_interval_minute=0.001) as client:
        wait(client, is_async, 20)

        wait_until(client.is_ready)

        assert wait(client, is_async, 0)


def test_very_many_may_wait_beside_the_loop(kameleoon: FakeKameleoon) -> None:
    kameleoon.break_down(DATA_FILE, hangs())

    async def main(client: KameleoonClient) -> list[bool]:
        waiting = asyncio.gather(*(client.wait_init_async(300) for _ in range(200)))
        return await asyncio.wait_for(waiting, 5)

    with client_on(kameleoon) as client:
        assert asyncio.run(main(client)) == [False] * 200
    wait_until(lambda: threads() == [])


def test_who_stops_waiting_ends_nothing(kameleoon: FakeKameleoon) -> None:
    kameleoon.fail(DATA_FILE, reply(500))

    async def main(client: KameleoonClient) -> bool:
        waiting = asyncio.create_task(client.wait_init_async(60_000))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await client.wait_init_async(5_000)

    with client_on(kameleoon, refresh_interval_minute=0.001) as client:
        assert asyncio.run(main(client))
