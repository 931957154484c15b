"""The SDK as 3.x documents it: start, status, what each state allows, flags, consent, identities (1.9 to 1.13, 2.5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_kameleoon.flagship import (
    Bucketing,
    DecisionApi,
    Event,
    EventCategory,
    Flagship,
    FlagshipContext,
    FlagshipLogManager,
    LogLevel,
    Page,
    Screen,
    Status,
    StatusListener,
    TrackingManagerConfig,
    Transaction,
    Visitor,
)
from openfeature_kameleoon.flagship.errors import InitializationParamError, ParamTypeError
from openfeature_kameleoon.flagship.permissions import ALLOWED, Operation, Standing, is_allowed, standing
from openfeature_kameleoon.flagship.tracking_manager import CacheStrategy, ClosingStrategy
from tests.chaos import hangs, reply, resets, wait_until
from tests.flagship.examples import example
from tests.flagship.files import bucketing, campaign, group, variation, vectors
from tests.flagship.vendor import (
    PANIC_FILE,
    Statuses,
    Told,
    Vendor,
    as_json,
    body,
    decided,
    file_of,
    rare,
    start,
    start_bucketing,
)

Json = dict[str, Any]

SDK_CONTEXT = {"fs_client": "python", "fs_version": "3.0.1"}
CLICK = Event(EventCategory.ACTION_TRACKING, "click")


def fetched(visitor_id: str = "user_#1234", **options: Any) -> Visitor:
    visitor = Flagship.new_visitor(visitor_id, **options)
    visitor.fetch_flags()
    return visitor


def sent(vendor: Vendor) -> list[Json]:
    """Stop the SDK; the hits that were sent, without those of consent."""
    Flagship.stop()
    return [hit for hit in vendor.hits if hit.get("ea") != "fs_consent"]


# --- 1.9 start and stop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("env_id", "api_key"), [("", "key"), ("env", ""), ("", "")])
def test_empty_ids_are_refused(env_id: str, api_key: str) -> None:
    with pytest.raises(InitializationParamError):
        Flagship.start(env_id, api_key, DecisionApi())
    assert Flagship.status() is Status.NOT_INITIALIZED


@pytest.mark.parametrize(
    "arguments", [(None, "key"), ("env", None), (7, "key"), ("env",), (), ("env", "key", 7), ("e", "k", None, None)]
)
def test_what_start_does_not_take_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ParamTypeError):
        Flagship.start(*arguments)


def test_ids_given_to_start_replace_those_of_the_configuration(vendor: Vendor) -> None:
    config = DecisionApi(env_id="other", api_key="other", log_manager=Told(), endpoints=vendor.endpoints)

    Flagship.start(env_id="ENV_ID", api_key="API_KEY", configuration=config)

    assert Flagship.config() is config
    assert (config.env_id, config.api_key) == ("ENV_ID", "API_KEY")


def test_without_a_configuration_the_server_decides_and_a_warning_says_so(
    vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    Flagship.start("ENV_ID", "API_KEY")

    lines = capsys.readouterr().out.splitlines()
    assert isinstance(Flagship.config(), DecisionApi)
    assert [line for line in lines if "\033[93m" in line and "DecisionApi()" in line]
    assert not [line for line in lines if "STARTING" in line]
    assert Flagship.status() is Status.READY


def test_a_stop_forgets_everything(vendor: Vendor) -> None:
    listener = Statuses()
    start(vendor, status_listener=listener)
    Flagship.new_visitor("v", instance_type=Visitor.Instance.SINGLE_INSTANCE)
    listener.seen.clear()

    Flagship.stop()

    assert Flagship.status() is Status.NOT_INITIALIZED
    assert Flagship.config() is None
    assert Flagship.get_visitor() is None
    assert listener.seen == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kameleoon-")]


def test_a_second_start_leaves_no_thread_behind(vendor: Vendor) -> None:
    start_bucketing(vendor, polling_interval=60_000)
    start_bucketing(vendor, polling_interval=60_000)

    names = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon-"))

    assert names == ["kameleoon-configuration", "kameleoon-flagship-activations", "kameleoon-flagship-hits"]


def test_a_visitor_goes_on_after_a_new_start(vendor: Vendor) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("v")
    start(vendor)

    visitor.fetch_flags()

    assert visitor.get_flag("ctaColor", "none").value() == "green"


@pytest.mark.parametrize(
    ("options", "is_given"),
    [
        ({}, False),
        ({"instance_type": Visitor.Instance.NEW_INSTANCE}, False),
        ({"instance_type": Visitor.Instance.SINGLE_INSTANCE}, True),
    ],
)
def test_only_an_explicit_single_instance_is_kept(vendor: Vendor, options: Json, is_given: bool) -> None:
    start(vendor)

    visitor = Flagship.new_visitor("v", **options)

    assert (Flagship.get_visitor() is visitor) is is_given


def test_a_visitor_has_the_documented_defaults(vendor: Vendor) -> None:
    start(vendor)

    visitor = Flagship.new_visitor("v", authenticated="yes", consent=0, context=[1])

    assert (visitor.visitor_id, visitor.anonymous_id) == ("v", None)
    assert not visitor.is_authenticated
    assert visitor.has_consented
    assert visitor.context == SDK_CONTEXT
    assert (visitor.assignations, visitor.exposed_variations) == ({}, [])


@pytest.mark.parametrize("wrong", [None, 7])
def test_arguments_of_a_wrong_type_are_refused(vendor: Vendor, wrong: Any) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("v")
    calls: list[Callable[[], object]] = [
        lambda: Flagship.new_visitor(wrong),
        lambda: visitor.get_flag(wrong, "d"),
        lambda: visitor.authenticate(wrong),
        lambda: visitor.set_consent(wrong),
        lambda: visitor.update_context(wrong),
    ]

    for call in calls:
        with pytest.raises(ParamTypeError):
            call()


# --- 1.11 status ----------------------------------------------------------------------------------------------


def test_statuses_have_the_documented_values() -> None:
    assert {status.name: status.value for status in Status} == {
        "NOT_INITIALIZED": 0,
        "STARTING": 10,
        "POLLING": 20,
        "PANIC": 30,
        "READY": 100,
    }


def test_in_decision_api_mode_it_is_ready_at_once(vendor: Vendor) -> None:
    listener = Statuses()

    told = start(vendor, status_listener=listener)

    assert listener.seen == [Status.STARTING, Status.READY]
    assert vendor.received == []
    assert [text for _, _, text in told.lines if "READY" in text and "3.0.1" in text and "decision API" in text]


@pytest.mark.parametrize(("file", "last"), [(bucketing(), Status.READY), (PANIC_FILE, Status.PANIC)])
def test_in_bucketing_mode_it_is_ready_with_the_first_file(vendor: Vendor, file: Json, last: Status) -> None:
    vendor.file = file_of(file)
    listener = Statuses()

    start_bucketing(vendor, status_listener=listener, polling_interval=60_000)
    wait_until(lambda: Flagship.status() is last)

    assert listener.seen == [Status.STARTING, Status.POLLING, last]


def test_without_a_file_it_stays_polling_until_one_comes(vendor: Vendor) -> None:
    vendor.file = reply(500)
    listener = Statuses()
    told = start_bucketing(vendor, status_listener=listener, polling_interval=50)
    wait_until(lambda: vendor.asked("bucketing"))
    assert Flagship.status() is Status.POLLING

    vendor.file = file_of(bucketing())
    wait_until(lambda: Status.READY in listener.seen)

    assert listener.seen == [Status.STARTING, Status.POLLING, Status.READY]
    assert all("500" in error for error in told.errors("Bucketing"))


def test_panic_comes_and_goes_and_the_listener_is_told(vendor: Vendor) -> None:
    listener = Statuses()
    start_bucketing(vendor, status_listener=listener, polling_interval=30)
    wait_until(lambda: Status.READY in listener.seen)
    visitor = fetched("visitor-1")

    vendor.file = file_of(PANIC_FILE, "Sat, 06 Jun 2026 12:20:40 GMT")
    wait_until(lambda: listener.seen[-1] is Status.PANIC)
    assert visitor.get_flag("ctaColor", "none").value() == "none"

    vendor.file = file_of(bucketing(), "Sun, 07 Jun 2026 12:20:40 GMT")
    wait_until(lambda: listener.seen[-1] is Status.READY)
    assert visitor.get_flag("ctaColor", "none").value() == "orange"


def test_the_server_may_set_panic_and_end_it(vendor: Vendor) -> None:
    listener = Statuses()
    told = start(vendor, status_listener=listener)
    visitor = fetched()
    good, vendor.decision = vendor.decision, as_json(example("decision-api")["response200Panic"])

    visitor.fetch_flags()
    assert Flagship.status() is Status.PANIC
    assert visitor.get_flag("ctaColor", "none").value() == "none"
    assert ("Panic Status", LogLevel.WARNING) in [(tag, level) for tag, level, _ in told.lines]

    vendor.decision = good
    visitor.fetch_flags()
    assert visitor.get_flag("ctaColor", "none").value() == "green"
    assert listener.seen == [Status.STARTING, Status.READY, Status.PANIC, Status.READY]


def test_a_listener_that_fails_breaks_nothing(vendor: Vendor) -> None:
    class Failing(StatusListener):
        def on_status_changed(self, new_status: Status) -> None:
            raise RuntimeError("listener")

    told = start(vendor, status_listener=Failing())

    assert Flagship.status() is Status.READY
    assert told.kinds() == ["RuntimeError", "RuntimeError"]


@pytest.mark.parametrize("interval", [0, -1])
def test_without_polling_the_file_comes_with_the_start_and_no_thread_is_made(vendor: Vendor, interval: int) -> None:
    start_bucketing(vendor, polling_interval=interval)

    assert Flagship.status() is Status.READY
    assert "kameleoon-configuration" not in [thread.name for thread in threading.enumerate()]
    assert len(vendor.asked("bucketing")) == 1


def test_a_file_kept_on_disk_makes_it_ready_without_a_network(vendor: Vendor, tmp_path: Any) -> None:
    start_bucketing(vendor, cache_directory=tmp_path)
    Flagship.stop()
    vendor.file = resets()

    start_bucketing(vendor, cache_directory=tmp_path)

    assert Flagship.status() is Status.READY
    assert fetched("visitor-1").get_flag("ctaColor", "none").value() == "orange"


# --- what each state allows -----------------------------------------------------------------------------------

READY, NO_CONSENT, PANIC, NOT_READY = Standing


def test_the_table_has_a_row_for_each_operation() -> None:
    assert set(ALLOWED) == set(Operation)


@pytest.mark.parametrize(
    ("operation", "allowed"),
    [
        (Operation.UPDATE_CONTEXT, {READY, NO_CONSENT}),
        (Operation.FETCH, {READY, NO_CONSENT, PANIC}),
        (Operation.VALUE, {READY, NO_CONSENT}),
        (Operation.FACTS, {READY, NO_CONSENT}),
        (Operation.EXPOSE, {READY}),
        (Operation.SEND_HIT, {READY}),
        (Operation.CONSENT, {READY, NO_CONSENT, PANIC}),
        (Operation.CONSENT_HIT, {READY, NO_CONSENT}),
        (Operation.IDENTIFY, {READY, NO_CONSENT}),
        (Operation.CACHE_WRITE, {READY}),
        (Operation.CACHE_READ, {READY, NOT_READY}),
        (Operation.CACHE_FLUSH, {READY, NO_CONSENT}),
    ],
)
def test_an_operation_is_allowed_where_the_specification_says(operation: Operation, allowed: set[Standing]) -> None:
    assert {column for column in Standing if is_allowed(operation, column)} == allowed


@pytest.mark.parametrize(
    ("status", "consent", "column"),
    [
        (Status.READY, True, READY),
        (Status.READY, False, NO_CONSENT),
        (Status.PANIC, True, PANIC),
        (Status.PANIC, False, PANIC),
        *((status, True, NOT_READY) for status in (Status.NOT_INITIALIZED, Status.STARTING, Status.POLLING)),
    ],
)
def test_a_visitor_stands_in_one_column(status: Status, consent: bool, column: Standing) -> None:
    assert standing(status, consent) is column


def enter(column: Standing, vendor: Vendor) -> tuple[Visitor, Told]:
    """A visitor who had flags when the SDK got into a state."""
    told = start(vendor)
    visitor = fetched()
    if column is NO_CONSENT:
        visitor.set_consent(False)
    if column is PANIC:
        vendor.decision = as_json(example("decision-api")["response200Panic"])
        visitor.fetch_flags()
    if column is NOT_READY:
        vendor.file = reply(500)
        told = start_bucketing(vendor)
    vendor.received.clear()
    told.lines.clear()
    return visitor, told


@pytest.mark.parametrize("column", Standing)
def test_update_context_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    visitor.update_context({"age": 31})

    applies = column in (READY, NO_CONSENT)
    assert ("age" in visitor.context) is applies
    assert bool(told.errors("Update Context")) is not applies


@pytest.mark.parametrize("column", Standing)
def test_fetch_flags_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)
    vendor.decision = decided()

    visitor.fetch_flags()

    asks = column is not NOT_READY
    assert bool(vendor.asked("campaigns")) is asks
    assert bool(told.errors("FetchFlags")) is not asks


@pytest.mark.parametrize("column", Standing)
def test_a_value_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    value = visitor.get_flag("ctaColor", "none").value()

    assert value == ("green" if column in (READY, NO_CONSENT) else "none")
    assert bool(told.errors()) is (column is not READY)
    Flagship.stop()
    assert len(vendor.activations) == (column is READY)


@pytest.mark.parametrize("column", Standing)
def test_metadata_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, _ = enter(column, vendor)

    flag = visitor.get_flag("ctaColor", "none")

    is_real = column in (READY, NO_CONSENT)
    assert flag.exists() is is_real
    assert flag.metadata().exists() is is_real
    assert flag.metadata().toJson()["campaignId"] == ("cs8r01camp0000000000" if is_real else "")


@pytest.mark.parametrize("column", Standing)
def test_an_exposure_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    visitor.get_flag("ctaColor", "none").visitor_exposed()

    assert bool(told.errors("ExposeFlag")) is (column is not READY)
    Flagship.stop()
    assert len(vendor.activations) == (column is READY)


@pytest.mark.parametrize("column", Standing)
def test_a_hit_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    visitor.send_hit(CLICK)

    assert bool(told.errors("Tracking")) is (column is not READY)
    assert len(sent(vendor)) == (column is READY)


@pytest.mark.parametrize("column", Standing)
def test_consent_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    visitor.set_consent(column is NO_CONSENT)

    assert visitor.has_consented is (column in (NO_CONSENT, NOT_READY))
    assert bool(told.errors("Tracking")) is (column is NOT_READY)


@pytest.mark.parametrize("column", Standing)
def test_identities_in_each_state(vendor: Vendor, column: Standing) -> None:
    visitor, told = enter(column, vendor)

    visitor.authenticate("account-77")
    name = visitor.visitor_id
    visitor.unauthenticate()

    applies = column in (READY, NO_CONSENT)
    assert name == ("account-77" if applies else "user_#1234")
    assert bool(told.errors("Authenticate")) is bool(told.errors("Unauthenticate")) is not applies


def test_a_visitor_made_too_early_keeps_its_context_and_owes_its_consent(vendor: Vendor) -> None:
    visitor = Flagship.new_visitor("early", context={"age": 31})
    start(vendor)

    visitor.fetch_flags()

    assert body(vendor.asked("campaigns")[0])["context"] == {**SDK_CONTEXT, "age": 31}
    Flagship.stop()
    assert [(hit["vid"], hit["el"]) for hit in vendor.hits] == [("early", "python:true")]


# --- requests of 3.x ------------------------------------------------------------------------------------------


def test_campaigns_are_asked_for_as_3_0_does(vendor: Vendor) -> None:
    start(vendor)

    fetched(context={"isVip": True, "age": 31})

    (request,) = vendor.asked("campaigns")
    expected = example("decision-api")["request30"]
    assert request.method == expected["method"]
    assert request.target == expected["url"].removeprefix("https://decision.flagship.io")
    assert {name: request.headers[name.lower()] for name in expected["headers"]} == expected["headers"]
    assert body(request) == expected["body"]


def test_an_authenticated_visitor_is_asked_for_with_both_ids(vendor: Vendor) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("user_#1234")
    visitor.authenticate("account-77")

    visitor.fetch_flags()

    assert body(vendor.asked("campaigns")[0]) == example("decision-api")["request30Authenticated"]["body"]


def test_a_decision_is_asked_for_without_consent_too(vendor: Vendor) -> None:
    start(vendor)

    fetched(consent=False)

    assert body(vendor.asked("campaigns")[0])["visitor_consent"] is False


def test_activations_and_hits_go_as_3_0_sends_them(vendor: Vendor) -> None:
    start(vendor)
    visitor = fetched()

    visitor.get_flag("ctaColor", "none").value()
    visitor.send_hit(Screen("home"))
    Flagship.stop()

    (activation,) = vendor.asked("activate")
    expected = example("activate")["batch30"]
    assert {name: activation.headers[name.lower()] for name in expected["headers"]} == expected["headers"]
    assert "x-api-key" not in activation.headers
    made = body(activation)
    assert isinstance(made["batch"][0].pop("qt"), int)
    assert made == {"cid": "ENV_ID", "batch": [{k: v for k, v in expected["body"]["batch"][0].items() if k != "qt"}]}
    batches = [body(request) for request in vendor.received if request.target == "/"]
    assert {tuple(batch) for batch in batches} == {tuple(example("hits")["batch30"])}
    assert [{**hit, "qt": 0} for batch in batches for hit in batch["h"]] == [
        {
            "t": "EVENT",
            "ds": "APP",
            "ec": "User Engagement",
            "ea": "fs_consent",
            "el": "python:true",
            "vid": "user_#1234",
            "cuid": None,
            "qt": 0,
        },
        {"t": "SCREENVIEW", "ds": "APP", "dl": "home", "vid": "user_#1234", "cuid": None, "qt": 0},
    ]


def test_without_batching_a_hit_goes_alone(vendor: Vendor) -> None:
    alone = TrackingManagerConfig(cache_strategy=CacheStrategy._NO_BATCHING_CONTINUOUS_CACHING, timeout=5000)
    start(vendor, tracking_manager_config=alone)
    visitor = Flagship.new_visitor("v1")

    visitor.send_hit(Screen("home"))
    vendor.wait_for_hits(2)

    bodies = [body(request) for request in vendor.received]
    assert example("hits")["singleWithoutBatching30"] in bodies


# --- 2.5 what may go wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(resets(), id="reset"),
        pytest.param(reply(500), id="500"),
        pytest.param(as_json({"message": "environment not found"}, 400), id="400"),
        pytest.param(reply(429), id="429"),
        pytest.param(reply(200, b""), id="empty"),
        pytest.param(reply(200, b"no json"), id="no json"),
        pytest.param(as_json({}), id="no campaigns"),
    ],
)
def test_whatever_fails_the_flags_stay_and_it_is_told(vendor: Vendor, answer: Any) -> None:
    told = start(vendor)
    visitor = fetched()
    vendor.decision = answer

    visitor.fetch_flags()

    assert visitor.get_flag("ctaColor", "none").value() == "green"
    assert Flagship.status() is Status.READY
    assert told.errors("FetchFlags") or told.kinds() == ["FlagshipParsingError"]


def test_time_outs_are_in_milliseconds(vendor: Vendor) -> None:
    told = start(vendor, timeout=50)
    vendor.decision = hangs()
    began = time.monotonic()

    fetched()

    assert time.monotonic() - began < 5
    assert told.errors("FetchFlags")


def test_a_bad_campaign_costs_only_itself_and_is_told_once(vendor: Vendor) -> None:
    told = start(vendor)
    vendor.decision = decided({"id": "broken"}, *example("decision-api")["response200"]["campaigns"])

    assert fetched().get_flag("vipBanner", False).value() is True
    assert len(told.errors("Campaigns parsing")) == 1


# --- 6 flags --------------------------------------------------------------------------------------------------


def with_flag(vendor: Vendor, value: Any, **members: Any) -> Visitor:
    modifications = {"type": "JSON", "value": {"f": value}}
    vendor.decision = decided(
        {"id": "c", "variationGroupId": "g", "variation": {"id": "v", "modifications": modifications}, **members}
    )
    return fetched()


def test_every_value_meets_every_default_as_in_3_0_if_that_is_wanted(vendor: Vendor) -> None:
    told = start(vendor, flag_typing="strict")
    for case in vectors("flagTyping"):
        visitor = with_flag(vendor, case["flag"])
        told.exceptions.clear()

        value = visitor.get_flag("f", case["default"]).value(visitor_exposed=False)

        assert repr(value) == repr(case["returned30"]), case
        assert told.kinds() == ([case["error30"]] if case["error30"] else []), case


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        (7, 1.5, 7.0),
        (7, True, True),
        (7, None, 7),
        ("red", None, "red"),
        (False, None, False),
        ({"a": 1}, None, {"a": 1}),
        ("red", 7, 7),
        (True, 7, 7),
        (1.5, 7, 7),
        ([1], [], [1]),
        (None, None, None),
    ],
)
def test_values_are_typed_as_is_recommended(vendor: Vendor, value: Any, default: Any, expected: Any) -> None:
    start(vendor)

    given = with_flag(vendor, value).get_flag("f", default).value()

    assert repr(given) == repr(expected)


@pytest.mark.parametrize(
    ("value", "default", "logged", "is_exposed"),
    [
        ("red", "x", [], True),
        ("red", 7, ["FlagTypeException"], False),
        (None, "x", ["FlagTypeException"], True),
        (None, None, [], True),
        (7, True, ["FlagTypeException"], False),
    ],
)
def test_what_is_shown_counts_as_seen(
    vendor: Vendor, value: Any, default: Any, logged: list[str], is_exposed: bool
) -> None:
    told = start(vendor)

    with_flag(vendor, value).get_flag("f", default).value()

    assert told.kinds() == logged
    Flagship.stop()
    assert len(vendor.activations) == is_exposed


def test_a_value_may_be_looked_at_without_having_been_seen(vendor: Vendor) -> None:
    start(vendor)
    visitor = with_flag(vendor, "red")

    assert visitor.get_flag("f", "x").value(visitor_exposed=False) == "red"
    Flagship.stop()
    assert vendor.activations == []


def test_each_look_is_an_activation_of_its_own(vendor: Vendor) -> None:
    start(vendor)
    visitor = with_flag(vendor, "red")

    for _ in range(3):
        visitor.get_flag("f", "x").value()

    Flagship.stop()
    assert len(vendor.activations) == 3
    assert visitor.exposed_variations == ["v"]


def test_an_unknown_flag_is_the_default_and_told(vendor: Vendor) -> None:
    told = start(vendor)
    flag = with_flag(vendor, "red").get_flag("nope", "default")

    assert flag.value() == "default"
    flag.visitor_exposed()

    assert not flag.exists()
    assert flag.metadata().toJson() == {
        "campaignId": "",
        "variationGroupId": "",
        "variationId": "",
        "isReference": False,
        "campaignType": "",
        "campaignSlug": "",
    }
    assert told.kinds() == ["FlagNotFoundException", "FlagExpositionNotFoundException"]
    assert str(told.exceptions[0][1]).startswith("[FlagNotFoundError] ")
    Flagship.stop()
    assert vendor.activations == []


@pytest.mark.parametrize(("members", "slug"), [({}, ""), ({"slug": None}, None), ({"slug": "s"}, "s")])
def test_metadata_tells_a_null_slug_from_none_at_all(vendor: Vendor, members: Json, slug: str | None) -> None:
    start(vendor)

    assert with_flag(vendor, 1, **members).get_flag("f", 0).metadata().campaign_slug == slug


def test_metadata_has_the_documented_members(vendor: Vendor) -> None:
    start(vendor)

    assert fetched().get_flag("priceFactor", 1.0).metadata().toJson() == {
        "campaignId": "cs8r05camp0000000000",
        "variationGroupId": "cs8r05vg000000000000",
        "variationId": "cs8r05va000000000000",
        "isReference": True,
        "campaignType": "ab",
        "campaignSlug": "price-test",
    }


def test_a_mapping_is_the_callers_to_change(vendor: Vendor) -> None:
    start(vendor)
    visitor = with_flag(vendor, {"a": 1})

    visitor.get_flag("f", {}).value()["a"] = 2

    assert visitor.get_flag("f", {}).value() == {"a": 1}


def test_a_flag_looks_when_it_is_asked(vendor: Vendor) -> None:
    start(vendor)
    flag = with_flag(vendor, 1).get_flag("f", 0)
    before = flag.value()
    Flagship.stop()

    assert (before, flag.value()) == (1, 0)
    assert (flag.key, flag.default_value) == ("f", 0)


# --- 1.9, 4.5 consent and automatic hits ----------------------------------------------------------------------


def test_consent_is_told_with_the_visitor_and_with_each_change(vendor: Vendor) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("v", consent=False)

    visitor.set_consent(True)
    visitor.set_consent(False)
    Flagship.stop()

    assert [hit["el"] for hit in vendor.hits] == ["python:false", "python:true", "python:false"]


def test_what_waits_of_a_visitor_is_withdrawn_with_its_consent(vendor: Vendor) -> None:
    for path in ("/", "/v2/activate"):
        vendor.break_down(path, hangs())
    start(vendor, tracking_manager_config=rare(timeout=300))
    visitor, other = fetched("v"), fetched("other")
    for each in (visitor, other):
        each.send_hit(CLICK)
        each.get_flag("ctaColor", "none").value()
    wait_until(lambda: vendor.asked("activate"))

    visitor.set_consent(False)
    for path in ("/", "/v2/activate"):
        vendor.break_down(path, None)

    assert [hit["vid"] for hit in sent(vendor)] == ["other"]
    assert {activation["vid"] for activation in vendor.activations} == {"other"}


def test_a_segment_hit_tells_the_context_of_each_fetch_in_bucketing_mode(vendor: Vendor) -> None:
    start_bucketing(vendor)

    fetched("v1", context={"isVip": True, "age": 31, "ratio": 1.5})
    fetched("v2", consent=False)

    (hit,) = sent(vendor)
    assert hit["t"] == "SEGMENT"
    assert hit["s"] == {**SDK_CONTEXT, "isVip": "true", "age": "31", "ratio": "1.5"}


def test_no_segment_hit_is_sent_in_decision_api_mode(vendor: Vendor) -> None:
    start(vendor)

    fetched("v1")

    assert sent(vendor) == []


@pytest.mark.parametrize("wrong", [None, "hit", {"t": "EVENT"}])
def test_what_is_no_hit_is_not_sent(vendor: Vendor, wrong: Any) -> None:
    told = start(vendor)

    Flagship.new_visitor("v").send_hit(wrong)

    assert told.errors("Tracking")
    assert sent(vendor) == []


@pytest.mark.parametrize("hit", [Screen(""), Transaction("", "kpi"), Event(EventCategory.ACTION_TRACKING, "")])
def test_a_hit_that_cannot_be_sent_is_told(vendor: Vendor, hit: Any) -> None:
    told = start(vendor)

    Flagship.new_visitor("v").send_hit(hit)

    assert told.errors("Tracking")
    assert sent(vendor) == []


def test_a_full_pool_is_sent_at_once(vendor: Vendor) -> None:
    start(vendor, tracking_manager_config=rare(max_pool_size=3))
    visitor = Flagship.new_visitor("v")

    visitor.send_hit(Screen("one"))
    visitor.send_hit(Page("https://shop.example/two"))

    assert len(vendor.wait_for_hits(3)) == 3


# --- 1.12 identities ------------------------------------------------------------------------------------------


def test_identities_follow_the_table(vendor: Vendor) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("first")

    def ids() -> tuple[str, str | None, bool]:
        return visitor.visitor_id, visitor.anonymous_id, visitor.is_authenticated

    visitor.authenticate("account")
    assert ids() == ("account", "first", True)
    visitor.authenticate("other")
    assert ids() == ("other", "first", True)
    visitor.unauthenticate()
    assert ids() == ("first", None, False)
    visitor.unauthenticate()
    assert ids() == ("first", None, False)


def test_a_visitor_made_authenticated_has_an_anonymous_id_of_its_own(vendor: Vendor) -> None:
    start(vendor)

    first, second = (Flagship.new_visitor("account", authenticated=True) for _ in range(2))

    assert first.anonymous_id
    assert len(first.anonymous_id) == 36
    assert first.anonymous_id != second.anonymous_id


def test_flags_change_with_the_next_fetch_only(vendor: Vendor) -> None:
    start(vendor)
    visitor = fetched()
    vendor.decision = decided()

    visitor.authenticate("account-77")
    assert visitor.get_flag("ctaColor", "none").value() == "green"
    visitor.fetch_flags()
    assert visitor.get_flag("ctaColor", "none").value() == "none"


def test_hits_and_activations_name_both_ids(vendor: Vendor) -> None:
    start(vendor)
    visitor = fetched()
    visitor.authenticate("account-77")

    visitor.send_hit(CLICK)
    visitor.get_flag("ctaColor", "none").value()

    (hit,) = sent(vendor)
    assert (hit["vid"], hit["cuid"]) == ("user_#1234", "account-77")
    assert (vendor.activations[0]["vid"], vendor.activations[0]["aid"]) == ("account-77", "user_#1234")


def test_in_bucketing_mode_a_visitor_stays_who_it_is(vendor: Vendor) -> None:
    told = start_bucketing(vendor)
    visitor = Flagship.new_visitor("v")

    visitor.authenticate("account-77")
    visitor.unauthenticate()

    assert (visitor.visitor_id, visitor.anonymous_id) == ("v", None)
    assert len(told.errors("Authenticate")) == len(told.errors("Unauthenticate")) == 1


# --- 5 context ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("key", "text", {"key": "text"}),
        ("key", 7, {"key": 7}),
        ("key", True, {"key": True}),
        ("key", float("inf"), {"key": float("inf")}),
        ("key", None, {}),
        ("key", [1], {}),
        ("key", {"a": 1}, {}),
        ("", "text", {}),
        (7, "text", {}),
        ("fs_client", "mine", {}),
        ("fs_version", "mine", {}),
        (FlagshipContext.FLAGSHIP_CLIENT, "mine", {}),
        ("fs_other", "mine", {"fs_other": "mine"}),
        (FlagshipContext.DEVICE_TYPE, "mobile", {"sdk_deviceType": "mobile"}),
        (FlagshipContext.LOCATION_LAT, 48, {"sdk_lat": 48.0}),
        (FlagshipContext.LOCATION_LAT, "48", {}),
        ("sdk_long", 2.3, {"sdk_long": 2.3}),
        ("sdk_city", 7, {}),
        (FlagshipContext.APP_VERSION_CODE, 7, {"sdk_versionCode": 7}),
        (FlagshipContext.APP_VERSION_CODE, 7.5, {}),
    ],
)
@pytest.mark.parametrize("form", ["pair", "dict", "initial"])
def test_a_context_holds_what_it_may(vendor: Vendor, key: Any, value: Any, kept: Json, form: str) -> None:
    told = start(vendor)
    visitor = Flagship.new_visitor("v", context={key: value} if form == "initial" else {})
    if form != "initial":
        visitor.update_context((key, value) if form == "pair" else {key: value})

    assert visitor.context == {**SDK_CONTEXT, **kept}
    assert len(told.errors("Update Context")) == (not kept)


def test_the_keys_of_3_0_are_the_documented_ones() -> None:
    assert {member.name: (member.key, member.kind) for member in FlagshipContext} == {
        "DEVICE_LOCALE": ("sdk_deviceLanguage", str),
        "DEVICE_TYPE": ("sdk_deviceType", str),
        "DEVICE_MODEL": ("sdk_deviceModel", str),
        "LOCATION_CITY": ("sdk_city", str),
        "LOCATION_REGION": ("sdk_region", str),
        "LOCATION_COUNTRY": ("sdk_country", str),
        "LOCATION_LAT": ("sdk_lat", float),
        "LOCATION_LONG": ("sdk_long", float),
        "OS_NAME": ("sdk_osName", str),
        "OS_VERSION": ("sdk_osVersionName", str),
        "CARRIER_NAME": ("sdk_carrierName", str),
        "INTERNET_CONNECTION": ("sdk_internetConnection", str),
        "APP_VERSION_NAME": ("sdk_versionName", str),
        "APP_VERSION_CODE": ("sdk_versionCode", int),
        "INTERFACE_NAME": ("sdk_interfaceName", str),
        "FLAGSHIP_CLIENT": ("fs_client", str),
        "FLAGSHIP_VERSION": ("fs_version", str),
    }


# --- 1.13 logs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "passing"),
    [
        (LogLevel.ALL, {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "ALL"}),
        (LogLevel.CRITICAL, {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"}),
        (LogLevel.WARNING, {"WARNING", "INFO", "DEBUG"}),
        (LogLevel.DEBUG, {"DEBUG"}),
        (LogLevel.NONE, set()),
    ],
)
def test_a_level_lets_lower_numbers_pass(vendor: Vendor, configured: LogLevel, passing: set[str]) -> None:
    told = start(vendor, log_level=configured)
    told.lines.clear()
    visitor = Flagship.new_visitor("v")

    for level in LogLevel:
        visitor.log.tell("tag", level, level.name)
    visitor.log.tell_of("tag", ValueError("x"))

    assert {text for _, _, text in told.lines} == passing
    assert told.kinds() == ["ValueError"]


def test_the_default_manager_prints(capsys: pytest.CaptureFixture[str]) -> None:
    manager = FlagshipLogManager()

    manager.log("Tag", LogLevel.ERROR, "text")
    manager.exception("Tag", ValueError("why"), "the traceback")

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("\033[91m[")
    assert first.endswith("][Flagship][Tag]: text\033[0m")
    assert second.startswith("\033[89m[")
    assert second.endswith("][Flagship][Tag]: why\033[0m")


def test_nothing_shows_the_key_or_the_visitor(vendor: Vendor) -> None:
    told = Told()
    config = DecisionApi(log_manager=told, endpoints=vendor.endpoints, tracking_manager_config=rare())
    Flagship.start("ENV_ID", "canary-key", config)
    visitor = fetched("canary-visitor", context={"email": "canary@example.com"})
    visitor.get_flag("nope", 1).value()
    vendor.decision = resets()
    visitor.fetch_flags()

    shown = f"{config!r} {visitor!r} {visitor.get_flag('k', 1)!r} {told.lines} {told.exceptions}"

    assert "canary" not in shown


# --- 8 options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DecisionApi, Bucketing])
def test_options_have_the_documented_defaults(kind: Any) -> None:
    config = kind()

    assert (config.timeout, config.polling_interval, config.log_level) == (2000, 60_000, LogLevel.ALL)
    assert type(config.log_manager) is FlagshipLogManager
    assert config.status_listener is config.cache_manager is None
    tracking = config.tracking_manager_config
    assert (tracking.cache_strategy, tracking.closing_strategy) == (
        CacheStrategy.CONTINUOUS_CACHING,
        ClosingStrategy.BATCH_PENDING_HITS,
    )
    assert (tracking.timeout, tracking.time_interval, tracking.max_pool_size) == (200, 10_000, 20)


@pytest.mark.parametrize(
    "option",
    [
        *("timeout", "polling_interval", "log_level", "log_manager", "status_listener", "cache_manager"),
        *("tracking_manager_config", "flag_typing"),
    ],
)
@pytest.mark.parametrize("wrong", ["text", 1.5, [], True])
def test_an_option_of_a_wrong_type_counts_as_not_given(option: str, wrong: Any) -> None:
    config, default = Bucketing(**{option: wrong}), Bucketing()

    expected = getattr(default, option)
    given = getattr(config, option)
    assert type(given) is type(expected)
    if isinstance(expected, int | str | LogLevel):
        assert given == expected


@pytest.mark.parametrize(
    ("option", "wrong", "default"),
    [
        ("cache_strategy", "PERIODIC", CacheStrategy.CONTINUOUS_CACHING),
        ("timeout", "x", 200),
        ("timeout", 0, 200),
        ("time_interval", 199, 10_000),
        ("time_interval", 10_800_001, 10_000),
        ("time_interval", 1000.0, 10_000),
        ("max_pool_size", -1, 20),
        ("max_pool_size", 5001, 20),
        ("closing_strategy", None, ClosingStrategy.BATCH_PENDING_HITS),
    ],
)
def test_a_tracking_option_out_of_bounds_is_its_default_with_a_warning(
    vendor: Vendor, option: str, wrong: Any, default: Any
) -> None:
    config = TrackingManagerConfig(**{option: wrong})

    told = start(vendor, tracking_manager_config=config)

    assert getattr(config, option) == default
    warnings = [text for tag, _, text in told.lines if tag == "Configuration parameter"]
    assert [option in text for text in warnings] == [True]


@pytest.mark.parametrize(
    ("option", "value"),
    [("time_interval", 200), ("time_interval", 10_800_000), ("max_pool_size", 0), ("max_pool_size", 5000)],
)
def test_bounds_themselves_are_allowed(option: str, value: int) -> None:
    config = TrackingManagerConfig(**{option: value})  # type: ignore[arg-type]  # of one of two names

    assert (getattr(config, option), config.warnings) == (value, [])


# --- the vectors ----------------------------------------------------------------------------------------------

AS_ENGINE = {"betaPanel", "qaTools", "planKnown", "modernApp"}
KEYS = {
    key
    for each in bucketing()["campaigns"]
    for scenario in each["variationGroups"]
    for outcome in scenario["variations"]
    for key in outcome["modifications"]["value"]
}


def flags_of(visitor: Visitor) -> Json:
    """Values as they are, and variation ids, of all flags of the example that a visitor gets."""
    given = {}
    for key in KEYS:
        flag = visitor.get_flag(key, None)
        if flag.exists():
            given[key] = [flag.value(visitor_exposed=False), flag.metadata().variation_id]
    return given


def test_a_visitor_gets_the_flags_of_the_vectors(vendor: Vendor) -> None:
    start_bucketing(vendor)
    for case in vectors("endToEnd")["cases"]:
        changes = {key: value for key, value in case.get("engineDiff", {}).items() if key in AS_ENGINE}
        expected = {key: value for key, value in {**case["flags"], **changes}.items() if value is not None}

        given = flags_of(fetched(case["visitorId"], context=case["context"]))

        assert given == expected, case["id"]


def test_a_variation_is_kept_though_shares_change(vendor: Vendor) -> None:
    def halves(*allocations: int) -> Json:
        outcomes = [variation(f"v{n}", {"f": n}, allocation) for n, allocation in enumerate(allocations)]
        return {"campaigns": [campaign("c", group("g", *outcomes))]}

    vendor.file = file_of(halves(100, 0))
    start_bucketing(vendor)
    visitor = fetched("v")
    vendor.file = file_of(halves(0, 100), "Sat, 06 Jun 2026 12:20:40 GMT")
    start_bucketing(vendor)

    visitor.fetch_flags()

    assert visitor.get_flag("f", -1).value() == 0
    assert visitor.assignations == {"g": "v0"}
    assert fetched("other").get_flag("f", -1).value() == 1
