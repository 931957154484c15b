"""Split's client when things go wrong: rate limits, lost connections, refusals; and what it never tells."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.management.rest import ApiError, ApiUnreachable, BadRequest, NotFound, OutcomeUnknown
from openfeature_kameleoon.management.rest.errors import AnswerMalformed, Unauthorized
from openfeature_kameleoon.management.split import HarnessClient, SplitClient, get_client
from openfeature_kameleoon.management.split.exceptions import (
    HTTPIncorrectParametersError,
    HTTPNotFoundError,
    HTTPResponseError,
    HTTPUnauthorizedError,
    SplitBackendUnreachableError,
    SplitException,
)
from tests.management.standins.serving import answering, dropped, dropped_after, once
from tests.management.standins.split import SplitServer, emptied, failing, rate_limited

Connect = Callable[..., SplitClient]


@pytest.fixture
def server() -> Iterator[SplitServer]:
    with SplitServer() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """How long has been waited, in seconds, call by call; no time passes."""
    return []


@pytest.fixture
def c(server: SplitServer, waits: list[float]) -> Iterator[SplitClient]:
    config = {"apikey": server.admin_key, "base_url": server.v2, "base_url_v3": server.v3}
    with get_client(config, wait=waits.append) as client:
        yield client


@pytest.fixture
def h(server: SplitServer, waits: list[float]) -> Iterator[HarnessClient]:
    config = {"harness_mode": True, "harness_token": server.harness_token, "account_identifier": server.account}
    hosts = {"base_url": server.v2, "base_url_v3": server.v3, "harness_base_url": server.url}
    with get_client({**config, **hosts}, wait=waits.append) as client:
        assert isinstance(client, HarnessClient)
        yield client


# --- rate limits ------------------------------------------------------------------------------------------------


def test_a_storm_of_refusals_is_waited_out_as_the_service_says(
    c: SplitClient, server: SplitServer, waits: list[float]
) -> None:
    server.strike(*[rate_limited(org=4, ip=1)] * 30, rate_limited(org=2, ip=9))

    assert [one.name for one in c.workspaces.list()] == ["Main"]

    assert waits == [4.0] * 30 + [9.0]
    assert len(server.log) == 32


def test_a_refusal_that_says_nothing_is_repeated_every_five_seconds(
    c: SplitClient, server: SplitServer, waits: list[float]
) -> None:
    server.strike(*[answering(429, {"code": 429})] * 5)

    c.workspaces.list()

    assert waits == [5.0] * 5


def test_a_creation_that_is_refused_is_repeated_and_happens_once(
    c: SplitClient, server: SplitServer, waits: list[float]
) -> None:
    server.strike(rate_limited(), on=once("POST", "/segments/"))

    c.segments.add({"name": "vip", "description": "d"}, "user", server.main)

    assert waits == [4.0]
    assert list(server.segments[server.main]) == ["vip"]


def test_harness_waits_too(h: HarnessClient, server: SplitServer, waits: list[float]) -> None:
    server.strike(rate_limited(org=3))

    assert h.role.list() == []
    assert waits == [3.0]


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "core"),
    [
        (400, HTTPIncorrectParametersError, BadRequest),
        (401, HTTPUnauthorizedError, Unauthorized),
        (404, HTTPNotFoundError, NotFound),
        *((status, HTTPResponseError, ApiError) for status in (403, 409, 410, 422, 500)),
    ],
)
def test_a_status_is_an_exception(
    c: SplitClient, server: SplitServer, status: int, kind: type[Exception], core: type[Exception]
) -> None:
    server.strike(answering(status, "the reason", {"X-Told": "so"}))

    with pytest.raises(HTTPResponseError) as failure:
        c.workspaces.list()

    error = failure.value
    assert type(error) is kind
    assert isinstance(error, core)
    assert isinstance(error, RequestFailed)
    assert str(error) == f"HTTP {status}: the reason"
    assert (error._error.status_code, error._error.text, error._error.headers["x-told"]) == (status, "the reason", "so")


def test_the_body_of_a_refusal_can_be_read_as_json(c: SplitClient) -> None:
    with pytest.raises(HTTPNotFoundError) as failure:
        c.splits.get("absent", "ws-0001")

    assert failure.value._error.json()["code"] == failure.value.payload["code"] == 404


def test_an_answer_that_is_not_what_was_promised_is_an_exception_too(c: SplitClient, server: SplitServer) -> None:
    for body in ("<html>", "[]", '{"objects": 7, "offset": 0, "limit": 20, "totalCount": 0}'):
        server.strike(answering(200, body))

        with pytest.raises(HTTPResponseError, match="HTTP 200: ") as failure:
            c.workspaces.list()

        assert isinstance(failure.value, AnswerMalformed)


def test_an_empty_answer_to_a_creation_is_none(c: SplitClient, server: SplitServer) -> None:
    server.strike(emptied())

    assert c.groups.create_group({"name": "Editors", "description": "d"}) is None
    assert c.groups.find("Editors") is not None


def test_errors_survive_pickling(c: SplitClient) -> None:
    with pytest.raises(HTTPNotFoundError) as failure:
        c.splits.get("absent", "ws-0001")

    copied = pickle.loads(pickle.dumps(failure.value))

    assert (str(copied), type(copied), copied._error.status_code) == (str(failure.value), HTTPNotFoundError, 404)


# --- lost connections -------------------------------------------------------------------------------------------


def test_a_connection_lost_in_a_creation_is_not_repeated_and_says_that_it_may_have_happened(
    c: SplitClient, server: SplitServer
) -> None:
    server.strike(dropped_after(), on=once("POST", "/segments/"))

    with pytest.raises(SplitBackendUnreachableError, match="Unable to reach Split backend") as failure:
        c.segments.add({"name": "vip", "description": "d"}, "user", server.main)

    assert isinstance(failure.value, OutcomeUnknown)
    assert not isinstance(failure.value, ApiUnreachable)
    assert "look before repeating" in str(failure.value)
    assert len(server.asked("POST")) == 1
    assert c.segments.find("vip", server.main) is not None


def test_a_connection_lost_in_a_read_is_made_again(c: SplitClient, server: SplitServer, waits: list[float]) -> None:
    server.strike(dropped(), dropped_after(), failing(503))

    assert [one.name for one in c.workspaces.list()] == ["Main"]
    assert len(waits) == 3


def test_a_service_that_cannot_be_reached(waits: list[float]) -> None:
    config = {"apikey": "not-a-real-key", "base_url": "http://127.0.0.1:9"}
    with get_client(config, wait=waits.append) as client, pytest.raises(SplitBackendUnreachableError) as failure:
        client.workspaces.add({"name": "x"})

    assert str(failure.value).startswith("Unable to reach Split backend: POST http://127.0.0.1:9/workspaces: ")
    assert isinstance(failure.value, ApiUnreachable)


def test_harness_that_cannot_be_reached(h: HarnessClient, server: SplitServer) -> None:
    server.strike(dropped())

    with pytest.raises(SplitBackendUnreachableError, match="Unable to reach Harness backend"):
        h.role.create({"identifier": "r"})


def test_a_list_that_fails_on_a_later_page_raises(c: SplitClient, server: SplitServer) -> None:
    server.page_cap = 1
    for name in ("a", "b", "c"):
        server.add_flag(name)
    server.strike(failing(500), on=lambda asked: asked.args.get("offset") == "1")

    with pytest.raises(HTTPResponseError, match="HTTP 500"):
        c.splits.list(server.main)
    assert len(server.log) == 2


# --- uploads ----------------------------------------------------------------------------------------------------


@pytest.fixture
def big(c: SplitClient, server: SplitServer) -> Any:
    c.large_segments.add({"name": "big", "description": "d"}, "user", server.main)
    return c.large_segments.add_to_environment("big", server.prod, server.main)


def test_a_large_file_is_streamed_and_told_of(
    c: SplitClient, big: Any, server: SplitServer, tmp_path: Path, waits: list[float]
) -> None:
    keys = [f"user-{number:06d}" for number in range(50_000)]
    file = tmp_path / "keys.csv"
    file.write_text("\n".join(keys))
    seen: list[tuple[int, int | None]] = []
    config = {"apikey": server.admin_key, "base_url": server.v2, "progress": lambda *told: seen.append(told)}
    with get_client(config, wait=waits.append) as client:
        assert big.submit_upload("t", "c", [], file, client).status_code == 200

    size = file.stat().st_size
    assert len(seen) > 10
    assert seen[-1] == (size, size)
    assert server.large_segments[server.main]["big"].members[server.prod] == keys


def test_an_upload_whose_connection_is_lost_begins_again(
    big: Any, server: SplitServer, tmp_path: Path, waits: list[float]
) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("a\nb\n")
    server.strike(dropped(), on=once("PUT", "__upload"))

    assert big.submit_upload("t", "c", [], file).status_code == 200

    assert len(waits) == 1
    assert server.large_segments[server.main]["big"].members[server.prod] == ["a", "b"]


def test_an_upload_that_is_refused_raises(big: Any, server: SplitServer, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("a\n")
    server.upload_fails = True

    with pytest.raises(HTTPResponseError, match="HTTP 403: <Error><Code>AccessDenied") as failure:
        big.submit_upload("t", "c", [], file)

    assert "signature" not in _everything_told(failure.value)


def test_a_rate_limit_of_the_storage_is_an_error(
    big: Any, server: SplitServer, tmp_path: Path, waits: list[float]
) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("a\n")
    server.strike(answering(429, "slow down"), on=once("PUT", "__upload"))

    with pytest.raises(HTTPResponseError, match="HTTP 429: slow down"):
        big.submit_upload("t", "c", [], file)
    assert waits == []


# --- what is never told -----------------------------------------------------------------------------------------


def _everything_told(error: BaseException) -> str:
    """Message, ``repr``, attributes and traceback of an exception."""
    return "".join(traceback.format_exception(error)) + f"{error!r}{vars(error)}"


@pytest.mark.parametrize(
    "fault",
    [
        lambda server: answering(500, f"you sent {server.admin_key}"),
        lambda server: answering(403, {"message": server.admin_key}, {"X-Echo": f"Bearer {server.admin_key}"}),
        lambda server: answering(200, f"not JSON: {server.admin_key}"),
        lambda server: dropped(),
        lambda server: dropped_after(),
        lambda server: rate_limited(),
    ],
)
def test_the_key_is_told_nowhere_whatever_happens(
    c: SplitClient, server: SplitServer, fault: Callable[[SplitServer], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.strike(fault(server))

    told = ""
    try:
        workspace = c.workspaces.add({"name": "Lab", "requiresTitleAndComments": False})
    except SplitException as error:
        told = _everything_told(error)
    else:
        told = repr((workspace, workspace.to_dict(), copy.deepcopy(workspace)))

    assert server.admin_key not in told + caplog.text + repr(c) + repr(vars(c))


def test_the_token_is_told_nowhere(h: HarnessClient, server: SplitServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.strike(answering(500, server.harness_token))

    assert h.token.list() == []

    assert server.harness_token not in caplog.text + repr(h) + repr(vars(h))
