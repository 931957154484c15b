"""Several instances behind a balancer: one set of overrides, one timestamp for it, whatever becomes of Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice
from typing import Any

import pytest

from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.visitors.data import CustomData
from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.redis_server import RedisServer, redis_server
from tests.server.fleet import FLAGS, SITE, Instance, dated, instance, serve_process, written

__all__ = ["redis_server"]

ON = Override(variation="on")
OFF = Override(enabled=False)


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS.read_bytes()) as kameleoon:
        yield kameleoon


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """The server of all tests, empty."""
    redis_server.run("FLUSHALL")
    return redis_server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One to be harmed."""
    server = RedisServer()

    yield server

    server.close()


@pytest.fixture
def two(kameleoon: FakeKameleoon, redis: RedisServer) -> Iterator[tuple[Instance, Instance]]:
    with instance(kameleoon.url, redis.url) as one, instance(kameleoon.url, redis.url) as other:
        wait_until(lambda: are_same(one, other))
        yield one, other


def are_same(*instances: Instance) -> bool:
    """Whether the same is served by all, to the last byte, under the same date; and all have heard of Redis."""
    first, *others = [each.site.served for each in instances]
    settled = all(each.sharing is not None and each.sharing.is_up for each in instances)
    return first is not None and settled and all(other == first for other in others)


def have_changed(count: int, *instances: Instance) -> bool:
    return [each.site.revision for each in instances] == [count] * len(instances)


def overrides(*instances: Instance) -> list[set[str]]:
    return [set(each.site.overrides) for each in instances]


def test_an_override_is_served_by_all_under_the_same_date(two: tuple[Instance, Instance]) -> None:
    one, other = two
    before = one.data_file()

    one.site.override("new_checkout", ON)
    wait_until(lambda: other.site.overrides == {"new_checkout": ON} and are_same(*two))

    here, there = one.data_file(), other.data_file()
    assert here.body == there.body != before.body
    assert here.headers["last-modified"] == there.headers["last-modified"] != before.headers["last-modified"]
    assert json.loads(here.body)["dateModified"] == 1_790_000_000_001

    other.site.reset("new_checkout")
    wait_until(lambda: not one.site.overrides and are_same(*two))
    assert json.loads(one.data_file().body)["dateModified"] == 1_790_000_000_002


def test_an_sdk_that_is_balanced_between_instances_gets_each_version_once(
    two: tuple[Instance, Instance], kameleoon: FakeKameleoon
) -> None:
    since, changes = "", []

    def ask_everybody() -> None:
        nonlocal since
        for each in islice(cycle(two), 6):
            answer = each.data_file(since or None)
            if answer.status == 200:
                since = answer.headers["last-modified"]
                changes.append(json.loads(answer.body)["dateModified"])

    ask_everybody()
    for number, each in enumerate(two * 2):
        each.site.override("new_checkout", ON if number % 2 else OFF)
        wait_until(partial(have_changed, number + 1, *two))
        ask_everybody()
    kameleoon.publish(dated(1_790_000_000_001))
    for each in two:
        each.relay.live.refresh()
    wait_until(lambda: are_same(*two))
    ask_everybody()

    assert changes == [1_790_000_000_000 + number for number in range(6)]


def test_what_two_have_overridden_at_once_is_overridden_by_both(two: tuple[Instance, Instance]) -> None:
    one, other = two

    for flag in ("new_checkout", "search", "welcome_text"):
        one.site.override(flag, OFF)
    other.site.override("black_friday", OFF)
    other.site.override("search", Override(enabled=True))
    wait_until(lambda: one.site.revision == 5 and are_same(*two))

    assert overrides(*two) == [{"new_checkout", "search", "welcome_text", "black_friday"}] * 2
    assert one.site.overrides["search"] == other.site.overrides["search"]


def test_who_comes_later_serves_the_same(
    two: tuple[Instance, Instance], kameleoon: FakeKameleoon, redis: RedisServer
) -> None:
    two[0].site.override("new_checkout", ON)
    two[0].site.override("search", OFF)
    wait_until(lambda: two[1].site.revision == 2)

    with instance(kameleoon.url, redis.url) as third:
        wait_until(lambda: are_same(*two, third))
        assert third.ask("/readyz").status == 200


def test_a_data_file_that_another_has_announced_is_waited_for(two: tuple[Instance, Instance]) -> None:
    one, other = two
    assert other.sharing is not None
    with other.site._changing:  # it hears of nothing for a while
        one.site.override("new_checkout", ON)
        assert one.site.served is not None
        announced = one.site.served.timestamp
        behind = other.data_file(one.data_file().headers["last-modified"])
        assert behind.status == 304  # not an older one than the SDK has

    answer = other.data_file(query=f"?ts={announced}")

    assert json.loads(answer.body)["dateModified"] == announced


def test_a_timestamp_that_nobody_has_announced_holds_an_sdk_up_for_a_moment_only(
    two: tuple[Instance, Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openfeature_kameleoon.server.kameleoon.CATCH_UP_SECONDS", 0.1)

    assert two[0].data_file(query=f"?ts={'9' * 300}").status == 200
    assert two[0].data_file(query="?ts=never").status == 200


def test_visitors_are_shared(two: tuple[Instance, Instance]) -> None:
    one, other = two

    one.site.client.add_data("somebody", CustomData(0, "pro"))

    def knows(each: Instance) -> bool:
        return each.site.client.get_variation("somebody", "new_checkout", track=False).key == "on"

    wait_until(lambda: knows(other))
    assert other.site.client.get_variation("somebody else", "new_checkout", track=False).key == "off"


def test_each_goes_on_alone_without_redis_and_all_together_with_it(
    kameleoon: FakeKameleoon, own_redis: RedisServer
) -> None:
    with instance(kameleoon.url, own_redis.url) as one, instance(kameleoon.url, own_redis.url) as other:
        wait_until(lambda: are_same(one, other))
        one.site.override("new_checkout", ON)
        wait_until(lambda: other.site.revision == 1)
        own_redis.kill()
        one.site.override("search", OFF)
        other.site.override("black_friday", OFF)
        assert overrides(one, other) == [{"new_checkout", "search"}, {"new_checkout", "black_friday"}]
        wait_until(lambda: json.loads(one.ask("/readyz").body)["redis"] == "away")
        assert one.ask("/readyz").status == 200

        own_redis.start()  # it has lost everything
        wait_until(lambda: one.site.revision >= 3 and are_same(one, other))

        assert overrides(one, other) == [{"new_checkout", "search", "black_friday"}] * 2


def test_a_redis_that_hangs_holds_nobody_up(kameleoon: FakeKameleoon, own_redis: RedisServer) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(instance(kameleoon.url, own_redis.url))
        wait_until(lambda: are_same(one))
        own_redis.freeze()
        stack.callback(own_redis.thaw)

        one.site.override("search", OFF)

        assert one.data_file().status == 200
        assert overrides(one) == [{"search"}]


def test_without_redis_from_the_start_it_is_ready_after_a_while(
    kameleoon: FakeKameleoon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instance(kameleoon.url, "redis://127.0.0.1:9") as alone:
        assert json.loads(alone.ask("/readyz").body) == {
            "status": "waiting for Redis",
            "upstream": "up",
            "redis": "away",
        }
        monkeypatch.setattr("openfeature_kameleoon.server.sharing.SETTLE_SECONDS", 0.0)
        assert alone.ask("/readyz").status == 200


def test_what_is_no_override_in_redis_is_left_out(two: tuple[Instance, Instance], redis: RedisServer) -> None:
    one, other = two
    one.site.override("search", OFF)
    wait_until(lambda: other.site.revision == 1)
    [key] = redis.run("KEYS", "*overrides")
    for number, value in enumerate((b"{", b'{"variation": 1}', b'{"unknown": 1}')):
        redis.run("HSET", key, f"flag:new_checkout{number or ''}", value)

    one.site.override("black_friday", OFF)
    wait_until(lambda: other.site.revision == 2 and are_same(one, other))

    assert overrides(*two) == [{"search", "black_friday"}] * 2


def test_two_processes_with_the_command_line_serve_the_same(
    kameleoon: FakeKameleoon, redis: RedisServer, tmp_path: Any
) -> None:
    path = written(tmp_path, server_url=kameleoon.url)
    surroundings = {"KAMELEOON_REDIS_URL": redis.url}
    options = ("--site-code", SITE, "--config", str(path))
    with ExitStack() as stack:
        one, other = (stack.enter_context(serve_process(*options, environment=surroundings)) for _ in range(2))
        mine = stack.enter_context(instance(kameleoon.url, redis.url))
        mine.site.override("new_checkout", ON)

        def served() -> set[tuple[bytes, str]]:
            answers = [Instance.data_file(Instance(mine.site, mine.relay, None, each)) for each in (one, other)]
            return {(answer.body, answer.headers.get("last-modified", "")) for answer in (*answers, mine.data_file())}

        wait_until(lambda: len(served()) == 1 and b'"overridden":true' in next(iter(served()))[0])
