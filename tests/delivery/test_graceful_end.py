"""R4: a program ends, in every way one ends, and no event is lost; on disk none is, whatever the server does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chaos import Answer, hangs, reply
from tests.delivery.accounts import SITE, deliver, numbers
from tests.kameleoon import EVENTS, FakeKameleoon

PROGRAM = Path(__file__).with_name("program.py")

ENDINGS = {
    "end_of_main": 0,
    "exit_in_the_middle": 3,
    "unhandled_exception": 1,
    "close": 0,
    "openfeature_shutdown": 0,
    "sigterm_with_a_handler": 0,
}
"""Ways for a program to end, and with which status it does."""

OUTAGES: dict[str, Answer] = {"hangs": hangs(), "fails": reply(500)}
"""What a server does that takes no events, besides being gone."""

INTERVAL_SECONDS = 1.0
MOST_SECONDS = 2.0
INTERPRETER_SECONDS = 1.0
"""What the end of the interpreter may take on a busy machine."""

PATIENCE_SECONDS = 30


class Ended(NamedTuple):
    """A program that is over."""

    status: int
    seconds: float
    """Since it said that it was ending."""


@contextmanager
def program(url: str, ending: str, events: int, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """The program, which is killed if the test leaves it running."""
    task = json.dumps({"data": url, "ending": ending, "events": events, "settings": settings})
    command = [sys.executable, str(PROGRAM), task]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(url: str, ending: str, events: int, **settings: Any) -> Ended:
    """Run the program to its end."""
    with program(url, ending, events, settings) as process:
        said, complaints = process.communicate(timeout=PATIENCE_SECONDS)
        ended = time.monotonic()
    assert "ending" in said, complaints
    return Ended(process.returncode, ended - float(said.split()[-1]))


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    with FakeKameleoon(SITE) as server:
        yield server


# In memory, the server is well --------------------------------------------------------------------------------------


def end_with_events_in_memory(server: FakeKameleoon, ending: str, events: int) -> Ended:
    ended = run(server.url, ending, events)

    assert sorted(numbers(server.lines)) == list(range(events))
    assert ended.status == ENDINGS[ending]
    return ended


@pytest.mark.parametrize("ending", ENDINGS)
def test_r4_no_event_in_memory_is_lost_when_a_program_ends(server: FakeKameleoon, ending: str) -> None:
    ended = end_with_events_in_memory(server, ending, 500)

    assert ended.seconds < MOST_SECONDS + INTERPRETER_SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("ending", ENDINGS)
def test_r4_none_of_10_000_events_in_memory_is_lost_when_a_program_ends(
    server: FakeKameleoon, ending: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    ended = end_with_events_in_memory(server, ending, 10_000)

    record_testsuite_property(f"R4 {ending}, seconds", ended.seconds)
    assert ended.seconds < MOST_SECONDS


# On disk, whatever the server does ------------------------------------------------------------------------------------


def end_with_events_on_disk(folder: Path, ending: str, outage: str, events: int) -> Ended:
    """End the program while its server is away, and let a later process find one that is well."""
    settings: dict[str, Any] = {"tracking_directory": str(folder / "spool")}
    with FakeKameleoon(SITE) as server:
        if outage == "is gone":
            (folder / "site.json").write_text(json.dumps(SITE))
            settings |= {"data_file": str(folder / "site.json"), "send_events": True}
            server.close()
        else:
            server.break_down(EVENTS, OUTAGES[outage])
        ended = run(server.url, ending, events, shutdown_timeout_millisecond=300, **settings)
        assert server.lines == []

    with FakeKameleoon(SITE) as well:
        deliver(folder / "spool", well, folder / "site.json")
        assert sorted(numbers(well.lines)) == list(range(events))
    assert ended.status == ENDINGS[ending]
    return ended


@pytest.mark.parametrize(
    ("ending", "outage"),
    [
        ("end_of_main", "hangs"),
        ("exit_in_the_middle", "fails"),
        ("unhandled_exception", "is gone"),
        ("close", "hangs"),
        ("openfeature_shutdown", "fails"),
        ("sigterm_with_a_handler", "is gone"),
    ],
)
def test_r4_no_event_on_disk_is_lost_when_a_program_ends_in_an_outage(tmp_path: Path, ending: str, outage: str) -> None:
    ended = end_with_events_on_disk(tmp_path, ending, outage, 500)

    assert ended.seconds < MOST_SECONDS + INTERPRETER_SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("outage", [*OUTAGES, "is gone"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_r4_none_of_10_000_events_on_disk_is_lost_when_a_program_ends_in_an_outage(
    tmp_path: Path, ending: str, outage: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    ended = end_with_events_on_disk(tmp_path, ending, outage, 10_000)

    record_testsuite_property(f"R4 {ending}, the server {outage}, seconds", ended.seconds)
    assert ended.seconds < MOST_SECONDS


# SIGTERM while events come ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_r4_a_handler_that_exits_while_events_come_loses_none(
    server: FakeKameleoon, tmp_path: Path, is_on_disk: bool
) -> None:
    settings = {"tracking_directory": str(tmp_path / "spool")} if is_on_disk else {}
    with program(server.url, "at_work_until_asked_to_end", 10_000_000, settings) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("working")

        process.send_signal(signal.SIGTERM)
        said, complaints = process.communicate(timeout=PATIENCE_SECONDS)

    accepted = int(said.split()[1])
    came = sorted(numbers(server.lines))
    assert process.returncode == 0, complaints
    assert came in (list(range(accepted)), list(range(accepted + 1)))  # the last was under way


def kill_at_work(url: str, settings: dict[str, Any], server: FakeKameleoon | None) -> list[float]:
    """When each event was accepted, in seconds before a SIGTERM that nobody handles."""
    with program(url, "at_work_until_killed", 100_000, settings) as process:
        assert process.stdout is not None
        accepted: list[str] = []
        while len(accepted) < 100 or (server is not None and not server.lines):
            accepted.append(process.stdout.readline())
        killed = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == -signal.SIGTERM
    whole = [line for line in "".join([*accepted, rest]).splitlines(keepends=True) if line.endswith("\n")]
    return [killed - float(line.split()[1]) for line in whole]


def test_r4_a_sigterm_that_nobody_handles_costs_one_interval_of_events_in_memory(server: FakeKameleoon) -> None:
    ages = kill_at_work(server.url, {}, server)

    came = set(numbers(server.lines))
    assert came
    assert all(age <= INTERVAL_SECONDS + INTERPRETER_SECONDS for number, age in enumerate(ages) if number not in came)


def test_r4_a_sigterm_that_nobody_handles_costs_nothing_on_disk(server: FakeKameleoon, tmp_path: Path) -> None:
    server.break_down(EVENTS, hangs())
    ages = kill_at_work(server.url, {"tracking_directory": str(tmp_path / "spool")}, None)
    server.break_down(EVENTS, None)

    deliver(tmp_path / "spool", server, tmp_path / "site.json")

    came = sorted(numbers(server.lines))
    assert came in (list(range(len(ages))), list(range(len(ages) + 1)))  # the last was accepted, and not told of
