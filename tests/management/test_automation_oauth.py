"""Access tokens of the Automation API: client credentials, authorization codes, and what is done when they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from flask import Flask, jsonify

from openfeature_kameleoon.errors import ConfigCredentialsInvalid, ConfigException
from openfeature_kameleoon.management.automation import (
    AccessToken,
    AuthorizationRefused,
    Automation,
    ClientCredentials,
    OAuthApplication,
    UserTokens,
)
from openfeature_kameleoon.management.rest import (
    AnswerMalformed,
    ApiError,
    ApiUnreachable,
    BadRequest,
    Forbidden,
    OutcomeUnknown,
    ServerError,
    Unauthorized,
)
from tests.chaos import wait_until
from tests.clock import FakeClock
from tests.management.echo import Echo
from tests.management.examples import example
from tests.management.standins.serving import Fault, StandIn, answering, dropped, dropped_after, once

CLIENT = example("automation-token-client-credentials")
PARTNER = example("automation-token-authorization-code")
SECRET = "canary-secret"
REDIRECT = "https://dash.example.net/callback"

TOKENS = once("POST", "/oauth/token")
CALLS = once("GET", "/goals")


def grant(token: str, **more: Any) -> Fault:
    """What the token endpoint answers."""
    return answering(200, {"access_token": token, "token_type": "bearer", "expires_in": 7200, **more})


def bearers(api: StandIn) -> list[str]:
    """The tokens that calls came with."""
    return [entry.headers["Authorization"].removeprefix("Bearer ") for entry in api.asked("GET")]


def forms(api: StandIn) -> list[dict[str, str]]:
    """What the token endpoint was sent."""
    return [dict(parse_qsl(entry.body.decode())) for entry in api.asked("POST") if entry.path == "/oauth/token"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def automation(api: Echo, clock: FakeClock) -> Iterator[Automation]:
    """With client credentials; waiting lets time pass."""
    with Automation("shop", SECRET, base_url=api.url, clock=clock, wait=clock.advance) as automation:
        yield automation


Partner = Callable[..., OAuthApplication]


@pytest.fixture
def partner(api: Echo, clock: FakeClock) -> Iterator[Partner]:
    """An application, as the examples' one."""
    with requests.Session() as session:

        def make(**options: Any) -> OAuthApplication:
            given = {"base_url": api.url, "clock": clock, "wait": clock.advance, "session": session}
            return OAuthApplication("partner-dash", "hush", REDIRECT, **{**given, **options})

        yield make


# --- client credentials (spec 2.1) ----------------------------------------------------------------------------


def test_a_token_is_fetched_by_the_documented_request(vendor: responses.RequestsMock) -> None:
    request, answer = CLIENT["request"], CLIENT["response"]
    vendor.post(request["url"], json=answer["body"])
    vendor.get("https://api.kameleoon.com/goals/7", json={"id": 7})

    with Automation(request["form"]["client_id"], request["form"]["client_secret"]) as automation:
        automation.goals.get(7)

    asked, called = (call.request for call in vendor.calls)
    assert asked.method == request["method"]
    assert asked.headers["Content-Type"] == request["headers"]["Content-Type"]
    assert dict(parse_qsl(str(asked.body))) == request["form"]
    assert "Authorization" not in asked.headers
    assert called.headers["Authorization"] == f"Bearer {answer['body']['access_token']}"


def test_nothing_is_fetched_before_it_is_needed(api: Echo) -> None:
    with Automation("shop", SECRET, base_url=api.url):
        assert api.log == []


def test_a_version_in_the_path_is_for_calls_and_not_for_tokens(api: Echo) -> None:
    api.strike(grant("t-1"), on=TOKENS)

    with Automation("shop", SECRET, base_url=f"{api.url}/", version=2) as automation:
        automation.request("GET", "/goals")

    assert [entry.path for entry in api.log] == ["/oauth/token", "/v2/goals"]


def test_a_token_is_used_until_a_minute_before_its_end(api: Echo, automation: Automation, clock: FakeClock) -> None:
    api.strike(grant("t-1"), grant("t-2"), on=TOKENS)

    automation.request("GET", "/goals")
    clock.advance(7200 - 60 - 1)
    automation.request("GET", "/goals")
    clock.advance(1)
    automation.request("GET", "/goals")

    assert bearers(api) == ["t-1", "t-1", "t-2"]


def test_the_wall_clock_has_no_say_in_it(api: Echo, automation: Automation, clock: FakeClock) -> None:
    api.strike(grant("t-1"), on=TOKENS)

    automation.request("GET", "/goals")
    clock.jump(1_000_000)
    automation.request("GET", "/goals")

    assert bearers(api) == ["t-1", "t-1"]


def test_a_token_of_less_than_a_minute_is_good_for_one_call(api: Echo, automation: Automation) -> None:
    api.strike(grant("t-1", expires_in=60), grant("t-2", expires_in=1), on=TOKENS)

    automation.request("GET", "/goals")
    automation.request("GET", "/goals")

    assert bearers(api) == ["t-1", "t-2"]


@pytest.mark.usefixtures("threads_alternate_often")
def test_twenty_threads_share_one_fetch() -> None:
    app, may_answer, fetches = Flask(__name__), threading.Event(), []

    @app.post("/oauth/token")
    def token() -> Any:
        fetches.append(may_answer.wait(30))
        return jsonify(access_token=f"t-{len(fetches)}", expires_in=7200)

    with StandIn(app) as server, requests.Session() as session:
        tokens = ClientCredentials("shop", SECRET, base_url=server.url, session=session)
        started = threading.Barrier(21)

        def need() -> str:
            started.wait(30)
            return tokens.header()[1].reveal()

        with ThreadPoolExecutor(20) as pool:
            needed = [pool.submit(need) for _ in range(20)]
            started.wait(30)
            wait_until(lambda: bool(server.log))
            may_answer.set()
            got = {one.result() for one in needed}

    assert got == {"Bearer t-1"}
    assert len(fetches) == 1


def test_threads_that_wait_for_a_fetch_that_fails_all_hear_of_it_and_the_next_call_tries_again() -> None:
    app, may_answer, fetches = Flask(__name__), threading.Event(), []

    @app.post("/oauth/token")
    def token() -> Any:
        fetches.append(may_answer.wait(30))
        if len(fetches) == 1:
            return CLIENT["error_response"]["body"], CLIENT["error_response"]["status"]
        return jsonify(access_token="t-2", expires_in=7200)

    with StandIn(app) as server, requests.Session() as session:
        tokens = ClientCredentials("shop", SECRET, base_url=server.url, session=session)
        with ThreadPoolExecutor(8) as pool:
            first = pool.submit(tokens.header)
            wait_until(lambda: bool(server.log))
            others = [pool.submit(tokens.header) for _ in range(7)]
            may_answer.set()
            failures = [one.exception() for one in (first, *others)]
        again = tokens.header()[1].reveal()

    assert isinstance(failures[0], Unauthorized)
    assert {type(failure) for failure in failures} <= {Unauthorized, type(None)}  # late ones may get the next token
    assert again == "Bearer t-2"


# --- refused by the API (spec 2.4) ----------------------------------------------------------------------------


def test_a_token_that_the_api_refuses_is_dropped_and_the_call_repeated(api: Echo, automation: Automation) -> None:
    api.strike(grant("t-1"), grant("t-2"), on=TOKENS)
    api.strike(answering(401), on=CALLS)

    automation.request("GET", "/goals")
    automation.request("GET", "/goals")

    assert bearers(api) == ["t-1", "t-2", "t-2"]


def test_a_second_refusal_is_raised(api: Echo, automation: Automation) -> None:
    api.strike(grant("t-1"), grant("t-2"), on=TOKENS)
    api.strike(answering(401), answering(401), on=CALLS)

    with pytest.raises(Unauthorized):
        automation.request("GET", "/goals")

    assert bearers(api) == ["t-1", "t-2"]


def test_a_missing_right_is_no_reason_for_another_token(api: Echo, automation: Automation) -> None:
    api.strike(grant("t-1"), on=TOKENS)
    api.strike(answering(403), on=CALLS)

    with pytest.raises(Forbidden):
        automation.request("GET", "/goals")

    assert len(api.log) == 2


def test_a_refusal_that_comes_late_does_not_drop_the_new_token(api: Echo) -> None:
    api.strike(grant("t-1"), grant("t-2"), on=TOKENS)

    with requests.Session() as session:
        tokens = ClientCredentials("shop", SECRET, base_url=api.url, session=session)
        _, first = tokens.header()
        assert tokens.renew(first)
        _, second = tokens.header()
        assert tokens.renew(first)
        _, third = tokens.header()

    assert [one.reveal() for one in (first, second, third)] == ["Bearer t-1", "Bearer t-2", "Bearer t-2"]


def test_a_token_got_elsewhere_is_used_as_it_is_and_cannot_be_renewed(api: Echo) -> None:
    api.strike(answering(401))

    with Automation(token="t-shared", base_url=api.url) as automation, pytest.raises(Unauthorized):
        automation.request("GET", "/goals")

    assert bearers(api) == ["t-shared"]
    assert AccessToken("t-shared").header()[1].reveal() == "Bearer t-shared"


# --- refused or unreachable: the token endpoint ---------------------------------------------------------------


def test_refused_credentials_are_told_with_what_to_check(api: Echo, automation: Automation) -> None:
    refusal = CLIENT["error_response"]
    api.strike(answering(refusal["status"], refusal["body"]), on=TOKENS)

    with pytest.raises(Unauthorized) as caught:
        automation.request("GET", "/goals")

    assert str(caught.value) == (
        f"POST {api.url}/oauth/token: 401 Unauthorized: Bad client credentials: check the credentials"
    )
    assert len(api.log) == 1


def test_the_api_may_refuse_them_with_400_too(api: Echo, automation: Automation) -> None:
    api.strike(answering(400, CLIENT["error_response"]["body"]), on=TOKENS)

    with pytest.raises(BadRequest, match="400 Bad Request: Bad client credentials"):
        automation.request("GET", "/goals")


def test_a_secret_that_comes_back_is_masked(api: Echo, automation: Automation) -> None:
    api.strike(answering(401, {"error_description": f"{SECRET} is wrong"}), on=TOKENS)

    with pytest.raises(Unauthorized, match=r"\*\*\* is wrong") as caught:
        automation.request("GET", "/goals")

    assert SECRET not in f"{caught.value} {caught.value.exchange}"


@pytest.mark.parametrize(
    "fault",
    [answering(503), answering(429), dropped(), dropped_after()],
    ids=["503", "429", "dropped", "dropped after"],
)
def test_asking_for_a_token_changes_nothing_and_is_repeated(api: Echo, automation: Automation, fault: Fault) -> None:
    api.strike(fault, grant("t-1"), on=TOKENS)

    automation.request("GET", "/goals")

    assert bearers(api) == ["t-1"]
    assert len(forms(api)) == 2


@pytest.mark.parametrize(("fault", "raised"), [(answering(503), ServerError), (dropped(), ApiUnreachable)])
def test_a_write_that_got_no_token_was_not_sent(
    api: Echo, automation: Automation, fault: Fault, raised: type[ApiError]
) -> None:
    api.strike(*[fault] * 4, on=TOKENS)

    with pytest.raises(raised) as caught:
        automation.request("POST", "/goals", json={})

    assert not isinstance(caught.value, OutcomeUnknown)
    assert len(forms(api)) == len(api.log) == 4


@pytest.mark.parametrize(
    "body",
    [
        "",
        "access_token=canary-1&expires_in=7200",
        ["canary-1"],
        {"access_token": "canary-1"},
        {"access_token": "canary-1", "expires_in": "7200"},
        {"access_token": "canary-1", "expires_in": 0},
        {"access_token": "canary-1", "expires_in": -1},
        {"access_token": "canary-1", "expires_in": None},
        {"access_token": "", "expires_in": 7200},
        {"access_token": {"value": "canary-1"}, "expires_in": 7200},
        {"refresh_token": "canary-1", "expires_in": 7200},
    ],
)
def test_an_answer_that_is_no_token_is_an_error_that_does_not_show_it(
    api: Echo, automation: Automation, body: object
) -> None:
    api.strike(answering(200, body), on=TOKENS)

    with pytest.raises(AnswerMalformed) as caught:
        automation.request("GET", "/goals")

    error = caught.value
    assert (error.method, error.url, error.status) == ("POST", f"{api.url}/oauth/token", 200)
    assert "canary" not in f"{error} {error!r} {error.exchange} {error.__cause__!r}"


@pytest.mark.parametrize(
    "make",
    [
        lambda url: ClientCredentials("shop", SECRET, base_url=url),
        lambda url: OAuthApplication("shop", SECRET, REDIRECT, base_url=url),
        lambda url: Automation("shop", SECRET, base_url=url),
    ],
)
def test_credentials_go_to_no_host_without_https(make: Callable[[str], object]) -> None:
    with pytest.raises(ConfigException, match="https"):
        make("http://api.kameleoon.com")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"client_id": "shop"},
        {"client_secret": SECRET},
        {"client_id": "shop", "client_secret": SECRET, "token": "t-1"},
        {"token": "t-1", "authentication": AccessToken("t-1")},
    ],
)
def test_a_client_has_one_kind_of_credential(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigCredentialsInvalid):
        Automation(**options)


# --- authorization code (spec 2.3) ----------------------------------------------------------------------------


def test_the_browser_is_sent_to_the_documented_address() -> None:
    application = OAuthApplication("partner-dash", "hush", REDIRECT)

    assert application.authorization_url("q7Zp") == (PARTNER["authorize_redirect"], "q7Zp")


def test_the_state_is_random_unless_it_is_given(partner: Partner) -> None:
    (first_url, first), (_, second) = partner().authorization_url(), partner().authorization_url()

    assert first != second
    assert len(first) >= 32
    assert dict(parse_qsl(urlsplit(first_url).query))["state"] == first


def test_a_code_is_exchanged_by_the_documented_request(api: Echo, partner: Partner) -> None:
    exchange = PARTNER["exchange"]
    api.strike(answering(200, exchange["response"]["body"]), on=TOKENS)

    tokens = partner().user_tokens(PARTNER["callback"], "q7Zp")

    (asked,) = api.log
    assert (asked.method, asked.path) == (exchange["method"], "/oauth/token")
    assert {name: asked.headers[name] for name in exchange["headers"]} == exchange["headers"]
    assert forms(api) == [exchange["form"]]
    assert tokens.header()[1].reveal() == "Bearer at-1"
    assert tokens.refresh_token == "rt-1"
    assert len(api.log) == 1


def test_the_tokens_are_a_clients_authentication(api: Echo, partner: Partner) -> None:
    api.strike(answering(200, PARTNER["exchange"]["response"]["body"]), on=TOKENS)
    tokens = partner().user_tokens(PARTNER["callback"], "q7Zp")

    with Automation(authentication=tokens, base_url=api.url) as automation:
        automation.request("GET", "/goals")

    assert bearers(api) == ["at-1"]


@pytest.mark.parametrize(
    ("callback", "told"),
    [
        (f"{REDIRECT}?error=access_denied&state=q7Zp", "no authorization: access_denied"),
        (f"{REDIRECT}?state=q7Zp", "no authorization: the callback has no code"),
        (f"{REDIRECT}?code=&state=q7Zp", "no authorization: the callback has no code"),
        (f"{REDIRECT}?error=bad%0Aline&state=q7Zp", r"no authorization: bad\\nline"),
        (f"{REDIRECT}?code=AbC123&state=other", "state is not the one that was sent"),
        (f"{REDIRECT}?code=AbC123&state=d%C3%A9j%C3%A0", "state is not the one that was sent"),
        (f"{REDIRECT}?code=AbC123", "state is not the one that was sent"),
        (f"{REDIRECT}?error=access_denied&state=other", "state is not the one that was sent"),
        (REDIRECT, "state is not the one that was sent"),
    ],
)
def test_a_callback_that_brings_no_authorization_is_refused(
    api: Echo, partner: Partner, callback: str, told: str
) -> None:
    with pytest.raises(AuthorizationRefused, match=told) as caught:
        partner().user_tokens(callback, "q7Zp")

    assert "AbC123" not in str(caught.value)
    assert api.log == []


@pytest.mark.parametrize("fault", [answering(503), dropped(), dropped_after()], ids=["503", "dropped", "dropped after"])
def test_a_code_is_good_for_one_exchange_and_sent_once(api: Echo, partner: Partner, fault: Fault) -> None:
    api.strike(fault, on=TOKENS)

    with pytest.raises(ApiError):
        partner().user_tokens(PARTNER["callback"], "q7Zp")

    assert len(api.log) == 1


def test_a_code_that_the_api_refuses_is_told_without_it(api: Echo, partner: Partner) -> None:
    api.strike(answering(400, {"error": "invalid_grant", "error_description": "no code AbC123"}), on=TOKENS)

    with pytest.raises(BadRequest, match=r"no code \*\*\*"):
        partner().user_tokens(PARTNER["callback"], "q7Zp")


def test_an_exchange_without_a_refresh_token_is_an_error(api: Echo, partner: Partner) -> None:
    api.strike(grant("canary-1"), on=TOKENS)

    with pytest.raises(AnswerMalformed, match="holds no refresh_token") as caught:
        partner().user_tokens(PARTNER["callback"], "q7Zp")

    assert "canary" not in f"{caught.value} {caught.value.exchange}"


# --- refresh --------------------------------------------------------------------------------------------------


def refreshing(partner: Partner, kept: list[str]) -> UserTokens:
    return partner(on_refresh_token=kept.append).kept("rt-1")


def test_a_token_is_refreshed_by_the_documented_request(api: Echo, partner: Partner) -> None:
    refresh = PARTNER["refresh"]
    api.strike(answering(200, refresh["response"]["body"]), on=TOKENS)
    kept: list[str] = []

    tokens = refreshing(partner, kept)

    assert tokens.header()[1].reveal() == "Bearer at-2"
    (asked,) = api.log
    assert {name: asked.headers[name] for name in refresh["headers"]} == refresh["headers"]
    assert forms(api) == [refresh["form"]]
    assert tokens.refresh_token == "rt-2"
    assert kept == ["rt-2"]


def test_the_user_is_not_asked_again_when_a_token_ends(api: Echo, partner: Partner, clock: FakeClock) -> None:
    exchanged, refreshed = PARTNER["exchange"]["response"]["body"], PARTNER["refresh"]["response"]["body"]
    api.strike(answering(200, exchanged), answering(200, refreshed), grant("at-3", refresh_token="rt-3"), on=TOKENS)
    kept: list[str] = []
    tokens = partner(on_refresh_token=kept.append).user_tokens(PARTNER["callback"], "q7Zp")

    got = []
    for _ in range(3):
        got.append(tokens.header()[1].reveal())
        clock.advance(7200)

    assert got == ["Bearer at-1", "Bearer at-2", "Bearer at-3"]
    assert [form.get("refresh_token") for form in forms(api)] == [None, "rt-1", "rt-2"]
    assert kept == ["rt-1", "rt-2", "rt-3"]


@pytest.mark.parametrize("more", [{}, {"refresh_token": None}, {"refresh_token": "rt-1"}], ids=["none", "null", "same"])
def test_without_a_new_refresh_token_the_old_one_stays(
    api: Echo, partner: Partner, clock: FakeClock, more: dict[str, object]
) -> None:
    api.strike(grant("at-1", **more), grant("at-2", **more), on=TOKENS)
    kept: list[str] = []
    tokens = refreshing(partner, kept)

    tokens.header()
    clock.advance(7200)
    tokens.header()

    assert [form["refresh_token"] for form in forms(api)] == ["rt-1", "rt-1"]
    assert tokens.refresh_token == "rt-1"
    assert kept == []


def test_a_refresh_is_repeated_as_asking_for_a_token_is(api: Echo, partner: Partner) -> None:
    api.strike(answering(503), dropped(), grant("at-1"), on=TOKENS)

    assert refreshing(partner, []).header()[1].reveal() == "Bearer at-1"


def test_a_user_whose_consent_has_ended_is_told_of(api: Echo, partner: Partner) -> None:
    api.strike(answering(400, {"error": "invalid_grant", "error_description": "rt-1 was revoked"}), on=TOKENS)

    with pytest.raises(BadRequest, match=r"\*\*\* was revoked"):
        refreshing(partner, []).header()


# --- the session that all of it goes through ------------------------------------------------------------------


def test_tokens_are_fetched_through_the_callers_session_which_stays_open(api: Echo) -> None:
    closed: list[object] = []

    class Own(requests.Session):
        def close(self) -> None:
            closed.append(self)
            super().close()

    api.strike(grant("t-1"), on=TOKENS)
    with Own() as own:
        own.headers["X-Department"] = "shop"
        with Automation("shop", SECRET, base_url=api.url, session=own) as automation:
            automation.request("GET", "/goals")
        assert closed == []

    assert [entry.headers["X-Department"] for entry in api.log] == ["shop", "shop"]
