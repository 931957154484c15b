"""How an application's tests hold its flags still, without a network.

Run: python -m pytest examples/offline_tests
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).parents[1] / "flags.json"
BUTTON_EXPERIMENT = 202


def checkout_page(user: str) -> str:
    """The code under test; yours stands in your application."""
    visitor = EvaluationContext(user)
    flags = api.get_client()
    page = "new" if flags.get_boolean_value("new_checkout", False, visitor) else "old"
    return f"{page} page, button {flags.get_string_value('checkout_button', 'Buy', visitor)!r}"


# One way: a data file made for the test, in which each flag has one variation for everybody.


@pytest.fixture
def pin_flags(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Have flags answer what a test says: ``pin_flags(new_checkout=True, checkout_button="Go")``."""

    def pin(**values: bool | float | str) -> None:
        data_file = tmp_path / "flags.json"
        data_file.write_text(json.dumps({"featureFlags": [pinned(*item) for item in values.items()]}), "utf-8")
        api.set_provider_and_wait(offline_provider(data_file))

    yield pin

    api.shutdown()


def pinned(key: str, value: bool | float | str) -> dict[str, object]:
    kind = {bool: "BOOLEAN", str: "STRING"}.get(type(value), "NUMBER")
    variation = {"key": "pinned", "variables": [{"key": "value", "type": kind, "value": value}]}
    return {
        "featureKey": key,
        "environmentEnabled": True,
        "defaultVariationKey": "pinned",
        "variations": [variation],
    }


def offline_provider(data_file: Path) -> KameleoonProvider:
    # multi_threading=False: read once, no thread in the background.
    return KameleoonProvider("any-site", KameleoonClientConfiguration(data_file=data_file, multi_threading=False))


def test_the_new_page_has_the_button_of_its_flag(pin_flags: Callable[..., None]) -> None:
    pin_flags(new_checkout=True, checkout_button="Go")

    assert checkout_page("anybody") == "new page, button 'Go'"


def test_without_flags_the_old_page_is_shown(pin_flags: Callable[..., None]) -> None:
    pin_flags()

    assert checkout_page("anybody") == "old page, button 'Buy'"


# Another: the real data file, saved once, and the variation of an experiment forced for one visitor.


@pytest.fixture
def provider() -> Iterator[KameleoonProvider]:
    """The site's own flags."""
    provider = offline_provider(DATA_FILE)
    api.set_provider_and_wait(provider)

    yield provider

    api.shutdown()


@pytest.mark.parametrize(
    ("variation", "label"), [("control", "Buy"), ("short", "Pay now"), ("discount", "Pay less now")]
)
def test_every_variation_of_the_button_can_be_shown(provider: KameleoonProvider, variation: str, label: str) -> None:
    provider.client.set_forced_variation("tester", BUTTON_EXPERIMENT, variation)

    assert checkout_page("tester") == f"old page, button {label!r}"
