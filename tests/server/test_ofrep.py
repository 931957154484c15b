"""OFREP as bytes on a socket, and through OpenFeature's stock clients for Python and JavaScript."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.ofrep import MOST_CLIENTS, Allowance
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import wait_until
from tests.cli.running import process
from tests.clock import FakeClock
from tests.server.asking import Reply, ask
from tests.server.ofrep_site import ANSWERS, CONTEXT, DATA_FILE, DISABLED, Asked
from tests.vectors import as_bytes

FLAGS = "/ofrep/v1/evaluate/flags"
KEY = "a-key-of-ofreps-own"


def site_of_all() -> Site:
    site = Site("site")
    site.publish(DATA_FILE)
    return site


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[LocalServer]:
    """A server that has answered once: what it opens for itself is open, and no test's leak."""
    with LocalServer(Serving(site_of_all(), token="the-token", **settings)) as server:
        assert ask(server, "/healthz").status == 200
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A server for all tests here that leave it as it is."""
    with serving() as server:
        yield server


@pytest.fixture
def site(server: LocalServer) -> Iterator[Site]:
    """Its site, whose overrides are gone after the test."""
    site = server.serving.site

    yield site

    site.reset()


def evaluate(server: LocalServer, key: str, context: object = CONTEXT, **headers: str | None) -> Reply:
    return ask(server, f"{FLAGS}/{quote(key)}", "POST", as_bytes({"context": context}), **headers)


def evaluate_all(server: LocalServer, context: object = CONTEXT, **headers: str | None) -> Reply:
    return ask(server, FLAGS, "POST", as_bytes({"context": context}), **headers)


def content(reply: Reply) -> Any:
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.body)


# One flag -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ANSWERS, ids=lambda asked: asked.flag)
def test_a_flag_is_answered_as_our_own_provider_does(site: Site, server: LocalServer, asked: Asked) -> None:
    provider = KameleoonProvider("site", client=site.client)
    context = EvaluationContext("somebody", {"plan": "vip"})
    details = getattr(provider, f"resolve_{asked.type}_details")(asked.flag, asked.fallback, context)

    reply = evaluate(server, asked.flag)

    assert reply.status == 200
    assert content(reply) == {
        "key": asked.flag,
        "value": asked.value,
        "variant": asked.variant,
        "reason": asked.reason,
        "metadata": details.flag_metadata,
    }
    assert (details.value, details.variant, details.reason) == (asked.value, asked.variant, asked.reason)


def test_a_float_is_one_also_where_this_variation_has_a_whole_number(server: LocalServer) -> None:
    reply = evaluate(server, "whole ratio")

    assert b'"value":10.0' in reply.body


def test_the_context_names_another_variable(site: Site, server: LocalServer) -> None:
    reply = evaluate(server, "layout", {**CONTEXT, "variableKey": "nothing like it"})

    assert (reply.status, content(reply)["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert content(evaluate(server, "layout", {**CONTEXT, "variableKey": "it"}))["value"]["columns"] == [1, 2]


def test_a_flag_that_is_off_has_no_value_but_a_variant_and_a_reason(server: LocalServer) -> None:
    reply = evaluate(server, DISABLED)

    answer = content(reply)
    assert (reply.status, answer["reason"], answer["variant"]) == (200, "DISABLED", "")
    assert "value" not in answer


def test_an_overridden_flag_says_so(site: Site, server: LocalServer) -> None:
    site.override("plain", Override(variation="off"))

    overridden = content(evaluate(server, "plain"))
    other = content(evaluate(server, "beta"))

    assert (overridden["value"], overridden["metadata"]["overridden"]) == (False, True)
    assert "overridden" not in other["metadata"]


@pytest.mark.parametrize("path", ["a/b/c%20d", "a%2Fb%2Fc%20d", "a%2fb/c%20d"])
def test_a_key_may_hold_slashes_encoded_or_not(server: LocalServer, path: str) -> None:
    reply = ask(server, f"{FLAGS}/{path}", "POST", as_bytes({"context": CONTEXT}))

    assert content(reply)["key"] == "a/b/c d"
    assert content(reply)["value"] == "by path"


@pytest.mark.parametrize(
    ("key", "context", "status", "code"),
    [
        ("no such flag", CONTEXT, 404, "FLAG_NOT_FOUND"),
        ("no/such/flag", CONTEXT, 404, "FLAG_NOT_FOUND"),
        ("", CONTEXT, 404, "FLAG_NOT_FOUND"),
        ("malformed", CONTEXT, 400, "PARSE_ERROR"),
        ("nothing", CONTEXT, 400, "GENERAL"),  # a null, which is no value of any type
        ("plain", {}, 400, "TARGETING_KEY_MISSING"),
        ("plain", {"targetingKey": ""}, 400, "TARGETING_KEY_MISSING"),
        ("plain", {"targetingKey": None}, 400, "TARGETING_KEY_MISSING"),
        ("plain", {"targetingKey": 5}, 400, "INVALID_CONTEXT"),
        ("plain", {"targetingKey": "x" * 256}, 400, "INVALID_CONTEXT"),
        ("plain", {"targetingKey": "a\nb"}, 400, "INVALID_CONTEXT"),
        ("plain", {**CONTEXT, "variableKey": []}, 400, "INVALID_CONTEXT"),
        ("plain", {**CONTEXT, "device": {"deviceType": "TOASTER"}}, 400, "INVALID_CONTEXT"),
        ("plain", [], 400, "INVALID_CONTEXT"),
        ("plain", None, 400, "INVALID_CONTEXT"),
    ],
)
def test_an_error_has_its_shape_and_status(
    server: LocalServer, key: str, context: object, status: int, code: str
) -> None:
    reply = evaluate(server, key, context)

    answer = content(reply)
    assert (reply.status, answer["key"], answer["errorCode"]) == (status, key, code)
    assert answer["errorDetails"]
    assert "value" not in answer


HOSTILE = [
    *(b"", b"{", b"nonsense", b"\xff\xfe", b'{"context": {"targetingKey": "\xff"}}', b"\x00" * 1000),
    *(b'{"context": ' * 5000, b'{"context": {"x": ' + b"[" * 100_000, b'{"context": {"targetingKey": "\\ud800"}}'),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/plain"])
def test_a_body_that_cannot_be_read_is_refused_in_ofreps_words(server: LocalServer, path: str, body: bytes) -> None:
    reply = ask(server, path, "POST", body)

    assert reply.status == 400
    assert content(reply)["errorCode"] == "PARSE_ERROR"
    assert content(reply).get("key", "plain") == "plain"
    assert evaluate(server, "plain").status == 200


def test_a_site_without_a_data_file_is_not_ready() -> None:
    site = Site("site")
    with contextlib.closing(site.client), LocalServer(Serving(site)) as server:
        one, every = evaluate(server, "plain"), evaluate_all(server)

    assert (one.status, content(one)["errorCode"]) == (500, "PROVIDER_NOT_READY")
    assert (every.status, content(every)["errorCode"]) == (500, "PROVIDER_NOT_READY")


def test_only_what_the_protocol_has_is_there(server: LocalServer) -> None:
    assert ask(server, f"{FLAGS}/plain").status == 405
    assert ask(server, "/ofrep/v1/configuration").status == 404  # the protocol gave it up before 0.3


# All flags ------------------------------------------------------------------------------------------------------------


def test_all_flags_come_at_once_each_with_its_value_or_its_error(server: LocalServer) -> None:
    every = content(evaluate_all(server))["flags"]

    each = [content(evaluate(server, flag["key"])) for flag in every]
    assert every == each
    assert {asked.flag for asked in ANSWERS} < {flag["key"] for flag in every}
    assert {flag["errorCode"] for flag in every if "errorCode" in flag} == {"PARSE_ERROR", "GENERAL"}


@pytest.mark.parametrize(
    ("context", "code"),
    [({}, "TARGETING_KEY_MISSING"), ({"targetingKey": 5}, "INVALID_CONTEXT"), ([], "INVALID_CONTEXT")],
)
def test_without_a_visitor_no_flag_is_evaluated(server: LocalServer, context: object, code: str) -> None:
    reply = evaluate_all(server, context)

    assert reply.status == 400
    assert content(reply) == {"errorCode": code, "errorDetails": content(reply)["errorDetails"]}


def test_what_a_client_has_already_is_not_sent_again(site: Site, server: LocalServer) -> None:
    tag = evaluate_all(server).headers["etag"]

    again = [evaluate_all(server, if_none_match=tags) for tags in (tag, f'"other", W/{tag}', "*")]
    assert [(reply.status, reply.body, reply.headers["etag"]) for reply in again] == [(304, b"", tag)] * 3

    assert evaluate_all(server, if_none_match='"other"').status == 200
    site.override("plain", Override(variation="off"))
    changed = evaluate_all(server, if_none_match=tag)
    assert (changed.status, changed.headers["etag"] != tag) == (200, True)


def test_the_tag_is_of_what_is_answered(server: LocalServer) -> None:
    plans = ("vip", "gold", "vip")
    tags = [evaluate_all(server, {"targetingKey": "a visitor", "plan": plan}).headers["etag"] for plan in plans]

    assert tags[0] == tags[2] != tags[1]


def stream_path(server: LocalServer) -> str:
    [stream] = content(evaluate_all(server))["eventStreams"]
    assert stream["type"] == "sse"
    path: str = stream["endpoint"]["requestUri"]
    return path


def test_changes_are_told_on_the_stream_that_all_flags_announce(site: Site, server: LocalServer) -> None:
    path, replies = stream_path(server), list[Reply]()
    reading = threading.Thread(target=lambda: replies.append(ask(server, path)))
    reading.start()
    wait_until(lambda: len(server.serving.ofrep.streams) == 1)

    site.override("plain", Override(variation="off"))
    server.serving.ofrep.streams.end()
    reading.join()

    [reply] = replies
    assert site.served is not None
    told = {"type": "refetchEvaluation", "lastModified": site.served.timestamp // 1000}
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert f"event: message\ndata: {json.dumps(told, separators=(',', ':'))}\n\n".encode() in reply.body


# Who may ask, and how often -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed() -> Iterator[LocalServer]:
    with serving(ofrep_key=KEY) as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 403),
        ({"x_api_key": "wrong"}, 403),
        ({"x_api_key": KEY[:-1]}, 403),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"x_api_key": KEY}, 200),
        ({"x_api_key": "the-token"}, 200),  # who may write may read
    ],
)
def test_a_key_of_ofreps_own_is_asked_for(keyed: LocalServer, headers: Mapping[str, str], status: int) -> None:
    assert evaluate(keyed, "plain", **headers).status == status
    assert evaluate_all(keyed, **headers).status == status


def test_the_key_opens_nothing_else(keyed: LocalServer) -> None:
    assert ask(keyed, "/change", "POST", x_api_key=KEY).status == 401


def test_elsewhere_than_here_the_token_is_asked_for() -> None:
    with serving(host="0.0.0.0") as server:
        statuses = [evaluate(server, "plain", x_api_key=key).status for key in (None, "wrong", "the-token")]

    assert statuses == [401, 403, 200]


def test_the_stream_needs_the_secret_of_its_address_alone(keyed: LocalServer) -> None:
    [stream] = content(evaluate_all(keyed, x_api_key=KEY))["eventStreams"]
    path = stream["endpoint"]["requestUri"]

    assert ask(keyed, path.partition("?")[0]).status == 403
    assert ask(keyed, f"{path}x", x_api_key=KEY).status == 403


def test_who_asks_too_often_is_told_when_to_come_again() -> None:
    with serving(ofrep_rate=0.1) as server:
        first, second, every = evaluate(server, "plain"), evaluate(server, "plain"), evaluate_all(server)

    assert (first.status, second.status, every.status) == (200, 429, 429)
    assert 1 <= int(second.headers["retry-after"]) <= 10
    assert content(second)["errorCode"] == "GENERAL"


def test_an_allowance_fills_again_for_each_client_by_itself() -> None:
    clock = FakeClock()
    allowance = Allowance(4.0, clock=clock)

    assert [allowance.take("one") for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]
    assert allowance.take("another") == 0.0
    clock.advance(0.25)
    assert [allowance.take("one") for _ in range(2)] == [0.0, 0.25]
    clock.advance(3600.0)
    assert [allowance.take("one") for _ in range(5)].count(0.0) == 4


def test_allowances_of_ever_more_clients_take_no_more_memory() -> None:
    allowance = Allowance(1.0, clock=FakeClock())

    for number in range(MOST_CLIENTS + 100):
        allowance.take(str(number))

    assert len(allowance._buckets) == MOST_CLIENTS


def test_the_command_takes_key_and_rate(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(DATA_FILE)
    serve = ("-m", "openfeature_kameleoon.cli", "serve", "--data-file", str(path), "--port", "0")

    with process(*serve, "--ofrep-key", KEY, "--ofrep-rate", "0.1") as program:
        assert program.stderr is not None
        url = f"{program.stderr.readline().split()[-1]}{FLAGS}/plain"
        keys = ["wrong", KEY, KEY]
        statuses = [
            requests.post(url, headers={"X-API-Key": key}, json={"context": CONTEXT}).status_code for key in keys
        ]
        program.terminate()

    assert statuses == [403, 200, 429]


# Python's stock client ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def stock(server: LocalServer, key: str = "") -> Iterator[Any]:
    """The client of OpenFeature's API, on top of the stock provider."""
    provider = OFREPProvider(server.url, headers_factory=lambda: {"X-API-Key": key} if key else {})
    api.set_provider_and_wait(provider, "ofrep")
    try:
        yield api.get_client("ofrep")
    finally:
        api.shutdown()
        provider.session.close()


SOMEBODY = EvaluationContext("somebody", {"plan": "vip"})


@pytest.mark.parametrize("asked", ANSWERS, ids=lambda asked: asked.flag)
def test_pythons_client_has_each_type(server: LocalServer, asked: Asked) -> None:
    with stock(server) as client:
        details = getattr(client, f"get_{asked.type}_details")(asked.flag, asked.fallback, SOMEBODY)

    assert (details.value, details.error_code) == (asked.value, None)
    assert type(details.value) is type(asked.value)
    assert (details.reason, details.variant) == (Reason[asked.reason], asked.variant)
    assert details.flag_metadata["siteCode"] == "site"


def test_pythons_client_has_its_own_default_where_a_flag_is_off(server: LocalServer) -> None:
    with stock(server) as client:
        details = client.get_string_details(DISABLED, "my own", SOMEBODY)

    assert (details.value, details.reason, details.error_code) == ("my own", Reason.DISABLED, None)


@pytest.mark.parametrize(
    ("key", "context", "code"),
    [
        ("no such flag", SOMEBODY, ErrorCode.FLAG_NOT_FOUND),
        ("malformed", SOMEBODY, ErrorCode.PARSE_ERROR),
        ("colour", SOMEBODY, ErrorCode.TYPE_MISMATCH),  # the client's own finding
        ("plain", None, ErrorCode.TARGETING_KEY_MISSING),
        ("plain", EvaluationContext("x" * 256), ErrorCode.INVALID_CONTEXT),
        ("nothing", SOMEBODY, ErrorCode.GENERAL),
    ],
)
def test_pythons_client_understands_each_error(
    server: LocalServer, key: str, context: EvaluationContext | None, code: ErrorCode
) -> None:
    with stock(server) as client:
        details = client.get_boolean_details(key, True, context)

    assert (details.value, details.error_code) == (True, code)
    assert details.error_message


def test_pythons_client_is_let_in_with_the_key(keyed: LocalServer) -> None:
    with stock(keyed, KEY) as client:
        assert client.get_boolean_value("plain", False, SOMEBODY) is True
    with stock(keyed, "wrong") as client:
        assert client.get_boolean_details("plain", False, SOMEBODY).error_message == "forbidden"
    with stock(keyed) as client:
        assert client.get_boolean_details("plain", False, SOMEBODY).error_message == "unauthorized"


def test_pythons_client_pauses_when_it_is_told_to() -> None:
    with serving(ofrep_rate=0.1) as server, stock(server) as client:
        messages = [client.get_boolean_details("plain", False, SOMEBODY).error_message for _ in range(3)]

    assert messages[0] is None
    assert "Rate limited" in messages[1]
    assert "paused" in messages[2]


# JavaScript's stock clients -------------------------------------------------------------------------------------------

PROGRAMS = Path(__file__).with_name("javascript")
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs that have the packages they import. No test without node, or without the packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node, or no npm")
    folder = tmp_path_factory.mktemp("javascript")
    for path in PROGRAMS.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    try:
        subprocess.run(INSTALL, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"npm cannot install the stock clients: {error}")
    return folder


def in_javascript(server: LocalServer, *asked: Asked, **more: object) -> str:
    names = {"integer": "Number", "float": "Number"}
    cases = [
        {"flag": quote(each.flag), "type": names.get(each.type, each.type.title()), "fallback": each.fallback}
        for each in asked
    ]
    return json.dumps({"baseUrl": server.url, "context": CONTEXT, "cases": cases, **more})


def test_javascripts_server_client_has_each_type_and_error(javascript: Path, keyed: LocalServer) -> None:
    missing = Asked("no such flag", "boolean", True, True, "ERROR")
    malformed = Asked("malformed", "object", {}, {}, "ERROR")
    off = Asked(DISABLED, "string", "my own", "my own", "DISABLED")
    given = in_javascript(keyed, *ANSWERS, missing, malformed, off, key=KEY)

    run = subprocess.run(
        ["node", "one_by_one.mjs"],
        check=True,
        cwd=javascript,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )

    *answers, of_missing, of_malformed, of_off = json.loads(run.stdout)
    assert [(each["value"], each["reason"], each["variant"]) for each in answers] == [
        (asked.value, asked.reason, asked.variant) for asked in ANSWERS
    ]
    assert (of_missing["value"], of_missing["errorCode"]) == (True, "FLAG_NOT_FOUND")
    assert (of_malformed["value"], of_malformed["errorCode"]) == ({}, "PARSE_ERROR")
    assert of_off["value"] == "my own"  # 0.1 calls it an error, as it knows no answer without a value


def test_javascripts_web_client_has_all_flags_and_hears_of_changes(
    javascript: Path, site: Site, server: LocalServer
) -> None:
    asked = [each for each in ANSWERS if each.flag == quote(each.flag)]
    with subprocess.Popen(
        ["node", "all_at_once.mjs"], cwd=javascript, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        ending = threading.Timer(60, program.kill)  # so that nobody waits for ever for a line that does not come
        ending.start()
        program.stdin.write(in_javascript(server, *asked) + "\n")
        program.stdin.flush()
        lines = [json.loads(program.stdout.readline()) for _ in range(2)]
        site.override("plain", Override(variation="off"))
        changed = json.loads(program.stdout.readline())
        program.stdin.write("that is all\n")
        ending.cancel()
        ending.join()

    [before] = [line["answers"] for line in lines if "answers" in line]
    assert {"stream": 200} in lines
    assert [each["value"] for each in before] == [each.value for each in asked]
    assert asked[0].flag in changed["flagsChanged"]
    assert changed["answers"][0]["value"] is False
    assert changed["answers"][0]["flagMetadata"]["overridden"] is True
