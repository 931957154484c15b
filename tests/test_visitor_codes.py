"""Visitor codes: found in cookies and URLs, made, kept in cookies, with whose consent; and the cookie of testers."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.errors import VisitorCodeInvalid
from openfeature_kameleoon.visitor_codes import SIMULATION_COOKIE, VISITOR_CODE
from tests.clock import FakeClock
from tests.faces import EXPERIMENT, client_of, flag, rule, site
from tests.vectors import data_file, merge_patch, vectors

EXPERIMENTS = site(flag("tested", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)), flag("other"))
DELIVERED = site(flag("delivered", rule(2, ("on", 1))))
NO_CONSENT_NEEDED: dict[str, Any] = {}
CONSENT_REQUIRED = {"configuration": {"consentType": "REQUIRED"}}

GENERATED = re.compile("[0-9a-f]{16}")

Client = Callable[..., KameleoonClient]


@pytest.fixture
def make(tmp_path: Path) -> Client:
    """Makes a client of a data file; settings by name."""

    def client(content: dict[str, Any] = EXPERIMENTS, **settings: Any) -> KameleoonClient:
        return client_of(tmp_path, content, clock=FakeClock(time=0.0), **settings)

    return client


# The reference's results ----------------------------------------------------------------------------------------------

BETTER = {"js prefix": "abc"}
"""What the specification says to do better (8.2): both forms of a code are one visitor."""


@pytest.mark.parametrize("vector", vectors("visitor_code"), ids=lambda vector: vector["name"])
def test_codes_and_cookies_are_those_of_the_reference(make: Client, vector: dict[str, Any]) -> None:
    content = merge_patch(data_file(), vector["datafile_patch"])
    client = make(content, top_level_domain="example.com", cookie_same_site="")
    sent, jar = SimpleCookie(vector["cookie_header"]), SimpleCookie(vector["cookie_header"])
    given: dict[str, Any] = {"cookies_readonly": jar} if vector["read_only"] else {"cookies": jar}

    try:
        code: Any = client.get_visitor_code(**given, default_visitor_code=vector["default_visitor_code"])
        if vector["consent_set_to"] is not None:
            client.set_legal_consent(code, vector["consent_set_to"], jar)
    except VisitorCodeInvalid:
        code = {"error": "VisitorCodeInvalid"}

    cookie = jar.get(VISITOR_CODE)
    is_set = cookie is not None and cookie.OutputString() != (sent.get(VISITOR_CODE) or cookie).OutputString()
    is_set = is_set or (cookie is not None and VISITOR_CODE not in sent)
    assert like_the_vector(code) == BETTER.get(vector["name"], vector["expected_visitor_code"])
    assert (like_the_vector(cookie.OutputString()) if cookie and is_set else None) == vector["expected_set_cookie"]


def like_the_vector(result: Any) -> Any:
    """A result with what differs each time told as the vectors tell it."""
    if not isinstance(result, str):
        return result
    if GENERATED.fullmatch(result):
        return "<generated: 16 hex characters>"
    result = result.replace("expires=Sat, 16 Jan 1971 00:00:00 GMT", "expires=<now+380d>")
    return re.sub(f"{VISITOR_CODE}=[0-9a-f]{{16}};", f"{VISITOR_CODE}=<generated>;", result)


# Where a code comes from ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cookies",
    [
        "a=b; kameleoonVisitorCode=somebody",
        {"a": "b", VISITOR_CODE: "somebody"},
        SimpleCookie({VISITOR_CODE: "somebody"}),
        {VISITOR_CODE: "_js_somebody"},
    ],
)
def test_a_code_is_found_in_cookies_of_any_form(make: Client, cookies: Any) -> None:
    client = make()

    assert client.get_visitor_code(cookies) == "somebody"
    assert client.get_visitor_code(cookies_readonly=cookies) == "somebody"
    assert client.get_visitor_code(cookies=cookies) == "somebody"
    assert client.get_visitor_code(cookies, default_visitor_code="nobody") == "somebody"


def test_the_second_argument_may_be_the_default_as_in_2x(make: Client) -> None:
    client = make()

    assert client.get_visitor_code({}, "default") == "default"
    assert client.get_visitor_code("a=b", "default") == "default"
    assert client.get_visitor_code(cookies="a=b", default_visitor_code="default") == "default"
    assert client.get_visitor_code({VISITOR_CODE: "somebody"}, "default") == "somebody"


def test_codes_that_are_made_are_all_different(make: Client) -> None:
    client = make()

    codes = {client.get_visitor_code() for _ in range(1000)}

    assert len(codes) == 1000
    assert all(GENERATED.fullmatch(code) for code in codes)


def test_what_can_be_read_alone_is_not_written_to(make: Client) -> None:
    readonly = {"a": "b"}
    client = make()

    client.get_visitor_code(readonly)
    client.get_visitor_code(readonly, {})

    assert readonly == {"a": "b"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("kameleoonVisitorCode=somebody", "somebody"),
        ("?a=b&kameleoonVisitorCode=some%20body", "some body"),
        ("kameleoonVisitorCode=_js_somebody", "somebody"),
        ("kameleoonVisitorCode=", "default"),
        ("kameleoonVisitorCodes=somebody", "default"),
        ("", "default"),
        (None, "default"),
    ],
)
def test_the_query_of_a_url_counts_if_it_is_passed_and_no_cookie_has_a_code(
    make: Client, query: str | None, code: str
) -> None:
    client, cookies = make(), dict[str, str]()

    assert client.get_visitor_code(cookies=cookies, default_visitor_code="default", query=query) == code
    assert cookies == {VISITOR_CODE: code}
    assert client.get_visitor_code({VISITOR_CODE: "of the cookie"}, query=query) == "of the cookie"


@pytest.mark.parametrize("code", ["a\nb", "a\0b", "x" * 256])
def test_what_is_no_code_is_refused_wherever_it_comes_from(make: Client, code: str) -> None:
    client, jar = make(), SimpleCookie()

    for call in (
        lambda: client.get_visitor_code({VISITOR_CODE: code}, jar),
        lambda: client.get_visitor_code(None, jar, code),
        lambda: client.get_visitor_code(None, jar, query=f"{VISITOR_CODE}={code}"),
        lambda: client.set_legal_consent(code, True, jar),
    ):
        with pytest.raises(VisitorCodeInvalid):
            call()

    assert not jar


# Who keeps it ---------------------------------------------------------------------------------------------------------


def test_the_cookie_is_as_the_settings_say(make: Client) -> None:
    client = make(
        top_level_domain="example.com", cookie_maximum_age_day=1, cookie_same_site="Strict", cookie_secure=True
    )
    jar = SimpleCookie()

    client.get_visitor_code(cookies=jar, default_visitor_code="somebody")

    assert jar[VISITOR_CODE].OutputString() == (
        "kameleoonVisitorCode=somebody; Domain=example.com; expires=Fri, 02 Jan 1970 00:00:00 GMT; Max-Age=86400; "
        "Path=/; SameSite=Strict; Secure"
    )


@pytest.mark.parametrize(
    ("settings", "is_https", "is_secure"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"cookie_secure": True}, False, True),
        ({"cookie_secure": False}, True, False),
        ({"cookie_same_site": "None"}, False, True),  # browsers take it no other way
    ],
)
def test_the_cookie_is_secure_where_the_page_is_unless_told_otherwise(
    make: Client, settings: dict[str, Any], is_https: bool, is_secure: bool
) -> None:
    cookie = str(make(**settings).visitor_code_cookie("somebody", is_secure=is_https))

    assert cookie.endswith("; Secure") is is_secure


def test_scripts_of_the_page_may_read_it_as_kameleoons_does(make: Client) -> None:
    assert "httponly" not in str(make().visitor_code_cookie("somebody")).lower()


@pytest.mark.parametrize(
    ("content", "answer", "is_kept"),
    [
        ({**EXPERIMENTS, **NO_CONSENT_NEEDED}, None, True),
        ({**EXPERIMENTS, **NO_CONSENT_NEEDED}, False, True),
        ({**EXPERIMENTS, **CONSENT_REQUIRED}, None, False),
        ({**EXPERIMENTS, **CONSENT_REQUIRED}, False, False),
        ({**EXPERIMENTS, **CONSENT_REQUIRED}, True, True),
        ({**DELIVERED, **CONSENT_REQUIRED}, None, True),  # a delivery needs the code
        ({**DELIVERED, **CONSENT_REQUIRED}, False, False),
        ({**DELIVERED, **CONSENT_REQUIRED}, True, True),
    ],
)
def test_a_code_is_kept_where_the_visitor_need_not_consent_or_does(
    make: Client, content: dict[str, Any], answer: bool | None, is_kept: bool
) -> None:
    client, jar = make(content), SimpleCookie()
    if answer is not None:
        client.set_legal_consent("somebody", answer)

    client.get_visitor_code(cookies=jar, default_visitor_code="somebody")

    assert client.may_keep_code("somebody") is is_kept
    assert (VISITOR_CODE in jar) is is_kept


def test_before_a_data_file_tells_whether_consent_is_required_it_is(tmp_path: Path) -> None:
    settings = KameleoonClientConfiguration(data_file=tmp_path / "none", multi_threading=False)
    client = KameleoonClient("site", configuration_object=settings)

    assert not client.may_keep_code("somebody")

    client.set_legal_consent("somebody", True)
    assert client.may_keep_code("somebody")


def test_consent_writes_the_cookie_and_refusal_leaves_it(make: Client) -> None:
    client, jar = make({**EXPERIMENTS, **CONSENT_REQUIRED}), SimpleCookie()

    client.set_legal_consent("somebody", False, jar)
    assert not jar

    client.set_legal_consent("somebody", True, jar)
    client.set_legal_consent("somebody", False, jar)
    assert jar[VISITOR_CODE].value == "somebody"


# The cookie of testers ------------------------------------------------------------------------------------------------


def simulating(key: str = "tested", experiment: int = 1001, variation: int = 11) -> dict[str, str]:
    """The cookies of a tester who asks for a variation of a flag."""
    return {
        VISITOR_CODE: "tester",
        SIMULATION_COOKIE: f'%7B"{key}"%3A%7B"expId"%3A{experiment}%2C"varId"%3A{variation}%7D%7D',
    }


def test_testers_get_the_variation_that_their_cookie_asks_for(make: Client) -> None:
    client = make(simulation_cookie=True)
    own = client.get_variation("tester", "tested").key
    ids = {"on": 10, "off": 11}

    for key, number in ids.items():
        client.get_visitor_code(simulating(variation=number))
        assert client.get_variation("tester", "tested").key == key

    client.get_visitor_code({VISITOR_CODE: "tester"})
    assert client.get_variation("tester", "tested").key == "off"  # a cookie that is gone changes nothing (8.5)
    client.get_visitor_code({VISITOR_CODE: "tester", SIMULATION_COOKIE: "{}"})
    assert client.get_variation("tester", "tested").key == own


def test_nobody_can_simulate_unless_it_is_switched_on(make: Client) -> None:
    client = make()
    own = client.get_variation("tester", "tested").key

    for variation in (10, 11):
        client.get_visitor_code(simulating(variation=variation))
        assert client.get_variation("tester", "tested").key == own


def test_what_cannot_be_simulated_is_told_once(make: Client, caplog: pytest.LogCaptureFixture) -> None:
    client = make(simulation_cookie=True)

    for _ in range(3):
        client.get_visitor_code(simulating("nope\n"))
    for _ in range(3):
        client.get_visitor_code({VISITOR_CODE: "tester", SIMULATION_COOKIE: "{"})

    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "a simulation is ignored" in messages[0]
    assert "no JSON object" in messages[1]


def test_a_simulation_that_is_the_same_again_changes_nothing(make: Client) -> None:
    client = make(simulation_cookie=True)
    client.get_visitor_code(simulating())
    before = client.evaluator.visitor("tester").traits.simulated

    client.get_visitor_code(simulating())

    assert client.evaluator.visitor("tester").traits.simulated is before
