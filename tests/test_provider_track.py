"""``track``: which conversion an event becomes, and that nothing that is wrong with one reaches the application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.visitors.data import Conversion, CustomData, Device, DeviceType
from openfeature_kameleoon.visitors.traits import Exposure, RecordedConversion
from tests.faces import EXPERIMENT, flag, provider_of, reported, rule, site

SOMEBODY = EvaluationContext("somebody")
GOALS = {"purchase": 7, "12": 8}
SITE = site(flag("f", rule(1, ("on", 1), kind=EXPERIMENT)))


@pytest.fixture
def provider(tmp_path: Path) -> KameleoonProvider:
    return provider_of(tmp_path, SITE, goals=GOALS)


def conversions(provider: KameleoonProvider) -> list[Conversion]:
    data = [event.data for event in reported(provider)]
    return [item.conversion for item in data if isinstance(item, RecordedConversion)]


# --- what is recorded -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "details", "expected"),
    [
        ("purchase", None, Conversion(7, metadata=())),
        ("4401", None, Conversion(4401, metadata=())),
        ("12", None, Conversion(8, metadata=())),  # a name of the setting wins
        ("purchase", TrackingEventDetails(), Conversion(7, metadata=())),
        ("purchase", TrackingEventDetails(99.9), Conversion(7, 99.9, metadata=())),
        ("purchase", TrackingEventDetails(2**70), Conversion(7, 2.0**70, metadata=())),
        ("purchase", TrackingEventDetails(-5), Conversion(7, -5.0, metadata=())),
        (
            "purchase",
            TrackingEventDetails(5, {"plan": "vip", "cart value": [1, True], "colour": "red"}),
            Conversion(7, 5.0, metadata=(CustomData(0, "vip"), CustomData(1, "1", "true"))),
        ),
    ],
)
def test_an_event_is_a_conversion(
    provider: KameleoonProvider, name: str, details: TrackingEventDetails | None, expected: Conversion
) -> None:
    provider.track(name, SOMEBODY, details)

    assert conversions(provider) == [expected]


def test_each_event_counts(provider: KameleoonProvider) -> None:
    for _ in range(3):
        provider.track("purchase", SOMEBODY)

    assert len(conversions(provider)) == 3


def test_a_conversion_is_reported_after_the_exposure_and_the_data_before_it(provider: KameleoonProvider) -> None:
    provider.client.get_variation("somebody", "f", track=False)
    provider.client.add_data("somebody", Device(DeviceType.PHONE))

    provider.track("purchase", EvaluationContext("somebody", {"plan": "vip"}))
    provider.resolve_boolean_details("f", False, SOMEBODY)

    kinds = [type(event.data) for event in reported(provider)]
    assert kinds == [Device, CustomData, RecordedConversion, Exposure]


def test_data_of_the_context_are_remembered_but_not_its_conversions(provider: KameleoonProvider) -> None:
    provider.track("purchase", EvaluationContext("somebody", {"plan": "vip", "conversion": 99}))

    visitor = provider.client.evaluator.visitor("somebody")
    assert visitor.custom_data == {0: "vip"}
    assert [conversion.goal_id for conversion in conversions(provider)] == [7]


def test_data_of_the_context_stay_here_if_so_set(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, SITE, goals=GOALS, report_context_data=False)

    provider.track("purchase", EvaluationContext("somebody", {"plan": "vip"}))

    assert [type(event.data) for event in reported(provider)] == [RecordedConversion]


def test_a_conversion_needs_no_consent(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, {**SITE, "configuration": {"consentType": "REQUIRED"}}, goals=GOALS)

    provider.track("purchase", EvaluationContext("somebody", {"plan": "vip"}))

    assert [type(event.data) for event in reported(provider)] == [RecordedConversion]


# --- what is not ------------------------------------------------------------------------------------------------


class Hostile:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __str__(self) -> str:
        raise ZeroDivisionError

    __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __float__ = __repr__ = __str__  # type: ignore[assignment]


CYCLIC: dict[str, Any] = {}
CYCLIC["self"] = CYCLIC


@pytest.mark.parametrize(
    ("name", "context", "details", "words"),
    [
        ("unknown", SOMEBODY, None, "neither a goal id nor a name of the setting 'goals'"),
        ("", SOMEBODY, None, "neither a goal id nor a name"),
        ("9" * 5000, SOMEBODY, None, "neither a goal id nor a name"),
        (None, SOMEBODY, None, "neither a goal id nor a name"),
        (7, SOMEBODY, None, "neither a goal id nor a name"),
        (["purchase"], SOMEBODY, None, "TypeError"),
        ("purchase", None, None, "a visitor code must be"),
        ("purchase", EvaluationContext(), None, "a visitor code must be"),
        ("purchase", EvaluationContext("a\nb"), None, "control characters"),
        ("purchase", EvaluationContext("v", {"browser": 5}), None, "'browser'"),
        ("purchase", EvaluationContext("v", {"plan": CYCLIC}), None, "'plan'"),
        ("purchase", EvaluationContext("v", [1]), None, "AttributeError"),  # type: ignore[arg-type]
        ("purchase", SOMEBODY, TrackingEventDetails(float("nan")), "cannot be a revenue: a finite number"),
        ("purchase", SOMEBODY, TrackingEventDetails(float("-inf")), "cannot be a revenue: a finite number"),
        ("purchase", SOMEBODY, TrackingEventDetails(10**400), "cannot be a revenue"),
        ("purchase", SOMEBODY, TrackingEventDetails("5"), "cannot be a revenue"),  # type: ignore[arg-type]
        ("purchase", SOMEBODY, TrackingEventDetails(True), "cannot be a revenue: a number is expected, not bool"),
        ("purchase", SOMEBODY, TrackingEventDetails(1, {"plan": object()}), "'plan'"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_recorded_is_left_out_with_a_warning(
    provider: KameleoonProvider,
    caplog: pytest.LogCaptureFixture,
    name: Any,
    context: Any,
    details: Any,
    words: str,
) -> None:
    provider.track(name, context, details)

    assert conversions(provider) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert words in caplog.text
    assert "somebody" not in caplog.text


@pytest.mark.parametrize("place", range(5))
def test_objects_that_raise_whatever_is_asked_of_them_are_left_out(
    provider: KameleoonProvider, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    hostile: Any = Hostile()
    arguments = [
        (hostile, SOMEBODY, None),
        ("purchase", hostile, None),
        ("purchase", EvaluationContext("v", {"plan": hostile}), None),
        ("purchase", SOMEBODY, hostile),
        ("purchase", SOMEBODY, TrackingEventDetails(hostile)),
    ]

    provider.track(*arguments[place])

    assert conversions(provider) == []
    assert "recorded nothing" in caplog.text


def test_the_warning_is_one_short_line_whatever_the_event_is_called(
    provider: KameleoonProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.track("a\nb\x1b[31m\u2028\u202e\ud800" + "x" * 1_000_000, SOMEBODY)

    message = caplog.records[0].getMessage()
    assert message.isprintable()
    assert len(message) < 500


def test_the_warning_is_one_short_line_whatever_the_data_file_calls_its_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "a\u202e" * 5000
    provider = provider_of(tmp_path, site(customData=[{"index": 0, "name": name}]), goals=GOALS)

    provider.track("purchase", EvaluationContext("somebody", {name: b"x"}))

    message = caplog.records[0].getMessage()
    assert message.isprintable()
    assert len(message) < 500


# --- when -------------------------------------------------------------------------------------------------------


def test_an_event_before_there_is_a_data_file_is_kept(tmp_path: Path) -> None:
    settings = KameleoonClientConfiguration(data_file=tmp_path / "absent", multi_threading=False, goals=GOALS)
    provider = KameleoonProvider("site", settings)

    provider.track("purchase", EvaluationContext("somebody", {"plan": "vip"}), TrackingEventDetails(5))

    assert conversions(provider) == [Conversion(7, 5.0, metadata=())]


def test_an_event_after_shutdown_disturbs_nobody(provider: KameleoonProvider) -> None:
    provider.shutdown()

    provider.track("purchase", SOMEBODY)

    assert len(conversions(provider)) == 1


# --- through OpenFeature's own API ------------------------------------------------------------------------------


@pytest.fixture
def api_as_it_was() -> Iterator[None]:
    yield

    api.shutdown()


@pytest.mark.usefixtures("api_as_it_was")
def test_the_api_tracks_with_all_its_contexts(provider: KameleoonProvider) -> None:
    api.set_provider_and_wait(provider)
    api.set_evaluation_context(EvaluationContext("somebody", {"plan": "vip"}))
    flags = api.get_client()

    flags.track("purchase", tracking_event_details=TrackingEventDetails(5))
    flags.track("unknown")
    flags.track("purchase", EvaluationContext("somebody", {"browser": 5}))

    assert conversions(provider) == [Conversion(7, 5.0, metadata=())]
    assert provider.client.evaluator.visitor("somebody").custom_data == {0: "vip"}


@pytest.mark.usefixtures("api_as_it_was")
def test_tracking_is_silent_when_all_is_well(provider: KameleoonProvider, caplog: pytest.LogCaptureFixture) -> None:
    api.set_provider_and_wait(provider)

    with caplog.at_level(logging.DEBUG):
        api.get_client().track("purchase", SOMEBODY)

    assert caplog.records == []


def test_an_event_that_cannot_be_recorded_is_warned_of_once(
    provider: KameleoonProvider, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        provider.track("no goal", SOMEBODY)
    provider.track("no goal either", SOMEBODY)

    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message.partition(" recorded")[0] for message in warned] == ["track(no goal)", "track(no goal either)"]
