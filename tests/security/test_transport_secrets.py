"""What speaks with Kameleoon shows neither the client secret nor a token, whatever happens (reliability.md R18)."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import Attempt
from openfeature_kameleoon.transport.data_api import DataApi
from openfeature_kameleoon.transport.http import Http
from openfeature_kameleoon.transport.token import AccessTokens
from tests.chaos import Answer, hangs, reply, resets, sends
from tests.clock import FakeClock
from tests.kameleoon import EVENTS, MAP, TOKEN, FakeKameleoon
from tests.security.canaries import forms, reachable, shown

CLIENT_ID = "client-id"
SECRET = "canary/secret+&="
FIRST, SECOND = "canary~token/one+==", "canary~token/two+=="


CANARIES = {form for secret in (SECRET, FIRST, SECOND) for form in forms(secret, f"{CLIENT_ID}:")}


BODY_WITH_TOKEN = json.dumps({"access_token": FIRST, "expires_in": "soon"}).encode()

TROUBLES: dict[str, tuple[str, list[Answer]]] = {
    "none": (MAP, []),
    "the Data API resets": (MAP, [resets()]),
    "the Data API hangs": (MAP, [hangs()]),
    "the Data API redirects": (MAP, [reply(307, b"", {"Location": "https://evil.example/"})]),
    "the Data API is down": (MAP, [reply(503, FIRST.encode())]),
    "its answer holds the token and does not decode": (MAP, [reply(200, f"{{{FIRST}".encode())]),
    "its headers are broken": (MAP, [sends(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}")]),
    "one token is refused": (MAP, [reply(401)]),
    "all tokens are refused": (MAP, [reply(401)] * 3),
    "the token server resets": (TOKEN, [resets()]),
    "the token server refuses": (TOKEN, [reply(401, SECRET.encode())]),
    "the token server redirects": (TOKEN, [reply(302, b"", {"Location": "https://evil.example/"})]),
    "the token server's answer is cut": (
        TOKEN,
        [sends(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + BODY_WITH_TOKEN)],
    ),
    "the token server's answer makes no sense": (TOKEN, [reply(200, BODY_WITH_TOKEN)]),
    "the token server's answer is no JSON": (TOKEN, [reply(200, BODY_WITH_TOKEN[:-1])]),
}


def calls(api: DataApi) -> list[RequestFailed]:
    """How calls fail; in a function of its own, as tracebacks show what else the frames on their way hold."""
    failures = []
    for _ in range(2):
        try:
            api.value("key", timeout=0.2)
        except RequestFailed as failure:
            failures.append(failure)
    api.send_events(b"nonce=1", timeout=5)
    return failures


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("threads", [True, False])
def test_no_secret_is_shown_by_logs_exceptions_or_objects(
    trouble: str, threads: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[Attempt] = []
    with FakeKameleoon() as server:
        server.tokens = [(FIRST, 3600), (SECOND, 3600)]
        server.values["key"] = {}
        route, answers = TROUBLES[trouble]
        server.fail(route, *answers)
        http = Http(observe=told.append)
        tokens = AccessTokens(
            http,
            (CLIENT_ID, Secret(SECRET)),
            token_url=server.endpoints.token_url("site1"),
            threads=threads,
            clock=FakeClock(),
        )
        api = DataApi(http, tokens, "site1", server.endpoints)
        failures = calls(api)

        held = list(reachable(api, http, tokens, told, failures))
        requests = [*server.requests(MAP), *server.requests(EVENTS), *server.requests(TOKEN)]
        api.close()

    formatter = logging.Formatter("%(name)s %(message)s %(args)s")
    logs = "\n".join(formatter.format(record) for record in caplog.records)
    told_of = "\n".join(
        line
        for failure in (*failures, *(attempt.failure for attempt in told if attempt.failure))
        for line in traceback.TracebackException.from_exception(failure, capture_locals=True).format()
    )
    sent = "\n".join(value for request in requests for value in request.headers.values())
    assert shown(sent, CANARIES), "the secrets were not used at all"
    assert "urllib3" in logs
    assert shown(logs, CANARIES) == []
    assert shown(told_of, CANARIES) == []
    assert [text for text in map(str, told) if shown(text, CANARIES)] == []
    assert [type(found) for found in held if isinstance(found, (str, bytes)) and shown(_text(found), CANARIES)] == []
    assert [type(found) for found in held if not isinstance(found, (str, bytes)) and shown(repr(found), CANARIES)] == []


def test_urls_hold_no_secret() -> None:
    with FakeKameleoon() as server:
        server.tokens = [(FIRST, 3600)]
        http = Http()
        tokens = AccessTokens(http, (CLIENT_ID, Secret(SECRET)), token_url=server.endpoints.token_url("s"))
        DataApi(http, tokens, "s", server.endpoints).send_events(b"nonce=1", timeout=5)
        tokens.close()
        http.close()

    assert len(server.received) == 2
    assert shown(" ".join(request.target for request in server.received), CANARIES) == []


def test_a_token_is_neither_copied_nor_pickled_in_plain() -> None:
    token = Secret(FIRST)

    assert copy.deepcopy(token) is token
    with pytest.raises(TypeError):
        pickle.dumps({"token": token})


def _text(found: object) -> str:
    return found.decode("latin-1") if isinstance(found, bytes) else str(found)
