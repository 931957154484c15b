"""What a client tells of itself: the data file in use, and what became of the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .datafile.freshness import Status
from .tracking.outbox import OutboxStatus

if TYPE_CHECKING:
    from .tracking.sender import SenderStatus

__all__ = ["ClientStatus"]


class ClientStatus(msgspec.Struct, frozen=True):
    """Where things stand at one moment. ``sender`` is ``None`` for a client that sends nothing."""

    data_file: Status
    events: OutboxStatus
    sender: SenderStatus | None
