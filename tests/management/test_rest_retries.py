"""What a session repeats by itself, how long it waits before, and what it leaves to its caller."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from email.utils import formatdate
from io import BytesIO

import pytest
import trustme

from openfeature_kameleoon.management.rest import (
    ApiError,
    ApiUnreachable,
    FixedCredential,
    Forbidden,
    OutcomeUnknown,
    RateLimit,
    Retries,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Window,
)
from openfeature_kameleoon.settings import Secret
from tests.chaos import Answer, ChaosServer, reply, resets, sends
from tests.clock import FakeClock
from tests.management.echo import Echo
from tests.management.standins.serving import Fault, answering, dropped, dropped_after
from tests.transport.test_tls import serving

METHODS = ["GET", "PUT", "DELETE", "POST", "PATCH"]
IDEMPOTENT = METHODS[:3]
NOT_IDEMPOTENT = METHODS[3:]
PASSING = [502, 503, 504]


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listened at, and nobody else's meanwhile
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# --- 429: refused before anything was done --------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_after_429_any_call_is_repeated_when_the_api_says(api: Echo, method: str) -> None:
    api.strike(answering(429, headers={"Retry-After": "7"}))

    api.rest().call(method, "goals", json={"name": "n"})

    assert api.waits == [7]
    assert [(entry.method, entry.json) for entry in api.log] == [(method, {"name": "n"})] * 2


def test_the_api_may_say_so_by_a_date(api: Echo) -> None:
    clock = FakeClock()
    api.strike(answering(429, headers={"Retry-After": formatdate(clock.time() + 42, usegmt=True)}))

    api.rest(clock=clock).call("POST", "goals")

    assert api.waits == [pytest.approx(42, abs=1)]


@pytest.mark.parametrize("told", [None, "0", "-5", "soon", "", formatdate(0, usegmt=True)])
def test_when_it_says_nothing_of_use_the_waits_double(api: Echo, told: str | None) -> None:
    api.strike(*[answering(429, headers={} if told is None else {"Retry-After": told})] * 3)

    api.rest().call("GET", "goals")

    assert api.waits == [10, 20, 40]


def test_the_waits_grow_to_a_ceiling(api: Echo) -> None:
    api.strike(*[answering(429)] * 8)

    api.rest().call("GET", "goals")

    assert api.waits == [10, 20, 40, 80, 160, 320, 600, 600]


def test_the_first_wait_and_the_ceiling_can_be_set(api: Echo) -> None:
    api.strike(*[answering(429)] * 4)

    api.rest(retries=Retries(limited_seconds=1, limited_longest_seconds=3)).call("GET", "goals")

    assert api.waits == [1, 2, 3, 3]


def test_a_vendor_may_have_headers_of_its_own_that_say_how_long(api: Echo) -> None:
    headers = {"X-RateLimit-Reset-Org": "12", "x-ratelimit-reset-ip": "30", "Retry-After": "5"}
    api.strike(answering(429, headers=headers))
    retries = Retries(told_in=("X-RateLimit-Reset-Org", "X-RateLimit-Reset-IP"))

    api.rest(retries=retries).call("GET", "goals")

    assert api.waits == [30]


def test_a_vendor_may_have_statuses_of_its_own_that_say_so(api: Echo) -> None:
    api.strike(answering(403, headers={"Retry-After": "5"}))

    api.rest(retries=Retries(limited=frozenset({403, 429}))).call("POST", "goals")

    assert api.waits == [5]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_that_would_wait_for_too_long_is_given_up(api: Echo, method: str) -> None:
    api.strike(*[answering(429, {"message": "later"}, {"Retry-After": "40"})] * 3)

    with pytest.raises(TooManyRequests, match="later") as caught:
        api.rest(retries=Retries(patience_seconds=100)).call(method, "goals")

    assert api.waits == [40, 40]
    assert caught.value.retryable
    assert caught.value.exchange.headers["retry-after"] == "40"


def test_a_wait_without_end_is_not_begun(api: Echo) -> None:
    api.strike(answering(429, headers={"Retry-After": "9" * 500}))

    with pytest.raises(TooManyRequests):
        api.rest().call("GET", "goals")

    assert api.waits == []


# --- 502 to 504 and lost connections: what is idempotent ------------------------------------------------------


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_an_idempotent_call_is_repeated_after_what_may_pass(api: Echo, method: str, status: int) -> None:
    api.strike(answering(status), dropped(), dropped_after())

    api.rest().call(method, "goals/7", json={"name": "n"})

    assert [(entry.method, entry.json) for entry in api.log] == [(method, {"name": "n"})] * 4
    assert len(api.waits) == 3


def test_the_waits_between_double_and_are_not_the_same_for_everybody(api: Echo) -> None:
    api.strike(*[answering(503)] * 3)

    api.rest().call("GET", "goals")

    first, second, third = api.waits
    assert 0.8 <= first <= 1.2
    assert 1.6 <= second <= 2.4
    assert 3.2 <= third <= 4.8


def test_the_api_may_say_how_long_it_is_away(api: Echo) -> None:
    api.strike(answering(503, headers={"Retry-After": "90"}))

    api.rest().call("GET", "goals")

    assert api.waits == [90]


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_it_is_given_up_after_so_many_attempts(api: Echo, attempts: int) -> None:
    api.strike(*[answering(503, {"message": "asleep"})] * attempts)

    with pytest.raises(ServerError, match="503 Service Unavailable: asleep") as caught:
        api.rest(retries=Retries(attempts=attempts)).call("GET", "goals")

    assert len(api.log) == attempts
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("method", "raised"), [("GET", ApiUnreachable), ("PUT", OutcomeUnknown), ("DELETE", OutcomeUnknown)]
)
def test_of_a_write_that_goes_on_being_lost_the_outcome_is_unknown_and_of_a_read_there_is_none(
    api: Echo, method: str, raised: type[ApiError]
) -> None:
    api.strike(*[dropped()] * 4)

    with pytest.raises(raised) as caught:
        api.rest().call(method, "goals/7")

    assert type(caught.value) is raised
    assert len(api.log) == 4
    assert caught.value.status is None
    assert caught.value.body == ""
    assert caught.value.retryable


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 422, 423, 500, 501])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_status_is_the_callers_to_judge(api: Echo, method: str, status: int) -> None:
    api.strike(answering(status))

    with pytest.raises(ApiError):
        api.rest().call(method, "goals")

    assert len(api.log) == 1
    assert api.waits == []


def test_a_file_is_sent_whole_each_time(api: Echo) -> None:
    file = BytesIO(b"skipped, sent")
    file.seek(9)
    api.strike(answering(503), answering(429), answering(401))
    renewing = Renewing("first", "second")

    api.rest(authentication=renewing).call("PUT", "images/7", data=file)

    assert [entry.body for entry in api.log] == [b"sent"] * 4


# --- what is not idempotent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "done"), [(dropped(), 0), (dropped_after(), 1)], ids=["before", "after"])
@pytest.mark.parametrize("method", NOT_IDEMPOTENT)
def test_a_write_that_is_cut_off_is_sent_once_and_its_outcome_is_unknown(
    api: Echo, method: str, fault: Fault, done: int
) -> None:
    api.strike(fault)

    with pytest.raises(OutcomeUnknown, match="look before repeating it") as caught:
        api.rest().call(method, "goals", json={"name": "n"})

    assert len(api.log) == 1
    assert len(api.done) == done
    assert api.waits == []
    assert not caught.value.retryable
    assert (caught.value.method, caught.value.status) == (method, None)


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "hung up": resets(),
    "no http": sends(b"SSH-2.0-server\r\n\r\n"),
    "no status": sends(b"HTTP/1.1 OK\r\n\r\n"),
    "cut short": sends(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "chunks cut short": sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"),
    "chunks without a length": sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n{"),
    "no gzip": sends(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_off_is_none(api: Echo, answer: Answer, method: str) -> None:
    with ChaosServer(answer) as server, pytest.raises(ApiError) as caught:
        api.rest(url=server.url, retries=Retries(attempts=1)).call(method, "goals")

    assert type(caught.value) is (ApiUnreachable if method == "GET" else OutcomeUnknown)
    assert caught.value.status is None


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(api: Echo, method: str) -> None:
    stranger = serving(trustme.CA().issue_cert("127.0.0.1"))

    with ChaosServer(reply(), tls=stranger) as server, pytest.raises(ApiUnreachable, match="certificate") as caught:
        api.rest(url=server.url).call(method, "goals", json={})

    assert server.received == []
    assert not caught.value.retryable
    assert api.waits == []


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", NOT_IDEMPOTENT)
def test_after_502_to_504_a_write_is_not_repeated(api: Echo, method: str, status: int) -> None:
    api.strike(answering(status))

    with pytest.raises(ServerError):
        api.rest().call(method, "goals")

    assert len(api.log) == 1


@pytest.mark.parametrize("fault", [answering(503), dropped(), dropped_after()], ids=["503", "before", "after"])
def test_a_post_that_only_reads_is_repeated_as_a_get_is(api: Echo, fault: Fault) -> None:
    api.strike(fault)

    api.rest().call("POST", "goals/search", json={}, is_read=True)

    assert len(api.log) == 2


def test_a_post_that_only_reads_leaves_nothing_unknown(api: Echo) -> None:
    api.strike(dropped())

    with pytest.raises(ApiUnreachable):
        api.rest(retries=Retries(attempts=1)).call("POST", "goals/search", json={}, is_read=True)


@pytest.mark.parametrize("method", METHODS)
def test_where_nobody_listens_nothing_was_changed(api: Echo, nobody: str, method: str) -> None:
    with pytest.raises(ApiUnreachable, match="the connection was refused") as caught:
        api.rest(url=nobody).call(method, "goals", json={})

    assert caught.value.retryable
    assert len(api.waits) == (3 if method in IDEMPOTENT else 0)
    assert nobody in caught.value.url


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", ["canary-of-a-file\n", "canary-\u2026"], ids=["line break", "not latin-1"])
def test_a_credential_that_no_header_can_hold_is_not_sent_and_not_told(api: Echo, method: str, token: str) -> None:
    rest = api.rest(authentication=FixedCredential("Token", Secret(token)))

    with pytest.raises(ApiUnreachable, match="a header cannot be sent as it is") as caught:
        rest.call(method, "goals", json={})

    assert not caught.value.retryable
    assert "canary" not in str(caught.value)
    assert api.log == []


# --- 401: another credential ----------------------------------------------------------------------------------


class Renewing:
    """Credentials that follow each other; the last stays."""

    def __init__(self, *values: str) -> None:
        self.left = list(values)
        self.refused: list[Secret] = []

    def header(self) -> tuple[str, Secret]:
        return "Token", Secret(self.left[0])

    def renew(self, refused: Secret) -> bool:
        self.refused.append(refused)
        if len(self.left) == 1:
            return False
        del self.left[0]
        return True


@pytest.mark.parametrize("method", METHODS)
def test_after_401_the_call_is_repeated_once_with_a_renewed_credential(api: Echo, method: str) -> None:
    api.strike(answering(401))
    renewing = Renewing("first", "second", "third")

    api.rest(authentication=renewing).call(method, "goals", json={"name": "n"})

    assert [(entry.headers["Token"], entry.json) for entry in api.log] == [
        ("first", {"name": "n"}),
        ("second", {"name": "n"}),
    ]
    assert renewing.refused == [Secret("first")]
    assert api.waits == []


def test_a_second_401_is_raised(api: Echo) -> None:
    api.strike(answering(401), answering(401))

    with pytest.raises(Unauthorized, match="check the credentials"):
        api.rest(authentication=Renewing("first", "second", "third")).call("GET", "goals")

    assert len(api.log) == 2


def test_without_another_credential_401_is_raised_at_once(api: Echo) -> None:
    api.strike(answering(401))

    with pytest.raises(Unauthorized):
        api.rest().call("GET", "goals")

    assert len(api.log) == 1


def test_after_403_nothing_is_renewed_or_repeated(api: Echo) -> None:
    api.strike(answering(403))
    renewing = Renewing("first", "second")

    with pytest.raises(Forbidden, match="check the rights"):
        api.rest(authentication=renewing).call("GET", "goals")

    assert len(api.log) == 1
    assert renewing.refused == []


def test_a_renewal_takes_nothing_of_the_attempts_and_the_waits(api: Echo) -> None:
    api.strike(answering(401), answering(429), answering(503))

    api.rest(authentication=Renewing("first", "second"), retries=Retries(attempts=3)).call("GET", "goals")

    assert api.waits[0] == 10
    assert len(api.log) == 4


# --- turns of a rate limit, and what is told ------------------------------------------------------------------


def test_every_attempt_takes_a_turn(api: Echo) -> None:
    clock = FakeClock()
    limit = RateLimit([Window(2, 10)], clock)
    api.strike(answering(401), answering(503))

    rest = api.rest(
        limit=limit,
        clock=clock,
        wait=clock.advance,
        authentication=Renewing("a", "b"),
        retries=Retries(first_seconds=0),
    )
    start = clock.monotonic()
    rest.call("GET", "goals")

    assert clock.monotonic() - start == 10


def test_a_long_wait_is_told_of_without_the_query(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    api.strike(answering(429, headers={"Retry-After": "30"}))

    api.rest().call("GET", "goals", query=[("name", "hush")])

    (record,) = [one for one in caplog.records if one.name.startswith("openfeature_kameleoon")]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"GET {api.url}/goals: 429; waiting 30 s"


def test_a_long_wait_for_a_turn_is_told_of(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    rest = api.rest(limit=RateLimit([Window(1, 60)], clock), clock=clock, wait=clock.advance)

    rest.call("GET", "goals")
    rest.call("GET", "goals")

    (record,) = [one for one in caplog.records if one.name.startswith("openfeature_kameleoon")]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "the API's rate limit is reached; waiting 60 s"


def test_a_short_wait_is_not_told_of(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    api.strike(answering(503, headers={"Retry-After": "4"}), dropped())

    api.rest().call("GET", "goals")

    assert not [one for one in caplog.records if one.name.startswith("openfeature_kameleoon")]
