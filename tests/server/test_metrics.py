"""What /metrics, /readyz and the access log tell, and what they never do."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import reply, wait_until
from tests.kameleoon import DATA_FILE, EVENTS, FakeKameleoon
from tests.redis_server import RedisServer, redis_server
from tests.server.asking import ask, connected
from tests.server.fleet import FLAGS, SITE, TRACKING, instance, lines, report

__all__ = ["redis_server"]

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (?P<value>\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """A strict reader of Prometheus's text format: each line is a sample of a family that was declared before it."""
    found: Samples = {}
    families: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            _, keyword, name, rest = line.split(" ", 3)
            assert keyword == ("TYPE" if name in families else "HELP")
            families[name] = rest
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        family = re.sub(r"_(bucket|sum|count)$", "", sample["name"])
        assert (family if families.get(family) == "histogram" else sample["name"]) in families
        key = sample["name"], frozenset(LABEL.findall(sample["labels"] or ""))
        assert key not in found
        found[key] = float(sample["value"])
    return found


def read(server: LocalServer) -> Samples:
    answer = ask(server, "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.body.decode())


def sample(server: LocalServer, name: str, **labels: str) -> float | None:
    return read(server).get((f"kameleoon_{name}", frozenset(labels.items())))


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS.read_bytes()) as kameleoon:
        yield kameleoon


@pytest.fixture
def access() -> Iterator[list[str]]:
    """The lines of the access log, switched on."""
    log, told = logging.getLogger("openfeature_kameleoon.server.access"), list[str]()

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler, level = Kept(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield told
    log.removeHandler(handler)
    log.setLevel(level)


def test_requests_are_counted_by_route_and_status(server: LocalServer) -> None:
    ask(server, f"/v3/{SITE}")
    ask(server, "/v3/another")
    ask(server, "/nowhere/visitor-1")
    ask(server, "/healthz", host="evil.example")

    assert sample(server, "requests_total", method="GET", route="/v3/{site_code:path}", status="200") == 2
    assert sample(server, "requests_total", method="GET", route="other", status="404") == 1
    assert sample(server, "requests_total", method="GET", route="other", status="403") == 1
    assert sample(server, "request_seconds_count", route="/v3/{site_code:path}") == 2
    assert sample(server, "request_seconds_bucket", route="/v3/{site_code:path}", le="+Inf") == 2
    assert 0 < (sample(server, "request_seconds_sum", route="/v3/{site_code:path}") or 0) < 20


def test_buckets_are_cumulative(server: LocalServer) -> None:
    for _ in range(5):
        ask(server, "/healthz")

    found = read(server)
    counts = [
        (float(dict(labels)["le"]), count)
        for (name, labels), count in found.items()
        if name == "kameleoon_request_seconds_bucket" and dict(labels)["route"] == "/healthz"
    ]
    assert [count for _, count in sorted(counts)] == sorted(count for _, count in counts)
    assert max(counts) == (float("inf"), 5)


def test_open_streams_are_counted_while_they_are_open(server: LocalServer) -> None:
    with connected(server) as connection:
        host = server.url.removeprefix("http://")
        connection.sendall(f"GET /sse HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        connection.recv(1000)
        assert sample(server, "open_streams") == 1

    wait_until(lambda: sample(server, "open_streams") == 0)


def test_events_are_counted_by_type_whatever_that_is(server: LocalServer) -> None:
    kinds = ["page", "page", "%22%5C%0A%7D", "conversion"]
    report(server, [f"nonce=1&eventType={kind}&visitorCode=v" for kind in kinds])
    report(server, ["nonsense"])

    assert sample(server, "events_total", type="page") == 2
    assert sample(server, "events_total", type=r"\"\\\n}") == 1
    assert sample(server, "events_malformed_total") == 1
    assert sample(server, "events_duplicate_total") == 3


def test_the_data_file_and_overrides_are_told(server: LocalServer, site: Site) -> None:
    before = sample(server, "data_file_version")

    site.override("new_checkout", Override(enabled=False))

    assert site.served is not None
    assert sample(server, "data_file_version") == site.served.timestamp
    assert before is not None
    assert before < site.served.timestamp
    assert sample(server, "overrides") == 1


def test_a_relay_tells_of_its_outbox_and_of_upstream(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url, shutdown_timeout_millisecond=100) as relayed:
        report(relayed.server, lines(5))
        assert relayed.relay.sender.flush(10.0)
        kameleoon.break_down(EVENTS, reply(503))
        report(relayed.server, lines(2, first=5))
        relayed.relay.sender.flush(0.1)
        found = {name: value for (name, labels), value in read(relayed.server).items() if not labels}
        assert sample(relayed.server, "outbox_dropped_total", reason="queue_full") == 0

    assert found["kameleoon_outbox_accepted_total"] == 7
    assert found["kameleoon_outbox_delivered_total"] == 5
    assert found["kameleoon_outbox_pending"] == 2
    assert found["kameleoon_upstream_up"] == 1
    assert found["kameleoon_data_file_age_seconds"] < 20


def test_readiness_tells_of_upstream_and_redis(kameleoon: FakeKameleoon, redis_server: RedisServer) -> None:
    kameleoon.break_down(DATA_FILE, reply(503))
    with instance(kameleoon.url, redis_server.url, waits_seconds=0.1) as relayed:
        wait_until(lambda: relayed.sharing is not None and relayed.sharing.is_up)
        before = relayed.ask("/readyz")
        kameleoon.break_down(DATA_FILE, None)
        relayed.relay.live.refresh()
        wait_until(lambda: relayed.ask("/readyz").status == 200)
        after = relayed.ask("/readyz")
        assert sample(relayed.server, "redis_up") == 1

    assert (before.status, json.loads(before.body)) == (
        503,
        {"status": "no data file yet", "upstream": "away", "redis": "up"},
    )
    assert json.loads(after.body) == {"status": "ready", "upstream": "up", "redis": "up"}


def test_the_access_log_is_a_line_of_json_for_each_request(server: LocalServer, access: list[str]) -> None:
    ask(server, f"/v3/{SITE}")
    ask(server, "/nowhere", "DELETE", authorization="Bearer the-token")
    wait_until(lambda: len(access) == 2)

    first, second = (json.loads(line) for line in access)
    assert {**first, "time": 0, "seconds": 0, "bytes_sent": 0} == {
        "method": "GET",
        "route": "/v3/{site_code:path}",
        "status": 200,
        "seconds": 0,
        "bytes_sent": 0,
        "is_stream": False,
        "time": 0,
    }
    assert first["bytes_sent"] > 1000
    assert (second["method"], second["route"], second["status"]) == ("DELETE", "other", 404)


def test_no_log_tells_a_token_a_visitor_a_query_or_a_body(kameleoon: FakeKameleoon, access: list[str]) -> None:
    with instance(kameleoon.url) as relayed:
        token = {"authorization": "Bearer canary-token", "x_api_key": "canary-key"}
        for path in (
            f"/visit/visitor?siteCode={SITE}&visitorCode=canary",
            f"/map/map?siteCode={SITE}&key=canary",
            "/canary/visitor?canary=1",
            f"/v3/{SITE}?ts=canary",
        ):
            relayed.ask(path, "GET", None, **token)
        report(relayed.server, ["nonce=1&eventType=canary&visitorCode=canary"], f"{TRACKING}&visitorCode=canary")
        relayed.ask("/nowhere", "OPTIONS", x_canary="canary")
        assert relayed.relay.sender.flush(10.0)

    assert len(access) == 6
    assert "canary" not in " ".join(access).lower()


def test_elsewhere_metrics_need_the_token() -> None:
    site = Site(SITE)
    serving = Serving(site, host="0.0.0.0", token="the-token")
    with LocalServer(serving) as server:  # bound here all the same: it is the guard that is asked
        assert ask(server, "/metrics").status == 401
        assert ask(server, "/metrics", authorization="Bearer the-token").status == 200
        assert ask(server, "/readyz").status == 503
