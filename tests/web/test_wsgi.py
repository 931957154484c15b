"""WSGI's own ways: the environment, bodies that servers treat in a special way, and errors after the start."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.cookies import parse_cookies
from openfeature_kameleoon.errors import VisitorCodeInvalid
from openfeature_kameleoon.web import current_visit
from openfeature_kameleoon.web.wsgi import KameleoonWSGIMiddleware
from tests.web.application import is_nobody_visiting
from tests.web.frontends import ask_wsgi

ONE_COOKIE = re.compile(
    r"kameleoonVisitorCode=([!#-+\--:<-\[\]-~]*|\"([ !#-\[\]-~]|\\[\"\\]|\\[0-3][0-7]{2})*\"); "
    r"expires=[\w:, ]{29}; Max-Age=32832000; Path=/; SameSite=Lax",
    re.ASCII,
)
"""What RFC 6265 has a server write, and the escapes of Python's cookies."""


def environment(**more: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }


def visitor_code_that_the_application_sees(provider: KameleoonProvider, **environ: Any) -> tuple[str, str]:
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        visit = current_visit()
        cookies = SimpleCookie(environ["HTTP_COOKIE"])
        assert "a" not in environ.get("expects", "") or cookies["a"].value == "b"
        seen.append((visit.visitor_code, cookies["kameleoonVisitorCode"].value))
        start_response("200 OK", [])
        return [b""]

    KameleoonWSGIMiddleware(app, provider)(environment(**environ), lambda *_: None)
    return seen[0]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HTTP_COOKIE": ""},
        {"HTTP_COOKIE": "a=b", "expects": "a"},
        {"HTTP_COOKIE": "a=b; kameleoonVisitorCode=", "expects": "a"},
        {"HTTP_COOKIE": "kameleoonVisitorCode=" + "x" * 300},
        {"HTTP_COOKIE": "kameleoonVisitorCode=somebody; a=b", "expects": "a"},
    ],
)
def test_the_application_finds_the_code_in_the_environment(
    provider: KameleoonProvider, environ: dict[str, str]
) -> None:
    visited, found = visitor_code_that_the_application_sees(provider, **environ)

    assert visited == found


def test_it_keeps_to_the_protocol(provider: KameleoonProvider) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"
        yield b"b"

    strict = validator(KameleoonWSGIMiddleware(validator(app), provider))

    assert ask_wsgi(lambda environ, start: strict(environment(), start)).body == b"ab"


def test_a_body_that_is_ready_goes_to_the_server_as_it_is(provider: KameleoonProvider) -> None:
    bodies: list[Any] = [[b"a"], (b"a", b"b"), FileWrapper(io.BytesIO(b"a"))]

    for body in bodies:

        def app(environ: dict[str, Any], start: Any, body: Any = body) -> Any:
            start("200 OK", [])
            return body

        sent = KameleoonWSGIMiddleware(app, provider)(
            environment(**{"wsgi.file_wrapper": FileWrapper}), lambda *_: None
        )
        assert sent is body


def test_a_body_that_is_no_more_wanted_is_ended_within_the_visit(provider: KameleoonProvider) -> None:
    ended = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            ended.append(current_visit())

    body: Any = KameleoonWSGIMiddleware(app, provider)(environment(), lambda *_: None)
    assert next(body) == b"a"
    body.close()

    assert ended
    assert is_nobody_visiting()


def test_a_start_that_is_taken_back_has_one_cookie_as_well(provider: KameleoonProvider) -> None:
    started = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Try", "1")])
        try:
            raise ValueError("no")
        except ValueError as error:
            start_response("500 Sorry", [("X-Try", "2")], (ValueError, error, error.__traceback__))
        return [b""]

    KameleoonWSGIMiddleware(app, provider)(environment(), lambda *given: started.append(given))

    assert [[name for name, _ in headers] for _, headers, *_ in started] == [["X-Try", "Set-Cookie"]] * 2
    assert started[1][2][0] is ValueError


def test_the_list_of_the_applications_headers_is_left_alone(provider: KameleoonProvider) -> None:
    headers = [("X-A", "b")]

    ask_wsgi(KameleoonWSGIMiddleware(lambda environ, start: start("200 OK", headers) or [b""], provider))

    assert headers == [("X-A", "b")]


def test_it_takes_a_client_and_a_default_code_as_documented(provider: KameleoonProvider) -> None:
    app = KameleoonWSGIMiddleware(lambda environ, start: start("200 OK", []) or [b""], provider.client, "everybody")

    assert "=everybody;" in ask_wsgi(app).set_cookies[0]
    with pytest.raises(VisitorCodeInvalid):
        KameleoonWSGIMiddleware(app, provider.client, "a\nb")
    as_in_2x: Any = "example.com"
    with pytest.raises(TypeError, match="set top_level_domain"):
        KameleoonWSGIMiddleware(app, as_in_2x)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_no_cookie_header_breaks_the_response(provider: KameleoonProvider, header: str) -> None:
    """The strict parser of reliability.md R23 gets exactly one cookie, and it is the visitor's."""
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        visit = current_visit()
        seen.append(visit.visitor_code)
        start_response("200 OK", [])
        return [b""]

    reply = ask_wsgi(
        KameleoonWSGIMiddleware(app, provider), "/", {"cookie": f"kameleoonVisitorCode={header}; a={header}"}
    )

    [text] = reply.set_cookies
    assert ONE_COOKIE.fullmatch(text)
    assert parse_cookies(text.partition("; expires=")[0]) == {"kameleoonVisitorCode": seen[0]}
