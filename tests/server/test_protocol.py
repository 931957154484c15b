"""Kameleoon's protocol as the server speaks it: what is asked byte by byte, and what our own clients make of it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.datafile.freshness import StreamState
from openfeature_kameleoon.errors import DataFileInvalid
from openfeature_kameleoon.server import hub, tracked
from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.hub import Hub
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from openfeature_kameleoon.server.tracked import Tracked
from openfeature_kameleoon.server.watching import WatchedFile
from tests.chaos import wait_until
from tests.clock import FakeClock
from tests.faces import Heard, flag, replace
from tests.faces import site as data_file
from tests.kameleoon import EVENTS
from tests.server.asking import Reply, ask
from tests.server.local import LocalKameleoon
from tests.shops import EXAMPLES

FLAGS = EXAMPLES / "flags.json"
UPDATE = "configuration-update-event"
VISITORS: dict[str, Any] = {"ann": {"currentVisit": {}}}
VALUES: dict[str, Any] = {"stock 1": [1, None]}
ANN = EvaluationContext("ann")


def served(reply: Reply) -> dict[str, Any]:
    """The data file of an answer."""
    content: dict[str, Any] = json.loads(reply.body)
    return content


def flag_in(reply: Reply, key: str) -> dict[str, Any]:
    [found] = [flag for flag in served(reply)["featureFlags"] if flag["featureKey"] == key]
    return dict(found)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServer]:
    with LocalServer(Serving(Site("a8st4f59bj"), visitors=VISITORS, values=VALUES)) as server:
        yield server


@pytest.fixture
def server(running: LocalServer) -> LocalServer:
    """One server for all tests, which has the examples' flags again, and nothing tracked."""
    running.serving.site.reset()
    running.serving.site.publish(FLAGS.read_bytes())
    running.serving.tracked.clear()
    return running


@pytest.fixture
def site(server: LocalServer) -> Site:
    return server.serving.site


# --- the data file ------------------------------------------------------------------------------------------


def test_before_the_first_data_file_clients_are_told_to_come_again() -> None:
    with LocalServer(Serving(Site("site"))) as server:
        assert (ask(server, "/v3/site").status, ask(server, "/v3/site").headers["retry-after"]) == (503, "1")
        assert [ask(server, path).status for path in ("/healthz", "/readyz")] == [200, 503]

        server.serving.site.reset()  # nothing to do, and no reason to fail
        server.serving.site.publish(b'{"featureFlags": []}')

        assert [ask(server, path).status for path in ("/v3/site", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    "path", ["/v3/a8st4f59bj", "/v3/another", "/v3/a%2Fb", "/v3/site?environment=staging&ts=1790000000000"]
)
def test_whatever_the_site_and_environment_are_called_there_is_one_data_file(server: LocalServer, path: str) -> None:
    reply = ask(server, path)

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert [flag["featureKey"] for flag in served(reply)["featureFlags"]][:2] == ["new_checkout", "checkout_button"]


def test_who_has_the_data_file_is_not_sent_it_again(server: LocalServer) -> None:
    stamp = ask(server, "/v3/site").headers["last-modified"]

    reply = ask(server, "/v3/site", if_modified_since=stamp)

    assert (reply.status, reply.body, reply.headers["last-modified"]) == (304, b"", stamp)


def test_each_change_has_a_stamp_of_its_own_and_a_later_time_within_one_second_too() -> None:
    site = Site("site", clock=FakeClock())
    with LocalServer(Serving(site)) as server:
        replies = []
        for _ in range(5):
            site.publish(b'{"featureFlags": []}')
            replies.append(ask(server, "/v3/site"))
        stamps = [reply.headers["last-modified"] for reply in replies]
        times = [served(reply)["dateModified"] for reply in replies]

        assert [ask(server, "/v3/site", if_modified_since=stamp).status for stamp in stamps] == [200] * 4 + [304]
    assert len(set(stamps)) == 5
    assert times == sorted(set(times))


def test_clients_are_kept_here_and_streamed_to_whatever_the_data_file_says(site: Site, server: LocalServer) -> None:
    settings = {"dataApiDomain": "eu-data.kameleoon.io", "realTimeUpdate": False, "consentType": "REQUIRED"}
    site.publish(json.dumps(data_file(configuration=settings)).encode())

    configuration = served(ask(server, "/v3/site"))["configuration"]

    assert configuration == {"dataApiDomain": None, "realTimeUpdate": True, "consentType": "REQUIRED"}


# --- real-time events ---------------------------------------------------------------------------------------


@pytest.fixture
def stream(server: LocalServer) -> Iterator[HTTPResponse]:
    """An open stream, after its greeting."""
    with urllib.request.urlopen(f"{server.url}/sse?siteCode=site", timeout=10) as stream:
        assert (stream.readline(), stream.readline()) == (b": keep-alive\n", b"\n")
        yield stream


def next_event(stream: HTTPResponse) -> tuple[str, Any]:
    """The name of an event, and its data."""
    name, data, end = (stream.readline().decode() for _ in range(3))
    assert end == "\n"
    return name.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))


def test_a_stream_is_one_that_no_proxy_holds_back(stream: HTTPResponse) -> None:
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-accel-buffering"] == "no"


def test_every_change_is_told_with_the_time_of_the_data_file(
    site: Site, server: LocalServer, stream: HTTPResponse
) -> None:
    for override in (Override(variation="on"), Override(enabled=False)):
        site.override("new_checkout", override)

        assert next_event(stream) == (UPDATE, {"ts": served(ask(server, "/v3/site"))["dateModified"]})


def test_a_silent_stream_is_kept_alive_by_comments(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "KEEP_ALIVE_SECONDS", 0.01)

    with urllib.request.urlopen(f"{server.url}/sse", timeout=10) as stream:
        assert [stream.readline() for _ in range(6)] == [b": keep-alive\n", b"\n"] * 3


def test_streams_end_with_the_server_and_when_their_listener_goes() -> None:
    site = Site("site")
    site.publish(FLAGS.read_bytes())
    with LocalServer(Serving(site)) as server:
        streams = server.serving.kameleoon.streams
        with urllib.request.urlopen(f"{server.url}/sse", timeout=10) as stream:
            with urllib.request.urlopen(f"{server.url}/sse", timeout=10):
                wait_until(lambda: len(streams) == 2)
            wait_until(lambda: len(streams) == 1)

            server.stop()

            assert stream.read() == b": keep-alive\n\n"
    assert len(streams) == 0


async def seconds_until_all_are_told(site: Site, server: LocalServer, count: int) -> list[float]:
    """How long it takes until each of so many streams has an override, for a few overrides."""
    place = urlsplit(server.url)
    request = f"GET /sse HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()

    async def listen() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(request)
        await reader.readuntil(b": keep-alive\n\n")
        return reader, writer

    streams = await asyncio.wait_for(asyncio.gather(*(listen() for _ in range(count))), 60)
    assert len(server.serving.kameleoon.streams) == count
    taken = []
    for variation in ("on", "off", "on"):
        began = time.perf_counter()
        await asyncio.to_thread(site.override, "new_checkout", Override(variation=variation))
        told = asyncio.gather(*(reader.readuntil(b"\n\n") for reader, _ in streams))
        texts = await asyncio.wait_for(told, 30)
        taken.append(time.perf_counter() - began)
        assert all(UPDATE.encode() in text for text in texts)
        await asyncio.gather(*(reader.readuntil(b"\r\n") for reader, _ in streams))  # the end of the chunk
    for _, writer in streams:
        writer.close()
    return taken


@pytest.mark.parametrize("count", [200, 1000])
def test_very_many_streams_have_an_override_within_a_second(site: Site, server: LocalServer, count: int) -> None:
    resource = pytest.importorskip("resource")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * count + 200:  # both ends are here
        pytest.skip("this process may not open so many files")

    taken = asyncio.run(seconds_until_all_are_told(site, server, count))

    assert min(taken) < 1.0  # a busy machine is slow now and then, what is slow is so each time
    wait_until(lambda: len(server.serving.kameleoon.streams) == 0)


# --- events that are tracked --------------------------------------------------------------------------------


def line(kind: str, **parameters: str) -> str:
    return urlencode({"eventType": kind, **parameters})


def track(server: LocalServer, *lines: str, query: str = "") -> Tracked:
    """Post these lines; gives what came of it."""
    reply = ask(server, f"/visit/events?siteCode=site{query}", "POST", "\n".join(lines).encode(), content_type="*/*")
    assert reply.status == 200
    return server.serving.tracked


def test_lines_are_parsed_and_counted_by_kind(server: LocalServer) -> None:
    taken = track(
        server,
        line("page", href="https://a/?b=c&d", title="ü", visitorCode="ann"),
        line("conversion", goalId="7", revenue="9.5", mappingValue="user 1"),
        line("page", href="", visitorCode="bob"),
    )

    page, conversion, empty = taken.since()
    assert taken.counts == {"page": 2, "conversion": 1}
    assert (page["type"], page["visitor"]) == ("page", "ann")
    assert (page["parameters"]["href"], page["parameters"]["title"]) == ("https://a/?b=c&d", "ü")
    assert (conversion["visitor"], conversion["parameters"]["revenue"]) == ("user 1", "9.5")
    assert empty["parameters"]["href"] == ""
    assert empty["number"] == conversion["number"] + 1 == page["number"] + 2


def test_a_visitor_may_stand_in_the_url_for_all_lines(server: LocalServer) -> None:
    taken = track(server, line("page"), line("page", visitorCode="bob"), query="&visitorCode=ann")

    assert [event["visitor"] for event in taken.since()] == ["ann", "bob"]


def test_what_came_before_by_its_nonce_is_marked_and_counted(server: LocalServer) -> None:
    track(server, line("page", nonce="A1"), line("page", nonce="A2"))

    taken = track(server, line("page", nonce="A1"), line("activity"), line("activity"))

    assert [event["is_duplicate"] for event in taken.since()] == [False, False, True, False, False]
    assert taken.duplicates == 1


@pytest.mark.parametrize("bad", ["nonce=A1&visitorCode=ann", "{}", "&&&", "%", "\x00"])
def test_a_malformed_line_costs_itself_and_is_counted(server: LocalServer, bad: str) -> None:
    taken = track(server, line("page"), bad, "", line("activity"))

    assert [event["type"] for event in taken.since()] == ["page", "activity"]
    assert taken.malformed == 1


def test_bytes_that_are_no_text_are_taken_as_far_as_they_are(server: LocalServer) -> None:
    ask(server, "/visit/events", "POST", b"eventType=page&title=\xff&visitorCode=ann", content_type="*/*")

    [event] = server.serving.tracked.since()
    assert (event["visitor"], event["parameters"]["title"]) == ("ann", "\N{REPLACEMENT CHARACTER}")


def test_the_last_thousand_events_are_kept_and_all_are_counted(server: LocalServer) -> None:
    for _ in range(2):
        taken = track(server, *(line("page", href=str(number)) for number in range(700)))

    kept = taken.since()
    last = kept[-1]["number"]
    assert [event["number"] for event in kept] == list(range(last - 999, last + 1))
    assert taken.counts["page"] == 1400
    assert [event["parameters"]["href"] for event in taken.since(last - 10, 3)] == ["697", "698", "699"]
    assert taken.since(last) == []


def test_kinds_and_nonces_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MOST_NONCES", 10)
    taken = Tracked()

    for number in range(200):
        taken.take(line(f"kind-{number}", nonce=f"{number}").encode(), {})
    taken.take(line("page", nonce="199").encode(), {})
    taken.take(line("page", nonce="0").encode(), {})

    assert taken.counts["other"] == 200 + 2 - tracked.MOST_KINDS
    assert len(taken.counts) == tracked.MOST_KINDS + 1
    assert taken.duplicates == 1  # the oldest is forgotten


def test_events_are_written_to_a_file_a_line_of_json_each(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"of": "before"}\n', encoding="utf-8")

    with LocalServer(Serving(Site("site"), events_path=path)) as server:
        track(server, line("page", title="ü\n"), "bad", line("activity", visitorCode="ann"))
        before, page, activity = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())

    assert before == {"of": "before"}
    assert (page["type"], page["parameters"]["title"]) == ("page", "ü\n")
    assert (activity["visitor"], activity["number"]) == ("ann", 2)


# --- the Data API, tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("/visit/visitor?siteCode=s&visitorCode=ann", 200, {"currentVisit": {}}),
        ("/visit/visitor?siteCode=s&mappingValue=ann", 200, {"currentVisit": {}}),
        ("/visit/visitor?siteCode=s&visitorCode=nobody", 200, {}),
        ("/map/map?siteCode=s&key=stock%201", 200, [1, None]),
        ("/map/map?siteCode=s&key=nothing", 404, {"error": "no such key"}),
    ],
)
def test_the_data_api_answers_what_it_was_given(server: LocalServer, path: str, status: int, answer: object) -> None:
    reply = ask(server, path)

    assert (reply.status, json.loads(reply.body)) == (status, answer)


def test_any_credentials_get_a_token_of_their_own(server: LocalServer) -> None:
    body = b"grant_type=client_credentials&client_id=any&client_secret=any"

    first, second = (
        json.loads(ask(server, "/oauth/token", "POST", body, content_type="application/x-www-form-urlencoded").body)
        for _ in range(2)
    )

    assert {name: first[name] for name in ("token_type", "expires_in")} == {"token_type": "bearer", "expires_in": 3600}
    assert first["access_token"] != second["access_token"]


def test_our_client_carries_the_token_that_it_was_given() -> None:
    server = LocalKameleoon()
    server.renew({"featureFlags": []})
    configuration = KameleoonClientConfiguration(server_url=server.url, client_id="any", client_secret="any secret")
    with KameleoonClient("site", configuration_object=configuration) as client:
        client.wait_init()
        client.track_conversion("ann", 7)
        assert client.flush(timeout=5)
    server.close()

    [request] = server.requests(EVENTS)
    assert request.headers["authorization"].startswith("Bearer ")
    assert len(request.headers["authorization"]) > 20


# --- overrides ----------------------------------------------------------------------------------------------


@pytest.fixture
def provider(server: LocalServer) -> Iterator[KameleoonProvider]:
    """A provider that is connected, with an open stream after whose opening was looked."""
    configuration = KameleoonClientConfiguration(server_url=server.url)
    provider = KameleoonProvider("a8st4f59bj", configuration)
    provider.initialize(EvaluationContext())
    wait_until(lambda: provider.status().data_file.stream.state is StreamState.OPEN)

    yield provider

    provider.shutdown()


def test_an_override_is_in_the_data_file_and_told_to_our_provider_by_its_flag(
    site: Site, server: LocalServer, provider: KameleoonProvider
) -> None:
    heard = Heard(provider)

    site.override("new_checkout", Override(variation="on"))

    [changed] = heard.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert changed.flags_changed == ["new_checkout"]
    assert provider.resolve_boolean_details("new_checkout", False, ANN).value
    reply = ask(server, "/v3/site")
    assert (flag_in(reply, "new_checkout")["overridden"], flag_in(reply, "new_checkout")["rules"]) == (True, [])
    assert "overridden" not in flag_in(reply, "checkout_button")

    site.reset()

    heard.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert not provider.resolve_boolean_details("new_checkout", True, ANN).value


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (Override(variation="discount"), {"ann": "discount", "bob": "discount"}),
        (Override(visitors={"ann": "discount"}, variation="short"), {"ann": "discount", "bob": "short"}),
        (Override(visitors={"ann": "short"}, expositions={"102": 0.0}), {"ann": "short", "bob": "control"}),
        (Override(enabled=False), {"ann": None, "bob": None}),
    ],
)
def test_our_client_decides_as_the_override_says(
    site: Site, server: LocalServer, override: Override, expected: dict[str, str | None]
) -> None:
    site.override("checkout_button", override)
    configuration = KameleoonClientConfiguration(server_url=server.url, multi_threading=False)
    with KameleoonClient("a8st4f59bj", configuration_object=configuration) as client:
        client.wait_init()
        given = client.get_variations("ann"), client.get_variations("bob")

    assert [variations["checkout_button"].key if "checkout_button" in variations else None for variations in given] == [
        expected["ann"],
        expected["bob"],
    ]


# --- a file that is followed --------------------------------------------------------------------------------


@pytest.fixture
def watched(site: Site, tmp_path: Path) -> Iterator[WatchedFile]:
    """A file of one flag, which the site is served from."""
    replace(tmp_path / "flags.json", data_file(flag("first")))
    watched = WatchedFile(tmp_path / "flags.json", site)
    watched.start()

    yield watched

    watched.stop()


def test_a_good_edit_of_the_file_counts_and_a_bad_one_never_does(
    site: Site, watched: WatchedFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "openfeature_kameleoon.server")
    path = tmp_path / "flags.json"
    assert site.client.feature_keys() == ["first"]

    for number, bad in enumerate(("{", '{"featureFlags": 5}')):
        before = site.client.feature_keys()
        replace(path, bad)
        wait_until(lambda: watched.problem)
        assert site.client.feature_keys() == before

        replace(path, data_file(flag("first"), flag(f"good-{number}")))
        wait_until(lambda: not watched.problem)
        assert site.client.feature_keys() == ["first", f"good-{number}"]

    told = [record for record in caplog.records if record.name.endswith(".watching")]
    assert [record.levelno for record in told] == [logging.WARNING] * 2


def test_overrides_outlive_an_edit_of_the_file(site: Site, watched: WatchedFile, tmp_path: Path) -> None:
    site.override("first", Override(variation="on"))

    replace(tmp_path / "flags.json", data_file(flag("first"), flag("second")))
    wait_until(lambda: site.client.feature_keys() == ["first", "second"])

    assert site.client.get_variation("ann", "first").key == "on"


@pytest.mark.parametrize("text", [None, "{"])
def test_there_must_be_a_good_file_to_begin_with(site: Site, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "flags.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(DataFileInvalid):
        WatchedFile(path, site).start()


def test_a_stream_that_is_open_misses_nothing() -> None:
    """Not even what is told between the head of its answer and its first event."""

    async def told_at_once() -> list[bytes]:
        hub = Hub()
        stream = hub.stream()
        hub.tell(b"event: told\n\n")
        return [await anext(stream) for _ in range(2)]

    assert asyncio.run(told_at_once())[1] == b"event: told\n\n"


def test_a_stream_that_is_never_sent_is_forgotten() -> None:
    async def left() -> int:
        hub = Hub()
        hub.stream()
        gc.collect()
        return len(hub)

    assert asyncio.run(left()) == 0
