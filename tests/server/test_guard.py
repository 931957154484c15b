"""Goal R21: the server is closed to the outside, and hostile requests are refused while it goes on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.guard import is_loopback
from openfeature_kameleoon.server.impatience import ImpatientProtocol
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import wait_until
from tests.server.asking import ask, connected, send

TOKEN = "Bearer the-token"
WRITE = "/api/overrides/new_checkout"


@pytest.fixture
def place(server: LocalServer) -> str:
    return urlsplit(server.url).netloc


# Names of hosts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost:8000", "localhost.", "127.0.0.1", "127.0.0.1:1", "127.8.8.8"),
        *("[::1]", "[::1]:8000"),
    ],
)
def test_r21_this_machine_is_served_by_all_its_names(server: LocalServer, host: str) -> None:
    assert ask(server, "/healthz", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "evil.com:8000", "127.0.0.1.evil.com", "localhost.evil.com", "127evil.com", "0.0.0.0"),
        *("169.254.169.254", "10.0.0.1", "[fe80::1]", "[::ffff:10.0.0.1]", "127.0.0.1@evil.com", "evil.com#127.0.0.1"),
        *("evil.com/127.0.0.1", "127.0.0.1/", "user:pw@127.0.0.1", "127.0.0.1:80:80", "127.0.0.1:port", " "),
        *(
            "localhost\x00",
            "loc\u0430lhost".encode().decode("latin-1"),
            "2130706433",
            "0x7f000001",
            "[::1",
            "::1",
            "[127.0.0.1",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/", "/v3/site", "/api/flags", "/healthz"])
def test_r21_any_other_name_is_refused(server: LocalServer, path: str, host: str) -> None:
    assert ask(server, path, host=host).status in (400, 403)


def test_r21_a_request_without_a_name_or_with_two_is_refused(server: LocalServer, place: str) -> None:
    assert ask(server, "/healthz", host=None).status in (400, 403)
    both = f"GET /healthz HTTP/1.1\r\nHost: {place}\r\nHost: evil.com\r\nConnection: close\r\n\r\n"
    assert send(server, both.encode()).status in (400, 403)


def test_r21_names_that_were_allowed_are_served(site: Site) -> None:
    with LocalServer(Serving(site, hosts=["flags.internal"])) as server:
        assert ask(server, "/healthz", host="flags.internal:8000").status == 200
        assert ask(server, "/healthz", host="FLAGS.internal").status == 200
        assert ask(server, "/healthz", host="other.internal").status == 403


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True)]
    + [(name, False) for name in ("0.0.0.0", "::", "127.0.0.1.nip.io", "10.0.0.1", "", "example.com")],
)
def test_what_this_machine_is(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


# Pages of other sites -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "http://127.0.0.1:1", "https://localhost", "file://", ""]
)
@pytest.mark.parametrize(("path", "method"), [("/v3/site", "GET"), (WRITE, "PUT"), ("/visit/events", "POST")])
def test_r21_no_page_of_another_site_is_served(server: LocalServer, path: str, method: str, origin: str) -> None:
    assert ask(server, path, method, b"{}", origin=origin, authorization=TOKEN).status == 403


@pytest.mark.parametrize("from_where", ["cross-site", "same-site"])
def test_r21_nor_what_a_browser_says_is_one(server: LocalServer, from_where: str) -> None:
    assert ask(server, "/v3/site", sec_fetch_site=from_where).status == 403


@pytest.mark.parametrize("from_where", ["same-origin", "none"])
def test_r21_ones_own_page_is_served(server: LocalServer, place: str, from_where: str) -> None:
    assert ask(server, "/v3/site", sec_fetch_site=from_where, origin=f"http://{place}").status == 200


def test_r21_nobody_is_told_that_others_may_read(server: LocalServer) -> None:
    replies = [ask(server, path) for path in ("/healthz", "/v3/site", "/nowhere")]
    replies.append(ask(server, "/v3/site", "OPTIONS", origin="http://evil.com", access_control_request_method="GET"))

    assert not [name for reply in replies for name in reply.headers if name.startswith("access-control")]


# The token ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_r21_writes_need_the_token(server: LocalServer, method: str) -> None:
    assert ask(server, WRITE, method, b"{}").status == 401
    assert ask(server, WRITE, method, b"{}", authorization="Bearer another").status == 401
    assert ask(server, f"{WRITE}?token=the-token", method, b"{}").status == 401
    assert ask(server, WRITE, method, b"{}", authorization=TOKEN).status not in (401, 403)
    assert ask(server, WRITE, method, b"{}", x_api_key="the-token").status not in (401, 403)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_r21_writes_are_json(server: LocalServer, kind: str | None) -> None:
    assert ask(server, WRITE, "PUT", b"{}", content_type=kind, authorization=TOKEN).status == 415


def test_r21_elsewhere_than_here_a_token_must_be_given(site: Site) -> None:
    with pytest.raises(ValueError, match="give a token"):
        Serving(site, host="0.0.0.0")


def test_r21_elsewhere_than_here_reads_need_it_too(site: Site) -> None:
    with LocalServer(Serving(site, host="0.0.0.0", token="the-token"), host="0.0.0.0") as server:
        assert ask(server, "/api/flags").status == 401
        assert ask(server, "/api/flags", authorization=TOKEN).status != 401
        assert ask(server, "/healthz").status == 200
        assert ask(server, "/v3/site").status == 200  # SDKs know no token of ours


def test_r21_the_token_is_told_behind_the_number_sign_alone(
    server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    ask(server, WRITE, "PUT", b"{", authorization=TOKEN)
    ask(server, "/v3/site", host="evil.com", authorization=TOKEN)

    assert server.page == f"{server.url}/#token=the-token"
    assert "the-token" not in caplog.text


# Hostile requests -----------------------------------------------------------------------------------------------------


@pytest.fixture
def goes_on(server: LocalServer) -> Iterator[None]:
    yield

    assert ask(server, "/healthz").status == 200


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/v3/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v3/..%2f..%2fetc%2fpasswd"),
        *("//etc/passwd", "/static/../page.html", "/v3/site\\..\\..", "/v3/%00", "/v3/\xff"),
    ],
)
def test_no_path_leads_to_a_file(server: LocalServer, path: str) -> None:
    reply = ask(server, path)

    assert b"root:" not in reply.body
    assert reply.status in (200, 400, 404)  # any site is the one that is served


@pytest.mark.usefixtures("goes_on")
def test_a_body_of_a_hundred_megabytes_is_not_taken(server: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    announced = ask(server, "/visit/events", "POST", b"", content_length=str(100 << 20))

    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = f"POST /visit/events HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
    told_in_chunks = send(server, head.encode() + chunk * 1600)

    assert announced.status == 413
    assert told_in_chunks.status in (0, 400, 413, 500)
    assert not server.serving.tracked.counts
    assert "a body may have" in caplog.text


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n continued: x\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"POST /visit/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /visit/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /visit/events HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=range(11),
)
def test_what_is_no_request_is_refused(server: LocalServer, request_bytes: bytes) -> None:
    assert send(server, request_bytes).status in (0, 400, 403, 404, 413, 431)


@pytest.mark.usefixtures("goes_on")
def test_headers_that_never_end_are_hung_up_on(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ImpatientProtocol, "header_seconds", 0.2)
    with closing(connected(server)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        end = time.monotonic() + 10
        was_ended = False
        while not was_ended and time.monotonic() < end:
            try:
                connection.sendall(b"X: y\r\n")  # a byte now and then keeps it alive elsewhere
                connection.settimeout(0.02)
                was_ended = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                was_ended = True

    assert was_ended
    wait_until(lambda: "did not come within" in caplog.text)


def test_a_connection_that_is_kept_has_the_same_time_for_each_request(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImpatientProtocol, "header_seconds", 0.5)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    with closing(connected(server)) as connection:
        for _ in range(5):
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                part = connection.recv(4096)
                assert part, "the connection was ended"
                answer += part


def test_refusals_are_told_on_one_line_without_what_was_sent(
    server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    ask(server, "/v3/%0a%1b[31m", host="evil.com\x1b")
    ask(server, "/v3/%0a%1b[31m", host="evil.com")

    messages = [record.getMessage() for record in caplog.records if record.name.endswith("guard")]
    assert messages
    assert all(message.isprintable() and "evil" not in message for message in messages)


@pytest.mark.parametrize("path", ["/sse", "/api/stream", "the stream of OFREP"])
def test_asking_for_the_head_of_a_stream_comes_to_an_end(server: LocalServer, path: str) -> None:
    if path == "the stream of OFREP":
        body = b'{"context": {"targetingKey": "ada"}}'
        answers = json.loads(ask(server, "/ofrep/v1/evaluate/flags", "POST", body).body)
        path = answers["eventStreams"][0]["endpoint"]["requestUri"]

    reply = ask(server, path, "HEAD")

    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
