"""A program that forks as a server written in C does, so that Python is told nothing: ``untold_fork.py <URL>``."""

from __future__ import annotations

import ctypes
import os
import sys

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints

(URL,) = sys.argv[1:]

client = KameleoonClient(
    "site",
    # Without threads: a fork that Python is not told of would leave a child in which one of them holds the interpreter.
    configuration_object=KameleoonClientConfiguration(multi_threading=False),
    endpoints=Endpoints(configuration=URL, events=URL, data=URL, token=URL),
)
assert client.wait_init()
client.get_variation("parent", "on")
child = ctypes.PyDLL(None).fork()
if child == 0:
    client.get_variation("child", "on")
else:
    os.waitpid(child, 0)
client.close()
