"""That any thread may end what is under way, wherever it waits, and that nothing later suffers from it."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import trustme

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.transport.attempts import Attempt, RequestType
from openfeature_kameleoon.transport.deadline import DeadlineAdapter
from openfeature_kameleoon.transport.exchange import Exchange
from openfeature_kameleoon.transport.http import Http
from tests.chaos import Answer, ChaosServer, drips, hangs, reply, response_bytes, tunnels, wait_until
from tests.transport.test_tls import serving

HEAD = b"HTTP/1.1 200 OK\r\n"
PROMPT_SECONDS = 1.0  # a busy machine is not a failure; the time-out of the requests is far beyond it
TIMEOUT = 30.0
FOR_EVER = 60.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="elsewhere than on Unix it is not promised")


class Caller:
    """A request on a thread of its own, and what came of it."""

    def __init__(self, http: Http, url: str, *, body: bytes | None = None) -> None:
        self.outcome: object = None
        self._http, self._url, self._body = http, url, body
        self.thread = threading.Thread(target=self._call, name="caller", daemon=True)
        self.thread.start()

    def _call(self) -> None:
        method = "GET" if self._body is None else "POST"
        try:
            self.outcome = self._http.request(
                method, self._url, kind=RequestType.TRACKING, timeout=TIMEOUT, body=self._body
            )
        except RequestFailed as failure:
            self.outcome = failure

    def failure(self) -> RequestFailed:
        """Why it failed; fails itself when it goes on or succeeded."""
        self.thread.join(PROMPT_SECONDS)
        assert isinstance(self.outcome, RequestFailed), self.outcome
        return self.outcome


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


@contextlib.contextmanager
def listener_with_a_full_queue() -> Iterator[int]:
    """Its port: on Linux, what comes is dropped, and the caller goes on connecting."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@contextlib.contextmanager
def deaf_server() -> Iterator[int]:
    """Its port: connections are made, and nobody reads or answers."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        yield deaf.getsockname()[1]


def abort_when_it_waits(http: Http, caller: Caller) -> RequestFailed:
    """End a request that waits, which shows in that it does not come to an end by itself."""
    caller.thread.join(0.05)
    assert caller.thread.is_alive(), caller.outcome
    http.abort()
    return caller.failure()


@pytest.mark.parametrize(
    "answer",
    [
        hangs(),
        drips(b"", HEAD, 0.01),
        drips(HEAD, b"X-Header: 1\r\n", 0.01),
        drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"x", 0.01),
        drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"x", FOR_EVER),
        drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0", 0.01),
        drips(HEAD + b"\r\n", b"x", FOR_EVER),
    ],
    ids=["silence", "status line", "headers", "body", "silent body", "chunk size", "silent endless body"],
)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_request_that_waits_for_an_answer_is_ended(
    answer: Answer, is_tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    seen: list[Attempt] = []
    http = Http(observe=seen.append)

    with ChaosServer(answer, tls=serving(authority.issue_cert("127.0.0.1")) if is_tls else None) as server:
        caller = Caller(http, server.url)
        server.wait_for(1)
        failed = abort_when_it_waits(http, caller)
    http.close()

    assert failed.message.endswith("ended on this side")
    assert (failed.status, failed.retryable, failed.timed_out) == (None, True, True)
    assert failed.__context__ is None
    assert [attempt.failure for attempt in seen] == [failed]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_that_connects_is_ended(http: Http, scheme: str) -> None:
    with listener_with_a_full_queue() as port:
        failed = abort_when_it_waits(http, Caller(http, f"{scheme}://127.0.0.1:{port}/"))

    assert failed.timed_out


def test_a_request_in_the_tls_handshake_is_ended(http: Http) -> None:
    with deaf_server() as port:
        failed = abort_when_it_waits(http, Caller(http, f"https://127.0.0.1:{port}/"))

    assert failed.timed_out


def test_a_request_that_writes_where_nobody_reads_is_ended(http: Http) -> None:
    with deaf_server() as port:
        caller = Caller(http, f"http://127.0.0.1:{port}/", body=bytes(32 << 20))
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


# Python 3.10 with urllib3 before 2.3 leaves the socket of a refused tunnel to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", [hangs(), drips(HEAD, b"X: 1\r\n", 0.01)])
def test_a_request_that_waits_for_a_proxys_tunnel_is_ended(
    http: Http, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with ChaosServer(answer) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        caller = Caller(http, "https://sdk-config.example.org/")
        proxy.wait_for(1)
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


def test_a_request_through_tls_within_a_proxys_tls_is_ended(
    http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.delenv("no_proxy", raising=False)
    context = serving(authority.issue_cert("127.0.0.1"))
    with ChaosServer(hangs(), tls=context) as server, ChaosServer(tunnels(server.port), tls=context) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        caller = Caller(http, server.url)
        server.wait_for(1)
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


def test_a_request_on_a_connection_that_was_kept_is_ended(http: Http) -> None:
    with ChaosServer(reply(), hangs()) as server:
        http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5)
        caller = Caller(http, server.url)
        server.wait_for(2)
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


def test_requests_through_a_users_session_with_our_adapter_are_ended() -> None:
    with requests.Session() as session, ChaosServer(hangs()) as server:
        session.mount("http://", DeadlineAdapter())
        http = Http(session)
        caller = Caller(http, server.url)
        server.wait_for(1)
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


def test_a_body_through_a_users_session_without_it_is_ended_at_its_next_piece() -> None:
    with requests.Session() as session, ChaosServer(drips(HEAD + b"\r\n", b"x", 0.01)) as server:
        http = Http(session)
        caller = Caller(http, server.url)
        server.wait_for(1)
        failed = abort_when_it_waits(http, caller)

    assert failed.timed_out


def test_all_that_are_under_way_are_ended_and_what_comes_later_is_not(http: Http) -> None:
    with ChaosServer(*[hangs()] * 8, reply(200, b"{}")) as server:
        callers = [Caller(http, server.url) for _ in range(8)]
        server.wait_for(8)
        http.abort()
        failures = [caller.failure() for caller in callers]
        http.abort()
        later = [http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5).body for _ in range(3)]

    assert all(failed.timed_out for failed in failures)
    assert later == [b"{}"] * 3


def test_an_abort_leaves_connections_alone_that_are_kept_for_later(http: Http) -> None:
    callers: list[object] = []

    def remember_the_caller(connection: socket.socket, _: threading.Event) -> bool:
        callers.append(connection.getpeername())
        connection.sendall(response_bytes(200))
        return True

    with ChaosServer(remember_the_caller) as server:
        http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5)
        http.abort()
        http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5)

    assert callers[0] == callers[1]


def test_aborts_at_any_moment_end_requests_or_leave_them_whole(http: Http) -> None:
    with ChaosServer(reply(200, b"x" * 5000)) as server:
        over = threading.Event()

        def abort_again_and_again() -> None:
            while not over.is_set():
                http.abort()
                over.wait(0.0005)

        outcomes: list[object] = []

        def ask() -> None:
            for _ in range(100):
                try:
                    answer = http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5)
                    outcomes.append(len(answer.body))
                except RequestFailed as failure:
                    outcomes.append("ended" if failure.timed_out else failure)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        aborting = threading.Thread(target=abort_again_and_again)
        for thread in (*threads, aborting):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        aborting.join()
        last = http.request("GET", server.url, kind=RequestType.TRACKING, timeout=5)

    assert len(outcomes) == 400
    assert set(outcomes) <= {5000, "ended"}
    assert len(last.body) == 5000


def connections_to(port: int) -> int:
    """How many handles this process has on connections to a server."""
    count = 0
    for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else ():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as handle:
            count += handle.getpeername()[1:2] == (port,)
    return count


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected with each other."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_an_exchange_that_is_over_is_no_more_to_be_aborted(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    exchange = Exchange(math.inf)
    exchange.connects(one)
    exchange.watch(one)

    exchange.end()
    exchange.abort()

    other.sendall(b"x")
    assert one.recv(1) == b"x"


def test_a_socket_that_another_exchange_has_taken_over_is_left_alone(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    exchange = Exchange(math.inf)
    exchange.watch(one)

    exchange.unwatch(one)
    exchange.abort()

    other.sendall(b"x")
    assert one.recv(1) == b"x"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_touches_no_request_of_its_parents(http: Http) -> None:
    release = threading.Event()

    def answer_late(connection: socket.socket, _: threading.Event) -> bool:
        release.wait(5)
        connection.sendall(response_bytes(200, b"{}"))
        return True

    with ChaosServer(answer_late) as server:
        caller = Caller(http, server.url)
        server.wait_for(1)
        child = os.fork()
        if child == 0:
            http.abort()
            http.close()
            os._exit(connections_to(server.port))
        _, status = os.waitpid(child, 0)
        release.set()
        caller.thread.join(5)
        wait_until(lambda: caller.outcome is not None)

    assert status == 0
    assert getattr(caller.outcome, "body", caller.outcome) == b"{}"
