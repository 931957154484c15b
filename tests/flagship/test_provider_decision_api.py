"""FlagshipProvider in the mode DECISION_API: when the server is asked, and what answers when it is not (7.1, 7.2)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError

from openfeature_kameleoon.errors import VisitorCodeMissing
from openfeature_kameleoon.flagship.cache_manager import MemoryCacheManager
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from tests.chaos import Answer, hangs, late, reply, wait_until
from tests.clock import FakeClock
from tests.faces import Heard, threads
from tests.flagship.environment import CAMPAIGNS, NOBODY, Environment, decided, resolve
from tests.flagship.examples import example

READY, STALE = ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_STALE
ERROR = ProviderEvent.PROVIDER_ERROR


class Asking(Environment):
    """An environment whose providers ask its decision API."""

    def provider(self, **settings: Any) -> FlagshipProvider:
        return super().provider(**{"mode": "DECISION_API", **settings})


@pytest.fixture
def server() -> Iterator[Asking]:
    with Asking() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def wait_for_requests(server: Asking, count: int) -> None:
    wait_until(lambda: len(server.received) >= count)


# --- what it answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "value", "reason", "variant"),
    [
        (decided(f=True), True, "SPLIT", "v-f"),
        (decided(f=True, type="toggle"), True, "TARGETING_MATCH", "v-f"),
        (decided(f=None), False, "DEFAULT", "v-f"),
    ],
)
def test_the_reason_says_what_decided(
    server: Asking, answer: dict[str, Any], value: bool, reason: str, variant: str
) -> None:
    server.decide = lambda body: answer

    details = resolve(server.ready(), "f", False)

    assert (details.value, details.reason, details.variant, details.error_code) == (value, reason, variant, None)
    assert details.flag_metadata["campaignId"] == "c-f"


def test_the_specifications_example_is_answered(server: Asking) -> None:
    server.decide = lambda body: example("decision-api")["response200"]
    provider = server.ready()

    details = resolve(provider, "ctaColor", "x")

    assert (details.value, details.variant) == ("green", "cs8r01va010000000000")
    assert details.flag_metadata["slug"] == "cta-colour"
    assert resolve(provider, "priceFactor", 0.0).value == 1.25
    assert resolve(provider, "tabs", []).value == ["home", "cart"]


def test_a_flag_that_is_not_named_is_not_found_or_a_default(server: Asking) -> None:
    for is_default, code, reason in ((False, ErrorCode.FLAG_NOT_FOUND, "ERROR"), (True, None, "DEFAULT")):
        details = resolve(server.ready(missing_flag_is_default=is_default), "nope", "mine")

        assert (details.value, details.error_code, details.reason) == ("mine", code, reason)


def test_the_server_is_told_who_asks(server: Asking) -> None:
    provider = server.ready()

    resolve(provider, "f", False, "one", plan="vip", age=31, tags=["a"])
    info = {"hasConsented": False, "isAuthenticated": True, "anonymousId": "cookie"}
    resolve(provider, "f", False, "account", fsVisitorInfo=info)

    automatic = {"fs_client": "python", "fs_version": "3.0.1"}
    assert server.asked == [
        {
            "visitorId": "one",
            "anonymousId": None,
            "visitor_consent": True,
            "trigger_hit": False,
            "context": {**automatic, "plan": "vip", "age": 31},
        },
        {
            "visitorId": "account",
            "anonymousId": "cookie",
            "visitor_consent": False,
            "trigger_hit": False,
            "context": automatic,
        },
    ]
    assert server.received[0].target == f"{CAMPAIGNS}?exposeAllKeys=true"


def test_contexts_that_are_not_to_be_reported_are_not_kept_by_the_server(server: Asking) -> None:
    resolve(server.ready(report_context_data=False), "f", False, plan="vip")

    assert "sendContextEvent=false" in server.received[0].target


def test_who_is_authenticated_has_an_anonymous_id_too(server: Asking) -> None:
    provider = server.ready()
    authenticated, anonymous = ({"fsVisitorInfo": {"isAuthenticated": is_so}} for is_so in (True, False))

    for attributes in (authenticated, authenticated, anonymous):
        resolve(provider, "f", False, "account", **attributes)
        provider.track("bought", EvaluationContext("account", attributes))
    assert provider.flush()

    first, last = (body["anonymousId"] for body in server.asked)
    assert len(first) == 36
    assert last is None
    assert [(hit["vid"], hit["cuid"]) for hit in server.hits] == [(first, "account")] * 2 + [("account", None)]
    assert (server.activations[0]["vid"], server.activations[0]["aid"]) == ("account", first)


def test_a_variation_is_activated_once_for_a_visitor(server: Asking, clock: FakeClock) -> None:
    provider = server.ready(clock=clock)

    for plan in ("vip", "vip", "free"):
        clock.advance(61.0)
        for visitor in ("one", "two"):
            resolve(provider, "f", False, visitor, plan=plan)
    assert provider.flush()

    assert server.activated() == {("one", "v-f"): 1, ("two", "v-f"): 1}
    assert server.hits == []  # the server knows the context


# --- when it is asked -------------------------------------------------------------------------------------------------


def test_nobody_is_asked_before_the_first_evaluation(server: Asking) -> None:
    provider = server.provider()
    assert resolve(provider, "f", False).error_code is ErrorCode.PROVIDER_NOT_READY

    provider.initialize(NOBODY)
    assert server.received == []

    assert resolve(provider, "f", False).value is True


def test_it_is_asked_when_the_visitor_is_another_than_before(server: Asking) -> None:
    provider = server.ready()
    asked = []

    for visitor, attributes in (
        ("one", {}),
        ("one", {}),
        ("one", {"plan": "vip"}),
        ("one", {"plan": "vip"}),
        ("one", {}),
        ("two", {}),
        ("one", {"plan": "free"}),
        ("one", {"list": [1]}),
        ("one", {"number": float("nan")}),
        ("one", {"number": float("nan")}),
        ("one", {"fsVisitorInfo": {"hasConsented": True}}),
        ("one", {"fsVisitorInfo": {"hasConsented": True}}),
    ):
        before = len(server.asked)
        assert resolve(provider, "f", False, visitor, **attributes).value is True
        asked.append(len(server.asked) - before)

    assert asked == [1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0]


def test_many_flags_of_a_visitor_take_one_request(server: Asking) -> None:
    server.decide = lambda body: decided(f=True, g="x")
    provider = server.ready()

    assert resolve(provider, "f", False).value is True
    assert resolve(provider, "g", "").value == "x"
    assert resolve(provider, "h", 5).value == 5
    assert len(server.asked) == 1


@pytest.mark.parametrize(("interval", "asked"), [(60, [1, 1, 2, 2]), (0, [1, 1, 1, 1])])
def test_flags_that_have_grown_old_are_asked_for_anew(
    server: Asking, clock: FakeClock, interval: float, asked: list[int]
) -> None:
    provider = server.ready(clock=clock, polling_interval_second=interval)
    counts = []

    for seconds in (0.0, 59.9, 0.1, 59.9):
        clock.advance(seconds)
        assert resolve(provider, "f", False).reason == "SPLIT"
        counts.append(len(server.asked))

    assert counts == asked


def test_an_evaluation_asks_once_however_soon_flags_grow_old(server: Asking) -> None:
    provider = server.ready(polling_interval_second=1e-9)

    assert [resolve(provider, "f", False).value for _ in range(3)] == [True, True, True]

    assert len(server.asked) == 3


def test_refresh_has_them_asked_for_anew(server: Asking, clock: FakeClock) -> None:
    provider = server.ready(clock=clock)
    resolve(provider, "f", False)
    clock.advance(1.0)
    server.decide = lambda body: decided(f=False)

    provider.refresh()

    assert resolve(provider, "f", True).value is False


def test_evaluations_of_a_visitor_at_one_moment_share_a_request(server: Asking) -> None:
    server.break_down(CAMPAIGNS, late(0.2, reply(200, b'{"campaigns": []}')))
    provider = server.ready()
    codes: list[object] = []

    def evaluate() -> None:
        codes.append(resolve(provider, "f", False).error_code)

    workers = [threading.Thread(target=evaluate) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert codes == [ErrorCode.FLAG_NOT_FOUND] * 20
    assert len(server.received) == 1


def test_what_changes_while_it_is_asked_is_asked_for_again(server: Asking) -> None:
    provider = server.ready()
    first = threading.Event()

    def decide(body: dict[str, Any]) -> dict[str, Any]:
        if "plan" not in body["context"]:
            first.set()
            time.sleep(0.05)  # the server's own time
        return decided(f="plan" in body["context"])

    server.decide = decide
    others = threading.Thread(target=lambda: resolve(provider, "f", False))
    others.start()
    assert first.wait(5)

    assert resolve(provider, "f", False, plan="vip").value is True
    others.join()
    assert resolve(provider, "f", False).value is True


def test_a_visitor_known_from_the_beginning_is_asked_for_by_initialize(server: Asking) -> None:
    provider = server.provider()

    provider.initialize(EvaluationContext("first", {"plan": "vip"}))

    assert [body["visitorId"] for body in server.asked] == ["first"]
    assert provider.resolve_boolean_details("f", False).value is True
    assert len(server.asked) == 1


def test_a_visitor_known_from_the_beginning_for_whom_nothing_comes_keeps_it_from_being_ready(server: Asking) -> None:
    server.break_down(CAMPAIGNS, reply(503))
    provider = server.provider()

    with pytest.raises(ProviderNotReadyError, match="503"):
        provider.initialize(EvaluationContext("first"))


# --- when it fails ----------------------------------------------------------------------------------------------------

FAILURES: list[tuple[str, Answer, ErrorCode]] = [
    ("503", reply(503, b"{}"), ErrorCode.GENERAL),
    ("429", reply(429, b"{}"), ErrorCode.GENERAL),
    ("400", reply(400, b'{"message": "x"}'), ErrorCode.GENERAL),
    ("403", reply(403, b"{}"), ErrorCode.GENERAL),
    ("no JSON", reply(200, b"<html>"), ErrorCode.PARSE_ERROR),
    ("another JSON", reply(200, b"{}"), ErrorCode.PARSE_ERROR),
    ("no answer", hangs(), ErrorCode.GENERAL),
]


@pytest.mark.parametrize(("answer", "code"), [pytest.param(*row[1:], id=row[0]) for row in FAILURES])
def test_a_failure_with_nothing_to_answer_from_is_an_error_in_bounded_time(
    server: Asking, answer: Answer, code: ErrorCode
) -> None:
    server.break_down(CAMPAIGNS, answer)
    provider = server.ready(timeout_millisecond=200)
    begun = time.monotonic()

    details = resolve(provider, "f", False)

    assert (details.value, details.error_code, details.variant) == (False, code, None)
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("answer", [pytest.param(row[1], id=row[0]) for row in FAILURES])
def test_flags_are_kept_after_a_failure_and_are_stale(server: Asking, clock: FakeClock, answer: Answer) -> None:
    provider = server.ready(timeout_millisecond=200, clock=clock)
    resolve(provider, "f", False)

    server.break_down(CAMPAIGNS, answer)
    for attributes in ({"plan": "vip"}, {}):
        details = resolve(provider, "f", False, **attributes)
        assert (details.value, details.reason, details.variant) == (True, "STALE", "v-f")

    server.break_down(CAMPAIGNS, None)
    clock.advance(61.0)
    assert resolve(provider, "f", False).reason == "SPLIT"


def test_an_outage_costs_one_evaluation_now_and_then_and_all_others_nothing(server: Asking, clock: FakeClock) -> None:
    provider = server.ready(clock=clock)
    resolve(provider, "f", False, "known")
    server.break_down(CAMPAIGNS, reply(503))
    before = len(server.received)

    for number in range(100):
        assert resolve(provider, "f", False, f"visitor-{number}").error_code is ErrorCode.GENERAL
        assert resolve(provider, "f", False, "known").reason == "SPLIT"

    assert len(server.received) - before == 1
    clock.advance(61.0)
    for _ in range(10):
        assert resolve(provider, "f", False, "known").reason == "STALE"
    assert len(server.received) - before == 2


def test_a_visitor_that_is_refused_troubles_no_other(server: Asking, clock: FakeClock) -> None:
    provider = server.ready(clock=clock)
    resolve(provider, "f", False, "known")
    heard = Heard(provider)
    clock.advance(1.0)
    server.break_down(CAMPAIGNS, reply(400, b'{"message": "bad"}'))

    for _ in range(3):
        assert resolve(provider, "f", False, "refused").error_code is ErrorCode.GENERAL
    server.break_down(CAMPAIGNS, None)

    assert resolve(provider, "f", False, "another").value is True
    assert resolve(provider, "f", False, "refused").error_code is ErrorCode.GENERAL
    assert len(server.received) == 3
    assert heard == []
    assert resolve(provider, "f", False, "refused", plan="vip").value is True


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_outage_is_told_once_and_so_is_its_end(
    server: Asking, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    provider = server.ready(clock=clock)
    heard = Heard(provider)
    resolve(provider, "f", False)

    server.break_down(CAMPAIGNS, reply(503))
    for _ in range(3):
        clock.advance(61.0)
        resolve(provider, "f", False)
    (stale,) = heard.wait_for(STALE)
    assert "503" in (stale.message or "")
    assert stale.metadata == {"source": "network", "envId": "ENV_ID"}

    server.break_down(CAMPAIGNS, None)
    clock.advance(61.0)
    resolve(provider, "f", False)
    heard.wait_for(READY)
    assert caplog.text.count("no new flags from the decision API") == 1


def test_an_api_that_never_worked_is_an_error(server: Asking, clock: FakeClock) -> None:
    server.break_down(CAMPAIGNS, reply(403))
    provider = server.ready(clock=clock)
    heard = Heard(provider)
    clock.advance(1.0)  # READY, with which initialize ended, is told by then

    resolve(provider, "f", False)

    (error,) = heard.wait_for(ERROR)
    assert error.error_code is ErrorCode.PROVIDER_NOT_READY  # FATAL would keep the API from ever being asked again
    assert "API key" in (error.message or "")


def test_panic_disables_every_flag_and_ends_with_an_answer_without_it(server: Asking, clock: FakeClock) -> None:
    provider = server.ready(clock=clock)
    heard = Heard(provider)
    resolve(provider, "f", False, "known")
    clock.advance(1.0)

    server.decide = lambda body: {"campaigns": [], "panic": True}
    for visitor in ("new", "known", "another"):
        details = resolve(provider, "f", False, visitor)
        assert (details.value, details.reason, details.error_code) == (False, "DISABLED", None)
    (stale,) = heard.wait_for(STALE)
    assert stale.message == "panic mode is on: every flag is off"
    assert len(server.asked) == 2

    server.decide = lambda body: decided(f=True)
    clock.advance(10.0)
    assert resolve(provider, "f", False, "new").value is True
    heard.wait_for(READY)
    assert resolve(provider, "f", False, "known").value is True
    assert len(server.asked) == 3


# --- beside an event loop ---------------------------------------------------------------------------------------------


def longest_pause(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a coroutine gives, and how long the loop stood still at most meanwhile."""

    async def watched() -> tuple[Any, float]:
        longest, last = 0.0, time.monotonic()
        task = asyncio.ensure_future(work())
        while not task.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return task.result(), longest

    return asyncio.run(watched())


@pytest.mark.parametrize(
    ("kind", "given", "default"),
    [("boolean", True, False), ("string", "x", ""), ("integer", 5, 0), ("float", 0.5, 0.0), ("object", {"a": 1}, {})],
)
def test_the_async_methods_wait_beside_the_loop(server: Asking, kind: str, given: object, default: object) -> None:
    def decide(body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.3)  # the server's own time
        return decided(f=given)

    server.decide = decide
    method = getattr(server.ready(), f"resolve_{kind}_details_async")

    details, pause = longest_pause(lambda: method("f", default, EvaluationContext("somebody")))

    assert (details.value, details.error_code) == (given, None)
    assert pause < 0.2


def test_coroutines_of_one_visitor_share_a_request_and_a_server_that_hangs_holds_up_none(server: Asking) -> None:
    server.break_down(CAMPAIGNS, hangs())
    provider = server.ready(timeout_millisecond=300)

    async def ask() -> list[Any]:
        context = EvaluationContext("somebody")
        return await asyncio.gather(
            *(provider.resolve_boolean_details_async("f", False, context) for _ in range(10)),
        )

    answers, pause = longest_pause(ask)

    assert {details.error_code for details in answers} == {ErrorCode.GENERAL}
    assert len(server.received) == 1
    assert pause < 0.25


def test_the_async_methods_tell_what_is_wrong_with_a_context(server: Asking) -> None:
    provider = server.ready()

    details = asyncio.run(provider.resolve_boolean_details_async("f", True, EvaluationContext()))

    assert (details.value, details.error_code) == (True, ErrorCode.TARGETING_KEY_MISSING)


# --- prefetching ------------------------------------------------------------------------------------------------------


def test_what_is_fetched_before_is_answered_at_once(server: Asking) -> None:
    provider = server.ready()
    context = EvaluationContext("somebody", {"plan": "vip"})

    assert provider.prefetch(context)
    assert asyncio.run(provider.prefetch_async(context))

    assert provider.resolve_boolean_details("f", False, context).value is True
    assert len(server.asked) == 1


def test_what_cannot_be_fetched_is_told(server: Asking) -> None:
    server.break_down(CAMPAIGNS, hangs())
    provider = server.ready()

    assert not provider.prefetch(EvaluationContext("one"), timeout=0.1)
    assert not asyncio.run(provider.prefetch_async(EvaluationContext("two"), timeout=0.1))
    with pytest.raises(VisitorCodeMissing):
        provider.prefetch(EvaluationContext())


def test_after_shutdown_nobody_is_asked(server: Asking) -> None:
    provider = server.ready()
    resolve(provider, "f", False)

    provider.shutdown()

    assert resolve(provider, "f", False).value is True
    assert resolve(provider, "f", False, plan="vip").reason == "STALE"
    assert len(server.asked) == 1
    provider.initialize(NOBODY)
    assert resolve(provider, "f", False).reason == "SPLIT"
    assert len(server.asked) == 2


# --- a visitor cache --------------------------------------------------------------------------------------------------


def test_what_a_cache_has_of_a_visitor_answers_until_the_api_does(server: Asking, clock: FakeClock) -> None:
    cache = MemoryCacheManager(timeout=5000)
    server.decide = lambda body: decided(f=True, null=None)
    first = server.ready(cache_manager=cache)
    resolve(first, "f", False)
    assert first.flush()
    first.shutdown()
    server.break_down(CAMPAIGNS, reply(503))
    later = server.ready(cache_manager=cache, clock=clock)

    for _ in range(2):
        details = resolve(later, "f", False)
        assert (details.value, details.reason, details.variant) == (True, "CACHED", "v-f")
        assert details.flag_metadata["campaignId"] == "c-f"
    assert resolve(later, "null", "mine").reason == "DEFAULT"
    assert resolve(later, "f", False, "another").error_code is ErrorCode.GENERAL
    assert (
        asyncio.run(later.resolve_boolean_details_async("f", False, EvaluationContext("somebody"))).reason == "CACHED"
    )

    server.break_down(CAMPAIGNS, None)
    clock.advance(61.0)
    assert resolve(later, "f", False).reason == "SPLIT"
    assert later.flush()
    assert server.activated()["somebody", "v-f"] == 1  # the first process told it


def test_who_refuses_consent_is_not_kept(server: Asking) -> None:
    cache = MemoryCacheManager(timeout=5000)
    refuses = {"fsVisitorInfo": {"hasConsented": False}}
    first = server.ready(cache_manager=cache)
    resolve(first, "f", False, "always", **refuses)
    resolve(first, "f", False, "later")
    resolve(first, "f", False, "later", **refuses)
    first.shutdown()
    server.break_down(CAMPAIGNS, reply(503))
    later = server.ready(cache_manager=cache)

    for visitor in ("always", "later"):
        assert resolve(later, "f", False, visitor).error_code is ErrorCode.GENERAL


class Failing(MemoryCacheManager):
    """A cache that fails, or hangs, or answers nonsense."""

    def __init__(self, answer: Any) -> None:
        super().__init__(timeout=50)
        self.answer = answer

    async def lookup_visitor(self, visitor_id: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "hang":
            await asyncio.sleep(1)
        return self.answer


@pytest.mark.parametrize("answer", [ZeroDivisionError("x"), "hang", {"version": 2}, {"data": 5}, "nonsense", None])
def test_a_cache_that_does_not_work_costs_nobody_a_flag(server: Asking, answer: Any) -> None:
    provider = server.ready(cache_manager=Failing(answer))

    assert resolve(provider, "f", False).reason == "SPLIT"


def test_the_caches_thread_ends_with_the_provider(server: Asking) -> None:
    provider = server.ready(cache_manager=MemoryCacheManager())
    for _ in range(2):
        resolve(provider, "f", False)
        assert "kameleoon-flagship-cache" in threads()
        provider.shutdown()
        wait_until(lambda: threads() == [])
        provider.initialize(NOBODY)
        provider.refresh()
        resolve(provider, "f", False, str(time.monotonic()))
