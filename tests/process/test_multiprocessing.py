"""Processes made by multiprocessing, whatever way it makes them: each reports once, also if it closes nothing (R13)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonProvider
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import Open, both_of, told
from tests.programs import output_of

PROGRAMS = Path(__file__).parent / "programs"

WORK = [f"{kind} {number}" for kind in ("process", "task") for number in range(3)]


@pytest.mark.parametrize("whose", ["own", "module"])
@pytest.mark.parametrize("method", get_all_start_methods())
def test_r13_what_processes_report_comes_in_once(server: FakeKameleoon, method: str, whose: str) -> None:
    output_of(PROGRAMS / "workers.py", method, whose, server.url)

    assert told(server) == both_of([*WORK, "parent"] if whose == "module" else WORK)
    assert set(server.nonces().values()) == {1}


@pytest.mark.parametrize("transport", [pickle.dumps, copy.copy, copy.deepcopy])
def test_r13_what_has_threads_is_refused_by_pickle(transport: Callable[[Any], object], open_client: Open) -> None:
    client = open_client()
    provider = KameleoonProvider("site", client=client)

    with pytest.raises(TypeError, match="KameleoonClient is not pickled: make one in each process"):
        transport(client)
    with pytest.raises(TypeError, match="KameleoonProvider is not pickled: make one in each process"):
        transport(provider)
