"""Hear of changes within a second: Kameleoon tells of a new data file, which is then fetched and put to use.

Run: python examples/streaming.py (KAMELEOON_SITE_CODE=<yours> has to be set)

It ends when somebody has changed a flag.
"""

from __future__ import annotations

import os
import threading

from openfeature import api
from openfeature.event import EventDetails, ProviderEvent

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

changed = threading.Event()


def on_change(details: EventDetails) -> None:
    """Runs on a thread of OpenFeature's; what takes long belongs elsewhere."""
    print("changed:", *sorted(details.flags_changed or ()))
    changed.set()


def on_stale(details: EventDetails) -> None:
    """Evaluations go on from what is there."""
    print("perhaps out of date:", details.message)


def main() -> None:
    # Without the setting the data file decides whether updates are streamed; polling goes on beside it, slowly.
    configuration = KameleoonClientConfiguration(real_time_update=True)
    provider = KameleoonProvider(os.environ["KAMELEOON_SITE_CODE"], configuration)
    api.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, on_change)
    api.add_handler(ProviderEvent.PROVIDER_STALE, on_stale)
    api.set_provider_and_wait(provider)
    print("flags:", *provider.client.feature_keys())

    changed.wait()

    stream = provider.status().data_file.stream
    print("the stream is", stream.state.value, "and told of", stream.events, "new data file")
    api.shutdown()


if __name__ == "__main__":
    main()
