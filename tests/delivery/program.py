"""A program that reports events and ends in one of the ways a program ends: run by tests in a process of its own.

Its one argument is a JSON object: ``data``, the URL of the server; ``settings`` of the client; ``events``, how many;
``ending``, a name in ``ENDINGS``. It says ``ending <seconds>`` on the clock of the machine when it begins to end.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import requests
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.transport.urls import Endpoints

VISITORS = 50


class Diverted:
    """A session that sends everything to one server: a provider makes its client itself, and names no host."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        path = url.split("/", 3)[3]
        return self._session.request(method, f"{self._url}/{path}", **options)


def tell(word: str) -> None:
    sys.stdout.write(f"{word} {time.monotonic()}\n")
    sys.stdout.flush()


def client_of(data: str, settings: dict[str, Any]) -> KameleoonClient:
    endpoints = Endpoints(configuration=data, events=data, data=data, token=data)
    configuration = KameleoonClientConfiguration(**settings)
    client = KameleoonClient("site", configuration_object=configuration, endpoints=endpoints)
    assert client.wait_init(10_000)
    return client


def report(client: KameleoonClient, events: int) -> None:
    for number in range(events):
        client.track_conversion(f"visitor-{number % VISITORS}", 5, number)


def end_of_main(data: str, settings: dict[str, Any], events: int) -> None:
    report(client_of(data, settings), events)
    tell("ending")


def exit_in_the_middle(data: str, settings: dict[str, Any], events: int) -> None:
    report(client_of(data, settings), events)
    tell("ending")
    sys.exit(3)


def unhandled_exception(data: str, settings: dict[str, Any], events: int) -> None:
    report(client_of(data, settings), events)
    tell("ending")
    raise RuntimeError("nobody handles this")


def close(data: str, settings: dict[str, Any], events: int) -> None:
    client = client_of(data, settings)
    report(client, events)
    tell("ending")
    client.close()


def openfeature_shutdown(data: str, settings: dict[str, Any], events: int) -> None:
    configuration = KameleoonClientConfiguration(session=Diverted(data), goals={"purchase": 5}, **settings)
    api.set_provider_and_wait(KameleoonProvider("site", configuration))
    flags = api.get_client()
    for number in range(events):
        context = EvaluationContext(f"visitor-{number % VISITORS}")
        flags.track("purchase", context, TrackingEventDetails(number))
    tell("ending")
    api.shutdown()


def sigterm_with_a_handler(data: str, settings: dict[str, Any], events: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    report(client_of(data, settings), events)
    tell("ending")
    signal.raise_signal(signal.SIGTERM)


def at_work_until_killed(data: str, settings: dict[str, Any], events: int) -> None:
    """Tell of each event that was accepted, one every two milliseconds; ``events`` is how many there are at most."""
    client = client_of(data, settings)
    for number in range(events):
        client.track_conversion(f"visitor-{number % VISITORS}", 5, number)
        tell(str(number))
        time.sleep(0.002)


def at_work_until_asked_to_end(data: str, settings: dict[str, Any], events: int) -> None:
    """As fast as it can; at SIGTERM exit in the middle of whatever it does, and tell how many were accepted."""
    accepted = 0

    def leave(*_: object) -> None:
        sys.exit(0)

    client = client_of(data, settings)
    signal.signal(signal.SIGTERM, leave)
    try:
        for number in range(events):
            client.track_conversion(f"visitor-{number % VISITORS}", 5, number)
            accepted = number + 1
            if accepted == 500:
                tell("working")
    finally:
        tell(f"accepted {accepted}")
        tell("ending")


ENDINGS: dict[str, Callable[[str, dict[str, Any], int], None]] = {
    ending.__name__: ending
    for ending in (
        *(end_of_main, exit_in_the_middle, unhandled_exception, close, openfeature_shutdown, sigterm_with_a_handler),
        *(at_work_until_killed, at_work_until_asked_to_end),
    )
}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    ENDINGS[task["ending"]](task["data"], task["settings"], task["events"])
