"""Servers that load an application once and fork their workers: everything is told once, nothing has to be set (R13)."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from openfeature_kameleoon import under_uwsgi
from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import NEWS, both_of, told
from tests.programs import Server, kameleoon_is, program, serving

WORKERS = 2
AT_ONCE = 8

CHECKOUT = 202
"""Id of the experiment in the data file of the examples."""

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = Path(__file__).parent / "programs"


def installed(name: str) -> str:
    """A server's program; without it the test is skipped."""
    path = program(name)
    if not shutil.which(path):
        pytest.skip(f"{name} is not installed (pip install {name})")
    return path


def visit(server: Server, *targets: str) -> list[str]:
    """What the server answers to all of these, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(server.get, targets))
    assert {status for status, _ in answers} == {200}
    return [text for _, text in answers]


# gunicorn -------------------------------------------------------------------------------------------------------------

PATCHED = "from gevent import monkey\n\nmonkey.patch_all()\n"
"""What gevent asks for: that everything is patched before it is loaded."""

GUNICORNS: dict[str, list[str]] = {
    "sync": [],
    "gthread": ["--threads", "4"],
    "gevent": [],
    "recycled": ["--max-requests", "8"],
}


@pytest.mark.parametrize("kind", GUNICORNS)
def test_r13_the_workers_of_gunicorn_report_once(kind: str, tmp_path: Path) -> None:
    command = [installed("gunicorn"), "--bind", "127.0.0.1:0", "--worker-class", kind.replace("recycled", "sync")]
    command += ["--access-logfile", "-", "--access-logformat", "worker %(p)s", *GUNICORNS[kind], "app:application"]
    application = tmp_path / "gunicorn_app"
    shutil.copytree(EXAMPLES / "gunicorn_app", application)
    if kind == "gevent":
        pytest.importorskip("gevent")
        settings = application / "gunicorn.conf.py"
        settings.write_text(settings.read_text().replace("from openfeature import api", PATCHED + "from openfeature import api"))

    with FakeKameleoon((EXAMPLES / "flags.json").read_bytes()) as kameleoon:
        port_in = r"Listening at: http://127\.0\.0\.1:(\d+)"
        with serving(command, tmp_path, port_in, kameleoon_is(kameleoon.url, tmp_path), application) as server:
            visitors = []
            while len(set(re.findall(r"worker <(\d+)>", server.log.read_text()))) < WORKERS:
                some = [f"visitor-{len(visitors) + number}" for number in range(20)]
                visit(server, *(f"/?visitor={visitor}" for visitor in some))
                visit(server, *(f"/buy?visitor={visitor}" for visitor in some))
                visitors += some
            exit_code = server.end()
            log = server.log.read_text()

    assert exit_code == 0
    assert "Traceback" not in log
    assert told(kameleoon) == both_of(visitors)
    assert set(kameleoon.nonces().values()) == {1}
    assert {event["id"] for event in kameleoon.events() if event["eventType"] == "experiment"} == {str(CHECKOUT)}


# uWSGI ----------------------------------------------------------------------------------------------------------------

UWSGIS: dict[str, list[str]] = {
    "as it comes": ["--enable-threads"],
    "with threads": ["--threads", "4"],
    "loaded in the workers": ["--enable-threads", "--lazy-apps"],
    "with the hooks of Python": ["--enable-threads", "--py-call-uwsgi-fork-hooks"],
}


@pytest.mark.parametrize("kind", UWSGIS)
def test_r13_the_workers_of_uwsgi_report_once_and_follow_the_data_file(
    server: FakeKameleoon, kind: str, tmp_path: Path
) -> None:
    command = [installed("uwsgi"), "--http-socket", "127.0.0.1:0", "--wsgi-file", str(PROGRAMS / "uwsgi_app.py")]
    command += ["--master", "--processes", str(WORKERS), "--need-app", "--die-on-term", "--disable-logging"]
    command += ["--virtualenv", sys.prefix, *UWSGIS[kind]]

    port_in = r"bound to TCP address 127\.0\.0\.1:(\d+)"
    with serving(command, tmp_path, port_in, kameleoon_is(server.url, tmp_path)) as uwsgi:
        answers: list[str] = []
        while len({answer.split()[0] for answer in answers}) < WORKERS:
            answers += visit(uwsgi, *(f"/?visitor=visitor-{len(answers) + number}" for number in range(20)))
        server.publish(NEWS)
        later = wait_for_off(uwsgi)
        server.wait_for_lines(2 * len(answers), 20)  # now: a worker that is busy at the end is not cleaned up by uWSGI
        exit_code = uwsgi.end()
        log = uwsgi.log.read_text()

    assert exit_code == 0, log
    assert "Traceback" not in log
    assert {answer.split(maxsplit=1)[1] for answer in answers} == {"on kameleoon-configuration kameleoon-sender"}
    assert {answer.split()[0] for answer in later} == {answer.split()[0] for answer in answers}
    assert told(server) == both_of(f"visitor-{number}" for number in range(len(answers)))
    assert set(server.nonces().values()) == {1}


def wait_for_off(uwsgi: Server) -> list[str]:
    """What workers answer once all of them have the later data file."""
    latest: dict[str, str] = {}

    def is_off() -> bool:
        latest.update({answer.split()[0]: answer for answer in visit(uwsgi, *["/"] * 10)})
        return len(latest) == WORKERS and all(answer.split()[1] == "off" for answer in latest.values())

    wait_until(is_off, 20)
    return list(latest.values())
