"""A session: where it speaks to, what it sends, what it makes of a good answer. Failures: test_rest_retries.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from flask import Flask

from openfeature_kameleoon.errors import ConfigException
from openfeature_kameleoon.management.rest import AnswerMalformed, ApiError, ApiUnreachable, FixedCredential, Rest
from openfeature_kameleoon.management.rest import Retries as RestRetries
from openfeature_kameleoon.management.rest.authentication import ANONYMOUS
from openfeature_kameleoon.management.rest.operations import fill
from openfeature_kameleoon.management.rest.session import base_url
from openfeature_kameleoon.settings import Secret
from tests.management.echo import TOKEN, Echo
from tests.management.standins.serving import StandIn, answering

HTTPS = "https://api.example.com"
ONCE = RestRetries(attempts=1)


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    """An API on HTTPS."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def elsewhere() -> Iterator[Echo]:
    with Echo() as server:
        yield server


# --- where it speaks to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com:8443/v1/", "https://api.example.com:8443/v1"),
        ("HTTPS://API.EXAMPLE.COM", "HTTPS://API.EXAMPLE.COM"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_is_https_or_on_this_machine(given: str, used: str) -> None:
    assert base_url(given) == used


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[::2]",
        "http://0.0.0.0",
        "ftp://localhost",
        "api.example.com",
        "//api.example.com",
        "https://",
        "https:///path",
        "",
        "https://api.example.com:port",
        "https://api.example.com:99999",
        "https://api.example.com:0",
        "https://[::1",
        "https://api.example.com\n",
        "https://api example.com",
    ],
)
def test_no_other_base_url_is_taken(url: str) -> None:
    with pytest.raises(ConfigException, match="base URL") as caught:
        Rest(url, ANONYMOUS)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hush@api.example.com",
        "https://user:hush@api.example.com",
        "https://:hush@api.example.com",
        "https://user:hush@",
        "https://api.example.com?key=hush",
        "https://api.example.com/?",
        "https://api.example.com#hush",
        "https://api.example.com/#",
    ],
)
def test_a_base_url_has_no_user_query_or_fragment_and_what_it_has_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigException, match="base URL") as caught:
        Rest(url, ANONYMOUS)

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("path", ["goals/7", "/goals/7", "//goals/7"])
def test_a_path_is_relative_to_the_base_url(api: Echo, path: str) -> None:
    rest = api.rest(url=f"{api.url}/v1/")

    assert rest.call("GET", path) == {"target": "/v1/goals/7"}


def test_a_whole_url_of_the_same_host_is_taken_as_it_is(api: Echo) -> None:
    rest = api.rest(url=f"{api.url}/v1")

    assert rest.call("GET", f"{api.url}/v2/goals?page=2", query=[("size", 5)]) == {"target": "/v2/goals?page=2&size=5"}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_whole_url_of_another_host_is_refused_for_it_would_get_the_credential(
    api: Echo, elsewhere: Echo, scheme: str
) -> None:
    address = elsewhere.url.replace("http", scheme) + "/goals"

    with pytest.raises(ValueError, match="credentials are for"):
        api.rest().call("GET", address)

    assert elsewhere.log == []


def test_a_url_inside_a_path_or_query_is_text_like_any_other(api: Echo) -> None:
    target = "/pages?url=https://shop.example.com/"

    assert api.rest().call("GET", target) == {"target": target}


# --- the credential -------------------------------------------------------------------------------------------


def test_the_credential_goes_into_the_header_of_the_vendors_choice(api: Echo) -> None:
    api.rest(authentication=FixedCredential("Token", Secret("abc-0123456789"))).call("GET", "goals")

    headers = api.log[0].headers
    assert headers["Token"] == "abc-0123456789"
    assert "Authorization" not in headers


def test_no_credential_is_sent_without_one(api: Echo) -> None:
    api.rest(authentication=ANONYMOUS).call("GET", "goals")

    assert "Authorization" not in api.log[0].headers


def test_one_call_may_have_a_credential_of_its_own(api: Echo) -> None:
    rest = api.rest()

    rest.call("GET", "goals", authentication=FixedCredential("Authorization", Secret("Basic b3RoZXI6b3RoZXI=")))
    rest.call("GET", "goals")

    assert [entry.headers["Authorization"] for entry in api.log] == ["Basic b3RoZXI6b3RoZXI=", f"Bearer {TOKEN}"]


@pytest.mark.parametrize("authentication", [ANONYMOUS, FixedCredential("Authorization", Secret(f"Bearer {TOKEN}"))])
def test_netrc_is_not_used(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authentication: FixedCredential
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password of-other-programs\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))

    api.rest(authentication=authentication).call("GET", "goals")

    assert not api.log[0].headers.get("Authorization", "").startswith("Basic")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed(api: Echo, elsewhere: Echo, method: str, status: int) -> None:
    api.strike(answering(status, headers={"Location": f"{elsewhere.url}/goals"}))

    with pytest.raises(ApiError, match=f"{status} .*redirect.*base URL") as caught:
        api.rest().call(method, "goals")

    assert not caught.value.retryable
    assert len(api.log) == 1
    assert elsewhere.log == []


# --- what is sent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"name": "Café", "sites": [1, 2]}, b'{"name": "Caf\\u00e9", "sites": [1, 2]}'),
        ({}, b"{}"),
        ([], b"[]"),
        (None, b"null"),
        ("", b'""'),
        (False, b"false"),
    ],
)
def test_a_body_is_sent_as_json_whatever_it_is(api: Echo, body: object, sent: bytes) -> None:
    api.rest().call("POST", "goals", json=body)

    assert api.log[0].body == sent
    assert api.log[0].headers["Content-Type"] == "application/json"


def test_without_a_body_none_is_sent(api: Echo) -> None:
    api.rest().call("POST", "goals")

    assert api.log[0].body == b""
    assert "Content-Type" not in api.log[0].headers


def test_a_mapping_is_sent_as_a_form(api: Echo) -> None:
    api.rest().send("POST", "token", data={"grant_type": "refresh & more", "secret": Secret("s3cr3t=value")})

    assert api.log[0].body == b"grant_type=refresh+%26+more&secret=s3cr3t%3Dvalue"
    assert api.log[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_bytes_and_files_are_sent_as_they_are_with_the_headers_given(api: Echo) -> None:
    rest = api.rest()

    rest.send("POST", "images", data=b"\x89PNG", headers={"Content-Type": "image/png"})
    rest.send("POST", "images", data=BytesIO(b"\x89PNG"), headers={"Content-Type": "image/png"})

    assert [(entry.body, entry.headers["Content-Type"]) for entry in api.log] == [(b"\x89PNG", "image/png")] * 2


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ([("page", 2), ("perPage", 50)], "?page=2&perPage=50"),
        ([("isArchived", True), ("deep", False)], "?isArchived=true&deep=false"),
        ([("status", None)], ""),
        ([("status", None), ("page", 0)], "?page=0"),
        ([("name", "")], "?name="),
        ([("url", "a/b?c&d=e")], "?url=a%2Fb%3Fc%26d%3De"),
        ([("name", "Café + 100 %")], "?name=Caf%C3%A9%20%2B%20100%20%25"),
        ([("tag", "a"), ("tag", "b")], "?tag=a&tag=b"),
        ([("a&b", "c")], "?a%26b=c"),
    ],
)
def test_a_query_keeps_its_order_and_every_value_stays_one(
    api: Echo, query: list[tuple[str, object]], sent: str
) -> None:
    assert api.rest().call("GET", "goals", query=query) == {"target": f"/goals{sent}"}


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        (7, "7"),
        ("checkout", "checkout"),
        ("a/b", "a%2Fb"),
        ("../sites", "..%2Fsites"),
        ("a?b#c", "a%3Fb%23c"),
        ("50 %", "50%20%25"),
        ("%2F", "%252F"),
        ("Café", "Caf%C3%A9"),
        ("{id}", "%7Bid%7D"),
    ],
)
def test_a_value_in_a_path_stays_one_segment(api: Echo, value: object, segment: str) -> None:
    path = fill("/flags/{key}/rules", {"key": value, "other": "is not in it"})

    assert api.rest().call("GET", path) == {"target": f"/flags/{segment}/rules"}


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_value_that_would_lead_to_another_path_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"key is .* no id or name"):
        fill("/flags/{key}", {"key": value})


def test_the_user_agent_says_who_asks(api: Echo) -> None:
    api.rest(user_agent="dashboard/2").call("GET", "goals")

    assert api.log[0].headers["User-Agent"] == "dashboard/2"


def test_a_session_of_the_callers_is_used_and_stays_open(vendor: responses.RequestsMock) -> None:
    vendor.get(f"{HTTPS}/goals", json=[])
    closed = []

    class Own(requests.Session):
        def close(self) -> None:
            closed.append(self)

    own = Own()
    own.headers["X-Department"] = "shop"
    rest = Rest(HTTPS, ANONYMOUS, session=own)
    rest.call("GET", "goals")
    rest.close()

    assert vendor.calls[0].request.headers["X-Department"] == "shop"
    assert closed == []


# --- good answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "decoded"), [({"id": 7}, {"id": 7}), ([1], [1]), ("null", None), ("7", 7)])
def test_an_answer_is_decoded_from_json(api: Echo, body: object, decoded: object) -> None:
    api.strike(answering(200, body))

    assert api.rest().call("GET", "goals") == decoded


@pytest.mark.parametrize(("status", "body"), [(200, ""), (200, " \r\n"), (201, ""), (204, ""), (299, "")])
def test_an_empty_answer_is_none(api: Echo, status: int, body: str) -> None:
    api.strike(answering(status, body))

    assert api.rest().call("DELETE", "goals/7") is None


@pytest.mark.parametrize(
    "body",
    ["<html>\n<title>Sign in</title></html>", "{", "[1, 2", b"\xff\xfe\x00", "[" * 100_000],
    ids=["html", "object cut short", "array cut short", "no text", "too deep"],
)
def test_an_answer_that_is_no_json_is_an_error(api: Echo, body: str | bytes) -> None:
    api.strike(answering(200, body))

    with pytest.raises(AnswerMalformed, match="200 OK: the answer is not JSON; is the base URL right") as caught:
        api.rest().call("GET", "goals")

    assert caught.value.status == 200
    assert not caught.value.retryable


def test_json_is_read_as_utf_8_whatever_the_headers_say(api: Echo) -> None:
    api.strike(answering(200, '"Café"', {"Content-Type": "text/html; charset=latin-1"}))
    api.strike(answering(200, b'\xef\xbb\xbf"Caf\xc3\xa9"'))
    rest = api.rest()

    assert [rest.call("GET", "goals"), rest.call("GET", "goals")] == ["Café", "Café"]


# --- time and threads -----------------------------------------------------------------------------------------


def test_a_request_has_a_timeout() -> None:
    app, may_answer = Flask(__name__), threading.Event()
    app.add_url_rule("/goals", view_func=lambda: str(may_answer.wait(30)))

    with StandIn(app) as server:
        rest = Rest(server.url, ANONYMOUS, timeout=0.05, retries=ONCE)
        try:
            with pytest.raises(ApiUnreachable, match="no complete answer in time") as caught:
                rest.call("GET", "goals")
        finally:
            may_answer.set()
            rest.close()

    assert caught.value.timed_out
    assert caught.value.retryable


@pytest.mark.usefixtures("threads_alternate_often")
def test_eight_threads_may_use_one_session(api: Echo) -> None:
    rest = api.rest()

    def ask(number: int) -> Any:
        return rest.call("GET", f"goals/{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(80)))

    assert answers == [{"target": f"/goals/{number}"} for number in range(80)]
    assert len(api.log) == 80


def test_a_session_shows_its_address_alone(api: Echo) -> None:
    assert repr(api.rest()) == f"<Rest {api.url}>"
