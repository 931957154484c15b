"""What a provider tells of its data file while it runs: to whom it is attached, and through OpenFeature's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.provider import ProviderStatus

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.errors import RequestFailed
from tests.chaos import ChaosServer, reply, wait_until
from tests.faces import Heard, flag, plan_is, provider_on, replace, rule, site, threads, value
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


def test_changed_flags_are_told_by_their_keys_and_no_others(opened: list[KameleoonProvider], path: Path) -> None:
    vips = flag("vips", rule(1, ("on", 1), segment_id=2001))
    same, gone, edited, added = (flag(key) for key in ("same", "gone", "edited", "added"))
    replace(path, site(vips, same, gone, edited))
    provider = provider_on(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    edited = {**edited, "defaultVariationKey": "on"}
    replace(path, site(edited, added, same, vips, segments=[plan_is("gold")]))

    [details] = heard.wait_for(CHANGED)
    assert sorted(details.flags_changed or []) == ["added", "edited", "gone", "vips"]
    assert details.metadata == {"source": "file", "siteCode": "site"}
    assert (details.message, details.error_code) == (None, None)


def test_a_data_file_that_says_the_same_is_no_news(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, {**ON, "dateModified": 1_790_000_000_000})
    wait_until(lambda: provider.client.status().data_file.date_modified == 1_790_000_000_000)
    replace(path, OFF)

    heard.wait_for(CHANGED)


def test_a_broken_file_makes_stale_and_a_good_one_ready_again(opened: list[KameleoonProvider], path: Path) -> None:
    provider = provider_on(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, "<html>")
    [stale] = heard.wait_for(STALE)
    assert value(provider) is True
    assert "data file" in (stale.message or "")
    assert stale.error_code is None

    replace(path, OFF)
    ready, changed = heard.wait_for(READY, CHANGED)
    assert value(provider) is False
    assert (ready.message, changed.flags_changed) == (None, ["f"])


def test_an_error_says_whether_somebody_has_to_act(opened: list[KameleoonProvider]) -> None:
    with ChaosServer(reply(503)) as server:
        provider = provider_on(opened, server, multi_threading=False)
        with pytest.raises(ProviderNotReadyError):
            provider.initialize(NOBODY)
        heard = Heard(provider)

        for status, code in ((403, ErrorCode.PROVIDER_FATAL), (503, ErrorCode.PROVIDER_NOT_READY)):
            server.answer_with(reply(status))
            with pytest.raises(RequestFailed):
                provider.client.refresh()

            [error] = heard.wait_for(ERROR)
            assert error.error_code is code
            assert str(status) in (error.message or "")


def test_the_last_good_copy_answers_at_once_and_is_stale(opened: list[KameleoonProvider], tmp_path: Path) -> None:
    with ChaosServer(reply(200, as_bytes(ON))) as server:
        provider_on(opened, server, cache_directory=tmp_path).initialize(NOBODY)
        opened.pop().shutdown()
        server.answer_with(reply(503))
        provider = provider_on(opened, server, cache_directory=tmp_path)
        heard = Heard(provider)

        provider.initialize(NOBODY)
        assert value(provider) is True
        [stale] = heard.wait_for(STALE)  # not before initialize has answered: OpenFeature makes it READY then (T10)
        assert stale.metadata["source"] == "cache"

        server.answer_with(reply(200, as_bytes(ON)))
        provider.client.refresh()
        heard.wait_for(READY)


# --- in OpenFeature's API ---------------------------------------------------------------------------------------


@pytest.fixture
def told() -> Iterator[list[tuple[ProviderEvent, EventDetails]]]:
    """What handlers of the API are told of our providers: on threads of the SDK's, in any order."""
    told: list[tuple[ProviderEvent, EventDetails]] = []
    for kind in ProviderEvent:
        api.add_handler(kind, lambda details, kind=kind: told.append((kind, details)))  # type: ignore[misc]

    yield told

    api.shutdown()


def tell(told: list[tuple[ProviderEvent, EventDetails]], wanted: ProviderEvent) -> EventDetails:
    """The details of our first event of this kind, once it is told."""

    def ours() -> list[EventDetails]:
        return [details for kind, details in told if kind is wanted and details.provider_name == "Kameleoon Provider"]

    wait_until(ours)
    return ours()[0]


def test_the_api_is_told_of_every_change_of_state(
    opened: list[KameleoonProvider], path: Path, told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    flags = api.get_client()
    path.unlink()
    provider = provider_on(opened, path)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider)
    assert flags.get_provider_status() is ProviderStatus.FATAL
    assert flags.get_boolean_details("f", True, SOMEBODY).error_code is ErrorCode.PROVIDER_FATAL
    assert tell(told, ERROR).error_code is ErrorCode.PROVIDER_FATAL

    replace(path, ON)
    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)
    assert flags.get_boolean_value("f", False, SOMEBODY)

    replace(path, "{")
    assert "data file" in (tell(told, STALE).message or "")
    assert flags.get_provider_status() is ProviderStatus.STALE
    assert flags.get_boolean_value("f", False, SOMEBODY)

    replace(path, OFF)
    assert tell(told, CHANGED).flags_changed == ["f"]
    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)
    assert not flags.get_boolean_value("f", True, SOMEBODY)


def test_the_api_does_not_wait_unless_asked_to(path: Path, told: list[tuple[ProviderEvent, EventDetails]]) -> None:
    api.set_provider(KameleoonProvider("site", KameleoonClientConfiguration(data_file=path)))
    flags = api.get_client()

    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)

    assert flags.get_boolean_value("f", False, SOMEBODY)


def test_the_api_asks_in_error_and_hears_that_nothing_is_there_yet(  # T6
    opened: list[KameleoonProvider], told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    flags = api.get_client()
    with ChaosServer(reply(503)) as server:
        with pytest.raises(ProviderNotReadyError, match="503"):
            api.set_provider_and_wait(provider_on(opened, server, multi_threading=False))

        details = flags.get_boolean_details("f", True, SOMEBODY)

    assert flags.get_provider_status() is ProviderStatus.ERROR
    assert (details.value, details.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    assert tell(told, ERROR).error_code is ErrorCode.PROVIDER_NOT_READY


def test_a_provider_that_is_replaced_ends(path: Path, told: list[tuple[ProviderEvent, EventDetails]]) -> None:
    configuration = KameleoonClientConfiguration(data_file=path)
    for _ in range(5):
        api.set_provider_and_wait(KameleoonProvider("site", configuration))

    wait_until(lambda: threads() == ["kameleoon-configuration"])
    api.shutdown()
    wait_until(lambda: threads() == [])
