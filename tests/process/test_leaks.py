"""Nothing is left of a client that was closed, and nothing begins before one is started (R14)."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import use
from tests.programs import output_of

PROGRAMS = Path(__file__).parent / "programs"

MEGABYTE = 1 << 20

WARM_UP = 100
"""Cycles after which memory grows no more."""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds is not told here")
@pytest.mark.parametrize("cycles", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_r14_nothing_is_left_however_often_one_begins_and_ends(
    server: FakeKameleoon, tmp_path: Path, cycles: int, record_property: Callable[[str, object], None]
) -> None:
    told = json.loads(output_of(PROGRAMS / "cycles.py", server.url, str(cycles), tmp_path, seconds=600))

    before, after = told["before"], told["cycles"]
    assert len(after) == cycles
    assert [held["threads"] for held in after if held["threads"] != ["MainThread"]] == []
    assert [held["handles"] for held in after if held["handles"] != before["handles"]] == []
    assert told["alive"] == 0
    if cycles > WARM_UP:
        grown = (after[-1]["resident"] - after[WARM_UP]["resident"]) / MEGABYTE
        record_property("megabytes", round(grown, 2))
        assert grown < 2


def opened(server: FakeKameleoon, **settings: Any) -> KameleoonProvider:
    """A provider that was used, of which nobody else knows."""
    client = KameleoonClient(
        "site", configuration_object=KameleoonClientConfiguration(**settings), endpoints=server.endpoints
    )
    provider = KameleoonProvider("site", client=client)
    provider.initialize(EvaluationContext())
    use(provider, "somebody")
    return provider


def references_to(provider: KameleoonProvider) -> list[weakref.ref[object]]:
    """To a provider and what it is made of."""
    client = provider.client
    return [weakref.ref(each) for each in (provider, client, client.live, client.outbox, client.evaluator.store)]


def test_r14_a_closed_client_is_collected_with_its_provider(server: FakeKameleoon, tmp_path: Path) -> None:
    provider = opened(server, real_time_update=True, tracking_directory=tmp_path)
    wait_until(lambda: server.open_streams)
    references = references_to(provider)

    provider.client.close()
    del provider
    gc.collect()

    assert [reference() for reference in references] == [None] * len(references)


def test_r14_a_client_without_threads_is_collected_although_nobody_closed_it(server: FakeKameleoon) -> None:
    provider = opened(server, multi_threading=False)
    references = references_to(provider)

    del provider
    gc.collect()

    assert [reference() for reference in references] == [None] * len(references)


def test_r14_a_provider_is_collected_while_its_shared_client_lives_on(server: FakeKameleoon) -> None:
    provider = opened(server)
    client, reference = provider.client, weakref.ref(provider)

    del provider
    gc.collect()

    assert reference() is None
    client.close()


NOTHING_BEGINS = """
import socket, sys, threading

def no_socket(event, arguments):
    assert not event.startswith("socket."), event

sys.addaudithook(no_socket)
import openfeature_kameleoon
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider

configuration = KameleoonClientConfiguration(
    client_id="id", client_secret="the-secret", tracking_directory=sys.argv[1], cache_directory=sys.argv[1],
    real_time_update=True,
)
client = KameleoonClient("site", configuration_object=configuration, autostart=False)
others = KameleoonProvider("site", client=client), KameleoonProvider("site", configuration)
print([thread.name for thread in threading.enumerate()])
"""


def test_r14_nothing_begins_by_importing_or_constructing(tmp_path: Path) -> None:
    folder = tmp_path / "none yet"
    printed = output_of("-Xdev", "-Werror", "-c", NOTHING_BEGINS, folder)

    assert printed == "['MainThread']\n"
    assert not folder.exists()
