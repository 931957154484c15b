"""A visitor's place, and thresholds as bounds on digests: bit for bit what Kameleoon's clients compute."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openfeature_kameleoon.engine.bucketing import (
    ALL,
    NONE,
    bound,
    hash_string,
    legacy_experiment_suffix,
    place,
    respool_suffix,
    running_bounds,
    slot,
)
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, vectors

LARGEST = 2**256 - 1
SMALLEST_FLOAT = 5e-324
VISITORS = 100_000
SIGMAS = 4.5
"""How far a count may be from its expectation; by chance alone, one in 150,000 would be farther."""

thresholds = st.floats(0.0, 1.0) | st.integers(0, LARGEST).map(lambda number: number / 2.0**256)
digests = st.binary(min_size=32, max_size=32)


def place_of(digest: bytes) -> float:
    """The definition of 3.1, for a digest that no text is known for."""
    return int.from_bytes(digest, "big") / 2.0**256


def near(threshold: float) -> list[bytes]:
    """Digests at the bound, around it, and half-way to the neighbouring floats."""
    at = int.from_bytes(bound(threshold), "big")
    above = int(math.nextafter(threshold, 2.0) * 2.0**256)
    numbers = {at + step for step in (-2, -1, 0, 1, 2)} | {(at + above) // 2, above - 1, above, above + 1}
    return [number.to_bytes(32, "big") for number in numbers if 0 <= number <= LARGEST]


# --- places -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("hash"), ids=lambda vector: vector["hashed_string"][:40])
def test_a_place_is_that_of_the_reference_to_the_last_bit(vector: dict[str, Any]) -> None:
    text = vector["visitor_code"] + respool_suffix(vector["container_id"], vector["respool_time"])

    assert vector["hashed_string"] in (text, f"{text[:8]}...({len(text)} chars)")
    assert place(text).hex() == float.fromhex(vector["hex_double"]).hex()
    assert place(text) == vector["value"]


@pytest.mark.parametrize("vector", vectors("legacy_hash"), ids=lambda vector: vector["hashed_string"])
def test_a_place_in_a_2x_experiment_is_that_of_the_reference(vector: dict[str, Any]) -> None:
    times = list((vector["respool_times"] or {}).items())
    text = vector["visitor_code"] + legacy_experiment_suffix(vector["experiment_id"], times)

    assert text == vector["hashed_string"]
    assert place(text).hex() == float.fromhex(vector["hex_double"]).hex()


def test_variation_0_is_called_origin_when_2x_sorts_respool_times() -> None:
    assert legacy_experiment_suffix(1, [("0", 5), ("2", 20), ("10", 100)]) == "1100205"


@pytest.mark.parametrize("vector", vectors("hash_me_group"), ids=lambda vector: vector["visitor_code"])
def test_a_place_in_a_group_is_that_of_the_reference(vector: dict[str, Any]) -> None:
    text = vector["visitor_code"] + vector["group"]

    assert place(text) == vector["value"]
    assert slot(text, vector["group_size"]) == vector["index"]


def test_a_place_of_1_is_in_the_last_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openfeature_kameleoon.engine.bucketing.place", lambda text: 1.0)

    assert slot("anybody", 3) == 2


# --- bounds -------------------------------------------------------------------------------------------------


@given(threshold=thresholds, digest=digests)
@example(threshold=0.0, digest=bytes(32))
@example(threshold=1.0, digest=b"\xff" * 32)
@example(threshold=SMALLEST_FLOAT, digest=bytes(31) + b"\x01")
def test_a_digest_is_within_the_bound_exactly_when_its_place_is_within_the_threshold(
    threshold: float, digest: bytes
) -> None:
    for candidate in (digest, *near(threshold)):
        assert (candidate <= bound(threshold)) is (place_of(candidate) <= threshold)


@given(digest=digests)
def test_a_threshold_that_is_the_digests_own_place_includes_it(digest: bytes) -> None:
    own = place_of(digest)

    assert digest <= bound(own)
    assert not digest <= bound(math.nextafter(own, -1.0))


@given(lower=thresholds, upper=thresholds)
def test_bounds_keep_the_order_of_their_thresholds(lower: float, upper: float) -> None:
    lower, upper = sorted((lower, upper))

    assert bound(lower) <= bound(upper)


def test_a_digest_that_rounds_up_to_1_is_within_1_only() -> None:
    digest = LARGEST.to_bytes(32, "big")

    assert place_of(digest) == 1.0
    assert digest <= bound(1.0)
    assert not digest <= bound(math.nextafter(1.0, 0.0))


@pytest.mark.parametrize("threshold", [1.0, 1, 1.5, 2.0, math.inf])
def test_everybody_is_within_1_and_more(threshold: float) -> None:
    assert bound(threshold) is ALL


@pytest.mark.parametrize("threshold", [-SMALLEST_FLOAT, -0.1, -1.0, -math.inf, math.nan])
def test_nobody_is_within_less_than_0_or_no_number(threshold: float) -> None:
    assert bound(threshold) == NONE
    assert not bytes(32) <= NONE


@pytest.mark.parametrize("threshold", [0.0, -0.0, SMALLEST_FLOAT, 1e-100])
def test_a_tiny_threshold_includes_the_place_0_only(threshold: float) -> None:
    assert bytes(32) <= bound(threshold)
    assert not bytes(31) + b"\x01" <= bound(threshold)


# --- running sums -------------------------------------------------------------------------------------------


def test_shares_add_up_as_doubles_do() -> None:
    assert running_bounds([0.1] * 10)[-1] == bound(0.9999999999999999)
    assert running_bounds([0.1] * 10)[-1] is not ALL
    assert running_bounds([0.1, 0.2])[1] == bound(0.30000000000000004) != bound(0.3)
    assert running_bounds([0.5, 0.5])[-1] is ALL


@given(st.lists(st.floats(0.0, 0.5), max_size=8))
def test_running_bounds_are_those_of_the_sums_from_left_to_right(shares: list[float]) -> None:
    sums = list(accumulate(shares, initial=0.0))[1:]

    assert running_bounds(shares) == [bound(total) for total in sums]


# --- what it is for -----------------------------------------------------------------------------------------


def is_expected(count: int, share: float, of: int = VISITORS) -> bool:
    """Whether a count is within a few standard deviations of what a binomial distribution expects."""
    return abs(count - of * share) <= SIGMAS * math.sqrt(of * share * (1 - share))


def test_visitors_are_allocated_in_the_shares_that_were_asked_for() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.15}
    entries = [
        {"variationKey": key, "variationId": number, "exposition": share}
        for number, (key, share) in enumerate(shares.items())
    ]
    rule = {"id": 71, "type": "EXPERIMENTATION", "exposition": 0.8, "experimentId": 81}
    flag = {"featureKey": "split", "environmentEnabled": True, "defaultVariationKey": "none"}
    stage = Stage({"featureFlags": [{**flag, "rules": [{**rule, "variationByExposition": entries}]}]})
    decide = stage.ruleset.decide("split")

    counts = dict.fromkeys([*shares, "none"], 0)
    for number in range(VISITORS):
        counts[decide(Visitor(f"visitor-{number}"), None).variation_key] += 1

    # That these hold together also says that exposition and variation are drawn independently.
    assert all(is_expected(counts[key], 0.8 * share) for key, share in shares.items()), counts
    assert is_expected(counts["none"], 1 - 0.8 * 0.95), counts


def test_two_experiments_split_visitors_independently() -> None:
    half = bound(0.5)
    both = sum(
        hash_string(f"visitor-{number}", "81") <= half and hash_string(f"visitor-{number}", "82") <= half
        for number in range(VISITORS // 4)
    )

    assert is_expected(both, 0.25, of=VISITORS // 4)
