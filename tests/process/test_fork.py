"""A forked child works as if it had been started alone, whatever its parent's threads were doing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonClientConfiguration

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    # From 3.12 on Python warns of forking beside threads, which is what is tested.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

DATA_FILE = Path(__file__).parents[1] / "data" / "kameleoon-datafile.json"
CHILD_SECONDS = 10


def in_child(work: Callable[[], bool]) -> bool:
    """Whether ``work``, done in a forked child, answers true; a child that hangs is ended by an alarm."""
    import signal

    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def client() -> KameleoonClient:
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=DATA_FILE))
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

    is_free = in_child(note_something_new)
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

    is_separate = in_child(start_with_an_empty_outbox)
    client.close()

    assert is_separate
    assert client.outbox.status().pending == pending > 0


def test_the_child_follows_the_data_file_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "datafile.json"
    path.write_bytes(DATA_FILE.read_bytes())
    client = KameleoonClient("site", configuration_object=KameleoonClientConfiguration(data_file=path))
    assert client.wait_init()

    def notice_an_edit() -> bool:
        changed = threading.Event()
        client.on_update_configuration(changed.set)
        edited = tmp_path / "edited.json"
        edited.write_bytes(DATA_FILE.read_bytes().replace(b'"limit"', b'"bound"'))
        edited.replace(path)
        return changed.wait(CHILD_SECONDS)

    has_noticed = in_child(notice_an_edit)
    client.close()

    assert has_noticed
