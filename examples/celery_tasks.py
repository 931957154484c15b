"""Flags in Celery's workers: a provider for each process of the pool.

Run: celery --workdir examples --app celery_tasks worker (KAMELEOON_SITE_CODE=<yours> and BROKER_URL have to be set)
"""

from __future__ import annotations

import logging
import os

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

log = logging.getLogger(__name__)

app = Celery("shop", broker=os.environ["BROKER_URL"])


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def open_provider(**_: object) -> None:
    """In each new process. Celery gives it four seconds to begin."""
    configuration = KameleoonClientConfiguration(default_timeout_millisecond=3_000, goals={"purchase": 4401})
    try:
        api.set_provider_and_wait(KameleoonProvider(os.environ["KAMELEOON_SITE_CODE"], configuration))
    except OpenFeatureError as error:  # it goes on trying in the background
        log.warning("no flags yet: %s", error)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # Celery has no types
def close_provider(**_: object) -> None:
    """Before it ends: what waits is sent, for ``shutdown_timeout_millisecond`` at most."""
    api.shutdown()


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def send_offer(visitor_code: str) -> str:
    """Write to a visitor what the experiment says, and count it."""
    flags, visitor = api.get_client(), EvaluationContext(visitor_code)
    label = flags.get_string_value("checkout_button", "Buy", visitor)
    flags.track("purchase", visitor, TrackingEventDetails(value=9.5))
    return label
