"""FlagshipProvider with its threads: outages, the end, forks and kills lose nothing, and have nothing told twice."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.flagship.provider import FlagshipProvider
from tests.chaos import hangs, reply, wait_until
from tests.faces import threads
from tests.flagship.collector import ACTIVATE, HITS
from tests.flagship.environment import CAMPAIGNS, NOBODY, Environment, decided, file_of, resolve
from tests.process.children import FORKS, ends_well, forked, outcome_of


@pytest.fixture
def server() -> Iterator[Environment]:
    with Environment() as server:
        yield server


def use(provider: FlagshipProvider, visitor: str) -> None:
    """See a variation, and do something."""
    assert resolve(provider, "f", False, visitor).value is True
    provider.track(visitor, EvaluationContext(visitor))


def told(server: Environment) -> Counter[tuple[str, str]]:
    """How often what was told, by visitor and what it is about."""
    did = Counter((hit["vid"], "hit") for hit in list(server.hits))
    return Counter((visitor, "activation") for visitor, _ in server.activated().elements()) + did


def both_of(*visitors: str) -> Counter[tuple[str, str]]:
    return Counter((visitor, kind) for visitor in visitors for kind in ("hit", "activation"))


# --- in the background ------------------------------------------------------------------------------------------------


def test_exposures_go_at_once_and_hits_when_enough_wait(server: Environment) -> None:
    provider = server.ready(multi_threading=True, tracking_pool_size=2)

    use(provider, "one")
    wait_until(lambda: server.activated() == {("one", "v-f"): 1})
    use(provider, "two")
    wait_until(lambda: told(server) == both_of("one", "two"))

    assert sorted(threads()) == ["kameleoon-configuration", "kameleoon-flagship-activations", "kameleoon-flagship-hits"]


def test_a_file_that_changes_is_noticed(server: Environment) -> None:
    provider = server.ready(multi_threading=True, polling_interval_second=0.05)

    server.file = file_of(f=False)

    wait_until(lambda: resolve(provider, "f", True).value is False)


def test_an_outage_loses_nothing_and_tells_nothing_twice(server: Environment) -> None:
    for path in (HITS, ACTIVATE):
        server.break_down(path, reply(503))
    provider = server.ready(multi_threading=True, tracking_pool_size=1)
    visitors = [f"visitor-{number}" for number in range(50)]
    for visitor in visitors:
        use(provider, visitor)
    wait_until(lambda: len(server.received) >= 3)

    for path in (HITS, ACTIVATE):
        server.break_down(path, None)
    assert provider.flush(10.0)

    assert told(server) == both_of(*visitors)
    status = provider.tracking_status()
    assert status is not None
    assert (status.activations.delivered, status.hits.delivered) == (50, 50)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_shutdown_sends_what_waits_ends_every_thread_and_may_come_twice(server: Environment) -> None:
    provider = server.ready(multi_threading=True)
    for visitor in ("one", "two"):
        use(provider, visitor)
        provider.shutdown()
        provider.shutdown()
        assert told(server)[visitor, "hit"] == 1
        wait_until(lambda: threads() == [])
        provider.initialize(NOBODY)

    assert told(server) == both_of("one", "two")


@pytest.mark.parametrize("mode", ["BUCKETING", "DECISION_API"])
def test_shutdown_is_over_in_time_beside_a_server_that_hangs(server: Environment, mode: str) -> None:
    provider = server.ready(multi_threading=True, shutdown_timeout_millisecond=300, mode=mode)
    for path in (HITS, ACTIVATE):
        server.break_down(path, hangs())
    use(provider, "one")

    begun = time.monotonic()
    provider.shutdown()

    assert time.monotonic() - begun < 1.5
    wait_until(lambda: threads() == [])


def test_an_evaluation_that_waits_ends_with_shutdown(server: Environment) -> None:
    server.break_down(CAMPAIGNS, hangs())
    provider = server.ready(mode="DECISION_API", timeout_millisecond=60_000)
    waiting = threading.Thread(target=resolve, args=(provider, "f", False))
    waiting.start()
    wait_until(lambda: server.received)

    provider.shutdown()
    waiting.join(5)

    assert not waiting.is_alive()


@pytest.mark.parametrize("mode", ["BUCKETING", "DECISION_API"])
def test_a_provider_that_was_shut_down_is_let_go(server: Environment, mode: str) -> None:
    provider = server.ready(multi_threading=True, mode=mode)
    use(provider, "one")
    provider.shutdown()
    server.opened.clear()
    alive = weakref.ref(provider)

    del provider

    wait_until(lambda: gc.collect() >= 0 and alive() is None)


PROGRAM = """
import sys
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration

api.set_provider_and_wait(FlagshipProvider("ENV_ID", "API_KEY", FlagshipConfiguration(server_url=sys.argv[1])))
visitor = EvaluationContext("one")
assert api.get_client().get_boolean_value("f", False, visitor)
api.get_client().track("bought", visitor)
if sys.argv[2] == "shutdown":
    api.shutdown()
elif sys.argv[2] == "raise":
    raise SystemExit(3)
"""


@pytest.mark.parametrize(("ending", "code"), [("return", 0), ("shutdown", 0), ("raise", 3)])
def test_what_waits_when_the_program_ends_is_sent(server: Environment, ending: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, server.url, ending],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (code, "")
    assert told(server) == both_of("one")


# --- forks and kills --------------------------------------------------------------------------------------------------


class TestForks:
    """A child works as if it had been started alone."""

    pytestmark = FORKS

    @pytest.mark.parametrize("on_disk", [False, True])
    def test_each_child_tells_its_own_and_the_parent_its_own(
        self, server: Environment, tmp_path: Path, on_disk: bool
    ) -> None:
        directory = tmp_path if on_disk else None
        provider = server.ready(multi_threading=True, tracking_directory=directory, shutdown_timeout_millisecond=4000)
        use(provider, "before")

        def work(child: str) -> None:
            assert resolve(provider, "f", False, "before").value is True  # told by the parent
            use(provider, child)
            provider.shutdown()

        children = [forked(lambda number=number: work(f"child {number}")) for number in range(4)]  # type: ignore[misc]
        use(provider, "after")

        assert [outcome_of(child) for child in children] == [0] * 4
        assert provider.flush(10.0)
        assert told(server) == both_of("before", "after", *(f"child {number}" for number in range(4)))

    def test_a_child_evaluates_and_polls_by_itself(self, server: Environment) -> None:
        provider = server.ready(multi_threading=True, polling_interval_second=0.05)

        def work() -> None:
            assert resolve(provider, "f", False, "new").value is True
            wait_until(lambda: resolve(provider, "f", True, "new").value is False, 4.0)

        child = forked(work)
        server.file = file_of(f=False)

        assert outcome_of(child) == 0

    def test_a_child_asks_by_itself_whatever_its_parent_was_asking(self, server: Environment) -> None:
        server.break_down(CAMPAIGNS, hangs())
        provider = server.ready(mode="DECISION_API", timeout_millisecond=3000)
        asking = threading.Thread(target=resolve, args=(provider, "f", False, "asked for"))
        asking.start()
        wait_until(lambda: server.received)
        server.break_down(CAMPAIGNS, None)
        server.decide = lambda body: decided(f=True)

        def work() -> bool:
            return resolve(provider, "f", False, "asked for").value is True

        assert ends_well(work)
        provider.shutdown()
        asking.join()

    @pytest.mark.parametrize("kills", [3])
    def test_what_was_accepted_on_disk_survives_a_kill(self, server: Environment, tmp_path: Path, kills: int) -> None:
        for path in (HITS, ACTIVATE):
            server.break_down(path, reply(503))

        def work_until_killed(kill: int) -> None:
            provider = server.ready(multi_threading=True, tracking_directory=tmp_path)
            for number in range(20):
                use(provider, f"{kill}-{number}")
            os.kill(os.getpid(), signal.SIGKILL)

        for kill in range(kills):
            assert outcome_of(forked(lambda kill=kill: work_until_killed(kill))) == -signal.SIGKILL  # type: ignore[misc]
        for path in (HITS, ACTIVATE):
            server.break_down(path, None)

        heir = server.ready(multi_threading=True, tracking_directory=tmp_path)
        wait_until(lambda: heir.flush(1.0))

        assert told(server) == both_of(*(f"{kill}-{number}" for kill in range(kills) for number in range(20)))


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_that_evaluate_while_files_change_get_one_answer_or_the_other(
    server: Environment, threads_alternate_often: None
) -> None:
    provider = server.ready(multi_threading=True, visitor_data_maximum_size=0.05)
    is_over = threading.Event()
    answers: Counter[Any] = Counter()

    def evaluate(name: str) -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            details = resolve(provider, "f", True, f"{name}-{number % 100}", page=number % 7)
            answers[details.value, details.error_code] += 1

    workers = [threading.Thread(target=evaluate, args=(str(number),)) for number in range(6)]
    for worker in workers:
        worker.start()
    for number in range(30):
        server.file = file_of(f=number % 2 == 0, g=number)
        provider.refresh()
    is_over.set()
    for worker in workers:
        worker.join()

    assert set(answers) <= {(True, None), (False, None)}
    assert provider._visitors.bytes == sum(visitor.size for visitor in provider._visitors)
    assert provider.flush(10.0)
