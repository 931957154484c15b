from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import inf
from pathlib import Path
from random import Random

import pytest

from openfeature_kameleoon import flag_file
from openfeature_kameleoon.clock import SYSTEM_CLOCK
from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.sources import NOT_MODIFIED, Fetched, FileSource
from openfeature_kameleoon.errors import DataFileInvalid, KameleoonError, RequestFailed
from openfeature_kameleoon.flag_file import as_json
from openfeature_kameleoon.protocol import SDK_VERSION
from openfeature_kameleoon.transport.http import Http
from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import Answer, ChaosServer, hangs, reply, resets, response_bytes, sends
from tests.clock import FakeClock

DATA = b'{"featureFlags": []}'
OTHER = b'{"featureFlags": [1]}'
THEN = "Mon, 21 Sep 2026 14:00:00 GMT"


def fetched(source: FileSource | PollingSource) -> Fetched:
    found = source.fetch(5.0)
    assert isinstance(found, Fetched)
    return found


def accepted(source: FileSource | PollingSource) -> bytes:
    found = fetched(source)
    source.judged(found, None)
    return found.raw


# --- a file -------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_bytes(DATA)
    return path


def replace(path: Path, raw: bytes) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_bytes(raw)
    draft.replace(path)


def rewrite(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def test_a_file_is_read_once_until_it_changes(path: Path) -> None:
    source = FileSource(path)

    assert accepted(source) == DATA
    assert source.fetch(5.0) is NOT_MODIFIED


@pytest.mark.parametrize("change", [replace, rewrite])
@pytest.mark.parametrize("raw", [OTHER, DATA.replace(b"Flags", b"Flagz")], ids=["longer", "as long"])
def test_a_change_is_seen_even_within_one_tick_of_the_file_clock(
    path: Path, change: Callable[[Path, bytes], None], raw: bytes
) -> None:
    source = FileSource(path)
    accepted(source)
    before = path.stat()

    change(path, raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert accepted(source) == raw


def test_a_settled_file_costs_no_reading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = time.time() - 10
    os.utime(path, (long_ago, long_ago))
    source = FileSource(path)
    accepted(source)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was read again"))

    assert source.fetch(5.0) is NOT_MODIFIED


def test_a_touch_without_a_change_is_a_confirmation(path: Path) -> None:
    source = FileSource(path)
    accepted(source)

    replace(path, DATA)

    assert source.fetch(5.0) is NOT_MODIFIED


def test_a_refused_content_is_refused_again_for_the_same_reason_until_it_changes(path: Path) -> None:
    source = FileSource(path)
    source.judged(fetched(source), DataFileInvalid("no flags"))

    for _ in range(2):
        with pytest.raises(DataFileInvalid, match="no flags"):
            source.fetch(5.0)

    rewrite(path, OTHER)
    assert accepted(source) == OTHER


def test_a_content_nobody_judged_is_handed_out_again(path: Path) -> None:
    source = FileSource(path)
    fetched(source)

    assert fetched(source).raw == DATA


def test_a_file_that_changes_while_it_is_read_is_not_handed_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine_open, writes = Path.open, iter(range(100))

    def open_and_grow(self: Path, mode: str) -> object:
        file = genuine_open(self, mode)
        with genuine_open(path, "ab") as writer:
            writer.write(b" " * (1 + next(writes)))
        return file

    monkeypatch.setattr(Path, "open", open_and_grow)

    with pytest.raises(DataFileInvalid, match="keeps changing while it is read"):
        FileSource(path).fetch(5.0)


def test_readers_see_whole_files_while_a_writer_replaces_them(path: Path) -> None:
    contents = [json.dumps({"featureFlags": list(range(n * 1000))}).encode() for n in range(1, 4)]
    path.write_bytes(contents[0])
    source, ending = FileSource(path), threading.Event()

    def keep_replacing() -> None:
        while not ending.is_set():
            for content in contents:
                replace(path, content)

    writer = threading.Thread(target=keep_replacing)
    writer.start()
    seen = set()
    try:
        for _ in range(300):
            with contextlib.suppress(DataFileInvalid):  # it keeps changing
                found = source.fetch(5.0)
                if isinstance(found, Fetched):
                    seen.add(found.raw)
                    source.judged(found, None)
    finally:
        ending.set()
        writer.join()

    assert seen
    assert seen <= set(contents)


def test_a_symbolic_link_is_followed_to_where_it_points_now(path: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "link.json", tmp_path / "other.json"
    other.write_bytes(OTHER)
    link.symlink_to(path)
    source = FileSource(link)
    accepted(source)

    link.unlink()
    link.symlink_to(other)

    assert accepted(source) == OTHER


def test_a_file_as_large_as_allowed_passes_and_a_larger_one_is_not_read(path: Path) -> None:
    assert fetched(FileSource(path, max_bytes=len(DATA))).raw == DATA

    with pytest.raises(DataFileInvalid, match="over 19 bytes long"):
        FileSource(path, max_bytes=len(DATA) - 1).fetch(5.0)


def test_what_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    missing = tmp_path / "missing\n.json"

    with pytest.raises(DataFileInvalid) as absent:
        FileSource(missing).fetch(5.0)
    with pytest.raises(DataFileInvalid) as folder:
        FileSource(tmp_path).fetch(5.0)
    with pytest.raises(DataFileInvalid) as senseless:
        FileSource("nul\0").fetch(5.0)

    assert absent.value.message.endswith("missing\\n.json cannot be read: No such file or directory")
    assert folder.value.message == f"the data file {tmp_path} is a directory or a device, not a file"
    assert "cannot be read: ValueError" in senseless.value.message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(path: Path) -> None:
    path.chmod(0)

    with pytest.raises(DataFileInvalid, match="Permission denied"):
        FileSource(path).fetch(5.0)


def test_a_pipe_does_not_hold_the_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(DataFileInvalid, match="not a file"):
        FileSource(pipe).fetch(5.0)


def test_a_file_is_looked_at_often_enough_for_changes_to_show_within_a_second(path: Path) -> None:
    assert FileSource(path).wait_seconds() <= 0.5


def test_any_problem_of_a_file_at_the_start_is_fatal(path: Path) -> None:
    assert FileSource(path).is_fatal(DataFileInvalid("missing"))


# --- a flag file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flags.yaml", "flags.yml", "FLAGS.YAML"])
def test_a_flag_file_yields_the_data_file_that_it_stands_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("flags: {new_checkout: true}", encoding="utf-8")
    source = FileSource(path)

    [flag] = json.loads(accepted(source))["featureFlags"]

    assert (flag["featureKey"], flag["defaultVariationKey"]) == ("new_checkout", "on")
    assert source.fetch(5.0) is NOT_MODIFIED


def test_a_flag_file_that_is_edited_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("flags: {new_checkout: true}", encoding="utf-8")
    source = FileSource(path)
    accepted(source)

    replace(path, b"flags: {new_checkout: false}")

    assert json.loads(accepted(source))["featureFlags"][0]["defaultVariationKey"] == "off"


def test_a_flag_file_that_is_wrong_is_read_once_and_refused_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("flags: {new_checkout: 5}", encoding="utf-8")
    source = FileSource(path)
    readings: list[bytes] = []

    def noted(raw: bytes) -> bytes:
        readings.append(raw)
        return as_json(raw)

    monkeypatch.setattr(flag_file, "as_json", noted)

    for _ in range(3):
        with pytest.raises(DataFileInvalid, match=r"wrong at flags\.new_checkout: "):
            source.fetch(5.0)
    replace(path, b"flags: {new_checkout: true}")

    assert b'"new_checkout"' in accepted(source)
    assert len(readings) == 2


def test_only_a_flag_file_loads_a_yaml_parser(path: Path) -> None:
    program = f"""
import sys
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration

configuration = KameleoonClientConfiguration(data_file={str(path)!r}, multi_threading=False)
with KameleoonClient("a8st4f59bj", configuration_object=configuration) as client:
    assert client.wait_init()
assert "yaml" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- the network --------------------------------------------------------------------------------------------


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


def polling(
    http: Http, server: ChaosServer, *, clock: FakeClock | None = None, interval: float = 3600.0
) -> PollingSource:
    return PollingSource(
        http,
        "site1",
        environment="staging",
        endpoints=Endpoints(configuration=server.url),
        interval=interval,
        random=Random(7),
        clock=clock or FakeClock(),
    )


def failing(source: PollingSource) -> KameleoonError:
    with pytest.raises(KameleoonError) as failed:
        source.fetch(5.0)
    return failed.value


def waits(source: PollingSource) -> tuple[float, float]:
    drawn = [source.wait_seconds() for _ in range(500)]
    return min(drawn), max(drawn)


def test_the_request_is_that_of_the_specification(http: Http) -> None:
    with ChaosServer(reply(200, DATA)) as server:
        source = polling(http, server)
        assert accepted(source) == DATA
        source.fetch(5.0, timestamp=1_790_000_000_000)

    first, second = server.received
    assert (first.method, first.target) == ("GET", "/v3/site1?environment=staging")
    assert first.headers["x-kameleoon-sdk-type"] == "PYTHON"
    assert first.headers["x-kameleoon-sdk-version"] == SDK_VERSION
    assert "if-modified-since" not in first.headers
    assert second.target == "/v3/site1?environment=staging&ts=1790000000000"


def test_changes_are_asked_for_since_the_last_accepted_answer(http: Http) -> None:
    with ChaosServer(
        reply(200, DATA, {"Last-Modified": THEN}),
        reply(200, b"{}", {"Last-Modified": "later, but refused"}),
        reply(304),
    ) as server:
        source = polling(http, server)
        accepted(source)
        source.judged(fetched(source), DataFileInvalid("no flags"))

        assert source.fetch(5.0) is NOT_MODIFIED

    assert [request.headers.get("if-modified-since") for request in server.received] == [None, THEN, THEN]


def test_a_copy_from_disk_counts_as_the_last_accepted_answer(http: Http) -> None:
    with ChaosServer(reply(304)) as server:
        source = polling(http, server)
        source.judged(Fetched(DATA, THEN), None)

        assert source.fetch(5.0) is NOT_MODIFIED

    assert server.received[0].headers["if-modified-since"] == THEN


def test_a_304_nobody_asked_for_confirms_nothing(http: Http) -> None:
    with ChaosServer(reply(304)) as server:
        assert "answered 304" in failing(polling(http, server)).message


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "text/json"])
def test_json_by_any_of_its_names_is_taken(http: Http, content_type: str) -> None:
    with ChaosServer(reply(200, DATA, {"Content-Type": content_type})) as server:
        assert accepted(polling(http, server)) == DATA


@pytest.mark.parametrize("content_type", ["text/html", "", "application/jsonp", "text/plain; a=application/json"])
def test_a_page_of_something_else_is_refused(http: Http, content_type: str) -> None:
    with ChaosServer(reply(200, b"<html>", {"Content-Type": content_type})) as server:
        assert "is not JSON but" in failing(polling(http, server)).message


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 403, 404, 410, 429, 500, 503])
def test_only_200_carries_data(http: Http, status: int) -> None:
    with ChaosServer(reply(status, DATA if status != 204 else b"")) as server:
        failed = failing(polling(http, server))

    assert isinstance(failed, RequestFailed)
    assert failed.status == status
    assert f"answered {status}" in failed.message


PASSING = [
    reply(500),
    reply(429),
    reply(408),
    resets(),
    sends(response_bytes(200, b"{", {"Content-Length": "9"})),
]
LASTING = [
    reply(400),
    reply(401),
    reply(403),
    reply(404),
    reply(302, b"", {"Location": "http://127.0.0.1:1/"}),
]


@pytest.mark.parametrize("answer", PASSING)
def test_a_failure_that_may_pass_is_tried_once_more_at_once(http: Http, answer: Answer) -> None:
    with ChaosServer(answer, reply(200, DATA)) as server:
        assert accepted(polling(http, server)) == DATA

    with ChaosServer(answer) as server:
        failing(polling(http, server))
        assert len(server.received) == 2


@pytest.mark.parametrize("answer", LASTING)
def test_a_failure_that_lasts_is_not_tried_again_at_once(http: Http, answer: Answer) -> None:
    with ChaosServer(answer, reply(200, DATA)) as server:
        failing(polling(http, server))
        assert len(server.received) == 1


def test_a_server_that_asks_to_wait_is_not_asked_again_at_once(http: Http) -> None:
    with ChaosServer(reply(503, b"", {"Retry-After": "30"})) as server:
        source = polling(http, server)
        failing(source)
        assert len(server.received) == 1

    least, most = waits(source)
    assert 30.0 <= least < most <= 31.0


def test_both_attempts_share_one_time_out(http: Http) -> None:
    with ChaosServer(hangs()) as server:
        source = PollingSource(http, "site1", endpoints=Endpoints(configuration=server.url), clock=SYSTEM_CLOCK)
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            source.fetch(0.1)

        assert len(server.received) == 1


def test_a_refusal_says_what_to_look_at_and_is_fatal(http: Http) -> None:
    for status in (401, 403, 404):
        with ChaosServer(reply(status)) as server:
            source = polling(http, server)
            refused = failing(source)

        assert source.is_fatal(refused)
        assert "site code" in refused.message or status == 401
        assert "site1" not in refused.message

    assert not source.is_fatal(RequestFailed("down", status=500))
    assert not source.is_fatal(RequestFailed("down"))
    assert not source.is_fatal(DataFileInvalid("a captive portal"))


# --- when to look again -------------------------------------------------------------------------------------


def test_a_success_is_followed_by_the_interval_give_or_take_a_tenth(http: Http) -> None:
    with ChaosServer(reply(200, DATA)) as server:
        source = polling(http, server, interval=100.0)
        accepted(source)

    least, most = waits(source)
    assert 90.0 <= least < 91.0
    assert 109.0 < most <= 110.0


@pytest.mark.parametrize(("interval", "longest"), [(3600.0, 60.0), (20.0, 20.0)])
def test_failures_in_a_row_are_followed_by_longer_waits_up_to_a_minute(
    http: Http, interval: float, longest: float
) -> None:
    bounds = []
    with ChaosServer(resets()) as server:
        source = polling(http, server, interval=interval)
        for _ in range(8):
            failing(source)
            bounds.append(waits(source)[1])

    expected = [min(longest, 2.0**n) for n in range(8)]
    assert bounds == pytest.approx(expected, rel=0.05)


def test_refused_contents_are_asked_for_less_and_less_as_they_come_whole_each_time(http: Http) -> None:
    with ChaosServer(reply(200, b"{}")) as server:
        source = polling(http, server)
        for _ in range(20):
            source.judged(fetched(source), DataFileInvalid("no flags"))

    assert waits(source)[1] == pytest.approx(3600.0, rel=0.05)


def test_a_refusal_is_followed_by_waits_of_some_minutes_whatever_the_interval(http: Http) -> None:
    with ChaosServer(reply(403)) as server:
        source = polling(http, server, interval=10.0)
        failing(source)

        least, most = waits(source)
        assert 150.0 <= least < 155.0
        assert 295.0 < most <= 300.0

        server.answer_with(reply(200, DATA))
        accepted(source)
        assert waits(source)[1] <= 11.0


@pytest.mark.parametrize(("asked", "least"), [("90", 90.0), ("86400", 300.0), ("soon", 0.0)])
def test_what_the_server_asks_to_wait_is_clamped_to_five_minutes(http: Http, asked: str, least: float) -> None:
    with ChaosServer(reply(503, b"", {"Retry-After": asked})) as server:
        source = polling(http, server)
        failing(source)

    assert least <= waits(source)[0] < least + 1.0


@pytest.mark.parametrize("years", [-10, 10])
def test_a_wall_clock_that_jumps_changes_no_wait(http: Http, years: int) -> None:
    clock = FakeClock(time=1_790_000_000.0 + years * 365 * 86400.0)
    with ChaosServer(reply(503, b"", {"Retry-After": THEN})) as server:
        source = polling(http, server, clock=clock)
        failing(source)

    least, most = waits(source)
    assert 0.0 <= least < most <= 302.0


def test_a_url_of_ones_own_is_used_as_it_is(http: Http) -> None:
    with ChaosServer(reply(200, DATA)) as server:
        source = PollingSource(http, "site1", url=f"{server.url}/flags.json?v=1", environment="staging")
        accepted(source)

    assert server.received[0].target == "/flags.json?v=1"


def test_another_service_has_its_own_headers_and_its_own_names_for_what_to_check(http: Http) -> None:
    with ChaosServer(reply(200, DATA, {"Last-Modified": THEN}), reply(404)) as server:
        source = PollingSource(http, "site1", url=server.url, headers={"X-Own": "1"}, names="the environment id")
        accepted(source)
        refused = failing(source)

    assert [request.headers.get("x-own") for request in server.received] == ["1", "1"]
    assert server.received[1].headers["if-modified-since"] == THEN
    assert not any(name.startswith("x-kameleoon") for name in server.received[0].headers)
    assert refused.message.endswith("the server knows no such data file; check the environment id")


def test_with_an_infinite_interval_it_is_asked_again_after_failures_alone(http: Http) -> None:
    with ChaosServer(reply(400), reply(200, DATA)) as server:
        source = polling(http, server, interval=inf)
        failing(source)
        assert waits(source)[1] <= 60.0

        accepted(source)

    assert source.wait_seconds() == inf
    assert source.manner.stale_after == inf


def test_forked_children_draw_other_waits_than_their_parent(http: Http) -> None:
    with ChaosServer(reply()) as server:
        parent, child = polling(http, server), polling(http, server)

    child.renew()

    assert parent.wait_seconds() != child.wait_seconds()


class _Fleet:
    """Clients on one simulated time line; the servers are down until ``up_at``."""

    def __init__(self, up_at: float) -> None:
        self.up_at = up_at
        self.clock = FakeClock(monotonic=0.0)
        self.requests: list[float] = []

    def request(self, *_: object, **__: object) -> object:
        self.requests.append(self.clock.monotonic())
        raise RequestFailed("down", retryable=False)

    def run(self, clients: int, seconds: float) -> None:
        due: list[tuple[float, int, PollingSource]] = []
        for number in range(clients):
            source = PollingSource(
                self,  # type: ignore[arg-type]  # speaks for the network, on the simulated clock
                "site1",
                random=Random(number),
                clock=self.clock,
            )
            heappush(due, (0.0, number, source))
        while due[0][0] < seconds:
            at, number, source = heappop(due)
            self.clock.advance(at - self.clock.monotonic())
            if at < self.up_at:
                with pytest.raises(RequestFailed):
                    source.fetch(5.0)
            else:
                self.requests.append(at)
                source.judged(Fetched(DATA, THEN), None)
            heappush(due, (at + source.wait_seconds(), number, source))


@pytest.mark.parametrize("outage", [60.0, 1800.0])
def test_a_fleet_that_comes_back_after_an_outage_is_spread_out(outage: float) -> None:
    fleet = _Fleet(up_at=outage)

    fleet.run(clients=200, seconds=outage + 2 * 3600.0)

    after = [at for at in fleet.requests if at >= outage]
    back = after[:200]
    busiest = max(Counter(int(at) for at in after).values())
    assert max(back) - outage <= 60.0  # everybody is back within one step of the back-off
    assert busiest <= 0.25 * 200
