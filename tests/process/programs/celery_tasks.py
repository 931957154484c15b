"""Tasks of Celery that know nothing of its signals: one client for all processes, made before they are forked."""

from __future__ import annotations

import os

from celery import Celery

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration

app = Celery("tasks", broker=os.environ["BROKER_URL"])

client = KameleoonClient(
    os.environ["KAMELEOON_SITE_CODE"],
    configuration_object=KameleoonClientConfiguration(
        tracking_interval_millisecond=5000, shutdown_timeout_millisecond=20_000
    ),
)
client.wait_init()


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def use(visitor: str) -> bool:
    """Two events."""
    client.track_conversion(visitor, 5)
    return client.is_feature_active(visitor, "on")
