"""What ``openfeature_kameleoon`` offers by name, and that it can be used as the types say."""

from __future__ import annotations

import inspect
import pickle
from enum import Enum

import pytest

import openfeature_kameleoon as package
from openfeature_kameleoon import (
    ApplicationVersion,
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Device,
    DeviceType,
    Geolocation,
    KameleoonClient,
    KameleoonProvider,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.visitors.data import Data
from openfeature_kameleoon.visitors.visitor import DATA_TYPES

NAMES = {
    *("ApplicationVersion", "Browser", "BrowserType", "Conversion", "Cookie", "CustomData", "Device", "DeviceType"),
    *("Geolocation", "KameleoonClient", "KameleoonClientConfig", "KameleoonClientConfiguration", "KameleoonError"),
    *("KameleoonProvider", "OperatingSystem", "OperatingSystemType", "PageView", "UniqueIdentifier", "UserAgent"),
    "__version__",
}

PIECES: list[Data] = [
    ApplicationVersion("2.5.0"),
    Browser(BrowserType.CHROME, 120.5),
    Conversion(5, 9.5, True, (CustomData(0, "a"),)),
    Cookie({"a": "b"}),
    CustomData("plan", "vip", overwrite=False),
    Device(DeviceType.PHONE),
    Geolocation("France", "IDF", "Paris", "75002", 48.8, 2.3),
    OperatingSystem(OperatingSystemType.LINUX),
    PageView("https://a", "A", (1,)),
    UniqueIdentifier(True),
    UserAgent("Mozilla"),
]


def test_the_public_names_are_these() -> None:
    assert set(package.__all__) == NAMES
    assert len(package.__all__) == len(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_is_there_and_documented(name: str) -> None:
    item = getattr(package, name)

    if name != "__version__":
        assert inspect.getdoc(item)


def test_nothing_else_looks_public() -> None:
    visible = {name for name, item in vars(package).items() if not name.startswith("_") and not inspect.ismodule(item)}

    assert visible <= NAMES


@pytest.mark.parametrize("owner", [KameleoonClient, KameleoonProvider])
def test_public_methods_are_documented_and_typed(owner: type) -> None:
    for name, method in inspect.getmembers(owner, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("openfeature_kameleoon"):
            assert method.__doc__, name
            assert "return" in method.__annotations__, name


def test_the_parameters_that_openfeature_passes_by_keyword_are_there() -> None:
    for kind in ("boolean", "string", "integer", "float", "object"):
        for suffix in ("", "_async"):
            method = getattr(KameleoonProvider, f"resolve_{kind}_details{suffix}")
            assert list(inspect.signature(method).parameters)[1:] == ["flag_key", "default_value", "evaluation_context"]
    tracked = list(inspect.signature(KameleoonProvider.track).parameters)[1:]
    assert tracked == ["tracking_event_name", "evaluation_context", "tracking_event_details"]


SIGNATURES = {
    "wait_init": "timeout_milliseconds",
    "is_ready": "",
    "add_data": "visitor_code data track",
    "track_conversion": "visitor_code goal_id revenue is_unique_identifier negative metadata",
    "is_feature_active": "visitor_code feature_key is_unique_identifier track",
    "get_variation": "visitor_code feature_key track",
    "get_variations": "visitor_code only_active track",
    "get_data_file": "",
    "set_forced_variation": "visitor_code experiment_id variation_key force_targeting",
    "evaluate_audiences": "visitor_code",
    "on_update_configuration": "handler",
    "trigger_experiment": "visitor_code experiment_id",
    "get_variation_associated_data": "variation_id",
    "get_experiment_list": "",
    "get_experiment_list_for_visitor": "visitor_code only_allocated",
}
"""Parameters of the reference's methods (specs/kameleoon-sdk.md 11.1, 11.2), in their order."""


@pytest.mark.parametrize(("name", "parameters"), SIGNATURES.items())
def test_a_method_takes_what_the_references_does(name: str, parameters: str) -> None:
    signature = inspect.signature(getattr(KameleoonClient, name))

    assert list(signature.parameters)[1:] == parameters.split()


def test_every_kind_of_data_is_public() -> None:
    assert {type(piece) for piece in PIECES} == set(DATA_TYPES)
    assert {kind.__name__ for kind in DATA_TYPES} <= NAMES


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: type(piece).__name__)
def test_data_are_values(piece: Data) -> None:
    with pytest.raises(AttributeError):
        piece.anything = 1  # type: ignore[union-attr]  # that is the point

    assert piece == piece  # the very question
    assert piece != object()


@pytest.mark.parametrize("kind", [BrowserType, DeviceType, OperatingSystemType])
def test_enumerations_travel(kind: type[Enum]) -> None:
    for member in kind:
        assert pickle.loads(pickle.dumps(member)) is member
