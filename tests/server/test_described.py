"""Segments in words, as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.server.described import described_flag
from openfeature_kameleoon.server.site import Site
from tests.faces import flag, plan_is, rule
from tests.faces import site as data_file
from tests.vectors import as_bytes, segment

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"targetingType": "CUSTOM_DATUM", "customDataIndex": "1", "valueMatchType": "GREATER", "value": "5"},
         'cart value > "5"'),
        ({"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "AMONG_VALUES",
          "value": '["a", "b"]'}, 'plan is one of "a", "b"'),
        ({"targetingType": "CUSTOM_DATUM", "customDataIndex": "9", "valueMatchType": "UNDEFINED"},
         "custom data 9 is not set"),
        ({"targetingType": "PAGE_URL", "matchType": "CONTAINS", "url": "/cart", "isInclude": False},
         'not: page url contains "/cart"'),
        ({"targetingType": "SEGMENT", "segmentId": 8}, "segment Eight"),
        ({"targetingType": "BROWSER", "browser": "CHROME", "version": "9", "versionMatchType": "GREATER"},
         'browser browser "CHROME" version "9" versionMatchType "GREATER"'),
    ],
)  # fmt: skip
def test_conditions_are_told_in_words(site: Site, condition: Json, words: str) -> None:
    eight = {**plan_is("x", 8), "name": "Eight"}
    file = data_file(flag("f", rule(1, ("on", 1), segment_id=7)), segments=[segment(condition, segment_id=7), eight])
    site.publish(as_bytes(file))

    assert described_flag("f", site.flag("f"), None, site.client.ruleset)["rules"][0]["segment"]["words"] == words


def test_operators_are_told_as_they_bind(site: Site) -> None:
    plans = [
        {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": plan}
        for plan in "abcd"
    ]
    data = {"firstLevel": [{"conditions": plans, "orOperators": [False, True, True]}], "firstLevelOrOperators": []}
    file = data_file(flag("f", rule(1, ("on", 1), segment_id=7)), segments=[{"id": 7, "conditionsData": data}])
    site.publish(as_bytes(file))

    told = described_flag("f", site.flag("f"), None, site.client.ruleset)["rules"][0]["segment"]

    assert told["words"] == '(plan is "a" and plan is "b") or plan is "c" or plan is "d"'
    assert [len(part.get("all", [0])) for part in told["conditions"]["any"]] == [2, 1, 1]


def test_of_very_many_conditions_the_first_are_told(site: Site) -> None:
    codes = [{"targetingType": "VISITOR_CODE", "matchType": "EXACT", "visitorCode": str(n)} for n in range(5000)]
    data = {"firstLevel": [{"conditions": codes, "orOperators": [True] * 4999}], "firstLevelOrOperators": []}
    file = data_file(flag("f", rule(1, ("on", 1), segment_id=7)), segments=[{"id": 7, "conditionsData": data}])
    site.publish(as_bytes(file))

    told = described_flag("f", site.flag("f"), None, site.client.ruleset)["rules"][0]["segment"]

    assert len(told["conditions"]["any"]) == 100
