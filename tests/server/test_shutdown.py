"""An orderly end on SIGTERM: streams end, answers under way finish, what waits is sent, and none of it for ever."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from openfeature_kameleoon.server.run import LocalServer
from tests.chaos import hangs, late, reply, wait_until
from tests.kameleoon import EVENTS, MAP, FakeKameleoon
from tests.server.asking import ask, connected
from tests.server.fleet import FLAGS, SITE, instance, lines, report, serve_process, written

END_SECONDS = 10.0


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(FLAGS.read_bytes()) as kameleoon:
        yield kameleoon


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    connection.settimeout(END_SECONDS)
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_on_sigterm_streams_end_answers_finish_and_events_are_sent(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    kameleoon.values["k"] = 1
    kameleoon.fail(MAP, late(0.5, reply(200, b'"slowly"')))
    path = written(tmp_path, server_url=kameleoon.url, tracking_interval_millisecond=5000)
    answers: list[bytes] = []
    with serve_process("--site-code", SITE, "--config", str(path), "--access-log") as relayed:
        with closing(connected(relayed)) as stream:
            stream.sendall(f"GET /sse HTTP/1.1\r\nHost: {relayed.url.removeprefix('http://')}\r\n\r\n".encode())
            assert stream.recv(1000)
            asker = threading.Thread(
                target=lambda: answers.append(ask(relayed, f"/map/map?siteCode={SITE}&key=k").body)
            )
            asker.start()
            kameleoon.wait_for_requests(MAP, 1)
            assert report(relayed, lines(50)) == 200

            relayed.process.send_signal(signal.SIGTERM)

            assert rest_of(stream).endswith(b"0\r\n\r\n")
            asker.join()
        assert relayed.process.wait(END_SECONDS) == 0
        wait_until(lambda: sum('"route":"/map/map"' in line for line in relayed.told) == 1)

    assert answers == [b'"slowly"']
    assert sorted(kameleoon.lines) == lines(50)


def test_events_that_a_hanging_kameleoon_does_not_take_wait_on_disk(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    kameleoon.break_down(EVENTS, hangs())
    path = written(
        tmp_path,
        server_url=kameleoon.url,
        tracking_directory=str(tmp_path / "events"),
        shutdown_timeout_millisecond=300,
    )
    options = ("--site-code", SITE, "--config", str(path))
    with serve_process(*options) as relayed:
        report(relayed, lines(50))
        begun = time.monotonic()
        relayed.process.send_signal(signal.SIGTERM)
        assert relayed.process.wait(END_SECONDS) == 0
        assert time.monotonic() - begun < END_SECONDS / 2

    kameleoon.break_down(EVENTS, None)
    with serve_process(*options):
        kameleoon.wait_for_lines(50)
    assert sorted(kameleoon.lines) == lines(50)


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_the_grace(
    kameleoon: FakeKameleoon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openfeature_kameleoon.server.run.GRACE_SECONDS", 0.2)
    kameleoon.break_down(MAP, hangs())
    with (
        instance(kameleoon.url, default_timeout_millisecond=60_000) as relayed,
        closing(connected(relayed.server)) as asking,
    ):
        host = relayed.server.url.removeprefix("http://")
        asking.sendall(f"GET /map/map?siteCode={SITE}&key=k HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        kameleoon.wait_for_requests(MAP, 1)

        begun = time.monotonic()
        relayed.server.stop()

        assert time.monotonic() - begun < END_SECONDS


def test_a_stream_that_is_opened_at_the_end_does_not_hold_it_up(kameleoon: FakeKameleoon) -> None:
    with instance(kameleoon.url) as relayed:
        relayed.server.serving.kameleoon.streams.close()

        with closing(connected(relayed.server)) as stream:
            host = relayed.server.url.removeprefix("http://")
            stream.sendall(f"GET /sse HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert rest_of(stream).endswith(b"0\r\n\r\n")


def test_a_token_that_was_given_is_not_told(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    path = written(tmp_path, server_url=kameleoon.url)
    given = {"KAMELEOON_SERVER_TOKEN": "canary-token"}
    with serve_process("--site-code", SITE, "--config", str(path), environment=given) as relayed:
        wait_until(lambda: any("the page" in line for line in relayed.told))

        assert "canary" not in "".join(relayed.told)
        assert ask(relayed, "/nowhere", "DELETE").status == 401


def test_sigterm_while_it_waits_for_a_first_data_file_ends_it(tmp_path: Path) -> None:
    path = written(tmp_path, server_url="http://127.0.0.1:9", default_timeout_millisecond=1500)
    with serve_process("--site-code", SITE, "--config", str(path)) as relayed:
        assert ask(relayed, "/readyz").status == 503
        relayed.process.send_signal(signal.SIGTERM)
        assert relayed.process.wait(END_SECONDS) == 0


def test_a_connection_that_comes_in_the_middle_of_the_end_is_hung_up_on(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn's own end does not see it: so it is kept from it here."""
    come: set[Any] = set()
    end = uvicorn.Server.shutdown

    async def end_without_them(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        come.update(self.server_state.connections)
        self.server_state.connections.clear()
        await end(self, sockets)
        self.server_state.connections.update(come)

    with closing(connected(server)) as silent:
        wait_until(lambda: ask(server, "/healthz").status == 200)
        monkeypatch.setattr(uvicorn.Server, "shutdown", end_without_them)

        server.stop()

        assert come
        with suppress(ConnectionError):
            assert rest_of(silent) == b""


def test_a_connection_that_asks_nothing_is_hung_up_on_at_the_end(server: LocalServer) -> None:
    """As browsers open ahead of time: its client is to come again, and not to wait for an answer."""
    with closing(connected(server)) as silent, closing(connected(server)) as begun:
        begun.sendall(b"GET /healthz HTTP/1.1\r\n")
        wait_until(lambda: ask(server, "/healthz").status == 200)

        server.stop()

        for connection in (silent, begun):
            try:
                assert connection.recv(1) == b""
            except ConnectionError:
                continue
