"""ASGI's own ways: what is no request, WebSockets, several cookie headers, and URLs put together from their parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openfeature import api

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.web import current_visit
from openfeature_kameleoon.web.asgi import AsgiExchange, KameleoonASGIMiddleware
from openfeature_kameleoon.web.django.asgi import get_asgi_application
from tests.kameleoon import FakeKameleoon
from tests.web.application import DATA_FILE, is_nobody_visiting
from tests.web.frontends import ask_asgi, django_site


def call(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that an application sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_what_is_no_request_is_passed_on(provider: KameleoonProvider) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, is_nobody_visiting()))

    scope = {"type": "lifespan"}
    call(KameleoonASGIMiddleware(app, provider), scope)

    assert seen == [(scope, True)]


def lives(app: Any) -> list[str]:
    """What an application says of its life to a server that starts and ends."""
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[str] = []

    async def receive() -> Any:
        return told.pop(0)

    async def send(message: Any) -> None:
        said.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return said


async def living(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers of its life."""
    for event in ("lifespan.startup", "lifespan.shutdown"):
        assert (await receive())["type"] == event
        await send({"type": f"{event}.complete"})


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_waits_is_delivered_before_the_server_may_end(wrapped: bool) -> None:
    with FakeKameleoon(DATA_FILE) as kameleoon:
        settings = KameleoonClientConfiguration(tracking_interval_millisecond=5000)
        client = KameleoonClient("site", configuration_object=settings, endpoints=kameleoon.endpoints)
        provider = KameleoonProvider("site", client=client)
        api.set_provider_and_wait(provider)
        django_site()
        app: Any = KameleoonASGIMiddleware(living, provider) if wrapped else get_asgi_application()
        client.add_data("nobody", CustomData("plan", "vip"))  # which nobody has reported
        client.track_conversion("somebody", 5)

        said = lives(app)

        lines = [line.partition("&")[2] for line in kameleoon.lines]
        client.close()
        api.shutdown()
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [line.partition("&")[0] for line in lines] == ["eventType=conversion", "eventType=customData"]


def test_requests_of_django_go_to_django(provider: KameleoonProvider) -> None:
    django_site()

    assert asyncio.run(ask_asgi(get_asgi_application(), "/")).status == 200


@pytest.mark.parametrize("start", ["websocket.accept", "websocket.http.response.start"])
def test_a_websocket_has_a_visitor_and_keeps_its_code(provider: KameleoonProvider, start: str) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current_visit().visitor_code)
        await send({"type": start})
        await send({"type": "websocket.close"})

    scope = {"type": "websocket", "scheme": "wss", "path": "/", "headers": []}
    sent = call(KameleoonASGIMiddleware(app, provider), scope)

    [(name, value)] = sent[0]["headers"]
    assert (name, value.split(b";")[0]) == (b"set-cookie", f"kameleoonVisitorCode={seen[0]}".encode())
    assert value.endswith(b"; Secure")
    assert sent[1] == {"type": "websocket.close"}


def test_cookies_may_come_in_several_headers() -> None:
    exchange = AsgiExchange({"headers": [(b"cookie", b"a=b"), (b"x", b"y"), (b"cookie", b"c=d")]})

    assert exchange.cookies == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"headers": [(b"host", b"shop.test:8080")], "path": "/a b"}, "http://shop.test:8080/a%20b"),
        ({"raw_path": b"/a%2Fb", "path": "/a/b", "query_string": b"c=d%20e"}, "http://shop.test:80/a%2Fb?c=d%20e"),
        ({"scheme": "https", "path": "/ü", "server": None}, "https://localhost:80/%C3%BC"),
    ],
)
def test_the_url_is_put_together(scope: dict[str, Any], url: str) -> None:
    assert AsgiExchange({"headers": [], "server": ("shop.test", 80), **scope}).url == url


def test_the_list_of_the_applications_headers_is_left_alone(provider: KameleoonProvider) -> None:
    headers = [(b"x-a", b"b")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    sent = call(KameleoonASGIMiddleware(app, provider), {"type": "http", "method": "GET", "path": "/", "headers": []})

    assert [name for name, _ in sent[0]["headers"]] == [b"x-a", b"set-cookie"]
    assert headers == [(b"x-a", b"b")]
