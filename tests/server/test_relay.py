"""A relay between real SDKs and a Kameleoon that is there, slow, failing, away and back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.errors import DataFileInvalid, RequestFailed
from openfeature_kameleoon.server.relay import MOST_ASKED
from tests.chaos import Answer, Received, hangs, late, reply, sends, wait_until
from tests.kameleoon import DATA_FILE, EVENTS, MAP, SSE, TOKEN, VISITOR, FakeKameleoon
from tests.server.fleet import FLAGS, SITE, TRACKING, dated, instance, lines, report, serve_process, written

DELIVERY_SECONDS = 10.0
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS.read_bytes()) as kameleoon:
        yield kameleoon


def parameters(request: Received) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.target).query))


def is_accounted(status: Any) -> bool:
    return bool(status.accepted == status.delivered + status.pending + sum(status.dropped.values()))


# --- data files -----------------------------------------------------------------------------------------------


def test_sdks_decide_by_a_relayed_data_file_and_their_events_arrive_once(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        settings = KameleoonClientConfiguration(server_url=relayed.server.url)
        with KameleoonClient(SITE, configuration_object=settings) as client:
            assert client.wait_init()
            for number in range(50):
                client.get_variation(f"visitor-{number}", "new_checkout")
                client.track_conversion(f"visitor-{number}", 7)
            assert client.flush(timeout=DELIVERY_SECONDS)
        assert relayed.relay.sender.flush(DELIVERY_SECONDS)
        status = relayed.relay.outbox.status()

    conversions = [event for event in kameleoon.events() if event["eventType"] == "conversion"]
    assert len(conversions) == 50
    assert set(kameleoon.nonces().values()) == {1}
    assert status.delivered == status.accepted == len(kameleoon.lines)
    assert len(kameleoon.requests(DATA_FILE)) == 1
    assert "sdkName=PYTHON" in kameleoon.requests(EVENTS)[0].target


def test_an_update_upstream_is_told_to_all_sdks(kameleoon: FakeKameleoon) -> None:
    kameleoon.publish(dated(1_790_000_000_000, configuration={"realTimeUpdate": True}))
    with instance(kameleoon.url) as relayed:
        settings = KameleoonClientConfiguration(server_url=relayed.server.url, send_events=False)
        with KameleoonClient(SITE, configuration_object=settings) as client:
            assert client.wait_init()
            wait_until(lambda: kameleoon.open_streams == 1 and len(relayed.server.serving.kameleoon.streams) == 1)

            kameleoon.publish(dated(1_790_000_001_000, featureFlags=[]), announce=1_790_000_001_000)
            wait_until(lambda: not client.feature_keys())


BAD_FILES = {
    "a page": b"<html>please log in</html>",
    "no object": b"[]",
    "no data file": b"{}",
    "nothing": b"",
    "cut": FLAGS.read_bytes()[:-10],
    "older": json.dumps(dated(1_600_000_000_000, featureFlags=[])).encode(),
}


def test_a_bad_data_file_upstream_is_never_served(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        before = relayed.data_file()
        for body in BAD_FILES.values():
            kameleoon.publish(body)
            with pytest.raises(DataFileInvalid):
                relayed.relay.live.refresh()

            assert relayed.data_file().body == before.body
            assert relayed.data_file(before.headers["last-modified"]).status == 304


def test_a_start_without_upstream_serves_the_copy_on_disk(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    with instance(kameleoon.url, cache_directory=tmp_path) as relayed:
        flags = json.loads(relayed.data_file().body)["featureFlags"]

    with instance(kameleoon.url, cache_directory=tmp_path) as relayed:
        kameleoon.break_down(DATA_FILE, reply(503))
        assert json.loads(relayed.data_file().body)["featureFlags"] == flags
        assert relayed.ask("/readyz").status == 200

    with instance(NOBODY, cache_directory=tmp_path) as relayed:
        assert json.loads(relayed.data_file().body)["featureFlags"] == flags
        ready = relayed.ask("/readyz")
    assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready", "upstream": "away"})


def test_without_upstream_and_copy_it_begins_and_is_ready_once_upstream_is_there(kameleoon: FakeKameleoon) -> None:
    kameleoon.break_down(DATA_FILE, reply(503))
    with instance(kameleoon.url, waits_seconds=0.2) as relayed:
        assert (relayed.data_file().status, relayed.ask("/readyz").status) == (503, 503)
        assert relayed.ask("/healthz").status == 200

        kameleoon.break_down(DATA_FILE, None)
        relayed.relay.live.refresh()
        wait_until(lambda: relayed.ask("/readyz").status == 200)
        assert relayed.data_file().status == 200


@pytest.mark.parametrize("failure", [reply(500), hangs(), sends(b"")], ids=["fails", "hangs", "is gone"])
def test_it_goes_on_while_upstream_is_away(kameleoon: FakeKameleoon, failure: Answer) -> None:
    with instance(kameleoon.url, default_timeout_millisecond=300, shutdown_timeout_millisecond=100) as relayed:
        for route in (DATA_FILE, SSE, EVENTS):
            kameleoon.break_down(route, failure)
        with pytest.raises(RequestFailed):
            relayed.relay.live.refresh()

        assert relayed.data_file().status == 200
        assert report(relayed.server, lines(3)) == 200
        assert relayed.relay.outbox.status().accepted == 3


OF_SITES = {
    f"/v3/{SITE}": 200,
    f"/v3/{SITE}?environment=production": 200,
    f"/v3/{SITE}?environment=staging": 404,
    "/v3/another": 404,
    "/sse?siteCode=another": 404,
    "/map/map?siteCode=another&key=k": 404,
}


def test_nobody_gets_the_flags_of_another_site_or_environment(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        assert {path: relayed.ask(path).status for path in OF_SITES} == OF_SITES
        assert report(relayed.server, lines(1), TRACKING.replace(SITE, "another")) == 404
        assert relayed.relay.outbox.status().accepted == 0


# --- events ---------------------------------------------------------------------------------------------------


def test_events_go_out_under_the_name_of_the_sdk_that_wrote_them(kameleoon: FakeKameleoon) -> None:
    ios = TRACKING.replace("NODEJS", "SWIFT").replace("5.1.0", "4.2")
    with instance(kameleoon.url) as relayed:
        report(relayed.server, lines(3))
        report(relayed.server, lines(2, first=3), ios)
        assert relayed.relay.sender.flush(DELIVERY_SECONDS)

    requests = {parameters(request)["sdkName"]: request for request in kameleoon.requests(EVENTS)}
    assert parameters(requests["SWIFT"]) == {
        "sdkName": "SWIFT",
        "sdkVersion": "4.2",
        "siteCode": SITE,
        "bodyUa": "true",
    }
    assert requests["SWIFT"].body.decode().split("\n") == lines(2, first=3)
    assert requests["NODEJS"].body.decode().split("\n") == lines(3)


def test_what_an_sdk_of_2x_says_in_url_and_header_stays_there(kameleoon: FakeKameleoon) -> None:
    path = f"/visit/events?sdkName=PYTHON&sdkVersion=2.4.0&siteCode={SITE}&visitorCode=somebody"
    line = "eventType=page&href=https%3A%2F%2Fexample.org&nonce=0123456789ABCDEF"
    with instance(kameleoon.url) as relayed:
        report(relayed.server, [line], path, user_agent="A browser/1.0")
        assert relayed.relay.sender.flush(DELIVERY_SECONDS)

    [request] = kameleoon.requests(EVENTS)
    assert parameters(request)["visitorCode"] == "somebody"
    assert request.headers["user-agent"] == "A browser/1.0"
    assert request.body.decode() == line


def test_lines_of_one_visitor_stay_in_order_and_what_is_no_event_is_left_out(kameleoon: FakeKameleoon) -> None:
    kinds = ("conversion&goalId=1", "page&title=a\u2028b\x0bc")
    events = [f"nonce={number:016X}&eventType={kind}&visitorCode=v" for number, kind in enumerate(kinds)]
    with instance(kameleoon.url) as relayed:
        report(relayed.server, [events[0], "nonsense", events[1], ""])
        assert relayed.relay.sender.flush(DELIVERY_SECONDS)
        assert relayed.relay.outbox.status().accepted == 2

    assert kameleoon.lines == events


def test_no_event_is_lost_over_an_outage(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        kameleoon.break_down(EVENTS, reply(503))
        assert report(relayed.server, lines(200)) == 200
        assert not relayed.relay.sender.flush(0.5)
        assert is_accounted(relayed.relay.outbox.status())

        kameleoon.break_down(EVENTS, None)
        assert report(relayed.server, lines(100, first=200)) == 200
        wait_until(lambda: relayed.relay.sender.flush(1.0))
        status = relayed.relay.outbox.status()

    assert sorted(kameleoon.lines) == lines(300)
    assert (status.accepted, status.delivered, status.pending) == (300, 300, 0)


def test_no_event_is_lost_over_an_outage_and_a_restart(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    kameleoon.break_down(EVENTS, reply(503))
    with instance(kameleoon.url, tracking_directory=tmp_path, shutdown_timeout_millisecond=200) as relayed:
        report(relayed.server, lines(100))
        report(relayed.server, lines(1, first=100), TRACKING.replace("NODEJS", "SWIFT"))
    assert not kameleoon.lines

    kameleoon.break_down(EVENTS, None)
    with instance(kameleoon.url, tracking_directory=tmp_path) as relayed:
        assert relayed.relay.sender.flush(DELIVERY_SECONDS)

    assert sorted(kameleoon.lines) == lines(101)
    assert "sdkName=SWIFT" in " ".join(request.target for request in kameleoon.requests(EVENTS))


def test_no_event_that_was_answered_is_lost_when_the_process_is_killed(
    kameleoon: FakeKameleoon, tmp_path: Path
) -> None:
    kameleoon.break_down(EVENTS, reply(503))
    path = written(tmp_path, server_url=kameleoon.url, tracking_directory=str(tmp_path / "events"))
    options = ("--site-code", SITE, "--config", str(path))
    with serve_process(*options) as relayed:
        assert report(relayed, lines(100)) == 200
        relayed.process.kill()
        relayed.process.wait()

    kameleoon.break_down(EVENTS, None)
    with serve_process(*options):
        kameleoon.wait_for_lines(100)

    assert sorted(kameleoon.lines) == lines(100)


# --- what SDKs ask --------------------------------------------------------------------------------------------


def test_questions_are_passed_on_with_the_authorization_and_nothing_else(kameleoon: FakeKameleoon) -> None:
    kameleoon.visitors["v 1"] = {"visitNumber": 3}
    kameleoon.values["audiences"] = ["a"]
    own: dict[str, Any] = {"authorization": "Bearer canary-token", "cookie": "canary=1", "x_forwarded_for": "192.0.2.1"}
    with instance(kameleoon.url) as relayed:
        visitor = relayed.ask(f"/visit/visitor?siteCode={SITE}&visitorCode=v%201&kcs=true", **own)
        value = relayed.ask(f"/map/map?siteCode={SITE}&key=audiences", **own)
        missing = relayed.ask(f"/map/map?siteCode={SITE}&key=none", **own)
        form = b"grant_type=client_credentials"
        basic = {**own, "authorization": "Basic canary-secret", "content_type": "application/x-www-form-urlencoded"}
        token = relayed.ask(f"/oauth/token?siteCode={SITE}", "POST", form, **basic)

    assert json.loads(visitor.body) == {"visitNumber": 3}
    assert (json.loads(value.body), missing.status) == (["a"], 404)
    assert json.loads(token.body)["access_token"] == "token-1"
    assert kameleoon.requests(VISITOR)[0].target == f"/visit/visitor?siteCode={SITE}&visitorCode=v%201&kcs=true"
    for request in (*kameleoon.requests(VISITOR), *kameleoon.requests(MAP)):
        assert request.headers["authorization"] == "Bearer canary-token"
        assert not {"cookie", "x-forwarded-for"} & set(request.headers)
    [asked] = kameleoon.requests(TOKEN)
    assert (asked.headers["authorization"], asked.body) == ("Basic canary-secret", form)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (reply(401), 401),
        (reply(500), 500),
        (hangs(), 504),
        (sends(b""), 502),
        (reply(302, headers={"Location": "http://127.0.0.1:9/elsewhere"}), 502),
    ],
)
def test_how_kameleoon_fails_is_told_within_the_timeout(kameleoon: FakeKameleoon, answer: Answer, status: int) -> None:
    kameleoon.break_down(MAP, answer)
    with instance(kameleoon.url, default_timeout_millisecond=500) as relayed:
        assert relayed.ask(f"/map/map?siteCode={SITE}&key=k").status == status


def test_a_slow_kameleoon_holds_up_a_bounded_number_and_neither_events_nor_data_files(
    kameleoon: FakeKameleoon,
) -> None:
    kameleoon.break_down(MAP, hangs())
    with instance(kameleoon.url, default_timeout_millisecond=5000) as relayed:
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(relayed.ask(f"/map/map?siteCode={SITE}&key=k").status)

        askers = [threading.Thread(target=ask) for _ in range(MOST_ASKED)]
        for asker in askers:
            asker.start()
        kameleoon.wait_for_requests(MAP, MOST_ASKED)

        assert relayed.ask(f"/map/map?siteCode={SITE}&key=k").status == 503
        assert report(relayed.server, lines(1)) == 200
        assert relayed.data_file().status == 200

        relayed.relay.abort()
        for asker in askers:
            asker.join()
    assert set(statuses) <= {502, 504}


def test_a_query_that_is_no_query_is_not_passed_on(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        assert relayed.ask(f"/map/map?siteCode={SITE}&key={'k' * 9000}").status == 400
        assert relayed.ask(f"/map/map?siteCode={SITE}&key=\xe9").status == 400
    assert not kameleoon.requests(MAP)


def test_a_relay_of_a_relay_works_too(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as first, instance(first.server.url) as second:
        assert parsedate_to_datetime(second.data_file().headers["last-modified"])
        report(second.server, lines(10))
        assert second.relay.sender.flush(DELIVERY_SECONDS)
        assert first.relay.sender.flush(DELIVERY_SECONDS)

    assert sorted(kameleoon.lines) == lines(10)


def test_answers_may_take_their_time(kameleoon: FakeKameleoon) -> None:
    kameleoon.values["k"] = 1
    kameleoon.fail(MAP, late(0.3, reply(200, b"1")))
    with instance(kameleoon.url) as relayed:
        assert relayed.ask(f"/map/map?siteCode={SITE}&key=k").body == b"1"
