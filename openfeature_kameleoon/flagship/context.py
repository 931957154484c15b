"""What a visitor's context may hold, as each generation of the SDK has it (specs/flagship.md 5).

Pure. A refusal names the key, never the value: it may be personal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from ..transport.foreign_text import printable
from .errors import ContextError
from .flagship_context import FlagshipContext
from .helpers.preset_context import PresetContext
from .protocol import SDK_CLIENT, SDK_VERSION

__all__ = ["CURRENT", "LEGACY", "ContextRules", "Entry", "Scalar", "current_entry", "legacy_entry"]

Scalar = str | int | float | bool

SCALARS = (str, int, float, bool)

RESERVED = frozenset({FlagshipContext.FLAGSHIP_CLIENT.key, FlagshipContext.FLAGSHIP_VERSION.key})
KINDS: Mapping[str, type] = {member.key: member.kind for member in FlagshipContext}

LARGEST_EXACT = 2**53


class Entry(NamedTuple):
    """One key of a context, and its value."""

    key: str
    value: Scalar


def legacy_entry(key: object, value: object) -> Entry:
    """What 1.x keeps of a key, a text or a ``PresetContext``, and a value. Raises ``ContextError``."""
    if isinstance(key, PresetContext):
        key = key.value
    if type(key) is not str:
        raise ContextError(f"a context key must be a str or a PresetContext, not {type(key).__name__}; it is skipped")
    if type(value) not in SCALARS:
        raise ContextError(_of_no_kind(key, value))
    return Entry(key, value)  # type: ignore[arg-type]  # it is one of SCALARS


def current_entry(key: object, value: object) -> Entry:
    """What 3.x keeps of a key, a text or a ``FlagshipContext``, and a value. Raises ``ContextError``."""
    if isinstance(key, FlagshipContext):
        key = key.key
    if not isinstance(key, str) or not key:
        kind = "an empty one" if key == "" else type(key).__name__
        raise ContextError(f"a context key must be a str with text or a FlagshipContext, not {kind}; it is skipped")
    if key in RESERVED:
        raise ContextError(f"the context key {key} is the SDK's to set; it is skipped")
    if not isinstance(value, SCALARS) or isinstance(value, Enum):
        raise ContextError(_of_no_kind(key, value))
    wanted = KINDS.get(key)
    if wanted is float and type(value) is int and abs(value) <= LARGEST_EXACT:
        value = float(value)  # 3.0.1 refuses it
    if wanted is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
        raise ContextError(
            f"the context key {key} takes a {wanted.__name__}, not {type(value).__name__}; it is skipped"
        )
    return Entry(key, value)


class ContextRules(NamedTuple):
    """What a generation makes of each entry, and which keys are there on their own."""

    entry: Callable[[object, object], Entry]
    automatic: Mapping[str, Scalar]


LEGACY = ContextRules(legacy_entry, {member.value: "" for member in PresetContext})
CURRENT = ContextRules(current_entry, {"fs_client": SDK_CLIENT, "fs_version": SDK_VERSION})


def _of_no_kind(key: str, value: object) -> str:
    name = printable(key, 60)
    return f"the context key {name} takes a str, int, float or bool, not {type(value).__name__}; it is skipped"
