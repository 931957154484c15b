"""Each row of the specification's register of quirks, as it is seen through the SDK's faces (specs/flagship.md 9)."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from typing import Any

import pytest

from openfeature_kameleoon.flagship import (
    Event,
    EventCategory,
    Flagship,
    FlagshipContext,
    LogLevel,
    MemoryCacheManager,
    Page,
    Screen,
    Status,
    Visitor,
)
from openfeature_kameleoon.flagship.config import Config
from openfeature_kameleoon.flagship.errors import ParamError, ParamTypeError, TypingError
from tests.chaos import hangs, reply, resets, wait_until
from tests.flagship.files import EVERYBODY, campaign, group, rule, targeting, variation
from tests.flagship.vendor import (
    PANIC_FILE,
    Statuses,
    Vendor,
    as_json,
    decided,
    file_of,
    legacy_visitor,
    legacy_visitor_with,
    rare,
    start,
    start_bucketing,
    start_legacy,
)

Json = dict[str, Any]

BUCKETING = Config.Mode.BUCKETING


def fetched(visitor_id: str = "visitor-1", /, **context: Any) -> Visitor:
    visitor = Flagship.new_visitor(visitor_id, context=context)
    visitor.fetch_flags()
    return visitor


def gets(vendor: Vendor, targets: Any, visitor_id: str = "visitor-1", /, **context: Any) -> bool:
    """Whether a visitor gets a flag of a file with one campaign, targeted so."""
    vendor.file = file_of({"campaigns": [campaign("c", group("g", variation("v", {"f": 1}), targeting=targets))]})
    start_bucketing(vendor)
    return fetched(visitor_id, **context).get_flag("f", 0).exists()


def with_flag(vendor: Vendor, value: Any, **members: Any) -> Visitor:
    given = {"id": "v", "modifications": {"type": "JSON", "value": {"f": value}}, **members}
    vendor.decision = decided({"id": "c", "variationGroupId": "g", "variation": given})
    start(vendor)
    return fetched()


def test_quirk_1_the_callers_context_is_left_alone_and_wins_over_presets(vendor: Vendor) -> None:
    start_legacy(vendor)
    mine = {"sdk_city": "Paris"}

    visitor = legacy_visitor("v", mine)

    assert mine == {"sdk_city": "Paris"}
    assert visitor.context["sdk_city"] == "Paris"
    assert legacy_visitor("other").context["sdk_city"] == ""


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Screen("s").with_ip(4), TypingError),  # type: ignore[arg-type]  # that is the point
        (lambda: Screen(origin=4), TypingError),  # type: ignore[arg-type]  # as above
        (lambda: Event(EventCategory.ACTION_TRACKING, "a").with_event_value(-3), ParamError),
        (lambda: Screen("s").with_locale("x" * 30), ParamError),
        (lambda: Event(EventCategory.ACTION_TRACKING, 5), TypingError),  # type: ignore[arg-type]  # as above
    ],
)
def test_quirk_2_every_argument_is_checked(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("hit", "sent"),
    [
        (Page("https://shop.example/"), "PAGEVIEW"),
        (Page("script.py"), "SCREENVIEW"),
        (Screen("https://shop.example/"), "SCREENVIEW"),
    ],
)
def test_quirk_3_a_page_is_one_if_it_has_a_url(vendor: Vendor, hit: Any, sent: str) -> None:
    start_legacy(vendor)

    legacy_visitor().send_hit(hit)

    assert vendor.hits[0]["t"] == sent


def test_quirk_4_1_x_decides_as_the_server_does_and_may_leave_visitors_out(vendor: Vendor) -> None:
    """``cs8r01vg000000000000visitor-1`` falls into bucket 75, ``visitor-1`` alone into 19; neither is random."""
    whole = group("cs8r01vg000000000000", variation("low", {"f": 1}, 75), variation("high", {"f": 2}, 1))
    nobody = group("nobody", variation("none", {"g": 1}, 0))
    vendor.file = file_of({"campaigns": [campaign("c", whole), campaign("d", nobody)]})
    start_legacy(vendor, BUCKETING)
    visitor = legacy_visitor("visitor-1")

    assert visitor.synchronize_modifications() == (True, "")

    assert visitor.get_modification("f", 0) == 2
    assert visitor.get_modification("g", 0) == 0


def test_quirk_5_the_table_is_replaced_in_decision_api_mode_too(vendor: Vendor) -> None:
    start_legacy(vendor)
    visitor = legacy_visitor_with(vendor, old=1)
    vendor.decision = decided()

    visitor.synchronize_modifications()

    assert visitor.get_modification("old", 0) == 0


def test_quirk_6_objects_and_lists_cost_no_campaign_in_1_x(vendor: Vendor) -> None:
    start_legacy(vendor)

    visitor = legacy_visitor_with(vendor, f="text", mapping={"a": 1}, many=[1])

    assert visitor.get_modification("f", "") == "text"
    assert visitor.get_modification("mapping", "") == {"a": 1}
    assert visitor.get_modification("many", "") == [1]


def test_quirk_7_arguments_are_checked_on_every_python() -> None:
    assert sys.version_info >= (3, 10)
    with pytest.raises(ParamTypeError, match="env_id must be str"):
        Flagship.start(5, "key")  # type: ignore[call-overload]  # that is the point


def test_quirk_8_time_outs_are_milliseconds(vendor: Vendor) -> None:
    for path in ("/", "/v2/activate"):
        vendor.break_down(path, hangs())
    told = start(vendor, timeout=40, tracking_manager_config=rare(timeout=40))
    visitor = fetched()
    visitor.get_flag("ctaColor", "none").value()
    vendor.decision = hangs()

    visitor.fetch_flags()
    for path in ("/", "/v2/activate"):
        vendor.break_down(path, None)
    Flagship.stop()

    assert told.errors("FetchFlags")
    assert len(vendor.activations) == 1


@pytest.mark.parametrize("answer", [resets(), reply(500), as_json({"message": "no"}, 400)])
def test_quirk_9_flags_survive_what_fails(vendor: Vendor, answer: Any) -> None:
    visitor = with_flag(vendor, "red")
    vendor.decision = answer

    visitor.fetch_flags()

    assert visitor.get_flag("f", "none").value() == "red"


def test_quirk_10_an_absent_reference_is_none(vendor: Vendor) -> None:
    assert not with_flag(vendor, 1).get_flag("f", 0).metadata().is_reference
    assert with_flag(vendor, 1, reference=True).get_flag("f", 0).metadata().is_reference


@pytest.mark.parametrize("text", ["42", "true", "null", "[1]"])
def test_quirk_11_a_target_that_looks_like_json_matches(vendor: Vendor, text: str) -> None:
    assert gets(vendor, targeting([rule("EQUALS", "k", text)]), k=text)


def test_quirk_12_fs_users_is_the_visitor_id(vendor: Vendor) -> None:
    assert gets(vendor, targeting([rule("EQUALS", "fs_users", "visitor-1")]))
    assert not gets(vendor, targeting([rule("EQUALS", "fs_users", "visitor-1")]), "other")


@pytest.mark.parametrize(
    ("operator", "value", "context", "expected"),
    [
        ("EXISTS", True, {"k": "x"}, True),
        ("EXISTS", True, {}, False),
        ("NOT_EXISTS", True, {}, True),
        ("SEMVER_GREATER_THAN_OR_EQUALS", "2.3.0", {"k": "v2.10"}, True),
        ("SEMVER_LOWER_THAN", "2.3.0", {"k": "2.10"}, False),
    ],
)
def test_quirk_13_the_engines_operators_are_known(
    vendor: Vendor, operator: str, value: Any, context: Json, expected: bool
) -> None:
    assert gets(vendor, targeting([rule(operator, "k", value)]), **context) is expected


def test_quirk_14_an_empty_list_of_rules_matches_nobody(vendor: Vendor) -> None:
    assert not gets(vendor, targeting([]))


def test_quirk_15_the_first_matching_group_settles_a_campaign(vendor: Vendor) -> None:
    unallocated = group("g1", variation("v1", {"f": 1}, 0))
    vendor.file = file_of({"campaigns": [campaign("c", unallocated, group("g2", variation("v2", {"f": 2})))]})
    start_bucketing(vendor)

    assert not fetched().get_flag("f", 0).exists()


def test_quirk_16_a_group_without_targeting_costs_only_itself(vendor: Vendor) -> None:
    bare = {"id": "g1", "variations": [variation("v1", {"f": 1})]}
    vendor.file = file_of({"campaigns": [campaign("c", bare, group("g2", variation("v2", {"f": 2})))]})
    start_bucketing(vendor)

    assert fetched().get_flag("f", 0).value() == 2


def test_quirk_17_any_character_is_hashed_as_utf_8(vendor: Vendor) -> None:
    """``user-😀`` alone is 262889082, not 522806696: bucket 82, not 96, and with the empty group id it is all."""
    vendor.file = file_of({"campaigns": [campaign("c", group("", variation("v", {"f": 1}, 83)))]})
    start_bucketing(vendor)

    assert fetched("user-😀").get_flag("f", 0).value() == 1


def test_quirk_18_a_file_without_last_modified_is_good(vendor: Vendor) -> None:
    vendor.file = as_json({"campaigns": []})

    start_bucketing(vendor)

    assert Flagship.status() is Status.READY


def test_quirk_19_an_interval_of_zero_is_no_polling(vendor: Vendor) -> None:
    start_bucketing(vendor, polling_interval=0)

    assert "kameleoon-configuration" not in [thread.name for thread in threading.enumerate()]


def test_quirk_20_the_listener_hears_of_panic_and_polling_goes_on(vendor: Vendor) -> None:
    vendor.file = file_of(PANIC_FILE)
    listener = Statuses()
    start_bucketing(vendor, status_listener=listener, polling_interval=30)
    wait_until(lambda: listener.seen and listener.seen[-1] is Status.PANIC)

    vendor.file = file_of({"campaigns": []}, "Sat, 06 Jun 2026 12:20:40 GMT")

    wait_until(lambda: listener.seen[-1] is Status.READY)


def test_quirk_20_what_waits_in_panic_is_sent_after_it(vendor: Vendor) -> None:
    start(vendor)
    visitor = fetched()
    good, vendor.decision = vendor.decision, decided(panic=True)
    visitor.fetch_flags()
    early = Flagship.new_visitor("made in panic")
    vendor.decision = good

    early.fetch_flags()
    early.send_hit(Screen("home"))
    Flagship.stop()

    assert "made in panic" in [hit["vid"] for hit in vendor.hits if hit.get("el") == "python:true"]


@pytest.mark.parametrize("mode", ["not started", "polling"])
def test_quirk_21_a_visitor_made_too_early_loses_nothing(vendor: Vendor, mode: str) -> None:
    vendor.file = reply(500)
    if mode == "polling":
        start_bucketing(vendor, polling_interval=50)
    visitor = Flagship.new_visitor("early", context={"age": 31})
    if mode == "not started":
        start_bucketing(vendor, polling_interval=50)
    vendor.file = file_of({"campaigns": [campaign("c", group("g", variation("v", {"f": 1}), targeting=OVER_30))]})
    wait_until(lambda: Flagship.status() is Status.READY)

    visitor.fetch_flags()

    assert visitor.get_flag("f", 0).value() == 1
    Flagship.stop()
    assert [hit["el"] for hit in vendor.hits if hit["t"] == "EVENT"] == ["python:true"]


OVER_30 = targeting([rule("GREATER_THAN", "age", 30)])


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_quirk_22_a_falsy_value_is_cached_as_it_is(vendor: Vendor, value: Any) -> None:
    cache = MemoryCacheManager(timeout=5000)
    variation_of_it = {"id": "v", "modifications": {"value": {"f": value}}}
    vendor.decision = decided({"id": "c", "variationGroupId": "g", "variation": variation_of_it})
    start(vendor, cache_manager=cache)
    fetched()
    start(vendor, cache_manager=cache)

    again = Flagship.new_visitor("visitor-1").get_flag("f", None).value()

    assert again == value
    assert type(again) is type(value)


def test_quirk_23_a_device_type_can_be_set_and_a_latitude_may_be_whole(vendor: Vendor) -> None:
    start(vendor)
    visitor = Flagship.new_visitor("v")

    visitor.update_context({FlagshipContext.DEVICE_TYPE: "mobile", FlagshipContext.LOCATION_LAT: 48})

    assert visitor.context["sdk_deviceType"] == "mobile"
    assert visitor.context["sdk_lat"] == 48.0
    assert type(visitor.context["sdk_lat"]) is float


@pytest.mark.parametrize(("typing", "of_none", "of_a_boolean"), [("recommended", 7, True), ("strict", None, 7)])
def test_quirk_24_none_takes_anything_and_a_boolean_no_integer_unless_3_0_is_wanted(
    vendor: Vendor, typing: Any, of_none: Any, of_a_boolean: Any
) -> None:
    with_flag(vendor, 7)
    start(vendor, flag_typing=typing)
    visitor = fetched()

    assert visitor.get_flag("f", None).value() == of_none
    assert repr(visitor.get_flag("f", True).value()) == repr(of_a_boolean)


def test_quirk_25_what_is_not_shown_is_not_activated(vendor: Vendor) -> None:
    visitor = with_flag(vendor, "red")

    visitor.get_flag("f", 7).value()

    Flagship.stop()
    assert vendor.activations == []


def test_quirk_26_the_single_instance_is_none_by_default(vendor: Vendor) -> None:
    start(vendor)

    Flagship.new_visitor("v")
    assert Flagship.get_visitor() is None
    kept = Flagship.new_visitor("v", instance_type=Visitor.Instance.SINGLE_INSTANCE)
    assert Flagship.get_visitor() is kept


def test_quirk_27_a_level_lets_itself_and_lower_numbers_pass(vendor: Vendor) -> None:
    told = start(vendor, log_level=LogLevel.INFO)
    visitor = Flagship.new_visitor("v")

    visitor.update_context(("k", None))
    Flagship.stop()

    assert {level for _, level, _ in told.lines} == {LogLevel.INFO}


def test_quirk_28_a_refused_hit_waits_and_stays_cached(vendor: Vendor) -> None:
    """How long a hit waited, and what a batch weighs, are test_tracking.py's."""
    cache = MemoryCacheManager(timeout=5000)
    vendor.break_down("/", reply(400))
    start(vendor, cache_manager=cache, tracking_manager_config=rare(max_pool_size=1))
    Flagship.new_visitor("v")
    wait_until(lambda: vendor.asked("/") and asyncio.run(cache.lookup_hits()))
    vendor.break_down("/", None)

    Flagship.stop()

    assert [hit["t"] for hit in vendor.hits] == ["EVENT"]
    assert asyncio.run(cache.lookup_hits()) == {}


def test_quirk_29_a_hit_that_cannot_be_sent_is_told(vendor: Vendor) -> None:
    told = start(vendor)

    Flagship.new_visitor("v").send_hit(Screen(""))

    assert len(told.errors("Tracking")) == 1


@pytest.mark.parametrize("generation", [start_bucketing, start_legacy])
def test_quirk_30_a_second_start_ends_the_first_ones_threads(vendor: Vendor, generation: Any) -> None:
    options = (
        {"mode": BUCKETING, "polling_interval": 60} if generation is start_legacy else {"polling_interval": 60_000}
    )
    for _ in range(3):
        generation(vendor, **options)

    names = [thread.name for thread in threading.enumerate()]

    assert names.count("kameleoon-configuration") == 1


def test_quirk_31_comparisons_heed_case(vendor: Vendor) -> None:
    assert not gets(vendor, targeting([rule("EQUALS", "k", "Paris")]), k="paris")
    assert gets(vendor, EVERYBODY, k="paris")


def test_every_row_of_the_register_has_a_test() -> None:
    tested = {int(found[1]) for name in globals() if (found := re.match(r"test_quirk_(\d+)_", name))}

    assert tested == set(range(1, 32))


def test_both_modes_answer_alike(vendor: Vendor) -> None:
    start(vendor)
    of_the_server = fetched("user_#1234").get_flag("vipBanner", None)
    start_bucketing(vendor)
    of_the_file = fetched("user_#1234", isVip=True).get_flag("vipBanner", None)

    assert of_the_server.value() is of_the_file.value() is True
    theirs, ours = of_the_server.metadata().toJson(), of_the_file.metadata().toJson()
    assert {**theirs, "campaignSlug": ours["campaignSlug"]} == ours  # the examples differ in that
