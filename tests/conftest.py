"""What holds for every test: it leaves no thread and no handle behind, speaks with this machine alone, tells no secret.

The guards see this process only; a test that starts another one answers for it.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from openfeature_kameleoon.providing import SharedProvider
from openfeature_kameleoon.settings import Secret

LEAK_DEADLINE_SECONDS = 5.0

# --- how many run at once -------------------------------------------------------------------------------------

WORKERS_PER_PROCESSOR = 2
"""Tests wait for servers, processes and time-outs as long as they compute."""

MOST_WORKERS = 8
"""Each collects all tests before it runs its share."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Let ``pytest -p no:xdist`` pass over what pyproject.toml says to pytest-xdist."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--numprocesses", help="nothing: there is no pytest-xdist")
        parser.addoption("--dist", help="nothing: there is no pytest-xdist")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite among processes; run in this one what was asked for by name, and what measures: soak."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.option.markexpr == "not soak"
    return min(MOST_WORKERS, WORKERS_PER_PROCESSOR * (os.cpu_count() or 1)) if is_whole else 0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from the thousands of tests, which stay: it would look at them all each time.

    A forked child copies no page of theirs either.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


# --- examples of hypothesis -----------------------------------------------------------------------------------

# No deadlines: a busy machine is not a failure. In CI the same examples run each time, so red is always news.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


# --- nothing is left behind ---------------------------------------------------------------------------------

OPENFEATURE_THREADS = "openfeature-event-handler"
"""openfeature-sdk runs event handlers on one pool for the life of the process: nobody's leak."""

OPEN_HANDLES = Path("/proc/self/fd")


def is_ours_to_end(thread: threading.Thread) -> bool:
    """Whether the test that started it must end it: it blocks the exit, or it is one of the library's own."""
    if thread.name.startswith(OPENFEATURE_THREADS):
        return False
    return not thread.daemon or thread.name.startswith("kameleoon-")


def open_handles() -> set[str]:
    """Sockets and files this process holds; pipes and devices are the interpreter's and the test runner's."""
    handles = set()
    for descriptor in OPEN_HANDLES.iterdir() if OPEN_HANDLES.exists() else ():
        try:
            target = os.readlink(descriptor)
        except OSError:  # closed meanwhile, such as the one that lists the folder
            continue
        if target.startswith(("socket:", "/")) and not target.startswith(("/dev/", "/proc/")):
            handles.add(f"{descriptor.name} -> {target}")
    return handles


def handles_left(before: set[str], deadline: float) -> set[str]:
    """Handles that are new and stay: a server's thread takes a moment to close what its client has left."""
    left = open_handles() - before
    if left:
        gc.collect()  # a handle that only a reference cycle holds is a ResourceWarning's business, not a leak
    while left := open_handles() - before:
        if time.monotonic() >= deadline:
            break
        time.sleep(0.01)
    return left


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fail a test after which a thread or a handle of its making is still there."""
    threads_before = set(threading.enumerate())
    handles_before = open_handles()

    yield

    deadline = time.monotonic() + LEAK_DEADLINE_SECONDS
    started = [thread for thread in threading.enumerate() if thread not in threads_before]
    for thread in filter(is_ours_to_end, started):
        thread.join(max(0.0, deadline - time.monotonic()))
    threads_left = [thread.name for thread in started if is_ours_to_end(thread) and thread.is_alive()]
    assert not threads_left, f"threads outlive the test: {threads_left}"

    left = handles_left(handles_before, deadline)
    assert not left, f"handles stay open after the test: {sorted(left)}"


# --- this machine alone -------------------------------------------------------------------------------------

foreign_calls: list[str] = []


def is_this_machine(host: object) -> bool:
    """Whether a host is a loopback address, ``localhost``, or none at all."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def keep_to_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to look up, call or send to any other machine, and remember the attempt.

    An audit hook, as no library can go round it. The refusal looks like a network failure, so that a
    background thread survives it; the fixture below fails the test even where the code under test hides it.
    """
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or None: already connected
            return
        host = address[0]
    else:
        return
    if not is_this_machine(host):
        foreign_calls.append(f"{event} {host}")
        raise ConnectionRefusedError(f"tests speak with this machine alone, not with {host}")


sys.addaudithook(keep_to_this_machine)


@pytest.fixture(autouse=True)
def no_foreign_host_is_called() -> Iterator[None]:
    """Fail a test that tried to reach another machine: a closed loopback port also makes a dead host."""
    foreign_calls.clear()

    yield

    assert not foreign_calls, f"the test tried to reach other machines: {foreign_calls}"


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one, for tests that make many files: disks take their time over each."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def threads_alternate_often() -> Iterator[None]:
    """Have threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    yield

    sys.setswitchinterval(interval)


# --- no secret in the log ------------------------------------------------------------------------------------

CANARY = "canary"
"""What holds this word is never logged, whatever it is: a visitor code, a custom datum, a password."""

SHORTEST_SECRET = 8
"""Of a shorter one it cannot be told whether it is meant."""

MOST_SECRETS = 100
LONGEST_MESSAGE = 600
"""Two foreign texts of the longest length, and what is said of them."""

secrets_of_the_test: set[str] = set()
told: list[str] = []

_hold_secret = Secret.__init__
_is_enabled_for = logging.Logger.isEnabledFor
_handle_record = logging.Logger.handle


def hold_secret(secret: Secret, text: str) -> None:
    """Note what becomes a secret in this test, and keep it."""
    _hold_secret(secret, text)
    if isinstance(text, str) and len(text) >= SHORTEST_SECRET and len(secrets_of_the_test) < MOST_SECRETS:
        secrets_of_the_test.add(text)


def overhear(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Look at a record of any logger and level, also where nobody wants to see it; then let it take its way."""
    message = record.getMessage()
    whole = f"{message} {record.args!r}"
    if record.exc_info:
        whole += "".join(traceback.format_exception(*record.exc_info))
    if CANARY in whole or any(secret in whole for secret in secrets_of_the_test):
        told.append(f"{record.name} shows a secret: {record.msg}")
    if covers("openfeature_kameleoon", record.name) and not (message.isprintable() and len(message) < LONGEST_MESSAGE):
        told.append(f"{record.name} says what is too long, or not on one line: {message!r:.200}")
    if _is_enabled_for(logger, record.levelno):
        _handle_record(logger, record)


def covers(name: str, logger: str) -> bool:
    """Whether a logger stands under a name."""
    return logger == name or logger.startswith(f"{name}.")


Secret.__init__ = hold_secret  # type: ignore[method-assign, assignment]  # the only way to know of all
logging.Logger.isEnabledFor = lambda logger, level: True  # type: ignore[method-assign, assignment]  # DEBUG is overheard too
logging.Logger.handle = overhear  # type: ignore[method-assign, assignment]  # no handler: levels stay as tests set them


@pytest.fixture(autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    """Fail a test in which a secret was logged, or anything of ours that is no line of text."""
    secrets_of_the_test.clear()
    told.clear()

    yield

    assert not told, f"the log tells: {told}"


@pytest.fixture
def opened() -> Iterator[list[SharedProvider]]:
    """Providers to shut down when the test is over."""
    providers: list[SharedProvider] = []

    yield providers

    for provider in providers:
        provider.shutdown()
