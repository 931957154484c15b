"""A program that forks children, all of which end as programs do, and close nothing: ``forking.py <URL>``."""

from __future__ import annotations

import os
import sys
import warnings

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints

GOAL = 5

(URL,) = sys.argv[1:]

warnings.filterwarnings(
    "ignore", ".*use of fork", DeprecationWarning
)  # Python's, from 3.12 on, of forking with threads

client = KameleoonClient(
    "site",
    configuration_object=KameleoonClientConfiguration(
        tracking_interval_millisecond=5000, shutdown_timeout_millisecond=20_000
    ),
    endpoints=Endpoints(configuration=URL, events=URL, data=URL, token=URL),
)
assert client.wait_init()

for generation in ("parent", "child", "grandchild"):
    assert client.is_feature_active(generation, "on")
    client.track_conversion(generation, GOAL)
    if generation != "grandchild" and (child := os.fork()):
        os.waitpid(child, 0)
        break
