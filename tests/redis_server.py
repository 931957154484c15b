"""A real ``redis-server`` on a free port of this machine, which tests may kill, stop in its tracks and bring back."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from tests.chaos import wait_until
from tests.programs import of_the_system

__all__ = ["RedisServer", "redis_binary", "redis_server"]

START_SECONDS = 10.0


def redis_binary() -> str:
    """The server's program; without it tests are skipped, or fail in CI."""
    return of_the_system("redis-server")


class RedisServer:
    """A server that keeps everything in memory: what was in it is lost when it is killed."""

    def __init__(self, password: str = "") -> None:
        self._binary = redis_binary()
        self._folder = Path(tempfile.mkdtemp(prefix="kameleoon-redis-"))
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://{':' + quote(password, safe='') + '@' if password else ''}127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Run it, on the same port as before, empty."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--dir", str(self._folder), "--unixsocket", str(self.socket_path)]
        if self._password:
            options += ["--requirepass", self._password]
        self._process = subprocess.Popen([self._binary, *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, START_SECONDS)

    @property
    def socket_path(self) -> Path:
        """Where it listens besides."""
        return self._folder / "redis.sock"

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    @contextmanager
    def client(self) -> Iterator[Any]:
        """redis-py's own client, to look and to meddle with."""
        client = redis.Redis("127.0.0.1", self.port, password=self._password or None, socket_timeout=START_SECONDS)
        try:
            yield client
        finally:
            client.connection_pool.disconnect()

    def run(self, *command: str | bytes) -> Any:
        """The answer to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """End it at once, with all that is in it."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Have it hang: connections are accepted by the system, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        if self._process is not None:
            self.thaw()
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One for all tests that do it no harm."""
    server = RedisServer()

    yield server

    server.close()
