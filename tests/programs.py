"""Programs that run as they are in processes of their own, and take a server of the test's for Kameleoon's."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from openfeature_kameleoon.transport.urls import Endpoints
from tests.chaos import wait_until

__all__ = [
    "Server",
    "each_worker",
    "is_missing",
    "kameleoon_is",
    "of_the_system",
    "output_of",
    "program",
    "running",
    "serving",
]

START_SECONDS = 30.0

SITE_CUSTOMIZE = """
import importlib.machinery, os, sys

def keep_to_this_machine(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in ("127.0.0.1", "::1"):
        os._exit(7)

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target) if name == "openfeature_kameleoon.transport.urls" else None
        if spec is not None:
            spec.loader.exec_module = lambda module, load=spec.loader.exec_module: (load(module), move(module))
        return spec

def move(urls):
    elsewhere = dict.fromkeys(NAMES, os.environ["KAMELEOON_IS"])
    urls.Endpoints.for_domain = classmethod(lambda cls, domain: cls(**elsewhere))

sys.meta_path.insert(0, Finder)
sys.addaudithook(keep_to_this_machine)
"""
"""Python runs it first: Kameleoon is at that address, and nobody else is spoken with. It imports nothing of ours."""


def kameleoon_is(url: str, folder: Path) -> dict[str, str]:
    """The environment of a program that finds Kameleoon there; a file is put into the folder for it."""
    names = [each.name for each in fields(Endpoints) if each.name != "domain"]
    (folder / "sitecustomize.py").write_text(f"NAMES = {names}\n{SITE_CUSTOMIZE}", encoding="utf-8")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("KAMELEOON_")},
        "KAMELEOON_IS": url,
        "KAMELEOON_SITE_CODE": "a8st4f59bj",
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
    }


def output_of(
    program: str | Path, *arguments: str | Path, seconds: float = 60.0, env: Mapping[str, str] | None = None
) -> str:
    """What a Python program prints, which must end well and complain of nothing."""
    done = subprocess.run(
        [sys.executable, program, *arguments], capture_output=True, text=True, timeout=seconds, env=env, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


class Server(NamedTuple):
    """A program that serves: its process, its port and what it writes, output and errors together."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, target: str) -> tuple[int, str]:
        """The status and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code once it has."""
        self.process.send_signal(number)
        return self.process.wait(START_SECONDS)


@contextlib.contextmanager
def running(command: Sequence[str | Path], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, whose output and errors go to a file; it is killed if it is still there in the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]  # options are Popen's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], folder: Path, port_in: str, env: dict[str, str], cwd: Path | None = None
) -> Iterator[Server]:
    """Run a program that serves, once it has said at which port; ``port_in`` is a pattern for the line that tells."""
    log = folder / "server.log"
    with running(command, log, env=env, cwd=cwd) as process:
        wait_until(lambda: process.poll() is not None or re.search(port_in, log.read_text()), START_SECONDS)
        found = re.search(port_in, log.read_text())
        assert found, log.read_text()
        yield Server(process, int(found[1]), log)


def each_worker(server: Server, pid_in: str, count: int) -> Iterator[int]:
    """Its workers, while the others stand still, so that this one has all the work; ``pid_in``: what tells of one."""

    def workers() -> list[int]:
        return [int(pid) for pid in re.findall(pid_in, server.log.read_text())]

    wait_until(lambda: len(workers()) == count, START_SECONDS)
    for worker in workers():
        others = [other for other in workers() if other != worker]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            yield worker
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)


def program(name: str) -> str:
    """A program that was installed beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def of_the_system(name: str) -> str:
    """A program of the system's, which Debian has in a package of this name."""
    return shutil.which(name) or is_missing(f"{name} is not installed (apt-get install {name})")


def is_missing(reason: str) -> NoReturn:
    """Skip a test that cannot be run here; it fails where CI promises that it can."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
