"""``flags``: what a data file holds."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.running import Run, Write


def test_the_table_has_every_flag_and_its_rules_in_words(run: Run, shop: str) -> None:
    result = run("flags", "--data-file", shop)

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[:5] == [
        "Flag Id On Default Variations Rules",
        'new_checkout 1001 yes off off, on delivery 8001: segment 2003 "Beta testers": on',
        "delivery 8002: 25% of everybody: on",
        "search_ranking 1002 yes control control, semantic, hybrid "
        "experiment 8003: everybody: 34% control, 33% semantic, 33% hybrid",
        "price_badge 1003 yes off off, percent, amount "
        'experiment 8004: 80% of segment 2002 "France": 50% percent, 50% amount',
    ]
    assert "legacy_export 1008 no off off, on delivery 8009: everybody: on" in lines
    assert lines.count("in home_page_banner") == 2


def test_json_has_all_of_a_flag(run: Run, shop: str) -> None:
    flags = json.loads(run("flags", "--data-file", shop, "--output", "json").stdout)

    assert flags[2] == {
        "key": "price_badge",
        "id": 1003,
        "enabled": True,
        "default": "off",
        "variations": ["off", "percent", "amount"],
        "rules": [
            {
                "id": 7004,
                "type": "EXPERIMENTATION",
                "exposition": 0.8,
                "experiment_id": 8004,
                "segment_id": 2002,
                "segment": "France",
                "shares": [{"variation": "percent", "share": 0.5}, {"variation": "amount", "share": 0.5}],
            }
        ],
        "group": None,
        "problems": [],
    }


def test_a_flag_with_problems_is_marked(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    flags = shop_data["featureFlags"]
    flags[0]["id"] = "no number"
    flags[2]["rules"][0]["segmentId"] = 2005
    shop_data["segments"].append(
        {"id": 2005, "conditionsData": {"firstLevel": [{"conditions": [{"targetingType": "WEATHER"}]}]}}
    )

    result = run("flags", "--data-file", written(shop_data))

    marked = [line for line in result.stdout.splitlines() if line.startswith("! ")]
    assert [line.split()[1] for line in marked] == ["new_checkout", "price_badge", "new_checkout:", "price_badge:"]
    assert "does not decode" in marked[2]
    assert "WEATHER" in marked[3]


def test_a_2x_data_file_can_be_listed(run: Run, examples: str) -> None:
    result = run("flags", "--data-file", f"{examples}/kameleoon-datafile-legacy.json")

    assert result.exit_code == 0
    assert "experiment 7001: 80% of everybody: 50% off, 50% on" in result.stdout


def test_text_of_a_data_file_cannot_command_the_terminal(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    evil = "\x1b]0;owned\x07[bold]key[/bold]"
    flag = shop_data["featureFlags"][0]
    flag |= {"featureKey": evil, "mutuallyExclusiveGroup": evil, "defaultVariationKey": evil}
    flag["variations"][1]["key"] = evil
    shop_data["segments"][2] |= {"name": evil}
    path = written(shop_data)

    outputs = [
        run("flags", "--data-file", path),
        run("evaluate", "--all", "--visitor", "v", "--data-file", path),
        run("evaluate", evil, "--visitor", "v", "--data-file", path),
        run("explain", evil, "--visitor", "v", "--data-file", path),
        run("validate", path),
        run("assign", evil, "--visitors", "-", "--output", "-", "--data-file", path, input=b"code\n1\n2\n3\n4\n"),
    ]

    for result in outputs:
        screen = result.stderr if result is outputs[-1] else result.output  # the CSV file has the keys as they are
        assert "\x1b" not in screen
        assert "\\x1b]0;owned\\x07[bold]key[/bold]" in screen
