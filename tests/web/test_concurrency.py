"""Many requests at once: no visitor ever sees what is another's, on threads and in tasks."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openfeature import api

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.web import current_visit
from openfeature_kameleoon.web.asgi import KameleoonASGIMiddleware
from openfeature_kameleoon.web.wsgi import KameleoonWSGIMiddleware
from tests.web.application import is_nobody_visiting
from tests.web.frontends import ask_asgi, ask_wsgi

REQUESTS = 200
AT_ONCE = 50
LOOKS = 20


@pytest.fixture
def codes(provider: KameleoonProvider) -> tuple[str, str]:
    """Two visitors whose variations differ."""
    by_key = {
        provider.client.get_variation(f"visitor-{number}", "tested").key: f"visitor-{number}" for number in range(50)
    }
    return by_key["on"], by_key["off"]


def look() -> tuple[str, str]:
    """Who visits, and which variation it gets, as a view sees it at this moment."""
    return current_visit().visitor_code, api.get_client().get_string_value("tested", "none")


def cookies(codes: tuple[str, str], number: int) -> dict[str, str]:
    return {"cookie": f"kameleoonVisitorCode={codes[number % 2]}"}


def expected(codes: tuple[str, str], number: int) -> list[list[str]]:
    return [[codes[number % 2], ("on", "off")[number % 2]]]


@pytest.mark.usefixtures("threads_alternate_often")
def test_requests_on_threads_see_their_own_visitor_alone(provider: KameleoonProvider, codes: tuple[str, str]) -> None:
    meet = threading.Barrier(AT_ONCE)

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        meet.wait(20)
        seen = {look() for _ in range(LOOKS)}
        meet.wait(20)
        seen |= {look() for _ in range(LOOKS)}
        start_response("200 OK", [])
        yield json.dumps(sorted(seen)).encode()

    wrapped = KameleoonWSGIMiddleware(app, provider)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda number: ask_wsgi(wrapped, "/", cookies(codes, number)), range(REQUESTS)))

    assert [json.loads(reply.body) for reply in replies] == [expected(codes, number) for number in range(REQUESTS)]
    assert all(codes[number % 2] in reply.set_cookies[0] for number, reply in enumerate(replies))


def test_requests_in_tasks_see_their_own_visitor_alone(provider: KameleoonProvider, codes: tuple[str, str]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen = set()
        for _ in range(LOOKS):
            await asyncio.sleep(0)
            seen.add(look())
            seen.add(await asyncio.to_thread(look))  # as frameworks run views that are no coroutines
            seen.add(await asyncio.create_task(look_later()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(sorted(seen)).encode()})

    async def look_later() -> tuple[str, str]:
        await asyncio.sleep(0)
        return look()

    async def all_of_them() -> list[Any]:
        wrapped = KameleoonASGIMiddleware(app, provider)
        requests = [ask_asgi(wrapped, "/", cookies(codes, number)) for number in range(REQUESTS)]
        return await asyncio.gather(*requests)

    replies = asyncio.run(all_of_them())

    assert [json.loads(reply.body) for reply in replies] == [expected(codes, number) for number in range(REQUESTS)]


def test_requests_that_share_a_task_see_their_own_visitor_alone(
    provider: KameleoonProvider, codes: tuple[str, str]
) -> None:
    """As a server does that reads one connection's requests one after the other."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps([look()]).encode()})

    async def one_after_the_other() -> list[Any]:
        wrapped = KameleoonASGIMiddleware(app, provider)
        replies = [await ask_asgi(wrapped, "/", cookies(codes, number)) for number in range(10)]
        assert is_nobody_visiting()
        return replies

    replies = asyncio.run(one_after_the_other())

    assert [json.loads(reply.body) for reply in replies] == [expected(codes, number) for number in range(10)]


def test_bodies_that_are_sent_in_turn_see_their_own_visitor_alone(
    provider: KameleoonProvider, codes: tuple[str, str]
) -> None:
    """As a server does that runs many responses on one thread."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for _ in range(LOOKS):
            yield json.dumps(look()).encode()

    wrapped = KameleoonWSGIMiddleware(app, provider)

    def begin(number: int) -> Iterator[bytes]:
        environ = {
            "REQUEST_METHOD": "GET",
            "HTTP_COOKIE": cookies(codes, number)["cookie"],
            "wsgi.url_scheme": "http",
            "SERVER_NAME": "shop.test",
            "SERVER_PORT": "80",
        }
        return iter(wrapped(environ, lambda *_: None))

    bodies = [begin(number) for number in range(10)]
    for _ in range(LOOKS):
        parts = [json.loads(next(body)) for body in bodies]
        assert parts == [expected(codes, number)[0] for number in range(10)]
        assert is_nobody_visiting()


def test_work_that_a_request_leaves_behind_keeps_its_visitor(
    provider: KameleoonProvider, codes: tuple[str, str]
) -> None:
    left: list[contextvars.Context] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        left.append(contextvars.copy_context())
        start_response("200 OK", [])
        return [b""]

    wrapped = KameleoonWSGIMiddleware(app, provider)
    for number in range(4):
        ask_wsgi(wrapped, "/", cookies(codes, number))

    assert [context.run(look) for context in left] == [tuple(expected(codes, number)[0]) for number in range(4)]
