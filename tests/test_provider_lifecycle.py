"""From initialize to shutdown: what a provider of either vendor waits for, answers and leaves behind."""

from __future__ import annotations

import gc
import pickle
import time
import weakref
from pathlib import Path

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.providing import SharedProvider
from tests.chaos import Answer, ChaosServer, hangs, reply, wait_until
from tests.either import BOTH, KAMELEOON, Vendor, value
from tests.faces import Heard, replace, threads
from tests.vectors import as_bytes

NOBODY = EvaluationContext()
SOMEBODY = EvaluationContext("somebody")

READY = ProviderEvent.PROVIDER_READY
CHANGED = ProviderEvent.PROVIDER_CONFIGURATION_CHANGED


@pytest.fixture(params=BOTH, ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return request.param  # type: ignore[no-any-return]  # it is one of BOTH


@pytest.fixture
def path(tmp_path: Path, vendor: Vendor) -> Path:
    path = tmp_path / "flags.json"
    replace(path, vendor.file(f=True))
    return path


# --- initialize -------------------------------------------------------------------------------------------------


def test_nothing_starts_before_initialize(vendor: Vendor, opened: list[SharedProvider], path: Path) -> None:
    provider = vendor.open(opened, path)

    assert threads() == []
    assert value(provider) is ErrorCode.PROVIDER_NOT_READY


def test_initialize_returns_when_flags_can_be_answered(
    vendor: Vendor, opened: list[SharedProvider], path: Path
) -> None:
    provider = vendor.open(opened, path)

    provider.initialize(NOBODY, domain="checkout", anything="else")  # a later SDK passes the domain

    assert value(provider) is True
    assert threads() == ["kameleoon-configuration"]


def test_without_threads_there_is_none_and_refresh_looks(
    vendor: Vendor, opened: list[SharedProvider], path: Path
) -> None:
    provider = vendor.open(opened, path, multi_threading=False)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, vendor.file(f=False))
    assert value(provider) is True
    vendor.refresh(provider)

    assert value(provider) is False
    assert [details.flags_changed for details in heard.wait_for(CHANGED)] == [["f"]]
    assert threads() == []


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_that_cannot_be_used_is_fatal_until_it_can(
    vendor: Vendor, opened: list[SharedProvider], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "flags.json"
    if content is not None:
        path.write_text(content)
    provider = vendor.open(opened, path)
    heard = Heard(provider)

    with pytest.raises(ProviderFatalError, match=r"data file|JSON"):
        provider.initialize(NOBODY)
    assert value(provider) is (ErrorCode.PROVIDER_NOT_READY if content is None else vendor.unreadable)

    replace(path, vendor.file(f=True))
    heard.wait_for(READY)
    assert value(provider) is True


@pytest.mark.parametrize(
    ("answer", "problem", "words"),
    [
        (reply(503), ProviderNotReadyError, "503"),
        (reply(403), ProviderFatalError, ""),
        (hangs(), ProviderNotReadyError, "within the time-out|in time"),
    ],
)
def test_a_server_without_an_answer_is_waited_for_in_bounded_time(
    vendor: Vendor, opened: list[SharedProvider], answer: Answer, problem: type[Exception], words: str
) -> None:
    with ChaosServer(answer) as server:
        provider = vendor.open(opened, server, seconds=0.2)
        begun = time.monotonic()

        with pytest.raises(problem, match=words or vendor.to_check):
            provider.initialize(NOBODY)
        assert value(provider) is ErrorCode.PROVIDER_NOT_READY
        provider.shutdown()

        assert time.monotonic() - begun < 3


def test_a_server_that_comes_back_is_told_as_ready(vendor: Vendor, opened: list[SharedProvider]) -> None:
    with ChaosServer(reply(503)) as server:
        provider = vendor.open(opened, server, seconds=0.2)
        heard = Heard(provider)
        with pytest.raises(ProviderNotReadyError):
            provider.initialize(NOBODY)

        server.answer_with(reply(200, as_bytes(vendor.file(f=True))))
        vendor.refresh(provider)

        [ready] = heard.wait_for(READY)
        assert ready.metadata == {"source": "network", **vendor.labels}
        assert value(provider) is True


# --- shutdown ---------------------------------------------------------------------------------------------------


def test_shutdown_ends_the_thread_may_come_twice_and_initialize_begins_anew(
    vendor: Vendor, opened: list[SharedProvider], path: Path
) -> None:
    provider = vendor.open(opened, path)
    for expected in (True, False, True):
        replace(path, vendor.file(f=expected))
        provider.initialize(NOBODY)
        wait_until(lambda wanted=expected: value(provider) is wanted)  # type: ignore[misc]

        provider.shutdown()
        provider.shutdown()

        wait_until(lambda: threads() == [])
        assert value(provider) is expected  # what is in flight is still answered


def test_no_event_comes_after_shutdown(vendor: Vendor, opened: list[SharedProvider], path: Path) -> None:
    provider = vendor.open(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)
    provider.shutdown()
    wait_until(lambda: threads() == [])

    replace(path, vendor.file(f=False))
    with pytest.raises(Exception, match="start"):
        vendor.refresh(provider)

    assert heard == []


def test_shutdown_before_initialize_is_nothing(vendor: Vendor, opened: list[SharedProvider], path: Path) -> None:
    vendor.open(opened, path).shutdown()


@pytest.mark.parametrize("is_initialized", [False, True])
def test_a_provider_that_was_shut_down_is_let_go(vendor: Vendor, path: Path, is_initialized: bool) -> None:
    provider = vendor.open([], path)
    if is_initialized:
        provider.initialize(NOBODY)
    provider.shutdown()
    alive = weakref.ref(provider)

    del provider

    wait_until(lambda: gc.collect() >= 0 and alive() is None)


def test_a_provider_is_not_pickled(vendor: Vendor, opened: list[SharedProvider], path: Path) -> None:
    with pytest.raises(TypeError, match=r"Provider is not pickled: make one in each process"):
        pickle.dumps(vendor.open(opened, path))


# --- a shared client, as Kameleoon's alone may have -------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    replace(path, KAMELEOON.file(f=True))
    return path


@pytest.mark.parametrize("is_initialized", [False, True])
def test_a_client_keeps_no_provider_alive(site: Path, is_initialized: bool) -> None:
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=site))
    provider = KameleoonProvider("site", client=client)
    if is_initialized:
        provider.initialize(NOBODY)
    provider.shutdown()
    alive = weakref.ref(provider)

    del provider
    wait_until(lambda: gc.collect() >= 0 and alive() is None)

    client.close()


def test_a_shared_client_stays_its_owners(site: Path) -> None:
    with KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=site)) as client:
        one, other = (KameleoonProvider("site", client=client) for _ in range(2))
        for provider in (one, other):
            provider.initialize(NOBODY)
        heard = Heard(other)
        one.shutdown()

        replace(site, KAMELEOON.file(f=False))

        heard.wait_for(CHANGED)
        assert one.client is other.client is client
        assert threads() == ["kameleoon-configuration"]


def test_two_providers_of_one_site_share_nothing(opened: list[SharedProvider], site: Path) -> None:
    one, other = (KameleoonProvider("site", KameleoonClientConfiguration(data_file=site)) for _ in range(2))
    opened += (one, other)
    for provider in (one, other):
        provider.initialize(NOBODY)
    one.resolve_boolean_details("f", False, SOMEBODY)
    one.shutdown()

    assert one.client.outbox.status().accepted == 1
    assert other.client.outbox.status().accepted == 0
    replace(site, KAMELEOON.file(f=False))
    wait_until(lambda: value(other) is False)
    assert value(one) is True
