"""A forked child works as if it had been started alone, whatever its parent's threads were doing (R13)."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.datafile.freshness import StreamState
from tests.chaos import reply, wait_until
from tests.kameleoon import DATA_FILE, EVENTS, FakeKameleoon
from tests.process.children import CHILD_SECONDS, FORKS, ends_well, forked, outcome_of
from tests.process.reporting import NEWS, SITE, Open, both_of, is_on, told, use
from tests.programs import output_of

pytestmark = FORKS

PROGRAMS = Path(__file__).parent / "programs"
SITE_ON_DISK = Path(__file__).parents[1] / "data" / "kameleoon-datafile.json"

MOST_SECONDS_FOR_THE_FIRST = 0.02
"""Of processor time, which an evaluation right after the fork takes; the goal is a millisecond."""


def test_r13_each_child_reports_once_and_the_parent_its_own(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    provider = KameleoonProvider("site", client=client)
    use(provider, "reported before")
    assert client.flush(timeout=5)
    use(provider, "pending")
    client.add_data("unreported", CustomData("plan", "vip"))

    def report_as(child: str) -> None:
        assert is_on(client, "reported before")
        assert is_on(client, "pending")
        use(client, f"{child} by client")
        use(provider, f"{child} by provider")
        client.close()
        assert client.status().events == (4, 4, 0, {"queue_full": 0})

    children = [forked(lambda number=number: report_as(f"child {number}")) for number in range(8)]  # type: ignore[misc]
    use(provider, "after")

    assert [outcome_of(child) for child in children] == [0] * 8
    client.close()
    by_children = [f"child {number} by {face}" for number in range(8) for face in ("client", "provider")]
    expected = both_of(["reported before", "pending", "after", *by_children])
    expected["unreported", "customData"] = 1
    assert told(server) == expected
    assert set(server.nonces().values()) == {1}


def test_r13_a_child_evaluates_at_once(open_client: Open) -> None:
    client = open_client()
    is_on(client, "known")

    def evaluate_at_once() -> None:
        started = time.thread_time()
        assert is_on(client, "new")
        assert is_on(client, "known")
        assert time.thread_time() - started < MOST_SECONDS_FOR_THE_FIRST

    assert ends_well(evaluate_at_once)


def test_r13_a_child_of_a_child_reports_once(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    use(client, "parent")

    def report_as_grandchild() -> None:
        use(client, "grandchild")
        client.close()

    def report_as_child() -> None:
        use(client, "child")
        assert ends_well(report_as_grandchild)
        client.close()

    assert ends_well(report_as_child)
    client.close()
    assert told(server) == both_of(["parent", "child", "grandchild"])


@pytest.mark.parametrize("power_loss", [False, True])
def test_r13_what_a_child_leaves_on_disk_is_delivered_by_the_next_process(
    server: FakeKameleoon, open_client: Open, tmp_path: Path, power_loss: bool
) -> None:
    client = open_client(tracking_directory=tmp_path, tracking_survives_power_loss=power_loss)
    use(client, "parent")
    assert client.flush(timeout=5)  # it has looked for files of others by then, and does not do so again

    server.break_down(EVENTS, reply(503))  # or the child's own sender may be quicker than its end
    assert ends_well(lambda: use(client, "child"))  # and is gone, without closing anything
    server.break_down(EVENTS, None)

    client.close()
    assert told(server) == both_of(["parent"])
    following = open_client(tracking_directory=tmp_path)
    assert following.flush(timeout=5)
    assert told(server) == both_of(["parent", "child"])
    assert set(server.nonces().values()) == {1}


def test_r13_children_that_share_a_directory_deliver_what_each_put_there(
    server: FakeKameleoon, open_client: Open, tmp_path: Path
) -> None:
    client = open_client(tracking_directory=tmp_path)
    use(client, "parent")

    def report_as(child: str) -> None:
        use(client, child)
        client.close()
        assert client.status().events.delivered == 2

    children = [forked(lambda number=number: report_as(f"child {number}")) for number in range(8)]  # type: ignore[misc]

    assert [outcome_of(child) for child in children] == [0] * 8
    client.close()
    assert told(server) == both_of(["parent", *(f"child {number}" for number in range(8))])
    assert set(server.nonces().values()) == {1}


def test_r13_events_under_way_at_the_fork_are_the_parents(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client()
    server.seconds_for_events = 0.2
    use(client, "under way")
    client.flush(instant=True)
    server.wait_for_requests(EVENTS, 1)

    def report() -> None:
        use(client, "child")
        client.close()

    assert ends_well(report)
    client.close()
    assert told(server) == both_of(["under way", "child"])
    assert set(server.nonces().values()) == {1}


def test_r13_a_child_forked_before_there_is_a_data_file_gets_one_by_itself(server: FakeKameleoon) -> None:
    server.break_down(DATA_FILE, lambda connection, ending: ending.wait() or False)
    client = KameleoonClient(
        "site",
        configuration_object=KameleoonClientConfiguration(default_timeout_millisecond=500),
        endpoints=server.endpoints,
    )
    server.wait_for_requests(DATA_FILE, 1)
    server.break_down(DATA_FILE, None)

    def get_it() -> None:
        assert client.wait_init(4000)
        assert is_on(client, "somebody")

    assert ends_well(get_it)
    client.close()


def test_r13_a_child_polls(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(refresh_interval_minute=0.001)
    child = forked(lambda: wait_until(lambda: not is_on(client, "somebody")))

    server.publish(NEWS)

    assert outcome_of(child) == 0
    wait_until(lambda: not is_on(client, "somebody"))


def test_r13_a_child_has_a_stream_of_its_own(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(real_time_update=True)
    wait_until(lambda: server.open_streams == 1)

    def hear_of_news() -> None:
        changes = threading.Event()
        client.on_update_configuration(changes.set)
        assert changes.wait(CHILD_SECONDS)
        assert not is_on(client, "somebody")
        client.close()

    child = forked(hear_of_news)
    wait_until(lambda: server.open_streams == 2)
    server.publish(NEWS, announce=1_789_900_000_000)

    assert outcome_of(child) == 0
    wait_until(lambda: not is_on(client, "somebody"))
    stream = client.status().data_file.stream
    assert stream is not None
    assert (stream.state, stream.reconnects) == (StreamState.OPEN, 0)


def test_r13_a_child_of_the_thread_that_updates_works_too(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(refresh_interval_minute=0.001)
    outcomes: list[bool] = []

    def report() -> None:
        use(client, "child")
        client.close()

    server.publish(json.loads(json.dumps(SITE).replace("1789900000000", "1789900000001")))
    client.live.add_update_listener(lambda *_: outcomes.append(ends_well(report)))
    wait_until(lambda: outcomes)

    assert outcomes == [True]
    assert told(server) == both_of(["child"])


def test_r13_a_client_that_was_closed_stays_closed_in_the_child_until_it_is_started(
    server: FakeKameleoon, open_client: Open
) -> None:
    client = open_client()
    client.close()

    def start_anew() -> None:
        assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
        assert client.wait_init()
        use(client, "child")
        client.close()

    assert ends_well(start_anew)
    assert told(server) == both_of(["child"])


def test_r13_without_threads_a_child_reports_inside_its_own_calls(server: FakeKameleoon, open_client: Open) -> None:
    client = open_client(multi_threading=False)
    use(client, "parent")

    def report() -> None:
        use(client, "child")
        client.refresh()
        client.close()

    assert ends_well(report)
    client.close()
    assert told(server) == both_of(["parent", "child"])


def test_r13_a_fork_that_python_was_not_told_of_is_noticed(server: FakeKameleoon) -> None:
    output_of(PROGRAMS / "untold_fork.py", server.url)

    assert told(server) == {("parent", "experiment"): 1, ("child", "experiment"): 1}
    assert set(server.nonces().values()) == {1}


def test_r13_a_child_that_ends_as_programs_do_reports_at_its_end(server: FakeKameleoon) -> None:
    output_of(PROGRAMS / "forking.py", server.url)

    assert told(server) == both_of(["parent", "child", "grandchild"])
    assert set(server.nonces().values()) == {1}


# From a data file on disk ---------------------------------------------------------------------------------------------


@pytest.fixture
def client() -> KameleoonClient:
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=SITE_ON_DISK))
    assert client.wait_init()
    return client


def test_a_lock_that_a_thread_of_the_parent_holds_does_not_stop_the_child(client: KameleoonClient) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with client.evaluator.store.lock:
            held.set()
            done.wait(CHILD_SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(CHILD_SECONDS)

    def note_something_new() -> bool:
        client.add_data("visitor-1", CustomData(0, "vip"))
        return client.get_variation("visitor-1", "pricing_test").key == "premium"

    is_free = ends_well(note_something_new)
    done.set()
    thread.join()
    client.close()

    assert is_free


def test_visitors_are_known_to_the_child_and_pending_events_are_the_parents(client: KameleoonClient) -> None:
    client.add_data("visitor-1", CustomData(0, "vip"))
    client.get_variation("visitor-1", "pricing_test")
    pending = client.outbox.status().pending

    def start_with_an_empty_outbox() -> bool:
        is_known = client.get_variation("visitor-1", "pricing_test").key == "premium"
        return is_known and client.outbox.status() == (0, 0, 0, {"queue_full": 0})

    is_separate = ends_well(start_with_an_empty_outbox)
    client.close()

    assert is_separate
    assert client.outbox.status().pending == pending > 0


def test_the_child_follows_the_data_file_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "datafile.json"
    path.write_bytes(SITE_ON_DISK.read_bytes())
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=path))
    assert client.wait_init()

    def notice_an_edit() -> bool:
        changed = threading.Event()
        client.on_update_configuration(changed.set)
        edited = tmp_path / "edited.json"
        edited.write_bytes(SITE_ON_DISK.read_bytes().replace(b'"limit"', b'"bound"'))
        os.replace(edited, path)
        return changed.wait(CHILD_SECONDS)

    has_noticed = ends_well(notice_an_edit)
    client.close()

    assert has_noticed
