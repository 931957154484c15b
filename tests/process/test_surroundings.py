"""Hostile surroundings: folders that cannot be used, a full disk, no home. Flags are answered, events sent (R26)."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from tests.kameleoon import FakeKameleoon
from tests.process.children import FORKS, ends_well
from tests.process.reporting import both_of, told, use
from tests.sqlite_faults import CALLS, Countdown, failing_calls

pytestmark = FORKS

NOBODY = 65534
SETTINGS = ("cache_directory", "tracking_directory")


class Warnings(logging.Handler):
    """What the library warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def warnings() -> Iterator[list[str]]:
    """What is warned of meanwhile."""
    handler, logger = Warnings(), logging.getLogger("openfeature_kameleoon")
    logger.addHandler(handler)
    try:
        yield handler.texts
    finally:
        logger.removeHandler(handler)


def live(server: FakeKameleoon, visitor: str, **settings: Any) -> None:
    """Start, evaluate, track and end."""
    configuration = KameleoonClientConfiguration(shutdown_timeout_millisecond=20_000, **settings)
    client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints)
    assert client.wait_init()
    use(client, visitor)
    client.close()


# Folders --------------------------------------------------------------------------------------------------------------


def read_only(folder: Path) -> None:
    """Nobody may write there; in the child, which is not root."""
    folder.mkdir()
    folder.chmod(0o500)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)


def of_another_user(folder: Path) -> None:
    """Others own what is in there, and may write."""
    (folder / "events").mkdir(parents=True)
    (folder / "events").chmod(0o777)


def a_file(folder: Path) -> None:
    """It is none."""
    folder.write_text("not a folder")


def below_a_file(folder: Path) -> None:
    """It cannot be made."""
    folder.parent.rmdir()
    folder.parent.write_text("not a folder")


def too_long(folder: Path) -> None:
    """Its path is longer than any may be."""


def full(folder: Path) -> None:
    """Not a byte fits; the system's limit for the size of files is what a program may set."""
    import resource  # not on Windows

    folder.mkdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


FOLDERS: tuple[Callable[[Path], None], ...] = (read_only, of_another_user, a_file, below_a_file, too_long, full)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("prepare", FOLDERS, ids=lambda prepare: prepare.__name__)
def test_r26_a_folder_that_cannot_be_used_costs_one_warning_at_most(
    server: FakeKameleoon, tmp_path: Path, setting: str, prepare: Callable[[Path], None]
) -> None:
    folder = tmp_path / "parent" / ("folder" * 1000 if prepare is too_long else "folder")
    folder.parent.mkdir()

    def live_there() -> None:
        live(server, "before", **{setting: tmp_path / "fine"})  # loads what a child that is nobody may not read
        prepare(folder)
        with warnings() as told_of:
            live(server, "somebody", **{setting: folder})
        assert len(told_of) <= 1, told_of

    assert ends_well(live_there)
    assert told(server) == both_of(["before", "somebody"])


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of this size; only root can make one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [4, 16, 64, 1024])
@pytest.mark.parametrize("setting", SETTINGS)
def test_r26_a_disk_that_is_full_sooner_or_later_costs_one_warning_at_most(
    server: FakeKameleoon, tmp_path: Path, setting: str, kilobytes: int
) -> None:
    visitors = [f"visitor-{number}" for number in range(1000)]

    with small_disk(tmp_path / "disk", kilobytes), warnings() as told_of:
        configuration = KameleoonClientConfiguration(
            tracking_interval_millisecond=5000,
            shutdown_timeout_millisecond=20_000,
            **{setting: tmp_path / "disk"},  # type: ignore[arg-type]  # a path
        )
        client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints)
        assert client.wait_init()
        for visitor in visitors:
            use(client, visitor)
        client.close()

    assert len(told_of) <= 1, told_of
    assert told(server) == both_of(visitors)


# Faults ---------------------------------------------------------------------------------------------------------------

ALL_CALLS = (*CALLS, "replace", "fsync")

CODES = [
    errno.EIO,
    *(pytest.param(code, marks=pytest.mark.soak) for code in (errno.ENOSPC, errno.EACCES, errno.ENOENT)),
]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("code", CODES)
def test_r26_whichever_call_of_the_system_fails_costs_one_warning_at_most(
    server: FakeKameleoon, tmp_path: Path, setting: str, lasting: bool, code: int
) -> None:
    lives = 0
    for number in count(1):
        countdown = Countdown(number, lasting=lasting)
        folder = tmp_path / str(number)
        with warnings() as told_of, failing_calls(countdown, code, ALL_CALLS):
            live(server, f"visitor-{number}", multi_threading=False, **{setting: folder})
        lives = number
        assert len(told_of) <= 1, (number, told_of)
        if not countdown.has_begun:  # it would have been a later call than there was
            break

    assert lives > 5
    assert told(server) == both_of(f"visitor-{number}" for number in range(1, lives + 1))


# The environment ------------------------------------------------------------------------------------------------------

PROGRAM = """
import logging, os, sys
logging.basicConfig(level=logging.WARNING)
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.transport.urls import Endpoints
url = sys.argv[1]
client = KameleoonClient("site", endpoints=Endpoints(configuration=url, events=url, data=url, token=url))
assert client.wait_init()
assert client.is_feature_active("somebody", "on")
client.track_conversion("somebody", 5)
"""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing is set": {},
    "no home": {"HOME": "/nonexistent"},
    "home is a file": {"HOME": "/dev/null"},
    "nowhere to put temporary files": {"TMPDIR": "/nonexistent"},
    "no UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no standard streams": {},
}


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_r26_no_environment_is_needed(server: FakeKameleoon, kind: str) -> None:
    command = [sys.executable, "-I", "-c", PROGRAM, server.url]
    if kind == "no standard streams":
        command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]

    done = subprocess.run(
        command, env=ENVIRONMENTS[kind], cwd="/", capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert told(server) == both_of(["somebody"])


def test_r26_a_working_directory_that_is_gone_is_no_trouble(server: FakeKameleoon, tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    def live_nowhere() -> None:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        with warnings() as told_of:
            live(server, "somebody")
            live(server, "somebody else", tracking_directory="relative", cache_directory="relative")
        assert len(told_of) <= 2, told_of

    assert ends_well(live_nowhere)
    assert told(server) == both_of(["somebody", "somebody else"])
