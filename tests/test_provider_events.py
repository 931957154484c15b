"""What a provider of either vendor tells of its data file: to whom it is attached, and through OpenFeature's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.provider import ProviderStatus

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.providing import SharedProvider
from tests.chaos import ChaosServer, reply, wait_until
from tests.either import BOTH, KAMELEOON, Vendor, value
from tests.faces import Heard, flag, plan_is, replace, rule, site, threads
from tests.vectors import as_bytes

NOBODY = EvaluationContext()
SOMEBODY = EvaluationContext("somebody")
READY, STALE = ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_STALE
CHANGED, ERROR = ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_ERROR


@pytest.fixture(params=BOTH, ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return request.param  # type: ignore[no-any-return]  # it is one of BOTH


@pytest.fixture
def path(tmp_path: Path, vendor: Vendor) -> Path:
    path = tmp_path / "flags.json"
    replace(path, vendor.file(f=True))
    return path


def test_changed_flags_are_told_by_their_keys_and_no_others(
    vendor: Vendor, opened: list[SharedProvider], path: Path
) -> None:
    replace(path, vendor.file(same=True, gone=True, edited=True))
    provider = vendor.open(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, vendor.file(edited=False, added=True, same=True))

    [details] = heard.wait_for(CHANGED)
    assert sorted(details.flags_changed or []) == ["added", "edited", "gone"]
    assert details.metadata == {"source": "file", **vendor.labels}
    assert (details.message, details.error_code) == (None, None)


def test_a_flag_whose_segment_changed_is_told(opened: list[SharedProvider], tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    vips, same = flag("vips", rule(1, ("on", 1), segment_id=2001)), flag("same")
    replace(path, site(vips, same))
    provider = KAMELEOON.open(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, site(vips, same, segments=[plan_is("gold")]))

    [details] = heard.wait_for(CHANGED)
    assert details.flags_changed == ["vips"]


def test_a_data_file_that_says_the_same_is_no_news(vendor: Vendor, opened: list[SharedProvider], path: Path) -> None:
    provider = vendor.open(opened, path, multi_threading=False)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, {**vendor.file(f=True), "dateModified": 1_790_000_000_000, "generatedAt": "2026-09-21T14:00:00Z"})
    vendor.refresh(provider)
    assert heard == []
    replace(path, vendor.file(f=False))
    vendor.refresh(provider)

    heard.wait_for(CHANGED)


def test_a_broken_file_makes_stale_and_a_good_one_ready_again(
    vendor: Vendor, opened: list[SharedProvider], path: Path
) -> None:
    provider = vendor.open(opened, path)
    provider.initialize(NOBODY)
    heard = Heard(provider)

    replace(path, "<html>")
    [stale] = heard.wait_for(STALE)
    assert value(provider) is True
    assert "JSON" in (stale.message or "")
    assert stale.error_code is None

    replace(path, vendor.file(f=False))
    ready, changed = heard.wait_for(READY, CHANGED)
    assert value(provider) is False
    assert (ready.message, changed.flags_changed) == (None, ["f"])


def test_an_error_says_whether_somebody_has_to_act(vendor: Vendor, opened: list[SharedProvider]) -> None:
    with ChaosServer(reply(503)) as server:
        provider = vendor.open(opened, server, multi_threading=False)
        with pytest.raises(ProviderNotReadyError):
            provider.initialize(NOBODY)
        heard = Heard(provider)

        for status, code in ((403, ErrorCode.PROVIDER_FATAL), (503, ErrorCode.PROVIDER_NOT_READY)):
            server.answer_with(reply(status))
            with pytest.raises(RequestFailed):
                vendor.refresh(provider)

            [error] = heard.wait_for(ERROR)
            assert error.error_code is code
            assert str(status) in (error.message or "")


def test_the_last_good_copy_answers_at_once_and_is_stale(
    vendor: Vendor, opened: list[SharedProvider], tmp_path: Path
) -> None:
    good = reply(200, as_bytes(vendor.file(f=True)))
    with ChaosServer(good) as server:
        vendor.open(opened, server, cache_directory=tmp_path).initialize(NOBODY)
        opened.pop().shutdown()
        server.answer_with(reply(503))
        provider = vendor.open(opened, server, cache_directory=tmp_path)
        heard = Heard(provider)

        provider.initialize(NOBODY)
        assert value(provider) is True
        [stale] = heard.wait_for(STALE)  # not before initialize has answered: OpenFeature makes it READY then (T10)
        assert stale.metadata["source"] == "cache"

        server.answer_with(good)
        vendor.refresh(provider)
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


def tell(told: list[tuple[ProviderEvent, EventDetails]], vendor: Vendor, wanted: ProviderEvent) -> EventDetails:
    """The details of our first event of this kind, once it is told."""

    def ours() -> list[EventDetails]:
        return [details for kind, details in told if kind is wanted and details.provider_name == vendor.name]

    wait_until(ours)
    return ours()[0]


def test_the_api_is_told_of_every_change_of_state(
    vendor: Vendor, opened: list[SharedProvider], path: Path, told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    flags = api.get_client()
    path.unlink()
    provider = vendor.open(opened, path)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider)
    assert flags.get_provider_status() is ProviderStatus.FATAL
    assert flags.get_boolean_details("f", True, SOMEBODY).error_code is ErrorCode.PROVIDER_FATAL
    assert tell(told, vendor, ERROR).error_code is ErrorCode.PROVIDER_FATAL

    replace(path, vendor.file(f=True))
    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)
    assert flags.get_boolean_value("f", False, SOMEBODY)

    replace(path, "{")
    assert "JSON" in (tell(told, vendor, STALE).message or "")
    assert flags.get_provider_status() is ProviderStatus.STALE
    assert flags.get_boolean_value("f", False, SOMEBODY)

    replace(path, vendor.file(f=False))
    assert tell(told, vendor, CHANGED).flags_changed == ["f"]
    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)
    assert not flags.get_boolean_value("f", True, SOMEBODY)


def test_the_api_does_not_wait_unless_asked_to(
    vendor: Vendor, opened: list[SharedProvider], path: Path, told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    api.set_provider(vendor.open(opened, path))
    flags = api.get_client()

    wait_until(lambda: flags.get_provider_status() is ProviderStatus.READY)

    assert flags.get_boolean_value("f", False, SOMEBODY)


def test_the_api_asks_in_error_and_hears_that_nothing_is_there_yet(  # T6
    vendor: Vendor, opened: list[SharedProvider], told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    flags = api.get_client()
    with ChaosServer(reply(503)) as server:
        with pytest.raises(ProviderNotReadyError, match="503"):
            api.set_provider_and_wait(vendor.open(opened, server, multi_threading=False))

        details = flags.get_boolean_details("f", True, SOMEBODY)

    assert flags.get_provider_status() is ProviderStatus.ERROR
    assert (details.value, details.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    assert tell(told, vendor, ERROR).error_code is ErrorCode.PROVIDER_NOT_READY


def test_a_provider_that_is_replaced_ends(
    vendor: Vendor, path: Path, told: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    for _ in range(5):
        api.set_provider_and_wait(vendor.open([], path))

    wait_until(lambda: threads() == ["kameleoon-configuration"])
    api.shutdown()
    wait_until(lambda: threads() == [])
