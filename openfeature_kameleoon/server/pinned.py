"""Flags made of a value: everybody gets it. For tests, which set a flag and do not care what else it could do.

Pure; flags are as a data file has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["OFF", "ON", "Value", "find_flag", "first_variable", "key_of", "pinned_flag", "variation_keys"]

Value = bool | str | int | float | Sequence[Any] | Mapping[str, Any]
"""What a flag is set to: a mapping has the values of its variables."""

ON, OFF = "on", "off"
VARIABLE = "value"
"""What the variable of a flag is called that nobody has named."""


def key_of(flag: object) -> object:
    """The key of a flag of a data file."""
    return flag.get("featureKey") if isinstance(flag, dict) else None


def find_flag(data_file: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """The flag of a key, if the data file has it; the last one counts."""
    found: list[dict[str, Any]] = [flag for flag in data_file.get("featureFlags") or () if key_of(flag) == key]
    return found[-1] if found else None


def variation_keys(flag: Mapping[str, Any] | None) -> set[str]:
    """The keys of a flag's variations."""
    return {variation["key"] for variation in (flag or {}).get("variations") or ()}


def first_variable(flag: Mapping[str, Any] | None) -> str:
    """The key of the first variable that the flag's variations have."""
    keys = [
        variable["key"]
        for variation in (flag or {}).get("variations") or ()
        for variable in variation.get("variables") or ()
    ]
    return keys[0] if keys else VARIABLE


def pinned_flag(key: str, value: Value | None, name: str) -> dict[str, Any]:
    """A flag that gives everybody this value: by itself, by a variable of this name, or by those of a mapping."""
    variables: Mapping[str, Any] = {}
    if isinstance(value, Mapping):
        variables = value
    elif not isinstance(value, bool):
        variables = {name: value}
    return {
        "featureKey": key,
        "environmentEnabled": True,
        "defaultVariationKey": OFF if value is False else ON,
        "variations": [{"key": OFF}, {"key": ON, "variables": [_variable(*item) for item in variables.items()]}],
    }


def _variable(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": name, "type": "BOOLEAN", "value": value}
    if isinstance(value, str):
        return {"key": name, "type": "STRING", "value": value}
    if isinstance(value, int | float):
        return {"key": name, "type": "NUMBER", "value": value}
    if isinstance(value, Sequence | Mapping) and not isinstance(value, bytes | bytearray):
        return {"key": name, "type": "JSON", "value": json.dumps(value)}
    raise TypeError(f"a flag is set to a boolean, text, number, list or mapping, not to a {type(value).__name__}")
