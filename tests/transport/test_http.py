from __future__ import annotations

import contextlib
import gzip
import logging
import os
import socket
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import RequestType
from openfeature_kameleoon.transport.deadline import DeadlineAdapter
from openfeature_kameleoon.transport.http import MEGABYTE, Http, Response
from tests.chaos import (
    Answer,
    ChaosServer,
    drips,
    gzip_bomb,
    hangs,
    reply,
    resets,
    response_bytes,
    sends,
    wait_until,
)

DATAFILE = RequestType.DATAFILE
DEADLINE = 0.3
CANARY = "canary-in-a-header"
SLACK = 1.0  # a busy machine is not a failure; a drip that is waited out takes for ever
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


def get(http: Http, server: ChaosServer, *, timeout: float = 5.0, max_bytes: int = MEGABYTE) -> Response:
    return http.request("GET", f"{server.url}/v3/x?key=hidden", kind=DATAFILE, timeout=timeout, max_bytes=max_bytes)


def failure(http: Http, server: ChaosServer, *, timeout: float = 5.0, max_bytes: int = MEGABYTE) -> RequestFailed:
    with pytest.raises(RequestFailed) as failed:
        get(http, server, timeout=timeout, max_bytes=max_bytes)
    return failed.value


# --- whole answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 206, 304, 403, 404, 500, 503])
def test_any_status_but_a_redirect_is_an_answer(http: Http, status: int) -> None:
    body = b"" if status in (204, 304) else b"{}"

    with ChaosServer(reply(status, body, {"Last-Modified": "then"})) as server:
        answer = get(http, server)

    assert (answer.status, answer.body, answer.headers["last-modified"]) == (status, body, "then")


def test_a_304_may_announce_the_length_and_encoding_of_what_it_does_not_send(http: Http) -> None:
    with ChaosServer(reply(304, b"", {"Content-Length": "1234", **GZIP})) as server:
        assert get(http, server).body == b""


def test_a_gzip_answer_is_inflated_and_nothing_else_is_offered(http: Http) -> None:
    with ChaosServer(reply(200, gzip.compress(b"[1]" * 9999), GZIP)) as server:
        answer = get(http, server)

    assert answer.body == b"[1]" * 9999
    assert server.received[0].headers["accept-encoding"] == "gzip"


def test_an_answer_in_chunks_is_put_together(http: Http) -> None:
    chunks = b"3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    head = response_bytes(200, b"", headers)

    with ChaosServer(sends(head + chunks)) as server:
        assert get(http, server).body == b"abcdefgh"


def test_a_body_is_posted_with_its_headers(http: Http) -> None:
    body = os.urandom(300_000)  # more than one write

    with ChaosServer(reply()) as server:
        http.request(
            "POST", f"{server.url}/visit", kind=DATAFILE, timeout=5, body=body, headers={"Authorization": "Bearer t"}
        )

    (request,) = server.received
    assert (request.method, request.body) == ("POST", body)
    assert request.headers["authorization"] == "Bearer t"


def test_connections_are_kept_and_a_dropped_one_is_replaced(http: Http) -> None:
    with ChaosServer(reply(), reply(), sends(response_bytes(200)), reply()) as server:
        before = [get(http, server).status for _ in range(3)]
        wait_until(lambda: not server._connections)
        after = [get(http, server).status for _ in range(2)]

    assert before + after == [200] * 5


# --- what is no whole answer --------------------------------------------------------------------------------

CUT = "the answer was cut short"
BROKEN_GZIP = "the gzip encoding is broken"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (sends(response_bytes(200, b"12345", {"Content-Length": "1000"})), CUT),
        (sends(response_bytes(200, b"12345", {"Content-Length": "five"})), "5 bytes came where five"),
        (sends(response_bytes(200, b"12345", {"Content-Length": "-5"})), "5 bytes came where -5"),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), CUT),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"), CUT),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"), CUT),
        (sends(b"HTTP/1.1 200 OK\r\nCon"), CUT),
        (sends(b"HTTP/1.1 200 OK\r\n"), CUT),
        (sends(b"HTTP/1.1 20"), CUT),
        (sends(b"SSH-2.0-OpenSSH_9.0\r\n\r\n"), CUT),
        (sends(b""), CUT),
        (resets(), CUT),
        (reply(200, gzip.compress(b"x" * 9999)[:-9], GZIP), BROKEN_GZIP),
        (reply(200, gzip.compress(b"x") + b"more", GZIP), BROKEN_GZIP),
        (reply(200, b"not gzip", GZIP), BROKEN_GZIP),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure_worth_another_try(http: Http, answer: Answer, told: str) -> None:
    with ChaosServer(answer) as server:
        failed = failure(http, server)

    assert told in failed.message
    assert failed.retryable


def test_an_encoding_that_was_not_offered_is_refused(http: Http) -> None:
    with ChaosServer(reply(200, b"x", {"Content-Encoding": "br\x1b"})) as server:
        failed = failure(http, server)

    assert "encoded as br\\x1b" in failed.message
    assert not failed.retryable


def test_a_gzip_bomb_is_stopped_at_the_cap(http: Http) -> None:
    with ChaosServer(reply(200, gzip_bomb(32), GZIP)) as server:
        tracemalloc.start()
        try:
            failed = failure(http, server, max_bytes=2 * MEGABYTE)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert "is over 2097152 bytes long" in failed.message
    assert peak < 3 * 2 * MEGABYTE


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_a_body_as_long_as_the_cap_passes_and_one_byte_more_does_not(http: Http, headers: dict[str, str]) -> None:
    def encoded(length: int) -> bytes:
        return gzip.compress(bytes(length)) if headers else bytes(length)

    with ChaosServer(reply(200, encoded(1000), headers), reply(200, encoded(1001), headers)) as server:
        assert len(get(http, server, max_bytes=1000).body) == 1000
        assert "over 1000 bytes" in failure(http, server, max_bytes=1000).message


def test_what_comes_over_the_wire_is_capped_too(http: Http) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(300_000)

    with ChaosServer(sends(endless)) as server, pytest.raises(RequestFailed, match="over 100000 bytes"):
        http.request("GET", server.url, kind=DATAFILE, timeout=5, max_encoded_bytes=100_000)


# --- redirects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("is_users", [False, True])
def test_a_redirect_is_an_error_that_names_the_target_host_alone(status: int, is_users: bool) -> None:
    with ChaosServer(reply()) as other, requests.Session() as session:
        http = Http(session if is_users else None)
        location = {"Location": f"http://user:pw@127.0.0.1:{other.port}/login?secret=1"}
        with ChaosServer(reply(status, gzip_bomb(8), {**location, **GZIP})) as server:
            failed = failure(http, server)
        http.close()

    assert failed.message.endswith("/v3/x: redirected to 127.0.0.1; redirects are not followed")
    assert (failed.status, failed.retryable) == (status, False)
    assert other.received == []


def test_a_redirect_to_nowhere_in_particular_is_a_redirect_all_the_same(http: Http) -> None:
    with ChaosServer(reply(302, b"", {"Location": "http://[::1"})) as server:
        assert "redirected to an unreadable address" in failure(http, server).message


# --- time ---------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        hangs(),
        drips(b"", HEAD),
        drips(HEAD, b"X-Header: 1\r\n"),
        drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
        drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        drips(HEAD + b"\r\n", b"x"),
    ],
    ids=["silence", "status line", "headers", "body", "chunk size", "endless body"],
)
def test_a_deadline_holds_over_the_whole_exchange(http: Http, answer: Answer) -> None:
    with ChaosServer(answer) as server:
        started = time.monotonic()
        failed = failure(http, server, timeout=DEADLINE)
        took = time.monotonic() - started

    assert "no complete answer in time" in failed.message
    assert failed.retryable
    assert DEADLINE * 0.9 < took < DEADLINE + SLACK


def test_a_deadline_holds_on_a_connection_that_was_kept(http: Http) -> None:
    with ChaosServer(reply(), drips(HEAD, b"X-Header: 1\r\n")) as server:
        get(http, server)
        started = time.monotonic()
        failure(http, server, timeout=DEADLINE)
        took = time.monotonic() - started

    assert took < DEADLINE + SLACK


def test_a_deadline_holds_while_a_body_is_sent_that_nobody_reads(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            http.request("POST", url, kind=DATAFILE, timeout=DEADLINE, body=bytes(32 * MEGABYTE))
        took = time.monotonic() - started

    assert took < DEADLINE + SLACK


def test_all_addresses_of_a_host_share_one_deadline(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # on Linux, a full queue drops what comes: the caller waits
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 6)
        started = time.monotonic()

        with pytest.raises(RequestFailed, match="no connection in time"):
            http.request("GET", f"http://localhost:{full.getsockname()[1]}", kind=DATAFILE, timeout=DEADLINE)

        took = time.monotonic() - started
        for caller in callers:
            caller.close()

    assert took < DEADLINE + SLACK


def test_the_next_address_is_tried_when_one_refuses(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChaosServer(reply()) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (closed.getsockname(), ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert get(http, server).status == 200


def test_time_outs_and_nothing_else_count_as_such(http: Http) -> None:
    with ChaosServer(hangs(), resets()) as server:
        assert failure(http, server, timeout=DEADLINE).timed_out
        assert not failure(http, server).timed_out
    assert not failure(http, server).timed_out  # the connection is refused now


def test_more_connections_at_once_than_are_kept_are_nothing_to_warn_of(
    http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(6)

    def answer_together(connection: socket.socket, _: threading.Event) -> bool:
        together.wait(5)
        connection.sendall(response_bytes(200))
        return True

    with ChaosServer(answer_together) as server:
        threads = [threading.Thread(target=get, args=(http, server)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(server.received) == 6
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_no_time_is_no_request(http: Http) -> None:
    with ChaosServer(reply()) as server:
        assert "no time left" in failure(http, server, timeout=0).message
        assert server.received == []


def test_a_body_that_drips_is_stopped_through_a_users_session_too() -> None:
    with requests.Session() as session, ChaosServer(drips(HEAD + b"\r\n", b"x")) as server:
        started = time.monotonic()
        failed = failure(Http(session), server, timeout=DEADLINE)
        took = time.monotonic() - started

    assert "no complete answer in time" in failed.message
    assert took < DEADLINE + SLACK


def test_headers_that_drip_are_stopped_through_a_users_session_with_our_adapter() -> None:
    with requests.Session() as session, ChaosServer(drips(HEAD, b"X-Header: 1\r\n")) as server:
        session.mount("http://", DeadlineAdapter())
        started = time.monotonic()
        failure(Http(session), server, timeout=DEADLINE)
        took = time.monotonic() - started

    assert took < DEADLINE + SLACK


# --- what is told of a failure ------------------------------------------------------------------------------


def test_a_failure_tells_method_host_and_path_and_nothing_else_of_the_url(http: Http) -> None:
    with ChaosServer(resets()) as server:
        url = f"http://name:password@127.0.0.1:{server.port}/v3/site\n?visitorCode=hidden"
        with pytest.raises(RequestFailed) as failed:
            http.request("GET", url, kind=DATAFILE, timeout=5)

    assert failed.value.message.startswith(f"GET 127.0.0.1:{server.port}/v3/site")
    for secret in ("name", "password", "hidden", "\n"):
        assert secret not in failed.value.message
    assert failed.value.__cause__ is None  # their texts hold the whole URL
    assert failed.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "headers", "told", "retryable"),
    [
        ("http://127.0.0.1:1/", {}, "the connection was refused", True),
        ("ftp://127.0.0.1/", {}, "the URL or a header cannot be sent", False),
        ("http://", {}, "the URL or a header cannot be sent", False),
        ("http://[::1", {}, "an unreadable address: the URL or a header cannot be sent", False),
        ("http://127.0.0.1:1/", {"X": "a\r\nY: b"}, "the URL or a header cannot be sent", False),
    ],
)
def test_a_request_that_cannot_be_made_says_why(
    http: Http, url: str, headers: dict[str, str], told: str, retryable: bool
) -> None:
    with pytest.raises(RequestFailed, match=told) as failed:
        http.request("GET", url, kind=DATAFILE, timeout=5, headers=headers)

    assert failed.value.retryable is retryable
    assert failed.value.status is None


def test_a_name_that_does_not_resolve_is_told(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)

    with pytest.raises(RequestFailed, match="the host name does not resolve"):
        http.request("GET", "http://sdk-config.example.org/", kind=DATAFILE, timeout=5)


@pytest.mark.parametrize("is_users", [False, True])
def test_no_log_at_any_level_holds_the_query_or_a_header(is_users: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bad_header = b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n"  # of which urllib3 warns
    with requests.Session() as session, ChaosServer(reply(), sends(bad_header), resets()) as server:
        session.mount("http://", DeadlineAdapter())
        http = Http(session if is_users else None)
        for _ in range(3):
            with contextlib.suppress(RequestFailed):
                url = f"{server.url}/visit/visitor?visitorCode=hidden"
                http.request("GET", url, kind=DATAFILE, timeout=5, headers={"Authorization": "Bearer hidden"})
        http.close()

    assert [request.target for request in server.received] == ["/visit/visitor?visitorCode=hidden"] * 3
    assert "/visit/visitor" in caplog.text
    assert "hidden" not in caplog.text


def test_a_secret_header_is_sent_and_shows_in_no_traceback(http: Http) -> None:
    with ChaosServer(reply(302, b"", {"Location": "/hidden"}), resets()) as server:
        for _ in range(2):
            with pytest.raises(RequestFailed) as failed:
                http.request("GET", server.url, kind=DATAFILE, timeout=5, headers={"X-Key": Secret(CANARY)})

            shown = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
            assert CANARY not in "".join(shown.format())

    assert [request.headers["x-key"] for request in server.received] == [CANARY] * 2


def test_an_answer_does_not_show_its_body() -> None:
    assert "canary" not in repr(Response(200, {}, b"canary"))


# --- environment and sessions -------------------------------------------------------------------------------


def test_netrc_neither_adds_nor_replaces_credentials(
    http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login name password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with ChaosServer(reply()) as server:
        get(http, server)
        http.request("GET", server.url, kind=DATAFILE, timeout=5, headers={"Authorization": "Bearer ours"})

    assert [request.headers.get("authorization") for request in server.received] == [None, "Bearer ours"]


def test_a_proxy_of_the_environment_is_used(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChaosServer(reply(200, b"{}"), drips(HEAD, b"X-Header: 1\r\n")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)

        answer = http.request("GET", "http://sdk-config.example.org/v3/x", kind=DATAFILE, timeout=5)
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            http.request("GET", "http://sdk-config.example.org/v3/x", kind=DATAFILE, timeout=DEADLINE)

    assert answer.body == b"{}"
    assert proxy.received[0].target == "http://sdk-config.example.org/v3/x"


def test_a_users_session_is_used_as_it_is_and_left_open() -> None:
    seen: list[int] = []
    with requests.Session() as session, ChaosServer(reply(), reply()) as server:
        session.headers["X-Gateway"] = "key"
        session.auth = ("name", "password")
        session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
        http = Http(session)

        get(http, server)
        http.close()
        assert session.get(server.url, timeout=5).status_code == 200

    assert server.received[0].headers["x-gateway"] == "key"
    assert server.received[0].headers["authorization"].startswith("Basic ")
    assert seen == [200, 200]


def test_a_token_of_ours_is_not_replaced_by_the_authentication_of_a_users_session() -> None:
    with requests.Session() as session, ChaosServer(reply()) as server:
        session.auth = ("name", "password")

        Http(session).request("GET", server.url, kind=DATAFILE, timeout=5, headers={"Authorization": "Bearer ours"})

    assert server.received[0].headers["authorization"] == "Bearer ours"


def test_cookies_are_not_kept(http: Http) -> None:
    with ChaosServer(reply(200, b"", {"Set-Cookie": "id=1; Path=/"})) as server:
        get(http, server)
        get(http, server)

    assert "cookie" not in server.received[1].headers


@pytest.mark.parametrize("is_users", [False, True])
def test_after_renewal_no_old_connection_is_written_to(is_users: bool) -> None:
    with requests.Session() as session, ChaosServer(reply()) as server:
        http = Http(session if is_users else None)
        callers: list[object] = []

        def remember_the_caller(connection: socket.socket, _: threading.Event) -> bool:
            callers.append(connection.getpeername())
            connection.sendall(response_bytes(200))
            return True

        server.answer_with(remember_the_caller)
        get(http, server)
        get(http, server)

        http.renew()
        get(http, server)
        http.close()

    assert callers[0] == callers[1] != callers[2]


def test_a_tls_handshake_that_never_comes_ends_in_time(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        started = time.monotonic()
        with pytest.raises(RequestFailed):
            http.request("GET", f"https://127.0.0.1:{deaf.getsockname()[1]}/", kind=DATAFILE, timeout=DEADLINE)
        took = time.monotonic() - started

    assert took < DEADLINE + SLACK
