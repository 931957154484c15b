"""Requests to Flagship's servers, as they arrive at a real one, and what is made of the answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from openfeature_kameleoon.errors import ConfigSettingInvalid, RequestFailed
from openfeature_kameleoon.flagship.api import FlagshipApi
from openfeature_kameleoon.flagship.endpoints import V1, V3, Dialect, Endpoints
from openfeature_kameleoon.flagship.errors import FlagshipParsingError
from openfeature_kameleoon.flagship.hits import Event, EventCategory, Screen
from openfeature_kameleoon.flagship.records import Activation, Record, activation_batch, hit_batch
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from openfeature_kameleoon.transport.http import Http
from tests.chaos import Answer, ChaosServer, Received, hangs, reply, resets
from tests.flagship.examples import ANONYMOUS, AUTHENTICATED, SOMEBODY, example

NOW = 1_795_222_788_000
CONTEXT = {"isVip": True, "age": 31}
SDK_CONTEXT = {"fs_client": "python", "fs_version": "3.0.1"}
SEEN = Activation("cs8r01vg000000000000", "cs8r01va010000000000")

Make = Callable[..., FlagshipApi]


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer(reply(200, b"{}")) as server:
        yield server


@pytest.fixture
def make(http: Http, server: ChaosServer) -> Make:
    """Makes an API that speaks with the server."""

    def one(dialect: Dialect = V3, key: str | Secret = "API_KEY") -> FlagshipApi:
        has_key = bool(key if isinstance(key, Secret) else Secret(key))
        endpoints = Endpoints.of(dialect, has_key=has_key, server_url=server.url)
        return FlagshipApi(http, "ENV_ID", key, dialect=dialect, endpoints=endpoints)

    return one


def campaigns_11(api: FlagshipApi) -> object:
    return api.campaigns(ANONYMOUS, CONTEXT)


def campaigns_30(api: FlagshipApi) -> object:
    return api.campaigns(ANONYMOUS, {**SDK_CONTEXT, **CONTEXT})


def campaigns_30_authenticated(api: FlagshipApi) -> object:
    return api.campaigns(AUTHENTICATED, SDK_CONTEXT)


def context_event(api: FlagshipApi) -> object:
    return api.send_context("user_#1234", CONTEXT)


def activation_11(api: FlagshipApi) -> object:
    return api.activate(SEEN, ANONYMOUS)


def activation_30(api: FlagshipApi) -> object:
    return api.send_activations(activation_batch("ENV_ID", [Record.of_activation(SEEN, ANONYMOUS, NOW - 412)], NOW))


def activations_30_authenticated(api: FlagshipApi) -> object:
    other = Activation("cs8r02vg000000000000", "cs8r02va000000000000")
    records = [
        Record.of_activation(SEEN, AUTHENTICATED, NOW - 12),
        Record.of_activation(other, AUTHENTICATED, NOW - 60_012),
    ]
    return api.send_activations(activation_batch("ENV_ID", records, NOW))


REQUESTS: dict[str, tuple[Dialect, str, Callable[[FlagshipApi], object], Mapping[str, Any]]] = {
    "campaigns 1.1": (V1, "API_KEY", campaigns_11, example("decision-api")["request11"]),
    "campaigns 1.1 without a key": (V1, "", campaigns_11, example("decision-api")["request11WithoutApiKey"]),
    "campaigns 3.0": (V3, "API_KEY", campaigns_30, example("decision-api")["request30"]),
    "campaigns 3.0, authenticated": (
        *(V3, "API_KEY", campaigns_30_authenticated),
        {**example("decision-api")["request30"], **example("decision-api")["request30Authenticated"]},
    ),
    "context 1.1": (V1, "API_KEY", context_event, example("decision-api")["contextEvent11"]),
    "activation 1.1": (V1, "API_KEY", activation_11, example("activate")["single11"]),
    "activation 3.0": (V3, "API_KEY", activation_30, example("activate")["batch30"]),
    "activations 3.0, authenticated": (
        *(V3, "API_KEY", activations_30_authenticated),
        {**example("activate")["batch30"], **example("activate")["batch30Authenticated"]},
    ),
}
OURS = {"x-api-key", "x-sdk-client", "x-sdk-version", "content-type"}
HOSTS = ("https://decision.flagship.io", "https://decision-api.flagship.io")


def path_of(url: str) -> str:
    return next(url.removeprefix(host) for host in HOSTS if url.startswith(f"{host}/"))


def headers_of(request: Received) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name in OURS}


@pytest.mark.parametrize(("dialect", "key", "call", "expected"), REQUESTS.values(), ids=list(REQUESTS))
def test_a_request_is_that_of_the_specification(
    make: Make,
    server: ChaosServer,
    dialect: Dialect,
    key: str,
    call: Callable[[FlagshipApi], object],
    expected: Mapping[str, Any],
) -> None:
    call(make(dialect, key))

    (request,) = server.received
    assert (request.method, request.target) == (expected["method"], path_of(expected["url"]))
    assert headers_of(request) == {name.lower(): value for name, value in expected["headers"].items()}
    assert json.loads(request.body) == expected["body"]


@pytest.mark.parametrize(
    ("dialect", "key", "decision", "hits"),
    [
        (V1, "API_KEY", "https://decision.flagship.io/v2", example("hits")["endpoint11"]),
        (V1, "", "https://decision-api.flagship.io/v1", example("hits")["endpoint11"]),
        (V3, "API_KEY", "https://decision.flagship.io/v2", example("hits")["endpoint30"]),
    ],
)
def test_every_generation_has_its_hosts(http: Http, dialect: Dialect, key: str, decision: str, hits: str) -> None:
    endpoints = FlagshipApi(http, "ENV_ID", key, dialect=dialect).endpoints

    assert endpoints.campaigns_url("ENV_ID") == f"{decision}/ENV_ID/campaigns/"
    assert endpoints.activate_url == f"{decision}/activate"
    assert endpoints.hits_url == hits
    assert endpoints.bucketing_url("ENV_ID") == "https://cdn.flagship.io/ENV_ID/bucketing.json"


def test_a_decision_api_of_ones_own_has_paths_without_the_environment() -> None:
    endpoints = Endpoints(decision="http://127.0.0.1:8080/v2/", is_self_hosted=True)

    assert endpoints.campaigns_url("ENV_ID", "cta") == "http://127.0.0.1:8080/v2/campaigns/cta"
    assert endpoints.flags_url("ENV_ID") == "http://127.0.0.1:8080/v2/flags"
    assert endpoints.events_url("ENV_ID") == "http://127.0.0.1:8080/v2/events"


@pytest.mark.parametrize("url", ["decision.flagship.io", "ftp://x", "http://me@x", "http://x/?a=b", ""])
def test_an_endpoint_is_a_plain_url(url: str) -> None:
    for name in ("decision", "hits", "files"):
        with pytest.raises(ConfigSettingInvalid, match=f"the {name} endpoint is no plain URL"):
            Endpoints(**{name: url})  # type: ignore[arg-type]  # names are of texts alone
    with pytest.raises(ConfigSettingInvalid, match="the server endpoint is no plain URL"):
        Endpoints.of(server_url=url)


def test_ids_in_paths_are_encoded(make: Make, server: ChaosServer) -> None:
    make().campaign("a/b?c", SOMEBODY, {})

    assert server.received[0].target == "/v2/ENV_ID/campaigns/a%2Fb%3Fc?exposeAllKeys=true"


def test_flags_and_the_options_of_campaigns_are_asked_for(make: Make, server: ChaosServer) -> None:
    make().flags(SOMEBODY, CONTEXT, consent=False)
    make().campaigns(
        *(SOMEBODY, CONTEXT),
        exposes_all_keys=False,
        mode="simple",
        extras=["accountSettings"],
        decision_group="family",
    )

    flags, campaigns = server.received
    assert flags.target == "/v2/ENV_ID/flags"
    assert json.loads(flags.body)["visitor_consent"] is False
    assert campaigns.target == "/v2/ENV_ID/campaigns/?exposeAllKeys=false&mode=simple&extras=accountSettings"
    assert json.loads(campaigns.body)["decision_group"] == "family"


def test_hits_go_alone_or_together(make: Make, server: ChaosServer) -> None:
    make(V1).send_hit(Screen("home"), ANONYMOUS)
    make(V3).send_hits(hit_batch("ENV_ID", [Record.of_hit(Screen("home"), SOMEBODY, NOW)], NOW))

    alone, together = server.received
    assert (alone.method, alone.target) == (together.method, together.target) == ("POST", "/")
    assert headers_of(alone) == {"content-type": "application/json"}
    assert headers_of(together) == {
        "content-type": "application/json",
        "x-sdk-client": "python",
        "x-sdk-version": "3.0.1",
    }
    assert json.loads(alone.body) == {
        "cid": "ENV_ID",
        "vid": "user_#1234",
        "t": "SCREENVIEW",
        "ds": "APP",
        "dl": "home",
    }
    assert json.loads(together.body)["h"] == [
        {"t": "SCREENVIEW", "ds": "APP", "dl": "home", "vid": "v1", "cuid": None, "qt": 0}
    ]


# Answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["response200", "response200Panic", "response200Empty", "response200WithExtras", "response200ModeSimple"]
)
def test_an_answer_is_handed_on_as_it_is(make: Make, server: ChaosServer, name: str) -> None:
    answer = example("decision-api")[name]
    server.answer_with(reply(200, json.dumps(answer).encode()))

    assert make().campaigns(SOMEBODY, CONTEXT) == answer


def test_nothing_of_a_campaign_is_none(make: Make, server: ChaosServer) -> None:
    server.answer_with(reply(204), reply(200, b'{"id": "c"}'))

    assert make().campaign("c", SOMEBODY, CONTEXT) is None
    assert make().campaign("c", SOMEBODY, CONTEXT) == {"id": "c"}


@pytest.mark.parametrize(
    ("status", "retryable", "said"),
    [
        (400, False, "campaigns: the server answered 400; check the environment id"),
        (403, False, "campaigns: the server answered 403; check the API key"),
        (429, True, "campaigns: the server answered 429: too many requests"),
        (500, True, "campaigns: the server answered 500"),
    ],
)
def test_a_status_that_is_no_success_is_a_failure(
    make: Make, server: ChaosServer, status: int, retryable: bool, said: str
) -> None:
    server.answer_with(reply(status, json.dumps(example("decision-api")["response400"]).encode()))

    with pytest.raises(RequestFailed) as failed:
        make().campaigns(SOMEBODY, CONTEXT)

    assert (failed.value.status, failed.value.retryable) == (status, retryable)
    assert failed.value.message.startswith(said)
    assert "ENV_ID" not in failed.value.message  # not a word of the body


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"campaigns": [', b"[" * 100_000])
def test_what_is_no_json_object_does_not_decode(make: Make, server: ChaosServer, body: bytes) -> None:
    server.answer_with(reply(200, body))

    with pytest.raises(FlagshipParsingError, match=r"^\[FlagshipParsingError\] flags: the answer "):
        make().flags(SOMEBODY, CONTEXT)


@pytest.mark.parametrize("answer", [hangs(), resets(), reply(302, b"", {"Location": "http://elsewhere/"})])
def test_no_answer_is_a_failure_within_the_time_out(make: Make, server: ChaosServer, answer: Answer) -> None:
    server.answer_with(answer)

    with pytest.raises(RequestFailed):
        make().campaigns(SOMEBODY, CONTEXT, timeout=0.2)
    with pytest.raises(RequestFailed):
        make().send_hits(b"{}", timeout=0.2)


def test_a_status_of_what_is_told_is_the_callers_business(make: Make, server: ChaosServer) -> None:
    server.answer_with(reply(400, json.dumps(example("activate")["error400"]["body"]).encode()), reply(204), reply(500))
    event = Event(EventCategory.ACTION_TRACKING, "click")

    assert make(V1).activate(SEEN, ANONYMOUS).status == 400
    assert make(V1).send_context("user_#1234", CONTEXT).status == 204
    assert make(V1).send_hit(event, ANONYMOUS).status == 500


# Secrets and odd values -----------------------------------------------------------------------------------------------


def test_the_key_is_shown_nowhere(make: Make, server: ChaosServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api = make(V1, Secret("a-secret-api-key"))
    server.answer_with(reply(403))

    with pytest.raises(RequestFailed) as failed:
        api.campaigns(SOMEBODY, CONTEXT)

    shown = f"{api!r} {vars(api)!r} {failed.value!r} {caplog.text}"
    assert "a-secret-api-key" not in shown
    assert server.received[0].headers["x-api-key"] == "a-secret-api-key"


def test_a_key_that_no_header_can_carry_is_a_failure_and_not_shown(make: Make) -> None:
    with pytest.raises(RequestFailed, match="cannot be sent as it is") as failed:
        make(V3, "line\nbreak-in-key").campaigns(SOMEBODY, CONTEXT)

    assert "break-in-key" not in str(failed.value)


def test_a_context_that_json_cannot_say_is_sent_as_far_as_it_can(make: Make, server: ChaosServer) -> None:
    context = {"nan": float("nan"), "half": "a\ud800", "huge": 10**5000, "fine": "é😀"}
    make().campaigns(SOMEBODY, context)

    assert json.loads(server.received[0].body)["context"] == {"nan": None, "half": "a?", "huge": None, "fine": "é😀"}


def test_an_observer_is_told_of_every_request(server: ChaosServer) -> None:
    attempts: list[Attempt] = []
    http = Http(observe=attempts.append)
    api = FlagshipApi(http, "ENV_ID", "API_KEY", endpoints=Endpoints.of(server_url=server.url))

    api.campaigns(SOMEBODY, CONTEXT)
    api.send_hits(b"{}")
    api.close()

    assert [attempt.kind for attempt in attempts] == [RequestType.REMOTE_DATA, RequestType.TRACKING]
