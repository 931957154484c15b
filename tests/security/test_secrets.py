"""No secret and nothing of a visitor is shown by what a whole client logs, raises, holds or writes (R18).

The guard of ``tests/conftest.py`` looks at the logs of all other tests in the same way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
import requests
import urllib3
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from requests.adapters import BaseAdapter
from urllib3.connection import HTTPConnection

from openfeature_kameleoon import (
    Conversion,
    CustomData,
    EventType,
    KameleoonClient,
    KameleoonClientConfiguration,
    KameleoonProvider,
)
from openfeature_kameleoon.errors import KameleoonError
from tests import conftest
from tests.chaos import hangs, reply, resets, sends
from tests.kameleoon import EVENTS, MAP, SSE, TOKEN, VISITOR, FakeKameleoon
from tests.process.reporting import SITE
from tests.redis_server import RedisServer, redis_binary
from tests.security.canaries import forms, reachable, shown

CLIENT_ID = "client-id"
CLIENT_SECRET = "canary/client+secret&="
FIRST_TOKEN, SECOND_TOKEN = "canary~token/one+==", "canary~token/two+=="
REDIS_PASSWORD = "canary/redis+password&="
PROXY_PASSWORD = "canary-proxy-password"
"""Of these characters: others requests takes apart in ways of its own."""

VISITOR_CODE = "canary visitor/é+&="
LONG_CODE = "canary" * 50
DATUM = "canary datum/é+&="
COOKIE = "canary cookie"

SECRETS = {
    form
    for secret in (CLIENT_SECRET, FIRST_TOKEN, SECOND_TOKEN, REDIS_PASSWORD, PROXY_PASSWORD)
    for form in forms(secret, f"{CLIENT_ID}:", "user:", ":")
}
PERSONAL = {form for text in (VISITOR_CODE, DATUM, COOKIE) for form in forms(text)} | {LONG_CODE}

FOREIGN = (
    *(requests.Session, BaseAdapter, urllib3.PoolManager, urllib3.HTTPConnectionPool, HTTPConnection),
    redis.connection.AbstractConnection,
)
"""What was given a proxy's or Redis's password, and is not ours to change."""

CONTEXT = EvaluationContext(VISITOR_CODE, {"plan": DATUM, "cookie": {"name": COOKIE}})

MOVED = f"http://user:{PROXY_PASSWORD}@elsewhere.example/{quote(DATUM)}?visitorCode={quote(VISITOR_CODE)}"

TROUBLES: dict[str, Callable[[FakeKameleoon], None]] = {
    "none": lambda server: None,
    "everything resets": lambda server: breaks(server, resets()),
    "everything hangs": lambda server: breaks(server, hangs()),
    "everything fails and repeats what was sent": lambda server: breaks(
        server, reply(500, "\n".join(SECRETS).encode())
    ),
    "everything is refused": lambda server: breaks(server, reply(401)),
    "everything is moved": lambda server: breaks(server, reply(302, b"", {"Location": MOVED})),
    "nothing is HTTP": lambda server: breaks(server, sends("\r\n".join(SECRETS | PERSONAL).encode())),
    "tokens are refused": lambda server: server.fail(EVENTS, reply(401), reply(401)),
}


def breaks(server: FakeKameleoon, answer: Any) -> None:
    """Have all routes but that of the data file answer so; without that one there would be nothing to evaluate."""
    for route in (EVENTS, VISITOR, MAP, SSE, TOKEN):
        server.break_down(route, answer)


@pytest.fixture(scope="module")
def redis_with_password() -> Iterator[RedisServer]:
    redis_binary()
    server = RedisServer(password=REDIS_PASSWORD)

    yield server

    server.close()


class Observer:
    """Is told of requests, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def on_request_succeeded(self, *told: object) -> None:
        self.told += told

    def on_request_failed(self, *told: object) -> None:
        self.told += told


def opened(server: FakeKameleoon, folder: Path, redis_url: str | None) -> KameleoonClient:
    """A client that has every secret there is."""
    settings = KameleoonClientConfiguration(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        redis_url=redis_url,
        redis_timeout_millisecond=1000,
        cache_directory=folder / "cache",
        tracking_directory=folder / "tracking",
        real_time_update=True,
        default_timeout_millisecond=150,
        shutdown_timeout_millisecond=200,
    )
    return KameleoonClient("site", configuration_object=settings, endpoints=server.endpoints, autostart=False)


def failures_of(client: KameleoonClient, provider: KameleoonProvider) -> list[BaseException]:
    """What is raised when everything is done that can be done, much of it wrong."""
    calls: list[Callable[[], object]] = [
        lambda: client.wait_init(5000),
        lambda: provider.initialize(CONTEXT),
        lambda: client.get_variation(VISITOR_CODE, "no flag"),
        lambda: client.get_variation(LONG_CODE, "on"),
        lambda: client.get_variation(VISITOR_CODE + "\n", "on"),
        lambda: client.add_data(VISITOR_CODE, CustomData("note", DATUM), Conversion(5)),
        lambda: client.track_conversion(VISITOR_CODE, 5, float("nan")),
        lambda: client.track_conversion(VISITOR_CODE, 5, metadata=[CustomData(0, DATUM)]),
        lambda: client.get_remote_visitor_data(VISITOR_CODE, timeout=0.15),
        lambda: client.get_remote_data("key", timeout=0.15),
        lambda: client.get_visitor_warehouse_audience(VISITOR_CODE, 0, timeout=0.15),
        lambda: client.set_forced_variation(VISITOR_CODE, 1, "no variation"),
        client.refresh,
        lambda: client.flush(VISITOR_CODE, timeout=0.15),
        lambda: client.add_data(VISITOR_CODE, DATUM),  # type: ignore[arg-type]  # that is wrong
    ]
    raised: list[BaseException] = []
    for call in calls:
        try:
            call()
        except (KameleoonError, TypeError, ValueError) as error:
            raised.append(error)
    return raised


@pytest.mark.parametrize(
    ("trouble", "shares_visitors"),
    [
        *((trouble, False) for trouble in TROUBLES),
        ("none", True),
        *(pytest.param(trouble, True, marks=pytest.mark.soak) for trouble in TROUBLES if trouble != "none"),
    ],
)
def test_r18_no_secret_is_shown_whatever_happens(
    trouble: str,
    shares_visitors: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    redis_url = request.getfixturevalue("redis_with_password").url if shares_visitors else None
    observer = Observer()
    with FakeKameleoon(SITE) as server:
        monkeypatch.setenv("http_proxy", f"http://user:{PROXY_PASSWORD}@127.0.0.1:{server.port}")
        server.tokens = [(FIRST_TOKEN, 3600), (SECOND_TOKEN, 3600)]
        datum = {"data": {"index": 0, "valuesCountMap": {DATUM: 1}}}
        server.visitors[VISITOR_CODE] = {"currentVisit": {"customDataEvents": [datum]}}
        server.values["key"] = {"canary": "canary"}
        client = opened(server, tmp_path, redis_url)
        client.set_event_handler(EventType.HTTP_REQUEST, observer)
        provider = KameleoonProvider("site", client=client)
        assert client.wait_init(5000)
        TROUBLES[trouble](server)

        details: list[FlagResolutionDetails[Any]] = [
            provider.resolve_boolean_details(key, False, CONTEXT) for key in ("on", "vips", "no flag")
        ]
        details.append(provider.resolve_boolean_details("on", False, EvaluationContext(LONG_CODE)))
        details.append(provider.resolve_object_details("on", {}, EvaluationContext(VISITOR_CODE, {"device": DATUM})))
        provider.track("no goal", CONTEXT)
        provider.track("5", EvaluationContext(LONG_CODE))
        failures = failures_of(client, provider)
        names = [thread.name for thread in threading.enumerate()]
        telling = objects_that_tell(provider, client, observer)
        status = f"{client.status()} {client!r} {provider!r} {client.configuration!r}"
        client.close()
        sent = "\n".join(value for one in server.received for value in one.headers.values())

    all_canaries = SECRETS | PERSONAL
    logs = "\n".join(f"{record.name} {record.getMessage()} {record.args!r}" for record in caplog.records)
    assert shown(sent, forms(PROXY_PASSWORD, "user:")), "the proxy's password was not used at all"
    assert "urllib3" in logs
    assert shown(logs, all_canaries) == []
    assert shown(status, all_canaries) == []
    assert shown(" ".join(names), all_canaries) == []
    assert shown("\n".join(f"{detail!r}" for detail in details), all_canaries) == []
    assert len(failures) > 3
    for failure in failures:
        texts = [str(failure), repr(failure), *traceback.format_exception(failure)]
        assert shown("\n".join(texts), all_canaries - {LONG_CODE}) == []
        with_locals = traceback.TracebackException.from_exception(failure, capture_locals=True).format()
        assert shown("\n".join(with_locals), SECRETS) == []
    assert telling == []
    paths = [path for place in os.walk(tmp_path) for path in (place[0], *place[1], *place[2])]
    assert shown("\n".join(paths).replace(str(tmp_path), ""), [*all_canaries, "canary"]) == []
    assert len(paths) > 4


def objects_that_tell(*roots: object) -> list[type]:
    """The types of what shows a secret, and of what is ours and shows anything of a visitor."""
    telling = []
    for found in reachable(*roots, closed=FOREIGN):
        is_ours = type(found).__module__.startswith("openfeature_kameleoon")
        if shown(as_text(found), SECRETS | PERSONAL if is_ours else SECRETS):
            telling.append(type(found))
    return telling


def as_text(found: object) -> str:
    """What an object shows of itself; bytes as text."""
    if isinstance(found, bytes):
        return found.decode("latin-1")
    with contextlib.suppress(Exception):  # a foreign object that cannot be shown shows nothing
        return f"{found!r} {found!s}"
    return ""


@pytest.mark.parametrize(
    ("logger", "say"),
    [
        ("openfeature_kameleoon.x", lambda log: log.debug("a %s", CLIENT_SECRET.replace("canary", "secret"))),
        ("urllib3.connectionpool", lambda log: log.debug("GET /?visitorCode=%s", VISITOR_CODE)),
        ("anything", lambda log: log.debug("the arguments show it: %d", 1, extra={}) or log.info("%.1s", VISITOR_CODE)),
        ("openfeature_kameleoon.x", lambda log: log.info("two\nlines")),
        ("openfeature_kameleoon.x", lambda log: log.warning("%s", "x" * 1000)),
    ],
)
def test_r18_the_guard_of_all_tests_notices(logger: str, say: Callable[[logging.Logger], object]) -> None:
    KameleoonClientConfiguration(client_id="id", client_secret=CLIENT_SECRET.replace("canary", "secret"))

    say(logging.getLogger(logger))

    told = list(conftest.told)
    conftest.told.clear()
    assert len(told) == 1
