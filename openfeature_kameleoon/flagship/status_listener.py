"""Where Flagship's SDK stands, and who is told when that changes (specs/flagship.md 1.11)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

__all__ = ["Status", "StatusListener"]


class Status(Enum):
    """What the SDK can do now; visitors are not ready while it is below ``PANIC``."""

    NOT_INITIALIZED = 0
    STARTING = 10
    POLLING = 20
    """There is no bucketing file yet."""
    PANIC = 30
    """Somebody has switched every flag off."""
    READY = 100


class StatusListener(ABC):
    """Something that wants to know of each change."""

    @abstractmethod
    def on_status_changed(self, new_status: Status) -> None:
        """Called after each change, on the thread that met it: keep it short."""
