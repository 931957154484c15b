"""What every adapter does for every framework: one application under each of them, and what its visitors notice."""

from __future__ import annotations

import json
import re
from http.cookies import SimpleCookie
from typing import Any

import pytest
from openfeature import api
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.visitor_codes import SIMULATION_COOKIE
from tests.web.application import CONSENT_REQUIRED, HOSTILE_COOKIES, PAGE, is_nobody_visiting
from tests.web.conftest import SetProvider
from tests.web.frontends import FRONTENDS, Frontend, Reply

MADE = re.compile(
    r"kameleoonVisitorCode=([0-9a-f]{16}); expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT; Max-Age=32832000; "
    r"Path=/; SameSite=Lax"
)

NO_MATTER = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
"""What Django says of a view that is no coroutine and streams, on ASGI."""


@pytest.fixture(params=FRONTENDS)
def made_by(request: pytest.FixtureRequest) -> Any:
    """What makes the application under one of the adapters."""
    return FRONTENDS[request.param]


@pytest.fixture
def frontend(made_by: Any, provider: KameleoonProvider) -> Frontend:
    """The application under one of the adapters."""
    frontend: Frontend = made_by(provider)
    return frontend


def values(reply: Reply) -> dict[str, Any]:
    """What the page says, which must be a good answer."""
    assert reply.status == 200
    said: dict[str, Any] = json.loads(reply.body)
    return said


def cookie(code: str) -> dict[str, str]:
    return {"cookie": f"a=b; kameleoonVisitorCode={code}; c=d"}


# Who the visitor is ---------------------------------------------------------------------------------------------------


def test_a_new_visitor_gets_a_code_that_is_its_own_from_then_on(frontend: Frontend) -> None:
    first = frontend("/")

    [set_cookie] = first.set_cookies
    made = MADE.fullmatch(set_cookie)
    assert made is not None
    assert values(first)["code"] == made[1]
    again = frontend("/", cookie(made[1]))
    assert values(again) == values(first)
    assert [text.partition(";")[0] for text in again.set_cookies] == [f"kameleoonVisitorCode={made[1]}"]


def test_a_view_evaluates_for_its_visitor_without_any_context(frontend: Frontend, provider: KameleoonProvider) -> None:
    codes = [f"visitor-{number}" for number in range(20)]

    given = {code: values(frontend("/", cookie(code)))["tested"] for code in codes}

    assert given == {code: provider.client.get_variation(code, "tested").key for code in codes}
    assert set(given.values()) == {"on", "off"}


def test_an_explicit_context_wins(frontend: Frontend, provider: KameleoonProvider) -> None:
    expected = provider.client.get_variation("explicit", "tested").key.encode()

    assert {frontend("/explicit", cookie(f"visitor-{number}")).body for number in range(10)} == {expected}


@NO_MATTER
def test_a_body_is_made_within_the_visit_while_it_is_sent(frontend: Frontend, provider: KameleoonProvider) -> None:
    expected = provider.client.get_variation("somebody", "tested").key

    reply = frontend("/stream", cookie("somebody"))

    assert reply.body == f"somebody:{expected};".encode() * 3
    assert len(reply.set_cookies) == 1


@NO_MATTER
def test_after_a_request_nobody_is_visiting(frontend: Frontend) -> None:
    for path in ("/", "/stream"):
        frontend(path, cookie("somebody"))

        assert is_nobody_visiting()


def test_an_error_of_the_application_is_the_applications(frontend: Frontend) -> None:
    try:
        outcome: object = frontend("/error", cookie("somebody")).status
    except RuntimeError as error:  # of a framework that lets it through
        outcome = str(error)

    assert outcome in ("the application failed", 500)
    assert is_nobody_visiting()


def test_the_default_code_stands_where_the_request_has_none(made_by: Any, provider: KameleoonProvider) -> None:
    frontend = made_by(provider, default_visitor_code="everybody")

    assert values(frontend("/"))["code"] == "everybody"
    assert values(frontend("/", cookie("somebody")))["code"] == "somebody"


def test_a_url_may_bring_the_code_if_the_settings_say_so(made_by: Any, set_provider: SetProvider) -> None:
    path = "/?a=b&kameleoonVisitorCode=some%20body"

    asked, told = made_by(set_provider()), None
    assert values(asked(path))["code"] != "some body"

    told = made_by(set_provider(visitor_code_from_query=True))
    reply = told(path)
    assert values(reply)["code"] == "some body"
    assert reply.set_cookies[0].startswith('kameleoonVisitorCode="some body"; ')
    assert values(told(path, cookie("somebody")))["code"] == "somebody"


@pytest.mark.parametrize("header", HOSTILE_COOKIES, ids=range(len(HOSTILE_COOKIES)))
def test_a_hostile_cookie_costs_its_sender_the_code_and_nobody_anything(frontend: Frontend, header: str) -> None:
    reply = frontend("/", {"cookie": header})

    [set_cookie] = reply.set_cookies
    assert set_cookie.isascii()
    assert set_cookie.isprintable()
    code = values(reply)["code"]
    assert SimpleCookie(set_cookie)["kameleoonVisitorCode"].value.encode("latin-1").decode() == code
    assert code.isprintable()
    assert len(code) <= 255


# What is told of the visitor ------------------------------------------------------------------------------------------


def test_cookies_are_for_targeting(frontend: Frontend) -> None:
    assert values(frontend("/", {"cookie": "plan=pro"}))["members"] == "on"
    assert values(frontend("/", {"cookie": "plan=free"}))["members"] == "off"


def test_pages_are_for_targeting(frontend: Frontend) -> None:
    assert values(frontend("/cart?a=b", PAGE))["at_cart"] == "on"
    assert values(frontend("/cart", PAGE))["at_cart"] == "off"
    assert values(frontend("/cart?a=b", {"accept": "application/json"}))["at_cart"] == "off"


def test_each_request_of_a_page_counts_once(frontend: Frontend) -> None:
    ask = {**PAGE, **cookie("somebody")}

    given = [values(frontend("/same", ask))["readers"] for _ in range(4)]

    assert given == ["off", "off", "on", "on"]  # more than two


def test_the_user_agent_is_reported(frontend: Frontend, provider: KameleoonProvider) -> None:
    frontend("/", {"user-agent": "Mözilla/5.0".encode().decode("latin-1"), **cookie("somebody")})

    user_agent = provider.client.evaluator.visitor("somebody").traits.user_agent
    assert user_agent is not None
    assert user_agent.value == "Mözilla/5.0"


def test_testers_simulate_if_the_settings_say_so(made_by: Any, set_provider: SetProvider) -> None:
    frontend = made_by(set_provider(simulation_cookie=True))
    simulation = f'{SIMULATION_COOKIE}=%7B"tested"%3A%7B"expId"%3A1001%2C"varId"%3A%d%7D%7D'

    given = [
        values(frontend("/", {"cookie": f"kameleoonVisitorCode=tester; {simulation.replace('%d', str(number))}"}))
        for number in (10, 11)
    ]

    assert [each["tested"] for each in given] == ["on", "off"]


# The cookie -----------------------------------------------------------------------------------------------------------


def test_the_cookie_is_secure_where_the_page_is(frontend: Frontend) -> None:
    secure = frontend("/", {"x-forwarded-proto": "https"}, scheme="https")

    assert secure.set_cookies[0].endswith("; SameSite=Lax; Secure")
    assert not frontend("/").set_cookies[0].endswith("Secure")


@pytest.mark.parametrize(("path", "cookies"), [("/public", 0), ("/shared", 0), ("/private", 1)])
def test_what_caches_may_give_to_others_has_no_ones_cookie(frontend: Frontend, path: str, cookies: int) -> None:
    assert len(frontend(path).set_cookies) == cookies


def test_a_cookie_that_the_application_sets_stands(frontend: Frontend) -> None:
    [set_cookie] = frontend("/own", cookie("somebody")).set_cookies

    assert set_cookie == "kameleoonVisitorCode=chosen; Path=/"


def test_where_consent_is_required_the_cookie_waits_for_it(made_by: Any, set_provider: SetProvider) -> None:
    frontend = made_by(set_provider(CONSENT_REQUIRED))

    before, given, after = (frontend(path, cookie("somebody")) for path in ("/", "/consent", "/"))

    assert [len(reply.set_cookies) for reply in (before, given, after)] == [0, 1, 1]


def test_consent_may_be_told_by_each_request(made_by: Any, set_provider: SetProvider) -> None:
    answers = {"yes": True, "no": False}
    provider = set_provider(CONSENT_REQUIRED)
    frontend = made_by(provider, consent=lambda exchange: answers.get(exchange.cookies.get("consent", "")))

    def cookies(consent: str) -> int:
        return len(frontend("/", {"cookie": f"consent={consent}; kameleoonVisitorCode=somebody"}).set_cookies)

    assert [cookies(consent) for consent in ("", "yes", "", "no", "")] == [0, 1, 1, 0, 0]


# OpenFeature ----------------------------------------------------------------------------------------------------------


def test_a_propagator_of_the_applications_own_stays(frontend: Frontend) -> None:
    class Own(ContextVarsTransactionContextPropagator):
        times = 0

        def set_transaction_context(self, transaction_context: Any) -> None:
            Own.times += 1
            super().set_transaction_context(transaction_context)

    api.set_transaction_context_propagator(Own())
    reply = frontend("/", cookie("somebody"))

    assert values(reply)["tested"] in ("on", "off")
    assert Own.times


def test_it_works_again_after_everything_was_shut_down(made_by: Any, set_provider: SetProvider) -> None:
    frontend = made_by(set_provider())
    assert values(frontend("/"))["tested"] in ("on", "off")
    api.shutdown()  # which takes the propagator away, too
    provider = set_provider()

    frontend = made_by(provider)
    expected = provider.client.get_variation("somebody", "tested").key
    assert values(frontend("/", cookie("somebody")))["tested"] == expected
