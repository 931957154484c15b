"""What ``openfeature_kameleoon`` offers by name, and that it can be used as the types say."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
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
    KameleoonClientFactory,
    KameleoonProvider,
    OperatingSystem,
    OperatingSystemType,
    PageView,
    RemoteVisitorDataFilter,
    UniqueIdentifier,
    UserAgent,
)
from openfeature_kameleoon.aliases import ALIASES
from openfeature_kameleoon.visitors.data import Data
from openfeature_kameleoon.visitors.visitor import DATA_TYPES

NAMES = {
    *("ApplicationVersion", "Browser", "BrowserType", "Conversion", "Cookie", "CustomData", "Device", "DeviceType"),
    *("Geolocation", "KameleoonClient", "KameleoonClientConfig", "KameleoonClientConfiguration", "KameleoonError"),
    *("KameleoonClientFactory", "KameleoonLogger", "LogLevel", "RemoteVisitorDataFilter"),
    *("DatafileSource", "DatafileUpdate", "EventType", "HttpRequestFailure", "HttpRequestFailureReason", "RequestType"),
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


CURRENT = {
    "wait_init": "(timeout_milliseconds=None)",
    "wait_init_async": "(timeout_milliseconds=None)",
    "is_ready": "()",
    "get_visitor_code": "(cookies_readonly=None, cookies=None, default_visitor_code=None)",
    "set_legal_consent": "(visitor_code, consent, cookies=None)",
    "add_data": "(visitor_code, *data, track=True)",
    "track_conversion": (
        "(visitor_code, goal_id, revenue=0.0, is_unique_identifier=None, negative=False, metadata=None)"
    ),
    "flush": "(visitor_code=None, is_unique_identifier=None, instant=False)",
    "is_feature_active": "(visitor_code, feature_key, is_unique_identifier=None, track=True)",
    "get_variation": "(visitor_code, feature_key, track=True)",
    "get_variations": "(visitor_code, only_active=False, track=True)",
    "get_data_file": "()",
    "set_forced_variation": "(visitor_code, experiment_id, variation_key, force_targeting=True)",
    "evaluate_audiences": "(visitor_code)",
    "get_remote_data": "(key, timeout=None)",
    "get_remote_data_async": "(key, timeout=None)",
    "get_remote_visitor_data": (
        "(visitor_code, add_data=True, timeout=None, data_filter=None, is_unique_identifier=None)"
    ),
    "get_remote_visitor_data_async": (
        "(visitor_code, add_data=True, timeout=None, data_filter=None, is_unique_identifier=None)"
    ),
    "get_visitor_warehouse_audience": "(visitor_code, custom_data_index, warehouse_key=None, timeout=None)",
    "get_visitor_warehouse_audience_async": "(visitor_code, custom_data_index, warehouse_key=None, timeout=None)",
    "get_engine_tracking_code": "(visitor_code)",
    "set_event_handler": "(event_type, handler)",
}
"""The methods of Kameleoon's 3.22 client as documented (specs/kameleoon-sdk.md 11.1)."""

DEPRECATED = {
    "get_feature_variation_key": "(visitor_code, feature_key, is_unique_identifier=None)",
    "get_feature_variable": "(visitor_code, feature_key, variable_key, is_unique_identifier=None)",
    "get_feature_variation_variables": "(feature_key, variation_key)",
    "get_feature_list": "()",
    "get_active_feature_list_for_visitor": "(visitor_code)",
    "get_active_features": "(visitor_code)",
}
"""Those that 3.22 calls deprecated. ``on_update_configuration`` is one too, and none here: see ``OF_2X``."""

OF_2X = {
    "trigger_experiment": "(visitor_code, experiment_id)",
    "is_feature_active": "(visitor_code, feature_key)",
    "get_variation_associated_data": "(variation_id)",
    "track_conversion": "(visitor_code, goal_id, revenue=0.0)",
    "add_data": "(visitor_code, *data)",
    "flush": "(visitor_code=None)",
    "get_experiment_list": "()",
    "get_experiment_list_for_visitor": "(visitor_code, only_allocated=True)",
    "get_remote_data": "(key, timeout=None)",
    "get_remote_data_async": "(key, timeout=None)",
    "get_remote_visitor_data": "(visitor_code, add_data=True, timeout=None)",
    "get_remote_visitor_data_async": "(visitor_code, add_data=True, timeout=None)",
    "get_engine_tracking_code": "(visitor_code)",
    # Told of every change of flags here, and of those alone: no handler of events says the same.
    "on_update_configuration": "(handler)",
}
"""The methods of the 2.4 client (11.2) that are methods here; a later version may take more."""

DEPRECATED_OF_2X = {
    "get_feature_variation_key": "(visitor_code, feature_key)",
    "get_feature_variable": "(visitor_code, feature_key, variable_key)",
    "get_feature_all_variables": "(feature_key, variation_key='off')",  # documented with the key alone
    "get_feature_list": "()",
    "get_active_feature_list_for_visitor": "(visitor_code)",
    "obtain_variation_associated_data": "(variation_id)",
    "obtain_feature_variable": "(feature_key, variable_key)",
    "obtain_feature_all_variables": "(feature_key, variation_key='off')",
    "obtain_experiment_list": "(visitor_code=None, only_allocated=True)",
    "obtain_feature_list": "(visitor_code=None, only_active=True)",
    "obtain_visitor_code": "(cookies, default_visitor_code=None)",
    "retrieve_data_from_remote_source": "(key, timeout=None)",
    "activate_feature": "(visitor_code, feature_key)",
}
"""Those of 2.4 that are deprecated by now."""


def shape(call: Callable[..., object], *, documented: str, skip: int) -> str:
    """A signature without types, and without what only a keyword can give and nobody documents."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in list(inspect.signature(call).parameters.values())[skip:]
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or parameter.name in documented
    ]
    return str(inspect.Signature(parameters))


def takes_as_much(ours: str, documented: str) -> bool:
    """Whether the parameters begin with the documented ones, and the others can be left out."""
    ours, documented = ours[1:-1], documented[1:-1]
    more = ours.removeprefix(documented).removeprefix(", ")
    return ours.startswith(documented) and all("=" in parameter for parameter in more.split(", ") if parameter)


@pytest.mark.parametrize(("name", "documented"), CURRENT.items())
def test_a_current_method_has_the_documented_signature(name: str, documented: str) -> None:
    assert shape(getattr(KameleoonClient, name), documented=documented, skip=1) == documented


@pytest.mark.parametrize(("name", "documented"), OF_2X.items())
def test_a_method_of_2x_takes_what_it_did(name: str, documented: str) -> None:
    assert takes_as_much(shape(getattr(KameleoonClient, name), documented=documented, skip=1), documented)


@pytest.mark.parametrize(("name", "documented"), DEPRECATED.items())
def test_a_deprecated_method_has_the_documented_signature(name: str, documented: str) -> None:
    assert shape(ALIASES[name].adapter, documented=documented, skip=1) == documented


@pytest.mark.parametrize(("name", "documented"), DEPRECATED_OF_2X.items())
def test_a_deprecated_method_of_2x_takes_what_it_did(name: str, documented: str) -> None:
    assert takes_as_much(shape(ALIASES[name].adapter, documented=documented, skip=1), documented)


def test_there_is_no_alias_that_nobody_documents() -> None:
    assert set(ALIASES) == {*DEPRECATED, *DEPRECATED_OF_2X}


@pytest.mark.parametrize("name", [name for name in CURRENT if name.endswith("_async")])
def test_an_async_method_is_one_to_await_with_its_twins_parameters(name: str) -> None:
    method, twin = getattr(KameleoonClient, name), getattr(KameleoonClient, name.removesuffix("_async"))

    assert inspect.iscoroutinefunction(method)
    assert inspect.signature(method).parameters == inspect.signature(twin).parameters


def test_the_client_takes_what_that_of_2x_did() -> None:
    documented = "(site_code, configuration_path=None, configuration_object=None, logger=None)"

    assert shape(KameleoonClient, documented=documented, skip=0) == documented


def test_the_factory_takes_what_kameleoons_does() -> None:
    create, forget = KameleoonClientFactory.create, KameleoonClientFactory.forget

    assert shape(create, documented="", skip=0) == "(site_code, config=None, config_path=None)"
    assert takes_as_much(shape(forget, documented="", skip=0), "(site_code)")


def test_the_filter_takes_what_kameleoons_does() -> None:
    documented = (
        "(previous_visit_amount=1, current_visit=True, custom_data=True, page_views=False, geolocation=False,"
        " device=False, browser=False, operating_system=False, conversions=False, experiments=False, kcs=False,"
        " visitor_code=True, cbs=False, personalization=False)"
    )

    assert shape(RemoteVisitorDataFilter, documented=documented, skip=0) == documented


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
