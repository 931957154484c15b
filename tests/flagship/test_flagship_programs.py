"""Programs: documented ones as they are written, ends without a stop, forks, threads, and what importing costs."""

from __future__ import annotations

import asyncio
import importlib
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.flagship import (
    Flagship,
    FlagshipLogManager,
    MemoryCacheManager,
    Screen,
    SqliteCacheManager,
    Status,
)
from openfeature_kameleoon.flagship.endpoints import Endpoints
from tests.chaos import reply, wait_until
from tests.flagship.files import bucketing
from tests.flagship.vendor import Vendor, file_of, legacy_visitor, rare, start, start_bucketing, start_legacy
from tests.process.children import FORKS, ends_well
from tests.programs import output_of

# --- where names are imported from ----------------------------------------------------------------------------

NAMES = {
    "": "Flagship Visitor Status LogLevel",
    "app": "Flagship",
    "config": "Config DecisionApi Bucketing",
    "handler": "FlagshipEventHandler",
    "visitor": "FlagshipVisitor Visitor",
    "helpers.hits": "Hit HitType Page Event EventCategory Transaction Item Screen",
    "helpers.preset_context": "PresetContext",
    "hits": "Hit HitType Page Event EventCategory Transaction Item Screen",
    "flagship_context": "FlagshipContext",
    "log_manager": "LogManager FlagshipLogManager LogLevel",
    "status_listener": "StatusListener",
    "tracking_manager": "TrackingManagerConfig CacheStrategy ClosingStrategy",
    "cache_manager": "CacheManager VisitorCacheImplementation HitCacheImplementation SqliteCacheManager "
    "MemoryCacheManager RedisCacheManager",
    "errors": "InitializationError TypingError ParamError FlagshipParsingError FlagshipError ContextError "
    "InitializationParamError ParamTypeError FlagNotFoundException FlagTypeException FlagExpositionNotFoundException "
    "VisitorCacheFormatException HitCacheFormatException VisitorCacheTimeoutException HitCacheTimeoutException",
}


@pytest.mark.parametrize("module", NAMES)
def test_documented_names_are_where_they_were(module: str) -> None:
    found = importlib.import_module(f"openfeature_kameleoon.flagship{'.' if module else ''}{module}")

    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_kameleoons_provider_imports_nothing_of_flagship(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\nimport openfeature_kameleoon\nprint([name for name in sys.modules if 'flagship' in name])\n"
    )

    assert output_of(script) == "[]\n"


@pytest.mark.parametrize("module", ["flagship", "flagship.provider"])
def test_nothing_is_imported_before_it_is_used(module: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        f"import sys\nimport openfeature_kameleoon.{module}\n"
        "print([name for name in ('asyncio', 'redis', 'requests', 'urllib3') if name in sys.modules])\n"
    )

    assert output_of(script) == "[]\n"


# --- programs as they are documented --------------------------------------------------------------------------

PROGRAM_1_X = """
from openfeature_kameleoon.flagship.app import Flagship
from openfeature_kameleoon.flagship.config import Config
from openfeature_kameleoon.flagship.handler import FlagshipEventHandler
from openfeature_kameleoon.flagship.helpers.hits import Event, EventCategory, Item, Page, Transaction

class CustomEventHandler(FlagshipEventHandler):
    def __init__(self):
        FlagshipEventHandler.__init__(self)

    def on_log(self, level, message):
        FlagshipEventHandler.on_log(self, level, message)

    def on_exception_raised(self, exception, traceback):
        FlagshipEventHandler.on_exception_raised(self, exception, traceback)

Flagship.instance().start(Config("ENV_ID", "API_KEY", mode=Config.Mode.DECISION_API,
                                 event_handler=CustomEventHandler()))
context = {"isVip": True, "age": 31}
visitor = Flagship.instance().create_visitor("user_#1234", context)
visitor.update_context(("isVip", True))
visitor.update_context({"isVip": True, "age": 32}, synchronize=True)
visitor.synchronize_modifications()
told["color"] = visitor.get_modification("ctaColor", "default", activate=True)
told["info"] = visitor.get_modification_info("ctaColor")
visitor.activate_modification("vipBanner")
visitor.send_hit(Page("script.py")
                 .with_ip("133.3.223.1")
                 .with_locale("fr-fr")
                 .with_resolution(640, 480)
                 .with_session_number(3))
visitor.send_hit(Event(EventCategory.USER_ENGAGEMENT, "click_basket")
                 .with_event_label("basket button")
                 .with_event_value(5))
visitor.send_hit(Transaction("#309830", "purchases")
                 .with_total_revenue(420.00)
                 .with_item_count(3)
                 .with_currency("EUR"))
visitor.send_hit(Item("#309830", "ATX2080", "cg_atx_20802020")
                 .with_price(210.00)
                 .with_item_quantity(2)
                 .with_item_category("hardware"))
Flagship.instance().close()
"""

PROGRAM_3_X = """
from openfeature_kameleoon.flagship import Flagship, LogLevel, Status, Visitor
from openfeature_kameleoon.flagship.config import DecisionApi
from openfeature_kameleoon.flagship.flagship_context import FlagshipContext
from openfeature_kameleoon.flagship.hits import Event, EventCategory, Screen
from openfeature_kameleoon.flagship.status_listener import StatusListener
from openfeature_kameleoon.flagship.tracking_manager import CacheStrategy, TrackingManagerConfig

class CustomStatusListener(StatusListener):
    def on_status_changed(self, new_status):
        told.setdefault("statuses", []).append(new_status.name)

Flagship.start("ENV_ID", "API_KEY", DecisionApi(
    timeout=3000,
    log_level=LogLevel.ERROR,
    status_listener=CustomStatusListener(),
    tracking_manager_config=TrackingManagerConfig(
        cache_strategy=CacheStrategy.PERIODIC_CACHING, time_interval=10000, max_pool_size=10, timeout=5000)))
visitor = Flagship.new_visitor("user_#1234", instance_type=Visitor.Instance.SINGLE_INSTANCE,
                               authenticated=False, consent=True, context={"isVip": True})
visitor.update_context({"age": 32, FlagshipContext.LOCATION_CITY: "Paris"})
visitor.update_context(("isVip", False))
visitor.fetch_flags()
flag = visitor.get_flag("ctaColor", "default")
told["color"] = flag.value(visitor_exposed=False)
flag.visitor_exposed()
told["info"] = flag.metadata().toJson()
Flagship.get_visitor().authenticate("account-77")
visitor.send_hit(Screen("home"))
visitor.send_hit(Event(EventCategory.ACTION_TRACKING, "click"))
visitor.unauthenticate()
visitor.set_consent(True)
assert Flagship.status() == Status.READY
Flagship.stop()
"""


@pytest.mark.parametrize(
    ("program", "hits", "activations"), [(PROGRAM_1_X, 4, 2), (PROGRAM_3_X, 4, 1)], ids=["1.x", "3.x"]
)
def test_a_documented_program_runs_as_it_is_written(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, program: str, hits: int, activations: int
) -> None:
    places = vendor.endpoints
    monkeypatch.setattr(Endpoints, "of", classmethod(lambda cls, *arguments, **named: places))
    told: dict[str, Any] = {}

    exec(textwrap.dedent(program), {"told": told})

    assert told["color"] == "green"
    assert told["info"]["variationId"] == "cs8r01va010000000000"
    assert told.get("statuses", ["STARTING", "READY"]) == ["STARTING", "READY"]
    assert (len(vendor.hits), len(vendor.activations)) == (hits, activations)


# --- the end of a program -------------------------------------------------------------------------------------

ENDS_WITHOUT_A_STOP = """
import sys
from openfeature_kameleoon.flagship import *
from openfeature_kameleoon.flagship.endpoints import Endpoints

Flagship.start("ENV_ID", "API_KEY", DecisionApi(
    log_level=LogLevel.NONE, endpoints=Endpoints.of(server_url=sys.argv[1]), timeout=5000,
    cache_manager=SqliteCacheManager(sys.argv[2]),
    tracking_manager_config=TrackingManagerConfig(time_interval=10_800_000, max_pool_size=5000, timeout=5000)))
visitor = Flagship.new_visitor("v1")
visitor.fetch_flags()
visitor.get_flag("ctaColor", "none").value()
visitor.send_hit(Screen("home"))
"""


def test_a_program_that_ends_without_a_stop_sends_what_waits(vendor: Vendor, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(ENDS_WITHOUT_A_STOP)

    output_of(script, vendor.url, tmp_path)

    assert Counter(hit["t"] for hit in vendor.hits) == Counter(["EVENT", "SCREENVIEW"])
    assert len(vendor.activations) == 1
    cache = SqliteCacheManager(str(tmp_path))
    cache.open_database("ENV_ID")
    assert asyncio.run(cache.lookup_hits()) == {}
    assert asyncio.run(cache.lookup_visitor("v1")) is not None


# --- forks ----------------------------------------------------------------------------------------------------


@FORKS[0]
@FORKS[1]
@pytest.mark.parametrize("mode", ["decision API", "bucketing"])
def test_a_child_has_visitors_hits_and_a_cache_of_its_own(vendor: Vendor, tmp_path: Path, mode: str) -> None:
    cache = SqliteCacheManager(str(tmp_path), timeout=3000)
    if mode == "bucketing":
        start_bucketing(vendor, cache_manager=cache, polling_interval=60_000)
        wait_until(lambda: Flagship.status() is Status.READY)
    else:
        start(vendor, cache_manager=cache)
    visitor = Flagship.new_visitor("visitor-1")
    visitor.fetch_flags()
    visitor.send_hit(Screen("parent"))

    def work() -> bool:
        visitor.fetch_flags()
        theirs = Flagship.new_visitor("child")
        theirs.fetch_flags()
        theirs.send_hit(Screen("child"))
        seen = theirs.get_flag("ctaColor", None).value()
        Flagship.stop()
        return seen in ("green", "orange") and Flagship.status() is Status.NOT_INITIALIZED

    assert ends_well(work)
    Flagship.stop()
    assert Counter(hit["dl"] for hit in vendor.hits if "dl" in hit) == Counter(["parent", "child"])


@FORKS[0]
@FORKS[1]
def test_a_child_of_1_x_decides_too(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor()
    visitor.synchronize_modifications()

    def work() -> bool:
        visitor.synchronize_modifications()
        return bool(visitor.get_modification("ctaColor", "none") == "green")

    assert ends_well(work)


@FORKS[0]
@FORKS[1]
def test_a_fork_in_the_middle_of_sqlite_leaves_the_child_able_to_use_it(tmp_path: Path) -> None:
    cache = SqliteCacheManager(str(tmp_path))
    cache.open_database("ENV_ID")
    is_over = threading.Event()

    def keep_busy() -> None:
        while not is_over.wait(0.001):  # the children get their turn at the file
            cache.cache_hits({"parent": {"data": {"visitorId": "v"}}})

    busy = threading.Thread(target=keep_busy)
    busy.start()

    outcomes = [ends_well(lambda: cache.cache_hits({"child": {}})) for _ in range(5)]

    is_over.set()
    busy.join()
    assert outcomes == [True] * 5
    kept = asyncio.run(cache.lookup_hits())
    assert kept is not None
    assert kept.keys() == {"parent", "child"}


# --- threads --------------------------------------------------------------------------------------------------

THREADS = 8
ROUNDS = 25


@pytest.mark.usefixtures("threads_alternate_often")
def test_threads_may_share_a_visitor_while_files_come_and_go(vendor: Vendor) -> None:
    start_bucketing(vendor, polling_interval=20, tracking_manager_config=rare(max_pool_size=50))
    wait_until(lambda: Flagship.status() is Status.READY)
    visitor = Flagship.new_visitor("visitor-1")
    visitor.fetch_flags()
    seen: set[Any] = set()

    def work(number: int) -> None:
        for turn in range(ROUNDS):
            visitor.update_context({f"key{number}": turn})
            visitor.fetch_flags()
            seen.add(visitor.get_flag("ctaColor", "none").value(visitor_exposed=False))
            visitor.send_hit(Screen("home"))
            if number == 0:
                file = bucketing() | {"generatedAt": f"2026-06-05T12:{turn:02}:40Z"}
                vendor.file = file_of(file, f"Fri, 05 Jun 2026 12:{turn:02}:40 GMT")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert seen == {"orange"}
    assert {key: visitor.context[key] for key in visitor.context if key.startswith("key")} == {
        f"key{number}": ROUNDS - 1 for number in range(THREADS)
    }
    Flagship.stop()
    assert len([hit for hit in vendor.hits if hit["t"] == "SCREENVIEW"]) == THREADS * ROUNDS


@pytest.mark.usefixtures("threads_alternate_often")
def test_starts_and_stops_at_once_leave_nothing_behind(vendor: Vendor) -> None:
    def work() -> None:
        for _ in range(3):
            start_bucketing(vendor, polling_interval=60_000, cache_manager=MemoryCacheManager())
            Flagship.new_visitor("v").send_hit(Screen("home"))
            Flagship.stop()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert Flagship.status() is Status.NOT_INITIALIZED
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon-")]


def test_a_stop_is_bounded_though_nothing_answers(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openfeature_kameleoon.flagship.environment.STOP_SECONDS", 0.1)
    vendor.break_down("/", reply(500))
    start(vendor)
    Flagship.new_visitor("v")

    Flagship.stop()

    assert Flagship.status() is Status.NOT_INITIALIZED


def test_nothing_is_printed_by_a_silent_manager(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    class Silent(FlagshipLogManager):
        def log(self, *arguments: Any) -> None: ...

    start(vendor, log_manager=Silent())
    Flagship.new_visitor("v").get_flag("nope", 1).value()

    assert capsys.readouterr().out == ""
