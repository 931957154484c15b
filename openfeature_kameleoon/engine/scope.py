"""What a targeting condition is made of, and what it may know besides the visitor (specs/kameleoon-sdk.md 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..datafile.model import Raw
from ..visitors.visitor import Visitor
from .matching import Test

__all__ = ["Accepts", "Condition", "FlagRule", "Getter", "Scope", "UnusableCondition"]

Getter = Callable[[Visitor], Any]


class UnusableCondition(ValueError):
    """A condition's members make no sense; the message says which."""


class FlagRule(NamedTuple):
    """What TARGET_FEATURE_FLAG knows of a rule of another flag."""

    rule_id: int | None
    experiment_id: int
    variation_keys: Mapping[int, str]


def _no_rules(flag_id: int) -> tuple[FlagRule, ...]:
    return ()


def _no_segment(segment_id: int) -> Test | None:
    return None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may know besides the visitor. ``campaign_id`` is the experiment id of the rule tested (5.3)."""

    now: Callable[[], float]
    start_of_day: Callable[[], float]
    sdk_name: str
    sdk_version: str
    campaign_id: int | None = None
    segment: Callable[[int], Test | None] = _no_segment
    rules_of_flag: Callable[[int], tuple[FlagRule, ...]] = _no_rules


Accepts = Callable[[Raw, Scope], Test]
"""Makes the test of what one condition sees, from its members. Raises ``UnusableCondition``."""


class Condition(NamedTuple):
    """A row of the table: what a condition sees and accepts, made from its members and the scope.

    ``custom_datum`` gives the index of the one custom datum that it sees, if it sees nothing but that.
    """

    sees: Callable[[Raw, Scope], Getter]
    accepts: Accepts
    custom_datum: Callable[[Raw], int | None] | None = None
