"""A fake Kameleoon for all tests of processes, and clients that speak with it."""

from __future__ import annotations

from tests.process.reporting import open_client, server

__all__ = ["open_client", "server"]
