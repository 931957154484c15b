"""Events that outlive the process: they are on disk before ``track`` returns, and whoever comes next delivers them.

Run: python examples/durable_tracking.py (KAMELEOON_SITE_CODE=<yours> has to be set)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider


def provider_with(directory: str) -> KameleoonProvider:
    """A provider whose events wait there; any number of processes may share the directory, on a local disk."""
    configuration = KameleoonClientConfiguration(tracking_directory=directory, goals={"purchase": 4401})
    return KameleoonProvider(os.environ["KAMELEOON_SITE_CODE"], configuration)


def buy_and_die(directory: str) -> None:
    """A process that ends as though it were killed, in the same moment as it tracks."""
    api.set_provider_and_wait(provider_with(directory))
    flags, visitor = api.get_client(), EvaluationContext("ann")
    flags.get_string_value("checkout_button", "Buy", visitor)
    flags.track("purchase", visitor, TrackingEventDetails(value=9.5))
    os._exit(1)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        died = subprocess.run([sys.executable, __file__, directory], check=False)
        print("the first process ended well:", died.returncode == 0)

        provider = provider_with(directory)
        api.set_provider_and_wait(provider)
        print("the second one delivered what it left:", provider.client.flush(timeout=10))
        print("events:", provider.status().events.delivered)
        api.shutdown()


if __name__ == "__main__":
    buy_and_die(sys.argv[1]) if len(sys.argv) > 1 else main()
