"""What the client hands out of a data file: read-only values that nobody else sees changes of."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient
from openfeature_kameleoon.errors import FeatureEnvironmentDisabled, FeatureMalformed, FeatureNotFound
from openfeature_kameleoon.views import DataFile, FeatureFlag, Rule, Variable, Variation
from tests.faces import EXPERIMENT, client_of, flag, rule, site
from tests.vectors import data_file, vectors

LAYOUT = {"layout": ("JSON", '{"columns": [1, 2]}'), "size": ("NUMBER", 5), "odd": ("DATE", "today")}
FLAGS = site(
    flag("f", rule(1, ("on", 0.5), ("off", 0.4), ("undeclared", 0.1), kind=EXPERIMENT), variables=LAYOUT),
    flag("disabled", environmentEnabled=False),
    {"featureKey": "broken", "variations": "none"},
    flag("lost", defaultVariationKey="undeclared"),
)


@pytest.fixture
def client(tmp_path: Path) -> KameleoonClient:
    return client_of(tmp_path, FLAGS)


def test_a_data_file_has_all_flags_that_decode(client: KameleoonClient) -> None:
    view = client.get_data_file()

    assert list(view.feature_flags) == ["f", "disabled", "lost"]
    assert view.date_modified == 1_789_900_000_000
    assert [flag.environment_enabled for flag in view.feature_flags.values()] == [True, False, True]


def test_the_example_file_can_be_shown(tmp_path: Path) -> None:
    content = data_file()

    view = client_of(tmp_path, content).get_data_file()

    assert list(view.feature_flags) == [flag["featureKey"] for flag in content["featureFlags"]]
    for declared in content["featureFlags"]:
        shown = view.feature_flags[declared["featureKey"]]
        assert list(shown.variations) == [variation["key"] for variation in declared["variations"]]
        assert len(shown.rules) == len(declared["rules"])


def test_a_flag_shows_its_variations_and_those_of_its_rules(client: KameleoonClient) -> None:
    view = client.get_feature_flag("f")

    assert view.default_variation_key == "off"
    assert view.default_variation is view.variations["off"]
    assert view.variations["off"] == Variation("off", "Off", None, None, {})
    assert list(view.variations["on"].variables.values()) == [
        Variable("layout", "JSON", {"columns": [1, 2]}),
        Variable("size", "NUMBER", 5),
        Variable("odd", "DATE", None),  # of an unknown type (2.3)
    ]
    [shown] = view.rules
    assert [(key, item.id_, item.experiment_id) for key, item in shown.variations.items()] == [
        ("on", 10, 1001),
        ("off", 11, 1001),
    ]


@pytest.mark.parametrize(
    ("key", "error"),
    [("nope", FeatureNotFound), ("disabled", FeatureEnvironmentDisabled), ("broken", FeatureMalformed)],
)
def test_a_flag_that_cannot_be_shown_says_why(client: KameleoonClient, key: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"'{key}'"):
        client.get_feature_flag(key)


def test_a_default_variation_that_is_not_declared_is_a_key_error(client: KameleoonClient) -> None:
    with pytest.raises(KeyError, match="undeclared"):
        _ = client.get_data_file().feature_flags["lost"].default_variation


def test_an_undeclared_variation_is_still_an_answer(client: KameleoonClient) -> None:
    variation = client.get_variation("somebody", "lost")

    assert (variation.key, variation.name, variation.variables, variation.is_active) == ("undeclared", "", {}, True)


def test_variables_are_those_of_the_reference(tmp_path: Path) -> None:
    expected = vectors("variables")
    client = client_of(tmp_path, data_file(expected["datafile_patch"]))

    variation = client.get_variation(expected["visitor_code"], expected["flag"])

    assert (variation.key, variation.name) == (expected["variation_key"], expected["variation_name"])
    assert variation.is_active is expected["is_active"]
    assert {
        key: {"type": item.type, "value": item.value, "python_type": type(item.value).__name__}
        for key, item in variation.variables.items()
    } == expected["variables"]


def test_what_a_caller_changes_nobody_else_sees(client: KameleoonClient) -> None:
    for view in (client.get_feature_flag("f"), client.get_data_file().feature_flags["f"]):
        layout: Any = view.variations["on"].variables["layout"].value
        layout["columns"].clear()

    assert client.get_feature_flag("f").variations["on"].variables["layout"].value == {"columns": [1, 2]}


@pytest.mark.parametrize("kind", [DataFile, FeatureFlag, Rule, Variable, Variation])
def test_views_are_read_only(kind: type[Any]) -> None:
    fields = list(inspect.signature(kind).parameters)
    view = kind(*(None for _ in fields))

    for field in [*fields, "new"]:
        with pytest.raises(AttributeError):
            setattr(view, field, 1)
