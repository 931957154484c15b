"""An application for uWSGI, which answers its process, whether a flag is on, and which threads of ours run.

It takes its time, so that one worker alone cannot answer all who ask.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration

SECONDS = 0.05

client = KameleoonClient(
    os.environ["KAMELEOON_SITE_CODE"],
    configuration_object=KameleoonClientConfiguration(refresh_interval_minute=0.001),
)
client.wait_init()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Evaluate and track for the visitor of the query, if there is one."""
    for visitor in parse_qs(environ["QUERY_STRING"]).get("visitor", []):
        client.get_variation(visitor, "on")
        client.track_conversion(visitor, 5)
    is_on = client.is_feature_active("watcher", "on", track=False)
    ours = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    time.sleep(SECONDS)
    return [f"{os.getpid()} {'on' if is_on else 'off'} {' '.join(ours)}".encode()]
