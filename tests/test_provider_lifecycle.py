"""From initialize to shutdown: what a provider waits for, answers and leaves behind."""

from __future__ import annotations

import gc
import time
import weakref
from pathlib import Path

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from tests.chaos import Answer, ChaosServer, hangs, reply, wait_until
from tests.faces import Heard, flag, provider_on, replace, rule, site, threads, value
from tests.vectors import as_bytes

NOBODY = EvaluationContext()
SOMEBODY = EvaluationContext("somebody")
ON, OFF = site(flag("f", rule(1, ("on", 1)))), site(flag("f"))

READY, STALE = ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_STALE
CHANGED, ERROR = ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_ERROR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    replace(path, ON)
    return path


# --- initialize -------------------------------------------------------------------------------------------------


def test_nothing_starts_before_initialize(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path)

    assert threads() == []
    assert value(provider) is ErrorCode.PROVIDER_NOT_READY


def test_initialize_returns_when_flags_can_be_answered(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path)

    provider.initialize(NOBODY, domain="checkout", anything="else")  # a later SDK passes the domain

    assert value(provider) is True
    assert threads() == ["kameleoon-configuration"]


def test_without_threads_there_is_none_and_refresh_looks(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path, multi_threading=False)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, OFF)
    assert value(provider) is True
    provider.client.refresh()

    assert value(provider) is False
    assert [details.flags_changed for details in heard.wait_for(CHANGED)] == [["f"]]
    assert threads() == []


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_that_cannot_be_used_is_fatal_until_it_can(
    opened: list[KameleoonProvider], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "flags.json"
    if content is not None:
        path.write_text(content)
    provider = provider_on(opened, path)
    heard = Heard(provider)

    with pytest.raises(ProviderFatalError, match="data file"):
        provider.initialize(NOBODY)
    assert value(provider) is ErrorCode.PROVIDER_NOT_READY

    replace(path, ON)
    heard.wait_for(READY)
    assert value(provider) is True


@pytest.mark.parametrize(
    ("answer", "problem", "words"),
    [
        (reply(503), ProviderNotReadyError, "503"),
        (reply(403), ProviderFatalError, "site code"),
        (hangs(), ProviderNotReadyError, "within the time-out|in time"),
    ],
)
def test_a_server_without_an_answer_is_waited_for_in_bounded_time(
    opened: list[KameleoonProvider], answer: Answer, problem: type[Exception], words: str
) -> None:
    with ChaosServer(answer) as server:
        provider = provider_on(opened, server, default_timeout_millisecond=200)
        begun = time.monotonic()

        with pytest.raises(problem, match=words):
            provider.initialize(NOBODY)
        assert value(provider) is ErrorCode.PROVIDER_NOT_READY
        provider.shutdown()

        assert time.monotonic() - begun < 3


def test_a_server_that_comes_back_is_told_as_ready(opened: list[KameleoonProvider]) -> None:
    with ChaosServer(reply(503)) as server:
        provider = provider_on(opened, server, default_timeout_millisecond=200)
        heard = Heard(provider)
        with pytest.raises(ProviderNotReadyError):
            provider.initialize(NOBODY)

        server.answer_with(reply(200, as_bytes(ON)))
        provider.client.refresh()

        [ready] = heard.wait_for(READY)
        assert ready.metadata == {"source": "network", "siteCode": "site"}
        assert value(provider) is True


# --- shutdown ---------------------------------------------------------------------------------------------------


def test_shutdown_ends_the_thread_may_come_twice_and_initialize_begins_anew(
    opened: list[KameleoonProvider], path: Path
) -> None:
    provider = provider_on(opened, path)
    for content, expected in ((ON, True), (OFF, False), (ON, True)):
        replace(path, content)
        provider.initialize(NOBODY)
        wait_until(lambda wanted=expected: value(provider) is wanted)  # type: ignore[misc]

        provider.shutdown()
        provider.shutdown()

        wait_until(lambda: threads() == [])
        assert value(provider) is expected  # what is in flight is still answered


def test_no_event_comes_after_shutdown(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)
    provider.shutdown()
    wait_until(lambda: threads() == [])

    replace(path, OFF)
    with pytest.raises(Exception, match="start"):
        provider.client.refresh()

    assert heard == []


def test_shutdown_before_initialize_is_nothing(opened: list[KameleoonProvider], path: Path) -> None:
    provider_on(opened, path).shutdown()


@pytest.mark.parametrize("is_initialized", [False, True])
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_provider_that_was_shut_down_is_let_go(path: Path, is_initialized: bool, is_shared: bool) -> None:
    configuration = KameleoonClientConfiguration(data_file=path)
    client = KameleoonClient("site", configuration_object=configuration) if is_shared else None
    provider = KameleoonProvider("site", configuration, client=client)
    if is_initialized:
        provider.initialize(NOBODY)
    provider.shutdown()
    alive = weakref.ref(provider)

    del provider
    wait_until(lambda: gc.collect() >= 0 and alive() is None)

    if client is not None:
        client.close()


def test_a_shared_client_stays_its_owners(path: Path) -> None:
    with KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=path)) as client:
        one, other = (KameleoonProvider("site", client=client) for _ in range(2))
        for provider in (one, other):
            provider.initialize(NOBODY)
        heard = Heard(other)
        one.shutdown()

        replace(path, OFF)

        heard.wait_for(CHANGED)
        assert one.client is other.client is client
        assert threads() == ["kameleoon-configuration"]


def test_two_providers_of_one_site_share_nothing(opened: list[KameleoonProvider], path: Path) -> None:
    one, other = (provider_on(opened, path) for _ in range(2))
    for provider in (one, other):
        provider.initialize(NOBODY)
    one.resolve_boolean_details("f", False, SOMEBODY)
    one.shutdown()

    assert one.client.outbox.status().accepted == 1
    assert other.client.outbox.status().accepted == 0
    replace(path, OFF)
    wait_until(lambda: value(other) is False)
    assert value(one) is True
