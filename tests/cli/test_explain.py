"""``explain``: the engine's explanation as a tree with the names people know, and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openfeature_kameleoon.cli.source import Source
from tests.cli.running import Run, Write


def test_the_tree_tells_each_rule_with_names_and_what_was_seen(run: Run, shop: str) -> None:
    result = run("explain", "new_checkout", "--visitor", "chloe", "--context", "plan=pro", "--data-file", shop)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "new_checkout for chloe: on (SPLIT)",
        '├── rule 7001: does not apply  type "TARGETED_DELIVERY", experiment 8001',
        '│   └── segment 2003 "Beta testers": does not match',
        '│       └── CUSTOM_DATUM "beta": does not hold  valueMatchType "TRUE", seen nothing',
        '└── rule 7002: answers on  type "TARGETED_DELIVERY", experiment 8002',
        "    ├── segment: everybody matches",
        "    └── exposition: exposed  place 0.1472, at most 0.25",
    ]


def test_the_context_is_what_conditions_see(run: Run, shop: str) -> None:
    context = ("--context", "country=FR", "--context", "cart_value=149.9")

    result = run("explain", "free_shipping", "--visitor", "eve", *context, "--data-file", shop)

    assert 'CUSTOM_DATUM "country": holds  valueMatchType "EXACT", value "FR", seen "FR"' in result.stdout
    assert 'CUSTOM_DATUM "cart_value": holds  valueMatchType "GREATER", value "100", seen "149.9"' in result.stdout


def test_an_excluding_condition_is_told_as_such(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    condition = shop_data["segments"][1]["conditionsData"]["firstLevel"][0]["conditions"][0]
    condition["isInclude"] = False
    arguments = ("explain", "price_badge", "--visitor", "eve", "--context", "country=FR")

    result = run(*arguments, "--data-file", written(shop_data))

    assert 'not CUSTOM_DATUM "country": does not hold' in result.stdout


def test_json_is_the_explanation_of_the_client(run: Run, shop: str) -> None:
    arguments = ("explain", "price_badge", "--visitor", "ada", "--context", "country=FR")

    result = run(*arguments, "--data-file", shop, "--output", "json")

    with Source(shop, None).client() as client:
        expected = client.explain("ada", "price_badge", {"country": "FR"}).as_dict()
    assert json.loads(result.stdout) == expected


@pytest.mark.parametrize("name", ["kameleoon-datafile.json", "kameleoon-datafile-legacy.json"])
def test_every_flag_can_be_explained_both_ways(run: Run, examples: str, name: str) -> None:
    path = f"{examples}/{name}"
    with Source(path, None).client() as client:
        keys = client.feature_keys()

    for key in keys:
        text = run("explain", key, "--visitor", "visitor-004", "--data-file", path)
        data = run("explain", key, "--visitor", "visitor-004", "--data-file", path, "--output", "json")

        assert text.stdout.startswith(f"{key} for visitor-004: {json.loads(data.stdout)['variation']} (")


@pytest.mark.parametrize(
    ("flag", "visitor", "context", "message"),
    [
        ("nope", "ada", "plan=pro", "feature flag 'nope' is not in the data file"),
        ("price_badge", "", "plan=pro", "a visitor code must be a non-empty string"),
        ("price_badge", "ada", "browser=5", "context attribute 'browser'"),
    ],
)
def test_what_cannot_be_explained_is_status_2(
    run: Run, shop: str, flag: str, visitor: str, context: str, message: str
) -> None:
    result = run("explain", flag, "--visitor", visitor, "--context", context, "--data-file", shop)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {message}")
