"""Sets up what speaks with Kameleoon of visitors: the outbox where events wait, the Data API, the sender.

The network's modules, and those of the disk, are imported only where they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .clock import Clock
from .configuration import KameleoonClientConfiguration
from .tracking.outbox import MemoryOutbox, Outbox

if TYPE_CHECKING:
    from .tracking.delivery import Answer
    from .tracking.sender import Sender
    from .transport.attempts import Attempt
    from .transport.data_api import DataApi
    from .transport.urls import Endpoints

__all__ = ["data_api_of", "outbox_of", "sender_of"]

MEGABYTE = 1 << 20


def outbox_of(site_code: str, configuration: KameleoonClientConfiguration, clock: Clock) -> Outbox:
    """Where events wait: in memory, or on disk if there is a directory for them."""
    memory = MemoryOutbox(configuration.tracking_queue_size, clock=clock)
    if configuration.tracking_directory is None:
        return memory
    # Imported here: most keep their events in memory, and need no database.
    from .tracking.disk import DiskOutbox  # noqa: PLC0415

    return DiskOutbox(
        configuration.tracking_directory,
        site_code,
        survives_power_loss=configuration.tracking_survives_power_loss,
        max_bytes=int(configuration.tracking_directory_maximum_size * MEGABYTE),
        memory=memory,
        clock=clock,
    )


def data_api_of(
    site_code: str,
    configuration: KameleoonClientConfiguration,
    endpoints: Endpoints | None,
    observe: Callable[[Attempt], None] | None,
    clock: Clock,
) -> DataApi:
    """What sends events and asks for visitors' data, with an access token if there are credentials."""
    # Imported here: a client that sends nothing needs nothing of the network, which takes long to import.
    from .transport.data_api import DataApi  # noqa: PLC0415
    from .transport.http import Http  # noqa: PLC0415  # as above
    from .transport.token import AccessTokens  # noqa: PLC0415  # as above
    from .transport.urls import Endpoints  # noqa: PLC0415  # as above

    places = endpoints or Endpoints.of(configuration.network_domain, configuration.server_url)
    http = Http(configuration.session, observe=observe)
    tokens = None
    if configuration.credentials is not None:
        tokens = AccessTokens(
            http,
            configuration.credentials,
            token_url=places.token_url(site_code),
            timeout=configuration.default_timeout_second,
            threads=configuration.multi_threading,
            clock=clock,
        )
    return DataApi(http, tokens, site_code, places)


class Reporting(Protocol):
    """Who has something to send, and the means."""

    @property
    def configuration(self) -> KameleoonClientConfiguration:
        """Its settings."""

    @property
    def outbox(self) -> Outbox:
        """Where its events wait."""

    @property
    def data_api(self) -> DataApi:
        """What sends them."""


def sender_of(client: Reporting, collect: Callable[[], None]) -> Sender:
    """What sends a client's events in the background; not started yet."""
    # Imported here: a client that sends nothing does not need it.
    from .tracking.sender import Sender  # noqa: PLC0415

    def post(body: bytes, timeout: float) -> Answer:
        return client.data_api.send_events(body, timeout=timeout)

    configuration = client.configuration
    return Sender(
        client.outbox,
        post,
        lambda: client.data_api.abort(),  # noqa: PLW0108  # it is made when it is first needed
        collect,
        interval=configuration.tracking_interval_second,
        timeout=configuration.default_timeout_second,
        shutdown_timeout=configuration.shutdown_timeout_second,
        maximum_age=configuration.tracking_maximum_age_hour * 3600,
        threads=configuration.multi_threading,
    )
