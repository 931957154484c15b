"""Caches of visitors and hits: each kind keeps the same records, and the SDK uses them as 3.x does (1.14, 1.15)."""

from __future__ import annotations

import asyncio
import inspect
import json
import sqlite3
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.flagship import (
    CacheManager,
    CacheStrategy,
    ClosingStrategy,
    Flagship,
    HitCacheImplementation,
    MemoryCacheManager,
    RedisCacheManager,
    Screen,
    SqliteCacheManager,
    Visitor,
    VisitorCacheImplementation,
    environment,
)
from openfeature_kameleoon.flagship.errors import InitializationError
from tests.chaos import reply, wait_until
from tests.flagship.examples import example
from tests.flagship.vendor import Vendor, as_json, decided, rare, start, start_bucketing
from tests.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

Json = dict[str, Any]
Caching = SqliteCacheManager | MemoryCacheManager | RedisCacheManager

VISITOR = example("cache")["visitorCache30"]
HITS = example("cache")["hitCache30"]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Caching]:
    """Makes managers that keep things in one place, except in memory: there is one."""
    if request.param == "memory":
        only = MemoryCacheManager(timeout=5000)
        return lambda: only
    if request.param == "sqlite":
        return lambda: SqliteCacheManager(str(tmp_path / "cache"), timeout=5000)
    server: RedisServer = request.getfixturevalue("redis_server")
    server.run("FLUSHALL")
    return lambda: RedisCacheManager(server.url, timeout=5000)


def done(result: Any) -> Any:
    """What a method gives, coroutine or not."""
    return asyncio.run(result) if inspect.iscoroutine(result) else result


# --- each kind keeps records ----------------------------------------------------------------------------------


def test_a_visitor_is_kept_replaced_and_forgotten(make: Callable[[], Caching]) -> None:
    cache = make()
    cache.open_database("ENV_ID")

    assert done(cache.lookup_visitor("v1")) is None
    done(cache.cache_visitor("v1", {"version": 0, "data": {}}))
    done(cache.cache_visitor("v1", VISITOR))
    assert done(cache.lookup_visitor("v1")) == VISITOR
    assert done(cache.lookup_visitor("v2")) is None
    done(cache.flush_visitor("v1"))
    assert done(cache.lookup_visitor("v1")) is None
    cache.close_database()


def test_hits_are_kept_and_forgotten_one_by_one_or_all(make: Callable[[], Caching]) -> None:
    cache = make()
    cache.open_database("ENV_ID")
    first, second = HITS

    assert done(cache.lookup_hits()) == {}
    done(cache.cache_hits(HITS))
    done(cache.cache_hits(HITS))
    assert done(cache.lookup_hits()) == HITS
    done(cache.flush_hits([first, "no such hit"]))
    assert done(cache.lookup_hits()) == {second: HITS[second]}
    done(cache.flush_all_hits())
    assert done(cache.lookup_hits()) == {}
    done(cache.cache_hits({}))
    done(cache.flush_hits([]))
    cache.close_database()


def test_environments_share_nothing(make: Callable[[], Caching]) -> None:
    first, second = make(), make()
    first.open_database("first")
    done(first.cache_visitor("v1", VISITOR))
    done(first.cache_hits(HITS))
    second.open_database("second")

    assert done(second.lookup_visitor("v1")) is None
    assert done(second.lookup_hits()) == {}

    first.close_database()
    second.close_database()


def test_what_is_kept_survives_its_manager(make: Callable[[], Caching]) -> None:
    first = make()
    first.open_database("ENV_ID")
    done(first.cache_visitor("v1", VISITOR))
    done(first.cache_hits(HITS))
    first.close_database()

    second = make()
    second.open_database("ENV_ID")

    assert done(second.lookup_visitor("v1")) == VISITOR
    assert done(second.lookup_hits()) == HITS
    second.close_database()


@pytest.mark.parametrize("visitor_id", ["user_#1234", "ä€😀", "a" * 500, "../../etc", "x\0y", "'; DROP TABLE VISITORS"])
def test_any_id_may_be_kept(make: Callable[[], Caching], visitor_id: str) -> None:
    cache = make()
    cache.open_database("../ENV/ID")

    done(cache.cache_visitor(visitor_id, VISITOR))

    assert done(cache.lookup_visitor(visitor_id)) == VISITOR
    cache.close_database()


@pytest.mark.parametrize("wrong", [None, "soon", 0, -1, True])
def test_a_time_out_of_a_wrong_kind_is_the_default(wrong: Any) -> None:
    assert MemoryCacheManager(wrong).timeout == 100


def test_the_oldest_in_memory_go_first() -> None:
    cache = MemoryCacheManager(most_visitors=2, most_hits=1)
    cache.open_database("ENV_ID")

    for name in ("v1", "v2"):
        done(cache.cache_visitor(name, VISITOR))
    done(cache.lookup_visitor("v1"))
    done(cache.cache_visitor("v3", VISITOR))
    cache.cache_hits(HITS)

    assert done(cache.lookup_visitor("v2")) is None
    assert done(cache.lookup_visitor("v1")) == VISITOR
    assert list(done(cache.lookup_hits())) == [list(HITS)[-1]]


def test_the_file_of_sqlite_has_the_documented_tables(tmp_path: Path) -> None:
    cache = SqliteCacheManager(str(tmp_path / "cache"))
    cache.open_database("ENV_ID")
    done(cache.cache_visitor("v1", VISITOR))
    cache.cache_hits(HITS)

    path = tmp_path / "cache" / "ENV_ID-cache.db"
    assert cache.path == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as database:
        columns = {
            table: [row[1:3] for row in database.execute(f"PRAGMA table_info({table})")]
            for table in ("VISITORS", "HITS", "DB_INFO")
        }
        (visitor,) = database.execute("SELECT visitor_id, data, last_update FROM VISITORS")
        hits = {hit_id: (owner, json.loads(text)) for hit_id, owner, text in database.execute("SELECT * FROM HITS")}
        (info,) = database.execute("SELECT version FROM DB_INFO")
    assert columns["VISITORS"] == [("visitor_id", "TEXT"), ("data", "TEXT"), ("last_update", "INTEGER")]
    assert columns["HITS"] == [("id", "TEXT"), ("visitor_id", "TEXT"), ("data", "TEXT")]
    assert [name for name, _ in columns["DB_INFO"]] == ["id", "creation_date", "version"]
    assert (visitor[0], json.loads(visitor[1])) == ("v1", VISITOR)
    assert visitor[2] > 1_600_000_000_000
    assert hits == {hit_id: ("v1", hit) for hit_id, hit in HITS.items()}
    assert info == (1,)
    cache.close_database()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_closed_cache_refuses(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cache: Caching = SqliteCacheManager(str(tmp_path))
    if kind == "redis":
        cache = RedisCacheManager(request.getfixturevalue("redis_server").url)

    with pytest.raises(InitializationError, match="open_database"):
        done(cache.lookup_visitor("v1"))


def test_a_url_that_is_none_of_redis_is_refused() -> None:
    with pytest.raises(ConfigSettingInvalid, match="redis_url"):
        RedisCacheManager("http://:canary@example.com")


def test_a_visitor_in_redis_is_forgotten_in_the_end(redis_server: RedisServer) -> None:
    cache = RedisCacheManager(redis_server.url, visitor_seconds=77)
    cache.open_database("ENV_ID")
    done(cache.cache_visitor("v1", VISITOR))

    (key,) = redis_server.run("KEYS", "flagship:*:visitor:v1")
    assert 0 < redis_server.run("TTL", key) <= 77
    cache.close_database()


# --- the SDK keeps and finds visitors -------------------------------------------------------------------------


def fetched(visitor_id: str = "v1", **options: Any) -> Visitor:
    visitor = Flagship.new_visitor(visitor_id, **options)
    visitor.fetch_flags()
    return visitor


def kept_by(cache: Caching, visitor_id: str = "v1") -> Any:
    """Stop the SDK, and look."""
    Flagship.stop()
    cache.open_database("ENV_ID")
    found = done(cache.lookup_visitor(visitor_id))
    cache.close_database()
    return found


def test_a_visitor_is_kept_as_the_example_has_it(vendor: Vendor, make: Callable[[], Caching]) -> None:
    flags = {"ctaColor": "green", "ctaLabel": "Buy"}
    shown = {
        "id": "cs8r01camp0000000000",
        "slug": "cta-colour",
        "type": "ab",
        "variationGroupId": "cs8r01vg000000000000",
        "variation": {"id": "cs8r01va010000000000", "modifications": {"type": "JSON", "value": flags}},
    }
    vendor.decision = decided(shown)
    cache = make()
    start(vendor, cache_manager=cache)

    fetched(context={"age": 31}).get_flag("ctaColor", "none").value()

    assert kept_by(cache) == VISITOR


def test_a_visitor_finds_flags_exposures_and_assignments_before_it_fetches(
    vendor: Vendor, make: Callable[[], Caching]
) -> None:
    start(vendor, cache_manager=make())
    before = fetched()
    before.get_flag("ctaColor", "none").value()
    Flagship.stop()
    vendor.received.clear()
    start(vendor, cache_manager=make())

    visitor = Flagship.new_visitor("v1")

    assert vendor.asked("campaigns") == []
    assert visitor.get_flag("ctaColor", "none").value() == "green"
    assert visitor.get_flag("layout", {}).value(visitor_exposed=False) == {"columns": 3, "gaps": [4, 8]}
    assert visitor.get_flag("ctaColor", "").metadata() == before.get_flag("ctaColor", "").metadata()
    assert visitor.exposed_variations == ["cs8r01va010000000000"]
    assert visitor.assignations == before.assignations


def test_an_assignment_that_was_kept_wins_over_the_hash(vendor: Vendor, make: Callable[[], Caching]) -> None:
    case = next(case for case in STORED if case["id"] == "stk-002")
    cache = make()
    cache.open_database("ENV_ID")
    done(cache.cache_visitor(case["visitorId"], kept_assignments(case)))
    start_bucketing(vendor, cache_manager=cache)

    visitor = fetched(case["visitorId"])

    assert visitor.get_flag("ctaColor", "none").value() == "green"


def kept_assignments(case: Json) -> Json:
    return {"version": 1, "data": {"campaigns": [], "assignationHistory": case["storedAssignments"]}}


STORED = example("vectors")["storedAssignments"]["cases"]
AS_ENGINE = {"betaPanel", "qaTools", "planKnown", "modernApp"}


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["id"])
def test_stored_assignments_give_the_flags_of_the_vectors(vendor: Vendor, case: Json) -> None:
    cache = MemoryCacheManager(timeout=5000)
    cache.open_database("ENV_ID")
    done(cache.cache_visitor(case["visitorId"], kept_assignments(case)))
    start_bucketing(vendor, cache_manager=cache)
    visitor = fetched(case["visitorId"], context=case["context"])
    keys = {*case["flags"], "ctaColor", "ctaLabel", "searchAlgo"} - AS_ENGINE

    given = {
        key: [flag.value(visitor_exposed=False), flag.metadata().variation_id]
        for key in keys
        if (flag := visitor.get_flag(key, None)).exists()
    }

    assert given == case["flags"]


@pytest.mark.parametrize("value", [0, False, "", [], {}, 0.0, None])
def test_a_falsy_value_is_kept_as_it_is(vendor: Vendor, make: Callable[[], Caching], value: Any) -> None:
    vendor.decision = decided(
        {"id": "c", "variationGroupId": "g", "variation": {"id": "v", "modifications": {"value": {"f": value}}}}
    )
    cache = make()
    start(vendor, cache_manager=cache)

    fetched()

    kept = kept_by(cache)["data"]["campaigns"][0]["flags"]["f"]
    assert kept == value
    assert type(kept) is type(value)


def test_a_visitor_without_consent_is_flushed_and_neither_kept_nor_found(
    vendor: Vendor, make: Callable[[], Caching]
) -> None:
    cache = make()
    start(vendor, cache_manager=cache)
    visitor = fetched()

    visitor.set_consent(False)
    visitor.fetch_flags()
    assert kept_by(cache) is None

    cache.open_database("ENV_ID")
    done(cache.cache_visitor("v2", VISITOR))
    cache.close_database()
    start(vendor, cache_manager=cache)
    assert Flagship.new_visitor("v2", consent=False).assignations == {}


def test_in_panic_nothing_is_kept(vendor: Vendor) -> None:
    vendor.decision = as_json(example("decision-api")["response200Panic"])
    cache = MemoryCacheManager(timeout=5000)
    start(vendor, cache_manager=cache)

    fetched()

    assert kept_by(cache) is None


@pytest.mark.parametrize(
    "kept",
    [
        {"version": 2, "data": {}},
        {"version": 1},
        {"version": 1, "data": {"campaigns": 7}},
        {"version": 1, "data": {"campaigns": [{"campaignId": 7}]}},
        {"version": 1, "data": {"assignationHistory": [1]}},
        {},
    ],
)
def test_a_malformed_visitor_is_told_and_ignored(vendor: Vendor, kept: Json) -> None:
    cache = MemoryCacheManager(timeout=5000)
    cache.open_database("ENV_ID")
    done(cache.cache_visitor("v1", kept))
    told = start(vendor, cache_manager=cache)

    visitor = Flagship.new_visitor("v1")

    assert told.kinds() == ["VisitorCacheFormatException"]
    assert visitor.assignations == {}


# --- caches of other people -----------------------------------------------------------------------------------


class Foreign(CacheManager, VisitorCacheImplementation):
    """A visitor cache that does as it is told."""

    def __init__(self, lookup: Callable[[], Any], timeout: int = 5000) -> None:
        super().__init__(timeout)
        self.calls: list[str] = []
        self._lookup = lookup

    def open_database(self, env_id: str) -> None:
        self.calls.append(f"open {env_id}")

    def close_database(self) -> None:
        self.calls.append("close")

    async def cache_visitor(self, visitor_id: str, data: Json) -> None:
        self.calls.append("cache")

    async def lookup_visitor(self, visitor_id: str) -> Json | None:
        self.calls.append("lookup")
        result: Json | None = await self._lookup()
        return result

    async def flush_visitor(self, visitor_id: str) -> None:
        self.calls.append("flush")


async def nothing() -> None:
    await asyncio.sleep(0)


def test_a_cache_is_opened_asked_in_order_and_closed(vendor: Vendor) -> None:
    cache = Foreign(nothing)
    start(vendor, cache_manager=cache)

    visitor = fetched()
    visitor.get_flag("ctaColor", "none").value()
    visitor.get_flag("ctaColor", "none").value()
    visitor.set_consent(False)
    Flagship.stop()

    assert cache.calls == ["open ENV_ID", "lookup", "cache", "cache", "flush", "close"]


def test_nobody_waits_for_a_cache_that_does_not_answer(vendor: Vendor) -> None:
    released = threading.Event()

    async def hang() -> None:
        await asyncio.get_running_loop().run_in_executor(None, released.wait)

    told = start(vendor, cache_manager=Foreign(hang, timeout=20))

    visitor = Flagship.new_visitor("v1")

    assert told.kinds() == ["VisitorCacheTimeoutException"]
    released.set()
    visitor.fetch_flags()
    assert visitor.get_flag("ctaColor", "none").value() == "green"


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError, "OSError"), (asyncio.CancelledError, "RuntimeError"), (SystemExit, "RuntimeError")]
)
def test_a_cache_that_fails_is_told_and_breaks_nothing(vendor: Vendor, error: type[BaseException], kind: str) -> None:
    async def fail() -> None:
        raise error("disk")

    told = start(vendor, cache_manager=Foreign(fail))

    visitor = fetched()

    assert told.kinds() == [kind]
    assert visitor.get_flag("ctaColor", "none").value() == "green"


def test_a_redis_that_is_away_breaks_nothing(vendor: Vendor) -> None:
    told = start(vendor, cache_manager=RedisCacheManager("redis://127.0.0.1:1/0", timeout=2000))

    visitor = fetched()
    visitor.send_hit(Screen("home"))

    assert visitor.get_flag("ctaColor", "none").value() == "green"
    Flagship.stop()
    assert set(told.kinds()) == {"RedisAway"}
    assert len(vendor.hits) == 2


# --- hits -----------------------------------------------------------------------------------------------------


def hits_in(cache: Any) -> dict[str, Any]:
    found: dict[str, Any] = done(cache.lookup_hits())
    return found


def types_in(cache: Any) -> list[str]:
    return sorted(hit["data"]["type"] for hit in hits_in(cache).values())


class Counting(MemoryCacheManager):
    """Notes how hits come and go."""

    def __init__(self) -> None:
        super().__init__(timeout=5000)
        self.calls: list[str] = []

    def cache_hits(self, hits: Json) -> None:
        self.calls.append("cache")
        super().cache_hits(hits)

    def flush_hits(self, hits_ids: Iterable[str]) -> None:
        self.calls.append("flush")
        super().flush_hits(hits_ids)

    def flush_all_hits(self) -> None:
        self.calls.append("flush all")
        super().flush_all_hits()


def test_continuous_caching_keeps_each_hit_until_it_was_sent(vendor: Vendor, make: Callable[[], Caching]) -> None:
    vendor.break_down("/v2/activate", reply(500))
    vendor.break_down("/", reply(500))
    cache = make()
    start(vendor, cache_manager=cache)
    visitor = fetched()

    visitor.send_hit(Screen("home"))
    visitor.get_flag("ctaColor", "none").value()

    wait_until(lambda: types_in(cache) == ["ACTIVATE", "EVENT", "SCREENVIEW"])
    for hit_id, hit in hits_in(cache).items():
        assert hit["version"] == 1
        assert hit["data"]["id"] == hit_id
        assert hit["data"].keys() == next(iter(HITS.values()))["data"].keys()
    vendor.break_down("/v2/activate", None)
    vendor.break_down("/", None)
    Flagship.stop()
    cache.open_database("ENV_ID")
    assert hits_in(cache) == {}
    cache.close_database()


def test_a_status_of_400_is_not_taken_and_stays_in_the_cache(vendor: Vendor) -> None:
    cache = MemoryCacheManager(timeout=5000)
    vendor.break_down("/", reply(400))
    start(vendor, cache_manager=cache, tracking_manager_config=rare(max_pool_size=1))

    Flagship.new_visitor("v1")

    wait_until(lambda: vendor.asked("/") and types_in(cache) == ["EVENT"])
    vendor.break_down("/", None)


def test_periodic_caching_keeps_what_is_left_after_sending(vendor: Vendor) -> None:
    cache = Counting()
    vendor.break_down("/v2/activate", reply(500))
    vendor.break_down("/", reply(500))
    strategy = rare(cache_strategy=CacheStrategy.PERIODIC_CACHING)
    start(vendor, cache_manager=cache, tracking_manager_config=strategy)
    visitor = fetched()

    visitor.send_hit(Screen("home"))
    visitor.get_flag("ctaColor", "none").value()

    wait_until(lambda: types_in(cache) == ["ACTIVATE", "EVENT", "SCREENVIEW"])
    assert cache.calls[:2] == ["flush all", "cache"]
    assert "flush" not in cache.calls
    vendor.break_down("/v2/activate", None)
    vendor.break_down("/", None)
    Flagship.stop()
    assert hits_in(cache) == {}


def test_without_batching_only_a_failed_hit_is_cached(vendor: Vendor) -> None:
    cache = Counting()
    strategy = rare(cache_strategy=CacheStrategy._NO_BATCHING_CONTINUOUS_CACHING)
    start(vendor, cache_manager=cache, tracking_manager_config=strategy)
    Flagship.new_visitor("v1")
    vendor.wait_for_hits(1)
    assert cache.calls == []

    vendor.break_down("/", reply(500))
    Flagship.new_visitor("v2")
    wait_until(lambda: types_in(cache) == ["EVENT"])

    vendor.break_down("/", None)
    Flagship.stop()
    assert hits_in(cache) == {}


def test_hits_may_be_kept_instead_of_sent_at_the_end(vendor: Vendor, make: Callable[[], Caching]) -> None:
    cache = make()
    vendor.break_down("/", reply(500))
    start(
        vendor, cache_manager=cache, tracking_manager_config=rare(closing_strategy=ClosingStrategy.CACHE_PENDING_HITS)
    )
    Flagship.new_visitor("v1").send_hit(Screen("home"))

    Flagship.stop()

    vendor.break_down("/", None)
    assert vendor.hits == []
    cache.open_database("ENV_ID")
    assert types_in(cache) == ["EVENT", "SCREENVIEW"]
    cache.close_database()

    start(vendor, cache_manager=make())
    assert [hit["t"] for hit in vendor.wait_for_hits(2)] == ["EVENT", "SCREENVIEW"]
    Flagship.stop()
    cache.open_database("ENV_ID")
    assert hits_in(cache) == {}
    cache.close_database()


def test_what_cannot_be_sent_at_the_end_is_kept(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "STOP_SECONDS", 0.2)
    cache = MemoryCacheManager(timeout=5000)
    vendor.break_down("/", reply(500))
    strategy = rare(cache_strategy=CacheStrategy.PERIODIC_CACHING)
    start(vendor, cache_manager=cache, tracking_manager_config=strategy)
    Flagship.new_visitor("v1")

    Flagship.stop()

    assert types_in(cache) == ["EVENT"]


def test_a_withdrawn_hit_leaves_the_cache_too(vendor: Vendor) -> None:
    cache = MemoryCacheManager(timeout=5000)
    vendor.break_down("/", reply(500))
    start(vendor, cache_manager=cache)
    visitor = Flagship.new_visitor("v1")
    visitor.send_hit(Screen("home"))
    wait_until(lambda: types_in(cache) == ["EVENT", "SCREENVIEW"])

    visitor.set_consent(False)

    wait_until(lambda: types_in(cache) == ["EVENT", "EVENT"])
    vendor.break_down("/", None)


def kept_hit(**members: Any) -> Json:
    now = int(time.time() * 1000)
    hit_id = str(uuid.uuid4())
    content = {"t": "SCREENVIEW", "ds": "APP", "dl": "home", "vid": "v1", "cuid": None}
    data = {"id": hit_id, "type": "SCREENVIEW", "timestamp": now, "visitorId": "v1", "anonymousId": None}
    return {hit_id: {"version": 1, "data": {**data, "content": content, **members}}}


def test_cached_hits_go_with_the_age_that_they_have(vendor: Vendor) -> None:
    cache = MemoryCacheManager(timeout=5000)
    cache.open_database("ENV_ID")
    (old,) = kept_hit().values()
    cache.cache_hits(kept_hit(timestamp=old["data"]["timestamp"] - 60_000))

    start(vendor, cache_manager=cache)

    (hit,) = vendor.wait_for_hits(1)
    assert 60_000 <= hit["qt"] < 75_000


def test_what_is_too_old_or_makes_no_sense_is_forgotten(vendor: Vendor) -> None:
    cache = MemoryCacheManager(timeout=5000)
    cache.open_database("ENV_ID")
    cache.cache_hits(kept_hit(timestamp=1_600_000_000_000))
    cache.cache_hits({"broken": {"version": 1}, "other": None})

    told = start(vendor, cache_manager=cache)

    wait_until(lambda: hits_in(cache) == {})
    assert told.kinds() == ["HitCacheFormatException", "HitCacheFormatException"]
    Flagship.stop()
    assert vendor.hits == []


def test_a_hit_cache_that_does_not_answer_is_told(vendor: Vendor) -> None:
    class Hanging(MemoryCacheManager):
        async def lookup_hits(self) -> Json | None:
            await asyncio.Event().wait()
            return None

    told = start(vendor, cache_manager=Hanging(timeout=20))

    wait_until(lambda: told.kinds() == ["HitCacheTimeoutException"])


class HitsOnly(CacheManager, HitCacheImplementation):
    """A hit cache, all of it coroutines, that keeps no visitors."""

    def __init__(self) -> None:
        super().__init__(5000)
        self.kept: Json = {}

    def open_database(self, env_id: str) -> None: ...

    def close_database(self) -> None: ...

    async def cache_hits(self, hits: Json) -> None:
        self.kept |= hits

    async def lookup_hits(self) -> Json | None:
        return None

    async def flush_hits(self, hits_ids: Iterable[str]) -> None:
        for hit_id in hits_ids:
            self.kept.pop(hit_id)

    async def flush_all_hits(self) -> None:
        self.kept = {}


def test_a_manager_may_keep_hits_alone_and_by_coroutines(vendor: Vendor) -> None:
    cache = HitsOnly()
    vendor.break_down("/", reply(500))
    start(vendor, cache_manager=cache)
    fetched()

    wait_until(lambda: len(cache.kept) == 1)
    vendor.break_down("/", None)
    Flagship.stop()

    assert cache.kept == {}


def test_a_thousand_hits_reach_the_cache_in_few_calls(vendor: Vendor) -> None:
    cache = Counting()
    vendor.break_down("/", reply(500))
    start(vendor, cache_manager=cache)
    visitor = Flagship.new_visitor("v1")

    for _ in range(1000):
        visitor.send_hit(Screen("home"))

    wait_until(lambda: len(hits_in(cache)) == 1001)
    assert len(cache.calls) < 1001
    vendor.break_down("/", None)
    Flagship.stop()
    assert hits_in(cache) == {}
    assert len(vendor.hits) == 1001
