"""R4: gunicorn ends, reloads and recycles its workers in the middle of requests, and no event of theirs is lost."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.chaos import wait_until
from tests.delivery.accounts import SITE, numbers
from tests.kameleoon import FakeKameleoon

pytest.importorskip("gunicorn")

APPLICATION = Path(__file__).with_name("web_program.py")
CALLERS = 4
PATIENCE_SECONDS = 20


class Service:
    """A running gunicorn with two workers, and where it listens."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        wait_until(lambda: self._listens() or process.poll() is not None, PATIENCE_SECONDS)
        listens = self._listens()
        assert listens is not None, self.told()
        self.port = int(listens[1])

    def told(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def _listens(self) -> re.Match[str] | None:
        return re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.told())


@contextmanager
def gunicorn(server: FakeKameleoon, folder: Path, workers: str, *, preload: bool, recycled: int) -> Iterator[Service]:
    settings = {
        "bind": "127.0.0.1:0",
        "workers": 2,
        "worker_class": workers,
        "threads": 4 if workers == "gthread" else 1,
        "preload_app": preload,
        "max_requests": recycled,
        "graceful_timeout": PATIENCE_SECONDS,
        "errorlog": str(folder / "log"),
        "pythonpath": str(APPLICATION.parent),
        "control_socket_disable": True,
    }
    configuration = folder / "gunicorn.conf.py"
    configuration.write_text("\n".join(f"{name} = {value!r}" for name, value in settings.items()), encoding="utf-8")
    command = [sys.executable, "-m", "gunicorn", "--config", str(configuration), f"{APPLICATION.stem}:app"]
    environment = {**os.environ, "DELIVERY_DATA_URL": server.url}
    with subprocess.Popen(command, env=environment, cwd=folder) as process:
        try:
            yield Service(process, folder / "log")
        finally:
            process.kill()


class Callers:
    """Threads that make one numbered request after the other; ``answered`` are the numbers that were answered."""

    def __init__(self, port: int) -> None:
        self.answered: list[int] = []
        self._port = port
        self._numbers = count()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._ending.is_set():
            number = next(self._numbers)
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
            try:
                connection.request("GET", f"/{number}", headers={"Connection": "close"})
                answer = connection.getresponse()
                if answer.status == 200 and answer.read() == str(number).encode():
                    self.answered.append(number)
            except (OSError, http.client.HTTPException):  # its worker had gone: nobody was told that it was accepted
                self._ending.wait(0.01)
            finally:
                connection.close()


def serve(folder: Path, workers: str, *, preload: bool, requests: int, recycled: int, reloads: int) -> None:
    """Serve through recycling all the time, so many reloads, and an end in the middle of it."""
    with FakeKameleoon(SITE) as server:
        with gunicorn(server, folder, workers, preload=preload, recycled=recycled) as service:
            callers = Callers(service.port)
            try:
                for reload in range(1, reloads + 2):
                    due = requests * reload // (reloads + 1)
                    wait_until(lambda due=due: len(callers.answered) >= due, 10 * PATIENCE_SECONDS)  # type: ignore[misc]
                    service.process.send_signal(signal.SIGHUP if reload <= reloads else signal.SIGTERM)
                service.process.wait(PATIENCE_SECONDS)
            finally:
                callers.stop()

        came = numbers(server.lines)
        assert len(callers.answered) >= requests
        assert set(callers.answered) <= set(came), service.told()
        assert len(came) == len(set(came))
        assert service.told().count("Autorestarting worker") >= requests // recycled // 2


@pytest.mark.parametrize(("workers", "preload"), [("sync", True), ("gthread", False)])
def test_r4_gunicorn_loses_no_event_of_an_answered_request(tmp_path: Path, workers: str, preload: bool) -> None:
    serve(tmp_path, workers, preload=preload, requests=80, recycled=20, reloads=1)


@pytest.mark.soak
@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("workers", ["sync", "gthread"])
def test_r4_gunicorn_loses_no_event_of_10_000_answered_requests(tmp_path: Path, workers: str, preload: bool) -> None:
    serve(tmp_path, workers, preload=preload, requests=10_000, recycled=500, reloads=5)
