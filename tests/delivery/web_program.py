"""A web application that reports an event for each request: served by gunicorn in tests.

The server that takes the events is named by the environment. A request for ``/7`` is answered with ``7`` once the event
of that number is accepted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from openfeature_kameleoon import KameleoonClient
from openfeature_kameleoon.transport.urls import Endpoints

DATA = os.environ["DELIVERY_DATA_URL"]

client = KameleoonClient("site", endpoints=Endpoints(configuration=DATA, events=DATA, data=DATA, token=DATA))


def app(environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    number = environ["PATH_INFO"].removeprefix("/")
    client.track_conversion(f"visitor-{int(number) % 50}", 5, int(number))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(number)))])
    return [number.encode()]
