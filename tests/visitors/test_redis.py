"""Visitors that several processes share: what one learns the others know, and none undoes what another did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.evaluator import Evaluator
from openfeature_kameleoon.tracking.outbox import MemoryOutbox
from openfeature_kameleoon.tracking.reports import Reporter
from openfeature_kameleoon.visitors.data import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.visitors.field_changes import changes
from openfeature_kameleoon.visitors.redis import MOST_SHARED_BYTES, RedisVisitorStore
from openfeature_kameleoon.visitors.redis_reader import MOST_ABSENT
from openfeature_kameleoon.visitors.traits import Assignment, Exposure, ForcedVariation, LegalConsent
from openfeature_kameleoon.visitors.visitor import Visitor
from tests import faces
from tests.chaos import wait_until
from tests.faces import drained
from tests.redis_server import RedisServer, redis_server
from tests.vectors import Stage, as_bytes
from tests.visitors.sharing import INDEX, MAPPING, REFRESH, WAIT, Site, site

__all__ = ["redis_server", "site"]

FORCED = ForcedVariation(7, "on", 71)


def read_count(server: RedisServer) -> int:
    """How many visitors were read from a server so far."""
    statistics = server.run("INFO", "commandstats").get("cmdstat_hgetall", {})
    return int(statistics.get("calls", 0))


# --- what one process learns, the others know -------------------------------------------------------------------------

SEEN: list[tuple[Data, Callable[[Visitor], object], object]] = [
    (CustomData(0, "gold"), lambda v: v.custom_data, {0: "gold"}),
    (CustomData(1, "a", "b", overwrite=False), lambda v: (v.custom_data, v.traits.additive), ({1: ("a", "b")}, {1})),
    (CustomData(1), lambda v: v.custom_data, {1: ()}),
    (Browser(BrowserType.SAFARI, 17.1), lambda v: v.traits.browser, Browser(BrowserType.SAFARI, 17.1)),
    (Device(DeviceType.TABLET), lambda v: v.traits.device, Device(DeviceType.TABLET)),
    (
        OperatingSystem(OperatingSystemType.LINUX),
        lambda v: v.traits.operating_system,
        OperatingSystem(OperatingSystemType.LINUX),
    ),
    (Geolocation("France", city="Paris"), lambda v: v.traits.geolocation, Geolocation("France", city="Paris")),
    (ApplicationVersion("2.5.0"), lambda v: v.traits.application_version, ApplicationVersion("2.5.0")),
    (UserAgent("curl"), lambda v: v.traits.user_agent, UserAgent("curl")),
    (Cookie({"a": "ü"}), lambda v: v.traits.cookies, {"a": "ü"}),
    (
        PageView("/cart", "Cart", [4]),
        lambda v: [(each.page, each.views) for each in v.traits.pages.values()],
        [(PageView("/cart", "Cart", (4,)), 1)],
    ),
    (
        Conversion(5, 9.5, metadata=[CustomData(2, "x")]),
        lambda v: [each.conversion for each in v.traits.conversions],
        [Conversion(5, 9.5, metadata=(CustomData(2, "x"),))],
    ),
    (UniqueIdentifier(True), lambda v: v.is_unique_identifier, True),
]


@pytest.mark.parametrize(("data", "seen", "expected"), SEEN, ids=lambda value: type(value).__name__)
def test_data_added_in_one_process_are_known_in_another(
    site: Site, data: Data, seen: Callable[[Visitor], object], expected: object
) -> None:
    one, other = site.process(), site.process()

    site.learn(one, "v", data)

    assert seen(site.look(other, "v")) == expected


def test_a_visit_began_when_the_first_process_saw_the_visitor(site: Site) -> None:
    one, other = site.process(), site.process()
    started = site.learn(one, "v").started
    site.clock.advance(100)

    visitor = other.get_or_create("v")

    assert visitor.started == started
    assert visitor.known


def test_of_two_processes_that_meet_a_visitor_at_once_the_first_to_write_says_when_the_visit_began(site: Site) -> None:
    one, other = site.process(), site.process()
    first, second = one.unknown("v"), other.unknown("v")
    second.started += 5.0
    one.add(first)
    assert one.flush(WAIT)
    other.add(second)
    assert other.flush(WAIT)

    assert site.look(other, "v").started == site.look(one, "v").started == first.started


def test_what_is_written_is_there_without_anybody_waiting_for_it(site: Site) -> None:
    one = site.process()

    one.get_or_create("v")

    wait_until(lambda: one.pending == 0)
    assert b"first:started" in site.fields(one, "v")


def test_processes_that_write_different_data_keep_each_others(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "v")
    site.look(other, "v")

    one.add_data(one.get_or_create("v"), [CustomData(0, "one"), Device(DeviceType.PHONE)], INDEX)
    other.add_data(other.get_or_create("v"), [CustomData(1, "other"), UserAgent("u")], INDEX)
    assert one.flush(WAIT)
    assert other.flush(WAIT)

    for store in (one, other):
        visitor = site.look(store, "v")
        assert visitor.custom_data == {0: "one", 1: "other"}
        assert (visitor.traits.device, visitor.traits.user_agent) == (Device(DeviceType.PHONE), UserAgent("u"))


def test_page_views_are_counted_whichever_process_sees_them(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "v", PageView("/a", "old"))
    site.look(other, "v")

    one.add_data(one.get_or_create("v"), [PageView("/a"), PageView("/b")], INDEX)
    other.add_data(other.get_or_create("v"), [PageView("/a", "new"), PageView("/a", "new")], INDEX)
    assert one.flush(WAIT)
    assert other.flush(WAIT)

    for store in (one, other):
        views = {url: visit.views for url, visit in site.look(store, "v").traits.pages.items()}
        assert views == {"/a": 4, "/b": 1}


def test_conversions_of_all_processes_are_known_in_their_order(site: Site) -> None:
    one, other = site.process(), site.process()
    for number, store in enumerate((one, other, one)):
        site.clock.advance(1)
        store.add_data(store.get_or_create("v"), [Conversion(number)], INDEX)
        assert store.flush(WAIT)

    for store in (one, other):
        assert [each.conversion.goal_id for each in site.look(store, "v").traits.conversions] == [0, 1, 2]


def test_consent_is_shared(site: Site) -> None:
    one, other = site.process(), site.process()
    one.change(one.unknown("v"), lambda stored: stored.set_consent(LegalConsent.NOT_GIVEN))
    assert one.flush(WAIT)

    assert site.look(other, "v").traits.consent is LegalConsent.NOT_GIVEN


def test_a_forced_variation_is_shared_and_so_is_its_end(site: Site) -> None:
    one, other = site.process(), site.process()
    one.change(one.unknown("v"), lambda stored: stored.force(FORCED))
    assert one.flush(WAIT)
    seen = site.look(other, "v").traits
    assert (seen.forced, seen.overridden) == ({7: FORCED}, True)

    other.change(site.look(other, "v"), lambda stored: stored.unforce(7))
    assert other.flush(WAIT)

    seen = site.look(one, "v").traits
    assert (seen.forced, seen.overridden) == ({}, False)


def test_a_change_that_fails_is_shared_as_far_as_it_came(site: Site) -> None:
    one, other = site.process(), site.process()

    with pytest.raises(TypeError, match="is no visitor data"):
        one.add_data(one.unknown("v"), [CustomData(0, "a"), None], INDEX)  # type: ignore[list-item]  # the point

    assert one.flush(WAIT)
    assert site.look(other, "v").custom_data == {0: "a"}


def test_sites_share_nothing(site: Site) -> None:
    elsewhere = Site(site.server)
    one, other = site.process(), elsewhere.process()

    site.learn(one, "v", CustomData(0, "a"))

    assert other.get("v") is None
    elsewhere.close()


@pytest.mark.parametrize("code", ["ü" * 255, "a:b", "*", "a b", "first:started", "\u202e'\"\\"])
def test_any_visitor_code_is_a_key(site: Site, code: str) -> None:
    one, other = site.process(), site.process()

    site.learn(one, code, CustomData(0, "a"))

    assert site.look(other, code).custom_data == {0: "a"}


@pytest.mark.parametrize("code", ["x" * 256, "\ud800", "x" * 10_000_000])
def test_what_can_be_no_visitor_code_is_not_asked_about(site: Site, code: str) -> None:
    store = site.process()
    reads = read_count(site.server)

    assert store.get(code) is None
    assert read_count(site.server) == reads


# --- assignments: told once, whoever gave them ------------------------------------------------------------------------


class Process:
    """One process that evaluates flags of the shared data file, and what it has to report."""

    def __init__(self, site: Site) -> None:
        self.store = site.process()
        self.outbox = MemoryOutbox()
        self.evaluator = Evaluator(self.store, Reporter(self.store, self.outbox), site.clock)
        content = faces.site(faces.flag("tested", faces.rule(4, ("on", 1), kind=faces.EXPERIMENT)))
        self.ruleset = Ruleset(DataFileIndex.read(as_bytes(content)), scope=Stage().scope())

    def evaluate(self, is_tracked: bool = True, **attributes: Any) -> list[object]:
        """What is reported of an evaluation, once others may know of it."""
        self.evaluator.evaluate(self.ruleset, "tested", "v", attributes, is_tracked=is_tracked)
        assert self.store.flush(WAIT)
        return [event.data for event in drained(self.outbox)]


def test_an_assignment_is_reported_by_one_process_only(site: Site) -> None:
    one, other = Process(site), Process(site)

    (exposure,) = one.evaluate()

    assert other.evaluate() == one.evaluate() == []
    assignment = site.look(other.store, "v").assignments[exposure.experiment_id]  # type: ignore[attr-defined]
    assert (assignment.exposure, assignment.is_reported) == (exposure, True)


def test_an_assignment_made_untracked_is_reported_by_the_process_that_tracks_it(site: Site) -> None:
    one, other = Process(site), Process(site)
    assert one.evaluate(is_tracked=False) == []

    assert len(other.evaluate()) == 1
    site.clock.advance(REFRESH)
    assert one.evaluate() == []


def test_what_a_context_says_is_reported_by_one_process_only(site: Site) -> None:
    one, other = Process(site), Process(site)
    custom_data = {"index": 0, "values": "gold"}

    assert CustomData(0, "gold") in one.evaluate(customData=custom_data)
    assert other.evaluate(customData=custom_data) == []


def test_when_an_assignment_was_last_confirmed_is_told_in_time_that_all_share(site: Site) -> None:
    one, other = site.process(), site.process()
    visitor = one.get_or_create("v")
    with one.lock:
        one.assign(visitor, Assignment(Exposure(1, 2, None), 5.0, site.clock.monotonic(), is_reported=True))
    with one.lock:
        one.assign(visitor, Assignment(Exposure(2, 2, None), 5.0, float("-inf"), is_reported=True))
    assert one.flush(WAIT)

    seen = site.look(other, "v").assignments

    assert seen[1].evaluated_at == pytest.approx(site.clock.monotonic() - REFRESH, abs=0.01)
    assert seen[2].evaluated_at == float("-inf")


# --- codes of one visitor (6.6) ---------------------------------------------------------------------------------------


def test_a_user_id_linked_in_one_process_is_the_same_visitor_in_all(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(0, "a"), CustomData(MAPPING, "user"))

    user = site.look(other, "user")

    assert (user.hashing_code, user.custom_data) == ("anonymous", {0: "a", MAPPING: "user"})
    assert user.traits.is_linked
    assert user.traits is site.look(other, "anonymous").traits


def test_what_is_learnt_under_either_code_is_known_under_both(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(MAPPING, "user"))
    site.look(other, "user")

    site.learn(other, "user", CustomData(0, "later"))
    site.learn(one, "anonymous", CustomData(1, "too"))

    for store in (one, other):
        for code in ("anonymous", "user"):
            assert site.look(store, code).custom_data == {0: "later", 1: "too", MAPPING: "user"}


def test_both_codes_change_together_within_a_process(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(MAPPING, "user"))
    anonymous, user = site.look(other, "anonymous"), site.look(other, "user")

    other.add_data(anonymous, [CustomData(0, "a"), PageView("/")], INDEX)

    assert user.custom_data[0] == "a"
    assert list(user.traits.pages) == ["/"]


def test_the_unique_identifier_belongs_to_the_code_alone(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(MAPPING, "user"))
    site.learn(one, "user", UniqueIdentifier(True))

    assert site.look(other, "user").is_unique_identifier
    assert not site.look(other, "anonymous").is_unique_identifier


def test_an_earlier_visitor_under_the_user_id_is_replaced_everywhere(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(other, "user", CustomData(0, "earlier"), Device(DeviceType.PHONE))
    site.learn(one, "anonymous", CustomData(1, "a"), CustomData(MAPPING, "user"))

    user = site.look(other, "user")

    assert user.custom_data == {1: "a", MAPPING: "user"}
    assert user.traits.device is None
    assert b"data:0" not in site.fields(one, "user")


def test_a_user_id_goes_over_to_the_visitor_who_says_so_last(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "phone", CustomData(0, "p"), CustomData(MAPPING, "user"))
    site.look(other, "user")
    site.learn(one, "laptop", CustomData(0, "l"), CustomData(MAPPING, "user"))

    assert site.look(other, "user").custom_data[0] == "l"
    assert site.look(other, "phone").custom_data[0] == "p"


def test_a_user_id_outlives_the_code_that_it_was_linked_to(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(MAPPING, "user"))
    site.server.run("DEL", site.key(one, "anonymous"))

    user = site.look(other, "user")

    assert user.hashing_code == "anonymous"
    assert user.traits.is_linked


def test_a_user_id_that_was_forgotten_is_a_visitor_of_its_own_when_it_comes_back(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "anonymous", CustomData(0, "a"), CustomData(MAPPING, "user"))
    site.look(other, "user")
    site.server.run("DEL", site.key(one, "user"))
    assert site.look_for(one, "user") is None

    site.learn(one, "user", CustomData(1, "new"))

    assert site.look(other, "user").custom_data == {1: "new"}
    assert site.look(other, "anonymous").custom_data == {0: "a", MAPPING: "user"}


@pytest.mark.parametrize("alias", [b'"v"', b'"%b"' % (b"x" * 300), b"7", b"{", b'"\xff"', b"null"])
def test_a_link_that_leads_nowhere_is_no_link(site: Site, alias: bytes) -> None:
    store = site.process()
    for name, value in ((b"own:alias_of", alias), (b"data:0", b'"a"')):
        site.server.run("HSET", site.key(store, "v"), name, value)

    assert site.look(store, "v").custom_data == {0: "a"}


# --- read once --------------------------------------------------------------------------------------------------------


def test_redis_is_read_once_however_often_a_visitor_is_asked_for(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "v", CustomData(0, "a"))
    before = read_count(site.server)

    for _ in range(100):
        assert site.stores[1].get("v") is not None
    assert read_count(site.server) == before + 1

    site.look(other, "v")
    other.get("v")
    assert read_count(site.server) == before + 2


def test_that_a_visitor_is_not_known_is_asked_once_too(site: Site) -> None:
    store = site.process()
    before = read_count(site.server)

    for _ in range(100):
        assert store.get("nobody") is None
    assert read_count(site.server) == before + 1

    site.look_for(store, "nobody")
    assert read_count(site.server) == before + 2


def test_a_visitor_who_is_new_here_is_not_read_at_once(site: Site) -> None:
    store = site.process()
    store.get_or_create("v")
    before = read_count(site.server)

    store.get("v")
    assert read_count(site.server) == before


def test_codes_that_nobody_knows_take_a_bounded_room(site: Site) -> None:
    store = site.process()

    for number in range(MOST_ABSENT + 10):
        store._reader._is_absent(f"{number}", 1e9)

    assert len(store._reader.absent) <= MOST_ABSENT


def test_asking_whether_a_visitor_is_known_asks_this_process_alone(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "v")
    before = read_count(site.server)

    assert "v" in one
    assert "v" not in other
    assert (len(one), len(other), [visitor.code for visitor in one]) == (1, 0, ["v"])
    assert read_count(site.server) == before


# --- forgetting -------------------------------------------------------------------------------------------------------


def test_a_visitor_is_kept_for_the_idle_period_from_when_it_was_last_seen(site: Site) -> None:
    one, other = site.process(idle_seconds=1000.0), site.process(idle_seconds=1000.0)
    site.learn(one, "v")
    assert 990_000 < site.server.run("PTTL", site.key(one, "v")) <= 1_000_000

    site.server.run("PEXPIRE", site.key(one, "v"), "500000")
    site.look(other, "v")

    assert site.server.run("PTTL", site.key(one, "v")) > 990_000


def test_a_visitor_that_no_process_has_seen_is_forgotten_by_all(site: Site) -> None:
    one, other = site.process(idle_seconds=0.2), site.process(idle_seconds=0.2)
    site.learn(one, "v", CustomData(0, "a"))
    assert other.get("v") is not None
    wait_until(lambda: not site.server.run("EXISTS", site.key(one, "v")))
    site.clock.advance(0.15)  # so that it is not forgotten for having been idle here

    assert one.get("v") is other.get("v") is None
    assert one.get_or_create("v").custom_data == {}


def test_a_visitor_whom_another_process_sees_is_not_forgotten(site: Site) -> None:
    one, other = site.process(idle_seconds=60.0), site.process(idle_seconds=60.0)
    site.learn(one, "v", CustomData(0, "a"))
    for _ in range(3):
        site.clock.advance(50)
        other.get("v")

    visitor = one.get("v")

    assert visitor is not None
    assert visitor.custom_data == {0: "a"}


def test_a_visitor_that_makes_room_is_read_when_it_comes_back(site: Site) -> None:
    store = site.process(max_bytes=3000)
    for number in range(10):
        site.learn(store, f"{number}", CustomData(0, f"{number}"))
    assert len(store) < 5

    assert site.look(store, "0").custom_data == {0: "0"}


def test_a_visitor_that_makes_room_before_it_is_written_loses_nothing(site: Site) -> None:
    store = site.process(max_bytes=3000)
    site.server.run("CLIENT", "PAUSE", "200", "WRITE")
    for number in range(10):
        store.add_data(store.unknown(f"{number}"), [CustomData(0, f"{number}"), PageView("/")], INDEX)

    visitor = site.look(store, "0")

    assert visitor.custom_data == {0: "0"}
    assert visitor.traits.pages["/"].views == 1
    assert store.flush(WAIT)
    assert site.look(store, "0").traits.pages["/"].views == 1


# --- what others may have put there -----------------------------------------------------------------------------------

GARBAGE = {
    b"": b"",
    b"\xff\xfe": b"1",
    b"data": b'"x"',
    b"data:": b'"x"',
    b"data:-1": b'"x"',
    b"data:1.5": b'"x"',
    b"data:" + b"9" * 5000: b'"x"',
    "data:\u0663".encode(): b'"x"',
    b"data:1": b"[1, 2]",
    b"data:2": b'"\xff"',
    b"data:4": b"[" * 100_000,
    b"additive:1": b'"yes"',
    b"assignment:1": b'{"variation": "x", "time": 1}',
    b"assignment:2": b'{"variation": 1, "time": 1e999}',
    b"assignment:x": b'{"variation": 1, "time": 1}',
    b"forced:1": b"[]",
    b"page:/x": b"null",
    b"page:/y": b'{"time":"now"}',
    b"views:/x": b"many",
    b"views:/cart": b"-3",
    b"conversion:1": b'{"goal":1}',
    b"personalization:1": b'"x"',
    b"trait:browser": b'{"browser_type": 99}',
    b"trait:device": b'{"device_type": "FRIDGE"}',
    b"trait:cookies": b'{"a": 1}',
    b"trait:scores": b'{"x": {}}',
    b"trait:consent": b'"MAYBE"',
    b"trait:code": b'"x"',
    b"trait:unheard_of": b"1",
    b"first:code": b'"x"',
    b"own:is_unique_identifier": b"1",
    b"unheard:of": b"1",
}


def test_what_makes_no_sense_is_left_out_field_by_field(site: Site) -> None:
    one, other = site.process(), site.process()
    site.learn(one, "v", CustomData(0, "a"), PageView("/cart"))
    for name, value in GARBAGE.items():
        site.server.run("HSET", site.key(one, "v"), name, value)

    visitor = site.look(other, "v")

    site_visitor = one.get_or_create("v")
    assert visitor.custom_data == {0: "a"}
    assert changes(visitor, site_visitor) == {}
    assert visitor.traits.pages["/cart"].views == 1


@pytest.mark.parametrize(
    "command",
    [(b"SET", b"text"), (b"RPUSH", b"item"), (b"SADD", b"member"), (b"SETBIT", b"7", b"1")],
)
def test_a_key_that_is_no_hash_is_no_visitor_and_keeps_nobody_from_anything(
    site: Site, command: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    store = site.process()
    name, *values = command
    site.server.run(name, site.key(store, "v"), *values)

    assert store.get("v") is None
    store.add_data(store.unknown("v"), [CustomData(0, "a")], INDEX)
    site.learn(store, "w", CustomData(0, "b"))

    assert store.flush(WAIT)
    assert store.is_shared
    assert site.look(store, "w").custom_data == {0: "b"}
    assert caplog.records == []


def test_a_count_that_is_no_number_is_left_alone(site: Site) -> None:
    one, other = site.process(), site.process()
    site.server.run("HSET", site.key(one, "v"), "views:/", "many")

    site.learn(one, "v", PageView("/"), CustomData(0, "a"))

    visitor = site.look(other, "v")
    assert (visitor.custom_data, visitor.traits.pages["/"].views) == ({0: "a"}, 1)


def test_a_visitor_that_is_too_large_to_read_costs_only_itself(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = site.process()
    for number in range(30):
        site.server.run("HSET", site.key(store, "giant"), f"data:{number}", '"%s"' % ("x" * 60_000))

    store.get("giant")
    assert store.is_shared
    site.learn(store, "w", CustomData(0, "b"))
    assert site.look(store, "w").custom_data == {0: "b"}
    assert caplog.records == []


def test_a_field_that_is_too_long_to_share_stays_with_its_process(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    one, other = site.process(), site.process()
    long = "x" * 100_000
    site.learn(one, "v", CustomData(0, long), CustomData(1, "short"))

    assert site.look(one, "v").custom_data == {0: long, 1: "short"}
    assert site.look(other, "v").custom_data == {1: "short"}
    assert [record.message for record in caplog.records] == [
        "a visitor's data of kind data cannot be shared: ValueError"
    ]


def test_a_visitor_of_whom_too_much_is_known_stays_with_its_process(site: Site) -> None:
    store = site.process()
    site.learn(store, "v", *[CustomData(number, "x" * 10_000) for number in range(100)])
    before = read_count(site.server)

    visitor = site.look(store, "v")

    assert visitor.size > MOST_SHARED_BYTES
    assert len(visitor.custom_data) == 100
    assert read_count(site.server) == before


def test_what_cannot_be_written_costs_only_itself(site: Site) -> None:
    one, other = site.process(), site.process()
    strange: list[Data] = [PageView("/\ud800"), UserAgent("\udfff"), Conversion(2**70), CustomData(0, "a")]

    site.learn(one, "v", *strange)

    assert site.look(other, "v").custom_data == {0: "a"}
    assert list(site.look(one, "v").traits.pages) == ["/\ud800"]


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://host", "redis://host:port", "redis://host/0?socket_timeout=x", "redis://host?no_such_option=1", ""],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigSettingInvalid, match="redis_url is no URL that redis-py takes") as refusal:
        RedisVisitorStore(url, site_code="s", idle_seconds=1.0, max_bytes=1, timeout_seconds=1.0)

    assert refusal.value.setting == "redis_url"
    assert not url or url not in str(refusal.value)


def test_the_socket_of_this_machine_will_do(site: Site) -> None:
    store = site.process(url=f"unix://{site.server.socket_path}?db=0")

    site.learn(store, "v", CustomData(0, "a"))

    assert site.look(site.process(), "v").custom_data == {0: "a"}


def test_another_database_is_another_redis(site: Site) -> None:
    store = site.process(url=f"redis://127.0.0.1:{site.server.port}/5")

    site.learn(store, "v", CustomData(0, "a"))

    assert site.process().get("v") is None


# --- without threads --------------------------------------------------------------------------------------------------


def test_without_threads_changes_are_written_at_once(site: Site) -> None:
    one, other = site.process(threads=False), site.process(threads=False)

    one.add_data(one.unknown("v"), [CustomData(0, "a")], INDEX)

    assert one.pending == 0
    assert site.look(other, "v").custom_data == {0: "a"}
    assert [thread for thread in threading.enumerate() if thread.name == "kameleoon-redis"] == []


def test_without_threads_nothing_is_written_while_a_lock_is_held(site: Site) -> None:
    store = site.process(threads=False)

    with store.lock:
        store.add_data(store.unknown("v"), [CustomData(0, "a")], INDEX)
        assert store.pending > 0

    assert store.pending == 0


def test_without_threads_redis_is_reached_by_start_or_flush(site: Site) -> None:
    store = site.process(threads=False, is_up=False)
    store.add_data(store.get("v") or store.unknown("v"), [CustomData(0, "a")], INDEX)
    assert not store.is_shared

    assert store.flush(WAIT)

    assert store.is_shared
    assert site.fields(store, "v")[b"data:0"] == b'"a"'


# --- all at once ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["v", "w", "u"]),
        st.one_of(
            st.builds(CustomData, st.integers(0, 2), st.sampled_from("abc")),
            st.builds(lambda user: CustomData(MAPPING, user), st.sampled_from(["v", "u"])),
            st.builds(PageView, st.sampled_from(["/1", "/2"])),
            st.builds(Device, st.sampled_from(DeviceType)),
            st.builds(Conversion, st.integers(1, 3)),
            st.builds(UniqueIdentifier, st.booleans()),
            st.none(),
        ),
    ),
    max_size=25,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=[(0, "u", CustomData(0, "a")), (1, "v", CustomData(MAPPING, "u")), (0, "u", CustomData(MAPPING, "v"))])
def test_processes_agree_once_they_have_looked(
    redis_server: RedisServer, steps: list[tuple[int, str, Data | None]]
) -> None:
    site = Site(redis_server)
    stores = [site.process(threads=False) for _ in range(3)]
    views = {"/1": 0, "/2": 0}
    for number, code, data in steps:
        store = stores[number]
        site.clock.advance(0.01 if data else REFRESH)
        if data is not None:
            store.add_data(store.get(code) or store.unknown(code), [data], INDEX)
            assert store.flush(WAIT)
            if isinstance(data, PageView):
                views[data.url] += 1

    for _ in range(4):  # a look may find something missing, and puts it there
        site.clock.advance(REFRESH)
        seen = [[store.get(code) for code in "vwu"] for store in stores]

    site.close()
    for visitors in zip(*seen, strict=True):
        for visitor in visitors[1:]:
            assert (visitor is None) is (visitors[0] is None)
            if visitor is not None and visitors[0] is not None:
                assert changes(visitors[0], visitor) == {}
                assert visitors[0].is_unique_identifier == visitor.is_unique_identifier
    if not any(isinstance(data, CustomData) and data.index == MAPPING for _, _, data in steps):
        counted = {"/1": 0, "/2": 0}
        for found in seen[0]:
            for url, visit in found.traits.pages.items() if found else ():
                counted[url] += visit.views
        assert counted == views


def test_threads_of_several_processes_lose_nothing(site: Site) -> None:
    stores = [site.process() for _ in range(2)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        store = stores[number % 2]
        try:
            for turn in range(100):
                visitor = store.get(f"{turn % 5}") or store.unknown(f"{turn % 5}")
                store.add_data(visitor, [PageView(f"/{number}"), CustomData(10 + number, f"{turn}")], INDEX)
        except BaseException as error:  # whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.flush(WAIT) for store in stores)

    assert failures == []
    site.clock.advance(REFRESH)
    for store in stores:
        for code in range(5):
            visitor = store.get(f"{code}")
            assert visitor is not None
            assert {url: visit.views for url, visit in visitor.traits.pages.items()} == {
                f"/{number}": 20 for number in range(6)
            }
            assert visitor.custom_data == {10 + number: f"{95 + code}" for number in range(6)}
