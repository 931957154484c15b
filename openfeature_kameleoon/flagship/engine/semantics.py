"""How one and the same file is read: as SDKs decide by themselves, or as the decision server does.

What differs is listed here and nowhere else (specs/flagship.md 2.7, 3.5, 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .operators import SDK_OPERATORS, SERVER_OPERATORS, Operator

__all__ = ["SDK", "SERVER", "Semantics"]


@dataclass(frozen=True, slots=True)
class Semantics:
    """The rules that a file is compiled by.

    ``is_strict``: a rule whose kinds differ keeps everybody out of its variation group.
    ``asks_providers``: a rule that names a provider of audiences sees the context's ``provider::key``.
    ``may_lack_flags``: a variation without modifications is one that sets no flag, instead of undoing its group.
    ``is_first_of_id``: of campaigns with one id, the first one counts.
    ``has_ranges``: ``bucketRanges`` are heeded. ``has_one_test``: so is the account's one-visitor-one-test.
    """

    operators: Mapping[str, Operator] = field(hash=False)
    is_strict: bool = False
    asks_providers: bool = False
    may_lack_flags: bool = False
    is_first_of_id: bool = False
    has_ranges: bool = False
    has_one_test: bool = False


SDK = Semantics(SDK_OPERATORS)
"""Python 3.0.1 with what the specification says to fix, and its recommended set of rules."""

SERVER = Semantics(
    SERVER_OPERATORS,
    is_strict=True,
    asks_providers=True,
    may_lack_flags=True,
    is_first_of_id=True,
    has_ranges=True,
    has_one_test=True,
)
"""The decision API."""
