"""What a failed call raises, and what its error says and holds."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from openfeature_kameleoon.errors import KameleoonError, RequestFailed
from openfeature_kameleoon.management import rest as core
from openfeature_kameleoon.management.rest import (
    AnswerMalformed,
    ApiError,
    ApiUnreachable,
    BadRequest,
    Conflict,
    Exchange,
    Forbidden,
    NotFound,
    ObjectLocked,
    OutcomeUnknown,
    Retries,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from tests.management.echo import Echo
from tests.management.examples import example
from tests.management.standins.serving import answering, dropped

URL = "https://api.example.com/goals?page=2"

STATUSES: list[tuple[int, type[ApiError], bool]] = [
    (300, ApiError, False),
    (305, ApiError, False),
    (400, BadRequest, False),
    (401, Unauthorized, False),
    (402, ApiError, False),
    (403, Forbidden, False),
    (404, NotFound, False),
    (405, ApiError, False),
    (408, ApiError, True),
    (409, Conflict, False),
    (410, NotFound, False),
    (422, BadRequest, False),
    (423, ObjectLocked, False),
    (429, TooManyRequests, True),
    (500, ServerError, True),
    (501, ServerError, True),
    (503, ServerError, True),
    (599, ServerError, True),
]

ALL = sorted(
    (one for one in vars(core).values() if isinstance(one, type) and issubclass(one, ApiError)),
    key=lambda one: one.__name__,
)


def failed(status: int | None = 400, body: str = "", problem: str = "", **options: Any) -> ApiError:
    return ApiError(Exchange("GET", URL, status, body), problem, **options)


@pytest.mark.parametrize(("status", "kind", "retryable"), STATUSES)
def test_a_status_has_its_class(api: Echo, status: int, kind: type[ApiError], retryable: bool) -> None:
    api.strike(answering(status, {"message": "why"}, {"X-Request-Id": "r-1"}))

    with pytest.raises(ApiError) as caught:
        api.rest(retries=Retries(attempts=1, patience_seconds=0)).call(
            "PATCH", "goals/7", query=[("name", "a b")], json={}
        )

    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.timed_out) == (status, retryable, False)
    assert (error.method, error.url) == ("PATCH", f"{api.url}/goals/7?name=a%20b")
    assert (error.body, error.payload) == ('{"message": "why"}', {"message": "why"})
    assert error.exchange.headers["x-request-id"] == "r-1"
    assert str(error).startswith(f"PATCH {api.url}/goals/7?name=a%20b: {status}")


@pytest.mark.parametrize("name", list(example("automation-errors")))
def test_the_messages_of_the_automation_api_are_told(api: Echo, name: str) -> None:
    documented = example("automation-errors")[name]
    api.strike(answering(documented["status"], documented["body"], documented.get("headers")))

    with pytest.raises(ApiError) as caught:
        api.rest(retries=Retries(attempts=1, patience_seconds=0)).call("GET", "goals")

    assert f": {documented['body']['message']}" in str(caught.value)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_one_of_the_librarys_and_says_what_it_means(kind: type[ApiError]) -> None:
    assert issubclass(kind, RequestFailed)
    assert issubclass(kind, KameleoonError)
    assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (Unauthorized, "check the credentials"),
        (Forbidden, "check the rights that go with the credentials"),
        (ObjectLocked, "somebody has it open in the editor; try again later"),
        (OutcomeUnknown, "it may have been carried out all the same; look before repeating it"),
    ],
)
def test_where_something_can_be_done_the_message_says_what(kind: type[ApiError], advice: str) -> None:
    assert str(kind(Exchange("GET", URL, 499))) == f"GET {URL}: 499: {advice}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "400 Bad Request"),
        ("  \n ", "400 Bad Request"),
        ('{"message": "Not so"}', "400 Bad Request: Not so"),
        ('{"error": "invalid_grant", "error_description": "Expired"}', "400 Bad Request: Expired"),
        ('{"error": "invalid_grant"}', '400 Bad Request: {"error": "invalid_grant"}'),
        ('{"message": {"en": "Not so"}}', '400 Bad Request: {"message": {"en": "Not so"}}'),
        ('["Not so"]', '400 Bad Request: ["Not so"]'),
        ("<h1>Not\r\nso</h1>", "400 Bad Request: <h1>Not\\r\\nso</h1>"),
        ('{"message": "Not\\n\\u202eso\\u0000"}', "400 Bad Request: Not\\n\\u202eso\\x00"),
    ],
)
def test_a_message_holds_what_the_api_says_on_one_line(body: str, told: str) -> None:
    assert str(failed(body=body)) == f"GET {URL}: {told}"


def test_a_problem_of_our_own_takes_the_place_of_the_body() -> None:
    assert str(failed(200, body="{}", problem="no\narray")) == f"GET {URL}: 200 OK: no\\narray"


def test_a_message_is_short_and_the_body_whole() -> None:
    error = failed(body="x" * 100_000, problem="")

    assert len(str(error)) < 400
    assert len(error.body) == 100_000
    assert len(str(failed(problem="x" * 100_000))) < 400


def test_without_an_answer_there_is_no_status_and_no_body() -> None:
    error = failed(None, problem="the connection failed")

    assert (error.status, error.body, error.payload) == (None, "", None)
    assert str(error) == f"GET {URL}: the connection failed"
    assert not error.retryable


@pytest.mark.parametrize("body", ["", "<html>", "{", "[" * 100_000], ids=["empty", "html", "cut short", "too deep"])
def test_a_body_that_is_no_json_has_no_payload(body: str) -> None:
    error = failed(body=body)

    assert error.payload is None
    assert error.body == body


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "text/html; charset=latin-1", "x/y; charset=?"]
)
def test_a_body_is_read_as_utf_8_whatever_the_headers_say(api: Echo, content_type: str) -> None:
    api.strike(answering(400, '{"message": "déjà"}', {"Content-Type": content_type}))

    with pytest.raises(BadRequest, match="déjà"):
        api.rest().call("GET", "goals")


def test_a_body_that_is_no_utf_8_is_read_as_the_headers_say(api: Echo) -> None:
    api.strike(answering(400, b"d\xe9j\xe0", {"Content-Type": "text/plain; charset=latin-1"}))

    with pytest.raises(BadRequest, match="déjà"):
        api.rest().call("GET", "goals")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_reaches_another_process_whole(kind: type[ApiError]) -> None:
    error = kind(Exchange("PUT", URL, 418, '{"message": "no"}', {"X-Id": "r-1"}), "a problem", retryable=True)
    error.timed_out = True

    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind
        assert str(other) == str(error)
        assert other.exchange == error.exchange
        assert (other.problem, other.status, other.retryable, other.timed_out) == ("a problem", 418, True, True)


def test_an_error_from_a_real_answer_reaches_another_process_too(api: Echo) -> None:
    api.strike(answering(404, {"message": "none"}, {"X-Id": "r-1"}))

    with pytest.raises(NotFound) as caught:
        api.rest().call("GET", "goals/7")

    other = pickle.loads(pickle.dumps(caught.value))
    assert str(other) == str(caught.value)
    assert other.exchange.headers["x-id"] == "r-1"


# --- vendors' own names ---------------------------------------------------------------------------------------


class VendorError(ApiError):
    pass


class VendorNotFound(VendorError):
    pass


class VendorLost(VendorError):
    pass


OWN: Mapping[int | type[ApiError], type[ApiError]] = {
    404: VendorNotFound,
    OutcomeUnknown: VendorLost,
    ApiError: VendorError,
}


@pytest.mark.parametrize(("status", "kind"), [(404, VendorNotFound), (410, VendorError), (500, VendorError)])
def test_a_vendor_may_have_classes_of_its_own(api: Echo, status: int, kind: type[ApiError]) -> None:
    api.strike(answering(status))

    with pytest.raises(VendorError) as caught:
        api.rest(errors=OWN).call("GET", "goals")

    assert type(caught.value) is kind
    assert caught.value.status == status


def test_they_hold_for_what_has_no_status_too(api: Echo) -> None:
    api.strike(dropped(), answering(200, "no json"))
    rest = api.rest(errors=OWN)

    with pytest.raises(VendorLost):
        rest.call("POST", "goals")
    with pytest.raises(VendorError):
        rest.call("POST", "goals")


def test_what_a_vendor_does_not_name_keeps_its_class(api: Echo) -> None:
    api.strike(answering(404), answering(200, "no json"))
    rest = api.rest(errors={ApiUnreachable: VendorError})

    with pytest.raises(NotFound):
        rest.call("GET", "goals")
    with pytest.raises(AnswerMalformed):
        rest.call("GET", "goals")
