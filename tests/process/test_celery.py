"""The processes of Celery's pool, which end without any clean-up of Python's: what they report comes in (R13)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import both_of, told
from tests.programs import kameleoon_is, program, running
from tests.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

PROGRAMS = Path(__file__).parent / "programs"


def test_r13_the_processes_of_celery_report_once(
    server: FakeKameleoon, redis_server: RedisServer, tmp_path: Path
) -> None:
    pytest.importorskip("celery")
    environment = {**kameleoon_is(server.url, tmp_path), "BROKER_URL": f"redis://127.0.0.1:{redis_server.port}/1"}
    log = tmp_path / "log"
    visitors = [f"visitor-{number}" for number in range(10)]
    command = [program("celery"), "--app", "celery_tasks", "worker", "--concurrency", "2", "--loglevel", "INFO"]
    command += ["--without-mingle", "--without-gossip"]
    ask = f"from celery_tasks import use\nfor visitor in {visitors}: use.delay(visitor)"

    with running(command, log, cwd=PROGRAMS, env=environment) as process:
        wait_until(lambda: " ready" in log.read_text(), 30)
        subprocess.run([sys.executable, "-c", ask], cwd=PROGRAMS, env=environment, timeout=60, check=True)
        wait_until(lambda: log.read_text().count("succeeded in") == len(visitors), 20)
        process.terminate()
        exit_code = process.wait(30)

    assert exit_code == 0, log.read_text()
    assert told(server) == both_of(visitors)
    assert set(server.nonces().values()) == {1}
