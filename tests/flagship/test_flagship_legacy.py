"""The SDK as 1.x documents it: start, configuration, handler, visitor, hits (specs/flagship.md 1.2 to 1.8, 2, 6)."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.flagship.app import Flagship
from openfeature_kameleoon.flagship.config import Config
from openfeature_kameleoon.flagship.endpoints import V1, Endpoints
from openfeature_kameleoon.flagship.errors import (
    FlagshipParsingError,
    InitializationError,
    ParamError,
    TypingError,
)
from openfeature_kameleoon.flagship.handler import FlagshipEventHandler
from openfeature_kameleoon.flagship.helpers.hits import Event, EventCategory, Item, Page, Transaction
from openfeature_kameleoon.flagship.helpers.preset_context import PresetContext
from tests.chaos import hangs, reply, resets
from tests.flagship.examples import example
from tests.flagship.files import bucketing, campaign, group, variation, vectors
from tests.flagship.vendor import (
    PANIC_FILE,
    Heard,
    Vendor,
    as_json,
    body,
    decided,
    file_of,
    legacy_visitor,
    legacy_visitor_with,
    start_legacy,
)

PRESETS = {member.value: "" for member in PresetContext}
CONTEXT = {"isVip": True, "age": 31}
BUCKETING = Config.Mode.BUCKETING


# --- 1.2 Flagship ---------------------------------------------------------------------------------------------


def test_there_is_one_instance() -> None:
    assert Flagship.instance() is Flagship.instance()


def test_nothing_is_started_before_start(vendor: Vendor) -> None:
    assert not Flagship.instance().is_flagship_started()


@pytest.mark.parametrize("key", ["API_KEY", ""])
def test_it_is_started_also_with_an_empty_key(vendor: Vendor, key: str) -> None:
    Flagship.instance().start(Config("ENV_ID", key, event_handler=Heard()))

    assert Flagship.instance().is_flagship_started()
    assert vendor.received == []


@pytest.mark.parametrize("missing", ["env_id", "api_key"])
def test_a_missing_id_keeps_it_from_starting(vendor: Vendor, missing: str) -> None:
    config = Config("ENV_ID", "API_KEY", event_handler=Heard())
    setattr(config, missing, None)

    with pytest.raises(InitializationError):
        Flagship.instance().start(config)
    assert not Flagship.instance().is_flagship_started()


@pytest.mark.parametrize("wrong", [None, "ENV_ID", 7, {}])
def test_start_takes_a_config(vendor: Vendor, wrong: Any) -> None:
    with pytest.raises(TypingError, match="config must be Config"):
        Flagship.instance().start(wrong)


def test_a_start_is_told(vendor: Vendor) -> None:
    assert (10, "Started") in start_legacy(vendor).logs


def test_a_visitor_needs_a_start() -> None:
    with pytest.raises(InitializationError, match="start comes first"):
        Flagship.instance().create_visitor("v")


@pytest.mark.parametrize(
    ("visitor_id", "context"), [(None, {}), (7, {}), ("v", []), ("v", "text"), ("v", True), ("v", None)]
)
def test_a_visitor_has_a_text_for_id_and_a_dict_for_context(vendor: Vendor, visitor_id: Any, context: Any) -> None:
    start_legacy(vendor)

    with pytest.raises(TypingError, match="create_visitor"):
        Flagship.instance().create_visitor(visitor_id, context)


def test_making_a_visitor_asks_nobody_and_leaves_the_callers_context_alone(vendor: Vendor) -> None:
    start_legacy(vendor)
    context = {"sdk_city": "Paris", "age": 31}

    visitor = legacy_visitor("v", context)

    assert vendor.received == []
    assert context == {"sdk_city": "Paris", "age": 31}
    assert visitor.context == {**PRESETS, "sdk_city": "Paris", "age": 31}
    assert legacy_visitor("other").context == PRESETS


def test_a_visitor_without_an_id_is_given_one(vendor: Vendor) -> None:
    start_legacy(vendor)

    visitor_id = Flagship.instance().create_visitor().visitor_id

    assert len(visitor_id) == 19
    assert visitor_id.isdigit()


def test_a_new_start_replaces_the_configuration_and_visitors_keep_theirs(vendor: Vendor) -> None:
    start_legacy(vendor)
    before = legacy_visitor("before")

    with Vendor() as other:
        start_legacy(other)
        after = legacy_visitor("after")
        before.synchronize_modifications()
        after.synchronize_modifications()

        assert [body(request)["visitorId"] for request in vendor.asked("campaigns")] == ["before"]
        assert [body(request)["visitorId"] for request in other.asked("campaigns")] == ["after"]
        Flagship.stop()


def test_a_new_start_leaves_no_thread_behind(vendor: Vendor) -> None:
    start_legacy(vendor, BUCKETING, polling_interval=60)
    start_legacy(vendor, BUCKETING, polling_interval=60)

    names = [thread.name for thread in threading.enumerate()]

    assert names.count("kameleoon-configuration") == 1


def test_after_close_visitors_go_on(vendor: Vendor) -> None:
    start_legacy(vendor, BUCKETING, polling_interval=60)
    visitor = legacy_visitor("visitor-1")

    Flagship.instance().close()

    assert Flagship.instance().is_flagship_started()
    assert "kameleoon-configuration" not in [thread.name for thread in threading.enumerate()]
    assert visitor.synchronize_modifications() == (True, "")
    assert visitor.get_modification("ctaColor", "none") == "orange"


def test_2_x_starts_with_both_ids_and_a_config(vendor: Vendor) -> None:
    Flagship.instance().start("ENV", "KEY", Config(event_handler=Heard(), endpoints=vendor.endpoints))

    legacy_visitor().synchronize_modifications()

    assert vendor.received[0].target.startswith("/v2/ENV/campaigns/")
    assert vendor.received[0].headers["x-api-key"] == "KEY"


# --- bucketing at the start -----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [reply(404), reply(500), reply(204), reply(200, b"no json"), resets()])
def test_without_a_bucketing_file_it_does_not_start(vendor: Vendor, answer: Any) -> None:
    vendor.file = answer

    with pytest.raises(InitializationError, match="bucketing file"):
        start_legacy(vendor, BUCKETING)
    assert not Flagship.instance().is_flagship_started()


def test_a_failed_start_leaves_what_was_there(vendor: Vendor) -> None:
    start_legacy(vendor)
    vendor.file = reply(404)

    with pytest.raises(InitializationError):
        start_legacy(vendor, BUCKETING)

    assert Flagship.instance().is_flagship_started()
    assert legacy_visitor().synchronize_modifications() == (True, "")


def test_a_file_without_last_modified_is_good(vendor: Vendor) -> None:
    vendor.file = as_json(bucketing())

    start_legacy(vendor, BUCKETING)

    assert Flagship.instance().is_flagship_started()


def test_the_file_is_asked_for_once_in_start(vendor: Vendor) -> None:
    start_legacy(vendor, BUCKETING)
    legacy_visitor("visitor-1").synchronize_modifications()

    (request,) = vendor.asked("bucketing.json")
    assert request.target == "/ENV_ID/bucketing.json"
    assert "x-api-key" not in request.headers


# --- 1.3 Config -----------------------------------------------------------------------------------------------


def test_a_config_has_the_documented_defaults() -> None:
    config = Config("ENV_ID")

    assert (config.env_id, config.api_key, config.debug) == ("ENV_ID", "", None)
    assert config.mode is Config.Mode.DECISION_API
    assert {name: mode.value for name, mode in Config.Mode.__members__.items()} == {
        "API": "API",
        "DECISION_API": "API",
        "BUCKETING": "BUCKETING",
    }
    assert type(config.event_handler) is FlagshipEventHandler
    assert (config.polling_interval, config.timeout, config.visitor_cache_manager) == (60, 2.0, None)


def test_an_environment_id_may_come_later(vendor: Vendor) -> None:
    with pytest.raises(InitializationError):
        Flagship.instance().start(Config(event_handler=Heard()))


@pytest.mark.parametrize("wrong", [7, None, b"ENV"])
def test_an_environment_id_is_a_text(wrong: Any) -> None:
    with pytest.raises(TypingError, match="env_id"):
        Config(wrong)


@pytest.mark.parametrize(
    ("option", "wrong", "default"),
    [
        ("mode", "BUCKETING", Config.Mode.API),
        ("mode", None, Config.Mode.API),
        ("polling_interval", "often", 60),
        ("timeout", 0, 2.0),
        ("timeout", -1, 2.0),
        ("timeout", "long", 2.0),
    ],
)
def test_an_option_of_a_wrong_type_counts_as_not_given(option: str, wrong: Any, default: Any) -> None:
    assert getattr(Config("ENV_ID", **{option: wrong}), option) == default


@pytest.mark.parametrize("wrong", [None, "handler", 7])
def test_what_is_no_handler_becomes_the_default_one(wrong: Any) -> None:
    assert type(Config("ENV_ID", event_handler=wrong).event_handler) is FlagshipEventHandler


def test_a_config_does_not_show_its_key() -> None:
    assert "secret-key" not in repr(Config("ENV_ID", "secret-key"))


# --- 1.4 FlagshipEventHandler ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "colour"), [(50, 89), (40, 91), (30, 93), (20, 94), (10, 96)])
def test_the_default_handler_writes_a_coloured_line(caplog: pytest.LogCaptureFixture, level: int, colour: int) -> None:
    with caplog.at_level(logging.DEBUG, "[Flagship]"):
        FlagshipEventHandler().on_log(level, "text")

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("[Flagship]", level)
    message = record.getMessage()
    assert message.startswith(f"\033[{colour}m")
    assert message.endswith(" - [Flagship] : text\033[0m")


def test_the_default_handler_logs_an_exception_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    FlagshipEventHandler().on_exception_raised(ValueError("why"), "the traceback")

    (record,) = caplog.records
    assert record.levelno == 50
    assert "why\nthe traceback" in record.getMessage()


@pytest.mark.parametrize("error", [TypingError, InitializationError])
@pytest.mark.parametrize("catches", [False, True])
def test_an_exception_is_told_once_and_raised_unless_caught(
    vendor: Vendor, error: type[Exception], catches: bool
) -> None:
    heard = Heard(catches)
    config = Config(event_handler=heard)

    def call() -> Any:
        if error is InitializationError:
            return Flagship.start(config)
        start_legacy(vendor, event_handler=heard)
        return legacy_visitor().get_modification("key", None)

    if catches:
        assert call() is None
    else:
        with pytest.raises(error):
            call()
    assert [type(exception) for exception in heard.exceptions] == [error]


def test_a_network_failure_is_caught_like_all_else(vendor: Vendor) -> None:
    heard = start_legacy(vendor, event_handler=Heard(catch_all_exceptions=True))
    vendor.decision = resets()

    assert legacy_visitor().synchronize_modifications() is None
    assert [type(exception) for exception in heard.exceptions] == [RequestFailed]


def test_a_handler_that_fails_breaks_nothing(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(FlagshipEventHandler):
        def on_log(self, level: int, message: str) -> None:
            raise RuntimeError("handler")

    start_legacy(vendor, event_handler=Failing())

    assert legacy_visitor().synchronize_modifications() == (True, "")
    assert "the event handler failed with RuntimeError" in caplog.text


# --- 1.5 update_context ---------------------------------------------------------------------------------------


def test_a_pair_gives_one_result(vendor: Vendor) -> None:
    start_legacy(vendor)

    assert legacy_visitor().update_context(("age", 31)) == (("age", True, "", None), None)


def test_a_dict_gives_a_result_of_each(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    visitor = legacy_visitor()

    results: Any
    results, synchronized = visitor.update_context({"age": 31, "no": None, PresetContext.LOCATION_CITY: "Paris"})

    assert [(key, success) for key, success, _, _ in results] == [
        ("age", True),
        ("no", False),
        ("sdk_city", True),
    ]
    assert synchronized is None
    assert visitor.context == {**PRESETS, "age": 31, "sdk_city": "Paris"}
    assert len(heard.errors()) == 1


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, b"bytes", (1,)])
@pytest.mark.parametrize("form", ["pair", "dict"])
def test_what_a_context_cannot_hold_is_skipped_and_told(vendor: Vendor, value: Any, form: str) -> None:
    heard = start_legacy(vendor)
    visitor = legacy_visitor()

    results: Any
    results, _ = visitor.update_context(("key", value) if form == "pair" else {"key": value})

    key, success, text, nothing = results if form == "pair" else results[0]
    assert (key, success, nothing) == ("key", False, None)
    assert heard.errors() == [text]
    assert "key" not in visitor.context


@pytest.mark.parametrize("argument", [("a", 1, 2), ("a",), [], "text", None, 7])
def test_what_is_neither_dict_nor_pair_changes_nothing(vendor: Vendor, argument: Any) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor()

    assert visitor.update_context(argument) == ((), None)
    assert visitor.context == PRESETS


def test_an_update_may_synchronize(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor()

    assert visitor.update_context(("age", 31), synchronize=True)[1] == (True, "")
    assert body(vendor.asked("campaigns")[0])["context"]["age"] == 31


# --- requests of a synchronization ----------------------------------------------------------------------------


def test_a_synchronization_asks_and_tells_as_1_1_does(vendor: Vendor) -> None:
    start_legacy(vendor)

    assert legacy_visitor(context=CONTEXT).synchronize_modifications() == (True, "")

    asked, told = vendor.received
    for request, name in ((asked, "request11"), (told, "contextEvent11")):
        expected = example("decision-api")[name]
        assert request.method == expected["method"]
        assert request.target == expected["url"].removeprefix("https://decision.flagship.io")
        assert {header: request.headers[header.lower()] for header in expected["headers"]} == expected["headers"]
        assert not [header for header in request.headers if header.startswith("x-sdk")]
    assert body(asked) == {**example("decision-api")["request11"]["body"], "context": {**PRESETS, **CONTEXT}}
    assert body(told) == {**example("decision-api")["contextEvent11"]["body"], "data": {**PRESETS, **CONTEXT}}


def test_without_a_key_the_first_decision_api_is_asked(vendor: Vendor) -> None:
    places = Endpoints.of(V1, has_key=False, server_url=vendor.url)
    Flagship.instance().start(Config("ENV_ID", event_handler=Heard(), endpoints=places))
    visitor = legacy_visitor()

    visitor.synchronize_modifications()
    visitor.activate_modification("ctaColor")

    assert [request.target.partition("?")[0] for request in vendor.received] == [
        "/v1/ENV_ID/campaigns/",
        "/v1/ENV_ID/events",
        "/v1/activate",
    ]
    assert {request.headers["x-api-key"] for request in vendor.received} == {""}


def test_in_bucketing_mode_only_the_context_is_told(vendor: Vendor) -> None:
    start_legacy(vendor, BUCKETING)
    vendor.received.clear()

    legacy_visitor("visitor-1", CONTEXT).synchronize_modifications()

    assert [request.target for request in vendor.received] == ["/v2/ENV_ID/events"]


# --- 2.5 what may go wrong ------------------------------------------------------------------------------------


def synchronized(vendor: Vendor) -> Any:
    visitor = legacy_visitor()
    visitor.synchronize_modifications()
    return visitor


def test_without_an_answer_it_raises_and_the_flags_stay(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = synchronized(vendor)
    vendor.decision = resets()

    with pytest.raises(RequestFailed):
        visitor.synchronize_modifications()
    assert visitor.get_modification("ctaColor", "none") == "green"


def test_a_decision_is_waited_for_no_longer_than_its_time_out(vendor: Vendor) -> None:
    start_legacy(vendor, timeout=0.05)
    vendor.decision = hangs()

    with pytest.raises(RequestFailed) as caught:
        legacy_visitor().synchronize_modifications()
    assert caught.value.timed_out


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_another_status_is_told_and_the_flags_stay(vendor: Vendor, status: int) -> None:
    heard = start_legacy(vendor)
    visitor = synchronized(vendor)
    vendor.decision = as_json({"message": "environment not found"}, status)

    assert visitor.synchronize_modifications() == (True, "")
    assert visitor.get_modification("ctaColor", "none") == "green"
    assert [str(status) in error for error in heard.errors()] == [True]


@pytest.mark.parametrize("text", [b"", b"no json", b"[]", b'{"campaigns": 7}', b"{}"])
def test_what_does_not_decode_is_told_and_the_flags_stay(vendor: Vendor, text: bytes) -> None:
    heard = start_legacy(vendor)
    visitor = synchronized(vendor)
    vendor.decision = reply(200, text)

    assert visitor.synchronize_modifications() == (True, "")
    assert visitor.get_modification("ctaColor", "none") == "green"
    (error,) = heard.exceptions
    assert type(error) is FlagshipParsingError
    assert str(error).startswith("[FlagshipParsingError] ")


def test_a_decision_counts_though_its_context_event_fails(vendor: Vendor) -> None:
    start_legacy(vendor)
    vendor.event = resets()
    visitor = legacy_visitor()

    with pytest.raises(RequestFailed):
        visitor.synchronize_modifications()
    assert visitor.get_modification("ctaColor", "none") == "green"


def test_a_refused_context_event_is_told(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    vendor.event = reply(500)

    assert legacy_visitor().synchronize_modifications() == (True, "")
    assert heard.errors() == ["the context was not taken: the server answered 500"]


def test_a_bad_campaign_costs_only_itself_and_is_told(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    vendor.decision = decided({"id": "broken"}, *example("decision-api")["response200"]["campaigns"])
    visitor = synchronized(vendor)

    assert visitor.get_modification("vipBanner", False) is True
    assert ["skipped" in error for error in heard.errors()] == [True]


def test_in_panic_flags_are_kept_but_not_readable(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = synchronized(vendor)
    good, vendor.decision = vendor.decision, as_json(example("decision-api")["response200Panic"])

    visitor.synchronize_modifications()
    assert visitor.get_modification("ctaColor", "none", activate=True) == "none"
    assert visitor.activate_modification("ctaColor")[0] is False
    assert visitor.send_hit(Page("p"))[0] is False
    assert visitor.get_modification_info("ctaColor") is None

    vendor.decision = good
    visitor.synchronize_modifications()
    assert visitor.get_modification("ctaColor", "none") == "green"
    assert vendor.hits == vendor.activations == []


def test_in_bucketing_mode_panic_is_obeyed_too(vendor: Vendor) -> None:
    vendor.file = file_of(PANIC_FILE)
    start_legacy(vendor, BUCKETING)
    visitor = synchronized(vendor)

    assert visitor.get_modification("ctaColor", "none") == "none"


def test_the_table_is_replaced_by_each_decision(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor_with(vendor, old=1)
    vendor.decision = decided()

    visitor.synchronize_modifications()

    assert visitor.get_modification("old", 0) == 0


# --- 1.5 and 6: modifications ---------------------------------------------------------------------------------


def test_an_unknown_flag_is_the_default_and_told(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    visitor = synchronized(vendor)

    assert visitor.get_modification("nope", "default", activate=True) == "default"
    assert visitor.get_modification_with_results("nope", "default") == ("default", False, heard.errors()[0], None)
    assert visitor.get_modification_info("nope") is None
    assert visitor.get_modification_data("nope") is None
    assert len(heard.errors()) == 3
    assert vendor.activations == []


def test_null_is_the_default_and_may_be_activated(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    visitor = synchronized(vendor)

    assert visitor.get_modification_with_results("ctaIcon", "none", True) == ("none", True, "", (True, "204"))
    assert heard.errors() == []


@pytest.mark.parametrize("activate", [False, True])
def test_a_value_is_activated_if_asked_for(vendor: Vendor, activate: bool) -> None:
    start_legacy(vendor)
    visitor = synchronized(vendor)

    assert visitor.get_modification("ctaColor", "none", activate) == "green"
    assert len(vendor.activations) == activate


@pytest.mark.parametrize("key", [None, 7, b"key"])
@pytest.mark.parametrize("method", ["get_modification", "get_modification_info", "activate_modification"])
def test_a_key_is_a_text(vendor: Vendor, method: str, key: Any) -> None:
    start_legacy(vendor)
    arguments = (key, "default") if method == "get_modification" else (key,)

    with pytest.raises(TypingError, match=f"{method}: key"):
        getattr(legacy_visitor(), method)(*arguments)


@pytest.mark.parametrize("default", [float("nan"), 2**80])
def test_any_number_may_be_a_default(vendor: Vendor, default: float) -> None:
    start_legacy(vendor)

    assert legacy_visitor().get_modification("nope", default) is default


def test_every_value_meets_every_default_as_in_1_1(vendor: Vendor) -> None:
    start_legacy(vendor)
    for case in vectors("flagTyping"):
        visitor = legacy_visitor_with(vendor, f=case["flag"])
        if case["error11"] == "TypingError":
            with pytest.raises(TypingError, match="default_value"):
                visitor.get_modification("f", case["default"])
            continue

        value = visitor.get_modification("f", case["default"])

        assert repr(value) == repr(case["returned11"]), case


def test_info_has_the_three_ids(vendor: Vendor) -> None:
    start_legacy(vendor)

    assert synchronized(vendor).get_modification_info("ctaColor") == {
        "campaignId": "cs8r01camp0000000000",
        "variationGroupId": "cs8r01vg000000000000",
        "variationId": "cs8r01va010000000000",
    }


def test_data_has_the_value_too(vendor: Vendor) -> None:
    start_legacy(vendor)

    assert synchronized(vendor).get_modification_data("retries")["value"] == 3


# --- activations and hits -------------------------------------------------------------------------------------


def test_an_activation_goes_as_1_1_sends_it(vendor: Vendor) -> None:
    start_legacy(vendor)

    assert synchronized(vendor).activate_modification("ctaColor") == (True, "204")

    (request,) = vendor.asked("activate")
    expected = example("activate")["single11"]
    assert request.target == expected["url"].removeprefix("https://decision.flagship.io")
    assert {name: request.headers[name.lower()] for name in expected["headers"]} == expected["headers"]
    assert body(request) == expected["body"]


def test_a_refused_activation_says_so(vendor: Vendor) -> None:
    heard = start_legacy(vendor)
    vendor.break_down("/v2/activate", reply(400))

    assert synchronized(vendor).activate_modification("ctaColor") == (False, "400")
    assert heard.errors() == ["the activation was not taken: the server answered 400"]


def test_an_unknown_flag_is_not_activated(vendor: Vendor) -> None:
    heard = start_legacy(vendor)

    success, text = synchronized(vendor).activate_modification("nope")

    assert not success
    assert heard.errors() == [text]
    assert vendor.asked("activate") == []


HITS = (
    Page("script.py").with_ip("133.3.223.1").with_locale("fr-fr").with_resolution(640, 480).with_session_number(3),
    Event(EventCategory.USER_ENGAGEMENT, "click_basket").with_event_label("basket button").with_event_value(5),
    Transaction("#309830", "purchases")
    .with_total_revenue(420.0)
    .with_shipping_cost(4.99)
    .with_shipping_method("1d")
    .with_taxes(9.99)
    .with_currency("EUR")
    .with_payment_method("card")
    .with_item_count(3)
    .with_coupon_code("#SAVE10"),
    Item("#309830", "ATX2080", "cg_atx_20802020")
    .with_price(210.0)
    .with_item_quantity(2)
    .with_item_category("hardware"),
)


@pytest.mark.parametrize("number", range(len(HITS)))
def test_a_documented_hit_goes_as_1_1_sends_it(vendor: Vendor, number: int) -> None:
    start_legacy(vendor)

    assert legacy_visitor().send_hit(HITS[number]) == (True, "204")

    (request,) = vendor.received
    assert (request.method, request.target) == ("POST", "/")
    assert "x-api-key" not in request.headers
    assert request.headers["content-type"] == "application/json"
    assert body(request) == example("hits")["single11"][number]["body"]


@pytest.mark.parametrize("wrong", [None, "hit", {"t": "EVENT"}])
def test_what_is_no_hit_is_not_sent(vendor: Vendor, wrong: Any) -> None:
    heard = start_legacy(vendor)

    success, text = legacy_visitor().send_hit(wrong)

    assert not success
    assert heard.errors() == [text]
    assert vendor.received == []


def test_a_refused_hit_says_so(vendor: Vendor) -> None:
    start_legacy(vendor)
    vendor.break_down("/", reply(503))

    assert legacy_visitor().send_hit(Page("p")) == (False, "503")


def test_limits_of_arguments_are_checked_everywhere() -> None:
    with pytest.raises(ParamError):
        Event(EventCategory.ACTION_TRACKING, "a" * 501)
    with pytest.raises(TypingError):
        Event(EventCategory.ACTION_TRACKING, 5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ParamError):
        Page("p").with_locale("l" * 21)


# --- what 2.x added -------------------------------------------------------------------------------------------


def test_an_authenticated_visitor_goes_on_as_whom_it_was(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor("user_#1234")

    visitor.authenticate("account-77", synchronize=True)
    visitor.activate_modification("ctaColor")
    visitor.send_hit(Page("p"))

    asked = body(vendor.asked("campaigns")[0])
    assert (asked["visitorId"], asked["anonymousId"]) == ("account-77", "user_#1234")
    assert (vendor.activations[0]["vid"], vendor.activations[0]["aid"]) == ("account-77", "user_#1234")
    assert (vendor.hits[0]["vid"], vendor.hits[0]["cuid"]) == ("user_#1234", "account-77")

    visitor.unauthenticate()
    assert (visitor.visitor_id, visitor.anonymous_id) == ("user_#1234", None)


def test_in_bucketing_mode_a_visitor_stays_who_it_is(vendor: Vendor) -> None:
    heard = start_legacy(vendor, BUCKETING)
    visitor = legacy_visitor("v")

    visitor.authenticate("account-77", {"age": 31})

    assert visitor.visitor_id == "v"
    assert visitor.context["age"] == 31
    assert len(heard.errors()) == 1


class VisitorCache:
    """Keeps what 2.x gives it."""

    def __init__(self, kept: Any = None) -> None:
        self.kept = {"v1": kept} if kept is not None else {}

    def save(self, visitor_id: str, data: Any) -> None:
        self.kept[visitor_id] = data

    def lookup(self, visitor_id: str) -> Any:
        return self.kept.get(visitor_id)


def halves(*allocations: int) -> Any:
    variations = [variation(f"v{n}", {"f": n}, allocation) for n, allocation in enumerate(allocations)]
    return {"campaigns": [campaign("c", group("g", *variations))]}


def test_a_visitor_keeps_a_variation_that_2_x_remembers(vendor: Vendor) -> None:
    cache = VisitorCache({"version": 1, "data": {"vId": "v1", "vaIds": ["v1", "elsewhere"]}})
    vendor.file = file_of(halves(100, 0))
    start_legacy(vendor, BUCKETING, visitor_cache_manager=cache)
    visitor = legacy_visitor("v1")

    visitor.synchronize_modifications()

    assert visitor.get_modification("f", -1) == 1
    assert cache.kept["v1"] == {"version": 1, "data": {"vId": "v1", "vaIds": ["elsewhere", "v1"]}}


@pytest.mark.parametrize("kept", [7, {}, {"version": 2, "data": {"vaIds": []}}, {"version": 1, "data": {"vaIds": 7}}])
def test_what_makes_no_sense_there_is_told_and_ignored(vendor: Vendor, kept: Any) -> None:
    vendor.file = file_of(halves(100, 0))
    heard = start_legacy(vendor, BUCKETING, visitor_cache_manager=VisitorCache(kept))
    visitor = legacy_visitor("v1")

    visitor.synchronize_modifications()

    assert visitor.get_modification("f", -1) == 0
    assert [type(error).__name__ for error in heard.exceptions] == ["VisitorCacheFormatException"]


# --- the vectors ----------------------------------------------------------------------------------------------

AS_ENGINE = {"betaPanel", "qaTools", "planKnown", "modernApp"}
OF_A_PRESET = {"deviceOffer"}
"""Decided by ``sdk_deviceModel``, which each visitor of 1.x has."""


KEYS = {
    key
    for campaign in bucketing()["campaigns"]
    for group in campaign["variationGroups"]
    for variation in group["variations"]
    for key in variation["modifications"]["value"]
}


def test_a_visitor_gets_the_flags_of_the_vectors(vendor: Vendor) -> None:
    start_legacy(vendor, BUCKETING)
    for case in vectors("endToEnd")["cases"]:
        visitor = legacy_visitor(case["visitorId"], case["context"])
        visitor.synchronize_modifications()
        expected = {key: found for key, found in case["flags"].items() if key not in AS_ENGINE | OF_A_PRESET}

        given = {
            key: [data["value"], data["variationId"]]
            for key in KEYS - AS_ENGINE - OF_A_PRESET
            if (data := visitor.get_modification_data(key))
        }

        assert given == expected, case["id"]
