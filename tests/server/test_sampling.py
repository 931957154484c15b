"""What a sample comes to is what the rules say, whatever stands in a flag's way."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.server.sampling import sample
from openfeature_kameleoon.server.site import Site
from tests.faces import EXPERIMENT, VIP, flag, rule
from tests.faces import site as data_file
from tests.vectors import as_bytes

Json = dict[str, Any]

HOLDOUT = {
    "experimentId": 9,
    "variationByExposition": [
        {"variationKey": "in-holdout", "variationId": 1, "exposition": 0.3},
        {"variationKey": "served", "variationId": 2, "exposition": 0.7},
    ],
}


@pytest.mark.parametrize(
    ("flags", "members"),
    [
        ([flag("f", rule(1, ("off", 0.4), ("on", 0.6), kind=EXPERIMENT))], {}),
        ([flag("f", rule(1, ("on", 0.5), kind=EXPERIMENT, exposition=0.5), rule(2, ("on", 1), exposition=0.5))], {}),
        ([flag("f", rule(1, ("on", 1), segment_id=VIP))], {}),
        ([flag("f", rule(1, ("on", 0.9), ("off", 0.9), kind=EXPERIMENT))], {}),
        ([flag("f", rule(1))], {}),
        ([flag("f")], {}),
        ([flag("f", rule(1, ("on", 1)))], {"holdout": HOLDOUT}),
        ([flag(key, rule(1, ("on", 1)), mutuallyExclusiveGroup="g") for key in ("f", "g", "h")], {}),
    ],
)
@pytest.mark.parametrize("context", [{}, {"plan": "vip"}], ids=str)
def test_a_sample_turns_out_as_the_rules_say(site: Site, flags: list[Json], members: Json, context: Json) -> None:
    site.publish(as_bytes(data_file(*flags, **members)))

    rows = sample(site.client, "f", context, 10_000)["variations"]

    assert sum(row["count"] for row in rows) == 10_000
    assert sum(row["expected"] for row in rows) == pytest.approx(1.0)
    for row in rows:
        assert row["share"] == row["count"] / 10_000 == pytest.approx(row["expected"], abs=0.02)
