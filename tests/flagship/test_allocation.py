"""A visitor's bucket and the variation it falls in: bit for bit MurmurHash3, stable, and monotone in the shares."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openfeature_kameleoon.flagship.engine.allocation import BUCKETS, bucket, bucket_table, upper_bounds

VISITORS = 20_000

texts = st.text(st.characters(exclude_categories=["Cs"]))
shares = st.lists(st.integers(0, 60) | st.floats(-5.0, 120.0), min_size=1, max_size=8)


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32-bit with seed 0, from the constants of specs/flagship.md 3.4."""
    word, all_bits = 0xFFFFFFFF, len(data) // 4 * 4

    def rotated(number: int, by: int) -> int:
        return (number << by | number >> (32 - by)) & word

    def mixed(block: int) -> int:
        return rotated(block * 0xCC9E2D51 & word, 15) * 0x1B873593 & word

    hashed = 0
    for place in range(0, all_bits, 4):
        hashed = rotated(hashed ^ mixed(int.from_bytes(data[place : place + 4], "little")), 13) * 5 + 0xE6546B64 & word
    hashed ^= mixed(int.from_bytes(data[all_bits:], "little"))
    hashed ^= len(data)
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & word
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & word
    return hashed ^ hashed >> 16


def chosen(place: int, allocations: list[float]) -> int | None:
    """The choice as the specification's pseudo-code has it, by position."""
    upper = 0.0
    for position, allocation in enumerate(allocations):
        if allocation > 0:
            upper += allocation
            if place < upper:
                return position
    return None


# --- the hash -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("", 0),
        ("a", 1009084850),
        ("hello", 613153351),
        ("visitor-1", 2387371919),
        ("cs8r01vg000000000000visitor-1", 1145014075),
        ("cs8r04vg000000000000user_#1234", 1613858085),
        ("ä", 2117259732),
        ("用户42", 3349793634),
        ("user-😀", 262889082),  # the UTF-8 bytes, where Python 3.0.1 hashes others
    ],
)
def test_a_bucket_is_the_hash_of_the_utf_8_bytes_modulo_100(text: str, hashed: int) -> None:
    assert murmur3(text.encode()) == hashed
    assert bucket(text) == hashed % 100


@given(texts)
@example("\x00")
@example("abc\x00")
@example("𝄞" * 9)
def test_a_bucket_is_that_of_the_specification_for_any_text(text: str) -> None:
    assert bucket(text) == murmur3(text.encode()) % 100


@given(st.text())
def test_a_bucket_can_be_had_of_what_utf_8_cannot_say(text: str) -> None:
    text += "\ud800"

    assert bucket(text) == murmur3(text.encode("utf-8", "surrogatepass")) % 100


def test_visitors_fall_evenly_into_all_buckets() -> None:
    counts = [0] * BUCKETS
    for number in range(VISITORS):
        counts[bucket(f"cs8r01vg000000000000visitor-{number}")] += 1

    assert min(counts) > VISITORS / BUCKETS * 0.68  # 4.5 sigmas
    assert max(counts) < VISITORS / BUCKETS * 1.32


# --- shares ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allocations", "counts"),
    [
        ([100], [100, 0]),
        ([34, 33, 33], [34, 33, 33, 0]),
        ([0, 100], [0, 100, 0]),
        ([25], [25, 75]),
        ([80, 80], [80, 20, 0]),
        ([0.5], [1, 99]),  # bucket 0 lies below half a percent
        ([33.4, 33.3, 33.3], [34, 33, 33, 0]),
        ([-5, 50], [0, 50, 50]),
        ([1e308, 1e308], [100, 0, 0]),
        ([0], [0, 100]),
        ([], [100]),
    ],
)
def test_a_share_is_that_many_buckets(allocations: list[float], counts: list[int]) -> None:
    table = bucket_table(range(len(allocations)), allocations)

    assert [table.count(position) for position in range(len(allocations))] + [table.count(None)] == counts


@given(shares)
@example([33.4, 33.3, 33.3])
@example([0.1] * 8)
@example([99.99999999999999, 1e-14])
def test_the_table_is_the_pseudo_code_of_the_specification(allocations: list[float]) -> None:
    table = bucket_table(range(len(allocations)), allocations)

    assert table == tuple(chosen(place, allocations) for place in range(BUCKETS))


@given(shares, st.integers(0, 7), st.floats(0.0, 100.0))
def test_who_has_a_variation_keeps_it_when_its_share_grows_at_the_cost_of_those_behind(
    allocations: list[float], position: int, more: float
) -> None:
    position %= len(allocations)
    grown = [*allocations[:position], max(allocations[position], 0.0) + more, *allocations[position + 1 :]]

    before, after = bucket_table(range(len(grown)), allocations), bucket_table(range(len(grown)), grown)

    assert all(now == was for was, now in zip(before, after, strict=True) if was is not None and was <= position)
    assert sum(now is None for now in after) <= sum(was is None for was in before)


@given(shares)
def test_bounds_never_fall(allocations: list[float]) -> None:
    assert upper_bounds(allocations) == sorted(upper_bounds(allocations))
