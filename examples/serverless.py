"""Flags in a serverless function: no threads, network inside the calls that say so, and a limit for each of them.

Run: python examples/serverless.py (KAMELEOON_SITE_CODE=<yours> has to be set)
"""

from __future__ import annotations

import os

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.errors import KameleoonError

FRESH_SECONDS = 60.0
FLUSH_SECONDS = 1.0

# Made once for each instance of the function, and kept from one call to the next.
configuration = KameleoonClientConfiguration(
    multi_threading=False, default_timeout_millisecond=2_000, goals={"purchase": 4401}
)
provider = KameleoonProvider(os.environ["KAMELEOON_SITE_CODE"], configuration)
try:
    api.set_provider_and_wait(provider)
except OpenFeatureError as error:
    print("no flags yet:", error)
flags = api.get_client()


def refresh_now_and_then() -> None:
    """Look for a new data file, at most once a minute: nobody does it in the background."""
    age = provider.status().data_file.age_seconds
    if age is None or age > FRESH_SECONDS:
        try:
            provider.client.refresh()
        except KameleoonError as error:
            print("no new flags:", error)  # those in use stay


def handler(event: dict[str, str]) -> dict[str, str]:
    """What the platform calls. What the visitor saw and did is sent before it returns: later it may be frozen."""
    refresh_now_and_then()
    visitor = EvaluationContext(event["visitor"], {"plan": event["plan"]})
    label = flags.get_string_value("checkout_button", "Buy", visitor)
    if event.get("bought"):
        flags.track("purchase", visitor, TrackingEventDetails(value=float(event["bought"])))
    is_sent = provider.client.flush(event["visitor"], timeout=FLUSH_SECONDS)
    return {"label": label, "sent": str(is_sent)}  # if not, it waits for the next call


def main() -> None:
    print(handler({"visitor": "ann", "plan": "pro"}))
    print(handler({"visitor": "ann", "plan": "pro", "bought": "9.5"}))
    api.shutdown()


if __name__ == "__main__":
    main()
