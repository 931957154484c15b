"""``get_client``: a configuration as it is documented becomes a client (spec 1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from ...clock import SYSTEM_CLOCK, Clock
from ...settings import Secret
from ..rest.authentication import FixedCredential
from ..rest.session import Rest, Retries, Wait
from .client import HarnessClient, SplitClient
from .exceptions import HARNESS_ERRORS, SPLIT_ERRORS, InsufficientConfigArgumentsException

__all__ = ["HarnessClient", "SplitClient", "get_client"]

BASE_URL = "https://api.split.io/internal/api/v2"
BASE_URL_V3 = "https://api.split.io/api/v3"
HARNESS_BASE_URL = "https://app.harness.io/"

SCOPE = ("account_identifier", "org_identifier", "project_identifier")

RETRIES = Retries(
    limited_seconds=5.0,
    limited_longest_seconds=5.0,
    patience_seconds=inf,
    told_in=("X-RateLimit-Reset-Seconds-Org", "X-RateLimit-Reset-Seconds-IP"),
)
"""A call that the rate limit refuses waits as long as it takes: as the service says, or 5 seconds at a time."""


def get_client(config: Mapping[str, Any], *, clock: Clock = SYSTEM_CLOCK, wait: Wait | None = None) -> SplitClient:
    """A client for ``apikey``; with ``harness_mode`` a ``HarnessClient`` for ``harness_token``.

    Besides the documented ones: ``timeout`` in seconds, none by default; ``session``, a ``requests.Session`` with
    proxies, CA bundle and adapters; ``progress``, told of pages and uploads; ``strict``, for lists of the Harness
    platform to raise. Raises ``InsufficientConfigArgumentsException``, and ``ConfigException`` for a base URL that is
    neither HTTPS nor on this machine.
    """
    if config.get("async"):
        raise Exception("Async client not yet implemented")  # the documented type
    is_harness = bool(config.get("harness_mode"))
    needed = "harness_token" if is_harness else "apikey"
    if not config.get(needed):
        raise InsufficientConfigArgumentsException(f"{needed} is required{' in harness mode' if is_harness else ''}")
    secret = config[needed]
    credential = ("x-api-key", Secret(secret)) if is_harness else ("Authorization", Secret(f"Bearer {secret}"))

    def rest(name: str, default: str) -> Rest:
        return Rest(
            config.get(name) or default,
            FixedCredential(*credential),
            timeout=config.get("timeout"),
            retries=RETRIES,
            errors=HARNESS_ERRORS if is_harness else SPLIT_ERRORS,
            session=config.get("session"),
            clock=clock,
            wait=wait,
        )

    v2, v3, progress = rest("base_url", BASE_URL), rest("base_url_v3", BASE_URL_V3), config.get("progress")
    if not is_harness:
        return SplitClient(v2, v3, progress=progress)
    return HarnessClient(
        v2,
        v3,
        rest("harness_base_url", HARNESS_BASE_URL),
        scope={name: config.get(name) for name in SCOPE},
        strict=bool(config.get("strict")),
        progress=progress,
    )
