"""Methods under the names that Kameleoon deprecated: each works as it did, and says what it became."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from openfeature_kameleoon import CustomData, KameleoonClient
from openfeature_kameleoon.aliases import ALIASES
from openfeature_kameleoon.errors import (
    ConfigException,
    FeatureEnvironmentDisabled,
    FeatureNotFound,
    FeatureVariableNotFound,
    FeatureVariationNotFound,
    VisitorCodeInvalid,
    VisitorCodeMissing,
)
from openfeature_kameleoon.tracking.events import MappingIdentifier
from openfeature_kameleoon.visitors.traits import Exposure
from tests.faces import DELIVERY, VIP, client_of, flag, reported, rule, site
from tests.vectors import data_file

OF_OFF = [{"key": "size", "type": "NUMBER", "value": 1}]
OF_ON = [{"key": "size", "type": "NUMBER", "value": 5}, {"key": "layout", "type": "JSON", "value": "[1]"}]
VARIATIONS = [{"key": "off", "variables": OF_OFF}, {"key": "on", "variables": OF_ON}]
FLAGS = site(
    flag("on", rule(1, ("on", 1)), variations=VARIATIONS),
    flag("vips", rule(2, ("on", 1), segment_id=VIP)),
    flag("disabled", rule(3, ("on", 1)), environmentEnabled=False),
)
LEGACY = data_file(name="kameleoon-datafile-legacy")
REPORTED = [Exposure(1001, 10, DELIVERY)]
AS_USER_ID = (*REPORTED, MappingIdentifier(CustomData(3, "somebody")))


class Case(NamedTuple):
    arguments: tuple[Any, ...]
    expected: Any
    reported: Sequence[object] = ()
    content: Mapping[str, Any] = FLAGS


CASES: dict[str, list[Case]] = {
    "activate_feature": [
        Case(("somebody", "on"), True, REPORTED),
        Case(("somebody", "vips"), False),
        Case(("somebody", "disabled"), False),
        Case(("somebody", "nope"), FeatureNotFound),
        Case(("a\nb", "on"), VisitorCodeInvalid),
    ],
    "get_active_feature_list_for_visitor": [
        Case(("somebody",), ["on"]),
        Case(("a vip",), ["on", "vips"]),
        Case(("a\nb",), VisitorCodeInvalid),
    ],
    "get_active_features": [Case(("a\nb",), VisitorCodeInvalid)],
    "get_feature_all_variables": [
        Case(("on",), {"size": 1}),
        Case(("on", "on"), {"size": 5, "layout": [1]}),
        Case(("on", "blue"), FeatureVariationNotFound),
        Case(("nope",), FeatureNotFound),
    ],
    "get_feature_list": [Case((), ["on", "vips", "disabled"])],
    "get_feature_variable": [
        Case(("somebody", "on", "size"), 5, REPORTED),
        Case(("somebody", "on", "layout", True), [1], AS_USER_ID),
        Case(("somebody", "on", "nope"), FeatureVariableNotFound, REPORTED),
        Case(("somebody", "vips", "size"), FeatureVariableNotFound),
        Case(("somebody", "disabled", "size"), FeatureEnvironmentDisabled),
        Case(("somebody", "nope", "size"), FeatureNotFound),
        Case(("a\nb", "on", "size"), VisitorCodeInvalid),
    ],
    "get_feature_variation_key": [
        Case(("somebody", "on"), "on", REPORTED),
        Case(("somebody", "on", True), "on", AS_USER_ID),
        Case(("somebody", "vips"), "off"),
        Case(("somebody", "disabled"), FeatureEnvironmentDisabled),
        Case(("somebody", "nope"), FeatureNotFound),
        Case(("a\nb", "on"), VisitorCodeInvalid),
    ],
    "get_feature_variation_variables": [
        Case(("on", "on"), {"size": 5, "layout": [1]}),
        Case(("on", "blue"), FeatureVariationNotFound),
        Case(("disabled", "on"), FeatureEnvironmentDisabled),
        Case(("nope", "on"), FeatureNotFound),
    ],
    "obtain_experiment_list": [
        Case((), [75253, 75254, 75255, 75256, 75257], content=LEGACY),
        Case(("visitor-001",), [75255, 75256], content=LEGACY),
        Case(("visitor-001", False), [75253, 75255, 75256], content=LEGACY),
    ],
    "obtain_feature_all_variables": [Case(("on",), {"size": 1}), Case(("on", "on"), {"size": 5, "layout": [1]})],
    "obtain_feature_list": [
        Case((), ["on", "vips", "disabled"]),
        Case(("somebody",), ["on"]),
        Case(("somebody", False), ["on"]),  # its second argument never had an effect
    ],
    "obtain_feature_variable": [
        Case(("on", "size"), 1),
        Case(("on", "layout"), FeatureVariableNotFound),
        Case(("nope", "size"), FeatureNotFound),
    ],
    "obtain_variation_associated_data": [
        Case((148382,), {"firstName": "Ada", "count": 10}, content=LEGACY),
        Case((1,), FeatureVariationNotFound, content=LEGACY),
    ],
    "obtain_visitor_code": [
        Case(("a=b; kameleoonVisitorCode=somebody",), "somebody"),
        Case(({"kameleoonVisitorCode": "_js_somebody"}, "nobody"), "somebody"),
        Case(("", "nobody"), "nobody"),
        Case(({}, ""), VisitorCodeMissing),
    ],
    "retrieve_data_from_remote_source": [
        Case(("key",), ConfigException),  # of a client that works from a data file on disk; see test_remote_data
        Case(("key", 2.0), ConfigException),
    ],
}


def test_every_alias_is_tried() -> None:
    assert set(CASES) == set(ALIASES)


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
def test_an_alias_works_as_it_did_and_warns_once(tmp_path: Path, name: str, case: Case) -> None:
    client = client_of(tmp_path, case.content)
    client.add_data("a vip", CustomData("plan", "vip"), track=False)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = outcome(lambda: getattr(client, name)(*case.arguments))

    assert answer == case.expected
    assert [event.data for event in reported(client)] == list(case.reported)
    assert [item.category for item in caught] == [DeprecationWarning]
    assert f"{name} is deprecated: use {ALIASES[name].successor}" in str(caught[0].message)
    assert caught[0].filename == __file__  # where it is called


def outcome(call: Callable[[], object]) -> object:
    """What a call gives, or the class of what it raises."""
    try:
        return call()
    except Exception as error:  # whatever it is: the table says which
        return type(error)


def test_active_features_are_variations_and_leave_no_trace(tmp_path: Path) -> None:
    client = client_of(tmp_path, FLAGS)

    with pytest.warns(DeprecationWarning, match="get_active_features"):
        features = client.get_active_features("somebody")

    assert len(client.evaluator.store) == 0
    assert features == client.get_variations("somebody", only_active=True)


def test_keywords_are_those_of_the_reference(tmp_path: Path) -> None:
    client = client_of(tmp_path, FLAGS)

    with pytest.warns(DeprecationWarning, match="get_variation"):
        key = client.get_feature_variation_key(visitor_code="somebody", feature_key="on", is_unique_identifier=True)
    with pytest.warns(DeprecationWarning, match="get_variation"):
        size = client.get_feature_variable(visitor_code="somebody", feature_key="on", variable_key="size")

    assert (key, size) == ("on", 5)
    assert client.evaluator.visitor("somebody").is_unique_identifier


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_is_found_where_one_looks_for_it(tmp_path: Path, name: str) -> None:
    client = client_of(tmp_path, FLAGS)

    assert name in dir(client)
    assert name not in vars(KameleoonClient)
    assert getattr(client, name).__name__ == name
    assert getattr(client, name).__doc__


@pytest.mark.parametrize("name", ALIASES)
def test_a_successor_exists(name: str) -> None:
    assert callable(getattr(KameleoonClient, ALIASES[name].successor.partition("(")[0]))


@pytest.mark.parametrize("name", ["nope", "_private", "__deepcopy__"])
def test_there_are_no_other_names(tmp_path: Path, name: str) -> None:
    client = client_of(tmp_path, FLAGS)

    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(client, name)


def test_a_client_that_is_not_made_yet_has_no_names_either() -> None:
    with pytest.raises(AttributeError):
        _ = KameleoonClient.__new__(KameleoonClient).nope
