"""Whether a data file replaces the one in use: the last gate, whatever its bytes do to its builder.

Pure; runs on the thread that fetched. What the bytes mean is the builder's business (reliability.md 3.1).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from ..errors import DataFileInvalid

__all__ = ["Build", "Dated", "accept", "unexpected"]

_logger = logging.getLogger(__name__)


class Dated(Protocol):
    """What is built from a data file."""

    @property
    def date_modified(self) -> int:
        """Unix milliseconds; 0 when unknown."""


R = TypeVar("R", bound=Dated)

Build = Callable[[bytes, R | None], tuple[R, list[str]]]
"""From a data file's bytes and what is in use to what replaces it and the keys of the flags that changed.

Raises ``DataFileInvalid``. It may take long, and lets other threads run meanwhile.
"""


def accept(build: Build[R], raw: bytes, in_use: R | None, *, may_lag: bool) -> tuple[R, list[str]]:
    """Build what replaces ``in_use``, or raise ``DataFileInvalid`` and nothing else.

    A source that ``may_lag`` answers from servers of which some are behind: an older data file than the one
    in use is refused. From any other source an older one is what somebody went back to on purpose.
    """
    try:
        made, changed = build(raw, in_use)
    except DataFileInvalid:
        raise
    except Exception as bug:  # whatever a data file does to its builder: the thread outlives it
        raise unexpected(bug) from bug
    if may_lag and in_use is not None and 0 < made.date_modified < in_use.date_modified:
        raise DataFileInvalid(f"it is older ({made.date_modified}) than the one in use ({in_use.date_modified})")
    return made, changed


def unexpected(bug: Exception) -> DataFileInvalid:
    """What stands for an exception nobody foresaw; its traceback is logged for debugging."""
    _logger.debug("unexpected while a data file was read", exc_info=bug)
    return DataFileInvalid(f"unexpected {type(bug).__name__}: {bug}")
