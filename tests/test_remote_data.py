"""Remote data: what is asked of Kameleoon's servers, what becomes of the answer, and of none (kameleoon-sdk.md 9)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from openfeature_kameleoon import (
    CustomData,
    Device,
    DeviceType,
    KameleoonClient,
    KameleoonClientConfiguration,
    RemoteVisitorDataFilter,
    UniqueIdentifier,
)
from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.errors import ConfigException, ConfigSettingInvalid, VisitorCodeInvalid
from openfeature_kameleoon.remote_data import PARTS
from openfeature_kameleoon.transport.urls import VISITOR_PARTS
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.chaos import Answer, hangs, reply, resets, wait_until
from tests.clock import FakeClock
from tests.faces import CUSTOM_DATA, client_of, flag, reported, rule, site, threads
from tests.kameleoon import MAP, ROUTES, VISITOR, FakeKameleoon
from tests.vectors import Stage, data_file, vectors

Json = dict[str, Any]

FLAGS = site(flag("f", rule(1, ("on", 1))))


def visit(**events: Any) -> Json:
    """A current visit in which the plan is ``vip``, and more happened."""
    datum = {"time": 1_790_000_001_000, "data": {"index": 0, "valuesCountMap": {"vip": 1}}}
    return {"currentVisit": {"customDataEvents": [datum], **events}}


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS) as kameleoon:
        yield kameleoon


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(kameleoon: FakeKameleoon, clock: FakeClock) -> Iterator[KameleoonClient]:
    """A client without threads, on a clock that stands still, ready."""
    with client_on(kameleoon, clock=clock) as client:
        assert client.wait_init()
        yield client


def client_on(kameleoon: FakeKameleoon, *, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> KameleoonClient:
    configuration = KameleoonClientConfiguration(**{"multi_threading": False, **settings})
    return KameleoonClient("site", configuration_object=configuration, endpoints=kameleoon.endpoints, clock=clock)


def query(kameleoon: FakeKameleoon, route: str) -> dict[str, list[str]]:
    """The parameters of the one request of a route."""
    [request] = kameleoon.requests(route)
    return parse_qs(urlsplit(request.target).query)


class Method(NamedTuple):
    """A remote method with its arguments, what it gives when the request fails, and where that goes."""

    name: str
    arguments: tuple[Any, ...]
    failed: object
    route: str

    def call(self, client: KameleoonClient, *, is_async: bool, **options: Any) -> Any:
        if not is_async:
            return getattr(client, self.name)(*self.arguments, **options)
        return asyncio.run(getattr(client, f"{self.name}_async")(*self.arguments, **options))


METHODS = (
    Method("get_remote_data", ("a key",), None, MAP),
    Method("get_remote_visitor_data", ("somebody",), [], VISITOR),
    Method("get_visitor_warehouse_audience", ("somebody", 0), None, MAP),
)

for_each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
in_both_forms = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# --- values of keys -----------------------------------------------------------------------------------------


@in_both_forms
@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "ü"]}, [], "text", 0, False, 7.5])
def test_a_value_is_given_as_it_is(
    kameleoon: FakeKameleoon, client: KameleoonClient, value: object, is_async: bool
) -> None:
    kameleoon.values["key one/2"] = value

    given = Method("get_remote_data", ("key one/2",), None, MAP).call(client, is_async=is_async)

    assert given == value
    assert kameleoon.requests(MAP)[0].target == "/map/map?siteCode=site&key=key%20one%2F2"


def test_the_former_name_works_too(kameleoon: FakeKameleoon, client: KameleoonClient) -> None:
    kameleoon.values["key"] = 5

    with pytest.warns(DeprecationWarning, match="get_remote_data"):
        assert client.retrieve_data_from_remote_source("key", timeout=5) == 5


# --- visitors -----------------------------------------------------------------------------------------------


def state(visitor: Visitor | None) -> object:
    """All that is known of a visitor, but when it was seen."""
    if visitor is None:
        return None
    fields = ("hashing_code", "is_unique_identifier", "custom_data", "assignments", "unsent")
    return {**{name: getattr(visitor, name) for name in fields}, **msgspec.structs.asdict(visitor.traits)}


@in_both_forms
@pytest.mark.parametrize("vector", vectors("remote_visitor_data"), ids=lambda vector: vector["name"])
def test_an_answer_has_the_effect_that_the_reference_vectors_ask_for(vector: Json, is_async: bool) -> None:
    """The parts that read and add are tested against the vectors: here, that the client does as they do."""
    code, wanted = vector["visitor_code"], RemoteVisitorDataFilter(**vector["filter"])
    expected, stage = Stage(), Stage()
    for played in (expected, stage):
        played.at(vectors("meta")["evaluate_at_ms"])
    with FakeKameleoon(data_file()) as kameleoon, client_on(kameleoon, clock=stage.clock) as client:
        kameleoon.visitors[code] = vector["response"]
        client.wait_init()
        assert isinstance(client.evaluator.store, MemoryVisitorStore)
        stage.store = client.evaluator.store
        for played in (expected, stage):
            played.play(code, vector["steps_before"])
        remote = expected.receive(code, vector["response"], wanted, add=vector["add_data"])

        given = Method("get_remote_visitor_data", (code, vector["add_data"]), [], VISITOR).call(
            client, is_async=is_async, data_filter=wanted
        )

        assert given == remote.as_data()
        assert state(client.evaluator.store.get(code)) == state(expected.store.get(code))


def test_by_default_the_current_visit_one_before_and_custom_data_are_asked_for(
    kameleoon: FakeKameleoon, client: KameleoonClient
) -> None:
    client.get_remote_visitor_data("v 1/é")

    assert kameleoon.requests(VISITOR)[0].target == (
        "/visit/visitor?siteCode=site&visitorCode=v%201%2F%C3%A9&maxNumberPreviousVisits=1&version=0&staticData=true"
        "&currentVisit=true&customData=true"
    )


@pytest.mark.parametrize(("field", "part"), PARTS.items())
def test_a_part_is_asked_for_when_the_filter_says_so(
    kameleoon: FakeKameleoon, client: KameleoonClient, field: str, part: str
) -> None:
    nothing = dict.fromkeys(PARTS, False)

    client.get_remote_visitor_data("v", data_filter=RemoteVisitorDataFilter(25, **{**nothing, field: True}))

    asked = query(kameleoon, VISITOR)
    assert asked["maxNumberPreviousVisits"] == ["25"]
    assert set(asked) & set(VISITOR_PARTS) == {part}


def test_every_part_can_be_asked_for() -> None:
    assert sorted(PARTS.values()) == sorted(VISITOR_PARTS)
    with pytest.raises(ConfigSettingInvalid):
        RemoteVisitorDataFilter(26)


@pytest.mark.parametrize(
    ("prepare", "options", "parameter"),
    [
        (lambda client: None, {}, "visitorCode"),
        (lambda client: None, {"is_unique_identifier": True}, "mappingValue"),
        (lambda client: client.add_data("v", UniqueIdentifier(True)), {}, "mappingValue"),
        (
            lambda client: client.add_data("v", UniqueIdentifier(True)),
            {"is_unique_identifier": False},
            "visitorCode",
        ),
    ],
)
def test_a_user_id_is_asked_for_as_one(
    kameleoon: FakeKameleoon,
    client: KameleoonClient,
    prepare: Callable[[KameleoonClient], None],
    options: Json,
    parameter: str,
) -> None:
    prepare(client)

    client.get_remote_visitor_data("v", **options)

    assert {"visitorCode", "mappingValue"} & set(query(kameleoon, VISITOR)) == {parameter}
    assert client.evaluator.visitor("v").is_unique_identifier is (parameter == "mappingValue")


def test_what_is_added_targets_from_then_on_and_is_not_reported(
    kameleoon: FakeKameleoon, client: KameleoonClient
) -> None:
    kameleoon.visitors["somebody"] = visit(staticDataEvent={"data": {"deviceType": "PHONE"}})

    given = client.get_remote_visitor_data("somebody", data_filter=RemoteVisitorDataFilter(device=True))

    assert given == [CustomData(0, "vip"), Device(DeviceType.PHONE)]
    visitor = client.evaluator.store.get("somebody")
    assert visitor is not None
    assert (visitor.custom_data, visitor.traits.device) == ({0: "vip"}, Device(DeviceType.PHONE))
    assert not visitor.unsent


@pytest.mark.parametrize(("wants_code", "hashing_code"), [(True, "of old"), (False, None)])
def test_without_adding_only_the_visitor_code_is_taken(
    kameleoon: FakeKameleoon, client: KameleoonClient, wants_code: bool, hashing_code: str | None
) -> None:
    kameleoon.visitors["somebody"] = visit(visitorCode="of old")

    given = client.get_remote_visitor_data(
        "somebody", add_data=False, data_filter=RemoteVisitorDataFilter(visitor_code=wants_code)
    )

    assert given == [CustomData(0, "vip")]
    assert client.evaluator.visitor("somebody").hashing_code == hashing_code
    assert not client.evaluator.visitor("somebody").custom_data
    assert len(client.evaluator.store) == wants_code  # nothing to keep, nobody to be remembered


@pytest.mark.parametrize("answer", [{}, [], "text", 5, {"currentVisit": None, "kcs": 7}])
def test_an_answer_of_nothing_is_nothing(kameleoon: FakeKameleoon, client: KameleoonClient, answer: object) -> None:
    kameleoon.visitors["somebody"] = answer

    assert client.get_remote_visitor_data("somebody") == []
    assert len(client.evaluator.store) == 0


def test_custom_data_of_the_visitor_and_visits_are_reported_for_the_new_visit(
    kameleoon: FakeKameleoon, clock: FakeClock
) -> None:
    kameleoon.publish({**FLAGS, "customData": [{**CUSTOM_DATA[0], "scope": "VISITOR"}]})
    kameleoon.visitors["somebody"] = {**visit(), "previousVisits": [{"timeStarted": 1_789_990_000_000}]}
    with client_on(kameleoon, clock=clock) as client:
        client.wait_init()

        client.get_remote_visitor_data("somebody")
        client.get_variation("somebody", "f")

        kinds = [type(event.data).__name__ for event in reported(client)]
    assert sorted(kinds) == ["CustomData", "Exposure", "VisitHistory"]


# --- audiences ----------------------------------------------------------------------------------------------


@in_both_forms
@pytest.mark.parametrize(("warehouse_key", "key"), [(None, "somebody"), ("", "somebody"), ("crm/7", "crm/7")])
def test_the_audiences_become_a_custom_datum_that_is_reported(
    kameleoon: FakeKameleoon, client: KameleoonClient, warehouse_key: str | None, key: str, is_async: bool
) -> None:
    kameleoon.values[key] = {"warehouseAudiences": {"loyal": 1, "rich": None, "é": {}}}

    method = Method("get_visitor_warehouse_audience", ("somebody", 0, warehouse_key), None, MAP)
    datum = method.call(client, is_async=is_async)
    client.flush("somebody")

    assert datum == CustomData(0, "loyal", "rich", "é")
    assert query(kameleoon, MAP)["key"] == [key]
    [line] = kameleoon.lines
    assert "eventType=customData&index=0&valuesCountMap=%7B%22loyal%22%3A1%2C%22rich%22%3A1%2C" in line
    assert line.endswith("&visitorCode=somebody")


@pytest.mark.parametrize("answer", [{}, {"warehouseAudiences": None}, {"warehouseAudiences": {}}])
def test_a_visitor_of_no_audience_gets_a_datum_without_values(
    kameleoon: FakeKameleoon, client: KameleoonClient, answer: Json
) -> None:
    kameleoon.values["somebody"] = answer

    assert client.get_visitor_warehouse_audience("somebody", 0) == CustomData(0)
    assert client.evaluator.visitor("somebody").custom_data == {0: ()}


@pytest.mark.parametrize("answer", [[], ["loyal"], "loyal", 5, {"warehouseAudiences": ["loyal"]}])
def test_an_answer_that_makes_no_sense_adds_nothing(
    kameleoon: FakeKameleoon, client: KameleoonClient, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    kameleoon.values["somebody"] = answer

    assert client.get_visitor_warehouse_audience("somebody", 0) is None
    assert len(client.evaluator.store) == 0
    assert messages(caplog) == ["get_visitor_warehouse_audience failed: the answer has no object of audiences"]


# --- when there is no answer --------------------------------------------------------------------------------

FAILURES: list[Answer] = [
    reply(400, b'{"error": "of a kind"}'),
    reply(404, b'{"error": "of a kind"}'),
    reply(500, b'{"error": "of a kind"}'),
    reply(200, b'{"cut'),
    reply(301, b"", {"Location": "https://elsewhere.example"}),
    resets(),
]


@for_each_method
@in_both_forms
@pytest.mark.parametrize("failure", FAILURES, ids=["400", "404", "500", "cut", "redirect", "reset"])
def test_a_failed_request_gives_nothing_and_one_warning(
    kameleoon: FakeKameleoon,
    client: KameleoonClient,
    caplog: pytest.LogCaptureFixture,
    method: Method,
    is_async: bool,
    failure: Answer,
) -> None:
    kameleoon.break_down(method.route, failure)

    given = [method.call(client, is_async=is_async) for _ in range(3)]

    assert given == [method.failed] * 3
    [message] = messages(caplog)
    assert message.startswith(f"{method.name} failed: ")
    assert "of a kind" not in caplog.text
    assert "somebody" not in caplog.text
    assert len(client.evaluator.store) == 0


@for_each_method
@pytest.mark.parametrize(
    "answer", [reply(403, b'{"a": 1}'), reply(204), reply(200, b"<p>", {"Content-Type": "text/html"})]
)
def test_no_content_is_nothing_and_no_failure(
    kameleoon: FakeKameleoon,
    client: KameleoonClient,
    caplog: pytest.LogCaptureFixture,
    method: Method,
    answer: Answer,
) -> None:
    kameleoon.break_down(method.route, answer)

    assert method.call(client, is_async=False) == method.failed
    assert messages(caplog) == []
    assert len(client.evaluator.store) == 0


def test_what_works_again_is_told_and_what_fails_then_is_news(
    kameleoon: FakeKameleoon, client: KameleoonClient, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openfeature_kameleoon.remote_data")
    kameleoon.values["key"] = 5

    for answer in (reply(500), None, None, reply(500)):
        kameleoon.break_down(MAP, answer)
        client.get_remote_data("key")
        clock.advance(61)

    assert [level for *_, level, _ in [(0, *record) for record in caplog.record_tuples]] == [30, 20, 30]
    assert messages(caplog, logging.INFO) == ["get_remote_data works again"]


@for_each_method
@in_both_forms
def test_the_wait_is_bounded_by_the_timeout(
    kameleoon: FakeKameleoon,
    client: KameleoonClient,
    caplog: pytest.LogCaptureFixture,
    method: Method,
    is_async: bool,
) -> None:
    kameleoon.break_down(method.route, hangs())

    assert method.call(client, is_async=is_async, timeout=0.05) == method.failed

    assert "in time" in messages(caplog)[0]


@for_each_method
@pytest.mark.parametrize("timeout", [None, 0, -1, float("nan")])
def test_without_a_timeout_it_is_the_default_one(
    kameleoon: FakeKameleoon, caplog: pytest.LogCaptureFixture, method: Method, timeout: float | None
) -> None:
    kameleoon.break_down(method.route, hangs())
    with client_on(kameleoon, default_timeout_millisecond=50) as client:
        assert method.call(client, is_async=False, timeout=timeout) == method.failed

    assert "in time" in messages(caplog)[0]


@for_each_method
def test_an_infinite_timeout_is_a_long_one(kameleoon: FakeKameleoon, client: KameleoonClient, method: Method) -> None:
    assert method.call(client, is_async=True, timeout=float("inf")) == method.failed


@in_both_forms
@pytest.mark.parametrize("method", METHODS[1:], ids=lambda method: method.name)
@pytest.mark.parametrize("code", ["", "a\nb", "x" * 256, None])
def test_a_bad_visitor_code_is_refused_before_anything_is_asked(
    kameleoon: FakeKameleoon, client: KameleoonClient, method: Method, is_async: bool, code: Any
) -> None:
    bad = method._replace(arguments=(code, *method.arguments[1:]))

    with pytest.raises(VisitorCodeInvalid):
        bad.call(client, is_async=is_async)

    assert kameleoon.requests(method.route) == []


@for_each_method
@in_both_forms
def test_a_client_without_network_says_what_to_do(tmp_path: Any, method: Method, is_async: bool) -> None:
    client = client_of(tmp_path, FLAGS)

    with pytest.raises(ConfigException, match="client_id"):
        method.call(client, is_async=is_async)


@pytest.mark.parametrize("settings", [{"client_id": "id", "client_secret": "secret"}, {"send_events": True}, {}])
def test_a_data_file_on_disk_and_the_servers_can_go_together(
    tmp_path: Any, kameleoon: FakeKameleoon, settings: Json
) -> None:
    kameleoon.values["key"] = 5
    (tmp_path / "flags.json").write_text('{"featureFlags": []}')

    with client_on(kameleoon, data_file=tmp_path / "flags.json", **settings) as client:
        assert client.get_remote_data("key") == 5


# --- beside the event loop ----------------------------------------------------------------------------------


def test_a_cancelled_call_ends_at_once_and_leaves_no_thread(kameleoon: FakeKameleoon) -> None:
    kameleoon.break_down(VISITOR, hangs())

    async def main(client: KameleoonClient) -> None:
        call = asyncio.create_task(client.get_remote_visitor_data_async("somebody", timeout=30))
        while not kameleoon.requests(VISITOR):
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with client_on(kameleoon) as client:
        asyncio.run(main(client))
    wait_until(lambda: threads() == [])


def test_closing_the_client_ends_what_is_under_way(kameleoon: FakeKameleoon) -> None:
    kameleoon.break_down(MAP, hangs())

    async def main(client: KameleoonClient) -> object:
        call = asyncio.create_task(client.get_remote_data_async("key", timeout=30))
        while not kameleoon.requests(MAP):
            await asyncio.sleep(0.001)
        client.close()
        return await call

    assert asyncio.run(main(client_on(kameleoon))) is None
    wait_until(lambda: threads() == [])


def test_very_many_calls_at_once_all_get_their_answer(kameleoon: FakeKameleoon, client: KameleoonClient) -> None:
    codes = [f"v{number}" for number in range(100)]
    kameleoon.visitors.update(dict.fromkeys(codes, visit()))

    async def main() -> list[list[Any]]:
        return await asyncio.gather(*map(client.get_remote_visitor_data_async, codes))

    assert asyncio.run(main()) == [[CustomData(0, "vip")]] * 100
    assert len(client.evaluator.store) == 100


def test_calls_that_wait_for_their_turn_do_not_wait_longer_than_they_may(
    kameleoon: FakeKameleoon, caplog: pytest.LogCaptureFixture
) -> None:
    kameleoon.break_down(MAP, hangs())

    async def main(client: KameleoonClient) -> list[Any]:
        calls = (client.get_remote_data_async("key", timeout=0.2) for _ in range(100))
        return await asyncio.wait_for(asyncio.gather(*calls), 5)

    with client_on(kameleoon) as client:
        assert asyncio.run(main(client)) == [None] * 100
    assert len(kameleoon.requests(MAP)) <= 64
    assert 1 <= len(messages(caplog)) <= 3  # one for each kind of failure, not for each call


LONGEST_STALL_SECONDS = 0.005
PATIENCE_SECONDS = 30.0


async def longest_stall(client: KameleoonClient, timeout: float) -> float:
    """How much longer than asked a short sleep takes at worst, while all that may be awaited waits; in seconds."""
    longest, is_over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not is_over:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started - 0.001)

    watching = asyncio.create_task(watch())
    calls = [getattr(client, f"{method.name}_async")(*method.arguments, timeout=timeout) for method in METHODS]
    answers = await asyncio.gather(*calls, client.wait_init_async(timeout * 1000))
    is_over = True
    await watching
    assert answers == [*(method.failed for method in METHODS), False]
    return longest


@pytest.mark.parametrize("settings", [{}, {"client_id": "id", "client_secret": "secret"}], ids=["", "with a token"])
def test_r28_the_event_loop_is_not_held_up_while_every_server_hangs(kameleoon: FakeKameleoon, settings: Json) -> None:
    for route in ROUTES:
        kameleoon.break_down(route, hangs())
    stalls: list[float] = []
    deadline = time.monotonic() + PATIENCE_SECONDS

    # A busy machine stalls everybody now and then; what blocks does so each time.
    while not stalls or (min(stalls) > LONGEST_STALL_SECONDS and time.monotonic() < deadline):
        with client_on(kameleoon, multi_threading=True, **settings) as client:
            stalls.append(asyncio.run(longest_stall(client, 0.1)))

    assert min(stalls) <= LONGEST_STALL_SECONDS
