"""The verbs of the Provider TCK, and our own client living through each fault that the server can be given."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import OpenFeatureError

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.datafile import streaming
from openfeature_kameleoon.datafile.freshness import StreamState
from openfeature_kameleoon.datafile.streaming import EventStream
from openfeature_kameleoon.errors import DataFileInvalid, RequestFailed
from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.control import VERBS
from openfeature_kameleoon.server.faults import FAULTS, ROUTES, Fault
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import wait_until
from tests.faces import Heard, Json, flag
from tests.faces import site as data_file
from tests.server.asking import Reply, ask
from tests.vectors import as_bytes

TOKEN = "Bearer the-token"
PLAN = {"currentVisit": {"customDataEvents": [{"time": 1, "data": {"index": 0, "valuesCountMap": {"vip": 1}}}]}}

FAILURES: dict[str, Json] = {
    "status": {"status": 503},
    "truncate": {"truncate": True},
    "garbage": {"garbage": True},
    "hang": {"hang": True},
    "delay_seconds": {"delay_seconds": 60},
}
"""For each fault, one that the client cannot outwait."""


DATA_FILE = as_bytes(data_file(flag("single", variations=[{"key": "off"}]), flag("f"), flag("g")))


def serving(**settings: Any) -> Serving:
    site = Site("site")
    site.publish(DATA_FILE)
    return Serving(site, token="the-token", visitors={"v": PLAN}, values={"k": 5}, **settings)


@pytest.fixture(scope="module")
def only_server() -> Iterator[LocalServer]:
    """One that has answered once: what it opens for itself is open, and no test's leak."""
    with LocalServer(serving()) as server:
        assert ask(server, "/healthz").status == 200
        yield server


@pytest.fixture
def server(only_server: LocalServer) -> Iterator[LocalServer]:
    """The same for all tests, and after each as it was at the start."""
    yield only_server

    command(only_server, "/reset")


@pytest.fixture
def site(server: LocalServer) -> Site:
    return server.serving.site


def command(server: LocalServer, path: str, method: str = "POST", content: object = None) -> Any:
    body = None if content is None else as_bytes(content)
    reply = ask(server, path, method, body, authorization=TOKEN)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def break_down(server: LocalServer, **faults: Json) -> None:
    assert command(server, "/api/faults", "PUT", faults).keys() == faults.keys()


def mend(server: LocalServer) -> None:
    assert command(server, "/api/faults", "DELETE") == {}


def evaluated(server: LocalServer, key: str = "f") -> Any:
    reply = ask(server, f"/ofrep/v1/evaluate/flags/{key}", "POST", as_bytes({"context": {"targetingKey": "v"}}))
    return json.loads(reply.body).get("value") if reply.status else None


def client_of(server: LocalServer, **settings: Any) -> KameleoonClient:
    """A client of the server that waits half a second, and has no threads unless told so."""
    settings = {"multi_threading": False, "default_timeout_millisecond": 300, **settings}
    configuration = KameleoonClientConfiguration(server_url=server.url, **settings)
    client = KameleoonClient("site", configuration_object=configuration)
    assert client.wait_init(5000)
    return client


# Verbs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v3/site", "/visit/visitor", "/map/map", "/ofrep/v1/evaluate/flags/f", "/sse"])
def test_a_stopped_server_answers_nothing_but_what_starts_it(server: LocalServer, path: str) -> None:
    method = "POST" if "ofrep" in path else "GET"

    assert command(server, "/stop") == {"status": "stopped"}
    assert ask(server, path, method) == Reply(0, {}, b"")
    assert ask(server, "/healthz").status == 200

    assert command(server, "/start") == {"status": "started"}
    assert evaluated(server) is False


def test_stopping_ends_the_streams_that_are_open(server: LocalServer) -> None:
    replies: list[Reply] = []
    reading = threading.Thread(target=lambda: replies.append(ask(server, "/sse")))
    reading.start()
    wait_until(lambda: len(server.serving.kameleoon.streams) == 1)

    command(server, "/stop")

    reading.join()
    assert replies[0].status == 200


def test_a_restart_is_over_after_so_many_seconds(server: LocalServer) -> None:
    assert command(server, "/restart?seconds=0.05") == {"status": "restarting", "seconds": 0.05}
    wait_until(lambda: evaluated(server) is False)

    assert command(server, "/restart") == {"status": "restarting", "seconds": 5.0}
    assert evaluated(server) is None
    command(server, "/start")
    assert evaluated(server) is False


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "1e9", "soon", ""])
def test_a_restart_without_end_is_refused(server: LocalServer, seconds: str) -> None:
    assert ask(server, f"/restart?seconds={seconds}", "POST", authorization=TOKEN).status == 400
    assert evaluated(server) is False


def test_a_change_gives_everybody_another_variation(server: LocalServer) -> None:
    assert command(server, "/change") == {"status": "changed", "flag": "f", "variation": "on"}
    assert evaluated(server) is True
    assert command(server, "/change?flag=g")["flag"] == "g"
    assert command(server, "/change")["variation"] == "off"
    assert evaluated(server) is False
    assert evaluated(server, "g") is True
    assert command(server, "/change")["variation"] == "on"


def test_a_change_is_of_the_tcks_flag_if_there_is_one_and_between_two_values(site: Site, server: LocalServer) -> None:
    three = [{"key": key} for key in ("bar", "foo", "baz")]
    changing = flag("changing-flag", variations=three, defaultVariationKey="foo")
    site.publish(as_bytes(data_file(flag("f"), changing)))

    variations = [command(server, "/change")["variation"] for _ in range(4)]

    site.publish(DATA_FILE)
    assert variations == ["bar", "foo", "bar", "foo"]


def test_a_change_outlives_an_outage_but_no_start(server: LocalServer) -> None:
    command(server, "/change")
    command(server, "/restart?seconds=0")
    wait_until(lambda: evaluated(server) is True)

    command(server, "/start?config=default")
    assert evaluated(server) is False

    assert ask(server, "/start?config=tls", "POST", authorization=TOKEN).status == 400


def test_a_change_leaves_what_else_is_overridden(site: Site, server: LocalServer) -> None:
    site.override("f", Override(enabled=True, visitors={"ada": "off"}))

    command(server, "/change")

    assert site.overrides["f"] == Override(enabled=True, visitors={"ada": "off"}, variation="on")


@pytest.mark.parametrize("flag_key", ["no such flag", ""])
def test_a_change_of_what_is_not_there_is_refused(server: LocalServer, flag_key: str) -> None:
    reply = ask(server, f"/change?flag={flag_key.replace(' ', '%20')}", "POST", authorization=TOKEN)

    assert (reply.status, "not in the data file" in json.loads(reply.body)["message"]) == (400, True)


def test_a_change_needs_a_flag_that_can_change(site: Site, server: LocalServer) -> None:
    site.publish(as_bytes(data_file(flag("single", variations=[{"key": "off"}]), flag("none", variations=[]))))

    statuses = [ask(server, path, "POST", authorization=TOKEN).status for path in ("/change", "/change?flag=none")]

    site.publish(DATA_FILE)
    assert statuses == [400, 400]


def test_a_reset_is_as_at_the_start(site: Site, server: LocalServer) -> None:
    ask(server, "/visit/events", "POST", b"eventType=activity&visitorCode=v&nonce=0123456789abcdef")
    command(server, "/change")
    assert evaluated(server) is True
    site.client.add_data("v")
    site.client.evaluator.store.get_or_create("v")
    break_down(server, ofrep={"status": 503}, stream={"stall": True})
    command(server, "/restart?seconds=600")

    assert command(server, "/reset") == {"status": "reset"}

    assert evaluated(server) is False
    assert (site.overrides, server.serving.tracked.since()) == ({}, [])
    assert command(server, "/api/faults", "GET") == {}
    assert not server.serving.kameleoon.streams.is_stalled
    assert "v" not in site.client.evaluator.store


@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_are_for_those_who_have_the_token(server: LocalServer, verb: str) -> None:
    assert ask(server, verb, "POST").status == 401
    assert ask(server, verb, authorization=TOKEN).status == 405


def test_the_verbs_alone_may_be_open_to_whoever_may_ask() -> None:
    with LocalServer(serving(opens_control=True)) as server:
        verbs = [ask(server, verb, "POST").status for verb in VERBS]
        faults = ask(server, "/api/faults", "DELETE").status
        from_a_page = ask(server, "/stop", "POST", origin="https://example.com").status

    assert (verbs, faults, from_a_page) == ([200] * 5, 401, 403)


# What faults may be ---------------------------------------------------------------------------------------------------


def test_faults_are_told_as_they_were_given(server: LocalServer) -> None:
    given = {"data_file": {"status": 503, "rate": 0.3}, "ofrep": {"delay_seconds": 2.0, "garbage": True}}

    assert command(server, "/api/faults", "PUT", given) == given
    assert command(server, "/api/faults", "GET") == given
    assert command(server, "/api/faults", "PUT", {}) == {}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b"\xff", b'{"data_file": 1}', b"[" * 100_000),
        *(b'{"no_such_route": {"status": 503}}', b'{"data_file": {"no_such_fault": 1}}'),
        *(b'{"data_file": {"status": 200}}', b'{"data_file": {"status": 999}}', b'{"data_file": {"status": "503"}}'),
        *(b'{"data_file": {"rate": 1.1}}', b'{"data_file": {"rate": -1}}', b'{"data_file": {"delay_seconds": 1e9}}'),
        *(b'{"data_file": {"hang": true, "status": 503}}', b'{"data_file": {"stall": true}}'),
        b'{"events": {"drop": true}}',
    ],
)
def test_a_fault_that_cannot_be_is_refused_and_those_before_stay(server: LocalServer, body: bytes) -> None:
    break_down(server, token={"status": 503})

    reply = ask(server, "/api/faults", "PUT", body, authorization=TOKEN)

    assert reply.status == 400
    assert json.loads(reply.body)["message"]
    assert command(server, "/api/faults", "GET") == {"token": {"status": 503}}


def test_each_fault_is_tried_here() -> None:
    assert FAILURES.keys() == FAULTS.keys()
    assert set(Fault.__struct_fields__) == {*FAULTS, "stall", "drop", "rate"}
    here = {route for route in ROUTES if not route.startswith("flagship_")}  # those: test_flagship_service.py
    assert {route for route, *_ in REMOTE} | {"data_file", "stream", "events", "ofrep"} == here


def test_a_share_of_the_requests_fails(site: Site, server: LocalServer) -> None:
    break_down(server, data_file={"status": 503, "rate": 0.5})

    statuses = [ask(server, "/v3/site").status for _ in range(40)]

    assert set(statuses) == {200, 503}


def test_a_delay_alone_is_a_late_answer(server: LocalServer) -> None:
    break_down(server, data_file={"delay_seconds": 0.05})
    start = time.monotonic()

    reply = ask(server, "/v3/site")

    assert reply.status == 200
    assert time.monotonic() - start >= 0.05


def test_a_server_that_hangs_ends_all_the_same() -> None:
    replies: list[Reply] = []
    with LocalServer(serving()) as server:
        break_down(server, data_file={"hang": True}, ofrep={"delay_seconds": 600})
        threads = [
            threading.Thread(target=lambda: replies.append(ask(server, "/v3/site"))),
            threading.Thread(target=lambda: evaluated(server)),
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.serving.faults.waiting == 2)
        start = time.monotonic()

    for thread in threads:
        thread.join()
    assert replies == [Reply(0, {}, b"")]
    assert time.monotonic() - start < 1.5  # the grace for answers under way is 2 s


# Our own client -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAILURES)
def test_the_client_goes_on_while_the_data_file_fails(server: LocalServer, fault: str) -> None:
    with closing(client_of(server)) as client:
        break_down(server, data_file=FAILURES[fault])
        command(server, "/change")
        with pytest.raises((RequestFailed, DataFileInvalid)):
            client.refresh()
        assert client.get_variation("v", "f").key == "off"

        mend(server)
        client.refresh()
        assert client.get_variation("v", "f").key == "on"


@pytest.mark.parametrize("fault", FAILURES)
def test_no_event_is_lost_and_none_counts_twice_while_tracking_fails(server: LocalServer, fault: str) -> None:
    with closing(client_of(server)) as client:
        break_down(server, events=FAILURES[fault])
        client.track_conversion("v", 77, 1.0)
        client.flush(timeout=0.3)

        mend(server)
        wait_until(lambda: client.flush(timeout=1.0))

    events = [event for event in server.serving.tracked.since() if event["type"] == "conversion"]
    assert [event["is_duplicate"] for event in events] == ([False, True] if fault == "truncate" else [False])


CREDENTIALS = {"client_id": "someone", "client_secret": "some secret"}
REMOTE = [
    ("value", {}, lambda client: client.get_remote_data("k"), 5, None),
    ("visitor", {}, lambda client: len(client.get_remote_visitor_data("v")), 1, 0),
    ("token", CREDENTIALS, lambda client: client.get_remote_data("k"), 5, None),
]
"""What asks a route, what it gives, and what it gives while the route fails."""


@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize(("route", "settings", "ask_for", "value", "failed"), REMOTE, ids=[row[0] for row in REMOTE])
def test_remote_data_fail_and_come_back(
    server: LocalServer, route: str, settings: Json, ask_for: Any, value: object, failed: object, fault: str
) -> None:
    with closing(client_of(server, **settings)) as client:
        break_down(server, **{route: FAILURES[fault]})
        while_failing = ask_for(client)

        mend(server)

        assert while_failing in (failed, value)
        assert ask_for(client) == value


@pytest.mark.parametrize("fault", FAILURES)
def test_the_stock_client_has_its_default_while_ofrep_fails(server: LocalServer, fault: str) -> None:
    provider = OFREPProvider(server.url, timeout=0.3)
    somebody = EvaluationContext("v")
    with closing(provider.session):
        break_down(server, ofrep=FAILURES[fault])
        with pytest.raises(OpenFeatureError):
            provider.resolve_boolean_details("f", True, somebody)

        mend(server)
        assert provider.resolve_boolean_details("f", True, somebody).value is False


# Its stream -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def provider(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KameleoonProvider]:
    """One that has an open stream, and does not wait long before it opens another."""
    monkeypatch.setattr(streaming, "EventStream", partial(EventStream, first_reconnect=0.05))
    client = client_of(server, multi_threading=True, send_events=False, default_timeout_millisecond=5000)
    provider = KameleoonProvider("site", client=client)
    provider.initialize(EvaluationContext())
    wait_until(lambda: is_streaming(provider))

    yield provider

    client.close()


def is_streaming(provider: KameleoonProvider) -> bool:
    return provider.client.live.status().stream.state is StreamState.OPEN


def test_a_change_reaches_a_provider_at_once(server: LocalServer, provider: KameleoonProvider) -> None:
    heard = Heard(provider)

    command(server, "/change")

    [changed] = heard.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert changed.flags_changed == ["f"]
    assert provider.resolve_boolean_details("f", False, EvaluationContext("v")).value is True


def test_a_dropped_stream_is_opened_again(server: LocalServer, provider: KameleoonProvider) -> None:
    break_down(server, stream={"drop": True})

    wait_until(lambda: provider.client.live.status().stream.reconnects == 1 and is_streaming(provider))
    command(server, "/change")
    wait_until(lambda: provider.resolve_boolean_details("f", False, EvaluationContext("v")).value)


def test_a_stalled_stream_tells_nothing(server: LocalServer, provider: KameleoonProvider) -> None:
    heard = Heard(provider)
    break_down(server, stream={"stall": True})
    command(server, "/change")
    mend(server)

    command(server, "/change?flag=g")

    [changed] = heard.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert sorted(changed.flags_changed or []) == ["f", "g"]


@pytest.mark.parametrize("fault", ["status", "garbage", "truncate"])
def test_a_stream_that_cannot_be_opened_is_tried_again(
    server: LocalServer, provider: KameleoonProvider, fault: str
) -> None:
    break_down(server, stream={**FAILURES[fault], "drop": True})
    wait_until(lambda: provider.client.live.status().stream.last_error)

    mend(server)

    wait_until(lambda: is_streaming(provider))
