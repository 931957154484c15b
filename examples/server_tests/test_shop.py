"""Tests of the application, against a real local server: its flags, and what it tracks.

The fixtures come with openfeature-kameleoon[server]. Run: python -m pytest examples/server_tests
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shop import GOALS, buy, checkout_page

from openfeature_kameleoon_pytest import Flags, Tracked

BUTTON_EXPERIMENT = "202"


@pytest.fixture(scope="session")
def kameleoon_data_file() -> Path:
    """The site's own flags, saved once; without this fixture there are none but those that a test sets."""
    return Path(__file__).parents[1] / "flags.json"


@pytest.fixture(scope="session")
def kameleoon_settings() -> dict[str, Any]:
    """What the application sets of its provider."""
    return {"goals": GOALS}


@pytest.mark.parametrize(("is_new", "page"), [(True, "new"), (False, "old")])
def test_the_flag_chooses_the_page(kameleoon_flags: Flags, is_new: bool, page: str) -> None:
    kameleoon_flags["new_checkout"] = is_new

    assert checkout_page("ann").startswith(f"{page} page")


def test_a_flag_changes_while_the_application_runs(kameleoon_flags: Flags) -> None:
    for label in ("Go", "Now"):
        kameleoon_flags["checkout_button"] = label

        assert checkout_page("ann") == f"old page, button {label!r}"


@pytest.mark.parametrize(
    ("variation", "label"), [("control", "Buy"), ("short", "Pay now"), ("discount", "Pay less now")]
)
def test_every_variation_of_the_button_can_be_shown(kameleoon_flags: Flags, variation: str, label: str) -> None:
    kameleoon_flags.choose("checkout_button", variation)

    assert checkout_page("ann") == f"old page, button {label!r}"


def test_a_purchase_is_tracked_with_what_was_paid(kameleoon_flags: Flags, tracked_events: Tracked) -> None:
    kameleoon_flags["checkout_button"] = {"label": "Pay half", "discount": 0.5}

    buy("ann", 100)

    [purchase] = tracked_events.conversions(visitor="ann", goal=GOALS["purchase"])
    assert purchase.revenue == 50


def test_who_takes_part_in_the_experiment_is_tracked(kameleoon_flags: Flags, tracked_events: Tracked) -> None:
    checkout_page("ann")

    [exposure] = tracked_events("experiment", visitor="ann")
    assert exposure.parameters["id"] == BUTTON_EXPERIMENT


def test_looking_is_not_buying(kameleoon_flags: Flags, tracked_events: Tracked) -> None:
    checkout_page("ann")

    assert tracked_events.conversions() == []
