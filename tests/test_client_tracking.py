"""From a call to Kameleoon's server and back: what a client reports, when, with which credentials, and at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import (
    Conversion,
    CustomData,
    KameleoonClient,
    KameleoonClientConfiguration,
    KameleoonProvider,
    PageView,
    UserAgent,
)
from tests.chaos import hangs, reply, resets, wait_until
from tests.faces import EXPERIMENT, VIP, flag, rule, site
from tests.kameleoon import EVENTS, TOKEN, FakeKameleoon
from tests.redis_server import RedisServer

SITE = site(
    flag("on", rule(1, ("on", 1), kind=EXPERIMENT)),
    flag("vips", rule(2, ("on", 1), segment_id=VIP)),
    flag("nobody"),
)
CREDENTIALS = {"client_id": "the-id", "client_secret": "the-secret"}

Open = Callable[..., KameleoonClient]


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(SITE) as server:
        yield server


@pytest.fixture
def open_client(server: FakeKameleoon) -> Iterator[Open]:
    """Opens clients of the server, which are closed with the test."""
    clients: list[KameleoonClient] = []

    def make(**settings: Any) -> KameleoonClient:
        configuration = KameleoonClientConfiguration(**settings)
        client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints)
        clients.append(client)
        assert client.wait_init()
        return client

    yield make

    for client in clients:
        client.close()


def lines(server: FakeKameleoon) -> list[str]:
    """The lines that came, without their nonces."""
    return [line[23:] for line in server.lines]


def test_an_evaluation_is_reported_within_the_interval(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()

    client.get_variation("somebody", "on")

    server.wait_for_lines(1)
    assert lines(server) == ["eventType=experiment&id=1001&variationId=10&visitorCode=somebody"]


def test_the_request_is_the_one_of_the_specification(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    client.get_variation("somebody", "on")

    assert client.flush(timeout=5)

    [request] = server.requests(EVENTS)
    assert request.method == "POST"
    assert request.target == "/visit/events?sdkName=PYTHON&sdkVersion=3.22.2&siteCode=site&bodyUa=true"
    assert request.headers["content-type"] == "*/*"
    assert "authorization" not in request.headers


def test_an_assignment_is_reported_once_however_often_it_is_asked_for(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()

    for _ in range(100):
        client.get_variation("somebody", "on")
        client.get_variation("somebody", "nobody")
    client.flush(timeout=5)

    assert [line.partition("&")[0] for line in lines(server)] == ["eventType=experiment"]


def test_everything_of_a_visitor_goes_out_in_order_with_its_user_agent_once(
    server: FakeKameleoon, open_client: Open
) -> None:
    client = open_client()
    client.add_data("somebody", Conversion(5), PageView("https://a"), CustomData("plan", "vip"), UserAgent("Mozilla"))
    client.get_variation("somebody", "vips")

    client.flush("somebody", timeout=5)

    assert [line.split("&")[0] for line in lines(server)] == [
        "eventType=customData",
        "eventType=page",
        "eventType=experiment",
        "eventType=conversion",
    ]
    assert ["userAgent" in line for line in lines(server)] == [True, False, False, False]


def test_a_flush_tells_that_a_visitor_is_there(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()

    assert client.flush("somebody", timeout=5)

    assert lines(server) == ["eventType=activity&visitorCode=somebody"]


def test_data_that_is_added_waits_for_the_next_report(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    client.add_data("somebody", CustomData("plan", "vip"))
    client.get_variation("somebody else", "on")
    client.flush("somebody else", timeout=5)
    assert len(server.lines) == 1

    client.flush(timeout=5)

    assert any("customData" in line for line in lines(server))


def test_what_is_added_and_never_reported_goes_out_at_the_end(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    client.add_data("somebody", CustomData("plan", "vip"))

    client.close()

    assert [line.partition("&")[0] for line in lines(server)] == ["eventType=customData"]


def test_a_provider_reports_and_ends_with_everything_sent(server: FakeKameleoon) -> None:
    client = KameleoonClient(
        "site",
        configuration_object=KameleoonClientConfiguration(goals={"purchase": 5}),
        endpoints=server.endpoints,
        autostart=False,
    )
    provider = KameleoonProvider("site", client=client)
    api.set_provider_and_wait(provider, domain="reporting")
    flags = api.get_client("reporting")

    flags.get_boolean_value("on", False, EvaluationContext("somebody", {"plan": "vip"}))
    flags.track("purchase", EvaluationContext("somebody"), TrackingEventDetails(9.5))
    client.close()

    assert [line.split("&")[0] for line in lines(server)] == [
        "eventType=customData",
        "eventType=experiment",
        "eventType=conversion",
    ]
    assert provider.status().events.delivered == 3
    api.shutdown()


def test_without_threads_everything_is_sent_inside_the_calls_that_say_so(
    server: FakeKameleoon, open_client: Open
) -> None:
    client = open_client(multi_threading=False)
    client.get_variation("somebody", "on")
    assert not server.requests(EVENTS)

    assert client.flush()

    assert len(server.lines) == 1
    client.track_conversion("somebody", 5)
    client.close()
    assert len(server.lines) == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kameleoon")]


def test_a_flush_also_writes_what_was_learnt_to_the_redis_that_visitors_are_shared_through(open_client: Open) -> None:
    redis = RedisServer()
    redis.kill()
    client = open_client(redis_url=redis.url, redis_timeout_millisecond=500, multi_threading=False)
    client.add_data("somebody", PageView("https://a"))
    redis.start()

    wait_until(lambda: client.flush(timeout=5) and redis.run("DBSIZE") == 1)

    client.close()
    redis.close()


def test_nothing_is_sent_where_that_is_switched_off(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(send_events=False)
    client.get_variation("somebody", "on")

    assert not client.flush(timeout=1)

    client.close()
    assert not server.requests(EVENTS)
    assert client.status().events.pending == 1


# Consent --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consent", "expected"),
    [
        (None, ["experiment", "conversion"]),
        (False, ["experiment", "conversion"]),
        (True, ["customData", "experiment", "experiment", "conversion"]),
    ],
)
def test_consent_decides_what_is_sent_where_it_is_required(
    server: FakeKameleoon, open_client: Open, consent: bool | None, expected: list[str]
) -> None:
    server.publish({**SITE, "configuration": {"consentType": "REQUIRED"}})
    client = open_client()
    if consent is not None:
        client.set_legal_consent("somebody", consent)
    client.add_data("somebody", CustomData("plan", "vip"), Conversion(5))
    client.get_variation("somebody", "vips")
    client.is_feature_active("somebody", "on")

    client.flush("somebody", timeout=5)

    assert [line.split("&")[0].removeprefix("eventType=") for line in lines(server)] == expected


def test_what_was_held_back_goes_out_once_consent_is_given(server: FakeKameleoon, open_client: Open) -> None:
    server.publish({**SITE, "configuration": {"consentType": "REQUIRED"}})
    client = open_client()
    client.add_data("somebody", CustomData("plan", "vip"))
    assert client.flush("somebody", timeout=5)
    assert server.lines == []

    client.set_legal_consent("somebody", True)
    client.flush("somebody", timeout=5)

    assert [line.split("&")[0] for line in lines(server)] == ["eventType=customData"]


# Credentials, hosts ---------------------------------------------------------------------------------------------------


def test_events_carry_the_access_token(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(**CREDENTIALS)
    client.get_variation("somebody", "on")

    client.flush(timeout=5)

    assert [request.headers["authorization"] for request in server.requests(EVENTS)] == ["Bearer token-1"]


def test_events_go_without_a_token_where_none_is_to_be_had(server: FakeKameleoon, open_client: Open) -> None:
    server.break_down(TOKEN, reply(500))
    client = open_client(**CREDENTIALS)
    client.get_variation("somebody", "on")

    assert client.flush(timeout=5)

    [request] = server.requests(EVENTS)
    assert "authorization" not in request.headers


def test_a_token_that_is_refused_is_replaced_once(server: FakeKameleoon, open_client: Open) -> None:
    server.tokens = [("token-1", 3600), ("token-2", 3600)]
    server.fail(EVENTS, reply(401))
    client = open_client(**CREDENTIALS)
    client.get_variation("somebody", "on")

    assert client.flush(timeout=5)

    sent_with = [request.headers.get("authorization") for request in server.requests(EVENTS)]
    assert sent_with == ["Bearer token-1", "Bearer token-2"]
    assert len(server.lines) == 1


def test_a_foreign_host_in_the_data_file_gets_nothing(server: FakeKameleoon, open_client: Open) -> None:
    with FakeKameleoon() as foreign:
        server.publish({**SITE, "configuration": {"dataApiDomain": f"127.0.0.1:{foreign.port}"}})
        client = open_client(**CREDENTIALS)
        client.get_variation("somebody", "on")

        assert client.flush(timeout=5)

        assert foreign.received == []
    assert len(server.lines) == 1


def test_events_go_to_the_host_that_the_data_file_asks_for_until_another_one_does(server: FakeKameleoon) -> None:
    server.publish({**SITE, "configuration": {"dataApiDomain": "eu-data.kameleoon.io"}})
    settings = KameleoonClientConfiguration(data_file=server.url + "/v3/", send_events=False, multi_threading=False)
    client = KameleoonClient("site", configuration_object=settings)
    assert client.data_api.endpoints.data == "https://data.kameleoon.io"

    client.wait_init()
    assert client.data_api.endpoints.data == "https://eu-data.kameleoon.io"

    server.publish(SITE)
    client.refresh()
    assert client.data_api.endpoints.data == "https://eu-data.kameleoon.io"
    client.close()


# Outages --------------------------------------------------------------------------------------------------------------


def test_events_outlive_an_outage_with_their_nonces(server: FakeKameleoon, open_client: Open) -> None:
    server.fail(EVENTS, reply(500), resets(), reply(503))
    client = open_client()
    client.get_variation("somebody", "on")

    client.flush(instant=True)
    wait_until(lambda: not client.status().events.pending)

    bodies = {request.body for request in server.requests(EVENTS)}
    assert len(bodies) == 1
    assert len(server.lines) == 1


def test_a_hanging_server_does_not_hold_the_end(server: FakeKameleoon, open_client: Open) -> None:
    server.break_down(EVENTS, hangs())
    client = open_client(shutdown_timeout_millisecond=200)
    client.get_variation("somebody", "on")
    client.flush(instant=True)
    server.wait_for_requests(EVENTS, 1)

    client.close()

    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("kameleoon")])
    assert client.status().events.pending == 1


def test_the_status_tells_of_failures(server: FakeKameleoon, open_client: Open) -> None:
    server.break_down(EVENTS, reply(500))
    client = open_client()
    client.get_variation("somebody", "on")
    client.flush(instant=True)
    wait_until(lambda: client.status().sender and client.status().sender.last_error)  # type: ignore[union-attr]

    status = client.status()

    assert status.sender is not None
    assert status.sender.last_error == "the tracking server answered 500"
    assert status.sender.retried >= 1
    assert status.events.pending == 1
