"""The simulation cookie: variations that a tester sees whatever the rules say (specs/kameleoon-sdk.md 8.5).

Only the cookie's value is read here: which cookie it is, and whose visitor it changes, is the caller's part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from ..datafile.model import FeatureFlag
from ..errors import FeatureError, NotFoundError
from .traits import ForcedVariation

__all__ = ["Simulation", "parse_simulation"]


class Simulation(NamedTuple):
    """Variations to simulate by flag key, and what was wrong with the entries that are left out."""

    variations: dict[str, ForcedVariation]
    problems: list[str]


class _WrongEntry(ValueError):
    """An entry asks for what the data file does not have."""


def parse_simulation(value: str, flag: Callable[[str], FeatureFlag]) -> Simulation | None:
    """Read the cookie's value, percent-encoded JSON or plain; ``None`` when it is no JSON object.

    ``flag`` gives a flag by its key; where it raises ``NotFoundError`` or ``FeatureError``, the entry is
    left out.
    """
    try:
        entries = msgspec.json.decode(unquote(value, errors="strict"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(entries, dict):
        return None
    simulation = Simulation({}, [])
    for key, entry in entries.items():
        try:
            simulation.variations[key] = _variation(key, entry, flag)
        except (_WrongEntry, NotFoundError, FeatureError) as error:
            simulation.problems.append(f"simulation of {key!r:.100}: {error}")
    return simulation


def _variation(key: str, entry: Any, flag: Callable[[str], FeatureFlag]) -> ForcedVariation:
    if not isinstance(entry, dict):
        raise _WrongEntry("an object with expId and varId is expected")
    definition = flag(key)
    experiment_id = _id(entry, "expId")
    if experiment_id == 0:
        return ForcedVariation(0, None, None)
    variation_id = _id(entry, "varId")
    rules = [rule for rule in definition.rules or () if rule.experiment_id == experiment_id]
    if not rules:
        raise _WrongEntry(f"the flag has no rule with experiment {experiment_id}")
    for rule in rules:
        for share in rule.variation_by_exposition or ():
            if share.variation_id == variation_id:
                return ForcedVariation(experiment_id, share.variation_key, variation_id)
    raise _WrongEntry(f"experiment {experiment_id} has no variation {variation_id}")


def _id(entry: dict[str, Any], member: str) -> int:
    number = entry.get(member)
    if type(number) is not int or number < 0:
        raise _WrongEntry(f"{member} must be a whole number that is not negative")
    return number
