"""Text that others wrote forges no line of the log: it is on one line, escaped and cut, wherever it came in (R24).

The guard of ``tests/conftest.py`` looks at every record of ours, at any level; these tests have hostile text logged.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.transport.foreign_text import printable
from tests import conftest
from tests.chaos import reply, response_bytes, sends, wait_until
from tests.faces import flag, rule, site
from tests.kameleoon import DATA_FILE, EVENTS, MAP, TOKEN, VISITOR, FakeKameleoon

LIMIT = 200

LINES = ["\n", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c"]
TERMINAL = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x08", "\x7f", "\x00"]
INVISIBLE = ["\u202e", "\u2066", "\u200b", "\ufeff", "\u00ad", "\U000e0041"]
FORGED = "WARNING openfeature_kameleoon.client: all is well"

ALPHABET = st.one_of(
    st.sampled_from([*LINES, *TERMINAL, *INVISIBLE, FORGED, "%s", "%(name)s", "{}", "&=;,", "é", "x" * 300]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
HOSTILE = st.lists(ALPHABET, min_size=1, max_size=6).map("".join).filter(bool)


def loaded(server: FakeKameleoon, **given_settings: Any) -> KameleoonClient:
    """A client without threads that has looked for a data file once."""
    configuration = KameleoonClientConfiguration(
        multi_threading=False, default_timeout_millisecond=5000, shutdown_timeout_millisecond=10, **given_settings
    )
    client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints)
    client.wait_init()
    return client


def texts_of(client: KameleoonClient) -> str:
    """What the client tells of its state."""
    status = client.status()
    return f"{status.data_file.last_error} {'' if status.sender is None else status.sender.last_error}"


def header(text: str) -> str:
    """What of a text can be sent in a header that is no two."""
    return text.encode("latin-1", "replace").decode("latin-1").replace("\r", "").replace("\n", "")


# Where text comes in: each has the client work with it, and gives what is told elsewhere than in the log -------------

Telling = Callable[[FakeKameleoon, str, Path], str]


def flag_that_is_malformed(server: FakeKameleoon, text: str, _: Path) -> str:
    broken = {"featureKey": text, "rules": text, "variations": [text]}
    server.publish(site(flag("on", rule(1, ("on", 1))), {**flag(text), "id": 2, **broken}))
    with contextlib.closing(loaded(server)) as client:
        details = KameleoonProvider("site", client=client).resolve_boolean_details(text, False, EvaluationContext("a"))
        return f"{texts_of(client)} {details.error_message or ''}"


def data_file_that_makes_no_sense(server: FakeKameleoon, text: str, _: Path) -> str:
    told = ""
    bodies = (text, {"featureFlags": text}, {"featureFlags": [text]}, {text: text}, {"configuration": text})
    for body in bodies:
        server.publish(body.encode() if isinstance(body, str) else json.dumps(body).encode())
        with contextlib.closing(loaded(server)) as client:
            told += texts_of(client)
    return told


def host_in_the_data_file(server: FakeKameleoon, text: str, _: Path) -> str:
    server.publish(site(flag("on"), configuration={"dataApiDomain": text}))
    configuration = KameleoonClientConfiguration(data_file=f"{server.url}/v3/", multi_threading=False)
    with contextlib.closing(KameleoonClient("site", configuration_object=configuration)) as client:
        client.wait_init()
        return str(client.data_api.endpoints)


def condition_of_the_data_file(server: FakeKameleoon, text: str, _: Path) -> str:
    condition = {"targetingType": text, "value": text}
    pattern = {"targetingType": "PAGE_URL", "matchType": "REGULAR_EXPRESSION", "url": text}
    segments = [
        {"id": number, "name": text, "conditionsData": {"firstLevel": [{"conditions": [one]}]}}
        for number, one in enumerate((condition, pattern))
    ]
    flags = [flag(f"f{number}", rule(number + 1, ("on", 1), segment_id=number)) for number in range(2)]
    server.publish(site(*flags, segments=segments))
    with contextlib.closing(loaded(server)) as client:
        client.get_variations("somebody")
        return texts_of(client)


def answers_of_the_server(server: FakeKameleoon, text: str, _: Path) -> str:
    told = ""
    server.publish(site(flag("on", rule(1, ("on", 1), kind="EXPERIMENTATION"))))
    for answer in (
        reply(500, text.encode()),
        reply(302, b"", {"Location": f"http://{header(text)}/"}),
        reply(200, text.encode(), {"Content-Type": header(text)}),
        reply(200, b"{}", {"Content-Encoding": header(text)}),
        reply(503, b"", {"Retry-After": header(text)}),
        sends(f"HTTP/1.1 500 {text}\r\n\r\n".encode()),
        sends(f"{text}\r\n\r\n".encode()),
        sends(response_bytes(200, b"{}", {"X": ""}).replace(b"\r\n\r\n", b"\r\n" + text.encode() + b"\r\n\r\n")),
    ):
        server.fail(DATA_FILE, answer)
        with contextlib.closing(loaded(server)) as client:
            told += texts_of(client)
            server.fail(EVENTS, answer)
            client.wait_init()
            client.get_variation("somebody", "on")
            client.flush()
            told += texts_of(client)
            for route in (VISITOR, MAP):
                server.fail(route, answer)
            client.get_remote_visitor_data("somebody")
            client.get_remote_data("key")
    return told


def tokens(server: FakeKameleoon, text: str, _: Path) -> str:
    server.publish(site(flag("on")))
    for body in (text, json.dumps({"access_token": text, "expires_in": text}), json.dumps({"error": text})):
        for status in (200, 401):
            server.fail(TOKEN, reply(status, body.encode()))
            with contextlib.closing(loaded(server, client_id="id", client_secret="secret")) as client:
                client.get_remote_data("key")
    return ""


def remote_data(server: FakeKameleoon, text: str, _: Path) -> str:
    server.publish(site(flag("on")))
    server.visitors["somebody"] = {
        "visitorCode": text,
        text: text,
        "currentVisit": {text: [text], "pageEvents": [text]},
    }
    server.values["key"] = {text: text}
    with contextlib.closing(loaded(server)) as client:
        client.get_remote_visitor_data("somebody")
        client.get_visitor_warehouse_audience("somebody", 0, "key")
        return texts_of(client)


def what_callers_give(server: FakeKameleoon, text: str, _: Path) -> str:
    server.publish(site(flag("on", rule(1, ("on", 1), kind="EXPERIMENTATION"))))
    told = ""
    with contextlib.closing(loaded(server)) as client:
        provider = KameleoonProvider("site", client=client)
        contexts = [
            EvaluationContext(text),
            EvaluationContext("a", {text: text}),
            EvaluationContext("a", {"device": text}),
        ]
        for context in contexts:
            told += provider.resolve_boolean_details("on", False, context).error_message or ""
            told += provider.resolve_boolean_details(text, False, context).error_message or ""
            provider.track(text, context, TrackingEventDetails(attributes={text: text}))
            provider.track("5", context, TrackingEventDetails(attributes={text: text}))
        client.add_data("somebody", CustomData(text, text), text)  # type: ignore[arg-type]  # that is wrong
        for call in (
            lambda: client.get_variation(text, text),
            lambda: client.get_variation("somebody", text),
            lambda: client.set_forced_variation("somebody", 1001, text),
            lambda: client.get_feature_flag(text),
            lambda: client.get_remote_data(text),
        ):
            with contextlib.suppress(KameleoonError):
                call()
    return told


def values_of_settings(server: FakeKameleoon, text: str, folder: Path) -> str:
    told, value = "", f"{text}3"  # some are secrets, which names are not
    names = ("environment", "network_domain", "top_level_domain", "client_id", "goals", "redis_url", "data_file", text)
    for name in names:
        wrong: dict[str, Any] = {name: value}
        with contextlib.suppress(KameleoonError, TypeError):
            KameleoonClientConfiguration(**wrong)
        path = folder / "settings.yaml"
        path.write_text(yaml.safe_dump({name: value, f"{text}2": value}), encoding="utf-8")
        try:
            KameleoonClientConfiguration.from_file(path)
        except KameleoonError as error:
            told += str(error)
    return told


def folders_and_files(server: FakeKameleoon, text: str, folder: Path) -> str:
    name = text.replace("/", "").replace("\0", "")[:60] or "x"
    place = folder / name
    with contextlib.suppress(OSError):
        place.write_text("not a folder")
    server.publish(site(flag("on", rule(1, ("on", 1), kind="EXPERIMENTATION"))))
    given = {"cache_directory": place, "tracking_directory": place}
    with contextlib.closing(loaded(server, **given)) as client:
        client.get_variation("somebody", "on")
    with contextlib.suppress(KameleoonError):
        KameleoonClientConfiguration.from_file(place)
    with contextlib.closing(
        KameleoonClient(text, configuration_object=KameleoonClientConfiguration(data_file=place, multi_threading=False))
    ) as client:
        client.wait_init()
        return texts_of(client)


def real_time_events(server: FakeKameleoon, text: str, _: Path) -> str:
    server.publish(site(flag("on")))
    configuration = KameleoonClientConfiguration(real_time_update=True)
    with KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints) as client:
        wait_until(lambda: server.open_streams)
        for line in (f"data: {text}", f"event: {text}", f"event: configuration-update-event\ndata: {json.dumps(text)}"):
            server.send(f"{line}\n\n".encode())
        server.send(b'event: configuration-update-event\ndata: {"ts": 1}\n\n')
        wait_until(lambda: client.status().data_file.stream.events)
        return texts_of(client)


CHANNELS: tuple[Telling, ...] = (
    flag_that_is_malformed,
    data_file_that_makes_no_sense,
    host_in_the_data_file,
    condition_of_the_data_file,
    answers_of_the_server,
    tokens,
    remote_data,
    what_callers_give,
    values_of_settings,
    folders_and_files,
    real_time_events,
)


EVERYTHING = "".join([*LINES, *TERMINAL, *INVISIBLE, "\n", FORGED])


@pytest.fixture(scope="module")
def server() -> Iterator[FakeKameleoon]:
    with FakeKameleoon() as server:
        yield server


def forges_nothing(channel: Telling, server: FakeKameleoon, text: str, folder: Path) -> None:
    """Have the text come in that way; the guard notes what is wrong with the records."""
    told = channel(server, text, folder)

    found = list(conftest.told)
    conftest.told.clear()
    assert found == []
    assert told.isprintable(), told


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
@pytest.mark.parametrize("text", [EVERYTHING, "x" * 5000, f"\n{FORGED}"], ids=["everything", "long", "a forged line"])
def test_r24_the_worst_text_forges_nothing(channel: Telling, text: str, server: FakeKameleoon, tmp_path: Path) -> None:
    forges_nothing(channel, server, text, tmp_path)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_r24_no_text_forges_anything(channel: Telling, text: str, server: FakeKameleoon, tmp_path: Path) -> None:
    forges_nothing(channel, server, text, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_r24_no_text_forges_anything_in_many_tries(
    channel: Telling, text: str, server: FakeKameleoon, tmp_path: Path
) -> None:
    forges_nothing(channel, server, text, tmp_path)


@given(text=st.text() | HOSTILE | st.binary().map(repr))
@example(text="\ud800")
@example(text="x" * 10_000)
@example(text="\U0010ffff" * LIMIT)
def test_r24_foreign_text_is_made_fit(text: str) -> None:
    shown = printable(text, LIMIT)

    assert shown.isprintable()
    assert len(shown) <= LIMIT
