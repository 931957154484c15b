"""The exceptions: one tree, as its docstring draws it, under old and new names."""

from __future__ import annotations

import re

import pytest

import openfeature_kameleoon.errors as module
from openfeature_kameleoon import KameleoonError

CLASSES = {
    name: item
    for name, item in vars(module).items()
    if isinstance(item, type) and issubclass(item, Exception) and not name.startswith("_")
}
CURRENT = {name: item for name, item in CLASSES.items() if item.__name__ == name}

NAMES_OF_2X = {
    "KameleoonException": "KameleoonError",
    "ConfigurationNotFoundException": "ConfigFileNotFound",
    "CredentialsNotFoundException": "ConfigCredentialsInvalid",
    "VisitorCodeNotValid": "VisitorCodeInvalid",
    "FeatureConfigurationNotFound": "FeatureNotFound",
    "VariationConfigurationNotFound": "FeatureVariationNotFound",
    "ExperimentConfigurationNotFound": "FeatureExperimentNotFound",
}

REFERENCE = {
    "KameleoonError": "Exception",
    "ConfigException": "KameleoonError",
    "ConfigFileNotFound": "ConfigException",
    "ConfigCredentialsInvalid": "ConfigException",
    "SiteCodeIsEmpty": "KameleoonError",
    "Initialization": "KameleoonError",
    "NotFoundError": "KameleoonError",
    "FeatureNotFound": "NotFoundError",
    "FeatureVariationNotFound": "NotFoundError",
    "FeatureExperimentNotFound": "NotFoundError",
    "FeatureVariableNotFound": "NotFoundError",
    "FeatureError": "KameleoonError",
    "FeatureEnvironmentDisabled": "FeatureError",
    "VisitorCodeInvalid": "KameleoonError",
    "SiteCodeDisabled": "KameleoonError",
    "NotTargeted": "KameleoonError",
    "NotAllocated": "KameleoonError",
}
"""Kameleoon's tree (specs/kameleoon-sdk.md 11.3); ours has more leaves."""


def drawn_tree() -> dict[str, str]:
    """Parents by name, as the docstring draws them."""
    parents: dict[int, str] = {}
    tree = {}
    for line in (module.__doc__ or "").split("```")[1].strip().splitlines():
        match = re.match(r"((?:│   |    )*)([├└]── )?(\w+(?:, \w+)*)", line)
        assert match, line
        depth = len(match[1]) // 4 + bool(match[2])
        for name in match[3].split(", "):
            tree[name] = parents.get(depth - 1, "Exception")
            parents[depth] = name
    return tree


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree() == {name: item.__bases__[0].__name__ for name, item in CURRENT.items()}


@pytest.mark.parametrize(("name", "parent"), REFERENCE.items())
def test_what_kameleoons_code_catches_is_caught(name: str, parent: str) -> None:
    assert CLASSES[name].__bases__[0].__name__ == parent


@pytest.mark.parametrize(("old", "new"), NAMES_OF_2X.items())
def test_old_and_new_names_are_the_same_class(old: str, new: str) -> None:
    assert CLASSES[old] is CLASSES[new]
    assert f"(2.x: {old})" in (module.__doc__ or "")


def test_there_are_no_other_names() -> None:
    assert set(CLASSES) - set(CURRENT) == set(NAMES_OF_2X)
    assert sorted(CLASSES) == sorted(module.__all__)


def test_what_kept_the_first_data_file_away_has_kameleoons_name() -> None:
    with pytest.raises(module.Initialization) as raised:
        raise module.Initialization("no data file") from TimeoutError("in vain")

    assert isinstance(raised.value.cause, TimeoutError)
    assert module.Initialization("no data file").cause is None


@pytest.mark.parametrize("name", CURRENT)
def test_an_error_carries_its_message(name: str) -> None:
    options = {"setting": "goals"} if name == "ConfigSettingInvalid" else {}

    error = CURRENT[name]("what is wrong", **options)

    assert isinstance(error, KameleoonError)
    assert (error.message, str(error), error.args) == ("what is wrong", "what is wrong", ("what is wrong",))
    assert CURRENT[name].__doc__
