"""What a visitor may do in each state of the SDK: one table, and what is said where it may not.

Pure. Who asks, and what a permitted operation does, is the visitor's business (specs/flagship.md 1.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from .status_listener import Status

__all__ = ["ALLOWED", "REFUSALS", "Operation", "Standing", "is_allowed", "standing"]


class Standing(Enum):
    """The columns of the table; the message is why an operation is refused."""

    READY = ""
    NO_CONSENT = "the visitor has not consented"
    PANIC = "the SDK is in panic mode"
    NOT_READY = "the SDK is not ready"


class Operation(Enum):
    """The rows of the table; the value names the operation in messages."""

    UPDATE_CONTEXT = "update_context"
    FETCH = "fetch_flags"
    VALUE = "value"
    FACTS = "metadata"
    EXPOSE = "visitor_exposed"
    SEND_HIT = "send_hit"
    CONSENT = "set_consent"
    CONSENT_HIT = "the consent hit"
    IDENTIFY = "authenticate"
    CACHE_WRITE = "writing to the visitor cache"
    CACHE_READ = "reading from the visitor cache"
    CACHE_FLUSH = "flushing the visitor cache"


ALLOWED: Mapping[Operation, tuple[bool, bool, bool, bool]] = {
    # READY, NO_CONSENT, PANIC, NOT_READY
    Operation.UPDATE_CONTEXT: (True, True, False, False),
    Operation.FETCH: (True, True, True, False),
    Operation.VALUE: (True, True, False, False),
    Operation.FACTS: (True, True, False, False),
    Operation.EXPOSE: (True, False, False, False),
    Operation.SEND_HIT: (True, False, False, False),
    Operation.CONSENT: (True, True, True, False),
    Operation.CONSENT_HIT: (True, True, False, False),
    Operation.IDENTIFY: (True, True, False, False),
    Operation.CACHE_WRITE: (True, False, False, False),
    Operation.CACHE_READ: (True, False, False, True),
    Operation.CACHE_FLUSH: (True, True, False, False),
}

SILENT = frozenset(
    {Operation.FACTS, Operation.CONSENT_HIT, Operation.CACHE_WRITE, Operation.CACHE_READ, Operation.CACHE_FLUSH}
)
"""What nobody asked for in so many words, or what has an answer for it: its refusal is no error."""

REFUSALS: Mapping[Operation, str] = {operation: operation.value for operation in Operation if operation not in SILENT}
"""Whose refusals are told, and under which name."""

_COLUMNS = {column: number for number, column in enumerate(Standing)}


def standing(status: Status, has_consented: bool) -> Standing:
    """The column of the table that counts."""
    if status is Status.PANIC:
        return Standing.PANIC
    if status is not Status.READY:
        return Standing.NOT_READY
    return Standing.READY if has_consented else Standing.NO_CONSENT


def is_allowed(operation: Operation, column: Standing) -> bool:
    """Whether an operation may go on."""
    return ALLOWED[operation][_COLUMNS[column]]
