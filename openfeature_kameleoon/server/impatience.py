"""uvicorn's connections, but for clients that never come to the end of what they ask: those are hung up on.

Runs on the event loop. How long a body may take is the guard's business.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ImpatientProtocol"]

_log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
"""How long a client may take from its connection, or its last answer's end, to the end of its headers."""


class ImpatientProtocol(H11Protocol):
    """A connection that is closed unless whole headers come in time."""

    header_seconds = HEADER_SECONDS
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of headers, if these are not all."""
        self._expect()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._giving_up is None:
            self._giving_up = self.loop.call_later(self.header_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        _log.warning("refused a connection: its headers did not come within %.0f s", self.header_seconds)
        self.transport.abort()
