"""Sets up what a FlagshipProvider is made of, as its settings say: the API, the tracker, and what decides.

The network's modules are imported only where they are used: a bucketing file on disk needs none of them.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from ..clock import Clock
from ..settings import Secret
from .bucketing_file import follow_bucketing
from .endpoints import V3
from .known_visitors import Visitors
from .local_decisions import LocalDecisions
from .provider_configuration import FlagshipConfiguration
from .reports import Reports

if TYPE_CHECKING:
    from .api import FlagshipApi
    from .kept_visitors import KeptVisitors
    from .remote_decisions import RemoteDecisions
    from .tracking import Tracker

__all__ = ["api_of", "kept_visitors", "local_decisions", "remote_decisions", "tracker_of"]

CONNECTIONS = 32
"""To the decision API, kept open: as many threads may ask at once without opening others."""


def api_of(env_id: str, api_key: Secret, configuration: FlagshipConfiguration) -> FlagshipApi:
    """Flagship's servers. Without ``report_context_data`` the decision API is told to keep no context."""
    # Imported here: who neither asks nor sends needs nothing of the network, which takes long to import.
    from ..transport.http import Http  # noqa: PLC0415
    from .api import FlagshipApi  # noqa: PLC0415  # as above

    http = Http(configuration.session, connections=CONNECTIONS)
    dialect = replace(V3, tells_context=not configuration.report_context_data)
    return FlagshipApi(http, env_id, api_key, dialect=dialect, endpoints=configuration.endpoints)


def tracker_of(api: FlagshipApi, configuration: FlagshipConfiguration, clock: Clock) -> Tracker:
    """What sends hits and activations; not started yet."""
    # Imported here, as in api_of.
    from .tracking import Tracker  # noqa: PLC0415

    return Tracker(
        api,
        directory=configuration.tracking_directory,
        survives_power_loss=configuration.tracking_survives_power_loss,
        capacity=configuration.tracking_queue_size,
        max_pool_size=configuration.tracking_pool_size,
        time_interval=configuration.tracking_interval_second,
        timeout=configuration.timeout_second,
        shutdown_timeout=configuration.shutdown_timeout_second,
        threads=configuration.multi_threading,
        clock=clock,
    )


def local_decisions(
    env_id: str, configuration: FlagshipConfiguration, reports: Reports, clock: Clock
) -> LocalDecisions:
    """Decisions from the bucketing file, which is not followed yet."""
    live = follow_bucketing(
        env_id,
        file=configuration.data_file,
        endpoints=configuration.endpoints,
        session=configuration.session,
        interval=configuration.polling_interval_second,
        timeout=configuration.download_timeout_second,
        cache_directory=configuration.cache_directory,
        max_bytes=configuration.data_file_bytes,
        threads=configuration.multi_threading,
        clock=clock,
    )
    return LocalDecisions(live, reports, wait_seconds=configuration.download_timeout_second)


def kept_visitors(env_id: str, configuration: FlagshipConfiguration) -> KeptVisitors | None:
    """What keeps visitors for a later process, if anything does."""
    if configuration.cache_manager is None:
        return None
    # Imported here: most have none, and it needs asyncio.
    from .kept_visitors import KeptVisitors  # noqa: PLC0415

    return KeptVisitors(configuration.cache_manager, env_id)


def remote_decisions(
    api: FlagshipApi,
    configuration: FlagshipConfiguration,
    visitors: Visitors,
    kept: KeptVisitors | None,
    reports: Reports,
    clock: Clock,
) -> RemoteDecisions:
    """Decisions of the decision API, which is not asked yet."""
    # Imported here, as in api_of.
    from .remote_decisions import RemoteDecisions  # noqa: PLC0415

    return RemoteDecisions(
        api,
        visitors,
        reports,
        maximum_age=configuration.polling_interval_second or inf,
        timeout=configuration.timeout_second,
        missing_is_default=configuration.missing_flag_is_default,
        kept=kept,
        clock=clock,
    )
