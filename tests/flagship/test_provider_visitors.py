"""Visitors of FlagshipProvider: what is remembered of them and told of them (specs/flagship.md 1.12, 4.1, 4.5, 7.1)."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from openfeature_kameleoon.flagship.engine.evaluation import Variation
from openfeature_kameleoon.flagship.known_visitors import Visitors
from openfeature_kameleoon.flagship.reports import Reports
from tests.chaos import reply
from tests.flagship.collector import ACTIVATE, HITS
from tests.flagship.environment import Environment, file_of, offline, resolve
from tests.flagship.files import campaign, group, rule, targeting, variation

Json = dict[str, Any]


def halved(first: float = 50, second: float = 50) -> Json:
    """A bucketing file whose flag ``f`` is A for some and B for others."""
    halves = variation("A", {"f": "a", "null": None}, first), variation("B", {"f": "b"}, second)
    return {"campaigns": [campaign("c", group("g", *halves))]}


@pytest.fixture
def server() -> Iterator[Environment]:
    with Environment() as server:
        yield server


def hits(server: Environment, kind: str) -> list[Json]:
    """The hits of a type that were taken."""
    return [hit for hit in server.hits if hit["t"] == kind]


# --- 7.1: the context -------------------------------------------------------------------------------------------------


def seen_by_rules(folder: Path, *rules: Json, **attributes: Any) -> bool:
    """Whether a visitor with these attributes meets the rules."""
    file = {"campaigns": [campaign("c", group("g", variation("v", {"f": True}), targeting=targeting(list(rules))))]}
    return resolve(offline(folder, file), "f", False, "somebody", **attributes).value is True


@pytest.mark.parametrize("value", ["x", 5, 0.5, True, "", 0, False])
def test_texts_numbers_and_booleans_are_the_visitors_context(tmp_path: Path, value: object) -> None:
    assert seen_by_rules(tmp_path, rule(value=value), k=value)


@pytest.mark.parametrize("value", [None, ["v"], {"v": 1}, b"v", 1j, object()])
def test_what_is_neither_is_passed_over(tmp_path: Path, value: object) -> None:
    assert not seen_by_rules(tmp_path, rule("EXISTS", "k", True), k=value)
    assert seen_by_rules(tmp_path, rule(key="other"), k=value, other="v")


def test_subclasses_count_as_what_they_are_made_of(tmp_path: Path) -> None:
    class Odd(str):
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = str.__hash__

    assert seen_by_rules(tmp_path, rule(), k=Odd("v"))


def test_predefined_keys_take_their_own_type(tmp_path: Path) -> None:
    assert seen_by_rules(tmp_path, rule(key="sdk_lat", value=48.0), sdk_lat=48)
    assert not seen_by_rules(tmp_path, rule("EXISTS", "sdk_city", True), sdk_city=5)


def test_the_sdk_s_own_keys_are_there_and_cannot_be_told(tmp_path: Path) -> None:
    assert seen_by_rules(tmp_path, rule(key="fs_client", value="python"), fs_client="another")


def test_the_visitor_id_is_what_fs_users_asks_for(tmp_path: Path) -> None:
    assert seen_by_rules(tmp_path, rule(key="fs_users", value="somebody"), fs_users="another")


def test_the_info_is_no_part_of_the_context(tmp_path: Path) -> None:
    info = {"hasConsented": True, "isAuthenticated": False}

    assert not seen_by_rules(tmp_path, rule("EXISTS", "fsVisitorInfo", True), fsVisitorInfo=info)
    assert not seen_by_rules(tmp_path, rule("EXISTS", "hasConsented", True), fsVisitorInfo=info)


def test_what_was_told_once_stays_known_until_it_is_told_anew(tmp_path: Path) -> None:
    vips = group("g", variation("v", {"f": True}), targeting=targeting([rule(key="plan", value="vip")]))
    provider = offline(tmp_path, {"campaigns": [campaign("c", vips)]})

    assert [
        resolve(provider, "f", False, "one", **attributes).value
        for attributes in ({}, {"plan": "vip"}, {}, {"other": 1}, {"plan": "free"}, {"plan": None}, {"plan": "vip"})
    ] == [False, True, True, True, False, False, True]
    assert resolve(provider, "f", False, "two").value is False


# --- assignments ------------------------------------------------------------------------------------------------------


def test_a_visitor_keeps_its_variation_when_shares_change(server: Environment) -> None:
    server.file = halved()
    provider = server.ready()
    visitors = [f"visitor-{number}" for number in range(40)]
    before = {visitor: resolve(provider, "f", "x", visitor).value for visitor in visitors}
    assert set(before.values()) == {"a", "b"}

    server.file = halved(100, 0)
    provider.refresh()

    assert {visitor: resolve(provider, "f", "x", visitor).value for visitor in visitors} == before
    assert {resolve(provider, "f", "x", f"another-{number}").value for number in range(40)} == {"a"}


def test_a_variation_that_is_gone_leaves_its_visitors_without_one(server: Environment) -> None:
    server.file = halved(100, 0)
    provider = server.ready()
    resolve(provider, "f", "x")

    server.file = {"campaigns": [campaign("c", group("g", variation("B", {"f": "b"})))]}
    provider.refresh()

    details = resolve(provider, "f", "x")
    assert (details.value, details.reason) == ("x", "DEFAULT")


def test_as_many_visitors_are_remembered_as_fit_those_seen_least_recently_go(server: Environment) -> None:
    server.file = halved()
    provider = server.ready(visitor_data_maximum_size=0.1)
    for number in range(1000):
        resolve(provider, "f", "x", f"visitor-{number}")
        resolve(provider, "f", "x", "regular")

    known = [visitor.code for visitor in provider._visitors]
    assert 50 < len(known) < 150
    assert known[-1] in ("regular", "visitor-999")
    assert "regular" in known
    assert provider._visitors.bytes <= 0.1 * (1 << 20)


def test_one_visitor_that_is_too_large_is_forgotten_and_disturbs_nobody(server: Environment) -> None:
    provider = server.ready(visitor_data_maximum_size=0.1)

    for _ in range(3):
        assert resolve(provider, "f", False, "large", text="x" * 1_000_000).value is True

    assert (len(provider._visitors), provider._visitors.bytes) == (0, 0)
    assert resolve(provider, "f", False, "small").value is True
    assert len(provider._visitors) == 1


def test_a_text_that_grows_counts(server: Environment) -> None:
    provider = server.ready()
    resolve(provider, "f", False, "one", text="x")
    before = provider._visitors.bytes

    for length in (1_000_000, 10, 1):
        resolve(provider, "f", False, "one", text="x" * length)
        assert provider._visitors.bytes == before + length - 1


def test_a_visitor_of_whom_nothing_is_known_is_not_kept(tmp_path: Path) -> None:
    provider = offline(tmp_path, {"campaigns": [campaign("c", group("g", variation("v", {"f": True}, 0)))]})

    for number in range(10):
        resolve(provider, "f", False, f"visitor-{number}")

    assert len(provider._visitors) == 0


def test_what_a_visitor_takes_is_estimated_well() -> None:
    visitors = Visitors(Reports(None), max_bytes=1 << 30)
    attributes: list[Json] = [
        {"plan": f"plan {number}", "country": f"country {number}", "age": number} for number in range(5000)
    ]
    tracemalloc.start()
    try:
        for number, each in enumerate(attributes):
            visitor = visitors.told(f"visitor-{number}", each)
            visitors.settle(visitor, _variation(number % 3))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.7 < visitors.bytes / used < 1.6, (visitors.bytes / 5000, used / 5000)


def _variation(number: int) -> Variation:
    return Variation(
        f"v{number}",
        "",
        is_reference=False,
        group_id=f"g{number}",
        group_name="",
        campaign_id="c",
        campaign_name="",
        campaign_type="ab",
        campaign_slug=None,
        modifications={},
        modifications_type="JSON",
    )


# --- exposures --------------------------------------------------------------------------------------------------------


def test_a_variation_is_activated_once_for_a_visitor(server: Environment) -> None:
    server.file = halved(100, 0)
    provider = server.ready()

    for _ in range(3):
        for visitor in ("one", "two"):
            resolve(provider, "f", "x", visitor, page=1)
        assert provider.flush()
    server.file = {**halved(100, 0), "generatedAt": "2026-09-21T14:00:00Z"}
    provider.refresh()
    resolve(provider, "f", "x", "one")
    assert provider.flush()

    assert server.activated() == {("one", "A"): 1, ("two", "A"): 1}
    assert server.activations[0] == {**server.activations[0], "caid": "g", "vaid": "A", "vid": "one", "aid": None}


def test_one_of_many_threads_activates(server: Environment, threads_alternate_often: None) -> None:
    server.file = halved(100, 0)
    provider = server.ready()
    visitors = [f"visitor-{number}" for number in range(50)]
    barrier = threading.Barrier(8)

    def evaluate() -> None:
        barrier.wait()
        for visitor in visitors:
            assert resolve(provider, "f", "x", visitor, page=1).value == "a"

    threads = [threading.Thread(target=evaluate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.flush()

    assert server.activated() == Counter((visitor, "A") for visitor in visitors)


@pytest.mark.parametrize(
    ("key", "default", "count"),
    [("f", "x", 1), ("null", "x", 1), ("f", 5, 0), ("nope", "x", 0)],
    ids=["a value", "null", "another type", "no flag"],
)
def test_what_is_seen_is_activated(server: Environment, key: str, default: object, count: int) -> None:
    server.file = halved(100, 0)
    provider = server.ready()

    resolve(provider, key, default)
    assert provider.flush()

    assert len(server.activations) == count


def test_nobody_is_activated_who_gets_nothing(server: Environment) -> None:
    server.file = halved(0, 0)
    provider = server.ready()

    resolve(provider, "f", "x")
    assert provider.flush()

    assert server.activations == []


def test_exposures_may_be_switched_off(server: Environment) -> None:
    provider = server.ready(send_exposures=False)

    assert resolve(provider, "f", False).value is True
    provider.track("bought", EvaluationContext("somebody"))
    assert provider.flush()

    assert server.activations == []
    assert len(hits(server, "EVENT")) == 1


def test_a_file_on_disk_sends_nothing_unless_told_to(server: Environment, tmp_path: Path) -> None:
    for sends, count in ((None, 0), (True, 1)):
        provider = offline(tmp_path, file_of(f=True), server_url=server.url, send_events=sends)
        resolve(provider, "f", False)
        assert provider.flush()
        assert (provider.tracking_status() is None) is (sends is None)
        provider.shutdown()

        assert len(server.activations) == count


# --- consent ----------------------------------------------------------------------------------------------------------

CONSENTS, REFUSES = {"fsVisitorInfo": {"hasConsented": True}}, {"fsVisitorInfo": {"hasConsented": False}}


def test_who_refused_gets_the_same_and_is_not_told_of(server: Environment) -> None:
    provider = server.ready()

    details = resolve(provider, "f", False, "one", **REFUSES, plan="vip")
    provider.track("bought", EvaluationContext("one", REFUSES))
    assert provider.flush()

    assert (details.value, details.reason, details.variant) == (True, "SPLIT", "v-f")
    assert server.activations == []
    assert [hit["el"] for hit in server.hits] == ["python:false"]


def test_who_consents_later_is_told_of_from_then_on(server: Environment) -> None:
    provider = server.ready()

    for attributes in (REFUSES, {}, REFUSES, CONSENTS, {}, CONSENTS):
        resolve(provider, "f", False, "one", **attributes)
    assert provider.flush()

    assert server.activated() == {("one", "v-f"): 1}
    assert [hit["el"] for hit in server.hits] == ["python:false", "python:true"]
    assert {(hit["ec"], hit["ea"]) for hit in server.hits} == {("User Engagement", "fs_consent")}


def test_what_waits_of_who_refuses_is_given_up(server: Environment) -> None:
    server.break_down(HITS, reply(503))
    server.break_down(ACTIVATE, reply(503))
    provider = server.ready()
    for visitor in ("one", "two"):
        resolve(provider, "f", False, visitor, plan="vip")
    provider.flush()

    resolve(provider, "f", False, "one", **REFUSES)
    server.break_down(HITS, None)
    server.break_down(ACTIVATE, None)
    assert provider.flush()

    assert server.activated() == {("two", "v-f"): 1}
    assert [(hit["vid"], hit["t"]) for hit in server.hits] == [("two", "SEGMENT"), ("one", "EVENT")]


def test_who_is_not_asked_is_not_told_to_have_consented(server: Environment) -> None:
    provider = server.ready()

    resolve(provider, "f", False, "one")
    assert provider.flush()

    assert server.hits == []
    assert server.activated() == {("one", "v-f"): 1}


# --- contexts that are told -------------------------------------------------------------------------------------------


def test_a_context_is_told_when_it_is_another(server: Environment) -> None:
    provider = server.ready()

    told: list[Json] = [{}, {"plan": "vip"}, {"plan": "vip"}, {}, {"plan": "vip", "age": 31}, {"list": []}]
    for attributes in told:
        resolve(provider, "f", False, "one", **attributes)
    assert provider.flush()

    own = {"fs_client": "python", "fs_version": "3.0.1", "plan": "vip"}
    assert [hit["s"] for hit in hits(server, "SEGMENT")] == [own, {**own, "age": "31"}]


def test_a_context_may_stay_here(server: Environment) -> None:
    provider = server.ready(report_context_data=False)

    resolve(provider, "f", False, "one", plan="vip")
    assert provider.flush()

    assert server.hits == []
    assert len(server.activations) == 1


# --- panic ------------------------------------------------------------------------------------------------------------


def test_in_panic_nothing_is_told_and_what_waits_stays(server: Environment, caplog: pytest.LogCaptureFixture) -> None:
    provider = server.ready()
    resolve(provider, "f", False, "before", plan="vip")

    server.file = {"panic": True}
    provider.refresh()
    resolve(provider, "f", False, "during", plan="vip", **CONSENTS)
    provider.track("bought", EvaluationContext("during"))
    provider.flush()
    assert (server.hits, server.activations) == ([], [])
    assert "track(bought) recorded nothing: not sent" not in caplog.text
    assert "track(bought) recorded nothing: panic mode is on" in caplog.text

    server.file = file_of(f=True)
    provider.refresh()
    assert provider.flush()
    assert server.activated() == {("before", "v-f"): 1}
    assert {hit["vid"] for hit in server.hits} == {"before"}


def test_a_visitor_id_may_be_anything(server: Environment) -> None:
    provider = server.ready()
    ids = ["a\nb", "\ud800", "用户42", "😀", "x" * 100_000, " ", "a\x1fb"]

    for visitor in ids:
        details = resolve(provider, "f", False, visitor, plan="vip")
        assert (details.value, details.error_code) == (True, None)
    assert provider.flush()

    assert len(server.activations) == len(ids)
    assert resolve(provider, "f", False, "").error_code is ErrorCode.TARGETING_KEY_MISSING
